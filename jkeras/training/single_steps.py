"""Steps that are better not in a loop, each a program of its own; or only an epoch's last one.

A loop in XLA saves what calls from Python cost, some 50 microseconds a step. But on a CPU XLA makes
the gradients of convolutions fast in a program's outermost computation only (in a loop they took 5
times as long, with jax 0.10); and on a GPU a step of milliseconds gains nothing by a loop.

A loop and the step of a last, smaller batch are one program, compiled one after the other; that is
the quickest for epochs of milliseconds. On a GPU, where compiling takes many seconds and a call
takes as long as on a CPU, the last step of longer epochs is compiled by itself, beside the loop.

What a step takes is estimated from the operations in it, not measured, so that the same programs
run every time and in every process.
"""

import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np

from jkeras.base.platforms import platform
from jkeras.base.types import Structure

# How much a step may do to be in a loop: additions and multiplications of products count one each,
# the elements that other operations make so many. On a CPU any step without convolutions may: a
# transformer's took 1.5 times as long by itself (two cores, jax 0.10). On a GPU (H100, jax 0.11) a
# step by itself took 0.25 ms longer at least: 7 times as long at 2e9 operations, 1.16 at 1e11.
_OPERATIONS = {"cpu": 1e300}
_OPERATIONS_OF_OTHERS = 1e11
_AN_ELEMENT = 20
# Epochs of more than so many operations have a program for the last step, which costs a
# call (0.3 ms); not on a CPU, whose cores one compilation keeps busy.
_OF_LONG_EPOCHS = 1e10


class SingleSteps:
    """Runs steps one after the other, where that is better than a loop.

    Args:
        run_slot: A jitted function `(state, resident, slot) -> state`.
        finish: A function that makes something of the last state, to be returned beside it; None
            for nothing.
    """

    def __init__(self, run_slot: Any, finish: Callable[[Any], Any] | None):
        self._run_slot = run_slot
        self._finish = None if finish is None else jax.jit(finish)
        self._ways: dict[Any, str] = {}
        self._costs: dict[Any, float] = {}  # of steps, by the shapes of a slot
        self._compiled: dict[Any, Future] = {}

    def way(self, state: Structure, resident: Structure, slots: Structure, rest: Structure) -> str:
        """Says how to run slots of these shapes.

        Returns:
            `"singly"` if steps take so long that a loop gains nothing; `"apart"` if the last step
            should be compiled beside the loop; else `"together"`.
        """
        key = (rest is None, *[array.shape for array in jax.tree.leaves(slots)])
        found = self._ways.get(key)
        if found is None:
            leaves = jax.tree.leaves((state, resident, slots))
            in_python = jax.config.jax_disable_jit  # type: ignore[attr-defined]
            if in_python or [a for a in leaves if isinstance(a, jax.core.Tracer)]:
                return "together"
            found = self._ways[key] = self._found_way(state, resident, slots, rest)
        return found

    def _found_way(
        self, state: Structure, resident: Structure, slots: Structure, rest: Structure
    ) -> str:
        arrays = jax.tree.leaves(slots)
        count, key = arrays[0].shape[0], tuple([a.shape[1:] for a in arrays])
        cost = self._costs.get(key)
        if cost is None:
            one = self._run_slot.trace(state, resident, _slot(slots, 0) if count else rest)
            cost = self._costs[key] = operations(one.jaxpr.jaxpr)
        if cost > _OPERATIONS.get(platform(), _OPERATIONS_OF_OTHERS):
            return "singly"
        is_long = platform() != "cpu" and count * cost > _OF_LONG_EPOCHS
        return "apart" if is_long and rest is not None else "together"

    def run(
        self,
        state: Structure,
        resident: Structure,
        slots: Structure,
        numbers: range,
        rest: Structure,
    ) -> Structure:
        """Runs the steps of these slots, and the rest.

        Args:
            state: The state; destroyed, if the functions donate it.
            resident: What stays on the device.
            slots: The slots.
            numbers: Which of them to run.
            rest: One more slot, of another size; None for none.
        """
        last = None if rest is None else self.compile(state, resident, rest)
        for number in numbers:
            state = self._run_slot(state, resident, _slot(slots, number))
        return self.finish(state, resident, rest, last)

    def finish(
        self, state: Structure, resident: Structure, rest: Structure, last: Future | None
    ) -> Structure:
        """Runs the step of the rest, if there is one; returns what a chunk does.

        Args:
            state: The state; destroyed, if the functions donate it.
            resident: What stays on the device.
            rest: A slot; None for none.
            last: What `compile` has returned for it.
        """
        if last is not None:
            state = self._run_last(last, state, resident, rest)
        return state if self._finish is None else (state, self._finish(state))

    def compile(self, state: Structure, resident: Structure, rest: Structure) -> Future:
        """Compiles the program of the rest, in a thread of its own."""
        leaves, structure = jax.tree.flatten((state, rest))
        key = (structure, tuple([np.shape(leaf) for leaf in leaves]))
        if key not in self._compiled:
            lowered, future = self._run_slot.trace(state, resident, rest).lower(), Future[Any]()

            def work() -> None:
                try:
                    future.set_result(lowered.compile())
                except BaseException as error:
                    future.set_exception(error)

            threading.Thread(target=work, name="compile").start()
            self._compiled[key] = future
        return self._compiled[key]

    def _run_last(
        self, last: Future, state: Structure, resident: Structure, rest: Structure
    ) -> Structure:
        try:
            return last.result()(state, resident, rest)
        except (TypeError, ValueError):  # arrays of other types, or elsewhere, than those before
            return self._run_slot(state, resident, rest)


def _slot(slots: Structure, number: int) -> Structure:
    """Returns a slot: of NumPy arrays a view, which the call sends."""
    if any(isinstance(array, jax.Array) for array in jax.tree.leaves(slots)):
        return _slot_on_device(slots, np.int32(number))
    return jax.tree.map(lambda array: array[number], slots)


@jax.jit
def _slot_on_device(slots: Structure, number: Any) -> Structure:
    return jax.tree.map(
        lambda array: jax.lax.dynamic_index_in_dim(array, number, keepdims=False), slots
    )


def operations(jaxpr: Any) -> float:
    """Estimates what a program takes, from its shapes: see `_OPERATIONS`."""
    total, waiting = 0.0, [(1, jaxpr)]
    while waiting:
        times, program = waiting.pop()
        for equation in program.eqns:
            name, inner = equation.primitive.name, []
            values = list(equation.params.values())
            for value in values:  # some have programs in tuples
                if isinstance(value, (tuple, list)):
                    values += value
                elif hasattr(value, "eqns") or hasattr(value, "jaxpr"):
                    inner.append(getattr(value, "jaxpr", value))
            if name in _PRODUCTS:
                total += times * _PRODUCTS[name](equation)
            elif name == "cond":
                total += times * max([operations(branch) for branch in inner])
            elif inner:
                length = equation.params["length"] if name == "scan" else 1
                waiting += [(times * length, program) for program in inner]
            else:
                for made in equation.outvars:
                    total += times * _AN_ELEMENT * math.prod(getattr(made.aval, "shape", (0,)))
    return total


def _of_matmul(equation: Any) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    made, shape = equation.outvars[0].aval.shape, equation.invars[0].aval.shape
    return 2 * math.prod(made) * math.prod([shape[axis] for axis in contracted])


def _of_convolution(equation: Any) -> float:
    if platform() == "cpu":
        return math.inf  # see above
    kernel, numbers = equation.invars[1].aval.shape, equation.params["dimension_numbers"]
    made = equation.outvars[0].aval.shape
    return 2 * math.prod(made) * math.prod(kernel) / kernel[numbers.rhs_spec[0]]


_PRODUCTS = {"dot_general": _of_matmul, "conv_general_dilated": _of_convolution}
