"""Stages that give the elements of others in another order, or a part of them."""

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from jkeras.utils.pipelines.stage import INFINITE, UNKNOWN, Pass, Seed, Stage, Step, first
from jkeras.utils.workers import ahead, close

_DRAWN_AT_ONCE = 2**20


class Shuffle(Step):
    """The elements in a random order: each is drawn from the next ones.

    Args:
        source: The stage before.
        buffer: From how many each is drawn.
        seed: The seed of the order.
        again: Whether each pass has another order.
    """

    def __init__(self, source: Stage, buffer: int, seed: int | None, again: bool):
        super().__init__(source)
        self._seed = self.seed = Seed(seed)
        self._buffer, self._again = buffer, again
        # An order that takes long to draw is drawn on the way.
        self.numbered = source.numbered and 0 <= self.size <= max(buffer, _DRAWN_AT_ONCE)
        self.by_rows = self.numbered and source.by_rows
        self._order = functools.lru_cache(maxsize=1)(self._draw)

    def _generator(self, number: Pass) -> np.random.Generator:
        return self._seed.generator(number if self._again else ())

    def _draw(self, number: Pass, seed: int) -> np.ndarray:
        if self.size <= self._buffer:
            return self._generator(number).permutation(self.size)
        numbers = iter(range(self.size))
        return np.fromiter(_drawn(numbers, self._buffer, self._generator(number)), "int64")

    def _ordered(self, number: Pass) -> np.ndarray:
        return self._order(number if self._again else (), self._seed.value)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their places in the order."""
        chosen = self._ordered(number)
        return self.source.at(number, (int(chosen[i]) for i in indices))

    def rows(self, number: Pass, indices: np.ndarray) -> Any:
        """Returns elements by their places in the order, as a batch."""
        return self.source.rows(number, self._ordered(number)[indices])

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        if self.source.numbered and self.size >= 0:
            numbers = _drawn(iter(range(self.size)), self._buffer, self._generator(number))
            return self.source.at(number, itertools.islice(numbers, skip, None))
        drawn = _drawn(self.source.open(number), self._buffer, self._generator(number))
        return first(drawn, None, skip)


class Repeat(Step):
    """The elements several times, or without an end."""

    def __init__(self, source: Stage, count: int | None):
        endless = count is None or count < 0
        self._times = math.inf if endless else int(count)  # type: ignore[arg-type]
        total = source.size
        if total == 0 or self._times == 0:
            size = 0
        elif endless or total == INFINITE:
            size = INFINITE
        else:
            size = UNKNOWN if total == UNKNOWN else total * int(self._times)
        super().__init__(source, size)
        self.numbered = source.numbered and total > 0

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        total = self.source.size
        for turn, group in itertools.groupby(indices, lambda index: index // total):
            yield from self.source.at((*number, turn), (index % total for index in group))

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        total = self.source.size
        turn, skip = divmod(skip, total) if total > 0 else (0, skip)
        while turn < self._times:
            found = 0
            for element in self.source.open((*number, turn), skip if total > 0 else 0):
                found += 1
                if total > 0 or found > skip:
                    yield element
            if total < 0:
                skip = max(0, skip - found)
            elif total > 0:
                skip = 0
            if not found and total <= 0:
                return
            turn += 1


class Take(Step):
    """The first elements; all of them for a negative number."""

    def __init__(self, source: Stage, count: int):
        total, self._count = source.size, count
        if count < 0:
            size = total
        else:
            size = min(count, total) if total >= 0 else count if total == INFINITE else UNKNOWN
        super().__init__(source, size)
        self.numbered, self.by_rows = source.numbered, source.by_rows
        self.at, self.rows = source.at, source.rows  # type: ignore[method-assign]

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        left = None if self._count < 0 else max(0, self._count - skip)
        return first(self.source.open(number, skip), left)


class Skip(Step):
    """All but the first elements."""

    def __init__(self, source: Stage, count: int):
        super().__init__(source, max(0, source.size - count) if source.size >= 0 else source.size)
        self._count = count
        self.numbered, self.by_rows = source.numbered, source.by_rows

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        return self.source.at(number, (self._count + i for i in indices))

    def rows(self, number: Pass, indices: np.ndarray) -> Any:
        """Returns elements by their numbers, as a batch."""
        return self.source.rows(number, self._count + indices)

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return self.source.open(number, self._count + skip)


class Shard(Step):
    """Every n-th element."""

    def __init__(self, source: Stage, count: int, index: int):
        total = source.size
        super().__init__(source, max(0, -(-(total - index) // count)) if total >= 0 else total)
        self._count, self._index, self.numbered = count, index, source.numbered

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        return self.source.at(number, (self._index + i * self._count for i in indices))

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        items = self.source.open(number, self._index + skip * self._count)
        return itertools.islice(items, 0, None, self._count)


class Concatenate(Stage):
    """The elements of one stage, and then those of another."""

    def __init__(self, before: Stage, after: Stage):
        self.sources = before, after
        sizes = {before.size, after.size}
        self.size = before.size + after.size
        if sizes & {INFINITE, UNKNOWN}:
            self.size = INFINITE if INFINITE in sizes else UNKNOWN
        self.numbered = before.numbered and after.numbered and before.size >= 0

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        before, after = self.sources
        for later, group in itertools.groupby(indices, lambda index: index >= before.size):
            if later:
                yield from after.at(number, (index - before.size for index in group))
            else:
                yield from before.at(number, group)

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        before, after = self.sources
        found = min(before.size, skip) if before.size >= 0 else 0
        for element in before.open(number, found):
            found += 1
            if found > skip or before.size >= 0:
                yield element
        yield from after.open(number, max(0, skip - found))


class Prefetch(Step):
    """The elements, some of which a thread of its own makes ahead."""

    def __init__(self, source: Stage, count: int):
        super().__init__(source)
        self._count, self.numbered = count, source.numbered

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        return ahead(self.source.at(number, indices), self._count)

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return ahead(self.source.open(number, skip), self._count)


def _drawn(items: Iterator[Any], size: int, generator: np.random.Generator) -> Iterator[Any]:
    """Yields each item drawn from the next `size` ones."""
    try:
        buffer = list(itertools.islice(items, size))
        while buffer:
            # Many draws at once: one takes as long as a hundred.
            for place in generator.random(256).tolist():
                index = int(place * len(buffer))
                chosen = buffer[index]
                follower = list(itertools.islice(items, 1))
                if follower:
                    buffer[index] = follower[0]
                else:
                    buffer[index] = buffer[-1]
                    buffer.pop()
                yield chosen
                if not buffer:
                    break
    finally:
        close(items)
