"""Schedules: learning rates as functions of the step."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.types import ArrayLike, Identifier
from jkeras.optimizers import arguments

# A constructor of the fields; schedules are equal to themselves only.
_fields = dataclasses.dataclass(eq=False, repr=False)


class LearningRateSchedule(registry.Configurable):
    """The base of schedules: a subclass writes `__call__(self, step)`, in `jax.numpy` or `ops`.

    Example:
        >>> import jkeras as keras
        >>> class Linear(keras.optimizers.schedules.LearningRateSchedule):
        ...     def __init__(self, slope):
        ...         self.slope = slope
        ...
        ...     def __call__(self, step):
        ...         return self.slope * step
        >>> schedule = Linear(0.5)
        >>> [schedule(step) for step in range(4)]
        [0.0, 0.5, 1.0, 1.5]
        >>> optimizer = keras.optimizers.SGD(schedule)
        >>> float(optimizer.learning_rate)  # that of the step which comes next
        0.0
    """

    def __call__(self, step: ArrayLike) -> ArrayLike:
        """Returns the learning rate at `step`, an integer scalar that counts from 0."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__.")


class _Schedule(LearningRateSchedule):
    """What built-in schedules have in common: fields that are plain numbers."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = arguments.as_number(getattr(self, field.name))
            if field.type in ("float", "int", float, int) and isinstance(value, str):
                raise ValueError(
                    f"Argument `{field.name}` of {type(self).__name__} must be a number. "
                    f"Received: {field.name}={value!r}"
                )
            setattr(self, field.name, value)
            if field.name.endswith("decay_steps") and value <= 0:
                raise ValueError(
                    f"Argument `{field.name}` must be > 0. Received: {field.name}={value}"
                )


@_fields
class ExponentialDecay(_Schedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: The learning rate at step 0.
        decay_steps: After how many steps the rate has been multiplied by `decay_rate`.
        decay_rate: The factor.
        staircase: Whether the rate changes only at multiples of `decay_steps`.
        name: A name.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
        >>> float(schedule(20))
        0.125
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool = False
    name: str = "ExponentialDecay"

    def __call__(self, step: ArrayLike) -> jax.Array:
        return self.initial_learning_rate * self.decay_rate ** self._periods(step)

    def _periods(self, step: Any) -> jax.Array:
        periods = _as_float(step) / self.decay_steps
        return jnp.floor(periods) if self.staircase else periods


@_fields
class InverseTimeDecay(ExponentialDecay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: The learning rate at step 0.
        decay_steps: After how many steps the divisor has grown by `decay_rate`.
        decay_rate: How fast the divisor grows.
        staircase: Whether the rate changes only at multiples of `decay_steps`.
        name: A name.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.InverseTimeDecay(1.0, 10, 0.5)
        >>> float(schedule(20))
        0.5
    """

    name: str = "InverseTimeDecay"

    def __call__(self, step: ArrayLike) -> jax.Array:
        return self.initial_learning_rate / (1 + self.decay_rate * self._periods(step))


@_fields
class PiecewiseConstantDecay(_Schedule):
    """`values[0]` up to and including step `boundaries[0]`, then `values[1]`, and so on.

    Args:
        boundaries: Increasing steps.
        values: The learning rates: one more than there are boundaries.
        name: A name.

    Raises:
        ValueError: If the lengths do not fit.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.PiecewiseConstantDecay([5, 9], [1.0, 0.5, 0.25])
        >>> [float(schedule(step)) for step in (0, 5, 6, 100)]
        [1.0, 1.0, 0.5, 0.25]
    """

    boundaries: Sequence[float]
    values: Sequence[float]
    name: str = "PiecewiseConstant"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: boundaries={self.boundaries} of length {len(self.boundaries)}, and "
                f"values={self.values} of length {len(self.values)}."
            )
        if list(self.boundaries) != sorted(self.boundaries):
            raise ValueError(f"`boundaries` must increase. Received: boundaries={self.boundaries}")

    def __call__(self, step: ArrayLike) -> jax.Array:
        index = jnp.searchsorted(_as_float(self.boundaries), _as_float(step), side="left")
        return _as_float(self.values)[index]


@_fields
class PolynomialDecay(_Schedule):
    """From one learning rate to another along `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: The learning rate at step 0.
        decay_steps: When the end is reached.
        end_learning_rate: The learning rate from then on.
        power: The exponent; 1 for a straight line.
        cycle: Whether to start again, over a period twice (then three times, ...) as long, instead
            of staying at the end.
        name: A name.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10, end_learning_rate=0.5)
        >>> [float(schedule(step)) for step in (0, 5, 10, 11)]
        [1.0, 0.75, 0.5, 0.5]
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float = 0.0001
    power: float = 1.0
    cycle: bool = False
    name: str = "PolynomialDecay"

    def __call__(self, step: ArrayLike) -> jax.Array:
        periods = _as_float(step) / self.decay_steps
        if self.cycle:
            done = periods / jnp.maximum(1.0, jnp.ceil(periods))
        else:
            done = jnp.minimum(1.0, periods)
        span = self.initial_learning_rate - self.end_learning_rate
        return span * (1.0 - done) ** self.power + self.end_learning_rate


@_fields
class CosineDecay(_Schedule):
    """A linear warmup, if wanted, then half a cosine down (Loshchilov and Hutter, 2016).

    Args:
        initial_learning_rate: The learning rate at step 0.
        decay_steps: How long the cosine lasts.
        alpha: The final learning rate, as a fraction of the highest.
        name: A name.
        warmup_target: The highest learning rate, to which the warmup leads; None for no warmup.
        warmup_steps: How long the warmup lasts.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.CosineDecay(
        ...     0.0, decay_steps=10, warmup_target=1.0, warmup_steps=4
        ... )
        >>> [round(float(schedule(step)), 2) for step in (0, 2, 4, 9, 14)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """

    initial_learning_rate: float
    decay_steps: int
    alpha: float = 0.0
    name: str = "CosineDecay"
    warmup_target: float | None = None
    warmup_steps: int = 0

    def __call__(self, step: ArrayLike) -> jax.Array:
        step, start = _as_float(step), self.initial_learning_rate
        if self.warmup_target is None:
            return start * self._decayed(step)
        top, warm = self.warmup_target, self.warmup_steps
        warming = start + (top - start) * step / max(warm, 1)
        return jnp.where(step < warm, warming, top * self._decayed(step - warm))

    def _decayed(self, step: jax.Array) -> jax.Array:
        return (1.0 - self.alpha) * _half_cosine(step / self.decay_steps) + self.alpha


@_fields
class CosineDecayRestarts(_Schedule):
    """Half a cosine down, again and again: SGDR (Loshchilov and Hutter, 2016).

    Args:
        initial_learning_rate: The learning rate at step 0.
        first_decay_steps: How long the first cosine lasts.
        t_mul: How many times longer each period is than the one before.
        m_mul: How many times higher each period starts than the one before.
        alpha: The learning rate at the end of each period, as a fraction of the initial one.
        name: A name.

    Example:
        >>> import jkeras as keras
        >>> schedule = keras.optimizers.schedules.CosineDecayRestarts(1.0, 10, m_mul=0.5)
        >>> [round(float(schedule(step)), 2) for step in (0, 5, 10, 20, 30)]
        [1.0, 0.5, 0.5, 0.25, 0.25]
    """

    initial_learning_rate: float
    first_decay_steps: int
    t_mul: float = 2.0
    m_mul: float = 1.0
    alpha: float = 0.0
    name: str = "SGDRDecay"

    def __call__(self, step: ArrayLike) -> jax.Array:
        periods = _as_float(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = jnp.floor(periods)
            done = periods - restarts
        else:  # a geometric series: period i has length t_mul ** i
            grown = 1.0 - periods * (1.0 - self.t_mul)
            restarts = jnp.floor(jnp.log(grown) / math.log(self.t_mul))
            length = self.t_mul**restarts
            done = (periods - (1.0 - length) / (1.0 - self.t_mul)) / length
        height = self.initial_learning_rate * self.m_mul**restarts
        floor = self.initial_learning_rate * self.alpha
        return (1.0 - self.alpha) * height * _half_cosine(done) + floor


def _half_cosine(done: jax.Array) -> jax.Array:
    """Returns what falls from 1 to 0 as `done` goes from 0 to 1, and stays there."""
    return 0.5 * (1.0 + jnp.cos(math.pi * jnp.minimum(1.0, done)))


def _as_float(x: ArrayLike) -> jax.Array:
    return jnp.asarray(x).astype(float)


serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns the schedule that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="optimizers.schedules")
