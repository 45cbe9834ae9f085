"""Keras's progress bar callback."""

from jkeras.callbacks.callback import Callback


class ProgbarLogger(Callback):
    """Does nothing: `fit`, `evaluate` and `predict` show progress themselves; see `verbose`.

    It is here for programs that pass it to `fit`, as older versions of Keras asked for.
    """
