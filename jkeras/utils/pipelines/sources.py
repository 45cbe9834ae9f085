"""Stages that elements come from."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from jkeras.utils.elements import as_array, as_element, leaves, map_leaves
from jkeras.utils.pipelines.stage import INFINITE, UNKNOWN, Chooser, Pass, Seed, Stage, first
from jkeras.utils.workers import close


class Numbered(Stage):
    """What a function of an element's number returns."""

    numbered = True

    def __init__(self, get: Callable[[int], Any], size: int):
        self._get, self.size = get, int(size)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        return (as_element(self._get(i)) for i in indices)


class Rows(Stage):
    """What a function of a pass, and of one number or an array of numbers, returns."""

    numbered = by_rows = True

    def __init__(self, rows: Callable[[Pass, Any], Any], size: int):
        self._rows, self.size = rows, size

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        return (self._rows(number, i) for i in indices)

    def rows(self, number: Pass, indices: np.ndarray) -> Any:
        """Returns elements by their numbers, as a batch."""
        return self._rows(number, indices)


class Generated(Stage):
    """What an iterable gives that a function returns in each pass."""

    def __init__(self, make: Callable[[], Iterable[Any]], convert: Callable[[Any], Any]):
        self._make, self._convert = make, convert

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        for item in first(iter(self._make()), None, skip):
            yield self._convert(item)


class Random(Stage):
    """Random integers below 2**32, without an end."""

    numbered, size = True, INFINITE

    def __init__(self, seed: int | None):
        self._seed = self.seed = Seed(seed)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields numbers by their places; each pass has the same."""
        for i in indices:
            yield as_array(self._seed.generator((i,)).integers(2**32))


class Zip(Stage):
    """The elements of several stages side by side, until the first of them ends.

    Args:
        tree: A tuple or dict of stages.
    """

    def __init__(self, tree: Any):
        self._tree, self.sources = tree, tuple(leaves(tree))
        sizes = {part.size for part in self.sources}
        finite = [size for size in sizes if size >= 0]
        self.size = UNKNOWN if UNKNOWN in sizes else min(finite, default=INFINITE)
        self.numbered = all(part.numbered for part in self.sources)
        self.by_rows = all(part.by_rows for part in self.sources)
        if len(self.sources) == 1:
            self.batch_size = self.sources[0].batch_size

    def _together(self, iterators: list[Iterator[Any]]) -> Iterator[Any]:
        try:
            for found in zip(*iterators, strict=False):
                left = iter(found)
                yield map_leaves(lambda _: next(left), self._tree)  # noqa: B023
        finally:
            for iterator in iterators:
                close(iterator)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        copies = itertools.tee(indices, len(self.sources))
        parts = zip(self.sources, copies, strict=True)
        return self._together([part.at(number, own) for part, own in parts])

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return self._together([part.open(number, skip) for part in self.sources])

    def rows(self, number: Pass, indices: np.ndarray) -> Any:
        """Returns elements by their numbers, as a batch."""
        return map_leaves(lambda part: part.rows(number, indices), self._tree)


class Chosen(Stage):
    """Elements of several stages, in the order of numbers.

    Args:
        sources: The stages.
        choose: For a pass, yields the numbers; it is told which of the stages have not ended.
        stops: Whether to end when the first of them does.
        seed: What the order follows from.
    """

    def __init__(
        self, sources: Sequence[Stage], choose: Chooser, stops: bool, seed: Seed | None = None
    ):
        self.sources, self.seed = tuple(sources), seed
        self._choose, self._stops = choose, stops
        if len(self.sources) == 1:
            self.batch_size = self.sources[0].batch_size

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return first(self._every(number), None, skip)

    def _every(self, number: Pass) -> Iterator[Any]:
        iterators, end = [source.open(number) for source in self.sources], object()
        live = [True] * len(iterators)
        try:
            for index in self._choose(number, live):
                element = next(iterators[index], end)
                if element is not end:
                    yield element
                elif self._stops:
                    return
                else:
                    live[index] = False
        finally:
            for iterator in iterators:
                close(iterator)
