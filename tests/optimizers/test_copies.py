"""Optimizers are copied, pickled and sent to other processes, with all they remember."""

import copy
import io
import pickle

import numpy as np
import pytest

import jkeras as keras
from jkeras import optimizers
from jkeras.core.variable import Variable
from tests.catalog.optimizers import COMMON_OPTIONS, OPTIMIZERS


def by_pickle(thing):
    return pickle.loads(pickle.dumps(thing))


def by_joblib(thing):
    joblib, file = pytest.importorskip("joblib"), io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return joblib.load(file)


WAYS = [by_pickle, copy.deepcopy, by_joblib]
MAKERS = {str(case): lambda case=case: case.make(optimizers) for case in OPTIMIZERS}
MAKERS |= {str(o): lambda o=o: optimizers.Adam(0.1, **o) for o in COMMON_OPTIONS}
MAKERS |= {
    "amsgrad": lambda: optimizers.Adam(amsgrad=True),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.5, 10)),
    "loss scale": lambda: optimizers.LossScaleOptimizer(optimizers.RMSprop(momentum=0.5), 8.0),
    "several": lambda: optimizers.MultiOptimizer(
        optimizers.OptimizerMap(optimizers.SGD(), {"b": optimizers.Adam(use_ema=True)})
    ),
}


def step(optimizer, variables):
    optimizer.apply([np.full(v.shape, 0.5) for v in variables], variables)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_a_copy_goes_on_as_the_original(make, way):
    optimizer = make()
    fresh = way(optimizer)
    assert fresh.get_config() == optimizer.get_config() and not fresh.built
    variables = [Variable(np.ones(s, "f4"), name=n) for n, s in (("a", (2, 3)), ("b", (3,)))]
    step(optimizer, variables)
    other, others = way((optimizer, variables))
    assert [v.path for v in other.variables] == [v.path for v in optimizer.variables]
    step(optimizer, variables)
    assert int(other.iterations) == (0 if optimizer.gradient_accumulation_steps else 1)
    step(other, others)
    for mine, theirs in zip(
        [*variables, *optimizer.variables], [*others, *other.variables], strict=True
    ):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        assert mine is not theirs


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_optimizer_of_a_model_that_was_trained(way):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizers.Adam(0.1, use_ema=True), "mse")
    assert way(model.optimizer).get_config() == model.optimizer.get_config()
    model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0)
    other = way(model.optimizer)
    assert int(other.iterations) == 2
    for mine, theirs in zip(model.optimizer.variables, other.variables, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
