"""JAX's random numbers computed by NumPy, without a program to compile.

A program that draws takes JAX up to half a second to compile, and a model draws its weights before
anything else. Threefry (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) is
twenty rounds of additions, rotations and exclusive ors, which NumPy does as well.
"""

from typing import Any

import jax
import numpy as np

from jkeras.base.types import Key, Shape

# Up to so many numbers NumPy takes ten milliseconds: less than a program takes to compile.
MOST_DRAWN = 2**18
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry(key: Any, high: Any, low: Any) -> tuple[Any, Any]:
    """Returns the two uint32 arrays that Threefry-2x32 makes of two counters.

    Args:
        key: Two uint32 numbers, of NumPy or JAX.
        high: A uint32 array, of NumPy or JAX.
        low: A uint32 array of its shape.
    """
    first, second = key
    keys = first, second, first ^ second ^ np.uint32(0x1BD11BDA)
    with np.errstate(over="ignore"):  # of scalars: they are to wrap around, as arrays do
        x, y = high + keys[0], low + keys[1]
        for i in range(5):
            for rotation in _ROTATIONS[i % 2]:
                x = x + y
                y = (y << np.uint32(rotation) | y >> np.uint32(32 - rotation)) ^ x
            x, y = x + keys[(i + 1) % 3], y + keys[(i + 2) % 3] + np.uint32(i + 1)
    return x, y


def key_data(seed: int, count: int) -> np.ndarray:
    """Returns the numbers of `jax.random.fold_in(jax.random.key(seed), count)`, of Threefry."""
    zero = np.uint32(0)
    return np.array(threefry((zero, np.uint32(seed)), zero, np.uint32(count)), np.uint32)


def counts_along(key: Key) -> bool:
    """Says whether a number that JAX draws with a key follows from its position alone.

    Args:
        key: A JAX key.
    """
    kind = str(jax.random.key_impl(key))
    partitionable = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    return kind == "threefry2x32" and bool(partitionable)


def uniform(key: Key, shape: Shape) -> np.ndarray:
    """Returns what `jax.random.uniform(key, shape, "float32", -1, 1)` returns.

    Between -1 and 1 no step rounds, so that the bits are those of all processors.

    Args:
        key: A key for which `counts_along` is true; not a traced one.
        shape: The shape, of less than 2**32 elements.

    Example:
        >>> import jax, numpy as np
        >>> from jkeras.base import host_random
        >>> ours = host_random.uniform(jax.random.key(3), (4,))
        >>> bool(np.all(ours == jax.random.uniform(jax.random.key(3), (4,), "float32", -1, 1)))
        True
    """
    return _fractions(key, shape) * np.float32(2) - np.float32(1)


def _fractions(key: Key, shape: Shape) -> np.ndarray:
    """Returns numbers from 0 to 1, without 1."""
    positions = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint32)
    numbers = np.asarray(jax.random.key_data(key))
    x, y = threefry(numbers, np.zeros_like(positions), positions)
    mantissas = (x ^ y) >> np.uint32(9) | np.uint32(0x3F800000)  # of numbers from 1 to 2
    return (mantissas.view(np.float32) - np.float32(1)).reshape(shape)


# Polynomials for the inverse of the error function: within and beyond 5 of -log(1 - x**2).
# Source: Giles, "Approximating the erfinv function", GPU Computing Gems, 2011; XLA's, too.
_NEAR = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_FAR = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


def normal(key: Key, shape: Shape) -> np.ndarray:
    """Returns what `jax.random.normal(key, shape)` returns, up to rounding.

    Args:
        key: A key for which `counts_along` is true; not a traced one.
        shape: The shape, of less than 2**32 elements.

    Example:
        >>> import jax, numpy as np
        >>> from jkeras.base import host_random
        >>> ours = host_random.normal(jax.random.key(3), (4,))
        >>> bool(np.allclose(ours, jax.random.normal(jax.random.key(3), (4,)), rtol=1e-5))
        True
    """
    x = _fractions(key, shape) * np.float32(2) - np.nextafter(np.float32(1), np.float32(0))
    distance = -np.log1p(-x * x)
    near, far = distance - np.float32(2.5), np.sqrt(np.maximum(distance, 5)) - np.float32(3)
    factor = np.where(distance < 5, _polynomial(_NEAR, near), _polynomial(_FAR, far))
    return (np.float32(np.sqrt(2)) * factor * x).astype(np.float32)


def _polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    value = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + np.float32(coefficient)
    return value
