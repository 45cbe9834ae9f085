"""Every metric once, as data: class, options, and how to draw what it is updated with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.catalog import losses as pairs

Arguments = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class MetricCase:
    """A metric: its class's name in `metrics`, its options, and a generator of data."""

    name: str
    draw: Callable[[np.random.Generator, int], Arguments]
    options: dict[str, Any] = field(default_factory=dict)
    weights: bool = True  # whether a weight for each sample fits

    def __str__(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.name}({options})"

    def make(self, metrics: Any, **more: Any) -> Any:
        """Makes the metric of a module: jkeras's, or Keras's."""
        return getattr(metrics, self.name)(**{**self.options, **more})


def values(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Any numbers, not a pair."""
    return (rng.normal(size=(batch, 3)).astype("f4"),)


def spread(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Probabilities that spread as labels do, so that a threshold tells them apart."""
    y_true = rng.integers(0, 2, (batch, 3)).astype("f4")
    noise = rng.random((batch, 3)).astype("f4")
    return y_true, (0.4 * y_true + 0.6 * noise).astype("f4")


def spread_logits(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """The same before a sigmoid."""
    y_true, y_pred = spread(rng, batch)
    return y_true, np.log(y_pred / (1.0001 - y_pred) + 1e-6).astype("f4")


def class_maps(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Class numbers of pixels, and predicted ones."""
    y_true, y_pred = rng.integers(0, 4, (2, batch, 5)).astype("int32")
    return y_true, y_pred


def one_hot_maps(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """One-hot labels of pixels, and scores."""
    labels, _ = class_maps(rng, batch)
    return np.eye(4, dtype="f4")[labels], rng.random((batch, 5, 4)).astype("f4")


def equal_numbers(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Integers that are sometimes equal."""
    y_true, y_pred = rng.integers(0, 3, (2, batch, 2)).astype("f4")
    return y_true, y_pred


def flat_one_hot(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """One-hot labels of samples, and probabilities."""
    labels = rng.integers(0, 5, batch)
    return np.eye(5, dtype="f4")[labels], rng.random((batch, 5)).astype("f4")


def sorted_ids(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Class numbers, and class numbers in the order of their scores."""
    ids = np.stack([rng.permutation(5) for _ in range(batch)])
    return rng.integers(0, 5, batch).astype("int32"), ids.astype("int32")


def follows(rng: np.random.Generator, batch: int = 6) -> Arguments:
    """Numbers, and predictions near them."""
    y_true = rng.normal(size=(batch, 4)).astype("f4")
    return y_true, y_true + rng.normal(size=(batch, 4)).astype("f4") / 2


METRICS = [
    MetricCase("Mean", values),
    MetricCase("Sum", values),
    MetricCase("MeanSquaredError", pairs.numbers),
    MetricCase("RootMeanSquaredError", pairs.numbers),
    MetricCase("MeanAbsoluteError", pairs.numbers),
    MetricCase("MeanAbsolutePercentageError", pairs.positive),
    MetricCase("MeanSquaredLogarithmicError", pairs.positive),
    MetricCase("LogCoshError", pairs.numbers),
    MetricCase("CosineSimilarity", pairs.numbers),
    MetricCase("CosineSimilarity", pairs.positive, {"axis": 1}),
    MetricCase("R2Score", follows),
    MetricCase("R2Score", follows, {"class_aggregation": "variance_weighted_average"}),
    MetricCase("R2Score", follows, {"class_aggregation": None}),
    MetricCase("PearsonCorrelation", follows),
    MetricCase("ConcordanceCorrelation", follows),
    MetricCase("ConcordanceCorrelation", follows, {"axis": 0}, weights=False),
    MetricCase("Hinge", pairs.signs),
    MetricCase("SquaredHinge", pairs.signs),
    MetricCase("CategoricalHinge", pairs.one_hot),
    MetricCase("KLDivergence", pairs.distributions),
    MetricCase("Poisson", pairs.positive),
    MetricCase("BinaryCrossentropy", pairs.binary, {"label_smoothing": 0.1}),
    MetricCase("CategoricalCrossentropy", pairs.one_hot),
    MetricCase("SparseCategoricalCrossentropy", pairs.classes),
    MetricCase("SparseCategoricalCrossentropy", pairs.class_logits, {"from_logits": True}),
    MetricCase("Accuracy", equal_numbers),
    MetricCase("BinaryAccuracy", pairs.binary, {"threshold": 0.4}),
    MetricCase("CategoricalAccuracy", pairs.one_hot),
    MetricCase("SparseCategoricalAccuracy", pairs.classes),
    MetricCase("TopKCategoricalAccuracy", flat_one_hot, {"k": 2}),
    MetricCase("SparseTopKCategoricalAccuracy", pairs.classes, {"k": 2}),
    MetricCase("SparseTopKCategoricalAccuracy", sorted_ids, {"k": 2, "from_sorted_ids": True}),
    MetricCase("TruePositives", spread),
    MetricCase("FalsePositives", spread, {"thresholds": [0.7, 0.2, 0.5]}),
    MetricCase("TrueNegatives", spread, {"thresholds": list(np.linspace(0.05, 0.9, 12))}),
    MetricCase("FalseNegatives", spread, {"thresholds": 0.3}),
    MetricCase("Precision", spread),
    MetricCase("Precision", spread, {"thresholds": [0.2, 0.6]}),
    MetricCase("Precision", spread, {"top_k": 2}),
    MetricCase("Precision", spread, {"class_id": 1, "top_k": 1}),
    MetricCase("Recall", spread, {"thresholds": 0.4}),
    MetricCase("Recall", spread, {"class_id": 2}),
    MetricCase("FBetaScore", spread, {"beta": 2.0, "threshold": 0.5}),
    MetricCase("FBetaScore", flat_one_hot, {"average": "weighted", "beta": 0.5}),
    MetricCase("F1Score", flat_one_hot, {"average": "macro"}),
    MetricCase("F1Score", spread, {"average": "micro", "threshold": 0.4}),
    MetricCase("AUC", spread),
    MetricCase("AUC", spread, {"curve": "PR"}),
    MetricCase("AUC", spread, {"curve": "PRGAIN", "num_thresholds": 50}),
    MetricCase("AUC", spread, {"summation_method": "minoring", "num_thresholds": 7}),
    MetricCase("AUC", spread, {"summation_method": "majoring", "curve": "PR"}),
    MetricCase("AUC", spread, {"thresholds": list(np.linspace(0.1, 0.8, 15) ** 2)}),
    MetricCase("AUC", spread, {"multi_label": True, "num_thresholds": 30}),
    MetricCase("AUC", spread, {"multi_label": True, "label_weights": [1.0, 2.0, 0.5]}),
    MetricCase("AUC", spread, {"label_weights": [1.0, 2.0, 0.5], "curve": "PR"}),
    MetricCase("AUC", spread_logits, {"from_logits": True}),
    MetricCase("SensitivityAtSpecificity", spread, {"specificity": 0.6}),
    MetricCase("SpecificityAtSensitivity", spread, {"sensitivity": 0.6, "num_thresholds": 1}),
    MetricCase("PrecisionAtRecall", spread, {"recall": 0.7, "num_thresholds": 20}),
    MetricCase("RecallAtPrecision", spread, {"precision": 0.7, "class_id": 1}),
    MetricCase("IoU", class_maps, {"num_classes": 4, "target_class_ids": [0, 2]}),
    MetricCase("IoU", class_maps, {"num_classes": 3, "target_class_ids": [1], "ignore_class": 3}),
    MetricCase("BinaryIoU", spread, {"threshold": 0.4}),
    MetricCase("MeanIoU", class_maps, {"num_classes": 5}),
    MetricCase("OneHotIoU", one_hot_maps, {"num_classes": 4, "target_class_ids": [0, 3]}),
    MetricCase("OneHotMeanIoU", one_hot_maps, {"num_classes": 4, "ignore_class": 1}),
]
