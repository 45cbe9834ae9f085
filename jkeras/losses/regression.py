"""Losses of numbers: how far predictions are from targets."""

import jax
import jax.numpy as jnp
import optax

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Axis, DTypeLike
from jkeras.core import graph
from jkeras.losses.alignment import as_axes, pair
from jkeras.losses.loss import LossFunctionWrapper, PlainLoss


@graph.lift
def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean((y_true - y_pred)**2)` over the last axis.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.mean_squared_error([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [5.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(jnp.square(y_true - y_pred), axis=-1)


@graph.lift
def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean(abs(y_true - y_pred))` over the last axis.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.mean_absolute_error([[0.0, 0.0]], [[1.0, 3.0]]).tolist()
        [2.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(jnp.abs(y_true - y_pred), axis=-1)


@graph.lift
def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`100 * mean(abs((y_true - y_pred) / y_true))` over the last axis.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`; those nearer to 0 than `epsilon()` count as it.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 4.0]]).tolist()
        [25.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    size = jnp.maximum(jnp.abs(y_true), settings.epsilon())
    return 100.0 * jnp.mean(jnp.abs((y_true - y_pred) / size), axis=-1)


@graph.lift
def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean((log(y_true + 1) - log(y_pred + 1))**2)` over the last axis.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`; negative ones count as 0.
        y_pred: Predictions of the same shape; likewise.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.mean_squared_logarithmic_error([[0.0, 1.0]], [[0.0, 1.0]]).tolist()
        [0.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    logs = [jnp.log(jnp.maximum(y, settings.epsilon()) + 1.0) for y in (y_true, y_pred)]
    return jnp.mean(jnp.square(logs[0] - logs[1]), axis=-1)


@graph.lift
def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> jax.Array:
    """`mean(error**2 / 2)` of small errors, linear in large ones; over the last axis.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.
        delta: The error from which on the loss is linear: `delta * (abs(error) - delta / 2)`.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Reference: Huber, "Robust estimation of a location parameter", 1964.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.huber([[0.0], [0.0]], [[1.0], [3.0]]).tolist()
        [0.5, 2.5]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(optax.huber_loss(y_pred, y_true, delta=delta), axis=-1)


@graph.lift
def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """`mean(log(cosh(y_pred - y_true)))` over the last axis.

    It is about `error**2 / 2` for small errors, `abs(error) - log(2)` for large ones.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn-1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.log_cosh([[0.0, 1.0]], [[0.0, 1.0]]).tolist()
        [0.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    return jnp.mean(optax.log_cosh(y_pred, y_true), axis=-1)


@graph.lift
def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = -1) -> jax.Array:
    """Minus the cosine of the angle between targets and predictions: -1 is the same direction.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.
        axis: The axis of the vectors.

    Returns:
        Values in [-1, 1], without `axis`; 0 where a vector is 0.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.cosine_similarity(
        ...     [[0.0, 1.0], [0.0, 1.0]], [[0.0, 2.0], [0.0, -2.0]]
        ... ).tolist()
        [-1.0, 1.0]
    """
    y_true, y_pred = pair(y_true, y_pred)
    axis = as_axes(axis)
    return -jnp.sum(normalize(y_true, axis) * normalize(y_pred, axis), axis=axis)


def normalize(x: jax.Array, axis: Axis) -> jax.Array:
    """Returns `x` over its Euclidean norm along `axis`; 0 stays 0."""
    smallest = max(1e-12, float(jnp.finfo(x.dtype).tiny))  # 1e-12 is 0 in float16
    return x * jax.lax.rsqrt(jnp.maximum(jnp.sum(jnp.square(x), axis, keepdims=True), smallest))


class MeanSquaredError(PlainLoss, function=mean_squared_error):
    """`mean((y_true - y_pred)**2)`.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]]).item()
        5.0
    """


class MeanAbsoluteError(PlainLoss, function=mean_absolute_error):
    """`mean(abs(y_true - y_pred))`.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [3.0]]).item()
        2.0
    """


class MeanAbsolutePercentageError(PlainLoss, function=mean_absolute_percentage_error):
    """`100 * mean(abs((y_true - y_pred) / y_true))`.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.MeanAbsolutePercentageError()([[2.0], [4.0]], [[1.0], [4.0]]).item()
        25.0
    """


class MeanSquaredLogarithmicError(PlainLoss, function=mean_squared_logarithmic_error):
    """`mean((log(y_true + 1) - log(y_pred + 1))**2)`.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.MeanSquaredLogarithmicError()([[0.0], [1.0]], [[0.0], [1.0]]).item()
        0.0
    """


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine of the angle between targets and predictions.

    Args:
        axis: The axis of the vectors.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.CosineSimilarity()([[0.0, 1.0]], [[0.0, 2.0]]).item()
        -1.0
    """

    def __init__(
        self,
        axis: Axis = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "cosine_similarity",
        dtype: DTypeLike = None,
    ):
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Huber(LossFunctionWrapper):
    """`mean(error**2 / 2)` of small errors, linear in large ones.

    Args:
        delta: The error from which on the loss is linear.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.Huber()([[0.0], [0.0]], [[1.0], [3.0]]).item()
        1.5
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: DTypeLike = None,
    ):
        super().__init__(huber, reduction, name, dtype, delta=delta)


class LogCosh(PlainLoss, function=log_cosh):
    """`mean(log(cosh(y_pred - y_true)))`.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.LogCosh()([[0.0], [1.0]], [[0.0], [1.0]]).item()
        0.0
    """
