"""What the loaders return, for small files of the published layout."""

import io
import json
import os
import pickle
import tarfile

import numpy as np
import pytest

from jkeras.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    fashion_mnist,
    imdb,
    reuters,
)
from tests.tools.make_fashion_mnist_sample import make

needs_debian = pytest.mark.skipif(
    not os.path.isdir(fashion_mnist.DEBIAN_FOLDER),
    reason=f"no folder {fashion_mnist.DEBIAN_FOLDER}: apt install dataset-fashion-mnist",
)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def lists(*values):
    return np.fromiter(values, object)


@pytest.fixture
def cached(homes, publish):
    """Returns `cached(module, contents, attribute)`: puts a published file into the cache."""

    def put(module, contents, attribute="_FILE"):
        publish(module, contents, attribute)
        getattr(module, attribute).own_path.write_bytes(contents)

    return put


# ------------------------------------------------------------------ Fashion-MNIST
def test_the_sample_has_all_classes_equally():
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_sample()
    assert (x_train.shape, x_test.shape) == ((5000, 28, 28), (1000, 28, 28))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
    assert np.bincount(y_train).tolist() == [500] * 10
    assert np.bincount(y_test).tolist() == [100] * 10
    assert 60 < x_train.mean() < 80 and x_train.max() == 255  # real images, not blanks


@needs_debian
def test_the_sample_is_chosen_from_the_real_images():
    expected = make()
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_sample()
    sample = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for name, array in expected.items():
        np.testing.assert_array_equal(sample[name], array)


@needs_debian
def test_fashion_mnist_from_debians_package(homes, offline):
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000,))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000,))
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8 and array.flags.writeable
    assert y_train[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert y_test[:10].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert np.bincount(y_train).tolist() == [6000] * 10


def test_the_license_of_the_images_comes_with_them():
    with open(
        os.path.join(os.path.dirname(fashion_mnist.__file__), "LICENSE-fashion-mnist.txt")
    ) as f:
        text = f.read()
    assert "The MIT License" in text and "Zalando SE" in text


# ------------------------------------------------------------------ houses
HOUSES = npz(x=np.arange(8000.0).reshape(1000, 8), y=np.arange(1000.0))


@pytest.mark.parametrize("module", [california_housing, boston_housing])
def test_houses_are_shuffled_and_split(module, cached):
    cached(module, HOUSES)
    (x_train, y_train), (x_test, y_test) = module.load_data()
    assert (x_train.shape, x_test.shape, y_test.shape) == ((800, 8), (200, 8), (200,))
    # Seen with Keras 3.15.
    assert y_train[:6].tolist() == [641, 987, 187, 779, 848, 237]
    assert y_test[:6].tolist() == [707, 957, 104, 748, 301, 462]
    np.testing.assert_array_equal(x_train[:, 0], 8 * y_train)
    (_, y_train), (_, y_test) = module.load_data(test_split=0.33, seed=1)
    assert (len(y_train), len(y_test)) == (669, 331)
    assert y_train[0] == 507
    assert len(module.load_data(test_split=0.0)[1][0]) == 0
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError, match=f"Invalid `test_split` argument: {wrong}"):
            module.load_data(test_split=wrong)


def test_the_small_version_is_the_first_600_houses(cached):
    cached(california_housing, HOUSES)
    (_, y_train), (_, y_test) = california_housing.load_data(version="small")
    assert (len(y_train), len(y_test)) == (480, 120)
    assert sorted([*y_train, *y_test]) == list(range(600))
    assert y_train[:3].tolist() == [568, 505, 59]  # seen with Keras 3.15
    with pytest.raises(ValueError, match=r"must be one of 'small', 'large'\. Received: version=x"):
        california_housing.load_data(version="x")


# ------------------------------------------------------------------ texts
REVIEWS = npz(
    x_train=lists([10, 3], [4, 50, 6, 7], [8]),
    y_train=np.array([0, 1, 1]),
    x_test=lists([9, 2, 2], [40]),
    y_test=np.array([1, 0]),
)


def test_reviews_are_numbered_as_keras_numbers_them(cached):
    cached(imdb, REVIEWS)
    (x_train, y_train), (x_test, y_test) = imdb.load_data(num_words=100)
    assert sorted(zip(x_train.tolist(), y_train.tolist())) == [
        ([1, 7, 53, 9, 10], 1),
        ([1, 11], 1),
        ([1, 13, 6], 0),
    ]
    assert sorted(zip(x_test.tolist(), y_test.tolist())) == [([1, 12, 5, 5], 1), ([1, 43], 0)]
    assert x_train.dtype == object and type(x_train[0]) is list
    assert y_train.dtype == "int64"


@pytest.mark.parametrize(
    ("kwargs", "train", "test"),
    [
        ({}, [[1, 7, 2, 9, 10], [1, 11], [1, 13, 6]], [[1, 12, 5, 5], [1, 43]]),  # 53 is the bound
        ({"num_words": 12}, [[1, 2, 6], [1, 7, 2, 9, 10], [1, 11]], [[1, 2], [1, 2, 5, 5]]),
        (
            {"num_words": 12, "oov_char": None},
            [[1, 6], [1, 7, 9, 10], [1, 11]],
            [[1], [1, 5, 5]],
        ),
        (
            {"skip_top": 8, "num_words": 99, "start_char": None, "index_from": 0},
            [[2, 50, 2, 2], [8], [10, 2]],
            [[9, 2, 2], [40]],
        ),
        ({"maxlen": 4, "num_words": 99}, [[1, 11], [1, 13, 6]], [[1, 43]]),
    ],
)
def test_arguments_of_imdb(cached, kwargs, train, test):
    cached(imdb, REVIEWS)
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**kwargs)
    assert (sorted(x_train), sorted(x_test)) == (train, test)
    assert (len(y_train), len(y_test)) == (len(train), len(test))


def test_the_seed_of_imdb(cached):
    x = lists(*[[i] for i in range(100)])
    cached(imdb, npz(x_train=x, y_train=np.arange(100), x_test=x, y_test=np.arange(100)))
    orders = [imdb.load_data(seed=seed)[0][1].tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_errors_of_imdb(cached):
    cached(imdb, REVIEWS)
    with pytest.raises(ValueError, match="shorter than maxlen=1, no sequence was kept"):
        imdb.load_data(maxlen=1)
    with pytest.raises(TypeError, match="nb_words=20: did you mean 'num_words'"):
        imdb.load_data(nb_words=20)


def test_newswires(cached):
    x = lists(*[[i] * (1 + i % 3) for i in range(10)])
    cached(reuters, npz(x=x, y=np.arange(10)))
    (x_train, y_train), (x_test, y_test) = reuters.load_data(num_words=100)
    assert (len(x_train), len(x_test)) == (8, 2)
    for text, topic in zip([*x_train, *x_test], [*y_train, *y_test]):
        assert text == [1, *[topic + 3] * (1 + topic % 3)]
    assert y_train.tolist() == [9, 3, 6, 1, 0, 7, 4, 8]  # seen with Keras 3.15
    (x_train, y_train), (x_test, _) = reuters.load_data(maxlen=3, test_split=0.5)
    assert (len(x_train), len(x_test)) == (2, 2)
    assert set(y_train) <= {0, 3, 6, 9}


def test_topics_and_word_numbers(cached):
    assert len(reuters.get_label_names()) == 46
    for module in (imdb, reuters):
        cached(module, json.dumps({"the": 1}).encode(), "_WORDS")
        assert module.get_word_index() == {"the": 1}


# ------------------------------------------------------------------ colour images
def archive(**members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, batch in members.items():
            contents = pickle.dumps(batch, 2)
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return file.getvalue()


def pixels(count, seed):
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), "uint8")


def test_cifar10(cached):
    members = {
        f"cifar-10-batches-py/data_batch_{i}": {b"data": pixels(2, i), b"labels": [i, 9]}
        for i in range(1, 6)
    }
    test = {b"data": pixels(3, 0), b"labels": [4, 5, 6]}
    cached(cifar10, archive(**members, **{"cifar-10-batches-py/test_batch": test}))
    (x_train, y_train), (x_test, y_test) = cifar10.load_data()
    assert (x_train.shape, x_test.shape) == ((10, 32, 32, 3), (3, 32, 32, 3))
    assert y_train.ravel().tolist() == [1, 9, 2, 9, 3, 9, 4, 9, 5, 9]
    assert y_test.tolist() == [[4], [5], [6]]
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
    red_row = pixels(2, 1)[0, :32]  # the first 1024 bytes are red, row by row
    np.testing.assert_array_equal(x_train[0, 0, :, 0], red_row)


@pytest.mark.parametrize(
    "name", ["cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"]
)
def test_cifar10_as_keras_keeps_it(homes, offline, publish, name):
    batches = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    batch = {b"data": pixels(1, 0), b"labels": [3]}
    contents = archive(**{f"cifar-10-batches-py/{b}": batch for b in batches})
    publish(cifar10, contents)
    (homes[1] / "datasets" / name).write_bytes(contents)
    assert cifar10.load_data()[0][1].tolist() == [[3]] * 5


def test_cifar100(cached):
    def part(count, seed):
        labels = {b"fine_labels": [seed, 99][:count], b"coarse_labels": [seed, 19][:count]}
        return {b"data": pixels(count, seed), **labels}

    members = {"cifar-100-python/train": part(2, 7), "cifar-100-python/test": part(1, 8)}
    cached(cifar100, archive(**members))
    (x_train, y_train), (_, y_test) = cifar100.load_data()
    assert (x_train.shape, x_train.dtype, y_train.dtype) == ((2, 32, 32, 3), "uint8", "int64")
    assert (y_train.tolist(), y_test.tolist()) == ([[7], [99]], [[8]])
    (_, y_train), (_, y_test) = cifar100.load_data("coarse")
    assert (y_train.tolist(), y_test.tolist()) == ([[7], [19]], [[8]])
    with pytest.raises(ValueError, match='must be one of `"fine"`, `"coarse"`'):
        cifar100.load_data("x")
