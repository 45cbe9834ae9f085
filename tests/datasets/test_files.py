"""Where data sets are looked for, and what is done where they are not."""

import gzip
import io

import numpy as np
import pytest

from jkeras.datasets import california_housing, fashion_mnist, imdb, mnist
from jkeras.datasets._files import Source, read


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


DIGITS = npz(
    x_train=np.arange(12, dtype="uint8").reshape(3, 2, 2),
    y_train=np.array([7, 8, 9], "uint8"),
    x_test=np.zeros((1, 2, 2), "uint8"),
    y_test=np.array([1], "uint8"),
)
OTHER_DIGITS = npz(
    **{name: np.full(1, 5, "uint8") for name in ("x_train", "y_train", "x_test", "y_test")}
)


def test_a_file_is_downloaded_once_into_our_cache(homes, upstream, publish):
    publish(mnist, DIGITS)
    (homes[2] / "mnist.npz").write_bytes(DIGITS)
    for _ in range(2):
        (x, y), (x_test, y_test) = mnist.load_data()
        assert (x.shape, x_test.shape, y.tolist(), y_test.tolist()) == (
            (3, 2, 2),
            (1, 2, 2),
            [7, 8, 9],
            [1],
        )
    assert upstream.requested == ["/mnist.npz"]
    assert (homes[0] / "datasets/mnist.npz").read_bytes() == DIGITS


def test_keras_cache_is_read_and_never_written_to(homes, upstream, publish):
    publish(mnist, DIGITS)
    (homes[1] / "datasets/mnist.npz").write_bytes(DIGITS)
    assert mnist.load_data()[0][1].tolist() == [7, 8, 9]
    assert upstream.requested == []
    (homes[1] / "datasets/mnist.npz").write_bytes(b"damaged")
    (homes[2] / "mnist.npz").write_bytes(DIGITS)
    assert mnist.load_data()[0][1].tolist() == [7, 8, 9]
    assert upstream.requested == ["/mnist.npz"]
    assert (homes[1] / "datasets/mnist.npz").read_bytes() == b"damaged"


def test_our_cache_comes_before_keras_and_the_system_last(homes, tmp_path):
    source = Source("a.bin", "", folder="d", other_names=("b.bin",), system_folder=str(tmp_path))
    assert source.places() == [
        folder / name
        for folder in (homes[0] / "d", homes[1] / "d", tmp_path)
        for name in ("a.bin", "b.bin")
    ]


def test_caches_without_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("JKERAS_HOME", raising=False)
    monkeypatch.delenv("KERAS_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Source("a.npz", "").places() == [
        tmp_path / ".jkeras/datasets/a.npz",
        tmp_path / ".keras/datasets/a.npz",
    ]


def test_another_name_in_the_cache(homes, upstream, publish):
    publish(mnist, DIGITS)
    (homes[2] / "mnist.npz").write_bytes(DIGITS)
    mnist.load_data(path="digits.npz")
    assert upstream.requested == ["/mnist.npz"]
    assert (homes[0] / "datasets/digits.npz").read_bytes() == DIGITS


def test_offline_the_error_says_which_file_to_put_where(homes, offline):
    with pytest.raises(FileNotFoundError) as caught:
        mnist.load_data()
    message = str(caught.value)
    assert message.startswith("mnist.npz is not on this machine, and cannot be downloaded: URL")
    assert "refused" in message
    for place in (homes[0], homes[1]):
        assert f"\n  {place}/datasets/mnist.npz\n" in message
    assert message.splitlines()[-1].endswith(
        f"/mnist.npz where there is a connection, and put it at {homes[0]}/datasets/mnist.npz."
    )


def test_offline_fashion_mnist_names_the_package_and_the_sample(homes, offline, monkeypatch):
    files = [_without_system(source) for source in fashion_mnist._FILES]
    monkeypatch.setattr(fashion_mnist, "_FILES", files)
    with pytest.raises(FileNotFoundError, match="apt install dataset-fashion-mnist") as caught:
        fashion_mnist.load_data()
    assert "fashion_mnist.load_sample()" in str(caught.value)
    assert f"{homes[0]}/datasets/fashion-mnist/train-images-idx3-ubyte.gz" in str(caught.value)


def _without_system(source):
    return Source(
        source.name, source.digest, source.folder, gzipped=True, pickled=False, hint=source.hint
    )


def test_a_download_with_another_checksum_is_refused_and_not_kept(homes, upstream):
    (homes[2] / "mnist.npz").write_bytes(b"<html>Please log in to this network.</html>")
    with pytest.raises(ValueError, match=r"gave is not the published mnist\.npz: its checksum"):
        mnist.load_data()
    assert list((homes[0] / "datasets").iterdir()) == []


def test_offline_another_file_in_the_cache_is_read_with_a_warning(homes, offline, publish):
    publish(mnist, DIGITS)
    place = homes[0] / "datasets/mnist.npz"
    place.write_bytes(OTHER_DIGITS)
    with pytest.warns(UserWarning, match=f"{place} is not the published mnist.npz") as caught:
        (x, _), _ = mnist.load_data()
    assert x.tolist() == [5]
    assert caught[0].filename == __file__


def test_a_file_of_the_users_own(homes, offline, publish, tmp_path):
    publish(mnist, DIGITS)
    (tmp_path / "mine.npz").write_bytes(OTHER_DIGITS)
    with pytest.warns(UserWarning, match="mine.npz is not the published mnist.npz") as caught:
        (x, _), _ = mnist.load_data(str(tmp_path / "mine.npz"))
    assert x.tolist() == [5]
    assert caught[0].filename == __file__
    (tmp_path / "mine.npz").write_bytes(DIGITS)
    assert mnist.load_data(str(tmp_path / "mine.npz"))[0][1].tolist() == [7, 8, 9]
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        mnist.load_data(str(tmp_path / "none.npz"))


class Exploit:
    """An array of it runs code when it is unpickled."""

    ran = False

    def __reduce__(self):
        return (setattr, (Exploit, "ran", True))


def test_a_pickle_in_an_npz_file_is_never_loaded(homes, offline):
    arrays = {name: np.array([Exploit()], object) for name in ("x", "y")}
    (homes[0] / "datasets/california_housing.npz").write_bytes(npz(**arrays))
    with (
        pytest.warns(UserWarning, match="its checksum is another"),
        pytest.raises(ValueError, match="allow_pickle=False"),
    ):
        california_housing.load_data()
    assert not Exploit.ran


@pytest.mark.parametrize("named", [True, False])
def test_a_pickled_file_with_another_checksum_is_refused_unread(homes, offline, named, tmp_path):
    arrays = {name: np.array([Exploit()], object) for name in ("x_train", "x_test")}
    place = tmp_path / "imdb.npz" if named else homes[0] / "datasets/imdb.npz"
    place.write_bytes(npz(**arrays))
    with pytest.raises(ValueError, match="It holds pickles, and such a file is read only if"):
        imdb.load_data(str(place) if named else "imdb.npz")
    assert not Exploit.ran


def test_a_gzipped_file_is_known_by_its_contents(homes, upstream, tmp_path):
    contents = b"0123456789" * 100
    digest = _sha256(contents)
    source = Source("a.gz", digest, gzipped=True, system_folder=str(tmp_path / "system"))
    (tmp_path / "system").mkdir()
    (tmp_path / "system/a.gz").write_bytes(gzip.compress(contents, 1, mtime=3))
    assert read(source).getvalue() == contents
    assert upstream.requested == []
    for damaged in (b"no gzip at all", gzip.compress(contents)[:-20], b""):
        (homes[2] / "a.gz").write_bytes(gzip.compress(contents, 9))
        (homes[0] / "datasets/a.gz").write_bytes(damaged)
        (tmp_path / "system/a.gz").unlink(missing_ok=True)
        assert read(source).getvalue() == contents
    assert upstream.requested == ["/a.gz"] * 3


def _sha256(contents):
    import hashlib

    return hashlib.sha256(contents).hexdigest()
