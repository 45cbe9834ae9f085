"""Activation functions: pure functions of an array, by Keras's names."""

from typing import Any

import jax
import jax.numpy as jnp

from jkeras.core import registry


def _activation(function: Any) -> Any:
    return registry.register_builtin("activations", function)


@_activation
def linear(x: Any) -> jax.Array:
    """Returns `x`."""
    return x


@_activation
def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> jax.Array:
    """Rectified linear unit: `max(x, 0)` by default.

    Args:
        x: The inputs.
        negative_slope: The slope below `threshold`.
        max_value: Where the output stops growing; None for never.
        threshold: Values below it are damped.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.relu(keras.ops.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return jax.nn.relu(x)
    x = jnp.asarray(x)
    above = x if max_value is None else jnp.minimum(x, max_value)
    return jnp.where(x >= threshold, above, negative_slope * (x - threshold)).astype(x.dtype)


@_activation
def softmax(x: Any, axis: Any = -1) -> jax.Array:
    """`exp(x) / sum(exp(x))` along `axis`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.softmax(keras.ops.zeros((1, 4))).tolist()
        [[0.25, 0.25, 0.25, 0.25]]
    """
    return jax.nn.softmax(x, axis=axis)


@_activation
def leaky_relu(x: Any, negative_slope: float = 0.2) -> jax.Array:
    """`x` where positive, else `negative_slope * x`."""
    return jax.nn.leaky_relu(x, negative_slope)


@_activation
def elu(x: Any, alpha: float = 1.0) -> jax.Array:
    """`x` where positive, else `alpha * (exp(x) - 1)` (Clevert et al., 2016)."""
    return jax.nn.elu(x, alpha)


@_activation
def gelu(x: Any, approximate: bool = False) -> jax.Array:
    """`x` times the normal distribution's cumulative probability (Hendrycks and Gimpel, 2016).

    Args:
        x: The inputs.
        approximate: Whether to approximate with a tanh.
    """
    return jax.nn.gelu(x, approximate)


@_activation
def tanh(x: Any) -> jax.Array:
    """Hyperbolic tangent."""
    return jnp.tanh(x)


@_activation
def exponential(x: Any) -> jax.Array:
    """`exp(x)`."""
    return jnp.exp(x)


@_activation
def hard_sigmoid(x: Any) -> jax.Array:
    """`clip(x / 6 + 0.5, 0, 1)`."""
    return jax.nn.hard_sigmoid(x)


@_activation
def glu(x: Any, axis: int = -1) -> jax.Array:
    """The first half of `x` along `axis` times the sigmoid of the second (Dauphin et al., 2017)."""
    return jax.nn.glu(x, axis)


@_activation
def celu(x: Any, alpha: float = 1.0) -> jax.Array:
    """`max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)` (Barron, 2017)."""
    return jax.nn.celu(x, alpha)


@_activation
def squareplus(x: Any, b: float = 4) -> jax.Array:
    """`(x + sqrt(x**2 + b)) / 2` (Barron, 2021)."""
    return jax.nn.squareplus(x, b)


@_activation
def mish(x: Any) -> jax.Array:
    """`x * tanh(softplus(x))` (Misra, 2019)."""
    return jax.nn.mish(x)


@_activation
def sigmoid(x: Any) -> jax.Array:
    """`1 / (1 + exp(-x))`."""
    return jax.nn.sigmoid(x)


@_activation
def silu(x: Any) -> jax.Array:
    """`x * sigmoid(x)`, also called swish (Ramachandran et al., 2017)."""
    return jax.nn.silu(x)


@_activation
def softplus(x: Any) -> jax.Array:
    """`log(exp(x) + 1)`."""
    return jax.nn.softplus(x)


@_activation
def softsign(x: Any) -> jax.Array:
    """`x / (abs(x) + 1)`."""
    return jax.nn.soft_sign(x)


@_activation
def selu(x: Any) -> jax.Array:
    """The self-normalizing scaled ELU (Klambauer et al., 2017)."""
    return jax.nn.selu(x)


swish = silu
registry.register_builtin("activations", silu, "swish")


def get(identifier: Any) -> Any:
    """Returns an activation function for a name, a config, a function or a layer; None is linear.

    Raises:
        ValueError: If the name is unknown; the nearest known one is suggested.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.get("relu").__name__
        'relu'
    """
    return (
        linear if identifier is None else registry.resolve(identifier, "activations", "activation")
    )


def serialize(activation: Any) -> Any:
    """Returns the name of an activation function, or the config of an activation layer."""
    name = getattr(activation, "__name__", None)
    if name and registry.find_builtin("activations", name) is activation:
        return name
    return registry.serialize_keras_object(activation)


def deserialize(config: Any, custom_objects: Any = None) -> Any:
    """Returns the activation that a name or a config stands for."""
    with registry.CustomObjectScope(custom_objects):
        return get(config)
