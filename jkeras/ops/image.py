"""Images by Keras's names: `(height, width, channels)`, or batches of these, or channels first."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.ndimage

from jkeras.base import settings
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, Seed, Shape, Sizes
from jkeras.core.operations import as_array, define
from jkeras.core.seeds import as_key
from jkeras.ops import arrays as nn
from jkeras.ops import host_image
from jkeras.ops.core import saturate_cast

op = partial(define, module="ops.image")


# ------------------------------------------------------------------ layouts
def _ranked(images: ArrayLike, *ranks: int) -> jax.Array:
    images = jnp.asarray(images)
    if images.ndim not in ranks:
        raise ValueError(
            f"Invalid images rank: expected rank {ranks[0]} (single image) or rank {ranks[-1]} "
            f"(batch of images). Received input with shape: images.shape={images.shape}"
        )
    return images


def _channels_last(
    function: Callable[[jax.Array], jax.Array], images: ArrayLike, data_format: Any, axes: int = 2
) -> jax.Array:
    """Applies a function of batches of images with channels last to images of any layout."""
    images = _ranked(images, axes + 1, axes + 2)
    first = settings.standardize_data_format(data_format) == "channels_first"
    single = images.ndim == axes + 1
    batch = images[None] if single else images
    batch = jnp.moveaxis(batch, 1, axes + 1) if first else batch
    result = function(batch)
    result = jnp.moveaxis(result, axes + 1, 1) if first else result
    return result[0] if single else result


def _one_of(name: str, value: Any, allowed: Any) -> None:
    if value not in allowed:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected of one {tuple(allowed)}. "
            f"Received: {name}={value}"
        )


# ------------------------------------------------------------------ colors
def _color(images: ArrayLike, data_format: Any) -> tuple[jax.Array, int]:
    images = _ranked(images, 3, 4)
    first = settings.standardize_data_format(data_format) == "channels_first"
    return images, -3 if first else -1


def _float_color(images: ArrayLike, data_format: Any) -> tuple[jax.Array, int]:
    images, axis = _color(images, data_format)
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(
            f"Invalid images dtype: expected float dtype. Received: images.dtype={images.dtype}"
        )
    if images.shape[axis] != 3:
        raise ValueError(
            "Input images must have 3 channels, but received images with "
            f"{images.shape[axis]} channels. Received: images.shape={images.shape}"
        )
    return images, axis


@partial(op, class_name="RGBToGrayscale")
def rgb_to_grayscale(images: ArrayLike, data_format: str | None = None) -> jax.Array:
    """Returns `0.2989 * red + 0.5870 * green + 0.1140 * blue`; images of one channel stay.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.rgb_to_grayscale(keras.ops.ones((4, 4, 3))).shape
        (4, 4, 1)
    """
    images, axis = _color(images, data_format)
    if images.shape[axis] == 1:
        return images
    if images.shape[axis] != 3:
        raise ValueError(
            "Invalid channel size: expected 3 (RGB) or 1 (Grayscale). "
            f"Received input with shape: images.shape={images.shape}"
        )
    weights = jnp.expand_dims(jnp.array([0.2989, 0.5870, 0.1140]), range(1, -axis))
    floats = images.astype(jnp.promote_types(images.dtype, jnp.float32))
    return jnp.sum(floats * weights, axis, keepdims=True).astype(images.dtype)


@partial(op, class_name="RGBToHSV")
def rgb_to_hsv(images: ArrayLike, data_format: str | None = None) -> jax.Array:
    """Returns hue, saturation and value of floats from 0 to 1.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.rgb_to_hsv([[[0.5, 0.0, 0.0]]]).tolist()
        [[[0.0, 1.0, 0.5]]]
    """
    images, axis = _float_color(images, data_format)
    dtype, images = images.dtype, images.astype(jnp.promote_types(images.dtype, jnp.float32))
    red, green, blue = jnp.moveaxis(images, axis, 0)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    span = value - jnp.minimum(jnp.minimum(red, green), blue)
    saturation = jnp.where(value > 0, span / jnp.where(value > 0, value, 1), 0)
    unit = 1 / (6 * jnp.where(span > 0, span, 1))
    hue = jnp.where(
        value == red,
        unit * (green - blue),
        jnp.where(value == green, unit * (blue - red) + 2 / 6, unit * (red - green) + 4 / 6),
    )
    hue = jnp.where(span > 0, hue, 0)
    hue = jnp.where(hue < 0, hue + 1, hue)
    return jnp.stack([hue, saturation, value], axis).astype(dtype)


@partial(op, class_name="HSVToRGB")
def hsv_to_rgb(images: ArrayLike, data_format: str | None = None) -> jax.Array:
    """Returns red, green and blue of hue, saturation and value from 0 to 1.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.hsv_to_rgb([[[0.0, 1.0, 0.5]]]).tolist()
        [[[0.5, 0.0, 0.0]]]
    """
    images, axis = _float_color(images, data_format)
    dtype, images = images.dtype, images.astype(jnp.promote_types(images.dtype, jnp.float32))
    hue, saturation, value = jnp.moveaxis(images, axis, 0)
    sixth = hue * 6

    def channel(rise: jax.Array) -> jax.Array:
        return (1 - saturation + saturation * jnp.clip(rise, 0, 1)) * value

    channels = [abs(sixth - 3) - 1, 2 - abs(sixth - 2), 2 - abs(sixth - 4)]
    return jnp.stack([channel(rise) for rise in channels], axis).astype(dtype)


# ------------------------------------------------------------------ sizes
_METHODS = {
    "bilinear": "linear",
    "nearest": "nearest",
    "lanczos3": "lanczos3",
    "lanczos5": "lanczos5",
    "bicubic": "cubic",
}


@op
def resize(
    images: ArrayLike,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    antialias: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    fill_mode: str = "constant",
    fill_value: float = 0.0,
    data_format: str | None = None,
) -> jax.Array:
    """Resizes images.

    Args:
        images: One image or a batch.
        size: Height and width.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        antialias: Whether to average over pixels when images become smaller.
        crop_to_aspect_ratio: Whether to cut the images to the ratio of `size` first.
        pad_to_aspect_ratio: Whether to fill them up to the ratio of `size` first.
        fill_mode: `"constant"`.
        fill_value: What to fill up with.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images of the same dtype.

    Raises:
        ValueError: If the arguments contradict each other.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.resize(keras.ops.ones((2, 4, 4, 3)), (2, 3)).shape
        (2, 2, 3, 3)
    """
    _one_of("interpolation", interpolation, _METHODS)
    _one_of("fill_mode", fill_mode, ("constant",))
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "Only one of `pad_to_aspect_ratio` & `crop_to_aspect_ratio` can be `True`."
        )
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers. Received: size={size}")
    target_height, target_width = (int(n) for n in size)

    def run(x: jax.Array) -> jax.Array:
        ratio = (crop_to_aspect_ratio, pad_to_aspect_ratio)
        x = host_image.fit(x, (target_height, target_width), *ratio, fill_value, jnp)
        n, channels = x.shape[0], x.shape[-1]
        resized = jax.image.resize(
            x.astype(jnp.promote_types(x.dtype, jnp.float32)) if x.dtype.kind in "biu" else x,
            (n, target_height, target_width, channels),
            _METHODS[interpolation],
            antialias=antialias,
        )
        if jnp.issubdtype(x.dtype, jnp.integer):
            resized = saturate_cast(jnp.round(resized), x.dtype)
        return resized

    return _channels_last(run, images, data_format)


def _margins(
    what: str, before: int | None, after: int | None, target: int | None, size: int, words: tuple
) -> tuple[int, int]:
    """Returns how much is cut off (`"cropping"`) or added (`"padding"`) before and after."""
    first, last, measure = words
    if [before, after, target].count(None) != 1:
        raise ValueError(
            f"Must specify exactly two of {first}_{what}, {last}_{what}, target_{measure}. "
            f"Received: {first}_{what}={before}, {last}_{what}={after}, target_{measure}={target}"
        )
    if target is not None:
        _not_negative(f"target_{measure}", target)
        total = target - size if what == "padding" else size - target
        before = total - (after or 0) if before is None else before
        after = total - before
    margins = (before or 0, after or 0)
    for side, margin in zip((first, last), margins, strict=True):
        _not_negative(f"{side}_{what}", margin)
    if what == "cropping":
        _not_negative(f"target_{measure}", size - sum(margins))
    return margins


def _not_negative(name: str, number: Any) -> None:
    if isinstance(number, int) and number < 0:
        raise ValueError(f"{name} must be >= 0. Received: {name}={number}")


_HEIGHT, _WIDTH = ("top", "bottom", "height"), ("left", "right", "width")


@op
def crop_images(
    images: ArrayLike,
    top_cropping: int | None = None,
    left_cropping: int | None = None,
    bottom_cropping: int | None = None,
    right_cropping: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> jax.Array:
    """Cuts off the borders of images: of three numbers for an axis, two are given.

    Args:
        images: One image or a batch.
        top_cropping: How many rows to cut off at the top.
        left_cropping: How many columns on the left.
        bottom_cropping: How many rows at the bottom.
        right_cropping: How many columns on the right.
        target_height: How many rows stay.
        target_width: How many columns stay.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras
        >>> x = keras.ops.ones((1, 4, 6, 3))
        >>> keras.ops.image.crop_images(x, 1, 0, target_height=2, target_width=5).shape
        (1, 2, 5, 3)
    """

    def run(x: jax.Array) -> jax.Array:
        height, width = x.shape[1:3]
        margins = partial(_margins, "cropping")
        top, bottom = margins(top_cropping, bottom_cropping, target_height, height, _HEIGHT)
        left, right = margins(left_cropping, right_cropping, target_width, width, _WIDTH)
        return x[:, top : height - bottom, left : width - right]

    return _channels_last(run, images, data_format)


@op
def pad_images(
    images: ArrayLike,
    top_padding: int | None = None,
    left_padding: int | None = None,
    bottom_padding: int | None = None,
    right_padding: int | None = None,
    target_height: int | None = None,
    target_width: int | None = None,
    data_format: str | None = None,
) -> jax.Array:
    """Puts zeros around images: of three numbers for an axis, two are given.

    Args:
        images: One image or a batch.
        top_padding: How many rows to add at the top.
        left_padding: How many columns on the left.
        bottom_padding: How many rows at the bottom.
        right_padding: How many columns on the right.
        target_height: How many rows there are then.
        target_width: How many columns.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras
        >>> x = keras.ops.ones((1, 4, 6, 3))
        >>> keras.ops.image.pad_images(x, 1, 0, target_height=8, target_width=9).shape
        (1, 8, 9, 3)
    """

    def run(x: jax.Array) -> jax.Array:
        height, width = x.shape[1:3]
        margins = partial(_margins, "padding")
        rows = margins(top_padding, bottom_padding, target_height, height, _HEIGHT)
        columns = margins(left_padding, right_padding, target_width, width, _WIDTH)
        return jnp.pad(x, [(0, 0), rows, columns, (0, 0)])

    return _channels_last(run, images, data_format)


@partial(op, arrays="images scale translation", called_with="images output_shape scale translation")
def scale_and_translate(
    images: ArrayLike,
    output_shape: Shape,
    scale: ArrayLike,
    translation: ArrayLike,
    spatial_dims: Axis,
    method: str,
    antialias: bool = True,
) -> jax.Array:
    """Returns images of another shape, in which point `x` comes to `x * scale + translation`.

    Args:
        images: An array.
        output_shape: The shape of the result; None for an axis that keeps its size.
        scale: A factor for each spatial axis.
        translation: A distance in pixels of the result for each spatial axis.
        spatial_dims: Which axes are spatial.
        method: A method of `jax.image.scale_and_translate`, such as `"linear"`.
        antialias: Whether to average over pixels when images become smaller.
    """
    allowed = {"bilinear": "linear", "trilinear": "linear", "bicubic": "cubic"}
    allowed |= {"tricubic": "cubic"} | {m: m for m in ("linear", "cubic", "lanczos3", "lanczos5")}
    _one_of("method", method, allowed)
    images = jnp.asarray(images)
    if len(output_shape) != images.ndim:
        raise ValueError(
            f"`output_shape` must have a size for each of the {images.ndim} axes of `images`. "
            f"Received: output_shape={output_shape}"
        )
    return jax.image.scale_and_translate(
        images,
        tuple(n if m is None else m for n, m in zip(images.shape, output_shape, strict=True)),
        tuple(spatial_dims),
        jnp.asarray(scale),
        jnp.asarray(translation),
        allowed[method],
        antialias,
    )


# ------------------------------------------------------------------ patches
def _patches(
    images: ArrayLike,
    size: Sizes,
    strides: Sizes,
    dilation_rate: Sizes,
    padding: str,
    data_format: Any,
    axes: int,
) -> jax.Array:
    size = nn.sizes(size, axes)
    strides = size if strides is None else nn.sizes(strides, axes)

    def run(x: jax.Array) -> jax.Array:
        spatial = "DHW"[-axes:]
        layout = (f"N{spatial}C", f"{spatial}IO", f"N{spatial}C")
        patches = jax.lax.conv_general_dilated_patches(
            x,
            size,
            strides,
            padding.upper(),
            rhs_dilation=nn.sizes(dilation_rate, axes),
            dimension_numbers=layout,
        )
        # JAX puts the channel before the place in the patch, Keras after it.
        *outer, last = patches.shape
        channels = x.shape[-1]
        patches = patches.reshape(*outer, channels, last // channels)
        return jnp.swapaxes(patches, -1, -2).reshape(*outer, last)

    return _channels_last(run, images, data_format, axes)


@op
def extract_patches(
    images: ArrayLike,
    size: Sizes,
    strides: Sizes = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> jax.Array:
    """Returns the patches of images, each laid out along the channel axis.

    Args:
        images: One image or a batch.
        size: Height and width of a patch; three numbers for volumes.
        strides: The distance between two patches; `size` by default.
        dilation_rate: The distance between two pixels of a patch.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.extract_patches(keras.ops.ones((1, 4, 6, 3)), 2).shape
        (1, 2, 3, 12)
    """
    single = as_integer(size) is not None
    if not single and not isinstance(size, (tuple, list)):
        raise TypeError(
            "Invalid `size` argument. Expected an int or a tuple. "
            f"Received: size={size!r} of type {type(size).__name__}"
        )
    axes = 2 if single else len(size)
    if axes not in (2, 3):
        raise ValueError(
            "Invalid `size` argument. Expected a tuple of length 2 or 3. "
            f"Received: size={size} of length {axes}"
        )
    return _patches(images, size, strides, dilation_rate, padding, data_format, axes)


@partial(define, module="ops.image", arrays="volumes")
def extract_patches_3d(
    volumes: ArrayLike,
    size: Sizes,
    strides: Sizes = None,
    dilation_rate: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
) -> jax.Array:
    """Returns the patches of volumes; see `extract_patches`."""
    return _patches(volumes, size, strides, dilation_rate, padding, data_format, 3)


# ------------------------------------------------------------------ filters
def _filter(x: jax.Array, kernel: jax.Array, padding: str) -> jax.Array:
    """Convolves each channel of a batch with one kernel of two axes."""
    channels = x.shape[-1]
    kernel = jnp.broadcast_to(kernel[:, :, None, None], (*kernel.shape, 1, channels))
    return jax.lax.conv_general_dilated(
        x,
        kernel.astype(x.dtype),
        (1, 1),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=channels,
    )


def _gauss(size: int, sigma: Any) -> jax.Array:
    places = jnp.arange(size) - (size - 1) / 2
    values = jnp.exp(-jnp.square(places) / (2 * jnp.square(sigma)))
    return values / jnp.sum(values)


@op
def gaussian_blur(
    images: ArrayLike,
    kernel_size: tuple[int, int] = (3, 3),
    sigma: tuple[float, float] = (1.0, 1.0),
    data_format: str | None = None,
) -> jax.Array:
    """Blurs images with a normal distribution.

    Args:
        images: Floats: one image or a batch.
        kernel_size: Height and width of the part of the distribution that counts.
        sigma: The standard deviations along height and width.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.gaussian_blur(keras.ops.ones((1, 5, 5, 3))).shape
        (1, 5, 5, 3)
    """
    kernel = jnp.outer(_gauss(kernel_size[0], sigma[0]), _gauss(kernel_size[1], sigma[1]))
    return _channels_last(lambda x: _filter(x, kernel, "SAME"), images, data_format)


@op
def sobel_edges(images: ArrayLike, data_format: str | None = None) -> jax.Array:
    """Returns the slopes of images along height and width, in a new last axis (Sobel, 1968).

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.sobel_edges(keras.ops.ones((1, 5, 5, 3))).shape
        (1, 5, 5, 3, 2)
    """
    slope, smooth = jnp.array([-1.0, 0.0, 1.0]), jnp.array([1.0, 2.0, 1.0])

    def run(kernel: jax.Array) -> jax.Array:
        return _channels_last(lambda x: _filter(x, kernel, "SAME"), images, data_format)

    return jnp.stack([run(jnp.outer(slope, smooth)), run(jnp.outer(smooth, slope))], axis=-1)


@partial(op, class_name="SSIM")
def ssim(
    image1: ArrayLike,
    image2: ArrayLike,
    max_val: float = 1.0,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    data_format: str | None = None,
) -> jax.Array:
    """Returns the structural similarity of images (Wang et al., 2004): 1 for equal ones.

    Args:
        image1: One image or a batch of floats.
        image2: Likewise.
        max_val: The distance from the smallest possible value to the largest.
        filter_size: The size of the windows that are compared.
        filter_sigma: The standard deviation of their weights.
        k1: A constant of the definition.
        k2: Likewise.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        A number for each image.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.ssim(keras.ops.ones((1, 16, 16, 3)), keras.ops.ones((1, 16, 16, 3)))
        Array([1.], dtype=float32)
    """
    image1, image2 = _ranked(image1, 3, 4), _ranked(image2, 3, 4)
    window = _gauss(filter_size, filter_sigma)

    def smooth(x: jax.Array) -> jax.Array:
        kernel = jnp.outer(window, window)
        return _channels_last(lambda x: _filter(x, kernel, "VALID"), x, data_format)

    mean1, mean2 = smooth(image1), smooth(image2)
    variances = smooth(image1 * image1) + smooth(image2 * image2) - mean1**2 - mean2**2
    covariance = smooth(image1 * image2) - mean1 * mean2
    c1, c2 = (k1 * max_val) ** 2, (k2 * max_val) ** 2
    brightness = (2 * mean1 * mean2 + c1) / (mean1**2 + mean2**2 + c1)
    contrast = (2 * covariance + c2) / (variances + c2)
    return jnp.mean(brightness * contrast, axis=(-3, -2, -1))


# ------------------------------------------------------------------ transformations
_FILL_MODES = ("constant", "nearest", "wrap", "mirror", "reflect")
_ORDERS = {"nearest": 0, "bilinear": 1}


@op
def map_coordinates(
    inputs: ArrayLike,
    coordinates: ArrayLike,
    order: int,
    fill_mode: str = "constant",
    fill_value: float = 0,
) -> jax.Array:
    """Returns the values of an array at places between its elements.

    Args:
        inputs: The array.
        coordinates: The places, an array for each axis of `inputs`.
        order: 0 for the nearest element, 1 for linear interpolation.
        fill_mode: What lies outside: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"` or
            `"reflect"`.
        fill_value: The value outside for `"constant"`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.image.map_coordinates([1.0, 2.0, 4.0], [[0.5, 1.5]], order=1).tolist()
        [1.5, 3.0]
    """
    _one_of("order", order, (0, 1))
    _one_of("fill_mode", fill_mode, _FILL_MODES)
    inputs, coordinates = jnp.asarray(inputs), jnp.asarray(coordinates)
    if coordinates.shape[0] != inputs.ndim:
        raise ValueError(
            "First dim of `coordinates` must be the same as the rank of `inputs`. Received inputs "
            f"with shape: {inputs.shape} and coordinate leading dim of {coordinates.shape[0]}"
        )
    return jax.scipy.ndimage.map_coordinates(
        inputs, list(coordinates), order, fill_mode, fill_value
    )


def _sample(
    x: jax.Array, rows: jax.Array, columns: jax.Array, order: int, mode: str, fill_value: ArrayLike
) -> jax.Array:
    """Returns the pixels of a batch at `rows` and `columns`, of shape (batch, height, width)."""

    def channel(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        return jax.scipy.ndimage.map_coordinates(x, [rows, columns], order, mode, fill_value)

    def image(x: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
        return jax.vmap(channel, in_axes=(-1, None, None), out_axes=-1)(x, rows, columns)

    return jax.vmap(image)(x, rows, columns)


def _grid(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the row and the column of each pixel of a batch of images, as floats."""
    rows, columns = jnp.meshgrid(jnp.arange(x.shape[1]), jnp.arange(x.shape[2]), indexing="ij")
    return rows.astype("float32"), columns.astype("float32")


@op
def affine_transform(
    images: ArrayLike,
    transform: ArrayLike,
    interpolation: str = "bilinear",
    fill_mode: str = "constant",
    fill_value: float = 0,
    data_format: str | None = None,
) -> jax.Array:
    """Turns, shears, scales and shifts images.

    Args:
        images: One image or a batch.
        transform: Eight numbers `a0, a1, a2, b0, b1, b2, 0, 0`, or eight for each image: the pixel
            in row `y` and column `x` of the result is the one in row `b0 * x + b1 * y + b2` and
            column `a0 * x + a1 * y + a2` of the image.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside of the images: `"constant"`, `"nearest"`, `"wrap"`, `"mirror"`
            or `"reflect"`.
        fill_value: The value outside for `"constant"`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras
        >>> shift = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]
        >>> keras.ops.image.affine_transform([[[1.0], [2.0], [3.0]]], shift).ravel().tolist()
        [2.0, 3.0, 0.0]
    """
    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, _FILL_MODES)
    _ranked(images, 3, 4)
    transform = jnp.asarray(as_array(transform))
    if transform.ndim not in (1, 2) or transform.shape[-1] != 8:
        raise ValueError(
            "Invalid transform rank: expected rank 1 (a single transform of 8 numbers) or rank 2 "
            "(a batch of transforms). "
            f"Received input with shape: transform.shape={transform.shape}"
        )

    def run(x: jax.Array) -> jax.Array:
        numbers = jnp.broadcast_to(transform, (x.shape[0], 8))
        a0, a1, a2, b0, b1, b2 = numbers.T[:6, :, None, None]
        rows, columns = _grid(x)
        sources = b0 * columns + b1 * rows + b2, a0 * columns + a1 * rows + a2
        return _sample(x, *sources, _ORDERS[interpolation], fill_mode, fill_value)

    return _channels_last(run, images, data_format)


def projection(start: jax.Array, end: jax.Array) -> jax.Array:
    """Returns the eight numbers of the projection that takes four points `end` to `start`."""
    (x, y), (u, v) = end.T, start.T
    zero, one = jnp.zeros(4), jnp.ones(4)
    upper = jnp.stack([x, y, one, zero, zero, zero, -x * u, -y * u], axis=1)
    lower = jnp.stack([zero, zero, zero, x, y, one, -x * v, -y * v], axis=1)
    return jnp.linalg.solve(jnp.concatenate([upper, lower]), jnp.concatenate([u, v]))


@op
def perspective_transform(
    images: ArrayLike,
    start_points: ArrayLike,
    end_points: ArrayLike,
    interpolation: str = "bilinear",
    fill_value: float = 0,
    data_format: str | None = None,
) -> jax.Array:
    """Moves four points of images elsewhere, and what lies between along straight lines.

    Args:
        images: One image or a batch.
        start_points: Four points (column, row), of shape `(4, 2)` or `(batch, 4, 2)`.
        end_points: Where they come to.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_value: The value outside of the images.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    _one_of("interpolation", interpolation, _ORDERS)
    _ranked(images, 3, 4)
    points = {"start_points": start_points, "end_points": end_points}
    for name, value in points.items():
        points[name] = value = jnp.asarray(as_array(value), "float32")
        if value.ndim not in (2, 3) or value.shape[-2:] != (4, 2):
            raise ValueError(
                f"Invalid {name} shape: expected (4,2) for a single image or (N,4,2) for a batch. "
                f"Received shape: {value.shape}"
            )

    def run(x: jax.Array) -> jax.Array:
        start, end = (jnp.broadcast_to(p, (x.shape[0], 4, 2)) for p in points.values())
        a0, a1, a2, b0, b1, b2, c0, c1 = jax.vmap(projection)(start, end).T[:, :, None, None]
        rows, columns = _grid(x)
        depth = c0 * columns + c1 * rows + 1
        sources = (
            (b0 * columns + b1 * rows + b2) / depth,
            (a0 * columns + a1 * rows + a2) / depth,
        )
        return _sample(x, *sources, _ORDERS[interpolation], "constant", fill_value)

    return _channels_last(run, images, data_format)


@op
def elastic_transform(
    images: ArrayLike,
    alpha: float = 20.0,
    sigma: float = 5.0,
    interpolation: str = "bilinear",
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    seed: Seed = None,
    data_format: str | None = None,
) -> jax.Array:
    """Distorts images by smooth random shifts (Simard et al., 2003).

    Args:
        images: One image or a batch.
        alpha: How far pixels are shifted.
        sigma: Over how many pixels shifts are smoothed.
        interpolation: `"bilinear"` or `"nearest"`.
        fill_mode: What lies outside of the images: see `affine_transform`.
        fill_value: The value outside for `"constant"`.
        seed: An integer, a `SeedGenerator`, a key or None.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    _one_of("interpolation", interpolation, _ORDERS)
    _one_of("fill_mode", fill_mode, _FILL_MODES)

    def run(x: jax.Array) -> jax.Array:
        size = 2 * int(3 * sigma) + 1
        kernel = jnp.outer(_gauss(size, sigma), _gauss(size, sigma))
        shifts = jax.random.normal(as_key(seed), (*x.shape[:3], 2))
        shifts = alpha * _filter(shifts, kernel, "SAME")
        rows, columns = _grid(x)
        sources = rows + shifts[..., 0], columns + shifts[..., 1]
        return _sample(x, *sources, _ORDERS[interpolation], fill_mode, fill_value)

    return _channels_last(run, images, data_format)
