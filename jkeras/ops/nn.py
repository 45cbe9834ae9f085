"""Neural-network functions: pure functions of arrays, by the names of `keras.ops`.

They know neither layers nor symbolic tensors: `keras.ops` lifts them, the layers call them.
"""

from typing import Any

import jax
import jax.numpy as jnp


def _float(x: Any) -> jax.Array:
    """Returns `x` as a floating array: integers become `float32`."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(x.dtype, float))


def _at_least_float32(x: Any) -> jax.Array:
    """Returns `x` in a dtype in which means and variances may be taken."""
    x = _float(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def normalize(x: Any, axis: Any = -1, order: Any = 2, epsilon: float = 1e-12) -> jax.Array:
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
        return x * jax.lax.rsqrt(jnp.maximum(squares, epsilon))
    norm = jnp.linalg.norm(x, ord=order, axis=axis, keepdims=True)
    return x / jnp.maximum(norm, epsilon)


def moments(
    x: Any, axes: Any, keepdims: bool = False, synchronized: bool = False, *, mask: Any = None
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
    return mean.astype(dtype), variance.astype(dtype)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    axis: int,
    offset: Any = None,
    scale: Any = None,
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
    factor = jax.lax.rsqrt(jnp.asarray(variance) + epsilon)
    if scale is not None:
        factor = factor * scale
    shift = -mean * factor if offset is None else offset - mean * factor
    return (x * factor.reshape(shape) + shift.reshape(shape)).astype(x.dtype)


def dropout(x: Any, rate: float, key: jax.Array, shape: Any = None) -> jax.Array:
    """Sets a share of `x` to zero, and scales the rest up so that the expected sum stays.

    Args:
        x: The inputs.
        rate: The share.
        key: A random key.
        shape: The shape of what is drawn, broadcastable to that of `x`, which is the default.
    """
    x = _float(x)
    if rate >= 1.0:
        return jnp.zeros_like(x)
    keep = jax.random.bernoulli(key, 1.0 - rate, x.shape if shape is None else shape)
    return jnp.where(keep, x / (1.0 - rate), 0).astype(x.dtype)
