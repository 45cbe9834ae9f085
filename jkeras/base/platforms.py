"""Where arrays are computed with: a CPU, a GPU or a TPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax

_others: ContextVar[str | None] = ContextVar("others", default=None)


@contextmanager
def tracing_for(name: str) -> Iterator[None]:
    """Makes `platform` say a name while a program is traced that others will run elsewhere."""
    token = _others.set(name)
    try:
        yield
    finally:
        _others.reset(token)


def _default_device() -> Any:
    """Returns what `jax.default_device` was set to; None if it was not."""
    return jax.config.jax_default_device  # type: ignore[attr-defined]


def platform() -> str:
    """Returns `"cpu"`, `"gpu"` or `"tpu"`: that of the default device, or of `jkeras.device`."""
    elsewhere = _others.get()
    if elsewhere is not None:
        return elsewhere
    device = _default_device()
    if device is None:
        return jax.default_backend()
    return device.partition(":")[0] if isinstance(device, str) else device.platform


def has_fused_attention() -> bool:
    """Says whether cuDNN's fused attention runs here: on NVIDIA's GPUs since Ampere."""
    if platform() != "gpu":
        return False
    device = _default_device()
    device = jax.devices()[0] if device is None or isinstance(device, str) else device
    major = str(getattr(device, "compute_capability", "")).partition(".")[0]
    return major.isdigit() and int(major) >= 8
