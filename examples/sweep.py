"""A sweep over learning rates, each with several seeds, as one program."""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (400, 2)).astype("float32")
y = np.sin(2 * x[:, :1]) * x[:, 1:] + 0.1 * rng.normal(size=(400, 1)).astype("float32")


def make_model(learning_rate):
    hidden = [layers.Dense(32, activation="tanh") for _ in range(2)]
    model = keras.Sequential([keras.Input((2,)), *hidden, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(learning_rate), "mse")
    return model


rates, seeds = np.geomspace(1e-4, 1, 9), range(3)
pairs = [(float(rate), seed) for rate in rates for seed in seeds]
sweep = keras.models.Ensemble(
    make_model, seeds=[seed for _, seed in pairs], learning_rate=[rate for rate, _ in pairs]
)
history = sweep.fit(
    *(x, y),
    epochs=5 if options.small else 60,
    validation_split=0.25,
    callbacks=[keras.callbacks.TerminateOnNaN()],  # ends the members that diverge, not the others
    verbose=0,
)

finals = np.array([losses[-1] for losses in history["val_loss"]]).reshape(len(rates), len(seeds))
print(f"{len(pairs)} models in one program\n\n   rate   validation loss, by seed")
for rate, row in zip(rates, finals, strict=True):
    print(f"{rate:7.4f}" + "".join(f"{loss:10.4f}" for loss in row))
best = rates[np.nanargmin(finals.mean(axis=1))]
print(f"best: {best:.4f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
colors = plt.get_cmap("viridis")(np.linspace(0, 1, len(rates)))
for (rate, seed), losses in zip(pairs, history["val_loss"], strict=True):
    label = f"{rate:.2g}" if seed == 0 else None
    left.semilogy(losses, color=colors[list(rates).index(rate)], lw=1, label=label)
left.set(xlabel="epoch", ylabel="validation loss")
left.legend(title="rate", fontsize=7, ncols=3)
right.loglog(rates, finals, "o", color="C0", ms=4)
right.loglog(rates, finals.mean(axis=1), "-", color="C0")
right.set(xlabel="learning rate", ylabel="validation loss after the last epoch")
figure.savefig("sweep.png", dpi=100)
