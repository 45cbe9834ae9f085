"""The progress bar: on a terminal that is simulated, and where there is none."""

import io
import os
import re
import subprocess
import sys
import types

import numpy as np
import pytest

import jkeras as keras
from jkeras.callbacks import console, progress
from tests.callbacks.models import X, Y, linear

COLORS = re.compile(r"\x1b\[\d+m")


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True

    def screen(self):
        """Returns the lines as one sees them at the end; a line may be drawn over."""
        lines = []
        for line in COLORS.sub("", self.getvalue()).split("\n"):
            shown = ""
            for text in line.split("\r"):
                shown = text + shown[len(text) :]
            lines.append(shown.rstrip())
        return lines


@pytest.fixture
def terminal(monkeypatch):
    """Returns a terminal of 200 columns, on which nothing is too fast to be drawn."""
    terminal = Terminal()
    # Not sys.stdout itself, which pytest sets again when the test starts.
    monkeypatch.setattr(console, "sys", types.SimpleNamespace(stdout=terminal, modules={}))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    resize(monkeypatch, 200)
    monkeypatch.setattr(console, "_open", 0)
    return terminal


def resize(monkeypatch, columns):
    size = os.terminal_size((columns, 24))
    monkeypatch.setattr(console.shutil, "get_terminal_size", lambda fallback=None: size)


BAR = "━" * 20


def test_fit_on_a_terminal(terminal):
    linear().fit(X, Y, batch_size=2, epochs=2, validation_data=(X, Y))
    *lines, last = terminal.screen()
    assert last == ""
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    for line in lines[1::2]:
        assert re.fullmatch(
            rf"5/5 {BAR} \d+s \d+[mu]?s/step - loss: \d\.\d{{4}} - val_loss: \d\.\d{{4}}", line
        ), line
    # The bar was drawn before the end, too.
    assert re.search(r"\r\x1b\[1m[1-4]/5\x1b\[0m ", terminal.getvalue())


def test_one_epoch_has_no_title(terminal):
    linear().fit(X, Y)
    assert [line[:4] for line in terminal.screen()] == ["1/1 ", ""]


def test_evaluate_and_predict_on_a_terminal(terminal):
    model = linear()
    model.evaluate(X, Y, batch_size=4)
    model.predict(X, batch_size=4)
    evaluation, prediction, _ = terminal.screen()
    assert re.fullmatch(rf"3/3 {BAR} \d+s \d+[mu]?s/step - loss: \d\.\d{{4}}", evaluation)
    assert re.fullmatch(rf"3/3 {BAR} \d+s \d+[mu]?s/step", prediction)


def test_a_number_of_steps_that_is_not_known(terminal):
    def batches():
        for _ in range(3):
            yield X, Y

    linear().fit(batches())
    assert re.search(r"\r      \d/Unknown \x1b\[1m\d+s\x1b\[0m ", terminal.getvalue())
    assert terminal.screen()[0].startswith(f"3/3 {BAR} ")


@pytest.mark.parametrize("verbose", [0, 2])
def test_where_there_is_no_terminal(verbose, capsys):
    linear().fit(X, Y, batch_size=2, epochs=2, verbose=verbose, validation_data=(X, Y))
    lines = capsys.readouterr().out.splitlines()
    if verbose == 0:
        assert lines == []
        return
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    for line in lines[1::2]:
        pattern = r"5/5 - \d+s - \d+[mu]?s/step - loss: \d\.\d{4} - val_loss: \d\.\d{4}"
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("verbose", [1, "auto"])
def test_a_bar_where_there_is_no_terminal_is_drawn_once(verbose, capsys):
    linear().fit(X, Y, batch_size=2, verbose=verbose)
    text = capsys.readouterr().out
    assert text.startswith(f"5/5 {BAR} ")
    assert text.count("\n") == 1
    assert "\r" not in text
    assert "\x1b" not in text


def test_a_line_is_cut_to_the_terminal_until_its_end(terminal, monkeypatch):
    resize(monkeypatch, 40)
    shown = progress.Progress(1000, 1, interval=0)
    logs = {"accuracy": 0.5, "loss": 0.25, "something_with_a_long_name": 1.0}
    shown.update(100, logs)
    (line,) = terminal.screen()
    assert len(line) == 39
    assert line.startswith(" 100/1000 ━━━━━━━━━━ ")
    assert line.endswith("…")
    shown.update(1000, logs)
    shown.finish(logs)
    assert terminal.screen()[0].endswith("something_with_a_long_name: 1.0000")


def test_a_shorter_line_leaves_nothing_of_a_longer_one(terminal):
    shown = progress.Progress(10, 1, interval=0)
    shown.update(1, {"a": "a long text"})
    shown.update(2, {"a": 1})
    assert re.fullmatch(rf" 2/10 {BAR} \d+s \d+[mu]?s/step - a: 1.0000", terminal.screen()[0])


def test_messages_stand_on_lines_of_their_own(terminal):
    shown = progress.Progress(2, 1, interval=0)
    shown.update(1, {})
    console.say("a message")
    shown.update(2, {})
    shown.finish({})
    lines = terminal.screen()
    assert [line[:3] for line in lines] == ["1/2", "a m", "2/2", ""]


def test_drawing_is_not_faster_than_the_eye(terminal):
    shown = progress.Progress(10_000, 1)
    for i in range(1000):
        shown.update(i, {})
    assert terminal.getvalue().count("\r") < 100


def test_colors_can_be_turned_off(terminal, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    linear().fit(X, Y)
    assert "\x1b" not in terminal.getvalue()


def test_a_terminal_that_cannot_redraw_lines_gets_plain_ones(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    linear().fit(X, Y)
    assert re.fullmatch(rf"1/1 {BAR} \d+s \d+[mu]?s/step - loss: \d\.\d+\n", terminal.getvalue())


def test_characters_that_the_output_does_not_have():
    code = (
        "from jkeras.callbacks import console, progress\n"
        "import sys\n"
        "assert sys.stdout.encoding == 'ascii' and not console.can_show('━')\n"
        "bar = progress.Progress(4, 1)\n"
        "bar.update(4, {'loss': 1.0})\n"
        "bar.finish({'loss': 1.0})\n"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith("4/4 " + "=" * 20 + " ")


def test_a_notebook_redraws_lines(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    linear().fit(X, Y, batch_size=2)
    assert "\r" in capsys.readouterr().out


def test_time_left_and_time_a_step(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    shown = progress.Progress(100, 1)

    def line(ended=False):
        return "".join(text for text, _ in shown._line({}, now[0], ended))

    now[0] = 10.0  # the first step compiles
    shown.update(1, {})
    now[0] = 12.0
    shown.update(21, {})
    assert line().endswith(" 7s 100ms/step")
    now[0] = 20.0
    shown.update(100, {})
    assert line(ended=True).endswith(" 20s 101ms/step")


def test_progbar(capsys):
    bar = keras.utils.Progbar(10, verbose=2, stateful_metrics=["last"])
    for i in range(5):
        bar.add(2, [("mean", float(i)), ("last", float(i))])
    assert re.fullmatch(
        r"10/10 - 0s - \d+[mu]?s/step - mean: 4\.0000 - last: 4\.0000\n", capsys.readouterr().out
    )
    with pytest.raises(ValueError, match="Only one of"):
        keras.utils.Progbar(1, stateful_metrics=[], stateless_metrics=[])


def test_progbar_on_a_terminal(terminal):
    bar = keras.utils.Progbar(4, width=8, interval=0, unit_name="file", stateless_metrics=["mean"])
    bar.update(2, [("mean", 1.0), ("last", 1.0)])
    bar.update(3, [("mean", 4.0), ("last", 4.0)])
    text = terminal.screen()[0]
    assert re.fullmatch(r"3/4 ━{8} 0s \d+[mu]s/file - mean: 2\.0000 - last: 4\.0000", text)
    bar.update(4)
    assert terminal.screen()[-1] == ""
    unknown = keras.utils.Progbar(None, interval=0)
    unknown.update(7)
    assert terminal.screen()[-1].startswith("      7/Unknown 0s ")
    unknown.update(8, finalize=True)
    assert terminal.screen()[-2].startswith("8/8 ")


def test_values():
    logs = {"i": 3, "big": 123456.789, "small": 1e-3, "zero": 0.0, "text": "a", "no": float("nan")}
    assert progress.format_values(logs) == (
        " - i: 3.0000 - big: 123456.7890 - small: 1.0000e-03 - zero: 0.0000e+00 - text: a - no: nan"
    )


def test_a_progress_bar_shows_the_mean_of_lists_and_arrays(capsys):
    bar = keras.utils.Progbar(2, verbose=2)
    bar.update(1, [("a", [0.0, 1.0, 2.0])])
    bar.update(2, [("a", np.array([2.0, 4.0])), ("b", np.float32(5))])
    assert capsys.readouterr().out.strip().endswith("- a: 3.0000 - b: 5.0000")
