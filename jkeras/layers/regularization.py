"""Layers that are random in training, and do nothing else."""

from collections.abc import Iterable
from typing import Any

import jax

from jkeras.core.layer import Layer
from jkeras.layers.arguments import seed_generator
from jkeras.ops import nn


def _rate(layer: Layer, rate: Any, closed: bool = True) -> Any:
    """Returns the rate, if it is one."""
    is_number = isinstance(rate, (int, float))
    if not is_number or not (0 <= rate <= 1 if closed else 0 <= rate < 1):
        raise ValueError(
            "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
            f"Received: rate={rate!r} (layer {layer.name!r})"
        )
    return rate


class _Random(Layer):
    """Does nothing, unless in training."""

    supports_masking = True

    def __init__(self, seed: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, seed_generator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        if not training:
            return inputs
        source = self if self.seed_generator is None else self.seed_generator
        return self.disturb(inputs, source.next_key())

    def disturb(self, inputs: Any, key: jax.Array) -> Any:
        """Returns what the layer makes of its inputs in training."""
        raise NotImplementedError


class Dropout(_Random):
    """Sets a random share of the inputs to zero in training (Srivastava et al., 2014).

    The rest is scaled by `1 / (1 - rate)`, so that the expected sum stays.

    Args:
        rate: The share, between 0 and 1.
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

    def __init__(self, rate: float, noise_shape: Any = None, seed: Any = None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        self.rate = _rate(self, rate)
        if noise_shape is not None and (
            isinstance(noise_shape, str) or not isinstance(noise_shape, Iterable)
        ):
            raise ValueError(
                "Invalid value received for argument `noise_shape`. Expected a tuple or list of "
                f"integers. Received: noise_shape={noise_shape!r}"
            )
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)

    def disturb(self, inputs: Any, key: jax.Array) -> Any:
        return nn.dropout(inputs, self.rate, key, self._noise_shape(inputs))

    def _noise_shape(self, inputs: Any) -> tuple[int, ...]:
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
