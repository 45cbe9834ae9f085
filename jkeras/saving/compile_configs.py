"""What files say about `compile`: optimizers, losses and metrics of all Keras versions."""

from collections.abc import Callable, Mapping
from typing import Any

from jkeras.base import registry
from jkeras.saving.dialects import Config, known_module, legacy_name

# What TensorFlow's optimizers keep in their configs and today's do not take.
_DROPPED = ("jit_compile", "is_legacy_optimizer", "schedule_decay")
_NOTE = "while compiling as the file says; load_model(..., compile=False) does not"
# Keras does not read its own short names of losses in `.h5` files.
_FULL_NAMES = {
    "mse": "mean_squared_error",
    "mae": "mean_absolute_error",
    "mape": "mean_absolute_percentage_error",
    "msle": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "kld": "kl_divergence",
}


# ------------------------------------------------------------------ reading
def compile_model(model: Any, config: Mapping[str, Any], trained: Any = None) -> Any:
    """Compiles a model as a file says, and builds its optimizer.

    Args:
        model: The model.
        config: The `compile_config` of a `.keras` file, or the `training_config` of an `.h5` file.
        trained: The trained variables, in the order in which the file has the optimizer's state;
            that of the model by default.

    Returns:
        The optimizer; None if the model stays without one.
    """
    try:
        values = dict(config)
        if "optimizer_config" in values:
            values["optimizer"] = values.pop("optimizer_config")
        found = model.call_graph()
        names = [] if found is None else found.output_names
        values["optimizer"] = _optimizer(values.get("optimizer"))
        values["loss"] = _each(values.get("loss"), _loss)
        for key in ("metrics", "weighted_metrics"):
            values[key] = _each(values.get(key), lambda metric: _metric(metric, names))
        model.compile_from_config({k: v for k, v in values.items() if v is not None})
        _check_rate(model)
    except ValueError as error:
        error.add_note(_NOTE)
        raise
    except Exception as error:
        raise ValueError(
            f"The file's arguments of compile() cannot be used: {type(error).__name__}: {error}\n"
            f"This came up {_NOTE}"
        ) from error
    if not model.compiled or model.optimizer is None:
        return None
    model.optimizer.build(model.trainable_variables if trained is None else trained)
    return model.optimizer


def _check_rate(model: Any) -> None:
    """Looks whether a schedule of the library's gives a number: its arguments may be anything."""
    rate = getattr(model.optimizer, "_learning_rate", None) if model.compiled else None
    if callable(rate) and registry.is_builtin(type(rate)):
        float(rate(0))


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Converts every object in a structure of lists and dicts."""
    if isinstance(value, Mapping) and "class_name" not in value:
        return {k: _each(v, convert) for k, v in value.items()}
    if isinstance(value, list):
        return [_each(v, convert) for v in value]
    if isinstance(value, str):
        return _known(value)
    return convert(value) if isinstance(value, Mapping) else value


def _known(name: str) -> Any:
    """Returns the user's object of a name, which is to be known after loading, too; or the name."""
    found = registry.custom_object(name)
    return name if found is None else found


def _optimizer(entry: Any) -> Any:
    if not isinstance(entry, Mapping):
        return entry
    name = str(entry["class_name"]).removeprefix("Custom>")  # TensorFlow's own carry it as well
    if registry.find_builtin("optimizers", name) is None:
        return _complete(entry, "keras.optimizers")
    config = {k: v for k, v in _config_of(entry).items() if k not in _DROPPED}
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    if config.get("epsilon", 0.0) is None:
        del config["epsilon"]
    if isinstance(config.get("inner_optimizer"), Mapping):
        config["inner_optimizer"] = _optimizer(config["inner_optimizer"])
    decay, rate = config.pop("decay", None), config.get("learning_rate")
    if isinstance(rate, Mapping):
        config["learning_rate"] = _complete(rate, "keras.optimizers.schedules")
    elif decay:  # of older optimizers: the rate is divided by 1 + decay * iterations
        schedule = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
        config["learning_rate"] = _complete(
            {"class_name": "InverseTimeDecay", "config": schedule}, "keras.optimizers.schedules"
        )
    return _complete({"class_name": name, "config": config}, "keras.optimizers")


def _loss(entry: Mapping[str, Any]) -> Any:
    if entry["class_name"] == "function":
        return _complete(entry, "keras.losses")
    config = {k: v for k, v in _config_of(entry).items() if k != "fn"}
    if config.get("reduction") == "auto":
        config["reduction"] = "sum_over_batch_size"
    return _complete({**entry, "config": config}, "keras.losses")


def _metric(entry: Mapping[str, Any], output_names: list[str]) -> Any:
    if entry["class_name"] == "function":
        return _complete(entry, "keras.metrics")
    config = _config_of(entry)
    function, name = config.pop("fn", None), str(config.get("name"))
    if entry["class_name"] != "MeanMetricWrapper" or not isinstance(function, str):
        return _complete(entry, "keras.metrics")
    # Keras 2 wrote what the names of metrics were resolved to, with the output's name before them.
    if len(output_names) > 1:
        prefix = next((f"{n}_" for n in output_names if name.startswith(f"{n}_")), "")
        config["name"] = name.removeprefix(prefix)
    found = registry.find_builtin("metrics", function)
    if not isinstance(found, type):
        return _known(function)
    return _complete({"class_name": found.__name__, "config": config}, "keras.metrics")


def _config_of(entry: Mapping[str, Any]) -> Config:
    config = entry.get("config", {})
    if not isinstance(config, Mapping):
        raise ValueError(
            f"The config of {entry.get('class_name')!r} is not a dict of arguments: {config!r:.200}"
        )
    return dict(config)


def _complete(entry: Mapping[str, Any], module: str) -> Any:
    """Says of an object where it belongs; a function is its name."""
    name = str(entry["class_name"])
    if name == "function":
        function = str(entry["config"])
        found = _known(function)
        if found is function:  # the library's own is found by its name, or there is none
            registry.find_function(function)
        return found
    if entry.get("module") is not None or entry.get("registered_name") is not None:
        return known_module(entry)
    if ">" in name:  # registered by the user
        return {**entry, "module": None, "registered_name": name}
    return {**entry, "module": module, "registered_name": None}


# ------------------------------------------------------------------ writing
def to_legacy(config: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Config:
    """Returns `compile`'s arguments as `.h5` files have them.

    Args:
        config: What `get_compile_config` returned.
        optimizer: The config of the optimizer whose state is written.
    """
    result = {k: v for k, v in config.items() if k != "optimizer"}
    result["loss"] = _full_names(config.get("loss"))
    for key in ("loss", "metrics", "weighted_metrics"):
        result[key] = _each(result.get(key), _bare)
    return {**result, "optimizer_config": _bare(optimizer)}


def _full_names(value: Any) -> Any:
    if isinstance(value, str):
        return _FULL_NAMES.get(value.lower(), value)
    if isinstance(value, list):
        return [_full_names(v) for v in value]
    if isinstance(value, Mapping) and "class_name" not in value:
        return {k: _full_names(v) for k, v in value.items()}
    return value


def _bare(entry: Mapping[str, Any]) -> Any:
    if entry["class_name"] == "function":
        return entry["config"]
    return {"class_name": legacy_name(entry), "config": entry["config"]}
