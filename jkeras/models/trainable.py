"""compile, fit, evaluate, predict: the half of a model that is about data."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import optimizers
from jkeras.base import keys, registry, settings
from jkeras.callbacks.callback import CallbackList, History
from jkeras.callbacks.console import is_terminal
from jkeras.callbacks.progress import Progress, resolve_verbose
from jkeras.core import pure
from jkeras.core.layer import Layer
from jkeras.models import host
from jkeras.models.custom import CustomPrograms, overridden_hooks
from jkeras.models.trainer import (
    ModelCells,
    Predictor,
    Programs,
    Run,
    Trainer,
    describe,
    model_variables,
    names_of,
)
from jkeras.training import data as data_module
from jkeras.training import engine, loop, nans
from jkeras.training.feeds import Feed
from jkeras.training.objective import CompiledObjective, check_names
from jkeras.training.state import Batch


class Trainable(Layer):
    """A layer with `compile`, `fit`, `evaluate` and `predict`; the base of `Model`."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._trainer: Trainer | None = None
        self._forward: Predictor | None = None
        self._descriptions: dict[Any, Any] = {}
        self._compile_arguments: dict[str, Any] | None = None
        self.run_eagerly, self.steps_per_execution = False, 1
        self.stop_training = False
        self.history: History | None = None
        self._run: Run | None = None  # the fit under way

    # -------------------------------------------------------------- compile
    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how to train.

        Args:
            optimizer: A name, a `jkeras.optimizers.Optimizer`, or any
                `optax.GradientTransformation`.
            loss: A name, a function of (y_true, y_pred) or a `Loss`. For a model with several
                outputs: one for all, a list, or a dict by output name.
            loss_weights: Factors of the outputs' losses: a list, or a dict by output name.
            metrics: A list of names, functions or `Metric`s. For several outputs also a list of
                lists, or a dict by output name.
            weighted_metrics: Likewise; these are weighted by `sample_weight`.
            run_eagerly: Whether to run step by step without compiling, for debugging: values can
                be printed and breakpoints set in `call`.
            steps_per_execution: How many steps one compiled program takes; 1 leaves the choice to
                `fit`, which takes as many as callbacks and the progress bar allow.
            jit_compile: Accepted for Keras's sake; steps are always compiled, unless `run_eagerly`.
            auto_scale_loss: Whether to scale the loss under the policy `"mixed_float16"`.

        Raises:
            ValueError: If a name is unknown; the nearest known one is suggested.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            >>> model.compile(optimizer="adam", loss="mse", metrics=["mae"])
            >>> model.optimizer.name
            'adam'
        """
        data_module.check_count("steps_per_execution", steps_per_execution)
        chosen = given = optimizers.get(optimizer)
        if (
            auto_scale_loss
            and self.dtype_policy.name == "mixed_float16"
            and not isinstance(chosen, optimizers.LossScaleOptimizer)
        ):
            chosen = optimizers.LossScaleOptimizer(chosen, name="loss_scale_optimizer")
        losses_and_metrics = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
        }
        check_names(losses_and_metrics)
        if getattr(self, "_graph", None) is not None:  # else outputs have no names yet
            CompiledObjective(loss, loss_weights, output_names=names_of(self, None))
        self.optimizer, self.loss = chosen, loss
        self.run_eagerly, self.steps_per_execution = run_eagerly, int(steps_per_execution)
        if jit_compile == "auto":
            jit_compile = not run_eagerly
        self.jit_compile = jit_compile
        self._compile_arguments = {
            "optimizer": given,  # the wrapper that scales losses is made anew
            **losses_and_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        self._trainer = Trainer(self, chosen, losses_and_metrics)
        self.stop_training = False

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._trainer is not None

    def _require_compiled(self, method: str) -> Trainer:
        if self._trainer is None:
            raise ValueError(
                f"You must call `compile()` before `{method}()`: for example "
                'model.compile(optimizer="adam", loss="mse").'
            )
        return self._trainer

    def _layers_changed(self) -> None:
        """Drops what was compiled for the layers as they were."""
        self._forward = None
        self._descriptions.clear()
        if self._trainer is not None:
            self._trainer.forget()

    def get_compile_config(self) -> dict[str, Any] | None:
        """Returns the arguments of `compile` as JSON-able values; None before `compile`.

        Also None, with a warning, if the optimizer has no config: an optax transformation.
        """
        if self._compile_arguments is None:
            return None
        try:
            return {
                k: registry.serialize_keras_object(v) for k, v in self._compile_arguments.items()
            }
        except NotImplementedError as error:
            warnings.warn(
                f"What `compile` was told is left out of the config. {error}", stacklevel=2
            )
            return None

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Calls `compile` with what `get_compile_config` returned."""
        if type(self).compile is not Trainable.compile:
            warnings.warn(
                f"`compile()` was not called as part of model loading because "
                f"{type(self).__name__} has a `compile()` method of its own. Override "
                "`get_compile_config()` and `compile_from_config(config)` as well.",
                stacklevel=2,
            )
            return
        values = registry.deserialize_values(config)
        known = inspect.signature(self.compile).parameters
        self.compile(**{k: v for k, v in values.items() if k in known})

    # -------------------------------------------------------------- fit
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        *,
        data_on_device: bool | str = "auto",
    ) -> History:
        """Trains the model for a number of epochs.

        Arrays are kept on the device, and many steps run in one compiled program: up to the whole
        epoch, if no callback wants to see every batch.

        Args:
            x: The inputs: an array (NumPy, JAX, pandas, a list of numbers) with one row a sample;
                a list, tuple or dict of arrays for several inputs; or something that gives
                batches `(x, y)` or `(x, y, sample_weight)`: a generator, a `PyDataset`, a loader.
            y: The targets, likewise. One array for several outputs goes to each of them.
            batch_size: Samples a step; 32 by default. The last step of an epoch has what is left.
            epochs: The number of the epoch to stop before.
            verbose: 0: silent; 1: a live line; 2: a line an epoch; `"auto"`: 1 in a terminal or
                notebook, else 2.
            callbacks: `keras.callbacks.Callback` objects.
            validation_split: **The LAST rows, before any shuffling,** are kept for validation:
                this fraction of them. Data sorted by class must be shuffled by yourself first.
            validation_data: `(x, y)` or `(x, y, sample_weight)`; or something that gives batches.
            shuffle: Whether each epoch takes the samples in a new random order (arrays only).
            class_weight: From class numbers to factors of their samples' losses.
            sample_weight: A factor for each sample's loss; for several outputs one array for all,
                a list, or a dict by output name.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: Steps an epoch; a pass over the data by default. The next epoch goes
                on where the last one stopped.
            validation_steps: Likewise, for validation.
            validation_batch_size: Samples a step of validation; `batch_size` by default.
            validation_freq: Validate after every n-th epoch; or a collection of epochs, counted
                from one.
            data_on_device: Whether arrays are kept on the device for all epochs; `"auto"`: if they
                take no more than `keras.config.data_budget()`, and are no memory maps.

        Returns:
            A `History`: `.history` has a list of values for each name.

        Raises:
            ValueError: If `compile` was not called, the data is empty or its parts differ in
                length, a shape does not fit a layer, or a label is out of range.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            >>> model.compile(optimizer="sgd", loss="mse")
            >>> x = np.linspace(0, 1, 64)[:, None]
            >>> history = model.fit(x, 2 * x, epochs=3, verbose=0, validation_split=0.25)
            >>> sorted(history.history)
            ['loss', 'val_loss']
        """
        trainer = self._require_compiled("fit")
        data_module.check_count("epochs", epochs, least=0)
        if steps_per_epoch is not None:
            data_module.check_count("steps_per_epoch", steps_per_epoch)
        if not 0.0 <= validation_split < 1.0:
            raise ValueError(
                f"`validation_split` is a fraction from 0 to 1, got {validation_split}."
            )
        if data_module.is_stream(x) and validation_split:
            raise ValueError(
                "`validation_split` needs arrays: pass `validation_data` with batches of its own."
            )
        train: Any = self._reader.data(
            x, y, sample_weight, batch_size, class_weight, data_on_device
        )
        valid: Any = None
        if validation_data is not None:
            valid = self._reader.validation_data(
                validation_data, validation_batch_size or batch_size, data_on_device
            )
        elif validation_split:
            train, valid = train.split(validation_split, validation_batch_size)
        epochs = _limited_epochs(epochs)
        steps_per_epoch = data_module.limited_steps(steps_per_epoch, train.steps)
        programs = trainer.programs(train.example)
        self._check_labels(programs, train)
        feed = train.feed(keys.draw_integer_seed() if shuffle else None)
        cells = trainer.cells()
        verbose = resolve_verbose(verbose)
        steps_an_epoch = steps_per_epoch or feed.steps_per_pass
        called = CallbackList(callbacks, add_history=True, model=self)
        called.set_params({"verbose": verbose, "epochs": epochs, "steps": steps_an_epoch})
        validate = None
        if valid is not None:
            validate = self._validator(trainer, cells, valid, called, validation_steps)
        progress = EpochProgress(verbose, epochs, steps_an_epoch) if verbose else None
        logs: dict[str, Any] = {}

        def finish_epoch(epoch: int, values: dict[str, Any]) -> None:
            nonlocal logs
            logs = values
            called.on_epoch_end(epoch, logs)
            if progress is not None:
                progress.finish(logs, training.done)

        run_chunk = self._compiled_or_eager(programs.train(feed.select, cells.donates))
        if settings.get("debug_nans"):
            run_chunk = nans.checked(run_chunk, feed.select, self, programs.bad_step)
        training = loop.TrainLoop(
            cells=cells,
            feed=feed,
            run_chunk=run_chunk,
            fresh_metrics=programs.fresh_metrics,
            bad_step=programs.bad_step,
            callbacks=called,
            progress=progress,
            pace=self._pace(verbose),
            validate=validate,
            should_stop=lambda: self.stop_training,
        )
        self.stop_training = False
        run = self._run = Run(cells, feed, initial_epoch)
        called.on_train_begin()
        try:
            training.run(
                range(run.epoch, epochs),
                steps_per_epoch,
                lambda epoch: _validates(validation_freq, epoch),
                finish_epoch,
            )
        finally:
            self._run = None
            trainer.step = cells.step
            programs.publish(training.metrics)
            called.flush()
        self.optimizer.finalize_variable_values(self.trainable_variables)
        called.on_train_end(logs)
        return called.history  # type: ignore[return-value]

    def get_training_state(self, epoch: int) -> dict[str, Any]:
        """Returns, during `fit`, what another process needs to go on from the start of `epoch`.

        That is the weights, the optimizer's state, the number of steps taken, the random key and
        the order of the data: dicts of numbers and NumPy arrays. `callbacks.BackupAndRestore`
        writes them to a file.
        """
        return self._running("get_training_state").read(epoch)

    def set_training_state(self, state: Mapping[str, Any]) -> None:
        """Makes `fit` go on from a state; to be called by a callback, in `on_train_begin`.

        Args:
            state: What `get_training_state` has returned, in this or in another process.

        Raises:
            ValueError: If it is the state of another model or optimizer.
        """
        self._running("set_training_state").write(state)

    def _running(self, method: str) -> Run:
        if self._run is None:
            raise ValueError(f"`{method}` works while `fit` is running: call it in a callback.")
        return self._run

    def _validator(
        self, trainer: Trainer, cells: ModelCells, valid: Any, called: CallbackList, steps: Any
    ) -> Callable[[], Mapping[str, Any]]:
        programs = trainer.programs(valid.example)
        self._check_labels(programs, valid)
        steps = data_module.limited_steps(steps, valid.steps)
        feed = valid.feed()  # one for all epochs: arrays are sent to the device once

        def validate() -> Mapping[str, Any]:
            return self._evaluate(programs, cells.variables, feed, called, None, steps)

        return validate

    def _evaluate(
        self,
        programs: Programs,
        read: Callable[[], pure.Variables],
        feed: Feed,
        called: CallbackList,
        progress: Any,
        steps: int | None,
    ) -> Mapping[str, Any]:
        """Runs one evaluation, with its callbacks; returns the logs, still on the device."""
        called.on_test_begin()
        by_batch = called.wants_batches("test")
        logs, written = loop.evaluate(
            feed=feed,
            run_chunk=self._compiled_or_eager(programs.test(feed.select)),
            variables=read(),  # now: a callback may have set weights
            written=programs.written,
            fresh_metrics=programs.fresh_metrics("test"),
            callbacks=called if by_batch else None,
            progress=progress,
            pace=self._pace(1 if progress is not None else 0),
            steps=steps,
        )
        if written:
            named = pure.named_variables(self)
            for path, value in written.items():
                named[path].set_cell(value)
        if called.overrides("on_test_end"):
            logs = loop.fetch(logs)
        called.on_test_end(dict(logs))
        return logs

    # -------------------------------------------------------------- evaluate
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Returns the loss and the metrics over some data.

        Args:
            x: The inputs; see `fit`.
            y: The targets.
            batch_size: Samples a step; 32 by default.
            verbose: 0, 1, 2 or `"auto"`; see `fit`.
            sample_weight: A factor for each sample's loss.
            steps: How many steps to take; one pass over the data by default.
            callbacks: `keras.callbacks.Callback` objects.
            return_dict: Whether to return a dict by name.
            **kwargs: Nothing else; `_use_cached_eval_dataset` is accepted and ignored.

        Returns:
            The loss; with metrics or several outputs a list: the total loss, each output's loss,
            the metrics. Or a dict.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            >>> model.compile(loss="mse", metrics=["mae"])
            >>> len(model.evaluate(np.ones((4, 1)), np.ones(4), verbose=0))
            2
        """
        kwargs.pop("_use_cached_eval_dataset", None)
        if kwargs:
            raise ValueError(f"evaluate() got unknown arguments: {sorted(kwargs)}.")
        trainer = self._require_compiled("evaluate")
        data = self._reader.data(x, y, sample_weight, batch_size)
        programs = trainer.programs(data.example)
        self._check_labels(programs, data)
        steps = data_module.limited_steps(steps, data.steps)
        feed = data.feed()
        verbose = resolve_verbose(verbose)
        called = CallbackList(callbacks, model=self)
        count = steps or feed.steps_per_pass
        called.set_params({"verbose": verbose, "epochs": 1, "steps": count})
        progress = Progress(count, verbose) if verbose else None
        logs = self._evaluate(
            programs, lambda: model_variables(self), feed, called, progress, steps
        )
        logs = loop.fetch(logs)
        if progress is not None:
            progress.finish(logs)
        return logs if return_dict else programs.as_list(logs)

    # -------------------------------------------------------------- predict
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Returns the model's outputs for some data, as NumPy arrays.

        Args:
            x: The inputs; see `fit`.
            batch_size: Samples a step; 32 by default.
            verbose: 0, 1, 2 or `"auto"`; see `fit`.
            steps: How many steps to take; one pass over the data by default.
            callbacks: `keras.callbacks.Callback` objects.

        Returns:
            The outputs, in the model's structure.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2)])
            >>> model.predict(np.ones((4, 1)), verbose=0).shape
            (4, 2)
        """
        silent = verbose == 0 and not callbacks and steps is None
        if silent and self._forward is not None and settings.get("max_steps_per_epoch") is None:
            known = self._forward.run_known(x, 32 if batch_size is None else batch_size)
            if known is not None:
                return known
        data = self._reader.data(x, None, None, batch_size)
        _, described = describe(self, data.example.x)
        verbose = resolve_verbose(verbose)
        steps = data_module.limited_steps(steps, data.steps)
        count = steps or data.steps
        called = CallbackList(callbacks, model=self)
        called.set_params({"verbose": verbose, "epochs": 1, "steps": count})
        progress = Progress(count, verbose) if verbose else None
        called.on_predict_begin()
        outputs = self._predictor().run(data, described.written, called, progress, steps)
        if not described.written:
            self._predictor().remember(data.example.x)
        if progress is not None:
            progress.finish({})
        called.on_predict_end()
        return outputs

    def _predictor(self) -> Predictor:
        if self._forward is None:
            self._forward = Predictor(self)
        return self._forward

    # -------------------------------------------------------------- one batch
    def train_on_batch(
        self,
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
        trainer = self._require_compiled("train_on_batch")
        data: Any = self._reader.data(x, y, sample_weight, None, class_weight)
        programs = trainer.programs(data.example)
        self._check_labels(programs, data)
        cells = trainer.cells()
        slots = jax.tree.map(lambda a: jnp.asarray(a)[None], data.batch)
        run = self._compiled_or_eager(programs.train(engine.take_slot, cells.donates))
        state, logs = run(cells.read(programs.fresh_metrics()), None, slots, 0, 1)
        cells.write(state)
        trainer.step = cells.step
        programs.publish(state.metrics)
        logs = loop.fetch(logs)
        return logs if return_dict else programs.as_list(logs)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Returns the loss and the metrics over all of the given samples, as one batch.

        Args:
            x: The inputs; see `fit`.
            y: The targets.
            sample_weight: A factor for each sample's loss.
            return_dict: Whether to return a dict by name.
        """
        size = len(jax.tree.leaves(data_module.as_structure(x, "x"))[0])
        return self.evaluate(
            x,
            y,
            batch_size=max(size, 1),
            verbose=0,
            sample_weight=sample_weight,
            return_dict=return_dict,
        )

    def predict_on_batch(self, x: Any) -> Any:
        """Returns the outputs for all of the given samples, computed as one batch."""
        size = len(jax.tree.leaves(data_module.as_structure(x, "x"))[0])
        return self.predict(x, batch_size=max(size, 1), verbose=0)

    # -------------------------------------------------------------- hooks for a subclass
    @property
    def _hooks(self) -> set[str]:
        return overridden_hooks(self, Trainable)

    def _new_programs(self, example: Batch, **parts: Any) -> Programs:
        if self._hooks:
            return CustomPrograms(example, model=self, **parts)
        return Programs(model=self, **parts)

    def _target_specs(self, y: Any, names: Any) -> list[Any] | None:
        if y is None or not self._hooks:
            return y
        try:
            return data_module.per_output(y, names, "y")
        except ValueError:  # whatever a step of the user's own makes of it
            return None

    def _custom_programs(self, method: str) -> CustomPrograms:
        last = self._require_compiled(method).last
        if not isinstance(last, CustomPrograms):
            raise ValueError(
                f"{method}() is called by `fit` and `evaluate`, of a model that overrides it. To "
                "take a step yourself, use train_on_batch(), or jkeras.training."
            )
        return last

    def train_step(self, state: Any, data: Any) -> Any:
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
        return self._custom_programs("train_step").default_train_step(state, data)

    def test_step(self, state: Any, data: Any) -> Any:
        """Takes one step of evaluation: a pure function, which a subclass may override.

        Args:
            state: A `jkeras.training.TrainState` without an optimizer's state; it also unpacks into
                three lists: `trainable, non_trainable, metrics = state`.
            data: `(x, y)` or `(x, y, sample_weight)`, also by these names.

        Returns:
            The new state; or `(logs, state)`, where the state may be three such lists.
        """
        return self._custom_programs("test_step").default_test_step(state, data)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
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
        """
        del training
        objective = self._objective(y_pred)
        loss, _ = objective.loss(_flat(x, y, sample_weight, objective.output_names), y_pred)
        for extra in self.losses:
            loss = loss + jnp.sum(extra).astype(loss.dtype)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
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
        objective, own = self._objective(y_pred), self.metrics
        flat = objective.by_output(_flat(x, y, sample_weight, objective.output_names), y_pred)
        for i, metric, weighted in objective.metrics.values():
            y_true, prediction, weight, _ = flat[i]
            if y_true is not None and any(metric is m for m in own):
                weight = weight if weighted else None
                metric.update_state(y_true, prediction, sample_weight=weight)
        return self.get_metrics_result()

    def _objective(self, y_pred: Any) -> CompiledObjective:
        trainer = self._require_compiled("compute_loss")
        if trainer.last is not None:
            return trainer.last.objective
        return CompiledObjective(**trainer.settings, output_names=names_of(self, y_pred))

    # -------------------------------------------------------------- metrics
    @property
    def metrics(self) -> list[Any]:
        """The metrics: the mean loss, those of `compile`, and those in layers' attributes."""
        compiled = self._trainer.metric_objects() if self._trainer is not None else []
        return [*compiled, *(m for m in super().metrics if m not in compiled)]

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in order; known after the first batch."""
        last = self._require_compiled("metrics_names").last
        return list(last.objective.result_names) if last is not None else ["loss"]

    def reset_metrics(self) -> None:
        """Starts all metrics again."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the values of all metrics by name."""
        last = self._trainer.last if self._trainer is not None else None
        compiled = last.metrics_by_name if last is not None else {}
        names = {id(metric): name for name, metric in compiled.items()}
        values: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            name = names.get(id(metric), metric.name)
            values.update(result if isinstance(result, Mapping) else {name: result})
        return values

    # -------------------------------------------------------------- data
    @property
    def _reader(self) -> data_module.Reader:
        return data_module.Reader(
            lambda x: describe(self, x)[1].names,
            bool(self._hooks),
            lambda x: host.encode(self, x),
        )

    def _check_labels(self, programs: Programs, data: Any) -> None:
        if not self._hooks:
            outputs = describe(self, data.example.x)[1].outputs
            data_module.check_labels(programs.objective, data.example, outputs)

    def _pace(self, verbose: int) -> loop.Pace:
        if settings.get("debug_nans"):
            return loop.Pace(1)
        if self.run_eagerly or self.steps_per_execution > 1:
            return loop.Pace(self.steps_per_execution)
        return loop.Pace(refresh=0.1 if verbose == 1 and is_terminal() else None)

    def _compiled_or_eager(self, run_chunk: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the compiled chunk, or one that runs in Python for debugging."""
        if not self.run_eagerly:
            return run_chunk

        def run(*args: Any, **kwargs: Any) -> Any:
            with jax.disable_jit():
                return run_chunk(*args, **kwargs)

        return run


class EpochProgress:
    """A `Progress` for each epoch in turn, as the training loop wants one."""

    def __init__(self, verbose: int, epochs: int, steps: int | None):
        self._verbose, self._epochs, self._steps = verbose, epochs, steps
        self._progress: Progress | None = None

    def start(self, epoch: int) -> None:
        """Starts the line of an epoch."""
        title = f"Epoch {epoch + 1}/{self._epochs}" if self._epochs > 1 else None
        self._progress = Progress(self._steps, self._verbose, title)

    @property
    def done(self) -> int:
        """How many steps have been shown."""
        return self._progress.done if self._progress else 0

    def update(self, done: int, logs: Mapping[str, Any]) -> None:
        """Shows that `done` steps have ended."""
        if self._progress is not None:
            self._progress.update(done, logs)

    def finish(self, logs: Mapping[str, Any], done: int) -> None:
        """Ends the line, after `done` steps."""
        if self._progress is not None:
            self._progress.finish(logs, done)
            self._steps = self._progress.steps


def _flat(x: Any, y: Any, sample_weight: Any, names: Any) -> Batch:
    return Batch(
        x,
        data_module.as_targets(y, names, "y"),
        data_module.as_targets(sample_weight, names, "sample_weight"),
    )


def _limited_epochs(epochs: int) -> int:
    limit = settings.get("max_epochs")
    if limit is None or epochs <= limit:
        return epochs
    warnings.warn(f"Limiting epochs to {limit}", stacklevel=3)
    return limit


def _validates(frequency: Any, epoch: int) -> bool:
    if isinstance(frequency, (int, np.integer)):
        return (epoch + 1) % frequency == 0
    return (epoch + 1) in frequency
