"""Texts as lists of word numbers: what `imdb` and `reuters` have in common."""

from collections.abc import Iterable

import numpy as np

Texts = list[list[int]]


def shift(texts: Iterable[list[int]], start_char: int | None, index_from: int) -> Texts:
    """Adds `index_from` to each number, and puts `start_char` first."""
    start = [] if start_char is None else [start_char]
    return [[*start, *(word + (index_from or 0) for word in text)] for text in texts]


def keep_short(texts: Texts, labels: np.ndarray, maxlen: int | None) -> tuple[Texts, np.ndarray]:
    """Returns the texts of fewer than `maxlen` words, and their labels.

    Raises:
        ValueError: If there are none.
    """
    if not maxlen:
        return texts, labels
    kept = [i for i, text in enumerate(texts) if len(text) < maxlen]
    if not kept:
        raise ValueError(
            f"After filtering for sequences shorter than maxlen={maxlen}, "
            "no sequence was kept. Increase maxlen."
        )
    return [texts[i] for i in kept], labels[kept]


def replace_words(
    texts: Texts, num_words: int | None, skip_top: int, oov_char: int | None
) -> np.ndarray:
    """Replaces words outside of `skip_top <= number < num_words`; returns an array of lists.

    Without `num_words`, the bound is the largest number: as in Keras, that word is replaced too.
    """
    known = range(skip_top, num_words or max(map(max, filter(None, texts)), default=0))
    array = np.empty(len(texts), object)
    for i, text in enumerate(texts):
        if oov_char is None:
            array[i] = [word for word in text if word in known]
        else:
            array[i] = [word if word in known else oov_char for word in text]
    return array
