"""Layers that change the colors of images at random in training."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike, Seed, Sizes
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.arguments import size_tuple
from jkeras.layers.preprocessing.images import ImageLayer, as_factor, as_value_range, draw, happens
from jkeras.ops import image as image_ops


class ColorLayer(ImageLayer):
    """An `ImageLayer` that keeps values in a range.

    A subclass writes `change(image, key)`.

    Args:
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: The arguments of every layer.
    """

    least: float = 0
    most: float = 1
    """The least and the greatest factor that make sense."""

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.value_range = as_value_range(self, value_range)

    @property
    def span(self) -> float:
        """The distance from the least value to the greatest."""
        return self.value_range[1] - self.value_range[0]

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.clip(self.change(image, key), *self.value_range)

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        """Changes one image; what leaves the range of values is cut off."""
        raise NotImplementedError

    def to_unit(self, image: jax.Array) -> jax.Array:
        """Returns the image with values from 0 to 1."""
        return (image - self.value_range[0]) / self.span

    def from_unit(self, image: jax.Array) -> jax.Array:
        """Undoes `to_unit`."""
        return image * self.span + self.value_range[0]


class _FactorLayer(ColorLayer):
    """A `ColorLayer` of one factor."""

    def __init__(
        self,
        factor: float | Sequence[float],
        value_range: Sequence[float] = (0, 255),
        data_format: str | None = None,
        seed: Seed = None,
        **kwargs: Any,
    ):
        super().__init__(value_range, seed, data_format, **kwargs)
        self.factor = as_factor(self, "factor", factor, self.least, self.most)

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return self.by_factor(image, draw(key, self.factor))

    def by_factor(self, image: jax.Array, factor: jax.Array) -> jax.Array:
        """Changes one image by a factor."""
        raise NotImplementedError


class _SeedFirst(_FactorLayer):
    """A `_FactorLayer` whose third argument is the seed."""

    def __init__(
        self,
        factor: float | Sequence[float],
        value_range: Sequence[float] = (0, 255),
        seed: Seed = None,
        **kwargs: Any,
    ):
        super().__init__(factor, value_range, seed=seed, **kwargs)


class RandomBrightness(_SeedFirst):
    """Makes images brighter or darker at random in training.

    Args:
        factor: The range of what is added, as parts of the range of values; `f` for `(-f, f)`.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomBrightness((0.2, 0.2))
        >>> layer(np.array([[[0.0, 100.0, 250.0]]]), training=True).round().tolist()
        [[[51.0, 151.0, 255.0]]]
    """

    least = -1
    _on_numpy = True

    def by_factor(self, image: ArrayLike, factor: ArrayLike) -> ArrayLike:
        return image + factor * self.span

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        factor = np.float32(generator.uniform(*self.factor))
        return self.by_factor(image, factor).clip(*self.value_range)


class RandomContrast(_SeedFirst):
    """Raises or lowers the contrast of images at random in training.

    The distance of each value from its channel's mean is multiplied by a factor.

    Args:
        factor: `(a, b)`, for a factor from `1 - a` to `1 + b`; `f` for a factor from 1 to `1 + f`.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomContrast((-0.5, 0.5))
        >>> layer(np.array([[[10.0], [20.0]]]), training=True).ravel().tolist()
        [7.5, 22.5]
    """

    _on_numpy = True

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return self.by_factor(image, draw(key, (1 - self.factor[0], 1 + self.factor[1])))

    def by_factor(self, image: ArrayLike, factor: ArrayLike) -> ArrayLike:
        mean = image.mean((0, 1))
        return (image - mean) * factor + mean

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        factor = np.float32(generator.uniform(1 - self.factor[0], 1 + self.factor[1]))
        return self.by_factor(image, factor).clip(*self.value_range)


class RandomHue(_FactorLayer):
    """Turns the hue of images at random in training, one way or the other.

    Args:
        factor: The range of the turn: 1 is half of the circle of colors; `f` for `(0, f)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomHue((1.0, 1.0))
        >>> layer(np.array([[[255.0, 0.0, 0.0]]]), training=True).round().tolist()
        [[[0.0, 255.0, 255.0]]]
    """

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        sign = jnp.where(jax.random.bernoulli(first), 0.5, -0.5)
        hsv = image_ops.rgb_to_hsv(self.to_unit(image), "channels_last")
        hue = jnp.mod(hsv[..., 0] + sign * draw(second, self.factor), 1)
        return self.from_unit(image_ops.hsv_to_rgb(hsv.at[..., 0].set(hue), "channels_last"))


class RandomSaturation(_FactorLayer):
    """Makes the colors of images stronger or weaker at random in training.

    Args:
        factor: The range of a number from 0 to 1: 0 gives gray, 0.5 the image, 1 full colors; `f`
            for `(-f, f)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomSaturation((0.0, 0.0))
        >>> layer(np.array([[[200.0, 100.0, 0.0]]]), training=True).round().tolist()
        [[[200.0, 200.0, 200.0]]]
    """

    least = -1

    def by_factor(self, image: jax.Array, factor: jax.Array) -> jax.Array:
        strength = factor / jnp.maximum(1 - factor, 1e-7)
        hsv = image_ops.rgb_to_hsv(self.to_unit(image), "channels_last")
        saturation = jnp.clip(hsv[..., 1] * strength, 0, 1)
        return self.from_unit(image_ops.hsv_to_rgb(hsv.at[..., 1].set(saturation), "channels_last"))


def _gray(image: jax.Array) -> jax.Array:
    gray = image_ops.rgb_to_grayscale(image, "channels_last")
    return jnp.broadcast_to(gray, image.shape)


class RandomColorDegeneration(_FactorLayer):
    """Mixes images with their gray at random in training.

    Args:
        factor: The range of gray's share; `f` for `(-f, f)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[100.0, 100.0, 0.0]]])
        >>> keras.layers.RandomColorDegeneration((1.0, 1.0))(x, training=True).round().tolist()
        [[[89.0, 89.0, 89.0]]]
    """

    least = -1

    def by_factor(self, image: jax.Array, factor: jax.Array) -> jax.Array:
        return image + factor * (_gray(image) - image)


class RandomSharpness(_FactorLayer):
    """Blurs or sharpens images at random in training.

    Args:
        factor: The range of a number: 0 blurs, 0.5 gives the image, 1 sharpens; `f` for `(0, f)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.random.default_rng(0).uniform(0, 255, (2, 8, 8, 3))
        >>> y = keras.layers.RandomSharpness((0.5, 0.5))(x, training=True)
        >>> bool(abs(y - x).max() < 1e-3)
        True
    """

    def by_factor(self, image: jax.Array, factor: jax.Array) -> jax.Array:
        weights = jnp.ones((3, 3)).at[1, 1].set(5) / 13
        padded = jnp.pad(image, ((1, 1), (1, 1), (0, 0)))
        height, width = image.shape[:2]
        blurred = sum(
            weights[i, j] * padded[i : i + height, j : j + width]
            for i in range(3)
            for j in range(3)
        )
        return blurred + 2 * factor * (image - blurred)


class RandomPosterization(_FactorLayer):
    """Keeps only the upper bits of values in training.

    Args:
        factor: `(m, n)`: how many bits stay is drawn from `m` to `n - 1`, or is `m` if there is
            none; `n` for `(1, n)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomPosterization((1, 1))
        >>> layer(np.array([[[100.0, 127.0, 200.0]]]), training=True).tolist()
        [[[0.0, 0.0, 128.0]]]
    """

    least, most = 1, 8

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        least, most = map(int, self.factor)
        bits = jax.random.randint(key, (), least, max(most, least + 1))  # as in Keras, below `most`
        step = jnp.exp2(8 - bits.astype("float32"))
        return self.from_unit(jnp.floor(jnp.floor(self.to_unit(image) * 255) / step) * step / 255)


class RandomGrayscale(ImageLayer):
    """Makes images gray at random in training.

    Args:
        factor: The probability for each image.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If `factor` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomGrayscale(1.0)
        >>> layer(np.array([[[100.0, 100.0, 0.0]]]), training=True).round().tolist()
        [[[89.0, 89.0, 89.0]]]
    """

    def __init__(
        self, factor: float = 0.5, data_format: str | None = None, seed: Seed = None, **kwargs: Any
    ):
        super().__init__(seed, data_format, **kwargs)
        as_factor(self, "factor", factor)
        self.factor = factor

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.where(jax.random.bernoulli(key, self.factor), _gray(image), image)


class RandomInvert(ColorLayer):
    """Turns images into their negatives at random in training.

    Args:
        factor: The probability for each image, or the range from which it is drawn; `f` for
            `(0, f)`.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomInvert((1.0, 1.0))
        >>> layer(np.array([[[0.0, 55.0, 255.0]]]), training=True).tolist()
        [[[255.0, 200.0, 0.0]]]
    """

    @takes_arguments_of(ColorLayer.__init__)
    def __init__(self, factor: float | Sequence[float] = 1.0, **options: Any):
        super().__init__(**options)
        self.factor = as_factor(self, "factor", factor)

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        return jnp.where(happens(key, self.factor), sum(self.value_range) - image, image)


class Solarization(ColorLayer):
    """Inverts the bright pixels of images in training.

    Args:
        addition_factor: The largest part of the range of values that is added first; of a pair,
            the greater number counts.
        threshold_factor: The largest part of the range from which on values are inverted; likewise.
        value_range: The least and the greatest value of a pixel.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Solarization()(np.array([[[0.0, 55.0, 255.0]]]), training=True).tolist()
        [[[255.0, 200.0, 0.0]]]
    """

    @takes_arguments_of(ColorLayer.__init__, without=["data_format"])
    def __init__(
        self,
        addition_factor: float | Sequence[float] = 0.0,
        threshold_factor: float | Sequence[float] = 0.0,
        **options: Any,
    ):
        super().__init__(**options)
        self.addition_factor = as_factor(self, "addition_factor", addition_factor)
        self.threshold_factor = as_factor(self, "threshold_factor", threshold_factor)

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        addition = draw(first, (0, self.addition_factor[1])) * self.span
        threshold = draw(second, (0, self.threshold_factor[1])) * self.span
        image = jnp.clip(image + addition, *self.value_range)
        return jnp.where(image < threshold, image, sum(self.value_range) - image)


class RandomGaussianBlur(_FactorLayer):
    """Blurs images with a normal distribution at random in training.

    Args:
        factor: The probability for each image, or the range from which it is drawn; `f` for
            `(0, f)`.
        kernel_size: Width and height of the part of the distribution that counts, or both.
        sigma: The range of the standard deviations, in pixels; `s` for `(0, s)`.
        value_range: The least and the greatest value of a pixel.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandomGaussianBlur()(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    @takes_arguments_of(_FactorLayer.__init__)
    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        kernel_size: Sizes = 3,
        sigma: float | Sequence[float] = 1.0,
        **options: Any,
    ):
        super().__init__(factor, **options)
        self.kernel_size = size_tuple(self, "kernel_size", kernel_size, 2)
        self.sigma = as_factor(self, "sigma", sigma, most=float("inf"))

    def change(self, image: jax.Array, key: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        sigma = jnp.maximum(draw(first, self.sigma, (2,)), 1e-7)
        blurred = image_ops.gaussian_blur(image, self.kernel_size[::-1], sigma, "channels_last")
        return jnp.where(happens(second, self.factor), blurred, image)


class RandomColorJitter(ImageLayer):
    """Changes brightness, contrast, saturation and hue, in this order, at random in training.

    Args:
        value_range: The least and the greatest value of a pixel.
        brightness_factor: See `RandomBrightness`; None to leave it.
        contrast_factor: See `RandomContrast`; None to leave it.
        saturation_factor: See `RandomSaturation`; None to leave it.
        hue_factor: See `RandomHue`; None to leave it.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.RandomColorJitter(brightness_factor=(0.2, 0.2))
        >>> layer(np.array([[[0.0, 100.0, 250.0]]]), training=True).round().tolist()
        [[[51.0, 151.0, 255.0]]]
    """

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        brightness_factor: float | Sequence[float] | None = None,
        contrast_factor: float | Sequence[float] | None = None,
        saturation_factor: float | Sequence[float] | None = None,
        hue_factor: float | Sequence[float] | None = None,
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.value_range = as_value_range(self, value_range)
        self.brightness_factor, self.contrast_factor = brightness_factor, contrast_factor
        self.saturation_factor, self.hue_factor = saturation_factor, hue_factor
        parts = {
            RandomBrightness: brightness_factor,
            RandomContrast: contrast_factor,
            RandomSaturation: saturation_factor,
            RandomHue: hue_factor,
        }
        self.steps = [cls(f, value_range) for cls, f in parts.items() if f is not None]

    def sample(self, image: jax.Array, key: jax.Array) -> jax.Array:
        for i, step in enumerate(self.steps):
            image = step.sample(image, jax.random.fold_in(key, i))
        return image
