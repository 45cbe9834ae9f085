"""Transformations: what is made of a data set, with the names and meanings of `tf.data`."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from jkeras.base.types import Shape, Structure
from jkeras.utils import elements
from jkeras.utils.elements import as_element, call, map_leaves
from jkeras.utils.pipelines import batches, orders, sources, steps, storage
from jkeras.utils.pipelines.pipeline import Pipeline, check_uncompressed, stage_of, stored_name
from jkeras.utils.pipelines.stage import INFINITE, Stage, positive
from jkeras.utils.workers import AUTOTUNE, thread_count


class Transformations(Pipeline):
    """Methods that return another data set."""

    # -------------------------------------------------------------- element by element
    def map(
        self,
        map_func: Callable,
        num_parallel_calls: int | None = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Self:
        """Returns the elements as `map_func(x)`, or `map_func(x, y)`, makes them.

        Args:
            map_func: A function of NumPy arrays; a layer, too. It should depend on its arguments
                only; what is random differs from pass to pass.
            num_parallel_calls: How many threads call it; `AUTOTUNE` (-1) for one a processor.
            deterministic: Whether the order stays; False: as results are ready.
            synchronous: Accepted for the sake of `tf.data`, as are the others.
        """
        threads = thread_count(num_parallel_calls)
        return self._then(steps.Map(self._stage, map_func, threads, deterministic is not False))

    def filter(self, predicate: Callable, name: str | None = None) -> Self:
        """Returns the elements for which `predicate(x)`, or `predicate(x, y)`, is true."""
        return self._then(steps.Where(self._stage, predicate))

    def take_while(self, predicate: Callable, name: str | None = None) -> Self:
        """Returns the elements before the first for which `predicate` is false."""
        return self._then(steps.Where(self._stage, predicate, ends=True))

    def unique(self, name: str | None = None) -> Self:
        """Returns each element once: where it comes first."""
        return self._then(steps.Unique(self._stage))

    def scan(self, initial_state: Structure, scan_func: Callable, name: str | None = None) -> Self:
        """Returns outputs of `scan_func(state, element) -> state, output`, in order."""
        return self._then(steps.Scan(self._stage, initial_state, scan_func))

    def flat_map(self, map_func: Callable, name: str | None = None) -> Self:
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
    ) -> Self:
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

        def make(element: Any) -> Stage:
            return stage_of(call(map_func, element), "`map_func` must return a `Dataset` object")

        return self._then(steps.Interleave(self._stage, make, cycle, block, threads))  # type: ignore[arg-type]

    def enumerate(self, start: int = 0, name: str | None = None) -> Self:
        """Returns pairs of a number, from `start` on, and an element."""
        numbers = sources.Numbered(lambda i: np.int64(start + i), INFINITE)
        return self._then(sources.Zip((numbers, self._stage)), alone=False)

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
    ) -> Self:
        """Returns the elements in batches.

        Args:
            batch_size: How many elements make a batch.
            drop_remainder: Whether to leave out a last, smaller batch.
            num_parallel_calls: How many threads stack.
            deterministic: Accepted for the sake of `tf.data`.
            name: Likewise.
            collate: Makes a batch of a list of elements; stacks their arrays by default.
        """
        size, threads = positive("batch_size", batch_size), thread_count(num_parallel_calls)
        make = None if collate is None else lambda group: as_element(collate(group))
        return self._then(batches.Batch(self._stage, size, drop_remainder, threads, make))

    def padded_batch(
        self,
        batch_size: int,
        padded_shapes: Shape = None,
        padding_values: Structure = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Self:
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

    def unbatch(self, name: str | None = None) -> Self:
        """Returns the rows of batches as single elements."""
        return self._then(batches.Unbatch(self._stage))

    def rebatch(
        self, batch_size: Any, drop_remainder: bool = False, name: str | None = None
    ) -> Self:
        """Returns batches of another size, or of several sizes in turn."""
        sizes = [positive("batch_size", int(size)) for size in np.ravel(batch_size)]
        return self._then(batches.Rebatch(self._stage, sizes, drop_remainder))

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable,
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Shape = None,
        padding_values: Structure = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Self:
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

        sizes = (bucket_boundaries, bucket_batch_sizes)
        stage = batches.Bucket(self._stage, element_length_func, *sizes, make, drop_remainder)
        return self._then(stage)

    def window(
        self,
        size: int,
        shift: int | None = None,
        stride: int = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Self:
        """Returns data sets of elements that follow each other.

        Args:
            size: How many elements a window has.
            shift: How many elements one window begins after the other; `size` by default.
            stride: How many elements of this data set make one of a window.
            drop_remainder: Whether to leave out windows that are shorter at the end.
            name: Accepted for the sake of `tf.data`.
        """
        size, stride = positive("size", size), positive("stride", stride)
        shift = size if shift is None else positive("shift", shift)

        def wrap(window: list[Any]) -> Any:
            return self._of(sources.Numbered(window.__getitem__, len(window)))

        return self._then(batches.Window(self._stage, size, shift, stride, drop_remainder, wrap))

    # -------------------------------------------------------------- order and parts
    def shuffle(
        self,
        buffer_size: int,
        seed: int | None = None,
        reshuffle_each_iteration: bool | None = True,
        name: str | None = None,
    ) -> Self:
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
        buffer, again = positive("buffer_size", buffer_size), reshuffle_each_iteration is not False
        return self._then(orders.Shuffle(self._stage, buffer, seed, again))

    def repeat(self, count: int | None = None, name: str | None = None) -> Self:
        """Returns the elements `count` times; for None or -1, without an end."""
        return self._then(orders.Repeat(self._stage, count))

    def take(self, count: int, name: str | None = None) -> Self:
        """Returns the first `count` elements; all of them for -1."""
        return self._then(orders.Take(self._stage, int(count)))

    def skip(self, count: int, name: str | None = None) -> Self:
        """Returns all but the first `count` elements; no element for -1."""
        if count < 0:
            return self.take(0)
        return self._then(orders.Skip(self._stage, int(count)))

    def shard(self, num_shards: int, index: int, name: str | None = None) -> Self:
        """Returns every `num_shards`-th element, from number `index` on.

        Raises:
            ValueError: If `index` is not below `num_shards`.
        """
        if not 0 <= index < num_shards:
            raise ValueError(
                f"`index` must be at least 0 and less than num_shards={num_shards}, got {index}."
            )
        return self._then(orders.Shard(self._stage, num_shards, index))

    def concatenate(self, dataset: Self, name: str | None = None) -> Self:
        """Returns the elements of this data set, and then those of another one."""
        other = stage_of(dataset, "`concatenate` takes a data set")
        return self._then(orders.Concatenate(self._stage, other), alone=False)

    # -------------------------------------------------------------- speed
    def cache(self, filename: Any = "", name: str | None = None) -> Self:
        """Keeps the elements, once they were made, for later passes.

        Args:
            filename: What the names of files begin with, in which the elements are kept for this
                and later runs of the program; they are there when a pass has come to its end. By
                default, elements are kept in memory.
            name: Accepted for the sake of `tf.data`.
        """
        path = os.path.expanduser(os.fspath(filename))
        if path:
            return self._then(storage.FileCache(self._stage, path))
        return self._then(storage.Cache(self._stage))

    def prefetch(self, buffer_size: int | None = None, name: str | None = None) -> Self:
        """Makes up to `buffer_size` elements ahead, in a thread of its own; 2 for AUTOTUNE (-1)."""
        count = 2 if buffer_size in (None, AUTOTUNE) else int(buffer_size)  # type: ignore[arg-type]
        if count < 0:
            raise ValueError(f"`buffer_size` is at least 0, or AUTOTUNE (-1), got {buffer_size}.")
        return self._then(orders.Prefetch(self._stage, count)) if count else self

    def save(
        self,
        path: str | os.PathLike[str],
        compression: str | None = None,
        shard_func: Callable | None = None,
        checkpoint_args: Any = None,
    ) -> None:
        """Writes the elements of a pass into a folder, from which `Dataset.load` reads them.

        Args:
            path: The folder; made if it is not there.
            compression: None.
            shard_func: Accepted for the sake of `tf.data`: there is one file.
            checkpoint_args: Likewise.

        Raises:
            ValueError: If elements differ in structure, or a compression is asked for.

        Example:
            >>> import tempfile, jkeras as keras
            >>> folder = tempfile.mkdtemp()
            >>> keras.utils.Dataset.range(5).map(lambda i: (i, str(i))).save(folder)
            >>> keras.utils.Dataset.load(folder)[3]
            (array(3), array('3', dtype=object))
        """
        check_uncompressed(compression)
        for _ in storage.writing(stored_name(path), iter(self)):  # type: ignore[call-overload]
            pass
