"""A training that was killed, and one that was not, end with the same weights."""

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import PatientBackup, X, Y, linear

BackupAndRestore = keras.callbacks.BackupAndRestore


def with_everything():
    """Returns a model whose training depends on all that a backup must hold."""
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), "mse")
    return model


class Fail(keras.callbacks.Callback):
    def __init__(self, epoch, batch=None):
        self.epoch, self.batch, self.now = epoch, batch, None

    def get_state(self):
        return None  # it knows where training stands from its hooks

    def steps_ahead(self, mode, batch):
        return None if self.batch is None else 1

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        if epoch == self.epoch and self.batch is None:
            raise InterruptedError

    def on_train_batch_begin(self, batch, logs=None):
        if (self.now, batch) == (self.epoch, self.batch):
            raise InterruptedError


def plain():
    """Returns a model that is compiled faster."""
    return linear(optimizer=keras.optimizers.SGD(0.05, momentum=0.9))


def train(*callbacks, make=plain, seed=7, **arguments):
    """Trains as a new process that runs the same script would."""
    keras.base.naming.reset_names()
    keras.base.keys.set_random_seed(seed)
    model = make()
    arguments = {"batch_size": 5, "epochs": 4, "verbose": 0, **arguments}
    return model, model.fit(X, Y, callbacks=callbacks, **arguments)


def weights_equal(a, b):
    return all((x == y).all() for x, y in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.fixture(scope="module")
def whole():
    """Returns the model after a training that was not interrupted, and its history."""
    return train(make=with_everything)


@pytest.mark.parametrize("failure", [Fail(1), Fail(2, 1)])
def test_training_goes_on_as_if_nothing_had_happened(tmp_path, whole, failure):
    model, history = whole
    with pytest.raises(InterruptedError):
        train(BackupAndRestore(tmp_path / "b"), failure, make=with_everything)
    # Another seed: what is random comes from the backup, too.
    resumed, rest = train(BackupAndRestore(tmp_path / "b"), make=with_everything, seed=8)
    assert rest.epoch == [0, 1, 2, 3]
    assert rest.history == history.history
    assert weights_equal(resumed, model)
    assert int(resumed.optimizer.iterations) == int(model.optimizer.iterations)
    assert not (tmp_path / "b").exists()


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_epochs_that_are_no_whole_passes(tmp_path):
    model, _ = train(steps_per_epoch=3)
    with pytest.raises(InterruptedError):
        train(BackupAndRestore(tmp_path / "b"), Fail(2), steps_per_epoch=3)
    resumed, _ = train(BackupAndRestore(tmp_path / "b"), steps_per_epoch=3)
    assert weights_equal(resumed, model)


def test_data_that_comes_in_batches(tmp_path):
    def batches(*callbacks):
        keras.base.keys.set_random_seed(7)
        model = plain()
        data = [(X[:5], Y[:5]), (X[5:], Y[5:])]
        source = type(
            "Batches", (), {"__len__": lambda s: 2, "__getitem__": lambda s, i: data[i]}
        )()
        return model, model.fit(source, epochs=3, verbose=0, callbacks=callbacks)

    model, _ = batches()
    with pytest.raises(InterruptedError):
        batches(BackupAndRestore(tmp_path / "b"), Fail(1))
    resumed, history = batches(BackupAndRestore(tmp_path / "b"))
    assert history.epoch == [0, 1, 2]
    assert weights_equal(resumed, model)


def test_several_interruptions(tmp_path):
    whole, _ = train()
    for epoch in (1, 3):
        with pytest.raises(InterruptedError):
            train(BackupAndRestore(tmp_path / "b"), Fail(epoch))
    resumed, _ = train(BackupAndRestore(tmp_path / "b", delete_checkpoint=False))
    assert weights_equal(resumed, whole)
    watch = Fail(None, 0)
    again, history = train(BackupAndRestore(tmp_path / "b"), watch)
    assert history.epoch == [0, 1, 2, 3] and watch.now is None  # it was finished
    assert weights_equal(again, whole)


def test_a_changed_learning_rate_is_part_of_the_backup(tmp_path):
    def schedule(epoch, rate):
        return rate * 0.5

    def run(*others):
        return train(
            BackupAndRestore(tmp_path / "b"),
            keras.callbacks.LearningRateScheduler(schedule),
            *others,
        )

    with pytest.raises(InterruptedError):
        run(Fail(2))
    model, _ = run()
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05 * 0.5**4)


def test_a_backup_within_an_epoch_goes_on_with_the_next_batch(tmp_path):
    whole, expected = train()
    with pytest.raises(InterruptedError):
        train(PatientBackup(tmp_path / "b", save_freq=3), Fail(2, 0))
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: seen.append(("epoch", epoch)),
        on_train_batch_begin=lambda batch, logs: seen.append(
            (batch, int(watch.model.optimizer.iterations))
        ),
    )
    resumed, history = train(PatientBackup(tmp_path / "b", save_freq=3), watch)
    # Three batches were done: epoch 0, and the first one of epoch 1.
    assert seen[:4] == [("epoch", 1), (1, 3), ("epoch", 2), (0, 4)]
    assert history.history == expected.history and history.epoch == [0, 1, 2, 3]
    assert weights_equal(resumed, whole)


def test_a_damaged_backup(tmp_path):
    def interrupted(**arguments):
        with pytest.raises(InterruptedError):
            train(BackupAndRestore(tmp_path / "b", **arguments), Fail(3))

    interrupted(double_checkpoint=True)
    latest = tmp_path / "b" / "latest.backup"
    data = latest.read_bytes()
    latest.write_bytes(data[: len(data) // 2])
    with pytest.warns(UserWarning, match=r"damaged.*Going on from previous.backup"):
        model, history = train(BackupAndRestore(tmp_path / "b", double_checkpoint=True))
    assert history.epoch == [0, 1, 2, 3]
    assert weights_equal(model, train()[0])
    latest.parent.mkdir()
    latest.write_bytes(b"\x00")
    with pytest.raises(ValueError, match=r"cannot be read.*Delete the folder"):
        train(BackupAndRestore(tmp_path / "b"))


def test_the_backup_of_another_model_is_an_error(tmp_path):
    with pytest.raises(InterruptedError):
        train(BackupAndRestore(tmp_path / "b"), Fail(1))
    message = r"not one of this model and optimizer.*dense/bias.* and 4 others"
    with pytest.raises(ValueError, match=message):
        train(BackupAndRestore(tmp_path / "b"), make=with_everything)


def test_arguments(tmp_path):
    with pytest.raises(ValueError, match="Empty `backup_dir`"):
        BackupAndRestore("")
    for bad in ("batch", 0, -1, 2.5, True):
        with pytest.raises(ValueError, match="save_freq"):
            BackupAndRestore(tmp_path, save_freq=bad)


def test_the_training_state_is_there_only_in_fit():
    with pytest.raises(ValueError, match="while `fit` is running"):
        linear().get_training_state(0)


SCRIPT = """
import os, signal, sys
import numpy as np
import jkeras as keras
from tests.callbacks.test_backup_and_restore import with_everything

keras.base.keys.set_random_seed(7)
def kill(epoch, logs):
    if sys.argv[2] == "kill" and epoch == 2:
        os.kill(os.getpid(), signal.SIGKILL)
model = with_everything()
data = np.load(sys.argv[3])
model.fit(data["x"], data["y"], batch_size=5, epochs=4, verbose=0, callbacks=[
    keras.callbacks.BackupAndRestore(sys.argv[1] + "/backup"),
    keras.callbacks.LambdaCallback(on_epoch_begin=kill),
])
np.savez(sys.argv[1] + "/weights.npz", *model.get_weights())
"""


def test_a_process_that_was_killed(tmp_path, whole):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    codes = [
        subprocess.run([*arguments, how, str(tmp_path / "data.npz")], env=os.environ).returncode
        for how in ("kill", "finish")
    ]
    assert codes == [-signal.SIGKILL, 0]
    with np.load(tmp_path / "weights.npz") as saved:
        for name, weight in zip(saved.files, whole[0].get_weights(), strict=True):
            np.testing.assert_array_equal(saved[name], weight)


def test_one_folder_is_one_fits_own(tmp_path):
    def fit(*callbacks):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        x = np.ones((8, 1))
        return model.fit(x, x, epochs=2, verbose=0, callbacks=list(callbacks))

    def backup(name="backup"):
        return keras.callbacks.BackupAndRestore(tmp_path / name)

    with pytest.raises(ValueError, match="folder of its own"):
        fit(backup("both"), backup("both"))
    inner = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: fit(backup()))
    with pytest.raises(ValueError, match="folder of its own"):
        fit(inner, backup())
    assert fit(inner.__class__(), backup()).epoch == [0, 1]  # it failed, and the folder is free
    assert not (tmp_path / "backup").exists()


def test_training_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    trained, heard = threading.Event(), []
    monkeypatch.setattr(os, "fsync", lambda handle: heard.append(trained.wait(20)))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    tell = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: trained.set() if batch == 3 else None
    )
    backup = keras.callbacks.BackupAndRestore(tmp_path / "b", save_freq=1)
    x = np.ones((5, 1))
    model.fit(x, x, batch_size=1, verbose=0, callbacks=[tell, backup])
    assert heard
    assert all(heard)  # the first backup was complete only after the fourth batch
