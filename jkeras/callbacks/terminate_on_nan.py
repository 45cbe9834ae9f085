"""Stopping when the loss is not a number any more."""

import math
from typing import Any

from jkeras.callbacks.callback import Callback
from jkeras.callbacks.console import say
from jkeras.training.loop import Pace

_LOOKS_EVERY = 0.1  # seconds


class TerminateOnNaN(Callback):
    """Stops training when the loss is NaN or infinite.

    The mean loss of the epoch so far stays NaN (or infinite) once a batch's loss was. So there is
    no need to look at every batch: this callback looks about ten times a second, and leaves
    training to run in chunks of many steps in between. The batch that it names is the one after
    which it looked, which may be some batches after the one that did it.

    Args:
        raise_error: Whether to raise an error, and not only stop.

    Raises:
        RuntimeError: In training, with `raise_error`, if the loss is NaN or infinite.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> stop = keras.callbacks.TerminateOnNaN()
        >>> x = np.full((8, 1), np.nan)
        >>> history = model.fit(x, x, epochs=9, verbose=0, callbacks=[stop])
        Batch 0: Invalid loss, terminating training
    """

    def __init__(self, raise_error: bool = False):
        self.raise_error = raise_error
        self._pace = Pace(refresh=_LOOKS_EVERY)
        self._seen = 0  # batches of this epoch

    _state = ("_seen",)

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        return self._pace.length() if mode == "train" else None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._seen = 0
        self._pace.start()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._pace.note(batch + 1 - self._seen)
        self._seen = batch + 1
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. "
                "Terminating training immediately."
            )
        say(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
