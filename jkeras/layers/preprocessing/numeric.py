"""Layers that prepare numbers."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Axis, Data, Shape
from jkeras.core import host
from jkeras.core.layer import Layer
from jkeras.layers.preprocessing.categorical import batches
from jkeras.layers.preprocessing.images import stacked


class Rescaling(Layer):
    """`inputs * scale + offset`, in the layer's compute dtype.

    Args:
        scale: The factor, or one a channel.
        offset: What is added, or one a channel.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Rescaling(1 / 255)
        >>> layer(np.array([[0, 255]], dtype="uint8")).tolist()
        [[0.0, 1.0]]
    """

    supports_masking = _prepares_data = _on_numpy = True

    def __init__(self, scale: ArrayLike, offset: ArrayLike = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("scale", scale), ("offset", offset)):
            if value is None or isinstance(value, (str, bytes)):
                raise ValueError(
                    f"Invalid value for argument `{name}`. Expected a number, or one for each "
                    f"channel. Received: {name}={value!r} (layer {self.name!r})"
                )
        self.scale, self.offset = scale, offset

    def call(self, inputs: ArrayLike) -> ArrayLike:
        dtype = self.compute_dtype
        x = stacked(inputs).astype(dtype)
        scale, offset = (self._of_channels(v, x.ndim) for v in (self.scale, self.offset))
        return x * scale + offset

    def _of_channels(self, value: Any, ndim: int) -> Any:
        array = host.array_module().asarray(value, self.compute_dtype)
        first = settings.image_data_format() == "channels_first"
        one_axis = first and array.ndim == 1 and ndim > 2
        return array.reshape(-1, *[1] * (ndim - 2)) if one_axis else array


def _fits(shape: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    """Says whether an array of this shape broadcasts to the sizes."""
    pairs = zip(shape[::-1], sizes[::-1], strict=False)
    return len(shape) <= len(sizes) and all(m in (1, n) for m, n in pairs)


class Normalization(Layer):
    """`(inputs - mean) / sqrt(variance)`, with statistics that are given or found by `adapt`.

    Weights, unless `mean` and `variance` are given: `mean`, `variance` (sizes of the kept axes) and
    `count`, which are not trainable.

    Args:
        axis: The axis, or several, each index of which has its own mean and variance; None for one
            mean and variance of everything.
        mean: The mean, broadcastable to the kept axes.
        variance: The variance, likewise.
        invert: Whether to go back: `inputs * sqrt(variance) + mean`.

    Raises:
        ValueError: If only one of `mean` and `variance` is given, or the inputs lack an axis.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Normalization()
        >>> layer.adapt(np.array([[1.0], [3.0]]))
        >>> layer(np.array([[5.0]])).tolist()
        [[3.0]]
    """

    supports_masking = _prepares_data = _on_numpy = True

    def __init__(
        self,
        axis: Axis = -1,
        mean: ArrayLike = None,
        variance: ArrayLike = None,
        invert: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if (mean is None) != (variance is None):
            raise ValueError(
                "When setting values directly, both `mean` and `variance` must be set. "
                f"Received: {mean=} and {variance=}"
            )
        self.axis = () if axis is None else tuple(axis) if isinstance(axis, Iterable) else (axis,)
        self.invert = invert
        self._given = None if mean is None else (np.asarray(mean), np.asarray(variance))
        for name, array in zip(("mean", "variance"), self._given or (), strict=False):
            if array.dtype.kind not in "biuf":
                raise ValueError(
                    f"Invalid value for argument `{name}`. Expected numbers. Received: "
                    f"{name}={array.tolist()!r} (layer {self.name!r})"
                )

    def build(self, input_shape: Shape) -> None:
        ndim = len(input_shape)
        for axis in self.axis:
            if not -ndim <= axis < ndim:
                raise ValueError(
                    f"All `axis` values must be in the range [-ndim, ndim). Received: axis={axis} "
                    f"for inputs with ndim={ndim} (layer {self.name!r})"
                )
        kept = sorted(axis % ndim for axis in self.axis)
        for axis in kept:
            if input_shape[axis] is None:
                raise ValueError(
                    "All `axis` values to be kept must have a known shape. Received "
                    f"axis={self.axis}, inputs.shape={input_shape}, with unknown axis at index "
                    f"{axis} (layer {self.name!r})"
                )
        self._reduced = tuple(i for i in range(ndim) if i not in kept)
        self._broadcast_shape = tuple(input_shape[i] if i in kept else 1 for i in range(ndim))
        if self._given is None:
            sizes = tuple(input_shape[i] for i in kept)
            options: dict[str, Any] = {"trainable": False, "autocast": False}
            self.adapt_mean = self.add_weight(sizes, initializer="zeros", name="mean", **options)
            self.adapt_variance = self.add_weight(
                sizes, initializer="ones", name="variance", **options
            )
            self.count = self.add_weight(
                initializer="zeros", dtype="int32", name="count", **options
            )
        else:
            sizes = tuple(input_shape[i] for i in kept)
            for name, value in zip(("mean", "variance"), self._given, strict=True):
                if value.size != math.prod(sizes) and not _fits(value.shape, sizes):
                    raise ValueError(
                        f"`{name}` of the layer {self.name!r} has shape {value.shape}, which does "
                        f"not fit inputs of shape {input_shape} with axis={self.axis}."
                    )

    @property
    def mean(self) -> ArrayLike:
        """The mean, broadcastable to the inputs; None before it is known."""
        return self._statistic(0, "adapt_mean")

    @property
    def variance(self) -> ArrayLike:
        """The variance, broadcastable to the inputs; None before it is known."""
        return self._statistic(1, "adapt_variance")

    def _statistic(self, index: int, weight: str) -> Any:
        if not self.built:
            return None
        value = self._given[index] if self._given else getattr(self, weight).value
        shape, xp = self._broadcast_shape, host.array_module()
        if value.size != math.prod(shape):
            kept = [n for i, n in enumerate(shape) if i not in self._reduced]
            value = xp.broadcast_to(xp.asarray(value), kept)
        return xp.asarray(value, self.compute_dtype).reshape(shape)

    def adapt(self, data: Data) -> None:
        """Finds mean and variance of `data`; what was found before is forgotten.

        Args:
            data: An array, or an iterable of batches.

        Raises:
            ValueError: If `mean` and `variance` were given.
        """
        if self._given is not None:
            raise ValueError(
                f"The layer {self.name!r} was given `mean` and `variance`: it cannot `adapt`."
            )
        count, mean, variance = 0, np.zeros(()), np.zeros(())
        for batch in batches(data):
            if not batch.ndim or batch.dtype.kind not in "biuf":
                raise TypeError(
                    "adapt() takes an array of numbers, or batches of them that have a `.shape`. "
                    f"Received: {batch!r:.60} (layer {self.name!r})"
                )
            x = batch.astype("float64")
            if not self.built:
                self.build((None, *x.shape[1:]) if x.ndim > 1 else x.shape)
            axes = [i for i, n in enumerate(self._broadcast_shape) if i not in self._reduced]
            if x.ndim != len(self._broadcast_shape) or any(
                x.shape[i] != self._broadcast_shape[i] for i in axes
            ):
                raise ValueError(
                    f"adapt() of the layer {self.name!r} got data of an incompatible shape: "
                    f"{x.shape}. It was built for the sizes {self._broadcast_shape} (1 for any)."
                )
            if not x.size:
                continue
            # Two sets' statistics give their union's (Chan et al., 1979).
            n = math.prod(x.shape[i] for i in self._reduced)
            share = n / (count + n)
            step = x.mean(self._reduced) - mean
            variance = variance + share * (x.var(self._reduced) - variance)
            variance = variance + share * (1 - share) * np.square(step)
            mean, count = mean + share * step, count + n
        if not count:
            raise ValueError(
                f"adapt() of the layer {self.name!r} got an empty iterable: there are no numbers "
                "to find a mean of."
            )
        self.adapt_mean.assign(mean)
        self.adapt_variance.assign(variance)
        self.count.assign(count)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        inputs, xp = inputs.astype(self.compute_dtype), host.array_module()
        mean = self.mean
        stddev = xp.maximum(xp.sqrt(self.variance), settings.epsilon())
        return inputs * stddev + mean if self.invert else (inputs - mean) / stddev

    def get_config(self) -> dict[str, Any]:
        mean, variance = self._given or (None, None)
        values = {"mean": mean, "variance": variance}
        lists = {k: None if v is None else v.tolist() for k, v in values.items()}
        return {**super().get_config(), **lists}
