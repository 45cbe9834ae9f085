"""Losses against real Keras: values, gradients, reductions, masks, names, signatures, configs."""

import functools
import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jkeras import losses
from jkeras.base.naming import to_snake_case
from tests.catalog.losses import LOSSES

CLASSES = sorted({case.name for case in LOSSES})


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_values_and_gradients_are_keras_s(case, compare):
    ours, theirs = (
        jax.jit(jax.value_and_grad(case.make(m), argnums=1)) for m in (losses, keras.losses)
    )
    for seed in range(6):
        y_true, y_pred = case.draw(np.random.default_rng(seed), 3 if seed < 5 else 8)
        results = ours(y_true, y_pred), theirs(y_true, y_pred)
        compare(case.name, results[0][0], results[1][0])
        compare(f"{case.name}: gradient", results[0][1], results[1][1])


@pytest.mark.parametrize("case", LOSSES, ids=str)
def test_functions_are_keras_s(case, compare):
    name = to_snake_case(case.name)
    known = inspect.signature(getattr(keras.losses, name)).parameters
    options = {k: v for k, v in case.options.items() if k in known}
    y_true, y_pred = case.draw(np.random.default_rng(7), 3)
    ours, theirs = (
        jax.jit(functools.partial(getattr(m, name), **options))(y_true, y_pred)
        for m in (losses, keras.losses)
    )
    compare(name, ours, theirs)


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean", "none", None])
@pytest.mark.parametrize("name", ["Poisson", "SparseCategoricalCrossentropy", "Circle"])
def test_reductions_with_weights_are_keras_s(name, reduction, compare):
    case = next(case for case in LOSSES if case.name == name)
    rng = np.random.default_rng(3)
    y_true, y_pred = case.draw(rng, 6)
    ours, theirs = (case.make(m, reduction=reduction) for m in (losses, keras.losses))
    shape = case.make(losses, reduction=None)(y_true, y_pred).shape
    for weights in (None, 2.0, rng.random(shape).astype("f4")):
        compare("reductions", ours(y_true, y_pred, weights), theirs(y_true, y_pred, weights))


@pytest.mark.parametrize(
    "reduction", ["sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", "none"]
)
def test_masks_are_keras_s(reduction, compare):
    rng = np.random.default_rng(5)
    y_true, y_pred = rng.random((2, 4, 5, 3)).astype("f4")
    for mask in (rng.random((4, 5)) < 0.5, np.zeros((4, 5), bool)):
        y_pred = np.where(mask[..., None], y_pred, 0)
        masked = keras.layers.Masking()(y_pred)
        for weights in (None, rng.random((4, 5)).astype("f4")):
            compare(
                "masks",
                losses.MeanSquaredError(reduction)(y_true, y_pred, weights, mask=mask),
                keras.losses.MeanSquaredError(reduction)(y_true, masked, weights),
            )


def test_the_mean_of_weights_is_keras_s(compare):
    rng = np.random.default_rng(6)
    y_true, y_pred = rng.random((2, 4, 3)).astype("f4")
    for weights in (None, rng.random(4).astype("f4"), np.zeros(4, "f4")):
        ours, theirs = (
            m.MeanSquaredError("mean_with_sample_weight")(y_true, y_pred, weights)
            for m in (losses, keras.losses)
        )
        compare("mean_with_sample_weight", ours, theirs)


@pytest.mark.parametrize("ignored", [-1, 2, 255])
@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight", None])
def test_ignored_classes_are_keras_s(ignored, reduction, compare):
    rng = np.random.default_rng(8)
    labels = rng.choice([0, 1, 3, ignored], (4, 5)).astype("int32")
    y_pred = rng.random((4, 5, 4)).astype("f4")
    for weights in (None, rng.random((4, 5)).astype("f4")):
        ours, theirs = (
            m.SparseCategoricalCrossentropy(ignore_class=ignored, reduction=reduction)
            for m in (losses, keras.losses)
        )
        compare("ignore_class", ours(labels, y_pred, weights), theirs(labels, y_pred, weights))


RANKS = {"numbers": ((6,), (6, 1)), "columns": ((6, 1), (6,)), "images": ((6, 4, 1), (6, 4))}
OF_SAME_SHAPE = [
    *("MeanSquaredError", "Huber", "LogCosh", "Hinge", "Poisson", "KLDivergence"),
    *("BinaryCrossentropy", "BinaryFocalCrossentropy", "CosineSimilarity", "Dice", "Tversky"),
]


@pytest.mark.parametrize("shapes", RANKS.values(), ids=list(RANKS))
@pytest.mark.parametrize("name", OF_SAME_SHAPE)
def test_ranks_are_aligned_as_in_keras(name, shapes, compare):
    rng = np.random.default_rng(9)
    y_true = rng.integers(0, 2, shapes[0]).astype("f4")
    y_pred = rng.random(shapes[1]).astype("f4")
    ours, theirs = (getattr(m, name)(reduction=None) for m in (losses, keras.losses))
    compare("ranks", ours(y_true, y_pred), theirs(y_true, y_pred))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes_are_keras_s(dtype):
    y = np.random.default_rng(1).random((2, 4, 3))
    for given in (None, dtype):
        ours, theirs = (
            m.MeanSquaredError(dtype=given)(*jnp.asarray(y, dtype)).dtype
            for m in (losses, keras.losses)
        )
        assert ours == theirs


@pytest.mark.parametrize("name", CLASSES)
def test_signatures_and_names_are_keras_s(name):
    def shape(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    ours, theirs = getattr(losses, name), getattr(keras.losses, name)
    assert shape(ours) == shape(theirs)
    assert ours().name == theirs().name
    function = to_snake_case(name)
    assert shape(getattr(losses, function)) == shape(getattr(keras.losses, function))


# Keras 3.15 does not read back its own config of the generalized crossentropy.
READABLE = [case for case in LOSSES if case.name != "CategoricalGeneralizedCrossEntropy"]


@pytest.mark.parametrize("case", READABLE, ids=str)
def test_keras_reads_our_configs_and_we_read_its(case):
    ours, theirs = case.make(losses), case.make(keras.losses)
    their_config = _listed(theirs.get_config())
    assert _listed(ours.get_config()).items() >= their_config.items()
    read = keras.losses.deserialize(losses.serialize(ours))
    assert _listed(read.get_config()) == their_config
    again = losses.deserialize(keras.losses.serialize(theirs))
    assert _listed(again.get_config()).items() >= their_config.items()


def _listed(config):
    return {k: list(v) if isinstance(v, tuple) else v for k, v in config.items()}


@pytest.mark.parametrize("name", ["mse", "MAE", "bce", "KLD", "mean_squared_error", "huber", "ctc"])
def test_names_find_the_same_functions(name):
    assert losses.get(name).__name__ == keras.losses.get(name).__name__


def test_every_public_name_of_keras_is_there():
    theirs = {name for name in dir(keras.losses) if not name.startswith("_")}
    assert theirs <= set(dir(losses))
