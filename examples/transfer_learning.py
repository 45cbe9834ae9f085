"""Transfer learning: a network from a `.h5` file that Keras 3 wrote learns shoes from few images.

`data/clothes.h5` was trained by real Keras on the seven classes of Fashion-MNIST that are not
shoes, and has never seen one. The new task has sandals, sneakers and boots.
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

SHOES = {5: "sandal", 7: "sneaker", 9: "ankle boot"}
FILE = Path(__file__).parent / "data" / "clothes.h5"


def shoes(images, labels):
    rows = np.isin(labels, list(SHOES))
    return images[rows][..., None], np.searchsorted(list(SHOES), labels[rows])


(x, y), test = keras.datasets.fashion_mnist.load_sample()
(x, y), (x_test, y_test) = shoes(x, y), shoes(*test)


def network(pretrained):
    """Returns the base without its head, and a model of it with a new head."""
    whole = keras.models.load_model(FILE, compile=False)
    if not pretrained:
        whole = keras.models.clone_model(whole)  # new weights
    base = keras.Model(whole.inputs, whole.get_layer("conv2d_2").output, name="base")
    inputs = keras.Input((28, 28, 1))
    features = layers.Dropout(0.3)(layers.Flatten()(base(inputs, training=False)))
    return base, keras.Model(inputs, layers.Dense(3, activation="softmax")(features))


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
    rows["a new head"].append(train(model, 0.002, 40, count))
    base.trainable = True  # ... and then everything, at a quarter of the rate
    rows["then all, slowly"].append(train(model, 0.0005, 20, count))

print(f"{'test accuracy with':20}" + "".join(f"{n:>6} images" for n in counts))
for name, accuracies in rows.items():
    print(f"{name:20}" + "".join(f"{a:13.1%}" for a in accuracies))
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for i, (name, accuracies) in enumerate(rows.items()):
    bars = axes.bar(np.arange(len(counts)) + 0.27 * (i - 1), accuracies, 0.25, label=name)
    axes.bar_label(bars, [f"{a:.0%}" for a in accuracies], fontsize=8)
axes.set(xlabel="images of shoes to learn from", ylabel="test accuracy", ylim=(0.3, 1))
axes.set_xticks(range(len(counts)), counts)
axes.legend(loc="lower right")
figure.savefig("transfer_learning.png", dpi=100)
