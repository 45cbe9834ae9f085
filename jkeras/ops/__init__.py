"""Functions of arrays by Keras's names; all of them also take symbolic tensors.

`keras.ops.lift` makes a function of your own one of them.
"""

from jkeras.core.graph import lift as lift
from jkeras.ops import image as image
from jkeras.ops import linalg as linalg
from jkeras.ops import neural as neural
from jkeras.ops import numpy as numpy
from jkeras.ops.core import *
from jkeras.ops.einops import *
from jkeras.ops.linalg import *
from jkeras.ops.math import *
from jkeras.ops.neural import *
from jkeras.ops.numpy import *

nn = neural
