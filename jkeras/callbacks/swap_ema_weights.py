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
        self._own: list[Any] | None = None  # the weights' own values while averages are in place

    _state = ("_own",)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._check_averages()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._put_back()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._put_averages()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._put_averages()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._put_back()

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._put_averages()

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._put_back()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._own = None  # at the end of `fit` the averages take the place of the weights for good

    def _check_averages(self) -> Any:
        optimizer = self.model.optimizer
        if not any(part.use_ema for part in optimizer.rated_optimizers.values()):
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. "
                f"Received: use_ema={optimizer.use_ema}"
            )
        return optimizer

    def _put_averages(self) -> None:
        averages = self._check_averages().averages()
        weights = self.model.trainable_variables
        self._own = [weight.value for weight in weights]
        for weight in weights:
            if weight in averages:  # there are none before the first training step
                weight.assign(averages[weight].value)

    def _put_back(self) -> None:
        if self._own is not None:
            for weight, value in zip(self.model.trainable_variables, self._own, strict=True):
                weight.assign(value)
        self._own = None
