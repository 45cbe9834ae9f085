"""TFSMLayer: an exported file as a layer."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jax

from jkeras.base import registry
from jkeras.base.types import DTypeLike, Structure
from jkeras.core import scope
from jkeras.core.layer import Layer
from jkeras.export.archive import load
from jkeras.initializers import Constant


class TFSMLayer(Layer):
    """Makes a layer of a file that `model.export` or `keras.export.ExportArchive` has written.

    It can be trained on, if its file was exported with weights that are trainable. Where training
    computes something else (dropout), export that as an endpoint of its own, by
    `ExportArchive.add_endpoint(fn=lambda x: model(x, training=True), ...)`.

    The name is Keras's, whose layer reads SavedModels. These need TensorFlow, and are not read.

    Args:
        filepath: The file.
        call_endpoint: The endpoint that computes the outputs; `"serving_default"` is the first one.
        call_training_endpoint: The endpoint that does so in training; that of inference by default.
        trainable: Whether optimizers may change its weights.
        name: The name.
        dtype: The dtype of the layer, in which floating inputs are passed on.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, or has no such endpoint.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(f"{folder}/model.stablehlo", verbose=False)
        ...     layer = keras.layers.TFSMLayer(f"{folder}/model.stablehlo")
        >>> keras.Sequential([keras.Input((3,)), layer]).output_shape
        (None, 2)
        >>> len(layer.trainable_weights)
        2
    """

    def __init__(
        self,
        filepath: str | os.PathLike,
        call_endpoint: str = "serve",
        call_training_endpoint: str | None = None,
        trainable: bool = True,
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        super().__init__(trainable=trainable, name=name, dtype=dtype)
        path = Path(os.fsdecode(filepath)).expanduser()
        if path.is_dir() and (path / "saved_model.pb").exists():
            raise NotImplementedError(
                f"{str(path)!r} is a SavedModel of TensorFlow, which only TensorFlow runs. With "
                "it, save the model as `.keras` or `.h5`, and load that by keras.models.load_model."
            )
        self.filepath, self.call_endpoint = str(path), call_endpoint
        self.call_training_endpoint = call_training_endpoint
        artifact = load(path)
        self._inference = artifact.endpoint(call_endpoint)
        self._training = artifact.endpoint(call_training_endpoint or call_endpoint)
        used = {*self._inference.weights, *self._training.weights}
        self._by_key = {}
        for key, array in artifact.weights.items():
            if key in used:
                self._by_key[key] = self.add_weight(
                    shape=array.shape,
                    initializer=Constant(array),
                    dtype=array.dtype.name,
                    trainable=key in artifact.trainable,
                    autocast=False,
                    name=key.partition("/")[2].replace("/", "."),
                )
        self._built = True

    def call(self, inputs: Structure, training: bool = False) -> Structure:
        program = self._training if training else self._inference
        wanted = program.arguments
        args = (inputs,)
        if len(wanted) != 1:
            if not isinstance(inputs, (list, tuple)) or len(inputs) != len(wanted):
                raise ValueError(
                    f"The endpoint takes {len(wanted)} arguments: call the layer {self.name!r} on "
                    "a list of as many."
                )
            args = tuple(inputs)
        given: Any = jax.tree.structure(args)
        if given != jax.tree.structure(wanted):
            raise ValueError(
                f"The endpoint is called on the structure {jax.tree.structure(wanted)}; the layer "
                f"{self.name!r} got {given}."
            )
        args = jax.tree.map(lambda x, w: x.astype(w.dtype), args, wanted)
        key = self.next_key() if program.draws else None
        weights = {k: variable.value for k, variable in self._by_key.items()}
        outputs, new = program.call(weights, *args, key=key)
        if scope.current() is not None:
            for k, value in new.items():
                self._by_key[k].assign(value)
        return outputs

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Makes the layer from a config, if the user has said that configs may name files.

        Raises:
            ValueError: If `TFSMLayer` is not among the `custom_objects`, and no model is cloned.
        """
        with registry.CustomObjectScope(custom_objects):
            if not registry.is_copying() and registry.custom_object("TFSMLayer") is not cls:
                raise ValueError(
                    "Not allowed: a config names the file of a TFSMLayer, and a file that is "
                    "loaded shall not say which others are read. If you know where it comes from, "
                    "pass custom_objects={'TFSMLayer': keras.layers.TFSMLayer}."
                )
        return super().from_config(config)
