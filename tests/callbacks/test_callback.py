"""The base of callbacks: which batches they see, what they may change, how they fail."""

import signal
import threading

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras.models import session
from tests.callbacks.models import X, Y, linear

callbacks = keras.callbacks


class Chunks(callbacks.Callback):
    """Notes the batches that it is called for, and wants every n-th."""

    def __init__(self, count):
        self.count, self.begun, self.ended = count, [], []

    def steps_ahead(self, mode, batch):
        return None if self.count is None else self.count - batch % self.count

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append(batch)


@pytest.mark.parametrize(
    ("counts", "ended"),
    [
        ((1,), [0, 1, 2, 3, 4, 5, 6]),
        ((3,), [2, 5, 6]),
        ((3, 2), [1, 2, 3, 5, 6]),
        ((100,), [6]),
        ((None,), []),
        ((None, 4), [3, 6]),
    ],
)
def test_training_runs_in_chunks_between_the_batches_that_are_wanted(counts, ended):
    model = linear()
    watching = [Chunks(count) for count in counts]
    model.fit(np.ones((13, 2)), np.ones(13), batch_size=2, verbose=0, callbacks=watching)
    for callback in watching:
        assert callback.ended == ended
        assert callback.begun == [0, *(e + 1 for e in ended[:-1])][: len(ended)]


def test_chunks_do_not_change_the_numbers():
    weights = []
    for count in (None, 1, 3):
        model = linear()
        model.set_weights([np.ones((2, 1))])
        keras.base.keys.set_random_seed(3)
        model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[Chunks(count)])
        weights.append(model.get_weights()[0])
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_array_equal(weights[0], weights[2])


def test_a_hook_of_a_subclass_sees_every_batch():
    class Every(Chunks):
        def on_train_batch_end(self, batch, logs=None):
            super().on_train_batch_end(batch, logs)

    class Alias(callbacks.Callback):
        def __init__(self):
            self.ended = []

        def on_batch_end(self, batch, logs=None):
            self.ended.append(batch)

    for callback in (Every(100), Alias()):
        assert callback.wants_batches("train")
        linear().fit(X, Y, batch_size=2, verbose=0, callbacks=[callback])
        assert callback.ended == [0, 1, 2, 3, 4]


def test_built_in_callbacks_that_need_no_batches_want_none(tmp_path):
    quiet = [
        callbacks.Callback(),
        callbacks.History(),
        callbacks.EarlyStopping(),
        callbacks.ReduceLROnPlateau(),
        callbacks.LearningRateScheduler(lambda epoch: 0.1),
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.ModelCheckpoint(tmp_path / "a.keras"),
        callbacks.BackupAndRestore(tmp_path / "backup"),
        callbacks.SwapEMAWeights(),
        callbacks.RemoteMonitor(),
        callbacks.ProgbarLogger(),
        callbacks.LambdaCallback(on_epoch_end=print),
    ]
    for callback in quiet:
        for mode in ("train", "test", "predict"):
            assert not callback.wants_batches(mode), (callback, mode)
    assert callbacks.ModelCheckpoint(tmp_path / "a.keras", save_freq=5).wants_batches("train")
    assert callbacks.LambdaCallback(on_train_batch_end=print).wants_batches("train")
    assert callbacks.LambdaCallback(on_test_batch_end=print).wants_batches("test")


def test_evaluate_and_predict_call_batch_hooks():
    seen = []
    watch = callbacks.LambdaCallback(
        on_test_batch_begin=lambda batch, logs: seen.append(("begin", batch)),
        on_test_batch_end=lambda batch, logs: seen.append(("end", batch, sorted(logs))),
        on_predict_batch_end=lambda batch, logs: seen.append(logs["outputs"].shape),
    )
    model = linear()
    model.evaluate(X, Y, batch_size=6, verbose=0, callbacks=[watch])
    assert seen == [("begin", 0), ("end", 0, ["loss"]), ("begin", 1), ("end", 1, ["loss"])]
    seen.clear()
    model.predict(X, batch_size=6, verbose=0, callbacks=[watch])
    assert seen == [(6, 1), (4, 1)]


def test_steps_per_execution_decides_how_often_batch_hooks_are_called():
    model = linear(steps_per_execution=2)
    watch = Chunks(1)
    model.fit(np.ones((12, 2)), np.ones(12), batch_size=2, verbose=0, callbacks=[watch])
    assert watch.begun == [0, 2, 4]
    assert watch.ended == [1, 3, 5]


def test_what_the_list_takes():
    model = linear()
    single = callbacks.History()
    assert model.fit(X, Y, verbose=0, callbacks=single) is single
    listed = callbacks.CallbackList([callbacks.History()], model=model, epochs=1)
    assert model.fit(X, Y, verbose=0, callbacks=listed) is listed.history
    assert list(listed) == listed.callbacks
    assert listed.params["epochs"] == 1
    listed.append(single)
    assert listed.callbacks[-1] is single
    with pytest.raises(TypeError, match=r"Did you mean EarlyStopping\(\)"):
        model.fit(X, Y, callbacks=[callbacks.EarlyStopping])
    with pytest.raises(TypeError, match="must be a list"):
        model.fit(X, Y, callbacks=["early_stopping"])
    with pytest.raises(TypeError, match=r"Did you mean EarlyStopping\(\)"):
        model.fit(X, Y, callbacks=callbacks.EarlyStopping)
    with pytest.raises(ValueError, match=r"`patience` must be .* got -3"):
        callbacks.EarlyStopping(patience=-3)
    with pytest.raises(ValueError, match="on_epoch_ends"):
        callbacks.LambdaCallback(on_epoch_ends=print)


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
def test_batch_hooks_that_are_set_on_an_object_are_called(mode):
    seen, watch, model = [], callbacks.Callback(), linear()
    setattr(watch, f"on_{mode}_batch_end", lambda batch, logs=None: seen.append(batch))
    model.fit(X, Y, batch_size=5, verbose=0, callbacks=[watch], validation_data=(X, Y))
    model.predict(X, batch_size=5, verbose=0, callbacks=[watch])
    assert seen == [0, 1]


def test_parameters_model_and_logs():
    seen = []

    class Watch(callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append((self.params, self.model, logs))

        def on_train_end(self, logs=None):
            seen.append(logs)

    model = linear(metrics=["mae"])
    history = model.fit(
        X, Y, epochs=2, batch_size=4, verbose=0, callbacks=[Watch()], validation_data=(X, Y)
    )
    assert seen[0] == ({"verbose": 0, "epochs": 2, "steps": 3}, model, {})
    assert seen[1] == {name: values[-1] for name, values in history.history.items()}
    assert sorted(seen[1]) == ["loss", "mae", "val_loss", "val_mae"]
    assert model.history is history
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 3}


def test_what_a_callback_adds_to_logs_is_recorded_by_history():
    add = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=epoch * 2))
    assert linear().fit(X, Y, epochs=3, verbose=0, callbacks=[add]).history["extra"] == [0, 2, 4]


def test_history_goes_into_pandas_and_a_plot():
    import matplotlib

    matplotlib.use("agg")
    import pandas as pd

    history = linear().fit(X, Y, epochs=3, verbose=0, validation_split=0.2)
    frame = pd.DataFrame(history.history)
    assert list(frame.columns) == ["loss", "val_loss"]
    assert frame.dtypes.unique().tolist() == [np.float64]
    assert len(frame.plot().lines) == 2


def test_weights_set_by_a_callback_take_effect_at_the_next_step():
    seen = []

    class Reset(callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.set_weights([np.full((2, 1), batch)])

        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.get_weights()[0])

    model = linear(optimizer=keras.optimizers.SGD(0.1))
    model.fit(X, Y, batch_size=5, shuffle=False, verbose=0, callbacks=[Reset()])
    for batch, (x, y) in enumerate(zip(np.split(X, 2), np.split(Y, 2), strict=True)):
        start = np.full((2, 1), batch, "float32")
        gradient = 2 * x.T @ (x @ start - y) / 5
        np.testing.assert_allclose(seen[batch], start - 0.1 * gradient, rtol=1e-5)


def test_weights_set_between_epochs_take_effect():
    class Reset(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[0].kernel.assign(np.zeros((2, 1)))

    history = linear().fit(X, Y, epochs=3, verbose=0, batch_size=10, callbacks=[Reset()]).history
    assert np.ptp(history["loss"]) < 1e-6


def test_a_learning_rate_set_by_a_callback_takes_effect_at_the_next_step():
    seen = []

    class Stop(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(self.model.get_weights()[0])
            if batch == 1:
                self.model.optimizer.learning_rate = 0.0

    model = linear(optimizer=keras.optimizers.SGD(0.1))
    model.fit(X, Y, batch_size=2, verbose=0, callbacks=[Stop()])
    assert (seen[0] != seen[1]).any()
    np.testing.assert_array_equal(seen[1], seen[4])
    assert float(model.optimizer.learning_rate) == 0.0


def test_what_a_callback_keeps_of_weights_and_optimizer_survives_training(destroyed):
    kept = []

    class Keep(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kept.append((self.model.layers[0].kernel.value, self.model.optimizer.iterations))
            kept.append((self.model.optimizer.learning_rate.value, batch))

    linear().fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[Keep()])
    for array, _ in kept:
        assert np.isfinite(np.asarray(array)).all()


@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_end"])
def test_stopping(hook):
    class Stop(callbacks.Callback):
        pass

    def stop(self, *args, logs=None):
        self.model.stop_training = True

    setattr(Stop, hook, stop)
    history = linear().fit(X, Y, batch_size=2, epochs=5, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0]


@pytest.mark.parametrize(
    "hook", ["on_train_begin", "on_epoch_end", "on_train_batch_end", "on_test_end", "on_train_end"]
)
def test_exceptions_of_callbacks_surface_as_they_are(hook):
    class Mine(Exception):
        pass

    error = Mine("as it is")

    class Fail(callbacks.Callback):
        pass

    def fail(self, *args, logs=None):
        raise error

    setattr(Fail, hook, fail)
    model = linear()
    with pytest.raises(Mine) as caught:
        model.fit(X, Y, verbose=0, callbacks=[Fail()], validation_data=(X, Y))
    assert caught.value is error
    assert np.isfinite(model.predict(X, verbose=0)).all()  # the model is still whole


@pytest.fixture
def interruptible():
    """A process that was started in the background may ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("by_batch", [False, True])
def test_ctrl_c_leaves_the_weights_valid(by_batch, monkeypatch, destroyed, interruptible):
    """The signal comes at the worst time: when a chunk has destroyed the weights it was given."""
    model = linear(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    compiled = session.Program.chunk

    def interrupted(self, *arguments):
        run = compiled(self, *arguments)

        def run_and_interrupt(state, *args, **options):
            after = run(state, *args, **options)
            if not hasattr(state, "params"):
                return after  # an evaluation
            assert all(a.is_deleted() is destroyed for a in jax.tree.leaves(state.params))
            signal.raise_signal(signal.SIGINT)
            return after

        return run_and_interrupt

    monkeypatch.setattr(session.Program, "chunk", interrupted)
    before, handler = model.get_weights()[0], signal.getsignal(signal.SIGINT)
    watch = [callbacks.LambdaCallback(on_train_batch_end=lambda b, logs: None)] if by_batch else []
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=3, batch_size=5, verbose=0, callbacks=watch)
    assert signal.getsignal(signal.SIGINT) is handler
    assert (model.get_weights()[0] != before).all()
    assert int(model.optimizer.iterations) == (1 if by_batch else 2)
    monkeypatch.undo()
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()
    assert np.isfinite([float(metric.result()) for metric in model.metrics]).all()


def test_fit_works_in_a_thread_where_no_signal_comes():
    results = []
    thread = threading.Thread(target=lambda: results.append(linear().fit(X, Y, verbose=0)))
    thread.start()
    thread.join()
    assert results[0].epoch == [0]
