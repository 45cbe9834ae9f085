"""Models of which no config says what they compute."""

import jax.numpy as jnp
import numpy as np

import jkeras as keras
from jkeras import layers, ops


class WideAndDeep(keras.Model):
    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [layers.Dense(units, activation="relu") for _ in range(2)]
        self.norm = layers.BatchNormalization()
        self.main, self.aux = layers.Dense(1), layers.Dense(1)

    def call(self, inputs, training=False):
        wide, deep = inputs
        for layer in self.hidden:
            deep = layer(deep)
        deep = self.norm(deep, training=training)
        return self.main(layers.concatenate([wide, deep])), self.aux(deep)


class Loop(keras.Model):
    def __init__(self, depth=3, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [layers.Dense(5, activation="tanh") for _ in range(depth)]
        self.head = layers.Dense(1)

    def call(self, x):
        for layer in self.hidden:
            x = layer(x)
        return self.head(x)


class Skipping(keras.Model):
    def __init__(self, skip=True, **kwargs):
        super().__init__(**kwargs)
        self.skip, self.hidden, self.head = skip, layers.Dense(5), layers.Dense(1)

    def call(self, x):
        z = self.hidden(x)
        if self.skip:
            z = z + x
        return self.head(z)


class Noisy(keras.Model):
    """Its two Dropouts are called in another order than that of their definition."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last, self.norm = layers.Dropout(0.4), layers.BatchNormalization()
        self.first, self.hidden, self.head = layers.Dropout(0.2), layers.Dense(8), layers.Dense(1)

    def call(self, x, training=None):
        x = self.norm(self.hidden(self.first(x, training=training)), training=training)
        return self.head(self.last(x, training=training))


class Named(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.mean, self.kind = layers.Dense(4), layers.Dense(1), layers.Dense(2)

    def call(self, inputs):
        z = self.hidden(ops.concatenate([inputs["left"], inputs["right"]], axis=-1))
        return {"mean": self.mean(z), "kind": self.kind(z)}


class Residual(layers.Layer):
    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.hidden = [layers.Dense(units, activation="elu") for _ in range(2)]
        self.drop = layers.Dropout(0.1)

    def call(self, x):
        z = x
        for layer in self.hidden:
            z = layer(z)
        return x + self.drop(z)


class Residuals(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.block, self.other = layers.Dense(6), Residual(6), Residual(6)
        self.head = layers.Dense(1)

    def call(self, x):
        z = self.first(x)
        for _ in range(3):
            z = self.block(z)
        return self.head(self.other(z))


class Attending(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = layers.MultiHeadAttention(2, 4)
        self.norm = layers.LayerNormalization()
        self.supports_masking = True

    def call(self, x, mask=None):
        pairs = None if mask is None else mask[:, None, :]
        return self.norm(x + self.attention(x, x, attention_mask=pairs))


class Masked(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(20, 8, mask_zero=True)
        self.positions = layers.Embedding(7, 8)
        self.block, self.memory, self.head = Attending(), layers.GRU(4), layers.Dense(1)

    def call(self, tokens):
        x = self.block(self.embedding(tokens))
        return self.head(self.memory(x + self.positions(ops.arange(7))))


class RawJax(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = layers.Dense(3)

    def call(self, x):
        return jnp.tanh(self.dense(jnp.sin(x)))


class AddsLoss(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.back = layers.Dense(6, activation="relu"), layers.Dense(5)
        self.head = layers.Dense(1)

    def call(self, x, training=None):
        z = self.hidden(x)
        self.add_loss(0.05 * ops.mean(ops.square(self.back(z) - x)))
        return self.head(z)


class Scale(layers.Layer):
    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")
        self.shift = self.add_weight(shape=(input_shape[-1],), name="shift", regularizer="l2")

    def call(self, x):
        return x * ops.exp(self.gain) + self.shift


class Nested(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner, self.scale = Residuals(), Scale()
        self.tail = keras.Sequential([layers.Dense(4), Scale(), layers.Dense(1)])

    def call(self, x):
        return self.tail(self.scale(x)) + self.inner(x)


class Branching(keras.Model):
    """It computes something else in training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.coarse, self.fine = layers.Dense(2), layers.Dense(2)

    def call(self, x, training=None):
        if training:
            self.add_loss(ops.mean(self.coarse(x)) ** 2)
            return self.coarse(x)
        return self.coarse(x) + 0.1 * self.fine(x)


class Patched(keras.Model):
    """A transformer of pictures, which asks for the sizes of what it is called on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.project, self.head = layers.Dense(4), layers.Dense(2)
        self.places = layers.Embedding(9, 4)
        self.attend = layers.MultiHeadAttention(2, 2)
        self.begin = self.add_weight(shape=(1, 1, 4), name="begin")

    def call(self, x):
        batch = ops.shape(x)[0]
        x = ops.image.extract_patches(x, size=2)
        x = self.project(ops.reshape(x, (batch, -1, x.shape[-1])))
        x = ops.concatenate([ops.broadcast_to(self.begin, (batch, 1, 4)), x], axis=1)
        x = x + self.places(ops.arange(ops.shape(x)[1]))
        x = x + self.attend(x, x)
        return self.head(ops.reshape(x, (x.shape[0], x.shape[1] * x.shape[2])))


_numbers = np.random.default_rng(0)
X = _numbers.normal(size=(48, 5)).astype("float32")
WIDE = _numbers.normal(size=(48, 3)).astype("float32")
TOKENS = _numbers.integers(0, 20, (48, 7))
PICTURES = _numbers.normal(size=(48, 4, 4, 1)).astype("float32")

RECORDED = {
    WideAndDeep: (WIDE, X),
    Loop: X,
    Skipping: X,
    Noisy: X,
    Named: {"left": X, "right": WIDE},
    Residuals: X,
    Masked: TOKENS,
    AddsLoss: X,
    Nested: X,
    Branching: X,
    Patched: PICTURES,
}
ALL = {**RECORDED, RawJax: X}
