"""Files of layers, such as vocabularies, beside the weights in a `.keras` file.

A layer that has any writes them in `save_assets(folder)`, and reads them in `load_assets(folder)`.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jkeras.base.types import AnyLayer
from jkeras.core.parts import walk
from jkeras.saving.archive import Archive

FOLDER = "assets"


def write(model: AnyLayer, folder: Path) -> None:
    """Lets the layers of a model write their files, each into a folder of its own."""
    for path, layer in _owners(model, "save_assets"):
        (folder / path).mkdir(parents=True, exist_ok=True)
        layer.save_assets(str(folder / path))


def load(model: AnyLayer, members: Archive, files: Mapping[Any, str] | None = None) -> None:
    """Lets the layers of a model read their files.

    Only the files in a layer's own folder are unpacked, into a new temporary one.

    Args:
        model: The model.
        members: The file.
        files: The paths in it of what the model holds, if not those of its attributes.

    Raises:
        ValueError: If the name of such a file leads out of that folder.
    """
    for path, layer in _owners(model, "load_assets", files):
        prefix = f"{FOLDER}/{path}/" if path else f"{FOLDER}/"
        with tempfile.TemporaryDirectory() as folder:
            names = members.names(prefix)
            for name in names:
                parts = name.removeprefix(prefix).split("/")
                if any(part in ("", ".", "..") or set(part) & set("\\:\0") for part in parts):
                    raise ValueError(
                        f"Not allowed: the file {str(members.path)!r} names an asset {name!r}."
                    )
                target = Path(folder, *parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with members.open(name) as source, open(target, "wb") as copy:
                    shutil.copyfileobj(source, copy)
            if names:
                layer.load_assets(folder)


def _owners(
    model: Any, method: str, files: Mapping[Any, str] | None = None
) -> Iterator[tuple[str, Any]]:
    """Yields the paths and layers that have files."""
    parts = walk(model, files)
    return ((part.file_path, part.layer) for part in parts if hasattr(part.layer, method))
