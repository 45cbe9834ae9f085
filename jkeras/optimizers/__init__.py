"""Optimizers: Keras's, and any optax transformation in their place."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier
from jkeras.optimizers import schedules as schedules
from jkeras.optimizers.adagrad import Adadelta as Adadelta
from jkeras.optimizers.adagrad import Adafactor as Adafactor
from jkeras.optimizers.adagrad import Adagrad as Adagrad
from jkeras.optimizers.adagrad import Ftrl as Ftrl
from jkeras.optimizers.adagrad import RMSprop as RMSprop
from jkeras.optimizers.adam import Adam as Adam
from jkeras.optimizers.adam import Adamax as Adamax
from jkeras.optimizers.adam import AdamW as AdamW
from jkeras.optimizers.adam import Lamb as Lamb
from jkeras.optimizers.adam import Nadam as Nadam
from jkeras.optimizers.adam import ScheduleFreeAdamW as ScheduleFreeAdamW
from jkeras.optimizers.base import Optimizer as Optimizer
from jkeras.optimizers.loss_scale import LossScaleOptimizer as LossScaleOptimizer
from jkeras.optimizers.multi import MultiOptimizer as MultiOptimizer
from jkeras.optimizers.multi import OptimizerMap as OptimizerMap
from jkeras.optimizers.muon import Muon as Muon
from jkeras.optimizers.optax_optimizer import OptaxOptimizer as OptaxOptimizer
from jkeras.optimizers.sgd import SGD as SGD
from jkeras.optimizers.sgd import Lion as Lion

# Keras knows them in lower case: "rmsprop", not "rm_sprop".
for _cls in (
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Adamax,
    Ftrl,
    Lamb,
    Lion,
    LossScaleOptimizer,
    MultiOptimizer,
    Muon,
    Nadam,
    RMSprop,
    SGD,
    ScheduleFreeAdamW,
):
    registry.register_builtin("optimizers", _cls, _cls.__name__.lower())


def get(identifier: Identifier) -> Any:
    """Returns an optimizer for a name, a config, a class, an optimizer or an optax transformation.

    Args:
        identifier: One of these; a name in any case. Any object with `init` and `update`, such as
            an `optax.MultiSteps`, is taken as a transformation. None gives None.

    Raises:
        ValueError: If it is not one of these, or the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> type(keras.optimizers.get("rmsprop")).__name__
        'RMSprop'
    """
    if identifier is None:
        return None
    if callable(getattr(identifier, "init", None)) and callable(
        getattr(identifier, "update", None)
    ):
        return OptaxOptimizer(identifier)
    found = identifier
    if isinstance(identifier, (str, Mapping, type)):
        found = registry.resolve(identifier, "optimizers", "optimizer")
    if not isinstance(found, Optimizer):
        made_by = getattr(identifier, "__module__", None) or ""
        hint = " Call a function of optax, as in optax.adam(0.001)." * made_by.startswith("optax")
        raise ValueError(
            f"Could not interpret optimizer identifier: {identifier}. Give a name such as 'adam', "
            f"an object such as keras.optimizers.Adam(0.001), or a config.{hint}"
        )
    return found


serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns the optimizer that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="optimizers")
