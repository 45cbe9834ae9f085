"""How often predictions are right."""

import jax
import jax.numpy as jnp

from jkeras.base import settings
from jkeras.base.numbers import as_number, count
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.losses.alignment import align, as_floats, same_shape
from jkeras.losses.crossentropy import class_numbers
from jkeras.metrics.means import MeanMetricWrapper, PlainMean, metric_function


def _as_values(right: jax.Array) -> jax.Array:
    return right.astype(settings.floatx())


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where `y_true == y_pred`, else 0."""
    y_true, y_pred = align(jnp.asarray(y_true), jnp.asarray(y_pred))
    return _as_values(y_true == y_pred)


@metric_function
def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """1 where `y_true == (y_pred > threshold)`, else 0.

    Args:
        y_true: Labels 0 and 1.
        y_pred: Probabilities, of the same shape.
        threshold: Above it, a prediction is 1.

    Returns:
        Values of the same shape.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.binary_accuracy([[1], [1], [0]], [[0.9], [0.4], [0.2]]).tolist()
        [[1.0], [0.0], [1.0]]
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return _as_values(y_true == (y_pred > threshold))


@metric_function
def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where the largest prediction is that of the right class, else 0.

    Args:
        y_true: One-hot labels, `(batch, d0, ..., classes)`.
        y_pred: Predictions of the same shape.

    Returns:
        Values of shape `(batch, d0, ..., dn)`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.2, 0.8], [0.4, 0.6]]).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return _as_values(jnp.argmax(y_true, axis=-1) == jnp.argmax(y_pred, axis=-1))


@metric_function
def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """1 where the largest prediction is that of the class number, else 0.

    Args:
        y_true: Class numbers, `(batch, d0, ..., dn)`, or with a last axis of size 1.
        y_pred: Predictions, `(batch, d0, ..., dn, classes)`.

    Returns:
        Values of shape `(batch, d0, ..., dn)`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.sparse_categorical_accuracy([1, 0], [[0.2, 0.8], [0.4, 0.6]]).tolist()
        [1.0, 0.0]
    """
    y_pred = as_floats(y_pred)
    labels, _ = class_numbers(y_true, y_pred)
    return _as_values(labels == jnp.argmax(y_pred, axis=-1))


@metric_function
def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> jax.Array:
    """1 where the right class is among the `k` largest predictions, else 0.

    Args:
        y_true: One-hot labels, `(batch, d0, ..., classes)`.
        y_pred: Predictions of the same shape.
        k: How many.

    Returns:
        Values of shape `(batch, d0, ..., dn)`.

    Example:
        >>> import jkeras as keras
        >>> y_pred = [[0.1, 0.3, 0.6], [0.1, 0.3, 0.6]]
        >>> keras.metrics.top_k_categorical_accuracy([[0, 1, 0], [1, 0, 0]], y_pred, k=2).tolist()
        [1.0, 0.0]
    """
    y_true, y_pred = same_shape(y_true, y_pred)
    return _in_top_k(jnp.argmax(y_true, axis=-1), y_pred, k)


@metric_function
def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> jax.Array:
    """1 where the class number is among the `k` largest predictions, else 0.

    Args:
        y_true: Class numbers, `(batch, d0, ..., dn)`, or with a last axis of size 1.
        y_pred: Predictions, `(batch, d0, ..., dn, classes)`.
        k: How many.
        from_sorted_ids: Whether `y_pred` holds class numbers already, the likeliest first.

    Returns:
        Values of shape `(batch, d0, ..., dn)`.

    Example:
        >>> import jkeras as keras
        >>> y_pred = [[0.1, 0.3, 0.6], [0.1, 0.3, 0.6]]
        >>> keras.metrics.sparse_top_k_categorical_accuracy([1, 0], y_pred, k=2).tolist()
        [1.0, 0.0]
    """
    y_pred = jnp.asarray(y_pred)
    labels, _ = class_numbers(y_true, y_pred)
    if from_sorted_ids:
        return _as_values((labels[..., None] == y_pred[..., :k]).any(axis=-1))
    return _in_top_k(labels, as_floats(y_pred), k)


def _in_top_k(labels: jax.Array, y_pred: jax.Array, k: int) -> jax.Array:
    """Ties are in; a prediction that is not a number, and a label that is not a class, are out."""
    index = jnp.where(labels < 0, y_pred.shape[-1], labels)  # a negative index counts from the end
    own = jnp.take_along_axis(y_pred, index[..., None], axis=-1, mode="fill", fill_value=jnp.nan)
    better = jnp.sum(y_pred > own, axis=-1)
    return _as_values((better < k) & ~jnp.isnan(own[..., 0]))


class Accuracy(PlainMean, function=accuracy):
    """How often predictions equal targets.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.Accuracy()([[1], [2], [3], [4]], [[0], [2], [3], [4]]).item()
        0.75
    """


class BinaryAccuracy(MeanMetricWrapper):
    """How often probabilities are on the right side of a threshold.

    Args:
        name: The name.
        dtype: See `Metric`.
        threshold: Above it, a prediction is 1.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.BinaryAccuracy()
        >>> metric([[1], [1], [0], [0]], [[0.98], [1.0], [0.0], [0.6]]).item()
        0.75
    """

    def __init__(
        self, name: str | None = "binary_accuracy", dtype: DTypeLike = None, threshold: float = 0.5
    ):
        if not 0 <= (-1 if (number := as_number(threshold)) is None else number) <= 1:
            raise ValueError(
                "Invalid value for argument `threshold`. Expected a value in interval [0, 1]. "
                f"Received: threshold={threshold!r}"
            )
        super().__init__(binary_accuracy, name, dtype, threshold=threshold)


class CategoricalAccuracy(PlainMean, function=categorical_accuracy):
    """How often the largest prediction is that of the right class, for one-hot labels.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.CategoricalAccuracy()
        >>> metric([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]]).item()
        0.5
    """


class SparseCategoricalAccuracy(PlainMean, function=sparse_categorical_accuracy):
    """How often the largest prediction is that of the class number.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.SparseCategoricalAccuracy()
        >>> metric([[2], [1]], [[0.1, 0.6, 0.3], [0.05, 0.95, 0.0]]).item()
        0.5
    """


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the right class is among the `k` largest predictions, for one-hot labels.

    Args:
        k: How many.
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.TopKCategoricalAccuracy(k=1)
        >>> metric([[0, 0, 1], [0, 1, 0]], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]]).item()
        0.5
    """

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: DTypeLike = None
    ):
        super().__init__(top_k_categorical_accuracy, name, dtype, k=count("k", k))


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class number is among the `k` largest predictions.

    Args:
        k: How many.
        name: The name.
        dtype: See `Metric`.
        from_sorted_ids: Whether predictions are class numbers already, the likeliest first.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.SparseTopKCategoricalAccuracy(k=1)
        >>> metric([2, 1], [[0.1, 0.9, 0.8], [0.05, 0.95, 0.0]]).item()
        0.5
    """

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: DTypeLike = None,
        from_sorted_ids: bool = False,
    ):
        super().__init__(
            sparse_top_k_categorical_accuracy,
            name,
            dtype,
            k=count("k", k),
            from_sorted_ids=from_sorted_ids,
        )
