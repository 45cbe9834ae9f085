"""Epochs' logs as a CSV file."""

import csv
import os
from typing import Any

import jax
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
        >>> import pathlib, tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "log.csv")
        ...     log = keras.callbacks.CSVLogger(path)
        ...     history = model.fit(x, x, epochs=2, verbose=0, callbacks=[log])
        ...     path.read_text().split()[0]
        'epoch,loss,val_loss'
    """

    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self._columns: list[str] | None = None  # known from the first epoch

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._columns = None
        if not self.append:
            open(self.filename, "w").close()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
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


def _as_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple, np.ndarray, jax.Array)) and np.ndim(value) > 0:
        return f'"[{", ".join(map(str, value))}]"'
    return value
