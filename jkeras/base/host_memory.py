"""Memory that programs on a CPU work in: kept, and not given back to the system after each call."""

import ctypes
import functools
import os
from contextlib import suppress

from jkeras.base.platforms import platform

# The environment variable that says "off".
VARIABLE = "JKERAS_KEEP_MEMORY"
# Blocks of up to so many bytes are kept (larger ones glibc takes from the system in any thread but
# the main one), and so many bytes of free memory.
_LARGEST_BLOCK, _MOST_FREE = 2**26, 2**28
# Names of `mallopt` in <malloc.h>.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@functools.cache
def keep_by_default() -> None:
    """Lets the process keep freed memory for its next use, once, on a CPU.

    The C library takes a block of more than 32 MiB from the system each time, and the system fills
    it with zeros, page by page. A step of a transformer that works in 62 MiB took 51 ms by itself
    and 38 with memory that is kept (two cores, glibc 2.36); in a loop the block is taken once.

    Each thread has a heap of its own, of at most 64 MiB, in which there may be no room: then it is
    as before. Where another C library is used, or somebody has set limits, nothing is changed.
    """
    off = os.environ.get(VARIABLE, "").lower() in ("off", "0", "false", "no")
    limits = {"MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"}
    if off or platform() != "cpu" or limits & set(os.environ):
        return
    with suppress(AttributeError, OSError, TypeError):  # no glibc, or no C library by this way
        set_limit = ctypes.CDLL(None).mallopt
        set_limit(_M_MMAP_THRESHOLD, _LARGEST_BLOCK)
        set_limit(_M_TRIM_THRESHOLD, _MOST_FREE)
