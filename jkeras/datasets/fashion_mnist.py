"""Fashion-MNIST: articles of clothing."""

import io
import lzma
from importlib import resources

import numpy as np

from jkeras.datasets._files import Source, load_npz, read

Split = tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
_HINT = (
    "\nOn Debian and Ubuntu, `apt install dataset-fashion-mnist` brings all four files. "
    "fashion_mnist.load_sample() returns a tenth of the images, which come with jkeras."
)


def _file(name: str, digest: str) -> Source:
    return Source(
        name,
        digest,
        folder="datasets/fashion-mnist",
        gzipped=True,
        system_folder=DEBIAN_FOLDER,
        hint=_HINT,
    )


# The checksums are those of the uncompressed files.
_FILES = (
    _file(
        "train-images-idx3-ubyte.gz",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    _file(
        "train-labels-idx1-ubyte.gz",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    _file(
        "t10k-images-idx3-ubyte.gz",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    _file(
        "t10k-labels-idx1-ubyte.gz",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)


def load_data() -> Split:
    """Returns 70,000 grey images of clothing.

    The classes are T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag and
    ankle boot. The files are looked for in the caches of jkeras and Keras and in the folder of
    Debian's package dataset-fashion-mnist, then downloaded.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (60000, 28, 28) and (10000, 28, 28),
        and labels of shape (60000,) and (10000,), all uint8.

    Raises:
        FileNotFoundError: If the files are not on this machine, and cannot be downloaded.

    References:
        Xiao, Rasul and Vollgraf, 2017, Fashion-MNIST (MIT license, copyright Zalando SE).
    """
    x_train, y_train, x_test, y_test = map(_read_idx, _FILES)
    return (x_train, y_train), (x_test, y_test)


def load_sample() -> Split:
    """Returns the part of Fashion-MNIST that comes with jkeras: it needs no file and no network.

    Of each class, the first 500 training images and the first 100 test images, in their order.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (5000, 28, 28) and (1000, 28, 28),
        and labels of shape (5000,) and (1000,), all uint8.

    References:
        Xiao, Rasul and Vollgraf, 2017, Fashion-MNIST (MIT license, copyright Zalando SE; the text
        is in `LICENSE-fashion-mnist.txt` beside this file).

    Example:
        >>> import jkeras as keras
        >>> (x_train, y_train), _ = keras.datasets.fashion_mnist.load_sample()
        >>> x_train.shape, x_train.dtype
        ((5000, 28, 28), dtype('uint8'))
    """
    file = resources.files("jkeras.datasets") / "fashion_mnist_sample.npz.xz"
    arrays = load_npz(io.BytesIO(lzma.decompress(file.read_bytes())))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def _read_idx(source: Source) -> np.ndarray:
    """Reads a file of bytes in the IDX format: zeros, type, rank, sizes, values."""
    contents = read(source).getvalue()
    rank = contents[3] if contents[:3] == b"\0\0\x08" else 0
    shape = np.frombuffer(contents[4 : 4 + 4 * rank], ">u4")
    if not rank or len(contents) != 4 + 4 * rank + np.prod(shape, dtype=int):
        raise ValueError(f"{source.name} is damaged: it is not an IDX file of bytes.")
    return np.frombuffer(contents, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()
