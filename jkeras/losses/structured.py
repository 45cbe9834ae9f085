"""Losses that look at more than one prediction at a time: of sequences, and of embeddings."""

import jax
import jax.numpy as jnp
import optax

from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import graph
from jkeras.losses.alignment import as_floats
from jkeras.losses.loss import LossFunctionWrapper, PlainLoss


@graph.lift
def ctc(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """Connectionist temporal classification: minus the log-probability of a label sequence.

    Args:
        y_true: Label sequences, `(batch, labels)`, integers from 1 on; 0 is padding.
        y_pred: Logits, `(batch, steps, classes)`; class 0 is the blank.

    Returns:
        Values of shape `(batch,)`.

    Raises:
        ValueError: If the ranks are others.

    Reference: Graves et al., "Connectionist temporal classification", 2006.

    Example:
        >>> import jkeras as keras
        >>> [round(v, 3) for v in keras.losses.ctc([[1]], [[[0.0, 0.0]]]).tolist()]
        [0.693]
    """
    labels, logits = jnp.asarray(y_true), as_floats(y_pred)
    if labels.ndim != 2:
        raise ValueError(
            "Targets `y_true` are expected to be a tensor of shape `(batch_size, max_length)` in "
            f"integer format. Received: y_true.shape={labels.shape}"
        )
    if logits.ndim != 3:
        raise ValueError(
            "Logits `y_pred` are expected to be a tensor of shape `(batch_size, max_length, "
            f"num_classes)`. Received: y_pred.shape={logits.shape}"
        )
    labels = labels.astype("int32")
    steps = jnp.zeros(logits.shape[:2], logits.dtype)  # no step is padding
    return optax.ctc_loss(logits, steps, labels, (labels == 0).astype(logits.dtype))


@graph.lift
def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike = None,
    ref_embeddings: ArrayLike = None,
    remove_diagonal: bool = True,
    gamma: float = 80,
    margin: float = 0.4,
) -> jax.Array:
    """Circle loss: embeddings of one class come together, others apart, those off most of all.

    Args:
        y_true: Class numbers, `(batch,)`.
        y_pred: Embeddings of length 1, `(batch, dimensions)`.
        ref_labels: The classes of what to compare with; `y_true` by default.
        ref_embeddings: What to compare with; `y_pred` by default.
        remove_diagonal: Whether not to compare the i-th embedding with the i-th reference.
        gamma: The factor of similarities.
        margin: How far from perfect similarities may be.

    Returns:
        Values of shape `(batch,)`.

    Reference: Sun et al., "Circle loss: a unified perspective of pair similarity optimization",
    2020.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.circle([0, 1], [[1.0, 0.0], [0.0, 1.0]]).tolist()
        [0.0, 0.0]
    """
    embeddings = as_floats(y_pred)
    references = embeddings if ref_embeddings is None else as_floats(ref_embeddings)
    same, different = _pairs(y_true, y_true if ref_labels is None else ref_labels, remove_diagonal)
    similarity = embeddings @ references.T
    positives = -gamma * jax.nn.relu(1.0 + margin - similarity) * (similarity - (1.0 - margin))
    negatives = gamma * jax.nn.relu(similarity + margin) * (similarity - margin)
    return jax.nn.softplus(_log_sum(positives, same) + _log_sum(negatives, different))


def _pairs(a: ArrayLike, b: ArrayLike, remove_diagonal: bool) -> tuple[jax.Array, jax.Array]:
    """Returns which pairs are of the same class, and which of different ones."""
    a, b = jnp.asarray(a).reshape(-1), jnp.asarray(b).reshape(-1)
    same = a[:, None] == b[None, :]
    itself = jnp.eye(*same.shape, dtype=bool)  # type: ignore[misc]
    return (same & ~itself if remove_diagonal else same), ~same


def _log_sum(x: jax.Array, where: jax.Array) -> jax.Array:
    return jax.nn.logsumexp(x, axis=1, where=where)


class CTC(PlainLoss, function=ctc):
    """Connectionist temporal classification: minus the log-probability of a label sequence.

    Targets are `(batch, labels)`, 0 being padding; predictions are logits, `(batch, steps,
    classes)`, class 0 being the blank.

    Args:
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Reference: Graves et al., "Connectionist temporal classification", 2006.

    Example:
        >>> import jkeras as keras
        >>> round(keras.losses.CTC()([[1]], [[[0.0, 0.0]]]).item(), 4)
        0.6931
    """

    integer_targets = True


class Circle(LossFunctionWrapper):
    """Circle loss: embeddings of one class come together, others apart.

    Targets are class numbers, `(batch,)`; predictions are embeddings of length 1, `(batch,
    dimensions)`: end the model with `keras.layers.UnitNormalization()`.

    Args:
        gamma: The factor of similarities.
        margin: How far from perfect similarities may be.
        remove_diagonal: Whether not to compare an embedding with itself.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Reference: Sun et al., "Circle loss: a unified perspective of pair similarity optimization",
    2020.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.Circle()([0, 1], [[1.0, 0.0], [0.0, 1.0]]).item()
        0.0
    """

    integer_targets = True
    remove_diagonal: bool

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "circle",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            circle,
            reduction,
            name,
            dtype,
            gamma=gamma,
            margin=margin,
            remove_diagonal=remove_diagonal,
        )

    def counted(self, y_true: ArrayLike, y_pred: ArrayLike) -> ArrayLike:
        same, _ = _pairs(y_true, y_true, self.remove_diagonal)
        return same.any(axis=1)  # without another of its class, an embedding has no loss
