"""Keras's way of working over pure JAX.

Example:
    >>> import jkeras as keras
    >>> keras.__version__
    '0.1.0'
"""

from jkeras import activations as activations
from jkeras import constraints as constraints
from jkeras import initializers as initializers
from jkeras import regularizers as regularizers


from jkeras import ops as ops
from jkeras.core.variable import Variable as Variable
from jkeras.core.graph import SymbolicTensor as KerasTensor

__version__ = "0.1.0"
