"""Compares a dense network, a convolutional one, and one with augmented images on Fashion-MNIST."""

import argparse

import matplotlib.pyplot as plt

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="one epoch only")
parser.add_argument("--full", action="store_true", help="all 60,000 images instead of a sample")
options = parser.parse_args()

keras.utils.set_random_seed(42)
data = keras.datasets.fashion_mnist
(x, y), (x_test, y_test) = data.load_data() if options.full else data.load_sample()
x, x_test = x[..., None], x_test[..., None]  # bytes: the model scales them


def block(filters):
    return [
        layers.Conv2D(filters, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),  # there are few steps to average over
        layers.ReLU(),
        layers.MaxPooling2D(),
    ]


def head():
    return [layers.Dropout(0.3), layers.Dense(10, activation="softmax")]


augmentation = [layers.RandomFlip("horizontal"), layers.RandomTranslation(0.08, 0.08)]
stacks = {
    "dense": [layers.Flatten(), layers.Dense(128, activation="relu"), *head()],
    "convolutions": [*block(16), *block(32), layers.Flatten(), *head()],
    "augmented": [*augmentation, *block(16), *block(32), layers.Flatten(), *head()],
}
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
print(f"{'':14}{'weights':>9}{'training':>10}{'test':>8}")
for name, stack in stacks.items():
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), *stack])
    model.compile(
        keras.optimizers.Adam(2e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    epochs = 1 if options.small else 6
    history = model.fit(
        x, y, batch_size=64, epochs=epochs, validation_data=(x_test, y_test), verbose=0
    )
    accuracy = history.history["val_accuracy"][-1]
    axes.plot(range(1, epochs + 1), history.history["val_accuracy"], "o-", ms=3, label=name)
    print(
        f"{name:14}{model.count_params():9,}{history.history['accuracy'][-1]:10.1%}{accuracy:8.1%}"
    )
axes.set(xlabel="epoch", ylabel="accuracy on test images")
axes.legend()
figure.savefig("convnet.png", dpi=100)
