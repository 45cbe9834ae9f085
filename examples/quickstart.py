"""The whole story: data, three ways to build a model, training, curves, files, callbacks.

    python examples/quickstart.py            the embedded sample of Fashion-MNIST, under a minute
    python examples/quickstart.py --full     all 60,000 images

Everything is written into the folder `quickstart_output`.
"""

import argparse
import os
import time

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import jkeras as keras

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--full", action="store_true", help="all 60,000 images")
parser.add_argument("--out", default="quickstart_output", help="where to write")
options = parser.parse_args()
os.makedirs(options.out, exist_ok=True)
started = time.time()


def out(name):
    return os.path.join(options.out, name)


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
keras.utils.plot_model(model, out("model.png"), show_shapes=True)

model.compile(
    loss="sparse_categorical_crossentropy",
    optimizer=keras.optimizers.SGD(learning_rate=0.01 if options.full else 0.005),
    metrics=["accuracy"],
)
history = model.fit(x_train, y_train, epochs=30, validation_data=(x_valid, y_valid))
pd.DataFrame(history.history).plot(figsize=(8, 5))
plt.grid(True)
plt.ylim(0, 1)
plt.xlabel("epoch")
plt.savefig(out("curves.png"))

loss, accuracy = model.evaluate(x_test, y_test)
print(f"test accuracy {accuracy:.3f}")
probabilities = model.predict(x_test[:3], verbose=0)
print("three images:", [class_names[i] for i in probabilities.argmax(axis=1)])

# ------------------------------------------------------------------ 3. files
model.save(out("fashion.h5"))
again = keras.models.load_model(out("fashion.h5"))
same = np.allclose(again.predict(x_test[:3], verbose=0), probabilities, atol=1e-6)
print("the loaded model predicts the same:", same)

# ------------------------------------------------------------------ 4. the functional way
# Two inputs and two outputs: a wide part goes straight to the output, a deep part through layers.
rng = np.random.default_rng(0)
features = rng.normal(size=(4000, 8)).astype("float32")
target = (np.sin(features[:, :1]) + features[:, 3:4] * features[:, 5:6]).astype("float32")
wide, deep = features[:, :5], features[:, 2:]

input_a = keras.layers.Input(shape=[5], name="wide_input")
input_b = keras.layers.Input(shape=[6], name="deep_input")
hidden1 = keras.layers.Dense(30, activation="relu")(input_b)
hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
concat = keras.layers.concatenate([input_a, hidden2])
output = keras.layers.Dense(1, name="output")(concat)
aux_output = keras.layers.Dense(1, name="aux_output")(hidden2)
functional = keras.models.Model(inputs=[input_a, input_b], outputs=[output, aux_output])
functional.compile(loss="mse", loss_weights=[0.9, 0.1], optimizer="adam")
functional.fit([wide, deep], target, epochs=5, validation_split=0.2)  # one target for both outputs
keras.utils.plot_model(functional, out("functional.png"), show_shapes=True)


# ------------------------------------------------------------------ 5. a subclass
class WideAndDeepModel(keras.models.Model):
    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.hidden1 = keras.layers.Dense(units, activation=activation)
        self.hidden2 = keras.layers.Dense(units, activation=activation)
        self.main_output = keras.layers.Dense(1)
        self.aux_output = keras.layers.Dense(1)

    def call(self, inputs):
        input_a, input_b = inputs
        hidden = self.hidden2(self.hidden1(input_b))
        concat = keras.layers.concatenate([input_a, hidden])
        return self.main_output(concat), self.aux_output(hidden)


subclass = WideAndDeepModel(30)
subclass.compile(loss="mse", loss_weights=[0.9, 0.1], optimizer="adam")

# ------------------------------------------------------------------ 6. callbacks
callbacks = [
    keras.callbacks.ModelCheckpoint(
        out("best.weights.h5"), save_best_only=True, save_weights_only=True
    ),
    keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
    keras.callbacks.TensorBoard(out("logs")),
]
history = subclass.fit(
    (wide, deep),
    (target, target),
    epochs=40,
    verbose=0,
    validation_split=0.2,
    callbacks=callbacks,
)
print(f"the subclass trained for {len(history.epoch)} epochs")
total, main, aux = subclass.evaluate((wide, deep), (target, target), verbose=0)
print(f"total loss {total:.3f}, main {main:.3f}, auxiliary {aux:.3f}")
print(f"see {options.out}/: model.png, curves.png, and `tensorboard --logdir {out('logs')}`")
print("(that command needs `pip install tensorboard`)")
print(f"{time.time() - started:.0f} seconds")
