"""Settings that hold everywhere, by the names of `keras.config`."""

from typing import Any

from jkeras.base import settings
from jkeras.base.compilation_cache import disable_compilation_cache as disable_compilation_cache
from jkeras.base.compilation_cache import enable_compilation_cache as enable_compilation_cache
from jkeras.base.settings import data_budget as data_budget
from jkeras.base.settings import epsilon as epsilon
from jkeras.base.settings import floatx as floatx
from jkeras.base.settings import image_data_format as image_data_format
from jkeras.base.settings import set_data_budget as set_data_budget
from jkeras.base.settings import set_epsilon as set_epsilon
from jkeras.base.settings import set_floatx as set_floatx
from jkeras.base.settings import set_image_data_format as set_image_data_format
from jkeras.core import call
from jkeras.core.policy import dtype_policy as dtype_policy
from jkeras.core.policy import set_dtype_policy as set_dtype_policy
from jkeras.training import nans


# ------------------------------------------------------------------ the backend
def backend() -> str:
    """Returns `"jax"`.

    Example:
        >>> import jkeras as keras
        >>> keras.config.backend()
        'jax'
    """
    return "jax"


def set_backend(backend: str) -> None:
    """Does nothing for `"jax"`: there is no other backend.

    Raises:
        ValueError: For any other name.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_backend("jax")
    """
    if backend != "jax":
        raise ValueError(f"jkeras computes with JAX only: there is no backend {backend!r}.")


def is_nnx_enabled() -> bool:
    """Returns False: variables are not those of Flax NNX.

    Example:
        >>> import jkeras as keras
        >>> keras.config.is_nnx_enabled()
        False
    """
    return False


def enable_unsafe_deserialization() -> None:
    """Raises an error: code that a file holds is never run.

    Raises:
        NotImplementedError: Always.
    """
    raise NotImplementedError(
        "jkeras never runs code from a file. Give the function a name, and pass it in "
        "`custom_objects` or register it with @keras.saving.register_keras_serializable()."
    )


# ------------------------------------------------------------------ switches
def debug_nans(enabled: bool = True) -> None:
    """Makes the first NaN an error that names the layer which made it.

    `fit` then runs step by step and looks at each, which is slow. A layer that is called eagerly
    raises the error as well.

    Args:
        enabled: Whether to look for NaNs.

    Example:
        >>> import jax.numpy as jnp, jkeras as keras
        >>> keras.config.debug_nans()
        >>> try:
        ...     keras.layers.Activation(jnp.log, name="log")(jnp.array([-1.0]))
        ... except FloatingPointError as error:
        ...     print(str(error).splitlines()[0])
        ... finally:
        ...     keras.config.debug_nans(False)
        The outputs of the layer 'log' hold NaN.
    """
    settings.put("debug_nans", bool(enabled))
    call.watch = nans.refuse if enabled else None


def enable_flash_attention() -> None:
    """Makes attention use cuDNN's fused kernel; NVIDIA GPUs only.

    Example:
        >>> import jkeras as keras
        >>> keras.config.enable_flash_attention()
        >>> keras.config.is_flash_attention_enabled()
        True
        >>> keras.config.disable_flash_attention()
    """
    settings.put("flash_attention", True)


def disable_flash_attention() -> None:
    """Makes attention use XLA's own program everywhere."""
    settings.put("flash_attention", False)


def is_flash_attention_enabled() -> bool | None:
    """Says whether attention uses cuDNN's fused kernel; None, at the start: where it applies."""
    return settings.get("flash_attention")


def enable_interactive_logging() -> None:
    """Makes progress bars and messages go to the terminal; this is so from the start."""
    settings.put("interactive_logging", True)


def disable_interactive_logging() -> None:
    """Makes progress bars and messages go to Python's `logging`.

    Example:
        >>> import jkeras as keras
        >>> keras.config.disable_interactive_logging()
        >>> keras.config.is_interactive_logging_enabled()
        False
        >>> keras.config.enable_interactive_logging()
    """
    settings.put("interactive_logging", False)


def is_interactive_logging_enabled() -> bool:
    """Says whether progress bars and messages go to the terminal."""
    return settings.get("interactive_logging")


def enable_traceback_filtering() -> None:
    """Accepted for Keras's sake: it is noted, but tracebacks are never filtered.

    Errors name the layer and its inputs instead; `JAX_TRACEBACK_FILTERING` is JAX's own switch.
    """
    settings.put("traceback_filtering", True)


def disable_traceback_filtering() -> None:
    """Accepted for Keras's sake: it is noted, but tracebacks are never filtered."""
    settings.put("traceback_filtering", False)


def is_traceback_filtering_enabled() -> bool:
    """Returns what was last asked for; tracebacks are never filtered."""
    return settings.get("traceback_filtering")


# ------------------------------------------------------------------ limits
def _put_limit(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ValueError(f"`{name}` must be a positive integer or None. Received: {value!r}")
    settings.put(name, value)


def max_epochs() -> int | None:
    """Returns the most epochs that a `fit` runs; None for as many as it is told to.

    Example:
        >>> import jkeras as keras
        >>> keras.config.max_epochs() is None
        True
    """
    return settings.get("max_epochs")


def set_max_epochs(max_epochs: int | None) -> None:
    """Limits the epochs of every `fit`, whatever it is told: for a trial run of a program.

    Args:
        max_epochs: The most epochs, or None.

    Raises:
        ValueError: If it is not a positive integer.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_max_epochs(1)
        >>> keras.config.set_max_epochs(None)
    """
    _put_limit("max_epochs", max_epochs)


def max_steps_per_epoch() -> int | None:
    """Returns the most steps of an epoch; None for as many as the data has.

    Example:
        >>> import jkeras as keras
        >>> keras.config.max_steps_per_epoch() is None
        True
    """
    return settings.get("max_steps_per_epoch")


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limits the steps of every epoch of `fit`, `evaluate` and `predict`: for a trial run.

    Args:
        max_steps_per_epoch: The most steps, or None.

    Raises:
        ValueError: If it is not a positive integer.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_max_steps_per_epoch(2)
        >>> keras.config.set_max_steps_per_epoch(None)
    """
    _put_limit("max_steps_per_epoch", max_steps_per_epoch)
