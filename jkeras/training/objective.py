"""What `compile` says of losses and metrics, as pure functions."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import losses as losses_module
from jkeras import metrics as metrics_module
from jkeras.base.naming import nearest, unique
from jkeras.training.state import Batch, batch_size


def per_output(value: Any, names: Sequence[str], argument: str) -> list[Any]:
    """Spreads an argument of `compile` over the outputs.

    Args:
        value: One thing for all outputs, a list or tuple with one entry an output, or a dict by
            output name (outputs that it leaves out get None).
        names: The outputs' names.
        argument: The argument's name, for messages.

    Raises:
        ValueError: If a name is unknown or the number of entries differs.
    """
    if isinstance(value, Mapping):
        for name in value:
            if name not in names:
                raise ValueError(
                    f"`{argument}` names an output {name!r} that the model does not have"
                    f"{nearest(name, names) or '.'} Its outputs are {list(names)}."
                )
        return [value.get(name) for name in names]
    if isinstance(value, (list, tuple)):
        if len(value) != len(names):
            raise ValueError(
                f"`{argument}` has {len(value)} entries, but the model has {len(names)} outputs: "
                f"{list(names)}. Give one entry an output, or a dict by output name."
            )
        return list(value)
    return [value] * len(names)


class CompiledObjective:
    """Losses and metrics of a model's outputs.

    Args:
        loss: A name, a function of (y_true, y_pred) or a `Loss`; for several outputs one for all,
            a list, or a dict by output name. None: only what layers add is minimized.
        loss_weights: Factors of the outputs' losses: a number, a list or a dict by output name.
        metrics: Names, functions or `Metric`s; for several outputs also a list of lists or a dict
            by output name.
        weighted_metrics: Likewise; these are weighted by `sample_weight`.
        output_names: The outputs' names; one output by default.
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
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        output_names: Sequence[str] | None = None,
        outputs: Sequence[Any] | None = None,
        targets: Sequence[Any] | None = None,
    ):
        self.output_names = list(output_names or ["output"])
        several = len(self.output_names) > 1
        if not several and isinstance(loss, Mapping) and len(loss) == 1:
            per_output(loss, self.output_names, "loss")
        self.losses = [
            None if value is None else losses_module.as_loss(value)
            for value in per_output(loss, self.output_names, "loss")
        ]
        factors = per_output(loss_weights, self.output_names, "loss_weights")
        self.loss_weights = [1.0 if f is None else f for f in factors]
        self.specs = [
            None if y_true is None else (y_true, _with_rows_of(y_true, y_pred))
            for y_true, y_pred in zip(targets or [], outputs or [], strict=False)
        ] or [None] * len(self.output_names)
        # log name -> (output's position, metric, whether it is weighted)
        self.metrics: dict[str, tuple[int, metrics_module.Metric, bool]] = {}
        for given, weighted in ((metrics, False), (weighted_metrics, True)):
            argument = "weighted_metrics" if weighted else "metrics"
            for i, entries in enumerate(_metrics_per_output(given, self.output_names, argument)):
                specs = self.specs[i]
                y_true, y_pred = (None, None) if specs is None else (s.shape for s in specs)
                for entry in entries:
                    metric = metrics_module.as_metric(entry, y_true, y_pred, self.losses[i])
                    if metric is not None:
                        name = f"{self.output_names[i]}_{metric.name}" if several else metric.name
                        if weighted and name in self.metrics:
                            name = f"weighted_{name}"
                        self.metrics[unique(name, self.metrics)] = (i, metric, weighted)
        with_loss = [i for i, value in enumerate(self.losses) if value is not None]
        # The parts of the total are shown when there is more than one.
        self._parts = {i: f"{self.output_names[i]}_loss" for i in with_loss} if several else {}
        self._parts = self._parts if len(with_loss) > 1 else {}

    @property
    def result_names(self) -> list[str]:
        """The order in which `evaluate` returns values: the loss, its parts, the metrics."""
        names = list(self.metrics)
        names = sorted(names) if len(self.output_names) > 1 else names
        return ["loss", *self._parts.values(), *names]

    # -------------------------------------------------------------- pure functions
    def loss(self, batch: Batch, outputs: Any) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Returns the weighted sum of the outputs' losses, and each of them by name."""
        total = jnp.zeros(())
        parts = {}
        for i, (y_true, y_pred, weight, _) in enumerate(self.by_output(batch, outputs)):
            loss = self.losses[i]
            if loss is None:
                continue
            if y_true is None:
                raise ValueError(
                    f"The output {self.output_names[i]!r} has a loss, but no target was given: "
                    "pass `y`, or compile without a loss for this output."
                )
            value = loss(y_true, y_pred, sample_weight=weight)  # finds the output's mask itself
            total = total + self.loss_weights[i] * value
            if i in self._parts:
                parts[self._parts[i]] = value
        return total, parts

    def init(self) -> dict[str, Any]:
        """Returns the metrics' states over no data."""
        losses = jnp.zeros(2 + len(self.loss_names))
        return {"losses": losses} | {
            name: metric.init(*(self.specs[i] or ()))
            for name, (i, metric, _) in self.metrics.items()
        }

    def update(
        self,
        metrics: Mapping[str, Any],
        batch: Batch,
        outputs: Any,
        masks: Any,
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
                new[name] = metric.update(
                    metrics[name], y_true, y_pred, sample_weight=weight, mask=mask
                )
        return new

    def compute(self, metrics: Mapping[str, Any]) -> dict[str, jax.Array]:
        """Returns the metrics' values by name, in the order of the alphabet, as Keras's logs."""
        values: dict[str, Any] = {}
        for name, state in self.loss_means(metrics).items():
            values[name] = state["total"] / jnp.maximum(state["count"], 1)
        for name, (_, metric, _) in self.metrics.items():
            value = metric.compute(metrics[name])
            values.update(value if isinstance(value, Mapping) else {name: value})
        return dict(sorted(values.items()))

    @property
    def loss_names(self) -> list[str]:
        """The names of the loss and of its parts."""
        return ["loss", *self._parts.values()]

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

    def by_output(self, batch: Batch, outputs: Any, masks: Any = None) -> list[tuple]:
        """Returns (target, output, sample weight, mask) for each output."""
        predictions = flatten_outputs(outputs, self.output_names)
        masks = flatten_outputs(masks, self.output_names)
        masks = masks if len(masks) == len(predictions) else [None] * len(predictions)
        targets = batch.y if batch.y is not None else [None] * len(predictions)
        weights = batch.sample_weight
        weights = weights if weights is not None else [None] * len(predictions)
        if not len(predictions) == len(targets) == len(weights) == len(self.output_names):
            raise ValueError(
                f"The model has {len(predictions)} outputs, but there are {len(targets)} targets, "
                f"{len(weights)} sample weights and {len(self.output_names)} output names."
            )
        return list(zip(targets, predictions, weights, masks, strict=True))


def flatten_outputs(outputs: Any, names: Sequence[str]) -> list[Any]:
    """Returns a model's outputs (or their masks) as a list, in the order of their names."""
    if isinstance(outputs, Mapping) and set(outputs) == set(names):
        return [outputs[name] for name in names]
    return jax.tree.leaves(outputs, is_leaf=lambda x: x is None)


def _with_rows_of(y_true: Any, y_pred: Any) -> Any:
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


def _metrics_per_output(given: Any, names: Sequence[str], argument: str) -> list[list[Any]]:
    if given is None:
        return [[] for _ in names]
    if isinstance(given, Mapping):
        spread = per_output(given, names, argument)
    elif isinstance(given, (list, tuple)):
        nested = any(isinstance(entry, (list, tuple, Mapping)) for entry in given)
        if len(names) == 1:
            spread = [given[0] if nested and len(given) == 1 else given]
        elif nested or len(given) == len(names):
            spread = per_output(given, names, argument)
        else:  # a flat list of another length: all of it for every output
            spread = [list(given) for _ in names]
    else:
        spread = [[given] for _ in names]
    return [
        [] if entry is None else list(entry) if isinstance(entry, (list, tuple)) else [entry]
        for entry in spread
    ]


def check_names(given: Mapping[str, Any]) -> None:
    """Resolves every name once, so that a misspelt one is an error of `compile`.

    Args:
        given: What `compile` was told, with the keys `loss`, `metrics` and `weighted_metrics`.
    """

    def visit(value: Any, resolve: Callable[[Any], Any]) -> None:
        if isinstance(value, Mapping):
            for entry in value.values():
                visit(entry, resolve)
        elif isinstance(value, (list, tuple)):
            for entry in value:
                visit(entry, resolve)
        elif isinstance(value, str):
            resolve(value)

    visit(given["loss"], losses_module.as_loss)
    visit(given["metrics"], _known_metric)
    visit(given["weighted_metrics"], _known_metric)


def _known_metric(name: str) -> None:
    if not metrics_module.is_deferred(name):
        metrics_module.as_metric(name)
