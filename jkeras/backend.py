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


def result_type(*dtypes: Any) -> str:
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
    "rnn": "Use keras.layers.RNN, or keras.ops.scan.",
}


def __getattr__(name: str) -> Any:
    if name in _KERAS_2:
        instead, function = _KERAS_2[name]
        warn_deprecated(f"keras.backend.{name} is Keras 2's spelling: use {instead}.")
        return function
    if name in _GONE:
        raise AttributeError(f"Keras 3 has no keras.backend.{name}. {_GONE[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
