"""Checks of the arguments of optimizers."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import jax
import numpy as np

from jkeras.base import naming
from jkeras.base.deprecation import warn_deprecated
from jkeras.core.variable import Variable
from jkeras.optimizers import schedules


class CommonArguments(TypedDict, total=False):
    """What every optimizer takes after its own arguments; `Optimizer` says what they mean."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


def number(name: str, value: Any, expected: str = "a number", test: Any = math.isfinite) -> Any:
    """Returns a number as Python's, also one of NumPy's or an array of no axes.

    Args:
        name: What the argument is called.
        value: The number. None, and what JAX traces, come back as they are.
        expected: What it has to be, for the message.
        test: Says whether a number is that.

    Raises:
        ValueError: If it is not.
    """
    if value is None or isinstance(value, jax.core.Tracer):
        return value
    plain = value
    if isinstance(value, (np.generic, np.ndarray, jax.Array)) and np.ndim(value) == 0:
        plain = np.asarray(value).item()
    is_number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if not is_number or not test(plain):
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
    return plain


def positive(name: str, value: Any) -> Any:
    """Returns a number that has to be positive, or None."""
    return number(name, value, "positive", lambda x: x > 0)


def not_negative(name: str, value: Any) -> Any:
    """Returns a number that must not be negative, or None."""
    return number(name, value, "positive or zero", lambda x: x >= 0)


def fraction(name: str, value: Any) -> Any:
    """Returns a number that has to be between 0 and 1."""
    value = math.nan if value is None else value
    return number(name, value, "a float between [0, 1]", lambda x: 0 <= x <= 1)


def count(name: str, value: Any, least: int) -> Any:
    """Returns an integer that has to be so large at least, or None."""
    expected = f"an integer >= {least} or None"
    return number(name, value, expected, lambda x: isinstance(x, int) and x >= least)


def only_one(**values: Any) -> None:
    """Raises a ValueError if more than one of the ways to clip is given."""
    if sum(value is not None for value in values.values()) > 1:
        received = ", ".join(f"{k}={v}" for k, v in values.items())
        raise ValueError(
            "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
            f"Received: {received}"
        )


def refuse_unknown(kwargs: Mapping[str, Any], cls: type) -> None:
    """Raises a ValueError if arguments are left that nobody knows; names the nearest known one."""
    if kwargs:
        hint = naming.nearest(next(iter(kwargs)), inspect.signature(cls).parameters)
        raise ValueError(f"Argument(s) not recognized: {dict(kwargs)}{hint}")


def take_old_arguments(learning_rate: Any, kwargs: dict[str, Any]) -> Any:
    """Takes `lr` and `decay` out of `kwargs`, with a warning, and returns the learning rate."""
    if kwargs.pop("decay", None) is not None:
        warn_deprecated(
            "Argument `decay` is no longer supported and will be ignored. Use a schedule: "
            "optimizers.schedules.InverseTimeDecay(learning_rate, 1, decay).",
            UserWarning,
        )
    if "lr" in kwargs:
        warn_deprecated("The argument `lr` is deprecated: use `learning_rate`.")
        return kwargs.pop("lr")
    return learning_rate


def check_length(name: str, values: Sequence[Any], other: str, expected: Sequence[Any]) -> None:
    """Raises a ValueError if two lists that belong together differ in length."""
    if len(values) != len(expected):
        raise ValueError(
            f"`{name}` must correspond 1:1 to {other}: got {len(values)}, expected {len(expected)}."
        )


def standardize_learning_rate(value: Any) -> Any:
    """Returns a learning rate as a number, or the schedule or function that gives it.

    Raises:
        ValueError: If it is neither, or a number that is negative or not finite.
    """
    if isinstance(value, Mapping):
        return schedules.deserialize(value)
    if isinstance(value, Variable):
        value = value.value
    if callable(value):
        return value
    if value is None or isinstance(value, (str, bool)) or np.ndim(value) or np.iscomplexobj(value):
        raise ValueError(
            "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or "
            "a callable (that takes in the current iteration value and returns the corresponding "
            f"learning rate value). Received instead: learning_rate={value!r}"
        )
    expected = "finite and not negative, as a learning rate is"
    return number("learning_rate", value, expected, lambda x: math.isfinite(x) and x >= 0)


def takes_nothing(function: Callable) -> bool:
    """Says whether `function` is called without arguments, as Keras calls learning rates."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it needs an argument; it has no signature
        return False
    return True
