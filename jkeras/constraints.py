"""Constraints: projections applied to weights after each update."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import registry, settings
from jkeras.base.numbers import checked_number
from jkeras.base.types import Axis, Identifier


class Constraint(registry.Configurable):
    """The base of constraints: a subclass writes `__call__(self, w)`, which gives the new weight.

    Example:
        >>> import jkeras as keras
        >>> class Unsigned(keras.constraints.Constraint):
        ...     def __call__(self, w):
        ...         return keras.ops.abs(w)
        >>> Unsigned()(keras.ops.full((1,), -2.0)).tolist()
        [2.0]
    """

    def __init__(self) -> None:
        pass  # so that unknown arguments are refused

    def __call__(self, w: jax.Array) -> jax.Array:
        """Returns the weight with the constraint met; the base class has none to meet."""
        if type(self) is not Constraint:
            raise NotImplementedError(f"{type(self).__name__} has no __call__.")
        return jnp.asarray(w)


def constrained(constraint: Identifier, weight: jax.Array, name: str) -> jax.Array:
    """Returns a weight with its constraint met.

    Raises:
        ValueError: If the constraint gives another shape.
    """
    new = constraint(weight)
    if jnp.shape(new) != weight.shape:
        raise ValueError(
            f"The constraint {constraint!r} of the weight {name!r} returned an array of shape "
            f"{jnp.shape(new)}, but the weight has shape {weight.shape}."
        )
    return new


def _norms(w: jax.Array, axis: Axis) -> jax.Array:
    return jnp.sqrt(jnp.sum(jnp.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """Scales weights down to a norm of at most `max_value`.

    Args:
        max_value: The largest norm.
        axis: The axis (or axes) along which norms are taken: 0 for the kernel of a Dense layer.

    Example:
        >>> import jkeras as keras
        >>> keras.constraints.MaxNorm(1.0)(keras.ops.full((4, 1), 1.0)).ravel().round(2).tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0):
        self.max_value, self.axis = checked_number("max_value", max_value, 0), axis

    def __call__(self, w: jax.Array) -> jax.Array:
        norms = _norms(w, self.axis)
        desired = jnp.clip(norms, 0, self.max_value)
        return w * (desired / (settings.epsilon() + norms))


class NonNeg(Constraint):
    """Sets negative weights to zero.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.constraints.NonNeg()(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def __call__(self, w: jax.Array) -> jax.Array:
        return jnp.maximum(jnp.asarray(w), 0)


class UnitNorm(Constraint):
    """Scales weights to norm 1.

    Args:
        axis: The axis (or axes) along which norms are taken: 0 for the kernel of a Dense layer.

    Example:
        >>> import jkeras as keras
        >>> keras.constraints.UnitNorm()(keras.ops.full((4, 1), 1.0)).ravel().round(2).tolist()
        [0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self, axis: Axis = 0):
        self.axis = axis

    def __call__(self, w: jax.Array) -> jax.Array:
        return w / (settings.epsilon() + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Moves norms into a range.

    Args:
        min_value: The smallest norm.
        max_value: The largest norm.
        rate: How much of the way into the range one application goes.
        axis: The axis (or axes) along which norms are taken: 0 for the kernel of a Dense layer.

    Example:
        >>> import jkeras as keras
        >>> keras.constraints.MinMaxNorm(4.0, 8.0)(keras.ops.ones((4, 1))).ravel().round(2).tolist()
        [2.0, 2.0, 2.0, 2.0]
    """

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Axis = 0
    ):
        self.min_value = checked_number("min_value", min_value, 0)
        self.max_value = checked_number("max_value", max_value, self.min_value)
        self.rate, self.axis = checked_number("rate", rate, 0, 1), axis

    def __call__(self, w: jax.Array) -> jax.Array:
        norms = _norms(w, self.axis)
        desired = jnp.clip(norms, self.min_value, self.max_value)
        desired = self.rate * desired + (1 - self.rate) * norms
        return w * (desired / (settings.epsilon() + norms))


max_norm, non_neg, unit_norm, min_max_norm = MaxNorm, NonNeg, UnitNorm, MinMaxNorm


def get(identifier: Identifier) -> Callable[..., Any] | None:
    """Returns a constraint for a name, a config, a function or a constraint; None for None.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> type(keras.constraints.get("non_neg")).__name__
        'NonNeg'
    """
    return None if identifier is None else registry.resolve(identifier, "constraints", "constraint")


def serialize(constraint: Identifier) -> str | dict[str, Any] | None:
    """Returns the config of a constraint."""
    return registry.serialize_keras_object(constraint)


def deserialize(
    config: Identifier, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any] | None:
    """Returns the constraint that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="constraints")
