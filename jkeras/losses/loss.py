"""Loss: values for each sample, and how they are reduced to one number."""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp

from jkeras.base import naming, registry, settings
from jkeras.base.numbers import checked_number
from jkeras.base.types import ArrayLike, DTypeLike
from jkeras.core import graph, policy, scope
from jkeras.core.explain import explaining
from jkeras.losses.alignment import align, align_weights, as_arrays

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


class Loss(registry.Configurable):
    """The base of losses: a subclass writes `call(y_true, y_pred)`, which gives a value a sample.

    Args:
        name: The name; made from the class's by default.
        reduction: `"sum_over_batch_size"` (or `"mean"`): the weighted values' sum over their count;
            `"sum"`; `"mean_with_sample_weight"`: their sum over the weights' sum; `"none"` or None.
        dtype: The dtype to compute in; `floatx()` by default.

    Raises:
        ValueError: If `reduction` is another word.

    Example:
        >>> import jkeras as keras
        >>> class Distance(keras.losses.Loss):
        ...     def call(self, y_true, y_pred):
        ...         return keras.ops.mean(keras.ops.absolute(y_true - y_pred), axis=-1)
        >>> Distance()([[0.0], [1.0]], [[1.0], [4.0]]).item()
        2.0
    """

    # Whether targets are class numbers, which a cast to the dtype of the computation would blur.
    integer_targets = False

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: DTypeLike = None,
    ):
        if reduction not in REDUCTIONS:
            raise ValueError(
                "Invalid value for argument `reduction`. Expected one of "
                f"{REDUCTIONS}. Received: reduction={reduction}"
            )
        self.name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self.reduction = reduction
        self._dtype = settings.floatx() if dtype is None else policy.get_policy(dtype).compute_dtype
        self._has_own_dtype = dtype is not None

    @property
    def dtype(self) -> str:
        """The dtype that the loss is computed in."""
        return self._dtype

    def __getattr__(self, name: str) -> Any:
        if name in ("name", "reduction", "_dtype"):
            raise RuntimeError(
                f"You forgot to call `super().__init__()` in {type(self).__name__}.__init__(). "
                "Call it first there."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -------------------------------------------------------------- to be written by a subclass
    def call(self, y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
        """Returns the losses: one a sample, or one a time step, pixel, ... of each sample."""
        raise NotImplementedError(
            f"The class {type(self).__name__} has no method call(self, y_true, y_pred). Write one."
        )

    def counted(self, y_true: ArrayLike, y_pred: ArrayLike) -> ArrayLike:
        """Returns a mask of the losses that count, or None if all do."""
        return None

    # -------------------------------------------------------------- calling
    def __call__(
        self,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        sample_weight: ArrayLike = None,
        *,
        mask: ArrayLike = None,
    ) -> jax.Array:
        """Returns the reduced loss: a pure function of its arguments.

        Args:
            y_true: Targets, an array or a structure of arrays.
            y_pred: Predictions, likewise.
            sample_weight: A number, or one weight for each sample (or time step, pixel, ...).
            mask: Which losses count, in the shape of the weights; by default the mask that belongs
                to `y_pred`.

        Raises:
            ValueError: If the shapes do not fit.
        """
        reduced = explaining(self._reduced, f"The loss {self.name!r}")
        return graph.lift(reduced, self.name)(y_true, y_pred, sample_weight, mask)

    def _reduced(self, y_true: Any, y_pred: Any, sample_weight: Any, mask: Any) -> jax.Array:
        if mask is None:
            mask = scope.get_mask(y_pred)
        y_true = as_arrays(y_true, None if self.integer_targets else self.dtype)
        y_pred = as_arrays(y_pred, self.dtype)
        with jax.named_scope(self.name):
            values = self.call(y_true, y_pred)
            if values is None or isinstance(values, (str, list, tuple, Mapping)):
                raise TypeError(
                    f"The loss {self.name!r} returned {values!r:.60}, and not an array. Return one "
                    "value for each sample, or one for all."
                )
            losses = jnp.asarray(values, self.dtype)
            if sample_weight is not None and not losses.ndim:
                losses = self._spread(losses, sample_weight)
            masks = [mask, self.counted(y_true, y_pred)]
            return reduce(
                losses, sample_weight, [m for m in masks if m is not None], self.reduction
            )

    def _spread(self, loss: jax.Array, sample_weight: ArrayLike) -> jax.Array:
        """Returns one number for the batch, of a user's loss, as one a sample."""
        made_by = getattr(self, "fn", type(self))
        own = (getattr(made_by, "__module__", None) or "").split(".")[0] == "jkeras"
        if own or not jnp.ndim(sample_weight):
            return loss
        warnings.warn(
            f"The loss {self.name!r} gives one number for the whole batch, which the weights of "
            "samples or classes cannot tell apart: it is multiplied by their mean, as in Keras. "
            "Return one value a sample.",
            stacklevel=2,
        )
        return jnp.broadcast_to(loss, jnp.shape(sample_weight))

    # -------------------------------------------------------------- configuration
    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal loss.

        Example:
            >>> import jkeras as keras
            >>> keras.losses.Huber(delta=2.0).get_config()
            {'name': 'huber_loss', 'reduction': 'sum_over_batch_size', 'delta': 2.0}
        """
        arguments = registry.constructor_arguments(self)
        arguments.update(name=self.name, reduction=self.reduction, dtype=self.dtype)
        if not self._has_own_dtype:
            del arguments["dtype"]
        first = {k: arguments.pop(k) for k in ("name", "reduction")}
        return {
            k: registry.serialize_keras_object(v)
            for k, v in {**first, **arguments}.items()
            if registry.accepts(type(self).__init__, k)
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def reduce(
    losses: jax.Array, sample_weight: ArrayLike, masks: list[Any], reduction: str | None
) -> jax.Array:
    """Weights losses, leaves masked ones out, and reduces them.

    Args:
        losses: The losses, samples first.
        sample_weight: Weights whose first axes are those of the losses; or None.
        masks: Masks likewise; what any of them leaves out counts neither as a loss nor in a mean.
        reduction: One of `REDUCTIONS`.
    """
    dtype, shape = losses.dtype, losses.shape
    mask = weights = None
    if masks:
        aligned = [align_weights(m, shape, "a mask").astype(bool) for m in masks]
        mask = jnp.broadcast_to(functools.reduce(jnp.logical_and, aligned), shape)
        losses = jnp.where(mask, losses, 0)  # no product: a masked loss may be infinite
    if sample_weight is not None:
        weights = align_weights(jnp.asarray(sample_weight, dtype), shape)
        losses = losses * weights
    if reduction in ("none", None):
        return losses
    wide = jnp.promote_types(dtype, jnp.float32)  # in float16 a sum of ones ends at 2048
    total = jnp.sum(losses, dtype=wide)
    if reduction == "sum":
        return total.astype(dtype)
    count: Any = losses.size
    if weights is not None and reduction == "mean_with_sample_weight":
        count = jnp.sum(jnp.broadcast_to(weights, shape), where=mask, dtype=wide)
    elif mask is not None:
        count = jnp.sum(mask, dtype=wide)
    return divide(total, count).astype(dtype)


def divide(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Returns `a / b`, and 0 where `b` is 0."""
    return jnp.where(b == 0, 0, a / jnp.where(b == 0, 1, b))


def function_name(function: Callable[..., Any]) -> str:
    """Returns what logs call a function or a callable object."""
    name = getattr(function, "name", None) or getattr(function, "__name__", None)
    return naming.to_snake_case(name or type(function).__name__)


class LossFunctionWrapper(Loss):
    """The loss whose values a function gives.

    Args:
        fn: A function of (y_true, y_pred), and of `kwargs`, that gives a value a sample.
        reduction: See `Loss`.
        name: The name; the function's by default.
        dtype: See `Loss`.
        **kwargs: Further arguments of the function.

    Example:
        >>> import jkeras as keras
        >>> def distance(y_true, y_pred, power=1):
        ...     return keras.ops.mean(keras.ops.absolute(y_true - y_pred) ** power, axis=-1)
        >>> keras.losses.LossFunctionWrapper(distance, power=2)([[0.0]], [[3.0]]).item()
        9.0
    """

    def __init__(
        self,
        fn: Callable,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike = None,
        **kwargs: Any,
    ):
        super().__init__(name or function_name(fn), reduction, dtype)
        self.fn = fn
        self._options = tuple(kwargs)
        for option, value in kwargs.items():
            _check_option(option, value)
            setattr(self, option, value)

    def call(self, y_true: ArrayLike, y_pred: ArrayLike) -> jax.Array:
        if isinstance(y_true, jax.Array) and isinstance(y_pred, jax.Array):
            y_true, y_pred = align(y_true, y_pred)
        return self.fn(y_true, y_pred, **{name: getattr(self, name) for name in self._options})

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **function_config(self, LossFunctionWrapper)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        return registry.construct(cls, function_arguments(cls, config))


def _check_option(name: str, value: Any) -> None:
    """Checks options that several losses have: a wrong one gives a loss that means nothing."""
    if name == "label_smoothing":
        checked_number(name, value, 0, 1)
    elif name in ("gamma", "delta"):
        checked_number(name, value, 0)
    elif name == "axis" and isinstance(value, (str, float)):
        raise ValueError(
            f"Invalid value for argument `axis`. Expected integers. Received: {value!r}"
        )


def function_config(obj: Any, wrapper: type) -> dict[str, Any]:
    """Returns what the config of a user's subclass of a wrapper holds besides: function, options.

    `get_config` there may take them out again, as it has to in Keras.
    """
    built_in = next(cls for cls in type(obj).__mro__ if registry.is_builtin(cls))
    if built_in is not wrapper:
        return {}
    known = {*inspect.signature(type(obj).__init__).parameters, *obj._arguments[1]}
    values = {"fn": obj.fn, **{k: getattr(obj, k) for k in obj._options if k in known}}
    return {k: registry.serialize_keras_object(v) for k, v in values.items()}


def function_arguments(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments with which a wrapper of a function is made from its config."""
    given = dict(config)
    if "fn" not in inspect.signature(cls.__init__).parameters:  # type: ignore[misc]
        given.pop("fn", None)  # the constructor knows it
    values = registry.deserialize_values(given)
    if isinstance(values.get("fn"), str):  # as tf.keras wrote it
        values["fn"] = registry.find_function(values["fn"])
    return values


class PlainLoss(LossFunctionWrapper):
    """The base of losses over a function without options: `class Hinge(PlainLoss, function=hinge)`.

    It gives the class a constructor of (reduction, name, dtype) with the function's name for name.
    """

    def __init__(
        self,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: DTypeLike = None,
    ):
        raise NotImplementedError("PlainLoss is the base of losses over a function.")

    def __init_subclass__(cls, function: Callable | None = None, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        if function is not None:
            cls.__init__ = _constructor(function, function.__name__)  # type: ignore[method-assign]


def _constructor(function: Callable, default_name: str) -> Callable:
    def __init__(
        self: LossFunctionWrapper,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = default_name,
        dtype: DTypeLike = None,
    ) -> None:
        LossFunctionWrapper.__init__(self, function, reduction, name, dtype)

    __init__.__qualname__ = "__init__"
    return __init__
