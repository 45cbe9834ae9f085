"""A member of an ensemble: a model, and what it has of its own while it is trained."""

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jkeras.base import keys, naming
from jkeras.base.old_spellings import OldLogs
from jkeras.callbacks.callback import CallbackList
from jkeras.callbacks.terminate_on_nan import TerminateOnNaN
from jkeras.metrics.metric import Metric
from jkeras.models import sharing
from jkeras.models.model import Model
from jkeras.training.data import ArrayData
from jkeras.training.state import Batch


class WantsBatchesError(ValueError):
    """A callback wants to be called for batches, which an ensemble does not do."""


class Plan(NamedTuple):
    """What one `fit` is on."""

    train: ArrayData
    valid: ArrayData | None
    shuffle: bool
    epochs: range
    frequency: Any
    rows: Sequence[Any] | None


class Member:
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

    def call_metrics_as(self, first: "Member") -> None:
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

    def begin(self, callbacks: Any, plan: Plan, epochs: int, first: "Member") -> None:
        """Gets ready for a `fit`; see `place`."""
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
        self.place(plan, first)

    def place(self, plan: Plan, first: "Member") -> None:
        """Builds the model if needed, and draws what `fit` draws, in the order in which it does.

        Args:
            plan: What it is trained on.
            first: The first member, whose outputs are like its own.
        """
        session = self.model._session
        with self.drawing():
            session.describe(plan.train.example.x, like=first.model._session)
            if plan.epochs:
                data = plan.train
                rows = np.arange(len(jax.tree.leaves(data.batch)[0]))
                self._rows: Any = None
                if plan.rows is not None:
                    rows = self._rows = np.asarray(plan.rows[self.number][0], np.int32)
                own = ArrayData(Batch(rows, None, None), data.batch_size, True)
                self.feed = session.place(own, plan.shuffle)
                session.cells(session.layout(), {})

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
        taken = self.feed.next_pass()
        return [self._rows[slots] for slots in taken] if self._rows is not None else taken

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


# ------------------------------------------------------------------ numbers that differ
def differing(
    group: list[Member], programs: list[Any]
) -> tuple[tuple[int, ...], dict[int, list[sharing.Number]]]:
    """Returns the numbers in which members differ: their places, and by member themselves."""
    marks = []
    for member, program in zip(group, programs, strict=True):
        session = member.model._session
        marks.append(
            sharing.numbered_fingerprint(member.model, session.optimizer, program.objective)
        )
    if len(group) < 2 or any(mark is None for mark in marks):
        return (), {member.number: [] for member in group}
    name = next(filter(None, (difference(marks[0], mark) for mark in marks[1:])), None)
    if name:
        raise ValueError(f"The members differ in {name}, which is not a number.")
    first = marks[0][0]  # type: ignore[index]
    places = [k for k, token in enumerate(first) if any(m[0][k] != token for m in marks)]  # type: ignore[index]
    return tuple(places), {
        member.number: [mark[1][k] for k in places]  # type: ignore[index]
        for member, mark in zip(group, marks, strict=True)
    }


def difference(one: Any, other: Any) -> str | None:
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
def lifting(slots: list[sharing.Number], values: list[Any]) -> Iterator[None]:
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
