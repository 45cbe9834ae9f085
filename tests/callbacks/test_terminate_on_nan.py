import math

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import X, Y, linear

TerminateOnNaN = keras.callbacks.TerminateOnNaN


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_training_stops_within_the_epoch_in_which_the_loss_fails(bad, capsys):
    targets = np.ones(4000, "float32")
    targets[3] = bad
    model = linear()
    with pytest.warns(RuntimeWarning, match="epoch 1, step 4"):
        history = model.fit(
            *(np.ones((4000, 2)), targets),
            batch_size=1,
            shuffle=False,
            epochs=3,
            verbose=0,
            callbacks=[TerminateOnNaN()],
        )
    assert history.epoch == [0]
    assert not math.isfinite(history.history["loss"][0])
    message = capsys.readouterr().out
    batch = int(model.optimizer.iterations) - 1
    assert 3 <= batch < 3999
    assert message == f"Batch {batch}: Invalid loss, terminating training\n"


def test_an_error_if_wanted():
    with pytest.raises(
        RuntimeError, match=r"NaN or Inf loss encountered at batch 0. Loss value: nan"
    ):
        linear().fit(X * np.nan, Y, verbose=0, callbacks=[TerminateOnNaN(raise_error=True)])


def test_good_losses_are_left_alone_and_chunks_grow(capsys):
    stop = TerminateOnNaN()
    history = linear().fit(
        np.ones((3000, 2)), np.ones(3000), batch_size=1, verbose=0, callbacks=[stop]
    )
    assert np.isfinite(history.history["loss"]).all()
    assert capsys.readouterr().out == ""
    assert stop.steps_ahead("train", 0) > 1
    assert stop.steps_ahead("test", 0) is None
