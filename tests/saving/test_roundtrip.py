"""What is saved here loads here: models of every kind, in every format, with everything in them."""

import json
import zipfile
from pathlib import Path

import h5py
import jax
import numpy as np
import optax
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.base import registry
from jkeras.core import policy, pure

FORMATS = ("model.keras", "model.h5")
X = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 1)).astype("float32")


# ------------------------------------------------------------------ models
def sequential():
    return keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, activation="relu"), layers.Dense(1)], name="stack"
    )


def deferred():
    model = keras.Sequential([layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    model(X)
    return model


def shared_and_nested():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    shared = layers.Dense(3)
    i = keras.Input((3,))
    encoder = keras.Model(i, layers.BatchNormalization()(layers.Dense(2)(i)), name="encoder")
    head = keras.Sequential([keras.Input((2,)), layers.Dense(2)], name="head")
    x = layers.Add()([encoder(shared(a)), head(encoder(shared(b)))])
    return keras.Model({"a": a, "b": b}, {"sum": layers.Dense(1)(x), "inner": encoder(shared(b))})


def operators():
    i = keras.Input((4,))
    x = 1.0 - layers.Dense(3)(i) * 2.0
    x = keras.ops.concatenate([x, i[:, 1:3]], axis=-1)
    return keras.Model(i, keras.ops.mean(x, axis=-1, keepdims=True))


def cut():
    """A model that begins inside of another one's graph."""
    i = keras.Input((4,))
    hidden = layers.Dense(3)(i)
    outer = keras.Model(i, layers.Dense(1)(layers.Dense(4)(hidden)))
    return keras.Model(outer.layers[2].output, outer.output)


def list_of_one():
    i = keras.Input((4,))
    return keras.Model([i], [layers.Dense(1)(i)])


def unused_input():
    i, other = keras.Input((4,), name="i"), keras.Input((4,), name="other")
    return keras.Model([i, other], layers.Dense(1)(i))


def frozen():
    model = sequential()
    model.layers[0].trainable = False
    return model


def mixed():
    return keras.Sequential([keras.Input((4,)), layers.Dense(1, dtype="mixed_bfloat16")])


def regularized():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(
                2,
                kernel_regularizer=keras.regularizers.L1L2(0.1, 0.2),
                kernel_constraint="max_norm",
                kernel_initializer=keras.initializers.HeNormal(seed=3),
                activity_regularizer="l2",
            ),
            layers.Dense(1, activation=layers.LeakyReLU(negative_slope=0.1)),
        ]
    )


def data_for(model):
    if isinstance(model.input, dict):
        return {"a": X, "b": -X}
    shapes = [x.shape[1] for x in model.inputs]
    arrays = [np.tile(X, 2)[:, :n] for n in shapes]
    return arrays if isinstance(model.input, list) else arrays[0]


def check_same_outputs(model, other, x=X):
    ours, theirs = model(x), other(x)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def check_same_variables(model, other):
    pairs = [(model.weights, other.weights)]
    if other.optimizer is not None:
        pairs.append((model.optimizer.variables, other.optimizer.variables))
    for ours, theirs in pairs:
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert list(pure.named_variables(model)) == list(pure.named_variables(other))


KINDS = (
    *(sequential, deferred, shared_and_nested, operators, cut, list_of_one, unused_input),
    *(frozen, mixed, regularized),
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("make", KINDS)
def test_models_come_back(make, name, tmp_path):
    model = make()
    for i, variable in enumerate(model.weights):  # nothing is what a new model would draw
        variable.assign(variable.numpy() + 0.01 * i)
    model.save(tmp_path / name)
    loaded = keras.models.load_model(tmp_path / name)
    assert loaded.get_config() == model.get_config() or make is cut  # its Input gets a name
    assert [w.path for w in loaded.weights] == [w.path for w in model.weights] or make is cut
    assert [w.trainable for w in loaded.weights] == [w.trainable for w in model.weights]
    x = data_for(model)
    check_same_outputs(loaded, model, x)


@pytest.mark.parametrize("make", KINDS)
def test_configs_make_equal_models(make):
    model = make()
    config = json.loads(json.dumps(model.get_config()))
    copy = type(model).from_config(config)
    assert copy.get_config() == model.get_config() or make is cut
    again = keras.models.model_from_json(model.to_json())
    assert [w.shape for w in again.weights] == [w.shape for w in model.weights]
    assert type(again) is type(model)


@pytest.mark.parametrize("make", KINDS)
def test_weights_come_back(make, tmp_path):
    model, other = make(), make()
    for i, variable in enumerate(model.weights):
        variable.assign(variable.numpy() + 0.01 * i)
    model.save_weights(tmp_path / "a.weights.h5")
    model.save(tmp_path / "a.h5")
    for name in ("a.weights.h5", "a.h5"):
        other.set_weights([np.zeros_like(w) for w in other.get_weights()])
        other.load_weights(tmp_path / name)
        for ours, theirs in zip(other.weights, model.weights, strict=True):
            assert (ours.value == theirs.value).all()


# ------------------------------------------------------------------ compile and optimizers
def settings():
    optimizers = keras.optimizers
    schedule = optimizers.schedules.ExponentialDecay(0.01, 3, 0.5)
    rows = {
        "sgd": (optimizers.SGD(0.05, momentum=0.9), "mse", {"metrics": ["mae"]}),
        "adam": (
            optimizers.Adam(0.01, amsgrad=True, clipnorm=1.0),
            keras.losses.Huber(delta=0.5),
            {"metrics": [keras.metrics.RootMeanSquaredError(name="rmse")]},
        ),
        "schedule": (
            optimizers.RMSprop(schedule, momentum=0.5, centered=True),
            "MSE",
            {"loss_weights": [0.5], "weighted_metrics": ["mse"]},
        ),
        "averages": (
            optimizers.AdamW(0.01, use_ema=True, gradient_accumulation_steps=2),
            "mse",
            {"steps_per_execution": 2},
        ),
    }
    return {k: {"optimizer": o, "loss": loss, **rest} for k, (o, loss, rest) in rows.items()}


@pytest.mark.parametrize("kind", list(settings()))
def test_training_goes_on_as_if_it_had_not_been_interrupted(kind, tmp_path):
    model = sequential()
    model.compile(**settings()[kind])
    model.fit(X, Y, epochs=2, batch_size=3, shuffle=False, verbose=0)
    for name in FORMATS:
        model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
        check_same_variables(loaded, model)
        ours, theirs = loaded.get_compile_config(), model.get_compile_config()
        if name.endswith(".h5") and isinstance(theirs["loss"], str):
            theirs["loss"] = "mean_squared_error"  # Keras cannot read "mse" there
        assert ours == theirs
    history = [
        m.fit(X, Y, epochs=2, batch_size=3, shuffle=False, verbose=0).history
        for m in (model, loaded)
    ]
    assert history[0] == history[1]
    check_same_variables(loaded, model)


@pytest.mark.parametrize("name", FORMATS)
def test_compile_and_the_optimizer_can_be_left_out(name, tmp_path):
    model = sequential()
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / name)
    assert not keras.models.load_model(tmp_path / name, compile=False).compiled
    model.save(tmp_path / name, include_optimizer=False)
    assert not keras.models.load_model(tmp_path / name).compiled


def test_a_compiled_model_that_was_not_trained(tmp_path):
    model = sequential()
    model.compile("adam", "mse")
    for name in FORMATS:
        model.save(tmp_path / name)
        assert keras.models.load_model(tmp_path / name).compiled


def test_load_weights_restores_the_state_of_a_built_optimizer(tmp_path):
    model, other = sequential(), sequential()
    for m in (model, other):
        m.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    other.fit(-X, Y, epochs=1, verbose=0)
    model.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    unbuilt = sequential()
    unbuilt.compile("adam", "mse")
    unbuilt.load_weights(tmp_path / "a.weights.h5")
    assert not unbuilt.optimizer.built


def test_mixed_float16_keeps_its_loss_scale(tmp_path):
    policy.set_dtype_policy("mixed_float16")
    model = sequential()
    model.compile("adam", "mse")
    model.fit(X, Y, epochs=1, verbose=0)
    for name in FORMATS:
        model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
        assert type(loaded.optimizer) is type(model.optimizer)
        check_same_variables(loaded, model)


def test_an_optimizer_that_does_not_fit_starts_anew(tmp_path):
    model = sequential()
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.fit(X, Y, verbose=0)
    model.save_weights(tmp_path / "a.weights.h5")
    other = sequential()
    other.compile(keras.optimizers.Adam(), "mse")
    other.fit(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        other.load_weights(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("name", (*FORMATS, "a.weights.h5"))
def test_saving_leaves_the_live_model_as_it_is(name, tmp_path):
    model = sequential()
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    before = (model.get_config(), model.get_compile_config(), model.get_weights())
    state = [v.numpy() for v in model.optimizer.variables]
    (model.save_weights if "weights" in name else model.save)(tmp_path / name)
    assert model.get_config() == before[0] and model.get_compile_config() == before[1]
    for a, b in zip(before[2], model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(state, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a, b.numpy())
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "after.keras")  # in Keras, an `.h5` before it costs the optimizer
    assert type(keras.models.load_model(tmp_path / "after.keras").optimizer).__name__ == "Adam"


# ------------------------------------------------------------------ the user's own classes
class Scale(layers.Layer):
    def __init__(self, factor, activation=None, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.activation, self.inner = factor, activation, inner

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")

    def call(self, inputs):
        outputs = inputs * self.gain * self.factor
        return outputs if self.inner is None else self.inner(outputs)


def double(x):
    return 2 * x


class Net(keras.Model):
    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.blocks = [layers.Dense(units), {"deep": [layers.Dense(units)]}]
        self.drop = layers.Dropout(0.5)
        self._private = layers.Dense(units)
        self.out = layers.Dense(1)
        self.offset = self.add_weight(shape=(1,), name="offset")

    def call(self, inputs, training=None):
        x = self.blocks[1]["deep"][0](self.blocks[0](inputs))
        return self.out(self.drop(self._private(x), training=training)) + self.offset


@pytest.fixture(autouse=True)
def own_names():
    """A class that a test registers is not registered in the next one."""
    known = keras.saving.get_custom_objects(), registry._registered_names
    before = [dict(names) for names in known]
    yield
    for names, earlier in zip(known, before, strict=True):
        names.clear()
        names.update(earlier)


@pytest.mark.parametrize("name", FORMATS)
def test_custom_layers_and_functions(name, tmp_path):
    model = keras.Sequential(
        [
            keras.Input((4,)),
            Scale(3, inner=layers.Dense(2)),
            layers.Dense(2, activation=double),
            layers.Activation(double),
        ]
    )
    model.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"Scale.*register_keras_serializable.*custom_objects"):
        keras.models.load_model(tmp_path / name)
    custom = {"Scale": Scale, "double": double}
    with keras.saving.custom_object_scope(custom):
        inside = keras.models.load_model(tmp_path / name)
    for loaded in (keras.models.load_model(tmp_path / name, custom_objects=custom), inside):
        check_same_outputs(loaded, model)


@pytest.mark.parametrize("name", FORMATS)
def test_registered_classes_need_not_be_passed(name, tmp_path):
    keras.saving.register_keras_serializable("shop")(Scale)
    keras.saving.register_keras_serializable("shop", "twice")(double)
    model = keras.Sequential([keras.Input((4,)), Scale(3), layers.Activation(double)])
    model.compile("sgd", loss=lambda y, p: p)
    model.save(tmp_path / name)
    loaded = keras.models.load_model(tmp_path / name, compile=False)
    check_same_outputs(loaded, model)
    with pytest.raises(ValueError, match="lambda") as error:
        keras.models.load_model(tmp_path / name)
    assert any("compile=False" in note for note in error.value.__notes__)


def test_lambda_layers_take_their_function_by_the_layers_name(tmp_path):
    model = keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 3, name="triple")])
    for name in FORMATS:
        model.save(tmp_path / name)
        with pytest.raises(ValueError, match=r"triple.*never executed"):
            keras.models.load_model(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name, custom_objects={"triple": double})
        np.testing.assert_array_equal(loaded(X), 2 * X)


def test_subclassed_models(tmp_path):
    model = Net(5)
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    model.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", custom_objects={"Net": Net})
    check_same_outputs(loaded, model)
    check_same_variables(loaded, model)
    with pytest.raises(NotImplementedError, match=r"Functional model or a Sequential(.|\n)*keras"):
        Net(5).save(tmp_path / "net.h5")  # it was not called yet
    assert not (tmp_path / "net.h5").exists()
    other = Net(5)
    with pytest.raises(ValueError, match="not yet been built"):
        model.save_weights(tmp_path / "net.weights.h5")
        other.load_weights(tmp_path / "net.weights.h5")
    other.build((None, 4))
    other.load_weights(tmp_path / "net.weights.h5")
    check_same_outputs(other, model)


def test_paths_in_weights_files_are_keras_paths(tmp_path):
    model = Net(2)
    model.build((None, 4))
    model.save_weights(tmp_path / "net.weights.h5")
    with h5py.File(tmp_path / "net.weights.h5") as file:
        found = []
        file.visit(lambda name: found.append(name) if name.endswith("vars") else None)
    # Public attributes in order, where the list of all layers takes what no earlier one has.
    paths = ("blocks/dense", "blocks/container/container/dense", "drop")
    paths += ("layers/dense_2", "layers/dense_3")
    assert sorted(found) == sorted(["vars", *(f"{p}/vars" for p in paths)])


def test_a_subclassed_model_on_integers_and_several_arguments(tmp_path):
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.table, self.dense = layers.Embedding(5, 3), layers.Dense(2)

        def call(self, tokens, features=None):
            hot = keras.ops.one_hot(tokens, 5)
            return self.dense(keras.ops.concatenate([self.table(tokens), hot], -1)), features

    tokens = np.array([[1, 2], [3, 4]])
    model = Pair()
    expected = model(tokens, features=np.ones((2, 7), "float32"))
    model.save(tmp_path / "pair.keras")
    loaded = keras.models.load_model(tmp_path / "pair.keras", custom_objects={"Pair": Pair})
    assert loaded.built
    got = loaded(tokens, features=np.ones((2, 7), "float32"))
    np.testing.assert_array_equal(got[0], expected[0])
    assert model.get_build_config() == {
        "shapes_dict": {"tokens_shape": (None, 2), "features_shape": (None, 7)},
        "dtypes_dict": {"tokens": "int32", "features": "float32"},
    }


def test_subclasses_with_a_graph_or_a_stack_inside(tmp_path):
    class Tower(keras.Model):
        def __init__(self, units, name=None):
            i = keras.Input((4,))
            super().__init__(i, layers.Dense(units)(i), name=name)
            self.extra = layers.Dense(1)
            self.extra.build((None, 2))

    class Stack(keras.Sequential):
        def __init__(self, units):
            super().__init__([keras.Input((4,)), layers.Dense(units)])

    class Plain(keras.Model):
        pass

    i = keras.Input((4,))
    custom = {"Tower": Tower, "Stack": Stack, "Plain": Plain}
    for model in (Tower(3, name="tower"), Stack(3), Plain(i, layers.Dense(3)(i))):
        for name in FORMATS:
            if isinstance(model, Tower) and name == "model.h5":
                continue  # that layout has no place for layers outside of the graph
            model.save(tmp_path / name)
            loaded = keras.models.load_model(tmp_path / name, custom_objects=custom)
            assert type(loaded) is type(model)
            check_same_outputs(loaded, model)


def test_a_custom_compile_is_left_to_its_owner(tmp_path):
    class Own(Net):
        def compile(self, strength, **kwargs):
            super().compile(**kwargs)
            self.strength = strength

    model = Own(2)
    model.compile(3.0, optimizer="sgd", loss="mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "own.keras")
    with pytest.warns(UserWarning, match=r"`compile\(\)` was not called"):
        loaded = keras.models.load_model(tmp_path / "own.keras", custom_objects={"Own": Own})
    assert not loaded.compiled
    check_same_outputs(loaded, model)


def test_layers_that_store_arrays_of_their_own(tmp_path):
    class Memory(layers.Layer):
        def build(self, input_shape):
            self.seen = None

        def call(self, inputs):
            return inputs

        def save_own_variables(self, store):
            store["seen"] = self.seen

        def load_own_variables(self, store):
            self.seen = store["seen"]

    model = keras.Sequential([keras.Input((4,)), Memory()])
    model.layers[0].seen = np.arange(5)
    model.save(tmp_path / "memory.keras")
    loaded = keras.models.load_model(tmp_path / "memory.keras", custom_objects={"Memory": Memory})
    assert loaded.layers[0].seen.tolist() == [0, 1, 2, 3, 4]


# ------------------------------------------------------------------ files
def test_models_that_share_a_layer_share_it_when_loaded(tmp_path):
    i = keras.Input((4,))
    dense = layers.Dense(4)
    a, b = keras.Model(i, dense(i), name="a"), keras.Model(i, dense(dense(i)), name="b")
    model = keras.Model(i, layers.Add()([a(i), b(i)]))
    model.save(tmp_path / "both.keras")
    loaded = keras.models.load_model(tmp_path / "both.keras")
    assert loaded.get_layer("a").layers[1] is loaded.get_layer("b").layers[1]
    check_same_outputs(loaded, model)


def test_a_keras_file_is_a_zip_of_the_same_parts_as_kerass(tmp_path):
    model = sequential()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as members:
        assert members.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert {m.compress_type for m in members.infolist()} == {zipfile.ZIP_STORED}
        assert set(json.loads(members.read("metadata.json"))) == {"keras_version", "date_saved"}
        config = json.loads(members.read("config.json"))
    assert (config["module"], config["class_name"]) == ("keras", "Sequential")
    text = json.dumps(config)
    for key in ("ragged", "optional", "quantization_config"):  # older versions refuse these
        assert key not in text


def test_a_folder_instead_of_a_zip(tmp_path):
    model = sequential()
    for _ in range(2):  # the second replaces the first
        model.save(tmp_path / "folder", zipped=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder"]
    loaded = keras.models.load_model(tmp_path / "folder")
    check_same_outputs(loaded, model)
    loaded.load_weights(tmp_path / "folder")
    with pytest.raises(ValueError, match=r"should not end in `.keras`"):
        model.save(tmp_path / "x.keras", zipped=False)


def test_by_name_and_skip_mismatch(tmp_path):
    old = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")]
    )
    old.save(tmp_path / "old.h5")
    new = keras.Sequential(
        [keras.Input((4,)), layers.Dense(3, name="a"), layers.Dense(9), layers.Dense(5, name="b")]
    )
    with pytest.raises(ValueError, match=r"Layer count mismatch.*expected 3 layers, found 2"):
        new.load_weights(tmp_path / "old.h5")
    before = new.get_weights()
    with pytest.raises(ValueError, match="Shape mismatch in layer 'b'"):
        new.load_weights(tmp_path / "old.h5", by_name=True)
    np.testing.assert_array_equal(new.layers[0].get_weights()[0], before[0])  # nothing changed
    with pytest.warns(UserWarning, match=r"layer 'b'.*\(9, 5\).*\(3, 2\)(.|\n)*keep their weights"):
        new.load_weights(tmp_path / "old.h5", by_name=True, skip_mismatch=True)
    np.testing.assert_array_equal(new.layers[0].get_weights()[0], old.layers[0].get_weights()[0])
    np.testing.assert_array_equal(new.layers[2].get_weights()[0], before[4])
    old.save_weights(tmp_path / "old.weights.h5")
    with pytest.raises(ValueError, match="by_name"):
        new.load_weights(tmp_path / "old.weights.h5", by_name=True)


def test_frozen_layers_inside_reorder_old_weights_files(tmp_path):
    """A file of weights does not say what was frozen: names tell which order was meant."""

    def make():
        parts = [layers.Dense(4, name="d"), layers.BatchNormalization(name="b")]
        parts.append(layers.Dense(2, name="e"))
        inner = keras.Sequential([keras.Input((4,)), *parts], name="inner")
        return keras.Sequential([keras.Input((4,)), inner])

    model, other = make(), make()
    model.layers[0].layers[0].trainable = False
    model.save(tmp_path / "frozen.h5")
    other.load_weights(tmp_path / "frozen.h5")
    for a, b in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# ------------------------------------------------------------------ clones
@pytest.mark.parametrize("make", KINDS)
def test_clones_have_the_architecture_and_new_weights(make):
    model = make()
    copy = keras.models.clone_model(model)
    assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]
    assert [layer.name for layer in copy.layers][-1] == model.layers[-1].name
    assert not {id(v) for v in copy.weights} & {id(v) for v in model.weights}
    x = data_for(model)
    copy.set_weights(model.get_weights())
    check_same_outputs(copy, model, x)


def test_clone_functions():
    i = keras.Input((4,))
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="deep")], name="inner")
    model = keras.Model(i, inner(layers.Dense(3, name="wide")(i)))

    def narrow(layer):
        if isinstance(layer, layers.Dense):
            return layers.Dense(layer.units, use_bias=False, name=layer.name)
        return type(layer).from_config(layer.get_config())

    assert len(keras.models.clone_model(model, clone_function=narrow).weights) == 3
    assert len(keras.models.clone_model(model, clone_function=narrow, recursive=True).weights) == 2
    called = []

    def call(layer, *args, **kwargs):
        called.append(layer.name)
        return layer(*args, **kwargs)

    new = keras.Input((4,))
    copy = keras.models.clone_model(model, input_tensors=new, call_function=call)
    assert called == ["wide", "inner"] and copy.input is new
    with pytest.raises(ValueError, match="clone_function"):
        keras.models.clone_model(model, clone_function=lambda layer: None)
    with pytest.raises(ValueError, match="subclassed"):
        keras.models.clone_model(Net(), clone_function=narrow)
    assert isinstance(keras.models.clone_model(Net(4)), Net)


# ------------------------------------------------------------------ what files cannot hold
def test_layers_may_have_files_of_their_own(tmp_path):
    class Words(layers.Layer):
        words = ()

        def call(self, inputs):
            return inputs

        def save_assets(self, folder):
            for i, word in enumerate(self.words):
                (Path(folder) / f"{i}.txt").write_text(word)

        def load_assets(self, folder):
            self.words = [p.read_text() for p in sorted(Path(folder).iterdir())]

    model = keras.Sequential([keras.Input((4,)), Words(), Words(), layers.Dense(1)])
    model.layers[0].words, model.layers[1].words = ["a", "b"], ["c"]
    model.save(tmp_path / "words.keras")
    model.save(tmp_path / "words", zipped=False)
    with zipfile.ZipFile(tmp_path / "words.keras") as members:
        assert members.namelist()[3:] == [
            *("assets/layers/words/0.txt", "assets/layers/words/1.txt"),
            "assets/layers/words_1/0.txt",
        ]
    for name in ("words.keras", "words"):
        loaded = keras.models.load_model(tmp_path / name, custom_objects={"Words": Words})
        assert [layer.words for layer in loaded.layers[:2]] == [["a", "b"], ["c"]]
    with zipfile.ZipFile(tmp_path / "words.keras", "a") as members:
        members.writestr("assets/layers/words/../../../evil", "x")
    with pytest.raises(ValueError, match=r"Not allowed.*evil"):
        keras.models.load_model(tmp_path / "words.keras", custom_objects={"Words": Words})
    assert not list(tmp_path.rglob("evil"))


def test_vocabularies_come_back(tmp_path):
    (tmp_path / "words.txt").write_text("cat\ndog")
    adapted = layers.TextVectorization(output_sequence_length=3)
    adapted.adapt(["a cat and a dog", "a cat"])
    model = keras.Sequential([keras.Input((), dtype="string"), adapted])
    model.save(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "text.keras") as members:
        assert "assets/layers/text_vectorization/vocabulary.txt" in members.namelist()
    loaded = keras.models.load_model(tmp_path / "text.keras").layers[-1]
    assert loaded.get_vocabulary() == adapted.get_vocabulary()
    given = layers.StringLookup(vocabulary=str(tmp_path / "words.txt"))
    (tmp_path / "words.txt").unlink()
    model = keras.Sequential([keras.Input((1,), dtype="string"), given])
    for name in FORMATS:
        model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name).layers[-1]
        assert loaded.get_vocabulary() == given.get_vocabulary() == ["[UNK]", "cat", "dog"]


def test_an_optax_transformation_is_passed_again(tmp_path):
    model = sequential()
    model.compile(optax.adam(0.01), "mse")
    model.fit(X, Y, epochs=2, verbose=0)
    for name in FORMATS:
        with pytest.warns(UserWarning, match="optax transformation cannot be described"):
            model.save(tmp_path / name)
        loaded = keras.models.load_model(tmp_path / name)
        assert not loaded.compiled
        loaded.compile(optax.adam(0.01), "mse")
        loaded.optimizer.build(loaded.trainable_variables)
        loaded.load_weights(tmp_path / name)
        check_same_variables(loaded, model)


def test_functions_that_no_file_can_name(tmp_path):
    def mean(x):  # not keras.ops.mean
        return x + 1

    i = keras.Input((4,))
    model = keras.Model(i, keras.ops.lift(mean)(i))
    for name in FORMATS:
        with pytest.raises(ValueError, match=r"'mean', which is not in keras.ops"):
            model.save(tmp_path / name)
