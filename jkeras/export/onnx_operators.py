"""What the operations of JAX are in ONNX, operator set 18."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from jkeras.export.onnx_graph import (
    _SMALL_INTS,
    Graph,
    Unsupported,
    Value,
    _is_static,
    converts,
    known,
)
from jkeras.export.onnx_graph import CONVERTERS as CONVERTERS


# ------------------------------------------------------------------ element by element
def _elementwise(
    graph: Graph, operator: str, inputs: Sequence[Value], out: Any, **more: Any
) -> Value:
    """Adds an operator that broadcasts; its output is as small as its inputs allow."""
    dtype = np.dtype(inputs[-1].dtype)
    wide = _SMALL_INTS.get(dtype.name) if operator not in _ON_ANY else None
    if dtype.kind == "b" and operator in _NOT_OF_BOOLS:
        wide = "int32"
    names = [graph.small(x) for x in inputs]
    if wide:
        names = [graph.cast(n, wide) for n in names]
    name = graph.add(operator, names, **more)
    if wide and np.dtype(out.dtype) != np.dtype(bool):
        name = graph.cast(name, out.dtype)
    elif wide and operator in ("Max", "Min", "Mul", "Add"):
        name = graph.cast(name, bool)
    return graph.made(name, out.shape, out.dtype, _broadcast(inputs, out.shape))


_ON_ANY = {"And", "Or", "Xor", "Not", "Where", "Equal"}
_NOT_OF_BOOLS = {"Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Max", "Min", "Mul", "Add"}


def _broadcast(inputs: Sequence[Value], shape: tuple) -> tuple:
    stored = []
    for axis in range(-len(shape), 0):
        sizes = [x.stored[axis] for x in inputs if len(x.stored) >= -axis]
        stored.append(next((n for n in sizes if not (_is_static([n]) and n == 1)), 1))
    return tuple(stored)


_SIMPLE = {
    "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "max": "Max",
    "min": "Min", "pow": "Pow", "eq": "Equal", "lt": "Less", "le": "LessOrEqual", "gt": "Greater",
    "ge": "GreaterOrEqual", "neg": "Neg", "exp": "Exp", "log": "Log", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh",
    "asinh": "Asinh", "acosh": "Acosh", "atanh": "Atanh", "tanh": "Tanh", "logistic": "Sigmoid",
    "sqrt": "Sqrt", "abs": "Abs", "sign": "Sign", "floor": "Floor", "ceil": "Ceil", "erf": "Erf",
}  # fmt: skip
for _name, _operator in _SIMPLE.items():

    @converts(_name)
    def _simple(graph: Graph, inputs: Any, _: Any, outs: Any, operator: str = _operator) -> Value:
        return _elementwise(graph, operator, inputs, outs[0])


def _number(like: Value, number: float) -> Value:
    return known(np.asarray(number, like.dtype))


@converts("ne")
def _not_equal(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    return _elementwise(graph, "Not", [_elementwise(graph, "Equal", inputs, outs[0])], outs[0])


@converts("square")
def _square(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    return _elementwise(graph, "Mul", [inputs[0], inputs[0]], outs[0])


@converts("rsqrt")
def _rsqrt(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    return _elementwise(
        graph, "Reciprocal", [_elementwise(graph, "Sqrt", inputs, outs[0])], outs[0]
    )


@converts("cbrt")
def _cbrt(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    size = _elementwise(graph, "Abs", inputs, outs[0])
    root = _elementwise(graph, "Pow", [size, _number(size, 1 / 3)], outs[0])
    return _elementwise(graph, "Mul", [root, _elementwise(graph, "Sign", inputs, outs[0])], outs[0])


@converts("erfc")
def _erfc(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    error = _elementwise(graph, "Erf", inputs, outs[0])
    return _elementwise(graph, "Sub", [_number(error, 1), error], outs[0])


@converts("expm1")
def _expm1(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    power = _elementwise(graph, "Exp", inputs, outs[0])
    return _elementwise(graph, "Sub", [power, _number(power, 1)], outs[0])


@converts("log1p")
def _log1p(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    more = _elementwise(graph, "Add", [inputs[0], _number(inputs[0], 1)], outs[0])
    return _elementwise(graph, "Log", [more], outs[0])


@converts("exp2")
def _exp2(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    return _elementwise(graph, "Pow", [_number(inputs[0], 2), inputs[0]], outs[0])


@converts("integer_pow")
def _integer_pow(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, exponent = inputs[0], params["y"]
    if exponent == 2:
        return _elementwise(graph, "Mul", [x, x], outs[0])
    return _elementwise(graph, "Pow", [x, _number(x, exponent)], outs[0])


@converts("round")
def _round(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x = inputs[0]
    if int(params["rounding_method"]) == 1:  # to the nearest even number
        return _elementwise(graph, "Round", inputs, outs[0])
    half = _elementwise(
        graph, "Add", [_elementwise(graph, "Abs", [x], outs[0]), _number(x, 0.5)], outs[0]
    )
    size = _elementwise(graph, "Floor", [half], outs[0])
    return _elementwise(graph, "Mul", [size, _elementwise(graph, "Sign", [x], outs[0])], outs[0])


@converts("rem")
def _rem(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    return _elementwise(graph, "Mod", inputs, outs[0], fmod=1)


for _name in ("and", "or", "xor", "not"):

    @converts(_name)
    def _bits(graph: Graph, inputs: Any, _: Any, outs: Any, word: str = _name.title()) -> Value:
        is_bool = inputs[0].dtype == bool
        return _elementwise(graph, word if is_bool else f"Bitwise{word}", inputs, outs[0])


@converts("is_finite")
def _is_finite(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    parts = [_elementwise(graph, operator, inputs, outs[0]) for operator in ("IsInf", "IsNaN")]
    return _elementwise(graph, "Not", [_elementwise(graph, "Or", parts, outs[0])], outs[0])


@converts("clamp")
def _clamp(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    low, x, high = inputs
    more = _elementwise(graph, "Max", [x, low], outs[0])
    return _elementwise(graph, "Min", [more, high], outs[0])


@converts("select_n")
def _select(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    which, *cases = inputs
    if which.dtype == bool:
        return _where(graph, which, cases[1], cases[0], outs[0])
    result = cases[-1]
    for i, case in reversed(list(enumerate(cases[:-1]))):
        at = _elementwise(graph, "Equal", [which, _number(which, i)], _like(outs[0], bool))
        result = _where(graph, at, case, result, outs[0])
    return result


def _where(graph: Graph, condition: Value, yes: Value, no: Value, out: Any) -> Value:
    if np.dtype(out.dtype) != bool:
        return _elementwise(graph, "Where", [condition, yes, no], out)
    other = _elementwise(graph, "Not", [condition], _like(condition, bool))
    parts = [
        _elementwise(graph, "And", [condition, yes], out),
        _elementwise(graph, "And", [other, no], out),
    ]
    return _elementwise(graph, "Or", parts, out)


class _like:
    """A shape and a dtype."""

    def __init__(self, x: Any, dtype: Any):
        self.shape, self.dtype = x.shape, np.dtype(dtype)


@converts("convert_element_type")
def _convert(graph: Graph, inputs: Any, _: Any, outs: Any) -> Value:
    x = inputs[0]
    if x.dtype == outs[0].dtype:
        return x
    return graph.made(graph.cast(graph.small(x), outs[0].dtype), x.shape, outs[0].dtype, x.stored)


@converts("stop_gradient", "copy", "copy_p", "optimization_barrier", "reduce_precision", "pvary")
def _same(graph: Graph, inputs: Any, _: Any, outs: Any) -> list[Value]:
    return list(inputs)


@converts("shape_assertion")
def _nothing(graph: Graph, inputs: Any, _: Any, outs: Any) -> list[Value]:
    return []


@converts("dim_as_value")
def _dim_as_value(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    name = graph.add("Squeeze", [graph.size(params["dim"]), graph.ints([0])])
    return graph.made(graph.cast(name, outs[0].dtype), (), outs[0].dtype)


# ------------------------------------------------------------------ shapes
@converts("broadcast_in_dim")
def _broadcast_in_dim(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, shape = inputs[0], tuple(outs[0].shape)
    axes = [int(a) for a in params["broadcast_dimensions"]]
    stored: list[Any] = [1] * len(shape)
    for axis, size in zip(axes, x.stored, strict=True):
        stored[axis] = size
    if x.is_known:
        return known(np.reshape(x.array, stored), shape)
    name = graph.small(x)
    if len(stored) != len(x.stored):
        name = graph.add("Reshape", [name, graph.shape(stored, reshape=True)])
    return graph.made(name, shape, x.dtype, stored)


@converts("reshape")
def _reshape(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    if params.get("dimensions") is not None:
        raise Unsupported("A reshape of JAX that also transposes has no counterpart in ONNX here")
    shape = graph.shape(outs[0].shape, reshape=True)
    return graph.made(
        graph.add("Reshape", [graph.full(inputs[0]), shape]), outs[0].shape, outs[0].dtype
    )


@converts("squeeze")
def _squeeze(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x = inputs[0]
    axes = [int(a) % len(x.shape) for a in params["dimensions"]]
    stored = [n for i, n in enumerate(x.stored) if i not in axes]
    name = graph.add("Squeeze", [graph.small(x), graph.ints(axes)])
    return graph.made(name, outs[0].shape, x.dtype, stored)


@converts("transpose")
def _transpose(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, order = inputs[0], [int(a) for a in params["permutation"]]
    stored = [x.stored[a] for a in order]
    return graph.made(_transposed(graph, graph.small(x), order), outs[0].shape, x.dtype, stored)


def _transposed(graph: Graph, name: str, order: Sequence[int]) -> str:
    if list(order) == list(range(len(order))):
        return name
    return graph.add("Transpose", [name], perm=list(map(int, order)))


@converts("rev")
def _rev(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    axes = list(params["dimensions"])
    n = len(axes)
    ends = [-(2**31)] * n
    parts = [graph.ints(v) for v in ([-1] * n, ends, axes, [-1] * n)]
    name = graph.add("Slice", [graph.full(inputs[0]), *parts])
    return graph.made(name, outs[0].shape, outs[0].dtype)


@converts("concatenate")
def _concatenate(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    name = graph.add("Concat", [graph.full(x) for x in inputs], axis=int(params["dimension"]))
    return graph.made(name, outs[0].shape, outs[0].dtype)


@converts("stack")
def _stack(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    axis = int(params["axis"])
    apart = [graph.add("Unsqueeze", [graph.full(x), graph.ints([axis])]) for x in inputs]
    return graph.made(graph.add("Concat", apart, axis=axis), outs[0].shape, outs[0].dtype)


@converts("slice")
def _slice(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x = graph.whole(inputs[0])
    steps = params["strides"] or (1,) * len(x.shape)
    return _sliced(graph, x, params["start_indices"], params["limit_indices"], steps)


def _sliced(graph: Graph, x: Value, starts: Any, ends: Any, steps: Any) -> Value:
    axes = [
        i
        for i, (start, end, step) in enumerate(zip(starts, ends, steps, strict=True))
        if not (_is_static([start]) and start == 0 and end == x.shape[i] and step == 1)
    ]
    shape = list(x.shape)
    for i in axes:
        shape[i] = (ends[i] - starts[i] + steps[i] - 1) // steps[i]
    if not axes:
        return x
    chosen = [[part[i] for i in axes] for part in (starts, ends)]
    names = [graph.shape(part) for part in chosen]
    more = [graph.ints(axes), graph.ints([steps[i] for i in axes])]
    return graph.made(graph.add("Slice", [graph.full(x), *names, *more]), shape, x.dtype)


@converts("split")
def _split(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    sizes = [int(n) for n in params["sizes"]]
    axis = int(params["axis"])
    names = graph.add("Split", [graph.full(inputs[0]), graph.ints(sizes)], len(sizes), axis=axis)
    names = [names] if len(sizes) == 1 else names
    return [graph.made(n, o.shape, o.dtype) for n, o in zip(names, outs, strict=True)]


@converts("unstack")
def _unstack(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    axis, x = int(params["axis"]), graph.full(inputs[0])
    names = [
        graph.add("Gather", [x, graph.constant(np.int64(i))], axis=axis) for i in range(len(outs))
    ]
    return [graph.made(n, o.shape, o.dtype) for n, o in zip(names, outs, strict=True)]


@converts("pad")
def _pad(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, fill = graph.whole(inputs[0]), inputs[1]
    config = [tuple(int(n) for n in c) for c in params["padding_config"]]
    for axis, (_, _, between) in enumerate(config):
        if between:
            x = _spread(graph, x, fill, axis, between + 1)
    pads = [[max(c[side], 0) for c in config] for side in (0, 1)]
    shape = [n + low + high for n, low, high in zip(x.shape, *pads, strict=True)]
    if any(map(any, pads)):
        name = graph.add(
            "Pad", [graph.full(x), graph.ints([*pads[0], *pads[1]]), graph.small(fill)]
        )
        x = graph.made(name, shape, x.dtype)
    starts = [max(-c[0], 0) for c in config]
    ends = [n - max(-c[1], 0) for n, c in zip(shape, config, strict=True)]
    return _sliced(graph, x, starts, ends, [1] * len(shape))


def _spread(graph: Graph, x: Value, fill: Value, axis: int, step: int) -> Value:
    """Puts `step - 1` fills between the elements of an axis."""
    rank = len(x.shape)
    apart = graph.add("Unsqueeze", [graph.full(x), graph.ints([axis + 1])])
    pads = [0] * (2 * rank + 2)
    pads[rank + 1 + axis + 1] = step - 1
    apart = graph.add("Pad", [apart, graph.ints(pads), graph.small(fill)])
    shape = [n * step if i == axis else n for i, n in enumerate(x.shape)]
    together = graph.add("Reshape", [apart, graph.shape(shape, reshape=True)])
    spread = graph.made(together, shape, x.dtype)
    ends = [n - (step - 1) if i == axis else n for i, n in enumerate(shape)]
    return _sliced(graph, spread, [0] * rank, ends, [1] * rank)


@converts("iota")
def _iota(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    axis, shape, dtype = int(params["dimension"]), tuple(outs[0].shape), outs[0].dtype
    stored = [n if i == axis else 1 for i, n in enumerate(shape)]
    if _is_static(stored):
        return known(np.arange(shape[axis], dtype=dtype).reshape(stored), shape)
    end = graph.add("Squeeze", [graph.size(shape[axis]), graph.ints([0])])
    numbers = graph.add("Range", [graph.constant(np.int64(0)), end, graph.constant(np.int64(1))])
    name = graph.add("Reshape", [graph.cast(numbers, dtype), graph.shape(stored, reshape=True)])
    return graph.made(name, shape, dtype, stored)


# ------------------------------------------------------------------ slices at computed places
def _indices(graph: Graph, values: Sequence[Value]) -> str:
    """Returns the name of a vector of scalars, as sizes."""
    parts = [
        graph.ints([int(v.array)])  # type: ignore[arg-type]
        if v.is_known
        else graph.add("Reshape", [graph.cast(graph.full(v), np.int64), graph.ints([1])])
        for v in values
    ]
    return graph.add("Concat", parts, axis=0)


def _bounded_starts(graph: Graph, values: Sequence[Value], shape: Any, sizes: Any) -> str:
    most = graph.shape([n - s for n, s in zip(shape, sizes, strict=True)])
    least = graph.add("Max", [_indices(graph, values), graph.ints([0])])
    return graph.add("Min", [least, most])


@converts("dynamic_slice")
def _dynamic_slice(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, *starts = inputs
    sizes = params["slice_sizes"]
    begin = _bounded_starts(graph, starts, x.shape, sizes)
    end = graph.add("Add", [begin, graph.shape(sizes)])
    name = graph.add("Slice", [graph.full(x), begin, end, graph.ints(range(len(x.shape)))])
    return graph.made(name, outs[0].shape, outs[0].dtype)


@converts("dynamic_update_slice")
def _dynamic_update_slice(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, update, *starts = inputs
    begin = _bounded_starts(graph, starts, x.shape, update.shape)
    rest = graph.add(
        "Sub", [graph.shape([a - b for a, b in zip(x.shape, update.shape, strict=True)]), begin]
    )
    pads = graph.add("Concat", [begin, rest], axis=0)
    zero = graph.constant(np.zeros((), np.float32))
    ones = graph.add("Expand", [graph.constant(np.ones((), np.float32)), graph.shape(update.shape)])
    inside = graph.cast(graph.add("Pad", [ones, pads, zero]), bool)
    moved = graph.add("Pad", [graph.full(update), pads, graph.constant(np.zeros((), update.dtype))])
    shape, dtype = outs[0].shape, outs[0].dtype
    condition = graph.made(inside, shape, bool)
    return _where(graph, condition, graph.made(moved, shape, dtype), graph.whole(x), outs[0])


@converts("gather")
def _gather(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, indices = graph.whole(inputs[0]), graph.whole(inputs[1])
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    batching = list(numbers.operand_batching_dims)
    places = list(numbers.start_index_map)
    rest = [a for a in range(len(x.shape)) if a not in places and a not in batching]
    is_whole = all(sizes[a] == x.shape[a] for a in rest)
    batch = list(numbers.start_indices_batching_dims)
    if not is_whole or sorted(numbers.collapsed_slice_dims) != sorted(places):
        return _gather_slice(graph, x, indices, numbers, sizes, outs[0])
    limits = [x.shape[a] - 1 for a in places]
    at = graph.cast(graph.full(indices), np.int64)
    low = graph.add("Max", [at, graph.ints([0])])
    at_safe = graph.add("Min", [low, graph.shape(limits)])
    rank = len(indices.shape) - 1
    others = [a for a in range(rank) if a not in batch]
    at_ordered = _transposed(graph, at_safe, [*batch, *others, rank])
    ordered = _transposed(graph, graph.full(x), [*batching, *places, *rest])
    if len(places) == 1 and not batching:
        at_ordered = graph.add("Squeeze", [at_ordered, graph.ints([-1])])
        name = graph.add("Gather", [ordered, at_ordered], axis=0)
    else:
        name = graph.add("GatherND", [ordered, at_ordered], batch_dims=len(batching))
    # It has the batch's axes first, then those of the slices; JAX says where each shall be.
    offsets = list(numbers.offset_dims)
    total = len(outs[0].shape)
    free = [a for a in range(total) if a not in offsets]
    made = [*(free[a] for a in [*batch, *others]), *offsets]
    name = _transposed(graph, name, [made.index(a) for a in range(total)])
    result = graph.made(name, outs[0].shape, outs[0].dtype)
    if "FILL" not in str(params["mode"]):
        return result
    fits = graph.add("Equal", [at, at_safe])
    fits = graph.cast(fits, np.int32)
    fits = graph.add("ReduceMin", [fits, graph.ints([-1])], keepdims=0)
    stored = [1 if a in offsets else outs[0].shape[a] for a in range(total)]
    fits = graph.add("Reshape", [graph.cast(fits, bool), graph.shape(stored, reshape=True)])
    fill = params["fill_value"]
    dtype = np.dtype(outs[0].dtype)
    if fill is None:
        fill = np.nan if dtype.kind not in "biu" else _least(dtype)
    condition = graph.made(fits, outs[0].shape, bool, stored)
    return _where(graph, condition, result, known(np.asarray(fill, dtype)), outs[0])


def _least(dtype: np.dtype) -> Any:
    if dtype.kind == "b":
        return True
    return np.iinfo(dtype).max if np.issubdtype(dtype, np.unsignedinteger) else np.iinfo(dtype).min


def _gather_slice(
    graph: Graph, x: Value, indices: Value, numbers: Any, sizes: Any, out: Any
) -> Value:
    """Takes one slice at a computed place."""
    if math.prod(n for n in indices.shape[:-1] if _is_static([n])) != 1 or not _is_static(
        indices.shape
    ):
        raise Unsupported(
            "Slices of an array at many computed places have no counterpart in ONNX here"
        )
    places = list(numbers.start_index_map)
    at = graph.cast(graph.add("Reshape", [graph.full(indices), graph.ints([-1])]), np.int64)
    most = graph.shape([x.shape[a] - sizes[a] for a in places])
    begin = graph.add("Min", [graph.add("Max", [at, graph.ints([0])]), most])
    end = graph.add("Add", [begin, graph.shape([sizes[a] for a in places])])
    name = graph.add("Slice", [graph.full(x), begin, end, graph.ints(places)])
    name = graph.add("Reshape", [name, graph.shape(out.shape, reshape=True)])
    return graph.made(name, out.shape, out.dtype)


_REDUCTIONS = {"scatter": "none", "scatter-add": "add", "scatter_add": "add", "scatter-mul": "mul"}
_REDUCTIONS |= {"scatter_mul": "mul", "scatter_max": "max", "scatter_min": "min"}
_REDUCTIONS |= {"scatter-max": "max", "scatter-min": "min"}
for _name, _reduction in _REDUCTIONS.items():

    @converts(_name)
    def _scatter(
        graph: Graph, inputs: Any, params: Any, outs: Any, reduction: str = _reduction
    ) -> Value:
        x, indices, updates = map(graph.whole, inputs)
        numbers = params["dimension_numbers"]
        places = list(numbers.scatter_dims_to_operand_dims)
        window = list(numbers.update_window_dims)
        inserted = sorted(numbers.inserted_window_dims)
        rest = [a for a in range(len(x.shape)) if a not in places]
        free = [a for a in range(len(updates.shape)) if a not in window]
        whole = [updates.shape[a] for a in window] == [x.shape[a] for a in rest]
        if inserted != sorted(places) or numbers.operand_batching_dims or not whole:
            raise Unsupported("Writing slices at computed places has no counterpart in ONNX here")
        order = [*places, *rest]
        ordered = _transposed(graph, graph.full(x), order)
        new = _transposed(graph, graph.full(updates), [*free, *window])
        at = graph.cast(graph.full(indices), np.int64)
        name = graph.add("ScatterND", [ordered, at, new], reduction=reduction)
        name = _transposed(graph, name, [order.index(a) for a in range(len(order))])
        return graph.made(name, outs[0].shape, outs[0].dtype)


# ------------------------------------------------------------------ reductions
_OPERATORS = {"reduce_sum": "ReduceSum", "reduce_max": "ReduceMax", "reduce_min": "ReduceMin"}
_OPERATORS |= {"reduce_prod": "ReduceProd", "reduce_and": "ReduceMin", "reduce_or": "ReduceMax"}
for _name, _operator in _OPERATORS.items():

    @converts(_name)
    def _reduce(
        graph: Graph, inputs: Any, params: Any, outs: Any, operator: str = _operator
    ) -> Value:
        x, name = inputs[0], graph.full(inputs[0])
        wide = "int32" if x.dtype == bool else _SMALL_INTS.get(x.dtype.name)
        name = graph.cast(name, wide) if wide else name
        name = graph.add(operator, [name, graph.ints(params["axes"])], keepdims=0)
        name = graph.cast(name, outs[0].dtype) if wide else name
        return graph.made(name, outs[0].shape, outs[0].dtype)


for _name, _operator in {"argmax": "ArgMax", "argmin": "ArgMin"}.items():

    @converts(_name)
    def _arg(graph: Graph, inputs: Any, params: Any, outs: Any, operator: str = _operator) -> Value:
        name = graph.add(operator, [graph.full(inputs[0])], axis=int(params["axes"][0]), keepdims=0)
        return graph.made(graph.cast(name, outs[0].dtype), outs[0].shape, outs[0].dtype)


@converts("cumsum")
def _cumsum(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    axis = graph.constant(np.int64(params["axis"]))
    name = graph.add("CumSum", [graph.full(inputs[0]), axis], reverse=int(params["reverse"]))
    return graph.made(name, outs[0].shape, outs[0].dtype)


@converts("sort")
def _sort(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    axis, first = int(params["dimension"]), inputs[0]
    if params.get("num_keys", 1) != 1:
        raise Unsupported("Sorting by several keys has no counterpart in ONNX here")
    count = graph.size(first.shape[axis])
    values, order = graph.add("TopK", [graph.full(first), count], 2, axis=axis, largest=0, sorted=1)
    names = [values]
    names += [graph.add("GatherElements", [graph.full(x), order], axis=axis) for x in inputs[1:]]
    return [graph.made(n, o.shape, o.dtype) for n, o in zip(names, outs, strict=True)]


@converts("top_k")
def _top_k(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    axis = int(params.get("axis", -1))
    values, order = graph.add(
        "TopK", [graph.full(inputs[0]), graph.ints([params["k"]])], 2, axis=axis
    )
    return [
        graph.made(values, outs[0].shape, outs[0].dtype),
        graph.made(graph.cast(order, outs[1].dtype), outs[1].shape, outs[1].dtype),
    ]


# ------------------------------------------------------------------ products
@converts("dot_general")
def _dot_general(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    (left_axes, right_axes), (left_batch, right_batch) = params["dimension_numbers"]
    left, right = inputs
    names = [graph.full(x) for x in inputs]
    dtype = np.result_type(outs[0].dtype)
    names = [
        n if x.dtype == dtype else graph.cast(n, dtype) for n, x in zip(names, inputs, strict=True)
    ]
    count = len(left_batch)
    leading = list(range(count))
    n, m = len(left.shape), len(right.shape)
    plain = list(left_batch) == list(right_batch) == leading and list(left_axes) == [n - 1]
    plain = plain and list(right_axes) == [count] and m == count + 2 and (not count or n == m)
    if plain:
        return graph.made(graph.add("MatMul", names), outs[0].shape, dtype)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    words: list[list[str]] = [[""] * n, [""] * m]
    batch = ""
    for a, b in zip(left_batch, right_batch, strict=True):
        words[0][a] = words[1][b] = next(letters)
        batch += words[0][a]
    for a, b in zip(left_axes, right_axes, strict=True):
        words[0][a] = words[1][b] = next(letters)
    free = ""
    for word in words:
        for i, letter in enumerate(word):
            if not letter:
                word[i] = next(letters)
                free += word[i]
    equation = f"{''.join(words[0])},{''.join(words[1])}->{batch}{free}"
    return graph.made(graph.add("Einsum", names, equation=equation), outs[0].shape, dtype)


@converts("conv_general_dilated")
def _conv(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    x, kernel = inputs[0], graph.whole(inputs[1])
    numbers = params["dimension_numbers"]
    if params["batch_group_count"] != 1:
        raise Unsupported("A convolution in groups of the batch has no counterpart in ONNX")
    image = _transposed(graph, graph.full(x), numbers.lhs_spec)
    groups = int(params["feature_group_count"])
    strides, dilations = ([int(n) for n in params[k]] for k in ("window_strides", "rhs_dilation"))
    pads = [(int(a), int(b)) for a, b in params["padding"]]
    spread = [int(n) for n in params["lhs_dilation"]]
    sizes = [kernel.shape[a] for a in numbers.rhs_spec[2:]]
    cropped = [min(p, 0) for pair in pads for p in pair]
    if any(n != 1 for n in spread):
        name = _conv_transpose(
            graph, image, kernel, numbers, groups, strides, dilations, pads, spread
        )
        if name is None:
            shape = [x.shape[a] for a in numbers.lhs_spec]
            apart = graph.made(image, shape, x.dtype)
            for axis, step in enumerate(spread, 2):
                if step > 1:
                    apart = _spread(graph, apart, known(np.zeros((), x.dtype)), axis, step)
            image = graph.full(apart)
    else:
        name = None
    if name is None:
        if any(cropped):
            image, pads = _cropped(graph, image, pads)
        weights = _kernel(graph, kernel, numbers.rhs_spec)
        ends = [*(a for a, _ in pads), *(b for _, b in pads)]
        attributes: Any = {
            "strides": strides,
            "dilations": dilations,
            "pads": ends,
            "group": groups,
        }
        name = graph.add(
            "Conv", [image, weights], kernel_shape=[int(n) for n in sizes], **attributes
        )
    order = [list(numbers.out_spec).index(a) for a in range(len(numbers.out_spec))]
    return graph.made(_transposed(graph, name, order), outs[0].shape, outs[0].dtype)


def _cropped(graph: Graph, image: str, pads: list[tuple[int, int]]) -> tuple[str, Any]:
    starts = [max(-a, 0) for a, _ in pads]
    ends = [-max(-b, 0) or 2**31 for _, b in pads]
    axes = range(2, 2 + len(pads))
    image = graph.add("Slice", [image, *map(graph.ints, (starts, ends, axes))])
    return image, [(max(a, 0), max(b, 0)) for a, b in pads]


def _kernel(graph: Graph, kernel: Value, spec: Sequence[int]) -> str:
    if kernel.is_known:
        return graph.constant(np.transpose(kernel.array, spec), "kernel")  # type: ignore[arg-type]
    return _transposed(graph, graph.full(kernel), spec)


def _conv_transpose(
    graph: Graph, image: str, kernel: Value, numbers: Any, groups: int,
    strides: Any, dilations: Any, pads: Any, spread: Any,
) -> str | None:  # fmt: skip
    """Adds the transpose of a convolution, if it is one; returns its output."""
    if not kernel.is_known or any(n != 1 for n in strides):
        return None
    array = np.transpose(kernel.array, numbers.rhs_spec)  # type: ignore[arg-type]
    reach = [(n - 1) * d for n, d in zip(array.shape[2:], dilations, strict=True)]
    low = [r - a for r, (a, _) in zip(reach, pads, strict=True)]
    high = [r - b for r, (_, b) in zip(reach, pads, strict=True)]
    more = [max(-n, 0) for n in high]
    if min(low) < 0 or any(m >= s for m, s in zip(more, spread, strict=True)):
        return None
    outputs, inputs = array.shape[:2]
    array = array.reshape(groups, outputs // groups, *array.shape[1:]).swapaxes(1, 2)
    array = array.reshape(groups * inputs, outputs // groups, *array.shape[3:])
    array = np.flip(array, tuple(range(2, array.ndim)))
    return graph.add(
        "ConvTranspose",
        [image, graph.constant(array, "kernel")],
        strides=spread,
        dilations=dilations,
        group=groups,
        kernel_shape=list(array.shape[2:]),
        pads=[*low, *(max(n, 0) for n in high)],
        output_padding=more,
    )


# ------------------------------------------------------------------ windows
def _pooled(graph: Graph, operator: str, x: Value, params: Any, out: Any, **more: Any) -> str:
    rank = len(x.shape)
    window, strides, steps = (
        [int(n) for n in params[k]]
        for k in ("window_dimensions", "window_strides", "window_dilation")
    )
    if any(int(n) != 1 for n in params["base_dilation"]):
        raise Unsupported("Pooling of what has gaps has no counterpart in ONNX")
    pads = [(int(a), int(b)) for a, b in params["padding"]]
    still = [i for i in range(rank) if window[i] == strides[i] == 1 and pads[i] == (0, 0)]
    if len(still) < 2 or rank < 3:
        raise Unsupported("Pooling over the batch or the channels has no counterpart in ONNX here")
    kept = [still[0], still[-1]]
    space = [i for i in range(rank) if i not in kept]
    order = [*kept, *space]
    if any(n != 1 for n in steps):
        more["dilations"] = [steps[i] for i in space]
    name = graph.add(
        operator,
        [_transposed(graph, graph.full(x), order)],
        kernel_shape=[window[i] for i in space],
        strides=[strides[i] for i in space],
        pads=[*(pads[i][0] for i in space), *(pads[i][1] for i in space)],
        **more,
    )
    return _transposed(graph, name, [order.index(a) for a in range(rank)])


@converts("reduce_window_max")
def _max_pool(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    name = _pooled(graph, "MaxPool", inputs[0], params, outs[0])
    return graph.made(name, outs[0].shape, outs[0].dtype)


@converts("reduce_window_sum")
def _sum_pool(graph: Graph, inputs: Any, params: Any, outs: Any) -> Value:
    if any(int(n) != 1 for n in params["window_dilation"]):
        raise Unsupported("Sums over windows with gaps have no counterpart in ONNX")
    means = _pooled(graph, "AveragePool", inputs[0], params, outs[0], count_include_pad=1)
    count = _number(inputs[0], math.prod(map(int, params["window_dimensions"])))
    means_value = graph.made(means, outs[0].shape, outs[0].dtype)
    return _elementwise(graph, "Mul", [means_value, count], outs[0])


# ------------------------------------------------------------------ loops and branches
def _body(graph: Graph, name: str, inputs: Sequence[tuple[str, Any]], outputs: Any) -> Any:
    """Returns the graph of a loop or branch."""
    make = graph.onnx.helper.make_tensor_value_info
    infos = [
        [make(n, graph.type_of(x.dtype), _as_sizes(x.shape)) for n, x in part]
        for part in (inputs, outputs)
    ]
    return graph.onnx.helper.make_graph(graph.nodes, graph.name(name), *infos)


def _as_sizes(shape: Any) -> list[Any]:
    return [int(n) if _is_static([n]) else str(n) for n in shape]


def _named_outputs(inner: Graph, values: Sequence[Value]) -> list[tuple[str, Any]]:
    return [(inner.add("Identity", [inner.full(v)]), v) for v in values]


def _parameters(inner: Graph, avals: Sequence[Any], hint: str) -> tuple[list[Value], Any]:
    values = [inner.made(inner.name(hint), a.shape, a.dtype) for a in avals]
    return values, [(v.name, v) for v in values]


def _settled(graph: Graph, values: Sequence[Value]) -> list[Value]:
    """Returns values that loops read from around them, each in its own shape."""
    return [v if v.is_known else graph.whole(v) for v in values]


@converts("scan")
def _scan(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    closed, carried = params["jaxpr"], params["num_carry"]
    constants, rest = inputs[: params["num_consts"]], inputs[params["num_consts"] :]
    states, sequences = rest[:carried], rest[carried:]
    names = [graph.full(v) for v in [*states, *sequences]]
    inner = Graph(graph)
    avals = closed.in_avals[params["num_consts"] :]
    values, parameters = _parameters(inner, avals, "step")
    results = inner.run(closed.jaxpr, closed.consts, [*_settled(graph, constants), *values])
    if not sequences:  # a loop over nothing but a count
        numbers = np.arange(int(params["length"]), dtype=np.int64)
        names.append(graph.constant(numbers))
        parameters.append((inner.name("step"), known(np.int64(0))))
    body = _body(inner, "scan", parameters, _named_outputs(inner, results))
    directions = {}
    if params["reverse"]:
        counts = {"input": max(len(sequences), 1), "output": len(outs) - carried}
        directions = {f"scan_{k}_directions": [1] * n for k, n in counts.items() if n}
    made = graph.add(
        "Scan",
        names,
        max(len(outs), 1),
        body=body,
        num_scan_inputs=max(len(sequences), 1),
        **directions,
    )
    made = [made] if len(outs) == 1 else made
    return [graph.made(n, o.shape, o.dtype) for n, o in zip(made, outs, strict=True)]


@converts("while")
def _while(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    tests, bodies = params["cond_nconsts"], params["body_nconsts"]
    fixed = _settled(graph, inputs[: tests + bodies])
    test_fixed, body_fixed, states = fixed[:tests], fixed[tests:], inputs[tests + bodies :]
    test, body = params["cond_jaxpr"], params["body_jaxpr"]
    starts = [graph.whole(v) for v in states]
    go = graph.run(test.jaxpr, test.consts, [*test_fixed, *starts])[0]
    inner = Graph(graph)
    values, parameters = _parameters(inner, outs, "state")
    results = inner.run(body.jaxpr, body.consts, [*body_fixed, *values])
    on = inner.run(test.jaxpr, test.consts, [*test_fixed, *results])[0]
    count, before = inner.name("count"), inner.name("go")
    head = [(count, known(np.int64(0))), (before, known(np.bool_(True)))]
    loop = _body(inner, "loop", [*head, *parameters], _named_outputs(inner, [on, *results]))
    names = ["", graph.full(go), *(graph.full(v) for v in starts)]
    made = graph.add("Loop", names, len(outs), body=loop)
    made = [made] if len(outs) == 1 else made
    return [graph.made(n, o.shape, o.dtype) for n, o in zip(made, outs, strict=True)]


@converts("cond")
def _cond(graph: Graph, inputs: Any, params: Any, outs: Any) -> list[Value]:
    which, *rest = inputs
    operands = _settled(graph, rest)

    def branch(above: Graph, i: int) -> Any:
        inner = Graph(above)
        last = i == len(params["branches"]) - 1
        if last or i < 0:
            closed = params["branches"][max(i, 0)]
            results = inner.run(closed.jaxpr, closed.consts, operands)
        else:
            results = choose(inner, i)
        return _body(inner, "branch", [], _named_outputs(inner, results))

    def choose(here: Graph, i: int) -> list[Value]:
        """Takes branch `i` if it is that one, or one of those behind it."""
        number = graph.constant(np.asarray(i, which.dtype))
        is_later = here.add("Greater", [graph.small(which), number])
        inner = Graph(here)
        closed = params["branches"][i]
        own = inner.run(closed.jaxpr, closed.consts, operands)
        this = _body(inner, "branch", [], _named_outputs(inner, own))
        made = here.add(
            "If", [is_later], len(outs), then_branch=branch(here, i + 1), else_branch=this
        )
        made = [made] if len(outs) == 1 else made
        return [here.made(n, o.shape, o.dtype) for n, o in zip(made, outs, strict=True)]

    return choose(graph, 0)
