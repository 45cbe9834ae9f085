"""Arrays and lists of names, written to HDF5 as Keras writes them."""

import os
from collections.abc import Sequence
from typing import IO, Any

import numpy as np

# A list of names larger than this does not fit into an HDF5 object header.
_MAX_ATTRIBUTE_BYTES = 64512


def create(file: str | os.PathLike | IO[bytes]) -> Any:
    """Opens a new HDF5 file for writing."""
    import h5py

    return h5py.File(file, "w")


def write_array(group: Any, name: str, array: Any) -> None:
    """Writes an array; bfloat16, which HDF5 does not know, as two bytes and a mark."""
    array = np.asarray(array)
    if array.dtype.name == "bfloat16":
        dataset = group.create_dataset(name, data=array.view("V2"))
        dataset.attrs["dtype"] = "bfloat16"
    else:
        group.create_dataset(name, data=array)


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
