"""Saves that are killed: the file is always whole, and the next save leaves nothing else behind.

`python -m tests.saving.kills --count 200 --seed 1` kills that many processes while they save, of
each format.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import jkeras as keras

ROOT = Path(__file__).parents[2]
NAMES = ("model.keras", "model.h5", "model.weights.h5", "folder")
CODE = """
import sys
import numpy as np
from tests.saving import kills
model, i = kills.make(), 0
while True:
    i += 1
    model.set_weights([np.full(w.shape, float(i % 100)) for w in model.get_weights()])
    print(i, flush=True)
    kills.save(model, sys.argv[1])
"""


def make():
    layers = [keras.layers.Dense(600, name="a"), keras.layers.Dense(300, name="b")]
    return keras.Sequential([keras.Input((300,)), *layers], name="m")


def save(model, path):
    path = Path(path)
    if "weights" in path.name:
        model.save_weights(path)
    else:
        model.save(path, zipped=None if path.suffix else False)


def check(path):
    """Fails unless the file is one save's."""
    model = make()
    if "weights" in path.name:
        model.load_weights(path)
    else:
        model = keras.models.load_model(path)
    values = {float(v) for w in model.get_weights() for v in np.unique(w)}
    assert len(values) == 1, f"{path.name} mixes the weights of several saves: {values}"


def run(count, seed, folder, names=NAMES):
    """Kills processes while they save; returns how many left something unfinished behind."""
    rng, left = random.Random(seed), 0
    for name in names:
        path = Path(folder) / name
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(path)], cwd=ROOT, stdout=subprocess.PIPE
            )
            for _ in range(2):  # the first save is complete
                process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.03))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            entries = set(os.listdir(folder))
            left += entries != {name}
            if (
                not path.exists()
            ):  # a folder, killed between two names: the next save brings it back
                assert any(entry.endswith(".old") for entry in entries)
            else:
                check(path)
            save(make(), path)
            assert os.listdir(folder) == [name], os.listdir(folder)
        for entry in Path(folder).iterdir():
            _remove(entry)
    return left


def _remove(path):
    if path.is_dir():
        for inner in path.iterdir():
            _remove(inner)
        path.rmdir()
    else:
        path.unlink()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        left = run(options.count, options.seed, folder)
    print(f"{options.count} kills of each of {NAMES}: all whole; {left} had left something behind")


if __name__ == "__main__":
    main()
