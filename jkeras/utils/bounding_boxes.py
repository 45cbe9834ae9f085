"""Boxes around objects in images: formats, overlaps, and what moves with an image.

Formats: `xyxy` (left, top, right, bottom), `yxyx`, `xywh` (left, top, width, height),
`center_xywh`, `center_yxhw`; and with `rel_` in front of the first three and of `center_xywh`, as
parts of the image.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.types import ArrayLike, Structure
from jkeras.ops.boxes import FORMATS as FORMATS
from jkeras.ops.boxes import clip_to_image_size as clip_to_image_size
from jkeras.ops.boxes import convert_format as convert_format


def _in_corners(
    boxes: ArrayLike,
    bounding_box_format: str,
    height: ArrayLike,
    width: ArrayLike,
    change: Callable[..., Any],
) -> ArrayLike:
    """Changes boxes as `xyxy`, and returns them in the format that they had."""
    of_boxes = jnp.asarray(boxes, "float32")
    corners = convert_format(of_boxes, bounding_box_format, "xyxy", height, width)
    changed = jnp.stack(change(*jnp.moveaxis(corners, -1, 0)), -1)
    return convert_format(changed, "xyxy", bounding_box_format, height, width)


def crop(
    boxes: Structure,
    top: ArrayLike,
    left: ArrayLike,
    height: ArrayLike,
    width: ArrayLike,
    bounding_box_format: str = "xyxy",
) -> Structure:
    """Returns boxes in the coordinates of a part of the image, cut at its edges.

    Args:
        boxes: Numbers (..., 4).
        top: The row at which the part begins.
        left: The column at which it begins.
        height: Its height.
        width: Its width.
        bounding_box_format: The boxes' format, an absolute one.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> boxes = np.array([[2.0, 2.0, 9.0, 9.0]])
        >>> keras.utils.bounding_boxes.crop(boxes, 1, 2, 5, 5).tolist()
        [[0.0, 1.0, 5.0, 5.0]]
    """
    _absolute("crop", bounding_box_format)

    def move(x0: Any, y0: Any, x1: Any, y1: Any) -> list[Any]:
        xs, ys = [jnp.clip(x - left, 0, width) for x in (x0, x1)], (y0, y1)
        ys = [jnp.clip(y - top, 0, height) for y in ys]  # type: ignore[assignment]
        return [xs[0], ys[0], xs[1], ys[1]]

    return _in_corners(boxes, bounding_box_format, None, None, move)


def pad(
    boxes: Structure,
    top: ArrayLike,
    left: ArrayLike,
    height: ArrayLike = None,
    width: ArrayLike = None,
    bounding_box_format: str = "xyxy",
) -> Structure:
    """Returns boxes in the coordinates of an image with an edge around it.

    Args:
        boxes: Numbers (..., 4).
        top: The rows above.
        left: The columns to the left.
        height: The height; it changes nothing for absolute formats.
        width: The width; likewise.
        bounding_box_format: The boxes' format, an absolute one.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.utils.bounding_boxes.pad(np.array([[2.0, 2.0, 9.0, 9.0]]), 1, 3).tolist()
        [[5.0, 3.0, 12.0, 10.0]]
    """
    _absolute("pad", bounding_box_format)

    def move(x0: Any, y0: Any, x1: Any, y1: Any) -> list[Any]:
        return [x0 + left, y0 + top, x1 + left, y1 + top]

    return _in_corners(boxes, bounding_box_format, None, None, move)


def _absolute(name: str, bounding_box_format: str) -> None:
    if bounding_box_format not in FORMATS or bounding_box_format.startswith("rel_"):
        raise NotImplementedError(
            f"{name}() takes boxes in one of {FORMATS[:5]}, got "
            f"bounding_box_format={bounding_box_format!r}: use convert_format() first."
        )


# ------------------------------------------------------------------ overlaps
def compute_iou(
    boxes1: ArrayLike,
    boxes2: ArrayLike,
    bounding_box_format: str,
    use_masking: bool = False,
    mask_val: int = -1,
    image_shape: tuple | None = None,
) -> jax.Array:
    """Returns of each pair of boxes what they share, divided by what they cover.

    Args:
        boxes1: Numbers ([batch], m, 4).
        boxes2: Numbers ([batch], n, 4).
        bounding_box_format: The format of both.
        use_masking: Whether pairs with a box of `mask_val` give -1.
        mask_val: What stands in rows without a box.
        image_shape: The images' shape, for relative formats.

    Returns:
        Numbers ([batch], m, n).

    Example:
        >>> import jkeras as keras, numpy as np
        >>> a, b = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[0.0, 0.0, 1.0, 2.0]])
        >>> keras.utils.bounding_boxes.compute_iou(a, b, "xyxy").tolist()
        [[0.5]]
    """
    a, b = (_pairable(name, x) for name, x in (("boxes1", boxes1), ("boxes2", boxes2)))
    height, width = _image_size(image_shape)
    target = "rel_yxyx" if bounding_box_format.startswith("rel") else "yxyx"
    a, b = (convert_format(x, bounding_box_format, target, height, width) for x in (a, b))
    low = jnp.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = jnp.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    shared = jnp.prod(jnp.maximum(high - low, 0), -1)
    areas = [jnp.prod(jnp.maximum(x[..., 2:] - x[..., :2], 0), -1) for x in (a, b)]
    union = areas[0][..., :, None] + areas[1][..., None, :] - shared
    result = jnp.where(union > 0, shared / jnp.where(union > 0, union, 1), 0.0)
    if not use_masking:
        return result
    masked = [jnp.all(x == mask_val, -1) for x in (jnp.asarray(boxes1), jnp.asarray(boxes2))]
    return jnp.where(masked[0][..., :, None] | masked[1][..., None, :], -1.0, result)


def _pairable(name: str, boxes: ArrayLike) -> jax.Array:
    boxes = jnp.asarray(boxes, "float32")
    if boxes.ndim not in (2, 3):
        raise ValueError(
            f"compute_iou() expects {name} to be batched, or to be unbatched: rank 2 or 3. "
            f"Received: {name}.shape={boxes.shape}"
        )
    return boxes


def _image_size(image_shape: ArrayLike) -> tuple[Any, Any]:
    return (None, None) if image_shape is None else (image_shape[0], image_shape[1])


def compute_ciou(
    boxes1: ArrayLike, boxes2: ArrayLike, bounding_box_format: str, image_shape: tuple | None = None
) -> jax.Array:
    """Returns the complete intersection over union of boxes, one by one (Zheng et al., 2021).

    It is less than the intersection over union by the distance of the centers, and by how much the
    ratios of the sides differ.

    Args:
        boxes1: Numbers (..., 4).
        boxes2: Numbers (..., 4).
        bounding_box_format: The format of both.
        image_shape: The images' shape, for relative formats.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> a = np.array([[0.0, 0.0, 2.0, 2.0]])
        >>> keras.utils.bounding_boxes.compute_ciou(a, a, "xyxy").round(3).tolist()
        [1.0]
    """
    height, width = _image_size(image_shape)
    target = "rel_xyxy" if bounding_box_format.startswith("rel") else "xyxy"
    a, b = (convert_format(x, bounding_box_format, target, height, width) for x in (boxes1, boxes2))
    epsilon = 1e-7
    low, high = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    sides = [x[..., 2:] - x[..., :2] for x in (a, b)]
    sides = [jnp.stack([s[..., 0], s[..., 1] + epsilon], -1) for s in sides]
    shared = jnp.prod(jnp.maximum(high - low, 0), -1)
    union = jnp.prod(sides[0], -1) + jnp.prod(sides[1], -1) - shared + epsilon
    iou = shared / union
    hull = jnp.maximum(a[..., 2:], b[..., 2:]) - jnp.minimum(a[..., :2], b[..., :2])
    centers = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    distance = jnp.sum(jnp.square(centers), -1)
    angles = [jnp.arctan(s[..., 0] / s[..., 1]) for s in sides]
    v = jnp.square((2 / jnp.pi) * (angles[1] - angles[0]))
    alpha = v / (v - iou + (1 + epsilon))
    return iou - (distance / (jnp.sum(jnp.square(hull), -1) + epsilon) + v * alpha)


# ------------------------------------------------------------------ anchors
def encode_box_to_deltas(
    anchors: ArrayLike,
    boxes: ArrayLike,
    anchor_format: str,
    box_format: str,
    encoding_format: str = "center_yxhw",
    variance: Sequence[float] | None = None,
    image_shape: tuple | None = None,
) -> jax.Array:
    """Returns boxes as what has to be done to anchors: shifts, and logarithms of sizes.

    Args:
        anchors: Numbers (n, 4).
        boxes: Numbers ([batch], n, 4).
        anchor_format: The anchors' format.
        box_format: The boxes' format.
        encoding_format: `"center_yxhw"` or `"center_xywh"`: the order of the result.
        variance: Four numbers that the result is divided by.
        image_shape: The images' shape, for relative formats.

    Raises:
        ValueError: If a format is unknown, or `variance` is not four numbers.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> anchor, box = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])
        >>> encode = keras.utils.bounding_boxes.encode_box_to_deltas
        >>> encode(anchor, box, "xyxy", "xyxy").tolist()
        [[0.0, 0.5, 0.0, 0.0]]
    """
    factors = _check_encoding(encoding_format, variance)
    height, width = _image_size(image_shape)
    a = convert_format(anchors, anchor_format, encoding_format, height, width)
    b = convert_format(boxes, box_format, encoding_format, height, width)
    sizes = [jnp.maximum(x[..., 2:], 1e-7) for x in (a, b)]
    shifts = (b[..., :2] - a[..., :2]) / sizes[0]
    return jnp.concatenate([shifts, jnp.log(sizes[1] / sizes[0])], -1) / factors


def decode_deltas_to_boxes(
    anchors: ArrayLike,
    boxes_delta: ArrayLike,
    anchor_format: str,
    box_format: str,
    encoded_format: str = "center_yxhw",
    variance: Sequence[float] | None = None,
    image_shape: tuple | None = None,
) -> Structure:
    """Returns the boxes that `encode_box_to_deltas` encoded.

    Args:
        anchors: Numbers (n, 4); or a dict of such.
        boxes_delta: Numbers ([batch], n, 4); or a dict of such.
        anchor_format: The anchors' format.
        box_format: The format of the result.
        encoded_format: The format of the deltas.
        variance: Four numbers that the deltas were divided by.
        image_shape: The images' shape, for relative formats.

    Raises:
        ValueError: If a format is unknown, or `variance` is not four numbers.
    """
    factors = _check_encoding(encoded_format, variance)
    height, width = _image_size(image_shape)

    def decode(anchor: Any, delta: Any) -> Any:
        a = convert_format(anchor, anchor_format, encoded_format, height, width)
        delta = jnp.asarray(delta, "float32") * factors
        centers = delta[..., :2] * a[..., 2:] + a[..., :2]
        boxes = jnp.concatenate([centers, jnp.exp(delta[..., 2:]) * a[..., 2:]], -1)
        return convert_format(boxes, encoded_format, box_format, height, width)

    if isinstance(anchors, Mapping) and isinstance(boxes_delta, Mapping):
        return {k: decode(anchors[k], boxes_delta[k]) for k in boxes_delta}
    return decode(anchors, boxes_delta)


def _check_encoding(encoding_format: str, variance: ArrayLike) -> ArrayLike:
    if encoding_format not in ("center_xywh", "center_yxhw"):
        raise ValueError(
            "`encoding_format` should be one of 'center_xywh' or 'center_yxhw', got "
            f"{encoding_format}"
        )
    if variance is not None and len(variance) != 4:
        raise ValueError(f"`variance` must be length 4, got {variance}")
    return jnp.ones(4) if variance is None else jnp.asarray(variance, "float32")


# ------------------------------------------------------------------ affine maps
def affine_transform(
    boxes: ArrayLike,
    angle: ArrayLike,
    translate_x: ArrayLike,
    translate_y: ArrayLike,
    scale: ArrayLike,
    shear_x: ArrayLike,
    shear_y: ArrayLike,
    height: ArrayLike,
    width: ArrayLike,
    center_x: ArrayLike = None,
    center_y: ArrayLike = None,
    bounding_box_format: str = "xyxy",
) -> jax.Array:
    """Returns the boxes around boxes that were moved, turned, scaled and sheared, in this order.

    Args:
        boxes: Numbers (batch, boxes, 4).
        angle: The angle of each image, counter-clockwise in degrees.
        translate_x: How far each moves to the right, as a part of the width.
        translate_y: How far it moves down, as a part of the height.
        scale: By what factor it grows.
        shear_x: The horizontal shear, in degrees.
        shear_y: The vertical shear, in degrees.
        height: The images' height.
        width: Their width.
        center_x: The center of the rotation, as a part of the width; the middle by default.
        center_y: Likewise, of the height.
        bounding_box_format: The boxes' format.

    Raises:
        ValueError: If the format is unknown.
    """
    if bounding_box_format not in FORMATS:
        raise ValueError(
            f"Unsupported bounding_box_format: {bounding_box_format!r}. Expected one of {FORMATS}"
        )
    boxes = convert_format(boxes, bounding_box_format, "xyxy", height, width)
    x0, y0, x1, y1 = jnp.moveaxis(boxes, -1, 0)
    turn, sx, sy = (
        jnp.deg2rad(jnp.asarray(v, "float32"))[:, None, None] for v in (angle, shear_x, shear_y)
    )
    tx, ty, factor = (
        jnp.asarray(v, "float32")[:, None, None] for v in (translate_x, translate_y, scale)
    )
    cx = (0.5 if center_x is None else center_x) * (width - 1)
    cy = (0.5 if center_y is None else center_y) * (height - 1)
    x = jnp.stack([x0, x1, x1, x0], -1) - cx + tx * (width - 1)
    y = jnp.stack([y0, y0, y1, y1], -1) - cy + ty * (height - 1)
    cosine, sine = jnp.cos(turn), jnp.sin(turn)
    x, y = factor * (cosine * x + sine * y), factor * (cosine * y - sine * x)
    x, y = x + jnp.tan(sx) * y, y + jnp.tan(sy) * x
    x, y = x + cx, y + cy
    corners = jnp.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], -1)
    return convert_format(corners, "xyxy", bounding_box_format, height, width)
