"""The graph of a call that does not record itself, read off its traced program.

Each operation of a jaxpr knows in which layer's call it was made. What a layer does is one node;
what is done between layers is a node each, such as `sin`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax

from jkeras.core import graph, pure
from jkeras.core.graph import SymbolicTensor

# The batch where a call refuses a symbolic one: a size that nothing else is likely to have.
_TRIAL_BATCH = 37
# What changes neither numbers nor what they mean, and would only crowd a picture.
_SILENT = ("convert_element_type", "broadcast_in_dim", "copy", "copy_p", "stop_gradient")


def _is_literal(value: Any) -> bool:
    from jax.extend.core import Literal  # which imports Pallas

    return isinstance(value, Literal)


class _Node:
    """A call of a layer, or an operation between layers."""

    def __init__(self, maker: Any):
        self.maker = maker
        self.takes: dict[Any, None] = {}  # values, in order
        self.gives: dict[Any, None] = {}
        self.last: Any = None


def trace(model: Any, inputs: dict[str, Any]) -> graph.Graph:
    """Returns the graph of what a model computes in inference.

    Args:
        model: The model, built.
        inputs: What it is called on, by the arguments' names: structures of symbolic inputs.
    """
    variables = pure.read(model)

    def call(variables: Any, arrays: dict[str, Any]) -> Any:
        return pure.apply(model, variables, **arrays, rng=jax.random.key(0))[0]

    try:
        batch = jax.export.symbolic_shape("b", constraints=["b >= 2"])[0]
        closed, outputs = _make(call, variables, inputs, batch)
    except Exception:  # it refuses symbols, or is wrong: then it fails at numbers as well
        closed, outputs = _make(call, variables, inputs, _TRIAL_BATCH)
    jaxpr = closed.jaxpr
    reader = _Reader({layer.name: layer for layer in model.layers}, model.name)
    begins = jaxpr.invars[len(jaxpr.invars) - len(graph.symbols(inputs)) :]
    for var in begins:
        reader.made[var] = None
    ends = [reader.resolve(v) for v in reader.visit(jaxpr)]
    return _as_graph(reader, begins, inputs, ends, outputs)


def _make(call: Any, variables: Any, inputs: Any, batch: Any) -> Any:
    def struct(x: SymbolicTensor) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct([batch if n is None else n for n in x.shape], x.dtype)

    given = jax.tree.map(struct, inputs)
    return jax.make_jaxpr(call, return_shape=True)(variables, given)


class _Reader:
    """Goes through a jaxpr, and notes which node makes each value.

    Args:
        layers: The layers that are nodes, by name.
        root: The name of the model.
    """

    def __init__(self, layers: Mapping[str, Any], root: str):
        self._layers, self._root = layers, root
        self.nodes: list[_Node] = []
        self.made: dict[Any, _Node | None] = {}  # None: an input; weights are not in it
        self._same: dict[Any, Any] = {}  # values that are others, unchanged

    def resolve(self, value: Any) -> Any:
        """Returns the value that a value is."""
        while not _is_literal(value) and value in self._same:
            value = self._same[value]
        return value

    def visit(self, jaxpr: Any, outside: str = "") -> list[Any]:
        """Reads the equations; returns what the jaxpr gives."""
        for equation in jaxpr.eqns:
            stack = f"{outside}/{equation.source_info.name_stack}"
            given = [self.resolve(v) for v in equation.invars]
            given = [v for v in given if not _is_literal(v) and v in self.made]
            layer = self._layer_of(stack)
            inner = next(_jaxprs(equation), None)
            if layer is None and inner is not None and self._has_layers(inner):
                self._visit_inner(equation, inner, stack)
            elif given and layer is None and equation.primitive.name in _SILENT:
                self._same[equation.outvars[0]] = given[0]
            elif given:
                self._add(equation, layer, given)
        return list(jaxpr.outvars)

    def _visit_inner(self, equation: Any, inner: Any, stack: str) -> None:
        outer = equation.invars[len(equation.invars) - len(inner.invars) :]
        self._same.update(zip(inner.invars, outer, strict=True))
        ends = self.visit(inner, stack)
        self._same.update(zip(equation.outvars, ends, strict=False))

    def _layer_of(self, stack: str) -> Any:
        parts = stack.split("/")
        return next((self._layers[p] for p in parts if p in self._layers), None)

    def _has_layers(self, jaxpr: Any) -> bool:
        return any(
            self._layer_of(str(e.source_info.name_stack)) is not None
            or any(map(self._has_layers, _jaxprs(e)))
            for e in jaxpr.eqns
        )

    def _add(self, equation: Any, layer: Any, given: list[Any]) -> None:
        # A new call of a layer begins where its inputs do not come from itself.
        own = [self.made[v] for v in given]
        node = next((n for n in own if layer is not None and n and n.maker is layer), None)
        if node is None and layer is not None and self.nodes and self.nodes[-1].maker is layer:
            node = self.nodes[-1]
        if node is None:
            maker = graph.NamedFunction(_unknown, _name(equation)) if layer is None else layer
            node = _Node(maker)
            self.nodes.append(node)
        for value in given:
            source = self.made[value]
            if source is not node:
                node.takes[value] = None
                if source is not None:
                    source.gives[value] = None
        for var in equation.outvars:
            self.made[var] = node
            node.last = var


def _name(equation: Any) -> str:
    inner = next(_jaxprs(equation), None)
    if "name" not in equation.params and inner is not None and len(inner.eqns) == 1:
        return _name(inner.eqns[0])
    return str(equation.params.get("name") or equation.primitive.name).strip("_")


def _unknown(*_: Any) -> Any:
    raise NotImplementedError("This operation was seen in a program: it is not to be run.")


def _jaxprs(equation: Any) -> Iterator[Any]:
    for name in ("jaxpr", "call_jaxpr"):
        inner = equation.params.get(name)
        if inner is not None:
            yield getattr(inner, "jaxpr", inner)


def _as_graph(
    reader: _Reader, begins: list[Any], inputs: dict[str, Any], ends: list[Any], outputs: Any
) -> graph.Graph:
    begin = next(iter(inputs.values())) if len(inputs) == 1 else inputs
    known: dict[Any, Any] = dict(zip(begins, graph.symbols(inputs), strict=True))
    for value in ends:
        node = None if _is_literal(value) else reader.made.get(value)
        if node is not None:
            node.gives[value] = None
    calls = []
    for node in reader.nodes:
        call = graph.Call(node.maker, tuple(known[v] for v in node.takes), {})
        given = list(node.gives) or [node.last]
        made = [SymbolicTensor(_shape(v.aval), v.aval.dtype, source=call) for v in given]
        known.update(zip(given, made, strict=True))
        call.outputs = made[0] if len(made) == 1 else made
        calls.append(call)
    layers = [x.source.layer for x in graph.symbols(inputs) if x.source is not None]
    operations = tuple(dict.fromkeys([*layers, *(call.layer for call in calls)]))
    # An output that follows from no input is left out.
    found = [None if _is_literal(v) else known.get(v) for v in ends]
    structure = jax.tree.structure(outputs)
    return graph.Graph(
        begin, jax.tree.unflatten(structure, found), tuple(calls), operations, recorded=True
    )


def _shape(aval: Any) -> tuple[int | None, ...]:
    sizes = [n if isinstance(n, int) else None for n in aval.shape]
    if sizes and sizes[0] == _TRIAL_BATCH:
        sizes[0] = None
    return tuple(sizes)
