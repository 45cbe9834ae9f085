"""Pooling over one, two and three axes."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from jkeras.base.types import ArrayLike, Sizes
from jkeras.layers.arguments import one_of, size_tuple
from jkeras.layers.spatial import SpatialLayer
from jkeras.ops import arrays as nn


# ------------------------------------------------------------------ windows
class _Pooling(SpatialLayer):
    pool: Callable

    def __init__(
        self,
        pool_size: Sizes,
        strides: Sizes = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(data_format, name=name, **kwargs)
        self.pool_size = size_tuple(self, "pool_size", pool_size, self.rank)
        strides = self.pool_size if strides is None else strides
        self.strides = size_tuple(self, "strides", strides, self.rank)
        self.padding = one_of(self, "padding", str(padding).lower(), ("valid", "same"))

    def call(self, inputs: ArrayLike) -> ArrayLike:
        if self.padding == "valid":
            self.check_window(inputs, self.pool_size)
        return self.pool(inputs, self.pool_size, self.strides, self.padding, self.data_format)


class _MaxPooling(_Pooling):
    pool = staticmethod(nn.max_pool)

    def __init__(
        self,
        pool_size: Sizes = 2,
        strides: Sizes = None,
        padding: str = "valid",
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(pool_size, strides, padding, data_format, name, **kwargs)


class MaxPooling1D(_MaxPooling):
    """The largest values of windows of sequences: inputs (batch, steps, channels).

    For the arguments, see `MaxPooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.MaxPooling1D(2)(np.array([[[1.0], [3.0], [2.0]]])).tolist()
        [[[3.0]]]
    """

    rank = 1


class MaxPooling2D(_MaxPooling):
    """The largest values of windows of images: inputs (batch, rows, columns, channels).

    Args:
        pool_size: The windows' size, or one for each axis.
        strides: The windows' step, or one for each axis; their size by default.
        padding: `"valid"`: windows lie inside of the inputs; or `"same"`: as many outputs as
            inputs, divided by the strides.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).

    Raises:
        ValueError: If a size is not positive, or the inputs are smaller than the window.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.MaxPooling2D()(np.ones((1, 28, 28, 3))).shape
        (1, 14, 14, 3)
        >>> squares = keras.ops.reshape(keras.ops.arange(4.0), (1, 2, 2, 1))
        >>> keras.layers.MaxPooling2D(2)(squares).tolist()
        [[[[3.0]]]]
    """

    rank = 2


class MaxPooling3D(_MaxPooling):
    """The largest values of windows of volumes: inputs (batch, depth, rows, columns, channels).

    For the arguments, see `MaxPooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.MaxPooling3D()(np.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)
    """

    rank = 3


class AveragePooling1D(_Pooling):
    """The means of windows of sequences: inputs (batch, steps, channels).

    For the arguments, see `AveragePooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AveragePooling1D(2)(np.array([[[1.0], [3.0], [2.0]]])).tolist()
        [[[2.0]]]
    """

    rank, pool = 1, staticmethod(nn.average_pool)


class AveragePooling2D(_Pooling):
    """The means of windows of images: inputs (batch, rows, columns, channels).

    Args:
        pool_size: The windows' size, or one for each axis.
        strides: The windows' step, or one for each axis; their size by default.
        padding: `"valid"`: windows lie inside of the inputs; or `"same"`: as many outputs as
            inputs, divided by the strides; what is outside does not count.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).

    Raises:
        ValueError: If a size is not positive, or the inputs are smaller than the window.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AveragePooling2D(2)(np.ones((1, 28, 28, 3))).shape
        (1, 14, 14, 3)
        >>> squares = keras.ops.reshape(keras.ops.arange(4.0), (1, 2, 2, 1))
        >>> keras.layers.AveragePooling2D(2)(squares).tolist()
        [[[[1.5]]]]
    """

    rank, pool = 2, staticmethod(nn.average_pool)


class AveragePooling3D(_Pooling):
    """The means of windows of volumes: inputs (batch, depth, rows, columns, channels).

    For the arguments, see `AveragePooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AveragePooling3D(2)(np.ones((1, 4, 4, 6, 3))).shape
        (1, 2, 2, 3, 3)
    """

    rank, pool = 3, staticmethod(nn.average_pool)


# ------------------------------------------------------------------ everything
class _GlobalPooling(SpatialLayer):
    reduce: Callable

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.keepdims = keepdims

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return self.reduce(inputs, self.spatial_axes, keepdims=self.keepdims)


class GlobalMaxPooling1D(_GlobalPooling):
    """The largest value of each channel of sequences (batch, steps, channels).

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: Whether the axis of the steps stays, with size 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GlobalMaxPooling1D()(np.array([[[1.0], [3.0], [2.0]]])).tolist()
        [[3.0]]
    """

    rank, reduce = 1, staticmethod(jnp.max)


class GlobalMaxPooling2D(_GlobalPooling):
    """The largest value of each channel of images (batch, rows, columns, channels).

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: Whether the axes of rows and columns stay, with size 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GlobalMaxPooling2D()(np.ones((2, 4, 4, 3))).shape
        (2, 3)
    """

    rank, reduce = 2, staticmethod(jnp.max)


class GlobalMaxPooling3D(_GlobalPooling):
    """The largest value of each channel of volumes; see `GlobalMaxPooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GlobalMaxPooling3D()(np.ones((2, 4, 4, 4, 3))).shape
        (2, 3)
    """

    rank, reduce = 3, staticmethod(jnp.max)


class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of sequences: (batch, steps, channels) to (batch, channels).

    Called as `layer(inputs, mask=None)`: steps that `mask` hides do not count.

    Args:
        data_format: `"channels_last"` or `"channels_first"`.
        keepdims: Whether the axis of the steps stays, with size 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GlobalAveragePooling1D()(np.array([[[1.0], [3.0]]])).tolist()
        [[2.0]]
    """

    supports_masking = True
    rank, reduce = 1, staticmethod(jnp.mean)

    def call(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        if mask is None:
            return super().call(inputs)
        weights = jnp.expand_dims(mask, self.channel_axis).astype(inputs.dtype)
        totals = jnp.sum(inputs * weights, self.spatial_axes, keepdims=self.keepdims)
        return totals / jnp.sum(weights, self.spatial_axes, keepdims=self.keepdims)

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        return None


class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of images: (batch, rows, columns, channels) to (batch, channels).

    For the arguments, see `GlobalMaxPooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[[1.0], [3.0]]]])
        >>> keras.layers.GlobalAveragePooling2D(keepdims=True)(x).tolist()
        [[[[2.0]]]]
    """

    rank, reduce = 2, staticmethod(jnp.mean)


class GlobalAveragePooling3D(_GlobalPooling):
    """The mean of each channel of volumes; see `GlobalAveragePooling2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GlobalAveragePooling3D()(np.ones((2, 4, 4, 4, 3))).shape
        (2, 3)
    """

    rank, reduce = 3, staticmethod(jnp.mean)


# ------------------------------------------------------------------ a given number of windows
class _AdaptivePooling(SpatialLayer):
    pool: Callable

    def __init__(self, output_size: Sizes, data_format: str | None = None, **kwargs: Any):
        super().__init__(data_format, **kwargs)
        self.output_size = size_tuple(self, "output_size", output_size, self.rank)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return self.pool(inputs, self.output_size, self.data_format)


class AdaptiveAveragePooling1D(_AdaptivePooling):
    """The means of a given number of windows of sequences: inputs (batch, steps, channels).

    Args:
        output_size: How many windows; they cover the sequence evenly.
        data_format: `"channels_last"` or `"channels_first"`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AdaptiveAveragePooling1D(3)(np.ones((2, 10, 4))).shape
        (2, 3, 4)
    """

    rank, pool = 1, staticmethod(nn.adaptive_average_pool)


class AdaptiveAveragePooling2D(_AdaptivePooling):
    """The means of a given number of windows of images; see `AdaptiveAveragePooling1D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.arange(16.0).reshape(1, 4, 4, 1)
        >>> keras.layers.AdaptiveAveragePooling2D((1, 2))(x).ravel().tolist()
        [6.5, 8.5]
    """

    rank, pool = 2, staticmethod(nn.adaptive_average_pool)


class AdaptiveAveragePooling3D(_AdaptivePooling):
    """The means of a given number of windows of volumes; see `AdaptiveAveragePooling1D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AdaptiveAveragePooling3D(2)(np.ones((2, 5, 6, 7, 4))).shape
        (2, 2, 2, 2, 4)
    """

    rank, pool = 3, staticmethod(nn.adaptive_average_pool)


class AdaptiveMaxPooling1D(_AdaptivePooling):
    """The largest values of a given number of windows; see `AdaptiveAveragePooling1D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[1.0], [3.0], [2.0], [5.0]]])
        >>> keras.layers.AdaptiveMaxPooling1D(2)(x).ravel().tolist()
        [3.0, 5.0]
    """

    rank, pool = 1, staticmethod(nn.adaptive_max_pool)


class AdaptiveMaxPooling2D(_AdaptivePooling):
    """The largest values of a given number of windows; see `AdaptiveAveragePooling1D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AdaptiveMaxPooling2D((3, 2))(np.ones((2, 10, 9, 4))).shape
        (2, 3, 2, 4)
    """

    rank, pool = 2, staticmethod(nn.adaptive_max_pool)


class AdaptiveMaxPooling3D(_AdaptivePooling):
    """The largest values of a given number of windows; see `AdaptiveAveragePooling1D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AdaptiveMaxPooling3D(2)(np.ones((2, 5, 6, 7, 4))).shape
        (2, 2, 2, 2, 4)
    """

    rank, pool = 3, staticmethod(nn.adaptive_max_pool)
