"""HDF5's checksum of arrays in chunks, in NumPy: the HDF5 library sums byte by byte."""

import functools
from typing import Any

import numpy as np

_BLOCK = 2**19  # bytes summed up at once, so that what is made of them stays in the cache
_LAST = 2**12  # numbers that are summed up as floats


def fletcher32(data: Any) -> int:
    """Returns the checksum of some bytes.

    They are 16-bit words w[0], ..., w[n-1], the first byte of each above the second. What is asked
    for is the sum of w[i] and that of (n - i) w[i], both modulo 65535. Since 65536 is 1 there, the
    bytes of a word may be exchanged by multiplying with 256 at the end, and two words that lie
    beside one another may be added.

    Args:
        data: Any contiguous buffer.
    """
    content = np.frombuffer(data, np.uint8)
    whole = len(content) // 4 * 4
    first = second = 0
    for start in range(0, whole, _BLOCK):
        words = content[start : min(start + _BLOCK, whole)].view("<u4")
        plain, weighted = _sums(words)
        second += first * 2 * len(words) + weighted
        first += plain
    if whole < len(content):
        rest = content[whole:].tobytes()
        for at in range(0, len(rest), 2):
            first += int.from_bytes(rest[at : at + 2], "little")
            second += first
    # Sums are kept by carrying over: only that of nothing is 0.
    low, high = ((256 * n - 1) % 65535 + 1 if n else 0 for n in (first, second))
    return high << 16 | low


def _sums(pairs: np.ndarray) -> tuple[int, int]:
    """Returns the plain and the weighted sum of 16-bit words, of which each number is a pair.

    With the sums s[k] of pairs, the weighted one is that of (n - 2k) s[k] less that of the second
    words. That of k s[k] is found by adding the latter half of all s to the former: each number
    of it has its place there, and half the length.
    """
    count = _LAST
    while count < len(pairs):
        count *= 2
    length, latter_words = len(pairs), np.zeros(count, np.uint32)
    sums = np.zeros(count, np.uint32)
    np.right_shift(pairs, np.uint32(16), out=latter_words[:length])
    np.bitwise_and(pairs, np.uint32(0xFFFF), out=sums[:length])
    sums += latter_words
    by_place = 0
    while count > _LAST:
        count //= 2
        latter = sums[count:]
        by_place += count * _total(latter)
        sums = sums[:count]
        sums += latter
    plain, last = (sums.astype(np.float64) @ _places()).tolist()
    return int(plain), 2 * (length * int(plain) - by_place - int(last)) - _total(latter_words)


def _total(numbers: np.ndarray) -> int:
    """Returns the sum of numbers, of which a fourth fits 32 bits: it is taken faster so."""
    return int(np.add.reduce(numbers.reshape(4, -1), axis=1, dtype=np.uint32).sum(dtype=np.uint64))


@functools.cache
def _places() -> np.ndarray:
    return np.stack([np.ones(_LAST), np.arange(_LAST)], 1)
