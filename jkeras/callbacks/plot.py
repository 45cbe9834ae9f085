"""Learning curves that are drawn while a model trains."""

import io
import math
import os
import time
from typing import Any

from jkeras.callbacks import curves
from jkeras.callbacks.callback import Callback, History
from jkeras.core import processes


class Plot(Callback):
    """Draws the learning curves while the model trains: a panel for each loss and metric.

    A notebook shows them below the cell, and redraws them there; elsewhere they are in a window of
    matplotlib. With a path they are written to that file instead.

    Args:
        path: A file to write, whose name ends as matplotlib wants: `.png`, `.svg`, `.pdf`.
        names: The names of the values to draw, as in the history; all by default.
        log: Whether the vertical axes are logarithmic.
        interval: The shortest time between two drawings, in seconds: one takes about a tenth of a
            second. The end of the training is drawn in any case.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: In training, if nothing can show the curves: outside of a notebook, with
            neither a window nor a path; or if no epoch has a value of one of these names.

    Example:
        >>> import os, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, plot = np.ones((8, 1)), keras.callbacks.Plot("curves.png")
        >>> history = model.fit(x, x, epochs=3, verbose=0, callbacks=[plot])
        >>> os.path.exists("curves.png")
        True
    """

    def __init__(
        self,
        path: str | os.PathLike | None = None,
        names: str | list[str] | tuple[str, ...] = (),
        log: bool = False,
        interval: float = 1.0,
    ):
        curves.pyplot("`callbacks.Plot`")
        self.path = None if path is None else os.fspath(path)
        self.names = (names,) if isinstance(names, str) else tuple(names)
        self.log, self.interval = log, interval
        self._history = History()
        self._begin()

    def _begin(self) -> None:
        self._drawn = -math.inf  # when: clocks may start with the machine
        self._handle: Any = None  # of the picture in a notebook
        self._window: Any = None  # the figure that a window shows

    def get_state(self) -> dict[str, Any] | None:
        return self._history.get_state()

    def set_state(self, state: dict[str, Any]) -> None:
        self._history.set_state(state)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None, "_window": None}  # not a copy's

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._history = History()
        self._begin()
        if self._has_window():
            self._window = _open_window()

    def _has_window(self) -> bool:
        return self.path is None and not curves.in_notebook() and processes.writes_files()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._history.on_epoch_end(epoch, logs)
        if time.monotonic() - self._drawn >= self.interval:
            self._draw()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._history.epoch:
            self._draw()

    def _draw(self) -> None:
        if not processes.writes_files():
            return
        if self._has_window():
            self._draw_window()
        else:
            self._draw_picture()
        self._drawn = time.monotonic()

    def _draw_picture(self) -> None:
        from matplotlib.figure import Figure

        figure = Figure()  # not one of pyplot's, which the user may be drawing into
        curves.draw(figure, self._history.courses(), self.names, self.log)
        if self.path is not None:
            base, ending = os.path.splitext(self.path)
            part = f"{base}.part{ending}"  # whoever looks at the file never sees half of one
            figure.savefig(part)
            os.replace(part, self.path)
            return
        from IPython import display

        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        shown = display.Image(picture.getvalue())
        if self._handle is None:
            self._handle = display.display(shown, display_id=True)
        else:
            self._handle.update(shown)

    def _draw_window(self) -> None:
        plt = curves.pyplot("`callbacks.Plot`")
        if not plt.fignum_exists(self._window.number):
            return  # the user has closed it
        size = self._window.get_size_inches()
        first = not self._window.axes
        self._window.clear()
        curves.draw(self._window, self._history.courses(), self.names, self.log)
        if not first:
            self._window.set_size_inches(size)  # the user may have changed that of the window
        self._window.show()
        self._window.canvas.draw_idle()
        self._window.canvas.flush_events()


def _open_window() -> Any:
    """Returns a new figure with a window.

    Raises:
        ValueError: If matplotlib has no windows here.
    """
    from matplotlib.backend_bases import FigureManagerBase

    plt = curves.pyplot("`callbacks.Plot`")
    figure = plt.figure()
    if type(figure.canvas.manager).show is FigureManagerBase.show:  # which does nothing
        plt.close(figure)
        raise ValueError(
            "`Plot` has nowhere to draw: this is not a notebook, and matplotlib's backend "
            f"{plt.get_backend()!r} has no windows. Give it a file: Plot('curves.png')."
        )
    return figure
