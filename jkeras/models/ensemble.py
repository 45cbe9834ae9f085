"""Many models of one architecture, trained as one compiled program: ensembles, sweeps, folds.

A training state is one pytree and a step is pure, so `jax.vmap` of the step trains any number of
states at once. Each member is an ordinary model, which holds its values between calls of `fit`, and
whenever one of its callbacks is called: so all callbacks mean for a member what they mean for a
model of its own.
"""

import contextlib
import copy
import functools
import inspect
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import keys, naming
from jkeras.base.extras import missing
from jkeras.base.old_spellings import OldLogs
from jkeras.base.types import Structure
from jkeras.callbacks.callback import CallbackList
from jkeras.callbacks.monitor import direction_of
from jkeras.callbacks.progress import EpochProgress, resolve_verbose
from jkeras.callbacks.terminate_on_nan import TerminateOnNaN
from jkeras.core import placement, pure
from jkeras.metrics.metric import Metric
from jkeras.models import arguments, sharing
from jkeras.models.model import Model
from jkeras.models.session import Training
from jkeras.training import budget, engine, loop, steps
from jkeras.training.data import ArrayData
from jkeras.training.state import Batch, EvalState, TrainState

_log = logging.getLogger("jkeras")

# Numbers that may be set on any optimizer, where `make_model` does not take them.
_OF_OPTIMIZERS = ("learning_rate", "weight_decay", "momentum", "beta_1", "beta_2", "epsilon", "rho")


class WantsBatchesError(ValueError):
    """A callback wants to be called for batches, which an ensemble does not do."""


class Ensemble:
    """Models of one architecture with their own seeds and settings, trained as one program.

    Member i is what `keras.utils.set_random_seed(seeds[i])`, `make_model(...)` and `fit` give by
    themselves: weights, order of the data, dropout and history, up to the last bits.

    Args:
        make_model: A function that returns a model. It is called once for each member, with those
            of the settings that it takes by name.
        seeds: The members' seeds; or how many members there are, whose seeds count from 0.
        members_at_once: How many members are trained in one program, the others after them; by
            default as many as fit into half of the memory that is free.
        **settings: What differs between the members: a value each. Besides arguments of
            `make_model`, `learning_rate` and other numbers of the optimizer are taken.

    Attributes:
        members: The models.
        history: From the names of values to a list for each member of its values by epoch.

    Raises:
        ValueError: If the settings are not as many as the members, or members differ in more than
            numbers: other sizes make other programs (see `search`).

    Example:
        >>> import numpy as np, jkeras as keras
        >>> def make_model():
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> x = np.linspace(0, 1, 64, dtype="float32")[:, None]
        >>> runs = keras.models.Ensemble(
        ...     make_model, seeds=[0, 0, 0], learning_rate=[0.01, 0.1, 0.3]
        ... )
        >>> history = runs.fit(x, 2 * x + 1, epochs=5, verbose=0)
        >>> [len(losses) for losses in history["loss"]]
        [5, 5, 5]
        >>> runs.members.index(runs.best("loss"))
        2
        >>> runs.predict(x).shape, runs.predict(x, reduce="mean").shape
        ((3, 64, 1), (64, 1))
    """

    def __init__(
        self,
        make_model: Callable[..., Model],
        seeds: int | Iterable[int] | None = None,
        members_at_once: int | None = None,
        **settings: Any,
    ):
        lengths = {name: len(values) for name, values in settings.items()}
        if seeds is None:
            seeds = next(iter(lengths.values()), 1)
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else [int(s) for s in seeds]
        count = len(self.seeds)
        wrong = {name: length for name, length in lengths.items() if length != count}
        if wrong or not count:
            raise ValueError(
                f"An ensemble of {count} members needs {count} values of each setting, got "
                f"{wrong or 'no seeds'}. `seeds` may be the number of members."
            )
        self.settings = {name: _plain_values(values) for name, values in settings.items()}
        self.members_at_once = members_at_once
        self._members = self._make(make_model)
        self._check_equal()
        self.history: dict[str, list[list[float]]] = {}
        self._programs: dict[Any, Any] = {}

    def _make(self, make_model: Callable[..., Model]) -> list["_Member"]:
        taken = inspect.signature(make_model).parameters
        takes_all = any(p.kind is p.VAR_KEYWORD for p in taken.values())
        of_model = [name for name in self.settings if name in taken or takes_all]
        others = [name for name in self.settings if name not in of_model]
        unknown = [name for name in others if name not in _OF_OPTIMIZERS]
        if unknown:
            raise ValueError(
                f"`make_model` takes no argument {unknown[0]!r}, and optimizers have no such "
                "number: give it that argument."
            )
        members, before = [], keys.global_state()
        try:
            for number, seed in enumerate(self.seeds):
                keys.set_random_seed(seed)
                values = {name: values[number] for name, values in self.settings.items()}
                model = make_model(**{name: values[name] for name in of_model})
                if not isinstance(model, Model):
                    raise TypeError(f"`make_model` must return a keras.Model, got {model!r}.")
                members.append(_Member(number, model, {name: values[name] for name in others}))
                members[-1].call_metrics_as(members[0])
        finally:
            keys.set_global_state(before)
        return members

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compiles each member as `Model.compile` does; optimizers, losses and metrics are copied.

        Args:
            *args: The arguments of `Model.compile`.
            **kwargs: Likewise.
        """
        for member in self._members:
            member.model.compile(*copy.deepcopy(args), **copy.deepcopy(kwargs))
            member.set_numbers()
        self._programs = {}
        self._check_equal()

    def _check_equal(self) -> None:
        """Finds the numbers in which members differ; anything else is an error."""
        marks = [sharing.numbered_fingerprint(*member.parts()) for member in self._members]
        if len(marks) > 1 and any(mark is None for mark in marks):
            raise ValueError(
                "It cannot be said whether the members have one structure: a model holds what is "
                "not layers, numbers, text, arrays or functions, or uses a module of its own."
            )
        for member, mark in zip(self._members[1:], marks[1:], strict=True):
            name = _difference(marks[0], mark)
            if name:
                raise ValueError(
                    f"The members 0 and {member.number} differ in {name}, which is not a number "
                    "that one program can take from outside. Members of other sizes or layers are "
                    "another program: make an ensemble of each, or use keras.models.search."
                )

    # -------------------------------------------------------------- the members
    def parts(self) -> list[Any]:
        """Returns what the first member's step computes by; see `sharing.fingerprint`."""
        return self._members[0].parts()

    @property
    def members(self) -> list[Model]:
        """The models."""
        return [member.model for member in self._members]

    def member(self, number: int) -> Model:
        """Returns a member: an ordinary model."""
        return self._members[number].model

    def __len__(self) -> int:
        return len(self._members)

    def best(self, monitor: str = "val_loss", mode: str = "auto") -> Model:
        """Returns the member whose value was best at the end of training.

        Where `EarlyStopping` has restored a member's best weights, their value counts.

        Args:
            monitor: The name of the value.
            mode: `"min"`, `"max"`; `"auto"`: known from the metric.

        Raises:
            ValueError: If there is no such value, or it is not known which way is better.
        """
        return self.member(self._order(monitor, mode)[0])

    def _order(self, monitor: str, mode: str = "auto") -> list[int]:
        if monitor not in self.history:
            raise ValueError(f"There is no value {monitor!r} in {sorted(self.history)}: call fit.")
        direction = mode if mode != "auto" else direction_of(self.member(0), monitor)
        if direction is None:
            raise ValueError(f"Say whether {monitor!r} is better low or high: mode='min' or 'max'.")
        sign = 1 if direction == "min" else -1
        finals = [
            member.final(monitor, values[-1])
            for member, values in zip(self._members, self.history[monitor], strict=True)
        ]
        keyed = [np.inf if np.isnan(value) else sign * value for value in finals]
        return sorted(range(len(self)), key=keyed.__getitem__)

    # -------------------------------------------------------------- training
    def fit(
        self,
        x: Structure,
        y: Structure = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Structure = None,
        initial_epoch: int = 0,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        rows: Sequence[Any] | None = None,
    ) -> dict[str, list[list[float]]]:
        """Trains all members.

        Args:
            x: The inputs: arrays, as `Model.fit` takes them.
            y: The targets.
            batch_size: Samples a step and member; 32 by default.
            epochs: The number of the epoch to stop before.
            verbose: 0: silent; 1 or 2: a line an epoch, with each value's median over the members,
                and the lowest loss.
            callbacks: Callbacks, of which each member gets copies of its own; or a function that
                returns a list of them for the number of a member. In the names of files and
                folders `{member}` stands for that number, and is put in where it is missing.
            validation_split: The fraction of the rows, at the end, that is kept for validation.
            validation_data: `(x, y)` or `(x, y, sample_weight)`.
            shuffle: Whether each epoch takes the samples in a new order: another one a member.
            class_weight: From class numbers to factors of their samples' losses.
            sample_weight: A factor for each sample's loss.
            initial_epoch: The number of the first epoch.
            validation_batch_size: Samples a step of validation; `batch_size` by default.
            validation_freq: Validate after every n-th epoch.
            rows: For each member a pair of row numbers, of training and of validation: the folds
                of a cross-validation. All must be of one size.

        Returns:
            The history: from names to a list for each member.

        Raises:
            ValueError: If the models are not compiled, the data are no arrays, or a callback wants
                to be called for batches.
        """
        session = self.member(0)._compiled_session("fit")
        arguments.check(Model.fit, {}, epochs=epochs, batch_size=batch_size, shuffle=shuffle)
        with self._members[0].drawing():  # reading builds a model that is not built yet
            train = session.read(x, y, sample_weight, batch_size, class_weight)
        if not isinstance(train, ArrayData):
            raise ValueError("An ensemble is trained on arrays: a stream has one order for all.")
        valid: Any = None
        size = validation_batch_size or batch_size
        if rows is not None:
            valid = ArrayData(train.batch, size or train.batch_size)
        elif validation_data is not None:
            valid = session.read_validation(validation_data, size, "auto")
        elif validation_split:
            train, valid = train.split(validation_split, validation_batch_size)
        plan = _Plan(train, valid, shuffle, range(initial_epoch, epochs), validation_freq, rows)
        verbose = resolve_verbose(verbose)
        for member in self._members:
            member.begin(callbacks, plan, epochs)
        groups = self._groups()
        for number, group in enumerate(groups):
            if verbose and len(groups) > 1:
                _log.info("Members %d to %d:", group[0].number, group[-1].number)
            _Run(self, group, plan, verbose if number == len(groups) - 1 else 0).run()
        names = self._members[0].history
        self.history = {name: [member.history[name] for member in self._members] for name in names}
        return self.history

    def _groups(self) -> list[list["_Member"]]:
        """Returns the members in groups that fit into memory."""
        members, size = self._members, self.members_at_once
        if size is None:
            # The state before and after a step, gradients, and what a step needs besides.
            a_member = 4 * sum(v.nbytes for v in members[0].variables())
            free = budget.free_bytes()
            size = len(members) if free is None else max(1, int(0.5 * free / max(a_member, 1)))
            if size < len(members):
                _log.warning(
                    "%d members take about %.3g GB: they are trained %d at a time. "
                    "(Ensemble(members_at_once=...) sets the number.)",
                    len(members),
                    len(members) * a_member / 1e9,
                    size,
                )
        return [members[i : i + size] for i in range(0, len(members), size)]

    # -------------------------------------------------------------- evaluation, prediction
    def evaluate(
        self,
        x: Structure,
        y: Structure = None,
        batch_size: int | None = None,
        sample_weight: Structure = None,
    ) -> dict[str, np.ndarray]:
        """Returns the losses and metrics: from names to an array of a value for each member.

        Args:
            x: The inputs: arrays.
            y: The targets.
            batch_size: Samples a step; 32 by default.
            sample_weight: A factor for each sample's loss.
        """
        session = self.member(0)._compiled_session("evaluate")
        with self._members[0].drawing():
            given = session.read(x, y, sample_weight, batch_size)
        plan = _Plan(given, given, False, range(0), 1, None)
        for member in self._members:
            member.place(plan)
        run = _Run(self, self._members, plan, 0)
        return loop.fetch(run.evaluate(run.stack()))

    def predict(self, x: Structure, batch_size: int = 32, reduce: str | None = None) -> Any:
        """Returns the members' outputs.

        Args:
            x: The inputs: arrays.
            batch_size: Samples a step.
            reduce: None: the outputs of each member, on a new first axis; `"mean"`: their mean;
                `"vote"`: the class (the last axis's largest output) that most members have chosen.

        Returns:
            An array, or a structure of arrays as the models give them.
        """
        if reduce not in (None, "mean", "vote"):
            raise ValueError(
                f"`reduce` must be None, 'mean' or 'vote'. Received: reduce={reduce!r}"
            )
        with self._members[0].drawing():
            given = self.member(0)._session.read(x, None, None, batch_size)
        for member in self._members:
            with member.drawing():
                member.model._session.describe(given.example.x)
        variables = _stacked([pure.read(model) for model in self.members])
        if "predict" not in self._programs:
            step = steps.make_predict_step(self.member(0))
            forward = jax.vmap(lambda values, x: step({}, values, x)[1], (0, None))
            self._programs["predict"] = jax.jit(forward)
        parts = []
        for start in range(0, len(jax.tree.leaves(given.batch.x)[0]), batch_size):
            part = _at(given.batch.x, slice(start, start + batch_size))
            outputs = self._programs["predict"](variables, part)
            parts.append(jax.tree.map(lambda a: np.asarray(_reduced(a, reduce)), outputs))
        axis = 0 if reduce else 1
        return jax.tree.map(lambda *arrays: np.concatenate(arrays, axis), *parts)

    # -------------------------------------------------------------- results
    def dataframe(self) -> Any:
        """Returns the history as a pandas data frame: a row for each member and epoch."""
        try:
            import pandas as pd
        except ImportError as error:
            raise missing("`dataframe` needs pandas", "pandas", "pandas") from error
        lines = []
        for member in self._members:
            own = {name: values[member.number] for name, values in self.settings.items()}
            columns = {name: values[member.number] for name, values in self.history.items()}
            longest = max(map(len, columns.values()), default=0)
            for epoch in range(longest):
                values = {n: v[epoch] if epoch < len(v) else np.nan for n, v in columns.items()}
                seed = self.seeds[member.number]
                lines.append(
                    {"member": member.number, "seed": seed, **own, "epoch": epoch + 1, **values}
                )
        return pd.DataFrame(lines)

    def plot(self, monitor: str | None = None, ax: Any = None) -> Any:
        """Draws a value's course in each member, the best one in front; returns matplotlib's axes.

        Args:
            monitor: The name of the value; `"val_loss"`, if there is one, else `"loss"`.
            ax: Axes to draw into; new ones by default.
        """
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise missing("`plot` needs matplotlib", "matplotlib", "plot") from error
        monitor = monitor or ("val_loss" if "val_loss" in self.history else "loss")
        ax = plt.subplots()[1] if ax is None else ax
        order = self._order(monitor)
        for number in reversed(order):
            values = self.history[monitor][number]
            style = {"color": "C0", "lw": 2} if number == order[0] else {"color": "0.7", "lw": 1}
            label = f"member {number} (best)" if number == order[0] else None
            ax.plot(range(1, len(values) + 1), values, label=label, **style)
        ax.set_xlabel("epoch")
        ax.set_ylabel(monitor)
        ax.legend()
        return ax

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Saves the members, a `.keras` file each, with seeds, settings and history.

        Args:
            directory: The folder; made if it is not there.
        """
        folder = Path(directory).expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        for member in self._members:
            member.model.save(folder / f"member_{member.number:04}.keras")
        facts = {"seeds": self.seeds, "settings": self.settings, "history": self.history}
        (folder / "ensemble.json").write_text(json.dumps(facts))

    @classmethod
    def load(
        cls, directory: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None
    ) -> "Ensemble":
        """Returns an ensemble that `save` has written.

        Args:
            directory: The folder.
            custom_objects: The user's classes and functions by name.
        """
        from jkeras.saving import load_model

        folder = Path(directory).expanduser()
        facts = json.loads((folder / "ensemble.json").read_text())
        found = iter(sorted(folder.glob("member_*.keras")))
        self = cls(lambda: load_model(next(found), custom_objects), facts["seeds"])
        self.settings, self.history = facts["settings"], facts["history"]
        return self


# ------------------------------------------------------------------ members
class _Plan(NamedTuple):
    """What one `fit` is on."""

    train: ArrayData
    valid: ArrayData | None
    shuffle: bool
    epochs: range
    frequency: Any
    rows: Sequence[Any] | None


class _Member:
    """A model of an ensemble, and what it has of its own while it is trained.

    Args:
        number: Its number.
        model: The model, just made.
        numbers: Numbers to set on its optimizer.
    """

    def __init__(self, number: int, model: Model, numbers: Mapping[str, Any]):
        self.number, self.model, self._numbers = number, model, numbers
        self._random = keys.global_state()
        self.set_numbers()
        self._called = CallbackList()

    def set_numbers(self) -> None:
        """Sets the numbers on the optimizer, once there is one."""
        optimizer = getattr(self.model, "optimizer", None)
        if optimizer is None:
            return
        for name, value in self._numbers.items():
            if not hasattr(optimizer, name):
                raise ValueError(f"The optimizer {type(optimizer).__name__} has no {name!r}.")
            setattr(optimizer, name, value)

    def call_metrics_as(self, first: "_Member") -> None:
        """Gives metrics whose names were counted the names that they have in the first member."""
        for own, other in zip(self._metrics(), first._metrics(), strict=False):
            name = type(own).__name__
            root = naming.to_snake_case(name)
            counted = all(naming.likely_root(m.name, name) == root for m in (own, other))
            if type(own) is type(other) and counted:
                own.name = other.name

    def _metrics(self) -> list[Any]:
        arguments = self.model._session.arguments
        found = jax.tree.leaves([arguments.get(name) for name in ("metrics", "weighted_metrics")])
        own = [m for layer in self.model._flatten_layers() for m in vars(layer).values()]
        return [m for m in (*found, *own) if isinstance(m, Metric)]

    def parts(self) -> list[Any]:
        """Returns what the member's step computes by."""
        session = self.model._session
        return [self.model, session.optimizer, session.arguments]

    def variables(self) -> list[Any]:
        """Returns the variables of the model and its optimizer."""
        optimizer = getattr(self.model, "optimizer", None)
        return [*self.model.variables, *(optimizer.variables if optimizer is not None else ())]

    def begin(self, callbacks: Any, plan: _Plan, epochs: int) -> None:
        """Gets ready for a `fit`."""
        given = callbacks(self.number) if _makes(callbacks) else _copies(callbacks, self.number)
        self._called = CallbackList(given, add_history=True, model=self.model)
        wanting = [type(c).__name__ for c in self._called if _wants_batches(c)]
        if wanting:
            raise WantsBatchesError(
                f"The callback {wanting[0]} wants to be called for batches, which an ensemble "
                "does not do: its members take many steps at once."
            )
        size = plan.train.batch_size
        taken = len(plan.rows[self.number][0]) if plan.rows is not None else None
        self._steps: int = -(-taken // size) if taken else plan.train.steps
        self._called.set_params({"verbose": 0, "epochs": epochs, "steps": self._steps})
        self.model.stop_training = False
        self.place(plan)

    def place(self, plan: _Plan) -> None:
        """Builds the model if needed, and draws what `fit` draws, in the order in which it does."""
        session = self.model._session
        with self.drawing():
            session.describe(plan.train.example.x)
            if plan.epochs:
                data = plan.train
                self.rows = np.arange(len(jax.tree.leaves(data.batch)[0]))
                if plan.rows is not None:
                    self.rows = np.asarray(plan.rows[self.number][0])
                own = ArrayData(Batch(self.rows, None, None), data.batch_size, True)
                self.feed = session.place(own, plan.shuffle)
                session.cells({})

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Draws from the member's own seed, where it stopped."""
        before = keys.global_state()
        keys.set_global_state(self._random)
        try:
            yield
            self._random = keys.global_state()
        finally:
            keys.set_global_state(before)

    def next_rows(self) -> list[np.ndarray]:
        """Returns the row numbers of the next epoch: full batches, and the rest."""
        return [self.rows[slots].astype(np.int32) for slots in self.feed.next_pass()]

    @property
    def history(self) -> dict[str, list[float]]:
        """The values by epoch."""
        return self._called.history.history  # type: ignore[union-attr]

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """Calls what is to be called at the end of an epoch."""
        logs = OldLogs(logs)
        for callback in self._called:
            if isinstance(callback, TerminateOnNaN):
                callback.on_train_batch_end(self._steps - 1, logs)
        self.call("on_epoch_end", epoch, logs)

    def call(self, hook: str, *args: Any) -> None:
        """Calls a hook of the callbacks."""
        getattr(self._called, hook)(*args)

    @property
    def listens(self) -> bool:
        """Whether there are callbacks that may read or set the model's values."""
        return len(self._called.callbacks) > 1  # one is the history

    def final(self, monitor: str, last: float) -> float:
        """Returns the value of the weights that training has left."""
        for callback in self._called:
            restored = getattr(callback, "restore_best_weights", False)
            if restored and callback.monitor == monitor and callback.best is not None:
                return float(callback.best)
        return float(last)


def _makes(callbacks: Any) -> bool:
    return callable(callbacks) and not hasattr(callbacks, "set_model")


_PATHS = ("filepath", "filename", "log_dir", "path", "backup_dir")


def _copies(callbacks: Any, number: int) -> list[Any]:
    """Returns copies of callbacks for a member, which write to files of their own."""
    several = isinstance(callbacks, (list, tuple, CallbackList))
    given = list(callbacks) if several else [] if callbacks is None else [callbacks]
    copies = copy.deepcopy(given)
    for callback in copies:
        for name in _PATHS:
            path = vars(callback).get(name)
            if isinstance(path, (str, os.PathLike)):
                own = _path_of_member(os.fspath(path), number)
                setattr(callback, name, own if isinstance(path, str) else Path(own))
    return copies


def _path_of_member(path: str, number: int) -> str:
    if "{member}" in path:
        return path.replace("{member}", str(number))
    root, ending = os.path.splitext(path)
    if ending == ".h5" and root.endswith(".weights"):
        root, ending = root.removesuffix(".weights"), ".weights.h5"
    return f"{root}_member_{number}{ending}"


def _wants_batches(callback: Any) -> bool:
    if isinstance(callback, TerminateOnNaN):
        return False  # a loss that was not finite stays so: the end of an epoch shows it as well
    wants = getattr(callback, "wants_batches", None)
    return bool(wants is not None and wants("train"))


# ------------------------------------------------------------------ running
class _Run:
    """Trains a group of members at once.

    Args:
        ensemble: The ensemble.
        group: The members.
        plan: What they are trained on.
        verbose: Whether to show the epochs.
    """

    def __init__(self, ensemble: Ensemble, group: list[_Member], plan: _Plan, verbose: int):
        self._plan, self._programs = plan, ensemble._programs
        self._active, self._first = list(group), group[0].number
        self._stopped: set[int] = set()
        self._held: dict[int, list[Any]] = {}
        self._session = first = group[0].model._session
        programs = [m.model._session.program("train", plan.train.example) for m in group]
        self._train, self._slots = programs[0], _differing(group, programs)
        first.check_labels(self._train, plan.train)
        self._trainings = {}
        if plan.epochs:
            self._trainings = {
                m.number: Training(m.model._session, program, engine.take_slot)
                for m, program in zip(group, programs, strict=True)
            }
        self._test = None if plan.valid is None else first.program("test", plan.valid.example)
        batch = jax.tree.map(jnp.asarray, tuple(plan.train.batch))
        same = plan.valid is None or plan.rows is not None
        self._data = batch, batch if same else jax.tree.map(jnp.asarray, tuple(plan.valid.batch))  # type: ignore[union-attr]
        self._progress = (
            EpochProgress(verbose, plan.epochs.stop, plan.train.steps) if verbose else None
        )

    # -------------------------------------------------------------- states
    def stack(self) -> Any:
        """Returns the members' states as one."""
        if not self._trainings:  # for evaluation only
            return _stacked([pure.read(m.model) for m in self._active])
        states = [self._trainings[m.number].state() for m in self._active]
        return _stacked([state.replace(metrics=self._train.empty) for state in states])

    def _spread(self, stack: TrainState) -> None:
        """Makes the members hold their states, which stay those of the stack as well."""
        for member, state in zip(self._active, _unstacked(stack, len(self._active)), strict=True):
            if member.number in self._stopped:
                continue
            training = self._trainings[member.number]
            training.write(state)
            training.metrics = state.metrics
            self._held[member.number] = _cells(member)

    def _alive(self) -> list[tuple[int, _Member]]:
        """Returns the members that have not stopped, with their places in the stack."""
        return [(i, m) for i, m in enumerate(self._active) if m.number not in self._stopped]

    def _changed(self, stack: TrainState) -> TrainState:
        """Returns the stack with what callbacks have set in the members."""
        for place, member in self._alive():
            held, now = self._held[member.number], _cells(member)
            if any(a is not b for a, b in zip(held, now, strict=True)):
                new = self._trainings[member.number].state()
                new = new.replace(metrics=_at(stack.metrics, place))
                stack = _with(stack, place, new)
                self._held[member.number] = now
        return stack

    # -------------------------------------------------------------- programs
    def _chunk(self) -> Any:
        """Returns the program that takes many steps of all members."""
        session, program, programs = self._session, self._train, self._programs
        programs["slots"], key = self._slots[self._first], ("train", id(program))

        def one(state: TrainState, numbers: list[Any], batch: Any) -> TrainState:
            with _lifting(programs["slots"], numbers), steps.refusing_outside():
                step = session.train_step(program.objective, program.outside)
                return step(state, Batch(*batch))

        def select(resident: Any, slot: Any) -> Any:
            data, numbers = resident
            return numbers, engine.take_rows(data, slot)

        if key not in programs:
            programs[key] = engine.make_chunk(
                lambda stack, given: jax.vmap(one)(stack, *given),
                select,
                jax.vmap(program.logs),  # type: ignore[type-var]
            )
        return programs[key]

    def evaluate(self, stack: Any) -> Any:
        """Returns the logs of an evaluation of all members."""
        program: Any = self._test
        programs, key = self._programs, ("test", id(program))
        programs["slots"] = self._slots[self._first]
        params, state = (stack.params, stack.state) if self._trainings else stack

        def one(carry: EvalState, variables: Any, numbers: list[Any], batch: Any) -> EvalState:
            with _lifting(programs["slots"], numbers), steps.refusing_outside():
                return program.step(carry, (variables, Batch(*batch)))

        def select(resident: Any, slot: Any) -> Any:
            variables, data, numbers = resident
            return variables, numbers, engine.take_rows(data, slot)

        if key not in programs:
            programs[key] = engine.make_chunk(
                lambda carry, given: jax.vmap(one)(carry, *given),
                select,
                jax.vmap(program.logs),  # type: ignore[type-var]
            )
        count = len(self._active)
        empty = _stacked([program.empty] * count)
        carry = EvalState({path: state[path] + 0 for path in program.written}, empty)
        resident = (pure.Variables(params, state), self._data[1], self._numbers())
        plan: Any = self._plan
        rows = [np.arange(len(jax.tree.leaves(self._data[1])[0]))] * count
        if plan.rows is not None:
            rows = [np.asarray(plan.rows[m.number][1]) for m in self._active]
        given = [_in_batches(own.astype(np.int32), plan.valid.batch_size) for own in rows]
        return self._run_slots(programs[key], carry, resident, given)[1]

    def _run_slots(self, run: Any, state: Any, resident: Any, given: list[Any]) -> Any:
        """Runs a chunk over slots of all members: (steps, members, rows)."""
        full, last = (np.stack(parts, axis=1) for parts in zip(*given, strict=True))
        rest = last[0] if last.size else None
        try:
            return run(state, resident, full, rest=rest)
        except steps.OutsideVariables as found:
            raise ValueError(
                "The models use variables that they do not own, which are one for all members: "
                f"{[v.path for v in found.args[0]]}. Make them attributes of the model."
            ) from found

    def _numbers(self) -> list[Any]:
        """Returns the numbers in which members differ: an array of each."""
        own = [[slot.value for slot in self._slots[m.number]] for m in self._active]
        return [jnp.asarray(column, jnp.float32) for column in zip(*own, strict=True)]

    # -------------------------------------------------------------- epochs
    def run(self) -> None:
        """Trains until all members have stopped."""
        group, plan = list(self._active), self._plan
        last: dict[int, dict[str, Any]] = {m.number: {} for m in group}
        listens = any(member.listens for member in group)
        run, stack = self._chunk(), self.stack()
        self._spread(stack)
        for member in group:
            member.call("on_train_begin")
        for epoch in plan.epochs:
            if self._progress is not None:
                self._progress.start(epoch)
            for _, member in self._alive():
                member.call("on_epoch_begin", epoch)
            if listens:
                stack = self._changed(stack)
            stack = stack.replace(metrics=_stacked([self._train.empty] * len(self._active)))
            given = [member.next_rows() for member in self._active]
            stack, logs = self._run_slots(run, stack, (self._data[0], self._numbers()), given)
            logs = dict(logs)
            if plan.valid is not None and arguments.validates(plan.frequency, epoch):
                logs |= {f"val_{name}": value for name, value in self.evaluate(stack).items()}
            values = loop.fetch(logs)
            if listens or epoch == plan.epochs[-1]:
                self._spread(stack)
            for place, member in self._alive():
                own = {name: float(array[place]) for name, array in values.items()}
                member.end_epoch(epoch, own)
                last[member.number] = own
            if self._progress is not None:
                self._progress.finish(_shown(values), plan.train.steps)
            if listens:
                stack = self._changed(stack)
            self._stopped |= {m.number for m in self._active if m.model.stop_training}
            left = [place for place, _ in self._alive()]
            if not left:
                break
            if 2 * len(left) <= len(self._active):  # the others are computed for nothing
                stack = _at(stack, np.array(left))
                self._active = [self._active[place] for place in left]
        for member in group:
            member.model._session.keep_order(member.feed)
            self._trainings[member.number].publish()
            member.model.optimizer.finalize_variable_values(member.model.trainable_variables)
            member.call("on_train_end", last[member.number])


# ------------------------------------------------------------------ numbers that differ
def _differing(group: list[_Member], programs: list[Any]) -> dict[int, list[sharing.Number]]:
    """Returns, by member, the numbers in which members differ."""
    marks = []
    for member, program in zip(group, programs, strict=True):
        session = member.model._session
        marks.append(
            sharing.numbered_fingerprint(member.model, session.optimizer, program.objective)
        )
    if len(group) < 2 or any(mark is None for mark in marks):
        return {member.number: [] for member in group}
    name = next(filter(None, (_difference(marks[0], mark) for mark in marks[1:])), None)
    if name:
        raise ValueError(f"The members differ in {name}, which is not a number.")
    first = marks[0][0]  # type: ignore[index]
    places = [k for k, token in enumerate(first) if any(m[0][k] != token for m in marks)]  # type: ignore[index]
    return {
        member.number: [mark[1][k] for k in places]  # type: ignore[index]
        for member, mark in zip(group, marks, strict=True)
    }


def _difference(one: Any, other: Any) -> str | None:
    """Returns the name of the first thing besides numbers in which two fingerprints differ."""
    tokens, slots = one
    for place in range(min(len(tokens), len(other[0]))):
        a, b = tokens[place], other[0][place]
        if a != b and not (place in slots and place in other[1]):
            before: Any = tokens[place - 1] if place else None
            is_name = isinstance(before, tuple) and before[:1] == (str,)
            what = f"`{before[1]}`" if is_name else "their structure"
            values = [v[1] if isinstance(v, tuple) and len(v) == 2 else None for v in (a, b)]
            return what if None in values else f"{what} ({values[0]} and {values[1]})"
    return None if len(tokens) == len(other[0]) else "their structure"


@contextlib.contextmanager
def _lifting(slots: list[sharing.Number], values: list[Any]) -> Iterator[None]:
    """Puts traced values in the place of numbers while a step is traced.

    Raises:
        ValueError: If a number decides which operations there are.
    """
    for slot, value in zip(slots, values, strict=True):
        slot.put(value)
    try:
        yield
    except jax.errors.ConcretizationTypeError as error:
        names = ", ".join(sorted({f"`{slot.name}`" for slot in slots}))
        raise ValueError(
            f"The members differ in {names}, and which operations a step has depends on it, or it "
            "is needed as a Python number. Members that differ in it are other programs: make an "
            "ensemble of each, or use keras.models.search."
        ) from error
    finally:
        for slot in slots:
            slot.put(slot.value)


# ------------------------------------------------------------------ stacks
def _at(tree: Structure, place: Any) -> Any:
    """Returns what is at a place, or places, of all arrays' first axes."""
    return jax.tree.map(lambda array: array[place], tree)


def _with(stack: Any, place: int, tree: Structure) -> Any:
    """Returns a stack with another tree at a place."""
    return jax.tree.map(lambda array, new: array.at[place].set(new), stack, tree)


# States of at most so many bytes are stacked by NumPy: programs that do it, one for each number of
# members and shape, take longer to compile than that of the training.
_BY_NUMPY = 2**26


def _is_small(arrays: list[Any], count: int = 1) -> bool:
    """Says whether NumPy may stack arrays, or take them apart."""
    return placement.current() is None and count * sum(a.nbytes for a in arrays) <= _BY_NUMPY


def _stacked(trees: list[Any]) -> Any:
    if _is_small(jax.tree.leaves(trees[0]), len(trees)):
        return jax.tree.map(lambda *arrays: jax.device_put(np.stack(arrays)), *trees)
    stack = jax.tree.map(lambda *arrays: jnp.stack(list(map(jnp.asarray, arrays))), *trees)
    where = placement.current()
    # Under a distribution each device has some of the members, which have nothing to say to others.
    return stack if where is None else where.send(stack)


def _unstacked(stack: Any, count: int) -> list[Any]:
    """Returns the trees that a stack is made of."""
    arrays, structure = jax.tree.flatten(stack)
    if not _is_small(arrays):
        return _taken_apart(stack, count)
    # Copies: the stack's memory goes to what the next chunk makes of it.
    held = [np.asarray(array) for array in arrays]
    parts = jax.device_put([[array[place].copy() for array in held] for place in range(count)])
    return [jax.tree.unflatten(structure, part) for part in parts]


@functools.partial(jax.jit, static_argnums=1)
def _taken_apart(stack: Any, count: int) -> list[Any]:
    return [_at(stack, place) for place in range(count)]


def _cells(member: _Member) -> list[Any]:
    return [variable.cell() for variable in member.variables()]


def _in_batches(rows: np.ndarray, size: int) -> list[np.ndarray]:
    cut = len(rows) // size * size
    return [rows[:cut].reshape(-1, size), rows[cut:][None]]


def _reduced(outputs: Structure, reduce: str | None) -> Any:
    if reduce == "mean":
        return outputs.mean(axis=0)
    if reduce == "vote":
        classes = outputs.argmax(axis=-1)
        votes = jax.nn.one_hot(classes, outputs.shape[-1], dtype=jnp.int32).sum(axis=0)
        return votes.argmax(axis=-1)
    return outputs


def _shown(values: Mapping[str, Any]) -> dict[str, float]:
    """Returns what a line of an epoch says of all members."""
    shown = {name: float(np.median(array)) for name, array in values.items()}
    for name in ("loss", "val_loss"):
        if name in values:
            shown[f"lowest_{name}"] = float(np.min(values[name]))
    return shown


def _plain_values(values: Iterable[Any]) -> list[Any]:
    """Returns numbers as Python's."""
    return [
        value.item() if isinstance(value, (np.generic, jax.Array)) else value for value in values
    ]
