"""Trains one model on eight simulated devices, or in several processes, in four ways.

    python examples/distributed.py

In several processes, here two on one machine (each in a terminal of its own, or with `&`):

    export KERAS_DISTRIBUTION_JOB_ADDRESSES=localhost:12345 KERAS_DISTRIBUTION_NUM_PROCESSES=2
    KERAS_DISTRIBUTION_PROCESS_ID=0 python examples/distributed.py
    KERAS_DISTRIBUTION_PROCESS_ID=1 python examples/distributed.py
"""

import os

PROCESSES = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1"))
# On a machine with several GPUs or TPU cores, leave this out.
os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={8 // PROCESSES}")

import jax
import matplotlib.pyplot as plt
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
    if jax.process_index() == 0:
        name = "one device" if distribution is None else type(distribution).__name__
        print(name, [f"{loss:.6f}" for loss in history.history["loss"]])
    return model


def draw(axes, kernel, title):
    """Colours each entry of a matrix by the device that has it; text where several have it."""
    owners = {}
    for device, index in kernel.sharding.devices_indices_map(kernel.shape).items():
        rows, columns = (range(*s.indices(n)) for s, n in zip(index, kernel.shape))
        owners.setdefault((rows, columns), []).append(device.id)
    for (rows, columns), devices in owners.items():
        place = (columns.start, rows.start), len(columns), len(rows)
        color = plt.get_cmap("tab10")(devices[0])
        axes.add_patch(plt.Rectangle(*place, facecolor=color, edgecolor="white", alpha=0.7))
        middle = columns.start + len(columns) / 2, rows.start + len(rows) / 2
        axes.text(*middle, "\n".join(map(str, devices)), ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, kernel.shape[1]), ylim=(kernel.shape[0], 0), title=title)


count = len(jax.devices())
mesh = jax.make_mesh((2, count // 2), ("data", "model"))
rules = {".*hidden.*kernel": P(None, "model"), ".*hidden.*bias": P("model")}
if PROCESSES == 1:
    train(None)  # one device
whole = train(keras.distribution.DataParallel())
divided = train(keras.distribution.FullyShardedDataParallel())
model = train(keras.distribution.ModelParallel(layout_map=rules, device_mesh=mesh, rest="fsdp"))
if jax.process_index() == 0:
    model.summary(expand_shardings=True)
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), layout="constrained")
    titles = "DataParallel: all have all", "FullyShardedDataParallel", "ModelParallel, by rules"
    for ax, trained, title in zip(axes, (whole, divided, model), titles, strict=True):
        draw(ax, trained.get_layer("hidden_1").kernel.value, title)
    figure.suptitle("Which devices have which part of the second hidden layer's kernel")
    figure.savefig("distributed.png", dpi=100)
