"""Layers that hash categories."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import policy
from jkeras.layers.preprocessing.categorical import HostLayer, map_values
from jkeras.layers.preprocessing.hashes import concatenate, farmhash64, siphash64


def bucket(value: Any, buckets: int, salt: tuple[int, int] | None = None) -> int:
    """Returns the bucket of a string, or of a number's digits.

    Args:
        value: A string, bytes, or an integer.
        buckets: The number of buckets.
        salt: A key: then the hash is SipHash, else FarmHash.
    """
    s = value if isinstance(value, bytes) else str(value).encode()
    return (farmhash64(s) if salt is None else siphash64(s, salt)) % buckets


def two_words(salt: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Returns a key of SipHash for what layers accept as `salt`.

    Raises:
        ValueError: If it is neither None, an integer nor a pair of them.
    """
    if salt is None:
        return None
    words = (salt, salt) if isinstance(salt, (int, np.integer)) else tuple(salt)
    if len(words) != 2 or not all(isinstance(word, (int, np.integer)) for word in words):
        raise ValueError(
            "The `salt` argument can only be a tuple of size 2 integers, or a single integer. "
            f"Received: {salt=}."
        )
    return int(words[0]), int(words[1])


def _bins(layer: Any, num_bins: Any) -> int:
    number = as_integer(num_bins)
    if number is None or number <= 0:
        raise ValueError(
            f"The `num_bins` for `{type(layer).__name__}` cannot be `None` or non-positive values: "
            f"it must be a positive integer. Received: num_bins={num_bins!r} (layer {layer.name!r})"
        )
    return number


# ------------------------------------------------------------------ layers
class Hashing(HostLayer):
    """Turns strings or integers into integers below a limit, by a stable hash (FarmHash64).

    It runs on the host: among the first layers of a model, or called on data.

    Args:
        num_bins: The limit.
        mask_value: The value that becomes 0, alone; the others become 1 and more.
        salt: An integer, or a pair of them: a key with which the hash (SipHash then) differs.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`; see `CategoryEncoding`.
        sparse: Sparse outputs are not supported.

    Raises:
        ValueError: If `num_bins` is not positive, or another argument is unknown.

    Example:
        >>> import jkeras as keras
        >>> layer = keras.layers.Hashing(num_bins=3)
        >>> layer([["A"], ["B"], ["C"], ["D"], ["E"]]).ravel().tolist()
        [1, 0, 1, 1, 2]
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: int | Sequence[int] | None = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ):
        super().__init__(output_mode, sparse, **kwargs)
        self.num_bins = _bins(self, num_bins)
        given = kwargs.get("dtype")  # a config holds the policy
        if output_mode == "int" and isinstance(given, str) and policy.is_float(given):
            raise ValueError(
                'When `output_mode="int"`, `dtype` should be an integer type, such as "int32". '
                f"Received: dtype={given!r} (layer {self.name!r})"
            )
        self.mask_value, self.salt = mask_value, salt
        self._key = two_words(salt)

    @property
    def depth(self) -> int:
        return self.num_bins

    def indices(self, inputs: ArrayLike) -> ArrayLike:
        masked = self.mask_value is not None
        mask_value = str(self.mask_value) if isinstance(self.mask_value, str) else self.mask_value

        def index(value: Any) -> int:
            if masked and value == mask_value:
                return 0
            return masked + bucket(value, self.num_bins - masked, self._key)

        return map_values(index, inputs)


class HashedCrossing(HostLayer):
    """Turns combinations of several features into integers below a limit, by a stable hash.

    It runs on the host: among the first layers of a model, or called on data.

    Args:
        num_bins: The limit.
        output_mode: `"int"` or `"one_hot"`.
        sparse: Sparse outputs are not supported.
        name: The name.
        dtype: The dtype or policy.

    Raises:
        ValueError: If the inputs are not a list of features, each of shape (batch,), (batch, 1) or
            ().

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.HashedCrossing(num_bins=5)
        >>> letters = np.array(["A", "B", "A", "B", "A"])
        >>> layer((letters, np.array([101, 101, 101, 102, 102]))).tolist()
        [1, 4, 1, 1, 3]
    """

    output_modes = ("int", "one_hot")

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Any,
    ):
        super().__init__(output_mode, sparse, name=name, dtype=dtype, **kwargs)
        self.num_bins = _bins(self, num_bins)

    @property
    def depth(self) -> int:
        return self.num_bins

    def indices(self, inputs: ArrayLike) -> ArrayLike:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(
                "`HashedCrossing` should be called on a list or tuple of at least two inputs. "
                f"Received: inputs={inputs} (layer {self.name!r})"
            )
        features = [np.asarray(x) for x in inputs]
        if any(x.shape != features[0].shape or x.ndim > 2 or x.shape[1:] > (1,) for x in features):
            raise ValueError(
                "All `HashedCrossing` inputs should have shape (), (batch_size,) or (batch_size, "
                f"1), the same for all. Received: {[x.shape for x in features]} "
                f"(layer {self.name!r})"
            )

        if any(x.dtype.kind == "f" for x in features):
            raise ValueError(
                "All `HashedCrossing` inputs should have an integer or string dtype. Received: "
                f"{[str(x.dtype) for x in features]} (layer {self.name!r})"
            )

        def cross(*values: Any) -> int:
            crossed = 0xDECAFCAFFE
            for value in values:
                is_integer = isinstance(value, (int, np.integer))
                word = int(value) % 2**64 if is_integer else farmhash64(str(value).encode())
                crossed = concatenate(crossed, word)
            return crossed % self.num_bins

        return map_values(cross, *features)
