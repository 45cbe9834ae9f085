"""Losses of overlapping regions, for segmentation: one number for the whole batch by default."""

import jax
import jax.numpy as jnp

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Axis, DTypeLike
from jkeras.core import graph
from jkeras.losses.alignment import as_axes, pair
from jkeras.losses.loss import LossFunctionWrapper


@graph.lift
def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = None) -> jax.Array:
    """`1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))` over `axis`.

    Args:
        y_true: Labels in [0, 1], `(batch, ...)`.
        y_pred: Probabilities of the same shape.
        axis: The axes of a region; None for all, the batch included.

    Returns:
        Values without `axis`.

    Reference: Dice, "Measures of the amount of ecologic association between species", 1945.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.dice([[1.0, 0.0]], [[1.0, 1.0]]).item(), 4)
        0.3333
    """
    y_true, y_pred = pair(y_true, y_pred)
    axis = as_axes(axis)
    both = jnp.sum(y_true * y_pred, axis)
    sizes = jnp.sum(y_true, axis) + jnp.sum(y_pred, axis)
    return 1.0 - 2.0 * both / (sizes + settings.epsilon())


@graph.lift
def tversky(
    y_true: ArrayLike, y_pred: ArrayLike, alpha: float = 0.5, beta: float = 0.5, axis: Axis = None
) -> jax.Array:
    """`1 - TP / (TP + alpha * FN + beta * FP)` over `axis`.

    Args:
        y_true: Labels in [0, 1], `(batch, ...)`.
        y_pred: Probabilities of the same shape.
        alpha: The weight of false negatives.
        beta: The weight of false positives.
        axis: The axes of a region; None for all, the batch included.

    Returns:
        Values without `axis`.

    Reference: Salehi et al., "Tversky loss function for image segmentation", 2017.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.tversky([[1.0, 0.0]], [[1.0, 1.0]], beta=1.0).item(), 4)
        0.5
    """
    y_true, y_pred = pair(y_true, y_pred)
    axis = as_axes(axis)
    both = jnp.sum(y_true * y_pred, axis)
    false_positives = jnp.sum((1.0 - y_true) * y_pred, axis)
    false_negatives = jnp.sum(y_true * (1.0 - y_pred), axis)
    weighted = both + alpha * false_negatives + beta * false_positives
    return 1.0 - both / (weighted + settings.epsilon())


class Dice(LossFunctionWrapper):
    """`1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred))`.

    Args:
        reduction: See `Loss`.
        name: The name.
        axis: The axes of a region; None for all, the batch included: then no sample can be
            weighted.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.Dice()([[1.0, 0.0]], [[1.0, 1.0]]).item(), 4)
        0.3333
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "dice",
        axis: Axis = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """`1 - TP / (TP + alpha * FN + beta * FP)`.

    Args:
        alpha: The weight of false negatives.
        beta: The weight of false positives.
        reduction: See `Loss`.
        name: The name.
        axis: The axes of a region; None for all, the batch included: then no sample can be
            weighted.
        dtype: See `Loss`.

    Reference: Salehi et al., "Tversky loss function for image segmentation", 2017.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.Tversky(beta=1.0)([[1.0, 0.0]], [[1.0, 1.0]]).item(), 4)
        0.5
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "tversky",
        axis: Axis = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(tversky, reduction, name, dtype, alpha=alpha, beta=beta, axis=axis)
