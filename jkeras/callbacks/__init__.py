"""Callbacks: what happens between epochs and batches."""

from jkeras.callbacks.callback import Callback as Callback
from jkeras.callbacks.callback import CallbackList as CallbackList
from jkeras.callbacks.callback import History as History
from jkeras.callbacks.callback import LambdaCallback as LambdaCallback
