"""What `fit` takes as data, and that the numbers do not depend on how it comes."""

import contextlib
import functools
import gc
import logging
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jkeras as keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(100, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def train(x, y=None, **options):
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss="mse")
    options = {"epochs": 2, "batch_size": 16, "verbose": 0, **options}
    history = model.fit(x, y, **options)
    return history.history, model.get_weights()


def same(a, b, tolerance=1e-6):
    for name in a[0]:
        np.testing.assert_allclose(a[0][name], b[0][name], rtol=tolerance)
    for v, w in zip(a[1], b[1]):
        np.testing.assert_allclose(v, w, rtol=tolerance, atol=tolerance)


@functools.cache
def from_arrays(**options):
    """Returns what training on arrays gives, which the other kinds of data are compared with."""
    return train(X, Y, **options)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 7

    def __getitem__(self, i):
        rows = slice(16 * i, 16 * i + 16)
        return X[rows], Y[rows]


# ------------------------------------------------------------------ kinds of arrays
@pytest.mark.parametrize(
    ("x", "y"),
    [
        (jnp.asarray(X), jnp.asarray(Y)),
        (pd.DataFrame(X), pd.DataFrame(Y)),
        (pd.DataFrame(X), pd.Series(Y[:, 0])),
        (X.tolist(), Y.tolist()),
        (X.astype("float64"), Y[:, 0].astype("float64")),
        ([X], [Y]),
        ((X,), (Y,)),
    ],
    ids=["jax", "frames", "frame and series", "lists", "float64", "list of one", "tuple of one"],
)
def test_arrays_of_any_kind(x, y):
    same(train(x, y), from_arrays())


def test_dicts_by_input_and_output_name():
    def model():
        keras.utils.set_random_seed(1)
        a, b = keras.Input((2,), name="a"), keras.Input((1,), name="b")
        both = keras.layers.concatenate([a, b])
        outputs = [keras.layers.Dense(1, name=n)(both) for n in ("u", "v")]
        model = keras.Model([a, b], outputs)
        model.compile(loss="mse", optimizer="sgd")
        return model

    x = [X[:, :2], X[:, 2:]]
    by_place = model().fit(x, [Y, 2 * Y], verbose=0).history
    by_name = model().fit(dict(zip("ab", x)), {"v": 2 * Y, "u": Y}, verbose=0).history
    assert by_place == by_name


# ------------------------------------------------------------------ where the data is
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_the_same_numbers_wherever_the_data_is():
    for options in ({}, {"shuffle": False}, {"validation_split": 0.2}, {"steps_per_epoch": 4}):
        same(from_arrays(**options), train(X, Y, data_on_device=False, **options))


def generator(passes):
    for _ in range(passes):
        for i in range(7):
            yield X[16 * i : 16 * i + 16], Y[16 * i : 16 * i + 16]


@pytest.mark.parametrize("workers", [1, 3])
def test_sequences_of_batches_give_the_numbers_of_arrays(workers):
    same(train(Batches(workers=workers), batch_size=None), from_arrays(shuffle=False))


def test_a_data_set_is_told_when_an_epoch_begins_and_ends():
    class Told(Batches):
        def on_epoch_begin(self):
            told.append("begin")

        def on_epoch_end(self):
            told.append("end")

    told = []
    train(Told(), batch_size=None, epochs=3)
    assert told == ["begin", "end"] * 3


def test_generators():
    expected = from_arrays(shuffle=False)
    same(train(generator(2), batch_size=None, steps_per_epoch=7), expected)
    once = train(generator(2), batch_size=None, epochs=1)  # trains to its end
    assert len(once[0]["loss"]) == 1
    same((expected[0] and {}, once[1]), ({}, expected[1]))


def test_a_generator_that_ends_too_early_warns_and_stops():
    with pytest.warns(UserWarning, match="ran out of data"):
        history, _ = train(generator(1), batch_size=None, steps_per_epoch=5, epochs=4)
    assert len(history["loss"]) == 2
    with pytest.raises(ValueError, match="no batches"):
        train(iter(()), batch_size=None)


def test_torch_like_loaders_of_lists():
    class Loader:
        def __len__(self):
            return 7

        def __iter__(self):
            return ([x, y] for x, y in generator(1))

    same(train(Loader(), batch_size=None), from_arrays(shuffle=False))


class GrainLike:
    """Batches whose iterator knows where it stands, as those of Grain."""

    class Iterator:
        def __init__(self):
            self.at = 0

        def __iter__(self):
            return self

        def __next__(self):
            if self.at == 7:
                raise StopIteration
            rows = slice(16 * self.at, 16 * self.at + 16)
            self.at += 1
            return X[rows], Y[rows]

        def get_state(self):
            return {"at": self.at}

        def set_state(self, state):
            self.at = state["at"]

    def __iter__(self):
        return self.Iterator()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_source_that_knows_where_it_stands_goes_on_from_there(tmp_path):
    options = {"batch_size": None, "steps_per_epoch": 3}
    expected = train(GrainLike(), epochs=4, **options)

    class Stops(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"))
    with pytest.raises(KeyboardInterrupt):
        train(GrainLike(), epochs=4, callbacks=[backup, Stops()], **options)
    history, weights = train(GrainLike(), epochs=4, callbacks=[backup], **options)
    np.testing.assert_allclose(history["loss"], expected[0]["loss"], rtol=1e-6)
    same(({}, weights), ({}, expected[1]))


def test_datasets_of_tensorflow_are_read_as_arrays():
    class Dataset:
        def as_numpy_iterator(self):
            return generator(1)

        def __iter__(self):
            raise AssertionError("tensors need TensorFlow")

    same(train(Dataset(), batch_size=None), from_arrays(shuffle=False))


def test_memory_maps_and_hdf5(tmp_path):
    import h5py

    np.save(tmp_path / "x.npy", X)
    expected = from_arrays()
    same(train(np.load(tmp_path / "x.npy", mmap_mode="r"), Y), expected)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"], file["y"] = X, Y
        same(train(file["x"], file["y"]), expected)


def test_an_error_in_the_data_comes_out_as_it_is():
    class Broken(Batches):
        def __getitem__(self, i):
            if i == 3:
                raise KeyError("row 48")
            return super().__getitem__(i)

    for workers in (1, 2):
        with pytest.raises(KeyError, match="row 48"):
            train(Broken(workers=workers), batch_size=None)


# ------------------------------------------------------------------ the budget
def test_data_over_the_budget_is_streamed_and_logged(caplog):
    expected = from_arrays()
    keras.config.set_data_budget(1000)
    try:
        with caplog.at_level(logging.WARNING, "jkeras"):
            same(train(X, Y), expected)
        assert len(caplog.records) == 1
        message = caplog.records[0].getMessage()
        assert "1.6 KB" in message
        assert "set_data_budget" in message
        caplog.clear()
        train(X, Y, data_on_device=True)
        assert not caplog.records
    finally:
        keras.config.set_data_budget(None)


def test_uint8_images_are_cast_in_the_step():
    images = RNG.integers(0, 256, size=(64, 4, 4)).astype("uint8")
    model = keras.Sequential([keras.Input((4, 4)), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile(loss="mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(images, images[:, 0, :1].astype("float32"), verbose=0)
    np.testing.assert_allclose(
        model.predict(images, verbose=0), model.predict(images.astype("float32"), verbose=0)
    )


# ------------------------------------------------------------------ weights of samples
def test_class_weights_are_sample_weights():
    labels = (X[:, 0] > 0).astype("int32") + (X[:, 1] > 1)

    def fit(y, loss, **options):
        keras.utils.set_random_seed(3)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
        model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.1))
        return model.fit(X, y, verbose=0, **options).history["loss"]

    sparse = "sparse_categorical_crossentropy"
    table = {0: 0.5, 2: 3.0}  # class 1 counts once
    weights = np.array([0.5, 1.0, 3.0], "float32")[labels]
    expected = fit(labels, sparse, sample_weight=weights)
    assert fit(labels, sparse, class_weight=table) == expected
    assert fit(labels[:, None], sparse, class_weight=table) == expected
    one_hot = np.eye(3, dtype="float32")[labels]
    np.testing.assert_allclose(
        fit(one_hot, "categorical_crossentropy", class_weight=table), expected, rtol=1e-5
    )
    product = fit(labels, sparse, class_weight=table, sample_weight=np.full(100, 2.0))
    np.testing.assert_allclose(product, fit(labels, sparse, sample_weight=2 * weights), rtol=1e-5)


def test_sample_weights_of_several_outputs():
    def losses(weight):
        keras.utils.set_random_seed(3)
        inputs = keras.Input((3,))
        outputs = [keras.layers.Dense(1, name=n)(inputs) for n in ("u", "v")]
        model = keras.Model(inputs, outputs)
        model.compile(loss="mse", optimizer="sgd")
        return model.evaluate(X, Y, sample_weight=weight, verbose=0)

    w = np.linspace(0, 1, 100).astype("float32")
    total, u, v = losses(None)
    _, both_u, both_v = losses(w)
    _, only_u, plain_v = losses({"u": w})
    _, list_u, zero_v = losses([w, np.zeros(100)])
    assert plain_v == pytest.approx(v)
    assert only_u == pytest.approx(both_u) == pytest.approx(list_u)
    assert both_v != pytest.approx(v)
    assert zero_v == 0
    assert total == pytest.approx(u + v)


class _Joined(keras.layers.Layer):
    def call(self, nodes, edges):
        return (nodes.sum(0) + edges.sum(0))[None]

    def compute_output_shape(self, nodes_shape, edges_shape):
        return (1, nodes_shape[-1])


def test_inputs_of_one_step_may_differ_in_length():
    """As a graph's nodes and edges do, whose label is one row."""

    def make():
        inputs = [keras.Input((2,)), keras.Input((2,))]
        dense = keras.layers.Dense(1, kernel_initializer="ones")
        model = keras.Model(inputs, dense(_Joined()(*inputs)))
        model.compile(keras.optimizers.SGD(0.01), "mse")
        return model

    y = np.zeros((1, 1), "float32")
    ones = np.ones((4, 2), "float32")
    graphs = [(ones[:n], ones[:m]) for n, m in ((2, 3), (1, 4), (2, 2))]
    model = make()
    assert model.predict_on_batch(list(graphs[0])).tolist() == [[10.0]]
    assert model.test_on_batch(list(graphs[0]), y) == 100.0
    assert model.predict(iter([(x,) for x in graphs])).tolist() == [[10.0], [10.0], [8.0]]
    # Each step counts by the rows of its first input.
    found = model.evaluate(iter([(x, y) for x in graphs]), verbose=0)
    assert found == pytest.approx((2 * 100 + 100 + 2 * 64) / 5)
    singly, together = make(), make()
    for x in graphs:
        singly.train_on_batch(x, y)
    together.fit(iter([(x, y) for x in graphs]), verbose=0)
    np.testing.assert_allclose(together.get_weights()[0], singly.get_weights()[0], rtol=1e-6)
    with pytest.raises(ValueError, match="Data cardinality is ambiguous"):
        model.fit(list(graphs[0]), y)


def on_device_after(call):
    """Returns how many more bytes are on the device after a call, before Python looks for circles.

    What was traced, compiled and found out once has its constants there: the second call counts.
    """
    call()
    gc.collect()
    gc.disable()
    try:
        before = sum(array.nbytes for array in jax.live_arrays())
        call()
        return sum(array.nbytes for array in jax.live_arrays()) - before
    finally:
        gc.enable()


def test_the_data_leave_the_device_when_a_call_ends():
    x, y = np.zeros((4096, 64), "float32"), np.zeros((4096, 1), "float32")
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping()
    calls = {
        "fit": lambda: model.fit(x, y, verbose=0),
        "validation": lambda: model.fit(x, y, verbose=0, validation_data=(x, y), callbacks=[stop]),
        "split": lambda: model.fit(x, y, verbose=0, validation_split=0.5, batch_size=64),
        "stream": lambda: model.fit(((x, y) for _ in range(3)), verbose=0),
        "evaluate": lambda: model.evaluate(x, y, verbose=0),
        "predict": lambda: model.predict(x, verbose=0),
        "one batch": lambda: model.train_on_batch(x, y),
    }
    kept = {name: on_device_after(call) for name, call in calls.items()}
    assert max(kept.values()) < x.nbytes // 8, kept


def test_the_data_leave_the_device_when_fit_fails():
    x, y = np.zeros((4096, 64), "float32"), np.zeros((4096, 1), "float32")
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")

    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("no")

    def fail():
        with contextlib.suppress(RuntimeError):
            model.fit(x, y, verbose=0, callbacks=[Fails()])

    assert on_device_after(fail) < x.nbytes // 8
