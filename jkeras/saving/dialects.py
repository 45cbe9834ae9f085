"""Configs of all Keras versions in the words of today's: what was called or meant otherwise.

A file says which version wrote it. `modernize` makes of its config one that today's `from_config`
takes; `to_legacy` and `for_older_readers` are the way back.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax.numpy as jnp

from jkeras.core import registry

Config = dict[str, Any]


# ------------------------------------------------------------------ what has another name or meaning
_CLASSES = {
    "Model": "Functional",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "LSTMV2": "LSTM",
    "GRUV2": "GRU",
}
_RNN = ("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_WRAPPED = ("layer", "forward_layer", "backward_layer", "cell", "cells")

# Keys that today's classes do not have, dropped where they hold one of these values.
_ANY = object()
_DROPPED: dict[str, tuple[Any, ...]] = {
    "batch_input_shape": (_ANY,),
    "input_dtype": (_ANY,),
    "time_major": (False,),
    "implementation": (_ANY,),
    "unit_forget_bias_init": (_ANY,),
    "fused": (_ANY,),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
    "experimental_autocast": (_ANY,),
    "quantization_config": (None,),
    "query_shape": (_ANY,),
    "key_shape": (_ANY,),
    "value_shape": (_ANY,),
    "zero_output_for_mask": (False,),
}
# The same, for some classes: elsewhere these are arguments.
_CONVOLUTIONS = ("SeparableConv1D", "SeparableConv2D", "DepthwiseConv1D", "DepthwiseConv2D")
_TRANSPOSED = ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_DROPPED_OF: dict[str, dict[str, tuple[Any, ...]]] = {
    **{name: {"groups": (1,)} for name in (*_CONVOLUTIONS, *_TRANSPOSED)},
    "BatchNormalization": {"mode": (0,)},
    "Embedding": {"input_length": (_ANY,), "dropout": (0, 0.0)},
    "Flatten": {"input_shape": (_ANY,)},
}
for _name in _CONVOLUTIONS:
    for _option in ("initializer", "regularizer", "constraint"):
        _DROPPED_OF[_name][f"kernel_{_option}"] = (_ANY,)
_DROPPED_OF["DepthwiseConv1D"]["filters"] = _DROPPED_OF["DepthwiseConv2D"]["filters"] = (_ANY,)

_RENAMED: dict[str, dict[str, str]] = {
    "InputLayer": {"batch_input_shape": "batch_shape"},
    "LeakyReLU": {"alpha": "negative_slope"},
    "Dropout": {"p": "rate"},
}

# Keras 2's operators on symbolic tensors: TensorFlow's function, the class of today's operation,
# and its parameters by TensorFlow's names.
_TF_FUNCTIONS: dict[str, tuple[str, dict[str, str]]] = {
    **{
        f"{prefix}.{name}": (class_name, {"x": "x1", "y": "x2"})
        for prefix in ("math", "__operators__")
        for name, class_name in {
            "add": "Add",
            "subtract": "Subtract",
            "sub": "Subtract",
            "multiply": "Multiply",
            "mul": "Multiply",
            "truediv": "TrueDivide",
            "divide": "TrueDivide",
            "pow": "Power",
            "maximum": "Maximum",
            "minimum": "Minimum",
        }.items()
    },
    "linalg.matmul": ("Matmul", {"a": "x1", "b": "x2"}),
    "concat": ("Concatenate", {"values": "xs", "axis": "axis"}),
    "reshape": ("Reshape", {"tensor": "x", "shape": "newshape"}),
    "expand_dims": ("ExpandDims", {"input": "x", "axis": "axis"}),
    "math.reduce_mean": ("Mean", {"input_tensor": "x", "axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_sum": ("Sum", {"input_tensor": "x", "axis": "axis", "keepdims": "keepdims"}),
    "math.reduce_max": ("Max", {"input_tensor": "x", "axis": "axis", "keepdims": "keepdims"}),
    "math.negative": ("Negative", {"x": "x"}),
    "math.exp": ("Exp", {"x": "x"}),
    "math.log": ("Log", {"x": "x"}),
    "math.sqrt": ("Sqrt", {"x": "x"}),
    "math.square": ("Square", {"x": "x"}),
    "math.abs": ("Absolute", {"x": "x"}),
    "math.tanh": ("Tanh", {"x": "x"}),
    "__operators__.getitem": ("GetItem", {"slice_spec": "key"}),
}


def keras2_hard_sigmoid(x: Any) -> Any:
    """`clip(0.2 * x + 0.5, 0, 1)`: what Keras 2 called `hard_sigmoid`; Keras 3's has another slope."""
    return jnp.clip(0.2 * x + 0.5, 0.0, 1.0)


registry.register_builtin("activations", keras2_hard_sigmoid)


# ------------------------------------------------------------------ models
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
        self._version = tuple(numbers) or (3, 0)
        self._is_old = self._version < (3, 0)

    # -------------------------------------------------------------- one layer
    def layer(self, entry: Mapping[str, Any]) -> Config:
        """Converts a layer's or model's entry."""
        if not isinstance(entry, Mapping) or not isinstance(entry.get("class_name"), str):
            raise ValueError(f"The config has an entry that describes no layer: {entry!r:.200}")
        old_name = entry["class_name"]
        name = _CLASSES.get(old_name, old_name)
        config = entry.get("config")
        result = {**entry, "class_name": name, "module": _module(entry.get("module"), name)}
        if name == "Sequential" and isinstance(config, (list, Mapping)):
            result["config"] = self._sequential(config)
        elif not isinstance(config, Mapping):
            raise ValueError(f"The config of {name!r} is not a dict of arguments: {config!r:.200}")
        elif "input_layers" in config and "layers" in config:
            result["config"] = self._functional(config)
        elif name in ("TFOpLambda", "SlicingOpLambda"):
            return self._tensorflow_function(result)
        elif _is_operation(entry):
            result["module"] = "keras.src.ops.numpy"
        else:
            result["config"] = self._arguments(old_name, name, dict(config))
        if result["module"] is None and "registered_name" not in entry:
            del result["module"]
        if self._is_old:  # the shapes of the calls say it, too; Keras 2 noted other ones
            result.pop("build_config", None)
        return result

    def _arguments(self, old_name: str, name: str, config: Config) -> Config:
        for old, new in _RENAMED.get(name, {}).items():
            if old in config:
                config[new] = config.pop(old)
        drops = {**_DROPPED, **_DROPPED_OF.get(name, {})}
        for key, values in drops.items() if self._is_old else ():
            if key in config and (_ANY in values or config[key] in values):
                del config[key]
        if config.get("time_major"):
            raise ValueError(
                f"The layer {config.get('name')!r} has time_major=True: not supported."
            )
        if name == "BatchNormalization" and isinstance(config.get("axis"), list):
            (config["axis"],) = config["axis"]
        if name == "GRU" and self._is_old:
            config.setdefault("reset_after", False)
        if old_name.startswith("CuDNN"):
            config.update(activation="tanh", recurrent_activation="sigmoid")
            config.update({"reset_after": True} if name == "GRU" else {})
        if name == "Lambda":
            _name_function(config)
        for key in _WRAPPED:
            if isinstance(config.get(key), Mapping):
                config[key] = self.layer(config[key])
            elif isinstance(config.get(key), list) and key == "cells":
                config[key] = [self.layer(cell) for cell in config[key]]
        return {k: self._value(v, k) for k, v in config.items()}

    def _value(self, value: Any, key: str) -> Any:
        if self._is_old and key.endswith("activation") and value == "hard_sigmoid":
            return keras2_hard_sigmoid.__name__
        if isinstance(value, Mapping) and isinstance(value.get("class_name"), str):
            return _known_module(value)
        return value

    # -------------------------------------------------------------- models of layers
    def _sequential(self, given: Any) -> Config:
        config = dict(given) if isinstance(given, Mapping) else {"layers": given}
        layers = [dict(entry) for entry in config["layers"]]
        if layers and layers[0].get("class_name") != "InputLayer":
            shape = _input_shape(layers[0].get("config"))
            if shape is not None:
                layers.insert(0, _input_layer(layers[0], shape))
        return {**config, "layers": [self.layer(entry) for entry in layers]}

    def _functional(self, config: Mapping[str, Any]) -> Config:
        result = dict(config)
        models = {
            str(entry.get("name")): _CLASSES.get(entry["class_name"], entry["class_name"])
            for entry in config["layers"]
            if isinstance(entry.get("config"), (list, Mapping)) and "layers" in entry["config"]
        }
        nodes = _OldNodes(config, models) if self._is_old else None
        entries = []
        for given in config["layers"]:
            entry = self.layer(given)
            if nodes is not None:
                calls = [nodes.call(call) for call in given.get("inbound_nodes", ())]
                if entry["class_name"] in _RNN:
                    calls = [_with_states(call) for call in calls]
                entry["inbound_nodes"] = _with_operands(given, entry, calls)
            entries.append(entry)
        result["layers"] = entries
        for key in ("input_layers", "output_layers"):
            tree = result[key]
            if nodes is not None and key == "output_layers":
                tree = nodes.outputs(tree)
            if self._version < (3, 4) and isinstance(tree, list) and len(tree) == 1:
                (tree,) = tree  # older files have a list even for a single one
            result[key] = tree
        return result

    def _tensorflow_function(self, entry: Config) -> Config:
        function = str(entry["config"].get("function", "__operators__.getitem"))
        if function not in _TF_FUNCTIONS:
            raise ValueError(
                f"The model calls the TensorFlow function {function!r} on symbolic tensors, which "
                "cannot be converted."
            )
        class_name, _ = _TF_FUNCTIONS[function]
        config = {"name": entry["config"]["name"]}
        module = "keras.src.ops.numpy"
        return {**entry, "class_name": class_name, "config": config, "module": module}


def _is_operation(entry: Mapping[str, Any]) -> bool:
    """Says whether an entry of an `.h5` file, where the module is missing, is no layer.

    `Add` is a layer and an operation; only layers have a dtype.
    """
    return (
        "inbound_nodes" in entry
        and not {"module", "registered_name"} & set(entry)
        and not {"trainable", "dtype", "layers"} & set(entry["config"])
        and ">" not in entry["class_name"]
    )


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
    config = first["config"]
    dtype = "int32" if first["class_name"] == "Embedding" else config.get("dtype")
    name = f"{config.get('name', first['class_name'].lower())}_input"
    return {
        "class_name": "InputLayer",
        "config": {
            "batch_shape": shape,
            "dtype": dtype if isinstance(dtype, str) else "float32",
            "name": name,
        },
    }


# ------------------------------------------------------------------ calls in Keras 2's configs
class _OldNodes:
    """Keras 2's lists of `[layer, call, position, kwargs]` as Keras 3's args and kwargs.

    Args:
        config: The config of the model.
        models: The classes of the models among its layers, by name.
    """

    def __init__(self, config: Mapping[str, Any], models: Mapping[str, str]):
        self._names = {str(entry.get("name")) for entry in config["layers"]}
        self._models = models
        calls = [entry.get("inbound_nodes", ()) for entry in config["layers"]]
        used = [h for h in _triples([calls, config["output_layers"]]) if h[0] in models]
        # Keras 2 counts a nested model's construction as its first call.
        self._from_zero = {name for name, index, _ in used if index == 0}

    def _index(self, name: str, index: int) -> int:
        return index - 1 if name in self._models and name not in self._from_zero else index

    def call(self, call: Any) -> Config:
        """Converts one call."""
        if isinstance(call, Mapping):  # Keras 3's form already
            return dict(call)
        kwargs: dict[str, Any] = {}
        if isinstance(call, list) and call and not self._is_tensor(call):
            for item in call:
                if self._is_tensor(item) and len(item) > 3 and isinstance(item[3], Mapping):
                    kwargs.update(item[3])
            first = self._value(call[0] if len(call) == 1 else call)
        else:
            kwargs = dict(call[3]) if len(call) > 3 else {}
            first = self._value(call)
        return {"args": [first], "kwargs": {k: self._value(v) for k, v in kwargs.items()}}

    def _is_tensor(self, value: Any) -> bool:
        is_call = isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)
        return is_call and (value[0] in self._names or value[0] == "_CONSTANT_VALUE")

    def _value(self, value: Any) -> Any:
        if self._is_tensor(value):
            name, index, position = value[:3]
            if name == "_CONSTANT_VALUE":
                return position
            history = [name, self._index(name, index), position]
            return {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
        if isinstance(value, list):
            return [self._value(v) for v in value]
        if isinstance(value, Mapping):
            if set(value) == {"start", "stop", "step"}:
                return {"class_name": "__slice__", "config": dict(value)}
            return {k: self._value(v) for k, v in value.items()}
        return value

    def outputs(self, tree: Any) -> Any:
        """Converts the names of the model's outputs: there Keras 3 counts nested models' calls so."""
        if isinstance(tree, Mapping):
            return {k: self.outputs(v) for k, v in tree.items()}
        if len(tree) == 3 and isinstance(tree[0], str):
            name, index, position = tree
            shift = 1 if self._models.get(name) == "Functional" else 0
            return [name, self._index(name, index) + shift, position]
        return [self.outputs(v) for v in tree]


def _triples(value: Any) -> Iterable[list[Any]]:
    """Yields everything in a structure that looks like `[layer, call, position]`."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int):
            yield value[:3]
        for item in value:
            yield from _triples(item)


def _with_states(call: Config) -> Config:
    """Makes initial states of what Keras 2 kept as further inputs of recurrent layers."""
    (first, *rest), kwargs = call["args"], call["kwargs"]
    if isinstance(first, list) and len(first) > 1 and "initial_state" not in kwargs:
        return {"args": [first[0], *rest], "kwargs": {**kwargs, "initial_state": first[1:]}}
    return call


def _with_operands(given: Any, entry: Config, calls: list[Config]) -> list[Config]:
    """Gives the arguments of a TensorFlow function the names of today's operation."""
    if given["class_name"] not in ("TFOpLambda", "SlicingOpLambda"):
        return calls
    _, names = _TF_FUNCTIONS[str(given["config"].get("function", "__operators__.getitem"))]
    known = [{names[k]: v for k, v in c["kwargs"].items() if k in names} for c in calls]
    return [{**c, "kwargs": kwargs} for c, kwargs in zip(calls, known, strict=True)]


# ------------------------------------------------------------------ objects inside of configs
_AREAS = (
    *("layers", "initializers", "regularizers", "constraints", "losses", "metrics"),
    *("optimizers", "activations", "ops"),
)


def _module(module: Any, class_name: str) -> str | None:
    """Returns where Keras 3 has a built-in class; what is not Keras's stays."""
    words = str(module or "").split(".")
    if words[0] not in ("keras", "tf_keras", "tensorflow", "keras_core"):
        return module if isinstance(module, str) else None
    if "ops" in words:
        return module
    if class_name in ("Functional", "Sequential"):
        return None
    if "schedules" in words or "learning_rate_schedule" in words:
        return "keras.optimizers.schedules"
    return next((f"keras.{word}" for word in words if word in _AREAS), module)


def _known_module(entry: Mapping[str, Any]) -> Config:
    if "module" not in entry:
        return dict(entry)
    return {**entry, "module": _module(entry["module"], entry["class_name"])}


def _name_function(config: Config) -> None:
    """Puts a name in the place of the code that a Lambda layer may hold.

    The code is never executed. A function that the user gives by the layer's name takes its place.
    """
    function, name = config.get("function"), str(config.get("name"))
    named = callable(registry.custom_object(name))
    has_code = isinstance(function, list) or config.get("function_type") == "lambda"
    has_code |= isinstance(function, Mapping) and function.get("class_name") == "__lambda__"
    for key in ("function_type", "module", "output_shape_type", "output_shape_module"):
        config.pop(key, None)
    if named:
        function = name
    elif has_code or (isinstance(function, Mapping) and function.get("config") == "<lambda>"):
        raise ValueError(
            f"The Lambda layer {name!r} holds the bytecode of a Python lambda, or only the name of "
            "one. Code in files is never executed.\nPass the function by the layer's name: "
            f"load_model(..., custom_objects={{{name!r}: function}})."
        )
    if isinstance(function, str):
        function = {"class_name": "function", "config": function, "registered_name": "function"}
    config["function"] = function
    if config.get("output_shape") is not None and not isinstance(
        config["output_shape"], (list, tuple)
    ):
        config.pop("output_shape")
    if isinstance(config.get("mask"), Mapping):
        config.pop("mask")


# ------------------------------------------------------------------ compile
_COMPILE_KEYS = (
    *("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics"),
    *("run_eagerly", "steps_per_execution", "jit_compile"),
)
# What loss and metric functions are called where only their short name was stored.
_FULL_NAMES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}


def compile_model(model: Any, config: Mapping[str, Any]) -> None:
    """Compiles a model as a file says, and builds its optimizer.

    Args:
        model: The model.
        config: The `compile_config` of a `.keras` file, or the `training_config` of an `.h5` file.
    """
    values = dict(config)
    if "optimizer_config" in values:
        values["optimizer"] = values.pop("optimizer_config")
    values["optimizer"] = _optimizer(values.get("optimizer"))
    names = list(getattr(model, "output_names", ())) if model._graph is not None else []
    values["loss"] = _each(values.get("loss"), _loss)
    for key in ("metrics", "weighted_metrics"):
        values[key] = _each(values.get(key), lambda m: _metric(m, names))
    values = {k: v for k, v in values.items() if k in _COMPILE_KEYS and v is not None}
    try:
        model.compile_from_config(values)
    except Exception as error:
        error.add_note("while compiling as the file says; load_model(..., compile=False) does not")
        raise
    model.optimizer.build(model.trainable_variables)


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Converts every object in a structure of lists and dicts."""
    if isinstance(value, Mapping) and "class_name" not in value:
        return {k: _each(v, convert) for k, v in value.items()}
    if isinstance(value, list):
        return [_each(v, convert) for v in value]
    return convert(value) if isinstance(value, Mapping) else value


def _optimizer(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    config = dict(entry.get("config") or {})
    name = str(entry["class_name"]).removeprefix("Custom>")
    if registry.find_builtin("optimizers", name) is None:  # the user's own
        return _complete(entry, "keras.optimizers")
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    decay = config.pop("decay", None)
    for key in ("jit_compile", "is_legacy_optimizer", "schedule_decay"):
        config.pop(key, None)
    if config.get("epsilon", 0.0) is None:
        del config["epsilon"]
    if isinstance(config.get("inner_optimizer"), Mapping):
        config["inner_optimizer"] = _optimizer(config["inner_optimizer"])
    rate = config.get("learning_rate")
    if isinstance(rate, Mapping):
        config["learning_rate"] = _complete(rate, "keras.optimizers.schedules")
    elif decay:
        schedule = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
        config["learning_rate"] = _complete(
            {"class_name": "InverseTimeDecay", "config": schedule}, "keras.optimizers.schedules"
        )
    return _complete({"class_name": name, "config": config}, "keras.optimizers")


def _loss(entry: Mapping[str, Any]) -> Any:
    config = {k: v for k, v in _config_of(entry).items() if k != "fn"}
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return _complete({**entry, "config": config}, "keras.losses")


def _metric(entry: Mapping[str, Any], output_names: list[str]) -> Any:
    config = _config_of(entry)
    if entry["class_name"] != "MeanMetricWrapper" or not isinstance(config.get("fn"), str):
        return _complete(entry, "keras.metrics")
    # Keras 2 wrote what the names of metrics were resolved to, with the output's name before them.
    function, name = config["fn"], str(config.get("name"))
    prefix = next((f"{n}_" for n in output_names if name.startswith(f"{n}_")), "")
    if len(output_names) > 1:
        name = name.removeprefix(prefix)
    found = registry.find_builtin("metrics", function)
    if isinstance(found, type):
        options = {k: v for k, v in config.items() if k not in ("fn", "name")}
        entry = {"class_name": found.__name__, "config": {**options, "name": name}}
        return _complete(entry, "keras.metrics")
    return function


def _config_of(entry: Mapping[str, Any]) -> Config:
    config = entry.get("config")
    return dict(config) if isinstance(config, Mapping) else {}


def _complete(entry: Mapping[str, Any], module: str) -> Any:
    """Says of an object where it belongs; a function is named only."""
    if entry["class_name"] == "function":
        return entry["config"]
    if entry.get("module") is not None or entry.get("registered_name") is not None:
        return _known_module(entry)
    is_registered = ">" in entry["class_name"]
    extra = (
        {"module": None, "registered_name": entry["class_name"]}
        if is_registered
        else {"module": module, "registered_name": None}
    )
    return {**entry, **extra}


# ------------------------------------------------------------------ the way back
# Newer keys, left out where they hold what older versions of Keras 3 do without them.
_NEW_KEYS: dict[str, Any] = {
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
        return {
            k: for_older_readers(v)
            for k, v in value.items()
            if not (k in _NEW_KEYS and v is _NEW_KEYS[k] or (k in _NEW_KEYS and v == _NEW_KEYS[k]))
        }
    if isinstance(value, (list, tuple)):
        return [for_older_readers(v) for v in value]
    return value


def to_legacy(entry: Mapping[str, Any]) -> Config:
    """Returns the config of a model as `.h5` files have it: layers by class name alone."""
    result: Config = {"class_name": _legacy_name(entry), "config": entry["config"]}
    result.update({k: entry[k] for k in ("name", "inbound_nodes") if k in entry})
    config = entry["config"]
    if isinstance(config.get("layers"), list):
        layers = [
            to_legacy(layer) if "class_name" in layer else layer for layer in config["layers"]
        ]
        result["config"] = {**config, "layers": layers}
    return for_older_readers(result)


def to_legacy_training(config: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Config:
    """Returns `compile`'s arguments as `.h5` files have them."""
    result = {k: v for k, v in config.items() if k != "optimizer"}
    # Keras does not read its own short names there.
    result["loss"] = _each_name(config.get("loss"), lambda n: _FULL_NAMES.get(n.lower(), n))
    for key in ("loss", "metrics", "weighted_metrics"):
        result[key] = _each(result.get(key), _bare)
    return {**result, "optimizer_config": _bare(optimizer)}


def _each_name(value: Any, convert: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return convert(value)
    if isinstance(value, list):
        return [_each_name(v, convert) for v in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {k: _each_name(v, convert) for k, v in value.items()}
    return value


def _bare(entry: Mapping[str, Any]) -> Any:
    if entry["class_name"] == "function":
        return entry["config"]
    return {"class_name": _legacy_name(entry), "config": entry["config"]}


def _legacy_name(entry: Mapping[str, Any]) -> str:
    return entry.get("registered_name") or entry["class_name"]
