"""Losses of distributions: of probabilities, and of counts."""

import jax
import jax.numpy as jnp

from jkeras.base.types import ArrayLike
from jkeras.core import graph
from jkeras.losses.alignment import pair, smallest
from jkeras.losses.loss import PlainLoss


@graph.lift
def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`sum(y_true * log(y_true / y_pred))` over the last axis (Kullback and Leibler, 1951).

    Args:
        y_true: Probabilities, `(batch, d0, ..., dn)`.
        y_pred: Probabilities of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.kl_divergence([[0.5, 0.5]], [[0.5, 0.5]]).tolist()
        [0.0]
    """
    y_true, y_pred = (jnp.clip(y, smallest(y.dtype), 1.0) for y in pair(y_true, y_pred))
    return jnp.sum(y_true * (jnp.log(y_true) - jnp.log(y_pred)), axis=-1)


@graph.lift
def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean(y_pred - y_true * log(y_pred))` over the last axis: for counts.

    Args:
        y_true: Counts, `(batch, d0, ..., dn)`.
        y_pred: Expected counts of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.poisson([[1.0, 2.0]], [[1.0, 1.0]]).round(3).tolist()
        [1.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(y_pred - y_true * jnp.log(y_pred + smallest(y_pred.dtype)), axis=-1)


class KLDivergence(PlainLoss, function=kl_divergence):
    """`sum(y_true * log(y_true / y_pred))` (Kullback and Leibler, 1951).

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]).item()
        0.0
    """


class Poisson(PlainLoss, function=poisson):
    """`mean(y_pred - y_true * log(y_pred))`: for counts.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.Poisson()([[1.0], [2.0]], [[1.0], [1.0]]).item(), 4)
        1.0
    """
