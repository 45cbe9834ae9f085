"""What optimizers remember, in the orders in which Keras's versions have written it."""

import warnings
from collections.abc import Iterator, Mapping, Sequence

from jkeras.base.types import AnyOptimizer
from jkeras.core.variable import Variable
from jkeras.saving.h5_reader import Dataset
from jkeras.saving.plan import Plan

# What slots were called until TensorFlow 2.10, and what Keras 3 calls them.
_OLD_SLOTS = {
    "m": "momentum",
    "v": "velocity",
    "vhat": "velocity_hat",
    "rms": "velocity",
    "mg": "average_gradient",
    "accum_grad": "accumulated_grad",
    "accum_var": "accumulated_delta_var",
}
_OLD_ADAMAX_SLOTS = {"m": "momentum", "v": "norm"}


def plan(
    result: Plan,
    optimizer: AnyOptimizer,
    saved: Sequence[tuple[str, Dataset]],
    weight_names: Mapping[Variable, str] | None = None,
) -> None:
    """Plans to give a built optimizer what a file has for it; warns if that does not fit.

    Args:
        result: The plan.
        optimizer: The optimizer, built for the model's trainable variables.
        saved: The arrays in the file's order, each with its name there.
        weight_names: What the file calls the model's variables.
    """
    if not saved:
        return
    names, arrays = zip(*saved, strict=True)
    for order in _orders(optimizer, names, weight_names or {}):
        if _fits(order, arrays):
            result.add_state(order, arrays[: len(order)])
            return
    if len(arrays) <= 2 and arrays[0].shape == () and not arrays[0].read(()):
        return  # it had not made a step yet: there is nothing to restore
    warnings.warn(
        f"Skipping variable loading for optimizer {optimizer.name!r}, because it has "
        f"{len(optimizer.variables)} variables whereas the saved optimizer has {len(arrays)}, or "
        "their shapes differ. Its configuration is kept; its state starts anew.",
        stacklevel=2,
    )


def _fits(order: Sequence[Variable], arrays: Sequence[Dataset]) -> bool:
    """Says whether the arrays are of the cells' shapes; some at the end may have no cell.

    These are the placeholders of old Adam's `vhat`, and the slots that TensorFlow's SGD keeps even
    without momentum.
    """
    if not 0 < len(order) <= len(arrays):
        return False
    rest = arrays[len(order) :]
    has_slots = any(cell.shape for cell in order)
    return all(c.shape == d.shape for c, d in zip(order, arrays, strict=False)) and (
        not has_slots or all(d.shape == (1,) for d in rest)
    )


def _orders(
    optimizer: AnyOptimizer, names: Sequence[str], weight_names: Mapping[Variable, str]
) -> Iterator[list[Variable]]:
    """Yields the orders in which the arrays may be meant, the likeliest first."""
    first = names[0]
    if not (first.isdigit() or first.endswith(("/iteration", "iteration:0"))):
        yield from _old_orders(optimizer, names, weight_names)
        return
    today = list(optimizer.variables)
    yield today
    # TensorFlow's optimizers from 2.11 on keep the learning rate in their configuration only.
    rate = optimizer.cells({}).get("learning_rate")
    yield [cell for cell in today if cell is not rate]


def _old_orders(
    optimizer: AnyOptimizer, names: Sequence[str], weight_names: Mapping[Variable, str]
) -> Iterator[list[Variable]]:
    """Yields orders of TensorFlow until 2.10, of Keras 2.3, and of Keras 2.0."""
    variables = optimizer._trainable_variables
    cells = optimizer.cells({v: i for i, v in enumerate(variables)})
    slots = {name: cell for name, cell in cells.items() if isinstance(cell, dict)}
    words = _OLD_ADAMAX_SLOTS if "norm" in slots else _OLD_SLOTS
    # By the slots' names: "Adam/hidden/kernel/m:0" is the next variable's m.
    order, used = [cells["iteration"]], dict.fromkeys(slots, 0)
    for name in names[1:]:
        word = name.rpartition("/")[2].split(":")[0]
        slot = words.get(word, word)
        if slot not in slots or used[slot] >= len(variables):
            break
        order.append(slots[slot][used[slot]])
        used[slot] += 1
    if len(order) == len(names):
        yield order
    # One slot of all variables after the other. Keras 2.0 sorted the variables by their names, and
    # some of its optimizers did not keep the iterations.
    by_name = sorted(
        range(len(variables)), key=lambda i: weight_names.get(variables[i], variables[i].path)
    )
    for indices in (range(len(variables)), by_name):
        order = [slots[s][i] for s in slots for i in indices if i in slots[s]]
        yield [cells["iteration"], *order]
        yield order
