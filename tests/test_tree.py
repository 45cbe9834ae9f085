"""keras.tree: what is a leaf, order, rebuilding, errors."""

from collections import OrderedDict, defaultdict, namedtuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras import Variable, tree

Pair = namedtuple("Pair", "x y")

nested = st.recursive(
    st.integers() | st.none() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)
several = settings(max_examples=80, deadline=None)


# ------------------------------------------------------------------ properties
@several
@given(nested)
def test_packing_is_the_inverse_of_flattening(structure):
    again = tree.pack_sequence_as(structure, tree.flatten(structure))
    assert again == structure
    assert type(again) is type(structure)


@several
@given(nested)
def test_mapping(structure):
    mapped = tree.map_structure(lambda leaf: (leaf,), structure)
    assert tree.flatten(mapped) == tree.flatten(structure)
    assert tree.map_structure_up_to(structure, lambda pair: pair[0], mapped) == structure
    tree.assert_same_structure(structure, tree.map_structure(id, structure))


@several
@given(nested)
def test_paths_lead_to_the_leaves(structure):
    for path, leaf in tree.flatten_with_path(structure):
        found = structure
        for key in path:
            found = found[key]
        assert found is leaf or found == leaf
    tree.assert_same_paths(structure, tree.lists_to_tuples(structure))


@several
@given(nested)
def test_lists_to_tuples_leaves_no_list(structure):
    found = []
    tree.traverse(lambda part: found.append(type(part)), tree.lists_to_tuples(structure))
    assert list not in found


# ------------------------------------------------------------------ leaves and order
def test_order():
    assert tree.flatten({"b": 1, "a": [2, (3, None)]}) == [2, 3, None, 1]
    assert tree.flatten(OrderedDict([("b", 1), ("a", 2)])) == [1, 2]
    assert tree.flatten(defaultdict(int, b=1, a=2)) == [2, 1]
    assert tree.flatten({1: "x", "a": "y"}) == ["x", "y"]


@pytest.mark.parametrize("leaf", [1, None, "ab", {1, 2}, np.ones(2), Variable([1.0, 2.0])])
def test_leaves(leaf):
    assert tree.flatten(leaf)[0] is leaf
    assert tree.flatten([leaf])[0] is leaf
    assert not tree.is_nested(leaf)


@pytest.mark.parametrize("structure", [[], (), {}, [1], Pair(1, 2)])
def test_containers(structure):
    assert tree.is_nested(structure)


def test_types_are_kept():
    structure = {"b": Pair(1, [2]), "a": OrderedDict(z=3, y=4), "c": defaultdict(list, k=5)}
    doubled = tree.map_structure(lambda x: x * 2, structure)
    assert list(doubled) == ["b", "a", "c"]
    assert doubled["b"] == Pair(2, [4])
    assert list(doubled["a"].items()) == [("z", 6), ("y", 8)]
    assert doubled["c"].default_factory is list


def test_none():
    assert tree.map_structure(lambda x: x is None, [1, None]) == [False, True]
    assert tree.map_structure(lambda x: x + 1, [1, None], none_is_leaf=False) == [2, None]


def test_traverse():
    def add_lists(part):
        return sum(part) if isinstance(part, list) else None

    assert tree.traverse(lambda x: x * 10 if isinstance(x, int) else None, [1, {"a": 2}]) == [
        10,
        {"a": 20},
    ]
    assert tree.traverse(add_lists, [[1, 2], 3], top_down=False) == 6
    with pytest.raises(TypeError):
        tree.traverse(add_lists, [[1, 2], 3])
    assert tree.traverse(lambda x: tree.MAP_TO_NONE if x == 2 else None, [1, 2]) == [1, None]


def test_shapes():
    shapes = {"a": (None, 2), "b": [(3,), ()]}
    assert tree.map_shape_structure(lambda s: len(s), shapes) == {"a": 2, "b": [1, 0]}
    assert tree.map_shape_structure(lambda s: s, None) is None


# ------------------------------------------------------------------ errors
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2], [1]),
        ([1], (1,)),
        ({"a": 1}, {"b": 1}),
        (1, [1]),
        ([1, (2,)], [3, [4]]),
        ([1], [[2]]),
    ],
)
def test_different_structures(a, b):
    for check in (
        lambda: tree.assert_same_structure(a, b),
        lambda: tree.map_structure(lambda x, y: x, a, b),
    ):
        with pytest.raises(ValueError, match="same nested structure"):
            check()


def test_other_errors():
    with pytest.raises(ValueError, match="at least one structure"):
        tree.map_structure(lambda: 1)
    with pytest.raises(ValueError, match="Too few leaves"):
        tree.pack_sequence_as([1, 2], [1])
    with pytest.raises(ValueError, match="Too many leaves"):
        tree.pack_sequence_as(1, [1, 2])
    with pytest.raises(TypeError):
        tree.pack_sequence_as([1], 5)
    with pytest.raises(ValueError, match="Expected 2 items, got 1"):
        tree.map_structure_up_to([1, 2], lambda x: x, [1])
    with pytest.raises(ValueError, match=r"missing in `b`: \{\('a',\)\}"):
        tree.assert_same_paths({"a": 1}, {"b": 1})
    tree.assert_same_structure({"a": 1}, OrderedDict(a=1))
