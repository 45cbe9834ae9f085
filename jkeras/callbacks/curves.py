"""Learning curves: what `History.plot` and the callback `Plot` draw."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jkeras.base.extras import missing
from jkeras.base.naming import nearest

_COLUMNS = 3
_FEW = 20  # epochs that get a mark each

# The values of a curve, with their epochs, counted from zero.
Course = tuple[Sequence[int], Sequence[float]]


def pyplot(need: str) -> Any:
    """Returns matplotlib's `pyplot`.

    Args:
        need: What needs it, for the error.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise missing(f"{need} needs matplotlib", "matplotlib", "plot") from error
    return plt


def in_notebook() -> bool:
    """Says whether pictures go into the cells of a notebook."""
    return "IPython" in sys.modules and "ipykernel" in sys.modules


def check(courses: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Returns the names of the panels: a value and its validation share one.

    Args:
        courses: The names of all values.
        wanted: The names of those to draw; of all if it is empty.

    Raises:
        ValueError: If a name that is wanted is not that of a value, or there is nothing to draw.
    """
    known = list(dict.fromkeys(name.removeprefix("val_") for name in courses))
    if not known:
        raise ValueError("There is nothing to plot yet: no epoch has ended.")
    for name in wanted:
        if name.removeprefix("val_") not in known:
            raise ValueError(
                f"There is no value {name!r} to plot{nearest(name, known) or '.'} The history has "
                f"{known}."
            )
    return list(dict.fromkeys(name.removeprefix("val_") for name in wanted)) or known


def is_number(value: Any) -> bool:
    """Says whether a value of the logs can be a point of a curve."""
    return not isinstance(value, str) and np.ndim(value) == 0


def draw(figure: Any, courses: Mapping[str, Course], wanted: Sequence[str], log: bool) -> None:
    """Draws a panel for each value into an empty figure, with its validation.

    Args:
        figure: A figure of matplotlib.
        courses: The values by name.
        wanted: The names of those to draw; of all if it is empty.
        log: Whether the vertical axes are logarithmic.
    """
    from matplotlib.ticker import MaxNLocator

    names = check(courses, wanted)
    columns = min(len(names), _COLUMNS)
    rows = -(-len(names) // columns)
    figure.set_size_inches(max(4.2 * columns, 5.5), 3.1 * rows)
    figure.set_layout_engine("constrained")
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, name in zip(all_axes, names, strict=False):
        lines = (name, "training", "C0"), (f"val_{name}", "validation", "C1")
        for key, label, color in lines:
            epochs, values = courses.get(key, ((), ()))
            if len(values):
                mark = "o" if len(values) <= _FEW else ""
                shown = [epoch + 1 for epoch in epochs]
                axes.plot(shown, values, color=color, marker=mark, markersize=3, label=label)
        axes.set(xlabel="epoch", title=name, yscale="log" if log else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        if f"val_{name}" in courses:
            axes.legend()
    for axes in all_axes[len(names) :]:
        axes.set_axis_off()
