"""save, load_weights, to_json: the half of a model that is about files."""

import json
import os
from typing import Any

from jkeras import saving
from jkeras.core import registry
from jkeras.core.layer import Layer


class Savable(Layer):
    """A layer with `save`, `save_weights`, `load_weights` and `to_json`; a base of `Model`."""

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
