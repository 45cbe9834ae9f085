"""Pictures of models: files, and Graphviz's language."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jkeras.base.naming import nearest
from jkeras.base.types import AnyModel
from jkeras.core.layer import Layer
from jkeras.utils.diagram import Diagram, Options, describe, to_dot
from jkeras.utils.drawing import draw
from jkeras.utils.files import atomic_path

_FORMATS = ("png", "svg", "pdf", "jpg", "jpeg", "dot")
_RANKDIRS = ("TB", "LR", "BT", "RL")
_SPLINES = ("ortho", "curved", "polyline", "spline", "line")


class Dot:
    """A picture of a model: what `model_to_dot` returns.

    Args:
        diagram: What it shows.
        attributes: Graphviz's attributes of the graph, and `dpi`.
        subgraph: Whether the text is that of a cluster to put into another graph.
    """

    def __init__(self, diagram: Diagram, attributes: Mapping[str, Any], subgraph: bool = False):
        self._diagram, self._attributes, self._subgraph = diagram, attributes, subgraph

    def to_string(self) -> str:
        """Returns the picture in Graphviz's language."""
        return to_dot(self._diagram, self._attributes, subgraph=self._subgraph)

    def create(self, prog: str = "dot", format: str = "png") -> bytes:
        """Returns the picture in a file format; `prog` is accepted for pydot's sake."""
        if format not in _FORMATS:
            raise ValueError(f"Unknown format {format!r}: expected one of {_FORMATS}.")
        if format == "dot":
            return self.to_string().encode("utf-8")
        return draw(self._diagram, format, **self._attributes)

    def write(self, path: str | os.PathLike, prog: str = "dot", format: str | None = None) -> None:
        """Writes the picture to a file; the format is seen from the path's ending by default."""
        contents = self.create(prog, format or _format_of(path))
        with atomic_path(path) as part:
            part.write_bytes(contents)


def model_to_dot(
    model: AnyModel,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Dot:
    """Describes a model in Graphviz's language.

    Args:
        model: A built model.
        show_shapes: Whether to show the shapes of inputs and outputs.
        show_dtype: Whether to show the dtypes of outputs.
        show_layer_names: Whether to show the layers' names, or only their classes.
        rankdir: `"TB"` from top to bottom, `"LR"` from left to right; `"BT"`, `"RL"`.
        expand_nested: Whether to show what is in the models inside.
        dpi: Pixels per inch.
        subgraph: Whether to return a cluster to put into another graph.
        show_layer_activations: Whether to show activations.
        show_trainable: Whether to show which layers are trainable.
        splines: How edges are drawn: `"ortho"`, `"curved"`, `"polyline"`, `"spline"`, `"line"`.
        **kwargs: Refused.

    Returns:
        An object with methods `to_string()`, `create(format="svg")` and `write(path)`.

    Raises:
        ValueError: If the model is not built, or an argument is unknown.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="out")])
        >>> "<b>out</b> (Dense)" in keras.utils.model_to_dot(model).to_string()
        True
    """
    _check(rankdir, splines, kwargs)
    options = Options(
        show_shapes,
        show_dtype,
        show_layer_names,
        show_layer_activations,
        show_trainable,
        expand_nested,
    )
    attributes = {"rankdir": rankdir, "splines": splines, "dpi": dpi}
    return Dot(describe(model, options), attributes, subgraph)


def plot_model(
    model: AnyModel,
    to_file: str | os.PathLike = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draws a model to a file.

    It needs no Graphviz on the machine, but the packages of the extra `plot`. A model of symbolic
    tensors is drawn as its graph, a subclass of Model as the graph of its call.

    Args:
        model: A built model.
        to_file: The file: `.png`, `.svg`, `.pdf`, `.jpg`, or `.dot` for Graphviz's language.
        show_shapes: Whether to show the shapes of inputs and outputs.
        show_dtype: Whether to show the dtypes of outputs.
        show_layer_names: Whether to show the layers' names, or only their classes.
        rankdir: `"TB"` from top to bottom, `"LR"` from left to right; `"BT"`, `"RL"`.
        expand_nested: Whether to show what is in the models inside.
        dpi: Pixels per inch.
        show_layer_activations: Whether to show activations.
        show_trainable: Whether to show which layers are trainable.
        splines: How edges are drawn: `"ortho"`, `"curved"`, `"polyline"`, `"spline"`, `"line"`.
        **kwargs: Refused.

    Returns:
        The picture as an `IPython.display.Image` (or `SVG`), which notebooks show; None for `.pdf`
        and `.dot`, and without IPython.

    Raises:
        ImportError: If a package is missing.
        ValueError: If the model is not built, or an argument is unknown.

    Example:
        >>> import jkeras as keras, os, tempfile
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> path = os.path.join(tempfile.mkdtemp(), "model.png")
        >>> _ = keras.utils.plot_model(model, path, show_shapes=True)
        >>> os.path.exists(path)
        True
    """
    format = _format_of(to_file)
    if not isinstance(model, Layer):
        raise ValueError(f"`model` must be a built keras.Model. Received: model={model!r}")
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
        **kwargs,
    )
    dot.write(to_file, format=format)
    return _displayed(to_file, format)


def _format_of(path: str | os.PathLike) -> str:
    ending = Path(path).suffix.removeprefix(".").lower() or "png"
    if ending not in _FORMATS:
        endings = ", ".join(f".{name}" for name in _FORMATS)
        raise ValueError(f"Pictures of models are {endings} files, got {os.fspath(path)!r}.")
    return ending


def _check(rankdir: str, splines: str, kwargs: Mapping[str, Any]) -> None:
    if "layer_range" in kwargs:
        raise ValueError("Argument `layer_range` is no longer supported.")
    if kwargs:
        names = [*Options._fields, "to_file", "rankdir", "dpi", "splines", "subgraph"]
        hints = ", ".join(f"{k}={v!r}{nearest(k, names)}" for k, v in kwargs.items())
        raise ValueError(f"Unrecognized keyword arguments: {hints}")
    for name, value, known in (("rankdir", rankdir, _RANKDIRS), ("splines", splines, _SPLINES)):
        if value not in known:
            raise ValueError(f"Unknown {name} {value!r}: expected one of {known}.")


def _displayed(path: str | os.PathLike, format: str) -> Any:
    try:
        from IPython import display
    except ImportError:
        return None
    if format == "svg":
        return display.SVG(filename=os.fspath(path))
    return None if format in ("pdf", "dot") else display.Image(filename=os.fspath(path))
