"""Metric: one spelling made of the other, cells, the user's own metrics, configs, errors."""

import copy

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jkeras import metrics
from jkeras.core import scope
from jkeras.core.variable import Variable

Y = np.array([[1.0], [2.0]], "f4")


class Largest(metrics.Metric):
    """In Keras's spelling, with a variable, a list of variables and metrics in attributes."""

    def __init__(self, factor=1.0, name="largest", **kwargs):
        super().__init__(name=name, **kwargs)
        self.factor = factor
        self.largest = self.add_variable(shape=(), initializer="zeros", name="largest")
        self.seen = self.add_weight("seen", initializer="zeros")
        self.inner = [metrics.Mean(name="inner")]

    def update_state(self, y_true, y_pred, sample_weight=None):
        values = jnp.abs(y_true - y_pred) * self.factor
        if sample_weight is not None:
            values = values * sample_weight[:, None]
        self.largest.assign(jnp.maximum(self.largest, values.max()))
        self.seen.assign_add(len(y_pred))
        self.inner[0].update_state(values)

    def result(self):
        return {"largest": self.largest, "mean": self.inner[0].result()}


class Range(metrics.Metric):
    """As pure functions."""

    def init(self, *args):
        return {"low": jnp.array(jnp.inf), "high": jnp.array(-jnp.inf)}

    def update(self, state, values):
        return {
            "low": jnp.minimum(state["low"], jnp.min(jnp.asarray(values))),
            "high": jnp.maximum(state["high"], jnp.max(jnp.asarray(values))),
        }

    def compute(self, state):
        return state["high"] - state["low"]

    def merge(self, state, other):
        return {
            "low": jnp.minimum(state["low"], other["low"]),
            "high": jnp.maximum(state["high"], other["high"]),
        }


# ------------------------------------------------------------------ both spellings
def test_a_metric_in_keras_s_spelling_runs_purely():
    metric = Largest()
    state = metric.init()
    assert {k: v.item() for k, v in state.items()} == {
        "largest": 0.0, "seen": 0.0, "inner/total": 0.0, "inner/count": 0.0,
    }  # fmt: skip

    @jax.jit
    def run(state, batches, weights):
        def step(state, batch):
            y, w = batch
            return metric.update(state, y, 2 * y, sample_weight=w), None

        state, _ = jax.lax.scan(step, state, (batches, weights))
        return metric.compute(state)

    result = run(state, np.stack([Y, 3 * Y]), np.ones((2, 2), "f4"))
    assert jax.tree.map(float, result) == {"largest": 6.0, "mean": 3.0}
    assert metric.largest.numpy() == 0  # the cells were not touched
    assert metric.update(state, Y, Y, sample_weight=None, mask=None)["seen"] == 2


def test_a_pure_metric_has_keras_s_spelling():
    metric = Range(name="range")
    metric.update_state([1.0, 3.0])
    assert metric([-2.0]) == 5.0
    assert metric.low.numpy() == -2.0 and metric.variables[1].path == "range/high"
    metric.reset_state()
    assert metric.result() == -np.inf
    state = metric.merge(metric.update(metric.init(), [4.0]), metric.update(metric.init(), [9.0]))
    assert metric.compute(state) == 5.0


def test_a_metric_in_cells():
    metric = Largest(factor=2.0)
    assert jax.tree.map(float, metric(Y, 0 * Y)) == {"largest": 4.0, "mean": 3.0}
    assert metric.seen.numpy() == 2
    assert [v.path for v in metric.variables] == [
        *("largest/largest", "largest/seen", "inner/total", "inner/count"),
    ]
    metric.reset_states()
    assert all(v.numpy() == 0 for v in metric.variables)
    assert not any(v.trainable for v in metric.variables)


def test_a_copy_has_cells_of_its_own():
    metric = metrics.Mean()
    metric.update_state([4.0])
    other = copy.deepcopy(metric)
    other.update_state([0.0])
    assert (metric.result(), other.result()) == (4.0, 2.0)


# ------------------------------------------------------------------ subclasses of built-in metrics
class Doubled(metrics.Mean):
    """Overrides update_state and adds a variable."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.updates = self.add_variable((), "zeros", name="updates")

    def update_state(self, values, sample_weight=None):
        super().update_state(2 * jnp.asarray(values), sample_weight)
        self.updates.assign_add(1.0)


class Rooted(metrics.MeanSquaredError):
    """Overrides result only, and the name."""

    def __init__(self, name="rooted"):
        super().__init__(name=name)

    def result(self):
        return jnp.sqrt(super().result())


class Halved(metrics.Mean):
    """Overrides compute only."""

    def compute(self, state):
        return super().compute(state) / 2


def test_a_subclass_that_overrides_update_state():
    metric = Doubled()
    state = metric.update(metric.init(), [1.0, 3.0], sample_weight=[0.0, 1.0])
    assert {k: float(v) for k, v in state.items()} == {"total": 6.0, "count": 1.0, "updates": 1.0}
    assert metric.compute(state) == 6.0
    metric.update_state([1.0, 3.0])
    assert metric.result() == 4.0 and metric.updates.numpy() == 1 and metric.total.numpy() == 8
    assert [v.name for v in metric.variables] == ["total", "count", "updates"]


def test_subclasses_that_override_the_result():
    rooted, halved = Rooted(), Halved()
    state = jax.jit(rooted.update)(rooted.init(), Y, 3 * Y)
    assert rooted.compute(state) == rooted(Y, 3 * Y) == pytest.approx(np.sqrt(10))
    assert halved.compute(halved.update(halved.init(), [6.0])) == halved([6.0]) == 3.0
    assert rooted.get_config() == {"name": "rooted"}
    assert Rooted.from_config(rooted.get_config()).name == "rooted"


def test_methods_may_come_from_a_mixin():
    class Squared:
        def update_state(self, values):
            super().update_state(jnp.square(jnp.asarray(values)))

    metric = type("MeanOfSquares", (Squared, metrics.Mean), {})()
    assert metric.compute(metric.update(metric.init(), [2.0, 4.0])) == metric([2.0, 4.0]) == 10.0


def test_the_mask_reaches_a_built_in_metric_below_the_user_s():
    class Logged(metrics.MeanSquaredError):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_true, y_pred, sample_weight)

    metric, y_pred = Logged(), jnp.asarray(Y)
    state = metric.update(metric.init(), 0 * Y, y_pred, mask=np.array([False, True]))
    assert metric.compute(state) == 4.0
    with scope.enter(scope.Eager()) as here:
        here.set_mask(y_pred, jnp.array([True, False]))
        metric.update_state(0 * Y, y_pred)
        assert metric.result() == 1.0
        assert metric.compute(metric.update(metric.init(), 0 * Y, y_pred)) == 1.0


# ------------------------------------------------------------------ variables made late
class Late(metrics.Metric):
    """Makes its variable at the first update, when it knows the shape."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not hasattr(self, "sums"):
            self.sums = self.add_variable((y_pred.shape[-1],), "zeros", name="sums")
        self.sums.assign_add(jnp.sum(y_pred, axis=0))

    def result(self):
        return jnp.max(self.sums)


def test_variables_made_late():
    spec = jax.ShapeDtypeStruct((4, 3), "float32")
    metric = Late()
    state = metric.init(spec, spec)
    assert state["sums"].shape == (3,) and isinstance(metric.sums, Variable)
    state = jax.jit(metric.update)(state, np.ones((4, 3)), np.ones((4, 3)))
    assert metric.compute(state) == 4.0 and metric.sums.numpy().tolist() == [0, 0, 0]
    assert Late()(np.ones((2, 3)), np.ones((2, 3))) == 2.0
    early = Late()
    assert early.update({}, np.ones((2, 3)), np.ones((2, 3)))["sums"].tolist() == [2, 2, 2]


def test_a_variable_made_in_a_compiled_step_is_refused():
    class Later(metrics.Metric):
        def __init__(self):
            super().__init__()
            self.first = self.add_weight()

        def update_state(self, y_true, y_pred):
            self.second = self.add_weight()

        def result(self):
            return self.first

    metric = Later()
    with pytest.raises(
        ValueError, match=r"'later' makes a variable while .*init\(y_true, y_pred\)"
    ):
        metric.update(metric.init(), Y, Y)


@pytest.mark.parametrize(
    ("metric", "shapes"),
    [
        (metrics.F1Score(), {"true_positives": (3,)}),
        (metrics.F1Score(average="micro"), {"true_positives": ()}),
        (metrics.R2Score(), {"mean": (3,), "count": ()}),
        (metrics.AUC(multi_label=True, num_thresholds=4), {"true_positives": (4, 3)}),
    ],
    ids=lambda v: getattr(v, "name", ""),
)
def test_states_whose_shapes_follow_from_the_data(metric, shapes):
    spec = jax.ShapeDtypeStruct((4, 3), "float32")
    state = metric.init(spec, spec)
    assert {k: state[k].shape for k in shapes} == shapes
    assert len({id(v) for v in state.values()}) == len(state)  # a donated array is given once
    y = np.eye(4, 3, dtype="f4")
    new = metric.update(state, y, y)
    assert jax.tree.map(jnp.shape, new) == jax.tree.map(jnp.shape, state)
    if getattr(metric, "average", None) != "micro":
        assert metric.init() == {} and metric.variables == []
        with pytest.raises(ValueError, match="has no result yet"):
            metric.result()
        metric.reset_state()
    first = metric.update({}, y, y) if metric.init() == {} else metric.update(metric.init(), y, y)
    assert jax.tree.all(jax.tree.map(np.allclose, first, new))


# ------------------------------------------------------------------ Keras's lists of values
def test_lists_of_values():
    metric = metrics.Mean()
    values = metric.stateless_update_state(metric.variables, [3.0, 4.0], sample_weight=[1.0, 2.0])
    assert [v.item() for v in values] == [11.0, 3.0]
    assert metric.stateless_result(values).item() == pytest.approx(11 / 3)
    assert [v.item() for v in metric.stateless_reset_state()] == [0.0, 0.0]
    assert metric.result() == 0
    with pytest.raises(ValueError, match=r"corresponding 1:1 .*\['total', 'count'\]. Received 1"):
        metric.stateless_result([1.0])


# ------------------------------------------------------------------ configuration
def test_names_and_dtypes():
    assert [metrics.Precision().name, metrics.Precision().name] == ["precision", "precision_1"]
    assert metrics.Mean().dtype == "float32"
    half = metrics.Mean(dtype="float16")
    assert half([1.0, 2.0]).dtype == half.total.dtype == "float16"
    assert repr(metrics.Mean()) == "<Mean name=mean>"


def test_configs_hold_the_constructor_s_arguments():
    config = Largest(factor=3.0).get_config()
    assert config == {"name": "largest", "dtype": "float32", "factor": 3.0}
    assert Largest.from_config(config).factor == 3.0


def test_a_pure_function_of_a_wrapped_function():
    metric = metrics.MeanMetricWrapper(lambda a, b, power: abs(a - b) ** power, power=2)
    state = metric.update(metric.init(), Y, 3 * Y)
    assert metric.compute(state) == 10.0


# ------------------------------------------------------------------ errors
def test_a_metric_without_its_methods_is_refused_where_it_is_defined():
    with pytest.raises(TypeError, match=r"Nothing has neither update_state\(\) nor update\(\)"):
        type("Nothing", (metrics.Metric,), {})
    with pytest.raises(TypeError, match=r"Half has neither result\(\) nor compute\(\)"):
        type("Half", (metrics.Metric,), {"update_state": lambda self: None})
    type("_Base", (metrics.Metric,), {})  # a private base may leave them to its subclasses


def test_a_forgotten_super_init_is_named():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.total = self.add_variable((), "zeros")

        def update_state(self, values):
            self.total.assign_add(values)

        def result(self):
            return self.total

    with pytest.raises(RuntimeError, match=r"forgot to call `super\(\).__init__\(\)` in Forgetful"):
        Forgetful()


def test_unknown_attributes_are_refused():
    with pytest.raises(AttributeError, match="'Mean' object has no attribute 'totl'"):
        _ = metrics.Mean().totl


def test_a_state_of_another_metric_is_refused():
    with pytest.raises(ValueError, match="its variables are"):
        Largest().compute({"total": jnp.zeros(())})


def test_a_traced_update_of_cells_is_refused():
    with pytest.raises(ValueError, match="was assigned a traced value"):
        jax.jit(metrics.Mean().update_state)(1.0)


def test_values_that_weights_do_not_fit_are_refused():
    metric = metrics.MeanSquaredError()
    with pytest.raises(ValueError, match=r"sample_weight of shape \(3,\) cannot weight"):
        metric.update_state(Y, Y, np.ones(3))
    with pytest.raises(ValueError, match="one number for the whole batch"):
        metrics.MeanMetricWrapper(lambda a, b: jnp.sum(a - b))(Y, Y, np.ones(2))
