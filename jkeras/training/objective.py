"""What `compile` says of losses and metrics, as pure functions."""

import inspect
import itertools
import math
import numbers
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import losses as losses_module
from jkeras import metrics as metrics_module
from jkeras.base import registry
from jkeras.base.naming import nearest, unique
from jkeras.base.types import Structure
from jkeras.core.explain import explaining
from jkeras.training.loss_terms import (
    LossTerm,
    has_losses_of_structures,
    is_container,
    numbered,
    path_names,
    spread_losses,
)
from jkeras.training.state import Batch, batch_size


def leaf_names(names: Any) -> list[str]:
    """Returns the names in a structure of output names, in order."""
    if isinstance(names, str):
        return [names]
    parts = names.values() if isinstance(names, Mapping) else names
    return [name for part in parts for name in leaf_names(part)]


def per_output(value: Any, names: Any, argument: str) -> list[Any]:
    """Spreads an argument of `compile` or `fit` over the outputs.

    Args:
        value: One thing for all outputs; a structure like that of the outputs; a list with one
            entry an output; or a dict by output name (outputs that it leaves out get None).
        names: The outputs' names, in the structure of the outputs.
        argument: The argument's name, for messages.

    Raises:
        ValueError: If a name is unknown or the number of entries differs.
    """
    known = leaf_names(names)
    if isinstance(names, str) or not is_container(value):
        return [value] * len(known)
    if isinstance(value, Mapping):
        if isinstance(names, Mapping) and not set(value) <= set(known) - set(names):
            _check_keys(value, list(names), argument)
            pairs = [(value.get(key), part) for key, part in names.items()]
        else:
            _check_keys(value, known, argument)
            return [value.get(name) for name in known]
    else:
        parts = list(names.values() if isinstance(names, Mapping) else names)
        if len(value) == len(known) != len(parts):
            return list(value)
        if len(value) != len(parts):
            raise ValueError(
                f"`{argument}` has {len(value)} entries, but the model has {len(known)} "
                f"output{'s' if len(known) > 1 else ''}: {known}. Give one entry an output, or a "
                "dict by output name."
            )
        pairs = list(zip(value, parts, strict=True))
    return [entry for part in pairs for entry in per_output(*part, argument)]


def _check_keys(given: Mapping[str, Any], known: Sequence[str], argument: str) -> None:
    for name in given:
        if name not in known:
            has = f"outputs are {list(known)}" if len(known) > 1 else f"output is {known[0]!r}"
            raise ValueError(
                f"`{argument}` names an output {name!r} that the model does not have"
                f"{nearest(name, known) or '.'} The model's {has}."
            )


class CompiledObjective:
    """Losses and metrics of a model's outputs.

    Args:
        loss: A name, a function of (y_true, y_pred) or a `Loss`; for several outputs one for all,
            a list, a dict by output name, or a structure like that of the outputs. None: only what
            layers add is minimized.
        loss_weights: Factors of the outputs' losses, likewise.
        metrics: Names, functions or `Metric`s; for several outputs also a list of lists, a dict
            by output name, or a structure like that of the outputs.
        weighted_metrics: Likewise; these are weighted by `sample_weight`.
        output_names: The outputs' names, in the structure of the outputs; one output by default.
        outputs: The outputs' specs (`jax.ShapeDtypeStruct`), from which `"accuracy"` finds out
            which one is meant, and some metrics the shapes of their states.
        targets: The targets' specs, likewise; None for an output without a target.

    Raises:
        ValueError: If a name is unknown, or a structure does not fit the outputs.

    Example:
        >>> import jax.numpy as jnp
        >>> from jkeras.training import Batch, CompiledObjective
        >>> objective = CompiledObjective("mse")
        >>> batch = Batch(None, [jnp.zeros((2, 1))])
        >>> loss, _ = objective.loss(batch, jnp.ones((2, 1)))
        >>> loss.item()
        1.0
    """

    def __init__(
        self,
        loss: Structure = None,
        loss_weights: Structure = None,
        metrics: Structure = None,
        weighted_metrics: Structure = None,
        output_names: Any = None,
        outputs: Sequence[Any] | None = None,
        targets: Sequence[Any] | None = None,
    ):
        self.output_names = output_names or ["output"]
        self._names = leaf_names(self.output_names)
        named = self._terms(loss, loss_weights)
        # Without the names, which may differ in models that share a program.
        self.terms = [term for _, term in named]
        own = {term.outputs: term.loss for term in self.terms if isinstance(term.outputs, int)}
        self.losses = [own.get(i) for i in range(len(self._names))]
        self.specs = [
            None if y_true is None else (y_true, _with_rows_of(y_true, y_pred))
            for y_true, y_pred in zip(targets or [], outputs or [], strict=False)
        ] or [None] * len(self._names)
        # log name -> (output's position, metric, whether it is weighted)
        self.metrics: dict[str, tuple[int, metrics_module.Metric, bool]] = {}
        for given, weighted in ((metrics, False), (weighted_metrics, True)):
            argument = "weighted_metrics" if weighted else "metrics"
            for i, entries in enumerate(self._spread_metrics(given, argument)):
                specs = self.specs[i]
                y_true, y_pred = (None, None) if specs is None else (s.shape for s in specs)
                for entry in entries:
                    if isinstance(entry, types.FunctionType):
                        _check_takes_two(entry, "The metric")
                    metric = metrics_module.as_metric(entry, y_true, y_pred, self.losses[i])
                    if metric is not None:
                        self.metrics[self._log_name(i, metric.name, weighted)] = i, metric, weighted
        # The parts of the total are shown when there is more than one.
        shown: dict[str, None] = {}
        for name, _ in named if len(named) > 1 else ():
            shown[unique(f"{name}_loss", shown)] = None
        self._parts = list(shown)

    def _terms(self, loss: Structure, loss_weights: Structure) -> list[tuple[str, LossTerm]]:
        """Returns the terms by the paths of their outputs, such as `encoder/mean`.

        A loss of both `mean` and `variance` has the path `mean_variance`.
        """
        names = self.output_names
        entries: Iterable[tuple[Any, Any, str, Any]]
        if has_losses_of_structures(loss, names):
            positions = numbered(names, itertools.count())
            entries = spread_losses(loss, loss_weights, names, positions)
        else:
            given = self._spread(loss, "loss"), self._spread(loss_weights, "loss_weights")
            entries = zip(*given, path_names(names), itertools.count(), strict=False)
        return [
            (name, LossTerm(made, _as_factor(factor, loss_weights), outputs))
            for value, factor, name, outputs in entries
            if (made := _as_loss(value)) is not None
        ]

    def _spread(self, value: Any, argument: str) -> list[Any]:
        entries = per_output(value, self.output_names, argument)
        return [e[0] if isinstance(e, (list, tuple)) and len(e) == 1 else e for e in entries]

    def _spread_metrics(self, given: Any, argument: str) -> list[list[Any]]:
        if given is not None and not _may_be_metrics(given):
            raise ValueError(
                f"Expected `{argument}` argument to be a list, tuple, or dict. Received instead: "
                f"{argument}={given} of type {type(given)}"
            )
        entries = [given] * len(self._names)
        flat = isinstance(given, (list, tuple)) and not any(
            entry is None or isinstance(entry, (list, tuple, Mapping)) for entry in given
        )
        # A flat list whose length is not the number of outputs: all of it for every output.
        whole = flat or (len(self._names) == 1 and not isinstance(given, Mapping))
        if not whole or 1 < len(self._names) == len(given):
            try:
                entries = per_output(given, self.output_names, argument)
            except ValueError as error:
                raise ValueError(
                    f"Invalid `{argument}`. `{argument}` should contain metrics objects and either "
                    "be a dict or a list matching the output names of the model, or match the "
                    f"output structure of the model.\n{error}"
                ) from None
        return [_flat_list(entry) for entry in entries]

    def _log_name(self, output: int, name: str, weighted: bool) -> str:
        prefix = f"{self._names[output]}_" if len(self._names) > 1 else ""
        if weighted and prefix + name in self.metrics:
            name = f"weighted_{name}"
        return unique(prefix + name, self.metrics)

    @property
    def result_names(self) -> list[str]:
        """The order in which `evaluate` returns values: the loss, its parts, the metrics."""
        names = list(self.metrics)
        names = sorted(names) if len(self._names) > 1 else names
        return ["loss", *self._parts, *names]

    # -------------------------------------------------------------- pure functions
    def loss(self, batch: Batch, outputs: Structure) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Returns the weighted sum of the outputs' losses, and each of them by name."""
        total = jnp.zeros(())
        values = []
        by_output = self.by_output(batch, outputs)
        for term in self.terms:
            y_true, y_pred, weight = self._of_term(term, by_output)
            # The loss finds the output's mask itself.
            value = term.loss(y_true, y_pred, sample_weight=weight)
            if value.ndim:
                raise ValueError(
                    f"The loss {term.loss.name!r} gives values of shape {tuple(value.shape)}, and "
                    f"not one number to minimize: its reduction is {term.loss.reduction!r}. Leave "
                    "`reduction` out, or take the mean in a loss of your own."
                )
            total = total + term.factor * value
            values.append(value)
        return total, dict(zip(self._parts, values, strict=False))

    def _of_term(self, term: LossTerm, by_output: list[tuple]) -> tuple[Any, Any, Any]:
        """Returns a term's targets, outputs and sample weight: of several outputs the mean."""
        positions = jax.tree.leaves(term.outputs)
        for i in positions:
            if by_output[i][0] is None:
                raise ValueError(
                    f"The output {self._names[i]!r} has a loss, but no target was given: "
                    "pass `y`, or compile without a loss for this output."
                )
        weights = [by_output[i][2] for i in positions]
        weight = weights[0]
        if len(weights) > 1 and any(w is not None for w in weights):
            weight = sum(1.0 if w is None else jnp.asarray(w) for w in weights) / len(weights)
        y_true, y_pred = (term.take([output[k] for output in by_output]) for k in (0, 1))
        return y_true, y_pred, weight

    def init(self) -> dict[str, Any]:
        """Returns the metrics' states over no data."""
        losses = jnp.zeros(2 + len(self.loss_names))
        return {"losses": losses} | {
            name: metric.init(*(self.specs[i] or ()))
            for name, (i, metric, _) in self.metrics.items()
        }

    def restart(self, empty: Mapping[str, Any], metrics: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the metrics' states with which an epoch starts.

        Args:
            empty: What `init` returned.
            metrics: The states at the end of the epoch before: a metric's own `reset_state` may
                keep some of it.
        """
        started = dict(empty)
        for name, (_, metric, _) in self.metrics.items():
            if metric.has_own_reset and name in metrics:
                started[name] = metric.reset(metrics[name])
        return started

    def update(
        self,
        metrics: Mapping[str, Any],
        batch: Batch,
        outputs: Structure,
        masks: Structure,
        losses: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Returns the metrics' states with one more batch; losses count by its size."""
        size = batch_size(batch.x)
        new = dict(metrics)
        new["losses"] = _add_losses(metrics["losses"], [losses[n] for n in self.loss_names], size)
        by_output = self.by_output(batch, outputs, masks)
        for name, (i, metric, weighted) in self.metrics.items():
            y_true, y_pred, weight, mask = by_output[i]
            if y_true is not None:
                weight = weight if weighted else None
                update = explaining(partial(metric.update, metrics[name]), f"The metric {name!r}")
                new[name] = update(y_true, y_pred, sample_weight=weight, mask=mask)
        return new

    def compute(self, metrics: Mapping[str, Any]) -> dict[str, jax.Array]:
        """Returns the metrics' values by name, in the order of the alphabet, as Keras's logs."""
        values: dict[str, Any] = {}
        for name, state in self.loss_means(metrics).items():
            values[name] = state["total"] / jnp.maximum(state["count"], 1)
        for name, (_, metric, _) in self.metrics.items():
            value = metric.compute(metrics[name])
            if value is None or isinstance(value, str):
                raise TypeError(
                    f"The result of the metric {name!r} is {value!r}. Let result() return a "
                    "number, or a dict of numbers."
                )
            values.update(value if isinstance(value, Mapping) else {name: value})
        return dict(sorted(values.items()))

    @property
    def loss_names(self) -> list[str]:
        """The names of the loss and of its parts."""
        return ["loss", *self._parts]

    def loss_means(self, metrics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Returns the states of the losses' means, as those of `keras.metrics.Mean`."""
        _, count, *totals = metrics["losses"]
        return {
            name: {"total": total, "count": count}
            for name, total in zip(self.loss_names, totals, strict=True)
        }

    def first_bad_step(self, metrics: Mapping[str, Any]) -> jax.Array:
        """Returns the first step (from 1) whose loss was not finite; 0 if there was none."""
        return jnp.maximum(-metrics["losses"][0], 0)

    def by_output(self, batch: Batch, outputs: Structure, masks: Structure = None) -> list[tuple]:
        """Returns (target, output, sample weight, mask) for each output."""
        predictions = flatten_outputs(outputs, self.output_names)
        masks = flatten_outputs(masks, self.output_names)
        masks = masks if len(masks) == len(predictions) else [None] * len(predictions)
        targets = batch.y if batch.y is not None else [None] * len(predictions)
        weights = batch.sample_weight
        weights = weights if weights is not None else [None] * len(predictions)
        if not len(predictions) == len(targets) == len(weights) == len(self._names):
            raise ValueError(
                f"The model has {len(predictions)} outputs, but there are {len(targets)} targets, "
                f"{len(weights)} sample weights and {len(self._names)} output names."
            )
        return list(zip(targets, predictions, weights, masks, strict=True))


def flatten_outputs(outputs: Structure, names: Any) -> list[Any]:
    """Returns a model's outputs (or their masks) as a list, in the order of their names."""
    if isinstance(names, Mapping) and isinstance(outputs, Mapping) and set(outputs) == set(names):
        return [v for key, part in names.items() for v in flatten_outputs(outputs[key], part)]
    sequence = isinstance(names, (list, tuple)) and isinstance(outputs, (list, tuple))
    if sequence and len(outputs) == len(names):
        return [
            v for part, own in zip(names, outputs, strict=True) for v in flatten_outputs(own, part)
        ]
    return jax.tree.leaves(outputs, is_leaf=lambda x: x is None)


def _with_rows_of(y_true: Structure, y_pred: Structure) -> Any:
    """Returns an output's spec with the targets' rows: it may be that of another batch."""
    if not (y_true.shape and y_pred.shape):
        return y_pred
    return jax.ShapeDtypeStruct((y_true.shape[0], *y_pred.shape[1:]), y_pred.dtype)


def _add_losses(state: jax.Array, losses: list[Any], size: int) -> jax.Array:
    """Returns [steps, count, totals...] after one more step.

    The number of steps stands still, and is negative, from the first step on whose loss is not
    finite. One array, each entry of which follows from itself and the losses: on a CPU each array
    that a step writes, or copies before it writes, costs as much as a small layer.
    """
    values = jnp.stack([jnp.asarray(value, jnp.float32) for value in losses])
    entry = np.arange(state.shape[0])
    added = state + jnp.concatenate([jnp.full(2, size, jnp.float32), values * size])
    step = jnp.where(jnp.isfinite(values[0]), state + 1, -state - 1)
    return jnp.where(entry > 0, added, jnp.where(state < 0, state, step))


def _as_loss(value: Any) -> losses_module.Loss | None:
    if is_container(value):
        raise ValueError(
            f"`loss` has {value!r} for one output. Expected one loss an output: in a list, a "
            "tuple, a dict by output name, or a structure like that of the outputs."
        )
    if isinstance(value, metrics_module.Metric):
        raise ValueError(
            f"`loss` is the metric {value!r}. Pass a loss: a name such as 'mse', a function of "
            "(y_true, y_pred), or an object of keras.losses."
        )
    loss = losses_module.as_loss(value)
    if isinstance(value, types.FunctionType):
        _check_takes_two(value, "The loss")
    return loss


def _check_takes_two(function: types.FunctionType, what: str) -> None:
    """Raises a `TypeError` unless a function can be called with a target and a prediction."""
    try:
        inspect.signature(function).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"{what} {function.__name__!r} cannot be called as {function.__name__}(y_true, "
            f"y_pred): {error}. Write a function of these two."
        ) from None


def _as_factor(value: Any, given: Any) -> Any:
    if value is None:
        return 1.0
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if number and not math.isfinite(value):
        raise ValueError(f"`loss_weights` are finite numbers, got {given!r}.")
    if not number and not hasattr(value, "dtype"):
        raise ValueError(
            "Expected `loss_weights` argument to be a float (single output case) or a list, tuple, "
            f"or dict (multiple output case). Received instead: loss_weights={given!r} of type "
            f"{type(given)}"
        )
    return value


def _may_be_metrics(given: Any) -> bool:
    known = (str, list, tuple, Mapping, metrics_module.Metric)
    return isinstance(given, known) or callable(given)


def _flat_list(entry: Any) -> list[Any]:
    if isinstance(entry, (list, tuple)):
        return [metric for part in entry for metric in _flat_list(part)]
    return [] if entry is None else [entry]


def custom_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Resolves every name once, so that a misspelt one is an error of `compile`.

    Args:
        given: What `compile` was told, with the keys `loss`, `metrics` and `weighted_metrics`.

    Returns:
        The user's objects that are named, by name: those of a `custom_object_scope` must be known
        when it has ended.
    """
    found: dict[str, Any] = {}

    def visit(value: Any, resolve: Callable[[Any], Any]) -> None:
        if isinstance(value, Mapping):
            for entry in value.values():
                visit(entry, resolve)
        elif isinstance(value, (list, tuple)):
            for entry in value:
                visit(entry, resolve)
        elif isinstance(value, str):
            resolve(value)
            own = registry.custom_object(value)
            if own is not None:
                found[value] = own

    visit(given["loss"], losses_module.as_loss)
    visit(given["metrics"], _known_metric)
    visit(given["weighted_metrics"], _known_metric)
    return found


def _known_metric(name: str) -> None:
    if not metrics_module.is_deferred(name):
        metrics_module.as_metric(name)
