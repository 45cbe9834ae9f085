"""Layers at the front of a model that run on the host: of strings, and of integers of any size.

JAX knows no strings. What a model's first layers make of them is computed before the compiled part
of the model sees a batch, and travels in the place of the inputs as `Encoded`.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from jkeras.core import graph
from jkeras.models.inputs import arrange_inputs


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoded:
    """What the compiled part of a model is given instead of its inputs.

    Attributes:
        values: Arrays by the positions of the graph's tensors; and, for a model inside that takes
            strings itself, its own `Encoded`, by the position of the call.
    """

    values: dict[str, Any]


def _runs_on_host(layer: Any) -> bool:
    return getattr(layer, "on_host", False) or has_host_layers(layer)


def has_host_layers(model: Any) -> bool:
    """Says whether some layers of a model run on the host."""
    found = model.call_graph() if hasattr(model, "call_graph") else None
    return found is not None and found.on_host


def _positions(found: graph.Graph) -> dict[int, str]:
    """Returns a key for each tensor of a graph, by its id."""
    tensors = graph.symbols((found.inputs, [call.outputs for call in found.calls]))
    return {id(x): f"tensor_{i}" for i, x in enumerate(tensors)}


def encode(model: Any, x: Any) -> Any:
    """Runs the layers of a model that run on the host, on all of some data.

    Args:
        model: The model.
        x: The inputs, a structure of arrays.

    Returns:
        An `Encoded`; or `x`, if nothing of the model runs on the host.
    """
    if isinstance(x, Encoded) or not has_host_layers(model):
        return x
    found = model.call_graph()
    arrays = arrange_inputs(found, x, model.name)
    known = dict(zip(map(id, graph.symbols(found.inputs)), arrays, strict=True))
    positions = _positions(found)
    nested: dict[str, Any] = {}
    needed = {id(x) for x in graph.symbols(found.outputs)}
    for i, call in enumerate(found.calls):
        if not _runs_on_host(call.layer) or not all(id(t) in known for t in call.inputs):
            needed.update(map(id, call.inputs))
            continue
        args, kwargs = graph.replace(call.args, known), graph.replace(call.kwargs, known)
        if has_host_layers(call.layer):
            nested[f"call_{i}"] = encode(call.layer, args[0])
        else:
            results = jax.tree.leaves(call.layer(*args, **kwargs))
            known.update(zip(map(id, call.output_list), map(np.asarray, results), strict=True))
    values = {positions[i]: array for i, array in known.items() if i in needed}
    return Encoded({**values, **nested})


def run(found: graph.Graph, encoded: Encoded) -> Any:
    """Computes the outputs of a graph from what `encode` has made of its inputs."""
    known = {i: encoded.values[p] for i, p in _positions(found).items() if p in encoded.values}
    for i, call in enumerate(found.calls):
        outputs = call.output_list
        if all(id(x) in known for x in outputs):
            continue
        if f"call_{i}" in encoded.values:
            results = call.layer(encoded.values[f"call_{i}"], **graph.replace(call.kwargs, known))
        else:
            args, kwargs = graph.replace(call.args, known), graph.replace(call.kwargs, known)
            results = call.layer(*args, **kwargs)
        known.update(zip(map(id, outputs), jax.tree.leaves(results), strict=True))
    return graph.replace(found.outputs, known)


def spec(model: Any) -> Any:
    """Returns symbolic tensors for the outputs of a model with layers that run on the host."""
    outputs = jax.tree.map(
        lambda x: graph.SymbolicTensor(x.shape, x.dtype), model.call_graph().outputs
    )
    single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
    return outputs[0] if single else outputs
