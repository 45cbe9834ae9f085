"""Wide and deep: linear, deep and wide-and-deep regression, with two inputs and two outputs."""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

# A price that is linear in some features, and a product of others.
keras.utils.set_random_seed(42)
rng = np.random.default_rng(42)
x = rng.normal(size=(4000, 8)).astype("float32")
y = 1.5 * x[:, :1] - x[:, 1:2] + x[:, 4:5] * x[:, 6:7] + 0.2 * rng.normal(size=(4000, 1))
wide, deep = x[:, :4], x[:, 2:]  # features 2 and 3 go both ways
train, valid, test = slice(0, 2500), slice(2500, 3200), slice(3200, None)


def hidden(tensor):
    for _ in range(2):
        tensor = layers.Dense(30, activation="relu")(tensor)
    return tensor


def linear():
    wide, deep = inputs = keras.Input((4,), name="wide"), keras.Input((6,), name="deep")
    return keras.Model(inputs, layers.Dense(1)(layers.concatenate([wide, deep])))


def only_deep():
    wide, deep = inputs = keras.Input((4,), name="wide"), keras.Input((6,), name="deep")
    return keras.Model(inputs, layers.Dense(1)(hidden(layers.concatenate([wide, deep]))))


def wide_and_deep():
    wide, deep = inputs = keras.Input((4,), name="wide"), keras.Input((6,), name="deep")
    top = hidden(deep)
    output = layers.Dense(1, name="main")(layers.concatenate([wide, top]))
    return keras.Model(inputs, [output, layers.Dense(1, name="auxiliary")(top)])


figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
print(f"{'':16}{'weights':>8}{'epochs':>8}{'test error':>12}")
for make in (linear, only_deep, wide_and_deep):
    model = make()
    two = len(model.outputs) == 2  # the auxiliary output keeps the deep part honest
    model.compile("adam", "mse", loss_weights=[0.9, 0.1] if two else None)
    history = model.fit(
        [wide[train], deep[train]],
        y[train],  # one target for both outputs
        epochs=3 if options.small else 100,
        validation_data=([wide[valid], deep[valid]], y[valid]),
        callbacks=[keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)],
        verbose=0,
    )
    outputs = model.predict([wide[test], deep[test]], verbose=0)
    outputs = outputs[0] if two else outputs
    error = float(np.sqrt(np.mean((outputs - y[test]) ** 2)))
    name = make.__name__.replace("_", " ")
    print(f"{name:16}{model.count_params():8}{len(history.epoch):8}{error:12.3f}")
    left.semilogy(history.history["val_main_loss" if two else "val_loss"], label=name)
    right.plot(y[test], outputs, ".", ms=3, label=name)
print("The noise alone is 0.200.")
left.set(xlabel="epoch", ylabel="validation loss")
right.set(xlabel="target", ylabel="prediction")
left.legend()
right.legend(markerscale=4)
figure.savefig("wide_and_deep.png", dpi=100)
