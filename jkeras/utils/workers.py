"""Threads that work ahead of who consumes what they make.

Each function is a generator: dropped half-way, it stops its threads.
"""

import collections
import itertools
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

AUTOTUNE = -1


def thread_count(wanted: int | None) -> int:
    """Returns a number of threads: one a processor for `AUTOTUNE`, none for None.

    Raises:
        ValueError: If it is neither that nor positive.
    """
    if wanted is None:
        return 0
    if wanted == AUTOTUNE:
        return min(32, max(2, os.cpu_count() or 2))
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise ValueError(
            "`num_parallel_calls` is the number of threads, at least 1, or AUTOTUNE (-1), got "
            f"{wanted!r}."
        )
    return wanted


def mapped(
    function: Callable[[Any], Any], items: Iterable[Any], threads: int, in_order: bool = True
) -> Iterator[Any]:
    """Yields `function(item)` of each item.

    Args:
        function: What threads call; what it raises is raised here, in its turn.
        items: Gone through in the consumer's thread.
        threads: How many calls run at once; 0 for none ahead.
        in_order: Whether results come in the order of the items, or as they are ready.
    """
    items = iter(items)
    if not threads:
        for item in items:  # and not `map`, which would end where the function raises StopIteration
            yield function(item)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jkeras-map")
    try:
        # Two a thread: one under way, and one that waits for it.
        waiting: collections.deque[Future] = collections.deque()
        while True:
            for item in itertools.islice(items, 2 * threads - len(waiting)):
                waiting.append(pool.submit(function, item))
            if not waiting:
                return
            future = waiting[0]
            if not in_order:
                future = next(iter(wait(waiting, return_when=FIRST_COMPLETED).done))
            waiting.remove(future)
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        close(items)


def ahead(items: Iterable[Any], count: int) -> Iterator[Any]:
    """Yields the items, up to `count` of which a thread of its own has made before."""
    ready: queue.SimpleQueue = queue.SimpleQueue()
    room = threading.Semaphore(count)
    stopped = threading.Event()

    def fill() -> None:
        iterator = iter(items)
        try:
            while room.acquire() and not stopped.is_set():
                ready.put((next(iterator), None))
        except BaseException as error:  # the end, too
            ready.put((None, error))
        finally:
            close(iterator)

    threading.Thread(target=fill, name="jkeras-prefetch", daemon=True).start()
    try:
        while True:
            item, error = ready.get()
            room.release()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        stopped.set()
        room.release()


def close(iterator: Any) -> None:
    """Stops a generator; does nothing to other iterators."""
    if hasattr(iterator, "close"):
        iterator.close()


def interleaved(
    items: Iterator[Any],
    start: Callable[[Any], Iterator[Any]],
    cycle_length: int,
    block_length: int,
    threads: int,
) -> Iterator[Any]:
    """Yields blocks of several iterators in turn.

    Args:
        items: Each begins an iterator, when another one has ended.
        start: Makes the iterator of an item.
        cycle_length: How many are open at once.
        block_length: How many elements of one come after each other.
        threads: How many of them are read ahead, each by a thread.
    """
    slots: list[Iterator[Any] | None] = [None] * cycle_length
    ended = object()
    exhausted = False
    try:
        index = 0
        while not exhausted or any(slots):
            here = slots[index]
            if here is None:
                item = ended if exhausted else next(items, ended)
                exhausted = exhausted or item is ended
                if item is not ended:
                    here = start(item)
                    slots[index] = here = ahead(here, block_length) if index < threads else here
            if here is not None:
                for _ in range(block_length):
                    element = next(here, ended)
                    if element is ended:
                        slots[index] = None
                        break
                    yield element
            index = (index + 1) % cycle_length
    finally:
        for iterator in (*slots, items):
            close(iterator)
