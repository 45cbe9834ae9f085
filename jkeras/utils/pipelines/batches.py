"""Stages that put elements together, and take them apart."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from jkeras.utils import elements
from jkeras.utils.elements import as_array, call, leaves, map_leaves
from jkeras.utils.pipelines.stage import INFINITE, UNKNOWN, InOrder, Pass, Stage, Step
from jkeras.utils.workers import close, mapped


class Batch(Step):
    """The elements in batches.

    Args:
        source: The stage before.
        rows: How many elements make a batch.
        whole: Whether to leave out a last, smaller batch.
        threads: How many threads make batches.
        collate: Makes a batch of a list of elements; stacks their arrays by default.
    """

    def __init__(
        self, source: Stage, rows: int, whole: bool, threads: int, collate: Callable | None
    ):
        total = source.size
        super().__init__(
            source, total if total < 0 else total // rows if whole else -(-total // rows)
        )
        self.rows_each, self.whole, self._threads = rows, whole, threads
        self._make = collate or elements.stack
        self._at_once = source.by_rows and collate is None
        self.numbered, self.batch_size = source.numbered, None if whole else rows

    def _numbers(self, index: int) -> range:
        start, stop = index * self.rows_each, (index + 1) * self.rows_each
        return range(start, stop if self.source.size < 0 else min(stop, self.source.size))

    def _rows_of(self, number: Pass, index: int) -> Any:
        numbers = self._numbers(index)
        return self.source.rows(number, np.arange(numbers.start, numbers.stop))

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields batches by their numbers."""
        if self._at_once:
            return mapped(lambda index: self._rows_of(number, index), indices, self._threads)
        wanted, asked = itertools.tee(indices)
        single = self.source.at(number, (i for index in asked for i in self._numbers(index)))
        groups = _grouped(single, (len(self._numbers(index)) for index in wanted), False)
        return mapped(self._make, groups, self._threads)

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the batches of a pass, but for the first `skip`."""
        single = self.source.open(number, skip * self.rows_each)
        groups = _grouped(single, itertools.repeat(self.rows_each), self.whole)
        return mapped(self._make, groups, self._threads)


class Unbatch(InOrder):
    """The rows of batches as single elements."""

    def __init__(self, source: Stage):
        full = isinstance(source, Batch) and source.whole and source.size >= 0
        known = source.size * source.rows_each if full else UNKNOWN  # type: ignore[attr-defined]
        super().__init__(source, INFINITE if source.size == INFINITE else known)
        self.batch_size = None

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the elements of a pass."""
        for batch in self.source.open(number):
            for i in range(_length(batch)):
                yield _row(batch, i)


class Rebatch(InOrder):
    """Batches of other sizes, in turn."""

    def __init__(self, source: Stage, sizes: Sequence[int], whole: bool):
        super().__init__(source, INFINITE if source.size == INFINITE else UNKNOWN)
        self._sizes, self._whole = sizes, whole
        self.batch_size = None if whole else max(sizes)

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the batches of a pass."""
        parts: list[Any] = []
        wanted = itertools.cycle(self._sizes)
        missing = size = next(wanted)
        for batch in self.source.open(number):
            start, length = 0, _length(batch)
            while start < length:
                stop = min(start + missing, length)
                parts.append(_row(batch, slice(start, stop)))
                missing, start = missing - (stop - start), stop
                if not missing:
                    yield elements.join(parts)
                    parts, missing = [], next(wanted)
                    size = missing
        if parts and not (self._whole and missing < size):
            yield elements.join(parts)


class Bucket(InOrder):
    """Batches of elements of similar lengths.

    Args:
        source: The stage before.
        length_of: Returns the length of an element.
        boundaries: The lengths that part buckets, ascending.
        sizes: The batch size of each bucket.
        make: Makes a batch of the number of a bucket and a list of elements.
        whole: Whether to leave out the last, smaller batches.
    """

    def __init__(
        self,
        source: Stage,
        length_of: Callable,
        boundaries: Sequence[int],
        sizes: Sequence[int],
        make: Callable[[int, Sequence[Any]], Any],
        whole: bool,
    ):
        super().__init__(source)
        self._length_of, self._boundaries, self._sizes = length_of, boundaries, sizes
        self._make, self._whole, self.batch_size = make, whole, None

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the batches of a pass."""
        groups: dict[int, list[Any]] = {}
        for element in self.source.open(number):
            length = int(call(self._length_of, element))
            bucket = int(np.searchsorted(self._boundaries, length, side="right"))
            group = groups.setdefault(bucket, [])
            group.append(element)
            if len(group) == self._sizes[bucket]:
                yield self._make(bucket, groups.pop(bucket))
        if not self._whole:
            for bucket in sorted(groups):
                yield self._make(bucket, groups[bucket])


class Window(Step):
    """Data sets of elements that follow each other.

    Args:
        source: The stage before.
        length: How many elements a window has.
        shift: How many elements one window begins after the other.
        stride: How many elements of the source make one of a window.
        whole: Whether to leave out windows that are shorter at the end.
        wrap: Makes a data set of a list of elements.
    """

    def __init__(
        self,
        source: Stage,
        length: int,
        shift: int,
        stride: int,
        whole: bool,
        wrap: Callable[[list[Any]], Any],
    ):
        self._shift, self._stride, self._whole, self._wrap = shift, stride, whole, wrap
        self._span = (length - 1) * stride + 1
        total = source.size
        if total >= 0:
            total = max(0, (total - self._span) // shift + 1) if whole else -(-total // shift)
        super().__init__(source, total)
        self.batch_size = None

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the windows of a pass, but for the first `skip`."""
        items = self.source.open(number, skip * self._shift)
        held: collections.deque = collections.deque()
        while True:
            held.extend(itertools.islice(items, self._span - len(held)))
            if not held or (self._whole and len(held) < self._span):
                return
            yield self._nested(list(itertools.islice(held, 0, None, self._stride)))
            gap = self._shift - len(held)
            for _ in range(min(self._shift, len(held))):
                held.popleft()
            if gap > 0:
                collections.deque(itertools.islice(items, gap), maxlen=0)

    def _nested(self, window: list[Any]) -> Any:
        """Returns a window as a data set; that of tuples as a tuple of data sets."""
        head = window[0]
        if isinstance(head, tuple):
            columns = range(len(head))
            return tuple(self._nested([element[i] for element in window]) for i in columns)
        if isinstance(head, Mapping):
            return {key: self._nested([element[key] for element in window]) for key in head}
        return self._wrap(window)


def _row(batch: Any, index: Any) -> Any:
    return map_leaves(lambda array: as_array(array[index]), batch)


def _length(batch: Any) -> int:
    arrays = leaves(batch)
    if not arrays or not np.ndim(arrays[0]):
        raise ValueError("Elements without an axis of rows are no batches.")
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"The arrays of a batch differ in their numbers of rows: {lengths}.")
    return lengths.pop()


def _grouped(items: Iterator[Any], sizes: Iterable[int], whole: bool) -> Iterator[list[Any]]:
    """Yields items in lists of these sizes; `whole`: not a last one that is smaller."""
    try:
        for size in sizes:
            group = list(itertools.islice(items, size))
            if not group or (whole and len(group) < size):
                return
            yield group
    finally:
        close(items)
