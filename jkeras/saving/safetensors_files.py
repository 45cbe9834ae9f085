"""Weights in `.safetensors` files: arrays by name, and nothing else."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jkeras.base import extras, naming
from jkeras.base.types import AnyModel
from jkeras.core import parts
from jkeras.saving.budget import Budget, size_of
from jkeras.saving.h5_reader import Dataset
from jkeras.saving.plan import Plan

SUFFIX = ".safetensors"
_DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64",
}  # fmt: skip


def _library() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        need = "A `.safetensors` file needs the package safetensors"
        raise extras.missing(need, "safetensors", "safetensors") from None
    return safetensors


def write(model: AnyModel, file: IO[bytes], skip: Iterable[Any] = ()) -> None:
    """Writes a model's weights by their paths: `dense/kernel`."""
    skipped = {id(v) for layer in skip for v in layer.variables}
    arrays = {
        path: np.array(v.cell(), order="C")
        for path, v in parts.named_variables(model).items()
        if v.is_weight and id(v) not in skipped
    }
    file.write(_library().numpy.save(arrays, metadata={"format": "jkeras"}))


def is_safetensors(path: Path) -> bool:
    """Says whether a file begins as one of these does."""
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    return start[8:] == b"{" and 2 <= length <= path.stat().st_size - 8


@contextmanager
def opened(path: Path) -> Iterator[dict[str, Dataset]]:
    """Gives the arrays of a file by name; nothing is read yet.

    Raises:
        ValueError: If it is damaged.
    """
    library = _library()
    budget = Budget(size_of(path), str(path))
    try:
        with library.safe_open(os.fspath(path), framework="numpy") as file:
            names = list(file.keys())
            slices = {name: file.get_slice(name) for name in names}
            yield {n: _Array(file, n, part, budget) for n, part in slices.items()}
    except library.SafetensorError as error:
        raise ValueError(
            f"The file {str(path)!r} is not a safetensors file, or is damaged: {error}"
        ) from error


class _Array(Dataset):
    """An array in a safetensors file."""

    def __init__(self, file: Any, name: str, part: Any, budget: Budget):
        self._file, self.path, self.budget = file, name, budget
        self.shape, self.dtype = tuple(part.get_shape()), _DTYPES.get(part.get_dtype(), "")

    def _read(self) -> np.ndarray:
        if not self.dtype:
            raise ValueError(f"The array {self.path!r} has a dtype that NumPy lacks.")
        return self._file.get_tensor(self.path)


def plan(model: AnyModel, arrays: dict[str, Dataset], skip: Iterable[Any] = ()) -> Plan:
    """Plans to read a model's weights, by path; `.` in names stands for `/` as well."""
    result, found = Plan(), {name.replace(".", "/"): array for name, array in arrays.items()}
    skipped = set(map(id, skip))
    keys = {variable: path for path, variable in parts.named_variables(model).items()}
    used: set[str] = set()
    for _, _, layer, own in parts.walk(model):
        weights = [v for v in own if v.is_weight]
        names = [keys[v].replace(".", "/") for v in weights]
        used.update(names)
        if not weights or id(layer) in skipped:
            continue
        missing = [name for name in names if name not in found]
        if missing:
            near = naming.nearest(missing[0], found)
            result.problems.append(
                f"Layer {layer.name!r} ({type(layer).__name__}): the file has no {missing}{near}"
            )
            continue
        result.add(layer, weights, [found[name] for name in names])
    result.problems += [
        f"The file has {name!r}, which the model lacks." for name in sorted(found.keys() - used)
    ]
    return result
