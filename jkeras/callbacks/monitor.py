"""What callbacks that watch one value of the logs have in common."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from jkeras import ops
from jkeras.base.types import AnyModel
from jkeras.callbacks.callback import Callback

# Names of metric classes, of which a metric's class is one or a subclass.
_HIGHER_IS_BETTER = re.compile(
    r"AUC|\w*Accuracy|\w*IoU|\w*Correlation|CosineSimilarity|F1Score|FBetaScore|R2Score"
    r"|Precision(AtRecall)?|Recall(AtPrecision)?|SensitivityAtSpecificity|SpecificityAtSensitivity"
)
_LOWER_IS_BETTER = re.compile(r"\w*Crossentropy|\w*Hinge|\w*Error|KLDivergence|Poisson")


class MonitorCallback(Callback):
    """The base of callbacks that act when a value of the logs improves, or does not.

    Args:
        monitor: The name of the value, such as `"val_loss"`.
        mode: `"min"` if lower is better, `"max"` if higher is; `"auto"`: known from the metric.
        min_delta: What is less than this is not an improvement.

    Attributes:
        best: The best value so far; None before the first one.
    """

    def __init__(self, monitor: str = "val_loss", mode: str = "auto", min_delta: float = 0.0):
        if mode not in ("auto", "min", "max"):
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best: Any = None
        self.monitor_op: Any = None  # ops.less or ops.greater, once that is known

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Finds out which way is better, so that an unknown name is an error before training."""
        if self.monitor_op is not None:
            return
        direction = self.mode if self.mode != "auto" else direction_of(self.model, self.monitor)
        if direction is None:
            raise ValueError(
                f"{type(self).__name__} callback received monitor={self.monitor}, but jkeras isn't "
                "able to automatically determine whether that metric should be maximized or "
                "minimized. Pass `mode='max'` in order to monitor based on the highest metric "
                "value, or pass `mode='min'` in order to use the lowest value. The model's metrics "
                f"are: {[metric.name for metric in self.model.metrics]}."
            )
        self.monitor_op = ops.less if direction == "min" else ops.greater

    def is_improvement(self, value: float, reference: float) -> bool:
        """Says whether `value` is better than `reference`; anything is better than None."""
        if reference is None:
            return True
        # Compared by NumPy, at once and in 64 bits; a function of one's own is called as it is.
        compare = {ops.less: np.less, ops.greater: np.greater}.get(self.monitor_op, self.monitor_op)
        delta = self.min_delta if compare is np.less else -self.min_delta
        return bool(compare(value + delta, reference))


def direction_of(model: AnyModel, name: str) -> str | None:
    """Returns whether the value `name` of a model's logs is better lower or higher.

    Returns:
        `"min"`, `"max"`, or None if that is not known.
    """
    name = name.removeprefix("val_")
    if name == "loss" or name.endswith("_loss"):
        return "min"
    for metric in model.metrics:
        # A metric of one of several outputs has the output's name in front.
        if name == metric.name or name.endswith(f"_{metric.name}"):
            own = {"up": "max", "down": "min"}.get(getattr(metric, "_direction", None) or "")
            return own or _direction_of_kind(type(metric))
    return None


def _direction_of_kind(kind: type) -> str | None:
    names = [c.__name__ for c in kind.__mro__]
    if any(_HIGHER_IS_BETTER.fullmatch(name) for name in names):
        return "max"
    return "min" if any(_LOWER_IS_BETTER.fullmatch(name) for name in names) else None


def available(logs: Mapping[str, Any]) -> str:
    """Returns the names in logs, for a message."""
    return ",".join(logs)


def check_patience(patience: int) -> None:
    """Raises a `ValueError` unless `patience` is a number of epochs."""
    is_number = isinstance(patience, (int, float, np.number)) and not isinstance(patience, bool)
    if not is_number or patience < 0:
        raise ValueError(f"`patience` must be a number of epochs, at least 0, got {patience!r}.")
