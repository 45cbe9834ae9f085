"""Images with boxes and masks drawn on them, and galleries of images."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.extras import missing
from jkeras.base.types import ArrayLike
from jkeras.callbacks import curves
from jkeras.utils import bounding_boxes as boxes_module


def _as_pixels(images: ArrayLike, data_format: str | None) -> np.ndarray:
    """Returns a batch of images with channels last, as bytes."""
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise ValueError(f"`images` must be of rank 3 or 4. Received: images.shape={array.shape}")
    array = array[None] if array.ndim == 3 else array
    if settings.standardize_data_format(data_format) == "channels_first":
        array = np.moveaxis(array, 1, -1)
    return np.clip(array, 0, 255).astype("uint8")


def draw_bounding_boxes(
    images: ArrayLike,
    bounding_boxes: Mapping[str, Any],
    bounding_box_format: str,
    class_mapping: Mapping[int, str] | None = None,
    color: Sequence[int] = (128, 128, 128),
    line_thickness: int = 2,
    text_thickness: int = 1,
    font_scale: float = 1.0,
    data_format: str | None = None,
) -> np.ndarray:
    """Returns images with boxes drawn on them, and their labels.

    Args:
        images: Images of pixels from 0 to 255: one, or a batch.
        bounding_boxes: A dict of `"boxes"` (images, boxes, 4), `"labels"` (images, boxes) and, if
            you like, `"confidence"` (images, boxes). Labels of -1 are not drawn.
        bounding_box_format: The boxes' format: see `keras.utils.bounding_boxes`.
        class_mapping: From labels to names.
        color: The color.
        line_thickness: The width of the lines.
        text_thickness: The width of the letters' outline.
        font_scale: The size of the letters: 1 for 10 pixels.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ImportError: If Pillow is not installed.
        ValueError: If the shapes do not fit.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> boxes = {"boxes": np.array([[[1.0, 1.0, 6.0, 6.0]]]), "labels": np.array([[-1]])}
        >>> drawn = keras.visualization.draw_bounding_boxes(np.zeros((1, 8, 8, 3)), boxes, "xyxy")
        >>> drawn.shape, drawn.max().item()
        ((1, 8, 8, 3), 0)
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise missing("draw_bounding_boxes() needs Pillow", "pillow", "image") from error
    pixels = _as_pixels(images, data_format)
    height, width = pixels.shape[1:3]
    names = class_mapping or {}
    for name in ("boxes", "labels"):
        if name not in bounding_boxes:
            raise ValueError(f"`bounding_boxes` should be a dict with {name!r}.")
    corners = boxes_module.convert_format(
        bounding_boxes["boxes"], bounding_box_format, "xyxy", height, width
    )
    corners, labels = np.asarray(corners), np.asarray(bounding_boxes["labels"])
    confidence = bounding_boxes.get("confidence")
    corners = corners[None] if corners.ndim == 2 else corners
    labels = labels.reshape(corners.shape[:2])
    font = ImageFont.load_default(size=10 * font_scale)
    drawn = []
    for i, array in enumerate(pixels):
        image = Image.fromarray(array)
        pen = ImageDraw.Draw(image)
        for j, (box, label) in enumerate(zip(corners[i], labels[i], strict=True)):
            if label == -1:
                continue
            pen.rectangle([float(v) for v in box], outline=tuple(color), width=line_thickness)
            text = str(names.get(int(label), int(label)))
            if confidence is not None:
                text += f" | {np.asarray(confidence)[i, j]:.2f}"
            place = (float(box[0]), max(0.0, float(box[1]) - 12 * font_scale))
            pen.text(place, text, tuple(color), font, stroke_width=text_thickness - 1)
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def draw_segmentation_masks(
    images: ArrayLike,
    segmentation_masks: ArrayLike,
    num_classes: int | None = None,
    color_mapping: Mapping[int, Any] | None = None,
    alpha: float = 0.8,
    blend: bool = True,
    ignore_index: int = -1,
    data_format: str | None = None,
) -> np.ndarray:
    """Returns images with the classes of their pixels drawn on them.

    Args:
        images: Images of pixels from 0 to 255: one, or a batch.
        segmentation_masks: The classes of the pixels: integers (images, height, width[, 1]).
        num_classes: The number of classes; one more than the greatest by default.
        color_mapping: From classes to colors; of a map of many colors by default.
        alpha: How much of the image remains, if colors are blended with it.
        blend: Whether they are; else they replace it.
        ignore_index: The class that is not drawn.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If the shapes do not fit.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> masks = np.array([[[0, 1], [1, -1]]])
        >>> colors = {0: (255, 0, 0), 1: (0, 255, 0)}
        >>> drawn = keras.visualization.draw_segmentation_masks(
        ...     np.zeros((1, 2, 2, 3)), masks, color_mapping=colors, blend=False
        ... )
        >>> drawn[0, 0].tolist()
        [[255, 0, 0], [0, 255, 0]]
    """
    pixels = _as_pixels(images, data_format)
    masks = np.asarray(segmentation_masks)
    masks = masks[..., 0] if masks.shape[-1:] == (1,) and masks.ndim > 2 else masks
    masks = (masks[None] if masks.ndim == 2 else masks).astype(int)
    if masks.shape != pixels.shape[:3]:
        raise ValueError(
            f"`segmentation_masks` of shape {masks.shape} does not fit images of shape "
            f"{pixels.shape}."
        )
    count = num_classes or int(masks.max()) + 1
    colors = np.zeros((count, 3))
    for index in range(count):
        given = None if color_mapping is None else color_mapping.get(index)
        colors[index] = _color(index, count) if given is None else given
    known = (masks != ignore_index) & (masks >= 0) & (masks < count)
    painted = colors[np.clip(masks, 0, count - 1)]
    if blend:
        painted = alpha * pixels + (1 - alpha) * painted
    return np.where(known[..., None], np.clip(painted, 0, 255), pixels).astype("uint8")


def _color(index: int, count: int) -> tuple[float, ...]:
    """Returns a color of a wheel, as far from the others as can be."""
    import colorsys

    return tuple(255 * v for v in colorsys.hsv_to_rgb(index / count, 0.9, 0.9))


# ------------------------------------------------------------------ galleries
def plot_image_gallery(
    images: ArrayLike,
    y_true: ArrayLike = None,
    y_pred: ArrayLike = None,
    label_map: Mapping[int, str] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    value_range: tuple[float, float] = (0, 255),
    scale: float = 2,
    path: str | os.PathLike[str] | None = None,
    show: bool | None = None,
    transparent: bool = True,
    dpi: int = 60,
    legend_handles: Sequence[Any] | None = None,
    data_format: str | None = None,
) -> Any:
    """Draws images in rows and columns, with Matplotlib.

    Args:
        images: A batch of images.
        y_true: Their labels, written above them.
        y_pred: What was predicted, written below the labels.
        label_map: From labels to names.
        rows: The number of rows; about as many as columns by default.
        cols: The number of columns.
        value_range: The least and the greatest value of a pixel.
        scale: The size of an image, in inches.
        path: A file to save to.
        show: Whether to open a window; if there is no `path` by default. A notebook shows the
            figure below the cell.
        transparent: Whether the saved background is.
        dpi: The pixels of an inch.
        legend_handles: Handles of a legend.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        The figure.

    Raises:
        ImportError: If Matplotlib is not installed.
        ValueError: If both `path` and `show` are given.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise missing("plot_image_gallery() needs Matplotlib", "matplotlib", "plot") from error
    from jkeras.callbacks.figures import ShownOnce

    if path is not None and show:
        raise ValueError(
            "plot_image_gallery() expects either `path` to be set, or `show` to be true."
        )
    array = np.asarray(images, "float32")
    array = array[None] if array.ndim == 3 else array
    if settings.standardize_data_format(data_format) == "channels_first":
        array = np.moveaxis(array, 1, -1)
    low, high = value_range
    array = np.clip((array - low) / (high - low), 0, 1)
    count = len(array)
    columns = cols or (math.ceil(count / rows) if rows else math.ceil(math.sqrt(count)))
    lines = rows or math.ceil(count / columns)
    size = columns * scale, lines * scale
    figure = plt.figure(FigureClass=ShownOnce, figsize=size, layout="tight")
    axes = figure.subplots(lines, columns, squeeze=False)
    names = label_map or {}
    for i, axis in enumerate(axes.ravel()):
        axis.set_axis_off()
        if i >= count:
            continue
        axis.imshow(array[i].squeeze(-1) if array.shape[-1] == 1 else array[i], cmap="gray")
        texts = [
            f"{word}{names.get(int(y), int(y))}"
            for word, given in (("", y_true), ("predicted: ", y_pred))
            if given is not None
            for y in [np.asarray(given).ravel()[i]]
        ]
        axis.set_title("\n".join(texts))
    if legend_handles is not None:
        figure.legend(handles=legend_handles, loc="lower center")
    if path is not None:
        figure.savefig(path, transparent=transparent, dpi=dpi)
        plt.close(figure)
    elif show or (show is None and not curves.in_notebook()):
        plt.show()
        plt.close(figure)
    return figure


def plot_bounding_box_gallery(
    images: ArrayLike,
    bounding_box_format: str,
    y_true: Mapping[str, Any] | None = None,
    y_pred: Mapping[str, Any] | None = None,
    value_range: tuple[float, float] = (0, 255),
    true_color: Sequence[int] = (0, 188, 212),
    pred_color: Sequence[int] = (255, 235, 59),
    line_thickness: int = 2,
    font_scale: float = 1.0,
    text_thickness: int | None = None,
    class_mapping: Mapping[int, str] | None = None,
    ground_truth_mapping: Mapping[int, str] | None = None,
    prediction_mapping: Mapping[int, str] | None = None,
    legend: bool = False,
    legend_handles: Sequence[Any] | None = None,
    rows: int | None = None,
    cols: int | None = None,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Draws images with true and predicted boxes: `draw_bounding_boxes`, `plot_image_gallery`.

    Args:
        images: A batch of images.
        bounding_box_format: The boxes' format.
        y_true: The true boxes.
        y_pred: The predicted ones.
        value_range: The least and the greatest value of a pixel.
        true_color: The color of true boxes.
        pred_color: The color of predicted ones.
        line_thickness: The width of the lines.
        font_scale: The size of the letters.
        text_thickness: The width of the letters' outline.
        class_mapping: From labels to names.
        ground_truth_mapping: The same, for true boxes only.
        prediction_mapping: The same, for predicted ones.
        legend: Whether to say which color is which.
        legend_handles: Handles of a legend of your own.
        rows: The number of rows.
        cols: The number of columns.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Further arguments of `plot_image_gallery`.
    """
    low, high = value_range
    drawn = _as_pixels((np.asarray(images, "float32") - low) / (high - low) * 255, data_format)
    for given, color, names in (
        (y_true, true_color, ground_truth_mapping),
        (y_pred, pred_color, prediction_mapping),
    ):
        if given is not None:
            drawn = draw_bounding_boxes(
                drawn,
                given,
                bounding_box_format,
                names or class_mapping,
                color,
                line_thickness,
                text_thickness or line_thickness,
                font_scale,
                "channels_last",
            )
    if legend:
        if legend_handles:
            raise ValueError("Only pass `legend` OR `legend_handles`.")
        from matplotlib import patches

        legend_handles = [
            patches.Patch(color=tuple(v / 255 for v in color), label=label)  # type: ignore[arg-type]
            for color, label in ((true_color, "Ground Truth"), (pred_color, "Prediction"))
        ]
    options = {"rows": rows, "cols": cols, "legend_handles": legend_handles, **kwargs}
    return plot_image_gallery(drawn, data_format="channels_last", **options)


def plot_segmentation_mask_gallery(
    images: ArrayLike,
    num_classes: int,
    value_range: tuple[float, float] = (0, 255),
    y_true: ArrayLike = None,
    y_pred: ArrayLike = None,
    color_mapping: Mapping[int, Any] | None = None,
    blend: bool = True,
    alpha: float = 0.8,
    ignore_index: int = -1,
    data_format: str | None = None,
    **kwargs: Any,
) -> Any:
    """Draws images, beside them true masks, and beside these predicted ones.

    Args:
        images: A batch of images.
        num_classes: The number of classes.
        value_range: The least and the greatest value of a pixel.
        y_true: The true masks.
        y_pred: The predicted ones.
        color_mapping: From classes to colors.
        blend: Whether colors are blended with the image.
        alpha: How much of the image remains then.
        ignore_index: The class that is not drawn.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: Further arguments of `plot_image_gallery`.
    """
    low, high = value_range
    pixels = _as_pixels((np.asarray(images, "float32") - low) / (high - low) * 255, data_format)
    parts = [pixels]
    for masks in (y_true, y_pred):
        if masks is not None:
            drawn = draw_segmentation_masks(
                pixels,
                masks,
                num_classes,
                color_mapping,
                alpha,
                blend,
                ignore_index,
                "channels_last",
            )
            parts.append(drawn)
    joined = np.concatenate(parts, axis=2)
    return plot_image_gallery(joined, data_format="channels_last", **kwargs)
