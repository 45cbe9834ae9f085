"""Rules that follow the gradient, or its sign."""

from typing import Any, Unpack

import jax.numpy as jnp

from jkeras.optimizers.arguments import CommonArguments, check_fraction
from jkeras.optimizers.base import Optimizer, Step, takes_common_arguments


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted (Sutskever et al., 2013).

    With momentum: `momentum = self.momentum * momentum - learning_rate * gradient`, which is added
    to the parameter; with `nesterov`, `self.momentum * momentum - learning_rate * gradient` is.

    Args:
        learning_rate: The learning rate.
        momentum: The part of the last change that is made again.
        nesterov: Whether to look ahead.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> _ = keras.optimizers.SGD(0.5).apply_gradients([([1.0], weight)])
        >>> weight.value.tolist()
        [0.5]
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: Any = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        check_fraction(momentum=momentum)
        self.momentum, self.nesterov = momentum, nesterov

    def build(self, variables: Any) -> None:
        super().build(variables)
        if self.momentum:
            self.add_optimizer_variables(variables, "momentum")

    def rule(self, step: Step) -> Any:
        def update(g: Any, w: Any, slots: Any) -> Any:
            change = -step.learning_rate * g
            if not self.momentum:
                return change, {}
            m = self.momentum * slots["momentum"] + change
            return self.momentum * m + change if self.nesterov else m, {"momentum": m}

        return update


class Lion(Optimizer):
    """The sign of a mean gradient (Chen et al., 2023, https://arxiv.org/abs/2302.06675).

    Args:
        learning_rate: The learning rate; three to ten times smaller than for Adam.
        beta_1: The part of the mean gradient, against the new one, whose sign is taken.
        beta_2: The part of the old mean gradient in the new one.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> _ = keras.optimizers.Lion(0.25).apply_gradients([([1.0], weight)])
        >>> weight.value.tolist()
        [0.75]
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        if not 0 < beta_1 <= 1:
            raise ValueError(
                "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer "
                f"degenerates to SignSGD. Received: beta_1={beta_1}."
            )
        self.beta_1, self.beta_2 = beta_1, beta_2

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.add_optimizer_variables(variables, "momentum")

    def rule(self, step: Step) -> Any:
        def update(g: Any, w: Any, slots: Any) -> Any:
            m = slots["momentum"]
            direction = jnp.sign(self.beta_1 * m + (1.0 - self.beta_1) * g)
            m = self.beta_2 * m + (1.0 - self.beta_2) * g
            return -step.learning_rate * direction, {"momentum": m}

        return update
