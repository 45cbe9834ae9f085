"""The metrics of a model, and their values; methods and properties of `Model`."""

from collections.abc import Mapping
from typing import Any

from jkeras.base.types import AnyModel
from jkeras.core.layer import Layer


def _get_metrics(self: AnyModel) -> list[Any]:
    compiled = list(self._session.metrics_by_name().values())
    own = Layer.metrics.fget(self)  # type: ignore[attr-defined]
    return [*compiled, *(m for m in own if not any(m is c for c in compiled))]


metrics = property(
    _get_metrics,
    doc="The metrics: the mean loss, those of `compile`, and those in layers' attributes.",
)


def _get_names(self: AnyModel) -> list[str]:
    return list(self._compiled_session("metrics_names").metrics_by_name())


metrics_names = property(
    _get_names, doc="The names of what `evaluate` returns, in order; known after the first batch."
)


def reset_metrics(self: AnyModel) -> None:
    """Starts all metrics again.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> model = keras.Sequential([keras.Input((1,)), dense])
        >>> model.compile("sgd", "mse")
        >>> _ = model.evaluate(np.array([[1.0]]), np.array([[3.0]]), verbose=0)
        >>> before = float(model.get_metrics_result()["loss"])
        >>> model.reset_metrics()
        >>> before, float(model.get_metrics_result()["loss"])
        (4.0, 0.0)
    """
    for metric in self.metrics:
        metric.reset_state()


def get_metrics_result(self: AnyModel) -> dict[str, Any]:
    """Returns the values of all metrics by name."""
    names = {id(metric): name for name, metric in self._session.metrics_by_name().items()}
    values: dict[str, Any] = {}
    for metric in self.metrics:
        result = metric.result()
        name = names.get(id(metric), metric.name)
        values.update(result if isinstance(result, Mapping) else {name: result})
    return values


def as_list(model: AnyModel, logs: Mapping[str, Any]) -> Any:
    """Returns logs in the order of `evaluate`'s list; a single value by itself."""
    names = list(model._session.metrics_by_name())
    # A metric that gives several values has names of its own.
    values = [logs[n] for n in names if n in logs]
    values += [v for n, v in logs.items() if n not in names]
    return values[0] if len(values) == 1 else values
