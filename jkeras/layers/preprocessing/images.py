"""The base of layers of images, and those that are not random."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.base.numbers import as_number
from jkeras.base.types import ArrayLike, DTypeLike, Key, Seed, Sizes, Structure
from jkeras.core import host
from jkeras.core.layer import Layer
from jkeras.layers.arguments import next_key, one_of, positive_integer, seed_generator
from jkeras.ops import boxes as boxes_module
from jkeras.ops import host_image
from jkeras.ops import image as image_ops
from jkeras.ops.core import saturate_cast

_MOVING = ("images", "segmentation_masks")


class ImageLayer(Layer):
    """A layer that changes each image by a pure function of the image and a key.

    It is called on one image, on a batch, or on a dict with a batch of `"images"` and what belongs
    to them: `"segmentation_masks"` and `"bounding_boxes"` (a dict of `"boxes"` and `"labels"`) move
    as the images do, `"labels"` stay. Boxes are cut at the edges of the images; the labels of those
    of which nothing is left become -1.

    A subclass writes `sample(image, key)`, for one image `(height, width, channels)` of floats.

    Args:
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.
        **kwargs: The arguments of every layer, and `bounding_box_format`, such as `"xyxy"`: that of
            the boxes in dicts.
    """

    _prepares_data = True
    in_inference: bool = False
    """Whether it acts outside of training, too."""
    random: bool = True
    """Whether it draws."""
    moves: bool = False
    """Whether pixels move, so that masks have to follow."""

    def __init__(self, seed: Seed = None, data_format: str | None = None, **kwargs: Any):
        self.bounding_box_format = kwargs.pop("bounding_box_format", None)
        if self.bounding_box_format is not None:
            self.bounding_box_format = one_of(
                self, "bounding_box_format", self.bounding_box_format, boxes_module.FORMATS
            )
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, seed_generator(seed)
        self.data_format = settings.standardize_data_format(data_format)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.bounding_box_format is not None:
            config["bounding_box_format"] = self.bounding_box_format
        return config

    def call(self, data: Structure, training: bool = True) -> ArrayLike:
        batch = dict(data) if isinstance(data, Mapping) else {"images": data}
        unknown = batch.keys() - {"images", "labels", "segmentation_masks", "bounding_boxes"}
        if unknown or "images" not in batch:
            raise ValueError(
                f"The layer {self.name!r} takes images, or a dict of 'images', 'labels', "
                f"'segmentation_masks' and 'bounding_boxes'. Received a dict of {sorted(batch)}."
            )
        if "bounding_boxes" in batch and self.bounding_box_format is None:
            raise ValueError(
                "You passed an input with a 'bounding_boxes' key, but you didn't specify a "
                "bounding box format. Pass a `bounding_box_format` argument to your "
                f"{type(self).__name__} layer, e.g. `bounding_box_format='xyxy'`."
            )
        images = batch["images"] = stacked(batch["images"])
        if images.ndim not in (3, 4):
            raise ValueError(
                "Expected the input image to be rank 3 or 4. The layer "
                f"{self.name!r} takes one image (rank 3) or a batch of them (rank 4), "
                f"with data_format={self.data_format!r}. Received inputs of shape {images.shape}."
            )
        first, single = self.data_format == "channels_first", images.ndim == 3
        if single:
            batch = jax.tree.map(lambda v: v[None], batch)
        xp = host.array_module()
        spatial = [k for k in batch if k in _MOVING]
        for k in spatial:
            batch[k] = xp.moveaxis(batch[k], 1, 3) if first else xp.asarray(batch[k])
        dtype = self.output_dtype(images)
        batch = self.act(batch) if training or self.in_inference else self.rest(batch)
        if not jnp.issubdtype(dtype, jnp.integer):
            batch["images"] = batch["images"].astype(dtype)
        elif xp is np:
            most = np.iinfo(dtype)
            batch["images"] = batch["images"].round().clip(most.min, most.max).astype(dtype)
        else:
            batch["images"] = saturate_cast(jnp.round(batch["images"]), dtype)
        for k in spatial:
            batch[k] = xp.moveaxis(batch[k], 3, 1) if first else batch[k]
        if single:
            batch = jax.tree.map(lambda v: v[0], batch)
        return batch if isinstance(data, Mapping) else batch["images"]

    def output_dtype(self, images: ArrayLike) -> DTypeLike:
        """Returns the dtype of the outputs."""
        return self.compute_dtype

    def act(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Changes a batch with channels last."""
        if not self.random:
            key = None
        else:
            key = host.seeds(self) if host.computes_with_numpy() else next_key(self)
        before = batch["images"].shape[1:3]
        batch["images"] = self.change_all(batch["images"].astype("float32"), key)
        if self.moves and "bounding_boxes" in batch:
            after, found = batch["images"].shape[1:3], batch["bounding_boxes"]
            batch["bounding_boxes"] = self.with_boxes(
                found, before, after, lambda boxes: self.move_boxes(boxes, before, key)
            )
        if self.moves and "segmentation_masks" in batch:
            masks = batch["segmentation_masks"]
            moved = self.change_all(masks.astype("float32"), key, is_mask=True)
            batch["segmentation_masks"] = moved.astype(masks.dtype)
        return batch

    def change_all(self, images: ArrayLike, key: Key, is_mask: bool = False) -> ArrayLike:
        """Changes all images, or masks, of a batch."""
        change: Any
        if host.computes_with_numpy():
            change = self.sample_mask_on_host if is_mask else self.sample_on_host
        else:
            change = self.sample_mask if is_mask else self.sample
        return _each(change, images, key)

    def with_boxes(
        self, found: Any, before: Sizes, after: Sizes, move: Callable[[Any], Any]
    ) -> dict[str, Any]:
        """Returns a batch's boxes, moved in corners and cut at the edges of the new images."""
        kind = self.bounding_box_format
        corners = boxes_module.convert_format(found["boxes"], kind, "xyxy", *before)
        moved = boxes_module.clip_to_image_size({**found, "boxes": move(corners)}, *after)
        return boxes_module.convert_format(moved, "xyxy", kind, *after)

    def move_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        """Moves the boxes of a batch as the images of the same key."""
        return _each(lambda own, key: self.sample_boxes(own, size, key), boxes, key)

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        """Moves the boxes of one image.

        Args:
            boxes: Left, top, right and bottom edges, of shape (boxes, 4).
            size: The height and width of the image before.
            key: What `sample`, or `sample_on_host`, gets.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot move bounding boxes.")

    def rest(self, batch: dict[str, Any]) -> dict[str, Any]:
        """What is done outside of training: nothing."""
        return batch

    def sample(self, image: jax.Array, key: Key) -> jax.Array:
        """Changes one image."""
        raise NotImplementedError

    def sample_mask(self, mask: jax.Array, key: Key) -> jax.Array:
        """Moves one mask as `sample` moves the image of the same key."""
        return self.sample(mask, key)

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Changes one image, with NumPy: in layers that are `on_numpy`."""
        raise NotImplementedError

    def sample_mask_on_host(self, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Moves one mask as `sample_on_host` moves the image."""
        return self.sample_on_host(mask, generator)


def _each(change: Callable[[Any, Any], Any], values: ArrayLike, key: Any) -> Any:
    """Changes what belongs to each image of a batch, with that image's own draws."""
    if host.computes_with_numpy():
        draws = [np.random.default_rng([*(key or ()), i]) for i in range(len(values))]
        return np.stack([change(*pair) for pair in zip(values, draws, strict=True)])
    keys = None if key is None else sample_keys(key, values.shape[0])
    return jax.vmap(change)(values, keys)


def hull(x: ArrayLike, y: ArrayLike) -> ArrayLike:
    """Returns the smallest boxes around points, of shape (boxes, points)."""
    xp = host.array_module()
    return xp.stack([x.min(-1), y.min(-1), x.max(-1), y.max(-1)], -1)


def in_window(
    boxes: ArrayLike, top: ArrayLike, left: ArrayLike, scale: tuple[Any, Any] = (1, 1)
) -> ArrayLike:
    """Returns boxes in the coordinates of a part of the image, scaled by (rows, columns)."""
    xp = host.array_module()
    corner, factor = xp.asarray([left, top] * 2), xp.asarray(scale[::-1] * 2)
    return (boxes - corner.astype("float32")) * factor.astype("float32")


def stacked(inputs: ArrayLike) -> ArrayLike:
    """Returns a list of arrays of one shape as a batch of them; anything else as it is."""
    return host.array_module().stack(inputs) if isinstance(inputs, (list, tuple)) else inputs


# ------------------------------------------------------------------ arguments
def as_value_range(layer: Layer, value: Any) -> list[float]:
    """Returns the least and the greatest value of a pixel.

    Raises:
        ValueError: If they are not two ascending numbers.
    """
    pair = _pair(value)
    if len(pair) != 2 or pair[0] >= pair[1]:
        raise ValueError(
            "The `value_range` argument should be a list of two numbers, the lesser first. "
            f"Received: value_range={value!r} (layer {layer.name!r})"
        )
    return pair


def _pair(value: Any) -> list[float]:
    """Returns the numbers of a list or tuple."""
    given = value if isinstance(value, (tuple, list, np.ndarray)) and np.ndim(value) else ()
    return [number for number in map(as_number, given) if number is not None]


def as_factor(
    layer: Layer, name: str, value: Any, least: float = 0, most: float = 1
) -> tuple[float, float]:
    """Returns the range from which a factor is drawn.

    Args:
        layer: The layer.
        name: The argument's name.
        value: A pair of numbers; or a number `f`, for `(0, f)`, or `(-f, f)` if `least < 0`.
        least: The least number that makes sense.
        most: The greatest.

    Raises:
        ValueError: If it is neither.
    """
    number = as_number(value)
    if number is not None and least <= number <= most:
        return (-abs(number), abs(number)) if least < 0 else (least, number)
    pair = _pair(value)
    if len(pair) != 2:
        raise ValueError(
            f"The `{name}` argument should be a number (or a list of two numbers) in the range "
            f"[{least}, {most}]. Received: {name}={value!r} (layer {layer.name!r})"
        )
    return min(pair), max(pair)


def sample_keys(key: jax.Array, n: Any) -> jax.Array:
    """Returns a key for each sample, also for a number of them that is symbolic."""
    return jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(n))


def draw(key: Key, bounds: tuple[float, float], shape: tuple[int, ...] = ()) -> ArrayLike:
    """Returns a number between the bounds, drawn by a key, or by a generator of NumPy's."""
    if isinstance(key, np.random.Generator):
        return key.uniform(*bounds, shape or None)
    return jax.random.uniform(key, shape, minval=bounds[0], maxval=bounds[1])


def happens(key: jax.Array, factor: tuple[float, float]) -> jax.Array:
    """Says whether something happens whose probability is drawn from a range."""
    first, second = jax.random.split(key)
    return jax.random.uniform(first) < draw(second, factor)


# ------------------------------------------------------------------ sizes
class Resizing(ImageLayer):
    """Resizes images, in training and in inference.

    Args:
        height: The new height.
        width: The new width.
        interpolation: `"bilinear"`, `"nearest"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
        crop_to_aspect_ratio: Whether to cut the images to the new ratio first.
        pad_to_aspect_ratio: Whether to fill them up to it first.
        fill_mode: `"constant"`.
        fill_value: What to fill up with.
        antialias: Whether to average over pixels when images become smaller.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If a size is not a positive integer, or arguments are unknown or contradict
            each other.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Resizing(4, 5)(np.ones((2, 8, 8, 3))).shape
        (2, 4, 5, 3)
        >>> keras.layers.Resizing(1, 2)(keras.ops.ones((1, 1, 1, 1))).tolist()
        [[[[1.0], [1.0]]]]
    """

    in_inference = moves = True
    random = False

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.height = positive_integer(self, "height", height)
        self.width = positive_integer(self, "width", width)
        self.interpolation, self.antialias = interpolation, antialias
        self.crop_to_aspect_ratio = crop_to_aspect_ratio
        self.pad_to_aspect_ratio = pad_to_aspect_ratio
        self.fill_mode, self.fill_value = fill_mode, fill_value
        self._on_numpy = not antialias
        self.sample(jnp.zeros((1, 1, 1)), None)  # what is wrong shows here rather than in a model

    def output_dtype(self, images: ArrayLike) -> DTypeLike:
        is_integer = jnp.issubdtype(images.dtype, jnp.integer)
        return images.dtype if is_integer else self.compute_dtype

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        target, window = (self.height, self.width), (0, 0, *size)
        if self.crop_to_aspect_ratio or self.pad_to_aspect_ratio:
            window = host_image.window(size, target, pads=self.pad_to_aspect_ratio)
        top, left, high, wide = window
        return in_window(boxes, top, left, (self.height / high, self.width / wide))

    def sample(self, image: jax.Array, key: Key) -> jax.Array:
        return self._resize(image, self.interpolation)

    def sample_mask(self, mask: jax.Array, key: Key) -> jax.Array:
        return self._resize(mask, "nearest")

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return self._resize(image, self.interpolation)

    def sample_mask_on_host(self, mask: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        return self._resize(mask, "nearest")

    def _resize(self, images: ArrayLike, interpolation: str) -> Any:
        if host.computes_with_numpy():
            size = (self.height, self.width)
            ratio = (self.crop_to_aspect_ratio, self.pad_to_aspect_ratio)
            images = host_image.fit(images, size, *ratio, self.fill_value)
            return host_image.resize(images, size, interpolation)
        return image_ops.resize(
            images,
            (self.height, self.width),
            interpolation,
            self.antialias,
            self.crop_to_aspect_ratio,
            self.pad_to_aspect_ratio,
            self.fill_mode,
            self.fill_value,
            "channels_last",
        )


def largest_window(images: ArrayLike, size: tuple[int, int]) -> ArrayLike:
    """Resizes the largest central part of images that has the ratio of `size`."""
    if host.computes_with_numpy():
        return host_image.resize(host_image.fit(images, size, crop_to_aspect_ratio=True), size)
    return image_ops.resize(images, size, crop_to_aspect_ratio=True, data_format="channels_last")


class _Crop(ImageLayer):
    """Images of a fixed size, cut out of larger ones."""

    moves = _on_numpy = True

    def __init__(self, height: int, width: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.height = positive_integer(self, "height", height)
        self.width = positive_integer(self, "width", width)

    def sample(self, image: jax.Array, key: Any) -> jax.Array:
        spare = image.shape[0] - self.height, image.shape[1] - self.width
        if min(spare) < 0:
            return largest_window(image, (self.height, self.width))
        size = (self.height, self.width, image.shape[2])
        return jax.lax.dynamic_slice(image, (*self.corner(key, *spare), 0), size)

    def sample_on_host(self, image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        rows, columns = image.shape[0] - self.height, image.shape[1] - self.width
        if min(rows, columns) < 0:
            return largest_window(image, (self.height, self.width))
        top, left = self.corner_on_host(generator, rows, columns)
        return image[top : top + self.height, left : left + self.width]

    def sample_boxes(self, boxes: ArrayLike, size: Sizes, key: Any) -> ArrayLike:
        spare = size[0] - self.height, size[1] - self.width
        if min(spare) < 0:
            return self._in_largest_window(boxes, size)
        corner = self.corner_on_host if host.computes_with_numpy() else self.corner
        return in_window(boxes, *corner(key, *spare))

    def _in_largest_window(self, boxes: ArrayLike, size: Sizes) -> ArrayLike:
        top, left, high, wide = host_image.window(size, (self.height, self.width))
        return in_window(boxes, top, left, (self.height / high, self.width / wide))

    def corner_on_host(
        self, generator: np.random.Generator, rows: int, columns: int
    ) -> tuple[int, int]:
        """Does what `corner` does, with NumPy."""
        return rows // 2, columns // 2

    def corner(self, key: Any, rows: int, columns: int) -> tuple[Any, Any]:
        """Returns how many of the spare rows and columns are above and left of the window."""
        raise NotImplementedError


class CenterCrop(_Crop):
    """Cuts out the middle of images, in training and in inference.

    Images that are smaller are resized: the largest part of the right ratio.

    Args:
        height: The new height.
        width: The new width.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.CenterCrop(1, 2)(np.arange(16.0).reshape(4, 4, 1)).ravel().tolist()
        [5.0, 6.0]
    """

    in_inference = True
    random = False

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any):
        super().__init__(height, width, data_format=data_format, **kwargs)

    def corner(self, key: Key, rows: int, columns: int) -> tuple[Any, Any]:
        return rows // 2, columns // 2


class RandomCrop(_Crop):
    """Cuts a random part out of each image in training.

    In inference, and where images are smaller: the largest part of the right ratio, resized.

    Args:
        height: The new height.
        width: The new width.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.
        name: The name.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandomCrop(4, 5)(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 4, 5, 3)
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: Seed = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(height, width, seed=seed, data_format=data_format, name=name, **kwargs)

    def rest(self, batch: dict[str, Any]) -> dict[str, Any]:
        size, before = (self.height, self.width), batch["images"].shape[1:3]
        moved = {k: largest_window(v, size) for k, v in batch.items() if k in _MOVING}
        if "bounding_boxes" in batch:
            moved["bounding_boxes"] = self.with_boxes(
                batch["bounding_boxes"],
                before,
                size,
                lambda boxes: self._in_largest_window(boxes, before),
            )
        return {**batch, **moved}

    def corner(self, key: Key, rows: int, columns: int) -> tuple[Any, Any]:
        above, left = jax.random.randint(key, (2,), 0, jnp.array([rows, columns]) + 1)
        return above, left

    def corner_on_host(
        self, generator: np.random.Generator, rows: int, columns: int
    ) -> tuple[int, int]:
        above, left = generator.integers(0, [rows + 1, columns + 1])
        return int(above), int(left)


# ------------------------------------------------------------------ histograms
class AutoContrast(ImageLayer):
    """Stretches each channel to the whole range of values, in training and in inference.

    Args:
        value_range: The least and the greatest value of a pixel.

    Raises:
        ValueError: If `value_range` is not a pair of ascending numbers.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[10.0], [20.0], [30.0]]])
        >>> keras.layers.AutoContrast()(x).ravel().tolist()
        [0.0, 127.5, 255.0]
    """

    in_inference = True
    random = False

    def __init__(self, value_range: Sequence[float] = (0, 255), **kwargs: Any):
        super().__init__(**kwargs)
        self.value_range = as_value_range(self, value_range)

    def sample(self, image: jax.Array, key: Key) -> jax.Array:
        least, most = self.value_range
        low, high = image.min((0, 1)), image.max((0, 1))
        scale = (most - least) / jnp.where(high > low, high - low, 1)
        return jnp.where(high > low, jnp.clip((image - low) * scale + least, least, most), image)


class Equalization(ImageLayer):
    """Spreads the values of each channel evenly; as in Keras, not with `training=False`.

    Args:
        value_range: The least and the greatest value of a pixel.
        bins: How many values are told apart.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If `value_range` is not a pair of ascending numbers, or `bins` not positive.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[10.0], [20.0], [30.0]]])
        >>> keras.layers.Equalization()(x).ravel().tolist()
        [0.0, 128.0, 255.0]
    """

    random = False

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        bins: int = 256,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range = as_value_range(self, value_range)
        self.bins = positive_integer(self, "bins", bins)

    def sample(self, image: jax.Array, key: Key) -> jax.Array:
        least, most = self.value_range
        unit = jnp.clip((image - least) / (most - least), 0, 1)
        index = jnp.floor(unit * (self.bins - 1)).astype("int32")

        def channel(index: jax.Array, values: jax.Array) -> jax.Array:
            counts = jnp.cumsum(jnp.bincount(index.ravel(), length=self.bins))
            first = counts[jnp.min(index)]
            rest = index.size - first
            levels = jnp.round((counts - first) * 255 / jnp.maximum(rest, 1))
            equal = levels[index] * ((most - least) / 255) + least
            return jnp.where(rest > 0, equal, values)  # a channel of one value stays

        return jax.vmap(channel, in_axes=-1, out_axes=-1)(index, image)


class ContrastLimitedAdaptiveHistogramEqualization(ImageLayer):
    """Gives each part of an image, and each channel, about as many pixels of each brightness.

    How much the contrast grows is limited; between the middles of neighbouring parts, their maps
    are blended. (Zuiderveld, 1994.)

    Args:
        value_range: The least and the greatest value of a pixel.
        clip_limit: How many times as many pixels as the average a brightness may count for; 0 for
            any number.
        tile_grid_size: The number of parts: rows and columns.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.ContrastLimitedAdaptiveHistogramEqualization(
        ...     clip_limit=0.0, tile_grid_size=(1, 1)
        ... )
        >>> layer(np.array([[[100.0], [101.0], [102.0], [103.0]]])).ravel().round(2).tolist()
        [63.75, 127.5, 191.25, 255.0]
    """

    in_inference = True
    random = False

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        clip_limit: float = 4.0,
        tile_grid_size: Sizes = (8, 8),
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format=data_format, **kwargs)
        self.value_range, self.clip_limit = as_value_range(self, value_range), clip_limit
        sizes = [
            positive_integer(self, "tile_grid_size", n)
            for n in (tile_grid_size if isinstance(tile_grid_size, (list, tuple)) else ())
        ]
        if len(sizes) != 2:
            raise ValueError(
                "The `tile_grid_size` argument should be a tuple of 2 integers. "
                f"Received: tile_grid_size={tile_grid_size!r} (layer {self.name!r})"
            )
        self.tile_grid_size = tuple(sizes)

    def sample(self, image: jax.Array, key: Key) -> jax.Array:
        low, high = self.value_range
        pixels = jnp.clip((image - low) / (high - low) * 255, 0, 255).astype("int32")
        equalize = jax.vmap(self._equalize, in_axes=-1, out_axes=-1)
        return equalize(pixels) / 255 * (high - low) + low

    def _equalize(self, pixels: jax.Array) -> jax.Array:
        """Equalizes one channel of integers."""
        grid = self.tile_grid_size
        sides = [-(-n // parts) for n, parts in zip(pixels.shape, grid, strict=True)]
        edges = [(0, s * p - n) for s, p, n in zip(sides, grid, pixels.shape, strict=True)]
        padded = jnp.pad(pixels, edges, mode="symmetric")
        tiles = padded.reshape(grid[0], sides[0], grid[1], sides[1]).swapaxes(1, 2)
        area = sides[0] * sides[1]
        counts = jax.vmap(lambda tile: jnp.bincount(tile, length=256))(tiles.reshape(-1, area))
        counts = counts.astype("float32")
        if self.clip_limit > 0:
            limit = self.clip_limit * area / 256
            excess = jnp.sum(jnp.maximum(counts - limit, 0), -1, keepdims=True)
            counts = jnp.minimum(counts, limit) + excess / 256
        below = jnp.cumsum(counts, -1)
        least = below[:, :1]
        maps = (below - least) * 255 / jnp.maximum(area - least, 1e-6)
        places = []
        for size, side, parts in zip(pixels.shape, sides, grid, strict=True):
            place = jnp.clip(jnp.arange(size) / side - 0.5, 0, parts - 1)
            first = jnp.floor(place).astype("int32")
            places.append((first, jnp.minimum(first + 1, parts - 1), place - first))
        (above, under, down), (left, right, across) = places
        down, across = down[:, None], across[None, :]

        def mapped(rows: jax.Array, columns: jax.Array) -> jax.Array:
            return maps[rows[:, None] * grid[1] + columns[None, :], pixels]

        upper = (1 - across) * mapped(above, left) + across * mapped(above, right)
        lower = (1 - across) * mapped(under, left) + across * mapped(under, right)
        return (1 - down) * upper + down * lower


# ------------------------------------------------------------------ boxes
class MaxNumBoundingBoxes(ImageLayer):
    """Gives each image the same number of bounding boxes: cuts off, or fills up.

    Args:
        max_number: The number.
        fill_value: The coordinates and the labels of rows without a box.
        **kwargs: The arguments of every layer of images, and `bounding_box_format`.

    Raises:
        ValueError: If `max_number` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.MaxNumBoundingBoxes(2)
        >>> boxes = {"boxes": np.ones((1, 3, 4)), "labels": np.array([[1, 2, 3]])}
        >>> found = layer({"images": np.ones((1, 4, 4, 3)), "bounding_boxes": boxes})
        >>> found["bounding_boxes"]["labels"].tolist()
        [[1, 2]]
    """

    def __init__(
        self,
        max_number: int,
        fill_value: float = -1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.max_number = positive_integer(self, "max_number", max_number)
        self.fill_value = fill_value

    def call(self, data: Structure, training: bool = True) -> ArrayLike:
        if not isinstance(data, Mapping) or "bounding_boxes" not in data:
            return data
        found = dict(data["bounding_boxes"])
        single = jnp.ndim(found["boxes"]) == 2
        for name in ("boxes", "labels"):
            x = jnp.asarray(found[name])
            axis = 0 if single else 1
            x = jax.lax.slice_in_dim(x, 0, min(x.shape[axis], self.max_number), axis=axis)
            edges = [(0, 0)] * x.ndim
            edges[axis] = (0, self.max_number - x.shape[axis])
            found[name] = jnp.pad(x, edges, constant_values=self.fill_value)
        return {**data, "bounding_boxes": found}
