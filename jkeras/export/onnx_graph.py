"""Jaxprs as graphs of ONNX.

A value is known (an array, which is folded) or the output of a node. Broadcasts are put off, as
ONNX's elementwise operators broadcast by themselves. Sizes that are symbols are computed from the
shapes of the inputs.
"""

import ast
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jkeras.base.types import DTypeLike

# Constants that are broadcast are kept small, and expanded in the graph.
_LARGEST_FOLDED = 2**20
_SMALL_INTS = {"int8": "int32", "int16": "int32", "uint8": "int32", "uint16": "int32"}
_SMALL_INTS |= {"uint32": "int64"}


@dataclass(frozen=True, eq=False)
class Value:
    """An array of a graph.

    Attributes:
        shape: Its shape; sizes may be symbols.
        stored: The shape in which it is there: the same, or with 1 where it is to be broadcast.
        dtype: The dtype.
        name: The name of the output that it is.
        array: The array, if it is known.
    """

    shape: tuple
    stored: tuple
    dtype: np.dtype
    name: str | None = None
    array: np.ndarray | None = None

    @property
    def is_known(self) -> bool:
        """Whether it is a constant."""
        return self.array is not None


def known(array: Any, shape: Any = None) -> Value:
    """Returns the value of an array."""
    array = np.asarray(array)
    return Value(
        tuple(array.shape if shape is None else shape), array.shape, array.dtype, None, array
    )


class Unsupported(ValueError):
    """What a model computes has no counterpart in ONNX, or none that is known here."""


class Graph:
    """A graph under construction; one in another sees the other's values.

    Args:
        above: The graph that this one is in.
    """

    def __init__(self, above: "Graph | None" = None):
        import onnx

        self.onnx = onnx
        self.root: Graph = self if above is None else above.root
        self.nodes: list[Any] = []
        if above is None:
            self.initializers: dict[str, Any] = {}
            self.sizes: dict[str, str] = {}  # names of one-element tensors, by symbol or expression
            self._taken: set[str] = set()
            self._constants: dict[Any, str] = {}

    # -------------------------------------------------------------- names and nodes
    def name(self, hint: str) -> str:
        """Returns a name that is not taken."""
        taken, name, count = self.root._taken, hint, 0
        while name in taken:
            count += 1
            name = f"{hint}_{count}"
        taken.add(name)
        return name

    def add(self, operator: str, inputs: Sequence[str], count: int = 1, **attributes: Any) -> Any:
        """Adds a node; returns the name of its output, or the names of several."""
        outputs = [self.name(operator.lower()) for _ in range(count)]
        self.nodes.append(self.onnx.helper.make_node(operator, list(inputs), outputs, **attributes))
        return outputs[0] if count == 1 else outputs

    def constant(self, array: Any, hint: str = "constant") -> str:
        """Returns the name of a constant, each of which is there once."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        content = array.tobytes() if array.size <= 64 else id(array)
        key = (array.dtype.name, array.shape, content)
        if key not in self.root._constants:
            name = self.root.name(hint)
            tensor = self.onnx.numpy_helper.from_array(array, name)
            self.root.initializers[name] = (tensor, array)  # which keeps the array's id
            self.root._constants[key] = name
        return self.root._constants[key]

    def weight(self, value: Value, hint: str) -> None:
        """Gives a constant its name."""
        self.constant(value.array, hint)

    def type_of(self, dtype: DTypeLike) -> int:
        """Returns ONNX's number of a dtype."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    # -------------------------------------------------------------- values
    def made(self, name: str, shape: Sequence[Any], dtype: DTypeLike, stored: Any = None) -> Value:
        """Returns the value that an output of a node is."""
        shape = tuple(shape)
        return Value(shape, shape if stored is None else tuple(stored), np.dtype(dtype), name)

    def small(self, value: Value) -> str:
        """Returns the name of a value as it is stored, perhaps to be broadcast."""
        return value.name if value.name is not None else self.constant(value.array)

    def full(self, value: Value) -> str:
        """Returns the name of a value in its own shape."""
        name = self.small(value)
        if value.stored == value.shape:
            return name
        return self.add("Expand", [name, self.shape(value.shape)])

    def whole(self, value: Value) -> Value:
        """Returns a value in its own shape."""
        if value.stored == value.shape:
            return value
        if value.is_known and _is_static(value.shape) and _size(value.shape) <= _LARGEST_FOLDED:
            return known(np.broadcast_to(value.array, value.shape))  # type: ignore[arg-type]
        return self.made(self.full(value), value.shape, value.dtype)

    def cast(self, name: str, dtype: DTypeLike) -> str:
        """Returns the name of a value in another dtype."""
        return self.add("Cast", [name], to=self.type_of(dtype))

    def ints(self, numbers: Sequence[int]) -> str:
        """Returns the name of a constant vector of sizes."""
        return self.constant(np.array([int(n) for n in numbers], np.int64), "sizes")

    # -------------------------------------------------------------- sizes
    def shape(self, sizes: Sequence[Any], reshape: bool = False) -> str:
        """Returns the name of a vector of sizes.

        Args:
            sizes: The sizes, among them symbols.
            reshape: Whether one that is a symbol may be left to `Reshape`.
        """
        if _is_static(sizes):
            return self.ints(sizes)
        symbols = [n for n in sizes if not _is_static([n])]
        if reshape and len(symbols) == 1 and 0 not in sizes:
            return self.ints([n if _is_static([n]) else -1 for n in sizes])
        return self.root.add("Concat", [self.size(n) for n in sizes], axis=0)

    def size(self, size: Any) -> str:
        """Returns the name of a vector of one size, which may be an expression of symbols."""
        if _is_static([size]):
            return self.ints([size])
        root = self.root
        text = str(size)
        if text not in root.sizes:
            root.sizes[text] = root._computed(ast.parse(text, mode="eval").body)
        return root.sizes[text]

    def _computed(self, node: Any) -> str:
        if isinstance(node, ast.Name):
            return self.sizes[node.id]
        if isinstance(node, ast.Constant):
            return self.ints([int(str(node.value))])
        if isinstance(node, ast.UnaryOp):
            return self.add("Neg", [self._computed(node.operand)])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            return self.add("Pow", [self._computed(node.left), self._computed(node.right)])
        if isinstance(node, ast.BinOp):
            operator = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}[type(node.op)]
            return self.add(operator, [self._computed(node.left), self._computed(node.right)])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            operator = {"floordiv": "Div", "mod": "Mod", "max": "Max", "min": "Min"}[node.func.id]
            return self.add(operator, [self._computed(a) for a in node.args])
        raise Unsupported(f"The size {ast.unparse(node)} cannot be computed in ONNX.")

    # -------------------------------------------------------------- what is in a jaxpr
    def run(self, jaxpr: Any, constants: Sequence[Any], inputs: Sequence[Value]) -> list[Value]:
        """Adds the nodes of a jaxpr; returns its outputs."""
        env: dict[Any, Value] = dict(zip(jaxpr.constvars, map(known, constants), strict=True))
        env.update(zip(jaxpr.invars, inputs, strict=True))

        def read(atom: Any) -> Value:
            return (
                known(np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else env[atom]
            )

        for equation in jaxpr.eqns:
            outputs = self._equation(equation, [read(x) for x in equation.invars])
            env.update(zip(equation.outvars, outputs, strict=True))
        return [read(x) for x in jaxpr.outvars]

    def _equation(self, equation: Any, inputs: list[Value]) -> list[Value]:
        name, params = equation.primitive.name, equation.params
        inner = next((params[k] for k in _INNER if k in params), None)
        if inner is not None and name not in ("scan", "while", "cond"):
            jaxpr, constants = (
                (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())
            )
            return self.run(jaxpr, constants, inputs[len(inputs) - len(jaxpr.invars) :])
        outs = [x.aval for x in equation.outvars]
        if any(jax.dtypes.issubdtype(x.dtype, jax.dtypes.extended) for x in outs):
            raise Unsupported(f"{_reason('random_')} (the operation {name!r} of JAX)")
        if all(x.is_known for x in inputs) and name not in _LAZY:
            folded = self._fold(equation, inputs, outs)
            if folded is not None:
                return folded
        if name not in CONVERTERS:
            raise Unsupported(f"{_reason(name)} (the operation {name!r} of JAX)")
        results = CONVERTERS[name](self, inputs, params, outs)
        return list(results) if isinstance(results, (list, tuple)) else [results]

    def _fold(self, equation: Any, inputs: list[Value], outs: Sequence[Any]) -> list[Value] | None:
        if not all(_is_static(x.shape) for x in [*inputs, *outs]):
            return None
        if any(_size(x.shape) > max(_LARGEST_FOLDED, *_sizes(inputs)) for x in outs):
            return None
        arrays = [np.broadcast_to(x.array, x.shape) for x in inputs]  # type: ignore[arg-type]
        with_numpy = _BY_NUMPY.get(equation.primitive.name)
        if with_numpy is not None:  # to compile it takes longer
            return [known(np.asarray(with_numpy(*arrays), outs[0].dtype))]
        results = equation.primitive.bind(*map(jax.numpy.asarray, arrays), **equation.params)
        results = results if equation.primitive.multiple_results else [results]
        return [known(np.asarray(x)) for x in results]


def _sizes(values: Sequence[Value]) -> list[int]:
    return [_size(v.stored) for v in values] or [0]


def _is_static(shape: Sequence[Any]) -> bool:
    return all(isinstance(n, (int, np.integer)) for n in shape)


def _size(shape: Sequence[Any]) -> int:
    return math.prod(int(n) for n in shape)


def _reason(name: str) -> str:
    if name.startswith(("random_", "threefry", "rng_")):
        return "Random numbers are drawn, which ONNX does not do as JAX does"
    if "callback" in name:
        return "Python is called, which ONNX cannot do"
    return "The model computes something that has no counterpart in ONNX here"


_BY_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
    "abs": np.abs, "neg": np.negative, "gt": np.greater, "ge": np.greater_equal, "lt": np.less,
    "le": np.less_equal, "eq": np.equal, "ne": np.not_equal, "and": np.bitwise_and,
    "or": np.bitwise_or, "square": np.square, "sqrt": np.sqrt, "floor": np.floor,
    "select_n": lambda which, *cases: np.choose(which, cases),
    "convert_element_type": lambda x: x,
}  # fmt: skip
# Names under which calls of functions keep these.
_INNER = ("jaxpr", "call_jaxpr", "fun_jaxpr")
# Which are no less when they are put off.
_LAZY = {"broadcast_in_dim", "iota", "dim_as_value"}

CONVERTERS: dict[str, Callable[..., Any]] = {}


def converts(*names: str) -> Callable:
    """Notes that a function converts operations of JAX.

    It takes the graph, the inputs, the parameters, and the shapes and dtypes of the outputs.
    """

    def note(function: Callable) -> Callable:
        CONVERTERS.update(dict.fromkeys(names, function))
        return function

    return note
