"""CIFAR-100: small colour images of a hundred classes."""

import numpy as np

from jkeras.datasets._cifar import load_batches
from jkeras.datasets._files import Source

_FILE = Source(
    "cifar-100-python.tar.gz",
    "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
    origin="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    pickled=True,
    other_names=("cifar-100-python-target_archive", "cifar-100-python.tar.gz"),
)


def load_data(
    label_mode: str = "fine",
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 60,000 colour images of a hundred classes, in twenty groups.

    Args:
        label_mode: `"fine"`: the labels are the classes; `"coarse"`: the groups.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 images of shape (50000, 32, 32, 3) and
        (10000, 32, 32, 3), and int64 labels of shape (50000, 1) and (10000, 1).

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If `label_mode` is another word, or the file is not the published one.

    References:
        Krizhevsky, 2009, Learning multiple layers of features from tiny images.
    """
    if label_mode not in ("fine", "coarse"):
        raise ValueError(
            f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.'
        )
    parts = (["cifar-100-python/train"], ["cifar-100-python/test"])
    return load_batches(_FILE, parts, f"{label_mode}_labels")
