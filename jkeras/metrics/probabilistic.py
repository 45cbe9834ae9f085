"""Losses of probabilities as metrics."""

from typing import Any

from jkeras.losses import crossentropy, probabilistic
from jkeras.metrics.means import MeanMetricWrapper, PlainMean


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
        dtype: Any = None,
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
        dtype: Any = None,
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
        ignore_class: A class number whose crossentropy is 0; it counts in the mean.
        axis: The axis of the classes.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.SparseCategoricalCrossentropy()([1], [[0.5, 0.5]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
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
