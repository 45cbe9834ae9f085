"""Optimizers: Keras's, and any optax transformation in their place."""

from typing import Any

import optax

from jkeras.core import registry
from jkeras.optimizers import schedules as schedules
from jkeras.optimizers.adagrad import RMSprop as RMSprop
from jkeras.optimizers.adagrad import Adadelta as Adadelta
from jkeras.optimizers.adagrad import Adafactor as Adafactor
from jkeras.optimizers.adagrad import Adagrad as Adagrad
from jkeras.optimizers.adagrad import Ftrl as Ftrl
from jkeras.optimizers.adam import Adam as Adam
from jkeras.optimizers.adam import Adamax as Adamax
from jkeras.optimizers.adam import AdamW as AdamW
from jkeras.optimizers.adam import Lamb as Lamb
from jkeras.optimizers.adam import Nadam as Nadam
from jkeras.optimizers.adam import ScheduleFreeAdamW as ScheduleFreeAdamW
from jkeras.optimizers.base import Optimizer as Optimizer
from jkeras.optimizers.muon import Muon as Muon
from jkeras.optimizers.sgd import SGD as SGD
from jkeras.optimizers.sgd import Lion as Lion
