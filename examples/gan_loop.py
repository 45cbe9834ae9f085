"""A GAN as a loop over the pure core: two pure steps over two models, in one compiled program."""

import argparse

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax

import jkeras as keras
from jkeras import layers
from jkeras.training import make_chunk

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="a few steps only")
options = parser.parse_args()

generator = keras.Sequential(
    [keras.Input((8,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(2)]
)
critic = keras.Sequential(
    [keras.Input((2,)), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(1)]
)
tx = optax.adam(1e-3, b1=0.5)


def logits(params, points):
    return critic.apply((params, {}), points)[0]


def make_points(params, key, count=64):
    return generator.apply((params, {}), jax.random.normal(key, (count, 8)))[0]


def critic_loss(params, real, fake):
    return jnp.mean(jax.nn.softplus(-logits(params, real)) + jax.nn.softplus(logits(params, fake)))


def generator_loss(params, critic_params, key):
    return jnp.mean(jax.nn.softplus(-logits(critic_params, make_points(params, key))))


def step(state, key):
    k_real, k_fake, k_gen = jax.random.split(key, 3)
    angle = jax.random.uniform(k_real, (64,), maxval=2 * jnp.pi)
    real = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    g, c, g_opt, c_opt = state
    updates, c_opt = tx.update(jax.grad(critic_loss)(c, real, make_points(g, k_fake)), c_opt)
    c = optax.apply_updates(c, updates)
    updates, g_opt = tx.update(jax.grad(generator_loss)(g, c, k_gen), g_opt)
    return optax.apply_updates(g, updates), c, g_opt, c_opt


g, c = generator.init(jax.random.key(0)).params, critic.init(jax.random.key(1)).params
keys = jax.random.split(jax.random.key(2), 300 if options.small else 3000)
run = make_chunk(step, select=lambda _, key: key)
g, c, _, _ = run((g, c, tx.init(g), tx.init(c)), None, keys)
points = make_points(g, jax.random.key(3), 1000)
radius = jnp.linalg.norm(points, axis=1)
print(f"generated points: radius {radius.mean():.2f} +- {radius.std():.2f} (the circle's is 1)")

figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
axes.add_patch(plt.Circle((0, 0), 1, fill=False, color="0.6", lw=3, label="the circle"))
axes.plot(*points.T, ".", ms=3, label="points that were made")
axes.set(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
axes.legend(loc="upper right")
figure.savefig("gan_loop.png", dpi=100)
