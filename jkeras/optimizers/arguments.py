"""Checks of the arguments that all optimizers have in common."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

import jax
import numpy as np

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


def check_common(arguments: Mapping[str, Any]) -> None:
    """Raises a ValueError if a common argument has no sense."""
    clips = {k: arguments[k] for k in ("clipnorm", "clipvalue", "global_clipnorm")}
    if sum(value is not None for value in clips.values()) > 1:
        received = ", ".join(f"{k}={v}" for k, v in clips.items())
        raise ValueError(
            "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
            f"Received: {received}"
        )
    for name in (*clips, "loss_scale_factor"):
        value = arguments[name]
        if value is not None and not value > 0:
            raise ValueError(f"`{name}` must be positive. Received: {name}={value}")
    momentum = arguments["ema_momentum"]
    if arguments["use_ema"] and not 0 <= momentum <= 1:
        raise ValueError(
            f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={momentum}"
        )
    for name, least in (("ema_overwrite_frequency", 1), ("gradient_accumulation_steps", 2)):
        value = arguments[name]
        if value is not None and (not isinstance(value, (int, np.integer)) or value < least):
            raise ValueError(
                f"`{name}` must be an integer >= {least} or None. Received: {name}={value}"
            )


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


def check_fraction(**arguments: float) -> None:
    """Raises a ValueError if a number is not between 0 and 1."""
    for name, value in arguments.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"`{name}` must be a float between [0, 1]. Received: {name}={value}")


def standardize_learning_rate(value: Any) -> Any:
    """Returns a learning rate as a number, or the schedule or function that gives it.

    Raises:
        ValueError: If it is neither, or a number that is negative or not finite.
    """
    if isinstance(value, Mapping):
        return schedules.deserialize(value)
    if callable(value) and not isinstance(value, Variable):
        return value
    if isinstance(value, jax.core.Tracer):
        return value
    is_number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    if not is_number and not (
        isinstance(value, (np.ndarray, jax.Array, Variable)) and value.shape == ()
    ):
        raise ValueError(
            "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or "
            "a callable (that takes in the current iteration value and returns the corresponding "
            f"learning rate value). Received instead: learning_rate={value!r}"
        )
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"A learning rate is finite and not negative, got {number}.")
    return number


def takes_nothing(function: Callable) -> bool:
    """Says whether `function` is called without arguments, as Keras calls learning rates."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it needs an argument; it has no signature
        return False
    return True
