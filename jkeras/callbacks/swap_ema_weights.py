"""Evaluating a model with the moving averages of its weights."""

from typing import Any

from jkeras.callbacks.callback import Callback


class SwapEMAWeights(Callback):
    """Puts the moving averages of the weights in their place, for validation and evaluation.

    The optimizer must keep them: `keras.optimizers.Adam(use_ema=True)`.

    Args:
        swap_on_epoch: Whether to have the averages in place at the end of epochs, too, so that
            callbacks after this one (such as `ModelCheckpoint`) see and save them.

    Raises:
        ValueError: In training, if the optimizer keeps no averages.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(use_ema=True), "mse")
        >>> x = np.ones((8, 1))
        >>> swap = keras.callbacks.SwapEMAWeights()
        >>> history = model.fit(x, x, validation_data=(x, x), verbose=0, callbacks=[swap])
    """

    def __init__(self, swap_on_epoch: bool = False):
        self.swap_on_epoch = swap_on_epoch
        self._swapped_at_epoch = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._swap_back_after_epoch()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap()
            self._swapped_at_epoch = True

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap()

    on_predict_begin, on_predict_end = on_test_begin, on_test_end
