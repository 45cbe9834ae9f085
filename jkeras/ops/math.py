"""Segments, order, Fourier transforms and special functions by Keras's names."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.numbers import count
from jkeras.base.types import ArrayLike, Axis, Structure
from jkeras.core.operations import as_array, define, export

op = partial(define, module="ops.math")


# ------------------------------------------------------------------ special functions
@op
def erf(x: ArrayLike) -> jax.Array:
    """Returns the error function of each value."""
    return jax.scipy.special.erf(x)


@op
def erfc(x: ArrayLike) -> jax.Array:
    """Returns 1 less the error function of each value, exact where that is tiny."""
    return jax.scipy.special.erfc(x)


@op
def erfinv(x: ArrayLike) -> jax.Array:
    """Returns the inverse of the error function."""
    return jax.scipy.special.erfinv(x)


@op
def rsqrt(x: ArrayLike) -> jax.Array:
    """Returns `1 / sqrt(x)`."""
    x = jnp.asarray(x)
    return jax.lax.rsqrt(x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype("float32"))


@op
def logsumexp(x: ArrayLike, axis: Axis = None, keepdims: bool = False) -> jax.Array:
    """Returns `log(sum(exp(x)))` along `axis`, without overflow.

    Example:
        >>> import jkeras as keras
        >>> round(keras.ops.logsumexp([1000.0, 1000.0]).item(), 3)
        1000.693
    """
    return jax.scipy.special.logsumexp(x, axis, keepdims=keepdims)


@op
def logdet(x: ArrayLike) -> jax.Array:
    """Returns the logarithm of the determinant of positive definite matrices."""
    return jnp.linalg.slogdet(x).logabsdet


@partial(op, class_name="CDist")
def cdist(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Returns the Euclidean distances between the rows of two matrices.

    Args:
        x: Vectors, of shape `(..., m, d)`.
        y: Vectors, of shape `(..., n, d)`.

    Returns:
        Distances, of shape `(..., m, n)`.
    """
    x, y = jnp.asarray(x), jnp.asarray(y)
    if min(x.ndim, y.ndim) < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            "Last dimension of inputs to `cdist` must match, and each has at least two. "
            f"Received: x.shape={x.shape}, y.shape={y.shape}"
        )
    return jnp.linalg.norm(x[..., :, None, :] - y[..., None, :, :], axis=-1)


@op
def view_as_complex(x: ArrayLike) -> jax.Array:
    """Returns complex numbers of pairs (real, imaginary) in the last axis.

    Raises:
        ValueError: If the last axis has not size 2.
    """
    if jnp.ndim(x) < 1 or jnp.shape(x)[-1] != 2:
        raise ValueError(
            "Last dimension of input must be size 2 (real and imaginary parts). "
            f"Received: x.shape={jnp.shape(x)}"
        )
    return jax.lax.complex(x[..., 0], x[..., 1])


@op
def view_as_real(x: ArrayLike) -> jax.Array:
    """Returns complex numbers as pairs (real, imaginary) in a new last axis."""
    return jnp.stack([jnp.real(x), jnp.imag(x)], axis=-1)


# ------------------------------------------------------------------ order
@op
def top_k(x: ArrayLike, k: int, sorted: bool = True) -> Structure:
    """Returns the `k` largest values along the last axis, and their places.

    Args:
        x: The array.
        k: How many.
        sorted: Accepted for Keras's sake: they come in descending order in any case.

    Example:
        >>> import jkeras as keras
        >>> values, places = keras.ops.top_k([3.0, 9.0, 5.0], 2)
        >>> values.tolist(), places.tolist()
        ([9.0, 5.0], [1, 2])
    """
    return jax.lax.top_k(jnp.asarray(x), k)


@op
def in_top_k(targets: ArrayLike, predictions: ArrayLike, k: int) -> jax.Array:
    """Says for each row of `predictions` whether its value at `targets` is among the `k` largest.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.in_top_k([0, 1], [[0.9, 0.1], [0.8, 0.2]], k=1).tolist()
        [True, False]
    """
    predictions = jnp.asarray(predictions)
    chosen = jnp.take_along_axis(predictions, jnp.asarray(targets)[..., None], axis=-1)
    smallest = jax.lax.top_k(predictions, k)[0][..., -1]
    return chosen[..., 0] >= smallest


# ------------------------------------------------------------------ segments
def _segment_reduction(
    reduce: Callable, data: ArrayLike, segment_ids: Any, *options: Any
) -> jax.Array:
    if jnp.ndim(segment_ids) != 1:
        raise ValueError(
            f"Argument `segment_ids` should be an 1-D vector, got shape: {jnp.shape(segment_ids)}."
        )
    data, segment_ids = jnp.asarray(data), jnp.asarray(segment_ids)
    if data.shape[:1] != segment_ids.shape:
        raise ValueError(
            "Argument `segment_ids` and `data` should have same leading dimension. "
            f"Received: segment_ids.shape={segment_ids.shape}, data.shape={data.shape}"
        )
    if options[0] is None and isinstance(segment_ids, jax.core.Tracer):
        raise ValueError(
            "Argument `num_segments` must be set when using the JAX backend in a model or under "
            "`jax.jit`: the shape of the result cannot follow from the data. Received: "
            "num_segments=None"
        )
    return reduce(data, segment_ids, *options)


@op
def segment_sum(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> jax.Array:
    """Sums the parts of `data` that have the same number.

    Args:
        data: The parts, along the first axis.
        segment_ids: The number of each part; those outside of 0 to `num_segments - 1` do not
            count.
        num_segments: How many numbers there are; needed under `jax.jit`.
        sorted: Whether `segment_ids` ascend, which is faster.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.segment_sum([1.0, 2.0, 4.0], [0, 1, 0], num_segments=2).tolist()
        [5.0, 2.0]
    """
    return _segment_reduction(jax.ops.segment_sum, data, segment_ids, num_segments, sorted)


@op
def segment_prod(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> jax.Array:
    """Multiplies the parts of `data` that have the same number; see `segment_sum`."""
    return _segment_reduction(jax.ops.segment_prod, data, segment_ids, num_segments, sorted)


@op
def segment_max(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> jax.Array:
    """Returns the largest of the parts of `data` that have the same number; see `segment_sum`."""
    return _segment_reduction(jax.ops.segment_max, data, segment_ids, num_segments, sorted)


@op
def segment_min(
    data: ArrayLike, segment_ids: ArrayLike, num_segments: int | None = None, sorted: bool = False
) -> jax.Array:
    """Returns the smallest of the parts of `data` that have the same number; see `segment_sum`."""
    return _segment_reduction(jax.ops.segment_min, data, segment_ids, num_segments, sorted)


# ------------------------------------------------------------------ Fourier transforms
# Keras's complex arrays are pairs (real, imaginary).
def _at_least(x: jax.Array, rank: int) -> jax.Array:
    if x.ndim < rank:
        raise ValueError(f"Input should have rank >= {rank}. Received: input.shape={x.shape}")
    return x


def _complex(x: Structure, rank: int = 1) -> jax.Array:
    if not isinstance(x, (tuple, list)) or len(x) != 2:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. "
            f"Received: x={type(x).__name__}"
        )
    real, imag = (jnp.asarray(as_array(part)) for part in x)
    if real.shape != imag.shape:
        raise ValueError(
            "Input `x` should be a tuple of two tensors - real and imaginary. Both the real and "
            f"imaginary parts should have the same shape. Received: {real.shape}, {imag.shape}"
        )
    _at_least(real, rank)
    if not jnp.issubdtype(real.dtype, jnp.floating) or not jnp.issubdtype(imag.dtype, jnp.floating):
        raise ValueError(
            f"At least one tensor in input `x` is not of type float: {real.dtype}, {imag.dtype}."
        )
    return jax.lax.complex(real, imag)


def _pair(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.real(x), jnp.imag(x)


_transform = partial(op, arrays="", called_with="x")


@partial(_transform, class_name="FFT")
def fft(x: Structure) -> tuple[jax.Array, jax.Array]:
    """Returns the Fourier transform along the last axis of a pair (real, imaginary), as a pair."""
    return _pair(jnp.fft.fft(_complex(x)))


@partial(_transform, class_name="FFT2")
def fft2(x: Structure) -> tuple[jax.Array, jax.Array]:
    """Returns the Fourier transform along the last two axes of a pair (real, imaginary)."""
    return _pair(jnp.fft.fft2(_complex(x, 2)))


@partial(_transform, class_name="IFFT2")
def ifft2(x: Structure) -> tuple[jax.Array, jax.Array]:
    """Returns what `fft2` transforms into the pair `x`."""
    return _pair(jnp.fft.ifft2(_complex(x, 2)))


@partial(op, class_name="RFFT")
def rfft(x: ArrayLike, fft_length: int | None = None) -> tuple[jax.Array, jax.Array]:
    """Returns the Fourier transform of reals along the last axis: a pair (real, imaginary).

    Args:
        x: Real numbers.
        fft_length: To how many of them the axis is cut or filled up with zeros.

    Example:
        >>> import jkeras as keras
        >>> [part.tolist() for part in keras.ops.rfft([1.0, 1.0, 1.0, 1.0])]
        [[4.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return _pair(jnp.fft.rfft(_at_least(x, 1), fft_length))


@partial(_transform, class_name="IRFFT")
def irfft(x: Structure, fft_length: int | None = None) -> jax.Array:
    """Returns the real numbers that `rfft` transforms into the pair `x`.

    Args:
        x: A pair (real, imaginary).
        fft_length: How many numbers; twice the size less 2 by default.
    """
    return jnp.fft.irfft(_complex(x), fft_length)


@op
def extract_sequences(x: ArrayLike, sequence_length: int, sequence_stride: int) -> jax.Array:
    """Cuts overlapping sequences out of the last axis.

    Args:
        x: An array of shape `(..., size)`.
        sequence_length: The length of a sequence.
        sequence_stride: The distance between the starts of two.

    Returns:
        An array of shape `(..., 1 + (size - sequence_length) // sequence_stride, sequence_length)`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.extract_sequences([1, 2, 3, 4], 2, 1).tolist()
        [[1, 2], [2, 3], [3, 4]]
    """
    x = _at_least(jnp.asarray(x), 1)
    count("sequence_length", sequence_length)
    count("sequence_stride", sequence_stride)
    starts = jnp.arange(0, x.shape[-1] - sequence_length + 1, sequence_stride)
    return x[..., starts[:, None] + jnp.arange(sequence_length)]


def _window(window: Any, sequence_length: int, fft_length: int, dtype: Any) -> jax.Array:
    """Returns the window's values, with zeros on both sides up to `fft_length`."""
    if window is None:
        values = jnp.ones(sequence_length, dtype)
    elif isinstance(window, str):
        if window not in ("hann", "hamming"):
            raise ValueError(
                'If a string is passed to `window`, it must be one of `"hann"`, `"hamming"`. '
                f"Received: window={window}"
            )
        # The periodic window, as signal processing wants it, not the symmetric one.
        shape = {"hann": jnp.hanning, "hamming": jnp.hamming}[window]
        values = shape(sequence_length + 1)[:-1].astype(dtype)
    else:
        values = jnp.asarray(as_array(window), dtype)
        if values.shape != (sequence_length,):
            raise ValueError(
                "The shape of `window` must be equal to [sequence_length]. "
                f"Received: window shape={values.shape}"
            )
    before = (fft_length - sequence_length) // 2
    return jnp.pad(values, (before, fft_length - sequence_length - before))


def _check_lengths(sequence_length: int, sequence_stride: int, fft_length: int) -> None:
    count("sequence_length", sequence_length)
    count("sequence_stride", sequence_stride)
    count("fft_length", fft_length)
    if fft_length < sequence_length:
        raise ValueError(
            "`fft_length` must equal or larger than `sequence_length`. Received: "
            f"sequence_length={sequence_length}, fft_length={fft_length}"
        )


@partial(op, class_name="STFT")
def stft(
    x: ArrayLike,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    window: ArrayLike = "hann",
    center: bool = True,
) -> tuple[jax.Array, jax.Array]:
    """Returns the Fourier transforms of overlapping, windowed pieces of the last axis.

    Args:
        x: Floats of shape `(..., size)`.
        sequence_length: The length of the window.
        sequence_stride: The distance between two pieces.
        fft_length: The length of a piece; the window is filled up with zeros to it.
        window: `"hann"`, `"hamming"`, None, or the window's values.
        center: Whether a piece is centered at its place; `x` is reflected at its ends.

    Returns:
        A pair (real, imaginary) of shape `(..., pieces, fft_length // 2 + 1)`.
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(
            f"Invalid input type. Expected `float32` or `float64`. Received: input type={x.dtype}"
        )
    if center:
        pads = [(0, 0)] * (x.ndim - 1) + [(fft_length // 2, fft_length // 2)]
        x = jnp.pad(x, pads, mode="reflect")
    pieces = extract_sequences(x, fft_length, sequence_stride)
    values = _window(window, sequence_length, fft_length, x.dtype)
    return rfft(pieces * values)


@partial(_transform, class_name="ISTFT")
def istft(
    x: Structure,
    sequence_length: int,
    sequence_stride: int,
    fft_length: int,
    length: int | None = None,
    window: ArrayLike = "hann",
    center: bool = True,
) -> jax.Array:
    """Returns the array that `stft` transforms into the pair `x`, by weighted overlapping.

    Args:
        x: A pair (real, imaginary) of shape `(..., pieces, fft_length // 2 + 1)`.
        sequence_length: As for `stft`.
        sequence_stride: As for `stft`.
        fft_length: As for `stft`.
        length: The length of the result, if shorter than the pieces laid out.
        window: As for `stft`.
        center: As for `stft`.
    """
    _check_lengths(sequence_length, sequence_stride, fft_length)
    pieces = jnp.fft.irfft(_complex(x, 2), fft_length)
    values = _window(window, sequence_length, fft_length, pieces.dtype)
    number = pieces.shape[-2]
    size = (number - 1) * sequence_stride + fft_length
    places = jnp.arange(number)[:, None] * sequence_stride + jnp.arange(fft_length)
    total = jnp.zeros((*pieces.shape[:-2], size), pieces.dtype)
    total = total.at[..., places].add(pieces * values)
    weight = jnp.zeros(size, pieces.dtype).at[places].add(jnp.square(values))
    result = jnp.where(weight > 1e-11, total / jnp.where(weight > 1e-11, weight, 1), total)
    start = fft_length // 2 if center else 0
    end = size - start if length is None else min(start + length, size)
    return result[..., start:end]


export(globals())
