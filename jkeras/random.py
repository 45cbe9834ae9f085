"""Random numbers by the names of `keras.random`.

Each function takes a `seed`: an integer (the same numbers at each call), a `SeedGenerator`, a JAX
key, or None. With None the key follows from the running call's key and from which layer draws;
outside of any call, from the global seed.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.numbers import checked_number
from jkeras.base.quick_random import quick
from jkeras.base.types import ArrayLike, DTypeLike, Seed, Shape
from jkeras.core import policy
from jkeras.core.explain import explaining
from jkeras.core.operations import as_array
from jkeras.core.seeds import SeedGenerator as SeedGenerator
from jkeras.core.seeds import as_key

Function = TypeVar("Function", bound=Callable)


def _explained(function: Function) -> Function:
    return explaining(function, f"keras.random.{function.__name__}()")  # type: ignore[return-value]


def _check(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> None:
    """Refuses a Python number out of its range; arrays may be traced, and are not looked at."""
    if isinstance(value, (int, float, str)):
        checked_number(name, value, least, most)


def _float(function: str, dtype: DTypeLike) -> str:
    standard = policy.standardize_dtype(dtype)
    if not jnp.issubdtype(standard, jnp.floating):
        raise ValueError(
            f"`keras.random.{function}` requires a floating point `dtype`. Received: dtype={dtype}"
        )
    return standard


def _shape(shape: Shape) -> tuple[int, ...]:
    sizes = shape if isinstance(shape, (list, tuple)) else np.atleast_1d(shape).tolist()
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in sizes):
        if any(isinstance(n, (jax.Array, np.ndarray)) for n in sizes):
            return tuple(int(n) for n in sizes)
        raise ValueError(
            "Invalid value for argument `shape`. Expected sizes that are integers of at least 0. "
            f"Received: shape={shape!r}"
        )
    return tuple(int(n) for n in sizes)


@_explained
def normal(
    shape: Shape,
    mean: ArrayLike = 0.0,
    stddev: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: Seed = None,
) -> jax.Array:
    """Draws from a normal distribution.

    Args:
        shape: The shape.
        mean: The mean.
        stddev: The standard deviation.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Raises:
        ValueError: If the dtype is not floating, or `seed` is not a seed.

    Example:
        >>> import jkeras as keras
        >>> keras.random.normal((2, 3), seed=1).shape
        (2, 3)
        >>> values = keras.random.normal((200, 300), mean=5.0, seed=0)
        >>> round(float(values.mean()), 1)
        5.0
    """
    _check("stddev", stddev, 0)
    dtype = _float("normal", dtype)
    draws = jax.random.normal(as_key(seed), _shape(shape), dtype)
    return (draws * stddev + mean).astype(dtype)


@_explained
def truncated_normal(
    shape: Shape,
    mean: ArrayLike = 0.0,
    stddev: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: Seed = None,
) -> jax.Array:
    """Draws from a normal distribution cut at two standard deviations from the mean.

    Args:
        shape: The shape.
        mean: The mean.
        stddev: The standard deviation before cutting.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> bool(abs(keras.random.truncated_normal((99,), seed=1)).max() <= 2.0)
        True
    """
    _check("stddev", stddev, 0)
    dtype = _float("truncated_normal", dtype)
    draws = jax.random.truncated_normal(as_key(seed), -2.0, 2.0, _shape(shape), dtype)
    return (draws * stddev + mean).astype(dtype)


@_explained
def uniform(
    shape: Shape,
    minval: ArrayLike = 0.0,
    maxval: ArrayLike = 1.0,
    dtype: DTypeLike = None,
    seed: Seed = None,
) -> jax.Array:
    """Draws from a uniform distribution; see `randint` for integers.

    Args:
        shape: The shape.
        minval: The lower end, which may be drawn.
        maxval: The upper end, which may not.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> keras.random.uniform((2, 3), seed=1).shape
        (2, 3)
        >>> values = keras.random.uniform((20,), 3.0, 4.0, seed=0)
        >>> bool(values.min() >= 3.0)
        True
    """
    _check("minval", minval)
    _check("maxval", maxval, minval if isinstance(minval, (int, float)) else -math.inf)
    dtype = _float("uniform", dtype)
    return jax.random.uniform(as_key(seed), _shape(shape), dtype, minval, maxval)


@_explained
def randint(
    shape: Shape,
    minval: ArrayLike,
    maxval: ArrayLike,
    dtype: DTypeLike = "int32",
    seed: Seed = None,
) -> jax.Array:
    """Draws integers, each with the same probability.

    Args:
        shape: The shape.
        minval: The least.
        maxval: The largest plus one.
        dtype: An integer dtype.
        seed: See the module.

    Raises:
        ValueError: If the dtype is not an integer one.

    Example:
        >>> import jkeras as keras
        >>> keras.random.randint((2, 3), 0, 10, seed=1).dtype.name
        'int32'
    """
    _check("minval", minval)
    _check("maxval", maxval, minval + 1 if isinstance(minval, int) else -math.inf)
    standard = policy.standardize_dtype(dtype)
    if not jnp.issubdtype(standard, jnp.integer):
        raise ValueError(
            f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype}"
        )
    return jax.random.randint(as_key(seed), _shape(shape), minval, maxval, standard)


@_explained
def categorical(
    logits: ArrayLike, num_samples: int, dtype: DTypeLike = "int32", seed: Seed = None
) -> jax.Array:
    """Draws classes.

    Args:
        logits: Unnormalized log-probabilities of shape `(batch, num_classes)`.
        num_samples: How many classes to draw for each row.
        dtype: The dtype of the result.
        seed: See the module.

    Returns:
        Classes of shape `(batch, num_samples)`.

    Raises:
        ValueError: If `logits` have not two axes.

    Example:
        >>> import jkeras as keras
        >>> keras.random.categorical([[0.0, -99.0], [-99.0, 0.0]], 3, seed=1).tolist()
        [[0, 0, 0], [1, 1, 1]]
    """
    logits = jnp.asarray(as_array(logits))
    if logits.ndim != 2:
        raise ValueError(
            "`logits` should be a 2-D tensor with shape [batch_size, num_classes]. "
            f"Received: logits.shape={logits.shape}"
        )
    shape = (num_samples, logits.shape[0])
    draws = jax.random.categorical(as_key(seed), logits, shape=shape)
    return draws.T.astype(policy.standardize_dtype(dtype))


@_explained
def dropout(
    inputs: ArrayLike, rate: float, noise_shape: Shape = None, seed: Seed = None
) -> jax.Array:
    """Sets inputs to zero at random, and scales the others up, so that the expected sum stays.

    Args:
        inputs: An array.
        rate: The probability of zero.
        noise_shape: The shape of the draws, broadcastable to that of the inputs, which is the
            default and stands for None in it.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> sorted(set(keras.random.dropout(keras.ops.ones((99,)), 0.5, seed=1).tolist()))
        [0.0, 2.0]
    """
    _check("rate", rate, 0, 1)
    inputs = jnp.asarray(as_array(inputs))
    shape = inputs.shape
    if noise_shape is not None:
        shape = tuple(
            n if wanted is None else wanted
            for n, wanted in zip(inputs.shape, noise_shape, strict=True)
        )
    keep = jax.random.bernoulli(quick(as_key(seed), shape), 1.0 - rate, shape)
    scale = 1.0 / (1.0 - rate) if rate < 1.0 else 0.0
    return jnp.where(keep, inputs * scale, jnp.zeros((), inputs.dtype)).astype(inputs.dtype)


@_explained
def shuffle(x: ArrayLike, axis: int = 0, seed: Seed = None) -> jax.Array:
    """Reorders the parts of `x` along an axis at random.

    Args:
        x: An array.
        axis: The axis.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> sorted(keras.random.shuffle([1, 2, 3], seed=1).tolist())
        [1, 2, 3]
    """
    return jax.random.permutation(as_key(seed), jnp.asarray(as_array(x)), axis)


@_explained
def gamma(shape: Shape, alpha: ArrayLike, dtype: DTypeLike = None, seed: Seed = None) -> jax.Array:
    """Draws from a gamma distribution of scale 1.

    Args:
        shape: The shape.
        alpha: The shape of the distribution: its mean and variance.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> bool((keras.random.gamma((9,), 2.0, seed=1) > 0).all())
        True
    """
    _check("alpha", alpha, 0)
    dtype = _float("gamma", dtype)
    return jax.random.gamma(as_key(seed), as_array(alpha), _shape(shape), dtype)


@_explained
def beta(
    shape: Shape, alpha: ArrayLike, beta: ArrayLike, dtype: DTypeLike = None, seed: Seed = None
) -> jax.Array:
    """Draws from a beta distribution, of mean `alpha / (alpha + beta)`.

    Args:
        shape: The shape.
        alpha: The first parameter.
        beta: The second one.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> bool((keras.random.beta((9,), 2.0, 3.0, seed=1) < 1).all())
        True
    """
    _check("alpha", alpha, 0)
    _check("beta", beta, 0)
    dtype = _float("beta", dtype)
    alpha, beta = (jnp.asarray(as_array(x), dtype) for x in (alpha, beta))
    return jax.random.beta(as_key(seed), alpha, beta, _shape(shape), dtype)


@_explained
def binomial(
    shape: Shape,
    counts: ArrayLike,
    probabilities: ArrayLike,
    dtype: DTypeLike = None,
    seed: Seed = None,
) -> jax.Array:
    """Draws how many of `counts` trials succeed.

    Args:
        shape: The shape.
        counts: How many trials.
        probabilities: The probability that one succeeds.
        dtype: A floating dtype; `floatx()` by default.
        seed: See the module.

    Example:
        >>> import jkeras as keras
        >>> keras.random.binomial((2,), 10, 1.0, seed=1).tolist()
        [10.0, 10.0]
    """
    _check("counts", counts, 0)
    _check("probabilities", probabilities, 0, 1)
    dtype = _float("binomial", dtype)
    counts, probabilities = (jnp.asarray(as_array(x), dtype) for x in (counts, probabilities))
    return jax.random.binomial(as_key(seed), counts, probabilities, _shape(shape), dtype)
