"""Forecasts a series with the last value, a linear model, an LSTM and convolutions."""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

WINDOW, DAYS = 56, 2000
keras.utils.set_random_seed(42)
rng = np.random.default_rng(42)
day = np.arange(DAYS)
series = np.sin(2 * np.pi * day / 7) + 0.5 * np.sin(2 * np.pi * day / 90)
series = (series + 0.2 * rng.normal(size=DAYS)).astype("float32")

# A window of eight weeks, and the day that follows. Split in time, and leave out what overlaps.
windows = np.lib.stride_tricks.sliding_window_view(series, WINDOW + 1)
x, y = windows[:, :WINDOW, None], windows[:, WINDOW]
train, valid, test = slice(0, 1300), slice(1300 + WINDOW, 1600), slice(1600 + WINDOW, None)

models = {
    "linear": [layers.Flatten(), layers.Dense(1)],
    "LSTM": [layers.LSTM(16), layers.Dense(1)],
    "convolutions": [
        layers.Conv1D(16, 7, strides=7, activation="relu"),  # week by week
        layers.Flatten(),
        layers.Dense(1),
    ],
}
figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
axes.plot(y[test][:60], "k.-", lw=0.8, label="series")
print(f"{'':14}{'weights':>9}{'epochs':>8}{'mean absolute error':>21}")
print(f"{'last value':14}{0:9}{0:8}{np.abs(x[test][:, -1, 0] - y[test]).mean():21.3f}")
print(f"{'a week ago':14}{0:9}{0:8}{np.abs(x[test][:, -7, 0] - y[test]).mean():21.3f}")
for name, stack in models.items():
    model = keras.Sequential([keras.Input((WINDOW, 1)), *stack])
    model.compile(keras.optimizers.Adam(0.005), "mse", metrics=["mae"])
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    history = model.fit(
        x[train],
        y[train],
        epochs=2 if options.small else 20,
        validation_data=(x[valid], y[valid]),
        callbacks=[stop],
        verbose=0,
    )
    error = model.evaluate(x[test], y[test], verbose=0, return_dict=True)["mae"]
    print(f"{name:14}{model.count_params():9}{len(history.epoch):8}{error:21.3f}")
    axes.plot(model.predict(x[test][:60], verbose=0)[:, 0], label=name)
axes.set(xlabel="day of the test", ylabel="value; forecasts for the next day")
axes.legend(ncols=4, loc="lower left")
figure.savefig("series.png", dpi=100)
