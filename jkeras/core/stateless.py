"""A block in which weights read as chosen values, and writing them changes nothing outside."""

from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, Self

import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike
from jkeras.core import scope
from jkeras.core.variable import Variable


class StatelessScope(scope.Eager):
    """A block in which weights read as chosen values, and writing them changes nothing outside.

    `model.apply` does this for all weights of a model; this is for code that touches a few.

    Args:
        state_mapping: Pairs of a variable and the array that it reads as.
        collect_losses: Accepted for Keras's sake: `losses` holds what the block adds anyway.
        initialize_variables: Accepted for Keras's sake.

    Raises:
        ValueError: If a pair has no variable, or an array of another shape.

    Example:
        >>> import jkeras as keras
        >>> gain = keras.Variable(1.0)
        >>> with keras.StatelessScope([(gain, 2.0)]) as scope:
        ...     _ = gain.assign(gain + 1.0)
        >>> scope.get_current_value(gain).item(), gain.numpy().item()
        (3.0, 1.0)
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ):
        super().__init__()
        self.values: dict[Variable, Any] = {}
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self._entered = ExitStack()
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(
                    f"state_mapping has pairs of a Variable and its value. Received: {variable!r}"
                )
            if np.shape(value) != variable.shape:
                raise ValueError(
                    f"The variable {variable.path!r} has shape {variable.shape}, but its value in "
                    f"state_mapping has shape {np.shape(value)}."
                )
            self.write(variable, jnp.asarray(value, variable.dtype))

    def read(self, variable: Variable) -> ArrayLike:
        return self.values[variable] if variable in self.values else variable.show()

    def write(self, variable: Variable, value: ArrayLike) -> None:
        self.values[variable] = value

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Makes a variable read as a value from now on; takes the pair of both."""
        self.write(*update)

    def add_loss(self, loss: ArrayLike) -> None:
        """Adds to `losses`."""
        self.added_losses.append((None, loss))

    @property
    def losses(self) -> list[Any]:
        """The losses that layers added in the block."""
        return [loss for _, loss in self.added_losses]

    def get_current_value(self, variable: Variable) -> ArrayLike:
        """Returns what a variable was given or assigned here; None if nothing was."""
        return self.values.get(variable)

    def __enter__(self) -> Self:
        self._entered.enter_context(scope.enter(self))
        return self

    def __exit__(self, *error: Any) -> None:
        self._entered.close()


class SymbolicScope:
    """Marks a symbolic stage, as in Keras.

    Symbolic tensors of this library say so themselves: nothing changes inside.

    Example:
        >>> import jkeras as keras
        >>> with keras.SymbolicScope():
        ...     keras.ops.square(keras.KerasTensor((2, 3))).shape
        (2, 3)
    """

    def __enter__(self) -> "SymbolicScope":
        return self

    def __exit__(self, *error: object) -> None:
        pass
