"""Arrays that have values, also while somebody traces."""

import contextlib
from typing import Any

import jax
import numpy as np


def concretely() -> Any:
    """Returns a context in which operations compute, also inside of `jit`, `grad` or `vmap`.

    That is `jax.ensure_compile_time_eval()`, and nothing where nobody traces: in the former the
    constants of whatever is traced are computed one by one, each by a program of its own.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jkeras.base.tracing import concretely
        >>> @jax.jit
        ... def one(x):
        ...     with concretely():
        ...         return x * float(jnp.ones(()))
        >>> one(1.0).item()
        1.0
    """
    is_traced = isinstance(jax.device_put(np.float32(0)), jax.core.Tracer)
    return jax.ensure_compile_time_eval() if is_traced else contextlib.nullcontext()


def traced() -> bool:
    """Says whether a function is being compiled: what is made here belongs to its trace.

    Example:
        >>> import jax
        >>> from jkeras.base.tracing import traced
        >>> traced(), jax.jit(lambda x: x + traced())(1.0).item()
        (False, 2.0)
    """
    return not isinstance(concretely(), contextlib.nullcontext)
