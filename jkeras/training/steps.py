"""One step of training, evaluation or prediction, as a pure function."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax

from jkeras.base import keys
from jkeras.base.types import Structure
from jkeras.constraints import constrained
from jkeras.core import pure, scope, serialization
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.training.state import Batch, EvalState, TrainState


class Objective(Protocol):
    """What a step needs to know of losses and metrics; see `CompiledObjective`.

    One whose `loss` counts itself what layers and regularizers add has an attribute
    `covers_added_losses`, which is true.
    """

    def loss(self, batch: Batch, outputs: Structure) -> tuple[Any, dict[str, Any]]:
        """Returns the loss, and its parts by name; run where the layer's weights can be read."""

    def init(self) -> Structure:
        """Returns the metrics' states over no data."""

    def update(
        self,
        metrics: Structure,
        batch: Batch,
        outputs: Structure,
        masks: Structure,
        losses: dict[str, Any],
    ) -> Structure:
        """Returns the metrics' states with one more batch."""

    def compute(self, metrics: Structure) -> dict[str, Any]:
        """Returns the metrics' values by name."""


def run_layer(layer: Layer, objective: Objective, batch: Batch) -> tuple[Any, Any, dict[str, Any]]:
    """Calls a layer on a batch, in the current scope.

    Returns:
        The outputs; the objective's loss plus what layers and regularizers add; and that loss and
        its parts by name.
    """
    outputs = layer(batch.x)
    total, parts = objective.loss(batch, outputs)
    if not getattr(objective, "covers_added_losses", False):
        for extra in layer.losses:
            total = total + jnp.sum(extra).astype(total.dtype)
    return outputs, total, {"loss": total, **parts}


def run_with(
    layer: Layer,
    variables: pure.Variables,
    function: Callable[[], Any],
    outside: Mapping[str, Variable],
    **options: Any,
) -> tuple[Any, pure.Effects]:
    """Does `pure.run`, where some of the state are variables that the layer does not own.

    Args:
        layer: The layer or model.
        variables: Its variables, and those outside of it.
        function: What to run.
        outside: The latter, by their paths in the state.
        **options: Further arguments of `pure.run`.
    """
    params, state = variables
    own = {path: value for path, value in state.items() if path not in outside}
    others = {variable: state[path] for path, variable in outside.items()}
    result, effects = pure.run(
        layer, pure.Variables(params, own), function, others=others, **options
    )
    new = {**effects.state, **dict(zip(outside, effects.others, strict=True))}
    return result, effects._replace(state=new, others=[])


def update_with(
    update: Callable[[], Any], state: dict[str, Any], outside: Mapping[str, Variable]
) -> tuple[Any, dict[str, Any]]:
    """Updates metrics, where some of the state are variables that the layer does not own."""
    if not outside:
        return update(), state
    here = scope.Pure({variable: state[path] for path, variable in outside.items()})
    with scope.enter(here):
        metrics = update()
    return metrics, {**state, **{path: here.values[v] for path, v in outside.items()}}


class OutsideVariables(Exception):
    """Raised while a step is traced, with the variables that it uses and was not given."""


@contextmanager
def refusing_outside(make_key: Callable[[], jax.Array] | None = None) -> Iterator[None]:
    """Runs a block that may use the variables it is given only, while it is traced.

    Args:
        make_key: Makes the key of calls that draw and are given none.

    Raises:
        OutsideVariables: If it uses others: compiled, they would be constants of the program.
    """
    here = _Finding(make_key)
    with scope.enter(here):
        yield
    if here.values:
        raise OutsideVariables(list(here.values))


class _Finding(scope.Finding):
    def __init__(self, make_key: Callable[[], jax.Array] | None = None):
        super().__init__()
        self._make_key = make_key

    def key_for_call(self) -> Any:
        return self._make_key


def make_train_step(
    layer: Layer,
    objective: Objective,
    tx: optax.GradientTransformation,
    loss_scale: Callable[[Any], Any] | None = None,
    outside: Mapping[str, Variable] = MappingProxyType({}),
) -> Callable[[TrainState, Batch], TrainState]:
    """Makes the pure function that takes a `TrainState` and a `Batch` to the next `TrainState`.

    Args:
        layer: The layer or model.
        objective: Losses and metrics.
        tx: The optimizer, as an optax transformation (`optimizer.transform()`).
        loss_scale: Returns, for an optimizer state, the factor by which the loss is multiplied
            before differentiation, and by which `tx` divides (mixed_float16); or None.
        outside: Variables that the step uses and the layer does not own, by their paths in the
            state.

    Returns:
        The step: gradients of the loss, the optimizer's update, the weights' constraints, the new
        state, the metrics.

    Example:
        >>> import jax, jax.numpy as jnp, optax, jkeras as keras
        >>> from jkeras import training
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> objective = training.CompiledObjective("mse")
        >>> tx = optax.sgd(0.1)
        >>> step = training.make_train_step(model, objective, tx)
        >>> state = training.init_state(model, objective, tx, jax.random.key(0))
        >>> batch = training.Batch(jnp.ones((4, 2)), [jnp.ones((4, 1))])
        >>> int(jax.jit(step)(state, batch).step)
        1
    """
    constraints = {
        path: variable.constraint
        for path, variable in pure.named_variables(layer).items()
        if variable.constraint is not None
    }

    def scaled_loss(params: Any, state: TrainState, batch: Batch) -> tuple[Any, tuple]:
        (outputs, loss, losses), effects = run_with(
            layer,
            pure.Variables(params, state.state),
            lambda: run_layer(layer, objective, batch),
            outside,
            training=True,
            rng=jax.random.fold_in(keys.typed(state.rng), state.step),
        )
        factor = None if loss_scale is None else loss_scale(state.opt_state)
        return loss if factor is None else loss * factor, (outputs, effects, losses)

    def train_step(state: TrainState, batch: Batch) -> TrainState:
        gradient = jax.grad(scaled_loss, has_aux=True)
        grads, (outputs, effects, losses) = gradient(state.params, state, batch)
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        for path in constraints.keys() & params.keys():
            params[path] = constrained(constraints[path], params[path], path)
        metrics, own = update_with(
            lambda: objective.update(state.metrics, batch, outputs, effects.masks[0], losses),
            effects.state,
            outside,
        )
        return TrainState(
            step=state.step + 1,
            params=params,
            state=own,
            opt_state=opt_state,
            metrics=metrics,
            rng=state.rng,
        )

    return train_step


def init_state(
    layer: Layer,
    objective: Objective,
    tx: optax.GradientTransformation,
    rng: jax.Array,
    variables: pure.Variables | None = None,
) -> TrainState:
    """Returns the `TrainState` before the first step.

    Args:
        layer: The layer or model; built, unless `variables` are given.
        objective: Losses and metrics.
        tx: The optimizer, as an optax transformation.
        rng: The key from which weights and all later draws follow.
        variables: The weights to start from; drawn by default.
    """
    init_key, step_key = jax.random.split(rng)
    if variables is None:
        variables = pure.init(layer, init_key)
    start = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=dict(variables.params),
        state=dict(variables.state),
        opt_state=tx.init(variables.params),
        metrics=objective.init(),
        rng=step_key,
    )
    serialization.know_to_flax(TrainState, tuple(vars(start)))
    serialization.know_to_export(start.opt_state)
    return start


def make_test_step(
    layer: Layer, objective: Objective, outside: Mapping[str, Variable] = MappingProxyType({})
) -> Callable[[EvalState, tuple[pure.Variables, Batch]], EvalState]:
    """Makes the pure function that takes an `EvalState`, variables and a batch to the next one."""

    def test_step(carry: EvalState, given: tuple[pure.Variables, Batch]) -> EvalState:
        variables, batch = given
        variables = pure.Variables(variables.params, {**variables.state, **carry.state})
        (outputs, _, losses), effects = run_with(
            layer, variables, lambda: run_layer(layer, objective, batch), outside
        )
        metrics, state = update_with(
            lambda: objective.update(carry.metrics, batch, outputs, effects.masks[0], losses),
            effects.state,
            outside,
        )
        return EvalState({path: state[path] for path in carry.state}, metrics)

    return test_step


def make_predict_step(
    layer: Layer, outside: Mapping[str, Variable] = MappingProxyType({})
) -> Callable:
    """Makes the pure function `(written_state, variables, x) -> (written_state, outputs)`."""

    def predict_step(written: Mapping[str, Any], variables: pure.Variables, x: Structure) -> tuple:
        variables = pure.Variables(variables.params, {**variables.state, **written})
        outputs, effects = run_with(layer, variables, lambda: layer(x), outside)
        return {path: effects.state[path] for path in written}, outputs

    return predict_step


def describe(layer: Layer, variables: pure.Variables, x: Structure) -> tuple[Any, list[str]]:
    """Returns the specs of a layer's outputs for inputs of some specs, and the paths it writes.

    Nothing is computed. The paths are those of variables that inference changes (the states of
    stateful recurrent layers); evaluation carries them from batch to batch.
    """
    written: list[str] = []

    def run(variables: pure.Variables, x: Structure) -> Any:
        with scope.enter(_Finding()):
            outputs, effects = pure.apply(layer, variables, x, rng=jax.random.key(0))
        written.extend(p for p, v in effects.state.items() if v is not variables.state[p])
        return outputs

    return jax.eval_shape(run, variables, x), written
