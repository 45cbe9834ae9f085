"""Recurrent layers: one loop over time for all cells."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.platforms import platform
from jkeras.base.types import ArrayLike, Identifier, Seed, Shape
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.layers import cells
from jkeras.layers.arguments import of_weights, weight_options
from jkeras.ops import arrays as nn


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
        go_backwards: Whether to begin with the last step, whose output then comes first.
        stateful: Whether a batch begins with the states at which the one before ended. The batch
            size must be fixed; `reset_state()` begins anew.
        unroll: Whether to write the steps out instead of looping.
        zero_output_for_mask: Whether outputs at hidden steps are zero.

    Raises:
        ValueError: If the cell is not a cell: it has no `call`, or no `state_size`.

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
            cell = cells.StackedRNNCells(cell, dtype=kwargs.get("dtype"))
        if not hasattr(cell, "call"):
            raise ValueError(f"Argument `cell` should have a `call` method. Received: {cell=}")
        cells.check_state_size(cell)
        kwargs.pop("implementation", None)  # Keras 2's choice of formula
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec = InputSpec(min_ndim=2)
        self.states: list[Any] | None = None

    @property
    def state_size(self) -> Shape:
        """The states' sizes."""
        return self.cell.state_size

    def build(self, sequences_shape: Shape, initial_state_shape: Shape = None) -> None:
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

    def _zero_states(self, sequences: ArrayLike) -> list:
        batch_size = sequences.shape[0]
        return cells.as_list(cells.initial_state(self.cell, batch_size, self.compute_dtype))

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns states of zeros."""
        return cells.as_list(cells.initial_state(self.cell, batch_size, self.compute_dtype))

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        for variable in self._flat_states():
            variable.assign(jnp.zeros(variable.shape, variable.variable_dtype))

    reset_states = reset_state

    def _flat_states(self) -> list[Variable]:
        return jax.tree.leaves(self.states, is_leaf=_is_variable)

    def call(
        self,
        sequences: ArrayLike,
        initial_state: ArrayLike = None,
        mask: ArrayLike = None,
        training: bool = False,
    ) -> ArrayLike:
        if sequences.shape[1] == 0:
            raise ValueError(
                f"The layer {self.name!r} needs sequences of at least one step. Received inputs of "
                f"shape {tuple(sequences.shape)}: (batch, steps, features)."
            )
        states = self._first_states(sequences, initial_state)
        step, inputs = self._prepare_steps(sequences, states, training)
        stacked = isinstance(self.cell, cells.StackedRNNCells)
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
            previous_output=jax.tree.leaves(states[-1])[0] if stacked else states[0],
        )
        if self.stateful:
            for variable, state in zip(self._flat_states(), jax.tree.leaves(states), strict=True):
                variable.assign(state)
        output = last if outputs is None else jnp.swapaxes(outputs, 0, 1)
        return (output, *states) if self.return_state else output

    def _first_states(self, sequences: ArrayLike, given: Any) -> list:
        """Returns the states to begin with, a list of arrays or of lists."""
        if self.states is None:
            expected = self._zero_states(sequences)
        else:
            expected = jax.tree.map(lambda v: v.value, self.states, is_leaf=_is_variable)
            built_for = jax.tree.leaves(expected)[0].shape[0]
            if sequences.shape[0] != built_for:
                raise ValueError(
                    "If an RNN is stateful, the batch size of the input sequences must be the one "
                    f"it was built for: the layer {self.name!r} has states of {built_for} samples, "
                    f"and got {sequences.shape[0]}.\nPass as many samples as `batch_size` divides."
                )
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

    def _steps_first(self, mask: ArrayLike, sequences: ArrayLike) -> Any:
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
        if not isinstance(cell, (cells.Cell, cells.StackedRNNCells)):

            def call_cell(x: ArrayLike, states: list) -> tuple[Any, list]:
                output, states = cell(x, states, **cells.training_argument(cell, training))
                return output, cells.as_list(states)

            return call_cell, inputs
        steps, batch, *sample = inputs.shape
        factor, rest = cell.draw((batch, *sample), states, training)
        inputs = cells.times(inputs, factor)
        ahead = _projects_ahead(cell)
        if ahead:
            with jax.named_scope(cell.name):
                projected = cell.project(inputs.reshape(steps * batch, *sample))
            inputs = projected.reshape(steps, batch, *projected.shape[1:])

        def step(x: ArrayLike, states: list) -> tuple[Any, list]:
            with jax.named_scope(cell.name):
                return cell.step(x if ahead else cell.project(x), states, rest)

        return step, inputs

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
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
    return platform() != "cpu" or getattr(cell, "convolves", False)


def _is_variable(x: Any) -> bool:
    return isinstance(x, Variable)


def _state_variable(zeros: jax.Array) -> Variable:
    variable = Variable(zeros, trainable=False, autocast=False, name="rnn_state")
    variable.is_weight = False
    return variable


def of_cell(name: str) -> property:
    """Returns a property that is an attribute of the layer's cell."""
    return property(lambda layer: getattr(layer.cell, name), doc=f"`{name}` of the cell.")


class CellRNN(RNN):
    """A loop over a cell of its own, which keeps the layer's arguments."""

    units, activation, use_bias = of_cell("units"), of_cell("activation"), of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout, recurrent_dropout = of_cell("dropout"), of_cell("recurrent_dropout")
    seed = of_cell("seed")

    def __init__(self, cell: cells.Cell, *flags: bool, **options: Any):
        super().__init__(cell, *flags, **options)
        self.input_spec = InputSpec(ndim=3)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "zero_output_for_mask": self.zero_output_for_mask}
        config.pop("use_cudnn", None)  # as in Keras: it says how to compute, not what
        return config


# The weights are the cell's.
layer_options = weight_options(
    keep=False,
    kernel="glorot_uniform",
    recurrent="orthogonal",
    bias="zeros",
    activity_regularizer=None,
)


def for_cell(options: dict[str, Any]) -> dict[str, Any]:
    """Returns what a layer's cell takes of its `**options`, and takes the weights' out of them."""
    common: dict[str, Any] = {
        name: options[name] for name in ("dtype", "trainable") if name in options
    }
    return {**common, **of_weights(options)}


class SimpleRNN(CellRNN):
    """A recurrent layer whose output is its state (Elman, 1990).

    `state = activation(inputs @ kernel + bias + state @ recurrent_kernel)`. Called as
    `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of shape (batch,
    steps, features).

    Weights: `kernel` (features, units), `recurrent_kernel` (units, units), `bias` (units,).

    Args:
        units: The size of the state.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        **options: See `LSTM`, for these and for the arguments that are not named here.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.SimpleRNN(4, return_sequences=True)(np.ones((2, 10, 8))).shape
        (2, 10, 4)
        >>> options = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
        >>> rnn = keras.layers.SimpleRNN(1, activation=None, **options)
        >>> rnn([[[1.0], [2.0]]]).tolist()
        [[3.0]]
    """

    @layer_options
    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: Seed = None,
        **options: Any,
    ):
        cell = cells.SimpleRNNCell(
            units,
            activation,
            use_bias,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="simple_rnn_cell",
            **for_cell(options),
        )
        flags = (return_sequences, return_state, go_backwards, stateful, unroll)
        super().__init__(cell, *flags, **options)


class LSTM(CellRNN):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997).

    Called as `layer(sequences, initial_state=None, mask=None, training=False)` on sequences of
    shape (batch, steps, features). The states are the output and the memory.

    Weights (gates in the order input, forget, candidate, output): `kernel` (features, 4 * units),
    `recurrent_kernel` (units, 4 * units), `bias` (4 * units,).

    Args:
        units: The size of output and memory.
        activation: The activation of candidate and output: a name of `keras.activations`, or a
            function; None for the identity.
        recurrent_activation: The activation of the gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether the forget gate's bias starts from 1 (Jozefowicz et al., 2015).
        dropout: The fraction of inputs dropped in training, the same at all steps.
        recurrent_dropout: The fraction of the state dropped in training, the same at all steps.
        seed: An integer, for a sequence of draws of the layer's own.
        return_sequences: Whether to return the outputs at all steps, instead of the last.
        return_state: Whether to return the last states as well.
        go_backwards: Whether to begin with the last step, whose output then comes first.
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
        >>> keras.layers.LSTM(2)(keras.ops.zeros((1, 3, 4))).tolist()
        [[0.0, 0.0]]
    """

    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")

    @layer_options
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **options: Any,
    ):
        cell = cells.LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            unit_forget_bias=unit_forget_bias,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="lstm_cell",
            **for_cell(options),
        )
        flags = (return_sequences, return_state, go_backwards, stateful, unroll)
        super().__init__(cell, *flags, **options)
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
            None for the identity.
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
        >>> keras.layers.GRU(2)(keras.ops.zeros((1, 3, 4))).tolist()
        [[0.0, 0.0]]
    """

    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")

    @layer_options
    def __init__(
        self,
        units: int,
        activation: Identifier = "tanh",
        recurrent_activation: Identifier = "sigmoid",
        use_bias: bool = True,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: Seed = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **options: Any,
    ):
        cell = cells.GRUCell(
            units,
            activation,
            recurrent_activation,
            use_bias=use_bias,
            reset_after=reset_after,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="gru_cell",
            **for_cell(options),
        )
        flags = (return_sequences, return_state, go_backwards, stateful, unroll)
        super().__init__(cell, *flags, **options)
        self.use_cudnn = use_cudnn
