"""get_config, save, load_weights, to_json: the half of a model that is about files."""

import json
import os
from collections.abc import Mapping
from typing import Any, Self

import jax

from jkeras import saving
from jkeras.base import registry
from jkeras.core import graph, pure
from jkeras.core.layer import Layer
from jkeras.models import functional_config


class Savable(Layer):
    """A layer with `save`, `save_weights`, `load_weights` and `to_json`; a base of `Model`."""

    # -------------------------------------------------------------- configuration
    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        # What the first call was made on: for which shapes files say that the model was built.
        self._call_specs: dict[str, Any] = {}

    def _note_call(self, args: tuple, kwargs: Mapping[str, Any]) -> None:
        if not self._call_specs:
            self._call_specs = _specs_of(self._signature.named(args, kwargs))

    # Whether the constructor was given inputs and outputs, which only a graph describes.
    _is_made_of_tensors = False
    # How Keras numbers the first call, where a larger model's outputs are named.
    _first_output_call = 0

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        """Makes a model from the dict that `get_config` returned.

        Args:
            config: The dict.
            custom_objects: Names of your own classes and functions.
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
        shapes, dtypes = (
            {k: jax.tree.map(lambda x, a=a: getattr(x, a), v) for k, v in self._call_specs.items()}
            for a in ("shape", "dtype")
        )
        plain = {x.dtype for x in graph.symbols(self._call_specs)} == {self.compute_dtype}
        if len(shapes) == 1:
            ((name, shape),) = shapes.items()
            return {"input_shape": shape, **({} if plain else {"input_dtype": dtypes[name]})}
        config: dict[str, Any] = {"shapes_dict": {f"{k}_shape": v for k, v in shapes.items()}}
        return config if plain else {**config, "dtypes_dict": dtypes}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Makes the weights for what `get_build_config` returned; nothing is computed."""
        if config.get("input_shape") is not None:
            specs = _symbols_for(config["input_shape"], config.get("input_dtype"))
            pure.ensure_built(self, specs)
        elif config.get("shapes_dict"):
            dtypes = config.get("dtypes_dict") or {}
            named = {k.removesuffix("_shape"): v for k, v in config["shapes_dict"].items()}
            pure.ensure_built(self, **{k: _symbols_for(v, dtypes.get(k)) for k, v in named.items()})

    def _saved_attributes(self) -> dict[str, Any]:
        return {**super()._saved_attributes(), "layers": self._layers}

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


def _specs_of(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Returns symbolic tensors like the arrays among a call's arguments, for any batch size."""

    def spec(x: Any) -> graph.SymbolicTensor:
        return graph.SymbolicTensor((None, *x.shape[1:]), x.dtype)

    return {
        name: jax.tree.map(spec, value)
        for name, value in arguments.items()
        if jax.tree.leaves(value) and all(hasattr(x, "shape") for x in jax.tree.leaves(value))
    }


def _symbols_for(shapes: Any, dtypes: Any) -> Any:
    """Makes symbolic tensors of shapes (and dtypes) that come from JSON."""
    if isinstance(shapes, Mapping):
        return {k: _symbols_for(v, dtypes and dtypes[k]) for k, v in shapes.items()}
    if all(n is None or isinstance(n, int) for n in shapes):
        return graph.SymbolicTensor(shapes, dtypes)
    return [_symbols_for(v, dtypes and dtypes[i]) for i, v in enumerate(shapes)]
