"""The config of a functional model: its layers, and the calls that connect them."""

import itertools
import json
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax

from jkeras.base import naming, registry
from jkeras.base.types import Structure
from jkeras.core import graph
from jkeras.core.graph import SymbolicTensor
from jkeras.core.layer import Layer, symbolic_call_like
from jkeras.core.operations import describe_call, repeat_call
from jkeras.layers.core import InputLayer
from jkeras.saving import dialects

# What it holds of losses, and of what is computed in training only; Keras's has none of it.
_ADDED = ("added_losses", "training_output_layers", "training_added_losses")
# What the config of a graph holds; a subclass may add arguments of its constructor.
KEYS = ("name", "trainable", "layers", "input_layers", "output_layers", *_ADDED)

Key = tuple[str, int]  # a layer's name, and which of its calls


# ------------------------------------------------------------------ from a model to a config
def describe(model: Any) -> dict[str, Any]:
    """Returns the config of a model with a graph."""
    found = model.call_graph()
    writer = _Writer(found)
    config = {
        "name": model._name,
        "trainable": model.trainable,
        "layers": list(map(writer.entry, found.operations)),
        "input_layers": jax.tree.map(writer.input_history, found.inputs),
        "output_layers": jax.tree.map(writer.output_history, found.outputs),
    }
    if found.losses:
        config["added_losses"] = list(map(writer.output_history, found.losses))
    if found.training is not None:
        ends = found.training.outputs, list(found.training.losses)
        config["training_output_layers"], losses = jax.tree.map(writer.output_history, ends)
        config["training_added_losses"] = losses
    return config


def names_in(found: graph.Graph) -> dict[int, str]:
    """Returns unique names of a graph's layers and operations by their ids.

    In a recorded graph, parts of different layers may have the same name.
    """
    taken: dict[str, int] = {}
    return {id(one): naming.claim(str(one.name), taken) for one in found.operations}


class _Writer:
    """Names the tensors of one graph by the calls that make them."""

    def __init__(self, model_graph: graph.Graph):
        made = model_graph.all_calls
        inside = {id(call) for call in made}
        self._calls: dict[int, list[graph.Call]] = defaultdict(list)
        for call in made:
            self._calls[id(call.layer)].append(call)
        self.names = names_in(model_graph)
        for layer in model_graph.operations:
            if layer._calls:  # in the order of the calls, not of the graph
                calls = [c for c in layer._calls if id(c) in inside]
                if len(calls) == len(self._calls[id(layer)]):
                    self._calls[id(layer)] = calls
        self._history: dict[int, list[Any]] = {}
        for calls in self._calls.values():
            for index, call in enumerate(calls):
                for position, x in enumerate(call.output_list):
                    self._history[id(x)] = [self.names[id(call.layer)], index, position]
        for x in graph.symbols(model_graph.inputs):
            layer = None if x.source is None else x.source.layer
            self._history[id(x)] = [self.names.get(id(layer), x.input_name), 0, 0]

    def entry(self, operation: Any) -> dict[str, Any]:
        """Returns a layer's or operation's part of the config."""
        calls = self._calls[id(operation)]
        if not isinstance(operation, graph.NamedFunction):
            nodes = [self._node(c.args, c.kwargs) for c in calls]
            described = registry.serialize_keras_object(operation)
        else:
            described = describe_call(calls[0])
            nodes = [self._node(described.pop("args"), described.pop("kwargs"))]
            described["config"] = registry.serialize_keras_object(described["config"])
            described["registered_name"] = described["class_name"]
        name = self.names[id(operation)]
        if name != operation.name:
            described["config"] = {**described["config"], "name": name}
            described["name_root"] = naming.root(operation._name)
        # The same dict, which the registry marks if it meets the layer again.
        described.update(name=name, inbound_nodes=nodes)
        return described

    def _node(self, args: Any, kwargs: Any) -> dict[str, Any]:
        values = jax.tree.map(self._tensor, (list(args), dict(kwargs)))
        values = jax.tree.map(graph.Slice.plain, values, is_leaf=_is_slice)
        return {
            "args": [registry.serialize_keras_object(v) for v in values[0]],
            "kwargs": {k: registry.serialize_keras_object(v) for k, v in values[1].items()},
        }

    def _tensor(self, x: Structure) -> Any:
        if not isinstance(x, SymbolicTensor):
            return x
        return {
            "class_name": "__keras_tensor__",
            "config": {
                "shape": list(x.shape),
                "dtype": x.dtype,
                "keras_history": self._history[id(x)],
            },
        }

    def input_history(self, x: SymbolicTensor) -> list[Any]:
        """Returns the layer, call and position that make an input of the model."""
        return self._history[id(x)]

    def output_history(self, x: SymbolicTensor) -> list[Any]:
        """Returns the layer, call and position that make an output of the model."""
        name, index, position = self._history[id(x)]
        shift = 0 if x.source is None else _output_shift(x.source.layer)
        return [name, index + shift, position]


def _output_shift(layer: Any) -> int:
    """Returns how Keras numbers the first call of a layer, where a model's outputs are named.

    There, and nowhere else, a nested functional model's call on its own inputs counts.
    """
    return getattr(layer, "_first_output_call", 0)


# ------------------------------------------------------------------ from a config to tensors
def rebuild(config: Mapping[str, Any]) -> tuple[Any, Any, Callable[[Any], Any]]:
    """Makes the layers of a config and calls them.

    Returns:
        The symbolic inputs and outputs, and what completes the graph between them by what the
        config has besides.

    Raises:
        ValueError: If calls refer to tensors that none of the layers makes.
    """
    nodes = [node for e in config["layers"] for node in e.get("inbound_nodes") or ()]
    if any(isinstance(node, list) for node in nodes):  # of Keras 2
        names = {str(e.get("name")) for e in config["layers"]}
        for part in itertools.chain(*[node for node in nodes if isinstance(node, list)]):
            if isinstance(part, list) and isinstance(part[0], str) and part[0] not in names:
                raise ValueError(f"Missing node: {part[0]}, which a layer of the config needs.")
        old = {"class_name": "Functional", "config": dict(config)}
        config = dialects.modernize(old, "2")["config"]
    reader = _Reader()
    for entry in config["layers"]:
        reader.add(entry)
    reader.run()
    inputs = reader.tensors(config["input_layers"], is_output=False)

    def ends(prefix: str) -> tuple[Any, Any]:
        tensors = reader.tensors(config[f"{prefix}output_layers"], is_output=True)
        losses = config.get(f"{prefix}added_losses", ())
        return tensors, [reader.tensors(loss, is_output=True) for loss in losses]

    outputs, losses = ends("")
    training = ends("training_") if "training_output_layers" in config else None

    def complete(found: graph.Graph) -> graph.Graph:
        if not losses and training is None:
            return found
        return graph.join(inputs, outputs, losses, training)

    return inputs, outputs, complete


def model_of(cls: type, config: Mapping[str, Any]) -> Any:
    """Returns the model of class `cls` that a config with layers and calls describes."""
    inputs, outputs, complete = rebuild(config)
    own = {k: v for k, v in config.items() if k not in KEYS}
    given = {"inputs": inputs, "outputs": outputs, "name": config.get("name")}
    model = cls(**given, **registry.deserialize_values(own))
    model._complete(complete)
    model._trainable = bool(config.get("trainable", True))  # its layers know for themselves
    return model


class _Reader:
    """Calls layers as soon as what they are called on has been made."""

    def __init__(self) -> None:
        self._layers: dict[str, Any] = {}
        self._made: dict[Key, list[Any]] = {}
        self._calls: dict[Key, tuple[Any, dict[str, Any]]] = {}
        self._missing: dict[Key, set[Key]] = {}  # what a call still waits for
        self._waiting: dict[Key, list[Key]] = defaultdict(list)  # the calls that wait for one
        self._ready: deque[Key] = deque()
        self._kinds: dict[str, str] = {}  # what layers are but for their names
        # Of those of a kind, by their arguments: a layer, and the number of its call.
        self._first: dict[tuple[str, str], tuple[Layer, int]] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        """Makes a layer, and notes its calls."""
        name = str(entry.get("name") or entry["config"]["name"])
        if name in self._layers:
            raise ValueError(f"The config has two layers with the name {name!r}.")
        layer = self._layers[name] = None if is_operation(entry) else make_layer(entry)
        if isinstance(layer, InputLayer):
            self._made[name, 0] = [layer.output]
        elif isinstance(layer, Layer) and all(map(_is_ours, layer._flatten_layers())):
            kind = [type(layer).__name__, {**entry["config"], "name": None}]
            holds = bool(layer._layers)  # which may be named otherwise: it is like itself only
            self._kinds[name] = name if holds else json.dumps(kind, sort_keys=True, default=id)
        for index, node in enumerate(entry.get("inbound_nodes") or ()):
            key = (name, index)
            self._calls[key] = (layer if layer is not None else entry, dict(node))
            wanted = {(h[0], h[1]) for h in _histories(node)}
            if index:  # a layer's calls keep their order
                wanted.add((name, index - 1))
            self._missing[key] = wanted
            for other in wanted:
                self._waiting[other].append(key)
            if not wanted:
                self._ready.append(key)

    def run(self) -> None:
        """Makes all calls."""
        for key in list(self._made):
            self._announce(key)
        while self._ready:
            key = self._ready.popleft()
            target, node = self._calls[key]
            begins = getattr(target, "begins", False)
            if next(iter(_histories(node)), None) is None and not begins:
                raise ValueError(
                    f"Not allowed: the config calls {key[0]!r} on no symbolic tensor, which would "
                    "be computed while it is read."
                )
            args = [self._fill(a) for a in node.get("args", ())]
            kwargs = {k: self._fill(v) for k, v in node.get("kwargs", {}).items()}
            if begins:
                outputs = target.symbolic_call()
            elif isinstance(target, graph.Operation):
                outputs = self._call(key, target, args, _given(target, kwargs))
            else:
                outputs = _call_operation(target, args, kwargs)
            self._made[key] = graph.symbols(outputs)
            self._announce(key)
        left = [key for key, wanted in self._missing.items() if wanted]
        if left:
            name, index = left[0]
            needed = sorted(self._missing[name, index])
            missing = [key for key in needed if key not in self._calls]
            problem = (
                f"Missing node: {missing[0][0]}" if missing else "they call one another in a loop"
            )
            raise ValueError(
                f"The config's layers do not form a graph: {problem}. Call {index} of the layer "
                f"{name!r} needs {needed}, which nothing makes."
            )

    def _call(self, key: Key, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Calls a layer; of equal calls, of layers equal but for their names, one is evaluated."""
        name, inputs = key[0], graph.symbols((args, kwargs))
        if name not in self._kinds:
            return layer(*args, **kwargs)
        told = {
            id(x): (x.shape, x.dtype, x.odd_axes, getattr(x._keras_mask, "shape", None))
            for x in inputs
        }
        given = graph.replace((args, kwargs), told)
        here = layer, len(layer._calls)
        like, number = self._first.setdefault((self._kinds[name], repr(given)), here)
        if (like, number) == here or number >= len(like._calls):
            return layer(*args, **kwargs)
        return symbolic_call_like(layer, like, number, tuple(args), kwargs)

    def _announce(self, made: Key) -> None:
        for key in self._waiting.pop(made, ()):
            self._missing[key].discard(made)
            if not self._missing[key]:
                self._ready.append(key)

    def _fill(self, value: Any) -> Any:
        if isinstance(value, (list, tuple)):  # a tuple where the config has never been JSON
            made = [self._fill(v) for v in value]
            return tuple(made) if isinstance(value, tuple) else made
        if isinstance(value, Mapping):
            if value.get("class_name") == "__keras_tensor__":
                return self._tensor(*value["config"]["keras_history"])
            if value.get("class_name") == "__slice__":
                config = value["config"]
                return slice(*[self._fill(config.get(k)) for k in ("start", "stop", "step")])
            if "class_name" in value:
                return registry.deserialize_keras_object(value)
            return {k: self._fill(v) for k, v in value.items()}
        return value

    def _tensor(self, name: str, index: int, position: int) -> Any:
        made = self._made.get((name, index), ())
        if position >= len(made):
            raise ValueError(
                f"The config refers to output {position} of call {index} of the layer {name!r}, "
                "which does not exist."
            )
        return made[position]

    def tensors(self, tree: Structure, is_output: bool) -> Any:
        """Returns the tensors that a structure of (layer, call, position) names."""
        if isinstance(tree, Mapping):
            return {k: self.tensors(v, is_output) for k, v in tree.items()}
        if len(tree) == 3 and isinstance(tree[0], str) and isinstance(tree[1], int):
            name, index, position = tree
            if is_output and index:
                index -= _output_shift(self._layers.get(name))
            return self._tensor(name, index, position)
        made = [self.tensors(v, is_output) for v in tree]
        return tuple(made) if isinstance(tree, tuple) else made


def _is_ours(layer: Layer) -> bool:
    return registry.is_builtin(type(layer))


def is_operation(entry: Mapping[str, Any]) -> bool:
    """Says whether an entry of a config is a function of `keras.ops`, and not a layer."""
    return str(entry.get("module") or "").startswith(("keras.src.ops.", "keras.ops."))


def _call_operation(entry: Mapping[str, Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    config = registry.deserialize_values(entry["config"])
    if entry["class_name"] == "GetItem":  # JSON has no tuples, and a list is not an index
        args, kwargs = [_as_index(a) for a in args], {k: _as_index(v) for k, v in kwargs.items()}
    return repeat_call(entry["class_name"], config, args, kwargs)


def _as_index(value: Any) -> Any:
    return graph.Slice.of(tuple(value) if isinstance(value, list) else value)


def _is_slice(value: Any) -> bool:
    return isinstance(value, graph.Slice)


def make_layer(entry: Mapping[str, Any]) -> Any:
    """Makes the layer, or operation of a class of its own, that an entry of a config describes.

    It is built when it is called; or here, if its class says itself how it is built of a config.
    """
    if not isinstance(entry, Mapping) or "class_name" not in entry or "config" not in entry:
        raise ValueError(
            "Expected a dictionary containing a 'config' key, which describes a layer, got "
            f"{entry!r:.200}."
        )
    config = {k: v for k, v in entry.items() if k != "build_config"}
    layer = registry.deserialize_keras_object(config, area="layers")
    if not isinstance(layer, graph.Operation):
        raise ValueError(f"The config's entry {entry['class_name']!r} is not a layer.")
    if not isinstance(layer, Layer):
        return layer
    own = getattr(type(layer).build_from_config, "__module__", "")
    if entry.get("build_config") and not layer.built and not own.startswith("jkeras."):
        layer.build_from_config(entry["build_config"])
    return layer


def _histories(value: Any) -> Iterable[list[Any]]:
    """Yields where the tensors in a call's arguments come from."""
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from _histories(item)
    elif isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]["keras_history"]
        else:
            for item in value.values():
                yield from _histories(item)


def _given(layer: graph.Operation, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Leaves out what Keras notes of a call even if the user has not given it.

    These are masks without a value, and `training=False` where that is the default: taken at its
    word, it would turn dropout off for good.
    """
    if not isinstance(layer, Layer):
        return kwargs
    parameter = layer._signature.signature.parameters.get("training")
    notes_training = "mask" in kwargs or (parameter is not None and parameter.default is False)
    return {
        k: v
        for k, v in kwargs.items()
        if not (k == "mask" and v is None)
        and not (k == "training" and (v is None or (v is False and notes_training)))
    }
