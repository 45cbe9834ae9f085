"""Optimizers that users write: Keras's way, the pure way, and over built-in ones."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jkeras import optimizers
from jkeras.core.variable import Variable
from tests.optimizers.test_rules import draw


class KerasAdam(optimizers.Optimizer):
    """Adam as one writes it for Keras."""

    def __init__(self, learning_rate=0.02, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **kwargs):
        super().__init__(learning_rate=learning_rate, **kwargs)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._momentums, self._velocities = [], []
        for variable in variables:
            self._momentums.append(
                self.add_variable_from_reference(reference_variable=variable, name="momentum")
            )
            self._velocities.append(
                self.add_variable_from_reference(reference_variable=variable, name="velocity")
            )

    def update_step(self, gradient, variable, learning_rate):
        t = jnp.asarray(self.iterations + 1, variable.dtype)
        i = next(i for i, v in enumerate(self._trainable_variables) if v is variable)
        m, v = self._momentums[i], self._velocities[i]
        self.assign_add(m, (gradient - m) * (1 - self.beta_1))
        self.assign_add(v, (jnp.square(gradient) - v) * (1 - self.beta_2))
        alpha = learning_rate * jnp.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        self.assign_sub(variable, alpha * m.value / (jnp.sqrt(v.value) + self.epsilon))


class Counting(optimizers.Optimizer):
    """A variable of the whole optimizer, changed once a step."""

    def build(self, variables):
        super().build(variables)
        self.total = self.add_variable((), name="total")

    def advance(self, step):
        return {"total": step.scalars["total"] + step.number}

    def rule(self, step):
        return lambda gradient, parameter, slots: (-step.scalars["total"] * gradient, {})


class Centralized(optimizers.Adam):
    """Adam of gradients without their mean (Yong et al., 2020)."""

    def update_step(self, gradient, variable, learning_rate):
        if len(gradient.shape) > 1:
            gradient -= jnp.mean(gradient, axis=0, keepdims=True)
        super().update_step(gradient, variable, learning_rate)


OPTIONS = [
    {"clipnorm": 0.5, "weight_decay": 0.1, "use_ema": True, "ema_overwrite_frequency": 2},
    {"gradient_accumulation_steps": 2},
]


def run_eagerly(optimizer, weights, grads):
    variables = [Variable(w, name=k) for k, w in weights.items()]
    for g in grads:
        optimizer.apply_gradients(zip(g.values(), variables))
    return {v.name: v.numpy() for v in variables}


def run_purely(optimizer, weights, grads):
    tx = optimizer.transform()
    params = jax.tree.map(jnp.array, weights)
    state, update = tx.init(params), jax.jit(tx.update)
    for g in grads:
        updates, state = update(g, state, params)
        params = optax.apply_updates(params, updates)
    return params


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("run", [run_eagerly, run_purely])
def test_the_keras_way_gives_what_the_built_in_gives(run, options):
    weights, grads = draw(steps=5, names=("kernel", "bias"))
    expected = run_eagerly(optimizers.Adam(0.02, **options), weights, grads)
    found = run(KerasAdam(**options), weights, grads)
    for k in weights:
        np.testing.assert_allclose(found[k], expected[k], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run", [run_eagerly, run_purely])
def test_a_method_over_a_built_in_rule(run):
    weights, grads = draw(steps=4, names=("kernel", "bias"))
    central = [
        {k: g - g.mean(0, keepdims=True) if g.ndim > 1 else g for k, g in step.items()}
        for step in grads
    ]
    expected = run_eagerly(optimizers.Adam(0.02), weights, central)
    found = run(Centralized(0.02), weights, grads)
    for k in weights:
        np.testing.assert_allclose(found[k], expected[k], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run", [run_eagerly, run_purely])
def test_a_method_over_a_rule_with_scalars_moves_them_once_a_step(run):
    class Same(optimizers.Nadam):
        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate)

    weights, grads = draw(steps=4, names=("kernel", "bias"))
    expected = run_eagerly(optimizers.Nadam(0.02), weights, grads)
    found = run(Same(0.02), weights, grads)
    for k in weights:
        np.testing.assert_allclose(found[k], expected[k], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("run", [run_eagerly, run_purely])
def test_scalars_are_shared_by_all_parameters(run):
    weights = {"a": np.zeros(1, "f4"), "b": np.zeros(2, "f4")}
    grads = [{"a": np.ones(1, "f4"), "b": np.ones(2, "f4")}] * 3
    found = run(Counting(0.1), weights, grads)  # totals 1, 3, 6
    assert found["a"].tolist() == [-10.0] and found["b"].tolist() == [-10.0, -10.0]


def test_a_variable_made_by_the_constructor_is_remembered():
    class Steps(optimizers.Optimizer):
        def __init__(self, learning_rate):
            super().__init__(learning_rate)
            self.count = self.add_variable((), "ones", dtype="int32", name="count")

        def update_step(self, gradient, variable, learning_rate):
            self.assign_add(self.count, 1)
            self.assign_sub(variable, gradient * learning_rate)

    optimizer, weight = Steps(0.5), Variable(np.ones(1, "f4"), name="w")
    optimizer.apply([np.ones(1)], [weight])
    optimizer.apply([np.ones(1)], [weight])
    assert int(optimizer.count) == 3 and weight.numpy().item() == 0.0
    assert [v.name for v in optimizer.variables] == ["iteration", "learning_rate", "count"]


def test_building_again_finds_the_slots_of_keras_style_optimizers():
    class Heavy(optimizers.Optimizer):
        def build(self, variables):
            super().build(variables)
            self.speeds = {v.path: self.add_variable_from_reference(v, "speed") for v in variables}

        def update_step(self, gradient, variable, learning_rate):
            speed = self.speeds[variable.path]
            self.assign(speed, 0.5 * speed - learning_rate * gradient)
            self.assign_add(variable, speed)

    a, b = (Variable(np.zeros(1, "f4"), name=n) for n in "ab")
    optimizer = Heavy(1.0)
    optimizer.apply([np.ones(1)], [a])
    optimizer.build([a, b])
    optimizer.apply([np.ones(1)] * 2, [a, b])
    assert (a.numpy().item(), b.numpy().item()) == (-2.5, -1.0)
