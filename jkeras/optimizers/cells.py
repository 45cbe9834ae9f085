"""What an optimizer remembers: named variables, and the arrays they hold, arranged by name.

Some variables belong to the whole optimizer (`iteration`, `learning_rate`), others are *slots* of a
trained variable (`momentum`, `velocity`). A *state* is a dict of the arrays they hold, in which the
slots of one name are a dict by names of the trained variables.
"""

import functools
import warnings
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import initializers
from jkeras.base import registry
from jkeras.base.types import ArrayLike, DTypeLike, Identifier, Shape, Structure
from jkeras.core import scope
from jkeras.core.variable import Variable

State = dict[Any, Any]
Key = tuple[str, Variable | None]  # a name, and the trained variable whose slot it is


class Remembers(registry.Configurable):
    """An object that remembers in variables, in the order in which files hold them."""

    name: str
    built: bool

    def _forget(self) -> None:
        # Made by the constructor; by the latest build; and ever, so that a variable that was frozen
        # for a while finds its slots again.
        self._fixed: dict[Key, Variable] = {}
        self._made: dict[Key, Variable] = {}
        self._known: dict[Key, Variable] = {}

    def add_variable(
        self,
        shape: Shape,
        initializer: Identifier = "zeros",
        dtype: DTypeLike = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a variable of the whole optimizer, or finds the one an earlier build made.

        Args:
            shape: The shape.
            initializer: A name, an initializer, or a function of (shape, dtype).
            dtype: The dtype; `floatx()` by default.
            aggregation: Accepted for Keras's sake.
            layout: Accepted for Keras's sake.
            name: The name.

        Returns:
            The variable.
        """
        return self._add(name or "variable", None, shape, initializer, dtype)

    def add_variable_from_reference(
        self,
        reference_variable: Variable,
        name: str | None = None,
        initializer: Identifier = "zeros",
    ) -> Variable:
        """Makes a slot, of the shape and dtype of a trained variable, or finds it.

        Args:
            reference_variable: The trained variable.
            name: The slot's name, such as `"momentum"`.
            initializer: A name, an initializer, a function of (shape, dtype), or a variable whose
                value the slot starts from.

        Returns:
            The slot; the one that an earlier build made, if there was one.
        """
        of = reference_variable
        return self._add(name or "var", of, of.shape, initializer, of.variable_dtype)

    def add_optimizer_variables(
        self,
        trainable_variables: Sequence[Variable],
        name: str | Sequence[str],
        initializer: Identifier = "zeros",
    ) -> Any:
        """Makes slots for each of the trained variables.

        Args:
            trainable_variables: The trained variables.
            name: The slot's name, or a list of names for several slots.
            initializer: An initializer, or a list of them.

        Returns:
            The list of slots, or a tuple of such lists.
        """
        names = [name] if isinstance(name, str) else list(name)
        several = isinstance(initializer, (list, tuple))
        starts = initializer if several else [initializer] * len(names)
        rows = [
            [self.add_variable_from_reference(v, *pair) for pair in zip(names, starts)]
            for v in trainable_variables
        ]
        columns = tuple([row[i] for row in rows] for i in range(len(names)))
        return columns[0] if isinstance(name, str) else columns

    def _add(
        self, name: str, of: Variable | None, shape: Any, initializer: Any, dtype: Any
    ) -> Variable:
        made = self._made if self.built else self._fixed
        key, count = (name, of), 0
        while key in made or key in self._fixed:
            count += 1
            key = (f"{name}_{count}", of)
        if key not in self._known:
            prefix = "" if of is None else of.path.replace("/", "_") + "_"
            start = _starting_from(initializer)
            with scope.root_names((self.name,)):
                self._known[key] = Variable(start, shape, dtype, False, name=prefix + key[0])
            self._known[key].placed_like = of
        made[key] = self._known[key]
        return made[key]

    def assign(self, variable: Variable, value: ArrayLike) -> None:
        """Sets a variable, in `update_step`."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: ArrayLike) -> None:
        """Adds to a variable, in `update_step`."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: ArrayLike) -> None:
        """Subtracts from a variable, in `update_step`."""
        variable.assign_sub(value)

    def cells(self, names: Mapping[Variable, Any]) -> State:
        """Returns the variables it remembers in, arranged as the arrays in a state are.

        Args:
            names: The trained variables whose slots are wanted, and what to call them.
        """
        cells: State = {}
        for (name, of), cell in {**self._fixed, **self._made}.items():
            if of is None:
                cells[name] = cell
            elif of in names:
                cells.setdefault(name, {})[names[of]] = cell
        return cells

    def _scalars(self) -> State:
        return {
            name: v.value for (name, of), v in {**self._fixed, **self._made}.items() if of is None
        }

    @property
    def variables(self) -> list[Variable]:
        """All it remembers: iteration, learning rate, averages, accumulators, slots."""
        return [*{**self._fixed, **self._made}.values()]

    def get_weights(self) -> list[np.ndarray]:
        """Returns what `variables` hold, as NumPy arrays."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Makes `variables` hold these arrays.

        Args:
            weights: An array for each of `variables`; Keras 2's lists have none for the learning
                rate.

        Raises:
            ValueError: If it is not built, the number or a shape differs; then nothing is set.

        Example:
            >>> import jkeras as keras
            >>> weight = keras.Variable([1.0])
            >>> first, second = keras.optimizers.Adam(), keras.optimizers.Adam()
            >>> _ = first.apply_gradients([([2.0], weight)])
            >>> second.build([weight])
            >>> second.set_weights(first.get_weights())
            >>> int(second.iterations)
            1
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. "
                "Please call `optimizer.build(trainable_variables)` to create the optimizer "
                "weights before calling `set_weights()`."
            )
        variables = self.variables
        if len(weights) == len(variables) - 1:
            rate = self._fixed.get(("learning_rate", None))
            variables = [v for v in variables if v is not rate]
        if len(weights) != len(variables):
            raise ValueError(
                f"`weights` has {len(weights)} arrays, but the optimizer {self.name!r} has "
                f"{len(self.variables)} variables: {[v.path for v in self.variables[:4]]} ..."
            )
        for variable, weight in zip(variables, weights, strict=True):
            if variable.shape != np.shape(weight):
                raise ValueError(
                    f"Optimizer variable {variable.path!r} has shape {variable.shape} not "
                    f"compatible with provided weight shape {np.shape(weight)}."
                )
        for variable, weight in zip(variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Puts what `variables` hold into `store`, under `"0"`, `"1"`, ..."""
        for i, variable in enumerate(self.variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Takes what `save_own_variables` stored; warns, and takes nothing, if counts differ."""
        if len(store) != len(self.variables):
            warnings.warn(
                f"Skipping variable loading for optimizer {self.name!r}, because it has "
                f"{len(self.variables)} variables whereas the saved optimizer has {len(store)} "
                "variables.",
                stacklevel=2,
            )
            return
        self.set_weights([store[str(i)] for i in range(len(store))])


# ------------------------------------------------------------------ how variables start
def _starting_from(initializer: Identifier) -> Callable[..., Any]:
    """Returns a function of (shape, dtype) that needs no seed, and can be pickled."""
    if isinstance(initializer, Variable):
        return functools.partial(_copied, initializer)
    initializer = initializers.get("zeros" if initializer is None else initializer)
    if isinstance(initializer, initializers.Initializer):
        return functools.partial(_drawn, initializer)
    return initializer


def _copied(variable: Variable, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    return jnp.array(variable.value, dtype, copy=True)  # the two will be updated in place


def _drawn(initializer: Identifier, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    return initializer.draw(shape, dtype, jax.random.key(0))


# ------------------------------------------------------------------ trees of variables
def is_cell(x: Any) -> bool:
    """Says whether something is a variable: a leaf, where trees hold variables."""
    return isinstance(x, Variable)


def map_cells(function: Callable, cells: Structure, *states: Structure) -> Structure:
    """Maps a function over variables in a tree, and over what stands in their places."""
    return jax.tree.map(function, cells, *states, is_leaf=is_cell)


def cell_leaves(cells: Structure) -> list[Variable]:
    """Returns the variables in a tree."""
    return jax.tree.leaves(cells, is_leaf=is_cell)


# ------------------------------------------------------------------ parameters by path
def by_path(tree: Structure) -> dict[str, Any]:
    """Returns the leaves of a pytree by their paths, such as `"dense/kernel"`."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {path_name(path): leaf for path, leaf in leaves}


def path_name(path: Any) -> str:
    """Returns what a leaf of a pytree is called; a pytree that is a leaf is `"params"`."""
    return jax.tree_util.keystr(path, simple=True, separator="/") or "params"


def stand_in(path: str, array: ArrayLike) -> Variable:
    """Returns a variable that is described as a parameter is; it never holds anything."""
    variable = Variable(jnp.zeros, jnp.shape(array), array.dtype, name=path.rsplit("/", 1)[-1])
    variable.path = path
    return variable
