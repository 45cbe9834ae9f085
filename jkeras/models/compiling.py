"""What `compile` was told; methods of `Model`."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

from jkeras import optimizers
from jkeras.base import registry
from jkeras.base.types import AnyModel
from jkeras.models import arguments
from jkeras.models.session import Session
from jkeras.training.objective import CompiledObjective, custom_names

_OF_OBJECTIVE = ("loss", "loss_weights", "metrics", "weighted_metrics")


def compile_model(
    model: AnyModel, given: dict[str, Any], auto_scale_loss: bool, unknown: Mapping[str, Any]
) -> None:
    """Does `Model.compile`.

    Args:
        model: The model.
        given: The arguments, by name.
        auto_scale_loss: A further one, which configs do not hold.
        unknown: What was given besides.
    """
    options = {k: given[k] for k in ("run_eagerly", "steps_per_execution", "jit_compile")}
    arguments.check(type(model).compile, unknown, auto_scale_loss=auto_scale_loss, **options)
    optimizer = chosen = optimizers.get(given["optimizer"])
    if (
        auto_scale_loss
        and model.dtype_policy.name == "mixed_float16"
        and not isinstance(chosen, optimizers.LossScaleOptimizer)
    ):
        chosen = optimizers.LossScaleOptimizer(chosen, name="loss_scale_optimizer")
    of_objective = {name: given[name] for name in _OF_OBJECTIVE}
    session = Session(model, chosen, of_objective, custom_names(of_objective))
    if model.call_graph() is not None:  # else outputs have no names yet
        names = session.output_names()
        CompiledObjective(given["loss"], given["loss_weights"], output_names=names)
    eager = bool(given["run_eagerly"])
    jit_compile = not eager if given["jit_compile"] == "auto" else given["jit_compile"]
    model.optimizer, model.loss = chosen, given["loss"]
    model.run_eagerly, model.jit_compile = given["run_eagerly"], jit_compile
    model.steps_per_execution = int(given["steps_per_execution"])
    # The wrapper that scales losses is made anew.
    model._compile_arguments = {**given, "optimizer": optimizer, "jit_compile": jit_compile}
    model._session = session
    model.stop_training = False


def get_compile_config(self: AnyModel) -> dict[str, Any] | None:
    """Returns the arguments of `compile` as JSON-able values; None before `compile`.

    Also None, with a warning, if the optimizer has no config: an optax transformation.
    """
    if self._compile_arguments is None:
        return None
    try:
        return {k: registry.serialize_keras_object(v) for k, v in self._compile_arguments.items()}
    except NotImplementedError as error:
        warnings.warn(f"What `compile` was told is left out of the config. {error}", stacklevel=2)
        return None


def compile_from_config(self: AnyModel, config: Mapping[str, Any]) -> None:
    """Calls `compile` with what `get_compile_config` returned."""
    if not hasattr(type(self).compile, "is_standard"):
        warnings.warn(
            f"`compile()` was not called as part of model loading because the model's `compile()` "
            f"method is custom. {type(self).__name__} has one of its own: override "
            "`get_compile_config()` and `compile_from_config(config)` as well.",
            stacklevel=2,
        )
        return
    values = registry.deserialize_values(config)
    known = inspect.signature(self.compile).parameters
    self.compile(**{k: v for k, v in values.items() if k in known})
