"""One step of an optimizer, as pure functions of gradients, state and parameters.

Gradients, parameters and updates are dicts by names; `known` says which variable each name is.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import optax

from jkeras.core import scope
from jkeras.core.variable import Variable

if TYPE_CHECKING:
    from jkeras.optimizers.base import Optimizer

Arrays = dict[Any, Any]
State = dict[str, Any]
Known = Mapping[Any, Variable]


def advance(
    optimizer: "Optimizer", known: Known, grads: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    """Returns what to add to each parameter that has a gradient, and the new state.

    Args:
        optimizer: The optimizer; what its variables hold is not looked at.
        known: The trained variables, likewise.
        grads: Gradients of some or all of the parameters.
        state: The state.
        params: The parameters.
    """
    for k, g in grads.items():
        if jnp.shape(g) != jnp.shape(params[k]):
            raise ValueError(
                f"The gradient of {known[k].path!r} has shape {jnp.shape(g)}, "
                f"but the variable has shape {jnp.shape(params[k])}."
            )
    replaced = {k: g - params[k] for k, g in grads.items() if known[k].overwrite_with_gradient}
    grads = {k: jnp.asarray(g, params[k].dtype) for k, g in grads.items() if k not in replaced}
    if optimizer.loss_scale_factor:
        grads = {k: g / optimizer.loss_scale_factor for k, g in grads.items()}
    step = _accumulate if optimizer.gradient_accumulation_steps else _update
    updates, state = step(optimizer, known, grads, state, params)
    if optimizer.use_ema:
        updates, state = _average(optimizer, updates, state, params)
    return {**updates, **replaced}, {**state, "iteration": state["iteration"] + 1}


def _accumulate(
    optimizer: "Optimizer", known: Known, grads: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    """Adds gradients up; every so many steps, makes an update with their mean."""
    steps, name = optimizer.gradient_accumulation_steps, "gradient_accumulator"
    sums = {**state[name], **{k: state[name][k] + g for k, g in grads.items()}}

    def finish() -> tuple[Arrays, State]:
        means = {k: sums[k] / steps for k in grads}
        updates, new = _update(optimizer, known, means, state, params)
        return updates, {**new, name: jax.tree.map(jnp.zeros_like, sums)}

    def wait() -> tuple[Arrays, State]:
        return jax.tree.map(jnp.zeros_like, grads), {**state, name: sums}

    return jax.lax.cond((state["iteration"] + 1) % steps == 0, finish, wait)


def _update(
    optimizer: "Optimizer", known: Known, grads: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    """Decays weights, clips gradients, and follows the optimizer's rule."""
    moved = optimizer.advance(optimizer.step_of(state))
    state = {**state, **{name: x.astype(state[name].dtype) for name, x in moved.items()}}
    rate = optimizer.step_of(state).learning_rate
    factors = {
        k: optimizer.weight_decay_of(known[k]) for k in grads if optimizer.is_decayed(known[k])
    }
    decay = {k: (-rate * f * params[k]).astype(params[k].dtype) for k, f in factors.items() if f}
    params = {**params, **{k: params[k] + change for k, change in decay.items()}}
    follow = _run_update_steps if optimizer.assigns else _apply_rule
    updates, state = follow(optimizer, known, _clip(optimizer, grads), state, params)
    updates = {k: u.astype(params[k].dtype) for k, u in updates.items()}
    return {**updates, **{k: updates[k] + change for k, change in decay.items()}}, state


def _clip(optimizer: "Optimizer", grads: Arrays) -> Arrays:
    if optimizer.clipnorm is not None:
        clip = optax.clip_by_global_norm(optimizer.clipnorm)
        return {k: clip.update(g, clip.init(g))[0] for k, g in grads.items()}
    if optimizer.global_clipnorm is not None:
        clip = optax.clip_by_global_norm(optimizer.global_clipnorm)
    elif optimizer.clipvalue is not None:
        clip = optax.clip(optimizer.clipvalue)
    else:
        clip = optax.identity()
    return clip.update(grads, clip.init(grads))[0]


def _apply_rule(
    optimizer: "Optimizer", known: Known, grads: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    rule = optimizer.rule(optimizer.step_of(state))
    slots = {name: dict(x) for name, x in state.items() if isinstance(x, dict)}
    updates = {}
    for k, g in grads.items():
        own = {name: column[k] for name, column in slots.items() if k in column}
        updates[k], new = rule(g, params[k], own)
        for name, value in new.items():
            slots[name][k] = value.astype(own[name].dtype)
    return updates, {**state, **slots}


def _run_update_steps(
    optimizer: "Optimizer", known: Known, grads: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    """Runs a method that assigns, in a scope in which the variables hold the given arrays."""
    cells = optimizer.cells({v: k for k, v in known.items()})
    values = dict(zip(cell_leaves(cells), jax.tree.leaves(state), strict=True))
    here = scope.Pure({**values, **{known[k]: p for k, p in params.items()}})
    with scope.enter(here):
        for k, g in grads.items():
            optimizer.update_step(g, known[k], optimizer.step_of(state).learning_rate)
    updates = {k: here.values[known[k]] - params[k] for k in grads}
    return updates, map_cells(here.values.__getitem__, cells)


def _average(
    optimizer: "Optimizer", updates: Arrays, state: State, params: Arrays
) -> tuple[Arrays, State]:
    """Keeps the moving averages; when it is time, makes them the parameters."""
    done = optimizer.updates_before(state["iteration"])
    momentum = jnp.where(done == 0, 0.0, optimizer.ema_momentum)
    averages = dict(state["average"])
    for k, update in updates.items():
        average = momentum * averages[k] + (1.0 - momentum) * (params[k] + update)
        averages[k] = average.astype(params[k].dtype)
    if optimizer.ema_overwrite_frequency:
        due = (done + 1) % optimizer.ema_overwrite_frequency == 0
        updates = {k: jnp.where(due, averages[k] - params[k], u) for k, u in updates.items()}
    return updates, {**state, "average": averages}


def map_cells(function: Callable, cells: Any, *states: Any) -> Any:
    """Maps a function over variables in a tree, and over what stands in their places."""
    return jax.tree.map(function, cells, *states, is_leaf=is_cell)


def cell_leaves(cells: Any) -> list[Variable]:
    """Returns the variables in a tree."""
    return jax.tree.leaves(cells, is_leaf=is_cell)


def is_cell(x: Any) -> bool:
    """Says whether something is a variable: a leaf, where trees hold variables."""
    return isinstance(x, Variable)
