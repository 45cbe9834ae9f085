"""summary: a table of a model's layers, shapes and parameter counts."""

import functools
import itertools
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from io import StringIO
from typing import Any

import jax

from jkeras.base import settings
from jkeras.base.numbers import count
from jkeras.base.types import Structure
from jkeras.core import graph, placement
from jkeras.core.layer import Layer


def summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    expand_shardings: bool = False,
) -> None:
    """Prints a table of the layers: names, output shapes, numbers of parameters.

    What is not built yet has no known shapes and no weights: the table has `?` for it.

    Args:
        model: The model.
        line_length: The width of the table in characters.
        positions: The right ends of the columns, as parts of the width.
        print_fn: A function that gets the text; standard output by default.
        expand_nested: Whether to show the layers of models inside.
        show_trainable: Whether to show which layers are trainable.
        layer_range: The names (or patterns) of the first and the last layer to show.
        expand_shardings: Whether to show how each weight is split over the devices of the current
            distribution, and how many bytes of it a device holds.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    connected = model._is_branched
    columns = ["Layer (type)", "Output Shape", "Param #"]
    if connected:
        columns.append("Connected to")
    if show_trainable:
        columns.append("Trainable")
    if expand_shardings:
        columns.append("On a Device")
    if line_length is not None:
        line_length = count("line_length", line_length)
    width = line_length or (100 if len(columns) > 4 else 80)
    room = width - 4 if line_length is None else width
    table = Table(show_lines=True, width=room)
    for column, size in zip(columns, _widths(columns, room, positions), strict=True):
        table.add_column(
            Text(column),
            justify="right" if column == "Param #" else "left",
            width=size,
            overflow="ellipsis" if column == "Connected to" else "fold",
        )
    calls = _calls_by_layer(model)
    for layer, depth in _rows(model, expand_nested, layer_range):
        kind = layer.kind.title().replace("_", "") if not isinstance(layer, Layer) else None
        title = f"{layer.name} ({kind or type(layer).__name__})"
        if depth:
            title = "   " * depth + "└ " + title
        row = [Text(title), Text(_output_shape(layer, calls)), Text(_count(layer))]
        if connected:
            row.append(Text(_sources(calls.get(id(layer), []), calls) if not depth else "-"))
        if show_trainable:
            row.append(Text(_trainable_mark(layer)))
        if expand_shardings:
            row.append(Text(_shardings(layer)))
        table.add_row(*row)
    if print_fn is None and not settings.get("interactive_logging"):
        print_fn = functools.partial(logging.getLogger("jkeras").info, "%s")
    buffer = None if print_fn is None else StringIO()
    terminal = None if buffer is None else False
    console = Console(
        file=buffer, width=width, highlight=False, soft_wrap=True, force_terminal=terminal
    )
    console.print(Text(f'Model: "{model.name}"', style="bold"))
    console.print(table)
    for line in _totals(model):
        console.print(Text(line))
    if print_fn is not None and buffer is not None:
        print_fn(buffer.getvalue())


def _widths(columns: list[str], room: int, positions: Sequence[float] | None) -> list[int]:
    """Returns the width of each column's text; `positions` are Keras's right ends."""
    room -= 3 * len(columns) + 1  # a border and two spaces for each
    if positions is None:
        shares: dict[str, float] = {"Layer (type)": 31, "Output Shape": 22, "Param #": 13}
        if "Connected to" in columns:
            shares = {"Layer (type)": 19, "Output Shape": 17, "Param #": 10, "Connected to": 17}
        if "On a Device" in columns:
            shares["On a Device"] = 34
        rest = sum(shares.values())
        shares["Trainable"] = rest * len("Trainable") / max(room - len("Trainable"), 1)
        parts: list[float] = [shares[column] for column in columns]
    else:
        parts = [b - a for a, b in zip([0.0, *positions], positions[: len(columns)], strict=False)]
    ends = [round(room * sum(parts[:i]) / sum(parts)) for i in range(len(parts) + 1)]
    return [max(b - a, 1) for a, b in itertools.pairwise(ends)]


def _calls_by_layer(model: Any) -> dict[int, list[graph.Call]]:
    calls: dict[int, list[graph.Call]] = {}
    found = model.call_graph()
    for call in () if found is None else found.calls:
        calls.setdefault(id(call.layer), []).append(call)
    return calls


def _rows(
    model: Any, expand_nested: bool, layer_range: Sequence[str] | None
) -> Iterator[tuple[Any, int]]:
    top = model._operations
    if layer_range is not None:
        if len(layer_range) != 2:
            raise ValueError(
                f"`layer_range` is the names of the first and the last layer, got {layer_range!r}."
            )
        ends = [
            [i for i, layer in enumerate(top) if re.match(pattern, layer.name)]
            for pattern in layer_range
        ]
        for pattern, matches in zip(layer_range, ends, strict=True):
            if not matches:
                raise ValueError(
                    f"`layer_range` names {pattern!r}, which no layer of {model.name!r} matches: "
                    f"{[layer.name for layer in top]}."
                )
        first, last = min(ends[0][0], ends[1][-1]), max(ends[0][0], ends[1][-1])
        top = top[first : last + 1]

    def visit(layers: list[Any], depth: int) -> Iterator[tuple[Any, int]]:
        for layer in layers:
            yield layer, depth
            if expand_nested and hasattr(layer, "layers"):
                yield from visit(list(layer.layers), depth + 1)

    yield from visit(top, 0)


def _output_shape(layer: Any, calls: dict[int, list[graph.Call]]) -> str:
    own = calls.get(id(layer)) or list(getattr(layer, "_calls", []))
    found = layer.call_graph() if hasattr(layer, "call_graph") else None
    if own:
        shapes = _shapes_of(own[0].outputs)
    elif found is not None:
        shapes = _shapes_of(found.outputs)
    else:
        shapes = getattr(layer, "_seen_shapes", None)
    if shapes is None:
        return "?"
    leaves = jax.tree.leaves(shapes, is_leaf=lambda s: isinstance(s, tuple))
    return ", ".join(str(s) for s in leaves) if isinstance(shapes, list) else str(shapes)


def _shapes_of(outputs: Structure) -> Any:
    return jax.tree.map(lambda x: getattr(x, "shape", None), outputs)


def _count(layer: Any) -> str:
    if not isinstance(layer, Layer):
        return "0"
    return f"{layer.count_params():,}" if layer.built else "0 (unbuilt)"


def _sources(own: list[graph.Call], calls: dict[int, list[graph.Call]]) -> str:
    words = []
    for call in own:
        for x in call.inputs:
            source = x.source
            if source is None:
                continue
            siblings = calls.get(id(source.layer), [source])
            node = next((i for i, c in enumerate(siblings) if c is source), 0)
            place = next((i for i, y in enumerate(source.output_list) if y is x), 0)
            words.append(f"{source.layer.name}[{node}][{place}]")
    return ",\n".join(words) or "-"


def _trainable_mark(layer: Any) -> str:
    if not isinstance(layer, Layer) or not layer.weights:
        return "-"
    return "Y" if layer.trainable else "N"


def _shardings(layer: Any) -> str:
    """Returns how each weight is split, and what a device holds of it: `kernel (None, 'model')`."""
    lines, where = [], placement.current()
    for weight in layer.weights if isinstance(layer, Layer) else ():
        sharding = where.sharding_of(weight) if where is not None else None
        spec = () if sharding is None else tuple(sharding.spec)
        axes = (*spec, *[None] * (len(weight.shape) - len(spec)))
        part = weight.shape if sharding is None else sharding.shard_shape(weight.shape)
        size = math.prod(part) * jax.numpy.dtype(weight.variable_dtype).itemsize
        split = str(axes) if any(axes) else "whole"
        lines.append(f"{weight.name} {split}, {_bytes(size)}")
    return "\n".join(lines) or "-"


def _totals(model: Any) -> Iterator[str]:
    trainable = _size(model.trainable_weights)
    frozen = _size(model.non_trainable_weights)
    optimizer = getattr(model, "optimizer", None)
    slots = _size(optimizer.variables) if optimizer is not None and optimizer.built else (0, 0)
    total = tuple(sum(parts) for parts in zip(trainable, frozen, slots, strict=True))
    yield f" Total params: {_readable(total)}"
    yield f" Trainable params: {_readable(trainable)}"
    yield f" Non-trainable params: {_readable(frozen)}"
    if slots[0]:
        yield f" Optimizer params: {_readable(slots)}"


def _size(variables: Any) -> tuple[int, int]:
    """Returns how many numbers the variables hold, and in how many bytes."""
    unique = {id(v): v for v in variables}.values()
    bytes_each = [jax.numpy.dtype(v.variable_dtype).itemsize for v in unique]
    return (
        sum(v.size for v in unique),
        sum(v.size * n for v, n in zip(unique, bytes_each, strict=True)),
    )


def _readable(size: tuple[int, ...]) -> str:
    count, memory = size
    return f"{count:,} ({_bytes(memory)})"


def _bytes(memory: int) -> str:
    value, units = float(memory), ["B", "KB", "MB", "GB", "TB", "PB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f} {units[0]}"
