"""Callbacks that watch a value: EarlyStopping, ReduceLROnPlateau, and which way is better."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jkeras as keras
from jkeras.callbacks.monitor import direction_of
from tests.callbacks.models import Values, X, Y, linear

EarlyStopping, ReduceLROnPlateau = keras.callbacks.EarlyStopping, keras.callbacks.ReduceLROnPlateau


class Counting(keras.callbacks.Callback):
    """Makes the weights the number of the epoch."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.set_weights([np.full((2, 1), epoch)])


def fit(values, *others, name="val_loss"):
    model = linear()
    history = model.fit(
        X, Y, epochs=len(values), verbose=0, callbacks=[Values(name, values), Counting(), *others]
    )
    return model, history


class FakeMetric:
    def __init__(self, name):
        self.name = name


def fake(kind, name):
    return type(kind, (FakeMetric,), {})(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", "min"),
        ("val_loss", "min"),
        ("val_head_loss", "min"),
        ("acc", "max"),
        ("val_head_acc", "max"),
        ("mae", "min"),
        ("mine", "max"),
        ("custom", None),
        ("val_nothing", None),
    ],
)
def test_the_direction_of_a_value_follows_from_the_metric(name, expected):
    class Model:
        metrics = (
            fake("BinaryAccuracy", "acc"),
            fake("MeanAbsoluteError", "mae"),
            fake("MeanMetricWrapper", "custom"),
            type("MyRecall", (type(fake("Recall", "")),), {})("mine"),
        )

    assert direction_of(Model(), name) == expected


def test_a_metric_may_say_its_own_direction():
    class Model:
        metrics = (FakeMetric("score"),)

    Model.metrics[0]._direction = "up"
    assert direction_of(Model(), "val_score") == "max"


@pytest.mark.parametrize("make", [EarlyStopping, ReduceLROnPlateau])
def test_an_unknown_direction_is_an_error_before_training(make):
    model = linear()
    with pytest.raises(ValueError, match=r"monitor=val_mine.*automatically determine.*mode='max'"):
        model.fit(X, Y, verbose=0, callbacks=[make("val_mine")])
    assert int(model.optimizer.iterations) == 0
    with pytest.warns(UserWarning, match="mode 'up' is unknown, fallback to auto mode"):
        assert make("loss", mode="up").mode == "auto"


def test_the_names_that_are_there_are_shown_if_the_value_is_not():
    with pytest.warns(UserWarning, match="`val_loss` which is not available.*are: loss$"):
        linear().fit(X, Y, verbose=0, callbacks=[EarlyStopping()])
    with pytest.warns(UserWarning, match="`val_loss` which is not available.*loss,learning_rate"):
        linear().fit(X, Y, verbose=0, callbacks=[ReduceLROnPlateau()])


def test_early_stopping_stops_and_restores(capsys):
    stop = EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
    model, history = fit([3.0, 1.0, 2.0, 1.5, 0.1], stop)
    assert history.epoch == [0, 1, 2, 3]
    assert (stop.stopped_epoch, stop.best_epoch, stop.best, stop.wait) == (3, 1, 1.0, 2)
    assert model.get_weights()[0].tolist() == [[1.0], [1.0]]
    assert capsys.readouterr().out.splitlines() == [
        "Epoch 4: early stopping",
        "Restoring model weights from the end of the best epoch: 2.",
    ]


def test_early_stopping_without_restoring_keeps_the_last_weights():
    stop = EarlyStopping(patience=1)
    model, _ = fit([1.0, 2.0, 3.0], stop)
    assert stop.best_weights is None
    assert model.get_weights()[0].tolist() == [[1.0], [1.0]]


def test_the_best_weights_are_restored_also_if_training_was_not_stopped():
    stop = EarlyStopping(patience=9, restore_best_weights=True)
    model, history = fit([1.0, 0.5, 2.0], stop)
    assert (len(history.epoch), stop.stopped_epoch) == (3, 0)
    assert model.get_weights()[0].tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("values", "epochs"),
    [
        ([0.9, 0.8, 0.7, 0.6, 9.0, 9.0], 5),  # ever better, never than the baseline
        ([0.9, 0.4, 0.3, 0.6, 0.7, 0.1], 5),
        ([0.4, 0.3, 0.9, 0.2, 0.9, 0.9], 6),
    ],
)
def test_patience_starts_again_only_where_the_baseline_is_beaten(values, epochs):
    stop = EarlyStopping(patience=2, baseline=0.5)
    _, history = fit(values, stop)
    assert (len(history.epoch), stop.stopped_epoch) == (epochs, epochs - 1)


def test_early_stopping_starts_again_with_each_fit():
    stop = EarlyStopping(patience=1, restore_best_weights=True)
    fit([0.1, 0.2], stop)
    assert stop.stopped_epoch == 1
    fit([9.0, 8.0], stop)
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (8.0, 1, 0)


def test_the_best_weights_stay_on_the_device_and_outlive_the_steps_that_destroy_theirs(destroyed):
    model = linear(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    stop = EarlyStopping("value", mode="min", patience=9, restore_best_weights=True)
    values = Values("value", [1.0, 0.1, 2.0, 3.0])
    weights = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()[0].copy())
    )
    model.fit(X, Y, epochs=4, verbose=0, callbacks=[values, stop, watch])
    assert all(isinstance(w, jax.Array) and not w.is_deleted() for w in stop.best_weights)
    np.testing.assert_array_equal(model.get_weights()[0], weights[1])
    model.fit(X, Y, verbose=0)  # may destroy the restored arrays, but not those of the callback
    np.testing.assert_array_equal(stop.best_weights[0], weights[1])


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=30),
    st.integers(0, 4),
    st.floats(0, 1),
    st.booleans(),
)
def test_early_stopping_ends_when_the_best_value_is_more_than_patience_epochs_old(
    values, patience, delta, higher
):
    stop = EarlyStopping("v", mode="max" if higher else "min", patience=patience, min_delta=delta)
    stop.set_model(type("Model", (), {"stop_training": False})())
    stop.on_train_begin()
    best, age, sign = None, 0, -1 if higher else 1
    for epoch, value in enumerate(values):
        stop.on_epoch_end(epoch, {"v": value})
        if best is None or (value + delta < best if sign == 1 else value - delta > best):
            best, age = value, 0
        else:
            age += 1
        assert (stop.best, stop.wait) == (best, age)
        stopped = age > 0 and age >= patience
        assert stop.model.stop_training == stopped
        if stopped:
            break


def test_the_learning_rate_is_reduced(capsys):
    reduce = ReduceLROnPlateau(factor=0.5, patience=1, min_lr=0.2, cooldown=1, verbose=1)
    model = linear(optimizer=keras.optimizers.SGD(1.0))
    history = model.fit(
        X, Y, epochs=6, verbose=0, callbacks=[Values("val_loss", [1.0] * 6), reduce]
    )
    assert history.history["learning_rate"] == pytest.approx([1.0, 1.0, 0.5, 0.25, 0.2, 0.2])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["", "Epoch 2: ReduceLROnPlateau reducing learning rate to 0.5."]


def test_reducing_the_learning_rate_compiles_nothing(caplog, own_programs):
    model = linear()
    with jax.log_compiles():
        model.fit(X, Y, verbose=0)
        assert "jit(run_" in caplog.text  # the chunk of training steps
        caplog.clear()
        reduce = ReduceLROnPlateau("loss", patience=1, min_delta=100.0)
        history = model.fit(X, Y, epochs=4, verbose=0, callbacks=[reduce])
    assert len(set(history.history["learning_rate"])) == 3
    assert "jit(run_" not in caplog.text


def test_arguments_of_reduce_lr():
    with pytest.raises(ValueError, match=r"does not support a factor >= 1.0"):
        ReduceLROnPlateau(factor=1.0)
    with pytest.raises(TypeError, match="epsilons"):
        ReduceLROnPlateau(epsilons=1)
    with pytest.warns(DeprecationWarning, match="min_delta"):
        assert ReduceLROnPlateau(epsilon=0.5).min_delta == 0.5
