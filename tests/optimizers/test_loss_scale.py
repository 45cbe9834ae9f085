"""LossScaleOptimizer: when the scale grows and shrinks, and what is skipped."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras import optimizers
from jkeras.core.variable import Variable
from tests.optimizers.states import state_of

GRADS = [8.0, 8.0, np.inf, 8.0, 8.0, 8.0, 8.0, np.nan, 8.0]
SCALES = [8.0, 8.0, 4.0, 4.0, 4.0, 8.0, 8.0, 4.0, 4.0]
COUNTS = [1, 2, 0, 1, 2, 0, 1, 0, 1]


def make(inner=None):
    inner = inner or optimizers.SGD(0.5)
    return optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=3)


def weight(value=1.0):
    return Variable(np.array([value], "f4"), name="w")


def test_scale_grows_and_shrinks_and_bad_steps_are_skipped():
    w, optimizer = weight(0.0), make()
    expected = 0.0
    for g, scale, count in zip(GRADS, SCALES, COUNTS):
        before = float(optimizer.scale_loss(1.0))
        optimizer.apply([np.array([g])], [w])
        expected -= 0.5 * g / before if np.isfinite(g) else 0.0
        held = {v.name: v.numpy().item() for v in optimizer.variables}
        assert (held["dynamic_scale"], held["step_counter"]) == (scale, count)
        assert w.numpy().item() == expected
    assert int(optimizer.iterations) == 7


def test_pure_form_in_a_donated_scan():
    tx = make(optimizers.SGD(0.5, momentum=0.5)).transform()
    params = {"w": jnp.zeros(1)}

    @functools.partial(jax.jit, donate_argnums=0)
    def run(carry, grads):
        def step(carry, g):
            params, state = carry
            scale = make().loss_scale(state)
            updates, state = tx.update({"w": g * scale}, state, params)
            return (optax.apply_updates(params, updates), state), scale

        return jax.lax.scan(step, carry, grads)

    grads = jnp.where(jnp.isfinite(jnp.array(GRADS)), 1.0, jnp.inf)[:, None]
    (params, state), scales = run((params, tx.init(params)), grads)
    assert scales.tolist() == [8.0, *SCALES[:-1]]
    assert state["inner_optimizer"]["iteration"] == 7 and state["dynamic_scale"] == 4.0
    w, plain = weight(0.0), optimizers.SGD(0.5, momentum=0.5)
    for _ in range(7):
        plain.apply([np.ones(1)], [w])
    np.testing.assert_allclose(params["w"], w.numpy(), rtol=1e-6)


@pytest.mark.parametrize("tx", [optax.adam(0.5), optax.inject_hyperparams(optax.adam)(0.5)])
def test_an_optax_transformation_inside(tx):
    w, optimizer = weight(), make(optimizers.get(tx))
    pure = make(optimizers.get(tx)).transform()
    params = {"w": jnp.ones(1)}
    state = pure.init(params)
    for g in (8.0, np.inf, 8.0):
        optimizer.apply([np.array([g])], [w])
        updates, state = jax.jit(pure.update)({"w": jnp.array([g])}, state, params)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose([w.numpy().item(), params["w"].item()], [0.0, 0.0], atol=0.05)
    assert int(optimizer.iterations) == int(state["inner_optimizer"]["iteration"]) == 2


def test_inner_options_are_kept():
    w = weight()
    optimizer = make(optimizers.SGD(1.0, gradient_accumulation_steps=2, use_ema=True))
    for g in (8.0, np.inf, 8.0):
        optimizer.apply([np.array([g])], [w])
    assert w.numpy().item() == -0.5 and int(optimizer.iterations) == 1  # the mean of 1 and 2
    optimizer.finalize_variable_values([w])
    assert w.numpy().item() == -0.5
    optimizer = make(optimizers.SGD(1.0, weight_decay=0.5))
    optimizer.exclude_from_weight_decay(var_names=["w"])
    optimizer.apply([np.zeros(1)], [w])
    assert w.numpy().item() == -0.5


def test_variables_learning_rate_and_config():
    w, optimizer = weight(), make(optimizers.SGD(0.5, momentum=0.9))
    assert float(optimizer.scale_loss(2.0)) == 16.0
    optimizer.build([w])
    paths = ["iteration", "learning_rate", "step_counter", "dynamic_scale"]
    paths = [f"loss_scale_optimizer/{p}" for p in paths]
    inner = ["sgd/iteration", "sgd/learning_rate", "sgd/w_momentum"]
    assert [v.path for v in optimizer.variables] == [*paths, *inner]
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == float(optimizer.learning_rate) == 0.25
    optimizer.apply([np.array([8.0])], [w])
    optimizer.learning_rate = lambda: 1.0
    optimizer.apply([np.array([8.0])], [w])
    assert w.numpy().item() == pytest.approx(0.75 - 0.225 - 1.0)
    again = optimizers.deserialize(optimizers.serialize(make()))
    assert (again.initial_scale, again.dynamic_growth_steps) == (8.0, 3)
    assert float(again.inner_optimizer.learning_rate) == 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clipnorm": 1.0}, "set `clipnorm` on the `inner_optimizer`"),
        ({"use_ema": True}, "set `use_ema` on the `inner_optimizer`"),
        ({"foo": 1, "bar": 2}, "arguments: `foo`, `bar`"),
        ({"dynamic": False}, "set `loss_scale_factor`"),
        ({"initial_scale": -1.0}, "`initial_scale` must be positive"),
        ({"dynamic_growth_steps": 0}, "integer >= 1"),
    ],
)
def test_other_arguments_belong_to_the_inner_optimizer(options, message):
    with pytest.raises(ValueError, match=message):
        optimizers.LossScaleOptimizer(optimizers.SGD(), **options)


def test_state_survives_freezing():
    a, b = weight(), Variable(np.ones(1, "f4"), name="b")
    optimizer = make(optimizers.SGD(0.5, momentum=0.5))
    optimizer.apply([np.full(1, 8.0), np.full(1, np.inf)], [a, b])
    optimizer.build([a])
    state = state_of(optimizer, {a: "a"})
    assert state["dynamic_scale"] == 4.0 and list(state["inner_optimizer"]["momentum"]) == ["a"]


def test_the_loss_is_scaled_once():
    inner = optimizers.SGD(0.5, loss_scale_factor=100.0)
    w, optimizer = weight(), make(inner)
    optimizer.apply([np.array([8.0])], [w])
    assert w.numpy().item() == 0.5 and inner.loss_scale_factor is None
    with pytest.raises(ValueError, match="LossScaleOptimizer itself"):
        make(make())


def test_several_optimizers_inside():
    a, b = weight(), Variable(np.ones(1, "f4"), name="b")
    chosen = optimizers.OptimizerMap(optimizers.SGD(0.5), {"b": optimizers.SGD(0.25)})
    inner = optimizers.MultiOptimizer(chosen, loss_scale_factor=5.0)
    optimizer = make(inner)
    optimizer.apply([np.full(1, 8.0)] * 2, [a, b])
    assert (a.numpy().item(), b.numpy().item()) == (0.5, 0.75)
    assert optimizer.scale_loss(1.0) == 8.0
    assert list(optimizer.rated_optimizers.values()) == inner.optimizers


def test_configs_of_older_versions():
    inner = {"class_name": "SGD", "config": {"learning_rate": 0.5}}
    config = {"name": "scaled", "inner_optimizer": inner, "initial_scale": 4.0}
    config |= {"dynamic_growth_steps": 2, "dynamic": True, "clipnorm": None, "use_ema": False}
    optimizer = optimizers.LossScaleOptimizer.from_config(config)
    assert (optimizer.name, optimizer.initial_scale) == ("scaled", 4.0)
    assert float(optimizer.learning_rate) == 0.5
    assert sorted(optimizer.get_config()) == [
        "dynamic_growth_steps",
        "initial_scale",
        "inner_optimizer",
        "name",
    ]
