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

import jax.numpy as jnp
import numpy as np

# The arrays that are read may be so much larger than the file (compression), or than this.
_MAX_GROWTH = 100
_MIN_ALLOWANCE = 16 * 2**20
_MAX_ATTRIBUTE_BYTES = 64 * 2**20
_DTYPE_KINDS = "fiub"
# deflate, shuffle, fletcher32, lzf: those that come with h5py. Others are loaded from plugins.
_FILTERS = (1, 2, 3, 32000)


class H5Reader:
    """An HDF5 file that is open for reading.

    Args:
        file: A path, or a file that can be searched.
        name: What to call it in messages; the path by default.

    Raises:
        ValueError: If it is no HDF5 file, or a damaged one.
    """

    def __init__(self, file: str | os.PathLike | IO[bytes], name: str | None = None):
        import h5py

        self.name = str(file) if name is None else name
        with self.reading(""):
            self._file = h5py.File(file, "r")
        self._allowance = max(_MIN_ALLOWANCE, _MAX_GROWTH * self._file.id.get_filesize())
        self.root = Group(self, self._file["/"], "")

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
            ) from None

    def spend(self, path: str, size: int) -> None:
        """Counts bytes that are about to be allocated.

        Raises:
            ValueError: If they are more, together with those before, than the file can mean.
        """
        self._allowance -= size
        if self._allowance < 0:
            raise self.refuse(path, f"an array of {size} bytes, far more than the file holds,")


class Group:
    """A group of an HDF5 file."""

    def __init__(self, reader: H5Reader, group: Any, path: str):
        self._reader, self._group, self.path = reader, group, path

    # -------------------------------------------------------------- members
    def names(self) -> list[str]:
        """Returns the names of what is in the group."""
        with self._reader.reading(self.path):
            return sorted(name.decode("utf-8", "surrogateescape") for name in self._group.id)

    def is_group(self, name: str) -> bool:
        """Says whether a member is a group."""
        return isinstance(self._child(name), Group)

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
            found = here._child(part)
            if found is None:
                return None
            here = found
        return here

    def _child(self, name: str) -> "Group | Dataset | None":
        import h5py

        path = f"{self.path}/{name}"
        if name in ("", ".", "..") or "\0" in name:
            raise self._reader.refuse(path, "a path with an empty part or dots")
        key = name.encode("utf-8", "surrogateescape")
        with self._reader.reading(path):
            links = self._group.id.links  # asked first: opening would follow the link
            if not links.exists(key):
                return None
            if links.get_info(key).type != h5py.h5l.TYPE_HARD:
                raise self._reader.refuse(path, "a link to elsewhere")
            item = self._group[key]
            if isinstance(item, h5py.Group):
                return Group(self._reader, item, path)
            if isinstance(item, h5py.Dataset):
                return Dataset(self._reader, item, path)
        raise self._reader.refuse(path, "an object that is neither a group nor a dataset")

    # -------------------------------------------------------------- attributes
    def has(self, attribute: str) -> bool:
        """Says whether the group has an attribute."""
        return attribute in self._group.attrs

    def text(self, attribute: str) -> str | None:
        """Returns an attribute that is a string; None if it is missing."""
        if not self.has(attribute):
            return None
        words = self._strings(attribute)
        if len(words) != 1:
            raise self._reader.refuse(self.path, f"an attribute {attribute!r} that is no string")
        return words[0]

    def texts(self, attribute: str) -> list[str] | None:
        """Returns an attribute that is a list of strings; None if it is missing.

        Long lists are stored in parts: `layer_names0`, `layer_names1`, ...
        """
        if self.has(attribute):
            return self._strings(attribute)
        words: list[str] = []
        count = 0
        while self.has(f"{attribute}{count}"):
            words += self._strings(f"{attribute}{count}")
            count += 1
        return words if count else None

    def _strings(self, attribute: str) -> list[str]:
        import h5py

        with self._reader.reading(f"{self.path}@{attribute}"):
            # The shape and dtype are looked at before anything is read.
            low = h5py.h5a.open(self._group.id, attribute.encode("utf-8"))
            if low.shape is None or math.prod(low.shape) == 0:
                return []  # an empty list of names is stored as floats
            if low.get_storage_size() > _MAX_ATTRIBUTE_BYTES:
                raise self._reader.refuse(self.path, f"an attribute {attribute!r} of that size")
            if h5py.check_string_dtype(low.dtype) is None:
                raise self._reader.refuse(self.path, f"an attribute {attribute!r} without text")
            values = np.asarray(self._group.attrs[attribute], dtype=object).reshape(-1)
        return [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values]


class Dataset:
    """An array in an HDF5 file, which is not read yet."""

    def __init__(self, reader: H5Reader, dataset: Any, path: str):
        self._reader, self._dataset, self.path = reader, dataset, path
        self.shape: tuple[int, ...] = dataset.shape or ()
        self.dtype = "bfloat16" if dataset.dtype.kind == "V" else dataset.dtype.name
        problem = self._problem()
        if problem is not None:
            raise reader.refuse(path, problem)

    @property
    def nbytes(self) -> int:
        """How many bytes the array takes in memory."""
        return math.prod(self.shape) * self._dataset.dtype.itemsize

    def _problem(self) -> str | None:
        dataset, plist = self._dataset, self._dataset.id.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if dataset.is_virtual:
            return "a virtual dataset, which reads other files,"
        if dataset.external:
            return "a dataset with external storage, which reads other files,"
        if dataset.shape is None:
            return "a dataset without a shape"
        if not set(filters) <= set(_FILTERS):
            return "a dataset with a filter that would load a plugin"
        if not _is_number(dataset.dtype):
            return f"a dataset of dtype {dataset.dtype}"
        stored = dataset.id.get_storage_size()
        if not filters and stored < self.nbytes:
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
        chunk = math.prod(self._dataset.chunks or (0,)) * self._dataset.dtype.itemsize
        self._reader.spend(self.path, max(self.nbytes, chunk))
        with self._reader.reading(self.path):
            array = np.asarray(self._dataset[()])
        return array.view(jnp.bfloat16) if self.dtype == "bfloat16" else array


def _is_number(dtype: np.dtype) -> bool:
    # NumPy knows no bfloat16: it is stored as two bytes without meaning.
    if dtype.kind == "V":
        return dtype.itemsize == 2 and dtype.names is None
    return dtype.kind in _DTYPE_KINDS and dtype.itemsize <= 8
