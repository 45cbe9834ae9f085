"""`tf.strings` and `tf.image` of the stand-in for TensorFlow: what notebooks ask of them.

Text is NumPy's, since JAX has none; its patterns are those of Python's `re`. Functions of images
take one image or a batch, with channels last.
"""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import ops, random
from jkeras.base.types import ArrayLike


def text(value: Any) -> Any:
    """Returns a string, or an array of them, of what may be bytes."""
    array = np.asarray(value)
    found = [t.decode() if isinstance(t, bytes) else str(t) for t in array.ravel().tolist()]
    return np.asarray(found, dtype=np.str_).reshape(array.shape)


def _each(function: Callable[..., Any], dtype: Any = np.str_) -> Callable[..., Any]:
    def call(input: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        array = text(input)
        found = [function(t, *args, **kwargs) for t in array.ravel().tolist()]
        return np.asarray(found, dtype=dtype).reshape(array.shape)

    return call


def _lower(t: str, encoding: str = "") -> str:
    return t.lower()


def _upper(t: str, encoding: str = "") -> str:
    return t.upper()


def _length(t: str, unit: str = "BYTE") -> int:
    return len(t.encode() if unit == "BYTE" else t)


def _substr(t: str, pos: int, len: int, unit: str = "BYTE") -> str:
    pos, end = int(pos), int(pos) + int(len)
    return t.encode()[pos:end].decode(errors="replace") if unit == "BYTE" else t[pos:end]


def _regex_replace(t: str, pattern: str, rewrite: str, replace_global: bool = True) -> str:
    return re.sub(str(pattern), str(rewrite), t, count=0 if replace_global else 1)


def _regex_full_match(t: str, pattern: str) -> bool:
    return re.fullmatch(str(pattern), t) is not None


def _to_number(input: Any, out_type: Any = "float32", name: Any = None) -> Any:
    return text(input).astype(getattr(out_type, "name", out_type))


def _as_string(input: Any, precision: int = -1, name: Any = None, **kwargs: Any) -> Any:
    array = np.asarray(input)
    write = str if precision < 0 else lambda v: f"{v:.{precision}f}"
    return text(np.asarray([write(v) for v in array.ravel().tolist()]).reshape(array.shape))


def _parts(split: Callable[..., list[str]]) -> Callable[..., Any]:
    def call(input: Any, *args: Any, name: str | None = None, **kwargs: Any) -> Any:
        array = text(input)
        if array.ndim:
            raise NotImplementedError(
                "jkeras's stand-in for TensorFlow splits one string at a time: those of an array "
                "differ in length. Use a list, or keras.layers.TextVectorization."
            )
        return np.asarray(split(array.item(), *args, **kwargs), dtype=np.str_)

    return call


def _split(t: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return t.split(sep or None, maxsplit)


def _characters(t: str, input_encoding: str = "UTF-8") -> list[str]:
    return list(t)


def _join(inputs: Any, separator: str = "", name: Any = None) -> Any:
    arrays = np.broadcast_arrays(*map(text, inputs))
    found = [separator.join(parts) for parts in zip(*(a.ravel() for a in arrays), strict=True)]
    return np.asarray(found, dtype=np.str_).reshape(arrays[0].shape)


def _reduce_join(
    inputs: Any, axis: Any = None, keepdims: bool = False, separator: str = "", name: Any = None
) -> Any:
    array = text(inputs)
    if axis is None:
        return np.asarray(separator.join(array.ravel().tolist()))
    found = np.apply_along_axis(
        lambda parts: np.asarray(separator.join(parts.tolist()), object), axis, array
    )
    return text(np.expand_dims(found, axis) if keepdims else found)


# ------------------------------------------------------------------ images
def crop_to_box(image: ArrayLike, top: int, left: int, height: int, width: int) -> ArrayLike:
    """Returns a part of an image."""
    return image[..., top : top + height, left : left + width, :]


def pad_to_box(image: ArrayLike, top: int, left: int, height: int, width: int) -> ArrayLike:
    """Returns an image with zeros around it, of the height and width that are asked for."""
    own = image.shape[-3:-1]
    sides = [(top, height - top - own[0]), (left, width - left - own[1]), (0, 0)]
    return ops.pad(image, [(0, 0)] * (len(image.shape) - 3) + sides)


def _crop_or_pad(image: Any, target_height: int, target_width: int) -> Any:
    image = ops.convert_to_tensor(image)
    own, wanted = image.shape[-3:-1], (int(target_height), int(target_width))
    starts = [max((a - b) // 2, 0) for a, b in zip(own, wanted, strict=True)]
    image = crop_to_box(image, *starts, *map(min, own, wanted))
    top, left = (max((b - a) // 2, 0) for a, b in zip(own, wanted, strict=True))
    return pad_to_box(image, top, left, *wanted)


def _resize_with_pad(
    image: Any,
    target_height: int,
    target_width: int,
    method: str = "bilinear",
    antialias: bool = False,
) -> Any:
    image = ops.convert_to_tensor(image)
    own, wanted = image.shape[-3:-1], (int(target_height), int(target_width))
    ratio = max(a / b for a, b in zip(own, wanted, strict=True))
    size = tuple(int(n / ratio) for n in own)
    resized = ops.image.resize(
        image.astype("float32"), size, interpolation=method, antialias=antialias
    )
    top, left = (max(int((b - a / ratio) / 2), 0) for a, b in zip(own, wanted, strict=True))
    return pad_to_box(resized, top, left, *wanted)


def _crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: Any = None,
) -> Any:
    images = jnp.asarray(image).astype("float32")
    order = {"bilinear": 1, "nearest": 0}[method]

    def points(start: Any, end: Any, size: int, count: int) -> Any:
        if count == 1:
            return (start + end)[None] / 2 * (size - 1)
        return (start + (end - start) * jnp.arange(count) / (count - 1)) * (size - 1)

    def one(box: Any, index: Any) -> Any:
        height, width = images.shape[1:3]
        y = points(box[0], box[2], height, int(crop_size[0]))
        x = points(box[1], box[3], width, int(crop_size[1]))
        grid = jnp.meshgrid(y, x, indexing="ij")
        cut = jax.vmap(
            lambda channel: jax.scipy.ndimage.map_coordinates(channel, grid, order, "nearest"),
            in_axes=-1,
            out_axes=-1,
        )(images[index])
        inside = ((y >= 0) & (y <= height - 1))[:, None] & ((x >= 0) & (x <= width - 1))
        return jnp.where(inside[..., None], cut, extrapolation_value)

    boxes = jnp.asarray(boxes, "float32")
    return jax.vmap(one)(boxes, jnp.asarray(box_indices))


def _random_crop(value: Any, size: Any, seed: Any = None, name: Any = None) -> Any:
    value = jnp.asarray(value)
    sizes = [n if int(s) == -1 else int(s) for n, s in zip(value.shape, size, strict=True)]
    if any(s > n for n, s in zip(value.shape, sizes, strict=True)):
        raise ValueError(f"A crop of {sizes} does not fit into an array of shape {value.shape}.")
    starts = [
        random.randint((), 0, n - s + 1, seed=seed) for n, s in zip(value.shape, sizes, strict=True)
    ]
    return jax.lax.dynamic_slice(value, starts, sizes)


def _standardize(image: Any) -> Any:
    image = ops.cast(image, "float32")
    axes, size = (-3, -2, -1), float(np.prod(image.shape[-3:]))
    deviation = ops.maximum(ops.std(image, axis=axes, keepdims=True), 1 / size**0.5)
    return (image - ops.mean(image, axis=axes, keepdims=True)) / deviation


def _adjust_contrast(images: Any, contrast_factor: Any) -> Any:
    images = ops.cast(images, "float32")
    mean = ops.mean(images, axis=(-3, -2), keepdims=True)
    return (images - mean) * contrast_factor + mean


def _random_brightness(image: Any, max_delta: float, seed: Any = None) -> Any:
    return ops.add(image, random.uniform((), -max_delta, max_delta, seed=seed))


def _random_contrast(image: Any, lower: float, upper: float, seed: Any = None) -> Any:
    return _adjust_contrast(image, random.uniform((), lower, upper, seed=seed))


TEXT: dict[str, Any] = {
    "strings.as_string": _as_string,
    "strings.join": _join,
    "strings.length": _each(_length, np.int32),
    "strings.lower": _each(_lower),
    "strings.reduce_join": _reduce_join,
    "strings.regex_full_match": _each(_regex_full_match, np.bool_),
    "strings.regex_replace": _each(_regex_replace),
    "strings.split": _parts(_split),
    "strings.strip": _each(str.strip),
    "strings.substr": _each(_substr),
    "strings.to_number": _to_number,
    "strings.unicode_split": _parts(_characters),
    "strings.upper": _each(_upper),
}
IMAGES: dict[str, Any] = {
    "image.adjust_contrast": _adjust_contrast,
    "image.crop_and_resize": _crop_and_resize,
    "image.crop_to_bounding_box": crop_to_box,
    "image.pad_to_bounding_box": pad_to_box,
    "image.per_image_standardization": _standardize,
    "image.random_brightness": _random_brightness,
    "image.random_contrast": _random_contrast,
    "image.random_crop": _random_crop,
    "image.resize_with_crop_or_pad": _crop_or_pad,
    "image.resize_with_pad": _resize_with_pad,
    "image.rot90": lambda image, k=1, name=None: ops.rot90(image, k=k, axes=(-3, -2)),
}
