"""Sequences: of different lengths, of words and their neighbours, windows of time series."""

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from jkeras.base.deprecation import warn_deprecated
from jkeras.base.types import ArrayLike
from jkeras.utils.py_dataset import PyDataset
from jkeras.utils.sequences import pad_sequences as pad_sequences


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """Returns the probability of keeping the i-th most frequent word, by Zipf's law.

    Args:
        size: How many words there are.
        sampling_factor: The factor of word2vec's formula.

    Example:
        >>> import jkeras as keras
        >>> keras.preprocessing.sequence.make_sampling_table(3).round(5).tolist()
        [0.00315, 0.00315, 0.00547]
    """
    rank = np.arange(size, dtype=float)
    rank[0] = 1
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    return np.minimum(1.0, np.sqrt(sampling_factor * inverse_frequency))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: ArrayLike = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Returns pairs of words, and whether the second is near the first.

    Args:
        sequence: Numbers of words; 0 is not a word.
        vocabulary_size: The largest number + 1.
        window_size: How far the words of a pair are apart at most.
        negative_samples: How many random pairs there are for each real one.
        shuffle: Whether to shuffle the pairs.
        categorical: Whether labels are `[0, 1]` and `[1, 0]` instead of 1 and 0.
        sampling_table: Probabilities of keeping each word: see `make_sampling_table`.
        seed: The seed of the shuffle.

    Returns:
        The pairs and their labels.

    Example:
        >>> import jkeras as keras
        >>> keras.preprocessing.sequence.skipgrams([1, 2, 3], 4, 1, 0.0, shuffle=False)
        ([[1, 2], [2, 1], [2, 3], [3, 2]], [1, 1, 1, 1])
    """
    near, far = ([0, 1], [1, 0]) if categorical else (1, 0)
    couples, labels = [], []
    for i, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        for j in range(max(0, i - window_size), min(len(sequence), i + window_size + 1)):
            if j != i and sequence[j]:
                couples.append([word, sequence[j]])
                labels.append(near)
    count = int(len(labels) * negative_samples)
    if count > 0:
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        last = vocabulary_size - 1
        couples += [[words[i % len(words)], random.randint(1, last)] for i in range(count)]
        labels += [far] * count
    if shuffle:
        seed = random.randint(0, 10**6) if seed is None else seed
        for items in (couples, labels):
            random.Random(seed).shuffle(items)
    return couples, labels


class TimeseriesGenerator(PyDataset):
    """Windows of a series, and the value after each; `timeseries_dataset_from_array` is its heir.

    Args:
        data: The series, `[time, ...]`.
        targets: What belongs to each time step, of the same length.
        length: How many time steps a window spans.
        sampling_rate: Of these, each n-th is in the window.
        stride: How many time steps the windows are apart.
        start_index: The time step at which the first window begins.
        end_index: The last time step that has a target; the last of all by default.
        shuffle: Whether windows are drawn at random.
        reverse: Whether the time steps of a window are in reverse order.
        batch_size: How many windows a batch has.

    Example:
        >>> import warnings, numpy as np, jkeras as keras
        >>> with warnings.catch_warnings(action="ignore"):
        ...     windows = keras.preprocessing.sequence.TimeseriesGenerator(
        ...         np.arange(6), np.arange(6), length=3, batch_size=2
        ...     )
        >>> x, y = windows[0]
        >>> len(windows), x.tolist(), y.tolist()
        (2, [[0, 1, 2], [1, 2, 3]], [3, 4])
    """

    def __init__(
        self,
        data: ArrayLike,
        targets: ArrayLike,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ):
        warn_deprecated(
            "TimeseriesGenerator is Keras 2's: use keras.utils.timeseries_dataset_from_array."
        )
        super().__init__(**kwargs)
        if len(data) != len(targets):
            raise ValueError(
                "Data and targets have to be of same length. Data length is "
                f"{len(data)} while target length is {len(targets)}"
            )
        self.data, self.targets, self.length = data, targets, length
        self.sampling_rate, self.stride = sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if self.start_index > self.end_index:
            raise ValueError(
                f"`start_index+length={self.start_index} > end_index={self.end_index}` is "
                "disallowed, as no part of the sequence would be left to be used as current step."
            )

    def __len__(self) -> int:
        step = self.batch_size * self.stride
        return (self.end_index - self.start_index + step) // step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            last = min(first + self.batch_size * self.stride, self.end_index + 1)
            rows = np.arange(first, last, self.stride)
        windows = [self.data[row - self.length : row : self.sampling_rate] for row in rows]
        samples, targets = np.array(windows), np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1] if self.reverse else samples), targets

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments, the series as JSON."""
        names = ("length", "sampling_rate", "stride", "start_index", "end_index", "shuffle")
        return {
            "data": json.dumps(np.asarray(self.data).tolist()),
            "targets": json.dumps(np.asarray(self.targets).tolist()),
            **{name: getattr(self, name) for name in (*names, "reverse", "batch_size")},
        }
