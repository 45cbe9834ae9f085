"""Every layer of the catalog inside models: trained, evaluated, predicted with, saved, pickled.

Some twenty layers share a model, each on an input of its own, so that few programs are compiled. An
error names the layer.
"""

import copy
import dataclasses
import pickle

import jax
import numpy as np
import pytest

import jkeras as keras
from tests.catalog.layers import LAYERS

ROWS, BATCH = 8, 4
# Their configs do not say what they call.
ELSEWHERE = (keras.layers.JaxLayer, keras.layers.FlaxLayer)
CASES = [case for case in LAYERS if case.pure and case.layer not in ELSEWHERE]
COUNT = 5
GROUPS = [CASES[i::COUNT] for i in range(COUNT)]
every_group = pytest.mark.parametrize("group", range(COUNT))


def rows_of(case, seed=0):
    """Returns inputs of eight rows, in the structure of the layer's arguments."""
    generator = np.random.default_rng(seed)
    inputs = case.inputs if isinstance(case.inputs, tuple) else (case.inputs,)

    def draw(spec):
        return dataclasses.replace(spec, shape=(ROWS, *spec.shape[1:])).draw(generator)

    return jax.tree.map(draw, inputs)


def key(case, i):
    return f"in_{case}_{i}".replace(" ", "_").lower()


def data_of(group):
    leaves = {case: jax.tree.leaves(rows_of(case)) for case in GROUPS[group]}
    x = {key(case, i): a for case, own in leaves.items() for i, a in enumerate(own)}
    return x, np.random.default_rng(1).normal(size=(ROWS, 1)).astype("float32")


def summed(outputs):
    """Returns one number a row."""
    rows = [
        keras.ops.mean(
            keras.ops.cast(keras.ops.reshape(y, (-1, int(np.prod(y.shape[1:])))), "float32"),
            axis=-1,
            keepdims=True,
        )
        for y in jax.tree.leaves(outputs)
    ]
    return keras.ops.tanh(sum(rows[1:], rows[0]))


def inputs_of(case, **options):
    """Returns Inputs in the structure of the layer's arguments."""
    count = iter(range(99))
    return jax.tree.map(
        lambda a: keras.Input(
            a.shape[1:], dtype=a.dtype.name, name=key(case, next(count)), **options
        ),
        rows_of(case),
    )


def branch(case, layer, inputs, training=None):
    more = {} if training is None else {"training": training}
    return summed(layer(*inputs, **more))


def joined(parts):
    return keras.layers.Dense(1, name="head")(keras.layers.Concatenate(name="parts")(parts))


def functional(group, **options):
    keras.utils.set_random_seed(5)
    inputs, parts = {}, []
    for case in GROUPS[group]:
        own = inputs_of(case, **options)
        inputs |= {x.name: x for x in jax.tree.leaves(own)}
        parts.append(branch(case, case.make(), own))
    return compiled(keras.Model(inputs, joined(parts)))


class Nested(keras.Model):
    """The same layers, each as a model in a list of a subclass."""

    def __init__(self, group):
        super().__init__()
        self.group = group
        self.inner = []
        for case in GROUPS[group]:
            own = inputs_of(case)
            self.inner.append(keras.Model(own, branch(case, case.make(), own)))
        self.head = keras.Sequential([keras.layers.Concatenate(), keras.layers.Dense(1)])

    def call(self, x):
        parts = []
        for case, model in zip(GROUPS[self.group], self.inner, strict=True):
            structure = jax.tree.structure(rows_of(case))
            own = structure.unflatten(x[key(case, i)] for i in range(structure.num_leaves))
            parts.append(model(own))
        return self.head(parts)


def compiled(model):
    model.compile(keras.optimizers.SGD(1e-3), "mse", metrics=["mae"])
    return model


def batches(x, y):
    for start in range(0, ROWS, BATCH):
        rows = slice(start, start + BATCH)
        yield {name: a[rows] for name, a in x.items()}, y[rows]


@pytest.mark.no_cover
@every_group
def test_training_from_arrays_and_from_a_generator_in_fixed_batches(group):
    x, y = data_of(group)
    plain, fixed = functional(group), functional(group, batch_size=BATCH)
    keras.utils.set_random_seed(6)
    first = plain.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history
    keras.utils.set_random_seed(6)
    second = fixed.fit(batches(x, y), steps_per_epoch=2, shuffle=False, verbose=0).history
    for name, values in first.items():
        assert np.isfinite(values).all()
        np.testing.assert_allclose(second[name], values, rtol=1e-4)
    scores = plain.evaluate(x, y, batch_size=BATCH, verbose=0)
    np.testing.assert_allclose(fixed.evaluate(x, y, batch_size=BATCH, verbose=0), scores, rtol=1e-4)
    assert np.isfinite(fixed.train_on_batch(*next(batches(x, y)))).all()


@pytest.mark.no_cover
@every_group
def test_files_and_pickles_predict_the_same(group, tmp_path):
    x, _ = data_of(group)
    model = functional(group)
    expected = model.predict(x, batch_size=BATCH, verbose=0)
    assert expected.shape == (ROWS, 1)
    assert np.isfinite(expected).all()
    custom = {"abs": abs}
    with keras.saving.custom_object_scope(custom):
        copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
        for name in ("model.keras", "model.h5"):
            model.save(tmp_path / name)
            copies.append(keras.saving.load_model(tmp_path / name))
    copies.append(keras.models.clone_model(model))
    copies[-1].set_weights(model.get_weights())
    for again in copies:
        np.testing.assert_allclose(
            again.predict(x, batch_size=BATCH, verbose=0), expected, rtol=1e-5
        )
    model.save_weights(tmp_path / "m.weights.h5")
    other = functional(group)
    other.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(other.predict(x, batch_size=BATCH, verbose=0), expected, rtol=1e-5)


@pytest.mark.no_cover
@every_group
def test_nested_in_a_subclass_and_a_sequential(group):
    x, y = data_of(group)
    keras.utils.set_random_seed(5)
    model = compiled(Nested(group))
    history = model.fit(x, y, batch_size=BATCH, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    np.testing.assert_allclose(
        model.predict(x, batch_size=BATCH, verbose=0), model(x), rtol=1e-4, atol=1e-5
    )
