"""Images, folders and windows: what Keras gives for the same files.

Keras reads folders with TensorFlow or Grain, and images with Pillow: install what a skip names.
"""

import importlib.util
import io

import jax
import keras
import numpy as np
import pytest

from jkeras import utils
from jkeras.utils import image as our_image

# Keras leaves thread pools open where an argument is wrong.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def needs(*packages):
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"Keras needs {', '.join(missing)} here")


def outcome(function, *args, **kwargs):
    """Returns what a call gives, or the type of its error."""
    try:
        return function(*args, **kwargs)
    except (ValueError, TypeError, NotImplementedError) as error:
        return type(error)


# ------------------------------------------------------------------ images
@needs("PIL")
def test_arrays_to_images_and_back(compare):
    generator = np.random.default_rng(0)
    for shape in [(4, 5, 3), (4, 5, 1), (4, 5, 4), (3, 4, 4), (4, 5, 2), (4, 5), (2, 2, 2, 3)]:
        for low, high in [(-1, 3), (0, 255), (7, 7), (0, 900)]:
            x = generator.uniform(low, high, shape)
            for scale in (True, False):
                for data_format in (None, "channels_first", "channels_last"):
                    kwargs = {"scale": scale, "data_format": data_format}
                    ours = outcome(utils.array_to_img, x, **kwargs)
                    theirs = outcome(keras.utils.array_to_img, x, **kwargs)
                    if isinstance(theirs, type):
                        assert ours == theirs
                        continue
                    assert ours.mode == theirs.mode
                    # Without scaling, values below 0 have no meaning as bytes.
                    if scale or low >= 0:
                        compare("array_to_img", np.asarray(ours), np.asarray(theirs), 0)
                    for kind in (None, "uint8"):
                        kwargs = {"data_format": data_format, "dtype": kind}
                        one = utils.img_to_array(theirs, **kwargs)
                        other = keras.utils.img_to_array(theirs, **kwargs)
                        assert one.dtype == other.dtype
                        compare("img_to_array", one, other, 0)


@needs("PIL")
@pytest.mark.filterwarnings("ignore:Palette images with Transparency")
def test_files_of_images(compare, tmp_path):
    from PIL import Image

    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (13, 9, 4), "uint8")
    images = {
        mode: Image.fromarray(pixels).convert(mode) for mode in ("L", "RGB", "RGBA", "1", "P")
    }
    images["I;16"] = Image.fromarray(generator.integers(0, 2**16, (13, 9), "uint16"))
    for mode, img in images.items():
        path = tmp_path / "i.png"
        img.save(path)
        for color_mode in ("grayscale", "rgb", "rgba", "cmyk"):
            for size in (None, (13, 9), (4, 4), (20, 5), (3, 11)):
                for interpolation in ("nearest", "bilinear", "lanczos", "no such"):
                    for keep in (False, True):
                        args = (path, color_mode, size, interpolation, keep)
                        if mode == "I;16" and interpolation != "nearest":
                            continue  # Pillow resizes it by the nearest pixel only
                        ours = outcome(utils.load_img, *args)
                        theirs = outcome(keras.utils.load_img, *args)
                        if isinstance(theirs, type):
                            assert ours == theirs
                            continue
                        assert (ours.mode, ours.size) == (theirs.mode, theirs.size)
                        compare("load_img", np.asarray(ours), np.asarray(theirs), 0)


@needs("PIL")
def test_images_to_files(compare, tmp_path):
    x = np.random.default_rng(2).uniform(size=(8, 8, 4))
    for name, kwargs in [("a.png", {}), ("b.bmp", {}), ("c.png", {"scale": False})]:
        utils.save_img(tmp_path / f"ours_{name}", x, **kwargs)
        keras.utils.save_img(tmp_path / f"theirs_{name}", x, **kwargs)
        ours, theirs = ((tmp_path / f"{who}_{name}").read_bytes() for who in ("ours", "theirs"))
        compare("save_img", ours == theirs, True)
    for file_format in ("jpg", "png", "JPEG"):
        ours, theirs = io.BytesIO(), io.BytesIO()
        utils.save_img(ours, x[..., :3], file_format=file_format)
        keras.utils.save_img(theirs, x[..., :3], file_format=file_format)
        compare("save_img", ours.getvalue() == theirs.getvalue(), True)


def test_smart_resize(compare):
    generator = np.random.default_rng(3)
    for _ in range(4):
        height, width, target_height, target_width = generator.integers(3, 20, 4).tolist()
        x = generator.uniform(0, 1, (height, width, 2)).astype("float32")
        for interpolation in our_image.INTERPOLATIONS:
            args = (x, (target_height, target_width), interpolation)
            theirs = keras.preprocessing.image.smart_resize(*args)
            compare(f"smart_resize {interpolation}", our_image.smart_resize(*args), theirs)


# ------------------------------------------------------------------ folders
@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from PIL import Image

    generator = np.random.default_rng(4)
    root = tmp_path_factory.mktemp("images")
    for number, (name, size) in enumerate(
        [
            ("b/1.png", (7, 10, 3)),
            ("b/10.png", (20, 9, 3)),
            ("b/2.png", (9, 9)),
            ("a/x.png", (5, 40, 4)),
            ("a/sub/y.bmp", (12, 16, 3)),
            ("a/.z.png", (30, 31)),
            ("c/X.PNG", (11, 13, 3)),
            ("c/u.png", (24, 32, 3)),
            (".hidden/v.png", (4, 4, 3)),
            ("top.png", (6, 6, 3)),
        ]
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, size, "uint8")
        pixels[0, 0] = number
        Image.fromarray(pixels).save(root / name)
    (root / "a/notes.txt").write_text("no image")
    return root


def samples(dataset):
    """Returns the images and the labels of a data set, whatever its batches."""
    images, labels = [], []
    for batch in dataset:
        x, y = batch if isinstance(batch, tuple) else (batch, None)
        images.extend(np.asarray(x))
        labels.extend([] if y is None else np.asarray(y))
    return np.array(images), np.array(labels)


@needs("PIL", "grain")
@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"label_mode": "categorical"},
        {"label_mode": "binary", "class_names": ["c", "a"]},
        {"label_mode": None},
        {"labels": None},
        {"labels": list(range(10))},
        {"labels": [1, 0] * 5, "label_mode": "categorical"},
        {"class_names": ["c", "b", "a"]},
        {"color_mode": "grayscale"},
        {"color_mode": "rgba"},
        {"data_format": "channels_first"},
        {"batch_size": 3},
        {"crop_to_aspect_ratio": True},
        *({"interpolation": name} for name in our_image.INTERPOLATIONS),
        {"validation_split": 0.3, "subset": "training"},
        {"validation_split": 0.3, "subset": "validation"},
        {"image_size": 4},
    ],
    ids=str,
)
def test_image_dataset_from_directory(compare, folder, kwargs):
    kwargs = {"image_size": (12, 16), "shuffle": False, "verbose": False, **kwargs}
    ours = utils.image_dataset_from_directory(folder, **kwargs)
    theirs = keras.utils.image_dataset_from_directory(str(folder), format="grain", **kwargs)
    assert list(ours.file_paths) == list(theirs.file_paths)
    assert ours.class_names == theirs.class_names
    (x, y), (their_x, their_y) = samples(ours), samples(theirs)
    assert (x.dtype, y.dtype) == (their_x.dtype, their_y.dtype)
    compare("image_dataset_from_directory", [x / 255, y], [their_x / 255, their_y])


@needs("PIL", "tensorflow")
def test_padded_images(compare, folder):
    for size in ((12, 16), (16, 12), (8, 8)):
        kwargs = {"pad_to_aspect_ratio": True, "image_size": size, "labels": None}
        kwargs |= {"shuffle": False, "verbose": False}
        ours = utils.image_dataset_from_directory(folder, **kwargs)
        theirs = keras.utils.image_dataset_from_directory(str(folder), **kwargs)
        compare("pad_to_aspect_ratio", samples(ours)[0] / 255, samples(theirs)[0] / 255)


@needs("PIL", "grain")
def test_the_same_seed_gives_the_same_files(compare, folder):
    for seed in range(8):
        for subset in ("training", "validation"):
            kwargs = {"validation_split": 0.4, "subset": subset, "seed": seed, "verbose": False}
            ours = utils.image_dataset_from_directory(folder, **kwargs)
            theirs = keras.utils.image_dataset_from_directory(str(folder), format="grain", **kwargs)
            compare("split of files", list(ours.file_paths), list(theirs.file_paths))
    ours = utils.image_dataset_from_directory(folder, seed=3, verbose=False)
    theirs = keras.utils.image_dataset_from_directory(
        str(folder), format="grain", seed=3, verbose=False
    )
    compare("split of files", list(ours.file_paths), list(theirs.file_paths))


@needs("PIL", "grain")
@pytest.mark.parametrize(
    "kwargs",
    [
        {"labels": "zz"},
        {"labels": [0] * 9},
        {"labels": [0] * 10, "class_names": ["q"]},
        {"labels": None, "class_names": ["a"]},
        {"label_mode": "zz"},
        {"label_mode": "binary"},
        {"class_names": ["a", "z"]},
        {"color_mode": "zz"},
        {"interpolation": "zz"},
        {"format": "zz"},
        {"image_size": None},
        {"subset": "training"},
        {"validation_split": 0.2},
        {"validation_split": 1.2, "subset": "training"},
        {"validation_split": 0.2, "subset": "zz"},
        {"validation_split": 0.2, "subset": "both"},
    ],
    ids=str,
)
def test_errors_of_folders(compare, folder, kwargs):
    kwargs = {"format": "grain", "verbose": False, **kwargs}
    errors = []
    for function in (utils, keras.utils):
        with pytest.raises(ValueError) as caught:
            function.image_dataset_from_directory(str(folder), **kwargs)
        errors.append(str(caught.value))
    ours, theirs = (error.split("Received")[0][:25] for error in errors)
    compare("errors of folders", ours == theirs, True)


@needs("grain")
def test_text_dataset_from_directory(compare, tmp_path):
    for name, text in [("p/0", "héllo wörld\nnext"), ("p/1", ""), ("q/0", "three")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_bytes(text.encode())
    for kwargs in ({}, {"max_length": 4}, {"batch_size": 2}, {"label_mode": "binary"}):
        kwargs = {"shuffle": False, "verbose": False, **kwargs}
        ours = utils.text_dataset_from_directory(tmp_path, **kwargs)
        theirs = keras.utils.text_dataset_from_directory(str(tmp_path), format="grain", **kwargs)
        for (x, y), (their_x, their_y) in zip(ours, theirs, strict=True):
            assert x.tolist() == list(their_x)
            compare("text_dataset_from_directory", y, their_y)


@needs("tensorflow")
def test_audio_dataset_from_directory(compare, tmp_path):
    import wave

    generator = np.random.default_rng(5)
    for name, length in [("p/0", 7), ("p/1", 12), ("q/0", 3)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(generator.integers(-(2**15), 2**15, (length, 2), "int16").tobytes())
    for kwargs in ({}, {"output_sequence_length": 5}, {"batch_size": 2}, {"label_mode": None}):
        kwargs = {"shuffle": False, "verbose": False, **kwargs}
        ours = utils.audio_dataset_from_directory(tmp_path, **kwargs)
        theirs = keras.utils.audio_dataset_from_directory(str(tmp_path), **kwargs)
        for one, other in zip(ours, theirs, strict=True):
            compare("audio_dataset_from_directory", one, other)


# ------------------------------------------------------------------ windows, splits, batches
@needs("grain")
def test_timeseries_dataset_from_array(compare):
    generator = np.random.default_rng(6)

    def run(function, args, kwargs):
        try:
            batches = jax.tree.map(np.asarray, list(function(*args, **kwargs)))
        except ValueError:
            return ValueError
        return [b if isinstance(b, tuple) else (b,) for b in batches]

    for _ in range(120):
        size = int(generator.integers(1, 25))
        data = generator.normal(size=(size, 2)).astype("float32")
        targets = generator.integers(0, 9, int(generator.integers(1, 25))).astype("int32")
        kwargs = {
            "sequence_length": int(generator.integers(1, 6)),
            "sequence_stride": int(generator.integers(0, 4)),
            "sampling_rate": int(generator.integers(0, 4)),
            "batch_size": generator.choice([None, 1, 4, 100]),
        }
        for name in ("start_index", "end_index"):
            if generator.random() < 0.4:
                kwargs[name] = int(generator.integers(-1, 26))
        for given in (targets, targets[:0], None):
            given = data[:, 0] if given is not None and not len(given) else given
            ours = run(utils.timeseries_dataset_from_array, (data, given), kwargs)
            kwargs_of_keras = {**kwargs, "format": "grain"}
            theirs = run(keras.utils.timeseries_dataset_from_array, (data, given), kwargs_of_keras)
            if isinstance(theirs, type):
                assert ours is theirs, kwargs
            else:
                assert len(ours) == len(theirs), kwargs
                compare("timeseries_dataset_from_array", ours, theirs, 0)


@needs("tensorflow")
def test_split_dataset(compare):
    for size in (5, 7, 11):
        x = np.arange(size)
        for kwargs in [
            *({"left_size": n} for n in (0.1, 0.25, 0.5, 0.8, 0.95, 1, 4, size - 1)),
            *({"right_size": n} for n in (0.1, 0.25, 0.5, 0.8, 0.95, 1, 4, size - 1)),
            *({"left_size": 0.5, "shuffle": True, "seed": n} for n in range(5)),
            {"left_size": 0.4, "right_size": 0.4},
            {"left_size": 2, "right_size": 0.4},
        ]:
            try:
                theirs = [list(part) for part in keras.utils.split_dataset((x, -x), **kwargs)]
            except ValueError:
                theirs = ValueError
            try:
                ours = [list(part) for part in utils.split_dataset((x, -x), **kwargs)]
            except ValueError:
                ours = ValueError
            if theirs is ValueError or any(len(part) == 0 for part in theirs):
                assert ours is ValueError, kwargs
            else:
                compare("split_dataset", ours, theirs, 0)


def test_packing(compare):
    x = np.ones(3)
    for args in [(x,), (x, x), (x, x, x), ([x, x],), ((x, x),), ({"a": x},)]:
        ours = utils.pack_x_y_sample_weight(*args)
        theirs = keras.utils.pack_x_y_sample_weight(*args)
        assert type(ours) is type(theirs)
        compare("pack_x_y_sample_weight", ours, theirs)
    for data in [x, (x,), (x, x), (x, x, x), [x, x], {"a": x}, ((x, x), x), (x,) * 4, ()]:
        ours = outcome(utils.unpack_x_y_sample_weight, data)
        theirs = outcome(keras.utils.unpack_x_y_sample_weight, data)
        if isinstance(theirs, type):
            assert ours is theirs
            continue
        assert [type(part) for part in ours] == [type(part) for part in theirs]
        compare("unpack_x_y_sample_weight", ours, theirs)
