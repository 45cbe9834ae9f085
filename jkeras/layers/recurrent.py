"""Recurrent layers: one loop over time for all cells.

A cell is a layer that computes one time step: `call(inputs, states)` returns the output and the new
states. The cells here split this in two: `project`, which needs no states and is therefore done for
all time steps in one product, and `step`, which is all that runs in the loop.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from jkeras import activations, initializers
from jkeras.base import naming
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.layers.arguments import (
    RecurrentOptions,
    add_weight,
    next_key,
    positive_integer,
    seed_generator,
    takes_weight_options,
)
from jkeras.ops import arrays as nn


# ------------------------------------------------------------------ cells
class _Cell(Layer):
    """What the cells share: weights with so many gates side by side, and dropout."""

    gates = 1
    number_of_states = 1

    @takes_weight_options("kernel", "recurrent", "bias")
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        **options: Any,
    ):
        super().__init__(**options)
        self.units = positive_integer(self, "units", units)
        self.activation, self.use_bias = activations.get(activation), use_bias
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed, self.seed_generator = seed, seed_generator(seed)

    @property
    def state_size(self) -> Any:
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

    def build(self, input_shape: Any) -> None:
        columns = self.gates * self.units
        self.kernel = add_weight(self, "kernel", (input_shape[-1], columns))
        self.recurrent_kernel = add_weight(
            self, "recurrent_kernel", (self.units, columns), options="recurrent"
        )
        self.bias = self._add_bias(columns) if self.use_bias else None

    def _add_bias(self, columns: int) -> Variable:
        return add_weight(self, "bias", (columns,))

    # The three parts of a call.
    def draw(self, input_shape: Any, states: list, training: Any) -> tuple[Any, Any]:
        """Returns the factors of dropout of inputs and state: the same at all time steps."""
        return (
            self._draw(input_shape, self.dropout if training else 0.0),
            self._draw(states[0].shape, self.recurrent_dropout if training else 0.0),
        )

    def _draw(self, shape: Any, rate: float) -> Any:
        if not rate:
            return None
        return nn.dropout(jnp.ones(shape, self.compute_dtype), rate, next_key(self))

    def project(self, inputs: Any) -> Any:
        """Returns what the inputs contribute to the gates."""
        projected = inputs @ self.kernel
        return projected if self.bias is None else projected + self.bias

    def step(self, projected: Any, states: list, factor: Any) -> tuple[Any, list]:
        """Returns output and new states; `factor` is dropout's for the state."""
        raise NotImplementedError

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        is_list = isinstance(states, (list, tuple))
        states = list(states) if is_list else [states]
        factors = self.draw(inputs.shape, states, training)
        projected = self.project(_times(inputs, factors[0]))
        output, states = self.step(projected, states, factors[1])
        return output, states if is_list else states[0]


def _times(x: Any, factor: Any) -> Any:
    return x if factor is None else x * factor


class SimpleRNNCell(_Cell):
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

    def step(self, projected: Any, states: list, factor: Any) -> tuple[Any, list]:
        outputs = self.activation(projected + _times(states[0], factor) @ self.recurrent_kernel)
        return outputs, [outputs]


class LSTMCell(_Cell):
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

    @takes_weight_options("kernel", "recurrent", "bias")
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
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

    def step(self, projected: Any, states: list, factor: Any) -> tuple[Any, list]:
        output, memory = states
        gates = projected + self.recur(_times(output, factor))
        i, f, c, o = jnp.split(gates, 4, axis=self.channel_axis)
        activate, gate = self.activation, self.recurrent_activation
        memory = gate(f) * memory + gate(i) * activate(c)
        output = gate(o) * activate(memory)
        return output, [output, memory]

    def recur(self, output: Any) -> Any:
        """Returns what the last output contributes to the gates."""
        return output @ self.recurrent_kernel


class _ForgetBias(initializers.Initializer):
    """Ones for the forget gate, the second of four (Jozefowicz et al., 2015); else as told."""

    def __init__(self, initializer: Any):
        self.initializer = initializer

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
        bias = initializers.draw(self.initializer, shape, dtype, key)
        quarter = shape[-1] // 4
        return jnp.asarray(bias, dtype).at[quarter : 2 * quarter].set(1)


class GRUCell(_Cell):
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

    @takes_arguments_of(_Cell.__init__)
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = True,
        seed: Any = None,
        **options: Any,
    ):
        super().__init__(units, activation, seed=seed, **options)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after

    def _add_bias(self, columns: int) -> Variable:
        # One row for the inputs' product; with reset_after, one for the state's as well.
        return add_weight(self, "bias", (2, columns) if self.reset_after else (columns,))

    def project(self, inputs: Any) -> Any:
        projected = inputs @ self.kernel
        if self.bias is None:
            return projected
        return projected + (self.bias[0] if self.reset_after else self.bias)

    def step(self, projected: Any, states: list, factor: Any) -> tuple[Any, list]:
        state, kernel = states[0], self.recurrent_kernel.value
        dropped = _times(state, factor)
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
        ValueError: If one is no cell.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> cell = keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(3)])
        >>> keras.layers.RNN(cell)(np.ones((2, 5, 7))).shape
        (2, 3)
    """

    def __init__(self, cells: Any, **kwargs: Any):
        super().__init__(**kwargs)
        for cell in cells:
            if not hasattr(cell, "call"):
                raise ValueError(
                    "All cells must have a `call` method. Received cell without a `call` method: "
                    f"{cell!r}"
                )
            _check_state_size(cell)
        self.cells = list(cells)

    @property
    def state_size(self) -> list:
        """The states' sizes, a list for each cell that has several."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The last output's size."""
        return _output_size(self.cells[-1])

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns the states of all cells, a list for each."""
        return [_initial_state(cell, batch_size, self.compute_dtype) for cell in self.cells]

    def build(self, input_shape: Any) -> None:
        for cell in self.cells:
            cell.build(input_shape)
            input_shape = (input_shape[0], _output_size(cell))

    def draw(self, input_shape: Any, states: list, training: Any) -> tuple[Any, Any]:
        """Returns the first cell's factor of dropout, and what `step` needs of all cells."""
        factors = []
        for cell, state in zip(self.cells, states, strict=True):
            splits = isinstance(cell, _Cell)
            factors.append(cell.draw(input_shape, state, training) if splits else training)
            input_shape = (input_shape[0], _output_size(cell))
        return (factors[0][0] if isinstance(self.cells[0], _Cell) else None), factors

    def project(self, inputs: Any) -> Any:
        """Returns what the inputs contribute to the first cell's gates."""
        first = self.cells[0]
        return first.project(inputs) if isinstance(first, _Cell) else inputs

    def step(self, projected: Any, states: list, factors: list) -> tuple[Any, list]:
        """Returns the last cell's output, and the new states of all."""
        x, new_states = projected, []
        for i, (cell, state, factor) in enumerate(zip(self.cells, states, factors, strict=True)):
            if isinstance(cell, _Cell):
                if i > 0:
                    x = cell.project(_times(x, factor[0]))
                x, state = cell.step(x, state, factor[1])
            else:
                x, state = cell(x, state, **_training(cell, factor))
            new_states.append(_as_list(state))
        return x, new_states

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        states = [_as_list(state) for state in states]
        factor, factors = self.draw(inputs.shape, states, training)
        return self.step(self.project(_times(inputs, factor)), states, factors)


def _as_list(states: Any) -> list:
    return list(states) if isinstance(states, (list, tuple)) else [states]


def _training(cell: Layer, training: Any) -> dict[str, Any]:
    return {"training": training} if cell._signature.takes_training else {}


def _check_state_size(cell: Any) -> None:
    if not hasattr(cell, "state_size"):
        raise ValueError(
            "The RNN cell should have a `state_size` attribute (single integer or list of "
            f"integers, one integer per RNN state). Received: cell={cell!r}"
        )


def _output_size(cell: Any) -> Any:
    size = getattr(cell, "output_size", None)
    return jax.tree.leaves(cell.state_size)[0] if size is None else size


def _initial_state(cell: Any, batch_size: int | None, dtype: Any) -> list:
    if hasattr(cell, "get_initial_state"):
        return _as_list(cell.get_initial_state(batch_size=batch_size))
    return [jnp.zeros((batch_size or 1, n), dtype) for n in _as_list(cell.state_size)]


# ------------------------------------------------------------------ the loop
class RNN(Layer):
    """Runs a cell over time.

    Called as `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of
    shape (batch, steps, ...). At steps that `mask` (batch, steps) hides, the states stay, and the
    output is the one before.

    Args:
        cell: A cell, or a list of them (which makes `StackedRNNCells`): a layer with
            `call(inputs, states)`, which returns the output and the new states, and `state_size`,
            an integer or a list of them. It may have `output_size` and
            `get_initial_state(batch_size)`.
        return_sequences: Whether to return the outputs at all steps, instead of the last.
        return_state: Whether to return the last states as well.
        go_backwards: Whether to begin with the last step; outputs are in the order of running.
        stateful: Whether a batch begins with the states at which the one before ended. The batch
            size must be fixed; `reset_state()` begins anew.
        unroll: Whether to write the steps out instead of looping.
        zero_output_for_mask: Whether outputs at hidden steps are zero.

    Raises:
        ValueError: If the cell is none.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> class Sum(keras.layers.Layer):
        ...     state_size = 2
        ...
        ...     def call(self, inputs, states):
        ...         total = states[0] + inputs
        ...         return total, [total]
        >>> x = np.ones((1, 3, 2))
        >>> keras.layers.RNN(Sum(), return_sequences=True)(x).tolist()
        [[[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]]
    """

    supports_masking = True

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=kwargs.get("dtype"))
        if not hasattr(cell, "call"):
            raise ValueError(f"Argument `cell` should have a `call` method. Received: {cell=}")
        _check_state_size(cell)
        kwargs.pop("implementation", None)  # Keras 2's choice of formula
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec = InputSpec(min_ndim=2)
        self.states: list[Any] | None = None

    @property
    def state_size(self) -> Any:
        """The states' sizes."""
        return self.cell.state_size

    def build(self, sequences_shape: Any, initial_state_shape: Any = None) -> None:
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            if sequences_shape[0] is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. Found "
                    f"dynamic batch size: sequence.shape={sequences_shape} (layer {self.name!r})"
                )
            zeros = self._zero_states(jax.ShapeDtypeStruct(sequences_shape, self.compute_dtype))
            self.states = jax.tree.map(_state_variable, zeros)

    def _zero_states(self, sequences: Any) -> list:
        return _initial_state(self.cell, sequences.shape[0], self.compute_dtype)

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns states of zeros."""
        return _initial_state(self.cell, batch_size, self.compute_dtype)

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for variable in self._flat_states():
            variable.assign(jnp.zeros(variable.shape, variable.variable_dtype))

    reset_states = reset_state

    def _flat_states(self) -> list[Variable]:
        return jax.tree.leaves(self.states, is_leaf=_is_variable)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        states = self._first_states(sequences, initial_state)
        step, inputs = self._prepare_steps(sequences, states, training)
        stacked = isinstance(self.cell, StackedRNNCells)
        last, outputs, states = nn.recurrent(
            step,
            inputs,
            states,
            mask=self._steps_first(mask, sequences),
            go_backwards=self.go_backwards,
            unroll=self.unroll,
            zero_output_for_mask=self.zero_output_for_mask,
            return_sequences=self.return_sequences,
            # What a hidden first step gives: of most cells, the first state is the output.
            previous_output=states[-1][0] if stacked else states[0],
        )
        if self.stateful:
            for variable, state in zip(self._flat_states(), jax.tree.leaves(states), strict=True):
                variable.assign(state)
        output = last if outputs is None else jnp.swapaxes(outputs, 0, 1)
        return (output, *states) if self.return_state else output

    def _first_states(self, sequences: Any, given: Any) -> list:
        """Returns the states to begin with, a list of arrays or of lists."""
        if self.states is None:
            expected = self._zero_states(sequences)
        else:
            expected = jax.tree.map(lambda v: v.value, self.states, is_leaf=_is_variable)
        if given is None:
            return expected
        leaves, structure = jax.tree.flatten(expected)
        states = jax.tree.leaves(given)
        if [jnp.shape(s) for s in states] != [s.shape for s in leaves]:
            raise ValueError(
                f"`initial_state` of the layer {self.name!r} must have the shapes "
                f"{[s.shape for s in leaves]}. Received: {[jnp.shape(s) for s in states]}"
            )
        typed = zip(states, leaves, strict=True)
        return jax.tree.unflatten(structure, [jnp.asarray(s, x.dtype) for s, x in typed])

    def _steps_first(self, mask: Any, sequences: Any) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if mask is None:
            return None
        if mask.ndim == 3 and mask.shape[2] == 1:
            mask = mask[..., 0]
        if mask.shape != sequences.shape[:2]:
            raise ValueError(
                f"The mask of the layer {self.name!r} must have the shape (batch, steps), which is "
                f"{sequences.shape[:2]}. Received: mask.shape={mask.shape}"
            )
        return jnp.asarray(mask, bool).T

    def _prepare_steps(self, sequences: Any, states: list, training: Any) -> tuple[Callable, Any]:
        """Returns what runs at each step, and its inputs, steps first."""
        cell = self.cell
        inputs = jnp.swapaxes(sequences, 0, 1)
        if not isinstance(cell, (_Cell, StackedRNNCells)):

            def call_cell(x: Any, states: list) -> tuple[Any, list]:
                output, states = cell(x, states, **_training(cell, training))
                return output, _as_list(states)

            return call_cell, inputs
        steps, batch, *sample = inputs.shape
        factor, rest = cell.draw((batch, *sample), states, training)
        inputs = _times(inputs, factor)
        ahead = _projects_ahead(cell)
        if ahead:
            with jax.named_scope(cell.name):
                projected = cell.project(inputs.reshape(steps * batch, *sample))
            inputs = projected.reshape(steps, batch, *projected.shape[1:])

        def step(x: Any, states: list) -> tuple[Any, list]:
            with jax.named_scope(cell.name):
                return cell.step(x if ahead else cell.project(x), states, rest)

        return step, inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        mask = mask if self.return_sequences else None
        if not self.return_state:
            return mask
        return [mask] + [None] * len(jax.tree.leaves(self.state_size))


def _projects_ahead(cell: Layer) -> bool:
    """Says whether all time steps' inputs are projected at once, before the loop.

    On a GPU that is one large product instead of many small ones. On a CPU the loop takes up to
    twice as long for it: XLA then reads each step's rows inside of the gates' exponentials, which
    it does not vectorize (jax 0.10). A convolution is better done at once there, too.
    """
    return jax.default_backend() != "cpu" or getattr(cell, "convolves", False)


def _is_variable(x: Any) -> bool:
    return isinstance(x, Variable)


def _state_variable(zeros: jax.Array) -> Variable:
    variable = Variable(zeros, trainable=False, autocast=False, name="rnn_state")
    variable.is_weight = False
    return variable


def _of_cell(name: str) -> property:
    return property(lambda layer: getattr(layer.cell, name), doc=f"`{name}` of the cell.")


class CellRNN(RNN):
    """A loop over a cell of its own, which keeps the layer's arguments."""

    cell_class: type[_Cell]

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "cell_class" in cls.__dict__:
            for name in _own_parameters(cls.cell_class):
                setattr(cls, name, _of_cell(name))

    def _make(self, arguments: Mapping[str, Any]) -> None:
        """Makes the cell and the loop of the `locals()` of a constructor."""
        options = arguments["options"]
        common = {k: options[k] for k in ("dtype", "trainable") if k in options}
        of_cell, of_loop = _own_parameters(self.cell_class), _own_parameters(RNN)
        own = {k: v for k, v in {**arguments, **options}.items() if k in of_cell}
        RNN.__init__(
            self,
            self.cell_class(**own, **common, name=naming.to_snake_case(self.cell_class.__name__)),
            **{k: v for k, v in arguments.items() if k in of_loop},
            **{k: v for k, v in options.items() if k not in of_cell},
        )
        self.input_spec = InputSpec(ndim=3)


def _own_parameters(cls: type) -> set[str]:
    """Returns the names of the arguments of a class's constructor."""
    return set(inspect.signature(cls).parameters) - {"cell", "kwargs"}


class SimpleRNN(CellRNN):
    """A recurrent layer whose output is its state (Elman, 1990).

    `state = activation(inputs @ kernel + bias + state @ recurrent_kernel)`. Called as
    `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of shape (batch,
    steps, features).

    Weights: `kernel` (features, units), `recurrent_kernel` (units, units), `bias` (units,).

    Args:
        units: The size of the state.
        activation: A name of `keras.activations`, or a function; None for none.
        use_bias: Whether there is a bias.
        **options: See `LSTM`, for these and for the arguments that are not named here.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.SimpleRNN(4, return_sequences=True)(np.ones((2, 10, 8))).shape
        (2, 10, 4)
    """

    cell_class = SimpleRNNCell

    @takes_weight_options("kernel", "recurrent", "bias", "activity", keep=False)
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Any = None,
        **options: Unpack[RecurrentOptions],
    ):
        self._make(locals())


class LSTM(CellRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    Called as `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of
    shape (batch, steps, features). The states are the output and the memory.

    Weights (gates in the order input, forget, candidate, output): `kernel` (features, 4 * units),
    `recurrent_kernel` (units, 4 * units), `bias` (4 * units,).

    Args:
        units: The size of output and memory.
        activation: The activation of candidate and output: a name of `keras.activations`, or a
            function; None for none.
        recurrent_activation: The activation of the gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether the forget gate's bias starts from 1 (Jozefowicz et al., 2015).
        dropout: The share of inputs dropped in training, the same at all steps.
        recurrent_dropout: The share of the state dropped in training, the same at all steps.
        seed: An integer, for a sequence of draws of the layer's own.
        return_sequences: Whether to return the outputs at all steps, instead of the last.
        return_state: Whether to return the last states as well.
        go_backwards: Whether to begin with the last step; outputs are in the order of running.
        stateful: Whether a batch begins with the states at which the one before ended.
        unroll: Whether to write the steps out instead of looping.
        use_cudnn: Accepted for Keras's sake: XLA compiles one loop for every device.
        **options: Initializers, regularizers and constraints of `kernel`, `recurrent` (the
            recurrent kernel) and `bias`: see `Dense`.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.LSTM(4, return_sequences=True, return_state=True)
        >>> outputs, last, memory = layer(np.ones((2, 10, 8)))
        >>> outputs.shape, last.shape, memory.shape
        ((2, 10, 4), (2, 4), (2, 4))
    """

    cell_class = LSTMCell

    @takes_weight_options("kernel", "recurrent", "bias", "activity", keep=False)
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        unit_forget_bias: bool = True,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **options: Unpack[RecurrentOptions],
    ):
        self._make(locals())
        self.use_cudnn = use_cudnn


class GRU(CellRNN):
    """Gated recurrent unit (Cho et al., 2014).

    Called as `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of
    shape (batch, steps, features).

    Weights (gates in the order update, reset, candidate): `kernel` (features, 3 * units),
    `recurrent_kernel` (units, 3 * units), `bias` (2, 3 * units), or (3 * units,) without
    `reset_after`.

    Args:
        units: The size of the state.
        activation: The activation of the candidate: a name of `keras.activations`, or a function;
            None for none.
        recurrent_activation: The activation of the gates.
        use_bias: Whether there is a bias.
        reset_after: Whether the reset gate acts after the recurrent product (as in cuDNN) or
            before.
        **options: See `LSTM`, for these and for the arguments that are not named here.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.GRU(4)(np.ones((2, 10, 8))).shape
        (2, 4)
    """

    cell_class = GRUCell

    @takes_weight_options("kernel", "recurrent", "bias", "activity", keep=False)
    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **options: Unpack[RecurrentOptions],
    ):
        self._make(locals())
        self.use_cudnn = use_cudnn
