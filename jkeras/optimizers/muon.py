"""Muon: momentum made orthogonal."""

import re
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from jkeras.base.types import ArrayLike, LearningRate
from jkeras.core.variable import Variable
from jkeras.optimizers import rules
from jkeras.optimizers.base import Optimizer, takes_common_arguments
from jkeras.optimizers.rules import Part, Step


class Muon(Optimizer):
    """Momentum made orthogonal for matrices, AdamW for the rest (Jordan et al., 2024).

    Liu et al. (2025, https://arxiv.org/abs/2502.16982) give all updates the same size. The output
    layer should be excluded.

    Args:
        learning_rate: The learning rate.
        adam_beta_1: AdamW's `beta_1`.
        adam_beta_2: AdamW's `beta_2`.
        adam_weight_decay: AdamW's `weight_decay`.
        epsilon: AdamW's `epsilon`.
        weight_decay: The weight decay of matrices.
        exclude_layers: Regular expressions: variables whose paths match are updated by AdamW.
        exclude_embeddings: Whether variables with "embedding" in their path are.
        muon_a: The first coefficient of the Newton-Schulz iteration.
        muon_b: The second.
        muon_c: The third.
        adam_lr_ratio: AdamW's learning rate over that of matrices.
        momentum: The fraction of the last momentum in the next one.
        ns_steps: The number of Newton-Schulz iterations.
        nesterov: Whether to look ahead.
        rms_rate: The root mean square of a matrix's update; None leaves it as it comes.
        **common: See `Optimizer`.

    Example:
        >>> import jkeras as keras
        >>> weight = keras.Variable([[0.0, 0.0], [0.0, 0.0]], name="kernel")
        >>> optimizer = keras.optimizers.Muon(1.0, rms_rate=None)
        >>> _ = optimizer.apply_gradients([([[1.0, 0.0], [0.0, 9.0]], weight)])
        >>> bool((abs(weight.value.diagonal() + 1.0) < 0.4).all())
        True
    """

    @takes_common_arguments
    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float = 1e-7,
        weight_decay: float | None = 0.004,
        *,
        exclude_layers: Sequence[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.775,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **common: Any,
    ):
        super().__init__(learning_rate, weight_decay, **common)
        self.adam_beta_1, self.adam_beta_2, self.epsilon = adam_beta_1, adam_beta_2, epsilon
        self.adam_weight_decay, self.adam_lr_ratio = adam_weight_decay, adam_lr_ratio
        self.exclude_layers = list(exclude_layers or ())
        self.exclude_embeddings = exclude_embeddings
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.momentum, self.ns_steps = momentum, ns_steps
        self.nesterov, self.rms_rate = nesterov, rms_rate

    def _is_matrix(self, variable: Variable) -> bool:
        path = variable.path
        return (
            len(variable.shape) == 2
            and not (self.exclude_embeddings and "embedding" in path.lower())
            and not any(re.search(pattern, path) for pattern in self.exclude_layers)
        )

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        for v in variables:
            self.add_variable_from_reference(v, "momentum")
            if not self._is_matrix(v):
                self.add_variable_from_reference(v, "velocity")

    def weight_decay_of(self, variable: Variable) -> float | None:
        return self.weight_decay if self._is_matrix(variable) else self.adam_weight_decay

    def rule(self, step: Step) -> Part:
        def matrix(g: ArrayLike, w: ArrayLike, slots: Any) -> Any:
            m = self.momentum * slots["momentum"] + g
            x = g + self.momentum * m if self.nesterov else m
            direction = self.lr_adjust(self.zeropower_via_newtonschulz5(x, self.ns_steps))
            return -step.learning_rate * direction, {"momentum": m}

        rate = step.learning_rate * self.adam_lr_ratio
        adam = rules.adam(step, self.adam_beta_1, self.adam_beta_2, self.epsilon, rate)
        return rules.split("velocity", adam, rules.each(matrix))

    def zeropower_via_newtonschulz5(self, x: ArrayLike, steps: int) -> ArrayLike:
        """Returns about `u @ vt` for the singular value decomposition `u @ s @ vt` of a matrix.

        Args:
            x: The matrix.
            steps: The number of Newton-Schulz iterations.
        """
        is_tall = x.shape[0] > x.shape[1]
        x = x.T if is_tall else x
        x = x / (jnp.linalg.norm(x) + 1e-7)
        for _ in range(steps):
            a = x @ x.T
            x = self.muon_a * x + (self.muon_b * a + self.muon_c * a @ a) @ x
        return x.T if is_tall else x

    def lr_adjust(self, x: ArrayLike) -> ArrayLike:
        """Returns a matrix's orthogonal update scaled to the root mean square `rms_rate`."""
        return x if self.rms_rate is None else self.rms_rate * max(x.shape) ** 0.5 * x
