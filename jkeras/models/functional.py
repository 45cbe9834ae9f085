"""Functional: a model made of symbolic inputs and outputs; it owns the graph of calls between."""

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.core import graph, shapes
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.parts import find
from jkeras.models import functional_config
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
        for what, tree in (("inputs", inputs), ("outputs", outputs)):
            for leaf in jax.tree.leaves(tree):
                if not graph.is_symbolic(leaf):
                    raise ValueError(
                        f"`{what}` of a functional model must be symbolic tensors, made by "
                        f"keras.Input and by calling layers on them, got {leaf!r}."
                    )
        self._graph = graph.trace(inputs, outputs)
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
        return (
            len(graph.symbols(self._graph.inputs)) > 1
            or len(graph.symbols(self._graph.outputs)) > 1
            or len({id(call.layer) for call in calls}) < len(calls)
            or any(len(call.inputs) > 1 for call in calls)
        )

    def _attributes(self) -> dict[str, Any]:
        own = Layer._attributes(self)
        return {"layers": list(dict.fromkeys(find([self.operations, own], is_layer))), **own}

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs."""
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

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns no shape, since the graph has them all."""
        if self.call_graph() is None:
            return super().get_build_config()
        return {"input_shape": None}


Model._of_tensors = Functional


# ------------------------------------------------------------------ inputs
def arrange_inputs(found: graph.Graph, inputs: Any, model_name: str) -> list[Any]:
    """Brings inputs into a graph's order, dtypes and ranks.

    Raises:
        ValueError: If one is missing, or its shape does not fit.
    """
    wanted = found.inputs
    symbols = graph.symbols(wanted)
    _warn_of_structure(inputs, wanted)
    if isinstance(inputs, Mapping):
        keys = list(wanted) if isinstance(wanted, Mapping) else found.input_names
        missing = [k for k in keys if k not in inputs]
        if missing:
            raise ValueError(
                f"Missing data for input {missing[0]!r} of model {model_name!r}: it got "
                f"{sorted(inputs)}, and expects {keys}."
            )
        leaves = [inputs[k] for k in (sorted(keys) if isinstance(wanted, Mapping) else keys)]
    else:
        leaves = jax.tree.leaves(inputs, is_leaf=lambda x: x is None)
    if len(leaves) != len(symbols):
        raise ValueError(
            f"Layer {model_name!r} expects {len(symbols)} input(s) with names "
            f"{found.input_names}, but it received {len(leaves)} input tensors."
        )
    pairs = zip(symbols, leaves, strict=True)
    return [_fit_input(i, x, array, model_name) for i, (x, array) in enumerate(pairs)]


def _fit_input(index: int, x: graph.SymbolicTensor, array: Any, model_name: str) -> Any:
    if array is None or graph.is_symbolic(array):
        return array
    shape, fitted = array.shape, array
    if len(shape) == len(x.shape) + 1 and shape[-1] == 1:
        fitted = jnp.squeeze(array, -1)
    elif len(shape) == len(x.shape) - 1 and x.shape[-1] == 1:
        fitted = jnp.expand_dims(array, -1)
    problem = InputSpec(shape=x.shape).problem(shapes.known(fitted.shape))
    if problem:
        raise ValueError(
            f"Input {index} with name {x.input_name!r} of layer {model_name!r} is incompatible "
            f"with the layer: expected shape={x.shape}, found shape={shapes.known(shape)}"
        )
    # uint8 images stay small until here: the cast is a part of the compiled step.
    if fitted.dtype != x.dtype and not _both_float(fitted.dtype, x.dtype):
        fitted = fitted.astype(x.dtype)
    return fitted


def _warn_of_structure(inputs: Any, wanted: Any) -> None:
    """Warns of inputs in another structure than the model's, such as a dict with a key more."""
    by_name = isinstance(inputs, Mapping) and isinstance(wanted, (list, tuple))
    if not by_name and _outline(inputs) != _outline(wanted):
        names = jax.tree.map(lambda x: x.input_name, wanted)
        shapes = jax.tree.map(lambda a: f"Tensor(shape={tuple(a.shape)})", inputs)
        warnings.warn(
            "The structure of `inputs` doesn't match the expected structure.\n"
            f"Expected: {names}\nReceived: inputs={shapes}",
            stacklevel=2,
        )


def _outline(tree: Any) -> Any:
    """Returns a structure without its leaves; one part alone counts as that part."""
    if isinstance(tree, (list, tuple)):
        tree = dict(enumerate(tree))
    if not isinstance(tree, Mapping):
        return None
    parts = {key: _outline(part) for key, part in tree.items()}
    return parts if len(parts) != 1 else next(iter(parts.values()))


def _both_float(a: Any, b: Any) -> bool:
    return jnp.issubdtype(a, np.floating) and jnp.issubdtype(b, np.floating)


def _check_unique_names(layers: list[Layer], model_name: str) -> None:
    counts = Counter(layer.name for layer in layers)
    for name, count in counts.items():
        if count > 1:
            raise ValueError(
                f"The name {name!r} is used {count} times in the model {model_name!r}. "
                "All layer names should be unique: pass `name=` to one of them."
            )
