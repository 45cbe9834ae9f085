"""Layers that normalize by statistics of the batch or of each sample."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.layers.arguments import add_weight, keep_weight_options, positive_axis
from jkeras.ops import nn


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

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        # tf.keras writes the axis into its files as a list of one.
        self.axis = axis[0] if isinstance(axis, (list, tuple)) and len(axis) == 1 else axis
        self.momentum, self.epsilon, self.center, self.scale = momentum, epsilon, center, scale
        self.renorm, self.renorm_momentum = renorm, renorm_momentum
        self.synchronized = synchronized
        unknown = set(renorm_clipping or ()) - {"rmax", "rmin", "dmax"}
        if unknown:
            raise ValueError(
                "Received invalid keys for `renorm_clipping` argument: "
                f"{sorted(unknown)}. Supported values: ['rmax', 'rmin', 'dmax']."
            )
        self.renorm_clipping = dict(renorm_clipping or {}) if renorm else renorm_clipping
        keep_weight_options(self, locals())

    def build(self, input_shape: Any) -> None:
        axis = positive_axis(self, self.axis, len(input_shape))
        channels = (input_shape[axis],)
        self.gamma = add_weight(self, "gamma", channels, autocast=False) if self.scale else None
        self.beta = add_weight(self, "beta", channels, autocast=False) if self.center else None
        averages: dict[str, Any] = {"trainable": False, "autocast": False}
        self.moving_mean = add_weight(self, "moving_mean", channels, **averages)
        self.moving_variance = add_weight(self, "moving_variance", channels, **averages)
        if self.renorm:
            ones, zeros = {**averages, "initializer": "ones"}, {**averages, "initializer": "zeros"}
            self.moving_stddev = add_weight(self, "moving_stddev", channels, **ones)
            self.renorm_mean = add_weight(self, "renorm_mean", channels, **zeros)
            self.renorm_stddev = add_weight(self, "renorm_stddev", channels, **ones)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={axis: input_shape[axis]})

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
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

    def _renormalize(self, mean: Any, variance: Any) -> tuple[Any, Any]:
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


def _move_average(average: Variable, value: Any, momentum: float) -> None:
    average.assign(average.value * momentum + value * (1.0 - momentum))
