"""The programs that are timed against each other on a workload: each trains one epoch a call."""

import functools
import importlib.util
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from tests.benchmarks import tables


class Program:
    """Something that trains; a subclass writes `prepare` and `epoch`.

    Args:
        workload: The workload.
        x: Inputs.
        y: Targets.
        weights: The weights to start from, in Keras's order.
    """

    name = ""

    def __init__(self, workload, x, y, weights):
        self.workload, self.x, self.y, self.weights = workload, x, y, weights
        self.prepare()

    def prepare(self):
        """Makes the model and whatever stays from epoch to epoch."""

    def epoch(self, count=1):
        """Trains `count` epochs; returns when they have ended."""

    @property
    def rows(self):
        return len(jax.tree.leaves(self.y)[0])


def transformation(workload):
    return optax.sgd(0.01) if workload.optimizer == "sgd" else optax.adam(1e-3)


class HandScan(Program):
    """One `lax.scan` over the epoch, with the data on the device: the limit."""

    name = "scan by hand"
    unroll = 1

    def prepare(self):
        tx, loss = transformation(self.workload), self.workload.hand_loss
        size = self.workload.batch_size
        self.data = jax.tree.map(jnp.asarray, (self.x, self.y))
        params = [jnp.array(w) for w in self.weights]
        self.state = (params, tx.init(params))
        self.steps = self.rows // size

        def step(carry, batch):
            params, opt, total = carry
            value, grads = jax.value_and_grad(loss)(params, *batch)
            updates, opt = tx.update(grads, opt, params)
            return (
                optax.apply_updates(params, updates),
                opt,
                total + value * len(jax.tree.leaves(batch)[0]),
            ), None

        @functools.partial(jax.jit, donate_argnums=0)
        def run(state, data, order):
            def one(carry, rows):
                return step(carry, jax.tree.map(lambda a: a[rows], data))

            cut = self.steps * size
            carry, _ = lax.scan(
                one, (*state, jnp.zeros(())), order[:cut].reshape(-1, size), unroll=self.unroll
            )
            if cut < order.shape[0]:
                carry, _ = one(carry, order[cut:])
            return carry[:2], carry[2] / order.shape[0]

        self.run, self.rng = run, np.random.default_rng(0)

    def one(self):
        """Starts an epoch; returns its loss, on the device."""
        order = self.rng.permutation(self.rows).astype("int32")
        self.state, loss = self.run(self.state, self.data, order)
        return loss

    def epoch(self, count=1):
        for _ in range(count):
            loss = self.one()
        float(loss)


class HandSteps(HandScan):
    """A jitted step a batch, called from Python: what most hand-written loops are."""

    name = "jitted steps by hand"

    def prepare(self):
        super().prepare()
        tx, loss = transformation(self.workload), self.workload.hand_loss

        @functools.partial(jax.jit, donate_argnums=(0, 1))
        def step(params, opt, x, y):
            value, grads = jax.value_and_grad(loss)(params, x, y)
            updates, opt = tx.update(grads, opt, params)
            return optax.apply_updates(params, updates), opt, value

        self.step = step

    def epoch(self, count=1):
        size = self.workload.batch_size
        params, opt = self.state
        for _ in range(count):
            order = self.rng.permutation(self.rows)
            for start in range(0, self.rows, size):
                rows = order[start : start + size]
                x, y = jax.tree.map(lambda a, rows=rows: a[rows], (self.x, self.y))
                params, opt, value = self.step(params, opt, x, y)
        float(value)
        self.state = params, opt


class FitProgram(Program):
    """`fit` of a `keras`-like module."""

    options: dict = {}
    compile_options: dict = {}

    @property
    def keras(self):
        raise NotImplementedError

    def prepare(self):
        keras, workload = self.keras, self.workload
        self.model = workload.build(keras)
        self.model.set_weights(self.weights)
        rate = 0.01 if workload.optimizer == "sgd" else 1e-3
        optimizer = (
            keras.optimizers.SGD if workload.optimizer == "sgd" else keras.optimizers.Adam
        )(rate)
        self.model.compile(loss=workload.loss, optimizer=optimizer, **self.compile_options)

    def epoch(self, count=1):
        size = self.workload.batch_size
        self.model.fit(self.x, self.y, epochs=count, batch_size=size, verbose=0, **self.options)


class JKeras(FitProgram):
    name = "jkeras"

    @property
    def keras(self):
        import jkeras

        return jkeras


class Keras(FitProgram):
    """Keras 3 on JAX, as it comes."""

    name = "Keras"

    @property
    def keras(self):
        import keras

        return keras


class KerasTuned(Keras):
    """Keras 3 on JAX with the `steps_per_execution` that was best here: 32."""

    name = "Keras, steps_per_execution=32"
    compile_options = {"steps_per_execution": 32}


def initial_weights(workload, seed=0):
    """Returns weights in Keras's order and shapes, drawn with NumPy."""
    import jkeras

    model = workload.build(jkeras)
    rng = np.random.default_rng(seed)
    return [
        (rng.normal(size=w.shape) / np.sqrt(max(1, int(np.prod(w.shape[:-1]))))).astype("float32")
        if w.ndim > 1
        else np.asarray(w)
        for w in model.get_weights()
    ]


class FlaxLoop(HandSteps):
    """A loop over Flax NNX: a jitted step a batch over a module and an `nnx.Optimizer`."""

    name = "Flax NNX loop"

    def prepare(self):
        from flax import nnx

        workload = self.workload
        super().prepare()

        class Net(nnx.Module):
            def __init__(self, weights):
                self.weights = nnx.List([nnx.Param(jnp.array(w)) for w in weights])

            def loss(self, x, y):
                return workload.hand_loss([w[...] for w in self.weights], x, y)

        net = Net(self.weights)
        optimizer = nnx.Optimizer(net, transformation(workload), wrt=nnx.Param)

        @nnx.jit
        def train(net, optimizer, x, y):
            value, grads = nnx.value_and_grad(lambda net: net.loss(x, y))(net)
            optimizer.update(net, grads)
            return value

        self.step = lambda params, opt, x, y: (params, opt, train(net, optimizer, x, y))


def has(package):
    """Says whether a package is installed."""
    return importlib.util.find_spec(package) is not None


def interleave(programs, rounds, epochs, first=1):
    """Times programs in turn; returns a list of seconds an epoch for each.

    What a call of `fit` takes once, whatever the number of its epochs, is taken off: the time of a
    call of `first` epochs is subtracted from that of a call of so many more.
    """

    def calls(count):
        return {p.name: (lambda p=p: p.epoch(count)) for p in programs}

    times = {p.name: [] for p in programs}
    for _ in range(rounds):
        short, long = tables.race(calls(first), 1), tables.race(calls(first + epochs), 1)
        for name, seconds in times.items():
            seconds.append((long[name][0] - short[name][0]) / epochs)
    return times
