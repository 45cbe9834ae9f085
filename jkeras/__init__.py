"""Keras's way of working over pure JAX.

Example:
    >>> import jkeras as keras
    >>> keras.__version__
    '0.2.0'
"""

import importlib as _importlib
import sys as _sys
from typing import TYPE_CHECKING as _TYPE_CHECKING

from jkeras import activations as activations
from jkeras import applications as applications
from jkeras import backend as backend
from jkeras import callbacks as callbacks
from jkeras import config as config
from jkeras import constraints as constraints
from jkeras import distillation as distillation
from jkeras import distribution as distribution
from jkeras import dtype_policies as dtype_policies
from jkeras import export as export
from jkeras import initializers as initializers
from jkeras import layers as layers
from jkeras import losses as losses
from jkeras import metrics as metrics
from jkeras import mixed_precision as mixed_precision
from jkeras import models as models
from jkeras import ops as ops
from jkeras import optimizers as optimizers
from jkeras import quantizers as quantizers
from jkeras import random as random
from jkeras import regularizers as regularizers
from jkeras import saving as saving
from jkeras import training as training
from jkeras import tree as tree
from jkeras import utils as utils
from jkeras.applications import scales as _scales
from jkeras.base import old_spellings as _old_spellings
from jkeras.base import registry as _registry
from jkeras.base.settings import VERSION as __version__
from jkeras.core import pure as pure
from jkeras.core.devices import RematScope as RematScope
from jkeras.core.devices import device as device
from jkeras.core.devices import remat as remat
from jkeras.core.function import Function as Function
from jkeras.core.graph import Operation as Operation
from jkeras.core.graph import SymbolicTensor as KerasTensor  # noqa: F401
from jkeras.core.input_spec import InputSpec as InputSpec
from jkeras.core.layer import Layer as Layer
from jkeras.core.policy import DTypePolicy as DTypePolicy
from jkeras.core.scope import name_scope as name_scope
from jkeras.core.stateless import StatelessScope as StatelessScope
from jkeras.core.stateless import SymbolicScope as SymbolicScope
from jkeras.core.variable import Variable as Variable
from jkeras.initializers import Initializer as Initializer
from jkeras.layers import Input as Input
from jkeras.losses import Loss as Loss
from jkeras.metrics import Metric as Metric
from jkeras.models import Model as Model
from jkeras.models import Sequential as Sequential
from jkeras.optimizers import Optimizer as Optimizer
from jkeras.quantizers import Quantizer as Quantizer
from jkeras.regularizers import Regularizer as Regularizer

if _TYPE_CHECKING:
    from jkeras import datasets as datasets
    from jkeras import preprocessing as preprocessing
    from jkeras import visualization as visualization
    from jkeras import wrappers as wrappers

FloatDTypePolicy = DTypePolicy
# It reads files, which layers do not otherwise.
layers.TFSMLayer = export.TFSMLayer  # type: ignore[attr-defined]

# Files name a class by the module that Keras exports it from.
for _area, _module in {
    "layers": layers,
    "losses": losses,
    "metrics": metrics,
    "optimizers": optimizers,
    "optimizers.schedules": optimizers.schedules,
    "initializers": initializers,
    "regularizers": regularizers,
    "constraints": constraints,
    "random": random,
    "quantizers": quantizers,
    "distillation": distillation,
}.items():
    _registry.export(f"keras.{_area}", _area, vars(_module))
_registry.export("keras", "models", vars(models))
_registry.export("keras.utils", "utils", {"FeatureSpace": utils.FeatureSpace})
_registry.export("keras.applications", "layers", vars(_scales))
_registry.export("keras", "policy", vars(dtype_policies))

# Imported when they are first used: most programs use none of them.
_LAZY = ("datasets", "preprocessing", "visualization", "wrappers")


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return _importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [_name for _name in __dir__() if not _name.startswith("_")]

_old_spellings.attach(_sys.modules[__name__])


def version() -> str:
    """Returns the version of this library.

    Example:
        >>> import jkeras as keras
        >>> keras.version() == keras.__version__
        True
    """
    return __version__


def load_ipython_extension(shell: object) -> None:
    """Lets `import keras` give jkeras in a notebook: `%load_ext jkeras`; see `jkeras.alias`."""
    from jkeras import alias

    alias.load_ipython_extension(shell)
