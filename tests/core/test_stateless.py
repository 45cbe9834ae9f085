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
