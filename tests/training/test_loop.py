"""Epochs that are begun before the callbacks have seen the one before: nobody may notice."""

import numpy as np
import pytest

import jkeras as keras
from jkeras.training import loop

pytestmark = pytest.mark.no_cover

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
EPOCHS = 6


class EveryBatch(keras.callbacks.Callback):
    """Wants every batch: then no epoch is begun early."""

    def on_train_batch_end(self, batch, logs=None):
        pass


class Acting(keras.callbacks.Callback):
    """Does something to the model after the third epoch."""

    def __init__(self, act):
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 2:
            self.act(self.model)


class Positions(keras.callbacks.Callback):
    """Notes where the data stand after each epoch, as a backup would."""

    def on_train_begin(self, logs=None):
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        state = self.model.get_training_state(epoch + 1)
        self.found.append((state["feed"]["pass"], state["feed"]["offset"]))


def fit(*callbacks, **options):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dense(4, activation="relu"), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse", metrics=["mae"])
    options = {"batch_size": 16, "epochs": EPOCHS, "verbose": 0, **options}
    history = model.fit(X, Y, callbacks=list(callbacks), **options)
    return model, history


@pytest.fixture
def taken(monkeypatch):
    """Lists whether each epoch that was begun early was used."""
    used = []
    take = loop.TrainLoop._take_ahead

    def noting(self):
        begun, logs = self._ahead is not None, take(self)
        if begun:
            used.append(logs is not None)
        return logs

    monkeypatch.setattr(loop.TrainLoop, "_take_ahead", noting)
    monkeypatch.setattr(loop, "_SHORT_EPOCH", 60.0)  # for a machine that is busy
    return used


def same(one, other):
    assert one[1].history == other[1].history
    for a, b in zip(one[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one[0].optimizer.variables, other[0].optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def act_on_weights(model):
    model.layers[0].kernel.assign(model.layers[0].kernel * 0.5)


def act_on_rate(model):
    model.optimizer.learning_rate = 0.01


def act_on_slots(model):
    model.optimizer.iterations.assign(0)


def stop(model):
    model.stop_training = True


@pytest.mark.parametrize(
    ("act", "used", "split"),
    [
        (lambda model: model.get_weights(), [True] * 4, 0.2),
        (lambda model: model.evaluate(X, Y, verbose=0), [True] * 4, 0.0),
        (act_on_weights, [True, False], 0.2),
        (act_on_rate, [True, False], 0.0),
        (act_on_slots, [True, False], 0.0),
        (stop, [True], 0.2),
    ],
)
def test_the_bits_are_those_of_one_epoch_after_the_other(act, used, split, taken):
    options = {"validation_split": split}
    early = fit(Acting(act), **options)
    assert taken == used
    same(early, fit(Acting(act), EveryBatch(), **options))
    assert taken == used


def test_a_schedule_that_sets_the_rate_of_each_epoch(taken):
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.05 / (1 + epoch))
    early = fit(schedule)
    assert taken == [False]
    same(early, fit(schedule, EveryBatch()))


def test_the_silent_loop_has_the_same_bits(taken):
    same(fit(keras.callbacks.EarlyStopping("loss")), fit())
    assert taken == [True] * 4


def test_a_backup_sees_the_data_where_they_are(taken):
    positions = Positions()
    fit(positions)
    assert taken == [True] * 4
    assert positions.found == [(n, 0) for n in range(1, EPOCHS + 1)]


def test_an_exception_leaves_the_weights_of_the_epoch_that_was_seen(taken):
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                weights.extend(self.model.get_weights())
                raise ZeroDivisionError

    weights = []
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=[Failing()])
    before = model.get_weights()
    for a, b in zip(weights, before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 3 * 3
    assert taken == [True]


def test_debugging_takes_one_thing_after_the_other(taken):
    happened = []

    class Noting(keras.layers.Layer):
        def call(self, inputs):
            happened.append("step")
            return inputs

    model = keras.Sequential([keras.Input((3,)), Noting(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    happened.clear()
    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: happened.append(epoch))
    model.fit(X, Y, batch_size=70, epochs=3, verbose=0, callbacks=[note])
    assert [h for h in happened if h != "step"] == [0, 1, 2]
    assert happened[-2] == "step" and not taken


@pytest.mark.parametrize("options", [{"steps_per_epoch": 3}, {"data_on_device": False}])
def test_epochs_of_other_kinds_are_not_begun_early_or_have_the_same_bits(options, taken):
    stopping = keras.callbacks.EarlyStopping("loss")
    same(fit(stopping, **options), fit(stopping, EveryBatch(), **options))
