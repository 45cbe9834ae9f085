"""Where batches come from: arrays on the device, arrays on the host, or a stream.

A feed gives chunks: what stays on the device, and slots, of which `select` makes batches.
"""

import mmap
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.platforms import platform
from jkeras.base.types import ArrayLike, Structure
from jkeras.core import placement, policy, processes
from jkeras.core.processes import Said
from jkeras.training import engine

Length = Callable[[], int | None]

# How many slots a stacked chunk has room for: few sizes, so that few programs are compiled.
_CAPACITIES = (1, 8, 64)
_CHUNK_BYTES = 32 * 2**20
# For how many seconds an idle device waits for a chunk to be filled: long enough that sending it,
# a third of a millisecond, does not count.
_PATIENCE = 0.02
# How much of a data set that is gone through once is sent at a time.
_SLICE_BYTES = 256 * 2**20


_OTHER_DATA = "The saved position is one in other data: here are {}, there were {}."


class Chunk(NamedTuple):
    """Some steps of one shape: slots from `start` on.

    Attributes:
        resident: What stays on the device.
        slots: A structure of arrays whose first axis counts the slots.
        start: The first slot to run.
        steps: How many slots to run; the rest counts.
        whole: Whether that is all of them.
        rest: One more slot, of another size, to run after all others.
    """

    resident: Any
    slots: Any
    start: int
    steps: int
    whole: bool = False
    rest: Any = None

    def run(self, run_chunk: Callable[..., Any], state: Any, resident: Structure) -> Any:
        """Runs the steps, by a function that `make_chunk` made."""
        if self.whole:
            return run_chunk(state, resident, self.slots, rest=self.rest)
        count = self.steps if self.rest is None else self.steps - 1
        return run_chunk(state, resident, self.slots, self.start, count, rest=self.rest)


class Feed(Protocol):
    """What the loop asks of a source of batches."""

    @property
    def select(self) -> Callable[[Any, Any], Any]:
        """Makes a batch, on the device, of what stays there and of one slot."""

    @property
    def streams(self) -> bool:
        """Whether chunks hold the data itself, so that few of them may wait at a time."""

    @property
    def steps_per_pass(self) -> int | None:
        """How many steps one pass over the data takes; None if that is not known."""

    @property
    def has_ended(self) -> bool:
        """Whether the data have ended for good: no later pass will give any."""

    def rewind(self) -> None:
        """Makes the next chunks start at the first row, if the source can be started again."""

    def chunks(
        self,
        length: Length,
        steps: int | None = None,
        idle: Callable[[], bool] = lambda: False,
        fresh: bool = True,
    ) -> Iterator[Chunk]:
        """Yields chunks of one pass, each of at most `length()` steps.

        With `steps` they are at most that many, and the next call goes on where this one stopped;
        at the end of the data it stops early, and the next call starts a new pass. `idle()` says
        whether the device has nothing to do: then what there is should be sent. A call that is
        not `fresh` is the rest of one that began in another process: nothing, if that came to the
        end of a pass.
        """

    @property
    def position(self) -> dict[str, Any]:
        """Where the feed stands, as far as it can go on from there; it may be set."""

    @position.setter
    def position(self, position: Mapping[str, Any]) -> None: ...


class ArrayFeed:
    """A data set that stays on the device; a slot is an array of row numbers.

    Args:
        data: A structure of arrays with the same first axis.
        batch_size: Rows a step; the last step of a pass has what is left.
        seed: The order of pass p is a permutation that follows from (seed, p); None: in order.

    Note:
        The permutation is drawn on the host. That was measured: on two CPU cores `jax.random`'s
        takes 4.8 ms for 11,610 rows, where a whole epoch of a small net takes 3.5 ms; NumPy's takes
        0.3 ms, and it is drawn while the previous epoch runs.
    """

    select: Callable[[Any, Any], Any] = staticmethod(engine.take_rows)
    streams = False
    has_ended = False

    def __init__(self, data: Any, batch_size: int, seed: int | None = None):
        self.size = int(jax.tree.leaves(data)[0].shape[0])
        self.batch_size = batch_size
        self.seed = seed
        self._data = data
        self._resident: Any = None
        self._pass = 0
        self._offset = 0  # steps of the current pass that are done
        self._rows: list[Any] = []  # the slots of the pass `_drawn`: full batches, and the rest
        self._drawn: int | None = None
        self._sent: dict[int, Any] = {}  # those of them that are on the device

    @property
    def steps_per_pass(self) -> int:
        """How many steps one pass over the data takes."""
        return -(-self.size // self.batch_size)

    @property
    def unsent(self) -> Any:
        """The data that will be sent to the device and stay there, and are not there yet."""
        return None if self.streams or self._resident is not None else self._data

    def rewind(self) -> None:
        """Makes the next chunks those of the first pass."""
        self._pass = self._offset = 0

    @property
    def position(self) -> dict[str, int]:
        """The seed of the order, the number of the pass, and how many of its steps are done."""
        seed = {} if self.seed is None else {"seed": self.seed}
        sizes = {"rows": self.size, "batch_size": self.batch_size}
        return {**seed, "pass": self._pass, "offset": self._offset, **sizes}

    @position.setter
    def position(self, position: Mapping[str, int]) -> None:
        if "pass" not in position:
            raise ValueError(_OTHER_DATA.format("arrays", "batches"))
        here, there = (
            f"{sizes['rows']} rows in batches of {sizes['batch_size']}"
            for sizes in (self.position, {**self.position, **position})
        )
        if here != there:
            raise ValueError(_OTHER_DATA.format(here, there))
        if self.seed is not None and position.get("seed", self.seed) != self.seed:
            self.seed, self._drawn = position["seed"], None
        self._pass, self._offset = position["pass"], position["offset"]

    def _draw_rows(self) -> list[Any]:
        if self._drawn is None or (self.seed is not None and self._drawn != self._pass):
            self._drawn = self._pass
            if self.seed is None:
                order = np.arange(self.size, dtype=np.int32)
            else:
                generator = np.random.default_rng([self.seed, self._pass])
                order = generator.permutation(self.size).astype(np.int32)
            full = self.size // self.batch_size
            cut = full * self.batch_size
            self._rows = [order[:cut].reshape(full, self.batch_size), order[cut:][None]]
            self._sent = {}
        return self._rows

    def draw_ahead(self) -> None:
        """Draws the row numbers of the next pass, while the device is busy."""
        self._draw_rows()

    def next_pass(self) -> list[np.ndarray]:
        """Returns the row numbers of a whole pass, and counts it: full batches, and the rest."""
        rows = self._draw_rows()
        self._pass += 1
        return [rows[0], rows[1]]

    def _chunk(self, part: int, start: int, wanted: int, whole: bool = True) -> Chunk:
        """Returns a chunk of at most `wanted` slots of a part of the pass; `whole`: of all."""
        where = placement.current()
        if self._resident is None:
            # All devices have all of the data: then each gathers its rows without asking others.
            send = jnp.asarray if where is None else lambda a: where.put(a, where.replicated)
            self._resident = jax.tree.map(send, self._data)
        rows = self._draw_rows()[part]
        if whole:  # the call sends them, in less time
            return Chunk(self._resident, rows, start, wanted, whole=True)
        if part not in self._sent:  # one transfer a pass, and not one a chunk
            self._sent[part] = (
                jnp.asarray(rows) if where is None else where.put(rows, where.replicated)
            )
        return Chunk(self._resident, self._sent[part], start, wanted)

    def chunks(
        self,
        length: Length,
        steps: int | None = None,
        idle: Callable[[], bool] = lambda: False,
        fresh: bool = True,
    ) -> Iterator[Chunk]:
        """Yields chunks of one pass; see `Feed`."""
        del idle  # rows are gathered in less time than they are used
        if not fresh and not self._offset:
            return
        if fresh and steps is None:
            self._offset = 0
        left = self.steps_per_pass - self._offset
        left = left if steps is None else min(left, steps)
        full, rest = divmod(self.size, self.batch_size)
        while left > 0:
            slots, ahead = self._draw_rows(), length()
            if self._offset < full:
                wanted = min(full - self._offset, left, ahead or full)
                # Chunks of a chosen length share a program with a whole pass of that length: while
                # a progress bar finds its pace, no other one is compiled.
                whole = ahead is None and wanted == full
                chunk = self._chunk(0, self._offset, wanted, whole)
                ends = self._offset + wanted == full and left > wanted
                if rest and ends and not self.streams and (ahead is None or ahead > wanted):
                    chunk = chunk._replace(steps=wanted + 1, rest=slots[1][0])
            else:
                chunk = self._chunk(1, 0, 1)
            self._offset += chunk.steps
            left -= chunk.steps
            if self._offset >= self.steps_per_pass:
                self._pass, self._offset = self._pass + 1, 0
            yield chunk
            self._draw_rows()  # of the next pass, while the device runs the chunk


class HostFeed(ArrayFeed):
    """A data set that stays on the host, or in a file; a slot is a batch of it.

    The order of the rows is that of an `ArrayFeed`. The next chunk is gathered while the device
    runs the current one. Arrays may also be memory maps, whose pages are given back after use, and
    what is read by slices: HDF5 data sets.

    Args:
        data: A structure of arrays with the same first axis.
        batch_size: Rows a step; the last step of a pass has what is left.
        seed: The order of pass p is a permutation that follows from (seed, p); None: in order.
    """

    select: Callable[[Any, Any], Any] = staticmethod(engine.take_slot)
    streams = True

    def _chunk(self, part: int, start: int, wanted: int, whole: bool = True) -> Chunk:
        del whole  # a stream's chunks have few sizes
        rows = self._draw_rows()[part]
        bytes_a_row = sum(row_bytes(a) for a in jax.tree.leaves(self._data))
        capacity, count = _room(bytes_a_row * rows.shape[1], wanted)
        index = rows[start : start + count]
        where = placement.current()

        def gather_split(array: Any) -> jax.Array:
            shape, padding = (capacity, rows.shape[1], *array.shape[1:]), capacity - count

            def part(slices: Any) -> np.ndarray:
                own = index[:, slices[1]]
                out = np.zeros((capacity, own.shape[1], *array.shape[1:]), array.dtype)
                flat = out[: capacity - padding].reshape(-1, *array.shape[1:])
                take(array, own.reshape(-1), flat)
                policy.check_integers(out, "The data")
                return out

            return where.send_rows(shape, 1, part)

        def gather(array: ArrayLike) -> np.ndarray:
            out = np.empty((capacity, rows.shape[1], *array.shape[1:]), array.dtype)
            flat = out.reshape(-1, *array.shape[1:])
            take(array, index.reshape(-1), flat[: index.size])
            flat[index.size :] = 0
            policy.check_integers(out, "The data")
            return out

        slots = jax.tree.map(gather if where is None else gather_split, self._data)
        return Chunk(None, slots, 0, count, _is_whole(count, capacity))


class SliceFeed:
    """A data set that is gone through once, in order; a slot is a view of it, never a copy.

    Full batches are stacked, and many of them make a chunk; the rest is a chunk of its own.

    Args:
        data: A structure of arrays with the same first axis.
        batch_size: Rows a step; the last step has what is left.
    """

    select: Callable[[Any, Any], Any] = staticmethod(engine.take_slot)
    streams = False
    has_ended = False
    position: Any = MappingProxyType({})

    def __init__(self, data: Any, batch_size: int):
        self._data, self._batch_size = data, batch_size
        self._size = int(jax.tree.leaves(data)[0].shape[0])

    @property
    def steps_per_pass(self) -> int:
        """How many steps one pass over the data takes."""
        return -(-self._size // self._batch_size)

    def rewind(self) -> None:
        """Does nothing: each call of `chunks` starts at the first row."""

    def chunks(
        self,
        length: Length,
        steps: int | None = None,
        idle: Callable[[], bool] = lambda: False,
        fresh: bool = True,
    ) -> Iterator[Chunk]:
        """Yields chunks of the first `steps` steps, or of all."""
        del idle, fresh
        size, rows = self._batch_size, self._size
        rows = rows if steps is None else min(rows, steps * size)
        # Large data goes in parts, so that the device need not hold all of it.
        bytes_a_step = size * sum(map(row_bytes, jax.tree.leaves(self._data)))
        most = max(1, _SLICE_BYTES // max(1, bytes_a_step))
        start = 0
        while start < rows:
            count = min(most, (rows - start) // size, length() or most)
            stop = min(start + max(count, 1) * size, rows)
            part = jax.tree.map(lambda a: _rows(a, start, stop), self._data)  # noqa: B023
            if count > 1:
                slots = jax.tree.map(lambda a: a.reshape(count, size, *a.shape[1:]), part)  # noqa: B023
                yield Chunk(None, _sent(slots, 1), 0, count, whole=True)
            else:
                yield Chunk(None, None, 0, 1, whole=True, rest=_sent(part, 0))
            start = stop


def _sent(batches: Structure, axis: int) -> Any:
    """Returns arrays as a program takes them: under a distribution, split over the devices."""
    where = placement.current()
    return batches if where is None else where.send(batches, axis)


def _sent_from_stream(batches: Structure) -> Any:
    """Does so for stacked batches of a stream, of which each process may have a part only."""
    where = placement.current()
    if where is None or not where.spans_processes or where.auto_shard_dataset:
        return _sent(batches, 1)
    return where.join(batches, 1)


def _compare(batch: Structure) -> None:
    """Makes sure that all processes have the same batch, of which each takes its rows."""
    checksum = 0
    for array in jax.tree.leaves(batch):
        checksum = zlib.crc32(np.asarray(array).tobytes(), checksum)
    processes.meet(Said(f"a batch of the stream with the checksum {checksum}"))


def _rows(array: ArrayLike, start: int, stop: int) -> Any:
    """Returns a view of some rows; of what is in a file, the rows themselves, looked at."""
    rows = array[start:stop]
    if isinstance(array, np.memmap) or not isinstance(array, (np.ndarray, jax.Array)):
        policy.check_integers(rows, "The data")
    return rows


class Source(Protocol):
    """What gives batches, and can go on from a position in another process.

    Attributes:
        example: A batch, of arrays or specs.
    """

    example: Any

    def get_state(self) -> Any:
        """Returns what the source itself knows of its position."""

    def go_to(
        self, passes: Sequence[tuple[int, bool, int]], taken: int, state: Any
    ) -> Iterator[Any] | None:
        """Goes on from a position.

        Args:
            passes: The passes before: of each kind how many batches were taken, whether that was
                all of them, and how many such passes there were.
            taken: How many batches of the pass under way were taken.
            state: What `get_state` has returned there.

        Returns:
            The rest of that pass; None if there is none under way.
        """


class StreamFeed:
    """Batches that the host makes one by one, stacked into chunks.

    A chunk is dispatched and runs on the device while the host makes the next one.

    Args:
        open_pass: Starts a pass: returns an iterator of batches (structures of NumPy arrays).
        steps_per_pass: How many batches a pass has; None if that is not known.
        endless: Whether `open_pass` always returns the same iterator, which cannot be started again
            (a generator): then epochs go on where the last one stopped.
        source: What gives the batches, if it can go on from a position: see `Source`.
    """

    select: Callable[[Any, Any], Any] = staticmethod(engine.take_slot)
    streams = True

    def __init__(
        self,
        open_pass: Callable[[], Iterator[Any]],
        steps_per_pass: int | None,
        endless: bool = False,
        source: Any = None,
    ):
        self._open_pass, self._endless = open_pass, endless
        self._source: Source | None = source
        self._steps_per_pass = steps_per_pass
        self.has_ended = False
        self._iterator: Iterator[Any] | None = None
        self._held: Any = None  # a batch that did not fit into the last chunk
        self._taken = 0  # batches of the pass under way
        self._passes: list[tuple[int, bool, int]] = []  # those before; see `Source.go_to`

    @property
    def steps_per_pass(self) -> int | None:
        """How many steps one pass over the data takes; None if that is not known."""
        return self._steps_per_pass

    @property
    def position(self) -> dict[str, Any]:
        """How many batches were taken, where the source stands, and a batch that waits."""
        if self._source is None:
            return {}
        return {
            "passes": list(self._passes),
            "taken": self._taken,
            "source": self._source.get_state(),
            "held": jax.tree.leaves(self._held),
            "ended": self.has_ended,
        }

    @position.setter
    def position(self, position: Mapping[str, Any]) -> None:
        if self._source is None or not position:
            return
        if "passes" not in position:
            raise ValueError(_OTHER_DATA.format("batches", "arrays"))
        self._passes, self._taken = list(position["passes"]), position["taken"]
        self._iterator = self._source.go_to(self._passes, self._taken, position["source"])
        self.has_ended = position["ended"]
        held = position["held"]
        structure = jax.tree.structure(self._source.example)
        self._held = jax.tree.unflatten(structure, held) if held else None

    def rewind(self) -> None:
        """Starts the source again; a generator goes on."""
        if not self._endless:
            self._end_pass(False)
            self._held = None

    def _end_pass(self, whole: bool) -> None:
        """Notes that no more batches are taken of this pass: it has no more, if that is `whole`."""
        if self._iterator is not None:
            same = self._passes and self._passes[-1][:2] == (self._taken, whole)
            times = self._passes.pop()[2] + 1 if same else 1
            self._passes.append((self._taken, whole, times))
        self._iterator, self._taken = None, 0

    def _next_batch(self) -> Any:
        """Returns the next batch, or None at the end; the source is opened if it is not open."""
        if self._held is not None:
            batch, self._held = self._held, None
            return batch
        if self._iterator is None:
            self._iterator = self._open_pass()
        batch = next(self._iterator, None)
        if batch is None:
            self._end_pass(True)
            self.has_ended = self._endless
        else:
            self._taken += 1
        return batch

    def chunks(
        self,
        length: Length,
        steps: int | None = None,
        idle: Callable[[], bool] = lambda: False,
        fresh: bool = True,
    ) -> Iterator[Chunk]:
        """Yields chunks of one pass; see `Feed`.

        A chunk is sent before it is full if the device waits for a source that is slow.
        """
        if not fresh:
            if self._iterator is None and self._held is None:
                return
        elif steps is None:
            self.rewind()
        elif self._iterator is not None and self._held is None:
            self._held = self._next_batch()  # None where the last call took all of a pass
        left, ended = steps, self.has_ended
        patient = not placement.spans_processes()  # whose clocks differ
        compared = patient or not placement.current().auto_shard_dataset
        while not ended and (left is None or left > 0):
            started = time.perf_counter()
            first = self._next_batch()
            if first is None:
                return
            if not compared:
                _compare(first)
                compared = True
            size = sum(np.asarray(a).nbytes for a in jax.tree.leaves(first))
            known = [n for n in (length(), left, self._steps_per_pass) if n is not None]
            capacity, wanted = _room(size, min(known, default=_CAPACITIES[-1]))
            batches, shapes = [first], _shapes(first)
            while len(batches) < wanted:
                if patient and time.perf_counter() - started > _PATIENCE and idle():
                    break
                batch = self._next_batch()
                if batch is None:
                    ended = True
                    break
                if _shapes(batch) != shapes:
                    self._held = batch
                    break
                batches.append(batch)
            count = len(batches)
            slots = _sent_from_stream(_stack(batches, capacity))
            yield Chunk(None, slots, 0, count, _is_whole(count, capacity))
            left = None if left is None else left - count


def _room(bytes_a_step: int, wanted: int) -> tuple[int, int]:
    """Returns the capacity of a chunk for `wanted` steps, and how many of them it takes."""
    fitting = [n for n in _CAPACITIES if n * bytes_a_step <= _CHUNK_BYTES] or [1]
    capacity = next((n for n in fitting if n >= wanted), fitting[-1])
    return capacity, min(wanted, capacity)


def _is_whole(count: int, capacity: int) -> bool:
    """Says whether a chunk's length is to be one that the compiler knows.

    On a CPU one program for all lengths is as fast; elsewhere a length that is not known costs a
    round trip to the host a step.
    """
    return count == capacity and platform() != "cpu"


def _stack(batches: list[Any], capacity: int) -> Any:
    def stack(*arrays: Any) -> Any:
        first = np.asarray(arrays[0])
        stacked = np.empty((capacity, *first.shape), first.dtype)
        for i, array in enumerate(arrays):
            stacked[i] = array
        stacked[len(arrays) :] = 0
        return stacked

    return jax.tree.map(stack, *batches)


def _shapes(batch: Any) -> list[tuple[int, ...]]:
    return [np.shape(a) for a in jax.tree.leaves(batch)]


# ------------------------------------------------------------------ arrays on the host
def row_bytes(array: ArrayLike) -> int:
    """Returns the size of one row of an array, as it is on the device."""
    size = jax.dtypes.canonicalize_dtype(array.dtype).itemsize
    return int(np.prod(array.shape[1:], dtype=np.int64)) * size


# A row of a memory map may bring megabytes in, where the system keeps files in large pieces.
_MAPPED_ROWS = 64


def take(array: ArrayLike, rows: np.ndarray, out: np.ndarray) -> None:
    """Copies rows of an array, a memory map or an HDF5 data set into `out`."""
    if isinstance(array, np.ndarray):
        mapped = isinstance(getattr(array, "_mmap", None), mmap.mmap)
        part = _MAPPED_ROWS if mapped else max(1, len(rows))
        for start in range(0, len(rows), part):
            stop = start + part
            # mode="clip": with "raise", NumPy would gather into a buffer of its own first.
            np.take(array, rows[start:stop], axis=0, out=out[start:stop], mode="clip")
            _give_back(array)
    elif isinstance(array, jax.Array):
        out[:] = array[rows]
    else:  # HDF5 reads rows in increasing order, each once
        unique, inverse = np.unique(rows, return_inverse=True)
        first, last = int(unique[0]), int(unique[-1]) + 1
        dense = last - first <= 4 * len(unique)
        part = array[first:last][unique - first] if dense else array[unique]
        out[:] = part[inverse]


def _give_back(array: np.ndarray) -> None:
    """Lets the system drop the pages of a memory map: they count as resident while mapped."""
    mapped = getattr(array, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)
