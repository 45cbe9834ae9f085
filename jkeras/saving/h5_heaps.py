"""Names and strings of HDF5 files lie in heaps, which are looked at before the library does.

The library follows the free space of a heap of names, and the objects of a heap of strings, one by
one: for ever if they go round, or have no bytes. And it copies a string anew for each of the names
that point to it.
"""

import functools
import math
import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

_FILE, _SIGNATURE = b"\x89HDF\r\n\x1a\n", b"GCOL\x01\0\0\0"
_VARIABLE_LENGTH = 9  # HDF5's number for such types
# HDF5's numbers for what stands in an object's header: an attribute, where the header goes on, that
# attributes stand elsewhere, and where a group's members stand.
_ATTRIBUTE, _CONTINUED, _ELSEWHERE, _MEMBERS = 0x0C, 0x10, 0x15, 0x11
_SHARED = 2  # a flag: what is meant stands elsewhere
_NOWHERE = 2**64 - 1
_MAX_MESSAGES, _MAX_FREE = 2**16, 2**16
_HEADER, _OBJECT, _FREE, _LAST = 16, 16, 16, 1
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
        self._base = _base_of(self._content)
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
        return _number(self._content, at, size)

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
        found: list[int] = []
        try:
            for kind, data, is_shared in _messages(self._content, self._base, start):
                if kind == _ELSEWHERE:
                    place = data + (4 if self._number(data + 1, 1) & 1 else 2)
                    if self._number(place, 8) != _NOWHERE:
                        return []
                elif kind == _ATTRIBUTE:
                    if is_shared:
                        return []
                    found.append(data)
        except ValueError:
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


def _messages(content: Any, base: int, start: int) -> Iterator[tuple[int, int, bool]]:
    """Yields what stands in an object's header: kinds, where they begin, whether elsewhere.

    Args:
        content: The file.
        base: What addresses count from.
        start: Where the header begins.

    Raises:
        ValueError: If there are too many.
    """

    number = functools.partial(_number, content)
    if content[start : start + 4] == b"OHDR":
        flags = number(start + 5, 1)
        first = start + 6 + (16 if flags & 32 else 0) + (4 if flags & 16 else 0)
        width, head, end = 1 << (flags & 3), 6 if flags & 4 else 4, 4
        blocks = [(first + width, number(first, width))]
        kind_bytes, continued = 1, 4  # the next part begins with a word of four letters
    else:
        blocks, head, end = [(start + 16, number(start + 8, 4))], 8, 0
        kind_bytes, continued = 2, 0
    count = 0
    for at, size in blocks:  # which grow meanwhile
        stop = min(at + size, len(content))
        while at + head <= stop:
            count += 1
            if count > _MAX_MESSAGES:
                raise ValueError(f"The header at byte {start} has too many entries.")
            kind, length = number(at, kind_bytes), number(at + kind_bytes, 2)
            is_shared = bool(number(at + kind_bytes + 2, 1) & _SHARED)
            data, at = at + head, at + head + length
            if kind == _CONTINUED:
                place = number(data, 8) + base + continued
                blocks.append((place, number(data + 8, 8) - continued - end))
            yield kind, data, is_shared


class Names:
    """The heaps in which groups have the names of their members.

    Args:
        source: The file's path, or the open file.
        name: What to call it in messages.
    """

    def __init__(self, source: Any, name: str):
        self._name = name
        self._content = _Slices(source) if hasattr(source, "read") else _content(source)
        self._base = _base_of(self._content)

    def root(self) -> int:
        """Returns the address of the group that holds all others."""
        version = self._number(self._base + 8, 1)
        return self._number(self._base + {0: 64, 1: 68}.get(version, 36), 8)

    def check(self, address: int) -> None:
        """Makes sure that the library comes to the end of a group's heap.

        Args:
            address: Where the group is.

        Raises:
            ValueError: If it would not.
        """
        for kind, data, _ in _messages(self._content, self._base, address + self._base):
            if kind == _MEMBERS:
                heap = self._number(data + 8, 8) + self._base
                size, free = self._number(heap + 8, 8), self._number(heap + 16, 8)
                start = self._number(heap + 24, 8) + self._base
                self._check_free_space(start, min(size, len(self._content)), free)

    def _check_free_space(self, start: int, size: int, free: int) -> None:
        seen: set[int] = set()
        while free + _FREE <= size:  # the last one holds a number that is not a place
            if free in seen or len(seen) > _MAX_FREE:
                raise ValueError(
                    f"Not allowed: the heap at byte {start} of {self._name!r} is damaged: its free "
                    "space goes round."
                )
            seen.add(free)
            following = self._number(start + free, 8)
            if following == _LAST:
                break
            free = following

    def _number(self, at: int, size: int) -> int:
        return _number(self._content, at, size)


class _Slices:
    """The content of an open file, of which only what is asked for is read."""

    def __init__(self, file: Any):
        self._file, self._size = file, file.seek(0, os.SEEK_END)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        self._file.seek(part.start)
        return self._file.read(part.stop - part.start)


def _number(content: Any, at: int, size: int) -> int:
    """Returns a number that stands in a file."""
    return int.from_bytes(content[at : at + size], "little")


def _base_of(content: Any) -> int:
    """Returns what addresses count from: a user block of 512, 1024, ... bytes may come first."""
    base = 0
    while content[base : base + 8] != _FILE and base < len(content):
        base = max(512, 2 * base)
    return base


def _content(source: Any) -> Any:
    if hasattr(source, "read"):
        source.seek(0)
        return source.read()
    with open(source, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
