"""Metrics by name, by config, from the user's functions, and by the shapes of the data."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier, Shape
from jkeras.losses.loss import function_name
from jkeras.metrics import accuracies, confusion, probabilistic, regression
from jkeras.metrics.means import MeanMetricWrapper
from jkeras.metrics.metric import Metric

for _class, *_aliases in (
    (regression.MeanSquaredError, "mse", "MSE"),
    (regression.MeanAbsoluteError, "mae", "MAE"),
    (regression.MeanAbsolutePercentageError, "mape", "MAPE"),
    (regression.MeanSquaredLogarithmicError, "msle", "MSLE"),
    (regression.RootMeanSquaredError, "rmse", "RMSE"),
    (regression.LogCoshError, "logcosh", "log_cosh"),
    (probabilistic.BinaryCrossentropy, "bce", "BCE"),
    (confusion.FBetaScore, "fbeta_score"),
    (probabilistic.KLDivergence, "kld", "KLD", "kullback_leibler_divergence"),
):
    registry.register_builtin("metrics", _class, *_aliases)

# Words whose metric follows from the shapes of targets and predictions.
_DEFERRED: dict[str, tuple[Any, ...]] = {
    "accuracy": (
        accuracies.BinaryAccuracy,
        accuracies.CategoricalAccuracy,
        accuracies.SparseCategoricalAccuracy,
    ),
    "crossentropy": (
        probabilistic.BinaryCrossentropy,
        probabilistic.CategoricalCrossentropy,
        probabilistic.SparseCategoricalCrossentropy,
    ),
}
_DEFERRED |= {"acc": _DEFERRED["accuracy"], "ce": _DEFERRED["crossentropy"]}


def get(identifier: Identifier) -> Any:
    """Returns a metric for a name, a config, a class, a function or a metric; None for None.

    Raises:
        ValueError: If the name is unknown; the nearest known one is suggested.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.get("mse")
        <MeanSquaredError name=mean_squared_error>
    """
    return None if identifier is None else registry.resolve(identifier, "metrics", "metric")


def is_deferred(identifier: Identifier) -> bool:
    """Says whether an argument of `compile` needs the data's shapes: `"accuracy"`, `"ce"`, ...

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.is_deferred("acc"), keras.metrics.is_deferred("mse")
        (True, False)
    """
    return isinstance(identifier, str) and identifier.lower() in _DEFERRED


def as_metric(
    identifier: Identifier,
    y_true_shape: Shape = None,
    y_pred_shape: Shape = None,
    loss: Identifier = None,
) -> Metric | None:
    """Returns the metric that an argument of `compile` stands for; None for None.

    Args:
        identifier: What `get` takes; or the name, function or object of a loss, whose mean it is.
            A metric that is given by a name has that name in logs, a function's has the function's.
        y_true_shape: The shape of the targets, for `"accuracy"`, `"acc"`, `"crossentropy"` and
            `"ce"`.
        y_pred_shape: The shape of the predictions, likewise.
        loss: The loss of the output: says whether a crossentropy is one of logits.

    Raises:
        ValueError: If a name is unknown, or needs shapes that are not given.

    Example:
        >>> import jkeras as keras
        >>> keras.metrics.as_metric("acc", (None, 1), (None, 10))
        <SparseCategoricalAccuracy name=acc>
        >>> keras.metrics.as_metric(keras.losses.huber).name
        'huber'
    """
    if identifier is None:
        return None
    if is_deferred(identifier):
        return _by_shapes(identifier, y_true_shape, y_pred_shape, loss)
    metric = _find(identifier)
    if not isinstance(metric, Metric):
        metric = MeanMetricWrapper(metric, name=function_name(metric))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _find(identifier: Identifier) -> Any:
    if not isinstance(identifier, str):
        return get(identifier)
    known = registry.custom_object(identifier) or registry.find_builtin("metrics", identifier)
    area = "metrics" if known or not registry.find_builtin("losses", identifier) else "losses"
    return registry.resolve(identifier, area, "metric")


def _by_shapes(name: str, y_true_shape: Any, y_pred_shape: Any, loss: Any) -> Metric:
    if y_true_shape is None or y_pred_shape is None:
        raise ValueError(
            f"Which metric {name!r} is follows from the shapes of the targets and predictions, "
            "which are not known here. Name it: 'binary_accuracy', 'categorical_accuracy', "
            "'sparse_categorical_accuracy', ..."
        )
    y_true_shape, y_pred_shape = tuple(y_true_shape), tuple(y_pred_shape)
    binary, categorical, sparse = _DEFERRED[name.lower()]
    if len(y_pred_shape) < 2 or y_pred_shape[-1] == 1:
        kind = binary
    elif len(y_true_shape) < len(y_pred_shape) or y_true_shape[-1] == 1:
        kind = sparse
    else:
        kind = categorical
    if issubclass(kind, _DEFERRED["accuracy"]):
        return kind(name=name)
    return kind(name=name, from_logits=getattr(loss, "from_logits", False))


serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns the metric that a name or a config stands for."""
    with registry.CustomObjectScope(custom_objects):
        return get(config)
