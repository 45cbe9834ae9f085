"""PyDataset: data by the batch, and what a batch is made of."""

from collections.abc import Iterator
from typing import Any, Self

from jkeras.base.arguments import check_arguments
from jkeras.base.numbers import count
from jkeras.base.types import Structure


class PyDataset:
    """The base of data sets that are written in Python: `dataset[i]` is batch number `i`.

    A subclass writes `__len__`, the number of batches (or the property `num_batches`, None for
    endless data), and `__getitem__`, which returns a batch: `x`, `(x, y)` or
    `(x, y, sample_weight)`.

    Args:
        workers: How many batches `fit()` prepares at once.
        use_multiprocessing: Whether it does so in processes instead of threads.
        max_queue_size: How many batches it prepares ahead; at least one for each worker.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> class Squares(keras.utils.PyDataset):
        ...     def __len__(self):
        ...         return 2
        ...
        ...     def __getitem__(self, index):
        ...         x = np.arange(3) + 3 * index
        ...         return x, x**2
        >>> [y.tolist() for x, y in Squares()]
        [[0, 1, 4], [9, 16, 25]]
    """

    # On the class, so that a subclass that does not call super().__init__() has them too.
    workers: int = 1
    use_multiprocessing: bool = False
    max_queue_size: int = 10

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        check_arguments(cls, args, kwargs)
        return super().__new__(cls)

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ):
        self.workers = count("workers", workers, 0)
        self.use_multiprocessing = use_multiprocessing
        self.max_queue_size = count("max_queue_size", max_queue_size, 0)

    def __getitem__(self, index: int) -> Structure:
        """Returns batch number `index`."""
        raise NotImplementedError(
            f"{type(self).__name__} has no method __getitem__(self, index). "
            "Write one that returns batch number `index`."
        )

    @property
    def num_batches(self) -> int | None:
        """How many batches there are; None for endless data."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} has neither a method __len__(self) nor a property "
            "`num_batches`. Write one that returns how many batches there are."
        )

    def on_epoch_begin(self) -> None:
        """Is called by `fit()` before each epoch."""

    def on_epoch_end(self) -> None:
        """Is called by `fit()` after each epoch."""

    def __iter__(self) -> Iterator[Any]:
        """Yields the batches of one epoch."""
        count = self.num_batches
        index = 0
        while count is None or index < count:
            yield self[index]
            index += 1


def pack_x_y_sample_weight(
    x: Structure, y: Structure = None, sample_weight: Structure = None
) -> Structure:
    """Returns `x`, `(x, y)` or `(x, y, sample_weight)`: what a batch looks like.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.pack_x_y_sample_weight([1.0], [2.0])
        ([1.0], [2.0])
    """
    if y is None and sample_weight is None:
        # A list or tuple alone would be read as (x, y).
        return (x,) if isinstance(x, (list, tuple)) else x
    return (x, y) if sample_weight is None else (x, y, sample_weight)


def unpack_x_y_sample_weight(data: Structure) -> tuple[Any, Any, Any]:
    """Returns `(x, y, sample_weight)` of a batch, with None for what it lacks.

    Raises:
        ValueError: If `data` is a tuple or list of more than three.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.unpack_x_y_sample_weight((1, 2))
        (1, 2, None)
    """
    if not isinstance(data, (list, tuple)):
        return data, None, None
    if not 1 <= len(data) <= 3:
        raise ValueError(
            "Data is expected to be in format `x`, `(x,)`, `(x, y)`, or `(x, y, sample_weight)`, "
            f"found: {data}"
        )
    x, y, sample_weight = (*data, None, None)[:3]
    return x, y, sample_weight
