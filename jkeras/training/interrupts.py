"""Ctrl-C, held back while a compiled chunk has the weights."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupts:
    """Delivers SIGINT between chunks only; a context manager around training.

    A chunk destroys the arrays that it is given. An exception after it was dispatched, and before
    its results are kept, would leave the model without weights: so the signal waits until then.
    Where the signal cannot reach us anyway (other threads), or where the program handles it in a
    way that Python does not know, nothing is changed.

    Example:
        >>> from jkeras.training.interrupts import Interrupts
        >>> with Interrupts() as interrupts:
        ...     with interrupts.held():
        ...         weights = "taken and given back"
    """

    def __init__(self) -> None:
        self._handler: Any = None  # the one that was installed before
        self._holding = False
        self._waiting: FrameType | None = None

    def __enter__(self) -> "Interrupts":
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler) and threading.current_thread() is threading.main_thread():
            self._handler = handler
            signal.signal(signal.SIGINT, self._receive)
        return self

    def __exit__(self, *error: Any) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._holding:
            self._waiting = frame
        else:
            self._handler(number, frame)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the signal back; at the end it is delivered, if it came."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        frame, self._waiting = self._waiting, None
        if frame is not None:
            self._handler(signal.SIGINT, frame)
