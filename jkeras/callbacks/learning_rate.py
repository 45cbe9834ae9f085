"""The learning rate of a model's optimizer, as callbacks read and set it."""

from typing import Any

_NONE = (
    'Optimizer must have a "learning_rate" attribute. Use one of jkeras.optimizers, or make the '
    "optax transformation with `optax.inject_hyperparams`."
)


def get_learning_rate(model: Any) -> float:
    """Returns the current learning rate.

    Raises:
        ValueError: If the optimizer has none.
    """
    rate = getattr(model.optimizer, "learning_rate", None)
    if rate is None:
        raise ValueError(_NONE)
    return float(rate)


def set_learning_rate(model: Any, rate: float) -> None:
    """Sets the learning rate, for the very next step; nothing is compiled again."""
    if getattr(model.optimizer, "learning_rate", None) is None:
        raise ValueError(_NONE)
    model.optimizer.learning_rate = rate
