"""MNIST: handwritten digits."""

import numpy as np

from jkeras.datasets._files import Source, load_npz, read

_FILE = Source(
    "mnist.npz",
    "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
)


def load_data(
    path: str = "mnist.npz",
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 70,000 images of handwritten digits, and which digits they are.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape (60000, 28, 28) and (10000, 28, 28),
        and digits of shape (60000,) and (10000,), all uint8.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.

    References:
        LeCun, Cortes and Burges, The MNIST database of handwritten digits (CC BY-SA 3.0).
    """
    arrays = load_npz(read(_FILE, path))
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])
