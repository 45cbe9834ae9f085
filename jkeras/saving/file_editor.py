"""KerasFileEditor: looking into weights files, and changing them without their model."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from jkeras.base.types import AnyModel
from jkeras.saving import archive, atomic, errors, h5_writer, keras_format
from jkeras.saving.h5_reader import Group, H5Reader

Store = dict[str, Any]


class KerasFileEditor:
    """The weights of a `.weights.h5` or `.keras` file, to look at, to change, and to save anew.

    Objects are named by their place, `"layers/dense"`, or by the end of it, `"dense"`, if that is
    the only one of its name.

    Args:
        filepath: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is neither.

    Example:
        >>> import os, tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> folder = tempfile.mkdtemp()
        >>> model.save_weights(f"{folder}/a.weights.h5")
        >>> editor = keras.saving.KerasFileEditor(f"{folder}/a.weights.h5")
        >>> editor.rename_object("dense", "classifier")
        >>> sorted(editor.weights_dict["layers"])
        ['classifier']
        >>> editor.save(f"{folder}/b.weights.h5")
    """

    def __init__(self, filepath: str | os.PathLike):
        path = Path(filepath)
        if not path.is_file():
            raise errors.missing(path)
        if path.suffix not in (".keras", ".h5", ".hdf5"):
            raise ValueError(
                "Invalid filename: expected a `.keras` `.weights.h5` extension. "
                f"Received: filepath={filepath}"
            )
        self.filepath = path
        self._config: bytes | None = None
        if path.suffix == ".keras":
            with archive.Archive(path) as members:
                self._config = members.read("config.json")
                with keras_format.open_weights(members) as file:
                    self.weights_dict = _read(file)
        else:
            with H5Reader(path) as file:
                self.weights_dict = _read(file.root)

    # -------------------------------------------------------------- looking
    def summary(self, file: TextIO | None = None) -> None:
        """Prints the objects with their weights' shapes.

        Args:
            file: Where to; the screen by default.
        """
        print(f"Keras file '{self.filepath}'", file=file or sys.stdout)
        for place, weights in self._objects():
            print(f"  {place or '(root)'}", file=file or sys.stdout)
            for name, value in weights.items():
                line = f"    {name}: shape={np.shape(value)}, dtype={np.asarray(value).dtype}"
                print(line, file=file or sys.stdout)

    def compare(self, reference_model: AnyModel) -> dict[str, Any]:
        """Prints and returns how the file differs from what a model would save.

        Args:
            reference_model: The model, built.

        Returns:
            A dict: `"status"` is `"success"` if nothing does, else `"mismatch"`, with `"missing"`
            objects (that the file lacks), `"extra"` ones, and `"shapes"` that differ.
        """
        from jkeras.core import parts

        expected: dict[str, dict[str, tuple]] = {}
        for _, path, layer, _ in parts.walk(reference_model):
            store: Store = {}
            layer.save_own_variables(store)
            if store:
                expected[path] = {k: np.shape(v) for k, v in store.items()}
        found = {
            place: {k: np.shape(v) for k, v in weights.items()}
            for place, weights in self._objects()
            if weights and place.split("/")[0] != "optimizer"
        }
        missing = sorted(expected.keys() - found.keys())
        extra = sorted(found.keys() - expected.keys())
        shapes = {
            place: {"file": found[place], "model": expected[place]}
            for place in sorted(expected.keys() & found.keys())
            if expected[place] != found[place]
        }
        status = "mismatch" if missing or extra or shapes else "success"
        for word, places in (("missing in the file", missing), ("only in the file", extra)):
            for place in places:
                print(f"{place}: {word}")  # noqa: T201
        for place, pair in shapes.items():
            print(f"{place}: {pair['file']} in the file, {pair['model']} in the model")  # noqa: T201
        if status == "success":
            print("Comparison successful: saved file is compatible with the reference model")  # noqa: T201
        return {"status": status, "missing": missing, "extra": extra, "shapes": shapes}

    def _objects(self) -> Iterator[tuple[str, Store]]:
        def walk(place: str, node: Store) -> Iterator[tuple[str, Store]]:
            if "vars" in node:
                yield place, node["vars"]
            for name, child in node.items():
                if name != "vars":
                    yield from walk(f"{place}/{name}" if place else name, child)

        return walk("", self.weights_dict)

    # -------------------------------------------------------------- changing
    def rename_object(self, object_name: str, new_name: str) -> None:
        """Renames an object; its place stays."""
        holder, name = self._find(object_name)
        new = new_name.rpartition("/")[2]
        if new in holder:
            raise ValueError(f"There is an object {new!r} already.")
        renamed = {new if k == name else k: v for k, v in holder.items()}
        holder.clear()
        holder.update(renamed)

    def delete_object(self, object_name: str) -> None:
        """Deletes an object, and what is below it."""
        holder, name = self._find(object_name)
        del holder[name]

    def add_object(self, object_path: str, weights: Mapping[str, Any]) -> None:
        """Adds an object at a place that is free.

        Args:
            object_path: Its whole place: `"layers/dense_2"`.
            weights: From names (`"0"`, `"1"`) to arrays.
        """
        _check_weights(weights)
        *above, name = object_path.split("/")
        node = self.weights_dict
        for part in above:
            node = node.setdefault(part, {})
        if "vars" in node.get(name, {}):
            raise ValueError(f"There is an object at {object_path!r} already.")
        node.setdefault(name, {})["vars"] = {k: np.asarray(v) for k, v in weights.items()}

    def delete_weight(self, object_name: str, weight_name: str) -> None:
        """Deletes one weight of an object."""
        store = self._weights_of(object_name)
        if weight_name not in store:
            raise ValueError(
                f"Weight {weight_name!r} not found in object {object_name!r}. "
                f"Weights found: {list(store)}"
            )
        del store[weight_name]

    def add_weights(self, object_name: str, weights: Mapping[str, Any]) -> None:
        """Adds weights to an object, or replaces them.

        Args:
            object_name: The object.
            weights: From names (`"0"`, `"1"`) to arrays.
        """
        _check_weights(weights)
        self._weights_of(object_name).update({k: np.asarray(v) for k, v in weights.items()})

    def _weights_of(self, object_name: str) -> Store:
        holder, name = self._find(object_name)
        return holder[name].setdefault("vars", {})

    def _find(self, object_name: str) -> tuple[Store, str]:
        """Returns the dict in which an object is, and its name there."""
        wanted = object_name.strip("/").split("/")
        found: list[tuple[Store, str]] = []

        def walk(node: Store, place: list[str]) -> None:
            for name, child in node.items():
                if name == "vars":
                    continue
                here = [*place, name]
                if here == wanted:
                    found.insert(0, (node, name))
                elif here[-len(wanted) :] == wanted:
                    found.append((node, name))
                walk(child, here)

        walk(self.weights_dict, [])
        whole = [f for f in found[:1] if _place_of(self.weights_dict, f) == wanted]
        if whole:
            return whole[0]
        if len(found) == 1:
            return found[0]
        if found:
            raise ValueError(f"Name {object_name!r} occurs more than once in the model.")
        raise ValueError(
            f"Object {object_name!r} not found in the file. Objects found: "
            f"{[place for place, _ in self._objects()]}"
        )

    # -------------------------------------------------------------- saving
    def save(self, filepath: str | os.PathLike) -> None:
        """Writes the weights to a `.weights.h5` file.

        Args:
            filepath: Its path.

        Raises:
            ValueError: If the path ends otherwise.
        """
        if not str(filepath).endswith(".weights.h5"):
            raise ValueError(
                f"Invalid `filepath` argument: expected a `.weights.h5` extension. Received: "
                f"filepath={filepath}"
            )

        def write(group: Any, node: Store) -> None:
            for name, child in node.items():
                inner = group.create_group(name)
                if name == "vars":
                    for key, value in child.items():
                        h5_writer.write_array(inner, key, np.asarray(value))
                else:
                    write(inner, child)

        with atomic.writing(filepath) as file, h5_writer.create(file) as root:
            write(root, self.weights_dict)

    resave_weights = save


def _place_of(tree: Store, found: tuple[Store, str]) -> list[str] | None:
    """Returns the place of what `_find` found."""

    def walk(node: Store, place: list[str]) -> list[str] | None:
        if node is found[0]:
            return [*place, found[1]]
        for name, child in node.items():
            if name != "vars" and isinstance(child, dict):
                inner = walk(child, [*place, name])
                if inner is not None:
                    return inner
        return None

    return walk(tree, [])


def _check_weights(weights: Any) -> None:
    if not isinstance(weights, Mapping):
        raise ValueError(
            "Argument `weights` should be a dict where keys are weight names (usually '0', '1', "
            f"etc.) and values are NumPy arrays. Received: type(weights)={type(weights)}"
        )


def _read(group: Group) -> Store:
    """Returns the groups of a file as dicts, and the arrays of those named `vars`."""
    found: Store = {}
    for name in group.names():
        inner = group.group(name)
        if inner is None:
            continue
        if name != "vars":
            found[name] = _read(inner)
            continue
        arrays: Store = {}
        for key in inner.names():
            dataset = inner.dataset(key)
            if dataset is not None:
                arrays[key] = dataset.read(dataset.shape)
        found[name] = arrays
    return found
