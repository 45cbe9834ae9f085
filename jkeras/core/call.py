"""One call of a layer: arguments by name, masks, the training flag, and where errors came up."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.registry import is_builtin
from jkeras.base.types import AnyLayer, Structure
from jkeras.core import graph, placement, policy, scope, shapes
from jkeras.core.explain import explained

# Called with a layer, the inputs and the outputs of each call, if it is set.
watch: Callable[[Any, Any, Any], None] | None = None


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
        self.required = [
            n
            for n, p in parameters.items()
            if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        # "query_mask" is filled with the mask of "query", "mask" with that of the first argument.
        self.mask_sources = {
            n: n.removesuffix("_mask")
            for n in parameters
            if n.endswith("_mask") and n.removesuffix("_mask") in parameters
        }
        if "mask" in parameters and len(self.names) > 1:
            self.mask_sources["mask"] = self.names[0]

    def named(self, args: tuple, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the given arguments by name."""
        return {**dict(zip(self.names, args, strict=False)), **kwargs}

    def bind(self, layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> inspect.BoundArguments:
        """Returns the given arguments by name; raises TypeError where they do not fit."""
        try:
            return self.signature.bind(layer, *args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(layer).__name__}.call(): {error}") from None

    def as_given(self, bound: inspect.BoundArguments, number: int) -> tuple[tuple, dict[str, Any]]:
        """Returns the first arguments by position, as the caller gave them, and all others by name.

        So does Keras: a `call(*args, **kwargs)` around another one finds `training` in `kwargs`.
        """
        args, kwargs = bound.args[1:], bound.kwargs
        return args[:number], {**dict(zip(self.names[number:], args[number:])), **kwargs}

    def shapes_for(self, method: Callable, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Returns the shapes that `build` or `compute_output_shape` takes, by parameter."""
        parameters = [
            p.name
            for p in inspect.signature(method).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        named = self.named(args, kwargs)
        if len(parameters) == 1:
            first = args[0] if args else next(iter(named.values()), None)
            return {parameters[0]: _shapes(first)}
        for p in parameters:
            name = p.removesuffix("_shape")
            if name != p and name in self.names:
                continue
            problem = (
                "which does not end in `_shape`"
                if name == p
                else f"but `call()` does not have argument `{name}`"
            )
            raise ValueError(
                f"For a `{method.__name__}()` method with more than one argument, all arguments "
                "should have a `_shape` suffix and match an argument from `call()`. E.g. "
                "`build(self, foo_shape, bar_shape)` for `call(self, foo, bar)`. It has argument "
                f"`{p}`, {problem}."
            )
        return {
            p: _shapes(named[p.removesuffix("_shape")])
            for p in parameters
            if named.get(p.removesuffix("_shape")) is not None
        }


class SignatureOfCall:
    """Gives the `CallSignature` of a class; found at the first use, to keep imports quick."""

    def __get__(self, layer: AnyLayer, cls: Any) -> CallSignature:
        found = cls.__dict__.get("_own_signature")
        if found is None:
            found = cls._own_signature = CallSignature(cls.call)
        return found


def outputs_of(
    layer: AnyLayer, here: scope.Scope, args: tuple, kwargs: dict[str, Any]
) -> Structure:
    """Computes a layer's outputs in a scope, which is the current one."""
    signature = layer._signature
    training = None
    if "training" in kwargs and not (signature.takes_training or signature.takes_any_keyword):
        kwargs = dict(kwargs)
        training = kwargs.pop("training")
    try:
        # Masks go by array, and casting makes new arrays: look them up first.
        masks = {}
        if here.masks or scope.lasting_masks:
            named = signature.named(args, kwargs)
            masks = {k: jax.tree.map(here.get_mask, v) for k, v in named.items()}
        args, kwargs = layer._cast((args, kwargs))
        if placement.current() is not None and not here.callers:
            args, kwargs = placement.on_mesh((args, kwargs))
        layer._prepare(args, kwargs)
        bound = signature.bind(layer, args, kwargs)
        given = bound.arguments
        training = given.get("training", training)
        if training is None:
            training = here.training
        if signature.takes_training:
            training = signature.training_default if training is None else training
            given["training"] = training
        for name, source in signature.mask_sources.items():
            if given.get(name) is not None:
                masks[source] = given[name]
            elif masks and jax.tree.leaves(masks.get(source)):
                given[name] = masks[source]
        try:
            outputs = _call(layer, here, training, *signature.as_given(bound, len(args)))
        except Exception:
            trusting = isinstance(here, shapes.AbstractScope) and here.trusting
            if not (trusting and layer._declares_output_shape):
                raise
            outputs = _declared_outputs(layer, here, args, kwargs)
    except Exception as error:
        note = f"in {type(layer).__name__} {layer.name!r}, called with " + ", ".join(
            _describe(x) for x in jax.tree.leaves(args)
        )
        told = error
        if is_builtin(type(layer)):
            told = explained(error, f"The layer {layer.name!r}", signature.named(args, kwargs))
        told.add_note(note)
        if told is error:
            raise
        raise told from None
    if outputs is None and not here.callers:
        raise ValueError(
            f"The layer {layer.name!r} returned None: does {type(layer).__name__}.call() end "
            "without `return`?"
        )
    layer.__dict__["_built"] = True
    if isinstance(here, scope.Eager):
        layer.__dict__["_added_losses"] = here.added_losses
    shapes.note_outputs(layer, outputs)
    if layer.activity_regularizer is not None:
        for output in jax.tree.leaves(outputs):  # a loss per sample, as in Keras
            batch_size = jnp.maximum(output.shape[0], 1) if output.ndim else 1
            layer.add_loss(layer.activity_regularizer(output) / batch_size)
    if layer._makes_masks or (masks and layer.supports_masking):
        _mask_outputs(layer, here, bound, masks, outputs)
    return outputs


def _call(
    layer: AnyLayer, here: scope.Scope, training: Any, args: tuple, kwargs: dict[str, Any]
) -> Any:
    before = here.training, here.autocast, here.names
    here.training = training
    dtype = layer.compute_dtype
    here.autocast = dtype if layer.autocast and policy.is_float(dtype) else None
    here.names = (*here.names, layer._name)
    here.callers.append(layer)
    try:
        with jax.named_scope(layer._name):
            again = layer._remat
            if again is not None and isinstance(here, scope.Pure) and again.concerns(layer):
                outputs = again.call(layer, args, kwargs)
            else:
                outputs = layer.call(*args, **kwargs)
        if watch is not None:
            watch(layer, args, outputs)
        return outputs
    except _LOOKS_AT_VALUES as error:
        _explain(error, layer)
        raise
    finally:
        here.callers.pop()
        here.training, here.autocast, here.names = before


_LOOKS_AT_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)


def _explain(error: Exception, layer: AnyLayer) -> None:
    notes = getattr(error, "__notes__", ())
    if not any("keras.ops.where" in note for note in notes):
        error.add_note(
            f"{type(layer).__name__}.call() is traced: what it computes has no values yet, so that "
            "`if`, `while`, float(), int() and NumPy cannot look at them. Use keras.ops.where or "
            "keras.ops.cond for `if`, keras.ops.while_loop for `while`, and functions of keras.ops "
            "in place of NumPy's."
        )


def _declared_outputs(layer: AnyLayer, here: Any, args: tuple, kwargs: dict) -> Any:
    """Returns stand-ins of the shapes that `compute_output_shape` gives."""
    given = layer._signature.shapes_for(layer.compute_output_shape, args, kwargs)
    declared = layer.compute_output_shape(**shapes.map_shapes(here.known, given))
    return shapes.map_shapes(lambda s: jnp.zeros(here.fill(s), layer.compute_dtype), declared)


# ------------------------------------------------------------------ arguments
def as_arrays(tree: tuple[tuple, dict[str, Any]], dtype: str | None) -> Structure:
    """Makes JAX arrays of other arrays, and casts floating ones to a dtype, if one is given."""

    def cast(x: Structure) -> Any:
        if not isinstance(x, (jax.Array, np.ndarray, np.generic)):
            if not hasattr(x, "__array__"):
                return x
            x = np.asarray(x)  # a data frame, or a tensor of another library
        if jnp.issubdtype(x.dtype, np.floating) and dtype != "string":
            typed = isinstance(x, jax.Array) and not getattr(x, "weak_type", True)
            return x if typed and dtype in (None, x.dtype) else jnp.asarray(x, dtype)
        if not isinstance(x, jax.Array):
            policy.check_integers(x, "The input of a layer")
        return jnp.asarray(x) if x.dtype.kind not in "OUS" else x

    args, kwargs = tree
    if dtype is not None:
        words = [x for x in jax.tree.leaves(args[:1]) if isinstance(x, str)]
        if words:
            raise ValueError(
                "Only input tensors may be passed as positional arguments. The following argument "
                f"value should be passed as a keyword argument: {words[0]!r} (of type str)"
            )
    if args and isinstance(args[0], (list, tuple)) and _is_numbers(args[0]):
        args = (np.asarray(args[0]), *args[1:])
    return jax.tree.map(cast, (args, kwargs))


def _is_numbers(value: Any) -> bool:
    """Says whether a list holds numbers only: then it is an array, not a structure of inputs."""
    return bool(value) and all(
        isinstance(v, (int, float)) or (isinstance(v, (list, tuple)) and _is_numbers(v))
        for v in value
    )


def _shapes(inputs: Structure) -> Any:
    return jax.tree.map(lambda x: tuple(getattr(x, "shape", ())), inputs)


def _describe(x: Structure) -> str:
    if hasattr(x, "shape") and hasattr(x, "dtype"):
        return f"{x.dtype}[{','.join('None' if n is None else str(n) for n in x.shape)}]"
    return repr(x)


# ------------------------------------------------------------------ masks
def _mask_outputs(
    layer: AnyLayer,
    here: scope.Scope,
    bound: inspect.BoundArguments,
    masks: dict,
    outputs: Structure,
) -> None:
    if not layer._signature.names:
        return
    first = layer._signature.names[0]
    previous = masks.get(first)
    if not layer._makes_masks and not jax.tree.leaves(previous):
        return
    result = layer.compute_mask(bound.arguments.get(first), previous)
    leaves = jax.tree.leaves(outputs)
    found = [result] if len(leaves) == 1 else jax.tree.leaves(result, is_leaf=_is_none)
    for output, mask in zip(leaves, found, strict=False):
        if mask is not None:
            here.set_mask(output, mask)


def mark_symbols(layer: AnyLayer, args: tuple, kwargs: dict[str, Any], outputs: Structure) -> None:
    """Gives the symbolic outputs of a layer's symbolic call their masks, symbolic as well."""
    inputs = args[0] if args else next(iter(kwargs.values()), None)
    previous = kwargs.get("mask") if "mask" in layer._signature.mask_sources else None
    if previous is None:
        previous = jax.tree.map(lambda x: getattr(x, "_keras_mask", None), inputs)
    if layer._makes_masks or (layer.supports_masking and jax.tree.leaves(previous)):
        mask = graph.record(layer.compute_mask, (inputs, previous), {})
        leaves = graph.symbols(outputs)
        found = [mask] if len(leaves) == 1 else jax.tree.leaves(mask, is_leaf=_is_none)
        for output, one in zip(leaves, found, strict=False):
            output._keras_mask = one


def spec_of(layer: AnyLayer, args: tuple, kwargs: dict[str, Any]) -> Structure:
    """Returns what a layer gives for symbolic arguments, as symbolic tensors without source."""
    leaves = jax.tree.leaves((args, kwargs))
    masks = [getattr(x, "_keras_mask", None) for x in leaves]

    def outputs(args: tuple, kwargs: dict[str, Any], masks: list[Any]) -> Any:
        here: Any = scope.current()
        for array, mask in zip(jax.tree.leaves((args, kwargs)), masks, strict=False):
            if mask is not None:
                here.set_mask(array, mask)
        return outputs_of(layer, here, args, kwargs)

    return graph.abstract(outputs, (args, kwargs, masks), {})


def _is_none(x: Any) -> bool:
    return x is None
