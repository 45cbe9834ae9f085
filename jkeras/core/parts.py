"""The one walk over a layer, the layers inside of it, and their variables.

Each layer has two paths. Keras's format fixes that of files: the attributes on which layers are
held (`enc/layers/dense`). All else goes by `path`: the layers' names (`sequential/dense`), a layer
without a name of its own being called by its class, counted in the layer that holds it. So the
keys of `params` and the random numbers depend neither on other models nor on what ran before, and
no name is looked at for whether it was counted: a counted name is a `naming.AutomaticName`, which
knows its root.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from jkeras.base import naming
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable

# Attributes that hold a layer's own records, and no parts of it.
_RECORDS = frozenset({"_arguments", "_calls", "_added_losses"})


class Module:
    """What holds variables and other modules in its attributes, or in lists, tuples and dicts."""

    name: str
    _name: str
    built: bool
    __call__: Callable[..., Any]
    compute_output_spec: Callable[..., Any]
    losses: Any
    _trainable: bool
    # Whether files have the attribute `layers` before the others.
    _saves_layers_first: bool = False

    def _attributes(self) -> dict[str, Any]:
        """Returns the attributes that may hold parts, in the order of definition."""
        return {k: v for k, v in self.__dict__.items() if k not in _RECORDS}

    @property
    def _layers(self) -> list[Any]:
        """The modules in this one's attributes, in the order of definition, each once."""
        return _unique(held(self)[0])

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """Returns this module and those below it, depth first, each once."""
        nodes = _nodes(self).values()
        found = [node.layer for node in nodes] if recursive else [self, *self._layers]
        return found if include_self else found[1:]

    @property
    def variables(self) -> list[Variable]:
        """All variables of the layer and its sub-layers, seeds included."""
        found: list[Variable] = []
        for node in _nodes(self).values():
            found.extend([v for v in node.variables if v.made_trainable])
            found.extend([v for v in node.variables if not v.made_trainable])
        return found

    @property
    def weights(self) -> list[Variable]:
        """The weights of the layer and its sub-layers: each layer's trainable ones first."""
        return [v for v in self.variables if v.is_weight]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may change."""
        return [v for v in self.variables if v.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may not change."""
        return [v for v in self.variables if not v.trainable]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may change."""
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may not change."""
        return [v for v in self.weights if not v.trainable]

    @property
    def trainable(self) -> bool:
        """Whether optimizers may change the weights; setting it reaches all sub-layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = value = bool(value)
        modules, variables = held(self)
        for variable in variables:
            if variable.made_trainable:
                variable.trainable = value
        for module in _unique(modules):
            module.trainable = value

    def count_params(self) -> int:
        """Returns how many numbers the weights hold.

        Raises:
            ValueError: If the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"The layer {self.name!r} isn't built, so its parameters cannot be counted yet. "
                "Call it on data, or call build(input_shape)."
            )
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns the weights as NumPy arrays."""
        return [np.array(weight.numpy()) for weight in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Sets the weights.

        Args:
            weights: Arrays of the shapes, and in the order, of `get_weights()`.

        Raises:
            ValueError: If the number of arrays or a shape differs.
        """
        own, arrays = self.weights, list(weights)
        if len(own) != len(arrays):
            raise ValueError(
                f"set_weights() of the layer {self.name!r} got {len(arrays)} arrays, but the layer "
                f"has {len(own)} weights: {[w.path for w in own]}."
                + ("" if self.built else " It is not built yet: call it on data first.")
            )
        for weight, array in zip(own, arrays, strict=True):
            if np.shape(array) != weight.shape:
                raise ValueError(
                    f"The weight {weight.path!r} of the layer {self.name!r} has shape "
                    f"{weight.shape}, but got an array of shape {np.shape(array)}."
                )
        for weight, array in zip(own, arrays, strict=True):
            weight.take(array)

    @property
    def metrics(self) -> list[Any]:
        """The metric objects in this layer's and its sub-layers' attributes."""
        found = {
            id(value): value
            for layer in self._flatten_layers()
            for value in find(layer._attributes(), _is_metric)
        }
        return list(found.values())

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of `metrics`."""
        return [variable for metric in self.metrics for variable in metric.variables]


class Part(NamedTuple):
    """One layer in a tree of layers.

    `path` consists of names, and is empty for the root; `file_path` consists of attributes, as
    Keras's files have it; `variables` are the layer's own, not those of layers inside of it, in
    the order in which they were made.
    """

    path: str
    file_path: str
    layer: Any
    variables: list[Variable]


class _Node(NamedTuple):
    path: str
    layer: Any
    modules: list[tuple[str, Any]]  # what the layer holds, with the places that files give it
    variables: list[Variable]


def walk(root: Module) -> list[Part]:
    """Returns the parts of a layer, itself included: depth first, in the order of definition.

    A layer that is held at several places is one part, at the first of them; so is a variable.
    """
    nodes = _nodes(root)
    file_paths: dict[int, str] = {}

    def visit(path: str, layer: Module) -> None:
        file_paths[id(layer)] = path
        for name, child in _in_file_order(layer, nodes[id(layer)].modules):
            if id(child) not in file_paths:
                visit(f"{path}/{name}" if path else name, child)

    visit("", root)
    return [
        Part(path, file_paths[key], layer, variables)
        for key, (path, layer, _, variables) in nodes.items()
    ]


def _nodes(root: Module) -> dict[int, _Node]:
    """Returns what is below a layer, depth first, without the paths of files."""
    nodes: dict[int, _Node] = {}
    seen: set[int] = set()

    def visit(path: str, layer: Module) -> None:
        modules, variables = held(layer)
        own = [v for v in variables if id(v) not in seen]
        seen.update([id(v) for v in own])
        nodes[id(layer)] = _Node(path, layer, modules, own)
        taken: dict[str, int] = {}
        for child in _unique(modules):
            name = naming.claim(naming.root(child._name), taken)
            if id(child) not in nodes:
                visit(f"{path}/{name}" if path else name, child)

    visit("", root)
    return nodes


def paths(root: Module) -> dict[Any, str]:
    """Returns the paths of all parts by layer."""
    return {node.layer: node.path for node in _nodes(root).values()}


def named_variables(layer: Module) -> dict[str, Variable]:
    """Returns all variables of a layer by path, in order of definition."""
    named: dict[str, Variable] = {}
    taken: dict[str, int] = {}
    for path, _, _, variables in _nodes(layer).values():
        for variable in variables:
            name = f"{path}/{variable.root_name}" if path else variable.root_name
            named[naming.claim(name, taken)] = variable
    return named


def find(value: Any, wanted: Callable[[Any], bool]) -> list[Any]:
    """Returns what is wanted in a value, or in the lists, tuples, sets and dicts it is made of."""
    return [item for _, item in _opened("", [value]) if wanted(item)]


# ------------------------------------------------------------------ one layer's attributes
def held(layer: Module) -> tuple[list[tuple[str, Any]], list[Variable]]:
    """Returns the modules in a layer's attributes, by their places in files; and its variables."""
    modules: list[tuple[str, Any]] = []
    variables: dict[int, Variable] = {}
    for attribute, value in layer._attributes().items():
        if type(value) in _PLAIN:
            continue
        is_container = isinstance(value, _CONTAINERS)
        for place, item in _opened(attribute, value) if is_container else [(attribute, value)]:
            if isinstance(item, Module):
                modules.append((place, item))
            elif isinstance(item, Variable):
                variables[id(item)] = item
            elif isinstance(item, SeedGenerator):
                variables[id(item.state)] = item.state
    return modules, sorted(variables.values(), key=attrgetter("order"))


def _unique(modules: Iterable[tuple[str, Any]]) -> list[Any]:
    return list({id(module): module for _, module in modules}.values())


def _opened(place: str, container: Any, inside: tuple[int, ...] = ()) -> list[tuple[str, Any]]:
    """Returns what is in a container, and in those in it, with the places that files give it.

    There, layers are called by their classes, counted in each container.
    """
    found: list[tuple[str, Any]] = []
    taken: dict[str, int] = {}
    for item in container.values() if isinstance(container, Mapping) else container:
        if type(item) in _PLAIN:
            continue
        if isinstance(item, Module):
            name = naming.claim(naming.to_snake_case(type(item).__name__), taken)
            found.append((f"{place}/{name}", item))
        elif not isinstance(item, _CONTAINERS):
            found.append((place, item))
        elif id(item) not in inside:  # else it contains itself
            name = naming.claim("container", taken)
            found += _opened(f"{place}/{name}", item, (*inside, id(item)))
    return found


def _in_file_order(layer: Module, modules: list[tuple[str, Module]]) -> list[tuple[str, Module]]:
    """Sorts what a layer holds by attribute, private ones last."""

    def key(entry: tuple[str, Module]) -> tuple[bool, bool, str]:
        attribute = entry[0].partition("/")[0]
        first = attribute == "layers" and layer._saves_layers_first
        return not first, attribute.startswith("_"), attribute

    return sorted(modules, key=key)


def _is_metric(value: Any) -> bool:
    return hasattr(value, "update_state") and hasattr(value, "reset_state")


_CONTAINERS = (list, tuple, set, dict, Mapping)
_PLAIN = frozenset({type(None), bool, int, float, str})
