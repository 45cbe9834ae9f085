"""Data sets: the same small files, loaded by jkeras and by Keras."""

import io
import pickle
import sys
import tarfile
from dataclasses import replace

import keras
import numpy as np
import pytest

from jkeras import datasets
from jkeras.datasets import _files
from tests.datasets.test_datasets import needs_debian


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Returns `both(name, contents)`: our and Keras's module, which find these contents."""

    def give(name, contents, keras_path=None):
        monkeypatch.setenv("JKERAS_HOME", str(tmp_path))
        ours = getattr(datasets, name)
        theirs = getattr(keras.datasets, name)
        digest = _files.hashlib.sha256(contents).hexdigest()
        source = replace(ours._FILE, digest=digest)
        monkeypatch.setattr(ours, "_FILE", source)
        source.own_path.parent.mkdir(exist_ok=True)
        source.own_path.write_bytes(contents)
        path = str(keras_path or source.own_path)
        module = sys.modules[theirs.load_data.__module__]
        monkeypatch.setattr(module, "get_file", lambda *_, **__: path)
        return ours, theirs

    return give


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def texts(generator, count):
    lengths = generator.integers(1, 12, count)
    return np.fromiter((generator.integers(1, 60, n).tolist() for n in lengths), object)


def check(compare, name, ours, theirs):
    for our_part, their_part in zip(ours, theirs, strict=True):
        for x, y in zip(our_part, their_part, strict=True):
            assert type(x) is type(y)
            assert (x.dtype, x.shape) == (y.dtype, y.shape)
            if x.dtype == object:
                assert x.tolist() == y.tolist()
            compare(name, bool((x == y).all()), True)


@pytest.mark.parametrize("name", ["california_housing", "boston_housing"])
def test_houses(compare, both, name):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(1003, 8)), generator.normal(size=1003)
    ours, theirs = both(name, npz(x=x.astype("float32"), y=y))
    cases = [{}, {"test_split": 0.33}, {"test_split": 0.0}, {"seed": 7, "test_split": 0.5}]
    if name == "california_housing":
        cases += [{"version": "small"}, {"version": "small", "test_split": 0.77, "seed": 3}]
    for kwargs in cases:
        check(compare, name, ours.load_data(**kwargs), theirs.load_data(**kwargs))


def cases(generator, count):
    for _ in range(count):
        yield {
            "num_words": generator.choice([None, 20, 61]),
            "skip_top": int(generator.choice([0, 10])),
            "maxlen": generator.choice([None, 6, 9]),
            "seed": int(generator.integers(0, 1000)),
            "start_char": generator.choice([None, 1]),
            "oov_char": generator.choice([None, 2]),
            "index_from": int(generator.choice([0, 3])),
        }


def test_imdb(compare, both):
    generator = np.random.default_rng(1)
    arrays = {"x_train": texts(generator, 41), "x_test": texts(generator, 23)}
    labels = {"y_train": np.arange(41) % 2, "y_test": np.arange(23) % 2}
    ours, theirs = both("imdb", npz(**arrays, **labels))
    for kwargs in cases(generator, 30):
        check(compare, "imdb", ours.load_data(**kwargs), theirs.load_data(**kwargs))


def test_reuters(compare, both):
    generator = np.random.default_rng(2)
    ours, theirs = both("reuters", npz(x=texts(generator, 57), y=np.arange(57)))
    for kwargs in cases(generator, 30):
        kwargs["test_split"] = float(generator.choice([0.2, 0.5]))
        check(compare, "reuters", ours.load_data(**kwargs), theirs.load_data(**kwargs))
    assert ours.get_label_names() == theirs.get_label_names()


def pickled(folder, members):
    """Returns an archive of pickled batches, which is also unpacked into a folder."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=0) as tar:
        for name, batch in members.items():
            contents = pickle.dumps(batch, 3)
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(contents)
    return file.getvalue()


def images(count):
    return np.resize(np.random.default_rng(3).integers(0, 256, 99_991, "uint8"), (count, 3072))


def test_cifar10(compare, both, tmp_path):
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    members = {
        f"cifar-10-batches-py/{name}": {b"data": images(10_000), b"labels": [i, 9] * 5000}
        for i, name in enumerate(names)
    }
    ours, theirs = both("cifar10", pickled(tmp_path, members), tmp_path)
    check(compare, "cifar10", ours.load_data(), theirs.load_data())


def test_cifar100(compare, both, tmp_path):
    members = {
        f"cifar-100-python/{name}": {
            b"data": images(count),
            b"fine_labels": (np.arange(count) % 100).tolist(),
            b"coarse_labels": (np.arange(count) % 20).tolist(),
        }
        for name, count in (("train", 50_000), ("test", 10_000))
    }
    ours, theirs = both("cifar100", pickled(tmp_path, members), tmp_path)
    for mode in ("fine", "coarse"):
        check(compare, "cifar100", ours.load_data(mode), theirs.load_data(mode))


@needs_debian
def test_fashion_mnist(compare, tmp_path, monkeypatch):
    ours = datasets.fashion_mnist
    theirs = keras.datasets.fashion_mnist
    module = sys.modules[theirs.load_data.__module__]
    asked = []

    def get_file(name, origin, cache_subdir):
        asked.append((name, origin, cache_subdir))
        return f"{ours.DEBIAN_FOLDER}/{name}"

    monkeypatch.setattr(module, "get_file", get_file)
    check(compare, "fashion_mnist", ours.load_data(), theirs.load_data())
    assert sorted(asked) == sorted((s.name, s.address, s.folder) for s in ours._FILES)


def test_addresses_and_checksums(monkeypatch):
    """Keras asks for the same files, at the same addresses, with the same checksums."""
    names = ("mnist", "california_housing", "boston_housing", "imdb", "reuters", "cifar10")
    for name in (*names, "cifar100"):
        asked = {}

        def get_file(*args, asked=asked, **kwargs):
            asked.update(kwargs)
            raise InterruptedError

        theirs = getattr(keras.datasets, name)
        monkeypatch.setattr(sys.modules[theirs.load_data.__module__], "get_file", get_file)
        with pytest.raises(InterruptedError):
            theirs.load_data()
        ours = getattr(datasets, name)._FILE
        assert asked["origin"] == ours.address
        assert asked["file_hash"] == ours.digest
