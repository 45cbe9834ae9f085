"""Keras 2's ImageDataGenerator: random changes of images on the host, from arrays and folders."""

import os
import warnings
from collections.abc import Callable, Sequence
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from jkeras.base.deprecation import warn_deprecated
from jkeras.base.settings import floatx, image_data_format
from jkeras.base.types import ArrayLike, DTypeLike, Structure
from jkeras.callbacks.console import say
from jkeras.utils import image as images
from jkeras.utils.numerical import to_categorical
from jkeras.utils.py_dataset import PyDataset

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".tif", ".tiff", ".gif", ".webp")


# ------------------------------------------------------------------ changes of one image
def apply_affine_transform(
    x: np.ndarray,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> np.ndarray:
    """Returns an image turned, shifted, sheared and zoomed, around its middle.

    Args:
        x: The image, of three axes.
        theta: The angle in degrees.
        tx: The shift along the width, in pixels.
        ty: The shift along the height, in pixels.
        shear: The angle of shear in degrees.
        zx: The zoom along the width: 0.5 makes things twice as wide.
        zy: The zoom along the height.
        row_axis: The axis of the rows.
        col_axis: The axis of the columns.
        channel_axis: The axis of the channels.
        fill_mode: What is outside: `"nearest"`, `"constant"`, `"reflect"` or `"wrap"`.
        cval: The value outside with `"constant"`.
        order: The order of the splines: 0 for the nearest pixel, 1 for linear.
    """
    from scipy import ndimage

    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return x
    matrix = np.eye(3)
    if theta:
        cos, sin = np.cos(np.deg2rad(theta)), np.sin(np.deg2rad(theta))
        matrix = matrix @ [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]
    if tx or ty:
        matrix = matrix @ [[1, 0, tx], [0, 1, ty], [0, 0, 1]]
    if shear:
        angle = np.deg2rad(shear)
        matrix = matrix @ [[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]]
    if (zx, zy) != (1, 1):
        matrix = matrix @ [[zx, 0, 0], [0, zy, 0], [0, 0, 1]]
    matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]  # of (x, y), but images are indexed by (row, column)
    middle = np.array([x.shape[row_axis] / 2 - 0.5, x.shape[col_axis] / 2 - 0.5])
    offset = matrix[:2, 2] + middle - matrix[:2, :2] @ middle
    planes = np.moveaxis(x, (channel_axis, row_axis, col_axis), (0, 1, 2))
    changed = [
        ndimage.affine_transform(
            plane, matrix[:2, :2], offset, order=order, mode=fill_mode, cval=cval
        )
        for plane in planes
    ]
    return np.moveaxis(np.stack(changed), (0, 1, 2), (channel_axis, row_axis, col_axis))


def apply_channel_shift(x: np.ndarray, intensity: float, channel_axis: int = 0) -> np.ndarray:
    """Returns an image with `intensity` added, within the range of the image's values."""
    return np.clip(x + intensity, np.min(x), np.max(x))


def apply_brightness_shift(x: np.ndarray, brightness: float, scale: bool = True) -> np.ndarray:
    """Returns an image whose brightness is multiplied; needs Pillow.

    Args:
        x: The image.
        brightness: The factor.
        scale: Whether the values are spread over 0 to 255 before.
    """
    from PIL import ImageEnhance

    low, high = np.min(x), np.max(x)
    spread = low < 0 or high > 255
    picture = images.array_to_img(x, scale=bool(spread or scale))
    result = images.img_to_array(ImageEnhance.Brightness(picture).enhance(brightness))
    return result / 255 * (high - low) + low if spread and not scale else result


def random_rotation(
    x: np.ndarray,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Returns an image turned by up to `rg` degrees; the rest as in `apply_affine_transform`."""
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, np.random.uniform(-rg, rg), 0, 0, 0, 1, 1, *axes)


def random_shift(
    x: np.ndarray,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Returns an image shifted by up to `hrg` of its height and `wrg` of its width."""
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    ty = np.random.uniform(-hrg, hrg) * x.shape[row_axis]
    tx = np.random.uniform(-wrg, wrg) * x.shape[col_axis]
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes)


def random_shear(
    x: np.ndarray,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Returns an image sheared by up to `intensity` degrees."""
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    shear = np.random.uniform(-intensity, intensity)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes)


def random_zoom(
    x: np.ndarray,
    zoom_range: tuple[float, float],
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> np.ndarray:
    """Returns an image zoomed by factors of `zoom_range`, one each for height and width."""
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    if len(zoom_range) != 2:
        raise ValueError(
            f"`zoom_range` should be a tuple or list of two floats. Received: {zoom_range}"
        )
    zx, zy = (1, 1) if tuple(zoom_range) == (1, 1) else np.random.uniform(*zoom_range, 2)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes)


def random_channel_shift(
    x: np.ndarray, intensity_range: float, channel_axis: int = 0
) -> np.ndarray:
    """Returns an image with a random number of up to `intensity_range` added."""
    return apply_channel_shift(x, np.random.uniform(-intensity_range, intensity_range))


def random_brightness(
    x: np.ndarray, brightness_range: tuple[float, float], scale: bool = True
) -> np.ndarray:
    """Returns an image of a random brightness; needs Pillow."""
    if len(brightness_range) != 2:
        raise ValueError(
            f"`brightness_range should be tuple or list of two floats. Received: {brightness_range}"
        )
    return apply_brightness_shift(x, np.random.uniform(*brightness_range), scale)


# ------------------------------------------------------------------ iterators
class Iterator(PyDataset):
    """Batches of indices, without end if iterated over; `fit` takes an epoch at a time.

    Args:
        n: How many samples there are.
        batch_size: How many of them a batch has.
        shuffle: Whether each epoch has another order.
        seed: The seed of NumPy's global generator, set before each batch.
        **kwargs: `workers` and the like of `PyDataset`.
    """

    white_list_formats = tuple(s[1:] for s in _SUFFIXES)

    def __init__(self, n: int, batch_size: int, shuffle: bool, seed: int | None, **kwargs: Any):
        super().__init__(**kwargs)
        self.n, self.batch_size, self.shuffle, self.seed = n, batch_size, shuffle, seed
        self.batch_index = self.total_batches_seen = 0
        self.index_array: np.ndarray | None = None

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        return (self.n + self.batch_size - 1) // self.batch_size

    def __getitem__(self, idx: int) -> Any:
        if idx >= len(self):
            raise ValueError(
                f"Asked to retrieve element {idx}, but the Sequence has length {len(self)}"
            )
        self._count_batch()
        if self.index_array is None:
            self.on_epoch_end()
        return self._batch(idx)

    def _count_batch(self) -> None:
        if self.seed is not None:
            np.random.seed(self.seed + self.total_batches_seen)
        self.total_batches_seen += 1

    def _batch(self, idx: int) -> Any:
        order: Any = self.index_array
        chosen = order[self.batch_size * idx : self.batch_size * (idx + 1)]
        return self._get_batches_of_transformed_samples(chosen)

    def on_epoch_end(self) -> None:
        self.index_array = np.random.permutation(self.n) if self.shuffle else np.arange(self.n)

    def reset(self) -> None:
        """Starts at the first batch."""
        self.batch_index = 0

    def __iter__(self) -> PythonIterator[Any]:
        return self

    def __next__(self) -> Any:
        self._count_batch()
        if self.batch_index == 0:
            self.on_epoch_end()
        batch = self._batch(self.batch_index)
        self.batch_index = (self.batch_index + 1) % len(self)
        return batch

    def next(self) -> Structure:
        """Returns the next batch."""
        return next(self)


class _Saving:
    """Where the changed images go, for who wants to look at them."""

    def __init__(self, folder: str | None, prefix: str, suffix: str, data_format: str):
        self.folder, self.prefix, self.suffix, self.data_format = (
            folder,
            prefix,
            suffix,
            data_format,
        )

    def save(self, batch: np.ndarray, numbers: Any) -> None:
        for number, array in zip(numbers, batch, strict=True):
            if self.folder:
                name = f"{self.prefix}_{number}_{np.random.randint(10_000_000)}.{self.suffix}"
                picture = images.array_to_img(array, self.data_format, scale=True)
                picture.save(os.path.join(self.folder, name))


class NumpyArrayIterator(Iterator):
    """Batches of changed images from an array; see `ImageDataGenerator.flow`."""

    def __init__(
        self,
        x: ArrayLike,
        y: ArrayLike,
        image_data_generator: "ImageDataGenerator",
        batch_size: int = 32,
        shuffle: bool = False,
        sample_weight: ArrayLike = None,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        ignore_class_split: bool = False,
        dtype: DTypeLike = None,
    ):
        x, *more = x if isinstance(x, (tuple, list)) and len(x) == 2 else (x,)
        more = list(more[0]) if more and isinstance(more[0], (tuple, list)) else more
        self.dtype = dtype or floatx()
        x = np.asarray(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(
                "Input data in `NumpyArrayIterator` should have rank 4. You passed an array with "
                f"shape {x.shape}"
            )
        for name, array in (("labels", y), ("sample weights", sample_weight)):
            if array is not None and len(array) != len(x):
                raise ValueError(
                    f"Images and {name} should have the same length. Found: images.shape = "
                    f"{x.shape}, {name}.shape = {np.shape(array)}"
                )
        parts = [x, *map(np.asarray, more)]
        y = None if y is None else np.asarray(y)
        weight = None if sample_weight is None else np.asarray(sample_weight)
        if subset is not None:
            start, stop = image_data_generator.part(subset, len(x))
            if y is not None and not ignore_class_split:
                cut = int(len(x) * image_data_generator.validation_split)
                if not np.array_equal(np.unique(y[:cut]), np.unique(y[cut:])):
                    raise ValueError(
                        "Training and validation subsets have different number of classes after "
                        "the split. If your numpy arrays are sorted by the label, you might want "
                        "to shuffle them."
                    )
            parts = [part[start:stop] for part in parts]
            y = y if y is None else y[start:stop]
            weight = weight if weight is None else weight[start:stop]
        self.x, self.x_misc, self.y, self.sample_weight = parts[0], parts[1:], y, weight
        self.image_data_generator = image_data_generator
        self.data_format = data_format or image_data_format()
        self._saving = _Saving(save_to_dir, save_prefix, save_format, self.data_format)
        super().__init__(len(self.x), batch_size, shuffle, seed)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        batch = np.stack([self.image_data_generator.changed(self.x[i]) for i in index_array])
        self._saving.save(batch, index_array)
        batch = batch.astype(self.dtype)
        x: Any = [batch, *(m[index_array] for m in self.x_misc)] if self.x_misc else batch
        if self.y is None:
            return x
        weight = () if self.sample_weight is None else (self.sample_weight[index_array],)
        return (x, self.y[index_array], *weight)


class _FileIterator(Iterator):
    """Batches of changed images that are read from files."""

    filepaths: Sequence[str]
    labels: Any
    sample_weight: Any = None

    def __init__(
        self,
        generator: "ImageDataGenerator",
        target_size: tuple[int, int],
        color_mode: str,
        class_mode: str | None,
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        saving: _Saving,
        interpolation: str,
        keep_aspect_ratio: bool,
        dtype: DTypeLike,
    ):
        if color_mode not in ("rgb", "rgba", "grayscale"):
            raise ValueError(
                f'Invalid color mode: {color_mode}; expected "rgb", "rgba", or "grayscale".'
            )
        self.image_data_generator, self.target_size = generator, target_size
        self.color_mode, self.class_mode, self.dtype = color_mode, class_mode, dtype or floatx()
        self.interpolation, self.keep_aspect_ratio = interpolation, keep_aspect_ratio
        channels = {"rgb": 3, "rgba": 4, "grayscale": 1}[color_mode]
        last = generator.data_format == "channels_last"
        self.image_shape = (*target_size, channels) if last else (channels, *target_size)
        self._saving = saving
        super().__init__(len(self.filepaths), batch_size, shuffle, seed)
        self.samples = self.n

    def _read(self, path: str) -> np.ndarray:
        picture = images.load_img(
            path,
            color_mode=self.color_mode,
            target_size=self.target_size,
            interpolation=self.interpolation,
            keep_aspect_ratio=self.keep_aspect_ratio,
        )
        return images.img_to_array(picture, data_format=self.image_data_generator.data_format)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Any:
        read = (self._read(self.filepaths[i]) for i in index_array)
        batch = np.stack([self.image_data_generator.changed(x) for x in read]).astype(self.dtype)
        self._saving.save(batch, index_array)
        targets = self._targets(batch, index_array)
        if targets is None:
            return batch
        weight = () if self.sample_weight is None else (self.sample_weight[index_array],)
        return (batch, targets, *weight)

    def _targets(self, batch: np.ndarray, chosen: np.ndarray) -> Any:
        if self.class_mode is None:
            return None
        if self.class_mode == "input":
            return batch.copy()
        if self.class_mode == "multi_output":
            return [np.asarray(column)[chosen] for column in self.labels]
        if self.class_mode == "categorical" and isinstance(self.labels, list):  # several a sample
            hot = np.zeros((len(chosen), len(self.class_indices)), self.dtype)
            for row, i in zip(hot, chosen, strict=True):
                row[self.labels[i]] = 1.0
            return hot
        labels = np.asarray(self.labels)[chosen]
        if self.class_mode == "categorical":
            return to_categorical(labels, len(self.class_indices)).astype(self.dtype)
        return labels.astype(self.dtype) if self.class_mode in ("binary", "sparse") else labels

    class_indices: dict[str, int] = {}


class DirectoryIterator(_FileIterator):
    """Batches of changed images from a folder; see `ImageDataGenerator.flow_from_directory`."""

    allowed_class_modes = ("categorical", "binary", "sparse", "input", None)

    def __init__(
        self,
        directory: str | os.PathLike,
        image_data_generator: "ImageDataGenerator",
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: DTypeLike = None,
    ):
        if class_mode not in self.allowed_class_modes:
            raise ValueError(
                f"Invalid class_mode: {class_mode}; expected one of: {self.allowed_class_modes}"
            )
        self.directory = os.fspath(directory)
        if not classes:
            found = sorted(os.scandir(self.directory), key=lambda entry: entry.name)
            classes = [entry.name for entry in found if entry.is_dir()]
        self.class_indices = {name: i for i, name in enumerate(classes)}
        self.num_classes = len(classes)
        self.filenames: list[str] = []
        labels: list[int] = []
        for name, number in self.class_indices.items():
            files = sorted(_images_below(os.path.join(self.directory, name), follow_links))
            if subset is not None:
                start, stop = image_data_generator.part(subset, len(files))
                files = files[start:stop]
            self.filenames += [os.path.relpath(file, self.directory) for file in files]
            labels += [number] * len(files)
        self.labels = self.classes = np.array(labels, dtype="int32")
        self.filepaths = [os.path.join(self.directory, name) for name in self.filenames]
        say(f"Found {len(self.filepaths)} images belonging to {self.num_classes} classes.\n")
        saving = _Saving(save_to_dir, save_prefix, save_format, image_data_generator.data_format)
        super().__init__(
            image_data_generator,
            target_size,
            color_mode,
            class_mode,
            batch_size,
            shuffle,
            seed,
            saving,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )


def _images_below(folder: str, follow_links: bool) -> PythonIterator[str]:
    for root, _, names in os.walk(folder, followlinks=follow_links):
        for name in names:
            if name.lower().endswith(_SUFFIXES):
                yield os.path.join(root, name)


class DataFrameIterator(_FileIterator):
    """Batches of changed images whose paths a table has; see `flow_from_dataframe`."""

    allowed_class_modes = (
        "binary",
        "categorical",
        "input",
        "multi_output",
        "raw",
        "sparse",
        None,
    )

    def __init__(
        self,
        dataframe: Any,
        directory: str | None = None,
        image_data_generator: Any = None,
        x_col: str = "filename",
        y_col: str | Sequence[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        data_format: str = "channels_last",
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
        dtype: DTypeLike = None,
        validate_filenames: bool = True,
    ):
        if class_mode not in self.allowed_class_modes:
            raise ValueError(
                f"Invalid class_mode: {class_mode}; expected one of: {self.allowed_class_modes}"
            )
        table = dataframe
        paths = [os.path.join(directory or "", str(name)) for name in table[x_col]]
        if validate_filenames:
            kept = [p.lower().endswith(_SUFFIXES) and os.path.exists(p) for p in paths]
            if not all(kept):
                warnings.warn(
                    f'Found {kept.count(False)} invalid image filename(s) in x_col="{x_col}". '
                    "These filename(s) will be ignored.",
                    stacklevel=3,
                )
            table, paths = table[kept], [p for p, keep in zip(paths, kept, strict=True) if keep]
        if class_mode in ("binary", "categorical", "sparse"):
            several = table[y_col].map(lambda v: list(v) if isinstance(v, (list, tuple)) else [v])
            names = classes if classes else sorted({name for row in several for name in row})
            keep = several.map(lambda row: any(name in names for name in row))
            table = table[keep]
            paths = [p for p, k in zip(paths, keep, strict=True) if k]
            several = several[keep]
            self.class_indices = {name: i for i, name in enumerate(names)}
            numbers = [[self.class_indices[n] for n in row if n in names] for row in several]
            if class_mode == "binary" and len(names) != 2:
                raise ValueError(
                    'If class_mode="binary" there must be 2 classes. '
                    f"{len(names)} class/es were given."
                )
            single = all(len(row) == 1 for row in numbers)
            self.labels = np.array([row[0] for row in numbers], "int32") if single else numbers
            self.classes = self.labels
        elif class_mode == "multi_output":
            self.labels = [np.array(table[column].tolist()) for column in y_col]
        elif class_mode == "raw":
            self.labels = np.asarray(table[y_col])
        if weight_col:
            self.sample_weight = np.asarray(table[weight_col])
        if subset is not None:
            start, stop = image_data_generator.part(subset, len(paths))
            paths = paths[start:stop]
            if class_mode == "multi_output":
                self.labels = [column[start:stop] for column in self.labels]
            elif class_mode not in (None, "input"):
                self.labels = self.classes = self.labels[start:stop]
            if weight_col:
                self.sample_weight = self.sample_weight[start:stop]
        self.filepaths = paths
        self.filenames = [os.path.relpath(p, directory) if directory else p for p in paths]
        of_classes = (
            f" belonging to {len(self.class_indices)} classes" if self.class_indices else ""
        )
        say(f"Found {len(paths)} validated image filenames{of_classes}.\n")
        saving = _Saving(save_to_dir, save_prefix, save_format, image_data_generator.data_format)
        super().__init__(
            image_data_generator,
            target_size,
            color_mode,
            class_mode,
            batch_size,
            shuffle,
            seed,
            saving,
            interpolation,
            keep_aspect_ratio,
            dtype,
        )


# ------------------------------------------------------------------ the generator
class ImageDataGenerator:
    """Changes images at random and feeds them in batches.

    In new programs preprocessing layers (`RandomRotation`, `Rescaling`...) do this on the device.

    Args:
        featurewise_center: Whether to subtract the mean that `fit` found, channel by channel.
        samplewise_center: Whether to subtract each image's mean.
        featurewise_std_normalization: Whether to divide by the deviation that `fit` found.
        samplewise_std_normalization: Whether to divide by each image's deviation.
        zca_whitening: Whether to apply the ZCA whitening that `fit` found.
        zca_epsilon: Added to its eigenvalues.
        rotation_range: Turns by up to so many degrees.
        width_shift_range: Shifts by up to this fraction of the width, or so many pixels if it is 1
            or more; or by one of several numbers.
        height_shift_range: The same for the height.
        brightness_range: Two factors between which the brightness is drawn; needs Pillow.
        shear_range: Shears by up to so many degrees.
        zoom_range: Zooms by factors between these two; a number z stands for (1 - z, 1 + z).
        channel_shift_range: Adds up to so much.
        fill_mode: What is outside: `"nearest"`, `"constant"`, `"reflect"` or `"wrap"`.
        cval: The value outside with `"constant"`.
        horizontal_flip: Whether to mirror half of the images.
        vertical_flip: Whether to turn half of the images upside down.
        rescale: A factor for all values, or None.
        preprocessing_function: Is given each changed image, and returns one of the same shape.
        data_format: `"channels_last"` or `"channels_first"`; the global setting by default.
        validation_split: The fraction of the images that `subset="validation"` means.
        interpolation_order: The order of the splines.
        dtype: The dtype of the batches.

    Example:
        >>> import warnings, numpy as np, jkeras as keras
        >>> with warnings.catch_warnings(action="ignore"):
        ...     generator = keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)
        >>> x, y = next(generator.flow(np.full((4, 8, 8, 3), 255.0), np.arange(4), batch_size=2))
        >>> x.shape, float(x.max()), y.shape
        ((2, 8, 8, 3), 1.0, (2,))
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: float | Sequence[float] = 0.0,
        height_shift_range: float | Sequence[float] = 0.0,
        brightness_range: tuple[float, float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        interpolation_order: int = 1,
        dtype: DTypeLike = None,
    ):
        warn_deprecated(
            "ImageDataGenerator is Keras 2's: use keras.utils.image_dataset_from_directory and "
            "preprocessing layers."
        )
        self.data_format = data_format or image_data_format()
        if self.data_format not in ("channels_last", "channels_first"):
            raise ValueError(
                '`data_format` should be `"channels_last"` or `"channels_first"`. '
                f"Received: {data_format}"
            )
        if validation_split and not 0 < validation_split < 1:
            raise ValueError(
                f"`validation_split` must be strictly between 0 and 1. Received: {validation_split}"
            )
        if not np.ndim(zoom_range):
            zoom_range = (1 - zoom_range, 1 + zoom_range)
        elif len(zoom_range) != 2:
            raise ValueError(
                "`zoom_range` should be a float or a tuple or list of two floats. "
                f"Received: {zoom_range}"
            )
        self.featurewise_center = (
            featurewise_center or featurewise_std_normalization or zca_whitening
        )
        self.samplewise_center = samplewise_center or samplewise_std_normalization
        self.featurewise_std_normalization = featurewise_std_normalization and not zca_whitening
        self.samplewise_std_normalization = samplewise_std_normalization
        self.zca_whitening, self.zca_epsilon = zca_whitening, zca_epsilon
        self.rotation_range, self.shear_range = rotation_range, shear_range
        self.width_shift_range, self.height_shift_range = width_shift_range, height_shift_range
        self.brightness_range, self.zoom_range = brightness_range, tuple(zoom_range)
        self.channel_shift_range, self.fill_mode, self.cval = channel_shift_range, fill_mode, cval
        self.horizontal_flip, self.vertical_flip = horizontal_flip, vertical_flip
        self.rescale, self.preprocessing_function = rescale, preprocessing_function
        self.validation_split = validation_split
        self.interpolation_order, self.dtype = interpolation_order, dtype or floatx()
        last = self.data_format == "channels_last"
        self.row_axis, self.col_axis, self.channel_axis = (1, 2, 3) if last else (2, 3, 1)
        self.mean = self.std = self.zca_whitening_matrix = None

    # -------------------------------------------------------------- sources
    def flow(
        self,
        x: ArrayLike,
        y: ArrayLike = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: ArrayLike = None,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        ignore_class_split: bool = False,
        subset: str | None = None,
    ) -> NumpyArrayIterator:
        """Returns batches of changed images of an array.

        Args:
            x: The images, of four axes; or a tuple of them and further arrays.
            y: The labels.
            batch_size: How many images a batch has.
            shuffle: Whether to shuffle.
            sample_weight: The weights of the images.
            seed: The seed of all changes.
            save_to_dir: A folder for the changed images, or None.
            save_prefix: The beginning of their names.
            save_format: The suffix of their names.
            ignore_class_split: Whether both subsets need not have all classes.
            subset: `"training"` or `"validation"`, with `validation_split`.
        """
        return NumpyArrayIterator(
            x,
            y,
            self,
            batch_size,
            shuffle,
            sample_weight,
            seed,
            self.data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            ignore_class_split,
            self.dtype,
        )

    def flow_from_directory(
        self,
        directory: str | os.PathLike,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        follow_links: bool = False,
        subset: str | None = None,
        interpolation: str = "nearest",
        keep_aspect_ratio: bool = False,
    ) -> DirectoryIterator:
        """Returns batches of changed images of a folder with a folder for each class.

        Args:
            directory: The folder.
            target_size: The size to which images are resized, (height, width).
            color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
            classes: The names of the folders; all of them by default.
            class_mode: What the targets are: `"categorical"`, `"binary"`, `"sparse"`, `"input"`
                or None.
            batch_size: How many images a batch has.
            shuffle: Whether to shuffle.
            seed: The seed of all changes.
            save_to_dir: A folder for the changed images, or None.
            save_prefix: The beginning of their names.
            save_format: The suffix of their names.
            follow_links: Whether to follow links between folders.
            subset: `"training"` or `"validation"`, with `validation_split`.
            interpolation: How images are resized.
            keep_aspect_ratio: Whether to crop rather than to distort.
        """
        return DirectoryIterator(
            directory,
            self,
            target_size,
            color_mode,
            classes,
            class_mode,
            batch_size,
            shuffle,
            seed,
            self.data_format,
            save_to_dir,
            save_prefix,
            save_format,
            follow_links,
            subset,
            interpolation,
            keep_aspect_ratio,
            self.dtype,
        )

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | None = None,
        x_col: str = "filename",
        y_col: str | Sequence[str] = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        save_to_dir: str | None = None,
        save_prefix: str = "",
        save_format: str = "png",
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
        **kwargs: Any,
    ) -> DataFrameIterator:
        """Returns batches of changed images whose file names a pandas table has.

        Args:
            dataframe: The table.
            directory: The folder in which the files are; None if names are full paths.
            x_col: The column of the names.
            y_col: The column of the classes or targets, or several.
            weight_col: The column of the weights, or None.
            target_size: The size to which images are resized, (height, width).
            color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
            classes: The classes; all in the column by default.
            class_mode: As in `flow_from_directory`, and `"raw"`, `"multi_output"`.
            batch_size: How many images a batch has.
            shuffle: Whether to shuffle.
            seed: The seed of all changes.
            save_to_dir: A folder for the changed images, or None.
            save_prefix: The beginning of their names.
            save_format: The suffix of their names.
            subset: `"training"` or `"validation"`, with `validation_split`.
            interpolation: How images are resized.
            validate_filenames: Whether to leave out names of files that are not there.
            **kwargs: `keep_aspect_ratio`; `has_ext`, `sort`, `drop_duplicates` are ignored.
        """
        return DataFrameIterator(
            dataframe,
            directory,
            self,
            x_col,
            y_col,
            weight_col,
            target_size,
            color_mode,
            classes,
            class_mode,
            batch_size,
            shuffle,
            seed,
            self.data_format,
            save_to_dir,
            save_prefix,
            save_format,
            subset,
            interpolation,
            kwargs.get("keep_aspect_ratio", False),
            self.dtype,
            validate_filenames,
        )

    def part(self, subset: str, n: int) -> tuple[int, int]:
        """Returns where a subset of n images begins and ends; the validation images come first."""
        if subset not in ("training", "validation"):
            raise ValueError(f'Invalid subset name: {subset}; expected "training" or "validation".')
        cut = int(self.validation_split * n)
        return (0, cut) if subset == "validation" else (cut, n)

    # -------------------------------------------------------------- one image
    def changed(self, x: np.ndarray) -> np.ndarray:
        """Returns an image after a random transform and standardization."""
        parameters = self.get_random_transform(x.shape)
        return self.standardize(self.apply_transform(x.astype(self.dtype), parameters))

    def get_random_transform(
        self, img_shape: Sequence[int], seed: int | None = None
    ) -> dict[str, Any]:
        """Draws the parameters of a transform.

        Args:
            img_shape: The shape of the image.
            seed: A seed for NumPy's global generator, or None.
        """
        if seed is not None:
            np.random.seed(seed)

        def within(bound: float) -> float:
            return np.random.uniform(-bound, bound) if bound else 0

        def shift(limits: Any, axis: int) -> float:
            if not np.any(limits):
                return 0
            if np.ndim(limits):
                pixels = np.random.choice(limits) * np.random.choice([-1, 1])
            else:
                pixels = within(limits)
            return pixels * img_shape[axis - 1] if np.max(limits) < 1 else pixels

        theta = within(self.rotation_range)
        ty = shift(self.height_shift_range, self.row_axis)
        tx = shift(self.width_shift_range, self.col_axis)
        shear = within(self.shear_range)
        low, high = self.zoom_range
        zx, zy = (1, 1) if low == high == 1 else np.random.uniform(low, high, 2)
        horizontal = (np.random.random() < 0.5) * self.horizontal_flip
        vertical = (np.random.random() < 0.5) * self.vertical_flip
        intensity = within(self.channel_shift_range) if self.channel_shift_range else None
        brightness = np.random.uniform(*self.brightness_range) if self.brightness_range else None
        return {
            "theta": theta,
            "tx": tx,
            "ty": ty,
            "shear": shear,
            "zx": zx,
            "zy": zy,
            "flip_horizontal": horizontal,
            "flip_vertical": vertical,
            "channel_shift_intensity": intensity,
            "brightness": brightness,
        }

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Returns an image changed by such parameters as `get_random_transform` returns."""
        given = transform_parameters
        rows, columns, channels = self.row_axis - 1, self.col_axis - 1, self.channel_axis - 1
        x = apply_affine_transform(
            x,
            given.get("theta", 0),
            given.get("tx", 0),
            given.get("ty", 0),
            given.get("shear", 0),
            given.get("zx", 1),
            given.get("zy", 1),
            rows,
            columns,
            channels,
            self.fill_mode,
            self.cval,
            self.interpolation_order,
        )
        if given.get("channel_shift_intensity") is not None:
            x = apply_channel_shift(x, given["channel_shift_intensity"], channels)
        if given.get("flip_horizontal", False):
            x = np.flip(x, columns)
        if given.get("flip_vertical", False):
            x = np.flip(x, rows)
        if given.get("brightness") is not None:
            x = apply_brightness_shift(x, given["brightness"], scale=False)
        return x

    def random_transform(self, x: np.ndarray, seed: int | None = None) -> np.ndarray:
        """Returns an image after a random transform."""
        return self.apply_transform(x, self.get_random_transform(x.shape, seed))

    def standardize(self, x: np.ndarray) -> np.ndarray:
        """Returns an image (or a batch, where no mean of each image is asked for) standardized."""
        if self.preprocessing_function:
            x = self.preprocessing_function(x)
        if self.rescale:
            x = x * self.rescale
        if self.samplewise_center:
            x = x - np.mean(x, keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (np.std(x, keepdims=True) + 1e-6)
        if self.featurewise_center and self._is_fitted(self.mean, "featurewise_center"):
            x = x - self.mean
        if self.featurewise_std_normalization and self._is_fitted(
            self.std, "featurewise_std_normalization"
        ):
            x = x / (self.std + 1e-6)  # type: ignore[operator]
        if self.zca_whitening and self._is_fitted(self.zca_whitening_matrix, "zca_whitening"):
            flat = x.reshape(-1, np.prod(x.shape[-3:]))
            x = (flat @ self.zca_whitening_matrix).reshape(x.shape)
        return x

    def _is_fitted(self, value: Any, name: str) -> bool:
        if value is None:
            warnings.warn(
                f"This ImageDataGenerator specifies `{name}`, but it hasn't been fit on any "
                "training data. Fit it first by calling `.fit(numpy_data)`.",
                stacklevel=4,
            )
        return value is not None

    def fit(
        self, x: ArrayLike, augment: bool = False, rounds: int = 1, seed: int | None = None
    ) -> None:
        """Finds the mean, deviation and whitening of images.

        Args:
            x: The images, of four axes.
            augment: Whether to look at randomly changed images.
            rounds: How often to go over them in that case.
            seed: A seed for NumPy's global generator, or None.
        """
        x = np.asarray(x, dtype=self.dtype)
        if x.ndim != 4:
            raise ValueError(
                f"Input to `.fit()` should have rank 4. Got array with shape: {x.shape}"
            )
        if seed is not None:
            np.random.seed(seed)
        if augment:
            x = np.stack([self.random_transform(image) for _ in range(rounds) for image in x])
        axes = (0, self.row_axis, self.col_axis)
        if self.featurewise_center:
            self.mean = np.mean(x, axis=axes, keepdims=True)[0]
            x = x - self.mean
        if self.featurewise_std_normalization:
            self.std = np.std(x, axis=axes, keepdims=True)[0]
            x = x / (self.std + 1e-6)  # type: ignore[operator]
        if self.zca_whitening:
            flat = x.reshape(len(x), -1)
            vectors, values, _ = np.linalg.svd(flat.T @ flat / len(x))
            scaled = vectors / np.sqrt(values + self.zca_epsilon)
            self.zca_whitening_matrix = scaled @ vectors.T
