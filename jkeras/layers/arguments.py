"""What layers' constructors share: checks of their arguments, and the options of weights."""

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, TypedDict

import jax

from jkeras import constraints, initializers, regularizers
from jkeras.base.numbers import as_integer, as_number, checked_number
from jkeras.base.types import Axis, Seed
from jkeras.core.layer import Layer
from jkeras.core.seeds import SeedGenerator
from jkeras.core.signatures import Init, written_out
from jkeras.core.variable import Variable


# ------------------------------------------------------------------ the options of weights
class LayerArguments(TypedDict, total=False):
    """What every layer takes after its own arguments; `Layer` says what it means."""

    activity_regularizer: Any
    trainable: bool
    dtype: Any
    autocast: bool
    name: str | None
    input_shape: Any
    batch_input_shape: Any
    input_dim: int


class KernelOptions(LayerArguments, total=False):
    """The options of a kernel and a bias, for type checkers."""

    kernel_initializer: Any
    bias_initializer: Any
    kernel_regularizer: Any
    bias_regularizer: Any
    kernel_constraint: Any
    bias_constraint: Any


_KINDS = {
    "initializer": initializers.get,
    "regularizer": regularizers.get,
    "constraint": constraints.get,
}


def weight_options(keep: bool = True, **defaults: Any) -> Callable[[Init], Init]:
    """Writes options of weights out in the signature of a constructor with `**options`.

    As in Keras, they come after the constructor's own positional arguments: all initializers (and
    with them `unit_forget_bias`), then regularizers, then constraints; after them, what is
    keyword-only in the constructor.

    Args:
        keep: Whether they are kept, as what they stand for, in attributes of their names, before
            the constructor runs; else it gets them among its `**options`.
        **defaults: The weights, with their default initializers: `kernel="zeros"` stands for
            `kernel_initializer="zeros"`, `kernel_regularizer=None` and `kernel_constraint=None`.
            Or a single option, with its default: `activity_regularizer=None`.
    """
    weights = [name for name in defaults if not name.endswith(tuple(_KINDS))]
    written = {
        f"{name}_{kind}": defaults[name] if kind == "initializer" else None
        for kind in _KINDS
        for name in weights
    }
    written.update((name, default) for name, default in defaults.items() if name not in weights)
    kept = [name for name in written if keep and name != "activity_regularizer"]  # Layer keeps that

    def decorator(init: Init) -> Init:
        own = inspect.signature(init).parameters.values()
        by_position: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
        first = [p for p in own if p.kind is by_position]
        rest = [p for p in own if p.kind is p.KEYWORD_ONLY]
        rest = [inspect.Parameter(n, by_position, default=d) for n, d in written.items()] + rest
        return written_out(init, [*first, *sorted(rest, key=_place)], keep_options)

    def keep_options(layer: Layer, given: dict[str, Any]) -> None:
        for name in kept:
            value = given.pop(name, written[name])
            if value is not None:
                value = _KINDS[name.rpartition("_")[2]](value)
            layer.__dict__[name] = value

    return decorator


def _place(parameter: inspect.Parameter) -> int:
    """Returns a number by which arguments that are given by name are sorted."""
    endings = ("_initializer", "unit_forget_bias", "_regularizer", "_constraint")
    found = (i for i, ending in enumerate(endings) if parameter.name.endswith(ending))
    return next(found, len(endings))


def of_weights(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the options of weights out of a constructor's `**options`."""
    names = [n for n in options if n.endswith(tuple(_KINDS)) and n != "activity_regularizer"]
    return {name: options.pop(name) for name in names}


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
    kept = {kind: getattr(layer, f"{options or name}_{kind}", None) for kind in _KINDS}
    return layer.add_weight(shape=tuple(shape), name=name, **{**kept, **kwargs})


def positive_integer(layer: Layer, name: str, value: Any, phrase: str | None = None) -> int:
    """Returns `value` as an int.

    Args:
        layer: The layer.
        name: The argument's name.
        value: Its value.
        phrase: What the error says that is expected, where Keras says it otherwise.

    Raises:
        ValueError: If it is not a positive integer.
    """
    number = value if type(value) is int else as_integer(value)
    if number is None or number <= 0:
        # As Keras writes them.
        received = "Received:" if phrase else "Received"
        phrase = phrase or (
            f"Invalid value for argument `{name}`. Expected a strictly positive value"
        )
        raise ValueError(
            f"{phrase}. {received} {name}={value!r}. (layer {layer.name!r}: `{name}` must be a "
            "positive integer)"
        )
    return number


def fraction(layer: Layer, name: str, value: Any) -> float:
    """Returns `value` as a Python number.

    Raises:
        ValueError: If it is not a number between 0 and 1.
    """
    number = as_number(value)
    if number is None or not 0 <= number <= 1:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float value between 0 and 1."
            f" Received: {name}={value!r} (layer {layer.name!r})"
        )
    return number


def number(
    layer: Layer, name: str, value: Any, least: float = -math.inf, most: float = math.inf
) -> float:
    """Returns `value` as a Python number; raises ValueError if it is not one in the range."""
    return checked_number(name, value, least, most, f" (layer {layer.name!r})")


def alias(name: str) -> property:
    """Returns a property that is another name of an attribute."""
    return property(lambda layer: getattr(layer, name), lambda layer, v: setattr(layer, name, v))


def one_of(layer: Layer, name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """Returns `value`.

    Raises:
        ValueError: If it is not among the allowed ones.
    """
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected one of {allowed}. "
            f"Received: {name}={value!r} (layer {layer.name!r})"
        )
    return value


def positive_axis(layer: Layer, axis: Axis, ndim: int) -> int:
    """Returns `axis` counted from the front.

    Raises:
        ValueError: If the inputs have no such axis.
    """
    number = as_integer(axis)
    if number is None or not -ndim <= number < ndim:
        raise ValueError(
            f"Invalid value for `axis` argument of the layer {layer.name!r}: expected an integer "
            f"in the range [-ndim, ndim). Received: axis={axis!r} for inputs with ndim={ndim}"
        )
    return number % ndim


def as_axes(layer: Layer, axis: Axis) -> Any:
    """Returns an axis as an int, or several as a list of them.

    Raises:
        TypeError: If one is not an integer.
    """
    single = as_integer(axis)
    if single is not None:
        return single
    axes = [as_integer(a) for a in axis] if isinstance(axis, (list, tuple)) else [None]
    if None in axes:
        raise TypeError(
            "Invalid value for `axis` argument: expected an int or a list/tuple of ints. (Expected "
            "an int or a list/tuple of ints for the argument 'axis'.) "
            f"Received: axis={axis!r} (layer {layer.name!r})"
        )
    return axes


def seed_generator(seed: Seed) -> SeedGenerator | None:
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
    single = as_integer(value)
    is_tuple = isinstance(value, Iterable) and not isinstance(value, (str, bytes))
    given = (single,) * n if single is not None else tuple(value) if is_tuple else ()
    sizes = [k for k in map(as_integer, given) if k is not None]
    if not len(sizes) == len(given) == n or min(sizes) < least:
        bad = {k for k in sizes if k < least}
        bound = "value > 0" if least == 1 else f"value >= {least}"
        detail = f", including values {bad} that do not satisfy `{bound}`" if bad else ""
        raise ValueError(
            f"The `{name}` argument must be a tuple of {n} integers. "
            f"Received {name}={value!r}{detail} (layer {layer.name!r})"
        )
    return tuple(sizes)


def check_steps(
    layer: Any, message: str = "`strides > 1` not supported in conjunction with `dilation_rate > 1`"
) -> None:
    """Refuses strides and dilation that are both above 1.

    Raises:
        ValueError: If they are, with the message.
    """
    if max(layer.strides) > 1 and max(layer.dilation_rate) > 1:
        raise ValueError(
            f"{message}. Received: strides={layer.strides} and "
            f"dilation_rate={layer.dilation_rate}. Set one of them to 1 (layer {layer.name!r})."
        )
