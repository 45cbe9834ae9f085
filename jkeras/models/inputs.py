"""Brings what a model of symbolic tensors is called on into the order, dtypes and ranks it has."""

import warnings
from collections.abc import Mapping
from typing import Any

import jax

from jkeras.core import graph, scope, shapes
from jkeras.core.input_spec import InputSpec


def arrange_inputs(found: graph.Graph, inputs: Any, model_name: str) -> list[Any]:
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
    _warn_of_structure(inputs, wanted)
    pairs = zip(symbols, leaves, strict=True)
    return [_fit_input(i, x, array, model_name) for i, (x, array) in enumerate(pairs)]


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


def _fit_input(index: int, x: graph.SymbolicTensor, array: Any, model_name: str) -> Any:
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
    problem = InputSpec(shape=x.shape).problem(shapes.known(fitted.shape))
    if problem:
        raise ValueError(
            f"Input {index} with name {x.input_name!r} of layer {model_name!r} is incompatible "
            f"with the layer: expected shape={x.shape}, found shape={shapes.known(shape)}"
        )
    if x.dtype == "string":
        return fitted
    # uint8 images stay small until here: the cast is a part of the compiled step.
    return fitted if fitted.dtype == x.dtype else fitted.astype(x.dtype)


def _warn_of_structure(inputs: Any, wanted: Any) -> None:
    """Warns of inputs in another structure than the model's, such as a dict with a key more."""
    by_name = isinstance(inputs, Mapping) and _is_list(wanted)
    if by_name or _outline(inputs) == _outline(wanted):
        return
    if isinstance(scope.current(), shapes.AbstractScope):  # it comes up when the model runs
        return
    problem = (
        "The structure of `inputs` doesn't match the expected structure.\nExpected: "
        f"{jax.tree.map(lambda x: x.input_name, wanted)}\nReceived: inputs="
        f"{jax.tree.map(lambda a: f'Tensor(shape={shapes.known(a.shape)})', inputs)}"
    )
    if isinstance(wanted, Mapping) and _is_list(inputs) and list(wanted) != sorted(wanted):
        raise ValueError(f"{problem}\nA list does not say which key is which: pass a dict.")
    warnings.warn(problem, stacklevel=2)


def _outline(tree: Any) -> Any:
    """Returns a structure without its leaves; one part alone counts as that part."""
    if isinstance(tree, (list, tuple)):
        tree = dict(enumerate(tree))
    if not isinstance(tree, Mapping):
        return None
    parts = {key: _outline(part) for key, part in tree.items()}
    return parts if len(parts) != 1 else next(iter(parts.values()))
