"""How much data may be kept on the device."""

import logging
import os

import jax
import numpy as np

from jkeras.base import settings
from jkeras.base.types import Structure
from jkeras.core import placement, processes
from jkeras.training.feeds import row_bytes

_SHARE = 0.5  # of the memory that is free: the rest is for the model, its gradients and activations

_log = logging.getLogger("jkeras")


def data_bytes(data: Structure) -> int:
    """Returns how many bytes of a structure of arrays are to be sent to the device."""
    sent = [a for a in jax.tree.leaves(data) if not isinstance(a, jax.Array)]
    return sum(int(a.shape[0]) * row_bytes(a) for a in sent)


def free_bytes() -> int | None:
    """Returns how much memory is free on the default device; None if that cannot be found out."""
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        try:
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):  # no such question on this system
            return None
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    return int(stats["bytes_limit"]) - int(stats.get("bytes_in_use", 0))


def _shared(free: int | None) -> int | None:
    """Returns how much memory is free for one of several devices: the least of all processes."""
    devices = jax.local_devices()
    if free is not None and devices[0].platform == "cpu":  # they have one memory
        free //= len(devices)
    return processes.least(free) if placement.spans_processes() else free


def fits_on_device(data: Structure, besides: int = 0) -> bool:
    """Says whether data is to be kept on the device; logs a line if it is not.

    Args:
        data: A structure of arrays; those that are on the device already take no more of it.
        besides: How many bytes of other data are to be sent to it, and are not there yet.

    Memory maps and HDF5 data sets are left where they are: that they are not in memory is why
    somebody uses them.
    """
    if any(not isinstance(a, (jax.Array, np.ndarray)) for a in jax.tree.leaves(data)):
        return False
    if any(isinstance(a, np.memmap) for a in jax.tree.leaves(data)):
        return False
    budget = settings.data_budget()
    if budget is None:
        free = free_bytes()
        if placement.current() is not None:
            free = _shared(free)
        if free is None:
            return True
        budget = int(_SHARE * free)
    size = data_bytes(data)
    if size + besides <= budget:
        return True
    _log.warning(
        "The data takes %s, which is more than the %s allowed for data on the device: batches are "
        "sent as they are needed. (jkeras.config.set_data_budget(bytes) sets the limit, "
        "fit(data_on_device=...) overrules it.)",
        _readable(size),
        _readable(budget),
    )
    return False


def _readable(size: float) -> str:
    for unit in ("bytes", "KB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
