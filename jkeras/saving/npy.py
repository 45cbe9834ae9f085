"""Arrays as members of a zip archive, in NumPy's format, read under the archive's limits."""

import io
import math
from typing import Any

import ml_dtypes
import numpy as np

from jkeras.saving.archive import Archive

_HEADER = 2**16


def write_array(array: np.ndarray) -> bytes:
    """Returns an array in NumPy's format; dtypes that it does not know as unsigned integers."""
    file = io.BytesIO()
    array = np.asarray(array)
    if array.dtype.kind == "V" or not array.dtype.isbuiltin:
        array = array.view(f"u{array.dtype.itemsize}")
    np.lib.format.write_array(file, array, allow_pickle=False)
    return file.getvalue()


def read_array(members: Archive, name: str, dtype: str, limit: int | None = None) -> np.ndarray:
    """Returns an array of an archive.

    Args:
        members: The archive.
        name: The member.
        dtype: The name of the dtype that it shall have.
        limit: The most bytes that it may have.

    Raises:
        ValueError: If it is missing or damaged, has another dtype, or says that it is larger than
            its member.
    """
    with members.open(name, limit) as file:
        data = file.read()
    members.budget.spend(len(data), f"the array {name!r}")
    header = io.BytesIO(data[:_HEADER])
    version = np.lib.format.read_magic(header)
    read: Any = np.lib.format.read_array_header_1_0
    shape, is_fortran, found = (read if version == (1, 0) else _read_2_0)(header)
    wanted = np.dtype(getattr(ml_dtypes, dtype, None) or dtype)
    size = math.prod(shape) * wanted.itemsize
    kind = found if wanted.isbuiltin else np.dtype(f"u{wanted.itemsize}")
    fits = found.kind in "biufc" and (found in (wanted, kind))
    if not fits or found.itemsize != wanted.itemsize or header.tell() + size != len(data):
        raise ValueError(
            f"The member {name!r} of {str(members.path)!r} is not an array of dtype {dtype!r}, or "
            "has another size than it says."
        )
    array = np.frombuffer(bytearray(data[header.tell() :]), wanted)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _read_2_0(file: Any) -> Any:
    return np.lib.format.read_array_header_2_0(file)
