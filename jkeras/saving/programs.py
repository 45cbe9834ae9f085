"""The programs of a model in a `.keras` file, which it is loaded from where its class is unknown.

What a subclass computes is in its `call`, which no config describes. Two programs of XLA are
written beside it, in the folder `program/`: its inference, and its training, which can be
differentiated.
JAX reads them for half a year: they are an artefact, no format.
"""

import datetime
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jkeras.base import naming, registry
from jkeras.base.types import AnyModel
from jkeras.core import parts, scope
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.export import archive, programs
from jkeras.saving.archive import MAX_JSON_BYTES, Archive, parse_json
from jkeras.saving.graphs import own_steps
from jkeras.saving.npy import read_array, write_array

_log = logging.getLogger("jkeras")
FOLDER = "program"
_TABLE = f"{FOLDER}/program.json"
_KINDS = ("infer", "train")
# Numbers that are not weights, such as the states of seeds, are few.
_MAX_ARRAYS = 64 * 2**20


class SavedPrograms:
    """A model's programs, and which weights they take.

    Args:
        members: What `write` returned: the members of the file by name.

    Raises:
        ValueError: If they are damaged, call what is not a part of XLA, or are of a version of JAX
            too far from this one.

    Attributes:
        members: The same.
        table: What program.json says.
        infer: `(weights, *arguments) -> (outputs, losses, masks)`.
        train: The same in training, with a key, and new values of weights.
    """

    def __init__(self, members: Mapping[str, bytes]):
        self.members = dict(members)
        table = parse_json(self.members[_TABLE], f"the member {_TABLE!r}")
        is_known = isinstance(table, dict) and table.get("format") == "jkeras.program"
        if not is_known or table.get("version") != 1:
            raise ValueError(f"The member {_TABLE!r} is damaged, or of a later version.")
        self.table: dict[str, Any] = table
        self.infer, self.train = (
            programs.Program.from_bytes(
                self.members[f"{FOLDER}/{kind}.stablehlo"],
                table.get(kind),
                f"the model's program {kind!r}",
                table.get("jax"),
            )
            for kind in _KINDS
        )

    def __reduce__(self) -> tuple:
        return SavedPrograms, (self.members,)

    def __deepcopy__(self, _: Any) -> "SavedPrograms":
        return self

    def parts(self) -> Iterator[tuple[str, naming.AutomaticName, list[dict[str, Any]]]]:
        """Yields places in files, names, and what is known of the variables, of all layers."""
        for part in self.table["parts"]:
            name = naming.AutomaticName(str(part["name"]), str(part["root"]))
            yield str(part["place"]), name, list(part["variables"])

    def holds(self) -> dict[str, list[tuple[str, str]]]:
        """Returns what each layer holds, by its place in files: attributes, and places in files.

        A layer that several others hold is in each of them, and has one place.
        """
        return {
            str(part["place"]): [(str(a), str(p)) for a, p in part["holds"]]
            for part in self.table["parts"]
            if "holds" in part
        }


# ------------------------------------------------------------------ writing
def write(model: AnyModel) -> dict[str, bytes]:
    """Makes the programs of a model.

    Args:
        model: The model, which was called before. A `TracedModel` gives what it was made of.

    Returns:
        Members for a `.keras` file, by name.

    Raises:
        ValueError: If the model was never called, what it computes cannot be traced for batches of
            any size, or it calls what is not a part of XLA.
        ImportError: If `flatbuffers` is not installed.
    """
    kept = getattr(model, "saved_programs", None)
    if isinstance(kept, SavedPrograms):
        return {**kept.members, **_arrays(model)}
    arguments = archive.signature_of(model)
    names = model._signature.names[: len(arguments)]
    variables = parts.named_variables(model)

    def compute(*args: Any) -> Any:
        outputs = model(*args)
        here = scope.current()
        masks = [here.get_mask(x) for x in jax.tree.leaves(outputs)]  # type: ignore[union-attr]
        return outputs, list(model.losses), masks

    table: dict[str, Any] = {
        "format": "jkeras.program",
        "version": 1,
        "jax": jax.__version__,
        "date": datetime.datetime.now().strftime("%Y-%m-%d"),
        "name": model.name,
        "dtype": registry.serialize_keras_object(model.dtype_policy),
        "own_steps": own_steps(model),
        "parts": [],
    }
    members: dict[str, bytes] = {}
    for kind, training in zip(_KINDS, (False, True), strict=True):
        program = programs.trace(
            compute, variables, arguments, training=training, root=model, names=names
        )
        table[kind] = program.description()
        members[f"{FOLDER}/{kind}.stablehlo"] = program.to_bytes(derivatives=1)
    keys = {variable: key for key, variable in variables.items()}
    walked = parts.walk(model)
    places = {part.layer: part.file_path for part in walked}
    for _, place, layer, own in walked:
        name = layer._name
        table["parts"].append(
            {
                "place": place,
                "name": str(name),
                "root": naming.root(name),
                "variables": [{"key": keys[v], **_describe(v)} for v in own],
                "holds": [[where, places[part]] for where, part in parts.held(layer)[0]],
            }
        )
    members[_TABLE] = json.dumps(table).encode()
    return {**members, **_arrays(model)}


def write_if_needed(model: AnyModel) -> dict[str, bytes]:
    """Returns the programs of a model of a class of the user's; none where there can be none.

    They are made once, and again when what they follow from has changed.
    """
    if not hasattr(model, "call_graph") or not model.built or not _is_of_user(model):
        return {}
    from jkeras.models.sharing import fingerprint

    now = None if hasattr(model, "saved_programs") else fingerprint(model)
    before = model.__dict__.get("_written_programs")
    if now is not None and isinstance(before, _Made) and before.fingerprint == now:
        return {**before.members, **_arrays(model)}
    try:
        members = write(model)
    except (ValueError, TypeError, ImportError, NotImplementedError) as error:
        _log.info("The model %r is saved without its programs: %s", model.name, error)
        return {}
    model.__dict__["_written_programs"] = _Made(now, members)
    return members


def _is_of_user(model: Any) -> bool:
    if any(hasattr(layer, "saved_programs") for layer in model._flatten_layers()):
        return True
    return registry.public_module(type(model)) is None and model.call_graph() is None


class _Made:
    """What was written for a model last, and what it followed from."""

    def __init__(self, fingerprint: Any, members: dict[str, bytes]):
        self.fingerprint, self.members = fingerprint, members


def _describe(variable: Variable) -> dict[str, Any]:
    constraint = variable.constraint
    is_known = constraint is not None and registry.is_builtin(type(constraint))
    return {
        "name": variable.root_name,
        "path": variable.path,
        "shape": list(variable.shape),
        "dtype": programs.dtype_of(variable),
        "made_trainable": variable.made_trainable,
        "trainable": variable.trainable,
        "is_weight": variable.is_weight,
        "constraint": registry.serialize_keras_object(constraint) if is_known else None,
    }


def _arrays(model: Any) -> dict[str, bytes]:
    """Returns the arrays that the file of weights does not hold, or holds otherwise."""
    found: dict[str, bytes] = {}
    count = 0
    for _, _, layer, own in parts.walk(model):
        is_plain = _stores_plainly(layer)
        for variable in own:
            if not (is_plain and variable.is_weight):
                found[f"{FOLDER}/arrays/{count}.npy"] = write_array(np.asarray(variable.cell()))
            count += 1
    return found


def _stores_plainly(layer: Any) -> bool:
    """Says whether the file of weights holds a layer's as they are, in their order."""
    if type(layer).save_own_variables is Layer.save_own_variables:
        return True
    store: dict[str, Any] = {}
    layer.save_own_variables(store)
    shapes = {str(i): v.shape for i, v in enumerate(layer._saved_variables())}
    return {k: np.shape(array) for k, array in store.items()} == shapes


# ------------------------------------------------------------------ reading
def are_in(members: Archive) -> bool:
    """Says whether a file holds programs."""
    return _TABLE in members


def read(members: Archive, config: Mapping[str, Any], untrusted: bool = False) -> Any:
    """Makes a `TracedModel` of the programs in a file; its weights are still to be read.

    Args:
        members: The file.
        config: What its config.json holds, which is what the model is saved as again.
        untrusted: Whether the file is not trusted: no program of it is read then.

    Raises:
        ValueError: If the file is not trusted; if there are none, they are damaged, call what is
            not a part of XLA, or are of a version of JAX too far from this one.
    """
    if untrusted:
        raise ValueError(
            f"The class {config.get('class_name')!r} of the model in {str(members.path)!r} is "
            "unknown, and its programs are not read, since the file is not trusted: XLA's parser, "
            "in C++, can be made to crash. Pass the class in `custom_objects`."
        )
    names = {_TABLE: MAX_JSON_BYTES}
    names |= {f"{FOLDER}/{kind}.stablehlo": programs.MAX_BYTES for kind in _KINDS}
    found = {name: members.read(name, limit) for name, limit in names.items()}
    saved = SavedPrograms(found)
    traced = registry.find_class({"class_name": "TracedModel", "module": "keras"}, "models")
    model = traced(saved_programs=saved, saved_as=dict(config))
    count = 0
    for _, _, _, own in parts.walk(model):
        for variable in own:
            name = f"{FOLDER}/arrays/{count}.npy"
            if name in members:
                variable.assign(read_array(members, name, variable.variable_dtype, _MAX_ARRAYS))
            count += 1
    return model
