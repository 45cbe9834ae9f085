"""The walk over layers: paths of params and files, names that look counted, shared parts."""

import copy
import pickle

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras import pure
from jkeras.core import parts

layers = keras.layers


class Block(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.zoo = [layers.Dense(2), {"a": layers.Dense(2, name="inner"), "b": (layers.ReLU(),)}]
        self.again = self.zoo[0]
        self.gain = keras.Variable(np.ones(2))
        self.seed = keras.random.SeedGenerator(1)

    def call(self, x):
        return self.zoo[1]["a"](self.zoo[0](x)) * self.gain


def test_parts_have_both_paths():
    block = Block()
    block(np.ones((1, 2)))
    found = parts.walk(block)
    assert [(p.path, p.file_path) for p in found] == [
        ("", ""),
        ("dense", "again"),
        ("inner", "zoo/container/dense"),
        ("re_lu", "zoo/container/container/re_lu"),
    ]
    assert [p.layer for p in found[1:]] == [block.zoo[0], *block.zoo[1].values()][:2] + [
        block.zoo[1]["b"][0]
    ]
    assert list(pure.named_variables(block)) == [
        "variable",
        "seed_generator_state",
        *("dense/kernel", "dense/bias", "inner/kernel", "inner/bias"),
    ]
    block.zoo.reverse()
    assert [p.path for p in parts.walk(block)] == ["", "inner", "re_lu", "dense"]


def test_what_contains_itself_is_walked_once():
    block = Block()
    block.zoo.append(block.zoo)
    block.parent = block
    assert len(parts.walk(block)) == 4
    assert len(block._flatten_layers()) == 4
    assert block._flatten_layers(include_self=False, recursive=False) == block._layers[:]


def functional():
    inputs = keras.Input((5, 3))
    x = layers.TimeDistributed(layers.Dense(4))(inputs)
    x = layers.TimeDistributed(layers.Dense(4, name="dense_1"))(x)
    x = layers.Bidirectional(layers.LSTM(2, dropout=0.5))(x)
    x = layers.Bidirectional(layers.LSTM(2, name="lstm"))(layers.RepeatVector(2)(x))
    nested = keras.Sequential([layers.Dense(3), layers.Dropout(0.5)], name="sequential_4")
    return keras.Model(inputs, layers.Dropout(0.5)(layers.Dense(2, name="dense")(nested(x))))


def stack():
    return keras.Sequential(
        [
            keras.Input((5, 3), name="input_layer_2"),
            layers.Dense(4, name="dense_1"),
            layers.Dropout(0.5, name="dropout_1"),
            layers.Dense(4),
            layers.Dropout(0.5),
            layers.Dense(2, name="head_1"),
        ]
    )


def save_and_load(suffix):
    def way(model, tmp_path):
        model.save(tmp_path / f"model.{suffix}")
        return keras.models.load_model(tmp_path / f"model.{suffix}")

    return way


WAYS = {
    "keras": save_and_load("keras"),
    "h5": save_and_load("h5"),
    "json": lambda model, _: keras.models.model_from_json(model.to_json()),
    "config": lambda model, _: type(model).from_config(model.get_config()),
    "clone": lambda model, _: keras.models.clone_model(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
    "deepcopy": lambda model, _: copy.deepcopy(model),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [stack, functional])
def test_names_that_look_counted_keep_paths_and_random_keys(make, way, tmp_path):
    """Given names are names, counted ones are not: what else is made changes neither."""
    first = make()
    layers.Dense(1), layers.Dropout(0.1), layers.LSTM(1)
    model = make()
    layers.Dense(1), layers.Dropout(0.1), layers.LSTM(1)
    new = WAYS[way](model, tmp_path)
    paths = list(pure.named_variables(model))
    assert list(pure.named_variables(first)) == list(pure.named_variables(new)) == paths
    assert any(path.startswith(("dense_1/", "time_distributed_1/dense_1/")) for path in paths)
    variables, x = pure.read(model), np.ones((2, 5, 3), "float32")
    expected, outputs = (
        m.apply(variables, x, training=True, rng=jax.random.key(1))[0] for m in (model, new)
    )
    np.testing.assert_array_equal(outputs, expected)


def test_layers_of_configs_keep_paths():
    """A layer's config made into a layer by itself, as wrappers and users do it."""
    layers.Dense(1)
    for layer in (layers.Dense(2), layers.Dense(2, name="dense_3"), layers.Dense(2, name="a")):
        copies = [
            type(layer).from_config(layer.get_config()),
            layers.deserialize(layers.serialize(layer)),
            pickle.loads(pickle.dumps(layer)),
        ]
        holders = [keras.Sequential([keras.Input((1,)), one]) for one in (layer, *copies)]
        found = [list(pure.named_variables(holder)) for holder in holders]
        assert found == [found[0]] * 4
        assert {type(one.name) for one in copies} == {str}


def test_thousands_of_layers_take_no_time_per_pair():
    stack = keras.Sequential([layers.ReLU() for _ in range(3000)])
    found = parts.walk(stack)
    assert (len(found), found[-1].path) == (3001, "re_lu_2999")


def test_a_subclass_may_have_its_own_list_of_layers():
    class Stack(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self._layers = [keras.layers.Dense(2), keras.layers.Dense(3)]

        def call(self, x):
            for layer in self._layers:
                x = layer(x)
            return x

    stack = Stack()
    assert stack(np.ones((1, 4))).shape == (1, 3)
    assert [w.shape for w in stack.weights] == [(4, 2), (2,), (2, 3), (3,)]
    assert len(keras.Sequential([keras.layers.Dense(1)])._layers) == 1
