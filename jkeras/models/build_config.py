"""For which inputs files say that a subclassed model was built."""

import inspect
from collections.abc import Mapping
from typing import Any

import jax
import jax.export

from jkeras.base.types import AnyModel, Shape
from jkeras.core import graph, pure
from jkeras.core.shapes import is_shape, map_shapes


def specs_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns symbolic tensors like the arrays among a call's arguments, for any batch size."""

    def spec(x: Any) -> graph.SymbolicTensor:
        sizes = [None if jax.export.is_symbolic_dim(n) else n for n in x.shape[1:]]
        return graph.SymbolicTensor((None, *sizes), x.dtype)

    return {
        name: jax.tree.map(spec, value)
        for name, value in arguments.items()
        if jax.tree.leaves(value) and all(hasattr(x, "shape") for x in jax.tree.leaves(value))
    }


def call_specs(model: AnyModel) -> Mapping[str, Any]:
    """Returns what a model is called on, by the arguments' names; nothing if that is not known."""
    found = model.call_graph()
    if found is not None:
        return {model._signature.names[0]: found.inputs}
    return (model.built and model._call_specs) or {}


def to_config(specs: Mapping[str, Any], dtype: str) -> dict[str, Any]:
    """Returns the shapes, and the dtypes where they are not the model's, as JSON-able values.

    Args:
        specs: What `specs_of` gave for the model's first call.
        dtype: The model's compute dtype.
    """
    shapes, dtypes = (
        {k: jax.tree.map(lambda x, a=a: getattr(x, a), v) for k, v in specs.items()}
        for a in ("shape", "dtype")
    )
    plain = {x.dtype for x in graph.symbols(specs)} == {dtype}
    if len(shapes) == 1:
        ((name, shape),) = shapes.items()
        return {"input_shape": shape, **({} if plain else {"input_dtype": dtypes[name]})}
    config: dict[str, Any] = {"shapes_dict": {f"{k}_shape": v for k, v in shapes.items()}}
    return config if plain else {**config, "dtypes_dict": dtypes}


def build(model: AnyModel, config: Mapping[str, Any]) -> None:
    """Makes a model's weights for what `get_build_config` returned; nothing is computed.

    A `build` that the user wrote is called with the shapes it was called with before. What it
    leaves to the layers' first calls is built by calling the model on symbols.
    """
    if not hasattr(type(model).build, "is_standard"):
        try:
            bound = _bound_for(model.build, config)
        except TypeError:  # they are shapes of a call's arguments
            bound = None
        if bound is not None:
            model.build(*bound.args, **bound.kwargs)
            if all(layer.built for layer in model._flatten_layers()):
                return
    if config.get("input_shape") is not None:
        specs = _symbols_for(config["input_shape"], config.get("input_dtype"))
        pure.ensure_built(model, specs)
    elif config.get("shapes_dict"):
        dtypes = config.get("dtypes_dict") or {}
        named = {k.removesuffix("_shape"): v for k, v in config["shapes_dict"].items()}
        pure.ensure_built(model, **{k: _symbols_for(v, dtypes.get(k)) for k, v in named.items()})


def _bound_for(method: Any, config: Mapping[str, Any]) -> inspect.BoundArguments | None:
    """Returns how a `build` takes what a config says; None if it says nothing."""
    if config.get("input_shape") is not None:
        return inspect.signature(method).bind(map_shapes(tuple, config["input_shape"]))
    if not config.get("shapes_dict"):
        return None
    return inspect.signature(method).bind(**map_shapes(tuple, config["shapes_dict"]))


def _symbols_for(shapes: Shape, dtypes: Any) -> Any:
    """Makes symbolic tensors of shapes (and dtypes) that come from JSON."""
    if isinstance(shapes, Mapping):
        return {k: _symbols_for(v, dtypes and dtypes[k]) for k, v in shapes.items()}
    if is_shape(shapes):
        return graph.SymbolicTensor(shapes, dtypes)
    return [_symbols_for(v, dtypes and dtypes[i]) for i, v in enumerate(shapes)]
