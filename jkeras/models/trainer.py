"""Trainer: the compiled programs behind one `compile`, and what moves arrays in and out of them."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import keys
from jkeras.core import graph, pure
from jkeras.core.layer import changes
from jkeras.core.variable import Variable, writes
from jkeras.metrics import Mean
from jkeras.optimizers.update import is_cell
from jkeras.training import engine, steps
from jkeras.training.feeds import Feed
from jkeras.training.objective import CompiledObjective, flatten_outputs
from jkeras.training.state import Batch, EvalState, TrainState

_log = logging.getLogger("jkeras")


def spec_of(tree: Any) -> Any:
    """Returns symbolic tensors for arrays, their first axis of any size."""
    return jax.tree.map(lambda a: graph.SymbolicTensor((None, *a.shape[1:]), _dtype(a)), tree)


def _dtype(array: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(array.dtype)


class Description(NamedTuple):
    """What a model gives for inputs of some shapes.

    Attributes:
        outputs: The specs of the outputs.
        names: The outputs' names, in their structure: a graph's layers, a dict's keys, or numbers.
        written: The paths of the variables that inference writes.
    """

    outputs: Any
    names: Any
    written: list[str]


def describe(model: Any, x: Any) -> tuple[Any, Description]:
    """Builds the model if needed, and describes what it gives for arrays like `x`.

    Returns:
        A key, which is equal for inputs that share compiled programs, and the description.
    """
    specs = spec_of(x)
    if not model.built:
        pure.ensure_built(model, specs)
    frozen = tuple(layer.trainable for layer in model._flatten_layers())
    key = (str(jax.tree.map(lambda s: (s.shape[1:], s.dtype), specs)), frozen)
    if key not in model._descriptions:
        named = pure.named_variables(model)
        kept = {p: jax.ShapeDtypeStruct(v.shape, v.variable_dtype) for p, v in named.items()}
        variables = pure.Variables(
            {p: s for p, s in kept.items() if named[p].trainable},
            {p: s for p, s in kept.items() if not named[p].trainable},
        )
        rows = jax.tree.map(row_spec, x)
        outputs, written = steps.describe(model, variables, rows)
        model._descriptions[key] = Description(outputs, names_of(model, outputs), written)
    return key, model._descriptions[key]


def names_of(model: Any, outputs: Any) -> Any:
    """Returns the names of a model's outputs, in their structure: a graph's layers, keys, numbers.

    Args:
        model: The model.
        outputs: What it gives; not looked at if the model has a graph.
    """
    if getattr(model, "_graph", None) is not None:
        outputs, names = model._graph.outputs, list(model.output_names)
    else:
        count = len(jax.tree.leaves(outputs))
        names = ["output"] if count == 1 else [f"output_{i + 1}" for i in range(count)]
    if isinstance(outputs, Mapping) and len(jax.tree.leaves(outputs)) == len(outputs):
        return {key: str(key) for key in outputs}
    nested = isinstance(outputs, (list, tuple, Mapping)) and len(outputs) != len(names)
    return jax.tree.unflatten(jax.tree.structure(outputs), names) if nested else names


# A state of at most so many bytes is copied by each chunk and not donated: that takes less time
# than donating it, and leaves what callbacks may still want.
_SMALL_STATE = 2**20


def is_small(variables: Iterable[Variable]) -> bool:
    """Says whether another copy of some variables does not matter."""
    return sum(v.size * jnp.dtype(v.variable_dtype).itemsize for v in variables) <= _SMALL_STATE


class ModelCells:
    """The objects that hold the training state between chunks, read and written as one pytree.

    Attributes:
        donates: Whether a chunk destroys the arrays it starts from; not those of a small state.
    """

    def __init__(self, model: Any, optimizer: Any, step: Any, rng: jax.Array):
        named = pure.named_variables(model)
        params = {path: v for path, v in named.items() if v.trainable}
        state = {path: v for path, v in named.items() if not v.trainable}
        # Keys as numbers: a call of a compiled program with a typed key among its arguments takes
        # three times as long.
        self.step, self.rng = step, jax.random.key_data(rng)
        optimizer.build(list(params.values()))
        slots = optimizer.cells({v: path for path, v in params.items()})
        # Flat, because an epoch of a small net takes as long as some walks through a tree.
        self._structure: Any
        self.all, self._structure = jax.tree.flatten((params, state, slots), is_leaf=is_cell)
        self.donates = not is_small(self.all)

    def read(self, metrics: Any) -> TrainState:
        """Returns the state for a chunk, which will destroy its arrays if `donates`."""
        arrays = [v.hand_over() if self.donates else v.cell() for v in self.all]
        params, state, opt_state = self._structure.unflatten(arrays)
        return TrainState(
            step=self.step,
            params=params,
            state=state,
            opt_state=opt_state,
            metrics=metrics,
            rng=self.rng,
        )

    def write(self, state: TrainState) -> None:
        """Keeps the arrays that a chunk has made; only references move."""
        for cell, array in self._pairs(state):
            cell.set_cell(array)
        self.step, self.rng = state.step, state.rng

    def hold(self, state: TrainState) -> bool:
        """Says whether these very arrays are still there: nobody has set others."""
        same = all(cell.cell() is array for cell, array in self._pairs(state))
        return same and self.step is state.step and self.rng is state.rng

    def _pairs(self, state: TrainState) -> Iterable[tuple[Variable, Any]]:
        arrays = (state.params, state.state, state.opt_state)
        return zip(self.all, self._structure.flatten_up_to(arrays), strict=True)

    def variables(self) -> pure.Variables:
        """Returns the current arrays, for reading only."""
        params, state, _ = self._structure.unflatten([v.cell() for v in self.all])
        return pure.Variables(params, state)


class Run:
    """One `fit`: what another process needs to go on with it.

    Args:
        cells: Where the training state lives.
        feed: Where batches come from.
        epoch: The number of the first epoch.
    """

    def __init__(self, cells: ModelCells, feed: Feed, epoch: int):
        self._cells, self._feed, self.epoch = cells, feed, epoch

    def arrays(self) -> dict[Variable, jax.Array]:
        """Returns what the variables of the model and its optimizer hold now, to be kept."""
        return {v: v.show() for v in self._cells.all}

    def read(self, epoch: int) -> dict[str, Any]:
        """Returns the state from which `epoch` starts: dicts of numbers and NumPy arrays."""
        arrays = _by_path(self._cells.read(None))
        # Copies, because the next step destroys the cells' arrays.
        copies = {path: np.array(array) for path, array in arrays.items()}
        return {"epoch": epoch, "arrays": copies, "feed": self._feed.position}

    def write(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what `read` has returned.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        state, arrays = self._cells.read(None), saved["arrays"]
        shapes = {path: array.shape for path, array in _by_path(state).items()}
        found = {path: np.shape(array) for path, array in arrays.items()}
        differing = sorted(p for p in shapes | found if shapes.get(p) != found.get(p))
        if differing:
            more = f" and {len(differing) - 4} others" if len(differing) > 4 else ""
            raise ValueError(
                "The saved state is not one of this model and optimizer. These arrays are missing "
                f"on one side, or differ in shape: {', '.join(differing[:4])}{more}. Build and "
                "compile the model as it was when the state was saved."
            )
        state = jax.tree_util.tree_map_with_path(
            lambda path, array: jnp.array(arrays[jax.tree_util.keystr(path)], array.dtype), state
        )
        self._cells.write(state)
        self._feed.position = saved["feed"]
        self.epoch = saved["epoch"]


def _by_path(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


class Programs:
    """Compiled steps for one structure of inputs, outputs and targets.

    Args:
        model: The model, built.
        objective: Losses and metrics.
        optimizer: The optimizer; None if there is nothing to train.
        written: The paths of variables that inference writes.
    """

    def __init__(
        self, model: Any, objective: CompiledObjective, optimizer: Any, written: list[str]
    ):
        self.objective = objective
        self.written = written
        self._model, self._optimizer = model, optimizer
        self._runs: dict[Any, Any] = {}
        self.metrics_by_name = {
            name: objective.metrics[name][1] if name in objective.metrics else Mean(name=name)
            for name in objective.result_names
        }
        self._zero: Any = None

    def fresh_metrics(self, mode: str = "train") -> Any:
        """Returns the metrics' states over no data; on the host, since chunks destroy theirs."""
        del mode
        if self._zero is None:
            self._zero = jax.tree.map(np.asarray, jax.device_get(self.objective.init()))
        return self._zero

    def logs(self, state: Any) -> dict[str, Any]:
        """Returns the values of the metrics by name, for a state with `metrics`: pure."""
        return self.objective.compute(state.metrics)

    def publish(self, metrics: Any) -> None:
        """Makes the metric objects show these states, so that `metric.result()` is current."""
        states = {**metrics, **self.objective.loss_means(metrics)}
        for name, metric in self.metrics_by_name.items():
            metric.write(states[name])

    def bad_step(self, metrics: Any) -> int:
        """Returns the first step of the epoch whose loss was not finite; 0 if there was none."""
        return int(self.objective.first_bad_step(metrics))

    def _note(self, mode: str, batch: Batch) -> None:
        """Logs that a step is compiled, and what changed since that happened last.

        To be called while it is traced, which takes no time when nothing is compiled.
        """
        self._model._trainer.note_compilation(mode, batch)

    def as_list(self, logs: Mapping[str, Any]) -> Any:
        """Returns logs in the order of `evaluate`'s list; a single value by itself."""
        names = self.objective.result_names
        # A metric that gives several values has names of its own.
        values = [logs[n] for n in names if n in logs]
        values += [v for n, v in logs.items() if n not in names]
        return values[0] if len(values) == 1 else values

    def _names(self) -> dict[Variable, str]:
        named = pure.named_variables(self._model)
        return {variable: path for path, variable in named.items() if variable.trainable}

    def train_step(self) -> Callable[[TrainState, Batch], TrainState]:
        """Returns the pure step of training."""
        step = steps.make_train_step(
            self._model, self.objective, self.transformation(), self._optimizer.loss_scale
        )

        def train_step(state: TrainState, batch: Batch) -> TrainState:
            self._note("train", batch)
            return step(state, batch)

        return train_step

    def transformation(self) -> Any:
        """Returns the optimizer's transformation, told what the model's variables are called."""
        named = pure.named_variables(self._model)
        return self._optimizer.transform({variable: path for path, variable in named.items()})

    def test_step(self) -> Callable[[EvalState, tuple[pure.Variables, Batch]], EvalState]:
        """Returns the pure step of evaluation."""
        step = steps.make_test_step(self._model, self.objective)

        def test_step(carry: EvalState, given: tuple[pure.Variables, Batch]) -> EvalState:
            self._note("test", given[1])
            return step(carry, given)

        return test_step

    def train(self, select: Any, donate: bool) -> Any:
        """Returns the compiled chunk of training steps for a feed's `select`."""
        key = ("train", select, donate)
        if key not in self._runs:
            step = self.train_step()

            def with_key(state: TrainState, batch: Batch) -> TrainState:
                key = jax.random.wrap_key_data(state.rng)
                return step(state.replace(rng=key), batch).replace(rng=state.rng)

            self._runs[key] = engine.make_chunk(with_key, select, self.logs, donate)
        return self._runs[key]

    def test(self, select: Any) -> Any:
        """Returns the compiled chunk of evaluation steps for a feed's `select`."""
        if ("test", select) not in self._runs:

            def with_variables(resident: Any, slot: Any) -> Any:
                variables, data = resident
                return variables, Batch(*select(data, slot))

            self._runs["test", select] = engine.make_chunk(
                self.test_step(), with_variables, self.logs
            )
        return self._runs["test", select]


class Predictor:
    """The compiled forward pass of a model.

    Args:
        model: The model, built.
    """

    def __init__(self, model: Any):
        self._model = model
        # The model's variables as `changes()` was, and the shapes and dtypes that were looked at.
        self._as_of = -1
        self._named: dict[str, Variable] = {}
        self._known: set[Any] = set()
        self._groups: list[tuple[str, bool]] | None = None
        self._small = False
        self._arrays: list[Any] = []  # what the variables of a small model held as of `writes()`
        self._read_at = -1

    def _look(self) -> None:
        """Finds the model's variables, unless no layer has changed since that was done last."""
        now = changes()
        if self._as_of == now:
            return
        self._named = pure.named_variables(self._model)
        self._known, self._read_at = set(), -1
        self._small = is_small(self._named.values())
        groups = [(path, variable.trainable) for path, variable in self._named.items()]
        if groups != self._groups:
            self._groups = groups
            step = steps.make_predict_step(self._model)

            # Handing over arrays in dicts takes as long as a small model's outputs for one row.
            def on_list(written: Any, arrays: Sequence[Any], x: Any) -> Any:
                pairs = list(zip(groups, arrays, strict=True))
                params = {path: array for (path, trainable), array in pairs if trainable}
                state = {path: array for (path, trainable), array in pairs if not trainable}
                return step(written, pure.Variables(params, state), x)

            self._one, self._many = jax.jit(on_list), engine.make_map(on_list)
        self._as_of = now

    def _read(self) -> list[Any]:
        """Returns what the variables hold."""
        if self._read_at == writes():
            return self._arrays
        now = writes()  # before the arrays are read, which another thread may write meanwhile
        arrays = [variable.cell() for variable in self._named.values()]
        if self._small:  # others would be kept alive
            self._arrays, self._read_at = arrays, now
        return arrays

    def remember(self, x: Any) -> None:
        """Notes that arrays like `x` fit the model, which writes no variables: see `run_known`."""
        # 64-bit integers are looked at each time: they may not fit on the device.
        if isinstance(x, (np.ndarray, jax.Array)) and x.dtype not in ("int64", "uint64"):
            self._look()
            self._known.add((x.shape[1:], x.dtype))

    def run_known(self, x: Any, batch_size: int) -> Any:
        """Returns the outputs for one batch like an earlier one; None if it is not.

        Looking for a model's weights, and at its data, takes twenty times as long as a small
        model's outputs for one row.
        """
        if (
            self._as_of != changes()
            or not isinstance(x, (np.ndarray, jax.Array))
            or (x.shape[1:], x.dtype) not in self._known
            or not x.ndim
            or not 0 < x.shape[0] <= batch_size
        ):
            return None
        _, outputs = self._one({}, self._read(), x)
        if isinstance(outputs, jax.Array):  # a walk through a tree takes a third of all this
            return np.asarray(outputs)
        return jax.tree.map(np.asarray, outputs)

    def run(
        self,
        data: Any,
        written: list[str],
        called: Any,
        progress: Any,
        limit: int | None,
    ) -> Any:
        """Returns the outputs for all data, as NumPy arrays; keeps the state that was written.

        Full batches of arrays run in one program, unless a callback must see each of them.
        """
        self._look()
        arrays = self._read()
        carry = {path: self._named[path].cell() for path in written}
        by_batch = called.wants_batches("predict")
        parts: list[Any] = []
        done = 0
        for slots, count in data.slots(
            limit, single=by_batch or (progress is not None and progress.live)
        ):
            if by_batch:
                called.on_predict_batch_begin(done)
            if count is None:
                carry, outputs = self._one(carry, arrays, slots)
                done += 1
            else:
                carry, outputs = self._many(carry, arrays, slots)
                outputs = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), outputs)
                done += count
            parts.append(outputs)
            if by_batch:
                shown = jax.tree.map(np.asarray, outputs)
                called.on_predict_batch_end(done - 1, {"outputs": shown})
            if progress is not None:
                progress.update(done, {})
        for path, value in carry.items():
            self._named[path].set_cell(value)
        parts = [jax.tree.map(np.asarray, part) for part in parts]
        if len(parts) == 1:
            return parts[0]
        return jax.tree.map(lambda *pieces: np.concatenate(pieces), *parts)


class Trainer:
    """What one `compile` says, and the programs made of it.

    Args:
        model: The model.
        optimizer: A `jkeras.optimizers.Optimizer`.
        settings: The other arguments of `compile`.
    """

    def __init__(self, model: Any, optimizer: Any, settings: Mapping[str, Any]):
        self.model, self.optimizer, self.settings = model, optimizer, dict(settings)
        self.step: Any = jnp.zeros((), jnp.int32)
        self._programs: dict[Any, Programs] = {}
        self.last: Programs | None = None
        self._traced: dict[str, dict[str, str]] = {}  # the arguments of the last compilations

    def forget(self) -> None:
        """Drops the compiled programs: the model's layers have changed."""
        self._programs.clear()

    def programs(self, batch: Batch) -> Programs:
        """Returns the programs for batches like this one; builds the model if needed."""
        key, described = describe(self.model, batch.x)
        targets = jax.tree.map(lambda a: (a.shape[1:], str(_dtype(a))), batch.y)
        key = (*key, str(targets), batch.sample_weight is None)
        if key not in self._programs:
            names = described.names
            objective = CompiledObjective(
                **self.settings,
                output_names=names,
                outputs=flatten_outputs(described.outputs, names),
                targets=self.model._target_specs(jax.tree.map(row_spec, batch.y), names),
            )
            self._programs[key] = self.model._new_programs(
                batch, objective=objective, optimizer=self.optimizer, written=described.written
            )
        self.last = self._programs[key]
        return self.last

    def note_compilation(self, mode: str, batch: Batch) -> None:
        """Logs that a step of `"train"` or `"test"` is compiled, and which arguments changed."""
        now = {
            f"{part}{jax.tree_util.keystr(path)}": f"{array.dtype}{list(array.shape)}"
            for part, tree in batch._asdict().items()
            for path, array in jax.tree_util.tree_leaves_with_path(tree)
        }
        before = self._traced.get(mode)
        self._traced[mode] = now
        if not _log.isEnabledFor(logging.DEBUG):
            return
        if before is None:
            what = ", ".join(f"{name} {spec}" for name, spec in now.items())
        else:
            what = ", ".join(
                f"{name} was {before.get(name)}, is {now.get(name)}"
                for name in sorted(before | now)
                if before.get(name) != now.get(name)
            )
        _log.debug(
            "Compiling a %s step of %r: %s", mode, self.model.name, what or "no argument changed"
        )

    def metric_objects(self) -> list[Any]:
        """Returns the metrics of the programs that were used last, the mean loss first."""
        return list(self.last.metrics_by_name.values()) if self.last is not None else []

    def cells(self) -> ModelCells:
        """Returns the cells of a new run; its random draws follow from the global seed."""
        return ModelCells(self.model, self.optimizer, self.step, keys.next_global_key())


def model_variables(model: Any) -> pure.Variables:
    """Returns a model's arrays for a program that only reads them."""
    return _variables(pure.named_variables(model))


def _variables(named: Mapping[str, Variable]) -> pure.Variables:
    params: dict[str, Any] = {}
    state: dict[str, Any] = {}
    for path, variable in named.items():
        (params if variable.trainable else state)[path] = variable.cell()
    return pure.Variables(params, state)


def row_spec(array: Any) -> jax.ShapeDtypeStruct:
    """Returns the shape of an array, and its dtype on the device."""
    return jax.ShapeDtypeStruct(array.shape, _dtype(array))
