"""Sequential: a stack of layers."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from jkeras.base import registry
from jkeras.core import graph, scope
from jkeras.core.layer import Layer
from jkeras.layers.core import InputLayer
from jkeras.models import functional_config
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
        ValueError: If something is no layer, or two layers have the same name.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> model.add(keras.layers.Dense(1))
        >>> model.output_shape
        (None, 1)
    """

    def __init__(
        self, layers: Iterable[Any] | None = None, trainable: bool = True, name: str | None = None
    ):
        super().__init__(trainable=trainable, name=name)
        self._stack: list[Layer] = []  # with the InputLayer, if there is one
        self._graph: graph.Graph | None = None
        for layer in layers or ():
            self.add(layer)

    # -------------------------------------------------------------- layers
    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Adds a layer on top.

        Args:
            layer: The layer, or a symbolic tensor made by `keras.Input`.
            rebuild: Accepted for Keras's sake.

        Raises:
            ValueError: If it is no layer, or its name is taken.
        """
        if graph.is_symbolic(layer) and layer.source is not None and not layer.source.inputs:
            layer = layer.source.layer
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `keras.Layer` can be added to a Sequential model. "
                f"Received: {layer!r} (of type {type(layer)})"
            )
        if any(layer.name == other.name for other in self._stack):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. Name "
                f"{layer.name!r} is already the name of a layer in this model. Update the `name` "
                "argument to pass a unique name."
            )
        if isinstance(layer, InputLayer) and self._stack:
            raise ValueError(
                f"The Sequential model {self.name!r} already has layers or an Input: an Input can "
                "only come first."
            )
        if not self._stack and not isinstance(layer, InputLayer):
            shape = layer._batch_input_shape
            if shape is None and isinstance(layer, Model) and layer.call_graph() is not None:
                shape = layer.input_shape
            if isinstance(shape, tuple):
                self._stack.append(InputLayer(batch_shape=shape, dtype=_input_dtype(layer)))
        self._stack.append(layer)
        self._rewire()

    def pop(self, rebuild: bool = True) -> Layer | None:
        """Removes the top layer and returns it; None if there is none."""
        if not self.layers:
            return None
        layer = self._stack.pop()
        self._rewire()
        return layer

    def _rewire(self) -> None:
        """Makes the graph anew, as far as the input shape is known."""
        self._graph, self._built = None, False
        self._layers_changed()
        if not self._stack or not isinstance(self._stack[0], InputLayer) or not self.layers:
            return
        inputs = outputs = self._stack[0].output
        with scope.root_names(self._weight_names()):
            for layer in self.layers:
                known = [c for c in layer._calls if len(c.inputs) == 1 and c.inputs[0] is outputs]
                outputs = known[0].outputs if known else layer(outputs)
        self._graph = graph.trace(inputs, outputs)
        self._built = True

    def call_graph(self) -> graph.Graph | None:
        """Returns the calls of the layers; None as long as the shape of the inputs is not known."""
        return self._graph

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the Input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def _attributes(self) -> dict[str, Any]:
        own = Layer._attributes(self)
        del own["_stack"]
        return {"layers": self.layers, **own}

    _saves_layers_first = True

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
        if self._graph is not None:
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
            layers = [functional_config.make_layer(entry) for entry in config["layers"]]
            for layer in layers:
                model.add(layer)
            if config.get("build_input_shape"):
                model.build(config["build_input_shape"])
            model._trainable = bool(config.get("trainable", True))
            return model

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shape of the inputs the model was built for; None if it is not."""
        return (
            super().get_build_config() if self._graph is None else {"input_shape": self.input_shape}
        )

    # -------------------------------------------------------------- building and calling
    def build(self, input_shape: Any = None) -> None:
        """Makes the weights for inputs of a shape, such as `(None, 8)`."""
        if self._graph is not None or input_shape is None:
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
        self._stack.insert(0, InputLayer(batch_shape=shape, dtype=_input_dtype(self.layers[0])))
        self._rewire()

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if self._graph is None and not self._building and args:
            shape = getattr(args[0], "shape", None)
            if shape is not None:
                self.build(tuple(shape))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Calls the layers one after the other."""
        here = scope.current()
        outputs = inputs
        if self._graph is not None:
            outputs = arrange_inputs(self._graph, inputs, self.name)[0]
        if mask is not None and here is not None:
            here.set_mask(outputs, mask)
        for layer in self.layers:
            outputs = layer(outputs)
        return outputs


def _input_dtype(layer: Layer) -> str | None:
    """Returns the dtype of data for a first layer that says so (Embedding: int32)."""
    dtype = layer.input_dtype
    return dtype if dtype != layer.compute_dtype else None
