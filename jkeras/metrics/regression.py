"""Metrics of numbers: how far predictions are from targets, and how well they vary together."""

import jax
import jax.numpy as jnp

from jkeras.base.types import ArrayLike, Axis, DTypeLike
from jkeras.core import scope
from jkeras.losses import regression
from jkeras.losses.alignment import align, as_axes, as_floats, pair
from jkeras.losses.loss import divide
from jkeras.metrics.means import (
    Mean,
    MeanMetricWrapper,
    PlainMean,
    masked_weights,
    metric_function,
)
from jkeras.metrics.metric import Metric, State


class MeanSquaredError(PlainMean, function=regression.mean_squared_error):
    """The mean of `(y_true - y_pred)**2`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.MeanSquaredError()([[0.0], [0.0]], [[1.0], [3.0]]).item()
        5.0
    """


class RootMeanSquaredError(Mean):
    """The square root of the mean of `(y_true - y_pred)**2`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.RootMeanSquaredError()([[0.0], [0.0]], [[3.0], [3.0]]).item()
        3.0
    """

    def __init__(self, name: str | None = "root_mean_squared_error", dtype: DTypeLike = None):
        super().__init__(name, dtype)

    def update(  # type: ignore[override]
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(y_pred) if mask is None else mask
        y_true, y_pred = pair(y_true, y_pred)
        return super().update(state, jnp.square(y_true - y_pred), sample_weight, mask)

    def compute(self, state: State) -> ArrayLike:
        return jnp.sqrt(super().compute(state))


class MeanAbsoluteError(PlainMean, function=regression.mean_absolute_error):
    """The mean of `abs(y_true - y_pred)`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.MeanAbsoluteError()([[0.0], [0.0]], [[1.0], [3.0]]).item()
        2.0
    """


class MeanAbsolutePercentageError(PlainMean, function=regression.mean_absolute_percentage_error):
    """The mean of `100 * abs((y_true - y_pred) / y_true)`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.MeanAbsolutePercentageError()([[2.0], [4.0]], [[1.0], [4.0]]).item()
        25.0
    """


class MeanSquaredLogarithmicError(PlainMean, function=regression.mean_squared_logarithmic_error):
    """The mean of `(log(y_true + 1) - log(y_pred + 1))**2`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.MeanSquaredLogarithmicError()([[0.0], [1.0]], [[0.0], [1.0]]).item()
        0.0
    """


class LogCoshError(PlainMean, function=regression.log_cosh, called="logcosh"):
    """The mean of `log(cosh(y_pred - y_true))`.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.LogCoshError()([[0.0], [1.0]], [[0.0], [1.0]]).item()
        0.0
    """


def cosine(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = -1) -> jax.Array:
    """The cosine of the angle between targets and predictions: 1 is the same direction."""
    return -regression.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(MeanMetricWrapper):
    """The mean cosine of the angle between targets and predictions: 1 is the same direction.

    Args:
        name: The name.
        dtype: See `Metric`.
        axis: The axis of the vectors.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.CosineSimilarity()([[0.0, 1.0]], [[0.0, 2.0]]).item()
        1.0
    """

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: DTypeLike = None, axis: Axis = -1
    ):
        super().__init__(cosine, name, dtype, axis=axis)


# ------------------------------------------------------------------ explained variance
def output_shape(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[int, ...]:
    """Returns the shape of targets and predictions, given as arrays or specs, once aligned."""
    return jax.eval_shape(pair, y_true, y_pred)[1].shape


class R2Score(Metric):
    """The share of the targets' variance that predictions explain: 1 at best, 0 for their mean.

    Args:
        class_aggregation: What becomes of many outputs: `"uniform_average"`,
            `"variance_weighted_average"`, or None for a score each.
        num_regressors: How many inputs the model has, for the adjusted score; 0 for the plain one.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is not one of these.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.R2Score()
        >>> round(metric([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]]).item(), 4)
        0.5714
    """

    _AGGREGATIONS = (None, "uniform_average", "variance_weighted_average")

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = "r2_score",
        dtype: DTypeLike = None,
    ):
        super().__init__(dtype, name)
        if class_aggregation not in self._AGGREGATIONS:
            raise ValueError(
                "Invalid value for argument `class_aggregation`. Expected one of "
                f"{self._AGGREGATIONS}. Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors

    def init(self, *args: ArrayLike) -> State:
        if not args:
            return {}
        outputs = output_shape(*args[:2])[-1:]
        shapes = {"num_samples": (), "count": (), "mean": outputs}
        shapes |= {"squared_deviation": outputs, "residual": outputs}
        return {name: jnp.zeros(shape, self.dtype) for name, shape in shapes.items()}

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(y_pred) if mask is None else mask
        y_true, y_pred = pair(y_true, y_pred)
        if y_true.ndim != 2:
            raise ValueError(
                "R2Score expects 2D inputs with shape (batch_size, output_dim). Received input "
                f"shapes: y_pred.shape={y_pred.shape} and y_true.shape={y_true.shape}."
            )
        y_true, y_pred = y_true.astype(self.dtype), y_pred.astype(self.dtype)
        weights = masked_weights((len(y_true), 1), sample_weight, mask, self.dtype)
        weights = jnp.ones((len(y_true), 1), self.dtype) if weights is None else weights
        count = jnp.sum(weights)
        mean = divide(jnp.sum(weights * y_true, axis=0), count)
        batch = {
            # Keras counts a sample once for each output.
            "num_samples": y_true.shape[1] * jnp.sum(weights != 0).astype(self.dtype),
            "count": count,
            "mean": mean,
            "squared_deviation": jnp.sum(weights * jnp.square(y_true - mean), axis=0),
            "residual": jnp.sum(weights * jnp.square(y_true - y_pred), axis=0),
        }
        return self.merge(state, batch) if state else batch

    def merge(self, state: State, other: State) -> State:
        # Sums of squares would cancel where the mean is large against the spread. See Chan, Golub
        # and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances".
        merged = super().merge(state, other)
        difference = other["mean"] - state["mean"]
        share = divide(other["count"], merged["count"])
        merged["mean"] = state["mean"] + difference * share
        merged["squared_deviation"] += jnp.square(difference) * state["count"] * share
        return merged

    def compute(self, state: State) -> ArrayLike:
        total = state["squared_deviation"]
        scores = 1.0 - state["residual"] / total
        scores = jnp.where(jnp.isinf(scores), 0.0, scores)
        if self.class_aggregation == "uniform_average":
            scores = jnp.mean(scores)
        elif self.class_aggregation == "variance_weighted_average":
            scores = divide(jnp.sum(scores * total), jnp.sum(total))
        if not self.num_regressors:
            return scores
        degrees = state["num_samples"] - self.num_regressors - 1.0
        adjusted = 1.0 - (1.0 - scores) * divide(state["num_samples"] - 1.0, degrees)
        return jnp.where(degrees > 0, adjusted, scores)


# ------------------------------------------------------------------ correlation
def _centered(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis) -> tuple[jax.Array, ...]:
    """Returns both without their means along `axis`, and the means."""
    y_true, y_pred = align(as_floats(y_true), as_floats(y_pred))
    means = [jnp.mean(y, axis, keepdims=True) for y in (y_true, y_pred)]
    return y_true - means[0], y_pred - means[1], means[0], means[1]


@metric_function
def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = -1) -> jax.Array:
    """How linearly predictions follow targets: the covariance over both standard deviations.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.
        axis: The axis along which they vary.

    Returns:
        Values in [-1, 1], without `axis`.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.pearson_correlation([[1.0, 2.0, 3.0]], [[1.0, 3.0, 5.0]]).round(
        ...     4
        ... ).tolist()
        [1.0]
    """
    axis = as_axes(axis)
    a, b, _, _ = _centered(y_true, y_pred, axis)
    sizes = jnp.sqrt(jnp.sum(a**2, axis) * jnp.sum(b**2, axis))
    return jnp.sum(a * b, axis) / sizes


@metric_function
def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: Axis = -1) -> jax.Array:
    """How well predictions equal targets: correlation that means and spreads reduce.

    Args:
        y_true: Targets, `(batch, d0, ..., dn)`.
        y_pred: Predictions of the same shape.
        axis: The axis along which they vary.

    Returns:
        Values in [-1, 1], without `axis`.

    Reference: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.concordance_correlation([[1.0, 3.0]], [[1.0, 3.0]]).round(4).tolist()
        [1.0]
    """
    axis = as_axes(axis)
    a, b, mean_a, mean_b = _centered(y_true, y_pred, axis)
    spread = jnp.mean(a**2, axis) + jnp.mean(b**2, axis)
    apart = jnp.squeeze(jnp.square(mean_a - mean_b), axis)
    return 2.0 * jnp.mean(a * b, axis) / (spread + apart + 1e-7)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of how linearly predictions follow targets.

    Args:
        name: The name.
        dtype: See `Metric`.
        axis: The axis along which they vary: -1 for each sample's outputs.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.PearsonCorrelation(axis=0)
        >>> round(metric([[1.0], [2.0], [3.0]], [[1.0], [3.0], [5.0]]).item(), 4)
        1.0
    """

    def __init__(
        self, name: str | None = "pearson_correlation", dtype: DTypeLike = None, axis: Axis = -1
    ):
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of how well predictions equal targets.

    Args:
        name: The name.
        dtype: See `Metric`.
        axis: The axis along which they vary: -1 for each sample's outputs.

    Reference: Lin, "A concordance correlation coefficient to evaluate reproducibility", 1989.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.ConcordanceCorrelation(axis=0)
        >>> round(metric([[1.0], [3.0]], [[1.0], [3.0]]).item(), 4)
        1.0
    """

    def __init__(
        self, name: str | None = "concordance_correlation", dtype: DTypeLike = None, axis: Axis = -1
    ):
        super().__init__(concordance_correlation, name, dtype, axis=axis)
