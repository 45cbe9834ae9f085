"""A training that is killed, and goes on by another distribution.

`python -m tests.distribution.resuming FOLDER NAME DEVICES [BATCH]`: trains with backups in FOLDER;
kills itself before the batch with this number, counted over all epochs; prints the losses. With
`slow` in its place, takes some time for each batch, and says when an epoch begins.
"""

import json
import os
import signal
import sys
import time

folder, name, devices = sys.argv[1:4]
last = sys.argv[4] if len(sys.argv) > 4 else None
slow, kill = last == "slow", None if last in (None, "slow") else int(last)
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices}"

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

import jkeras as keras

L, D = keras.layers, keras.distribution
RULES = {r".*kernel": P(None, "model")}


def distribution():
    if name == "one":
        return None
    if name == "fsdp":
        return D.FullyShardedDataParallel(min_size=64)
    mesh = jax.make_mesh((2, int(devices) // 2), ("data", "model"))
    return D.ModelParallel(layout_map=RULES, device_mesh=mesh)


if "KERAS_DISTRIBUTION_NUM_PROCESSES" in os.environ:
    D.initialize()
D.set_distribution(distribution())
X = np.random.default_rng(0).normal(size=(300, 16)).astype("float32")
keras.utils.set_random_seed(1)
layers = [keras.Input((16,)), L.Dense(64, activation="relu"), L.Dropout(0.1), L.Dense(8)]
model = keras.Sequential([*layers, L.Dense(4)])
model.compile(keras.optimizers.Adam(1e-3), "mse")
taken = [0]


class Kill(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch, logs=None):
        if taken[0] == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        taken[0] += 1


class Slow(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print(f"epoch {epoch + 1}", file=sys.stderr, flush=True)

    def on_train_batch_begin(self, batch, logs=None):
        time.sleep(0.4)


backup = keras.callbacks.BackupAndRestore(folder, save_freq=3, delete_checkpoint=False)
callbacks = [backup, *([Slow()] if slow else [] if kill is None else [Kill()])]
history = model.fit(X, X[:, :4], epochs=4, batch_size=64, verbose=0, callbacks=callbacks)
if jax.process_index() == 0:
    print(json.dumps(history.history["loss"]))
