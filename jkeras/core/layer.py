"""Layer: weights declared in `build`, a computation in `call`."""

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import constraints, initializers, regularizers
from jkeras.base import naming, registry, settings
from jkeras.base.deprecation import warn_deprecated
from jkeras.core import graph, policy, scope
from jkeras.core.graph import SymbolicTensor
from jkeras.core.input_spec import InputSpec, check_input
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable

# Attributes in which a layer keeps its own records; the walk for weights and sub-layers skips them.
_RECORDS = frozenset(
    {
        *("_arguments", "_own_weights", "_calls", "_added_losses", "_build_shapes"),
        *("_dtype_policy", "_seen_shapes"),
    }
)


class CallSignature:
    """What a class's `call` takes: found once a class."""

    def __init__(self, call: Callable):
        self.signature = inspect.signature(call)
        parameters = dict(list(self.signature.parameters.items())[1:])
        self.takes_any_keyword = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        self.takes_training = "training" in parameters
        default = parameters["training"].default if self.takes_training else None
        self.training_default = default if isinstance(default, bool) else False
        self.names = [n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD]
        # "query_mask" is filled with the mask of "query", "mask" with that of the first argument.
        self.mask_sources = {
            n: n.removesuffix("_mask") for n in parameters if n.removesuffix("_mask") in parameters
        }
        if "mask" in parameters and len(self.names) > 1:
            self.mask_sources["mask"] = self.names[0]

    def named(self, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the given arguments by name."""
        return {**dict(zip(self.names, args, strict=False)), **kwargs}

    def bind(self, layer: Any, args: tuple, kwargs: dict[str, Any]) -> inspect.BoundArguments:
        """Returns the given arguments by name; raises TypeError where they do not fit."""
        try:
            return self.signature.bind(layer, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(layer).__name__}.call(): {error}") from None


class _SignatureOfCall:
    """Gives the `CallSignature` of a class; found at the first use, to keep imports quick."""

    def __get__(self, layer: Any, cls: Any) -> CallSignature:
        found = cls.__dict__.get("_own_signature")
        if found is None:
            found = cls._own_signature = CallSignature(cls.call)
        return found


class Layer(registry.Configurable):
    """The base of all layers.

    `__init__` stores the configuration, `build(input_shape)` makes weights with `add_weight`, and
    `call(inputs)` computes. Calling a layer does one of three things: on symbolic tensors it adds
    to a functional model's graph, inside a model's computation it computes, and elsewhere it
    computes eagerly.

    Args:
        activity_regularizer: A function of the outputs (or its name) that gives a loss.
        trainable: Whether optimizers may change the weights.
        dtype: A dtype or the name of a policy such as `"mixed_float16"`; the global policy by
            default.
        autocast: Whether floating inputs are cast to the layer's compute dtype.
        name: The name; made from the class's by default.
        **kwargs: `input_shape`, `input_dim` and `batch_input_shape` of older Keras code: the shape
            of the inputs of a Sequential model's first layer.

    Raises:
        ValueError: For an unknown argument; the nearest known one is suggested.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> class Scale(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.gain
        >>> Scale()(np.full((1, 2), 3.0)).tolist()
        [[3.0, 3.0]]
    """

    _signature = _SignatureOfCall()
    # Made in __new__, so that attributes may be assigned before super().__init__() is called.
    _own_weights: list[Variable]
    _calls: list[graph.Call]
    _added_losses: list[Any]
    _built: bool
    _building: bool
    input_spec: InputSpec | list | None = None
    supports_masking: bool = False

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _recorded_build(cls.__dict__["build"])  # type: ignore[method-assign]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, *args, **kwargs)
        records = self.__dict__
        records["_own_weights"], records["_calls"], records["_added_losses"] = [], [], []
        records["_built"] = records["_building"] = False
        records["_trainable"] = True
        return self

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        self._batch_input_shape = _input_shape_argument(kwargs)
        for argument in _KERAS_ONLY_ARGUMENTS:
            if not kwargs.get(argument):
                kwargs.pop(argument, None)
        if kwargs:
            raise ValueError(_unknown_arguments(type(self), kwargs))
        if name is not None and not isinstance(name, str):
            raise ValueError(f"The name of a layer is a string, got {name!r}.")
        if name is not None and "/" in name:
            raise ValueError(f"The name of a layer may not contain '/', got {name!r}.")
        self._has_own_name = name is not None
        self._name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._trainable = bool(trainable)
        self._dtype_policy = policy.get_policy(dtype)
        self.autocast = autocast
        self._build_shapes: dict[str, Any] | None = None
        self._path: str | None = None
        self._seen_shapes: Any = None  # of the outputs of the last call outside of compiled code

    # -------------------------------------------------------------- to be written by a subclass
    def build(self, *input_shape: Any) -> None:
        """Makes the weights; called once, before the first `call`, with the inputs' shapes."""
        self._built = True

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(
            f"The class {type(self).__name__} has no method call(self, inputs). Write one."
        )

    # -------------------------------------------------------------- configuration
    @property
    def name(self) -> str:
        """The name: unique in a model."""
        return self.__dict__.get("_name") or naming.to_snake_case(type(self).__name__)

    @name.setter
    def name(self, value: str) -> None:
        self._name, self._has_own_name = value, True

    @property
    def _local_name(self) -> str:
        """The name, if it was given; else that of the class: no count of what ran before."""
        return self.name if self._has_own_name else naming.to_snake_case(type(self).__name__)

    @property
    def path(self) -> str:
        """The names of the layers it was built in, and its own: `"encoder/dense"`."""
        return self._path or self.name

    @property
    def dtype_policy(self) -> policy.DTypePolicy:
        """In what the layer computes, and in what it keeps its weights."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = policy.get_policy(value)

    @property
    def dtype(self) -> str:
        """The dtype of the weights."""
        return self._dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation."""
        return self._dtype_policy.compute_dtype

    @property
    def input_dtype(self) -> str:
        """The dtype to which floating inputs are cast."""
        return self.compute_dtype

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal, unbuilt layer."""
        base: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        if self.trainable and not registry.accepts(type(self).__init__, "trainable"):
            del base["trainable"]
        base["dtype"] = registry.serialize_keras_object(self._dtype_policy)
        arguments = registry.constructor_arguments(self)
        own = inspect.signature(type(self).__init__).parameters
        legacy = [k for k in _INPUT_SHAPE_ARGUMENTS if k not in own]
        for common in ("name", "trainable", "dtype", *legacy, *_KERAS_ONLY_ARGUMENTS):
            arguments.pop(common, None)
        if arguments.get("activity_regularizer", 0) is None:
            del arguments["activity_regularizer"]
        elif self.activity_regularizer is not None:
            arguments["activity_regularizer"] = self.activity_regularizer
        if arguments.get("autocast", False):  # the default
            del arguments["autocast"]
        return {**base, **{k: registry.serialize_keras_object(v) for k, v in arguments.items()}}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes a layer from the dict that `get_config` returned."""
        values = registry.deserialize_values(config)
        common = {
            k: values.pop(k)
            for k in ("name", "trainable", "dtype")
            if k in values and not registry.accepts(cls.__init__, k)
        }
        layer = cls(**values)
        if "name" in common:
            layer.name = common["name"]
        if "dtype" in common:
            layer.dtype_policy = common["dtype"]
        if not common.get("trainable", True):
            layer.trainable = False
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shapes the layer was built for; None if it is not built."""
        shapes = self._build_shapes
        if shapes is None:
            return None
        if len(shapes) == 1:
            return {"input_shape": next(iter(shapes.values()))}
        return {"shapes_dict": dict(shapes)}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds the layer for the shapes that `get_build_config` returned."""
        if config.get("input_shape") is not None:
            self.build(_as_shape(config["input_shape"]))
        elif config.get("shapes_dict"):
            self.build(**{k: _as_shape(v) for k, v in config["shapes_dict"].items()})

    # -------------------------------------------------------------- building
    @property
    def built(self) -> bool:
        """Whether the weights have been made; true from the start if there are none to make."""
        if self._built:
            return True
        has_build = type(self).build is not Layer.build
        return not has_build and all(child.built for _, child in self._children())

    @built.setter
    def built(self, value: bool) -> None:
        self._built = bool(value)

    def add_weight(
        self,
        *args: Any,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Makes a weight of this layer.

        Args:
            *args: The shape; or, as in Keras 2, the name and the shape.
            shape: The shape; `()` by default.
            initializer: A name, an initializer or a function of (shape, dtype); Glorot's uniform
                distribution for floating weights by default, else zeros.
            dtype: The dtype; the layer's by default.
            trainable: Whether optimizers may change it.
            autocast: Whether `call` reads it in the compute dtype.
            regularizer: A function of the weight (or its name) that gives a loss.
            constraint: A function of the weight (or its name) that is applied after each update.
            aggregation: Accepted for Keras's sake.
            overwrite_with_gradient: Whether the gradient replaces the value.
            name: The name in the layer.

        Returns:
            The weight.
        """
        for value in args:
            if isinstance(value, str):
                name = value
            else:
                shape = value
        shape = () if shape is None else (shape,) if isinstance(shape, (int, np.integer)) else shape
        if any(n is None for n in shape):
            raise ValueError(
                f"The weight {name!r} of the layer {self.name!r} has an axis of unknown size: "
                f"{tuple(shape)}. Give the model's inputs a static size on that axis."
            )
        dtype = policy.standardize_dtype(dtype or self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if policy.is_float(dtype) else "zeros"
        with scope.root_names(self._weight_names()):
            weight = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name or "variable",
            )
        weight.regularizer = regularizers.get(regularizer)
        weight.constraint = constraints.get(constraint)
        weight.overwrite_with_gradient = overwrite_with_gradient
        self._own_weights.append(weight)
        if not self._trainable:
            weight.trainable = False
        return weight

    add_variable = add_weight

    def _weight_names(self) -> tuple[str, ...]:
        names = scope.current_names()
        return names if names and names[-1] == self.name else (*names, self.name)

    def count_params(self) -> int:
        """Returns how many numbers the weights hold.

        Raises:
            ValueError: If the layer is not built.
        """
        if not self.built:
            raise ValueError(
                f"The layer {self.name!r} isn't built, so its parameters cannot be counted yet. "
                "Call it on data, or call build(input_shape)."
            )
        return sum(weight.size for weight in self.weights)

    # -------------------------------------------------------------- sub-layers and weights
    def _children(self) -> Iterator[tuple[str, "Layer"]]:
        """Yields (attribute, layer) for the layers in attributes, lists, tuples and dicts."""
        for name, value in self.__dict__.items():
            if name not in _RECORDS:
                for item in _find(value, Layer):
                    yield name, item

    @property
    def _layers(self) -> list["Layer"]:
        return list({id(child): child for _, child in self._children()}.values())

    def _own_variables(self) -> list[Variable]:
        found = list(self._own_weights)
        for name, value in self.__dict__.items():
            if name not in _RECORDS:
                found.extend(_find(value, Variable))
        unique = {id(v): v for v in found}
        return sorted(unique.values(), key=lambda v: v.order)

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list["Layer"]:
        """Returns the layers below this one, depth first, each once."""
        seen: dict[int, Layer] = {}

        def visit(layer: Layer) -> None:
            if id(layer) in seen:
                return
            seen[id(layer)] = layer
            for child in layer._layers:
                if recursive:
                    visit(child)
                else:
                    seen.setdefault(id(child), child)

        visit(self)
        found = list(seen.values())
        return found if include_self else found[1:]

    @property
    def variables(self) -> list[Variable]:
        """All variables of the layer and its sub-layers, seeds included."""
        return self._collect(lambda v: True)

    @property
    def weights(self) -> list[Variable]:
        """The weights of the layer and its sub-layers: each layer's trainable ones first."""
        return self._collect(_is_weight)

    @property
    def trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may change."""
        return [v for v in self.variables if v.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """The variables that optimizers may not change."""
        return [v for v in self.variables if not v.trainable]

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may change."""
        return [v for v in self.weights if v.trainable]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that optimizers may not change."""
        return [v for v in self.weights if not v.trainable]

    def _collect(self, keep: Callable[[Variable], bool]) -> list[Variable]:
        found: dict[int, Variable] = {}
        for layer in self._flatten_layers():
            own = [v for v in layer._own_variables() if keep(v)]
            for variable in sorted(own, key=lambda v: not v.made_trainable):
                found.setdefault(id(variable), variable)
        return list(found.values())

    @property
    def trainable(self) -> bool:
        """Whether optimizers may change the weights; setting it reaches all sub-layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        value = bool(value)
        self._trainable = value
        for variable in self._own_variables():
            if variable.made_trainable:
                variable.trainable = value
        for child in self._layers:
            child.trainable = value

    def get_weights(self) -> list[np.ndarray]:
        """Returns the weights as NumPy arrays."""
        return [np.array(weight.numpy()) for weight in self.weights]

    def set_weights(self, weights: Iterable[Any]) -> None:
        """Sets the weights.

        Args:
            weights: Arrays of the shapes, and in the order, of `get_weights()`.

        Raises:
            ValueError: If the number of arrays or a shape differs.
        """
        own, arrays = self.weights, list(weights)
        if len(own) != len(arrays):
            raise ValueError(
                f"set_weights() of the layer {self.name!r} got {len(arrays)} arrays, but the layer "
                f"has {len(own)} weights: {[w.path for w in own]}."
                + ("" if self.built else " It is not built yet: call it on data first.")
            )
        for weight, array in zip(own, arrays, strict=True):
            if np.shape(array) != weight.shape:
                raise ValueError(
                    f"The weight {weight.path!r} of the layer {self.name!r} has shape "
                    f"{weight.shape}, but got an array of shape {np.shape(array)}."
                )
        for weight, array in zip(own, arrays, strict=True):
            weight.assign(array)

    # -------------------------------------------------------------- what files hold
    # Whether files have a container's `layers` before what is in its other attributes.
    _saves_layers_first: bool = False

    def _saved_attributes(self) -> dict[str, Any]:
        """Returns the attributes in which files look for sub-layers, by the names they use."""
        return {k: v for k, v in self.__dict__.items() if k not in _RECORDS}

    def _saved_variables(self) -> list[Variable]:
        """Returns the layer's own weights (not its sub-layers') in the order of files."""
        own = [v for v in self._own_variables() if v.is_weight]
        return sorted(own, key=lambda v: not v.made_trainable)

    def save_own_variables(self, store: Any) -> None:
        """Puts the layer's own weights into a file; a subclass may store others.

        Args:
            store: Like a dict, from strings to arrays.
        """
        for i, variable in enumerate(self._saved_variables()):
            store[str(i)] = np.asarray(variable.cell())

    def load_own_variables(self, store: Any) -> None:
        """Sets the layer's own weights to what `save_own_variables` has stored.

        Args:
            store: Like a dict, from strings to arrays.

        Raises:
            ValueError: If the number of arrays, or a shape, differs.
        """
        own = self._saved_variables()
        if len(own) != len(store):
            raise ValueError(
                f"Layer {self.name!r} expected {len(own)} variables, but received {len(store)} "
                "variables during loading." + ("" if self.built else " It is not built.")
            )
        for i, variable in enumerate(own):
            variable.assign(store[str(i)])

    # -------------------------------------------------------------- losses
    def add_loss(self, loss: Any) -> None:
        """Adds a scalar (or a list of them) to the loss that training minimizes."""
        here = scope.current()
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if here is not None and here.kind != scope.EAGER:
                here.losses.append(value)
            else:
                self._added_losses.append(value)

    @property
    def losses(self) -> list[jax.Array]:
        """Losses added in this (or the last eager) call, and the regularizers' of the weights."""
        here = scope.current()
        if here is not None and here.kind != scope.EAGER:
            added = list(here.losses)
        else:
            added = [loss for layer in self._flatten_layers() for loss in layer._added_losses]
        weights = (v for v in self.trainable_weights if v.regularizer is not None)
        return added + [v.regularizer(v.value) for v in weights]  # type: ignore[misc]

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._added_losses.clear()

    # -------------------------------------------------------------- metrics and randomness
    @property
    def metrics(self) -> list[Any]:
        """The metric objects in this layer's and its sub-layers' attributes."""
        found: dict[int, Any] = {}
        for layer in self._flatten_layers():
            for name, value in layer.__dict__.items():
                if name not in _RECORDS:
                    for metric in _find(value, _is_metric):
                        found.setdefault(id(metric), metric)
        return list(found.values())

    def next_key(self) -> jax.Array:
        """Returns a new random key for this call: it follows from the call's key and the path."""
        return scope.draw_key(self)

    # -------------------------------------------------------------- shapes and masks
    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Returns symbolic tensors of the outputs' shapes and dtypes.

        Args:
            *args: Symbolic tensors, or anything else that `call` takes.
            **kwargs: Likewise.
        """
        self._prepare(args, kwargs)
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            shapes = self.compute_output_shape(
                **self._shapes_for(self.compute_output_shape, args, kwargs)
            )
            return _map_shapes(lambda s: SymbolicTensor(s, self.compute_dtype), shapes)
        return graph.abstract(self._compute, args, kwargs)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs' shapes for inputs of these shapes (None: unknown size).

        A layer overrides it only where its `call` cannot be evaluated abstractly.
        """

        def symbol(shape: tuple) -> SymbolicTensor:
            return SymbolicTensor(shape, self.compute_dtype)

        inputs = _map_shapes(symbol, args)
        named = {k.removesuffix("_shape"): _map_shapes(symbol, v) for k, v in kwargs.items()}
        if set(named) == {"input"}:
            inputs, named = (named["input"],), {}
        outputs = self.compute_output_spec(*inputs, **named)
        return jax.tree.map(lambda x: x.shape if isinstance(x, SymbolicTensor) else x, outputs)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns the mask of the outputs: the inputs' own unless a layer overrides it."""
        return previous_mask

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> tuple:
        """Calls the layer purely, with lists of arrays, as Keras's method of this name.

        Args:
            trainable_variables: Arrays in the order of `trainable_variables`.
            non_trainable_variables: Arrays in the order of `non_trainable_variables`.
            *args: What the layer is called on.
            return_losses: Whether to return the losses, too.
            **kwargs: Further arguments of the call, such as `training`.

        Returns:
            `(outputs, new non-trainable variables)`, and the losses if asked for. For draws in a
            training loop of your own use `jkeras.pure.apply`, which takes a key.
        """
        from jkeras.core import pure

        return pure.stateless_call(
            self,
            trainable_variables,
            non_trainable_variables,
            *args,
            return_losses=return_losses,
            **kwargs,
        )

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """Adds this call to the graph that the symbolic arguments come from."""
        outputs = graph.record_call(self, args, kwargs, self.compute_output_spec(*args, **kwargs))
        if graph.symbols(outputs):
            self._calls.extend(x.source for x in graph.symbols(outputs)[:1] if x.source)
        return outputs

    @property
    def input(self) -> Any:
        """The symbolic inputs of the layer's only call in a functional model."""
        call = self._only_call("input")
        inputs = call.inputs or call.output_list
        return inputs[0] if len(inputs) == 1 else inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs of the layer's only call in a functional model."""
        return self._only_call("output").outputs

    def _only_call(self, what: str) -> graph.Call:
        if len(self._calls) != 1:
            raise AttributeError(
                f"The layer {self.name!r} has no single {what}: it was called {len(self._calls)} "
                "times on symbolic tensors."
            )
        return self._calls[0]

    # -------------------------------------------------------------- calling
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Records a call on symbolic tensors, or computes; see the class."""
        if "_dtype_policy" not in self.__dict__:
            raise RuntimeError(
                f"{type(self).__name__}.__init__() did not call super().__init__(): "
                "make that its first line."
            )
        if graph.symbols((args, kwargs)):
            return self.symbolic_call(*args, **kwargs)
        if scope.current() is not None:
            return self._compute(*args, **kwargs)
        self._clear_losses()
        with scope.enter(scope.Scope(paths=lambda: layer_paths(self))) as here:
            outputs = self._compute(*args, **kwargs)
        for array in jax.tree.leaves(outputs):
            mask = here.get_mask(array)
            if mask is not None and not isinstance(array, jax.core.Tracer):
                scope.set_lasting_mask(array, mask)
        return outputs

    def _compute(self, *args: Any, **kwargs: Any) -> Any:
        here = scope.current() or scope.Scope()
        signature = self._signature
        if not (signature.takes_training or signature.takes_any_keyword) and "training" in kwargs:
            kwargs = dict(kwargs)
            training = kwargs.pop("training")
        else:
            training = None
        with self._noted(args):
            # Masks go by array, and casting makes new arrays: look them up first.
            named = signature.named(args, kwargs)
            masks = {k: jax.tree.map(here.get_mask, v) for k, v in named.items()}
            args, kwargs = self._cast((args, kwargs))
            self._prepare(args, kwargs)
            bound = signature.bind(self, args, kwargs)
            given = bound.arguments
            training = given.get("training", training)
            if training is None:
                training = here.training
            if signature.takes_training:
                training = signature.training_default if training is None else training
                given["training"] = training
            for name, source in signature.mask_sources.items():
                if given.get(name) is None and jax.tree.leaves(masks.get(source)):
                    given[name] = masks[source]
            outputs = self._call_in(here, training, bound)
        self._built = True
        if here.kind != scope.PURE:
            self._seen_shapes = jax.tree.map(_known_size, _shapes(outputs), is_leaf=_is_shape)
        if self.activity_regularizer is not None:
            for output in jax.tree.leaves(outputs):  # a loss per sample, as in Keras
                batch_size = output.shape[0] if output.ndim else 1
                self.add_loss(self.activity_regularizer(output) / batch_size)
        self._mask_outputs(here, bound, masks, outputs)
        return outputs

    def _call_in(self, here: scope.Scope, training: Any, bound: inspect.BoundArguments) -> Any:
        before = here.training, here.autocast
        here.training = training
        here.autocast = self.compute_dtype if self.autocast else None
        here.callers.append(self)
        try:
            with scope.name_scope(self.name), jax.named_scope(self.name):
                outputs = self.call(*bound.args[1:], **bound.kwargs)
            if settings.get("debug_nans"):
                self._refuse_nans(bound.args[1:], outputs)
            return outputs
        finally:
            here.callers.pop()
            here.training, here.autocast = before

    def _refuse_nans(self, inputs: Any, outputs: Any) -> None:
        if not _holds_nan(outputs):
            return
        weights = [v.path for v in self._own_variables() if _holds_nan(v.value)]
        source = "It made them of inputs and weights that hold none."
        if _holds_nan(inputs):
            source = "Its inputs hold NaN already: look at the data, or at what made them."
        elif weights:
            source = f"Its weights hold NaN already: {weights}."
        raise FloatingPointError(f"The outputs of the layer {self.name!r} hold NaN.\n{source}")

    def _cast(self, tree: Any) -> Any:
        """Makes JAX arrays of other arrays, and casts floating ones to the compute dtype."""
        dtype = self.compute_dtype if self.autocast else None

        def cast(x: Any) -> Any:
            if not isinstance(x, (jax.Array, np.ndarray, np.generic)):
                if not hasattr(x, "__array__"):
                    return x
                x = np.asarray(x)  # a data frame, or a tensor of another library
            if jnp.issubdtype(x.dtype, np.floating) and dtype != "string":
                return jnp.asarray(x, dtype)
            if not isinstance(x, jax.Array):
                policy.check_integers(x, f"The input of {self.name!r}")
            return jnp.asarray(x) if x.dtype.kind not in "OUS" else x

        args, kwargs = tree
        if args and isinstance(args[0], (list, tuple)) and _is_numbers(args[0]):
            args = (np.asarray(args[0]), *args[1:])
        return jax.tree.map(cast, (args, kwargs))

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """Checks the inputs against `input_spec`, and builds if that is still to be done."""
        first = args[0] if args else next(iter(kwargs.values()), None)
        check_input(self.input_spec, first, self.name)
        if not self._built and type(self).build is not Layer.build:
            self.build(**self._shapes_for(self.build, args, kwargs))
            check_input(self.input_spec, first, self.name)

    def _shapes_for(self, method: Callable, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns the shapes that `build` or `compute_output_shape` takes, by parameter."""
        parameters = [
            p.name
            for p in inspect.signature(method).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        named = self._signature.named(args, kwargs)
        if len(parameters) == 1:
            first = args[0] if args else next(iter(named.values()), None)
            return {parameters[0]: _shapes(first)}
        return {
            p: _shapes(named[p.removesuffix("_shape")])
            for p in parameters
            if named.get(p.removesuffix("_shape")) is not None
        }

    def _mask_outputs(
        self, here: scope.Scope, bound: inspect.BoundArguments, masks: dict, outputs: Any
    ) -> None:
        overridden = type(self).compute_mask is not Layer.compute_mask
        if not (self.supports_masking or overridden) or not self._signature.names:
            return
        first = self._signature.names[0]
        previous = masks.get(first)
        if not overridden and not jax.tree.leaves(previous):
            return
        result = self.compute_mask(bound.arguments.get(first), previous)
        leaves = jax.tree.leaves(outputs)
        found = [result] if len(leaves) == 1 else jax.tree.leaves(result, is_leaf=_is_none)
        for output, mask in zip(leaves, found, strict=False):
            if mask is not None:
                here.set_mask(output, mask)

    @contextmanager
    def _noted(self, inputs: Any) -> Iterator[None]:
        """Adds to an error in which layer it came up, and on what."""
        try:
            yield
        except Exception as error:
            shapes = ", ".join(_describe(x) for x in jax.tree.leaves(inputs))
            error.add_note(f"in {type(self).__name__} {self.name!r}, called with {shapes}")
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, jax.core.Tracer) or (
            isinstance(value, (list, tuple, dict))
            and next(_find(value, jax.core.Tracer), None) is not None
        ):
            raise ValueError(
                f"The layer {self.name!r} sets self.{name} to a traced value, which means nothing "
                "once the traced call has ended.\nReturn it from call(), keep it in a weight "
                f"(`self.{name} = self.add_weight(..., trainable=False)` in build(), then "
                f"`self.{name}.assign(value)`), or hand it to self.add_loss()."
            )
        global _changes
        _changes += 1
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def walk(layer: Layer) -> Iterator[tuple[str, Layer]]:
    """Yields (path, layer) for a layer (whose path is empty) and all layers below it, each once.

    A layer is called by its name in the layer that holds it; one without a name of its own by its
    class, counted in that layer. So paths depend neither on other models nor on what ran before.
    """
    seen: set[int] = set()

    def visit(prefix: str, layer: Layer) -> Iterator[tuple[str, Layer]]:
        if id(layer) in seen:
            return
        seen.add(id(layer))
        yield prefix, layer
        taken: set[str] = set()
        for child in layer._layers:
            name = naming.unique(child._local_name, taken)
            taken.add(name)
            yield from visit(f"{prefix}/{name}" if prefix else name, child)

    yield from visit("", layer)


def layer_paths(layer: Layer) -> dict[Layer, str]:
    """Returns the paths that `walk` gives, by layer."""
    return {part: path for path, part in walk(layer)}


def _recorded_build(build: Callable) -> Callable:
    """Wraps a class's `build`: once a layer, outside of any scope, under the layer's name."""

    @functools.wraps(build)
    def recorded(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._building:  # super().build(...) in a subclass
            build(self, *args, **kwargs)
            return
        if self._built:
            return
        self._building = True
        names = scope.current_names()
        names = names if names and names[-1] == self.name else (*names, self.name)
        args, kwargs = jax.tree.map(_known_size, (args, kwargs), is_leaf=_is_shape)
        try:
            with scope.outside(), scope.root_names(names), jax.ensure_compile_time_eval():
                build(self, *args, **kwargs)
        finally:
            self._building = False
        bound = inspect.signature(build).bind(self, *args, **kwargs)
        shapes = dict(list(bound.arguments.items())[1:])
        self._build_shapes = {k: v for k, v in shapes.items() if v is not None}
        self._path = "/".join(names)
        self._built = True

    return recorded


# How often attributes of layers were set: while that stands still, so does what was found by
# walking through them.
_changes = 0


def changes() -> int:
    """Returns a number that is another one after any attribute of any layer was set."""
    return _changes


# ------------------------------------------------------------------ small helpers
def _find(value: Any, kind: Any) -> Iterator[Any]:
    """Yields what is of a kind in a value, or in the lists, tuples and dicts it is made of."""
    if isinstance(value, kind) if isinstance(kind, type) else kind(value):
        yield value
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _find(item, kind)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _find(item, kind)
    elif isinstance(value, SeedGenerator) and kind is Variable:
        yield value.state


def _is_none(x: Any) -> bool:
    return x is None


def _is_numbers(value: Any) -> bool:
    """Says whether a list holds numbers only: then it is an array, not a structure of inputs."""
    return bool(value) and all(
        isinstance(v, (int, float)) or (isinstance(v, (list, tuple)) and _is_numbers(v))
        for v in value
    )


def _is_shape(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and all(
        n is None or isinstance(n, (int, np.integer)) for n in value
    )


def _as_shape(value: Any) -> Any:
    """Makes tuples of the shapes in what came from JSON."""
    if _is_shape(value):
        return tuple(value)
    if isinstance(value, Mapping):
        return {k: _as_shape(v) for k, v in value.items()}
    return [_as_shape(v) for v in value] if isinstance(value, (list, tuple)) else value


def _shapes(inputs: Any) -> Any:
    return jax.tree.map(lambda x: tuple(getattr(x, "shape", ())), inputs)


def _known_size(shape: Any) -> Any:
    """Gives back None for the batch size at which abstract evaluation tries a layer."""
    here = scope.current()
    if here is None or here.kind != scope.ABSTRACT or not _is_shape(shape) or not shape:
        return shape
    return (None, *shape[1:]) if shape[0] in graph.TRIAL_BATCH_SIZES else tuple(shape)


def _map_shapes(function: Callable, tree: Any) -> Any:
    if _is_shape(tree):
        return function(tuple(tree))
    if isinstance(tree, Mapping):
        return {k: _map_shapes(function, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(_map_shapes(function, v) for v in tree)
    return tree


def _is_metric(value: Any) -> bool:
    return hasattr(value, "update_state") and hasattr(value, "reset_state")


def _is_weight(variable: Variable) -> bool:
    return variable.is_weight


def _describe(x: Any) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}[{','.join('None' if n is None else str(n) for n in x.shape)}]"
    return repr(x)


# In configs that Keras wrote; at their defaults they mean nothing.
_KERAS_ONLY_ARGUMENTS = (
    *("quantization_config", "lora_rank", "lora_alpha", "gptq_unpacked_column_size"),
    "rms_scaling",
)
_INPUT_SHAPE_ARGUMENTS = ("input_shape", "batch_input_shape", "input_dim", "input_length")


def _input_shape_argument(kwargs: dict[str, Any]) -> tuple | None:
    """Takes Keras 2's ways to give a first layer's input shape out of `kwargs`."""
    shape = kwargs.pop("input_shape", None)
    batch_shape = kwargs.pop("batch_input_shape", None)
    dim, length = kwargs.pop("input_dim", None), kwargs.pop("input_length", None)
    for name, value in (("batch_input_shape", batch_shape), ("input_dim", dim)):
        if value is not None:
            warn_deprecated(f"`{name}=` is Keras 2's spelling: put keras.Input(shape=...) first.")
    if batch_shape is not None:
        return tuple(batch_shape)
    if shape is not None:
        return (None, *((shape,) if isinstance(shape, int) else shape))
    if dim is not None:
        return (None, dim) if length is None else (None, length, dim)
    return None


def _unknown_arguments(cls: type, kwargs: dict[str, Any]) -> str:
    known = {"activity_regularizer", "trainable", "dtype", "autocast", "name", "input_shape"}
    for base in cls.__mro__:
        if base is not object:
            known.update(
                inspect.signature(base.__dict__.get("__init__", Layer.__init__)).parameters
            )
    known -= {"self", "args", "kwargs"}
    hints = ", ".join(f"{k}={v!r}{naming.nearest(k, known)}" for k, v in kwargs.items())
    return f"Unrecognized keyword arguments passed to {cls.__name__}: {hints}"


def _holds_nan(tree: Any) -> bool:
    """Says whether an array in a structure holds a NaN; of traced values that is not known."""
    return any(
        isinstance(a, jax.Array)
        and not isinstance(a, jax.core.Tracer)
        and jnp.issubdtype(a.dtype, jnp.inexact)
        and bool(jnp.isnan(a).any())
        for a in jax.tree.leaves(tree)
    )
