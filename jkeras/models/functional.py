"""Functional: a model made of symbolic inputs and outputs; it owns the graph of calls between."""

from collections import Counter
from typing import Any

import jax

from jkeras.base import naming
from jkeras.core import graph
from jkeras.core.layer import Layer
from jkeras.core.parts import find
from jkeras.layers.core import Input
from jkeras.models import functional_config, host
from jkeras.models.inputs import arrange_inputs
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
        return self.operations or self.layers

    @property
    def _is_branched(self) -> bool:  # type: ignore[override]
        """Whether the layers do not simply follow one another."""
        calls = self._graph.calls
        sources = {id(x.source) for call in calls for x in call.inputs}
        return (
            len(graph.symbols(self._graph.inputs)) > 1
            or sum(len(call.inputs) for call in calls) > len(calls)
            or min(len(sources), len({id(call.layer) for call in calls})) < len(calls)
        )

    def _attributes(self) -> dict[str, Any]:
        own = Layer._attributes(self)
        return {"layers": list(dict.fromkeys(find([self.operations, own], is_layer))), **own}

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs."""
        inputs = host.encode(self, inputs)
        if isinstance(inputs, host.Encoded):
            outputs = host.run(self._graph, inputs)
        else:
            outputs = self._graph.run(arrange_inputs(self._graph, inputs, self.name))
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs

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


def _check_unique_names(layers: list[Layer], model_name: str) -> None:
    counts = Counter(layer.name for layer in layers)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(
                f"The name {name!r} is used {count} times in the model {model_name!r}. "
                "All layer names should be unique: pass `name=` to one of them."
            )
