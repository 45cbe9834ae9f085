"""Figures of pyplot that a notebook shows once. Imported where one is made: it needs matplotlib."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


class ShownOnce(Figure):
    """A figure that a notebook shows as the value of a cell, or else where the cell ends.

    pyplot's figures are shown where a cell ends. One that is the value of the cell would be shown
    by that, too.
    """

    def _ipython_display_(self) -> None:
        plt.close(self)
        raise NotImplementedError  # IPython goes on to the picture
