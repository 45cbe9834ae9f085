import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import X, Y, linear


def run(swap_on_epoch, validate=True):
    """Returns weights and averages as they are at each hook after the swapping callback."""
    model = linear(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    seen = {}

    def note(hook):
        def call(*args):
            weight = model.trainable_variables[0]
            average = model.optimizer.cells({weight: 0})["average"][0]
            seen.setdefault(hook, []).append((weight.numpy().copy(), average.numpy().copy()))

        return call

    hooks = ("on_epoch_begin", "on_epoch_end", "on_test_begin", "on_test_end", "on_train_batch_end")
    watch = keras.callbacks.LambdaCallback(**{hook: note(hook) for hook in hooks})
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch)
    history = model.fit(
        *(X, Y),
        batch_size=5,
        epochs=3,
        verbose=0,
        validation_data=(X, Y) if validate else None,
        callbacks=[swap, watch],
    )
    note("end")()
    return model, seen, history


@pytest.mark.parametrize("swap_on_epoch", [False, True])
def test_averages_are_in_place_where_they_are_wanted(swap_on_epoch):
    _, seen, _ = run(swap_on_epoch)
    own = [weight for weight, _ in seen["on_train_batch_end"][1::2]]  # after each epoch's steps
    average = seen["on_train_batch_end"][1::2]
    for epoch in range(3):
        expected = average[epoch][1]
        assert (expected != own[epoch]).any()
        np.testing.assert_array_equal(seen["on_test_begin"][epoch][0], expected)
        np.testing.assert_array_equal(seen["on_test_end"][epoch][0], own[epoch])
        at_end = expected if swap_on_epoch else own[epoch]
        np.testing.assert_array_equal(seen["on_epoch_end"][epoch][0], at_end)
        if epoch:
            np.testing.assert_array_equal(seen["on_epoch_begin"][epoch][0], own[epoch - 1])
    np.testing.assert_array_equal(seen["end"][0][0], average[2][1])


def test_validation_sees_the_averages():
    _, seen, history = run(False)
    for (weights, _), loss in zip(seen["on_test_begin"], history.history["val_loss"], strict=True):
        assert loss == pytest.approx(((X @ weights - Y) ** 2).mean(), rel=1e-5)


def test_evaluate_and_predict_put_the_weights_back():
    model, _, _ = run(False)
    model.set_weights([np.zeros((2, 1))])
    swap = keras.callbacks.SwapEMAWeights()
    assert (model.predict(X, verbose=0, callbacks=[swap]) != 0).all()
    model.evaluate(X, Y, verbose=0, callbacks=[swap])
    assert (model.get_weights()[0] == 0).all()


def test_an_optimizer_without_averages():
    with pytest.raises(ValueError, match=r"use_ema=True.*Received: use_ema=False"):
        linear().fit(
            *(X, Y),
            validation_data=(X, Y),
            verbose=0,
            callbacks=[keras.callbacks.SwapEMAWeights()],
        )
