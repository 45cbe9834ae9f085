"""HDF5's checksum of arrays in chunks, in NumPy: the HDF5 library sums byte by byte."""

import functools
from typing import Any

import numpy as np

_ROW = 2**10  # numbers in a row, whose sums lie in the fastest cache
_ROWS = 2**7  # rows summed up at once, so that what is made of them stays in the next


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
    numbers = content[:whole].view("<u4")
    in_rows = len(numbers) // _ROW * _ROW
    rows = numbers[:in_rows].reshape(-1, _ROW)
    blocks = [rows[at : at + _ROWS] for at in range(0, len(rows), _ROWS)]
    if in_rows < len(numbers):
        blocks.append(numbers[None, in_rows:])
    first = second = 0
    latter_words = np.empty((min(len(rows), _ROWS) or 1, _ROW), np.uint32)
    for block in blocks:
        plain, weighted = _sums(block, latter_words[: len(block), : block.shape[1]])
        second += first * 2 * block.size + weighted
        first += plain
    if whole < len(content):
        rest = content[whole:].tobytes()
        for at in range(0, len(rest), 2):
            first += int.from_bytes(rest[at : at + 2], "little")
            second += first
    # Sums are kept by carrying over: only that of nothing is 0.
    low, high = ((256 * n - 1) % 65535 + 1 if n else 0 for n in (first, second))
    return high << 16 | low


def _sums(pairs: np.ndarray, latter_words: np.ndarray) -> tuple[int, int]:
    """Returns the plain and the weighted sum of 16-bit words, of which each number is a pair.

    With the sums s[k] of pairs, the weighted one is that of (n - 2k) s[k] less that of the second
    words. That of k s[k] follows from the sums of rows and of columns, since the place of a number
    is that of its row and that in the row.

    Args:
        pairs: The words, as rows.
        latter_words: Where the second words are put, in the same shape.
    """
    np.right_shift(pairs, np.uint32(16), out=latter_words)
    by_place = 0
    for axis, step in ((0, 1), (1, pairs.shape[1])):
        latter = np.add.reduce(latter_words, axis=axis, dtype=np.uint32)
        # What is beyond 32 bits is dropped, and had been added by the second words only.
        sums = np.add.reduce(pairs, axis=axis, dtype=np.uint32) - (latter << np.uint32(16)) + latter
        by_place += step * int(sums.astype(np.float64) @ _places()[: len(sums)])
    plain = int(np.add.reduce(sums, dtype=np.uint64))
    return plain, 2 * (pairs.size * plain - by_place) - int(np.add.reduce(latter, dtype=np.uint64))


@functools.cache
def _places() -> np.ndarray:
    return np.arange(max(_ROW, _ROWS), dtype=np.float64)
