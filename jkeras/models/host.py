"""Layers at the front of a model that run on the host: of strings, and of integers of any size.

JAX knows no strings. What a model's first layers make of them is computed before the compiled part
of the model sees a batch, and travels in the place of the inputs as `Encoded`.
"""

import dataclasses
from typing import Any

import jax
import numpy as np

from jkeras.base.types import Structure
from jkeras.core import graph
from jkeras.core.layer import Layer


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoded:
    """What the compiled part of a model is given instead of its inputs.

    Attributes:
        values: Arrays by the positions of the graph's tensors; and, for a model inside that takes
            strings itself, its own `Encoded`, by the position of the call.
    """

    values: dict[str, Any]


def on_host(layer: Any) -> bool:
    """Says whether a layer runs on the host, or is a model that begins with such layers."""
    return isinstance(layer, Layer) and getattr(layer, "on_host", False)


def _positions(found: graph.Graph) -> dict[int, str]:
    """Returns a key for each tensor of a graph, by its id."""
    tensors = graph.symbols((found.inputs, [call.outputs for call in found.calls]))
    return {id(x): f"tensor_{i}" for i, x in enumerate(tensors)}


def encode(found: graph.Graph, arrays: list[Any]) -> Encoded:
    """Runs those calls of a graph that run on the host, on all of some data.

    Args:
        found: The graph.
        arrays: The inputs, in the graph's order.

    Returns:
        What the other calls need.
    """
    known = dict(zip(map(id, graph.symbols(found.inputs)), arrays, strict=True))
    inside: dict[str, Any] = {}
    needed = {id(x) for x in graph.symbols(found.outputs)}
    for i, call in enumerate(found.calls):
        if not on_host(call.layer) or not all(id(x) in known for x in call.inputs):
            needed.update(map(id, call.inputs))
            continue
        args, kwargs = graph.replace(call.args, known), graph.replace(call.kwargs, known)
        if hasattr(call.layer, "_encode_inputs"):  # a model: only its first layers
            inside[f"call_{i}"] = call.layer._encode_inputs(args[0])
        else:
            results = jax.tree.leaves(call.layer(*args, **kwargs))
            known.update(zip(map(id, call.output_list), map(np.asarray, results), strict=True))
    positions = _positions(found)
    return Encoded({**{positions[i]: a for i, a in known.items() if i in needed}, **inside})


def run(found: graph.Graph, encoded: Encoded) -> Structure:
    """Computes the outputs of a graph from what `encode` has made of its inputs."""
    values = encoded.values
    known = {i: values[key] for i, key in _positions(found).items() if key in values}
    for i, call in enumerate(found.calls):
        outputs = call.output_list
        if all(id(x) in known for x in outputs):
            continue
        inside = values.get(f"call_{i}")
        args = graph.replace(call.args, known) if inside is None else (inside,)
        results = call.layer(*args, **graph.replace(call.kwargs, known))
        known.update(zip(map(id, outputs), jax.tree.leaves(results), strict=True))
    return graph.replace(found.outputs, known)
