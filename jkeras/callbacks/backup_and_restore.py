"""Going on with a training that was interrupted."""

import datetime
import functools
import os
import re
import time
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np

from jkeras.base import settings
from jkeras.callbacks import backup_file, backup_shards
from jkeras.callbacks.callback import Callback, Changes
from jkeras.callbacks.every_batches import EveryBatches, check_frequency
from jkeras.core import placement, processes
from jkeras.training.loop import Pace

_UNITS = {"s": 1, "min": 60, "h": 3600}
# Epochs that take longer than so many seconds are cut, so that a signal is heard within them.
_LONG_EPOCH = 5.0


class BackupAndRestore(Callback):
    """Keeps a backup of the training, from which the same script goes on after it was killed.

    Run the script again: `fit` loads the backup and goes on after the batch with which it was
    written. The training ends, bit for bit, as one that was not interrupted: the weights, the
    optimizer's state, the metrics of the epoch, the history (also of the epochs before), the
    random numbers, the order of the data, and what other callbacks know. Those of this library
    say it; one of your own does so by `get_state` and `set_state` (see `Callback`). A validation
    that was under way starts over.

    A backup is written by a thread while training goes on, at most one at a time. It takes the
    place of the one before when it is complete, so that there is always one that can be read. One
    that falls due within an epoch while the disk is still busy with the one before is left out:
    training does not wait for the disk.
    Ctrl-C and SIGTERM, which a machine that is taken away sends, end the training after a backup.

    What gives batches goes on where it stood: a `PyDataset` by the number of the batch (its hooks
    `on_epoch_begin` and `on_epoch_end` are called for the epochs before), iterators and loaders
    that have `get_state` and `set_state`, or `state_dict` and `load_state_dict`, by these. For a
    generator, the batches that were taken before are made again and thrown away.

    Under a distribution each process writes its parts of the arrays, with Orbax, and training waits
    for it. The training may go on with another number of devices or processes, or on another mesh;
    its losses then are the same but for the order of sums.

    Args:
        backup_dir: A folder for this `fit` only; it is made.
        save_freq: When to write: `"epoch"`: after each; a number of batches; or a time, as a
            `datetime.timedelta` or a string such as `"30s"`, `"10min"`, `"2h"`.
        double_checkpoint: Whether to keep the backup before the last one, too, for the case that
            the disk loses the last one.
        delete_checkpoint: Whether to delete the backup at the end of a training. If not, the
            script that is run once more trains nothing, and has the finished model; with more
            `epochs`, it trains those.

    Raises:
        ValueError: If `save_freq` is not one of these; in training, if the backup is damaged, or
            that of another program, model or version.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> def fit(fails_in=None):
        ...     def fail(epoch, logs):
        ...         print("epoch", epoch)
        ...         if epoch == fails_in:
        ...             raise RuntimeError("power cut")
        ...
        ...     callbacks = [
        ...         keras.callbacks.BackupAndRestore(f"{folder}/backup"),
        ...         keras.callbacks.LambdaCallback(on_epoch_begin=fail),
        ...     ]
        ...     x = np.ones((8, 1))
        ...     return model.fit(x, x, epochs=4, verbose=0, callbacks=callbacks)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     try:
        ...         fit(fails_in=2)
        ...     except RuntimeError:
        ...         print(fit().epoch)
        epoch 0
        epoch 1
        epoch 2
        epoch 2
        epoch 3
        [0, 1, 2, 3]
    """

    _comes_last = True  # so that a backup has what the others know after the same batch

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: int | str | datetime.timedelta = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        if not backup_dir or not os.fspath(backup_dir):
            raise ValueError("Empty `backup_dir` argument passed")
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._seconds = _seconds(save_freq)
        if self._seconds is None:
            check_frequency(save_freq, ", or a time such as '30s', '10min' or '2h'")
        in_batches = self._seconds is None and save_freq != "epoch"
        self._every = EveryBatches(int(save_freq)) if in_batches else None  # type: ignore[arg-type]
        self._latest = Path(self.backup_dir, "latest.backup").expanduser()
        self._previous = self._latest.with_name("previous.backup")
        self._written = self._epoch_began = 0.0  # when
        self._done = 0  # batches of the epoch
        self._pace: Pace | None = None
        self._changes: Changes | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future | None = None
        self._copies: dict[str, np.ndarray] = {}  # of the arrays, written over by the next backup
        self._lock: IO[bytes] | None = None

    # -------------------------------------------------------------- when
    def steps_ahead(self, mode: str, batch: int) -> int | None:
        if mode != "train":
            return None
        counts = [None if self._every is None else self._every.left]
        paced = None if self._pace is None else self._pace.length()
        if paced is not None and placement.spans_processes():
            paced = processes.first(paced)  # it follows from a clock
        counts.append(paced)
        return min((count for count in counts if count is not None), default=None)

    def get_state(self) -> dict[str, Any] | None:
        every = None if self._every is None else self._every.state
        return {"every": every, "done": self._done}

    def set_state(self, state: dict[str, Any]) -> None:
        if self._every is not None and state["every"] is not None:
            self._every.state = state["every"]
        self._done = state["done"]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        fit = self._fit("BackupAndRestore")
        self._pace = None if self._seconds is None else Pace(refresh=min(1.0, self._seconds / 4))
        self._changes = Changes(fit.callbacks)
        fit.guard(self)
        if processes.writes_files():
            self._lock = backup_file.lock(self._latest.parent)
        state = self._read()
        if state is not None:
            self.model.set_training_state(state)
        else:
            self._save()  # what comes before the first batch is not drawn again either
        self._written = self._epoch_began = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch_began, self._done = time.monotonic(), 0
        if self._pace is not None:
            self._pace.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._pace is not None:
            self._pace.note(batch + 1 - self._done)
        self._done = batch + 1
        if self._every is not None and self._every.note(batch) and not self._is_busy():
            self._save()
        self._save_in_time()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save()
        long = time.monotonic() - self._epoch_began > _LONG_EPOCH
        # Several processes hear of a signal in time anyway.
        if self._pace is None and long and not placement.spans_processes():
            self._pace = Pace(refresh=1.0)
        self._save_in_time()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.close()
        if self.delete_checkpoint:
            self._delete()
        else:
            self._save()

    def _save_in_time(self) -> None:
        if self._seconds is None:
            return
        due = time.monotonic() - self._written >= self._seconds and not self._is_busy()
        if processes.first(due) if placement.spans_processes() else due:
            self._save()

    # -------------------------------------------------------------- writing
    def _fit(self, what: str) -> Any:
        fit = getattr(self.model, "_fitting", None)
        if fit is None:
            raise ValueError(f"`{what}` works while `fit` is running: pass it in `callbacks`.")
        return fit

    def _save(self) -> None:
        sharded = placement.current() is not None  # then it is written before the next step
        self._wait()
        fit = self._fit("BackupAndRestore")
        self.keep(fit.read(copies=not sharded, into=self._copies))

    def _is_busy(self) -> bool:
        """Says whether a backup is being written; not when it has failed, which must be heard."""
        return self._writing is not None and not self._writing.done()

    def keep(self, state: dict[str, Any]) -> None:
        """Begins to write a state, when the one before is written."""
        changed = self._changes.names() if self._changes is not None else []
        if changed:
            warnings.warn(
                f"BackupAndRestore: the callbacks {', '.join(changed)} change while they train, "
                "but do not say what they must know to go on in another process: write their "
                "methods get_state(self) and set_state(self, state). (If there is nothing to "
                "know, let get_state return None.)",
                stacklevel=2,
            )
        if placement.current() is not None:
            keep = 2 if self.double_checkpoint else 1
            backup_shards.write(self._latest.parent, state, _versions(), keep)
            self._delete_files()
            self._written = time.monotonic()
            return
        packed = backup_file.Packed(
            {**state, "callbacks": backup_file.Packed(state["callbacks"], copies=True)}
        )
        self._wait()
        self._written = time.monotonic()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "jkeras-backup")
        previous = self._previous if self.double_checkpoint else None
        self._writing = self._thread.submit(packed.write, self._latest, _versions(), previous)

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self) -> None:
        """Waits until all is written.

        Raises:
            OSError: If it could not be written.
        """
        thread, self._thread = self._thread, None
        self._copies = {}
        lock, self._lock = self._lock, None
        try:
            if thread is not None:
                thread.shutdown()
            self._wait()
        finally:
            if lock is not None:
                lock.close()

    def _delete(self) -> None:
        """Deletes the backups, and the folder if there is nothing else in it."""
        folder = self._latest.parent
        backup_shards.delete(folder)
        self._delete_files()
        if processes.writes_files():
            (folder / backup_file.LOCK).unlink(missing_ok=True)
        if processes.writes_files() and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()

    def _delete_files(self) -> None:
        for path in (self._latest, self._previous) if processes.writes_files() else ():
            backup_file.delete(path)

    # -------------------------------------------------------------- reading
    def _read(self) -> dict[str, Any] | None:
        """Returns the last state that can be read; None if there is none.

        Raises:
            ValueError: If there are files, but none can be read.
        """
        problem: Exception | None = None
        if self._latest.with_name("latest.msgpack").exists():
            problem = ValueError("an older jkeras has written it, in version 1 of the format")
        sharded = backup_shards.latest(self._latest.parent)
        files = [path for path in (self._latest, self._previous) if path.exists()]
        if sharded is not None:  # a training on one device may have gone on with it, or before it
            later = files and files[0].stat().st_mtime > backup_shards.written_at(sharded)
            files.insert(1 if later else 0, sharded)
        for path in files:
            try:
                reader = backup_shards if path == sharded else backup_file
                header, state = reader.read(path)
            except Exception as error:  # whatever a damaged file leads to
                problem = problem or error
                continue
            if problem is not None:
                warnings.warn(f"{problem}. Going on from {path.name}.", stacklevel=2)
            self._compare(header)
            return state
        if problem is not None:
            raise ValueError(
                f"The backup in {self.backup_dir} cannot be read: {problem}. Delete the folder to "
                "start from the beginning."
            ) from problem
        return None

    def _compare(self, header: dict[str, Any]) -> None:
        """Warns if something else than this program's libraries has written a backup."""
        differing = [
            f"{name} {header.get(name)} (now {now})"
            for name, now in _versions().items()
            if header.get(name) != now
        ]
        if differing:
            warnings.warn(
                f"The backup in {self.backup_dir} was written with {', '.join(differing)}: the "
                "training goes on, but its numbers may differ in their last bits from those of a "
                "training that was not interrupted.",
                stacklevel=2,
            )


@functools.cache
def _versions() -> dict[str, str]:
    return {
        "jkeras": settings.VERSION,
        "jax": jax.__version__,
        "numpy": np.__version__,
        "device": jax.devices()[0].device_kind,
    }


def _seconds(frequency: Any) -> float | None:
    """Returns the seconds of a time; None for anything else."""
    if isinstance(frequency, datetime.timedelta):
        seconds = frequency.total_seconds()
    elif isinstance(frequency, str) and re.fullmatch(r"[0-9.]+ *(s|min|h)", frequency):
        number = re.match("[0-9.]+", frequency)[0]  # type: ignore[index]
        try:
            seconds = float(number) * _UNITS[frequency.removeprefix(number).strip()]
        except ValueError:
            return None
    else:
        return None
    return seconds if seconds > 0 else None
