"""Every callback through fit, evaluate and predict, from every kind of data; and through copies."""

import copy
import inspect
import os
import pickle
import warnings

import numpy as np
import pytest

import jkeras as keras
from jkeras import callbacks
from jkeras.callbacks import progress
from jkeras.core import processes

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
ROWS = {"batch_size": 4, "epochs": 3, "verbose": 0}


def keep(*_):
    """A hook that does nothing."""


def halved(epoch, rate):
    return rate / 2


# From a class to its arguments, where `{}` stands for a folder.
MAKERS = {
    "BackupAndRestore": {"backup_dir": "{}/backup", "save_freq": 2},
    "CSVLogger": {"filename": "{}/log.csv"},
    "Callback": {},
    "CallbackList": None,  # holds the others
    "EarlyStopping": {"monitor": "val_loss", "patience": 2, "restore_best_weights": True},
    "HParams": {"log_dir": "{}/hparams", "hparams": {"rate": 0.1}},
    "History": {},
    "LambdaCallback": {"on_epoch_end": keep, "on_train_batch_end": keep},
    "LearningRateScheduler": {"schedule": halved},
    "ModelCheckpoint": {"filepath": "{}/m-{epoch}.keras", "save_best_only": True},
    "OrbaxCheckpoint": None,  # in a test of its own: orbax is an extra
    "Plot": {"path": "{}/curves.svg"},
    "ProgbarLogger": {},
    "ReduceLROnPlateau": {"monitor": "loss", "patience": 0},
    "RemoteMonitor": None,  # in a test of its own, with a server
    "SwapEMAWeights": {},
    "TensorBoard": {"log_dir": "{}/logs", "histogram_freq": 1, "update_freq": 1},
    "TerminateOnNaN": {},
}
EVERY = [name for name, arguments in MAKERS.items() if arguments is not None]


def make(name, folder):
    arguments = {
        key: value.replace("{}", str(folder)) if isinstance(value, str) else value
        for key, value in MAKERS[name].items()
    }
    return getattr(callbacks, name)(**arguments)


def model(kind, **options):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(2), keras.layers.Dense(1)]
    if kind == "subclass":

        class Own(keras.Model):
            def __init__(self):
                super().__init__()
                self.parts = layers

            def call(self, x):
                for part in self.parts:
                    x = part(x)
                return x

        made = Own()
    else:
        size = 4 if kind == "fixed" else None
        made = keras.Sequential([keras.Input((3,), batch_size=size), *layers])
    optimizer = keras.optimizers.SGD(0.01, use_ema=True)
    made.compile(optimizer, "mse", metrics=["mae"], **options)
    return made


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        return X[4 * i : 4 * i + 4], Y[4 * i : 4 * i + 4]


def endless():
    while True:
        yield from (Batches()[i] for i in range(2))


def source(kind):
    """Returns the positional and named arguments of `fit` that say what the data are."""
    if kind == "generator":
        return (endless(),), {"steps_per_epoch": 2, "epochs": 3, "verbose": 0}
    return ((Batches(),), {"epochs": 3, "verbose": 0}) if kind == "PyDataset" else ((X, Y), ROWS)


def test_every_class_is_here():
    classes = {n for n in dir(callbacks) if inspect.isclass(getattr(callbacks, n))}
    assert classes == set(MAKERS)


@pytest.mark.parametrize(
    ("kind", "data", "options"),
    [
        ("sequential", "arrays", {}),
        ("fixed", "generator", {}),
        ("subclass", "PyDataset", {}),
        ("sequential", "arrays", {"steps_per_execution": 2}),
    ],
    ids=str,
)
def test_all_at_once_and_none_give_the_same_losses(kind, data, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    changing = ("LearningRateScheduler", "ReduceLROnPlateau")
    own = [make(name, tmp_path) for name in EVERY if name not in changing]
    histories = []
    for given in ([], own):
        trained = model(kind, **options)
        arguments, more = source(data)
        fit = trained.fit(*arguments, **more, validation_data=(X, Y), callbacks=given)
        histories.append(fit.history)
        assert all(np.isfinite(v).all() for v in fit.history.values())
    # those of validation are of the averaged weights
    for name in ("loss", "mae"):
        np.testing.assert_allclose(histories[1][name][:1], histories[0][name][:1], rtol=1e-5)
    rows = {"batch_size": 4, "verbose": 0}
    scores = trained.evaluate(X, Y, **rows)
    quiet = [c for c in own if not isinstance(c, callbacks.SwapEMAWeights)]
    np.testing.assert_allclose(trained.evaluate(X, Y, **rows, callbacks=quiet), scores, rtol=1e-6)
    np.testing.assert_array_equal(
        trained.predict(X, **rows, callbacks=quiet), trained.predict(X, **rows)
    )
    rate = float(trained.optimizer.learning_rate)
    given = [make(name, tmp_path) for name in changing]
    trained.fit(*source(data)[0], **source(data)[1], callbacks=given)
    assert float(trained.optimizer.learning_rate) < rate / 4


@pytest.mark.parametrize("name", EVERY)
def test_copies_work_like_the_first_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fresh = make(name, tmp_path)
    trained = model("sequential")
    for again in (pickle.loads(pickle.dumps(fresh)), copy.deepcopy(fresh), fresh):
        assert type(again) is type(fresh)
        history = trained.fit(X, Y, **ROWS, validation_data=(X, Y), callbacks=[again]).history
        assert np.isfinite(history["loss"]).all()
    assert type(copy.copy(fresh)) is type(fresh)


@pytest.mark.parametrize("writes", [True, False])
def test_of_several_processes_one_writes_sends_and_says(writes, tmp_path, monkeypatch, capsys):
    """Those callbacks that do it themselves; `jkeras.saving` does it for the others."""
    monkeypatch.setattr(processes, "writes_files", lambda: writes)
    trained = keras.Sequential([keras.Input((2,)), keras.layers.Embedding(4, 2)])
    trained.compile("sgd", "mse")
    given = [
        callbacks.CSVLogger(tmp_path / "log.csv"),
        callbacks.LearningRateScheduler(halved, verbose=1),
        callbacks.RemoteMonitor("http://127.0.0.1:9"),
        callbacks.TensorBoard(tmp_path / "logs", histogram_freq=1, embeddings_freq=1),
    ]
    x = np.ones((4, 2), "int32")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        trained.fit(x, np.ones((4, 2, 2)), verbose=0, callbacks=given)
    assert any("RemoteMonitor" in str(w.message) for w in found) == writes
    assert sorted(os.listdir(tmp_path)) == (["log.csv", "logs"] if writes else [])
    assert ("setting learning rate" in capsys.readouterr().out) == writes
    assert progress.resolve_verbose(1) == writes
