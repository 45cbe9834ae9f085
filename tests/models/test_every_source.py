"""Every source of data gives the same numbers in fit, evaluate and predict."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest

import jkeras as keras

ROWS, SIZE = 10, 4  # the last batch is short, where the model allows that
X = np.random.default_rng(0).normal(size=(ROWS, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True) ** 2
EVEN = 8  # rows, for a model whose batch size is fixed


def stack():
    return [keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]


def functional():
    x = inputs = keras.Input((3,))
    for layer in stack():
        x = layer(x)
    return keras.Model(inputs, x)


class Nested(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = keras.Sequential(stack())

    def call(self, x):
        return self.inner(x)


def unknown_axis():
    """Returns a model that is also right for another number of columns."""
    inputs = keras.Input((None,))
    x = keras.layers.Reshape((-1, 1))(inputs)
    for layer in stack():
        x = layer(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))


MODELS = {
    "functional": functional,
    "without an input": lambda: keras.Sequential(stack()),
    "nested in a subclass": Nested,
    "nested in a sequential": lambda: keras.Sequential([functional(), keras.layers.Dense(1)]),
    "of an unknown axis": unknown_axis,
    "of a fixed batch size": lambda: keras.Sequential(
        [keras.Input((3,), batch_size=SIZE), *stack()]
    ),
}


class Batches(keras.utils.PyDataset):
    """The rows of arrays, batch by batch; a process can receive it."""

    def __init__(self, *arrays, **options):
        super().__init__(**options)
        self.arrays = arrays

    def __len__(self):
        return -(-len(self.arrays[0]) // SIZE)

    def __getitem__(self, index):
        part = slice(SIZE * index, SIZE * index + SIZE)
        return tuple(a[part] for a in self.arrays)


class Loader:
    """Iterates over lists of batches, as torch's loaders do."""

    def __init__(self, *arrays):
        self.batches = Batches(*arrays)

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        # A list alone would be read as (x, y).
        return (b if len(b) == 1 else list(b) for b in self.batches)


def mapped(folder, array):
    path = folder / f"{array.shape[1]}.bin"
    copy = np.memmap(path, array.dtype, "w+", shape=array.shape)
    copy[:] = array
    return copy


# From arrays and a folder to the arguments (x, y); y is None where x has it.
ARRAYS = {
    "lists": lambda x, y, _: (x.tolist(), y.tolist()),
    "float64": lambda x, y, _: (x.astype("float64"), y[:, 0].astype("float64")),
    "frames": lambda x, y, _: (pd.DataFrame(x), pd.Series(y[:, 0])),
    "mixed frame": lambda x, y, _: (
        pd.DataFrame(x).astype({0: "Float32", 1: "float64"}),
        pd.DataFrame(y),
    ),
    "objects": lambda x, y, _: (x.astype(object), y.astype(object)),
    "memory maps": lambda x, y, folder: (mapped(folder, x), mapped(folder, y)),
}
STREAMS = {
    "generator": lambda *arrays: (b for b in Batches(*arrays)),
    "dataset": Batches,
    "dataset with threads": functools.partial(Batches, workers=2),
    "loader": Loader,
    "tuples": lambda *arrays: iter([tuple(map(pd.DataFrame, b)) for b in Batches(*arrays)]),
}


def made(name):
    keras.utils.set_random_seed(3)
    model = MODELS[name]()
    model.compile(keras.optimizers.SGD(0.05), "mse", metrics=["mae"])
    return model


@functools.cache
def expected(name):
    """Returns the rows, and what arrays give: loss, outputs and weights."""
    rows = EVEN if "fixed" in name else ROWS
    x, y = X[:rows], Y[:rows]
    model = made(name)
    before = model.evaluate(x, y, batch_size=SIZE, verbose=0)
    outputs = model.predict(x, batch_size=SIZE, verbose=0)
    history = model.fit(x, y, batch_size=SIZE, epochs=2, shuffle=False, verbose=0).history
    np.testing.assert_allclose(before[0], np.mean((outputs - y) ** 2), rtol=1e-5)
    assert outputs.shape == (rows, 1)
    return rows, before, outputs, history["loss"], model.get_weights()


def check(name, model, fits, evaluated, outputs):
    _, before, expected_outputs, losses, weights = expected(name)
    np.testing.assert_allclose(evaluated, before, rtol=1e-5)
    np.testing.assert_allclose(outputs, expected_outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose([fit() for fit in fits], losses, rtol=1e-5)
    for a, b in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("source", list(ARRAYS))
def test_arrays(source, name, tmp_path):
    rows, model = expected(name)[0], made(name)
    x, y = ARRAYS[source](X[:rows], Y[:rows], tmp_path)
    options = {"batch_size": SIZE, "verbose": 0}

    def fit():
        return model.fit(x, y, shuffle=False, **options).history["loss"][0]

    check(
        name,
        model,
        [fit, fit],
        model.evaluate(x, y, **options),
        model.predict(x, **options),
    )


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("source", list(STREAMS))
def test_streams(source, name):
    rows, model, make = expected(name)[0], made(name), STREAMS[source]
    x, y = X[:rows], Y[:rows]

    def fit():
        return model.fit(make(x, y), verbose=0).history["loss"][0]

    check(
        name,
        model,
        [fit, fit],
        model.evaluate(make(x, y), verbose=0),
        model.predict(make(x), verbose=0),
    )


def test_worker_processes():
    rows, model = expected("functional")[0], made("functional")
    dataset = Batches(X[:rows], Y[:rows], workers=2, use_multiprocessing=True)
    evaluated = model.evaluate(dataset, verbose=0)
    np.testing.assert_allclose(evaluated, expected("functional")[1], rtol=1e-5)


def test_batches_of_several_sizes_and_dicts():
    """Batches of other sizes come in any order; each counts by its size."""
    a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
    model = keras.Model({"a": a, "b": b}, keras.layers.Dense(1)(keras.layers.concatenate([a, b])))
    model.compile("sgd", "mse")
    x = {"a": X[:, :2], "b": X[:, 2:]}
    cuts = [0, 3, 4, 9, 10]

    def batches(with_targets=True):
        for start, stop in itertools.pairwise(cuts):
            part = {name: array[start:stop] for name, array in x.items()}
            yield (part, Y[start:stop]) if with_targets else part

    loss = model.evaluate(x, Y, verbose=0)
    np.testing.assert_allclose(model.evaluate(batches(), verbose=0), loss, rtol=1e-5)
    np.testing.assert_allclose(
        model.predict(batches(False), verbose=0), model.predict(x, verbose=0), rtol=1e-5
    )
    assert len(model.fit(batches(), verbose=0).history["loss"]) == 1
