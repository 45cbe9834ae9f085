"""Batches prepared ahead by workers: threads, or processes."""

import collections
import itertools
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

_in_process: Any = None  # the source, in a worker process


def prefetched(source: Any, count: int | None) -> Iterator[Any]:
    """Yields `source[0]`, `source[1]`, ..., in order.

    If the source has `workers` of more than one, or `use_multiprocessing`, they prepare up to
    `max_queue_size` batches ahead. What a worker raises is raised here, with its own traceback, as
    soon as its batch's turn comes.

    Args:
        source: A `PyDataset`, or anything with `__getitem__`.
        count: How many batches a pass has; None for endless data.
    """
    indices: Iterator[int] = itertools.count() if count is None else iter(range(count))
    workers = int(getattr(source, "workers", 1) or 1)
    if workers <= 1 and not getattr(source, "use_multiprocessing", False):
        yield from (source[i] for i in indices)
        return
    ahead = max(workers, int(getattr(source, "max_queue_size", 10)))
    with _executor(source, workers) as executor:
        waiting: collections.deque[Future] = collections.deque()
        try:
            for index in itertools.islice(indices, ahead):
                waiting.append(_submit(executor, source, index))
            while waiting:
                batch = waiting.popleft().result()
                for index in itertools.islice(indices, 1):
                    waiting.append(_submit(executor, source, index))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def _executor(source: Any, workers: int) -> Executor:
    if getattr(source, "use_multiprocessing", False):
        # Not by forking: a fork of a process in which JAX's threads run can hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=_receive, initargs=(source,))
    return ThreadPoolExecutor(workers, thread_name_prefix="jkeras-data")


def _submit(executor: Executor, source: Any, index: int) -> Future:
    if isinstance(executor, ProcessPoolExecutor):
        return executor.submit(_get, index)
    return executor.submit(source.__getitem__, index)


def _receive(source: Any) -> None:
    global _in_process
    _in_process = source


def _get(index: int) -> Any:
    return _in_process[index]
