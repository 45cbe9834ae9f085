"""Hyperparameters for TensorBoard."""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from jkeras.callbacks.callback import Callback
from jkeras.callbacks.curves import is_number
from jkeras.callbacks.event_files import EventFile


class HParams(Callback):
    """Writes a training's hyperparameters for TensorBoard's HParams page, which compares trainings.

    The page has a row for each training whose folder is below the one that TensorBoard shows: its
    hyperparameters, and the losses and metrics of its last epoch. Give each a folder of its own,
    which may be the one of its `TensorBoard` callback.

    Args:
        log_dir: The folder to write to.
        hparams: The hyperparameters by name: numbers, booleans and texts; of anything else the
            text that `str` gives.
        trial_id: A name; the page joins trainings that have the same one to a group. By default
            those with equal hyperparameters are a group.

    Raises:
        ValueError: If there are no hyperparameters.

    Example:
        >>> import os, tempfile, numpy as np, jkeras as keras
        >>> def train(rate, folder):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(rate), "mse")
        ...     hparams = keras.callbacks.HParams(f"{folder}/rate_{rate}", {"learning_rate": rate})
        ...     model.fit(np.ones((8, 1)), np.ones((8, 1)), verbose=0, callbacks=[hparams])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for rate in (0.01, 0.1):
        ...         train(rate, folder)
        ...     sorted(os.listdir(folder))
        ['rate_0.01', 'rate_0.1']
    """

    _state = ("_last",)

    def __init__(
        self,
        log_dir: str | os.PathLike,
        hparams: Mapping[str, Any],
        trial_id: str | None = None,
    ):
        if not hparams:
            raise ValueError("`hparams` must have at least one hyperparameter, got none.")
        self.log_dir = os.fspath(log_dir)
        self.hparams = {str(name): _plain(value) for name, value in hparams.items()}
        text = json.dumps(self.hparams, sort_keys=True)
        self.trial_id = trial_id or hashlib.sha256(text.encode()).hexdigest()[:16]
        self._file = EventFile(self.log_dir)
        self._last: dict[str, Any] = {}  # the numbers of the last epoch, and which it was

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._last = {}
        self._file.close()  # that of an earlier training
        self._file.session_start(self.hparams, self.trial_id)
        self._file.flush()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        numbers = {name: float(v) for name, v in (logs or {}).items() if is_number(v)}
        self._last = {"epoch": epoch, "logs": numbers}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        numbers = self._last.get("logs", {})
        for name, value in numbers.items():
            self._file.scalar(name, value, self._last["epoch"])
        self._file.session_end(failed=not all(np.isfinite(v) for v in numbers.values()))
        self._file.close()


def _plain(value: Any) -> bool | float | str:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if is_number(value) and isinstance(value, (int, float, np.number)):
        return float(value)
    return value if isinstance(value, str) else str(value)
