"""IMDB: movie reviews, positive or negative."""

import json
from typing import Any

import numpy as np

from jkeras.base.naming import nearest
from jkeras.datasets._files import Source, read
from jkeras.datasets._pickled import load_npz
from jkeras.datasets._words import keep_short, replace_words, shift

_FILE = Source(
    "imdb.npz",
    "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
    pickled=True,
)
_WORDS = Source("imdb_word_index.json", "bfafd718b763782e994055a2d397834f")


def load_data(
    path: str = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
    **kwargs: Any,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 50,000 movie reviews as lists of word numbers, and whether they are positive.

    A word's number is its rank by frequency, plus `index_from`; 0 is for padding.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.
        num_words: Words of this number and above are replaced by `oov_char`.
        skip_top: So are words below this number.
        maxlen: Only reviews shorter than this are kept.
        seed: The seed of the shuffle.
        start_char: The number at the start of each review; None for none.
        oov_char: The number that stands for a replaced word; None to leave the word out.
        index_from: What is added to each rank.
        **kwargs: Refused.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: object arrays of lists, and int64 labels, 1 for
        positive.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If the file is not the published one, or no review is shorter than `maxlen`.

    References:
        Maas et al., 2011, Learning word vectors for sentiment analysis.
    """
    if kwargs:
        known = ("path", "num_words", "skip_top", "maxlen", "start_char", "oov_char", "index_from")
        hints = ", ".join(f"{name}={kwargs[name]!r}{nearest(name, known)}" for name in kwargs)
        raise TypeError(f"Unrecognized keyword arguments passed to imdb.load_data(): {hints}")
    arrays = load_npz(read(_FILE, path))
    generator = np.random.RandomState(seed)
    texts: list[list[int]] = []
    labels = []
    for part in ("train", "test"):
        order = np.arange(len(arrays[f"x_{part}"]))
        generator.shuffle(order)
        shifted = shift(arrays[f"x_{part}"][order], start_char, index_from)
        short, y = keep_short(shifted, arrays[f"y_{part}"][order], maxlen)
        texts.extend(short)
        labels.append(y)
    x = replace_words(texts, num_words, skip_top, oov_char)
    y_train, y_test = labels
    return (x[: len(y_train)], y_train), (x[len(y_train) :], y_test)


def get_word_index(path: str = "imdb_word_index.json") -> dict[str, int]:
    """Returns each word's rank by frequency, from 1.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
    """
    return json.load(read(_WORDS, path))
