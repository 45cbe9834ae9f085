"""Boxes and masks drawn on images, and galleries."""

import numpy as np
import pytest

import jkeras as keras

visualization = keras.visualization
IMAGES = np.zeros((2, 32, 32, 3))
BOXES = {"boxes": np.array([[[2.0, 4, 20, 22]]] * 2), "labels": np.array([[1], [-1]])}


def test_boxes_are_drawn_unless_their_label_is_none():
    drawn = visualization.draw_bounding_boxes(
        IMAGES, BOXES, "xyxy", {1: "cat"}, (255, 0, 0), line_thickness=1
    )
    assert drawn[0, 10, 2].tolist() == [255, 0, 0]
    assert drawn[0, 22, 10].tolist() == [255, 0, 0]
    assert drawn[1].max() == 0


def test_masks_are_blended():
    masks = np.ones((2, 32, 32, 1), int)
    masks[1] = -1
    drawn = visualization.draw_segmentation_masks(
        IMAGES + 100, masks, 2, {1: (200, 0, 0)}, alpha=0.5
    )
    assert drawn[0, 0, 0].tolist() == [150, 50, 50]
    assert drawn[1, 0, 0].tolist() == [100, 100, 100]


def test_galleries_are_saved(tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    visualization.plot_image_gallery(
        IMAGES, [0, 1], [1, 1], label_map={0: "a", 1: "b"}, path=tmp_path / "images.png"
    )
    visualization.plot_bounding_box_gallery(
        IMAGES, "xyxy", BOXES, BOXES, legend=True, path=tmp_path / "boxes.png"
    )
    masks = np.ones((2, 32, 32), int)
    visualization.plot_segmentation_mask_gallery(
        IMAGES, 3, y_true=masks, y_pred=masks, path=tmp_path / "masks.png"
    )
    assert all((tmp_path / f"{name}.png").stat().st_size for name in ("images", "boxes", "masks"))
    with pytest.raises(ValueError, match="either `path`"):
        visualization.plot_image_gallery(IMAGES, path=tmp_path / "x.png", show=True)
