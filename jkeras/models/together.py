"""Training and evaluation of the members of an ensemble, whose states are stacked, by one program.

On a CPU a call of small operations takes one core: the members are cut into as many parts as there
are cores, and each part is called from a thread of its own.
"""

import functools
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.platforms import platform
from jkeras.base.types import Structure
from jkeras.callbacks.progress import EpochProgress
from jkeras.core import placement, pure
from jkeras.models import arguments, sharing
from jkeras.models.members import Member, Plan, differing, lifting
from jkeras.models.session import Program, Training
from jkeras.training import engine, loop, steps
from jkeras.training.state import Batch, EvalState, TrainState

# A part of fewer members is not worth a thread.
_LEAST_OF_A_PART = 4
# States of at most so many bytes are stacked by NumPy: programs that do it, one for each number of
# members and shape, take longer to compile than that of the training.
_BY_NUMPY = 2**26
# Tracing puts traced values into the members' numbers: one at a time.
_tracing = threading.RLock()


class _Part:
    """Members that are called at once, and their states as one."""

    def __init__(self, members: list[Member]):
        self.members, self.stack = members, None  # type: Any, Any


class Together:
    """Trains, or evaluates, members at once.

    Args:
        programs: What was compiled for these members before.
        group: The members.
        plan: What they are trained on.
        verbose: Whether to show the epochs.
    """

    def __init__(self, programs: dict[Any, Any], group: list[Member], plan: Plan, verbose: int):
        self._programs, self._plan, self._group = programs, plan, group
        self._parts = [_Part(members) for members in _cut(group)]
        self._stopped: set[int] = set()
        self._held: dict[int, list[Any]] = {}
        self._session = first = group[0].model._session
        own = [m.model._session.program("train", plan.train.example) for m in group]
        self._train = own[0]
        self._places, self._slots = differing(group, own)
        first.check_labels(self._train, plan.train)
        self._trainings = {}
        if plan.epochs:
            self._trainings = {
                m.number: Training(m.model._session, program, engine.take_slot)
                for m, program in zip(group, own, strict=True)
            }
        self._test = None if plan.valid is None else first.program("test", plan.valid.example)
        batch = jax.tree.map(jnp.asarray, tuple(plan.train.batch))
        same = plan.valid is None or plan.rows is not None
        self._data = batch, batch if same else jax.tree.map(jnp.asarray, tuple(plan.valid.batch))  # type: ignore[union-attr]
        self._progress = (
            EpochProgress(verbose, plan.epochs.stop, plan.train.steps) if verbose else None
        )

    # -------------------------------------------------------------- states
    def _stack(self, part: _Part) -> None:
        states = [self._trainings[m.number].state() for m in part.members]
        part.stack = stacked([state.replace(metrics=self._train.empty) for state in states])

    def _spread(self, part: _Part) -> None:
        """Makes the members hold their states, which stay those of the stack as well."""
        states = _unstacked(part.stack, len(part.members))
        for member, state in zip(part.members, states, strict=True):
            if member.number in self._stopped:
                continue
            training = self._trainings[member.number]
            training.write(state)
            training.metrics = state.metrics
            self._held[member.number] = _cells(member)

    def _alive(self, part: _Part) -> list[tuple[int, Member]]:
        """Returns the members that have not stopped, with their places in the stack."""
        return [(i, m) for i, m in enumerate(part.members) if m.number not in self._stopped]

    def _take_changes(self, part: _Part) -> None:
        """Puts into the stack what callbacks have set in the members."""
        for place, member in self._alive(part):
            held, now = self._held[member.number], _cells(member)
            if any(a is not b for a, b in zip(held, now, strict=True)):
                new = self._trainings[member.number].state()
                new = new.replace(metrics=at(part.stack.metrics, place))
                part.stack = _with(part.stack, place, new)
                self._held[member.number] = now

    def _compact(self) -> None:
        """Takes members out of the stacks of which half, or more, are computed for nothing."""
        for part in self._parts:
            left = [place for place, _ in self._alive(part)]
            if left and 2 * len(left) <= len(part.members):
                part.stack = at(part.stack, np.array(left))
                part.members = [part.members[place] for place in left]
        self._parts = [part for part in self._parts if self._alive(part)]

    # -------------------------------------------------------------- programs
    def _compiled(self, program: Program, step: Callable[..., Any], select: Any) -> Any:
        """Returns what takes many steps of all members.

        Args:
            program: That of the first member.
            step: `(state, what is given of a member, numbers) -> state`.
            select: Makes what is given of what stays on the device, and a slot.
        """
        programs, key = self._programs, (program.mode, id(program), self._places)
        programs["slots"] = self._slots[self._group[0].number]

        def one(state: Any, given: Any, numbers: list[Any]) -> Any:
            with _tracing, lifting(programs["slots"], numbers), steps.refusing_outside():
                return step(state, given)

        if key not in programs:
            make: Any = functools.partial(_make_chunk, select)
            functions: tuple[Any, ...] = one, program.logs
            kind = "ensemble", program.mode, self._places
            programs[key] = (
                make(*functions)
                if program.parts is None
                else sharing.compile_once(kind, make, functions, program.parts)
            )
        return programs[key]

    def _run(self, run: Any, state: Any, resident: Any, given: list[Any]) -> Any:
        """Runs a chunk over slots of all members of a part: (steps, members, rows)."""
        full, last = (np.stack(parts, axis=1) for parts in zip(*given, strict=True))
        rest = last[0] if last.size else None
        try:
            return run(state, resident, full, rest=rest)
        except steps.OutsideVariables as found:
            raise ValueError(
                "The models use variables that they do not own, which are one for all members: "
                f"{[v.path for v in found.args[0]]}. Make them attributes of the model."
            ) from found

    def _numbers(self, part: _Part) -> list[Any]:
        """Returns the numbers in which members differ: an array of each."""
        own = [[slot.value for slot in self._slots[m.number]] for m in part.members]
        return [jnp.asarray(column, jnp.float32) for column in zip(*own, strict=True)]

    def _epoch(self, part: _Part) -> Any:
        """Trains a part for an epoch; returns the logs."""
        program, session = self._train, self._session

        def step(state: TrainState, batch: Any) -> TrainState:
            return session.train_step(program.objective, program.outside)(state, Batch(*batch))

        run = self._compiled(program, step, _rows_of_all)
        stack = part.stack.replace(metrics=stacked([program.empty] * len(part.members)))
        given = [member.next_rows() for member in part.members]
        part.stack, logs = self._run(run, stack, (self._data[0], self._numbers(part)), given)
        return dict(logs)

    def _evaluated(self, part: _Part, params: Any, state: Any) -> Any:
        """Returns the logs of an evaluation of a part."""
        program: Any = self._test
        plan: Any = self._plan

        def step(carry: EvalState, given: Any) -> EvalState:
            variables, batch = given
            return program.step(carry, (variables, Batch(*batch)))

        run = self._compiled(program, step, _rows_beside_variables)
        count = len(part.members)
        empty = stacked([program.empty] * count)
        carry = EvalState({path: state[path] + 0 for path in program.written}, empty)
        resident = (pure.Variables(params, state), self._data[1], self._numbers(part))
        rows = [np.arange(len(jax.tree.leaves(self._data[1])[0]))] * count
        if plan.rows is not None:
            rows = [np.asarray(plan.rows[m.number][1]) for m in part.members]
        given = [_in_batches(own.astype(np.int32), plan.valid.batch_size) for own in rows]
        return self._run(run, carry, resident, given)[1]

    # -------------------------------------------------------------- parts
    def _in_parts(self, work: Callable[[_Part], Any], what: str) -> list[dict[str, Any]]:
        """Returns the logs of each part; what may have to be traced is traced in this thread."""
        known = self._programs.setdefault("known", set())
        shapes = [a.shape for a in jax.tree.leaves(self._data)]
        found: dict[int, dict[str, Any]] = {}
        for number, part in enumerate(self._parts):
            key = (what, id(self._train), id(self._test), len(part.members), *shapes)
            if key not in known or len(self._parts) == 1:
                found[number] = loop.fetch(work(part))
                known.add(key)
        left = [number for number in range(len(self._parts)) if number not in found]
        if left:
            with ThreadPoolExecutor(len(left)) as threads:
                logs = threads.map(lambda number: loop.fetch(work(self._parts[number])), left)
                found.update(zip(left, logs, strict=True))
        return [found[number] for number in range(len(self._parts))]

    def evaluate(self) -> dict[str, np.ndarray]:
        """Returns the logs of an evaluation: an array of a value for each member."""
        for part in self._parts:
            part.stack = stacked([pure.read(m.model) for m in part.members])
        found = self._in_parts(lambda part: self._evaluated(part, *part.stack), "evaluate")
        return {name: np.concatenate([logs[name] for logs in found]) for name in found[0]}

    # -------------------------------------------------------------- epochs
    def run(self) -> None:
        """Trains until all members have stopped."""
        plan, listens = self._plan, any(member.listens for member in self._group)
        last: dict[int, dict[str, Any]] = {m.number: {} for m in self._group}
        for part in self._parts:
            self._stack(part)
            if listens:
                self._spread(part)
        for member in self._group:
            member.call("on_train_begin")
        for epoch in plan.epochs:
            if self._progress is not None:
                self._progress.start(epoch)
            for part in self._parts:
                for _, member in self._alive(part):
                    member.call("on_epoch_begin", epoch)
                if listens:
                    self._take_changes(part)
            validates = plan.valid is not None and arguments.validates(plan.frequency, epoch)

            def work(
                part: _Part, validates: bool = validates, ends: bool = epoch == plan.epochs[-1]
            ) -> dict[str, Any]:
                logs = self._epoch(part)
                if validates:
                    values = self._evaluated(part, part.stack.params, part.stack.state)
                    logs |= {f"val_{name}": value for name, value in values.items()}
                if not ends:
                    _draw_ahead(part.members)
                return logs

            found = self._in_parts(work, f"validates {validates}")
            for part, values in zip(self._parts, found, strict=True):
                if listens or epoch == plan.epochs[-1]:
                    self._spread(part)
                for place, member in self._alive(part):
                    last[member.number] = {n: float(array[place]) for n, array in values.items()}
            shown = [last[m.number] for part in self._parts for _, m in self._alive(part)]
            for part in self._parts:
                for _, member in self._alive(part):
                    member.end_epoch(epoch, last[member.number])
                if listens:
                    self._take_changes(part)
            if self._progress is not None:
                self._progress.finish(_shown(shown), plan.train.steps)
            self._stopped |= {m.number for m in self._group if m.model.stop_training}
            self._compact()
            if not self._parts:
                break
        for member in self._group:
            member.model._session.keep_order(member.feed)
            self._trainings[member.number].publish()
            member.model._session.finalize()
            member.call("on_train_end", last[member.number])


def _make_chunk(select: Any, step: Callable[..., Any], logs: Callable[..., Any]) -> Any:
    """Compiles many steps of many members."""
    return engine.make_chunk(
        lambda stack, given: jax.vmap(step)(stack, *given), select, jax.vmap(logs)
    )


def _rows_of_all(resident: Any, slot: Any) -> Any:
    data, numbers = resident
    return engine.take_rows(data, slot), numbers


def _rows_beside_variables(resident: Any, slot: Any) -> Any:
    variables, data, numbers = resident
    return (variables, engine.take_rows(data, slot)), numbers


# ------------------------------------------------------------------ parts
def _cut(group: list[Member]) -> list[list[Member]]:
    """Returns the members in parts of about the same size, one for each core of a CPU."""
    count = 1
    if platform() == "cpu" and placement.current() is None:
        known = hasattr(os, "sched_getaffinity")  # not on every system
        cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
        count = max(1, min(cores, len(group) // _LEAST_OF_A_PART))
    if count > 1 and not _threads_are_alike():
        count = 1
    return [list(part) for part in np.array_split(np.array(group, dtype=object), count)]


def _draw_ahead(members: list[Member]) -> None:
    """Draws the next epoch's orders while the device is busy: NumPy shuffles outside of the GIL."""
    with ThreadPoolExecutor(min(len(members), os.cpu_count() or 1)) as threads:
        list(threads.map(lambda member: member.feed.draw_ahead(), members))


def _threads_are_alike() -> bool:
    """Says whether other threads compile as this one does: contexts of JAX hold for one only."""

    def read() -> list[Any]:
        known = [getattr(jax.config, name, None) for name in jax.config.values]
        return [*known, jax.sharding.get_abstract_mesh()]

    with ThreadPoolExecutor(1) as thread:
        return read() == thread.submit(read).result()


# ------------------------------------------------------------------ stacks
def at(tree: Structure, place: Any) -> Structure:
    """Returns what is at a place, or places, of all arrays' first axes."""
    return jax.tree.map(lambda array: array[place], tree)


def _with(stack: Any, place: int, tree: Structure) -> Any:
    """Returns a stack with another tree at a place."""
    return jax.tree.map(lambda array, new: array.at[place].set(new), stack, tree)


def _is_small(arrays: list[Any], count: int = 1) -> bool:
    """Says whether NumPy may stack arrays, or take them apart."""
    return placement.current() is None and count * sum(a.nbytes for a in arrays) <= _BY_NUMPY


def stacked(trees: list[Any]) -> Structure:
    """Returns trees of arrays as one, whose arrays have a first axis more."""
    if _is_small(jax.tree.leaves(trees[0]), len(trees)):
        held = jax.device_get(trees)  # at once: one by one, each waits for the device
        return jax.device_put(jax.tree.map(lambda *arrays: np.stack(arrays), *held))
    stack = jax.tree.map(lambda *arrays: jnp.stack(list(map(jnp.asarray, arrays))), *trees)
    where = placement.current()
    # Under a distribution each device has some of the members, which have nothing to say to others.
    return stack if where is None else where.send(stack)


def _unstacked(stack: Any, count: int) -> list[Any]:
    """Returns the trees that a stack is made of."""
    arrays, structure = jax.tree.flatten(stack)
    if not _is_small(arrays):
        return _taken_apart(stack, count)
    # Copies: the stack's memory goes to what the next chunk makes of it.
    held = jax.device_get(arrays)
    parts = jax.device_put([[array[place].copy() for array in held] for place in range(count)])
    return [jax.tree.unflatten(structure, part) for part in parts]


@functools.partial(jax.jit, static_argnums=1)
def _taken_apart(stack: Any, count: int) -> list[Any]:
    return [at(stack, place) for place in range(count)]


def _cells(member: Member) -> list[Any]:
    return [variable.cell() for variable in member.variables()]


def _in_batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    cut = len(rows) // size * size
    return [rows[:cut].reshape(-1, size), rows[cut:][None]]


def _shown(logs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Returns what a line of an epoch says of all members."""
    values = {name: [own[name] for own in logs] for name in logs[0]}
    shown = {name: float(np.median(own)) for name, own in values.items()}
    for name in ("loss", "val_loss"):
        if name in values:
            shown[f"lowest_{name}"] = min(values[name])
    return shown
