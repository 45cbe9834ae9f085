"""Keras's private attributes, by which packages look into layers, graphs and optimizers."""

import importlib

import numpy as np
import pytest

import jkeras
from jkeras import alias


@pytest.fixture
def keras():
    alias.install(children=False)
    yield importlib.import_module("keras")
    alias.uninstall()


def test_they_are_there_with_the_alias_only(keras):
    layer = keras.layers.Dense(2)
    assert layer._inbound_nodes == []
    alias.uninstall()
    assert not hasattr(layer, "_inbound_nodes")
    alias.install(children=False)


def test_nodes_of_a_graph(keras):
    x = keras.Input((3,))
    shared = keras.layers.Dense(3, name="shared")
    first = shared(x)
    outputs = keras.layers.Add(name="add")([shared(first), x])
    model = keras.Model(x, outputs)
    history = first._keras_history
    assert (history.operation, history.node_index, history.tensor_index) == (shared, 0, 0)
    assert x._keras_history.operation is model.layers[0]
    node = shared._inbound_nodes[1]
    assert node.input_tensors == node.arguments.keras_tensors == [first]
    assert node.parent_nodes == [shared._inbound_nodes[0]]
    assert [model.layers[0]._inbound_nodes[0].is_input, node.is_input] == [True, False]
    names = {d: [n.operation.name for n in nodes] for d, nodes in model._nodes_by_depth.items()}
    assert names == {3: [model.layers[0].name], 2: ["shared"], 1: ["shared"], 0: ["add"]}
    assert model._operations_by_depth[0] == [model.get_layer("add")]
    assert len(model._nodes) == 4


def test_a_graph_can_be_run_with_other_functions(keras):
    x = keras.Input((2,))
    model = keras.Model(x, keras.layers.Dense(2, name="a")(keras.layers.ReLU(name="b")(x)))
    seen = []

    def function(operation):
        seen.append(operation.name)
        return lambda inputs: inputs + 1

    assert model._run_through_graph(np.zeros((1, 2)), function).tolist() == [[2, 2]]
    assert seen == ["b", "a"]


def test_a_sequential_as_a_functional_model(keras):
    model = keras.Sequential([keras.layers.Dense(2)])
    assert model._functional is None
    model.build((None, 3))
    assert model._functional.layers[-1] is model.layers[0]
    assert isinstance(model._functional, keras.Model)


def test_what_a_layer_is_made_of(keras):
    class Block(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(name="scale")
            self.count = self.add_weight(name="count", trainable=False)
            inner = keras.layers.Dense(2)
            inner.build(shape)
            assert self._tracker.track(inner) is inner

        def call(self, inputs, mask=None):
            return inputs

    block = Block()
    block.build((None, 3))
    assert block._trainable_variables == [block.scale]
    assert block._non_trainable_variables == [block.count]
    assert len(block.weights) == 4
    assert (block._call_has_mask_arg, block._call_has_training_arg) == (True, False)
    assert keras.layers.Dropout(0.1)._call_has_context_arg == {"training": True}


def test_an_attribute_of_ones_own_comes_first(keras):
    class Attention(keras.layers.MultiHeadAttention):
        def __init__(self, **kwargs):
            super().__init__(2, 3, **kwargs)
            self._num_heads = "mine"

    layer = Attention()
    assert (layer._num_heads, layer._key_dim) == ("mine", 3)
    assert "kernel_initializer" in layer._get_common_kwargs_for_sublayer()


def test_an_optimizer_written_for_keras(keras):
    class Momentum(keras.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, **kwargs):
            super().__init__(learning_rate=learning_rate, **kwargs)

        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self._speeds = [
                self.add_variable_from_reference(v, name="speed") for v in self._trainable_variables
            ]

        def update_step(self, gradient, variable, learning_rate):
            speed = self._speeds[self._get_variable_index(variable)]
            rate = keras.ops.cast(self._get_current_learning_rate(), variable.dtype)
            self.assign(speed, 0.9 * speed - rate * gradient)
            self.assign_add(variable, speed)

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones((1, 1))])
    model.compile(Momentum(), "mse")
    model.fit(np.ones((4, 1)), np.zeros((4, 1)), batch_size=2, verbose=0)
    # 1 - 0.1 * 2 = 0.8, then 0.8 + 0.9 * (-0.2) - 0.1 * 1.6
    np.testing.assert_allclose(model.get_weights()[0], [[0.46]], rtol=1e-5)
    kept = model.optimizer._filter_empty_gradients([None, 1], [2, 3])
    assert kept == ((1,), (3,))


def test_the_loss_that_compile_keeps(keras):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=True)
    assert (model._loss_tracker.name, model._jit_compile) == ("loss", True)
    assert jkeras.metrics.Mean()._variables


def test_losses_and_metrics_of_compile(keras):
    x = keras.Input((3,))
    a, b = (keras.layers.Dense(1, name=name, kernel_initializer="zeros")(x) for name in "ab")
    model = keras.Model(x, {"a": a, "b": b})
    assert model._compile_loss is model._compile_metrics is None
    losses = {"a": "mse", "b": "mae"}
    model.compile("sgd", losses, metrics={"a": ["mae"]}, loss_weights={"a": 0.5, "b": 2.0})
    loss, metrics = model._compile_loss, model._compile_metrics
    assert (loss.built, loss._user_loss, metrics._user_metrics) == (False, losses, {"a": ["mae"]})
    y = {"a": np.full((2, 1), 2.0), "b": np.ones((2, 1))}
    outputs = model(np.ones((2, 3)))
    loss.build(y, outputs)
    assert loss.built
    terms = [(t.path, t.loss_weights, t.name) for t in loss._flat_losses]
    assert terms == [(("a",), 0.5, "a"), (("b",), 2.0, "b")]
    assert loss(y, outputs) == 0.5 * 4 + 2 * 1
    metrics.update_state(y, outputs)
    assert metrics.result() == {"a_mae": 2.0}
    assert metrics.variables[0].value != 0
    metrics.reset_state()
    assert metrics.variables[0].value == 0
    flat = loss._flat_losses
    with pytest.warns(UserWarning, match="loss_weights"):
        flat[0] = (*flat[0][:2], 3.0, "a")
    assert loss(y, outputs) == 4.0


def test_the_loss_of_one_output(keras):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    (term,) = model._compile_loss._flat_losses
    assert (term.path, term.loss_weights) == ((), None)
    assert term.loss(np.ones((2, 1)), np.zeros((2, 1))) == 1.0
    assert model._compile_metrics is None


def test_shapes_of_einsum_dense(keras):
    layer = keras.layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")
    layer.build((None, 3, 4))
    assert layer.partial_output_shape == (None, 5)
    assert layer.full_output_shape == (None, 3, 5)
