"""Linear algebra by Keras's names; axes before the last two are batches."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import jax.scipy.linalg

from jkeras.base.types import ArrayLike, Axis, Structure
from jkeras.core.operations import define, export
from jkeras.ops.numpy import slogdet as slogdet

op = partial(define, module="ops.linalg")


def _float(x: ArrayLike) -> jax.Array:
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype("float32")


def _square(x: ArrayLike) -> jax.Array:
    x = _float(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(
            f"Expected a square matrix. Received non-square input with shape {x.shape}"
        )
    return x


@op
def cholesky(x: ArrayLike, upper: bool = False) -> jax.Array:
    """Returns the triangular factor of symmetric positive definite matrices.

    Args:
        x: Matrices of shape `(..., n, n)`.
        upper: Whether to return the upper factor rather than the lower one.

    Returns:
        `L` such that `L @ L.T` is `x`, or its transpose; under `jax.jit`, NaN where `x` is not
        positive definite.

    Raises:
        ValueError: If `x` is not positive definite, outside of `jax.jit`.
    """
    x = _square(x)
    factor = jnp.linalg.cholesky(x, upper=upper)
    if not isinstance(factor, jax.core.Tracer) and jnp.isnan(factor).any():
        raise ValueError(
            "Cholesky decomposition failed. The input might not be a valid positive definite "
            f"matrix. Received: x of shape {x.shape}"
        )
    return factor


@op
def cholesky_inverse(x: ArrayLike, upper: bool = False) -> jax.Array:
    """Returns the inverse of the matrix whose triangular factor is `x`."""
    x = _square(x)
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), x.shape)
    return jax.scipy.linalg.cho_solve((x, not upper), identity)


@op
def det(x: ArrayLike) -> jax.Array:
    """Returns the determinants of square matrices."""
    return jnp.linalg.det(_square(x))


@op
def eig(x: ArrayLike) -> Structure:
    """Returns the complex eigenvalues and eigenvectors of square matrices; on CPU only."""
    return jnp.linalg.eig(_square(x))


@op
def eigh(x: ArrayLike) -> Structure:
    """Returns the ascending eigenvalues, and the eigenvectors, of symmetric matrices."""
    return jnp.linalg.eigh(_square(x))


@op
def inv(x: ArrayLike) -> jax.Array:
    """Returns the inverses of square matrices."""
    return jnp.linalg.inv(_square(x))


@op
def lstsq(a: ArrayLike, b: ArrayLike, rcond: float | None = None) -> jax.Array:
    """Returns the `x` for which `a @ x` is nearest to `b`, and which is shortest.

    Args:
        a: A matrix of shape `(m, n)`.
        b: A vector or matrix of `m` rows.
        rcond: The ratio to the largest below which singular values count as zero.
    """
    return jnp.linalg.lstsq(_float(a), _float(b), rcond)[0]


@op
def lu_factor(x: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Returns the triangular factors of a square matrix in one matrix, and the exchanged rows."""
    return jax.scipy.linalg.lu_factor(_float(x))


@op
def matrix_rank(x: ArrayLike, tol: ArrayLike = None) -> jax.Array:
    """Returns how many singular values of matrices `x` are larger than `tol`."""
    if jnp.ndim(x) < 2:
        raise ValueError(
            f"Expected input to have rank >= 2. Received input with shape {jnp.shape(x)}."
        )
    return jnp.linalg.matrix_rank(_float(x), tol)


@op
def norm(
    x: ArrayLike, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> jax.Array:
    """Returns norms: Euclidean by default.

    Args:
        x: The array.
        ord: `"fro"`, `"nuc"`, an integer or infinity.
        axis: One axis for vectors' norms, two for matrices', None for all.
        keepdims: Whether the axes stay, with size 1.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.norm([[3.0, 4.0]], axis=-1).tolist()
        [5.0]
    """
    return jnp.linalg.norm(_float(x), ord, axis, keepdims)


@op
def pinv(x: ArrayLike, rcond: ArrayLike = None) -> jax.Array:
    """Returns the pseudo-inverses of matrices."""
    return jnp.linalg.pinv(_float(x), rtol=rcond)


@op
def qr(x: ArrayLike, mode: str = "reduced") -> Structure:
    """Returns `q`, of orthonormal columns, and the upper triangular `r`; their product is `x`.

    Args:
        x: Matrices of shape `(..., m, n)`.
        mode: `"reduced"`: of `min(m, n)` columns and rows; `"complete"`: of `m`.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(
            "`mode` argument value not supported. Expected one of {'reduced', 'complete'}. "
            f"Received: mode={mode}"
        )
    return jnp.linalg.qr(_float(x), mode)


@op
def solve(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Returns the `x` for which `a @ x` is `b`, a vector if it has one axis less than `a`."""
    a, b = _square(a), _float(b)
    if b.ndim == a.ndim - 1:
        return jnp.linalg.solve(a, b[..., None])[..., 0]
    return jnp.linalg.solve(a, b)


@op
def solve_triangular(a: ArrayLike, b: ArrayLike, lower: bool = False) -> jax.Array:
    """Returns the `x` for which `a @ x` is `b`, if `a` is triangular."""
    a, b = _square(a), _float(b)
    vector = b.ndim == a.ndim - 1
    solution = jax.scipy.linalg.solve_triangular(a, b[..., None] if vector else b, lower=lower)
    return solution[..., 0] if vector else solution


@partial(op, class_name="SVD")
def svd(x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True) -> Structure:
    """Returns `u`, `s` and `v`, with `x = u @ diag(s) @ v`; only `s` without `compute_uv`."""
    return jnp.linalg.svd(_float(x), full_matrices, compute_uv)


@partial(op, class_name="JVP", arrays="", called_with="fun primals tangents")
def jvp(fun: Callable, primals: Structure, tangents: Structure, has_aux: bool = False) -> Structure:
    """Returns `fun(*primals)`, and how it changes in the direction of `tangents`.

    Example:
        >>> import jkeras as keras
        >>> value, change = keras.ops.jvp(lambda x: x**2, (3.0,), (1.0,))
        >>> value.item(), change.item()
        (9.0, 6.0)
    """
    return jax.jvp(fun, tuple(primals), tuple(tangents), has_aux=has_aux)


export(globals())
