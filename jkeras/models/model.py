"""Model: layers put together, by a graph of symbolic tensors or by a subclass."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import naming
from jkeras.core import graph, pure
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.models import host
from jkeras.models.savable import Savable
from jkeras.models.summary import print_summary
from jkeras.models.trainable import Trainable


def functional_arguments(args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Says whether constructor arguments are those of a functional model."""
    return (
        len(args) >= 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


class Model(Savable, Trainable):
    """A layer that can be compiled, trained, evaluated and saved.

    There are three ways to make one: `keras.Sequential([...])`, `keras.Model(inputs, outputs)` of
    symbolic tensors (the functional way), and a subclass with layers made in `__init__` and any
    Python in `call`.

    Args:
        inputs: The symbolic inputs: one, a list, a tuple or a dict.
        outputs: The symbolic outputs, which follow from the inputs.
        name: The name.

    Example:
        >>> import jkeras as keras
        >>> inputs = keras.Input(shape=(3,))
        >>> model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
        >>> model.output_shape
        (None, 2)
        >>> class Net(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = keras.layers.Dense(4, activation="relu")
        ...         self.out = keras.layers.Dense(1)
        ...
        ...     def call(self, inputs):
        ...         return self.out(self.hidden(inputs))
        >>> Net()(keras.ops.ones((2, 3))).shape
        (2, 1)
    """

    _graph: graph.Graph | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        if cls is Model and functional_arguments(args, kwargs):
            return super().__new__(Functional, *args, **kwargs)  # type: ignore[return-value]
        return super().__new__(cls, *args, **kwargs)

    def __init__(self, *args: Any, **kwargs: Any):
        inputs = outputs = None
        if functional_arguments(args, kwargs):
            given = dict(zip(("inputs", "outputs", "name"), args, strict=False))
            kwargs = {**given, **kwargs}
            inputs, outputs, args = kwargs.pop("inputs"), kwargs.pop("outputs"), ()
        elif not kwargs.keys().isdisjoint(("inputs", "outputs")) or graph.symbols(args):
            raise ValueError(
                f"{type(self).__name__} of symbolic tensors takes both `inputs` and `outputs`: "
                "keras.Model(inputs, outputs)."
            )
        if args:
            raise TypeError(
                f"{type(self).__name__} takes keras.Model's arguments by name (or `inputs` and "
                f"`outputs`), got {args!r}."
            )
        super().__init__(**kwargs)
        if inputs is not None:
            self._set_graph(inputs, outputs)

    # -------------------------------------------------------------- graph
    def _set_graph(self, inputs: Any, outputs: Any) -> None:
        for what, tree in (("inputs", inputs), ("outputs", outputs)):
            for leaf in jax.tree.leaves(tree):
                if not graph.is_symbolic(leaf):
                    raise ValueError(
                        f"`{what}` of a functional model must be symbolic tensors, made by "
                        f"keras.Input and by calling layers on them, got {leaf!r}."
                    )
        found = graph.trace(inputs, outputs)
        layers = [op for op in found.operations if isinstance(op, Layer)]
        _check_unique_names(layers, self.name)
        self._graph = found
        self._built = True
        self._layers_changed()

    def _children(self) -> Iterator[tuple[str, Layer]]:
        if self._graph is not None:
            for operation in self._graph.operations:
                if isinstance(operation, Layer):
                    yield operation.name, operation
        yield from super()._children()

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model, in order: of a graph as Keras orders it, else of definition."""
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer by name or by index.

        Raises:
            ValueError: If there is none.
        """
        if isinstance(name, int):
            name, index = None, name
        if (name is None) == (index is None):
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        layers = self.layers
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has "
                    f"{len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in layers]
        raise ValueError(
            f"No such layer: {name}. Existing layers are: {names}{naming.nearest(name, names)}"
        )

    def _require_graph(self, what: str) -> graph.Graph:
        if self._graph is None:
            kind = "has no defined" if self.built else "is not built: it has no"
            raise AttributeError(f"{type(self).__name__} model {self.name!r} {kind} {what} yet.")
        return self._graph

    @property
    def inputs(self) -> list[graph.SymbolicTensor]:
        """The symbolic inputs, as a list."""
        return graph.symbols(self._require_graph("inputs").inputs)

    @property
    def outputs(self) -> list[graph.SymbolicTensor]:
        """The symbolic outputs, as a list."""
        return graph.symbols(self._require_graph("outputs").outputs)

    @property
    def input(self) -> Any:
        """The symbolic inputs, in the structure in which they were given."""
        return self._require_graph("inputs").inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs, in the structure in which they were given."""
        return self._require_graph("outputs").outputs

    @property
    def input_shape(self) -> Any:
        """The shapes of the inputs, None for an axis of any size."""
        return _shape_of(self._require_graph("inputs").inputs)

    @property
    def output_shape(self) -> Any:
        """The shapes of the outputs, None for an axis of any size."""
        return _shape_of(self._require_graph("outputs").outputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [_input_name(x) for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: the keys of a flat dict, else of the layers that make them."""
        outputs = self._require_graph("output names").outputs
        if isinstance(outputs, Mapping) and all(map(graph.is_symbolic, outputs.values())):
            return [str(k) for k in outputs]
        names: list[str] = []
        for x in self.outputs:
            name = x.source.layer.name if x.source is not None else x.name
            names.append(naming.unique(name, names))
        return names

    # -------------------------------------------------------------- calling
    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs of a functional model; a subclass writes its own."""
        if self._graph is None:
            raise NotImplementedError(
                f"Model {type(self).__name__} has no method call(self, inputs), and was not made "
                "of `inputs` and `outputs`. Write one."
            )
        inputs = host.encode(self, inputs)
        if isinstance(inputs, host.Encoded):
            outputs = host.run(self._graph, inputs)
        else:
            outputs = self._graph.run(self._arrange_inputs(inputs))
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if host.has_host_layers(self):
            return host.spec(self)
        return super().compute_output_spec(*args, **kwargs)

    def _arrange_inputs(self, inputs: Any) -> Any:
        """Brings inputs into the graph's structure, dtypes and ranks.

        Raises:
            ValueError: If one is missing, or its shape does not fit.
        """
        wanted = self._require_graph("inputs").inputs
        symbols = graph.symbols(wanted)
        _warn_of_structure(inputs, wanted)
        if isinstance(inputs, Mapping):
            keys = list(wanted) if isinstance(wanted, Mapping) else self.input_names
            missing = [k for k in keys if k not in inputs]
            if missing:
                raise ValueError(
                    f"Missing data for input {missing[0]!r} of model {self.name!r}: it got "
                    f"{sorted(inputs)}, and expects {keys}."
                )
            leaves = [inputs[k] for k in (sorted(keys) if isinstance(wanted, Mapping) else keys)]
        else:
            leaves = jax.tree.leaves(inputs, is_leaf=lambda x: x is None)
        if len(leaves) != len(symbols):
            raise ValueError(
                f"Layer {self.name!r} expects {len(symbols)} input(s) with names "
                f"{self.input_names}, but it "
                f"received {len(leaves)} input tensors."
            )
        pairs = zip(symbols, leaves, strict=True)
        return [self._fit_input(i, x, array) for i, (x, array) in enumerate(pairs)]

    def _fit_input(self, index: int, x: graph.SymbolicTensor, array: Any) -> Any:
        if array is None:
            return None
        if graph.is_symbolic(array):
            return array
        shape, fitted = array.shape, array
        if len(shape) == len(x.shape) + 1 and shape[-1] == 1:
            fitted = array[..., 0]
        elif len(shape) == len(x.shape) - 1 and x.shape[-1] == 1:
            fitted = array[..., None]
        problem = InputSpec(shape=x.shape).problem(tuple(fitted.shape))
        if problem:
            raise ValueError(
                f"Input {index} with name {_input_name(x)!r} of layer {self.name!r} is "
                f"incompatible with the layer: expected shape={x.shape}, found shape={tuple(shape)}"
            )
        # uint8 images stay small until here: the cast is a part of the compiled step.
        if x.dtype == "string":
            return fitted
        if fitted.dtype != x.dtype and not _both_float(fitted.dtype, x.dtype):
            fitted = fitted.astype(x.dtype)
        return fitted

    def _cast(self, tree: Any) -> Any:
        return tree if host.has_host_layers(self) else super()._cast(tree)

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        self._note_call(args, kwargs)
        # Model.build runs the model, so only a build that the user wrote is called from here.
        if not self._built and type(self).build is not Model.build and not self._building:
            super()._prepare(args, kwargs)

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights for inputs of a shape; nothing is computed.

        Args:
            input_shape: The shape of the inputs (None for an axis of any size), or a structure of
                shapes.

        Raises:
            ValueError: If the model cannot be called on inputs of this shape.
        """
        if self._graph is None and input_shape is not None:
            pure.ensure_built(self, input_shape)

    # -------------------------------------------------------------- description
    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints a table of the layers: names, output shapes, numbers of parameters.

        Args:
            line_length: The width of the table in characters.
            positions: The right ends of the columns, as parts of the width.
            print_fn: A function that gets the text; standard output by default.
            expand_nested: Whether to show the layers of models inside.
            show_trainable: Whether to show which layers are trainable.
            layer_range: The names (or patterns) of the first and the last layer to show.

        Raises:
            ValueError: If the model is not built: its shapes are not known yet.
        """
        if not self.built:
            raise ValueError(
                f"This model ({self.name!r}) has not yet been built, so its shapes are not known. "
                "Build it by calling it on data, by `model.build(input_shape)`, or with `fit()`; "
                "or begin with keras.Input(shape=...)."
            )
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # -------------------------------------------------------------- the pure core
    @property
    def variables(self) -> Any:
        """All variables of the model: a list, as in Keras; `.params` and `.state` are its arrays.

        It may be set to the `Variables` that `init`, or a custom training loop, has returned.
        """
        return ModelVariables(super().variables, self)

    @variables.setter
    def variables(self, values: Any) -> None:
        pure.write(self, values)

    def init(self, key: jax.Array, *specs: Any, **kwargs: Any) -> pure.Variables:
        """Draws new weights, and leaves the model's own alone; see `jkeras.pure.init`.

        Args:
            key: A key of `jax.random.key`.
            *specs: What the model is called on: arrays, shapes, or structures of these.
            **kwargs: Likewise, by name.
        """
        if not specs and not kwargs and self._graph is not None:
            return pure.init(self, key, self._graph.inputs)
        return pure.init(self, key, *specs, **kwargs)

    def apply(
        self,
        variables: Any,
        *inputs: Any,
        training: bool = False,
        rng: jax.Array | None = None,
        **kwargs: Any,
    ) -> tuple[Any, pure.Effects]:
        """Calls the model with `variables` for weights, purely; see `jkeras.pure.apply`.

        Args:
            variables: What `init` returned, or `model.variables`.
            *inputs: What the model is called on.
            training: Whether dropout is on, and averages are updated.
            rng: The key from which all draws follow.
            **kwargs: Further arguments of the call.

        Returns:
            The outputs, and the effects: `state`, `losses`, `masks`.
        """
        if isinstance(variables, ModelVariables):
            variables = pure.Variables(variables.params, variables.state)
        return pure.apply(self, variables, *inputs, training=training, rng=rng, **kwargs)


class ModelVariables(list):
    """The variables of a model: Keras's list, and the pure core's two dicts.

    Attributes:
        params: From paths to the arrays of the trainable weights.
        state: From paths to the arrays of the other variables.
    """

    def __init__(self, variables: list, model: Model):
        super().__init__(variables)
        self._model = model

    @property
    def params(self) -> dict[str, jax.Array]:
        """From paths to the arrays of the trainable weights."""
        return pure.read(self._model).params

    @property
    def state(self) -> dict[str, jax.Array]:
        """From paths to the arrays of the other variables."""
        return pure.read(self._model).state


class Functional(Model):
    """A model made of symbolic inputs and outputs: what `keras.Model(inputs, outputs)` returns."""

    @property
    def operations(self) -> list[Any]:
        """The layers and the operations (of functions of symbolic tensors), in order."""
        return list(self._graph.operations)  # type: ignore[union-attr]


jax.tree_util.register_pytree_node(
    ModelVariables,
    lambda v: (tuple(pure.read(v._model)), None),
    lambda _, children: pure.Variables(*children),  # type: ignore[arg-type, return-value]
)


def _input_name(x: graph.SymbolicTensor) -> str:
    return x.source.layer.name if x.source is not None and not x.source.inputs else x.name


def _warn_of_structure(inputs: Any, wanted: Any) -> None:
    """Warns of inputs in another structure than the model's, such as a dict with a key more."""
    by_name = isinstance(inputs, Mapping) and isinstance(wanted, (list, tuple))
    if not by_name and _outline(inputs) != _outline(wanted):
        names = jax.tree.map(_input_name, wanted)
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


def _shape_of(tree: Any) -> Any:
    found = graph.symbols(tree)
    return found[0].shape if len(found) == 1 else jax.tree.map(lambda x: x.shape, tree)


def _both_float(a: Any, b: Any) -> bool:
    return jnp.issubdtype(a, np.floating) and jnp.issubdtype(b, np.floating)


def _check_unique_names(layers: list[Layer], model_name: str) -> None:
    names = [layer.name for layer in layers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"The name {name!r} is used {names.count(name)} times in the model {model_name!r}. "
                "All layer names should be unique: pass `name=` to one of them."
            )
