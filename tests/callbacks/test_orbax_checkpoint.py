"""OrbaxCheckpoint."""

import numpy as np
import pytest

import jkeras as keras

pytest.importorskip("orbax.checkpoint")
X = np.ones((8, 1))


def make():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="head")], name="model")
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(("save_freq", "steps"), [("epoch", [1, 2]), (3, [3, 6])])
def test_the_last_checkpoints_are_kept_and_restored(tmp_path, save_freq, steps):
    save = keras.callbacks.OrbaxCheckpoint(tmp_path, save_freq=save_freq, max_to_keep=2)
    model = make()
    model.fit(X, X, batch_size=4, epochs=3, verbose=0, callbacks=[save])
    assert save.steps == steps
    kernel = model.layers[0].kernel.numpy()
    other = make()
    other.fit(X, X, batch_size=4, verbose=0)
    save.restore(other)
    np.testing.assert_array_equal(other.layers[0].kernel.numpy(), kernel)
    assert int(other.optimizer.iterations) == 6
    with pytest.raises(FileNotFoundError, match="no checkpoint 99"):
        save.restore(step=99)


def test_only_the_best_is_saved(tmp_path):
    save = keras.callbacks.OrbaxCheckpoint(
        tmp_path, "loss", save_best_only=True, initial_value_threshold=-1.0
    )
    make().fit(X, X, verbose=0, callbacks=[save])
    assert save.steps == []
