"""JAX's random numbers in one operation on a CPU: the same bits, in a fifth of the time.

JAX writes the rounds of Threefry as a loop there, each round an operation of its own, as that is
quicker to compile. A network draws masks of some thousand numbers in every step: eight of them took
three times as long as the rest of a small net's step.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import host_random
from jkeras.base.platforms import platform
from jkeras.base.types import Shape

# Positions are numbers of 32 bits.
_MOST = 2**32 - 1
# Up to so many numbers are drawn once for all that uses them, and on one core. XLA would draw them
# again in each loop that uses them (five, for a mask between a normalization and a product), but on
# all cores, which wins for some hundred thousand numbers.
_DRAWN_ONCE = 2**17


def quick(key: jax.Array, shape: Shape) -> jax.Array:
    """Returns a key that draws what `key` draws; for arrays of one shape, of at most 32 bits each.

    Args:
        key: A JAX key; given back as it is if its draws are not in a loop.
        shape: The shape of what will be drawn.

    Example:
        >>> import jax
        >>> from jkeras.base.quick_random import quick
        >>> key = jax.random.key(3)
        >>> ours = jax.random.normal(quick(key, (5,)), (5,))
        >>> bool((ours == jax.random.normal(key, (5,))).all())
        True
    """
    wide = jax.config.jax_enable_x64  # type: ignore[attr-defined]
    if platform() != "cpu" or wide or not host_random.counts_along(key):
        return key
    if not all(isinstance(size, int) for size in shape) or math.prod(shape) > _MOST:
        return key  # symbolic sizes may be of any number
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_unrolled())


def _bits(data: jax.Array, width: int, shape: Shape) -> jax.Array:
    if math.prod(shape) > _DRAWN_ONCE:
        return _drawn(data, width, shape)
    # Always true, which XLA does not find out: what is in a branch is not put into other loops.
    # (A barrier does not serve: on a CPU it is gone before loops are put together.)
    return jax.lax.cond(
        (data[0] | 1) > 0,
        lambda: _drawn(data, width, shape),
        lambda: jnp.zeros(shape, f"uint{width}"),
    )


def _drawn(data: jax.Array, width: int, shape: Shape) -> jax.Array:
    position = jnp.zeros(shape, jnp.uint32)
    for axis in range(len(shape)):
        stride = np.uint32(math.prod(shape[axis + 1 :]))
        position += jax.lax.broadcasted_iota(jnp.uint32, shape, axis) * stride
    x, y = host_random.threefry((data[0], data[1]), jnp.zeros(shape, jnp.uint32), position)
    return (x ^ y).astype(f"uint{width}")


@functools.lru_cache
def _unrolled() -> Any:
    """Returns the kind of keys whose draws are not in a loop."""
    return drawing_kind("unrolled", 2, _bits)


def drawing_kind(name: str, size: int, bits: Callable[..., jax.Array]) -> Any:
    """Returns a kind of JAX's keys that draw arrays, and make no other keys.

    Args:
        name: A name.
        size: How many uint32 numbers the data of a key are.
        bits: Draws random bits of some data, a width, and a shape.
    """
    from jax.extend import random  # not at the top: it loads much else

    return random.define_prng_impl(
        key_shape=(size,),
        seed=_refuse,
        split=_refuse,
        fold_in=_refuse,
        random_bits=bits,
        name=name,
    )


def _refuse(*args: Any) -> Any:
    raise NotImplementedError("This key draws one array, and makes no other keys.")
