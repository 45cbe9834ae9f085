"""Arrays and lists of names, written to HDF5 as Keras writes them."""

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

from jkeras.saving.fletcher32 import fletcher32

# A list of names larger than this does not fit into an HDF5 object header.
_MAX_ATTRIBUTE_BYTES = 64512


# The layout of HDF5 1.10 (of 2016) has checksums of all that is not an array.
_LAYOUT = ("v110", "v110")
_CHUNK = 2**20  # bytes that stay in a cache while they are summed up and written, as in readers'
_ALIGNED, _PAGE = 2**18, 4096  # bytes of what is aligned, and of a page
_INLINE = 4096  # bytes of an array that is kept with its name, and shares its checksum


def create(file: str | os.PathLike | IO[bytes], oldest: bool = False) -> Any:
    """Opens a new HDF5 file for writing.

    Args:
        file: The file.
        oldest: Whether the oldest layout is written, without checksums.
    """
    import h5py

    if oldest:
        return h5py.File(file, "w", libver="earliest")
    # Chunks begin on pages, of which the system then writes none twice.
    aligned = {"alignment_threshold": _ALIGNED, "alignment_interval": _PAGE}
    return h5py.File(file, "w", libver=_LAYOUT, **aligned)


def write_text(group: Any, attribute: str, text: str) -> None:
    """Writes a string as an attribute: of fixed length, so that a checksum covers it."""
    content = text.encode("utf-8")
    fits = len(content) < _MAX_ATTRIBUTE_BYTES or group.file.libver[0] != "earliest"
    group.attrs[attribute] = np.bytes_(content) if content and fits else text


def write_array(group: Any, name: str, array: np.ndarray) -> None:
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
        return _create_chunked(group, name, np.ascontiguousarray(array))
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


def _create_chunked(group: Any, name: str, array: np.ndarray) -> Any:
    """Writes an array by whole rows, with HDF5's own checksum, which is only taken faster here."""
    most = min(max(_CHUNK * len(array) // array.nbytes, 1), len(array))
    rows = -(-len(array) // -(-len(array) // most))
    chunks = (rows, *array.shape[1:])
    made = group.create_dataset(
        name, shape=array.shape, dtype=array.dtype, chunks=chunks, fletcher32=True
    )
    width, zeros = array.nbytes // len(array), [0] * (array.ndim - 1)
    size = rows * width
    content = array.reshape(-1).view(np.uint8)
    stored = np.empty(size + 4, np.uint8)  # one for all: new memory takes the system time
    for row in range(0, len(array), rows):
        part = content[row * width : row * width + size]
        stored[: len(part)] = part
        stored[len(part) : size] = 0
        checksum = fletcher32(stored[:size])
        stored[size:] = np.frombuffer(checksum.to_bytes(4, "little"), np.uint8)
        made.id.write_direct_chunk((row, *zeros), stored)
    return made


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
