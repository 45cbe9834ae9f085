"""The `.h5` layout that Keras has had since its beginning: one group a layer, weights by order."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np

from jkeras.base import naming, registry
from jkeras.base.types import AnyModel
from jkeras.core import parts, placement
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.saving import (
    compile_configs,
    dialects,
    graphs,
    h5_writer,
    old_weights,
    optimizer_state,
    portable,
    programs,
)
from jkeras.saving.archive import parse_json
from jkeras.saving.h5_reader import Dataset, Group
from jkeras.saving.keras_format import KERAS_VERSION
from jkeras.saving.plan import Plan

_TOP_LEVEL = "top_level_model_weights"
# Of a subclassed model: its class, and where it holds the layers of its graph; and the weights
# that its call does not use, which are in no graph.
_GRAPH, _UNUSED = "jkeras_graph", "jkeras_unused_weights"


def is_model(root: Group) -> bool:
    """Says whether a file holds a whole model."""
    return root.has("model_config") or root.group("model_weights") is not None


def is_weights(root: Group) -> bool:
    """Says whether a file holds weights in this layout."""
    return root.texts("layer_names") is not None


# ------------------------------------------------------------------ writing
def write(
    model: AnyModel, file: IO[bytes], include_optimizer: bool = True, is_portable: bool = False
) -> None:
    """Writes a whole model to an open file.

    Args:
        model: The model.
        file: The file.
        include_optimizer: Whether to write `compile`'s arguments, and the optimizer's state.
        is_portable: Whether Keras 2 shall read it, too.

    Raises:
        NotImplementedError: If it is subclassed: this layout cannot say how to build it.
    """
    if not hasattr(model, "layers"):
        raise ValueError(
            f"An `.h5` file holds a model, not a layer, got {type(model).__name__} {model.name!r}. "
            "Save it as `.keras`, or its weights as `.weights.h5`."
        )
    has_own_graph = model._saves_layers_first and not registry.is_builtin(type(model))
    found = None if has_own_graph else graphs.describe(model)
    twin = None if found is None or "model" not in found else model._copied_twin(found["model"])
    needs_more = twin is None and not model._saves_layers_first
    members = programs.write_if_needed(model) if needs_more else {}
    if needs_more and not members:
        raise NotImplementedError(
            "Saving the model to HDF5 format requires the model to be a Functional model or a "
            f"Sequential model. It does not work for the subclassed {type(model).__name__} "
            f"{model.name!r}, whose call can neither be recorded as such a model "
            "(`model.functional()` says why) nor be exported.\nSave it as `.keras`, or its weights "
            "with `model.save_weights('name.weights.h5')`."
        )
    entry = registry.serialize_keras_object(twin or model)
    config = portable.model_config(entry) if is_portable else dialects.to_legacy(entry)
    optimizer = getattr(model, "optimizer", None) if include_optimizer else None
    training = None if optimizer is None else model.get_compile_config()
    settings = None
    if training is not None:
        entry = registry.serialize_keras_object(optimizer)
        settings = compile_configs.to_legacy(training, entry)
        settings = portable.training_config(settings) if is_portable else settings
    version = (portable.BACKEND, portable.VERSION) if is_portable else ("jax", KERAS_VERSION)
    with h5_writer.create(file) as root:
        _write_version(root, version)
        h5_writer.write_text(root, "model_config", json.dumps(config))
        own = {k: v for k, v in (found or {}).items() if k != "model"}
        if twin is not None or members:
            own["class"] = registry.serialize_keras_object(model)
            own["class"].pop("compile_config", None)
        if own:
            h5_writer.write_text(root, _GRAPH, json.dumps(own))
        if members:
            group = root.create_group(programs.FOLDER)
            for name, data in members.items():
                h5_writer.create_dataset(group, name, np.frombuffer(data, "uint8"))
        layers = root.create_group("model_weights")
        _write_version(layers, version)
        _write_layers(layers, twin or model)
        unused = {} if twin is None else _unused(model, twin)
        if unused:
            _write_arrays(root.create_group(_UNUSED), unused)
        if settings is not None:
            h5_writer.write_text(root, "training_config", json.dumps(settings))
        if optimizer is not None:
            group = root.create_group("optimizer_weights")
            if is_portable:
                _write_arrays(group, dict(portable.optimizer_arrays(optimizer)))
            else:
                _write_weights(group, optimizer.variables)


def _unused(model: Any, copied_twin: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a model by path that a copy of its graph does not hold."""
    used = {id(v.cell()) for v in copied_twin.variables}
    named = parts.named_variables(model).items()
    return {k: placement.gathered(v.cell()) for k, v in named if id(v.cell()) not in used}


def _write_version(group: Any, version: tuple[str, str]) -> None:
    h5_writer.write_text(group, "backend", version[0])
    h5_writer.write_text(group, "keras_version", version[1])


def _write_layers(group: Any, model: Any) -> None:
    h5_writer.write_names(group, "layer_names", [layer.name for layer in model.layers])
    for layer in sorted(model.layers, key=lambda layer: layer.name):
        _write_weights(group.create_group(layer.name), ordered_weights(layer))
    _write_weights(group.create_group(_TOP_LEVEL), model._saved_variables())


def _write_weights(group: Any, variables: Sequence[Variable]) -> None:
    names: list[str] = []
    for variable in variables:
        names.append(naming.unique(variable.path, names))
    arrays = [placement.gathered(variable.cell()) for variable in variables]
    _write_arrays(group, dict(zip(names, arrays, strict=True)))


def _write_arrays(group: Any, arrays: Mapping[str, np.ndarray]) -> None:
    h5_writer.write_names(group, "weight_names", list(arrays))
    for name, array in arrays.items():
        # This layout has no mark for bfloat16; every such number is a float32 as well.
        array = array.astype("float32") if array.dtype.kind == "V" else array
        h5_writer.create_dataset(group, name, array)


def ordered_weights(layer: Layer) -> list[Variable]:
    """Returns a layer's weights in the order of this layout: what is trained comes first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


# ------------------------------------------------------------------ reading
def read(root: Group, compile: bool = True) -> AnyModel:
    """Returns the model in a file."""
    text = root.text("model_config")
    if text is None:
        raise ValueError(
            "No model config found in the file: it holds weights only. Make the model as you did "
            "before, then call model.load_weights(...)."
        )
    config = parse_json(text, "model_config", root.budget)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("The file's model_config describes no Keras object.")
    text = root.text(_GRAPH)
    found = None if text is None else parse_json(text, _GRAPH, root.budget)
    described = dialects.modernize(config, _version(root))
    members: Any = _Members(root)
    if programs.are_in(members):
        found, described = None, _class_in(found)
    elif found is not None:
        graphs.checked(found)
        if "class" in found:
            found["model"], described = described, _class_in(found)
    if programs.are_in(members) and not graphs.is_known(described):
        model, is_graph = programs.read(members, described), False
    else:
        model, is_graph = graphs.make(described, found)
    holder = model
    if is_graph:
        graphs.restore(model, found)  # type: ignore[arg-type]
    elif found is not None:
        holder = model._twin()  # shares the variables
    plan = _plan(holder, root.group("model_weights"))
    unused = root.group(_UNUSED)
    if holder is not model and unused is not None:
        by_path = parts.named_variables(model)
        for path, dataset in zip(
            unused.texts("weight_names") or [], _datasets(unused), strict=True
        ):
            if path in by_path:
                plan.add(model, [by_path[path]], [dataset])
    plan.run()
    state = Plan()
    training = root.text("training_config")
    if compile and training is not None:
        settings = parse_json(training, "training_config", root.budget)
        trained = graphs.trained(model, found) if found is not None else None
        optimizer = compile_configs.compile_model(model, settings, trained)
        if optimizer is not None:
            _plan_optimizer(state, optimizer, root, plan.names)
            state.run()
            if trained is not None:
                optimizer.build(model.trainable_variables)
    return model


def _class_in(found: Any) -> dict[str, Any]:
    described = found.get("class") if isinstance(found, dict) else None
    if not isinstance(described, dict) or "class_name" not in described:
        raise ValueError("The file does not say of which class the model is.")
    return described


class _Members:
    """The programs of a model in an `.h5` file, like the members of a `.keras` file."""

    def __init__(self, root: Group):
        self.path, self.budget = root.path, root.budget
        self._group = root.group(programs.FOLDER)

    def __contains__(self, name: str) -> bool:
        return self._group is not None and self._group.dataset(name) is not None

    def open(self, name: str, limit: int | None = None) -> IO[bytes]:
        """Returns a member as a file."""
        return io.BytesIO(self.read(name, limit))

    def read(self, name: str, limit: int | None = None) -> bytes:
        """Returns a member, of at most `limit` bytes."""
        dataset = None if self._group is None else self._group.dataset(name)
        if dataset is None:
            raise ValueError(f"The file has no {name!r} in {self.path!r}.")
        size = int(np.prod(dataset.shape))
        if limit is not None and size > limit:
            raise ValueError(
                f"The {name!r} of the file has more than {limit} bytes: it is refused."
            )
        return dataset.read(dataset.shape).astype("uint8").tobytes()


def load_weights(model: AnyModel, root: Group, skip_mismatch: bool, by_name: bool) -> None:
    """Reads weights from a file of weights, or of a whole model."""
    group = root.group("model_weights") or root
    plan = _plan(model, group, by_name)
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built and not by_name:
        _plan_optimizer(plan, optimizer, root, plan.names)
    plan.run(skip_mismatch)


def _version(root: Group) -> str:
    group = root.group("model_weights")
    return root.text("keras_version") or (group and group.text("keras_version")) or "1"


def _plan_optimizer(
    result: Plan, optimizer: Any, root: Group, weight_names: Mapping[Variable, str]
) -> None:
    group = root.group("optimizer_weights")
    if group is not None:
        names = group.texts("weight_names") or []
        saved = list(zip(names, _datasets(group), strict=True))
        optimizer_state.plan(result, optimizer, saved, weight_names)


def _datasets(group: Group) -> list[Dataset]:
    found = []
    for name in group.texts("weight_names") or ():
        dataset = group.dataset(name)
        if dataset is None:
            raise ValueError(f"The file lists the weight {name!r} in {group.path!r}, and has none.")
        found.append(dataset)
    return found


def _plan(model: Any, group: Group | None, by_name: bool = False) -> Plan:
    """Plans to read all layers' weights: layers are matched by their order, or by name."""
    names = group.texts("layer_names") if group is not None else None
    if group is None or names is None:
        raise ValueError("The file has no list of layers (`layer_names`): it holds no weights.")
    saved: dict[str, list[Dataset]] = {}
    for name in names:
        layer_group = group.group(name)
        if layer_group is None:
            raise ValueError(f"The file lists the layer {name!r}, and has no weights for it.")
        saved[name] = _datasets(layer_group)
    plan = Plan()
    for layer, name in _matched(model, saved, by_name):
        variables, datasets = ordered_weights(layer), saved[name]
        weight_names = group.group(name).texts("weight_names") or []  # type: ignore[union-attr]
        variables = old_weights.by_suffix(variables, weight_names, datasets)
        conversion = old_weights.conversion(layer, variables, [d.shape for d in datasets])
        plan.add(layer, variables, datasets, conversion)
        plan.names.update(zip(variables, weight_names, strict=False))
    top = group.group(_TOP_LEVEL)
    own = model._saved_variables()
    if top is not None and own and not by_name:
        plan.add(model, own, _datasets(top))
    return plan


def _matched(model: Any, saved: dict[str, list[Dataset]], by_name: bool) -> list[tuple[Layer, str]]:
    if not model.built:
        if not any(saved.values()):  # nor had it any when it was saved
            return []
        raise ValueError(
            "Unable to load weights saved in HDF5 format into a model that has not created its "
            "variables yet. Call the model first (or `build()` it), then load the weights."
        )
    if by_name:
        names = {dialects.layer_name(name): name for name in saved}
        return [(layer, names[layer.name]) for layer in model.layers if layer.name in names]
    layers = [layer for layer in model.layers if layer.weights]
    found = [name for name, datasets in saved.items() if datasets]
    if len(layers) != len(found):
        raise ValueError(
            "Layer count mismatch when loading weights from file. Model expected "
            f"{len(layers)} layers, found {len(found)} saved layers.\n"
            f"Of the model: {[layer.name for layer in layers]}. In the file: {found}."
        )
    return list(zip(layers, found, strict=True))
