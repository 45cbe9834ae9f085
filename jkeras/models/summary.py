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

from jkeras.base import registry, settings
from jkeras.base.numbers import count
from jkeras.base.types import AnyModel, Structure
from jkeras.core import graph, placement
from jkeras.core.layer import Layer
from jkeras.layers.core import InputLayer
from jkeras.models import costs
from jkeras.models.recording import graph_within, seen_graph


def summary(
    model: AnyModel,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[..., Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
    expand_shardings: bool = False,
    *,
    profile: bool | int = False,
) -> None:
    """Prints a table of the layers: names, output shapes, numbers of parameters.

    A subclassed model is shown as the graph of its call. What is not built yet has no known shapes
    and no weights: the table has `?` for it.

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
        profile: Whether to show what each layer costs in inference, compiled and run by itself on
            random numbers: operations, bytes read and written, and time. A number is the batch
            size, 32 by default. The last line is of the whole model, which is one program: it takes
            less than the sum, since XLA joins layers.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="out")])
        >>> model.summary(print_fn=lambda text: print(text.splitlines()[4]))
        │ out (Dense)                     │ (None, 3)              │            15 │
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    own = model.call_graph()
    found = seen_graph(model) if own is None else own
    connected = model._is_branched if own is not None else found is not None and found.is_branched
    columns = ["Layer (type)", "Output Shape", "Param #"]
    if connected:
        columns.append("Connected to")
    if show_trainable:
        columns.append("Trainable")
    if expand_shardings:
        columns.append("On a Device")
    batch_size = 0 if profile is False else 32 if profile is True else count("profile", profile)
    if batch_size:
        columns += _COST_COLUMNS
    if line_length is not None:
        line_length = count("line_length", line_length)
    width = line_length or (100 if len(columns) > 4 else 80)
    room = width - 4 if line_length is None else width
    table = Table(show_lines=True, width=room)
    for column, size in zip(columns, _widths(columns, room, positions), strict=True):
        table.add_column(
            Text(column),
            justify="right" if column in ("Param #", *_COST_COLUMNS) else "left",
            width=size,
            overflow="ellipsis" if column == "Connected to" else "fold",
        )
    calls = _calls_by_layer(found)
    measured = costs.of_layers(found, batch_size) if found is not None and batch_size else {}
    top = _top_rows(model, found) if own is None else model._operations
    for layer, depth in _rows(model, top, calls, expand_nested, layer_range):
        named = isinstance(layer, graph.NamedFunction)
        kind = layer.kind.title().replace("_", "") if named else None
        title = f"{layer.name} ({kind or type(layer).__name__})"
        if depth:
            title = "   " * depth + "└ " + title
        row = [_coloured(title), _coloured(_output_shape(layer, calls)), _coloured(_count(layer))]
        if connected:
            row.append(Text(_sources(calls.get(id(layer), []), calls) if not depth else "-"))
        if show_trainable:
            row.append(Text(_trainable_mark(layer)))
        if expand_shardings:
            row.append(Text(_shardings(layer)))
        if batch_size:
            row += map(_coloured, _cost_words(measured.get(id(layer))))
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
        console.print(_coloured(line, start=line.index(":")))
    if batch_size:
        whole = costs.of_model(model, batch_size)
        words = dict(zip(_COST_COLUMNS, _cost_words(whole), strict=True))
        console.print(Text(f" Whole model, batches of {batch_size}: "), end="")
        console.print(_coloured(", ".join(f"{k} {v}" for k, v in words.items())))
    if print_fn is not None and buffer is not None:
        print_fn(buffer.getvalue())


_COST_COLUMNS = ["FLOPs", "Bytes", "Time"]
# As Keras colours them: classes, sizes, and what is unknown.
_STYLES = (
    (re.compile(r"(?<=\()(?!None)[A-Za-z_]\w*(?=\))"), "color(33)"),
    (re.compile(r"(?<![\w.])\d[\d,.]*"), "color(34)"),
    (re.compile(r"None"), "color(45)"),
)


def _coloured(words: str, start: int = 0) -> Any:
    from rich.text import Text

    text = Text(words)
    for pattern, style in _STYLES:
        for match in pattern.finditer(words, start):
            text.stylize(style, *match.span())
    return text


def _cost_words(cost: costs.Cost | None) -> list[str]:
    if cost is None:
        return ["-"] * len(_COST_COLUMNS)
    return [_scaled(cost.flops, 1000), _scaled(cost.bytes, 1024, "B"), _time(cost.seconds)]


def _scaled(value: float, base: int, unit: str = "") -> str:
    prefixes = ["", "k", "M", "G", "T"]
    while value >= base and len(prefixes) > 1:
        value, prefixes = value / base, prefixes[1:]
    digits = 0 if value == int(value) else 1
    return f"{value:.{digits}f} {prefixes[0]}{unit}".strip()


def _time(seconds: float) -> str:
    for factor, unit in ((1.0, "s"), (1e3, "ms")):
        if seconds * factor >= 1:
            return f"{seconds * factor:.1f} {unit}"
    return f"{seconds * 1e6:.0f} µs"


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
        shares.update(dict.fromkeys(_COST_COLUMNS, rest / 6))
        shares["Trainable"] = rest * len("Trainable") / max(room - len("Trainable"), 1)
        parts: list[float] = [shares[column] for column in columns]
    else:
        parts = [b - a for a, b in zip([0.0, *positions], positions[: len(columns)], strict=False)]
    ends = [round(room * sum(parts[:i]) / sum(parts)) for i in range(len(parts) + 1)]
    return [max(b - a, 1) for a, b in itertools.pairwise(ends)]


def _top_rows(model: Any, found: graph.Graph | None) -> list[Any]:
    """Returns what is in the table of a subclassed model: as Keras lists it, if it is a chain."""
    if found is None:
        return list(getattr(model, "_operations", model._layers))
    begins = {id(x.source.layer) for x in graph.symbols(found.inputs)}  # type: ignore[union-attr]
    shown = [op for op in found.shown if found.is_branched or id(op) not in begins]
    seen = set(map(id, shown))
    return [*shown, *(layer for layer in model._layers if id(layer) not in seen)]


def _calls_by_layer(found: graph.Graph | None) -> dict[int, list[graph.Call]]:
    calls: dict[int, list[graph.Call]] = {}
    for call in () if found is None else found.calls:
        calls.setdefault(id(call.layer), []).append(call)
    return calls


def _rows(
    model: AnyModel,
    top: list[Any],
    calls: dict[int, list[graph.Call]],
    expand_nested: bool,
    layer_range: Sequence[str] | None,
) -> Iterator[tuple[Any, int]]:
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
            if not expand_nested:
                continue
            below: list[Any] = list(getattr(layer, "layers", ()))
            if isinstance(layer, Layer) and not registry.is_builtin(type(layer)):
                inner = graph_within(layer, next(iter(calls.get(id(layer), ())), None))
                for key, made in _calls_by_layer(inner).items():
                    calls.setdefault(key, made)
                below = [op for op in _top_rows(layer, inner) if not isinstance(op, InputLayer)]
            yield from visit(below, depth + 1)

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


def _totals(model: AnyModel) -> Iterator[str]:
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
    return sum(v.size for v in unique), sum(v.nbytes for v in unique)


def _readable(size: tuple[int, ...]) -> str:
    count, memory = size
    return f"{count:,} ({_bytes(memory)})"


def _bytes(memory: int) -> str:
    value, units = float(memory), ["B", "KB", "MB", "GB", "TB", "PB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.2f} {units[0]}"
