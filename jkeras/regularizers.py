"""Regularizers: losses of weights or outputs."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.numbers import as_number
from jkeras.base.types import Identifier


class Regularizer(registry.Configurable):
    """The base of regularizers: a subclass writes `__call__(self, x)`, which gives a scalar.

    Example:
        >>> import jkeras as keras
        >>> class Mean(keras.regularizers.Regularizer):
        ...     def __call__(self, x):
        ...         return keras.ops.mean(x)
        >>> Mean()(keras.ops.ones((3,))).item()
        1.0
    """

    def __init__(self) -> None:
        pass  # so that unknown arguments are refused

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the loss of `x`, a scalar."""
        return jnp.zeros(())


def _check(name: str, value: Any) -> float:
    number = as_number(value)
    if number is None or not number >= 0:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float. "
            f"Received: {name}={value}"
        )
    return number


class L1L2(Regularizer):
    """`l1 * sum(abs(x)) + l2 * sum(square(x))`.

    Args:
        l1: The factor of absolute values.
        l2: The factor of squares.

    Raises:
        ValueError: If a factor is negative.

    Example:
        >>> import jkeras as keras
        >>> keras.regularizers.L1L2(l1=1.0, l2=1.0)(keras.ops.full((2,), 2.0)).item()
        12.0
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0):
        self.l1 = _check("l1", 0.0 if l1 is None else l1)
        self.l2 = _check("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = jnp.asarray(x)
        loss = jnp.zeros((), x.dtype)
        if self.l1:
            loss += self.l1 * jnp.sum(jnp.abs(x))
        if self.l2:
            loss += self.l2 * jnp.sum(jnp.square(x))
        return loss


class L1(Regularizer):
    """`l1 * sum(abs(x))`.

    Args:
        l1: The factor.

    Example:
        >>> import jkeras as keras
        >>> keras.regularizers.L1(0.5)(keras.ops.full((2,), -2.0)).item()
        2.0
    """

    def __init__(self, l1: float | None = 0.01):
        self.l1 = _check("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.l1 * jnp.sum(jnp.abs(x))


class L2(Regularizer):
    """`l2 * sum(square(x))`.

    Args:
        l2: The factor.

    Example:
        >>> import jkeras as keras
        >>> keras.regularizers.L2(0.5)(keras.ops.full((2,), -2.0)).item()
        4.0
    """

    def __init__(self, l2: float | None = 0.01):
        self.l2 = _check("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.l2 * jnp.sum(jnp.square(x))


class OrthogonalRegularizer(Regularizer):
    """Makes the rows (or columns) of a matrix orthogonal to one another.

    Args:
        factor: The factor of the mean absolute scalar product of distinct rows.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: If `mode` is another word, or the weight has not two axes.

    Example:
        >>> import jkeras as keras
        >>> keras.regularizers.OrthogonalRegularizer()(keras.ops.eye(3)).item()
        0.0
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows"):
        self.factor = _check("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(
                'Invalid value for argument `mode`. Expected one of {"rows", "columns"}. '
                f"Received: mode={mode}"
            )
        self.mode = mode

    def __call__(self, x: jax.Array) -> jax.Array:
        if x.ndim != 2:
            raise ValueError(
                "Inputs to OrthogonalRegularizer must have rank 2. "
                f"Received: inputs.shape={x.shape}"
            )
        rows = x if self.mode == "rows" else x.T
        # Keras's normalization: no square root of a norm below epsilon.
        norm = jnp.sqrt(jnp.maximum(jnp.sum(jnp.square(rows), axis=1, keepdims=True), 1e-12))
        rows = rows / norm
        products = rows @ rows.T
        size = rows.shape[0]
        pairs = size * (size - 1.0) / 2.0
        return self.factor * 0.5 * jnp.sum(jnp.abs(products * (1.0 - jnp.eye(size)))) / pairs


registry.register_builtin("regularizers", L1L2, "l1_l2")
registry.register_builtin("regularizers", L1, "l1")
registry.register_builtin("regularizers", L2, "l2")
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def get(identifier: Identifier) -> Callable[..., Any] | None:
    """Returns a regularizer for a name, a config, a function or a regularizer; None for None.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.regularizers.get("l2").l2
        0.01
    """
    return (
        None if identifier is None else registry.resolve(identifier, "regularizers", "regularizer")
    )


def serialize(regularizer: Identifier) -> str | dict[str, Any] | None:
    """Returns the config of a regularizer."""
    return registry.serialize_keras_object(regularizer)


def deserialize(
    config: Identifier, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any] | None:
    """Returns the regularizer that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="regularizers")
