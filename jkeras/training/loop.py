"""Epochs: chunks of steps, validation, logs and callbacks.

The loop is handed cells (which read and write the training state), a feed, compiled chunks and a
list of callbacks; it knows no model and no callback class.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import numpy as np

from jkeras.training.feeds import Chunk, Feed
from jkeras.training.haste import Backlog
from jkeras.training.interrupts import Interrupts
from jkeras.training.state import EvalState, TrainState


class Cells(Protocol):
    """Where the training state lives between chunks: the model's and the optimizer's objects."""

    def read(self, metrics: Any) -> TrainState:
        """Returns the state that the next chunk starts from."""

    def write(self, state: TrainState) -> None:
        """Keeps the state that a chunk has ended with."""


class Callbacks(Protocol):
    """What the loop asks of a list of callbacks."""

    def wants_batches(self, mode: str) -> bool:
        """Says whether a callback must be called before and after steps."""

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        """Returns how many steps may be taken at once from `batch` on; None: all."""

    @property
    def wants_epochs(self) -> bool:
        """Whether a callback must see an epoch's logs before the next epoch starts."""


class Pace:
    """Chooses how many steps a chunk holds, from what needs the host.

    Args:
        fixed: A number of steps; None for as many as there are.
        refresh: Seconds between two refreshes of a progress bar: the length is then found by
            measuring. Takes precedence over an open `fixed`.
    """

    def __init__(self, fixed: int | None = None, refresh: float | None = None):
        self._length, self.fixed = fixed, fixed is not None
        self._refresh = None if fixed is not None else refresh
        self._mark = time.perf_counter()
        if self._refresh is not None:
            self._length = 1

    def length(self, ahead: int | None = None) -> int | None:
        """Returns the number of steps of the next chunk.

        Args:
            ahead: After how many steps a callback wants to be called; None if none does. A fixed
                length takes precedence: callbacks are then called once a chunk.
        """
        if self.fixed or ahead is None:
            return self._length
        return min(ahead, self._length or ahead)

    def note(self, steps: int) -> None:
        """Says that `steps` steps have ended since the last note, or the start."""
        now = time.perf_counter()
        if self._refresh is not None and steps and self._length:
            wanted = int(self._refresh * steps / max(now - self._mark, 1e-9))
            # Grow by steps, since the first chunks' times hold compilation.
            self._length = max(1, min(wanted, 8 * self._length))
        self._mark = now

    def start(self) -> None:
        """Says that steps start now: what was before was not time spent in steps."""
        self._mark = time.perf_counter()


def fetch(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns logs as Python numbers; waits for the device."""
    if len(logs) > 1 and jax.default_backend() != "cpu":  # all at once: each takes a while
        for value in logs.values():
            if isinstance(value, jax.Array):
                value.copy_to_host_async()
    values = {name: np.asarray(value) for name, value in logs.items()}
    return {k: float(v) if v.ndim == 0 else v for k, v in values.items()}


class TrainLoop:
    """Runs epochs.

    Args:
        cells: Where the state lives between chunks.
        feed: Where batches come from.
        run_chunk: `engine.make_chunk` of a training step; at its end it makes logs.
        fresh_metrics: Returns the metrics' states over no data.
        bad_step: Returns the first step whose loss was not finite, for the metrics' states; 0 if
            there was none, or if that is not known.
        callbacks: The callbacks.
        progress: Called with (steps done, logs) as chunks end, to show them; None for nothing.
        pace: Chooses the chunks' lengths.
        validate: Evaluates; returns logs on the device.
        should_stop: Says whether a callback asked to stop.
    """

    def __init__(
        self,
        cells: Cells,
        feed: Feed,
        run_chunk: Callable[..., tuple[TrainState, Mapping[str, Any]]],
        fresh_metrics: Callable[[], Any],
        bad_step: Callable[[Any], int],
        callbacks: Any,
        progress: Any,
        pace: Pace,
        validate: Callable[[], Mapping[str, Any]] | None,
        should_stop: Callable[[], bool],
    ):
        self.cells, self.feed, self.run_chunk = cells, feed, run_chunk
        self.fresh_metrics, self.bad_step = fresh_metrics, bad_step
        self.callbacks, self.progress, self.pace = callbacks, progress, pace
        self.validate, self.should_stop = validate, should_stop
        self.metrics: Any = fresh_metrics()  # of the epoch so far, or of the last one
        self.interrupts = Interrupts()
        self.done = 0  # steps of the epoch so far, or of the last one
        self._warned = False  # of a loss that is not finite

    def run(
        self,
        epochs: Sequence[int],
        steps_per_epoch: int | None,
        validates: Callable[[int], bool],
        finish_epoch: Callable[[int, dict[str, Any]], None],
    ) -> None:
        """Runs epochs; `finish_epoch` gets each one's logs, as numbers.

        Where nothing needs an epoch's logs at once, they are fetched when the next one has been
        dispatched: see `haste.Backlog`.
        """

        def finish(epoch: int, logs: dict[str, Any], metrics: Any) -> None:
            values = fetch(logs)
            self._warn_of_loss(epoch, values, metrics)
            if self.progress is not None:
                self.pace.note(self.done - self.progress.done)
            finish_epoch(epoch, values)

        at_once = self.callbacks.wants_epochs or self.progress is not None
        backlog = Backlog(finish, at_once)
        with self.interrupts:
            try:
                for epoch in epochs:
                    self.callbacks.on_epoch_begin(epoch)
                    if self.progress is not None:
                        self.progress.start(epoch)
                    logs = dict(self.run_epoch(steps_per_epoch))
                    if not self.done:
                        self._ran_out(steps_per_epoch)
                        break
                    if self.validate is not None and validates(epoch):
                        val_logs = self.validate()
                        logs.update({f"val_{name}": value for name, value in val_logs.items()})
                    backlog.add(epoch, logs, self.metrics)
                    if self.should_stop() or self._ran_out(steps_per_epoch):
                        break
            finally:
                backlog.close()

    def _ran_out(self, steps: int | None) -> bool:
        """Says whether the data ended within an epoch, and warns if it did."""
        if steps is None or self.done >= steps:
            return False
        warnings.warn(
            "Your input ran out of data; interrupting training. Make sure that your dataset or "
            f"generator can generate at least `steps_per_epoch * epochs` batches (this epoch had "
            f"{self.done} of {steps}). You may need to use the `.repeat()` function when building "
            "your dataset.",
            stacklevel=4,
        )
        return True

    def _warn_of_loss(self, epoch: int, values: Mapping[str, Any], metrics: Any) -> None:
        """Warns, once, if the loss is not finite; the step is looked up only then."""
        loss = values.get("loss", 0.0)
        finite = math.isfinite(loss) if isinstance(loss, float) else np.isfinite(loss).all()
        if self._warned or finite:
            return
        self._warned = True
        step = self.bad_step(metrics)
        warnings.warn(
            f"The loss is {loss}: it was not finite for the first time in epoch "
            f"{epoch + 1}{f', step {step}' if step else ''} (counted from 1). Look for NaNs in the "
            "data, or lower the learning rate; after `keras.config.debug_nans()`, `fit` stops "
            "there and names the first layer whose outputs hold a NaN.",
            RuntimeWarning,
            stacklevel=5,
        )

    def run_epoch(self, steps: int | None) -> Mapping[str, Any]:
        """Runs one epoch; returns its logs, still on the device."""
        logs: Mapping[str, Any] = {}
        self.metrics = self.fresh_metrics()
        started = self.done > 0
        by_batch = self.callbacks.wants_batches("train")
        done = self.done = 0
        late: tuple[int, Mapping[str, Any]] | None = None  # a chunk's end, to be shown a chunk late
        self.pace.start()

        def length() -> int | None:
            ahead = self.callbacks.steps_ahead("train", done) if by_batch else None
            return self.pace.length(ahead)

        def idle() -> bool:
            return all(
                a.is_ready() for a in jax.tree.leaves(self.metrics) if hasattr(a, "is_ready")
            )

        for chunk in self.feed.chunks(length, steps, idle):
            if by_batch:
                self.callbacks.on_train_batch_begin(done)
            logs = self._run(chunk)
            done = self.done = done + chunk.steps
            if by_batch:
                values = fetch(logs)
                self.callbacks.on_train_batch_end(done - 1, values)
                self._show(done, values)
            elif self.progress is not None or self.feed.streams:
                # Also keeps the host from sending more than two chunks of a stream ahead.
                if late is not None:
                    self._show(late[0], fetch(late[1]))
                late = (done, logs)
            if self.should_stop():
                break
        if done == 0 and not started:
            raise ValueError(
                "The training data gave no batches: it is empty, or the generator has ended. "
                "Pass data with at least one sample (and a new generator for each fit)."
            )
        return logs

    def _run(self, chunk: Chunk) -> Mapping[str, Any]:
        """Runs a chunk; returns the logs at its end, still on the device."""
        with self.interrupts.held():
            state = self.cells.read(self.metrics)
            state, logs = chunk.run(self.run_chunk, state, chunk.resident)
            self.cells.write(state)
            self.metrics = state.metrics
        return logs

    def _show(self, done: int, logs: Mapping[str, Any]) -> None:
        if self.progress is not None:
            self.pace.note(done - self.progress.done)
            self.progress.update(done, logs)


def evaluate(
    feed: Feed,
    run_chunk: Callable[..., tuple[EvalState, Mapping[str, Any]]],
    variables: Any,
    written: list[str],
    fresh_metrics: Any,
    callbacks: Any,
    progress: Any = None,
    pace: Pace | None = None,
    steps: int | None = None,
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Runs one evaluation; returns its logs, on the device, and the state that was written."""
    pace = pace or Pace()
    carry = EvalState({path: variables.state[path] + 0 for path in written}, fresh_metrics)
    by_batch = callbacks is not None
    done = 0

    def length() -> int | None:
        return pace.length(callbacks.steps_ahead("test", done) if by_batch else None)

    for chunk in feed.chunks(length, steps):
        if by_batch:
            callbacks.on_test_batch_begin(done)
        carry, logs = chunk.run(run_chunk, carry, (variables, chunk.resident))
        done += chunk.steps
        if by_batch:
            callbacks.on_test_batch_end(done - 1, fetch(logs))
        if progress is not None:
            values = fetch(logs)
            pace.note(chunk.steps)
            progress.update(done, values)
    if done == 0:
        raise ValueError("The evaluation data gave no batches: pass at least one sample.")
    return logs, carry.state
