"""Crossentropies: losses of class probabilities and of class scores (logits)."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jkeras.base.types import ArrayLike, Axis, DTypeLike
from jkeras.core import graph
from jkeras.losses.alignment import align, as_floats, same_shape, smallest
from jkeras.losses.loss import LossFunctionWrapper

_USE_SPARSE = (
    "y_true looks like class numbers: use sparse_categorical_crossentropy, or make one-hot labels "
    "with keras.utils.to_categorical(y, {classes})."
)
_USE_ONE_COLUMN = (
    "A binary crossentropy takes a probability for each label. For {classes} classes, of which one "
    "is right, use sparse_categorical_crossentropy with {classes} units and a softmax"
)
_USE_DENSE = (
    "y_true looks one-hot: use categorical_crossentropy (of metrics the one without `sparse_`), or "
    "class numbers y.argmax(-1)."
)


def _clip(p: jax.Array) -> jax.Array:
    """Keeps probabilities off 0 and 1, also where 1 - 1e-7 is 1, as in float16."""
    low = smallest(p.dtype)
    return jnp.clip(p, low, 1.0 - max(low, float(jnp.finfo(p.dtype).epsneg)))


def _normalized(y_pred: jax.Array, from_logits: bool, axis: int) -> jax.Array:
    if from_logits:
        return _clip(jax.nn.softmax(y_pred, axis))
    return _clip(y_pred / jnp.sum(y_pred, axis, keepdims=True))


def _log_probabilities(y_pred: jax.Array, from_logits: bool, axis: int) -> jax.Array:
    if from_logits:
        return jax.nn.log_softmax(y_pred, axis)
    return jnp.log(_normalized(y_pred, False, axis))


def _smooth(y_true: jax.Array, label_smoothing: float, classes: int) -> jax.Array:
    if not isinstance(label_smoothing, jax.Array) and not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes


def _one_hot(y_true: Any, y_pred: Any, axis: int, label_smoothing: float, function: str) -> Any:
    """Returns checked, smoothed one-hot labels, and predictions of the same shape."""
    shape = np.shape(y_pred)
    classes = shape[axis] if shape else 1
    hint = _USE_SPARSE.format(classes=classes) if np.ndim(y_true) < len(shape) else ""
    y_true, y_pred = same_shape(y_true, y_pred, hint)
    _warn_of_one_class(classes, function)
    return _smooth(y_true, label_smoothing, classes), y_pred


def _warn_of_one_class(classes: int, function: str) -> None:
    if classes == 1:
        warnings.warn(
            f"In loss {function}, expected y_pred.shape to be (batch_size, num_classes) with "
            "num_classes > 1, but there is one class: its probability is always 1. "
            "Consider using 'binary_crossentropy' if you only have 2 classes.",
            SyntaxWarning,
            stacklevel=4,
        )


# ------------------------------------------------------------------ two classes
@graph.lift
def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> jax.Array:
    """`mean(-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred))` over `axis`.

    Args:
        y_true: Labels in [0, 1], `(batch, d0, ..., dn)`.
        y_pred: Probabilities of class 1, of the same shape.
        from_logits: Whether `y_pred` is before the sigmoid.
        label_smoothing: How much of each label is replaced by 0.5.
        axis: The axis of the mean.

    Returns:
        Values without `axis`.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import jkeras as keras
        >>> values = keras.losses.binary_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(v, 3) for v in values.tolist()]
        [0.693]
    """
    y_true, y_pred = same_shape(y_true, y_pred, _binary_hint(y_true, y_pred))
    y_true = _smooth(y_true, label_smoothing, 2)
    return jnp.mean(_binary_entropies(y_true, y_pred, from_logits), axis=axis)


def _binary_hint(y_true: ArrayLike, y_pred: ArrayLike) -> str:
    target, output = np.shape(y_true), np.shape(y_pred)
    if not output or output[-1] == 1 or target not in (output[:-1], (*output[:-1], 1)):
        return ""
    one = ", or one unit with a sigmoid" if output[-1] == 2 else ""
    return f"{_USE_ONE_COLUMN.format(classes=output[-1])}{one}."


def _binary_entropies(y_true: jax.Array, y_pred: jax.Array, from_logits: bool) -> jax.Array:
    if from_logits:
        return optax.sigmoid_binary_cross_entropy(y_pred, y_true)
    p = _clip(y_pred)
    return -(y_true * jnp.log(p) + (1.0 - y_true) * jnp.log(1.0 - p))


@graph.lift
def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: Axis = -1,
) -> jax.Array:
    """Binary crossentropy times `(1 - p)**gamma`, `p` being the probability of the right class.

    Args:
        y_true: Labels in [0, 1], `(batch, d0, ..., dn)`.
        y_pred: Probabilities of class 1, of the same shape.
        apply_class_balancing: Whether to weight class 1 by `alpha`, class 0 by `1 - alpha`.
        alpha: The weight of class 1.
        gamma: How much less sure examples count.
        from_logits: Whether `y_pred` is before the sigmoid.
        label_smoothing: How much of each label is replaced by 0.5.
        axis: The axis of the mean.

    Returns:
        Values without `axis`.

    Reference: Lin et al., "Focal loss for dense object detection", 2017.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.binary_focal_crossentropy([[0.0, 1.0]], [[0.0, 1.0]]).round(3).tolist()
        [0.0]
    """
    y_true, y_pred = same_shape(y_true, y_pred, _binary_hint(y_true, y_pred))
    y_true = _smooth(y_true, label_smoothing, 2)
    p = jax.nn.sigmoid(y_pred) if from_logits else y_pred
    right = y_true * p + (1.0 - y_true) * (1.0 - p)
    losses = jnp.power(1.0 - right, gamma) * _binary_entropies(y_true, p, False)
    if apply_class_balancing:
        losses *= y_true * alpha + (1.0 - y_true) * (1.0 - alpha)
    return jnp.mean(losses, axis=axis)


# ------------------------------------------------------------------ many classes
@graph.lift
def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """`-sum(y_true * log(y_pred))` over the classes.

    Args:
        y_true: One-hot labels or probabilities, `(batch, d0, ..., classes)`.
        y_pred: Probabilities of the same shape; they are made to sum to 1.
        from_logits: Whether `y_pred` is before the softmax.
        label_smoothing: How much of each label is spread over all classes.
        axis: The axis of the classes.

    Returns:
        Values without `axis`.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import jkeras as keras
        >>> values = keras.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        >>> [round(v, 3) for v in values.tolist()]
        [0.693]
    """
    y_true, y_pred = _one_hot(y_true, y_pred, axis, label_smoothing, "categorical_crossentropy")
    return -jnp.sum(y_true * _log_probabilities(y_pred, from_logits, axis), axis)


@graph.lift
def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: ArrayLike = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> jax.Array:
    """`-sum(alpha * (1 - y_pred)**gamma * y_true * log(y_pred))` over the classes.

    Args:
        y_true: One-hot labels, `(batch, d0, ..., classes)`.
        y_pred: Probabilities of the same shape; they are made to sum to 1.
        alpha: The weight, or one weight for each class.
        gamma: How much less sure examples count.
        from_logits: Whether `y_pred` is before the softmax.
        label_smoothing: How much of each label is spread over all classes.
        axis: The axis of the classes.

    Returns:
        Values without `axis`.

    Reference: Lin et al., "Focal loss for dense object detection", 2017.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.0, 1.0]]).round(
        ...     3
        ... ).tolist()
        [0.0]
    """
    y_true, y_pred = _one_hot(
        y_true, y_pred, axis, label_smoothing, "categorical_focal_crossentropy"
    )
    p = _normalized(y_pred, from_logits, axis)
    factors = jnp.asarray(alpha, p.dtype) * jnp.power(1.0 - p, gamma)
    return -jnp.sum(factors * y_true * jnp.log(p), axis)


@graph.lift
def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> jax.Array:
    """`-log(y_pred[y_true])`: crossentropy for class numbers.

    Args:
        y_true: Class numbers, `(batch, d0, ..., dn)`, or with a last axis of size 1.
        y_pred: Probabilities, `(batch, d0, ..., dn, classes)`; they are made to sum to 1.
        from_logits: Whether `y_pred` is before the softmax.
        ignore_class: A class number whose loss is 0.
        axis: The axis of the classes.

    Returns:
        Values in the shape of the class numbers; NaN for a number that is not a class.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jkeras as keras
        >>> y_pred = [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
        >>> values = keras.losses.sparse_categorical_crossentropy([0, 2], y_pred)
        >>> [round(v, 3) for v in values.tolist()]
        [0.693, 0.0]
    """
    y_pred = as_floats(y_pred)
    labels, axis = class_numbers(y_true, y_pred, axis)
    _warn_of_one_class(y_pred.shape[axis], "sparse_categorical_crossentropy")
    logs = _log_probabilities(y_pred, from_logits, axis)
    # A negative index would count from the end; any other unknown one reads as NaN.
    index = jnp.where(labels < 0, y_pred.shape[axis], labels)
    losses = -jnp.take_along_axis(logs, jnp.expand_dims(index, axis), axis, mode="fill")
    losses = jnp.squeeze(losses, axis)
    return losses if ignore_class is None else jnp.where(labels == ignore_class, 0, losses)


def class_numbers(y_true: ArrayLike, y_pred: jax.Array, axis: int = -1) -> tuple[jax.Array, int]:
    """Returns class numbers in the shape of the predictions without `axis`, and `axis` from 0 on.

    Raises:
        ValueError: If they have another shape.
    """
    labels = jnp.asarray(y_true)
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        labels = labels.astype("int32")
    given = labels.shape
    if not -y_pred.ndim <= axis < y_pred.ndim:
        raise ValueError(f"y_pred of shape {y_pred.shape} has no axis {axis} for the classes.")
    axis %= y_pred.ndim
    shape = y_pred.shape[:axis] + y_pred.shape[axis + 1 :]
    if labels.ndim == len(shape) + 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if labels.shape != shape:
        one_hot = given == y_pred.shape and y_pred.shape[axis] > 1
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last dimension: "
            f"target.shape={given}, output.shape={y_pred.shape}."
            + (f"\n{_USE_DENSE}" if one_hot else "")
        )
    return labels, axis


@graph.lift
def categorical_generalized_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, q: float
) -> jax.Array:
    """`(1 - y_pred[y_true]**q) / q`: less sensitive to wrong labels than crossentropy.

    Args:
        y_true: Class numbers, `(batch, d0, ..., dn)`; or one-hot labels.
        y_pred: Probabilities, `(batch, d0, ..., dn, classes)`.
        q: Between 0 (like crossentropy) and 1 (like the mean absolute error).

    Returns:
        Values of shape `(batch, d0, ..., dn)`.

    Reference: Zhang and Sabuncu, "Generalized cross entropy loss", 2018.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.categorical_generalized_cross_entropy([1], [[0.75, 0.25]], 0.5).tolist()
        [1.0]
    """
    y_pred = as_floats(y_pred)
    if np.shape(y_true) == y_pred.shape and y_pred.shape[-1] > 1:
        one_hot = jnp.asarray(y_true, y_pred.dtype)
    else:
        labels, _ = class_numbers(y_true, y_pred)
        one_hot = jax.nn.one_hot(labels, y_pred.shape[-1], dtype=y_pred.dtype)
    right = jnp.sum(one_hot * y_pred, axis=-1)
    right = jnp.maximum(right, jnp.finfo(right.dtype).tiny)  # the slope at 0 is infinite
    return (1.0 - jnp.power(right, q)) / q


def crossentropy_of(target: tuple[int, ...], output: tuple[int, ...]) -> Callable[..., jax.Array]:
    """Returns the function that `"crossentropy"` stands for, by the shapes of the data."""
    if not output or output[-1] == 1:
        return binary_crossentropy
    if len(target) < len(output) or target[-1] == 1:
        return sparse_categorical_crossentropy
    return categorical_crossentropy


@graph.lift
def crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
    """The binary, categorical or sparse categorical crossentropy, whichever fits the shapes."""
    return crossentropy_of(np.shape(y_true), np.shape(y_pred))(y_true, y_pred)


# ------------------------------------------------------------------ classes
class BinaryCrossentropy(LossFunctionWrapper):
    """Crossentropy for two classes, or for labels that do not exclude one another.

    Args:
        from_logits: Whether predictions are before the sigmoid.
        label_smoothing: How much of each label is replaced by 0.5.
        axis: The axis of the mean.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> loss = keras.losses.BinaryCrossentropy(from_logits=True)
        >>> round(loss([[0.0], [1.0]], [[0.0], [0.0]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """Binary crossentropy in which sure examples count less.

    Args:
        apply_class_balancing: Whether to weight class 1 by `alpha`, class 0 by `1 - alpha`.
        alpha: The weight of class 1.
        gamma: How much less sure examples count.
        from_logits: Whether predictions are before the sigmoid.
        label_smoothing: How much of each label is replaced by 0.5.
        axis: The axis of the mean.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Reference: Lin et al., "Focal loss for dense object detection", 2017.

    Example:
        >>> import jkeras as keras
        >>> loss = keras.losses.BinaryFocalCrossentropy(gamma=2.0)
        >>> round(loss([[0.0], [1.0]], [[0.5], [0.5]]).item(), 4)
        0.1733
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: Axis = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_focal_crossentropy",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """Crossentropy for one-hot labels.

    Args:
        from_logits: Whether predictions are before the softmax.
        label_smoothing: How much of each label is spread over all classes.
        axis: The axis of the classes.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        >>> round(loss([[0.0, 1.0]], [[0.0, 0.0]]).item(), 4)
        0.6931
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """Categorical crossentropy in which sure examples count less.

    Args:
        alpha: The weight, or one weight for each class.
        gamma: How much less sure examples count.
        from_logits: Whether predictions are before the softmax.
        label_smoothing: How much of each label is spread over all classes.
        axis: The axis of the classes.
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Reference: Lin et al., "Focal loss for dense object detection", 2017.

    Example:
        >>> import jkeras as keras
        >>> loss = keras.losses.CategoricalFocalCrossentropy(alpha=1.0)
        >>> round(loss([[0.0, 1.0]], [[0.5, 0.5]]).item(), 4)
        0.1733
    """

    def __init__(
        self,
        alpha: ArrayLike = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_focal_crossentropy",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """Crossentropy for class numbers.

    Args:
        from_logits: Whether predictions are before the softmax.
        ignore_class: A class number that does not count, such as 255 for pixels without label.
        reduction: See `Loss`.
        axis: The axis of the classes.
        name: The name.
        dtype: See `Loss`.

    Example:
        >>> import jkeras as keras
        >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        >>> round(loss([1, 0], [[0.0, 0.0], [0.0, 0.0]]).item(), 4)
        0.6931
    """

    integer_targets = True
    ignore_class: int | None
    axis: int

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: DTypeLike = None,
    ):
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )

    def counted(self, y_true: ArrayLike, y_pred: ArrayLike) -> ArrayLike:
        if self.ignore_class is None:
            return None
        labels, _ = class_numbers(*align(y_true, y_pred), self.axis)
        return labels != self.ignore_class


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """`(1 - p**q) / q`, `p` being the probability of the right class: for wrong labels.

    Args:
        q: Between 0 (like crossentropy) and 1 (like the mean absolute error).
        reduction: See `Loss`.
        name: The name.
        dtype: See `Loss`.

    Raises:
        ValueError: If `q` is not between 0 and 1.

    Reference: Zhang and Sabuncu, "Generalized cross entropy loss", 2018.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.CategoricalGeneralizedCrossEntropy()([1], [[0.75, 0.25]]).item()
        1.0
    """

    integer_targets = True

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_generalized_cross_entropy",
        dtype: DTypeLike = None,
    ):
        if not 0 < q < 1:
            raise ValueError(f"q must be in the interval (0, 1). Received: q={q}")
        super().__init__(categorical_generalized_cross_entropy, reduction, name, dtype, q=q)
