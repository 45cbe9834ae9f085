"""Many models of one architecture, trained as one compiled program: ensembles, sweeps, folds.

A training state is one pytree and a step is pure, so `jax.vmap` of the step trains any number of
states at once. Each member is an ordinary model, which holds its values between calls of `fit`, and
whenever one of its callbacks is called: so all callbacks mean for a member what they mean for a
model of its own.
"""

import copy
import inspect
import json
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jkeras.base import keys
from jkeras.base.extras import missing
from jkeras.base.types import Data, Structure
from jkeras.callbacks.monitor import direction_of
from jkeras.callbacks.progress import resolve_verbose
from jkeras.core import pure
from jkeras.models import arguments, hooks, sharing
from jkeras.models.members import Member, Plan, difference
from jkeras.models.model import Model
from jkeras.models.together import Together, at, stacked
from jkeras.training import budget, steps
from jkeras.training.data import ArrayData

_log = logging.getLogger("jkeras")

# Numbers that may be set on any optimizer, where `make_model` does not take them.
_OF_OPTIMIZERS = ("learning_rate", "weight_decay", "momentum", "beta_1", "beta_2", "epsilon", "rho")


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
        for name, values in settings.items():
            if np.ndim(values) == 0:
                raise ValueError(
                    f"A setting is a list of a value for each member. Received: {name}={values!r} "
                    "(what is the same for all belongs into `make_model`)"
                )
        lengths = {name: len(values) for name, values in settings.items()}
        if seeds is None:
            seeds = next(iter(lengths.values()), 1)
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else [int(s) for s in seeds]
        count = len(self.seeds)
        wrong = {name: length for name, length in lengths.items() if length != count}
        if not count:
            raise ValueError("An ensemble needs at least one member. Received: no seeds")
        if wrong:
            raise ValueError(
                f"An ensemble of {count} members needs {count} values of each setting, got "
                f"{wrong}. `seeds` may be the number of members."
            )
        self.settings = {name: _plain_values(values) for name, values in settings.items()}
        self.members_at_once = members_at_once
        self._members = self._make(make_model)
        self._check_equal()
        self.history: dict[str, list[list[float]]] = {}
        self._programs: dict[Any, Any] = {}

    def _make(self, make_model: Callable[..., Model]) -> list[Member]:
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
                members.append(Member(number, model, {name: values[name] for name in others}))
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
            name = difference(marks[0], mark)
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
        verbose: int | str = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Data = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Structure = None,
        initial_epoch: int = 0,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
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
            class_weight: A dict from class numbers to factors for the losses of their samples.
            sample_weight: A factor for each sample's loss.
            initial_epoch: The number of the first epoch.
            validation_batch_size: Samples a step of validation; `batch_size` by default.
            validation_freq: Validate after every n-th epoch.
            rows: For each member a pair of row numbers, of training and of validation: the folds
                of a cross-validation. All must be of one size.

        Returns:
            The history: from names to a list for each member.

        Raises:
            ValueError: If the models are not compiled, the data are not arrays, or a callback wants
                to be called for batches.
        """
        session = self._standard_session("fit")
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
        plan = Plan(train, valid, shuffle, range(initial_epoch, epochs), validation_freq, rows)
        verbose = resolve_verbose(verbose)
        for member in self._members:
            member.begin(callbacks, plan, epochs, self._members[0])
        groups = self._groups() if plan.epochs else []
        for number, group in enumerate(groups):
            if verbose and len(groups) > 1:
                _log.info("Members %d to %d:", group[0].number, group[-1].number)
            shown = verbose if number == len(groups) - 1 else 0
            Together(self._programs, group, plan, shown).run()
        names = self._members[0].history
        self.history = {name: [member.history[name] for member in self._members] for name in names}
        return self.history

    def _standard_session(self, method: str) -> Any:
        """Returns the first member's session, if its steps are those of `compile`."""
        session = self.member(0)._compiled_session(method)
        if own := sorted(hooks.overridden(self.member(0))):
            raise ValueError(
                f"The models have a `{own[0]}` of their own: an ensemble takes steps by the losses "
                "and metrics of `compile` only. (A loss may be any function; what a layer adds by "
                "`add_loss` counts as well.)"
            )
        return session

    def _groups(self) -> list[list[Member]]:
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
        session = self._standard_session("evaluate")
        with self._members[0].drawing():
            given = session.read(x, y, sample_weight, batch_size)
        plan = Plan(given, given, False, range(0), 1, None)
        for member in self._members:
            member.place(plan, self._members[0])
        return Together(self._programs, self._members, plan, 0).evaluate()

    def predict(self, x: Structure, batch_size: int = 32, reduce: str | None = None) -> Structure:
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
        variables = stacked([pure.read(model) for model in self.members])
        if "predict" not in self._programs:
            step = steps.make_predict_step(self.member(0))
            forward = jax.vmap(lambda values, x: step({}, values, x)[1], (0, None))
            self._programs["predict"] = jax.jit(forward)
        parts = []
        for start in range(0, len(jax.tree.leaves(given.batch.x)[0]), batch_size):
            part = at(given.batch.x, slice(start, start + batch_size))
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


def _reduced(outputs: Structure, reduce: str | None) -> Any:
    if reduce == "mean":
        return outputs.mean(axis=0)
    if reduce == "vote":
        classes = outputs.argmax(axis=-1)
        votes = jax.nn.one_hot(classes, outputs.shape[-1], dtype=np.int32).sum(axis=0)
        return votes.argmax(axis=-1)
    return outputs


def _plain_values(values: Iterable[Any]) -> list[Any]:
    """Returns numbers as Python's."""
    return [
        value.item() if isinstance(value, (np.generic, jax.Array)) else value for value in values
    ]
