"""Steps that a subclass has a say in: `train_step`, `test_step`, `compute_loss`, `compute_metrics`.

They are made of the standard step: `HookObjective` asks the model's own hooks. The variables of its
metrics are among the state of such a step, so that a hook may update any of them.
"""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jkeras.base import keys, naming
from jkeras.base.types import AnyModel, ArrayLike, Structure
from jkeras.core import pure, scope
from jkeras.core.variable import Variable
from jkeras.optimizers.cells import map_cells
from jkeras.training import data as data_module
from jkeras.training.state import Batch, EvalState, TrainState, batch_size
from jkeras.training.steps import OutsideVariables

HOOKS = ("train_step", "test_step", "compute_loss", "compute_metrics")


def overridden(model: AnyModel) -> frozenset[str]:
    """Returns the hooks that a model's class, or the model itself, has written."""
    return frozenset(n for n in HOOKS if not hasattr(getattr(model, n), "is_standard"))


def set_on(model: AnyModel) -> tuple[Any, ...]:
    """Returns what was assigned to a model's own hooks, such as `model.compute_loss = f`."""
    return tuple(vars(model).get(n) for n in HOOKS)


def standard(hook: Callable) -> Callable:
    """Marks a hook of `Model` itself."""
    hook.is_standard = True  # type: ignore[attr-defined]
    return hook


class StepData(tuple):
    """What a step is given: `(x, y)` or `(x, y, sample_weight)`; also by these names."""

    __slots__ = ()
    x = property(lambda self: self[0], doc="The inputs.")
    y = property(lambda self: self[1] if len(self) > 1 else None, doc="The targets, or None.")
    sample_weight = property(
        lambda self: self[2] if len(self) > 2 else None, doc="The weights of the samples, or None."
    )

    @classmethod
    def of(cls, batch: Batch) -> Any:
        """Returns a batch without the parts that are None; inputs alone are given as they are."""
        if batch.sample_weight is None and batch.y is None:
            return cls((batch.x,)) if isinstance(batch.x, (list, tuple)) else batch.x
        return cls(tuple(batch)[: 2 if batch.sample_weight is None else 3])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StepState(TrainState):
    """A `TrainState` that also unpacks into Keras's lists of arrays.

    In `train_step`: `trainable_variables, non_trainable_variables, optimizer_variables,
    metrics_variables = state`; in `test_step` the optimizer's are left out.
    """

    of: "HookSteps | None" = dataclasses.field(default=None, metadata={"static": True})
    advance: Callable[["StepState", Batch], TrainState] | None = dataclasses.field(
        default=None, metadata={"static": True}
    )

    @property
    def own_variables(self) -> pure.Variables:
        """The arrays of the model's own variables, without those of metrics and others."""
        others = () if self.of is None else self.of.outside
        state = {path: array for path, array in self.state.items() if path not in others}
        return pure.Variables(self.params, state)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self.of.to_lists(self)) if self.of is not None else iter(())


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TakenStep(StepState):
    """What the base's step returns: a state, which unpacks into `(logs, state)` as Keras's."""

    def __iter__(self) -> Iterator[Any]:
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(StepState)}
        return iter((dict(self.metrics["logs"]), StepState(**fields)))


class HookObjective:
    """The losses and metrics of a model that overrides hooks, as an objective of a step.

    Args:
        model: The model.
        tracker: The metric that is the mean of the loss.
        logs: What a step's logs look like, as zeros.
    """

    covers_added_losses = True

    def __init__(self, model: AnyModel, tracker: Any, logs: Mapping[str, Any]):
        self._model, self._tracker, self._logs = model, tracker, logs

    def loss(self, batch: Batch, outputs: Structure) -> tuple[Any, dict[str, Any]]:
        """Returns what `compute_loss` and `compute_metrics` return."""
        model, here = self._model, scope.current()
        given = {"training": here is not None and bool(here.training)}
        if not _takes(model.compute_loss, "training"):
            given = {}
        loss = model.compute_loss(
            x=batch.x, y=batch.y, y_pred=outputs, sample_weight=batch.sample_weight, **given
        )
        _check_scalar(loss)
        if any(metric is self._tracker for metric in model.metrics):
            fixed = lax.stop_gradient(jnp.asarray(loss))
            self._tracker.update_state(fixed, sample_weight=batch_size(batch.x))
        # What metrics compute is not differentiated, and need not be.
        outputs = jax.tree.map(_without_gradient, outputs)
        logs = model.compute_metrics(batch.x, batch.y, outputs, sample_weight=batch.sample_weight)
        return loss, {"logs": logs}

    def init(self) -> dict[str, Any]:
        """Returns the logs before the first step."""
        return {"logs": self._logs}

    def update(
        self,
        metrics: Structure,
        batch: Batch,
        outputs: Structure,
        masks: Structure,
        losses: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Returns the logs of this step."""
        return {"logs": as_logs(losses["logs"])}

    def compute(self, metrics: Structure) -> dict[str, Any]:
        """Returns the logs of the last step."""
        return dict(sorted(metrics["logs"].items()))


def _check_scalar(loss: Any) -> None:
    if loss is None or jnp.ndim(loss):
        got = "None" if loss is None else f"an array of shape {jnp.shape(loss)}"
        raise ValueError(
            f"compute_loss() must return one number to minimize, and returned {got}. Return the "
            "mean over the samples, such as keras.ops.mean(loss)."
        )


def _takes(function: Callable, name: str) -> bool:
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _without_gradient(array: ArrayLike) -> Any:
    fixed, mask = lax.stop_gradient(array), scope.get_mask(array)
    here = scope.current()
    if mask is not None and here is not None:
        here.set_mask(fixed, mask)
    return fixed


def as_logs(logs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a step has returned as logs: one dict of arrays, as Keras's of nested ones."""
    if not isinstance(logs, Mapping):
        raise TypeError(
            "The logs of a step, which train_step(), test_step() and compute_metrics() return, are "
            f"a dict of numbers by name, got {logs!r:.60}. Return such as {{'loss': loss}}."
        )
    flat: dict[str, Any] = {}
    for name, value in logs.items():
        if isinstance(value, Mapping):
            flat.update(as_logs(value))
        elif value is not None:
            flat[name] = jnp.asarray(value)
    return flat


# ------------------------------------------------------------------ programs
def metric_variables(metrics: Sequence[Any]) -> dict[str, Variable]:
    """Returns the variables of metrics, by paths that no layer's variable has."""
    named: dict[str, Variable] = {}
    for metric in metrics:
        for name, variable in metric.named_variables().items():
            named[naming.unique(f"metrics:{metric.name}/{name}", named)] = variable
    return named


def add_outside(outside: dict[str, Variable], found: OutsideVariables) -> None:
    """Adds variables that were found to be used, by paths of their own."""
    for variable in found.args[0]:
        outside[naming.unique(f"outside:{variable.path}", outside)] = variable


def make_metrics(objective: Any) -> None:
    """Makes the variables of metrics whose state has the shape of the data."""
    for i, metric, _ in objective.metrics.values():
        specs = objective.specs[i]
        if specs is not None:
            metric.write(metric.init(*specs))


class HookSteps:
    """The steps of a model that overrides hooks.

    Args:
        session: What `compile` made.
        tracked: The metrics that hooks may update.
        foreign: Further variables that the steps use and the model does not own, by path.
        logs: What a step's logs look like, as zeros.
    """

    def __init__(
        self, session: Any, tracked: Sequence[Any], foreign: Mapping[str, Variable], logs: Any
    ):
        self.session, self.model = session, session.model
        metrics = metric_variables(tracked)
        # A trace may have found variables that metrics have made meanwhile: those are theirs.
        own = {id(variable) for variable in metrics.values()}
        others = {path: v for path, v in foreign.items() if id(v) not in own}
        self.metric_paths, self.outside = list(metrics), {**metrics, **others}
        self.objective = HookObjective(self.model, session.loss_mean, logs)

    def train_step(self) -> Callable[[TrainState, Batch], TrainState]:
        """Returns the pure step of training."""
        step = self.session.train_step(self.objective, self.outside)
        if "train_step" not in overridden(self.model):
            return step
        check_signature(self.model.train_step)

        def train_step(state: TrainState, batch: Batch) -> TrainState:
            before = state.replace(rng=keys.typed(state.rng))
            # For a step that calls `stateless_call`, which takes no key.
            with scope.default_key(jax.random.fold_in(before.rng, before.step)):
                result = self.model.train_step(self.view(before, step), StepData.of(batch))
            return self._as_state(result, before).replace(rng=state.rng)

        return train_step

    def test_step(self) -> Callable[[EvalState, tuple[pure.Variables, Batch]], EvalState]:
        """Returns the pure step of evaluation."""
        step = self.session.test_step(self.objective, self.outside)
        if "test_step" not in overridden(self.model):
            return step
        check_signature(self.model.test_step)

        def advance(state: StepState, batch: Batch) -> TrainState:
            variables = pure.Variables(state.params, state.state)
            new = step(EvalState(state.state, state.metrics), (variables, batch))
            return state.replace(state=new.state, metrics=new.metrics)

        def test_step(carry: EvalState, given: tuple[pure.Variables, Batch]) -> EvalState:
            (params, state), batch = given
            before = TrainState(0, params, {**state, **carry.state}, None, carry.metrics, None)
            result = self.model.test_step(self.view(before, advance), StepData.of(batch))
            new = self._as_state(result, before)
            return EvalState({path: new.state[path] for path in carry.state}, new.metrics)

        return test_step

    def view(self, state: TrainState, advance: Any) -> StepState:
        """Returns a state that unpacks, and that the model's own step can take on."""
        fields = {f.name: getattr(state, f.name) for f in dataclasses.fields(TrainState)}
        return StepState(**fields, of=self, advance=advance)

    def _as_state(self, result: Any, before: TrainState) -> TrainState:
        """Returns the state for what a step returned: a state, logs, or logs and a state."""
        logs, new = None, result
        if isinstance(result, Mapping):
            logs, new = result, before
        elif not isinstance(result, TrainState):
            logs, new = result
        if not isinstance(new, TrainState):
            new = self._from_lists(new, before)
        metrics = new.metrics if logs is None else {"logs": as_logs(logs)}
        return TrainState(
            before.step + 1, new.params, new.state, new.opt_state, metrics, before.rng
        )

    # -------------------------------------------------------------- Keras's lists of arrays
    def _paths(self) -> dict[Variable, str]:
        return {v: path for path, v in self.session.layout().named.items()}

    def to_lists(self, state: TrainState) -> list[list[Any]]:
        """Returns a state as three lists; four, if it has one of an optimizer."""
        paths, arrays = self._paths(), {**state.params, **state.state}
        lists = [
            [arrays[paths[v]] for v in self.model.trainable_variables],
            [arrays[paths[v]] for v in self.model.non_trainable_variables],
        ]
        if state.opt_state is not None:
            optimizer = self.session.optimizer
            slots: dict[Variable, Any] = {}
            map_cells(slots.__setitem__, optimizer.cells(self._trained(paths)), state.opt_state)
            lists.append([slots[v] for v in optimizer.variables])
        return [*lists, [state.state[path] for path in self.metric_paths]]

    def _from_lists(self, lists: Sequence[Sequence[Any]], before: TrainState) -> TrainState:
        paths, model, optimizer = self._paths(), self.model, self.session.optimizer
        trainable, frozen, *slots, metrics = lists
        opt_state = before.opt_state
        if slots:
            arrays = dict(zip(optimizer.variables, slots[0], strict=True))
            opt_state = map_cells(arrays.__getitem__, optimizer.cells(self._trained(paths)))
        own = zip(model.non_trainable_variables, frozen, strict=True)
        return before.replace(
            params={paths[v]: a for v, a in zip(model.trainable_variables, trainable, strict=True)},
            state={
                **before.state,
                **{paths[v]: a for v, a in own},
                **dict(zip(self.metric_paths, metrics, strict=True)),
            },
            opt_state=opt_state,
        )

    def _trained(self, paths: Mapping[Variable, str]) -> dict[Variable, str]:
        return {variable: path for variable, path in paths.items() if variable.trainable}


def take_standard_step(state: Any, given: Any, method: str) -> TrainState:
    """Takes the standard step, for an overridden one that calls the base's.

    Raises:
        ValueError: If it is called from outside of `fit` and `evaluate`.
    """
    if not isinstance(state, StepState) or state.of is None or state.advance is None:
        raise ValueError(
            f"{method}() is called by `fit` and `evaluate`, of a model that overrides it. To "
            "take a step yourself, use train_on_batch(), or jkeras.training."
        )
    new = state.advance(state, Batch(*data_module.unpack(given)))
    view = state.of.view(new, state.advance)
    return TakenStep(**{f.name: getattr(view, f.name) for f in dataclasses.fields(StepState)})


def check_signature(step: Callable) -> None:
    """Refuses a step in the form of another backend.

    Raises:
        TypeError: If it does not take the state.
    """
    try:
        inspect.signature(step).bind(None, None)
    except TypeError:
        name = getattr(step, "__name__", "train_step")
        raise TypeError(
            f"`{name}` must be `{name}(self, state, data)`, as in Keras on JAX, and got "
            f"`{name}{inspect.signature(step)}`. That of TensorFlow and PyTorch changes the model "
            "in place. Here a step is a pure function that returns `(logs, new state)`: begin with "
            f"`state = super().{name}(state, data)`, or override `compute_loss`."
        ) from None


def ensure_built(session: Any, x: Structure) -> None:
    """Makes sure that the weights exist, of a model whose own step is all that is called."""
    model = session.model
    if model.built:
        return
    problem: Exception | None = None
    if takes_inputs_alone(model):
        try:
            session.describe(x)
            return
        except Exception as error:  # whatever a call that is not meant for this leads to
            problem = error
    if not all(layer.built for layer in model._flatten_layers(include_self=False)):
        raise ValueError(
            f"Unable to automatically build the model {model.name!r}, whose own step is called "
            "before its weights exist. Build its layers in __init__, by keras.Input or "
            f"layer.build(shape). {problem or ''}"
        ) from problem
    model.built = True


def takes_inputs_alone(model: AnyModel) -> bool:
    """Says whether a model has a `call` that can be called on inputs alone."""
    if model.call_graph() is not None:
        return True
    if getattr(type(model).call, "is_standard", False):
        return False
    try:
        inspect.signature(model.call).bind(None)
    except TypeError:
        return False
    return True


def program_parts(session: Any, mode: str, batch: Batch, described: Any) -> dict[str, Any]:
    """Returns the parts of a program of `"train"` or `"test"` whose steps ask hooks."""
    model = session.model
    if described is None and takes_inputs_alone(model):
        try:
            described = session.describe(batch.x)
        except Exception:  # the step of the user's own need not call the model so
            described = None
    objective = None
    if described is not None:
        objective = session.objective(described.outputs, batch.y)
        make_metrics(objective)
        session.shown = objective
    tracked = list(model.metrics)
    for metric in tracked:
        metric.reset_state()
    foreign: dict[str, Variable] = {}
    try:
        written, logs = _trace(HookSteps(session, tracked, foreign, {}), mode, batch)
    except OutsideVariables as found:
        add_outside(foreign, found)
        written, logs = _trace(HookSteps(session, tracked, foreign, {}), mode, batch)
    made = HookSteps(session, tracked, foreign, logs)
    return {
        "step": made.train_step() if mode == "train" else made.test_step(),
        "logs": lambda state: made.objective.compute(state.metrics),
        "empty": made.objective.init(),
        "written": written,
        "objective": objective,
        "outside": made.outside,
        "tracked": tracked,
    }


def _trace(trial: HookSteps, mode: str, batch: Batch) -> tuple[list[str], dict[str, Any]]:
    """Finds out by an abstract step what state it writes, and what its logs are."""
    session = trial.session
    written: list[str] = []
    params, state = session.layout().variables()
    state = {**state, **{path: v.cell() for path, v in trial.outside.items()}}
    variables = pure.Variables(params, state)

    def run(variables: pure.Variables, batch: Batch) -> Any:
        empty: dict[str, Any] = {"logs": {}}
        if mode == "test":
            carry = EvalState(variables.state, empty)
            new: Any = trial.test_step()(carry, (variables, batch))
        else:
            session.optimizer.build([v for v in session.names() if v.trainable])
            tx, key = session.optimizer.transform(session.names()), jax.random.key(0)
            before = TrainState(
                step=np.int32(0),
                params=variables.params,
                state=variables.state,
                opt_state=tx.init(variables.params),
                metrics=empty,
                rng=jax.random.key_data(key),
            )
            new = trial.train_step()(before, batch)
        written.extend(p for p, v in new.state.items() if v is not variables.state[p])
        return new.metrics["logs"]

    specs = jax.tree.map(
        lambda a: jax.ShapeDtypeStruct(a.shape, jax.dtypes.canonicalize_dtype(a.dtype)),
        (variables, batch),
    )
    logs = jax.eval_shape(run, *specs)
    return written, jax.tree.map(lambda s: np.zeros(s.shape, s.dtype), logs)


# ------------------------------------------------------------------ the hooks of Model
@standard
def train_step(self: AnyModel, state: Any, data: Structure) -> Any:
    """Takes one training step: a pure function, which a subclass may override.

    Args:
        state: A `jkeras.training.TrainState`. It also unpacks as in Keras on JAX:
            `trainable, non_trainable, optimizer, metrics = state`, four lists of arrays in the
            order of `trainable_variables`, `non_trainable_variables`, `optimizer.variables`
            and the variables of `metrics`.
        data: `(x, y)` or `(x, y, sample_weight)`, also by these names.

    Returns:
        The new state; or `(logs, state)`, where the state may be four such lists. Logs are
        scalars by name; without them, those of `compute_metrics` are shown.

    Example:
        >>> import jax, numpy as np, jkeras as keras
        >>> class Averaged(keras.Sequential):
        ...     def train_step(self, state, data):
        ...         new = super().train_step(state, data)
        ...         mean = lambda old, new: 0.5 * (old + new)
        ...         return new.replace(params=jax.tree.map(mean, state.params, new.params))
        >>> model = Averaged([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> sorted(model.fit(np.ones((8, 1)), np.ones(8), verbose=0).history)
        ['loss']
    """
    return take_standard_step(state, data, "train_step")


@standard
def test_step(self: AnyModel, state: Any, data: Structure) -> Any:
    """Takes one step of evaluation: a pure function, which a subclass may override.

    Args:
        state: A `jkeras.training.TrainState` without an optimizer's state; it also unpacks into
            three lists: `trainable, non_trainable, metrics = state`.
        data: `(x, y)` or `(x, y, sample_weight)`, also by these names.

    Returns:
        The new state; or `(logs, state)`, where the state may be three such lists.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> class Doubled(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(1, kernel_initializer="ones")
        ...
        ...     def call(self, x):
        ...         return self.dense(x)
        ...
        ...     def test_step(self, state, data):
        ...         logs, state = super().test_step(state, data)
        ...         return {**logs, "twice": 2 * logs["loss"]}, state
        >>> model = Doubled()
        >>> model.compile(loss="mse")
        >>> model.evaluate(np.ones((4, 1)), np.full((4, 1), 3.0), verbose=0, return_dict=True)
        {'loss': 4.0, 'twice': 8.0}
    """
    return take_standard_step(state, data, "test_step")


@standard
def compute_loss(
    self: AnyModel,
    x: Structure = None,
    y: Structure = None,
    y_pred: ArrayLike = None,
    sample_weight: Structure = None,
    training: bool = True,
) -> ArrayLike:
    """Returns the loss of predictions; a subclass may override it.

    Args:
        x: The inputs.
        y: The targets.
        y_pred: The outputs.
        sample_weight: A factor for each sample's loss.
        training: Whether it is called in training.

    Returns:
        The losses of `compile`, with their weights, plus `self.losses`: what layers and
        regularizers add.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> class Scaled(keras.Sequential):
        ...     def compute_loss(
        ...         self, x=None, y=None, y_pred=None, sample_weight=None, training=True
        ...     ):
        ...         return 10 * keras.ops.mean(keras.ops.abs(y - y_pred))
        >>> model = Scaled([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.compile("sgd")
        >>> model.evaluate(np.ones((4, 1)), np.full((4, 1), 3.0), verbose=0)
        20.0
    """
    del training
    objective = _objective(self, y_pred, y)
    loss, _ = objective.loss(_flat(x, y, sample_weight, objective.output_names), y_pred)
    for extra in self.losses:
        loss = loss + jnp.sum(extra).astype(loss.dtype)
    return loss


@standard
def compute_metrics(
    self, x: Structure, y: Structure, y_pred: ArrayLike, sample_weight: Structure = None
) -> dict[str, Any]:
    """Updates the metrics of `compile` and returns all values; a subclass may override it.

    Args:
        x: The inputs.
        y: The targets.
        y_pred: The outputs.
        sample_weight: A factor for each sample.

    Returns:
        The values of the metrics by name; a subclass may add others.
    """
    objective, own = _objective(self, y_pred, y), self.metrics
    flat = objective.by_output(_flat(x, y, sample_weight, objective.output_names), y_pred)
    for i, metric, weighted in objective.metrics.values():
        y_true, prediction, weight, _ = flat[i]
        if y_true is not None and any(metric is m for m in own):
            weight = weight if weighted else None
            metric.update_state(y_true, prediction, sample_weight=weight)
    return self.get_metrics_result()


def stateless_compute_loss(
    self: AnyModel,
    trainable_variables: Sequence[Any],
    non_trainable_variables: Sequence[Any],
    metrics_variables: Sequence[Any],
    x: Structure = None,
    y: Structure = None,
    y_pred: ArrayLike = None,
    sample_weight: Structure = None,
    training: bool = True,
) -> tuple[Any, tuple[list[Any], list[Any], list[Any]]]:
    """Does `compute_loss` with lists of arrays for all variables, purely.

    Args:
        trainable_variables: Arrays in the order of `trainable_variables`.
        non_trainable_variables: Likewise.
        metrics_variables: Likewise.
        x: The inputs.
        y: The targets.
        y_pred: The outputs.
        sample_weight: A factor for each sample's loss.
        training: Whether it is called in training.

    Returns:
        The loss; and the three lists as they are after that.
    """
    given = {"training": training} if _takes(self.compute_loss, "training") else {}
    arrays = (trainable_variables, non_trainable_variables, metrics_variables)
    loss, new, metrics = _purely(
        self, arrays, lambda: self.compute_loss(x, y, y_pred, sample_weight, **given), training
    )
    return loss, (list(trainable_variables), new, metrics)


def compute_loss_and_updates(
    self: AnyModel,
    trainable_variables: Sequence[Any],
    non_trainable_variables: Sequence[Any],
    metrics_variables: Sequence[Any],
    x: Structure,
    y: Structure,
    sample_weight: Structure,
    training: bool = False,
    optimizer_variables: Sequence[Any] | None = None,
) -> tuple[Any, tuple[Any, Any, list[Any], list[Any]]]:
    """Calls the model and computes the loss, purely: a function for `jax.value_and_grad`.

    Args:
        trainable_variables: Arrays in the order of `trainable_variables`.
        non_trainable_variables: Likewise.
        metrics_variables: Likewise.
        x: The inputs.
        y: The targets.
        sample_weight: A factor for each sample's loss.
        training: Whether it is called in training.
        optimizer_variables: The optimizer's arrays, by which it scales the loss in training.

    Returns:
        The loss as it is to be differentiated; and the loss, the outputs, and the last two lists as
        they are after that.
    """
    given = {"training": training} if _takes(self.compute_loss, "training") else {}
    scales = training and optimizer_variables is not None and self.optimizer is not None
    own: list[tuple[Any, Any]] = []
    if scales:
        own += zip(self.optimizer.variables, optimizer_variables or (), strict=True)

    def compute() -> tuple[Any, Any, Any]:
        y_pred = self(x, training=training) if _takes(self.call, "training") else self(x)
        loss = self.compute_loss(x, y, y_pred, sample_weight, **given)
        return self.optimizer.scale_loss(loss) if scales else loss, loss, y_pred

    arrays = (trainable_variables, non_trainable_variables, metrics_variables)
    (scaled, loss, y_pred), new, metrics = _purely(self, arrays, compute, training, own)
    return scaled, (loss, y_pred, new, metrics)


def _purely(
    model: AnyModel,
    arrays: tuple[Sequence[Any], Sequence[Any], Sequence[Any]],
    compute: Callable[[], Any],
    training: bool,
    more: Sequence[tuple[Any, Any]] = (),
) -> tuple[Any, list[Any], list[Any]]:
    """Computes with arrays in place of the model's trainable, other, and metrics' variables.

    Returns:
        What is computed, and the arrays of the last two after that.
    """
    paths = {v: path for path, v in pure.named_variables(model).items()}
    params, state = (
        {paths[v]: a for v, a in zip(own, given, strict=True)}
        for own, given in (
            (model.trainable_variables, arrays[0]),
            (model.non_trainable_variables, arrays[1]),
        )
    )
    others = dict([*zip(model.metrics_variables, arrays[2], strict=True), *more])
    found, effects = pure.run(model, (params, state), compute, training=training, others=others)
    new = [effects.state[paths[v]] for v in model.non_trainable_variables]
    return found, new, list(effects.others)[: len(arrays[2])]


def _objective(model: AnyModel, y_pred: Structure, y: Structure) -> Any:
    if not model.compiled:
        raise ValueError(
            "You must call `compile()` before `compute_loss()`: for example "
            'model.compile(optimizer="adam", loss="mse").'
        )
    return model._session.objective(y_pred, y)


def _flat(x: Structure, y: Structure, sample_weight: Structure, names: Any) -> Batch:
    return Batch(
        x,
        data_module.as_targets(y, names, "y"),
        data_module.as_targets(sample_weight, names, "sample_weight"),
    )
