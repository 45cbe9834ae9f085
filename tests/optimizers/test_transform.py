"""Optimizers as optax transformations: pure, for any pytree, under JAX's transformations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras import optimizers
from jkeras.core import scope
from jkeras.core.variable import Variable
from tests.catalog.optimizers import COMMON_OPTIONS, OPTIMIZERS
from tests.optimizers.states import state_of
from tests.optimizers.test_rules import draw

ALL = [(case, {}) for case in OPTIMIZERS]
ALL += [(OPTIMIZERS[1], options) for options in COMMON_OPTIONS]
each = pytest.mark.parametrize(("case", "options"), ALL, ids=str)


@each
def test_a_donated_scan_does_what_apply_does(case, options):
    weights, grads = draw(steps=5, names=("kernel",))
    variables = [Variable(w, name=k) for k, w in weights.items()]
    optimizer = case.make(optimizers, **options)
    for g in grads:
        optimizer.apply(list(g.values()), variables)

    tx = case.make(optimizers, **options).transform()

    @functools.partial(jax.jit, donate_argnums=0)
    def run(carry, grads):
        def step(carry, g):
            params, state = carry
            updates, state = tx.update(g, state, params)
            return (optax.apply_updates(params, updates), state), None

        return jax.lax.scan(step, carry, grads)[0]

    params = jax.tree.map(jnp.array, weights)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *grads)
    params, state = run((params, tx.init(params)), stacked)
    for v in variables:
        np.testing.assert_allclose(params[v.name], v.numpy(), rtol=1e-5, atol=1e-6)
    names = {v: v.name for v in variables}
    expected = state_of(optimizer, names)
    assert jax.tree.structure(state) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(state), jax.tree.leaves(expected)):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert a.dtype == b.dtype


def test_params_may_be_any_pytree():
    params = {"layer": [jnp.ones(2), (jnp.ones(()),)], "empty": None}
    tx = optimizers.SGD(0.5, momentum=0.5).transform()
    state = tx.init(params)
    assert sorted(state["momentum"]) == ["layer/0", "layer/1/0"]
    updates, state = tx.update(jax.tree.map(jnp.ones_like, params), state, params)
    assert jax.tree.structure(updates) == jax.tree.structure(params)
    new = optax.apply_updates(params, updates)
    assert new["layer"][0].tolist() == [0.5, 0.5] and float(new["layer"][1][0]) == 0.5
    bare = jnp.ones(3)
    updates, _ = tx.update(bare, tx.init(bare), bare)
    assert updates.tolist() == [-0.5, -0.5, -0.5]


def test_missing_gradients_give_no_update():
    params = {"a": jnp.ones(1), "b": jnp.ones(1)}
    tx = optimizers.Adam(0.5, weight_decay=0.1).transform()
    updates, state = tx.update({"a": jnp.ones(1), "b": None}, tx.init(params), params)
    assert updates["b"].item() == 0.0 > updates["a"].item()
    assert state["velocity"]["b"].item() == 0.0 < state["velocity"]["a"].item()


def test_parameters_are_needed():
    tx = optimizers.SGD().transform()
    with pytest.raises(ValueError, match="Pass the parameters"):
        tx.update({"a": jnp.ones(1)}, tx.init({"a": jnp.ones(1)}))


def test_the_object_is_not_touched():
    optimizer = optimizers.Adam(0.5)
    tx, params = optimizer.transform(), {"a": jnp.ones(1)}
    state = tx.init(params)
    rate = optimizer.learning_rate.cell()
    for leaf in jax.tree.leaves(jax.jit(tx.update)(params, state, params)):
        leaf.delete()
    for leaf in jax.tree.leaves(state):
        leaf.delete()
    assert not optimizer.built and len(optimizer.variables) == 2
    assert int(optimizer.iterations) == 0 and float(rate) == 0.5


def test_it_starts_anew_but_at_the_current_learning_rate():
    weight = Variable(np.ones(1, "f4"), name="w")
    optimizer = optimizers.Adam(0.5)
    optimizer.apply([np.ones(1)], [weight])
    optimizer.learning_rate = 0.25
    state = optimizer.transform().init({"w": jnp.ones(1)})
    assert (int(state["iteration"]), float(state["learning_rate"])) == (0, 0.25)
    assert state["momentum"]["w"].item() == 0.0


def test_learning_rates_can_be_vmapped():
    tx, params = optimizers.SGD(0.5).transform(), {"w": jnp.ones(1)}
    state = {**tx.init(params), "learning_rate": jnp.array([0.5, 0.25])}
    axes = ({"w": None}, {"iteration": None, "learning_rate": 0}, {"w": None})
    updates, _ = jax.vmap(tx.update, in_axes=axes)(params, state, params)
    assert updates["w"].ravel().tolist() == [-0.5, -0.25]


def test_it_composes_with_optax():
    tx = optax.chain(optax.scale(2.0), optimizers.SGD(0.5).transform(), optax.scale(-1.0))
    params = {"w": jnp.ones(1)}
    updates, _ = tx.update({"w": jnp.ones(1)}, tx.init(params), params)
    assert updates["w"].item() == 1.0


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (optimizers.SGD(0.1, momentum=0.9), optax.sgd(0.1, momentum=0.9)),
        (optimizers.SGD(0.1, 0.9, True), optax.sgd(0.1, momentum=0.9, nesterov=True)),
        (optimizers.Lion(0.01), optax.lion(0.01, weight_decay=0.0)),
        # Without epsilon, Keras's Adam and optax's are the same.
        (optimizers.Adam(0.01, epsilon=0.0), optax.adam(0.01, eps=0.0)),
        (optimizers.AdamW(0.01, 0.1, epsilon=0.0), None),
        (optimizers.SGD(0.1, clipvalue=0.2), optax.chain(optax.clip(0.2), optax.sgd(0.1))),
    ],
    ids=["momentum", "nesterov", "lion", "adam", "adamw", "clip"],
)
def test_what_optax_has_as_well_is_the_same(ours, theirs):
    if theirs is None:
        # AdamW decays before the step, optax with it: the same, as Adam does not see the weight.
        theirs = optax.adamw(0.01, eps=0.0, weight_decay=0.1)
    weights, grads = draw(names=("kernel", "bias"))
    ours = ours.transform()
    a = b = jax.tree.map(jnp.array, weights)
    a_state, b_state = ours.init(a), theirs.init(b)
    for g in grads:
        updates, a_state = ours.update(g, a_state, a)
        a = optax.apply_updates(a, updates)
        updates, b_state = theirs.update(g, b_state, b)
        b = optax.apply_updates(b, updates)
    for k in weights:
        np.testing.assert_allclose(a[k], b[k], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@each
def test_dtypes_are_static(case, options, dtype):
    params = {"k": jnp.ones((2, 3), dtype), "b": jnp.ones(2, dtype)}
    tx = case.make(optimizers, **options).transform()
    state = jax.eval_shape(tx.init, params)
    updates, new = jax.eval_shape(tx.update, params, state, params)
    assert jax.tree.map(lambda x: (x.shape, x.dtype), (updates, new)) == jax.tree.map(
        lambda x: (x.shape, x.dtype), (params, state)
    )


# ------------------------------------------------------------------ weight decay by variable
def test_excluded_names_are_paths():
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["norm/.*", "^bias$"])
    tx = optimizer.transform()
    params = {k: jnp.ones(1) for k in ("dense/kernel", "dense/bias", "norm/gamma")}
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    assert [k for k, u in updates.items() if u.item() != 0] == ["dense/kernel"]


def test_excluded_variables_need_their_names():
    a, b = (Variable(np.ones(1, "f4"), name=n) for n in "ab")
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_list=[b])
    params = {"x": jnp.ones(1), "y": jnp.ones(1)}
    with pytest.raises(ValueError, match=r"transform\(names\)"):
        optimizer.transform().init(params)
    optimizer.build([a, b])
    c = Variable(np.ones(1), name="c")
    tx = optimizer.transform({a: "x", b: "y", c: "z"})
    updates, _ = tx.update(jax.tree.map(jnp.zeros_like, params), tx.init(params), params)
    assert (updates["x"].item(), updates["y"].item()) == (-0.5, 0.0)
    assert scope.current() is None
    with pytest.raises(ValueError, match="Unknown variable"):
        tx.init({"z": jnp.ones(1)})
    with pytest.raises(ValueError, match=r"No variables are called \['w'\]"):
        tx.init({"w": jnp.ones(1)})
