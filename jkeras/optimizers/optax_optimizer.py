"""OptaxOptimizer: any optax transformation in the place of an optimizer."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.tree_util import DictKey

from jkeras.base.tracing import concretely
from jkeras.base.types import LearningRate
from jkeras.core.variable import Variable
from jkeras.optimizers import arguments, rules
from jkeras.optimizers.base import Optimizer
from jkeras.optimizers.cells import State
from jkeras.optimizers.rules import Part


class OptaxOptimizer(Optimizer):
    """An optax transformation; `compile(optimizer=optax.adam(1e-3))` makes one.

    Its learning rate can be read and set if `optax.inject_hyperparams` made the transformation.

    Args:
        transformation: The transformation.
        name: The name.

    Example:
        >>> import jkeras as keras, optax
        >>> optimizer = keras.optimizers.get(optax.inject_hyperparams(optax.sgd)(0.5))
        >>> weight = keras.Variable([1.0])
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> weight.value.tolist()
        [0.5]
        >>> optimizer.learning_rate = 0.25
        >>> float(optimizer.learning_rate)
        0.25
    """

    def __init__(self, transformation: optax.GradientTransformation, name: str | None = None):
        super().__init__(self._injected_rate, name=name)
        self.wrapped = transformation
        # Keys are paths in the optax state, with variables in the places of their names.
        self._leaves: dict[tuple, Variable] = {}

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self._graft(variables)

    def _graft(self, variables: Sequence[Variable]) -> None:
        """Makes the variables of the state, keeping those that were there before."""
        known = dict(enumerate(variables))
        old, self._leaves = self._leaves, {}
        with concretely():  # also while somebody traces
            fresh = self.wrapped.init({i: v.cell() for i, v in known.items()})
            for path, leaf in jax.tree_util.tree_leaves_with_path(fresh):
                key, array = _key(path, known), jnp.array(leaf, copy=True)
                if key not in old or old[key].shape != array.shape:
                    name = "_".join(p.path if isinstance(p, Variable) else p for p in key)
                    old[key] = Variable(array, trainable=False, name=name.replace("/", "_"))
                self._leaves[key] = old[key]

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *self._leaves.values()]

    def cells(self, names: Mapping[Variable, Any]) -> State:
        known = {name: v for v, name in names.items()}
        specs = {k: jax.ShapeDtypeStruct(v.shape, v.variable_dtype) for k, v in known.items()}
        state = jax.tree_util.tree_map_with_path(
            lambda path, _: self._leaves[_key(path, known)],
            jax.eval_shape(self.wrapped.init, specs),
        )
        return {**super().cells(names), "state": state}

    def part_for(self, known: Mapping[Any, Variable]) -> Part:
        def init(params: State) -> State:
            return {"iteration": jnp.zeros((), "int32"), "state": self.wrapped.init(params)}

        def update(grads: State, state: State, params: State) -> tuple[State, State]:
            grads = rules.checked(grads, params, known)
            # Optax wants a gradient for each parameter.
            full = {k: grads[k] if k in grads else jnp.zeros_like(p) for k, p in params.items()}
            try:
                updates, inner = self.wrapped.update(full, state["state"], params)
            except TypeError as error:
                if "required keyword-only argument" not in str(error):
                    raise
                needs = str(error).partition(": ")[2]
                raise TypeError(
                    f"The optax transformation needs {needs} besides the gradients, which `fit` "
                    "does not give it.\nUse it in a loop of your own, over `model.apply`."
                ) from error
            new = {"iteration": state["iteration"] + 1, "state": inner}
            return {k: updates[k] for k in grads}, new

        return optax.GradientTransformation(init, update)

    def _injected_rate(self) -> Variable:
        if not self._leaves:
            self._graft([])
        found = [v for key, v in self._leaves.items() if key[-1] == "['learning_rate']"]
        if len(found) != 1:
            raise AttributeError(
                f"The optax transformation has {len(found) or 'no'} learning rates that can be "
                "read or set.\nMake it by optax.inject_hyperparams, for example "
                "optax.inject_hyperparams(optax.adam)(learning_rate=1e-3)."
            )
        return found[0]

    @property
    def learning_rate(self) -> LearningRate:
        """The learning rate injected by `optax.inject_hyperparams`."""
        return self._injected_rate()

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        rate, value = self._injected_rate(), arguments.standardize_learning_rate(value)
        is_scheduled = any(
            pair == (".hyperparams_states", "['learning_rate']")
            for key in self._leaves
            for pair in itertools.pairwise(key)
        )
        if callable(value) or is_scheduled:
            raise TypeError(
                "The learning rate of an optax transformation is a number that can be set only if "
                "it was made with a number; a schedule stays."
            )
        rate.assign(value)

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError(
            "An optax transformation cannot be described in a config: make it again in code, and "
            "pass it to compile()."
        )


def _key(path: Any, known: Mapping[Any, Variable]) -> tuple:
    """Returns a path in an optax state with variables in the places of their names."""
    return tuple(
        known[p.key] if isinstance(p, DictKey) and p.key in known else str(p) for p in path
    )
