"""A progress bar for loops of your own."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from jkeras.callbacks.progress import Progress


class Progbar:
    """Shows the progress of a loop.

    Args:
        target: How many steps there are; None if that is not known.
        width: The length of the bar.
        verbose: 0: silent; 1: a line that is drawn again and again; 2: a line at the end.
        interval: The shortest time between two redrawings, in seconds.
        stateful_metrics: Names of values to show as they are. Others are shown as their mean over
            the steps so far.
        stateless_metrics: Or: names of values to show as their mean, and others as they are.
        unit_name: What a step is called.

    Raises:
        ValueError: If both lists of names are given.

    Example:
        >>> import jkeras as keras
        >>> bar = keras.utils.Progbar(3, verbose=2)
        >>> for i in range(3):
        ...     bar.update(i + 1, [("loss", 0.5)])  # doctest: +ELLIPSIS
        3/3 - 0s - .../step - loss: 0.5000
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ):
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` or `stateless_metrics` can be provided: the first "
                "names the values that are not averaged, the second those that are."
            )
        self.target, self.width, self.verbose = target, width, verbose
        self.interval, self.unit_name = interval, unit_name
        self.stateful_metrics = set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._progress = Progress(target, verbose, width=width, interval=interval, unit=unit_name)
        self._sums: dict[str, tuple[float, float]] = {}  # sums of values times steps, and of steps
        self._done = 0

    def update(
        self,
        current: int,
        values: Iterable[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Shows that `current` steps have ended.

        Args:
            current: How many steps have ended.
            values: Pairs of a name and a value over the steps since the last update; of a list or
                an array the mean.
            finalize: Whether this is the end; by default, if `current` is the target. At the end
                the values are shown as they are.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._done, 1)
        for name, value in values or ():
            total, count = self._sums.get(name, (0.0, 0))
            if finalize or not self._averages(name):
                total, count = 0.0, 0
            self._sums[name] = (total + _as_number(value) * steps, count + steps)
        self._done = current
        logs = {name: total / count for name, (total, count) in self._sums.items()}
        if finalize:
            self._progress.finish(logs, current)
        else:
            self._progress.update(current, logs)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """Shows that `n` more steps have ended."""
        self.update(self._done + n, values)

    def _averages(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return name not in self.stateful_metrics


def _as_number(value: Any) -> float:
    """Returns a value; the mean of a list or an array of values."""
    return float(np.mean(np.asarray(value)))
