"""The only door to HDF5 files: reads groups, attributes and arrays, and nothing they point to.

A file cannot make this reader open another file, load a plugin, or allocate more than it holds:
links, external storage, virtual datasets and unusual filters are refused at every depth, and an
array is only read into the shape that its reader expects.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, Self

import numpy as np

from jkeras.saving import h5_chunks
from jkeras.saving.budget import Budget, size_of
from jkeras.saving.h5_heaps import Heaps, Names

_MAX_DEPTH = 100
_STRING_OVERHEAD = 100  # bytes that Python takes for a short string
_DTYPE_KINDS = "fiub"
_NUMBER_CLASSES = ("INTEGER", "FLOAT", "ENUM")


class H5Reader:
    """An HDF5 file that is open for reading.

    Args:
        file: A path, or a file that can be searched.
        name: What to call it in messages; the path by default.
        budget: What it may take in memory, together with what it is a part of.

    Raises:
        ValueError: If it is not an HDF5 file, or a damaged one.
    """

    def __init__(
        self,
        file: str | os.PathLike | IO[bytes],
        name: str | None = None,
        budget: Budget | None = None,
    ):
        import h5py

        self.name = str(file) if name is None else name
        self.budget = budget or Budget(size_of(file), self.name)
        self.source = file
        self._heaps: Heaps | None = None
        with self.reading(""):
            self._file = h5py.File(file, "r", rdcc_nbytes=0)
            if self._file.id.get_create_plist().get_sizes() != (8, 8):
                raise refused("addresses that have not 8 bytes", "", self.name)
            self.names = Names(file, self.name)
            self.names.check(self.names.root())
            self.root: Group = H5Group(self, self._file["/"].id, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Says that the file is damaged, where the HDF5 library only gives its own account."""
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file {self.name!r} is not an HDF5 file, is damaged, or was not written to "
                f"its end (at {path or '/'!r}): {error}"
            ) from error

    @property
    def heaps(self) -> Heaps:
        """Where strings of any length lie in the file."""
        if self._heaps is None:
            self._heaps = Heaps(self.source, self.name)
        return self._heaps


class Group:
    """A group of an HDF5 file."""

    path: str
    budget: Budget

    # -------------------------------------------------------------- what a kind of file has
    def names(self) -> list[str]:
        """Returns the names of what is in the group."""
        raise NotImplementedError

    def member(self, name: str) -> "Group | Dataset | None":
        """Returns the group or dataset of a name; None if there is neither.

        Raises:
            ValueError: If it is a link, or something else.
        """
        raise NotImplementedError

    def has(self, attribute: str) -> bool:
        """Says whether the group has an attribute."""
        raise NotImplementedError

    def strings(self, attribute: str) -> list[str]:
        """Returns an attribute that is a string, or several."""
        raise NotImplementedError

    def identity(self) -> Any:
        """Returns what is the same for all names of one group."""
        raise NotImplementedError

    def refuse(self, reason: str, path: str | None = None) -> ValueError:
        """Returns the error for something that is not read."""
        return refused(reason, self.path if path is None else path, self.budget.name)

    # -------------------------------------------------------------- what all have
    def is_group(self, name: str) -> bool:
        """Says whether a member is a group."""
        return isinstance(self.member(name), Group)

    def group(self, path: str) -> "Group | None":
        """Returns the group at a path below this one; None if nothing is there.

        Raises:
            ValueError: If there is something else, or a link on the way.
        """
        found = self._find(path)
        if found is None or isinstance(found, Group):
            return found
        raise self.refuse("a dataset in the place of a group", found.path)

    def dataset(self, path: str) -> "Dataset | None":
        """Returns the dataset at a path below this group; None if nothing is there.

        Raises:
            ValueError: If there is something else, or a link on the way.
        """
        found = self._find(path)
        if found is None or isinstance(found, Dataset):
            return found
        raise self.refuse("a group in the place of a dataset", found.path)

    def _find(self, path: str) -> "Group | Dataset | None":
        here: Group | Dataset = self
        for part in path.split("/"):
            if isinstance(here, Dataset):
                raise self.refuse("a dataset in the place of a group", here.path)
            if part in ("", ".", "..") or "\0" in part:
                raise self.refuse("a path with an empty part or dots", f"{here.path}/{part}")
            found = here.member(part)
            if found is None:
                return None
            here = found
        return here

    def text(self, attribute: str) -> str | None:
        """Returns an attribute that is a string; None if it is missing."""
        if not self.has(attribute):
            return None
        words = self.strings(attribute)
        if len(words) != 1:
            raise self.refuse(f"an attribute {attribute!r} that is not a string")
        return words[0]

    def texts(self, attribute: str) -> list[str] | None:
        """Returns an attribute that is a list of different strings; None if it is missing.

        Long lists are stored in parts: `layer_names0`, `layer_names1`, ...
        """
        words: list[str] = []
        if self.has(attribute):
            words = self.strings(attribute)
        else:
            count = 0
            while self.has(f"{attribute}{count}"):
                words += self.strings(f"{attribute}{count}")
                count += 1
            if not count:
                return None
        if len(set(words)) < len(words):
            raise self.refuse(f"a list {attribute!r} with a name twice")
        return words

    def arrays(self, above: tuple[Any, ...] = ()) -> Iterator["Dataset"]:
        """Yields all datasets below the group.

        Raises:
            ValueError: If a group holds itself.
        """
        here = self.identity()
        if here in above or len(above) > _MAX_DEPTH:
            raise self.refuse("a group that holds itself, or too many in each other")
        for name in self.names():
            found = self.member(name)
            if isinstance(found, Dataset):
                yield found
            elif found is not None:
                yield from found.arrays((*above, here))


class Dataset:
    """An array in an HDF5 file, which is not read yet.

    Attributes:
        path: Where it is in the file.
        shape: Its shape.
        dtype: The name of its dtype.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    budget: Budget

    def read(self, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the array.

        Args:
            shape: The shape that is expected of it.

        Raises:
            ValueError: If it has another shape, or is far larger than the file.
        """
        if self.shape != tuple(shape):
            reason = f"an array of shape {self.shape}, not {shape},"
            raise refused(reason, self.path, self.budget.name)
        array = self._read()
        if self.dtype == "bfloat16":  # NumPy knows it by this package
            import ml_dtypes

            return array.view(ml_dtypes.bfloat16)
        return array

    def _read(self) -> np.ndarray:
        raise NotImplementedError


def refused(reason: str, path: str, name: str) -> ValueError:
    """Returns the error for something in a file that is not read."""
    return ValueError(f"Not allowed: {reason} at {path or '/'!r} in {name!r}.")


# ------------------------------------------------------------------ by the HDF5 library
def load_library() -> None:
    """Loads the HDF5 library, which is else loaded when a file is opened."""
    import h5py  # noqa: F401


class H5Group(Group):
    """A group that the HDF5 library reads."""

    def __init__(self, reader: H5Reader, group: Any, path: str):
        self._reader, self._group, self.path = reader, group, path
        self.budget = reader.budget

    def names(self) -> list[str]:
        with self._reader.reading(self.path):
            return sorted(name.decode("utf-8", "surrogateescape") for name in self._group)

    def member(self, name: str) -> Group | Dataset | None:
        import h5py

        path = f"{self.path}/{name}"
        key = name.encode("utf-8", "surrogateescape")
        with self._reader.reading(path):
            links = self._group.links  # asked first: opening would follow the link
            if not links.exists(key):
                return None
            info = links.get_info(key)
            kind = info.type
            if kind != h5py.h5l.TYPE_HARD:
                word = {h5py.h5l.TYPE_SOFT: "SoftLink", h5py.h5l.TYPE_EXTERNAL: "ExternalLink"}
                raise self.refuse(f"a link to elsewhere ({word.get(kind, 'link')})", path)
            item = h5py.h5o.open(self._group, key)
            if isinstance(item, h5py.h5g.GroupID):
                self._reader.names.check(info.u)
                return H5Group(self._reader, item, path)
            if isinstance(item, h5py.h5d.DatasetID):
                return H5Dataset(self._reader, item, path)
        raise self.refuse("an object that is neither a group nor a dataset", path)

    def identity(self) -> Any:
        import h5py

        with self._reader.reading(self.path):
            return h5py.h5o.get_info(self._group).addr

    def attributes(self) -> list[str]:
        """Returns the names of all attributes."""
        import h5py

        found: list[str] = []
        with self._reader.reading(self.path):
            h5py.h5a.iterate(
                self._group, lambda name, *_: found.append(name.decode("utf-8", "surrogateescape"))
            )
        return found

    def has(self, attribute: str) -> bool:
        import h5py

        with self._reader.reading(f"{self.path}@{attribute}"):
            return h5py.h5a.exists(self._group, attribute.encode("utf-8", "surrogateescape"))

    def strings(self, attribute: str) -> list[str]:
        import h5py

        reader, where = self._reader, f"{self.path}@{attribute}"
        with reader.reading(where):
            # The shape and type are looked at before anything is read.
            low = h5py.h5a.open(self._group, attribute.encode("utf-8", "surrogateescape"))
            count = 0 if low.shape is None else math.prod(low.shape)
            if count == 0:
                return []  # an empty list of names is stored as floats
            kind = low.get_type()
            if kind.get_class() != h5py.h5t.STRING:
                raise self.refuse(f"an attribute {attribute!r} without text")
            if kind.is_variable_str():
                size = reader.heaps.cost(attribute, self.identity())
            else:
                size = 2 * count * kind.get_size()
            self.budget.spend(size + count * _STRING_OVERHEAD, f"the attribute {where!r}")
            values = np.empty(low.shape, low.dtype)
            low.read(values)
        return [
            v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else str(v)
            for v in values.reshape(-1).tolist()
        ]


class H5Dataset(Dataset):
    """An array that the HDF5 library reads."""

    def __init__(self, reader: H5Reader, dataset: Any, path: str):
        self._reader, self._dataset, self.path = reader, dataset, path
        self.budget = reader.budget
        self._kind = _number(dataset.get_type())
        self._plist = dataset.get_create_plist()
        self.shape = dataset.shape or ()
        problem = self._problem()
        if problem is not None or self._kind is None:
            problem = problem or f"a dataset of dtype {_word(dataset.get_type())}"
            raise refused(problem, path, reader.name)
        self.dtype = "bfloat16" if self._kind.kind == "V" else self._kind.name
        self._nbytes = math.prod(self.shape) * self._kind.itemsize

    def _problem(self) -> str | None:
        dataset, plist = self._dataset, self._plist
        if plist.get_layout() == _layout("VIRTUAL"):
            return "a virtual dataset, which reads other files,"
        if plist.get_external_count():
            return "a dataset with external storage, which reads other files,"
        if dataset.shape is None:
            return "a dataset without a shape"
        if h5_chunks.would_load_plugin(plist):
            return "a dataset with a filter that would load a plugin"
        nbytes = math.prod(self.shape) * dataset.get_type().get_size()
        stored = dataset.get_storage_size()
        if plist.get_layout() == _layout("CHUNKED"):
            lacks = h5_chunks.lacks_chunks(dataset, plist, nbytes)
        else:
            lacks = stored < nbytes
        return f"a dataset that declares {nbytes} bytes and stores {stored}" if lacks else None

    def _read(self) -> np.ndarray:
        import h5py

        kind: Any = self._kind
        spend = self.budget.spend
        spend(2 * self._nbytes, f"the array {self.path!r}")
        with self._reader.reading(self.path):
            if h5_chunks.is_read_here(self._plist):
                return h5_chunks.read(self._dataset, self._plist, kind, spend)
            if self._plist.get_layout() == _layout("CHUNKED"):
                h5_chunks.spend_on_chunk(self._plist, kind, spend)
            array = np.empty(self.shape, kind.newbyteorder("="))
            in_memory = self._dataset.get_type() if self.dtype == "bfloat16" else None
            if array.size:
                self._dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array, in_memory)
            return array


def _layout(name: str) -> int:
    import h5py

    return getattr(h5py.h5d, name)


def _word(kind: Any) -> str:
    """Returns what a type that is not read is called."""
    import h5py

    words = ("STRING", "COMPOUND", "REFERENCE", "VLEN", "ARRAY", "OPAQUE", "TIME", "BITFIELD")
    found = {getattr(h5py.h5t, word): word.lower() for word in words}
    return found.get(kind.get_class(), "an unusual size")


def _number(kind: Any) -> np.dtype | None:
    """Returns the dtype of numbers; None of anything else."""
    import h5py

    # NumPy knows no bfloat16: it is stored as two bytes without meaning.
    if kind.get_class() == h5py.h5t.OPAQUE and kind.get_size() == 2:
        return np.dtype("V2")
    known = {getattr(h5py.h5t, name) for name in _NUMBER_CLASSES}
    if kind.get_class() not in known or kind.get_size() > 8:
        return None
    dtype = kind.dtype
    return dtype if dtype.kind in _DTYPE_KINDS else None
