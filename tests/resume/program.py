"""The program that is killed: it trains with all that a resumed training could get wrong."""

import os
import pickle
import time
from pathlib import Path

import h5py  # noqa: F401  (once, and not in each process that is killed)
import numpy as np

import jkeras as keras

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 5)).astype("float32")
Y = (X[:, 0] * X[:, 1] + 0.5 * RNG.normal(size=90) > 0).astype("int32")
VALID = slice(70, 90)
BATCH_SIZE = 8  # the last batch of an epoch is another size


class Rows(keras.utils.PyDataset):
    """Draws a new order after each epoch, from NumPy's global generator."""

    def __init__(self, **options):
        super().__init__(**options)
        self.order = np.arange(70)

    def __len__(self):
        return 9

    def __getitem__(self, index):
        rows = self.order[BATCH_SIZE * index :][:BATCH_SIZE]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        np.random.shuffle(self.order)


def generate():
    """Yields batches of several sizes, without an end."""
    rng = np.random.default_rng(5)
    while True:
        rows = rng.integers(0, 70, size=BATCH_SIZE if rng.random() < 0.8 else 5)
        yield X[rows], Y[rows]


class Stateful:
    """An iterator that knows where it is."""

    def __init__(self):
        self.rng = np.random.default_rng(6)

    def __iter__(self):
        return self

    def __next__(self):
        rows = self.rng.integers(0, 70, size=BATCH_SIZE)
        return X[rows], Y[rows]

    def get_state(self):
        return self.rng.bit_generator.state

    def set_state(self, state):
        self.rng.bit_generator.state = state


class Iterable:
    """Can be gone through again and again, each time in another order."""

    def __init__(self):
        self.rng = np.random.default_rng(7)

    def __iter__(self):
        order = self.rng.permutation(70)
        for start in range(0, 70, BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            yield X[rows], Y[rows]


SOURCES = {
    "arrays": lambda: {"x": X[:70], "y": Y[:70], "batch_size": BATCH_SIZE},
    "host": lambda: {**SOURCES["arrays"](), "data_on_device": False},
    "dataset": lambda: {"x": Rows()},
    "workers": lambda: {"x": Rows(workers=2)},
    "generator": lambda: {"x": generate(), "steps_per_epoch": 9},
    "iterator": lambda: {"x": Stateful(), "steps_per_epoch": 9},
    "iterable": lambda: {"x": Iterable()},
}


def make_model():
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(0.03)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(folder, source, save_freq, started=lambda: None, pause=0.0, by_batch=True):
    """Trains in `folder`; writes what came out to `result.pickle` there."""
    folder = Path(folder)
    keep = keras.callbacks
    model = make_model()
    stop = keep.EarlyStopping(patience=4, restore_best_weights=True)
    reduce = keep.ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1)
    checkpoint = keep.ModelCheckpoint(
        folder / "best.weights.h5", save_best_only=True, save_weights_only=True
    )
    slow = {"on_epoch_begin": lambda epoch, logs: started()}
    if pause:
        slow["on_train_batch_end" if by_batch else "on_epoch_end"] = lambda *args: time.sleep(
            pause if by_batch else 9 * pause
        )
    backup = [keep.BackupAndRestore(folder / "backup", save_freq)] if save_freq else []
    callbacks = [*backup, keep.LambdaCallback(**slow), stop, reduce, checkpoint]
    history = model.fit(
        **SOURCES[source](),
        epochs=12,
        verbose=0,
        validation_data=(X[VALID], Y[VALID]),
        callbacks=[*callbacks, keep.CSVLogger(folder / "log.csv")],
    )
    best = make_model()
    best.load_weights(folder / "best.weights.h5")
    result = {
        "weights": model.get_weights(),
        "optimizer": [v.numpy() for v in model.optimizer.variables],
        "metrics": [np.asarray(v.value) for m in model.metrics for v in m.variables],
        "history": history.history,
        "epoch": history.epoch,
        "stop": [stop.best, stop.best_epoch, stop.wait, stop.stopped_epoch],
        "reduce": [reduce.best, reduce.wait, reduce.cooldown_counter],
        "checkpoint": [checkpoint.best, best.get_weights()],
        "csv": (folder / "log.csv").read_text(),
        "next": [int(np.random.randint(2**30)), np.asarray(keras.random.uniform((2,)))],
    }
    path = folder / "result.pickle"
    path.with_suffix(".part").write_bytes(pickle.dumps(result))
    os.replace(path.with_suffix(".part"), path)


def differences(one, other, path=""):
    """Returns where two results differ in a bit."""
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [path]
        return [d for k in one for d in differences(one[k], other[k], f"{path}/{k}")]
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return [path]
        pairs = enumerate(zip(one, other, strict=True))
        return [d for i, (a, b) in pairs for d in differences(a, b, f"{path}/{i}")]
    numeric = not isinstance(one, (str, type(None)))
    same = np.array_equal(one, other, equal_nan=True) if numeric else one == other
    return [] if same and type(one) is type(other) else [path]
