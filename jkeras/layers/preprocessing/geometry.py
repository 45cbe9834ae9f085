"""Layers that move the pixels of images at random in training."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike, Key, Seed, Sizes
from jkeras.core import host
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.arguments import one_of
from jkeras.layers.preprocessing.images import (
    ImageLayer,
    as_factor,
    as_value_range,
    draw,
    happens,
    hull,
)
from jkeras.ops import host_image
from jkeras.ops import image as image_ops

_AXES = {"horizontal": (1,), "vertical": (0,), "horizontal_and_vertical": (0, 1)}
_FILL_MODES = ("constant", "nearest", "wrap", "reflect")
_INTERPOLATIONS = ("bilinear", "nearest")
_ORDERS = {"bilinear": 1, "nearest": 0}


class RandomFlip(ImageLayer):
    """Mirrors images at random in training: each with probability 1/2.

    Args:
        mode: `"horizontal"`, `"vertical"` or `"horizontal_and_vertical"` (both at once, as in
            Keras: half a turn).
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If the mode is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomFlip("horizontal", seed=0)
        >>> y = layer(np.tile([[[1.0], [2.0]]], (9, 1, 1, 1)), training=True)
        >>> sorted(map(tuple, set(map(tuple, y[:, 0, :, 0].tolist()))))
        [(1.0, 2.0), (2.0, 1.0)]
    """

    moves = _on_numpy = True

    @takes_arguments_of(ImageLayer.__init__)
    def __init__(self, mode: str = "horizontal_and_vertical", **options: Any):
        super().__init__(**options)
        self.mode = one_of(self, "mode", mode, _AXES)

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.where(jax.random.bernoulli(key), jnp.flip(image, _AXES[self.mode]), image)

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return np.flip(image, _AXES[self.mode]) if generator.random() < 0.5 else image

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        xp, on_host = host.array_module(), host.computes_with_numpy()
        turned = key.random() < 0.5 if on_host else jax.random.bernoulli(key)
        # The far edge of each axis that is mirrored is where the near one was.
        far = [n if axis in _AXES[self.mode] else 0 for axis, n in ((1, size[1]), (0, size[0]))]
        places = [2 if far[0] else 0, 3 if far[1] else 1, 0 if far[0] else 2, 1 if far[1] else 3]
        edges, sign = xp.asarray(far * 2), xp.asarray([-1 if n else 1 for n in far] * 2)
        return xp.where(turned, edges + sign * boxes[:, xp.asarray(places)], boxes)


class _Affine(ImageLayer):
    """A random affine map of pixels' places.

    A subclass writes `matrix(key, height, width)`: six numbers, see `ops.image.affine_transform`.
    """

    moves = True

    def __init__(
        self,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: Seed = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.fill_mode = one_of(self, "fill_mode", fill_mode, _FILL_MODES)
        self.interpolation = one_of(self, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_value = fill_value

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return self._warp(image, key, self.interpolation, self.fill_value)

    def sample_mask(self, mask: jax.Array, key: jax.Array) -> jax.Array:
        return self._warp(mask, key, "nearest", 0)

    def _warp(self, image: jax.Array, key: jax.Array, interpolation: str, fill: Any) -> jax.Array:
        numbers = jnp.stack([*self.matrix(key, *image.shape[:2]), 0.0, 0.0])
        return image_ops.affine_transform(
            image, numbers, interpolation, self.fill_mode, fill, "channels_last"
        )

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        numbers = self.matrix(generator, *image.shape[:2])
        fill = (self.interpolation, self.fill_mode, self.fill_value)
        return host_image.affine(image, numbers, *fill)

    def sample_mask_on_host(self, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        numbers = self.matrix(generator, *mask.shape[:2])
        return host_image.affine(mask, numbers, "nearest", self.fill_mode, 0)

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Any) -> ArrayLike:
        a, b, c, d, e, f = self.matrix(key, *size)
        # Where the corners come to: the map's inverse. Places are those of pixels' centers.
        x, y = boxes[:, [0, 2, 0, 2]] - 0.5 - c, boxes[:, [1, 1, 3, 3]] - 0.5 - f
        area = a * e - b * d
        return hull((e * x - b * y) / area + 0.5, (a * y - d * x) / area + 0.5)

    def matrix(self, key: Any, height: int, width: int) -> tuple[Any, ...]:
        """Returns the map from places of the result to places of the image."""
        raise NotImplementedError


class RandomRotation(_Affine):
    """Turns images at random in training.

    Args:
        factor: The range of angles as parts of a whole turn, counter-clockwise; `f` for `(-f, f)`.
        fill_mode: What lies outside of the images: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: An integer, for a sequence of draws of the layer's own.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomRotation((0.25, 0.25))
        >>> x = np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
        >>> layer(x, training=True).ravel().round().tolist()
        [2.0, 4.0, 1.0, 3.0]
    """

    _on_numpy = True

    @takes_arguments_of(_Affine.__init__)
    def __init__(self, factor: float | Sequence[float], **options: Any):
        super().__init__(**options)
        self.factor = as_factor(self, "factor", factor, -1)

    def matrix(self, key: Key, height: int, width: int) -> tuple[Any, ...]:
        angle, xp = 2 * math.pi * draw(key, self.factor), host.array_module()
        sine, cosine = xp.sin(angle), xp.cos(angle)
        y, x = (height - 1) / 2, (width - 1) / 2  # the center stays
        return cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y


class _TwoFactors(_Affine):
    """An affine map by one factor for the height and one for the width."""

    @takes_arguments_of(_Affine.__init__)
    def __init__(
        self,
        height_factor: float | Sequence[float],
        width_factor: float | Sequence[float] | None,
        **options: Any,
    ):
        super().__init__(**options)
        self.height_factor, self.width_factor = height_factor, width_factor
        self._height_range = as_factor(self, "height_factor", height_factor, -1)
        self._width_range = (
            None if width_factor is None else as_factor(self, "width_factor", width_factor, -1)
        )

    _on_numpy = True

    def _factors(self, key: Any) -> tuple[Any, Any]:
        of_numpy = isinstance(key, np.random.Generator)
        first, second = (key, key) if of_numpy else jax.random.split(key)
        height = draw(first, self._height_range)
        return height, height if self._width_range is None else draw(second, self._width_range)


class RandomZoom(_TwoFactors):
    """Makes images smaller or larger at random in training; their size stays.

    Args:
        height_factor: The range of zooms of the height: 0.2 zooms out by a fifth, -0.2 zooms in;
            `f` for `(-f, f)`.
        width_factor: The same for the width; None for the height's.
        fill_mode: What lies outside of the images: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: An integer, for a sequence of draws of the layer's own.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandomZoom(0.5, 0.2)(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
        >>> one = keras.ops.ones((1, 1, 1, 1))
        >>> keras.layers.RandomZoom(0.5)(one, training=False).tolist()
        [[[[1.0]]]]
    """

    @takes_arguments_of(_TwoFactors.__init__)
    def __init__(
        self,
        height_factor: float | Sequence[float],
        width_factor: float | Sequence[float] | None = None,
        **options: Any,
    ):
        super().__init__(height_factor, width_factor, **options)

    def matrix(self, key: Key, height: int, width: int) -> tuple[Any, ...]:
        y, x = self._factors(key)
        return 1 + x, 0.0, -x * (width - 1) / 2, 0.0, 1 + y, -y * (height - 1) / 2


class RandomTranslation(_TwoFactors):
    """Shifts images at random in training.

    Args:
        height_factor: The range of shifts down, as parts of the height; `f` for `(-f, f)`.
        width_factor: The range of shifts to the right, as parts of the width.
        fill_mode: What lies outside of the images: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: An integer, for a sequence of draws of the layer's own.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomTranslation(0, (0.25, 0.25), fill_mode="constant")
        >>> layer(np.ones((1, 4, 1)), training=True).ravel().tolist()
        [0.0, 1.0, 1.0, 1.0]
    """

    def matrix(self, key: Key, height: int, width: int) -> tuple[Any, ...]:
        y, x = self._factors(key)
        return 1.0, 0.0, -x * width, 0.0, 1.0, -y * height


class RandomShear(_Affine):
    """Shears images at random in training, to one side or the other.

    Args:
        x_factor: The range of how far a row is shifted, in rows from the top; `f` for `(-f, f)`.
        y_factor: The same for columns.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside of the images: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandomShear(0.5)(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        x_factor: float | Sequence[float] = 0.0,
        y_factor: float | Sequence[float] = 0.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        data_format: str | None = None,
        seed: Seed = None,
        **kwargs: Any,
    ):
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.x_factor = as_factor(self, "x_factor", x_factor, -1)
        self.y_factor = as_factor(self, "y_factor", y_factor, -1)

    def matrix(self, key: Key, height: int, width: int) -> tuple[Any, ...]:
        first, second, third = jax.random.split(key, 3)
        sign = jnp.where(jax.random.bernoulli(third), 1.0, -1.0)
        x, y = sign * draw(first, self.x_factor), sign * draw(second, self.y_factor)
        return 1.0, x, 0.0, y, 1.0, 0.0


class RandomPerspective(ImageLayer):
    """Shows images as from a random side in training: their corners move.

    Args:
        factor: The probability for each image, or the range from which it is drawn; `f` for
            `(0, f)`.
        scale: How far corners move, as part of the image.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside of the images.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandomPerspective(scale=0.5)(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    moves = True

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        scale: float = 1.0,
        interpolation: str = "bilinear",
        fill_value: float = 0.0,
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor, self.scale = as_factor(self, "factor", factor), scale
        self.interpolation = one_of(self, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_value = fill_value

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return self._warp(image, key, self.interpolation, self.fill_value)

    def sample_mask(self, mask: jax.Array, key: jax.Array) -> jax.Array:
        return self._warp(mask, key, "nearest", 0)

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        # The numbers that take places of the image to the result's: the points change roles.
        a, b, c, d, e, f, g, h = image_ops.projection(*reversed(self._corners(size, key)))
        x, y = boxes[:, [0, 2, 0, 2]] - 0.5, boxes[:, [1, 1, 3, 3]] - 0.5
        scale = g * x + h * y + 1
        return hull((a * x + b * y + c) / scale + 0.5, (d * x + e * y + f) / scale + 0.5)

    def _corners(self, size: Sizes, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the corners of an image, and where they come to."""
        first, second = jax.random.split(key)
        bottom, right = size[0] - 1.0, size[1] - 1.0
        corners = jnp.array([[0, 0], [right, 0], [0, bottom], [right, bottom]])
        moved = corners * (1 + self.scale * draw(first, (-0.5, 0.5), (4, 2)))
        return corners, jnp.where(happens(second, self.factor), moved, corners)

    def _warp(self, image: jax.Array, key: jax.Array, interpolation: str, fill: Any) -> jax.Array:
        corners, moved = self._corners(image.shape[:2], key)
        return image_ops.perspective_transform(
            image, corners, moved, interpolation, fill, "channels_last"
        )


class RandomElasticTransform(ImageLayer):
    """Distorts images by smooth random shifts in training (Simard et al., 2003).

    Args:
        factor: The range from which the probability is drawn; `f` for `(0, f)`.
        scale: The range of strengths; `s` for `(0, s)`. At 1, shifts reach a tenth of the longer
            side, smoothed over a twentieth of the shorter one.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside of the images: `"reflect"`, `"constant"`, `"wrap"` or
            `"nearest"`.
        fill_value: The value outside for `"constant"`.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomElasticTransform(scale=0.5, seed=0)
        >>> layer(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    moves = True

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        scale: ArrayLike = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Sequence[float] = (0, 255),
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_factor(self, "factor", factor)
        self.scale = as_factor(self, "scale", scale)
        self.interpolation = one_of(self, "interpolation", interpolation, _INTERPOLATIONS)
        self.fill_mode = one_of(self, "fill_mode", fill_mode, _FILL_MODES)
        self.fill_value, self.value_range = fill_value, as_value_range(self, value_range)

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        moved = self._warp(image, key, self.interpolation, self.fill_value)
        return jnp.clip(moved, *self.value_range)

    def sample_mask(self, mask: jax.Array, key: jax.Array) -> jax.Array:
        return self._warp(mask, key, "nearest", 0)

    def _warp(self, image: jax.Array, key: jax.Array, interpolation: str, fill: Any) -> jax.Array:
        of_event, of_scale, of_shifts = jax.random.split(key, 3)
        height, width, _ = image.shape
        strength = draw(of_scale, self.scale)
        reach = math.ceil(3 * 0.05 * min(height, width) * self.scale[1])  # of the widest kernel
        places = jnp.arange(-reach, reach + 1)
        sigma = jnp.maximum(0.05 * min(height, width) * strength, 1e-3)
        weights = jnp.exp(-0.5 * jnp.square(places / sigma))
        weights = weights / jnp.sum(weights)
        shifts = jax.random.normal(of_shifts, (2, height, width))
        for axis in (1, 2):
            shifts = jnp.apply_along_axis(lambda x: jnp.convolve(x, weights, "same"), axis, shifts)
        shifts = 0.1 * max(height, width) * strength * shifts
        grid = jnp.stack(jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij"))
        moved = [
            image_ops.map_coordinates(
                image[..., i], grid + shifts, _ORDERS[interpolation], self.fill_mode, fill
            )
            for i in range(image.shape[-1])
        ]
        return jnp.where(happens(of_event, self.factor), jnp.stack(moved, -1), image)


class RandomErasing(ImageLayer):
    """Fills a rectangle of each image with noise or a value in training (Zhong et al., 2017).

    Args:
        factor: The probability for each image, or the range from which it is drawn; `f` for
            `(0, f)`.
        scale: The range of the rectangle's height squared, as a part of the image's, and of its
            width: about the range of its area.
        fill_value: The value; None for normal noise.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomErasing((1.0, 1.0), scale=(0.25, 0.25), fill_value=0.0)
        >>> layer(np.ones((8, 8, 1)), training=True).sum().item()
        48.0
    """

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        scale: ArrayLike = (0.02, 0.33),
        fill_value: float | None = None,
        value_range: Sequence[float] = (0, 255),
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_factor(self, "factor", factor)
        self.scale = as_factor(self, "scale", scale)
        self.fill_value, self.value_range = fill_value, as_value_range(self, value_range)

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        first, second, third, fourth = jax.random.split(key, 4)
        inside = random_box(first, image.shape, jnp.sqrt(draw(second, self.scale, (2,))))
        if self.fill_value is None:
            least, most = self.value_range
            fill = jnp.clip(jax.random.normal(third, image.shape) * most, least, most)
        else:
            fill = jnp.asarray(self.fill_value, image.dtype)
        return jnp.where(inside & happens(fourth, self.factor), fill, image)


def random_box(key: jax.Array, shape: tuple[int, ...], sides: jax.Array) -> jax.Array:
    """Says which pixels are in a rectangle at a random place, of shape (height, width, 1).

    Args:
        key: The key of the place.
        shape: The shape of the image.
        sides: The rectangle's height and width, as parts of the image's.
    """
    size = jnp.array(shape[:2], "float32")
    first = jax.random.uniform(key, (2,)) * (1 - sides) * size
    last = first + sides * size
    rows, columns = jnp.arange(shape[0]), jnp.arange(shape[1])
    inside = ((rows >= first[0]) & (rows < last[0]))[:, None]
    return (inside & (columns >= first[1]) & (columns < last[1]))[..., None]
