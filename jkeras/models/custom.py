"""Steps that a subclass has a say in: `train_step`, `test_step`, `compute_loss`, `compute_metrics`.

They run inside the same compiled chunks as the standard step. Since such a step may use any metric
of the model, the states of all of them travel in `TrainState.metrics`: `{"states": [...], "logs":
{...}}`, in the order of `model.metrics`; `logs` are those of the last step.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
import optax

from jkeras.core import pure, scope
from jkeras.core.variable import Variable
from jkeras.models.trainer import Programs, model_variables, row_spec
from jkeras.optimizers.update import map_cells
from jkeras.training.state import Batch, EvalState, TrainState, batch_size

HOOKS = ("train_step", "test_step", "compute_loss", "compute_metrics")


def overridden_hooks(model: Any, base: type) -> set[str]:
    """Returns the hooks that a model's class has written itself."""
    return {name for name in HOOKS if getattr(type(model), name) is not getattr(base, name)}


class StepData(tuple):
    """What a step is given: `(x, y)` or `(x, y, sample_weight)`; also by these names."""

    __slots__ = ()
    x = property(lambda self: self[0], doc="The inputs.")
    y = property(lambda self: self[1] if len(self) > 1 else None, doc="The targets, or None.")
    sample_weight = property(
        lambda self: self[2] if len(self) > 2 else None, doc="The weights of the samples, or None."
    )

    @classmethod
    def of(cls, batch: Batch) -> "StepData":
        """Returns a batch without the parts that are None."""
        used = 3 if batch.sample_weight is not None else 2 if batch.y is not None else 1
        return cls(tuple(batch)[:used])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StepState(TrainState):
    """A `TrainState` that also unpacks into Keras's lists of arrays.

    In `train_step`: `trainable_variables, non_trainable_variables, optimizer_variables,
    metrics_variables = state`; in `test_step` the optimizer's are left out.
    """

    unpack: Callable[["StepState"], list] = dataclasses.field(
        default=lambda state: [], metadata={"static": True}
    )

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self.unpack(self))


class CustomPrograms(Programs):
    """Compiled steps of a model that overrides hooks; see `Programs`.

    Args:
        example: A batch, for its shapes.
        **kwargs: What `Programs` takes.
    """

    def __init__(self, example: Batch, **kwargs: Any):
        super().__init__(**kwargs)
        self._example = jax.tree.map(row_spec, example)
        self._fresh: dict[str, Any] = {}

    # -------------------------------------------------------------- metrics
    @property
    def _tracked(self) -> list[Any]:
        """The metrics whose states travel, in order."""
        return list(self._model.metrics)

    def _cells(self) -> list[dict[str, Variable]]:
        return [metric.named_variables() for metric in self._tracked]

    def fresh_metrics(self, mode: str = "train") -> Any:
        if mode not in self._fresh:
            specs = {id(m): self.objective.specs[i] for i, m, _ in self.objective.metrics.values()}
            states = [metric.init(*(specs.get(id(metric)) or ())) for metric in self._tracked]
            start = {"states": jax.tree.map(np.asarray, jax.device_get(states)), "logs": {}}
            zeros = jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), self._logs(mode, start))
            self._fresh[mode] = {**start, "logs": zeros}
        return self._fresh[mode]

    def _logs(self, mode: str, metrics: Any) -> Any:
        """Finds out by an abstract step what its logs are."""
        variables = model_variables(self._model)

        def run(batch: Batch) -> Any:
            if mode == "test":
                carry = EvalState({path: variables.state[path] for path in self.written}, metrics)
                return self.test_step()(carry, (variables, batch)).metrics["logs"]
            state = TrainState(
                step=np.int32(0),
                params=variables.params,
                state=variables.state,
                opt_state=self.transformation().init(variables.params),
                metrics=metrics,
                rng=jax.random.key(0),
            )
            return self.train_step()(state, batch).metrics["logs"]

        return jax.eval_shape(run, self._example)

    def logs(self, state: Any) -> dict[str, Any]:
        return dict(sorted(state.metrics["logs"].items()))

    def bad_step(self, metrics: Any) -> int:
        return 0  # a step of the user's own keeps no count

    def publish(self, metrics: Any) -> None:
        for metric, state in zip(self._tracked, metrics["states"], strict=True):
            metric.write(state)

    def _run(
        self, state: TrainState, function: Callable[[], Any], **options: Any
    ) -> tuple[Any, pure.Effects, list[dict[str, Any]]]:
        """Runs a function that may use the model's weights and metrics; also returns the latter."""
        cells, states = self._cells(), state.metrics["states"]
        others = {
            cells[i][name]: value for i, own in enumerate(states) for name, value in own.items()
        }
        variables = pure.Variables(state.params, state.state)
        result, effects = pure.run(self._model, variables, function, others=others, **options)
        values = dict(zip(others, effects.others, strict=True))
        new = [{name: values[v] for name, v in own.items()} for own in cells]
        return result, effects._replace(others=[]), new

    # -------------------------------------------------------------- steps
    def train_step(self) -> Callable[[TrainState, Batch], TrainState]:
        def step(state: TrainState, batch: Batch) -> TrainState:
            self._note("train", batch)
            self._model._trainer.last = self
            given = _step_state(state, self._training_lists)
            # For a step that calls `stateless_call`, which takes no key.
            with scope.default_key(jax.random.fold_in(state.rng, state.step)):
                result = self._model.train_step(given, StepData.of(batch))
            return self._result(result, state)

        return step

    def test_step(self) -> Callable[[EvalState, tuple[pure.Variables, Batch]], EvalState]:
        def step(carry: EvalState, given: tuple[pure.Variables, Batch]) -> EvalState:
            self._model._trainer.last = self
            variables, batch = given
            self._note("test", batch)
            before = TrainState(
                step=0,
                params=variables.params,
                state={**variables.state, **carry.state},
                opt_state=None,
                metrics=carry.metrics,
                rng=None,
            )
            state = _step_state(before, self._evaluation_lists)
            new = self._result(self._model.test_step(state, StepData.of(batch)), before)
            return EvalState({path: new.state[path] for path in carry.state}, new.metrics)

        return step

    def default_train_step(self, state: TrainState, data: StepData) -> TrainState:
        """Takes a training step by the model's `compute_loss` and `compute_metrics`."""
        model, optimizer = self._model, self._optimizer

        def compute_loss(params: Any) -> tuple[Any, tuple]:
            (outputs, loss), effects, states = self._run(
                state.replace(params=params),
                lambda: self._call(data, training=True),
                training=True,
                rng=jax.random.fold_in(state.rng, state.step),
            )
            scale = optimizer.loss_scale(state.opt_state)
            scaled = loss if scale is None else loss * scale
            return scaled, (outputs, loss, effects, states)

        gradient = jax.grad(compute_loss, has_aux=True)
        grads, (outputs, loss, effects, states) = gradient(state.params)
        updates, opt_state = self.transformation().update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        for path, variable in pure.named_variables(model).items():
            if variable.constraint is not None and path in params:
                params[path] = variable.constraint(params[path])
        new = state.replace(
            params=params,
            state=effects.state,
            opt_state=opt_state,
            metrics={**state.metrics, "states": states},
        )
        return self._measure(new, data, outputs, effects.masks[0], loss)

    def default_test_step(self, state: TrainState, data: StepData) -> TrainState:
        """Evaluates by the model's `compute_loss` and `compute_metrics`."""
        (outputs, loss), effects, states = self._run(
            state, lambda: self._call(data, training=False)
        )
        new = state.replace(state=effects.state, metrics={**state.metrics, "states": states})
        return self._measure(new, data, outputs, effects.masks[0], loss)

    def _call(self, data: StepData, training: bool) -> tuple[Any, Any]:
        outputs = self._model(data.x)
        loss = self._model.compute_loss(
            x=data.x,
            y=data.y,
            y_pred=outputs,
            sample_weight=data.sample_weight,
            training=training,
        )
        return outputs, loss

    def _measure(
        self, state: TrainState, data: StepData, outputs: Any, masks: Any, loss: Any
    ) -> TrainState:
        """Updates the metrics; their values are the step's logs."""

        def compute() -> dict[str, Any]:
            here = scope.current()
            leaves = jax.tree.leaves(outputs)
            for output, mask in zip(leaves, jax.tree.leaves(masks, is_leaf=_is_none), strict=True):
                if mask is not None and here is not None:
                    here.set_mask(output, mask)
            tracker = self.metrics_by_name["loss"]
            if any(metric is tracker for metric in self._model.metrics):
                tracker.update_state(loss, sample_weight=batch_size(data.x))
            return self._model.compute_metrics(
                data.x, data.y, outputs, sample_weight=data.sample_weight
            )

        logs, _, states = self._run(state, compute)
        return state.replace(metrics={"states": states, "logs": logs})

    def _result(self, result: Any, before: TrainState) -> TrainState:
        """Returns the state for what a step returned: a state, or logs and a state or lists."""
        logs, new = (None, result) if isinstance(result, TrainState) else result
        if not isinstance(new, TrainState):
            new = self._from_lists(new, before)
        metrics = new.metrics if logs is None else {**new.metrics, "logs": dict(logs)}
        return TrainState(
            step=before.step + 1,
            params=new.params,
            state=new.state,
            opt_state=new.opt_state,
            metrics=metrics,
            rng=before.rng,
        )

    # -------------------------------------------------------------- Keras's lists
    def _evaluation_lists(self, state: TrainState) -> list[list[Any]]:
        arrays = {**state.params, **state.state}
        paths = {v: path for path, v in pure.named_variables(self._model).items()}
        return [
            [arrays[paths[v]] for v in self._model.trainable_variables],
            [arrays[paths[v]] for v in self._model.non_trainable_variables],
            [value for metric in state.metrics["states"] for value in metric.values()],
        ]

    def _training_lists(self, state: TrainState) -> list[list[Any]]:
        trainable, frozen, metrics = self._evaluation_lists(state)
        slots: dict[Variable, Any] = {}
        map_cells(slots.__setitem__, self._optimizer.cells(self._names()), state.opt_state)
        return [trainable, frozen, [slots[v] for v in self._optimizer.variables], metrics]

    def _from_lists(self, lists: Sequence[Sequence[Any]], before: TrainState) -> TrainState:
        trainable, frozen, *slots, metrics = lists
        paths = {v: path for path, v in pure.named_variables(self._model).items()}
        opt_state = before.opt_state
        if slots:
            arrays = dict(zip(self._optimizer.variables, slots[0], strict=True))
            opt_state = map_cells(arrays.__getitem__, self._optimizer.cells(self._names()))
        values = iter(metrics)
        states = [{name: next(values) for name in own} for own in before.metrics["states"]]
        model = self._model
        return before.replace(
            params={paths[v]: a for v, a in zip(model.trainable_variables, trainable, strict=True)},
            state={paths[v]: a for v, a in zip(model.non_trainable_variables, frozen, strict=True)},
            opt_state=opt_state,
            metrics={**before.metrics, "states": states},
        )


def _step_state(state: TrainState, unpack: Callable[[Any], list]) -> StepState:
    fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(TrainState)}
    return StepState(**fields, unpack=unpack)


def _is_none(x: Any) -> bool:
    return x is None
