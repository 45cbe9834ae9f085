"""The global seed, and generators of keys for users who hold their own."""

import random as python_random
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import host_random
from jkeras.base.tracing import concretely
from jkeras.base.types import Seed, Structure


class _GlobalSeed:
    """A seed and how many keys were drawn from it."""

    def __init__(self) -> None:
        self.seed: int | None = None  # None: fresh entropy at the first draw
        self.count = 0
        self.chosen = False

    def draw(self) -> tuple[int, int]:
        if self.seed is None:
            self.seed = int(np.random.SeedSequence().generate_state(1)[0])
        self.count += 1
        return self.seed, self.count


_global = _GlobalSeed()


def set_random_seed(seed: int) -> None:
    """Fixes everything random: Python's and NumPy's generators, and every draw of this library.

    The same seed gives bit-identical weights on the same machine.

    Args:
        seed: A non-negative integer.

    Raises:
        ValueError: If `seed` is not an integer.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.set_random_seed(42)
        >>> first = keras.random.normal((3,))
        >>> keras.utils.set_random_seed(42)
        >>> bool((keras.random.normal((3,)) == first).all())
        True
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise ValueError(f"The seed must be an integer, got {seed!r}.")
    seed = int(seed)
    python_random.seed(seed)
    np.random.seed(seed % 2**32)
    _global.seed, _global.count, _global.chosen = seed % 2**32, 0, True


def reset_global_seed() -> None:
    """Starts the draws of a chosen seed again (part of `clear_session`)."""
    _global.count = 0
    if not _global.chosen:
        _global.seed = None


def drawn() -> tuple[int | None, int]:
    """Returns the global seed, and how many keys were drawn from it."""
    return _global.seed, _global.count


def draw_from(state: tuple[int | None, int]) -> None:
    """Goes on drawing from what `drawn` returned."""
    _global.seed, _global.count = state


def global_state() -> dict[str, Any]:
    """Returns the states of all that `set_random_seed` sets: JSON's types and NumPy arrays."""
    ours = [_global.seed, _global.count, _global.chosen]
    version, words, gauss = python_random.getstate()
    python = (version, np.array(words, np.uint64), gauss)  # 625 numbers: as a tuple, slow to write
    return {"keys": ours, "numpy": np.random.get_state(), "python": python}


def set_global_state(state: dict[str, Any]) -> None:
    """Sets what `global_state` has returned."""
    _global.seed, _global.count, _global.chosen = state["keys"]
    np.random.set_state(state["numpy"])
    version, words, gauss = state["python"]
    python_random.setstate((version, tuple(map(int, words)), gauss))


def draw_seed() -> tuple[int, int]:
    """Returns (seed, count): a cheap name for a key, made into one by `key_from`."""
    return _global.draw()


def key_from(seed: tuple[int, int]) -> jax.Array:
    """Returns the key that `draw_seed` named."""
    if jax.config.jax_default_prng_impl == "threefry2x32":  # type: ignore[attr-defined]
        with concretely():
            return jax.random.wrap_key_data(
                jnp.asarray(host_random.key_data(*seed)), impl="threefry2x32"
            )
    with jax.ensure_compile_time_eval():  # always, since programs made in it are others
        return _key_of(np.uint32(seed[0]), np.uint32(seed[1]))


@jax.jit
def _key_of(seed: Seed, count: Any) -> jax.Array:
    """Makes a key of another kind in one call: its steps by themselves take ten times as long."""
    return jax.random.fold_in(jax.random.key(seed), count)


def next_global_key() -> jax.Array:
    """Returns the next key of the global seed."""
    return key_from(draw_seed())


def typed(key: jax.Array) -> jax.Array:
    """Returns a key that may be given as numbers, its `key_data`."""
    is_key = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    return key if is_key else jax.random.wrap_key_data(key)


def fold_path(key: jax.Array, path: str) -> jax.Array:
    """Returns a key that follows from `key` and a path."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def key_of(tree: Structure) -> jax.Array:
    """Returns a key that follows from all numbers in a structure."""
    total = jnp.zeros((), jnp.uint32)
    for array in jax.tree.leaves(tree):
        if isinstance(array, (jax.Array, np.ndarray)) and array.dtype.kind in "fiub":
            array = jax.lax.stop_gradient(jnp.asarray(array))
            if array.dtype.kind == "f":
                array = jax.lax.bitcast_convert_type(array.astype(jnp.float32), jnp.uint32)
            total = total * 31 + array.astype(jnp.uint32).sum(dtype=jnp.uint32)
    return jax.random.fold_in(jax.random.key(0), total)


def draw_integer_seed() -> int:
    """Returns an integer seed that follows from the global seed."""
    return int(np.random.SeedSequence(draw_seed()).generate_state(1)[0] >> 1)


def checked_seed(seed: Seed) -> Any:
    """Returns a seed that `as_key` takes, or None.

    Raises:
        ValueError: If it is something else.
    """
    is_integer = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if seed is None or is_integer or isinstance(seed, (jax.Array, np.ndarray)):
        return seed
    if hasattr(seed, "next_key") or isinstance(seed, dict):  # a config of a generator
        return seed
    raise ValueError(
        "`seed` argument should be an instance of `keras.random.SeedGenerator()` or an integer. "
        f"Received: seed={seed!r}"
    )


def as_key(seed: Seed) -> jax.Array:
    """Returns a key for an integer, a generator with a method `next_key`, or a JAX key."""
    if hasattr(seed, "next_key"):
        return seed.next_key()
    if isinstance(seed, (int, np.integer)):
        return jax.random.key(int(seed))
    if isinstance(seed, (jax.Array, np.ndarray)):
        if jax.dtypes.issubdtype(seed.dtype, jax.dtypes.prng_key):
            return jnp.asarray(seed)
        return jax.random.fold_in(jax.random.key(seed[0]), seed[1])
    raise ValueError(
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`; None and a "
        f"JAX key are seeds, too. Received: {seed=}"
    )
