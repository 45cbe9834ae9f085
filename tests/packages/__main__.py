"""Runs packages that use Keras, and the tests they have, with Keras and with jkeras.

`python -m tests.packages --python PYTHON [--keras FOLDER] [NAME...]`, where PYTHON has the packages
but not Keras, and FOLDER holds Keras (`pip install --target FOLDER --no-deps keras`). `nox -s
packages` prepares both and calls this. Prints a table for docs/drop_in.md. A NAME is that of a
script of `tests/packages/scripts`, `keras_tuner`, `bayesflow`, or a part of these tests, such as
`keras_tuner/engine` or `bayesflow/links`.
"""

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE / "scripts").glob("*.py"))
# The last sources of keras-tuner that have the tests in them; they are run against the newest.
TUNER = "keras-tuner==1.3.5"
TUNER_TESTS = ("engine", "tuners", "distribute", "applications", "utils_test.py")
BAYESFLOW = "bayesflow==2.0.7"  # the last sources that have the tests in them
BAYESFLOW_TESTS = ("links", "distributions", "networks", "approximators")


def download(python, requirement, folder):
    """Returns the folder with the unpacked sources of a package."""
    command = [python, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*command, "-d", folder, requirement], check=True)
    (archive,) = Path(folder).glob("*.tar.gz")
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return next(p for p in Path(folder).iterdir() if p.is_dir())


def adapt_tuner_tests(source, target):
    """Copies keras-tuner's tests, which were written for another layout of it and TensorFlow."""
    for path in sorted((source / "keras_tuner").rglob("*.py")):
        if not path.name.endswith("_test.py") and path.name != "conftest.py":
            continue
        text = path.read_text()
        text = re.sub(
            r"from keras_tuner import (errors|protos|utils)\b",
            r"from keras_tuner.src import \1",
            text,
        )
        inner = r"\bkeras_tuner\.(engine|distribute|errors|protos|utils|applications|tuners)\b"
        text = re.sub(inner + r"(?=[\w. ]* import|\.[a-z_]+\.)", r"keras_tuner.src.\1", text)
        text = re.sub(r"^import tensorflow as tf$", "tf = None", text, flags=re.M)
        text = text.replace("from tensorflow import keras", "import keras")
        text = text.replace("from tensorflow.keras", "from keras").replace("tf.keras.", "keras.")
        text = text.replace(
            "    tf.random.set_seed(0)", '    __import__("keras").utils.set_random_seed(0)'
        )
        if "keras." in text and not re.search(r"^import keras$", text, re.M):
            text = re.sub(
                r"^(import pytest|import numpy as np)$",
                r"\1\nimport keras",
                text,
                count=1,
                flags=re.M,
            )
        place = target / path.relative_to(source / "keras_tuner")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def adapt_bayesflow(source):
    """Lets layers begin with one unit, which `build` changes; Keras 3.15 refuses none."""
    for path in (source / "bayesflow").rglob("*.py"):
        path.write_text(path.read_text().replace("units=None", "units=1"))


def run(python, arguments, keras, path, folder):
    """Runs a program; `keras` is the folder of the real one, or None for jkeras."""
    env = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    env["PYTHONPATH"] = os.pathsep.join([*([keras] if keras else [str(HERE.parents[1])]), *path])
    return subprocess.run(
        [python, "-W", "ignore", *arguments], env=env, cwd=folder, capture_output=True, text=True
    )


def run_tests(python, keras, path, folder, tests):
    """Returns the last line of pytest, and the names that failed."""
    options = ["-q", "-W", "ignore", "--import-mode=importlib", "--continue-on-collection-errors"]
    options += ["-o", "addopts=", "-p", "no:cacheprovider", "--timeout=600", "-rfE"]
    plugin = [] if keras else ["-p", "jkeras.alias"]
    done = run(python, ["-m", "pytest", *options, *plugin, *tests], keras, path, folder)
    lines = done.stdout.strip().splitlines() or [done.stderr[-200:]]
    return lines[-1].strip("= "), sorted(
        {n.split(" - ")[0] for n in lines if n.startswith(("FAILED", "ERROR"))}
    )


def main():
    """Runs what the command line names, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--keras", help="the folder of the real Keras; without it, jkeras only")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    sides = {"Keras": options.keras, "jkeras": None} if options.keras else {"jkeras": None}
    print("| what | " + " | ".join(sides) + " |")
    print("|---|" + "---|" * len(sides))

    def wanted(name):
        return not options.names or name in options.names

    def parts(name, every):
        chosen = {
            part for n in options.names for start, _, part in [n.partition("/")] if start == name
        }
        return every if wanted(name) else [part for part in every if part in chosen]

    failed = {}
    with tempfile.TemporaryDirectory() as work:
        for script in SCRIPTS:
            if wanted(script.stem):
                cells = []
                for keras in sides.values():
                    start = [] if keras else ["-m", "jkeras", "--no-tensorflow"]
                    compares = script.stem.startswith(("keras_hub", "hgq2"))
                    shared = [os.path.join(work, f"{script.stem}.outputs")] if compares else []
                    done = run(options.python, [*start, str(script), *shared], keras, [], work)
                    error = done.stderr.strip().splitlines()[-1:] or [""]
                    cells.append("ran" if done.returncode == 0 else f"failed: {error[0][:120]}")
                print(f"| {script.stem} | " + " | ".join(cells) + " |", flush=True)

        def compare(what, path, folder, tests):
            cells = []
            for side, keras in sides.items():
                last, failed[what, side] = run_tests(options.python, keras, path, folder, tests)
                cells.append(last)
            print(f"| {what} | " + " | ".join(cells) + " |", flush=True)

        if chosen := parts("keras_tuner", TUNER_TESTS):
            source = download(options.python, TUNER, os.path.join(work, "tuner"))
            tests = Path(work) / "tuner_tests"
            adapt_tuner_tests(source, tests)
            for part in chosen:
                compare(f"keras_tuner/{part}", [], tests, [part])
        if chosen := parts("bayesflow", BAYESFLOW_TESTS):
            source = download(options.python, BAYESFLOW, os.path.join(work, "bayesflow"))
            adapt_bayesflow(source)
            for part in chosen:
                compare(f"bayesflow/{part}", [str(source)], source, [f"tests/test_{part}"])
    for (what, side), names in failed.items():
        if side == "jkeras":
            for name in sorted(set(names) - set(failed.get((what, "Keras"), ()))):
                print(f"only with jkeras: {what} {name}")


if __name__ == "__main__":
    main()
