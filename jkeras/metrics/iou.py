"""Intersection over union, for segmentation."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.numbers import count
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import policy, scope
from jkeras.losses.loss import divide
from jkeras.metrics.means import masked_weights
from jkeras.metrics.metric import Metric, State


class IoU(Metric):
    """Intersection over union, TP / (TP + FP + FN), averaged over some classes.

    A label or a predicted number outside of 0 to `num_classes - 1` does not count, as in Keras.

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes to average over; those that neither labels nor predictions
            have do not count.
        name: The name.
        dtype: The dtype of the counts; integers by default, so that no pixel is lost among many.
        ignore_class: A class number among the labels that does not count, such as 255.
        sparse_y_true: Whether labels are class numbers, not one-hot.
        sparse_y_pred: Whether predictions are class numbers, not scores of the classes.
        axis: The axis of one-hot labels and scores.

    Raises:
        ValueError: If a target class is not one of the classes.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.IoU(num_classes=2, target_class_ids=[0])
        >>> round(metric([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
        0.3333
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__("int32" if dtype in (None, "int") else dtype, name)
        self.num_classes = count("num_classes", num_classes)
        self.target_class_ids = list(target_class_ids)
        self.ignore_class = ignore_class
        self.sparse_y_true = sparse_y_true
        self.sparse_y_pred = sparse_y_pred
        self.axis = axis
        for target in self.target_class_ids:
            if not 0 <= target < num_classes:
                raise ValueError(
                    f"Target class id {target} is out of range, which is [0, {num_classes})."
                )

    def init(self, *args: ArrayLike) -> State:
        zeros = jnp.zeros((self.num_classes, self.num_classes), self.dtype)
        if policy.is_float(self.dtype):
            return {"total_confusion_matrix": zeros}
        # What weights of 0.5 leave over beside whole counts.
        return {"total_confusion_matrix": zeros, "fractions": zeros.astype("float32")}

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(y_pred) if mask is None else mask
        labels = self._classes(y_true, self.sparse_y_true)
        found = self._classes(y_pred, self.sparse_y_pred)
        if labels.size != found.size:
            raise ValueError(
                f"The metric {self.name!r} got labels for {labels.shape} and predictions for "
                f"{found.shape}: both need the same shape, without the axis of the classes. "
                "See `sparse_y_true` and `sparse_y_pred`."
            )
        found = found.reshape(labels.shape)
        are_counts = sample_weight is None or policy.is_float(self.dtype)
        dtype = self.dtype if are_counts else "float32"
        weights = masked_weights(labels.shape, sample_weight, mask, dtype)
        weights = jnp.ones((), dtype) if weights is None else weights
        weights = jnp.broadcast_to(weights, labels.shape)
        if self.ignore_class is not None:
            weights = jnp.where(labels == self.ignore_class, 0, weights)
        # A negative index counts from the end; one beyond it is dropped.
        labels, found = (jnp.where(x < 0, self.num_classes, x) for x in (labels, found))
        matrix = jnp.zeros((self.num_classes, self.num_classes), dtype)
        matrix = matrix.at[labels, found].add(weights, mode="drop")
        new = dict(state)
        if not are_counts:
            matrix += state["fractions"]
            new["fractions"] = matrix - jnp.floor(matrix)
            matrix = jnp.floor(matrix).astype(self.dtype)
        new["total_confusion_matrix"] = state["total_confusion_matrix"] + matrix
        return new

    def _classes(self, y: Any, sparse: bool) -> jax.Array:
        y = jnp.asarray(y)
        return y.astype("int32") if sparse else jnp.argmax(y, axis=self.axis)

    def compute(self, state: State) -> ArrayLike:
        matrix = state["total_confusion_matrix"].astype("float32") + state.get("fractions", 0.0)
        both = jnp.diagonal(matrix)
        either = matrix.sum(axis=0) + matrix.sum(axis=1) - both
        chosen = jnp.asarray(self.target_class_ids)
        shares = divide(both, either)[chosen]
        return divide(jnp.sum(shares), jnp.sum(either[chosen] > 0))


class BinaryIoU(IoU):
    """Intersection over union of two classes, for probabilities.

    Args:
        target_class_ids: The classes to average over: 0, 1 or both.
        threshold: From it on, a prediction is class 1.
        name: The name.
        dtype: The dtype of the counts; integers by default, so that no pixel is lost among many.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.BinaryIoU(target_class_ids=[0, 1], threshold=0.3)
        >>> round(metric([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]).item(), 4)
        0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update(
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(y_pred) if mask is None else mask
        found = jnp.asarray(y_pred) >= self.threshold
        return super().update(state, y_true, found, sample_weight, mask)


class MeanIoU(IoU):
    """Intersection over union, averaged over all classes.

    Args:
        num_classes: How many classes there are.
        name: The name.
        dtype: The dtype of the counts; integers by default, so that no pixel is lost among many.
        ignore_class: A class number among the labels that does not count, such as 255.
        sparse_y_true: Whether labels are class numbers, not one-hot.
        sparse_y_pred: Whether predictions are class numbers, not scores of the classes.
        axis: The axis of one-hot labels and scores.

    Example:
        >>> import jkeras as keras
        >>> round(keras.metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]).item(), 4)
        0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ):
        super().__init__(
            num_classes,
            range(num_classes),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )


class OneHotIoU(IoU):
    """Intersection over union for one-hot labels, averaged over some classes.

    Args:
        num_classes: How many classes there are.
        target_class_ids: The classes to average over.
        name: The name.
        dtype: The dtype of the counts; integers by default, so that no pixel is lost among many.
        ignore_class: A class number among the labels that does not count.
        sparse_y_pred: Whether predictions are class numbers, not scores of the classes.
        axis: The axis of one-hot labels and scores.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.OneHotIoU(num_classes=2, target_class_ids=[0])
        >>> metric([[1, 0], [0, 1]], [[0.9, 0.1], [0.6, 0.4]]).item()
        0.5
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(
            num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis
        )


class OneHotMeanIoU(MeanIoU):
    """Intersection over union for one-hot labels, averaged over all classes.

    Args:
        num_classes: How many classes there are.
        name: The name.
        dtype: The dtype of the counts; integers by default, so that no pixel is lost among many.
        ignore_class: A class number among the labels that does not count.
        sparse_y_pred: Whether predictions are class numbers, not scores of the classes.
        axis: The axis of one-hot labels and scores.

    Example:
        >>> import jkeras as keras
        >>> metric = keras.metrics.OneHotMeanIoU(num_classes=2)
        >>> metric([[1, 0], [0, 1]], [[0.9, 0.1], [0.4, 0.6]]).item()
        1.0
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: DTypeLike = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ):
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)
