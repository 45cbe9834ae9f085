"""What a model's computation costs: of each layer by itself, and of the whole program."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.naming import nearest
from jkeras.base.types import AnyModel, Structure
from jkeras.core import graph, pure
from jkeras.core.graph import SymbolicTensor
from jkeras.core.layer import Layer
from jkeras.core.shapes import is_shape

_RUNS = 5
# Where the size of the batch is not known.
_BATCH_SIZE = 32
_STAGES = ("jaxpr", "stablehlo", "hlo")


class Cost(NamedTuple):
    """What one call costs.

    Attributes:
        flops: Floating-point operations, as XLA counts them.
        bytes: Bytes read and written, as XLA counts them.
        seconds: The shortest of several runs.
    """

    flops: float
    bytes: float
    seconds: float


def of_layers(found: graph.Graph, batch_size: int) -> dict[int, Cost]:
    """Measures the layers and operations of a graph, each compiled and run by itself.

    Args:
        found: The graph.
        batch_size: The batch; other axes of unknown size are as long.

    Returns:
        Costs by the ids of layers: sums over their calls. What cannot run by itself has none.
    """
    costs: dict[int, Cost] = {}
    for call in found.calls:
        try:
            one = _of_call(call, batch_size)
        except Exception:  # an operation that was seen in a program, or of strings
            continue
        before = costs.get(id(call.layer), Cost(0.0, 0.0, 0.0))
        costs[id(call.layer)] = Cost(*(a + b for a, b in zip(before, one, strict=True)))
    return costs


def _of_call(call: graph.Call, batch_size: int) -> Cost:
    given = {id(x): x for x in call.inputs}
    inputs = [x for x in given.values() if not isinstance(x, graph.SymbolicSize)]
    sizes = {
        key: x.filled(lambda x: _data(x, batch_size).shape)
        for key, x in given.items()
        if isinstance(x, graph.SymbolicSize)
    }

    def filled(arrays: Any) -> Any:
        known = {**dict(zip(map(id, inputs), arrays, strict=True)), **sizes}
        return graph.replace((call.args, call.kwargs), known)

    arrays = [_data(x, batch_size) for x in inputs]
    if not isinstance(call.layer, Layer):

        def compute(_: Any, arrays: Any) -> Any:
            args, kwargs = filled(arrays)
            return call.layer(*args, **kwargs)

        return _measure(compute, (), arrays)
    layer = call.layer

    def apply(variables: Any, arrays: Any) -> Any:
        args, kwargs = filled(arrays)
        return pure.apply(layer, variables, *args, **kwargs, rng=_key)[0]

    return _measure(apply, pure.read(layer), arrays)


def of_model(model: AnyModel, batch_size: int) -> Cost | None:
    """Measures a whole model: one program, in which XLA has joined the layers.

    Returns:
        None if nothing tells what it is called on, or it takes strings, or runs layers on the host.
    """
    specs = model.call_specs()
    if not specs or model.on_host:
        return None
    inputs = jax.tree.map(lambda x: _data(x, batch_size), specs)

    def apply(variables: Any, inputs: Any) -> Any:
        return pure.apply(model, variables, **inputs, rng=_key)[0]

    return _measure(apply, pure.read(model), inputs)


def _key() -> jax.Array:
    return jax.random.key(0)  # made if anything is drawn


def _data(x: SymbolicTensor, batch_size: int) -> np.ndarray:
    shape = [batch_size if n is None else n for n in x.shape]
    if "float" in x.dtype:
        return np.random.default_rng(0).normal(size=shape).astype(jnp.dtype(x.dtype))
    return np.zeros(shape, jnp.dtype(x.dtype))


def _measure(function: Callable, *args: Any) -> Cost:
    compiled = jax.jit(function).lower(*args).compile()
    args = jax.device_put(args)
    jax.block_until_ready(compiled(*args))
    seconds = []
    for _ in range(_RUNS):
        begin = time.perf_counter()
        jax.block_until_ready(compiled(*args))
        seconds.append(time.perf_counter() - begin)
    counted = _counted(compiled)
    return Cost(counted.get("flops", 0.0), counted.get("bytes accessed", 0.0), min(seconds))


def _counted(compiled: Any) -> Mapping[str, float]:
    found = compiled.cost_analysis() or {}
    found = found[0] if isinstance(found, (list, tuple)) else found
    return {k: max(float(v), 0.0) for k, v in found.items()}


# ------------------------------------------------------------------ the program
class Program:
    """What a model's call becomes: the text of a stage, and what it costs.

    Args:
        function: A function of arrays.
        args: What it is called on: arrays, or `jax.ShapeDtypeStruct`s.
        stage: What `str` shows.

    Attributes:
        stage: `"jaxpr"`, `"stablehlo"` or `"hlo"`.
    """

    def __init__(self, function: Callable, args: tuple, stage: str):
        self.stage = stage
        self._traced = jax.jit(function).trace(*args)
        self._lowered: Any = None
        self._compiled: Any = None

    def _lower(self) -> Any:
        if self._lowered is None:
            self._lowered = self._traced.lower()
        return self._lowered

    def _compile(self) -> Any:
        if self._compiled is None:
            self._compiled = self._lower().compile()
        return self._compiled

    @property
    def jaxpr(self) -> str:
        """JAX's program: what was traced."""
        return str(self._traced.jaxpr)

    @property
    def stablehlo(self) -> str:
        """What is handed to the compiler, for any device."""
        return self._lower().as_text()

    @property
    def hlo(self) -> str:
        """What the compiler has made of it, for this device."""
        return self._compile().as_text()

    @property
    def cost(self) -> dict[str, float]:
        """The floating-point operations, and the bytes read and written, as XLA counts them."""
        counted = _counted(self._compile())
        return {
            "flops": counted.get("flops", 0.0),
            "transcendentals": counted.get("transcendentals", 0.0),
            "bytes": counted.get("bytes accessed", 0.0),
        }

    @property
    def memory(self) -> dict[str, int]:
        """The bytes of arguments, of outputs, of what is kept between, and of the code."""
        found = self._compile().memory_analysis()
        names = ("argument", "output", "temp", "generated_code")
        return {name: int(getattr(found, f"{name}_size_in_bytes", 0)) for name in names}

    def __str__(self) -> str:
        return getattr(self, self.stage)

    def __repr__(self) -> str:
        cost = ", ".join(f"{k}={v:,.0f}" for k, v in self.cost.items())
        memory = ", ".join(f"{k}={v:,}" for k, v in self.memory.items())
        return f"<Program cost: {cost}; memory in bytes: {memory}; print it for its {self.stage}>"


def program(
    self: AnyModel, x: Structure = None, stage: str = "stablehlo", training: bool = False
) -> Program:
    """Returns the program that the model's call becomes, with what it costs.

    Args:
        x: The inputs: a batch of arrays, `jax.ShapeDtypeStruct`s, or shapes of arrays such as
            `(32, 8)`; batches of 32 samples by default, if the model is built.
        stage: What printing it shows: `"jaxpr"`, JAX's program; `"stablehlo"`, what the compiler
            gets; `"hlo"`, what it has made of that for this device.
        training: Whether the call is that of training; without gradients all the same.

    Returns:
        An object with the texts `jaxpr`, `stablehlo` and `hlo`; `cost` has operations and bytes,
        `memory` has bytes.

    Raises:
        ValueError: If the stage is unknown, nothing tells what the model is called on, or it takes
            strings or runs layers on the host.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2, use_bias=False)])
        >>> program = model.program((32, 8))
        >>> "stablehlo.dot_general" in str(program)
        True
        >>> program.cost["flops"]  # 32 * 8 * 2 products, and as many sums
        1024.0
    """
    if stage not in _STAGES:
        raise ValueError(f"Unknown stage {stage!r}{nearest(stage, _STAGES)}: one of {_STAGES}.")
    if self.on_host:
        raise ValueError(
            f"The model {self.name!r} takes strings, or runs layers on the host, which no program "
            "of XLA does. Look at the model that begins behind these layers."
        )
    if x is None:
        specs = self.call_specs()
        if not specs:
            raise ValueError(
                f"The model {self.name!r} was not called yet: pass a batch of inputs, or a shape."
            )
        named = jax.tree.map(lambda s: _struct(s, _BATCH_SIZE), specs)
    else:
        inputs = jax.tree.map(_as_struct, x, is_leaf=is_shape)
        pure.ensure_built(self, inputs)
        named = {self._signature.names[0]: inputs}

    def apply(variables: Any, named: Any) -> Any:
        return pure.apply(self, variables, **named, training=training, rng=_key)[0]

    return Program(apply, (pure.read(self), named), stage)


def _struct(x: SymbolicTensor, batch_size: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct([batch_size if n is None else n for n in x.shape], x.dtype)


def _as_struct(x: Any) -> jax.ShapeDtypeStruct:
    if is_shape(x):
        return _struct(SymbolicTensor(x, "float32"), _BATCH_SIZE)
    return jax.ShapeDtypeStruct(x.shape, jax.dtypes.canonicalize_dtype(x.dtype))
