"""Activation functions as layers."""

from typing import Any

import jax
import jax.numpy as jnp

from jkeras import activations
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import as_number
from jkeras.base.types import ArrayLike, Axis, Identifier, Shape
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.layers.arguments import (
    add_weight,
    as_axes,
    number,
    positive_axis,
    weight_options,
)


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: A name of `keras.activations`, a function, or a layer; None for no change.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Activation("relu")(np.array([[-1.0, 2.0]])).tolist()
        [[0.0, 2.0]]
    """

    supports_masking = True

    def __init__(self, activation: Identifier, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return self.activation(inputs)


def _not_negative(layer: Layer, name: str, value: Any) -> Any:
    number = as_number(value)
    if number is None or number < 0:
        named = f"{name} of a {type(layer).__name__} layer"
        if type(layer).__name__ == "LeakyReLU":
            named = f"The {name} value of a Leaky ReLU layer"
        raise ValueError(
            f"{named} cannot be {'' if name == 'max_value' else 'None or '}a negative value. "
            f"Received: {name}={value!r} (layer {layer.name!r}). Give a number of at least 0."
        )
    return number


class ReLU(Layer):
    """Rectified linear unit: `max(x, 0)` by default.

    Args:
        max_value: Where the output stops growing; None for never.
        negative_slope: The slope below `threshold`.
        threshold: Values below it are damped.

    Raises:
        ValueError: If a value is negative.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ReLU(max_value=6.0)(np.array([[2.0, 9.0]])).tolist()
        [[2.0, 6.0]]
    """

    supports_masking = True

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.max_value = max_value
        if max_value is not None:
            self.max_value = _not_negative(self, "max_value", max_value)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)
        self.threshold = _not_negative(self, "threshold", threshold)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)


class LeakyReLU(Layer):
    """`x` where positive, else `negative_slope * x` (Maas et al., 2013).

    Args:
        negative_slope: The slope for negative inputs.

    Raises:
        ValueError: If the slope is negative.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.LeakyReLU(0.5)(np.array([[-1.0, 2.0]])).tolist()
        [[-0.5, 2.0]]
    """

    supports_masking = True

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any):
        if "alpha" in kwargs:
            negative_slope = kwargs.pop("alpha")
            warn_deprecated("`alpha=` of LeakyReLU is Keras 2's spelling of `negative_slope=`.")
        super().__init__(**kwargs)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return activations.leaky_relu(inputs, self.negative_slope)


class PReLU(Layer):
    """`x` where positive, else `alpha * x` with learned `alpha` (He et al., 2015).

    Args:
        alpha_initializer: The initializer of `alpha`.
        alpha_regularizer: Its regularizer.
        alpha_constraint: Its constraint.
        shared_axes: The axes along which one `alpha` is shared: `[1, 2]` for one a channel of
            images.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.PReLU("ones")(np.array([[-1.0, 2.0]])).tolist()
        [[-1.0, 2.0]]
    """

    supports_masking = True

    @weight_options(alpha="Zeros")
    def __init__(self, *, shared_axes: Any = None, **options: Any):
        super().__init__(**options)
        axes = None if shared_axes is None else as_axes(self, shared_axes)
        self.shared_axes = [axes] if isinstance(axes, int) else axes

    def build(self, input_shape: Shape) -> None:
        shape = list(input_shape)
        for axis in self.shared_axes or ():
            shape[positive_axis(self, axis, len(shape))] = 1
        self.alpha = add_weight(self, "alpha", shape[1:])
        fixed = {i: n for i, n in enumerate(shape) if i > 0 and n != 1}
        self.input_spec = InputSpec(ndim=len(shape), axes=fixed)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return jnp.maximum(inputs, 0) + self.alpha.value * jnp.minimum(inputs, 0)


class ELU(Layer):
    """`x` where positive, else `alpha * (exp(x) - 1)` (Clevert et al., 2016).

    Args:
        alpha: Where the output levels off, below zero.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.ELU()(np.array([[-100.0, 2.0]])).tolist()
        [[-1.0, 2.0]]
    """

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = number(self, "alpha", alpha)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return activations.elu(inputs, self.alpha)


class Softmax(Layer):
    """`exp(x) / sum(exp(x))` along an axis.

    Called as `layer(inputs, mask=None)`: where `mask` (broadcastable to `inputs`) is False, the
    output is 0, as if the inputs were minus infinity.

    Args:
        axis: The axis, or several.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> scores, mask = np.zeros((1, 3)), np.array([[True, False, True]])
        >>> keras.layers.Softmax()(scores, mask=mask).tolist()
        [[0.5, 0.0, 0.5]]
    """

    supports_masking = True

    def __init__(self, axis: Axis = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        if mask is None:
            return activations.softmax(inputs, self.axis)
        if jnp.broadcast_shapes(mask.shape, inputs.shape) != inputs.shape:
            raise ValueError(
                "The `mask` must be broadcastable to `inputs`, and must not have more dimensions. "
                f"Received: inputs.shape={inputs.shape}, mask.shape={mask.shape}"
            )
        return jax.nn.softmax(inputs, axis=self.axis, where=jnp.asarray(mask, bool))
