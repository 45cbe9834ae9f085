"""Data split into a first and a last part."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from jkeras.base.keys import draw_integer_seed
from jkeras.base.types import Data
from jkeras.utils.dataset import Dataset
from jkeras.utils.pipelines.batches import Batch


def split_dataset(
    dataset: Data,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Splits data into the first samples and the last.

    Args:
        dataset: An array; a list or tuple of arrays of the same length; or a data set whose
            elements are samples. A data set that `batch` has made is split by samples, too; its
            parts have batches of the same size.
        left_size: How many samples the left part has, or which fraction of all; what the right
            part leaves by default.
        right_size: The same for the right part.
        shuffle: Whether to shuffle the samples before.
        seed: The seed of the shuffle.
        preferred_backend: Accepted for Keras's sake.

    Returns:
        Two data sets, `left` and `right`: of single samples (call `.batch(n)` on them for
        training), or of batches if the data set was of batches.

    Raises:
        ValueError: If the sizes do not fit the data.
        TypeError: If `dataset` or a size is of another type.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> train, test = keras.utils.split_dataset(np.arange(10.0), left_size=0.8)
        >>> len(train), len(test), next(iter(test)).item()
        (8, 2, 8.0)
    """
    stage = dataset._stage if isinstance(dataset, Dataset) else None
    batched = (stage.rows_each, stage.whole) if isinstance(stage, Batch) else None
    if batched is not None:
        dataset = dataset.unbatch()
    if isinstance(dataset, Dataset) and dataset.cardinality() == -2:
        dataset = _Elements(dataset)
    get, size = _samples(dataset)
    left, right = _split_sizes(size, left_size, right_size)
    order = list(range(size))
    if shuffle:
        random.Random(draw_integer_seed() if seed is None else seed).shuffle(order)
    parts = (
        Dataset(lambda i: get(order[i]), left),
        Dataset(lambda i: get(order[size - right + i]), right),
    )
    return parts if batched is None else tuple(part.batch(*batched) for part in parts)  # type: ignore[return-value]


class _Elements(list):
    """The elements of a data set whose length is not known otherwise."""


def _samples(dataset: Data) -> tuple[Callable[[int], Any], int]:
    if isinstance(dataset, (list, tuple)) and not isinstance(dataset, _Elements):
        arrays = type(dataset)(dataset)
        if not arrays:
            raise ValueError("Received an empty list dataset. Please provide a list of arrays.")
        for i, array in enumerate(arrays):
            if not hasattr(array, "shape"):
                raise ValueError(
                    f"Expected a list of arrays, received: {type(array)} at index {i}."
                )
            if len(array) != len(arrays[0]):
                raise ValueError(
                    "Received a list of arrays with different lengths: the first has "
                    f"{len(arrays[0])} samples, the one at index {i} has {len(array)}."
                )
        return lambda i: tuple(array[i] for array in arrays), len(arrays[0])
    has_samples = hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__")
    if has_samples and not isinstance(dataset, (str, bytes, dict)):
        return dataset.__getitem__, len(dataset)
    raise TypeError(
        f"Unsupported dataset type: {type(dataset)}. Expected an array, a list of arrays, or a "
        "data set with a length."
    )


def _split_sizes(total: int, left: float | None, right: float | None) -> tuple[int, int]:
    if left is None and right is None:
        raise ValueError(
            "At least one of the `left_size` or `right_size` must be specified. "
            "Received: left_size=None and right_size=None"
        )

    def count(name: str, value: float | None) -> int | None:
        if value is None:
            return None
        if isinstance(value, (float, np.floating)):
            valid, number = 0 < value < 1, round(value * total)
        elif isinstance(value, (int, np.integer)) and not isinstance(value, bool):
            valid, number = 0 < value < total, int(value)
        else:
            raise TypeError(
                f"Invalid `{name}` Type. Expected: int or float or None, "
                f"Received: type({name})={type(value)}."
            )
        if not valid:
            raise ValueError(
                f"`{name}` should be either a positive integer smaller than {total}, or a float "
                f"within the range `[0, 1]`. Received: {name}={value}"
            )
        return number

    left_count, right_count = count("left_size", left), count("right_size", right)
    if left_count is None:
        left_count = total - (right_count or 0)
    if right_count is None:
        right_count = total - left_count
    if left_count + right_count > total:
        raise ValueError(
            f"The sum of `left_size` and `right_size` should not be greater than the {total} "
            f"samples. Received: left_size={left} and right_size={right}"
        )
    if not left_count or not right_count:
        raise ValueError(
            f"Of {total} samples, left_size={left} and right_size={right} leave none for one part."
        )
    return left_count, right_count
