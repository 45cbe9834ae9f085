"""Keras's own names for steps and their functions, and `quantize`: methods of `Model`."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jkeras.base.types import AnyModel, Identifier, Structure
from jkeras.core import pure
from jkeras.layers.adapted import get_config_of_quantization
from jkeras.models.hooks import StepData, standard


# ------------------------------------------------------------------ steps
@standard
def predict_step(self: AnyModel, state: Any, data: Structure) -> tuple[Any, list[Any]]:
    """Computes the outputs of a batch: a pure function, which a subclass may override.

    Args:
        state: `(trainable, non_trainable)`: two lists of arrays, in the order of
            `trainable_variables` and `non_trainable_variables`.
        data: The inputs; `(x,)`, `(x, y)` or `(x, y, sample_weight)` of which x is used.

    Returns:
        `(outputs, non_trainable)`.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> class Rounded(keras.Sequential):
        ...     def predict_step(self, state, data):
        ...         outputs, rest = super().predict_step(state, data)
        ...         return keras.ops.round(outputs), rest
        >>> model = Rounded([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
        >>> model.predict(np.array([[1.2], [2.7]]), verbose=0).tolist()
        [[1.0], [3.0]]
    """
    trainable, non_trainable = state[0], state[1]
    x = data[0] if isinstance(data, (StepData, tuple)) else data
    return self.stateless_call(trainable, non_trainable, x, training=False)


def own_predict_step(model: AnyModel, named: Mapping[str, Any]) -> Callable[..., tuple] | None:
    """Returns the step of a model with a `predict_step` of its own, for a map over batches."""
    if hasattr(model.predict_step, "is_standard"):
        return None
    paths = {id(variable): path for path, variable in named.items()}

    def step(written: Any, variables: pure.Variables, x: Structure) -> tuple[Any, Any]:
        arrays = {**variables.params, **variables.state}
        lists = [
            [arrays[paths[id(v)]] for v in own]
            for own in (model.trainable_variables, model.non_trainable_variables)
        ]
        outputs, _ = model.predict_step(tuple(lists), x)
        return written, outputs

    return step


def make_train_function(self: AnyModel, force: bool = False) -> Callable[..., Any]:
    """Returns `train_function(iterator)`: takes one step with the next batch, and returns logs.

    `fit` does not use it: its steps are compiled together.

    Args:
        force: Accepted for Keras's sake: the function looks at the model whenever it is called.
    """
    return _function(self, "train_function", self.train_on_batch)


def make_test_function(self: AnyModel, force: bool = False) -> Callable[..., Any]:
    """Returns `test_function(iterator)`: evaluates the next batch, and returns logs.

    Args:
        force: Accepted for Keras's sake: the function looks at the model whenever it is called.
    """
    return _function(self, "test_function", self.test_on_batch)


def make_predict_function(self: AnyModel, force: bool = False) -> Callable[..., Any]:
    """Returns `predict_function(iterator)`: computes the outputs of the next batch.

    Args:
        force: Accepted for Keras's sake: the function looks at the model whenever it is called.
    """

    def predict(x: Structure, *_: Any) -> Any:
        return self.predict_on_batch(x)

    return _function(self, "predict_function", predict)


def jax_state_sync(self: AnyModel) -> None:
    """Does nothing, since a model's variables always say what training has come to.

    Keras on JAX keeps the arrays of a running epoch elsewhere, so that its callbacks call this
    before they read weights. Here they may read them at any time, with or without the call.
    """


distribute_strategy = property(
    lambda self: None,
    doc="None: TensorFlow's strategies are not used. See `keras.distribution` for what is.",
)


def _function(model: AnyModel, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
    options = {} if name == "predict_function" else {"return_dict": True}

    def function(iterator: Any) -> Any:
        batch = next(iterator)
        batch = batch if isinstance(batch, tuple) else (batch,)
        return run(*batch, **options)

    function.__name__ = name
    return function


# ------------------------------------------------------------------ quantization
def quantize(
    self: AnyModel,
    mode: Identifier = None,
    config: Identifier = None,
    filters: Any = None,
    **kwargs: Any,
) -> None:
    """Keeps the weights of all layers that can as integers: see `Dense.quantize`.

    Args:
        mode: `"int8"`.
        config: An `Int8QuantizationConfig`, instead of or besides the mode.
        filters: A regular expression of the names (or paths) of layers to quantize, a list of
            such, or a function of a layer.
        **kwargs: `type_check=False` also quantizes subclasses of layers.

    Raises:
        ValueError: If the model is not built, or the mode is unknown.

    Example:
        >>> import jkeras as keras
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        >>> model.quantize("int8")
        >>> model.layers[0].dtype_policy.name
        'int8_from_float32'
    """
    type_check = kwargs.pop("type_check", True)
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments passed to quantize(): {list(kwargs)}")
    get_config_of_quantization(config if config is not None else mode)  # refuses an unknown one
    if not self.built:
        raise ValueError(
            f"Cannot quantize a layer that isn't yet built. Layer {self.name!r} (of type "
            f"{type(self).__name__!r}) is not built yet."
        )
    unable: list[str] = []
    for layer in self._flatten_layers(include_self=False):
        if layer._layers or not _passes(layer, filters):
            continue
        try:
            layer.quantize(mode, type_check=type_check, config=config)
        except NotImplementedError:
            if layer.weights:
                unable.append(f"{layer.name} ({type(layer).__name__})")
    if unable:
        warnings.warn(f"These layers cannot be quantized: {', '.join(unable)}.", stacklevel=2)


def _passes(layer: Any, filters: Any) -> bool:
    if filters is None:
        return True
    if callable(filters):
        return bool(filters(layer))
    patterns: Iterable[str] = [filters] if isinstance(filters, str) else filters
    return any(re.search(p, n) for p in patterns for n in (layer.name, layer.path))
