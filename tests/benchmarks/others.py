"""What is measured besides epochs: callbacks, predictions, streams, memory, cold starts."""

import contextlib
import functools
import json
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.benchmarks import programs, tables
from tests.benchmarks.workloads import WORKLOADS

NAMED = {w.name: w for w in WORKLOADS}


def make(kind, workload, rows=None):
    x, y = workload.make_data(np.random.default_rng(1), rows or workload.rows)
    return kind(workload, x, y, programs.initial_weights(workload))


def with_keras(kinds, other):
    return [*kinds, other] if programs.has("keras") else kinds


# ------------------------------------------------------------------ validation
def validation(program):
    """Returns other data, a quarter as much as the training data."""
    return program.workload.make_data(np.random.default_rng(2), program.rows // 4)


class Validated(programs.JKeras):
    """`fit` with validation after each epoch."""

    name = "jkeras, with validation"

    def prepare(self):
        super().prepare()
        self.options = {"validation_data": validation(self)}


class ValidatedScan(programs.HandScan):
    """A scan over the epoch by hand, and one over the validation data."""

    name = "scans by hand, with validation"

    def prepare(self):
        super().prepare()
        loss, size = self.workload.hand_loss, self.workload.batch_size
        valid = jax.tree.map(jnp.asarray, validation(self))
        rows = len(jax.tree.leaves(valid)[0])
        cut = rows // size * size
        full = jax.tree.map(lambda a: a[:cut].reshape(-1, size, *a.shape[1:]), valid)
        rest = jax.tree.map(lambda a: a[cut:], valid)

        @jax.jit
        def evaluate(params, full, rest):
            total = lax.scan(lambda t, b: (t + loss(params, *b), None), jnp.zeros(()), full)[0]
            total = total * size
            if cut < rows:
                total = total + loss(params, *rest) * (rows - cut)
            return total / rows

        self.evaluate = lambda params: evaluate(params, full, rest)

    def one(self):
        super().one()
        return self.evaluate(self.state[0])


def validated(rounds, quick):
    """Epochs with validation after each, against two scans by hand."""
    for name in ["regression"] if quick else ["regression", "Fashion-MNIST MLP"]:
        workload = NAMED[name]
        made = [make(kind, workload) for kind in (Validated, ValidatedScan)]
        for program in made:
            program.epoch()
        times = programs.interleave(made, rounds, 40 if workload.rows < 20_000 else 3)
        tables.show(f"validation: {name}", times, Validated.name)


# ------------------------------------------------------------------ bar and callbacks
@contextlib.contextmanager
def terminal():
    """Makes standard output a terminal, whose text nobody keeps."""
    master, slave = pty.openpty()
    # A terminal is a program of its own: a thread here would wait for this one's interpreter.
    reader = subprocess.Popen(
        ["cat"], stdin=master, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(master)
    before, sys.stdout = sys.stdout, os.fdopen(slave, "w")
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stdout = before
        reader.wait()


class Watched(programs.JKeras):
    """`fit` with a progress bar in a terminal, EarlyStopping and ModelCheckpoint."""

    name = "jkeras, bar and callbacks"

    def epoch(self, count=1):
        keras = self.keras
        with tempfile.TemporaryDirectory() as folder, terminal():
            self.model.fit(
                self.x,
                self.y,
                epochs=count,
                batch_size=self.workload.batch_size,
                verbose=1,
                callbacks=[
                    keras.callbacks.EarlyStopping(monitor="loss", patience=1000),
                    keras.callbacks.ModelCheckpoint(
                        f"{folder}/best.keras", monitor="loss", save_best_only=True
                    ),
                ],
            )


def bar(rounds, quick):
    """Epochs with a progress bar and callbacks, against a silent scan by hand."""
    for name in ["regression"] if quick else NAMED:
        workload = NAMED[name]
        made = [make(kind, workload) for kind in (Watched, programs.HandScan)]
        for program in made:
            program.epoch(2)
        (seconds,) = tables.race({"": made[0].epoch}, 1)[""]
        # After two epochs the best model was written twice: at once, and at the end of the call.
        epochs = int(np.clip(0.6 / seconds, 3, 60))
        times = programs.interleave(made, rounds, epochs, first=2)
        tables.show(f"bar and callbacks: {name}", times, Watched.name)


# ------------------------------------------------------------------ backups
class BackedUp(programs.JKeras):
    """`fit` with a backup after every hundredth batch."""

    name = "jkeras, backups"

    def epoch(self, count=1):
        with tempfile.TemporaryDirectory() as folder:
            backup = self.keras.callbacks.BackupAndRestore(folder, save_freq=100)
            options = {"batch_size": self.workload.batch_size, "verbose": 0, "callbacks": [backup]}
            self.model.fit(self.x, self.y, epochs=count, **options)


def backups(rounds, quick):
    """Epochs with a backup after every hundredth batch, against epochs without."""
    name = "regression" if quick else "Fashion-MNIST MLP"
    made = [make(kind, NAMED[name]) for kind in (BackedUp, programs.JKeras)]
    for program in made:
        program.epoch(2)
    tables.show(f"backups: {name}", programs.interleave(made, rounds, 2), BackedUp.name)


# ------------------------------------------------------------------ evaluate and predict
def by_hand(workload, weights, x, y):
    """Returns what one writes for evaluation, for prediction, and for one row's."""
    weights, size = [jnp.asarray(w) for w in weights], workload.batch_size
    full = len(y) // size * size
    apply = jax.jit(workload.forward)

    def stack(a):
        return a[:full].reshape(-1, size, *a.shape[1:])

    @jax.jit
    def predict(weights, x):
        outputs = lax.map(lambda batch: apply(weights, batch), stack(x))
        return outputs.reshape(full, -1), apply(weights, x[full:])

    @jax.jit
    def loss(weights, x, y):
        losses = lax.map(lambda batch: workload.hand_loss(weights, *batch), (stack(x), stack(y)))
        rest = workload.hand_loss(weights, x[full:], y[full:])
        return (losses.sum() * size + rest * (len(y) - full)) / len(y)

    return (
        lambda: float(loss(weights, x, y)),
        lambda: np.concatenate([np.asarray(part) for part in predict(weights, x)]),
        lambda: np.asarray(apply(weights, x[:1])),
    )


def evaluate_and_predict(rounds, quick):
    """`evaluate` and `predict` on 10,000 rows, `predict` on one."""
    calls = {
        "evaluate, 10,000 rows": (lambda p: p.model.evaluate(p.x, p.y, verbose=0), 1),
        "predict, 10,000 rows": (lambda p: p.model.predict(p.x, verbose=0), 1),
        "predict, one row": (lambda p: p.model.predict(p.x[:1], verbose=0), 200),
    }
    for name in ["regression"] if quick else ["regression", "Fashion-MNIST MLP"]:
        kinds = with_keras([programs.JKeras], programs.Keras)
        made = {kind.name: make(kind, NAMED[name], 10_000) for kind in kinds}
        ours = made["jkeras"]
        hand = by_hand(ours.workload, ours.weights, ours.x, ours.y)
        for (title, (call, repeat)), other in zip(calls.items(), hand):
            candidates = {n: functools.partial(call, p) for n, p in made.items()}
            candidates["by hand, with the transfers"] = other
            for candidate in candidates.values():
                candidate()
            tables.show(f"{title}: {name}", tables.race(candidates, 3 * rounds, repeat))


# ------------------------------------------------------------------ streams
def batches(x, y, size):
    """Makes batches as a user's generator does: rows gathered with NumPy."""
    order = np.random.default_rng(0).permutation(len(y))
    for start in range(0, len(y) - size + 1, size):
        rows = order[start : start + size]
        yield x[rows], y[rows]


class FromGenerator:
    """Trains from a generator, which each epoch makes anew."""

    def epoch(self, count=1):
        for _ in range(count):
            stream = batches(self.x, self.y, self.workload.batch_size)
            self.model.fit(stream, verbose=0)


class Stream(FromGenerator, programs.JKeras):
    name = "jkeras, generator"


class KerasStream(FromGenerator, programs.Keras):
    name = "Keras, generator"


class Prefetching(programs.HandSteps):
    """A jitted step a batch, the next batch being made and sent while it runs."""

    name = "prefetching loop by hand"

    def epoch(self, count=1):
        params, opt = self.state
        for _ in range(count):
            waiting = None
            for batch in batches(self.x, self.y, self.workload.batch_size):
                sent = jax.device_put(batch)
                if waiting is not None:
                    params, opt, value = self.step(params, opt, *waiting)
                waiting = sent
            params, opt, value = self.step(params, opt, *waiting)
        float(value)
        self.state = params, opt


def streams(rounds, quick):
    """A NumPy generator, against a prefetching loop."""
    for name in ["regression"] if quick else ["regression", "Fashion-MNIST MLP"]:
        workload = NAMED[name]
        kinds = with_keras([Stream, Prefetching], KerasStream)
        made = {kind.name: make(kind, workload, min(workload.rows, 27_500)) for kind in kinds}
        calls = {n: p.epoch for n, p in made.items()}
        tables.race(calls, 1)
        tables.show(f"stream: {name}", tables.race(calls, rounds), Stream.name)


# ------------------------------------------------------------------ fresh processes
_MAP = """
import json, sys
import numpy as np, jkeras as keras
from tests.benchmarks.others import peak
path, rows = sys.argv[1], int(sys.argv[2])
model = keras.Sequential([keras.Input((1024,)), keras.layers.Dense(1)])
model.compile(loss="mse", optimizer="sgd")
small = np.zeros((64, 1024), "float32")
model.fit(small, small[:, :1], batch_size=256, verbose=0)
before = peak()
x = np.lib.format.open_memmap(path, mode="r")
model.fit(x, np.zeros((rows, 1), "float32"), batch_size=256, verbose=0)
print(json.dumps([before, peak()]))
"""


def memmap(rounds, quick, gigabytes=0.5):
    """The resident memory of training on a memory map."""
    rows = int(gigabytes * 2**30) // 4096
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/x.npy"
        array = np.lib.format.open_memmap(path, "w+", "float32", (rows, 1024))
        for start in range(0, rows, 4096):
            array[start : start + 4096] = start
        del array
        before, after = fresh(_MAP, path, str(rows))
    print(
        f"\nmemory map of {gigabytes} GiB: {after:.0f} MiB resident at most, "
        f"{before:.0f} MiB of them before",
        flush=True,
    )


_COLD = """
import time
started = time.perf_counter()
import json, sys
import numpy as np
from tests.benchmarks.workloads import WORKLOADS
workload = next(w for w in WORKLOADS if w.name == sys.argv[2])
if sys.argv[1] == "jkeras":
    import jkeras as keras
else:
    import keras
x, y = workload.make_data(np.random.default_rng(1), workload.rows)
model = workload.build(keras)
model.compile(loss=workload.loss, optimizer=workload.optimizer)
model.fit(x, y, verbose=0)
seconds = time.perf_counter() - started
from tests.benchmarks.others import peak
print(json.dumps([seconds, peak()]))
"""


def peak():
    """Returns the most memory this process had resident, in MiB; not what its parent had."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def fresh(code, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    root = str(Path(__file__).parents[2])
    environment["PYTHONPATH"] = os.pathsep.join([root, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", code, *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(run.stdout.splitlines()[-1])


def cold(rounds, quick):
    """The time to the end of the first epoch, imports included, and peak memory."""
    kinds = with_keras(["jkeras"], "keras")
    for name in ["regression"] if quick else NAMED:
        times = {kind: [] for kind in kinds}
        peaks = {kind: [] for kind in kinds}
        for _ in range(2 if quick else 5):
            for kind in kinds:
                seconds, peak = fresh(_COLD, kind, name)
                times[kind].append(seconds)
                peaks[kind].append(peak)
        tables.show(f"cold, to the end of the first epoch: {name}", times)
        print(
            "  peak memory, MiB: " + ", ".join(f"{k} {np.median(v):.0f}" for k, v in peaks.items())
        )


SECTIONS = {
    "validation": validated,
    "bar": bar,
    "backups": backups,
    "predict": evaluate_and_predict,
    "stream": streams,
    "memmap": memmap,
    "cold": cold,
}
