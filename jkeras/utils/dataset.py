"""Dataset: pipelines of data on the host, with the methods of `tf.data.Dataset`."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from jkeras.base.types import Structure
from jkeras.utils import elements
from jkeras.utils.elements import as_array, as_element, as_numpy, map_leaves
from jkeras.utils.pipelines.pipeline import Sources
from jkeras.utils.pipelines.sources import Numbered
from jkeras.utils.pipelines.stage import INFINITE, UNKNOWN, Seed
from jkeras.utils.pipelines.transformations import Transformations
from jkeras.utils.workers import close


class Dataset(Sources, Transformations):
    """A data set: elements, made one after the other as they are asked for.

    An element is an array, a tuple or a dict of arrays. The methods make further data sets of it
    and mean what those of `tf.data.Dataset` mean; `fit()`, `evaluate()`, `predict()` and `adapt()`
    take it. Functions given to it get and return NumPy arrays (which also answer `.numpy()`) and
    are called on the host, in as many threads as `num_parallel_calls` says.

    An iterator knows where it stands: `iter(dataset).get_state()` is a small dict, and
    `set_state(state)`, on an iterator of a data set that was made in the same way, goes on exactly
    there: what comes before is not made again where elements can be counted, which they cannot
    behind `filter`, `flat_map`, `unbatch`, `from_generator` and the like.

    Args:
        get: Returns element number `i`.
        size: How many elements there are.

    Attributes:
        class_names: The names of the classes, of data sets of folders.
        file_paths: The files that a data set of a folder is made of.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x, y = np.arange(6.0), np.arange(6) % 2
        >>> dataset = keras.utils.Dataset.from_tensor_slices((x, y))
        >>> dataset = dataset.map(lambda x, y: (10 * x, y), num_parallel_calls=2).batch(4)
        >>> for x, y in dataset:
        ...     print(x, y)
        [ 0. 10. 20. 30.] [0 1 0 1]
        [40. 50.] [0 1]
    """

    def __init__(self, get: Callable[[int], Any], size: int):
        self._stage, self._passes = Numbered(get, size), [0]

    def apply(self, transformation_func: Callable[["Dataset"], Any]) -> Any:
        """Returns `transformation_func(dataset)`."""
        return transformation_func(self)

    def reduce(
        self, initial_state: Structure, reduce_func: Callable, name: str | None = None
    ) -> Structure:
        """Returns the last state of `reduce_func(state, element) -> state`."""
        state = as_element(initial_state)
        for element in self:
            state = as_element(reduce_func(state, element))
        return state

    def get_single_element(self, name: str | None = None) -> Structure:
        """Returns the only element.

        Raises:
            ValueError: If there is not exactly one.
        """
        found = list(itertools.islice(self, 2))
        if len(found) != 1:
            raise ValueError(
                "The data set was expected to have one element, and has "
                f"{'more' if found else 'no'}."
            )
        return found[0]

    def with_options(self, options: Any, name: str | None = None) -> Self:
        """Returns this data set: options of `tf.data` have no meaning here."""
        del options
        return self

    @property
    def element_spec(self) -> Any:
        """The shape and dtype of each array, seen at the first element."""
        element = next(self._stage.open((0,)), None)
        if element is None:
            raise ValueError("The data set has no element that would show its shapes.")
        size = self._stage.batch_size

        def spec(value: Any) -> Any:
            found = elements.spec(value)
            varies = size is not None and getattr(found, "shape", ())[:1] not in ((), None)
            return found._replace(shape=(None, *found.shape[1:])) if varies else found

        return map_leaves(spec, element)

    def cardinality(self, name: str | None = None) -> Any:
        """Returns how many elements there are; -1 for no end, -2 if that is not known."""
        return as_array(np.int64(self._stage.size))

    def __len__(self) -> int:
        size = self._stage.size
        if size < 0:
            word = "infinite" if size == INFINITE else "unknown"
            raise TypeError(f"The dataset length is {word}.")
        return size

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        size: Any = self._stage.size
        size = {INFINITE: "endless", UNKNOWN: "an unknown number of"}.get(size, size)
        return f"<Dataset: {size} elements>"

    def __getitem__(self, index: int) -> Any:
        """Returns element number `index`, where elements can be numbered."""
        if not self._stage.numbered:
            raise TypeError(
                "The elements of this data set have no numbers, since each follows from those "
                "before it. Go through it (`for element in dataset.take(n)`)."
            )
        size = self._stage.size
        if size >= 0 and not -size <= index < size:
            raise IndexError(f"There is no element {index}: the data set has {size}.")
        return next(
            self._stage.at((max(0, self._passes[0] - 1),), [index % size if size > 0 else index])
        )

    def __iter__(self) -> "DatasetIterator":
        return DatasetIterator(self)

    def get_state(self) -> dict[str, Any]:
        """Returns which pass comes next, and the seeds: numbers that may be written as JSON."""
        return {"pass": self._passes[0], "seeds": [seed.value for seed in self._seeds()]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass the one that `get_state` said.

        Raises:
            ValueError: If the state is that of a data set made in another way.
        """
        given = list(state.get("seeds", ()))
        seeds = self._seeds()
        if len(given) != len(seeds):
            raise ValueError(
                f"The state is that of another data set: it has {len(given)} random orders, this "
                f"one has {len(seeds)}."
            )
        if [seed.value for seed in seeds] != given:
            for seed, value in zip(seeds, given, strict=True):
                seed.value = int(value)
            for stage in self._stage.all():  # what is kept is of another order
                stage.forget()
        self._passes[0] = int(state["pass"])

    def _seeds(self) -> list[Seed]:
        """Returns the seeds of all random orders."""
        return [stage.seed for stage in self._stage.all() if stage.seed is not None]

    def as_numpy_iterator(self) -> "DatasetIterator":
        """Returns an iterator of plain NumPy arrays, numbers, and bytes."""
        return DatasetIterator(self, as_numpy)


class DatasetIterator:
    """An iterator over one pass of a data set, which knows where it stands.

    Args:
        dataset: The data set.
        convert: What is done to each element.

    Example:
        >>> import jkeras as keras
        >>> numbers = keras.utils.Dataset.range(100).shuffle(100)
        >>> first = iter(numbers)
        >>> _ = next(first), next(first)
        >>> second = iter(numbers)
        >>> second.set_state(first.get_state())
        >>> int(next(first)) == int(next(second))
        True
    """

    def __init__(self, dataset: Dataset, convert: Callable[[Any], Any] | None = None):
        self._dataset, self._convert = dataset, convert
        self._number, self._taken = dataset._passes[0], 0
        self._items: Iterator[Any] | None = None
        dataset._passes[0] += 1

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._items is None:
            self._items = self._dataset._stage.open((self._number,), self._taken)
        element = next(self._items)
        self._taken += 1
        return element if self._convert is None else self._convert(element)

    get_next = __next__

    @property
    def element_spec(self) -> Any:
        """The shape and dtype of each array."""
        return self._dataset.element_spec

    def get_state(self) -> dict[str, Any]:
        """Returns where it stands: numbers that may be written as JSON."""
        state = self._dataset.get_state()
        return {**state, "pass": self._number, "taken": self._taken, "next": state["pass"]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Goes on where `get_state` said; later passes follow that one.

        Raises:
            ValueError: If the state is that of a data set made in another way.
        """
        self.close()
        self._number, self._taken = int(state["pass"]), int(state["taken"])
        self._dataset.set_state({**state, "pass": state.get("next", self._number + 1)})

    def close(self) -> None:
        """Ends what works ahead; the next element is made anew."""
        close(self._items)
        self._items = None
