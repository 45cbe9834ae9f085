"""Where arrays are computed with: a CPU, a GPU or a TPU."""

from typing import Any

import jax

_settings: Any = jax.config  # whose attributes no type checker knows


def platform() -> str:
    """Returns `"cpu"`, `"gpu"` or `"tpu"`: that of the default device, or of `jkeras.device`."""
    device = _settings.jax_default_device
    if device is None:
        return jax.default_backend()
    return device.partition(":")[0] if isinstance(device, str) else device.platform


def has_fused_attention() -> bool:
    """Says whether cuDNN's fused attention runs here: on NVIDIA's GPUs since Ampere."""
    if platform() != "gpu":
        return False
    device = _settings.jax_default_device
    device = jax.devices()[0] if device is None or isinstance(device, str) else device
    major = str(getattr(device, "compute_capability", "")).partition(".")[0]
    return major.isdigit() and int(major) >= 8
