"""Drawing a part of an array, with the numbers that it has in the whole one.

Threefry makes a number of its position in an array, so that whoever needs a part draws that part
only: by a key that knows where it begins. A large part is drawn piece by piece, as what JAX needs
besides takes five times as much memory as the numbers.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.quick_random import drawing_kind
from jkeras.base.types import Key, Shape

# So many numbers are drawn at once.
_PIECE = 2**18
# Positions are numbers of 32 bits.
MOST = 2**32 - 1


def strides(shape: Shape) -> list[int]:
    """Returns how far apart in memory, in elements, neighbours along each axis are."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def draw(
    function: Callable[[Any, Shape], jax.Array], key: Key, whole: Shape, part: Shape, first: Any
) -> jax.Array:
    """Returns a part of what `function(key, whole)` returns; to be called in a program.

    Args:
        function: Draws an array of a shape, each element from its position in it.
        key: A Threefry key.
        whole: The shape of the whole array, of at most `MOST` elements.
        part: The shape of the part.
        first: The position of the part's first element in the whole array, flattened.

    Example:
        >>> import jax, numpy as np
        >>> from jkeras.base import drawing_parts
        >>> key = jax.random.key(3)
        >>> whole = jax.random.normal(key, (4, 6))
        >>> part = drawing_parts.draw(jax.random.normal, key, (4, 6), (2, 3), first=9)
        >>> bool(np.all(part == whole[1:3, 3:6]))
        True
    """
    count = math.prod(part)
    size = min(count, _PIECE)
    numbers = jax.random.key_data(key)

    def drawn(start: Any) -> jax.Array:
        where = jnp.asarray([first, start], jnp.uint32)
        data = jnp.concatenate([numbers, where])
        return function(jax.random.wrap_key_data(data, impl=_kind(whole, part)), (size,))

    def fill(number: Any, array: jax.Array) -> jax.Array:
        start = jnp.minimum(number * size, count - size)  # the last piece overlaps the one before
        return jax.lax.dynamic_update_slice(array, drawn(start), (start,))

    empty = jnp.zeros(count, jax.eval_shape(drawn, 0).dtype)
    return jax.lax.fori_loop(0, -(-count // size), fill, empty).reshape(part)


@functools.lru_cache(maxsize=256)
def _kind(whole: Shape, part: Shape) -> Any:
    """Returns the kind of keys that draw a piece of a part, of one axis.

    A key's data are two numbers of a Threefry key, the part's first position in the whole array,
    and the piece's in the part.
    """
    from jax.extend.random import threefry2x32_p  # not at the top: it loads much else

    def bits(data: jax.Array, width: int, shape: Shape) -> jax.Array:
        place = data[3] + jax.lax.iota(jnp.uint32, shape[0])
        position = jnp.broadcast_to(data[2], place.shape)
        for size, inside, stride in zip(part, strides(part), strides(whole), strict=True):
            position += place // jnp.uint32(inside) % jnp.uint32(size) * jnp.uint32(stride)
        x, y = threefry2x32_p.bind(data[0], data[1], jnp.zeros_like(position), position)
        return (x ^ y).astype(f"uint{width}")

    return drawing_kind("part", 4, bits)
