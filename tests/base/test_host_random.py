"""NumPy's Threefry beside JAX's."""

import jax
import numpy as np
import pytest

from jkeras.base import host_random


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("count", [0, 7, 2**32 - 1])
def test_keys_are_those_of_jax(seed, count):
    key = jax.random.fold_in(jax.random.key(np.uint32(seed)), np.uint32(count))
    np.testing.assert_array_equal(host_random.key_data(seed, count), jax.random.key_data(key))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (17, 4, 33)])
def test_uniform_numbers_are_those_of_jax(shape):
    for seed in (1, 99):
        key = jax.random.key(seed)
        expected = jax.random.uniform(key, shape, "float32", -1, 1)
        found = host_random.uniform(key, shape)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


def test_normal_numbers_are_those_of_jax_up_to_rounding():
    for seed in (1, 99):
        key = jax.random.key(seed)
        found = host_random.normal(key, (300, 800))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, jax.random.normal(key, (300, 800)), 2e-5, 1e-6)
