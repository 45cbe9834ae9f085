"""A model's layers as TensorBoard draws them."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from jkeras.base.types import AnyModel
from jkeras.utils import diagram


class GraphNode(NamedTuple):
    """A layer in a graph.

    Attributes:
        name: Its name, after those of the models that it is in: `"encoder/dense"`.
        kind: Its class.
        inputs: The names of the nodes whose outputs it takes.
        shapes: Its input and output shapes, as text.
    """

    name: str
    kind: str
    inputs: list[str]
    shapes: str


def graph_nodes(model: AnyModel) -> list[GraphNode]:
    """Returns the layers of a built model, and what connects them."""
    options = diagram.Options(expand_nested=True, show_shapes=True)
    picture = diagram.describe(model, options)
    found = dict(_nodes(picture.root, ""))
    names = {key: node.name for key, node in found.items()}
    for edge in picture.edges:
        if edge.visible:
            found[edge.head].inputs.append(names[edge.tail])
    return list(found.values())


def _nodes(box: diagram.Box, prefix: str) -> Iterator[tuple[str, GraphNode]]:
    for item in box.items:
        if isinstance(item, diagram.Box):
            yield from _nodes(item, f"{prefix}{item.title}/")
            continue
        (name, _), (kind, _) = item.rows[0][0].words
        rest = [cell for row in item.rows[1:] for cell in row]
        shapes = ", ".join("".join(text for text, _ in cell.words) for cell in rest)
        yield item.key, GraphNode(prefix + name, kind.strip(" ()"), [], shapes)


def conceptual_config(model: AnyModel) -> str | None:
    """Returns the config of a model as TensorBoard can draw it; None if it has no graph.

    TensorBoard fails on calls with arguments that are not tensors (`x * 2`, `x[:, 1:]`): these
    arguments are left out.
    """
    if model.call_graph() is None:
        try:
            model = model.functional()
        except ValueError:  # its call cannot be recorded: there is no graph to be drawn
            return None
    return json.dumps(_without_constants(json.loads(model.to_json())))


def _without_constants(config: Any) -> Any:
    if isinstance(config, list):
        return [_without_constants(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    config = {key: _without_constants(value) for key, value in config.items()}
    for node in config.get("inbound_nodes", ()):
        node["args"] = [a for a in node["args"] if _holds_tensor(a)]
        node["kwargs"] = {k: a for k, a in node["kwargs"].items() if _holds_tensor(a)}
    return config


def _holds_tensor(value: Any) -> bool:
    if isinstance(value, dict):
        is_tensor = value.get("class_name") == "__keras_tensor__"
        return is_tensor or any(map(_holds_tensor, value.values()))
    return isinstance(value, list) and any(map(_holds_tensor, value))
