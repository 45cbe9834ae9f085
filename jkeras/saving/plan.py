"""What is to be read into which weights: checked as a whole before anything is read."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.saving.h5_reader import Dataset

Convert = Callable[[list[np.ndarray]], list[np.ndarray]]
_SHOWN = 10  # problems that a message lists


class Conversion(NamedTuple):
    """How an older layout of a layer's weights becomes today's.

    Attributes:
        shapes: The shapes that `convert` makes.
        convert: Makes the arrays of today of those in the file.
    """

    shapes: list[tuple[int, ...]]
    convert: Convert


class _Entry(NamedTuple):
    variables: list[Variable]
    datasets: list[Dataset]
    convert: Convert | None


class Plan:
    """The arrays of a file, and the weights that they are meant for.

    Shapes are compared first, of all layers; then arrays are read; and only when all have been
    read does any weight change.

    Attributes:
        problems: Why layers do not fit.
        names: What the file calls the weights, if it names them: `dense_1/kernel:0`.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._calls: list[Callable[[], None]] = []
        self.problems: list[str] = []
        self.names: dict[Variable, str] = {}

    def add(
        self,
        layer: Layer,
        variables: Sequence[Variable],
        datasets: Sequence[Dataset],
        conversion: Conversion | None = None,
    ) -> None:
        """Plans to read a layer's weights, or notes why they do not fit."""
        shapes = [d.shape for d in datasets] if conversion is None else conversion.shapes
        if len(variables) != len(shapes):
            self.problems.append(
                f"Layer {layer.name!r} ({type(layer).__name__}) expected {len(variables)} "
                f"variables {[v.name for v in variables]}, but received {len(shapes)} variables "
                "from the file." + ("" if layer.built else " The layer is not built.")
            )
            return
        bad = [
            f"Shape mismatch in layer {layer.name!r} ({type(layer).__name__}) for weight "
            f"{variable.name!r}. Weight expects shape {variable.shape}. Received saved weight with "
            f"shape {shape}: the shapes must match."
            for variable, shape in zip(variables, shapes, strict=True)
            if variable.shape != tuple(shape)
        ]
        self.problems += bad
        if not bad:
            convert = None if conversion is None else conversion.convert
            self._entries.append(_Entry(list(variables), list(datasets), convert))

    def add_state(self, variables: Sequence[Variable], datasets: Sequence[Dataset]) -> None:
        """Plans to read what an optimizer remembers; it has been found to fit."""
        self._entries.append(_Entry(list(variables), list(datasets), None))

    def call(self, function: Callable[[], None]) -> None:
        """Plans to call a function, after everything was read and before any weight changes."""
        self._calls.append(function)

    def run(self, skip_mismatch: bool = False) -> None:
        """Reads the arrays, and gives them to the weights.

        Args:
            skip_mismatch: Whether layers that do not fit keep their weights, with a warning.

        Raises:
            ValueError: If a layer does not fit; no weight has changed then.
        """
        if self.problems:
            message = _message(self.problems)
            if not skip_mismatch:
                raise ValueError(
                    f"{message}\nLoad into the architecture that was saved; or pass "
                    "`skip_mismatch=True`, so that layers that do not fit keep their weights."
                )
            warnings.warn(f"{message}\nThese layers keep their weights.", stacklevel=4)
        arrays = [(entry.variables, _read(entry)) for entry in self._entries]
        for function in self._calls:
            function()
        for variables, values in arrays:
            for variable, value in zip(variables, values, strict=True):
                variable.take(value, given=True)


def _read(entry: _Entry) -> list[Any]:
    # A file's own shape is only taken where a conversion to the expected one has been checked.
    if entry.convert is None:
        return [d.read(v.shape) for v, d in zip(entry.variables, entry.datasets, strict=True)]
    return entry.convert([d.read(d.shape) for d in entry.datasets])


def _message(problems: list[str]) -> str:
    more = len(problems) - _SHOWN
    lines = problems[:_SHOWN] + ([f"... and {more} more."] if more > 0 else [])
    layers = "layer does" if len(problems) == 1 else "weights or layers do"
    return f"{len(problems)} {layers} not fit the file:\n" + "\n".join(lines)
