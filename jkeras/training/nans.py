"""Steps checked one by one for NaNs, on request: see `jkeras.config.debug_nans`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import keys
from jkeras.base.types import Structure
from jkeras.core import pure
from jkeras.core.layer import Layer
from jkeras.core.parts import held
from jkeras.training.state import Batch, TrainState


def checked(
    run_chunk: Callable[..., tuple[TrainState, Any]],
    select: Callable[[Any, Any], Any],
    layer: Layer,
    bad_step: Callable[[Any], int],
) -> Callable[..., tuple[TrainState, Any]]:
    """Returns a `run_chunk` for chunks of one step, which says where a NaN came from.

    It runs on a copy of the state, so that the model keeps the weights from before the error.

    Args:
        run_chunk: What `make_chunk` made of a training step, with something to `finish`.
        select: What it was made with.
        layer: The layer or model that is trained.
        bad_step: Returns the first step whose loss was not finite, for the metrics' states.

    Raises:
        FloatingPointError: By the function, if a loss or a weight is not finite after a step: the
            first layer whose outputs hold a NaN is named.
    """

    def run(
        state: TrainState, resident: Any, slots: Any, start: int = 0, *rest: Any, **options: Any
    ) -> tuple[TrainState, Any]:
        copy = jax.tree.map(jnp.copy, state)
        after, logs = run_chunk(copy, resident, slots, start, *rest, **options)
        broken = [path for path, array in after.params.items() if not jnp.isfinite(array).all()]
        if not broken and not bad_step(after.metrics):
            return after, logs
        batch = Batch(*select(resident, jax.tree.map(lambda s: jnp.asarray(s[start]), slots)))
        pure.apply(  # not compiled, so that each layer sees its values, and raises the error
            layer,
            pure.Variables(state.params, state.state),
            batch.x,
            training=True,
            rng=jax.random.fold_in(keys.typed(state.rng), state.step),
        )
        reason = (
            f"The gradients of {broken[:4]} are not finite."
            if broken
            else "The loss itself is not finite for these outputs and targets."
        )
        raise FloatingPointError(
            f"In step {int(state.step) + 1} the outputs of all layers are free of NaN.\n{reason}"
        )

    return run


def refuse(layer: Layer, inputs: Structure, outputs: Structure) -> None:
    """Raises an error that names the layer if its outputs hold NaN, and says whose fault it is.

    Raises:
        FloatingPointError: If an array among the outputs holds NaN.
    """
    if not _holds_nan(outputs):
        return
    weights = [v.path for v in held(layer)[1] if _holds_nan(v.value)]
    source = "It made them of inputs and weights without NaN."
    if _holds_nan(inputs):
        source = "Its inputs hold NaN already: look at the data, or at what made them."
    elif weights:
        source = f"Its weights hold NaN already: {weights}."
    raise FloatingPointError(f"The outputs of the layer {layer.name!r} hold NaN.\n{source}")


def _holds_nan(tree: Structure) -> bool:
    """Says whether an array in a structure holds a NaN; of traced values that is not known."""
    return any(
        isinstance(a, jax.Array)
        and not isinstance(a, jax.core.Tracer)
        and jnp.issubdtype(a.dtype, jnp.inexact)
        and bool(jnp.isnan(a).any())
        for a in jax.tree.leaves(tree)
    )
