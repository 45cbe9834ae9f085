"""The `.keras` format: a zip of metadata.json, config.json, model.weights.h5 and assets."""

import datetime
import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jkeras.base import registry
from jkeras.core.layer import Layer
from jkeras.saving import (
    archive,
    assets,
    compile_configs,
    dialects,
    graphs,
    h5_writer,
    programs,
    weights,
)
from jkeras.saving.archive import Archive, parse_json
from jkeras.saving.h5_reader import Group
from jkeras.saving.plan import Plan
from jkeras.saving.untrusted import open_hdf5

# The Keras whose dialect is written.
KERAS_VERSION = "3.15.1"

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"


# ------------------------------------------------------------------ writing
def write(model: Any, file: IO[bytes], include_optimizer: bool = True) -> None:
    """Writes a model to an open file, which can be read as well."""
    with zipfile.ZipFile(file, "w") as members:  # stored: weights hardly shrink
        members.writestr(_METADATA, _metadata())
        members.writestr(_CONFIG, _config(model, include_optimizer))
        for name, data in _beside(model).items():
            members.writestr(name, data, zipfile.ZIP_DEFLATED)
        with (
            archive.new_member(members, _WEIGHTS) as arrays,
            h5_writer.create(arrays, oldest=True) as root,
        ):
            weights.write(model, root, include_optimizer)
        with tempfile.TemporaryDirectory() as folder:
            assets.write(model, Path(folder))
            for path in sorted(p for p in Path(folder).rglob("*") if p.is_file()):
                members.write(path, f"{assets.FOLDER}/{path.relative_to(folder).as_posix()}")


def write_folder(model: Any, folder: Path, include_optimizer: bool = True) -> None:
    """Writes the same parts as files into a folder."""
    (folder / _METADATA).write_text(_metadata())
    (folder / _CONFIG).write_text(_config(model, include_optimizer))
    with h5_writer.create(folder / _WEIGHTS) as root:
        weights.write(model, root, include_optimizer)
    assets.write(model, folder / assets.FOLDER)
    for name, data in _beside(model).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def _beside(model: Any) -> dict[str, bytes]:
    """Returns members for who has not the model's class: its graph, else its programs."""
    found = graphs.describe(model)
    if found is None:
        return programs.write_if_needed(model)
    return {graphs.MEMBER: json.dumps(found).encode()}


def _metadata() -> str:
    now = datetime.datetime.now().strftime("%Y-%m-%d@%H:%M:%S")
    return json.dumps({"keras_version": KERAS_VERSION, "date_saved": now})


def _config(model: Any, include_optimizer: bool) -> str:
    with registry.object_sharing():
        config = registry.serialize_keras_object(model)
    if not include_optimizer:
        config.pop("compile_config", None)
    return json.dumps(dialects.for_older_readers(config))


# ------------------------------------------------------------------ reading
def read(members: Archive, compile: bool = True, untrusted: bool = False) -> Any:
    """Returns the model, or the layer, in an archive."""
    name = str(members.path)
    config = parse_json(members.read(_CONFIG), f"config.json of {name!r}", members.budget)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError(f"The config.json of {name!r} describes no Keras object.")
    compile_config = config.pop("compile_config", None)
    found = graphs.read(members)
    described = dialects.modernize(config, _version(members))
    try:
        model, is_graph = graphs.make(described, found)
    except registry.UnknownClass:
        if not programs.are_in(members):
            raise
        model, is_graph = programs.read(members, described, untrusted), False
    if not isinstance(model, Layer):
        raise ValueError(
            f"The file {name!r} holds a {type(model).__name__}, and no model or layer."
        )
    with open_weights(members, untrusted) as root:
        source = weights.Tree(root)
        places = graphs.restore(model, found) if is_graph else None  # type: ignore[arg-type]
        weights.plan(model, source, places=places).run()
        assets.load(model, members, {k: v[0] for k, v in (places or {}).items()})
        if compile and compile_config:
            trained = graphs.trained(model, found) if places else None  # type: ignore[arg-type]
            optimizer = compile_configs.compile_model(model, compile_config, trained)
            if optimizer is not None:
                state = Plan()
                weights.plan_optimizer(state, optimizer, source)
                state.run()
                if trained is not None:  # from now on in this model's own order
                    optimizer.build(model.trainable_variables)
    return model


def _version(members: Archive) -> str:
    if _METADATA not in members:
        return KERAS_VERSION
    metadata = parse_json(members.read(_METADATA), "metadata.json", members.budget)
    return str(metadata.get("keras_version") or KERAS_VERSION)


@contextmanager
def open_weights(members: Archive, untrusted: bool = False) -> Iterator[Group]:
    """Opens the arrays of an archive."""
    if _WEIGHTS not in members:
        raise ValueError(f"The file {str(members.path)!r} has no member {_WEIGHTS!r}: no weights.")
    name = f"{members.path}/{_WEIGHTS}"
    with (
        members.open(_WEIGHTS) as file,
        open_hdf5(file, name, members.budget, untrusted) as root,
    ):
        yield root
