"""What is sent, and what devices and the host hold; how weights are drawn.

`python -m tests.distribution.programs OUT`; writes JSON.
"""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

DUMP = tempfile.mkdtemp()
os.environ["XLA_FLAGS"] = (
    f"--xla_force_host_platform_device_count=8 --xla_dump_to={DUMP} --xla_dump_hlo_as_text"
)
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "0"  # which leaves each gradient's sum by itself

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

import jkeras as keras
from tests.distribution.jobs import peak_from_now, resident

L, D = keras.layers, keras.distribution
X = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")


def train(distribution):
    D.set_distribution(distribution)
    layers = [L.Dense(64, activation="relu"), L.Dense(128), L.Dense(4)]
    model = keras.Sequential([keras.Input((32,)), *layers])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :4], batch_size=16, epochs=2, verbose=0)
    return model


def loops():
    """Returns the texts of the compiled programs that have loops: those of many steps."""
    texts = [path.read_text() for path in Path(DUMP).glob("*after_optimizations.txt")]
    return [text for text in texts if re.search(r"= .* while\(", text)]


def held(model):
    """Returns each device's share of the bytes of weights and optimizer state."""
    arrays = [v.value for v in (*model.variables, *model.optimizer.variables)]
    shards = [shard for array in arrays for shard in array.addressable_shards]
    whole = sum(array.nbytes for array in arrays)
    return [sum(s.data.nbytes for s in shards if s.device == d) / whole for d in jax.devices()]


def drawn(initializer, shape, dtype="float32"):
    keras.utils.set_random_seed(1)
    start = keras.initializers.get(initializer)
    return keras.Variable(start, shape=shape, dtype=dtype, layout=P("data", "model")).value


def memory_of_drawing():
    """Returns the most memory above a weight of 128 MiB while it is drawn, as a share of it."""
    drawn("he_normal", (1024, 512))  # what compiling takes is there already
    before = resident("VmRSS")
    peak_from_now()
    weight = drawn("he_normal", (4096, 8192))
    return (resident("VmHWM") - before) / weight.nbytes - 1


INITIALIZERS = {
    "glorot_uniform": ((520, 1048), "float32"),
    "he_normal": ((520, 24, 28), "float32"),
    "random_normal": ((520, 1048), "bfloat16"),
    "identity": ((520, 1048), "float32"),
    "orthogonal": ((520, 520), "float32"),
}


def main(out):
    found = {}
    train(D.DataParallel())
    texts = loops()
    kinds = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute"
    found["sent"] = [re.findall(rf" ({kinds})(?:-start)?\(", text) for text in texts]
    found["held"] = held(train(D.FullyShardedDataParallel(min_size=64)))
    mesh = jax.make_mesh((2, 4), ("data", "model"))
    D.set_distribution(D.FullyShardedDataParallel(mesh))
    found["memory"] = memory_of_drawing()
    many = {name: np.asarray(drawn(name, *of)) for name, of in INITIALIZERS.items()}
    D.set_distribution(None)
    one = {name: np.asarray(drawn(name, *of)) for name, of in INITIALIZERS.items()}
    found["differ"] = [n for n in one if one[n].tobytes() != many[n].tobytes()]
    with open(out, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1])
