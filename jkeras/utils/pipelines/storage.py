"""Elements that are kept: in memory, or in files."""

import base64
import collections
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from jkeras.utils.elements import HostArray, as_array, leaves
from jkeras.utils.pipelines.stage import Pass, Stage, Step, first

_FIRST: Pass = (0,)  # an order that differs from pass to pass is kept, too
_VERSION = 1


class Cache(Step):
    """The elements, which are kept in memory once they were made."""

    def __init__(self, source: Stage):
        super().__init__(source)
        self.numbered = source.numbered and source.size >= 0
        self._kept: dict[int, Any] = {}
        self._whole: list[Any] | None = None

    def forget(self) -> None:
        """Drops the elements."""
        self._kept, self._whole = {}, None

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        kept = self._kept
        if len(kept) == self.size:
            return (kept[i] for i in indices)
        return _recalled(kept, lambda missing: self.source.at(_FIRST, missing), indices)

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        if self._whole is not None:
            yield from itertools.islice(self._whole, skip, None)
            return
        found = []
        for element in self.source.open(_FIRST):
            found.append(element)
            if len(found) > skip:
                yield element
        self._whole = found


class FileCache(Step):
    """The elements, which are kept in files once a pass has come to its end.

    Args:
        source: The stage before.
        name: What the names of the files begin with.
    """

    def __init__(self, source: Stage, name: str):
        super().__init__(source)
        self._name = name

    def run(self, number: Pass, skip: int) -> Iterator[Any]:
        """Yields the elements of a pass, but for the first `skip`."""
        if is_stored(self._name):
            return Stored(self._name).open(number, skip)
        return first(writing(self._name, self.source.open(_FIRST)), None, skip)


class Stored(Stage):
    """Elements in files that `writing` made.

    Args:
        name: What the names of the files begin with.

    Raises:
        ValueError: If no such files are there, or they are of another kind.
    """

    numbered = True

    def __init__(self, name: str):
        try:
            index = json.loads(Path(f"{name}.index.json").read_text(encoding="utf-8"))
            version, self._structure = index["version"], index["structure"]
            self._starts = [int(start) for start in index["starts"]]
        except FileNotFoundError:
            raise ValueError(f"There is no data set in {name!r}: no {name}.index.json.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{name}.index.json is not the index of a data set.") from error
        if version != _VERSION:
            raise ValueError(f"{name} was written by another version: {version}, not {_VERSION}.")
        self._name, self.size = name, len(self._starts)

    def at(self, number: Pass, indices: Iterable[int]) -> Iterator[Any]:
        """Yields elements by their numbers."""
        with open(f"{self._name}.data", "rb") as file:
            for i in indices:
                file.seek(self._starts[i])
                yield _read(file, self._structure)


def is_stored(name: str) -> bool:
    """Says whether all elements are in files of this name."""
    return os.path.exists(f"{name}.index.json")


def writing(name: str, items: Iterator[Any]) -> Iterator[Any]:
    """Yields elements, and writes them; files of the name are there once all were written."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    folder, start = os.path.split(name)
    handle, path = tempfile.mkstemp(prefix=f"{start}.", suffix=".part", dir=folder or ".")
    structure, starts = None, []
    remove, whole = os.remove, False  # a pass may end with the process, when modules are gone
    try:
        with open(handle, "wb") as file:
            for element in first(items, None):
                own = _structure(element)
                if structure is None:
                    structure = own
                elif own != structure:
                    raise ValueError(
                        f"Elements of one data set have one structure; number {len(starts)} is "
                        f"{own}, those before it are {structure}."
                    )
                starts.append(file.tell())
                for array in leaves(element):
                    _write(file, array)
                yield element
        index = {"version": _VERSION, "structure": structure, "starts": starts}
        os.replace(path, f"{name}.data")
        whole = True
        Path(f"{path}.json").write_text(json.dumps(index), encoding="utf-8")
        os.replace(f"{path}.json", f"{name}.index.json")
    finally:
        if not whole:
            remove(path)


def _structure(element: Any) -> Any:
    """Returns an element's structure as JSON has it: a list, a dict, or the kind of a leaf."""
    if isinstance(element, tuple):
        return [_structure(part) for part in element]
    if isinstance(element, Mapping):
        if not all(isinstance(key, str) for key in element):
            raise ValueError(f"The names in elements that are written are text, not {[*element]}.")
        return {key: _structure(part) for key, part in element.items()}
    if element is None:
        return None
    if not isinstance(element, HostArray):
        raise ValueError(f"Elements of arrays can be written, not of {type(element).__name__}.")
    return "text" if element.dtype == object else "array"


def _write(file: IO[bytes], array: Any) -> None:
    array = np.asarray(array)
    if array.dtype == object:
        values = [
            v if isinstance(v, str) else {"bytes": base64.b64encode(v).decode()}
            for v in array.ravel().tolist()
        ]
        text = json.dumps({"shape": array.shape, "values": values}).encode()
        array = np.frombuffer(text, "uint8")
    if array.dtype.kind == "V":
        raise ValueError(f"Arrays of {array.dtype} cannot be written: cast them (`map`).")
    np.lib.format.write_array(file, array, allow_pickle=False)


def _read(file: IO[bytes], structure: Any) -> Any:
    if isinstance(structure, list):
        return tuple([_read(file, part) for part in structure])
    if isinstance(structure, dict):
        return {key: _read(file, part) for key, part in structure.items()}
    if structure is None:
        return None
    array = np.lib.format.read_array(file, allow_pickle=False)
    if structure == "array":
        return as_array(array)
    found = json.loads(array.tobytes())
    values = np.empty(len(found["values"]), object)
    values[:] = [v if isinstance(v, str) else base64.b64decode(v["bytes"]) for v in found["values"]]
    return as_array(values.reshape(found["shape"]))


def _recalled(
    kept: dict[int, Any], make: Callable[[Iterator[int]], Iterator[Any]], indices: Iterable[int]
) -> Iterator[Any]:
    """Yields elements by number, making those that are not kept yet."""
    plan: collections.deque[tuple[int, bool]] = collections.deque()

    def missing() -> Iterator[int]:
        asked = set()
        for index in indices:
            new = index not in kept and index not in asked
            plan.append((index, new))
            if new:
                asked.add(index)
                yield index

    for element in make(missing()):
        while not plan[0][1]:
            yield kept[plan.popleft()[0]]
        index, _ = plan.popleft()
        kept[index] = element
        yield element
    for index, _ in plan:
        yield kept[index]
