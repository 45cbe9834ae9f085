"""Workers: batches in order, prepared ahead, and errors with the worker's own traceback."""

import os
import threading
import time
import traceback

import pytest

from jkeras.training.prefetch import prefetched


class Source:
    """Numbers, made by so many workers."""

    def __init__(self, workers=1, use_multiprocessing=False, max_queue_size=4, broken=None):
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size, self.broken = max_queue_size, broken

    def __getitem__(self, index):
        if index == self.broken:
            raise KeyError(f"no batch {index}")
        return index * 10


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order(workers):
    assert list(prefetched(Source(workers), 7)) == [0, 10, 20, 30, 40, 50, 60]


def test_processes_do_as_well():
    assert list(prefetched(Source(2, use_multiprocessing=True), 5)) == [0, 10, 20, 30, 40]


def test_an_endless_source_can_be_left():
    batches = prefetched(Source(2), None)
    assert [next(batches) for _ in range(5)] == [0, 10, 20, 30, 40]
    batches.close()


@pytest.mark.parametrize("processes", [False, True])
def test_an_error_comes_with_the_workers_traceback(processes):
    with pytest.raises(KeyError, match="no batch 2") as raised:
        list(prefetched(Source(2, processes, broken=2), 9))
    assert "__getitem__" in "".join(traceback.format_exception(raised.value))


def test_an_error_does_not_wait_for_the_batches_before_its_own():
    leave = threading.Event()

    class Slow(Source):
        def __getitem__(self, index):
            if index == 0:
                leave.wait(10)
            return super().__getitem__(index)

    try:
        with pytest.raises(KeyError, match="no batch 1"):
            next(prefetched(Slow(2, broken=1), 9))
        assert not leave.is_set()
    finally:
        leave.set()


def test_workers_run_at_the_same_time_and_ahead():
    seen = set()
    barrier = threading.Barrier(2, timeout=10)

    class Meeting(Source):
        def __getitem__(self, index):
            if index < 2:
                barrier.wait()  # two workers must be here at once
            seen.add(index)
            return index

    batches = prefetched(Meeting(2, max_queue_size=4), 9)
    assert next(batches) == 0
    until = time.time() + 10
    while len(seen) < 4 and time.time() < until:
        time.sleep(0.01)
    assert {0, 1, 2, 3} <= seen  # prepared though nobody asked for them yet
    batches.close()


class Killed(Source):
    def __getitem__(self, index):
        os._exit(1)


def test_a_worker_process_that_ends_says_what_may_be_the_reason():
    with pytest.raises(RuntimeError, match="process that prepares batches of Killed") as raised:
        list(prefetched(Killed(2, use_multiprocessing=True), 4))
    message = str(raised.value)
    assert "__main__" in message and "memory" in message and "notebook" in message
