"""Learning curves: those of a history, and those that are drawn while a model trains."""

import itertools
import pickle
import sys
import time
import types

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import Values, X, Y, linear

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def no_figures_left():
    yield
    plt.close("all")


def fit(epochs=4, callbacks=(), model=None, **arguments):
    model = model or linear(metrics=["mae"])
    return model.fit(X, Y, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)


def curves(figure):
    """Returns the drawn points: a dict of labels to pairs of xs and ys, for each panel."""
    return {
        axes.get_title(): {
            line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist())
            for line in axes.get_lines()
        }
        for axes in figure.axes
        if axes.axison
    }


def test_a_panel_for_each_value_with_its_validation():
    history = fit(validation_data=(X, Y))
    drawn = curves(history.plot())
    assert list(drawn) == ["loss", "mae"]
    for name, lines in drawn.items():
        assert lines["training"] == ([1, 2, 3, 4], history.history[name])
        assert lines["validation"] == ([1, 2, 3, 4], history.history[f"val_{name}"])


def test_without_validation_there_is_no_legend():
    figure = fit().plot()
    assert [axes.get_legend() for axes in figure.axes] == [None, None]


def test_validation_stands_at_the_epochs_that_have_it():
    history = fit(epochs=5, validation_data=(X, Y), validation_freq=[2, 5])
    assert curves(history.plot())["loss"]["validation"][0] == [2, 5]


def test_epochs_that_go_on():
    model = linear()
    model.fit(X, Y, epochs=2, verbose=0)
    history = fit(epochs=4, model=model, initial_epoch=2)
    assert curves(history.plot())["loss"]["training"][0] == [3, 4]


def test_one_history_of_two_trainings():
    own = keras.callbacks.History()
    for _ in range(2):
        history = fit(epochs=2, callbacks=[own])
    assert history is own
    assert curves(own.plot())["loss"]["training"] == ([1, 2, 3, 4], own.history["loss"])


def test_some_names_and_a_logarithmic_axis():
    history = fit(validation_data=(X, Y))
    figure = history.plot("val_mae", log=True)
    assert list(curves(figure)) == ["mae"]
    assert [axes.get_yscale() for axes in figure.axes] == ["log"]


def test_names_that_are_not_there():
    history = fit(epochs=1)
    with pytest.raises(ValueError, match=r"no value 'maee' to plot: did you mean 'mae'\?"):
        history.plot("maee")
    with pytest.raises(ValueError, match="no epoch has ended"):
        keras.callbacks.History().plot()
    assert plt.get_fignums() == []


def test_what_is_no_number_is_left_out():
    names = Values("note", ["a", "b"]), Values("pair", [np.ones(2), np.ones(2)])
    assert list(curves(fit(epochs=2, callbacks=names).plot())) == ["loss", "mae"]


def test_lists_that_the_user_has_changed():
    history = fit()
    history.history["loss"] = [3.0, 2.0]
    history.history["mine"] = [1, 2, 3]
    drawn = curves(history.plot("loss", "mine"))
    assert drawn["loss"]["training"] == ([1, 2], [3.0, 2.0])
    assert drawn["mine"]["training"] == ([1, 2, 3], [1.0, 2.0, 3.0])


def test_a_copy_draws_the_same():
    history = fit(epochs=5, validation_data=(X, Y), validation_freq=[2, 5])
    history._model = None
    assert curves(pickle.loads(pickle.dumps(history)).plot()) == curves(history.plot())


def test_plot_writes_a_file(tmp_path):
    path = tmp_path / "curves.png"
    seen = []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda e, logs: seen.append(path.exists()))
    fit(epochs=3, callbacks=[keras.callbacks.Plot(path), watch])
    assert seen == [True] * 3
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
    assert plt.get_fignums() == []


@pytest.mark.parametrize(("interval", "pictures"), [(0.0, 4), (3600.0, 2)])
def test_interval(interval, pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(time, "monotonic", itertools.count(5.0).__next__)  # a machine just started
    written = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure, "savefig", lambda *a, **k: (written.append(a), save(*a, **k))
    )
    fit(epochs=3, callbacks=[keras.callbacks.Plot(tmp_path / "c.png", interval=interval)])
    assert len(written) == pictures  # after epochs, and at the end


def test_nowhere_to_draw():
    message = r"nowhere to draw.*'[aA]gg' has no windows.*Plot\('curves"
    with pytest.raises(ValueError, match=message):
        fit(callbacks=[keras.callbacks.Plot()])
    assert plt.get_fignums() == []


def test_a_name_that_no_epoch_has(tmp_path):
    with pytest.raises(ValueError, match="There is no value 'f1'"):
        fit(callbacks=[keras.callbacks.Plot(tmp_path / "c.png", names="f1")])


def test_in_a_window(monkeypatch):
    """One that is there is drawn again; nothing is drawn after it was closed."""
    shown = []
    monkeypatch.setattr(
        matplotlib.backends.backend_agg.FigureManagerBase,
        "pyplot_show",
        classmethod(lambda cls, **k: None),
    )

    class Manager(matplotlib.backend_bases.FigureManagerBase):
        def show(self):
            shown.append(curves(self.canvas.figure)["loss"]["training"][0])

    monkeypatch.setattr(matplotlib.backends.backend_agg.FigureCanvasAgg, "manager_class", Manager)

    def close(epoch, logs):
        if epoch == 2:
            plt.close("all")

    closing = keras.callbacks.LambdaCallback(on_epoch_end=close)
    fit(callbacks=[keras.callbacks.Plot(names="loss", interval=0), closing])
    assert shown == [[1], [1, 2], [1, 2, 3]]


@pytest.fixture
def notebook(monkeypatch):
    """A package IPython that notes what is shown; returns the notes."""
    notes = []
    display = types.ModuleType("IPython.display")
    display.Image = lambda data: data

    class Handle:
        def update(self, shown):
            notes.append(("update", shown))

    def show(shown, display_id):
        notes.append(("display", shown))
        return Handle()

    display.display = show
    package = types.ModuleType("IPython")
    package.display = display
    for name, module in (
        ("IPython", package),
        ("IPython.display", display),
        ("ipykernel", package),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return notes


def test_in_a_notebook(notebook):
    fit(epochs=2, callbacks=[keras.callbacks.Plot(interval=0)])
    assert [kind for kind, _ in notebook] == ["display", "update", "update"]
    assert all(shown.startswith(b"\x89PNG") for _, shown in notebook)


def test_a_notebook_shows_a_history_once():
    """At the end of a cell, which shows what pyplot has open; or before, as the cell's value."""
    figure = fit(epochs=2).plot()
    assert plt.get_fignums() == [figure.number]
    with pytest.raises(NotImplementedError):  # by which IPython goes on to the picture
        figure._ipython_display_()
    assert plt.get_fignums() == []
    assert list(curves(figure)) == ["loss", "mae"]


def test_curves_go_on_after_a_kill(tmp_path, monkeypatch):
    def train(fails):
        def fail(epoch, logs):
            if fails and epoch == 2:
                raise OSError("power cut")

        keras.utils.set_random_seed(0)
        plot = keras.callbacks.Plot(tmp_path / "c.png")
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        lost = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
        history = fit(callbacks=[plot, backup, lost], validation_data=(X, Y), validation_freq=2)
        return plot, history

    with pytest.raises(OSError, match="power cut"):
        train(fails=True)
    drawn = []
    save = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(
        matplotlib.figure.Figure,
        "savefig",
        lambda self, *a, **k: (drawn.append(curves(self)), save(self, *a, **k)),
    )
    history = train(fails=False)[1]
    assert drawn[-1]["loss"]["training"] == ([1, 2, 3, 4], history.history["loss"])
    assert drawn[-1]["loss"]["validation"] == ([2, 4], history.history["val_loss"])
    assert curves(history.plot()) == drawn[-1]
