"""`.h5` files that Keras 2 reads as well; real tf_keras reads them in `nox -s dialects`."""

import json

import h5py
import numpy as np
import pytest

import jkeras as keras
from tests.saving import other_kerases

L = keras.layers


@pytest.mark.parametrize("name", ["dense", "recurrent", "two inputs"])
def test_a_portable_file_is_read_back_and_trained_on(name, tmp_path):
    model, optimizer = other_kerases.models()[name]
    model.compile(optimizer, "mse")
    x, y = other_kerases.data(model)
    model.train_on_batch(x, y)
    model.save(tmp_path / "m.h5", dialect="portable")
    again = keras.models.load_model(tmp_path / "m.h5")
    for found in (model, again):
        found.train_on_batch(x, y)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_portable_file_has_no_words_of_keras_3_alone(tmp_path):
    model, _ = other_kerases.models()["recurrent"]
    model.save(tmp_path / "m.h5", dialect="portable")
    with h5py.File(tmp_path / "m.h5") as file:
        text = file.attrs["model_config"].decode()
    first, bidirectional = json.loads(text)["config"]["layers"][:2]
    assert first["config"]["batch_input_shape"] == [None, 7, 4]
    assert bidirectional["config"]["dtype"] == "float32"
    assert not [word for word in ("DTypePolicy", 'batch_shape"', "use_cudnn") if word in text]


REFUSED = {
    "an operation": lambda x: keras.Model(x, x * 2.0),
    "MultiHeadAttention": lambda x: keras.Model(x, L.MultiHeadAttention(2, 4)(x, x)),
    "a model in a model": lambda x: keras.Model(x, keras.Sequential([L.Dense(2)])(x)),
    "a dict of inputs": lambda x: keras.Model({"a": x}, L.Dense(2)(x)),
    "besides its inputs": lambda x: keras.Model(x, L.Dropout(0.5)(x, training=True)),
    "zero_output_for_mask=True": lambda x: keras.Model(
        x, L.LSTM(2, return_sequences=True, zero_output_for_mask=True)(x)
    ),
}


@pytest.mark.parametrize("word", REFUSED)
def test_what_one_of_them_cannot_read_is_refused(word, tmp_path):
    model = REFUSED[word](keras.Input((6, 8)))
    with pytest.raises(ValueError, match=word):
        model.save(tmp_path / "m.h5", dialect="portable")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "optimizer", [keras.optimizers.Lion(), keras.optimizers.Adam(use_ema=True)]
)
def test_optimizers_that_keras_2_lacks_are_refused(optimizer, tmp_path):
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    model.compile(optimizer, "mse")
    with pytest.raises(ValueError, match="include_optimizer=False"):
        model.save(tmp_path / "m.h5", dialect="portable")
    model.save(tmp_path / "m.h5", dialect="portable", include_optimizer=False)


@pytest.mark.parametrize(("name", "dialect"), [("m.keras", "portable"), ("m.h5", "keras2")])
def test_the_dialect_is_for_h5_files(name, dialect, tmp_path):
    model = keras.Sequential([keras.Input((2,)), L.Dense(1)])
    with pytest.raises(ValueError, match="dialect"):
        model.save(tmp_path / name, dialect=dialect)
