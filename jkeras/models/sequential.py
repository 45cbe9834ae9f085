"""Sequential: a stack of layers."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from jkeras.base import registry
from jkeras.base.types import ArrayLike, Shape, Structure
from jkeras.core import graph, scope, shapes
from jkeras.core.host import building, in_loader
from jkeras.core.layer import Layer
from jkeras.layers.core import InputLayer, given_input_shape
from jkeras.models import functional_config, hooks, host
from jkeras.models.functional import arrange_inputs
from jkeras.models.model import Model


class Sequential(Model):
    """A stack of layers, each called on what the one before gives.

    If the first entry is an `Input` (or the first layer is given `input_shape=`), the model is
    built as layers are added; else when it is first called, or by `build(input_shape)`.

    Args:
        layers: The layers.
        trainable: Whether optimizers may change the weights.
        name: The name.

    Raises:
        ValueError: If something is not a layer, or two layers have the same name.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.add(keras.layers.Dense(1))
        >>> model.output_shape
        (None, 1)
        >>> total = keras.Sequential([keras.layers.Dense(1, kernel_initializer="ones")])
        >>> total.predict(keras.ops.array([[1.0, 2.0]]), verbose=0).tolist()
        [[3.0]]
    """

    def __init__(
        self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None
    ):
        if isinstance(trainable, Layer):
            raise ValueError(
                "`layers` must be a list of layers: `keras.Sequential([first, second])`. Received "
                f"several layers as several arguments: {layers!r}, {trainable!r}, ..."
            )
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []  # with the InputLayer, if there is one
        self._by_name: dict[str, Layer] = {}
        self._outputs: Any = None  # of the whole stack, if the shape of the inputs is known
        self._graph: graph.Graph | None = None  # found when it is asked for
        self._begun = False  # whether `build` has made the InputLayer
        if layers is not None and not isinstance(layers, Iterable):
            raise ValueError(f"`layers` must be a list of layers. Received: layers={layers!r}")
        for layer in layers or ():
            self.add(layer)

    # -------------------------------------------------------------- layers
    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Adds a layer on top.

        Args:
            layer: The layer, or a symbolic tensor made by `keras.Input`.
            rebuild: Accepted for Keras's sake.

        Raises:
            ValueError: If it is not a layer, or its name is taken.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential()
            >>> model.add(keras.Input((3,)))
            >>> model.add(keras.layers.Dense(2))
            >>> model.output_shape
            (None, 2)
        """
        if graph.is_symbolic(layer) and layer.source is not None and not layer.source.inputs:
            layer = layer.source.layer
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {layer!r} (of type {type(layer)})"
            )
        other = self._by_name.get(layer.name, layer)
        if other is not layer and other.name == layer.name:
            raise ValueError(
                "All layers added to a Sequential model should have unique names. Name "
                f"{layer.name!r} is already the name of a layer in this model. Update the `name` "
                "argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(
                f"Sequential model {self.name!r} has already been configured: it has layers or an "
                "Input, and an Input can only come first."
            )
        if any(part is self for part in layer._flatten_layers()):
            raise ValueError(f"Sequential model {self.name!r} cannot be a layer of itself.")
        if not self._stack and not isinstance(layer, InputLayer):
            shape: Any = given_input_shape(layer)
            if shape is None and isinstance(layer, Model) and layer.call_graph() is not None:
                shape = layer.input_shape
            if isinstance(shape, tuple):
                self._push(InputLayer(batch_shape=shape, dtype=_input_dtype(layer)))
        self._push(layer)

    def pop(self, rebuild: bool = True) -> Layer | None:
        """Removes the top layer and returns it; None if the model has no layers.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential(
            ...     [keras.Input((3,)), keras.layers.Dense(2), keras.layers.Dense(1)]
            ... )
            >>> _ = model.pop()
            >>> model.output_shape
            (None, 2)
        """
        if not self.layers:
            return None
        *below, top = self._stack
        self._restack(below)
        return top

    def _restack(self, layers: list[Layer]) -> None:
        self._stack, self._by_name, self._outputs = [], {}, None
        self._graph, self._built = None, False
        for layer in layers:
            self._push(layer)

    def _push(self, layer: Layer) -> None:
        """Puts a layer on top, and calls it on what the others give if that is known."""
        if isinstance(layer, InputLayer):
            self._outputs = layer.output
        elif self._outputs is not None:
            required = layer._signature.required
            if len(required) > 1:
                raise ValueError(
                    "Layers added to a Sequential model can only have a single required positional "
                    f"argument, the input tensor. Layer {type(layer).__name__} has {required}."
                )
            calls = [c for c in layer._calls if c.inputs == [self._outputs]]
            with scope.root_names(self._weight_names()):
                self._outputs = calls[0].outputs if calls else layer(self._outputs)
            self._built = True
        else:
            self._built = False
        self._stack.append(layer)
        self._by_name[layer.name] = layer
        self._graph = None

    def call_graph(self) -> graph.Graph | None:
        """Returns the calls of the layers; None as long as the shape of the inputs is not known."""
        if self._graph is None and self._outputs is not None and self.layers:
            self._graph = graph.trace(self._stack[0].output, self._outputs)
        return self._graph

    @property
    def _on_numpy(self) -> bool:  # type: ignore[override]
        return all(layer._on_numpy for layer in self.layers)

    @property
    def _prepares_data(self) -> bool:  # type: ignore[override]
        return bool(self.layers) and all(layer._prepares_data for layer in self.layers)

    @property
    def _has_inputs(self) -> bool:
        return self._outputs is not None and bool(self.layers)

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the Input."""
        has_input = bool(self._stack) and isinstance(self._stack[0], InputLayer)
        return self._stack[has_input:]

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and should not be used. Use `add()` and "
            "`pop()` to change the layers in this model."
        )

    def _attributes(self) -> dict[str, Any]:
        own = Layer._attributes(self)
        del own["_stack"], own["_by_name"]
        return {"layers": self.layers, **own}

    _saves_layers_first = True

    def __getstate__(self) -> dict[str, Any]:
        self.call_graph()  # which notes the calls of the layers, where it is read back
        return {k: v for k, v in super().__getstate__().items() if k != "_outputs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._outputs = None if self._graph is None else self._graph.outputs

    # -------------------------------------------------------------- configuration
    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal, new model."""
        if type(self).__init__ is not Sequential.__init__:  # its own arguments describe it
            return super().get_config()
        config: dict[str, Any] = {
            "name": self._name,
            "trainable": self.trainable,
            "dtype": registry.serialize_keras_object(self.dtype_policy),
            "layers": [registry.serialize_keras_object(layer) for layer in self._stack],
        }
        if self._has_inputs:
            config["build_input_shape"] = self.input_shape
        return config

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
        if "layers" not in config or not isinstance(config["layers"], list):
            return super().from_config(config, custom_objects)
        with registry.CustomObjectScope(custom_objects):
            model = cls(name=config.get("name"))
            if config.get("dtype") is not None:
                model.dtype_policy = registry.deserialize_keras_object(config["dtype"])
            made: dict[str, Layer] = {}  # a layer that comes twice is the same
            for entry in config["layers"]:
                if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping):
                    raise ValueError(
                        "A layer of a Sequential model's config is not described. Expected a "
                        f"dictionary containing a 'config' key. Received: {entry!r}"
                    )
                name = str(entry["config"].get("name"))
                if name not in made:
                    made[name] = functional_config.make_layer(entry)
                model.add(made[name])
            if config.get("build_input_shape"):
                model.build(config["build_input_shape"])
            model._trainable = bool(config.get("trainable", True))
            return model

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shape of the inputs the model was built for; None if it is not."""
        return {"input_shape": self.input_shape} if self._has_inputs else super().get_build_config()

    # -------------------------------------------------------------- building and calling
    @hooks.standard
    def build(self, input_shape: Shape = None) -> None:
        """Makes the weights for inputs of a shape, such as `(None, 8)`."""
        if input_shape is None:
            return
        if not isinstance(input_shape, (Mapping, list, tuple)):
            raise ValueError(
                f"`input_shape` must be a shape with its batch axis, such as (None, 8). Received: "
                f"input_shape={input_shape!r}"
            )
        if self._has_inputs:
            return
        if not self.layers:
            raise ValueError(
                f"Sequential model {self.name!r} cannot be built because it has no layers. "
                "Call `model.add(layer)`."
            )
        if isinstance(input_shape, (list, tuple)) and any(
            isinstance(n, (list, tuple, dict)) for n in input_shape
        ):
            return  # several inputs: the layers are built as they are called
        shape = (None, *tuple(input_shape)[1:])
        begin = InputLayer(batch_shape=shape, dtype=_input_dtype(self.layers[0]))
        layers = self.layers
        self._begun = True
        try:
            self._restack([begin, *layers])
        except NotImplementedError:  # a layer whose outputs' shapes only a call of arrays shows
            self._restack(layers)

    def _check_rebuild(self, *args: Any, **kwargs: Any) -> None:
        given: Any = next(iter((*args, *kwargs.values())), None)
        own: Any = self.input_shape if self._has_inputs else None
        if not (shapes.is_shape(own) and shapes.is_shape(given)):
            return
        fits = len(own) == len(given) and all(
            m is None or n is None or m == n for m, n in zip(own, given, strict=True)
        )
        if not fits:
            raise ValueError(
                f"Sequential model {self.name!r} has already been configured to use input shape "
                f"{own}. You cannot build it with input_shape {tuple(given)}."
            )

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if not args or (self._built and self._has_inputs) or in_loader():
            return
        with building:
            shape = None if self._has_inputs or self._building else getattr(args[0], "shape", None)
            if shape is not None and not host.on_host(self.layers[0] if self.layers else None):
                self.build(tuple(shape))

    @property
    def on_host(self) -> bool:
        """Whether the first layers run on the host, since they are of strings."""
        if self._has_inputs:
            return super().on_host
        return bool(self.layers) and host.on_host(self.layers[0])

    def _encode_inputs(self, x: Structure) -> Any:
        if not self.on_host or isinstance(x, host.Encoded):
            return x
        if not self._has_inputs:
            dtype = "string" if x.dtype.kind in "OSUT" else str(x.dtype)
            begin = InputLayer(batch_shape=(None, *x.shape[1:]), dtype=dtype)
            self._restack([begin, *self.layers])
        found: Any = self.call_graph()
        return host.encode(found, arrange_inputs(found, x, self.name))

    def call(
        self, inputs: Structure, training: bool | None = None, mask: ArrayLike = None
    ) -> Structure:
        """Calls the layers one after the other."""
        here = scope.current()
        outputs = inputs = self._encode_inputs(inputs)
        if isinstance(inputs, host.Encoded):
            return host.run(self.call_graph(), inputs)  # type: ignore[arg-type]
        if self._has_inputs:
            begin = self._stack[0].output
            if self._begun:  # for the first data: others may have other sizes, as the layers allow
                sizes = [1 if n == 1 else None for n in begin.shape]
                begin = graph.SymbolicTensor(
                    sizes, begin.dtype, name=begin.name, source=begin.source
                )
            ends = graph.Graph(begin, self._outputs, (), ())
            outputs = arrange_inputs(ends, inputs, self.name)[0]
        if mask is not None and here is not None:
            here.set_mask(outputs, mask)
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs


def _input_dtype(layer: Layer) -> str | None:
    """Returns the dtype of data for a first layer that says so (Embedding: int32)."""
    if isinstance(layer, Model) and layer.call_graph() is not None:
        return layer.inputs[0].dtype
    dtype = layer.input_dtype
    return dtype if dtype != layer.compute_dtype else None
