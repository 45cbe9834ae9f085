"""ExportArchive: endpoints and weights in one file, which JAX and NumPy alone can run.

The file is a zip archive: a program for each endpoint, an array for each weight (as `np.load` reads
them), and metadata.json.
"""

import datetime
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jkeras.base import naming
from jkeras.base.types import AnyModel, Structure
from jkeras.callbacks.console import say
from jkeras.core import parts
from jkeras.core.scope import Finding, enter
from jkeras.core.variable import Variable
from jkeras.export import programs
from jkeras.saving import atomic, errors
from jkeras.saving.archive import Archive, parse_json
from jkeras.saving.npy import read_array, write_array

FORMAT, _METADATA, _PROGRAM, _FOLDER = "jkeras.export", "metadata.json", ".stablehlo", "weights/"


class ExportArchive:
    """Functions of models as programs in one file, with the weights that they take.

    `model.export(path)` writes such a file with one endpoint, `serve`; this class is for several,
    or for other functions. `keras.export.load` and `keras.layers.TFSMLayer` read it; and so does
    `jax.export` without this library: see the page on exporting.

    All variables that an endpoint uses are found, so that `track` is only needed for those of
    `variables` that no endpoint uses, and for short names: in the file, a weight of the first model
    that is tracked is `weights/dense/kernel`.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> archive = keras.export.ExportArchive()
        >>> archive.track(model)
        >>> serve = archive.add_endpoint(
        ...     name="serve",
        ...     fn=lambda x: keras.ops.softmax(model(x)),
        ...     input_signature=[keras.InputSpec(shape=(None, 3), dtype="float32")],
        ... )
        >>> serve(np.ones((5, 3))).shape
        (5, 2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     archive.write_out(f"{folder}/model.stablehlo", verbose=False)
        ...     again = keras.export.load(f"{folder}/model.stablehlo")
        >>> again.serve(np.ones((1, 3), "float32")).shape
        (1, 2)
    """

    def __init__(self) -> None:
        self._resources: list[Any] = []
        self._keys: dict[Variable, str] = {}
        self._endpoints: dict[str, programs.Program] = {}
        self._collections: dict[str, list[Variable]] = {}

    # -------------------------------------------------------------- what goes in
    def track(self, resource: Any) -> None:
        """Makes the variables of a layer or model a part of the file.

        Args:
            resource: The layer or model, built.

        Raises:
            ValueError: If it is neither, or is not built.
        """
        if not isinstance(resource, parts.Module):
            raise ValueError(
                "Invalid resource type. Expected a Keras layer or model. Received instead an "
                f"object of type '{type(resource).__name__}': {resource!r:.80}"
            )
        _require_built(resource)
        if not any(resource is r for r in self._resources):
            self._resources.append(resource)
        first = resource is self._resources[0]
        for path, variable in parts.named_variables(resource).items():
            self._add(variable, path if first else f"{resource.name}/{path}")

    def _add(self, variable: Variable, path: str) -> None:
        if variable not in self._keys:
            taken = dict.fromkeys(self._keys.values(), 1)
            self._keys[variable] = naming.claim(f"{_FOLDER}{path}", taken)

    def add_endpoint(
        self, name: str, fn: Callable, input_signature: Structure = None, **kwargs: Any
    ) -> Callable:
        """Adds a function as an endpoint.

        Args:
            name: The name: an identifier.
            fn: A function of arrays, and of structures of arrays, that calls layers: `model.call`,
                or one of your own. Random numbers may be drawn in it.
            input_signature: What it is called on: a list with an entry for each argument, of
                `keras.InputSpec`s, symbolic tensors, arrays, or structures of these. None in a
                shape is an axis of any size; first axes are the batch, of one size.
            **kwargs: `is_static` is accepted for Keras's sake. (`jax2tf_kwargs` is for TensorFlow.)

        Returns:
            The endpoint, as a function of arrays that uses the weights of now.

        Raises:
            ValueError: If the name is taken or no identifier, there is no signature, or the
                function cannot be traced.
        """
        kwargs.pop("is_static", None)
        if kwargs:
            raise ValueError(
                f"Unknown arguments of add_endpoint(): {sorted(kwargs)}. There is no TensorFlow in "
                "this library, so that nothing is converted to it."
            )
        if name in self._endpoints:
            raise ValueError(f"Endpoint name '{name}' is already taken.")
        if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
            raise ValueError(f"The name of an endpoint is an identifier. Received: name={name!r}")
        if input_signature is None:
            raise ValueError(
                "You must provide an `input_signature` argument: the shapes and dtypes that "
                f"{name!r} is called on, such as [keras.InputSpec(shape=(None, 3))]."
            )
        arguments = programs.given_specs(input_signature)
        return self._trace(name, fn, arguments)

    def _trace(self, name: str, fn: Callable, arguments: list[Any]) -> Callable:
        for resource in self._resources:
            self.track(resource)  # what was built since
        here = Finding()
        with enter(here):
            programs.at_symbols(lambda args: jax.eval_shape(fn, *args), arguments)
        for variable in here.values:
            self._add(variable, variable.path)
        variables = {self._keys[v]: v for v in here.values}
        root = self._resources[0] if self._resources else None
        program = programs.trace(fn, variables, arguments, root=root)
        self._endpoints[name] = program

        def endpoint(*args: Any) -> Any:
            key = jax.random.key(0) if program.draws else None
            return program.call({k: v.value for k, v in variables.items()}, *args, key=key)[0]

        return endpoint

    def track_and_add_endpoint(
        self, name: str, resource: Any, input_signature: Structure = None, **kwargs: Any
    ) -> Callable:
        """Does `track` and `add_endpoint`, the function being the call of a layer or model.

        Args:
            name: The name.
            resource: The layer or model.
            input_signature: As for `add_endpoint`; that of the model's inputs by default.
            **kwargs: As for `add_endpoint`.
        """
        self.track(resource)
        if input_signature is None:
            input_signature = signature_of(resource)
        return self.add_endpoint(name, lambda *args: resource(*args), input_signature, **kwargs)

    def add_variable_collection(self, name: str, variables: Iterable[Variable]) -> None:
        """Adds variables under a name, by which `keras.export.load` gives them.

        Args:
            name: The name.
            variables: `keras.Variable`s, such as `model.optimizer.variables`.

        Raises:
            ValueError: If these are not variables.
        """
        found: Any = list(variables) if isinstance(variables, (list, tuple, set)) else [None]
        if not all(isinstance(v, Variable) for v in found):
            raise ValueError(
                "Expected `variables` to be a list, tuple or set of keras.Variable instances. "
                f"Received: variables={variables!r:.200}"
            )
        for variable in found:
            self._add(variable, variable.path)
        self._collections[name] = found

    # -------------------------------------------------------------- what is in it
    @property
    def variables(self) -> list[Variable]:
        """The variables of what is tracked, and of the endpoints."""
        return list(self._keys)

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those of them that optimizers may change."""
        return [v for v in self._keys if v.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those of them that optimizers may not change."""
        return [v for v in self._keys if not v.trainable]

    # -------------------------------------------------------------- the file
    def write_out(
        self, filepath: str | os.PathLike, options: Any = None, verbose: bool = True
    ) -> None:
        """Writes the file.

        Args:
            filepath: Its name.
            options: Must be None: TensorFlow's options are not supported.
            verbose: Whether to print what was written.

        Raises:
            ValueError: If there is no endpoint.
            ImportError: If `flatbuffers` is not installed.
        """
        if not self._endpoints:
            raise ValueError("No endpoints have been set yet. Call add_endpoint().")
        if options is not None:
            raise ValueError("`options` are TensorFlow's, and no SavedModel is written: pass None.")
        path = Path(os.fsdecode(filepath)).expanduser()
        data = {name: p.to_bytes(derivatives=1) for name, p in self._endpoints.items()}
        metadata = {
            "format": FORMAT,
            "version": 1,
            "jax": jax.__version__,
            "date": datetime.datetime.now().strftime("%Y-%m-%d"),
            "endpoints": {name: p.description() for name, p in self._endpoints.items()},
            "weights": {
                key: {"dtype": programs.dtype_of(v), "trainable": v.trainable}
                for v, key in self._keys.items()
            },
            "collections": {
                name: [self._keys[v] for v in found] for name, found in self._collections.items()
            },
        }
        with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as members:
            members.writestr(_METADATA, json.dumps(metadata, indent=1))
            for name, program in data.items():
                members.writestr(name + _PROGRAM, program, zipfile.ZIP_DEFLATED)
            for variable, key in self._keys.items():
                members.writestr(f"{key}.npy", write_array(np.asarray(variable.cell())))
        if verbose:
            say(self._report(path))

    def _report(self, path: Path) -> str:
        lines = [f"Saved artifact at '{path}'. The following endpoints are available:", ""]
        for name, program in self._endpoints.items():
            lines.append(f"* Endpoint '{name}'")
            for i, argument in enumerate(program.arguments):
                lines.append(f"  args_{i}: {text_of(argument)}")
            outputs = jax.tree.unflatten(program.exported.out_tree, program.exported.out_avals)
            lines += [f"Output: {text_of(outputs[0] if program.writes else outputs)}", ""]
        return "\n".join(lines)


def text_of(tree: Any) -> str:
    """Returns the dtypes and shapes in a structure of arrays."""
    words = jax.tree.map(lambda x: f"{x.dtype}[{','.join(map(str, x.shape))}]", tree)
    return str(words).replace("'", "")


# ------------------------------------------------------------------ models
def _require_built(layer: Any) -> None:
    if getattr(layer, "built", True):
        return
    kind = "model" if hasattr(layer, "layers") else "layer"
    raise ValueError(
        f"The {kind} provided has not yet been built. It must be built before export: call it on "
        "data, or by build(input_shape)."
    )


def signature_of(model: AnyModel) -> list[Any]:
    """Returns what a model is called on, an entry for each argument, as symbolic tensors.

    Raises:
        ValueError: If it is not built, prepares strings, or was never called.
    """
    _require_built(model)
    if getattr(model, "on_host", False):
        raise ValueError(
            f"The model {model.name!r} takes strings, or runs layers on the host, which no program "
            "of XLA does. Export the model that begins behind these layers, and run them before it."
        )
    specs: dict[str, Any] = getattr(model, "call_specs", dict)()
    if not specs:
        raise ValueError(
            f"It is not known what {model.name!r} is called on: call it on data first, or pass "
            "input_signature=[keras.InputSpec(shape=...)]."
        )
    names = model._signature.names
    last = max((names.index(k) for k in specs if k in names), default=-1)
    found = [specs.get(name) for name in names[: last + 1]]
    is_graph = model.call_graph() is not None
    return [x[0] if is_graph and isinstance(x, (list, tuple)) and len(x) == 1 else x for x in found]


def export_stablehlo(
    model: AnyModel, filepath: str | os.PathLike, verbose: bool, input_signature: Structure
) -> None:
    """Writes a file with a model's call in inference as its endpoint `serve`."""
    archive = ExportArchive()
    archive.track(model)
    archive._trace("serve", lambda *args: model(*args), arguments_of(model, input_signature))
    archive.write_out(filepath, verbose=verbose)


def arguments_of(model: AnyModel, input_signature: Structure) -> list[Any]:
    """Returns what a model shall be exported for: what the user says, or what it is called on."""
    if input_signature is None:
        return signature_of(model)
    _require_built(model)
    given = programs.given_specs(input_signature)
    found = getattr(model, "call_graph", lambda: None)()
    several = found is not None and len(jax.tree.leaves(found.inputs)) == len(given) > 1
    return [given] if several else given


# ------------------------------------------------------------------ reading
class Artifact:
    """What is in a file of `ExportArchive` or `model.export`: its endpoints are its methods.

    Attributes:
        endpoints: The programs by name.
        weights: The arrays by key.
        trainable: Which of these optimizers may change.
        collections: Lists of keys of weights, by name.
    """

    def __init__(self, path: Path, metadata: dict[str, Any], members: Archive):
        name = str(path)
        self.path = path
        described: list[Any] = [metadata.get(k) for k in ("weights", "endpoints", "collections")]
        if not all(isinstance(d, dict) for d in described):
            raise ValueError(f"The metadata.json of {name!r} is damaged.")
        weights, endpoints, collections = described
        self.weights = {
            str(key): read_array(members, f"{key}.npy", str(w["dtype"]))
            for key, w in weights.items()
        }
        self.trainable = {str(k) for k, w in weights.items() if w["trainable"]}
        self.collections = {str(k): [str(key) for key in v] for k, v in collections.items()}
        self.endpoints = {
            str(k): programs.Program.from_bytes(
                members.read(k + _PROGRAM, programs.MAX_BYTES),
                description,
                f"the endpoint {k!r} of {name!r}",
                metadata.get("jax"),
            )
            for k, description in endpoints.items()
        }
        if not self.endpoints:
            raise ValueError(f"The file {name!r} has no endpoint.")

    def endpoint(self, name: str) -> programs.Program:
        """Returns an endpoint; `"serving_default"` is the first one."""
        if name not in self.endpoints and name == "serving_default":
            return next(iter(self.endpoints.values()))
        if name not in self.endpoints:
            raise ValueError(
                f"The endpoint '{name}' is neither an attribute of the reloaded artifact nor an "
                f"entry in its `signatures`. Its endpoints are {sorted(self.endpoints)}"
                f"{naming.nearest(name, self.endpoints)}"
            )
        return self.endpoints[name]

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if name in own.get("collections", ()):
            return [self.weights[key] for key in self.collections[name]]
        if name not in own.get("endpoints", ()):
            raise AttributeError(f"The artifact has no endpoint or collection {name!r}.")
        program = self.endpoints[name]

        def endpoint(*args: Any, key: Any = None) -> Any:
            if program.draws and key is None:
                raise ValueError(f"{name} draws random numbers: pass key=jax.random.key(0).")
            return program.call(self.weights, *_fitting(program, args), key=key)[0]

        return endpoint


def _fitting(program: programs.Program, args: tuple) -> Any:
    """Gives arrays the dtypes that a program takes."""
    wanted = program.arguments
    given: Any = jax.tree.structure(args)
    if given != jax.tree.structure(wanted):
        raise ValueError(f"The endpoint is called on {text_of(wanted)}, got the structure {given}.")
    return jax.tree.map(lambda a, w: np.asarray(a, w.dtype) if _is_host(a) else a, args, wanted)


def _is_host(x: Any) -> bool:
    return not isinstance(x, jax.Array)


def load(filepath: str | os.PathLike) -> Artifact:
    """Reads a file that `model.export` or `ExportArchive.write_out` has written.

    Args:
        filepath: The file.

    Returns:
        The artifact: each endpoint is a method of it, and each collection of variables a list of
        arrays.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is of another kind, damaged, or of a version of JAX too far from this one.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.export(f"{folder}/model.stablehlo", verbose=False)
        ...     artifact = keras.export.load(f"{folder}/model.stablehlo")
        >>> artifact.serve(np.ones((7, 3))).shape
        (7, 2)
    """
    path = Path(os.fsdecode(filepath)).expanduser()
    if not path.exists():
        raise errors.MissingFileError(
            f"File not found: filepath={path}. Give the name of a file that model.export() or "
            "ExportArchive.write_out() has written."
        )
    with errors.reading(f"the file {str(path)!r}"):
        if path.is_dir() or not zipfile.is_zipfile(path):
            raise _not_exported(path)
        with Archive(path) as members:
            if _METADATA not in members:
                raise _not_exported(path)
            metadata = parse_json(members.read(_METADATA), "metadata.json", members.budget)
            if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
                raise _not_exported(path)
            if metadata.get("version") != 1:
                raise ValueError(f"The file {str(path)!r} is of a later version of this library.")
            return Artifact(path, metadata, members)


def _not_exported(path: Path) -> ValueError:
    return ValueError(
        f"{str(path)!r} was not written by model.export() or ExportArchive of this library. (A "
        "SavedModel needs TensorFlow; an ONNX file, onnxruntime; a `.keras` or `.h5` file is read "
        "by keras.models.load_model.)"
    )
