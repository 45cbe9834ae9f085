"""Images: to and from arrays and files, and resizing. Pillow is imported where it is used."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.extras import missing
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.ops.host_image import INTERPOLATIONS as INTERPOLATIONS
from jkeras.ops.host_image import resize as resize

_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise missing("Images are read and written with Pillow", "pillow", "image") from None
    return Image


def array_to_img(
    x: ArrayLike, data_format: str | None = None, scale: bool = True, dtype: DTypeLike = None
) -> Any:
    """Makes a Pillow image of an array.

    Args:
        x: An array of shape (height, width, channels), with 1, 3 or 4 channels.
        data_format: `"channels_last"`, or `"channels_first"` for shape (channels, height, width);
            the global setting by default.
        scale: Whether to stretch the values to 0...255.
        dtype: The dtype to compute in; the global float type by default.

    Raises:
        ValueError: If the shape is not that of an image.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.utils.array_to_img(np.zeros((2, 3, 1))).size
        (3, 2)
        >>> keras.utils.array_to_img(np.array([[[0.0], [1.0]]])).getpixel((1, 0))
        255
    """
    image = _pillow()
    x = np.asarray(x, dtype or settings.floatx())
    if x.ndim != 3:
        raise ValueError(
            f"Expected image array to have rank 3 (single image). Got array with shape: {x.shape}"
        )
    if settings.standardize_data_format(data_format) == "channels_first":
        x = x.transpose(1, 2, 0)
    if scale:
        x = x - np.min(x)
        highest = np.max(x)
        x = x / highest * 255 if highest else x
    if x.shape[2] in (3, 4):
        return image.fromarray(x.astype("uint8"))
    if x.shape[2] != 1:
        raise ValueError(f"Unsupported channel number: {x.shape[2]}")
    return image.fromarray(x[..., 0].astype("int32" if np.max(x) > 255 else "uint8"))


def img_to_array(
    img: ArrayLike, data_format: str | None = None, dtype: DTypeLike = None
) -> np.ndarray:
    """Makes an array of a Pillow image.

    Args:
        img: The image.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        dtype: The dtype; the global float type by default.

    Returns:
        An array of shape (height, width, channels) or (channels, height, width).

    Example:
        >>> import jkeras as keras
        >>> from PIL import Image
        >>> keras.utils.img_to_array(Image.new("RGB", (3, 2))).shape
        (2, 3, 3)
        >>> keras.utils.img_to_array([[[1, 2, 3]]]).tolist()
        [[[1.0, 2.0, 3.0]]]
    """
    first = settings.standardize_data_format(data_format) == "channels_first"
    x = np.array(img, dtype or settings.floatx())
    if x.ndim == 2:
        return x[None] if first else x[..., None]
    if x.ndim != 3:
        raise ValueError(f"Unsupported image shape: {x.shape}")
    return x.transpose(2, 0, 1) if first else x


def save_img(
    path: Any,
    x: ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array to an image file.

    Args:
        path: The path, or a file.
        x: An array of shape (height, width, channels), with 1, 3 or 4 channels.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        file_format: The format; seen from the path's ending by default.
        scale: Whether to stretch the values to 0...255.
        **kwargs: Further arguments of Pillow's `Image.save`.
    """
    img = array_to_img(x, data_format=data_format, scale=scale)
    if file_format is None and isinstance(path, (str, os.PathLike)):
        ending = Path(path).suffix.removeprefix(".").lower()
    else:
        ending = (file_format or "").lower()
    if img.mode == "RGBA" and ending in ("jpg", "jpeg"):
        img = img.convert("RGB")  # JPEG has no transparency
    file_format = "jpeg" if file_format == "jpg" else file_format
    img.save(path, format=file_format, **kwargs)


def load_img(
    path: Any,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file into a Pillow image.

    Args:
        path: The path, or an `io.BytesIO`.
        color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
        target_size: The (height, width) to resize to.
        interpolation: How: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or
            `"lanczos"`.
        keep_aspect_ratio: Whether to cut the image's middle to the target's aspect ratio before.

    Raises:
        ValueError: If a word is unknown.

    Example:
        >>> import io, jkeras as keras, numpy as np
        >>> file = io.BytesIO()
        >>> keras.utils.array_to_img(np.zeros((2, 3, 1))).save(file, "png")
        >>> keras.utils.load_img(file, color_mode="grayscale").getpixel((0, 0))
        0
    """
    image = _pillow()
    if not isinstance(path, (str, os.PathLike, io.BytesIO)):
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    if color_mode not in _MODES:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    with image.open(path) as opened:
        # Grey images of 16 and 32 bits keep their depth.
        is_grey = opened.mode in ("L", "I;16", "I")
        keep = color_mode == "grayscale" and is_grey
        img = opened.copy() if keep else opened.convert(_MODES[color_mode])
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    methods = {m.name.lower(): m for m in image.Resampling}
    if interpolation not in methods:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. "
            f"Supported methods are {', '.join(methods)}"
        )
    box = None
    if keep_aspect_ratio:
        height, width = crop_size(img.size[::-1], target_size)
        left, top = (img.width - width) // 2, (img.height - height) // 2
        box = (left, top, left + width, top + height)
    return img.resize((target_size[1], target_size[0]), methods[interpolation], box=box)


def crop_size(size: tuple[int, ...], target: tuple[int, int]) -> tuple[int, int]:
    """Returns the largest size within `size` of the aspect ratio of `target`."""
    (height, width), (target_height, target_width) = size, target
    return (
        min(height, max(1, int(width * target_height / target_width))),
        min(width, max(1, int(height * target_width / target_height))),
    )


# ------------------------------------------------------------------ resizing
def smart_resize(
    x: ArrayLike,
    size: tuple[int, int],
    interpolation: str = "bilinear",
    data_format: str = "channels_last",
) -> np.ndarray:
    """Resizes images without distorting them: what does not fit the aspect ratio is cut off.

    Args:
        x: Images, of shape (height, width, channels) or (batch_size, height, width, channels).
        size: The new (height, width).
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        data_format: `"channels_last"`; or `"channels_first"`, for shapes
            (..., channels, height, width).

    Returns:
        A float32 NumPy array.

    Raises:
        ValueError: If a shape, a size or a word is wrong.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.preprocessing.image.smart_resize(np.ones((6, 9, 3)), (2, 2)).shape
        (2, 2, 3)
    """
    if len(size) != 2:
        raise ValueError(f"Expected `size` to be a tuple of 2 integers, but got: {size}.")
    if min(size) < 1:
        raise ValueError(f"`size` must have positive height and width. Received: size={size}")
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            "Invalid value for argument `interpolation`. "
            f"Expected of one {INTERPOLATIONS}. Received: interpolation={interpolation}"
        )
    x = np.asarray(x, "float32")
    if x.ndim not in (3, 4):
        raise ValueError(
            "Expected an image array with shape `(height, width, channels)`, or `(batch_size, "
            "height, width, channels)`, but got input with incorrect rank, of shape "
            f"{x.shape}."
        )
    if settings.standardize_data_format(data_format) == "channels_first":
        resized = smart_resize(np.moveaxis(x, -3, -1), size, interpolation)
        return np.moveaxis(resized, -1, -3)
    height, width = crop_size(x.shape[-3:-1], size)
    top, left = (x.shape[-3] - height) // 2, (x.shape[-2] - width) // 2
    return resize(x[..., top : top + height, left : left + width, :], size, interpolation)


def pad_resize(x: np.ndarray, size: tuple[int, int], interpolation: str = "bilinear") -> np.ndarray:
    """Resizes an image to the largest that fits into `size` undistorted; zeros fill the rest."""
    old = x.shape[-3:-1]
    ratio = max(old[0] / size[0], old[1] / size[1])
    # Rounded as TensorFlow's resize_with_pad rounds.
    height, width = (max(1, int(n / ratio)) for n in old)
    top, left = (int((m - n / ratio) / 2) for n, m in zip(old, size, strict=True))
    padded = np.zeros((*x.shape[:-3], *size, x.shape[-1]), "float32")
    resized = resize(x, (height, width), interpolation)
    padded[..., top : top + height, left : left + width, :] = resized
    return padded
