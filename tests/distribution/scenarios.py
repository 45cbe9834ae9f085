"""What is trained on one device and under each distribution: run as a program, it prints JSON.

`python -m tests.distribution.scenarios NAMES OUT [scenario...]`, in each process of a job. In the
environment, ROWS is the number of rows; with it, no scenario takes fewer, or larger batches.
"""

import json
import os
import sys
import tempfile

PROCESSES = int(os.environ.get("KERAS_DISTRIBUTION_NUM_PROCESSES", "1"))
NUMBER = int(os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0"))
WHOLE, ROWS = "ROWS" in os.environ, int(os.environ.get("ROWS", "1003"))
os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={8 // PROCESSES}"

import jax
import numpy as np
from jax.sharding import PartitionSpec as P

import jkeras as keras

L, D = keras.layers, keras.distribution
RULES = {r".*dense[^/]*/kernel": P(None, "model"), r".*dense[^/]*/bias": ("model",)}
BOTH = {r".*dense[^/]*/kernel": P("data", "model")}


def distributions():
    """Returns functions that make each distribution; `one` is a device without one."""

    def mesh():
        return jax.make_mesh((2, 4), ("data", "model"))  # its axes are explicit

    return {
        "one": lambda: None,
        "dp": D.DataParallel,
        "fsdp": lambda: D.FullyShardedDataParallel(min_size=64),
        "tp": lambda: D.ModelParallel(layout_map=RULES, device_mesh=mesh()),
        "fsdp_tp": lambda: D.ModelParallel(layout_map=BOTH, device_mesh=mesh(), rest="fsdp"),
    }


RNG = np.random.default_rng(0)
X = RNG.normal(size=(1003, 16)).astype("float32")
Y = (X[:, :4] @ RNG.normal(size=(4, 1)) + 0.1 * RNG.normal(size=(1003, 1))).astype("float32")
CLASSES = (Y[:, 0] > 0).astype("int32")
X, Y, CLASSES = X[:ROWS], Y[:ROWS], CLASSES[:ROWS]
LARGE = 64 if WHOLE else 256  # the batch where steps take long


def first(count):
    """Returns some of the rows, as more are not needed to see that it works."""
    return (X, Y) if WHOLE else (X[:count], Y[:count])


def compiled(layers, loss="mse", optimizer="sgd", kind=keras.Sequential, **options):
    keras.utils.set_random_seed(1)
    model = kind([keras.Input(layers[0]), *layers[1]()])
    if callable(optimizer):
        optimizer = optimizer()
    model.compile(optimizer, loss, **options)
    return model


def dense(units=1, **options):
    return (16,), lambda: [
        L.Dense(64, activation="relu"),
        L.Dense(32, activation="relu", **options),
        L.Dense(units, name="head"),
    ]


def fit(model, *data, **options):
    options = {"epochs": 2, "batch_size": 64, "verbose": 0, **options}
    return {k: list(map(float, v)) for k, v in model.fit(*data, **options).history.items()}


def numbers(value):
    return np.asarray(value, "float64").ravel().tolist()


def arrays():
    model = compiled(dense(), metrics=["mae"])
    found = fit(model, X, Y, validation_split=0.1)
    found["evaluate"] = numbers(model.evaluate(X[:333], Y[:333], verbose=0))
    predicted = model.predict(X[:101], verbose=0)
    found["predict"] = numbers(np.square(predicted).mean())
    found["rows"] = [len(predicted)]
    found["one batch"] = numbers(model.train_on_batch(X[:60], Y[:60]))
    found["call"] = numbers(np.square(model(jax.device_put(X[:50], jax.local_devices()[0]))).mean())
    return found


def classifier():
    def layers():
        return [
            L.Dense(64, activation="relu"),
            L.BatchNormalization(),
            L.Dropout(0.2),
            L.Dense(2, activation="softmax", name="head"),
        ]

    loss = "sparse_categorical_crossentropy"
    model = compiled(((16,), layers), loss, keras.optimizers.Adam, metrics=["accuracy"])
    cut = ROWS - 103
    return fit(model, X[:cut], CLASSES[:cut], validation_data=(X[cut:], CLASSES[cut:]))


def dropout():
    def layers():
        hidden = [L.Dense(64, activation="relu"), L.Dropout(0.2)]
        return [*hidden, L.Dense(2, activation="softmax", name="head")]

    model = compiled(((16,), layers), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return fit(model, X, CLASSES, validation_split=0.1)


def from_host():
    return fit(compiled(dense()), X, Y, data_on_device=False)


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return -(-ROWS // 64)

    def __getitem__(self, i):
        return X[64 * i : 64 * (i + 1)], Y[64 * i : 64 * (i + 1)]


def stream():
    found = fit(compiled(dense()), Batches(), batch_size=None, validation_data=Batches())
    if PROCESSES > 1:  # each gives its part of batches
        where = D.distribution()
        where.auto_shard_dataset = False
        size = 64 // PROCESSES

        class Parts(Batches):
            def __getitem__(self, i):
                rows = slice(64 * i + NUMBER * size, 64 * i + (NUMBER + 1) * size)
                return X[rows], Y[rows]

            def __len__(self):
                return ROWS // 64

        found["parts"] = fit(compiled(dense()), Parts(), batch_size=None)["loss"]
        where.auto_shard_dataset = True
    else:
        full = ROWS // 64 * 64
        found["parts"] = fit(compiled(dense()), X[:full], Y[:full], shuffle=False)["loss"]
    return found


def one_step_a_chunk():
    """With a step of the user's own, and callbacks that change what is trained."""
    seen = []

    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(keras.ops.abs(y - y_pred))

    class Each(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])
            if batch == 1:
                self.model.optimizer.learning_rate = 0.02
                kernel = self.model.layers[0].kernel
                kernel.assign(kernel * 0.5)

    model = compiled(dense(), None, kind=Own)
    return {**fit(model, *first(200), callbacks=[Each()]), "seen": list(map(float, seen))}


def lstm():
    model = compiled(((8, 2), lambda: [L.LSTM(16), L.Dense(1)]))
    return fit(model, X.reshape(-1, 8, 2), Y, batch_size=LARGE)


def transformer():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8,), dtype="int32")
    x = L.Embedding(32, 16)(inputs)
    x = L.LayerNormalization()(x + L.MultiHeadAttention(4, 4)(x, x))
    x = L.LayerNormalization()(x + L.Dense(16)(L.Dense(64, activation="gelu")(x)))
    model = keras.Model(inputs, L.Dense(1)(L.GlobalAveragePooling1D()(x)))
    model.compile("sgd", "mse")
    x, y = first(500)
    tokens = (np.abs(x[:, :8]) * 10).astype("int32") % 32
    return fit(model, tokens, y, batch_size=LARGE)


def averages():
    def optimizer():
        return keras.optimizers.Adam(gradient_accumulation_steps=2, use_ema=True)

    scale = keras.Variable(2.0, trainable=False)  # of nobody's model

    def loss(y, y_pred):
        return scale * keras.ops.mean(keras.ops.square(y - y_pred), axis=-1)

    model = compiled(dense(), loss, optimizer=optimizer)
    found = fit(model, *first(300))
    return {**found, "after": numbers(model.evaluate(*first(300), verbose=0))}


def half():
    model = compiled(dense(dtype="mixed_bfloat16"))
    return fit(model, *first(300))


def files():
    """Saved in the middle, loaded again, and trained on."""
    folder = os.environ.get("FOLDER") or tempfile.mkdtemp()
    save = keras.callbacks.ModelCheckpoint(f"{folder}/model.keras")
    model = compiled(dense(), optimizer="adam")
    log = keras.callbacks.CSVLogger(f"{folder}/log")
    parts = keras.callbacks.OrbaxCheckpoint(f"{folder}/{type(D.distribution()).__name__}")
    found = fit(model, *first(300), epochs=1, callbacks=[save, log, parts])
    model.save_weights(f"{folder}/model.weights.h5")
    again = keras.models.load_model(f"{folder}/model.keras")
    found["again"] = fit(again, *first(300), shuffle=False)["loss"]
    fit(model, *first(300), epochs=1)
    parts.restore()
    found["parts"] = numbers(model.evaluate(*first(300), verbose=0))
    fit(model, *first(300), epochs=1)
    model.load_weights(f"{folder}/model.weights.h5")
    found["weights"] = numbers(model.evaluate(*first(300), verbose=0))
    return found


def resume():
    """Ends by an error within the second epoch, and goes on from a backup; unbroken without."""
    where, data, taken = D.distribution(), first(300), []
    steps = -(-len(data[0]) // 64)
    folder = f"{os.environ.get('FOLDER') or tempfile.mkdtemp()}/{type(where).__name__}-backup"

    class Fail(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if len(taken) == steps + 3 and where is not None:
                raise ValueError("no luck")
            taken.append(batch)

    def train():
        def optimizer():
            return keras.optimizers.SGD(momentum=0.9)

        layers = [L.Dense(64, activation="relu"), L.Dropout(0.2), L.Dense(1)]
        model = compiled(((16,), lambda: layers), optimizer=optimizer, metrics=["mae"])
        backup = keras.callbacks.BackupAndRestore(folder, save_freq=2)
        return fit(model, *data, epochs=3, callbacks=[backup, Fail()])

    if where is None:
        return train()
    try:
        train()
    except ValueError:
        taken.append("again")
    found = train()
    if len(taken) - taken.index("again") > 2 * steps:
        raise RuntimeError(f"It did not go on where it was: {taken}")
    return found


ALL = [arrays, classifier, dropout, from_host, stream, one_step_a_chunk, lstm, transformer]
ALL += [averages, half, files, resume]


def main(names, out, chosen):
    if PROCESSES > 1:
        D.initialize()
    found = {}
    for name in names.split(","):
        D.set_distribution(distributions()[name]())
        for scenario in ALL:
            if not chosen or scenario.__name__ in chosen:
                try:
                    found[f"{name} {scenario.__name__}"] = scenario()
                except Exception as error:
                    if PROCESSES > 1:
                        raise
                    found[f"{name} {scenario.__name__}"] = f"{type(error).__name__}: {error}"
    if NUMBER == 0:
        with open(out, "w") as file:
            json.dump(found, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
