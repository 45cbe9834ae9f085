"""Random numbers by the names of `keras.random`.

Each function takes a `seed`: an integer (the same numbers at each call), a `SeedGenerator`, a JAX
key, or None. With None the key follows from the running call's key and from which layer draws;
outside of any call, from the global seed.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.core import policy
from jkeras.core.operations import as_array
from jkeras.core.seeds import SeedGenerator as SeedGenerator
from jkeras.core.seeds import as_key


def _float(function: str, dtype: Any) -> str:
    standard = policy.standardize_dtype(dtype)
    if not jnp.issubdtype(standard, jnp.floating):
        raise ValueError(
            f"`keras.random.{function}` requires a floating point `dtype`. Received: dtype={dtype}"
        )
    return standard


def _shape(shape: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in np.atleast_1d(shape))


def normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
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
    """
    dtype = _float("normal", dtype)
    draws = jax.random.normal(as_key(seed), _shape(shape), dtype)
    return (draws * stddev + mean).astype(dtype)


def truncated_normal(
    shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: Any = None, seed: Any = None
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
    dtype = _float("truncated_normal", dtype)
    draws = jax.random.truncated_normal(as_key(seed), -2.0, 2.0, _shape(shape), dtype)
    return (draws * stddev + mean).astype(dtype)


def uniform(
    shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: Any = None, seed: Any = None
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
    """
    dtype = _float("uniform", dtype)
    return jax.random.uniform(as_key(seed), _shape(shape), dtype, minval, maxval)


def randint(
    shape: Any, minval: Any, maxval: Any, dtype: Any = "int32", seed: Any = None
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
    standard = policy.standardize_dtype(dtype)
    if not jnp.issubdtype(standard, jnp.integer):
        raise ValueError(
            f"`keras.random.randint` requires an integer `dtype`. Received: dtype={dtype}"
        )
    return jax.random.randint(as_key(seed), _shape(shape), minval, maxval, standard)


def categorical(logits: Any, num_samples: int, dtype: Any = "int32", seed: Any = None) -> jax.Array:
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


def dropout(inputs: Any, rate: float, noise_shape: Any = None, seed: Any = None) -> jax.Array:
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
    inputs = jnp.asarray(as_array(inputs))
    shape = inputs.shape
    if noise_shape is not None:
        shape = tuple(
            n if wanted is None else wanted
            for n, wanted in zip(inputs.shape, noise_shape, strict=True)
        )
    keep = jax.random.bernoulli(as_key(seed), 1.0 - rate, shape)
    scale = 1.0 / (1.0 - rate) if rate < 1.0 else 0.0
    return jnp.where(keep, inputs * scale, jnp.zeros((), inputs.dtype)).astype(inputs.dtype)


def shuffle(x: Any, axis: int = 0, seed: Any = None) -> jax.Array:
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


def gamma(shape: Any, alpha: Any, dtype: Any = None, seed: Any = None) -> jax.Array:
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
    dtype = _float("gamma", dtype)
    return jax.random.gamma(as_key(seed), as_array(alpha), _shape(shape), dtype)


def beta(shape: Any, alpha: Any, beta: Any, dtype: Any = None, seed: Any = None) -> jax.Array:
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
    dtype = _float("beta", dtype)
    alpha, beta = (jnp.asarray(as_array(x), dtype) for x in (alpha, beta))
    return jax.random.beta(as_key(seed), alpha, beta, _shape(shape), dtype)


def binomial(
    shape: Any, counts: Any, probabilities: Any, dtype: Any = None, seed: Any = None
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
    dtype = _float("binomial", dtype)
    counts, probabilities = (jnp.asarray(as_array(x), dtype) for x in (counts, probabilities))
    return jax.random.binomial(as_key(seed), counts, probabilities, _shape(shape), dtype)
