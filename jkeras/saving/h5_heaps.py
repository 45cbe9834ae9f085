"""Strings of any length in HDF5 files lie in heaps, which are looked at before the library does.

The library follows a heap's objects one by one, for ever if one says that it has no bytes; and it
copies an object anew for each of the names that point to it.
"""

import mmap
import os
from typing import Any

_FILE, _SIGNATURE = b"\x89HDF\r\n\x1a\n", b"GCOL\x01\0\0\0"
_HEADER, _OBJECT = 16, 16
_MAX_SEARCHED = 2**31


class Heaps:
    """The heaps of a file.

    Args:
        source: The file's path, or the open file.
        name: What to call it in messages.

    Raises:
        ValueError: If a heap is damaged.
    """

    def __init__(self, source: Any, name: str):
        self._name, self._content = name, _content(source)
        self._base = 0  # a user block of 512, 1024, ... bytes may come first
        while self._content[self._base : self._base + 8] != _FILE and self._base < len(
            self._content
        ):
            self._base = max(512, 2 * self._base)
        self._sizes: dict[int, dict[int, int]] = {}
        at = self._content.find(_SIGNATURE)
        while at >= 0:
            self._sizes[at] = self._objects(at)
            at = self._content.find(_SIGNATURE, at + len(_SIGNATURE))

    def _objects(self, start: int) -> dict[int, int]:
        """Returns the sizes of a heap's objects by their numbers."""
        end = min(start + self._number(start + 8, 8), len(self._content))
        at, sizes = start + _HEADER, {}
        while at + _OBJECT <= end:
            number, size = self._number(at, 2), self._number(at + 8, 8)
            if (not number and size < _OBJECT) or size > end - at:
                raise ValueError(
                    f"Not allowed: the heap at byte {start} of {self._name!r} is damaged: its "
                    f"object {number} would have {size} bytes."
                )
            at += _OBJECT + -(-size // 8) * 8 if number else size
            if number:
                sizes[number] = size
        return sizes

    def _number(self, at: int, size: int) -> int:
        return int.from_bytes(self._content[at : at + size], "little")

    def cost(self, count: int) -> int:
        """Returns the bytes that some strings take at most.

        Args:
            count: How many strings are read together.
        """
        largest = max((max(s.values(), default=0) for s in self._sizes.values()), default=0)
        if count == 1 or count * largest < 2**20:
            return 2 * count * largest
        # What any reference in the file could stand for: a size, the heap's place, a number.
        if len(self._sizes) * len(self._content) > _MAX_SEARCHED:
            return 2 * count * largest
        total = 0
        for place, sizes in self._sizes.items():
            word = max(place - self._base, 0).to_bytes(8, "little")
            at = self._content.find(word)
            while at >= 0:
                total += sizes.get(self._number(at + 8, 4), 0)
                at = self._content.find(word, at + 8)
        return 2 * total


def _content(source: Any) -> Any:
    if hasattr(source, "read"):
        source.seek(0)
        return source.read()
    with open(source, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
