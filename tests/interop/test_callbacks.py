"""Callbacks against Keras's, on the same scripted logs: decisions, messages, files."""

import io
import itertools
import re
import sys
import warnings

import keras
import numpy as np
import pytest

import jkeras

# Keras's variables, converted by NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

VALUES = (0.1, 0.2, 0.25, 0.25001, 0.3, 0.5, float("nan"))


class Run:
    """One training without computation: the logs are given, and the weights are the epoch."""

    def __init__(self, library):
        self.library = library
        self.model = library.Sequential([library.Input((1,)), library.layers.Dense(1)])
        self.model.compile(library.optimizers.SGD(0.1), "mse", metrics=["mae"])
        self.model.train_on_batch(np.ones((2, 1), "float32"), np.ones((2, 1), "float32"))

    def __call__(self, callback, epochs, batches=0):
        """Returns the epoch after which training stopped, the weights, and all epochs' logs."""
        model, seen = self.model, []
        model.optimizer.learning_rate = 0.1
        model.stop_training = False
        callback.set_model(model)
        callback.set_params({"verbose": 0, "epochs": len(epochs), "steps": batches})
        callback.on_train_begin()
        for epoch, logs in enumerate(epochs):
            callback.on_epoch_begin(epoch)
            for batch in range(batches):
                callback.on_train_batch_begin(batch)
                callback.on_train_batch_end(
                    batch, {k: v for k, v in logs.items() if k[:3] != "val"}
                )
            model.set_weights([np.full((1, 1), float(epoch)), np.zeros(1)])
            logs = dict(logs)
            callback.on_epoch_end(epoch, logs)
            seen.append(logs)
            if model.stop_training:
                break
        callback.on_train_end(logs)
        return len(seen), model.get_weights()[0].item(), seen


@pytest.fixture(scope="module")
def runs():
    return Run(jkeras), Run(keras)


def scripts(count, length=7, seed=0):
    """Yields lists of logs; sometimes a value is missing."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        values = generator.choice(VALUES, length, p=[0.16] * 6 + [0.04])
        missing = generator.random(length) < 0.05
        yield [
            {"loss": float(v)} | ({} if skip else {"val_loss": float(v)})
            for v, skip in zip(values, missing, strict=True)
        ]


def both(runs, name, arguments, script, capsys, batches=0):
    """Returns what our callback did, and what Keras's did."""
    results = []
    for run in runs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            callback = getattr(run.library.callbacks, name)(**arguments)
            result = run(callback, script, batches)
        messages = [str(w.message) for w in caught if "__array__" not in str(w.message)]
        results.append((callback, result, capsys.readouterr().out, messages))
    return results


def test_early_stopping(runs, compare, capsys):
    options = itertools.cycle(
        itertools.product(
            (0, 1, 2), (0, 0.01, -0.01), (None, 0.2), (False, True), (0, 2), ("min", "max", "auto")
        )
    )
    for script, option in zip(scripts(150), itertools.islice(options, 0, None, 7), strict=False):
        patience, delta, baseline, restore, start, mode = option
        arguments = {
            "patience": patience,
            "min_delta": delta,
            "baseline": baseline,
            "restore_best_weights": restore,
            "start_from_epoch": start,
            "mode": mode,
            "verbose": 1,
        }
        ours, theirs = both(runs, "EarlyStopping", arguments, script, capsys)
        assert ours[2:] == theirs[2:], (arguments, script)
        assert ours[1][:2] == theirs[1][:2], (arguments, script)
        for name in ("wait", "stopped_epoch", "best_epoch", "best"):
            mine, his = (getattr(r[0], name) for r in (ours, theirs))
            assert mine == his or (mine != mine and his != his), (name, arguments, script)
        compare("EarlyStopping: epoch, weights", ours[1][:2], theirs[1][:2], 0)


def test_reduce_lr_on_plateau(runs, compare, capsys):
    options = itertools.cycle(
        itertools.product((0, 1, 2), (1e-4, 0, -0.01), (0, 1, 3), (0.0, 0.03), ("min", "max"))
    )
    for script, option in zip(scripts(80, 9, 1), options, strict=False):
        patience, delta, cooldown, lowest, mode = option
        arguments = {
            "patience": patience,
            "min_delta": delta,
            "cooldown": cooldown,
            "min_lr": lowest,
            "mode": mode,
            "factor": 0.5,
            "verbose": 1,
        }
        ours, theirs = both(runs, "ReduceLROnPlateau", arguments, script, capsys)
        assert ours[2:] == theirs[2:], (arguments, script)
        for name in ("wait", "cooldown_counter"):
            assert getattr(ours[0], name) == getattr(theirs[0], name), (name, arguments, script)
        rates = [[logs["learning_rate"] for logs in r[1][2]] for r in (ours, theirs)]
        compare("ReduceLROnPlateau: learning rates", *rates, 0)


def test_learning_rate_scheduler(runs, compare, capsys):
    schedules = (
        lambda epoch, rate: rate * 0.5,
        lambda epoch: 0.1 / (1 + epoch),
        lambda epoch, rate: np.float32(0.3),
    )
    for schedule in schedules:
        arguments = {"schedule": schedule, "verbose": 1}
        ours, theirs = both(runs, "LearningRateScheduler", arguments, [{"loss": 1.0}] * 4, capsys)
        assert ours[2:] == theirs[2:]
        rates = [[logs["learning_rate"] for logs in r[1][2]] for r in (ours, theirs)]
        compare("LearningRateScheduler: learning rates", *rates, 0)


LOGS = (
    [{"loss": 0.5, "mae": 1.0, "val_loss": 1e-5}, {"loss": 0.25, "val_loss": 2.0}],
    [{"mae": 1, "loss": 0.5}, {"mae": 2, "loss": 0.1, "val_loss": 3.0, "val_mae": 4.0}],
    [{"loss": 0.5, "text": "a,b", "list": [1, 2], "array": np.arange(3), "zero": np.array(1.5)}],
    [{"loss": float("nan")}, {"loss": float("inf"), "learning_rate": np.float32(0.1)}],
)


def test_csv_logger(runs, compare, capsys, tmp_path):
    for separator in (",", ";"):
        for i, (first, second) in enumerate(itertools.permutations(LOGS, 2)):
            texts = []
            for run in runs:
                path = tmp_path / f"{run.library.__name__}-{i}{separator}.csv"
                for script, append in ((second, True), (first, False), (second, True)):
                    run(run.library.callbacks.CSVLogger(path, separator, append), script)
                texts.append(path.read_bytes())
            assert texts[0] == texts[1]
            compare("CSVLogger: text", np.array(texts[0]), np.array(texts[1]), 0)


def test_model_checkpoint(runs, compare, capsys, tmp_path, monkeypatch):
    saved = []
    for run in runs:
        for method in ("save", "save_weights"):
            monkeypatch.setattr(
                run.model,
                method,
                lambda path, *a, method=method, **k: saved.append((method, str(path))),
                raising=False,
            )
    options = itertools.product(
        (False, True), (False, True), ("epoch", 1, 3, 5), ("loss", "val_loss"), (None, 0.22)
    )
    # Before the end of the first epoch Keras cannot compare, and fails.
    options = (o for o in options if not (o[1] and o[2] in (1, 3)))
    templates = itertools.cycle(("best", "{epoch:02d}-{loss:.2f}", "{epoch}-{loss:.3e}-x{epoch}"))
    for script, option, template in zip(scripts(64, 4, 2), options, templates, strict=False):
        weights, best, freq, monitor, threshold = option
        ending = ".weights.h5" if weights else ".keras"
        arguments = {
            "filepath": f"{tmp_path}/{template}{'' if freq == 'epoch' else '-{batch}'}{ending}",
            "monitor": monitor,
            "save_best_only": best,
            "save_weights_only": weights,
            "save_freq": freq,
            "initial_value_threshold": threshold,
            "verbose": 1,
        }
        ours, theirs = both(runs, "ModelCheckpoint", arguments, script, capsys, batches=4)
        assert ours[2:] == theirs[2:], (arguments, script)
        half = len(saved) // 2
        assert saved[:half] == saved[half:], (arguments, script)
        compare("ModelCheckpoint: paths", np.array(saved[:half]), np.array(saved[half:]), 0)
        saved.clear()


def test_terminate_on_nan(runs, compare, capsys):
    for value in (1.0, float("nan"), float("inf")):
        for raises in (False, True):
            outcomes = []
            for run in runs:
                callback = run.library.callbacks.TerminateOnNaN(raise_error=raises)
                try:
                    error = None
                    epochs = run(callback, [{"loss": 1.0}, {"loss": value}, {"loss": 1.0}], 1)[0]
                except RuntimeError as exception:
                    error, epochs = str(exception), None
                outcomes.append((epochs, error, capsys.readouterr().out))
            assert outcomes[0] == outcomes[1]
            compare("TerminateOnNaN: outcomes", *(np.array(str(o)) for o in outcomes), 0)


X = np.random.default_rng(0).random((10, 2)).astype("float32")
Y = X.sum(1, keepdims=True)


def spy(library, events):
    """Returns a callback that notes every call: hook, number, names in the logs."""

    def make(name):
        def hook(self, *args, logs=None):
            *number, given = args if args and isinstance(args[-1], dict) else (*args, logs)
            events.append((name, *number, sorted(given or {})))

        return hook

    names = [name for name in dir(library.callbacks.Callback) if name.startswith("on_")]
    return type("Spy", (library.callbacks.Callback,), {name: make(name) for name in names})()


def test_order_of_hooks(compare):
    events = []
    for library in (jkeras, keras):
        model = library.Sequential([library.Input((2,)), library.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=["mae"])
        found = []
        callbacks = [spy(library, found)]
        model.fit(
            *(X, Y), batch_size=4, epochs=2, verbose=0, callbacks=callbacks, validation_data=(X, Y)
        )
        model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=callbacks)
        model.predict(X, batch_size=4, verbose=0, callbacks=callbacks)
        model.fit(X, Y, epochs=0, verbose=0, callbacks=callbacks)
        events.append(found)
    assert events[0] == events[1]
    compare("hooks: order, numbers, logs", np.array(str(events[0])), np.array(str(events[1])), 0)


@pytest.mark.parametrize("on_epoch", [False, True])
def test_swap_ema_weights(compare, on_epoch):
    seen = []
    start = [np.array([[0.3], [0.7]], "float32"), np.zeros(1, "float32")]
    for library in (jkeras, keras):
        model = library.Sequential([library.Input((2,)), library.layers.Dense(1)])
        optimizer = library.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
        model.compile(optimizer, "mse")
        model.set_weights(start)
        found = []

        def note(*args, model=model, found=found):
            found.append([np.array(w) for w in model.get_weights()])

        hooks = ("on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end", "on_train_end")
        watch = library.callbacks.LambdaCallback(**dict.fromkeys(hooks, note))
        swap = library.callbacks.SwapEMAWeights(on_epoch)
        model.fit(
            *(X, Y),
            batch_size=5,
            epochs=3,
            shuffle=False,
            verbose=0,
            validation_data=(X, Y),
            callbacks=[swap, watch],
        )
        note()
        seen.append(found)
    compare(f"SwapEMAWeights({on_epoch}): weights", *seen)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_progbar(compare, monkeypatch):
    def drawn(library, target, verbose, options, updates):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stdout", terminal)
        bar = library.utils.Progbar(target, verbose=verbose, interval=0, **options)
        for done, values in updates:
            finalize = True if target is None and done == updates[-1][0] else None
            bar.update(done, values, finalize)
        monkeypatch.undo()
        text = terminal.getvalue().replace("\x08", "").replace("\x1b[37m\x1b[0m", "")
        lines = [line.rstrip() for line in text.split("\r")]
        text = re.sub(r" \d+s -", " 0s -", "\r".join(lines))
        # What a step took, and in which unit of time, is the machine's.
        return re.sub(r"\d+( ?)[mu]?s/", r"0\1s/", re.sub(r"\d+s\x1b", "0s\x1b", text))

    generator = np.random.default_rng(5)
    options = (
        {},
        {"stateful_metrics": ["a"]},
        {"stateless_metrics": ["b"]},
        {"width": 7, "unit_name": "file"},
    )
    for target, verbose, option in itertools.product((1, 9, 1200), (1, 2), options):
        steps = sorted(set(generator.integers(1, target + 1, 4).tolist()) | {target})
        updates = [
            (n, [("a", float(v)), ("b", float(w))])
            for n, (v, w) in zip(steps, generator.random((len(steps), 2)) ** 9, strict=True)
        ]
        ours = drawn(jkeras, target, verbose, option, updates)
        theirs = drawn(keras, target, verbose, option, updates)
        assert ours == theirs, (target, verbose, option)
        compare("Progbar: text", np.array(ours), np.array(theirs), 0)


def test_the_direction_of_metrics(compare):
    x, y = np.ones((4, 3), "float32"), np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    names = ("accuracy", "mae", "binary_crossentropy", "CosineSimilarity", "Precision", "AUC")
    for name in (*names, "FalsePositives", "KLDivergence", "top_k_categorical_accuracy", "loss"):
        found = []
        for library in (jkeras, keras):
            model = library.Sequential([library.Input((3,)), library.layers.Dense(3, "sigmoid")])
            metric = getattr(library.metrics, name)(name="m") if name[0].isupper() else name
            model.compile("sgd", "categorical_crossentropy", metrics=[metric] * (name != "loss"))
            stop = library.callbacks.EarlyStopping("m" if name[0].isupper() else name)
            try:
                model.fit(x, y, verbose=0, callbacks=[stop])
                found.append(stop.monitor_op.__name__)
            except ValueError as error:
                assert "able to automatically determine" in str(error)
                found.append("unknown")
        assert found[0] == found[1], name
        compare("monitor: direction", np.array(found[0]), np.array(found[1]), 0)
