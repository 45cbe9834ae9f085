"""Draws the pictures of the pages from the code itself, when they are built.

`rooms.svg`: the folders, in their rings, and which import which. `fit.svg`: the calls of one
`fit` from file to file. `seen_*`: models, as the library draws them. `example_*`: what
examples draw.
"""

import ast
import contextlib
import io
import os
import sys
from pathlib import Path

import matplotlib
import numpy as np
from docutils import nodes
from matplotlib.figure import Figure

from tests.tools.rings import folders_by_ring

PACKAGE = Path(__file__).parents[2] / "jkeras"
RINGS = folders_by_ring(path.name for path in PACKAGE.iterdir() if any(path.glob("*.py")))
INK, PALE, ACCENT = "#334155", "#e2e8f0", "#2563eb"


def lines_of(source):
    """Returns how many lines of a file hold code: neither blank, nor comment, nor docstring."""
    lines = {i for i, text in enumerate(source.splitlines(), 1) if text.strip(" #")}
    lines -= {i for i, text in enumerate(source.splitlines(), 1) if text.lstrip().startswith("#")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def folders():
    """Returns the code lines of each folder, and the folders it imports."""
    size, edges = {}, {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("").parts[0]
        source = path.read_text()
        size[name] = size.get(name, 0) + lines_of(source)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jkeras"):
                parts = node.module.split(".")[1:] or [alias.name for alias in node.names]
                edges.setdefault(name, set()).update(
                    parts[:1] if node.module != "jkeras" else parts
                )
    return size, edges


def draw_rooms(path):
    """Draws the folders as boxes, inner rings below, and imports as lines."""
    size, edges = folders()
    figure = Figure(figsize=(10, 6.2))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    axes.set(xlim=(-9.5, 81), ylim=(-0.5, 3.9))
    place = {}
    for y, (title, ring) in enumerate(RINGS.items()):
        axes.axhspan(y - 0.38, y + 0.52, color=PALE if y % 2 == 0 else "#f1f5f9", zorder=0)
        axes.text(-8.5, y + 0.07, title, color=INK, size=12, weight="bold", va="center")
        step = 80 / len(ring)
        for i, name in enumerate(ring):
            place[name] = (step * (i + 0.5), y)
    for name, others in edges.items():
        for other in others:
            if name in place and other in place and name != other:
                (x0, y0), (x1, y1) = place[name], place[other]
                level = y0 == y1
                axes.annotate(
                    "",
                    (x1, y1 + (0.2 if level else 0.24)),
                    (x0, y0 - (-0.2 if level else 0.1)),
                    arrowprops={
                        "arrowstyle": "-|>",
                        "color": ACCENT,
                        "alpha": 0.35,
                        "lw": 0.8,
                        "shrinkA": 0,
                        "shrinkB": 0,
                        "connectionstyle": f"arc3,rad={-0.25 if level else 0.0}",
                    },
                )
    for name, (x, y) in place.items():
        box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": INK, "lw": 1.0}
        text = f"{name}\n{size.get(name, 0):,} lines"
        axes.text(x, y + 0.07, text, size=8.5, ha="center", va="center", bbox=box, color=INK)
    figure.savefig(path)


def followed():
    """Returns the calls of one `fit` from file to file, as a tree: (file, name) -> what it calls.

    Calls inside of a file belong to the one that entered it; what is called again is there once.
    """
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jkeras as keras

    root = str(PACKAGE) + os.sep
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.ones((64, 4), "float32"), np.ones((64, 1), "float32")
    calls = {}
    open_calls = [("", calls)]

    def profile(frame, event, _):
        code = frame.f_code
        if not code.co_filename.startswith(root):
            return
        if event == "call":
            file = code.co_filename.removeprefix(root).removesuffix(".py").replace(os.sep, "/")
            entered, below = open_calls[-1]
            if file != entered:
                name = code.co_qualname.replace(".<locals>", "").replace(".__init__", "()")
                below = below.setdefault((file, name), {})
            open_calls.append((file, below))
        elif event == "return" and len(open_calls) > 1:
            open_calls.pop()

    sys.setprofile(profile)
    try:
        model.fit(x, y, epochs=2, verbose=0)
    finally:
        sys.setprofile(None)
    return calls


# The rooms of the way of a fit; what they ask of others on the way is not drawn.
ROOMS = ("models", "training", "callbacks", "optimizers", "layers", "losses")
RING_COLORS = {"names": "#0f766e", "cells": ACCENT}


def shown_calls(calls, depth=0, seen=None):
    """Returns the lines of the picture, each call once: how deep, the file, the name."""
    seen, lines = set() if seen is None else seen, []
    for (file, name), below in calls.items():
        first = (file, name) not in seen
        seen.add((file, name))
        plain = not any(part.startswith(("_", "<")) for part in name.split("."))
        is_shown = file.split("/")[0] in ROOMS and plain and first
        rest = shown_calls(below, depth + is_shown, seen)
        if is_shown and (rest or depth < 2 or name[0].isupper()):
            lines.append((depth, file, name))
        lines += rest
    return lines


def draw_fit(path):
    """Draws a fit as an outline: each line is a call into another file, below what makes it."""
    lines = shown_calls(followed())
    ring_of = {folder: ring for ring, folders in RINGS.items() for folder in folders}
    figure = Figure(figsize=(9, 0.2 * len(lines) + 0.4))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    axes.set(xlim=(0, 90), ylim=(len(lines) + 0.5, -1.5))
    last = {}
    for y, (depth, file, name) in enumerate(lines):
        color, x = RING_COLORS[ring_of[file.split("/")[0]]], 2 + 4 * depth
        if depth:
            axes.plot([x - 3, x - 3, x - 0.8], [last[depth - 1], y, y], color="#cbd5e1", lw=1)
        last[depth] = y
        axes.text(x, y, name, size=8, color=INK, va="center", weight="bold" if not depth else None)
        axes.text(62, y, f"{file}.py", size=8, color=color, va="center", family="monospace")
    figure.savefig(path)


def seen_models():
    """Returns three subclassed models, built: that of the guide, one of own blocks, one of jnp."""
    import jax.numpy as jnp

    import jkeras as keras

    class WideAndDeep(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden = [keras.layers.Dense(30, activation="relu") for _ in range(2)]
            self.join = keras.layers.Concatenate()
            self.main, self.aux = keras.layers.Dense(1), keras.layers.Dense(1)

        def call(self, inputs):
            wide, deep = inputs
            for layer in self.hidden:
                deep = layer(deep)
            return self.main(self.join([wide, deep])), self.aux(deep)

    class Residual(keras.layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.first = keras.layers.Dense(units, activation="relu")
            self.second = keras.layers.Dense(units)

        def call(self, x):
            return x + self.second(self.first(x))

    class Residuals(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [Residual(8), Residual(8)]
            self.head = keras.layers.Dense(1)

        def call(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    class Wave(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = keras.layers.Dense(8), keras.layers.Dense(1)

        def call(self, x):
            return self.head(jnp.sin(self.hidden(x)) + x)

    models = WideAndDeep(), Residuals(), Wave()
    for model, shape in zip(models, ([(None, 5), (None, 6)], (None, 8), (None, 8)), strict=True):
        model.build(shape)
    return models


def regression_model():
    """Returns the model of the tutorial with a wide and a deep input."""
    import jkeras as keras

    layers = keras.layers
    inputs = [keras.Input((4,), name="wide"), keras.Input((6,), name="deep")]
    wide, deep = layers.Normalization(), layers.Normalization()
    hidden = layers.Dense(30, activation="relu")(deep(inputs[1]))
    hidden = layers.Dense(30, activation="relu")(hidden)
    both = layers.concatenate([wide(inputs[0]), hidden])
    return keras.Model(inputs, layers.Dense(1, name="price")(both))


def draw_seen(folder):
    """Draws models as `plot_model` does, and a table as a terminal shows it."""
    from rich.console import Console
    from rich.text import Text

    import jkeras as keras

    keras.utils.clear_session(free_memory=False)
    wide, residuals, wave = seen_models()
    plot = keras.utils.plot_model
    sizes = ((300, "relu"), (100, "relu"), (10, "softmax"))
    mlp = keras.Sequential([keras.layers.Flatten(input_shape=(28, 28))])
    for units, activation in sizes:
        mlp.add(keras.layers.Dense(units, activation=activation))
    plot(mlp, folder / "seen_mlp.png", show_shapes=True, dpi=110)
    plot(regression_model(), folder / "wide_and_deep.png", rankdir="LR", dpi=110)
    plot(wide, folder / "seen_wide.png", show_shapes=True, show_layer_names=True, dpi=110)
    plot(residuals, folder / "seen_nested.png", show_shapes=True, expand_nested=True, dpi=110)
    plot(wave, folder / "seen_program.png", rankdir="LR", dpi=110)
    shown, before = io.StringIO(), os.environ.get("FORCE_COLOR")
    os.environ["FORCE_COLOR"] = "1"
    try:
        with contextlib.redirect_stdout(shown):
            wide.summary()
    finally:
        os.environ.pop("FORCE_COLOR")
        if before is not None:
            os.environ["FORCE_COLOR"] = before
    terminal = Console(record=True, width=80, file=io.StringIO())
    terminal.print(Text.from_ansi(shown.getvalue()))
    path = folder / "seen_summary.svg"
    terminal.save_svg(str(path), title="model.summary()", unique_id="summary")


def draw_rare(path):
    """Draws precision over recall of two models of rare positives, and where 0.5 lies."""
    import jkeras as keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 4)).astype("float32")
    y = (x[:, 0] + 0.5 * rng.normal(size=2000) > 1.85).astype("float32")
    weights = {
        label: len(y) / (2 * count) for label, count in enumerate(np.bincount(y.astype(int)))
    }
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for name, options in (("as it is", {}), ("with class weights", {"class_weight": weights})):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
        model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
        model.fit(x, y, epochs=5, verbose=0, **options)
        scores = model.predict(x, verbose=0)[:, 0]
        found = np.cumsum(y[np.argsort(-scores)])
        recall, precision = found / y.sum(), found / np.arange(1, len(y) + 1)
        (line,) = axes.plot(recall, precision, label=name)
        at = np.count_nonzero(scores > 0.5) - 1
        axes.plot(
            recall[at], precision[at], "o", color=line.get_color(), label="  its threshold 0.5"
        )
    axes.set(xlabel="recall", ylabel="precision")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def write(app):
    """Writes the pictures beside the pages."""
    folder = Path(app.srcdir) / "pictures"
    folder.mkdir(exist_ok=True)
    with matplotlib.rc_context({"svg.hashsalt": "jkeras", "svg.fonttype": "path"}):
        draw_rooms(folder / "rooms.svg")
        draw_fit(folder / "fit.svg")
    draw_seen(folder)
    draw_rare(folder / "rare.png")


def let_scroll(app, doctree):
    """Puts pictures of class `scroll` into boxes: a phone shows them large enough to be read."""
    for image in list(doctree.findall(nodes.image)):
        if "scroll" in image["classes"]:
            box = nodes.container(classes=["scroll"])
            image.replace_self(box)
            box += image


def setup(app):
    """Draws before pages are read."""
    app.connect("builder-inited", write)
    app.connect("doctree-read", let_scroll)
    return {"parallel_read_safe": True}
