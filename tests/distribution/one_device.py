"""What a distribution over one device costs: nothing.

`python -m tests.distribution.one_device [OUT]`: trains without and with each, in turns; prints
whether losses and weights have the same bits, whether the compiled programs of many steps hold the
same operations, and the time of an epoch beside that without a distribution. Writes it as JSON to
OUT, then without times.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

DUMP = Path(tempfile.mkdtemp())
given = os.environ.get("XLA_FLAGS", "")
os.environ["XLA_FLAGS"] = f"{given} --xla_dump_to={DUMP} --xla_dump_hlo_as_text"

import numpy as np

import jkeras as keras

L, D = keras.layers, keras.distribution
X = np.random.default_rng(0).normal(size=(8000, 32)).astype("float32")


def distributions():
    mesh = D.DeviceMesh((1,), ["model"], D.list_devices()[:1])
    rules = {".*kernel": (None, "model")}
    return {
        "none": None,
        "DataParallel": D.DataParallel(mesh),
        "FullyShardedDataParallel": D.FullyShardedDataParallel(mesh, min_size=1),
        "ModelParallel": D.ModelParallel(layout_map=rules, device_mesh=mesh),
    }


def make():
    keras.utils.set_random_seed(1)
    layers = [L.Dense(64, activation="relu"), L.BatchNormalization(), L.Dropout(0.1), L.Dense(4)]
    model = keras.Sequential([keras.Input((32,)), *layers])
    model.compile("adam", "mse", metrics=["mae"])
    return model


def fit(model, epochs):
    return model.fit(X, X[:, :4], batch_size=32, epochs=epochs, verbose=0).history


def operations():
    """Returns how often each operation is in the programs with loops that were compiled since."""
    found = []
    for path in DUMP.glob("*after_optimizations.txt"):
        text = path.read_text()
        if re.search(r"= .* while\(", text):
            count = Counter(re.findall(r"= (?:\([^=]*\)|\S+) ([a-z-]+)\(", text))
            del count["get-tuple-element"]  # which names a part, and computes nothing
            found.append(sorted(count.items()))
    for path in DUMP.glob("*.txt"):
        path.unlink()
    return sorted(found)


def main(out=None):
    models, seen = {}, {}
    operations()
    for name, where in distributions().items():
        D.set_distribution(where)
        models[name] = make()
        history = fit(models[name], 2)
        weights = [w.tobytes() for w in models[name].get_weights()]
        seen[name] = {"bits": (history, weights), "operations": operations(), "times": []}
    for _ in range(0 if out else 15):
        for name, where in distributions().items():
            D.set_distribution(where)
            fit(models[name], 1)
            began = time.perf_counter()
            fit(models[name], 2)
            seen[name]["times"].append((time.perf_counter() - began) / 2)
    found = {}
    for name, of in seen.items():
        same = {key: of[key] == seen["none"][key] for key in ("bits", "operations")}
        found[name] = {**same, "programs": len(of["operations"])}
        if of["times"]:
            least = min(of["times"])
            found[name] |= {"ms": 1e3 * least, "ratio": least / min(seen["none"]["times"])}
        print(name, found[name])
    if out:
        Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
