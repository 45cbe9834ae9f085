"""Checks of targets before training: inside a compiled step a wrong label raises nothing."""

import warnings
from typing import Any

import numpy as np

from jkeras.base.types import ArrayLike
from jkeras.core import policy
from jkeras.losses.crossentropy import (
    binary_crossentropy,
    crossentropy,
    crossentropy_of,
    sparse_categorical_crossentropy,
)
from jkeras.losses.loss import LossFunctionWrapper


def check_labels(loss: Any, y: ArrayLike, num_classes: int | None) -> None:
    """Checks the targets of a loss on the host, where they can still be named in an error.

    Args:
        loss: The loss; only losses of class numbers and of binary labels are checked.
        y: Its targets, an array on the host.
        num_classes: How many classes the model's output has; None if not known.

    Raises:
        ValueError: If a class number is not an integer from 0 to `num_classes - 1`, and is not the
            `ignore_class` of the loss.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> loss = keras.losses.SparseCategoricalCrossentropy()
        >>> keras.losses.check_labels(loss, np.array([0, 9]), 10)
        >>> keras.losses.check_labels(loss, np.array([1, 10]), 10)
        Traceback (most recent call last):
        ...
        ValueError: The labels of sparse_categorical_crossentropy go up to 10, ...
    """
    function = loss.fn if isinstance(loss, LossFunctionWrapper) else loss
    if function is crossentropy:
        rows = y.shape[:-1] if y.shape[-1] in (1, num_classes) else y.shape
        function = crossentropy_of(y.shape, (*rows, num_classes or 1))
    if function is sparse_categorical_crossentropy:
        _check_class_numbers(
            getattr(loss, "name", function.__name__),
            np.asarray(y),
            num_classes,
            getattr(loss, "ignore_class", None),
        )
    elif function is binary_crossentropy:
        _check_binary(np.asarray(y))


def _check_class_numbers(
    name: str, labels: np.ndarray, num_classes: int | None, ignore_class: int | None
) -> None:
    if labels.dtype.kind not in "iufb" and not policy.is_float(labels.dtype):
        raise ValueError(
            f"The labels of {name} must be class numbers, got {labels.dtype}, such as "
            f"{labels.ravel()[:1].tolist()}.\nNumber them, for example with "
            "keras.layers.StringLookup or np.unique(y, return_inverse=True)."
        )
    if not labels.size:
        return
    low, high = labels.min(), labels.max()
    if _is_allowed(low, high, num_classes) and labels.dtype.kind in "iub":
        return
    if ignore_class is not None:
        labels = labels[labels != ignore_class]
        if not labels.size:
            return
        low, high = labels.min(), labels.max()
    if policy.is_float(labels.dtype) and (labels != np.floor(labels)).any():
        found = labels[labels != np.floor(labels)][0]
        raise ValueError(
            f"The labels of {name} must be class numbers, but one is {found}.\nFor targets that "
            "are numbers use a loss such as 'mse'."
        )
    if _is_allowed(low, high, num_classes):
        return
    top = "" if num_classes is None else f" to {num_classes - 1}"
    what = f"go down to {low}" if low < 0 else f"go up to {high}"
    cure = (
        "Number the classes from 0 on: subtract the least label, or use np.unique(y, "
        "return_inverse=True)"
    )
    if low < 0:
        cure = f"{cure}; or, if {low} marks what has no label, give the loss ignore_class={low}"
    elif num_classes is not None and low >= 0:
        cure = f"Give the model's output {high + 1} units. {cure}"
    raise ValueError(
        f"The labels of {name} {what}, but the model's output has classes 0{top}.\n{cure}."
    )


def _is_allowed(low: Any, high: Any, num_classes: int | None) -> bool:
    return bool(low >= 0 and (num_classes is None or high < num_classes))


def _check_binary(labels: np.ndarray) -> None:
    if labels.dtype.kind in "iuf" and labels.size and (labels.min() < 0 or labels.max() > 1):
        warnings.warn(
            "The targets of binary_crossentropy should lie between 0 and 1, but range from "
            f"{labels.min()} to {labels.max()}: the loss will not be a crossentropy, and may fall "
            "below 0. Scale them, or use another loss.",
            stacklevel=3,
        )
