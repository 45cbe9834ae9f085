"""NumPy's functions by Keras's names: `keras.ops.sum` and 200 others, over `jax.numpy`."""

import builtins
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.base.arguments import ArgumentsError
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Shape, Sizes, Structure
from jkeras.core import policy, shapes
from jkeras.core.graph import Slice
from jkeras.core.operations import as_array, as_arrays, define, export
from jkeras.ops.core import ndim as ndim
from jkeras.ops.core import size as size

op = partial(define, module="ops.numpy")


# ------------------------------------------------------------------ common signatures
def _unary(x: ArrayLike) -> ArrayLike: ...
def _binary(x1: ArrayLike, x2: ArrayLike) -> ArrayLike: ...
def _bitwise(x: ArrayLike, y: ArrayLike) -> ArrayLike: ...
def _reduction(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> ArrayLike: ...
def _extreme(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, initial: ArrayLike = None
) -> ArrayLike: ...
def _quantiles(
    x: ArrayLike, q: ArrayLike, axis: Axis = None, method: str = "linear", keepdims: bool = False
) -> ArrayLike: ...
def _cumulative(x: ArrayLike, axis: Axis = None, dtype: DTypeLike = None) -> ArrayLike: ...
def _sorting(x: ArrayLike, axis: int | None = -1) -> ArrayLike: ...
def _splitting(x: ArrayLike, indices_or_sections: Any, axis: int = 0) -> Structure: ...
def _splitting_one(x: ArrayLike, indices_or_sections: Any) -> Structure: ...
def _joining(xs: Structure) -> ArrayLike: ...
def _diagonal_like(x: ArrayLike, k: int = 0) -> ArrayLike: ...


# ------------------------------------------------------------------ element by element
absolute = op(jnp.absolute, _unary, example=("[-1.0, 2.0]", "[1.0, 2.0]"))
abs = op(jnp.abs, _unary, example=("[-1.0, 2.0]", "[1.0, 2.0]"))
angle = op(jnp.angle, _unary)
arccos = op(jnp.arccos, _unary)
arccosh = op(jnp.arccosh, _unary)
arcsin = op(jnp.arcsin, _unary)
arcsinh = op(jnp.arcsinh, _unary)
arctan = op(jnp.arctan, _unary)
arctanh = op(jnp.arctanh, _unary)
bitwise_invert = op(jnp.bitwise_invert, _unary)
bitwise_not = op(jnp.bitwise_not, _unary)
cbrt = op(jnp.cbrt, _unary)
conjugate = op(jnp.conjugate, _unary)
conj = op(jnp.conj, _unary)
copy = op(jnp.copy, _unary)
cos = op(jnp.cos, _unary, example=("[0.0, 3.1415927]", "[1.0, -1.0]"))
cosh = op(jnp.cosh, _unary)
deg2rad = op(jnp.deg2rad, _unary)
exp = op(jnp.exp, _unary, example=("[-1000.0, 0.0]", "[0.0, 1.0]"))
exp2 = op(jnp.exp2, _unary)
expm1 = op(jnp.expm1, _unary)
fabs = op(jnp.fabs, _unary)
i0 = op(jnp.i0, _unary)
imag = op(jnp.imag, _unary)
isfinite = op(jnp.isfinite, _unary)
isinf = op(jnp.isinf, _unary)
isnan = op(jnp.isnan, _unary, example=('[1.0, float("nan")]', "[False, True]"))
isneginf = op(jnp.isneginf, _unary)
isposinf = op(jnp.isposinf, _unary)
isreal = op(jnp.isreal, _unary)
log = op(jnp.log, _unary, example=("[1.0, 2.718281828]", "[0.0, 1.0]"))
log10 = op(jnp.log10, _unary)
log1p = op(jnp.log1p, _unary)
log2 = op(jnp.log2, _unary)
logical_not = op(jnp.logical_not, _unary, example=("[True, False]", "[False, True]"))
negative = op(jnp.negative, _unary, example=("[1.0, -2.0]", "[-1.0, 2.0]"))
rad2deg = op(jnp.rad2deg, _unary)
real = op(jnp.real, _unary)
reciprocal = op(jnp.reciprocal, _unary)
sign = op(jnp.sign, _unary, example=("[-3.0, 0.0, 2.0]", "[-1.0, 0.0, 1.0]"))
signbit = op(jnp.signbit, _unary)
sin = op(jnp.sin, _unary, example=("[0.0, 1.5707963]", "[0.0, 1.0]"))
sinc = op(jnp.sinc, _unary)
sinh = op(jnp.sinh, _unary)
sqrt = op(jnp.sqrt, _unary, example=("[4.0, 9.0]", "[2.0, 3.0]"))
square = op(jnp.square, _unary, example=("[2.0, 3.0]", "[4.0, 9.0]"))
tan = op(jnp.tan, _unary)
tanh = op(jnp.tanh, _unary, example=("[0.0, 100.0]", "[0.0, 1.0]"))
trunc = op(jnp.trunc, _unary)

add = op(jnp.add, _binary, example=("[1, 2], [3, 4]", "[4, 6]"))
arctan2 = op(jnp.arctan2, _binary)
bitwise_and = op(jnp.bitwise_and, _bitwise)
bitwise_left_shift = op(jnp.bitwise_left_shift, _bitwise)
bitwise_or = op(jnp.bitwise_or, _bitwise)
bitwise_right_shift = op(jnp.bitwise_right_shift, _bitwise)
bitwise_xor = op(jnp.bitwise_xor, _bitwise)
divide = op(jnp.divide, _binary, example=("[1.0, 3.0], 2", "[0.5, 1.5]"))
equal = op(jnp.equal, _binary, example=("[1, 2], [1, 3]", "[True, False]"))
floor_divide = op(jnp.floor_divide, _binary)
fmax = op(jnp.fmax, _binary)
fmin = op(jnp.fmin, _binary)
fmod = op(jnp.fmod, _binary)
gcd = op(jnp.gcd, _binary)
greater = op(jnp.greater, _binary, example=("[1, 2], 1", "[False, True]"))
greater_equal = op(jnp.greater_equal, _binary, example=("[1, 2], 2", "[False, True]"))
heaviside = op(jnp.heaviside, _binary)
hypot = op(jnp.hypot, _binary)
lcm = op(jnp.lcm, _binary)
ldexp = op(jnp.ldexp, _binary)
left_shift = op(jnp.left_shift, _bitwise)
less = op(jnp.less, _binary, example=("[1, 2], 2", "[True, False]"))
less_equal = op(jnp.less_equal, _binary, example=("[1, 2], 1", "[True, False]"))
logaddexp = op(jnp.logaddexp, _binary)
logaddexp2 = op(jnp.logaddexp2, _binary)
logical_and = op(jnp.logical_and, _binary, example=("[True, True], [True, False]", "[True, False]"))
logical_or = op(jnp.logical_or, _binary, example=("[True, False], [False, False]", "[True, False]"))
logical_xor = op(jnp.logical_xor, _binary)
maximum = op(jnp.maximum, _binary, example=("[1, 5], 3", "[3, 5]"))
minimum = op(jnp.minimum, _binary, example=("[1, 5], 3", "[1, 3]"))
mod = op(jnp.mod, _binary, example=("[5, -5], 3", "[2, 1]"))
multiply = op(jnp.multiply, _binary, example=("[1, 2], [3, 4]", "[3, 8]"))
nextafter = op(jnp.nextafter, _binary)
not_equal = op(jnp.not_equal, _binary, example=("[1, 2], [1, 3]", "[False, True]"))
power = op(jnp.power, _binary, example=("[2.0, 3.0], 2", "[4.0, 9.0]"))
right_shift = op(jnp.right_shift, _bitwise)
subtract = op(jnp.subtract, _binary, example=("[1, 2], [3, 4]", "[-2, -2]"))
true_divide = op(jnp.true_divide, _binary)


@op
def divide_no_nan(x1: ArrayLike, x2: ArrayLike) -> ArrayLike:
    """Returns `x1 / x2`, and 0 where `x2` is 0.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.divide_no_nan([1.0, 1.0], [2.0, 0.0]).tolist()
        [0.5, 0.0]
    """
    zero = jnp.equal(x2, 0)
    return jnp.where(zero, 0, jnp.divide(x1, jnp.where(zero, 1, x2)))


@op
def clip(x: ArrayLike, x_min: ArrayLike, x_max: ArrayLike) -> ArrayLike:
    """Returns `x` with each value moved into the range from `x_min` to `x_max`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.clip([-1.0, 0.5, 2.0], 0, 1).tolist()
        [0.0, 0.5, 1.0]
    """
    x = jnp.asarray(x)
    x = x.astype("int32") if x.dtype == bool else x
    return jnp.clip(x, as_array(x_min), as_array(x_max))


def _as_float(x: ArrayLike) -> jax.Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(settings.floatx())


@op
def ceil(x: ArrayLike) -> ArrayLike:
    """Returns the next integers that are not smaller, as floats.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.ceil([0.2, 1.0]).tolist()
        [1.0, 1.0]
    """
    return jnp.ceil(_as_float(x))


@op
def floor(x: ArrayLike) -> ArrayLike:
    """Returns the next integers that are not larger, as floats.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.floor([0.8, 1.0]).tolist()
        [0.0, 1.0]
    """
    return jnp.floor(_as_float(x))


@op
def round(x: ArrayLike, decimals: int = 0) -> ArrayLike:
    """Rounds to a number of decimals; halves go to the even neighbour.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.round([0.5, 1.7]).tolist()
        [0.0, 2.0]
    """
    if decimals < 0 and jnp.issubdtype(x.dtype, jnp.integer):  # which JAX does not take
        tens = 10**-decimals
        return (jnp.round(x / tens) * tens).astype(x.dtype)
    return jnp.round(x, decimals)


@op
def nan_to_num(
    x: ArrayLike, nan: ArrayLike = 0.0, posinf: ArrayLike = None, neginf: ArrayLike = None
) -> ArrayLike:
    """Replaces NaN by `nan`, and infinities by `posinf` and `neginf` (the largest numbers)."""
    return jnp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


@partial(op, called_with="x1 x2 rtol atol")
def isclose(
    x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> ArrayLike:
    """Says where `abs(x1 - x2) <= atol + rtol * abs(x2)`."""
    return jnp.isclose(x1, x2, rtol, atol, equal_nan)


@partial(op, class_name="AllClose")
def allclose(
    x1: ArrayLike, x2: ArrayLike, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> ArrayLike:
    """Says whether `isclose` holds everywhere."""
    return jnp.allclose(x1, x2, rtol, atol, equal_nan)


@partial(op, class_name="IsIn")
def isin(
    x1: ArrayLike, x2: ArrayLike, assume_unique: bool = False, invert: bool = False
) -> ArrayLike:
    """Says which values of `x1` are among those of `x2`."""
    return jnp.isin(x1, x2, assume_unique=assume_unique, invert=invert)


@op
def where(condition: ArrayLike, x1: ArrayLike = None, x2: ArrayLike = None) -> ArrayLike:
    """Returns `x1` where `condition` holds, else `x2`; without these, where it holds.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.where([True, False], 1.0, [5.0, 6.0]).tolist()
        [1.0, 6.0]
    """
    if (x1 is None) != (x2 is None):
        raise ValueError("`x1` and `x2` either both should be `None` or both should be given.")
    return jnp.where(condition) if x1 is None else jnp.where(condition, x1, x2)


@partial(op, called_with="condlist choicelist default")
def select(
    condlist: Sequence[ArrayLike], choicelist: Sequence[ArrayLike], default: ArrayLike = 0
) -> ArrayLike:
    """Returns, at each place, the first choice whose condition holds, else `default`."""
    return jnp.select(as_arrays(condlist), as_arrays(choicelist), as_array(default))


# ------------------------------------------------------------------ reductions
all = op(jnp.all, _reduction, example=("[[True, False], [True, True]], axis=1", "[False, True]"))
amax = op(jnp.amax, _reduction)
amin = op(jnp.amin, _reduction)
any = op(jnp.any, _reduction, example=("[[False, False], [True, False]], axis=1", "[False, True]"))
argmax = op(jnp.argmax, _reduction, example=("[[1, 5, 2], [9, 0, 3]], axis=1", "[1, 0]"))
argmin = op(jnp.argmin, _reduction, example=("[[1, 5, 2], [9, 0, 3]], axis=1", "[0, 1]"))
max = op(jnp.max, _extreme, example=("[[1, 5], [7, 2]], axis=0", "[7, 5]"))
mean = op(jnp.mean, _reduction, example=("[[1.0, 3.0], [5.0, 7.0]], axis=0", "[3.0, 5.0]"))
median = op(jnp.median, _reduction)
min = op(jnp.min, _extreme, example=("[[1, 5], [7, 2]], axis=0", "[1, 2]"))
nanargmax = op(jnp.nanargmax, _reduction)
nanargmin = op(jnp.nanargmin, _reduction)
nanmax = op(jnp.nanmax, _reduction)
nanmean = op(jnp.nanmean, _reduction)
nanmedian = op(jnp.nanmedian, _reduction)
nanmin = op(jnp.nanmin, _reduction)
nanpercentile = op(jnp.nanpercentile, _quantiles)
nanprod = op(jnp.nanprod, _reduction)
nanquantile = op(jnp.nanquantile, _quantiles)
nanstd = op(jnp.nanstd, _reduction)
nansum = op(jnp.nansum, _reduction)
nanvar = op(jnp.nanvar, _reduction)
percentile = op(jnp.percentile, _quantiles)
ptp = op(jnp.ptp, _reduction)
std = op(jnp.std, _reduction, example=("[1.0, 3.0]", "1.0"))
sum = op(jnp.sum, _reduction, example=("[[1, 2], [3, 4]], axis=0", "[4, 6]"))
var = op(jnp.var, _reduction)
cumprod = op(jnp.cumprod, _cumulative)
cumsum = op(jnp.cumsum, _cumulative, example=("[1, 2, 3]", "[1, 3, 6]"))
nancumprod = op(jnp.nancumprod, _cumulative)
nancumsum = op(jnp.nancumsum, _cumulative)
quantile = op(jnp.quantile, _quantiles)


@op
def prod(
    x: ArrayLike, axis: Axis = None, keepdims: bool = False, dtype: DTypeLike = None
) -> ArrayLike:
    """Returns the product along `axis`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.prod([2, 3, 4]).tolist()
        24
    """
    return jnp.prod(x, axis, dtype, keepdims=keepdims)


@partial(op, called_with="x weights")
def average(x: ArrayLike, axis: Axis = None, weights: ArrayLike = None) -> ArrayLike:
    """Returns the mean along `axis`, in which each value counts by its weight.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.average([1.0, 5.0], weights=[3, 1]).item()
        2.0
    """
    return jnp.average(x, axis, as_array(weights))


@op
def count_nonzero(x: ArrayLike, axis: Axis = None) -> ArrayLike:
    """Returns how many values along `axis` are not zero."""
    return jnp.count_nonzero(x, axis)


@op
def diff(a: ArrayLike, n: int = 1, axis: int = -1) -> ArrayLike:
    """Returns the differences of neighbours along `axis`, taken `n` times."""
    return jnp.diff(a, n, axis)


@partial(op, arrays="y")
def trapezoid(y: ArrayLike, x: ArrayLike = None, dx: float = 1.0, axis: int = -1) -> ArrayLike:
    """Integrates `y` along `axis` by the trapezoidal rule, at points `x` or `dx` apart."""
    return jnp.trapezoid(y, as_array(x), dx, axis)


# ------------------------------------------------------------------ products
@op
def matmul(x1: ArrayLike, x2: ArrayLike) -> ArrayLike:
    """Returns the matrix product; axes before the last two are batches.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.matmul([[1.0, 2.0]], [[3.0], [4.0]]).tolist()
        [[11.0]]
    """
    x1, x2 = jnp.asarray(x1), jnp.asarray(x2)
    # Products of 8-bit integers would overflow in 8 bits.
    wide = "int32" if x1.dtype == x2.dtype == "int8" else None
    return jnp.matmul(x1, x2, preferred_element_type=wide)


dot = op(jnp.dot, _binary, example=("[[1, 2]], [[3], [4]]", "[[11]]"))
inner = op(jnp.inner, _binary)
kron = op(jnp.kron, _binary)
outer = op(jnp.outer, _binary)
vdot = op(jnp.vdot, _binary)


@op
def cross(
    x1: ArrayLike,
    x2: ArrayLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> ArrayLike:
    """Returns the cross product of vectors of three (or two) components."""
    if axis is not None:
        axisa = axisb = axisc = axis
    x1, x2 = jnp.moveaxis(x1, axisa, -1), jnp.moveaxis(x2, axisb, -1)
    sizes = x1.shape[-1], x2.shape[-1]
    if not {*sizes} <= {2, 3}:
        raise ValueError(
            "Dimension must be either 2 or 3 for cross product: vectors have so many components. "
            f"Received: {sizes[0]} in x1 and {sizes[1]} in x2."
        )
    product = jnp.cross(_in_space(x1), _in_space(x2))
    return product[..., 2] if sizes == (2, 2) else jnp.moveaxis(product, -1, axisc)


def _in_space(vectors: jax.Array) -> jax.Array:
    """Returns vectors of three components: JAX 0.12 has no product of others."""
    missing = [(0, 0)] * (vectors.ndim - 1) + [(0, 3 - vectors.shape[-1])]
    return jnp.pad(vectors, missing)


@op
def tensordot(x1: ArrayLike, x2: ArrayLike, axes: Axis = 2) -> ArrayLike:
    """Multiplies and sums over pairs of axes: so many last of `x1` and first of `x2`, or `axes`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.tensordot([[1, 2]], [[3], [4]], axes=1).tolist()
        [[11]]
    """
    return jnp.tensordot(x1, x2, axes)


@partial(op, called_with="operands")
def einsum(subscripts: str, *operands: ArrayLike, **kwargs: Any) -> ArrayLike:
    """Multiplies and sums as `subscripts` say: `"ij,jk->ik"` is the matrix product.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.einsum("ij->j", [[1.0, 2.0], [3.0, 4.0]]).tolist()
        [4.0, 6.0]
    """
    return jnp.einsum(subscripts, *as_arrays(operands), **kwargs)


@op
def correlate(x1: ArrayLike, x2: ArrayLike, mode: str = "valid") -> ArrayLike:
    """Returns the cross-correlation of two vectors."""
    return jnp.correlate(x1, x2, mode)


@op
def corrcoef(x: ArrayLike) -> ArrayLike:
    """Returns the correlation coefficients of the rows of `x`."""
    return jnp.corrcoef(x)


@op
def slogdet(x: ArrayLike) -> Structure:
    """Returns the signs, and the logarithms of the sizes, of the determinants of matrices."""
    return jnp.linalg.slogdet(x)


# ------------------------------------------------------------------ shapes
fliplr = op(jnp.fliplr, _unary)
flipud = op(jnp.flipud, _unary)
ravel = op(jnp.ravel, _unary)
dstack = op(jnp.dstack, _joining)
hstack = op(jnp.hstack, _joining)
vstack = op(jnp.vstack, _joining)
array_split = op(jnp.array_split, _splitting)
dsplit = op(jnp.dsplit, _splitting_one)
hsplit = op(jnp.hsplit, _splitting_one)
vsplit = op(jnp.vsplit, _splitting_one)
diag = op(jnp.diag, _diagonal_like)
diagflat = op(jnp.diagflat, _diagonal_like)
tril = op(jnp.tril, _diagonal_like)
triu = op(jnp.triu, _diagonal_like)


@op
def reshape(x: ArrayLike, newshape: Shape) -> ArrayLike:
    """Gives `x` another shape; one size may be -1.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.reshape([1, 2, 3, 4], (2, -1)).tolist()
        [[1, 2], [3, 4]]
    """
    sizes = newshape if isinstance(newshape, (tuple, list)) else (newshape,)
    if builtins.any(isinstance(n, int) and n < -1 for n in sizes):
        raise ValueError(
            "Argument `newshape` must hold non-negative integers, and at most one -1. Received: "
            f"newshape={newshape}"
        )
    if builtins.any(n is None for n in sizes):
        raise ArgumentsError(
            f"Argument `newshape` must not hold None. Received: newshape={newshape}\nThat is an "
            "axis of unknown size: write -1 for one such axis, and for several a layer whose "
            "`call` reshapes, where their sizes are known."
        )
    return shapes.reshape(x, newshape)


@op
def transpose(x: ArrayLike, axes: Axis = None) -> ArrayLike:
    """Reorders the axes; reverses them by default.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.transpose([[1, 2], [3, 4]]).tolist()
        [[1, 3], [2, 4]]
    """
    if axes is not None and {int(axis) % builtins.max(x.ndim, 1) for axis in axes} != {
        *range(x.ndim)
    }:
        raise ValueError(
            f"Argument `axes` must be a valid permutation of the {x.ndim} axes of `x`. Received: "
            f"axes={axes}"
        )
    return jnp.transpose(x, axes)


@op
def expand_dims(x: ArrayLike, axis: Axis) -> ArrayLike:
    """Inserts axes of size 1, at the places that `axis` names in the result.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.expand_dims([1, 2], axis=0).tolist()
        [[1, 2]]
    """
    return jnp.expand_dims(x, axis)


@op
def squeeze(x: ArrayLike, axis: Axis = None) -> ArrayLike:
    """Takes out axes of size 1: those that `axis` names, or all.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.squeeze([[[1, 2]]], axis=0).tolist()
        [[1, 2]]
    """
    return jnp.squeeze(x, axis)


@op
def swapaxes(x: ArrayLike, axis1: int, axis2: int) -> ArrayLike:
    """Exchanges two axes.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.swapaxes([[1, 2, 3]], 0, 1).tolist()
        [[1], [2], [3]]
    """
    return jnp.swapaxes(x, axis1, axis2)


@op
def moveaxis(x: ArrayLike, source: Axis, destination: Axis) -> ArrayLike:
    """Moves axes to other places."""
    return jnp.moveaxis(x, source, destination)


@op
def broadcast_to(x: ArrayLike, shape: Shape) -> ArrayLike:
    """Repeats `x` along axes of size 1 until it has this shape."""
    return jnp.broadcast_to(x, shape)


@op
def concatenate(xs: Structure, axis: int | None = 0) -> ArrayLike:
    """Joins arrays along an axis that they have.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.concatenate([[[1.0], [2.0]], [[3.0], [4.0]]], axis=1).tolist()
        [[1.0, 3.0], [2.0, 4.0]]
    """
    return jnp.concatenate(xs, axis)


@partial(op, arrays="", called_with="x")
def stack(x: Structure, axis: int = 0) -> ArrayLike:
    """Joins arrays along a new axis.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.stack([[1.0, 2.0], [3.0, 4.0]], axis=1).tolist()
        [[1.0, 3.0], [2.0, 4.0]]
    """
    return jnp.stack(as_arrays(x), axis)


@op
def append(x1: ArrayLike, x2: ArrayLike, axis: int | None = None) -> ArrayLike:
    """Joins two arrays along `axis`; without one, flattened."""
    return jnp.append(x1, x2, axis)


@op
def split(x: ArrayLike, indices_or_sections: int | Sequence[int], axis: int = 0) -> Structure:
    """Cuts `x` along `axis` into so many equal parts, or at these places.

    Example:
        >>> import jkeras as keras
        >>> [part.tolist() for part in keras.ops.split([1, 2, 3, 4], [1, 3])]
        [[1], [2, 3], [4]]
    """
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"axis {axis} is out of bounds for array of dimension {x.ndim}")
    parts = _static("indices_or_sections", indices_or_sections)
    try:
        return jnp.split(x, parts, axis)
    except Exception:
        if shapes.known(x.shape)[axis] is not None or not isinstance(parts, int) or parts < 1:
            raise
        # Whether it divides an axis of unknown size, the data will tell: only shapes are looked at.
        part = jax.lax.slice_in_dim(x, 0, x.shape[axis] // parts, axis=axis)
        return [part] * parts


def _static(name: str, x: ArrayLike) -> Any:
    """Returns an integer, or a tuple of them; raises TypeError where they are traced."""
    if builtins.any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(x)):
        raise TypeError(
            f"`{name}` decides the shape of the result, so it must be known when a function is "
            f"compiled. Received: {name}={x}\nPass Python integers, or sizes taken from a shape."
        )
    size = as_integer(x)
    return tuple(int(i) for i in x) if size is None else size


@op
def repeat(x: ArrayLike, repeats: Sizes, axis: int | None = None) -> ArrayLike:
    """Repeats each value along `axis`; without one, flattened.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.repeat([1, 2], 2).tolist()
        [1, 1, 2, 2]
    """
    return jnp.repeat(x, repeats if isinstance(repeats, jax.Array) else np.asarray(repeats), axis)


@op
def tile(x: ArrayLike, repeats: Sizes) -> ArrayLike:
    """Lays copies of `x` one after another along each axis.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.tile([1, 2], 2).tolist()
        [1, 2, 1, 2]
    """
    return jnp.tile(x, _static("repeats", repeats))


@op
def flip(x: ArrayLike, axis: Axis = None) -> ArrayLike:
    """Reverses the order along `axis`, or along all axes."""
    return jnp.flip(x, axis)


@op
def roll(x: ArrayLike, shift: Sizes, axis: Axis = None) -> ArrayLike:
    """Shifts values along `axis`; what leaves at the end comes in at the start."""
    return jnp.roll(x, shift, axis)


@op
def rot90(array: ArrayLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> ArrayLike:
    """Turns `array` by `k` times 90 degrees in the plane of two axes."""
    return jnp.rot90(array, k, axes)


@partial(op, called_with="x constant_values")
def pad(
    x: ArrayLike, pad_width: Sizes, mode: str = "constant", constant_values: ArrayLike = None
) -> ArrayLike:
    """Puts values before and after each axis.

    Args:
        x: The array.
        pad_width: A number, a pair of numbers (before, after), or a pair for each axis.
        mode: `"constant"`, or another mode of `jax.numpy.pad`: `"reflect"`, `"edge"`, ...
        constant_values: The value in the mode `"constant"`; 0 by default.

    Raises:
        ValueError: If `constant_values` is given in another mode.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.pad([1.0, 2.0], (0, 2), constant_values=9).tolist()
        [1.0, 2.0, 9.0, 9.0]
    """
    if constant_values is None:
        return jnp.pad(x, pad_width, mode)
    if mode != "constant":
        raise ValueError(
            "Argument `constant_values` can only be provided when `mode == 'constant'`. "
            f"Received: mode={mode}"
        )
    return jnp.pad(x, pad_width, mode, constant_values=as_array(constant_values))


@op
def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ArrayLike:
    """Returns the diagonals of the matrices in two axes."""
    return jnp.diagonal(x, offset, axis1, axis2)


@op
def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> ArrayLike:
    """Returns the sums of the diagonals of the matrices in two axes."""
    return jnp.trace(x, offset, axis1, axis2)


@partial(op, called_with="x")
def meshgrid(*x: ArrayLike, indexing: str = "xy") -> Structure:
    """Returns the coordinates of a grid, an array for each vector given."""
    return jnp.meshgrid(*as_arrays(x), indexing=indexing)


@op
def vander(x: ArrayLike, N: int | None = None, increasing: bool = False) -> ArrayLike:
    """Returns the powers of the values of a vector, a row for each."""
    return jnp.vander(x, N, increasing)


@op
def view(x: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns the same bytes read as another dtype."""
    return jnp.asarray(x).view(policy.standardize_dtype(dtype) if dtype else None)


# ------------------------------------------------------------------ places and order
sort = op(jnp.sort, _sorting, example=("[3, 1, 2]", "[1, 2, 3]"))
argsort = op(jnp.argsort, _sorting, example=("[3, 1, 2]", "[1, 2, 0]"))


@op
def argpartition(x: ArrayLike, kth: int, axis: int | None = -1) -> ArrayLike:
    """Returns the places in an order in which the `kth` smallest value is at its place.

    Args:
        x: The array.
        kth: Which value, counted from 0.
        axis: The axis along which values are ordered; None for the flattened array.
    """
    return jnp.argpartition(x, kth, axis) if axis is not None else jnp.argpartition(x.ravel(), kth)


@op
def take(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> ArrayLike:
    """Returns the parts of `x` at `indices` along `axis`; without one, of the flattened `x`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.take([[1, 2], [3, 4]], [1, 0], axis=1).tolist()
        [[2, 1], [4, 3]]
    """
    return jnp.take(x, indices, axis)


@op
def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int | None = None) -> ArrayLike:
    """Returns the values at `indices`, which has the axes of `x`: what `argsort` goes with."""
    return jnp.take_along_axis(x, indices, axis)


@partial(op, arrays="x", called_with="x key")
def get_item(x: ArrayLike, key: Any) -> ArrayLike:
    """Returns `x[key]`."""
    key = Slice.plain(key)
    shapes.check_index(x.shape, key)
    return x[key]


@op
def nonzero(x: ArrayLike) -> ArrayLike:
    """Returns where `x` is not zero, an array of places for each axis; not for `jax.jit`."""
    return jnp.nonzero(x)


@op
def unique(
    x: ArrayLike,
    sorted: bool = True,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    size: int | None = None,
    fill_value: ArrayLike = None,
) -> ArrayLike:
    """Returns the different values of `x`.

    Args:
        x: The array.
        sorted: Accepted for Keras's sake: they always are.
        return_index: Whether to add where each comes first.
        return_inverse: Whether to add which of them each value of `x` is.
        return_counts: Whether to add how often each comes.
        axis: Compare the parts along this axis; by default the values of the flattened `x`.
        size: How many to return: needed under `jax.jit`.
        fill_value: What follows if there are fewer than `size`.
    """
    return jnp.unique(
        x, return_index, return_inverse, return_counts, axis, size=size, fill_value=fill_value
    )


@partial(op, class_name="SearchSorted")
def searchsorted(sorted_sequence: ArrayLike, values: ArrayLike, side: str = "left") -> ArrayLike:
    """Returns where `values` belong in a sorted vector."""
    return jnp.searchsorted(sorted_sequence, values, side)


@partial(op, called_with="x bins")
def digitize(x: ArrayLike, bins: ArrayLike) -> ArrayLike:
    """Returns the number of the bin in which each value lies; `bins` are its left edges."""
    return jnp.digitize(x, as_array(bins))


@op
def bincount(
    x: ArrayLike, weights: ArrayLike = None, minlength: int = 0, sparse: bool = False
) -> ArrayLike:
    """Counts how often 0, 1, 2, ... occur along the last axis of integers; not for `jax.jit`.

    Args:
        x: The integers, of one axis or with one of batches before it.
        weights: What each counts for; 1 by default.
        minlength: The least number of counts.
        sparse: Accepted for Keras's sake: the result is never sparse.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.bincount([0, 2, 2]).tolist()
        [1, 0, 2]
    """
    x = jnp.asarray(x)
    length = builtins.max(int(x.max()) + 1 if x.size else 0, minlength)
    count = partial(jnp.bincount, length=length)
    weights = as_array(weights)
    if x.ndim == 1:
        return count(x, weights)
    return jax.vmap(count)(x) if weights is None else jax.vmap(count)(x, weights)


@op
def histogram(x: ArrayLike, bins: int = 10, range: Sequence[float] | None = None) -> ArrayLike:
    """Counts how many values of a vector lie in each of `bins` equal parts of a range.

    Returns:
        The counts, and the edges of the parts.

    Raises:
        ValueError: If `x` has not one axis, or the arguments make no sense.
    """
    x = jnp.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"Input tensor must be 1-dimensional. Received: input.shape={x.shape}")
    if as_integer(bins) is None or bins <= 0:
        raise ValueError(
            f"Argument `bins` should be a non-negative integer, and not 0. Received: bins={bins}"
        )
    if range is not None and (len(range) != 2 or range[0] > range[1]):
        raise ValueError(
            "Argument `range` must be a tuple of two elements, (low, high). Received: "
            f"range={range}"
        )
    return jnp.histogram(x, bins, range)


@op
def unravel_index(indices: ArrayLike, shape: Shape) -> ArrayLike:
    """Returns the places along each axis of `shape` of places in the flattened array."""
    return jnp.unravel_index(indices, shape)


# ------------------------------------------------------------------ new arrays
def _made(function: Callable) -> Callable:
    """Makes a function of a shape, whose dtype is `floatx()` by default, public."""
    return op(function, arrays="")


@op
def array(x: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns `x` as an array; see `convert_to_tensor`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.array([1, 2]).tolist()
        [1, 2]
    """
    return jnp.asarray(x, None if dtype is None else policy.standardize_dtype(dtype))


@_made
def zeros(shape: Shape, dtype: DTypeLike = None) -> ArrayLike:
    """Returns zeros.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.zeros((2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    return jnp.zeros(shape, policy.standardize_dtype(dtype))


@_made
def ones(shape: Shape, dtype: DTypeLike = None) -> ArrayLike:
    """Returns ones.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.ones((2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    return jnp.ones(shape, policy.standardize_dtype(dtype))


@_made
def empty(shape: Shape, dtype: DTypeLike = None) -> ArrayLike:
    """Returns an array that waits to be filled: zeros."""
    return jnp.empty(shape, policy.standardize_dtype(dtype))


@partial(op, called_with="fill_value")
def full(shape: Shape, fill_value: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns an array filled with a value.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.full((2,), 7).tolist()
        [7.0, 7.0]
    """
    return jnp.full(shape, as_array(fill_value), policy.standardize_dtype(dtype))


@_made
def eye(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None) -> ArrayLike:
    """Returns ones on a diagonal, zeros elsewhere.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.eye(2).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    return jnp.eye(N, M, k, policy.standardize_dtype(dtype))


@_made
def identity(n: int, dtype: DTypeLike = None) -> ArrayLike:
    """Returns the identity matrix."""
    return jnp.identity(n, policy.standardize_dtype(dtype))


@_made
def tri(N: int, M: int | None = None, k: int = 0, dtype: DTypeLike = None) -> ArrayLike:
    """Returns ones on and below a diagonal, zeros above."""
    return jnp.tri(N, M, k, policy.standardize_dtype(dtype))


@op
def zeros_like(x: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns zeros of the shape and dtype of `x`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.zeros_like([5, 6]).tolist()
        [0, 0]
    """
    return jnp.zeros_like(x, dtype)


@op
def ones_like(x: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns ones of the shape and dtype of `x`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.ones_like([5, 6]).tolist()
        [1, 1]
    """
    return jnp.ones_like(x, dtype)


@op
def empty_like(x: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns an array like `x` that waits to be filled: zeros."""
    return jnp.empty_like(x, dtype)


@partial(op, called_with="x fill_value")
def full_like(x: ArrayLike, fill_value: ArrayLike, dtype: DTypeLike = None) -> ArrayLike:
    """Returns an array of the shape and dtype of `x` filled with a value."""
    return jnp.full_like(x, as_array(fill_value), dtype)


@partial(op, called_with="start stop step")
def arange(
    start: ArrayLike, stop: ArrayLike = None, step: ArrayLike = None, dtype: DTypeLike = None
) -> ArrayLike:
    """Returns the numbers from `start` to before `stop`; integers unless one given is a float.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.arange(1, 7, 2).tolist()
        [1, 3, 5]
    """
    if dtype is None:
        floats = builtins.any(
            jnp.issubdtype(jnp.result_type(n), jnp.floating)
            for n in (start, stop, step)
            if n is not None
        )
        dtype = settings.floatx() if floats else "int32"
    return jnp.arange(start, stop, step, policy.standardize_dtype(dtype))


@partial(op, arrays="start stop")
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Structure:
    """Returns `num` numbers at equal distances from `start` to `stop`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.linspace(0.0, 1.0, 3).tolist()
        [0.0, 0.5, 1.0]
    """
    return jnp.linspace(start, stop, num, endpoint, retstep, dtype, axis)


@partial(op, arrays="start stop")
def logspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    base: float = 10,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Structure:
    """Returns `base` to the power of `linspace(start, stop, num)`."""
    return jnp.logspace(start, stop, num, endpoint, base, dtype, axis)


@partial(op, arrays="start stop")
def geomspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: DTypeLike = None,
    axis: int = 0,
) -> Structure:
    """Returns `num` numbers from `start` to `stop`, each the same multiple of the one before."""
    return jnp.geomspace(start, stop, num, endpoint, dtype, axis)


@_made
def bartlett(x: int) -> ArrayLike:
    """Returns the triangular window of Bartlett, of `x` points."""
    return jnp.bartlett(x)


@_made
def blackman(x: int) -> ArrayLike:
    """Returns the window of Blackman, of `x` points."""
    return jnp.blackman(x)


@_made
def hamming(x: int) -> ArrayLike:
    """Returns the window of Hamming, of `x` points."""
    return jnp.hamming(x)


@_made
def hanning(x: int) -> ArrayLike:
    """Returns the window of von Hann, of `x` points."""
    return jnp.hanning(x)


@_made
def kaiser(x: int, beta: float) -> ArrayLike:
    """Returns the window of Kaiser, of `x` points."""
    return jnp.kaiser(x, beta)


def vectorize(pyfunc: Callable, *, excluded: Any = None, signature: str | None = None) -> Callable:
    """Makes a function of scalars (or of what `signature` says) one of arrays: `jnp.vectorize`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.vectorize(lambda a, b: a + b)([1, 2], 3).tolist()
        [4, 5]
    """
    function = jnp.vectorize(pyfunc, excluded=excluded or (), signature=signature)
    return lambda *args: function(*as_arrays(args))


export(globals())
