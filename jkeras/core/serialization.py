"""Pytrees of this library in the formats of others: `flax.serialization`, and `jax.export`."""

import sys
from contextlib import suppress
from typing import Any

import jax
import jax.export
import jax.numpy as jnp


def know_to_flax(kind: type, fields: tuple[str, ...]) -> None:
    """Makes `flax.serialization` write and read a class, if it is imported.

    Args:
        kind: The class, with a `replace` method.
        fields: Its attributes. Typed keys in it are written as their numbers.
    """
    flax = sys.modules.get("flax.serialization")
    if flax is None:  # importing it would take longer than the rest
        return

    def to_state(value: Any) -> dict[str, Any]:
        return {f: flax.to_state_dict(_plain(getattr(value, f))) for f in fields}

    def from_state(value: Any, state: dict[str, Any]) -> Any:
        read = {
            f: _like(
                getattr(value, f), flax.from_state_dict(_plain(getattr(value, f)), state[f], f)
            )
            for f in fields
        }
        return value.replace(**read)

    flax.register_serialization_state(kind, to_state, from_state, override=True)


def _is_key(x: Any) -> bool:
    return hasattr(x, "dtype") and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def _plain(tree: Any) -> Any:
    return jax.tree.map(lambda x: jax.random.key_data(x) if _is_key(x) else x, tree)


def _like(before: Any, after: Any) -> Any:
    def same(x: Any, read: Any) -> Any:
        if not _is_key(x):
            return read
        return jax.random.wrap_key_data(jnp.asarray(read), impl=jax.random.key_impl(x))

    return jax.tree.map(same, before, after)


def know_to_export(tree: Any) -> None:
    """Makes `jax.export` write programs of the named tuples in a tree, such as optax's states."""
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value
            if hasattr(value, "_fields"):
                _register(type(value))


def _register(kind: type) -> None:
    with suppress(ValueError):  # it is known already
        jax.export.register_namedtuple_serialization(
            kind, serialized_name=f"{kind.__module__}.{kind.__qualname__}"
        )
