"""Callbacks that look at the optimizer, where that is made of others."""

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import X, Y, linear


def several(**options):
    chosen = keras.optimizers.OptimizerMap(keras.optimizers.SGD(1.0, name="rest", **options))
    chosen[".*bias"] = keras.optimizers.SGD(0.5, name="biases")
    return keras.optimizers.MultiOptimizer(chosen)


def scaled(**options):
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0, **options), 8.0)


def fit(optimizer, callback, epochs=2, **options):
    model = linear(optimizer=optimizer)
    return model, model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback], **options).history


def halved():
    return keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)


def reduced():
    return keras.callbacks.ReduceLROnPlateau("loss", 0.5, patience=0, min_delta=1e9, verbose=1)


@pytest.mark.parametrize("callback", [halved, reduced])
def test_each_optimizer_has_a_rate_of_its_own(callback, capsys):
    optimizer = several()
    _, history = fit(optimizer, callback())
    biases, rest = optimizer.optimizers
    first = 0 if callback is halved else 1  # whose first epoch sets what to compare with
    assert float(rest.learning_rate) == 2 * float(biases.learning_rate) == 0.25 * 2**first
    assert sorted(k for k in history if "rate" in k) == [
        "learning_rate_biases",
        "learning_rate_rest",
    ]
    assert history["learning_rate_rest"] == ([0.5, 0.25] if callback is halved else [1.0, 1.0])
    assert "setting biases learning rate to" in capsys.readouterr().out.replace(
        "reducing", "setting"
    )


@pytest.mark.parametrize("callback", [halved, reduced])
def test_the_rate_is_that_of_the_optimizer_inside(callback):
    optimizer = scaled()
    _, history = fit(optimizer, callback())
    assert float(optimizer.inner_optimizer.learning_rate) == (0.25 if callback is halved else 0.5)
    assert len(history["learning_rate"]) == 2


@pytest.mark.parametrize("make", [several, scaled])
def test_averages_are_found(make):
    callback = keras.callbacks.SwapEMAWeights()
    with pytest.raises(ValueError, match="use_ema=True"):
        fit(make(), callback, validation_data=(X, Y))
    optimizer = make(use_ema=True, ema_momentum=0.5)
    model = linear(optimizer=optimizer)
    model.fit(X, Y, verbose=0)
    averages = optimizer.averages()
    kernel = model.trainable_variables[0]
    averages[kernel].assign(np.full(kernel.shape, 7.0))
    callback.set_model(model)
    own = kernel.numpy()
    callback.on_test_begin()
    assert (kernel.numpy() == 7.0).all()
    callback.on_test_end()
    np.testing.assert_array_equal(kernel.numpy(), own)
    optimizer.finalize_variable_values(model.trainable_variables)
    assert (kernel.numpy() == 7.0).all()
