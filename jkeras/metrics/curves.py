"""Metrics of curves over many thresholds: ROC and precision-recall."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import registry, settings
from jkeras.base.numbers import checked_number
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.losses.loss import divide
from jkeras.metrics.confusion import check_thresholds, confusion, decisions
from jkeras.metrics.metric import Metric, State

_COUNTS = ("true_positives", "false_positives", "true_negatives", "false_negatives")


def even_thresholds(number: int) -> list[float]:
    """Returns thresholds in even steps from just below 0 to just above 1; 0.5 if it is one."""
    if number == 1:
        return [0.5]
    return with_ends([i / (number - 1) for i in range(1, number - 1)])


def with_ends(thresholds: Sequence[float]) -> list[float]:
    """Returns thresholds between one that is just below 0 and one just above 1."""
    margin = settings.epsilon()
    return [-margin, *thresholds, 1.0 + margin]


class _Curve(Metric):
    """The base of metrics that keep all four counts at many thresholds."""

    thresholds: list[float]
    _evenly = True

    def _zeros(self, labels: tuple[int, ...] = ()) -> State:
        return {name: jnp.zeros((len(self.thresholds), *labels), self.dtype) for name in _COUNTS}

    def _counts(self, found: Sequence[jax.Array]) -> dict[str, jax.Array]:
        positive, y_pred, weights = found
        y_pred = jnp.clip(y_pred, 0.0, 1.0)
        evenly = self._evenly and len(self.thresholds) > 1
        return confusion(positive, y_pred, weights, self.thresholds, evenly)


class AUC(_Curve):
    """The area under a curve, by a sum over thresholds.

    Args:
        num_thresholds: How many thresholds, in even steps from 0 to 1.
        curve: `"ROC"`: true over false positive rate; `"PR"`: precision over recall; `"PRGAIN"`:
            their gains over always answering yes.
        summation_method: `"interpolation"`: the area between two thresholds is a trapezium (for
            `"PR"`, Davis and Goadrich's formula); `"minoring"`, `"majoring"`: the smaller or the
            larger height.
        name: The name.
        dtype: See `Metric`.
        thresholds: The thresholds between 0 and 1, in place of `num_thresholds`.
        multi_label: Whether to average the areas of the labels, not to put all labels together.
        num_labels: How many labels; found from the data by default.
        label_weights: A weight for each label.
        from_logits: Whether predictions are before the sigmoid.

    Raises:
        ValueError: If an argument is not one of these, or the data do not fit.

    References: Davis and Goadrich, "The relationship between precision-recall and ROC curves",
    2006; Flach and Kull, "Precision-recall-gain curves", 2015.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.AUC(num_thresholds=3)
        >>> round(metric([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]).item(), 4)
        0.75
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: DTypeLike = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ):
        super().__init__(dtype, name)
        self.curve = _one_of("AUC curve", curve, ("PR", "ROC", "PRGAIN"), str.upper)
        methods = ("interpolation", "majoring", "minoring")
        self.summation_method = _one_of(
            "AUC summation method", summation_method, methods, str.lower
        )
        if thresholds is None and num_thresholds <= 1:
            raise ValueError(
                "Argument `num_thresholds` must be an integer > 1. "
                f"Received: num_thresholds={num_thresholds}"
            )
        if num_labels is not None and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self._evenly = thresholds is None
        self.thresholds = (
            even_thresholds(num_thresholds)
            if thresholds is None
            else with_ends(sorted(check_thresholds(thresholds)))
        )
        self.num_thresholds = len(self.thresholds)
        self.multi_label = multi_label
        self.num_labels = num_labels
        self.label_weights = None if label_weights is None else list(label_weights)
        for weight in self.label_weights or []:
            checked_number("label_weights", weight, 0)
        self.from_logits = from_logits

    def init(self, *args: ArrayLike) -> State:
        if not self.multi_label:
            return self._zeros()
        if self.num_labels is not None:
            return self._zeros((self.num_labels,))
        return self._zeros(np.shape(args[1])[-1:]) if args else {}

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        found = decisions(y_true, y_pred, sample_weight, mask, self.dtype)
        self._check(found[0].shape)
        positive, y_pred, weights = found
        if self.from_logits:
            y_pred = jax.nn.sigmoid(y_pred)
        if self.label_weights is not None and not self.multi_label:
            weights = weights * jnp.asarray(self.label_weights, self.dtype)
        labels = positive.shape[-1] if self.multi_label else 1
        counts = self._counts([x.reshape(-1, labels) for x in (positive, y_pred, weights)])
        if not self.multi_label:
            counts = {name: count[:, 0] for name, count in counts.items()}
        return {n: state[n] + counts[n] if state else counts[n] for n in _COUNTS}

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if registry.accepts(type(self).__init__, "thresholds"):
            config["thresholds"] = None if self._evenly else self.thresholds[1:-1]
        return config

    def _check(self, shape: tuple[int, ...]) -> None:
        if self.multi_label and len(shape) != 2:
            raise ValueError(
                "`y_pred` must have rank 2 when `multi_label=True`. "
                f"Found rank {len(shape)}. Full shape received for `y_pred`: {shape}"
            )
        weights = self.label_weights
        for what, number in (
            ("num_labels", self.num_labels),
            ("label_weights", None if weights is None else len(weights)),
        ):
            if number is not None and shape[-1:] != (number,):
                raise ValueError(
                    f"The metric {self.name!r} has {number} labels by `{what}`, but the "
                    f"predictions have shape {shape}."
                )

    def compute(self, state: State) -> ArrayLike:
        areas = self._areas(*(state[name] for name in _COUNTS))
        if not self.multi_label:
            return areas
        weights = jnp.asarray(self.label_weights or 1.0, self.dtype)
        weights = jnp.broadcast_to(weights, areas.shape)
        return divide(jnp.sum(areas * weights), jnp.sum(weights))

    def _areas(self, tp: ArrayLike, fp: ArrayLike, tn: ArrayLike, fn: ArrayLike) -> jax.Array:
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _precision_recall_area(tp, fp, fn)
        recall = divide(tp, tp + fn)
        if self.curve == "ROC":
            x, y = divide(fp, fp + tn), recall
        elif self.curve == "PR":
            x, y = recall, divide(tp, tp + fp)
        else:
            share = divide(tp + fn, tp + fp + tn + fn)  # what always answering yes gets right
            # Worse than always answering yes: no part of it.
            x = jnp.clip(divide(recall - share, (1.0 - share) * recall), 0.0, 1.0)
            y = 1.0 - divide(share, 1.0 - share) * divide(fp, tp)  # 1 where nothing is found
        left, right = y[:-1], y[1:]
        heights = {
            "interpolation": (left + right) / 2.0,
            "minoring": jnp.minimum(left, right),
            "majoring": jnp.maximum(left, right),
        }[self.summation_method]
        return jnp.sum((x[:-1] - x[1:]) * heights, axis=0)


def _one_of(what: str, value: str, known: tuple[str, ...], case: Any) -> str:
    if not isinstance(value, str) or case(value) not in known:
        expected = ", ".join(f'"{v}"' for v in known)
        raise ValueError(f'Invalid {what} value: "{value}". Expected values are [{expected}]')
    return case(value)


def _precision_recall_area(tp: jax.Array, fp: jax.Array, fn: jax.Array) -> jax.Array:
    """Integrates precision over recall, true positives growing linearly between thresholds."""
    positives = tp + fp
    slope = divide(tp[:-1] - tp[1:], jnp.maximum(positives[:-1] - positives[1:], 0))
    intercept = tp[1:] - slope * positives[1:]
    both = (positives[:-1] > 0) & (positives[1:] > 0)
    ratio = jnp.where(both, divide(positives[:-1], positives[1:]), 1.0)
    steps = slope * (tp[:-1] - tp[1:] + intercept * jnp.log(ratio))
    return jnp.sum(divide(steps, jnp.maximum(tp[1:] + fn[1:], 0)), axis=0)


# ------------------------------------------------------------------ one at another
class _AtLeast(_Curve):
    """The base of metrics that give the best of one rate where another one is high enough.

    A subclass writes `_rates(tp, fp, tn, fn) -> (the rate that must be high enough, the best of)`.
    """

    def __init__(
        self,
        num_thresholds: int,
        class_id: int | None,
        name: str | None,
        dtype: DTypeLike,
        **least: float,
    ):
        super().__init__(dtype, name)
        ((argument, value),) = least.items()
        if not 0 <= value <= 1:
            raise ValueError(
                f"Argument `{argument}` must be in the range [0, 1]. Received: {argument}={value}"
            )
        if num_thresholds <= 0:
            raise ValueError(
                "Argument `num_thresholds` must be an integer > 0. "
                f"Received: num_thresholds={num_thresholds}"
            )
        self.num_thresholds = num_thresholds
        self.thresholds = even_thresholds(num_thresholds)
        self.class_id = class_id
        self._least = value
        setattr(self, argument, value)

    def _rates(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[jax.Array, jax.Array]:
        raise NotImplementedError

    def init(self, *args: ArrayLike) -> State:
        return self._zeros()

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        found = decisions(y_true, y_pred, sample_weight, mask, self.dtype, class_id=self.class_id)
        counts = self._counts([x.reshape(-1, 1) for x in found])
        return {name: state[name] + counts[name][:, 0] for name in _COUNTS}

    def compute(self, state: State) -> ArrayLike:
        held, best = self._rates(*(state[name] for name in _COUNTS))
        return jnp.max(best, where=held >= self._least, initial=0.0)


class SensitivityAtSpecificity(_AtLeast):
    """The best sensitivity (TP / (TP + FN)) where specificity (TN / (TN + FP)) is high enough.

    Args:
        specificity: The least specificity, in [0, 1].
        num_thresholds: How many thresholds to try.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.SensitivityAtSpecificity(0.5)
        >>> metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]).item()
        0.5
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_thresholds, class_id, name, dtype, specificity=specificity)

    def _rates(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[jax.Array, jax.Array]:
        return divide(tn, tn + fp), divide(tp, tp + fn)


class SpecificityAtSensitivity(_AtLeast):
    """The best specificity (TN / (TN + FP)) where sensitivity (TP / (TP + FN)) is high enough.

    Args:
        sensitivity: The least sensitivity, in [0, 1].
        num_thresholds: How many thresholds to try.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.SpecificityAtSensitivity(0.5)
        >>> round(metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]).item(), 4)
        0.6667
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_thresholds, class_id, name, dtype, sensitivity=sensitivity)

    def _rates(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[jax.Array, jax.Array]:
        return divide(tp, tp + fn), divide(tn, tn + fp)


class PrecisionAtRecall(_AtLeast):
    """The best precision (TP / (TP + FP)) where recall (TP / (TP + FN)) is high enough.

    Args:
        recall: The least recall, in [0, 1].
        num_thresholds: How many thresholds to try.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.PrecisionAtRecall(0.5)
        >>> metric([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8]).item()
        0.5
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_thresholds, class_id, name, dtype, recall=recall)

    def _rates(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[jax.Array, jax.Array]:
        return divide(tp, tp + fn), divide(tp, tp + fp)


class RecallAtPrecision(_AtLeast):
    """The best recall (TP / (TP + FN)) where precision (TP / (TP + FP)) is high enough.

    Args:
        precision: The least precision, in [0, 1].
        num_thresholds: How many thresholds to try.
        class_id: The only class to look at.
        name: The name.
        dtype: See `Metric`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.RecallAtPrecision(0.8)
        >>> metric([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]).item()
        0.5
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(num_thresholds, class_id, name, dtype, precision=precision)

    def _rates(self, tp: Any, fp: Any, tn: Any, fn: Any) -> tuple[jax.Array, jax.Array]:
        return divide(tp, tp + fp), divide(tp, tp + fn)
