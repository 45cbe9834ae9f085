"""Reuters: newswires of 46 topics."""

import json

import numpy as np

from jkeras.datasets._files import Source, read
from jkeras.datasets._pickled import load_npz
from jkeras.datasets._words import keep_short, replace_words, shift

_FILE = Source(
    "reuters.npz",
    "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916",
    pickled=True,
)
_WORDS = Source("reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")
# fmt: off
_TOPICS = (
    "cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing", "money-supply",
    "coffee", "sugar", "trade", "reserves", "ship", "cotton", "carcass", "crude", "nat-gas", "cpi",
    "money-fx", "interest", "gnp", "meal-feed", "alum", "oilseed", "gold", "tin",
    "strategic-metal", "livestock", "retail", "ipi", "iron-steel", "rubber", "heat", "jobs", "lei",
    "bop", "zinc", "orange", "pet-chem", "dlr", "gas", "silver", "wpi", "hog", "lead",
)
# fmt: on


def load_data(
    path: str = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Returns 11,228 newswires as lists of word numbers, and which topics they are about.

    A word's number is its rank by frequency, plus `index_from`; 0 is for padding.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.
        num_words: Words of this number and above are replaced by `oov_char`.
        skip_top: So are words below this number.
        maxlen: Only newswires shorter than this are kept.
        test_split: The part of the newswires that is kept for testing.
        seed: The seed of the shuffle that comes before.
        start_char: The number at the start of each newswire; None for none.
        oov_char: The number that stands for a replaced word; None to leave the word out.
        index_from: What is added to each rank.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: object arrays of lists, and int64 labels: indices
        into `get_label_names()`.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
        ValueError: If the file is not the published one, or no newswire is shorter than `maxlen`.
    """
    arrays = load_npz(read(_FILE, path))
    order = np.arange(len(arrays["x"]))
    np.random.RandomState(seed).shuffle(order)
    texts = shift(arrays["x"][order], start_char, index_from)
    texts, y = keep_short(texts, arrays["y"][order], maxlen)
    x = replace_words(texts, num_words, skip_top, oov_char)
    size = int(len(x) * (1 - test_split))
    return (x[:size], y[:size]), (x[size:], y[size:])


def get_word_index(path: str = "reuters_word_index.json") -> dict[str, int]:
    """Returns each word's rank by frequency, from 1.

    Args:
        path: The name in the cache; or, if it has a slash, a file of your own.

    Raises:
        FileNotFoundError: If the file is not on this machine, and cannot be downloaded.
    """
    return json.load(read(_WORDS, path))


def get_label_names() -> tuple[str, ...]:
    """Returns the names of the 46 topics.

    Example:
        >>> import jkeras as keras
        >>> keras.datasets.reuters.get_label_names()[3]
        'earn'
    """
    return _TOPICS
