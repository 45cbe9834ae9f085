"""`fit`, `evaluate` and `predict` at work: a feed, a program, and those who listen."""

import warnings
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.callbacks.callback import CallbackList, History
from jkeras.callbacks.console import is_terminal
from jkeras.callbacks.progress import EpochProgress, Progress, resolve_verbose
from jkeras.models import arguments, results
from jkeras.models.session import Evaluation, Prediction, Session, Training
from jkeras.training import data as data_module
from jkeras.training import engine, loop, nans
from jkeras.training.feeds import Chunk


def _pace(model: Any, verbose: int) -> loop.Pace:
    if settings.get("debug_nans"):
        return loop.Pace(1)
    if model.run_eagerly or model.steps_per_execution > 1:
        return loop.Pace(model.steps_per_execution)
    return loop.Pace(refresh=0.1 if verbose == 1 and is_terminal() else None)


class Fit:
    """One `fit`.

    Args:
        model: The model, compiled.
        train: The data.
        shuffle: Whether each epoch takes arrays in a new order.
        steps: Steps an epoch; None for all of a pass.
    """

    def __init__(self, model: Any, train: Any, shuffle: bool, steps: int | None):
        session = model._session
        self._model, self._session = model, session
        self._steps = data_module.limited_steps(steps, train.steps)
        self._program = session.program("train", train.example)
        session.check_labels(self._program, train)
        trainable = session.layout().trainable
        if trainable and not any(trainable):
            warnings.warn("The model does not have any trainable weights.", stacklevel=3)
        self._feed = session.place(train, shuffle)
        self._training = Training(session, self._program, self._feed.select, self._checked)
        self._validation: Evaluate | None = None
        self._frequency: Any = 1
        self._epoch = 0

    def _checked(self, run_chunk: Any) -> Any:
        """Looks for NaNs, if the settings say so."""
        if not settings.get("debug_nans"):
            return run_chunk
        return nans.checked(run_chunk, self._feed.select, self._model, self._bad_step)

    def _bad_step(self, metrics: Any) -> int:
        return self._training.bad_step(metrics)

    def listen(self, verbose: Any, epochs: int, callbacks: Any) -> None:
        """Makes the callbacks and the progress bar listen."""
        verbose, model = resolve_verbose(verbose), self._model
        steps = self._steps or self._feed.steps_per_pass
        self._epochs = epochs
        self._called = CallbackList(callbacks, add_history=True, model=model)
        self._called.set_params({"verbose": verbose, "epochs": epochs, "steps": steps})
        progress = EpochProgress(verbose, epochs, steps) if verbose else None
        self._listeners = loop.Listeners(
            self._called, _pace(model, verbose), progress, lambda: model.stop_training
        )

    def validate_on(self, data: Any, steps: int | None, frequency: Any) -> None:
        """Makes every n-th epoch end with an evaluation."""
        self._validation = Evaluate(self._model, data, steps)
        self._validation.listen_with(self._called)
        self._frequency = frequency

    def _validate(self, epoch: int) -> Mapping[str, Any] | None:
        validation = self._validation
        if validation is None or not arguments.validates(self._frequency, epoch):
            return None
        return validation.run(is_needed=epoch == self._epoch)

    def run(self, initial_epoch: int) -> History:
        """Runs the epochs."""
        model, called, progress = self._model, self._called, self._listeners.progress
        last: dict[str, Any] = {}

        def finish_epoch(epoch: int, logs: dict[str, Any], done: int) -> None:
            last.clear()
            last.update(logs)
            called.on_epoch_end(epoch, logs)
            last.update(logs)
            if progress is not None:
                progress.finish(logs, done)

        epochs = loop.Epochs(
            self._training, self._feed, self._listeners, self._steps, self._validate, finish_epoch
        )
        model.stop_training = False
        self._epoch, model._fitting = initial_epoch, self
        try:
            called.on_train_begin()
            with self._session.interrupts:
                epochs.run(range(self._epoch, self._epochs))
        finally:
            model._fitting = None
            self._session.keep_order(self._feed)
            self._training.publish()
        self._session.optimizer.finalize_variable_values(model.trainable_variables)
        called.on_train_end(last)
        return called.history  # type: ignore[return-value]

    # -------------------------------------------------------------- for another process
    def read(self, epoch: int) -> dict[str, Any]:
        """Returns the state from which `epoch` starts: dicts of numbers and NumPy arrays."""
        arrays = _by_path(self._training.state().replace(metrics=None))
        # Copies, because the next step destroys the cells' arrays.
        copies = {path: np.array(array) for path, array in arrays.items()}
        return {"epoch": epoch, "arrays": copies, "feed": self._feed.position}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Goes on from what `read` has returned.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        state, arrays = self._training.state().replace(metrics=None), saved["arrays"]
        shapes = {path: np.shape(array) for path, array in _by_path(state).items()}
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
        self._training.write(state)
        self._feed.position = saved["feed"]
        self._epoch = saved["epoch"]


def _by_path(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def get_training_state(self: Any, epoch: int) -> dict[str, Any]:
    """Returns, during `fit`, what another process needs to go on from the start of `epoch`.

    That is the weights, the optimizer's state, the number of steps taken, the random key and
    the order of the data: dicts of numbers and NumPy arrays. `callbacks.BackupAndRestore`
    writes them to a file.
    """
    return _running(self, "get_training_state").read(epoch)


def set_training_state(self: Any, state: Mapping[str, Any]) -> None:
    """Makes `fit` go on from a state; to be called by a callback, in `on_train_begin`.

    Args:
        state: What `get_training_state` has returned, in this or in another process.

    Raises:
        ValueError: If it is the state of another model or optimizer.
    """
    _running(self, "set_training_state").restore(state)


def _running(model: Any, method: str) -> Fit:
    if model._fitting is None:
        raise ValueError(f"`{method}` works while `fit` is running: call it in a callback.")
    return model._fitting


class Evaluate:
    """Evaluations on the same data: that of `evaluate`, or those of `fit`.

    Args:
        model: The model, compiled.
        data: The data.
        steps: The largest number of steps; None for all of a pass.
    """

    def __init__(self, model: Any, data: Any, steps: int | None):
        session = model._session
        self._model = model
        self._steps = data_module.limited_steps(steps, data.steps)
        self._program = session.program("test", data.example)
        session.check_labels(self._program, data)
        self._feed = data.feed()  # one for all epochs: arrays are sent to the device once
        self._evaluation = Evaluation(session, self._program, self._feed.select)

    def listen(self, verbose: Any, callbacks: Any) -> Progress | None:
        """Makes the callbacks and a progress bar listen; returns the latter."""
        verbose = resolve_verbose(verbose)
        steps = self._steps or self._feed.steps_per_pass
        called = CallbackList(callbacks, model=self._model)
        called.set_params({"verbose": verbose, "epochs": 1, "steps": steps})
        progress = Progress(steps, verbose) if verbose else None
        self.listen_with(called, verbose, progress)
        return progress

    def listen_with(self, called: CallbackList, verbose: int = 0, progress: Any = None) -> None:
        """Makes the callbacks of a `fit` listen."""
        self._listeners = loop.Listeners(
            called, _pace(self._model, verbose), progress, lambda: self._model.stop_evaluating
        )

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
    model: Any, x: Any, batch_size: int | None, verbose: Any, steps: int | None, callbacks: Any
) -> Any:
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
    model.stop_predicting = False
    listeners = loop.Listeners(called, pace, progress, lambda: model.stop_predicting)
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
    self: Any,
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    return_dict: bool = False,
) -> Any:
    """Takes one training step on all of the given samples.

    Args:
        x: The inputs; see `fit`.
        y: The targets.
        sample_weight: A factor for each sample's loss.
        class_weight: From class numbers to factors of their samples' losses.
        return_dict: Whether to return a dict by name.

    Returns:
        The loss (and the metrics) before the step; see `evaluate`.
    """
    session: Session = self._compiled_session("train_on_batch")
    batch = session.read(x, y, sample_weight, None, class_weight).batch
    data = data_module.ArrayData(batch, data_module.check_lengths(batch))
    program = session.program("train", data.example)
    session.check_labels(program, data)
    training = Training(session, program, engine.take_slot)
    training.begin()
    slots = jax.tree.map(lambda a: jnp.asarray(a)[None], batch)
    logs = loop.fetch(training.take(Chunk(None, slots, 0, 1)))
    training.publish()
    return logs if return_dict else results.as_list(self, logs)


def test_on_batch(
    self: Any, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
) -> Any:
    """Returns the loss and the metrics over all of the given samples, as one batch.

    Args:
        x: The inputs; see `fit`.
        y: The targets.
        sample_weight: A factor for each sample's loss.
        return_dict: Whether to return a dict by name.
    """
    options = {"sample_weight": sample_weight, "return_dict": return_dict, "verbose": 0}
    return self.evaluate(x, y, batch_size=_rows(x), **options)


def predict_on_batch(self: Any, x: Any) -> Any:
    """Returns the outputs for all of the given samples, computed as one batch."""
    return self.predict(x, batch_size=_rows(x), verbose=0)


def _rows(x: Any) -> int:
    return max(len(jax.tree.leaves(data_module.as_structure(x, "x"))[0]), 1)
