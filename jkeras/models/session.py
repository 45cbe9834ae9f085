"""Session: what one `compile` made of a model; its programs, and the arrays that go in and out."""

import dataclasses
import functools
import logging
import operator
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import compilation_cache, host_memory, keys, registry
from jkeras.base.platforms import platform
from jkeras.base.tracing import concretely
from jkeras.base.types import AnyModel, ArrayLike, Data, Structure
from jkeras.core import graph, placement, pure, scope
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable, read_cells, write_cell_later, write_cells
from jkeras.metrics import Mean
from jkeras.models import hooks, keras_steps, sharing
from jkeras.optimizers.cells import is_cell
from jkeras.training import data, engine, steps
from jkeras.training.feeds import ArrayFeed, Chunk
from jkeras.training.haste import Shortcut, Snapshot
from jkeras.training.interrupts import Interrupts
from jkeras.training.objective import CompiledObjective, flatten_outputs, per_output
from jkeras.training.state import Batch, EvalState, TrainState

_log = logging.getLogger("jkeras")

# Attributes of a model that say nothing of what it computes.
FACADE = frozenset(
    {"history", "stop_training", "stop_evaluating", "stop_predicting", "_session", "_fitting"}
)
# The attribute, not the property: it is read at every call.
_IS_TRAINABLE = operator.attrgetter("_trainable")
# A state of at most so many bytes is copied by each chunk and not donated, which takes less time:
# on a CPU; and elsewhere, where copying a gigabyte takes about a millisecond.
_SMALL_STATE, _SMALL_STATE_ELSEWHERE = 2**20, 2**28


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


class Layout:
    """What a model is made of, and what was compiled for that.

    Attributes:
        named: The model's variables by path.
        programs: Programs, by what they were made for.
        descriptions: Descriptions, by the specs of the inputs.
        cells: The cells of training, by the paths of the variables outside of the model.
        where: The distribution by which it is placed; None on one device.
        trusted: Whether it need not be looked whether the model is still made of the same things.
    """

    def __init__(self, model: AnyModel):
        self.trusted = False
        self.snapshot = Snapshot(model, FACADE)
        self.named = pure.named_variables(model)
        self.where = placement.current()
        if self.where is not None:
            self.where.name(self.named)
        self.trainable = list(map(_IS_TRAINABLE, self.named.values()))
        self.flags = [layer.trainable for layer in self.snapshot.parts]
        self.programs: dict[Any, Any] = {}
        self.descriptions: dict[Any, Description] = {}
        self.cells: dict[Any, Cells] = {}

    def is_current(self) -> bool:
        """Says whether the model is still made of the same things, and trains the same weights."""
        return self.trusted or (
            self.where is placement.current()
            and self.snapshot.is_current()
            and self.trainable == list(map(_IS_TRAINABLE, self.named.values()))
        )

    def has_parts_of(self, other: "Layout") -> bool:
        """Says whether programs that were compiled for another layout are right for this one."""
        ids = [[id(v) for v in layout.named.values()] for layout in (self, other)]
        same = self.where is other.where and self.snapshot.layers == other.snapshot.layers
        return same and ids[0] == ids[1]

    def variables(self) -> pure.Variables:
        """Returns the current arrays, for reading only."""
        params: dict[str, Any] = {}
        state: dict[str, Any] = {}
        for (path, variable), trains in zip(self.named.items(), self.trainable, strict=True):
            (params if trains else state)[path] = variable.cell()
        return pure.Variables(params, state)


class Cells:
    """The variables that hold the training state between chunks, read and written as one pytree.

    Args:
        layout: What the model is made of.
        optimizer: The optimizer; built for the trainable weights.
        outside: Variables that a step uses and the model does not own, by path.

    Attributes:
        donates: Whether a chunk destroys the arrays it starts from; not those of a small state.
        names: What the optimizer calls the model's variables.
        shardings: Where the arrays of (params, state, opt_state) lie; None on one device.
    """

    def __init__(self, layout: Layout, optimizer: Any, outside: Mapping[str, Variable]):
        params: dict[str, Variable] = {}
        state: dict[str, Variable] = {}
        for (path, variable), trains in zip(layout.named.items(), layout.trainable, strict=True):
            (params if trains else state)[path] = variable
        optimizer.build(list(params.values()))
        self.names = {variable: path for path, variable in params.items()}
        slots = optimizer.cells(self.names)
        # Flat, because an epoch of a small net takes as long as some walks through a tree.
        self._structure: Any
        self._all, self._structure = jax.tree.flatten(
            (params, {**state, **outside}, slots), is_leaf=is_cell
        )
        size = sum([v.nbytes for v in self._all])
        self.donates = size > (_SMALL_STATE if platform() == "cpu" else _SMALL_STATE_ELSEWHERE)
        self._outside = {id(v) for v in outside.values()}  # some may be the optimizer's, too
        where = layout.where
        self.shardings = where and self._structure.unflatten(where.settle(self._all))

    def read(self) -> tuple[Any, Any, Any]:
        """Returns (params, state, opt_state); a chunk will destroy the arrays if `donates`."""
        if not self.donates:
            return self._structure.unflatten(read_cells(self._all))
        arrays = [
            jnp.copy(v.cell()) if id(v) in self._outside else v.hand_over() for v in self._all
        ]
        return self._structure.unflatten(arrays)

    def write(self, state: TrainState) -> None:
        """Keeps the arrays that a chunk has made; only references move."""
        arrays = self._structure.flatten_up_to((state.params, state.state, state.opt_state))
        write_cells(self._all, arrays)


@dataclasses.dataclass(eq=False)
class Program:
    """The compiled steps of one mode.

    Attributes:
        mode: `"train"`, `"test"` or `"predict"`.
        step: The pure step.
        eager: Whether to run in Python, for debugging.
        outside: Variables that the step uses and the model does not own, by path. Those that
            losses and metrics read from anywhere are found when it is traced first.
        logs: Makes logs of the state after the last step.
        empty: The metrics' states over no data; on the host, since chunks destroy theirs.
        written: For evaluation, the paths of the state that it writes.
        objective: The losses and metrics of `compile`; None where only hooks know them.
        tracked: The metrics that hooks update, as variables among those outside; None without
            hooks.
        parts: Returns what the step computes by, so that models of equal structure share what is
            compiled; None if that cannot be said.
    """

    mode: str
    step: Callable[..., Any]
    eager: bool
    outside: dict[str, Variable]
    logs: Callable[[Any], Any] | None = None
    empty: Any = None
    written: list[str] = dataclasses.field(default_factory=list)
    objective: CompiledObjective | None = None
    tracked: Sequence[Any] | None = None
    parts: Callable[[], Sequence[Any]] | None = None
    _chunks: dict[Any, Any] = dataclasses.field(default_factory=dict)

    def reset(self) -> None:
        """Starts the metrics again that are variables."""
        for metric in self.tracked or ():
            metric.reset_state()

    def chunk(self, select: Any, donate: bool = True, shardings: Any = None) -> Any:
        """Returns the compiled chunk for a feed's `select`.

        Args:
            select: Makes a batch of what stays on the device and of one slot.
            donate: Whether it destroys the arrays of the state before it.
            shardings: Where those of (params, state, opt_state) lie; None on one device.
        """
        leaves, structure = jax.tree.flatten(shardings)
        key = (select, donate, placement.current(), structure, tuple(leaves))
        if key not in self._chunks:
            functions = [f for f in (self.step, self.logs) if f is not None]
            make = functools.partial(_make_chunk, self.mode, select, donate, shardings)
            if self.eager:
                self._chunks[key] = _uncompiled(make(*functions))
            elif self.parts is None:
                self._chunks[key] = make(*functions)
            else:
                kind = (self.mode, *key)
                self._chunks[key] = sharing.compile_once(kind, make, functions, self.parts)
        return self._chunks[key]


class Session:
    """What one `compile` made of a model; of one that is not compiled, what `predict` needs.

    Args:
        model: The model.
        optimizer: A `jkeras.optimizers.Optimizer`; None before `compile`.
        arguments: What `compile` was told of losses and metrics.
        custom: The user's objects that are named there, by name.

    Attributes:
        step: How many training steps were taken; an int32 scalar.
        rng: The key of all steps, as numbers: a call of a compiled program with a typed key among
            its arguments takes three times as long. None before the first step.
        order: The seed of the orders of the data, and the number of the next pass; likewise.
        interrupts: Ctrl-C, held back while a chunk has the weights.
    """

    def __init__(
        self,
        model: AnyModel,
        optimizer: Any = None,
        arguments: Mapping[str, Any] | None = None,
        custom: Mapping[str, Any] | None = None,
    ):
        self.model, self.optimizer, self.arguments = model, optimizer, dict(arguments or {})
        self._custom = dict(custom or {})
        self._draws: SeedGenerator | None = None
        self.step: Any = np.int32(0)
        self.rng: Any = None
        self.order: dict[str, int] | None = None
        self.loss_mean = Mean(name="loss")
        self._start()

    def _start(self) -> None:
        self.interrupts = Interrupts()
        self._left_at: Mapping[str, int] = {}  # the position of the last fit's arrays
        self._lock = threading.RLock()
        self._layout: Layout | None = None
        self._shortcut: Shortcut | None = None
        self._objectives: dict[Any, CompiledObjective] = {}
        self._means = {"loss": self.loss_mean}  # of the loss and its parts
        self._traced: dict[str, dict[str, str]] = {}  # the arguments of the last compilations
        self.shown: CompiledObjective | None = None  # of the last run

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out what is compiled, or made again when it is needed."""
        kept = ("model", "optimizer", "arguments", "_custom", "_draws", "order", "loss_mean")
        numbers = {
            name: None if value is None else np.asarray(value)
            for name, value in (("step", self.step), ("rng", self.rng))
        }
        return {**{name: getattr(self, name) for name in kept}, **numbers}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    # -------------------------------------------------------------- the model
    def layout(self) -> Layout:
        """Returns what the model is made of now; what was compiled for that is in it."""
        known = self._layout
        if known is not None and known.is_current():
            return known
        new = Layout(self.model)
        if known is not None and new.has_parts_of(known):
            new.programs, new.descriptions = known.programs, known.descriptions
        else:
            self._shortcut = None
        if known is not None and known.where is not new.where:  # they lie on the devices of before
            self.step = np.asarray(self.step)
            self.rng = None if self.rng is None else np.asarray(self.rng)
        self._layout = new
        return new

    def finalize(self) -> None:
        """Lets the optimizer replace weights at the end of training: by their moving averages."""
        named = self.layout().named.values()
        self.optimizer.finalize_variable_values(list(filter(_IS_TRAINABLE, named)))

    def describe(self, x: Structure, like: "Session | None" = None) -> Description:
        """Builds the model if needed, and describes what it gives for arrays or specs like `x`.

        Args:
            x: A batch of inputs, of the size in which the model is called.
            like: That of a model which gives the same, by which it need not be found out again.
        """
        return self._described(x, like)[1]

    def _described(self, x: Structure, like: "Session | None" = None) -> tuple[Layout, Description]:
        """Returns what the model is made of now, and the description; see `describe`."""
        leaves, structure = jax.tree.flatten(x)
        with self._lock:
            layout = self.layout()
            if not self.model.built:
                pure.ensure_built(self.model, jax.tree.map(_symbol, x))
                layout = self.layout()
            specs = tuple((a.shape[1:], np.dtype(a.dtype)) for a in leaves)
            key = (structure, specs, tuple(layout.flags))
            found = layout.descriptions.get(key)
            if found is None:
                layout.trusted = False  # the call may build layers
                if like is not None and like is not self:
                    outputs, _, written = like.describe(x)
                else:
                    variables = jax.tree.map(spec_of, layout.variables())
                    specs_of_x = jax.tree.map(spec_of, x)
                    outputs, written = steps.describe(self.model, variables, specs_of_x)
                found = Description(outputs, self.output_names(outputs), written)
                layout = self.layout()
                layout.descriptions[key] = found
            return layout, found

    def output_names(self, outputs: Structure = None) -> Structure:
        """Returns the names of the model's outputs, in their structure: layers, keys, numbers.

        Args:
            outputs: What the model gives; not looked at if it has a graph.
        """
        found = self.model.call_graph()
        if found is not None:
            outputs, names = found.outputs, found.output_names
        else:
            count = len(jax.tree.leaves(outputs))
            names = ["output"] if count == 1 else [f"output_{i + 1}" for i in range(count)]
        if isinstance(outputs, Mapping) and len(jax.tree.leaves(outputs)) == len(outputs):
            return {key: str(key) for key in outputs}
        listed = not isinstance(outputs, (list, tuple, Mapping)) or (
            isinstance(outputs, list) and len(outputs) == len(names)
        )
        return names if listed else jax.tree.unflatten(jax.tree.structure(outputs), names)

    def objective(self, outputs: Structure, y: Structure) -> CompiledObjective:
        """Returns the losses and metrics of `compile` for outputs and targets of these shapes."""
        names = self.output_names(outputs)
        predictions = flatten_outputs(jax.tree.map(spec_of, outputs), names)
        targets = self._targets(y, names)
        shapes = [a if a is None else a.shape[1:] for a in (*predictions, *(targets or ()))]
        key = (str(names), tuple(shapes), targets is None)
        if key not in self._objectives:
            with registry.CustomObjectScope(self._custom):
                self._objectives[key] = CompiledObjective(
                    **self.arguments, output_names=names, outputs=predictions, targets=targets
                )
        return self._objectives[key]

    def _targets(self, y: Structure, names: Any) -> list[Any] | None:
        try:
            targets = per_output(y, names, "y") if y is not None else None
        except ValueError:  # whatever a step of the user's own makes of them
            return None
        return jax.tree.map(spec_of, targets)

    def expected_objective(self) -> CompiledObjective | None:
        """Returns the losses and metrics before any data, if they do not depend on shapes."""
        if self.shown is None and self.optimizer is not None:
            names = None if self.model.call_graph() is None else self.output_names()
            try:
                with registry.CustomObjectScope(self._custom):
                    self.shown = CompiledObjective(**self.arguments, output_names=names)
            except (TypeError, ValueError):
                return None
        return self.shown

    def metrics_by_name(self) -> dict[str, Any]:
        """Returns the metrics of the last run by the names in logs, the mean loss first."""
        objective = self.expected_objective()
        if objective is None:
            return {"loss": self.loss_mean} if self.optimizer is not None else {}
        return self._metrics_of(objective)

    def _metrics_of(self, objective: CompiledObjective) -> dict[str, Any]:
        return {
            name: objective.metrics[name][1]
            if name in objective.metrics
            else self._means.setdefault(name, Mean(name=name))
            for name in objective.result_names
        }

    def publish(self, program: Program, metrics: Structure) -> None:
        """Makes the metric objects show these states, so that `metric.result()` is current."""
        objective = program.objective
        if objective is None or "losses" not in metrics:
            return  # hooks have updated their variables themselves
        losses = metrics["losses"]
        places = objective.loss_means({"losses": range(losses.shape[0])})
        for name, metric in self._metrics_of(objective).items():
            if name in objective.metrics:
                metric.write(metrics[name])
                continue
            # Few look at these: making arrays of them takes a tenth of a small net's step.
            for part, variable in metric.named_variables().items():
                take = functools.partial(_entry, losses, places[name][part])
                write_cell_later(variable, take)

    # -------------------------------------------------------------- data
    def _reader(self, given: Any, batch_size: int | None) -> data.Reader:
        own = hooks.overridden(self.model)
        rows = None if data.is_stream(given) else batch_size or 32

        def names(x: Structure) -> Any:
            if "train_step" in own or "test_step" in own:
                try:
                    return self.describe(_first(x, rows)).names
                except Exception:  # a step of the user's own need not call the model so
                    return ["output"]
            return self.describe(_first(x, rows)).names

        return data.Reader(names, bool(own), self.model._encode_inputs)

    def read(
        self,
        x: Structure,
        y: Structure,
        sample_weight: Structure,
        batch_size: int | None,
        class_weight: Mapping[int, float] | None = None,
        on_device: bool | str = "auto",
    ) -> Any:
        """Makes arrays or a stream of batches of what the user passed."""
        reader = self._reader(x, batch_size)
        return reader.data(x, y, sample_weight, batch_size, class_weight, on_device)

    def read_validation(self, given: Data, batch_size: int | None, on_device: bool | str) -> Any:
        """Does so for `validation_data`."""
        return self._reader(given, batch_size).validation_data(given, batch_size, on_device)

    def check_labels(self, program: "Program", given: Any) -> None:
        """Looks for targets that a loss cannot take: in all arrays, or a stream's first batch."""
        if program.objective is not None and program.tracked is None:
            outputs = self.describe(given.example.x).outputs
            batch = given.batch if isinstance(given, data.ArrayData) else given.example
            data.check_labels(program.objective, batch, outputs)

    def place(self, given: Any, shuffle: bool, goes_on: bool = False) -> Any:
        """Returns a feed for training; its orders go on where the last fit's have ended.

        Args:
            given: The data.
            shuffle: Whether they are taken in random order.
            goes_on: Whether a pass that the last fit has begun is to be ended.
        """
        if not shuffle:
            feed = given.feed()
        else:
            if self.order is None:
                self.order = {"seed": keys.draw_integer_seed(), "pass": 0}
            feed = given.feed(self.order["seed"])
        if isinstance(feed, ArrayFeed):
            start = {**feed.position, **(self.order if shuffle and self.order else {})}
            same = start.keys() == self._left_at.keys() and all(
                start[name] == self._left_at[name] for name in start.keys() - {"pass", "offset"}
            )
            feed.position = self._left_at if goes_on and same else start
        return feed

    def keep_order(self, feed: Any) -> None:
        """Notes where the orders of a feed stand."""
        if not isinstance(feed, ArrayFeed):
            return
        position = self._left_at = feed.position
        if "seed" in position:
            started = 1 if position["offset"] else 0
            self.order = {"seed": position["seed"], "pass": position["pass"] + started}

    # -------------------------------------------------------------- programs
    def program(self, mode: str, batch: Batch) -> Program:
        """Returns the program of `"train"` or `"test"` for batches like this one.

        Args:
            mode: Which.
            batch: A batch of arrays or specs, of the size of most batches.
        """
        _ready_process()
        with self._lock:
            own = hooks.overridden(self.model)
            described = None
            if f"{mode}_step" in own:
                hooks.ensure_built(self, batch.x)
                layout = self.layout()
            else:
                layout, described = self._described(batch.x)
            leaves, structure = jax.tree.flatten(batch)
            specs = tuple((a.shape[1:], np.dtype(a.dtype)) for a in leaves)
            eager = self.model.run_eagerly
            flags = tuple(layout.flags), tuple(layout.trainable), eager, hooks.set_on(self.model)
            key = (mode, structure, specs, *flags, getattr(self.optimizer, "schedules_set", 0))
            program = layout.programs.get(key)
            if program is None:
                layout.trusted = False
                make = hooks.program_parts if own else _standard_parts
                parts = make(self, mode, batch, described)
                step = self._noted(mode, parts.pop("step"))
                program = Program(mode, step, eager, **parts)
                self.layout().programs[key] = program
            if program.objective is not None:
                self.shown = program.objective
            return program

    def names(self) -> dict[Variable, str]:
        """Returns what the optimizer calls the model's variables."""
        return {variable: path for path, variable in self.layout().named.items()}

    def prediction_program(self) -> Program:
        """Returns the program of `predict`: its resident part is a list of the variables' arrays.

        Handing over arrays in dicts takes as long as a small model's outputs for one row.
        """
        _ready_process()
        layout, own = self.layout(), vars(self.model).get("predict_step")
        key = ("predict", self.model.run_eagerly, own)
        if key not in layout.programs:
            outside: dict[str, Variable] = {}
            step = keras_steps.own_predict_step(self.model, layout.named)
            step = step or steps.make_predict_step(self.model, outside)
            paths = list(layout.named)

            def on_list(written: Any, given: tuple[list[Any], Any]) -> Any:
                arrays, x = given
                state = dict(zip([*paths, *outside], arrays, strict=True))
                with steps.refusing_outside(self.next_key):
                    return step(written, pure.Variables({}, state), x)

            layout.programs[key] = Program(
                "predict", on_list, self.model.run_eagerly, outside, parts=lambda: [self.model]
            )
        return layout.programs[key]

    def train_step(self, objective: Any, outside: Mapping[str, Variable]) -> Any:
        """Returns the pure step of training."""
        tx, scale = self.optimizer.transform(self.names()), self.optimizer.loss_scale
        step = steps.make_train_step(self.model, objective, tx, scale, outside)

        def train_step(state: TrainState, batch: Batch) -> TrainState:
            with steps.refusing_outside():
                return step(state, batch)

        return train_step

    def test_step(self, objective: Any, outside: Mapping[str, Variable]) -> Any:
        """Returns the pure step of evaluation."""
        step = steps.make_test_step(self.model, objective, outside)

        def test_step(carry: EvalState, given: tuple[pure.Variables, Batch]) -> EvalState:
            with steps.refusing_outside(self.next_key):
                return step(carry, given)

        return test_step

    def next_key(self) -> jax.Array:
        """Returns a key for a batch of evaluation or prediction, where the model draws.

        Its state is found as a variable from outside of the model, and carried as one.
        """
        if self._draws is None:
            with scope.outside(), concretely():
                self._draws = SeedGenerator(name="draws")
        return self._draws.next_key()

    @property
    def draws(self) -> ArrayLike:
        """The state of the random draws of evaluation; None before the first. It may be set."""
        return None if self._draws is None else self._draws.state.value

    @draws.setter
    def draws(self, state: ArrayLike) -> None:
        if state is not None:
            if self._draws is None:
                self._draws = SeedGenerator(0, name="draws")
            self._draws.state.assign(state)

    def written_outside(self, outside: Mapping[str, Variable]) -> list[str]:
        """Returns which of the variables from outside evaluation and prediction change."""
        state = None if self._draws is None else self._draws.state
        return [path for path, variable in outside.items() if variable is state]

    def cells(self, layout: Layout, outside: Mapping[str, Variable]) -> Cells:
        """Returns the cells of training; draws the key of the steps if there is none yet."""
        key = tuple(outside), self.optimizer.schedules_set
        if key not in layout.cells:
            layout.cells[key] = Cells(layout, self.optimizer, outside)
        if self.rng is None:
            self.rng = np.asarray(jax.random.key_data(keys.next_global_key()))
        return layout.cells[key]

    def _noted(self, mode: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Returns a step that logs when it is compiled.

        It does so while it is traced, which takes no time when nothing is compiled.
        """

        def noted(state: Any, given: Any) -> Any:
            self._note_compilation(mode, given if mode == "train" else given[1])
            return step(state, given)

        return noted

    def _note_compilation(self, mode: str, batch: Batch) -> None:
        """Logs that a step is compiled, and which arguments changed."""
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

    # -------------------------------------------------------------- prediction
    def known_outputs(self, x: Structure, batch_size: int) -> Structure:
        """Returns the outputs for one batch like an earlier one; None if it is not."""
        shortcut, layout = self._shortcut, self._layout
        if shortcut is None or layout is None or layout.where is not placement.current():
            return None
        return shortcut.run(x, batch_size)

    def remember(self, x: Structure, prediction: "Prediction") -> None:
        """Notes that the outputs for arrays like `x` can be had as those of a prediction."""
        shortcut = self._shortcut or prediction.shortcut()
        shortcut.remember(x)
        self._shortcut = shortcut


def _warn_of_borrowed(outside: Mapping[str, Variable]) -> None:
    """Warns of weights of layers that training uses and does not change."""
    borrowed = [v.path for v in outside.values() if v.of_layer and v.trainable]
    if borrowed:
        warnings.warn(
            f"Training uses the weights {borrowed}, which the model does not own: they are not "
            "trained.\nMake the layer that holds them an attribute of the model (`self.dense = "
            "dense`, or an item of a list or dict in one); or set its `trainable = False`, if its "
            "weights are to stay as they are.",
            stacklevel=2,
        )


def _standard_parts(session: Session, mode: str, batch: Batch, described: Any) -> dict[str, Any]:
    """Returns the parts of a program of `"train"` or `"test"`."""
    objective = session.objective(described.outputs, batch.y)
    step = session.train_step if mode == "train" else session.test_step
    outside: dict[str, Variable] = {}
    return {
        "step": step(objective, outside),
        "logs": lambda state: objective.compute(state.metrics),
        "empty": jax.tree.map(np.asarray, jax.device_get(objective.init())),
        "written": described.written,
        "objective": objective,
        "outside": outside,
        "parts": lambda: [
            session.model,
            objective,
            objective.result_names,
            session.optimizer if mode == "train" else None,
        ],
    }


# ------------------------------------------------------------------ runs of chunks
class _Run:
    """Runs chunks of a program, and finds the variables it uses besides the model's own."""

    def __init__(self, session: Session, program: Program):
        self._session, self._program = session, program
        self._layout = session.layout()

    def _again(self) -> None:
        """Starts again with the variables that were found."""

    def _call(self, run: Callable[[], Any]) -> Any:
        try:
            return run()
        except steps.OutsideVariables as found:
            hooks.add_outside(self._program.outside, found)
            self._again()
            return run()

    def _write(self, written: Mapping[str, Any]) -> None:
        """Keeps what inference has written."""
        if written:
            named = {**self._layout.named, **self._program.outside}
            for path, value in written.items():
                named[path].set_cell(value)
            self._settle()

    def _settle(self) -> None:
        """Puts the variables that are not the model's own where they belong."""
        if self._layout.where is not None:
            self._layout.where.settle(
                [*self._layout.named.values(), *self._program.outside.values()]
            )


class Training(_Run):
    """Runs chunks of training, and keeps the state in the cells in between.

    Args:
        session: The session.
        program: The program.
        select: Makes a batch of what stays on the device and of one slot.
        wrap: Makes another function of that which runs a chunk.

    Attributes:
        metrics: The metrics' states of the epoch so far, or of the last one.
    """

    def __init__(self, session: Session, program: Program, select: Any, wrap: Any = None):
        super().__init__(session, program)
        self._select, self._wrap = select, wrap
        self._compile()
        self.metrics: Any = program.empty
        self._restored: dict[str, Any] = {}  # values of variables outside, not yet found

    def _compile(self) -> None:
        cells = self._cells = self._session.cells(self._layout, self._program.outside)
        run_chunk = self._program.chunk(self._select, cells.donates, cells.shardings)
        self._run_chunk = run_chunk if self._wrap is None else self._wrap(run_chunk)

    @property
    def donates(self) -> bool:
        """Whether a chunk destroys the arrays of the state before it."""
        return self._cells.donates

    def begin(self) -> None:
        """Starts the metrics again."""
        objective, empty = self._program.objective, self._program.empty
        self.metrics = empty if objective is None else objective.restart(empty, self.metrics)
        if self._program.tracked:
            self._program.reset()

    def state(self) -> TrainState:
        """Returns the state for the next chunk."""
        params, state, opt_state = self._cells.read()
        session = self._session
        return TrainState(session.step, params, state, opt_state, self.metrics, session.rng)

    def take(self, chunk: Chunk) -> Mapping[str, Any]:
        """Runs a chunk; returns the logs at its end, still on the device."""
        with self._session.interrupts.held():
            state, logs = self._call(
                lambda: chunk.run(self._run_chunk, self.state(), chunk.resident)
            )
            self.write(state)
            self.metrics = state.metrics
        return logs

    def _again(self) -> None:
        self._layout = self._session.layout()
        self._set_restored()
        _warn_of_borrowed(self._program.outside)
        if self._layout.where is None:
            self._cells = self._session.cells(self._layout, self._program.outside)
        else:  # where the arrays lie is a part of the program
            self._compile()

    def write(self, state: TrainState) -> None:
        """Keeps a state in the cells."""
        self._cells.write(state)
        self._session.step, self._session.rng = state.step, state.rng

    def restore(self, state: TrainState, outside: Mapping[str, Any]) -> None:
        """Goes on from a state of another process.

        Args:
            state: The state.
            outside: Values of variables outside of the model by path; some are only found when a
                step is traced.
        """
        self.write(state)
        self.metrics, self._restored = state.metrics, dict(outside)
        self._set_restored()

    def _set_restored(self) -> None:
        for path, variable in self._program.outside.items():
            if path in self._restored:
                variable.assign(self._restored.pop(path))

    def bad_step(self, metrics: Structure) -> int:
        """Returns the first step of the epoch whose loss was not finite; 0 if there was none."""
        if "losses" not in metrics:
            return 0  # a step of the user's own keeps no count
        return int(self._program.objective.first_bad_step(metrics))  # type: ignore[union-attr]

    def publish(self) -> None:
        """Makes the metric objects show the last epoch's states."""
        self._session.publish(self._program, self.metrics)


class Evaluation(_Run):
    """Runs chunks of evaluation on the weights as they are at its begin.

    Args:
        session: The session.
        program: The program.
        select: Makes a batch of what stays on the device and of one slot.
    """

    def __init__(self, session: Session, program: Program, select: Any):
        super().__init__(session, program)
        self._run_chunk = program.chunk(select)
        self._carry: Any = None
        self._variables: Any = None

    def begin(self) -> None:
        """Starts from the weights as they are now."""
        program, self._layout = self._program, self._session.layout()
        program.reset()
        self._settle()
        params, state = self._layout.variables()
        state = {**state, **{path: v.cell() for path, v in program.outside.items()}}
        self._variables = pure.Variables(params, state)
        self._carry = EvalState({path: state[path] + 0 for path in program.written}, program.empty)

    def take(self, chunk: Chunk) -> Mapping[str, Any]:
        """Runs a chunk; returns the logs at its end, still on the device."""
        self._carry, logs = self._call(
            lambda: chunk.run(self._run_chunk, self._carry, (self._variables, chunk.resident))
        )
        return logs

    def _again(self) -> None:
        written = self._session.written_outside(self._program.outside)
        self._program.written = [*dict.fromkeys([*self._program.written, *written])]
        self.begin()

    def end(self) -> None:
        """Keeps what evaluation has written."""
        self._write(self._carry.state)

    def publish(self) -> None:
        """Makes the metric objects show their states."""
        self._session.publish(self._program, self._carry.metrics)


class Prediction(_Run):
    """Runs chunks of the forward pass, and collects the outputs.

    Args:
        session: The session.
        written: The paths of the model's variables that inference writes.

    Attributes:
        written: Those, and of others that it writes.
    """

    def __init__(self, session: Session, written: list[str]):
        super().__init__(session, session.prediction_program())
        self._of_model = written
        self._run_chunk = self._program.chunk(_beside)
        self._parts: list[Any] = []  # outputs, on the host
        self._late: list[Any] = []  # those of the last chunk
        self._again()

    def _again(self) -> None:
        outside = self._program.outside
        self.written = [*self._of_model, *self._session.written_outside(outside)]
        named = {**self._layout.named, **outside}
        self._settle()
        self._carry: Any = {path: named[path].cell() for path in self.written}

    def _arrays(self) -> list[Any]:
        return read_cells([*self._layout.named.values(), *self._program.outside.values()])

    def take(self, chunk: Chunk) -> Mapping[str, Any]:
        """Runs a chunk; returns its outputs."""
        self._carry, parts = self._call(
            lambda: chunk.run(self._run_chunk, self._carry, self._arrays())
        )
        self._fetch()  # while this chunk runs: the device holds the outputs of two at most
        self._late = parts
        return {"outputs": parts[0]}

    def end(self) -> Structure:
        """Keeps what the model has written; returns all outputs, as NumPy arrays."""
        self._write(self._carry)
        self._fetch()
        if len(self._parts) == 1:
            return self._parts[0]
        return jax.tree.map(lambda *pieces: np.concatenate(pieces), *self._parts)

    def _fetch(self) -> None:
        self._parts += jax.tree.map(np.asarray, self._late)
        self._late = []

    def shortcut(self) -> Shortcut:
        """Returns the quick way for a batch like the last one."""
        cells = [*self._layout.named.values(), *self._program.outside.values()]
        run_chunk = self._run_chunk

        def run(x: Structure) -> Any:
            return run_chunk({}, read_cells(cells), None, rest=x)[1][0]

        return Shortcut(run, self._layout.snapshot.is_current)


def _entry(array: ArrayLike, place: int) -> jax.Array:
    """Returns an entry, by NumPy where that can be: JAX's own way is an operation."""
    if isinstance(array, jax.Array) and not array.is_fully_addressable:
        return array[place]
    return jax.device_put(np.asarray(array)[place])


def _ready_process() -> None:
    """Does what a process needs once, before programs are compiled."""
    compilation_cache.enable_by_default()
    host_memory.keep_by_default()


def _beside(resident: Any, slot: Any) -> Any:
    return resident, slot


def _with_variables(select: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Makes of a feed's `select` one that also gives the model's variables."""

    def select_with(resident: tuple[Any, Any], slot: Any) -> tuple[Any, Batch]:
        variables, rows = resident
        return variables, Batch(*select(rows, slot))

    return select_with


def _make_chunk(
    mode: str, select: Any, donate: bool, shardings: Any, step: Any, logs: Any = None
) -> Any:
    where = placement.current()
    if where is not None:
        select = _beside_split(where) if mode == "predict" else _splitting(select, where)
        step, logs = _placing(mode, step, shardings, where), _replicating(logs, where)
    if mode == "predict":
        return engine.make_map(step, select)
    make_batch = select if mode == "train" else _with_variables(select)
    run = engine.make_chunk(step, make_batch, logs, donate)
    return run if where is None else _from_mesh(run, where)


# ------------------------------------------------------------------ under a distribution
def _from_mesh(run: Any, where: Any) -> Any:
    """Makes a chunk take what of a state is on the host as it will return it.

    A program is another one, and compiled again, where its arguments lie elsewhere.
    """

    def placed(leaf: Any) -> Any:
        return leaf if isinstance(leaf, jax.Array) else where.put(leaf, where.replicated)

    def run_from_mesh(state: Any, *args: Any, **kwargs: Any) -> Any:
        return run(jax.tree.map(placed, state), *args, **kwargs)

    return run_from_mesh


def _splitting(select: Any, where: Any) -> Any:
    """Makes of a feed's `select` one that splits the rows of batches over the devices."""

    def select_split(resident: Any, slot: Any) -> Any:
        return where.split(select(resident, where.split(slot)))

    return select_split


def _beside_split(where: Any) -> Any:
    return lambda resident, slot: (resident, where.split(slot))


def _replicating(function: Any, where: Any) -> Any:
    return function and (lambda state: where.replicate(function(state)))


def _placing(mode: str, step: Any, shardings: Any, where: Any) -> Any:
    """Makes of a step one whose results lie where the next one expects them.

    Without this XLA may choose: then the next chunk would be another program. In training it is
    also what makes each device compute only its own part of a gradient.
    """

    def placed(state: TrainState, batch: Any) -> TrainState:
        new = step(state, batch)
        params, kept, slots = jax.tree.map(
            jax.lax.with_sharding_constraint, (new.params, new.state, new.opt_state), shardings
        )
        taken, metrics, rng = where.replicate((new.step, new.metrics, state.rng))
        return TrainState(taken, params, kept, slots, metrics, rng)

    def whole(state: Any, batch: Any) -> Any:
        return where.replicate(step(state, batch))

    def predicted(carry: Any, batch: Any) -> Any:
        new, outputs = step(carry, batch)
        return where.replicate(new), where.replicate(outputs) if where.spans_processes else outputs

    return {"train": placed, "test": whole, "predict": predicted}[mode]


def _uncompiled(run: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a chunk that runs in Python, for debugging."""

    def run_uncompiled(*args: Any, **kwargs: Any) -> Any:
        with jax.disable_jit():
            return run(*args, **kwargs)

    return run_uncompiled


def spec_of(array: ArrayLike) -> jax.ShapeDtypeStruct:
    """Returns the shape of an array, and its dtype on the device."""
    return jax.ShapeDtypeStruct(array.shape, jax.dtypes.canonicalize_dtype(array.dtype))


def _symbol(array: ArrayLike) -> graph.SymbolicTensor:
    """Returns a symbolic tensor for an array of a batch, its first axis of any size."""
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    sample = array.shape[0] if array.ndim else None
    return graph.SymbolicTensor((None, *array.shape[1:]), dtype, sample=sample)


def _first(x: Structure, rows: int | None) -> Any:
    """Returns the specs of the first rows of arrays; of all, if `rows` is None."""

    def spec(array: ArrayLike) -> jax.ShapeDtypeStruct:
        count = array.shape[0] if rows is None else min(rows, array.shape[0])
        return jax.ShapeDtypeStruct((count, *array.shape[1:]), array.dtype)

    return jax.tree.map(spec, x)
