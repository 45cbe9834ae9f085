"""Stages that make other elements of each element, or leave some out."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from jkeras.base.types import Structure
from jkeras.core.host import preparing_data
from jkeras.utils.elements import as_element, as_result, call
from jkeras.utils.pipelines.stage import UNKNOWN, InOrder, Pass, Stage, Step, first
from jkeras.utils.workers import interleaved, mapped


class Map(Step):
    """The elements as a function makes them.

    Args:
        source: The stage before.
        function: The function.
        threads: How many threads call it; 0 for none.
        in_order: Whether the order stays.
    """

    def __init__(self, source: Stage, function: Callable, threads: int, in_order: bool):
        super().__init__(source)
        self._function, self._threads, self._in_order = function, threads, in_order
        self.numbered = source.numbered and (in_order or not threads)

    def _results(self, number: Pass, items: Iterable[tuple[int, Any]]) -> Iterator[Any]:
        def function(item: tuple[int, Any]) -> Any:
            with preparing_data(*number, item[0]):
                return as_result(call(self._function, item[1]))

        return mapped(function, items, self._threads, self._in_order)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        indices, asked = itertools.tee(indices)
        return self._results(number, zip(indices, self.source.at(number, asked), strict=False))

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        return self._results(number, enumerate(self.source.open(number, skip), skip))


class Where(InOrder):
    """The elements for which a function is true; `ends`: only those before the first other one."""

    def __init__(self, source: Stage, predicate: Callable, ends: bool = False):
        super().__init__(source)
        self._predicate, self._ends = predicate, ends

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the elements of a pass."""
        for index, element in enumerate(self.source.open(number)):
            with preparing_data(*number, index):
                kept = bool(np.all(call(self._predicate, element)))
            if kept:
                yield element
            elif self._ends:
                return


class Unique(InOrder):
    """Each element once: where it comes first."""

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the elements of a pass."""
        seen = set()
        for element in self.source.open(number):
            key: Any = np.asarray(element).tobytes()
            if element.dtype == object:
                key = tuple(np.ravel(element).tolist())
            if key not in seen:
                seen.add(key)
                yield element


class Scan(InOrder):
    """Outputs of a function of a state and an element, which returns the next state as well."""

    def __init__(self, source: Stage, initial_state: Structure, function: Callable):
        super().__init__(source, source.size)
        self._initial, self._function = initial_state, function

    def every(self, number: Pass) -> Iterator[Any]:
        """Yields the elements of a pass."""
        state = as_element(self._initial)
        for index, element in enumerate(self.source.open(number)):
            with preparing_data(*number, index):
                state, output = map(as_element, self._function(state, element))
            yield output


class Interleave(Step):
    """Blocks of elements, in turn, of the stages that a function makes of elements.

    Args:
        source: The stage before.
        make: Returns the stage of an element.
        cycle: How many stages are open at once.
        block: How many elements of one come after each other.
        threads: How many of them are read ahead.
    """

    def __init__(
        self, source: Stage, make: Callable[[Any], Stage], cycle: int, block: int, threads: int
    ):
        super().__init__(source, UNKNOWN)
        self._make, self._cycle, self._block, self._threads = make, cycle, block, threads

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        counted = itertools.count()

        def start(element: Any) -> Iterator[Any]:
            index = next(counted)
            with preparing_data(*number, index):
                made = self._make(element)
            return made.open((*number, index))

        items = self.source.open(number)
        found = interleaved(items, start, self._cycle, self._block, self._threads)
        return first(found, None, skip)
