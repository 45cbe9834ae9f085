"""Strings of any length in HDF5 files lie in heaps, which are looked at before the library does.

The library follows a heap's objects one by one, for ever if one says that it has no bytes; and it
copies an object anew for each of the names that point to it.
"""

import math
import mmap
import os
from typing import Any

import numpy as np

_FILE, _SIGNATURE = b"\x89HDF\r\n\x1a\n", b"GCOL\x01\0\0\0"
_VARIABLE_LENGTH = 9  # HDF5's number for such types
# HDF5's numbers for what stands in an object's header: an attribute, where the header goes on, and
# that attributes stand elsewhere.
_ATTRIBUTE, _CONTINUED, _ELSEWHERE = 0x0C, 0x10, 0x15
_SHARED = 2  # a flag: what is meant stands elsewhere
_NOWHERE = 2**64 - 1
_MAX_MESSAGES = 2**16
_HEADER, _OBJECT = 16, 16
_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("number", "<u4")])


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
        self._costs: dict[str, int] = {}
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

    def cost(self, attribute: str, owner: int) -> int:
        """Returns the bytes that the strings of an attribute take at most.

        The library allocates what each reference to a string says, before it looks for it.

        Args:
            attribute: Its name.
            owner: The address of the object that has it.

        Raises:
            ValueError: If the attribute is not found.
        """
        name = attribute.encode("utf-8", "surrogateescape") + b"\0"
        found: list[int] = []
        for start in self._attributes(owner + self._base):
            at = start + (9 if self._number(start, 1) == 3 else 8)
            if self._content[at : at + len(name)] == name:
                found += self._cost_at(at, start, name)
        if found:
            return max(found)
        # It stands where only the library finds it: then it is the dearest one of that name.
        if attribute not in self._costs:
            at = self._content.find(name)
            while at >= 0:
                for before in (8, 9):  # of version 3, the encoding stands before the name
                    found += self._cost_at(at, at - before, name)
                at = self._content.find(name, at + 1)
            if not found:
                raise ValueError(
                    f"The attribute {attribute!r} of {self._name!r} is not where it should be: the "
                    "file is damaged."
                )
            self._costs[attribute] = max(found)
        return self._costs[attribute]

    def _attributes(self, start: int) -> list[int]:
        """Returns where attributes stand in an object's header; empty if some stand elsewhere."""
        if self._content[start : start + 4] == b"OHDR":
            flags = self._number(start + 5, 1)
            first = start + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
            width, head, end = 1 << (flags & 3), 6 if flags & 4 else 4, 4
            blocks = [(first + width, self._number(first, width))]
            kind_bytes, continued = 1, 4  # the next part begins with a word of four letters
        else:
            blocks, head, end = [(start + 16, self._number(start + 8, 4))], 8, 0
            kind_bytes, continued = 2, 0
        found: list[int] = []
        count = 0
        for at, size in blocks:  # which grow meanwhile
            stop = min(at + size, len(self._content))
            while at + head <= stop:
                count += 1
                kind = self._number(at, kind_bytes)
                length = self._number(at + kind_bytes, 2)
                is_shared = self._number(at + kind_bytes + 2, 1) & _SHARED
                data, at = at + head, at + head + length
                if kind == _CONTINUED:
                    place = self._number(data, 8) + self._base + continued
                    blocks.append((place, self._number(data + 8, 8) - continued - end))
                elif kind == _ATTRIBUTE and not is_shared:
                    found.append(data)
                elif kind == _ELSEWHERE:
                    place = data + (4 if self._number(data + 1, 1) & 1 else 2)
                    if self._number(place, 8) != _NOWHERE:
                        return []
                elif kind == _ATTRIBUTE or count > _MAX_MESSAGES:
                    return []
        return found

    def _cost_at(self, name_at: int, at: int, name: bytes) -> list[int]:
        """Returns what an attribute takes, in a list; an empty one if it is not an attribute."""
        if at < 0:
            return []
        version, length = self._number(at, 1), self._number(at + 2, 2)
        if length != len(name) or (version == 3) != (name_at - at == 9) or version not in (1, 2, 3):
            return []
        sizes = [length, self._number(at + 4, 2), self._number(at + 6, 2)]
        if version == 1:
            sizes = [-(-size // 8) * 8 for size in sizes]
        if self._number(name_at + sizes[0], 1) & 15 != _VARIABLE_LENGTH:
            return []
        space = name_at + sum(sizes[:2])
        rank, is_old = self._number(space + 1, 1), self._number(space, 1) == 1
        dims = space + (8 if is_old else 4)
        count = math.prod(self._number(dims + 8 * i, 8) for i in range(rank))
        start = name_at + sum(sizes)
        if count > (len(self._content) - start) // _REFERENCE.itemsize:
            return []
        content = self._content[start : start + count * _REFERENCE.itemsize]
        references = np.frombuffer(content, _REFERENCE)
        total = int(references["length"].sum(dtype=np.uint64))
        kinds, counts = np.unique(references[["heap", "number"]], return_counts=True)
        for (heap, number), times in zip(kinds.tolist(), counts.tolist(), strict=True):
            total += times * self._sizes.get(heap + self._base, {}).get(number, 0)
        return [total]


def _content(source: Any) -> Any:
    if hasattr(source, "read"):
        source.seek(0)
        return source.read()
    with open(source, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
