"""Keras's private attributes, by which packages look into layers, graphs and optimizers.

Keras says that programs shall not use them. Many packages do: those are here that packages were
seen to read. They are on the classes as long as the alias is installed, and give way to attributes
of the same names that a subclass or an object has.
"""

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax

import jkeras
from jkeras.core import graph
from jkeras.core.layer import Layer
from jkeras.core.parts import held
from jkeras.models.functional import Functional
from jkeras.training import Batch, data
from jkeras.training.objective import leaf_names


# ------------------------------------------------------------------ nodes of a graph
class History(NamedTuple):
    """Where a symbolic tensor comes from, as Keras writes it."""

    operation: Any
    node_index: int
    tensor_index: int


class Node:
    """A call of a layer, as Keras writes it.

    Args:
        call: The call.
    """

    def __init__(self, call: graph.Call):
        self._call = call
        self.operation, self.outputs = call.layer, call.output_list
        self.arguments = SimpleNamespace(
            args=call.args, kwargs=call.kwargs, keras_tensors=call.inputs
        )
        self.input_tensors, self.output_tensors = list(call.inputs), self.outputs
        self.is_input = not call.inputs and not call.begins

    @property
    def parent_nodes(self) -> list["Node"]:
        """The nodes that make its inputs."""
        sources = {id(x.source): x.source for x in self._call.inputs if x.source is not None}
        return [Node(call) for call in sources.values()]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and other._call is self._call

    def __hash__(self) -> int:
        return hash(id(self._call))

    def __repr__(self) -> str:
        return f"<Node operation={self.operation.name}>"


def _calls(operation: Any) -> Sequence[graph.Call]:
    return getattr(operation, "_calls", ())


def _history(tensor: Any) -> History:
    call = tensor.source
    if call is None:
        raise AttributeError("_keras_history")
    index = next((i for i, other in enumerate(_calls(call.layer)) if other is call), 0)
    return History(call.layer, index, [id(x) for x in call.output_list].index(id(tensor)))


def _all_calls(model: Any) -> list[graph.Call]:
    """Returns the calls a model is made of, those of its inputs first."""
    found = model.call_graph()
    begin = [x.source for x in graph.symbols(found.inputs) if x.source is not None]
    return list(dict.fromkeys([*begin, *found.calls]))


def _nodes_by_depth(model: Any) -> dict[int, list[Node]]:
    calls = _all_calls(model)
    depths = dict.fromkeys(calls, 0)
    for call in reversed(calls):
        for x in call.inputs:
            if x.source in depths:
                depths[x.source] = max(depths[x.source], depths[call] + 1)
    found: dict[int, list[Node]] = {}
    for call in calls:
        found.setdefault(depths[call], []).append(Node(call))
    return found


def _operations_by_depth(model: Any) -> dict[int, list[Any]]:
    nodes = _nodes_by_depth(model)
    return {k: list(dict.fromkeys(n.operation for n in found)) for k, found in nodes.items()}


def _run_through_graph(
    model: Any, inputs: Any, operation_fn: Callable[[Any], Callable], call_fn: Any = None
) -> Any:
    """Computes a model's outputs with other functions in the place of its layers."""
    found = model.call_graph()
    leaves = graph.symbols(found.inputs)
    known = dict(zip(map(id, leaves), jax.tree.leaves(inputs), strict=True))
    for call in found.calls:
        args, kwargs = graph.replace((call.args, call.kwargs), known)
        function = operation_fn(call.layer)
        if call_fn is None:
            results = function(*args, **kwargs)
        else:
            results = call_fn(function, *args, **kwargs)
        outputs = jax.tree.leaves(call.outputs)
        known.update(zip(map(id, outputs), jax.tree.leaves(results), strict=True))
    return graph.replace(found.outputs, known)


def _functional(model: Any) -> Any:
    """A Sequential as a functional model of the same layers; None as long as it has no inputs."""
    found = model.call_graph()
    return None if found is None else Functional(found.inputs, found.outputs)


# ------------------------------------------------------------------ layers
class Tracker:
    """What a layer is made of, as Keras keeps count of it: here its attributes say that.

    Args:
        layer: The layer.
    """

    locked = False

    def __init__(self, layer: Any):
        self._layer = layer

    def track(self, value: Any) -> Any:
        """Makes a variable, layer or metric part of the layer, though no attribute holds it."""
        own = self._layer.__dict__.setdefault("_tracked_by_hand", [])
        if not any(value is other for other in own):
            own.append(value)
        return value

    def untrack(self, value: Any) -> None:
        """Takes back what `track` did."""
        own = self._layer.__dict__.get("_tracked_by_hand", [])
        own[:] = [other for other in own if other is not value]

    def lock(self, *_: Any) -> None:
        """Does nothing: a layer is not locked once it is built."""

    unlock = lock


def _takes(layer: Any, name: str) -> bool:
    return name in inspect.signature(layer.call).parameters


def _own_variables(trainable: bool) -> Callable[[Any], list[Any]]:
    return lambda layer: [v for v in held(layer)[1] if v.trainable is trainable]


# ------------------------------------------------------------------ losses and metrics
class Term(NamedTuple):
    """A loss of `compile`, as Keras writes it; the factor is None if no factors were given."""

    path: tuple[Any, ...]
    loss: Any
    loss_weights: Any
    name: str


class _Terms(list[Term]):
    """The losses of `compile`: a compiled step does not see that an entry is replaced."""

    def __setitem__(self, index: Any, term: Any) -> None:
        if self[index] != term:
            warnings.warn(
                "Replacing an entry of `_compile_loss._flat_losses` changes nothing: steps are "
                "compiled with the losses and factors of `compile`. Call "
                "`model.compile(..., loss_weights=[...])` again for other factors.",
                stacklevel=2,
            )


class _OfCompile:
    """What `compile` was told, and what was made of it."""

    def __init__(self, model: Any):
        self._model, self._session = model, model._session
        self._told = self._session.arguments

    @property
    def built(self) -> bool:
        """Whether targets and outputs were seen."""
        return bool(self._session._objectives)

    def build(self, y_true: Any, y_pred: Any) -> None:
        """Makes losses and metrics for targets and outputs of these shapes."""
        self._session.objective(y_pred, y_true)


class CompileLoss(_OfCompile):
    """The losses of `compile`, a function of targets and outputs, without what layers add.

    Args:
        model: The model.
    """

    @property
    def _user_loss(self) -> Any:
        return self._told["loss"]

    @property
    def _user_loss_weights(self) -> Any:
        return self._told["loss_weights"]

    @property
    def _flat_losses(self) -> list[Term] | None:
        objective = self._session.expected_objective()
        if objective is None:
            return None
        leaves = jax.tree_util.tree_leaves_with_path(objective.output_names)
        paths = [_path_of(keys) for keys, _ in leaves]
        names, given = leaf_names(objective.output_names), self._user_loss_weights is not None
        found = _Terms()
        for term in objective.terms:
            path: tuple[Any, ...] = ()
            name = term.loss.name
            if isinstance(term.outputs, int) and len(names) > 1:
                path, name = paths[term.outputs], names[term.outputs]
            found.append(Term(path, term.loss, term.factor if given else None, name))
        return found

    @property
    def metrics(self) -> list[Any]:
        """The means of the losses of several outputs."""
        objective, found = self._session.expected_objective(), self._session.metrics_by_name()
        return [] if objective is None else [found[name] for name in objective.loss_names[1:]]

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        objective = self._session.objective(y_pred, y_true)
        return objective.loss(_batch(objective, y_true, sample_weight), y_pred)[0]

    call = __call__


class CompileMetrics(_OfCompile):
    """The metrics of `compile`, as one.

    Args:
        model: The model.
    """

    name = "compile_metrics"

    @property
    def _user_metrics(self) -> Any:
        return self._told["metrics"]

    @property
    def _user_weighted_metrics(self) -> Any:
        return self._told["weighted_metrics"]

    def _by_name(self) -> dict[str, Any]:
        objective = self._session.expected_objective()
        entries = {} if objective is None else objective.metrics
        return {name: metric for name, (_, metric, _) in entries.items()}

    @property
    def metrics(self) -> list[Any]:
        """The metrics."""
        return list(self._by_name().values())

    @property
    def variables(self) -> list[Any]:
        """The metrics' variables."""
        return [v for metric in self.metrics for v in metric.variables]

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Counts a batch."""
        self._session.shown = self._session.objective(y_pred, y_true)
        jkeras.Model.compute_metrics(self._model, None, y_true, y_pred, sample_weight)

    def result(self) -> dict[str, Any]:
        """Returns the metrics' values by their names in logs."""
        values: dict[str, Any] = {}
        for name, metric in self._by_name().items():
            value = metric.result()
            values.update(value if isinstance(value, Mapping) else {name: value})
        return values

    def reset_state(self) -> None:
        """Starts all of them anew."""
        for metric in self.metrics:
            metric.reset_state()


def _batch(objective: Any, y: Any, sample_weight: Any) -> Batch:
    names = objective.output_names
    weights = data.as_targets(sample_weight, names, "sample_weight")
    return Batch(None, data.as_targets(y, names, "y"), weights)


def _path_of(keys: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(getattr(k, "key", getattr(k, "idx", getattr(k, "name", None))) for k in keys)


def _compile_loss(model: Any) -> CompileLoss | None:
    told = model._session.arguments
    return None if told.get("loss") is None else CompileLoss(model)


def _compile_metrics(model: Any) -> CompileMetrics | None:
    told = model._session.arguments
    given = (told.get("metrics"), told.get("weighted_metrics"))
    return None if given == (None, None) else CompileMetrics(model)


# ------------------------------------------------------------------ optimizers
def _index_of(optimizer: Any) -> Callable[[Any], int]:
    return _indices(optimizer).__getitem__


class _Indices(dict):
    """The places of variables: Keras knows them by identity."""

    def __getitem__(self, variable: Any) -> int:
        return super().__getitem__(variable if isinstance(variable, int) else id(variable))


def _indices(optimizer: Any) -> _Indices:
    return _Indices((id(v), i) for i, v in enumerate(optimizer._trainable_variables))


def _filter_empty(_: Any) -> Callable:
    def filter_empty(grads: Iterable[Any], variables: Iterable[Any]) -> tuple[Any, Any]:
        kept = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not kept:
            raise ValueError("No gradients provided for any variable.")
        return tuple(zip(*kept, strict=True))  # type: ignore[return-value]

    return filter_empty


_OF_ATTENTION = (
    "num_heads",
    "key_dim",
    "value_dim",
    "dropout",
    "use_bias",
    "output_shape",
    "attention_axes",
    "kernel_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "bias_constraint",
    "activity_regularizer",
    "flash_attention",
)


def _common_arguments(layer: Any) -> Callable[[], dict[str, Any]]:
    kinds = ("initializer", "regularizer", "constraint")
    names = [f"{weight}_{kind}" for weight in ("kernel", "bias") for kind in kinds]
    return lambda: {"dtype": layer.dtype_policy, **{n: getattr(layer, n) for n in names}}


# ------------------------------------------------------------------ the table
def _table() -> dict[type, dict[str, Callable[[Any], Any]]]:
    layers, optimizers = jkeras.layers, jkeras.optimizers
    return {
        graph.SymbolicTensor: {"_keras_history": _history},
        graph.Operation: {
            "_inbound_nodes": lambda operation: [Node(c) for c in _calls(operation)],
        },
        Layer: {
            "_inbound_nodes": lambda layer: [Node(c) for c in _calls(layer)],
            "_tracker": Tracker,
            "_trainable_variables": _own_variables(True),
            "_non_trainable_variables": _own_variables(False),
            "_call_has_training_arg": lambda layer: _takes(layer, "training"),
            "_call_has_mask_arg": lambda layer: _takes(layer, "mask"),
            "_call_has_context_arg": lambda layer: {"training": _takes(layer, "training")},
            "_build_shapes_dict": attrgetter("_build_shapes"),
        },
        jkeras.Model: {
            "_loss_tracker": lambda model: next(
                (metric for metric in model.metrics if metric.name == "loss"), None
            ),
            "_jit_compile": attrgetter("jit_compile"),
            "_compile_loss": _compile_loss,
            "_compile_metrics": _compile_metrics,
        },
        jkeras.Sequential: {"_functional": _functional},
        Functional: {
            "_inputs": attrgetter("inputs"),
            "_outputs": attrgetter("outputs"),
            "_inputs_struct": lambda model: model.call_graph().inputs,
            "_outputs_struct": lambda model: model.call_graph().outputs,
            "_nodes": lambda model: [Node(call) for call in _all_calls(model)],
            "_nodes_by_depth": _nodes_by_depth,
            "_operations_by_depth": _operations_by_depth,
            "_run_through_graph": lambda model: _run_through_graph.__get__(model),
        },
        layers.EinsumDense: {
            "partial_output_shape": attrgetter("output_shape"),
            "full_output_shape": lambda layer: tuple(
                layer._shapes(layer._build_shapes["input_shape"])[2]
            ),
        },
        layers.MultiHeadAttention: {
            **{f"_{name}": attrgetter(name) for name in _OF_ATTENTION},
            "_get_common_kwargs_for_sublayer": _common_arguments,
        },
        optimizers.Optimizer: {
            "_variables": attrgetter("variables"),
            "_trainable_variables_indices": _indices,
            "_get_variable_index": _index_of,
            "_get_current_learning_rate": lambda optimizer: lambda: optimizer.learning_rate,
            "_filter_empty_gradients": _filter_empty,
            "_use_weight_decay": lambda optimizer: optimizer._decays,
        },
        jkeras.Variable: {"_value": attrgetter("value")},
        jkeras.metrics.Metric: {"_variables": attrgetter("variables")},
    }


class _Private:
    """A property that gives way to an attribute of the same name."""

    def __init__(self, read: Callable[[Any], Any]):
        self._read = read

    def __get__(self, holder: Any, owner: Any = None) -> Any:
        return self if holder is None else self._read(holder)


def attach() -> dict[type, Mapping[str, Any]]:
    """Gives the classes Keras's private attributes, where they have none of the name.

    Returns:
        What each class was given, for `detach`.
    """
    given: dict[type, Mapping[str, Any]] = {}
    for cls, attributes in _table().items():
        given[cls] = {name: _Private(f) for name, f in attributes.items() if not hasattr(cls, name)}
        for name, value in given[cls].items():
            setattr(cls, name, value)
    return given


def detach(given: Mapping[type, Mapping[str, Any]]) -> None:
    """Takes back what `attach` did."""
    for cls, attributes in given.items():
        for name in attributes:
            delattr(cls, name)
