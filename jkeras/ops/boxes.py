"""Formats of boxes around objects in images, for layers and `keras.utils.bounding_boxes`."""

from collections.abc import Mapping
from typing import Any

from jkeras.base.types import ArrayLike, DTypeLike, Structure
from jkeras.core import host

FORMATS = (
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
)


def _to_xyxy(kind: str, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    if kind == "yxyx":
        return b, a, d, c
    if kind == "xywh":
        return a, b, a + c, b + d
    if kind == "center_xywh":
        return a - c / 2, b - d / 2, a + c / 2, b + d / 2
    if kind == "center_yxhw":
        return b - d / 2, a - c / 2, b + d / 2, a + c / 2
    return a, b, c, d


def _from_xyxy(kind: str, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, ...]:
    if kind == "yxyx":
        return b, a, d, c
    if kind == "xywh":
        return a, b, c - a, d - b
    if kind == "center_xywh":
        return (a + c) / 2, (b + d) / 2, c - a, d - b
    if kind == "center_yxhw":
        return (b + d) / 2, (a + c) / 2, d - b, c - a
    return a, b, c, d


def convert_format(
    boxes: Structure,
    source: str,
    target: str,
    height: ArrayLike = None,
    width: ArrayLike = None,
    dtype: DTypeLike = "float32",
) -> Structure:
    """Returns boxes in another format.

    Args:
        boxes: Numbers (..., 4); or a dict with such `"boxes"`, whose other entries stay.
        source: The format they have.
        target: The format they are to have.
        height: The images' height, one or one for each; for formats relative to it.
        width: Their width.
        dtype: The dtype of the result.

    Raises:
        ValueError: If a format is unknown, or the images' size is needed and missing.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> boxes = np.array([[10.0, 20.0, 30.0, 60.0]])
        >>> keras.utils.bounding_boxes.convert_format(boxes, "xyxy", "xywh").tolist()
        [[10.0, 20.0, 20.0, 40.0]]
    """
    if isinstance(boxes, Mapping):
        converted = convert_format(boxes["boxes"], source, target, height, width, dtype)
        return {**boxes, "boxes": converted}
    source, target = str(source).lower(), str(target).lower()
    if source not in FORMATS or target not in FORMATS:
        raise ValueError(
            f"Invalid source or target format. Supported formats: {FORMATS}. "
            f"Received: source={source!r}, target={target!r}"
        )
    xp = host.array_module()
    boxes = xp.asarray(boxes, dtype)
    if boxes.shape[-1:] != (4,):
        raise ValueError(
            "`boxes` must be a tensor with the last dimension of 4. "
            f"Received: boxes.shape={boxes.shape}"
        )
    relative = source.startswith("rel_"), target.startswith("rel_")
    if relative[0] != relative[1] and (height is None or width is None):
        raise ValueError(
            "convert_format() must receive `height` and `width` transforming between relative and "
            f"absolute formats. convert_format() received source=`{source}`, target=`{target}`, "
            f"but height={height} and width={width}."
        )
    corners = _to_xyxy(source.removeprefix("rel_"), *xp.moveaxis(boxes, -1, 0))
    if relative[0] != relative[1]:
        sizes = [xp.asarray(n, dtype) for n in (width, height)]
        sizes = [n.reshape(n.shape + (1,) * (boxes.ndim - 1 - n.ndim)) for n in sizes]
        factors = [n if relative[0] else 1 / n for n in sizes] * 2
        corners = tuple(x * f for x, f in zip(corners, factors, strict=True))
    return xp.stack(_from_xyxy(target.removeprefix("rel_"), *corners), -1)


def clip_to_image_size(
    bounding_boxes: Mapping[str, Any],
    height: ArrayLike = None,
    width: ArrayLike = None,
    bounding_box_format: str = "xyxy",
) -> dict[str, Any]:
    """Cuts boxes at the edges of their images; what lies outside is labelled -1.

    Args:
        bounding_boxes: A dict of `"boxes"` (..., 4) and `"labels"` (...).
        height: The images' height.
        width: Their width.
        bounding_box_format: The boxes' format.

    Raises:
        ValueError: If the size is missing.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> boxes = {"boxes": np.array([[2.0, 2.0, 9.0, 9.0]]), "labels": np.array([1])}
        >>> clipped = keras.utils.bounding_boxes.clip_to_image_size(boxes, 5, 6)
        >>> clipped["boxes"].tolist()
        [[2.0, 2.0, 6.0, 5.0]]
    """
    xp = host.array_module()
    boxes, labels = bounding_boxes["boxes"], xp.asarray(bounding_boxes["labels"])
    relative = bounding_box_format.startswith("rel_")
    if not relative and (height is None or width is None):
        raise ValueError(f"`height` and `width` must be set if `format={bounding_box_format!r}`.")
    right, bottom = (1, 1) if relative else (width, height)
    kind = bounding_box_format.removeprefix("rel_")
    corners = convert_format(boxes, kind, "xyxy")
    limits = xp.asarray([right, bottom, right, bottom], corners.dtype)
    corners = xp.clip(corners, 0, limits)
    area = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
    return {
        **bounding_boxes,
        "boxes": convert_format(corners, "xyxy", kind),
        "labels": xp.where(area > 0, labels, -1),
    }
