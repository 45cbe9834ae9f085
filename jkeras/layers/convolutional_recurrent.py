"""LSTMs whose products are convolutions."""

from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import settings
from jkeras.base.types import ArrayLike, Identifier, Seed, Shape, Sizes
from jkeras.core.input_spec import InputSpec
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.arguments import add_weight, check_steps, one_of, positive_integer, size_tuple
from jkeras.layers.cells import LSTMCell
from jkeras.layers.recurrent import CellRNN, for_cell, layer_options, of_cell
from jkeras.ops import arrays as nn


class ConvLSTMCell(LSTMCell):
    """One time step of the ConvLSTM layers; for the arguments, see `ConvLSTM2D`.

    Args:
        rank: The number of axes of space.
    """

    convolves = True

    @takes_arguments_of(LSTMCell.__init__, without=["units"])
    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        **options: Any,
    ):
        super().__init__(filters, **options)
        self.rank, self.filters = rank, positive_integer(self, "filters", filters)
        self.kernel_size = size_tuple(self, "kernel_size", kernel_size, rank)
        self.strides = size_tuple(self, "strides", strides, rank)
        self.padding = one_of(self, "padding", str(padding).lower(), ("valid", "same"))
        self.data_format = settings.standardize_data_format(data_format)
        self.dilation_rate = size_tuple(self, "dilation_rate", dilation_rate, rank)
        check_steps(self, "Specifying `strides > 1` is not compatible with `dilation_rate > 1`")
        self.channel_axis = 1 if self.data_format == "channels_first" else -1

    def build(self, input_shape: Shape) -> None:
        columns, channels = 4 * self.filters, input_shape[self.channel_axis]
        self.kernel = add_weight(self, "kernel", (*self.kernel_size, channels, columns))
        shape = (*self.kernel_size, self.filters, columns)
        self.recurrent_kernel = add_weight(self, "recurrent_kernel", shape, options="recurrent")
        self.bias = self._add_bias(columns) if self.use_bias else None

    def project(self, inputs: ArrayLike) -> ArrayLike:
        projected = nn.conv(
            inputs, self.kernel, self.strides, self.padding, self.data_format, self.dilation_rate
        )
        if self.bias is None:
            return projected
        shape = [1] * projected.ndim
        shape[self.channel_axis] = -1
        return projected + self.bias.value.reshape(shape)

    def recur(self, output: ArrayLike) -> ArrayLike:
        return nn.conv(output, self.recurrent_kernel, 1, "same", self.data_format)


class _ConvLSTM(CellRNN):
    rank: int
    cell: ConvLSTMCell
    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")
    filters, kernel_size, strides = of_cell("filters"), of_cell("kernel_size"), of_cell("strides")
    padding, data_format = of_cell("padding"), of_cell("data_format")
    dilation_rate = of_cell("dilation_rate")

    @layer_options
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
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
        **options: Any,
    ):
        window = (kernel_size, strides, padding, data_format, dilation_rate)
        cell = ConvLSTMCell(
            self.rank,
            filters,
            *window,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            unit_forget_bias=unit_forget_bias,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name="conv_lstm_cell",
            **for_cell(options),
        )
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, **options)
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def _zero_states(self, sequences: ArrayLike) -> list:
        batch, _, *sample = sequences.shape
        frame = jax.ShapeDtypeStruct((batch, *sample), sequences.dtype)
        gates = list(jax.eval_shape(self.cell.project, frame).shape)
        gates[self.cell.channel_axis] //= 4
        return [jnp.zeros(gates, self.compute_dtype)] * 2


class ConvLSTM1D(_ConvLSTM):
    """An LSTM of sequences of sequences: inputs (batch, time, steps, channels).

    For the arguments and weights, see `ConvLSTM2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ConvLSTM1D(4, 3, padding="same")(np.ones((2, 5, 8, 3))).shape
        (2, 8, 4)
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """An LSTM of sequences of images: inputs (batch, time, rows, columns, channels).

    Its products are convolutions (Shi et al., 2015). Called as
    `layer(sequences, initial_state=None, mask=None, training=False)`.

    Weights (gates in the order input, forget, candidate, output): `kernel` (*kernel_size, channels,
    4 * filters), `recurrent_kernel` (*kernel_size, filters, 4 * filters), `bias` (4 * filters,).

    Args:
        filters: The number of the outputs' channels.
        kernel_size: The window's size, or one for each axis.
        strides: The step of the inputs' convolution, or one for each axis.
        padding: The padding of the inputs' convolution, `"valid"` or `"same"`; that of the state's
            is `"same"`.
        data_format: `"channels_last"` or `"channels_first"`.
        dilation_rate: The distance between the elements of the inputs' window.
        activation: The activation of candidate and output: a name of `keras.activations`, or a
            function; None for the identity.
        recurrent_activation: The activation of the gates.
        use_bias: Whether there is a bias.
        unit_forget_bias: Whether the forget gate's bias starts from 1.
        dropout: The fraction of inputs dropped in training, the same at all steps.
        recurrent_dropout: The fraction of the state dropped in training, the same at all steps.
        seed: An integer, for a sequence of draws of the layer's own.
        return_sequences: Whether to return the outputs at all steps, instead of the last.
        return_state: Whether to return the last states as well.
        go_backwards: Whether to begin with the last step, whose output then comes first.
        stateful: Whether a batch begins with the states at which the one before ended.
        **options: Initializers, regularizers and constraints of `kernel`, `recurrent` (the
            recurrent kernel) and `bias`: see `Dense`.

    Raises:
        ValueError: If a size is not positive.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ConvLSTM2D(4, 3)(np.ones((2, 5, 8, 8, 3))).shape
        (2, 6, 6, 4)
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """An LSTM of sequences of volumes: inputs (batch, time, depth, rows, columns, channels).

    For the arguments and weights, see `ConvLSTM2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ConvLSTM3D(2, 2)(np.ones((1, 2, 3, 4, 5, 1))).shape
        (1, 2, 3, 4, 2)
    """

    rank = 3
