"""Lowering the learning rate when a value does not improve any more."""

import warnings
from typing import Any

from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import count
from jkeras.callbacks.console import say
from jkeras.callbacks.monitor import MonitorCallback, available, check_patience


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a value has not improved for some epochs.

    The learning rate is an array of the optimizer's state: nothing is compiled again. It is
    recorded in the history as `learning_rate`.

    Args:
        monitor: The name of the value.
        factor: What to multiply by; less than 1.
        patience: After how many epochs without improvement.
        verbose: 1 to say so.
        mode: `"min"`, `"max"` or `"auto"`: known from the metric.
        min_delta: What is less than this is not an improvement.
        cooldown: How many epochs to let pass after a change.
        min_lr: The lowest learning rate.
        **kwargs: `epsilon`: Keras 2's name of `min_delta`.

    Raises:
        ValueError: If `factor` is not less than 1.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.25), "mse")
        >>> reduce = keras.callbacks.ReduceLROnPlateau(
        ...     "loss", factor=0.5, patience=2, min_delta=100.0
        ... )
        >>> x = np.ones((8, 1))
        >>> history = model.fit(x, x, epochs=6, verbose=0, callbacks=[reduce])
        >>> [float(rate) for rate in history.history["learning_rate"]]
        [0.25, 0.25, 0.25, 0.125, 0.125, 0.0625]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ):
        if "epsilon" in kwargs:
            warn_deprecated("`epsilon` of ReduceLROnPlateau is called `min_delta` now.")
            min_delta = kwargs.pop("epsilon")
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau got unknown arguments: {sorted(kwargs)}.")
        if factor >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}"
            )
        if factor < 0:
            raise ValueError(
                "ReduceLROnPlateau does not support a negative factor: learning rates are not "
                f"negative. Received factor={factor}. Give a number from 0 to 1."
            )
        super().__init__(monitor, mode, min_delta)
        check_patience(patience)
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = count("cooldown", cooldown, 0), min_lr
        self.wait = self.cooldown_counter = 0

    _state = ("best", "cooldown_counter", "wait")

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_train_begin(logs)
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = {} if logs is None else logs
        for name, optimizer in self.model.optimizer.rated_optimizers.items():
            logs[name] = float(optimizer.learning_rate)
        current = logs.get(self.monitor)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not "
                f"available. Available metrics are: {available(logs)}.",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
        if self.is_improvement(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        for name, optimizer in self.model.optimizer.rated_optimizers.items():
            rate = float(optimizer.learning_rate)
            if rate <= self.min_lr:
                continue
            rate = max(rate * self.factor, self.min_lr)
            optimizer.learning_rate = rate
            if self.verbose > 0:
                what = f"{name.removeprefix('learning_rate').lstrip('_')} learning rate".lstrip()
                say(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing {what} to {rate}.")
            self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        """Says whether the last change was too recent for another."""
        return self.cooldown_counter > 0
