"""The training engine: pure functions of one pytree, compiled many steps at a time.

Everything that `fit` calls is here, for training loops of one's own; see `examples/`.
"""

from jkeras.training.engine import make_chunk as make_chunk
from jkeras.training.engine import take_rows as take_rows
from jkeras.training.engine import take_slot as take_slot
from jkeras.training.feeds import ArrayFeed as ArrayFeed
from jkeras.training.feeds import HostFeed as HostFeed
from jkeras.training.feeds import StreamFeed as StreamFeed
from jkeras.training.objective import CompiledObjective as CompiledObjective
from jkeras.training.state import Batch as Batch
from jkeras.training.state import EvalState as EvalState
from jkeras.training.state import TrainState as TrainState
from jkeras.training.steps import Objective as Objective
from jkeras.training.steps import init_state as init_state
from jkeras.training.steps import make_predict_step as make_predict_step
from jkeras.training.steps import make_test_step as make_test_step
from jkeras.training.steps import make_train_step as make_train_step
