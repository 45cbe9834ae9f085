"""What is wrong with a file is said in the user's words."""

import json
import zipfile

import h5py
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers


def model(units=2, features=3):
    return keras.Sequential([keras.Input((features,)), layers.Dense(units, name="head")])


def test_nothing_there(tmp_path):
    model().save(tmp_path / "model_1.keras")
    for name in ("model.keras", "model.h5", "model", "model.safetensors", "no/model.keras"):
        with pytest.raises(FileNotFoundError, match="File not found") as error:
            keras.models.load_model(tmp_path / name)
        assert isinstance(error.value, ValueError)  # as in Keras, for some formats
        assert ("model_1.keras" in str(error.value)) == ("/" not in name)
        assert ("not supported" in str(error.value)) == (name == "model")
        with pytest.raises(FileNotFoundError, match="File not found"):
            model().load_weights(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "an empty file"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"hello", "a text file"),
        (b"<!DOCTYPE html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b'{"class_name": "Sequential"}', "JSON"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x00\x01\xff\xfe\x99", "unknown kind"),
        (b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":{}}', "safetensors"),
    ],
)
def test_files_of_other_kinds_are_named(content, kind, tmp_path):
    for name in ("model.keras", "model.h5"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"File format not supported.*{kind}"):
            keras.models.load_model(tmp_path / name)
        with pytest.raises(ValueError, match="File format not supported"):
            model().load_weights(tmp_path / name)


def test_other_archives_and_folders(tmp_path):
    np.savez(tmp_path / "arrays.npz", a=np.ones(2))
    with zipfile.ZipFile(tmp_path / "torch.pt", "w") as members:
        members.writestr("archive/data.pkl", "x")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as members:
        members.writestr("readme.txt", "x")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    model().save(tmp_path / "cut.keras")
    (tmp_path / "cut.keras").write_bytes((tmp_path / "cut.keras").read_bytes()[:-30])
    for name, kind in (
        *(("arrays.npz", "npz file"), ("torch.pt", "PyTorch"), ("other.zip", "config.json")),
        *(("saved", "SavedModel"), ("folder", "a folder"), ("cut.keras", "truncated")),
    ):
        with pytest.raises(ValueError, match=kind):
            keras.models.load_model(tmp_path / name)


def test_hdf5_files_of_other_kinds(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["measurements"] = np.ones(3)
    with pytest.raises(ValueError, match=r"an HDF5 file whose root holds \['measurements'\]"):
        keras.models.load_model(tmp_path / "data.h5")
    with pytest.raises(ValueError, match="an HDF5 file whose root holds"):
        model().load_weights(tmp_path / "data.h5")
    model().save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match=r"weights only(.|\n)*load_weights"):
        keras.models.load_model(tmp_path / "a.weights.h5")
    model().save_weights(tmp_path / "a.weights.json", max_shard_size=1)
    (tmp_path / "a.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0" + b'{"a":{}}')
    for name in ("a.weights.json", "a.safetensors"):
        with pytest.raises(ValueError, match=r"weights only.*load_weights"):
            keras.models.load_model(tmp_path / name)
    content = (tmp_path / "a.weights.h5").read_bytes()
    (tmp_path / "cut.weights.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged, or was not written to its end"):
        model().load_weights(tmp_path / "cut.weights.h5")


def test_a_name_says_nothing_about_what_is_inside(tmp_path):
    model().save(tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / "renamed.h5")
    assert keras.models.load_model(tmp_path / "renamed.h5").name == "sequential"
    model().save(tmp_path / "model.h5")
    (tmp_path / "model.h5").rename(tmp_path / "renamed")
    assert keras.models.load_model(tmp_path / "renamed").layers[0].name == "head"


@pytest.mark.parametrize("name", ["a.weights.h5", "a.h5", "a.keras"])
def test_weights_of_another_architecture(name, tmp_path):
    (model().save_weights if "weights" in name else model().save)(tmp_path / name)
    for other in (model(units=5), model(features=4)):
        before = other.get_weights()
        with pytest.raises(ValueError) as error:
            other.load_weights(tmp_path / name)
        message = str(error.value)
        for part in ("'head' (Dense)", "'kernel'", "(3, 2)", str(before[0].shape), "skip_mismatch"):
            assert part in message
        for a, b in zip(before, other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        with pytest.warns(UserWarning, match="keep their weights"):
            other.load_weights(tmp_path / name, skip_mismatch=True)
    deeper = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(2, name="head")])
    with pytest.raises(ValueError, match=r"received 0 variables|expected 2 layers, found 1"):
        deeper.load_weights(tmp_path / name)


def test_unknown_classes(tmp_path):
    text = model().to_json().replace('"Dense"', '"Dens"')
    with pytest.raises(ValueError, match=r"Unknown class 'Dens'.*did you mean 'Dense'\?.*register"):
        keras.models.model_from_json(text)


def test_arguments(tmp_path):
    for name in ("model.foo", "model.weights"):
        with pytest.raises(ValueError, match="Invalid filepath extension for saving"):
            model().save(tmp_path / name)
    for name in ("model.h5", "model.keras", "weights.h5"):
        with pytest.raises(ValueError, match=r"must end in `.weights.h5`"):
            model().save_weights(tmp_path / name)
    with pytest.raises(ValueError, match=r"not supported: \['foo'\]"):
        model().save(tmp_path / "a.keras", foo=1)
    with pytest.raises(ValueError, match="Invalid keyword arguments"):
        model().load_weights(__file__, foo=1)
    for save_format in ("keras", "keras_v3", "tf", "h5"):  # the name decides
        with pytest.warns(DeprecationWarning, match="`save_format` argument is deprecated"):
            model().save(tmp_path / "a.keras", save_format=save_format)
    keras.models.load_model(tmp_path / "a.keras")
    with pytest.raises(ValueError, match="`save_format` argument is deprecated"):
        model().save(tmp_path / "model", save_format="keras")


def test_models_that_are_not_built(tmp_path):
    unbuilt = keras.Sequential([layers.Dense(2)])
    unbuilt.save(tmp_path / "unbuilt.keras")
    assert not keras.models.load_model(tmp_path / "unbuilt.keras").built
    model().save(tmp_path / "a.h5")
    model().save_weights(tmp_path / "a.weights.h5")
    for name in ("a.h5", "a.weights.h5"):
        with pytest.raises(ValueError, match=r"not yet been built|not created its variables"):
            unbuilt.load_weights(tmp_path / name)


def test_json_of_something_else():
    for text in ("[]", "{}", '"x"', "null"):
        with pytest.raises(ValueError, match="describes no"):
            keras.models.model_from_json(text)
    with pytest.raises(ValueError, match="not valid JSON"):
        keras.models.model_from_json("{")
    config = json.loads(model().to_json())
    config["config"]["layers"].append(3)
    with pytest.raises(ValueError, match="describes no layer: 3"):
        keras.models.model_from_json(json.dumps(config))
