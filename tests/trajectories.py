"""Training runs that are the same program for Keras and for this library.

`tests/interop/test_trajectories.py` runs both side by side and writes what Keras gave to
`tests/golden/trajectories.npz`; `tests/test_trajectories.py` compares with that file.
"""

import numpy as np


def data(shape, count, seed):
    """Returns standard normal float32 numbers."""
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype("float32")


def set_initial_weights(model, seed):
    """Gives a model weights that both libraries can draw alike: NumPy's, scaled by fan-in."""
    rng = np.random.default_rng(seed)
    arrays = []
    for weight in model.get_weights():
        if weight.ndim > 1:
            arrays.append(rng.normal(size=weight.shape) / np.sqrt(np.prod(weight.shape[:-1])))
        else:  # biases, and BatchNormalization's gamma, beta, mean and variance
            arrays.append(weight + 0.01 * np.abs(rng.normal(size=weight.shape)))
    model.set_weights([a.astype("float32") for a in arrays])


def mlp(keras, images, labels):
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    set_initial_weights(model, 1)
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=0.01),
        metrics=["accuracy"],
    )
    return model, images.astype("float32") / 255, labels.astype("int32")


def wide_and_deep(keras):
    wide = keras.Input((5,), name="wide_input")
    deep = keras.Input((6,), name="deep_input")
    hidden = keras.layers.Dense(30, activation="relu")(deep)
    hidden = keras.layers.Dense(30, activation="relu")(hidden)
    both = keras.layers.Concatenate()([wide, hidden])
    output = keras.layers.Dense(1, name="output")(both)
    aux_output = keras.layers.Dense(1, name="aux_output")(hidden)
    model = keras.Model([wide, deep], [output, aux_output])
    set_initial_weights(model, 2)
    model.compile(
        loss=["mse", "mae"],
        loss_weights=[0.9, 0.1],
        optimizer=keras.optimizers.SGD(learning_rate=0.01, momentum=0.9, nesterov=True),
    )
    x = data((8,), 1000, 3)
    y = np.sin(x[:, :1]) + x[:, 3:4] * x[:, 5:6]
    return model, [x[:, :5], x[:, 2:]], [y, y]


def normalized(keras):
    model = keras.Sequential(
        [
            keras.Input((12,)),
            keras.layers.Dense(16, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(0.0),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    set_initial_weights(model, 4)
    model.compile(
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        optimizer=keras.optimizers.SGD(learning_rate=0.05),
        metrics=["accuracy"],
    )
    x = data((12,), 500, 5)
    y = np.eye(4, dtype="float32")[np.argmax(x[:, :4] + 0.3 * x[:, 4:8], axis=1)]
    return model, x, y


def convolutional(keras):
    """What `fit` on a CPU does not leave to XLA: gradients of convolutions, and depthwise ones."""
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            keras.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            keras.layers.Conv2D(70, 3, activation="relu"),
            keras.layers.Conv2D(6, 1),
            keras.layers.Conv2DTranspose(8, 3, strides=2, padding="same"),
            keras.layers.DepthwiseConv2D(3),
            keras.layers.SeparableConv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    set_initial_weights(model, 6)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, data((12, 12, 2), 100, 7), np.arange(100) % 3


def run(keras, name, images, labels):
    """Trains one of the models over three epochs; returns its losses and final weights."""
    if name == "mlp":
        model, x, y = mlp(keras, images, labels)
    else:
        model, x, y = globals()[name](keras)
    history = model.fit(x, y, epochs=3, batch_size=32, shuffle=False, verbose=0)
    return {
        "losses": {k: np.asarray(v, "float64") for k, v in sorted(history.history.items())},
        "weights": [np.asarray(w) for w in model.get_weights()],
    }


NAMES = ("mlp", "wide_and_deep", "normalized", "convolutional")


def thin(weight):
    """Returns at most about 2,000 evenly spread entries: what the golden file keeps of a weight."""
    flat = np.asarray(weight).ravel()
    return flat[:: max(1, flat.size // 2000)]
