"""What the processes of one job agree on: seeds, files, and whether training goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import jax
import numpy as np

from jkeras.base import keys
from jkeras.core import placement


def share_seed() -> None:
    """Gives all processes the first one's global seed."""
    from jax.experimental import multihost_utils

    seed, count = keys.draw_seed()[0], keys.drawn()[1]
    shared = multihost_utils.broadcast_one_to_all(np.array([seed, count - 1], np.uint32))
    keys.draw_from((int(shared[0]), int(shared[1])))


def writes_files() -> bool:
    """Says whether this process is the one that writes files."""
    return not placement.spans_processes() or jax.process_index() == 0


def least(number: int | None) -> int | None:
    """Returns the least of the numbers that the processes have; None where any has None."""
    from jax.experimental import multihost_utils

    numbers = multihost_utils.process_allgather(np.float32(-1 if number is None else number))
    found = int(np.min(numbers))
    return None if found < 0 else found


# ------------------------------------------------------------------ meetings
_STOP, _INTERRUPTED, _FAILED = 1, 2, 4
_BYTES = 512  # of what a process says at a meeting
# How many seconds a process that has failed waits for the others to hear of it.
_PATIENCE = 20.0


class Said(NamedTuple):
    """What a process says at a meeting.

    Attributes:
        text: Where it stands, or why it ends.
        stop: Whether it wants to stop.
        interrupted: Whether a signal has come.
        failed: Whether it ends with an error.
        number: How many steps it thinks are to be taken next; 0 for any number.
    """

    text: str
    stop: bool = False
    interrupted: bool = False
    failed: bool = False
    number: int = 0


def exchange(said: Said) -> list[Said]:
    """Tells all processes something, and returns what each has said; waits for all of them.

    Raises:
        RuntimeError: If a process cannot be reached any more.
    """
    from jax.experimental import multihost_utils

    flags = _STOP * said.stop | _INTERRUPTED * said.interrupted | _FAILED * said.failed
    header = bytes([flags]) + said.number.to_bytes(4, "little")
    message = (header + said.text.encode())[:_BYTES].ljust(_BYTES, b"\0")
    try:
        gathered = multihost_utils.process_allgather(np.frombuffer(message, np.uint8))
    except jax.errors.JaxRuntimeError as error:
        raise RuntimeError(unreachable()) from error
    found = []
    for row in np.asarray(gathered).reshape(-1, _BYTES):
        flags, number = int(row[0]), int.from_bytes(row[1:5].tobytes(), "little")
        text = row[5:].tobytes().rstrip(b"\0").decode(errors="ignore")
        stop, interrupted, failed = (bool(flags & f) for f in (_STOP, _INTERRUPTED, _FAILED))
        found.append(Said(text, stop, interrupted, failed, number))
    return found


def first(number: int) -> int:
    """Returns the first process's number, where the others' may differ; all processes call it."""
    return exchange(Said("", number=int(number)))[0].number


def unreachable() -> str:
    """Returns what an error says when a process is gone."""
    return (
        f"Process {jax.process_index()} of {jax.process_count()} cannot go on: another process of "
        "the job has ended, or cannot be reached. Its own output says why. Start all of them "
        "again; with callbacks.BackupAndRestore the training then goes on where it was."
    )


def meet(said: Said) -> list[Said]:
    """Does `exchange`, and makes sure that all processes stand at the same place.

    Raises:
        RuntimeError: If they do not, or one of them ends with an error.
    """
    found = exchange(said)
    for number, other in enumerate(found):
        if other.failed:
            raise OtherProcessError(
                f"Process {number} of {len(found)} has ended with an error, so this one ends as "
                f"well: {other.text}"
            )
    texts = [other.text for other in found]
    if len(set(texts)) > 1:
        raise OtherProcessError(
            "The processes do not do the same, and would wait for each other for ever: "
            + "; ".join(f"process {number} is at [{text}]" for number, text in enumerate(texts))
            + ". All of them must call the same methods, with the same data, seeds and callbacks. "
            "(A stream of data must give the same batches in each process; under a distribution "
            "with auto_shard_dataset=False, as many and as large ones.)"
        )
    return found


class OtherProcessError(RuntimeError):
    """Raised in a process because of another one; all processes know of it."""


@contextmanager
def telling_errors() -> Iterator[None]:
    """Lets the other processes know of an error in a block, so that they do not wait for this one.

    They hear of it when they meet next.
    """
    if not placement.spans_processes():
        yield
        return
    try:
        yield
    except OtherProcessError:
        raise
    except BaseException as error:
        if isinstance(error, jax.errors.JaxRuntimeError) and _is_of_processes(error):
            raise RuntimeError(unreachable()) from error
        said = Said(f"{type(error).__name__}: {error}", failed=True)
        # In a thread, as those who wait for something else than a meeting will never come.
        thread = threading.Thread(target=_exchange_quietly, args=(said,), daemon=True)
        thread.start()
        thread.join(_PATIENCE)
        raise


def _is_of_processes(error: BaseException) -> bool:
    text = str(error).lower()
    words = ("gloo", "connection", "coordination", "collective", "heartbeat", "nccl", "socket")
    return any(word in text for word in words)


def _exchange_quietly(said: Said) -> None:
    with suppress(RuntimeError):
        exchange(said)


@contextmanager
def one_writes(what: str, check: Callable[[], Any]) -> Iterator[Any]:
    """Gives what `check` returns to the process that writes files, and None to the others.

    All processes run the block, since reading an array may need all of them; none leaves it before
    the file is there.

    Args:
        what: What is written, for errors.
        check: Called in the process that writes, before the block.
    """
    if not placement.spans_processes():
        yield check()
        return
    with telling_errors():
        checked = check() if writes_files() else None
        meet(Said(f"begins to write {what}"))
        yield checked
    meet(Said(f"has written {what}"))
