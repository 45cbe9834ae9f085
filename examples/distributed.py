"""Trains one model on eight simulated devices, or in several processes, in four ways.

    python examples/distributed.py

In several processes, here two on one machine (each in a terminal of its own, or with `&`):

    export KERAS_DISTRIBUTION_JOB_ADDRESSES=localhost:12345 KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0 python examples/distributed.py
    KERAS_DISTRIBUTION_PROCESS_ID=1 python examples/distributed.py
"""

import os

PROCESSES = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1"))
# On a machine with several GPUs or TPU cores, leave these two lines out.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={8 // PROCESSES}")

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

import jkeras as keras

if PROCESSES > 1:
    keras.distribution.initialize()

rng = np.random.default_rng(0)
x = rng.normal(size=(1003, 32)).astype("float32")
y = (x[:, 0] * x[:, 1] > 0).astype("int32")


def train(distribution):
    keras.distribution.set_distribution(distribution)
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(256, activation="relu", name=f"hidden_{i}") for i in range(2)]
    model = keras.Sequential([keras.Input((32,)), *layers, keras.layers.Dense(2, name="logits")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"])
    history = model.fit(x, y, batch_size=64, epochs=3, verbose=0)
    name = "one device" if distribution is None else type(distribution).__name__
    kernel = layers[1].kernel.value
    if jax.process_index() == 0:  # which devices have which part of a weight?
        print(f"\n{name}: losses", [f"{loss:.6f}" for loss in history.history["loss"]])
        jax.debug.visualize_array_sharding(kernel)
    return model


mesh = jax.make_mesh((2, len(jax.devices()) // 2), ("data", "model"))
rules = {".*hidden.*kernel": P(None, "model"), ".*hidden.*bias": P("model")}
if PROCESSES == 1:
    train(None)
train(keras.distribution.DataParallel())
train(keras.distribution.FullyShardedDataParallel())
model = train(keras.distribution.ModelParallel(layout_map=rules, device_mesh=mesh, rest="fsdp"))
if jax.process_index() == 0:
    model.summary(expand_shardings=True)
