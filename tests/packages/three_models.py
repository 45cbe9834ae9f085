"""A script of three models that says `import keras`: see tests/packages/drop_in.py."""

import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
EPOCHS, ROWS = 3, 2048


def train(model, x, classes):
    y = rng.integers(0, classes, len(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=EPOCHS, validation_split=0.1, verbose=0)
    model.evaluate(x, y, verbose=0)
    return model.predict(x[:256], verbose=0)


table = keras.Sequential(
    [
        keras.Input((30,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="relu"),
        layers.Dense(2, activation="softmax"),
    ]
)
train(table, rng.normal(size=(ROWS, 30)).astype("float32"), 2)

pictures = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
train(pictures, rng.random((ROWS, 28, 28, 1), "float32"), 10)

tokens = keras.Input((40,), dtype="int32")
h = layers.Embedding(1000, 32, mask_zero=True)(tokens)
h = layers.Bidirectional(layers.LSTM(16))(h)
texts = keras.Model(tokens, layers.Dense(5, activation="softmax")(h))
train(texts, rng.integers(1, 1000, (ROWS, 40)), 5)
