"""Floats as integers of few bits, and back: pure functions of arrays."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike, DTypeLike


def abs_max_quantize(
    inputs: ArrayLike,
    axis: int | Sequence[int],
    value_range: tuple[int, int] = (-127, 127),
    dtype: DTypeLike = "int8",
    epsilon: float = 1e-7,
    to_numpy: bool = False,
) -> tuple[Any, Any]:
    """Returns an array as integers, scaled so that the largest value has the largest integer.

    Args:
        inputs: An array.
        axis: The axes that share a scale.
        value_range: The least and the greatest integer.
        dtype: Their dtype.
        epsilon: What is added to the largest value, so that zeros can be divided by it.
        to_numpy: Whether to compute, and to return, NumPy arrays.

    Returns:
        `(integers, scale)`: `inputs` is nearly `integers / scale`; the scale has size 1 on `axis`.

    Example:
        >>> import jkeras as keras
        >>> integers, scale = keras.quantizers.abs_max_quantize([[1.0, -2.0]], axis=-1)
        >>> integers.tolist(), scale.round(2).tolist()
        ([[64, -127]], [[63.5]])
    """
    xp: Any = np if to_numpy else jnp
    inputs = xp.asarray(inputs)
    axis = tuple(axis) if isinstance(axis, (list, tuple)) else axis
    largest = xp.max(xp.abs(inputs), axis=axis, keepdims=True)
    scale = (value_range[1] / (largest + epsilon)).astype(inputs.dtype)
    integers = xp.clip(xp.round(inputs * scale), *value_range)
    return integers.astype(dtype), scale


def quantize_and_dequantize(
    inputs: ArrayLike, scale: ArrayLike, quantized_dtype: DTypeLike, compute_dtype: DTypeLike
) -> jax.Array:
    """Returns an array rounded as a dtype of few bits would round it.

    Args:
        inputs: An array.
        scale: What it is divided by before, and multiplied by after.
        quantized_dtype: The dtype of few bits: `"float8_e4m3fn"`.
        compute_dtype: The dtype of the result.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([1.04], "float32")
        >>> round_trip = keras.quantizers.quantize_and_dequantize
        >>> round_trip(x, 1.0, "float8_e4m3fn", "float32").tolist()
        [1.0]
    """
    most = jnp.asarray(jnp.finfo(quantized_dtype).max, compute_dtype)
    scale = jnp.asarray(scale, compute_dtype)
    small = jnp.clip(jnp.asarray(inputs, compute_dtype) / scale, -most, most)
    return small.astype(quantized_dtype).astype(compute_dtype) * scale


def compute_float8_scale(
    amax: ArrayLike, scale: ArrayLike, dtype_max: float, margin: int = 0
) -> jax.Array:
    """Returns the scale with which values up to `amax` fit into a dtype of 8 bits.

    Args:
        amax: The largest absolute value seen.
        scale: The scale so far, which stays where nothing was seen.
        dtype_max: The largest number of the dtype.
        margin: How many powers of two to leave free.

    Example:
        >>> import jkeras as keras
        >>> keras.quantizers.compute_float8_scale(224.0, 1.0, 448.0).tolist()
        0.5
    """
    amax, before = jnp.asarray(amax), 1.0 / jnp.asarray(scale)
    factor = (dtype_max / jnp.where(amax > 0, amax, 1.0)) / (2.0**margin)
    factor = jnp.where((amax > 0) & jnp.isfinite(amax), factor, before)
    return 1.0 / factor


def compute_float8_amax_history(x: ArrayLike, amax_history: ArrayLike) -> jax.Array:
    """Returns the history of largest absolute values, with that of `x` in front.

    Args:
        x: An array.
        amax_history: The last values, (length,).

    Example:
        >>> import jkeras as keras
        >>> keras.quantizers.compute_float8_amax_history([1.0, -3.0], [0.0, 2.0]).tolist()
        [3.0, 0.0]
    """
    history = jnp.asarray(amax_history)
    largest = jnp.max(jnp.abs(jnp.asarray(x))).astype(history.dtype)
    return jnp.roll(history, -1).at[0].set(largest)


def pack_int4(
    arr: ArrayLike, axis: int = 0, dtype: DTypeLike = "int8"
) -> tuple[jax.Array, tuple, int]:
    """Returns pairs of integers of 4 bits, each pair in one byte.

    Args:
        arr: Integers from -8 to 7 (or 0 to 15 for `"uint8"`).
        axis: The axis along which neighbours share a byte, the first in its low half.
        dtype: `"int8"` or `"uint8"`.

    Returns:
        `(packed, shape of packed, size of the axis before)`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> packed, _, size = keras.quantizers.pack_int4(np.array([[1], [2], [-3]], "int8"))
        >>> keras.quantizers.unpack_int4(packed, size).tolist()
        [[1], [2], [-3]]
    """
    _check_int4(arr, dtype)
    x = jnp.moveaxis(jnp.asarray(arr), axis, 0)
    size = x.shape[0]
    x = jnp.concatenate([x, jnp.zeros_like(x[:1])]) if size % 2 else x
    low, high = x[::2].astype("uint8") & 15, x[1::2].astype("uint8") & 15
    packed = jnp.moveaxis((low | (high << 4)).astype(dtype), 0, axis)
    return packed, packed.shape, size


def unpack_int4(
    packed: ArrayLike, orig_len: int, axis: int = 0, dtype: DTypeLike = "int8"
) -> jax.Array:
    """Returns the integers that `pack_int4` has packed.

    Args:
        packed: Bytes.
        orig_len: The size of the axis before.
        axis: The axis.
        dtype: `"int8"` or `"uint8"`.
    """
    _check_int4(packed, dtype)
    x = jnp.moveaxis(jnp.asarray(packed), axis, 0).astype("uint8")
    halves = jnp.stack([x & 15, x >> 4], axis=1).reshape(-1, *x.shape[1:])[:orig_len]
    if str(dtype) == "int8":
        halves = halves.astype("int8")
        halves = jnp.where(halves > 7, halves - 16, halves)
    return jnp.moveaxis(halves, 0, axis)


def _check_int4(array: ArrayLike, dtype: DTypeLike) -> None:
    name = str(dtype)
    found = str(jnp.asarray(array).dtype)
    if name not in ("int8", "uint8"):
        raise ValueError(f"Expected dtype to be 'int8' or 'uint8', but got '{name}'.")
    if found != name:
        raise TypeError(f"Expected {name} tensor for packing, got {found}.")


def fake_quant_with_min_max_vars(
    inputs: ArrayLike,
    min_vals: ArrayLike,
    max_vals: ArrayLike,
    num_bits: int = 8,
    narrow_range: bool = False,
    axis: int | None = None,
) -> jax.Array:
    """Returns an array rounded to the values that a few bits can tell apart in a range.

    Gradients pass where the inputs lie in the range, and reach its ends where they do not.

    Args:
        inputs: An array.
        min_vals: The range's least value, or one for each index of `axis`; nudged so that 0 is one
            of the values.
        max_vals: The greatest.
        num_bits: The number of bits.
        narrow_range: Whether to leave out the least integer.
        axis: The axis that has ranges of its own; None for one range.

    Example:
        >>> import jkeras as keras
        >>> quantize = keras.quantizers.fake_quant_with_min_max_vars
        >>> quantize([0.1, 0.9, 2.0], 0.0, 1.0, num_bits=2).round(3).tolist()
        [0.0, 1.0, 1.0]
    """
    inputs = jnp.asarray(inputs)
    least, most = (jnp.asarray(v, inputs.dtype) for v in (min_vals, max_vals))
    if axis is not None:
        shape = [1] * inputs.ndim
        shape[axis] = inputs.shape[axis]
        least, most = (jnp.broadcast_to(v, shape[axis]).reshape(shape) for v in (least, most))
    low, high = (1 if narrow_range else 0), 2**num_bits - 1
    step = (most - least) / (high - low)
    zero = jnp.clip(jnp.round(low - least / jnp.where(step == 0, 1, step)), low, high)
    nudged = jax.lax.stop_gradient((low - zero) * step), jax.lax.stop_gradient((high - zero) * step)
    step, empty = jax.lax.stop_gradient(step), (least == 0) & (most == 0)
    clipped = jnp.clip(inputs, *nudged)
    rounded = jnp.floor((clipped - nudged[0]) / jnp.where(step == 0, 1, step) + 0.5)
    rounded = rounded * step + nudged[0]
    # Where a value lies outside, its gradient is that of the end of the range.
    ends = jnp.where(inputs < nudged[0], least, jnp.where(inputs > nudged[1], most, inputs))
    result = ends + jax.lax.stop_gradient(rounded - ends)
    return jnp.where(empty, jnp.zeros_like(result), result)
