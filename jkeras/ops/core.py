"""Conversion, slicing, scattering and control flow by Keras's names."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, DTypeLike, Shape, Structure
from jkeras.core import policy, shapes
from jkeras.core.graph import SymbolicTensor
from jkeras.core.operations import as_array, define, export
from jkeras.core.variable import Variable

op = partial(define, module="ops.core")


# ------------------------------------------------------------------ conversion
@op
def convert_to_tensor(
    x: ArrayLike, dtype: DTypeLike = None, sparse: bool | None = None, ragged: bool | None = None
) -> jax.Array:
    """Returns `x` as a JAX array.

    Args:
        x: An array, a variable, a number, or nested lists of these.
        dtype: The dtype; that of `x` by default, in which Python's floats count as `floatx()`.
        sparse: Accepted for Keras's sake: the result is never sparse.
        ragged: Accepted for Keras's sake.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.convert_to_tensor([1, 2.5]).tolist()
        [1.0, 2.5]
    """
    if dtype is None and type(x) in (int, float):
        dtype = type(x)
    return jnp.asarray(x, None if dtype is None else policy.standardize_dtype(dtype))


def convert_to_numpy(x: ArrayLike) -> np.ndarray:
    """Returns `x` as a NumPy array that may be written to.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.convert_to_numpy(keras.ops.ones((2,))).tolist()
        [1.0, 1.0]
    """
    array = np.asarray(x)
    return array if array.flags.writeable else array.copy()


def is_tensor(x: Any) -> bool:
    """Says whether `x` is a JAX array (also one that is being traced).

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.ops.is_tensor(keras.ops.ones((2,))), keras.ops.is_tensor(np.ones(2))
        (True, False)
    """
    return isinstance(x, jax.Array)


def shape(x: ArrayLike) -> tuple[int | None, ...]:
    """Returns the shape; None stands for the unknown sizes of a symbolic tensor.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.shape(keras.Input(shape=(3,)))
        (None, 3)
    """
    if x is None or isinstance(x, (str, bytes)):
        raise TypeError(f"keras.ops.shape() takes an array, got {x!r}.")
    return tuple(x.shape) if isinstance(x, (SymbolicTensor, Variable)) else jnp.shape(as_array(x))


def ndim(x: ArrayLike) -> int:
    """Returns the number of axes."""
    return len(shape(x))


def size(x: ArrayLike) -> int | None:
    """Returns the number of elements; None for a symbolic tensor of unknown size."""
    sizes = [n for n in shape(x) if n is not None]
    return math.prod(sizes) if len(sizes) == ndim(x) else None


def dtype(x: ArrayLike) -> str:
    """Returns the name of the dtype.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.dtype(keras.ops.ones((2,)))
        'float32'
    """
    return policy.standardize_dtype(getattr(x, "dtype", None) or convert_to_tensor(x).dtype)


@op
def cast(x: ArrayLike, dtype: DTypeLike) -> jax.Array:
    """Returns `x` in another dtype; towards integers, fractions are cut off.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.cast([1.9, -1.9], "int32").tolist()
        [1, -1]
    """
    return jnp.asarray(x).astype(policy.standardize_dtype(dtype))


@op
def saturate_cast(x: ArrayLike, dtype: DTypeLike) -> jax.Array:
    """Returns `x` in another dtype; what is outside of its range becomes its nearest end.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.saturate_cast([-3.0, 300.0], "uint8").tolist()
        [0, 255]
    """
    x, wanted = jnp.asarray(x), jnp.dtype(policy.standardize_dtype(dtype))
    if "b" in (x.dtype.kind, wanted.kind):  # booleans have no range to leave
        return x.astype(wanted)
    (low, high), (lowest, highest) = _range(wanted), _range(x.dtype)
    number = float if jnp.issubdtype(x.dtype, jnp.floating) else int
    return jnp.clip(x, number(max(low, lowest)), number(min(high, highest))).astype(wanted)


def _range(dtype: DTypeLike) -> tuple[float, float]:
    if jnp.issubdtype(dtype, jnp.integer):
        integers = jnp.iinfo(dtype)
        return int(integers.min), int(integers.max)
    floats = jnp.finfo(dtype)
    return float(floats.min), float(floats.max)


@op
def stop_gradient(variable: Structure) -> Structure:
    """Returns its argument, through which no gradient flows.

    Example:
        >>> import jax, jkeras as keras
        >>> jax.grad(lambda x: x * keras.ops.stop_gradient(x))(3.0).item()
        3.0
    """
    return jax.lax.stop_gradient(variable)


def custom_gradient(f: Callable) -> Callable:
    """Gives a function a gradient of its own.

    Args:
        f: Returns its result, and a function from the gradient of the result to those of the
            arguments.

    Example:
        >>> import jax, jkeras as keras
        >>> @keras.ops.custom_gradient
        ... def straight_through(x):
        ...     return keras.ops.round(x), lambda upstream: upstream
        >>> jax.grad(straight_through)(0.7).item()
        1.0
    """
    if not callable(f):
        raise TypeError(f"keras.ops.custom_gradient() takes a function, got {f!r}.")
    return jax.custom_gradient(f)


# ------------------------------------------------------------------ parts of arrays
@op
def unstack(x: ArrayLike, num: int | None = None, axis: int = 0) -> list[jax.Array]:
    """Returns the parts along `axis` as a list.

    Args:
        x: The array.
        num: Their number; needed where the size of the axis is not known.
        axis: The axis.

    Raises:
        ValueError: If `num` is given and is not their number, if it is needed, or if there is no
            such axis.
    """
    x = jnp.asarray(x)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"unstack(): axis {axis} is out of bounds for shape {x.shape}.")
    found = shapes.known(x.shape)[axis]
    if num is not None and found is None:
        return [jnp.take(x, i, axis) for i in range(num)]
    if num not in (None, found):
        raise ValueError(f"unstack() into num={num} parts along axis {axis} of shape {x.shape}.")
    return list(jnp.unstack(x, axis=axis))


@partial(op, arrays="inputs", called_with="inputs start_indices")
def slice(inputs: ArrayLike, start_indices: ArrayLike, shape: Shape) -> jax.Array:
    """Returns the part of this shape from `start_indices` on; a size of -1 reaches to the end.

    The start may be traced by JAX; it is moved where the part would not fit.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.slice([[1, 2, 3], [4, 5, 6]], (0, 1), (2, -1)).tolist()
        [[2, 3], [5, 6]]
    """
    inputs, start = jnp.asarray(inputs), list(start_indices)
    for name, value in (("start_indices", start), ("shape", shape)):
        if len(value) != inputs.ndim:
            raise ValueError(
                f"The dimensions in `{name}` must match the dimensions in `inputs`: one number for "
                f"each of its {inputs.ndim} axes. The dimensions in `inputs` must match those in "
                f"`shape`, too. Received: start_indices={start_indices!r}, shape={shape!r}"
            )
    if -1 in shape and any(isinstance(s, jax.core.Tracer) for s in start):
        raise ValueError(
            f"keras.ops.slice() takes no shape with -1, got {shape!r}, if `start_indices` follow "
            "from the data: the size of the part would do so, too. Give the sizes."
        )
    sizes = [
        n - int(s) if wanted == -1 else wanted
        for n, s, wanted in zip(inputs.shape, start, shape, strict=True)
    ]
    return jax.lax.dynamic_slice(inputs, start, sizes)


@partial(op, arrays="inputs updates", called_with="inputs start_indices updates")
def slice_update(inputs: ArrayLike, start_indices: ArrayLike, updates: ArrayLike) -> jax.Array:
    """Returns `inputs` with the part from `start_indices` on replaced by `updates`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.slice_update([0, 0, 0, 0], [1], [7, 8]).tolist()
        [0, 7, 8, 0]
    """
    inputs = jnp.asarray(inputs)
    return jax.lax.dynamic_update_slice(
        inputs, jnp.asarray(updates, inputs.dtype), list(start_indices)
    )


@op
def scatter(indices: ArrayLike, values: ArrayLike, shape: Shape) -> jax.Array:
    """Returns zeros of this shape, to which `values` are added at `indices`.

    Args:
        indices: Places, of shape `(n, m)`: each row gives the first `m` indices.
        values: What to add at each place, of shape `(n, *shape[m:])`.
        shape: The shape of the result.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.scatter([[0], [2]], [5.0, 7.0], (4,)).tolist()
        [5.0, 0.0, 7.0, 0.0]
    """
    values = jnp.asarray(values)
    return jnp.zeros(shape, values.dtype).at[_places(indices)].add(values)


@op
def scatter_update(
    inputs: ArrayLike, indices: ArrayLike, updates: ArrayLike, reduction: str | None = None
) -> jax.Array:
    """Returns `inputs` with `updates` put, or reduced into it, at `indices`.

    Args:
        inputs: The array.
        indices: Places, of shape `(n, m)`: each row gives the first `m` indices.
        updates: What to put at each place, of shape `(n, *inputs.shape[m:])`.
        reduction: None to replace what is there, or `"add"`, `"max"`, `"min"`, `"mul"`.

    Raises:
        ValueError: If `reduction` is another word.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.scatter_update([1, 1, 1], [[0], [2]], [5, 7]).tolist()
        [5, 1, 7]
    """
    if reduction not in (None, "add", "max", "min", "mul"):
        raise ValueError(
            f"Invalid reduction: {reduction}. Supported values are: None, 'add', 'max', 'min', "
            "'mul'."
        )
    inputs = jnp.asarray(inputs)
    return getattr(inputs.at[_places(indices)], reduction or "set")(
        jnp.asarray(updates, inputs.dtype)
    )


def _places(indices: ArrayLike) -> tuple[jax.Array, ...]:
    return tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))


# ------------------------------------------------------------------ control flow
@partial(op, arrays="", called_with="pred true_fn false_fn")
def cond(pred: ArrayLike, true_fn: Callable, false_fn: Callable) -> Structure:
    """Returns `true_fn()` or `false_fn()`; `pred` may be traced by JAX.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.cond(keras.ops.ones(()) > 0, lambda: 1.0, lambda: 2.0).item()
        1.0
    """
    return jax.lax.cond(as_array(pred), true_fn, false_fn)


@partial(op, arrays="", called_with="index branches operands")
def switch(index: ArrayLike, branches: Sequence[Callable], *operands: Structure) -> Structure:
    """Returns `branches[index](*operands)`; an index outside of the list is moved into it."""
    return jax.lax.switch(as_array(index), branches, *operands)


@partial(op, arrays="", called_with="loop_vars")
def while_loop(
    cond: Callable, body: Callable, loop_vars: Structure, maximum_iterations: int | None = None
) -> Structure:
    """Replaces `loop_vars` by `body(*loop_vars)` as long as `cond(*loop_vars)` holds.

    Args:
        cond: Says whether to go on.
        body: Returns values of the same shapes and dtypes as it takes.
        loop_vars: A list or tuple of arguments, or a single one.
        maximum_iterations: How often at most.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.while_loop(lambda i: i < 10, lambda i: i * 2, 1).item()
        16
    """
    single = not isinstance(loop_vars, (list, tuple))
    start = (loop_vars,) if single else tuple(loop_vars)

    def go_on(state: tuple) -> Any:
        count, values = state
        again = cond(*values)
        if maximum_iterations is None:
            return again
        return jnp.logical_and(again, count < maximum_iterations)

    def step(state: tuple) -> tuple:
        count, values = state
        values = body(*values)
        return count + 1, tuple(values) if isinstance(values, (list, tuple)) else (values,)

    _, values = jax.lax.while_loop(go_on, step, (0, start))
    return values[0] if single else values


@partial(op, arrays="", called_with="init_val")
def fori_loop(
    lower: ArrayLike, upper: ArrayLike, body_fun: Callable, init_val: Structure
) -> Structure:
    """Replaces `init_val` by `body_fun(i, value)`, for each `i` from `lower` to before `upper`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.fori_loop(1, 5, lambda i, product: product * i, 1).item()
        24
    """
    return jax.lax.fori_loop(lower, upper, body_fun, init_val)


@partial(op, arrays="", called_with="f init xs")
def scan(
    f: Callable,
    init: Structure,
    xs: ArrayLike = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
) -> Structure:
    """Carries a value along the first axis of `xs`.

    Args:
        f: From the carried value and a part of `xs`, the next value and an output.
        init: The value at the start.
        xs: A structure of arrays, or None.
        length: How many steps, if not the size of the first axis.
        reverse: Whether to start at the end.
        unroll: How many steps to compile into one.

    Returns:
        The value at the end, and the outputs, stacked.

    Example:
        >>> import jkeras as keras
        >>> last, sums = keras.ops.scan(lambda c, x: (c + x, c + x), 0, keras.ops.arange(4))
        >>> last.item(), sums.tolist()
        (6, [0, 1, 3, 6])
    """
    if not isinstance(unroll, bool) and (as_integer(unroll) or 0) < 1:
        raise ValueError(
            f"`unroll` must be an positive integer or boolean. Received: unroll={unroll}"
        )
    return jax.lax.scan(f, init, xs, length, reverse, unroll)


@partial(op, arrays="", called_with="f elems")
def associative_scan(
    f: Callable, elems: Structure, reverse: bool = False, axis: int = 0
) -> Structure:
    """Combines the parts along an axis, from the first to each, by an associative function.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.associative_scan(lambda a, b: a + b, keras.ops.arange(4)).tolist()
        [0, 1, 3, 6]
    """
    return jax.lax.associative_scan(f, elems, reverse, axis)


@partial(op, called_with="f xs", arrays="")
def map(f: Callable, xs: ArrayLike) -> Structure:
    """Applies `f` to each part along the first axis, one after another.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.map(lambda row: row.sum(), keras.ops.ones((2, 3))).tolist()
        [3.0, 3.0]
    """
    return jax.lax.map(f, xs)


@partial(op, arrays="", called_with="elements")
def vectorized_map(function: Callable, elements: Structure) -> Structure:
    """Applies `function` to each part along the first axis, at once: `jax.vmap`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.vectorized_map(lambda row: row.sum(), keras.ops.ones((2, 3))).tolist()
        [3.0, 3.0]
    """
    return jax.vmap(function)(elements)


export(globals())
