"""Callbacks: what happens between epochs and batches."""

from jkeras.callbacks.backup_and_restore import BackupAndRestore as BackupAndRestore
from jkeras.callbacks.callback import Callback as Callback
from jkeras.callbacks.callback import CallbackList as CallbackList
from jkeras.callbacks.callback import History as History
from jkeras.callbacks.callback import LambdaCallback as LambdaCallback
from jkeras.callbacks.csv_logger import CSVLogger as CSVLogger
from jkeras.callbacks.early_stopping import EarlyStopping as EarlyStopping
from jkeras.callbacks.hparams import HParams as HParams
from jkeras.callbacks.learning_rate_scheduler import LearningRateScheduler as LearningRateScheduler
from jkeras.callbacks.model_checkpoint import ModelCheckpoint as ModelCheckpoint
from jkeras.callbacks.orbax_checkpoint import OrbaxCheckpoint as OrbaxCheckpoint
from jkeras.callbacks.plot import Plot as Plot
from jkeras.callbacks.progbar_logger import ProgbarLogger as ProgbarLogger
from jkeras.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau as ReduceLROnPlateau
from jkeras.callbacks.remote_monitor import RemoteMonitor as RemoteMonitor
from jkeras.callbacks.swap_ema_weights import SwapEMAWeights as SwapEMAWeights
from jkeras.callbacks.tensorboard import TensorBoard as TensorBoard
from jkeras.callbacks.terminate_on_nan import TerminateOnNaN as TerminateOnNaN
