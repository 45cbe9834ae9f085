"""What layers' constructors share: checks of their arguments, and weights' options kept by name."""

from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from jkeras import constraints, initializers, regularizers
from jkeras.core.layer import Layer
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable

_OPTIONS = {
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
}


def keep_weight_options(layer: Layer, arguments: Mapping[str, Any]) -> None:
    """Keeps each `*_initializer`, `*_regularizer` and `*_constraint` in the attribute of its name.

    Args:
        layer: The layer.
        arguments: The `locals()` of its constructor.
    """
    for name, value in arguments.items():
        get = _OPTIONS.get(name.rpartition("_")[2])
        if get is not None and name != "activity_regularizer":
            setattr(layer, name, get(value))


def add_weight(
    layer: Layer, name: str, shape: Iterable[int], options: str | None = None, **kwargs: Any
) -> Variable:
    """Makes the weight `name` with the options that its layer keeps for it.

    Args:
        layer: The layer.
        name: The weight's name; its initializer is in the attribute `{name}_initializer`.
        shape: The shape.
        options: Another word for `name` in the options' attributes.
        **kwargs: Further arguments of `Layer.add_weight`.
    """
    kept = {kind: getattr(layer, f"{options or name}_{kind}", None) for kind in _OPTIONS}
    return layer.add_weight(shape=tuple(shape), name=name, **{**kept, **kwargs})


def positive_integer(layer: Layer, name: str, value: Any) -> int:
    """Returns `value` as an int.

    Raises:
        ValueError: If it is not a positive integer.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value <= 0:
        raise ValueError(
            f"Received an invalid value for `{name}`, expected a positive integer. "
            f"Received: {name}={value!r} (layer {layer.name!r})"
        )
    return int(value)


def one_of(layer: Layer, name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Returns `value`.

    Raises:
        ValueError: If it is not among the allowed ones.
    """
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(
            f"Invalid value for argument `{name}` of the layer {layer.name!r}. "
            f"Expected one of {allowed}. Received: {name}={value!r}"
        )
    return value


def positive_axis(layer: Layer, axis: Any, ndim: int) -> int:
    """Returns `axis` counted from the front.

    Raises:
        ValueError: If the inputs have no such axis.
    """
    if not isinstance(axis, (int, np.integer)) or not -ndim <= axis < ndim:
        raise ValueError(
            f"Invalid value for `axis` argument of the layer {layer.name!r}: expected an integer "
            f"in the range [-ndim, ndim). Received: axis={axis!r} for inputs with ndim={ndim}"
        )
    return int(axis) % ndim


def seed_generator(seed: Any) -> SeedGenerator | None:
    """Returns the generator that a layer with its own seed holds; None without a seed."""
    if seed is None or isinstance(seed, SeedGenerator):
        return seed
    return SeedGenerator(seed)


def next_key(layer: Any) -> jax.Array:
    """Returns the next key of the layer's own generator; without one, of the call."""
    return (layer.seed_generator or layer).next_key()


def size_tuple(layer: Layer, name: str, value: Any, n: int, least: int = 1) -> tuple[int, ...]:
    """Returns one size for each of `n` axes.

    Raises:
        ValueError: If `value` is neither an integer nor `n` of them, or one is too small.
    """
    sizes = (value,) * n if isinstance(value, (int, np.integer)) else value
    is_tuple = isinstance(sizes, Iterable) and not isinstance(sizes, (str, bytes))
    sizes = tuple(sizes) if is_tuple else ()
    integers = all(isinstance(k, (int, np.integer)) and not isinstance(k, bool) for k in sizes)
    if len(sizes) != n or not integers or min(sizes) < least:
        bad = {k for k in sizes if integers and k < least}
        detail = f", including values {bad} that do not satisfy `value >= {least}`" if bad else ""
        raise ValueError(
            f"The `{name}` argument must be a tuple of {n} integers. "
            f"Received {name}={value!r}{detail} (layer {layer.name!r})"
        )
    return tuple(int(k) for k in sizes)
