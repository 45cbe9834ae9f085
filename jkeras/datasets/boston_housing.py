"""Boston housing prices."""

import numpy as np

from jkeras.datasets._files import Source, load_npz, read, shuffle_and_split

_FILE = Source(
    "boston_housing.npz",
    "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
)


def load_data(
    path: str = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 506 districts around Boston, and their median house prices in thousands of dollars.

    One of the features assumes that segregation raises prices. Use `california_housing` instead,
    unless that is your subject.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.
        test_split: The part of the districts that is kept for testing.
        seed: The seed of the shuffle that comes before.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: 13 features of each district, and its price.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If `test_split` is not in [0, 1).

    References:
        Harrison and Rubinfeld, 1978, Hedonic prices and the demand for clean air.
    """
    arrays = load_npz(read(_FILE, path))
    return shuffle_and_split(arrays["x"], arrays["y"], test_split, seed)
