"""What holds for every metric of the catalog."""

import inspect

import jax
import numpy as np
import pytest

from jkeras import metrics
from tests.catalog.metrics import METRICS

CLASSES = {
    name: value
    for name, value in vars(metrics).items()
    if inspect.isclass(value) and value not in (metrics.Metric, metrics.MeanMetricWrapper)
}
# Means of a function differ in the function only: a few of them stand for all.
MEANS = {"MeanSquaredError", "CosineSimilarity", "BinaryAccuracy", "SparseCategoricalAccuracy"}
MEANS |= {"TopKCategoricalAccuracy"}
BY_BATCH = [
    case
    for case in METRICS
    if case.name in MEANS or not issubclass(CLASSES[case.name], metrics.MeanMetricWrapper)
]


def close(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: np.allclose(x, y, rtol=1e-4, atol=1e-5), a, b))


def test_every_metric_is_in_the_catalog():
    assert {case.name for case in METRICS} == CLASSES.keys()


@pytest.mark.no_cover
@pytest.mark.parametrize("case", BY_BATCH, ids=str)
def test_batches_merges_weights_and_masks(case):
    """Checks all in one compiled function, since compiling is what takes the time."""
    rng = np.random.default_rng(7)
    metric = case.make(metrics)
    batches = tuple(np.stack(x) for x in zip(*(case.draw(rng, 4) for _ in range(3)), strict=True))
    whole = tuple(x.reshape(12, *x.shape[2:]) for x in batches)
    weights = rng.choice([0.0, 0.5, 2.0], (3, 4)).astype("f4")
    kept = rng.random(12) < 0.5
    # What does not count may be anything else.
    other = tuple(np.where(kept.reshape(12, *[1] * (x.ndim - 1)), x, x[::-1]) for x in whole)

    @jax.jit
    def run(batches, whole, other):
        start = metric.init(*(x[0] for x in batches))

        def weighted(data, weights):
            return metric.update(start, *data, sample_weight=weights)

        def step(state, batch):
            data, weights = batch
            return metric.update(state, *data, sample_weight=weights), None

        each = jax.vmap(weighted)(batches, weights)
        a, b, c = (jax.tree.map(lambda x, i=i: x[i], each) for i in range(3))
        sets = np.stack([weights.reshape(-1), np.ones(12), np.full(12, 2.0), kept])
        at_once = jax.vmap(weighted, in_axes=(None, 0))(whole, sets)
        all_at_once, once, twice, some = (
            jax.tree.map(lambda x, i=i: x[i], at_once) for i in range(4)
        )
        states = {
            "all at once": all_at_once,
            "scanned": jax.lax.scan(step, start, (batches, weights))[0],
            "merged left": metric.merge(metric.merge(a, b), c),
            "merged right": metric.merge(a, metric.merge(b, c)),
            "merged with nothing": metric.merge(start, all_at_once),
            "merged with itself": metric.merge(once, once),
            "weighted by 2": twice,
            "weighted by 0": some,
            "other weighted by 0": weighted(other, kept),
            "masked": metric.update(start, *other, mask=kept),
        }
        return {name: metric.compute(state) for name, state in states.items()}

    results = run(batches, whole, other)
    for name in ("scanned", "merged left", "merged right", "merged with nothing"):
        assert close(results[name], results["all at once"]), name
    assert close(results["merged with itself"], results["weighted by 2"])
    for name in ("other weighted by 0", "masked"):
        assert close(results[name], results["weighted by 0"]), name
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(results))


@pytest.mark.parametrize("case", METRICS, ids=str)
def test_configs_make_equal_metrics(case):
    metric = case.make(metrics, name="mine", dtype="float16")
    config = metric.get_config()
    assert config.keys() >= case.options.keys() | {"name", "dtype"}
    again = metrics.deserialize(metrics.serialize(metric))
    assert type(again) is type(metric) and again.get_config() == config
    assert (again.name, again.dtype) == ("mine", "float16")


@pytest.mark.parametrize("name", ["Mean", "AUC", "Precision", "MeanIoU"])
def test_cells_are_the_pure_state(name):
    case = next(case for case in METRICS if case.name == name)
    metric = case.make(metrics)
    data = case.draw(np.random.default_rng(0), 4)
    metric.update_state(*data)
    state = metric.update(metric.init(*data), *data)
    assert state.keys() == {v.name for v in metric.variables}
    assert all(np.array_equal(getattr(metric, k).numpy(), v) for k, v in state.items())
    assert close(metric.result(), metric.compute(state))
    assert metric.result().dtype == "float32"
