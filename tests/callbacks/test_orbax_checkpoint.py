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


def test_another_process_restores(tmp_path):
    """As it sees the folder: by a callback of its own."""
    make().fit(X, X, verbose=0, callbacks=[first := keras.callbacks.OrbaxCheckpoint(tmp_path)])
    other = make()
    keras.callbacks.OrbaxCheckpoint(tmp_path).restore(other)
    for here, there in zip(other.get_weights(), first.model.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)
    assert int(other.optimizer.iterations) == 1


def test_load_model_and_load_weights_read_the_folder(tmp_path):
    model = make()
    model.fit(X, X, epochs=2, verbose=0, callbacks=[keras.callbacks.OrbaxCheckpoint(tmp_path)])
    loaded = keras.saving.load_model(tmp_path)
    assert int(loaded.optimizer.iterations) == 2
    assert loaded.fit(X, X, verbose=0).history == model.fit(X, X, verbose=0).history
    assert not keras.saving.load_model(tmp_path / "1", compile=False).compiled
    uncompiled = keras.models.clone_model(model)
    uncompiled.load_weights(tmp_path)
    assert not np.array_equal(uncompiled.get_weights()[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="untrusted"):
        keras.saving.load_model(tmp_path, untrusted=True)


def test_a_folder_of_weights_is_no_model(tmp_path):
    save = keras.callbacks.OrbaxCheckpoint(tmp_path, save_weights_only=True)
    make().fit(X, X, verbose=0, callbacks=[save])
    other = make()
    other.load_weights(tmp_path)
    np.testing.assert_array_equal(other.get_weights()[0], save.model.get_weights()[0])
    assert int(other.optimizer.iterations) == 0
    with pytest.raises(ValueError, match="no config of a model"):
        keras.saving.load_model(tmp_path)


@pytest.mark.parametrize("anew", [False, True])
def test_a_second_training_replaces_the_first_ones(tmp_path, anew):
    save, model = keras.callbacks.OrbaxCheckpoint(tmp_path, max_to_keep=None), make()
    model.fit(X, X, epochs=3, verbose=0, callbacks=[save])
    if anew:
        save = keras.callbacks.OrbaxCheckpoint(tmp_path, max_to_keep=None)
    with pytest.warns(UserWarning, match=r"checkpoints \[1, 2\] of an earlier training"):
        model.fit(X, X, epochs=3, initial_epoch=1, verbose=0, callbacks=[save])
    assert save.steps == [0, 1, 2]
    with pytest.warns(UserWarning, match="another folder"):
        model.fit(X, X, epochs=2, verbose=0, callbacks=[save])
    assert save.steps == [0, 1]
    save.restore(other := make())
    assert int(other.optimizer.iterations) == 7


def test_a_name_that_orbax_cannot_read_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a folder without '\['"):
        keras.callbacks.OrbaxCheckpoint(tmp_path / "a[b]")


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
