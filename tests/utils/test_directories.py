import wave

import numpy as np
import pytest
from PIL import Image

from jkeras.utils import (
    audio_dataset_from_directory,
    image_dataset_from_directory,
    text_dataset_from_directory,
)

NAMES = ["b/1.png", "b/10.PNG", "b/2.gif", "a/x.bmp", "a/sub/y.png", "c/z.jpg", "c/w.png"]
SORTED = ["a/x.bmp", "a/sub/y.png", "b/1.png", "b/10.PNG", "b/2.gif", "c/w.png", "c/z.jpg"]
LABELS = [0, 0, 1, 1, 1, 2, 2]


@pytest.fixture
def images(tmp_path):
    """Seven grey images, whose values are ten times their places in sorted order."""
    for name in [*NAMES, ".hidden/h.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        value = 10 * SORTED.index(name) if name in SORTED else 99
        Image.new("RGB", (8, 6), (value,) * 3).save(tmp_path / name, quality=100)
    (tmp_path / "a/notes.txt").write_text("no image")
    return tmp_path


def load(folder, **kwargs):
    kwargs = {"image_size": (3, 4), "shuffle": False, "verbose": False, **kwargs}
    return image_dataset_from_directory(folder, **kwargs)


def values(dataset):
    """Returns the images by their places in sorted order."""
    batches = [batch[0] if isinstance(batch, tuple) else batch for batch in dataset]
    return np.concatenate([x[:, 0, 0, 0] for x in batches]).round().astype(int) // 10


def test_images_and_labels(images, capsys):
    dataset = load(images, batch_size=4, verbose=True)
    assert capsys.readouterr().out == "Found 7 files belonging to 3 classes.\n"
    assert dataset.class_names == ["a", "b", "c"]
    assert dataset.file_paths == [str(images / name) for name in SORTED]
    assert len(dataset) == 2
    for _ in range(2):
        (x, y), (_, z) = dataset
        assert (x.shape, x.dtype) == ((4, 3, 4, 3), np.float32)
        assert (y.tolist(), z.tolist(), y.dtype) == ([0, 0, 1, 1], [1, 2, 2], np.int32)
        assert values(dataset).tolist() == list(range(7))


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        ({"label_mode": "categorical"}, np.eye(3)[LABELS]),
        (
            {"label_mode": "binary", "class_names": ["c", "a"]},
            [[0.0], [0.0], [1.0], [1.0]],
        ),
        ({"class_names": ["c", "b"]}, [0, 0, 1, 1, 1]),
        ({"labels": [4, 5, 6, 7, 8, 9, 3, 2]}, [4, 5, 6, 7, 8, 9, 3, 2]),
        ({"labels": np.arange(8) % 2, "label_mode": "binary"}, [[0.0], [1.0]] * 4),
    ],
    ids=str,
)
def test_labels(images, kwargs, expected):
    ((_, y),) = load(images, **kwargs)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("kwargs", [{"labels": None}, {"label_mode": None}])
def test_no_labels(images, kwargs, capsys):
    dataset = load(images, verbose=True, **kwargs)
    assert capsys.readouterr().out == "Found 8 files.\n"
    assert dataset.class_names is None
    (x,) = dataset
    assert x.shape == (8, 3, 4, 3)


@pytest.mark.parametrize(
    ("kwargs", "shape"),
    [
        ({"color_mode": "grayscale"}, (3, 4, 1)),
        ({"color_mode": "rgba"}, (3, 4, 4)),
        ({"data_format": "channels_first"}, (3, 3, 4)),
        ({"image_size": 5}, (5, 5, 3)),
        ({"crop_to_aspect_ratio": True}, (3, 4, 3)),
        ({"pad_to_aspect_ratio": True, "image_size": (8, 8)}, (8, 8, 3)),
    ],
    ids=str,
)
def test_shapes(images, kwargs, shape):
    x, y = load(images, batch_size=None, **kwargs)[6]
    assert (x.shape, y.shape) == (shape, ())
    assert (x.dtype, y.dtype, y) == (np.float32, np.int32, 2)


def test_shuffling(images):
    dataset = load(images, shuffle=True, seed=1, batch_size=2)
    orders = [values(dataset).tolist() for _ in range(4)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    again = load(images, shuffle=True, seed=1, batch_size=2)
    assert [values(again).tolist() for _ in range(4)] == orders
    for x, y in dataset:
        for image, label in zip(x, y, strict=True):
            assert LABELS[round(float(image[0, 0, 0])) // 10] == label


def test_training_and_validation(images, capsys):
    kwargs = {"shuffle": True, "seed": 3, "validation_split": 0.3, "batch_size": 2}
    training = load(images, subset="training", **kwargs)
    validation = load(images, subset="validation", **kwargs)
    assert sorted([*values(training), *values(validation)]) == list(range(7))
    assert len(validation.file_paths) == 2
    both = load(images, subset="both", verbose=True, **kwargs)
    assert isinstance(both, list)
    assert [part.file_paths for part in both] == [training.file_paths, validation.file_paths]
    assert capsys.readouterr().out.splitlines()[1:] == [
        "Using 5 files for training.",
        "Using 2 files for validation.",
    ]
    first, second = (values(both[1]).tolist() for _ in range(2))
    assert first == second  # validation data keep their order


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"labels": "zz"}, r"pass `labels=\"inferred\"`.*Received: labels=zz"),
        ({"labels": [0] * 7}, r"len\(labels\) is 7 while we found 8 files"),
        ({"labels": [0] * 8, "class_names": ["q"]}, "You can only pass `class_names` if"),
        ({"labels": None, "class_names": ["a"]}, "argument `class_names` cannot be specified"),
        ({"labels": [0, 5] * 4, "label_mode": "categorical"}, r"numbers from 0 to 1.*\[0, 5\]"),
        ({"label_mode": "zz"}, "Received: label_mode=zz"),
        ({"label_mode": "binary"}, "there must be exactly 2 class_names"),
        ({"class_names": ["a", "z"]}, r"Expected: \['a', 'b', 'c'\] \(or a subset of it\)"),
        ({"class_names": ["a", "a"]}, "did not match the names of the subdirectories"),
        ({"color_mode": "zz"}, "Received: color_mode=zz"),
        ({"interpolation": "zz"}, "Received: interpolation=zz"),
        ({"format": "zz"}, "Received: format=zz"),
        ({"image_size": (3, 0)}, r"Received: image_size=\(3, 0\)"),
        ({"image_size": None}, "Expected a tuple of 2 integers"),
        ({"subset": "training"}, "`validation_split` must be set, and inversely"),
        ({"validation_split": 1.2, "subset": "both"}, "must be between 0 and 1, received: 1.2"),
        ({"validation_split": 0.2, "subset": "zz"}, "received: zz"),
        ({"validation_split": 0.1, "subset": "both"}, "of 7 files leaves none for validation"),
        (
            {"validation_split": 0.2, "subset": "both", "shuffle": True},
            "you must provide a `seed` argument",
        ),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "Only one of"),
    ],
    ids=str,
)
def test_errors(images, kwargs, message):
    with pytest.raises(ValueError, match=message):
        load(images, **kwargs)


def test_folders_without_images(tmp_path):
    with pytest.raises(ValueError, match=r"No images found in directory .* Allowed formats"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nope")


def test_links_are_followed_on_request(images, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("RGB", (2, 2)).save(elsewhere / "far.png")
    (images / "a/link").symlink_to(elsewhere)
    assert len(load(images).file_paths) == 7
    assert len(load(images, follow_links=True).file_paths) == 8


# ------------------------------------------------------------------ texts
def test_texts(tmp_path):
    for name, text in [("p/0", "héllo\r\nwörld"), ("p/1", ""), ("q/0", "three")]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_bytes(text.encode())
    (tmp_path / "p/0.md").write_text("no text")
    dataset = text_dataset_from_directory(tmp_path, shuffle=False, verbose=False)
    ((x, y),) = dataset
    assert x.dtype == object and x.shape == (3,)
    assert x.tolist() == ["héllo\r\nwörld", "", "three"]
    assert y.tolist() == [0, 0, 1]
    ((x, _),) = text_dataset_from_directory(
        tmp_path, shuffle=False, verbose=False, max_length=2, label_mode="binary"
    )
    assert x.tolist() == ["hé", "", "th"]


# ------------------------------------------------------------------ sounds
def write_wave(path, samples, width=2, rate=8000):
    path.parent.mkdir(exist_ok=True)
    raw = samples.astype("<i4")
    raw = raw + 128 if width == 1 else raw
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(raw.view("u1").reshape(-1, 4)[:, :width].tobytes())


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_all_widths_of_samples(tmp_path, width):
    largest = 2 ** (8 * width - 1)
    samples = np.array([[0, -largest], [largest // 2, -largest // 4], [largest - 1, 0]])
    write_wave(tmp_path / "p/0.wav", samples, width)
    (x,) = audio_dataset_from_directory(tmp_path, labels=None, verbose=False)
    assert x.dtype == np.float32
    np.testing.assert_allclose(x[0], samples / largest, atol=1e-7)


def test_sounds_of_different_lengths(tmp_path):
    for name, length in [("p/0", 3), ("p/1", 5), ("q/0", 4)]:
        write_wave(tmp_path / f"{name}.wav", np.full((length, 1), 2**14))
    kwargs = {"shuffle": False, "verbose": False}

    def lengths(x):
        return [int((sound != 0).sum()) for sound in x]

    ((x, y),) = audio_dataset_from_directory(tmp_path, **kwargs)
    assert (x.shape, y.tolist(), lengths(x)) == ((3, 5, 1), [0, 0, 1], [3, 5, 4])
    ((x, _),) = audio_dataset_from_directory(tmp_path, output_sequence_length=4, **kwargs)
    assert (x.shape, lengths(x)) == ((3, 4, 1), [3, 4, 4])
    ((x, _),) = audio_dataset_from_directory(tmp_path, ragged=True, **kwargs)
    assert [sound.shape for sound in x] == [(3, 1), (5, 1), (4, 1)]
    sounds = audio_dataset_from_directory(tmp_path, batch_size=None, **kwargs)
    assert [sound.shape for sound, _ in sounds] == [(3, 1), (5, 1), (4, 1)]
    with pytest.raises(ValueError, match="Cannot set both `ragged` and `output_sequence_length`"):
        audio_dataset_from_directory(tmp_path, ragged=True, output_sequence_length=4)


@pytest.mark.parametrize("rate", [4000, 16000, 11025])
def test_a_tone_keeps_its_pitch_at_another_rate(tmp_path, rate):
    def tone(rate):
        return np.sin(2 * np.pi * 500 * np.arange(rate // 5) / rate)[:, None]

    write_wave(tmp_path / "p/0.wav", np.round(2**14 * tone(8000)))
    (x,) = audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=rate, verbose=False)
    np.testing.assert_allclose(x[0], tone(rate) / 2, atol=1e-3)


def test_what_is_no_sound(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF, but nothing else")
    sounds = audio_dataset_from_directory(tmp_path, labels=None, verbose=False)
    with pytest.raises(ValueError, match=r"a\.wav cannot be read as an uncompressed sound"):
        list(sounds)
    with pytest.raises(ValueError, match="`sampling_rate` should be higher than 0"):
        audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=0)
