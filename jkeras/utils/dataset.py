"""Dataset: what the functions that read folders and cut windows return."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jkeras.base.keys import draw_integer_seed
from jkeras.utils.py_dataset import PyDataset


class Dataset(PyDataset):
    """A data set of this library's own: batches, or single samples, of NumPy arrays.

    It can be iterated over again and again; where it shuffles, each time in another order.

    `batch`, `map`, `take` and `skip` return further data sets, as those of `tf.data.Dataset` do.

    Args:
        get: Returns element number `i`.
        size: How many elements there are.
        on_epoch_end: Called after each epoch.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> windows = keras.utils.timeseries_dataset_from_array(
        ...     np.arange(6), None, sequence_length=3, batch_size=2
        ... )
        >>> len(windows), next(iter(windows.map(lambda x: 10 * x))).tolist()
        (2, [[0, 10, 20], [10, 20, 30]])
    """

    class_names: Sequence[str] | None = None  # of data sets of folders
    file_paths: Sequence[str] = ()

    def __init__(
        self, get: Callable[[int], Any], size: int, on_epoch_end: Callable[[], None] | None = None
    ):
        super().__init__()
        self._get, self._size, self._on_epoch_end = get, size, on_epoch_end

    def __len__(self) -> int:
        """Returns the number of elements: of batches, or of samples if it has no batches."""
        return self._size

    def __getitem__(self, index: int) -> Any:
        """Returns element number `index`."""
        if not -self._size <= index < self._size:
            raise IndexError(f"There is no element {index}: the data set has {self._size}.")
        return self._get(index % self._size)

    def on_epoch_end(self) -> None:
        """Shuffles, if it is a data set that shuffles."""
        if self._on_epoch_end is not None:
            self._on_epoch_end()

    def __iter__(self) -> Iterator[Any]:
        yield from super().__iter__()
        self.on_epoch_end()

    def batch(
        self, batch_size: int, drop_remainder: bool = False, collate: Callable | None = None
    ) -> "Dataset":
        """Returns the elements in batches.

        Args:
            batch_size: How many elements make a batch.
            drop_remainder: Whether to leave out a last, smaller batch.
            collate: Makes a batch of a list of elements; stacks their arrays by default.
        """
        if batch_size < 1:
            raise ValueError(f"A batch has at least one element, got batch_size={batch_size}.")
        size, make_batch = self._size, collate or stack

        def get(index: int) -> Any:
            start = index * batch_size
            return make_batch([self[i] for i in range(start, min(start + batch_size, size))])

        count = size // batch_size if drop_remainder else -(-size // batch_size)
        return Dataset(get, count, self.on_epoch_end)

    def map(self, function: Callable) -> "Dataset":
        """Returns the elements as `function(x)`, or `function(x, y)`, makes them."""

        def get(index: int) -> Any:
            element = self[index]
            return function(*element) if isinstance(element, tuple) else function(element)

        return Dataset(get, self._size, self.on_epoch_end)

    def take(self, count: int) -> "Dataset":
        """Returns the first `count` elements; all of them for -1."""
        count = self._size if count < 0 else min(count, self._size)
        return Dataset(self.__getitem__, count, self.on_epoch_end)

    def skip(self, count: int) -> "Dataset":
        """Returns all but the first `count` elements; none for -1."""
        count = self._size if count < 0 else min(count, self._size)
        return Dataset(lambda i: self[count + i], self._size - count, self.on_epoch_end)


def shuffled(get: Callable[[int], Any], size: int, seed: int | None = None) -> Dataset:
    """Returns a data set of single samples in a random order, another one in each epoch."""
    generator = np.random.default_rng(draw_integer_seed() if seed is None else seed)
    order = generator.permutation(size)
    return Dataset(lambda i: get(int(order[i])), size, lambda: generator.shuffle(order))


def stack(elements: Sequence[Any]) -> Any:
    """Returns a structure of arrays with a batch axis in front."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *elements)


def split_dataset(
    dataset: Any,
    left_size: float | int | None = None,
    right_size: float | int | None = None,
    shuffle: bool = False,
    seed: int | None = None,
    preferred_backend: str | None = None,
) -> tuple[Dataset, Dataset]:
    """Splits data into the first samples and the last.

    Args:
        dataset: An array; a list or tuple of arrays of the same length; or a data set with a
            length whose elements are samples.
        left_size: How many samples the left part has, or which fraction of all; what the right
            part leaves by default.
        right_size: The same for the right part.
        shuffle: Whether to shuffle the samples before.
        seed: The seed of the shuffle.
        preferred_backend: Accepted for Keras's sake.

    Returns:
        Two data sets of single samples, `left` and `right`: call `.batch(n)` on them for training.

    Raises:
        ValueError: If the sizes do not fit the data.
        TypeError: If `dataset` or a size is of another type.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> train, test = keras.utils.split_dataset(np.arange(10.0), left_size=0.8)
        >>> len(train), len(test), next(iter(test)).item()
        (8, 2, 8.0)
    """
    get, size = _samples(dataset)
    left, right = _split_sizes(size, left_size, right_size)
    order = list(range(size))
    if shuffle:
        random.Random(draw_integer_seed() if seed is None else seed).shuffle(order)
    return (
        Dataset(lambda i: get(order[i]), left),
        Dataset(lambda i: get(order[size - right + i]), right),
    )


def _samples(dataset: Any) -> tuple[Callable[[int], Any], int]:
    if isinstance(dataset, (list, tuple)):
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
