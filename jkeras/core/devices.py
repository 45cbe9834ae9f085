"""Where arrays are made, and what the backward pass computes again."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax


@contextmanager
def device(device_name: Any) -> Iterator[None]:
    """Makes arrays, and computes, on one device while a block runs.

    Args:
        device_name: `"cpu:0"`, `"gpu:1"`, ...: the kind and the number; or a `jax.Device`.

    Raises:
        ValueError: If there is no such device.

    Example:
        >>> import jkeras as keras
        >>> with keras.device("cpu:0"):
        ...     keras.ops.ones(2).device.platform
        'cpu'
    """
    with jax.default_device(_find(device_name)):
        yield


def _find(device: Any) -> Any:
    if isinstance(device, jax.Device):
        return device
    if not isinstance(device, str):
        raise ValueError(f"A device is a string like 'gpu:0' or a jax.Device. Received: {device!r}")
    kind, _, number = device.lower().partition(":")
    try:
        return jax.devices({"cuda": "gpu"}.get(kind, kind))[int(number or 0)]
    except (RuntimeError, IndexError, ValueError):
        known = ", ".join(f"{d.platform}:{d.id}" for d in jax.devices())
        raise ValueError(f"Device not found: {device!r}. There are: {known}.") from None


def remat(f: Callable) -> Callable:
    """Makes the backward pass compute again what happens in a function, rather than keep it.

    Args:
        f: A function of arrays.

    Returns:
        The same function, whose gradients take less memory and more time.

    Example:
        >>> import jax, jkeras as keras
        >>> jax.grad(keras.remat(lambda x: x**3))(2.0).item()
        12.0
    """
    return functools.wraps(f)(jax.checkpoint(f))
