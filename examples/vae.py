"""A variational autoencoder of Fashion-MNIST: a map of the codes, and images drawn from them."""

import argparse

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import jkeras as keras
from jkeras import layers

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few epochs only")
options = parser.parse_args()


class Sample(layers.Layer):
    """Draws a code, and adds the distance of its distribution from the normal one to the loss."""

    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight, self.seed = weight, keras.random.SeedGenerator(0)

    def call(self, inputs, training=False):
        mean, log_variance = inputs
        divergence = 0.5 * jnp.sum(jnp.exp(log_variance) + mean**2 - 1 - log_variance, axis=-1)
        self.add_loss(self.weight * jnp.mean(divergence))
        if not training:
            return mean
        noise = keras.random.normal(mean.shape, seed=self.seed)
        return mean + jnp.exp(0.5 * log_variance) * noise


class VAE(keras.Model):
    def __init__(self):
        super().__init__()
        self.encoder = keras.Sequential([layers.Flatten(), layers.Dense(256, activation="relu")])
        self.mean, self.log_variance = layers.Dense(2), layers.Dense(2)
        self.sample = Sample(weight=1 / 784)  # the other loss is a mean over 784 pixels
        self.decoder = keras.Sequential(
            [
                keras.Input((2,)),
                layers.Dense(256, activation="relu"),
                layers.Dense(784, activation="sigmoid"),
                layers.Reshape((28, 28)),
            ]
        )

    def code(self, images):
        return self.mean(self.encoder(images))

    def call(self, images, training=False):
        h = self.encoder(images)
        return self.decoder(self.sample([self.mean(h), self.log_variance(h)], training=training))


keras.utils.set_random_seed(42)
(x, _), (x_test, y_test) = keras.datasets.fashion_mnist.load_sample()
x, x_test = x.astype("float32") / 255, x_test.astype("float32") / 255
vae = VAE()
vae.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy", metrics=["mae"])
history = vae.fit(x, x, batch_size=100, epochs=2 if options.small else 40, verbose=0)

codes = np.asarray(vae.code(x_test))
steps = jax.scipy.stats.norm.ppf(jnp.linspace(0.05, 0.95, 12))  # as the codes are spread
grid = jnp.stack(jnp.meshgrid(steps, -steps), axis=-1).reshape(-1, 2)
images = np.asarray(vae.decoder(grid)).reshape(12, 12, 28, 28)
figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5.5))
points = left.scatter(*codes.T, c=y_test, cmap="tab10", s=6)
left.set(title="codes of test images, by class", xlabel="first number", ylabel="second number")
figure.colorbar(points, ax=left, ticks=range(10))
right.imshow(images.transpose(0, 2, 1, 3).reshape(12 * 28, 12 * 28), cmap="gray_r")
right.set(title="images of a grid of codes")
right.axis("off")
figure.tight_layout()
figure.savefig("vae.png", dpi=100)

first, last = history.history["loss"][0], history.history["loss"][-1]
print(f"loss of the first epoch {first:.3f}, of the last {last:.3f}")
error = vae.evaluate(x_test, x_test, verbose=0, return_dict=True)["mae"]
plain = float(np.abs(x_test - x.mean(axis=0)).mean())
print(f"mean error of a pixel: {error:.3f}; of the mean image: {plain:.3f}")
