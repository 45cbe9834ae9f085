"""Model: layers put together, by a graph of symbolic tensors or by a subclass."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.export

from jkeras import saving
from jkeras.base import registry
from jkeras.base.old_spellings import OldModel
from jkeras.base.types import AnyVariable, ArrayLike, Data, Identifier, Shape, Structure
from jkeras.callbacks.callback import History
from jkeras.core import graph, placement, pure, serialization
from jkeras.core.input_spec import check_input
from jkeras.core.layer import Layer
from jkeras.core.parts import children, chosen, find
from jkeras.core.signatures import without_others
from jkeras.distribution import set_distribution
from jkeras.export import export_model
from jkeras.models import (
    arguments,
    build_config,
    compiling,
    costs,
    fitting,
    functional_config,
    hooks,
    keras_steps,
    recording,
    results,
    state_tree,
)
from jkeras.models.session import Session
from jkeras.models.summary import summary
from jkeras.training import loop
from jkeras.training.data import is_stream


def functional_arguments(args: tuple, kwargs: Mapping[str, Any]) -> bool:
    """Says whether constructor arguments are those of a functional model."""
    return (
        len(args) >= 2
        or (len(args) == 1 and "outputs" in kwargs)
        or ("inputs" in kwargs and "outputs" in kwargs)
    )


def _of_graph(what: str, read: Callable[[graph.Graph], Any], doc: str) -> Any:
    """Makes a property of the graph that a model is made of."""

    def get(self: "Model") -> Any:
        found = self.call_graph()
        if found is None:
            kind = "has no defined" if self.built else "is not built: it has no"
            raise AttributeError(f"{type(self).__name__} model {self.name!r} {kind} {what} yet.")
        return read(found)

    return property(get, doc=doc)


class Model(OldModel, Layer):
    """A layer that can be compiled, trained, evaluated and saved.

    There are three ways to make one: `keras.Sequential([...])`, `keras.Model(inputs, outputs)` of
    symbolic tensors (the functional way), and a subclass with layers made in `__init__` and any
    Python in `call`.

    Args:
        inputs: The symbolic inputs: one, a list, a tuple or a dict.
        outputs: The symbolic outputs, which follow from the inputs.
        name: The name.

    Example:
        >>> import jkeras as keras
        >>> inputs = keras.Input(shape=(3,))
        >>> outputs = keras.layers.Dense(2, kernel_initializer="ones")(inputs)
        >>> model = keras.Model(inputs, outputs)
        >>> model.input_shape, model.output_shape
        ((None, 3), (None, 2))
        >>> model.inputs[0] is inputs, model.outputs[0] is outputs
        (True, True)
        >>> model.predict([[1.0, 2.0, 3.0]], verbose=0).tolist()
        [[6.0, 6.0]]
        >>> class Net(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.hidden = keras.layers.Dense(
        ...             4, activation="relu", kernel_initializer="ones"
        ...         )
        ...         self.out = keras.layers.Dense(1, kernel_initializer="ones")
        ...
        ...     def call(self, inputs):
        ...         return self.out(self.hidden(inputs))
        >>> Net()(keras.ops.ones((2, 3))).tolist()
        [[12.0], [12.0]]
        >>> [layer.name for layer in model.layers[1:]], model.count_params()
        (['dense'], 8)
    """

    # The kind that the module of Functional puts here, since it derives from this class.
    _of_tensors: type["Model"]
    # What `compile` was given.
    optimizer: Any
    loss: Any
    # What the first call was made on: for which shapes files say that the model was built.
    _call_specs: Mapping[str, Any] | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        kind = Model._of_tensors if cls is Model and functional_arguments(args, kwargs) else cls
        return super().__new__(kind, *args, **kwargs)  # type: ignore[return-value]

    def __init__(self, *args: Any, **kwargs: Any):
        if functional_arguments(args, kwargs):  # a subclass that hands on inputs and outputs
            _derive_from(type(self), Model._of_tensors)
            Model._of_tensors.__init__(self, *args, **kwargs)
            return
        if not kwargs.keys().isdisjoint(("inputs", "outputs")) or graph.symbols(args):
            raise ValueError(
                f"{type(self).__name__} of symbolic tensors takes both `inputs` and `outputs`: "
                "keras.Model(inputs, outputs)."
            )
        if args:
            raise TypeError(
                f"{type(self).__name__} takes keras.Model's arguments by name (or `inputs` and "
                f"`outputs`), got {args!r}."
            )
        super().__init__(**kwargs)
        self._session = Session(self)
        self._compile_arguments: dict[str, Any] | None = None
        self._fitting: fitting.Fit | None = None  # the fit under way
        self.run_eagerly, self.steps_per_execution = False, 1
        self.stop_training = self.stop_evaluating = self.stop_predicting = False
        self.history: History | None = None

    # -------------------------------------------------------------- graph
    def call_graph(self) -> graph.Graph | None:
        """Returns the graph of calls that the model is made of.

        It is None if the model computes in a `call` of its own, or the shape of its inputs is not
        known yet.
        """
        return None

    functional = recording.functional
    program = costs.program
    _describe_for_file = recording.describe_for_file
    _restore = recording.restore
    _twin = recording.twin
    _copied_twin = recording.copied_twin

    @property
    def on_host(self) -> bool:
        """Whether the first layers run on the host, since they are of strings."""
        found = self.call_graph()
        return found is not None and found.on_host

    def _encode_inputs(self, x: Structure) -> Any:
        """Runs the first layers of a model that takes strings; returns what the others need."""
        return x

    @property
    def _operations(self) -> list[Any]:
        """What summaries list: the layers, and in a graph the operations between them."""
        return list(self.layers)

    _is_branched = False

    @property
    def layers(self) -> list[Layer]:
        """The layers of the model, in order: of a graph as Keras orders it, else of definition.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
            >>> model.layers
            [<Dense name=head, built=True>]
        """
        return children(self)

    @layers.setter
    def layers(self, _: Any) -> None:
        raise AttributeError(
            "`Model.layers` attribute is reserved and should not be used. Please use another name."
        )

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer by name or by index.

        Raises:
            ValueError: If the model has no such layer.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
            >>> model.get_layer("head") is model.get_layer(index=0)
            True
        """
        return chosen(self.layers, name, index)

    inputs = _of_graph("inputs", lambda g: graph.symbols(g.inputs), "The symbolic inputs, a list.")
    outputs = _of_graph(
        "outputs", lambda g: graph.symbols(g.outputs), "The symbolic outputs, a list."
    )
    input = _of_graph("inputs", lambda g: g.inputs, "The symbolic inputs, in their structure.")
    output = _of_graph("outputs", lambda g: g.outputs, "The symbolic outputs, in their structure.")
    input_shape = _of_graph(
        "inputs", lambda g: _shape_of(g.inputs), "The shapes of the inputs, None for any size."
    )
    output_shape = _of_graph(
        "outputs", lambda g: _shape_of(g.outputs), "The shapes of the outputs, None for any size."
    )
    input_names = _of_graph("inputs", lambda g: g.input_names, "The names of the inputs.")
    output_names = _of_graph(
        "output names",
        lambda g: g.output_names,
        "The names of the outputs: the keys of a dict, else of the layers that make them.",
    )

    # -------------------------------------------------------------- calling
    @hooks.standard
    def call(
        self, inputs: Structure, training: bool | None = None, mask: ArrayLike = None
    ) -> Structure:
        """Computes the outputs of a functional model; a subclass writes its own."""
        raise NotImplementedError(
            f"Model {type(self).__name__} has no method call(self, inputs), and was not made "
            "of `inputs` and `outputs`. Write one."
        )

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Structure:
        found = self.call_graph()
        if found is None or not found.on_host:
            return super().compute_output_spec(*args, **kwargs)
        outputs = jax.tree.map(lambda x: graph.SymbolicTensor(x.shape, x.dtype), found.outputs)
        single = isinstance(outputs, (list, tuple)) and len(outputs) == 1
        return outputs[0] if single else outputs

    def _cast(self, tree: Structure) -> Any:
        return tree if self.on_host else super()._cast(tree)

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        if not self._call_specs:
            self._call_specs = build_config.specs_of(self._signature.named(args, kwargs))
        check_input(self.input_spec, args[0] if args else None, self.name)
        # Model.build runs the model, so only a build that the user wrote is called from here.
        if not self._built and type(self).build is not Model.build and not self._building:
            super()._prepare(args, kwargs)

    @hooks.standard
    def build(self, input_shape: Shape = None) -> None:
        """Makes the weights for inputs of a shape; nothing is computed.

        Args:
            input_shape: The shape of the inputs (None for an axis of any size), or a structure of
                shapes.

        Raises:
            ValueError: If the model cannot be called on inputs of this shape.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.layers.Dense(2)])
            >>> model.build((None, 3))
            >>> model.count_params()
            8
        """
        if input_shape is not None:
            pure.ensure_built(self, input_shape)

    # -------------------------------------------------------------- training
    @hooks.standard
    @without_others
    def compile(
        self,
        optimizer: Identifier = "rmsprop",
        loss: Identifier = None,
        loss_weights: Structure = None,
        metrics: Identifier = None,
        weighted_metrics: Identifier = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str | None = "auto",
        auto_scale_loss: bool = True,
        **kwargs: Any,
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
            steps_per_execution: How many steps one compiled program runs. With 1, `fit` chooses: as
                many as callbacks and the progress bar allow.
            jit_compile: Accepted for Keras's sake; steps are always compiled, unless `run_eagerly`.
            auto_scale_loss: Whether to scale the loss under the policy `"mixed_float16"`.
            **kwargs: Any other argument is an error.

        Raises:
            ValueError: If a name is unknown; the nearest known one is suggested.
            TypeError: If an argument is unknown.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
            >>> model.compile(optimizer="adam", loss="mse", metrics=["mae"])
            >>> model.optimizer.name, model.loss, model.metrics_names
            ('adam', 'mse', ['loss', 'mae'])
            >>> model.run_eagerly, model.jit_compile
            (False, True)
        """
        given = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }
        compiling.compile_model(self, given, auto_scale_loss, kwargs)

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
            >>> before = model.compiled
            >>> model.compile("sgd", "mse")
            >>> before, model.compiled
            (False, True)
        """
        return self._session.optimizer is not None

    get_compile_config = compiling.get_compile_config
    compile_from_config = compiling.compile_from_config

    @without_others
    def fit(
        self,
        x: Data = None,
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
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        *,
        data_on_device: bool | str = "auto",
        **kwargs: Any,
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
            epochs: How many epochs to train; with `initial_epoch`, the number of the epoch at which
                to stop.
            verbose: 0: silent; 1 or `"auto"`: a live line in a terminal or notebook, else one with
                a bar at the end of each epoch; 2: a plain line an epoch.
            callbacks: `keras.callbacks.Callback` objects.
            validation_split: The fraction of the rows that is kept for validation. It is **the LAST
                rows, before any shuffling**: shuffle data that is sorted by class yourself.
            validation_data: `(x, y)` or `(x, y, sample_weight)`; or something that gives batches.
            shuffle: Whether each epoch takes the samples in a new random order (arrays only).
            class_weight: A dict from class numbers to factors for the losses of their samples.
            sample_weight: A factor for each sample's loss; for several outputs one array for all,
                a list, or a dict by output name.
            initial_epoch: The number of the first epoch.
            steps_per_epoch: Steps an epoch at most; a pass over the data by default. The next epoch
                goes on where the last one stopped; where the data end, so does the epoch.
            validation_steps: Steps of each validation, from the first row on (a generator goes on).
            validation_batch_size: Samples a step of validation; `batch_size` by default.
            validation_freq: Validate after every n-th epoch; or a collection of epochs, counted
                from one.
            data_on_device: Whether arrays are kept on the device for all epochs; `"auto"`: if they
                take no more than `keras.config.data_budget()`, and are not memory maps.
            **kwargs: `workers` and the like of Keras 2 are ignored, with a warning; others are
                an error.

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
            >>> sorted(history.history), model.history is history
            (['loss', 'val_loss'], True)
            >>> history.history["loss"][2] < history.history["loss"][0]
            True
        """
        session = self._compiled_session("fit")
        arguments.check(
            Model.fit,
            kwargs,
            epochs=epochs,
            batch_size=batch_size,
            validation_split=validation_split,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            validation_steps=validation_steps,
            validation_batch_size=validation_batch_size,
            validation_freq=validation_freq,
            data_on_device=data_on_device,
        )
        train = session.read(x, y, sample_weight, batch_size, class_weight, data_on_device)
        valid: Any = None
        if validation_data is not None:
            valid_size = validation_batch_size or batch_size
            valid = session.read_validation(validation_data, valid_size, data_on_device)
        elif validation_split:
            if is_stream(x):
                raise ValueError(
                    "`validation_split` needs arrays: pass `validation_data` with batches of its "
                    "own."
                )
            train, valid = train.split(validation_split, validation_batch_size)
        run = fitting.Fit(self, train, shuffle, steps_per_epoch, initial_epoch)
        run.listen(verbose, arguments.limited_epochs(epochs), callbacks)
        if valid is not None:
            run.validate_on(valid, validation_steps, validation_freq)
        return run.run()

    get_training_state = fitting.get_training_state
    set_training_state = fitting.set_training_state

    def evaluate(
        self,
        x: Data = None,
        y: Structure = None,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        sample_weight: Structure = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> ArrayLike | dict[str, ArrayLike]:
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
            **kwargs: `_use_cached_eval_dataset` is accepted and ignored; others are an error.

        Returns:
            The loss; with metrics or several outputs a list: the total loss, each output's loss,
            the metrics. Or a dict.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
            >>> model = keras.Sequential([keras.Input((1,)), dense])
            >>> model.compile(loss="mse", metrics=["mae"])
            >>> model.evaluate(np.ones((4, 1)), np.full((4, 1), 3.0), verbose=0)
            [4.0, 2.0]
        """
        kwargs.pop("_use_cached_eval_dataset", None)
        session = self._compiled_session("evaluate")
        arguments.check(
            Model.evaluate,
            kwargs,
            batch_size=batch_size,
            steps=steps,
            return_dict=return_dict,
        )
        data = session.read(x, y, sample_weight, batch_size)
        run = fitting.Evaluate(self, data, steps)
        progress = run.listen(verbose, callbacks)
        logs = loop.fetch(run.run())
        run.publish()
        if progress is not None:
            progress.finish(logs, run.done)
        return logs if return_dict else results.as_list(self, logs)

    @without_others
    def predict(
        self,
        x: Data,
        batch_size: int | None = None,
        verbose: int | str = "auto",
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Structure:
        """Returns the model's outputs for some data, as NumPy arrays.

        Args:
            x: The inputs; see `fit`.
            batch_size: Samples a step; 32 by default.
            verbose: 0, 1, 2 or `"auto"`; see `fit`.
            steps: How many steps to take; one pass over the data by default.
            callbacks: `keras.callbacks.Callback` objects.
            **kwargs: `workers` and the like of Keras 2 are ignored, with a warning; others are
                an error.

        Returns:
            The outputs, in the model's structure.

        Example:
            >>> import numpy as np, jkeras as keras
            >>> dense = keras.layers.Dense(2, kernel_initializer="ones")
            >>> model = keras.Sequential([keras.Input((1,)), dense])
            >>> model.predict(np.array([[1.0], [2.0]]), verbose=0).tolist()
            [[1.0, 1.0], [2.0, 2.0]]
        """
        session = self._session
        if verbose == 0 and not callbacks and steps is None and not kwargs:
            known = session.known_outputs(x, 32 if batch_size is None else batch_size)
            if known is not None:
                return known
        arguments.check(Model.predict, kwargs, batch_size=batch_size, steps=steps)
        return fitting.predict(self, x, batch_size, verbose, steps, callbacks)

    train_on_batch = fitting.train_on_batch
    test_on_batch = fitting.test_on_batch
    predict_on_batch = fitting.predict_on_batch

    def _compiled_session(self, method: str) -> Session:
        if not self.compiled:
            raise ValueError(
                f"You must call `compile()` before `{method}()`: for example "
                'model.compile(optimizer="adam", loss="mse").'
            )
        return self._session

    # -------------------------------------------------------------- steps, for a subclass
    train_step = hooks.train_step
    test_step = hooks.test_step
    compute_loss = hooks.compute_loss
    compute_metrics = hooks.compute_metrics
    stateless_compute_loss = hooks.stateless_compute_loss
    compute_loss_and_updates = hooks.compute_loss_and_updates
    predict_step = keras_steps.predict_step
    make_train_function = keras_steps.make_train_function
    make_test_function = keras_steps.make_test_function
    make_predict_function = keras_steps.make_predict_function
    jax_state_sync = keras_steps.jax_state_sync
    distribute_strategy = keras_steps.distribute_strategy
    quantize = keras_steps.quantize  # type: ignore[assignment]

    # -------------------------------------------------------------- metrics and states
    metrics = results.metrics
    metrics_names = results.metrics_names
    reset_metrics = results.reset_metrics
    get_metrics_result = results.get_metrics_result
    get_state_tree = state_tree.get_state_tree
    set_state_tree = state_tree.set_state_tree

    summary = summary

    # -------------------------------------------------------------- configuration
    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        found = state.get("_graph")
        if found is not None and not self._saves_layers_first:  # no model of it was made yet
            _derive_from(type(self), self._of_tensors)
        if self._arguments is None:
            ends = {"inputs": found.inputs, "outputs": found.outputs}  # type: ignore[union-attr]
            self._arguments = (), {**ends, "name": self.name}

    # Whether the constructor was given inputs and outputs, which only a graph describes.
    _is_made_of_tensors = False
    # How Keras numbers the first call, where a larger model's outputs are named.
    _first_output_call = 0

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Makes a model from the dict that `get_config` returned.

        Args:
            config: The dict.
            custom_objects: Names of your own classes and functions.
            safe_mode: Accepted for Keras's sake: code in configs is never executed.

        Example:
            >>> import jkeras as keras
            >>> inputs = keras.Input((3,))
            >>> model = keras.Model(inputs, keras.layers.Dense(2, name="head")(inputs))
            >>> again = keras.Model.from_config(model.get_config())
            >>> again.layers[1]
            <Dense name=head, built=True>
        """
        with registry.CustomObjectScope(custom_objects):
            if not ("input_layers" in config and "output_layers" in config):
                return super().from_config(config)
            return functional_config.model_of(cls, config)

    def _complete(self, complete: Callable[[graph.Graph], graph.Graph]) -> None:
        """Gives the graph what its config has besides inputs and outputs."""

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shapes of what the model was called on; None if that is not known."""
        if not self.built or not self._call_specs:
            return super().get_build_config()
        return build_config.to_config(self._call_specs, self.compute_dtype)

    build_from_config = build_config.build
    call_specs = build_config.call_specs

    def _attributes(self) -> dict[str, Any]:
        own = super()._attributes()
        return {**own, "layers": list(dict.fromkeys(find(own, is_layer)))}

    def distribute(self, distribution: Any) -> Self:
        """Moves the model to where a distribution has it, and makes that the current one.

        Args:
            distribution: A distribution; None: back to one device.

        Returns:
            The model.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            >>> parallel = keras.distribution.DataParallel(devices=["cpu:0"])
            >>> model.distribute(parallel).layers[0].kernel.value.sharding.mesh.axis_names
            ('batch',)
            >>> _ = model.distribute(None)
        """
        set_distribution(distribution)
        optimizer = self._session.optimizer
        slots = [] if optimizer is None else optimizer.variables
        placement.move(pure.named_variables(self), slots)
        return self

    # -------------------------------------------------------------- files
    save = saving.save_model
    save_weights = saving.save_weights
    load_weights = saving.load_weights
    export = export_model

    def to_json(self, **kwargs: Any) -> str:
        """Returns the architecture as a JSON string; `keras.models.model_from_json` reads it.

        Args:
            **kwargs: Arguments of `json.dumps`.

        Example:
            >>> import jkeras as keras
            >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
            >>> keras.models.model_from_json(model.to_json()).layers[0].name
            'head'
        """
        with registry.object_sharing():
            return json.dumps(registry.serialize_keras_object(self), **kwargs)

    # -------------------------------------------------------------- the pure core
    @property
    def variables(self) -> Any:
        """All variables of the model: a list, as in Keras; `.params` and `.state` are its arrays.

        It may be set to the `Variables` that `init`, or a custom training loop, has returned.
        """
        serialization.know_to_flax(ModelVariables, ("params", "state"))
        return ModelVariables(super().variables, self)

    @variables.setter
    def variables(self, values: Structure) -> None:
        pure.write(self, values)

    init = pure.init
    apply = pure.apply


Model._base_call = None  # Its subclass writes `call`: there is none that could stand for that one.


class ModelVariables(list):
    """The variables of a model: Keras's list, and the pure core's two dicts.

    As a pytree it is the two dicts; what is made of one, by `jax.tree.map` or in a function, holds
    arrays in their places.

    Args:
        variables: The variables.
        model: The model.
        arrays: The two dicts, in the model's place.

    Attributes:
        params: From paths to the arrays of the trainable weights.
        state: From paths to the arrays of the other variables.
    """

    def __init__(
        self, variables: Sequence[AnyVariable], model: Model | None = None, arrays: Structure = None
    ):
        super().__init__(variables)
        self._model, self._arrays = model, arrays

    @classmethod
    def of_arrays(cls, params: Structure, state: Structure) -> Self:
        """Returns one that holds arrays, and has no model."""
        found = [x for part in (params, state) if isinstance(part, dict) for x in part.values()]
        return cls(found, arrays=pure.Variables(params, state))

    @property
    def params(self) -> dict[str, jax.Array]:
        """From paths to the arrays of the trainable weights."""
        return self._read().params

    @property
    def state(self) -> dict[str, jax.Array]:
        """From paths to the arrays of the other variables."""
        return self._read().state

    def _read(self) -> pure.Variables:
        return self._arrays if self._model is None else pure.read(self._model)

    def replace(self, **changes: Any) -> Self:
        """Returns one with other `params`, or another `state`."""
        return self.of_arrays(**{**self._read()._asdict(), **changes})


jax.tree_util.register_pytree_with_keys(
    ModelVariables,
    lambda v: (
        tuple((jax.tree_util.GetAttrKey(k), x) for k, x in v._read()._asdict().items()),
        None,
    ),
    lambda _, children: ModelVariables.of_arrays(*children),
)
jax.export.register_pytree_node_serialization(
    ModelVariables,
    serialized_name="jkeras.ModelVariables",
    serialize_auxdata=lambda _: b"",
    deserialize_auxdata=lambda _: None,
    from_children=lambda _, children: ModelVariables.of_arrays(*children),
)


def _derive_from(cls: type, kind: type) -> None:
    """Makes a subclass of Model, whose constructor hands on inputs and outputs, one of `kind`."""
    bases = [kind if base is Model else base for base in cls.__bases__]
    cls.__bases__ = tuple(bases if kind in bases else [*bases, kind])


def _shape_of(tree: Structure) -> Any:
    found = graph.symbols(tree)
    return found[0].shape if len(found) == 1 else jax.tree.map(lambda x: x.shape, tree)


def is_layer(value: Any) -> bool:
    """Says whether a value is a layer."""
    return isinstance(value, Layer)
