"""Layers that are random in training, and do nothing else."""

import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import settings
from jkeras.base.numbers import as_integer
from jkeras.base.quick_random import quick
from jkeras.base.types import ArrayLike, DTypeLike, Seed, Shape
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.layers.arguments import fraction, next_key, seed_generator
from jkeras.ops import arrays as nn


def _normal(key: jax.Array, inputs: ArrayLike) -> jax.Array:
    """Returns normal noise for each of some inputs, in their dtype."""
    return jax.random.normal(quick(key, inputs.shape), inputs.shape, inputs.dtype)


class _Random(Layer):
    """Does nothing, unless in training."""

    supports_masking = True

    def __init__(self, seed: Seed = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, seed_generator(seed)

    def call(self, inputs: ArrayLike, training: bool = False) -> ArrayLike:
        return self.disturb(inputs, next_key(self)) if training else inputs

    def disturb(self, inputs: ArrayLike, key: jax.Array) -> ArrayLike:
        """Returns what the layer makes of its inputs in training."""
        raise NotImplementedError


class Dropout(_Random):
    """Sets a random fraction of the inputs to zero in training (Srivastava et al., 2014).

    The rest is scaled by `1 / (1 - rate)`, so that the expected sum stays.

    Args:
        rate: The fraction, between 0 and 1.
        noise_shape: The shape of what is drawn; None in it for the inputs' own size. 1 for an axis
            drops the same all along it: `(None, 1, None)` the same features at all time steps.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Dropout(0.5, seed=0)
        >>> layer(np.ones((1, 4))).tolist()
        [[1.0, 1.0, 1.0, 1.0]]
        >>> sorted(set(layer(np.ones((100, 4)), training=True).ravel().tolist()))
        [0.0, 2.0]
    """

    def __init__(self, rate: float, noise_shape: Shape = None, seed: Seed = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = fraction(self, "rate", rate)
        if noise_shape is not None and (
            isinstance(noise_shape, str) or not isinstance(noise_shape, Iterable)
        ):
            raise ValueError(
                "Invalid value received for argument `noise_shape`. Expected a tuple or list of "
                f"integers. Received: noise_shape={noise_shape!r}"
            )
        self.noise_shape: tuple[int | None, ...] | None = None
        if noise_shape is not None:
            self.noise_shape = tuple(map(self._noise_size, noise_shape))

    def _noise_size(self, size: Any) -> int | None:
        number = as_integer(size)
        if size is not None and (number is None or number < 1):
            kind = "elements to be" if number is None else "dimensions to be positive"
            raise ValueError(
                f"Invalid value received for argument `noise_shape`. Expected all {kind} integers "
                f"or None. Received: {size!r} (layer {self.name!r})"
            )
        return number

    def disturb(self, inputs: ArrayLike, key: jax.Array) -> ArrayLike:
        return nn.dropout(inputs, self.rate, key, self._noise_shape(inputs))

    def _noise_shape(self, inputs: ArrayLike) -> tuple[int, ...]:
        if self.noise_shape is None:
            return inputs.shape
        offset = inputs.ndim - len(self.noise_shape)
        shape = tuple(
            inputs.shape[i] if n is None else n
            for i, n in enumerate(self.noise_shape, start=offset)
        )
        if offset < 0 or any(n not in (1, m) for n, m in zip(shape, inputs.shape[offset:])):
            raise ValueError(
                f"The `noise_shape` {self.noise_shape} of the layer {self.name!r} does not "
                f"broadcast to inputs of shape {inputs.shape}."
            )
        return shape


class SpatialDropout1D(Dropout):
    """Drops whole channels of sequences in training (Tompson et al., 2014).

    Args:
        rate: The fraction, between 0 and 1.
        seed: An integer, for a sequence of draws of the layer's own.
        name: The name.
        dtype: The dtype or policy.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> y = keras.layers.SpatialDropout1D(0.5)(np.ones((2, 9, 4)), training=True)
        >>> bool((y == y[:, :1]).all())
        True
    """

    def __init__(
        self, rate: float, seed: Seed = None, name: str | None = None, dtype: DTypeLike = None
    ):
        super().__init__(rate, (None, 1, None), seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=3)


class _SpatialDropout(Dropout):
    rank: int

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: Seed = None,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        self.data_format = settings.standardize_data_format(data_format)
        space = (1,) * self.rank
        is_first = self.data_format == "channels_first"
        noise_shape = (None, None, *space) if is_first else (None, *space, None)
        super().__init__(rate, noise_shape, seed, name=name, dtype=dtype)
        self.input_spec = InputSpec(ndim=self.rank + 2)


class SpatialDropout2D(_SpatialDropout):
    """Drops whole channels of images in training (Tompson et al., 2014).

    Args:
        rate: The fraction, between 0 and 1.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.
        name: The name.
        dtype: The dtype or policy.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> y = keras.layers.SpatialDropout2D(0.5)(np.ones((2, 3, 3, 4)), training=True)
        >>> bool((y == y[:, :1, :1]).all())
        True
    """

    rank = 2


class SpatialDropout3D(_SpatialDropout):
    """Drops whole channels of volumes in training; see `SpatialDropout2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> y = keras.layers.SpatialDropout3D(0.5)(np.ones((2, 3, 3, 3, 4)), training=True)
        >>> bool((y == y[:, :1, :1, :1]).all())
        True
    """

    rank = 3


class AlphaDropout(Dropout):
    """Dropout that keeps mean and variance, for networks of SELUs (Klambauer et al., 2017).

    Dropped inputs become SELU's lower limit; then all are scaled and moved.

    Args:
        rate: The fraction, between 0 and 1.
        noise_shape: The shape of what is drawn; None in it for the inputs' own size.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.random.default_rng(0).normal(size=(1000, 10))
        >>> y = keras.layers.AlphaDropout(0.2)(x, training=True)
        >>> bool(abs(y.std() - x.std()) < 0.05)
        True
    """

    def disturb(self, inputs: ArrayLike, key: jax.Array) -> ArrayLike:
        if self.rate >= 1:
            return jnp.zeros_like(inputs)
        least = -1.7580993408473766  # of SELU
        shape = self._noise_shape(inputs)
        keep = jax.random.bernoulli(quick(key, shape), 1.0 - self.rate, shape)
        scale = ((1 - self.rate) * (1 + self.rate * least**2)) ** -0.5
        offset = -scale * least * self.rate
        return jnp.where(keep, inputs, least).astype(inputs.dtype) * scale + offset


class GaussianDropout(_Random):
    """Multiplies by normal noise of mean 1 in training (Srivastava et al., 2014).

    Args:
        rate: The noise's variance is `rate / (1 - rate)`, that of dropout with this rate.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If `rate` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> y = keras.layers.GaussianDropout(0.5, seed=0)(np.ones((1000, 10)), training=True)
        >>> round(y.std().item(), 1)
        1.0
    """

    def __init__(self, rate: float, seed: Seed = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = fraction(self, "rate", rate)

    def disturb(self, inputs: ArrayLike, key: jax.Array) -> ArrayLike:
        stddev = math.sqrt(self.rate / (1.0 - self.rate)) if self.rate < 1 else math.inf
        return inputs * (1.0 + stddev * _normal(key, inputs))


class GaussianNoise(_Random):
    """Adds normal noise in training.

    Args:
        stddev: The noise's standard deviation, between 0 and 1.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If `stddev` is not between 0 and 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.GaussianNoise(0.5, seed=0)
        >>> layer(np.ones((1, 2))).tolist()
        [[1.0, 1.0]]
        >>> round(layer(np.ones((1000, 10)), training=True).std().item(), 1)
        0.5
    """

    def __init__(self, stddev: float, seed: Seed = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.stddev = fraction(self, "stddev", stddev)

    def disturb(self, inputs: ArrayLike, key: jax.Array) -> ArrayLike:
        return inputs + self.stddev * _normal(key, inputs)
