"""Names: snake case, unique counters, and the nearest known word for a misspelt one."""

import difflib
import functools
import re
from collections.abc import Iterable
from typing import Any, Self

_NOT_IN_WORDS = re.compile(r"\W+")
_BEFORE_WORD = re.compile(r"(.)([A-Z][a-z]+)")
_WITHIN = re.compile(r"([a-z])([A-Z])")

_counters: dict[str, int] = {}


class Named:
    """What has a name: unique in a model.

    A subclass that writes `name = "block"` in its body does not name its objects by it, as in
    Keras: all of them would be called that, whatever their constructors are given.
    """

    _name: str

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if isinstance(cls.__dict__.get("name"), str):
            cls.name = Named.name  # type: ignore[method-assign]

    @property
    def name(self) -> str:
        """The name: unique in a model."""
        return str(self._name)

    @name.setter
    def name(self, value: str) -> None:
        self._name = value


class AutomaticName(str):
    """A name that was counted, not given, such as `dense_3`; its `root` is `dense`.

    What must not depend on what else was made in the process reads the root. So no name needs to
    be looked at for whether it was counted.
    """

    root: str

    def __new__(cls, name: str, root: str) -> Self:
        self = super().__new__(cls, name)
        self.root = root
        return self

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        return str(self), self.root


def root(name: str) -> str:
    """Returns what an automatic name was counted from; another name as it is."""
    return getattr(name, "root", name)


def likely_root(name: str, class_name: str) -> str:
    """Returns the root that a name has in files that do not say it, such as Keras's.

    It is the class if the name could be that of the class, counted. Files in which this is not so
    say what the root is.
    """
    class_root = to_snake_case(class_name)
    start, _, count = name.rpartition("_")
    return class_root if class_root in (name, start if count.isdecimal() else name) else name


@functools.lru_cache(4096)
def to_snake_case(name: str) -> str:
    """Turns a class name into Keras's default layer name.

    Example:
        >>> from jkeras.base.naming import to_snake_case
        >>> [to_snake_case(n) for n in ("BatchNormalization", "PReLU", "Conv2D", "RMSprop")]
        ['batch_normalization', 'p_re_lu', 'conv2d', 'rm_sprop']
    """
    if not name.isidentifier():
        name = _NOT_IN_WORDS.sub("", name)
    return _WITHIN.sub(r"\1_\2", _BEFORE_WORD.sub(r"\1_\2", name)).lower()


def auto_name(prefix: str) -> str:
    """Returns `prefix`, then `prefix_1`, `prefix_2`, ... since the last `clear_session`."""
    count = _counters.get(prefix, 0)
    _counters[prefix] = count + 1
    return f"{prefix}_{count}" if count else prefix


def get_uid(prefix: str = "") -> int:
    """Returns 1, 2, 3, ...: how often `prefix` has been asked for since `clear_session`.

    Example:
        >>> import jkeras as keras
        >>> keras.backend.get_uid("block"), keras.backend.get_uid("block")
        (1, 2)
    """
    key = f"uid:{prefix}"
    _counters[key] = _counters.get(key, 0) + 1
    return _counters[key]


def reset_names() -> None:
    """Starts all name counters again."""
    _counters.clear()


def counted() -> dict[str, int]:
    """Returns how often each name was counted."""
    return dict(_counters)


def count_from(counts: dict[str, int]) -> None:
    """Goes on counting from what `counted` returned."""
    reset_names()
    _counters.update(counts)


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns ``": did you mean 'relu'?"`` for a misspelt `name`, or an empty string.

    Example:
        >>> from jkeras.base.naming import nearest
        >>> nearest("rellu", ["relu", "tanh"])
        ": did you mean 'relu'?"
    """
    known = list(known)
    by_lower = {k.lower(): k for k in reversed(known)}
    matches = difflib.get_close_matches(str(name).lower(), by_lower, n=1, cutoff=0.6)
    return f": did you mean {by_lower[matches[0]]!r}?" if matches else ""


def unique(name: str, taken: Iterable[str]) -> str:
    """Returns `name`, or `name_1`, `name_2`, ... if it is already `taken`."""
    if name not in taken:
        return name
    count = 1
    while f"{name}_{count}" in taken:
        count += 1
    return f"{name}_{count}"


def claim(name: str, taken: dict[str, int]) -> str:
    """Does `unique`, and notes the result in `taken`: quick for many equal names.

    Args:
        name: The name.
        taken: The names so far, each with the last count that was put behind it.
    """
    if name not in taken:
        taken[name] = 0
        return name
    count = taken[name] + 1
    while (counted := f"{name}_{count}") in taken:
        count += 1
    taken[name], taken[counted] = count, 0
    return counted
