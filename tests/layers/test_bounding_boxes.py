"""Bounding boxes that move with the images of augmentation layers."""

import json

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.utils import Dataset
from jkeras.utils.bounding_boxes import convert_format

# The image is 40 wide and 20 high; the last row is padding, not a box.
BOXES = np.array([[4.0, 2.0, 14.0, 10.0], [24.0, 8.0, 34.0, 16.0], [0, 0, 0, 0]], "float32")
LABELS = np.array([1, 2, -1])


def batch(kind="xyxy", copies=3):
    images = np.zeros((copies, 20, 40, 1), "float32")
    for left, top, right, bottom in BOXES.astype(int):
        images[:, top:bottom, left:right] = 1
    boxes = np.asarray(convert_format(BOXES, "xyxy", kind, 20, 40))
    found = {"boxes": np.tile(boxes, (copies, 1, 1)), "labels": np.tile(LABELS, (copies, 1))}
    return {"images": images, "bounding_boxes": found}


def check_covered(out, tolerance=1.0):
    """The boxes that are left hold all that was in a box."""
    for image, boxes, labels in zip(
        np.asarray(out["images"])[..., 0],
        np.asarray(out["bounding_boxes"]["boxes"]),
        np.asarray(out["bounding_boxes"]["labels"]),
        strict=True,
    ):
        rows, columns = np.nonzero(image > 0.6)
        inside = np.zeros(rows.shape, bool)
        for (left, top, right, bottom), label in zip(boxes, labels, strict=True):
            assert label == -1 or (right > left and bottom > top)
            own = (columns + 0.5 > left - tolerance) & (columns + 0.5 < right + tolerance)
            own &= (rows + 0.5 > top - tolerance) & (rows + 0.5 < bottom + tolerance)
            if label > 0 and own.any():  # the box is not larger than what is in it, either
                assert columns[own].min() - left < 3 + 2 * tolerance
                assert bottom - rows[own].max() < 4 + 2 * tolerance
            inside |= own & (label > 0)
        assert inside.all()


MOVING = {
    "horizontal": lambda **k: layers.RandomFlip("horizontal", **k),
    "vertical": lambda **k: layers.RandomFlip("vertical", **k),
    "both": lambda **k: layers.RandomFlip(**k),
    "turned": lambda **k: layers.RandomRotation((0.5, 0.5), **k),
    "zoomed": lambda **k: layers.RandomZoom((-0.2, 0.4), fill_mode="constant", **k),
    "shifted": lambda **k: layers.RandomTranslation(0.3, 0.3, fill_mode="constant", **k),
    "cut": lambda **k: layers.RandomCrop(14, 30, **k),
    "cut and resized": lambda **k: layers.RandomCrop(30, 30, **k),
    "center": lambda **k: layers.CenterCrop(12, 24, **k),
    "resized": lambda **k: layers.Resizing(40, 40, **k),
    "resized and cut": lambda **k: layers.Resizing(30, 30, crop_to_aspect_ratio=True, **k),
    "resized and padded": lambda **k: layers.Resizing(40, 40, pad_to_aspect_ratio=True, **k),
}


@pytest.mark.parametrize("make", MOVING.values(), ids=MOVING)
def test_boxes_follow_their_images(make):
    layer, given = make(bounding_box_format="xyxy"), batch()
    before = jax.tree.map(np.copy, given)
    out = layer(given, training=True)
    check_covered(out, 1.5)
    for a, b in zip(jax.tree.leaves(given), jax.tree.leaves(before), strict=True):
        np.testing.assert_array_equal(a, b)  # Keras changes what it is given
    assert layer.get_config()["bounding_box_format"] == "xyxy"
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.bounding_box_format == "xyxy"
    # In a data set, with NumPy and its draws.
    out = next(iter(Dataset.from_tensors(given).map(make(bounding_box_format="xyxy"))))
    check_covered(out, 1.5)


@pytest.mark.parametrize("layer", ["RandomShear", "RandomPerspective", "RandAugment"])
def test_boxes_follow_where_jax_draws(layer):
    more = {"RandomShear": {"x_factor": 0.3, "y_factor": 0.2}, "RandomPerspective": {"scale": 0.4}}
    given = batch()
    if layer == "RandomShear":
        more[layer]["fill_mode"] = "constant"
    made = getattr(layers, layer)(seed=5, bounding_box_format="xyxy", **more.get(layer, {}))
    out = made(given, training=True)
    found = jax.tree.map(np.asarray, out["bounding_boxes"])
    moved = np.abs(found["boxes"] - given["bounding_boxes"]["boxes"])
    assert moved.max() > 0.1
    if layer != "RandAugment":
        check_covered(out, 2.0)
        return
    # It changes colors, too: the boxes that are left lie in the image, and are not empty.
    left, top, right, bottom = np.moveaxis(found["boxes"][found["labels"] >= 0], -1, 0)
    assert len(left) > 2 and (right > left).all() and (bottom > top).all()
    assert min(left.min(), top.min()) >= 0 and right.max() <= 40 and bottom.max() <= 20


def test_numbers():
    """Keras 3.15.1's, but where its own images disagree."""

    def run(layer):
        found = layer(batch(copies=1), training=True)["bounding_boxes"]
        return np.asarray(found["boxes"])[0].tolist(), np.asarray(found["labels"])[0].tolist()

    kind = {"bounding_box_format": "xyxy"}
    boxes, labels = run(layers.RandomTranslation((0.2, 0.2), (0.2, 0.2), **kind))
    np.testing.assert_allclose(boxes[:2], [[12, 6, 22, 14], [32, 12, 40, 20]], atol=1e-5)
    assert labels == [1, 2, -1]
    boxes, labels = run(layers.Resizing(10, 10, **kind))
    np.testing.assert_allclose(boxes[0], [1, 1, 3.5, 5], atol=1e-5)
    boxes, labels = run(layers.Resizing(10, 10, crop_to_aspect_ratio=True, **kind))
    np.testing.assert_allclose(boxes[0], [0, 1, 2, 5], atol=1e-5)
    boxes, labels = run(layers.CenterCrop(10, 10, **kind))
    np.testing.assert_allclose(boxes[1], [9, 3, 10, 10], atol=1e-5)
    assert labels == [-1, 2, -1]


def test_boxes_are_in_the_window_that_is_resized():
    boxes = {"boxes": np.array([[[0.0, 0.0, 4.0, 1.0]]]), "labels": np.array([[1]])}
    batch = {"images": np.ones((1, 1, 4, 1)), "bounding_boxes": boxes}
    # Three rows are missing to a square: one is added above, and one below.
    padded = layers.Resizing(3, 3, pad_to_aspect_ratio=True, bounding_box_format="xyxy")(batch)
    np.testing.assert_allclose(padded["bounding_boxes"]["boxes"][0, 0], [0, 1, 3, 2], atol=1e-5)
    assert padded["images"][0, :, 0, 0].tolist() == [0.0, 1.0, 0.0]
    # A window has a row, however flat it is.
    flat = layers.Resizing(1, 9, crop_to_aspect_ratio=True, bounding_box_format="xyxy")(batch)
    np.testing.assert_allclose(flat["bounding_boxes"]["boxes"][0, 0], [0, 0, 9, 1], atol=1e-5)


@pytest.mark.parametrize("kind", ["xywh", "center_yxhw", "rel_yxyx", "rel_center_xywh"])
def test_formats(kind):
    layer = layers.RandomTranslation((0.2, 0.2), (0.2, 0.2), bounding_box_format=kind)
    out = layer(batch(kind), training=True)["bounding_boxes"]["boxes"]
    corners = convert_format(out, kind, "xyxy", 20, 40)
    np.testing.assert_allclose(corners[0, 0], [12, 6, 22, 14], atol=1e-4)


def test_what_does_not_move_and_what_cannot():
    given = batch()
    still = layers.RandomBrightness(0.2, bounding_box_format="xyxy")(given, training=True)
    np.testing.assert_array_equal(
        still["bounding_boxes"]["boxes"], given["bounding_boxes"]["boxes"]
    )
    off = layers.RandomRotation(0.3, bounding_box_format="xyxy")(given, training=False)
    np.testing.assert_array_equal(off["bounding_boxes"]["boxes"], given["bounding_boxes"]["boxes"])
    with pytest.raises(ValueError, match="didn't specify a bounding box format"):
        layers.RandomFlip()(given)
    with pytest.raises(ValueError, match="bounding_box_format"):
        layers.RandomFlip(bounding_box_format="corners")
    for layer in (layers.RandomElasticTransform, layers.CutMix):
        with pytest.raises(NotImplementedError, match="cannot move bounding boxes"):
            layer(bounding_box_format="xyxy")(given, training=True)


def test_mixed_images_have_the_boxes_of_both():
    out = layers.MixUp(bounding_box_format="xyxy")(batch(), training=True)
    assert out["bounding_boxes"]["boxes"].shape == (3, 6, 4)
    assert out["bounding_boxes"]["labels"].tolist() == [[1, 2, -1, 1, 2, -1]] * 3


def test_one_image_and_a_pipeline():
    one = jax.tree.map(lambda x: x[0], batch())
    out = layers.Resizing(10, 10, bounding_box_format="xyxy")(one)
    assert out["bounding_boxes"]["boxes"].shape == (3, 4)
    kind = {"bounding_box_format": "xyxy"}
    steps = [layers.RandomFlip("horizontal", **kind), layers.Resizing(20, 20, **kind)]
    check_covered(keras.layers.Pipeline(steps)(batch(), training=True), 1.5)
