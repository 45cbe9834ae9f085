"""California housing prices."""

import numpy as np

from jkeras.datasets._files import Source, load_npz, read, shuffle_and_split

_FILE = Source(
    "california_housing.npz",
    "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
)
_SMALL = 600


def load_data(
    version: str = "large",
    path: str = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns districts of California in 1990, and their median house prices in dollars.

    Args:
        version: `"large"`: all 20,640 districts; `"small"`: the first 600.
        path: The name in the cache; or, if it has a slash, a file of your own.
        test_split: The part of the districts that is kept for testing.
        seed: The seed of the shuffle that comes before.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: 8 features of each district, and its price.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If `version` is another word, or `test_split` is not in [0, 1).

    References:
        Pace and Barry, 1997, Sparse spatial autoregressions.
    """
    if version not in ("small", "large"):
        raise ValueError(
            f"Argument `version` must be one of 'small', 'large'. Received: version={version}"
        )
    arrays = load_npz(read(_FILE, path))
    size = _SMALL if version == "small" else None
    return shuffle_and_split(arrays["x"][:size], arrays["y"][:size], test_split, seed)
