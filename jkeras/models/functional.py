"""Functional: a model made of symbolic inputs and outputs; it owns the graph of calls between."""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import jax

from jkeras.base import naming
from jkeras.base.types import ArrayLike, Structure
from jkeras.core import graph, scope, shapes
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.parts import find
from jkeras.layers.core import Input
from jkeras.layers.recorded import AddLoss
from jkeras.models import functional_config, host
from jkeras.models.model import Model, functional_arguments, is_layer


class Functional(Model):
    """A model made of symbolic inputs and outputs: what `keras.Model(inputs, outputs)` returns.

    Args:
        inputs: The symbolic inputs: one, a list, a tuple or a dict.
        outputs: The symbolic outputs, which follow from the inputs.
        name: The name.
        **kwargs: Further arguments of a layer.

    Raises:
        ValueError: If these are not symbolic tensors, an output does not follow from the inputs, or
            two layers have the same name.
    """

    # A subclass may also be made without tensors, and compute in a `call` of its own.
    _graph = graph.Graph((), (), (), ())

    def __init__(self, *args: Any, **kwargs: Any):
        if not functional_arguments(args, kwargs):
            super().__init__(*args, **kwargs)
            return
        given = dict(zip(("inputs", "outputs", "name"), args, strict=False))
        kwargs = {**given, **kwargs}
        inputs, outputs = kwargs.pop("inputs"), kwargs.pop("outputs")
        super().__init__(**kwargs)
        self._graph = _begin_with_inputs(graph.trace(inputs, outputs))
        _check_unique_names([op for op in self.operations if isinstance(op, Layer)], self.name)
        self._built = True

    def call_graph(self) -> graph.Graph | None:
        """Returns the graph of calls that the model is made of."""
        return None if self._graph is Functional._graph else self._graph

    @property
    def operations(self) -> list[Any]:
        """The layers and the operations (of functions of symbolic tensors), in order."""
        return list(self._graph.operations)

    @property
    def _operations(self) -> list[Any]:
        return (self._graph.shown if self._graph.training else self.operations) or self.layers

    @property
    def _is_branched(self) -> bool:  # type: ignore[override]
        """Whether the layers do not simply follow one another."""
        return self._graph.is_branched

    def _attributes(self) -> dict[str, Any]:
        own = Layer._attributes(self)
        return {"layers": list(dict.fromkeys(find([self.operations, own], is_layer))), **own}

    def call(
        self, inputs: Structure, training: bool | None = None, mask: ArrayLike = None
    ) -> Structure:
        """Computes the outputs."""
        inputs = self._encode_inputs(inputs)
        if isinstance(inputs, host.Encoded):
            outputs = host.run(self._graph, inputs)
        else:
            arranged = arrange_inputs(self._graph, inputs, self.name)
            outputs = self._graph.run(arranged, training)
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs

    def _encode_inputs(self, x: Structure) -> Any:
        if not self._graph.on_host or isinstance(x, host.Encoded):
            return x
        return host.encode(self._graph, arrange_inputs(self._graph, x, self.name))

    def add_loss(self, loss: Structure) -> None:
        """Adds a scalar (or a list of them) to the loss that training minimizes.

        Args:
            loss: An array, in a `call`; or a symbolic tensor that follows from the model's inputs,
                which is computed in each step from now on.

        Example:
            >>> import jkeras as keras, numpy as np
            >>> inputs = keras.Input((2,))
            >>> code = keras.layers.Dense(1, kernel_initializer="ones")(inputs)
            >>> model = keras.Model(inputs, code)
            >>> model.add_loss(0.1 * keras.ops.mean(code**2))
            >>> model.compile(loss="mse")
            >>> round(model.evaluate(np.ones((1, 2)), np.full((1, 1), 2.0), verbose=0), 3)
            0.4
        """
        given = graph.symbols(loss) if scope.current() is None else []
        if not given or self.call_graph() is None:
            super().add_loss(loss)
            return
        found = self._graph
        added = [AddLoss()(x) for x in given]
        training = found.training
        other = None if training is None else (training.outputs, [*training.losses, *added])
        ends = found.inputs, found.outputs, [*found.losses, *added]
        self._graph = graph.join(*ends, other, found.recorded)

    # -------------------------------------------------------------- configuration
    _first_output_call = 1
    _saves_layers_first = True

    @property
    def _is_made_of_tensors(self) -> bool:  # type: ignore[override]
        return bool(graph.symbols(self._arguments))

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal model, without weights.

        It describes layers and calls; that of a subclass with a constructor of its own is the
        constructor's arguments.
        """
        if self._is_made_of_tensors:
            return functional_config.describe(self)
        return super().get_config()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if self._is_made_of_tensors:  # which the graph has
            state["_arguments"] = None
        return state

    def _complete(self, complete: Callable[[graph.Graph], graph.Graph]) -> None:
        self._graph = complete(self._graph)

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns no shape, since the graph has them all."""
        if self.call_graph() is None:
            return super().get_build_config()
        return {"input_shape": None}


Model._of_tensors = Functional


def _begin_with_inputs(found: graph.Graph) -> graph.Graph:
    """Returns the same graph with an Input wherever it is cut out of a larger one."""
    known: dict[int, Any] = {}
    names = {operation.name for operation in found.operations}
    for x in graph.symbols(found.inputs):
        known[id(x)] = x
        if x.source is None or x.source.inputs:
            name = naming.unique(x.name, names)
            names.add(name)
            known[id(x)] = Input(batch_shape=x.shape, dtype=x.dtype, name=name)
    if all(id(x) == key for key, x in known.items()):
        return found
    for call in found.calls:
        args, kwargs = graph.replace((call.args, call.kwargs), known)
        outputs = graph.record_call(call.layer, args, kwargs, call.outputs)
        pairs = zip(jax.tree.leaves(call.outputs), jax.tree.leaves(outputs), strict=True)
        known.update((id(before), after) for before, after in pairs)
    return graph.trace(*graph.replace((found.inputs, found.outputs), known))


# ------------------------------------------------------------------ inputs
def arrange_inputs(found: graph.Graph, inputs: Structure, model_name: str) -> list[Any]:
    """Brings inputs into a graph's order, dtypes and ranks.

    Raises:
        ValueError: If one is missing, or its shape does not fit.
    """
    wanted, symbols = found.inputs, graph.symbols(found.inputs)
    if isinstance(inputs, Mapping) and not isinstance(wanted, Mapping):
        by_name = dict(zip(found.input_names, symbols, strict=True))
        chosen = _choose(by_name, inputs, model_name)
        leaves = [chosen[name] for name in found.input_names]
    else:
        leaves = jax.tree.leaves(_choose(wanted, inputs, model_name), is_leaf=_is_none)
    if len(leaves) != len(symbols):
        raise ValueError(
            f"Layer {model_name!r} expects {len(symbols)} named input(s) with keys "
            f"{found.input_names}, but it received {len(leaves)} input tensors."
        )
    _warn_of_structure(inputs, found)
    where = [jax.tree_util.keystr(p, simple=True, separator=".") for p, _ in _paths(wanted)]
    return [_fit_input(*part, model_name) for part in zip(where, symbols, leaves, strict=True)]


def _paths(tree: Structure) -> Any:
    return jax.tree_util.tree_leaves_with_path(tree)


def _choose(wanted: Any, given: Any, model_name: str) -> Any:
    """Returns the entries of dicts that have the wanted keys."""
    if isinstance(wanted, Mapping) and isinstance(given, Mapping):
        missing = [k for k in wanted if k not in given]
        if missing:
            raise ValueError(
                f"Missing data for input {missing[0]!r} of model {model_name!r}: it got "
                f"{sorted(given)}, and expects {list(wanted)}."
            )
        return {k: _choose(part, given[k], model_name) for k, part in wanted.items()}
    if _is_list(wanted) and _is_list(given) and len(wanted) == len(given):
        return [_choose(*pair, model_name) for pair in zip(wanted, given, strict=True)]
    return given


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _is_none(x: Any) -> bool:
    return x is None


def _fit_input(path: str, x: graph.SymbolicTensor, array: ArrayLike, model_name: str) -> Any:
    if array is None and not (x.source is not None and x.source.layer.optional):
        raise ValueError(
            f"The input {x.input_name!r} of the model {model_name!r} is not optional, but None was "
            "passed. Pass an array, or make it by keras.Input(optional=True)."
        )
    if array is None or graph.is_symbolic(array):
        return array
    shape, fitted = array.shape, array
    if len(shape) == len(x.shape) + 1 and shape[-1] == 1:
        fitted = array[..., 0]
    elif len(shape) == len(x.shape) - 1 and x.shape[-1] == 1:
        fitted = array[..., None]
    # Any number of rows: a fixed one is what layers are built for, and the last batch is shorter.
    any_batch = (None, *x.shape[1:])
    problem = InputSpec(shape=any_batch).problem(shapes.known(fitted.shape))
    if problem:
        raise ValueError(
            f"Invalid input shape for the input with name {x.input_name!r} and path {path!r}: it "
            f"is incompatible with the layer {model_name!r}: expected shape={any_batch}, found "
            f"shape={shapes.known(shape)}"
        )
    # uint8 images stay small until here: the cast is a part of the compiled step.
    return fitted if x.dtype in (fitted.dtype, "string") else fitted.astype(x.dtype)


def _warn_of_structure(inputs: Structure, found: graph.Graph) -> None:
    """Warns, once for each, of inputs in another structure, such as a dict with a key more."""
    wanted = found.inputs
    by_name = isinstance(inputs, Mapping) and _is_list(wanted)
    if by_name or _outline(inputs) == _outline(wanted):
        return
    problem = (
        "The structure of `inputs` doesn't match the expected structure.\nExpected: "
        f"{jax.tree.map(lambda x: x.input_name, wanted)}\nReceived: inputs="
        f"{jax.tree.map(lambda a: f'Tensor(shape={shapes.known(a.shape)})', inputs)}"
    )
    if isinstance(wanted, Mapping) and _is_list(inputs) and list(wanted) != sorted(wanted):
        raise ValueError(f"{problem}\nA list does not say which key is which: pass a dict.")
    given = str(_outline(inputs))
    if given not in found.warnings_given:
        found.warnings_given.add(given)
        warnings.warn(problem, stacklevel=2)


def _outline(tree: Structure) -> Any:
    """Returns a structure without its leaves; one part alone counts as that part."""
    if isinstance(tree, (list, tuple)):
        tree = dict(enumerate(tree))
    if not isinstance(tree, Mapping):
        return None
    parts = {key: _outline(part) for key, part in tree.items()}
    return parts if len(parts) != 1 else next(iter(parts.values()))


def _check_unique_names(layers: list[Layer], model_name: str) -> None:
    counts = Counter(layer.name for layer in layers)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(
                f"The name {name!r} is used {count} times in the model {model_name!r}. "
                "All layer names should be unique: pass `name=` to one of them."
            )
