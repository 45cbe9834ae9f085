"""Layers that draw at random, and a number of each sample by which what they draw is compared.

`tests/interop/test_layers.py` compares samples with Keras's, which it writes to
`tests/golden/draws.npz`; `tests/layers/test_draws.py` compares with that file.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from jkeras import layers
from jkeras.core import pure

COUNT = 600


def pixels() -> np.ndarray:
    image = np.random.default_rng(0).uniform(90, 166, (1, 8, 11, 3)).astype("float32")
    return np.repeat(image, COUNT, axis=0)


def numbered() -> np.ndarray:
    """Images that differ from one another."""
    return np.arange(COUNT, dtype="float32")[:, None, None, None] + np.zeros((1, 9, 8, 1), "f4")


@dataclass(frozen=True, eq=False)
class Draw:
    """A layer, what it is called on, and a function of (x, y) that gives a number a sample."""

    name: str
    args: tuple
    feature: Callable[[np.ndarray, np.ndarray], np.ndarray]
    inputs: Callable[[], np.ndarray] = pixels
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}-{zlib.crc32(repr((self.args, self.kwargs)).encode()):08x}"

    def sample(self, module: Any) -> np.ndarray:
        """Returns the sorted numbers of what a library's layer draws."""
        x = self.inputs()
        layer = getattr(module, self.name)(*self.args, **self.kwargs, seed=3)
        y = np.asarray(_compiled(layer, x) if module is layers else layer(x, training=True))
        return np.sort(self.feature(x, y).astype("float64").round(3)).astype("float32")


def _compiled(layer: Any, x: np.ndarray) -> jax.Array:
    """Returns what our layer draws: one program instead of one for each operation."""
    pure.ensure_built(layer, x)
    variables = pure.read(layer)
    return jax.jit(lambda x: pure.apply(layer, variables, x, training=True)[0])(x)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns how far apart the distributions of two sorted samples are: from 0 to 1."""
    places = np.union1d(a, b)
    below = [np.searchsorted(sample, places, "right") / len(sample) for sample in (a, b)]
    return float(np.max(np.abs(below[0] - below[1])))


def chance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the distance that chance exceeds once in a thousand times (Kolmogorov, Smirnov)."""
    return float(1.95 * np.sqrt(1 / len(a) + 1 / len(b)))


def _constant(axes: int) -> Callable[[], np.ndarray]:
    return lambda: np.full((COUNT, *[2] * axes, 4), 1.5, "f4")


def _first(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y.reshape(COUNT, -1)[:, 0]


def _channels(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """All channels at the first place: drawn independently, also where all places are alike."""
    return y.reshape(COUNT, -1, 4)[:, 0].ravel()


def _changed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (y != x).any(3).mean((1, 2))


def _contrast(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.std(y, (1, 2, 3)) / np.std(x, (1, 2, 3))


def _black(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (y == 0).mean((1, 2, 3))


def _grayness(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.ptp(y, axis=3).mean((1, 2))


_ALWAYS = (1.0, 1.0)
NOISE = [
    Draw("Dropout", (0.3,), _channels, _constant(1)),
    Draw("AlphaDropout", (0.3,), _channels, _constant(1)),
    Draw("GaussianDropout", (0.3,), _channels, _constant(1)),
    Draw("GaussianNoise", (0.5,), _channels, _constant(1)),
    Draw("SpatialDropout1D", (0.3,), _channels, _constant(1)),
    Draw("SpatialDropout2D", (0.3,), _channels, _constant(2)),
    Draw("SpatialDropout3D", (0.3,), _channels, _constant(3)),
]
DRAWS = [
    *NOISE,
    Draw("RandomBrightness", (0.3,), lambda x, y: (y - x)[:, 0, 0, 0]),
    Draw("RandomContrast", ((0.2, 0.6),), _contrast),
    Draw("RandomInvert", ((0.2, 0.8),), _changed),
    Draw("RandomTranslation", (0.3, 0.0, "constant"), _black),
    Draw("RandomErasing", (_ALWAYS, (0.1, 0.5), 0.0), _black),
    Draw("RandomPosterization", (5,), lambda x, y: y.mean((1, 2, 3))),
    Draw("Solarization", ((0.5, 1.0),), _first),
    Draw("RandomFlip", (), _first),
    Draw("CutMix", (_ALWAYS,), _changed, numbered),
    Draw("RandomZoom", (0.3,), _first),
    Draw("RandomRotation", (0.2,), _first),
    Draw("RandomSaturation", (0.8,), _grayness),
    Draw("RandomHue", (0.5,), _first),
    Draw("RandomColorDegeneration", ((0.2, 0.9),), _grayness),
    Draw("RandomSharpness", ((0.2, 0.9),), _contrast),
    Draw("RandomGrayscale", (0.4,), _grayness),
]
