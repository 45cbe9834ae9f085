"""All arrays of a model and its optimizer as nested dicts; methods of `Model`."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jkeras.base.types import AnyModel

_PARTS = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)


def _variables(model: AnyModel) -> dict[str, list[Any]]:
    optimizer = model._session.optimizer
    return {
        "trainable_variables": model.trainable_variables,
        "non_trainable_variables": model.non_trainable_variables,
        "optimizer_variables": [] if optimizer is None else optimizer.variables,
        "metrics_variables": model.metrics_variables,
    }


def get_state_tree(
    self: AnyModel, value_format: str = "backend_tensor"
) -> dict[str, dict[str, Any]]:
    """Returns all arrays of the model, its optimizer and its metrics, nested by their paths.

    Args:
        value_format: `"backend_tensor"` for JAX arrays, `"numpy_array"` for NumPy arrays.

    Returns:
        Four dicts by name: `trainable_variables`, `non_trainable_variables`,
        `optimizer_variables` and `metrics_variables`.

    Raises:
        ValueError: If `value_format` is unknown, or two variables have one path.
    """
    if value_format not in ("backend_tensor", "numpy_array"):
        raise ValueError(
            "Invalid `value_format` argument. Expected one of {'numpy_array', "
            f"'backend_tensor'}}. Received: value_format={value_format!r}"
        )
    tree: dict[str, dict[str, Any]] = {}
    for part, variables in _variables(self).items():
        tree[part] = {}
        for variable in variables:
            *folders, name = variable.path.split("/")
            node = tree[part]
            for folder in folders:
                node = node.setdefault(folder, {})
            if name in node:
                raise ValueError(
                    "The following variable path is found twice in the model: "
                    f"{variable.path!r}. Give its layers different names, by `name=`."
                )
            node[name] = variable.numpy() if value_format == "numpy_array" else variable.value
    return tree


def set_state_tree(self: AnyModel, state_tree: Mapping[str, Any]) -> None:
    """Sets the arrays that `get_state_tree` has returned, or some of them.

    Args:
        state_tree: Nested dicts of arrays, by the names and paths of `get_state_tree`.

    Raises:
        ValueError: If a name is unknown, or a shape differs.
    """
    for part, tree in state_tree.items():
        if part not in _PARTS:
            raise ValueError(f"Unknown variable name: {part}")
        by_path = {variable.path: variable for variable in _variables(self)[part]}
        values = dict(_flat(tree))
        unknown = sorted(values.keys() - by_path.keys())
        if unknown:
            raise ValueError(
                f"`state_tree` has {part} that the model does not have: {unknown}. Its own are "
                f"{sorted(by_path)}."
            )
        for path, value in values.items():
            by_path[path].assign(value)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Any:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}/")
        else:
            array = value if isinstance(value, jax.Array) else np.asarray(value)
            yield f"{prefix}{name}", array
