"""Computing in 16 bits, by the names of `keras.mixed_precision`."""

from jkeras.core.policy import DTypePolicy as DTypePolicy
from jkeras.core.policy import dtype_policy as dtype_policy
from jkeras.core.policy import set_dtype_policy as set_dtype_policy
from jkeras.optimizers import LossScaleOptimizer as LossScaleOptimizer

Policy = DTypePolicy
global_policy = dtype_policy
set_global_policy = set_dtype_policy
