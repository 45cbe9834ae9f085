"""Each name in everyday use has an example in its docstring, and the example shows a value.

`nox -s docs` runs the examples; here they are looked at.
"""

import doctest
import inspect
import re

import pytest

import jkeras as keras
from tests.tools.keras_names import TIERS, find

NAMES = sorted(n for n, tier in TIERS.items() if tier in "SA" and "'s members" not in n)
# An example would download a data set; __version__ is a string, which has no docstring of its own.
WITHOUT = {
    "__version__",
    "datasets.boston_housing.load_data",
    "datasets.california_housing.load_data",
    "datasets.cifar10.load_data",
    "datasets.fashion_mnist.load_data",
    "datasets.imdb.get_word_index",
    "datasets.imdb.load_data",
    "datasets.mnist.load_data",
    "datasets.reuters.load_data",
}
# What they are for is the shape: of an array, or of what a large network gives.
SHAPES = {
    "ops.shape",
    "applications.EfficientNetB0",
    "applications.MobileNetV2",
    "applications.ResNet50",
    "applications.VGG16",
}
SHAPE = re.compile(r"\(((None|\d+)(, ?(None|\d+))*,?)?\)")


def shown(text):
    """Returns what the examples of a docstring print: all of it, and what is not a shape."""
    prints = [e.want.strip() for e in doctest.DocTestParser().get_examples(text) if e.want.strip()]
    return prints, [text for text in prints if not SHAPE.fullmatch(text)]


def test_names_are_sorted_into_tiers():
    assert len(NAMES) > 300
    assert set(NAMES) > WITHOUT | SHAPES


@pytest.mark.parametrize("name", [n for n in NAMES if n not in WITHOUT])
def test_has_an_example_with_a_value(name):
    prints, values = shown(inspect.getdoc(find(keras, name)) or "")
    assert prints if name in SHAPES else values, f"keras.{name} has no example that prints a value"


MEMBERS = sorted(n.replace("'s members", "") for n, t in TIERS.items() if t in "SA" and "'s m" in n)
# Other names of `on_train_batch_begin` and `on_train_batch_end`.
ALIASES = {"Callback.on_batch_begin", "Callback.on_batch_end"}
CLASSES = {"Callback": keras.callbacks.Callback, "Functional": keras.Model}
ELSEWHERE = {"Model.stop_training": keras.callbacks.Callback}


def examples_of(cls):
    """Returns the code of the examples on the page of a class: its own, and its members'."""
    docs = [inspect.getdoc(c) for c in cls.__mro__]
    docs += [inspect.getdoc(member) for c in cls.__mro__ for member in vars(c).values()]
    parser = doctest.DocTestParser()
    return "".join(example.source for doc in docs if doc for example in parser.get_examples(doc))


def test_members_are_sorted_into_tiers():
    assert len(MEMBERS) > 90
    assert set(MEMBERS) > ALIASES


@pytest.mark.parametrize("name", [n for n in MEMBERS if n not in ALIASES])
def test_member_is_in_an_example(name):
    owner, member = name.split(".")
    code = examples_of(ELSEWHERE.get(name) or CLASSES.get(owner) or getattr(keras, owner))
    assert re.search(rf"(\.|def ){member}\b", code), f"no example uses {member} of a {owner}"


def test_what_is_a_value():
    assert shown(">>> x.shape\n(2, 3)\n") == (["(2, 3)"], [])
    assert shown(">>> x.tolist()\n[2, 3]\n") == (["[2, 3]"], ["[2, 3]"])
