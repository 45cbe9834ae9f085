"""Activation functions by Keras's names: functions of an array, which symbolic tensors take too."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.types import ArrayLike, Axis, Identifier
from jkeras.core.operations import define

# Compiled, and inlined where they are traced: the eager call of a function with a derivative of its
# own takes 20 times as long.
_relu = jax.jit(jax.nn.relu, inline=True)
_relu6 = jax.jit(jax.nn.relu6, inline=True)
_gelu = jax.jit(jax.nn.gelu, static_argnums=1, inline=True)
_softmax = jax.jit(jax.nn.softmax, static_argnums=1, inline=True)


def _activation(function: Any, *, module: str = "ops.nn", **options: Any) -> Any:
    lifted = define(function, module=module, arrays="x", **options)
    return registry.register_builtin("activations", lifted)


def linear(x: ArrayLike) -> ArrayLike:
    """Returns `x`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.linear(2.0)
        2.0
    """
    return x


registry.register_builtin("activations", linear)


@partial(_activation, class_name="ReLU", module="activations.activations")
def relu(
    x: ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> jax.Array:
    """Rectified linear unit: `max(x, 0)` by default.

    Args:
        x: The inputs.
        negative_slope: The slope below `threshold`.
        max_value: Where the output stops growing; None for never.
        threshold: Values up to it are damped.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.relu([-1.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    if negative_slope == 0.0 and max_value is None and threshold == 0.0:
        return _relu(x)
    x = jnp.asarray(x)
    above = x if max_value is None else jnp.minimum(x, max_value)
    return jnp.where(x > threshold, above, negative_slope * (x - threshold))


@_activation
def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> jax.Array:
    """`x` where positive, else `negative_slope * x` (Maas et al., 2013).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.leaky_relu([-1.0, 2.0], negative_slope=0.5).tolist()
        [-0.5, 2.0]
    """
    return jax.nn.leaky_relu(x, negative_slope)


@_activation
def relu6(x: ArrayLike) -> jax.Array:
    """`min(max(x, 0), 6)` (Krizhevsky, 2010).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.relu6([-1.0, 2.0, 9.0]).tolist()
        [0.0, 2.0, 6.0]
    """
    return _relu6(x)


@_activation
def elu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """`x` where positive, else `alpha * (exp(x) - 1)` (Clevert et al., 2016).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.elu([-100.0, 2.0]).tolist()
        [-1.0, 2.0]
    """
    return jax.nn.elu(x, alpha)


@_activation
def celu(x: ArrayLike, alpha: float = 1.0) -> jax.Array:
    """`max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)` (Barron, 2017).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.celu([-100.0, 2.0], alpha=0.5).tolist()
        [-0.5, 2.0]
    """
    return jax.nn.celu(x, alpha)


@_activation
def selu(x: ArrayLike) -> jax.Array:
    """The scaled ELU that keeps mean 0 and variance 1 (Klambauer et al., 2017).

    Example:
        >>> import jkeras as keras
        >>> round(keras.activations.selu(1.0).item(), 4)
        1.0507
    """
    return jax.nn.selu(x)


@_activation
def gelu(x: ArrayLike, approximate: bool = False) -> jax.Array:
    """`x` times the normal distribution's cumulative probability (Hendrycks and Gimpel, 2016).

    Args:
        x: The inputs.
        approximate: Whether to approximate it with a tanh.

    Example:
        >>> import jkeras as keras
        >>> round(keras.activations.gelu(1.0).item(), 4)
        0.8413
    """
    return _gelu(x, bool(approximate))


@_activation
def silu(x: ArrayLike) -> jax.Array:
    """`x * sigmoid(x)`, also called swish (Ramachandran et al., 2017).

    Example:
        >>> import jkeras as keras
        >>> round(keras.activations.silu(1.0).item(), 4)
        0.7311
    """
    return jax.nn.silu(x)


@_activation
def hard_silu(x: ArrayLike) -> jax.Array:
    """`x * hard_sigmoid(x)`, also called hard swish (Howard et al., 2019).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.hard_silu([3.0, 9.0]).tolist()
        [3.0, 9.0]
    """
    return jax.nn.hard_silu(x)


@_activation
def mish(x: ArrayLike) -> jax.Array:
    """`x * tanh(softplus(x))` (Misra, 2019).

    Example:
        >>> import jkeras as keras
        >>> round(keras.activations.mish(1.0).item(), 4)
        0.8651
    """
    return jax.nn.mish(x)


@_activation
def glu(x: ArrayLike, axis: int = -1) -> jax.Array:
    """The first half of `x` along `axis` times the sigmoid of the second (Dauphin et al., 2017).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.glu([8.0, 0.0]).tolist()
        [4.0]
    """
    return jax.nn.glu(x, axis)


@_activation
def sigmoid(x: ArrayLike) -> jax.Array:
    """`1 / (1 + exp(-x))`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.sigmoid(0.0).item()
        0.5
    """
    return jax.nn.sigmoid(x)


@_activation
def hard_sigmoid(x: ArrayLike) -> jax.Array:
    """`clip(x / 6 + 0.5, 0, 1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.hard_sigmoid([-9.0, 0.0, 9.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return jax.nn.hard_sigmoid(x)


@_activation
def log_sigmoid(x: ArrayLike) -> jax.Array:
    """`log(sigmoid(x))`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.log_sigmoid(-100.0).item()
        -100.0
    """
    return jax.nn.log_sigmoid(x)


@_activation
def sparse_sigmoid(x: ArrayLike) -> jax.Array:
    """`clip((x + 1) / 2, 0, 1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.sparse_sigmoid([-9.0, 0.0, 9.0]).tolist()
        [0.0, 0.5, 1.0]
    """
    return jax.nn.sparse_sigmoid(x)


@partial(_activation, module="ops.numpy")
def tanh(x: ArrayLike) -> jax.Array:
    """Hyperbolic tangent.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.tanh([0.0, 100.0]).tolist()
        [0.0, 1.0]
    """
    return jnp.tanh(x)


@_activation
def hard_tanh(x: ArrayLike) -> jax.Array:
    """`clip(x, -1, 1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.hard_tanh([-9.0, 0.5]).tolist()
        [-1.0, 0.5]
    """
    return jax.nn.hard_tanh(x)


@_activation
def tanh_shrink(x: ArrayLike) -> jax.Array:
    """`x - tanh(x)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.tanh_shrink(0.0).item()
        0.0
    """
    return x - jnp.tanh(x)


@_activation
def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """`x` where its absolute value exceeds `threshold`, else 0.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.hard_shrink([-2.0, 0.2]).tolist()
        [-2.0, 0.0]
    """
    return jnp.where(jnp.abs(x) > threshold, x, 0.0)


@_activation
def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> jax.Array:
    """`x` moved towards 0 by `threshold`, but not beyond.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.soft_shrink([-2.0, 0.2]).tolist()
        [-1.5, 0.0]
    """
    return jnp.maximum(x - threshold, 0.0) + jnp.minimum(x + threshold, 0.0)


@_activation
def threshold(x: ArrayLike, threshold: float, default_value: float) -> jax.Array:
    """`x` where it exceeds `threshold`, else `default_value`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.threshold([1.0, 3.0], 2.0, -1.0).tolist()
        [-1.0, 3.0]
    """
    return jnp.where(x > threshold, x, default_value)


@_activation
def softplus(x: ArrayLike) -> jax.Array:
    """`log(exp(x) + 1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.softplus([-200.0, 200.0]).tolist()
        [0.0, 200.0]
    """
    return jax.nn.softplus(x)


@_activation
def sparse_plus(x: ArrayLike) -> jax.Array:
    """0 up to -1, `x` from 1 on, and `(x + 1)**2 / 4` between.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.sparse_plus([-2.0, 0.0, 2.0]).tolist()
        [0.0, 0.25, 2.0]
    """
    return jax.nn.sparse_plus(x)


@_activation
def squareplus(x: ArrayLike, b: float = 4) -> jax.Array:
    """`(x + sqrt(x**2 + b)) / 2` (Barron, 2021).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.squareplus(0.0).item()
        1.0
    """
    return jax.nn.squareplus(x, b)


@_activation
def softsign(x: ArrayLike) -> jax.Array:
    """`x / (abs(x) + 1)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.softsign([-1.0, 3.0]).tolist()
        [-0.5, 0.75]
    """
    return jax.nn.soft_sign(x)


@partial(_activation, class_name="Exp", module="ops.numpy")
def exponential(x: ArrayLike) -> jax.Array:
    """`exp(x)`.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.exponential(0.0).item()
        1.0
    """
    return jnp.exp(x)


@_activation
def softmax(x: ArrayLike, axis: Axis = -1) -> jax.Array:
    """`exp(x) / sum(exp(x))` along `axis`: probabilities of sum 1.

    Args:
        x: The inputs.
        axis: An axis, several, or None for all.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.softmax([0.0, 0.0, 0.0, 0.0]).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    x = jnp.asarray(x)
    x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(jnp.result_type(float))
    if isinstance(axis, int) and axis in range(-x.ndim, x.ndim) and x.shape[axis] == 1:
        warn_deprecated(
            f"You are using a softmax over axis {axis} of a tensor of shape {x.shape}. This axis "
            "has size 1. The softmax operation will always return the value 1, which is likely not "
            "what you intended. Did you mean to use a sigmoid instead?",
            UserWarning,
        )
    return _softmax(x, tuple(axis) if isinstance(axis, list) else axis)


@_activation
def log_softmax(x: ArrayLike, axis: Axis = -1) -> jax.Array:
    """`log(softmax(x))` along `axis`, exact where probabilities are tiny.

    Example:
        >>> import jkeras as keras
        >>> keras.activations.log_softmax([1000.0, 0.0]).tolist()
        [0.0, -1000.0]
    """
    return jax.nn.log_softmax(x, axis)


@_activation
def sparsemax(x: ArrayLike, axis: int = -1) -> jax.Array:
    """The probabilities nearest to `x` along `axis`: most are 0 (Martins and Astudillo, 2016).

    Example:
        >>> import jkeras as keras
        >>> keras.activations.sparsemax([1.0, 2.0, 2.5]).tolist()
        [0.0, 0.25, 0.75]
    """
    x = jnp.moveaxis(jnp.asarray(x), axis, -1)
    descending = jnp.flip(jnp.sort(x, axis=-1), axis=-1)
    # With the k largest in the support, all of them are lowered by the same tau so that they sum
    # to 1; the support is the largest k whose smallest member stays positive.
    k = jnp.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    tau = (jnp.cumsum(descending, axis=-1) - 1) / k
    size = jnp.sum(descending > tau, axis=-1, keepdims=True)
    tau = jnp.take_along_axis(tau, size - 1, axis=-1)
    return jnp.moveaxis(jnp.maximum(x - tau, 0), -1, axis)


swish, hard_swish = silu, hard_silu
registry.register_builtin("activations", silu, "swish")
registry.register_builtin("activations", hard_silu, "hard_swish")


def get(identifier: Identifier) -> Callable[..., Any]:
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


def serialize(activation: Identifier) -> str | dict[str, Any] | None:
    """Returns the name of an activation function, or the config of an activation layer."""
    name = getattr(activation, "__name__", None)
    if name and registry.find_builtin("activations", name) is activation:
        return name
    return registry.serialize_keras_object(activation)


def deserialize(
    config: Identifier, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any]:
    """Returns the activation that a name or a config stands for."""
    with registry.CustomObjectScope(custom_objects):
        return get(config)
