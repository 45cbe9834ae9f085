"""Losses in structures: which of a model's outputs each loss of `compile` is a loss of."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from jkeras.losses.loss import Loss


@dataclasses.dataclass(eq=False)
class LossTerm:
    """One term of the total.

    Attributes:
        loss: The loss, a function of (y_true, y_pred).
        factor: What the total multiplies it by.
        outputs: The output's position, or a structure of positions for a loss of several outputs.
    """

    loss: Loss
    factor: Any
    outputs: Any

    def take(self, by_position: Sequence[Any]) -> Any:
        """Returns this term's part of what is listed by output, in the structure of the outputs."""
        return jax.tree.map(lambda i: by_position[i], self.outputs)


def is_container(value: Any) -> bool:
    """Returns whether something holds entries for outputs, instead of being one such entry."""
    if isinstance(value, Mapping):
        return not {"class_name", "config"} <= set(value)  # that is one object's description
    return isinstance(value, (list, tuple))


def path_names(names: Any, above: str = "") -> list[str]:
    """Returns what the outputs' losses are called: Keras's paths, such as `encoder/0/mean`."""
    if isinstance(names, str):
        return [above + names]
    return [name for path, part in _children(names, above) for name in _below(path, part)]


def numbered(names: Any, count: Iterator[int]) -> Any:
    """Returns a structure of names with the outputs' positions in their places."""
    if isinstance(names, str):
        return next(count)
    if isinstance(names, Mapping):
        return {key: numbered(part, count) for key, part in names.items()}
    parts = [numbered(part, count) for part in names]
    return type(names)(*parts) if hasattr(names, "_fields") else type(names)(parts)


def _below(path: str, part: Any) -> list[str]:
    return [path] if isinstance(part, str) else path_names(part, path + "/")


def _children(names: Any, above: str) -> list[tuple[str, Any]]:
    """Returns the (path, part) pairs of a structure of names."""
    if isinstance(names, Mapping):
        return [(f"{above}{key}", part) for key, part in names.items()]
    return [
        (above + (part if isinstance(part, str) else str(i)), part) for i, part in enumerate(names)
    ]


def has_losses_of_structures(loss: Any, names: Any, inner: bool = False) -> bool:
    """Returns whether an argument of `compile` has a loss of several outputs together.

    That is a list (for outputs in a tuple or dict; a tuple for outputs in a list) of losses of all
    the outputs together and of structures like that of the outputs; or a user's function where
    a structure of outputs is.

    Args:
        loss: The argument.
        names: The outputs' names, in the structure of the outputs.
        inner: Whether this is an entry of a structure: one loss for all outputs is one for each.
    """
    if isinstance(names, str) or loss is None:
        return False
    if not is_container(loss):
        return inner and not _of_library(loss)
    return _is_list_of_losses(loss, names) or any(
        has_losses_of_structures(entry, part, True) for entry, part in _pairs(loss, names)
    )


def _pairs(loss: Any, names: Any) -> list[tuple[Any, Any]]:
    if isinstance(loss, Mapping):
        found = names if isinstance(names, Mapping) else {}
        return [(entry, found[key]) for key, entry in loss.items() if key in found]
    parts = names.values() if isinstance(names, Mapping) else names
    return list(zip(loss, parts, strict=False))


def _is_list_of_losses(loss: Any, names: Any) -> bool:
    if not isinstance(loss, (list, tuple)) or type(loss) is type(names):
        return False
    return any(map(is_container, loss)) and not _fits(loss, names)


def _fits(loss: Any, names: Any) -> bool:
    if not is_container(loss) or (isinstance(loss, (list, tuple)) and len(loss) == 1):
        return True
    if isinstance(names, str):
        return False
    if isinstance(loss, Mapping):
        if not (isinstance(names, Mapping) and set(loss) <= set(names)):
            return False
    elif len(loss) != len(names):
        return False
    return all(_fits(*pair) or _is_list_of_losses(*pair) for pair in _pairs(loss, names))


def _of_library(loss: Any) -> bool:
    """Returns whether a loss is one of ours, which are of arrays: it goes to each output."""
    made_by = loss if hasattr(loss, "__qualname__") else type(loss)
    fn = getattr(loss, "fn", made_by)
    return not callable(loss) or (getattr(fn, "__module__", None) or "").split(".")[0] == "jkeras"


def spread_losses(
    loss: Any, factors: Any, names: Any, positions: Any, path: str = ""
) -> Iterator[tuple[Any, Any, str, Any]]:
    """Yields (loss, factor, name, positions) for each loss in a structure.

    Args:
        loss: An argument of `compile` that has losses of several outputs together.
        factors: None, a number, or a structure like that of `loss`.
        names: The outputs' names, in the structure of the outputs.
        positions: The outputs' positions, likewise.
        path: Where in the outputs this is.

    Raises:
        ValueError: If a structure does not fit.
    """
    if loss is None:
        return
    above = f"{path}/" if path else ""
    if not is_container(loss):
        if isinstance(names, str) or not _of_library(loss):
            yield loss, factors, path or "_".join(path_names(names)), positions
            return
        parts = names.values() if isinstance(names, Mapping) else names
        loss = dict.fromkeys(names, loss) if isinstance(names, Mapping) else [loss for _ in parts]
        factors = jax.tree.map(lambda _: factors, loss)
    if is_container(factors) and len(factors) != len(loss):
        raise ValueError(
            f"The number of `loss_weights` must match the number of losses: got {factors!r} for "
            f"{loss!r}. Give `loss_weights` the structure of `loss`."
        )
    if _is_list_of_losses(loss, names):
        for i, entry in enumerate(loss):
            factor = factors[i] if isinstance(factors, (list, tuple)) else factors
            yield from spread_losses(entry, factor, names, positions, path)
        return
    children = _children(names, above) if not isinstance(names, str) else []
    keys = list(names) if isinstance(names, Mapping) else list(range(len(children)))
    entries = dict(loss) if isinstance(loss, Mapping) else dict(zip(keys, loss, strict=False))
    if not set(entries) <= set(keys) or (
        isinstance(loss, (list, tuple)) and len(loss) != len(keys)
    ):
        raise ValueError(
            f"`loss` has {loss!r} for the outputs {names!r}. Expected a structure like that of the "
            "outputs, or a list of losses of all of them."
        )
    for i, (key, (child, part)) in enumerate(zip(keys, children, strict=True)):
        if key in entries:
            factor = factors
            if is_container(factors):
                factor = factors[key] if isinstance(factors, Mapping) else factors[i]
            at = positions[key] if isinstance(positions, Mapping) else positions[i]
            yield from spread_losses(entries[key], factor, part, at, child)
