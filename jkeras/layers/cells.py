"""Cells: layers that compute one time step.

`call(inputs, states)` returns the output and the new states. The cells here split this in two:
`project`, which needs no states and can therefore be done for all time steps in one product, and
`step`, which is all that runs in the loop.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras import activations, initializers
from jkeras.base.types import ArrayLike, DTypeLike, Identifier, Seed, Shape, Structure
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.layers.arguments import (
    add_weight,
    fraction,
    next_key,
    positive_integer,
    seed_generator,
    weight_options,
)
from jkeras.ops import arrays as nn


class Cell(Layer):
    """What the cells share: weights with so many gates side by side, and dropout."""

    gates = 1
    number_of_states = 1

    @weight_options(kernel="glorot_uniform", recurrent="orthogonal", bias="zeros")
    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        **options: Any,
    ):
        super().__init__(**options)
        self.units = positive_integer(self, "units", units)
        self.activation, self.use_bias = activations.get(activation), use_bias
        self.dropout = fraction(self, "dropout", dropout)
        self.recurrent_dropout = fraction(self, "recurrent_dropout", recurrent_dropout)
        self.seed, self.seed_generator = seed, seed_generator(seed)

    @property
    def state_size(self) -> Shape:
        """The states' sizes."""
        return self.units if self.number_of_states == 1 else [self.units] * self.number_of_states

    @property
    def output_size(self) -> int:
        """The output's size."""
        return self.units

    def get_initial_state(self, batch_size: int | None = None) -> list[jax.Array]:
        """Returns states of zeros."""
        return [jnp.zeros((batch_size or 1, self.units), self.compute_dtype)] * (
            self.number_of_states
        )

    def build(self, input_shape: Shape) -> None:
        columns = self.gates * self.units
        self.kernel = add_weight(self, "kernel", (input_shape[-1], columns))
        self.recurrent_kernel = add_weight(
            self, "recurrent_kernel", (self.units, columns), options="recurrent"
        )
        self.bias = self._add_bias(columns) if self.use_bias else None

    def _add_bias(self, columns: int) -> Variable:
        return add_weight(self, "bias", (columns,))

    # The three parts of a call.
    def draw(self, input_shape: Shape, states: list, training: bool | None) -> tuple[Any, Any]:
        """Returns the factors of dropout of inputs and state: the same at all time steps."""
        return (
            self._draw(input_shape, self.dropout if training else 0.0),
            self._draw(states[0].shape, self.recurrent_dropout if training else 0.0),
        )

    def _draw(self, shape: Shape, rate: float) -> Any:
        if not rate:
            return None
        return nn.dropout(jnp.ones(shape, self.compute_dtype), rate, next_key(self))

    def project(self, inputs: ArrayLike) -> ArrayLike:
        """Returns what the inputs contribute to the gates."""
        projected = inputs @ self.kernel
        return projected if self.bias is None else projected + self.bias

    def step(self, projected: ArrayLike, states: list, factor: ArrayLike) -> tuple[Any, list]:
        """Returns output and new states; `factor` is dropout's for the state."""
        raise NotImplementedError

    def call(self, inputs: ArrayLike, states: ArrayLike, training: bool = False) -> ArrayLike:
        is_list = isinstance(states, (list, tuple))
        states = list(states) if is_list else [states]
        factors = self.draw(inputs.shape, states, training)
        projected = self.project(times(inputs, factors[0]))
        output, states = self.step(projected, states, factors[1])
        return output, states if is_list else states[0]


def times(x: ArrayLike, factor: ArrayLike) -> ArrayLike:
    """Returns the product with a factor of dropout, if there is one."""
    return x if factor is None else x * factor


class SimpleRNNCell(Cell):
    """One time step of `SimpleRNN`.

    Called as `cell(inputs, states, training=False)`, which returns the output and the new states.
    For the arguments, see `SimpleRNN`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> cell = keras.layers.SimpleRNNCell(3)
        >>> output, states = cell(np.ones((2, 4)), cell.get_initial_state(2))
        >>> output.shape
        (2, 3)
    """

    def step(self, projected: ArrayLike, states: list, factor: ArrayLike) -> tuple[Any, list]:
        outputs = self.activation(projected + times(states[0], factor) @ self.recurrent_kernel)
        return outputs, [outputs]


class LSTMCell(Cell):
    """One time step of `LSTM`; its states are the output and the memory.

    Called as `cell(inputs, states, training=False)`, which returns the output and the new states.
    For the arguments, see `LSTM`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> cell = keras.layers.LSTMCell(3)
        >>> output, (output, memory) = cell(np.ones((2, 4)), cell.get_initial_state(2))
        >>> memory.shape
        (2, 3)
    """

    gates, number_of_states = 4, 2
    channel_axis = -1
    bias_initializer: Any

    @weight_options(keep=False, kernel="glorot_uniform", recurrent="orthogonal", bias="zeros")
    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        **options: Any,
    ):
        drops: Any = {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
        super().__init__(units, activation, use_bias, seed=seed, **drops, **options)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def _add_bias(self, columns: int) -> Variable:
        if not self.unit_forget_bias:
            return super()._add_bias(columns)
        initializer = _ForgetBias(self.bias_initializer)
        return add_weight(self, "bias", (columns,), initializer=initializer)

    def step(self, projected: ArrayLike, states: list, factor: ArrayLike) -> tuple[Any, list]:
        output, memory = states
        gates = projected + self.recur(times(output, factor))
        i, f, c, o = jnp.split(gates, 4, axis=self.channel_axis)
        activate, gate = self.activation, self.recurrent_activation
        memory = gate(f) * memory + gate(i) * activate(c)
        output = gate(o) * activate(memory)
        return output, [output, memory]

    def recur(self, output: ArrayLike) -> ArrayLike:
        """Returns what the last output contributes to the gates."""
        return output @ self.recurrent_kernel


class _ForgetBias(initializers.Initializer):
    """Ones for the forget gate, the second of four (Jozefowicz et al., 2015); else as told."""

    def __init__(self, initializer: Identifier):
        self.initializer = initializer

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        units = shape[-1] // 4
        sizes = [(*shape[:-1], units), (*shape[:-1], 2 * units)]  # before the forget gate, after
        keys = jax.random.split(key)
        first, rest = (
            initializers.draw(self.initializer, size, dtype, k)
            for size, k in zip(sizes, keys, strict=True)
        )
        return jnp.concatenate([first, jnp.ones(sizes[0], dtype), rest], axis=-1)


class GRUCell(Cell):
    """One time step of `GRU`.

    Called as `cell(inputs, states, training=False)`, which returns the output and the new states.
    For the arguments, see `GRU`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> cell = keras.layers.GRUCell(3)
        >>> output, states = cell(np.ones((2, 4)), cell.get_initial_state(2))
        >>> output.shape
        (2, 3)
    """

    gates = 3

    @takes_arguments_of(Cell.__init__)
    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        *,
        reset_after: bool = True,
        seed: Seed = None,
        **options: Any,
    ):
        super().__init__(units, activation, seed=seed, **options)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _add_bias(self, columns: int) -> Variable:
        # One row for the inputs' product; with reset_after, one for the state's as well.
        return add_weight(self, "bias", (2, columns) if self.reset_after else (columns,))

    def project(self, inputs: ArrayLike) -> ArrayLike:
        projected = inputs @ self.kernel
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if self.reset_after else self.bias)

    def step(self, projected: ArrayLike, states: list, factor: ArrayLike) -> tuple[Any, list]:
        state, kernel = states[0], self.recurrent_kernel.value
        dropped = times(state, factor)
        update, reset, candidate = jnp.split(projected, 3, axis=-1)
        if self.reset_after:
            product = dropped @ kernel
            if self.bias is not None:
                product = product + self.bias[1]
            of_update, of_reset, of_candidate = jnp.split(product, 3, axis=-1)
            reset = self.recurrent_activation(reset + of_reset)
            candidate = self.activation(candidate + reset * of_candidate)
        else:
            product = dropped @ kernel[:, : 2 * self.units]
            of_update, of_reset = jnp.split(product, 2, axis=-1)
            reset = self.recurrent_activation(reset + of_reset)
            candidate = self.activation(candidate + (reset * dropped) @ kernel[:, 2 * self.units :])
        update = self.recurrent_activation(update + of_update)
        output = update * state + (1 - update) * candidate
        return output, [output]


class StackedRNNCells(Layer):
    """Several cells as one: each runs on the output of the one before.

    Args:
        cells: The cells.

    Raises:
        ValueError: If one is not a cell.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> cell = keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)])
        >>> keras.layers.RNN(cell)(np.ones((2, 5, 7))).shape
        (2, 3)
    """

    def __init__(self, cells: Sequence[Layer], **kwargs: Any):
        super().__init__(**kwargs)
        if not isinstance(cells, (list, tuple)) or not cells:
            raise ValueError(
                "`cells` must be a list of at least one RNN cell. "
                f"Received: cells={cells!r} (layer {self.name!r})"
            )
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError(
                    "All cells must have a `call` method. Received cell without a `call` method: "
                    f"{cell!r}"
                )
            check_state_size(cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list:
        """The states' sizes, a list for each cell that has several."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Shape:
        """The last output's size."""
        return output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns the states of all cells, a list for each."""
        return [initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            cell.build(input_shape)
            input_shape = (input_shape[0], output_size(cell))

    def draw(self, input_shape: Shape, states: list, training: bool | None) -> tuple[Any, Any]:
        """Returns the first cell's factor of dropout, and what `step` needs of all cells."""
        factors: list[Any] = []
        for cell, state in zip(self.cells, states, strict=True):
            splits = isinstance(cell, Cell)
            factors.append(cell.draw(input_shape, state, training) if splits else training)
            input_shape = (input_shape[0], output_size(cell))
        return (factors[0][0] if isinstance(self.cells[0], Cell) else None), factors

    def project(self, inputs: ArrayLike) -> ArrayLike:
        """Returns what the inputs contribute to the first cell's gates."""
        first = self.cells[0]
        return first.project(inputs) if isinstance(first, Cell) else inputs

    def step(self, projected: ArrayLike, states: list, factors: list) -> tuple[Any, list]:
        """Returns the last cell's output, and the new states of all."""
        x, new_states = projected, []
        for i, (cell, state, factor) in enumerate(zip(self.cells, states, factors, strict=True)):
            if isinstance(cell, Cell):
                if i > 0:
                    x = cell.project(times(x, factor[0]))
                x, state = cell.step(x, state, factor[1])
            else:
                x, new = cell(x, as_list(state), **training_argument(cell, factor))
                state = as_list(new) if isinstance(state, (list, tuple)) else as_list(new)[0]
            new_states.append(state)
        return x, new_states

    def call(self, inputs: ArrayLike, states: ArrayLike, training: bool = False) -> ArrayLike:
        pairs = zip(self.cells, states, strict=True)
        states = [as_list(s) if isinstance(cell, Cell) else s for cell, s in pairs]
        factor, factors = self.draw(inputs.shape, states, training)
        return self.step(self.project(times(inputs, factor)), states, factors)


def as_list(states: Structure) -> list:
    """Returns states as a list."""
    return list(states) if isinstance(states, (list, tuple)) else [states]


def training_argument(cell: Layer, training: bool | None) -> dict[str, Any]:
    """Returns `training` by name, if the cell takes it."""
    return {"training": training} if cell._signature.takes_training else {}


def check_state_size(cell: Any) -> None:
    """Refuses a cell that does not say how large its states are."""
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of "
            f"integers, one integer per RNN state). Received: cell={cell!r}"
        )


def output_size(cell: Any) -> Shape:
    """Returns the size of a cell's output."""
    size = getattr(cell, "output_size", None)
    return jax.tree.leaves(cell.state_size)[0] if size is None else size


def initial_state(cell: Any, batch_size: int | None, dtype: DTypeLike) -> Structure:
    """Returns the states that a cell begins with: a list, or the state of a cell with one."""
    if hasattr(cell, "get_initial_state"):
        return cell.get_initial_state(batch_size=batch_size)
    zeros = [jnp.zeros((batch_size or 1, n), dtype) for n in as_list(cell.state_size)]
    return zeros if isinstance(cell.state_size, (list, tuple)) else zeros[0]
