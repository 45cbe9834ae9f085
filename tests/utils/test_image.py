import io
import sys

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jkeras.base import settings as keras_settings
from jkeras.utils import array_to_img, image, img_to_array, load_img, save_img

sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))


def noise(*shape):
    return np.random.default_rng(sum(shape)).uniform(0, 255, shape).astype("float32")


# ------------------------------------------------------------------ resizing
@settings(max_examples=15, deadline=None, derandomize=True)
@given(sizes, sizes, st.sampled_from(image.INTERPOLATIONS))
def test_resize_is_that_of_jax(old, new, interpolation):
    x = noise(*old, 2)
    method = {"bicubic": "cubic"}.get(interpolation, interpolation)
    expected = jax.image.resize(x, (*new, 2), method, antialias=False)
    resized = image.resize(x, new, interpolation)
    assert resized.dtype == np.float32
    np.testing.assert_allclose(resized, expected, atol=2e-3)


def test_resize_takes_batches():
    x = noise(3, 5, 4, 2)
    for one, other in zip(image.resize(x, (7, 2)), x, strict=True):
        np.testing.assert_array_equal(one, image.resize(other, (7, 2)))


def test_smart_resize_cuts_the_middle_out():
    x = np.zeros((4, 10, 1))
    x[:, 3:7] = 1
    assert image.smart_resize(x, (2, 2)).min() == 1
    assert image.smart_resize(x.transpose(1, 0, 2), (2, 2)).min() == 1
    first = image.smart_resize(noise(3, 6, 9), (4, 5), data_format="channels_first")
    last = image.smart_resize(noise(3, 6, 9).transpose(1, 2, 0), (4, 5))
    np.testing.assert_array_equal(first, last.transpose(2, 0, 1))


def test_pad_resize_keeps_all_and_fills_with_zeros():
    padded = image.pad_resize(np.full((4, 10, 1), 7), (10, 10))
    assert padded[3:7].min() == 7
    assert padded[:3].max() == padded[7:].max() == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((noise(4, 4, 3), (3,)), r"Expected `size` to be a tuple of 2 integers, but got: \(3,\)"),
        ((noise(4, 4, 3), (0, 3)), "must have positive height and width"),
        ((noise(4, 4), (3, 3)), r"incorrect rank, of shape \(4, 4\)"),
        ((noise(4, 4, 3), (3, 3), "area"), "Received: interpolation=area"),
    ],
)
def test_errors_of_smart_resize(args, message):
    with pytest.raises(ValueError, match=message):
        image.smart_resize(*args)


# ------------------------------------------------------------------ arrays
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_an_array_becomes_an_image_and_an_array_again(channels, mode):
    x = np.round(noise(4, 5, channels))
    img = array_to_img(x, scale=False)
    assert (img.mode, img.size) == (mode, (5, 4))
    back = img_to_array(img)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, x)
    first = array_to_img(x.transpose(2, 0, 1), data_format="channels_first", scale=False)
    np.testing.assert_array_equal(img_to_array(first, "channels_first"), x.transpose(2, 0, 1))


def test_scaling_stretches_to_0_255():
    pixels = np.asarray(array_to_img(np.array([[[-1.0], [0.0], [3.0]]])))
    assert pixels.tolist() == [[0, 63, 255]]
    assert np.asarray(array_to_img(np.full((1, 2, 3), 9.0))).max() == 0


def test_deep_grey_values_are_kept():
    img = array_to_img(np.array([[[300], [0]]]), scale=False)
    assert img.mode == "I" and np.asarray(img).tolist() == [[300, 0]]


def test_the_global_settings_count(monkeypatch):
    img = Image.new("RGB", (3, 2))
    keras_settings.set_floatx("float16")
    monkeypatch.setitem(keras_settings._values, "image_data_format", "channels_first")
    assert img_to_array(img).shape == (3, 2, 3)
    assert img_to_array(img).dtype == np.float16
    assert img_to_array(img, dtype="uint8").dtype == np.uint8


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 5), r"rank 3 \(single image\). Got array with shape: \(4, 5\)"),
        ((4, 5, 2), "Unsupported channel number: 2"),
    ],
)
def test_what_is_no_image(shape, message):
    with pytest.raises(ValueError, match=message):
        array_to_img(np.zeros(shape))
    with pytest.raises(ValueError, match="Unsupported image shape"):
        img_to_array(np.zeros(3))


# ------------------------------------------------------------------ files
@pytest.mark.parametrize(
    ("color_mode", "shape"), [("rgb", (4, 6, 3)), ("rgba", (4, 6, 4)), ("grayscale", (4, 6, 1))]
)
def test_saving_and_loading(tmp_path, color_mode, shape):
    x = np.round(noise(4, 6, 3))
    path = tmp_path / "a.png"
    save_img(path, x, scale=False)
    loaded = img_to_array(load_img(path, color_mode))
    assert loaded.shape == shape
    if color_mode == "rgb":
        np.testing.assert_array_equal(loaded, x)
    in_memory = load_img(io.BytesIO(path.read_bytes()), color_mode)
    np.testing.assert_array_equal(img_to_array(in_memory), loaded)


def test_transparency_is_left_out_of_a_jpeg(tmp_path):
    save_img(tmp_path / "a.jpg", noise(4, 4, 4))
    assert load_img(tmp_path / "a.jpg").mode == "RGB"


def test_target_size_and_aspect_ratio(tmp_path):
    x = np.zeros((4, 8, 1))
    x[:, 2:6] = 200
    save_img(tmp_path / "a.png", x, scale=False)
    args = (tmp_path / "a.png", "grayscale", (2, 2))
    assert np.asarray(load_img(*args, interpolation="box")).tolist() == [[100, 100]] * 2
    kept = load_img(*args, interpolation="box", keep_aspect_ratio=True)
    assert np.asarray(kept).tolist() == [[200, 200]] * 2


def test_errors_of_load_img(tmp_path):
    save_img(tmp_path / "a.png", noise(4, 4, 3))
    with pytest.raises(ValueError, match="color_mode must be"):
        load_img(tmp_path / "a.png", "cmyk")
    with pytest.raises(ValueError, match=r"Supported methods are nearest, .*lanczos"):
        load_img(tmp_path / "a.png", target_size=(2, 2), interpolation="zz")
    with pytest.raises(TypeError, match="path should be path-like"):
        load_img(5)
    (tmp_path / "b.png").write_text("no image")
    with pytest.raises(OSError, match=r"b\.png"):
        load_img(tmp_path / "b.png")


def test_without_pillow_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        array_to_img(noise(2, 2, 3))
