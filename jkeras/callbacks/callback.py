"""Callback, and the list that calls them."""

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from jkeras.base import naming
from jkeras.base.arguments import check_arguments
from jkeras.base.old_spellings import OldLogs
from jkeras.base.types import AnyModel
from jkeras.callbacks import curves

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}


class Callback:
    """The base of callbacks: a subclass overrides the hooks it wants.

    While training, `self.model` is the model, `self.params` a dict with `verbose`, `epochs` and
    `steps`. Logs are dicts of floats; what a hook puts into an epoch's logs is recorded. Setting
    `self.model.stop_training = True` ends training.

    A callback that overrides one of the batch hooks makes the host look at every step: training
    then runs step by step, and no longer in chunks of many steps, unless the class says in
    `steps_ahead` which batches it needs.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> class StopWhenGood(keras.callbacks.Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         if logs["loss"] < 0.5:
        ...             print("epoch", epoch, "is good enough")
        ...             self.model.stop_training = True
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile(keras.optimizers.SGD(0.1), "mse")
        >>> x, y = np.ones((4, 1)), np.full((4, 1), 3.0)
        >>> history = model.fit(x, y, epochs=9, verbose=0, callbacks=[StopWhenGood()])
        epoch 3 is good enough

        The hooks in the order of a training, those of batches left out:

        >>> class Order(keras.callbacks.Callback):
        ...     def set_model(self, model):
        ...         super().set_model(model)
        ...         print("set_model", model.name)
        ...
        ...     def set_params(self, params):
        ...         print("set_params", params)
        ...
        ...     def on_train_begin(self, logs=None):
        ...         print("on_train_begin")
        ...
        ...     def on_epoch_begin(self, epoch, logs=None):
        ...         print("on_epoch_begin", epoch)
        ...
        ...     def on_test_begin(self, logs=None):
        ...         print("on_test_begin")
        ...
        ...     def on_test_end(self, logs=None):
        ...         print("on_test_end", sorted(logs))
        ...
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print("on_epoch_end", epoch, sorted(logs))
        ...
        ...     def on_train_end(self, logs=None):
        ...         print("on_train_end", sorted(logs))
        >>> history = model.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[Order()])
        set_model sequential
        set_params {'verbose': 0, 'epochs': 1, 'steps': 1}
        on_train_begin
        on_epoch_begin 0
        on_test_begin
        on_test_end ['loss']
        on_epoch_end 0 ['loss', 'val_loss']
        on_train_end ['loss', 'val_loss']
    """

    params: dict[str, Any] | None = None
    _model: Any = None
    # The attributes that a training which goes on in another process needs.
    _state: tuple[str, ...] = ()
    # Whether the hooks are called after those of all other callbacks.
    _comes_last = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        check_arguments(cls, args, kwargs)
        return super().__new__(cls)

    @property
    def model(self) -> Any:
        """The model that is trained, evaluated or asked for predictions."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Gets the run's `verbose`, `epochs` and `steps`."""
        self.params = params

    def set_model(self, model: AnyModel) -> None:
        """Gets the model."""
        self._model = model

    def get_state(self) -> dict[str, Any] | None:
        """Returns what this callback must know to go on in another process.

        `BackupAndRestore` keeps it, and hands it to `set_state` when the same script is run again.
        A callback whose attributes change while it trains overrides both.

        Returns:
            A dict (in which there may be dicts, lists and tuples) of numbers, strings, None, bytes
            and arrays; None if there is nothing to know.

        Example:
            >>> import jkeras as keras
            >>> class Count(keras.callbacks.Callback):
            ...     def __init__(self):
            ...         self.epochs = 0
            ...
            ...     def on_epoch_end(self, epoch, logs=None):
            ...         self.epochs += 1
            ...
            ...     def get_state(self):
            ...         return {"epochs": self.epochs}
            ...
            ...     def set_state(self, state):
            ...         self.epochs = state["epochs"]
        """
        return {name: getattr(self, name) for name in self._state} or None

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes back what `get_state` has returned; called after `on_train_begin`.

        Within an epoch it is called after `on_epoch_begin`, too.
        """
        for name in self._state:
            setattr(self, name, state[name])

    def wants_batches(self, mode: str) -> bool:
        """Says whether the batch hooks of `"train"`, `"test"` or `"predict"` must be called.

        That follows from the hooks that are overridden, and from `steps_ahead`.
        """
        return _steps_ahead(self, mode, 0) is not None

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        """Says when the batch hooks of this class must be called next.

        A class whose batch hooks need not see every batch overrides this, so that training runs in
        longer chunks. It speaks for the hooks of its own and of its bases: a hook that a subclass
        overrides without overriding this sees every batch.

        Args:
            mode: `"train"`, `"test"` or `"predict"`.
            batch: The number of the next batch.

        Returns:
            The largest number of steps, counted from `batch`, after which a hook must be called;
            None if none need be called. Other callbacks, or the progress bar, may make it fewer.
        """
        return None

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Another name of `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before an epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after an epoch and its validation, with the logs of both."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before a training step.

        Example:
            >>> import jkeras as keras
            >>> class Batches(keras.callbacks.Callback):
            ...     def on_train_batch_begin(self, batch, logs=None):
            ...         print("batch", batch)
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> data = [[1.0], [2.0]]
            >>> _ = model.fit(data, data, batch_size=1, verbose=0, callbacks=[Batches()])
            batch 0
            batch 1
        """
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after a training step, with the means over the epoch so far.

        Example:
            >>> import jkeras as keras
            >>> class Batches(keras.callbacks.Callback):
            ...     def on_train_batch_end(self, batch, logs=None):
            ...         print("batch", batch, sorted(logs))
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            >>> model.compile("sgd", "mse")
            >>> _ = model.fit([[1.0]], [[2.0]], verbose=0, callbacks=[Batches()])
            batch 0 ['loss']
        """
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before a step of evaluation (also of validation)."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after a step of evaluation (also of validation)."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called before a step of prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after a step of prediction, with its `outputs`."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called once, before training."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called once, after training, with the last epoch's logs."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before evaluation or validation."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after evaluation or validation, with its logs."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Called before prediction."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """Called after prediction."""


def _steps_ahead(callback: Any, mode: str, batch: int) -> int | None:
    """Returns `callback.steps_ahead(mode, batch)`; 1 where that does not speak for a hook."""
    kind: Any = type(callback)
    own = getattr(callback, "__dict__", {})  # hooks may be set on the object itself
    if not own.keys().isdisjoint(_BATCH_HOOKS[mode]) or not _speaks_for_hooks(kind, mode):
        return 1
    return callback.steps_ahead(mode, batch)


@functools.lru_cache(maxsize=256)  # asked in every epoch
def _speaks_for_hooks(kind: type, mode: str) -> bool:
    """Says whether a class of callbacks has no batch hooks newer than its `steps_ahead`."""
    speaker = next((c for c in kind.__mro__ if "steps_ahead" in vars(c)), Callback)
    hooks = _BATCH_HOOKS[mode]
    return [getattr(kind, h, None) for h in hooks] == [getattr(speaker, h) for h in hooks]


class History(Callback):
    """Records every epoch's logs; `fit` returns it.

    Attributes:
        history: A list of values for each name in the logs.
        epoch: The numbers of the recorded epochs, from zero.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(loss="mse")
        >>> history = model.fit(np.ones((4, 1)), np.ones(4), epochs=2, verbose=0)
        >>> history.epoch, len(history.history["loss"])
        ([0, 1], 2)
    """

    def __init__(self) -> None:
        self.history: dict[str, list[Any]] = OldLogs()
        self.epoch: list[int] = []
        # The epochs of each value, since not all epochs have all; they go on counting in a
        # training that begins anew.
        self._epochs: dict[str, list[int]] = {}
        self._earlier = 0

    def get_state(self) -> dict[str, Any]:
        history = {name: list(values) for name, values in self.history.items()}
        return {"history": history, "epoch": self.epoch, "epochs": self._epochs}

    def set_state(self, state: dict[str, Any]) -> None:
        self.history, self.epoch = OldLogs(state["history"]), list(state["epoch"])
        self._epochs = {name: list(epochs) for name, epochs in state.get("epochs", {}).items()}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.epoch = []
        self.model.history = self

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        if len(self.epoch) == 1:  # of this training; 0 but for one that goes on from another
            last = max((epochs[-1] for epochs in self._epochs.values()), default=-1)
            self._earlier = last + 1 if epoch <= last else 0
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs.setdefault(name, []).append(epoch + self._earlier)

    def plot(self, *names: str, log: bool = False) -> Any:
        """Draws the learning curves: a panel for each loss and metric, with its validation.

        Args:
            *names: The names of the values to draw, as in `history`; all by default.
            log: Whether the vertical axes are logarithmic.

        Returns:
            The figure of matplotlib. A notebook shows it below the cell, a script by
            `matplotlib.pyplot.show()`.

        Raises:
            ImportError: If matplotlib is not installed.
            ValueError: If there is no such value, or no epoch yet.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            >>> model.compile("sgd", "mse", metrics=["mae"])
            >>> x = np.ones((8, 1))
            >>> history = model.fit(x, x, validation_data=(x, x), epochs=3, verbose=0)
            >>> figure = history.plot()
            >>> [axes.get_title() for axes in figure.axes]
            ['loss', 'mae']
            >>> figure.savefig("curves.png")
        """
        plt = curves.pyplot("`History.plot`")
        courses = self.courses()
        curves.check(courses, names)
        from jkeras.callbacks.figures import ShownOnce

        figure = plt.figure(FigureClass=ShownOnce)
        curves.draw(figure, courses, names, log)
        return figure

    def courses(self) -> dict[str, curves.Course]:
        """Returns the numbers by name, with the epochs in which they were recorded."""
        found: dict[str, curves.Course] = {}
        for name, values in self.history.items():
            epochs = self._epochs.get(name, [])
            if len(epochs) != len(values):  # the user has changed the list
                epochs = list(range(len(values)))
            if all(map(curves.is_number, values)):
                found[name] = epochs, [float(value) for value in values]
        return found


class CallbackList(Callback):
    """A callback that calls the hooks of several callbacks, in order.

    Args:
        callbacks: The callbacks; a `CallbackList` is taken as it is.
        add_history: Whether to add a `History` if there is none.
        add_progbar: Accepted for Keras's sake: `fit` draws the progress bar itself.
        model: The model.
        **params: What callbacks get as `params`.

    Raises:
        TypeError: If something is not a callback.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: AnyModel | None = None,
        **params: Any,
    ):
        several = hasattr(callbacks, "__iter__") and not isinstance(callbacks, (str, type))
        given = list(callbacks) if several else [] if callbacks is None else [callbacks]
        for callback in given:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                hint = f" Did you mean {callback.__name__}()?" if isinstance(callback, type) else ""
                raise TypeError(
                    f"`callbacks` must be a list of keras.callbacks.Callback objects, got "
                    f"{callback!r}." + hint
                )
        self.callbacks: list[Any] = given
        self.history: History | None = next((c for c in given if isinstance(c, History)), None)
        if add_history and self.history is None:
            self.history = History()
            self.callbacks.append(self.history)
        self._sort()
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def __iter__(self) -> Any:
        return iter(self.callbacks)

    def append(self, callback: Callback) -> None:
        """Adds a callback."""
        self.callbacks.append(callback)
        self._sort()

    def _sort(self) -> None:
        self.callbacks.sort(key=lambda callback: getattr(callback, "_comes_last", False))

    def set_params(self, params: dict[str, Any]) -> None:
        """Hands the run's parameters to all callbacks."""
        super().set_params(params)
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: AnyModel) -> None:
        """Hands the model to all callbacks."""
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def _named(self) -> dict[str, Any]:
        """Returns the callbacks by names that hold for another process, too."""
        named: dict[str, Any] = {}
        for callback in self.callbacks:
            named[naming.unique(type(callback).__name__, named)] = callback
        return named

    def get_state(self) -> dict[str, Any]:
        """Returns the states of all callbacks that have one, by the names of their classes."""
        states = {name: _state_of(callback) for name, callback in self._named().items()}
        return {name: state for name, state in states.items() if state is not None}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Hands the states to the callbacks; warns of those that are not there any more."""
        named = self._named()
        for name in state.keys() & named.keys():
            named[name].set_state(state[name])
        missing = sorted(state.keys() - named.keys())
        if missing:
            warnings.warn(
                f"The training that goes on had callbacks that this one lacks: {missing}. What "
                "they knew is lost.",
                stacklevel=2,
            )

    def begin_epoch_again(self, epoch: int) -> None:
        """Tells callbacks of the user's own of an epoch that began in another process.

        Those of this library have it in their states.
        """
        for callback in self.callbacks:
            if isinstance(callback, LambdaCallback) or not _is_ours(type(callback)):
                callback.on_epoch_begin(epoch, {})

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        ahead = [n for c in self.callbacks if (n := _steps_ahead(c, mode, batch)) is not None]
        return min(ahead, default=None)

    def overrides(self, hook: str) -> bool:
        """Says whether a callback does something in a hook."""
        default = getattr(Callback, hook)
        return any(getattr(getattr(c, hook), "__func__", None) is not default for c in self)

    @property
    def wants_epochs(self) -> bool:
        """Whether a callback other than `History` must see an epoch's logs at its end."""
        return any(type(c) is not History for c in self.callbacks)


def _state_of(callback: Any) -> Any:
    return callback.get_state() if hasattr(callback, "get_state") else None


def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("jkeras.")


class Changes:
    """Finds callbacks whose attributes change while they train, and who do not say their state.

    Args:
        callbacks: The callbacks, when training begins.
    """

    def __init__(self, callbacks: Iterable[Any]):
        self._watched = [(c, _fingerprint(c)) for c in callbacks if _hides_state(c)]

    def names(self) -> list[str]:
        """Returns the names of the classes of those that have changed; each once."""
        changed = [c for c, before in self._watched if _fingerprint(c) != before]
        self._watched = [pair for pair in self._watched if pair[0] not in changed]
        return sorted({type(c).__name__ for c in changed})


def _hides_state(callback: Any) -> bool:
    """Says whether a class of the user's own takes `get_state` from this library."""
    speaker = next((c for c in type(callback).__mro__ if "get_state" in vars(c)), Callback)
    return _is_ours(speaker) and not _is_ours(type(callback))


def _attributes_of_ours(kind: Any) -> set[str]:
    """Returns the names that the code of those bases uses that are this library's."""
    functions = [f for c in kind.__mro__ if _is_ours(c) for f in vars(c).values()]
    codes = [f.__code__ for f in functions if hasattr(f, "__code__")]
    return {name for code in codes for name in code.co_names}


def _fingerprint(callback: Any) -> dict[str, Any]:
    """Returns what tells whether attributes have changed, but for those of this library."""
    known = {"params", "_model"} | _attributes_of_ours(type(callback))
    plain = (int, float, str, bool, tuple, type(None))
    return {
        name: value
        if isinstance(value, plain)
        else (id(value), len(value) if isinstance(value, (list, dict, set)) else 0)
        for name, value in vars(callback).items()
        if name not in known
    }


def _make_hook(name: str) -> Any:
    def by_index(self: CallbackList, index: int, logs: Mapping[str, Any] | None = None) -> None:
        values = dict(logs or {}) if not isinstance(logs, dict) else logs
        for callback in self.callbacks:
            getattr(callback, name)(index, values)

    def plain(self: CallbackList, logs: Mapping[str, Any] | None = None) -> None:
        values = dict(logs or {}) if not isinstance(logs, dict) else logs
        for callback in self.callbacks:
            getattr(callback, name)(values)

    hook = by_index if "_batch_" in name or "_epoch_" in name else plain
    hook.__name__ = name
    hook.__doc__ = f"Calls `{name}` of all callbacks."
    return hook


def _hooks() -> Iterable[str]:
    return (name for name in vars(Callback) if name.startswith("on_"))


for _name in _hooks():
    setattr(CallbackList, _name, _make_hook(_name))


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: A function of (epoch, logs).
        on_epoch_end: A function of (epoch, logs).
        on_train_begin: A function of (logs).
        on_train_end: A function of (logs).
        on_train_batch_begin: A function of (batch, logs).
        on_train_batch_end: A function of (batch, logs).
        **kwargs: Any other hook by name.

    Raises:
        ValueError: If a name is not that of a hook.

    Example:
        >>> import jkeras as keras
        >>> log = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch))
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit([[1.0]], [[2.0]], epochs=2, verbose=0, callbacks=[log])
        0
        1
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ):
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        known = set(_hooks())
        for name, function in given.items():
            if name not in known and name.startswith("on_"):
                raise ValueError(f"LambdaCallback got an unknown hook {name!r}: {sorted(known)}.")
            if function is not None and not callable(function):
                raise ValueError(
                    f"Invalid value for argument `{name}` of LambdaCallback. Expected a function. "
                    f"Received: {name}={function!r}"
                )
            if function is not None:
                setattr(self, name, function)
