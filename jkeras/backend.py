"""What `keras.backend` has in Keras 3; and Keras 2's functions, each with a deprecation warning.

Programs for Keras 2 say `from keras import backend as K` and `K.mean(x)`. In Keras 3 that is
`keras.ops.mean(x)`. The old names work here, and warn.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import activations, ops, random
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.naming import get_uid as get_uid
from jkeras.base.settings import epsilon as epsilon
from jkeras.base.settings import floatx as floatx
from jkeras.base.settings import image_data_format as image_data_format
from jkeras.base.settings import set_epsilon as set_epsilon
from jkeras.base.settings import set_floatx as set_floatx
from jkeras.base.settings import set_image_data_format as set_image_data_format
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Identifier
from jkeras.config import backend as backend
from jkeras.core import policy
from jkeras.core.graph import is_symbolic as is_symbolic
from jkeras.core.policy import standardize_dtype as standardize_dtype
from jkeras.core.scope import name_scope as name_scope
from jkeras.core.session import clear_session as clear_session
from jkeras.core.variable import Variable
from jkeras.ops import arrays

is_keras_tensor = is_symbolic


def is_float_dtype(dtype: DTypeLike) -> bool:
    """Says whether a dtype is a floating one.

    Example:
        >>> import jkeras as keras
        >>> keras.backend.is_float_dtype("bfloat16"), keras.backend.is_float_dtype("int8")
        (True, False)
    """
    return policy.is_float(standardize_dtype(dtype))


def is_int_dtype(dtype: DTypeLike) -> bool:
    """Says whether a dtype is an integer one.

    Example:
        >>> import jkeras as keras
        >>> keras.backend.is_int_dtype("uint8"), keras.backend.is_int_dtype("bool")
        (True, False)
    """
    name = standardize_dtype(dtype)
    return name != "string" and jnp.issubdtype(name, jnp.integer)


def result_type(*dtypes: DTypeLike) -> str:
    """Returns the dtype of what is computed of these; `int` and `float` give way to the others.

    Example:
        >>> import jkeras as keras
        >>> keras.backend.result_type("int32", "float16"), keras.backend.result_type("int8", int)
        ('float16', 'int8')
    """
    if not dtypes:
        return floatx()
    weak = {int: 0, float: 0.0}  # as JAX treats Python's own numbers
    types = [weak[d] if d in (int, float) else standardize_dtype(d) for d in dtypes]
    return standardize_dtype(jnp.result_type(*types))


# ------------------------------------------------------------------ Keras 2
def _variable(
    value: Any, dtype: DTypeLike = None, name: str | None = None, constraint: Identifier = None
) -> Any:
    variable = Variable(value, dtype=dtype or floatx(), name=name)
    variable.constraint = constraint
    return variable


def _constant(value: Any, dtype: Any = None, shape: Any = None, name: Any = None) -> jax.Array:
    array = jnp.asarray(value, dtype or floatx())
    return array if shape is None else jnp.broadcast_to(array, shape)


def _get_value(x: ArrayLike) -> Any:
    return x.numpy() if isinstance(x, Variable) else np.asarray(x)


def _update(x: ArrayLike, new_x: Any) -> Any:
    x.assign(new_x)
    return x


def _update_add(x: ArrayLike, increment: Any) -> Any:
    x.assign_add(increment)
    return x


def _update_sub(x: ArrayLike, decrement: Any) -> Any:
    x.assign_sub(decrement)
    return x


def _batch_dot(x: ArrayLike, y: Any, axes: Axis = None) -> Any:
    """Contracts one axis of each of two batches."""
    if isinstance(axes, int):
        axes = (axes, axes)
    first, second = axes or (x.ndim - 1, max(y.ndim - 2, 1))
    letters = iter("cdefghijklmnopq")
    left = ["a", *(next(letters) for _ in range(x.ndim - 1))]
    right = ["a", *(next(letters) for _ in range(y.ndim - 1))]
    left[first] = right[second] = "z"
    result = [letter for letter in (*left, *right[1:]) if letter != "z"]
    equation = f"{''.join(left)},{''.join(right)}->{''.join(result)}"
    outputs = ops.einsum(equation, x, y)
    return ops.expand_dims(outputs, 1) if len(outputs.shape) == 1 else outputs


def _hard_sigmoid(x: ArrayLike) -> Any:
    """Keras 2's, of slope 0.2; Keras 3's has slope 1/6."""
    return ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def _channels_first(data_format: str | None) -> bool:
    return (data_format or image_data_format()) == "channels_first"


def _bias_add(x: ArrayLike, bias: ArrayLike, data_format: str | None = None) -> Any:
    if len(bias.shape) == 1 and _channels_first(data_format):
        bias = ops.reshape(bias, (-1, *[1] * (len(x.shape) - 2)))
    return x + bias


def _conv2d_transpose(
    x: ArrayLike,
    kernel: ArrayLike,
    output_shape: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str | None = None,
    dilation_rate: Any = (1, 1),
) -> Any:
    outputs = ops.conv_transpose(x, kernel, strides, padding, None, data_format, dilation_rate)
    asked = zip(output_shape, outputs.shape, strict=True)
    if any(isinstance(n, int) and m is not None and n != m for n, m in asked):
        raise ValueError(
            f"keras.backend.conv2d_transpose gives the shape {tuple(outputs.shape)} here, not "
            f"{tuple(output_shape)}: use keras.ops.conv_transpose with `output_padding`."
        )
    return outputs


def _pool(
    x: ArrayLike,
    pool_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str | None = None,
    pool_mode: str = "max",
) -> Any:
    pool = {"max": ops.max_pool, "avg": ops.average_pool}[pool_mode]
    return pool(x, pool_size, strides, padding, data_format)


def _pad(x: ArrayLike, padding: Any, data_format: str | None = "channels_last") -> Any:
    space = tuple((n, n) if isinstance(n, int) else tuple(n) for n in padding)
    if _channels_first(data_format):
        return ops.pad(x, ((0, 0), (0, 0), *space))
    return ops.pad(x, ((0, 0), *space, (0, 0)))


def _enlarge(x: ArrayLike, factors: Any, data_format: str | None, mode: str = "nearest") -> Any:
    first = 2 if _channels_first(data_format) else 1
    if mode != "nearest":
        size = [n * factor for n, factor in zip(x.shape[first:], factors, strict=False)]
        return ops.image.resize(x, tuple(size), mode, data_format=data_format)
    for axis, factor in enumerate(factors, first):
        x = ops.repeat(x, factor, axis)
    return x


def _resize_images(
    x: ArrayLike,
    height_factor: int,
    width_factor: int,
    data_format: str | None,
    interpolation: str = "nearest",
) -> Any:
    return _enlarge(x, (height_factor, width_factor), data_format, interpolation)


def _resize_volumes(
    x: ArrayLike, depth_factor: int, height_factor: int, width_factor: int, data_format: str | None
) -> Any:
    return _enlarge(x, (depth_factor, height_factor, width_factor), data_format)


def _ctc_batch_cost(
    y_true: ArrayLike, y_pred: ArrayLike, input_length: ArrayLike, label_length: ArrayLike
) -> Any:
    """Returns CTC's loss of probabilities whose last class is the blank one, as a column."""
    lengths = [ops.reshape(n, (-1,)) for n in (label_length, input_length)]
    logits = ops.log(y_pred + epsilon())
    loss = ops.ctc_loss(ops.cast(y_true, "int32"), logits, *lengths, y_pred.shape[-1] - 1)
    return ops.expand_dims(loss, 1)


def _ctc_decode(
    y_pred: ArrayLike,
    input_length: ArrayLike,
    greedy: bool = True,
    beam_width: int = 100,
    top_paths: int = 1,
) -> Any:
    strategy = "greedy" if greedy else "beam_search"
    paths, scores = ops.ctc_decode(
        ops.log(y_pred + epsilon()),
        input_length,
        strategy,
        beam_width,
        top_paths,
        mask_index=y_pred.shape[-1] - 1,
    )
    return list(paths), scores


def _fold(reverse: bool) -> Callable:
    def fold(fn: Callable, elems: ArrayLike, initializer: Any = None, name: Any = None) -> Any:
        elems = jnp.flip(elems, 0) if reverse else jnp.asarray(elems)
        if initializer is None:
            initializer, elems = elems[0], elems[1:]
        return jax.lax.scan(lambda so_far, x: (fn(so_far, x), None), initializer, elems)[0]

    return fold


def _moving_average_update(x: Any, value: Any, momentum: float) -> Any:
    return _update(x, x * momentum + ops.cast(value, x.dtype) * (1.0 - momentum))


def _random_variable(draw: Callable) -> Callable:
    def variable(
        shape: Any, first: Any, second: Any, dtype: Any = None, name: Any = None, seed: Any = None
    ) -> Any:
        return Variable(draw(tuple(shape), first, second, dtype, seed), dtype=dtype, name=name)

    return variable


def _rnn(
    step_function: Callable,
    inputs: Any,
    initial_states: Any,
    go_backwards: bool = False,
    mask: ArrayLike = None,
    constants: Any = None,
    unroll: bool = False,
    input_length: Any = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
    return_all_outputs: bool = True,
) -> tuple[Any, Any, Any]:
    """Calls `step_function(inputs, states)` for each step: `(last output, outputs, states)`."""

    def turned(x: ArrayLike) -> jax.Array:
        return jnp.asarray(x) if time_major else jnp.swapaxes(jnp.asarray(x), 0, 1)

    def step(x: Any, states: Any) -> tuple[Any, list[Any]]:
        output, new = step_function(x, [*states, *(constants or ())])
        return output, list(new)

    steps, states = jax.tree.map(turned, inputs), list(initial_states)
    # States that begin as integers have the dtype of those that come after.
    _, after = jax.eval_shape(step, jax.tree.map(lambda x: x[0], steps), states)
    last, outputs, states = arrays.recurrent(
        step,
        steps,
        jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), states, after),
        None if mask is None else turned(mask).astype(bool),
        go_backwards,
        unroll,
        zero_output_for_mask,
        return_all_outputs,
    )
    every: Any = outputs if return_all_outputs else last[None]
    return last, every if time_major else jnp.swapaxes(every, 0, 1), states


# Names that mean in Keras 2 what keras.ops means by them, with the same arguments.
# fmt: off
_SAME = (
    "abs", "all", "any", "cast", "cos", "dot", "dtype", "elu", "equal", "exp", "eye", "greater",
    "greater_equal", "less", "less_equal", "log", "logsumexp", "max", "maximum", "mean", "min",
    "minimum", "ndim", "not_equal", "one_hot", "ones_like", "prod", "reshape", "round", "shape",
    "sigmoid", "sign", "sin", "softmax", "softplus", "softsign",
    "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", "sqrt",
    "square", "squeeze", "stack", "std", "stop_gradient", "sum", "tanh", "tile", "transpose",
    "var", "zeros_like", "arange",
)
# fmt: on
# Name -> what to call instead, and a function with Keras 2's arguments.
_KERAS_2: dict[str, tuple[str, Callable]] = {
    **{name: (f"keras.ops.{name}", getattr(ops, name)) for name in _SAME},
    "argmax": ("keras.ops.argmax", lambda x, axis=-1: ops.argmax(x, axis)),
    "argmin": ("keras.ops.argmin", lambda x, axis=-1: ops.argmin(x, axis)),
    "batch_dot": ("keras.ops.einsum", _batch_dot),
    "batch_flatten": ("keras.ops.reshape", lambda x: ops.reshape(x, (len(x), -1))),
    "batch_get_value": ("variable.numpy()", lambda tensors: [_get_value(x) for x in tensors]),
    "batch_set_value": ("variable.assign(value)", lambda pairs: [_update(*p) for p in pairs]),
    "batch_normalization": (
        "keras.ops.batch_normalization",
        lambda x, mean, var, beta, gamma, axis=-1, epsilon=0.001: ops.batch_normalization(
            x, mean, var, axis, beta, gamma, epsilon
        ),
    ),
    "bias_add": ("keras.ops.add", _bias_add),
    "cast_to_floatx": ("keras.ops.cast", lambda x: ops.cast(x, floatx())),
    **{f"conv{n}d": ("keras.ops.conv", ops.conv) for n in (1, 2, 3)},
    "conv2d_transpose": ("keras.ops.conv_transpose", _conv2d_transpose),
    "ctc_batch_cost": ("keras.ops.ctc_loss", _ctc_batch_cost),
    "ctc_decode": ("keras.ops.ctc_decode", _ctc_decode),
    "depthwise_conv2d": ("keras.ops.depthwise_conv", ops.depthwise_conv),
    "dropout": (
        "keras.random.dropout",
        lambda x, level, noise_shape=None, seed=None: random.dropout(x, level, noise_shape, seed),
    ),
    "foldl": ("keras.ops.scan", _fold(reverse=False)),
    "foldr": ("keras.ops.scan", _fold(reverse=True)),
    "moving_average_update": ("variable.assign(value)", _moving_average_update),
    "pool2d": ("keras.ops.max_pool", _pool),
    "pool3d": ("keras.ops.max_pool", _pool),
    "random_bernoulli": (
        "keras.random.binomial",
        lambda shape, p=0.0, dtype=None, seed=None: random.binomial(shape, 1, p, dtype, seed),
    ),
    "random_normal_variable": ("keras.Variable", _random_variable(random.normal)),
    "random_uniform_variable": ("keras.Variable", _random_variable(random.uniform)),
    "repeat": ("keras.ops.repeat", lambda x, n: ops.repeat(ops.expand_dims(x, 1), n, 1)),
    "resize_images": ("keras.ops.repeat", _resize_images),
    "resize_volumes": ("keras.ops.repeat", _resize_volumes),
    "reverse": ("keras.ops.flip", lambda x, axes: ops.flip(x, axes)),
    "rnn": ("keras.layers.RNN, or keras.ops.scan", _rnn),
    "separable_conv2d": ("keras.ops.separable_conv", ops.separable_conv),
    "spatial_2d_padding": (
        "keras.ops.pad",
        lambda x, padding=((1, 1), (1, 1)), data_format=None: _pad(x, padding, data_format),
    ),
    "spatial_3d_padding": (
        "keras.ops.pad",
        lambda x, padding=((1, 1), (1, 1), (1, 1)), data_format=None: _pad(x, padding, data_format),
    ),
    "temporal_padding": ("keras.ops.pad", lambda x, padding=(1, 1): _pad(x, [tuple(padding)])),
    "to_dense": ("the array", lambda tensor: tensor),
    "clip": ("keras.ops.clip", lambda x, min_value, max_value: ops.clip(x, min_value, max_value)),
    "concatenate": (
        "keras.ops.concatenate",
        lambda tensors, axis=-1: ops.concatenate(tensors, axis),
    ),
    "constant": ("keras.ops.convert_to_tensor", _constant),
    "count_params": ("variable.size", lambda x: math.prod(x.shape)),
    "cumprod": ("keras.ops.cumprod", lambda x, axis=0: ops.cumprod(x, axis)),
    "cumsum": ("keras.ops.cumsum", lambda x, axis=0: ops.cumsum(x, axis)),
    "eval": ("keras.ops.convert_to_numpy", _get_value),
    "expand_dims": ("keras.ops.expand_dims", lambda x, axis=-1: ops.expand_dims(x, axis)),
    "flatten": ("keras.ops.ravel", lambda x: ops.reshape(x, (-1,))),
    "gather": ("keras.ops.take", lambda reference, indices: ops.take(reference, indices, 0)),
    "get_value": ("variable.numpy()", _get_value),
    "hard_sigmoid": ("keras.ops.hard_sigmoid, which has another slope", _hard_sigmoid),
    "in_top_k": (
        "keras.ops.in_top_k",
        lambda predictions, targets, k: ops.in_top_k(targets, predictions, k),
    ),
    "int_shape": ("x.shape", ops.shape),
    "is_sparse": ("False", lambda tensor: False),
    "l2_normalize": (
        "keras.ops.normalize",
        lambda x, axis=None: ops.normalize(x, axis, epsilon=1e-6),
    ),
    "map_fn": ("keras.ops.map", lambda fn, elems: ops.map(fn, elems)),
    "ones": ("keras.ops.ones", lambda shape, dtype=None, name=None: ops.ones(shape, dtype)),
    "permute_dimensions": ("keras.ops.transpose", lambda x, pattern: ops.transpose(x, pattern)),
    "pow": ("keras.ops.power", lambda x, a: ops.power(x, a)),
    "random_normal": ("keras.random.normal", random.normal),
    "random_uniform": ("keras.random.uniform", random.uniform),
    "relu": (
        "keras.activations.relu",
        lambda x, alpha=0.0, max_value=None, threshold=0.0: activations.relu(
            x, alpha, max_value, threshold
        ),
    ),
    "repeat_elements": ("keras.ops.repeat", lambda x, rep, axis: ops.repeat(x, rep, axis)),
    "set_value": ("variable.assign(value)", _update),
    "switch": (
        "keras.ops.where",
        lambda condition, then_expression, else_expression: ops.where(
            condition, then_expression, else_expression
        ),
    ),
    "truncated_normal": ("keras.random.truncated_normal", random.truncated_normal),
    "update": ("variable.assign(value)", _update),
    "update_add": ("variable.assign_add(value)", _update_add),
    "update_sub": ("variable.assign_sub(value)", _update_sub),
    "variable": ("keras.Variable", _variable),
    "zeros": ("keras.ops.zeros", lambda shape, dtype=None, name=None: ops.zeros(shape, dtype)),
}
_GONE = {
    "learning_phase": "A layer's call gets `training=True` or `training=False`.",
    "set_learning_phase": "Pass `training=` to the call of a layer or model.",
    "function": "Use jax.jit, or make a keras.Model of the symbolic inputs and outputs.",
    "gradients": "Use jax.grad over keras.pure.apply.",
    "get_session": "There are no sessions.",
    "set_session": "There are no sessions.",
    "placeholder": "Use keras.Input.",
    "ctc_label_dense_to_sparse": "keras.ops.ctc_loss takes dense labels.",
    "print_tensor": "Use jax.debug.print.",
}


def __getattr__(name: str) -> Any:
    if name in _KERAS_2:
        instead, function = _KERAS_2[name]
        warn_deprecated(f"keras.backend.{name} is Keras 2's spelling: use {instead}.")
        return function
    if name in _GONE:
        raise AttributeError(f"Keras 3 has no keras.backend.{name}. {_GONE[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
