"""The one walk over a layer, the layers inside of it, and their variables.

Each layer has two paths. Keras's format fixes that of files: the attributes on which layers are
held (`enc/layers/dense`). All else goes by `path`: the layers' names (`sequential/dense`), a layer
without a name of its own being called by its class, counted in the layer that holds it. So the
keys of `params` and the random numbers depend neither on other models nor on what ran before, and
no name is looked at for whether it was counted: a counted name is a `naming.AutomaticName`, which
knows its root.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from jkeras import constraints, initializers, regularizers
from jkeras.base import naming
from jkeras.base.types import DTypeLike, Identifier, Shape
from jkeras.core import placement, policy, scope
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable

# Attributes that hold a layer's own records, and no parts of it.
# fmt: off
_RECORDS = frozenset({
    "_arguments", "_calls", "_added_losses", "_untracked", "_part_paths", "_build_shapes",
    "_seen_shapes", "_written_graph", "_before_calls",
})
# fmt: on


class _GivesWay:
    """A property that gives way to an attribute of the same name, which a subclass may have."""

    def __init__(self, read: Callable[[Any], Any]):
        self._read = read

    def __get__(self, module: Any, owner: Any = None) -> Any:
        return self if module is None else self._read(module)


class Module(naming.Named):
    """What holds variables and other modules in its attributes, or in lists, tuples and dicts."""

    _own_weights: Sequence[Variable] = ()
    # Variables in attributes that are not the layer's all the same.
    _untracked: Sequence[Variable] = ()
    variable_dtype: str
    built: bool
    __call__: Callable[..., Any]
    compute_output_spec: Callable[..., Any]
    losses: Any
    _trainable: bool
    # The paths of parts that a recorded graph has taken from the model whose call it is.
    _part_paths: Mapping[Any, str] | None = None
    # Whether files have the attribute `layers` before the others.
    _saves_layers_first: bool = False
    # The class by which files call it in a list, if it stands for a class that is not there.
    _class_in_files: str | None = None

    def _attributes(self) -> dict[str, Any]:
        """Returns the attributes that may hold parts, in the order of definition."""
        attributes = dict(self.__dict__)
        for name in _RECORDS:
            attributes.pop(name, None)
        return attributes

    _layers: Any = _GivesWay(lambda self: children(self))

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Any]:
        """Returns this module and those below it, depth first, each once."""
        nodes = _nodes(self).values()
        found = [node.layer for node in nodes] if recursive else [self, *children(self)]
        return found if include_self else found[1:]

    @property
    def variables(self) -> list[Variable]:
        """All variables of the layer and its sub-layers, seeds included.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.BatchNormalization()
            >>> layer.build((None, 3))
            >>> [variable.name for variable in layer.variables]
            ['gamma', 'beta', 'moving_mean', 'moving_variance']
        """
        found: list[Variable] = []
        for node in _nodes(self).values():
            found += sorted(node.variables, key=_MADE_TRAINABLE, reverse=True)
        return found

    @property
    def weights(self) -> list[Variable]:
        """The weights of the layer and its sub-layers: each layer's trainable ones first.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
            >>> layer.build((None, 3))
            >>> [(weight.name, weight.shape) for weight in layer.weights]
            [('kernel', (3, 2)), ('bias', (2,))]
        """
        return [v for v in self.variables if v.is_weight]

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may change.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
            >>> layer.build((None, 3))
            >>> [variable.name for variable in layer.trainable_variables]
            ['kernel', 'bias']
        """
        return [v for v in self.variables if v.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may not change."""
        return [v for v in self.variables if not v.trainable]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may change.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
            >>> layer.build((None, 3))
            >>> layer.trainable = False
            >>> layer.trainable_weights
            []
        """
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may not change.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.BatchNormalization()
            >>> layer.build((None, 3))
            >>> [weight.name for weight in layer.non_trainable_weights]
            ['moving_mean', 'moving_variance']
        """
        return [v for v in self.weights if not v.trainable]

    @property
    def trainable(self) -> bool:
        """Whether optimizers may change the weights; setting it reaches all sub-layers.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            >>> model.trainable = False
            >>> model.layers[0].trainable, len(model.trainable_weights)
            (False, 0)
        """
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

    def add_weight(
        self,
        *args: Any,
        shape: Shape = None,
        initializer: Identifier = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Identifier = None,
        constraint: Identifier = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Makes a weight of this layer.

        Args:
            *args: The shape, the initializer, the dtype; or, as in Keras 2, the name and the shape.
            shape: The shape; `()` by default.
            initializer: A name, an initializer or a function of (shape, dtype); Glorot's uniform
                distribution for floating weights by default, else zeros.
            dtype: The dtype; the layer's by default.
            trainable: Whether optimizers may change it.
            autocast: Whether `call` reads it in the compute dtype.
            regularizer: A function of the weight (or its name) that gives a loss.
            constraint: A function of the weight (or its name) that is applied after each update.
            aggregation: Accepted for Keras's sake.
            overwrite_with_gradient: Whether the gradient replaces the value.
            name: The name in the layer.

        Returns:
            The weight.

        Raises:
            ValueError: If the shape is not one, or has an axis of unknown size; in `call`.

        Example:
            >>> import jkeras as keras
            >>> class Scale(keras.layers.Layer):
            ...     def build(self, input_shape):
            ...         self.gain = self.add_weight((input_shape[-1],), "ones", name="gain")
            ...
            ...     def call(self, inputs):
            ...         return inputs * self.gain
            >>> layer = Scale()
            >>> layer.build((None, 2))
            >>> layer.gain.name, layer.gain.numpy().tolist()
            ('gain', [1.0, 1.0])
        """
        here = scope.current()
        if here is not None and here.callers and here.callers[-1] is self:
            raise ValueError(
                "You cannot add new elements of state (variables or sub-layers) to a layer in its "
                f"call(): make the weight {name!r} in the __init__() or the build() of "
                f"{type(self).__name__}."
            )
        is_old = bool(args) and isinstance(args[0], str)
        order = ("name", "shape", "dtype") if is_old else ("shape", "initializer", "dtype")
        given = dict(zip(order, args, strict=False))
        name, shape = given.get("name", name), given.get("shape", shape)
        dtype, initializer = given.get("dtype", dtype), given.get("initializer", initializer)
        shape = self._weight_shape(shape, name)
        dtype = policy.standardize_dtype(dtype or self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if policy.is_float(dtype) else "zeros"
        with scope.root_names(self._weight_names()):
            weight = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name or "variable",
            )
        weight.regularizer = regularizers.get(regularizer)
        weight.constraint = constraints.get(constraint)
        weight.overwrite_with_gradient = overwrite_with_gradient
        weight.of_layer = True
        self._track_variable(weight)
        if not self._trainable:
            weight.trainable = False
        return weight

    add_variable = add_weight

    def _weight_names(self) -> tuple[str, ...]:
        names = scope.current_names()
        return names if names and names[-1] == self.name else (*names, self.name)

    def _weight_shape(self, shape: Shape, name: str | None) -> tuple[int, ...]:
        if shape is None or isinstance(shape, (int, np.integer)):
            shape = () if shape is None else (shape,)
        problem = "is not a list or tuple of sizes"
        if isinstance(shape, (list, tuple)):
            bad = [n for n in shape if not isinstance(n, (int, np.integer)) or n < 0]
            if not bad:
                return tuple(map(int, shape))
            if None in shape:
                raise ValueError(
                    f"The weight {name!r} of the layer {self.name!r} has an axis of unknown size: "
                    f"{tuple(shape)}. Give the model's inputs a static size on that axis."
                )
            problem = f"has the invalid dimension {bad[0]!r}"
        raise ValueError(
            f"Cannot convert {shape!r} to a shape. The shape of the weight {name!r} of the layer "
            f"{self.name!r} {problem}."
        )

    def _track_variable(self, variable: Variable) -> None:
        if self._untracked:
            self._untracked = [v for v in self._untracked if v is not variable]
        self.__dict__.setdefault("_own_weights", []).append(variable)

    def _untrack_variable(self, variable: Variable) -> None:
        """Makes a variable none of the layer's, though an attribute may still hold it."""
        self._own_weights = [v for v in self._own_weights if v is not variable]
        self._untracked = [*self._untracked, variable]

    def count_params(self) -> int:
        """Returns how many numbers the weights hold.

        Raises:
            ValueError: If the layer is not built.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
            >>> layer.build((None, 3))
            >>> layer.count_params()
            8
        """
        if not self.built:
            raise ValueError(
                f"The layer {self.name!r} isn't built, so its parameters cannot be counted yet. "
                "Call it on data, or call build(input_shape)."
            )
        return sum(weight.size for weight in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns the weights as NumPy arrays.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2, kernel_initializer="ones")
            >>> layer.build((None, 3))
            >>> kernel, bias = layer.get_weights()
            >>> kernel.tolist(), bias.tolist()
            ([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]], [0.0, 0.0])
        """
        return [np.array(weight.numpy()) for weight in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Sets the weights.

        Args:
            weights: Arrays of the shapes, and in the order, of `get_weights()`.

        Raises:
            ValueError: If the number of arrays or a shape differs.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> layer = keras.layers.Dense(1)
            >>> layer.build((None, 2))
            >>> layer.set_weights([np.array([[1.0], [2.0]]), np.array([3.0])])
            >>> layer(np.array([[10.0, 10.0]])).tolist()
            [[33.0]]
        """
        if not isinstance(weights, Iterable) or isinstance(weights, (str, bytes)):
            raise ValueError(f"`weights` must be a list of arrays. Received: weights={weights!r}")
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

    # -------------------------------------------------------------- what files hold
    def _saved_variables(self) -> list[Variable]:
        """Returns the layer's own weights (not its sub-layers') in the order of files."""
        own = [v for v in held(self)[1] if v.is_weight]
        return sorted(own, key=lambda v: not v.made_trainable)

    def save_own_variables(self, store: Any) -> None:
        """Puts the layer's own weights into a file; a subclass may store others.

        Args:
            store: Like a dict, from strings to arrays.
        """
        for i, variable in enumerate(self._saved_variables()):
            store[str(i)] = placement.gathered(variable.cell())

    def load_own_variables(self, store: Any) -> None:
        """Sets the layer's own weights to what `save_own_variables` has stored.

        Args:
            store: Like a dict, from strings to arrays.

        Raises:
            ValueError: If the number of arrays, or a shape, differs.
        """
        own = self._saved_variables()
        if len(own) != len(store):
            raise ValueError(
                f"Layer {self.name!r} expected {len(own)} variables, but received {len(store)} "
                "variables during loading." + ("" if self.built else " It is not built.")
            )
        for i, variable in enumerate(own):
            variable.take(store[str(i)])

    # -------------------------------------------------------------- metrics
    @property
    def metrics(self) -> list[Any]:
        """The metric objects in this layer's and its sub-layers' attributes.

        Example:
            >>> import jkeras as keras
            >>> class Watched(keras.layers.Dense):
            ...     def __init__(self, units):
            ...         super().__init__(units)
            ...         self.size = keras.metrics.Mean(name="size")
            >>> [metric.name for metric in Watched(2).metrics]
            ['size']
        """
        found = {
            id(value): value
            for layer in self._flatten_layers()
            for value in find(layer._attributes(), _is_metric)
        }
        return list(found.values())

    _metrics: Any = _GivesWay(lambda self: find(self._attributes(), _is_metric))

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


def children(module: Any) -> list[Any]:
    """Returns the modules in a module's attributes, in the order of definition, each once."""
    return _unique(held(module)[0])


def chosen(modules: Sequence[Any], name: str | None = None, index: int | None = None) -> Any:
    """Returns one of a model's layers, by its name or by its place.

    Raises:
        ValueError: If none is there, or not one of name and index is given.
    """
    if isinstance(name, int):
        name, index = None, name
    if (name is None) == (index is None):
        raise ValueError("Provide either a layer name or layer index at `get_layer`.")
    if index is not None:
        if not -len(modules) <= index < len(modules):
            raise ValueError(
                f"Was asked to retrieve layer at index {index} but model only has "
                f"{len(modules)} layers."
            )
        return modules[index]
    for module in modules:
        if module.name == name:
            return module
    names = [module.name for module in modules]
    raise ValueError(
        f"No such layer: {name}. Existing layers are: {names}{naming.nearest(name, names)}"
    )


def walk(root: Module, files: Mapping[Any, str] | None = None) -> list[Part]:
    """Returns the parts of a layer, itself included: depth first, in the order of definition.

    A layer that is held at several places is one part, at the first of them; so is a variable.

    Args:
        root: The layer.
        files: The paths in files of what it holds, where they are not those of its attributes.
    """
    known = files or {}
    nodes = _nodes(root)
    file_paths: dict[int, str] = {}

    def visit(path: str, layer: Module) -> None:
        file_paths[id(layer)] = path
        for name, child in _in_file_order(layer, nodes[id(layer)].modules):
            if id(child) not in file_paths:
                below = f"{path}/{name}" if path else name
                visit(known.get(child, below) if layer is root else below, child)

    visit("", root)
    return [
        Part(path, file_paths[key], layer, variables)
        for key, (path, layer, _, variables) in nodes.items()
    ]


def _nodes(root: Module) -> dict[int, _Node]:
    """Returns what is below a layer, depth first, without the paths of files."""
    nodes: dict[int, _Node] = {}
    seen: set[int] = set()
    known = root._part_paths or {}

    def visit(path: str, layer: Module) -> None:
        modules, variables = held(layer)
        own = []
        for variable in variables:
            if id(variable) not in seen:
                seen.add(id(variable))
                own.append(variable)
        nodes[id(layer)] = _Node(path, layer, modules, own)
        taken: dict[str, int] = {}
        for child in _unique(modules) if modules else ():
            name = naming.root(child._name)
            if name in taken:
                name = naming.claim(name, taken)
            else:
                taken[name] = 0
            if id(child) not in nodes:
                given = known.get(child) if layer is root else None
                below = f"{path}/{name}" if path else name
                visit(below if given is None else given, child)

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
            if name in taken:
                name = naming.claim(name, taken)
            else:
                taken[name] = 0
            named[name] = variable
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
        if attribute == "_own_weights":
            for variable in value:
                variables[id(variable)] = variable
            continue
        is_container = isinstance(value, _CONTAINERS)
        for place, item in _opened(attribute, value) if is_container else [(attribute, value)]:
            if isinstance(item, Module):
                modules.append((place, item))
            elif isinstance(item, Variable):
                variables[id(item)] = item
            elif isinstance(item, SeedGenerator):
                variables[id(item.state)] = item.state
    for variable in layer._untracked:
        variables.pop(id(variable), None)
    return modules, sorted(variables.values(), key=attrgetter("order"))


def _unique(modules: Iterable[tuple[str, Any]]) -> list[Any]:
    found: dict[int, Any] = {}
    for _, module in modules:
        found[id(module)] = module
    return list(found.values())


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
            kind = item._class_in_files or type(item).__name__
            name = naming.claim(naming.to_snake_case(kind), taken)
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


_MADE_TRAINABLE = attrgetter("made_trainable")
_CONTAINERS = (list, tuple, set, dict, Mapping)
_PLAIN = frozenset({type(None), bool, int, float, str})
