"""The files of `BackupAndRestore`: a line of JSON, a tree as JSON, and the bytes of its arrays."""

import base64
import contextlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import Structure

try:
    import fcntl
except ImportError:  # Windows: that two programs write to one folder is not seen
    fcntl = None  # type: ignore[assignment]

_FORMAT, _VERSION = "jkeras backup", 2
_PLAIN, _STRINGS = {str, int, float, bool, type(None)}, {str}
LOCK = "lock"  # the name of the file that says that a folder is used
_PART = ".part"  # what the name of a file ends in that is not complete
_SPARE = ".spare"  # and of one that changes its name
_MARK = "#"  # the key that tells JSON's dicts from ours


def lock(folder: Path) -> IO[bytes] | None:
    """Makes a folder one `fit`'s own, until what is returned is closed or the process ends.

    Raises:
        ValueError: If it is another's.
    """
    if fcntl is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    file = open(folder / LOCK, "ab")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ValueError(
            f"Another `BackupAndRestore` uses the folder {str(folder)!r} at this moment: of this "
            "`fit`, of another one, or of a program that still runs. Give each `fit` a folder of "
            "its own."
        ) from None
    except OSError:  # a file system without locks
        pass
    return file


class Packed:
    """A tree, taken apart: later changes to its dicts and lists are not in it.

    Args:
        tree: Dicts, lists and tuples of numbers, strings, None, bytes and arrays.
        copies: Whether NumPy's arrays may change, so that they must be copied.

    Raises:
        TypeError: If something else is in it.
    """

    def __init__(self, tree: Structure, copies: bool = False):
        self._arrays: list[Any] = []
        self._entries: list[dict[str, Any]] = []  # of the arrays in the tree
        self._copies = copies
        self._tree = self._take(tree, "")

    def _take(self, value: Any, path: str) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is Packed:
            self._arrays += value._arrays
            self._entries += value._entries
            return value._tree
        if kind in (list, tuple):
            plain = _PLAIN.issuperset(map(type, value))
            items = (
                list(value)
                if plain
                else [self._take(v, f"{path}[{i}]") for i, v in enumerate(value)]
            )
            return items if kind is list else {_MARK: "tuple", "items": items}
        if isinstance(value, Mapping):
            if _STRINGS.issuperset(map(type, value)) and _MARK not in value:
                return {k: self._take(v, f"{path}[{k!r}]") for k, v in value.items()}
            pairs = [
                [self._take(k, path), self._take(v, f"{path}[{k!r}]")] for k, v in value.items()
            ]
            return {_MARK: "dict", "items": pairs}
        if isinstance(value, (bytes, bytearray)):
            return {_MARK: "bytes", "base64": base64.b64encode(value).decode()}
        if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
            self._arrays.append(np.array(value) if self._copies else np.asarray(value))
            what = "array" if isinstance(value, np.ndarray) else "scalar"
        elif isinstance(value, jax.Array):
            self._arrays.append(value)
            what = "array"
        elif hasattr(value, "detach") and hasattr(value, "numpy"):
            self._arrays.append(np.array(value.detach().cpu().numpy()))
            what = "torch"
        elif isinstance(value, (list, tuple, int, float, str)):  # of a class of its own: an enum...
            base: Any = next(k for k in (list, tuple, int, float, str) if isinstance(value, k))
            return self._take(base(value), path)
        else:
            raise TypeError(
                f"A state of this kind cannot be written: {path or 'it'} is a "
                f"{type(value).__name__}. States are dicts, lists and tuples of numbers, strings, "
                "None, bytes and arrays."
            )
        entry: dict[str, Any] = {_MARK: what}  # `write` adds the rest, while training goes on
        self._entries.append(entry)
        return entry

    def write(self, path: Path, versions: Mapping[str, str], keep: Path | None = None) -> None:
        """Writes a file, which takes the place of the one at `path` when it is complete.

        Args:
            path: Where.
            versions: What wrote it.
            keep: Where the file that was there before is kept.
        """
        for entry, array in zip(self._entries, self._arrays, strict=True):
            entry.update(dtype=str(array.dtype), shape=list(array.shape))
        tree = json.dumps(self._tree).encode()
        parts: list[Any] = [
            tree,
            *(
                np.ascontiguousarray(a).reshape(-1).view(np.uint8)
                for a in map(np.asarray, self._arrays)
            ),
        ]
        checksum = 0
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        header = {
            "format": _FORMAT,
            "version": _VERSION,
            **versions,
            "tree": len(tree),
            "crc32": checksum,
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of one name, as one process writes to a folder: what a killed one has left is overwritten.
        part = path.with_name(path.name + _PART)
        with open(part, "wb", opener=_without_emptying) as file:
            file.write(json.dumps(header).encode() + b"\n")
            for piece in parts:
                file.write(piece)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        _rotate(part, path, keep)


def _without_emptying(path: str, flags: int) -> int:
    """Opens a file whose pages are overwritten: new ones take the system more time."""
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


def _rotate(part: Path, path: Path, keep: Path | None) -> None:
    """Moves `part` to `path`, that to `keep`, and what is replaced to `part`, for the next time."""
    replaced, spare = keep or path, part.with_name(part.name + _SPARE)
    spare.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # there is nothing, or the file system has no links
        os.link(replaced, spare)  # so that the name `path` is there at any moment
    if keep is not None and path.exists():
        os.replace(path, keep)
    os.replace(part, path)
    with contextlib.suppress(FileNotFoundError):
        os.replace(spare, part)


def delete(path: Path) -> None:
    """Deletes a file, and what was or would be one."""
    for end in ("", _PART, _PART + _SPARE):
        path.with_name(path.name + end).unlink(missing_ok=True)


def read(path: Path) -> tuple[dict[str, Any], Any]:
    """Returns what wrote a file, and its tree.

    Raises:
        ValueError: If it is damaged, or of another format.
    """
    data = path.read_bytes()
    line, _, body = data.partition(b"\n")
    try:
        header = json.loads(line)
        if header["format"] != _FORMAT:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            f"{path.name} is not a backup of jkeras, or its start is damaged"
        ) from None
    if header["version"] != _VERSION:
        raise ValueError(
            f"{path.name} was written by jkeras {header.get('jkeras')}, in version "
            f"{header['version']} of the format; this jkeras reads version {_VERSION}"
        )
    if zlib.crc32(body) != header["crc32"]:
        raise ValueError(f"{path.name} is damaged: its checksum differs")
    tree = json.loads(body[: header["tree"]])
    return header, _Unpacking(memoryview(body)[header["tree"] :]).give(tree)


class _Unpacking:
    """Puts a tree together again, array by array."""

    def __init__(self, rest: memoryview):
        self._rest = rest

    def give(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.give(item) for item in value]
        if not isinstance(value, dict):
            return value
        what = value.get(_MARK)
        if what is None:
            return {key: self.give(item) for key, item in value.items()}
        if what == "tuple":
            return tuple(self.give(item) for item in value["items"])
        if what == "dict":
            return {self.give(k): self.give(v) for k, v in value["items"]}
        if what == "bytes":
            return base64.b64decode(value["base64"])
        dtype, shape = jnp.dtype(value["dtype"]), value["shape"]
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        part, self._rest = self._rest[:size], self._rest[size:]
        array = np.frombuffer(part, np.uint8).view(dtype).reshape(shape).copy()
        if what == "torch":
            import torch

            return torch.from_numpy(array)
        return array[()] if what == "scalar" else array
