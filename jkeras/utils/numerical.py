"""Labels and vectors made ready for a model, in NumPy."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike
from jkeras.core.explain import explaining


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> ArrayLike:
    """Returns 1 at the place of each class in a new last axis, 0 elsewhere.

    Args:
        x: Classes, integers from 0 on; a last axis of size 1 is dropped.
        num_classes: How many classes there are; the largest plus one by default.

    Returns:
        A NumPy array; a JAX array for a JAX array.

    Raises:
        ValueError: If a class is not below `num_classes`.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]])
    """
    if isinstance(x, jax.core.Tracer):
        if num_classes is None:
            raise ValueError("Give `num_classes`: under jax.jit it cannot depend on the classes.")
        return jax.nn.one_hot(x[..., 0] if x.ndim > 1 and x.shape[-1] == 1 else x, num_classes)
    given = np.asarray(x)
    try:
        classes = given.astype("int64")
        good = given.dtype.kind != "f" or bool((classes == given).all())
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            "`x` must be class numbers, integers from 0 on. Received an array of dtype "
            f"{given.dtype}, such as {given.ravel()[:3].tolist()}. Number the classes first, for "
            "example with np.unique(x, return_inverse=True)."
        )
    if num_classes is not None and as_integer(num_classes) is None:
        raise ValueError(f"`num_classes` must be an integer. Received: num_classes={num_classes!r}")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    size = int(classes.max(initial=-1)) + 1 if num_classes is None else num_classes
    bad = classes[(classes >= size) | (classes < 0)]
    if bad.size:
        limit = f"not below num_classes={size}" if bad[0] >= 0 else "negative"
        raise ValueError(f"The class {bad[0]} is {limit}. Classes go from 0 to {size - 1}.")
    array = np.eye(size)[classes]
    return jnp.asarray(array) if isinstance(x, jax.Array) else array


def normalize(x: ArrayLike, axis: int = -1, order: int = 2) -> ArrayLike:
    """Scales vectors to norm 1.

    Args:
        x: Vectors along `axis`.
        axis: The axis.
        order: Which norm: 2 for the Euclidean one.

    Returns:
        A NumPy array; a JAX array for a JAX array. Vectors of zeros stay.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.normalize([[3.0, 4.0]])
        array([[0.6, 0.8]])
    """
    numpy: Any = jnp if isinstance(x, jax.Array) else np
    x = numpy.atleast_2d(numpy.asarray(x))
    norm = explaining(numpy.linalg.norm, "keras.utils.normalize()")
    norms = norm(x, order, axis, keepdims=True)
    return x / numpy.where(norms == 0, 1, norms)
