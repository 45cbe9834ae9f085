"""What a picture of a model shows, whoever draws it: nodes, boxes around them, and edges."""

import html
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax

from jkeras.base.types import AnyModel, DTypeLike, Identifier, Shape
from jkeras.core import graph
from jkeras.core.layer import Layer
from jkeras.models.recording import graph_within, seen_graph


class Options(NamedTuple):
    """What `plot_model` shows of each layer; see there."""

    show_shapes: bool = False
    show_dtype: bool = False
    show_layer_names: bool = True
    show_layer_activations: bool = False
    show_trainable: bool = False
    expand_nested: bool = False


class Cell(NamedTuple):
    """A field of a node.

    Attributes:
        words: Pieces of text, and whether each is bold.
        fill: The colour of the background.
        color: The colour of the text.
        size: The size of the text in points.
    """

    words: tuple[tuple[str, bool], ...]
    fill: str = "white"
    color: str = "black"
    size: int = 14


@dataclass
class Node:
    """A layer: a header, and rows of cells below.

    Attributes:
        key: A word that is unique in the diagram.
        rows: The rows, from top to bottom; the first is the header.
    """

    key: str
    rows: list[list[Cell]]


@dataclass
class Box:
    """Nodes with a dashed line around them.

    Attributes:
        key: A word that is unique in the diagram.
        title: The name on the box.
        items: What is in the box.
    """

    key: str
    title: str
    items: "list[Node | Box]" = field(default_factory=list)

    def nodes(self) -> Iterator[Node]:
        """Yields all nodes in the box and in the boxes in it."""
        for item in self.items:
            if isinstance(item, Box):
                yield from item.nodes()
            else:
                yield item


class Edge(NamedTuple):
    """An arrow from one node to another; an invisible one only keeps them in order."""

    tail: str
    head: str
    visible: bool = True


@dataclass
class Diagram:
    """A picture of a model.

    Attributes:
        root: A box with everything in it, which is not drawn.
        edges: The edges, each once.
    """

    root: Box
    edges: list[Edge]


class _Ends(NamedTuple):
    """Which nodes the inputs of something lead to, and which its outputs come from."""

    starts: list[list[str]]
    ends: list[str]

    def start(self, index: int) -> list[str]:
        return self.starts[min(index, len(self.starts) - 1)] if self.starts else []

    def end(self, index: int) -> list[str]:
        return [self.ends[min(index, len(self.ends) - 1)]] if self.ends else []


def describe(model: AnyModel, options: Options) -> Diagram:
    """Returns the picture of a model.

    A model of symbolic tensors is drawn as its graph, a subclass of Model as that of its call. One
    whose call cannot even be traced is a box with its layers in the order in which they were made.

    Raises:
        ValueError: If the model is not built.
    """
    if not model.built:
        raise ValueError(
            f"This model ({model.name!r}) has not yet been built. Build the model first by calling "
            "`build()` or by calling the model on a batch of data."
        )
    builder = _Builder(options)
    root = Box("root", clean(model.name))
    found = seen_graph(model)
    if found is not None:
        builder.add_graph(model, found, root)
    else:
        builder.add_layers(model, root)
    return Diagram(root, list(builder.edges))


class _Builder:
    """Collects nodes and edges; keys are numbers in the order of appearance."""

    def __init__(self, options: Options):
        self.options = options
        self.edges: dict[Edge, None] = {}  # an ordered set
        self._count = 0

    def _key(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _connect(self, tails: Sequence[str], heads: Sequence[str], visible: bool = True) -> None:
        for tail in tails:
            for head in heads:
                self.edges[Edge(tail, head, visible)] = None

    # -------------------------------------------------------------- models with a graph
    def add_graph(self, model: AnyModel, found: graph.Graph, box: Box) -> _Ends:
        """Adds the graph of a model to a box."""
        inputs, outputs = graph.symbols(found.inputs), graph.symbols(found.outputs)
        listed = model._operations if _graph_of(model) is not None else found.shown
        known = set(map(id, found.operations))
        calls: dict[int, graph.Call] = {}
        for call in found.calls:
            calls.setdefault(id(call.layer), call)
        ends: dict[int, _Ends] = {
            id(operation): self._add(operation, calls.get(id(operation)), box)
            for operation in listed  # as in Keras, without the Input of a Sequential model
            if id(operation) in known
        }

        def origin(x: graph.SymbolicTensor) -> list[str]:
            if x.source is None or id(x.source.layer) not in ends:
                return []
            index = next(i for i, y in enumerate(x.source.output_list) if y is x)
            return ends[id(x.source.layer)].end(index)

        users: dict[int, list[str]] = {id(x): origin(x) for x in inputs}
        for call in found.calls:
            for index, x in enumerate(call.inputs):
                heads = ends[id(call.layer)].start(index)
                self._connect(origin(x), heads)
                if id(x) in users and not origin(x):
                    users[id(x)] = [*users[id(x)], *heads]
        return _Ends([users[id(x)] for x in inputs], [k for x in outputs for k in origin(x)])

    def _add(self, operation: Any, call: graph.Call | None, box: Box) -> _Ends:
        found = graph_within(operation, call) if self.options.expand_nested else None
        if found is not None:
            inner = Box(self._key("cluster_"), clean(operation.name))
            box.items.append(inner)
            return self.add_graph(operation, found, inner)
        shapes = _shapes_in_graph(operation, call)
        return self._add_node(operation, *shapes, box)

    # -------------------------------------------------------------- models without
    def add_layers(self, model: AnyModel, box: Box) -> _Ends:
        """Adds a box with the layers of a model to a box, one below the other."""
        if not model._layers:
            return self._add_node(model, *_shapes_of_layer(model), box)
        kind = type(model).__name__
        title = f"{model.name} ({kind})" if self.options.show_layer_names else kind
        inner = Box(self._key("cluster_"), clean(title))
        box.items.append(inner)
        parts: list[_Ends] = []
        for layer in model._layers:
            if self.options.expand_nested and _graph_of(layer) is not None:
                parts.append(self._add(layer, None, inner))
            elif self.options.expand_nested and layer._layers:
                parts.append(self.add_layers(layer, inner))
            else:
                parts.append(self._add_node(layer, *_shapes_of_layer(layer), inner))
        for above, below in itertools.pairwise(parts):
            self._connect(above.end(0), below.start(0), visible=False)
        return _Ends(parts[0].starts, parts[-1].ends)

    # -------------------------------------------------------------- nodes
    def _add_node(self, layer: Any, inputs: Any, outputs: Any, dtype: DTypeLike, box: Box) -> _Ends:
        options, kind = self.options, _kind(layer)
        name, suffix = (layer.name, f" ({kind})") if options.show_layer_names else (kind, "")
        header = Cell(((clean(name), True), (clean(suffix), False)), "black", "white", size=16)
        middle, last = [], []
        if options.show_layer_activations and getattr(layer, "activation", None) is not None:
            middle.append(_labelled("Activation", clean(_function_name(layer.activation))))
        if options.show_shapes:
            if inputs is not None:
                last.append(_labelled("Input shape", _readable(inputs)))
            last.append(_labelled("Output shape", _readable(outputs)))
        if options.show_dtype:
            last.append(_labelled("Output dtype", _readable(dtype)))
        if options.show_trainable and getattr(layer, "weights", None):
            trainable = (("Trainable", True),), "forestgreen", "white"
            frozen = (("Non-trainable", True),), "firebrick", "white"
            last.append(Cell(*(trainable if layer.trainable else frozen)))
        node = Node(self._key("layer_"), [row for row in ([header], middle, last) if row])
        box.items.append(node)
        return _Ends([[node.key]], [node.key])


def _labelled(label: str, value: str) -> Cell:
    return Cell(((f"{label}: ", False), (value, True)))


def _kind(operation: Any) -> str:
    if isinstance(operation, graph.NamedFunction):
        return operation.kind.title().replace("_", "")
    return type(operation).__name__


def _function_name(activation: Identifier) -> str:
    for attribute in ("__name__", "name"):
        if isinstance(getattr(activation, attribute, None), str):
            return getattr(activation, attribute)
    return type(activation).__name__


def _graph_of(operation: Any) -> graph.Graph | None:
    return operation.call_graph() if hasattr(operation, "call_graph") else None


def _shapes_in_graph(operation: Any, call: graph.Call | None) -> tuple[Any, Any, Any]:
    """Returns the shapes of inputs and outputs, and the outputs' dtypes, of a layer's first call.

    Shapes of inputs are None for an Input.
    """
    inputs: Any = None
    found = _graph_of(operation)
    if call is not None:
        inputs = [x.shape for x in call.inputs]
        outputs: Any = call.outputs
    elif found is not None:
        inputs = [x.shape for x in graph.symbols(found.inputs)]
        outputs = found.outputs
    elif isinstance(operation, Layer) and operation._calls:
        outputs = operation._calls[0].outputs
    else:
        return "?", "?", "?"
    if inputs is not None and len(inputs) == 1:
        inputs = inputs[0]
    shapes = jax.tree.map(lambda x: getattr(x, "shape", None), outputs)
    return inputs, shapes, jax.tree.map(lambda x: str(getattr(x, "dtype", "?")), outputs)


def _shapes_of_layer(layer: Any) -> tuple[Any, Any, Any]:
    """Returns the same of a layer outside of a graph, as far as it has seen data."""
    if _graph_of(layer) is not None:
        return _shapes_in_graph(layer, None)
    config = layer.get_build_config() or {}
    shapes = config.get("shapes_dict", config.get("input_shape", "?"))
    seen = layer._seen_shapes
    return shapes, "?" if seen is None else seen, layer.compute_dtype


def _readable(shapes: Shape) -> str:
    """Returns shapes (or dtypes) as one reads them: `(None, 3)`, `[(None, 3), (None, 2)]`."""
    if isinstance(shapes, Mapping):
        return "{" + ", ".join(f"{clean(str(k))}: {_readable(v)}" for k, v in shapes.items()) + "}"
    if isinstance(shapes, list) or (
        isinstance(shapes, tuple) and any(isinstance(s, (tuple, list, Mapping)) for s in shapes)
    ):
        return "[" + ", ".join(map(_readable, shapes)) + "]"
    return clean(str(shapes))


def clean(text: str) -> str:
    """Returns the text in one line of printable characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


# ------------------------------------------------------------------ Graphviz's language
def to_dot(
    diagram: Diagram,
    attributes: Mapping[str, Any],
    node_attributes: Callable[[Node], str] | None = None,
    subgraph: bool = False,
) -> str:
    """Returns a diagram in Graphviz's language.

    Args:
        diagram: The diagram.
        attributes: Attributes of the graph, such as `rankdir`.
        node_attributes: Returns the attributes of a node; a table of its cells by default.
        subgraph: Whether to return a cluster to put into another graph.
    """
    node_attributes = node_attributes or _table
    lines = [f"subgraph {quote(f'cluster_{diagram.root.title}')} {{" if subgraph else "digraph {"]
    if subgraph:
        lines += ["  style=dashed;", f"  label={quote(diagram.root.title)};", "  labeljust=l;"]
    else:
        lines += [f"  {name}={quote(str(value))};" for name, value in attributes.items()]
        lines.append("  node [shape=plain, fontname=Helvetica];")
    lines += _dot_items(diagram.root, node_attributes, "  ")
    for edge in diagram.edges:
        style = "penwidth=2" if edge.visible else "style=invis"
        lines.append(f"  {edge.tail} -> {edge.head} [{style}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_items(box: Box, node_attributes: Callable[[Node], str], indent: str) -> Iterator[str]:
    for item in box.items:
        if isinstance(item, Box):
            yield f"{indent}subgraph {item.key} {{"
            yield f"{indent}  style=dashed; labeljust=l; label={quote(item.title)};"
            yield from _dot_items(item, node_attributes, indent + "  ")
            yield indent + "}"
        else:
            yield f"{indent}{item.key} [{node_attributes(item)}];"


def quote(text: str) -> str:
    """Returns a text as a quoted string of Graphviz's language, without special meanings."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _table(node: Node) -> str:
    width = max(map(len, node.rows))
    lines = []
    for row in node.rows:
        span = f' colspan="{width}"' if len(row) == 1 else ""
        lines.append("<tr>" + "".join(_table_cell(cell, span) for cell in row) + "</tr>")
    body = "".join(lines)
    return (
        'label=<<table border="0" cellborder="1" cellspacing="0" cellpadding="10" '
        f'bgcolor="black">{body}</table>>'
    )


def _table_cell(cell: Cell, span: str) -> str:
    words = [(html.escape(text), bold) for text, bold in cell.words if text]
    content = "".join(f"<b>{text}</b>" if bold else text for text, bold in words)
    return (
        f'<td bgcolor="{cell.fill}"{span}><font point-size="{cell.size}" color="{cell.color}">'
        f"{content}</font></td>"
    )
