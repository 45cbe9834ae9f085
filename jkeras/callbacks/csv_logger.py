"""Epochs' logs as a CSV file."""

import csv
import os
import warnings
from typing import Any

import jax
import numpy as np

from jkeras.callbacks.callback import Callback
from jkeras.core import processes


class CSVLogger(Callback):
    """Writes each epoch's logs as one row of a CSV file.

    The columns are `epoch` and the names in the first epoch's logs, in order. A value that an
    epoch does not have is `NA`. As in Keras, if the first epoch was not validated, there are also
    columns for what validation would give.

    Args:
        filename: The path of the file.
        separator: What stands between two values.
        append: Whether to write at the end of a file that is there already.

    Example:
        >>> import pathlib, tempfile, numpy as np, jkeras as keras
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "log.csv")
        ...     log = keras.callbacks.CSVLogger(path)
        ...     history = model.fit(x, x, epochs=2, verbose=0, callbacks=[log])
        ...     print(path.read_text())
        epoch,loss,val_loss
        0,0.0,NA
        1,0.0,NA
        <BLANKLINE>
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self._columns: list[str] | None = None  # known from the first epoch
        self._begins = False  # whether what is in the file belongs to an earlier training
        self._synced = -1  # the size that is on the disk for sure

    def get_state(self) -> dict[str, Any]:
        size = 0 if self._begins else _size(self.filename)
        if size != self._synced and os.path.exists(self.filename):
            with open(self.filename, "rb") as file:
                os.fsync(file.fileno())  # rows that a backup counts must outlast a power cut
            self._synced = size
        return {"columns": self._columns, "size": size}

    def set_state(self, state: dict[str, Any]) -> None:
        self._columns, self._begins, size = state["columns"], False, state["size"]
        if not processes.writes_files():
            return
        if _size(self.filename) < size:
            warnings.warn(
                f"CSVLogger: {self.filename!r} has lost rows of epochs that were trained before: "
                f"it has {_size(self.filename)} bytes of {size}. They are in the history.",
                stacklevel=2,
            )
        elif os.path.exists(self.filename):
            os.truncate(self.filename, size)  # rows of epochs that are trained again

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        # A training that goes on keeps the file: it is emptied when that is known not to be so.
        self._columns, self._begins = None, not self.append

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._empty()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._empty()

    def _empty(self) -> None:
        if self._begins and processes.writes_files():
            open(self.filename, "w").close()
        self._begins = False

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not processes.writes_files():
            return
        row = {name: _as_cell(value) for name, value in sorted((logs or {}).items())}
        with open(self.filename, "a", newline="") as file:
            if self._columns is None:
                self._columns = list(row)
                if not any(name.startswith("val_") for name in row):
                    self._columns += [f"val_{name}" for name in row]
            writer = csv.DictWriter(
                file, ["epoch", *self._columns], "NA", extrasaction="ignore", delimiter=self.sep
            )
            if file.tell() == 0:
                writer.writeheader()
            writer.writerow({"epoch": epoch, **row})


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _as_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray, jax.Array)) and np.ndim(value) > 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
