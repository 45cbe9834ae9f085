"""Convolutions over one, two and three axes."""

from collections.abc import Callable
from typing import Any, Unpack

from jkeras import activations
from jkeras.base.types import ArrayLike, Identifier, Shape, Sizes
from jkeras.core.input_spec import InputSpec
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.adapted import AdaptedLayer, AdaptedWeight, StoredWeight
from jkeras.layers.arguments import (
    KernelOptions,
    add_weight,
    check_steps,
    one_of,
    positive_integer,
    size_tuple,
    weight_options,
)
from jkeras.layers.spatial import SpatialLayer
from jkeras.ops import arrays as nn


class _Convolution(SpatialLayer):
    """What all convolutions share: the window's arguments, the bias, and the activation."""

    paddings: tuple[str, ...] = ("valid", "same")

    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes,
        padding: str,
        data_format: str | None,
        dilation_rate: Sizes,
        activation: Identifier = None,
        use_bias: bool = True,
        **options: Any,
    ):
        super().__init__(data_format, **options)
        self.kernel_size = size_tuple(self, "kernel_size", kernel_size, self.rank)
        self.strides = size_tuple(self, "strides", strides, self.rank)
        self.dilation_rate = size_tuple(self, "dilation_rate", dilation_rate, self.rank)
        self.padding = one_of(self, "padding", str(padding).lower(), self.paddings)
        self.activation, self.use_bias = activations.get(activation), use_bias

    def _channels(self, input_shape: Shape) -> int:
        """Returns the number of the inputs' channels; from now on, it is fixed."""
        channels = input_shape[self.channel_axis]
        if channels is None:
            raise ValueError(
                f"The channel axis of the inputs of the layer {self.name!r} must have a known "
                f"size. Received: input_shape={input_shape} with data_format={self.data_format!r}"
            )
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={self.channel_axis: channels})
        return channels

    def _add_bias(self, channels: int) -> None:
        self.bias = add_weight(self, "bias", (channels,)) if self.use_bias else None

    def _convolve(self, function: Callable, inputs: Any, *kernels: Any, **options: Any) -> Any:
        """Convolves with a function of `ops.arrays`, adds the bias, and applies the activation."""
        return self._finish(self._slide(function, inputs, *kernels, **options))

    def _slide(self, function: Callable, inputs: Any, *kernels: Any, **options: Any) -> Any:
        return function(
            inputs,
            *kernels,
            strides=self.strides,
            padding=self.padding,
            data_format=self.data_format,
            dilation_rate=self.dilation_rate,
            **options,
        )

    def _finish(self, outputs: Any) -> Any:
        if self.bias is not None:
            bias = self.bias.value
            if self.data_format == "channels_first":
                bias = bias.reshape(-1, *(1,) * self.rank)
            outputs = outputs + bias
        return outputs if self.activation is None else self.activation(outputs)

    def _check_inputs(self, inputs: ArrayLike) -> None:
        if self.padding == "valid":
            sizes = zip(self.kernel_size, self.dilation_rate, strict=True)
            self.check_window(inputs, [(k - 1) * d + 1 for k, d in sizes])


class _Conv(AdaptedLayer, _Convolution):
    @weight_options(kernel="glorot_uniform", bias="zeros", activity_regularizer=None)
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        groups: int = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        **options: Any,
    ):
        # Packages that extend the base class for all ranks name theirs, as Keras's own layers do.
        self.rank = options.pop("rank", None) or self.rank
        adaptation = options.pop("lora_rank", None), options.pop("lora_alpha", None)
        common = (kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias)
        super().__init__(*common, **options)
        self._keep_adaptation(*adaptation, None)
        self.filters = positive_integer(self, "filters", filters)
        self.groups = positive_integer(
            self, "groups", groups, "The number of groups must be a positive integer"
        )
        if self.filters % self.groups:
            raise ValueError(
                "The number of filters must be evenly divisible by the number of groups. "
                f"Received: groups={groups}, filters={filters} (layer {self.name!r})"
            )
        check_steps(self)

    def build(self, input_shape: Shape) -> None:
        channels = self._channels(input_shape)
        if channels % self.groups:
            raise ValueError(
                "The number of input channels must be evenly divisible by the number of groups. "
                f"Received groups={self.groups}, but the input has {channels} channels (full input "
                f"shape is {input_shape}; layer {self.name!r})."
            )
        self._add_adapted((*self.kernel_size, channels // self.groups, self.filters))
        self._add_bias(self.filters)
        self._finish_build()

    kernel, _kernel = AdaptedWeight("kernel"), StoredWeight("kernel")

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self._check_inputs(inputs)
        return self._finish(self.convolution_op(inputs, self.kernel))

    def convolution_op(self, inputs: ArrayLike, kernel: ArrayLike) -> ArrayLike:
        """Convolves inputs with a kernel; a subclass may override it, to change the kernel first.

        Example:
            >>> import jkeras as keras
            >>> class Positive(keras.layers.Conv1D):
            ...     def convolution_op(self, inputs, kernel):
            ...         return super().convolution_op(inputs, keras.ops.abs(kernel))
            >>> layer = Positive(1, 2, kernel_initializer=keras.initializers.Constant(-1.0))
            >>> layer(keras.ops.ones((1, 2, 1))).tolist()
            [[[2.0]]]
        """
        return self._slide(nn.conv, inputs, kernel)


class Conv1D(_Conv):
    """Convolution of sequences: inputs (batch, steps, channels).

    `padding="causal"` pads in front only, so that no output looks ahead. For the arguments and
    weights, see `Conv2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Conv1D(8, 3, padding="causal")(np.ones((2, 10, 4))).shape
        (2, 10, 8)
        >>> conv = keras.layers.Conv1D(1, 2, kernel_initializer="ones")
        >>> conv([[[1.0], [2.0], [3.0]]]).tolist()
        [[[3.0], [5.0]]]
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class Conv2D(_Conv):
    """Convolution of images: inputs (batch, rows, columns, channels).

    Weights: `kernel` (*kernel_size, channels / groups, filters), `bias` (filters,).

    Args:
        filters: The number of the outputs' channels.
        kernel_size: The window's size, or one for each axis.
        strides: The window's step, or one for each axis.
        padding: `"valid"`: windows lie inside of the inputs; or `"same"`: as many outputs as
            inputs, divided by the strides.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).
        dilation_rate: The distance between the window's elements, or one for each axis.
        groups: In how many groups channels are convolved, each by itself.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        **options: Initializers, regularizers and constraints of `kernel` and `bias`, `lora_rank`
            and `lora_alpha`: see `Dense`.

    Raises:
        ValueError: If a size is not positive, `groups` does not divide the channels, or strides
            and dilation are both above 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Conv2D(8, 3, activation="relu")(np.ones((2, 28, 28, 1))).shape
        (2, 26, 26, 8)
        >>> conv = keras.layers.Conv2D(1, 2, kernel_initializer="ones")
        >>> conv(keras.ops.ones((1, 2, 2, 1))).tolist()
        [[[[4.0]]]]
    """

    rank = 2


class Conv3D(_Conv):
    """Convolution of volumes: inputs (batch, depth, rows, columns, channels).

    For the arguments and weights, see `Conv2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Conv3D(2, 3)(np.ones((1, 5, 6, 7, 1))).shape
        (1, 3, 4, 5, 2)
    """

    rank = 3


class _ConvTranspose(_Convolution):
    @weight_options(kernel="glorot_uniform", bias="zeros", activity_regularizer=None)
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        output_padding: Sizes = None,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        activation: Identifier = None,
        use_bias: bool = True,
        **options: Unpack[KernelOptions],
    ):
        common = (kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias)
        super().__init__(*common, **options)
        self.filters = positive_integer(self, "filters", filters)
        check_steps(self)
        self.output_padding = None
        if output_padding is not None:
            self.output_padding = size_tuple(self, "output_padding", output_padding, self.rank, 0)
            if any(p >= s for p, s in zip(self.output_padding, self.strides, strict=True)):
                raise ValueError(
                    "`output_padding` must be strictly less than `strides` for all dimensions. "
                    f"Received: output_padding={self.output_padding}, strides={self.strides} "
                    f"(layer {self.name!r})"
                )

    def build(self, input_shape: Shape) -> None:
        shape = (*self.kernel_size, self.filters, self._channels(input_shape))
        self.kernel = add_weight(self, "kernel", shape)
        self._add_bias(self.filters)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return self._convolve(
            nn.conv_transpose, inputs, self.kernel, output_padding=self.output_padding
        )


class Conv1DTranspose(_ConvTranspose):
    """The transpose of a convolution of sequences: inputs (batch, steps, channels).

    For the arguments and weights, see `Conv2DTranspose`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Conv1DTranspose(8, 2, strides=2)(np.ones((2, 10, 4))).shape
        (2, 20, 8)
    """

    rank = 1


class Conv2DTranspose(_ConvTranspose):
    """The transpose of a convolution of images, also called deconvolution; it enlarges images.

    Weights: `kernel` (*kernel_size, filters, channels), `bias` (filters,).

    Args:
        filters: The number of the outputs' channels.
        kernel_size: The window's size, or one for each axis.
        strides: By how much images are enlarged, or one number for each axis.
        padding: `"valid"`, or `"same"`: as many outputs as inputs times the strides.
        output_padding: How many outputs there are beyond the fewest possible, or one number for
            each axis.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).
        dilation_rate: The distance between the window's elements, or one for each axis.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        **options: Initializers, regularizers and constraints of `kernel` and `bias`: see `Dense`.

    Raises:
        ValueError: If a size is not positive, `output_padding` not less than the strides, or
            strides and dilation are both above 1.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same")
        >>> layer(np.ones((2, 14, 14, 1))).shape
        (2, 28, 28, 8)
        >>> conv = keras.layers.Conv2DTranspose(1, 2, kernel_initializer="ones")
        >>> conv(keras.ops.ones((1, 1, 1, 1))).tolist()
        [[[[1.0], [1.0]], [[1.0], [1.0]]]]
    """

    rank = 2


class Conv3DTranspose(_ConvTranspose):
    """The transpose of a convolution of volumes: inputs (batch, depth, rows, columns, channels).

    For the arguments and weights, see `Conv2DTranspose`. (As in Keras, `data_format` comes before
    `output_padding` here.)

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Conv3DTranspose(2, 3)(np.ones((1, 3, 4, 5, 1))).shape
        (1, 5, 6, 7, 2)
    """

    rank = 3

    @takes_arguments_of(_ConvTranspose.__init__)
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        output_padding: Sizes = None,
        **options: Any,
    ):
        window = (kernel_size, strides, padding)
        super().__init__(filters, *window, output_padding, data_format, **options)


class _DepthwiseConv(_Convolution):
    @weight_options(depthwise="glorot_uniform", bias="zeros", activity_regularizer=None)
    @takes_arguments_of(_Convolution.__init__)
    def __init__(
        self,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        **options: Any,
    ):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, **options)
        self.depth_multiplier = positive_integer(self, "depth_multiplier", depth_multiplier)

    def build(self, input_shape: Shape) -> None:
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.kernel = add_weight(self, "kernel", shape, options="depthwise")
        self._add_bias(channels * self.depth_multiplier)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self._check_inputs(inputs)
        return self._convolve(nn.depthwise_conv, inputs, self.kernel)


class DepthwiseConv1D(_DepthwiseConv):
    """Convolution of each channel of sequences by itself: inputs (batch, steps, channels).

    For the arguments and weights, see `DepthwiseConv2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.DepthwiseConv1D(3)(np.ones((2, 10, 4))).shape
        (2, 8, 4)
    """

    rank = 1


class DepthwiseConv2D(_DepthwiseConv):
    """Convolution of each channel of images by itself: inputs (batch, rows, columns, channels).

    Weights: `kernel` (*kernel_size, channels, depth_multiplier), `bias` (channels *
    depth_multiplier,).

    Args:
        kernel_size: The window's size, or one for each axis.
        strides: The window's step, or one for each axis.
        padding: `"valid"` or `"same"`.
        depth_multiplier: The number of outputs of each channel.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).
        dilation_rate: The distance between the window's elements, or one for each axis.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        **options: Initializers, regularizers and constraints of `depthwise` (the kernel) and
            `bias`: see `Dense`.

    Raises:
        ValueError: If a size is not positive.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.DepthwiseConv2D(3, depth_multiplier=2)(np.ones((2, 10, 10, 4))).shape
        (2, 8, 8, 8)
    """

    rank = 2


class _SeparableConv(_Convolution):
    @weight_options(
        depthwise="glorot_uniform",
        pointwise="glorot_uniform",
        bias="zeros",
        activity_regularizer=None,
    )
    @takes_arguments_of(_Convolution.__init__)
    def __init__(
        self,
        filters: int,
        kernel_size: Sizes,
        strides: Sizes = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Sizes = 1,
        depth_multiplier: int = 1,
        **options: Any,
    ):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, **options)
        self.filters = positive_integer(self, "filters", filters)
        self.depth_multiplier = positive_integer(self, "depth_multiplier", depth_multiplier)

    def build(self, input_shape: Shape) -> None:
        channels = self._channels(input_shape)
        shape = (*self.kernel_size, channels, self.depth_multiplier)
        self.depthwise_kernel = add_weight(self, "depthwise_kernel", shape, options="depthwise")
        shape = (*(1,) * self.rank, channels * self.depth_multiplier, self.filters)
        self.pointwise_kernel = add_weight(self, "pointwise_kernel", shape, options="pointwise")
        self._add_bias(self.filters)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self._check_inputs(inputs)
        kernels = self.depthwise_kernel, self.pointwise_kernel
        return self._convolve(nn.separable_conv, inputs, *kernels)


class SeparableConv1D(_SeparableConv):
    """A depthwise convolution of sequences, then one of window size 1.

    For the arguments and weights, see `SeparableConv2D`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.SeparableConv1D(8, 3)(np.ones((2, 10, 4))).shape
        (2, 8, 8)
    """

    rank = 1


class SeparableConv2D(_SeparableConv):
    """A depthwise convolution of images, then one of window size 1 (Chollet, 2017).

    Weights: `depthwise_kernel` (*kernel_size, channels, depth_multiplier), `pointwise_kernel`
    (1, 1, channels * depth_multiplier, filters), `bias` (filters,).

    Args:
        filters: The number of the outputs' channels.
        kernel_size: The window's size, or one for each axis.
        strides: The window's step, or one for each axis.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"` or `"channels_first"`, which is (batch, channels, rows,
            columns).
        dilation_rate: The distance between the window's elements, or one for each axis.
        depth_multiplier: The number of outputs of each channel of the first convolution.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        **options: Initializers, regularizers and constraints of `depthwise`, `pointwise` (the
            kernels) and `bias`: see `Dense`.

    Raises:
        ValueError: If a size is not positive.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.SeparableConv2D(8, 3)(np.ones((2, 10, 10, 4))).shape
        (2, 8, 8, 8)
        >>> options = {"depthwise_initializer": "ones", "pointwise_initializer": "ones"}
        >>> conv = keras.layers.SeparableConv2D(1, 2, **options)
        >>> conv(keras.ops.ones((1, 2, 2, 1))).tolist()
        [[[[4.0]]]]
    """

    rank = 2
