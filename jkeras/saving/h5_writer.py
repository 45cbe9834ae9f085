"""Arrays and lists of names, written to HDF5 as Keras writes them."""

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

# A list of names larger than this does not fit into an HDF5 object header.
_MAX_ATTRIBUTE_BYTES = 64512


# The layout of HDF5 1.10 (of 2016) has checksums of all that is not an array.
_LAYOUT = ("v110", "v110")
_CHUNK = 2**18  # stays in a processor's cache while HDF5 copies it, and sums it up
_INLINE = 4096  # bytes of an array that is kept with its name, and shares its checksum


def create(file: str | os.PathLike | IO[bytes], oldest: bool = False) -> Any:
    """Opens a new HDF5 file for writing.

    Args:
        file: The file.
        oldest: Whether the oldest layout is written, without checksums.
    """
    import h5py

    return h5py.File(file, "w", libver="earliest" if oldest else _LAYOUT)


def write_text(group: Any, attribute: str, text: str) -> None:
    """Writes a string as an attribute: of fixed length, so that a checksum covers it."""
    content = text.encode("utf-8")
    fits = len(content) < _MAX_ATTRIBUTE_BYTES or group.file.libver[0] != "earliest"
    group.attrs[attribute] = np.bytes_(content) if content and fits else text


def write_array(group: Any, name: str, array: Any) -> None:
    """Writes an array; bfloat16, which HDF5 does not know, as two bytes and a mark."""
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":
        create_dataset(group, name, array.view("V2")).attrs["dtype"] = np.bytes_("bfloat16")
    else:
        create_dataset(group, name, array)


def create_dataset(group: Any, name: str, array: np.ndarray) -> Any:
    """Writes an array with a checksum that every reader of HDF5 looks at."""
    import h5py

    if "\0" in name:
        raise ValueError(f"A file cannot hold an array whose name has a null: {name!r}.")
    if group.file.libver[0] == "earliest" or not array.size:
        return group.create_dataset(name, data=array)
    if array.nbytes > _INLINE:
        rows = max(_CHUNK * len(array) // array.nbytes, 1)
        chunks = (min(rows, len(array)), *array.shape[1:])
        return group.create_dataset(name, data=array, chunks=chunks, fletcher32=True)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space = h5py.h5s.create_simple(array.shape)
    kind = h5py.h5t.py_create(array.dtype, logical=True)
    made = h5py.h5d.create(group.id, None, kind, space, plist)
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(array), kind)
    h5py.h5o.link(made, group.id, name.encode("utf-8"), lcpl=links)
    return h5py.Dataset(made)


def write_names(group: Any, attribute: str, names: Sequence[str]) -> None:
    """Writes a list of names as an attribute, or in parts if it is too long for one.

    Raises:
        ValueError: If a single name is too long.
    """
    values = np.array([n.encode("utf-8") for n in names])
    if values.dtype.itemsize > _MAX_ATTRIBUTE_BYTES:
        longest = max(names, key=len)
        raise ValueError(f"The name {longest[:40]!r}... is too long for an HDF5 file.")
    count = -(-values.nbytes // _MAX_ATTRIBUTE_BYTES) if len(names) else 1
    parts = np.array_split(values, count)
    while any(part.nbytes > _MAX_ATTRIBUTE_BYTES for part in parts):
        count += 1
        parts = np.array_split(values, count)
    for i, part in enumerate(parts):
        group.attrs[attribute if count == 1 else f"{attribute}{i}"] = part
