"""Runs guides and notebooks, cell after cell, with Keras and with jkeras, and counts the cells.

`python -m tests.packages.cells FOLDER... [--keras FOLDER] [--python PYTHON]`, where a folder holds
notebooks (`.ipynb`), scripts in the format of Keras's guides (code between docstrings), or scripts
with `# %%` between their cells. None are in this repository. Cells run in order in one namespace;
one that fails does not end the others. Only the size of the data is changed: data sets of
`keras.datasets` are random arrays of the same shapes and dtypes, `fit` sees at most 256 samples or
4 batches and 2 epochs, weights of applications are random. A cell that the real Keras runs and
jkeras does not is printed with its error.
"""

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path

HERE = Path(__file__).parent
SECONDS = 600  # for a cell, on a machine that may be busy
ROWS, BATCHES, EPOCHS = 256, 4, 2


def cells(path):
    """Returns the sources of the code cells of a file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        found = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        return ["".join(c.get("source", c.get("input", ""))) for c in found]
    if "\n# %%" in text or text.startswith("# %%"):
        return [part.partition("\n")[2] for part in ("\n" + text).split("\n# %%")[1:]]
    lines, parts, start = text.splitlines(), [], 0
    for node in ast.parse(text).body:
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            parts.append("\n".join(lines[start : node.lineno - 1]))
            start = node.end_lineno
    return [part for part in [*parts, "\n".join(lines[start:])] if part.strip()]


def plain(source):
    """Returns a cell without the commands of notebooks and shells."""
    kept = []
    for line in source.splitlines():
        word = line.lstrip()
        if word.startswith(("!", "%", "?")):
            line = line[: len(line) - len(word)] + "pass"
        kept.append(line)
    return "\n".join(kept)


# ------------------------------------------------------------------ in the process of one program
def make_small():
    """Replaces data that would be downloaded, and shortens what is long."""
    import keras
    import numpy as np

    draw = np.random.default_rng(0)

    def images(shape, rows=(60000, 10000), classes=10, column=False):
        def load_data(*args, **kwargs):
            return tuple(
                (
                    draw.integers(0, 256, (ROWS, *shape), "uint8").repeat(n // ROWS + 1, 0)[:n],
                    draw.integers(0, classes, (n, 1) if column else n).astype("uint8"),
                )
                for n in rows
            )

        return load_data

    def texts(classes):
        def load_data(*args, num_words=10000, maxlen=None, **kwargs):
            def some(n):
                x = np.empty(n, object)
                for i in range(n):
                    x[i] = [1, *draw.integers(4, min(num_words or 10000, 10000), 60).tolist()]
                return x, draw.integers(0, classes, n)

            return some(1200), some(1200)

        return load_data

    def houses(*args, **kwargs):
        return tuple((draw.normal(size=(n, 13)), draw.uniform(5, 50, n)) for n in (404, 102))

    def california(*args, **kwargs):
        return tuple(
            (draw.normal(size=(n, 8)).astype("float32"), draw.uniform(60e3, 5e5, n))
            for n in (480, 120)
        )

    words = {f"word{i}": i for i in range(1, 10000)}
    datasets = keras.datasets
    datasets.mnist.load_data = datasets.fashion_mnist.load_data = images((28, 28))
    datasets.cifar10.load_data = images((32, 32, 3), (5000, 1000), 10, True)
    datasets.cifar100.load_data = images((32, 32, 3), (5000, 1000), 100, True)
    datasets.imdb.load_data, datasets.reuters.load_data = texts(2), texts(46)
    datasets.imdb.get_word_index = datasets.reuters.get_word_index = lambda *a, **k: dict(words)
    datasets.boston_housing.load_data = houses
    datasets.california_housing.load_data = california

    def short(value):
        if isinstance(value, (list, tuple)):
            return type(value)(map(short, value))
        if isinstance(value, dict):
            return {key: short(v) for key, v in value.items()}
        if getattr(value, "shape", None) and len(value) > ROWS:
            return value[:ROWS]
        if hasattr(value, "take") and hasattr(value, "prefetch"):
            return value.take(BATCHES)
        return value

    def shorten(name, keys):
        before = getattr(keras.Model, name)

        def method(self, *args, **kwargs):
            args = tuple(short(a) if i < 2 else a for i, a in enumerate(args))
            kwargs = {key: short(v) if key in keys else v for key, v in kwargs.items()}
            for key, most in (("epochs", EPOCHS), ("steps_per_epoch", BATCHES)):
                if kwargs.get(key):
                    kwargs[key] = min(kwargs[key], most + kwargs.get("initial_epoch", 0))
            return before(self, *args, **kwargs)

        setattr(keras.Model, name, method)

    def without_weights(make):
        return lambda *args, **kwargs: make(*args, **{**kwargs, "weights": None})

    keys = ("x", "y", "validation_data", "sample_weight")
    for name in ("fit", "evaluate", "predict"):
        shorten(name, keys)
    found = [getattr(keras.applications, n) for n in dir(keras.applications) if n[0].islower()]
    modules = [module for module in found if isinstance(module, types.ModuleType)]
    for name in dir(keras.applications):
        if name[0].isupper():
            without = without_weights(getattr(keras.applications, name))
            for place in (keras.applications, *modules):
                if hasattr(place, name):
                    setattr(place, name, without)
    keras.utils.set_random_seed(0)


def run_cells(path, result):
    """Runs the cells of a file, and writes what became of each."""
    import matplotlib

    matplotlib.use("agg")
    make_small()

    def stop(*_):
        raise TimeoutError(f"longer than {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    names, done = {"__name__": "__main__", "display": print}, []
    sys.modules["__main__"].__dict__.update(names)
    for number, source in enumerate(cells(path), 1):
        signal.alarm(SECONDS)
        started = time.perf_counter()
        try:
            exec(compile(plain(source), f"{path.name}, cell {number}", "exec"), names)
            error = ""
        except BaseException as found:  # a cell may exit, too
            place = found.__traceback__
            while place.tb_next:
                place = place.tb_next
            where = f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
            error = f"{type(found).__name__}: {str(found).strip()[:600]} [{where}]"
        signal.alarm(0)
        done.append({"error": error, "seconds": round(time.perf_counter() - started, 2)})
        Path(result).write_text(json.dumps(done))


# ------------------------------------------------------------------ the table
def run(python, path, keras, options=()):
    """Returns what became of each cell of a file, with Keras (from a folder) or with jkeras."""
    with tempfile.TemporaryDirectory() as folder:
        result = os.path.join(folder, "result.json")
        start = [] if keras else ["-m", "jkeras", *options]
        command = [python, "-W", "ignore", *start, str(HERE / "cells.py"), "--child", str(path)]
        env = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        env["TF_CPP_MIN_LOG_LEVEL"] = "3"
        env["PYTHONPATH"] = keras or str(HERE.parents[1])
        with open(os.path.join(folder, "log"), "w") as log:
            subprocess.run([*command, result], env=env, cwd=folder, stdout=log, stderr=log)
        if not os.path.exists(result):
            raise SystemExit(Path(folder, "log").read_text()[-3000:])
        return json.loads(Path(result).read_text())


def main():
    """Runs what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--keras", help="the folder of the real Keras; without it, jkeras only")
    parser.add_argument("--known", help="a file in which what became of real Keras's cells is kept")
    parser.add_argument(
        "--stand-in", action="store_true", help="the stand-in for TensorFlow, even if it is there"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("places", nargs="+")
    options = parser.parse_args()
    if options.child:
        run_cells(Path(options.places[0]), options.places[1])
        return
    start = ["--tensorflow"] if options.stand_in else []
    kept = Path(options.known) if options.known else None
    known = json.loads(kept.read_text()) if kept and kept.exists() else {}
    files = []
    for place in map(Path, options.places):
        files += sorted(p for p in place.rglob("*") if p.suffix in (".py", ".ipynb")) or [place]
    print("| file | cells | Keras runs | jkeras runs | of Keras's |")
    print("|---|---|---|---|---|")
    total, lost = [0, 0, 0, 0], []
    for path in files:
        ours = run(options.python, path, None, start)
        real = known.get(path.name)
        if options.keras and (real is None or len(real) != len(ours)):
            real = known[path.name] = run(options.python, path, options.keras)
            if kept:
                kept.write_text(json.dumps(known))
        right = [not cell["error"] for cell in ours]
        wanted = [not cell["error"] for cell in real or ours]
        both = sum(a and b for a, b in zip(right, wanted, strict=True))
        counts = [len(ours), sum(wanted), sum(right), both]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        print(f"| {path.name} | " + " | ".join(map(str, counts)) + " |", flush=True)
        for number, (cell, should) in enumerate(zip(ours, wanted, strict=True), 1):
            if cell["error"] and (should or not real):
                lost.append(f"{path.name}, cell {number}: {cell['error']}")
                print(f"    only with jkeras: {lost[-1]}", file=sys.stderr, flush=True)
    print("| **all** | " + " | ".join(map(str, total)) + " |")
    print(*lost, sep="\n")


if __name__ == "__main__":
    main()
