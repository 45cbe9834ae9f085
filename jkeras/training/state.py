"""TrainState: everything that a training step reads and writes, as one pytree."""

import dataclasses
from typing import Any, NamedTuple, Self

import jax
import jax.export

from jkeras.base.types import Structure

# Not flax.struct: importing it loads linen, a tenth of a second of every `import jkeras`.


class _Record:
    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState(_Record):
    """Everything a step reads and writes: save it, shard it, vmap it, donate it.

    Attributes:
        step: How many steps were taken; an int32 scalar.
        params: The trainable weights, by path.
        state: The other variables of the model, by path.
        opt_state: The optimizer's state.
        metrics: The states of the metrics over the current epoch.
        rng: The key from which every step's key follows; between the chunks of `fit`, as numbers.
    """

    step: Any
    params: Any
    state: Any
    opt_state: Any
    metrics: Any
    rng: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class EvalState(_Record):
    """What evaluation carries from batch to batch.

    Attributes:
        state: The variables that the model writes even when it is not trained, by path.
        metrics: The states of the metrics so far.
    """

    state: Any
    metrics: Any


# So that what `jax.export` makes of a function of them can be written to a file.
for _record in (TrainState, EvalState):
    jax.export.register_pytree_node_serialization(
        _record,
        serialized_name=f"jkeras.{_record.__name__}",
        serialize_auxdata=lambda _: b"",
        deserialize_auxdata=lambda _: (),
    )


class Batch(NamedTuple):
    """Inputs, targets and weights of some samples; each an array, a structure of arrays, or None.

    Attributes:
        x: The inputs, in the structure that the model is called on.
        y: The targets: a list with one entry an output.
        sample_weight: The weights of the samples: a list with one entry an output, or None.
    """

    x: Any
    y: Any = None
    sample_weight: Any = None


jax.export.register_namedtuple_serialization(Batch, serialized_name="jkeras.Batch")


def batch_size(tree: Structure) -> int:
    """Returns the size of the first axis of the arrays in a structure."""
    for leaf in jax.tree.leaves(tree):
        return int(leaf.shape[0]) if leaf.ndim else 1
    return 0
