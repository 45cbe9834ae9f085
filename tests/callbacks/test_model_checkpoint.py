"""What is saved when; the files themselves are tested with `saving`."""

import numpy as np
import pytest

import jkeras as keras
from tests.callbacks.models import Values, X, Y, linear

ModelCheckpoint = keras.callbacks.ModelCheckpoint


def fit(path, values=None, epochs=3, batch_size=2, model=None, **arguments):
    """Trains for some epochs of five batches; returns the names of the files."""
    model = model or linear()
    callbacks = [ModelCheckpoint(path, **arguments)]
    if values is not None:
        callbacks.insert(0, Values("val_loss", values))
    model.fit(X, Y, batch_size=batch_size, epochs=epochs, verbose=0, callbacks=callbacks)
    return sorted(p.name for p in path.parent.iterdir() if p.is_file()), model


def test_names_are_made_of_the_epoch_and_the_logs(tmp_path):
    names, _ = fit(tmp_path / "{epoch:02d}-{val_loss:.2f}.keras", [1.0, 0.5, 0.125])
    assert names == ["01-1.00.keras", "02-0.50.keras", "03-0.12.keras"]
    with pytest.raises(KeyError, match=r"Failed to format this callback filepath.*val_mae"):
        fit(tmp_path / "{val_mae}.keras")


@pytest.mark.parametrize("ending", [".keras", ".h5", ".weights.h5", ".safetensors"])
def test_the_file_holds_the_weights_of_the_best_epoch(tmp_path, ending):
    class Counting(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.set_weights([np.full((2, 1), epoch)])

    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    only_weights = ending in (".weights.h5", ".safetensors")
    path = tmp_path / "new" / "folder" / f"best{ending}"
    save = ModelCheckpoint(path, save_best_only=True, save_weights_only=only_weights, mode="max")
    model = linear()
    values = Values("val_loss", [1.0, 3.0, 2.0])
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[values, Counting(), save])
    assert save.best == 3.0
    if only_weights:
        loaded = linear()
        loaded.load_weights(path)
    else:
        loaded = keras.models.load_model(path)
    assert loaded.get_weights()[0].tolist() == [[1.0], [1.0]]


def test_only_improvements_are_saved(tmp_path, capsys):
    names, _ = fit(
        tmp_path / "{epoch}.weights.h5",
        [1.0, 2.0, 0.5],
        save_best_only=True,
        save_weights_only=True,
        verbose=1,
    )
    assert names == ["1.weights.h5", "3.weights.h5"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [
        f"Epoch 1: val_loss improved from None to 1.00000, saving model to {tmp_path}/1.weights.h5",
        f"Epoch 1: finished saving model to {tmp_path}/1.weights.h5",
        "Epoch 2: val_loss did not improve from 1.00000",
        f"Epoch 3: val_loss improved from 1.00000 to 0.50000, saving model to "
        f"{tmp_path}/3.weights.h5",
        f"Epoch 3: finished saving model to {tmp_path}/3.weights.h5",
    ]


class Failing(keras.callbacks.Callback):
    """Reads the best model so far, and fails after the sixth epoch."""

    def __init__(self, path):
        self.path, self.found = path, []

    def on_epoch_end(self, epoch, logs=None):
        self.found.append(int(keras.saving.load_model(self.path).optimizer.iterations))
        if epoch == 5:
            raise ZeroDivisionError


def test_the_best_model_is_in_the_file_at_once(tmp_path, destroyed):
    path = tmp_path / "best.keras"
    model = linear()
    model.set_weights([np.zeros((2, 1)), np.zeros(1)][: len(model.get_weights())])
    model.compile(keras.optimizers.SGD(1e-4), "mse")
    save, reads = ModelCheckpoint(path, monitor="loss", save_best_only=True), Failing(path)
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, batch_size=10, epochs=9, verbose=0, callbacks=[save, reads])
    assert reads.found == [1, 2, 3, 4, 5, 6]
    best = keras.saving.load_model(path)
    np.testing.assert_array_equal(best.get_weights()[0], model.get_weights()[0])


def test_a_threshold(tmp_path):
    names, _ = fit(
        tmp_path / "{epoch}.keras",
        [1.0, 0.6, 0.4],
        save_best_only=True,
        initial_value_threshold=0.5,
    )
    assert names == ["3.keras"]


def test_the_best_value_stays_known_between_fits(tmp_path):
    save = ModelCheckpoint(tmp_path / "{epoch}.keras", save_best_only=True)
    model = linear()
    for values in ([0.5, 0.4], [0.45, 0.41]):
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[Values("val_loss", values), save])
    assert save.best == 0.4


@pytest.mark.parametrize(("frequency", "batches"), [(3, [(1, 3), (2, 1), (2, 4)]), (7, [(2, 2)])])
def test_every_so_many_batches_counted_over_epochs(tmp_path, frequency, batches):
    names, _ = fit(tmp_path / "{epoch}-{batch}.keras", epochs=2, save_freq=frequency)
    assert names == [f"{epoch}-{batch}.keras" for epoch, batch in batches]


def test_the_best_of_every_so_many_batches(tmp_path):
    values = iter([3.0, 1.0, 2.0, 0.5, 5.0])

    class Scripted(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            logs["loss"] = next(values)

    save = ModelCheckpoint(
        tmp_path / "{batch}.keras", monitor="loss", save_best_only=True, save_freq=1
    )
    linear().fit(X, Y, batch_size=2, verbose=0, callbacks=[Scripted(), save])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.keras", "2.keras", "4.keras"]


def test_without_the_value_every_epoch_is_saved(tmp_path):
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        names, _ = fit(tmp_path / "a.keras", epochs=1, save_best_only=True)
    assert names == ["a.keras"]
    with pytest.warns(UserWarning, match="only when `monitor` is a scalar value"):
        fit(tmp_path / "a.keras", [np.ones(2)], epochs=1, save_best_only=True)


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "a.keras").mkdir()
    with pytest.raises(OSError, match="Please specify a non-directory filepath"):
        fit(tmp_path / "a.keras")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.ckpt", {}, "must end in `.keras`"),
        ("a.h5", {"save_weights_only": True}, "must end in `.weights.h5`"),
        ("a.keras", {"save_weights_only": True}, "must end in `.weights.h5`"),
        ("a.keras", {"save_freq": "batch"}, "Unrecognized save_freq: batch"),
        ("a.keras", {"save_freq": 0}, "Unrecognized save_freq: 0"),
        ("a.keras", {"save_freq": 2.5}, "Unrecognized save_freq: 2.5"),
    ],
)
def test_wrong_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelCheckpoint(name, **arguments)
