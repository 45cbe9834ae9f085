"""Files that are there whole or not at all, whenever the process is killed."""

import io
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jkeras.core import processes
from jkeras.saving.errors import overwrite_refused

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves stays there
    fcntl = None  # type: ignore[assignment]

_SUFFIX, _OLD = ".tmp", ".old"  # of new files, and of a folder that steps aside
_RANDOM = 8  # letters that mkstemp puts before these
_MAX_NAME = 255
_RESERVED = 2**18  # bytes of a write for which space is asked before
_FREED = 2**24  # bytes that take milliseconds to free
_FLUSHED = 8 * 2**20  # bytes that the system begins to write together


@contextmanager
def writing(path: str | os.PathLike, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """Gives a file to write to, which takes the place of `path` when the block ends well.

    It lies beside `path` until then. If the block raises, or the process is killed, what was at
    `path` before is still there; what a killed process has left is removed by the next one that
    writes to `path`. Where `path` is a symbolic link, the file that it leads to is replaced; other
    hard links to that file keep what they had.

    Args:
        path: Where the file shall be; folders that are missing are made.
        overwrite: Whether a file that is there already may be replaced.

    Raises:
        FileExistsError: If there is one, and `overwrite` is False.
        PermissionError: If there is one that may only be read.
        OSError: If there is something else, such as a folder or a pipe.
    """
    with processes.one_writes(os.fspath(path), lambda: _file_target(path, overwrite)) as target:
        if target is None:  # another process writes; the arrays are gathered from all
            with tempfile.TemporaryFile() as unused:
                yield unused
            return
        temporary, file = _new_file(target)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                os.chmod(temporary, _usual_mode(target))
                if fcntl is None:  # Windows replaces no open file
                    file.close()
                with _freed_beside(target):
                    os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(target.parent)


def _file_target(path: str | os.PathLike, overwrite: bool) -> Path:
    target = _target(path, overwrite)
    if target.exists() and not target.is_file():
        kind = "a folder" if target.is_dir() else "a pipe or a device"
        raise OSError(f"Cannot save to {str(target)!r}: {kind} is there. Choose another name.")
    return target


@contextmanager
def writing_folder(
    path: str | os.PathLike, is_own: Callable[[str], Any], overwrite: bool = True
) -> Iterator[Path]:
    """Gives a folder to write to, which takes the place of `path` when the block ends well.

    Args:
        path: Where the folder shall be.
        is_own: Says whether a name is one of those that such a folder holds. Where there is
            anything else, nothing is replaced: it would be deleted.
        overwrite: Whether what is there already may be replaced.

    Raises:
        FileExistsError: If there is something, and `overwrite` is False, or it is not such a
            folder, or is the one in which the program runs.
        PermissionError: If what is there may only be read.
    """

    def check() -> Path:
        _check_replaceable(Path(path), is_own)
        return _target(path, overwrite)

    with processes.one_writes(os.fspath(path), check) as target:
        if target is None:
            with tempfile.TemporaryDirectory() as folder:
                yield Path(folder)
            return
        temporary = Path(
            tempfile.mkdtemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        )
        lock = _locked(temporary)
        try:
            yield temporary
            for file in (p for p in temporary.rglob("*") if p.is_file()):
                with open(file, "rb") as written:
                    os.fsync(written.fileno())
            temporary.chmod(0o777 & ~_umask())
            # No system call swaps two folders everywhere, so that the old one steps aside first.
            old = temporary.with_suffix(_OLD)
            if target.exists():
                os.replace(target, old)
            os.replace(temporary, target)
            shutil.rmtree(old, ignore_errors=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        finally:
            if lock is not None:
                os.close(lock)
        _sync_folder(target.parent)


def _check_replaceable(path: Path, is_own: Callable[[str], Any]) -> None:
    if not path.exists():
        return
    if path.resolve() in (here := Path.cwd(), *here.parents):
        raise FileExistsError(
            f"Cannot save to {str(path)!r}: it takes the place of the folder in which this program "
            "runs. Choose a new name, or a file's with the suffix `.keras`."
        )
    names = sorted(os.listdir(path)) if path.is_dir() else [path.name]
    other = [name for name in names if not is_own(name)]
    if other:
        raise FileExistsError(
            f"Cannot save to {str(path)!r}: it takes the place of what is there, and {other[:3]} "
            "would be deleted. Choose a new name, or a file's with the suffix `.keras`."
        )


def _target(path: str | os.PathLike, overwrite: bool) -> Path:
    """Returns where to write, in a folder that exists and is rid of what dead processes left."""
    target = Path(os.path.realpath(path))  # a symbolic link stays one
    if target.exists():
        if not overwrite:
            raise overwrite_refused(path)
        if not target.stat().st_mode & 0o222:
            raise PermissionError(
                f"The file {str(path)!r} may only be read. Make it writable, or choose another "
                "name."
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(target)
    return target


# ------------------------------------------------------------------ temporary files
def _prefix(target: Path) -> str:
    room = _MAX_NAME - _RANDOM - len(_SUFFIX) - 2
    return f".{os.fsdecode(os.fsencode(target.name)[:room])}."


def _new_file(target: Path) -> tuple[Path, IO[bytes]]:
    while True:
        handle, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        file = io.BufferedRandom(_Flushed(handle, "w+b"))
        # Shared, since HDF5's readers share it: until it is closed, the file has its final name.
        if _lock(handle, shared=True) and os.path.exists(name):
            return Path(name), file  # else another process took it for a dead one's
        file.close()


@contextmanager
def _freed_beside(target: Path) -> Iterator[None]:
    """Lets the space of a large file that is replaced be freed while the program goes on."""
    old = None
    if fcntl is not None and target.is_file() and target.stat().st_size >= _FREED:
        with suppress(OSError):
            old = os.open(target, os.O_RDONLY)
    try:
        yield
    finally:
        if old is not None:
            threading.Thread(target=os.close, args=(old,)).start()


class _Flushed(io.FileIO):
    """A file that the system begins to write to the disk before `fsync` waits for it."""

    _begun = 0
    _can_reserve = hasattr(os, "posix_fallocate")

    def write(self, data: Any, /) -> int:
        size = memoryview(data).nbytes
        if size >= _RESERVED and self._can_reserve:
            # Linux takes a quarter less time for space that it was asked for in one piece.
            try:
                os.posix_fallocate(self.fileno(), self.tell(), size)
            except OSError:  # the file system cannot, or is full, which writing says
                self._can_reserve = False
        written = super().write(data)
        end = self.tell()
        if end - self._begun >= _FLUSHED and hasattr(os, "posix_fadvise"):
            # On Linux this begins to write dirty pages; what is not written yet stays in memory.
            os.posix_fadvise(self.fileno(), self._begun, end - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = end
        return written


def _remove_stale(target: Path) -> None:
    """Removes the temporary files for `target` that no process is writing any more."""
    prefix = _prefix(target)
    length = len(prefix) + _RANDOM + len(_SUFFIX)
    for name in os.listdir(target.parent) if fcntl is not None else ():
        if len(name) == length and name.startswith(prefix) and name.endswith((_SUFFIX, _OLD)):
            stale = target.parent / name
            lock = _locked(stale)
            if lock is None:
                continue
            if name.endswith(_OLD) and not target.exists():  # killed between two names
                os.replace(stale, target)
            elif stale.is_dir():
                shutil.rmtree(stale, ignore_errors=True)
            else:
                stale.unlink(missing_ok=True)
            os.close(lock)


def _locked(path: Path) -> int | None:
    """Returns a handle that locks a file or folder; None if another process has locked it."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None
    if _lock(handle):
        return handle
    os.close(handle)
    return None


def _lock(handle: int, shared: bool = False) -> bool:
    """Locks an open file until it is closed, as the system does when its process dies."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


# ------------------------------------------------------------------ the system
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
