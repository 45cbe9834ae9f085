"""Hinge losses as metrics."""

from jkeras.losses import margins
from jkeras.metrics.means import PlainMean


class Hinge(PlainMean, function=margins.hinge):
    """The mean of `max(1 - y_true * y_pred, 0)`, for labels -1 and 1 (or 0 and 1).

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.Hinge()([[-1.0], [1.0]], [[-0.5], [0.5]]).item()
        0.5
    """


class SquaredHinge(PlainMean, function=margins.squared_hinge):
    """The mean of `max(1 - y_true * y_pred, 0)**2`, for labels -1 and 1 (or 0 and 1).

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.SquaredHinge()([[-1.0], [1.0]], [[-0.5], [0.5]]).item()
        0.25
    """


class CategoricalHinge(PlainMean, function=margins.categorical_hinge):
    """The mean of `max(1 + wrong - right, 0)`, for one-hot labels.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.CategoricalHinge()([[0.0, 1.0]], [[0.25, 0.5]]).item()
        0.75
    """
