"""A transformer that learns to sort: its attention shows where each output looks."""

import argparse

import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()

LENGTH, SYMBOLS, WIDTH = 10, 20, 32
keras.utils.set_random_seed(42)
x = np.random.default_rng(42).integers(0, SYMBOLS, (12_000, LENGTH))
y = np.sort(x, axis=1)


class Block(layers.Layer):
    """Attention, and a network of two layers, each added to what came in."""

    def __init__(self, width, heads, **kwargs):
        super().__init__(**kwargs)
        self.width, self.heads = width, heads
        self.attention = layers.MultiHeadAttention(heads, width // heads)
        self.norms = [layers.LayerNormalization(), layers.LayerNormalization()]
        self.hidden = layers.Dense(2 * width, activation="gelu")
        self.out = layers.Dense(width)

    def look(self, x):
        """Returns how much each position looks at each: (batch, heads, to, from)."""
        h = self.norms[0](x)
        return self.attention(h, h, return_attention_scores=True)[1]

    def call(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h)
        return x + self.out(self.hidden(self.norms[1](x)))


class Sorter(keras.Model):
    def __init__(self):
        super().__init__()
        self.symbols = layers.Embedding(SYMBOLS, WIDTH)
        self.places = layers.Embedding(LENGTH, WIDTH)
        self.blocks = [Block(WIDTH, heads=2) for _ in range(2)]
        self.norm, self.head = layers.LayerNormalization(), layers.Dense(SYMBOLS)

    def embed(self, x):
        return self.symbols(x) + self.places(np.arange(LENGTH))

    def call(self, x):
        h = self.embed(x)
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h))


model = Sorter()
epochs = 1 if options.small else 12
steps = epochs * 10_000 // 100
rate = keras.optimizers.schedules.CosineDecay(5e-3, steps)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
history = model.fit(
    x[2000:],
    y[2000:],
    batch_size=100,
    epochs=epochs,
    validation_data=(x[:2000], y[:2000]),
    verbose=2,
)

row = x[:1]
answer = model.predict(row, verbose=0).argmax(axis=-1)
print("numbers:", *row[0])
print("sorted: ", *answer[0])
whole = (model.predict(x[:2000], verbose=0).argmax(axis=-1) == y[:2000]).all(axis=1).mean()
print(f"{whole:.1%} of 2,000 new rows are sorted without a mistake")

hidden = model.blocks[0](model.embed(row))
scores = np.asarray(model.blocks[1].look(hidden))[0]
figure, all_axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
all_axes[0].plot(range(1, epochs + 1), history.history["accuracy"], label="training")
all_axes[0].plot(range(1, epochs + 1), history.history["val_accuracy"], label="validation")
all_axes[0].set(xlabel="epoch", ylabel="accuracy of a number")
all_axes[0].legend()
for head, axes in enumerate(all_axes[1:]):
    axes.imshow(scores[head], cmap="Blues")
    axes.set_xticks(range(LENGTH), row[0])
    axes.set_yticks(range(LENGTH), answer[0])
    axes.set(xlabel="looks at", ylabel="writes", title=f"second block, head {head + 1}")
figure.savefig("transformer.png", dpi=100)
