"""Layers that normalize by statistics of the batch or of each sample."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jkeras import initializers
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Identifier, Shape
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.layers.arguments import (
    add_weight,
    as_axes,
    number,
    positive_axis,
    positive_integer,
    weight_options,
)
from jkeras.ops import arrays as nn


class BatchNormalization(Layer):
    """Normalizes each channel by its mean and variance (Ioffe and Szegedy, 2015).

    In training the statistics are the batch's, and moving averages of them are kept; else they are
    these averages. A frozen layer (`trainable = False`) uses the averages in training as well.
    Called as `layer(inputs, training=None, mask=None)`: steps that `mask` hides do not count.

    Weights: `gamma`, `beta` (channels,); not trainable: `moving_mean`, `moving_variance` and, with
    `renorm`, `moving_stddev`, `renorm_mean`, `renorm_stddev`.

    Args:
        axis: The axis of the channels.
        momentum: How much of the moving averages stays at each step.
        epsilon: What is added to variances.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied with.
        beta_initializer: The initializer of `beta`.
        gamma_initializer: The initializer of `gamma`.
        moving_mean_initializer: The initializer of the moving mean.
        moving_variance_initializer: The initializer of the moving variance.
        beta_regularizer: A function of `beta` (or its name) that gives a loss.
        gamma_regularizer: A function of `gamma` (or its name) that gives a loss.
        beta_constraint: A function (or its name) applied to `beta` after each update.
        gamma_constraint: A function (or its name) applied to `gamma` after each update.
        renorm: Whether to correct the batch's statistics towards their moving averages (Batch
            Renormalization, Ioffe, 2017), which helps small batches.
        renorm_clipping: The corrections' limits: `{"rmax": ..., "rmin": ..., "dmax": ...}`.
        renorm_momentum: The momentum of the averages they are corrected to.
        synchronized: Accepted for Keras's sake: under `jit`, statistics are those of the whole
            batch, on however many devices it lies.

    Raises:
        ValueError: If the inputs lack the axis, or a limit is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.BatchNormalization(epsilon=0.0, momentum=0.5)
        >>> layer(np.array([[1.0], [3.0]]), training=True).tolist()
        [[-1.0], [1.0]]
        >>> layer.moving_mean.numpy().tolist()
        [1.0]
    """

    supports_masking = True
    moving_mean_initializer: Any
    moving_variance_initializer: Any

    @weight_options(
        beta="zeros",
        gamma="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
    )
    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        *,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **options: Any,
    ):
        super().__init__(**options)
        self.autocast = False  # what halves cannot hold may be what is normalized away
        # tf.keras writes the axis into its files as a list of one.
        axes = as_axes(self, axis)
        self.axis = axes[0] if isinstance(axes, list) and len(axes) == 1 else axes
        self.momentum = number(self, "momentum", momentum, 0, 1)
        self.epsilon = number(self, "epsilon", epsilon, 0)
        self.center, self.scale, self.renorm = center, scale, renorm
        self.renorm_momentum = number(self, "renorm_momentum", renorm_momentum, 0, 1)
        self.synchronized = synchronized
        limits = dict(renorm_clipping or {})
        unknown = set(limits) - {"rmax", "rmin", "dmax"}
        if unknown:
            raise ValueError(
                "Received invalid keys for `renorm_clipping` argument: "
                f"{sorted(unknown)}. Supported values: ['rmax', 'rmin', 'dmax']."
            )
        if limits.get("rmin", 0) > limits.get("rmax", math.inf) or limits.get("rmin", 0) < 0:
            raise ValueError(
                "In `renorm_clipping`, rmax should be greater than or equal to rmin, and rmin "
                f"non-negative. Received: renorm_clipping={renorm_clipping}"
            )
        if limits.get("dmax", 0) < 0:
            raise ValueError(
                "In `renorm_clipping`, dmax should be non-negative. Received: "
                f"renorm_clipping={renorm_clipping}"
            )
        self.renorm_clipping = limits if renorm else renorm_clipping

    def build(self, input_shape: Shape) -> None:
        axis = positive_axis(self, self.axis, len(input_shape))
        channels = (input_shape[axis],)
        self.gamma = add_weight(self, "gamma", channels, autocast=False) if self.scale else None
        self.beta = add_weight(self, "beta", channels, autocast=False) if self.center else None
        averages: dict[str, Any] = {"trainable": False, "autocast": False}
        self.moving_mean = add_weight(self, "moving_mean", channels, **averages)
        self.moving_variance = add_weight(self, "moving_variance", channels, **averages)
        if self.renorm:
            means = {**averages, "initializer": self.moving_mean_initializer}
            stddevs = {**averages, "initializer": _SquareRoot(self.moving_variance_initializer)}
            self.moving_stddev = add_weight(self, "moving_stddev", channels, **stddevs)
            self.renorm_mean = add_weight(self, "renorm_mean", channels, **means)
            self.renorm_stddev = add_weight(self, "renorm_stddev", channels, **stddevs)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis]})

    def call(
        self, inputs: ArrayLike, training: bool | None = None, mask: ArrayLike = None
    ) -> ArrayLike:
        axis = self.axis % inputs.ndim
        inputs = inputs.astype(jnp.result_type(inputs.dtype, "float32"))
        mean, variance = self.moving_mean.value, self.moving_variance.value
        scale, offset = self.gamma, self.beta
        if training and self.trainable:
            if mask is not None:
                mask = mask.reshape(mask.shape + (1,) * (inputs.ndim - mask.ndim))
            others = tuple(i for i in range(inputs.ndim) if i != axis)
            mean, variance = nn.moments(inputs, others, mask=mask)
            _move_average(self.moving_mean, mean, self.momentum)
            _move_average(self.moving_variance, variance, self.momentum)
            if self.renorm:
                scale, offset = self._renormalize(mean, variance)
        outputs = nn.batch_normalization(inputs, mean, variance, axis, offset, scale, self.epsilon)
        return outputs.astype(self.compute_dtype)

    def _renormalize(self, mean: ArrayLike, variance: ArrayLike) -> tuple[Any, Any]:
        """Returns the scale and offset that take the batch's statistics to their averages."""
        limits = self.renorm_clipping or {}
        mean, stddev = jax.lax.stop_gradient((mean, jnp.sqrt(variance + self.epsilon)))
        renorm_mean, renorm_stddev = self.renorm_mean.value, self.renorm_stddev.value
        r = stddev / renorm_stddev
        r = jnp.clip(r, limits.get("rmin"), limits.get("rmax"))
        d = (mean - renorm_mean) / renorm_stddev
        if "dmax" in limits:
            d = jnp.clip(d, -limits["dmax"], limits["dmax"])
        _move_average(self.moving_stddev, stddev, self.momentum)
        self.moving_variance.assign(jnp.square(self.moving_stddev.value) - self.epsilon)
        _move_average(self.renorm_mean, mean, self.renorm_momentum)
        _move_average(self.renorm_stddev, stddev, self.renorm_momentum)
        if self.gamma is not None:
            r, d = r * self.gamma.value, d * self.gamma.value
        return r, d if self.beta is None else d + self.beta.value


class _SquareRoot(initializers.Initializer):
    """The square root of what another initializer gives."""

    def __init__(self, initializer: Identifier):
        self.initializer = initializer

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        return jnp.sqrt(initializers.draw(self.initializer, shape, dtype, key))


def _move_average(average: Variable, value: Any, momentum: float) -> None:
    average.assign(average.value * momentum + value * (1.0 - momentum))


class _SampleNormalization(Layer):
    """Statistics of each sample, then `gamma` and `beta`."""

    supports_masking = True

    @weight_options(beta="zeros", gamma="ones")
    def __init__(
        self,
        axis: Axis = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        **options: Any,
    ):
        super().__init__(**options)
        self.autocast = False  # what halves cannot hold may be what is normalized away
        self.axis = as_axes(self, axis)
        self.epsilon = number(self, "epsilon", epsilon, 0)
        self.center, self.scale = center, scale

    def _add_affine(self, input_shape: Shape, axis: Axis) -> list[int]:
        axes = _axes(self, axis, len(input_shape))
        sizes = [input_shape[i] for i in axes]
        self.gamma = add_weight(self, "gamma", sizes, autocast=False) if self.scale else None
        self.beta = add_weight(self, "beta", sizes, autocast=False) if self.center else None
        return axes


def _axes(layer: Layer, axis: Axis, ndim: int) -> list[int]:
    """Returns one or several axes, counted from the front, in order."""
    axes = axis if isinstance(axis, (list, tuple)) else [axis]
    return sorted({positive_axis(layer, a, ndim) for a in axes})


class LayerNormalization(_SampleNormalization):
    """Normalizes each sample to mean 0 and variance 1 along some axes (Ba et al., 2016).

    Weights: `gamma`, `beta` (sizes of the axes).

    Args:
        axis: The axis, or several.
        epsilon: What is added to variances.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied with.
        beta_initializer: The initializer of `beta`.
        gamma_initializer: The initializer of `gamma`.
        beta_regularizer: A function of `beta` (or its name) that gives a loss.
        gamma_regularizer: A function of `gamma` (or its name) that gives a loss.
        beta_constraint: A function (or its name) applied to `beta` after each update.
        gamma_constraint: A function (or its name) applied to `gamma` after each update.

    Raises:
        ValueError: If the inputs lack an axis.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.LayerNormalization(epsilon=0.0)
        >>> layer(np.array([[1.0, 3.0], [20.0, 60.0]])).tolist()
        [[-1.0, 1.0], [-1.0, 1.0]]
    """

    @takes_arguments_of(_SampleNormalization.__init__)
    def __init__(self, **options: Any):
        # Keras's older spelling of a variant: `gamma` times the inputs over their deviation.
        rms_scaling = options.pop("rms_scaling", False)
        super().__init__(**options)
        self.rms_scaling = bool(rms_scaling)
        if self.rms_scaling:
            warn_deprecated(
                "You passed `rms_scaling=True`, which is deprecated. It divides by the deviation, "
                "not by the root mean square: use `keras.layers.RMSNormalization`.",
                UserWarning,
            )
            self.scale, self.center = True, False

    def build(self, input_shape: Shape) -> None:
        self._add_affine(input_shape, self.axis)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return nn.layer_normalization(
            inputs,
            _value(self.gamma),
            _value(self.beta),
            self.axis,
            self.epsilon,
            subtract_mean=not self.rms_scaling,
        ).astype(self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rms_scaling": self.rms_scaling}


def _value(weight: Variable | None) -> Any:
    return None if weight is None else weight.value


class GroupNormalization(_SampleNormalization):
    """Normalizes groups of channels of each sample to mean 0 and variance 1 (Wu and He, 2018).

    Weights: `gamma`, `beta` (channels,).

    Args:
        groups: The number of groups: 1 normalizes all channels together, -1 each by itself.
        axis: The axis of the channels.
        epsilon: What is added to variances.
        center: Whether `beta` is added.
        scale: Whether `gamma` is multiplied with.
        **options: Initializers, regularizers and constraints: see `LayerNormalization`.

    Raises:
        ValueError: If `groups` does not divide the channels.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.GroupNormalization(groups=2, epsilon=0.0)
        >>> layer(np.array([[1.0, 3.0, 20.0, 60.0]])).tolist()
        [[-1.0, 1.0, -1.0, 1.0]]
    """

    @takes_arguments_of(_SampleNormalization.__init__)
    def __init__(self, groups: int = 32, **options: Any):
        super().__init__(**options)
        is_each = as_integer(groups) == -1
        self.groups = -1 if is_each else positive_integer(self, "groups", groups)

    def build(self, input_shape: Shape) -> None:
        axis = positive_axis(self, self.axis, len(input_shape))
        channels = input_shape[axis]
        if channels is None:
            raise ValueError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer "
                f"received an input with shape {input_shape} (layer {self.name!r})."
            )
        if self.groups == -1:
            self.groups = channels
        if self.groups > channels:
            raise ValueError(
                f"Number of groups ({self.groups}) cannot be more than the number of channels "
                f"({channels}). (layer {self.name!r}, input shape {input_shape})"
            )
        if channels % self.groups:
            raise ValueError(
                f"Number of groups ({self.groups}) must be a divisor: the number of channels "
                f"({channels}) must be a multiple of the number of groups. "
                f"(layer {self.name!r}, input shape {input_shape})"
            )
        self._add_affine(input_shape, axis)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        gamma, beta = _value(self.gamma), _value(self.beta)
        outputs = nn.group_normalization(inputs, self.groups, self.axis, gamma, beta, self.epsilon)
        return outputs.astype(self.compute_dtype)


class RMSNormalization(Layer):
    """Divides each sample by its root mean square (Zhang and Sennrich, 2019).

    Weights: `scale` (sizes of the axes).

    Args:
        axis: The axis, or several.
        epsilon: What is added to the mean square.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RMSNormalization(epsilon=0.0)(np.array([[2.0, -2.0]])).tolist()
        [[1.0, -1.0]]
    """

    supports_masking = True

    def __init__(self, axis: Axis = -1, epsilon: float = 1e-6, **kwargs: Any):
        super().__init__(**kwargs)
        self.autocast = False  # what halves cannot hold may be what is normalized away
        self.axis, self.epsilon = as_axes(self, axis), number(self, "epsilon", epsilon, 0)

    def build(self, input_shape: Shape) -> None:
        sizes = [input_shape[i] for i in _axes(self, self.axis, len(input_shape))]
        self.scale = self.add_weight(sizes, initializer="ones", autocast=False, name="scale")

    def call(self, x: ArrayLike) -> ArrayLike:
        outputs = nn.rms_normalization(x, self.scale.value, self.axis, self.epsilon)
        return outputs.astype(self.compute_dtype)


class UnitNormalization(Layer):
    """Scales each sample to norm 1.

    Args:
        axis: The axis, or several, along which the norm is taken.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.UnitNormalization()(np.ones((1, 4))).tolist()
        [[0.5, 0.5, 0.5, 0.5]]
    """

    supports_masking = True

    def __init__(self, axis: Axis = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = as_axes(self, axis)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return nn.normalize(inputs, axis=tuple(_axes(self, self.axis, inputs.ndim)))
