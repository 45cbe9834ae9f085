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
from jkeras.saving.h5_heaps import Heaps

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
        ValueError: If it is no HDF5 file, or a damaged one.
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
        self.source, self._heaps = file, None
        with self.reading(""):
            self._file = h5py.File(file, "r", rdcc_nbytes=0)
            if self._file.id.get_create_plist().get_sizes() != (8, 8):
                raise self.refuse("", "addresses that have not 8 bytes")
            self.root = Group(self, self._file["/"].id, "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def refuse(self, path: str, reason: str) -> ValueError:
        """Returns the error for something that is not read."""
        return ValueError(f"Not allowed: {reason} at {path or '/'!r} in {self.name!r}.")

    @contextmanager
    def reading(self, path: str) -> Iterator[None]:
        """Says that the file is damaged, where the HDF5 library only gives its own account."""
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(
                f"The file {self.name!r} is no HDF5 file, is damaged, or was not written to its "
                f"end (at {path or '/'!r}): {error}"
            ) from error

    def spend(self, path: str, size: int) -> None:
        """Counts bytes that are about to be allocated.

        Raises:
            ValueError: If they are more, together with those before, than the file can mean.
        """
        self.budget.spend(size, f"{path or '/'!r}")

    @property
    def heaps(self) -> Heaps:
        """Where strings of any length lie in the file."""
        if self._heaps is None:
            self._heaps = Heaps(self.source, self.name)
        return self._heaps


class Group:
    """A group of an HDF5 file."""

    def __init__(self, reader: H5Reader, group: Any, path: str):
        self._reader, self._group, self.path = reader, group, path
        self.budget = reader.budget

    # -------------------------------------------------------------- members
    def names(self) -> list[str]:
        """Returns the names of what is in the group."""
        with self._reader.reading(self.path):
            return sorted(name.decode("utf-8", "surrogateescape") for name in self._group)

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
        raise self._reader.refuse(found.path, "a dataset in the place of a group")

    def dataset(self, path: str) -> "Dataset | None":
        """Returns the dataset at a path below this group; None if nothing is there.

        Raises:
            ValueError: If there is something else, or a link on the way.
        """
        found = self._find(path)
        if found is None or isinstance(found, Dataset):
            return found
        raise self._reader.refuse(found.path, "a group in the place of a dataset")

    def _find(self, path: str) -> "Group | Dataset | None":
        here: Group | Dataset = self
        for part in path.split("/"):
            if isinstance(here, Dataset):
                raise self._reader.refuse(here.path, "a dataset in the place of a group")
            found = here.member(part)
            if found is None:
                return None
            here = found
        return here

    def member(self, name: str) -> "Group | Dataset | None":
        """Returns the group or dataset of a name; None if there is neither.

        Raises:
            ValueError: If it is a link, or something else.
        """
        import h5py

        path = f"{self.path}/{name}"
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise self._reader.refuse(path, "a path with an empty part or dots")
        key = name.encode("utf-8", "surrogateescape")
        with self._reader.reading(path):
            links = self._group.links  # asked first: opening would follow the link
            if not links.exists(key):
                return None
            if links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise self._reader.refuse(path, "a link to elsewhere")
            item = h5py.h5o.open(self._group, key)
            if isinstance(item, h5py.h5g.GroupID):
                return Group(self._reader, item, path)
            if isinstance(item, h5py.h5d.DatasetID):
                return Dataset(self._reader, item, path)
        raise self._reader.refuse(path, "an object that is neither a group nor a dataset")

    def address(self) -> Any:
        """Returns what is the same for all names of one group."""
        import h5py

        with self._reader.reading(self.path):
            return h5py.h5o.get_info(self._group).addr

    # -------------------------------------------------------------- attributes
    def has(self, attribute: str) -> bool:
        """Says whether the group has an attribute."""
        import h5py

        with self._reader.reading(f"{self.path}@{attribute}"):
            return h5py.h5a.exists(self._group, attribute.encode("utf-8"))

    def text(self, attribute: str) -> str | None:
        """Returns an attribute that is a string; None if it is missing."""
        if not self.has(attribute):
            return None
        words = self._strings(attribute)
        if len(words) != 1:
            raise self._reader.refuse(self.path, f"an attribute {attribute!r} that is no string")
        return words[0]

    def texts(self, attribute: str) -> list[str] | None:
        """Returns an attribute that is a list of different strings; None if it is missing.

        Long lists are stored in parts: `layer_names0`, `layer_names1`, ...
        """
        words: list[str] = []
        if self.has(attribute):
            words = self._strings(attribute)
        else:
            count = 0
            while self.has(f"{attribute}{count}"):
                words += self._strings(f"{attribute}{count}")
                count += 1
            if not count:
                return None
        if len(set(words)) < len(words):
            raise self._reader.refuse(self.path, f"a list {attribute!r} with a name twice")
        return words

    def _strings(self, attribute: str) -> list[str]:
        import h5py

        reader, where = self._reader, f"{self.path}@{attribute}"
        with reader.reading(where):
            # The shape and type are looked at before anything is read.
            low = h5py.h5a.open(self._group, attribute.encode("utf-8"))
            count = 0 if low.shape is None else math.prod(low.shape)
            if count == 0:
                return []  # an empty list of names is stored as floats
            kind = low.get_type()
            if kind.get_class() != h5py.h5t.STRING:
                raise reader.refuse(self.path, f"an attribute {attribute!r} without text")
            if kind.is_variable_str():
                size = reader.heaps.cost(count)
            else:
                size = 2 * count * kind.get_size()
            reader.spend(where, size + count * _STRING_OVERHEAD)
            values = np.empty(low.shape, low.dtype)
            low.read(values)
        return [
            v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else str(v)
            for v in values.reshape(-1).tolist()
        ]


class Dataset:
    """An array in an HDF5 file, which is not read yet."""

    def __init__(self, reader: H5Reader, dataset: Any, path: str):
        self._reader, self._dataset, self.path = reader, dataset, path
        self._kind = _number(dataset.get_type())
        self._plist = dataset.get_create_plist()
        self.shape: tuple[int, ...] = dataset.shape or ()
        problem = self._problem()
        if problem is not None:
            raise reader.refuse(path, problem)
        is_bfloat16 = self._kind.kind == "V"  # type: ignore[union-attr]
        self.dtype = "bfloat16" if is_bfloat16 else self._kind.name  # type: ignore[union-attr]

    @property
    def nbytes(self) -> int:
        """How many bytes the array takes in memory."""
        return math.prod(self.shape) * self._kind.itemsize  # type: ignore[union-attr]

    def _problem(self) -> str | None:
        import h5py

        dataset, plist = self._dataset, self._plist
        if plist.get_layout() == h5py.h5d.VIRTUAL:
            return "a virtual dataset, which reads other files,"
        if plist.get_external_count():
            return "a dataset with external storage, which reads other files,"
        if dataset.shape is None:
            return "a dataset without a shape"
        if self._kind is None:
            return f"a dataset of dtype {dataset.get_type().get_class()}"
        if h5_chunks.would_load_plugin(plist):
            return "a dataset with a filter that would load a plugin"
        if self._is_chunked():
            return h5_chunks.problem(dataset, plist, self.nbytes)
        stored = dataset.get_storage_size()
        if stored < self.nbytes:
            return f"a dataset that declares {self.nbytes} bytes and stores {stored}"
        return None

    def read(self, shape: tuple[int, ...]) -> np.ndarray:
        """Returns the array.

        Args:
            shape: The shape that is expected of it.

        Raises:
            ValueError: If it has another shape, or is far larger than the file.
        """
        if self.shape != tuple(shape):
            raise self._reader.refuse(self.path, f"an array of shape {self.shape}, not {shape},")
        kind: Any = self._kind
        self._reader.spend(self.path, 2 * self.nbytes)
        with self._reader.reading(self.path):
            if h5_chunks.is_packed(self._plist):
                array = h5_chunks.read(self._dataset, self._plist, kind, self._reader.spend)
            else:
                if self._is_chunked():
                    h5_chunks.spend_on_chunk(self._plist, kind, self._reader.spend)
                array = np.empty(self.shape, kind.newbyteorder("="))
                if array.size:
                    self._dataset.read(*_everything(), array, self._memory_type())
        if self.dtype == "bfloat16":
            import ml_dtypes

            return array.view(ml_dtypes.bfloat16)
        return array

    def _is_chunked(self) -> bool:
        import h5py

        return self._plist.get_layout() == h5py.h5d.CHUNKED

    def _memory_type(self) -> Any:
        return self._dataset.get_type() if self.dtype == "bfloat16" else None


def _everything() -> tuple[Any, Any]:
    import h5py

    return h5py.h5s.ALL, h5py.h5s.ALL


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
