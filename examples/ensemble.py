"""An ensemble of twenty models in one program: its mean and band, with data and beyond."""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-3, -1, (60, 1)), rng.uniform(0.5, 3, (60, 1))]).astype("float32")
y = (np.sin(2 * x) + 0.1 * rng.normal(size=x.shape)).astype("float32")


def make_model():
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse")
    return model


# Twenty models that differ in their seeds agree where they have seen data.
runs = keras.models.Ensemble(make_model, seeds=20)
runs.fit(x, y, epochs=20 if options.small else 300, verbose=0)
grid = np.linspace(-4, 4, 200, dtype="float32")[:, None]
outputs = runs.predict(grid)[..., 0]
mean, band = outputs.mean(axis=0), 2 * outputs.std(axis=0)

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.fill_between(grid[:, 0], mean - band, mean + band, alpha=0.25, label="two deviations")
axes.plot(grid, mean, label="mean of 20 models")
axes.plot(x, y, "k.", ms=3, label="data")
axes.set(xlabel="x", ylabel="y", ylim=(-3, 3))
axes.legend(loc="upper left")
figure.savefig("ensemble.png", dpi=100)

inside = band[(grid[:, 0] > 0.5) & (grid[:, 0] < 3)].mean()
outside = band[grid[:, 0] > 3.5].mean()
print(f"band where there are data: {inside:.3f}; beyond them: {outside:.3f}")
