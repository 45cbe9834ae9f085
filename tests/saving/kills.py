"""Saves that are killed: the file is always whole, and the next save leaves nothing else behind.

`python -m tests.saving.kills --count 200 --seed 1` kills that many processes while they save, of
each format.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np

import jkeras as keras

NAMES = ("model.keras", "model.h5", "model.weights.h5", "folder")


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


def save_again_and_again(path, writer):
    """Saves a model whose weights are the number of the save, until the process is killed."""
    model, i = make(), 0
    while True:
        i += 1
        model.set_weights([np.full(w.shape, float(i % 100)) for w in model.get_weights()])
        os.write(writer, b".")
        save(model, path)


def check_and_save(path):
    """Checks what a killed process has left, and saves once more."""
    if path.exists():
        check(path)
    else:  # a folder, killed between two names: the next save brings it back
        assert any(entry.name.endswith(".old") for entry in path.parent.iterdir())
    save(make(), path)
    assert os.listdir(path.parent) == [path.name], os.listdir(path.parent)


def fork(function, *arguments):
    """Starts a process that calls a function; JAX has started no thread in this one."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        function(*arguments)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run(count, seed, folder, names=NAMES):
    """Kills processes while they save; returns how many left something unfinished behind."""
    rng, left = random.Random(seed), 0
    for name in names:
        path = Path(folder) / name
        for i in range(count):
            reader, writer = os.pipe()
            process = fork(save_again_and_again, path, writer)
            os.close(writer)
            for _ in range(2):  # the first save is complete
                os.read(reader, 1)
            time.sleep(rng.uniform(0.0, 0.03))
            os.kill(process, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            os.close(reader)
            assert code == -signal.SIGKILL, f"{name}, kill {i}: the saving process ended by {code}"
            left += set(os.listdir(folder)) != {name}
            code = os.waitstatus_to_exitcode(os.waitpid(fork(check_and_save, path), 0)[1])
            assert not code, f"{name}, kill {i}"
        for entry in Path(folder).iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return left


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
