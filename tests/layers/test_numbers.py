"""Layers' outputs, states and gradients, beside what Keras gave for them."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from jkeras import layers
from tests.catalog.configurations import CONFIGURATIONS, built, results, stored
from tests.catalog.draws import DRAWS, NOISE, chance, distance
from tests.catalog.layers import LAYERS

pytestmark = pytest.mark.no_cover

GOLDEN = Path(__file__).parent.parent / "golden"
# These have no numbers of Keras's: what they give is tested where the reason says.
ELSEWHERE = {
    "ReversibleEmbedding": "below",
    "Lambda": "has no formula",
    "RandomCrop": "below: Keras's crops a batch at one place",
    "MixUp": "below",
    "RandAugment": "applies the others",
    "Pipeline": "applies the others",
    "MelSpectrogram": "gradients differ by 7e-5, unexplained: interop/test_new_names.py",
    "MaxNumBoundingBoxes": "leaves images as they are: tests/utils/test_bounding_boxes.py",
    "AugMix": "applies the others",
    "IntegerLookup": "Keras needs TensorFlow: tests/layers",
    "StringLookup": "Keras needs TensorFlow: tests/layers",
    "TextVectorization": "Keras needs TensorFlow: tests/layers",
    "Hashing": "Keras needs TensorFlow: tests/layers/test_hashes.py",
    "HashedCrossing": "Keras needs TensorFlow: tests/layers/test_hashes.py",
    "JaxLayer": "has no formula: tests/layers/test_functions.py",
    "FlaxLayer": "has no formula: tests/layers/test_functions.py",
}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "layers.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def golden_draws():
    with np.load(GOLDEN / "draws.npz") as file:
        return dict(file)


def test_every_layer_has_numbers(golden, golden_draws):
    assert golden.keys() == {str(c) for c in CONFIGURATIONS}
    assert golden_draws.keys() == {str(d) for d in DRAWS}
    named = {c.name for c in CONFIGURATIONS} | {d.name for d in DRAWS}
    known = {getattr(layers, name) for name in named}
    assert {case.layer.__name__ for case in LAYERS if case.layer not in known} == ELSEWHERE.keys()


# Arguments that do not change what Keras's numbers can be compared with, or are tested elsewhere.
# fmt: off
_NO_NUMBERS = {
    "name", "dtype", "trainable", "autocast", "seed", "weights", "sparse", "kwargs", "options",
    "dropout", "recurrent_dropout", "noise_shape",  # random: tests/catalog/draws.py
    "flash_attention", "use_cudnn", "synchronized",  # other programs for the same numbers
    "stateful", "num_bins", "epsilon",  # of several calls, and of `adapt`
    "lora_rank", "lora_alpha", "quantization_config",
    "mask_value",  # no drawn number is one
}
# fmt: on
_OF_WEIGHTS = ("_initializer", "_regularizer", "_constraint")


def test_every_argument_has_numbers():
    """A wrong use of an argument that no configuration sets would not be seen."""
    given, random = {}, {d.name for d in DRAWS}  # as images are, mostly
    for configuration in (c for c in CONFIGURATIONS if not c.pixels):
        signature = inspect.signature(getattr(layers, configuration.name))
        bound = signature.bind(*configuration.args, **configuration.kwargs).arguments
        options = [k for k, p in signature.parameters.items() if p.kind is p.VAR_KEYWORD]
        known = given.setdefault(configuration.name, set(_NO_NUMBERS))
        known |= {
            name
            for name, value in bound.items()
            if name not in options and repr(value) != repr(signature.parameters[name].default)
        }
    missing = {}
    for name in given.keys() - random:
        arguments = inspect.signature(getattr(layers, name)).parameters.keys()
        missing[name] = {a for a in arguments if not a.endswith(_OF_WEIGHTS)} - given[name]
    assert not {name: rest for name, rest in missing.items() if rest}


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_the_numbers_are_keras_s(configuration, golden):
    found = results(configuration, built(configuration))
    expected, start = golden[str(configuration)], 0
    for part, tree in found:
        numbers = stored([(part, tree)])
        stop = start + len(numbers)
        np.testing.assert_allclose(
            numbers, expected[start:stop], rtol=1e-4, atol=1e-5, err_msg=part
        )
        start = stop
    assert start == len(expected)


@pytest.mark.parametrize("draw", DRAWS, ids=str)
def test_draws_are_distributed_as_keras_s(draw, golden_draws):
    ours, theirs = draw.sample(layers), golden_draws[str(draw)]
    assert distance(ours, theirs) < chance(ours, theirs)


@pytest.mark.parametrize("draw", NOISE, ids=str)
def test_channels_are_dropped_as_a_whole_only_where_the_name_says_so(draw):
    x = draw.inputs()
    layer = getattr(layers, draw.name)(*draw.args, seed=3)
    y = np.asarray(layer(x, training=True))
    whole = np.ptp(y.reshape(len(x), -1, 4), axis=1) == 0
    assert whole.all() == (draw.name[-1] == "D")
    np.testing.assert_array_equal(layer(x, training=False), x)


# ------------------------------------------------------------------ drawn otherwise than Keras
def test_reversible_embedding():
    rng = np.random.default_rng(0)
    for tied in (True, False):
        layer = layers.ReversibleEmbedding(9, 3, tie_weights=tied, logit_soft_cap=2.0)
        layer.build((4, 5))
        layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
        numbers, vectors = rng.integers(0, 9, (4, 5)), rng.normal(size=(4, 5, 3)).astype("f4")
        table = layer.weights[0].numpy()
        np.testing.assert_allclose(layer(numbers), table[numbers])
        back = table.T if tied else layer.weights[1].numpy()
        expected = 2.0 * np.tanh(vectors @ back / 2.0)
        np.testing.assert_allclose(layer(vectors, reverse=True), expected, rtol=1e-4, atol=1e-5)


def test_crops_are_windows_of_the_image_at_all_places():
    image = np.arange(60.0, dtype="f4").reshape(1, 6, 10, 1)
    found = np.asarray(layers.RandomCrop(4, 7, seed=0)(np.repeat(image, 200, 0), training=True))
    corners = found[:, 0, 0, 0]
    windows = [image[0, i : i + 4, j : j + 7] for i, j in (divmod(int(c), 10) for c in corners)]
    np.testing.assert_array_equal(found, windows)
    places, counts = np.unique(corners, return_counts=True)
    assert places.tolist() == [10 * i + j for i in range(3) for j in range(4)]
    assert counts.min() > 5  # 17 are expected


def test_mix_up_draws_shares_of_the_beta_distribution():
    count, alpha = 600, 0.4
    labels = np.eye(count, dtype="f4")
    images = labels[:, :, None, None] + np.zeros((1, 1, 2, 1), "f4")
    mixed = layers.MixUp(alpha, seed=3)({"images": images, "labels": labels}, training=True)
    np.testing.assert_allclose(mixed["images"][:, :, 1, 0], mixed["labels"], atol=1e-6)
    np.testing.assert_allclose(np.sum(mixed["labels"], axis=1), 1, atol=1e-5)
    own = np.sort(np.diagonal(mixed["labels"]))
    expected = np.sort(np.random.default_rng(0).beta(alpha, alpha, count).astype("f4"))
    assert distance(own, expected) < 0.113
