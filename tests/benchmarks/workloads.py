"""The models that are timed: once as Keras code, once written by hand in JAX.

Both compute the same: `Workload.check` compares their losses from the same weights.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclasses.dataclass
class Workload:
    """One thing to train.

    Attributes:
        name: What it is called in the table.
        rows: How many samples.
        make_data: A function of a NumPy generator and a number of rows: (x, y).
        build: A function of a `keras` module: the model, not compiled.
        forward: A function of (weights as a list in Keras's order, x): the outputs, by hand.
        loss: "mse" or "sparse_categorical_crossentropy".
        optimizer: "sgd" or "adam".
    """

    name: str
    rows: int
    make_data: Callable[..., Any]
    build: Callable[[Any], Any]
    forward: Callable[[list, Any], Any]
    loss: str = "mse"
    optimizer: str = "sgd"
    batch_size: int = 32

    def hand_loss(self, weights, x, y):
        """The mean loss over a batch, by hand."""
        outputs = self.forward(weights, x)
        if self.loss == "mse":
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return sum(jnp.mean((o - t) ** 2) for o, t in zip(outputs, jax.tree.leaves(y)))
        # As Keras: the softmax is the model's last layer, and probabilities are clipped.
        p = jnp.clip(outputs, 1e-7, 1 - 1e-7)
        log_p = jnp.log(p / jnp.sum(p, axis=-1, keepdims=True))
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None].astype("int32"), axis=1))


def dense(weights, x):
    kernel, bias = weights
    return x @ kernel + bias


# ------------------------------------------------------------------ regression nets
def regression_data(rng, rows):
    x = rng.normal(size=(rows, 8)).astype("float32")
    return x, (np.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]).astype("float32")


def build_regression(keras):
    return keras.Sequential(
        [
            keras.Input((8,)),
            keras.layers.Dense(30, activation="relu"),
            keras.layers.Dense(30, activation="relu"),
            keras.layers.Dense(1),
        ]
    )


def regression_forward(w, x):
    h = jax.nn.relu(dense(w[0:2], x))
    return dense(w[4:6], jax.nn.relu(dense(w[2:4], h)))


def wide_and_deep_data(rng, rows):
    x, y = regression_data(rng, rows)
    return [x[:, :5], x[:, 2:]], [y, y]


def build_wide_and_deep(keras):
    wide, deep = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    hidden = keras.layers.Dense(30, activation="relu")(deep)
    hidden = keras.layers.Dense(30, activation="relu")(hidden)
    both = keras.layers.Concatenate()([wide, hidden])
    outputs = [keras.layers.Dense(1, name="a")(both), keras.layers.Dense(1, name="b")(hidden)]
    return keras.Model([wide, deep], outputs)


def wide_and_deep_forward(w, x):
    wide, deep = x
    hidden = jax.nn.relu(dense(w[2:4], jax.nn.relu(dense(w[0:2], deep))))
    return dense(w[4:6], jnp.concatenate([wide, hidden], axis=-1)), dense(w[6:8], hidden)


# ------------------------------------------------------------------ images
def image_data(shape):
    def make(rng, rows):
        x = rng.integers(0, 256, size=(rows, *shape)).astype("float32") / 255
        return x, rng.integers(0, 10, size=rows).astype("int32")

    return make


def build_mlp(keras):
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def mlp_forward(w, x):
    h = jax.nn.relu(dense(w[0:2], x.reshape(x.shape[0], -1)))
    return jax.nn.softmax(dense(w[4:6], jax.nn.relu(dense(w[2:4], h))))


def build_convnet(keras):
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(16, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def conv(weights, x):
    kernel, bias = weights
    y = lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    return y + bias


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def convnet_forward(w, x):
    h = pool(jax.nn.relu(conv(w[0:2], x)))
    h = pool(jax.nn.relu(conv(w[2:4], h)))
    return jax.nn.softmax(dense(w[4:6], h.reshape(h.shape[0], -1)))


# ------------------------------------------------------------------ sequences
def sequence_data(rng, rows):
    x = rng.normal(size=(rows, 20, 8)).astype("float32")
    return x, rng.integers(0, 10, size=rows).astype("int32")


def build_lstm(keras):
    return keras.Sequential(
        [
            keras.Input((20, 8)),
            keras.layers.LSTM(32),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def lstm_forward(w, x):
    kernel, recurrent, bias = w[0:3]
    units = recurrent.shape[0]
    projected = jnp.swapaxes(x @ kernel + bias, 0, 1)

    def step(carry, z):
        h, c = carry
        i, f, g, o = jnp.split(z + h @ recurrent, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), None

    zeros = jnp.zeros((x.shape[0], units))
    (h, _), _ = lax.scan(step, (zeros, zeros), projected)
    return jax.nn.softmax(dense(w[3:5], h))


def build_transformer(keras):
    inputs = keras.Input((20, 8))
    x = keras.layers.Dense(32)(inputs)
    h = keras.layers.MultiHeadAttention(4, 8)(x, x)
    x = keras.layers.LayerNormalization()(keras.layers.Add()([x, h]))
    h = keras.layers.Dense(32)(keras.layers.Dense(64, activation="relu")(x))
    x = keras.layers.LayerNormalization()(keras.layers.Add()([x, h]))
    x = keras.layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(x))


def layer_norm(weights, x):
    gamma, beta = weights
    mean = x.mean(-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + 1e-3) * gamma + beta


def transformer_forward(w, x):
    x = dense(w[0:2], x)
    q, k, v = (jnp.einsum("btd,dhk->bthk", x, w[i]) + w[i + 1] for i in (2, 4, 6))
    h = jax.nn.dot_product_attention(q, k, v)
    h = jnp.einsum("bthk,hkd->btd", h, w[8]) + w[9]
    x = layer_norm(w[10:12], x + h)
    h = dense(w[14:16], jax.nn.relu(dense(w[12:14], x)))
    x = layer_norm(w[16:18], x + h)
    return jax.nn.softmax(dense(w[18:20], x.mean(axis=1)))


CLASSES = "sparse_categorical_crossentropy"
WORKLOADS = [
    Workload("regression", 11_610, regression_data, build_regression, regression_forward),
    Workload(
        "wide and deep", 11_610, wide_and_deep_data, build_wide_and_deep, wide_and_deep_forward
    ),
    Workload("Fashion-MNIST MLP", 55_000, image_data((28, 28)), build_mlp, mlp_forward, CLASSES),
    Workload(
        "convnet", 2_000, image_data((28, 28, 1)), build_convnet, convnet_forward, CLASSES, "adam"
    ),
    Workload("LSTM", 4_000, sequence_data, build_lstm, lstm_forward, CLASSES, "adam"),
    Workload(
        "transformer", 4_000, sequence_data, build_transformer, transformer_forward, CLASSES, "adam"
    ),
]
