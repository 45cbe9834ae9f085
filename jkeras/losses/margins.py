"""Losses of margins, for labels -1 and 1 (or 0 and 1), and for one-hot labels."""

import jax
import jax.numpy as jnp
import optax

from jkeras.base.types import ArrayLike
from jkeras.core import graph
from jkeras.losses.alignment import pair
from jkeras.losses.loss import PlainLoss


def _signs(y_true: jax.Array) -> jax.Array:
    """Turns labels 0 and 1 into -1 and 1, if there are no others."""
    binary = jnp.all((y_true == 0) | (y_true == 1))
    return jnp.where(binary, 2.0 * y_true - 1.0, y_true)


@graph.lift
def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean(max(1 - y_true * y_pred, 0))` over the last axis.

    Args:
        y_true: Labels -1 and 1, or 0 and 1, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.hinge([[-1.0, 1.0]], [[-0.5, 0.5]]).tolist()
        [0.5]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(optax.hinge_loss(y_pred, _signs(y_true)), axis=-1)


@graph.lift
def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean(max(1 - y_true * y_pred, 0)**2)` over the last axis.

    Args:
        y_true: Labels -1 and 1, or 0 and 1, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.squared_hinge([[-1.0, 1.0]], [[-0.5, 0.5]]).tolist()
        [0.25]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(jnp.square(optax.hinge_loss(y_pred, _signs(y_true))), axis=-1)


@graph.lift
def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`max(1 + wrong - right, 0)`: how much the best wrong class comes near the right one.

    Args:
        y_true: One-hot labels, `(batch, d0, ..., classes)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.categorical_hinge([[0.0, 1.0]], [[0.25, 0.5]]).tolist()
        [0.75]
    """
    y_true, y_pred = pair(y_true, y_pred)
    right = jnp.sum(y_true * y_pred, axis=-1)
    wrong = jnp.max((1.0 - y_true) * y_pred, axis=-1)
    return jnp.maximum(wrong - right + 1.0, 0.0)


class Hinge(PlainLoss, function=hinge):
    """`mean(max(1 - y_true * y_pred, 0))`, for labels -1 and 1 (or 0 and 1).

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.Hinge()([[-1.0], [1.0]], [[-0.5], [0.5]]).item()
        0.5
    """


class SquaredHinge(PlainLoss, function=squared_hinge):
    """`mean(max(1 - y_true * y_pred, 0)**2)`, for labels -1 and 1 (or 0 and 1).

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.SquaredHinge()([[-1.0], [1.0]], [[-0.5], [0.5]]).item()
        0.25
    """


class CategoricalHinge(PlainLoss, function=categorical_hinge):
    """`max(1 + wrong - right, 0)`, for one-hot labels.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.5]]).item()
        0.75
    """
