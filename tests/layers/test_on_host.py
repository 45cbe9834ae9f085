"""Layers that prepare data: in data sets, and in the processes of loaders; NumPy in and out."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.utils import Dataset

IMAGES = np.random.default_rng(0).uniform(0, 255, (4, 12, 10, 3)).astype("float32")


def adapted(layer, data):
    layer.adapt(data)
    return layer


EXACT = {
    "Rescaling": lambda: (layers.Rescaling(1 / 255, offset=-1), IMAGES),
    "Normalization": lambda: (adapted(layers.Normalization(), IMAGES), IMAGES),
    "Normalization of one mean": lambda: (
        layers.Normalization(None, 1.0, 4.0, invert=True),
        IMAGES,
    ),
    "Discretization": lambda: (
        layers.Discretization([50.0, 100.0], output_mode="one_hot"),
        IMAGES[..., 0],
    ),
    "CategoryEncoding": lambda: (layers.CategoryEncoding(5), np.array([[1, 2], [3, 3]])),
    "counts": lambda: (layers.CategoryEncoding(5, output_mode="count"), np.array([[1, 2], [3, 3]])),
    "StringLookup": lambda: (layers.StringLookup(vocabulary=["a"]), np.array(["a", "b"])),
    "tf_idf": lambda: (
        layers.StringLookup(vocabulary=["a"], idf_weights=[0.5], output_mode="tf_idf"),
        np.array([["a", "b"]]),
    ),
    "IntegerLookup": lambda: (
        layers.IntegerLookup(vocabulary=[7], output_mode="one_hot"),
        np.array([7, 8]),
    ),
    "Hashing": lambda: (layers.Hashing(5), np.array(["a", "b"])),
    "TextVectorization": lambda: (
        adapted(layers.TextVectorization(output_sequence_length=3), ["a b", "b"]),
        np.array(["a b c d", "b"], object),
    ),
    "Resizing": lambda: (layers.Resizing(7, 9), IMAGES),
    "Resizing, cut": lambda: (
        layers.Resizing(7, 9, "nearest", crop_to_aspect_ratio=True),
        IMAGES[0],
    ),
    "Resizing, filled": lambda: (
        layers.Resizing(7, 9, "bicubic", pad_to_aspect_ratio=True),
        IMAGES,
    ),
    "Resizing of integers": lambda: (layers.Resizing(24, 20), IMAGES.astype("uint8")),
    "CenterCrop": lambda: (layers.CenterCrop(5, 6), IMAGES),
    "CenterCrop, resized": lambda: (layers.CenterCrop(24, 6), IMAGES),
    "Sequential": lambda: (
        keras.Sequential([layers.Rescaling(2.0), layers.Resizing(4, 4)]),
        IMAGES,
    ),
    "compiled": lambda: (keras.Sequential([layers.Dense(2), layers.Rescaling(2.0)]), IMAGES),
    "compiled, antialiased": lambda: (layers.Resizing(4, 4, antialias=True), IMAGES),
}


@pytest.mark.parametrize("name", EXACT)
def test_a_data_set_gives_what_a_call_gives(name):
    layer, data = EXACT[name]()
    expected = layer(data)
    (found,) = Dataset.from_tensors(data).map(layer)
    assert isinstance(found, np.ndarray) and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-3)
    for rows in Dataset.from_tensor_slices(data).batch(3).map(layer, num_parallel_calls=2):
        assert rows.shape[1:] == expected.shape[1:] or name.startswith("Resizing, cut")


RANDOM = {
    "RandomFlip": lambda: layers.RandomFlip(),
    "RandomCrop": lambda: layers.RandomCrop(5, 6),
    "RandomBrightness": lambda: layers.RandomBrightness(0.5),
    "RandomContrast": lambda: layers.RandomContrast((0.5, 0.5)),
    "RandomTranslation": lambda: layers.RandomTranslation(0.4, 0.4),
    "RandomRotation": lambda: layers.RandomRotation(0.2),
    "RandomShear": lambda: layers.RandomShear(0.4, 0.4),
    "Dropout": lambda: layers.Dropout(0.5),
    "Sequential": lambda: keras.Sequential(
        [layers.RandomFlip(), layers.RandomRotation(0.1, seed=3)]
    ),
}


@pytest.mark.parametrize("name", RANDOM)
def test_draws_follow_from_the_element(name):
    keras.utils.set_random_seed(2)
    layer = RANDOM[name]()
    same = Dataset.from_tensors(IMAGES).repeat(4)

    def passes(threads):
        dataset = (
            Dataset.from_tensors(IMAGES)
            .repeat(4)
            .map(lambda x: layer(x, training=True), num_parallel_calls=threads)
        )
        return np.stack(list(dataset)), np.stack(list(dataset))

    first, second = passes(None)
    assert len({image.tobytes() for image in first}) > 1 and not np.array_equal(first, second)
    for one, other in zip(passes(3), (first, second), strict=True):
        np.testing.assert_array_equal(one, other)
    dataset = same.map(lambda x: layer(x, training=True))
    items = iter(dataset)
    next(items)
    state = items.get_state()
    rest = list(items)
    resumed = iter(dataset)
    resumed.set_state(state)
    np.testing.assert_array_equal(list(resumed), rest)
    views = same.map(lambda x: (layer(x, training=True), layer(x, training=True)))
    assert not all(np.array_equal(*pair) for pair in views)


def test_distributions_are_those_of_the_compiled_layers():
    x = np.tile(np.float32([[[10.0], [30.0]]]), (400, 1, 1, 1))
    for layer in (
        layers.RandomBrightness((-0.1, 0.2)),
        layers.RandomContrast((0.2, 0.4)),
        layers.RandomFlip(),
    ):
        here = np.asarray(layer(x, training=True))
        (there,) = Dataset.from_tensors(x).map(lambda a, f=layer: f(a, training=True))
        for measure in (np.mean, np.std, np.min, np.max):
            assert measure(there) == pytest.approx(measure(here), rel=0.15), type(layer)


@pytest.mark.parametrize("fill_mode", ["reflect", "constant", "wrap", "nearest"])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_places_are_those_of_the_compiled_layers(fill_mode, interpolation):
    options = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 7.0}
    for layer in (
        layers.RandomRotation((0.13, 0.13), **options),
        layers.RandomZoom((0.4, 0.4), (-0.3, -0.3), **options),
        layers.RandomTranslation((-1.7, -1.7), (0.6, 0.6), **options),
    ):
        (found,) = Dataset.from_tensors(IMAGES).map(lambda x, f=layer: f(x, training=True))
        expected = layer(IMAGES, training=True)
        close = np.isclose(found, expected, atol=0.05)  # but for a tie that a last digit decides
        assert close.mean() > 0.99, type(layer)


@pytest.mark.parametrize(
    "layer",
    [
        layers.RandomFlip(seed=1),
        layers.RandomTranslation(0.4, 0.4, interpolation="nearest", fill_mode="nearest"),
    ],
    ids=["flip", "shift"],
)
def test_masks_move_as_images_do(layer):
    data = Dataset.from_tensors({"images": IMAGES, "segmentation_masks": IMAGES[..., :1]}).repeat(3)
    for element in data.map(lambda d: layer(d, training=True)):
        np.testing.assert_array_equal(element["images"][..., :1], element["segmentation_masks"])
    one = Dataset.from_tensors(IMAGES).map(lambda x: layer(x, training=False))
    np.testing.assert_array_equal(next(iter(one)), IMAGES)


def test_images_of_many_sizes_compile_nothing(caplog):
    import jax

    layer = keras.Sequential(
        [layers.Resizing(4, 4), layers.RandomFlip(), layers.Rescaling(1 / 255)]
    )
    sizes = Dataset.range(3, 20).map(lambda i: np.ones((i, i + 1, 3), "float32"))
    list(sizes.take(1).map(layer))
    with jax.log_compiles():
        images = list(sizes.map(layer).batch(5))
    assert images[0].shape == (5, 4, 4, 3)
    assert not [r for r in caplog.records if "Compiling" in r.getMessage()]


def _in_worker(queue, layer, data):
    output = layer(data)
    queue.put((isinstance(output, np.ndarray), output.shape))


FORKED = """
import multiprocessing, numpy as np
import jkeras as keras
from jkeras import layers
from tests.layers.test_on_host import EXACT, RANDOM, IMAGES, _in_worker
cases = {name: make() for name, make in EXACT.items() if not name.startswith("compiled")}
for name in RANDOM.keys() - {"RandomShear", "Dropout"}:
    cases[name] = (RANDOM[name](), IMAGES)
shear = layers.RandomShear(0.1)
shear(IMAGES)  # JAX's threads run here
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
workers = [context.Process(target=_in_worker, args=(queue, *case)) for case in cases.values()]
for worker in workers:
    worker.start()
for name, worker in zip(cases, workers):
    worker.join(60)
    assert worker.exitcode == 0, name
    is_numpy, _ = queue.get()
    assert is_numpy, name
worker = context.Process(target=_in_worker, args=(queue, shear, IMAGES))
worker.start()
worker.join(60)
assert worker.exitcode == 1
"""


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="forks are Unix's"
)
def test_workers_that_were_forked():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "compiled, which cannot be done in a process that was forked" in done.stderr


def test_workers_that_are_started_anew():
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    layer = keras.Sequential([layers.RandomShear(0.1), layers.Rescaling(2.0)])
    worker = context.Process(target=_in_worker, args=(queue, layer, IMAGES))
    worker.start()
    worker.join(200)
    assert worker.exitcode == 0 and queue.get() == (True, IMAGES.shape)


def test_elsewhere_calls_give_what_they_always_gave():
    import jax

    assert isinstance(layers.Rescaling(2.0)(IMAGES), jax.Array)
    inside = []
    list(
        Dataset.range(1).map(lambda i: inside.append(layers.Rescaling(2.0)(jax.numpy.ones(2))) or i)
    )
    assert isinstance(inside[0], jax.Array)


def test_threads_that_call_an_unbuilt_layer():
    for _ in range(5):
        model = keras.Sequential([layers.Rescaling(2.0), layers.Dense(3), layers.Dense(2)])
        shapes = {x.shape for x in Dataset.from_tensor_slices(IMAGES).batch(1).map(model, 4)}
        assert shapes == {(1, 12, 10, 2)}
