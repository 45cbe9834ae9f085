"""The graph of a subclassed model in a file: what it is made of where its class is unknown.

It is the config of a functional model, of built-in layers only, which does what the class's `call`
did when it was recorded. In a `.keras` file it is the member `graph.json`, which Keras ignores; in
an `.h5` file it is the model's config, as Keras reads it.
"""

import json
import logging
import warnings
from collections.abc import Mapping
from typing import Any

from jkeras import initializers
from jkeras.base import registry
from jkeras.base.types import AnyModel
from jkeras.core import parts
from jkeras.core.variable import Variable
from jkeras.saving.archive import Archive, parse_json

_log = logging.getLogger("jkeras")
MEMBER = "graph.json"
_VERSION = 1
_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


def describe(model: AnyModel) -> dict[str, Any] | None:
    """Returns what a file holds of a model's graph; None if there is none, which is logged."""
    if not hasattr(model, "_describe_for_file"):  # a layer
        return None
    try:
        with registry.object_sharing():
            found = model._describe_for_file()
    except (ValueError, TypeError, NotImplementedError) as error:
        _log.info("The model %r is saved without the graph of its call: %s", model.name, error)
        return None
    # As it is read: JSON has no tuples.
    return json.loads(json.dumps({"version": _VERSION, **found})) if found else None


def own_steps(model: AnyModel) -> list[str]:
    """Returns the steps that a model's class has written itself, which no file holds."""
    base: Any = next(c for c in type(model).__mro__ if registry.is_builtin(c))
    return [n for n in _STEPS if getattr(type(model), n, None) is not getattr(base, n, None)]


def read(members: Archive) -> dict[str, Any] | None:
    """Returns what `describe` gave when an archive was written."""
    if MEMBER not in members:
        return None
    return checked(parse_json(members.read(MEMBER), f"the member {MEMBER!r}", members.budget))


def checked(found: Any) -> dict[str, Any]:
    """Returns what a file holds of a graph, if it is that.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ValueError("The graph of the model in the file is damaged, or of a later version.")
    places = found.get("places")
    fits = isinstance(places, dict) and all(
        isinstance(v, list) and len(v) == 3 and isinstance(v[0], str) for v in places.values()
    )
    unused = found.get("unused", {})
    fits = fits and isinstance(unused, dict) and all(map(_is_described, unused.values()))
    if not fits or not isinstance(found.get("trained", []), list):
        raise ValueError("The graph of the model in the file does not say where its layers are.")
    return found


def _is_described(entry: Any) -> bool:
    return (
        isinstance(entry, list)
        and len(entry) == 2
        and isinstance(entry[0], list)
        and all(isinstance(n, int) and n >= 0 for n in entry[0])
        and isinstance(entry[1], str)
    )


def make(config: Mapping[str, Any], found: Mapping[str, Any] | None) -> tuple[Any, bool]:
    """Makes a model of its config, or of its graph if its class is unknown.

    Args:
        config: What the file says of the model.
        found: What it holds of its graph.

    Returns:
        The model, and whether it is made of the graph.

    Raises:
        ValueError: If its class is unknown, and there is no graph.
    """
    described = None if found is None else found.get("model")
    if described is not None and not is_known(config):
        with registry.object_sharing():
            model = registry.deserialize_keras_object(described, area="models")
        if found["own_steps"]:  # type: ignore[index]
            warnings.warn(
                f"The class {config['class_name']!r} of the model {model.name!r} has its own "
                f"{found['own_steps']}, which its graph does not hold: "  # type: ignore[index]
                "it takes the usual steps. Load it with `custom_objects` for the others.",
                stacklevel=2,
            )
        return model, True
    with registry.object_sharing():
        model = registry.deserialize_keras_object(dict(config), area="models")
    return model, found is not None and described is None


def is_known(config: Mapping[str, Any]) -> bool:
    """Says whether the class that a config names is there."""
    try:
        registry.find_class(config, "models")
    except registry.UnknownClass:
        return False
    return True


def restore(model: AnyModel, found: Mapping[str, Any]) -> dict[Any, tuple[str, int | None]] | None:
    """Tells a model that was made of a graph where its layers were.

    Returns:
        Where the file has their weights, if not where the model holds them.
    """
    places = found["places"]
    model._restore(places)
    if "model" not in found:
        return None
    by_name = {layer.name: layer for layer in model.layers}
    return {
        by_name[name]: (str(file), number if isinstance(number, int) else None)
        for name, (_, file, number) in places.items()
        if name in by_name
    }


def trained(model: AnyModel, found: Mapping[str, Any]) -> list[Variable] | None:
    """Returns the trained variables in the order of the optimizer's state.

    Those that the model lacks, since the call of its class did not use them, are made for it.
    """
    names = found.get("trained")
    variables = parts.named_variables(model)
    for path, (shape, dtype) in found.get("unused", {}).items():
        if path not in variables:
            variables[path] = Variable(initializers.Zeros(), shape=tuple(shape), dtype=dtype)
    if names is None or set(names) - variables.keys():
        return None
    return [variables[name] for name in names]
