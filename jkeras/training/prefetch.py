"""Batches prepared ahead by workers: threads, or processes."""

import collections
import itertools
from collections.abc import Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from typing import Any

_in_process: Any = None  # the source, in a worker process


def prefetched(source: Any, count: int | None, start: int = 0) -> Iterator[Any]:
    """Yields `source[start]`, `source[start + 1]`, ..., in order.

    If the source has `workers` of more than one, or `use_multiprocessing`, they prepare up to
    `max_queue_size` batches ahead. What a worker raises is raised here, with its own traceback, at
    once: batches that come before its own, and the other workers, are not waited for.

    Args:
        source: A `PyDataset`, or anything with `__getitem__`.
        count: How many batches a pass has; None for endless data.
        start: The first of them.
    """
    indices: Iterator[int] = itertools.count(start) if count is None else iter(range(start, count))
    workers = int(getattr(source, "workers", 1) or 1)
    if workers <= 1 and not getattr(source, "use_multiprocessing", False):
        yield from (source[i] for i in indices)
        return
    ahead = max(workers, int(getattr(source, "max_queue_size", 10)))
    executor = _executor(source, workers)
    try:
        waiting = collections.deque(
            _submit(executor, source, index) for index in itertools.islice(indices, ahead)
        )
        while waiting:
            while not waiting[0].done() and not any(map(_failed, waiting)):
                wait([f for f in waiting if not f.done()], return_when=FIRST_COMPLETED)
            try:
                batch = next(filter(_failed, waiting), waiting[0]).result()
            except BrokenExecutor:
                raise RuntimeError(_broken(source)) from None
            waiting.popleft()
            for index in itertools.islice(indices, 1):
                waiting.append(_submit(executor, source, index))
            yield batch
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _broken(source: Any) -> str:
    return (
        f"A process that prepares batches of {type(source).__name__} "
        "(`use_multiprocessing=True`) has ended.\nWhat it printed above may tell why. Usually\n"
        "- the script lacks the guard that worker processes need, since they import it: put what "
        'it does under `if __name__ == "__main__":`;\n'
        "- the class is written in a notebook or at a prompt: put it into a module;\n"
        "- or the process was killed, for example because memory ran out: use fewer `workers`.\n"
        "Without `use_multiprocessing`, workers are threads and need none of this."
    )


def _failed(future: Future) -> bool:
    return future.done() and future.exception() is not None


def _executor(source: Any, workers: int) -> Executor:
    if getattr(source, "use_multiprocessing", False):
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        # Not by forking: a fork of a process in which JAX's threads run can hang.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(workers, context, initializer=_receive, initargs=(source,))
    return ThreadPoolExecutor(workers, thread_name_prefix="jkeras-data")


def _submit(executor: Executor, source: Any, index: int) -> Future:
    if isinstance(executor, ThreadPoolExecutor):
        return executor.submit(source.__getitem__, index)
    return executor.submit(_get, index)


def _receive(source: Any) -> None:
    global _in_process
    _in_process = source


def _get(index: int) -> Any:
    return _in_process[index]
