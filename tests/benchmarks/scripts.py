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
# Others, which the library was not made by: `--others`.
OTHERS = {
    "U-Net": """
x = images(128, 32); y = (x[..., :1] > 0).astype("float32")
def make():
    def conv(filters, h):
        return L.Conv2D(filters, 3, padding="same", activation="relu")(h)
    i = keras.Input((32, 32, 3))
    fine = conv(16, conv(16, i))
    coarse = conv(32, conv(32, L.MaxPooling2D()(fine)))
    h = conv(64, conv(64, L.MaxPooling2D()(coarse)))
    h = conv(32, L.Concatenate()([L.UpSampling2D()(h), coarse]))
    h = conv(16, L.Concatenate()([L.Conv2DTranspose(16, 2, 2)(h), fine]))
    return keras.Model(i, L.Conv2D(1, 1, activation="sigmoid")(h))
loss = "binary_crossentropy"
""",
    "masked bidirectional LSTM over words": """
x, y = rng.integers(1, 5000, (1024, 80)), rng.integers(0, 2, (1024, 1)).astype("float32")
def make():
    return keras.Sequential([
        keras.Input((80,), dtype="int32"), L.Embedding(5000, 32, mask_zero=True),
        L.Bidirectional(L.LSTM(32, dropout=0.2)), L.Dense(16, "relu"), L.Dropout(0.5),
        L.Dense(1, "sigmoid")])
loss = "binary_crossentropy"
""",
    "two LSTMs, a forecast": """
x = rng.normal(size=(2048, 30, 4)).astype("float32"); y = x[:, -1, :1]
def make():
    lstms = [L.LSTM(50, return_sequences=True), L.LSTM(50)]
    return keras.Sequential([keras.Input((30, 4)), *lstms, L.Dense(1)])
loss = "mse"
""",
    "two inputs, wide and deep": """
x = [rng.normal(size=(8192, n)).astype("float32") for n in (5, 6)]; y = x[0][:, :1]
def make():
    wide, deep = keras.Input((5,)), keras.Input((6,))
    h = L.Dense(64, "relu")(L.Dense(64, "relu")(deep))
    h = L.Concatenate()([L.Normalization(mean=0.0, variance=1.0)(wide), h])
    return keras.Model([wide, deep], L.Dense(1)(h))
loss = "mse"
""",
    "depthwise blocks": """
x, y = images(256, 32), labels(256)
def make():
    i = keras.Input((32, 32, 3))
    h = L.Conv2D(16, 3, 2, "same", use_bias=False)(i)
    for filters, strides in ((24, 1), (32, 2), (64, 2), (64, 1)):
        h = L.DepthwiseConv2D(3, strides, "same", use_bias=False)(h)
        h = L.ReLU(6.0)(L.BatchNormalization()(h))
        h = L.ReLU(6.0)(L.BatchNormalization()(L.Conv2D(filters, 1, use_bias=False)(h)))
    return keras.Model(i, L.Dense(10)(L.GlobalAveragePooling2D()(h)))
""",
    "convolutions over time": """
x, y = rng.normal(size=(1024, 128, 9)).astype("float32"), labels(1024)
def make():
    return keras.Sequential([
        keras.Input((128, 9)), L.Conv1D(64, 5, activation="relu"), L.BatchNormalization(),
        L.MaxPooling1D(), L.Conv1D(64, 5, activation="relu"),
        L.Conv1D(64, 3, activation="relu", padding="causal"), L.GlobalMaxPooling1D(),
        L.Dense(64, "relu"), L.Dropout(0.3), L.Dense(10)])
""",
    "convnet of the MNIST tutorial": """
x, y = images(1024, 28)[..., :1], labels(1024)
def make():
    return keras.Sequential([
        keras.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.MaxPooling2D(),
        L.Conv2D(64, 3, activation="relu"), L.MaxPooling2D(), L.Flatten(), L.Dropout(0.5),
        L.Dense(10)])
""",
    "MLP 784-512-512-10": """
x, y = rng.normal(size=(8192, 784)).astype("float32"), labels(8192)
def make():
    hidden = [L.Dense(512, "relu"), L.Dropout(0.2), L.Dense(512, "relu"), L.Dropout(0.2)]
    return keras.Sequential([keras.Input((784,)), *hidden, L.Dense(10)])
""",
    "language model of two blocks": """
x = rng.integers(0, 500, (512, 64)); y = np.roll(x, -1, 1)
def make():
    i = keras.Input((64,), dtype="int32")
    h = L.Embedding(500, 64)(i) + L.Embedding(64, 64)(keras.ops.arange(64))
    for _ in range(2):
        n = L.LayerNormalization()(h)
        h = h + L.MultiHeadAttention(4, 16, dropout=0.1)(n, n, use_causal_mask=True)
        h = h + L.Dense(64)(L.Dense(256, "gelu")(L.LayerNormalization()(h)))
    return keras.Model(i, L.Dense(500)(L.LayerNormalization()(h)))
""",
    "convnet with augmentation": """
x, y = images(512, 32), labels(512)
def make():
    return keras.Sequential([
        keras.Input((32, 32, 3)), L.RandomFlip(), L.RandomRotation(0.1), L.Rescaling(0.5),
        L.Conv2D(16, 3, activation="relu"), L.MaxPooling2D(),
        L.SeparableConv2D(32, 3, activation="relu"), L.GlobalAveragePooling2D(), L.Dense(10)])
""",
    "variational autoencoder": """
x = rng.uniform(size=(2048, 784)).astype("float32"); y = x
class Sampling(L.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seed = keras.random.SeedGenerator(1)
    def call(self, inputs):
        mean, log_variance = inputs
        spread = keras.ops.exp(0.5 * log_variance)
        self.add_loss(-0.5 * keras.ops.mean(1 + log_variance - mean**2 - spread**2))
        return mean + spread * keras.random.normal(keras.ops.shape(mean), seed=self.seed)
def make():
    i = keras.Input((784,))
    h = L.Dense(256, "relu")(i)
    code = Sampling()([L.Dense(8)(h), L.Dense(8)(h)])
    return keras.Model(i, L.Dense(784, "sigmoid")(L.Dense(256, "relu")(code)))
loss = "binary_crossentropy"
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
def part(rows): return [a[:rows] for a in x] if isinstance(x, list) else x[:rows]
def first():
    model = make(); model.compile("adam", loss)
    model.fit(x, y, verbose=0, validation_data=(part(256), y[:256])); return model
model = timed("build, first fit", first)
timed("steady epoch", lambda: model.fit(x, y, verbose=0), 3)
model.evaluate(x, y, verbose=0)
timed("evaluate", lambda: model.evaluate(x, y, verbose=0), 3)
model.predict(x, verbose=0)
timed("predict", lambda: model.predict(x, verbose=0), 3)
model.train_on_batch(part(32), y[:32])
timed("train_on_batch", lambda: model.train_on_batch(part(32), y[:32]), 15)
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
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # only the first process compiles modules
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
    parser.add_argument("--others", action="store_true", help="other workloads, and no more")
    options = parser.parse_args()
    if options.cpu:
        os.environ["BENCHMARK_CPU"] = "1"
    for name, body in (OTHERS if options.others else WORKLOADS).items():
        if options.only in name:
            runs = {w: lambda b=body, w=w: run(b + TABLE, w) for w in ("jkeras", "keras")}
            beside(name, runs, options.rounds)
    if options.others:
        return
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
