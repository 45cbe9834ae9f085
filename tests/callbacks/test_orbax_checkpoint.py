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


@pytest.mark.parametrize(("save_freq", "before", "after"), [("epoch", 2, 4), (2, 5, 8)])
def test_a_training_that_goes_on_counts_on(tmp_path, save_freq, before, after):
    """Also over checkpoints that are later than the backup."""

    def fit(fails_at=None):
        def fail(batch, logs):
            if batch == 2 and save.model.optimizer.iterations == fails_at:
                raise RuntimeError("power cut")

        save = keras.callbacks.OrbaxCheckpoint(
            tmp_path / "checkpoints", save_freq=save_freq, max_to_keep=None
        )
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        own = [save, keras.callbacks.LambdaCallback(on_train_batch_begin=fail), backup]
        try:
            make().fit(X, X, batch_size=2, epochs=4, verbose=0, callbacks=own)
        finally:
            save.wait_until_finished()
            saved.append(save.steps)

    saved = []
    with pytest.raises(RuntimeError, match="power cut"):
        fit(fails_at=10)
    fit()
    every = range(4) if save_freq == "epoch" else range(2, 17, 2)
    assert saved == [list(every)[:before], list(every)]
    assert len(saved[1]) == after
