import numpy as np
import pandas as pd
import pytest

import jkeras as keras
from tests.callbacks.models import Values, X, Y, linear

CSVLogger = keras.callbacks.CSVLogger


def test_a_row_for_each_epoch(tmp_path):
    path = tmp_path / "log.csv"
    history = linear(metrics=["mae"]).fit(
        *(X, Y), epochs=3, verbose=0, validation_data=(X, Y), callbacks=[CSVLogger(path)]
    )
    frame = pd.read_csv(path)
    assert list(frame.columns) == ["epoch", "loss", "mae", "val_loss", "val_mae"]
    assert frame["epoch"].tolist() == [0, 1, 2]
    for name, values in history.history.items():
        np.testing.assert_array_equal(frame[name], values)


def test_values_that_an_epoch_does_not_have(tmp_path):
    path = tmp_path / "log.csv"
    callbacks = [Values("extra", ["a,b", None, [1, 2]]), CSVLogger(path, separator=";")]
    linear().fit(
        *(X, Y),
        epochs=3,
        verbose=0,
        callbacks=callbacks,
        validation_data=(X, Y),
        validation_freq=2,
    )
    lines = [line.split(";") for line in path.read_text().splitlines()]
    assert lines[0] == ["epoch", "extra", "loss", "val_extra", "val_loss"]
    assert [line[1] for line in lines[1:]] == ["a,b", "NA", '"""[1, 2]"""']
    assert [line[3] for line in lines[1:]] == ["NA"] * 3
    assert [line[4] == "NA" for line in lines[1:]] == [True, False, True]


def test_append(tmp_path):
    path = tmp_path / "log.csv"
    for _ in range(2):
        linear().fit(X, Y, epochs=2, verbose=0, callbacks=[CSVLogger(path, append=True)])
    assert pd.read_csv(path)["epoch"].tolist() == [0, 1, 0, 1]
    linear().fit(X, Y, verbose=0, callbacks=[CSVLogger(path)])
    assert pd.read_csv(path)["epoch"].tolist() == [0]


def test_what_was_written_stays_if_training_fails(tmp_path):
    path = tmp_path / "log.csv"

    def fail(epoch, logs):
        if epoch == 2:
            raise RuntimeError

    stop = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
    with pytest.raises(RuntimeError):
        linear().fit(X, Y, epochs=3, verbose=0, callbacks=[CSVLogger(path), stop])
    assert len(pd.read_csv(path)) == 2
