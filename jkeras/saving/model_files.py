"""save_model, load_model, save_weights, load_weights: which format a file has, or shall have."""

import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jkeras.base import registry
from jkeras.saving import archive, atomic, errors, h5_writer, keras_format, legacy_h5, weights
from jkeras.saving.h5_reader import Group, H5Reader

_LEGACY_SUFFIXES = (".h5", ".hdf5")
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


# ------------------------------------------------------------------ whole models
def save_model(
    model: Any,
    filepath: str | os.PathLike,
    overwrite: bool = True,
    zipped: bool | None = None,
    **kwargs: Any,
) -> None:
    """Writes a whole model to a file: architecture, weights, `compile`, optimizer state.

    Args:
        model: The model.
        filepath: A name that ends in `.keras` or `.h5`; any name with `zipped=False`.
        overwrite: Whether a file that is there already may be replaced.
        zipped: False writes a folder with the parts of a `.keras` file.
        **kwargs: `include_optimizer=False` leaves out `compile` and the optimizer's state.
            (`save_format`, of Keras 2, is accepted if it agrees with the name.)

    Raises:
        ValueError: If the name ends otherwise.
        FileExistsError: If the file exists, and `overwrite` is False.
        NotImplementedError: If a subclassed model is saved as `.h5`.

    Example:
        >>> import tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keras.saving.save_model(model, f"{folder}/model.h5")
        ...     keras.saving.load_model(f"{folder}/model.h5").output_shape
        (None, 2)
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    save_format = kwargs.pop("save_format", None)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {sorted(kwargs)}")
    path = Path(filepath)
    is_legacy = path.suffix in _LEGACY_SUFFIXES
    if save_format not in (None, "h5" if is_legacy else "keras"):
        raise ValueError(
            f"`save_format={save_format!r}` does not agree with the name {str(filepath)!r}: the "
            "format follows from the name, `.keras` or `.h5`."
        )
    if zipped is False and not is_legacy:
        if path.suffix == ".keras":
            raise ValueError(
                "When using `zipped=False`, the `filepath` argument should not end in `.keras`. "
                f"Received: filepath={filepath}"
            )
        with atomic.writing_folder(path, overwrite) as folder:
            keras_format.write_folder(model, folder, include_optimizer)
    elif path.suffix == ".keras":
        with atomic.writing(path, overwrite) as file:
            keras_format.write(model, file, include_optimizer)
    elif is_legacy:
        with atomic.writing(path, overwrite) as file:
            legacy_h5.write(model, file, include_optimizer)
    else:
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for "
            f"the native Keras format (recommended) or a `.h5` extension. Received: "
            f"filepath={filepath}."
        )


def load_model(
    filepath: str | os.PathLike,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Reads a model from a `.keras` or `.h5` file, of Keras 3 or Keras 2.

    What the file is, is found from its contents, not its name.

    Args:
        filepath: The file.
        custom_objects: Your own classes and functions by the names that the file uses; those that
            are registered with `register_keras_serializable` need not be passed. A Lambda layer's
            function may also be passed by the layer's name.
        compile: Whether the model is compiled as it was, with the optimizer's state.
        safe_mode: Accepted for Keras's sake: code in files is never executed.

    Returns:
        The model.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no model file (the message says what it is), a class in it is unknown,
            or its weights do not fit its architecture.

    Example:
        >>> import tempfile, jkeras as keras
        >>> @keras.saving.register_keras_serializable()
        ... class Twice(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return 2 * inputs
        >>> model = keras.Sequential([keras.Input((3,)), Twice()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     keras.saving.load_model(f"{folder}/model.keras").layers[0].name
        'twice'
    """
    path = _existing(filepath)
    with registry.CustomObjectScope(custom_objects), _named(path):
        if _is_archive(path):
            with archive.Archive(path) as members:
                return keras_format.read(members, compile)
        if not _is_hdf5(path):
            raise errors.not_a_model(path)
        with H5Reader(path) as file:
            if legacy_h5.is_model(file.root):
                return legacy_h5.read(file.root, compile)
            if legacy_h5.is_weights(file.root) or _is_weights(file.root):
                raise ValueError(
                    f"The file {str(path)!r} holds weights only, and no architecture. Make the "
                    "model as you did before, then call model.load_weights(...)."
                )
            raise errors.not_a_model(path, f" whose root holds {file.root.names()[:8]}")


# ------------------------------------------------------------------ weights
def save_weights(
    model: Any,
    filepath: str | os.PathLike,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    **kwargs: Any,
) -> None:
    """Writes a model's weights, and its optimizer's state if there is one, to a file.

    Args:
        model: The model, or a layer.
        filepath: A name that ends in `.weights.h5`.
        overwrite: Whether a file that is there already may be replaced.
        max_shard_size: Must be None: weights are written to one file.
        **kwargs: Nothing else.

    Raises:
        ValueError: If the name ends otherwise.
        FileExistsError: If the file exists, and `overwrite` is False.
    """
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    if not str(filepath).endswith(".weights.h5"):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={filepath}")
    if max_shard_size is not None:
        raise ValueError("`max_shard_size` is not supported: weights are written to one file.")
    with atomic.writing(filepath, overwrite) as file, h5_writer.create(file) as root:
        weights.write(model, root)


def load_weights(
    model: Any, filepath: str | os.PathLike, skip_mismatch: bool = False, **kwargs: Any
) -> None:
    """Reads weights from a file: `.weights.h5`, `.keras`, or an `.h5` of weights or a model.

    If the model's optimizer has a state already, and the file has one, that is read as well.

    Args:
        model: The model, built.
        filepath: The file.
        skip_mismatch: Whether layers that do not fit keep their weights, with a warning.
        **kwargs: `by_name=True` finds the layers of an `.h5` file of the older layout by name, and
            leaves others as they are.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights, or weights of another architecture.
    """
    by_name = kwargs.pop("by_name", False)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    path = _existing(filepath)
    with _named(path):
        if path.suffix == ".json":
            with weights.Shards(path) as shards:
                _load(model, shards.find, skip_mismatch)
        elif _is_archive(path):
            with archive.Archive(path) as members, keras_format.open_weights(members) as file:
                _load(model, weights.finder(file.root), skip_mismatch)
        elif not _is_hdf5(path):
            raise errors.not_a_model(path)
        else:
            with H5Reader(path) as file:
                _load_hdf5(model, path, file.root, skip_mismatch, by_name)


def _load_hdf5(model: Any, path: Path, root: Group, skip_mismatch: bool, by_name: bool) -> None:
    if legacy_h5.is_model(root) or legacy_h5.is_weights(root):
        legacy_h5.load_weights(model, root, skip_mismatch, by_name)
    elif by_name:
        raise ValueError(
            f"`by_name=True` needs an `.h5` file of the older layout, which names layers; {path} "
            "holds weights by their place in the model. Use `skip_mismatch=True`."
        )
    elif _is_weights(root):
        _load(model, weights.finder(root), skip_mismatch)
    else:
        raise errors.not_a_model(path, f" whose root holds {root.names()[:8]}")


def _load(model: Any, find: Any, skip_mismatch: bool) -> None:
    if not model.built:
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the "
            "model first by calling it on some data or by using `build()`."
        )
    weights.plan(model, find).run(skip_mismatch)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        weights.load_optimizer(optimizer, find)


# ------------------------------------------------------------------ what a file is
def _existing(filepath: str | os.PathLike) -> Path:
    path = Path(filepath)
    if not path.exists():
        raise errors.missing(filepath)
    return path


def _is_archive(path: Path) -> bool:
    if path.is_dir():
        return (path / "config.json").is_file()
    if not zipfile.is_zipfile(path):
        return False
    with archive.Archive(path) as members:
        return "config.json" in members


def _is_hdf5(path: Path) -> bool:
    if path.is_dir():
        return False
    with open(path, "rb") as file:
        # A user block of 512, 1024, ... bytes may come first.
        offset = 0
        while start := file.read(len(_HDF5_SIGNATURE)):
            if start == _HDF5_SIGNATURE:
                return True
            offset = max(512, 2 * offset)
            file.seek(offset)
    return False


def _is_weights(root: Group) -> bool:
    known = {"layers", "vars", "optimizer", "_layer_checkpoint_dependencies"}
    names = set(root.names())
    return bool(names & known) or any(
        root.group(f"{name}/vars") is not None for name in names if root.is_group(name)
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Adds to an error which file was being read."""
    try:
        yield
    except Exception as error:
        if str(path) not in str(error):
            error.add_note(f"while reading {str(path)!r}")
        raise
