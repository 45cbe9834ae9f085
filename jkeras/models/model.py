"""Model: layers put together, by a graph of symbolic tensors or by a subclass."""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

import jax

from jkeras import saving
from jkeras.base import naming, registry
from jkeras.core import graph, pure
from jkeras.core.layer import Layer
from jkeras.core.parts import find
from jkeras.models import build_config, functional_config
from jkeras.models.summary import print_summary
from jkeras.models.trainable import Trainable


def functional_arguments(args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Says whether constructor arguments are those of a functional model."""
    return (
        len(args) >= 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


class Model(Trainable):
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

    # The kind that the module of Functional puts here, since it derives from this class.
    _of_tensors: type["Model"]
    # What the first call was made on: for which shapes files say that the model was built.
    _call_specs: Mapping[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        kind = Model._of_tensors if cls is Model and functional_arguments(args, kwargs) else cls
        return super().__new__(kind, *args, **kwargs)  # type: ignore[return-value]

    def __init__(self, *args: Any, **kwargs: Any):
        if functional_arguments(args, kwargs):  # a subclass that hands on inputs and outputs
            _derive_from(type(self), Model._of_tensors)
            Model._of_tensors.__init__(self, *args, **kwargs)
            return
        if not kwargs.keys().isdisjoint(("inputs", "outputs")) or graph.symbols(args):
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

    # -------------------------------------------------------------- graph
    def call_graph(self) -> graph.Graph | None:
        """Returns the graph of calls that the model is made of.

        It is None if the model computes in a `call` of its own, or the shape of its inputs is not
        known yet.
        """
        return None

    def _require_graph(self, what: str) -> graph.Graph:
        found = self.call_graph()
        if found is None:
            kind = "has no defined" if self.built else "is not built: it has no"
            raise AttributeError(f"{type(self).__name__} model {self.name!r} {kind} {what} yet.")
        return found

    @property
    def _operations(self) -> list[Any]:
        """What summaries list: the layers, and in a graph the operations between them."""
        return list(self.layers)

    _is_branched = False

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
        return self._require_graph("inputs").input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: the keys of a dict, else of the layers that make them."""
        return self._require_graph("output names").output_names

    # -------------------------------------------------------------- calling
    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Computes the outputs of a functional model; a subclass writes its own."""
        raise NotImplementedError(
            f"Model {type(self).__name__} has no method call(self, inputs), and was not made "
            "of `inputs` and `outputs`. Write one."
        )

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if not self._call_specs:
            self._call_specs = build_config.specs_of(self._signature.named(args, kwargs))
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
        if input_shape is not None:
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

    # -------------------------------------------------------------- configuration
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        found = state.get("_graph")
        if found is not None and not self._saves_layers_first:  # no model of it was made yet
            _derive_from(type(self), self._of_tensors)
        if self._arguments is None:
            ends = {"inputs": found.inputs, "outputs": found.outputs}  # type: ignore[union-attr]
            self._arguments = (), {**ends, "name": self.name}

    # Whether the constructor was given inputs and outputs, which only a graph describes.
    _is_made_of_tensors = False
    # How Keras numbers the first call, where a larger model's outputs are named.
    _first_output_call = 0

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Makes a model from the dict that `get_config` returned.

        Args:
            config: The dict.
            custom_objects: Names of your own classes and functions.
            safe_mode: Accepted for Keras's sake: code in configs is never executed.
        """
        with registry.CustomObjectScope(custom_objects):
            if not ("input_layers" in config and "output_layers" in config):
                return super().from_config(config)
            inputs, outputs = functional_config.rebuild(config)
            model = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
            model._trainable = bool(config.get("trainable", True))  # its layers know for themselves
            return model

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shapes of what the model was called on; None if that is not known."""
        if not self.built or not self._call_specs:
            return super().get_build_config()
        return build_config.to_config(self._call_specs, self.compute_dtype)

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Makes the weights for what `get_build_config` returned; nothing is computed."""
        build_config.build(self, config)

    def _attributes(self) -> dict[str, Any]:
        own = super()._attributes()
        return {**own, "layers": list(dict.fromkeys(find(own, is_layer)))}

    # -------------------------------------------------------------- files
    def save(
        self,
        filepath: str | os.PathLike,
        overwrite: bool = True,
        zipped: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes the whole model to a file: architecture, weights, `compile`, optimizer state.

        `keras.saving.load_model` reads it back, and so does Keras 3. The file at `filepath` is
        replaced only when the new one is complete.

        Args:
            filepath: A name that ends in `.keras` or `.h5`.
            overwrite: Whether a file that is there already may be replaced.
            zipped: False writes a folder with the parts of a `.keras` file.
            **kwargs: `include_optimizer=False` leaves out `compile` and the optimizer's state.

        Raises:
            ValueError: If the name ends otherwise.
            FileExistsError: If the file exists, and `overwrite` is False.
            NotImplementedError: If a subclassed model is saved as `.h5`.

        Example:
            >>> import tempfile, numpy as np, jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save(f"{folder}/model.keras")
            ...     same = keras.models.load_model(f"{folder}/model.keras")
            >>> bool((same(np.ones((1, 3))) == model(np.ones((1, 3)))).all())
            True
        """
        saving.save_model(self, filepath, overwrite=overwrite, zipped=zipped, **kwargs)

    def save_weights(
        self,
        filepath: str | os.PathLike,
        overwrite: bool = True,
        max_shard_size: float | None = None,
    ) -> None:
        """Writes the weights, and the optimizer's state if there is one, to a `.weights.h5` file.

        Args:
            filepath: A name that ends in `.weights.h5`.
            overwrite: Whether a file that is there already may be replaced.
            max_shard_size: Must be None: weights are written to one file.

        Raises:
            ValueError: If the name ends otherwise.
            FileExistsError: If the file exists, and `overwrite` is False.

        Example:
            >>> import tempfile, jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     model.save_weights(f"{folder}/a.weights.h5")
            ...     model.load_weights(f"{folder}/a.weights.h5")
        """
        saving.save_weights(self, filepath, overwrite=overwrite, max_shard_size=max_shard_size)

    def load_weights(
        self, filepath: str | os.PathLike, skip_mismatch: bool = False, **kwargs: Any
    ) -> None:
        """Reads weights from a file: `.weights.h5`, `.keras`, or an `.h5` of weights or a model.

        Nothing changes unless all that is to be read fits and is whole.

        Args:
            filepath: The file.
            skip_mismatch: Whether layers that do not fit keep their weights, with a warning.
            **kwargs: `by_name=True` finds the layers of an `.h5` file of the older layout by name,
                and leaves others as they are.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds no weights, or weights of another architecture.
        """
        saving.load_weights(self, filepath, skip_mismatch=skip_mismatch, **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """Returns the architecture as a JSON string; `keras.models.model_from_json` reads it.

        Args:
            **kwargs: Arguments of `json.dumps`.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
            >>> keras.models.model_from_json(model.to_json()).layers[0].name
            'head'
        """
        with registry.object_sharing():
            return json.dumps(registry.serialize_keras_object(self), **kwargs)

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


jax.tree_util.register_pytree_node(
    ModelVariables,
    lambda v: (tuple(pure.read(v._model)), None),
    lambda _, children: pure.Variables(*children),  # type: ignore[arg-type, return-value]
)


def _derive_from(cls: type, kind: type) -> None:
    """Makes a subclass of Model, whose constructor hands on inputs and outputs, one of `kind`."""
    bases = [kind if base is Model else base for base in cls.__bases__]
    cls.__bases__ = tuple(bases if kind in bases else [*bases, kind])


def _shape_of(tree: Any) -> Any:
    found = graph.symbols(tree)
    return found[0].shape if len(found) == 1 else jax.tree.map(lambda x: x.shape, tree)


def is_layer(value: Any) -> bool:
    """Says whether a value is a layer."""
    return isinstance(value, Layer)
