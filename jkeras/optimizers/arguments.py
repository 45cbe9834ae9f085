"""Checks of the arguments of optimizers."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

import jax
import numpy as np

from jkeras.base import naming, registry
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.types import ArrayLike, LearningRate
from jkeras.core.signatures import Init
from jkeras.core.variable import Variable


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


def as_number(value: Any) -> Any:
    """Returns a number of NumPy's, or an array or variable of one, as Python's; also in lists."""
    if isinstance(value, jax.core.Tracer):
        return value
    if isinstance(value, (np.generic, np.ndarray, jax.Array, Variable)):
        return np.asarray(value).tolist()
    return [as_number(x) for x in value] if isinstance(value, (list, tuple)) else value


class Check(NamedTuple):
    """What a setting has to be.

    Attributes:
        expected: In words.
        test: Says whether a number is that.
    """

    expected: str
    test: Callable[[Any], bool]


_NUMBER = Check("must be a finite number", math.isfinite)
_POSITIVE = Check("must be positive", lambda x: x > 0)
_NOT_NEGATIVE = Check("needs to be positive or zero", lambda x: x >= 0)
_FRACTION = Check("must be a float between [0, 1]", lambda x: 0 <= x <= 1)
_RATE = Check("must be a finite learning rate, not negative", lambda x: 0 <= x < math.inf)


def _at_least(least: int) -> Check:
    return Check(f"must be an integer >= {least}", lambda x: isinstance(x, int) and x >= least)


_CHECKS = {
    **dict.fromkeys(("weight_decay", "adam_weight_decay", "beta", "beta_2_decay"), _NUMBER),
    **dict.fromkeys(("muon_a", "muon_b", "muon_c", "rms_rate"), _NUMBER),
    **dict.fromkeys(("clipnorm", "clipvalue", "global_clipnorm", "clip_threshold"), _POSITIVE),
    **dict.fromkeys(("loss_scale_factor", "initial_scale"), _POSITIVE),
    **dict.fromkeys(("epsilon", "epsilon_1", "epsilon_2", "adam_lr_ratio"), _NOT_NEGATIVE),
    **dict.fromkeys(("initial_accumulator_value", "l1_regularization_strength"), _NOT_NEGATIVE),
    "l2_regularization_strength": _NOT_NEGATIVE,
    "l2_shrinkage_regularization_strength": _NOT_NEGATIVE,
    "learning_rate_power": Check("needs to be negative or zero", lambda x: x <= 0),
    **dict.fromkeys(("beta_1", "beta_2", "adam_beta_1", "adam_beta_2"), _FRACTION),
    **dict.fromkeys(("rho", "momentum"), _FRACTION),
    "ema_momentum": Check("must be in the range [0, 1]", _FRACTION.test),
    "warmup_steps": _at_least(0),
    **dict.fromkeys(("ema_overwrite_frequency", "ns_steps", "dynamic_growth_steps"), _at_least(1)),
    "gradient_accumulation_steps": _at_least(2),
}


_OPTIONAL = CommonArguments.__annotations__.keys() | {"adam_weight_decay", "rms_rate"}


def checked(name: str, value: Any, check: Check | None = None) -> Any:
    """Returns a number as Python's, also one of NumPy's or an array of no axes.

    Args:
        name: What the argument is called.
        value: The number. What JAX traces, and None where it means "not", come back as they are.
        check: What it has to be; found by the name. What has no check may be anything.

    Raises:
        ValueError: If it is not.
    """
    check = check or _CHECKS.get(name)
    if check is None or isinstance(value, jax.core.Tracer) or (value is None and name in _OPTIONAL):
        return value
    plain = as_number(value)
    is_number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
    if not is_number or not check.test(plain):
        raise ValueError(f"`{name}` {check.expected}. Received: {name}={value!r}.")
    return plain


def checks_arguments(init: Init) -> Init:
    """Makes a constructor check and standardize its numbers, each by its name."""
    known: list[str] = []  # found when it is first needed, not when the library is imported

    @functools.wraps(init)
    def initialize(*args: Any, **kwargs: Any) -> None:
        names = known or list(inspect.signature(init).parameters)
        known[:] = names
        given = [checked(name, value) for name, value in zip(names, args)]
        init(*given, *args[len(names) :], **{k: checked(k, v) for k, v in kwargs.items()})

    return initialize  # type: ignore[return-value]


def check_clips(
    clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None
) -> None:
    """Raises a ValueError if more than one of the ways to clip is given."""
    if sum(value is not None for value in (clipnorm, clipvalue, global_clipnorm)) > 1:
        raise ValueError(
            "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: "
            f"clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
        )


def refuse_unknown(kwargs: Mapping[str, Any], cls: type) -> None:
    """Raises a ValueError if arguments are left that nobody knows; names the nearest known one."""
    if kwargs:
        hint = naming.nearest(next(iter(kwargs)), inspect.signature(cls).parameters)
        raise ValueError(f"Argument(s) not recognized: {dict(kwargs)}{hint}")


def take_old_arguments(learning_rate: LearningRate, kwargs: dict[str, Any]) -> LearningRate:
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


def old_name(old: str, new: str) -> Any:
    """Returns a property that is another one, and warns of its name."""

    def get(self: Any) -> Any:
        warn_deprecated(f"`optimizer.{old}` is deprecated: use `{new}`.")
        return getattr(self, new)

    def set_(self: Any, value: Any) -> None:
        warn_deprecated(f"`optimizer.{old}` is deprecated: use `{new}`.")
        setattr(self, new, value)

    return property(get, set_, doc=f"Keras 2's name of `{new}`.")


def unzipped(grads_and_vars: Iterable[tuple[ArrayLike, Any]]) -> tuple[list[Any], list[Any]]:
    """Returns the gradients and the variables of pairs.

    Raises:
        TypeError: If they are not pairs.
    """
    try:
        pairs = [(gradient, variable) for gradient, variable in grads_and_vars]
    except (TypeError, ValueError):
        raise TypeError(
            "`grads_and_vars` must be pairs of a gradient and its variable, such as "
            f"zip(gradients, variables). Received: {grads_and_vars!r:.60}"
        ) from None
    return [gradient for gradient, _ in pairs], [variable for _, variable in pairs]


def check_length(name: str, values: Sequence[Any], other: str, expected: Sequence[Any]) -> None:
    """Raises a ValueError if two lists that belong together differ in length."""
    if len(values) != len(expected):
        raise ValueError(
            f"`{name}` must correspond 1:1 to {other}: got {len(values)}, expected {len(expected)}."
        )


def check_known(known: Iterable[Variable], variables: Iterable[Variable]) -> None:
    """Raises a ValueError if an optimizer built on `known` was not built for one of `variables`."""
    built_on = set(known)
    for variable in variables:
        if variable not in built_on:
            raise ValueError(
                f"Unknown variable: {variable!r}. This optimizer can only be called for the "
                "variables it was originally built with. When working with a new set of "
                "variables, call `optimizer.build(variables)` with all of them first."
            )


def warn_of_missing(grads: Sequence[Any], variables: Sequence[Variable]) -> None:
    """Warns of variables without a gradient, if others have one."""
    missing = [v.path for v, g in zip(variables, grads, strict=True) if g is None]
    if missing and len(missing) < len(variables):
        warn_deprecated(
            f"Gradients do not exist for variables {missing} when minimizing the loss. If using "
            "`model.compile()`, did you forget to provide a `loss` argument?",
            UserWarning,
        )


def standardize_learning_rate(value: LearningRate) -> LearningRate:
    """Returns a learning rate as a number, or the schedule or function that gives it.

    Raises:
        ValueError: If it is neither, or a number that is negative or not finite.
    """
    if isinstance(value, Mapping):
        return registry.deserialize_keras_object(value, area="optimizers.schedules")
    if callable(value):
        return value
    if value is None or isinstance(value, (str, bool)) or np.ndim(value) or np.iscomplexobj(value):
        raise ValueError(
            "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or "
            "a callable (that takes in the current iteration value and returns the corresponding "
            f"learning rate value). Received instead: learning_rate={value!r}"
        )
    return checked("learning_rate", value, _RATE)


def takes_nothing(function: Callable) -> bool:
    """Says whether `function` is called without arguments, as Keras calls learning rates."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it needs an argument; it has no signature
        return False
    return True
