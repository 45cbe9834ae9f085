"""Neural-network functions: pure functions of arrays, by the names of `keras.ops`.

They know neither layers nor symbolic tensors: `keras.ops` lifts them, the layers call them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jkeras.base import settings
from jkeras.base.numbers import as_integer
from jkeras.base.platforms import has_fused_attention, platform
from jkeras.base.quick_random import quick
from jkeras.base.types import ArrayLike, Axis, Shape, Sizes
from jkeras.ops import cpu_convolution


def _float(x: ArrayLike) -> jax.Array:
    """Returns `x` as a floating array: integers become `float32`."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(x.dtype, float))


def _at_least_float32(x: ArrayLike) -> jax.Array:
    """Returns `x` in a dtype in which means and variances may be taken."""
    x = _float(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def normalize(
    x: ArrayLike, axis: Axis = -1, order: float | str = 2, epsilon: float = 1e-12
) -> jax.Array:
    """Scales `x` to norm 1 along an axis.

    Args:
        x: The inputs.
        axis: The axis, or several.
        order: The order of the norm.
        epsilon: The least squared norm (norm, for orders other than 2) that is divided by.
    """
    x = _float(x)
    if order == 2:
        squares = jnp.sum(jnp.square(x), axis=axis, keepdims=True)
        return x * lax.rsqrt(jnp.maximum(squares, epsilon))
    norm = jnp.linalg.norm(x, ord=order, axis=axis, keepdims=True)
    return x / jnp.maximum(norm, epsilon)


def moments(
    x: ArrayLike,
    axes: Axis,
    keepdims: bool = False,
    synchronized: bool = False,
    *,
    mask: ArrayLike = None,
) -> tuple[jax.Array, jax.Array]:
    """Returns mean and variance, computed in at least 32 bits.

    Args:
        x: The inputs.
        axes: The axes over which they are taken.
        keepdims: Whether these axes stay, with size 1.
        synchronized: Accepted for Keras's sake: under `jit`, sharded arrays have one mean anyway.
        mask: Where it (broadcastable to `x`) is False, `x` does not count.

    Returns:
        The mean and the variance, in the dtype of `x`.
    """
    dtype = _float(x).dtype
    x = _at_least_float32(x)
    if mask is None:
        mean, variance = jnp.mean(x, axes, keepdims=keepdims), jnp.var(x, axes, keepdims=keepdims)
    else:
        weights = jnp.broadcast_to(mask, x.shape).astype(x.dtype)
        total = jnp.maximum(jnp.sum(weights, axes, keepdims=True), 1.0)
        mean = jnp.sum(x * weights, axes, keepdims=True) / total
        variance = jnp.sum(jnp.square(x - mean) * weights, axes, keepdims=True) / total
        if not keepdims:
            mean, variance = jnp.squeeze(mean, axes), jnp.squeeze(variance, axes)
    if dtype == jnp.float16:  # the largest number, and not infinity, as in Keras
        most = jnp.finfo(dtype).max
        mean, variance = (jnp.clip(v, -most, most) for v in (mean, variance))
    return mean.astype(dtype), variance.astype(dtype)


def batch_normalization(
    x: ArrayLike,
    mean: ArrayLike,
    variance: ArrayLike,
    axis: int,
    offset: ArrayLike = None,
    scale: ArrayLike = None,
    epsilon: float = 1e-3,
) -> jax.Array:
    """Normalizes `x` with a mean and a variance for each index of `axis`.

    Args:
        x: The inputs.
        mean: An array of the size of that axis.
        variance: Likewise.
        axis: The axis.
        offset: What is added at the end; nothing by default.
        scale: What is multiplied with before; nothing by default.
        epsilon: What is added to the variance.
    """
    x = _float(x)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    given = {"mean": mean, "variance": variance, "offset": offset, "scale": scale}
    for name, value in given.items():
        if value is not None and jnp.shape(value) not in ((shape[axis],), (1,), ()):
            raise ValueError(
                f"`{name}` must be a vector of length `x.shape[axis]`. Expected: "
                f"{(shape[axis],)}. Received: {jnp.shape(value)}"
            )
    factor = lax.rsqrt(jnp.asarray(variance) + epsilon)
    if scale is not None:
        factor = factor * scale
    shift = -mean * factor if offset is None else offset - mean * factor
    return (x * factor.reshape(shape) + shift.reshape(shape)).astype(x.dtype)


def dropout(x: ArrayLike, rate: float, key: jax.Array, shape: Shape = None) -> jax.Array:
    """Sets a fraction of `x` to zero, and scales the rest up so that the expected sum stays.

    Args:
        x: The inputs.
        rate: The fraction.
        key: A random key.
        shape: The shape of what is drawn, broadcastable to that of `x`, which is the default.
    """
    x = _float(x)
    if not isinstance(rate, jax.Array) and rate >= 1.0:  # else traced: one of many models'
        return jnp.zeros_like(x)
    shape = x.shape if shape is None else shape
    keep = jax.random.bernoulli(quick(key, shape), 1.0 - rate, shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)


# ------------------------------------------------------------------ normalization
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    axis: Axis = -1,
    epsilon: float | None = None,
    *,
    subtract_mean: bool = True,
) -> jax.Array:
    """Normalizes each sample to mean 0 and variance 1 along some axes (Ba et al., 2016).

    Args:
        x: The inputs.
        gamma: What is multiplied with; its shape is that of the axes, in order.
        beta: What is added, likewise.
        axis: The axis, or several.
        epsilon: What is added to the variance; `keras.config.epsilon()` by default.
        subtract_mean: Whether the mean is subtracted.
    """
    x = _float(x)
    axes = _positive_axes(axis, x.ndim)
    wide = _at_least_float32(x)
    mean, variance = moments(wide, axes, keepdims=True)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    outputs = (wide - mean if subtract_mean else wide) * lax.rsqrt(variance + epsilon)
    return _affine(outputs, gamma, beta, axes).astype(x.dtype)


def rms_normalization(
    x: ArrayLike, scale: ArrayLike = None, axis: Axis = -1, epsilon: float | None = None
) -> jax.Array:
    """Divides each sample by its root mean square along an axis (Zhang and Sennrich, 2019).

    Args:
        x: The inputs.
        scale: What is multiplied with; its shape is that of the axes, in order.
        axis: The axis, or several.
        epsilon: What is added to the mean square; `keras.config.epsilon()` by default.
    """
    x = _float(x)
    axes = _positive_axes(axis, x.ndim)
    wide = _at_least_float32(x)
    epsilon = settings.epsilon() if epsilon is None else epsilon
    outputs = wide * lax.rsqrt(jnp.mean(jnp.square(wide), axes, keepdims=True) + epsilon)
    return _affine(outputs, scale, None, axes).astype(x.dtype)


def group_normalization(
    x: ArrayLike,
    groups: int,
    axis: int = -1,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    epsilon: float = 1e-3,
) -> jax.Array:
    """Normalizes groups of channels of each sample to mean 0, variance 1 (Wu and He, 2018).

    Args:
        x: The inputs.
        groups: The number of groups.
        axis: The axis of the channels.
        gamma: What is multiplied with, one for each channel.
        beta: What is added, likewise.
        epsilon: What is added to variances.
    """
    x = _float(x)
    (axis,) = _positive_axes(axis, x.ndim)
    shape = (*x.shape[:axis], groups, x.shape[axis] // groups, *x.shape[axis + 1 :])
    grouped = _at_least_float32(x).reshape(shape)
    others = tuple(i for i in range(1, grouped.ndim) if i != axis)
    mean, variance = moments(grouped, others, keepdims=True)
    along = [n if i in (axis, axis + 1) else 1 for i, n in enumerate(shape)]
    # One factor and one offset, as small arrays: the gradient takes half the time.
    factor = lax.rsqrt(variance + epsilon)
    factor = factor if gamma is None else factor * jnp.reshape(gamma, along)
    offset = -mean * factor if beta is None else jnp.reshape(beta, along) - mean * factor
    return (grouped * factor + offset).reshape(x.shape).astype(x.dtype)


def _positive_axes(axis: Axis, ndim: int) -> tuple[int, ...]:
    return tuple(sorted(int(a) % ndim for a in np.atleast_1d(axis)))


def _affine(x: jax.Array, scale: ArrayLike, offset: ArrayLike, axes: Sequence[int]) -> jax.Array:
    """Returns `x * scale + offset`, where these lie along `axes`."""
    shape = [n if i in axes else 1 for i, n in enumerate(x.shape)]
    if scale is not None:
        x = x * jnp.reshape(scale, shape)
    return x if offset is None else x + jnp.reshape(offset, shape)


# ------------------------------------------------------------------ convolution
def _axes_of_space(inputs: jax.Array, kernel: jax.Array) -> int:
    """Returns how many axes a convolution goes over."""
    if inputs.ndim < 3 or kernel.ndim != inputs.ndim:
        raise ValueError(
            "A convolution takes `inputs` of shape (batch, *space, channels), or (batch, channels, "
            "*space), and a `kernel` with as many axes, at least one of them of space. Received: "
            f"inputs.shape={inputs.shape}, kernel.shape={kernel.shape}"
        )
    return inputs.ndim - 2


def sizes(value: Sizes, n: int) -> tuple[int, ...]:
    """Returns one size for each of `n` spatial axes."""
    single = as_integer(value)
    return tuple(value) if single is None else (single,) * n


def _dimension_numbers(ndim: int, data_format: str | None) -> lax.ConvDimensionNumbers:
    """Says where batch, channels and space lie; kernels are (*space, inputs, outputs)."""
    space = tuple(range(1, ndim - 1))
    if settings.standardize_data_format(data_format) == "channels_first":
        inputs = (0, 1, *(i + 1 for i in space))
    else:
        inputs = (0, ndim - 1, *space)
    return lax.ConvDimensionNumbers(inputs, (ndim - 1, ndim - 2, *(i - 1 for i in space)), inputs)


def conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> jax.Array:
    """Convolution (cross-correlation) over one, two or three axes.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, channels / groups, filters): the number of groups
            follows from the shapes.
        strides: The step, or one for each axis.
        padding: `"valid"`; `"same"`: as many outputs as inputs, divided by the strides; or
            `"causal"`: likewise, without looking ahead (one axis).
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: The distance between the window's elements, or one for each axis.

    Returns:
        An array of shape (batch, *space, filters), or (batch, filters, *space).
    """
    inputs, kernel = jnp.asarray(inputs), jnp.asarray(kernel)
    n = _axes_of_space(inputs, kernel)
    dilation = sizes(dilation_rate, n)
    pads = _pads(padding, kernel.shape[:n], dilation)
    return _convolve(inputs, kernel, sizes(strides, n), pads, data_format, dilation, (1,) * n)


def _convolve(
    inputs: jax.Array,
    kernel: jax.Array,
    strides: Sequence[int],
    pads: Any,
    data_format: str | None,
    dilation: Sequence[int],
    stretch: Sequence[int],
) -> jax.Array:
    """Convolves inputs between whose rows there are `stretch - 1` rows of zeros."""
    numbers = _dimension_numbers(inputs.ndim, data_format)
    dtype = jnp.result_type(inputs.dtype, kernel.dtype)
    inputs, kernel = inputs.astype(dtype), kernel.astype(dtype)
    channels = inputs.shape[numbers.lhs_spec[1]]
    groups, rest = divmod(channels, kernel.shape[-2])
    if isinstance(channels, int) and (rest or not groups):
        raise ValueError(_of_other_channels(channels, kernel.shape[-2], "be a multiple of"))
    return lax.conv_general_dilated(
        inputs,
        kernel,
        strides,
        pads,
        lhs_dilation=stretch,
        rhs_dilation=dilation,
        dimension_numbers=numbers,
        feature_group_count=groups,
    )


def _of_other_channels(given: int, wanted: int, relation: str = "match") -> str:
    return (
        f"The number of input channels must {relation} the kernel's input channels: the input "
        "channels must match the kernel, or those of each group. "
        f"Received: input channels={given}, kernel input channels={wanted}"
    )


def depthwise_conv(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> jax.Array:
    """Convolution of each channel by itself.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, channels, multiplier).
        strides: The step, or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: The distance between the window's elements, or one for each axis.

    Returns:
        An array with `channels * multiplier` channels.
    """
    inputs, kernel = jnp.asarray(inputs), jnp.asarray(kernel)
    n = _axes_of_space(inputs, kernel)
    *window, channels, multiplier = kernel.shape
    found = inputs.shape[_dimension_numbers(inputs.ndim, data_format).lhs_spec[1]]
    if isinstance(found, int) and found != channels:
        raise ValueError(_of_other_channels(found, channels))
    if inputs.dtype == jnp.float32 and cpu_convolution.is_better(kernel):
        dilation = sizes(dilation_rate, n)
        pads = _pads(padding, window, dilation)
        place = (sizes(strides, n), pads, data_format, dilation)
        return cpu_convolution.depthwise(inputs, kernel, place)
    kernel = jnp.reshape(kernel, (*window, 1, channels * multiplier))
    return conv(inputs, kernel, strides, padding, data_format, dilation_rate)


def _pads(padding: str, window: Sequence[int], dilation: Sequence[int]) -> Any:
    if padding != "causal":
        return padding.upper()
    return [((k - 1) * d, 0) for k, d in zip(window, dilation, strict=True)]


def separable_conv(
    inputs: ArrayLike,
    depthwise_kernel: ArrayLike,
    pointwise_kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> jax.Array:
    """A depthwise convolution, then one of window size 1 (Chollet, 2017).

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        depthwise_kernel: An array of shape (*window, channels, multiplier).
        pointwise_kernel: An array of shape (1, ..., channels * multiplier, filters).
        strides: The step, or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: The distance between the window's elements, or one for each axis.
    """
    outputs = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(outputs, pointwise_kernel, data_format=data_format)


def conv_transpose(
    inputs: ArrayLike,
    kernel: ArrayLike,
    strides: Sizes = 1,
    padding: str = "valid",
    output_padding: Sizes = None,
    data_format: str | None = None,
    dilation_rate: Sizes = 1,
) -> jax.Array:
    """The transpose of a convolution: what leads from its outputs' shape back to its inputs'.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        kernel: An array of shape (*window, filters, channels).
        strides: The step, or one for each axis.
        padding: `"valid"`, or `"same"`: as many outputs as inputs times the strides.
        output_padding: How many outputs there are beyond the fewest possible, or one number for
            each axis.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: The distance between the window's elements, or one for each axis.

    Returns:
        An array of shape (batch, *space, filters), or (batch, filters, *space).
    """
    inputs, kernel = jnp.asarray(inputs), jnp.asarray(kernel)
    n = _axes_of_space(inputs, kernel)
    strides, dilation = sizes(strides, n), sizes(dilation_rate, n)
    extra = (None,) * n if output_padding is None else sizes(output_padding, n)
    pads = [
        _transposed_padding(*sizes, padding)
        for sizes in zip(kernel.shape[:n], strides, dilation, extra, strict=True)
    ]
    numbers = _dimension_numbers(inputs.ndim, data_format)
    is_plain = set(dilation) == {1} and inputs.shape[numbers.lhs_spec[1]] == kernel.shape[-1]
    if is_plain and platform() == "cpu":
        dtype = jnp.result_type(inputs.dtype, kernel.dtype)
        inputs, kernel = inputs.astype(dtype), kernel.astype(dtype)
        return cpu_convolution.transposed(inputs, kernel, strides, pads, data_format)
    kernel = jnp.flip(kernel, range(n)).swapaxes(-1, -2)
    return _convolve(inputs, kernel, (1,) * n, pads, data_format, dilation, strides)


def _transposed_padding(
    size: int, stride: int, dilation: int, extra: int | None, padding: str
) -> tuple[int, int]:
    """Returns how far the stretched inputs are padded in front and behind."""
    size = (size - 1) * dilation + 1
    if padding == "same":  # what is cut off the full outputs
        cut = size - stride if extra is None else 2 * (size // 2) - extra
    else:
        cut = min(size - stride, 0) if extra is None else -extra
    front = max(cut, 0) // 2
    return size - 1 - front, size - 1 - (cut - front)


# ------------------------------------------------------------------ pooling
def _pool(
    x: jax.Array,
    initial: Any,
    function: Any,
    pool_size: Sizes,
    strides: Sizes,
    padding: str,
    data_format: str | None,
) -> jax.Array:
    """Reduces windows by a function of two elements."""
    n = x.ndim - 2
    if n < 1:
        raise ValueError(
            "Pooling takes inputs of shape (batch, *space, channels), or (batch, channels, *space),"
            f" with at least one axis of space. Received: inputs.shape={x.shape}"
        )
    window = sizes(pool_size, n)
    steps = window if strides is None else sizes(strides, n)
    if settings.standardize_data_format(data_format) == "channels_first":
        window, steps = (1, 1, *window), (1, 1, *steps)
    else:
        window, steps = (1, *window, 1), (1, *steps, 1)
    return lax.reduce_window(x, initial, function, window, steps, padding.upper())


def max_pool(
    inputs: ArrayLike,
    pool_size: Sizes,
    strides: Sizes = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> jax.Array:
    """The largest values of windows over one, two or three axes.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        pool_size: The windows' size, or one for each axis.
        strides: The step, or one for each axis; the windows' size by default.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    x = jnp.asarray(inputs)
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    least = -jnp.inf if floating else jnp.iinfo(x.dtype).min
    initial = np.array(least, x.dtype)
    return _pool(x, initial, lax.max, pool_size, strides, padding, data_format)


def average_pool(
    inputs: ArrayLike,
    pool_size: Sizes,
    strides: Sizes = None,
    padding: str = "valid",
    data_format: str | None = None,
) -> jax.Array:
    """The means of windows over one, two or three axes; padding does not count.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        pool_size: The windows' size, or one for each axis.
        strides: The step, or one for each axis; the windows' size by default.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    x = _float(inputs)
    zero = np.array(0, x.dtype)
    totals = _pool(x, zero, lax.add, pool_size, strides, padding, data_format)
    if padding == "valid":
        return totals / math.prod(sizes(pool_size, x.ndim - 2))
    ones = jnp.ones((1, *x.shape[1:]), x.dtype)
    return totals / _pool(ones, zero, lax.add, pool_size, strides, padding, data_format)


def _adaptive_windows(size: int, output_size: int) -> list[range]:
    """Returns the indices of as many windows as asked for, which cover an axis evenly."""
    if output_size > 2**16:
        raise ValueError(f"`output_size` must be at most {2**16}, got {output_size}.")
    starts = [i * size // output_size for i in range(output_size)]
    ends = [-(-(i + 1) * size // output_size) for i in range(output_size)]
    return [range(start, end) for start, end in zip(starts, ends, strict=True)]


def _spatial_axes(ndim: int, data_format: str | None) -> range:
    first = settings.standardize_data_format(data_format) == "channels_first"
    return range(2, ndim) if first else range(1, ndim - 1)


def adaptive_average_pool(
    inputs: ArrayLike, output_size: Sizes, data_format: str | None = None
) -> jax.Array:
    """The means of as many windows as asked for, which cover the axes evenly.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        output_size: The number of windows, or one for each axis.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    x = _float(inputs)
    for axis, n in _each_axis(x.ndim, output_size, data_format):
        matrix = np.zeros((x.shape[axis], n), x.dtype)
        for i, window in enumerate(_adaptive_windows(x.shape[axis], n)):
            matrix[window, i] = 1.0 / len(window)
        x = jnp.moveaxis(jnp.tensordot(x, matrix, (axis, 0)), -1, axis)
    return x


def adaptive_max_pool(
    inputs: ArrayLike, output_size: Sizes, data_format: str | None = None
) -> jax.Array:
    """The largest values of as many windows as asked for, which cover the axes evenly.

    Args:
        inputs: An array of shape (batch, *space, channels), or (batch, channels, *space).
        output_size: The number of windows, or one for each axis.
        data_format: `"channels_last"` or `"channels_first"`.
    """
    x = jnp.asarray(inputs)
    for axis, n in _each_axis(x.ndim, output_size, data_format):
        windows = _adaptive_windows(x.shape[axis], n)
        longest = max(map(len, windows))
        # A shorter window repeats its last element.
        indices = [[min(w[0] + i, w[-1]) for i in range(longest)] for w in windows]
        x = jnp.max(jnp.take(x, np.array(indices), axis=axis), axis=axis + 1)
    return x


def _each_axis(ndim: int, output_size: Sizes, data_format: str | None) -> Any:
    return zip(_spatial_axes(ndim, data_format), sizes(output_size, ndim - 2), strict=True)


# ------------------------------------------------------------------ recurrence
def recurrent(
    step: Callable,
    inputs: ArrayLike,
    states: ArrayLike,
    mask: ArrayLike = None,
    go_backwards: bool = False,
    unroll: bool = False,
    zero_output_for_mask: bool = False,
    return_sequences: bool = True,
    previous_output: ArrayLike = None,
) -> tuple[jax.Array, jax.Array | None, Any]:
    """Runs a step over time.

    Args:
        step: A function of the inputs at one time and of the states, which returns the output and
            the new states.
        inputs: An array, or a structure of arrays, of shape (steps, batch, ...).
        states: The states at the beginning.
        mask: A boolean array of shape (steps, batch): at hidden steps the states stay.
        go_backwards: Whether to begin with the last step, whose output then comes first.
        unroll: Whether to write the steps out instead of looping: faster for few steps, at the
            price of compilation.
        zero_output_for_mask: Whether outputs at hidden steps are zero; else they are the ones
            before.
        return_sequences: Whether all outputs are wanted.
        previous_output: The output before the first step, for hidden first steps; zeros by default.

    Returns:
        The last output, all outputs (steps, batch, ...) or None, and the last states.
    """
    first = jax.tree.map(lambda x: x[0], inputs)
    spec, _ = jax.eval_shape(step, first, states)
    if previous_output is None or previous_output.shape != spec.shape:
        previous_output = jnp.zeros(spec.shape, spec.dtype)

    def body(carry: Any, now: Any) -> Any:
        states, previous = carry
        x, visible = now
        output, new_states = step(x, states)
        # A loop keeps dtypes; a cell of one's own may return its states in others.
        new_states = jax.tree.map(lambda a, b: a.astype(b.dtype), new_states, states)
        if visible is not None:
            hidden_output = jnp.zeros_like(output) if zero_output_for_mask else previous
            output = _where(visible, output, hidden_output)
            new_states = jax.tree.map(lambda a, b: _where(visible, a, b), new_states, states)
        return (new_states, output), output if return_sequences else None

    carry = states, previous_output.astype(spec.dtype)
    (states, last), outputs = lax.scan(
        body, carry, (inputs, mask), reverse=go_backwards, unroll=True if unroll else 1
    )
    if go_backwards and return_sequences:
        outputs = jnp.flip(outputs, axis=0)
    return last, outputs, states


def _where(condition: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """Selects samples of `x` or `y`."""
    return jnp.where(condition.reshape(condition.shape + (1,) * (x.ndim - condition.ndim)), x, y)


# ------------------------------------------------------------------ attention
def attention_kernel(
    flash_attention: bool | None, query: jax.Array, mask: ArrayLike
) -> Literal["cudnn", "xla"]:
    """Returns `"cudnn"` or `"xla"`: what computes attention.

    Args:
        flash_attention: True for cuDNN's fused kernel; False for XLA's; None for what
            `keras.config` says, which by default is cuDNN's where it applies: on NVIDIA's GPUs
            since Ampere, in 16 bits, without a mask other than the causal one.
        query: An array of shape (batch, targets, heads, size).
        mask: The mask, or None.
    """
    if flash_attention is None:
        flash_attention = settings.get("flash_attention")
    if flash_attention is None:
        size, is_short = query.shape[-1], query.dtype in (jnp.float16, jnp.bfloat16)
        applies = is_short and mask is None and size % 8 == 0 and size <= 128
        flash_attention = applies and has_fused_attention()
    return "cudnn" if flash_attention else "xla"


def attention_heads(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    mask: ArrayLike = None,
    scale: float | None = None,
    dropout_rate: float = 0.0,
    dropout_key: jax.Array | None = None,
    return_scores: bool = False,
    flash_attention: bool | None = None,
    is_causal: bool = False,
) -> tuple[jax.Array, jax.Array | None]:
    """Scaled dot-product attention of several heads (Vaswani et al., 2017).

    Args:
        query: An array of shape (batch, targets, heads, size).
        key: An array of shape (batch, sources, heads or a divisor of that, size).
        value: An array of shape (batch, sources, heads or a divisor of that, value size).
        mask: Where False, a target does not see a source: (batch, heads, targets, sources), or
            what broadcasts to it.
        scale: The factor of the products; `1 / sqrt(size)` by default.
        dropout_rate: The fraction of scores set to zero.
        dropout_key: The key for that; without one nothing is.
        return_scores: Whether to return the scores as well.
        flash_attention: Whether to use cuDNN's fused kernel; see `attention_kernel`.
        is_causal: Whether a target sees only the sources up to its own place.

    Returns:
        An array of shape (batch, targets, heads, value size); and the scores (batch, heads,
        targets, sources), or None.
    """
    # XLA has no product of float16 with a sum in float32 for CPUs (jax 0.10).
    lacks_product = query.dtype == jnp.float16 and platform() == "cpu"
    is_plain = dropout_key is None and not return_scores and not lacks_product
    if is_plain and key.shape[-1] == value.shape[-1]:
        kernel: Any = attention_kernel(flash_attention, query, mask)
        outputs = jax.nn.dot_product_attention(
            query, key, value, mask=mask, scale=scale, is_causal=is_causal, implementation=kernel
        )
        return outputs, None
    if is_causal:
        before = jnp.tril(jnp.ones((query.shape[1], key.shape[1]), bool))
        mask = before if mask is None else mask & before
    repeats = query.shape[2] // key.shape[2]
    key, value = (jnp.repeat(x, repeats, axis=2) if repeats > 1 else x for x in (key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    logits = _at_least_float32(jnp.einsum("btnh,bsnh->bnts", query * scale, key))
    if mask is not None:  # not infinity: a target that sees nothing gets the mean of everything
        logits = jnp.where(mask, logits, jnp.finfo(logits.dtype).min / 2)
    scores = jax.nn.softmax(logits).astype(query.dtype)
    used = scores if dropout_key is None else dropout(scores, dropout_rate, dropout_key)
    return jnp.einsum("bnts,bsnh->btnh", used, value), scores if return_scores else None
