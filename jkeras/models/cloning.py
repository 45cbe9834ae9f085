"""New models with the architecture of others."""

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jkeras.base import registry
from jkeras.base.types import Structure
from jkeras.core import graph
from jkeras.core.layer import Layer
from jkeras.layers.core import Input, InputLayer
from jkeras.models.model import Model
from jkeras.models.sequential import Sequential
from jkeras.saving import archive, dialects, errors


def model_from_json(
    json_string: str,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
) -> Model:
    """Makes a model, with new weights, from what `model.to_json()` returned.

    Args:
        json_string: The string; Keras 2's and 3's are read as well.
        custom_objects: Your own classes and functions by name.
        safe_mode: Accepted for Keras's sake: code in JSON is never executed.

    Raises:
        ValueError: If it is not JSON of a model, or a class is unknown.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> again = keras.models.model_from_json(model.to_json())
        >>> again.output_shape, again.count_params()
        ((None, 2), 8)
    """
    if not isinstance(json_string, (str, bytes)):
        raise TypeError(f"`json_string` must be a string. Received: json_string={json_string!r}")
    with errors.reading("the 'JSON' of the model"):
        config = archive.parse_json(json_string, "JSON of the model")
        if not isinstance(config, dict):
            raise ValueError(f"The JSON describes no model: {config!r:.200}")
        config = dialects.modernize(config, str(config.get("keras_version") or ""))
        with registry.object_sharing():
            return registry.deserialize_keras_object(config, custom_objects, area="models")


def clone_model(
    model: Any,
    input_tensors: Structure = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Callable[..., Any] | None = None,
    recursive: bool = False,
    **kwargs: Any,
) -> Model:
    """Makes a model of new layers with the same configs; its weights are drawn anew.

    A compiled model's clone is compiled alike, with an optimizer of its own.

    Args:
        model: The model; or a layer, which is made anew by its config.
        input_tensors: Symbolic tensors for the new model to begin with; new Inputs by default.
        clone_function: Gives the new layer for a layer, which may be another one; a layer with the
            same config by default. It is not called for Inputs.
        call_function: Called as `call_function(layer, *args, **kwargs)` where the new layer would
            be called (functional models only).
        recursive: Whether layers of models inside are cloned by `clone_function`, too.
        **kwargs: `cache` is accepted and ignored; any other argument is an error.

    Raises:
        ValueError: If a subclassed model is cloned otherwise than by its config, or
            `clone_function` returns no layer.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
        >>> copy = keras.models.clone_model(model)
        >>> copy.layers[0].name, copy.layers[0] is model.layers[0]
        ('head', False)
    """
    if not isinstance(model, Layer):
        raise ValueError(f"clone_model() takes a model or a layer, got {model!r}.")
    kwargs.pop("cache", None)
    if kwargs:
        raise ValueError(f"clone_model() got unknown arguments: {sorted(kwargs)}.")

    if not (clone_function is None or callable(clone_function)):
        raise TypeError(
            "`clone_function` must be a function from a layer to the layer that takes its place, "
            f"got {clone_function!r}."
        )
    with registry.copying():
        new = _cloned(model, input_tensors, clone_function, call_function, recursive)
        if isinstance(model, Model) and model.compiled:
            compile_config = model.get_compile_config()
            if compile_config is not None:
                new.compile_from_config(compile_config)
    return new


def _cloned(
    model: Any, input_tensors: Any, clone_function: Any, call_function: Any, recursive: bool
) -> Any:
    def clone(layer: Any) -> Any:
        has_graph = isinstance(layer, Model) and layer.call_graph() is not None
        if recursive and (has_graph or _is_stack(layer)):
            return _cloned(layer, None, clone_function, call_function, recursive=True)
        if clone_function is None:
            return _same(layer)
        new = clone_function(layer)
        if not isinstance(new, graph.Operation):
            raise ValueError(
                f"`clone_function` must return a layer; for {layer!r} it gave {new!r}."
            )
        return new

    if _is_stack(model):
        if call_function is not None:
            raise ValueError("`call_function` is for functional models; this one is Sequential.")
        return _clone_stack(model, input_tensors, clone)
    found = model.call_graph() if isinstance(model, Model) else None
    if found is None:
        if input_tensors is not None or clone_function is not None or call_function is not None:
            raise ValueError(
                "Arguments `clone_function`, `call_function` and `input_tensors` are only "
                f"supported for Sequential or Functional models; the subclassed "
                f"{type(model).__name__} {model.name!r} can only be made anew by its config."
            )
        new = _same(model)
        build_config = model.get_build_config()
        if model.built and not new.built and build_config:
            new.build_from_config(build_config)
        return new
    if found.recorded and (input_tensors, clone_function, call_function) == (None, None, None):
        copy: Any = _same(model)
        copy._restore(model._describe_for_file().get("places", {}))
        return copy
    return _clone_graph(model, found, input_tensors, clone, call_function)


def _is_stack(model: Model) -> bool:
    return isinstance(model, Sequential) and type(model).__init__ is Sequential.__init__


def _same(layer: Layer) -> Layer:
    return type(layer).from_config(layer.get_config())


def _clone_stack(
    model: Sequential, input_tensors: Any, clone: Callable[[Layer], Layer]
) -> Sequential:
    tensors = graph.symbols(input_tensors)
    if input_tensors is not None and len(tensors) != 1:
        raise ValueError(f"A Sequential model has one input; `input_tensors` is {input_tensors!r}.")
    begin = [layer for layer in model._stack if isinstance(layer, InputLayer)]
    start: list[Any] = tensors or [_same(layer) for layer in begin]
    return Sequential([*start, *map(clone, model.layers)], name=model._name)


def _clone_graph(
    model: Model,
    found: graph.Graph,
    input_tensors: Any,
    clone: Callable[[Layer], Layer],
    call_function: Callable[..., Any] | None,
) -> Any:
    old = graph.symbols(found.inputs)
    if input_tensors is None:
        names = [x.source.layer.name if x.source is not None else x.name for x in old]
        new = [
            Input(batch_shape=x.shape, dtype=x.dtype, name=name)
            for x, name in zip(old, names, strict=True)
        ]
    else:
        new = graph.symbols(input_tensors)
    if len(new) != len(old):
        raise ValueError(f"The model has {len(old)} inputs; `input_tensors` has {len(new)}.")
    wanted, given = (str(jax.tree.structure(x)) for x in (found.inputs, input_tensors))
    named = isinstance(found.inputs, Mapping) or isinstance(input_tensors, Mapping)
    if input_tensors is not None and named and wanted != given:
        raise ValueError(
            f"`input_tensors` must have the same structure as model.input: {wanted}, got {given}."
        )
    known = dict(zip(map(id, old), new, strict=True))
    layers: dict[int, Any] = {
        id(layer): clone(layer)
        for layer in found.operations
        if not isinstance(layer, (InputLayer, graph.NamedFunction))
    }
    for call in found.all_calls:
        args, kwargs = graph.replace(call.args, known), graph.replace(call.kwargs, known)
        layer: Any = layers.get(id(call.layer))
        if isinstance(call.layer, graph.NamedFunction):
            function = call.layer.function
            outputs = graph.record(function, args, kwargs, name=call.layer.kind)
        elif call.begins:
            outputs = layer.symbolic_call()
        elif call_function is not None:
            outputs = call_function(layer, *args, **kwargs)
        else:
            outputs = layer(*args, **kwargs)
        pairs = zip(jax.tree.leaves(call.outputs), jax.tree.leaves(outputs), strict=True)
        known.update((id(before), after) for before, after in pairs)
    tensors = graph.replace(found.inputs, known), graph.replace(found.outputs, known)
    cls = type(model) if model._is_made_of_tensors else Model
    copy = cls(*tensors, name=model._name)
    if found.losses or found.training is not None:
        training = found.training
        other: Any = training and graph.replace((training.outputs, training.losses), known)
        losses = graph.replace(found.losses, known)
        copy._complete(lambda _: graph.join(*tensors, losses, other, found.recorded))
    return copy
