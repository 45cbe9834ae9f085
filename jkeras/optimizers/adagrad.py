"""Rules that divide by sums or means of squared gradients."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp
import optax

from jkeras import initializers
from jkeras.base.types import ArrayLike, LearningRate
from jkeras.optimizers import rules
from jkeras.optimizers.arguments import (
    CommonArguments,
)
from jkeras.optimizers.base import Optimizer, takes_common_arguments
from jkeras.optimizers.rules import Part, Step

if TYPE_CHECKING:
    from jkeras.core.variable import Variable


class Adagrad(Optimizer):
    """Steps by the root of the sum of squared gradients (Duchi et al., 2011).

    Args:
        learning_rate: The learning rate.
        initial_accumulator_value: What the sum starts from.
        epsilon: Added to the sum.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.Adagrad(0.5, initial_accumulator_value=0.0)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.5
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def build(self, variables: "Sequence[Variable]") -> None:
        super().build(variables)
        start = initializers.Constant(self.initial_accumulator_value)
        self.add_optimizer_variables(variables, "accumulator", start)

    def rule(self, step: Step) -> Part:
        by_sum = optax.scale_by_rss(self.initial_accumulator_value, self.epsilon)
        kept = rules.kept(by_sum, optax.ScaleByRssState, sum_of_squares="accumulator")
        return rules.chain(kept, optax.scale(-step.learning_rate))


class Adadelta(Optimizer):
    """Steps whose units are the parameter's (Zeiler, 2012, https://arxiv.org/abs/1212.5701).

    Args:
        learning_rate: A factor; 1 in the paper.
        rho: The fraction of the old means, of squared gradients and changes, in the new ones.
        epsilon: Added to the means.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.Adadelta(1.0, epsilon=0.05)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.293
    """

    _slots = (("accumulated_grad", "accumulated_delta_var"),)

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.rho, self.epsilon = rho, epsilon

    def rule(self, step: Step) -> Part:
        by_means = optax.scale_by_adadelta(self.rho, self.epsilon)
        ((squares, changes),) = self._slots
        kept = rules.kept(by_means, optax.ScaleByAdaDeltaState, e_g=squares, e_x=changes)
        return rules.chain(kept, optax.scale(-step.learning_rate))


class RMSprop(Optimizer):
    """Steps by the root of the mean of squared gradients (Hinton, 2012; Graves, 2013).

    Args:
        learning_rate: The learning rate.
        rho: The fraction of the old means in the new ones.
        momentum: The fraction of the last change that is made again.
        epsilon: Added to the mean of squares.
        centered: Whether to divide by the root of the variance instead.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.RMSprop(0.25, rho=0.75)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.5
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        slots = {"velocity": True, "momentum": momentum, "average_gradient": centered}
        self._slots = tuple((name,) for name, wanted in slots.items() if wanted)

    def rule(self, step: Step) -> Part:
        if self.centered:
            by_root = optax.scale_by_stddev(self.rho, self.epsilon)
            fields, slots = optax.ScaleByRStdDevState, {"mu": "average_gradient", "nu": "velocity"}
        else:
            by_root = optax.scale_by_rms(self.rho, self.epsilon)
            fields, slots = optax.ScaleByRmsState, {"nu": "velocity"}
        parts = [rules.kept(by_root, fields, **slots), optax.scale(step.learning_rate)]
        if rules.keeps_momentum(self._slots, self.momentum):
            parts.append(rules.trace(self.momentum))
        return rules.chain(*parts, optax.scale(-1.0))


class Adafactor(Optimizer):
    """Adam's squares kept as rows and columns (Shazeer et al., 2018, 1804.04235 on arXiv).

    Args:
        learning_rate: The highest learning rate, relative to the size of the parameter: it is
            never above one over the root of the step number.
        beta_2_decay: The exponent with which the step number gives the decay of squares.
        epsilon_1: Added to squared gradients.
        epsilon_2: The least size of a parameter.
        clip_threshold: The largest root mean square of a change, before the learning rate.
        relative_step: Accepted for Keras's sake, where the learning rate falls in either case.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> optimizer = keras.optimizers.Adafactor(0.25)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> round(weight.value.item(), 3)
        0.75
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_2_decay, self.epsilon_1, self.epsilon_2 = beta_2_decay, epsilon_1, epsilon_2
        self.clip_threshold, self.relative_step = clip_threshold, relative_step

    def build(self, variables: "Sequence[Variable]") -> None:
        super().build(variables)
        for v in variables:
            *rest, rows, columns = v.shape if len(v.shape) > 1 else (0, 0)
            for name, last in (("r", rows), ("c", columns)):
                # Files hold an integer 0 in the place of what vectors do not need.
                shape, dtype = ((*rest, last), v.variable_dtype) if last else ((), "int32")
                self._add(name, v, shape, "zeros", dtype)
            self.add_variable_from_reference(v, "velocity")

    def rule(self, step: Step) -> Part:
        rate = jnp.minimum(step.learning_rate, jax.lax.rsqrt(step.number))
        beta_2 = 1.0 - step.number**self.beta_2_decay

        def update(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            def mean(slot: Any, x: ArrayLike) -> Any:
                return beta_2 * slot + (1.0 - beta_2) * x

            square = g**2 + self.epsilon_1
            if g.ndim < 2:
                v = mean(slots["velocity"], square)
                return g * jax.lax.rsqrt(v), {"velocity": v}
            rows = mean(slots["r"], square.mean(-1))
            columns = mean(slots["c"], square.mean(-2))
            share = rows / rows.mean(-1, keepdims=True)
            v = share[..., :, None] * columns[..., None, :]
            return g * jax.lax.rsqrt(v), {"r": rows, "c": columns, "velocity": v}

        return rules.chain(
            rules.each(update),
            optax.clip_by_block_rms(self.clip_threshold),
            optax.scale_by_param_block_rms(self.epsilon_2),
            optax.scale(-rate),
        )


class Ftrl(Optimizer):
    """Follow the regularized leader (McMahan et al., 2013, "Ad click prediction").

    With `n` the sum of squared gradients and `p = -learning_rate_power`:
    `linear += gradient - (new_n**p - n**p) / learning_rate * w`, and
    `w = (clip(linear, -l1, l1) - linear) / (new_n**p / learning_rate + 2 * l2)`.

    Args:
        learning_rate: The learning rate.
        learning_rate_power: How it falls with the sum; 0 for a fixed one.
        initial_accumulator_value: What the sum starts from.
        l1_regularization_strength: l1.
        l2_regularization_strength: l2.
        l2_shrinkage_regularization_strength: The factor of a squared penalty of the loss.
        beta: Added to the root of the sum.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([0.0])
        >>> optimizer = keras.optimizers.Ftrl(0.5, initial_accumulator_value=0.0)
        >>> _ = optimizer.apply_gradients([([1.0], weight)])
        >>> weight.value.tolist()
        [-0.5]
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = initial_accumulator_value
        self.l1_regularization_strength = l1_regularization_strength
        self.l2_regularization_strength = l2_regularization_strength
        self.l2_shrinkage_regularization_strength = l2_shrinkage_regularization_strength
        self.beta = beta

    def build(self, variables: "Sequence[Variable]") -> None:
        super().build(variables)
        start = initializers.Constant(self.initial_accumulator_value)
        self.add_optimizer_variables(variables, ["accumulator", "linear"], [start, "zeros"])

    def rule(self, step: Step) -> Any:
        rate, power = step.learning_rate, -self.learning_rate_power
        l1 = self.l1_regularization_strength
        l2 = self.l2_regularization_strength + self.beta / (2.0 * rate)

        def update(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            n, linear = slots["accumulator"], slots["linear"]
            new_n = n + g**2
            shrunk = g + 2.0 * self.l2_shrinkage_regularization_strength * w
            linear += shrunk - (new_n**power - n**power) / rate * w
            new_w = (jnp.clip(linear, -l1, l1) - linear) / (new_n**power / rate + 2.0 * l2)
            return new_w - w, {"accumulator": new_n, "linear": linear}

        return update
