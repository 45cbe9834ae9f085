"""The `.weights.h5` layout: each layer's own weights, at the path on which the model holds it."""

import functools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from jkeras.core import parts
from jkeras.core.layer import Layer
from jkeras.saving import h5_writer, optimizer_state
from jkeras.saving.archive import parse_json
from jkeras.saving.h5_reader import Dataset, Group, H5Reader
from jkeras.saving.plan import Plan

# How Keras 2.12 and 2.13 called the list of a model's layers.
_OLD_LAYERS = "_layer_checkpoint_dependencies"


# ------------------------------------------------------------------ writing
def write(model: Layer, root: Any, include_optimizer: bool = True) -> None:
    """Writes a model's weights, and its optimizer's state if there is one, to an open file."""
    for _, path, layer, _ in parts.walk(model):
        store: dict[str, Any] = {}
        layer.save_own_variables(store)
        _write_store(root, path, layer.name, store)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and include_optimizer:
        write_optimizer(optimizer, root, "optimizer")


def write_optimizer(optimizer: Any, root: Any, path: str) -> None:
    """Writes what an optimizer remembers; of one that wraps another, the other's as well."""
    arrays = [np.asarray(v.cell()) for v in optimizer.variables]
    _write_store(root, path, optimizer.name, {str(i): a for i, a in enumerate(arrays)})
    inner = getattr(optimizer, "inner_optimizer", None)
    if inner is not None:
        write_optimizer(inner, root, f"{path}/inner_optimizer")


def _write_store(root: Any, path: str, name: str, store: Mapping[str, Any]) -> None:
    group = root.create_group(f"{path}/vars" if path else "vars")
    group.attrs["name"] = name
    for key, value in store.items():
        h5_writer.write_array(group, key, value)


# ------------------------------------------------------------------ reading
def plan(model: Layer, find: Any) -> Plan:
    """Plans to read a model's weights.

    Args:
        model: The model, built.
        find: Gives the group of a path such as `"layers/dense/vars"`, or None.
    """
    result = Plan()
    for _, path, layer, _ in parts.walk(model):
        group = find(f"{path}/vars" if path else "vars")
        if type(layer).load_own_variables is not Layer.load_own_variables:
            result.call(functools.partial(layer.load_own_variables, StoredArrays(group)))
            continue
        variables = layer._saved_variables()
        datasets = numbered(group)
        if variables or datasets:
            result.add(layer, variables, datasets)
    return result


def finder(root: Group) -> Any:
    """Returns a function that gives the group of a path, in files of all versions."""
    old = root.group(_OLD_LAYERS) is not None

    def find(path: str) -> Group | None:
        if old:
            path = "/".join(_OLD_LAYERS if p == "layers" else p for p in path.split("/"))
        return root.group(path)

    return find


def numbered(group: Group | None) -> list[Dataset]:
    """Returns the datasets `0`, `1`, ... of a group."""
    found: list[Dataset] = []
    while group is not None:
        dataset = group.dataset(str(len(found)))
        if dataset is None:
            break
        found.append(dataset)
    return found


class StoredArrays(Mapping):
    """The arrays of a group by name, for layers with a `load_own_variables` of their own."""

    def __init__(self, group: Group | None):
        self._group = group

    def __getitem__(self, name: str) -> np.ndarray:
        dataset = self._group.dataset(name) if self._group is not None else None
        if dataset is None:
            raise KeyError(name)
        return dataset.read(dataset.shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._group.names() if self._group is not None else ())

    def __len__(self) -> int:
        return len(list(iter(self)))


def load_optimizer(optimizer: Any, find: Any) -> None:
    """Reads what an optimizer remembers, if the file has it."""
    saved = numbered(find("optimizer/vars"))
    optimizer_state.load(optimizer, [(str(i), dataset) for i, dataset in enumerate(saved)])


class Shards:
    """A `.weights.json` index, and the `.weights.h5` files beside it that it names."""

    def __init__(self, path: Path):
        index = parse_json(path.read_bytes(), f"index {str(path)!r}")
        self._folder, self._stack = path.parent, ExitStack()
        self._files: dict[str, Group] = {}
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict):
            raise ValueError(
                f"The file {str(path)!r} is no index of weights: it has no weight_map."
            )
        self._places = {k.strip("/"): [v] if isinstance(v, str) else v for k, v in places.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def find(self, path: str) -> Group | None:
        """Returns the group of a path."""
        for name in self._places.get(path, ()):
            group = self._open(str(name)).group(path)
            if group is not None:
                return group
        return None

    def _open(self, name: str) -> Group:
        if name not in self._files:
            if Path(name).name != name:
                raise ValueError(f"Not allowed: the index names a file elsewhere, {name!r}.")
            reader = self._stack.enter_context(H5Reader(self._folder / name))
            self._files[name] = reader.root
        return self._files[name]
