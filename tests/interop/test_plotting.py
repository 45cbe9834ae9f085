"""Pictures of models: the nodes, fields and arrows that Keras's own pictures have."""

import importlib.util
import re
import xml.etree.ElementTree as ET

import keras
import pytest

import jkeras
from tests.utils.models import build

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pydot") is None, reason="Keras describes models with pydot"
)
OPTIONS = ("show_shapes", "show_dtype", "show_layer_activations", "show_trainable")


def read(dot):
    """Returns what the nodes of a text in Graphviz's language say, and its edges and titles."""
    text = dot.to_string().replace("'", "")  # Keras puts the dtypes of a list in quotes
    nodes = {}
    for key, table in re.findall(r"(\w+) \[label=<(<table.*?</table>)>", text):
        cells = [cell.itertext() for cell in ET.fromstring(table).iter("td")]
        nodes[key] = tuple("".join(cell).strip() for cell in cells)
    edges = re.findall(r"(\w+) -> (\w+)", text)
    titles = re.findall(r"label=\"?(\w+)\"?;", text)
    return (
        sorted(nodes.values()),
        sorted((nodes[tail][0], nodes[head][0]) for tail, head in edges),
        sorted(titles),
    )


@pytest.mark.parametrize("name", ["stack", "branches", "shared", "nested"])
def test_model_to_dot(compare, name):
    keras.utils.clear_session()
    ours, theirs = build(jkeras)[name], build(keras)[name]
    for options in ((), *((option,) for option in OPTIONS), OPTIONS):
        for nested in (False, True):
            for names in (False, True):
                kwargs = {**dict.fromkeys(options, True), "expand_nested": nested}
                kwargs["show_layer_names"] = names
                own = read(jkeras.utils.model_to_dot(ours, **kwargs))
                keras_own = read(keras.utils.model_to_dot(theirs, **kwargs))
                assert own == keras_own, kwargs
                compare(f"model_to_dot {name}", len(own[0]), len(keras_own[0]))
