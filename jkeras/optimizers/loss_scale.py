"""LossScaleOptimizer: keeps small float16 gradients from becoming zero."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp

from jkeras.core.variable import Variable
from jkeras.optimizers.arguments import CommonArguments
from jkeras.optimizers.base import Optimizer, State


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss, and divides its gradients, by a number that adapts itself.

    If a gradient is not finite, the step is skipped and the number halved; after
    `dynamic_growth_steps` good steps it is doubled (Micikevicius et al., 2017, 1710.03740 on
    arXiv). Its state has the other optimizer's, under `"inner_optimizer"`.

    Args:
        inner_optimizer: The optimizer that makes the updates.
        initial_scale: The number at first.
        dynamic_growth_steps: After how many good steps it is doubled.
        name: The name.

    Raises:
        ValueError: If `inner_optimizer` is none, or another argument of optimizers is given.

    Example:
        >>> import jkeras as keras
        >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), 8.0)
        >>> weight = keras.Variable([1.0])
        >>> _ = optimizer.apply_gradients([([8.0], weight)])
        >>> weight.value.tolist()
        [0.5]
    """

    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ):
        for argument in kwargs:
            if argument in CommonArguments.__annotations__:
                raise ValueError(
                    f"LossScaleOptimizer does not support `{argument}`. "
                    f"Instead, set `{argument}` on the `inner_optimizer`."
                )
            raise ValueError(f"LossScaleOptimizer does not support arguments: `{argument}`.")
        if not isinstance(inner_optimizer, Optimizer):
            raise ValueError(f"`inner_optimizer` is not an optimizer: {inner_optimizer!r}.")
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_variable((), dtype="int32", name="step_counter")
        scale = self.initial_scale
        self.add_variable((), lambda shape, dtype: jnp.asarray(scale, dtype), name="dynamic_scale")
        self.inner_optimizer.build(variables)

    def unbuilt(self) -> Self:
        other = super().unbuilt()
        other.inner_optimizer = self.inner_optimizer.unbuilt()
        return other

    def cells(self, names: Mapping[Variable, Any]) -> State:
        return {**super().cells(names), "inner_optimizer": self.inner_optimizer.cells(names)}

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *self.inner_optimizer.variables]

    def advance_state(
        self, known: Mapping[Any, Variable], grads: State, state: State, params: State
    ) -> tuple[State, State]:
        scale, inner = state["dynamic_scale"], state["inner_optimizer"]
        grads = {k: jnp.asarray(g, params[k].dtype) for k, g in grads.items()}

        def apply() -> tuple[State, State]:
            unscaled = {
                k: g if known[k].overwrite_with_gradient else (g / scale).astype(g.dtype)
                for k, g in grads.items()
            }
            updates, new = self.inner_optimizer.advance_state(known, unscaled, inner, params)
            count = state["step_counter"] + 1
            grown = count >= self.dynamic_growth_steps
            return updates, {
                "step_counter": jnp.where(grown, 0, count),
                "dynamic_scale": jnp.where(grown, scale * 2.0, scale),
                "inner_optimizer": new,
            }

        def skip() -> tuple[State, State]:
            return jax.tree.map(jnp.zeros_like, grads), {
                "step_counter": jnp.zeros_like(state["step_counter"]),
                "dynamic_scale": scale / 2.0,
                "inner_optimizer": inner,
            }

        finite = jnp.array([jnp.isfinite(g).all() for g in grads.values()]).all()
        updates, new = jax.lax.cond(finite, apply, skip)
        return updates, {**state, **new}

    def loss_scale(self, state: State) -> Any:
        return state.get("dynamic_scale", self.initial_scale)

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def iterations(self) -> Any:
        return self.inner_optimizer.iterations

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)
