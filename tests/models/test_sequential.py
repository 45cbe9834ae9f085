"""Sequential: a stack of layers, with or without an Input."""

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers

X = np.ones((2, 3), "float32")


def test_one_layer_at_two_places(tmp_path):
    """It is one layer: with one set of weights, in the model, in its config and in its file."""
    dense = layers.Dense(3)
    model = keras.Sequential([keras.Input((3,)), dense, dense])
    assert model.layers == [dense, dense] and len(model.weights) == 2
    np.testing.assert_allclose(model(X), dense(dense(X)), rtol=1e-5)
    model.save(tmp_path / "twice.keras")
    for again in (
        keras.Sequential.from_config(model.get_config()),
        keras.saving.load_model(tmp_path / "twice.keras"),
    ):
        assert again.layers[0] is again.layers[1] and len(again.weights) == 2
    np.testing.assert_array_equal(again(X), model(X))
    with pytest.raises(ValueError, match="unique names"):
        model.add(layers.Dense(3, name=dense.name))


def test_not_a_layer_of_itself():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3)], name="stack")
    for itself in (model, keras.Sequential([model])):
        with pytest.raises(ValueError, match="'stack' cannot be a layer of itself"):
            model.add(itself)
    assert model(X).shape == (2, 3)


def test_what_cannot_be_added_changes_nothing():
    class TwoArguments(layers.Layer):
        def call(self, x, y):
            return x + y

    model = keras.Sequential([keras.Input((3,)), layers.Dense(3)])
    for wrong, message in (
        ({}, "Only instances of"),
        (keras.Input((3,)), "already been configured"),
        (layers.InputLayer(shape=(3,)), "already been configured"),
        (TwoArguments(), "single required positional"),
        (layers.Conv2D(2, 3), "expected ndim=4"),
    ):
        with pytest.raises(ValueError, match=message):
            model.add(wrong)
    assert len(model.layers) == 1 and model(X).shape == (2, 3)


def test_no_layers():
    with pytest.raises(ValueError, match="no layers"):
        keras.Sequential()(X)


def test_pop_and_add():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(5)])
    first, top = model.layers
    assert model.pop() is top and model.output_shape == (None, 4)
    model.add(layers.Dense(6))
    assert model.output_shape == (None, 6) and model.layers[0] is first
    assert model.pop() is not None and model.pop() is first and model.pop() is None


def test_an_input_shape_of_the_first_layer():
    with pytest.warns(match="Keras 2"):
        model = keras.Sequential([layers.Dense(4, input_dim=3), layers.Dense(2)])
    assert model.input_shape == (None, 3) and model.output_shape == (None, 2)
    assert keras.Sequential([layers.Dense(4, input_shape=(3,))]).output_shape == (None, 4)


def test_a_summary_before_it_is_built():
    text: list[str] = []
    keras.Sequential([layers.Dense(2)]).summary(print_fn=text.append)
    assert "?" in text[0] and "0 (unbuilt)" in text[0] and "Total params: 0" in text[0]


@pytest.mark.parametrize(
    ("layer", "first", "then"),
    [
        (layers.GRU, (2, 5, 3), (2, 7, 3)),
        (layers.GlobalAveragePooling2D, (1, 8, 8, 2), (1, 9, 12, 2)),
        (layers.Flatten, (3, 5, 7), (2, 7, 5)),
    ],
)
def test_without_an_input_sizes_differ_from_batch_to_batch(layer, first, then):
    model = keras.Sequential([layer(4) if layer is layers.GRU else layer()])
    x, y = np.ones(first, "float32"), np.ones(then, "float32")
    model(x)
    found = [model.predict(part, verbose=0) for part in (x, y)]
    np.testing.assert_allclose(found[1], model(y), rtol=1e-6)
    np.testing.assert_allclose(found[0], model(x), rtol=1e-6)
    with pytest.raises(ValueError, match="incompatible"):
        model(np.ones((2, 2, 2, 2, 2, 2)))
    with pytest.raises(ValueError, match="incompatible"):
        keras.Sequential([keras.Input(first[1:]), layers.Flatten()])(y)


@keras.saving.register_keras_serializable(package="test_sequential")
class BuiltByHand(keras.layers.Layer):
    """A layer whose `build` takes more than shapes."""

    def build(self, input_shape, start):
        self.width, self.start = input_shape[-1], start
        self.w = self.add_weight((self.width, 2), initializer=start)

    def get_build_config(self):
        return {"input_shape": (self.width,), "start": self.start}

    def build_from_config(self, config):
        self.build(config["input_shape"], config["start"])

    def call(self, x):
        return keras.ops.matmul(x, self.w)


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_a_layer_that_is_built_of_its_own_config(kind, tmp_path):
    layer = BuiltByHand()
    layer.build((3,), "ones")
    model = keras.Sequential([layer, keras.layers.Dense(1)])
    x = np.ones((2, 3), "float32")
    if kind == "functional":
        inputs = keras.Input((3,))
        model = keras.Model(inputs, layer(inputs))
    expected = model(x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x), expected)
    assert again.get_layer(layer.name).start == "ones"


def test_layers_that_are_not_in_a_list():
    with pytest.raises(ValueError, match=r"must be a list of layers: `keras.Sequential\(\[first"):
        keras.Sequential(keras.layers.Dense(2), keras.layers.Dense(1))
