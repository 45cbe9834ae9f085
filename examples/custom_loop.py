"""A training loop of one's own over what `fit` is made of: one pure step, compiled by the epoch."""

import argparse

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import jkeras as keras
from jkeras import layers, training

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--small", action="store_true", help="is taken, and changes nothing")
parser.parse_args()

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_sample()
model = keras.Sequential(
    [
        keras.Input((28, 28), dtype="uint8"),
        layers.Rescaling(1 / 255),
        layers.Flatten(),
        layers.Dense(100, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(10),
    ]
)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
objective = training.CompiledObjective(
    loss, metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
)
steps_per_epoch, epochs, batch_size = len(x_train) // 32, 8, 32
tx = optax.chain(  # any optax transformation
    optax.clip_by_global_norm(1.0),
    optax.adamw(optax.cosine_decay_schedule(2e-3, epochs * steps_per_epoch), weight_decay=1e-4),
)

step = training.make_train_step(model, objective, tx)  # (TrainState, Batch) -> TrainState
state = training.init_state(model, objective, tx, jax.random.key(0))
run = training.make_chunk(lambda state, rows: step(state, training.Batch(*rows)))
data = (jnp.asarray(x_train), [jnp.asarray(y_train)])  # the images stay uint8 on the device

rng = np.random.default_rng(0)
curves = []
for epoch in range(epochs):
    order = rng.permutation(len(x_train))[: steps_per_epoch * batch_size]
    slots = jnp.asarray(order.reshape(steps_per_epoch, batch_size), jnp.int32)
    state = run(state.replace(metrics=objective.init()), data, slots)  # one program, one epoch
    curves.append({name: float(v) for name, v in objective.compute(state.metrics).items()})
    print(epoch + 1, {name: round(value, 4) for name, value in curves[-1].items()})

logits, _ = jax.jit(model.apply)((state.params, state.state), jnp.asarray(x_test))
print(f"test accuracy {np.mean(np.argmax(logits, axis=1) == y_test):.3f}")

model.variables = (state.params, state.state)  # back into the model: predict, save, fit, ...
print(model.predict(x_test[:1], verbose=0).shape)

figure, all_axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
for axes, name in zip(all_axes, ("loss", "accuracy"), strict=True):
    axes.plot(range(1, epochs + 1), [values[name] for values in curves], "o-", ms=4)
    axes.set(xlabel="epoch", title=name)
figure.savefig("custom_loop.png", dpi=100)
