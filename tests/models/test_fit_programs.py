"""What `fit` compiles, and when again; where a NaN comes from; the same bits in any chunks."""

import io
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras.base import settings

pytestmark = pytest.mark.usefixtures("own_programs")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


@pytest.fixture(autouse=True)
def settings_as_before():
    before = dict(settings._values)
    yield
    settings._values.update(before)


class Counted(keras.layers.Layer):
    """Passes its inputs on, and notes that it was called from Python: when it is traced."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.traces = []

    def call(self, inputs):
        self.traces = [*self.traces, inputs.shape]
        return inputs


def make(*layers, loss="mse", **options):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.9), loss=loss, **options)
    return model


# ------------------------------------------------------------------ what is compiled again
def test_nothing_is_compiled_again_that_did_not_change():
    counted = Counted()
    model = make(keras.layers.Dense(4), counted)
    options = {"batch_size": 16, "verbose": 0}

    def traces(**more):
        counted.traces = []
        model.fit(X, Y, **options, **more)
        return len(counted.traces)

    class Evaluates(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(X, Y, **options)
            self.model.optimizer.learning_rate = 0.01 / (epoch + 1)

    assert traces(epochs=2) > 0
    assert traces(epochs=2) == 0
    model.optimizer.learning_rate = 0.01
    assert traces() == 0
    assert traces(validation_data=(X, Y)) > 0
    assert traces(callbacks=[Evaluates()], epochs=3) == 0
    model.layers[0].trainable = False
    frozen = model.layers[0].kernel.numpy()
    assert traces() > 0
    model.layers[0].trainable = True
    assert traces() == 0
    model.layers[0].trainable = False
    assert traces() == 0
    assert (model.layers[0].kernel.numpy() != frozen).any()  # it was trained in between


@pytest.mark.parametrize("source", ["arrays", "stream"])
@pytest.mark.parametrize("rows", [64, 61])
def test_a_progress_bar_compiles_nothing_after_the_first_epoch(
    source, rows, monkeypatch, capsys, caplog
):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return -(-rows // 4)

        def __getitem__(self, i):
            return x[4 * i : 4 * i + 4], y[4 * i : 4 * i + 4]

    monkeypatch.setattr("jkeras.models.fitting.is_terminal", lambda: True)
    x, y = X[:rows], Y[:rows]
    model, lines = make(), []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: lines.append(len(caplog.messages))
    )
    with caplog.at_level("DEBUG", "jkeras"):
        given = (x, y) if source == "arrays" else (Batches(),)
        model.fit(*given, batch_size=4 if source == "arrays" else None, epochs=6, callbacks=[note])
    assert lines[0] > 0
    # A stream's chunks have room for 1, 8 or 64 steps, and may not have grown in one epoch: then
    # there is one more for each shape of a batch.
    assert lines[-1] - lines[0] <= (0 if source == "arrays" else 1 + (rows % 4 > 0))


def test_a_debug_log_names_what_changed(caplog):
    model = make()
    with caplog.at_level(logging.DEBUG, "jkeras"):
        model.fit(X[:32], Y[:32], batch_size=16, verbose=0)
        model.fit(X[:32].astype("float16"), Y[:32], batch_size=16, verbose=0)
    first, second = [r.getMessage() for r in caplog.records]
    assert first.endswith("x float32[16, 3], y[0] float32[16, 1]")
    assert second.endswith(": x was float32[16, 3], is float16[16, 3]")


def test_the_compilation_cache_is_one_line(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    try:
        keras.config.enable_compilation_cache(tmp_path / "programs")
        make(keras.layers.Dense(2)).fit(X, Y, batch_size=35, verbose=0)
        assert any((tmp_path / "programs").iterdir())
    finally:
        keras.config.enable_compilation_cache(before or "")


def test_predictions_for_a_row_follow_what_the_model_is_now():
    model = make(keras.layers.Dense(1, use_bias=False, name="first"))
    first = model.layers[0]
    expected = [model.predict(X[:1], verbose=0), model.predict(X[:1], verbose=0)]
    np.testing.assert_array_equal(*expected)
    first.set_weights([2 * w for w in first.get_weights()])
    np.testing.assert_allclose(model.predict(X[:1], verbose=0), 2 * expected[0], rtol=1e-6)
    first.trainable = False
    np.testing.assert_allclose(model.predict(X[:1], verbose=0), 2 * expected[0], rtol=1e-6)
    assert model.predict(X[:5], verbose=0).shape == (5, 1)
    with pytest.raises(ValueError, match="batch_size"):
        model.predict(X[:1], batch_size=0, verbose=0)
    with pytest.raises(ValueError, match="expected shape"):
        model.predict(X[:1, :2], verbose=0)
    model.add(keras.layers.Rescaling(3.0))
    np.testing.assert_allclose(model.predict(X[:1], verbose=0), 6 * expected[0], rtol=1e-6)


def test_predictions_for_a_row_follow_whoever_sets_the_weights(tmp_path, destroyed):
    model = make(keras.layers.Dense(1, name="first"))
    kernel = model.layers[0].kernel
    model.save_weights(tmp_path / "before.weights.h5")

    def follows():
        row = model.predict(X[:1], verbose=0)
        np.testing.assert_allclose(row, model(X[:1]), rtol=1e-5)
        return row.item()

    rows = [follows(), follows()]
    model.fit(X, Y, verbose=0)
    rows.append(follows())
    model.train_on_batch(X, Y)
    rows.append(follows())
    kernel.assign(kernel * 2)
    rows.append(follows())
    model.load_weights(tmp_path / "before.weights.h5")
    rows.append(follows())
    assert rows[0] == rows[1] == rows[-1]
    assert len(set(rows)) == 4


class Branches(keras.Model):
    def __init__(self):
        super().__init__()
        self.blocks = [keras.layers.Rescaling(2.0), keras.layers.Rescaling(3.0)]
        self.table = {"chosen": self.blocks[0]}

    def call(self, inputs):
        return self.table["chosen"](self.blocks[0](inputs))


def test_predictions_follow_the_layers_in_lists_and_dicts():
    model, ones = Branches(), np.ones((1, 1), "float32")

    def rows():
        return [model.predict(ones, verbose=0).item() for _ in range(2)]

    assert rows() == [4.0, 4.0]
    model.blocks.reverse()
    assert rows() == [6.0, 6.0]
    model.table["chosen"] = model.blocks[0]
    assert rows() == [9.0, 9.0]
    model.blocks[0] = keras.layers.Rescaling(5.0)
    assert rows() == [15.0, 15.0]


# ------------------------------------------------------------------ memory
def test_images_stay_uint8_on_the_device():
    images = X.astype("uint8")
    others, seen = jax.live_arrays(), []  # those of tests before this one

    def look(epoch, logs):
        own = [a for a in jax.live_arrays() if all(a is not other for other in others)]
        seen.extend(str(a.dtype) for a in own if a.shape == images.shape)

    look = keras.callbacks.LambdaCallback(on_epoch_end=look)
    make().fit(images, Y, verbose=0, callbacks=[look])
    assert seen == ["uint8"]


def test_training_holds_one_copy_of_the_weights():
    """Weights and slots stay in the same buffers: nothing else of their size lives."""
    model = make(keras.layers.Dense(1000, name="wide"), keras.layers.Dense(1000, name="wider"))
    size, most = 1000 * 1000, []

    class Watches(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            most.append(sum(a.size == size for a in jax.live_arrays()))

    before = sum(a.size == size for a in jax.live_arrays())
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[Watches()])
    assert [count - before for count in most] == [2, 2, 2]  # the kernel and its momentum

    kernel = model.get_layer("wider").kernel
    pointer = kernel.cell().unsafe_buffer_pointer()
    model.fit(X, Y, verbose=0)
    assert kernel.cell().unsafe_buffer_pointer() == pointer


@pytest.mark.parametrize(("units", "lives"), [(4, True), (600, False)])
def test_only_a_large_state_is_destroyed(units, lives):
    """Donating a small one takes longer than copying it."""
    model = make(keras.layers.Dense(units, name="first"), keras.layers.Dense(600, name="second"))
    model.fit(X, Y, verbose=0)
    array = model.get_layer("second").kernel.cell()
    model.fit(X, Y, verbose=0)
    assert array.is_deleted() is not lives


# ------------------------------------------------------------------ the same bits
class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_the_same_bits_however_the_epoch_is_cut(monkeypatch, destroyed):
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)

    def run(steps_per_execution=1, **options):
        layers = keras.layers.Dense(4, "tanh"), keras.layers.Dropout(0.2)
        model = make(*layers, metrics=["mae"], steps_per_execution=steps_per_execution)
        options = {"verbose": 0, "epochs": 3, "batch_size": 16, **options}
        history = model.fit(X, Y, **options).history  # 4 batches, and a rest of 6 rows
        return history, [w.tobytes() for w in model.get_weights()]

    expected = run()
    assert len(set(expected[0]["loss"])) == 3
    assert run(3) == expected
    assert run(callbacks=[watch]) == expected
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert run(verbose=1) == expected
    stream = run(data_on_device=False)
    for name, values in expected[0].items():
        np.testing.assert_allclose(stream[0][name], values, rtol=1e-6)


# ------------------------------------------------------------------ NaN
def test_a_warning_names_epoch_and_step_of_the_first_bad_loss():
    broken = X.copy()
    broken[50] = np.nan
    options = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    with pytest.warns(RuntimeWarning, match="epoch 1, step 4") as caught:
        make().fit(broken, Y, **options)
    assert len(caught) == 1
    with pytest.warns(RuntimeWarning, match="epoch 1, step 4"):
        make(steps_per_execution=2).fit(broken, Y, **options)


@pytest.mark.parametrize(
    ("layers", "x", "message"),
    [
        ([keras.layers.Activation(lambda x: jnp.log(x - 100.0), name="log")], X, "'log' hold NaN"),
        ([keras.layers.Dense(2, name="first")], X * np.nan, "'first' hold NaN.\nIts inputs hold"),
        (
            [
                keras.layers.Dense(2, name="before"),
                keras.layers.Activation(lambda x: jnp.sqrt(0 * x), name="root"),
            ],
            X,
            "gradients of .*before/kernel.* are not finite",
        ),
        ([], X * 1e30, "loss itself is not finite|gradients of"),
    ],
    ids=["layer", "data", "gradient", "loss"],
)
def test_debug_nans_names_the_first_layer(layers, x, message):
    model = make(*layers)
    before = model.get_weights()
    keras.config.debug_nans()
    with pytest.raises(FloatingPointError, match=message):
        model.fit(x, Y, verbose=0)
    for kept, weight in zip(model.get_weights(), before):
        np.testing.assert_array_equal(kept, weight)  # those from before the bad step


def test_debug_nans_gives_the_numbers_of_every_fit():
    expected = make(keras.layers.Dropout(0.2)).fit(X[:64], Y[:64], verbose=0).history
    keras.config.debug_nans()
    assert make(keras.layers.Dropout(0.2)).fit(X[:64], Y[:64], verbose=0).history == expected


# ------------------------------------------------------------------ settings
def test_limits_for_a_trial_run():
    keras.config.set_max_epochs(2)
    keras.config.set_max_steps_per_epoch(3)
    model, seen = make(), []
    watch = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append(dict(watch.params)),
        on_train_batch_end=lambda batch, logs: seen.append(batch),
    )
    with pytest.warns(UserWarning, match="Limiting (epochs to 2|steps_per_epoch to 3)|(2 of 3)"):
        history = model.fit(X, Y, batch_size=16, epochs=5, verbose=0, callbacks=[watch])
    assert history.epoch == [0, 1]
    assert seen == [{"verbose": 0, "epochs": 2, "steps": 3}, 0, 1, 2, 0, 1]
    with pytest.warns(UserWarning, match="Limiting steps_per_epoch to 3"):
        assert model.predict(X, batch_size=16, verbose=0).shape == (48, 1)
    with pytest.warns(UserWarning, match="Limiting steps_per_epoch to 3"):
        value = model.evaluate(X, Y, batch_size=16, verbose=0)
    assert value == pytest.approx(model.evaluate(X[:48], Y[:48], batch_size=16, verbose=0))


def test_progress_goes_to_logging_if_wanted(caplog, capsys):
    keras.config.disable_interactive_logging()
    with caplog.at_level(logging.INFO, "jkeras"):
        make().fit(X, Y, epochs=2)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(line.startswith("3/3 ") and "loss: " in line for line in lines[1::2])
    assert capsys.readouterr().out == ""


def test_run_eagerly_shows_values():
    seen = []

    class Looks(keras.layers.Layer):
        def call(self, inputs):
            if not isinstance(inputs, jax.core.Tracer):
                seen.append(float(jnp.sum(inputs)))
            return inputs

    model = make(Looks(), run_eagerly=True)
    eager = model.fit(X, Y, batch_size=35, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(seen, [X[:35].sum(), X[35:].sum()], rtol=1e-4)
    compiled = make().fit(X, Y, batch_size=35, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(eager, compiled, rtol=1e-5)
