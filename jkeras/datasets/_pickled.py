"""Arrays and lists from the pickles that some old data sets are published as.

Only lists, dicts, numbers, strings and NumPy arrays are read. Nothing that a pickle names is
imported or called: NumPy's names stand for the small classes below, and every other is refused.
(The checksum of such a file has been checked before: this is the second lock.)
"""

import io
import math
import pickle
import zipfile
from typing import IO, Any

import numpy as np


def load(file: IO[bytes]) -> Any:
    """Returns what a pickle holds, its arrays as NumPy arrays; Python 2's strings as bytes.

    Raises:
        pickle.UnpicklingError: If it names anything but NumPy's arrays.
    """
    return _finished(_Unpickler(file, encoding="bytes").load())


def load_npz(contents: io.BytesIO) -> dict[str, np.ndarray]:
    """Returns the arrays of an `.npz` file; arrays of lists are read as `load` reads them."""
    arrays = {}
    with zipfile.ZipFile(contents) as members:
        for member in members.namelist():
            with members.open(member) as file:
                arrays[member.removesuffix(".npy")] = _load_npy(io.BytesIO(file.read()))
    return arrays


def _load_npy(file: io.BytesIO) -> np.ndarray:
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[np.lib.format.read_magic(file)]
    _, _, dtype = read_header(file)
    if dtype.hasobject:
        return load(file)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


class _Array:
    """Stands for an array while its pickle is read."""

    state: tuple | None = None

    def __setstate__(self, state: tuple) -> None:
        self.state = state

    def finished(self) -> np.ndarray:
        if self.state is None:
            raise pickle.UnpicklingError("The pickle of an array ends before its contents.")
        _, shape, dtype, fortran_order, contents = self.state
        if dtype.name.startswith("O"):
            if len(contents) != math.prod(shape):
                raise pickle.UnpicklingError(f"{len(contents)} objects are not of shape {shape}.")
            flat = np.fromiter(contents, object)
        else:
            flat = np.frombuffer(contents, dtype.finished())
        return flat.reshape(shape[::-1]).T if fortran_order else flat.reshape(shape)


class _Dtype:
    """Stands for a dtype while its pickle is read."""

    def __init__(self, name: str | bytes, *_: Any):
        self.name = name.decode("ascii") if isinstance(name, bytes) else name
        self.byte_order = "|"

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        self.byte_order = order.decode("ascii") if isinstance(order, bytes) else order

    def finished(self) -> np.dtype:
        if self.name[:1] not in "biuf" or self.byte_order not in "<>|=":
            raise pickle.UnpicklingError(f"An array of dtype {self.name!r} is not read.")
        return np.dtype(self.byte_order + self.name)


def _encode(text: str, encoding: str) -> bytes:
    """Python 3 writes bytes like this in Python 2's format."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"The encoding {encoding!r} is not read.")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): None,  # only handed to _reconstruct
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("numpy._core.multiarray", "_reconstruct"): lambda *_: _Array(),
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _STAND_INS:
            raise pickle.UnpicklingError(
                f"Refused to read a pickle that names {module}.{name}: it is not a data set."
            )
        return _STAND_INS[module, name]


def _finished(value: Any) -> Any:
    """Returns `value` with NumPy's arrays in place of their stand-ins."""
    if isinstance(value, _Array):
        return value.finished()
    if isinstance(value, dict):
        return {k: _finished(v) for k, v in value.items()}
    return value
