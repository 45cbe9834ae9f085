import copy
import pickle
import subprocess
import sys
import zipfile

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras

layers = keras.layers


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def image_model():
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(2),
        ]
    )


ALONE = """
import sys
sys.modules["jkeras"] = sys.modules["flax"] = sys.modules["h5py"] = None
import jax, numpy as np
file = np.load(sys.argv[1])
serve = jax.export.deserialize(bytearray(file["serve.stablehlo"]))
weights = {key: file[key] for key in file if key.startswith("weights/")}
x = np.load(sys.argv[2])
np.savez(sys.argv[3], *[serve.call(weights, x[:n]) for n in (1, 3, 32)])
"""


def test_jax_and_numpy_alone_run_it_on_batches_of_any_size(folder):
    model = image_model()
    model.export(folder / "model.stablehlo", verbose=False)
    x = np.random.default_rng(0).normal(size=(32, 6, 6, 2)).astype("float32")
    np.save(folder / "x.npy", x)
    names = [str(folder / name) for name in ("model.stablehlo", "x.npy", "y.npz")]
    subprocess.run([sys.executable, "-c", ALONE, *names], check=True)
    expected = model.predict(x, verbose=0)
    with np.load(folder / "y.npz") as found:
        for n, name in zip((1, 3, 32), found.files, strict=True):
            np.testing.assert_allclose(found[name], expected[:n], atol=1e-6)


def test_one_file_is_for_cpu_cuda_and_tpu(folder):
    image_model().export(folder / "model", verbose=False)
    program = keras.export.load(folder / "model").endpoints["serve"]
    assert set(program.exported.platforms) == {"cpu", "cuda", "tpu"}


def test_structures_names_and_other_unknown_axes(folder):
    a, b = keras.Input((None, 3), name="a"), keras.Input((None, 3), name="b")
    outputs = {"sum": a + b, "mean": layers.GlobalAveragePooling1D()(a)}
    model = keras.Model({"a": a, "b": b}, outputs)
    model.export(folder / "model", verbose=False)
    x = {"a": np.ones((2, 5, 3), "float32"), "b": np.ones((2, 5, 3), "float32")}
    found = keras.export.load(folder / "model").serve(x)
    assert found["sum"].shape == (2, 5, 3) and found["mean"].shape == (2, 3)


def test_a_subclass_is_exported_for_what_it_was_called_on(folder):
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, x, scale):
            return jnp.sin(self.dense(x)) * scale

    model, x = Net(), np.ones((4, 3), "float32")
    with pytest.raises(ValueError, match="has not yet been built"):
        model.export(folder / "model")
    expected = model(x, np.float32([[2.0]]))
    model.export(folder / "model", verbose=False)
    found = keras.export.load(folder / "model").serve(x, np.full((4, 1), 2, "float32"))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_input_signature_says_for_which_sizes(folder):
    model = keras.Sequential([keras.Input((None, 3)), layers.LSTM(2)])
    model.export(
        folder / "model", verbose=False, input_signature=[keras.InputSpec(shape=(2, 7, 3))]
    )
    (argument,) = keras.export.load(folder / "model").endpoints["serve"].arguments
    assert argument.shape == (2, 7, 3)
    with pytest.raises(ValueError, match="input_signature"):
        model.export(folder / "model", input_signature="float32")


def test_what_needs_numbers_says_how_to_give_them(folder):
    class Loop(keras.Model):
        def call(self, x):
            return sum(x[i] for i in range(int(x.shape[0])))

    model = Loop()
    model(np.ones((2, 3), "float32"))
    with pytest.raises(ValueError, match=r"any size.*(\n.*)*input_signature=\[keras.InputSpec"):
        model.export(folder / "model")
    signature = [keras.InputSpec(shape=(2, 3))]
    model.export(folder / "model", verbose=False, input_signature=signature)
    found = keras.export.load(folder / "model").serve(np.ones((2, 3)))
    assert found.tolist() == [2.0, 2.0, 2.0]


def test_bfloat16_weights_come_back(folder):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="bfloat16")])
    model.export(folder / "model", verbose=False)
    artifact = keras.export.load(folder / "model")
    assert artifact.weights["weights/dense/kernel"].dtype == jnp.bfloat16
    x = np.ones((2, 3), "float32")
    assert (np.asarray(artifact.serve(x)) == np.asarray(model(x))).all()


@pytest.mark.parametrize("name", ["tf_saved_model", "litert", "openvino", "torch"])
def test_formats_of_other_libraries_say_what_to_do_instead(name):
    with pytest.raises(ValueError, match=f"(?s){name}.*(ONNX|onnx)"):
        image_model().export("model", format=name)


def test_unknown_formats_and_arguments():
    with pytest.raises(ValueError, match=r"Unrecognized format=onyx.*onnx"):
        image_model().export("model", format="onyx")
    with pytest.raises(ValueError, match="opset_version"):
        image_model().export("model", opset_version=18)


def test_it_says_what_was_written(folder, capsys):
    image_model().export(folder / "model")
    text = capsys.readouterr().out
    assert "Endpoint 'serve'" in text and "float32[batch,6,6,2]" in text
    image_model().export(folder / "model", verbose=False)
    assert not capsys.readouterr().out


# ------------------------------------------------------------------ ExportArchive
def test_endpoints_collections_and_variables(folder):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, name="head")])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    temperature = keras.Variable(2.0, name="temperature")
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = [keras.InputSpec(shape=(None, 3), dtype="float32")]
    archive.track_and_add_endpoint("serve", model, spec)
    cold = archive.add_endpoint("cold", lambda x: model(x) / temperature, spec)
    archive.add_variable_collection("slots", model.optimizer.variables)
    assert len(archive.trainable_variables) == 3  # the temperature was found
    x = np.ones((2, 3), "float32")
    expected = np.asarray(model(x)) / 2
    np.testing.assert_allclose(cold(x), expected, atol=1e-6)
    archive.write_out(folder / "model", verbose=False)
    again = keras.export.load(folder / "model")
    np.testing.assert_allclose(again.cold(x), expected, atol=1e-6)
    assert len(again.slots) == len(model.optimizer.variables)
    assert set(again.endpoints) == {"serve", "cold"}
    assert "weights/head/kernel" in again.weights


def test_an_endpoint_may_draw_and_write(folder):
    model = keras.Sequential([keras.Input((3,)), layers.BatchNormalization(), layers.Dropout(0.5)])
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = [keras.InputSpec(shape=(None, 3))]
    archive.add_endpoint("train", lambda x: model(x, training=True), spec)
    archive.write_out(folder / "model", verbose=False)
    artifact = keras.export.load(folder / "model")
    program = artifact.endpoints["train"]
    assert program.draws and len(program.writes) == 2
    x = np.ones((4, 3), "float32")
    with pytest.raises(ValueError, match=r"key=jax.random.key"):
        artifact.train(x)
    assert artifact.train(x, key=jax.random.key(0)).shape == (4, 3)


def test_wrong_uses_of_an_archive(folder):
    archive = keras.export.ExportArchive()
    with pytest.raises(ValueError, match="No endpoints have been set yet"):
        archive.write_out(folder / "model")
    with pytest.raises(ValueError, match="Invalid resource type"):
        archive.track("model")
    with pytest.raises(ValueError, match="must be built before export"):
        archive.track(layers.Dense(2))
    with pytest.raises(ValueError, match="input_signature"):
        archive.add_endpoint("serve", lambda x: x)
    spec = [keras.InputSpec(shape=(None, 3))]
    archive.add_endpoint("serve", lambda x: x * 2, spec)
    with pytest.raises(ValueError, match="already taken"):
        archive.add_endpoint("serve", lambda x: x, spec)
    with pytest.raises(ValueError, match="identifier"):
        archive.add_endpoint("a b", lambda x: x, spec)
    with pytest.raises(ValueError, match="Expected `variables` to be a list"):
        archive.add_variable_collection("all", ["kernel"])
    with pytest.raises(ValueError, match="jax2tf_kwargs"):
        archive.add_endpoint("other", lambda x: x, spec, jax2tf_kwargs={})


# ------------------------------------------------------------------ TFSMLayer
def test_a_layer_of_a_file_computes_and_is_trained(folder):
    model = image_model()
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = [keras.InputSpec(shape=(None, 6, 6, 2))]
    archive.add_endpoint("serve", lambda x: model(x), spec)
    archive.add_endpoint("train", lambda x: model(x, training=True), spec)
    archive.write_out(folder / "model", verbose=False)
    layer = layers.TFSMLayer(folder / "model", call_training_endpoint="train")
    again = keras.Sequential([keras.Input((6, 6, 2)), layer])
    x = np.random.default_rng(0).normal(size=(8, 6, 6, 2)).astype("float32")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    before = [w.copy() for w in again.get_weights()]
    again.compile("sgd", "mse")
    again.fit(x, np.ones((8, 2)), verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, again.get_weights(), strict=True)]
    assert all(changed)  # the averages as well
    frozen = layers.TFSMLayer(folder / "model", trainable=False)
    assert not frozen.trainable_weights


def test_layers_of_files_are_copied_pickled_and_cloned(folder):
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).export(folder / "a", verbose=False)
    model = keras.Sequential([keras.Input((3,)), layers.TFSMLayer(folder / "a"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 1))
    model.fit(x, y, verbose=0)
    clone = keras.models.clone_model(model)
    (folder / "a").unlink()
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), clone]
    clone.set_weights(model.get_weights())
    for one in (*copies, model):
        one.fit(x, y, verbose=0)
    for one in copies:
        np.testing.assert_array_equal(one.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype float64")
def test_float64_is_float32_where_jax_has_no_more(folder):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, dtype="float64")])
    model.export(folder / "a", verbose=False)
    x = np.ones((2, 3), "float32")
    outputs = keras.export.load(folder / "a").serve(x)
    np.testing.assert_array_equal(outputs, model.predict(x, verbose=0))


def test_a_config_does_not_say_which_files_are_read(folder):
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).export(folder / "a", verbose=False)
    layer = layers.TFSMLayer(folder / "a")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(folder / "model.keras")
    with pytest.raises(ValueError, match="Not allowed"):
        keras.models.load_model(folder / "model.keras")
    again = keras.models.load_model(
        folder / "model.keras", custom_objects={"TFSMLayer": layers.TFSMLayer}
    )
    x = np.ones((2, 3))
    assert (again.predict(x, verbose=0) == model.predict(x, verbose=0)).all()


def test_files_that_are_none_of_these(folder):
    with pytest.raises(FileNotFoundError, match=r"^File not found.*model.export"):
        keras.export.load(folder / "missing")
    (folder / "text").write_text("weights")
    with pytest.raises(ValueError, match=r"was not written by model.export"):
        layers.TFSMLayer(folder / "text")
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(NotImplementedError, match="TensorFlow"):
        layers.TFSMLayer(folder / "saved")
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).export(folder / "a", verbose=False)
    with pytest.raises(ValueError, match="Its endpoints are \\['serve'\\]"):
        layers.TFSMLayer(folder / "a", call_endpoint="server")


def rewritten(path, **members):
    """Writes an archive again with other members; returns its path."""
    with zipfile.ZipFile(path) as file:
        all_of_it = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, data in {**all_of_it, **members}.items():
            file.writestr(name, data)
    return path


def foreign_program(in_avals):
    """Returns a program that calls what is not a part of XLA."""

    def function(*args):
        shape = jax.ShapeDtypeStruct((2, 2), jnp.float32)
        return jax.ffi.ffi_call("delete_all_files", shape)(jnp.ones((2, 2)))

    check = jax.export.DisabledSafetyCheck.custom_call("delete_all_files")
    exported = jax.export.export(jax.jit(function), disabled_checks=[check], platforms=["cpu"])
    return bytes(exported(*in_avals).serialize())


def test_a_program_that_calls_more_than_xla_is_refused(folder):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.export(folder / "model", verbose=False)
    weights = dict(keras.export.load(folder / "model").weights.items())
    evil = foreign_program((weights, jnp.ones((2, 3))))
    rewritten(folder / "model", **{"serve.stablehlo": evil})
    with pytest.raises(ValueError, match=r"Not allowed.*delete_all_files"):
        keras.export.load(folder / "model")


def test_what_calls_python_is_not_exported(folder):
    class Calls(keras.Model):
        def call(self, x):
            return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    model = Calls()
    model(np.ones((2, 3), "float32"))
    signature = [keras.InputSpec(shape=(2, 3))]
    with pytest.raises(ValueError, match="callback"):
        model.export(folder / "model", input_signature=signature)


def test_damaged_files_are_refused(folder):
    keras.Sequential([keras.Input((3,)), layers.Dense(2)]).export(folder / "a", verbose=False)
    data = (folder / "a").read_bytes()
    with zipfile.ZipFile(folder / "a") as file:
        program, metadata = (file.read(n) for n in ("serve.stablehlo", "metadata.json"))
    rewritten(folder / "a", **{"serve.stablehlo": program[: len(program) // 2]})
    with pytest.raises(ValueError, match="six months"):
        keras.export.load(folder / "a")
    (folder / "a").write_bytes(data)
    huge = np.lib.format.header_data_from_array_1_0(np.ones((1, 1), "float32"))
    with open(folder / "x.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**huge, "shape": (10**9, 10**3)})
    rewritten(folder / "a", **{"weights/dense/kernel.npy": (folder / "x.npy").read_bytes()})
    with pytest.raises(ValueError, match="another size"):
        keras.export.load(folder / "a")
    (folder / "a").write_bytes(data)
    rewritten(folder / "a", **{"metadata.json": metadata.replace(b'"draws": false', b'"draws": 3')})
    with pytest.raises(ValueError, match="damaged"):
        keras.export.load(folder / "a")
