"""What `compile`, `fit`, `evaluate` and `predict` take: wrong arguments are said at once."""

import inspect
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from jkeras.base import settings
from jkeras.base.naming import nearest

# What Keras 2 took to read data in parallel: a PyDataset says that itself now.
_WORKERS = ("workers", "use_multiprocessing", "max_queue_size")


def _is_integer(value: Any, least: int) -> bool:
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return bool(is_integer and value >= least)


def _is_count(value: Any) -> bool:
    return _is_integer(value, 1)


def _is_count_or_none(value: Any) -> bool:
    return value is None or _is_count(value)


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_)) or (_is_integer(value, 0) and value in (0, 1))


def _is_fraction(value: Any) -> bool:
    number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
    return value is None or (number and 0.0 <= value < 1.0)


def _is_frequency(value: Any) -> bool:
    if isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping)):
        return all(_is_integer(epoch, 1) for epoch in value)
    return _is_count(value)


_COUNT = (_is_count, "a positive integer")
_COUNT_OR_NONE = (_is_count_or_none, "a positive integer, or None")
_FROM_ZERO = (lambda value: _is_integer(value, 0), "an integer, at least 0")
_BOOL = (_is_bool, "True or False")

_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "batch_size": _COUNT_OR_NONE,
    "validation_batch_size": _COUNT_OR_NONE,
    "steps": _COUNT_OR_NONE,
    "steps_per_epoch": _COUNT_OR_NONE,
    "validation_steps": _COUNT_OR_NONE,
    "steps_per_execution": _COUNT,
    "epochs": _FROM_ZERO,
    "initial_epoch": _FROM_ZERO,
    "validation_split": (_is_fraction, "a fraction from 0 to 1"),
    "validation_freq": (_is_frequency, "a positive integer, or a list of epochs (from 1)"),
    "shuffle": (lambda value: _is_bool(value) or value == "batch", "True or False"),
    "run_eagerly": _BOOL,
    "auto_scale_loss": _BOOL,
    "return_dict": _BOOL,
    "jit_compile": (
        lambda value: value is None or _is_bool(value) or value == "auto",
        'True, False or "auto"',
    ),
    "data_on_device": (lambda value: _is_bool(value) or value == "auto", 'True, False or "auto"'),
}


def check(method: Callable, unknown: Mapping[str, Any], **given: Any) -> None:
    """Looks at arguments.

    Args:
        method: The method of a model.
        unknown: What it was given besides its own arguments.
        **given: Some of these.

    Raises:
        TypeError: If an argument is unknown; the nearest known one is suggested.
        ValueError: If one has a value that it cannot have.
    """
    for name in unknown:
        if name not in _WORKERS:
            hint = nearest(name, list(inspect.signature(method).parameters)[1:])
            raise TypeError(
                f"{method.__name__}() got an unexpected keyword argument {name!r}{hint}"
            )
        warnings.warn(
            f"`{name}` of {method.__name__}() is ignored: pass it to the keras.utils.PyDataset "
            "that gives the data.",
            DeprecationWarning,
            stacklevel=3,
        )
    for name, value in given.items():
        is_right, what = _CHECKS[name]
        if not is_right(value):
            raise ValueError(f"`{name}` must be {what}, got {value!r}.")


def limited_epochs(epochs: int) -> int:
    """Returns a number of epochs, but no more than the settings allow."""
    limit = settings.get("max_epochs")
    if limit is None or epochs <= limit:
        return epochs
    warnings.warn(f"Limiting epochs to {limit}", stacklevel=3)
    return limit


def validates(frequency: int | Sequence[int], epoch: int) -> bool:
    """Says whether `validation_freq` has an evaluation after an epoch, counted from zero."""
    if isinstance(frequency, (int, np.integer)):
        return (epoch + 1) % frequency == 0
    return (epoch + 1) in frequency
