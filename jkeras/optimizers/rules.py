"""What an update is made of: parts of optax and of our own, and what is wrapped around them.

A *part* is an optax transformation of flat dicts: gradients, parameters and updates by name; its
state is the optimizer's (see `cells.py`), of which it reads and changes its own entries. The
variables behind the state are made by `Optimizer.build`, hence parts have nothing to initialize.
Parts of optax without a state (`optax.scale`, `optax.clip`) are parts as they are; others are
`kept`.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from jkeras.base.types import ArrayLike
from jkeras.core import scope
from jkeras.core.variable import Variable
from jkeras.optimizers.cells import State, cell_leaves, map_cells

Part: TypeAlias = optax.GradientTransformation
Arrays = dict[Any, Any]
Update = Callable[[Arrays, State, Arrays], tuple[Arrays, State]]


class Step(NamedTuple):
    """What all parameters have in common in one step.

    Attributes:
        number: 1 in the first update, 2 in the second, ...; a float scalar.
        learning_rate: The learning rate, a float scalar.
        scalars: The values of the variables made by `add_variable`, as `Optimizer.advance` left
            them.
    """

    number: jax.Array
    learning_rate: jax.Array
    scalars: State

    @property
    def before(self) -> jax.Array:
        """How many updates there were before this one, as optax counts them."""
        return self.number - 1.0


# ------------------------------------------------------------------ making parts
def part(update: Update) -> Part:
    """Makes a part of its `update(gradients, state, parameters) -> (updates, state)`."""
    return optax.GradientTransformation(lambda params: {}, update)


def chain(*parts: Part) -> Part:
    """Returns parts one after the other, over one state."""

    def update(updates: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        for each_part in parts:
            updates, state = each_part.update(updates, state, params)
        return updates, state

    return part(update)


def kept(tx: Part, fields: Callable[..., Any], **slots: Any) -> Part:
    """Keeps what an optax transformation remembers in slots.

    Args:
        tx: The transformation.
        fields: The class of its state.
        **slots: For each field of the state, the name of the slot; or, for what follows from the
            step, its value.

    Example:
        >>> import optax
        >>> from jkeras.optimizers import rules
        >>> tx = rules.kept(optax.trace(0.5), optax.TraceState, trace="momentum")
        >>> tx.update({"w": 1.0}, {"momentum": {"w": 2.0}}, {"w": 0.0})
        ({'w': 2.0}, {'momentum': {'w': 2.0}})
    """
    names = {field: slot for field, slot in slots.items() if isinstance(slot, str)}

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        own = fields(**{**slots, **{field: state[slot] for field, slot in names.items()}})
        updates, new = tx.update(grads, own, params)
        return updates, {**state, **{slot: getattr(new, field) for field, slot in names.items()}}

    return part(update)


def each(rule: Callable[[Any, Any, State], tuple[Any, State]]) -> Part:
    """Makes a part of a rule for one parameter.

    Args:
        rule: A function of a gradient, a parameter and its slots by name; it gives what to add to
            the parameter, and those slots that change.
    """

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        slots = {name: dict(x) for name, x in state.items() if isinstance(x, dict)}
        updates = {}
        for k, g in grads.items():
            own = {name: column[k] for name, column in slots.items() if k in column}
            updates[k], new = rule(g, params[k], own)
            for name, value in new.items():
                slots[name][k] = value
        return updates, {**state, **slots}

    return part(update)


def assigning(
    update_step: Callable[[Any, Variable], None], cells: State, known: Mapping[Any, Variable]
) -> Part:
    """Makes a part of a method that assigns to variables, as Keras's `update_step` does.

    Args:
        update_step: The method, of a gradient and its variable.
        cells: The variables behind the state.
        known: The trained variables by name.
    """

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        values = dict(zip(cell_leaves(cells), jax.tree.leaves(state), strict=True))
        here = scope.Pure({**values, **{known[k]: p for k, p in params.items()}})
        with scope.enter(here):
            for k, g in grads.items():
                update_step(g, known[k])
        updates = {k: here.values[known[k]] - params[k] for k in grads}
        return updates, map_cells(here.values.__getitem__, cells)

    return part(update)


def split(slot: str, having: Part, others: Part) -> Part:
    """Returns one part for the parameters that have a slot, and another one for the others."""

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        updates: Arrays = {}
        slots = state.get(slot, {})
        for inner, wanted in ((having, True), (others, False)):
            own = {k: g for k, g in grads.items() if (k in slots) is wanted}
            if own:
                own, state = narrowed(inner).update(own, state, params)
            updates.update(own)
        return updates, state

    return part(update)


# ------------------------------------------------------------------ what is wrapped around parts
def checked(grads: Arrays, params: Arrays, known: Mapping[Any, Variable]) -> Arrays:
    """Returns gradients as arrays of the parameters' dtypes.

    Raises:
        ValueError: If a gradient has not the shape of its parameter.
    """
    for k, g in grads.items():
        if jnp.shape(g) != jnp.shape(params[k]):
            raise ValueError(
                f"The gradient of {known[k].path!r} has shape {jnp.shape(g)}, "
                f"but the variable has shape {jnp.shape(params[k])}."
            )
    return {k: jnp.asarray(g, params[k].dtype) for k, g in grads.items()}


def unscaled(grads: Arrays, scale: ArrayLike, replaced: Collection[Any]) -> Arrays:
    """Returns gradients divided by the loss scale, but those that replace their parameters."""
    return {k: g if k in replaced else (g / scale).astype(g.dtype) for k, g in grads.items()}


def narrowed(inner: Part) -> Part:
    """Shows a part only the parameters that have a gradient; keeps all dtypes as they were."""

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        if not grads:  # all layers are frozen, or have no weights
            return {}, state
        own = {
            name: {k: x[k] for k in grads if k in x} if isinstance(x, dict) else x
            for name, x in state.items()
        }
        updates, new = inner.update(grads, own, {k: params[k] for k in grads})
        merged = {
            name: {**x, **_cast(new[name], x)} if isinstance(x, dict) else new[name]
            for name, x in state.items()
        }
        return _cast(updates, params), merged

    return part(update)


def clipped(clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None) -> Part:
    """Returns the part that clips gradients: the norm of each, their elements, or their norm."""
    if clipnorm is not None:
        clip = optax.clip_by_global_norm(clipnorm)
        return each(lambda g, w, slots: (clip.update(g, clip.init(g))[0], {}))
    if global_clipnorm is not None:
        return optax.clip_by_global_norm(global_clipnorm)
    return optax.identity() if clipvalue is None else optax.clip(clipvalue)


def decayed(inner: Part, rates: Mapping[Any, Any]) -> Part:
    """Takes a part of some parameters off before `inner` sees them.

    Args:
        inner: What updates the parameters.
        rates: The parts.
    """

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        decay = {k: (-rate * params[k]).astype(params[k].dtype) for k, rate in rates.items()}
        params = {**params, **{k: params[k] + change for k, change in decay.items()}}
        updates, state = inner.update(grads, state, params)
        return {**updates, **{k: updates[k] + change for k, change in decay.items()}}, state

    return part(update)


def overwriting(inner: Part, replaced: Collection[Any]) -> Part:
    """Replaces some parameters by their gradients; `inner` sees the others."""

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        updates, state = inner.update(
            {k: g for k, g in grads.items() if k not in replaced}, state, params
        )
        return {**updates, **{k: grads[k] - params[k] for k in grads if k in replaced}}, state

    return part(update) if replaced else inner


def accumulated(inner: Part, steps: int, replaced: Collection[Any]) -> Part:
    """Adds gradients up; every so many steps, makes an update with their mean.

    Args:
        inner: What makes the update.
        steps: Of how many steps.
        replaced: Parameters that gradients replace: the largest counts, as Keras's float8 wants.
    """
    name = "gradient_accumulator"

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        sums = dict(state[name])
        for k, g in grads.items():
            sums[k] = jnp.maximum(sums[k], g) if k in replaced else sums[k] + g

        def finish() -> tuple[Arrays, State]:
            means = {k: sums[k] if k in replaced else sums[k] / steps for k in grads}
            updates, new = inner.update(means, state, params)
            return updates, {**new, name: jax.tree.map(jnp.zeros_like, sums)}

        def wait() -> tuple[Arrays, State]:
            return jax.tree.map(jnp.zeros_like, grads), {**state, name: sums}

        return jax.lax.cond((state["iteration"] + 1) % steps == 0, finish, wait)

    return part(update)


def averaged(
    inner: Part, momentum: float, every: int | None, updates_before: Callable[[Any], Any]
) -> Part:
    """Keeps moving averages of the parameters; when it is time, makes them the parameters.

    Args:
        inner: What updates the parameters.
        momentum: The part of the old average in the new one.
        every: After how many updates parameters are replaced; None for never.
        updates_before: Says how many updates there were before an iteration.
    """

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        updates, state = inner.update(grads, state, params)
        done = updates_before(state["iteration"])
        keep = jnp.where(done == 0, 0.0, momentum)
        averages = dict(state["average"])
        for k, change in updates.items():
            average = keep * averages[k] + (1.0 - keep) * (params[k] + change)
            averages[k] = average.astype(params[k].dtype)
        if every:
            due = (done + 1) % every == 0
            updates = {k: jnp.where(due, averages[k] - params[k], u) for k, u in updates.items()}
        return updates, {**state, "average": averages}

    return part(update)


def _cast(arrays: Arrays, like: Arrays) -> Arrays:
    return {k: x.astype(like[k].dtype) for k, x in arrays.items()}


# ------------------------------------------------------------------ parts of several optimizers
def keeps_momentum(slots: tuple[tuple[str, ...], ...], momentum: ArrayLike) -> bool:
    """Says whether an optimizer was made with momentum, whose value may be traced by now.

    Args:
        slots: The names of its slots.
        momentum: The momentum that it has now.

    Raises:
        ValueError: If it was made without, and has some now.
    """
    keeps = ("momentum",) in slots
    if not keeps and (isinstance(momentum, jax.core.Tracer) or momentum):
        raise ValueError(
            f"`momentum` was set to {momentum}, but the optimizer was made without: make a new "
            "one, with `momentum=`, and compile again."
        )
    return keeps


def trace(momentum: float, nesterov: bool = False) -> Part:
    """Returns optax's momentum, kept in the slot `momentum`."""
    return kept(optax.trace(momentum, nesterov), optax.TraceState, trace="momentum")


def adam(step: Step, beta_1: float, beta_2: float, epsilon: float, rate: ArrayLike) -> Part:
    """Returns Adam, or AMSGrad where there is a slot `velocity_hat`.

    Epsilon is the paper's "epsilon hat", added to the root of the mean of squares before its bias
    is corrected, and AMSGrad takes the largest of these means: optax does both after it. The bias
    is corrected with the learning rate, in one factor.

    Args:
        step: What all parameters have in common.
        beta_1: The fraction of the old mean gradient in the new one.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Epsilon hat.
        rate: The learning rate.
    """

    def update(grads: Arrays, state: State, params: Arrays) -> tuple[Arrays, State]:
        squares = {k: g**2 for k, g in grads.items()}
        m = optax.incremental_update(grads, state["momentum"], 1.0 - beta_1)
        v = optax.incremental_update(squares, state["velocity"], 1.0 - beta_2)
        state = {**state, "momentum": m, "velocity": v}
        if "velocity_hat" in state:
            v = state["velocity_hat"] = jax.tree.map(jnp.maximum, state["velocity_hat"], v)
        return {k: scale * m[k] / (jnp.sqrt(v[k]) + epsilon) for k in grads}, state

    scale = -rate * jnp.sqrt(1.0 - beta_2**step.number) / (1.0 - beta_1**step.number)
    return part(update)
