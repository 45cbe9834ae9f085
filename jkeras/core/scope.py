"""What weights read as during one call: the only ambient state of the library.

Three kinds of scope share one class. *Pure*: values are given, and no other weight may be read.
*Eager*: the weights' own cells are read and written. *Abstract*: weights are stand-ins with a shape
and a dtype only, for finding output shapes.
"""

import contextvars
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from jkeras.base import keys, naming

if TYPE_CHECKING:
    from jkeras.core.variable import Variable

_current: contextvars.ContextVar["Scope | None"] = contextvars.ContextVar("scope", default=None)
_names: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("names", default=())

_default_key: contextvars.ContextVar[list[Any] | None] = contextvars.ContextVar(
    "default_key", default=None
)

EAGER, PURE, ABSTRACT = "eager", "pure", "abstract"


class Scope:
    """One call's view of the world: weights, training flag, randomness; and what it produced.

    Args:
        kind: `EAGER`, `PURE` or `ABSTRACT`.
        values: For a pure scope, the array each weight reads as.
        training: The training flag of layers that are not told otherwise; None if not decided.
        rng: For a pure scope, the key that draws derive from.
        paths: For a pure scope, makes the mapping from layers to their paths (called at the first
            draw), so that what a layer draws depends on where it is, not on when it draws.
    """

    def __init__(
        self,
        kind: str = EAGER,
        values: "Mapping[Variable, jax.Array] | None" = None,
        training: bool | None = None,
        rng: jax.Array | None = None,
        paths: Callable[[], Mapping[Any, str]] | None = None,
    ):
        self.kind = kind
        self.values: dict[Variable, Any] = dict(values or {})
        self.training = training
        self.rng = rng
        self.autocast: str | None = None  # float dtype in which weights read inside a layer's call
        self.losses: list[Any] = []
        self.callers: list[Any] = []  # layers being called, outermost first
        self._paths = paths
        self._path_of: Mapping[Any, str] | None = None
        self._draws: dict[str, int] = {}
        # id -> (array, mask): holding the array keeps its id from being given to another one
        self._masks: dict[int, tuple[Any, Any]] = {}

    # -------------------------------------------------------------- weights
    def read(self, variable: "Variable") -> Any:
        """Returns what `variable` reads as in this scope."""
        if variable in self.values:
            return self.values[variable]
        if self.kind == EAGER:
            return variable.show()
        if self.kind == ABSTRACT:
            stand_in = jnp.zeros(variable.shape, variable.dtype)
            self.values[variable] = stand_in
            return stand_in
        raise ValueError(self._foreign(variable, "read"))

    def write(self, variable: "Variable", value: Any) -> None:
        """Makes `variable` read as `value` from now on."""
        if self.kind == EAGER:
            variable.set_cell(value)
        elif self.kind == PURE and variable not in self.values:
            raise ValueError(self._foreign(variable, "written"))
        else:
            self.values[variable] = value

    def _foreign(self, variable: "Variable", verb: str) -> str:
        layer = f" in the call of {self.callers[-1]!r}" if self.callers else ""
        return (
            f"The weight {variable.path!r} is {verb}{layer}, but the layer or model that is run "
            "does not own it: its values were not passed, so it would be frozen into the compiled "
            "program as a constant.\nMake the layer that holds it an attribute (`self.dense = "
            "dense`, or an item of a list or dict in one) of the layer or model that uses it."
        )

    # -------------------------------------------------------------- randomness
    def draw_key(self, layer: Any = None) -> jax.Array:
        """Returns a new key, which follows from the scope's key, a layer's path and a count.

        Args:
            layer: The layer that draws; the innermost one being called by default.
        """
        if layer is None and self.callers:
            layer = self.callers[-1]
        if self.kind == ABSTRACT:
            return jax.random.key(0)
        if self.rng is None:
            if self.kind == EAGER:
                with jax.ensure_compile_time_eval():  # it outlives a loop whose body draws first
                    self.rng = keys.next_global_key()
            else:
                caller = f" in {self.callers[-1]!r}" if self.callers else ""
                raise ValueError(
                    f"A random number is drawn{caller}, but no key was given.\n"
                    "Pass one: model.apply(variables, x, training=True, rng=jax.random.key(0))."
                )
        if self._path_of is None:
            self._path_of = self._paths() if self._paths else {}
        path = self._path_of.get(layer, naming.root(getattr(layer, "_name", "")))
        count = self._draws.get(path, 0)
        self._draws[path] = count + 1
        return jax.random.fold_in(keys.fold_path(self.rng, path), count)

    # -------------------------------------------------------------- masks
    def set_mask(self, array: Any, mask: Any) -> None:
        """Remembers that `mask` belongs to `array`."""
        self._masks[id(array)] = (array, mask)

    def get_mask(self, array: Any) -> Any:
        """Returns the mask of `array`, or None."""
        entry = self._masks.get(id(array))
        return entry[1] if entry else _get_lasting_mask(array)


def current() -> Scope | None:
    """Returns the scope of the running call, or None outside of any."""
    return _current.get()


@contextmanager
def enter(scope: Scope) -> Iterator[Scope]:
    """Makes `scope` the current one while a block runs."""
    token = _current.set(scope)
    try:
        yield scope
    finally:
        _current.reset(token)


@contextmanager
def outside() -> Iterator[None]:
    """Leaves every scope while a block runs: weights are read from and written to their cells."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def default_key(key: jax.Array) -> Iterator[None]:
    """Gives pure calls without a key of their own keys that follow from one, while a block runs."""
    token = _default_key.set([key, 0])
    try:
        yield
    finally:
        _default_key.reset(token)


def next_default_key() -> jax.Array | None:
    """Returns the next of the keys of `default_key`; None outside of such a block."""
    state = _default_key.get()
    if state is None:
        return None
    state[1] += 1
    return jax.random.fold_in(state[0], state[1])


def draw_key(layer: Any = None) -> jax.Array:
    """Returns a new key from the running call's key, or from the global seed outside of any."""
    scope = current()
    if scope is not None:
        return scope.draw_key(layer)
    return keys.next_global_key()


# ------------------------------------------------------------------ names of what is being built
@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Puts `name/` before the paths of weights that are made while the block runs.

    Example:
        >>> import jkeras as keras
        >>> with keras.name_scope("block"):
        ...     keras.Variable(0.0, name="gain").path
        'block/gain'
    """
    if not isinstance(name, str) or "/" in name:
        raise ValueError(f"A name scope is a string without '/', got {name!r}.")
    token = _names.set((*_names.get(), name))
    try:
        yield
    finally:
        _names.reset(token)


@contextmanager
def root_names(names: tuple[str, ...]) -> Iterator[None]:
    """Replaces the name scopes while the block runs."""
    token = _names.set(names)
    try:
        yield
    finally:
        _names.reset(token)


def current_names() -> tuple[str, ...]:
    """Returns the open name scopes, outermost first."""
    return _names.get()


# ------------------------------------------------------------------ masks between eager calls
# Chains of eager calls (`lstm(embedding(tokens))`) have no scope in common. Arrays cannot carry
# attributes, but they can be watched: an entry goes when its array does.
_lasting_masks: dict[int, tuple[weakref.ref, Any]] = {}


def set_lasting_mask(array: Any, mask: Any) -> None:
    """Remembers the mask of a concrete array for as long as the array lives."""
    key = id(array)
    _lasting_masks[key] = (weakref.ref(array, lambda _: _lasting_masks.pop(key, None)), mask)


def _get_lasting_mask(array: Any) -> Any:
    entry = _lasting_masks.get(id(array))
    return entry[1] if entry is not None and entry[0]() is array else None


def get_mask(array: Any) -> Any:
    """Returns the mask that belongs to `array` here, or None."""
    scope = current()
    return scope.get_mask(array) if scope is not None else _get_lasting_mask(array)
