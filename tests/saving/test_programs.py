"""Subclassed models whose classes are not there when their files are read."""

import copy
import json
import pickle
import warnings
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from tests.export.test_archive import foreign_program, rewritten

layers = keras.layers


class Wave(keras.Model):
    """Raw functions of JAX, an added loss, a regularizer, averages, dropout, a list of layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Dense(4, kernel_regularizer="l2", bias_constraint="non_neg")
        self.norm = layers.BatchNormalization()
        self.blocks = [layers.Dense(4), layers.Dense(4)]
        self.drop = layers.Dropout(0.3)

    def call(self, x, training=False):
        x = jnp.sin(self.first(x))
        self.add_loss(0.1 * jnp.mean(x**2))
        for block in self.blocks:
            x = x + block(x)
        if training:
            x = jnp.tanh(x)
        return self.drop(self.norm(x))


class Words(keras.Model):
    """A mask that reaches the loss."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embed, self.out = (
            layers.Embedding(9, 4, mask_zero=True),
            layers.LSTM(2, return_sequences=True),
        )

    def call(self, x):
        return self.out(self.embed(x + jnp.int32(0) * jnp.max(x)))


class Pair(keras.Model):
    """Structures, and a layer of its own class, shared and nested."""

    class Inner(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = layers.Dense(3)

        def build(self, shape):
            self.gain = self.add_weight(shape=(3,), initializer="ones")

        def call(self, x):
            return jnp.abs(self.dense(x)) * self.gain

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = {"a": Pair.Inner(), "b": Pair.Inner()}
        self.noise = layers.GaussianNoise(0.1, seed=3)

    def call(self, inputs):
        a, b = self.parts["a"](inputs["x"]), self.parts["b"](inputs["y"])
        return {"sum": self.noise(a + b), "product": self.parts["a"](a * b)}


R = np.random.default_rng(0)


def numbers(*shape):
    return R.normal(size=shape).astype("float32")


CASES = {
    "wave": (Wave, numbers(20, 4), numbers(20, 4)),
    "words": (Words, R.integers(0, 9, (20, 5)), numbers(20, 5, 2)),
    "pair": (
        Pair,
        {"x": numbers(20, 3), "y": numbers(20, 3)},
        {"sum": numbers(20, 3), "product": numbers(20, 3)},
    ),
}


def trained(name):
    cls, x, y = CASES[name]
    keras.utils.set_random_seed(0)
    model = cls()
    model.compile("adam", "mse")
    model.fit(x, y, verbose=0)
    return model


def same(a, b):
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("name", CASES)
def test_it_predicts_evaluates_trains_on_and_is_saved_again(name, tmp_path):
    cls, x, y = CASES[name]
    model = trained(name)
    model.save(tmp_path / "a.keras")
    found = keras.models.load_model(tmp_path / "a.keras")
    assert isinstance(found, keras.models.TracedModel)
    found.save(tmp_path / "b.keras")
    again = keras.models.load_model(tmp_path / "b.keras")
    own = keras.models.load_model(tmp_path / "b.keras", custom_objects={cls.__name__: cls})
    assert type(own) is cls and type(again) is keras.models.TracedModel
    if name == "pair":  # the files of classes hold no states of seeds: a noise goes on where it was
        own.noise.seed_generator.state.assign(model.noise.seed_generator.state)
    histories = []
    for one in (own, found, again):
        assert same(one.predict(x, verbose=0), model.predict(x, verbose=0))
        assert one.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
        keras.utils.set_random_seed(1)
        histories.append(one.fit(x, y, epochs=2, verbose=0).history)
    assert histories[0] == histories[1] == histories[2]
    assert same(own.predict(x, verbose=0), found.predict(x, verbose=0))


def test_weights_go_both_ways_and_layers_can_be_frozen(tmp_path):
    _, x, y = CASES["wave"]
    model = trained("wave")
    model.save(tmp_path / "a.keras")
    found = keras.models.load_model(tmp_path / "a.keras")
    assert [layer.name for layer in found.layers] == [layer.name for layer in model.layers]
    assert list(keras.pure.read(found).params) == list(keras.pure.read(model).params)
    found.save_weights(tmp_path / "a.weights.h5")
    other = Wave()
    other(x)
    other.load_weights(tmp_path / "a.weights.h5")
    assert same(other.get_weights(), model.get_weights())
    found.layers[0].trainable = False
    before = [w.copy() for w in found.layers[0].get_weights()]
    found.compile("sgd", "mse")
    found.fit(x, y, verbose=0)
    assert same(before, found.layers[0].get_weights())
    assert not same(model.layers[2].get_weights(), found.layers[2].get_weights())
    with pytest.raises(NotImplementedError, match="custom_objects"):
        found.layers[0](x)


def test_copies_pickles_and_two_models_of_equal_weights(tmp_path):
    class Sine(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return jnp.sin(self.dense(x))

    class Cosine(Sine):
        def call(self, x):
            return jnp.cos(self.dense(x))

    x, outputs = np.ones((3, 2), "float32"), {}
    for cls in (Sine, Cosine):
        model = cls()
        model(x)
        model.set_weights([np.ones((2, 2)), np.zeros(2)])
        model.save(tmp_path / "a.keras")
        found = keras.models.load_model(tmp_path / "a.keras")
        outputs[cls] = found.predict(x, verbose=0)
        for one in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
            assert same(one.predict(x, verbose=0), outputs[cls])
    np.testing.assert_allclose(outputs[Sine], np.sin(2), atol=1e-6)
    np.testing.assert_allclose(outputs[Cosine], np.cos(2), atol=1e-6)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_float64_is_float32_where_jax_has_no_more(tmp_path):
    class Sine(keras.Model):
        def __init__(self):
            super().__init__(dtype="float64")
            self.dense = layers.Dense(2, dtype="float64")

        def call(self, x):
            return jnp.sin(self.dense(x))

    x, model = np.ones((3, 2), "float32"), Sine()
    model(x)
    model.save(tmp_path / "a.keras")
    found = keras.models.load_model(tmp_path / "a.keras")
    assert same(found.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("operations", [jnp, keras.ops])  # a program in the file, and a graph
def test_models_that_were_saved_can_be_copied_and_pickled(operations, tmp_path):
    class Sine(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x):
            return operations.sin(self.dense(x))

    x, model = np.ones((3, 2), "float32"), Sine()
    model(x)
    model.save(tmp_path / "a.keras")
    # A class of a function cannot be pickled, so it goes by its module for a while.
    globals()["_Sine"], Sine.__qualname__ = Sine, "_Sine"
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert same(again.predict(x, verbose=0), model.predict(x, verbose=0))
    again.save(tmp_path / "b.keras")
    found = keras.models.load_model(tmp_path / "b.keras")
    assert same(found.predict(x, verbose=0), model.predict(x, verbose=0))


def test_steps_of_its_own_are_not_in_the_file(tmp_path):
    class Own(Wave):
        def compute_loss(self, **kwargs):
            return 2 * super().compute_loss(**kwargs)

    model = Own()
    model(numbers(2, 4))
    model.save(tmp_path / "a.keras")
    with pytest.warns(UserWarning, match="compute_loss"):
        keras.models.load_model(tmp_path / "a.keras")


def test_what_cannot_be_a_program_is_saved_as_ever(tmp_path):
    class Loop(keras.Model):
        def call(self, x):
            return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    model = Loop()
    model(np.ones((2, 3), "float32"))
    model.save(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="Unknown class 'Loop'"):
        keras.models.load_model(tmp_path / "a.keras")
    custom = {"Loop": Loop}
    assert type(keras.models.load_model(tmp_path / "a.keras", custom_objects=custom)) is Loop


def test_programs_are_made_again_only_when_something_has_changed(tmp_path):
    model = trained("wave")
    model.save(tmp_path / "a.keras")
    first = programs_in(tmp_path / "a.keras")
    model.layers[0].set_weights([np.ones((4, 4)), np.ones(4)])
    model.save(tmp_path / "a.keras")
    assert programs_in(tmp_path / "a.keras") == first
    model.drop.rate = 0.9
    model.save(tmp_path / "a.keras")
    assert programs_in(tmp_path / "a.keras") != first


def programs_in(path):
    with zipfile.ZipFile(path) as file:
        return {n: file.read(n) for n in file.namelist() if n.endswith(".stablehlo")}


# ------------------------------------------------------------------ files that do harm
@pytest.fixture
def saved(tmp_path):
    model = Wave()
    model(numbers(2, 4))
    model.save(tmp_path / "a.keras")
    return model, tmp_path / "a.keras"


def refused(path, match=None):
    with pytest.raises(ValueError, match=match):
        keras.models.load_model(path)


def test_a_program_that_calls_more_than_xla_is_refused(saved):
    model, path = saved
    weights = {**keras.pure.read(model).params, **keras.pure.read(model).state}
    evil = foreign_program((weights, numbers(2, 4)))
    refused(rewritten(path, **{"program/infer.stablehlo": evil}), "Not allowed.*delete_all_files")


def test_damaged_programs_say_which_jax_wrote_them(saved):
    _, path = saved
    data = programs_in(path)["program/train.stablehlo"]
    rewritten(path, **{"program/train.stablehlo": data[:1000]})
    refused(path, f"written with jax {jax.__version__}.*\n?.*six months")


def test_weights_of_other_shapes_than_the_programs_take_are_refused(saved):
    _, path = saved
    with zipfile.ZipFile(path) as file:
        table = json.loads(file.read("program/program.json"))
    table["parts"][1]["variables"][0]["shape"] = [10**9, 10**6]
    rewritten(path, **{"program/program.json": json.dumps(table)})
    refused(path, "other weights than its file describes")


@pytest.mark.parametrize(
    "change", [{"parts": 3}, {"parts": []}, {"train": None}, {"version": 2}, {"dtype": 7}]
)
def test_damaged_tables_are_refused(saved, change):
    _, path = saved
    with zipfile.ZipFile(path) as file:
        table = json.loads(file.read("program/program.json"))
    rewritten(path, **{"program/program.json": json.dumps({**table, **change})})
    refused(path)


def test_nothing_is_warned_of(saved):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        keras.models.load_model(saved[1])


def test_it_is_a_layer_of_another_model(saved):
    model, path = saved
    found = keras.models.load_model(path)
    x = keras.Input((4,))
    assert keras.Model(x, layers.Dense(1)(found(x))).output_shape == (None, 1)
    given = numbers(3, 4)
    inner = keras.Model(x, found(x))
    assert same(inner.predict(given, verbose=0), model.predict(given, verbose=0))


def test_a_model_that_holds_one_is_saved_and_loaded(saved, tmp_path):
    found = keras.models.load_model(saved[1])
    x = keras.Input((4,))
    outer = keras.Model(x, layers.Dense(1)(found(x)))
    outer.save(tmp_path / "b.keras")
    again = keras.models.load_model(tmp_path / "b.keras")
    given = numbers(3, 4)
    assert same(again.predict(given, verbose=0), outer.predict(given, verbose=0))
    with pytest.raises(NotImplementedError, match=r"copy.deepcopy"):
        keras.models.clone_model(found)
    cls = type(saved[0])
    known = {cls.__name__: cls, **{type(k).__name__: type(k) for k in saved[0].layers}}
    with_class = keras.models.load_model(tmp_path / "b.keras", custom_objects=known)
    assert type(with_class.layers[1]) is cls
    assert same(with_class.predict(given, verbose=0), outer.predict(given, verbose=0))


def test_it_is_exported_and_has_gradients_in_inference(saved, tmp_path):
    found, x = keras.models.load_model(saved[1]), numbers(3, 4)
    slopes = jax.grad(lambda x: found.apply(keras.pure.read(found), x)[0].sum())(jnp.asarray(x))
    own = jax.grad(lambda x: saved[0].apply(keras.pure.read(saved[0]), x)[0].sum())(jnp.asarray(x))
    np.testing.assert_allclose(slopes, own, atol=1e-6)
    found.export(tmp_path / "model.stablehlo", verbose=False)
    served = keras.export.load(tmp_path / "model.stablehlo").serve(x)
    np.testing.assert_allclose(served, found.predict(x, verbose=0), atol=1e-6)


def test_what_cannot_be_differentiated_is_saved_and_exported(tmp_path):
    class Until(keras.Model):
        def call(self, x):
            return jax.lax.while_loop(lambda v: v.max() < 9, lambda v: v + 1, x)

    model, x = Until(), np.ones((2, 3), "float32")
    expected = model(x)
    model.save(tmp_path / "a.keras")
    assert same(keras.models.load_model(tmp_path / "a.keras")(x), expected)
    model.export(tmp_path / "a", verbose=False)
    assert same(keras.export.load(tmp_path / "a").serve(x), expected)


def test_programs_of_files_that_are_not_trusted_are_not_read(saved):
    with pytest.raises(ValueError, match=r"Wave.*not trusted"):
        keras.models.load_model(saved[1], untrusted=True)
    custom = {"Wave": Wave}
    found = keras.models.load_model(saved[1], untrusted=True, custom_objects=custom)
    assert type(found) is Wave


def test_weights_are_in_the_file_once(saved):
    with zipfile.ZipFile(saved[1]) as file:
        assert not [name for name in file.namelist() if name.startswith("program/arrays")]
