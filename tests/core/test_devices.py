"""Devices by name, and rematerialization."""

import jax
import jax.numpy as jnp
import pytest

import jkeras as keras


@pytest.mark.parametrize("name", ["cpu:0", "CPU", jax.devices("cpu")[0]])
def test_device(name):
    with keras.device(name):
        assert keras.ops.zeros(2).device == jax.devices("cpu")[0]


@pytest.mark.parametrize("name", ["cpu:99", "/cpu:0", "cpu:x", 3])
def test_unknown_devices(name):
    with pytest.raises(ValueError, match="evice"), keras.device(name):
        pass


def test_remat_keeps_no_intermediate_value():
    function = lambda x: jnp.sum(jnp.sin(jnp.cos(x)))
    x = jnp.arange(3.0)
    assert jnp.allclose(jax.grad(keras.remat(function))(x), jax.grad(function)(x))
    assert "remat" in str(jax.make_jaxpr(jax.grad(keras.remat(function)))(x))
