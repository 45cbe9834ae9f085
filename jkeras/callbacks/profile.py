"""A profile of some training steps."""

from collections.abc import Sequence
from typing import Any

import jax


class Profile:
    """Lets JAX's profiler run while certain steps are taken, one by one.

    Args:
        batches: The number of a step, counted from one; a first and a last one; or 0 for none.
        folder: Where `plugins/profile/` is made.

    Attributes:
        finished: Whether the profile is written, or none is wanted.

    Raises:
        ValueError: If `batches` is not one of these.
    """

    def __init__(self, batches: int | str | Sequence[int], folder: str):
        given: Any = batches
        if isinstance(batches, str):
            given = [int(n) if n.strip().isdigit() else n for n in batches.split(",")]
        pair = [given, given] if isinstance(given, int) else list(given)
        pair = pair * 2 if len(pair) == 1 else pair
        good = len(pair) == 2 and all(isinstance(n, int) for n in pair)
        if not good or not (pair == [0, 0] or 0 < pair[0] <= pair[1]):
            raise ValueError(
                "profile_batch must be a non-negative integer or 2-tuple of positive integers. A "
                "pair of positive integers signifies a range of batches to profile. "
                f"Found: {batches}"
            )
        self.first, self.last = pair
        self.folder = folder
        self._running = False
        self.finished = self.first == 0
        self._step: Any = None

    def steps_ahead(self, done: int) -> int | None:
        """Returns after how many steps it must be called, when `done` were taken; None: never."""
        if self.finished:
            return None
        return max(self.first - 1 - done, 1)

    def begin(self) -> None:
        """Starts the count of steps again."""
        self.end()
        self.finished = self.first == 0

    def before(self, number: int) -> None:
        """Must be called before the step `number`."""
        if not self.finished and not self._running and number >= self.first:
            jax.profiler.start_trace(self.folder)
            self._running = True
        if self._running:
            self._step = jax.profiler.StepTraceAnnotation("train", step_num=number)
            self._step.__enter__()

    def after(self, number: int) -> None:
        """Must be called after the step `number`, when its results are there."""
        if self._running:
            self._step.__exit__(None, None, None)
            if number >= self.last:
                self.end()

    def end(self) -> None:
        """Stops the profiler, if it runs."""
        if self._running:
            jax.profiler.stop_trace()
            self._running, self.finished = False, True
