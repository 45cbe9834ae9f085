"""Weights of a layer: how they are asked for, tracked, shaped; and constructors that forget."""

import copy
import pickle

import numpy as np
import pytest

import jkeras as keras

layers = keras.layers


@pytest.mark.parametrize(
    ("args", "options", "expected"),
    [
        (("w",), {}, ("w", ())),
        (("w", (2, 3)), {"initializer": "zeros"}, ("w", (2, 3))),
        (("w", 2, "float16"), {}, ("w", (2,))),
        (((2,), "ones", "float16"), {"name": "w"}, ("w", (2,))),
        ((), {"shape": [np.int64(2)], "name": "w"}, ("w", (2,))),
    ],
)
def test_ways_to_ask_for_a_weight(args, options, expected):
    weight = layers.Layer(name="own").add_weight(*args, **options)
    assert (weight.name, weight.shape) == expected and weight.path == "own/w"
    assert "ones" not in args or weight.numpy().tolist() == [1, 1]
    assert "float16" not in args or weight.dtype == "float16"


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        ("ab", "not a list or tuple"),
        ((2.5,), r"invalid dimension 2\.5"),
        ((-1, 2), "invalid dimension -1"),
        ({2}, "not a list or tuple"),
    ],
)
def test_what_is_not_a_shape_is_refused(shape, problem):
    with pytest.raises(ValueError, match="axis of unknown size"):
        layers.Layer().add_weight(shape=(None, 2))
    with pytest.raises(ValueError, match=rf"Cannot convert .* to a shape.*{problem}"):
        layers.Layer().add_weight(shape=shape)


def test_variables_are_tracked_after_build_and_untracked():
    dense = layers.Dense(2)
    dense.build((None, 3))
    dense.extra = keras.Variable(1.0, name="extra")
    dense.more = (layers.Dense(1), [keras.Variable(2.0)])
    assert [v.name for v in dense.weights][:3] == ["kernel", "bias", "extra"]
    assert type(dense.more) is tuple and len(dense.weights) == 4 and len(dense._layers) == 1
    dense._untrack_variable(dense.bias)
    dense._untrack_variable(dense.extra)
    assert [v.name for v in dense.weights][:1] == ["kernel"] and len(dense.weights) == 2
    dense._track_variable(dense.extra)
    assert len(dense.weights) == 3


def test_metrics_of_attributes():
    dense = layers.Dense(2)
    dense.means = [keras.metrics.Mean()]
    holder = keras.Sequential([dense])
    assert dense._metrics == dense.means == holder.metrics and holder._metrics == []
    assert len(holder.metrics_variables) == len(dense.means[0].variables) == 2


def test_options_may_change_after_construction():
    dense = layers.Dense(2, activation="relu", kernel_initializer="ones")
    x = np.full((1, 1), -1.0)
    assert dense(x).tolist() == [[0, 0]]
    dense.activation = None
    assert dense(x).tolist() == [[-1, -1]]
    again = layers.Dense.from_config(dense.get_config())
    assert again.activation is keras.activations.linear


def test_a_constructor_that_forgets_super_says_so():
    class Forgets(layers.Layer):
        def __init__(self):
            self.inner = layers.Dense(1)

        def call(self, inputs):
            return inputs

    class ForgetsAsModel(keras.Model):
        def __init__(self):
            self.inner = layers.Dense(1)

        def call(self, inputs):
            return inputs

    x = np.ones((2, 2), "float32")
    for use in (
        lambda: Forgets()(x),
        lambda: Forgets()(keras.Input((2,))),
        lambda: keras.Sequential([Forgets()])(x),
        lambda: ForgetsAsModel()(x),
        lambda: ForgetsAsModel().compile("sgd", "mse"),
    ):
        with pytest.raises(RuntimeError, match="forgot to call"):
            use()


def test_a_build_that_names_no_argument_of_call_is_refused():
    class Two(layers.Layer):
        def build(self, first_shape, other_shape):
            pass

        def call(self, first, second):
            return first + second

    with pytest.raises(ValueError, match="`_shape` suffix and match an argument"):
        Two()(np.ones(2), np.ones(2))


@pytest.mark.parametrize("x", ["abc", ["abc", "def"]])
def test_strings_are_not_tensors(x):
    with pytest.raises(ValueError, match="Only input tensors may be passed"):
        layers.Dense(2)(x)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_layers_are_copied_with_what_they_hold(copied):
    layer = keras.Sequential([layers.Dense(2), layers.Dropout(0.5, seed=1)])
    layer(np.ones((1, 3)), training=True)
    new = copied(layer)
    for before, after in zip(layer.variables, new.variables, strict=True):
        assert before is not after and before.path == after.path
        np.testing.assert_array_equal(before.numpy(), after.numpy())
    x = np.ones((2, 3))
    np.testing.assert_array_equal(layer(x, training=True), new(x, training=True))


def test_a_rematerialized_call_computes_the_same():
    dense = layers.Dense(2)
    x = np.ones((1, 3), "float32")
    dense(x)
    np.testing.assert_array_equal(dense.rematerialized_call(dense.call)(x), dense(x))
