"""Layers made of functions and modules of other libraries of JAX."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import registry
from jkeras.base.types import ArrayLike, DTypeLike, Seed, Shape, Structure
from jkeras.core.layer import Layer
from jkeras.core.shapes import is_shape
from jkeras.layers.arguments import next_key, seed_generator


class _Weights:
    """A pytree of weights of a layer: made leaf by leaf, read and written as a whole."""

    def __init__(self, layer: Layer, tree: Structure, trainable: bool):
        leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
        self.structure: Any = structure
        self.are_keys = [_is_key(leaf) for _, leaf in leaves]
        self.variables = []
        for path, leaf in leaves:
            array = np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)
            is_float = jnp.issubdtype(array.dtype, np.floating)
            self.variables.append(
                layer.add_weight(
                    array.shape,
                    initializer=lambda shape, dtype, array=array: jnp.asarray(array, dtype),
                    dtype=None if is_float else array.dtype.name,
                    trainable=trainable and is_float,
                    name=".".join(map(_word, path)).removesuffix(".value") or "params",
                )
            )

    def tree(self) -> Any:
        """Returns the pytree of the variables."""
        return self.structure.unflatten(self.variables)

    def read(self) -> Any:
        """Returns the pytree."""
        values = zip(self.variables, self.are_keys, strict=True)
        arrays = [jax.random.wrap_key_data(v.value) if k else v.value for v, k in values]
        return self.structure.unflatten(arrays)

    def write(self, layer: Layer, tree: Structure) -> None:
        """Sets the weights to what a call returned."""
        leaves, structure = jax.tree.flatten(tree)
        if structure != self.structure:
            raise ValueError(
                f"The function of the layer {layer.name!r} returned a state of another structure: "
                f"{structure} instead of {self.structure}."
            )
        for variable, leaf in zip(self.variables, leaves, strict=True):
            variable.assign(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _is_key(leaf: Any) -> bool:
    return hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _word(key: Any) -> str:
    names = (getattr(key, name, None) for name in ("key", "name", "idx"))
    return str(next((name for name in names if name is not None), key))


class _Outside(Layer):
    """Keeps the pytrees of a function as weights.

    A subclass writes `make(inputs)`, which gives parameters and state, None for none, and
    `run(params, state, inputs, training)`, which gives outputs and the new state.
    """

    _first: tuple[Any, Any] = (None, None)  # the parameters and the state that were given

    def __init__(self, seed: Seed = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.seed, self.seed_generator = seed, seed_generator(seed)

    def build(self, input_shape: Shape) -> None:
        params, state = self.make(_placeholders(input_shape, self.compute_dtype))
        self._params = _Weights(self, params, trainable=True)
        self._state = _Weights(self, state, trainable=False)

    @property
    def params(self) -> Structure:
        """The parameters: a pytree of variables; before it is built, what was given."""
        return self._params.tree() if self.built else self._first[0]

    @property
    def state(self) -> Any:
        """The state: a pytree of variables; before it is built, what was given."""
        return self._state.tree() if self.built else self._first[1]

    def call(self, inputs: ArrayLike, training: bool = False) -> ArrayLike:
        outputs, state = self.run(self._params.read(), self._state.read(), inputs, training)
        if self._state.variables or jax.tree.leaves(state):
            self._state.write(self, state)
        return outputs

    def key(self, training: bool) -> jax.Array:
        """Returns a new key; in inference, without a seed, always the same."""
        return next_key(self) if training or self.seed_generator else jax.random.key(0)

    def make(self, inputs: ArrayLike) -> tuple[Any, Any]:
        """Returns the first parameters, and the first state."""
        raise NotImplementedError

    def run(
        self, params: Structure, state: Structure, inputs: ArrayLike, training: bool
    ) -> tuple[Any, Any]:
        """Computes the outputs, and the new state."""
        raise NotImplementedError


def _placeholders(shapes: Shape, dtype: DTypeLike) -> Any:
    def zeros(shape: Shape) -> jax.Array:
        return jnp.zeros([n or 1 for n in shape], dtype)

    return jax.tree.map(zeros, shapes, is_leaf=is_shape)


class JaxLayer(_Outside):
    """Makes a layer of a function of JAX.

    Args:
        call_fn: A function with arguments `params`, `inputs` and, where it needs them, `state`,
            `rng` and `training`. With `state`, it returns outputs and the new state; without,
            outputs.
        init_fn: A function with arguments `rng`, `inputs` (zeros of the inputs' shapes) and, where
            it needs it, `training`. It returns the parameters; if `call_fn` has a state, parameters
            and state.
        params: The parameters, a pytree, instead of `init_fn`.
        state: The state, likewise.
        seed: An integer, for a sequence of draws of the layer's own. Without it, draws in inference
            are always the same.
        native_serialization_platforms: Accepted for Keras's sake.

    Raises:
        ValueError: If `call_fn` or `init_fn` have other arguments, or there are no parameters.

    Example:
        >>> import jax, jkeras as keras, numpy as np
        >>> def init(rng, inputs):
        ...     return {"kernel": jax.random.normal(rng, (inputs.shape[-1], 2))}
        >>> layer = keras.layers.JaxLayer(lambda params, inputs: inputs @ params["kernel"], init)
        >>> layer(np.ones((4, 3))).shape
        (4, 2)
        >>> layer.weights[0].name
        'kernel'
    """

    def __init__(
        self,
        call_fn: Callable,
        init_fn: Callable | None = None,
        params: Structure = None,
        state: Structure = None,
        seed: Seed = None,
        native_serialization_platforms: Sequence[str] | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, **kwargs)
        self.call_fn, self.init_fn, self._first = call_fn, init_fn, (params, state)
        self.native_serialization_platforms = native_serialization_platforms
        self._takes = _arguments(self, "call_fn", call_fn, ("params", "state", "rng", "training"))
        if init_fn is None and params is None and state is None and "params" in self._takes:
            raise ValueError(
                "`init_fn`, `params` and `state` cannot all be `None` "
                f"(layer {self.name!r}): pass `init_fn`, or the first `params`."
            )
        if init_fn is not None:
            self._init_takes = _arguments(self, "init_fn", init_fn, ("rng", "training"))

    as_given = ("params", "state")

    def make(self, inputs: ArrayLike) -> tuple[Any, Any]:
        if any(x is not None for x in self._first) or self.init_fn is None:
            return self._first
        given: dict[str, Any] = {"inputs": inputs, "training": True}
        if "rng" in self._init_takes:
            given["rng"] = next_key(self)
        made = self.init_fn(**{k: v for k, v in given.items() if k in self._init_takes})
        return made if "state" in self._takes else (made, None)

    def run(
        self, params: Structure, state: Structure, inputs: ArrayLike, training: bool
    ) -> tuple[Any, Any]:
        given = {"params": params, "state": state, "inputs": inputs, "training": training}
        if "rng" in self._takes:
            given["rng"] = self.key(training)
        outputs = self.call_fn(**{k: v for k, v in given.items() if k in self._takes})
        return outputs if "state" in self._takes else (outputs, None)


def _arguments(layer: Layer, what: str, function: Callable, allowed: Iterable[str]) -> set[str]:
    """Returns the names of a function's arguments; refuses others than the known ones."""
    parameters = inspect.signature(function).parameters.values()
    names = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD}
    required = {p.name for p in parameters if p.default is p.empty and p.name in names}
    if "inputs" not in names or required - {"inputs", *allowed}:
        others = ", ".join(f"`{name}`" for name in allowed)
        got = ", ".join(f"`{name}`" for name in sorted(names))
        raise ValueError(
            f"`{what}` of the layer {layer.name!r} takes the argument `inputs` and may take "
            f"{others}. Received a function of {got}."
        )
    return names


class FlaxLayer(_Outside):
    """Makes a layer of a module of Flax, of `flax.linen` or `flax.nnx`.

    Parameters are trainable weights; all other collections are state. The module's call takes the
    inputs as its first argument and, if it has one, `training`; a module of `nnx` without it is set
    to `train()` or `eval()`.

    A config holds the fields of a module of `linen`; to load it, pass the classes that are not
    Flax's own in `custom_objects`. A class of `nnx` needs `get_config` and `from_config`.

    Args:
        module: The module.
        method: The name of another method; for `linen`, also a function of module and inputs.
        variables: For `linen`: the first values of all variables, as `module.init` returns them.
        seed: An integer, for a sequence of draws of the layer's own. Without it, draws in inference
            are always the same.

    Raises:
        ValueError: If `module` is not a module of Flax.

    Example:
        >>> import flax.linen as nn, jkeras as keras, numpy as np
        >>> layer = keras.layers.FlaxLayer(nn.Dense(2))
        >>> layer(np.ones((4, 3))).shape
        (4, 2)
        >>> sorted(weight.name for weight in layer.weights)
        ['bias', 'kernel']
    """

    def __init__(
        self,
        module: Any,
        method: Any = None,
        variables: Structure = None,
        seed: Seed = None,
        **kwargs: Any,
    ):
        super().__init__(seed, **kwargs)
        import flax.linen
        import flax.nnx

        self._is_linen = isinstance(module, flax.linen.Module)
        if not self._is_linen and not isinstance(module, flax.nnx.Module):
            raise ValueError(
                f"The layer {self.name!r} takes a module of flax.linen or flax.nnx. Received: "
                f"module={module!r}"
            )
        self.module, self.method, self.first_variables = module, method, variables
        function = getattr(module, method) if isinstance(method, str) else method
        call = type(module).__call__ if function is None else function
        self._takes_training = "training" in inspect.signature(call).parameters

    @property
    def params(self) -> Structure:
        """The parameters, by collection for `linen`: with `state`, what `variables` takes."""
        params = super().params
        return {"params": params} if self._is_linen and params is not None else params

    def make(self, inputs: ArrayLike) -> tuple[Any, Any]:
        import flax.nnx

        if not self._is_linen:
            parts: Any = flax.nnx.split(self.module, flax.nnx.Param, ...)
            self._graph: Any = parts[0]
            return parts[1], parts[2]
        variables = self.first_variables
        if variables is None:
            training = {"training": True} if self._takes_training else {}
            variables = self.module.init(next_key(self), inputs, method=self.method, **training)
        state = {name: tree for name, tree in variables.items() if name != "params"}
        return variables.get("params", {}), state

    def run(
        self, params: Structure, state: Structure, inputs: ArrayLike, training: bool
    ) -> tuple[Any, Any]:
        flag = {"training": training} if self._takes_training else {}
        if self._is_linen:
            import flax.core

            return self.module.apply(
                {"params": params, **state},
                inputs,
                rngs=self.key(training),
                method=self.method,
                mutable=flax.core.DenyList("params"),
                **flag,
            )
        import flax.nnx

        module = flax.nnx.merge(self._graph, params, state)
        if not self._takes_training:
            module.train() if training else module.eval()
        outputs = getattr(module, self.method or "__call__")(inputs, **flag)
        parts: Any = flax.nnx.split(module, flax.nnx.Param, ...)
        return outputs, parts[2]

    def get_config(self) -> dict[str, Any]:
        if not self._is_linen and not hasattr(self.module, "get_config"):
            raise TypeError(
                f"The module of the layer {self.name!r} has no config: write get_config() and "
                f"from_config() for {type(self.module).__name__}, or save weights only."
            )
        return {**super().get_config(), "module": _describe(self.module)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:  # type: ignore[override]
        return super().from_config({**config, "module": _make(config["module"])})


def _describe(value: Any) -> Any:
    """Returns a JSON-able value; modules of linen without a config of their own as their fields."""
    if isinstance(value, (list, tuple)):
        return [_describe(v) for v in value]
    if hasattr(value, "get_config") or not hasattr(value, "init_with_output"):
        return registry.serialize_keras_object(value)
    fields = [f for f in dataclasses.fields(value) if f.init and f.name not in ("parent", "name")]
    values = {f.name: (getattr(value, f.name), f.default) for f in fields}
    return {
        "module": type(value).__module__,
        "class_name": type(value).__name__,
        "config": {k: _describe(v) for k, (v, default) in values.items() if v is not default},
        "registered_name": registry.get_registered_name(type(value)),
    }


def _make(config: Any) -> Any:
    """Undoes `_describe`; classes are the user's or Flax's own."""
    if isinstance(config, list):
        return [_make(v) for v in config]
    if not isinstance(config, Mapping) or config.get("class_name") in (None, "function"):
        return registry.deserialize_keras_object(config)
    import flax.linen

    name = str(config["class_name"])
    own = getattr(flax.linen, name, None) if str(config["module"]).startswith("flax.") else None
    cls = registry.find_class(config) if own is None else own
    if hasattr(cls, "from_config"):
        return cls.from_config(config["config"])
    return cls(**{k: _make(v) for k, v in config["config"].items()})


class TorchModuleWrapper(Layer):
    """A module of PyTorch's as a layer: not with JAX, as in Keras.

    Args:
        module: The module.
        name: The layer's name.
        output_shape: The shape of its outputs.
        **kwargs: The arguments of every layer.

    Raises:
        NotImplementedError: Always.
    """

    def __init__(
        self, module: Any, name: str | None = None, output_shape: Shape = None, **kwargs: Any
    ):
        raise NotImplementedError(
            "TorchModuleWrapper is only compatible with the PyTorch backend, not with JAX.\n"
            "Write the module with Flax (keras.layers.FlaxLayer) or as a function "
            "(keras.layers.JaxLayer); weights can be set from its state_dict."
        )
