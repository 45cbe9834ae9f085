"""Arguments of constructors: one check of what all of them have in common."""

import functools
import inspect
import os
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

import numpy as np


class ArgumentsError(TypeError, ValueError):
    """Arguments that do not fit.

    Where shapes do not, JAX raises a TypeError and Keras a ValueError; where a constructor does not
    take what a config holds, Keras's `from_config` makes a TypeError of its ValueError. Whoever
    looks for either finds this one.
    """


def check_arguments(cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuses strings and the like where a constructor takes a flag or a number.

    What an argument takes follows from its default (a flag, a number) or from its annotation (a
    number, a path, a function). Whatever else a constructor checks, such as ranges, it checks
    itself.

    Args:
        cls: The class that is made.
        args: The positional arguments of its constructor, without the object.
        kwargs: Those that are given by name.

    Raises:
        ValueError: If a flag is neither true nor false, a string stands for a number, and so on.

    Example:
        >>> import jkeras as keras
        >>> keras.layers.Dense(3, use_bias="no")
        Traceback (most recent call last):
        ...
        ValueError: Invalid value for argument `use_bias` of Dense. Expected True or False. ...
    """
    names, tests = _tests(cls)
    if not tests or len(args) > len(names):  # too many: Python says so
        return
    for name, value in (*zip(names, args, strict=False), *kwargs.items()):
        test = tests.get(name)
        if test is not None and value is not None and not test[0](value):
            raise ValueError(
                f"Invalid value for argument `{name}` of {cls.__name__}. Expected {test[1]}. "
                f"Received: {name}={value!r}"
            )


def _is_flag(value: Any) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return True
    if isinstance(value, (int, float, np.number)):
        return value in (0, 1)  # what old files have
    return hasattr(value, "dtype") and not getattr(value, "shape", None)


_Test = tuple[Callable[[Any], bool], str]
_FLAG: _Test = (_is_flag, "True or False")
_NUMBER: _Test = (lambda value: not isinstance(value, (str, bytes)), "a number")
_WORD: _Test = (lambda value: isinstance(value, str), "a string")
_PATH: _Test = (lambda value: isinstance(value, (str, os.PathLike)), "a path: a string or PathLike")
_FUNCTION: _Test = (callable, "a function")
_WORDS = ("name", "monitor", "separator")
_OF_STRINGS_AS_WELL = ("profile_batch", "verbose")
# Checked elsewhere in the words that Keras's users search for.
_CHECKED = {"trainable", "alpha", "momentum", "threshold", "weight_decay", "beta", "l1", "l2"}


@functools.cache
def _tests(cls: type) -> tuple[list[str], dict[str, _Test]]:
    """Returns the names of a constructor's parameters, and tests of what some of them are given."""
    init: Any = cls.__init__  # type: ignore[misc]
    if (getattr(init, "__module__", None) or "").split(".")[0] != __name__.split(".")[0]:
        return [], {}  # a user's, who may mean something else
    parameters = list(inspect.signature(init).parameters.values())[1:]
    is_layer = "layers" in cls.__module__.split(".")
    checked = _CHECKED | ({"name"} if cls.__name__ == "DTypePolicy" else set())
    tests = {p.name: _test(p, is_layer) for p in parameters if p.name not in checked}
    names = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    return names, {name: test for name, test in tests.items() if test is not None}


def _test(p: inspect.Parameter, is_layer: bool) -> _Test | None:
    if isinstance(p.default, bool):
        return _FLAG
    if p.name in _OF_STRINGS_AS_WELL or (is_layer and p.name == "name"):
        return None
    if isinstance(p.default, (int, float)):
        return _NUMBER
    union = get_origin(p.annotation) in (Union, types.UnionType)
    kinds = set(get_args(p.annotation) if union else [p.annotation]) - {type(None)}
    if kinds and kinds <= {int, float} and not is_layer:
        return _NUMBER
    if p.name in _WORDS and str in kinds:
        return _WORD
    origins = {get_origin(kind) or kind for kind in kinds}
    if os.PathLike in origins:
        return _PATH
    return _FUNCTION if origins == {Callable} and not is_layer else None
