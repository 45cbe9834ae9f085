"""Every loss of the catalog through compile, fit, evaluate, files and the rest.

Losses of the same data are compiled together, each for an output of its own: one program for all.
"""

import copy
import json
import pickle
from collections import defaultdict

import numpy as np
import pytest

import jkeras as keras
from jkeras import losses
from jkeras.base.naming import to_snake_case
from tests.catalog.losses import LOSSES

GROUPS = defaultdict(list)
for case in LOSSES:
    GROUPS[case.draw].append(case)
NEEDS_Q = "CategoricalGeneralizedCrossEntropy"  # the function of this one has an argument to give


@keras.saving.register_keras_serializable()
class Factor(keras.layers.Layer):
    """Predicts its inputs times a weight of 1."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        return self.factor * x


def predicting(x, count):
    inputs = keras.Input(x.shape[1:])
    return keras.Model(inputs, [Factor(name=f"out{i}")(inputs) for i in range(count)])


def same(logs, values):
    for i, value in enumerate(values):
        np.testing.assert_allclose(logs[f"out{i}_loss"], value, rtol=2e-5, atol=1e-6)


@pytest.mark.no_cover
@pytest.mark.parametrize("draw", GROUPS, ids=lambda draw: draw.__name__)
def test_losses_of_compile(draw, tmp_path):
    cases = [*GROUPS[draw], GROUPS[draw][0]]
    y, x = draw(np.random.default_rng(3), 8)
    weights = np.random.default_rng(4).choice([0.5, 1.0, 2.0], 8).astype("float32")
    made = [case.make(losses) for case in cases]
    halves = [slice(0, 4), slice(4, 8)]

    def means(weights=None):
        parts = [
            [loss(y[h], x[h], None if weights is None else weights[h]) for h in halves]
            for loss in made
        ]
        return np.mean(parts, axis=1)

    count = len(cases)
    model = predicting(x, count)
    model.compile(keras.optimizers.SGD(0.0), made)
    ys = [y] * count
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "val_loss")
    options = {"shuffle": False, "verbose": 0, "callbacks": [checkpoint]}
    history = model.fit(x, ys, 4, 2, validation_data=(x, ys), validation_batch_size=4, **options)
    logs = {k: v[-1] for k, v in history.history.items()}
    same(logs, means())
    assert np.isclose(logs["loss"], means().sum()) and np.isclose(logs["val_loss"], logs["loss"])
    generator = ((x[h], [y[h]] * count) for h in halves)
    same(model.evaluate(generator, verbose=0, return_dict=True), means())
    if not any(
        np.ndim(loss(y, x)) or case.name in ("Dice", "Tversky") for loss, case in zip(made, cases)
    ):
        weighted = model.evaluate(x, ys, 4, 0, [weights] * count, return_dict=True)
        same(weighted, means(weights))
    loaded = keras.saving.load_model(tmp_path / "best.keras")
    before, after = (json.dumps(m.get_compile_config()) for m in (model, loaded))
    assert after == before


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_names_classes_and_functions_are_losses_of_compile(case):
    y, x = case.draw(np.random.default_rng(3), 4)
    name = case.name
    identifiers = [name, to_snake_case(name), getattr(losses, name)]
    if name != NEEDS_Q:
        identifiers.append(getattr(losses, to_snake_case(name)))
    for identifier in identifiers:
        loss = losses.as_loss(identifier)
        np.testing.assert_allclose(loss(y, x), getattr(losses, name)()(y, x))
        again = losses.as_loss(losses.serialize(loss))
        assert type(again) is type(loss) and again.get_config() == loss.get_config()


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_copies_are_equal(case):
    loss = case.make(losses)
    data = case.draw(np.random.default_rng(0), 4)
    for again in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert again.get_config() == loss.get_config()
        np.testing.assert_array_equal(again(*data), loss(*data))


@pytest.mark.no_cover
@pytest.mark.parametrize(("word", "units"), [("crossentropy", 1), ("ce", 3)])
def test_a_crossentropy_follows_from_the_shapes(word, units):
    """As the metric of that name does."""
    rng = np.random.default_rng(0)
    x = rng.random((6, units)).astype("float32")
    labels = rng.integers(0, max(units, 2), (6, 1))
    name = "BinaryCrossentropy" if units == 1 else "SparseCategoricalCrossentropy"
    targets = {name: labels}
    if units > 1:
        targets["CategoricalCrossentropy"] = np.eye(units)[labels[:, 0]]
    model = keras.Sequential([keras.Input((units,)), Factor()])
    for name, y in targets.items():
        model.compile("sgd", word, metrics=[word])
        found = model.evaluate(x, y, verbose=0)
        np.testing.assert_allclose(found, [getattr(losses, name)()(y, x)] * 2, rtol=1e-5)
    if units > 1:
        with pytest.raises(ValueError, match="crossentropy go up to"):
            model.fit(x, labels + 3, verbose=0)
