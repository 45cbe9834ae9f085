"""save_model, load_model, save_weights, load_weights: which format a file has, or shall have."""

import os
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from jkeras.base import keys, naming, registry
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import boolean
from jkeras.base.types import AnyModel
from jkeras.core.layer import Layer
from jkeras.saving import (
    archive,
    atomic,
    errors,
    h5_writer,
    keras_format,
    legacy_h5,
    safetensors_files,
    weights,
)
from jkeras.saving.h5_reader import Group
from jkeras.saving.untrusted import open_hdf5

_INDEX = ".weights.json"
_WEIGHTS = (".weights.h5", safetensors_files.SUFFIX, _INDEX)
_LEGACY_SUFFIXES = (".h5", ".hdf5")
# What a model's folder holds.
_OF_MODELS = re.compile(
    r"(config|metadata|graph)\.json|model(_\d+)?\.weights\.(h5|json)|assets|program"
)
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


# ------------------------------------------------------------------ whole models
def save_model(
    model: Any,
    filepath: str | os.PathLike | IO[bytes],
    overwrite: bool = True,
    zipped: bool | None = None,
    **kwargs: Any,
) -> None:
    """Writes a whole model to a file: architecture, weights, `compile`, optimizer state.

    Args:
        model: The model; or a layer, which goes into `.keras` files only.
        filepath: A name that ends in `.keras` or `.h5`; any name with `zipped=False`; a name
            without a suffix, as in Keras 2, which makes a folder, with a warning; or a binary
            file that is open for writing, which then holds what a `.keras` file does.
        overwrite: Whether a file that is there already may be replaced.
        zipped: False writes a folder with the parts of a `.keras` file.
        **kwargs: `include_optimizer=False` leaves out `compile` and the optimizer's state.
            `dialect="portable"` writes an `.h5` file that Keras 2 (tf_keras) reads, too.
            (`save_format`, of Keras 2, is accepted: the name says which format it is.)

    Raises:
        TypeError: If `model` is neither a model nor a layer.
        ValueError: If the name ends otherwise.
        FileExistsError: If the file exists, and `overwrite` is False.
        NotImplementedError: If a subclassed model goes into `.h5` whose `call` can be neither
            recorded nor exported, since it looks at values.

    Example:
        >>> import tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     keras.saving.save_model(model, f"{folder}/model.h5")
        ...     keras.saving.load_model(f"{folder}/model.h5").count_params()
        8
    """
    include_optimizer = kwargs.pop("include_optimizer", True)
    save_format, dialect = kwargs.pop("save_format", None), kwargs.pop("dialect", None)
    if kwargs:
        raise ValueError(f"The following argument(s) are not supported: {sorted(kwargs)}")
    _require_layer(model, "save_model")
    if not isinstance(filepath, (str, bytes, os.PathLike)) and hasattr(filepath, "write"):
        with tempfile.SpooledTemporaryFile(max_size=64 * 2**20) as whole:  # can be read as well
            keras_format.write(model, whole, include_optimizer)  # type: ignore[arg-type]
            whole.seek(0)
            shutil.copyfileobj(whole, filepath)
        return
    overwrite = boolean("overwrite", overwrite)
    include_optimizer = boolean("include_optimizer", include_optimizer)
    path = _as_path(filepath)
    if path.name in ("", ".."):
        raise ValueError(
            f"Invalid filepath for saving: {str(filepath)!r} names no file of its own. Give "
            "a name with the suffix `.keras`."
        )
    is_legacy = path.suffix in _LEGACY_SUFFIXES
    if dialect not in (None, "portable") or (dialect is not None and not is_legacy):
        raise ValueError(
            '`dialect` is None or "portable", which is for `.h5` files, got '
            f"dialect={dialect!r}, filepath={filepath}."
        )
    if save_format is not None:
        problem = (
            "The `save_format` argument is deprecated in Keras 3: the format follows from the "
            f"name, `.keras` or `.h5`. Received: save_format={save_format!r}"
        )
        if path.suffix not in (".keras", *_LEGACY_SUFFIXES):
            raise ValueError(f"{problem}, filepath={filepath}")
        warn_deprecated(problem)
    if not path.suffix and zipped is None:
        warn_deprecated(
            f"A name without a suffix, {path.name!r}, is Keras 2's spelling: a folder is written. "
            "Give the name the suffix `.keras`."
        )
        zipped = False
    if zipped is False and not is_legacy:
        if path.suffix == ".keras":
            raise ValueError(
                "When using `zipped=False`, the `filepath` argument should not end in `.keras`. "
                f"Received: filepath={filepath}"
            )
        with atomic.writing_folder(path, _OF_MODELS.fullmatch, overwrite) as folder:
            keras_format.write_folder(model, folder, include_optimizer)
    elif path.suffix == ".keras":
        with atomic.writing(path, overwrite) as file:
            keras_format.write(model, file, include_optimizer)
    elif is_legacy:
        with atomic.writing(path, overwrite) as file:
            legacy_h5.write(model, file, include_optimizer, dialect is not None)
    else:
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for "
            f"the native Keras format (recommended) or a `.h5` extension. Received: "
            f"filepath={filepath}."
        )


def load_model(
    filepath: str | os.PathLike | IO[bytes],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
    *,
    untrusted: bool = False,
) -> AnyModel:
    """Reads a model from a `.keras` or `.h5` file, of Keras 3 or Keras 2.

    What the file is, is found from its contents, not its name.

    Args:
        filepath: The file; a folder that `OrbaxCheckpoint` has written, or one of its checkpoints,
            which is read by Orbax; or a binary file that is open for reading.
        custom_objects: Your own classes and functions by the names that the file uses; those that
            are registered with `register_keras_serializable` need not be passed. A Lambda layer's
            function may also be passed by the layer's name.
        compile: Whether the model is compiled as it was, with the optimizer's state.
        safe_mode: Accepted for Keras's sake: code in files is never executed.
        untrusted: Whether the arrays are read by a process of its own, with limits of memory and
            time: the HDF5 library can be made to crash, or to run for ever.

    Returns:
        The model, or the layer that was saved.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not a model file (the message says what it is), a class in it is
            unknown, or its weights do not fit its architecture.

    Example:
        >>> import tempfile, jkeras as keras
        >>> @keras.saving.register_keras_serializable()
        ... class Twice(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return 2 * inputs
        >>> model = keras.Sequential([keras.Input((3,)), Twice()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     loaded = keras.saving.load_model(f"{folder}/model.keras")
        >>> loaded(keras.ops.ones((1, 3))).tolist()
        [[2.0, 2.0, 2.0]]
    """
    compile, _ = boolean("compile", compile), boolean("safe_mode", safe_mode)
    is_open = hasattr(filepath, "read")
    path: Any = filepath if is_open else _existing(filepath)  # type: ignore[arg-type]
    with _all_or_nothing(), registry.CustomObjectScope(custom_objects), _reading(path):
        if orbax_folder := _as_checkpoint(path, untrusted):
            return orbax_folder.load_model(path, compile)
        is_archive = _is_archive(path)
        if is_archive or not _is_hdf5(path):
            if not is_open and not is_archive:
                holds_weights = path.name.endswith(_INDEX) or safetensors_files.is_safetensors(path)
                raise (errors.weights_only if holds_weights else errors.not_a_model)(path)
            with archive.Archive(path) as members:
                return keras_format.read(members, compile, untrusted)
        with open_hdf5(path, str(path), untrusted=untrusted) as root:
            if legacy_h5.is_model(root):
                return legacy_h5.read(root, compile)
            if legacy_h5.is_weights(root) or _is_weights(root):
                raise errors.weights_only(path)
            raise errors.not_a_model(path, f" whose root holds {root.names()[:8]}")


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Leaves names and random draws as they were if the block fails."""
    before = naming.counted(), keys.drawn()
    try:
        yield
    except BaseException:
        naming.count_from(before[0])
        keys.draw_from(before[1])
        raise


# ------------------------------------------------------------------ weights
def save_weights(
    model: AnyModel,
    filepath: str | os.PathLike,
    overwrite: bool = True,
    max_shard_size: float | None = None,
    **kwargs: Any,
) -> None:
    """Writes a model's weights, and its optimizer's state if there is one, to a file.

    Args:
        model: The model, or a layer.
        filepath: A name that ends in `.weights.h5`; in `.weights.json` with `max_shard_size`; or in
            `.safetensors`, which holds the weights by their paths, without the optimizer's state.
        overwrite: Whether a file that is there already may be replaced.
        max_shard_size: The most that one file may hold, in GiB. With it, the weights go into files
            `name_00000.weights.h5`, ..., and `name.weights.json` says which is where.
        **kwargs: `objects_to_skip=[...]` leaves out the weights of these layers.

    Raises:
        ValueError: If the name ends otherwise, or the model is not built.
        FileExistsError: If the file exists, and `overwrite` is False.

    Example:
        >>> import os, tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keras.saving.save_weights(model, f"{folder}/model.weights.h5")
        ...     os.listdir(folder)
        ['model.weights.h5']
    """
    skip = kwargs.pop("objects_to_skip", None) or ()
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    _require_layer(model, "save_weights")
    overwrite = boolean("overwrite", overwrite)
    path = _as_path(filepath)
    if not path.suffix and max_shard_size is None:
        warn_deprecated(
            f"A name without a suffix, {path.name!r}, is Keras 2's spelling: give it `.weights.h5`."
        )
    elif not path.name.endswith(_WEIGHTS[: 2 + bool(max_shard_size)]):
        raise ValueError(f"The filename must end in `.weights.h5`. Received: filepath={filepath}")
    if not model.built:
        raise ValueError(
            "You are saving a model that has not yet been built. Try building the model first by "
            "calling it on some data or by using `build()`."
        )
    if path.suffix == safetensors_files.SUFFIX:
        if max_shard_size is not None:
            raise ValueError("`max_shard_size` is for `.weights.json` files, not safetensors.")
        with atomic.writing(path, overwrite) as file:
            safetensors_files.write(model, file, skip)
        return
    if max_shard_size is not None:
        index = path.with_name(f"{path.name.rpartition('.')[0]}.json")
        weights.write_shards(model, index, max_shard_size, overwrite, skip)
        return
    with atomic.writing(path, overwrite) as file, h5_writer.create(file) as root:
        weights.write(model, root, skip=skip)


def load_weights(
    model: AnyModel, filepath: str | os.PathLike, skip_mismatch: bool = False, **kwargs: Any
) -> None:
    """Reads weights from a file: `.weights.h5`, `.keras`, `.safetensors`, or an older `.h5`.

    A folder that `keras.callbacks.OrbaxCheckpoint` has written is read as well.

    If the model's optimizer has a state already, and the file has one, that is read as well.

    Args:
        model: The model, built.
        filepath: The file.
        skip_mismatch: Whether layers that do not fit keep their weights, with a warning.
        **kwargs: `by_name=True` finds the layers of an `.h5` file of the older layout by name, and
            leaves others as they are. `objects_to_skip=[...]`: these layers keep their weights (in
            the other formats). `untrusted=True` reads the file in a process of its own, as
            `load_model` does.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no weights, or weights of another architecture.

    Example:
        >>> import tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> again = keras.models.clone_model(model)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     keras.saving.save_weights(model, f"{folder}/model.weights.h5")
        ...     keras.saving.load_weights(again, f"{folder}/model.weights.h5")
        >>> bool((again.get_weights()[0] == model.get_weights()[0]).all())
        True
    """
    by_name, skip = kwargs.pop("by_name", False), kwargs.pop("objects_to_skip", None)
    untrusted = kwargs.pop("untrusted", False)
    by_name, untrusted = boolean("by_name", by_name), boolean("untrusted", untrusted)
    skip_mismatch = boolean("skip_mismatch", skip_mismatch)
    if kwargs:
        raise ValueError(f"Invalid keyword arguments: {kwargs}")
    path = _existing(filepath)
    _require_layer(model, "load_weights")
    with _reading(path), _kept_on_failure(model):
        if orbax_folder := _as_checkpoint(path, untrusted):
            orbax_folder.load_weights(model, path)
        elif path.suffix == ".json":
            with weights.Shards(path, untrusted) as shards:
                _load(model, shards, skip_mismatch, skip)
        elif _is_archive(path):
            with (
                archive.Archive(path) as members,
                keras_format.open_weights(members, untrusted) as root,
            ):
                _load(model, weights.Tree(root), skip_mismatch, skip)
        elif safetensors_files.is_safetensors(path):
            _require_built(model)
            with safetensors_files.opened(path) as arrays:
                safetensors_files.plan(model, arrays, skip or ()).run(skip_mismatch)
        elif not _is_hdf5(path):
            raise errors.not_a_model(path)
        else:
            with open_hdf5(path, str(path), untrusted=untrusted) as root:
                _load_hdf5(model, path, root, skip_mismatch, by_name, skip)


@contextmanager
def _kept_on_failure(model: Layer) -> Iterator[None]:
    """Gives all weights back if the block fails, such as in a layer's `load_own_variables`."""
    optimizer = getattr(model, "optimizer", None)
    cells = [*model.variables, *([] if optimizer is None else optimizer.variables)]
    before = [(v, v.cell()) for v in cells if v.is_drawn]
    try:
        yield
    except BaseException:
        for variable, array in before:
            if variable.cell() is not array:
                variable.set_cell(array)
                variable.show()  # others may hold the array
        raise


def read_weights(
    filepath: str | os.PathLike | IO[bytes], *, untrusted: bool = False
) -> dict[str, np.ndarray]:
    """Reads all arrays of a file, and makes no model: of any of Keras's files.

    Args:
        filepath: A `.keras`, `.h5`, `.weights.h5`, `.weights.json` or `.safetensors` file; or a
            `.keras` or `.h5` file that is open for reading.
        untrusted: Whether a process of its own reads the arrays, as in `load_model`.

    Returns:
        The arrays by their paths in the file: `"layers/dense/vars/0"`, and
        `"model_weights/dense/dense/kernel"` in the older layout. What is left of an optimizer is
        under `"optimizer"` or `"optimizer_weights"`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or of another kind.

    Example:
        >>> import tempfile, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/model.keras")
        ...     arrays = keras.saving.read_weights(f"{folder}/model.keras")
        >>> {path: array.shape for path, array in arrays.items()}
        {'layers/dense/vars/0': (3, 2), 'layers/dense/vars/1': (2,)}
    """
    is_open = hasattr(filepath, "read")
    path: Any = filepath if is_open else _existing(filepath)  # type: ignore[arg-type]
    with _reading(path), ExitStack() as stack:
        if not is_open and path.suffix == ".json":
            roots = stack.enter_context(weights.Shards(path, untrusted)).files()
        elif not _is_archive(path) and _is_hdf5(path):
            roots = [stack.enter_context(open_hdf5(path, str(path), untrusted=untrusted))]
        elif is_open or _is_archive(path):
            members = stack.enter_context(archive.Archive(path))
            roots = [stack.enter_context(keras_format.open_weights(members, untrusted))]
        elif safetensors_files.is_safetensors(path):
            arrays = stack.enter_context(safetensors_files.opened(path))
            return {name: array.read(array.shape) for name, array in arrays.items()}
        else:
            raise errors.not_a_model(path)
        found = [dataset for root in roots for dataset in root.arrays()]
        return {dataset.path.lstrip("/"): dataset.read(dataset.shape) for dataset in found}


def _load_hdf5(
    model: Any, path: Path, root: Group, skip_mismatch: bool, by_name: bool, skip: Any
) -> None:
    if legacy_h5.is_model(root) or legacy_h5.is_weights(root):
        if skip is not None:
            raise ValueError(
                f"`objects_to_skip` only supports loading '.weights.h5' files; {path} has the "
                "older layout, in which layers go by their order. Use `by_name=True`."
            )
        if not hasattr(model, "layers"):
            raise ValueError(
                f"{path} holds the layers of a model; {type(model).__name__} {model.name!r} is a "
                "single layer."
            )
        legacy_h5.load_weights(model, root, skip_mismatch, by_name)
    elif by_name:
        raise ValueError(
            f"`by_name=True` only supports loading legacy '.h5' or '.hdf5' files, which name "
            f"layers; {path} holds weights by their place in the model. Use `skip_mismatch=True`."
        )
    elif _is_weights(root):
        _load(model, weights.Tree(root), skip_mismatch, skip)
    else:
        raise errors.not_a_model(path, f" whose root holds {root.names()[:8]}")


def _load(model: Any, source: Any, skip_mismatch: bool, skip: Any) -> None:
    _require_built(model)
    plan = weights.plan(model, source, skip or (), whole=True)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        weights.plan_optimizer(plan, optimizer, source)
    plan.run(skip_mismatch)


def _require_built(model: Any) -> None:
    if not model.built:
        raise ValueError(
            "You are loading weights into a model that has not yet been built. Try building the "
            "model first by calling it on some data or by using `build()`."
        )


# ------------------------------------------------------------------ what a file is
def _require_layer(model: Any, function: str) -> None:
    if not isinstance(model, Layer):
        raise TypeError(
            f"{function}() takes a model or a layer, got {type(model).__name__}: {model!r:.80}. "
            "What has only a config is written by `keras.saving.serialize_keras_object`."
        )


def _as_path(filepath: Any) -> Path:
    try:
        name = os.fsdecode(filepath)
    except TypeError:
        raise TypeError(
            f"`filepath` should be the name of a file, a string or a path, got {filepath!r}."
        ) from None
    if not name or "\0" in name:
        what = "has a null character" if name else "is empty"
        raise ValueError(f"`filepath` {what}. Give the name of a file.")
    return Path(name).expanduser()


def _existing(filepath: str | os.PathLike) -> Path:
    path = _as_path(filepath)
    if not path.exists():
        raise errors.missing(filepath)
    if not (path.is_file() or path.is_dir()):  # reading a pipe would wait for who writes to it
        raise ValueError(
            f"The path {str(path)!r} is not a regular file, but a pipe or a device. Open it "
            "yourself, and pass `io.BytesIO(file.read())` to `load_model`."
        )
    return path


def _as_checkpoint(path: Any, untrusted: bool) -> Any:
    """Returns what reads a path if it is a folder of Orbax; else None."""
    if not (isinstance(path, Path) and path.is_dir()):
        return None
    from jkeras.callbacks import orbax_checkpoint

    if not orbax_checkpoint.is_checkpoint(path):
        return None
    if untrusted:
        raise ValueError(
            f"The folder {str(path)!r} is a checkpoint of Orbax, which cannot be read as an "
            "untrusted file."
        )
    return orbax_checkpoint


def _is_archive(path: Any) -> bool:
    """Says whether a file, or an open one, is a `.keras` file: asked first, since it holds HDF5."""
    if not isinstance(path, Path):
        path.seek(0)
        return zipfile.is_zipfile(path)
    if path.is_dir():
        return (path / "config.json").is_file()
    if not zipfile.is_zipfile(path):
        return False
    with archive.Archive(path) as members:
        return "config.json" in members


def _is_hdf5(path: Any) -> bool:
    if isinstance(path, Path):
        if path.is_dir():
            return False
        with open(path, "rb") as file:
            return _is_hdf5(file)
    path.seek(0)
    offset, found = 0, False  # a user block of 512, 1024, ... bytes may come first
    while not found and (start := path.read(len(_HDF5_SIGNATURE))):
        found = start == _HDF5_SIGNATURE
        offset = max(512, 2 * offset)
        path.seek(offset)
    path.seek(0)
    return found


def _is_weights(root: Group) -> bool:
    known = {"layers", "vars", "optimizer", "_layer_checkpoint_dependencies"}
    names = set(root.names())
    return bool(names & known) or any(
        root.group(f"{name}/vars") is not None for name in names if root.is_group(name)
    )


def _reading(path: Any) -> Any:
    name = path if isinstance(path, Path) else getattr(path, "name", path)
    return errors.reading(f"the file {str(name)!r}")
