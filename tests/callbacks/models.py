"""What the tests of callbacks train."""

import time

import numpy as np

import jkeras as keras

X = np.random.default_rng(0).random((10, 2)).astype("float32")
Y = X.sum(1, keepdims=True)


def linear(**compile_arguments):
    """Returns a compiled model with two weights and no bias."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compile_arguments})
    return model


class PatientBackup(keras.callbacks.BackupAndRestore):
    """Waits for the disk, so that no backup is left out where that is slow."""

    def _is_busy(self):
        while super()._is_busy():
            time.sleep(0.001)
        return False


class Values(keras.callbacks.Callback):
    """Puts given values into the logs of epochs; None puts nothing."""

    def __init__(self, name, values):
        self.name, self.values = name, values

    def on_epoch_end(self, epoch, logs=None):
        if self.values[epoch] is not None:
            logs[self.name] = self.values[epoch]
