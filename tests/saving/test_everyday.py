"""Files as Keras's users write and read them: layers, shards, skipped layers, functions, copies."""

import copy
import io
import json
import pickle
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.base import registry
from jkeras.core import pure
from tests.catalog.layers import LAYERS, scaled

X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(6, 1)).astype("float32")


def stack(*units):
    return keras.Sequential([keras.Input((3,)), *map(layers.Dense, units)])


def same_weights(a, b):
    return all(map(np.array_equal, a.get_weights(), b.get_weights()))


# ------------------------------------------------------------------ what is saved can be loaded
@pytest.mark.parametrize("units", [1, 4])
def test_a_layer_by_itself(units, tmp_path):
    layer = layers.Bidirectional(layers.LSTM(units))
    outputs = layer(X[:, None])
    keras.saving.save_model(layer, tmp_path / "layer.keras")
    np.testing.assert_array_equal(
        keras.saving.load_model(tmp_path / "layer.keras")(X[:, None]), outputs
    )
    with pytest.raises(ValueError, match="holds a model, not a layer"):
        keras.saving.save_model(layer, tmp_path / "layer.h5")


@pytest.mark.parametrize(
    "thing", [keras.metrics.Mean(), keras.optimizers.Adam(), keras.losses.Huber(), 3, None]
)
def test_what_could_not_be_loaded_is_not_saved(thing, tmp_path):
    for save in (keras.saving.save_model, keras.saving.save_weights):
        with pytest.raises(TypeError, match="takes a model or a layer"):
            save(thing, tmp_path / "a.weights.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ValueError, match="not yet been built"):
        keras.Sequential([layers.Dense(2)]).save_weights(tmp_path / "a.weights.h5")


def test_open_files():
    model, file = stack(2), io.BytesIO()
    keras.saving.save_model(model, file)
    file.seek(0)
    assert same_weights(keras.saving.load_model(file), model)


@pytest.mark.parametrize("path", [None, 3, ["a.keras"]])
def test_paths_that_are_not_paths(path):
    for call in (keras.saving.load_model, stack(2).load_weights, stack(2).save):
        with pytest.raises(TypeError, match="`filepath` should be"):
            call(path)


# ------------------------------------------------------------------ weights
def test_shards(tmp_path):
    model = stack(300, 300, 1)
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)
    path = tmp_path / "x.weights.json"
    model.save_weights(path, max_shard_size=0.00035)
    index = json.loads(path.read_text())
    arrays = [*model.weights, *model.optimizer.variables]
    assert index["metadata"]["total_size"] == sum(v.numpy().nbytes for v in arrays)
    assert index["weight_map"]["/layers/dense/vars"] == ["x_00000.weights.h5"]
    assert len(index["weight_map"]["/optimizer/vars"]) > 1  # one list over several files
    other = keras.models.clone_model(model)
    other.optimizer.build(other.trainable_variables)
    other.load_weights(path)
    assert same_weights(other, model)
    for ours, theirs in zip(other.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    with pytest.raises(ValueError, match="a layer that the model lacks"):
        stack(300).load_weights(path)
    with pytest.raises(ValueError, match="exceeds the maximum shard size"):
        model.save_weights(path, max_shard_size=0.0001)
    model.save_weights(tmp_path / "y.weights.h5", max_shard_size=1)
    assert (tmp_path / "y.weights.json").exists()


def test_objects_to_skip(tmp_path):
    model, other, path = stack(2, 2), stack(2, 2), tmp_path / "a.weights.h5"
    kernel = other.layers[0].kernel.numpy()
    model.save_weights(path)
    other.load_weights(path, objects_to_skip=[other.layers[0]])
    np.testing.assert_array_equal(other.layers[0].kernel, kernel)
    np.testing.assert_array_equal(other.layers[1].kernel, model.layers[1].kernel)
    keras.saving.save_weights(model, path, objects_to_skip=[model.layers[0]])
    with pytest.raises(ValueError, match="received 0 variables"):
        other.load_weights(path)


def test_a_model_with_fewer_layers_than_the_file(tmp_path):
    path = tmp_path / "a.weights.h5"
    stack(2, 2, 2).save_weights(path)
    fewer = stack(2)
    before = fewer.get_weights()
    with pytest.raises(ValueError, match=r"weights for 'layers/dense_1', a layer.* lacks"):
        fewer.load_weights(path)
    assert all(map(np.array_equal, fewer.get_weights(), before))
    with pytest.warns(UserWarning, match="keep their weights"):
        fewer.load_weights(path, skip_mismatch=True)


@pytest.mark.parametrize("name", ["a.weights.h5", "a.keras", "a.h5"])
def test_a_damaged_optimizer_changes_no_weight(name, tmp_path):
    model, path = stack(64), tmp_path / name
    model.compile("adam", "mse")
    model.fit(X, np.zeros((6, 64)), verbose=0)
    (model.save_weights if "weights" in name else model.save)(path)
    before = [w.copy() for w in model.get_weights()]
    model.set_weights([w + 1 for w in before])
    moved = model.get_weights()
    if name == "a.weights.h5":
        with h5py.File(path, "r+") as file:
            del file["optimizer/vars/3"]
            dataset = file.create_dataset(
                "optimizer/vars/3", (3, 64), "f4", chunks=(3, 64), compression="gzip"
            )
            dataset.id.write_direct_chunk((0, 0), b"no stream of deflate")
        with pytest.raises(ValueError, match="damaged"):
            model.load_weights(path)
        assert all(map(np.array_equal, model.get_weights(), moved))
    else:
        model.load_weights(path)
        assert all(map(np.array_equal, model.get_weights(), before))


# ------------------------------------------------------------------ compile
def distance(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred))


@pytest.mark.parametrize("name", ["a.keras", "a.h5"])
def test_functions_given_to_compile_are_known_after_loading(name, tmp_path):
    model = stack(1)
    model.compile("sgd", distance, metrics=[distance], weighted_metrics=[distance])
    model.save(tmp_path / name)
    again = keras.models.load_model(tmp_path / name, custom_objects={"distance": distance})
    model.fit(X, Y, shuffle=False, verbose=0)
    history = again.fit(X, Y, shuffle=False, verbose=0).history
    assert "distance" in history and same_weights(model, again)
    values = again.evaluate(X, Y, verbose=0)
    np.testing.assert_allclose(values, model.evaluate(X, Y, verbose=0), rtol=1e-6)
    again.save(tmp_path / f"again_{name}")
    third = keras.models.load_model(
        tmp_path / f"again_{name}", custom_objects={"distance": distance}
    )
    np.testing.assert_allclose(third.evaluate(X, Y, verbose=0), values, rtol=1e-6)
    if name == "a.keras":
        with pytest.raises(ValueError, match="Unknown function 'distance'"):
            keras.models.load_model(tmp_path / name)


class Noted(keras.Sequential):
    def get_compile_config(self):
        return {**super().get_compile_config(), "note": 7}

    def compile_from_config(self, config):
        self.note = config.pop("note")
        super().compile_from_config(config)


def test_a_compile_config_with_keys_of_its_own(tmp_path):
    model = Noted([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras", custom_objects={"Noted": Noted})
    assert again.note == 7 and again.compiled


# ------------------------------------------------------------------ copies
class Scaled(layers.Layer):
    def __init__(self, factor, function, **kwargs):
        super().__init__(**kwargs)
        self.factor, self.function = factor, function

    def call(self, inputs):
        return self.function(inputs) * self.factor


def test_clones_need_no_registration():
    layer = Scaled(2.0, lambda x: x + 1, name="scaled")
    again = keras.models.clone_model(layer)
    assert again is not layer and (again.factor, again.name) == (2.0, "scaled")
    inner = keras.Sequential([keras.Input((3,)), layer, layers.Dense(1, activation=distance_of)])
    i = keras.Input((3,))
    model = keras.Model(i, inner(i))
    model.compile("sgd", distance)
    other = keras.models.clone_model(model)
    other.set_weights(model.get_weights())
    np.testing.assert_array_equal(other(X), model(X))
    assert other.compiled and other.optimizer is not model.optimizer
    with pytest.raises(ValueError, match="takes a model or a layer"):
        keras.models.clone_model(3)


def distance_of(x):
    return x * 0.5


def deep():
    i = h = keras.Input((3,))
    for n in range(300):
        h = layers.Add()([h, layers.Dense(3, kernel_initializer="zeros")(h)]) if n % 2 else h * 1.0
    return keras.Model(i, keras.ops.relu(h[:, :1]) + layers.Dense(1)(h))


class Net(keras.Model):
    def __init__(self, units=2):
        super().__init__()
        self.hidden, self.out, self.note = layers.Dense(units), layers.Dense(1), "kept"

    def call(self, inputs):
        return self.out(self.hidden(inputs))


class Graph(keras.Model):
    def __init__(self, units=2):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(1)(layers.Dense(units)(inputs)))


@pytest.mark.parametrize("way", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy])
@pytest.mark.parametrize("make", [lambda: stack(2, 1), deep, Net, Graph])
def test_pickle_and_deepcopy(make, way):
    model = make()
    model(X)
    again = way(model)
    np.testing.assert_array_equal(again(X), model(X))
    assert again.weights[0] is not model.weights[0]
    assert getattr(again, "note", "kept") == "kept"
    assert again.get_config() == model.get_config()


def test_a_fresh_process_unpickles(tmp_path):
    (tmp_path / "model.pkl").write_bytes(pickle.dumps(Graph()))
    code = (
        "import pickle, sys; model = pickle.load(open(sys.argv[1], 'rb')); "
        "print(model.output_shape, model.predict([[1.0, 2.0, 3.0]], verbose=0).shape)"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "model.pkl")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["(None,", "1)", "(1,", "1)"]


# ------------------------------------------------------------------ every layer
@pytest.mark.parametrize("case", [case for case in LAYERS if case.saves], ids=str)
def test_every_layer_by_itself(case, tmp_path):
    """A file calls a built-in class by where Keras exports it, and has what builds the layer."""
    layer = case.make()
    if case.pure:
        pure.ensure_built(layer, *case.draw())  # which compiles nothing
    else:
        layer(*case.draw())
    envelope = registry.serialize_keras_object(layer)
    assert envelope["module"] == "keras.layers" and envelope["registered_name"] is None
    keras.saving.save_model(layer, tmp_path / "layer.keras")
    names = {"scaled": scaled, "abs": abs}
    again = keras.saving.load_model(tmp_path / "layer.keras", custom_objects=names)
    assert type(again) is type(layer) and same_weights(again, layer)


# ------------------------------------------------------------------ what is there already
@pytest.mark.filterwarnings("ignore:A name without a suffix")
@pytest.mark.parametrize("options", [{}, {"zipped": False}, {"overwrite": True}])
def test_saving_deletes_no_folder_with_other_files(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "mine").write_text("1")
    (tmp_path / "mine").write_text("1")
    model = stack(1)
    for name in ("folder", "folder/", ".", "", "./", "..", "folder/..", "mine", tmp_path):
        with pytest.raises((FileExistsError, ValueError, PermissionError), match=r"Choose|Give"):
            model.save(name, **options)
    assert (tmp_path / "folder" / "deep" / "mine").is_file() and (tmp_path / "mine").is_file()


@pytest.mark.filterwarnings("ignore:A name without a suffix")
def test_saving_takes_the_place_of_an_empty_folder_and_of_a_model(tmp_path):
    (tmp_path / "m").mkdir()
    for units in (1, 2):
        stack(units).save(tmp_path / "m")
        assert keras.saving.load_model(tmp_path / "m").output_shape == (None, units)


# ------------------------------------------------------------------ operations
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "function",
    [
        lambda x: keras.ops.cast(x, "int32"),
        lambda x: keras.ops.one_hot(keras.ops.cast(x, "int32"), 4, dtype="int32"),
        lambda x: keras.ops.zeros_like(x, dtype="int32") + keras.ops.cast(x[:, :2], "int32")[:, :1],
        lambda x: keras.ops.add(x, keras.ops.mean(x, axis=-1, keepdims=True)),
    ],
)
def test_operations_with_a_dtype_are_no_layers(function, suffix, tmp_path):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, function(inputs))
    model.save(tmp_path / f"m{suffix}")
    loaded = keras.saving.load_model(tmp_path / f"m{suffix}")
    np.testing.assert_array_equal(loaded(X), model(X))
    assert loaded(X).dtype == model(X).dtype


@keras.saving.register_keras_serializable()
class Deferred(layers.Layer):
    """A layer whose weights are those of layers inside, made at the first call."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2)

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("make", [Deferred, lambda: layers.Dense(2)])
def test_models_without_weights_yet(make, suffix, tmp_path):
    model = keras.Sequential([make()])
    model.compile("sgd", "mse")
    model.save(tmp_path / f"m{suffix}")
    loaded = keras.saving.load_model(tmp_path / f"m{suffix}")
    assert not loaded.built
    assert loaded(X).shape == (6, 2)
