"""Windows that slide over a series."""

from typing import Any

import numpy as np

from jkeras.base.types import ArrayLike
from jkeras.utils.dataset import Dataset
from jkeras.utils.elements import as_array


def timeseries_dataset_from_array(
    data: ArrayLike,
    targets: ArrayLike,
    sequence_length: int,
    sequence_stride: int = 1,
    sampling_rate: int = 1,
    batch_size: int | None = 128,
    shuffle: bool = False,
    seed: int | None = None,
    start_index: int | None = None,
    end_index: int | None = None,
    format: str = "tf",
) -> Dataset:
    """Returns windows of a series, with the target of each.

    Args:
        data: The series, of shape (steps, ...).
        targets: `targets[i]` belongs to the window that starts at step `i`; None for none.
        sequence_length: How many steps a window has.
        sequence_stride: How many steps one window starts after the other.
        sampling_rate: How many steps of the series make one of a window.
        batch_size: How many windows make a batch; None for single windows.
        shuffle: Whether the windows come in a random order, another one in each epoch.
        seed: The seed of that order.
        start_index: The first step that is used.
        end_index: The step before which the used ones end.
        format: Accepted for Keras's sake: `"tf"` or `"grain"`.

    Returns:
        A `keras.utils.Dataset` of batches `x`, or `(x, y)`: NumPy arrays of shape
        (batch_size, sequence_length, ...) and (batch_size, ...).

    Raises:
        ValueError: If a number is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> series = np.arange(5.0)
        >>> windows = keras.utils.timeseries_dataset_from_array(
        ...     series[:-1], series[2:], sequence_length=2
        ... )
        >>> for x, y in windows:
        ...     x.tolist(), y.tolist()
        ([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], [2.0, 3.0, 4.0])
    """
    check_format(format)
    data = np.asarray(data)
    start, end = _bounds(len(data), start_index, end_index)
    for name, value in (("sampling_rate", sampling_rate), ("sequence_stride", sequence_stride)):
        if value <= 0:
            raise ValueError(f"`{name}` must be higher than 0. Received: {name}={value}")
        if value >= len(data):
            raise ValueError(
                f"`{name}` must be lower than the length of the data. "
                f"Received: {name}={value}, for data of length {len(data)}"
            )
    if sequence_length <= 0:
        raise ValueError(
            f"`sequence_length` must be higher than 0. Received: sequence_length={sequence_length}"
        )
    steps = sampling_rate * np.arange(sequence_length)
    last = end - steps[-1]  # windows start before this step
    if targets is not None:
        targets = np.asarray(targets)
        last = min(last, len(targets))
    starts = np.arange(start, last, sequence_stride)

    def rows(_: Any, indices: Any) -> Any:
        first = starts[indices]
        window = as_array(data[first[..., None] + steps])
        return window if targets is None else (window, as_array(targets[first]))

    windows = Dataset.by_rows(rows, len(starts))
    if shuffle:
        windows = windows.shuffle(max(1, len(starts)), seed)
    return windows if batch_size is None else windows.batch(batch_size)


def check_format(format: str) -> None:
    """Refuses what is not among Keras's names of data set libraries."""
    if format not in ("tf", "grain"):
        raise ValueError(f'`format` should be either "tf" or "grain". Received: format={format}')


def _bounds(size: int, start: int | None, end: int | None) -> tuple[int, int]:
    for name, value, least in (("start_index", start, 0), ("end_index", end, 1)):
        if value is None:
            continue
        if value < least:
            word = "0 or greater" if least == 0 else "higher than 0"
            raise ValueError(f"`{name}` must be {word}. Received: {name}={value}")
        if value >= size:
            raise ValueError(
                f"`{name}` must be lower than the length of the data. "
                f"Received: {name}={value}, for data of length {size}"
            )
    if start is not None and end is not None and end <= start:
        raise ValueError(
            "`end_index` must be higher than `start_index`. "
            f"Received: start_index={start}, and end_index={end}"
        )
    return start or 0, size if end is None else end
