"""Nested lists, tuples and dicts, by the names of `keras.tree`.

Unlike in `jax.tree`, None is a leaf, and so are a variable and whatever else is not a list, a
tuple, a dict or a deque. The leaves of a dict come in the order of its keys.
"""

import contextlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jkeras.base.types import Structure


class MAP_TO_NONE:
    """What a function gives to `traverse` to put None in a place.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.traverse(lambda x: keras.tree.MAP_TO_NONE if x == 2 else None, [1, 2])
        [1, None]
    """


def _children(structure: Structure) -> list[tuple[Any, Any]]:
    """Returns (key, child) for each child of a structure, in the order of leaves."""
    if isinstance(structure, dict):
        keys = list(structure)
        if not isinstance(structure, OrderedDict):
            with contextlib.suppress(TypeError):  # keys of several types stay as inserted
                keys.sort()
        return [(key, structure[key]) for key in keys]
    return list(enumerate(structure))


def _rebuild(structure: Structure, children: Iterable[Any]) -> Structure:
    """Returns a structure like the given one with other children."""
    if isinstance(structure, dict):
        new = dict(zip((key for key, _ in _children(structure)), children, strict=True))
        new = {key: new[key] for key in structure}
        if isinstance(structure, defaultdict):
            return defaultdict(structure.default_factory, new)
        return type(structure)(new)
    if hasattr(structure, "_fields"):  # a named tuple
        return type(structure)(*children)
    if isinstance(structure, deque):
        return type(structure)(children, structure.maxlen)
    return type(structure)(children)


def is_nested(structure: Structure) -> bool:
    """Says whether a value is a list, a tuple, a dict or a deque.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.is_nested([1]), keras.tree.is_nested("ab")
        (True, False)
    """
    return isinstance(structure, (list, tuple, dict, deque))


def flatten_with_path(structure: Structure) -> list[tuple[tuple, Any]]:
    """Returns (path, leaf) for each leaf; a path is made of keys and indices.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.flatten_with_path({"a": [1, 2]})
        [(('a', 0), 1), (('a', 1), 2)]
    """
    if not is_nested(structure):
        return [((), structure)]
    return [
        ((key, *path), leaf)
        for key, child in _children(structure)
        for path, leaf in flatten_with_path(child)
    ]


def flatten(structure: Structure) -> list[Any]:
    """Returns the leaves.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.flatten({"b": 1, "a": [2, None]})
        [2, None, 1]
    """
    return [leaf for _, leaf in flatten_with_path(structure)]


def map_structure(func: Callable, *structures: Structure, none_is_leaf: bool = True) -> Structure:
    """Returns the structure of what a function gives for leaves in the same place.

    Args:
        func: A function of as many leaves as there are structures.
        *structures: Structures of the same shape.
        none_is_leaf: Whether the function gets None, too; otherwise it stays.

    Raises:
        ValueError: If the structures differ, or no structure is given.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.map_structure(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 3, "y": [4]})
        {'x': 4, 'y': [6]}
    """
    if not structures:
        raise ValueError("Must provide at least one structure")
    for other in structures[1:]:
        assert_same_structure(structures[0], other)

    def apply(first: Any, *rest: Any) -> Any:
        return None if first is None and not none_is_leaf else func(first, *rest)

    return map_structure_up_to(structures[0], apply, *structures)


def map_structure_up_to(
    shallow_structure: Structure, func: Callable, *structures: Structure
) -> Structure:
    """Applies a function to the parts of structures that lie where a shallow one has leaves.

    Raises:
        ValueError: If a structure has not the shape of the shallow one.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.map_structure_up_to([0, 0], len, [[1, 2], [3]])
        [2, 1]
    """
    if not is_nested(shallow_structure):
        return func(*structures)
    for other in structures:
        problem = _difference(shallow_structure, other)
        if problem:
            raise ValueError(problem)
    parts = [dict(_children(other)) for other in structures]
    return _rebuild(
        shallow_structure,
        [
            map_structure_up_to(child, func, *(part[key] for part in parts))
            for key, child in _children(shallow_structure)
        ],
    )


def _difference(a: Structure, b: Structure) -> str:
    """Says in what two structures differ at their top; an empty string if in nothing."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.keys() == b.keys():
            return ""
        return f"Expected a dict with the keys {list(a)}, got {list(b)}."
    if type(a) is not type(b):
        return f"Expected an instance of {type(a).__name__}, got {b!r}."
    return "" if len(a) == len(b) else f"Expected {len(a)} items, got {len(b)}: {b!r}."


def assert_same_structure(a: Structure, b: Structure, check_types: bool | None = None) -> None:
    """Checks that two structures have the same shape.

    Args:
        a: A structure.
        b: Another one.
        check_types: Accepted for Keras's sake: types always count.

    Raises:
        ValueError: If they differ.
    """
    if not is_nested(a) and not is_nested(b):
        return
    if not (is_nested(a) and is_nested(b)):
        raise ValueError(f"Structures don't have the same nested structure: {a!r} and {b!r}.")
    problem = _difference(a, b)
    if problem:
        raise ValueError(f"Structures don't have the same nested structure. {problem}")
    for (_, first), (_, second) in zip(_children(a), _children(b), strict=True):
        assert_same_structure(first, second)


def assert_same_paths(a: Structure, b: Structure) -> None:
    """Checks that two structures have leaves at the same paths, whatever their types.

    Raises:
        ValueError: If they differ.
    """
    first, second = ({path for path, _ in flatten_with_path(x)} for x in (a, b))
    if first != second:
        raise ValueError(
            f"`a` and `b` don't have the same paths. Paths in `a` missing in `b`: {first - second}."
            f" Paths in `b` missing in `a`: {second - first}."
        )


def pack_sequence_as(structure: Structure, flat_sequence: Sequence[Any]) -> Structure:
    """Returns a structure with other leaves, given in the order of `flatten`.

    Raises:
        ValueError: If there are too few or too many.
        TypeError: If they are not a sequence.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.pack_sequence_as({"b": 0, "a": [0, 0]}, [1, 2, 3])
        {'b': 3, 'a': [1, 2]}
    """
    leaves = list(flat_sequence)
    count = len(flatten(structure))
    if len(leaves) != count:
        raise ValueError(
            f"Too {'few' if len(leaves) < count else 'many'} leaves for the structure; "
            f"expected: {count}, got: {len(leaves)}."
        )
    rest = iter(leaves)
    order = map_structure(lambda _: None, structure)

    def fill(part: Any) -> Any:
        if not is_nested(part):
            return next(rest)
        return _rebuild(part, [fill(child) for _, child in _children(part)])

    return fill(order)


def lists_to_tuples(structure: Structure) -> Structure:
    """Returns the structure with tuples for lists.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.lists_to_tuples([1, {"a": [2]}])
        (1, {'a': (2,)})
    """
    if not is_nested(structure):
        return structure
    new = _rebuild(structure, [lists_to_tuples(child) for _, child in _children(structure)])
    return tuple(new) if isinstance(new, list) else new


def map_shape_structure(func: Callable, structure: Structure) -> Structure:
    """Applies a function to the shapes in a structure: tuples or lists of integers and None.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.map_shape_structure(len, {"a": (None, 2), "b": (3,)})
        {'a': 2, 'b': 1}
    """
    is_shape = isinstance(structure, (list, tuple)) and all(
        n is None or isinstance(n, int) for n in structure
    )
    if is_shape or not is_nested(structure):
        return func(structure)
    return _rebuild(structure, [map_shape_structure(func, c) for _, c in _children(structure)])


def traverse(func: Callable, structure: Structure, top_down: bool = True) -> Structure:
    """Replaces the parts of a structure for which a function gives another value than None.

    Args:
        func: A function of a leaf or a part; `MAP_TO_NONE` stands for None.
        structure: The structure.
        top_down: Whether a part comes before what is in it; it is then not looked into if replaced.

    Example:
        >>> import jkeras as keras
        >>> keras.tree.traverse(lambda x: None if isinstance(x, list) else -x, [1, [2]])
        [-1, [-2]]
    """

    def look(part: Any) -> tuple[bool, Any]:
        new = func(part)
        return new is not None, None if new is MAP_TO_NONE else new

    if top_down:
        replaced, new = look(structure)
        if replaced:
            return new
    if is_nested(structure):
        structure = _rebuild(
            structure, [traverse(func, child, top_down) for _, child in _children(structure)]
        )
    if top_down:
        return structure
    replaced, new = look(structure)
    return new if replaced else structure
