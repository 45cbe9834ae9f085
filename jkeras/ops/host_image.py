"""Resizing and moving images with NumPy: nothing is compiled, whatever their sizes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jkeras.base.types import ArrayLike


def _cubic(x: np.ndarray) -> np.ndarray:
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def _lanczos(radius: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.where(x > radius, 0, np.sinc(x) * np.sinc(x / radius))


# name -> (radius, kernel of the distance)
_KERNELS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "bilinear": (1, lambda x: np.maximum(0, 1 - x)),
    "bicubic": (2, _cubic),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
}
INTERPOLATIONS = ("nearest", *_KERNELS)


def resize(x: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Resizes images as `jax.image.resize(..., antialias=False)` does, without a compiler.

    (JAX compiles for each size of an image, and the images of a folder have many sizes.)

    Args:
        x: Images, of shape (..., height, width, channels).
        size: The new (height, width).
        interpolation: One of `INTERPOLATIONS`.

    Returns:
        A float32 array of shape (..., *size, channels).
    """
    x = np.asarray(x, "float32")
    for axis, length in ((-3, size[0]), (-2, size[1])):
        if x.shape[axis] != length:
            x = _resize_axis(x, axis, length, interpolation)
    return x


def _resize_axis(x: np.ndarray, axis: int, length: int, interpolation: str) -> np.ndarray:
    old = x.shape[axis]
    centers = (np.arange(length) + 0.5) * (old / length) - 0.5
    if interpolation == "nearest":
        return x.take(np.floor(centers + 0.5).astype(int), axis)
    radius, kernel = _KERNELS[interpolation]
    taps = np.floor(centers).astype(int)[:, None] + np.arange(1 - radius, 1 + radius)
    weights = kernel(np.abs(centers[:, None] - taps))
    weights = np.where((taps >= 0) & (taps < old), weights, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype("float32")
    taps = taps.clip(0, old - 1)
    shape = [length if i == x.ndim + axis else 1 for i in range(x.ndim)]
    return sum(x.take(taps[:, k], axis) * weights[:, k].reshape(shape) for k in range(2 * radius))


def window(
    size: tuple[int, int], target: tuple[int, int], pads: bool = False
) -> tuple[int, int, int, int]:
    """Returns top, left, height and width of the central window that is resized to a target.

    It is the largest inside of an image that has the target's ratio; or, if `pads`, the smallest
    around it, which reaches equally far beyond both sides.

    Args:
        size: The image's height and width.
        target: The height and width of the ratio.
        pads: Whether the window is around the image.
    """
    (height, width), (rows, columns) = size, target
    high, wide = max(int(width * rows / columns), 1), max(int(height * columns / rows), 1)
    if pads:
        above, before = (max(high, height) - height) // 2, (max(wide, width) - width) // 2
        return -above, -before, height + 2 * above, width + 2 * before
    high, wide = min(height, high), min(width, wide)
    return (height - high) // 2, (width - wide) // 2, high, wide


def fit(
    x: ArrayLike,
    size: tuple[int, int],
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_value: float = 0.0,
    xp: Any = np,
) -> ArrayLike:
    """Cuts images, or fills them up, to the ratio of a size.

    Args:
        x: Images, of shape (..., height, width, channels).
        size: The (height, width) of the ratio.
        crop_to_aspect_ratio: Whether to cut.
        pad_to_aspect_ratio: Whether to fill up.
        fill_value: What to fill up with.
        xp: NumPy or `jax.numpy`.
    """
    if crop_to_aspect_ratio:
        top, left, height, width = window(x.shape[-3:-1], size)
        return x[..., top : top + height, left : left + width, :]
    if pad_to_aspect_ratio:
        top, left, _, _ = window(x.shape[-3:-1], size, pads=True)
        edges = [(-top, -top), (-left, -left), (0, 0)]
        return xp.pad(x, [*[(0, 0)] * (x.ndim - 3), *edges], constant_values=fill_value)
    return x


# How places outside of an axis are brought inside.
_FILL: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "constant": lambda i, n: i.clip(0, n - 1),
    "nearest": lambda i, n: i.clip(0, n - 1),
    "wrap": lambda i, n: i % n,
    "reflect": lambda i, n: np.minimum(i % (2 * n), 2 * n - 1 - i % (2 * n)),
}


def affine(
    image: np.ndarray, numbers: ArrayLike, interpolation: str, fill_mode: str, fill_value: float
) -> np.ndarray:
    """Does what `ops.image.affine_transform` does to one image, channels last.

    Args:
        image: An image of shape (height, width, channels).
        numbers: The first six numbers of the map.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: `"constant"`, `"nearest"`, `"wrap"` or `"reflect"`.
        fill_value: The value outside for `"constant"`.
    """
    a0, a1, a2, b0, b1, b2 = np.asarray(numbers, "float32")
    height, width = image.shape[:2]
    rows, columns = np.arange(height, dtype="float32")[:, None], np.arange(width, dtype="float32")
    places = (b0 * columns + b1 * rows + b2, a0 * columns + a1 * rows + a2)

    def pixels(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        inside = _FILL[fill_mode](row, height) * width + _FILL[fill_mode](column, width)
        found = image.reshape(-1, image.shape[2]).take(inside, axis=0)
        if fill_mode == "constant":
            out = (row < 0) | (row >= height) | (column < 0) | (column >= width)
            found[out] = fill_value
        return found

    if interpolation == "nearest":
        # Halves go away from zero, as in `jax.scipy.ndimage`.
        rounded = (np.copysign(np.floor(np.abs(place) + 0.5), place) for place in places)
        return pixels(*(place.astype("int32") for place in rounded))
    first = [np.floor(place) for place in places]
    (low, left), (y, x) = (
        [place.astype("int32") for place in first],
        [(place - least)[..., None] for place, least in zip(places, first, strict=True)],
    )
    upper = pixels(low, left) * (1 - x) + pixels(low, left + 1) * x
    lower = pixels(low + 1, left) * (1 - x) + pixels(low + 1, left + 1) * x
    return upper * (1 - y) + lower * y
