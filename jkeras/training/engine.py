"""Many steps in one compiled program."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jkeras.base.platforms import platform
from jkeras.base.types import Structure
from jkeras.training.single_steps import SingleSteps


def take_rows(resident: Structure, index: jax.Array) -> Structure:
    """Gathers the rows `index` of each array in a structure: a batch of data on the device."""
    return jax.tree.map(
        lambda array: array.at[index].get(mode="promise_in_bounds", unique_indices=False), resident
    )


def take_slot(resident: Structure, slot: Structure) -> Structure:
    """Takes the slot itself as the batch: for streamed data."""
    del resident
    return slot


def make_chunk(
    step: Callable[[Any, Any], Any],
    select: Callable[[Any, Any], Any] = take_rows,
    finish: Callable[[Any], Any] | None = None,
    donate: bool = True,
) -> Callable[..., Any]:
    """Compiles many steps into one call.

    Args:
        step: A pure function `(state, batch) -> state`.
        select: Makes a batch, on the device, of what stays there and of one slot: by default a
            slot is an array of row numbers.
        finish: Makes something of the state after the last step, in the same program (a program
            more takes a hundredth of a small net's epoch): `run` then returns it beside the state.
        donate: Whether `run` may destroy the arrays of the state that it is given, to put those of
            the next one in their place. Without this a chunk copies the state once.

    Returns:
        `run(state, resident, slots, start=0, count=None, rest=None) -> state`. `slots` is a
        structure of arrays whose first axis counts the slots; `count` of them are run, from `start`
        on, and then `rest`, one more slot of another size, if there is one. Slots may be None where
        there is only a rest: a program without a loop. A donated state's arrays must not be used
        afterwards. Without a count all slots are run, by a scan whose length the compiler knows. A
        given count is dynamic, so that all lengths share one program (which is a few percent slower
        on a CPU, and elsewhere a round trip to the host a step, or for 16: see `_in_blocks`).
        Both give the same bits. Steps that take long are programs of their own: see `SingleSteps`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jkeras.training import make_chunk
        >>> run = make_chunk(lambda total, batch: total + batch.sum())
        >>> rows = jnp.arange(6.0)
        >>> run(jnp.zeros(()), rows, jnp.array([[0, 1], [2, 3]])).item()
        6.0
    """

    # Traced once for all programs that hold it.
    step = jax.jit(step, inline=True)
    jit = functools.partial(jax.jit, donate_argnums=(0,) if donate else ())

    def take(state: Any, resident: Any, slot: Any) -> Any:
        return step(state, select(resident, slot))

    def end(state: Any, resident: Any, rest: Any) -> Any:
        state = state if rest is None else take(state, resident, rest)
        return state if finish is None else (state, finish(state))

    @jit
    def run_all(state: Any, resident: Any, slots: Any, rest: Any) -> Any:
        if slots is not None:
            state, _ = lax.scan(lambda s, slot: (take(s, resident, slot), None), state, slots)
        return end(state, resident, rest)

    @jit
    def run_some(state: Any, resident: Any, slots: Any, start: Any, count: Any, rest: Any) -> Any:
        def body(i: Any, state: Any) -> Any:
            slot = jax.tree.map(
                lambda s: lax.dynamic_index_in_dim(s, start + i, keepdims=False), slots
            )
            return take(state, resident, slot)

        if platform() != "cpu" and _size(state) <= _LARGEST_IN_BLOCKS:
            return end(_in_blocks(count, body, state), resident, rest)
        return end(lax.fori_loop(0, count, body, state), resident, rest)

    single = SingleSteps(jit(take), finish)

    def run_chunk(
        state: Any,
        resident: Any,
        slots: Any,
        start: int = 0,
        count: int | None = None,
        rest: Any = None,
    ) -> Any:
        if slots is None:
            return run_all(state, resident, None, rest)
        stop = _length(slots) if count is None else start + count
        way = single.way(state, resident, slots, rest)
        if way == "singly":
            return single.run(state, resident, slots, range(start, stop), rest)
        if count is None and start == 0:
            if way == "together":
                return run_all(state, resident, slots, rest)
            last = single.compile(state, resident, rest)
            made = run_all(state, resident, slots, None)
            return single.finish(made if finish is None else made[0], resident, rest, last)
        return run_some(state, resident, slots, np.int32(start), np.int32(stop - start), rest)

    return run_chunk


# The condition of a loop whose length is not known is looked at by the host: on a GPU (H100, jax
# 0.11) a step took 59 us in it where it took 19 in a loop of known length. So steps are taken in
# blocks, whose length is known, and those that are too many change nothing, which costs a small
# state next to nothing.
_BLOCK = 16
_LARGEST_IN_BLOCKS = 2**24  # bytes


def _in_blocks(count: Any, body: Callable[[Any, Any], Any], state: Any) -> Structure:
    """Does `lax.fori_loop(0, count, body, state)` in blocks of known length."""

    def one(i: Any, state: Any) -> Any:
        return jax.tree.map(lambda new, old: jnp.where(i < count, new, old), body(i, state), state)

    def block(number: Any, state: Any) -> Any:
        return lax.fori_loop(0, _BLOCK, lambda i, s: one(number * _BLOCK + i, s), state)

    return lax.fori_loop(0, (count + _BLOCK - 1) // _BLOCK, block, state)


def _size(state: Any) -> int:
    return sum([a.nbytes for a in jax.tree.leaves(state)])


def _length(slots: Any) -> int:
    return int(jax.tree.leaves(slots)[0].shape[0])


def make_map(
    step: Callable[[Any, Any], tuple[Any, Any]],
    select: Callable[[Any, Any], Any] = take_slot,
) -> Callable[..., tuple[Any, list[Any]]]:
    """Compiles a step with outputs, over many slots, into one call.

    Args:
        step: A pure function `(carry, batch) -> (carry, outputs)`.
        select: Makes a batch of what stays on the device and of one slot.

    Returns:
        `run(carry, resident, slots, start=0, count=None, rest=None) -> (carry, parts)`: the outputs
        of the slots, one after the other along the first axis, and those of the rest. Slots may be
        None, where there is only a rest.
    """

    @jax.jit
    def run_all(carry: Any, resident: Any, slots: Any, rest: Any) -> tuple[Any, list[Any]]:
        parts = []
        if slots is not None:
            carry, stacked = lax.scan(lambda c, s: step(c, select(resident, s)), carry, slots)
            parts.append(
                jax.tree.map(lambda a: a.reshape(math.prod(a.shape[:2]), *a.shape[2:]), stacked)
            )
        if rest is not None:
            carry, outputs = step(carry, select(resident, rest))
            parts.append(outputs)
        return carry, parts

    def run(
        carry: Any,
        resident: Any,
        slots: Any,
        start: int = 0,
        count: int | None = None,
        rest: Any = None,
    ) -> tuple[Any, list[Any]]:
        if count is not None:
            slots = jax.tree.map(lambda a: a[start : start + count], slots)
        return run_all(carry, resident, slots, rest)

    return run
