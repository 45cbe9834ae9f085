"""Ctrl-C and SIGTERM, held back until training is in a state that can be kept."""

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

    Attributes:
        patient: Whether signals, SIGTERM among them, wait until `deliver` is called: for whoever
            wants to write a backup first. A second signal does not wait.

    Example:
        >>> from jkeras.training.interrupts import Interrupts
        >>> with Interrupts() as interrupts:
        ...     with interrupts.held():
        ...         weights = "taken and given back"
    """

    def __init__(self) -> None:
        self.patient = False
        self._handlers: dict[int, Any] = {}  # those that were installed before
        self._holding = False
        self._waiting: tuple[int, FrameType | None] | None = None

    @property
    def waiting(self) -> bool:
        """Whether a signal has come, and waits."""
        return self._waiting is not None

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM) if self.patient else (signal.SIGINT,):
                handler = signal.getsignal(number)
                if callable(handler) or (handler is signal.SIG_DFL and number == signal.SIGTERM):
                    self._handlers[number] = handler
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: Any) -> None:
        self.patient = False
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        try:
            self.deliver()
        finally:
            self._handlers = {}

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._holding or (self.patient and self._waiting is None):
            self._waiting = (number, frame)
        else:
            self._waiting = (number, frame)
            self.deliver()

    def deliver(self) -> None:
        """Lets the program have the signal that waits, if there is one."""
        if self._waiting is None:
            return
        (number, frame), self._waiting = self._waiting, None
        handler = self._handlers[number]
        if callable(handler):
            handler(number, frame)
        else:  # the system's own way, which ends the process
            signal.signal(number, handler)
            signal.raise_signal(number)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds signals back; at the end they are delivered, unless they wait for longer."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if not self.patient:
            self.deliver()
