"""What JAX and NumPy say of wrong arguments, in the terms of the function that the user called."""

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jkeras.base.arguments import ArgumentsError
from jkeras.core import scope, shapes

# Where an error comes from whose words are not ours, and not the user's.
_FOREIGN = ("jax", "jaxlib", "numpy", "opt_einsum", "optax", "scipy")
# JAX tells sizes and traced values that it cannot take by errors of its own: whoever evaluates
# shapes looks for these, and they say what to do.
_TOLD = "got arguments that do not fit"
# What Python says where our code meets a value of another type.
_OF_PYTHON = re.compile(
    "object is not|not supported between|unsupported operand|invalid literal|out of range"
    "|empty sequence|zip\\(\\) argument|object has no|Error interpreting argument"
)
_OF_ARRAYS = re.compile("array|Tracer|JAX|string to float|invalid literal|not understood|a number")
_KINDS = (ArithmeticError, LookupError, NameError, RuntimeError, TypeError, ValueError)


def explained(error: Exception, function: str, arguments: Mapping[str, Any]) -> Exception:
    """Returns the error with which to say in the user's terms what is wrong.

    Args:
        error: What was raised.
        function: What the user called: `"keras.ops.matmul()"`.
        arguments: Its arguments, by name.

    Returns:
        `error` itself, unless it comes from inside JAX or NumPy; else one of its kind that names
        the function and the arguments.
    """
    if not _is_foreign(error):
        return error
    described = {name: _described(value) for name, value in arguments.items()}
    text = str(error).strip() or type(error).__name__
    wrong = [n for n, v in arguments.items() if _cannot_be_array(v, text) and n != "axis"]
    if "unbound axis name" in text:
        text = "`axis` is not an integer"
    elif wrong and _OF_ARRAYS.search(text):
        text = f"`{wrong[0]}` is {described[wrong[0]]}, where an array or a number is expected"
    else:
        text = _without_trial_sizes(text.split("\n")[0].rstrip("."))
    given = ", ".join(f"{name}={value}" for name, value in described.items())
    kinds = {TypeError: ArgumentsError, IndexError: IndexError}
    kind = next((kinds[k] for k in kinds if isinstance(error, k)), ValueError)
    return kind(f"{function} {_TOLD}: {text}.\nReceived: {given}")


def _is_foreign(error: Exception) -> bool:
    kind = type(error)
    if not isinstance(error, _KINDS) or kind.__module__.startswith("jax."):
        return False
    if _TOLD in str(error):
        return False
    packages = []
    trace = error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_globals.get("__name__", "")
        packages.append(name.split(".")[0])
        trace = trace.tb_next
    called = [package for package in packages if package not in _FOREIGN]
    if not called or called[-1] != __name__.split(".")[0]:
        return False  # the user's own code calls JAX: its line is what helps
    by_python = isinstance(error, KeyError) and not isinstance(error.args[0], str)
    return packages[-1] in _FOREIGN or by_python or _OF_PYTHON.search(str(error)) is not None


def _cannot_be_array(value: Any, text: str) -> bool:
    if value is None:  # of several, only what the error speaks of: others may be left out
        return "None" in text
    return isinstance(value, (str, bytes, dict, set))


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {_described(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)) and any(hasattr(v, "shape") for v in value):
        return "[" + ", ".join(map(_described, value)) + "]"
    shape = getattr(value, "shape", None)
    if shapes.is_shape(shape) and not isinstance(value, np.generic):
        return _without_trial_sizes(f"array of shape {shape}, dtype {value.dtype}")
    text = getattr(value, "__name__", None) or repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _without_trial_sizes(text: str) -> str:
    here = scope.current()
    if not isinstance(here, shapes.AbstractScope):
        return text
    sizes = "|".join(re.escape(str(n)) for n in (here.batch, here.size) if n is not None)
    return re.sub(rf"\b({sizes})\b", "None", text) if sizes else text


def explaining(function: Callable, name: str) -> Callable:
    """Makes a function whose errors are explained: it is called by that name.

    Example:
        >>> import jax.numpy as jnp
        >>> from jkeras.core.explain import explaining
        >>> explaining(lambda x: jnp.sum(x, axis=2), "total()")(jnp.ones(3))
        Traceback (most recent call last):
        ...
        ValueError: total() got arguments that do not fit: axis 2 is out of bounds for array ...
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            try:
                given = inspect.signature(function).bind(*args, **kwargs).arguments
            except (TypeError, ValueError):
                given = {}
            told = explained(error, name, given)
            if told is error:
                if name.startswith("The ") and given:  # whose words name no metric and no loss
                    described = ", ".join(f"{k}={_described(v)}" for k, v in given.items())
                    error.add_note(f"in {name[0].lower()}{name[1:]}, called with {described}")
                raise
            raise told from None

    return run
