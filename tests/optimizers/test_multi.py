"""MultiOptimizer and OptimizerMap: who updates what."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras import optimizers
from jkeras.core.variable import Variable


def weights(*names):
    return [Variable(np.zeros(2, "f4"), name=n) for n in names]


def make_map():
    chosen = optimizers.OptimizerMap(optimizers.SGD(1.0, momentum=0.5))
    chosen["b.*"] = optimizers.Adam(0.25)
    return chosen


def test_each_variable_is_updated_by_its_own_optimizer():
    variables = weights("a", "b", "bb")
    optimizer = optimizers.MultiOptimizer(make_map())
    for _ in range(2):
        optimizer.apply([np.ones(2)] * 3, variables)
    assert variables[0].numpy().tolist() == [-2.5, -2.5]
    np.testing.assert_allclose(variables[2].numpy(), [-0.5, -0.5], rtol=1e-4)
    assert int(optimizer.iterations) == 2
    assert [type(o).__name__ for o in optimizer.optimizers] == ["Adam", "SGD"]
    slots = ["adam/b_momentum", "adam/b_velocity", "adam/bb_momentum", "adam/bb_velocity"]
    assert [v.path for v in optimizer.variables] == [
        *("multi_optimizer/iteration", "multi_optimizer/learning_rate"),
        *("adam/iteration", "adam/learning_rate", *slots),
        *("sgd/iteration", "sgd/learning_rate", "sgd/a_momentum"),
    ]


@pytest.mark.parametrize("by_map", [True, False])
def test_pure_form(by_map):
    chosen = make_map()
    optimizer = optimizers.MultiOptimizer(chosen if by_map else lambda v: chosen[v.path])
    tx = optimizer.transform()
    params = {"a": jnp.zeros(2), "b": jnp.zeros(2)}
    state = tx.init(params)
    for _ in range(2):
        updates, state = jax.jit(tx.update)({k: jnp.ones(2) for k in params}, state, params)
        params = optax.apply_updates(params, updates)
    assert params["a"].tolist() == [-2.5, -2.5]
    np.testing.assert_allclose(params["b"], [-0.5, -0.5], rtol=1e-4)
    assert state["iteration"] == 2 and not optimizer.built


def test_a_function_chooses_once_for_each_variable():
    calls = []

    def choose(variable):
        calls.append(variable.name)
        return optimizers.SGD(1.0)

    a, b = weights("a", "b")
    optimizer = optimizers.MultiOptimizer(choose, loss_scale_factor=2.0)
    optimizer.apply([np.ones(2)], [a])
    optimizer.build([a, b])
    optimizer.apply([np.ones(2)] * 2, [a, b])
    assert calls == ["a", "b"] and len(optimizer.optimizers) == 2
    assert a.numpy().tolist() == [-1.0, -1.0] and b.numpy().tolist() == [-0.5, -0.5]
    assert optimizer.scale_loss(1.0) == 2.0
    assert [int(o.iterations) for o in optimizer.optimizers] == [2, 1]


def test_finalize_reaches_the_optimizers():
    (a,) = weights("a")
    optimizer = optimizers.MultiOptimizer(lambda v: optimizers.SGD(1.0, use_ema=True))
    for _ in range(2):
        optimizer.apply([np.ones(2)], [a])
    optimizer.finalize_variable_values([a])
    np.testing.assert_allclose(a.numpy(), [-1.01, -1.01], rtol=1e-6)


def test_what_belongs_to_the_individual_optimizers():
    optimizer = optimizers.MultiOptimizer(make_map())
    with pytest.raises(AttributeError, match="individual sub-optimizers"):
        optimizer.learning_rate
    with pytest.raises(AttributeError, match="individual sub-optimizers"):
        optimizer.learning_rate = 0.5
    with pytest.raises(AttributeError, match="individual sub-optimizers"):
        optimizer.exclude_from_weight_decay(var_names=["a"])


def test_config():
    optimizer = optimizers.MultiOptimizer(make_map(), loss_scale_factor=2.0, name="both")
    config = optimizers.serialize(optimizer)
    assert config["config"]["optimizer_map"]["class_name"] == "OptimizerMap"
    again = optimizers.deserialize(config)
    assert again.get_config() == optimizer.get_config()
    assert again.optimizer_map["bx"].get_config() == optimizer.optimizer_map["bx"].get_config()


def test_a_map_is_a_collection_of_patterns():
    chosen = make_map()
    assert chosen["b/kernel"] is chosen["b.*"] and chosen["xb"] is chosen.default_optimizer
    assert list(chosen) == ["b.*"] and len(chosen) == 1
    chosen[".*kernel"] = optimizers.SGD()
    with pytest.raises(ValueError, match="Multiple optimizers assigned to variable b/kernel"):
        chosen["b/kernel"]
    del chosen[".*kernel"]
    with pytest.raises(ValueError, match="already exists"):
        chosen["b.*"] = optimizers.SGD()
    with pytest.raises(ValueError, match="must be a Keras Optimizer"):
        chosen["c"] = 3
    with pytest.raises(TypeError, match="default_optimizer"):
        optimizers.OptimizerMap("sgd")
    with pytest.raises(TypeError, match="optimizer_map"):
        optimizers.MultiOptimizer("sgd")


def test_one_optimizer_is_that_of_all_variables():
    (weight,) = weights("a")
    optimizers.MultiOptimizer(optimizers.SGD(0.5)).apply([np.ones(weight.shape)], [weight])
    (other,) = weights("a")
    optimizers.SGD(0.5).apply([np.ones(other.shape)], [other])
    np.testing.assert_array_equal(weight.numpy(), other.numpy())


def test_the_loss_is_scaled_once():
    (a,) = weights("a")
    inner = optimizers.SGD(1.0, loss_scale_factor=2.0)
    optimizer = optimizers.MultiOptimizer(optimizers.OptimizerMap(inner), loss_scale_factor=4.0)
    assert optimizer.scale_loss(1.0) == 4.0
    optimizer.apply([np.full(2, 8.0)], [a])
    assert a.numpy().tolist() == [-2.0, -2.0]
    scaled = optimizers.LossScaleOptimizer(optimizers.SGD())
    for nested in (scaled, optimizers.MultiOptimizer(make_map())):
        with pytest.raises(ValueError, match=f"optimizer cannot be {type(nested).__name__}"):
            optimizers.OptimizerMap(optimizers.SGD(), {"a": nested})
        by_function = optimizers.MultiOptimizer(lambda v, nested=nested: nested)
        with pytest.raises(ValueError, match="cannot be used inside an MultiOptimizer"):
            by_function.build([a])


def test_an_optimizer_without_gradients_makes_no_step():
    (a,) = weights("a")
    chosen = make_map()
    optimizer = optimizers.MultiOptimizer(chosen)
    optimizer.apply([np.ones(2)], [a])
    assert int(chosen["b.*"].iterations) == 0 and int(chosen.default_optimizer.iterations) == 1


def test_optimizers_of_one_name_have_rates_of_their_own():
    chosen = optimizers.OptimizerMap(
        optimizers.SGD(0.5, name="x"), {"b": optimizers.SGD(0.25, name="x")}
    )
    rated = optimizers.MultiOptimizer(chosen).rated_optimizers
    rates = {name: float(o.learning_rate) for name, o in rated.items()}
    assert rates == {"learning_rate_x": 0.25, "learning_rate_x_1": 0.5}
