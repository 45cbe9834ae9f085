"""Convolutions as sums of matrix products, where these are faster: on CPUs.

Measured with jax 0.10, whose XLA has fast convolutions for CPUs only outside of loops, and none
that goes channel by channel. `ops.arrays` asks here; nothing else needs to know.
"""

import contextlib
import contextvars
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_derivatives import SymbolicZero

from jkeras.base import settings

# Strides, padding, data format, dilation, and how far the inputs' rows are pulled apart.
Place = tuple[Sequence[int], Any, str | None, Sequence[int], Sequence[int]]

_in_loop: contextvars.ContextVar[bool] = contextvars.ContextVar("in_loop", default=False)


@contextlib.contextmanager
def in_loop() -> Iterator[None]:
    """Says that what is traced is the body of a compiled loop, in which gradients are taken.

    On a CPU, XLA makes the convolutions that are another's gradient fast in the outermost
    computation only. In a loop they took 5 times as long (jax 0.10): there, gradients are sums of
    matrix products instead.
    """
    token = _in_loop.set(True)
    try:
        yield
    finally:
        _in_loop.reset(token)


def convolve(
    plain: Callable, inputs: jax.Array, kernel: jax.Array, groups: int, place: Place
) -> jax.Array:
    """Returns a convolution whose gradients, in a loop on a CPU, are sums of matrix products.

    Args:
        plain: The convolution, a function of inputs and kernel.
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, channels / groups, filters).
        groups: The number of groups.
        place: How the window moves.
    """
    # Products of many zeros with few columns are no gain.
    many = max(place[-1]) == 1 or kernel.shape[-1] >= 8
    if not _in_loop.get() or groups > 1 or not many or not is_better(kernel):
        return plain(inputs, kernel)
    with_gradients = jax.custom_jvp(plain)

    def derivative(primals: Any, tangents: Any) -> Any:
        (inputs, kernel), (d_inputs, d_kernel) = primals, tangents
        parts = [(d_inputs, (d_inputs, kernel)), (d_kernel, (inputs, d_kernel))]
        # No gradient may be wanted of a model's inputs, or of a kernel that is frozen.
        wanted = [of for d, of in parts if not isinstance(d, SymbolicZero)]
        total: Any = sum(_sum_of_shifted(_matrix_products, *of, place) for of in wanted)
        return with_gradients(*primals), total

    with_gradients.defjvp(derivative, symbolic_zeros=True)
    return with_gradients(inputs, kernel)


def depthwise(inputs: jax.Array, kernel: jax.Array, place: Place) -> jax.Array:
    """Returns the convolution of each channel by itself.

    XLA's own for a CPU is no more than a loop over all indices: this takes 1 to 10 % of its time
    for windows of 3 by 3, and a third of it with gradients.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, channels, multiplier).
        place: How the window moves.
    """
    return _sum_of_shifted(_products_by_channel, inputs, kernel, place)


# A window of 7 by 7; more would take long to compile.
_MOST_SHIFTS = 49


def is_better(kernel: jax.Array) -> bool:
    """Says whether a convolution is written out as a sum over the window's elements."""
    is_single = kernel.dtype == jnp.float32  # else the sum would be less exact
    return (
        jax.default_backend() == "cpu"
        and is_single
        and math.prod(kernel.shape[:-2]) <= _MOST_SHIFTS
    )


def _sum_of_shifted(
    sum_of_products: Callable, x: jax.Array, kernel: jax.Array, place: Place
) -> jax.Array:
    """A convolution as a sum, over the window's elements, of products of shifted inputs."""
    strides, pads, data_format, dilation, stretch = place
    n, first = kernel.ndim - 2, settings.standardize_data_format(data_format) == "channels_first"
    x = jnp.moveaxis(x, 1, -1) if first else x
    reach = [(k - 1) * d + 1 for k, d in zip(kernel.shape[:n], dilation, strict=True)]
    if isinstance(pads, str):
        pads = lax.padtype_to_pads(x.shape[1:-1], reach, strides, pads)
    between = [(*pad, step - 1) for pad, step in zip(pads, stretch, strict=True)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *between, (0, 0, 0)])
    sizes = [(d - r) // s + 1 for d, r, s in zip(x.shape[1:-1], reach, strides, strict=True)]
    shifted = []
    for place in np.ndindex(*kernel.shape[:n]):
        starts = [p * d for p, d in zip(place, dilation, strict=True)]
        ends = [
            start + (size - 1) * s + 1
            for start, size, s in zip(starts, sizes, strides, strict=True)
        ]
        # NumPy's way to write it takes five times as long to trace.
        whole = (x.shape[0], *ends, x.shape[-1])
        shifted.append(lax.slice(x, (0, *starts, 0), whole, (1, *strides, 1)))
    total = sum_of_products(shifted, kernel.reshape(-1, *kernel.shape[n:]))
    return jnp.moveaxis(total, -1, 1) if first else total


def _matrix_products(shifted: list[jax.Array], kernel: jax.Array) -> jax.Array:
    _, channels, filters = kernel.shape
    if channels < 64:  # one product of longer rows is faster then
        return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, filters)
    return sum(x @ matrix for x, matrix in zip(shifted, kernel, strict=True))  # type: ignore[return-value]


def _products_by_channel(shifted: list[jax.Array], kernel: jax.Array) -> jax.Array:
    factors = jnp.unstack(kernel)
    spread = (lax.expand_dims(x, [x.ndim]) for x in shifted)
    total: Any = sum(x * factor for x, factor in zip(spread, factors, strict=True))
    return total.reshape(*total.shape[:-2], -1)
