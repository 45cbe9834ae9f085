"""Operations: functions of arrays under Keras's names, which symbolic tensors record by name.

An operation takes lists, numbers, NumPy arrays and variables for arrays. Called on symbolic
tensors, it becomes a step of their graph; a model's file names it, and it is found again in a fixed
table.
"""

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.naming import nearest, to_snake_case
from jkeras.base.types import ArrayLike, Structure
from jkeras.core import policy
from jkeras.core.explain import explained
from jkeras.core.graph import Call, SymbolicTensor, lift, symbols
from jkeras.core.variable import Variable

# The names that Keras's signatures give to arrays; `xs` are lists of them.
# fmt: off
_ARRAYS = frozenset([
    "x", "x1", "x2", "xs", "y", "a", "b", "q", "inputs", "images", "image1", "image2", "kernel",
    "depthwise_kernel", "pointwise_kernel", "bias", "gamma", "beta", "scale", "mean", "variance",
    "query", "value", "target", "output", "targets", "predictions", "target_length",
    "output_length", "sequence_lengths", "data", "segment_ids", "indices", "values", "updates",
    "condition", "sorted_sequence", "abs_", "angle", "array", "variable", "coordinates",
    "transform", "start_points", "end_points", "translation",
])
# fmt: on


@dataclass(frozen=True, eq=False)
class Entry:
    """What is known of an operation besides what it computes.

    What follows from the signature is read off it when it is first needed: there are 350
    operations, of which a program calls a few.

    Attributes:
        name: Its name in graphs, the class name in snake case: `"top_k"`.
        class_name: What model files call it: `"TopK"`.
        module: The module in which Keras's files say it is.
        described_by: The function whose signature it has.
        arrays: The parameters that are made into arrays; None for those that have a name which
            Keras gives to arrays.
        kept: The parameters that files keep with each call; None for those made into arrays.
        function: The operation.
    """

    name: str
    class_name: str
    module: str
    described_by: Callable[..., Any]
    arrays: str | None
    kept: str | None
    function: Callable[..., Any]

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """What it takes."""
        return inspect.signature(self.described_by)

    @functools.cached_property
    def converted(self) -> tuple[str, ...]:
        """The parameters that are made into arrays."""
        words = _ARRAYS if self.arrays is None else self.arrays.split()
        parameters = self.signature.parameters.values()
        return tuple(
            p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD and p.name in words
        )

    @functools.cached_property
    def positional(self) -> tuple[str, ...]:
        """The parameters that have no default."""
        return tuple(p.name for p in self.signature.parameters.values() if p.default is p.empty)

    @property
    def called_with(self) -> tuple[str, ...]:
        """The parameters that files keep with each call; the others are its config."""
        return self.converted if self.kept is None else tuple(self.kept.split())


def define(
    function: Callable[..., Any],
    like: Callable | None = None,
    *,
    module: str,
    class_name: str | None = None,
    arrays: str | None = None,
    called_with: str | None = None,
    example: tuple[str, str] | None = None,
) -> Callable[..., Any]:
    """Makes an operation of a function of arrays, and enters it into the table.

    Args:
        function: The function; with `like`, one of JAX's that takes the same: what has no default
            by position, the rest by name.
        like: A function whose signature the operation has, if not that of `function`.
        module: The module in which Keras has it: `"ops.numpy"`, `"ops.nn"`, ...
        class_name: What files call it; the function's name in camel case by default.
        arrays: The parameters that are made into arrays, in one string; by default those that have
            a name which Keras gives to arrays.
        called_with: The parameters that files keep with each call; `arrays` by default.
        example: With `like`, arguments and the list that comes of them, for the docstring.

    Returns:
        A function of arrays and of symbolic tensors.
    """
    name = function.__name__

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = made.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}(): {error}.") from None
        given = bound.arguments
        try:
            for key in made.converted:
                if key in given:
                    given[key] = as_arrays(given[key]) if key == "xs" else as_array(given[key])
            if like is None:
                return function(*bound.args, **bound.kwargs)
            bound.apply_defaults()
            values = dict(given)
            return function(*[values.pop(key) for key in made.positional], **values)
        except Exception as error:
            told = explained(error, f"keras.{module.partition('.')[0]}.{name}()", given)
            if told is error:
                raise
            raise told from None

    described_by = like or function
    run.__name__ = run.__qualname__ = name
    run.__module__ = function.__module__ if like is None else f"jkeras.{module}"
    run.__doc__ = function.__doc__ if like is None else _describe(function, example)
    run.__wrapped__ = described_by  # type: ignore[attr-defined]  # where its signature is found
    class_name = class_name or "".join(word.capitalize() for word in name.split("_"))
    graph_name = to_snake_case(class_name)
    lifted = lift(run, graph_name)
    made = Entry(
        graph_name,
        class_name,
        f"keras.src.{module}",
        described_by,
        arrays,
        called_with,
        lifted,
    )
    run.entry = lifted.entry = made  # type: ignore[attr-defined]
    _table.update(dict.fromkeys((name, graph_name, class_name), made))
    return lifted


# By function name, name in graphs and class name. `keras.ops` comes after `keras.activations`, and
# replaces what has the same name there but other defaults.
_table: dict[str, Entry] = {}


def entry(name: str) -> Entry | None:
    """Returns the entry of the operation with this name, in any spelling; None if there is none.

    Example:
        >>> import jkeras as keras
        >>> from jkeras.core.operations import entry
        >>> entry("TopK").name, entry("top_k").class_name
        ('top_k', 'TopK')
    """
    return _table.get(name)


def _find_operation(name: str) -> Callable | None:
    found = entry(name)
    return None if found is None else found.function


SymbolicTensor.find_operation = staticmethod(_find_operation)


def entries() -> list[Entry]:
    """Returns the entries of all operations, each once."""
    return list({id(e): e for e in _table.values()}.values())


def export(module: dict[str, Any]) -> None:
    """Sets `__all__` to the names of what a module defines, and of its operations.

    Args:
        module: The module's `globals()`.
    """
    module["__all__"] = [
        name
        for name, value in module.items()
        if not name.startswith("_")
        and (hasattr(value, "entry") or getattr(value, "__module__", None) == module["__name__"])
    ]


# ------------------------------------------------------------------ calls in model files
def describe_call(call: Call) -> dict[str, Any]:
    """Returns how Keras's files describe the call of an operation.

    Args:
        call: A call in a graph, of an operation rather than of a layer.

    Returns:
        A dict of `module`, `class_name`, `config`, and of the call's `args` and `kwargs`, which
        hold symbolic tensors.

    Raises:
        ValueError: If the function is not in `keras.ops`: a file could not name it.
    """
    function = call.layer.function
    found = getattr(function, "entry", None)
    # Python's operators, and methods of tensors, go by name; a user's function may have the same.
    if found is None and (getattr(function, "__module__", None) or "").split(".")[0] in _TRUSTED:
        found = entry(call.layer.kind)
    if found is None:
        raise ValueError(
            f"The model calls the function {call.layer.kind!r}, which is not in keras.ops: a file "
            "cannot name it. Put it into a layer of your own, or a Lambda layer."
        )
    bound = found.signature.bind(*call.args, **call.kwargs)
    bound.apply_defaults()
    config: dict[str, Any] = {"name": call.layer.name}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for name, parameter in found.signature.parameters.items():
        value = bound.arguments[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.extend(value)
        elif parameter.kind is parameter.VAR_KEYWORD:
            (kwargs if name in found.called_with else config).update(value)
        elif name not in found.called_with and not symbols(value):
            config[name] = value
        elif name in found.called_with and parameter.default is parameter.empty:
            args.append(value)
        else:
            kwargs[name] = value
    return {
        "module": found.module,
        "class_name": found.class_name,
        "config": config,
        "args": args,
        "kwargs": kwargs,
    }


_TRUSTED = ("jkeras", "_operator", "builtins", "jax")


def repeat_call(class_name: str, config: Mapping[str, Any], args: Any, kwargs: Any) -> Any:
    """Calls an operation as a file describes it; see `describe_call`.

    Raises:
        ValueError: If there is no such operation.
    """
    found = entry(class_name)
    if found is None:
        raise ValueError(f"Unknown operation {class_name!r}{nearest(class_name, _table)}")
    given = {k: v for k, v in config.items() if k != "name"} | dict(kwargs)
    rest = list(args)
    bound = found.signature.bind_partial()
    for name, parameter in found.signature.parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            bound.arguments[name], rest = tuple(rest), []
        elif parameter.kind is parameter.VAR_KEYWORD:
            bound.arguments[name], given = given, {}
        elif name in given:
            bound.arguments[name] = given.pop(name)
        elif rest:
            bound.arguments[name] = rest.pop(0)
    unknown = sorted([*given.keys() - {"trainable", "dtype"}, *map(str, rest)])
    if unknown:
        raise ValueError(f"The operation {class_name!r} takes {found.signature}; got {unknown}.")
    outputs = found.function(*bound.args, **bound.kwargs)
    for output in symbols(outputs)[:1]:
        if output.source is not None and "name" in config:
            output.source.layer.name = config["name"]
    return outputs


def _first_sentence(function: Callable) -> str:
    return " ".join((function.__doc__ or "").strip().partition("\n\n")[0].split())


_ALIAS = re.compile(r"Alias of :func:`jax\.numpy\.(\w+)`")


def _describe(function: Callable, example: tuple[str, str] | None) -> str:
    first = _first_sentence(function)
    alias = _ALIAS.match(first)
    if alias:
        first = _first_sentence(getattr(jnp, alias[1]))
    text = f"{first}\n\nComputed by JAX's function `{function.__name__}`, which says more."
    if example:
        call = f"keras.ops.{function.__name__}({example[0]}).tolist()"
        lines = (
            "Example:",
            "    >>> import jkeras as keras",
            f"    >>> {call}",
            f"    {example[1]}",
        )
        text += "\n\n" + "\n".join(lines)
    return text


# ------------------------------------------------------------------ what stands for an array
def as_array(x: ArrayLike) -> ArrayLike:
    """Returns the array that `x` stands for; a number stays one, since its dtype gives way."""
    if isinstance(x, Variable):
        return x.value
    if isinstance(x, (list, tuple)):
        return from_list(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return jnp.asarray(x)
    if hasattr(x, "__array__") and not isinstance(x, jax.Array):
        return jnp.asarray(np.asarray(x))  # a data frame, or a tensor of another library
    return x


def as_arrays(xs: Sequence[ArrayLike]) -> list[Any]:
    """Returns the arrays that the members of `xs` stand for."""
    return [as_array(x) for x in xs]


def _plain(x: Structure) -> Any:
    is_foreign = hasattr(x, "__array__") and not isinstance(x, (jax.Array, np.ndarray, np.generic))
    return np.asarray(x) if is_foreign else x


def from_list(values: Iterable[Any]) -> jax.Array:
    """Returns an array of nested lists of numbers and arrays; Python's floats become `floatx()`."""
    values = jax.tree.map(_plain, values)  # variables, as pytrees, become their arrays
    kinds = {type(v) for v in jax.tree.leaves(values)}
    dtype = None
    if kinds <= {bool, int, float} and kinds != {bool}:
        dtype = policy.standardize_dtype(float if float in kinds else int)
    return jnp.asarray(values, dtype)
