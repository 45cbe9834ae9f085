"""MultiOptimizer: different optimizers for different variables."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import optax

from jkeras.base import naming, registry
from jkeras.base.types import LearningRate
from jkeras.core.variable import Variable
from jkeras.optimizers import rules
from jkeras.optimizers.arguments import checks_arguments
from jkeras.optimizers.base import Optimizer
from jkeras.optimizers.cells import State
from jkeras.optimizers.loss_scale import LossScaleOptimizer
from jkeras.optimizers.rules import Part

_ONE_SCALE = (
    "The loss is scaled once, for all: put the MultiOptimizer into a LossScaleOptimizer instead."
)


class OptimizerMap(registry.Configurable):
    """Optimizers by regular expressions that whole paths of variables match.

    Args:
        default_optimizer: The optimizer of variables that match none.
        optimizer_map: A dict from regular expressions to optimizers.

    Raises:
        TypeError: If `default_optimizer` is not an optimizer.
        ValueError: If another one is not, or is made of several itself, or an expression is there
            twice.

    Example:
        >>> import jkeras as keras
        >>> optimizers = keras.optimizers.OptimizerMap(keras.optimizers.SGD())
        >>> optimizers["encoder/.*"] = keras.optimizers.Adam()
        >>> type(optimizers["encoder/kernel"]).__name__, type(optimizers["kernel"]).__name__
        ('Adam', 'SGD')
    """

    def __init__(
        self, default_optimizer: Optimizer, optimizer_map: Mapping[str, Optimizer] | None = None
    ):
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                "default_optimizer must be a Keras Optimizer instance. "
                f"Received: {default_optimizer}"
            )
        self.default_optimizer = default_optimizer
        self.optimizer_map: dict[str, Optimizer] = {}
        for pattern, optimizer in (optimizer_map or {}).items():
            self[pattern] = optimizer

    def __setitem__(self, pattern: str, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"optimizer must be a Keras Optimizer instance. Received: {optimizer}")
        if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
            raise ValueError(f"optimizer cannot be {type(optimizer).__name__}. {_ONE_SCALE}")
        if pattern in self.optimizer_map:
            raise ValueError(
                f"{pattern!r} already exists in the OptimizerMap with value "
                f"{self.optimizer_map[pattern]}. Please make sure to not use duplicated keys."
            )
        self.optimizer_map[pattern] = optimizer

    def __getitem__(self, path: str) -> Optimizer:
        if path in self.optimizer_map:
            return self.optimizer_map[path]
        found = [o for pattern, o in self.optimizer_map.items() if re.fullmatch(pattern, path)]
        if len(found) > 1:
            raise ValueError(f"Multiple optimizers assigned to variable {path}.")
        return found[0] if found else self.default_optimizer

    def __delitem__(self, pattern: str) -> None:
        del self.optimizer_map[pattern]

    def __iter__(self) -> Iterator[str]:
        return iter(self.optimizer_map)

    def __len__(self) -> int:
        return len(self.optimizer_map)

    def __call__(self, variable: Variable) -> Optimizer:
        """Returns the optimizer of a variable."""
        return self[variable.path]


class MultiOptimizer(Optimizer):
    """Updates each variable with the optimizer that was chosen for it.

    Args:
        optimizer_map: An `OptimizerMap`, a function from a variable to its optimizer, or one
            optimizer for all.
        loss_scale_factor: What the loss is multiplied with, and gradients divided by.
        name: The name.

    Raises:
        TypeError: If `optimizer_map` is neither.

    Example:
        >>> import jkeras as keras
        >>> chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.5))
        >>> chosen["bias"] = keras.optimizers.SGD(0.25)
        >>> weights = [keras.Variable([1.0], name=name) for name in ("kernel", "bias")]
        >>> keras.optimizers.MultiOptimizer(chosen).apply([[1.0]] * 2, weights)
        >>> [weight.value.tolist() for weight in weights]
        [[0.5], [0.75]]
    """

    @checks_arguments
    def __init__(
        self,
        optimizer_map: OptimizerMap | Callable[[Variable], Optimizer],
        loss_scale_factor: float | None = None,
        name: str | None = None,
    ):
        if isinstance(optimizer_map, Optimizer):
            optimizer_map = OptimizerMap(optimizer_map)
        if not callable(optimizer_map):
            raise TypeError(
                "`optimizer_map` must be an OptimizerMap, or a function from a variable to its "
                f"optimizer. Received: {optimizer_map!r}"
            )
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        self.optimizer_map = self._choose = optimizer_map
        self._optimizer_of: dict[Variable, Optimizer] = {}

    @property
    def optimizers(self) -> list[Optimizer]:
        """The optimizers."""
        found = [self._optimizer_of[v] for v in self._trainable_variables]
        if isinstance(self._choose, OptimizerMap):
            found = [*self._choose.optimizer_map.values(), self._choose.default_optimizer]
        return list(dict.fromkeys(found))

    def build(self, variables: Sequence[Variable]) -> None:
        super().build(variables)
        for v in variables:
            if v not in self._optimizer_of:
                self._optimizer_of[v] = self._choose(v)
        for optimizer in self.optimizers:
            if isinstance(optimizer, (LossScaleOptimizer, MultiOptimizer)):
                kind = type(optimizer).__name__
                raise ValueError(f"{kind} cannot be used inside an MultiOptimizer. {_ONE_SCALE}")
            optimizer.loss_scale_factor = None  # the gradients that it gets are not scaled
            optimizer.build([v for v in variables if self._optimizer_of[v] is optimizer])

    def unbuilt(self) -> Self:
        other = super().unbuilt()
        copies: dict[Optimizer, Optimizer] = {}

        def choose(variable: Variable) -> Optimizer:
            chosen = self._choose(variable)
            if chosen not in copies:
                copies[chosen] = chosen.unbuilt()
            return copies[chosen]

        other._choose, other._optimizer_of = choose, {}
        return other

    def cells(self, names: Mapping[Variable, Any]) -> State:
        return {**super().cells(names), "optimizers": [o.cells(names) for o in self.optimizers]}

    @property
    def variables(self) -> list[Variable]:
        return [*super().variables, *(v for o in self.optimizers for v in o.variables)]

    def part_for(self, known: Mapping[Any, Variable]) -> Part:
        own, parts = super().part_for(known), []
        for optimizer in self.optimizers:
            its = {k: v for k, v in known.items() if self._optimizer_of[v] is optimizer}
            parts.append((its, optimizer.part_for(its)))
        replaced = {k for k, v in known.items() if v.overwrite_with_gradient}

        def init(params: State) -> State:
            states = [part.init({k: params[k] for k in its}) for its, part in parts]
            return {**own.init(params), "optimizers": states}

        def update(grads: State, state: State, params: State) -> tuple[State, State]:
            grads = rules.unscaled(rules.checked(grads, params, known), scale, replaced)
            updates: State = {}
            states = []
            for (its, part), inner in zip(parts, state["optimizers"], strict=True):
                its_grads = {k: grads[k] for k in its if k in grads}
                if its_grads:  # else it makes no step
                    new, inner = part.update(its_grads, inner, {k: params[k] for k in its})
                    updates.update(new)
                states.append(inner)
            return updates, {**state, "iteration": state["iteration"] + 1, "optimizers": states}

        scale = self.loss_scale_factor or 1.0
        return optax.GradientTransformation(init, update)

    @property
    def learning_rate(self) -> LearningRate:
        """There are several: see `optimizers`."""
        raise AttributeError(
            "Learning rate cannot be accessed on a MultiOptimizer. "
            "Access the learning rate on the individual sub-optimizers instead."
        )

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        raise AttributeError(
            "Learning rate cannot be set on a MultiOptimizer. "
            "Set the learning rate on the individual sub-optimizers instead."
        )

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Raises: exclude them in the individual optimizers."""
        raise AttributeError(
            "Variables cannot be excluded from weight decay on a MultiOptimizer. "
            "Exclude them on the individual sub-optimizers instead."
        )

    def averages(self) -> dict[Variable, Variable]:
        return {v: cell for o in self.optimizers for v, cell in o.averages().items()}

    @property
    def rated_optimizers(self) -> dict[str, Optimizer]:
        rated: dict[str, Optimizer] = {}
        for optimizer in self.optimizers:
            rated[naming.unique(f"learning_rate_{optimizer.name}", rated)] = optimizer
        return rated
