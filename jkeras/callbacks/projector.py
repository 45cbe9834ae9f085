"""Vectors of Embedding layers for TensorBoard's projector."""

import os
import shutil
from collections.abc import Mapping

import numpy as np

from jkeras.base.types import AnyModel
from jkeras.core import processes
from jkeras.layers import Embedding


class EmbeddingsLog:
    """Writes the vectors of a model's Embedding layers as text.

    Args:
        folder: The folder; `train/projector_config.pbtxt` in it says what there is.
        model: The model.
        metadata: A file with a line for each vector, for all layers; or files by layers' names.

    Raises:
        ValueError: If `metadata` names a layer that is not an Embedding layer of the model.
    """

    def __init__(self, folder: str, model: AnyModel, metadata: str | Mapping[str, str] | None):
        self._folder = folder
        self._layers = [layer for layer in model.layers if isinstance(layer, Embedding)]
        names = [layer.name for layer in self._layers]
        if isinstance(metadata, str):
            metadata = dict.fromkeys(names, metadata)
        self._metadata = dict(metadata or {})
        unknown = sorted(self._metadata.keys() - set(names))
        if unknown:
            raise ValueError(
                "Unrecognized `Embedding` layer names passed to `keras.callbacks.TensorBoard` "
                f"`embeddings_metadata` argument: {unknown}. The model's are: {names}."
            )

    def write(self, epoch: int) -> None:
        """Writes the vectors as they are after an epoch; the projector shows the last ones."""
        # Beside the event file: that makes it a run, and the projector looks at runs only.
        run = os.path.join(self._folder, "train")
        tables = [np.asarray(layer.embeddings, "float32") for layer in self._layers]
        if not processes.writes_files():
            return
        os.makedirs(run, exist_ok=True)
        entries = []
        for layer, vectors in zip(self._layers, tables, strict=True):
            path = f"{layer.name}-{epoch}.tsv"
            np.savetxt(os.path.join(run, path), vectors, "%.6g", delimiter="\t")
            lines = [f'tensor_name: "{layer.name}"', f'tensor_path: "{path}"']
            if layer.name in self._metadata:
                # Copied, because the projector refuses files that are not beside its config.
                metadata = os.path.join(self._folder, self._metadata[layer.name])
                lines.append(f'metadata_path: "{os.path.basename(metadata)}"')
                shutil.copyfile(metadata, os.path.join(run, os.path.basename(metadata)))
            entries.append("embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
        with open(os.path.join(run, "projector_config.pbtxt"), "w") as file:
            file.write("".join(entries))
