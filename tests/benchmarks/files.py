"""Files: a model of 100 MB in both formats, many small layers, and HDF5's own time."""

import functools
import tempfile
import time

import numpy as np

from tests.benchmarks import programs, tables


def wide(keras):
    """Returns a model of 100 MB in four layers."""
    layers = [keras.layers.Dense(2500) for _ in range(4)]
    return keras.Sequential([keras.Input((2500,)), *layers])


def deep(keras, layers=300):
    """Returns a functional model of many small layers."""
    x = inputs = keras.Input((8,))
    for i in range(layers // 3):
        y = keras.layers.Dense(8, activation="relu", name=f"dense{i}")(x)
        y = keras.layers.BatchNormalization(name=f"norm{i}")(y)
        x = keras.layers.Add(name=f"add{i}")([x, y])
    return keras.Model(inputs, x)


def both_clocks(title, candidates, rounds):
    """Prints ratios of CPU seconds, which other programs disturb little, and of times."""
    cpu = {name: [] for name in candidates}
    wall = {name: [] for name in candidates}
    for candidate in candidates.values():
        candidate()
    order = list(candidates)
    for _ in range(rounds):
        for name in order:
            at, used = time.perf_counter(), time.process_time()
            candidates[name]()
            cpu[name].append(time.process_time() - used)
            wall[name].append(time.perf_counter() - at)
        order = [*order[1:], order[0]]
    tables.show(f"{title}, CPU seconds", cpu)
    tables.show(f"{title}, time", wall)


def read_by_h5py(path):
    """Reads all arrays of a file by h5py alone."""
    import h5py

    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return arrays


def files(rounds, quick):
    """Saving and loading, each library its own file, and the same file."""
    import jkeras

    libraries = {"jkeras": jkeras}
    if programs.has("keras"):
        import keras

        libraries["Keras"] = keras
    models = {"a deep one": deep} if quick else {"100 MB": wide, "300 layers": deep}
    with tempfile.TemporaryDirectory() as folder:
        for title, make in models.items():
            made = {name: make(library) for name, library in libraries.items()}
            for suffix in ("keras", "h5"):
                paths = {name: f"{folder}/{name}.{suffix}" for name in made}
                saves = {name: functools.partial(m.save, paths[name]) for name, m in made.items()}
                both_clocks(f"save, .{suffix}: {title}", saves, rounds)
                for whose, path in paths.items():
                    loads = {
                        name: functools.partial(library.models.load_model, path, compile=False)
                        for name, library in libraries.items()
                    }
                    both_clocks(f"load, .{suffix} of {whose}: {title}", loads, rounds)
                path = paths["jkeras"]
                loading = functools.partial(jkeras.models.load_model, path, compile=False)
                layers = len(made["jkeras"].layers)
                used = [-time.process_time(), loading() and time.process_time()]
                print(f"  building and loading: {sum(used) / layers * 1e3:.2f} ms of CPU a layer")
            path = paths["Keras" if "Keras" in paths else "jkeras"]
            reads = {
                "jkeras": functools.partial(jkeras.saving.read_weights, path),
                "h5py": functools.partial(read_by_h5py, path),
            }
            assert all(
                np.array_equal(a, b) for a, b in zip(*(r().values() for r in reads.values()))
            )
            both_clocks(f"read_weights: {title}", reads, rounds)
