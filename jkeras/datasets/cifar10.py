"""CIFAR-10: small colour images of ten classes."""

import numpy as np

from jkeras.datasets._cifar import load_batches
from jkeras.datasets._files import Source

_FILE = Source(
    "cifar-10-python.tar.gz",
    "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    origin="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    pickled=True,
    other_names=("cifar-10-batches-py-target_archive", "cifar-10-batches-py.tar.gz"),
)
_TRAIN = [f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)]
_TEST = ["cifar-10-batches-py/test_batch"]


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 60,000 colour images of animals and vehicles.

    The classes are airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (50000, 32, 32, 3) and
        (10000, 32, 32, 3), and labels of shape (50000, 1) and (10000, 1), all uint8.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If the file is not the published one.

    References:
        Krizhevsky, 2009, Learning multiple layers of features from tiny images.
    """
    (x_train, y_train), (x_test, y_test) = load_batches(_FILE, (_TRAIN, _TEST), "labels")
    return (x_train, y_train.astype("uint8")), (x_test, y_test.astype("uint8"))
