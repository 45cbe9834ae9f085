"""Steps that take long are programs of their own, and give what a loop gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jkeras as keras
from jkeras.training import make_chunk, single_steps
from jkeras.training.single_steps import operations

SIZE = 1500
LARGE = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype("float32") / 50
ROWS = np.random.default_rng(1).normal(size=(40, SIZE)).astype("float32")


@pytest.fixture(autouse=True)
def low_limit(monkeypatch):
    """Steps are long that are so on a GPU, scaled to a test."""
    monkeypatch.setitem(single_steps._OPERATIONS, "cpu", 2e8)


def step(state, batch):
    return jnp.tanh(state @ LARGE) + batch.mean(axis=0)


def by_hand(state, slots, rest=None):
    run = jax.jit(lambda s, slot: step(s, jnp.asarray(ROWS)[slot]))
    for slot in [*slots, *([] if rest is None else [rest])]:
        state = run(state, slot)
    return state


@pytest.mark.parametrize("donate", [True, False])
@pytest.mark.parametrize("with_rest", [True, False])
def test_they_are_not_in_a_loop(donate, with_rest, monkeypatch):
    monkeypatch.delattr(lax, "scan")
    monkeypatch.delattr(lax, "fori_loop")
    run = make_chunk(step, finish=lambda s: s.sum(), donate=donate)
    slots, rest = np.arange(36).reshape(9, 4), np.arange(36, 39) if with_rest else None
    start = jnp.zeros((50, SIZE))
    state, total = run(start, jnp.asarray(ROWS), slots, rest=rest)
    np.testing.assert_array_equal(state, by_hand(jnp.zeros((50, SIZE)), slots, rest))
    assert total == state.sum()
    if not donate:
        assert start.sum() == 0  # and not deleted


def test_some_of_the_slots():
    run, slots = make_chunk(step), np.arange(36).reshape(9, 4)
    found = run(jnp.zeros((50, SIZE)), jnp.asarray(ROWS), slots, 2, 3, rest=np.arange(3))
    expected = by_hand(jnp.zeros((50, SIZE)), slots[2:5], np.arange(3))
    np.testing.assert_array_equal(found, expected)


def test_a_rest_alone():
    run = make_chunk(step)
    slots, rest = np.zeros((0, 4), int), np.arange(3)
    found = run(jnp.zeros((50, SIZE)), jnp.asarray(ROWS), slots, rest=rest)
    np.testing.assert_array_equal(found, by_hand(jnp.zeros((50, SIZE)), [], rest))


def test_a_rest_of_another_size_or_dtype_than_before():
    run, slots = make_chunk(step, donate=False), np.arange(8).reshape(2, 4)
    start = jnp.zeros((50, SIZE))
    for rest in (np.arange(3), np.arange(2), np.arange(3, dtype="int16")):
        found = run(start, jnp.asarray(ROWS), slots, rest=rest)
        np.testing.assert_array_equal(found, by_hand(start, slots, rest))


def test_errors_of_a_rest_come_to_the_caller():
    def picky(state, batch):
        if len(batch) == 3:
            raise ValueError("three rows")
        return step(state, batch)

    run = make_chunk(picky)
    with pytest.raises(ValueError, match="three rows"):
        run(jnp.zeros((50, SIZE)), ROWS, np.arange(8).reshape(2, 4), rest=np.arange(3))


def test_chunks_in_transformations():
    run = make_chunk(step)
    many = jax.vmap(lambda s: run(s, jnp.asarray(ROWS), np.arange(8).reshape(2, 4)))
    found = many(jnp.zeros((2, 50, SIZE)))
    expected = by_hand(jnp.zeros((50, SIZE)), np.arange(8).reshape(2, 4))
    np.testing.assert_allclose(found[1], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x @ x, 2 * 8**3),
        (lambda x: x + 1, 20 * 64),
        (lambda x: lax.scan(lambda c, _: (c @ x, None), x, None, length=10)[0], 10 * 2 * 8**3),
        (lambda x: jax.jit(lambda x: x @ x)(x), 2 * 8**3),
        (lambda x: lax.cond(True, lambda x: x @ x, lambda x: x, x), 2 * 8**3),
    ],
)
def test_what_steps_take_is_estimated_by_shapes(function, expected):
    found = operations(jax.make_jaxpr(function)(jnp.ones((8, 8))).jaxpr)
    assert expected <= found <= expected + 400


class Listener(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        """Makes each step a chunk."""


@pytest.mark.parametrize(
    "layer", [lambda: keras.layers.Conv2D(3, 3), lambda: keras.layers.Dense(4)]
)
def test_the_same_bits_however_many_steps_are_taken_at_once(layer):
    x = np.random.default_rng(0).normal(size=(22, 6, 6, 2)).astype("float32")

    def train(**options):
        keras.utils.set_random_seed(5)
        model = keras.Sequential([keras.Input((6, 6, 2)), layer(), keras.layers.Flatten()])
        model.add(keras.layers.Dense(1))
        model.compile("adam", "mse", steps_per_execution=options.pop("steps", 1))
        history = model.fit(x, x[:, 0, 0, :1], batch_size=4, epochs=2, verbose=0, **options)
        return history.history["loss"], model.get_weights()

    losses, weights = train()
    for options in ({"callbacks": [Listener()]}, {"steps": 2}):
        other, others = train(**options)
        assert other == losses
        jax.tree.map(np.testing.assert_array_equal, others, weights)


def test_the_last_step_of_a_long_epoch_is_compiled_beside_the_loop(monkeypatch):
    monkeypatch.setitem(single_steps._OPERATIONS, "cpu", 1e300)
    slots, rest, rows = np.arange(36).reshape(9, 4), np.arange(36, 39), jnp.asarray(ROWS)
    together = make_chunk(step, finish=lambda s: s.sum())
    expected = together(jnp.zeros((50, SIZE)), rows, slots, rest=rest)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(single_steps, "_OF_LONG_EPOCHS", 1e9)
    threads = []
    start = single_steps.threading.Thread.start
    monkeypatch.setattr(
        single_steps.threading.Thread, "start", lambda t: (threads.append(t.name), start(t))
    )
    apart = make_chunk(step, finish=lambda s: s.sum())
    for _ in range(2):
        state, total = apart(jnp.zeros((50, SIZE)), rows, slots, rest=rest)
        np.testing.assert_allclose(state, expected[0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(total, expected[1], rtol=1e-5)
    assert threads.count("compile") == 1


def test_a_step_is_estimated_once_for_slots_of_a_shape(monkeypatch):
    counted = []
    monkeypatch.setattr(
        single_steps, "operations", lambda jaxpr: counted.append(1) or operations(jaxpr)
    )
    run = make_chunk(step, donate=False)
    for count in (1, 2, 8):
        run(jnp.zeros((1, SIZE)), jnp.asarray(ROWS), np.arange(4 * count).reshape(count, 4))
    assert len(counted) == 1
