"""Transfer learning: a network from a `.h5` file of Keras 3 learns new labels from few images.

`data/clothes.h5` was trained by real Keras to tell seven kinds of clothes in Fashion-MNIST. The new
task has other labels, for a shop: on which shelf things lie.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

SHELVES = {"summer": (0, 3), "winter": (2, 4), "all year": (1, 6, 8)}  # T-shirts and dresses; ...
FILE = Path(__file__).parent / "data" / "clothes.h5"


def with_shelves(images, labels):
    shelf = {kind: number for number, kinds in enumerate(SHELVES.values()) for kind in kinds}
    rows = np.isin(labels, list(shelf))
    return images[rows][..., None], np.array([shelf[kind] for kind in labels[rows]])


(x, y), test = keras.datasets.fashion_mnist.load_sample()
(x, y), (x_test, y_test) = with_shelves(x, y), with_shelves(*test)


def network(pretrained):
    """Returns the base without its head, and a model of it with a new head."""
    whole = keras.models.load_model(FILE, compile=False)
    if not pretrained:
        whole = keras.models.clone_model(whole)  # new weights
    base = keras.Model(whole.inputs, whole.get_layer("features").output, name="base")
    inputs = keras.Input((28, 28, 1))
    outputs = layers.Dense(3, activation="softmax")(base(inputs, training=False))
    return base, keras.Model(inputs, outputs)


def train(model, rate, epochs, count):
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    epochs = 2 if options.small else epochs
    model.fit(x[:count], y[:count], batch_size=10, epochs=epochs, verbose=0)
    return model.evaluate(x_test, y_test, batch_size=256, verbose=0)[1]


counts = (10, 30, 100)
rows = {"from scratch": [], "a new head": [], "then all, slowly": []}
for count in counts:
    keras.utils.set_random_seed(42)
    rows["from scratch"].append(train(network(pretrained=False)[1], 0.002, 40, count))
    base, model = network(pretrained=True)
    base.trainable = False  # only the head learns ...
    rows["a new head"].append(train(model, 0.02, 40, count))
    base.trainable = True  # ... and then everything, at a quarter of the rate
    rows["then all, slowly"].append(train(model, 0.0005, 20, count))

print(f"{'test accuracy with':20}" + "".join(f"{n:>6} images" for n in counts))
for name, accuracies in rows.items():
    print(f"{name:20}" + "".join(f"{a:13.1%}" for a in accuracies))
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for i, (name, accuracies) in enumerate(rows.items()):
    bars = axes.bar(np.arange(len(counts)) + 0.27 * (i - 1), accuracies, 0.25, label=name)
    axes.bar_label(bars, [f"{a:.0%}" for a in accuracies], fontsize=8)
axes.set(xlabel="images to learn from", ylabel="test accuracy", ylim=(0.3, 1))
axes.set_xticks(range(len(counts)), counts)
axes.legend(loc="upper left")
figure.savefig("transfer_learning.png", dpi=100)
