"""Means and sums of values: of numbers, or of what a function gives for each sample."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import registry
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import graph, scope
from jkeras.losses.alignment import align_weights, as_arrays
from jkeras.losses.loss import (
    Loss,
    divide,
    function_arguments,
    function_config,
    function_name,
)
from jkeras.metrics.metric import Metric, State


def masked_weights(
    shape: tuple[int, ...], sample_weight: ArrayLike, mask: ArrayLike, dtype: DTypeLike
) -> ArrayLike:
    """Returns weights that broadcast to `shape` and are 0 where masked; None if all count alike.

    Raises:
        ValueError: If the weights or the mask do not fit `shape`.
    """
    weights = None
    if sample_weight is not None:
        weights = align_weights(jnp.asarray(sample_weight, dtype), shape)
    if mask is not None:
        counted = align_weights(mask, shape, "a mask").astype(dtype)
        weights = counted if weights is None else weights * counted
    return weights


def weighted_totals(
    values: jax.Array, sample_weight: ArrayLike, mask: ArrayLike
) -> tuple[Any, Any]:
    """Returns the sum of weighted values, and of the weights: a sample's values are averaged."""
    dtype = values.dtype
    if sample_weight is not None and np.ndim(sample_weight) == 0 and mask is None:
        weight = jnp.asarray(sample_weight, dtype)  # of this batch among others
        return jnp.mean(values) * weight, weight
    weights = masked_weights(values.shape, sample_weight, mask, dtype)
    if mask is not None:  # no product: a masked value may be infinite
        values = jnp.where(align_weights(mask, values.shape, "a mask").astype(bool), values, 0)
    if weights is None:
        weights = jnp.ones((), dtype)
    return _over_samples(values * weights), _over_samples(jnp.broadcast_to(weights, values.shape))


def _over_samples(x: jax.Array) -> jax.Array:
    return jnp.sum(jnp.mean(x, axis=range(1, x.ndim))) if x.ndim else x


def metric_function(function: Callable) -> Callable:
    """Lets a function be called on symbolic tensors, and be found by its name."""
    return registry.register_builtin("metrics.functions", graph.lift(function))


class Mean(Metric):
    """The weighted mean of values.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> mean = keras.metrics.Mean()
        >>> mean.update_state([1.0, 3.0])
        >>> mean.update_state([8.0])
        >>> mean.result().item(), mean.count.numpy().item()
        (4.0, 3.0)
    """

    def __init__(self, name: str | None = "mean", dtype: DTypeLike = None):
        super().__init__(dtype, name)

    def init(self, *args: ArrayLike) -> State:
        return {"total": jnp.zeros((), self.dtype), "count": jnp.zeros((), self.dtype)}

    def update(
        self,
        state: State,
        values: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(values) if mask is None else mask
        values = jnp.asarray(values, self.dtype)
        total, count = weighted_totals(values, sample_weight, mask)
        return {"total": state["total"] + total, "count": state["count"] + count}

    def compute(self, state: State) -> ArrayLike:
        return divide(state["total"], state["count"])


class Sum(Metric):
    """The weighted sum of values.

    Args:
        name: The name.
        dtype: See `Metric`.

    Example:
        >>> import jkeras as keras
        >>> total = keras.metrics.Sum()
        >>> total.update_state([1.0, 3.0])
        >>> total([8.0]).item()
        12.0
    """

    def __init__(self, name: str | None = "sum", dtype: DTypeLike = None):
        super().__init__(dtype, name)

    def init(self, *args: ArrayLike) -> State:
        return {"total": jnp.zeros((), self.dtype)}

    def update(
        self,
        state: State,
        values: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(values) if mask is None else mask
        values = jnp.asarray(values, self.dtype)
        weights = masked_weights(values.shape, sample_weight, mask, self.dtype)
        return {"total": state["total"] + jnp.sum(values if weights is None else values * weights)}

    def compute(self, state: State) -> ArrayLike:
        return state["total"]


class MeanMetricWrapper(Mean):
    """The weighted mean of what a function gives for each sample.

    Args:
        fn: A function of (y_true, y_pred), and of `kwargs`, that gives a value for each sample; or
            a loss, whose values before the reduction are taken.
        name: The name.
        dtype: See `Metric`.
        **kwargs: Further arguments of the function.

    Example:
        >>> import jkeras as keras
        >>> def off_by(y_true, y_pred):
        ...     return keras.ops.absolute(y_true - y_pred)
        >>> metric = keras.metrics.MeanMetricWrapper(off_by)
        >>> metric.update_state([1.0, 2.0], [2.0, 5.0])
        >>> metric.result().item()
        2.0
    """

    def __init__(
        self, fn: Callable, name: str | None = None, dtype: DTypeLike = None, **kwargs: Any
    ):
        super().__init__(name, dtype)
        self.fn = fn
        self._options = tuple(kwargs)
        for option, value in kwargs.items():
            setattr(self, option, value)

    def update(  # type: ignore[override]
        self,
        state: State,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        mask: ArrayLike = None,
    ) -> State:
        mask = scope.get_mask(y_pred) if mask is None else mask
        function = self.fn.call if isinstance(self.fn, Loss) else self.fn
        options = {name: getattr(self, name) for name in self._options}
        values = function(as_arrays(y_true), as_arrays(y_pred), **options)
        if values is None or isinstance(values, (str, list, tuple, Mapping)):
            raise TypeError(
                f"The function of the metric {self.name!r} returned {values!r:.60}, and not an "
                "array. Return one value for each sample, or one for all."
            )
        return super().update(state, values, sample_weight, mask)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **function_config(self, MeanMetricWrapper)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return registry.construct(cls, function_arguments(cls, config))


class PlainMean(MeanMetricWrapper):
    """The base of means of a function without options: `class Hinge(PlainMean, function=hinge)`.

    It gives the class a constructor of (name, dtype), with the function's name for name.
    """

    def __init__(self, name: str | None = None, dtype: DTypeLike = None):
        raise NotImplementedError("PlainMean is the base of means of a function.")

    def __init_subclass__(
        cls, function: Callable | None = None, called: str | None = None, **kwargs: Any
    ):
        super().__init_subclass__(**kwargs)
        if function is not None:
            cls.__init__ = _constructor(  # type: ignore[method-assign]
                function, called or function_name(function)
            )


def _constructor(function: Callable, default_name: str) -> Callable:
    def __init__(
        self: MeanMetricWrapper, name: str | None = default_name, dtype: DTypeLike = None
    ) -> None:
        MeanMetricWrapper.__init__(self, function, name, dtype)

    __init__.__qualname__ = "__init__"
    return __init__
