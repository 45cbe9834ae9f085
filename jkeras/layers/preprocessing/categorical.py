"""Layers that encode categories given as integers, and the base of those that run on the host."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np

from jkeras.base.numbers import as_integer, as_number
from jkeras.base.types import ArrayLike, Data, DTypeLike, Structure
from jkeras.core import host
from jkeras.core.graph import SymbolicTensor
from jkeras.core.layer import Layer
from jkeras.layers.arguments import one_of, positive_integer


def encode(
    indices: ArrayLike, mode: str, depth: int, dtype: DTypeLike, weights: ArrayLike = None
) -> ArrayLike:
    """Encodes indices below `depth`; others, such as -1, are left out.

    Args:
        indices: An array of integers.
        mode: `"int"`: the indices as they are; `"one_hot"`: an array of zeros and a one for each,
            on the last axis if that has size 1, else on a new one; `"multi_hot"`: zeros and ones
            for each row; `"count"`: how often each is in a row.
        depth: The size of the encoding.
        dtype: The dtype of the encoding.
        weights: For `"count"`, how much each index counts.
    """
    if getattr(indices, "dtype", np.dtype(int)).kind in "OUS":
        raise TypeError(
            f"Integers are expected, got strings such as {np.ravel(indices)[:1].tolist()}. Number "
            "them with keras.layers.StringLookup."
        )
    xp = host.array_module()
    indices = xp.asarray(indices, "int32")
    if mode == "int":
        return indices
    one_hot = _one_hot if xp is np else jax.nn.one_hot
    if mode == "one_hot":
        if indices.ndim and indices.shape[-1] == 1:
            indices = indices[..., 0]
        return one_hot(indices, depth, dtype=dtype)
    ones = one_hot(xp.atleast_1d(indices), depth, dtype=dtype)
    axis = 1 if indices.ndim > 1 else 0  # as in Keras; of more than two axes, the second one
    if mode == "multi_hot":
        return xp.max(ones, axis=axis)
    if weights is not None:
        ones = ones * xp.asarray(weights, dtype)[..., None]
    return xp.sum(ones, axis=axis)


def _one_hot(indices: np.ndarray, depth: int, dtype: DTypeLike) -> np.ndarray:
    return (indices[..., None] == np.arange(depth)).astype(dtype)


def check_output_mode(layer: Layer, mode: Any, allowed: Iterable[str], sparse: bool) -> str:
    """Returns a known output mode; refuses sparse outputs."""
    if sparse:
        raise ValueError(
            f"`sparse=True` is not supported: the layer {layer.name!r} returns dense arrays."
        )
    return one_of(layer, "output_mode", mode, allowed)


class CategoryEncoding(Layer):
    """Encodes integers as ones among zeros, or as counts.

    Called as `layer(inputs, count_weights=None)`. Integers beyond `num_tokens` are left out.

    Args:
        num_tokens: The number of categories.
        output_mode: `"multi_hot"`: zeros and ones for each row; `"one_hot"`: zeros and a one for
            each integer, on the last axis if that has size 1, else on a new one; `"count"`: how
            often each category is in a row, weighted by `count_weights`.
        sparse: Sparse outputs are not supported.

    Raises:
        ValueError: If `num_tokens` is not positive, or the mode is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.CategoryEncoding(num_tokens=4)
        >>> layer(np.array([[0, 1], [0, 0], [3, 1]])).tolist()
        [[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """

    _prepares_data = _on_numpy = True

    def __init__(
        self,
        num_tokens: int | None = None,
        output_mode: str = "multi_hot",
        sparse: bool = False,
        **kwargs: Any,
    ):
        super().__init__(autocast=False, **kwargs)  # categories given as floats stay exact
        modes = ("count", "one_hot", "multi_hot")
        self.output_mode = check_output_mode(self, output_mode, modes, sparse)
        self.sparse = False
        if num_tokens is None:
            raise ValueError(
                "num_tokens must be set to use this layer. If the number of tokens is not known "
                "beforehand, use the IntegerLookup layer instead."
            )
        if (as_integer(num_tokens) or 0) < 1:
            raise ValueError(f"`num_tokens` must be >= 1. Received: num_tokens={num_tokens!r}.")
        self.num_tokens = num_tokens

    def call(self, inputs: ArrayLike, count_weights: ArrayLike = None) -> ArrayLike:
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                "`count_weights` is not used when `output_mode` is not `'count'`. "
                f"Received `count_weights={count_weights}` (layer {self.name!r})"
            )
        return encode(inputs, self.output_mode, self.num_tokens, self.compute_dtype, count_weights)


class Discretization(Layer):
    """Turns numbers into the indices of the intervals in which they lie.

    Args:
        bin_boundaries: The intervals' boundaries, ascending: `[0, 1]` stands for three intervals,
            below 0, from 0 to below 1, and from 1.
        num_bins: Instead, the number of intervals: `adapt` finds boundaries such that each holds
            equally many numbers.
        epsilon: Accepted for Keras's sake: boundaries are exact quantiles.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`; see `CategoryEncoding`.
        sparse: Sparse outputs are not supported.
        dtype: The dtype or policy.
        name: The name.

    Raises:
        ValueError: If not exactly one of boundaries and their number is given, or the mode is
            unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[-1.5, 1.0, 3.4, 0.5], [0.0, 3.0, 1.3, 0.0]])
        >>> keras.layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])(x).tolist()
        [[0, 2, 3, 1], [1, 3, 2, 1]]
    """

    _prepares_data = _on_numpy = True

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        dtype: DTypeLike = None,
        name: str | None = None,
    ):
        super().__init__(dtype=dtype, name=name, autocast=False)
        modes = ("int", "one_hot", "multi_hot", "count")
        self.output_mode = check_output_mode(self, output_mode, modes, sparse)
        self.sparse, self.epsilon = False, epsilon
        if bin_boundaries is None and num_bins is None:
            raise ValueError("You need to set either `num_bins` or `bin_boundaries`.")
        if bin_boundaries is not None and num_bins is not None:
            raise ValueError(
                "Both `num_bins` and `bin_boundaries` should not be set. Received: "
                f"`num_bins={num_bins}` and `bin_boundaries={bin_boundaries}`"
            )
        self.num_bins = None if num_bins is None else positive_integer(self, "num_bins", num_bins)
        given = [] if bin_boundaries is None else list(bin_boundaries)
        numbers: list[Any] = [as_number(b) for b in given]
        if None in numbers or numbers != sorted(numbers):
            raise ValueError(
                "Invalid value for argument `bin_boundaries`. Expected ascending numbers. "
                f"Received: bin_boundaries={bin_boundaries!r} (layer {self.name!r})"
            )
        self.bin_boundaries = None if bin_boundaries is None else [float(b) for b in given]

    def adapt(self, data: Data, steps: int | None = None) -> None:
        """Finds the boundaries between intervals that hold equally many numbers of `data`.

        Args:
            data: An array, or an iterable of batches.
            steps: How many batches are taken; all by default.

        Raises:
            ValueError: If the boundaries were given.
        """
        if self.num_bins is None:
            raise ValueError(
                f"The layer {self.name!r} was given `bin_boundaries`: it cannot `adapt`."
            )
        values = np.concatenate([np.ravel(b) for b in batches(data, steps)]).astype("float64")
        shares = np.linspace(0, 1, self.num_bins + 1)[1:-1]
        self.bin_boundaries = np.quantile(
            values, shares, method="interpolated_inverted_cdf"
        ).tolist()

    def call(self, inputs: ArrayLike) -> ArrayLike:
        if self.bin_boundaries is None:
            raise ValueError(
                "You need to either pass the `bin_boundaries` argument at construction time or "
                "call `adapt(dataset)` before you can start using the `Discretization` layer "
                f"{self.name!r}."
            )
        xp = host.array_module()
        boundaries = xp.asarray(self.bin_boundaries, "float32")
        indices = xp.searchsorted(boundaries, xp.asarray(inputs, "float32"), side="right")
        return encode(indices, self.output_mode, len(boundaries) + 1, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self.bin_boundaries is not None:  # what was found is as good as given
            config["num_bins"] = None
        return config


def batches(data: Data, steps: int | None = None) -> Iterable[np.ndarray]:
    """Yields arrays: an array or a list of values as it is, an iterable batch by batch.

    Of a batch that is a tuple, such as (x, y), it gives the first part.
    """
    if isinstance(data, (list, tuple)) and any(map(_is_batch, data)):
        data = iter(data)
    if hasattr(data, "shape") or isinstance(data, (list, tuple, str)):
        return [np.asarray(data)]
    if not isinstance(data, Iterable):
        raise TypeError(
            "adapt() takes an array, a list of values, or an iterable of batches. Received: "
            f"data={data!r}"
        )
    parts = itertools.islice(data, steps)
    return (np.asarray(b[0] if isinstance(b, tuple) and _is_batch(b) else b) for b in parts)


def _is_batch(x: Any) -> bool:
    """Says whether a member of a list is a batch: an array of several axes, or (x, y)."""
    if isinstance(x, tuple):
        return len(x) > 1 and all(hasattr(part, "shape") for part in x)
    return getattr(x, "ndim", 0) > 1


# ------------------------------------------------------------------ on the host
class HostLayer(Layer):
    """A layer of strings (or of integers of any size), which JAX does not know.

    A subclass writes `indices(inputs)`, which gives an array of integers, and `depth`, the size of
    their encoding.

    Args:
        output_mode: How indices are encoded; see `encode`.
        sparse: Sparse outputs are not supported.
        **kwargs: The arguments of every layer.
    """

    output_modes: tuple[str, ...] = ("int", "one_hot", "multi_hot", "count")
    on_host = _prepares_data = _on_numpy = True

    def __init__(self, output_mode: str = "int", sparse: bool = False, **kwargs: Any):
        super().__init__(autocast=False, **kwargs)
        self.output_mode = check_output_mode(self, output_mode, self.output_modes, sparse)
        self.sparse = False

    def _cast(self, tree: Structure) -> Any:
        return tree  # JAX knows no strings, and cuts integers to 32 bits

    @property
    def depth(self) -> int:
        """The size of an index's encoding."""
        raise NotImplementedError

    def indices(self, inputs: ArrayLike) -> ArrayLike:
        """Returns an array of integers."""
        raise NotImplementedError

    def check_call(self, inputs: ArrayLike) -> None:
        """Refuses a call that is part of a compiled program."""
        if self.on_host and any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(inputs)):
            raise ValueError(
                f"The layer {self.name!r} runs on the host: it cannot be part of a compiled model, "
                "except among the first layers of a functional or Sequential one.\nLet the model "
                "begin with it, or call it on the data before."
            )

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self.check_call(inputs)
        return encode(self.indices(inputs), self.output_mode, self.depth, self.compute_dtype)

    def compute_output_spec(self, inputs: ArrayLike) -> Structure:
        # By rule: strings have no abstract values to evaluate with.
        shape = tuple(jax.tree.leaves(inputs)[0].shape)
        if self.output_mode == "int":
            return SymbolicTensor(shape, "int32")
        if self.output_mode == "one_hot":
            shape = shape[:-1] if shape and shape[-1] == 1 else shape
            return SymbolicTensor((*shape, self.depth), self.compute_dtype)
        rest = (*shape[:1], *shape[2:]) if len(shape) > 1 else ()
        return SymbolicTensor((*rest, self.depth), self.compute_dtype)


def map_values(function: Callable[..., int], *arrays: ArrayLike) -> np.ndarray:
    """Applies a function of Python values to arrays, element by element."""
    given = [np.asarray(x) for x in arrays]
    flat = (as_strings(x).ravel().tolist() for x in given)
    values = [function(*one) for one in zip(*flat, strict=True)]
    return np.array(values, "int64").reshape(given[0].shape)


def as_strings(x: np.ndarray) -> np.ndarray:
    """Returns bytes as strings; other arrays as they are."""
    if x.dtype.kind == "S":
        return np.char.decode(x, "utf-8")
    if x.dtype.kind == "O":
        text = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in x.ravel().tolist()]
        return np.array(text, dtype=str).reshape(x.shape)
    return x
