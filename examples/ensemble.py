"""An ensemble's mean and band, with data and beyond; and a sweep over learning rates."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras

out = Path("ensemble_output")
out.mkdir(exist_ok=True)

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-3, -1, (60, 1)), rng.uniform(0.5, 3, (60, 1))]).astype("float32")
y = (np.sin(2 * x) + 0.1 * rng.normal(size=x.shape)).astype("float32")


def make_model(learning_rate=0.01):
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    return model


# Twenty models that differ in their seeds agree where they have seen data.
runs = keras.models.Ensemble(make_model, seeds=20)
runs.fit(x, y, epochs=300, verbose=0)
grid = np.linspace(-4, 4, 200, dtype="float32")[:, None]
outputs = runs.predict(grid)[..., 0]
mean, band = outputs.mean(axis=0), 2 * outputs.std(axis=0)

# A sweep over learning rates, as one program as well.
rates = np.geomspace(1e-4, 0.3, 12)
sweep = keras.models.Ensemble(make_model, seeds=[0] * len(rates), learning_rate=rates)
history = sweep.fit(x, y, epochs=100, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
finals = [losses[-1] for losses in history["loss"]]

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
left.fill_between(grid[:, 0], mean - band, mean + band, alpha=0.25, label="two deviations")
left.plot(grid, mean, label="mean of 20 models")
left.plot(x, y, "k.", ms=3, label="data")
left.set(xlabel="x", ylabel="y", ylim=(-3, 3))
left.legend(loc="upper left")
right.loglog(rates, finals, "o-")
right.set(xlabel="learning rate", ylabel="loss after 100 epochs")
figure.tight_layout()
figure.savefig(out / "ensemble.png", dpi=120)

inside = band[(grid[:, 0] > 0.5) & (grid[:, 0] < 3)].mean()
outside = band[grid[:, 0] > 3.5].mean()
print(f"band where there are data: {inside:.3f}; beyond them: {outside:.3f}")
print(f"best rate of {len(rates)}: {rates[int(np.nanargmin(finals))]:.4f}")
print(f"picture: {out / 'ensemble.png'}")
