"""What data sets are made of: structures of arrays on the host."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jkeras.base.types import ArrayLike, Shape, Structure


class HostArray(np.ndarray):
    """A NumPy array that also answers `.numpy()`, as code written for `tf.data` asks it.

    It is a NumPy array in all else, but that its entries are arrays, too: a single label of a batch
    answers `.numpy()`, and may be the key of a dict.

    Example:
        >>> import jkeras as keras
        >>> [x.numpy() for x in keras.utils.Dataset.from_tensor_slices(["a", "b"])]
        [b'a', b'b']
    """

    def numpy(self) -> Structure:
        """Returns a plain array; a number or a string of one; strings as bytes, as in `tf.data`."""
        array = self.view(np.ndarray)
        if array.dtype == object:
            coded = np.empty(array.size, object)
            coded[:] = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
            array = coded.reshape(array.shape)
        return array if array.ndim else array[()]

    def __getitem__(self, key: Any) -> Any:
        entry = super().__getitem__(key)
        return entry if isinstance(entry, np.ndarray) else as_array(entry)

    def __repr__(self) -> str:
        return repr(self.view(np.ndarray))

    def __str__(self) -> str:
        return str(self.view(np.ndarray))

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(self.item())


_SHORT = {np.dtype("int64"): "int32", np.dtype("float64"): "float32"}


def as_array(value: ArrayLike) -> ArrayLike:
    """Returns a leaf as an array: Python's numbers have 32 bits, strings are objects."""
    if isinstance(value, HostArray) or hasattr(value, "as_numpy_iterator"):  # a set in a set
        return value
    if isinstance(value, (str, bytes)):
        array = np.empty((), object)
        array[()] = value
    else:
        array = np.asarray(value)
        if not hasattr(value, "dtype"):
            array = array.astype(_SHORT.get(array.dtype, array.dtype), copy=False)
        if array.dtype.kind in "US":
            array = array.astype(object)
    return array.view(HostArray)


def map_leaves(function: Callable, tree: Structure, *others: Structure) -> Structure:
    """Applies a function to the leaves of tuples and dicts; lists are leaves, as in `tf.data`."""
    if isinstance(tree, tuple):
        parts = [map_leaves(function, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    if isinstance(tree, Mapping):
        return {key: map_leaves(function, tree[key], *(o[key] for o in others)) for key in tree}
    return None if tree is None else function(tree, *others)


def leaves(tree: Structure) -> list[Any]:
    """Returns the leaves of tuples and dicts."""
    found: list[Any] = []
    map_leaves(found.append, tree)
    return found


def as_element(value: Structure) -> Structure:
    """Returns what a user or a user's function gave as a structure of arrays."""
    return map_leaves(as_array, value)


def as_result(value: Structure) -> Structure:
    """Returns what a function gave as a structure of arrays: a list is a tuple, as in `tf.data`."""
    return as_element(_without_lists(value))


def _without_lists(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_without_lists, value))
    if isinstance(value, tuple):
        parts = map(_without_lists, value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, Mapping):
        return {key: _without_lists(part) for key, part in value.items()}
    return value


def as_numpy(element: Structure) -> Structure:
    """Returns an element with plain NumPy arrays, numbers and bytes."""
    return map_leaves(lambda v: v.numpy() if isinstance(v, HostArray) else v, element)


def call(function: Callable, element: Structure) -> Structure:
    """Calls a function of the user's: a tuple gives its arguments, anything else the only one."""
    return function(*element) if isinstance(element, tuple) else function(element)


def stack(elements: Sequence[Any]) -> Structure:
    """Returns a structure of arrays with a batch axis in front.

    Raises:
        ValueError: If shapes differ.
    """
    return map_leaves(lambda *arrays: _stack(arrays), *elements)


def _stack(arrays: Sequence[Any]) -> Any:
    if hasattr(arrays[0], "as_numpy_iterator"):
        raise TypeError("A batch of data sets cannot be made: make arrays of them (`flat_map`).")
    shapes = [np.shape(array) for array in arrays]
    if any(shape != shapes[0] for shape in shapes):
        other = next(i for i, shape in enumerate(shapes) if shape != shapes[0])
        raise ValueError(
            "Cannot batch tensors with different shapes. First element had shape "
            f"{list(shapes[0])} and element {other} had shape {list(shapes[other])}.\n"
            "Make them alike first (`map`), or fill them up (`padded_batch`)."
        )
    return np.stack(arrays).view(HostArray)


def join(batches: Sequence[Any]) -> Structure:
    """Returns several batches as one."""
    if len(batches) == 1:
        return batches[0]
    return map_leaves(lambda *arrays: np.concatenate(arrays).view(HostArray), *batches)


def padded_stack(
    elements: Sequence[Any], shapes: Shape = None, values: Structure = None
) -> Structure:
    """Returns a structure of arrays with a batch axis in front, each filled up to one shape.

    Args:
        elements: The elements.
        shapes: For each leaf its shape, in which None or -1 stands for the longest of the batch;
            None for that on all axes.
        values: What to fill up with, for all leaves or for each; 0 or "" by default.

    Raises:
        ValueError: If an element is larger than its shape.
    """
    first = elements[0]
    if isinstance(first, (tuple, Mapping)):
        keys = list(first) if isinstance(first, Mapping) else range(len(first))

        def part(key: Any) -> Any:
            return padded_stack(
                [element[key] for element in elements],
                None if shapes is None else shapes[key],
                values[key] if isinstance(values, (tuple, Mapping)) else values,
            )

        parts = {key: part(key) for key in keys}
        return parts if isinstance(first, Mapping) else tuple(parts.values())
    longest = [max(sizes) for sizes in zip(*map(np.shape, elements), strict=True)]
    wanted = [None] * np.ndim(first) if shapes is None else list(np.atleast_1d(shapes))
    if len(wanted) != np.ndim(first):
        raise ValueError(
            f"`padded_shapes` has the shape {tuple(wanted)} for an array of shape "
            f"{np.shape(first)}: it has a number, or None, for each axis."
        )
    size = [n if w in (None, -1) else int(w) for n, w in zip(longest, wanted, strict=True)]
    if any(n > s for n, s in zip(longest, size, strict=True)):
        raise ValueError(
            "Attempted to pad to a smaller size than the input element: an array of shape "
            f"{tuple(longest)} to {tuple(size)}.\nCut it first (`map`)."
        )
    fill = ("" if first.dtype == object else 0) if values is None else values
    batch = np.full((len(elements), *size), fill, first.dtype)
    for row, array in enumerate(elements):
        place: Any = (row, *map(slice, np.shape(array)))
        batch[place] = array
    return batch.view(HostArray)


class ArraySpec(NamedTuple):
    """The shape of an array of a data set, with None for what varies, and its dtype's name."""

    shape: tuple[int | None, ...]
    dtype: str


def spec(value: ArrayLike) -> Any:
    """Returns the shape and dtype of a leaf."""
    if not isinstance(value, np.ndarray):
        return value
    return ArraySpec(value.shape, "string" if value.dtype == object else value.dtype.name)
