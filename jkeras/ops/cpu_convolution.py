"""Convolutions written otherwise, which are faster on CPUs: channel by channel, and transposed.

Measured with jax 0.10, whose XLA has no fast ones of its own. `ops.arrays` asks here; nothing else
needs to know.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jkeras.base import settings
from jkeras.base.platforms import platform

# Strides, padding, data format, dilation.
Place = tuple[Sequence[int], Any, str | None, Sequence[int]]


def depthwise(inputs: jax.Array, kernel: jax.Array, place: Place) -> jax.Array:
    """Returns the convolution of each channel by itself.

    XLA's own for a CPU is no more than a loop over all indices: this takes 1 to 10 % of its time
    for windows of 3 by 3, and a third of it with gradients.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, channels, multiplier).
        place: How the window moves.
    """
    strides, pads, data_format, dilation = place
    n, first = kernel.ndim - 2, settings.standardize_data_format(data_format) == "channels_first"
    x = jnp.moveaxis(inputs, 1, -1) if first else inputs
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:n], dilation, strict=True)]
    if isinstance(pads, str):
        pads = lax.padtype_to_pads(x.shape[1:-1], reach, strides, pads)
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *[(*p, 0) for p in pads], (0, 0, 0)])
    sizes = [(d - r) // s + 1 for d, r, s in zip(x.shape[1:-1], reach, strides, strict=True)]
    # Operations of lax: NumPy's way to write them takes five times as long to trace.
    factors, total = jnp.unstack(kernel.reshape(-1, *kernel.shape[n:])), None  # type: Any, Any
    for at, factor in zip(np.ndindex(*kernel.shape[:n]), factors, strict=True):
        starts = [a * d for a, d in zip(at, dilation, strict=True)]
        ends = [
            start + (size - 1) * s + 1
            for start, size, s in zip(starts, sizes, strides, strict=True)
        ]
        whole = (x.shape[0], *ends, x.shape[-1])
        part = lax.slice(x, (0, *starts, 0), whole, (1, *strides, 1))
        product = lax.expand_dims(part, [part.ndim]) * factor
        total = product if total is None else total + product
    total = total.reshape(*total.shape[:-2], -1)
    return jnp.moveaxis(total, -1, 1) if first else total


def transposed(
    inputs: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    pads: Sequence[tuple[int, int]],
    data_format: str | None,
) -> jax.Array:
    """Returns a transposed convolution, as a plain one with more channels.

    Outputs at one remainder of the strides use one part of the window: with a channel for each
    remainder, nothing is multiplied by the zeros between stretched inputs. XLA's own gradient for
    the kernel has no fast form where inputs are smaller than outputs: it swaps the two. Training
    steps of a layer take a third to a tenth of the time.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, filters, channels).
        strides: The step for each axis.
        pads: How far the stretched inputs would be padded in front and behind.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    n, first = kernel.ndim - 2, settings.standardize_data_format(data_format) == "channels_first"
    x, (filters, channels) = jnp.moveaxis(inputs, 1, -1) if first else inputs, kernel.shape[n:]
    window, zero = kernel.shape[:n], jnp.zeros((), inputs.dtype)
    parts = [-(-k // s) for k, s in zip(window, strides, strict=True)]  # of the window
    full = [(0, p * s - k, 0) for p, s, k in zip(parts, strides, window, strict=True)]
    kernel = lax.pad(kernel, zero.astype(kernel.dtype), [*full, (0, 0, 0), (0, 0, 0)])
    kernel = kernel.reshape(*np.ravel(list(zip(parts, strides, strict=True))), filters, channels)
    order = [*range(0, 2 * n, 2), 2 * n + 1, *range(1, 2 * n, 2), 2 * n]
    kernel = jnp.flip(kernel.transpose(order), range(n)).reshape(*parts, channels, -1)
    # Padded before, not by the convolution: else inputs are smaller than outputs again.
    x = lax.pad(x, zero, [(0, 0, 0), *[(p - 1, p - 1, 0) for p in parts], (0, 0, 0)])
    sides = (0, n + 1, *range(1, n + 1))
    numbers = lax.ConvDimensionNumbers(sides, (n + 1, n, *range(n)), sides)
    y = lax.conv_general_dilated(x, kernel, (1,) * n, "VALID", dimension_numbers=numbers)
    space = y.shape[1:-1]
    y = y.reshape(y.shape[0], *space, *strides, filters)
    order = [0, *[axis for i in range(n) for axis in (1 + i, 1 + n + i)], 2 * n + 1]
    y = y.transpose(order).reshape(
        y.shape[0], *[size * s for size, s in zip(space, strides, strict=True)], filters
    )
    cuts = []
    for k, p, s, (front, behind) in zip(window, parts, strides, pads, strict=True):
        # Outputs beyond the window's reach are zero; negative padding cuts off.
        cuts.append((front - (k - 1), behind - (k - 1) - (p * s - k), 0))
    y = lax.pad(y, zero, [(0, 0, 0), *cuts, (0, 0, 0)])
    return jnp.moveaxis(y, -1, 1) if first else y


# A window of 7 by 7; more would take long to compile.
_MOST_SHIFTS = 49


def is_better(kernel: jax.Array) -> bool:
    """Says whether a convolution is written out as a sum over the window's elements."""
    is_single = kernel.dtype == jnp.float32  # else the sum would be less exact
    return platform() == "cpu" and is_single and math.prod(kernel.shape[:-2]) <= _MOST_SHIFTS
