"""SeedGenerator: a seed that a layer holds, and how often it was drawn from."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import keys, registry
from jkeras.base.naming import auto_name
from jkeras.base.tracing import traced
from jkeras.base.types import Seed
from jkeras.core import scope
from jkeras.core.variable import Variable


class SeedGenerator:
    """A sequence of random keys that starts from a seed.

    Its state is a variable of the layer whose attribute it is, so that a pure call takes and
    returns it with the layer's other state.

    Args:
        seed: An integer; drawn from the global seed by default.
        name: A name.

    Example:
        >>> import jkeras as keras
        >>> a, b = keras.random.SeedGenerator(7), keras.random.SeedGenerator(7)
        >>> bool((keras.random.normal((2,), seed=a) == keras.random.normal((2,), seed=b)).all())
        True
    """

    def __init__(self, seed: int | None = None, name: str | None = None, **kwargs: Any):
        kwargs.pop("backend", None)  # packages for several backends pass theirs: there is one here
        if kwargs:
            raise ValueError(
                f"Unrecognized keyword arguments passed to SeedGenerator: {sorted(kwargs)}."
            )
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, (int, np.integer))):
            raise ValueError(
                "Argument `seed` must be either an integer or None (one is drawn). Received: "
                f"seed={seed!r}"
            )
        self.name = name or auto_name("seed_generator")
        self._given_seed = None if seed is None else int(seed)
        start = keys.draw_integer_seed() if seed is None else int(seed) % 2**32
        with scope.name_scope(self.name):
            self.state = Variable(
                np.array([start, 0], "uint32"),
                trainable=False,
                autocast=False,
                name="seed_generator_state",
            )
        self.state.is_weight = False

    def next_key(self) -> jax.Array:
        """Returns the next key."""
        state = self.state.value
        self.state.assign(state + jnp.array([0, 1], "uint32"))
        return jax.random.fold_in(jax.random.key(state[0]), state[1])

    def next(self, ordered: bool = True) -> jax.Array:
        """Returns the state as two uint32 numbers, which any `seed=` takes; and goes on."""
        state = self.state.value
        self.state.assign(state + jnp.array([0, 1], "uint32"))
        return state

    def get_config(self) -> dict[str, Any]:
        """Returns the seed it was made with, and the name."""
        return {"seed": self._given_seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SeedGenerator":
        """Makes a generator from the dict that `get_config` returned."""
        return cls(**config)


def as_key(seed: Seed) -> jax.Array:
    """Returns a key for what Keras accepts as a seed: None, an integer, a generator, or a key."""
    if seed is not None:
        return keys.as_key(seed)
    if scope.current() is None and traced():
        raise ValueError(
            "When tracing a JAX function, you should only use seeded random ops: a key of the "
            "global seed would be a constant of the compiled function, which gave the same "
            "numbers in each call.\nPass `seed=`: a JAX key that is an argument of the function, "
            "or draw within a layer, whose key `model.apply(..., key=...)` takes."
        )
    return scope.draw_key()


registry.register_builtin("random", SeedGenerator)
