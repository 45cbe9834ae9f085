"""Counts of right and wrong decisions at thresholds, and what follows from them."""

import numbers
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import registry
from jkeras.base.numbers import as_number, count
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import scope
from jkeras.losses.alignment import same_shape
from jkeras.losses.loss import divide
from jkeras.metrics.means import masked_weights
from jkeras.metrics.metric import Metric, State

_FEW = 8  # thresholds up to which comparing each prediction with each is fastest


def check_thresholds(thresholds: ArrayLike) -> list[float]:
    """Returns thresholds, given as a number or a list, as a list.

    Raises:
        ValueError: If one is not in [0, 1].
    """
    values = list(thresholds) if np.ndim(thresholds) else [thresholds]
    wrong = [t for t in values if as_number(t) is None or not 0 <= t <= 1]
    if wrong:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {wrong}")
    return values


def decisions(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    sample_weight: ArrayLike,
    mask: ArrayLike,
    dtype: DTypeLike,
    *,
    top_k: int | None = None,
    class_id: int | None = None,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns which labels are positive, the predictions, and the weights, in one shape.

    Args:
        y_true: Labels 0 and 1, `(batch, ..., classes)`.
        y_pred: Predictions of the same shape.
        sample_weight: Weights whose first axes are those of the labels; or None.
        mask: A mask likewise; by default the one that belongs to `y_pred`.
        dtype: The dtype of the weights.
        top_k: How many of a sample's predictions may be positive; others become -inf.
        class_id: The only class to look at.
    """
    mask = scope.get_mask(y_pred) if mask is None else mask
    y_true, y_pred = same_shape(y_true, y_pred)
    weights = masked_weights(y_true.shape, sample_weight, mask, dtype)
    weights = jnp.broadcast_to(jnp.ones((), dtype) if weights is None else weights, y_true.shape)
    if top_k is not None:
        _, best = jax.lax.top_k(y_pred, min(top_k, y_pred.shape[-1]))
        chosen = jax.nn.one_hot(best, y_pred.shape[-1], dtype=bool).any(axis=-2)
        y_pred = jnp.where(chosen, y_pred, -jnp.inf)
    if class_id is not None:
        if y_pred.ndim < 2:
            raise ValueError(
                "When class_id is provided, y_pred must be a 2D array with shape (num_samples, "
                f"num_classes), found shape: {y_pred.shape}"
            )
        if not 0 <= class_id < y_pred.shape[-1]:
            raise ValueError(
                f"class_id={class_id}, but the predictions have classes 0 to "
                f"{y_pred.shape[-1] - 1}: their shape is {y_pred.shape}."
            )
        y_true, y_pred, weights = (x[..., class_id] for x in (y_true, y_pred, weights))
    return y_true > 0, y_pred, weights


def weight_above(
    y_pred: jax.Array, weights: jax.Array, thresholds: np.ndarray, evenly: bool = False
) -> jax.Array:
    """Sums the weights of the predictions above each threshold.

    Args:
        y_pred: Predictions, `(n, labels)`.
        weights: Their weights, of the same shape.
        thresholds: The thresholds.
        evenly: Whether they go in even steps from just below 0 to just above 1: then a prediction's
            place among them is computed, not searched.

    Returns:
        Sums of shape `(thresholds, labels)`.
    """
    if len(thresholds) <= _FEW:
        above = y_pred > thresholds.reshape(-1, 1, 1)
        return jnp.sum(jnp.where(above, weights, 0), axis=1)
    order = np.argsort(thresholds, kind="stable")
    steps = len(thresholds) - 1
    if evenly:
        exceeded = jnp.clip(jnp.ceil(y_pred * steps), 1, steps).astype("int32")
    else:
        exceeded = jnp.searchsorted(thresholds[order].astype(y_pred.dtype), y_pred)
    labels = jnp.broadcast_to(jnp.arange(y_pred.shape[1]), y_pred.shape)
    bins = jnp.zeros((len(thresholds) + 1, y_pred.shape[1]), weights.dtype)
    bins = bins.at[exceeded, labels].add(weights)
    sums = jnp.cumsum(bins[::-1], axis=0)[::-1][1:]
    return sums[np.argsort(order, kind="stable")]


def confusion(
    positive: jax.Array,
    y_pred: jax.Array,
    weights: jax.Array,
    thresholds: ArrayLike,
    evenly: bool = False,
) -> dict[str, jax.Array]:
    """Sums the weights of true and false positives and negatives at each threshold.

    Args:
        positive: Which labels are positive, `(n, labels)`.
        y_pred: Predictions of the same shape; they are positive above a threshold.
        weights: Weights of the same shape.
        thresholds: The thresholds.
        evenly: See `weight_above`.

    Returns:
        Sums of shape `(thresholds, labels)`, by name.
    """
    thresholds = np.asarray(thresholds, "float32")
    counts = {}
    for name, other, chosen in (
        ("true_positives", "false_negatives", positive),
        ("false_positives", "true_negatives", ~positive),
    ):
        own = jnp.where(chosen, weights, 0)
        counts[name] = weight_above(y_pred, own, thresholds, evenly)
        counts[other] = jnp.sum(own, axis=0) - counts[name]
    return counts


class _Counts(Metric):
    """The base of metrics of the counts at `thresholds`, all labels together.

    A subclass says in `_counted` which counts it keeps: the name of a variable -> of a count.
    """

    _counted: Mapping[str, str] = {}

    top_k: int | None = None
    class_id: int | None = None

    def _keep_thresholds(self, given: Any) -> None:
        default = 0.5 if self.top_k is None else -np.inf
        self.init_thresholds = given
        self.thresholds = [default] if given is None else check_thresholds(given)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if registry.accepts(type(self).__init__, "thresholds"):
            config["thresholds"] = registry.serialize_keras_object(self.init_thresholds)
        return config

    def init(self, *args: ArrayLike) -> State:
        return {name: jnp.zeros(len(self.thresholds), self.dtype) for name in self._counted}

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        found = decisions(
            y_true,
            y_pred,
            sample_weight,
            mask,
            self.dtype,
            top_k=self.top_k,
            class_id=self.class_id,
        )
        positive, y_pred, weights = (x.reshape(-1, 1) for x in found)
        counts = confusion(positive, y_pred, weights, self.thresholds)
        return {name: state[name] + counts[kept][:, 0] for name, kept in self._counted.items()}

    def _as_result(self, values: jax.Array) -> jax.Array:
        return values[0] if len(values) == 1 else values


class _ConditionCount(_Counts):
    """The base of metrics that are one count."""

    def __init__(
        self, thresholds: ArrayLike = None, name: str | None = None, dtype: DTypeLike = None
    ):
        super().__init__(dtype, name)
        self._keep_thresholds(thresholds)

    def compute(self, state: State) -> ArrayLike:
        return self._as_result(state["accumulator"])


class TruePositives(_ConditionCount):
    """How many positive labels are predicted as such.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.TruePositives()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0]).item()
        2.0
    """

    _counted = {"accumulator": "true_positives"}


class FalsePositives(_ConditionCount):
    """How many negative labels are predicted as positive.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.FalsePositives()([0, 1, 0, 0], [0.0, 0.0, 1.0, 1.0]).item()
        2.0
    """

    _counted = {"accumulator": "false_positives"}


class TrueNegatives(_ConditionCount):
    """How many negative labels are predicted as such.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.TrueNegatives()([0, 1, 0, 0], [1.0, 0.0, 0.0, 0.0]).item()
        2.0
    """

    _counted = {"accumulator": "true_negatives"}


class FalseNegatives(_ConditionCount):
    """How many positive labels are predicted as negative.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.FalseNegatives()([0, 1, 1, 1], [0.0, 1.0, 0.0, 0.0]).item()
        2.0
    """

    _counted = {"accumulator": "false_negatives"}


class _Share(_Counts):
    """The base of metrics that say which share of two counts the first one is."""

    def __init__(
        self,
        thresholds: ArrayLike = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(dtype, name)
        self.top_k = None if top_k is None else count("top_k", top_k)
        self.class_id = None if class_id is None else count("class_id", class_id, 0)
        self._keep_thresholds(thresholds)

    def compute(self, state: State) -> ArrayLike:
        part, rest = (state[name] for name in self._counted)
        return self._as_result(divide(part, part + rest))


class Precision(_Share):
    """Which share of what is predicted as positive is positive.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default, and none if `top_k` is given.
        top_k: How many of a sample's predictions may be positive.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.Precision()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0]).item(), 4)
        0.6667
    """

    _counted = {name: name for name in ("true_positives", "false_positives")}


class Recall(_Share):
    """Which share of what is positive is predicted as such.

    Args:
        thresholds: A number or a list of numbers in [0, 1]: above it, a prediction is positive; 0.5
            by default, and none if `top_k` is given.
        top_k: How many of a sample's predictions may be positive.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If a threshold is not in [0, 1].

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.Recall()([0, 1, 1, 1], [1.0, 0.0, 1.0, 1.0]).item(), 4)
        0.6667
    """

    _counted = {name: name for name in ("true_positives", "false_negatives")}


# ------------------------------------------------------------------ precision and recall in one
class FBetaScore(Metric):
    """The harmonic mean of precision and recall, recall counting `beta` times as much.

    Args:
        average: What becomes of the classes: None for a score each, `"micro"` for one score of all
            decisions, `"macro"` for the mean, `"weighted"` for the mean weighted by how often a
            class is.
        beta: How much more recall counts.
        threshold: Above it, a prediction is positive; by default, a sample's largest one is.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is not one of these, or the data are not 2-D.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.FBetaScore(beta=2.0, threshold=0.5)
        >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
        >>> y_pred = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
        >>> [round(v, 3) for v in metric(y_true, y_pred).tolist()]
        [0.385, 0.909, 0.833]
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = "fbeta_score",
        dtype: DTypeLike = None,
    ):
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', 'macro', "
                f"'weighted'}}. Received: average={average}"
            )
        for name_of, value in (("beta", beta), ("threshold", threshold)):
            if not isinstance(value, numbers.Real) and (name_of, value) != ("threshold", None):
                raise ValueError(
                    f"Invalid `{name_of}` argument value. It should be a Python float. "
                    f"Received: {name_of}={value} of type '{type(value)}'"
                )
        if beta <= 0:
            raise ValueError(f"Invalid `beta` argument value. It should be > 0. Received: {beta=}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(
                "Invalid `threshold` argument value. It should verify 0 < threshold <= 1. "
                f"Received: {threshold=}"
            )
        self.average = average
        self.beta = beta
        self.threshold = threshold

    def init(self, *args: ArrayLike) -> State:
        if not args and self.average != "micro":
            return {}
        classes = () if self.average == "micro" else np.shape(args[1])[-1:]
        names = ("true_positives", "false_positives", "false_negatives")
        return {name: jnp.zeros(classes, self.dtype) for name in names}

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        if np.ndim(y_true) != 2 or np.ndim(y_pred) != 2:
            raise ValueError(
                f"{type(self).__name__} expects 2D inputs with shape (batch_size, output_dim). "
                f"Received input shapes: y_pred.shape={np.shape(y_pred)} and "
                f"y_true.shape={np.shape(y_true)}. One-hot encode class numbers with "
                "keras.utils.to_categorical."
            )
        labels, y_pred, weights = decisions(y_true, y_pred, sample_weight, mask, self.dtype)
        if self.threshold is not None:
            positive = y_pred > self.threshold
        else:
            positive = (y_pred >= jnp.max(y_pred, axis=-1, keepdims=True)) & (
                jnp.abs(y_pred) > 1e-9
            )
        axis = None if self.average == "micro" else 0
        found = {
            "true_positives": labels & positive,
            "false_positives": ~labels & positive,
            "false_negatives": labels & ~positive,
        }
        counts = {name: jnp.sum(weights, axis, where=where) for name, where in found.items()}
        return self.merge(state, counts) if state else counts

    def compute(self, state: State) -> ArrayLike:
        right = (1 + self.beta**2) * state["true_positives"]
        wrong = self.beta**2 * state["false_negatives"] + state["false_positives"]
        scores = divide(right, right + wrong)
        if self.average == "macro":
            return jnp.mean(scores)
        if self.average == "weighted":
            support = state["true_positives"] + state["false_negatives"]
            return divide(jnp.sum(scores * support), jnp.sum(support))
        return scores


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall.

    Args:
        average: What becomes of the classes: None for a score each, `"micro"` for one score of all
            decisions, `"macro"` for the mean, `"weighted"` for the mean weighted by how often a
            class is.
        threshold: Above it, a prediction is positive; by default, a sample's largest one is.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is not one of these, or the data are not 2-D.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.F1Score(threshold=0.5)
        >>> y_true = [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
        >>> y_pred = [[0.2, 0.6, 0.7], [0.2, 0.6, 0.6], [0.6, 0.8, 0.0]]
        >>> [round(v, 3) for v in metric(y_true, y_pred).tolist()]
        [0.5, 0.8, 0.667]
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: DTypeLike = None,
    ):
        super().__init__(average, 1.0, threshold, name, dtype)
