"""What the processes of a training agree on between chunks."""

from typing import Any

from jkeras.core import processes
from jkeras.core.processes import Said


class Agreement:
    """Meetings of the processes that train together: all of them take the same chunks, and stop.

    A process that has called `stop_training`, or has had a signal, says so at the next meeting, and
    all of them do the same then. How long a chunk is, where that follows from a clock, the first
    process says.

    Args:
        model: The model.
        flag: The name of its attribute that says whether to stop.
        pace: Chooses the lengths of chunks.
        interrupts: Holds signals back; None where they are not.

    Attributes:
        interrupted: Whether a signal has come in one of the processes.
    """

    def __init__(self, model: Any, flag: str, pace: Any, interrupts: Any = None):
        self._model, self._flag, self._pace, self._interrupts = model, flag, pace, interrupts
        self.interrupted = False

    def meet(self, text: str) -> None:
        """Meets the others.

        Args:
            text: Where this process stands.

        Raises:
            RuntimeError: If another one stands elsewhere, or has ended.
        """
        waits = self._interrupts is not None and self._interrupts.waiting
        number = (self._pace.length() or 0) if self._pace.refreshes else 0
        said = Said(text, bool(getattr(self._model, self._flag)), waits, number=number)
        found = processes.meet(said)
        if any(other.stop for other in found):
            setattr(self._model, self._flag, True)
        self.interrupted = any(other.interrupted for other in found)
        self._pace.agree(found[0].number)
