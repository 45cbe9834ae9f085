"""Symbolic tensors and the graph of calls they come from.

A graph is a tuple of calls in runnable order, found by walking back from outputs. Shapes come from
abstract evaluation of the called function; see `core.shapes`.
"""

import dataclasses
import functools
import operator
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import naming, registry
from jkeras.base.types import Axis, DTypeLike, Shape, Structure
from jkeras.core import policy, scope, shapes
from jkeras.core.arithmetic import add_operators
from jkeras.core.explain import explaining

_MAX_AXES = 64  # of NumPy
_MAX_SIZES = 1000  # that one follows from; programs have a few
_NUMBERS = (int, float, complex, np.ndarray, np.generic, jax.Array)


class SymbolicTensor:
    """The promise of an array in a functional model: a shape, a dtype, and where it comes from.

    Args:
        shape: The shape; None for an axis of unknown size.
        dtype: The dtype.
        name: A name; `keras_tensor`, `keras_tensor_1`, ... by default.

    Example:
        >>> import jkeras as keras
        >>> x = keras.Input(shape=(3,))
        >>> y = x * 2 + 1
        >>> y.shape
        (None, 3)
        >>> keras.Model(x, y)(keras.ops.ones((1, 3))).tolist()
        [[3.0, 3.0, 3.0]]
        >>> keras.Input((2,), dtype="int32").dtype
        'int32'
    """

    __array_priority__ = 2000
    # Finds a function of keras.ops by name. The table of operations, which are made of this
    # module's `lift`, puts it here.
    find_operation: ClassVar[Callable[[str], Callable | None]]

    def __init__(
        self,
        shape: Iterable[int | None],
        dtype: DTypeLike = None,
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        *,
        source: "Call | None" = None,
        sample: int | None = None,
        odd_axes: tuple[int, ...] = (),
    ):
        self._shape = tuple([None if n is None else int(n) for n in shape])
        if len(self._shape) > _MAX_AXES:
            raise ValueError(
                f"A tensor has {len(self._shape)} axes, where arrays have at most {_MAX_AXES}."
            )
        self.dtype = policy.standardize_dtype(dtype)
        self.name = name or naming.auto_name("keras_tensor")
        self.source = source
        self.sparse = self.ragged = False
        self._keras_mask: SymbolicTensor | None = None
        # How long the first axis is in the data at hand: what a call may be tried with that only
        # takes batches of that size.
        self.sample = sample
        # Axes of unknown size that are as long as another one: see `shapes.Spec`.
        self.odd_axes = odd_axes

    ragged_rank = row_splits_dtype = None  # of Keras: no array here is ragged

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape, with None for an axis of unknown size; in a call that is recorded, its size.

        That is a symbol as well, with which the call may compute.
        """
        here = scope.ambient.get()
        if here is None or not here.shows_sizes:
            return self._shape
        return here.sizes(self)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @property
    def input_name(self) -> str:
        """What it is called as an input of a model: like the Input that makes it."""
        begins = self.source is not None and not self.source.inputs
        return self.source.layer.name if begins else self.name  # type: ignore[union-attr]

    def reshape(self, *shape: Any) -> "SymbolicTensor":
        """Returns the tensor in another shape."""
        given = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        return record(_reshape, (self, tuple(given)), {})

    def squeeze(self, axis: Axis = None) -> "SymbolicTensor":
        """Returns the tensor without axes of size 1."""
        return record(_squeeze, (self,), {"axis": axis})

    def astype(self, dtype: DTypeLike) -> "SymbolicTensor":
        """Returns the tensor in another dtype."""
        return record(_cast, (self, policy.standardize_dtype(dtype)), {})

    @property
    def T(self) -> "SymbolicTensor":
        """The tensor with its axes reversed."""
        return record(_transpose, (self,), {})

    def __getitem__(self, index: Any) -> "SymbolicTensor":
        return record(_get_item, (self, Slice.of(index)), {})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, _NUMBERS):
            raise TypeError(
                f"{self!r} is symbolic: comparing it by `==` would only ask whether it is the same "
                "object. Use keras.ops.equal."
            )
        return self is other

    __hash__ = object.__hash__

    def __ne__(self, other: object) -> Any:
        if isinstance(other, (SymbolicTensor, *_NUMBERS)):
            return record(operator.ne, (self, other), {}, name="not_equal")
        return self is not other

    def __pos__(self) -> "SymbolicTensor":
        return self

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self._shape}, dtype={self.dtype}, name={self.name}>"

    def __len__(self) -> int:
        raise TypeError(f"{self!r} is symbolic: its length is not known before the model runs.")

    def __iter__(self) -> Any:
        raise TypeError(f"{self!r} is symbolic: it cannot be iterated over. Use keras.ops.unstack.")

    def __bool__(self) -> bool:
        raise TypeError(
            f"{self!r} is symbolic: it is neither true nor false before the model runs. "
            "Use keras.ops.where, or write a layer or a keras.Model subclass."
        )

    def __float__(self) -> float:
        raise TypeError(f"{self!r} is symbolic: it is not a number before the model runs.")

    __int__ = __float__  # type: ignore[assignment]

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise ValueError(
            f"{self!r} is symbolic: it has no value before the model runs. You cannot convert it "
            "to a NumPy array. Call a layer or a function of keras.ops on it instead of a NumPy "
            "function."
        )

    @property
    def __jax_array__(self) -> Any:
        # A property, since JAX only asks whether the attribute is there before it gives up with a
        # message of its own; ours tells what to do. (JAX replaces a TypeError by its own as well.)
        raise ValueError(
            f"{self!r} is symbolic: a function of jax.numpy cannot record itself in a model's "
            "graph. Call the function of the same name in keras.ops (`keras.ops.sin(x)` for "
            "`jnp.sin(x)`), or any function of arrays through `keras.ops.lift(function)(x)`."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = _find_function(ufunc) if method == "__call__" else None
        return function(*inputs, **kwargs) if function else NotImplemented

    def __array_function__(self, function: Any, _: Any, args: Any, kwargs: Any) -> Any:
        own = _find_function(function)
        return own(*args, **kwargs) if own else NotImplemented


def _find_function(numpy_function: Any) -> Callable | None:
    """Returns the operation that records one of NumPy's functions; None if there is none."""
    name = numpy_function.__name__
    operation = SymbolicTensor.find_operation(name)
    if operation is not None:
        return operation
    function = getattr(jax.numpy, name, None)
    return None if function is None else lift(function, name)


def _lift_operator(function: Callable, name: str) -> Callable:
    def method(*values: Any) -> Any:
        return record(function, values, {}, name=_OPERATOR_NAMES.get(name, name))

    return method


# Keras's names of the operations behind Python's operators.
_OPERATOR_NAMES = {
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "pow": "power",
    "floordiv": "floor_divide",
    "neg": "negative",
    "abs": "absolute",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "invert": "logical_not",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}
add_operators(SymbolicTensor, _lift_operator)


class SymbolicSize(SymbolicTensor):
    """The size of an axis, or what follows from such sizes: a number that is not an array.

    Once a model runs, also under `jit`, it is a number of Python's, so that shapes may have it.

    Args:
        source: The call that gives it; None for what a call is said to give.
        name: As for a symbolic tensor.

    Attributes:
        bound: The largest number that it may be where unknown axes have 64 entries.
    """

    bound: Any = 64

    def __init__(self, source: "Call | None", name: str | None = None):
        super().__init__((), "int32", source=source, name=name)

    @property
    def tensors(self) -> list[SymbolicTensor]:
        """The tensors whose shapes it follows from."""
        given = (x for size in self._behind() for x in _source(size).inputs)
        return [x for x in given if not isinstance(x, SymbolicSize)]

    def filled(self, fill: Callable[[Any], tuple]) -> Any:
        """Returns the number that it is.

        Args:
            fill: Gives the shape of a tensor with sizes in place of None.
        """
        known: dict[int, Any] = {}

        def value(x: Any) -> Any:
            if isinstance(x, SymbolicSize):
                return known[id(x)]
            return jax.ShapeDtypeStruct(fill(x), x.dtype) if isinstance(x, SymbolicTensor) else x

        for size in self._behind():
            call = _source(size)
            known[id(size)] = call.layer(*jax.tree.map(value, call.args))
        return known[id(self)]

    def _behind(self) -> "list[SymbolicSize]":
        """Returns the sizes that it follows from, and itself, in an order in which they can run."""
        done: dict[int, SymbolicSize] = {}
        stack: list[tuple[SymbolicSize, bool]] = [(self, False)]
        while stack:
            size, is_ready = stack.pop()
            if is_ready:
                done[id(size)] = size
            elif id(size) not in done:
                given = [x for x in _source(size).inputs if isinstance(x, SymbolicSize)]
                stack.append((size, True))
                stack.extend((x, False) for x in given if id(x) not in done)
            if len(done) > _MAX_SIZES:
                raise ValueError(f"A size follows from more than {_MAX_SIZES} others.")
        return list(done.values())

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, SymbolicSize):
            if self._at_symbols() == other._at_symbols():
                return True
        elif not isinstance(other, _NUMBERS):
            return False
        raise TypeError(
            f"Whether the sizes {self!r} and {other!r} are the same is not known before the model "
            "runs."
        )

    def __ne__(self, other: object) -> Any:
        return not self == other

    def __hash__(self) -> int:
        # A dictionary that has the number would be said not to have it.
        raise TypeError(f"{self!r} is a size that is not known before the model runs: no key.")

    def _at_symbols(self) -> Any:
        with scope.hidden_sizes():
            return self.filled(shapes.at_symbols)


def _source(size: SymbolicSize) -> "Call":
    if size.source is None:
        raise ValueError("The size follows from no tensor.")
    return size.source


# What gives a size for sizes, by the names of operations; and its bound for theirs.
_OF_SIZES: dict[str, tuple[Callable, Callable]] = {
    "add": (operator.add, operator.add),
    "subtract": (operator.sub, operator.add),
    "multiply": (operator.mul, operator.mul),
    "negative": (operator.neg, abs),
    "true_divide": (operator.truediv, lambda a, _: a),
    "floor_divide": (operator.floordiv, lambda a, _: a),
    "mod": (operator.mod, max),  # -1 % n is n - 1
    "power": (operator.pow, lambda a, b: a ** min(b, 64)),
    "less": (operator.lt, lambda *_: 1),
    "less_equal": (operator.le, lambda *_: 1),
    "greater": (operator.gt, lambda *_: 1),
    "greater_equal": (operator.ge, lambda *_: 1),
}
# No bound may be larger: these are numbers of Python's, and a file might ask for one that fills
# memory, or for an array of that size.
_LARGEST = 2**40


def _record_of_sizes(operation: "NamedFunction", numbers: tuple) -> SymbolicSize:
    operation.function, bound = _OF_SIZES[operation.kind]
    size = SymbolicSize(Call(operation, numbers, {}))
    size.bound = bound(*[abs(getattr(n, "bound", n)) for n in numbers])
    if size.bound >= _LARGEST:
        raise ValueError(f"{operation.kind}() computes too large a size of {numbers}.")
    size.source.outputs = size  # type: ignore[union-attr]
    return size


class Slice:
    """A slice between symbolic sizes, as a structure of them.

    Args:
        start: Where it begins.
        stop: Where it ends.
        step: Its step.
    """

    def __init__(self, start: Any, stop: Any, step: Any):
        self.start, self.stop, self.step = start, stop, step

    @staticmethod
    def of(key: Any) -> Any:
        """Returns an index with this in place of slices between symbolic sizes."""
        if isinstance(key, tuple):
            return tuple(map(Slice.of, key))
        parts = (key.start, key.stop, key.step) if isinstance(key, slice) else ()
        return Slice(*parts) if symbols(parts) else key

    @staticmethod
    def plain(key: Any) -> Any:
        """Returns an index with slices in place of these."""
        if isinstance(key, tuple):
            return tuple(map(Slice.plain, key))
        return slice(key.start, key.stop, key.step) if isinstance(key, Slice) else key


jax.tree_util.register_pytree_node(
    Slice, lambda s: ((s.start, s.stop, s.step), None), lambda _, parts: Slice(*parts)
)


# The methods of a tensor, with the arguments' names that keras.ops has.
def _get_item(x: Any, key: Any) -> Any:
    key = Slice.plain(key)
    shapes.check_index(x.shape, key)
    return x[key]


def _reshape(x: Structure, newshape: Shape) -> Any:
    return shapes.reshape(x, newshape)


def _squeeze(x: Structure, axis: Axis) -> Any:
    return x.squeeze(axis)


def _cast(x: Structure, dtype: DTypeLike) -> Any:
    return x.astype(dtype)


def _transpose(x: Structure) -> Any:
    return x.transpose()


# ------------------------------------------------------------------ calls
class Operation(naming.Named, registry.Configurable):
    """A step of a graph that has a name and no weights; the base of layers, too.

    A subclass writes `call(inputs)`. Called on symbolic tensors, it becomes a step of their graph,
    which files describe by its config, as they do layers; called on arrays, it computes.

    Args:
        name: The name; made from the class's by default.

    Raises:
        ValueError: If the name is not a string, or has a `/` in it.

    Example:
        >>> import jkeras as keras
        >>> class Halve(keras.Operation):
        ...     def call(self, x):
        ...         return x / 2
        >>> Halve()(keras.Input(shape=(3,))).shape, Halve()(keras.ops.array([4.0])).tolist()
        ((None, 3), [2.0])
    """

    # Notes of its calls, as long as nothing is to be noted.
    _calls: "Sequence[Call]" = ()

    def __init__(self, name: str | None = None):
        root = naming.to_snake_case(type(self).__name__)
        self._name = (
            naming.AutomaticName(naming.auto_name(root), root) if name is None else check_name(name)
        )

    def call(self, *args: Any, **kwargs: Any) -> Structure:
        """Computes the outputs."""
        raise NotImplementedError(
            f"Operation {type(self).__name__} does not have a `call` method implemented. Write "
            "call(self, inputs)."
        )

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Structure:
        """Returns symbolic tensors of the outputs' shapes and dtypes.

        Args:
            *args: Symbolic tensors, or anything else that `call` takes.
            **kwargs: Likewise.
        """
        return abstract(explaining(self.call, f"{type(self).__name__}.call()"), args, kwargs)

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Structure:
        """Adds this call to the graph that the symbolic arguments come from."""
        with scope.hidden_sizes():
            outputs = record_call(self, args, kwargs, self.compute_output_spec(*args, **kwargs))
        for x in symbols(outputs)[:1]:
            if x.source is not None:
                note_call(self, x.source)
        return outputs

    def __call__(self, *args: Any, **kwargs: Any) -> Structure:
        """Records a call on symbolic tensors, or computes."""
        if symbols((args, kwargs)):
            return self.symbolic_call(*args, **kwargs)
        args, kwargs = jax.tree.map(_as_array, (args, kwargs))
        with jax.named_scope(self.name):
            return self.call(*args, **kwargs)

    @property
    def input(self) -> Structure:
        """The symbolic inputs of its first call in a functional model.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2)
            >>> outputs = layer(keras.Input((3,)))
            >>> layer.input.shape
            (None, 3)
        """
        call = self._first_call("input")
        inputs = call.inputs or call.output_list
        return inputs[0] if len(inputs) == 1 else inputs

    @property
    def output(self) -> Structure:
        """The symbolic outputs of its first call in a functional model.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2)
            >>> outputs = layer(keras.Input((3,)))
            >>> layer.output is outputs
            True
        """
        return self._first_call("output").outputs

    def _first_call(self, what: str) -> "Call":
        if not self._calls:
            raise AttributeError(
                f"The layer {self.name!r} has never been called and thus has no defined {what}: "
                "call it on what keras.Input returns."
            )
        return self._calls[0]

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal operation.

        Raises:
            NotImplementedError: If an argument of the constructor is not one that configs describe.
        """
        arguments = registry.constructor_arguments(self)
        if registry.accepts(type(self).__init__, "name"):
            arguments["name"] = self.name
        try:
            return {k: registry.serialize_keras_object(v) for k, v in arguments.items()}
        except TypeError as error:
            raise NotImplementedError(
                f"{type(self).__name__} is made with an argument that a config cannot describe: "
                f"override get_config() in it. {error}"
            ) from error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def check_name(name: Any, what: str = "an operation") -> str:
    """Returns the name of an operation or layer.

    Raises:
        ValueError: If it is not a string, or has a `/` in it.
    """
    if not isinstance(name, str) or "/" in name:
        raise ValueError(
            f"The name of {what} must be a string and cannot contain character `/`, by which paths "
            f"are told apart. Received: name={name!r}"
        )
    return name


def _as_array(x: Any) -> Any:
    return jnp.asarray(x) if isinstance(x, (np.ndarray, np.generic)) else x


class NamedFunction(Operation):
    """A function of arrays as a step of a graph.

    Args:
        function: The function.
        name: Its name in graphs, such as `add`; made unique by a count.
    """

    def __new__(cls, *args: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, function: Callable, name: str | None = None):
        self.function = function
        self.kind = str(name or getattr(function, "__name__", "operation")).strip("_")
        self._name = naming.auto_name(naming.to_snake_case(self.kind))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(self.name):
            return self.function(*args, **kwargs)

    def __reduce__(self) -> tuple:
        # A function that `lift` has wrapped is found in its module as the wrapper.
        module = sys.modules.get(getattr(self.function, "__module__", None) or "")
        found = getattr(module, getattr(self.function, "__name__", ""), None)
        wraps = getattr(found, "__wrapped__", None) is self.function
        return _restored_function, (found if wraps else self.function, wraps, self.kind, self.name)

    def __repr__(self) -> str:
        return f"<Operation {self.name}>"


def _restored_function(function: Any, wraps: bool, kind: str, name: str) -> NamedFunction:
    named = NamedFunction.__new__(NamedFunction)
    named.function = function.__wrapped__ if wraps else function
    named.kind, named._name = kind, name
    return named


@dataclass(eq=False)
class Call:
    """One call of a layer or function: its arguments are structures with symbolic leaves."""

    layer: Any
    args: tuple
    kwargs: dict[str, Any]
    outputs: Any = None
    inputs: list[SymbolicTensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = symbols((self.args, self.kwargs))

    @property
    def begins(self) -> bool:
        """Whether it gives something that follows from no input: a weight, or a constant."""
        return getattr(self.layer, "begins", False)

    @property
    def output_list(self) -> list[SymbolicTensor]:
        """The symbolic tensors it makes, in order."""
        return symbols(self.outputs)


def is_symbolic(x: Any) -> bool:
    """Says whether `x` is a symbolic tensor.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.is_keras_tensor(keras.Input(shape=(2,)))
        True
    """
    return isinstance(x, SymbolicTensor)


def get_source_inputs(tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """Returns the inputs that a symbolic tensor is computed from, each once.

    Example:
        >>> import jkeras as keras
        >>> x = keras.Input((2,))
        >>> keras.utils.get_source_inputs(keras.layers.Dense(1)(x)) == [x]
        True
    """
    found: dict[int, SymbolicTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        x = waiting.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if x.source is None or not (x.source.inputs or x.source.begins):
            found[id(x)] = x
        else:
            waiting.extend(reversed(x.source.inputs))
    return list(found.values())


def symbols(tree: Structure) -> list[SymbolicTensor]:
    """Returns the symbolic tensors in a structure, in order."""
    return [x for x in jax.tree.leaves(tree) if isinstance(x, SymbolicTensor)]


def replace(tree: Structure, known: dict[int, Any]) -> Structure:
    """Returns the structure with each symbolic tensor replaced by its entry in `known`."""
    return jax.tree.map(lambda x: known[id(x)] if isinstance(x, SymbolicTensor) else x, tree)


def record(
    function: Callable, args: tuple, kwargs: dict[str, Any], name: str | None = None
) -> Structure:
    """Records the call of a plain function on symbolic tensors; returns its symbolic outputs."""
    operation = NamedFunction(function, name)
    if operation.kind in _OF_SIZES and not kwargs and all(map(_is_size, args)):
        return _record_of_sizes(operation, args)
    with scope.hidden_sizes():
        specs = abstract(explaining(function, f"{operation.kind}()"), args, kwargs)
        return record_call(operation, args, kwargs, specs)


def _is_size(x: Any) -> bool:
    return isinstance(x, (SymbolicSize, int, float))


def note_call(layer: Any, call: "Call") -> None:
    """Notes in a layer that it was called on symbols."""
    layer.__dict__.setdefault("_calls", []).append(call)


def record_call(layer: Any, args: tuple, kwargs: dict[str, Any], specs: Structure) -> Structure:
    """Notes that calling `layer` gives symbolic tensors of these specs; returns them."""
    if scope.current() is not None:  # what a recorded call reads weights as, takes their place
        args, kwargs = jax.tree.map(lambda x: x, (args, kwargs))
    call = Call(layer, args, kwargs)

    def output(spec: Any) -> Any:
        if isinstance(spec, SymbolicSize):
            return SymbolicSize(call)
        if isinstance(spec, SymbolicTensor):
            return SymbolicTensor(spec.shape, spec.dtype, source=call, odd_axes=spec.odd_axes)
        return spec

    call.outputs = jax.tree.map(output, specs)
    return call.outputs


def lift(function: Callable, name: str | None = None) -> Callable:
    """Makes a function of arrays that also takes symbolic tensors, and then records itself.

    Args:
        function: Any function of arrays, and of structures of arrays.
        name: The name of the operation in graphs; the function's name by default.

    Returns:
        A function with the same signature.

    Example:
        >>> import jkeras as keras, jax.numpy as jnp
        >>> @keras.ops.lift
        ... def wave(x):
        ...     return jnp.sin(x) * 2
        >>> wave(keras.Input(shape=(3,))).shape
        (None, 3)
    """

    @functools.wraps(function)
    def lifted(*args: Any, **kwargs: Any) -> Any:
        if symbols((args, kwargs)):
            return record(function, args, kwargs, name)
        return function(*args, **kwargs)

    return lifted


# ------------------------------------------------------------------ shapes
def abstract(function: Callable, args: tuple, kwargs: dict[str, Any]) -> Structure:
    """Returns what `function` gives for symbolic arguments, as symbolic tensors without source."""
    given = {id(x): x for x in symbols((args, kwargs))}
    sizes: list[SymbolicSize] = []
    if SymbolicSize in {*map(type, given.values())}:
        sizes = [x for x in given.values() if isinstance(x, SymbolicSize)]
        given = {id(t): t for x in given.values() for t in getattr(x, "tensors", [x])}
    inputs = list(given.values())

    def evaluated(*arrays: Any) -> Any:
        known = dict(zip(map(id, inputs), arrays, strict=True))
        if sizes:
            here: Any = scope.current()
            known.update((id(x), x.filled(here.fill_spec)) for x in sizes)
        return function(*replace(args, known), **replace(kwargs, known))

    return jax.tree.map(
        lambda x: (
            SymbolicTensor(x.shape, x.dtype, odd_axes=x.odd_axes)
            if isinstance(x, shapes.Spec)
            else x
        ),
        shapes.evaluate(evaluated, inputs),
    )


# ------------------------------------------------------------------ graphs
@dataclass(frozen=True, eq=False)
class Graph:
    """The calls between inputs and outputs, in an order in which they can run.

    The order is Keras's, since weights in files are matched by it: a call's depth is its longest
    distance to an output; deepest first, then by the depth-first walk from the outputs.

    Attributes:
        inputs: The symbolic inputs, in their structure.
        outputs: The symbolic outputs.
        calls: The calls.
        operations: Layers and operations, each once; those called in training only, too.
        losses: What some of the calls add to the loss, though no output follows from it.
        training: What is computed in training, if that is another graph of the same layers.
        recorded: Whether it is what a `call` was seen to do: then its outputs have no names.
    """

    inputs: Any
    outputs: Any
    calls: tuple[Call, ...]
    operations: tuple[Any, ...]
    losses: tuple[SymbolicTensor, ...] = ()
    training: "Graph | None" = None
    recorded: bool = False

    @property
    def all_calls(self) -> tuple[Call, ...]:
        """The calls, and those that are made in training only."""
        if self.training is None:
            return self.calls
        return tuple(dict.fromkeys((*self.calls, *self.training.calls)))

    @property
    def is_branched(self) -> bool:
        """Whether the calls do not simply follow one another."""
        sources = {id(x.source) for call in self.calls for x in call.inputs}
        return (
            len(symbols(self.inputs)) > 1
            or sum(len(call.inputs) for call in self.calls) > len(self.calls)
            or min(len(sources), len({id(call.layer) for call in self.calls})) < len(self.calls)
        )

    @property
    def shown(self) -> list[Any]:
        """What pictures show: the inputs, and what the calls call."""
        makers = {id(call.layer) for call in self.calls}
        makers |= {id(x.source.layer) for x in symbols(self.inputs) if x.source is not None}
        whole = self if self.training is None else trace(self.inputs, [self.outputs, *self.losses])
        return [operation for operation in whole.operations if id(operation) in makers]

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        return [x.input_name for x in symbols(self.inputs)]

    @property
    def output_names(self) -> list[str]:
        """The names of the outputs: the keys of a flat dict, else of the layers that make them."""
        if isinstance(self.outputs, Mapping) and all(map(is_symbolic, self.outputs.values())):
            return [str(k) for k in self.outputs]
        names: list[str] = []
        if self.recorded:
            count = len(symbols(self.outputs))
            return ["output"] if count == 1 else [f"output_{i + 1}" for i in range(count)]
        for x in symbols(self.outputs):
            name = x.source.layer.name if x.source is not None else x.name
            names.append(naming.unique(name, names))
        return names

    @functools.cached_property
    def warnings_given(self) -> set[str]:
        """The structures of inputs that were warned of: once, not at each call."""
        return set()

    @functools.cached_property
    def on_host(self) -> bool:
        """Whether some of the calls run on the host, since they are of strings."""
        graphs = [getattr(call.layer, "call_graph", lambda: None)() for call in self.all_calls]
        return any(getattr(call.layer, "on_host", False) for call in self.calls) or any(
            found is not None and found.on_host for found in graphs
        )

    def run(self, arrays: Structure, training: bool | None = False) -> Structure:
        """Computes the outputs for arrays in the structure of the inputs."""
        if training and self.training is not None:
            return self.training.run(arrays)
        leaves = symbols(self.inputs)
        known = dict(zip(map(id, leaves), jax.tree.leaves(arrays, is_leaf=_none), strict=True))
        for call in self.calls:
            results = call.layer(*replace(call.args, known), **replace(call.kwargs, known))
            outputs = jax.tree.leaves(call.outputs)
            known.update(zip(map(id, outputs), jax.tree.leaves(results), strict=True))
        return replace(self.outputs, known)

    def __reduce__(self) -> tuple:
        # A flat list of calls: from tensor to tensor, pickle would go as deep as the graph.
        inputs, made = symbols(self.inputs), self.all_calls
        tensors = [*inputs, *(x for call in made for x in call.output_list)]
        known = {id(x): _Place(i, x) for i, x in enumerate(tensors)}
        layers = [x.source and not x.source.inputs and x.source.layer for x in inputs]
        calls = [
            (call.layer, *(replace(v, known) for v in (call.args, call.kwargs, call.outputs)))
            for call in made
        ]
        numbers = {id(call): i for i, call in enumerate(made)}

        def ends(graph: "Graph | None") -> Any:
            if graph is None:
                return None
            own = [numbers[id(call)] for call in graph.calls]
            return replace((graph.outputs, graph.losses), known), own

        both = ends(self), ends(self.training)
        begins = replace(self.inputs, known)
        return _restored_graph, (begins, layers, calls, self.operations, both, self.recorded)


class _Place:
    """Stands for a symbolic tensor where a graph is pickled."""

    def __init__(self, number: int, tensor: SymbolicTensor):
        self.number, self.name = number, tensor.name
        self.shape, self.dtype, self.odd_axes = tensor.shape, tensor.dtype, tensor.odd_axes
        self.is_size = isinstance(tensor, SymbolicSize)

    def tensor(self) -> SymbolicTensor:
        """Returns a tensor like the one for which it stands."""
        if self.is_size:
            return SymbolicSize(None, self.name)
        return SymbolicTensor(self.shape, self.dtype, name=self.name, odd_axes=self.odd_axes)


def _restored_graph(
    inputs: Structure,
    layers: list[Any],
    calls: list[tuple],
    operations: tuple,
    both: Any,
    recorded: bool,
) -> Graph:
    tensors: dict[int, SymbolicTensor] = {}

    def tensor(place: Any) -> Any:
        if not isinstance(place, _Place):
            return place
        if place.number not in tensors:
            tensors[place.number] = place.tensor()
        return tensors[place.number]

    def note(layer: Any, args: Any, kwargs: Any, made: Any) -> Call:
        call = Call(layer, args, kwargs, made)
        for x in call.output_list:
            x.source = call
        if not isinstance(layer, NamedFunction):
            note_call(layer, call)
        return call

    begins = jax.tree.map(tensor, inputs)
    for x, layer in zip(symbols(begins), layers, strict=True):
        if layer:
            note(layer, (), {}, x)
    made = tuple(note(layer, *jax.tree.map(tensor, parts)) for layer, *parts in calls)

    def graph(ends: Any, **rest: Any) -> Graph | None:
        if ends is None:
            return None
        (outputs, losses), own = ends
        ends = jax.tree.map(tensor, (outputs, losses))
        return Graph(begins, ends[0], tuple(made[i] for i in own), operations, *ends[1:], **rest)

    return graph(both[0], training=graph(both[1]), recorded=recorded)  # type: ignore[return-value]


def _none(x: Structure) -> bool:
    return x is None


def trace(inputs: Structure, outputs: Structure) -> Graph:
    """Finds the calls that lead from `inputs` to `outputs`.

    Raises:
        ValueError: If these are not symbolic tensors, or an output does not follow from the inputs.
    """
    for what, tree in (("inputs", inputs), ("outputs", outputs)):
        leaves = jax.tree.leaves(tree, is_leaf=_none)
        if not leaves:
            raise ValueError(f"`{what}` argument cannot be empty, got {tree!r}.")
        for leaf in leaves:
            if not is_symbolic(leaf):
                raise ValueError(
                    f"All `{what}` values must be KerasTensors, made by keras.Input and by calling "
                    f"layers and operations on them, got {leaf!r}."
                )
    given = {id(x) for x in symbols(inputs)}
    entered: dict[int, int] = {}  # id of a layer -> when it was first met
    finished: dict[int, Call] = {}  # id of a call -> call, inputs before users
    layers: dict[int, Any] = {}

    def meet(call: Call) -> None:
        entered.setdefault(id(call.layer), len(entered))
        layers[id(call.layer)] = call.layer

    def visit(place: str, tensor: SymbolicTensor) -> None:
        # An explicit stack: graphs can be deeper than Python's recursion limit.
        stack: list[tuple[SymbolicTensor, bool]] = [(tensor, False)]
        while stack:
            x, done = stack.pop()
            call = x.source
            if id(x) in given:
                if call is not None and not call.inputs:  # made by Input, not cut out of a graph
                    meet(call)
                    finished.setdefault(id(call), call)
                continue
            if call is None or not (call.inputs or call.begins):
                raise ValueError(_disconnected(place, x))
            if done:
                finished.setdefault(id(call), call)
            elif id(call) not in finished:
                meet(call)
                stack.append((x, True))
                stack.extend((i, False) for i in reversed(call.inputs))

    for path, output in jax.tree_util.tree_leaves_with_path(outputs):
        visit(jax.tree_util.keystr(path, simple=True, separator="."), output)

    depth: dict[int, int] = {}  # by call
    layer_depth: dict[int, int] = {}
    for call in reversed(finished.values()):  # users come before what they use
        own = max(depth.get(id(call), 0), layer_depth.get(id(call.layer), 0))
        depth[id(call)] = own
        layer_depth[id(call.layer)] = own
        for x in call.inputs:
            if id(x.source) in finished:
                depth[id(x.source)] = max(depth.get(id(x.source), 0), own + 1)
    for x in symbols(inputs):  # inputs that nothing uses are layers of the model all the same
        source = x.source
        if source is not None and not source.inputs and id(source.layer) not in entered:
            layers[id(source.layer)] = source.layer
            entered[id(source.layer)] = -1
    order = sorted(layers.values(), key=lambda v: (-layer_depth.get(id(v), 0), entered[id(v)]))
    runnable = tuple(c for c in finished.values() if c.inputs or c.begins)
    return Graph(inputs, outputs, runnable, tuple(order))


def join(
    inputs: Structure,
    outputs: Structure,
    losses: Iterable[SymbolicTensor] = (),
    training: tuple[Any, Iterable[SymbolicTensor]] | None = None,
    recorded: bool = False,
) -> Graph:
    """Finds the graph of outputs, of losses beside them, and of what training computes.

    Args:
        inputs: The symbolic inputs.
        outputs: The symbolic outputs.
        losses: What `AddLoss` layers gave.
        training: The outputs and losses in training, if these are others.
        recorded: Whether the graph is what a `call` was seen to do.

    Raises:
        ValueError: If something does not follow from the inputs.
    """
    found = [(outputs, tuple(losses))]
    if training is not None:
        found.append((training[0], tuple(training[1])))
    operations = trace(inputs, [[outputs, *losses] for outputs, losses in found]).operations
    graphs = [
        Graph(inputs, outputs, trace(inputs, [outputs, *losses]).calls, operations, losses)
        for outputs, losses in found
    ]
    other = graphs[1] if training is not None else None
    return dataclasses.replace(graphs[0], training=other, recorded=recorded)


def _disconnected(place: str, x: SymbolicTensor) -> str:
    maker = f", the output of {x.source.layer!r}" if x.source else ""
    return (
        f"Output with path `{place}` is not connected to `inputs`: it needs {x!r}{maker}, which is "
        "not among them.\nAdd that Input to `inputs=[...]`."
    )
