"""Epochs that callbacks look at, in chunks of any length: the same bits."""

import numpy as np
import pytest

import jkeras as keras
from jkeras.training import haste

pytestmark = pytest.mark.no_cover

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
EPOCHS = 6


class EveryBatch(keras.callbacks.Callback):
    """Wants every batch: then training runs step by step."""

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
    ("act", "split"),
    [
        (lambda model: model.get_weights(), 0.2),
        (lambda model: model.evaluate(X, Y, verbose=0), 0.0),
        (act_on_weights, 0.2),
        (act_on_rate, 0.0),
        (act_on_slots, 0.0),
        (stop, 0.2),
    ],
)
def test_what_a_callback_does_takes_effect_in_the_next_epoch(act, split, destroyed):
    options = {"validation_split": split}
    whole = fit(Acting(act), **options)
    same(whole, fit(Acting(act), EveryBatch(), **options))
    untouched = fit(**options)[1].history["loss"]
    acted = whole[1].history["loss"]
    assert acted[:3] == untouched[:3]
    changes = act in (act_on_weights, act_on_rate, act_on_slots, stop)
    assert (acted[3:] != untouched[3:]) is changes


def test_a_schedule_that_sets_the_rate_of_each_epoch():
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.05 / (1 + epoch))
    same(fit(schedule), fit(schedule, EveryBatch()))


def test_the_silent_loop_has_the_same_bits():
    same(fit(keras.callbacks.EarlyStopping("loss")), fit())


def test_a_backup_sees_the_data_where_they_are():
    positions = Positions()
    fit(positions)
    assert positions.found == [(n, 0) for n in range(1, EPOCHS + 1)]


def test_an_exception_leaves_the_weights_of_the_epoch_that_was_seen():
    class Failing(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 2:
                weights.extend(self.model.get_weights())
                raise ZeroDivisionError

    weights = []
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, epochs=5, verbose=0, callbacks=[Failing()])
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == 3 * 3


def test_debugging_takes_one_thing_after_the_other():
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
    assert happened[-2] == "step"


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("options", [{"steps_per_epoch": 3}, {"data_on_device": False}])
def test_other_kinds_of_epochs_have_the_same_bits(options):
    stopping = keras.callbacks.EarlyStopping("loss")
    same(fit(stopping, **options), fit(stopping, EveryBatch(), **options))


def test_logs_of_short_epochs_wait_for_one_another_and_none_is_lost():
    finished = []
    backlog = haste.Backlog(lambda epoch, logs, extra: finished.append((epoch, extra)), False)
    for epoch in range(40):
        backlog.add(epoch, {}, -epoch)
        assert epoch - len(finished) <= haste.MOST_WAITING
    backlog.close()
    assert finished == [(epoch, -epoch) for epoch in range(40)]
