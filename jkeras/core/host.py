"""Calls that are made while data are prepared: on the host, with NumPy in and out."""

import contextlib
import contextvars
import multiprocessing
from collections.abc import Iterator

_preparing = contextvars.ContextVar("_preparing", default=False)


@contextlib.contextmanager
def preparing_data() -> Iterator[None]:
    """Makes the layers that are called meanwhile return NumPy arrays for NumPy arrays."""
    token = _preparing.set(True)
    try:
        yield
    finally:
        _preparing.reset(token)


def prepares_data() -> bool:
    """Says whether data are prepared here: in a data set's function, or in a loader's process."""
    return _preparing.get() or multiprocessing.parent_process() is not None
