"""Makes jkeras/datasets/fashion_mnist_sample.npz.xz from the whole of Fashion-MNIST.

Run it from the repository's root: `python -m tests.tools.make_fashion_mnist_sample`.
"""

import io
import lzma
from pathlib import Path

import numpy as np

from jkeras.datasets import fashion_mnist

PER_CLASS = {"train": 500, "test": 100}
PATH = Path(fashion_mnist.__file__).parent / "fashion_mnist_sample.npz.xz"


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Returns where the first `per_class` examples of each class are, in ascending order."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in range(10)]))


def make() -> dict[str, np.ndarray]:
    """Returns the sample's four arrays."""
    arrays = {}
    for part, (x, y) in zip(PER_CLASS, fashion_mnist.load_data(), strict=True):
        chosen = choose(y, PER_CLASS[part])
        arrays[f"x_{part}"], arrays[f"y_{part}"] = x[chosen], y[chosen]
    return arrays


def main() -> None:
    file = io.BytesIO()
    np.savez(file, **make())  # uncompressed: lzma then makes 2.3 MB of it, zip's deflate 2.6 MB
    PATH.write_bytes(lzma.compress(file.getvalue(), preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    main()
