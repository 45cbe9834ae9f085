"""Whole scripts in fresh processes, jkeras beside Keras: `python -m tests.benchmarks.scripts`.

What a person waits for: building, compiling, the first epoch, the same net again, a second run of a
script, several models. Times are seconds of wall clock (with `--cpu` of all cores' work, which says
more on a busy machine), medians of the processes' own; ratios are of jkeras to Keras 3 on JAX, or
to what the line names.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

WORKLOADS = {
    "resnet20": """
x, y = images(512, 32), labels(512)
def make():
    def block(x, filters, strides):
        h = L.Conv2D(filters, 3, strides, "same", use_bias=False)(x)
        h = L.ReLU()(L.BatchNormalization()(h))
        h = L.BatchNormalization()(L.Conv2D(filters, 3, padding="same", use_bias=False)(h))
        if strides > 1:
            x = L.BatchNormalization()(L.Conv2D(filters, 1, strides, use_bias=False)(x))
        return L.ReLU()(L.Add()([x, h]))
    i = keras.Input((32, 32, 3))
    h = L.ReLU()(L.BatchNormalization()(L.Conv2D(16, 3, padding="same", use_bias=False)(i)))
    for filters, first in ((16, 1), (32, 2), (64, 2)):
        for n in range(3):
            h = block(h, filters, first if n == 0 else 1)
    return keras.Model(i, L.Dense(10)(L.GlobalAveragePooling2D()(h)))
""",
    "transformer": """
x, y = rng.integers(0, 1000, (1024, 64)), labels(1024)
def make():
    i = keras.Input((64,), dtype="int32")
    h = L.Embedding(1000, 64)(i)
    for _ in range(4):
        h = L.LayerNormalization()(h + L.MultiHeadAttention(4, 16)(h, h))
        h = L.LayerNormalization()(h + L.Dense(64)(L.Dense(128, "relu")(h)))
    return keras.Model(i, L.Dense(10)(L.GlobalAveragePooling1D()(h)))
""",
    "two bidirectional GRUs": """
x, y = rng.normal(size=(2048, 40, 8)).astype("float32"), labels(2048)
def make():
    gru = lambda last: L.Bidirectional(L.GRU(32, return_sequences=not last))
    return keras.Sequential([keras.Input((40, 8)), gru(False), gru(True), L.Dense(10)])
""",
    "embedding of 50,000 words": """
x, y = rng.integers(0, 50000, (2048, 40)), labels(2048)
def make():
    return keras.Sequential([keras.Input((40,), dtype="int32"), L.Embedding(50000, 32),
                             L.GlobalAveragePooling1D(), L.Dense(32, "relu"), L.Dense(10)])
""",
    "8 x (Dense, BN, relu, Dropout)": """
x, y = rng.normal(size=(8192, 32)).astype("float32"), labels(8192)
def make():
    blocks = [[L.Dense(64), L.BatchNormalization(), L.ReLU(), L.Dropout(0.1)] for _ in range(8)]
    return keras.Sequential([keras.Input((32,)), *sum(blocks, []), L.Dense(10)])
""",
    "convolutional autoencoder": """
x = images(512, 28)[..., :1]; y = x
def make():
    return keras.Sequential([
        keras.Input((28, 28, 1)), L.Conv2D(16, 3, 2, "same", activation="relu"),
        L.Conv2D(32, 3, 2, "same", activation="relu"),
        L.Conv2DTranspose(16, 3, 2, "same", activation="relu"), L.Conv2DTranspose(1, 3, 2, "same")])
loss = "mse"
""",
}
HEAD = """
import json, os, resource, sys, time
clock = time.process_time if os.environ.get("BENCHMARK_CPU") else time.perf_counter
started = clock()
import numpy as np
KERAS
L = keras.layers
rng = np.random.default_rng(0)
images = lambda n, size: rng.normal(size=(n, size, size, 3)).astype("float32")
labels = lambda n: rng.integers(0, 10, n)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
found = {}
def timed(name, function, repeat=1):
    times = []
    for _ in range(repeat):
        begin = clock(); value = function(); times.append(clock() - begin)
    found[name] = float(np.median(times))
    return value
"""
TABLE = """
def first():
    model = make(); model.compile("adam", loss)
    model.fit(x, y, verbose=0, validation_data=(x[:256], y[:256])); return model
model = timed("build, first fit", first)
timed("steady epoch", lambda: model.fit(x, y, verbose=0), 3)
model.evaluate(x, y, verbose=0)
timed("evaluate", lambda: model.evaluate(x, y, verbose=0), 3)
model.predict(x, verbose=0)
timed("predict", lambda: model.predict(x, verbose=0), 3)
model.train_on_batch(x[:32], y[:32])
timed("train_on_batch", lambda: model.train_on_batch(x[:32], y[:32]), 15)
found["whole script"] = clock() - started
found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(found))
"""
SMALL = """
x = rng.normal(size=(11610, 8)).astype("float32"); y = x.sum(1, keepdims=True)
def make(rate=0.01):
    hidden = [L.Dense(30, "relu"), L.Dense(30, "relu")]
    model = keras.Sequential([keras.Input((8,)), *hidden, L.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse"); return model
def fit(model, epochs=10, rows=slice(None)):
    model.fit(x[rows], y[rows], epochs=epochs, verbose=0); return model
"""
AGAIN = (
    SMALL
    + """
model = timed("first", lambda: fit(make(), 1))
timed("again", lambda: fit(make(), 1), 5)
timed("steady epoch", lambda: fit(model, 1), 5)
from sklearn.model_selection import KFold
def folds():
    for train, test in KFold(5).split(x):
        model = fit(make(), 3, train); model.evaluate(x[test], y[test], verbose=0)
timed("five folds", folds)
print(json.dumps(found))
"""
)
SWEEP = (
    SMALL
    + """
rates = list(np.geomspace(1e-4, 1e-1, 16))
def singles():
    for rate in rates: fit(make(rate))
def ensemble():
    runs = keras.models.Ensemble(make, [0] * 16, learning_rate=rates)
    runs.fit(x, y, epochs=10, verbose=0); return runs
if WHAT == "ensemble":
    runs = timed("with compilation", ensemble)
    timed("compiled", lambda: runs.fit(x, y, epochs=10, verbose=0), 3)
else:
    timed("with compilation", singles)
    model = fit(make(), 1)
    timed("compiled", lambda: fit(model), 5)
    found["compiled"] *= 16
print(json.dumps(found))
"""
)


def run(body, which, **variables):
    """Runs a script in a fresh process; returns the figures that it prints."""
    imports = "import jkeras as keras" if which == "jkeras" else "import keras"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JKERAS_COMPILATION_CACHE": "off"}
    environment.update(variables)
    code = HEAD.replace("KERAS\n", imports + "\n", 1) + body
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def beside(title, runs, rounds):
    """Prints the ratios of the first of some runs to the others, medians of rounds."""
    found = {name: [] for name in runs}
    for _ in range(rounds):
        for name, start in runs.items():
            found[name].append(start())
    ours, *others = runs
    print(f"\n{title}")
    for metric in found[ours][0]:
        middle = {n: float(np.median([f[metric] for f in fs])) for n, fs in found.items()}
        ratios = ", ".join(f"{middle[ours] / middle[n]:.2f} of {n}" for n in others)
        print(f"  {metric:18} {ours} {middle[ours]:9.3f}   {ratios}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of a name")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpu", action="store_true", help="CPU seconds instead of wall clock")
    options = parser.parse_args()
    if options.cpu:
        os.environ["BENCHMARK_CPU"] = "1"
    for name, body in WORKLOADS.items():
        if options.only in name:
            runs = {w: lambda b=body, w=w: run(b + TABLE, w) for w in ("jkeras", "keras")}
            beside(name, runs, options.rounds)
    if options.only in "again":
        runs = {w: lambda w=w: run(AGAIN, w) for w in ("jkeras", "keras")}
        beside("the same small net again", runs, options.rounds)
    if options.only in "second run":
        body = SMALL + 'timed("first epoch", lambda: fit(make(), 1))\n'
        body += 'found["script"] = clock() - started\nprint(json.dumps(found))\n'
        with tempfile.TemporaryDirectory() as folder:
            run(body, "jkeras", JKERAS_COMPILATION_CACHE=folder)
            runs = {
                "second": lambda: run(body, "jkeras", JKERAS_COMPILATION_CACHE=folder),
                "first": lambda: run(body, "jkeras"),
                "keras": lambda: run(body, "keras"),
            }
            beside("a second run of a script", runs, options.rounds)
    if options.only in "sweep":
        runs = {
            "ensemble": lambda: run('WHAT = "ensemble"\n' + SWEEP, "jkeras"),
            "jkeras": lambda: run('WHAT = "singles"\n' + SWEEP, "jkeras"),
            "keras": lambda: run('WHAT = "singles"\n' + SWEEP, "keras"),
        }
        beside("sixteen learning rates", runs, options.rounds)


if __name__ == "__main__":
    main()
