"""The `.weights.h5` layout: each layer's own weights, at the path on which the model holds it."""

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from jkeras.base.types import AnyOptimizer
from jkeras.core import parts, placement
from jkeras.core.layer import Layer
from jkeras.saving import atomic, errors, h5_writer, optimizer_state
from jkeras.saving.archive import parse_json
from jkeras.saving.h5_reader import Dataset, Group
from jkeras.saving.plan import Plan
from jkeras.saving.untrusted import open_hdf5

# How Keras 2.12 and 2.13 called the list of a model's layers.
_OLD_LAYERS = "_layer_checkpoint_dependencies"


# ------------------------------------------------------------------ writing
def write(
    model: Layer, root: Any, include_optimizer: bool = True, skip: Iterable[Any] = ()
) -> None:
    """Writes a model's weights, and its optimizer's state if there is one, to an open file.

    Args:
        model: The model.
        root: The file.
        include_optimizer: Whether to write the optimizer's state.
        skip: Layers that are left out.
    """
    for path, name, store in _stores(model, include_optimizer, skip):
        _write_store(root, path, name, store)


def write_shards(
    model: Layer, path: Path, max_shard_size: float, overwrite: bool, skip: Iterable[Any] = ()
) -> None:
    """Writes the same to several files, and an index of them.

    Args:
        model: The model.
        path: Where the index shall be: `x.weights.json`; the others are `x_00000.weights.h5`, ...
        max_shard_size: The most that one file may hold, in GiB.
        overwrite: Whether files that are there already may be replaced.
        skip: Layers that are left out.

    Raises:
        ValueError: If an array is larger than a file may be.
    """
    limit, size, total = max_shard_size * 2**30, 0.0, 0
    shards: list[list[tuple[str, str, dict[str, Any]]]] = [[]]
    for place, name, store in _stores(model, True, skip):
        for key, value in store.items():
            bytes_of_it = np.asarray(value).nbytes
            if bytes_of_it > limit:
                raise ValueError(
                    f"The array {key!r} of {place or name!r} has {bytes_of_it} bytes, which "
                    f"exceeds the maximum shard size of {max_shard_size} GiB. Pass a larger "
                    "`max_shard_size`."
                )
            if size + bytes_of_it > limit:
                shards.append([])
                size = 0.0
            if not shards[-1] or shards[-1][-1][0] != place:
                shards[-1].append((place, name, {}))
            shards[-1][-1][2][key] = value
            size, total = size + bytes_of_it, total + bytes_of_it
    stem = path.name.removesuffix(".json").removesuffix(".weights")
    files = [path.with_name(f"{stem}_{i:05}.weights.h5") for i in range(len(shards))]
    places: dict[str, list[str]] = {}
    for file, shard in zip(files, shards, strict=True):
        for place, _, _ in shard:
            places.setdefault(f"/{place}/vars" if place else "/vars", []).append(file.name)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    with ExitStack() as stack:  # entered first, the index is in its place last
        stack.enter_context(atomic.writing(path, overwrite)).write(
            json.dumps(index, indent=4).encode()
        )
        for file, shard in zip(files, shards, strict=True):
            opened = stack.enter_context(atomic.writing(file, overwrite))
            with h5_writer.create(opened) as root:
                for place, name, store in shard:
                    _write_store(root, place, name, store)


def _stores(
    model: Layer, include_optimizer: bool, skip: Iterable[Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields the paths and names of what has weights, and the weights."""
    skipped = set(map(id, skip))
    for _, path, layer, _ in parts.walk(model):
        if id(layer) not in skipped:
            store: dict[str, Any] = {}
            layer.save_own_variables(store)
            yield path, layer.name, store
    optimizer = getattr(model, "optimizer", None) if include_optimizer else None
    path = "optimizer"
    while optimizer is not None:  # of one that wraps another, the other's as well
        arrays = [placement.gathered(v.cell()) for v in optimizer.variables]
        yield path, optimizer.name, {str(i): a for i, a in enumerate(arrays)}
        optimizer, path = getattr(optimizer, "inner_optimizer", None), f"{path}/inner_optimizer"


def _write_store(root: Any, path: str, name: str, store: Mapping[str, Any]) -> None:
    group = root.create_group(f"{path}/vars" if path else "vars")
    h5_writer.write_text(group, "name", name)
    for key, value in store.items():
        h5_writer.write_array(group, key, value)


# ------------------------------------------------------------------ reading
class Tree:
    """The groups of a `.weights.h5` file by path, in files of all versions."""

    def __init__(self, root: Group):
        self._root = root
        self._old = root.group(_OLD_LAYERS) is not None

    def find(self, path: str) -> "Group | _Joined | None":
        """Returns the group of a path such as `"layers/dense/vars"`, or None."""
        if self._old:
            path = "/".join(_OLD_LAYERS if p == "layers" else p for p in path.split("/"))
        return self._root.group(path)

    def names(self, path: str) -> list[str]:
        """Returns the names of what is in the group of a path."""
        group = self.find(path)
        return [] if group is None else group.names()


def plan(
    model: Layer,
    source: "Tree | Shards",
    skip: Iterable[Any] = (),
    whole: bool = False,
    places: Mapping[Any, tuple[str, int | None]] | None = None,
) -> Plan:
    """Plans to read a model's weights.

    Args:
        model: The model, built.
        source: The file.
        skip: Layers that keep their weights.
        whole: Whether the file must hold no weights for layers that the model lacks.
        places: Where the file has the weights of what the model holds, if not at the attributes'
            paths; and the number of a weight that is one of several of another layer.
    """
    result, skipped, known = Plan(), set(map(id, skip)), {""}
    files = {layer: place for layer, (place, _) in (places or {}).items()}
    numbers = {layer: number for layer, (_, number) in (places or {}).items()}
    has_parts = any(not path and number is not None for path, number in (places or {}).values())
    for _, path, layer, _ in parts.walk(model, files):
        known.add(path)
        if id(layer) in skipped:
            continue
        group = source.find(f"{path}/vars" if path else "vars")
        reads_itself = type(layer).load_own_variables is not Layer.load_own_variables
        # What could hold a low-rank update, and does not, is read as others are: looked at first.
        if reads_itself and getattr(layer, "lora_enabled", True):
            result.call(functools.partial(layer.load_own_variables, StoredArrays(group)))
            continue
        variables = layer._saved_variables()
        if layer is model and has_parts and not variables:
            continue  # the weights that were its own are those of its parts
        datasets, number = numbered(group), numbers.get(layer)
        if number is not None:
            datasets = datasets[number : number + 1]
        if variables or datasets:
            result.add(layer, variables, datasets)
    if whole:
        result.problems += _left_over(source, known)
    return result


def _left_over(source: "Tree | Shards", known: set[str]) -> list[str]:
    """Returns what is wrong if lists of layers are longer in the file than in the model.

    Elsewhere the file may hold what is not a layer: the metrics in a model's attributes.
    """
    inside = {"/".join(p.split("/")[:i]) for p in known for i in range(1, p.count("/") + 1)}
    problems = []
    for container in sorted(inside - known):
        for name in source.names(container):
            path = f"{container}/{name}"
            if path in known or path in inside:
                continue
            below = [path, *(f"{path}/{n}" for n in source.names(path) if n != "vars")]
            if source.names(f"{path}/layers") or any(
                numbered(source.find(f"{p}/vars")) for p in below
            ):
                problems.append(f"The file has weights for {path!r}, a layer that the model lacks.")
    return problems


def numbered(group: "Group | _Joined | None") -> list[Dataset]:
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

    def __init__(self, group: "Group | _Joined | None"):
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


def plan_optimizer(result: Plan, optimizer: AnyOptimizer, source: "Tree | Shards") -> None:
    """Plans to read what an optimizer remembers, if the file has it."""
    saved = numbered(source.find("optimizer/vars"))
    named = [(str(i), dataset) for i, dataset in enumerate(saved)]
    optimizer_state.plan(result, optimizer, named)


class _Joined:
    """A group whose arrays lie in several files."""

    def __init__(self, groups: list[Group]):
        self._groups = groups

    def dataset(self, name: str) -> Dataset | None:
        """Returns an array by name; None if no file has it."""
        return next(filter(None, (group.dataset(name) for group in self._groups)), None)

    def names(self) -> list[str]:
        """Returns the names of all arrays."""
        return sorted({name for group in self._groups for name in group.names()})


class Shards:
    """A `.weights.json` index, and the `.weights.h5` files beside it that it names."""

    def __init__(self, path: Path, untrusted: bool = False):
        index = parse_json(path.read_bytes(), f"index {str(path)!r}")
        self._folder, self._untrusted, self._stack = path.parent, untrusted, ExitStack()
        self._files: dict[str, Group] = {}
        places = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(places, dict):
            raise ValueError(
                f"The file {str(path)!r} is not an index of weights: it has no weight_map."
            )
        self._places = {k.strip("/"): [v] if isinstance(v, str) else v for k, v in places.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def find(self, path: str) -> _Joined | None:
        """Returns the group of a path, or None."""
        found = [self._open(str(name)).group(path) for name in self._places.get(path, ())]
        groups = [group for group in found if group is not None]
        return _Joined(groups) if groups else None

    def names(self, path: str) -> list[str]:
        """Returns the names of what is in the group of a path."""
        below = [p.removeprefix(f"{path}/") for p in self._places if p.startswith(f"{path}/")]
        return sorted({p.split("/")[0] for p in below})

    def files(self) -> list[Group]:
        """Returns the roots of all files, in the order in which the index names them."""
        names = [str(name) for places in self._places.values() for name in places]
        return [self._open(name) for name in dict.fromkeys(names)]

    def _open(self, name: str) -> Group:
        if name not in self._files:
            path = self._folder / name
            inside = path.resolve().parent == self._folder.resolve()
            if Path(name).name != name or not inside:
                raise ValueError(f"Not allowed: the index names a file elsewhere, {name!r}.")
            if not path.is_file():
                raise errors.missing(path)
            opened = open_hdf5(path, str(path), untrusted=self._untrusted)
            self._files[name] = self._stack.enter_context(opened)
        return self._files[name]
