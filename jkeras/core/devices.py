"""Where arrays are made, and what the backward pass computes again."""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jax

from jkeras.base.types import AnyLayer, Structure


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


_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Layers made inside of it compute what happens in them again in the backward pass.

    That saves memory in training, and takes more time. It concerns layers without layers inside of
    them, without a state, and without draws of their own; of a layer of layers, those inside of it
    that are made in the scope.

    Args:
        mode: `"full"`: all layers; `"activations"`: those with an activation; `"larger_than"`:
            those whose outputs are larger; `"list_of_layers"`: those of these names; None: none.
        output_size_threshold: For `"larger_than"`: how many numbers the outputs have.
        layer_names: For `"list_of_layers"`: the names.

    Raises:
        ValueError: If the mode is unknown.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> with keras.RematScope(mode="full"):
        ...     layer = keras.layers.Dense(2, activation="relu")
        >>> layer(np.ones((1, 3))).shape
        (1, 2)
    """

    def __init__(
        self,
        mode: str | None = "full",
        output_size_threshold: int = 1024,
        layer_names: Iterable[str] | None = None,
    ):
        if mode not in _MODES:
            raise ValueError(f"Invalid mode '{mode}'. Supported modes are: {_MODES}")
        self.mode, self.output_size_threshold = mode, output_size_threshold
        self.layer_names = list(layer_names or ())

    def __enter__(self) -> "RematScope":
        self._token = remat_scope.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        remat_scope.reset(self._token)

    def concerns(self, layer: AnyLayer) -> bool:
        """Says whether a layer's call is to be computed again."""
        if self.mode is None or layer._layers or hasattr(layer, "seed_generator"):
            return False
        if self.mode == "list_of_layers" and layer.name not in self.layer_names:
            return False
        if self.mode == "activations" and getattr(layer, "activation", None) is None:
            return False
        return all(v.made_trainable for v in layer.variables)

    def call(self, layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> Structure:
        """Computes a layer's outputs."""

        def compute() -> Any:
            return layer.call(*args, **kwargs)

        if self.mode == "larger_than":
            outputs = jax.tree.leaves(jax.eval_shape(compute))
            if sum(math.prod(x.shape) for x in outputs) <= self.output_size_threshold:
                return compute()
        return jax.checkpoint(compute)()


remat_scope: ContextVar[RematScope | None] = ContextVar("remat_scope", default=None)
