"""Saving the model while it is trained."""

import os
import warnings
from typing import Any

import numpy as np

from jkeras.base.deprecation import warn_deprecated
from jkeras.callbacks.console import say
from jkeras.callbacks.every_batches import EveryBatches, check_frequency
from jkeras.callbacks.monitor import MonitorCallback


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or after every n-th batch.

    A file holds all of the model, under a distribution too: it is gathered in the memory of each
    process, and one of them writes. `OrbaxCheckpoint` writes in parts.

    Args:
        filepath: The path, which may hold `{epoch}` and `{batch}` (counted from one) and names of
            the logs, with formats: `"weights-{epoch:02d}-{val_loss:.2f}.keras"`. A model's file
            ends in `.keras` or `.h5`, one with the weights only in `.weights.h5` or
            `.safetensors`.
        monitor: With `save_best_only`, the name of the value that decides.
        verbose: 1 to say what is saved.
        save_best_only: Whether to save only if the value is better than at the last time.
        save_weights_only: Whether to save the weights only.
        mode: `"min"`, `"max"` or `"auto"`: known from the metric.
        save_freq: `"epoch"`, or a number of batches. Between two saves training runs in chunks of
            many steps.
        initial_value_threshold: With `save_best_only`, a value to be better than.
        **kwargs: `period=n` of Keras 2, which saves after each n-th epoch, with a warning.

    Raises:
        ValueError: If the path's ending or `save_freq` is not one of these.
        KeyError: In training, if the path holds a name that the logs do not have.

    Example:
        >>> import os, tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save = keras.callbacks.ModelCheckpoint(
        ...         f"{folder}/{{epoch:02d}}.weights.h5", save_weights_only=True
        ...     )
        ...     history = model.fit(x, x, epochs=2, verbose=0, callbacks=[save])
        ...     sorted(os.listdir(folder))
        ['01.weights.h5', '02.weights.h5']
    """

    def __init__(
        self,
        filepath: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(monitor, mode)
        self._period = kwargs.pop("period", 1)
        if self._period != 1:
            warn_deprecated("`period=` is Keras 2's: use `save_freq=`, a number of batches.")
        if kwargs:
            raise TypeError(f"ModelCheckpoint has no arguments {sorted(kwargs)}.")
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        check_frequency(save_freq)
        is_old = not os.path.splitext(self.filepath)[1]  # a name as Keras 2 took it
        ends = (".weights.h5", ".safetensors")
        if save_weights_only and not is_old and not self.filepath.endswith(ends):
            raise ValueError(
                "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided "
                "must end in `.weights.h5` (Keras weights format) or `.safetensors`. "
                f"Received: filepath={filepath}"
            )
        if not (save_weights_only or is_old or self.filepath.endswith((".keras", ".h5"))):
            raise ValueError(
                "The filepath provided must end in `.keras` (Keras model format) or `.h5`. "
                f"Received: filepath={filepath}"
            )
        self._epoch = 0
        self._every = None if save_freq == "epoch" else EveryBatches(int(save_freq))

    def get_state(self) -> dict[str, Any]:
        every = None if self._every is None else self._every.state
        return {"best": self.best, "epoch": self._epoch, "every": every}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._epoch = state["best"], state["epoch"]
        if self._every is not None and state["every"] is not None:
            self._every.state = state["every"]

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        return self._every.left if self._every is not None and mode == "train" else None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.save_best_only:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is not None and self._every.note(batch):
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is None and (epoch + 1) % self._period == 0:
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        path = self._path(epoch, batch, logs)
        if not self._is_due(epoch, path, logs):
            return
        if os.path.dirname(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(path) and os.path.splitext(path)[1]:
            raise IsADirectoryError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an "
                f"existing directory: {path}"
            )
        if self.save_weights_only:
            self.model.save_weights(path, overwrite=True)
        else:
            self.model.save(path, overwrite=True)
        self._say(epoch, f"finished saving model to {path}")

    def _is_due(self, epoch: int, path: str, logs: dict[str, Any]) -> bool:
        """Says whether to save; without `save_best_only`, or the value it needs, always."""
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        value = logs.get(self.monitor)
        if value is None or np.ndim(value):
            what = (
                f"with {self.monitor} available."
                if value is None
                else f"when `monitor` is a scalar value. Received: {value}. Falling back to "
                "`save_best_only=False`."
            )
            warnings.warn(f"Can save best model only {what}", stacklevel=2)
            return True
        if not self.is_improvement(value, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
            return False
        before = "None" if self.best is None else f"{self.best:.5f}"
        change = f"{self.monitor} improved from {before} to {value:.5f}"
        self._say(epoch, f"{change}, saving model to {path}")
        self.best = value
        return True

    def _say(self, epoch: int, what: str) -> None:
        if self.verbose > 0:
            say(f"\nEpoch {epoch + 1}: {what}")

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            return self.filepath.format(**{**logs, **numbers})
        except (KeyError, ValueError, IndexError) as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}. '
                f"It may use the names: {', '.join({**numbers, **logs})}"
            ) from None
