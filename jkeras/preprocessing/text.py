"""Keras 2's tools for text; `keras.layers.TextVectorization` does the same, and more."""

import hashlib
import json
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from jkeras.base.deprecation import warn_deprecated

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def text_to_word_sequence(
    input_text: str, filters: str = _FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """Returns the words of a text.

    Args:
        input_text: The text.
        filters: Characters that separate words, as `split` does.
        lower: Whether to make the text lower case.
        split: What separates words.

    Example:
        >>> import jkeras as keras
        >>> keras.preprocessing.text.text_to_word_sequence("No, thanks!")
        ['no', 'thanks']
    """
    text = input_text.lower() if lower else input_text
    text = text.translate({ord(character): split for character in filters})
    return [word for word in text.split(split) if word]


def one_hot(
    input_text: str,
    n: int,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable | None = None,
) -> list[int]:
    """Returns a number from 1 to n - 1 for each word, by Python's own hash: see `hashing_trick`."""
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable | str | None = None,
    filters: str = _FILTERS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable | None = None,
) -> list[int]:
    """Returns a number from 1 to n - 1 for each word; several words may have the same.

    Args:
        text: The text.
        n: How many numbers there are, 0 among them.
        hash_function: `"md5"`, which gives the same numbers in each process, or a function;
            Python's `hash`, whose numbers change from process to process, by default.
        filters: Characters that separate words.
        lower: Whether to make the text lower case.
        split: What separates words.
        analyzer: Makes the words of the text instead.

    Example:
        >>> import jkeras as keras
        >>> keras.preprocessing.text.hashing_trick("a b a", 10, "md5")
        [8, 5, 8]
    """
    if hash_function is None:
        hash_function = hash
    elif hash_function == "md5":
        hash_function = _md5
    words = analyzer(text) if analyzer else text_to_word_sequence(text, filters, lower, split)
    return [hash_function(word) % (n - 1) + 1 for word in words]  # type: ignore[operator]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Counts the words of texts and numbers them: 1 is the most frequent, 0 stands for no word.

    Args:
        num_words: How many numbers to use at most, 0 among them: rarer words are left out.
        filters: Characters that separate words.
        lower: Whether to make texts lower case.
        split: What separates words.
        char_level: Whether each character is a word.
        oov_token: If given, it has the number 1 and stands for words that are not known.
        analyzer: Makes the words of a text instead.

    Example:
        >>> import warnings, jkeras as keras
        >>> with warnings.catch_warnings(action="ignore"):
        ...     tokenizer = keras.preprocessing.text.Tokenizer(oov_token="?")
        >>> tokenizer.fit_on_texts(["the cat", "the dog sat"])
        >>> tokenizer.word_index
        {'?': 1, 'the': 2, 'cat': 3, 'dog': 4, 'sat': 5}
        >>> tokenizer.texts_to_sequences(["the bird sat"])
        [[2, 1, 5]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable | None = None,
        **kwargs: Any,
    ):
        warn_deprecated("Tokenizer is Keras 2's: use keras.layers.TextVectorization.")
        if "nb_words" in kwargs:
            num_words = kwargs.pop("nb_words")
        self.document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments: {kwargs}")
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: defaultdict[str, int] = defaultdict(int)
        self.index_docs: defaultdict[int, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.num_words, self.filters, self.split, self.lower = num_words, filters, split, lower
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer

    def _words(self, text: Any) -> Sequence[str]:
        if self.char_level or isinstance(text, list):
            if not self.lower:
                return text
            return [word.lower() for word in text] if isinstance(text, list) else text.lower()
        if self.analyzer is not None:
            return self.analyzer(text)
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Counts the words of texts, or of lists of words, and numbers them."""
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in dict.fromkeys(words):
                self.word_docs[word] += 1
        ordered = sorted(self.word_counts, key=self.word_counts.__getitem__, reverse=True)
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {word: i for i, word in enumerate([*first, *ordered], 1)}
        self.index_word = {i: word for word, i in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Sequence[int]]) -> None:
        """Counts in how many sequences each number is, for `sequences_to_matrix`."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for i in set(sequence):
                self.index_docs[i] += 1

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """Returns the numbers of the words of each text; unknown words are left out."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """Yields what `texts_to_sequences` returns."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token is not None else None
        for text in texts:
            found = (self._number(word, unknown) for word in self._words(text))
            yield [number for number in found if number is not None]

    def _number(self, word: str, unknown: int | None) -> int | None:
        number = self.word_index.get(word)
        if number is None or (self.num_words and number >= self.num_words):
            return unknown
        return number

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Returns a text for each sequence of numbers, the words joined by spaces."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """Yields what `sequences_to_texts` returns."""
        for sequence in sequences:
            words = []
            for number in sequence:
                word = self.index_word.get(int(number))
                if word is None or (self.num_words and number >= self.num_words):
                    word = self.oov_token if self.oov_token in self.word_index else None
                if word is not None:
                    words.append(word)
            yield " ".join(words)

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """Returns a row of word counts for each text: see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(
        self, sequences: Sequence[Sequence[int]], mode: str = "binary"
    ) -> np.ndarray:
        """Returns a row for each sequence, `[len(sequences), num_words]`.

        Args:
            sequences: Sequences of numbers.
            mode: `"binary"`, `"count"`, `"freq"` or `"tfidf"`.

        Raises:
            ValueError: If nothing says how many words there are, or `mode` is another.
        """
        if not self.num_words and not self.word_index:
            raise ValueError(
                "Specify a dimension (`num_words` argument), or fit on some text data first."
            )
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise ValueError(f"Unknown vectorization mode: {mode}")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("Fit the Tokenizer on some data before using tfidf mode.")
        size = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), size))
        for row, sequence in zip(matrix, sequences, strict=True):
            numbers = np.asarray(sequence, dtype=int)
            found, counts = np.unique(numbers[numbers < size], return_counts=True)
            if mode == "binary":
                row[found] = 1
            elif mode == "count":
                row[found] = counts
            elif mode == "freq":
                row[found] = counts / max(len(numbers), 1)
            else:
                documents = np.array([self.index_docs.get(int(i), 0) for i in found])
                idf = np.log(1 + self.document_count / (1 + documents))
                row[found] = (1 + np.log(counts)) * idf
        return matrix

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments and the counts, the counts as JSON."""
        tables = {
            name: json.dumps(getattr(self, name))
            for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        }
        names = ("num_words", "filters", "lower", "split", "char_level", "oov_token")
        return {
            **{name: getattr(self, name) for name in names},
            "document_count": self.document_count,
            **tables,
        }

    def to_json(self, **kwargs: Any) -> str:
        """Returns the config as JSON, which `tokenizer_from_json` reads; for `json.dumps`."""
        return json.dumps({"class_name": "Tokenizer", "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """Returns the tokenizer that `Tokenizer.to_json` wrote."""
    config = json.loads(json_string)["config"]
    tables = {
        name: json.loads(config.pop(name))
        for name in ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
    }
    tokenizer = Tokenizer(**config)
    tokenizer.word_counts = OrderedDict(tables["word_counts"])
    tokenizer.word_docs.update(tables["word_docs"])
    tokenizer.index_docs.update({int(i): n for i, n in tables["index_docs"].items()})
    tokenizer.word_index = tables["word_index"]
    tokenizer.index_word = {int(i): word for i, word in tables["index_word"].items()}
    return tokenizer
