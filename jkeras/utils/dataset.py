"""Dataset: pipelines of data on the host, with the methods of `tf.data.Dataset`."""

import collections
import functools
import glob
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from jkeras.base.keys import draw_integer_seed
from jkeras.core.host import preparing_data
from jkeras.utils import elements
from jkeras.utils.elements import (
    as_array,
    as_element,
    as_numpy,
    as_result,
    call,
    leaves,
    map_leaves,
)
from jkeras.utils.workers import AUTOTUNE, ahead, close, interleaved, mapped, thread_count

Pass = tuple[int, ...]
"""The number of a pass over a data set; inside of `repeat`, also that of the repetition."""

_INFINITE, _UNKNOWN = -1, -2
_DRAWN_AT_ONCE = 2**20


class _Seed:
    """The seed of one shuffle: a state that is given back sets it."""

    def __init__(self, seed: int | None):
        self.value = draw_integer_seed() if seed is None else int(seed)

    def generator(self, number: Pass) -> np.random.Generator:
        return np.random.default_rng([self.value % 2**64, *number])


class Dataset:
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

    # Real work for elements that can be numbered goes by numbers: `shuffle` and `skip` make no
    # element that is not asked for, `shard` reads its part only, and a state is a number.
    _at: Callable[[Pass, Iterable[int]], Iterator[Any]] | None
    _rows: Callable[[Pass, np.ndarray], Any] | None = None  # several elements, as a batch
    _run: Callable[[Pass, int], Iterator[Any]] | None = None
    _size: int
    _seeds: tuple[_Seed, ...] = ()
    _caches: tuple[Any, ...] = ()
    _batch_size: int | None = None  # of batches the last of which may be smaller
    _batched: tuple[int, bool] | None = None  # what `batch` was called with, if that made it
    # How many passes were begun, also over what was made of the same data set: so that each
    # `dataset.take(1)` shows others of what is shuffled.
    _passes: list[int]
    class_names: Sequence[str] | None = None
    file_paths: Sequence[str] = ()

    def __init__(self, get: Callable[[int], Any], size: int):
        self._at, self._size = lambda _, indices: (as_element(get(i)) for i in indices), int(size)
        self._passes = [0]

    @staticmethod
    def _of(
        *inputs: "Dataset",
        at: Callable | None = None,
        run: Callable | None = None,
        rows: Callable | None = None,
        size: int = _UNKNOWN,
    ) -> "Dataset":
        """Makes a data set of others.

        Args:
            *inputs: What it is made of.
            at: For the number of a pass, and the numbers of elements, yields these.
            run: For the number of a pass, and how many elements are left out, yields the others.
            rows: For the number of a pass, and an array of numbers, returns these elements as a
                batch.
            size: How many there are.
        """
        made = Dataset.__new__(Dataset)
        made._at, made._run, made._rows, made._size = at, run, rows, size
        made._passes = inputs[0]._passes if inputs else [0]
        made._seeds = tuple(seed for one in inputs for seed in one._seeds)
        made._caches = tuple(cache for one in inputs for cache in one._caches)
        if len(inputs) == 1:
            made.class_names = inputs[0].class_names
            made._batch_size = inputs[0]._batch_size
        return made

    def _open(self, number: Pass, skip: int = 0) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        if self._at is not None:
            infinite = self._size == _INFINITE
            return self._at(number, itertools.count(skip) if infinite else range(skip, self._size))
        if self._run is None:
            raise NotImplementedError
        return self._run(number, skip)

    # -------------------------------------------------------------- sources
    @classmethod
    def from_tensor_slices(cls, tensors: Any, name: str | None = None) -> "Dataset":
        """Returns the rows of an array, or of the arrays of a tuple or dict.

        Raises:
            ValueError: If they differ in their numbers of rows.
        """
        arrays = map_leaves(_as_rows, tensors)
        flat = leaves(arrays)
        if not flat:
            raise ValueError("`from_tensor_slices` needs an array, or a tuple or dict of arrays.")
        sizes = [len(array) for array in flat]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"Dimensions {sizes} are not compatible: the arrays given to `from_tensor_slices` "
                "differ in their numbers of rows."
            )

        return cls.by_rows(lambda _, i: map_leaves(lambda a: as_array(a[i]), arrays), sizes[0])

    @classmethod
    def by_rows(cls, rows: Callable[[Pass, Any], Any], size: int) -> "Dataset":
        """Returns a data set whose batches are made at once.

        Args:
            rows: For the number of a pass, and a number or an array of numbers, returns this
                element, or these as a batch.
            size: How many there are.
        """
        return cls._of(at=lambda p, indices: (rows(p, i) for i in indices), rows=rows, size=size)

    @classmethod
    def from_tensors(cls, tensors: Any, name: str | None = None) -> "Dataset":
        """Returns a data set of one element: an array, or a tuple or dict of arrays."""
        return Dataset(lambda _: tensors, 1)

    @classmethod
    def from_generator(
        cls,
        generator: Callable[..., Iterable[Any]],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> "Dataset":
        """Returns what an iterable gives that `generator(*args)` returns, anew in each pass.

        Args:
            generator: A function, such as a generator function.
            output_types: The dtype of each leaf, if they are to be cast.
            output_shapes: Accepted for the sake of `tf.data`.
            args: What the function is called with.
            output_signature: Instead of `output_types`, objects that have a `dtype`.
            name: Accepted for the sake of `tf.data`.

        Raises:
            TypeError: If `generator` cannot be called.
        """
        if not callable(generator):
            raise TypeError(
                "`generator` must be a Python callable that returns an iterable: pass the "
                f"generator function itself, got {type(generator).__name__}."
            )
        dtypes = output_types
        if output_signature is not None:
            dtypes = map_leaves(lambda leaf: getattr(leaf, "dtype", None), output_signature)
        listed = isinstance(dtypes, tuple)

        def element(value: Any) -> Any:
            if isinstance(value, list) and listed:
                value = tuple(value)
            value = as_element(value)
            return value if dtypes is None else map_leaves(_cast, value, dtypes)

        def run(_: Pass, skip: int) -> Iterator[Any]:
            items = iter(generator(*(args or ())))
            try:
                for item in itertools.islice(items, skip, None):
                    yield element(item)
            finally:
                close(items)

        return cls._of(run=run)

    @classmethod
    def range(cls, *args: int, output_type: Any = "int64", name: str | None = None) -> "Dataset":
        """Returns integers, as Python's `range(start, stop, step)` gives them."""
        numbers, dtype = range(*map(int, args)), np.dtype(_dtype_name(output_type))
        return Dataset(lambda i: np.asarray(numbers[i], dtype), len(numbers))

    @classmethod
    def counter(cls, start: int = 0, step: int = 1, dtype: Any = "int64") -> "Dataset":
        """Returns `start`, `start + step`, ... without an end."""
        dtype = np.dtype(_dtype_name(dtype))
        return cls._of(
            at=lambda _, indices: (as_array(dtype.type(start + i * step)) for i in indices),
            size=_INFINITE,
        )

    @classmethod
    def random(cls, seed: int | None = None, name: str | None = None) -> "Dataset":
        """Returns random integers below 2**32, without an end."""
        state = _Seed(seed)

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            for i in indices:
                yield as_array(np.random.default_rng([state.value % 2**64, i]).integers(2**32))

        made = cls._of(at=at, size=_INFINITE)
        made._seeds = (state,)
        return made

    @classmethod
    def list_files(
        cls,
        file_pattern: Any,
        shuffle: bool | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> "Dataset":
        """Returns the paths of the files that match a pattern, or one of several.

        Args:
            file_pattern: A pattern such as `"images/*.png"`, or a list of them.
            shuffle: Whether they come in a random order, which they do by default.
            seed: The seed of that order.
            name: Accepted for the sake of `tf.data`.

        Raises:
            ValueError: If there are none.
        """
        given = [file_pattern] if isinstance(file_pattern, (str, bytes)) else file_pattern
        patterns = [p.decode() if isinstance(p, bytes) else str(p) for p in np.ravel(given)]
        paths = sorted({path for pattern in patterns for path in glob.glob(pattern)})
        if not paths:
            raise ValueError(f"No files matched pattern: {', '.join(patterns)}")
        made = cls.from_tensor_slices(paths)
        return made if shuffle is False else made.shuffle(len(paths), seed)

    @classmethod
    def zip(cls, *args: Any, datasets: Any = None, name: str | None = None) -> "Dataset":
        """Returns the elements of several data sets side by side, until the first of them ends.

        Args:
            *args: Data sets, or one tuple or dict of them.
            datasets: The same, by name.
            name: Accepted for the sake of `tf.data`.
        """
        tree = datasets if datasets is not None else args[0] if len(args) == 1 else args
        if isinstance(tree, list):
            tree = tuple(tree)
        parts = leaves(tree)
        for part in parts:
            _check_dataset(part, "`Dataset.zip` takes data sets")

        def together(iterators: list[Iterator[Any]]) -> Iterator[Any]:
            try:
                for found in zip(*iterators, strict=False):
                    left = iter(found)
                    yield map_leaves(lambda _: next(left), tree)  # noqa: B023
            finally:
                for iterator in iterators:
                    close(iterator)

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            copies = itertools.tee(indices, len(parts))
            return together([p._at(number, i) for p, i in zip(parts, copies, strict=True)])

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return together([part._open(number, skip) for part in parts])

        def rows(number: Pass, indices: np.ndarray) -> Any:
            return map_leaves(lambda part: part._rows(number, indices), tree)

        finite = [part._size for part in parts if part._size >= 0]
        sizes = {part._size for part in parts}
        size = _UNKNOWN if _UNKNOWN in sizes else min(finite) if finite else _INFINITE
        return cls._of(
            *parts,
            at=at if all(part._at for part in parts) else None,
            run=run,
            rows=rows if all(part._rows for part in parts) else None,
            size=size,
        )

    @classmethod
    def sample_from_datasets(
        cls,
        datasets: Sequence["Dataset"],
        weights: Any = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> "Dataset":
        """Returns elements of several data sets, each time of one that is drawn.

        Args:
            datasets: The data sets.
            weights: The probability of each; the same for all by default.
            seed: The seed of the draws.
            stop_on_empty_dataset: Whether to end when the first of them does.
            rerandomize_each_iteration: Whether each pass draws anew; by default it does, unless a
                seed is given.
        """
        state = _Seed(seed)
        share = np.ones(len(datasets)) if weights is None else np.asarray(weights, "float64")
        again = seed is None if rerandomize_each_iteration is None else rerandomize_each_iteration

        def choose(number: Pass, live: list[bool]) -> Iterator[int]:
            generator = state.generator(number if again else ())
            while (left := share * live).sum() > 0:
                yield int(generator.choice(len(datasets), p=left / left.sum()))

        made = _chosen(datasets, choose, stop_on_empty_dataset)
        made._seeds = (*made._seeds, state)
        return made

    @classmethod
    def choose_from_datasets(
        cls,
        datasets: Sequence["Dataset"],
        choice_dataset: "Dataset",
        stop_on_empty_dataset: bool = True,
    ) -> "Dataset":
        """Returns elements of several data sets, in the order of the numbers in another one."""
        return _chosen(
            datasets,
            lambda number, _: (int(index) for index in choice_dataset._open(number)),
            stop_on_empty_dataset,
        )

    # -------------------------------------------------------------- element by element
    def map(
        self,
        map_func: Callable,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> "Dataset":
        """Returns the elements as `map_func(x)`, or `map_func(x, y)`, makes them.

        Args:
            map_func: A function of NumPy arrays; a layer, too. It should depend on its arguments
                only; what is random differs from pass to pass.
            num_parallel_calls: How many threads call it; `AUTOTUNE` (-1) for one a processor.
            deterministic: Whether the order stays; False: as results are ready.
            synchronous: Accepted for the sake of `tf.data`, as are the others.
        """
        threads, in_order = thread_count(num_parallel_calls), deterministic is not False

        def results(number: Pass, items: Iterable[tuple[int, Any]]) -> Iterator[Any]:
            def function(item: tuple[int, Any]) -> Any:
                with preparing_data(*number, item[0]):
                    return as_result(call(map_func, item[1]))

            return mapped(function, items, threads, in_order)

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            indices, asked = itertools.tee(indices)
            return results(number, zip(indices, self._at(number, asked), strict=False))  # type: ignore[misc]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return results(number, enumerate(self._open(number, skip), skip))

        numbered = self._at is not None and (in_order or not threads)
        return self._of(self, at=at if numbered else None, run=run, size=self._size)

    def filter(self, predicate: Callable, name: str | None = None) -> "Dataset":
        """Returns the elements for which `predicate(x)`, or `predicate(x, y)`, is true."""

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return itertools.islice(self._where(predicate, number), skip, None)

        return self._of(self, run=run)

    def _where(self, predicate: Callable, number: Pass, ends: bool = False) -> Iterator[Any]:
        for index, element in enumerate(self._open(number)):
            with preparing_data(*number, index):
                kept = bool(np.all(call(predicate, element)))
            if kept:
                yield element
            elif ends:
                return

    def take_while(self, predicate: Callable, name: str | None = None) -> "Dataset":
        """Returns the elements before the first for which `predicate` is false."""

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return itertools.islice(self._where(predicate, number, ends=True), skip, None)

        return self._of(self, run=run)

    def unique(self, name: str | None = None) -> "Dataset":
        """Returns each element once: where it comes first."""

        def run(number: Pass, skip: int) -> Iterator[Any]:
            def new() -> Iterator[Any]:
                seen = set()
                for element in self._open(number):
                    key = np.asarray(element).tobytes()
                    if element.dtype == object:
                        key = tuple(np.ravel(element).tolist())  # type: ignore[assignment]
                    if key not in seen:
                        seen.add(key)
                        yield element

            return itertools.islice(new(), skip, None)

        return self._of(self, run=run)

    def scan(self, initial_state: Any, scan_func: Callable, name: str | None = None) -> "Dataset":
        """Returns outputs of `scan_func(state, element) -> state, output`, in order."""

        def run(number: Pass, skip: int) -> Iterator[Any]:
            def outputs() -> Iterator[Any]:
                state = as_element(initial_state)
                for index, element in enumerate(self._open(number)):
                    with preparing_data(*number, index):
                        state, output = map_tuple(as_element, scan_func(state, element))
                    yield output

            return itertools.islice(outputs(), skip, None)

        return self._of(self, run=run, size=self._size)

    def flat_map(self, map_func: Callable, name: str | None = None) -> "Dataset":
        """Returns the elements of the data sets that `map_func` makes, one after the other."""
        return self.interleave(map_func, cycle_length=1)

    def interleave(
        self,
        map_func: Callable,
        cycle_length: int | None = None,
        block_length: int | None = None,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> "Dataset":
        """Returns blocks of elements, in turn, of the data sets that `map_func` makes.

        Args:
            map_func: Makes a data set of an element.
            cycle_length: How many data sets are open at once; one a processor by default.
            block_length: How many elements of one come after each other.
            num_parallel_calls: How many of them are read ahead, each by a thread of its own.
            deterministic: Accepted for the sake of `tf.data`: the order is always the same.
            name: Likewise.
        """
        threads = thread_count(num_parallel_calls)
        cycle = cycle_length if cycle_length not in (None, AUTOTUNE) else thread_count(AUTOTUNE)
        block = 1 if block_length is None else block_length
        for argument, value in (("cycle_length", cycle), ("block_length", block)):
            if value is not None and value < 1:
                raise ValueError(f"`{argument}` must be greater than 0, got {value}.")

        def run(number: Pass, skip: int) -> Iterator[Any]:
            counted = itertools.count()

            def start(element: Any) -> Iterator[Any]:
                index = next(counted)
                with preparing_data(*number, index):
                    made = call(map_func, element)
                _check_dataset(made, "`map_func` must return a `Dataset` object")
                return made._open((*number, index))

            items = interleaved(self._open(number), start, cycle, block, threads)  # type: ignore[arg-type]
            return itertools.islice(items, skip, None)

        return self._of(self, run=run)

    def enumerate(self, start: int = 0, name: str | None = None) -> "Dataset":
        """Returns pairs of a number, from `start` on, and an element."""
        return Dataset.zip(Dataset.counter(start), self)

    # -------------------------------------------------------------- batches
    def batch(
        self,
        batch_size: int,
        drop_remainder: bool = False,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        name: str | None = None,
        *,
        collate: Callable[[Sequence[Any]], Any] | None = None,
    ) -> "Dataset":
        """Returns the elements in batches.

        Args:
            batch_size: How many elements make a batch.
            drop_remainder: Whether to leave out a last, smaller batch.
            num_parallel_calls: How many threads stack.
            deterministic: Accepted for the sake of `tf.data`.
            name: Likewise.
            collate: Makes a batch of a list of elements; stacks their arrays by default.
        """
        size = _positive("batch_size", batch_size)
        threads = thread_count(num_parallel_calls)
        make = elements.stack if collate is None else lambda e: as_element(collate(e))
        total, rows = self._size, self._rows if collate is None else None
        count = total if total < 0 else total // size if drop_remainder else -(-total // size)

        def numbers(index: int) -> range:
            return range(
                index * size, (index + 1) * size if total < 0 else min((index + 1) * size, total)
            )

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            if rows is not None:
                by_number = lambda i: rows(number, np.arange(*_ends(numbers(i))))  # noqa: E731
                return mapped(by_number, indices, threads)
            wanted, asked = itertools.tee(indices)
            single = self._at(number, (i for index in asked for i in numbers(index)))  # type: ignore[misc]
            groups = _grouped(single, (len(numbers(index)) for index in wanted), False)
            return mapped(make, groups, threads)

        def run(number: Pass, skip: int) -> Iterator[Any]:
            groups = _grouped(
                self._open(number, skip * size), itertools.repeat(size), drop_remainder
            )
            return mapped(make, groups, threads)

        made = self._of(self, at=at if self._at is not None else None, run=run, size=count)
        made._batch_size = None if drop_remainder else size
        made._batched = (size, drop_remainder)
        return made

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> "Dataset":
        """Returns the elements in batches, in which arrays are filled up to the same shape.

        Args:
            batch_size: How many elements make a batch.
            padded_shapes: The shape of each array, in which None stands for the largest size in
                its batch; that on all axes by default.
            padding_values: What to fill up with: a value, or one for each array.
            drop_remainder: Whether to leave out a last, smaller batch.
            name: Accepted for the sake of `tf.data`.
        """
        pad = functools.partial(elements.padded_stack, shapes=padded_shapes, values=padding_values)
        return self.batch(batch_size, drop_remainder, collate=pad)

    def unbatch(self, name: str | None = None) -> "Dataset":
        """Returns the rows of batches as single elements."""

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return itertools.islice(
                (_row(batch, i) for batch in self._open(number) for i in range(_length(batch))),
                skip,
                None,
            )

        size, full = self._batched or (0, False)
        known = self._size * size if full and self._size >= 0 else _UNKNOWN
        made = self._of(self, run=run, size=_INFINITE if self._size == _INFINITE else known)
        made._batch_size = None
        return made

    def rebatch(
        self, batch_size: Any, drop_remainder: bool = False, name: str | None = None
    ) -> "Dataset":
        """Returns batches of another size, or of several sizes in turn."""
        sizes = [_positive("batch_size", int(size)) for size in np.ravel(batch_size)]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            def batches() -> Iterator[Any]:
                parts: list[Any] = []
                wanted = itertools.cycle(sizes)
                missing = size = next(wanted)
                for batch in self._open(number):
                    start, length = 0, _length(batch)
                    while start < length:
                        stop = min(start + missing, length)
                        parts.append(_row(batch, slice(start, stop)))
                        missing, start = missing - (stop - start), stop
                        if not missing:
                            yield elements.join(parts)
                            parts, missing = [], next(wanted)
                            size = missing
                if parts and not (drop_remainder and missing < size):
                    yield elements.join(parts)

            return itertools.islice(batches(), skip, None)

        made = self._of(self, run=run, size=_INFINITE if self._size == _INFINITE else _UNKNOWN)
        made._batch_size = None if drop_remainder else max(sizes)
        return made

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable,
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> "Dataset":
        """Returns batches of elements of similar lengths.

        Args:
            element_length_func: Returns the length of an element.
            bucket_boundaries: The lengths that part buckets, ascending.
            bucket_batch_sizes: The batch size of each bucket: one more than there are boundaries.
            padded_shapes: See `padded_batch`.
            padding_values: See `padded_batch`.
            pad_to_bucket_boundary: Whether to fill up to the bucket's boundary, less 1.
            no_padding: Whether elements of a batch have one shape already.
            drop_remainder: Whether to leave out the last, smaller batches.
            name: Accepted for the sake of `tf.data`.

        Raises:
            ValueError: If the numbers of boundaries and of sizes do not fit.
        """
        if len(bucket_batch_sizes) != len(bucket_boundaries) + 1:
            raise ValueError("`bucket_batch_sizes` has one size more than there are boundaries.")

        def make(bucket: int, group: Sequence[Any]) -> Any:
            if no_padding:
                return elements.stack(group)
            shapes = padded_shapes
            if pad_to_bucket_boundary:
                if bucket == len(bucket_boundaries):
                    raise ValueError(
                        "An element is longer than the last of `bucket_boundaries`, so that with "
                        "`pad_to_bucket_boundary` there is nothing to fill it up to."
                    )
                size = bucket_boundaries[bucket] - 1
                shapes = map_leaves(
                    lambda a: [size if i == 0 else None for i in range(np.ndim(a))], group[0]
                )
            return elements.padded_stack(group, shapes, padding_values)

        def run(number: Pass, skip: int) -> Iterator[Any]:
            def batches() -> Iterator[Any]:
                groups: dict[int, list[Any]] = {}
                for element in self._open(number):
                    length = int(call(element_length_func, element))
                    bucket = int(np.searchsorted(bucket_boundaries, length, side="right"))
                    group = groups.setdefault(bucket, [])
                    group.append(element)
                    if len(group) == bucket_batch_sizes[bucket]:
                        yield make(bucket, groups.pop(bucket))
                if not drop_remainder:
                    for bucket in sorted(groups):
                        yield make(bucket, groups[bucket])

            return itertools.islice(batches(), skip, None)

        made = self._of(self, run=run)
        made._batch_size = None
        return made

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> "Dataset":
        """Returns data sets of elements that follow each other.

        Args:
            size: How many elements a window has.
            shift: How many elements one window begins after the other; `size` by default.
            stride: How many elements of this data set make one of a window.
            drop_remainder: Whether to leave out windows that are shorter at the end.
            name: Accepted for the sake of `tf.data`.
        """
        size, stride = _positive("size", size), _positive("stride", stride)
        shift = size if shift is None else _positive("shift", shift)
        span = (size - 1) * stride + 1

        def windows(items: Iterator[Any]) -> Iterator[Any]:
            held: collections.deque = collections.deque()
            while True:
                held.extend(itertools.islice(items, span - len(held)))
                if not held or (drop_remainder and len(held) < span):
                    return
                yield _nested(list(itertools.islice(held, 0, None, stride)))
                gap = shift - len(held)
                for _ in range(min(shift, len(held))):
                    held.popleft()
                if gap > 0:
                    collections.deque(itertools.islice(items, gap), maxlen=0)

        def run(number: Pass, skip: int) -> Iterator[Any]:
            return windows(self._open(number, skip * shift))

        total = self._size
        if total >= 0:
            total = max(0, (total - span) // shift + 1) if drop_remainder else -(-total // shift)
        made = self._of(self, run=run, size=total)
        made._batch_size = None
        return made

    # -------------------------------------------------------------- order and parts
    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool | None = True,
        name: str | None = None,
    ) -> "Dataset":
        """Returns the elements in a random order.

        Each is drawn from the next `buffer_size` ones, so that a buffer of at least the size of the
        data set gives each order the same chance. Where elements can be numbered, the buffer holds
        numbers: it takes no memory, and nothing is made to fill it.

        Args:
            buffer_size: The size of the buffer.
            seed: The seed of the order; one of the global seed's by default.
            reshuffle_each_iteration: Whether each pass has another order.
            name: Accepted for the sake of `tf.data`.
        """
        buffer_size, state = _positive("buffer_size", buffer_size), _Seed(seed)
        again, total = reshuffle_each_iteration is not False, self._size

        def generator(number: Pass) -> np.random.Generator:
            return state.generator(number if again else ())

        @functools.lru_cache(maxsize=1)
        def order(number: Pass, seed: int) -> np.ndarray:
            if total <= buffer_size:
                return generator(number).permutation(total)
            return np.fromiter(_drawn(iter(range(total)), buffer_size, generator(number)), "int64")

        def ordered(number: Pass) -> np.ndarray:
            return order(number if again else (), state.value)

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            chosen = ordered(number)
            return self._at(number, (int(chosen[i]) for i in indices))  # type: ignore[misc]

        def rows(number: Pass, indices: np.ndarray) -> Any:
            return self._rows(number, ordered(number)[indices])  # type: ignore[misc]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            if self._at is not None and total >= 0:
                numbers = _drawn(iter(range(total)), buffer_size, generator(number))
                return self._at(number, itertools.islice(numbers, skip, None))
            drawn = _drawn(self._open(number), buffer_size, generator(number))
            return itertools.islice(drawn, skip, None)

        # An order that takes long to draw is drawn on the way.
        whole = self._at is not None and 0 <= total <= max(buffer_size, _DRAWN_AT_ONCE)
        made = self._of(
            self,
            at=at if whole else None,
            run=run,
            rows=rows if whole and self._rows is not None else None,
            size=total,
        )
        made._seeds = (*made._seeds, state)
        return made

    def repeat(self, count: int | None = None, name: str | None = None) -> "Dataset":
        """Returns the elements `count` times; for None or -1, without an end."""
        endless = count is None or count < 0
        times = math.inf if endless else int(count)  # type: ignore[arg-type]
        total = self._size

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            for turn, group in itertools.groupby(indices, lambda index: index // total):
                yield from self._at((*number, turn), (index % total for index in group))  # type: ignore[misc]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            turn, skip = divmod(skip, total) if total > 0 else (0, skip)
            while turn < times:
                found = 0
                for element in self._open((*number, turn), skip if total > 0 else 0):
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

        if total == 0 or times == 0:
            size = 0
        elif endless or total == _INFINITE:
            size = _INFINITE
        else:
            size = _UNKNOWN if total == _UNKNOWN else total * int(times)
        return self._of(self, at=at if self._at and total > 0 else None, run=run, size=size)

    def take(self, count: int, name: str | None = None) -> "Dataset":
        """Returns the first `count` elements; all of them for -1."""
        count, total = int(count), self._size
        if count < 0:
            size = total
        else:
            size = min(count, total) if total >= 0 else count if total == _INFINITE else _UNKNOWN

        def run(number: Pass, skip: int) -> Iterator[Any]:
            left = None if count < 0 else max(0, count - skip)
            return _first(self._open(number, skip), left)

        return self._of(self, at=self._at, run=run, rows=self._rows, size=size)

    def skip(self, count: int, name: str | None = None) -> "Dataset":
        """Returns all but the first `count` elements; no element for -1."""
        total = self._size
        if count < 0:
            return self.take(0)

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            return self._at(number, (count + i for i in indices))  # type: ignore[misc]

        return self._of(
            self,
            at=at if self._at is not None else None,
            run=lambda number, skip: self._open(number, count + skip),
            rows=self._rows and (lambda number, indices: self._rows(number, count + indices)),  # type: ignore[misc]
            size=max(0, total - count) if total >= 0 else total,
        )

    def shard(self, num_shards: int, index: int, name: str | None = None) -> "Dataset":
        """Returns every `num_shards`-th element, from number `index` on.

        Raises:
            ValueError: If `index` is not below `num_shards`.
        """
        if not 0 <= index < num_shards:
            raise ValueError(
                f"`index` must be at least 0 and less than num_shards={num_shards}, got {index}."
            )
        total = self._size

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            return self._at(number, (index + i * num_shards for i in indices))  # type: ignore[misc]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            items = self._open(number, index + skip * num_shards)
            return itertools.islice(items, 0, None, num_shards)

        return self._of(
            self,
            at=at if self._at is not None else None,
            run=run,
            size=max(0, -(-(total - index) // num_shards)) if total >= 0 else total,
        )

    def concatenate(self, dataset: "Dataset", name: str | None = None) -> "Dataset":
        """Returns the elements of this data set, and then those of another one."""
        _check_dataset(dataset, "`concatenate` takes a data set")
        first, second = self._size, dataset._size

        def at(number: Pass, indices: Iterable[int]) -> Iterator[Any]:
            for later, group in itertools.groupby(indices, lambda index: index >= first):
                if later:
                    yield from dataset._at(number, (index - first for index in group))  # type: ignore[misc]
                else:
                    yield from self._at(number, group)  # type: ignore[misc]

        def run(number: Pass, skip: int) -> Iterator[Any]:
            found = min(first, skip) if first >= 0 else 0
            for element in self._open(number, found):
                found += 1
                if found > skip or first >= 0:
                    yield element
            yield from dataset._open(number, max(0, skip - found))

        sizes = {first, second}
        size = (
            _INFINITE if _INFINITE in sizes else _UNKNOWN if _UNKNOWN in sizes else first + second
        )
        numbered = self._at is not None and dataset._at is not None and first >= 0
        return self._of(self, dataset, at=at if numbered else None, run=run, size=size)

    # -------------------------------------------------------------- speed
    def cache(self, filename: str = "", name: str | None = None) -> "Dataset":
        """Keeps the elements in memory, once they were made, for later passes.

        Raises:
            ValueError: If a file is asked for.
        """
        if filename:
            raise ValueError(
                "`cache(filename)` is not supported: call `cache()`, which keeps elements in "
                "memory, or save arrays and read them as memory maps (`np.load(mmap_mode='r')`)."
            )
        kept: dict[int, Any] = {}
        whole: list[list[Any]] = []
        first: Pass = (0,)  # an order that differs from pass to pass is kept, too

        def at(_: Pass, indices: Iterable[int]) -> Iterator[Any]:
            if len(kept) == self._size:
                return (kept[i] for i in indices)
            return _recalled(kept, lambda missing: self._at(first, missing), indices)  # type: ignore[misc]

        def run(_: Pass, skip: int) -> Iterator[Any]:
            if whole:
                yield from itertools.islice(whole[0], skip, None)
                return
            found = []
            for element in self._open(first):
                found.append(element)
                if len(found) > skip:
                    yield element
            whole[:] = [found]

        numbered = self._at is not None and self._size >= 0
        made = self._of(self, at=at if numbered else None, run=run, size=self._size)
        made._caches = (*made._caches, kept, whole)
        return made

    def prefetch(self, buffer_size: int | None = None, name: str | None = None) -> "Dataset":
        """Makes up to `buffer_size` elements ahead, in a thread of its own; 2 for AUTOTUNE (-1)."""
        count = 2 if buffer_size in (None, AUTOTUNE) else int(buffer_size)  # type: ignore[arg-type]
        if count < 0:
            raise ValueError(f"`buffer_size` is at least 0, or AUTOTUNE (-1), got {buffer_size}.")
        if not count:
            return self
        return self._of(
            self,
            at=self._at and (lambda number, indices: ahead(self._at(number, indices), count)),  # type: ignore[misc]
            run=lambda number, skip: ahead(self._open(number, skip), count),
            size=self._size,
        )

    # -------------------------------------------------------------- results
    def apply(self, transformation_func: Callable[["Dataset"], Any]) -> Any:
        """Returns `transformation_func(dataset)`."""
        return transformation_func(self)

    def reduce(self, initial_state: Any, reduce_func: Callable, name: str | None = None) -> Any:
        """Returns the last state of `reduce_func(state, element) -> state`."""
        state = as_element(initial_state)
        for element in self:
            state = as_element(reduce_func(state, element))
        return state

    def get_single_element(self, name: str | None = None) -> Any:
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
        element = next(self._open((0,)), None)
        if element is None:
            raise ValueError("The data set has no element that would show its shapes.")
        size = self._batch_size

        def spec(value: Any) -> Any:
            found = elements.spec(value)
            varies = size is not None and getattr(found, "shape", ())[:1] not in ((), None)
            return found._replace(shape=(None, *found.shape[1:])) if varies else found

        return map_leaves(spec, element)

    def cardinality(self, name: str | None = None) -> Any:
        """Returns how many elements there are; -1 for no end, -2 if that is not known."""
        return as_array(np.int64(self._size))

    def __len__(self) -> int:
        if self._size < 0:
            word = "infinite" if self._size == _INFINITE else "unknown"
            raise TypeError(f"The dataset length is {word}.")
        return self._size

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        size = {_INFINITE: "endless", _UNKNOWN: "an unknown number of"}.get(self._size, self._size)
        return f"<Dataset: {size} elements>"

    def __getitem__(self, index: int) -> Any:
        """Returns element number `index`, where elements can be numbered."""
        if self._at is None:
            raise TypeError(
                "The elements of this data set have no numbers, since each follows from those "
                "before it. Go through it (`for element in dataset.take(n)`)."
            )
        size = self._size
        if size >= 0 and not -size <= index < size:
            raise IndexError(f"There is no element {index}: the data set has {size}.")
        return next(self._at((max(0, self._passes[0] - 1),), [index % size if size > 0 else index]))

    def __iter__(self) -> "DatasetIterator":
        return DatasetIterator(self)

    def get_state(self) -> dict[str, Any]:
        """Returns which pass comes next, and the seeds: numbers that may be written as JSON."""
        return {"pass": self._passes[0], "seeds": [seed.value for seed in self._seeds]}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Makes the next pass the one that `get_state` said.

        Raises:
            ValueError: If the state is that of a data set made in another way.
        """
        given = list(state.get("seeds", ()))
        if len(given) != len(self._seeds):
            raise ValueError(
                f"The state is that of another data set: it has {len(given)} random orders, this "
                f"one has {len(self._seeds)}."
            )
        if [seed.value for seed in self._seeds] != given:
            for seed, value in zip(self._seeds, given, strict=True):
                seed.value = int(value)
            for cache in self._caches:  # of another order
                cache.clear()
        self._passes[0] = int(state["pass"])

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
            self._items = self._dataset._open((self._number,), self._taken)
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


# ------------------------------------------------------------------ parts
def map_tuple(function: Callable, values: Sequence[Any]) -> tuple[Any, ...]:
    """Applies a function to each of several values."""
    return tuple(map(function, values))


def _as_rows(value: Any) -> Any:
    """Returns an array whose rows are elements; what is in a file stays there."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "US":
        array = value
    elif hasattr(value, "to_numpy"):  # pandas
        array = np.asarray(as_array(value.to_numpy()))
    else:
        array = np.asarray(as_array(value))
    if not array.ndim:
        raise ValueError(
            "`from_tensor_slices` takes arrays with an axis of rows, got a single value. "
            "`from_tensors` makes one element of it."
        )
    return array


def _cast(value: Any, dtype: Any) -> Any:
    name = _dtype_name(dtype)
    return value if name is None or name == "string" else as_array(value.astype(name))


def _dtype_name(dtype: Any) -> Any:
    """Returns the name of a dtype of NumPy's or TensorFlow's."""
    if dtype is None or isinstance(dtype, (str, type, np.dtype)):
        return dtype
    return getattr(dtype, "name", dtype)


def _positive(name: str, value: Any) -> int:
    number = int(value)
    if number < 1:
        raise ValueError(f"`{name}` must be at least 1, got {name}={value}.")
    return number


def _check_dataset(value: Any, message: str) -> None:
    if not isinstance(value, Dataset):
        raise TypeError(f"{message}, got {type(value).__name__}.")


def _ends(numbers: range) -> tuple[int, int]:
    return numbers.start, numbers.stop


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


def _first(items: Iterator[Any], count: int | None) -> Iterator[Any]:
    try:
        yield from itertools.islice(items, count)
    finally:
        close(items)


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


def _recalled(
    kept: dict[int, Any], make: Callable[[Iterator[int]], Iterator[Any]], indices: Iterable[int]
) -> Iterator[Any]:
    """Yields elements by number, making those that are not kept yet."""
    plan: collections.deque[tuple[int, bool]] = collections.deque()

    def missing() -> Iterator[int]:
        asked = set()
        for index in indices:
            new = index not in kept and index not in asked
            plan.append((index, new))
            if new:
                asked.add(index)
                yield index

    for element in make(missing()):
        while not plan[0][1]:
            yield kept[plan.popleft()[0]]
        index, _ = plan.popleft()
        kept[index] = element
        yield element
    for index, _ in plan:
        yield kept[index]


def _nested(window: list[Any]) -> Any:
    """Returns the elements of a window as a data set; those of tuples as a tuple of data sets."""
    first = window[0]
    if isinstance(first, tuple):
        return tuple(_nested([element[i] for element in window]) for i in range(len(first)))
    if isinstance(first, Mapping):
        return {key: _nested([element[key] for element in window]) for key in first}
    return Dataset(window.__getitem__, len(window))


def _chosen(
    datasets: Sequence[Dataset], choose: Callable[[Pass, list[bool]], Iterator[int]], stops: bool
) -> Dataset:
    """Returns elements of several data sets, in the order of the numbers that `choose` gives.

    It is told which of them have not ended.
    """

    def run(number: Pass, skip: int) -> Iterator[Any]:
        def found() -> Iterator[Any]:
            iterators, end = [dataset._open(number) for dataset in datasets], object()
            live = [True] * len(datasets)
            for index in choose(number, live):
                element = next(iterators[index], end)
                if element is not end:
                    yield element
                elif stops:
                    return
                else:
                    live[index] = False

        return itertools.islice(found(), skip, None)

    return Dataset._of(*datasets, run=run)
