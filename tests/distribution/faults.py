"""What happens in a job of two processes when one of them stops, fails or dies.

`python -m tests.distribution.faults OUT`, in each process of a job; prints JSON of what was seen.
"""

import json
import os
import signal
import sys
import time

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"

import jax
import numpy as np

import jkeras as keras

X = np.random.default_rng(0).normal(size=(103, 8)).astype("float32")


class At(keras.callbacks.Callback):
    """Does something in the second process, in the second epoch."""

    def __init__(self, begin=None, end=None):
        super().__init__()
        self.begin, self.end = begin, end

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and jax.process_index() == 1 and self.begin is not None:
            self.begin(self.model)

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1 and jax.process_index() == 1 and self.end is not None:
            self.end(self.model)


def late(y, y_pred):
    """Takes longer to trace in the second process than new connections wait for each other."""
    if jax.process_index() == 1 and y.shape[0] == 16:
        time.sleep(32)
    return keras.ops.mean(keras.ops.square(y - y_pred), axis=-1)


def fail(model):
    raise ValueError("no luck")


def stop(model):
    model.stop_training = True


CASES = {
    "late": {},
    "slow": {"begin": lambda model: time.sleep(1)},
    "stop": {"end": stop},
    "interrupt": {"begin": lambda model: os.kill(os.getpid(), signal.SIGINT)},
    "fail at a begin": {"begin": fail},
    "fail at an end": {"end": fail},
    "other data": {},
    "other seed": {},
    "other streams": {},
    "die": {"begin": lambda model: os.kill(os.getpid(), signal.SIGKILL)},
}


def main(out):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what runs in background
    keras.distribution.initialize()
    keras.distribution.set_distribution(keras.distribution.DataParallel())
    number = jax.process_index()
    seen = {"drawn": int(keras.random.randint((), 0, 2**30))}
    for name, hooks in CASES.items():
        keras.utils.set_random_seed(number if name == "other seed" else 1)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
        model.compile("sgd", late if name == "late" else "mse")
        x = X[:50] if name == "other data" and number else X
        data = {"x": x, "y": x[:, :1], "batch_size": 16}
        if name == "other streams":  # shuffled by a generator that nobody has seeded
            order = np.random.default_rng(number).permutation(96).reshape(6, 16)
            data = {"x": ((X[rows], X[rows, :1]) for rows in order), "steps_per_epoch": 2}
        began = time.monotonic()
        try:
            history = model.fit(**data, epochs=3, verbose=0, callbacks=[At(**hooks)])
            seen[name] = {"losses": history.history["loss"]}
        except BaseException as error:
            seen[name] = {"error": f"{type(error).__name__}: {error}"}
        seen[name]["seconds"] = time.monotonic() - began
        with open(f"{out}.{number}", "w") as file:
            json.dump(seen, file)


if __name__ == "__main__":
    main(sys.argv[1])
