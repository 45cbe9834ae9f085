"""Data sets of the files in a folder: images, texts, sounds; a sub-folder is a class."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.keys import draw_integer_seed
from jkeras.base.types import Sizes
from jkeras.utils import image
from jkeras.utils.dataset import Dataset
from jkeras.utils.elements import stack
from jkeras.utils.timeseries import check_format
from jkeras.utils.workers import AUTOTUNE

_IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
Labels = Sequence[int] | str | None


def image_dataset_from_directory(
    directory: str | os.PathLike,
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int | None = 32,
    image_size: tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    data_format: str | None = None,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Returns the images in a folder, with their classes: the folder's sub-folders.

    Images (`.bmp`, `.gif`, `.jpeg`, `.jpg`, `.png`) are read when they are asked for, by threads.

    Args:
        directory: The folder.
        labels: `"inferred"`: each sub-folder is a class; a list of numbers, one for each file in
            the order of their paths; or None.
        label_mode: `"int"`: labels are numbers; `"categorical"`: one-hot vectors; `"binary"`: 0.0
            or 1.0; None gives images without labels.
        class_names: The sub-folders to use, in the order of their numbers; all in alphabetical
            order by default.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        batch_size: How many images make a batch; None for single images.
        image_size: The (height, width) to which images are resized.
        shuffle: Whether they come in a random order, another one in each epoch.
        seed: The seed of that order, and of the split.
        validation_split: The part of the files that is for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        follow_links: Whether to look into folders behind links.
        crop_to_aspect_ratio: Whether to cut off what does not fit the aspect ratio of `image_size`.
        pad_to_aspect_ratio: Whether to add zeros instead.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        format: Accepted for Keras's sake: `"tf"` or `"grain"`.
        verbose: Whether to print how many files were found.

    Returns:
        A `keras.utils.Dataset` of batches `x` or `(x, y)`: float32 images of shape
        (batch_size, height, width, channels), and labels: int32 of shape (batch_size,), or float32
        of shape (batch_size, classes) or (batch_size, 1). Its `class_names` and `file_paths` say
        what it is made of.

    Raises:
        ValueError: If an argument is wrong, or there are no images.

    Example:
        >>> import pathlib, tempfile, jkeras as keras, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name, value in {"dark": 0.0, "light": 255.0}.items():
        ...         pathlib.Path(folder, name).mkdir()
        ...         pixels = np.full((4, 4, 3), value)
        ...         keras.utils.save_img(f"{folder}/{name}/1.png", pixels, scale=False)
        ...     images = keras.utils.image_dataset_from_directory(folder, shuffle=False)
        ...     x, y = next(iter(images))
        ...     print(images.class_names, x[:, 0, 0, 0].tolist(), y.tolist())
        Found 2 files belonging to 2 classes.
        ['dark', 'light'] [0.0, 255.0] [0, 1]
    """
    check_format(format)
    if color_mode not in image.CHANNELS:
        raise ValueError(
            '`color_mode` must be one of {"rgb", "rgba", "grayscale"}. '
            f"Received: color_mode={color_mode}"
        )
    if interpolation not in image.INTERPOLATIONS:
        raise ValueError(
            f"Argument `interpolation` should be one of {image.INTERPOLATIONS}. "
            f"Received: interpolation={interpolation}"
        )
    if crop_to_aspect_ratio and pad_to_aspect_ratio:
        raise ValueError(
            "Only one of `pad_to_aspect_ratio`, `crop_to_aspect_ratio` can be set to `True`."
        )
    size = _image_size(image_size)
    first = settings.standardize_data_format(data_format) == "channels_first"
    resize = (
        image.smart_resize
        if crop_to_aspect_ratio
        else image.pad_resize
        if pad_to_aspect_ratio
        else image.resize
    )

    def load(path: str) -> np.ndarray:
        loaded = image.load_img(path, color_mode)
        pixels = resize(image.img_to_array(loaded, "channels_last", "float32"), size, interpolation)
        return pixels.transpose(2, 0, 1) if first else pixels

    files = _Files(
        directory, "images", _IMAGE_ENDINGS, labels, label_mode, class_names, follow_links
    )
    return files.dataset(load, batch_size, shuffle, seed, validation_split, subset, verbose)


def _image_size(size: Sizes) -> tuple[int, int]:
    if isinstance(size, int):
        size = (size, size)
    if not isinstance(size, (tuple, list)) or len(size) != 2 or min(size) < 1:
        raise ValueError(
            "Invalid `image_size` value. Expected a tuple of 2 integers. "
            f"Received: image_size={size}"
        )
    return size[0], size[1]


def text_dataset_from_directory(
    directory: str | os.PathLike,
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    max_length: int | None = None,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    format: str = "tf",
    verbose: bool = True,
) -> Any:
    """Returns the texts in a folder, with their classes: the folder's sub-folders.

    Texts (`.txt`, in UTF-8) are read when they are asked for, by threads.

    Args:
        directory: The folder.
        labels: `"inferred"`: each sub-folder is a class; a list of numbers, one for each file in
            the order of their paths; or None.
        label_mode: `"int"`: labels are numbers; `"categorical"`: one-hot vectors; `"binary"`: 0.0
            or 1.0; None gives images without labels.
        class_names: The sub-folders to use, in the order of their numbers; all in alphabetical
            order by default.
        batch_size: How many texts make a batch; None for single texts.
        max_length: How many characters of a text are kept.
        shuffle: Whether they come in a random order, another one in each epoch.
        seed: The seed of that order, and of the split.
        validation_split: The part of the files that is for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        follow_links: Whether to look into folders behind links.
        format: Accepted for Keras's sake: `"tf"` or `"grain"`.
        verbose: Whether to print how many files were found.

    Returns:
        A `keras.utils.Dataset` of batches `x` or `(x, y)`: object arrays of strings, of shape
        (batch_size,), and labels as `image_dataset_from_directory` gives
        them.

    Raises:
        ValueError: If an argument is wrong, or there are no texts.

    Example:
        >>> import pathlib, tempfile, jkeras as keras
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("bad", "good"):
        ...         pathlib.Path(folder, name).mkdir()
        ...         size = pathlib.Path(folder, name, "1.txt").write_text(f"very {name}")
        ...     texts = keras.utils.text_dataset_from_directory(folder, shuffle=False)
        ...     x, y = next(iter(texts))
        ...     print(texts.class_names, [str(text) for text in x], y.tolist())
        Found 2 files belonging to 2 classes.
        ['bad', 'good'] ['very bad', 'very good'] [0, 1]
    """
    check_format(format)

    def load(path: str) -> np.ndarray:
        return np.array(Path(path).read_bytes().decode("utf-8")[:max_length], object)

    files = _Files(
        directory, "text files", (".txt",), labels, label_mode, class_names, follow_links
    )
    return files.dataset(load, batch_size, shuffle, seed, validation_split, subset, verbose)


def audio_dataset_from_directory(
    directory: str | os.PathLike,
    labels: Labels = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    batch_size: int | None = 32,
    sampling_rate: int | None = None,
    output_sequence_length: int | None = None,
    ragged: bool = False,
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    follow_links: bool = False,
    verbose: bool = True,
) -> Any:
    """Returns the sounds in a folder, with their classes: the folder's sub-folders.

    Sounds (`.wav`, uncompressed) are read when they are asked for, by threads.

    Args:
        directory: The folder.
        labels: `"inferred"`: each sub-folder is a class; a list of numbers, one for each file in
            the order of their paths; or None.
        label_mode: `"int"`: labels are numbers; `"categorical"`: one-hot vectors; `"binary"`: 0.0
            or 1.0; None gives images without labels.
        class_names: The sub-folders to use, in the order of their numbers; all in alphabetical
            order by default.
        batch_size: How many sounds make a batch; None for single sounds.
        sampling_rate: The samples per second to which sounds of another rate are resampled, by
            their Fourier transform.
        output_sequence_length: How many samples each sound gets: longer ones are cut, shorter ones
            filled up with zeros. By default, as many as the longest of its batch.
        ragged: Whether a batch is an object array of sounds of different lengths.
        shuffle: Whether they come in a random order, another one in each epoch.
        seed: The seed of that order, and of the split.
        validation_split: The part of the files that is for validation.
        subset: `"training"`, `"validation"`, or `"both"` for a list of two data sets.
        follow_links: Whether to look into folders behind links.
        verbose: Whether to print how many files were found.

    Returns:
        A `keras.utils.Dataset` of batches `x` or `(x, y)`: float32 sounds between -1 and 1, of
        shape (batch_size, samples, channels), and labels as `image_dataset_from_directory` gives
        them.

    Raises:
        ValueError: If an argument is wrong, or there are no sounds.
    """
    if ragged and output_sequence_length is not None:
        raise ValueError("Cannot set both `ragged` and `output_sequence_length`")
    if sampling_rate is not None and sampling_rate < 1:
        raise ValueError(f"`sampling_rate` should be higher than 0. Received: {sampling_rate}")

    def load(path: str) -> np.ndarray:
        samples, rate = _read_wave(path)
        if sampling_rate is not None and rate != sampling_rate:
            samples = _resample(samples, round(len(samples) * sampling_rate / rate))
        return samples if output_sequence_length is None else _fit(samples, output_sequence_length)

    def collate(elements: Sequence[Any]) -> Any:
        if isinstance(elements[0], tuple):
            sounds, numbers = zip(*elements, strict=True)
            return collate(sounds), stack(numbers)
        if ragged:
            return np.fromiter(elements, object)
        longest = max(map(len, elements))
        return np.stack([_fit(samples, longest) for samples in elements])

    files = _Files(
        directory, "audio files", (".wav",), labels, label_mode, class_names, follow_links
    )
    return files.dataset(
        load, batch_size, shuffle, seed, validation_split, subset, verbose, collate
    )


def _fit(samples: np.ndarray, length: int) -> np.ndarray:
    """Cuts a sound, or fills it up with zeros."""
    samples = samples[:length]
    return np.pad(samples, ((0, length - len(samples)), (0, 0)))


def _read_wave(path: str) -> tuple[np.ndarray, int]:
    """Returns samples of shape (samples, channels) between -1 and 1, and their rate."""
    import wave

    try:
        with wave.open(path, "rb") as file:
            width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
            contents = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an uncompressed sound: {error}") from error
    contents = contents[: len(contents) // (width * channels) * width * channels]
    if width == 1:  # the only width that is unsigned
        samples = np.frombuffer(contents, "u1").astype("int32") - 128
    else:
        # The bytes of a sample become the upper ones of 32 bits: 24 bits have no dtype.
        padded = np.zeros((len(contents) // width, 4), "u1")
        padded[:, 4 - width :] = np.frombuffer(contents, "u1").reshape(-1, width)
        samples = padded.view("<i4")[:, 0] >> (32 - 8 * width)
    return (samples / 2.0 ** (8 * width - 1)).astype("float32").reshape(-1, channels), rate


def _resample(samples: np.ndarray, length: int) -> np.ndarray:
    """Returns the same sound in `length` samples: its frequencies, cut off or filled up."""
    spectrum = np.fft.rfft(samples, axis=0)
    kept = spectrum[: length // 2 + 1]
    return (np.fft.irfft(kept, length, axis=0) * (length / len(samples))).astype("float32")


# ------------------------------------------------------------------ files and labels
class _Files:
    """The files of a folder, and their labels.

    Args:
        directory: The folder.
        kind: What to call the files in an error.
        endings: The endings of the files to use.
        labels: See `image_dataset_from_directory`; so are the others.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        kind: str,
        endings: tuple[str, ...],
        labels: Labels,
        label_mode: str | None,
        class_names: Sequence[str] | None,
        follow_links: bool,
    ):
        _check_labels(kind, labels, label_mode, class_names)
        self.directory, self.kind, self.endings = os.fspath(directory), kind, endings
        self.label_mode = None if labels is None else label_mode
        self.class_names: list[str] | None = None
        self.labels: list[int] | None = None
        if labels is None or label_mode is None:
            self.paths = self._walk(self.directory, follow_links)
            return
        if isinstance(labels, str):
            self.class_names = self._sub_folders(class_names)
            by_class = [
                self._walk(os.path.join(self.directory, name), follow_links)
                for name in self.class_names
            ]
            self.paths = [path for paths in by_class for path in paths]
            self.labels = [i for i, paths in enumerate(by_class) for _ in paths]
        else:
            self.paths = self._walk(self.directory, follow_links)
            self.labels = [int(label) for label in labels]
            self.class_names = [str(label) for label in sorted(set(self.labels))]
            if len(self.labels) != len(self.paths):
                raise ValueError(
                    "Expected the lengths of `labels` to match the number of files in the target "
                    f"directory. len(labels) is {len(self.labels)} while we found "
                    f"{len(self.paths)} files in directory {self.directory}."
                )
        self._check_classes()

    def _walk(self, folder: str, follow_links: bool) -> list[str]:
        folders = sorted(os.walk(folder, followlinks=follow_links), key=lambda found: found[0])
        return [
            os.path.join(root, name)
            for root, _, names in folders
            for name in sorted(names)
            if name.lower().endswith(self.endings)
        ]

    def _sub_folders(self, wanted: Sequence[str] | None) -> list[str]:
        found = sorted(
            entry.name
            for entry in os.scandir(self.directory)
            if entry.is_dir() and not entry.name.startswith(".")
        )
        if wanted is None:
            return found
        if not set(wanted) <= set(found) or len(set(wanted)) < len(wanted):
            raise ValueError(
                "The `class_names` passed did not match the names of the subdirectories of the "
                f"target directory. Expected: {found} (or a subset of it), but received: "
                f"class_names={wanted}"
            )
        return list(wanted)

    def _check_classes(self) -> None:
        if self.label_mode == "binary" and len(self.class_names or ()) != 2:
            raise ValueError(
                'When passing `label_mode="binary"`, there must be exactly 2 class_names. '
                f"Received: class_names={self.class_names}"
            )
        numbers = set(self.labels or ())
        if self.label_mode != "int" and not numbers <= set(range(len(self.class_names or ()))):
            raise ValueError(
                f'With `label_mode="{self.label_mode}"`, the labels of {len(numbers)} classes are '
                f"the numbers from 0 to {len(numbers) - 1}. Received: {sorted(numbers)}"
            )

    def dataset(
        self,
        load: Callable[[str], np.ndarray],
        batch_size: int | None,
        shuffle: bool,
        seed: int | None,
        validation_split: float | None,
        subset: str | None,
        verbose: bool,
        collate: Callable | None = None,
    ) -> Any:
        """Returns a data set of the files, or a list of one for training and one for validation."""
        _check_split(validation_split, subset, shuffle, seed)
        if verbose:
            self._report()
        if not self.paths:
            raise ValueError(
                f"No {self.kind} found in directory {self.directory}. "
                f"Allowed formats: {self.endings}"
            )
        seed = draw_integer_seed() % 2**32 if seed is None else seed
        order = np.arange(len(self.paths))
        if shuffle:
            np.random.RandomState(seed).shuffle(order)
        boundary = len(order) - int((validation_split or 0) * len(order))
        parts = {None: order, "training": order[:boundary], "validation": order[boundary:]}
        datasets = []
        for name in ("training", "validation") if subset == "both" else (subset,):
            part = parts[name]
            if not len(part):
                raise ValueError(
                    f"validation_split={validation_split} of {len(order)} files leaves none for "
                    f"{name}."
                )
            if verbose and name is not None:
                _say(f"Using {len(part)} files for {name}.")
            reorder = shuffle and (subset, name) != ("both", "validation")
            made = self._loaded(load, part, seed if reorder else None)
            if batch_size is not None:
                made = made.batch(batch_size, collate=collate)
            made = made.prefetch(AUTOTUNE)
            made.class_names = self.class_names
            made.file_paths = [self.paths[i] for i in part]
            datasets.append(made)
        return datasets if subset == "both" else datasets[0]

    def _loaded(
        self, load: Callable[[str], np.ndarray], part: np.ndarray, seed: int | None
    ) -> Dataset:
        labels = self._encoded_labels()

        def get(index: Any) -> Any:
            sample = load(self.paths[index])
            return sample if labels is None else (sample, labels[index])

        files = Dataset(part.__getitem__, len(part))
        if seed is not None:
            files = files.shuffle(len(part), seed)
        return files.map(get, AUTOTUNE)

    def _encoded_labels(self) -> np.ndarray | None:
        if self.labels is None or self.class_names is None:
            return None
        if self.label_mode == "binary":
            return np.array(self.labels, "float32")[:, None]
        if self.label_mode == "categorical":
            return np.eye(len(self.class_names), dtype="float32")[self.labels]
        return np.array(self.labels, "int32")

    def _report(self) -> None:
        classes = self.class_names
        suffix = "." if classes is None else f" belonging to {len(classes)} classes."
        _say(f"Found {len(self.paths)} files{suffix}")


def _say(message: str) -> None:
    print(message)  # noqa: T201 - what `verbose` asks for


def _check_labels(
    kind: str, labels: Labels, label_mode: str | None, class_names: Sequence[str] | None
) -> None:
    if isinstance(labels, str) and labels != "inferred":
        raise ValueError(
            "`labels` argument should be a list/tuple of integer labels, of the same size as the "
            f"number of {kind} in the target directory. If you wish to infer the labels from the "
            'subdirectory names in the target directory, pass `labels="inferred"`. If you wish to '
            f"get a dataset without labels, pass `labels=None`. Received: labels={labels}"
        )
    if label_mode not in ("int", "categorical", "binary", None):
        raise ValueError(
            '`label_mode` argument must be one of "int", "categorical", "binary", or None. '
            f"Received: label_mode={label_mode}"
        )
    if class_names and labels is None:
        raise ValueError(
            "When `labels=None` (no labels), argument `class_names` cannot be specified."
        )
    if class_names and labels != "inferred":
        raise ValueError(
            'You can only pass `class_names` if `labels="inferred"`. Received: '
            f"class_names={class_names}"
        )


def _check_split(
    validation_split: float | None, subset: str | None, shuffle: bool, seed: int | None
) -> None:
    if subset is not None and not validation_split:
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if validation_split is not None and not 0 < validation_split < 1:
        raise ValueError(
            f"`validation_split` must be between 0 and 1, received: {validation_split}"
        )
    if (validation_split is None) != (subset is None):
        raise ValueError("If `subset` is set, `validation_split` must be set, and inversely.")
    if subset not in ("training", "validation", "both", None):
        raise ValueError(
            f'`subset` must be either "training", "validation" or "both", received: {subset}'
        )
    if validation_split is not None and shuffle and seed is None:
        raise ValueError(
            "If using `validation_split` and shuffling the data, you must provide a `seed` "
            "argument, to make sure that there is no overlap between the training and validation "
            "subset."
        )
