"""Schedules: their values against formulas, traced and not; configs; use in optimizers."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jkeras as keras
from jkeras import optimizers
from jkeras.core.variable import Variable
from jkeras.optimizers import schedules as s


def cosine(x):
    return 0.5 * (1 + math.cos(math.pi * min(1.0, x)))


def sgdr(n, first, t_mul, m_mul):
    start, length, height = 0, first, 1.0
    while n >= start + length:
        start, length, height = start + length, length * t_mul, height * m_mul
    return height * cosine((n - start) / length)


CASES = [
    (s.ExponentialDecay(0.5, 7, 0.3), lambda n: 0.5 * 0.3 ** (n / 7)),
    (s.ExponentialDecay(0.5, 7, 0.3, staircase=True), lambda n: 0.5 * 0.3 ** (n // 7)),
    (s.InverseTimeDecay(0.5, 7, 0.3), lambda n: 0.5 / (1 + 0.3 * n / 7)),
    (s.InverseTimeDecay(0.5, 7, 0.3, staircase=True), lambda n: 0.5 / (1 + 0.3 * (n // 7))),
    (s.PiecewiseConstantDecay([5, 9], [3, 2, 1]), lambda n: 3 if n <= 5 else 2 if n <= 9 else 1),
    (s.PiecewiseConstantDecay([], [0.25]), lambda n: 0.25),
    (s.PolynomialDecay(0.5, 10, 0.1, 2.0), lambda n: 0.4 * (1 - min(n, 10) / 10) ** 2 + 0.1),
    (
        s.PolynomialDecay(0.5, 10, 0.1, cycle=True),
        lambda n: 0.4 * (1 - n / (10 * max(1, math.ceil(n / 10)))) + 0.1,
    ),
    (s.CosineDecay(0.5, 10, alpha=0.2), lambda n: 0.5 * (0.8 * cosine(n / 10) + 0.2)),
    (
        s.CosineDecay(0.1, 10, warmup_target=0.5, warmup_steps=4),
        lambda n: 0.1 + 0.1 * n if n < 4 else 0.5 * cosine((n - 4) / 10),
    ),
    (s.CosineDecay(0.1, 10, warmup_target=0.5), lambda n: 0.5 * cosine(n / 10)),
    (s.CosineDecayRestarts(1.0, 5, t_mul=2.0, m_mul=0.5), lambda n: sgdr(n, 5, 2.0, 0.5)),
    (
        s.CosineDecayRestarts(1.0, 5, t_mul=1.0, m_mul=0.9, alpha=0.1),
        lambda n: sgdr(n, 5, 1.0, 0.9) * 0.9 + 0.1,
    ),
]


@pytest.mark.parametrize(("schedule", "formula"), CASES, ids=lambda x: type(x).__name__)
def test_values(schedule, formula):
    steps = np.arange(0, 40)
    expected = np.array([formula(n) for n in steps.tolist()])
    found = jax.jit(jax.vmap(schedule))(jnp.asarray(steps))
    np.testing.assert_allclose(found, expected, atol=2e-6)
    assert schedule(3).shape == schedule(jnp.int32(3)).shape == ()
    assert schedule(Variable(3, name="step")) == schedule(3)


@pytest.mark.parametrize("schedule", [case[0] for case in CASES], ids=lambda x: type(x).__name__)
def test_configs(schedule):
    config = s.serialize(schedule)
    assert config["module"] == "keras.optimizers.schedules"
    assert config["config"]["name"] == schedule.name
    for spelling in (config, {k: config[k] for k in ("class_name", "config")}):
        again = s.deserialize(spelling)
        assert type(again) is type(schedule) and again.get_config() == schedule.get_config()


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    start=st.floats(1e-4, 10.0),
    end=st.floats(0.0, 1e-4),
    steps=st.integers(1, 1000),
    n=st.integers(0, 10_000),
)
def test_decays_stay_between_their_ends(start, end, steps, n):
    for schedule in (
        s.PolynomialDecay(start, steps, end),
        s.CosineDecay(start, steps, alpha=end / start),
        s.CosineDecayRestarts(start, steps, alpha=end / start),
    ):
        assert end - 1e-6 <= float(schedule(n)) <= start * (1 + 1e-6)


def test_senseless_arguments_are_refused():
    with pytest.raises(ValueError, match="1 less than the length of values"):
        s.PiecewiseConstantDecay([1, 2], [1.0, 2.0])
    for make in (s.ExponentialDecay, s.InverseTimeDecay):
        with pytest.raises(ValueError, match="`decay_steps` must be > 0"):
            make(0.1, 0, 0.5)
    for make in (s.PolynomialDecay, s.CosineDecay, s.CosineDecayRestarts):
        with pytest.raises(ValueError, match="decay_steps` must be > 0"):
            make(0.1, 0)
    with pytest.raises(NotImplementedError, match="__call__"):
        s.LearningRateSchedule()(0)


# ------------------------------------------------------------------ in optimizers
def rates(optimizer, steps=4):
    """Returns the learning rates of SGD's first steps, from how far a weight moves."""
    weight = Variable(np.zeros(1, "f4"), name="w")
    seen = [0.0]
    for _ in range(steps):
        optimizer.apply([-np.ones(1)], [weight])
        seen.append(weight.numpy().item())
    return np.diff(seen)


def test_a_schedule_sees_the_step():
    optimizer = optimizers.SGD(s.PiecewiseConstantDecay([1], [0.5, 0.25]))
    assert [v.name for v in optimizer.variables] == ["iteration"]
    np.testing.assert_allclose(rates(optimizer), [0.5, 0.5, 0.25, 0.25])
    assert float(optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    "function", [lambda step: 1.0 / (step + 1.0), optax.polynomial_schedule(1.0, 0.0, 1, 4)]
)
def test_functions_of_the_step(function):
    expected = [float(function(n)) for n in range(4)]
    np.testing.assert_allclose(rates(optimizers.SGD(function)), expected, rtol=1e-6)


def test_functions_of_nothing():
    np.testing.assert_allclose(rates(optimizers.SGD(lambda: 0.5)), [0.5] * 4)
    np.testing.assert_allclose(rates(optimizers.SGD(lambda rate=0.5: rate)), [0.5] * 4)


def test_a_schedule_counts_the_steps_that_only_accumulate():
    optimizer = optimizers.SGD(lambda step: step + 0.0, gradient_accumulation_steps=2)
    np.testing.assert_allclose(rates(optimizer), [0.0, 1.0, 0.0, 3.0])


def test_a_number_can_become_a_schedule_but_not_back():
    optimizer = optimizers.SGD(0.5)
    np.testing.assert_allclose(rates(optimizer, 2), [0.5, 0.5])
    optimizer.learning_rate = s.ExponentialDecay(1.0, 1, 0.5)
    weight = Variable(np.zeros(1, "f4"), name="w")
    optimizer.build([weight])
    optimizer.apply([-np.ones(1)], [weight])
    assert weight.numpy().item() == 0.25
    assert [v.name for v in optimizer.variables] == ["iteration"]
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        optimizer.learning_rate = 0.5


@pytest.mark.parametrize("kind", [np.float32, np.array, jnp.array, lambda x: Variable(x, name="v")])
def test_numbers_of_all_kinds_are_numbers(kind):
    for schedule in (
        s.ExponentialDecay(kind(0.5), 4, kind(0.25)),
        s.PiecewiseConstantDecay(np.array([2, 4]), [kind(0.5), 0.25, kind(0.125)]),
        s.PolynomialDecay(kind(0.5), kind(4.0)),
    ):
        config = schedule.get_config()
        assert json.loads(json.dumps(config)) == config
        again = type(schedule).from_config(config)
        assert float(again(3)) == float(schedule(3))
        optimizer = optimizers.SGD(schedule)
        weight = Variable(np.ones(1, "f4"), name="w")
        optimizer.apply([np.ones(1)], [weight])
        assert weight.numpy().item() == 0.5


def test_a_schedule_that_is_set_after_a_fit_is_followed():
    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, x[:, :1], verbose=0)
    before = model.get_weights()[0]
    for rate in (0.0, 0.1):
        schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1000], [rate, rate])
        model.optimizer.learning_rate = schedule
        model.fit(x, x[:, :1], verbose=0)
        assert (np.abs(model.get_weights()[0] - before).max() > 0) == (rate > 0)
