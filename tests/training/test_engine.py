"""Chunks: the same numbers whatever their length, one program, and state that is donated."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras.training import make_chunk, take_rows, take_slot
from jkeras.training.engine import make_map

pytestmark = pytest.mark.optimized


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    data = {
        "x": jnp.asarray(rng.normal(size=(64, 5)).astype("float32")),
        "y": jnp.asarray(rng.normal(size=(64, 1)).astype("float32")),
    }
    tx = optax.adam(1e-2)

    def init():
        params = {"w": jnp.ones((5, 1)), "b": jnp.zeros(1)}
        return {"params": params, "opt": tx.init(params), "key": jax.random.key(0)}

    def step(state, batch):
        key, drop = jax.random.split(state["key"])

        def loss(params):
            x = jnp.where(jax.random.bernoulli(drop, 0.8, batch["x"].shape), batch["x"], 0.0)
            return jnp.mean((x @ params["w"] + params["b"] - batch["y"]) ** 2)

        updates, opt = tx.update(jax.grad(loss)(state["params"]), state["opt"], state["params"])
        return {"params": optax.apply_updates(state["params"], updates), "opt": opt, "key": key}

    slots = jnp.asarray(rng.permutation(64).reshape(16, 4).astype("int32"))
    return data, init, step, slots


def bits(state):
    return [np.asarray(a).tobytes() for a in jax.tree.leaves(state["params"])]


@pytest.mark.parametrize("length", [1, 2, 5, 7, 16])
def test_chunks_of_any_length_give_the_same_bits(problem, length):
    data, init, step, slots = problem
    run = make_chunk(step)
    whole = run(init(), data, slots)
    state = init()
    for start in range(0, 16, length):
        state = run(state, data, slots, start, min(length, 16 - start))
    assert bits(state) == bits(whole)


def test_a_rest_of_another_size_gives_the_bits_of_a_step_of_its_own(problem):
    data, init, step, slots = problem
    run, rest = make_chunk(step), np.arange(3)
    apart = run(run(init(), data, slots), data, rest[None])
    assert bits(run(init(), data, slots, rest=rest)) == bits(apart)


def test_a_chunk_equals_single_jitted_steps(problem):
    data, init, step, slots = problem
    state, one = init(), jax.jit(lambda s, i: step(s, take_rows(data, i)))
    for i in range(16):
        state = one(state, slots[i])
    np.testing.assert_allclose(
        make_chunk(step)(init(), data, slots)["params"]["w"], state["params"]["w"], rtol=1e-5
    )


def test_streamed_slots_equal_resident_rows(problem):
    data, init, step, slots = problem
    stacked = jax.tree.map(lambda a: a[slots], data)
    resident = make_chunk(step)(init(), data, slots)
    streamed = make_chunk(step, take_slot)(init(), None, stacked)
    np.testing.assert_allclose(streamed["params"]["w"], resident["params"]["w"], rtol=1e-6)


def test_all_lengths_share_one_program(problem):
    data, init, step, slots = problem
    traces = []

    def counted(state, batch):
        traces.append(1)
        return step(state, batch)

    run = make_chunk(counted)
    state = run(init(), data, slots, 0, 3)
    first = len(traces)
    for start, count in ((3, 5), (8, 1), (9, 7)):
        state = run(state, data, slots, start, count)
    assert len(traces) == first


def test_the_state_is_donated(problem):
    data, init, step, slots = problem
    state = init()
    make_chunk(step)(state, data, slots)
    assert all(a.is_deleted() for a in jax.tree.leaves(state["params"]))
    assert not any(a.is_deleted() for a in jax.tree.leaves(data))


def test_map_stacks_outputs_and_carries_state():
    def step(carry, given):
        scale, x = given
        return carry + 1, x * scale

    run = make_map(step, lambda scale, x: (scale, x))
    slots, rest = jnp.arange(6.0).reshape(3, 2), jnp.array([6.0])
    carry, parts = run(jnp.zeros(()), jnp.asarray(2.0), slots, rest=rest)
    assert carry == 4
    np.testing.assert_array_equal(np.concatenate(parts), np.arange(7.0) * 2)
    carry, parts = run(jnp.zeros(()), jnp.asarray(2.0), slots, 1, 1)
    assert carry == 1 and parts[0].tolist() == [4.0, 6.0]
