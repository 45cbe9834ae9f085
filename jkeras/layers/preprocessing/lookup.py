"""Layers that look tokens up in a vocabulary."""

import codecs
import collections
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike, Data
from jkeras.core import host
from jkeras.layers.arguments import one_of
from jkeras.layers.preprocessing.categorical import (
    HostLayer,
    as_strings,
    batches,
    encode,
    map_values,
)
from jkeras.layers.preprocessing.hashing import bucket, two_words


class _Lookup(HostLayer):
    """Tokens to indices, or back.

    The vocabulary begins with the mask token, if there is one and indices are returned as they are;
    then come the places of unknown tokens; then the tokens.
    """

    output_modes: tuple[str, ...] = ("int", "one_hot", "multi_hot", "count", "tf_idf")
    token_type: type
    _sorted: Any
    _idf: Any

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: ArrayLike,
        idf_weights: ArrayLike,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        salt: int | Sequence[int] | None,
        **kwargs: Any,
    ):
        super().__init__(output_mode, sparse, **kwargs)
        if max_tokens is not None and max_tokens <= 1:
            raise ValueError(
                "If set, `max_tokens` must be greater than 1. "
                f"Received: max_tokens={max_tokens} (layer {self.name!r})"
            )
        if num_oov_indices > 2**20:  # a token each is listed
            raise ValueError(
                f"`num_oov_indices` must be at most {2**20}. "
                f"Received: num_oov_indices={num_oov_indices} (layer {self.name!r})"
            )
        if num_oov_indices < 0:
            raise ValueError(
                "`num_oov_indices` must be greater than or equal to 0. "
                f"Received: num_oov_indices={num_oov_indices} (layer {self.name!r})"
            )
        if invert and self.output_mode != "int":
            raise ValueError(
                "`output_mode` must be `'int'` when `invert` is true. "
                f"Received: output_mode={self.output_mode} (layer {self.name!r})"
            )
        if pad_to_max_tokens and max_tokens is None:
            raise ValueError(f"`pad_to_max_tokens` needs `max_tokens` (layer {self.name!r}).")
        self.max_tokens, self.num_oov_indices = max_tokens, num_oov_indices
        self.mask_token, self.oov_token, self.invert = mask_token, oov_token, invert
        self.pad_to_max_tokens, self.salt, self._key = pad_to_max_tokens, salt, two_words(salt)
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = _read_tokens(vocabulary)  # a config holds tokens, and no path
        self.vocabulary, self.idf_weights = vocabulary, idf_weights
        self._tokens: list[Any] | None = None
        self._idf = None
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:  # type: ignore[override]
        # A config may come from anywhere: a path in it is not opened.
        if isinstance(config.get("vocabulary"), str):
            config = {**config, "vocabulary": None}
        return super().from_config(config)

    # -------------------------------------------------------------- the vocabulary
    @property
    def _special_tokens(self) -> list[Any]:
        masks = (
            [self.mask_token] if self.mask_token is not None and self.output_mode == "int" else []
        )
        return masks + [self.oov_token] * self.num_oov_indices

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """Returns the tokens, in the order of their indices.

        Args:
            include_special_tokens: Whether the mask token and the places of unknown tokens come
                first.
        """
        tokens = list(self._tokens or [])
        return self._special_tokens + tokens if include_special_tokens else tokens

    def vocabulary_size(self) -> int:
        """Returns how many indices there are, special ones included."""
        return len(self.get_vocabulary())

    def set_vocabulary(self, vocabulary: Any, idf_weights: ArrayLike = None) -> None:
        """Sets the tokens.

        Args:
            vocabulary: The tokens, with or without the special ones in front; or the path of a
                file with one in each line.
            idf_weights: For `output_mode="tf_idf"`, the weight of each.

        Raises:
            ValueError: If a token is there twice, or there are too many, or weights are missing.
        """
        if isinstance(vocabulary, (str, os.PathLike)):
            vocabulary = _read_tokens(vocabulary)
        tokens = [self._as_token(token) for token in np.asarray(vocabulary).tolist()]
        special = self._special_tokens
        weights = None if idf_weights is None else np.asarray(idf_weights, "float32")
        has_special = bool(special) and tokens[: len(special)] == special
        if has_special:
            tokens = tokens[len(special) :]
        repeated = [t for t, n in collections.Counter(tokens).items() if n > 1]
        if repeated:
            raise ValueError(
                "The passed vocabulary has at least one repeated term. Please uniquify your "
                f"dataset. The repeated terms are: {repeated} (layer {self.name!r})"
            )
        misplaced = [t for t in tokens if t in special]
        if misplaced:
            raise ValueError(
                f"Found reserved tokens {misplaced} at unexpected places of the vocabulary passed "
                f"to the layer {self.name!r}: it should begin with {special}, or leave them out."
            )
        if self.max_tokens is not None and len(special) + len(tokens) > self.max_tokens:
            raise ValueError(
                "Attempted to set a vocabulary larger than the maximum vocab size. Received vocab "
                f"size is {len(special) + len(tokens)}; `max_tokens` is {self.max_tokens} "
                f"(layer {self.name!r})"
            )
        if self.output_mode == "tf_idf":
            if weights is None or len(weights) != len(tokens) + has_special * len(special):
                raise ValueError(
                    "`idf_weights` must be set if output_mode is 'tf_idf', one for each term of "
                    f"the vocabulary (layer {self.name!r})"
                )
            if not has_special:
                weights = np.concatenate([np.full(len(special), weights.mean()), weights])
        elif weights is not None:
            raise ValueError(
                "`idf_weights` should only be set if output_mode is `'tf_idf'`. Received: "
                f"output_mode={self.output_mode} and idf_weights={idf_weights}"
            )
        self._tokens, self._idf = tokens, weights
        order = np.argsort(np.asarray(tokens)) if tokens else np.zeros(0, int)
        self._order, self._sorted = order, np.asarray(tokens)[order] if tokens else None

    def _as_token(self, value: Any) -> Any:
        if isinstance(value, bytes):
            return value.decode("utf-8")
        try:
            return self.token_type(value)
        except ValueError:
            raise ValueError(
                f"The vocabulary of the layer {self.name!r} holds {value!r}, which is not an "
                "integer. For words use keras.layers.StringLookup."
            ) from None

    def adapt(self, data: Data, steps: int | None = None) -> None:
        """Makes the vocabulary of `data`: its tokens, the most frequent first.

        Args:
            data: An array, a list, or an iterable of batches; for `"tf_idf"`, each row is a
                document.
            steps: How many batches are taken; all by default.
        """
        counts: collections.Counter = collections.Counter()
        documents: collections.Counter = collections.Counter()
        rows = 0
        for batch in batches(data, steps):
            tokens = self._as_array(batch)
            counts.update(tokens.ravel().tolist())
            if self.output_mode == "tf_idf":
                for row in tokens.reshape(len(tokens), -1) if tokens.ndim > 1 else [tokens]:
                    documents.update(set(row.tolist()))
                    rows += 1
        for token in (self.mask_token, self.oov_token):
            counts.pop(token, None)
        limit = None if self.max_tokens is None else self.max_tokens - len(self._special_tokens)
        # Ties go to the greater token, as in Keras.
        ranked = sorted(counts, key=lambda token: (counts[token], token), reverse=True)[:limit]
        weights = None
        if self.output_mode == "tf_idf":
            weights = [np.log(1 + rows / (1 + documents[token])) for token in ranked]
        self.set_vocabulary(ranked, weights)

    def save_assets(self, dir_path: str) -> None:
        """Writes the vocabulary into a folder."""
        with open(os.path.join(dir_path, "vocabulary.txt"), "w", encoding="utf-8") as file:
            file.write("\n".join(str(token) for token in self.get_vocabulary()))
        if self._idf is not None:
            np.savetxt(os.path.join(dir_path, "idf_weights.txt"), self._idf)

    def load_assets(self, dir_path: str) -> None:
        """Reads the vocabulary that `save_assets` wrote; one given at construction stays."""
        if self.vocabulary is None:
            tf_idf = self.output_mode == "tf_idf"
            weights = np.loadtxt(os.path.join(dir_path, "idf_weights.txt")) if tf_idf else None
            self.set_vocabulary(os.path.join(dir_path, "vocabulary.txt"), weights)

    # -------------------------------------------------------------- looking up
    @property
    def depth(self) -> int:
        padded = self.max_tokens if self.pad_to_max_tokens else None
        return padded or self.vocabulary_size()

    def check_call(self, inputs: ArrayLike) -> None:
        if self._tokens is None:
            raise ValueError(
                f"The layer {self.name!r} has no vocabulary yet. Pass `vocabulary=`, or call "
                "`adapt(data)` or `set_vocabulary(tokens)`."
            )
        super().check_call(inputs)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self.check_call(inputs)
        if self.invert:
            return self._tokens_of(inputs)
        if self.output_mode != "tf_idf":
            return super().call(inputs)
        counts = encode(self.indices(inputs), "count", self.depth, self.compute_dtype)
        weights = np.pad(self._idf, (0, self.depth - len(self._idf)))
        return counts * host.array_module().asarray(weights, self.compute_dtype)

    def indices(self, inputs: ArrayLike) -> ArrayLike:
        x = self._as_array(inputs)
        xp: Any = jnp if isinstance(x, jax.Array) else np
        special = len(self._special_tokens)
        is_mask = self.mask_token is not None and x == self.mask_token
        mask_index = 0 if self.output_mode == "int" else -1
        if not self._tokens:
            return xp.where(
                is_mask, mask_index, self._unknown(x, ~is_mask & xp.ones(x.shape, bool))
            )
        position = xp.minimum(xp.searchsorted(self._sorted, x), len(self._sorted) - 1)
        found = xp.asarray(self._sorted)[position] == x
        known = xp.asarray(self._order)[position] + special
        unknown = self._unknown(x, ~found & ~xp.asarray(is_mask))
        return xp.where(is_mask, mask_index, xp.where(found, known, unknown))

    def _unknown(self, x: ArrayLike, where: Any) -> Any:
        """Returns the places of unknown tokens."""
        first = len(self._special_tokens) - self.num_oov_indices
        if self.num_oov_indices > 1:
            return first + self._spread(x)
        if self.num_oov_indices == 0:
            if not isinstance(x, jax.core.Tracer) and where.any():
                raise ValueError(
                    "When `num_oov_indices=0` all inputs should be in vocabulary, found OOV values "
                    f"{np.unique(np.asarray(x)[np.asarray(where)]).tolist()[:9]}, consider setting "
                    f"`num_oov_indices=1` (layer {self.name!r})."
                )
            return -1
        return first

    def _spread(self, x: ArrayLike) -> Any:
        """Returns a number below `num_oov_indices` for each token, the same for the same token."""
        return map_values(lambda token: bucket(token, self.num_oov_indices, self._key), x)

    def _tokens_of(self, inputs: ArrayLike) -> Any:
        """Returns the tokens of indices."""
        tokens = np.array([*self.get_vocabulary(), self.oov_token])
        xp: Any = jnp if isinstance(inputs, jax.core.Tracer) else np
        indices = xp.asarray(inputs)
        inside = (indices >= 0) & (indices < len(tokens) - 1)
        return xp.asarray(tokens)[xp.where(inside, indices, len(tokens) - 1)]

    def _as_array(self, inputs: ArrayLike) -> Any:
        raise NotImplementedError


def _read_tokens(path: str | os.PathLike) -> list[str]:
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file]


class StringLookup(_Lookup):
    """Turns strings into the indices of a vocabulary, or indices into strings.

    It runs on the host: among the first layers of a model, or called on data. Index 0 stands for
    unknown strings; with a mask token, 0 stands for that, and 1 for unknown ones.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included.
        num_oov_indices: How many indices unknown strings are spread over, by a hash.
        mask_token: The string that stands for padding.
        oov_token: The string that stands for unknown ones.
        vocabulary: The strings, or the path of a file with one in each line; else call `adapt`.
        idf_weights: For `"tf_idf"`, the weight of each string.
        invert: Whether to turn indices into strings.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`, see `CategoryEncoding`; or
            `"tf_idf"`: counts times weights that are the smaller the more rows a string is in.
        pad_to_max_tokens: Whether encodings have the size `max_tokens` even if there are fewer.
        sparse: Sparse outputs are not supported.
        encoding: The encoding of inputs given as bytes.
        name: The name.
        salt: An integer, or a pair of them: a key for the hash of unknown strings.

    Raises:
        ValueError: If arguments do not fit together, or the layer has no vocabulary when called.

    Example:
        >>> import jkeras as keras
        >>> layer = keras.layers.StringLookup()
        >>> layer.adapt([["a", "c", "d"], ["d", "z", "b"]])
        >>> layer.get_vocabulary()
        ['[UNK]', 'd', 'z', 'c', 'b', 'a']
        >>> layer([["d", "b", "?"]]).tolist()
        [[1, 4, 0]]
    """

    token_type = str

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: ArrayLike = None,
        idf_weights: ArrayLike = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: int | Sequence[int] | None = None,
        **kwargs: Any,
    ):
        tokens = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights)
        outputs = (invert, output_mode, pad_to_max_tokens, sparse)
        super().__init__(*tokens, *outputs, salt, name=name, **kwargs)
        try:
            codecs.lookup(encoding)
        except (LookupError, TypeError):
            raise ValueError(
                f"Unknown `encoding`. Received: encoding={encoding!r} (layer {self.name!r})"
            ) from None
        self.encoding = encoding

    def _as_array(self, inputs: ArrayLike) -> Any:
        return as_strings(np.asarray(inputs))


class IntegerLookup(_Lookup):
    """Turns integers into the indices of a vocabulary, or indices into integers.

    Index 0 stands for unknown integers; with a mask token, 0 stands for that, and 1 for unknown
    ones. Unlike `StringLookup`, it may be part of a compiled model.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included.
        num_oov_indices: How many indices unknown integers are spread over.
        mask_token: The integer that stands for padding.
        oov_token: The integer that stands for unknown ones.
        vocabulary: The integers, or the path of a file with one in each line; else call `adapt`.
        vocabulary_dtype: Accepted for Keras's sake.
        idf_weights: For `"tf_idf"`, the weight of each integer.
        invert: Whether to turn indices into integers of the vocabulary.
        output_mode: `"int"`, `"one_hot"`, `"multi_hot"` or `"count"`, see `CategoryEncoding`; or
            `"tf_idf"`: counts times weights that are the smaller the more rows an integer is in.
        sparse: Sparse outputs are not supported.
        pad_to_max_tokens: Whether encodings have the size `max_tokens` even if there are fewer.
        oov_method: How unknown integers are spread: `"floormod"`, by their remainder, or
            `"farmhash"`, by a hash (on the host only).
        salt: An integer, or a pair of them: a key for that hash.
        name: The name.

    Raises:
        ValueError: If arguments do not fit together, or the layer has no vocabulary when called.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.IntegerLookup(vocabulary=[12, 36, 1138, 42])
        >>> layer(np.array([[12, 1138, 42], [42, 1000, 36]])).tolist()
        [[1, 3, 4], [4, 0, 2]]
    """

    token_type = int

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: ArrayLike = None,
        vocabulary_dtype: str = "int64",
        idf_weights: ArrayLike = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: int | Sequence[int] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        tokens = (max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights)
        outputs = (invert, output_mode, pad_to_max_tokens, sparse)
        super().__init__(*tokens, *outputs, salt, name=name, **kwargs)
        if vocabulary_dtype != "int64":
            raise ValueError(
                'Only `vocabulary_dtype="int64"` is supported. Received: '
                f"vocabulary_dtype={vocabulary_dtype!r} (layer {self.name!r})"
            )
        self.vocabulary_dtype = vocabulary_dtype
        self.oov_method = one_of(self, "oov_method", oov_method, ("floormod", "farmhash"))
        self.on_host = num_oov_indices > 1 and oov_method == "farmhash"

    def _as_array(self, inputs: ArrayLike) -> Any:
        return inputs if isinstance(inputs, jax.Array) else np.asarray(inputs)

    def _spread(self, x: ArrayLike) -> Any:
        return super()._spread(x) if self.oov_method == "farmhash" else x % self.num_oov_indices
