"""Configs of all Keras versions in the words of today's: what was called or meant otherwise.

A file says which version wrote it. `modernize` makes a config that today's `from_config` takes;
`to_legacy` and `for_older_readers` are the way back. What another dialect needs goes into the
tables here; calls between layers are in `old_calls`, `compile` is in `compile_configs`, weights are
in `old_weights`.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.types import ArrayLike
from jkeras.core import operations
from jkeras.saving.old_calls import OldCalls, is_tensorflow_function, tensorflow_function

Config = dict[str, Any]


# ------------------------------------------------------------------ other names and meanings
_CLASSES = {
    "Model": "Functional",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
}
_CUDNN: dict[str, Config] = {
    "CuDNNLSTM": {"activation": "tanh", "recurrent_activation": "sigmoid"},
    "CuDNNGRU": {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True},
}
# Where a layer's config holds the configs of other layers.
_INNER = ("layer", "forward_layer", "backward_layer", "cell", "cells")

_RENAMED: dict[str, dict[str, str]] = {
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "Dropout": {"p": "rate"},
}

# Arguments of Keras 2 that today's classes do without, dropped where they hold one of these values.
_ANY = object()
_DROPPED: dict[str, tuple[Any, ...]] = {
    "batch_input_shape": (_ANY,),
    "input_shape": (_ANY,),
    "input_length": (_ANY,),
    "input_dim": (_ANY,),
    "input_dtype": (_ANY,),
    "experimental_autocast": (_ANY,),
    "time_major": (False,),
    "implementation": (_ANY,),
    "zero_output_for_mask": (False,),
    "fused": (_ANY,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "query_shape": (_ANY,),
    "key_shape": (_ANY,),
    "value_shape": (_ANY,),
}
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_KERNEL_OPTIONS = tuple(f"kernel_{o}" for o in ("initializer", "regularizer", "constraint"))
# The same, of some classes only.
_DROPPED_OF: dict[str, dict[str, tuple[Any, ...]]] = {
    **{n: {"groups": (1,)} for n in _TRANSPOSED},
    **{n: {"groups": (1,), **dict.fromkeys(_KERNEL_OPTIONS, (_ANY,))} for n in _SEPARABLE},
    **{
        n: {"groups": (1,), "filters": (_ANY,), **dict.fromkeys(_KERNEL_OPTIONS, (_ANY,))}
        for n in _DEPTHWISE
    },
    "BatchNormalization": {"mode": (0,)},
    "Embedding": {"input_dim": (), "dropout": (0, 0.0)},
    "Lambda": dict.fromkeys(
        ("function_type", "module", "output_shape_type", "output_shape_module"), (_ANY,)
    ),
}


def keras2_hard_sigmoid(x: ArrayLike) -> ArrayLike:
    """`clip(0.2 * x + 0.5, 0, 1)`: Keras 2's `hard_sigmoid`; Keras 3's has another slope."""
    return jnp.clip(0.2 * x + 0.5, 0.0, 1.0)


registry.register_builtin("activations", keras2_hard_sigmoid)


# ------------------------------------------------------------------ reading
def modernize(entry: Mapping[str, Any], version: str) -> Config:
    """Returns the config of a model, and of all layers in it, as Keras 3 would have written it.

    Args:
        entry: A dict with `class_name` and `config`, from JSON.
        version: The version of Keras that wrote it.

    Raises:
        ValueError: If it holds a layer that cannot be converted.
    """
    return _Converter(version).layer(entry)


class _Converter:
    """Converts the configs of one file."""

    def __init__(self, version: str):
        numbers = [int(n) for n in version.split("-")[0].split(".")[:2] if n.isdigit()]
        self._version = (*numbers, 0, 0)[:2] if numbers else (3, 15)
        self._is_old = self._version < (3, 0)

    def layer(self, entry: Any) -> Config:
        """Converts a layer's or model's entry."""
        old_name = entry.get("class_name") if isinstance(entry, Mapping) else None
        if not isinstance(old_name, str):
            raise ValueError(f"The config has an entry that describes no layer: {entry!r:.200}")
        name, config = _CLASSES.get(old_name, old_name), entry.get("config")
        result = {**known_module(entry), "class_name": name}
        if self._is_old:
            result.pop("build_config", None)  # calls tell the shapes, too
            if "name" in entry:
                result["name"] = layer_name(str(entry["name"]))
        if name == "Sequential" and isinstance(config, (list, Mapping)):
            return {**result, "config": self._sequential(config)}
        if not isinstance(config, Mapping):
            raise ValueError(f"The config of {name!r} is not a dict of arguments: {config!r:.200}")
        if "input_layers" in config and "layers" in config:
            return {**result, "config": self._functional(config)}
        if is_tensorflow_function(entry):
            return tensorflow_function(entry)
        if not self._is_old and _is_operation(entry):
            return {**result, "module": "keras.src.ops.numpy"}
        return {**result, "config": self._arguments(old_name, name, dict(config))}

    def _arguments(self, old_name: str, name: str, config: Config) -> Config:
        for old, new in _RENAMED.get(name, {}).items():
            if old in config:
                config[new] = config.pop(old)
        if name == "Lambda":
            config["function"] = _named_function(config)
        if self._is_old:
            for key, values in {**_DROPPED, **_DROPPED_OF.get(name, {})}.items():
                if key in config and (_ANY in values or config[key] in values):
                    del config[key]
            for key in config:
                if key.endswith("activation") and config[key] == "hard_sigmoid":
                    config[key] = keras2_hard_sigmoid.__name__
            if name == "GRU":
                config.setdefault("reset_after", False)
            if "name" in config:
                config["name"] = layer_name(str(config["name"]))
        config.update(_CUDNN.get(old_name, {}))
        if config.get("time_major"):
            raise ValueError(
                f"The layer {config.get('name')!r} has time_major=True, which is not supported."
            )
        if name == "BatchNormalization" and isinstance(config.get("axis"), list):
            (config["axis"],) = config["axis"]
        return {k: self._value(k, v) for k, v in config.items()}

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, list) and key in _INNER:
            return [self._inner(v) for v in value]
        if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
            if (
                key.endswith("_initializer")
                and self._is_old
                and isinstance(value["config"], Mapping)
            ):
                # Those of TensorFlow 1 keep the dtype of what they make.
                inner = {k: v for k, v in value["config"].items() if k != "dtype"}
                value = {**value, "config": inner}
            return self._inner(value) if key in _INNER else known_module(value)
        return value

    def _inner(self, entry: Any) -> Config:
        """Converts a layer inside of a layer, and says that it is one."""
        result = self.layer(entry)
        if "module" not in result and "registered_name" not in result:
            known = registry.find_builtin("layers", result["class_name"]) is not None
            result["module"] = "keras.layers" if known else None
            result["registered_name"] = None if known else result["class_name"]
        return result

    def _sequential(self, given: Any) -> Config:
        config = dict(given) if isinstance(given, Mapping) else {"layers": given}
        layers = list(config["layers"])
        if layers and layers[0].get("class_name") != "InputLayer":
            shape = _input_shape(layers[0].get("config"))
            if shape is not None:
                layers.insert(0, _input_layer(layers[0], shape))
        return {**config, "layers": [self.layer(entry) for entry in layers]}

    def _functional(self, config: Mapping[str, Any]) -> Config:
        result = {**config, "layers": [self.layer(entry) for entry in config["layers"]]}
        if self._is_old:
            models = {
                str(entry.get("name")): entry["class_name"]
                for entry in result["layers"]
                if "layers" in entry["config"]
            }
            calls = OldCalls(config, models, layer_name)
            for given, entry in zip(config["layers"], result["layers"], strict=True):
                entry["inbound_nodes"] = calls.of(given)
            result["input_layers"] = calls.inputs(config["input_layers"])
            result["output_layers"] = calls.outputs(config["output_layers"])
        if self._version < (3, 4):  # a list was written even for a single tensor
            for key in ("input_layers", "output_layers"):
                if isinstance(result[key], list) and len(result[key]) == 1:
                    (result[key],) = result[key]
        return result


def layer_name(name: str) -> str:
    """Returns the name of a layer of Keras 2, where it might be `conv1/bn`, as today's may be."""
    return name.replace("/", "_")


def _is_operation(entry: Mapping[str, Any]) -> bool:
    """Says whether an entry of an `.h5` file, where the module is missing, is not a layer.

    `Add` is a layer and an operation; only layers have a dtype, unless it is an argument of the
    operation.
    """
    if "inbound_nodes" not in entry or {"module", "registered_name"} & set(entry):
        return False
    operation, config = operations.entry(entry["class_name"]), set(entry["config"])
    if operation is None or {"trainable", "layers"} & config:
        return False
    return "dtype" not in config or "dtype" in operation.signature.parameters


def _input_shape(config: Any) -> Any:
    """Returns the input shape that a first layer of Keras 2 keeps, None if it keeps none."""
    if not isinstance(config, Mapping):
        return None
    if config.get("batch_input_shape"):
        return config["batch_input_shape"]
    if config.get("input_shape"):
        return [None, *config["input_shape"]]
    if isinstance(config.get("input_dim"), int) and "output_dim" not in config:
        return [None, config["input_dim"]]
    return None


def _input_layer(first: Mapping[str, Any], shape: Any) -> Config:
    config, kind = first["config"], first["class_name"]
    dtype = "int32" if kind == "Embedding" else config.get("dtype")
    return {
        "class_name": "InputLayer",
        "config": {
            "batch_shape": shape,
            "dtype": dtype if isinstance(dtype, str) else "float32",
            "name": f"{config.get('name', kind.lower())}_input",
        },
    }


def _named_function(config: Config) -> Any:
    """Returns the name in the place of the code that a Lambda layer may hold.

    The code is never executed. A function that the user gives by the layer's name takes its place.
    """
    function, name = config.get("function"), str(config.get("name"))
    described = function if isinstance(function, Mapping) else {}
    is_code = isinstance(function, list) or described.get("class_name") == "__lambda__"
    if callable(registry.custom_object(name)):
        function = name
    elif is_code or "<lambda>" in (function, described.get("config")):
        raise ValueError(
            f"The Lambda layer {name!r} holds the bytecode of a Python lambda, or a lambda without "
            "a name. Code in files is never executed, since that would allow arbitrary code "
            "execution.\nPass the function by the layer's name: "
            f"load_model(..., custom_objects={{{name!r}: function}})."
        )
    if isinstance(function, str):
        return {"class_name": "function", "config": function, "registered_name": "function"}
    return function


# ------------------------------------------------------------------ modules
# fmt: off
_AREAS = (
    "layers", "initializers", "regularizers", "constraints", "losses", "metrics", "optimizers",
    "activations",
)
# fmt: on
_KERAS = ("keras", "tf_keras", "tensorflow", "keras_core")


def known_module(entry: Mapping[str, Any]) -> Config:
    """Returns a config that names the module in which Keras 3 has a class, if it is Keras's."""
    words = str(entry.get("module") or "").split(".")
    if words[0] not in _KERAS or "ops" in words:
        return dict(entry)
    if "schedules" in words or "learning_rate_schedule" in words:
        return {**entry, "module": "keras.optimizers.schedules"}
    area = next((f"keras.{word}" for word in words if word in _AREAS), None)
    if area is not None:
        return {**entry, "module": area}
    # Models, policies: found by their class alone, wherever their module has moved to.
    return {**entry, "module": "keras"}


# ------------------------------------------------------------------ writing
# Newer arguments, left out where they hold what older versions of Keras 3 do without them.
_NEW: dict[str, Any] = {
    "optional": False,
    "ragged": False,
    "quantization_config": None,
    "input_axes": None,
    "output_axes": None,
    "renorm": False,
    "renorm_clipping": None,
    "renorm_momentum": 0.99,
    "use_gate": False,
    "sliding_window": None,
    "output_padding": None,
}


def for_older_readers(value: Any) -> Any:
    """Leaves out of configs what versions of Keras 3 before the newest refuse to read."""
    if isinstance(value, Mapping):
        kept = {k: v for k, v in value.items() if k not in _NEW or v != _NEW[k]}
        return {k: for_older_readers(v) for k, v in kept.items()}
    if isinstance(value, (list, tuple)):
        return [for_older_readers(v) for v in value]
    return value


def to_legacy(entry: Mapping[str, Any]) -> Config:
    """Returns the config of a model as `.h5` files have it: layers by class name alone."""
    config = dict(entry["config"])
    if isinstance(config.get("layers"), list):
        config["layers"] = [to_legacy(layer) for layer in config["layers"]]
    kept = {k: entry[k] for k in ("name", "inbound_nodes", "name_root") if k in entry}
    return {"class_name": legacy_name(entry), "config": for_older_readers(config), **kept}


def legacy_name(entry: Mapping[str, Any]) -> str:
    """Returns what `.h5` files call the class of an object: a user's by its registered name."""
    return entry.get("registered_name") or entry["class_name"]
