"""LossScaleOptimizer: keeps small float16 gradients from becoming zero."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import optax

from jkeras import initializers
from jkeras.base import registry
from jkeras.base.types import ArrayLike, LearningRate
from jkeras.core.variable import Variable
from jkeras.optimizers import rules
from jkeras.optimizers.arguments import CommonArguments, checks_arguments
from jkeras.optimizers.base import Optimizer
from jkeras.optimizers.cells import State
from jkeras.optimizers.rules import Part


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss, and divides its gradients, by a number that adapts itself.

    If a gradient is not finite, the step is skipped and the number halved; after
    `dynamic_growth_steps` good steps it is doubled (Micikevicius et al., 2017, 1710.03740 on
    arXiv). Its state has the other optimizer's, under `"inner_optimizer"`.

    Args:
        inner_optimizer: The optimizer that makes the updates. Its own `loss_scale_factor` is set to
            None.
        initial_scale: The number at first.
        dynamic_growth_steps: After how many good steps it is doubled.
        name: The name.
        **kwargs: `dynamic=True`, as in Keras 2.

    Raises:
        ValueError: If `inner_optimizer` is not an optimizer, or scales the loss itself; or another
            argument of optimizers is given.

    Example:
        >>> import jkeras as keras
        >>> optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), 8.0)
        >>> weight = keras.Variable([1.0])
        >>> _ = optimizer.apply_gradients([([8.0], weight)])
        >>> weight.value.tolist()
        [0.5]
    """

    _old_arguments = Optimizer._old_arguments | {"dynamic"}

    @checks_arguments
    def __init__(
        self,
        inner_optimizer: Optimizer,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **kwargs: Any,
    ):
        if not kwargs.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer does not support `dynamic=False`. Instead, set "
                "`loss_scale_factor` on the `inner_optimizer`, and use that."
            )
        for argument in kwargs.keys() & CommonArguments.__annotations__:
            raise ValueError(
                f"LossScaleOptimizer does not support `{argument}`. "
                f"Instead, set `{argument}` on the `inner_optimizer`."
            )
        if kwargs:
            names = ", ".join(f"`{argument}`" for argument in kwargs)
            raise ValueError(f"LossScaleOptimizer does not support arguments: {names}.")
        if not isinstance(inner_optimizer, Optimizer):
            raise ValueError(f"`inner_optimizer` is not an optimizer: {inner_optimizer!r}.")
        if isinstance(inner_optimizer, LossScaleOptimizer):
            raise ValueError(
                "`inner_optimizer` is a LossScaleOptimizer itself: the loss can be scaled only "
                "once. Pass its `inner_optimizer`."
            )
        super().__init__(0.0, name=name)
        inner_optimizer.loss_scale_factor = None
        self.inner_optimizer = inner_optimizer
        self.initial_scale, self.dynamic_growth_steps = initial_scale, dynamic_growth_steps

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Self:
        common = CommonArguments.__annotations__.keys() - {"name"}  # in older versions' configs
        values = {k: v for k, v in config.items() if k not in common}
        inner = registry.deserialize_keras_object(config["inner_optimizer"], area="optimizers")
        return super().from_config({**values, "inner_optimizer": inner}, custom_objects)

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        self.add_variable((), dtype="int32", name="step_counter")
        self.add_variable((), initializers.Constant(self.initial_scale), name="dynamic_scale")
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

    def part_for(self, known: Mapping[Any, Variable]) -> Part:
        own, inner = super().part_for(known), self.inner_optimizer.part_for(known)
        replaced = {k for k, v in known.items() if v.overwrite_with_gradient}

        def init(params: State) -> State:
            return {**own.init(params), "inner_optimizer": inner.init(params)}

        def update(grads: State, state: State, params: State) -> tuple[State, State]:
            scale, before = state["dynamic_scale"], state["inner_optimizer"]
            grads = rules.checked(grads, params, known)

            def apply() -> tuple[State, State]:
                unscaled = rules.unscaled(grads, scale, replaced)
                updates, after = inner.update(unscaled, before, params)
                good = state["step_counter"] + 1
                grown = good >= self.dynamic_growth_steps
                return updates, {
                    "step_counter": jnp.where(grown, 0, good),
                    "dynamic_scale": jnp.where(grown, scale * 2.0, scale),
                    "inner_optimizer": after,
                }

            def skip() -> tuple[State, State]:
                return jax.tree.map(jnp.zeros_like, grads), {
                    "step_counter": jnp.zeros_like(state["step_counter"]),
                    "dynamic_scale": scale / 2.0,
                    "inner_optimizer": before,
                }

            finite = jnp.array([jnp.isfinite(g).all() for g in grads.values()]).all()
            # Chosen array by array: a branch would be a round trip to the host on some devices.
            updates, new = jax.tree.map(
                lambda applied, skipped: jnp.where(finite, applied, skipped), apply(), skip()
            )
            return updates, {**state, **new}

        return optax.GradientTransformation(init, update)

    def loss_scale(self, state: State) -> ArrayLike:
        return state.get("dynamic_scale", self.initial_scale)

    @property
    def learning_rate(self) -> LearningRate:
        """The inner optimizer's learning rate."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        self.inner_optimizer.learning_rate = value

    @property
    def rated_optimizers(self) -> dict[str, Optimizer]:
        return self.inner_optimizer.rated_optimizers

    @property
    def iterations(self) -> ArrayLike:
        return self.inner_optimizer.iterations

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    def averages(self) -> dict[Variable, Variable]:
        return self.inner_optimizer.averages()
