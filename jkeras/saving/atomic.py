"""Files that are there whole or not at all, whenever the process is killed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from jkeras.saving.errors import overwrite_refused


@contextmanager
def writing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Gives a file to write to, which takes the place of `path` when the block ends well.

    It lies beside `path` until then. If the block raises, or the process is killed, what was at
    `path` before is still there.

    Args:
        path: Where the file shall be; folders that are missing are made.
        overwrite: Whether a file that is there already may be replaced.

    Raises:
        FileExistsError: If there is one, and `overwrite` is False.
    """
    target = Path(path)
    if not overwrite and target.exists():
        raise overwrite_refused(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _usual_mode(target))
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


@contextmanager
def writing_folder(path: str | os.PathLike, overwrite: bool = True) -> Iterator[Path]:
    """Gives a folder to write to, which takes the place of `path` when the block ends well.

    Args:
        path: Where the folder shall be.
        overwrite: Whether what is there already may be replaced.

    Raises:
        FileExistsError: If there is something, and `overwrite` is False.
    """
    target = Path(path)
    if not overwrite and target.exists():
        raise overwrite_refused(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        yield temporary
        for file in (p for p in temporary.rglob("*") if p.is_file()):
            with open(file, "rb") as written:
                os.fsync(written.fileno())
        temporary.chmod(0o777 & ~_umask())
        # No system call swaps two folders everywhere, so that the old one steps aside first.
        old = temporary.with_suffix(".old")
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(target.parent)


def _usual_mode(target: Path) -> int:
    """Returns the permissions of the file that is replaced, or those of a new file."""
    return target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)  # it cannot be read without being set
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Writes the folder's entries to the disk, where the system lets folders be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
