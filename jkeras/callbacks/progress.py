"""What one sees while a model is trained: a live line, or one at the end where nobody watches."""

import math
import time
from collections.abc import Mapping
from typing import Any

from jkeras.callbacks import console
from jkeras.callbacks.console import BOLD, GRAY, GREEN
from jkeras.core import processes


def resolve_verbose(verbose: int | str) -> int:
    """Returns 0 (silent), 1 (a live line) or 2 (a line an epoch) for an argument `verbose`.

    `"auto"` is 1. Of several processes, one shows something.

    Raises:
        ValueError: If it is not one of these.
    """
    if verbose == "auto":
        verbose = 1
    if verbose not in (0, 1, 2):
        raise ValueError(f"`verbose` is 'auto', 0, 1 or 2, got {verbose!r}.")
    return int(verbose) if processes.writes_files() else 0


def format_time(seconds: float) -> str:
    """Returns a time for one step: `"3us"`, `"12ms"`, `"2s"`.

    Example:
        >>> from jkeras.callbacks.progress import format_time
        >>> [format_time(t) for t in (3e-6, 5e-4, 0.012, 2.0)]
        ['3us', '500us', '12ms', '2s']
    """
    if seconds >= 1 or seconds == 0:
        return f"{seconds:.0f}s"
    return f"{seconds * 1e3:.0f}ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us"


def format_duration(seconds: float) -> str:
    """Returns the time that is left: `"5s"`, `"1:05"`, `"1:00:05"`.

    Example:
        >>> from jkeras.callbacks.progress import format_duration
        >>> [format_duration(t) for t in (5.2, 65, 3605)]
        ['5s', '1:05', '1:00:05']
    """
    minutes, rest = divmod(int(seconds), 60)
    if seconds > 3600:
        return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
    return f"{minutes}:{rest:02d}" if seconds > 60 else f"{rest}s"


def format_values(logs: Mapping[str, Any]) -> str:
    """Returns logs as text.

    Example:
        >>> from jkeras.callbacks.progress import format_values
        >>> format_values({"accuracy": 0.92, "loss": 1e-5})
        ' - accuracy: 0.9200 - loss: 1.0000e-05'
    """
    words = []
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            words.append(f" - {name}: {value}")
            continue
        fixed = abs(number) > 1e-3 or math.isnan(number)
        words.append(f" - {name}: {number:.4f}" if fixed else f" - {name}: {number:.4e}")
    return "".join(words)


class Progress:
    """The progress of one epoch, one evaluation or one prediction.

    Args:
        steps: How many steps there are; None if that is not known.
        verbose: 1: a live line (or one with a bar at the end, where no line can be redrawn);
            2: one plain line at the end.
        title: A line to show first, such as `Epoch 1/3`.
        width: The length of the bar.
        interval: The shortest time between two redrawings, in seconds.
        unit: What a step is called.
    """

    def __init__(
        self,
        steps: int | None,
        verbose: int,
        title: str | None = None,
        width: int = 20,
        interval: float = 0.05,
        unit: str = "step",
    ):
        self.steps, self.verbose, self.done = steps, verbose, 0
        self.live = verbose == 1 and console.is_terminal()
        self._width, self._interval, self._unit = width, interval, unit
        self._start = time.perf_counter()
        self._first: tuple[float, int] | None = None  # when the first update was, after what steps
        self._last_drawn = -math.inf
        if title:
            console.say(title)

    def update(self, done: int, logs: Mapping[str, Any]) -> None:
        """Shows that `done` steps have ended."""
        now = time.perf_counter()
        self.done = done
        if self._first is None:
            self._first = (now, done)
        if self.live and now - self._last_drawn >= self._interval:
            self._last_drawn = now
            console.draw(self._line(logs, now, ended=False))

    def finish(self, logs: Mapping[str, Any], done: int | None = None) -> None:
        """Shows the end, with all logs; by default, as many steps as at the last update."""
        self.done = self.done if done is None else done
        if self.steps is None:
            self.steps = self.done
        line = self._line(logs, time.perf_counter(), ended=True)
        if self.live:
            console.draw(line, end=True)
        elif self.verbose:
            console.say("".join(text for text, _ in line))

    def _line(self, logs: Mapping[str, Any], now: float, ended: bool) -> list[tuple[str, str]]:
        """Returns the texts of a line, with their styles."""
        per_step = self._seconds_per_step(now)
        rest = f"{format_time(per_step)}/{self._unit}{format_values(logs)}"
        duration = f"{now - self._start:.0f}s"
        if self.verbose == 2:
            return [(f"{self.done}/{self.steps} - {duration} - {rest}", "")]
        if self.steps is None:
            return [(f"{self.done:7d}/Unknown ", ""), (duration, BOLD), (f" {rest}", "")]
        if not ended:
            duration = format_duration(per_step * max(self.steps - self.done, 0))
        count = f"{self.done:{len(str(self.steps))}d}/{self.steps}"
        return [
            *((count, BOLD), (" ", "")),
            *self._bar(),
            *((" ", ""), (duration, BOLD), (f" {rest}", "")),
        ]

    def _bar(self) -> list[tuple[str, str]]:
        width = min(self._width, max((console.columns() or 80) // 4, 5))
        filled = min(int(width * self.done / max(self.steps or 0, 1)), width)
        if self.live and console.can_show("━"):
            return [("━" * filled, GREEN), ("━" * (width - filled), GRAY)]
        full, empty = ("━", " ") if console.can_show("━") else ("=", ".")
        return [(full * filled, GREEN), (empty * (width - filled), GRAY)]

    def _seconds_per_step(self, now: float) -> float:
        """Returns the time a step takes; a first step by itself, which compiles, does not count."""
        if self._first is not None and self._first[1] == 1 and self.done > 1:
            return (now - self._first[0]) / (self.done - 1)
        return (now - self._start) / max(self.done, 1)


class EpochProgress:
    """A `Progress` for each epoch in turn, as the training loop wants one."""

    def __init__(self, verbose: int, epochs: int, steps: int | None):
        self._verbose, self._epochs, self._steps = verbose, epochs, steps
        self._progress: Progress | None = None

    def start(self, epoch: int) -> None:
        """Starts the line of an epoch."""
        title = f"Epoch {epoch + 1}/{self._epochs}" if self._epochs > 1 else None
        self._progress = Progress(self._steps, self._verbose, title)

    @property
    def done(self) -> int:
        """How many steps have been shown."""
        return self._progress.done if self._progress else 0

    def update(self, done: int, logs: Mapping[str, Any]) -> None:
        """Shows that `done` steps have ended."""
        if self._progress is not None:
            self._progress.update(done, logs)

    def finish(self, logs: Mapping[str, Any], done: int) -> None:
        """Ends the line, after `done` steps."""
        if self._progress is not None:
            self._progress.finish(logs, done)
            self._steps = self._progress.steps
