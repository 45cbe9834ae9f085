"""Layers that move or repeat values."""

import math
from collections.abc import Iterable
from typing import Any

import jax.numpy as jnp
import numpy as np

from jkeras.core import settings
from jkeras.core.graph import SymbolicTensor
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.layers.arguments import positive_integer


class Flatten(Layer):
    """Makes one axis of all axes but the first.

    Args:
        data_format: `"channels_last"` or `"channels_first"`; with the latter the channels are moved
            to the end first, so that both give the same.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = settings.standardize_data_format(data_format)
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Any:
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
    """

    def __init__(self, target_shape: Any, **kwargs: Any):
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

    def call(self, inputs: Any) -> Any:
        return inputs.reshape(inputs.shape[0], *self._sizes(inputs.shape[1:]))

    def compute_output_spec(self, inputs: Any) -> Any:
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
    """

    def __init__(self, dims: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(dims) if isinstance(dims, Iterable) else (dims,)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(
                "Invalid permutation argument `dims` for Permute Layer. The set of indices in "
                f"`dims` must be consecutive and start from 1. Received dims={dims}"
            )
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:
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
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive_integer(self, "n", n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:
        batch, features = inputs.shape
        return jnp.broadcast_to(inputs[:, None], (batch, self.n, features))
