"""The graph of a model that computes in a `call` of its own: `call` is run on symbolic tensors.

What it calls notes itself, as in a functional model. What a file can hold has no class of the
user's: there, the calls of such layers are recorded as well, in their place.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import numpy as np

from jkeras.base import keys, naming, registry
from jkeras.base.types import AnyModel, ArrayLike, Structure
from jkeras.core import graph, parts, scope
from jkeras.core.graph import SymbolicTensor
from jkeras.core.layer import Layer
from jkeras.layers.activation import Activation
from jkeras.layers.core import Input
from jkeras.layers.recorded import (
    AddLoss,
    GetMask,
    RecordedConstant,
    RecordedWeight,
    SetMask,
    SizeOf,
)
from jkeras.models import functional_config, name_stacks
from jkeras.models.sharing import fingerprint
from jkeras.saving.graphs import own_steps

# Constants of a graph are written as text: larger ones belong into weights.
_MOST_NUMBERS = 10**6


class NotRecorded(ValueError):
    """A call does what a graph cannot hold."""


class Recording(scope.Scope):
    """The scope of a call that is recorded.

    Args:
        root: The layer whose call it is.
        training: The training flag.
        within: Whether calls of the user's own layers are recorded as what they do.
    """

    records = True

    def __init__(self, root: Layer, training: bool, within: bool):
        super().__init__(training)
        self._root, self._within = root, within
        self._owners = {v: part for part in parts.walk(root) for v in part.variables}
        self._weights: dict[Any, SymbolicTensor] = {}
        self._got: dict[int, tuple[Any, Any]] = {}  # what holds an id, and its mask
        self._foreign: dict[Layer, bool] = {}
        self._sizes: dict[tuple[int, int], tuple[Any, Any]] = {}  # likewise, and the size

    # -------------------------------------------------------------- sizes
    def sizes(self, tensor: SymbolicTensor) -> tuple[Any, ...]:
        """Returns the shape of a tensor, with symbols for sizes that are not known."""
        with scope.hidden_sizes():
            shape = tensor.shape
            return tuple([self._size(tensor, i) if n is None else n for i, n in enumerate(shape)])

    def _size(self, tensor: SymbolicTensor, axis: int) -> Any:
        key = id(tensor), axis
        if key not in self._sizes:
            self._sizes[key] = tensor, SizeOf(axis).symbolic_call(tensor)
        return self._sizes[key][1]

    # -------------------------------------------------------------- what a call reads and writes
    def read(self, variable: Any) -> Structure:
        if variable not in self._owners or not variable.is_weight:
            raise NotRecorded(f"It reads the variable {variable.path!r} itself.")
        if variable not in self._weights:
            policy = (self.callers[-1] if self.callers else self._root).dtype_policy
            self._weights[variable] = _noted(RecordedWeight.of(variable, policy))
        return self._weights[variable]

    def write(self, variable: Any, value: ArrayLike) -> None:
        raise NotRecorded(f"It assigns to the variable {variable.path!r} itself.")

    def key(self) -> jax.Array:
        raise NotRecorded("It draws random numbers itself: only layers such as Dropout may.")

    def get_mask(self, array: ArrayLike) -> ArrayLike:
        if getattr(array, "_keras_mask", None) is None:
            return None
        if id(array) not in self._got:
            self._got[id(array)] = array, _noted(GetMask(), array)
        return self._got[id(array)][1]

    def set_mask(self, array: ArrayLike, mask: ArrayLike) -> None:
        if mask is not self.get_mask(array):
            raise NotRecorded("It gives a tensor a mask itself.")

    # -------------------------------------------------------------- what it calls
    def record(self, layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Structure:
        """Notes the call of a layer, or what the call does; returns symbolic outputs."""
        if not graph.symbols((args, kwargs)):
            args, kwargs = jax.tree.map(self._constant, (args, kwargs))
        if kwargs.get("training", self) in (None, self.training):  # it would be that anyway
            kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        if self._within and self.is_foreign(layer):
            return self.run(layer, args, kwargs)
        return _noted(layer, *args, **kwargs)

    def is_foreign(self, layer: Layer) -> bool:
        """Says whether a layer is of a class of the user's, or holds one that is."""
        if layer not in self._foreign:
            own = layer._flatten_layers()
            self._foreign[layer] = not all(registry.is_builtin(type(part)) for part in own)
        return self._foreign[layer]

    def _constant(self, x: Any) -> Any:
        if not isinstance(x, (jax.Array, np.ndarray)):
            return x
        if x.size > _MOST_NUMBERS:
            raise NotRecorded(
                f"It calls a layer on an array of shape {x.shape} of its own: make it a weight."
            )
        return _noted(RecordedConstant(x))

    def run(self, layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Structure:
        """Runs a layer's `call` on symbolic tensors, as `core.call` does on arrays."""
        with scope.hidden_sizes():
            return self._run(layer, args, kwargs)

    def _run(self, layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Any:
        signature = layer._signature
        named = signature.named(args, kwargs)
        masks = {name: jax.tree.map(self.get_mask, value) for name, value in named.items()}
        args, kwargs = self._cast(layer, (args, kwargs))
        layer._prepare(args, kwargs)
        bound = signature.bind(layer, args, kwargs)
        given = bound.arguments
        training = given.get("training")
        training = self.training if training is None else training
        if signature.takes_training:
            given["training"] = training
        for name, source in signature.mask_sources.items():
            if given.get(name) is None and jax.tree.leaves(masks.get(source)):
                given[name] = masks[source]
        before, self.training = self.training, training
        self.callers.append(layer)
        self.shows_sizes = not registry.is_builtin(type(layer))
        try:
            args, kwargs = signature.as_given(bound, len(args))
            outputs = layer.call(*args, **kwargs)
        finally:
            self.shows_sizes = False
            self.callers.pop()
            self.training = before
        if layer.activity_regularizer is not None:
            outputs = jax.tree.map(lambda x: _regularized(layer, x), outputs)
        if layer._makes_masks and signature.names:
            first = signature.names[0]
            mask = layer.compute_mask(given.get(first), masks.get(first))
            outputs = _with_masks(outputs, mask)
        elif layer.supports_masking and signature.names:
            mask = masks.get(signature.names[0])
            if isinstance(mask, SymbolicTensor):
                outputs = _with_masks(outputs, mask)
        return outputs

    def _cast(self, layer: Layer, tree: Any) -> Any:
        """Casts floating inputs to the layer's compute dtype."""
        dtype = layer.compute_dtype

        def cast(x: Any) -> Any:
            is_float = isinstance(x, SymbolicTensor) and "float" in x.dtype
            return x.astype(dtype) if is_float and x.dtype != dtype else x

        return jax.tree.map(cast, tree) if layer.autocast else tree


def _noted(layer: Layer, *args: Any, **kwargs: Any) -> Any:
    """Notes a call in the graph, and not in the layer, which may be part of other models."""
    before = list(layer._calls)
    try:
        with scope.hidden_sizes():
            return layer.symbolic_call(*args, **kwargs)
    finally:
        layer.__dict__.pop("_calls", None)
        for call in before:
            graph.note_call(layer, call)


def _regularized(layer: Layer, x: Any) -> Any:
    policy = layer.dtype_policy
    again = Activation("linear", activity_regularizer=layer.activity_regularizer, dtype=policy)
    return _noted(again, x)


def _with_masks(outputs: Any, mask: ArrayLike) -> Any:
    leaves = jax.tree.leaves(outputs)
    found = [mask] if len(leaves) == 1 else jax.tree.leaves(mask, is_leaf=lambda x: x is None)
    pairs = zip(leaves, found, strict=False)
    new = [x if m is None else _noted(SetMask(), x, mask=m) for x, m in pairs]
    return jax.tree.unflatten(jax.tree.structure(outputs), [*new, *leaves[len(new) :]])


# ------------------------------------------------------------------ the graph of a call
@contextmanager
def _aside() -> Iterator[None]:
    """Leaves automatic names and random draws as they were."""
    before = naming.counted(), keys.drawn()
    naming.reset_names()
    try:
        yield
    finally:
        naming.count_from(before[0])
        keys.draw_from(before[1])


def record(
    layer: Layer, specs: Mapping[str, Any], within: bool = False, both: bool = False
) -> graph.Graph:
    """Returns the graph of a layer's call.

    Args:
        layer: The layer or model, built.
        specs: What it is called on, by the arguments' names: structures of symbolic tensors.
        within: Whether calls of the user's own layers are recorded as what they do.
        both: Whether to look at what is computed in training as well.

    Raises:
        NotRecorded: If it does what a graph cannot hold: the message says what.
    """
    with _aside():
        inputs = {name: _inputs(name, spec) for name, spec in specs.items()}
        begin = next(iter(inputs.values())) if len(inputs) == 1 else inputs
        try:
            outputs, losses = ends = _run(layer, inputs, False, within)
            training = _run(layer, inputs, True, within) if both else None
            if training is not None:
                own = set(layer._flatten_layers())
                if _outline(ends, begin, own) == _outline(training, begin, own):
                    training = None
            return graph.join(begin, outputs, losses, training, recorded=True)
        except NotRecorded:
            raise
        except Exception as error:
            raise NotRecorded(f"{type(error).__name__}: {error}") from error


def _inputs(name: str, spec: Any) -> Any:
    leaves = jax.tree_util.tree_leaves_with_path(spec)

    def begin(path: Any, x: SymbolicTensor) -> Any:
        words = [str(key.key) for key in path if hasattr(key, "key")]
        own = "_".join(words) if words else name if len(leaves) > 1 else None
        own = own and naming.auto_name("".join(c if c.isalnum() else "_" for c in own))
        return Input(batch_shape=x.shape, dtype=x.dtype, name=own)

    return jax.tree_util.tree_map_with_path(begin, spec)


def _run(layer: Layer, inputs: dict[str, Any], training: bool, within: bool) -> tuple[Any, tuple]:
    here = Recording(layer, training, within)
    copies = jax.tree.map(lambda x: x, inputs)  # a call may change a list that it is given
    with scope.enter(here):
        outputs = here.run(layer, (), copies)
        losses = tuple(_noted(AddLoss(), loss) for _, loss in here.added_losses)
    return outputs, losses


def _outline(ends: tuple[Any, tuple], begin: Any, own: set[Any]) -> Any:
    """Returns what tells two recordings of a call of layers apart."""
    outputs, losses = ends
    found = graph.trace(begin, [outputs, *losses])
    places: dict[int, Any] = {id(x): i for i, x in enumerate(graph.symbols(begin))}
    lines = []
    for number, call in enumerate(found.calls):
        for i, x in enumerate(call.output_list):
            places[id(x)] = number, i
        layer = call.layer
        name = _maker(layer, own)
        given, structure = jax.tree.flatten((call.args, call.kwargs))
        words = [places[id(x)] if isinstance(x, SymbolicTensor) else _value(x) for x in given]
        lines.append((name, str(structure), words))
    ends_at = [places[id(x)] for x in graph.symbols([outputs, *losses])]
    return lines, ends_at, str(jax.tree.structure(outputs))


def _maker(layer: Layer, own: set[Any]) -> Any:
    """Returns what two calls of the same thing have in common, in two recordings."""
    if isinstance(layer, graph.NamedFunction):
        return layer.kind, id(layer.function)
    if isinstance(layer, RecordedWeight):
        return id(layer.weight)
    if layer in own:
        return id(layer)
    config = {k: v for k, v in layer.get_config().items() if k != "name"}
    return type(layer).__name__, repr(config)


def _value(x: Any) -> Any:
    if isinstance(x, (jax.Array, np.ndarray)):
        return x.shape, str(x.dtype), np.asarray(x).tobytes()
    return repr(x)


# ------------------------------------------------------------------ models of it
def _specs_of(model: AnyModel) -> Mapping[str, Any]:
    """Returns what a model is called on.

    Raises:
        NotRecorded: If it was not called yet.
    """
    specs = model.call_specs()
    if not specs:
        raise NotRecorded("It is not built: call it on some data first, or build it for a shape.")
    return specs


def as_model(found: graph.Graph, model: AnyModel) -> AnyModel:
    """Returns a functional model of a recorded graph, which shares the layers."""
    twin = model._of_tensors(name=model._name)
    twin._graph, twin._built = found, True
    twin.dtype_policy = model.dtype_policy
    twin._arguments = (), {"inputs": found.inputs, "outputs": found.outputs, "name": model._name}
    places = places_of(found, model)
    twin._part_paths = {layer: place[0] for layer, place in places.items()}
    return twin


def places_of(found: graph.Graph, model: AnyModel) -> dict[Any, tuple[str, str, int | None]]:
    """Returns where the layers of a recorded graph are in the model whose call it is.

    These are their paths, their paths in files, and for a single weight its number there.
    """
    walked = parts.walk(model)
    of_layers = {part.layer: part for part in walked}
    owners = {v: part for part in walked for v in part.variables}
    places: dict[Any, tuple[str, str, int | None]] = {}
    for layer in found.operations:
        if isinstance(layer, RecordedWeight):
            owner = owners[layer.weight]
            own = owner.layer._saved_variables()
            number = next(i for i, v in enumerate(own) if v is layer.weight)
            places[layer] = owner.path, owner.file_path, number
        elif layer in of_layers:
            places[layer] = *of_layers[layer][:2], None
        elif isinstance(layer, Layer) and layer.weights:
            raise NotRecorded(f"It calls {layer!r}, which none of its attributes holds.")
    return places


def functional(self: AnyModel) -> AnyModel:
    """Returns a functional model of what `call` does: its layers, and the calls between them.

    The layers are shared: training one model trains the other. Layers of your own are single nodes
    of the graph.

    Returns:
        A `keras.Model` with `inputs` and `outputs`; the model itself if it is one.

    Raises:
        ValueError: If the model was not called yet, or `call` does what symbolic tensors cannot
            record: functions of `jax.numpy` instead of `keras.ops`, random numbers, assignments.

    Example:
        >>> import jkeras as keras
        >>> class Net(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden, self.out = keras.layers.Dense(4), keras.layers.Dense(1)
        ...
        ...     def call(self, inputs):
        ...         return self.out(keras.ops.relu(self.hidden(inputs)) + 1.0)
        >>> model = Net()
        >>> model.build((None, 3))
        >>> [operation.name for operation in model.functional().operations]
        ['input_layer', 'dense', 'relu', 'add', 'dense_1']
    """
    if self.call_graph() is not None and registry.is_builtin(type(self)):
        return self
    try:
        found = record(self, _specs_of(self), both=self._signature.takes_training)
        twin = as_model(found, self)
    except NotRecorded as error:
        raise ValueError(
            f"The call of {type(self).__name__} {self.name!r} cannot be recorded as a functional "
            f"model. {error}"
        ) from error
    for call in found.all_calls:
        if isinstance(call.layer, Layer):
            graph.note_call(call.layer, call)
    return twin


def seen_graph(model: Any) -> graph.Graph | None:
    """Returns the graph of what a layer or model computes in inference; None if it has none."""
    found = model.call_graph() if hasattr(model, "call_graph") else None
    if found is not None or not isinstance(model, Layer):
        return found
    return _graph_for(model, getattr(model, "call_specs", dict)())


def graph_within(layer: Layer, call: graph.Call | None) -> graph.Graph | None:
    """Returns the graph of what a layer of the user's does in a call of another graph."""
    found = layer.call_graph() if hasattr(layer, "call_graph") else None
    if found is not None or call is None or not isinstance(layer, Layer):
        return found
    named = layer._signature.named(call.args, call.kwargs)
    if registry.is_builtin(type(layer)) or not all(
        isinstance(x, SymbolicTensor) for x in jax.tree.leaves(named)
    ):
        return None
    return _graph_for(layer, named)


def _graph_for(layer: Layer, specs: Mapping[str, Any]) -> graph.Graph | None:
    if not layer.built or not specs or registry.is_builtin(type(layer)):
        return None
    try:
        return record(layer, specs)
    except NotRecorded:
        pass
    try:
        with _aside():
            return name_stacks.trace(layer, {k: _inputs(k, v) for k, v in specs.items()})
    except Exception:  # its layers are shown all the same
        return None


# ------------------------------------------------------------------ what files hold
def describe_for_file(self: AnyModel) -> dict[str, Any]:
    """Returns what a file holds of the graph of a model that is of a class of the user's.

    Returns:
        A JSON-able dict: `model` is the config of a functional model of built-in layers, which does
        what `call` does; `places` are the paths of its layers in the model, the paths of their
        weights in the file, and the numbers of single weights; `unused` are the shapes and dtypes
        of the variables that are not in it; `trained` are the paths of the trained variables, in
        the order of the optimizer's state. Of a model that was read from such
        a file, `model` is left out. Nothing, if there is no such graph.
    """
    if registry.is_builtin(type(self)):
        found = self.call_graph()
        if found is None or not found.recorded or not self._part_paths:
            return {}
        names = functional_config.names_in(found)
        owners = _owners(self)
        places = {
            names[id(k)]: [v, None, _number(k, owners.get(v))] for k, v in self._part_paths.items()
        }
        return {"places": places}
    now, before = fingerprint(self), self.__dict__.get("_written_graph")
    if before is None or now is None or before.fingerprint != now:
        before = _Described(now, *_describe(self))
        self.__dict__["_written_graph"] = before
    optimizer: Any = getattr(self, "optimizer", None)
    is_built = optimizer is not None and optimizer.built
    trained = optimizer._trainable_variables if is_built else self.trainable_variables
    paths = {v: path for path, v in parts.named_variables(self).items()}
    return {
        "model": before.model,
        "places": before.places,
        "unused": before.unused,
        "trained": [paths[v] for v in trained],
        "own_steps": own_steps(self),
    }


class _Described(NamedTuple):
    """What was found of a model last, and what it followed from: recording takes long."""

    fingerprint: Any
    model: dict[str, Any]
    places: dict[str, Any]
    unused: dict[str, Any]


def _describe(model: AnyModel) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    found = record(model, _specs_of(model), within=True, both=True)
    whole = as_model(found, model)
    config = functional_config.describe(whole)
    foreign = registry.names_of_users(config)
    if foreign:
        raise NotRecorded(f"It uses {foreign}, which a file cannot hold.")
    names = functional_config.names_in(found)
    places = {names[id(k)]: list(v) for k, v in places_of(found, model).items()}
    envelope = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }
    used = set(whole.variables)
    named = parts.named_variables(model).items()
    unused = {k: [list(v.shape), v.variable_dtype] for k, v in named if v not in used}
    return envelope, places, unused


def twin(self: AnyModel) -> AnyModel:
    """Returns the functional model that files hold, which shares the weights."""
    return as_model(record(self, _specs_of(self), within=True, both=True), self)


def copied_twin(self: AnyModel, config: Mapping[str, Any]) -> AnyModel:
    """Makes the model of the config that `describe_for_file` gave, which holds the same arrays."""
    with _aside(), registry.object_sharing():
        copy = registry.deserialize_keras_object(config, area="models")
    copy.trainable = self.trainable
    for mine, its in zip(copy.layers, twin(self).layers, strict=True):
        for variable, source in zip(mine.variables, its.variables, strict=True):
            variable.set_cell(source.cell())
    return copy


def restore(self: Any, places: Mapping[str, Any]) -> None:
    """Tells a functional model, made of what `describe_for_file` gave, where its layers were."""
    by_name = {layer.name: layer for layer in self.layers}
    self._graph = dataclasses.replace(self._graph, recorded=True)
    self._part_paths = {by_name[k]: str(v[0]) for k, v in places.items() if k in by_name}
    owners = _owners(self)
    for name, (path, _, number) in places.items():
        node, owner = by_name.get(name), owners.get(str(path))
        if isinstance(node, RecordedWeight) and owner is not None and isinstance(number, int):
            shared = owner._saved_variables()
            if 0 <= number < len(shared):
                node.share(shared[number])


def _owners(model: AnyModel) -> dict[str, Layer]:
    """Returns the layers whose weights a graph may read besides calling them, by their paths."""
    walked = parts.walk(model)
    return {p.path: p.layer for p in walked if p.path and not isinstance(p.layer, RecordedWeight)}


def _number(node: Any, owner: Layer | None) -> int | None:
    """Returns which of another layer's weights a node gives; None if it is not such a node."""
    if owner is None or not isinstance(node, RecordedWeight):
        return None
    numbers = (i for i, v in enumerate(owner._saved_variables()) if v is node.weight)
    return next(numbers, None)
