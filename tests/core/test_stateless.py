"""Blocks in which weights read as chosen values."""

import jax
import numpy as np
import pytest

import jkeras as keras


def test_nothing_outside_changes():
    layer = keras.layers.BatchNormalization(momentum=0.5)
    layer.build((None, 2))
    x = np.float32([[1.0, 2.0], [3.0, 6.0]])
    with keras.StatelessScope([(layer.beta, np.ones(2))]) as scope:
        outputs = layer(x, training=True)
        layer.gamma.assign([5.0, 5.0])
        assert layer.gamma.numpy().tolist() == [5.0, 5.0]
    np.testing.assert_allclose(outputs.mean(0), [1.0, 1.0], atol=1e-6)
    np.testing.assert_allclose(scope.get_current_value(layer.moving_mean), [1.0, 2.0])
    assert layer.moving_mean.numpy().tolist() == layer.beta.numpy().tolist() == [0.0, 0.0]
    assert layer.gamma.numpy().tolist() == [1.0, 1.0]


def test_gradients_go_through_it():
    gain = keras.Variable(2.0)

    @jax.jit
    def squared(value):
        with keras.StatelessScope([(gain, value)]) as scope:
            scope.add_update((gain, gain * gain))
            return scope.get_current_value(gain)

    assert jax.grad(squared)(3.0) == 6.0 and gain.numpy() == 2.0


def test_wrong_use():
    gain = keras.Variable([1.0, 2.0], name="gain")
    with pytest.raises(ValueError, match="pairs of a Variable"):
        keras.StatelessScope([("gain", 1.0)])
    with pytest.raises(ValueError, match=r"'gain' has shape \(2,\).*has shape \(3,\)"):
        keras.StatelessScope([(gain, np.ones(3))])
    with keras.StatelessScope() as scope:
        assert scope.get_current_value(gain) is None


def test_pure_calls_take_the_variables_themselves():
    """`stateless_call(layer.trainable_variables, ...)`, without reading their values first."""

    class Noisy(keras.layers.Layer):
        def build(self, shape):
            self.seed = keras.random.SeedGenerator(3)
            self.total = self.add_weight(shape=(), initializer="zeros", trainable=False)
            self.scale = self.add_weight(shape=(), initializer="ones", regularizer="l1")

        def call(self, x):
            self.total.assign_add(keras.ops.sum(x))
            return self.scale * x + self.total + keras.random.normal((), seed=self.seed)

    x = np.ones((2, 3), "float32")
    layers = [Noisy(), Noisy()]
    for layer in layers:
        layer.build(x.shape)
    expected = layers[0](x)
    lists = layers[1].trainable_variables, layers[1].non_trainable_variables
    outputs, new, losses = layers[1].stateless_call(*lists, x, return_losses=True)
    np.testing.assert_allclose(outputs, expected)
    for value, variable in zip(new, layers[0].non_trainable_variables, strict=True):
        np.testing.assert_array_equal(value, variable.value)
    assert [float(loss) for loss in losses] == pytest.approx([0.01])
    compiled = jax.jit(lambda *given: layers[1].stateless_call(*given)[0])
    np.testing.assert_allclose(compiled(*lists, x), expected, rtol=1e-6)
    optimizer = keras.optimizers.Adam(1.0)
    optimizer.build(lists[0])
    moved, _ = optimizer.stateless_apply(optimizer.variables, [np.float32(2)], lists[0])
    assert float(moved[0]) == pytest.approx(0.0, abs=1e-5)
    metric = keras.metrics.Mean()
    state = metric.stateless_update_state(metric.variables, [1.0, 3.0])
    assert float(metric.stateless_result(state)) == 2.0
