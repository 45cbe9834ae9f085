"""Epochs' logs as a CSV file."""

import csv
import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from jkeras.callbacks.callback import Callback


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
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = keras.callbacks.CSVLogger(f"{folder}/log.csv")
        ...     history = model.fit(x, x, epochs=2, verbose=0, callbacks=[log])
        ...     print(open(f"{folder}/log.csv").readline().strip())
        epoch,loss,val_loss
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self._file: Any = None
        self._writer: csv.DictWriter | None = None
        self._with_header = True

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._with_header = not (self.append and _has_text(self.filename))
        mode = "a" if self.append else "w"
        self._file = open(self.filename, mode, newline="")  # noqa: SIM115
        self._writer = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        row = {name: _as_cell(value) for name, value in sorted((logs or {}).items())}
        if self._writer is None:
            columns = list(row)
            if not any(name.startswith("val_") for name in columns):
                columns += [f"val_{name}" for name in columns]
            self._writer = csv.DictWriter(
                self._file,
                ["epoch", *columns],
                restval="NA",
                extrasaction="ignore",
                delimiter=self.sep,
            )
            if self._with_header:
                self._writer.writeheader()
        self._writer.writerow({"epoch": epoch, **row})
        self._file.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._file.close()
        self._writer = None


def _has_text(path: str) -> bool:
    return os.path.exists(path) and os.path.getsize(path) > 0


def _as_cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str) and np.ndim(value) > 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
