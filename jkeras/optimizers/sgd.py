"""Rules that follow the gradient, or its sign."""

from typing import Unpack

import optax

from jkeras.base.types import LearningRate
from jkeras.optimizers import rules
from jkeras.optimizers.arguments import CommonArguments
from jkeras.optimizers.base import Optimizer, takes_common_arguments


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted (Sutskever et al., 2013).

    With momentum: `momentum = self.momentum * momentum - learning_rate * gradient`, which is added
    to the parameter; with `nesterov`, `self.momentum * momentum - learning_rate * gradient` is.

    Args:
        learning_rate: The learning rate.
        momentum: The fraction of the last change that is made again.
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
        learning_rate: LearningRate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.momentum, self.nesterov = momentum, nesterov
        self._slots = (("momentum",),) if momentum else ()

    def rule(self, step: rules.Step) -> rules.Part:
        scale = optax.scale(-step.learning_rate)
        if not rules.keeps_momentum(self._slots, self.momentum):
            return scale
        return rules.chain(scale, rules.trace(self.momentum, self.nesterov))


class Lion(Optimizer):
    """The sign of a mean gradient (Chen et al., 2023, https://arxiv.org/abs/2302.06675).

    Args:
        learning_rate: The learning rate; three to ten times smaller than for Adam.
        beta_1: The fraction of the mean gradient, against the new one, whose sign is taken.
        beta_2: The fraction of the old mean gradient in the new one.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([1.0])
        >>> _ = keras.optimizers.Lion(0.25).apply_gradients([([1.0], weight)])
        >>> weight.value.tolist()
        [0.75]
    """

    _slots = (("momentum",),)

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
        **common: Unpack[CommonArguments],
    ):
        super().__init__(learning_rate, **common)
        self.beta_1, self.beta_2 = beta_1, beta_2
        if not self.beta_1:
            raise ValueError(
                "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer "
                f"degenerates to SignSGD. Received: beta_1={beta_1}."
            )

    def rule(self, step: rules.Step) -> rules.Part:
        lion = optax.scale_by_lion(self.beta_1, self.beta_2)
        mean = rules.kept(lion, optax.ScaleByLionState, count=step.before, mu="momentum")
        return rules.chain(mean, optax.scale(-step.learning_rate))
