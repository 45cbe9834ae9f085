"""A stage: what gives the elements of a pass, made of the elements of other stages."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from jkeras.base.keys import draw_integer_seed
from jkeras.utils.workers import close

Pass = tuple[int, ...]
"""The number of a pass over a data set; inside of `repeat`, also that of the repetition."""

INFINITE, UNKNOWN = -1, -2


class Seed:
    """The seed of one random order: a state that is given back sets it."""

    def __init__(self, seed: int | None):
        self.value = draw_integer_seed() if seed is None else int(seed)

    def generator(self, number: Pass) -> np.random.Generator:
        """Returns the generator of a pass."""
        return np.random.default_rng([self.value % 2**64, *number])


class Stage:
    """Gives elements, one after the other.

    Real work for elements that can be numbered goes by numbers: `shuffle` and `skip` make no
    element that is not asked for, `shard` reads its part only, and a state is a number.

    Attributes:
        sources: The stages whose elements it takes.
        size: How many elements there are; INFINITE, or UNKNOWN.
        batch_size: That of batches the last of which may be smaller.
        seed: What its random order follows from.
        numbered: Whether elements have numbers: whether there is `at`.
        by_rows: Whether several are made as a batch: whether there is `rows`.
    """

    sources: tuple["Stage", ...] = ()
    size: int = UNKNOWN
    batch_size: int | None = None
    seed: Seed | None = None
    numbered: bool = False
    by_rows: bool = False

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers, in a pass."""
        raise NotImplementedError

    def rows(self, number: Pass, indices: np.ndarray) -> Any:
        """Returns elements by their numbers, as a batch."""
        raise NotImplementedError

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`, where they have no numbers."""
        raise NotImplementedError

    def open(self, number: Pass, skip: int = 0) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        if not self.numbered:
            return self.run(number, skip)
        infinite = self.size == INFINITE
        return self.at(number, itertools.count(skip) if infinite else range(skip, self.size))

    def forget(self) -> None:
        """Drops elements that are kept."""

    def all(self) -> Iterator["Stage"]:
        """Yields the stages before this one, and this one."""
        for source in self.sources:
            yield from source.all()
        yield self


class Step(Stage):
    """A stage whose elements are made of those of one other stage.

    Args:
        source: The other stage.
        size: How many elements there are; as many as of the other stage by default.
    """

    def __init__(self, source: Stage, size: int | None = None):
        self.source, self.sources = source, (source,)
        self.size = source.size if size is None else size
        self.batch_size = source.batch_size


class InOrder(Step):
    """A step whose elements follow from all before them: what is skipped is made."""

    def __init__(self, source: Stage, size: int = UNKNOWN):
        super().__init__(source, size)

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the elements of a pass."""
        raise NotImplementedError

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return first(self.every(number), None, skip)


def first(items: Iterator[Any], count: int | None, skip: int = 0) -> Iterator[Any]:
    """Yields up to `count` items after the first `skip`; closes the iterator."""
    try:
        yield from itertools.islice(items, skip, None if count is None else skip + count)
    finally:
        close(items)


def positive(name: str, value: Any) -> int:
    """Returns a number of at least 1.

    Raises:
        ValueError: If it is less than 1, or no number.
    """
    number = int(value)
    if number < 1:
        raise ValueError(f"`{name}` must be at least 1, got {name}={value}.")
    return number


Chooser = Callable[[Pass, list[bool]], Iterator[int]]
