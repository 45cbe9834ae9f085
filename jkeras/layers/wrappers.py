"""Layers around layers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jkeras import initializers
from jkeras.base import naming
from jkeras.base.registry import accepts
from jkeras.base.types import ArrayLike, Shape, Structure
from jkeras.core.layer import Layer
from jkeras.layers.arguments import one_of
from jkeras.ops import arrays as nn


class Wrapper(Layer):
    """The base of layers around one other layer.

    Args:
        layer: The other layer.

    Raises:
        ValueError: If `layer` is not a layer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> class Twice(keras.layers.Wrapper):
        ...     def call(self, inputs):
        ...         return 2 * self.layer(inputs)
        >>> Twice(keras.layers.Dense(1, kernel_initializer="ones"))(np.ones((1, 3))).tolist()
        [[6.0]]
    """

    def __init__(self, layer: Layer, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Layer {layer!r} supplied to Wrapper isn't a supported layer type. Please ensure "
                f"wrapped layer is a valid Keras layer: {type(self).__name__} takes a layer that "
                "has been made, such as Dense(3)."
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Shape) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)


class TimeDistributed(Wrapper):
    """Calls a layer on each time step: inputs (batch, steps, ...).

    Called as `layer(inputs, training=None, mask=None)`. All steps form one large batch, so that
    BatchNormalization takes its statistics over all of them.

    Args:
        layer: The layer.

    Raises:
        ValueError: If `layer` is not a layer, or the inputs have no time axis.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.TimeDistributed(keras.layers.Conv2D(4, 3))
        >>> layer(np.ones((2, 5, 8, 8, 3))).shape
        (2, 5, 6, 6, 4)
        >>> total = keras.layers.Dense(1, kernel_initializer="ones")
        >>> keras.layers.TimeDistributed(total)([[[1.0, 2.0], [3.0, 4.0]]]).tolist()
        [[[3.0], [7.0]]]
    """

    supports_masking = True

    def build(self, input_shape: Shape) -> None:
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 "
                f"dimensions, received: {input_shape} (layer {self.name!r})"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(
        self, inputs: ArrayLike, training: bool | None = None, mask: ArrayLike = None
    ) -> ArrayLike:
        batch, steps = inputs.shape[:2]
        if mask is not None and any(
            m not in (1, n) for m, n in zip(mask.shape, (batch, steps), strict=False)
        ):
            raise ValueError(
                f"The `mask` passed to the `TimeDistributed` layer {self.name!r} has a shape "
                f"{mask.shape} that is incompatible with the input shape {inputs.shape}: the first "
                "two dimensions, samples and time steps, must match."
            )
        # A mask of the time steps says nothing about what is inside of one.
        takes_mask = mask is not None and mask.ndim > 2 and accepts(self.layer.call, "mask")
        inside = {"mask": _together(mask)} if takes_mask else {}
        outputs = self.layer(_together(inputs), **inside)
        return jax.tree.map(lambda x: x.reshape(batch, steps, *x.shape[1:]), outputs)

    def compute_mask(self, inputs: Structure, mask: Structure = None) -> Structure:
        if mask is not None and mask.ndim <= 2:
            return mask
        own = None if mask is None else _together(mask)
        inside = self.layer.compute_mask(_together(inputs), own)
        if inside is None and mask is not None:  # what is inside of a step has become one vector
            return jnp.any(mask, axis=tuple(range(2, mask.ndim)))
        return jax.tree.map(lambda m: m.reshape(*inputs.shape[:2], *m.shape[1:]), inside)


def _together(x: Any) -> Any:
    """Returns samples and their time steps as one batch."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


class Bidirectional(Layer):
    """Runs a recurrent layer over sequences in both directions (Schuster and Paliwal, 1997).

    Called as `layer(sequences, initial_state=None, mask=None, training=None)`; the states of the
    forward layer come before those of the backward layer.

    Args:
        layer: The forward layer: `RNN`, `LSTM`, `GRU` or another with `go_backwards`,
            `return_sequences`, `return_state` and `stateful`. A copy is used.
        merge_mode: What becomes of the two outputs: `"concat"`, `"sum"`, `"mul"`, `"ave"`; or None
            for both.
        weights: Initial values of all weights.
        backward_layer: The backward layer; by default like `layer`, in the other direction.

    Raises:
        ValueError: If the layers do not fit together, or the merge mode is unknown.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Bidirectional(keras.layers.LSTM(4))(np.ones((2, 5, 3))).shape
        (2, 8)
        >>> options = {"kernel_initializer": "ones", "recurrent_initializer": "ones"}
        >>> rnn = keras.layers.SimpleRNN(1, activation=None, **options)
        >>> keras.layers.Bidirectional(rnn)([[[1.0], [2.0]]]).tolist()
        [[3.0, 3.0]]
    """

    supports_masking = True

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Structure = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ):
        for given in (layer, backward_layer):
            if given is not None and not (
                isinstance(given, Layer) and hasattr(given, "go_backwards")
            ):
                raise ValueError(
                    "Please initialize `Bidirectional` layer with a recurrent `keras.layers.Layer` "
                    f"instance. Received: {given!r}"
                )
        super().__init__(**kwargs)
        self.merge_mode = one_of(self, "merge_mode", merge_mode, (*_MERGES, None))
        self.forward_layer = _copy(layer, "forward_")
        if backward_layer is None:
            go_backwards = not layer.go_backwards
            backward_layer = _copy(layer, "backward_", go_backwards=go_backwards)
        self.backward_layer = backward_layer
        if layer.return_sequences:  # sums of both directions are not to repeat outputs
            self.forward_layer.zero_output_for_mask = True
            self.backward_layer.zero_output_for_mask = True
        self._initial_weights = weights
        for flag in _FLAGS:
            ours, theirs = (getattr(x, flag) for x in (self.forward_layer, self.backward_layer))
            if ours != theirs:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for "
                    f"attribute {flag!r}, got {ours!r} for forward layer and {theirs!r} for "
                    f"backward layer (layer {self.name!r})"
                )
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. "
                f"Received: both {layer.go_backwards} (layer {self.name!r})"
            )
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful

    @property
    def layer(self) -> Layer:
        """The forward layer (which configs call so)."""
        return self.forward_layer

    def build(self, sequences_shape: Shape, initial_state_shape: Shape = None) -> None:
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def call(
        self,
        sequences: ArrayLike,
        initial_state: ArrayLike = None,
        mask: ArrayLike = None,
        training: bool | None = None,
    ) -> ArrayLike:
        given = [] if initial_state is None else jax.tree.leaves(initial_state)
        half = len(given) // 2
        results = []
        for layer, states in (
            (self.forward_layer, given[:half]),
            (self.backward_layer, given[half:]),
        ):
            outputs = layer(sequences, initial_state=states or None, mask=mask)
            results.append(outputs if self.return_state else (outputs,))
        (forward, *states), (backward, *more) = results
        if self.return_sequences:
            backward = jnp.flip(backward, axis=1)
        merged = _MERGES[self.merge_mode](forward, backward) if self.merge_mode else None
        outputs = (forward, backward) if merged is None else (merged,)
        return (*outputs, *states, *more) if len(outputs) > 1 or self.return_state else merged

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        mask = mask if self.return_sequences else None
        return mask if self.merge_mode else (mask, mask)

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state


_FLAGS = ("return_sequences", "return_state", "stateful")
_MERGES: dict[str, Callable] = {
    "concat": lambda x, y: jnp.concatenate([x, y], axis=-1),
    "sum": jnp.add,
    "mul": jnp.multiply,
    "ave": lambda x, y: (x + y) / 2,
}


def _copy(layer: Any, prefix: str, **changes: Any) -> Any:
    """Returns a new layer like another one, with a prefix before its name."""
    copy = type(layer).from_config({**layer.get_config(), **changes})
    name = f"{prefix}{layer.name.removeprefix('forward_')}"
    is_automatic = isinstance(layer._name, naming.AutomaticName)
    copy.name = naming.AutomaticName(name, layer._name.root) if is_automatic else name
    return copy


class SpectralNormalization(Wrapper):
    """Divides a layer's kernel by its spectral norm at each training step (Miyato et al., 2018).

    Called as `layer(inputs, training=False)`.

    Weights: those of the layer, and `vector_u` (1, units), which is not trainable.

    Args:
        layer: A layer with a `kernel`, or `embeddings`.
        power_iterations: How many steps of power iteration estimate the norm each time.

    Raises:
        ValueError: If `power_iterations` is not positive, or the layer has no kernel.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.SpectralNormalization(keras.layers.Dense(2), power_iterations=9)
        >>> _ = layer(np.ones((1, 3)), training=True)
        >>> round(np.linalg.norm(layer.layer.kernel.numpy(), ord=2).item(), 1)
        1.0
    """

    def __init__(self, layer: Layer, power_iterations: int = 1, **kwargs: Any):
        super().__init__(layer, **kwargs)
        if power_iterations <= 0:
            raise ValueError(
                "`power_iterations` should be greater than zero. Received: "
                f"`power_iterations={power_iterations}` (layer {self.name!r})"
            )
        self.power_iterations = power_iterations

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        kernel = getattr(self.layer, "kernel", None)
        self.kernel: Any = getattr(self.layer, "embeddings", None) if kernel is None else kernel
        if self.kernel is None:
            raise ValueError(
                f"{type(self.layer).__name__} object has no attribute 'kernel' nor 'embeddings' "
                f"(layer {self.name!r})"
            )
        self.vector_u = self.add_weight(
            (1, self.kernel.shape[-1]),
            initializer=initializers.TruncatedNormal(stddev=0.02),
            trainable=False,
            autocast=False,
            name="vector_u",
        )

    def call(self, inputs: ArrayLike, training: bool = False) -> ArrayLike:
        if training:
            kernel, u = self.kernel.value, self.vector_u.value
            matrix = kernel.reshape(-1, kernel.shape[-1])
            for _ in range(self.power_iterations):
                v = nn.normalize(u @ matrix.T)
                u = nn.normalize(v @ matrix)
            u, v = jax.lax.stop_gradient((u, v))
            self.vector_u.assign(u)
            self.kernel.assign(kernel / (v @ matrix @ u.T))
        return self.layer(inputs)
