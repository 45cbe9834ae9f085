import numpy as np
import pytest

import jkeras as keras

REASON = "safetensors is an extra: nox -s export installs it"
safetensors = pytest.importorskip("safetensors.numpy", reason=REASON)


def net(units=2):
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(units),
            keras.layers.BatchNormalization(dtype="bfloat16"),
            keras.layers.Dropout(0.2, seed=1),
        ]
    )


def test_weights_go_out_and_in_by_their_paths(tmp_path):
    model, other, path = net(), net(), tmp_path / "a.safetensors"
    model.save_weights(path)
    arrays = keras.saving.read_weights(path)
    assert arrays["dense/kernel"].shape == (3, 2) and len(arrays) == 6
    assert arrays["batch_normalization/gamma"].dtype == "bfloat16"
    other.load_weights(path)
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    with pytest.raises(FileExistsError):
        model.save_weights(path, overwrite=False)


def test_a_file_of_another_library_with_dots_in_its_names(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    arrays = {"head.kernel": np.ones((3, 2), "float32"), "head.bias": np.ones(2, "float16")}
    safetensors.save_file(arrays, tmp_path / "a.safetensors")
    model.load_weights(tmp_path / "a.safetensors")
    assert model.layers[0].bias.numpy().tolist() == [1.0, 1.0]


def test_what_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "a.safetensors"
    net().save_weights(path)
    wider = net(9)
    before = wider.get_weights()
    with pytest.raises(ValueError, match="expects shape \\(3, 9\\)"):
        wider.load_weights(path)
    assert all(np.array_equal(a, b) for a, b in zip(before, wider.get_weights(), strict=True))
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="hat")])
    with pytest.raises(ValueError, match="the file has no \\['hat/kernel', 'hat/bias'\\]"):
        other.load_weights(path)


def test_damaged_files(tmp_path):
    path = tmp_path / "a.safetensors"
    net().save_weights(path)
    path.write_bytes(path.read_bytes()[:-3])
    for read in (net().load_weights, keras.saving.read_weights):
        with pytest.raises(ValueError, match="damaged"):
            read(path)
    with pytest.raises(ValueError, match="safetensors"):
        keras.models.load_model(path)
