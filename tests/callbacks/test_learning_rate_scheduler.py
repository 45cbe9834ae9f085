import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import X, Y, linear


def rates(schedule, epochs=3, **kwargs):
    model = linear(optimizer=keras.optimizers.SGD(1.0))
    callback = keras.callbacks.LearningRateScheduler(schedule, **kwargs)
    return model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback]).history["learning_rate"]


def test_schedules_of_one_and_of_two_arguments(capsys):
    assert rates(lambda epoch: 0.5**epoch) == [1.0, 0.5, 0.25]
    assert rates(lambda epoch, rate: rate / 2, verbose=1) == [0.5, 0.25, 0.125]
    assert capsys.readouterr().out.splitlines()[:2] == [
        "",
        "Epoch 1: LearningRateScheduler setting learning rate to 0.5.",
    ]
    assert rates(lambda epoch, decay=0.5: decay**epoch)[0] == 1.0  # 1.0: the current rate
    assert rates(lambda epoch: np.float32(0.25)) == [0.25] * 3


def test_the_schedules_own_type_error_is_not_hidden():
    def schedule(epoch, rate):
        return rate + "1"

    with pytest.raises(TypeError, match="unsupported operand"):
        rates(schedule)


@pytest.mark.parametrize("value", [None, "0.1", [0.1], np.ones(2)])
def test_a_schedule_must_return_a_number(value):
    with pytest.raises(ValueError, match="output of the `schedule` function should be a float"):
        rates(lambda epoch: value)


def test_an_optimizer_with_a_schedule_of_its_own_is_not_settable():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    model = linear(optimizer=keras.optimizers.SGD(schedule))
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1)
    with pytest.raises(TypeError, match="not settable"):
        model.fit(X, Y, verbose=0, callbacks=[callback])
