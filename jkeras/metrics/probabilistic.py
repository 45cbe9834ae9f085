"""Losses of probabilities as metrics."""

from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.losses import crossentropy, probabilistic
from jkeras.losses.alignment import as_arrays
from jkeras.metrics.means import MeanMetricWrapper, PlainMean, masked_weights
from jkeras.metrics.metric import State


class KLDivergence(PlainMean, function=probabilistic.kl_divergence):
    """The mean of `sum(y_true * log(y_true / y_pred))` (Kullback and Leibler, 1951).

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.KLDivergence()([[0.5, 0.5]], [[0.5, 0.5]]).item()
        0.0
    """


class Poisson(PlainMean, function=probabilistic.poisson):
    """The mean of `y_pred - y_true * log(y_pred)`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.Poisson()([[1.0], [2.0]], [[1.0], [1.0]]).item(), 4)
        1.0
    """


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean crossentropy for two classes, or for labels that do not exclude one another.

    Args:
        name: The name.
        dtype: See `Metric`.
        from_logits: Whether predictions are before the sigmoid.
        label_smoothing: How much of each label is replaced by 0.5.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.BinaryCrossentropy()([[0.0], [1.0]], [[0.5], [0.5]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ):
        super().__init__(
            crossentropy.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean crossentropy for one-hot labels.

    Args:
        name: The name.
        dtype: See `Metric`.
        from_logits: Whether predictions are before the softmax.
        label_smoothing: How much of each label is spread over all classes.
        axis: The axis of the classes.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ):
        super().__init__(
            crossentropy.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean crossentropy for class numbers.

    Args:
        name: The name.
        dtype: See `Metric`.
        from_logits: Whether predictions are before the softmax.
        ignore_class: A class number whose crossentropy is 0. As in Keras, it does not count in the
            mean of weighted samples, but counts where there are no weights.
        axis: The axis of the classes.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: DTypeLike = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ):
        super().__init__(
            crossentropy.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )

    def update(  # type: ignore[override]
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        if self.ignore_class is not None and sample_weight is not None:
            labels, _ = crossentropy.class_numbers(y_true, as_arrays(y_pred), self.axis)
            counted = labels != self.ignore_class
            sample_weight = masked_weights(labels.shape, sample_weight, counted, self.dtype)
        return super().update(state, y_true, y_pred, sample_weight, mask)
