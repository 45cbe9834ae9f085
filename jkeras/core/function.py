"""A piece of a graph as a function."""

from typing import Any

import jax

from jkeras.base import naming
from jkeras.base.types import Shape, Structure
from jkeras.core import graph, shapes


class Function:
    """What leads from some symbolic tensors to others, as a function of arrays.

    It is a functional model without a layer's ways: it has no name among layers and no weights of
    its own; the layers in it keep theirs.

    Args:
        inputs: A symbolic tensor, or a structure of them.
        outputs: The same, computed from the inputs.
        name: The name.

    Raises:
        ValueError: If there are no inputs, or an output does not follow from them.

    Example:
        >>> import jkeras as keras
        >>> x = keras.KerasTensor((None, 2))
        >>> double = keras.Function(x, x * 2)
        >>> double(keras.ops.ones((1, 2))).tolist(), double.compute_output_shape((5, 2))
        ([[2.0, 2.0]], (5, 2))
    """

    def __init__(self, inputs: Structure, outputs: Structure, name: str | None = None):
        self._graph = graph.trace(inputs, outputs)
        self.name = name or naming.to_snake_case(type(self).__name__)

    @property
    def inputs(self) -> list[graph.SymbolicTensor]:
        """The inputs, in order."""
        return graph.symbols(self._graph.inputs)

    @property
    def outputs(self) -> list[graph.SymbolicTensor]:
        """The outputs, in order."""
        return graph.symbols(self._graph.outputs)

    @property
    def operations(self) -> list[Any]:
        """Layers and operations between inputs and outputs, each once."""
        return list(self._graph.operations)

    def __call__(self, inputs: Structure) -> Structure:
        """Computes the outputs; of symbolic tensors, symbolic ones.

        Raises:
            ValueError: If the inputs are others than the function was made for.
        """
        expected = self.inputs
        leaves = jax.tree.leaves(inputs)
        if len(leaves) != len(expected):
            raise ValueError(
                f"{self!r} was passed an invalid input structure: it takes {len(expected)} inputs, "
                f"got {len(leaves)}."
            )
        for x, symbol in zip(leaves, expected, strict=True):
            shape = tuple(getattr(x, "shape", symbol.shape))
            if len(shape) != len(symbol.shape) or any(
                None not in (n, m) and n != m for n, m in zip(shape, symbol.shape, strict=True)
            ):
                raise ValueError(
                    f"{self!r} was passed incompatible inputs. For input {symbol.name!r}, expected "
                    f"shape {symbol.shape}, but received {shape}."
                )
        if graph.symbols(inputs):
            return graph.record(self._graph.run, (inputs,), {}, self.name)
        return self._graph.run(inputs)

    def compute_output_spec(self, inputs: Structure) -> Structure:
        """Returns what the outputs are for symbolic inputs."""
        return graph.abstract(self._graph.run, (inputs,), {})

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Returns the outputs' shapes for the inputs' shapes, in the structure of the inputs."""
        dtypes = iter(x.dtype for x in self.inputs)
        symbols = jax.tree.map(
            lambda shape: graph.SymbolicTensor(shape, next(dtypes)),
            input_shape,
            is_leaf=shapes.is_shape,
        )
        outputs = self.compute_output_spec(symbols)
        return jax.tree.map(lambda x: x.shape, outputs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"
