"""What one sees while a model is trained: a live line, or plain lines where nobody watches."""

import math
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

_WIDTH = 20
_GREEN, _GRAY, _RESET = "\x1b[32m", "\x1b[37m", "\x1b[0m"


def is_terminal() -> bool:
    """Says whether standard output redraws a line: a terminal, or a notebook."""
    if "ipykernel" in sys.modules:
        return True
    try:
        return sys.stdout.isatty()
    except (AttributeError, ValueError):
        return False


def resolve_verbose(verbose: Any) -> int:
    """Returns 0 (silent), 1 (a live line) or 2 (a line an epoch) for an argument `verbose`.

    `"auto"` is 1 where a line can be redrawn, else 2.
    """
    if verbose == "auto":
        return 1 if is_terminal() else 2
    return int(verbose)


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
    """Returns the time of an epoch: `"5s"`, `"1:05"`, `"1:00:05"`."""
    if seconds > 3600:
        return f"{int(seconds // 3600)}:{int(seconds % 3600 // 60):02d}:{int(seconds % 60):02d}"
    if seconds > 60:
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
    return f"{int(seconds)}s"


def format_values(logs: Mapping[str, Any]) -> str:
    """Returns `" - accuracy: 0.9200 - loss: 0.2300"`."""
    words = []
    for name, value in logs.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            words.append(f" - {name}: {value}")
            continue
        small = number != 0 and math.isfinite(number) and abs(number) <= 1e-3
        words.append(f" - {name}: {number:.4e}" if small else f" - {name}: {number:.4f}")
    return "".join(words)


class Progress:
    """The progress of one epoch, one evaluation or one prediction.

    Args:
        steps: How many steps there are; None if that is not known.
        verbose: 1: a live line; 2: one line at the end.
        title: A line to print first, such as `Epoch 1/3`.
    """

    def __init__(self, steps: int | None, verbose: int, title: str | None = None):
        self.steps = steps
        self.verbose = verbose
        self.done = 0
        self._live = verbose == 1 and is_terminal()
        self._start = time.perf_counter()
        self._first_end: float | None = None  # when the first step, which compiles, has ended
        self._first_done = 0
        self._drawn = 0
        if title:
            pass

    def update(self, done: int, logs: Mapping[str, Any]) -> None:
        """Shows that `done` steps have ended."""
        now = time.perf_counter()
        if self._first_end is None:
            self._first_end, self._first_done = now, done
        self.done = done
        if self._live:
            self._draw(self._line(logs, now, running=True))

    def finish(self, logs: Mapping[str, Any]) -> None:
        """Shows the end, with all logs."""
        if self.steps is None:
            self.steps = self.done
        line = self._line(logs, time.perf_counter(), running=False)
        if self._live:
            self._draw(line)
        else:
            pass

    def _line(self, logs: Mapping[str, Any], now: float, running: bool) -> str:
        elapsed = now - self._start
        steps_timed = self.done - self._first_done
        if steps_timed > 0 and self._first_end is not None and running:
            per_step = (now - self._first_end) / steps_timed
        else:
            per_step = elapsed / max(self.done, 1)
        left = per_step * (self.steps - self.done) if running and self.steps else elapsed
        total = "Unknown" if self.steps is None else str(self.steps)
        if self.verbose == 2:
            head = f"{self.steps}/{self.steps} - {format_duration(elapsed)} - "
            return f"{head}{format_time(per_step)}/step{format_values(logs)}"
        count = f"{self.done:>{len(total)}}/{total}" if self.steps else f"{self.done}/{total}"
        filled = int(_WIDTH * self.done / self.steps) if self.steps else 0
        bar, rest = "━" * filled, "━" * (_WIDTH - filled)
        if self._live:
            bar, rest = f"{_GREEN}{bar}{_RESET}", f"{_GRAY}{rest}{_RESET}" if rest else ""
        times = f"{format_duration(left)} {format_time(per_step)}/step"
        return f"{count} {bar}{rest} {times}{format_values(logs)}"

    def _draw(self, line: str) -> None:
        """Redraws the line; one longer than the terminal would leave a trail, so it is cut."""
        columns = shutil.get_terminal_size((0, 0)).columns if sys.stdout.isatty() else 0
        visible = len(line) - (
            line.count(_GREEN) * 5 + line.count(_GRAY) * 5 + line.count(_RESET) * 4
        )
        if columns and visible >= columns:
            line = line[: len(line) - (visible - columns) - 2] + "…"
            visible = columns - 1
        blank = " " * max(0, self._drawn - visible)
        self._drawn = visible
        sys.stdout.write(f"\r{line}{blank}")
        sys.stdout.flush()
