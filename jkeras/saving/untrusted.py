"""HDF5 files read by a process of its own, which has little memory, little time, and no secrets.

The HDF5 library is a large program in C: a file can make it crash, or run for ever. What the
process has read comes back as JSON and plain numbers, which cannot.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jkeras.saving.archive import parse_json
from jkeras.saving.budget import Budget, size_of
from jkeras.saving.h5_reader import Dataset, Group, H5Group, H5Reader, load_library

try:
    import resource
except ImportError:  # Windows: only the time is limited
    resource = None  # type: ignore[assignment]

_MEMORY = 256 * 2**20  # besides what a file of that size may take
_SECONDS, _BYTES_PER_SECOND = 20, 20 * 2**20
# The package's folders without its __init__: importing JAX would take longer than the file.
_PROGRAM = """
import json, sys, types
sys.path[:] = json.loads(sys.argv[1])
for name, folder in zip(("jkeras", "jkeras.saving"), json.loads(sys.argv[2])):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [folder]
from jkeras.saving.untrusted import serve
serve(*json.loads(sys.argv[3]))
"""


@contextmanager
def open_hdf5(
    file: Path | IO[bytes], name: str, budget: Budget | None = None, untrusted: bool = False
) -> Iterator[Group]:
    """Opens an HDF5 file, here or, if it is not trusted, by another process.

    Args:
        file: Its path, or the open file.
        name: What to call it in messages.
        budget: What it may take in memory, together with what it is a part of.
        untrusted: Whether another process shall read it.

    Raises:
        ValueError: If it is damaged, or made to do harm.
    """
    if not untrusted:
        with H5Reader(file, name, budget) as reader:
            yield reader.root
        return
    budget = budget or Budget(size_of(file), name)
    with tempfile.TemporaryFile() as result:
        if hasattr(file, "read"):
            with tempfile.NamedTemporaryFile(suffix=".h5") as copy:
                shutil.copyfileobj(file, copy)
                copy.flush()
                _run(copy.name, name, budget, result)
        else:
            _run(str(file), name, budget, result)
        size = result.seek(0, os.SEEK_END)
        result.seek(max(size - 8, 0))
        length = int.from_bytes(result.read(8), "little")
        if length > size:
            raise ValueError(f"What was read of {name!r} is not whole.")
        result.seek(size - 8 - length)
        tree = parse_json(result.read(length), f"table of what {name!r} holds", Budget(size, name))
        yield _SavedGroup(tree, result, "", budget)


# ------------------------------------------------------------------ the other process
def _run(path: str, name: str, budget: Budget, result: IO[bytes]) -> None:
    size = os.stat(path).st_size
    seconds = _SECONDS + size // _BYTES_PER_SECOND
    folder = Path(__file__).parent
    words = (
        [p or os.getcwd() for p in sys.path],
        [str(folder.parent), str(folder)],
        [path, name, budget.left, seconds],
    )
    command = [sys.executable, "-I", "-c", _PROGRAM, *map(json.dumps, words)]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=result,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=4 * seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(
            f"Reading {name!r} in a process of its own took more than {4 * seconds} seconds: the "
            "file is damaged, or made to do harm."
        ) from None
    if not done.returncode:
        return
    words_of_error = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    if done.returncode == _REFUSED and words_of_error:
        raise ValueError(words_of_error[0])
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        reason = f"used more than its {seconds} seconds, or was killed"
    elif done.returncode < 0:
        reason = f"was ended by {signal.Signals(-done.returncode).name}"
    else:
        reason = f"failed: {''.join(words_of_error) or done.returncode}"
    raise ValueError(
        f"The process that read {name!r} {reason}: the file is damaged, or made to do harm."
    )


_REFUSED = 3


def serve(path: str, name: str, allowance: int, seconds: int) -> None:
    """Reads a file and writes what it holds to the standard output; in the other process."""
    load_library()  # before memory is limited
    if resource is not None:
        with open("/proc/self/statm") if os.path.exists("/proc/self/statm") else _none() as pages:
            now = int(pages.read().split()[0]) * resource.getpagesize() if pages else 2**32
        for limit, value in (
            (resource.RLIMIT_CPU, seconds),
            (resource.RLIMIT_AS, now + _MEMORY + allowance),
            (resource.RLIMIT_FSIZE, _MEMORY + allowance),
            (resource.RLIMIT_CORE, 0),
        ):
            _, hard = resource.getrlimit(limit)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, hard if limit == resource.RLIMIT_CPU else value))
    output = os.fdopen(1, "wb")
    try:
        with H5Reader(path, name, Budget(0, name, allowance)) as reader:
            tree = _describe(reader.root, output, ())
    except (ValueError, MemoryError) as error:
        message = str(error) or "It needs more memory than it may take."
        sys.stderr.write(" ".join(message.split("\n")))
        sys.exit(_REFUSED)
    table = json.dumps(tree).encode()
    output.write(table + len(table).to_bytes(8, "little"))
    output.close()


@contextmanager
def _none() -> Iterator[None]:
    yield None


def _describe(group: Any, output: IO[bytes], above: tuple[Any, ...]) -> dict[str, Any]:
    """Writes the arrays below a group, and returns where they are; with what is refused."""
    here = group.identity()
    if here in above or len(above) > 100:
        return {"error": str(group.refuse("a group that holds itself, or too many in each other"))}
    tree: dict[str, Any] = {"names": {}, "texts": {}}
    for attribute in group.attributes():
        try:
            tree["texts"][attribute] = group.strings(attribute)
        except ValueError as error:
            tree["texts"][attribute] = {"error": str(error)}
    for name in group.names():
        try:
            item = group.member(name)
            if isinstance(item, H5Group):
                tree["names"][name] = _describe(item, output, (*above, here))
                continue
            array = item.read(item.shape)
        except ValueError as error:
            tree["names"][name] = {"error": str(error)}
            continue
        place = output.tell()
        output.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        tree["names"][name] = {"shape": item.shape, "dtype": item.dtype, "place": place}
    return tree


# ------------------------------------------------------------------ what it has read
class _SavedGroup(Group):
    """A group that another process has read."""

    def __init__(self, tree: dict[str, Any], file: IO[bytes], path: str, budget: Budget):
        self._tree, self._file, self.path, self.budget = tree, file, path, budget

    def names(self) -> list[str]:
        return sorted(self._tree["names"])

    def member(self, name: str) -> Group | Dataset | None:
        found = self._tree["names"].get(name)
        if found is None:
            return None
        _raise_error(found)
        if "names" in found:
            return _SavedGroup(found, self._file, f"{self.path}/{name}", self.budget)
        return _SavedDataset(found, self._file, f"{self.path}/{name}", self.budget)

    def has(self, attribute: str) -> bool:
        return attribute in self._tree["texts"]

    def strings(self, attribute: str) -> list[str]:
        found = self._tree["texts"][attribute]
        if isinstance(found, dict):
            _raise_error(found)
        return list(found)

    def identity(self) -> Any:
        return self.path


class _SavedDataset(Dataset):
    """An array that another process has read."""

    def __init__(self, found: dict[str, Any], file: IO[bytes], path: str, budget: Budget):
        self._place, self._file, self.path, self.budget = found["place"], file, path, budget
        self.shape, self.dtype = tuple(found["shape"]), found["dtype"]

    def _read(self) -> np.ndarray:
        dtype = np.dtype("u2" if self.dtype == "bfloat16" else self.dtype)
        size = int(np.prod(self.shape, dtype=object)) * dtype.itemsize
        self.budget.spend(2 * size, f"the array {self.path!r}")
        self._file.seek(self._place)
        return np.frombuffer(bytearray(self._file.read(size)), dtype).reshape(self.shape)


def _raise_error(found: dict[str, Any]) -> None:
    if "error" in found:
        raise ValueError(found["error"])
