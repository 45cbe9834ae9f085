"""The dialect of `.h5` files that Keras 2 (TensorFlow's, tf_keras) and Keras 3 both read.

It has the words that the two have in common. What only one of them can say is an error: it would be
read as something else, or not at all.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from jkeras.base.types import AnyOptimizer
from jkeras.saving.dialects import Config, for_older_readers

# What is written: Keras 3 reads it, and Keras 2 looks whether it is older than 3.
VERSION, BACKEND = "2.15.0", "tensorflow"

_ANY = object()
# Arguments that Keras 2 does not know, left out where they hold what it does without them.
_LATER: dict[str, Any] = {
    "synchronized": False,
    "rms_scaling": False,
    "zero_output_for_mask": False,
    "use_cudnn": _ANY,
    "flash_attention": None,
}
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")
_CELLS = ("LSTMCell", "GRUCell", "SimpleRNNCell")
_LAST = "channels_last"
# The same, of some classes only.
_LATER_OF: dict[str, dict[str, Any]] = {
    **{name: {"seed": _ANY} for name in (*_RECURRENT, *_CELLS, "Attention")},
    "AlphaDropout": {"noise_shape": None},
    "Conv3DTranspose": {"dilation_rate": [1, 1, 1]},
    "RandomContrast": {"value_range": [0, 255]},
    "Resizing": {
        "fill_value": 0.0,
        "antialias": False,
        "pad_to_aspect_ratio": False,
        "fill_mode": "constant",
        "data_format": _LAST,
    },
    **{
        name: {"data_format": _LAST}
        for name in ("CenterCrop", "RandomFlip", "RandomRotation", "RandomTranslation")
        + ("RandomZoom", "SpatialDropout2D", "ZeroPadding1D")
    },
}
_RENAMED = {
    "InputLayer": {"batch_shape": "batch_input_shape"},
    "LeakyReLU": {"negative_slope": "alpha"},
}
# Layers whose calls the two write so that the other reads them otherwise, and those of Keras 3.
_ONLY_KERAS_3 = ("MultiHeadAttention", "GroupedQueryAttention", "RMSNormalization")
# What Keras 2's optimizers keep, and what they call their slots.
_OPTIMIZERS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "SGD": (("momentum", "nesterov"), {}),
    "Adam": (
        ("beta_1", "beta_2", "epsilon", "amsgrad"),
        {"momentum": "m", "velocity": "v", "velocity_hat": "vhat"},
    ),
    "Adamax": (("beta_1", "beta_2", "epsilon"), {"momentum": "m", "norm": "v"}),
    "RMSprop": (
        ("rho", "momentum", "epsilon", "centered"),
        {"velocity": "rms", "average_gradient": "mg"},
    ),
    "Adagrad": (("initial_accumulator_value", "epsilon"), {}),
    "Adadelta": (
        ("rho", "epsilon"),
        {"accumulated_grad": "accum_grad", "accumulated_delta_var": "accum_var"},
    ),
}
_CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")
_USUAL = {"use_ema": False, "ema_momentum": 0.99}  # of other arguments, where it is not None


def _refused(what: str) -> ValueError:
    return ValueError(
        f'`dialect="portable"` has no words for {what}, which Keras 2 and Keras 3 do not both '
        "read. Save the model without `dialect`, or as `.keras`: then Keras 3 reads it."
    )


# ------------------------------------------------------------------ layers
def model_config(entry: Mapping[str, Any]) -> Config:
    """Returns the config of a model, from today's.

    Raises:
        ValueError: If the model cannot be said in words that both read.
    """
    config, kind = entry["config"], entry["class_name"]
    if kind not in ("Sequential", "Functional"):
        raise _refused(f"a model of the class {kind}")
    layers = [_layer(layer) for layer in config["layers"]]
    result: Config = {"name": config["name"], "layers": layers}
    if kind == "Functional":
        result["trainable"] = config.get("trainable", True)
        for given, layer in zip(config["layers"], layers, strict=True):
            layer["name"] = given["name"]
            layer["inbound_nodes"] = [_call(given["name"], node) for node in given["inbound_nodes"]]
        for key in ("input_layers", "output_layers"):
            tensors = config[key]
            if isinstance(tensors, Mapping):
                raise _refused(f"a dict of {key.partition('_')[0]}s")
            is_one = isinstance(tensors[0], str)
            result[key] = [list(tensors)] if is_one else [list(t) for t in tensors]
    return {"class_name": kind, "config": result}


def _layer(entry: Mapping[str, Any]) -> Config:
    kind, config = entry["class_name"], entry["config"]
    name = str(config.get("name"))
    if "layers" in config:
        raise _refused(f"a model in a model, {name!r}")
    if str(entry.get("module") or "").startswith(("keras.src.ops", "keras.ops")):
        raise _refused(f"an operation on symbolic tensors, {name!r} ({kind})")
    if kind in _ONLY_KERAS_3:
        raise _refused(f"the layer {name!r} ({kind})")
    return {
        "class_name": entry.get("registered_name") or kind,
        "config": _arguments(kind, config, f"the layer {name!r} ({kind})"),
    }


def _arguments(kind: str, config: Mapping[str, Any], what: str, inner: bool = False) -> Config:
    later = {**_LATER, **_LATER_OF.get(kind, {})}
    names, result = _RENAMED.get(kind, {}), {}
    for key, value in for_older_readers(config).items():
        if key in later:
            usual = later[key]
            if usual is not _ANY and value != usual and not inner:
                raise _refused(f"{key}={value!r} of {what}")
            continue
        result[names.get(key, key)] = _value(key, value, what)
    return result


def _value(key: str, value: Any, what: str) -> Any:
    if key == "dtype":
        return _dtype(value, what)
    if isinstance(value, Mapping) and isinstance(value.get("config"), Mapping):
        config = _arguments(str(value.get("class_name")), value["config"], what, inner=True)
        kept = {k: value[k] for k in ("module", "class_name", "registered_name") if k in value}
        return {**kept, "config": config}
    if isinstance(value, list):
        return [_value("", v, what) for v in value]
    return value


def _dtype(value: Any, what: str) -> Any:
    if not isinstance(value, Mapping):
        return value
    if value["class_name"] != "DTypePolicy":
        raise _refused(f"the dtype policy {value['config'].get('name')!r} of {what}")
    return value["config"]["name"]


def _call(name: str, node: Mapping[str, Any]) -> list[Any]:
    """Returns a call as Keras 2 writes it: its tensors, by layer, call and position."""
    args, kwargs = list(node.get("args", ())), dict(node.get("kwargs", {}))
    noted = {k: v for k, v in kwargs.items() if v not in (None, False)}
    if len(args) != 1 or noted:
        raise _refused(f"what the layer {name!r} is called with besides its inputs")
    tensors = args[0] if isinstance(args[0], list) else [args[0]]
    if any(not isinstance(t, Mapping) or "keras_history" not in t["config"] for t in tensors):
        raise _refused(f"what the layer {name!r} is called with, which is not a list of tensors")
    return [[*t["config"]["keras_history"], {}] for t in tensors]


# ------------------------------------------------------------------ compile
def training_config(settings: Mapping[str, Any]) -> Config:
    """Returns `compile`'s arguments, from those of other `.h5` files."""
    entry, given = settings["optimizer_config"], settings["optimizer_config"]["config"]
    kind = entry["class_name"]
    hint = "Save it with `include_optimizer=False`, or"
    if kind not in _OPTIMIZERS:
        raise ValueError(f"{_refused(f'the optimizer {kind}')}\n{hint} use another optimizer.")
    kept = ("name", "learning_rate", *_OPTIMIZERS[kind][0])
    config = {k: given[k] for k in kept if k in given}
    for key, value in given.items():
        if key in _CLIPPING and value is not None:
            config[key] = value
        elif key not in kept and value is not None and value != _USUAL.get(key):
            raise ValueError(f"{_refused(f'{key}={value!r} of {kind}')}\n{hint} leave that out.")
    result = {k: settings.get(k) for k in ("loss", "metrics", "weighted_metrics", "loss_weights")}
    for key in ("loss", "metrics", "weighted_metrics"):
        result[key] = _without_policies(result[key])
    return {**result, "optimizer_config": {"class_name": kind, "config": config}}


def _without_policies(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_policies(v) for v in value]
    if not isinstance(value, Mapping):
        return value
    if value.get("class_name") == "DTypePolicy":
        return value["config"]["name"]
    is_loss = "reduction" in value
    return {k: _without_policies(v) for k, v in value.items() if not (is_loss and k == "dtype")}


def optimizer_arrays(optimizer: AnyOptimizer) -> Iterator[tuple[str, Any]]:
    """Yields what an optimizer remembers, with names, in the order of TensorFlow until 2.10."""
    kind = type(optimizer).__name__
    variables = optimizer._trainable_variables
    cells = optimizer.cells({v: i for i, v in enumerate(variables)})
    yield f"{kind}/iter:0", np.asarray(cells["iteration"].cell()).astype("int64")
    words = _OPTIMIZERS[kind][1]
    for slot, found in cells.items():
        for i, cell in _items(found):
            yield f"{kind}/{variables[i].path}/{words.get(slot, slot)}:0", np.asarray(cell.cell())


def _items(found: Any) -> Iterable[tuple[int, Any]]:
    return sorted(found.items()) if isinstance(found, Mapping) else ()
