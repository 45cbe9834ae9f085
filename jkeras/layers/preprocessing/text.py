"""Text to integers."""

import re
import string
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Data, Structure
from jkeras.core import host
from jkeras.core.graph import SymbolicTensor
from jkeras.layers.arguments import one_of
from jkeras.layers.preprocessing.categorical import as_strings, batches
from jkeras.layers.preprocessing.lookup import StringLookup

# TensorFlow lowers ASCII letters only, and knows this punctuation.
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_STANDARDIZE: dict[str, Callable[[str], str]] = {
    "lower_and_strip_punctuation": lambda s: s.translate(_LOWER).translate(_NO_PUNCTUATION),
    "lower": lambda s: s.translate(_LOWER),
    "strip_punctuation": lambda s: s.translate(_NO_PUNCTUATION),
}
_SPLIT: dict[str, Callable[[str], list[str]]] = {
    "whitespace": lambda s: re.findall(r"[^ \t\n\r\f\v]+", s),
    "character": list,
}


class TextVectorization(StringLookup):
    """Turns texts into sequences of integers: standardizes, splits, and looks the words up.

    It runs on the host: among the first layers of a model, or called on data. Index 0 is padding, 1
    stands for unknown words.

    Args:
        max_tokens: The largest size of the vocabulary, special tokens included.
        standardize: `"lower_and_strip_punctuation"`, `"lower"`, `"strip_punctuation"`, None, or a
            function of an array of strings.
        split: `"whitespace"`, `"character"`, None, or a function of an array of strings which
            gives a list of words for each.
        ngrams: An integer: up to so many words together count as one; or a tuple of such numbers.
        output_mode: `"int"`, `"multi_hot"`, `"count"` or `"tf_idf"`; see `StringLookup`.
        output_sequence_length: For `"int"`, the length to which sequences are cut or padded.
        pad_to_max_tokens: Whether encodings have the size `max_tokens` even if there are fewer.
        vocabulary: The words, or the path of a file with one in each line; else call `adapt`.
        idf_weights: For `"tf_idf"`, the weight of each word.
        sparse: Sparse outputs are not supported.
        ragged: Ragged outputs are not supported.
        encoding: The encoding of inputs given as bytes.
        name: The name.

    Raises:
        ValueError: If arguments do not fit together, or the layer has no vocabulary when called.

    Example:
        >>> import jkeras as keras
        >>> layer = keras.layers.TextVectorization(output_sequence_length=4)
        >>> layer.adapt(["foo bar", "bar baz", "baz bada boom"])
        >>> layer(["Foo qux, bar!", "qux baz"]).tolist()
        [[4, 1, 3, 0], [1, 2, 0, 0]]
    """

    output_modes = ("int", "multi_hot", "count", "tf_idf")

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: Any = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: ArrayLike = None,
        idf_weights: ArrayLike = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(
            max_tokens,
            mask_token="",
            vocabulary=vocabulary,
            idf_weights=idf_weights,
            output_mode=output_mode,
            pad_to_max_tokens=pad_to_max_tokens,
            sparse=sparse,
            encoding=encoding,
            name=name,
            **kwargs,
        )
        if ragged:
            raise ValueError(f"`ragged=True` is not supported (layer {self.name!r}).")
        if output_sequence_length is not None and output_mode != "int":
            raise ValueError(
                "`output_sequence_length` must not be set if `output_mode` is not 'int'. Received: "
                f"output_mode={output_mode} (layer {self.name!r})"
            )
        for argument, value, known in (
            ("standardize", standardize, _STANDARDIZE),
            ("split", split, _SPLIT),
        ):
            if value is not None and not callable(value):
                one_of(self, argument, value, (*known, None))
        self.standardize, self.split, self.ragged = standardize, split, False
        for n in (
            [ngrams] if isinstance(ngrams, str) or not isinstance(ngrams, Iterable) else ngrams
        ):
            if n is not None and (as_integer(n) or 0) < 1:
                raise ValueError(
                    "`ngrams` must be None, a positive integer or a tuple of positive integers. "
                    f"Received: ngrams={ngrams!r} (layer {self.name!r})"
                )
        if output_sequence_length is not None and (as_integer(output_sequence_length) or 0) < 1:
            raise ValueError(
                "`output_sequence_length` must be either None or a positive integer when "
                f"`output_mode` is 'int'. Received: {output_sequence_length!r} "
                f"(layer {self.name!r})"
            )
        self.ngrams = tuple(ngrams) if isinstance(ngrams, Iterable) else ngrams
        self.output_sequence_length = output_sequence_length

    def adapt(self, data: Data, steps: int | None = None) -> None:
        super().adapt((self._words(batch) for batch in batches(data, steps)), None)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self.check_call(inputs)
        words = self._words(np.asarray(inputs))
        length = self.output_sequence_length
        if length is not None:
            words = words[:, :length]
            missing = length - words.shape[1]
            words = np.pad(words, ((0, 0), (0, missing)), constant_values="")
        outputs = super().call(words)
        return outputs[0] if np.ndim(inputs) == 0 else host.array_module().asarray(outputs)

    def _words(self, texts: Any) -> np.ndarray:
        """Returns an array (texts, words), filled up with empty strings."""
        texts = np.asarray(texts)
        if texts.dtype.kind == "f":
            raise TypeError(
                f"The layer {self.name!r} takes texts, got an array of dtype {texts.dtype}."
            )
        texts = as_strings(texts).reshape(-1)
        if callable(self.standardize):
            texts = np.asarray(self.standardize(texts))
        elif self.standardize is not None:
            texts = [_STANDARDIZE[self.standardize](str(text)) for text in texts]
        if callable(self.split):
            rows = [list(map(str, row)) for row in self.split(texts)]
        elif self.split is None:
            rows = [[str(text)] for text in texts]
        else:
            rows = [_SPLIT[self.split](str(text)) for text in texts]
        if self.ngrams is not None:
            sizes = self.ngrams if isinstance(self.ngrams, tuple) else range(1, self.ngrams + 1)
            rows = [
                [" ".join(row[i : i + n]) for n in sizes for i in range(len(row) - n + 1)]
                for row in rows
            ]
        longest = max(map(len, rows), default=0)
        return np.array([row + [""] * (longest - len(row)) for row in rows], dtype=str)

    def compute_output_spec(self, inputs: ArrayLike) -> Structure:
        if self.output_mode == "int":
            return SymbolicTensor((*inputs.shape[:1], self.output_sequence_length), "int32")
        return SymbolicTensor((*inputs.shape[:1], self.depth), self.compute_dtype)
