"""A learning rate for each epoch."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from jkeras.callbacks.callback import Callback
from jkeras.callbacks.console import say


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    It is recorded in the history as `learning_rate`.

    Args:
        schedule: A function of the epoch's number (from zero) and of the current learning rate, or
            of the number only, that returns the new one.
        verbose: 1 to print it.

    Raises:
        ValueError: In training, if the function does not return a number, or the optimizer's
            learning rate cannot be set.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(0.5), "mse")
        >>> halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
        >>> x = np.ones((8, 1))
        >>> history = model.fit(x, x, epochs=2, verbose=0, callbacks=[halve])
        >>> history.history["learning_rate"]
        [0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for name, optimizer in self.model.optimizer.rated_optimizers.items():
            rate = float(optimizer.learning_rate)
            rate = self.schedule(epoch, rate) if _takes_two(self.schedule) else self.schedule(epoch)
            if np.ndim(rate) or not np.issubdtype(np.asarray(rate).dtype, np.number):
                raise ValueError(
                    f"The output of the `schedule` function should be a float. Got: {rate}"
                )
            optimizer.learning_rate = float(rate)
            if self.verbose > 0:
                what = f"{name.removeprefix('learning_rate').lstrip('_')} learning rate".lstrip()
                say(f"\nEpoch {epoch + 1}: LearningRateScheduler setting {what} to {rate}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            for name, optimizer in self.model.optimizer.rated_optimizers.items():
                logs[name] = float(optimizer.learning_rate)


def _takes_two(schedule: Callable[..., float]) -> bool:
    try:
        signature = inspect.signature(schedule)
    except ValueError:  # a builtin that does not tell
        return True
    try:
        signature.bind(0, 0.1)
    except TypeError as error:
        try:
            signature.bind(0)
        except TypeError:
            raise TypeError(
                "The `schedule` function of LearningRateScheduler is called as schedule(epoch) or "
                f"schedule(epoch, learning_rate), but it takes {signature}: {error}."
            ) from None
        return False
    return True
