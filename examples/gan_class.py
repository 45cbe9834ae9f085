"""A GAN as a class: a `train_step` of its own, an optimizer for each of its networks, `fit`."""

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
NOISE = 8


def mlp(inputs, outputs, name):
    hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)], name=name)


class GAN(keras.Model):
    def __init__(self):
        super().__init__()
        self.generator, self.critic = mlp(NOISE, 2, "generator"), mlp(2, 1, "critic")

    def call(self, noise, real):
        return self.critic(self.generator(noise)), self.critic(real)

    def train_step(self, state, data):
        weights, others, optimizer, metrics = state
        key = jax.random.fold_in(state.rng, state.step)
        noise = jax.random.normal(key, (data.shape[0], NOISE))

        def losses(weights):
            (fake, real), _ = self.stateless_call(weights, others, noise, data)
            of_generator = jnp.mean(jax.nn.softplus(-fake))
            return of_generator, jnp.mean(jax.nn.softplus(-real) + jax.nn.softplus(fake))

        g_loss, c_loss = losses(weights)
        of_generator, of_critic = jax.jacrev(losses)(weights)
        gradients = [  # each network moves by the gradient of its own loss
            g if variable.path.startswith("generator") else c
            for variable, g, c in zip(self.trainable_variables, of_generator, of_critic)
        ]
        weights, optimizer = self.optimizer.stateless_apply(optimizer, gradients, weights)
        return {"generator": g_loss, "critic": c_loss}, (weights, others, optimizer, metrics)


keras.utils.set_random_seed(42)
rng = np.random.default_rng(42)
angle = 2 * np.pi * rng.integers(0, 8, 4096) / 8  # eight clouds of points on a circle
clouds = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(4096, 2))
clouds = clouds.astype("float32")

gan = GAN()
gan(np.zeros((1, NOISE)), clouds[:1])  # builds it
optimizers = keras.optimizers.OptimizerMap(keras.optimizers.Adam(1e-3, beta_1=0.5))
optimizers["critic/.*"] = keras.optimizers.Adam(2e-3, beta_1=0.5)
gan.compile(keras.optimizers.MultiOptimizer(optimizers))
epochs = 3 if options.small else 150
history = gan.fit(clouds, batch_size=128, epochs=epochs, verbose=0)

made = gan.generator.predict(rng.normal(size=(1000, NOISE)), batch_size=1000, verbose=0)
centers = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], axis=1)
distance = np.linalg.norm(made[:, None] - centers, axis=2)
counts = np.bincount(distance.argmin(axis=1)[distance.min(axis=1) < 0.25], minlength=8)
print("points that were made in each of the eight clouds, of 1000:", *counts)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
left.plot(history.history["generator"], label="generator")
left.plot(history.history["critic"], label="critic")
left.set(xlabel="epoch", ylabel="loss")
left.legend()
right.plot(*clouds[:1000].T, ".", ms=3, color="0.7", label="real")
right.plot(*made.T, ".", ms=3, label="made")
right.set(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
right.legend(loc="upper right")
figure.savefig("gan_class.png", dpi=100)
