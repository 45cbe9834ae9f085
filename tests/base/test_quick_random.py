"""Numbers drawn by a quick key are JAX's own, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jkeras.base import quick_random
from jkeras.base.quick_random import quick

SHAPES = [(), (1,), (7,), (0, 3), (3, 5, 2), (33, 64)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_bits_are_jaxs(shape, dtype):
    key = jax.random.fold_in(jax.random.key(2**31 + 5), 9)
    ours = quick(key, shape)
    assert ours is not key
    for draw in (jax.random.normal, jax.random.uniform):
        np.testing.assert_array_equal(draw(ours, shape, dtype), draw(key, shape, dtype))
    np.testing.assert_array_equal(
        jax.random.bernoulli(ours, 0.3, shape), jax.random.bernoulli(key, 0.3, shape)
    )


def test_in_transformations():
    keys = jax.random.split(jax.random.key(1), 3)

    def draw(key):
        return jax.random.bernoulli(quick(key, (5, 4)), 0.5, (5, 4))

    expected = jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (5, 4)))(keys)
    np.testing.assert_array_equal(jax.jit(jax.vmap(draw))(keys), expected)
    looped = jax.lax.scan(lambda c, key: (c, draw(key)), 0, keys)[1]
    np.testing.assert_array_equal(looped, expected)


def test_it_is_one_operation_where_jax_makes_loops():
    def text(draw):
        return jax.jit(draw).lower(jax.random.key(0)).as_text()

    assert "while" in text(lambda key: jax.random.bernoulli(key, 0.5, (8,)))
    assert "while" not in text(lambda key: jax.random.bernoulli(quick(key, (8,)), 0.5, (8,)))


def test_other_keys_and_devices_draw_as_they_did(monkeypatch):
    other = jax.random.key(0, impl="rbg")
    assert quick(other, (3,)) is other
    key = jax.random.key(0)
    with jax.enable_x64(True):
        assert quick(key, (3,)) is key
    assert quick(key, (2**20, 2**20)) is key  # more than positions of 32 bits
    assert quick(key, jax.export.symbolic_shape("batch, 4")) is key
    monkeypatch.setattr(quick_random, "platform", lambda: "gpu")
    assert quick(key, (3,)) is key


def test_a_quick_key_makes_no_other_keys():
    ours = quick(jax.random.key(0), (3,))
    with pytest.raises(NotImplementedError, match="one array"):
        jax.random.split(ours)
    with pytest.raises(NotImplementedError, match="one array"):
        jax.random.fold_in(ours, jnp.uint32(1))


def test_few_numbers_are_drawn_once_for_all_that_uses_them():
    def used_twice(key, x):
        kept = jax.random.bernoulli(quick(key, x.shape), 0.5, x.shape)
        return (x.sum(0) + kept.sum(0)) * kept

    def branches(rows):
        lowered = jax.jit(used_twice).lower(jax.random.key(0), jnp.ones((rows, 4)))
        return lowered.compile().as_text().count("conditional(")

    # What is in a branch of its own, XLA puts into no other loop; it must not find out which it is.
    assert branches(8) == 1
    assert branches(2**16) == 0  # many are drawn on all cores


def test_many_numbers_are_the_same():
    shape, key = (2**17 + 3,), jax.random.key(7)
    assert (jax.random.bits(quick(key, shape), shape) == jax.random.bits(key, shape)).all()
