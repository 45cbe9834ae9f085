"""The loop over chunks of steps, for training, evaluation and prediction; and epochs of it.

It is handed a feed, a function that takes a chunk of its steps, and those who listen; it knows no
model and no callback class.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from jkeras.base.platforms import platform
from jkeras.base.types import Structure
from jkeras.training.feeds import Chunk, Feed
from jkeras.training.haste import Backlog

Logs = Mapping[str, Any]


class Callbacks(Protocol):
    """What the loop asks of a list of callbacks, besides its hooks."""

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

    Attributes:
        fixed: The number of steps, if it is fixed.
    """

    def __init__(self, fixed: int | None = None, refresh: float | None = None):
        self._length, self.fixed = fixed, fixed
        self._refresh = None if fixed is not None else refresh
        self._mark = time.perf_counter()
        if self._refresh is not None:
            self._length = 1

    @property
    def refreshes(self) -> bool:
        """Whether the length is found by measuring."""
        return self._refresh is not None

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

    def agree(self, length: int) -> None:
        """Takes a length that another process has found; 0 for none."""
        if self._refresh is not None and length:
            self._length = length

    def start(self) -> None:
        """Says that steps start now: what was before was not time spent in steps."""
        self._mark = time.perf_counter()


class Listeners(NamedTuple):
    """Who wants to know of steps, and how often.

    Attributes:
        callbacks: The callbacks.
        pace: Chooses the chunks' lengths.
        progress: Shows (steps done, logs) as chunks end; None for nothing.
        should_stop: Says whether a callback asked to stop.
        reached: Hears how many steps have ended, and the logs (maybe still on the device), before
            anybody else does.
        pause: Called when everybody has heard of a chunk's end, and the next one has not begun.
        meet: Called with where this process stands, before a chunk is run and when the last one has
            ended; None where there is no other process to compare with.
    """

    callbacks: Any
    pace: Pace
    progress: Any = None
    should_stop: Callable[[], bool] = lambda: False
    reached: Callable[[int, Logs], None] = lambda done, logs: None
    pause: Callable[[], None] = lambda: None
    meet: Callable[[str], None] | None = None

    def show(self, done: int, logs: Logs) -> None:
        """Says that `done` steps have ended."""
        if self.progress is not None:
            if self.meet is None:
                self.pace.note(done - self.progress.done)
            self.progress.update(done, logs)


def fetch(logs: Logs) -> dict[str, Any]:
    """Returns logs as Python numbers and NumPy arrays; waits for the device."""
    if len(logs) > 1 and platform() != "cpu":  # all at once: each takes a while
        for value in jax.tree.leaves(dict(logs)):
            if isinstance(value, jax.Array):
                value.copy_to_host_async()
    values = {}
    for name, value in logs.items():
        array = jax.tree.map(np.asarray, value)
        values[name] = float(array) if isinstance(array, np.ndarray) and not array.ndim else array
    return values


def run_pass(
    mode: str,
    feed: Feed,
    take: Callable[[Chunk], Logs],
    listeners: Listeners,
    steps: int | None = None,
    begun: tuple[int, Logs] = (0, {}),
) -> tuple[int, Logs]:
    """Takes the chunks of one pass, or of so many steps.

    Args:
        mode: `"train"`, `"test"` or `"predict"`: which of the callbacks' batch hooks are called.
        feed: Where batches come from.
        take: Runs a chunk; returns the logs at its end, still on the device.
        listeners: Who wants to know.
        steps: The largest number of steps.
        begun: How many steps were taken before, in another process, and the logs after them.

    Returns:
        How many steps were taken, and the logs at the end.
    """
    callbacks, pace = listeners.callbacks, listeners.pace
    by_batch = callbacks.wants_batches(mode)
    shown = listeners.progress is not None and mode != "predict"
    done, logs = begun
    fresh = not done
    if not fresh:
        if listeners.should_stop():
            return done, logs
        if shown:
            listeners.show(done, logs)
    late: tuple[int, Logs] | None = None  # a chunk's end, to be shown a chunk late
    pace.start()

    def length() -> int | None:
        return pace.length(callbacks.steps_ahead(mode, done) if by_batch else None)

    def idle() -> bool:
        return all(a.is_ready() for a in jax.tree.leaves(dict(logs)))

    left = None if steps is None else steps - done
    for chunk in feed.chunks(length, left, idle, fresh):
        if by_batch:
            getattr(callbacks, f"on_{mode}_batch_begin")(done)
        if listeners.meet is not None:
            listeners.meet(f"{mode}, after {done} steps: {chunk.steps} of {_described(chunk)}")
        logs = take(chunk)
        first, done = done, done + chunk.steps
        listeners.reached(done, logs)
        if by_batch:
            values = fetch(logs)
            # As in Keras, the last of the steps that were to be taken, even where the data end.
            getattr(callbacks, f"on_{mode}_batch_end")(
                first + (pace.fixed or chunk.steps) - 1, values
            )
            listeners.show(done, values if shown else {})
        elif listeners.progress is not None or feed.streams:
            # Also keeps the host from sending more than two chunks of a stream ahead.
            if late is not None:
                values = fetch(late[1])
                listeners.show(late[0], values if shown else {})
            late = (done, logs)
        if listeners.meet is not None:
            jax.block_until_ready(logs)
            pace.note(chunk.steps)
        listeners.pause()
        if listeners.should_stop():
            break
    if listeners.meet is not None:
        listeners.meet(f"{mode}: the end, after {done} steps")
    return done, logs


def _described(chunk: Chunk) -> str:
    arrays = jax.tree.leaves((chunk.slots, chunk.rest))
    return ", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays)


class Training(Protocol):
    """What runs a chunk of training, and keeps the state between chunks; see `Epochs`.

    Attributes:
        metrics: The metrics' states of the epoch so far, or of the last one.
    """

    metrics: Any

    def begin(self) -> None:
        """Starts the metrics again."""

    def take(self, chunk: Chunk) -> Logs:
        """Runs a chunk; returns the logs at its end, still on the device."""

    def bad_step(self, metrics: Structure) -> int:
        """Returns the first step whose loss was not finite, for the metrics' states.

        0 if there was none, or if that is not known.
        """


class Place(NamedTuple):
    """Where training stands.

    Attributes:
        epoch: The number of the epoch under way, or of the next one.
        done: How many of its steps have ended.
        logs: The logs after them; they may still be on the device.
    """

    epoch: int
    done: int = 0
    logs: Logs = {}


class Epochs:
    """Runs epochs of training.

    Args:
        training: Runs chunks.
        feed: Where batches come from.
        listeners: Who wants to know.
        steps: Steps an epoch; None for one pass over the data.
        validate: For the number of an epoch, evaluates and returns logs on the device; None if it
            is not its turn.
        finish_epoch: Gets the number of each epoch, its logs as numbers, and its steps.

    Attributes:
        place: Where training stands: that of the epochs that somebody waits for, at least.
    """

    def __init__(
        self,
        training: Training,
        feed: Feed,
        listeners: Listeners,
        steps: int | None,
        validate: Callable[[int], Logs | None],
        finish_epoch: Callable[[int, dict[str, Any], int], None],
    ):
        self._training, self._feed = training, feed
        self._listeners = listeners
        self.place = Place(0)
        self._steps, self._validate, self._finish_epoch = steps, validate, finish_epoch
        self._warned = False  # of a loss that is not finite

    def _reached(self, done: int, logs: Logs) -> None:
        self.place = Place(self.place.epoch, done, logs)

    def run(self, place: Place, end: int) -> None:
        """Runs the epochs from a place on, and before the epoch `end`.

        Where nothing needs an epoch's logs at once, they are fetched when the next one has been
        dispatched: see `haste.Backlog`.
        """
        begun, epochs = (place.done, place.logs), range(place.epoch, end)
        self.place = place
        listeners = self._listeners._replace(reached=self._reached)
        callbacks, progress = listeners.callbacks, listeners.progress
        at_once = callbacks.wants_epochs or progress is not None
        # Several processes meet at the end of an epoch: how many wait must not follow from clocks.
        backlog = Backlog(self._finish, at_once or self._listeners.meet is not None)
        try:
            for epoch in epochs:
                if self._feed.has_ended and not begun[0]:
                    warn_of_end(f"{len(epochs) - epochs.index(epoch)} epochs are left")
                    break
                if not begun[0]:
                    self.place = Place(epoch)
                    callbacks.on_epoch_begin(epoch)
                    self._training.begin()
                if progress is not None:
                    progress.start(epoch)
                done, logs = run_pass(
                    "train", self._feed, self._training.take, listeners, self._steps, begun
                )
                begun = (0, {})
                ended_early = self._steps is not None and done < self._steps
                if ended_early and not self._listeners.should_stop():
                    warn_of_end(f"this epoch had {done} of {self._steps}")
                if not done and epoch == epochs[0]:
                    raise ValueError(
                        "The training data gave no batches: it is empty, or the generator has "
                        "ended. Pass data with at least one sample (and a new generator for each "
                        "fit)."
                    )
                if not done:
                    break
                logs = dict(logs)
                for name, value in (self._validate(epoch) or {}).items():
                    logs[f"val_{name}"] = value
                backlog.add(epoch, logs, self._training.metrics, done)
                if self._listeners.should_stop() or (ended_early and self._feed.has_ended):
                    break
        finally:
            backlog.close()

    def _finish(self, epoch: int, logs: Logs, metrics: Any, done: int) -> None:
        values = fetch(logs)
        self._warn_of_loss(epoch, values, metrics)
        if self._listeners.progress is not None and self._listeners.meet is None:
            self._listeners.pace.note(done - self._listeners.progress.done)
        self.place = Place(epoch + 1)
        self._finish_epoch(epoch, values, done)
        self._listeners.pause()

    def _warn_of_loss(self, epoch: int, values: Logs, metrics: Any) -> None:
        """Warns, once, if the loss is not finite; the step is looked up only then."""
        loss = values.get("loss", 0.0)
        finite = math.isfinite(loss) if isinstance(loss, float) else np.isfinite(loss).all()
        if self._warned or finite:
            return
        self._warned = True
        step = self._training.bad_step(metrics)
        warnings.warn(
            f"The loss is {loss}: it was not finite for the first time in epoch "
            f"{epoch + 1}{f', step {step}' if step else ''} (counted from 1). Look for NaNs in the "
            "data, or lower the learning rate; after `keras.config.debug_nans()`, `fit` stops "
            "there and names the first layer whose outputs hold a NaN.",
            RuntimeWarning,
            stacklevel=6,
        )


def warn_of_end(what: str, of: str = "training") -> None:
    """Warns that the data have ended before they should."""
    warnings.warn(
        f"Your input ran out of data; interrupting {of}. Make sure that your dataset or generator "
        f"can generate at least `steps_per_epoch * epochs` batches ({what}). You may need to use "
        "the `.repeat()` function when building your dataset.",
        stacklevel=5,
    )
