"""Layer: weights declared in `build`, a computation in `call`."""

import functools
import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import jax
import numpy as np

from jkeras import regularizers
from jkeras.base import naming, registry
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.old_spellings import OldLayer
from jkeras.base.tracing import concretely
from jkeras.base.types import ArrayLike, DTypeLike, Identifier, Shape, Structure
from jkeras.core import call, devices, graph, host, policy, pure, scope, shapes
from jkeras.core.graph import SymbolicTensor
from jkeras.core.input_spec import InputSpec, check_input
from jkeras.core.parts import Module, children, find, paths
from jkeras.core.variable import Variable


class _SetByConstructor:
    """Stands for attributes that `Layer.__init__` sets, as long as it has not been called."""

    def __get__(self, layer: Any, cls: Any) -> Any:
        if layer is None:
            return self
        raise RuntimeError(
            f"{cls.__name__}.__init__() did not call super().__init__(): you forgot to call "
            "`super().__init__()` as the first statement in the `__init__()` method."
        )


# What copies and pickles make anew: calls, which the graph of a model notes; and what files were
# written from, known by code and modules, which cannot be pickled.
_LEFT_OUT = frozenset({"_calls", "_remat", "_written_graph", "_written_programs"})

# Classes, and the attributes of theirs that hold traced values in a call: each is told once.
_told: weakref.WeakKeyDictionary[type, set[str]] = weakref.WeakKeyDictionary()


class Layer(Module, OldLayer, graph.Operation):
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
        ...         self.gain = self.add_weight((input_shape[-1],), initializer="ones", name="gain")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.gain
        >>> layer = Scale(name="scale")
        >>> layer(np.full((1, 2), 3.0)).tolist()
        [[3.0, 3.0]]
        >>> layer.name, layer.gain.path
        ('scale', 'scale/gain')

        What `call` may be given can be said by an `InputSpec`:

        >>> layer.input_spec = keras.InputSpec(ndim=2)
        >>> layer(np.ones(3))
        Traceback (most recent call last):
        ValueError: Input 0 of layer 'scale' is incompatible with the layer: expected ndim=2, ...
    """

    _signature = call.SignatureOfCall()
    _makes_masks = _declares_output_shape = False
    _base_call: Callable | None = None  # the `call` of the built-in layer that a class extends
    # A layer's records, as long as nothing is to be noted.
    _calls: Sequence[graph.Call] = ()
    _added_losses: Sequence[tuple[Any, Any]] = ()
    _built = _building = False
    _trainable = True
    _build_shapes: dict[str, Any] | None = None
    _path: str | None = None
    _remat: devices.RematScope | None = None
    # What attributes that calls set were before there were calls: a list of one value, or of none.
    _before_calls: Mapping[str, list[Any]] = {}
    _seen_shapes: Any = None  # of the outputs of the last call outside of compiled code
    _dtype_policy: Any = _SetByConstructor()
    _older: Any = _SetByConstructor()  # which Keras 2's arguments were given, for a Sequential
    activity_regularizer: Any = _SetByConstructor()
    autocast: Any = _SetByConstructor()
    input_spec: InputSpec | list | None = None
    supports_masking: bool = False
    # See `core/host.py`.
    _prepares_data: bool = False
    _on_numpy: bool = False
    # Tells TensorFlow, which rewrites the source of what `tf.data` calls, to leave layers alone.
    autograph_info__: Any = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if "build" in cls.__dict__:
            cls.build = _recorded_build(cls.__dict__["build"])  # type: ignore[method-assign]
        root = naming.to_snake_case(cls.__name__)
        cls._name = naming.AutomaticName(root, root)
        cls._makes_masks = cls.compute_mask is not Layer.compute_mask
        cls._declares_output_shape = cls.compute_output_shape is not Layer.compute_output_shape
        own = vars(cls)
        if "call" in own and "_base_call" not in own and registry.is_builtin(cls):
            cls._base_call = own["call"]

    def __init__(
        self,
        *,
        activity_regularizer: Identifier = None,
        trainable: bool = True,
        dtype: DTypeLike = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ):
        older = None
        if kwargs:
            older = {k: kwargs.pop(k) for k in INPUT_SHAPE_ARGUMENTS if k in kwargs} or None
            if kwargs.pop("dynamic", None) is not None:
                warn_deprecated("`dynamic=` is Keras 2's: it is ignored.")
        if kwargs:
            raise ValueError(_unknown_arguments(type(self), kwargs))
        if name is not None:
            graph.check_name(name, "a layer")
        if not isinstance(trainable, (bool, np.bool_)):
            raise ValueError(
                f"Expected argument `trainable` of a layer to be a boolean, got {trainable!r}."
            )
        if name is None:
            root = naming.to_snake_case(type(self).__name__)
            name = naming.AutomaticName(naming.auto_name(root), root)
        if activity_regularizer is not None:
            activity_regularizer = regularizers.get(activity_regularizer)
        again = devices.remat_scope.get()
        if again is not None:
            self.__dict__["_remat"] = again
        self.__dict__.update(  # at once: nothing here is traced
            _name=name,
            _trainable=bool(trainable),
            _dtype_policy=policy.get_policy(dtype),
            _older=older,
            activity_regularizer=activity_regularizer,
            autocast=autocast,
        )

    # -------------------------------------------------------------- to be written by a subclass
    def build(self, *input_shape: Shape) -> None:
        """Makes the weights; called once, before the first `call`, with the inputs' shapes.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2)
            >>> layer.build((None, 3))
            >>> layer.kernel.shape
            (3, 2)
        """
        self._built = True

    def call(self, *args: Any, **kwargs: Any) -> Structure:
        """Computes the outputs."""
        raise NotImplementedError(
            f"Layer {type(self).__name__} does not have a `call` method implemented. Write "
            "call(self, inputs)."
        )

    # -------------------------------------------------------------- configuration
    @property
    def path(self) -> str:
        """The names of the layers it was built in, and its own: `"encoder/dense"`."""
        return self._path or self.name

    @property
    def dtype_policy(self) -> policy.DTypePolicy:
        """In what the layer computes, and in what it keeps its weights."""
        return self._dtype_policy

    @dtype_policy.setter
    def dtype_policy(self, value: Identifier) -> None:
        self._dtype_policy = policy.get_policy(value)

    @property
    def dtype(self) -> str:
        """The dtype of the weights.

        Example:
            >>> import jkeras as keras
            >>> keras.layers.Dense(2, dtype="mixed_bfloat16").dtype
            'float32'
        """
        return self._dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of the computation.

        Example:
            >>> import jkeras as keras
            >>> keras.layers.Dense(2, dtype="mixed_bfloat16").compute_dtype
            'bfloat16'
        """
        return self._dtype_policy.compute_dtype

    input_dtype = compute_dtype

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal, unbuilt layer.

        Example:
            >>> import jkeras as keras
            >>> config = keras.layers.Dense(2, activation="relu").get_config()
            >>> config["units"], config["activation"]
            (2, 'relu')
        """
        base: dict[str, Any] = {"name": self._name, "trainable": self.trainable}
        if self.trainable and not registry.accepts(type(self).__init__, "trainable"):
            del base["trainable"]
        base["dtype"] = registry.serialize_keras_object(self._dtype_policy)
        arguments = registry.constructor_arguments(self)
        own = inspect.signature(type(self).__init__).parameters
        legacy = [k for k in INPUT_SHAPE_ARGUMENTS if k not in own]
        for common in ("name", "trainable", "dtype", *legacy):
            arguments.pop(common, None)
        if arguments.get("activity_regularizer", 0) is None:
            del arguments["activity_regularizer"]
        elif self.activity_regularizer is not None:
            arguments["activity_regularizer"] = self.activity_regularizer
        if arguments.get("autocast", False):  # the default
            del arguments["autocast"]
        return {**base, **{k: registry.serialize_keras_object(v) for k, v in arguments.items()}}

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None = None,
        safe_mode: bool | None = None,
    ) -> Self:
        """Makes a layer from the dict that `get_config` returned.

        Args:
            config: The dict.
            custom_objects: Names of your own classes and functions.
            safe_mode: Accepted for Keras's sake: code in configs is never executed.

        Example:
            >>> import jkeras as keras
            >>> config = keras.layers.Dense(2, activation="relu", name="hidden").get_config()
            >>> keras.layers.Dense.from_config(config)
            <Dense name=hidden, built=False>
        """
        with registry.CustomObjectScope(custom_objects):
            values = registry.deserialize_values(config)
            common = {
                k: values.pop(k)
                for k in ("name", "trainable", "dtype")
                if k in values and not registry.accepts(cls.__init__, k)
            }
            layer = registry.construct(cls, values)
            if "name" in common:
                layer.name = common["name"]
            if "dtype" in common:
                layer.dtype_policy = common["dtype"]
            if not common.get("trainable", True):
                layer.trainable = False
            return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """Returns the shapes the layer was built for; None if it is not built."""
        built_for = self._build_shapes
        if built_for is None:
            return None
        if len(built_for) == 1:
            return {"input_shape": next(iter(built_for.values()))}
        return {"shapes_dict": dict(built_for)}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Builds the layer for the shapes that `get_build_config` returned."""
        if config.get("input_shape") is not None:
            self.build(shapes.map_shapes(tuple, config["input_shape"]))
        elif config.get("shapes_dict"):
            self.build(**shapes.map_shapes(tuple, config["shapes_dict"]))

    # -------------------------------------------------------------- building
    @property
    def built(self) -> bool:
        """Whether the weights have been made; true from the start if the layer has no weights.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2)
            >>> before = layer.built
            >>> layer.build((None, 3))
            >>> before, layer.built
            (False, True)
        """
        if self._built:
            return True
        has_build = type(self).build is not Layer.build
        return not has_build and all(child.built for child in children(self))

    @built.setter
    def built(self, value: bool) -> None:
        self._built = bool(value)

    # -------------------------------------------------------------- losses
    def add_loss(self, loss: Structure) -> None:
        """Adds a scalar (or a list of them) to the loss that training minimizes.

        Raises:
            ValueError: If it is symbolic, and the layer is not the model that computes it.

        Example:
            >>> import jkeras as keras
            >>> class Sparse(keras.layers.Layer):
            ...     def call(self, inputs):
            ...         self.add_loss(0.5 * keras.ops.sum(keras.ops.abs(inputs)))
            ...         return inputs
            >>> layer = Sparse()
            >>> _ = layer(keras.ops.array([[1.0, -2.0]]))
            >>> layer.losses[0].item()
            1.5
        """
        here = scope.current()
        if here is None and graph.symbols(loss):
            raise ValueError(
                f"The layer {self.name!r} is given a symbolic loss outside of a call, where "
                "nothing computes it. Call `add_loss` in the layer's `call`, or on the functional "
                "model that is made of the same Inputs: model.add_loss(loss)."
            )
        for value in loss if isinstance(loss, (list, tuple)) else [loss]:
            if here is not None:  # a weight is what it reads as in this call
                value = value.value if isinstance(value, Variable) else value
                here.added_losses.append((self, value))
            else:
                self._added_losses = [*self._added_losses, (self, value)]

    @property
    def losses(self) -> list[jax.Array]:
        """Losses added in this (or the last eager) call, and the regularizers' of the weights.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(
            ...     2, kernel_initializer="ones", kernel_regularizer=keras.regularizers.L2(0.5)
            ... )
            >>> layer.build((None, 3))
            >>> [loss.item() for loss in layer.losses]
            [3.0]
        """
        here = scope.current()
        added = self._added_losses if here is None else here.added_losses
        if not isinstance(here, scope.Pure):
            own = {None, *self._flatten_layers()} if added else set()
            added = [(layer, loss) for layer, loss in added if layer in own]
        weights = [v for v in self.trainable_weights if v.regularizer is not None]
        return [loss for _, loss in added] + [_penalty(v) for v in weights]

    # -------------------------------------------------------------- randomness
    def next_key(self) -> jax.Array:
        """Returns a new random key for this call: it follows from the call's key and the path."""
        return scope.draw_key(self)

    # -------------------------------------------------------------- shapes and masks
    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Structure:
        """Returns symbolic tensors of the outputs' shapes and dtypes.

        Args:
            *args: Symbolic tensors, or anything else that `call` takes.
            **kwargs: Likewise.
        """
        self._prepare(args, kwargs)
        if self._declares_output_shape:
            given = self._signature.shapes_for(self.compute_output_shape, args, kwargs)
            declared = self.compute_output_shape(**given)
            if not all(map(shapes.is_shape, jax.tree.leaves(declared, is_leaf=shapes.is_shape))):
                raise ValueError(
                    f"compute_output_shape() of the layer {self.name!r} must return a shape, a "
                    f"tuple of sizes such as (None, 3), or a structure of them. Got {declared!r}."
                )
            return shapes.map_shapes(lambda s: SymbolicTensor(s, self.compute_dtype), declared)
        return call.spec_of(self, args, kwargs)

    def compute_output_shape(self, *args: Any, **kwargs: Any) -> Shape:
        """Returns the outputs' shapes for inputs of these shapes (None: unknown size).

        A layer overrides it only where its `call` cannot be evaluated abstractly.

        Example:
            >>> import jkeras as keras
            >>> keras.layers.Conv2D(8, 3).compute_output_shape((None, 28, 28, 1))
            (None, 26, 26, 8)
        """

        def symbol(shape: tuple) -> SymbolicTensor:
            return SymbolicTensor(shape, self.compute_dtype)

        inputs, named = shapes.map_shapes(symbol, (args, kwargs))
        named = {k.removesuffix("_shape"): v for k, v in named.items()}
        if set(named) == {"input"}:
            inputs, named = (named["input"],), {}
        if self._declares_output_shape or self._building:  # a subclass's method asks
            outputs = _spec_of_base(self, inputs, named)
        else:
            outputs = self.compute_output_spec(*inputs, **named)
        return jax.tree.map(lambda x: x.shape if isinstance(x, SymbolicTensor) else x, outputs)

    def compute_mask(self, inputs: Structure, previous_mask: ArrayLike = None) -> Structure:
        """Returns the mask of the outputs: the inputs' own unless a layer overrides it.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Embedding(10, 4, mask_zero=True)
            >>> layer.compute_mask(keras.ops.array([[3, 7, 0]])).tolist()
            [[True, True, False]]
        """
        return previous_mask

    stateless_call = pure.stateless_call

    def rematerialized_call(self, layer_call: Callable, *args: Any, **kwargs: Any) -> Callable:
        """Returns a method that computes, whose backward pass computes it again: `keras.remat`."""
        return devices.remat(layer_call)

    @property
    def quantization_mode(self) -> str | None:
        """In what the weights are kept: `"int8"`; None for floats."""
        return self._dtype_policy.quantization_mode

    def quantize(
        self, mode: Identifier = None, type_check: bool = True, config: Identifier = None
    ) -> None:
        """Keeps the weights as integers, in layers that can: `Dense`, `EinsumDense`, `Embedding`.

        Raises:
            NotImplementedError: In others.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(2)
            >>> layer.build((None, 3))
            >>> layer.quantize("int8")
            >>> layer.quantization_mode
            'int8'
        """
        raise NotImplementedError(
            f"Layer {type(self).__name__} does not have a `quantize` method implemented."
        )

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Structure:
        """Adds this call to the graph that the symbolic arguments come from."""
        return _recorded(self, args, kwargs, self.compute_output_spec(*args, **kwargs))

    # -------------------------------------------------------------- calling
    def __call__(self, *args: Any, **kwargs: Any) -> Structure:
        """Records a call on symbolic tensors, or computes; see the class."""
        here = scope.current()
        if here is not None and here.records:
            return here.record(self, args, kwargs)
        if graph.symbols((args, kwargs)):
            return self.symbolic_call(*args, **kwargs)
        if here is not None:
            return call.outputs_of(self, here, args, kwargs)
        if host.is_traced_by_tensorflow(args, kwargs):
            return host.call_in_tensorflow(self, args, kwargs)
        if host.applies(self, args, kwargs):
            return host.call(self, lambda: self._eager_call(args, kwargs), args, kwargs)
        return self._eager_call(args, kwargs)

    def _eager_call(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        here = scope.Eager(paths=lambda: paths(self))
        token = scope.ambient.set(here)
        try:
            outputs = call.outputs_of(self, here, args, kwargs)
        finally:
            scope.ambient.reset(token)
            here.end_attributes()
        if here.masks:
            here.keep_masks(outputs)
        return outputs

    def _check_rebuild(self, *args: Any, **kwargs: Any) -> None:
        """Refuses what `build` is called with again, where that cannot be."""

    def _cast(self, tree: Structure) -> Any:
        """Makes JAX arrays of other arrays, and casts floating ones to the compute dtype."""
        dtype = self.compute_dtype if self.autocast else None
        return (host.as_numpy if host.computes_with_numpy() else call.as_arrays)(tree, dtype)

    def _prepare(self, args: tuple, kwargs: dict[str, Any]) -> None:
        """Checks the inputs against `input_spec`, and builds if that is still to be done."""
        first = args[0] if args else next(iter(kwargs.values()), None)
        check_input(self.input_spec, first, self._name)
        building = self._building  # `build` of a subclass asks for an output's shape
        if not (self._built or building) and type(self).build is not Layer.build:
            self._signature.bind(self, args, kwargs)
            self.build(**self._signature.shapes_for(self.build, args, kwargs))
            check_input(self.input_spec, first, self._name)

    def __setattr__(self, name: str, value: Any) -> None:
        here = scope.ambient.get()
        if isinstance(value, _MAY_HOLD_TRACED) and _holds_traced(value):
            self._check_may_pass(here, name)
        if isinstance(value, SymbolicTensor) and here is not None and here.records:
            raise ValueError(f"It sets self.{name}, which would keep a symbolic tensor.")
        if here is not None:
            before = self.__dict__.setdefault("_before_calls", {})
            if name not in before:
                before[name] = [self.__dict__[name]] if name in self.__dict__ else []
            here.set_attributes[self, name] = None
        super().__setattr__(name, value)

    def _check_may_pass(self, here: Any, name: str) -> None:
        """Refuses a traced value in an attribute that should outlive the call; else warns."""
        before = self._before_calls.get(name, self.__dict__.get(name))
        if here is None or find(before, _is_state):
            raise ValueError(
                f"The layer {self.name!r} sets self.{name} to a traced value, which means nothing "
                "once the traced call has ended.\nReturn it from call(), keep it in a weight "
                f"(`self.{name} = self.add_weight(..., trainable=False)` in build(), then "
                f"`self.{name}.assign(value)`), or hand it to self.add_loss()."
            )
        told = _told.setdefault(type(self), set())
        if here.is_abstract or name in told:
            return
        told.add(name)
        warn_deprecated(
            f"{type(self).__name__}.call() sets self.{name} to a traced value, which means nothing "
            f"once the traced call has ended: then self.{name} is again what it was before there "
            "were calls. To use it later, return it from call(), or keep it in a weight by "
            "assign().",
            UserWarning,
        )

    def end_attribute(self, name: str) -> None:
        """Gives an attribute that holds traced values what it was before there were calls."""
        value = self.__dict__.get(name)
        if isinstance(value, _MAY_HOLD_TRACED) and _holds_traced(value):
            del self.__dict__[name]
            for before in self._before_calls[name]:
                self.__dict__[name] = before

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in _LEFT_OUT}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _recorded_build(build: Callable) -> Callable:
    """Wraps a class's `build`: once a layer, outside of any scope, under the layer's name."""

    @functools.wraps(build)
    def recorded(self: Layer, *args: Any, **kwargs: Any) -> None:
        with host.building:
            if self._building:  # super().build(...) in a subclass
                build(self, *args, **kwargs)
            elif self._built:
                self._check_rebuild(*args, **kwargs)
            else:
                build_and_record(self, args, kwargs)

    def build_and_record(self: Layer, args: tuple, kwargs: dict[str, Any]) -> None:
        args, kwargs = shapes.known_for_build((args, kwargs))
        records = self.__dict__
        records["_building"] = True
        names = scope.current_names()
        names = names if names and names[-1] == self.name else (*names, self.name)
        try:
            with scope.outside(), scope.root_names(names), concretely():
                build(self, *args, **kwargs)
        finally:
            records["_building"] = False
        bound = inspect.signature(build).bind(self, *args, **kwargs)
        given = dict(list(bound.arguments.items())[1:])
        records["_build_shapes"] = {k: v for k, v in given.items() if v is not None}
        records["_path"], records["_built"] = "/".join(names), True
        if not self._trainable:
            self.trainable = False  # of the layers that `build` has made, too

    return recorded


# ------------------------------------------------------------------ small helpers
def _spec_of_base(layer: Layer, args: tuple, kwargs: dict[str, Any]) -> Structure:
    """Returns what the built-in layer gives that a user's class extends.

    The class asks for it in its `build`, when its own `call` may need what is not there yet, and by
    `super()` in its `compute_output_shape`.
    """
    layer._prepare(args, kwargs)
    base = type(layer)._base_call
    if base is None:
        return call.spec_of(layer, args, kwargs)
    return graph.abstract(functools.partial(base, layer), args, kwargs)


def symbolic_call_like(
    layer: Layer, other: Layer, number: int, args: tuple, kwargs: dict[str, Any]
) -> Structure:
    """Does `symbolic_call` as in a call of a layer that differs in its name at most.

    What `call` gives is not found again: that takes most of the time.
    """
    layer._prepare(args, kwargs)
    layer.__dict__.update(_built=True, _seen_shapes=other._seen_shapes)
    return _recorded(layer, args, kwargs, other._calls[number].outputs)


def _recorded(layer: Layer, args: tuple, kwargs: dict[str, Any], specs: Any) -> Any:
    outputs = graph.record_call(layer, args, kwargs, specs)
    made = graph.symbols(outputs)
    if made and made[0].source:
        graph.note_call(layer, made[0].source)
        call.mark_symbols(layer, args, kwargs, outputs)
    return outputs


# Asked first, since attributes are set often.
_MAY_HOLD_TRACED = (jax.core.Tracer, list, tuple, dict)


def _holds_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer) or bool(find(value, _is_traced))


def _is_traced(x: Any) -> bool:
    return isinstance(x, jax.core.Tracer)


def _is_state(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray, Variable))


def _penalty(variable: Variable) -> Any:
    """Returns a weight's regularization loss."""
    value = variable.regularizer(variable.value)  # type: ignore[misc]
    if value is None or isinstance(value, str):
        raise TypeError(
            f"The regularizer of {variable.path!r} returned {value!r}, and not a number to add to "
            "the loss."
        )
    return value


# What `layers.core.given_input_shape` makes an Input of.
INPUT_SHAPE_ARGUMENTS = ("input_shape", "batch_input_shape", "input_dim", "input_length")


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
