"""Compiled programs in a folder, where later processes find them: JAX's own cache, switched on."""

import hashlib
import os
import platform
from contextlib import suppress
from pathlib import Path

import jax
import jaxlib

# The environment variable that names the folder, or says "off".
VARIABLE = "JKERAS_COMPILATION_CACHE"
# The largest size of the default folder, in bytes: above, the oldest programs are removed.
LARGEST = 2**30

_decided = False  # whether this process has chosen a folder, or none


def enable_compilation_cache(directory: str | os.PathLike[str] | None = None) -> None:
    """Keeps compiled programs in a folder, where later processes find them: JAX's own cache.

    `fit`, `evaluate` and `predict` do so by themselves, in a folder of at most 1 GiB in the user's
    cache (`~/.cache/jkeras`), unless JAX has been given one (`JAX_COMPILATION_CACHE_DIR`). The
    environment variable `JKERAS_COMPILATION_CACHE` names another folder, or says `off`.

    Args:
        directory: The folder, made if it is not there; the default one if it is left out.

    Example:
        >>> import tempfile, jkeras as keras
        >>> keras.config.enable_compilation_cache(tempfile.mkdtemp())
    """
    global _decided
    from jax.experimental.compilation_cache import compilation_cache

    _decided = True
    jax.config.update("jax_compilation_cache_dir", os.fspath(directory or default_folder()))
    # By default only programs that took a second are kept: a small net's never are.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    compilation_cache.reset_cache()  # JAX decides at the first compilation whether there is one


def disable_compilation_cache() -> None:
    """Keeps no compiled programs for later processes.

    Example:
        >>> import jkeras as keras
        >>> keras.config.disable_compilation_cache()
    """
    global _decided
    from jax.experimental.compilation_cache import compilation_cache

    _decided = True
    jax.config.update("jax_compilation_cache_dir", None)
    compilation_cache.reset_cache()


def enable_by_default() -> None:
    """Does `enable_compilation_cache`, once, unless somebody has decided otherwise.

    Where the folder cannot be written to, nothing is kept.
    """
    global _decided
    if _decided:
        return
    _decided = True
    given = os.environ.get(VARIABLE, "")
    known = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if given.lower() in ("off", "0", "false", "no") or known:
        return
    folder = Path(given).expanduser() if given else default_folder()
    with suppress(OSError, RuntimeError):  # a home that is not there, or for reading only
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            _limit(folder if given else folder.parent)
            enable_compilation_cache(folder)


def default_folder() -> Path:
    """Returns the folder for programs of this machine: they use what its processor can do."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    machine = [platform.machine(), platform.processor(), jaxlib.__version__, jax.__version__]
    with suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        machine += sorted({line for line in file if line.startswith(("model name", "flags"))})
    name = hashlib.sha256("\n".join(machine).encode()).hexdigest()[:12]
    return Path(cache) / "jkeras" / "programs" / name


def _limit(folder: Path) -> None:
    """Removes the oldest programs where all are larger than allowed; others may do so, too."""
    found = []
    for path in folder.rglob("*-cache"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    size = sum([entry[1] for entry in found])
    for _, bytes_of, path in sorted(found):
        if size <= LARGEST:
            return
        with suppress(OSError):
            path.unlink()
        size -= bytes_of
