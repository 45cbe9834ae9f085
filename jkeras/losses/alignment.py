"""Shapes that fit: targets to predictions, and weights and masks to losses."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Structure
from jkeras.core import policy


def as_arrays(tree: Structure, dtype: DTypeLike = None) -> Structure:
    """Makes arrays of the leaves of a structure; a list of numbers is one array.

    Args:
        tree: An array, numbers, or a list, tuple or dict of these.
        dtype: The dtype; each leaf's own by default.
    """
    if isinstance(tree, (list, tuple)) and _is_numbers(tree):
        return jnp.asarray(tree, dtype)
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def _is_numbers(tree: Structure) -> bool:
    return all(isinstance(x, (bool, int, float, np.generic)) for x in jax.tree.leaves(tree))


def as_floats(x: ArrayLike) -> jax.Array:
    """Returns `x` as an array of floats: integers and booleans become `floatx()`."""
    x = jnp.asarray(x)
    return x if policy.is_float(x.dtype) else x.astype(settings.floatx())


def smallest(dtype: DTypeLike) -> float:
    """Returns `epsilon()`, or more where the slope of the logarithm there would be infinite."""
    return max(settings.epsilon(), 16.0 / float(jnp.finfo(dtype).max))


def as_axes(axis: Axis) -> Axis:
    """Makes a tuple of a list of axes, such as configs hold."""
    return tuple(axis) if isinstance(axis, list) else axis


def align(y_true: jax.Array, y_pred: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Gives targets and predictions the same rank, where only an axis of size 1 sets them apart.

    `(n,)` and `(n, 1)` both become `(n, 1)`; otherwise the last axis goes: `(n, d)` and `(n, d, 1)`
    both become `(n, d)`.
    """
    if y_pred.ndim == y_true.ndim + 1:
        y_pred, y_true = _lower(y_pred, y_true)
    elif y_true.ndim == y_pred.ndim + 1:
        y_true, y_pred = _lower(y_true, y_pred)
    return y_true, y_pred


def _lower(higher: jax.Array, lower: jax.Array) -> tuple[jax.Array, jax.Array]:
    if higher.shape[-1] != 1:
        return higher, lower
    return (higher, lower[:, None]) if lower.ndim == 1 else (higher[..., 0], lower)


def pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns targets and predictions as floats of one dtype that broadcast, axis by axis.

    Raises:
        ValueError: If they differ in rank, or in a size that is not 1: broadcasting `(n,)` against
            `(n, d)` would compare each prediction with another sample's target.
    """
    y_pred = as_floats(y_pred)
    y_true, y_pred = align(jnp.asarray(y_true, y_pred.dtype), y_pred)
    if y_true.ndim and y_pred.ndim and not _fits(y_true.shape, y_pred.shape):
        raise ValueError(
            f"Incompatible shapes: y_true has shape {y_true.shape}, y_pred {y_pred.shape}. "
            "Give both the same shape."
        )
    if y_true.shape[1:] != y_pred.shape[1:] and y_true.ndim > 1:
        warnings.warn(
            f"y_true of shape {y_true.shape} is compared with y_pred of shape {y_pred.shape}: the "
            "axis of size 1 is repeated, so that each value meets every other one. If that is not "
            "meant, give the model's output the shape of the targets.",
            stacklevel=2,
        )
    return y_true, y_pred


def same_shape(y_true: ArrayLike, y_pred: ArrayLike, hint: str = "") -> tuple[jax.Array, jax.Array]:
    """Returns targets and predictions as floats of one dtype and one shape.

    Raises:
        ValueError: If the shapes differ; `hint` ends the message.
    """
    y_pred = as_floats(y_pred)
    y_true, y_pred = align(jnp.asarray(y_true, y_pred.dtype), y_pred)
    if y_true.shape != y_pred.shape:
        if not hint and y_true.shape == y_pred.shape[:-1]:
            hint = (
                "y_true looks like class numbers: make one-hot labels with "
                f"keras.utils.to_categorical(y, {y_pred.shape[-1]}), or use a metric of class "
                "numbers, such as 'sparse_categorical_accuracy'."
            )
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. Received: "
            f"target.shape={y_true.shape}, output.shape={y_pred.shape}."
            + (f"\n{hint}" if hint else "")
        )
    return y_true, y_pred


def _fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return len(a) == len(b) and all(m == n or 1 in (m, n) for m, n in zip(a, b, strict=True))


def align_weights(
    weights: ArrayLike, shape: tuple[int, ...], what: str = "sample_weight"
) -> jax.Array:
    """Gives weights the rank of `shape`, so that their first axes meet its first axes.

    Args:
        weights: A number, or one weight for each sample, time step, ...: the shape starts as
            `shape` does; further axes have size 1.
        shape: The shape of what is weighted, samples first.
        what: What to call the weights in an error.

    Returns:
        An array that broadcasts to `shape`.

    Raises:
        ValueError: If it cannot.
    """
    weights = jnp.asarray(weights)
    given = weights.shape
    while weights.ndim > len(shape) and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.ndim < len(shape):
        weights = weights.reshape(weights.shape + (1,) * (len(shape) - weights.ndim))
    if any(n not in (1, m) for n, m in zip(weights.shape, shape, strict=False)) or (
        weights.ndim > len(shape)
    ):
        one = "one number for the whole batch" if not shape else f"values of shape {shape}"
        raise ValueError(
            f"Incompatible shapes: {what} of shape {given} cannot weight {one}. Give one weight a "
            f"sample, {('of shape ' + str(shape[:1])) if shape else 'and targets of shape (n, 1)'}."
        )
    return weights
