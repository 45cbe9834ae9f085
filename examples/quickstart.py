"""The whole story: data, three ways to build a model, training, curves, files, callbacks.

    python examples/quickstart.py            the embedded sample of Fashion-MNIST, under a minute
    python examples/quickstart.py --full     all 60,000 images

Everything is written into the folder `quickstart_output`.
"""

import argparse
import os
import shutil
import time

import numpy as np

import jkeras as keras

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true", help="all 60,000 images")
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()
folder = "quickstart_output"
os.makedirs(folder, exist_ok=True)
started = time.time()

# ------------------------------------------------------------------ 1. data
keras.utils.set_random_seed(42)
fashion_mnist = keras.datasets.fashion_mnist
load = fashion_mnist.load_data if options.full else fashion_mnist.load_sample
(x_train_full, y_train_full), (x_test, y_test) = load()
n_valid = len(x_train_full) // 12
x_valid, x_train = x_train_full[:n_valid] / 255.0, x_train_full[n_valid:] / 255.0
y_valid, y_train = y_train_full[:n_valid], y_train_full[n_valid:]
x_test = x_test / 255.0
class_names = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]
print(f"{len(x_train)} images to train, {len(x_valid)} to validate, {len(x_test)} to test")

# ------------------------------------------------------------------ 2. a Sequential model
model = keras.models.Sequential(
    [
        keras.layers.Flatten(input_shape=[28, 28]),
        keras.layers.Dense(300, activation="relu"),
        keras.layers.Dense(100, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
keras.utils.plot_model(model, f"{folder}/model.png", show_shapes=True)

sgd = keras.optimizers.SGD(learning_rate=0.01 if options.full else 0.005)
model.compile(loss="sparse_categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
epochs = 3 if options.small else 30
history = model.fit(x_train, y_train, epochs=epochs, validation_data=(x_valid, y_valid))
history.plot().savefig(f"{folder}/curves.png")

loss, accuracy = model.evaluate(x_test, y_test)
print(f"test accuracy {accuracy:.3f}")
probabilities = model.predict(x_test[:3], verbose=0)
print("three images:", [class_names[i] for i in probabilities.argmax(axis=1)])

# ------------------------------------------------------------------ 3. files
model.save(f"{folder}/fashion.h5")
again = keras.models.load_model(f"{folder}/fashion.h5")
same = np.allclose(again.predict(x_test[:3], verbose=0), probabilities, atol=1e-6)
print("the loaded model predicts the same:", same)

# ------------------------------------------------------------------ 4. the functional way
# Two inputs: a wide part goes straight to the output, a deep part through layers.
rng = np.random.default_rng(0)
features = rng.normal(size=(4000, 8)).astype("float32")
target = (np.sin(features[:, :1]) + features[:, 3:4] * features[:, 5:6]).astype("float32")
wide, deep = features[:, :5], features[:, 2:]

input_a = keras.layers.Input(shape=[5], name="wide_input")
input_b = keras.layers.Input(shape=[6], name="deep_input")
hidden1 = keras.layers.Dense(30, activation="relu")(input_b)
hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
output = keras.layers.Dense(1, name="output")(keras.layers.concatenate([input_a, hidden2]))
functional = keras.models.Model(inputs=[input_a, input_b], outputs=[output])
functional.compile(loss="mse", optimizer="adam")
functional.fit([wide, deep], target, epochs=5, validation_split=0.2)
keras.utils.plot_model(functional, f"{folder}/functional.png", show_shapes=True)


# ------------------------------------------------------------------ 5. a subclass, and callbacks
class WideAndDeep(keras.models.Model):
    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.hidden1 = keras.layers.Dense(units, activation=activation)
        self.hidden2 = keras.layers.Dense(units, activation=activation)
        self.main_output = keras.layers.Dense(1)

    def call(self, inputs):
        input_a, input_b = inputs
        hidden = self.hidden2(self.hidden1(input_b))
        return self.main_output(keras.layers.concatenate([input_a, hidden]))


subclass = WideAndDeep(30)
subclass.compile(loss="mse", optimizer="adam")
callbacks = [
    keras.callbacks.ModelCheckpoint(f"{folder}/best.keras", save_best_only=True),
    keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
    keras.callbacks.TensorBoard(f"{folder}/logs"),
]
more = {"epochs": 40, "validation_split": 0.2, "callbacks": callbacks, "verbose": 0}
history = subclass.fit((wide, deep), target, **more)
print(f"the subclass trained for {len(history.epoch)} epochs")
best = keras.models.load_model(f"{folder}/best.keras")
print(f"loss of the best one, from its file: {best.evaluate((wide, deep), target, verbose=0):.3f}")
shutil.copyfile(f"{folder}/curves.png", "quickstart.png")
print(f"see {folder}/, and `tensorboard --logdir {folder}/logs` (pip install tensorboard)")
print(f"{time.time() - started:.0f} seconds")
