"""Optax transformations in the place of optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jkeras as keras
from jkeras import optimizers
from jkeras.core.variable import Variable
from tests.optimizers.states import state_of
from tests.optimizers.test_rules import draw

injected = optax.inject_hyperparams(optax.adam)


def weights(*names):
    return [Variable(np.ones(1, "f4"), name=n) for n in names]


@pytest.mark.parametrize(
    "tx",
    [
        optax.adam(0.1),
        optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(0.1, momentum=0.9)),
        injected(0.1),
        optax.adamw(optax.cosine_decay_schedule(0.1, 10)),
        optax.masked(optax.sgd(0.1, momentum=0.9), lambda p: {k: x.ndim > 1 for k, x in p.items()}),
        optax.ema(0.5),
    ],
    ids=["adam", "chain", "injected", "schedule", "masked", "ema"],
)
def test_it_does_what_the_transformation_does(tx):
    values, grads = draw(steps=4, names=("kernel", "bias"))
    variables = [Variable(w, name=k) for k, w in values.items()]
    optimizer = optimizers.get(tx)
    params = jax.tree.map(jnp.array, values)
    state = tx.init(params)
    ours = optimizer.transform()
    our_params, our_state = params, ours.init(params)
    for g in grads:
        updates, state = tx.update(g, state, params)
        params = optax.apply_updates(params, updates)
        updates, our_state = ours.update(g, our_state, our_params)
        our_params = optax.apply_updates(our_params, updates)
        optimizer.apply(list(g.values()), variables)
    for v in variables:
        np.testing.assert_array_equal(our_params[v.name], params[v.name])
        np.testing.assert_allclose(v.numpy(), params[v.name], rtol=1e-5, atol=1e-6)
    read = state_of(optimizer, {v: v.name for v in variables})
    assert jax.tree.structure(read) == jax.tree.structure(our_state)
    for mine, theirs in zip(jax.tree.leaves(read), jax.tree.leaves(our_state), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)
    assert int(optimizer.iterations) == 4


def test_injected_learning_rates_are_read_and_set():
    (w,) = weights("w")
    optimizer = optimizers.get(optax.inject_hyperparams(optax.sgd)(0.5))
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25  # before it is built
    optimizer.apply([np.ones(1)], [w])
    assert w.numpy().item() == 0.75
    optimizer.learning_rate = 0.125
    optimizer.apply([np.ones(1)], [w])
    assert w.numpy().item() == 0.625
    assert float(state_of(optimizer, {w: "w"})["state"].hyperparams["learning_rate"]) == 0.125
    with pytest.raises(ValueError, match="learning rate"):
        optimizer.learning_rate = -1.0
    with pytest.raises(TypeError, match="number"):
        optimizer.learning_rate = lambda step: 0.1


def test_other_learning_rates_cannot_be_set():
    optimizer = optimizers.get(optax.sgd(0.5))
    with pytest.raises(AttributeError, match="inject_hyperparams"):
        optimizer.learning_rate = 0.25
    with pytest.raises(AttributeError, match="inject_hyperparams"):
        optimizer.learning_rate
    scheduled = optimizers.get(injected(optax.constant_schedule(0.5)))
    with pytest.raises(TypeError, match="schedule"):
        scheduled.learning_rate = 0.25


def test_freezing_keeps_what_others_remember():
    a, b, c = weights("a", "b", "c")
    optimizer = optimizers.get(optax.sgd(1.0, momentum=0.5))
    optimizer.apply([np.ones(1)] * 2, [a, b])
    optimizer.build([b, c])
    optimizer.apply([np.ones(1)] * 2, [b, c])
    assert (a.numpy().item(), b.numpy().item(), c.numpy().item()) == (0.0, -1.5, 0.0)
    state = state_of(optimizer, {b: "x/b", c: "x/c"})
    assert {k: v.item() for k, v in state["state"][0].trace.items()} == {"x/b": 1.5, "x/c": 1.0}


def test_variables_without_a_gradient_stay():
    a, b = weights("a", "b")
    optimizer = optimizers.get(optax.adamw(0.5, weight_decay=0.5))
    optimizer.build([a, b])
    optimizer.apply([np.ones(1), None])
    assert a.numpy().item() < 1.0 and b.numpy().item() == 1.0


def test_the_users_arrays_are_not_part_of_the_state():
    (a,) = weights("a")
    keeps_params = optax.GradientTransformation(lambda p: {"start": p}, lambda g, s, p=None: (g, s))
    optimizer = optimizers.get(keeps_params)
    optimizer.build([a])
    state_of(optimizer, {a: "a"})["state"]["start"]["a"].delete()
    assert a.numpy().item() == 1.0


def test_saving_and_configs():
    (a,) = weights("a")
    optimizer, other = optimizers.get(optax.adam(0.5)), optimizers.get(optax.adam(0.5))
    optimizer.apply([np.ones(1)], [a])
    other.build([a])
    store = {}
    optimizer.save_own_variables(store)
    other.load_own_variables(store)
    assert [v.numpy().tolist() for v in other.variables] == [v.tolist() for v in store.values()]
    assert optimizer.name == "optax_optimizer" and other.name == "optax_optimizer_1"
    with pytest.raises(NotImplementedError, match="compile"):
        optimizer.get_config()


@pytest.mark.parametrize("wrap", [lambda tx: tx, lambda tx: tx.gradient_transformation()])
def test_multi_steps(wrap):
    (w,) = weights("w")
    optimizer = optimizers.get(wrap(optax.MultiSteps(optax.sgd(1.0), 2)))
    seen = []
    for g in (1.0, 3.0, 1.0, 1.0):
        optimizer.apply([np.full(1, g)], [w])
        seen.append(w.numpy().item())
    assert seen == [1.0, -1.0, -1.0, -2.0] and int(optimizer.iterations) == 4


def test_an_object_with_init_and_update_trains_a_model():
    class Half:
        def init(self, params):
            return ()

        def update(self, grads, state, params=None):
            return jax.tree.map(lambda g: -0.5 * g, grads), state

    def train(optimizer):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer, "mse")
        model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
        return model.get_weights()

    for mine, theirs in zip(train(Half()), train(optimizers.SGD(0.5)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("tx", [optax.lbfgs(), optax.polyak_sgd()])
def test_transformations_that_need_the_loss_are_refused_by_what_they_need(tx):
    optimizer = optimizers.get(tx)
    with pytest.raises(TypeError, match=r"needs .*'value'.* besides the gradients") as error:
        optimizer.apply_gradients([([1.0], weights("w")[0])])
    assert "a loop of your own" in str(error.value)
