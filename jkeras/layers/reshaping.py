"""Layers that move or repeat values."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Shape, Sizes, Structure
from jkeras.core.graph import SymbolicTensor
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.arguments import one_of, positive_integer, size_tuple
from jkeras.layers.spatial import SpatialLayer


class Flatten(Layer):
    """Makes one axis of all axes but the first.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; with the latter the channels are moved
            to the end first, so that both give the same.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
        >>> keras.layers.Flatten()([[[1.0, 2.0], [3.0, 4.0]]]).tolist()
        [[1.0, 2.0, 3.0, 4.0]]
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = settings.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        if self.data_format == "channels_first" and inputs.ndim > 2:
            inputs = jnp.moveaxis(inputs, 1, -1)
        return inputs.reshape(inputs.shape[0], math.prod(inputs.shape[1:]))


class Reshape(Layer):
    """Gives samples another shape.

    Args:
        target_shape: The shape of one sample of the outputs; at most one size may be -1, which
            stands for what is left.

    Raises:
        ValueError: If the number of elements would change.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Reshape((2, -1))(np.ones((5, 6))).shape
        (5, 2, 3)
        >>> keras.layers.Reshape((2, 2))([[1.0, 2.0, 3.0, 4.0]]).tolist()
        [[[1.0, 2.0], [3.0, 4.0]]]
    """

    def __init__(self, target_shape: Shape, **kwargs: Any):
        super().__init__(**kwargs)
        target_shape = (
            tuple(target_shape) if isinstance(target_shape, Iterable) else (target_shape,)
        )
        if any(not isinstance(n, (int, np.integer)) or n < -1 for n in target_shape):
            raise ValueError(
                "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a "
                f"single unknown dimension. Received: {target_shape=}."
            )
        if target_shape.count(-1) > 1:
            raise ValueError(
                "There must be at most one unknown dimension (-1) in `target_shape`. "
                f"Received: {target_shape=}."
            )
        self.target_shape = target_shape

    def _sizes(self, sample: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the outputs' shape for samples of a shape."""
        known = math.prod(n for n in self.target_shape if n != -1)
        if None in sample:
            return tuple(None if n == -1 else n for n in self.target_shape)
        total = math.prod(n for n in sample if n is not None)
        rest, remainder = divmod(total, known) if known else (0, total)
        if remainder or (-1 not in self.target_shape and rest != 1 and total != known):
            raise ValueError(
                "The total size of the tensor must be unchanged. Received: "
                f"input_shape={sample}, target_shape={self.target_shape} (layer {self.name!r})"
            )
        return tuple(rest if n == -1 else n for n in self.target_shape)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return inputs.reshape(inputs.shape[0], *self._sizes(inputs.shape[1:]))

    def compute_output_spec(self, inputs: ArrayLike) -> Structure:
        # By rule, since no size tried for an unknown axis divides by every target.
        return SymbolicTensor((inputs.shape[0], *self._sizes(inputs.shape[1:])), inputs.dtype)


class Permute(Layer):
    """Puts the axes of samples into another order.

    Args:
        dims: The order, counted from 1: `(2, 1)` swaps the two axes of a matrix.

    Raises:
        ValueError: If `dims` is not a permutation of 1, 2, ...

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Permute((2, 1))(np.ones((5, 10, 64))).shape
        (5, 64, 10)
        >>> keras.layers.Permute((2, 1))([[[1.0, 2.0, 3.0]]]).tolist()
        [[[1.0], [2.0], [3.0]]]
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims) if isinstance(dims, Iterable) else (dims,)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in "
                f"`dims` must be consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return jnp.transpose(inputs, (0, *self.dims))


class RepeatVector(Layer):
    """Repeats each sample, which makes a sequence of it: (batch, features) to (batch, n, features).

    Args:
        n: How often.

    Raises:
        ValueError: If `n` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RepeatVector(3)(np.ones((2, 4))).shape
        (2, 3, 4)
        >>> keras.layers.RepeatVector(2)([[1.0, 2.0]]).tolist()
        [[[1.0, 2.0], [1.0, 2.0]]]
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive_integer(self, "n", n, "Argument `n` should be a positive integer")
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        batch, features = inputs.shape
        return jnp.broadcast_to(inputs[:, None], (batch, self.n, features))


# ------------------------------------------------------------------ borders
class _Bordered(SpatialLayer):
    """Acts on the borders of space."""

    def _pairs(self, name: str, value: Any) -> Any:
        """Returns (front, back), or a pair for each axis, of any form in which they are given."""
        if self.rank == 1:
            return size_tuple(self, name, value, 2, 0)
        if isinstance(value, (int, np.integer)):
            value = (value,) * self.rank
        if not isinstance(value, (list, tuple)) or len(value) != self.rank:
            words = {2: "two elements", 3: "three elements"}[self.rank]
            raise ValueError(
                f"`{name}` should have {words}. Received: {name}={value!r} (layer {self.name!r})"
            )
        return tuple(size_tuple(self, f"{name}[{i}]", v, 2, 0) for i, v in enumerate(value))

    def _around(self, pairs: Any) -> list[tuple[int, int]]:
        """Returns (front, back) for all axes of the inputs."""
        around = [(0, 0)] * (self.rank + 2)
        for axis, pair in zip(self.spatial_axes, [pairs] if self.rank == 1 else pairs, strict=True):
            around[axis] = pair
        return around


class _Cropping(_Bordered):
    def __init__(self, cropping: Sizes, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.cropping = self._pairs("cropping", cropping)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        around = self._around(self.cropping)
        if any(inputs.shape[i] <= sum(around[i]) for i in self.spatial_axes):
            raise ValueError(
                f"`cropping` parameter of `{type(self).__name__}` layer must be smaller than the "
                "inputs. Values in `cropping` argument should be smaller than the corresponding "
                f"spatial dimension of the input. Received: inputs.shape={inputs.shape}, "
                f"cropping={self.cropping} (layer {self.name!r})"
            )
        sizes = zip(inputs.shape, around, strict=True)
        return inputs[tuple(slice(front, n - back) for n, (front, back) in sizes)]


class Cropping1D(_Cropping):
    """Cuts steps off sequences: inputs (batch, steps, channels).

    Args:
        cropping: How many at both ends, or `(front, back)`.

    Raises:
        ValueError: If nothing would be left.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Cropping1D((1, 2))(np.ones((2, 10, 4))).shape
        (2, 7, 4)
    """

    rank = 1

    def __init__(self, cropping: Sizes = (1, 1), **kwargs: Any):
        super().__init__(cropping, "channels_last", **kwargs)


class Cropping2D(_Cropping):
    """Cuts borders off images: inputs (batch, rows, columns, channels).

    Args:
        cropping: How much on all sides; or `(rows, columns)`; or pairs `((top, bottom), (left,
            right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If nothing would be left.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Cropping2D(((1, 2), (3, 0)))(np.ones((2, 10, 10, 4))).shape
        (2, 7, 7, 4)
    """

    rank = 2

    @takes_arguments_of(_Cropping.__init__)
    def __init__(self, cropping: Sizes = ((0, 0), (0, 0)), **options: Any):
        super().__init__(cropping, **options)


class Cropping3D(_Cropping):
    """Cuts borders off volumes: inputs (batch, depth, rows, columns, channels).

    Args:
        cropping: How much on all sides; or a number for each axis; or a pair for each axis.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If nothing would be left.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Cropping3D(1)(np.ones((2, 4, 5, 6, 3))).shape
        (2, 2, 3, 4, 3)
    """

    rank = 3

    @takes_arguments_of(_Cropping.__init__)
    def __init__(self, cropping: Sizes = ((1, 1), (1, 1), (1, 1)), **options: Any):
        super().__init__(cropping, **options)


class _ZeroPadding(_Bordered):
    def __init__(self, padding: Sizes = 1, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.padding = self._pairs("padding", padding)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return jnp.pad(inputs, self._around(self.padding))


class ZeroPadding1D(_ZeroPadding):
    """Adds zeros to sequences: inputs (batch, steps, channels).

    Args:
        padding: How many at both ends, or `(front, back)`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ZeroPadding1D((1, 2))(np.ones((2, 10, 4))).shape
        (2, 13, 4)
    """

    rank = 1


class ZeroPadding2D(_ZeroPadding):
    """Adds zeros around images: inputs (batch, rows, columns, channels).

    Args:
        padding: How much on all sides; or `(rows, columns)`; or pairs `((top, bottom), (left,
            right))`.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ZeroPadding2D(((1, 2), (3, 0)))(np.ones((2, 10, 10, 4))).shape
        (2, 13, 13, 4)
        >>> keras.layers.ZeroPadding2D(((1, 0), (0, 0)))(keras.ops.ones((1, 1, 1, 1))).tolist()
        [[[[0.0]], [[1.0]]]]
    """

    rank = 2


class ZeroPadding3D(_ZeroPadding):
    """Adds zeros around volumes: inputs (batch, depth, rows, columns, channels).

    Args:
        padding: How much on all sides; or a number for each axis; or a pair for each axis.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ZeroPadding3D(1)(np.ones((2, 4, 5, 6, 3))).shape
        (2, 6, 7, 8, 3)
    """

    rank = 3


# ------------------------------------------------------------------ enlarging
class UpSampling1D(Layer):
    """Repeats each step of sequences: inputs (batch, steps, channels).

    Args:
        size: How often.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.UpSampling1D(2)(np.array([[[1.0], [2.0]]])).tolist()
        [[[1.0], [1.0], [2.0], [2.0]]]
    """

    def __init__(self, size: int = 2, **kwargs: Any):
        super().__init__(**kwargs)
        self.size = positive_integer(
            self, "size", size, "Argument `size` should be a positive integer"
        )
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return jnp.repeat(inputs, self.size, axis=1)


class _UpSampling(SpatialLayer):
    def __init__(self, size: Sizes = 2, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.size = size_tuple(self, "size", size, self.rank)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        for axis, size in zip(self.spatial_axes, self.size, strict=True):
            inputs = jnp.repeat(inputs, size, axis=axis)
        return inputs


class UpSampling2D(_UpSampling):
    """Enlarges images: inputs (batch, rows, columns, channels).

    Args:
        size: How many times, or one number for each axis.
        data_format: `"channels_last"` or `"channels_first"`.
        interpolation: `"nearest"`, which repeats, `"bilinear"`, `"bicubic"`, `"lanczos3"` or
            `"lanczos5"`.

    Raises:
        ValueError: If the interpolation is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.UpSampling2D(2)(np.ones((1, 4, 5, 3))).shape
        (1, 8, 10, 3)
        >>> keras.layers.UpSampling2D(2)(keras.ops.ones((1, 1, 1, 1))).tolist()
        [[[[1.0], [1.0]], [[1.0], [1.0]]]]
    """

    rank = 2

    @takes_arguments_of(_UpSampling.__init__)
    def __init__(self, size: Sizes = 2, *, interpolation: str = "nearest", **options: Any):
        super().__init__(size, **options)
        known = ("nearest", "bilinear", "bicubic", "lanczos3", "lanczos5")
        self.interpolation = one_of(self, "interpolation", interpolation, known)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        if self.interpolation == "nearest":
            return super().call(inputs)
        shape = list(inputs.shape)
        for axis, size in zip(self.spatial_axes, self.size, strict=True):
            shape[axis] *= size
        return jax.image.resize(inputs, shape, self.interpolation)


class UpSampling3D(_UpSampling):
    """Repeats the elements of volumes: inputs (batch, depth, rows, columns, channels).

    Args:
        size: How often, or one number for each axis.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.UpSampling3D(2)(np.ones((1, 2, 2, 2, 3))).shape
        (1, 4, 4, 4, 3)
    """

    rank = 3
