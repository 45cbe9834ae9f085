"""Every loss once, as data: class, options, and how to draw targets and predictions."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class LossCase:
    """A loss: its class's name in `losses`, its options, and a generator of (y_true, y_pred)."""

    name: str
    draw: Callable[[np.random.Generator, int], Pair]
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{k}={v}" for k, v in self.options.items())
        return f"{self.name}({options})"

    def make(self, losses: Any, **more: Any) -> Any:
        """Makes the loss of a module: jkeras's, or Keras's."""
        return getattr(losses, self.name)(**{**self.options, **more})


def numbers(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Targets and predictions that are any numbers."""
    return rng.normal(size=(batch, 5)).astype("f4"), rng.normal(size=(batch, 5)).astype("f4") * 2


def positive(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Positive numbers, in time steps."""
    shape = (batch, 3, 4)
    return rng.gamma(2.0, size=shape).astype("f4"), rng.gamma(2.0, size=shape).astype("f4")


def signs(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Labels -1 and 1."""
    return rng.choice([-1.0, 1.0], (batch, 4)).astype("f4"), numbers(rng, batch)[1][:, :4]


def binary(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Labels 0 and 1, and probabilities."""
    return rng.integers(0, 2, (batch, 4)).astype("f4"), rng.random((batch, 4)).astype("f4")


def binary_logits(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Labels 0 and 1, and logits."""
    return rng.integers(0, 2, (batch, 4)).astype("f4"), rng.normal(size=(batch, 4)).astype("f4") * 4


def one_hot(rng: np.random.Generator, batch: int = 6) -> Pair:
    """One-hot labels of time steps, and probabilities that need not sum to 1."""
    labels = rng.integers(0, 5, (batch, 3))
    return np.eye(5, dtype="f4")[labels], rng.random((batch, 3, 5)).astype("f4") + 0.05


def one_hot_logits(rng: np.random.Generator, batch: int = 6) -> Pair:
    """One-hot labels, and logits."""
    labels = rng.integers(0, 5, batch)
    return np.eye(5, dtype="f4")[labels], rng.normal(size=(batch, 5)).astype("f4") * 4


def classes(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Class numbers of time steps, and probabilities."""
    return rng.integers(0, 5, (batch, 3)).astype("int32"), one_hot(rng, batch)[1]


def class_logits(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Class numbers with a last axis of size 1, and logits."""
    return rng.integers(0, 5, (batch, 1)).astype("int32"), one_hot_logits(rng, batch)[1]


def distributions(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Probabilities that sum to 1."""
    y_true, y_pred = rng.dirichlet([1.0] * 4, (2, batch)).astype("f4")
    return y_true, y_pred


def embeddings(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Class numbers, and vectors of length 1."""
    y_pred = rng.normal(size=(batch, 3)).astype("f4")
    y_pred /= np.linalg.norm(y_pred, axis=-1, keepdims=True)
    return rng.integers(0, 3, batch).astype("int32"), y_pred


def label_sequences(rng: np.random.Generator, batch: int = 6) -> Pair:
    """Labels from 1 on, padded with 0, and logits of more time steps."""
    labels = rng.integers(1, 5, (batch, 3)).astype("int32")
    labels[0, 2] = 0
    return labels, rng.normal(size=(batch, 8, 5)).astype("f4")


LOSSES = [
    LossCase("MeanSquaredError", numbers),
    LossCase("MeanAbsoluteError", numbers),
    LossCase("MeanAbsolutePercentageError", positive),
    LossCase("MeanSquaredLogarithmicError", positive),
    LossCase("Huber", numbers),
    LossCase("Huber", numbers, {"delta": 0.3}),
    LossCase("LogCosh", numbers),
    LossCase("CosineSimilarity", numbers),
    LossCase("CosineSimilarity", positive, {"axis": 1}),
    LossCase("Hinge", signs),
    LossCase("SquaredHinge", binary),
    LossCase("CategoricalHinge", one_hot),
    LossCase("BinaryCrossentropy", binary),
    LossCase("BinaryCrossentropy", binary_logits, {"from_logits": True, "label_smoothing": 0.2}),
    LossCase("BinaryFocalCrossentropy", binary),
    LossCase(
        "BinaryFocalCrossentropy",
        binary_logits,
        {"from_logits": True, "apply_class_balancing": True, "alpha": 0.4, "gamma": 1.5},
    ),
    LossCase("CategoricalCrossentropy", one_hot),
    LossCase("CategoricalCrossentropy", one_hot, {"label_smoothing": 0.1}),
    LossCase("CategoricalCrossentropy", one_hot_logits, {"from_logits": True}),
    LossCase("CategoricalFocalCrossentropy", one_hot),
    LossCase("CategoricalFocalCrossentropy", one_hot_logits, {"from_logits": True, "gamma": 1.0}),
    LossCase("SparseCategoricalCrossentropy", classes),
    LossCase("SparseCategoricalCrossentropy", class_logits, {"from_logits": True}),
    LossCase("SparseCategoricalCrossentropy", classes, {"ignore_class": 2}),
    LossCase("CategoricalGeneralizedCrossEntropy", classes, {"q": 0.7}),
    LossCase("KLDivergence", distributions),
    LossCase("Poisson", positive),
    LossCase("Dice", binary),
    LossCase("Dice", positive, {"axis": (1, 2)}),
    LossCase("Tversky", binary, {"alpha": 0.3, "beta": 0.6}),
    LossCase("Circle", embeddings),
    LossCase("Circle", embeddings, {"gamma": 4.0, "margin": 0.2, "remove_diagonal": False}),
    LossCase("CTC", label_sequences),
]
