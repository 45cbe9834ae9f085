"""Stopping when a value does not improve any more."""

import warnings
from typing import Any

from jkeras.callbacks.console import say
from jkeras.callbacks.monitor import MonitorCallback, available, check_patience


class EarlyStopping(MonitorCallback):
    """Stops training when a value of the logs has not improved for some epochs.

    Args:
        monitor: The name of the value.
        min_delta: What is less than this is not an improvement.
        patience: After how many epochs without improvement to stop.
        verbose: 1 to say so.
        mode: `"min"`, `"max"` or `"auto"`: known from the metric.
        baseline: A value to be better than: epochs that are not count as epochs without
            improvement.
        restore_best_weights: Whether to end with the weights of the best epoch, and not with those
            of the last one. They are kept on the device, as one copy.
        start_from_epoch: How many epochs to let pass first.

    Attributes:
        best: The best value.
        best_epoch: Its epoch, counted from zero.
        best_weights: The weights after that epoch (with `restore_best_weights`): a list of arrays
            in the order of `model.get_weights()`.
        stopped_epoch: The epoch in which training was stopped; 0 if it was not.
        wait: The number of epochs since the last improvement.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.0), "mse")  # learns nothing
        >>> stop = keras.callbacks.EarlyStopping("loss", patience=3, restore_best_weights=True)
        >>> x = np.ones((8, 1))
        >>> history = model.fit(x, x, epochs=500, verbose=0, callbacks=[stop])
        >>> len(history.epoch)  # three epochs were no better than the first
        4
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta)
        check_patience(patience)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    _state = ("best", "best_epoch", "best_weights", "stopped_epoch", "wait")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep_weights(epoch)
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best = current
            self._keep_weights(epoch)
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def _keep_weights(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            # A weight whose value was shown copies it before a training step may destroy it.
            self.best_weights = [weight.value for weight in self.model.weights]

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                say(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: dict[str, Any] | None) -> float | None:
        """Returns the watched value of some logs; warns, and returns None, if it is not there."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {available(logs or {})}",
                stacklevel=3,
            )
        return value
