"""`fit`, `evaluate` and `predict` at work: a feed, a program, and those who listen."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import keys, settings
from jkeras.base.old_spellings import OldLogs
from jkeras.base.platforms import platform
from jkeras.base.types import AnyModel, ArrayLike, Structure
from jkeras.callbacks.callback import CallbackList, History
from jkeras.callbacks.console import is_terminal
from jkeras.callbacks.progress import EpochProgress, Progress, resolve_verbose
from jkeras.core import placement, processes
from jkeras.models import arguments, results
from jkeras.models.session import Evaluation, Prediction, Session, Training
from jkeras.training import data as data_module
from jkeras.training import engine, loop, nans
from jkeras.training.agreement import Agreement
from jkeras.training.feeds import Chunk
from jkeras.training.haste import looked_at_once


def _pace(model: AnyModel, verbose: int) -> loop.Pace:
    if settings.get("debug_nans"):
        return loop.Pace(1)
    if model.run_eagerly or model.steps_per_execution > 1:
        return loop.Pace(model.steps_per_execution)
    if placement.spans_processes():  # so that a signal is heard within about a second
        return loop.Pace(refresh=1.0)
    return loop.Pace(refresh=0.1 if verbose == 1 and is_terminal() else None)


class Fit:
    """One `fit`.

    Args:
        model: The model, compiled.
        train: The data.
        shuffle: Whether each epoch takes arrays in a new order.
        steps: Steps an epoch; None for all of a pass.
        initial_epoch: The number of the first epoch.
    """

    def __init__(
        self, model: AnyModel, train: Any, shuffle: bool, steps: int | None, initial_epoch: int = 0
    ):
        session = model._session
        self._model, self._session = model, session
        self._steps = data_module.limited_steps(steps, train.steps)
        self._program = session.program("train", train.example)
        session.check_labels(self._program, train)
        trainable = session.layout().trainable
        if trainable and not any(trainable):
            warnings.warn("The model does not have any trainable weights.", stacklevel=3)
        goes_on = initial_epoch > 0 and self._steps is not None
        self._feed = session.place(train, shuffle, goes_on)
        self._training = Training(session, self._program, self._feed.select, self._checked)
        self._validation: Evaluate | None = None
        self._frequency: Any = 1
        self._first = initial_epoch
        self._begun_at = 0  # how many steps the model had taken before, where that matters
        self._place = loop.Place(initial_epoch)  # the first one
        self._ended = False  # whether it was an end that was restored
        self._run: loop.Epochs | None = None
        self._agreement: Agreement | None = None  # of several processes
        self._last: dict[str, Any] = {}  # the last epoch's logs
        self._random: dict[str, Any] | None = None  # the global generators when training began
        self._settings: dict[str, str] = {}  # what `compile` was told, when training began
        self._keepers: list[Keeper] = []
        self._structure: Any = None  # of the state, and the paths in it
        self._paths: list[str] = []
        self._before_validation: dict[str, Any] | None = None

    def _checked(self, run_chunk: Any) -> Any:
        """Looks for NaNs, if the settings say so."""
        if not settings.get("debug_nans"):
            return run_chunk
        return nans.checked(run_chunk, self._feed.select, self._model, self._bad_step)

    def _bad_step(self, metrics: Any) -> int:
        return self._training.bad_step(metrics)

    def listen(self, verbose: int | str, epochs: int, callbacks: Any) -> None:
        """Makes the callbacks and the progress bar listen."""
        verbose, model = resolve_verbose(verbose), self._model
        steps = self._steps or self._feed.steps_per_pass
        self._epochs = epochs
        self._called = CallbackList(callbacks, add_history=True, model=model)
        self._called.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})
        progress = EpochProgress(verbose, epochs, steps) if verbose else None
        pace = _pace(model, verbose)
        if placement.spans_processes():
            self._agreement = Agreement(model, "stop_training", pace, self._session.interrupts)
        self._listeners = loop.Listeners(
            self._called,
            pace,
            progress,
            lambda: model.stop_training,
            pause=self._pause,
            meet=None if self._agreement is None else self._agreement.meet,
        )

    def validate_on(
        self, data: Structure, steps: int | None, frequency: int | Sequence[int]
    ) -> None:
        """Makes every n-th epoch end with an evaluation."""
        self._validation = Evaluate(self._model, data, steps, getattr(self._feed, "unsent", None))
        self._validation.listen_with(self._called, pause=self._pause, meet=self._listeners.meet)
        self._frequency = frequency

    def _validate(self, epoch: int) -> Mapping[str, Any] | None:
        validation = self._validation
        if validation is None or not arguments.validates(self._frequency, epoch):
            return None
        if self._keepers:  # evaluation leaves the arrays alone, callbacks may change the weights
            self._before_validation = self.read(copies=False)
        try:
            return validation.run(is_needed=epoch == self._place.epoch)
        finally:
            self._before_validation = None

    def _finish_epoch(self, epoch: int, logs: dict[str, Any], done: int) -> None:
        logs = self._last = OldLogs(logs)  # callbacks add to them
        self._called.on_epoch_end(epoch, logs)
        if self._listeners.progress is not None:
            self._listeners.progress.finish(logs, done)

    def run(self) -> History:
        """Runs the epochs."""
        model, called, session = self._model, self._called, self._session
        self._run = loop.Epochs(
            self._training,
            self._feed,
            self._listeners,
            self._steps,
            self._validate,
            self._finish_epoch,
        )
        model.stop_training, model._fitting = False, self
        try:
            with processes.telling_errors():
                self._begin()
                try:
                    with session.interrupts:
                        if not self._ended:
                            self._run.run(self._place, self._epochs)
                finally:
                    session.keep_order(self._feed)
                    self._training.publish()
                session.finalize()
                called.on_train_end(dict(self._last))
                if self._agreement is not None:
                    self._agreement.meet("the end of fit")
        finally:
            model._fitting = None
            session.interrupts.patient = False
            for keeper in self._keepers:
                keeper.close()
            # Its parts hold its methods: the data would stay on the device until Python looks for
            # such circles.
            vars(self).clear()
        return called.history  # type: ignore[return-value]

    def _begin(self) -> None:
        self._run.place = self._place  # type: ignore[union-attr]
        if self._agreement is not None:
            self._session.interrupts.patient = True  # a signal waits until all know of it
            data = {k: v for k, v in self._feed.position.items() if isinstance(v, int)}
            self._agreement.meet(f"the begin of fit: seed and draws {keys.drawn()}, {data}")
        self._called.on_train_begin()

    # -------------------------------------------------------------- for another process
    def guard(self, keeper: "Keeper") -> None:
        """Hands the state to `keeper` before a signal ends the program."""
        self._keepers.append(keeper)
        self._session.interrupts.patient = True
        self._begun_at = int(self._session.step)
        if self._random is None:
            self._random = keys.global_state()
            self._settings = _settings(self._session)

    @property
    def callbacks(self) -> CallbackList:
        """The callbacks."""
        return self._called

    @property
    def interrupted(self) -> bool:
        """Whether a signal has come, and waits until the state is kept."""
        if self._agreement is not None:
            return self._agreement.interrupted
        return self._session.interrupts.waiting

    def _pause(self) -> None:
        if self._agreement is not None:
            self._agreement.meet("between two chunks")
        if self.interrupted:
            state = self._before_validation or self.read(copies=placement.current() is None)
            for keeper in self._keepers:
                keeper.keep(state)
            for keeper in self._keepers:
                keeper.close()
            self._session.interrupts.deliver()
            if self._agreement is not None:
                raise KeyboardInterrupt("Another process of the job was interrupted.")

    def _identity(self) -> dict[str, Any]:
        """Returns what another program would do otherwise."""
        return {
            "optimizer": type(self._session.optimizer).__name__,
            "steps_per_epoch": self._steps,
            "initial_epoch": self._first,
            "steps_before": self._begun_at,
        }

    def read(
        self,
        epoch: int | None = None,
        copies: bool = True,
        into: dict[str, np.ndarray] | None = None,
    ) -> dict[str, Any]:
        """Returns the state from which another process goes on.

        Args:
            epoch: The epoch to start with; where training stands, by default.
            copies: Whether the arrays must outlast the next step.
            into: Arrays by path that may be written over, as new memory takes the system more time;
                those that are made are added.
        """
        run: Any = self._run
        place = run.place if epoch is None else loop.Place(epoch)
        arrays = self._by_path(self._training.state())
        if copies and self._training.donates:  # the next step destroys the cells' arrays
            on_host = platform() == "cpu" and placement.current() is None
            kept: dict[str, np.ndarray] = {} if into is None else into
            arrays = {
                path: _copied(array, path, kept) if on_host else jnp.copy(array)
                for path, array in arrays.items()
            }
        validation = None if self._validation is None else self._validation.position
        return {
            **place._asdict(),
            "logs": loop.fetch(place.logs),
            "last": dict(self._last),
            "stopped": bool(self._model.stop_training),
            "program": self._identity(),
            "settings": self._settings,
            "arrays": arrays,
            "feed": self._feed.position,
            "validation": validation,
            "callbacks": self._called.get_state(),
            "random": {
                "begin": self._random,
                "now": keys.global_state(),
                "draws": self._session.draws,
            },
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what `read` has returned.

        Raises:
            ValueError: If it is the state of another model, optimizer, or program.
        """
        there = saved["program"]
        # Who tries again in the same process has taken the steps of the first try before.
        again = self._begun_at > there["steps_before"]
        self._begun_at = min(self._begun_at, there["steps_before"])
        lines = [
            f"- {name}: here {here}, there {there.get(name)}"
            for name, here in self._identity().items()
            if here != there.get(name)
        ]
        if lines:
            raise ValueError(
                "The saved state is one of another program, or of another `fit` of this one:\n"
                + "\n".join(lines)
                + "\nRun the program that saved it; give each `fit` a folder of its own."
            )
        told = saved.get("settings", self._settings)
        if again:  # callbacks may have changed them
            self._settings = told
        _warn_of_other_settings(self._settings, told)
        arrays = saved["arrays"]
        if hasattr(arrays, "load"):  # they are to lie as those here
            arrays = arrays.load(self._by_path(self._training.state()))
        state, outside = self._fill(self._training.state(), arrays)
        self._training.restore(state, outside)
        self._place = loop.Place(saved["epoch"], saved["done"], saved["logs"])
        self._last = dict(saved["last"])
        self._run.place = self._place  # type: ignore[union-attr]
        if self._place.done:
            # Callbacks of the user's own hear of the epoch again, and what they change is put back.
            self._called.begin_epoch_again(self._place.epoch)
            self._training.restore(self._fill(self._training.state(), arrays)[0], outside)
        random = saved["random"]
        if random["begin"] is not None:
            keys.set_global_state(random["begin"])
            self._random = random["begin"]
        self._feed.position = saved["feed"]
        if self._validation is not None and saved["validation"] is not None:
            self._validation.position = saved["validation"]
        self._called.set_state(saved["callbacks"])
        self._model.stop_training = saved["stopped"]
        self._ended = saved["stopped"] and not self._place.done
        self._session.draws = random["draws"]
        keys.set_global_state(random["now"])

    def _by_path(self, tree: Structure) -> dict[str, Any]:
        leaves, structure = jax.tree.flatten(tree)
        if (
            not self._paths or structure != self._structure
        ):  # writing the paths takes longer than copying the arrays
            paths = [path for path, _ in jax.tree_util.tree_leaves_with_path(tree)]
            self._structure, self._paths = structure, list(map(jax.tree_util.keystr, paths))
        return dict(zip(self._paths, leaves, strict=True))

    def _fill(self, state: Any, arrays: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Returns a state like this one with other arrays, and those from outside by path.

        Raises:
            ValueError: If they do not fit.
        """
        begin, end = ".state['outside:", "']"
        outside = {
            path.removeprefix(".state['").removesuffix(end): array
            for path, array in arrays.items()
            if path.startswith(begin)  # some of them are found when a step is traced
        }
        shapes = {path: np.shape(array) for path, array in self._by_path(state).items()}
        found = {path: np.shape(array) for path, array in arrays.items()}
        differing = sorted(
            path
            for path in shapes | found
            if shapes.get(path) != found.get(path) and not path.startswith(begin)
        )
        if differing:
            more = f" and {len(differing) - 4} others" if len(differing) > 4 else ""
            raise ValueError(
                "The saved state is not one of this model and optimizer. These arrays are missing "
                f"on one side, or differ in shape: {', '.join(differing[:4])}{more}. Build and "
                "compile the model as it was when the state was saved."
            )

        def fill(path: Any, array: ArrayLike) -> Any:
            value = arrays.get(jax.tree_util.keystr(path), array)
            if isinstance(array, jax.Array) and len(array.sharding.device_set) > 1:
                if getattr(value, "sharding", None) == array.sharding:
                    return value
                value, where = placement.gathered(value), placement.current()
                put = jax.device_put if where is None else where.put
                return put(np.asarray(value, array.dtype), array.sharding)
            return jnp.array(value, array.dtype)

        return jax.tree_util.tree_map_with_path(fill, state), outside


def _copied(array: jax.Array, path: str, kept: dict[str, np.ndarray]) -> np.ndarray:
    """Returns a copy, in the array that is kept for the path if it fits."""
    value = np.asarray(array)
    copy = kept.get(path)
    if copy is None or copy.shape != value.shape or copy.dtype != value.dtype:
        copy = kept[path] = np.empty_like(value)
    np.copyto(copy, value)
    return copy


def _settings(session: Session) -> dict[str, str]:
    """Returns what decides what a step does, beside the shapes and types of its state."""
    told = {name: session.arguments.get(name) for name in ("loss", "loss_weights")}
    optimizer = session.optimizer
    with contextlib.suppress(NotImplementedError):  # an optax transformation
        told |= getattr(optimizer, "inner_optimizer", optimizer).get_config()
    return {name: str(_described(value)) for name, value in told.items() if name != "name"}


def _described(value: Any) -> Any:
    """Returns a value in words that another process has for it, too: no addresses or counters."""
    if isinstance(value, Mapping):
        return {k: _described(v) for k, v in value.items() if k != "name"}
    if isinstance(value, (list, tuple)):
        return [_described(v) for v in value]
    if isinstance(value, (str, int, float, type(None))):
        return value
    try:
        return {type(value).__name__: _described(value.get_config())}
    except (AttributeError, NotImplementedError, TypeError):
        return getattr(value, "__name__", type(value).__name__)


def _warn_of_other_settings(here: Mapping[str, str], there: Mapping[str, str]) -> None:
    lines = [
        f"- {name}: here {value}, there {there[name]}"
        for name, value in here.items()
        if name in there and there[name] != value
    ]
    if lines:
        lines = [
            "The saved state is one of a program that was compiled otherwise:",
            *lines,
            "Training goes on with the learning rate of the saved state, and with the other "
            "settings of this program. To start over, delete the backup.",
        ]
        warnings.warn("\n".join(lines), stacklevel=2)


class Keeper(Protocol):
    """What writes states of a training somewhere."""

    def keep(self, state: dict[str, Any]) -> None:
        """Begins to write a state."""

    def close(self) -> None:
        """Waits until all is written."""


def get_training_state(self: AnyModel, epoch: int | None = None) -> dict[str, Any]:
    """Returns, during `fit`, what another process needs to go on from here.

    That is the weights, the optimizer's state, the number of steps taken, the metrics of the
    epoch so far, the random keys, the position in the data, the logs, and what the callbacks'
    `get_state` return: nested dicts and lists of numbers, strings and arrays.
    `callbacks.BackupAndRestore` writes them to a file.

    Args:
        epoch: The epoch to start with; by default the one under way, from its next batch on.
    """
    return _running(self, "get_training_state").read(epoch)


def set_training_state(self: AnyModel, state: Mapping[str, Any]) -> None:
    """Makes `fit` go on from a state; to be called by a callback, in `on_train_begin`.

    Args:
        state: What `get_training_state` has returned, in this or in another process.

    Raises:
        ValueError: If it is the state of another model or optimizer.
    """
    _running(self, "set_training_state").restore(state)


def _running(model: AnyModel, method: str) -> Fit:
    if model._fitting is None:
        raise ValueError(f"`{method}` works while `fit` is running: call it in a callback.")
    return model._fitting


class Evaluate:
    """Evaluations on the same data: that of `evaluate`, or those of `fit`.

    Args:
        model: The model, compiled.
        data: The data.
        steps: The largest number of steps; None for all of a pass.
        unsent: Other data that will be on the device as well, and are not there yet.
    """

    def __init__(self, model: AnyModel, data: Any, steps: int | None, unsent: Any = None):
        session = model._session
        self._model = model
        self._steps = data_module.limited_steps(steps, data.steps)
        self._program = session.program("test", data.example)
        session.check_labels(self._program, data)
        self._feed = data.feed(
            unsent=unsent
        )  # one for all epochs: arrays are sent to the device once
        self._evaluation = Evaluation(session, self._program, self._feed.select)

    def listen(self, verbose: int | str, callbacks: Any) -> Progress | None:
        """Makes the callbacks and a progress bar listen; returns the latter."""
        verbose = resolve_verbose(verbose)
        steps = self._steps or self._feed.steps_per_pass
        called = CallbackList(callbacks, model=self._model)
        called.set_params({"verbose": verbose, "epochs": 1, "steps": steps})
        progress = Progress(steps, verbose) if verbose else None
        self.listen_with(called, verbose, progress)
        return progress

    def listen_with(
        self,
        called: CallbackList,
        verbose: int = 0,
        progress: Any = None,
        pause: Any = None,
        meet: Any = None,
    ) -> None:
        """Makes the callbacks of a `fit` listen."""
        model = self._model
        pace = _pace(model, verbose)
        if placement.spans_processes():
            pace = loop.Pace(pace.fixed)
            meet = meet or Agreement(model, "stop_evaluating", pace).meet
        self._listeners = loop.Listeners(
            called, pace, progress, lambda: model.stop_evaluating, meet=meet
        )
        if pause is not None:
            self._listeners = self._listeners._replace(pause=pause)

    @property
    def position(self) -> dict[str, Any]:
        """Where the data stand: a generator goes on with the next evaluation."""
        return self._feed.position

    @position.setter
    def position(self, position: Mapping[str, Any]) -> None:
        self._feed.position = position

    def run(self, is_needed: bool = True) -> Mapping[str, Any]:
        """Runs one evaluation; returns the logs, still on the device.

        Args:
            is_needed: Whether it is an error if there are no data (left).
        """
        called = self._listeners.callbacks
        self._model.stop_evaluating = False
        called.on_test_begin()
        self._feed.rewind()  # every evaluation is one of the same rows
        self._evaluation.begin()
        done, logs = loop.run_pass(
            "test", self._feed, self._evaluation.take, self._listeners, self._steps
        )
        if not done and is_needed:
            raise ValueError("The evaluation data gave no batches: pass at least one sample.")
        if self._steps is not None and done < self._steps and not self._model.stop_evaluating:
            loop.warn_of_end(f"this evaluation had {done} of {self._steps}", "evaluation")
        elif not done:
            loop.warn_of_end("there is nothing left to evaluate", "evaluation")
        self.done = done
        self._evaluation.end()
        if called.overrides("on_test_end"):
            logs = loop.fetch(logs)
        called.on_test_end(dict(logs))
        return logs

    def publish(self) -> None:
        """Makes the metric objects show the values."""
        self._evaluation.publish()


def predict(
    model: AnyModel,
    x: Structure,
    batch_size: int | None,
    verbose: int | str,
    steps: int | None,
    callbacks: Any,
) -> Structure:
    """Does `Model.predict`."""
    session: Session = model._session
    data = session.read(x, None, None, batch_size)
    described = session.describe(data.example.x)
    verbose = resolve_verbose(verbose)
    limit = data_module.limited_steps(steps, data.steps)
    count, called = limit or data.steps, CallbackList(callbacks, model=model)
    called.set_params({"verbose": verbose, "epochs": 1, "steps": count})
    progress = Progress(count, verbose) if verbose else None
    feed = data.slices()
    pace = loop.Pace(1) if feed.streams else _pace(model, verbose)
    if pace.refreshes and not called.wants_batches("predict"):
        # A chunk of another length is another program: of many lengths, most of the time is spent
        # compiling.
        pace = loop.Pace(1 if count is None or count <= 256 else 64)
    model.stop_predicting, meet = False, None
    if placement.spans_processes():
        pace = loop.Pace(pace.fixed or 64)
        meet = Agreement(model, "stop_predicting", pace).meet
    listeners = loop.Listeners(called, pace, progress, lambda: model.stop_predicting, meet=meet)
    prediction = Prediction(session, described.written)
    called.on_predict_begin()
    done, _ = loop.run_pass("predict", feed, prediction.take, listeners, limit)
    if steps is not None and done < steps and not model.stop_predicting:
        loop.warn_of_end(f"there were {done} of {steps}", "prediction")
    outputs = prediction.end()
    if not prediction.written and limit is None and not model.on_host:
        session.remember(x, prediction)
    if progress is not None:
        progress.finish({}, done)
    called.on_predict_end()
    return outputs


# ------------------------------------------------------------------ one batch; methods of Model
def train_on_batch(
    self: AnyModel,
    x: Structure,
    y: Structure = None,
    sample_weight: Structure = None,
    class_weight: Mapping[int, float] | None = None,
    return_dict: bool = False,
) -> ArrayLike | dict[str, ArrayLike]:
    """Takes one training step on all of the given samples.

    Args:
        x: The inputs; see `fit`.
        y: The targets.
        sample_weight: A factor for each sample's loss.
        class_weight: A dict from class numbers to factors for the losses of their samples.
        return_dict: Whether to return a dict by name.

    Returns:
        The loss (and the metrics) before the step; see `evaluate`.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile("sgd", "mse")
        >>> x = np.array([[1.0], [2.0]])
        >>> losses = [float(model.train_on_batch(x, 3 * x)) for _ in range(3)]
        >>> losses[0], losses[2] < losses[0]
        (10.0, True)
    """
    session: Session = self._compiled_session("train_on_batch")
    varies = _lengths_vary(x, y, sample_weight)
    with looked_at_once(session.layout()):
        if varies:
            given = session.read(iter([(x, y, sample_weight)]), None, None, None, class_weight)
        else:
            given = session.read(x, y, sample_weight, None, class_weight)
        if not varies and not isinstance(given, data_module.ArrayData):
            raise TypeError(
                "train_on_batch() takes the arrays of one batch, but `x` gives batches: it is "
                f"{x!r:.60}. Pass it to fit(), or call train_on_batch(*batch) for each batch in "
                "turn."
            )
        batch = given.example if varies else given.batch
        data = given if varies else data_module.ArrayData(batch, data_module.check_lengths(batch))
        program = session.program("train", data.example)
        session.check_labels(program, data)
        training = Training(session, program, engine.take_slot)
    training.begin()
    where = placement.current()
    batch = batch if where is None else where.send(batch, 0)
    logs = loop.fetch(training.take(Chunk(None, None, 0, 1, whole=True, rest=batch)))
    training.publish()
    return logs if return_dict else results.as_list(self, logs)


def test_on_batch(
    self: AnyModel,
    x: Structure,
    y: Structure = None,
    sample_weight: Structure = None,
    return_dict: bool = False,
) -> ArrayLike | dict[str, ArrayLike]:
    """Returns the loss and the metrics over all of the given samples, as one batch.

    Args:
        x: The inputs; see `fit`.
        y: The targets.
        sample_weight: A factor for each sample's loss.
        return_dict: Whether to return a dict by name.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> model.test_on_batch(
        ...     np.array([[1.0], [2.0]]), np.array([[3.0], [6.0]]), return_dict=True
        ... )
        {'loss': 10.0, 'mae': 3.0}
    """
    options: dict[str, Any] = {"return_dict": return_dict, "verbose": 0}
    if _lengths_vary(x, y, sample_weight):
        return self.evaluate(iter([(x, y, sample_weight)]), **options)
    options["sample_weight"] = sample_weight
    return self.evaluate(x, y, batch_size=_rows(x), **options)


def predict_on_batch(self: AnyModel, x: Structure) -> Structure:
    """Returns the outputs for all of the given samples, computed as one batch.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.predict_on_batch(np.array([[1.0], [2.0]])).tolist()
        [[1.0], [2.0]]
    """
    if _lengths_vary(x):
        return self.predict(iter([(x,)]), verbose=0)
    return self.predict(x, batch_size=_rows(x), verbose=0)


def _lengths_vary(x: Structure, *others: Structure) -> bool:
    """Says whether arrays differ in their numbers of rows, as a graph's nodes and edges may.

    One input has a row for each target.
    """
    if not isinstance(x, (list, tuple, dict)) or len(jax.tree.leaves(x)) < 2:
        return False
    return len({np.shape(a)[0] for a in jax.tree.leaves((x, others)) if np.ndim(a)}) > 1


def _rows(x: Structure) -> int:
    return max(len(jax.tree.leaves(data_module.as_structure(x, "x"))[0]), 1)
