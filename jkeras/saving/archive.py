"""The members of a `.keras` file, and JSON: read under limits that the file cannot set."""

import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Self

# A config of 64 MiB describes a model of some 100,000 layers.
MAX_JSON_BYTES = 64 * 2**20
MAX_JSON_DEPTH = 256
# What a compressed member may grow to: weights hardly shrink, so that this is generous.
MAX_GROWTH = 100
MIN_ALLOWANCE = 16 * 2**20

_CHUNK = 2**20
_IN_MEMORY = 64 * 2**20


class Archive:
    """A `.keras` file, or a folder with the same members; members are read by exact name.

    Args:
        path: The file or folder, or a binary file that is open for reading.

    Raises:
        ValueError: If it is no whole zip archive, or names a member twice.
    """

    def __init__(self, path: str | os.PathLike | IO[bytes]):
        is_open = hasattr(path, "read")
        self.path = Path(str(getattr(path, "name", path)) if is_open else path)  # type: ignore
        self._zip: zipfile.ZipFile | None = None
        self._members: dict[str, zipfile.ZipInfo] = {}
        if not is_open and self.path.is_dir():
            return
        try:
            self._zip = zipfile.ZipFile(path)  # type: ignore[arg-type]
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ValueError(
                f"The file {str(path)!r} is damaged or was not written to its end: {error}."
            ) from None
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
            limit: The most bytes that it may have; by default what `MAX_GROWTH` allows.

        Raises:
            ValueError: If it is missing, too large or damaged.
        """
        if name not in self:
            raise ValueError(f"The file {str(self.path)!r} has no member {name!r}.")
        if self._zip is None:
            member = self.path / name
            if limit is not None and member.stat().st_size > limit:
                raise self._too_large(name, limit)
            return open(member, "rb")
        info = self._members[name]
        if limit is None:
            limit = max(MIN_ALLOWANCE, MAX_GROWTH * info.compress_size)
        if info.file_size > limit:  # what the file says of itself
            raise self._too_large(name, limit)
        return self._inflate(info, limit)

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
                    copy.write(chunk)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as e:
            copy.close()
            raise ValueError(
                f"The member {info.filename!r} of {str(self.path)!r} cannot be read: {e}."
            ) from None
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy  # type: ignore[return-value]

    def _too_large(self, name: str, limit: int) -> ValueError:
        return ValueError(
            f"The member {name!r} of {str(self.path)!r} unpacks to more than {limit} bytes, "
            "which no model needs: the file is refused."
        )


def parse_json(text: str | bytes, what: str) -> Any:
    """Returns what JSON text stands for.

    Args:
        text: The text.
        what: What it is, for messages.

    Raises:
        ValueError: If it is no JSON, too long or too deeply nested.
    """
    if len(text) > MAX_JSON_BYTES:
        raise ValueError(f"The {what} is longer than {MAX_JSON_BYTES} bytes: it is refused.")
    try:
        value = json.loads(text)
        _check_depth(value)
    except RecursionError:
        raise ValueError(
            f"The {what} is nested deeper than {MAX_JSON_DEPTH} levels: it is refused."
        ) from None
    except ValueError as error:  # JSONDecodeError, UnicodeDecodeError, a number of 5000 digits
        raise ValueError(f"The {what} is no valid JSON: {error}.") from None
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
