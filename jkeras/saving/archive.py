"""The members of a `.keras` file, and JSON: read under limits that the file cannot set."""

import contextlib
import io
import json
import os
import struct
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from jkeras.saving.budget import Budget, size_of

# A config of 64 MiB describes a model of some 100,000 layers.
MAX_JSON_BYTES = 64 * 2**20
MAX_JSON_DEPTH = 256
# What JSON becomes in memory, and once more while it is made into today's words.
_BYTES_OF_CONTAINER, _BYTES_OF_ITEM = 200, 100
# A central directory of 4 MiB lists some 50,000 members.
_MAX_DIRECTORY = 4 * 2**20

_CHUNK = 2**20
_IN_MEMORY = 64 * 2**20


class Archive:
    """A `.keras` file, or a folder with the same members; members are read by exact name.

    Args:
        path: The file or folder, or a binary file that is open for reading.

    Raises:
        ValueError: If it is not a whole zip archive, or names a member twice.
    """

    def __init__(self, path: str | os.PathLike | IO[bytes]):
        is_open = hasattr(path, "read")
        self.path = Path(str(getattr(path, "name", path)) if is_open else path)  # type: ignore
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        if not is_open and self.path.is_dir():
            files = (f for f in self.path.rglob("*") if f.is_file())
            self.budget = Budget(sum(f.stat().st_size for f in files), str(path))
            return
        self.budget = Budget(size_of(path), str(path))
        try:
            _check_directory(path)
            self._zip = zipfile.ZipFile(path)  # type: ignore[arg-type]
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise ValueError(
                f"The file {str(path)!r} is damaged or was not written to its end: {error}."
            ) from error
        for info in self._zip.infolist():
            if info.filename in self._members:
                self._zip.close()
                raise ValueError(
                    f"The file {str(path)!r} holds {info.filename!r} twice: a reader could not "
                    "know which one is meant."
                )
            self._members[info.filename] = info

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._zip is not None:
            self._zip.close()

    def __contains__(self, name: str) -> bool:
        if self._zip is None:
            return (self.path / name).is_file()
        return name in self._members

    def names(self, prefix: str) -> list[str]:
        """Returns the names of the members below a folder of the archive, such as `"assets/"`."""
        if self._zip is None:
            files = (f for f in (self.path / prefix).rglob("*") if f.is_file())
            return sorted(f.relative_to(self.path).as_posix() for f in files)
        return sorted(n for n in self._members if n.startswith(prefix) and not n.endswith("/"))

    def read(self, name: str, limit: int = MAX_JSON_BYTES) -> bytes:
        """Returns a small member whole.

        Raises:
            ValueError: If it is missing, or larger than `limit` bytes.
        """
        with self.open(name, limit) as file:
            return file.read()

    def open(self, name: str, limit: int | None = None) -> IO[bytes]:
        """Returns a member as a file that can be searched.

        Args:
            name: The member's exact name.
            limit: The most bytes that it may have; by default what all members together may.

        Raises:
            ValueError: If it is missing, too large or damaged, or a link that leads elsewhere.
        """
        if name not in self:
            raise ValueError(f"The file {str(self.path)!r} has no member {name!r}.")
        if self._zip is None:
            member = self.path / name
            if not member.resolve().is_relative_to(self.path.resolve()):
                raise ValueError(f"Not allowed: {str(member)!r} is a link to elsewhere.")
            if limit is not None and member.stat().st_size > limit:
                raise self._too_large(name, limit)
            return open(member, "rb")
        info = self._members[name]
        limit = self.budget.left if limit is None else min(limit, self.budget.left)
        if info.file_size > limit:  # what the file says of itself
            raise self._too_large(name, limit)
        if info.compress_type == zipfile.ZIP_STORED:
            return self._stored(info)
        if info.compress_type != zipfile.ZIP_DEFLATED:
            raise ValueError(
                f"Not allowed: the member {name!r} of {str(self.path)!r} is compressed otherwise "
                "than Keras does, who stores or deflates."
            )
        return self._inflate(info, limit)

    def _stored(self, info: zipfile.ZipInfo) -> IO[bytes]:
        """Returns a window on the archive, after a look at the member's checksum."""
        try:
            self._zip.open(info).close()  # type: ignore[union-attr]
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, struct.error) as error:
            raise self._unreadable(info, str(error)) from error
        file: IO[bytes] = self._zip.fp  # type: ignore[union-attr, assignment]
        file.seek(info.header_offset)
        header = file.read(30)
        lengths = struct.unpack("<HH", header[26:30])
        start = info.header_offset + 30 + sum(lengths)
        window = Window(file, start, info.file_size)
        checksum, left = 0, info.file_size
        while left:
            chunk = window.read(min(_CHUNK, left))
            if not chunk:
                raise self._unreadable(info, "it ends too early")
            checksum, left = zlib.crc32(chunk, checksum), left - len(chunk)
        if checksum != info.CRC or info.compress_size != info.file_size:
            raise self._unreadable(info, "it differs from its checksum")
        window.seek(0)
        return io.BufferedReader(window) if info.file_size <= _CHUNK else window  # type: ignore

    def _inflate(self, info: zipfile.ZipInfo, limit: int) -> IO[bytes]:
        """Copies a member out of the archive, and stops when it grows beyond the limit."""
        copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        try:
            with self._zip.open(info) as source:  # type: ignore[union-attr]
                size = 0
                while chunk := source.read(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise self._too_large(info.filename, limit)
                    self.budget.spend(len(chunk), f"the member {info.filename!r}")
                    copy.write(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as e:
            copy.close()
            raise self._unreadable(info, str(e)) from e
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy  # type: ignore[return-value]

    def _unreadable(self, info: zipfile.ZipInfo, why: str) -> ValueError:
        return ValueError(
            f"The member {info.filename!r} of {str(self.path)!r} cannot be read: {why}."
        )

    def _too_large(self, name: str, limit: int) -> ValueError:
        return ValueError(
            f"The member {name!r} of {str(self.path)!r} unpacks to more than {limit} bytes, "
            "which no model needs: the file is refused."
        )


class Window(io.RawIOBase):
    """A part of a file, as a file.

    Args:
        file: The file.
        start: Where the part begins.
        size: How many bytes it has, to be read; if None, it goes to the file's end, and may grow.
    """

    def __init__(self, file: IO[bytes], start: int, size: int | None = None):
        self._file, self._start, self._size, self._at = file, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return self._size is None

    def tell(self) -> int:
        return self._at

    def _end(self) -> int:
        if self._size is not None:
            return self._size
        return self._file.seek(0, os.SEEK_END) - self._start

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET:
            offset += self._at if whence == os.SEEK_CUR else self._end()
        self._at = offset
        return offset

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        if self._size is not None:
            view = view[: max(self._size - self._at, 0)]
        self._file.seek(self._start + self._at)
        count = self._file.readinto(view)  # type: ignore[attr-defined]
        self._at += count
        return count

    def write(self, content: Any) -> int:
        self._file.seek(self._start + self._at)
        count = self._file.write(content)
        self._at += count
        return count

    def truncate(self, size: int | None = None) -> int:
        size = self._at if size is None else size
        self._file.truncate(self._start + size)
        return size


@contextlib.contextmanager
def new_member(members: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    """Gives a file to write to, in any order, that becomes the next member of a new archive.

    Zipfile's own can only be written from beginning to end, for which a large one would have to be
    in memory, or in a file of its own, first.

    Args:
        members: The archive, whose file can be read as well.
        name: The member's name.
    """
    file: IO[bytes] = members.fp  # type: ignore[assignment]
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.external_attr, info.CRC = 0o600 << 16, 0
    info.header_offset = file.seek(0, os.SEEK_END)
    file.write(info.FileHeader(zip64=True))  # it is written again when all is known
    window = Window(file, file.tell())
    yield window  # type: ignore[misc]
    size = window.seek(0)
    while chunk := window.read(_CHUNK):
        size, info.CRC = size + len(chunk), zlib.crc32(chunk, info.CRC)
    info.file_size = info.compress_size = size
    file.seek(info.header_offset)
    file.write(info.FileHeader(zip64=True))
    members.start_dir = file.seek(0, os.SEEK_END)
    members.filelist.append(info)
    members.NameToInfo[name] = info


def _check_directory(path: Any) -> None:
    """Looks how long the list of members is, before it is read.

    Raises:
        ValueError: If it is far longer than a model's.
    """
    with contextlib.nullcontext(path) if hasattr(path, "read") else open(path, "rb") as file:
        start = max(0, file.seek(0, os.SEEK_END) - 2**16 - 100)
        file.seek(start)
        end = file.read()
        file.seek(0)
    at = end.rfind(b"PK\5\6")
    sizes = [struct.unpack("<L", end[at + 12 : at + 16])[0]] if at >= 0 else [0]
    at = end.rfind(b"PK\6\6")
    if at >= 0 and sizes[0] == 2**32 - 1:
        sizes = list(struct.unpack("<Q", end[at + 40 : at + 48]))
    if sizes[0] > _MAX_DIRECTORY:
        raise ValueError(f"its list of members has {sizes[0]} bytes")


def parse_json(text: str | bytes, what: str, budget: Budget | None = None) -> Any:
    """Returns what JSON text stands for.

    Args:
        text: The text.
        what: What it is, for messages.
        budget: What the file in which it is may take in memory.

    Raises:
        ValueError: If it is not JSON, too long or too deeply nested.
    """
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"The {what} is longer than {MAX_JSON_BYTES} bytes: it is refused.")
    count: Any = text.count
    marks = [m if isinstance(text, str) else m.encode() for m in "[{,:"]
    containers, items = sum(map(count, marks[:2])), sum(map(count, marks[2:]))
    size = len(text) + containers * _BYTES_OF_CONTAINER + items * _BYTES_OF_ITEM
    (budget or Budget(len(text), what)).spend(size, what)
    try:
        value = json.loads(text)
        _check_depth(value)
    except RecursionError:
        raise ValueError(
            f"The {what} is nested deeper than {MAX_JSON_DEPTH} levels: it is refused."
        ) from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, a number of 5000 digits
        raise ValueError(f"The {what} is not valid JSON: {error}.") from error
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            item
            for v in level
            if isinstance(v, (dict, list))
            for item in (v.values() if isinstance(v, dict) else v)
        ]
        if not level:
            return
    raise RecursionError
