"""Adam and its kin: rules with means of gradients and of their squares."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax.numpy as jnp
import optax

from jkeras.base.types import ArrayLike, LearningRate
from jkeras.optimizers import rules
from jkeras.optimizers.arguments import CommonArguments
from jkeras.optimizers.base import Optimizer, takes_common_arguments
from jkeras.optimizers.rules import Part, Step

if TYPE_CHECKING:
    from jkeras.core.variable import Variable


class _Moments(Optimizer):
    """What Adam's kin have in common: their arguments, and two slots."""

    _slots: Any = (("momentum", "velocity"),)

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon


class Adam(_Moments):
    """Adaptive moment estimation (Kingma and Ba, 2014, https://arxiv.org/abs/1412.6980).

    Args:
        learning_rate: The learning rate.
        beta_1: The fraction of the old mean gradient in the new one.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Added to the root of the mean of squares before its bias is corrected: the paper's
            "epsilon hat".
        amsgrad: Whether to divide by the largest mean of squares so far (Reddi et al., 2018).
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> _ = keras.optimizers.Adam(0.25).apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.75
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = amsgrad
        if amsgrad:
            self._slots = (*self._slots, ("velocity_hat",))

    def rule(self, step: Step) -> Part:
        return rules.adam(step, self.beta_1, self.beta_2, self.epsilon, step.learning_rate)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2017, 1711.05101 on arXiv).

    Args:
        learning_rate: The learning rate.
        weight_decay: The part of each weight, times the learning rate, taken off at each step.
        beta_1: The fraction of the old mean gradient in the new one.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Added to the root of the mean of squares.
        amsgrad: Whether to divide by the largest mean of squares so far.
        **common: See `Optimizer`.

    Raises:
        ValueError: If `weight_decay` is None.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.AdamW(0.25, weight_decay=0.5)
        >>> _ = optimizer.apply_gradients([([0.0], weight)])
        >>> weight.value.tolist()
        [0.875]
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ):
        if weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")
        common["weight_decay"] = weight_decay
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **common)


class Adamax(_Moments):
    """Adam with the largest gradient in place of the mean of squares (Kingma and Ba, 2014).

    Args:
        learning_rate: The learning rate.
        beta_1: The fraction of the old mean gradient in the new one.
        beta_2: How the largest gradient shrinks at each step.
        epsilon: Added to the largest gradient.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> _ = keras.optimizers.Adamax(0.25).apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.75
    """

    _slots = (("momentum", "norm"),)

    def rule(self, step: Step) -> Part:
        scale = -step.learning_rate / (1.0 - self.beta_1**step.number)

        def update(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            m = self.beta_1 * slots["momentum"] + (1.0 - self.beta_1) * g
            norm = jnp.maximum(self.beta_2 * slots["norm"], jnp.abs(g))
            return scale * m / (norm + self.epsilon), {"momentum": m, "norm": norm}

        return rules.each(update)


class Nadam(_Moments):
    """Adam with Nesterov's momentum (Dozat, 2015, "Incorporating Nesterov momentum into Adam").

    Args:
        learning_rate: The learning rate.
        beta_1: The fraction of the old mean gradient in the new one, towards which it grows.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Added to the root of the mean of squares.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.Nadam(0.25, beta_1=0.0)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.75
    """

    def build(self, variables: "Sequence[Variable]") -> None:
        super().build(variables)
        self.add_variable((), "ones", name="u_product")

    def _momentum(self, t: Any) -> Any:
        return self.beta_1 * (1.0 - 0.5 * 0.96**t)

    def advance(self, step: Step) -> Any:
        return {"u_product": step.scalars["u_product"] * self._momentum(step.number)}

    def rule(self, step: Step) -> Part:
        t, product = step.number, step.scalars["u_product"]
        u, next_u = self._momentum(t), self._momentum(t + 1.0)
        of_m = next_u / (1.0 - product * next_u)
        of_g = (1.0 - u) / (1.0 - product)
        of_v = 1.0 / (1.0 - self.beta_2**t)

        def update(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            m = self.beta_1 * slots["momentum"] + (1.0 - self.beta_1) * g
            v = self.beta_2 * slots["velocity"] + (1.0 - self.beta_2) * g**2
            change = (of_m * m + of_g * g) / (jnp.sqrt(of_v * v) + self.epsilon)
            return -step.learning_rate * change, {"momentum": m, "velocity": v}

        return rules.each(update)


class Lamb(_Moments):
    """Adam whose steps are as long as the parameter (You et al., 2019, 1904.00962 on arXiv).

    Args:
        learning_rate: The learning rate: the length of a step over that of the parameter.
        beta_1: The fraction of the old mean gradient in the new one.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Added to the root of the mean of squares.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([2.0])
        >>> _ = keras.optimizers.Lamb(0.25).apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        1.5
    """

    def rule(self, step: Step) -> Part:
        adam = optax.scale_by_adam(self.beta_1, self.beta_2, self.epsilon)
        slots = {"mu": "momentum", "nu": "velocity"}
        adam = rules.kept(adam, optax.ScaleByAdamState, count=step.before, **slots)
        return rules.chain(adam, optax.scale_by_trust_ratio(), optax.scale(-step.learning_rate))


class ScheduleFreeAdamW(_Moments):
    """AdamW that needs no schedule (Defazio et al., 2024, https://arxiv.org/abs/2405.15682).

    Three points move: `momentum` along the gradients, `x` as its mean, and the parameter between
    the two: `parameter = (1 - beta_1) * momentum + beta_1 * x`.

    Args:
        learning_rate: The learning rate.
        beta_1: How near the parameter is to the mean.
        beta_2: The fraction of the old mean of squares in the new one.
        epsilon: Added to the root of the mean of squares.
        warmup_steps: During how many steps the learning rate grows.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.ScheduleFreeAdamW(0.25)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.75
    """

    _slots = ()  # one of them starts from the parameter

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.warmup_steps = warmup_steps

    def build(self, variables: "Sequence[Variable]") -> None:
        super().build(variables)
        for v in variables:
            self.add_variable_from_reference(v, "momentum", initializer=v)
            self.add_variable_from_reference(v, "velocity")

    def rule(self, step: Step) -> Part:
        t, rate = step.number, step.learning_rate
        rate *= jnp.minimum(1.0, t / max(self.warmup_steps, 1))
        of_v = 1.0 / (1.0 - self.beta_2**t)

        def update(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            z = slots["momentum"]
            v = self.beta_2 * slots["velocity"] + (1.0 - self.beta_2) * g**2
            x = (w - (1.0 - self.beta_1) * z) / self.beta_1
            z = z - rate * g / (jnp.sqrt(of_v * v) + self.epsilon)
            x = x + (z - x) / t
            new_w = (1.0 - self.beta_1) * z + self.beta_1 * x
            return new_w - w, {"momentum": z, "velocity": v}

        return rules.each(update)
