"""Models of equal structure share compiled programs; others never do."""

import gc
import logging
import threading
import weakref

import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers

pytestmark = pytest.mark.usefixtures("own_programs")

X = np.random.default_rng(0).normal(size=(48, 6)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
factor = 2.0


def compilations(caplog):
    return sum(record.message.startswith("Compiling a") for record in caplog.records)


@pytest.fixture
def compiled(caplog):
    caplog.set_level(logging.DEBUG, logger="jkeras")
    return lambda: compilations(caplog)


def fit(model, **compile_arguments):
    model.compile(**{"optimizer": "sgd", "loss": "mse", **compile_arguments})
    model.fit(X, Y, epochs=2, verbose=0, validation_data=(X[:8], Y[:8]))
    return model


def net(rate=0.25, units=5, activation="tanh", **options):
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(units, activation=activation, **options),
            layers.BatchNormalization(),
            layers.Dropout(rate),
            layers.Dense(1),
        ]
    )


class Scaled(layers.Layer):
    """A layer of a user's, which reads a global."""

    def __init__(self, power=1, **kwargs):
        super().__init__(**kwargs)
        self.power = power
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x) ** self.power * factor


def functional():
    x = keras.Input((6,))
    h = layers.Dense(4, activation="relu", kernel_regularizer="l2")(x)
    return keras.Model(x, layers.Dense(1)(keras.ops.concatenate([h * 2, x], axis=-1)))


def subclass():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.blocks = [layers.Dense(3), Scaled()]

        def call(self, x, training=False):
            for block in self.blocks:
                x = block(x)
            return x

    return Net()


@pytest.mark.parametrize("make", [net, functional, subclass])
def test_an_equal_model_compiles_nothing_and_learns_the_same(make, compiled):
    histories = []
    for _ in range(3):
        keras.utils.set_random_seed(3)
        model = fit(make(), optimizer=keras.optimizers.Adam(1e-2), metrics=["mae"])
        histories.append((model.history.history, model.predict(X, verbose=0)))
        if len(histories) == 1:
            first = compiled()
    assert first >= 2
    assert compiled() == first
    for history, outputs in histories[1:]:
        assert history == histories[0][0]
        np.testing.assert_array_equal(outputs, histories[0][1])


def test_weights_seeds_and_learning_rates_are_arguments(compiled):
    keras.utils.set_random_seed(1)
    a = fit(net(), optimizer=keras.optimizers.SGD(0.1))
    before = compiled()
    b = fit(net(), optimizer=keras.optimizers.SGD(0.1))  # draws on from the seed
    c = fit(net(), optimizer=keras.optimizers.SGD(0.001))
    assert compiled() == before
    losses = [model.history.history["loss"][-1] for model in (a, b, c)]
    assert len(set(losses)) == 3
    kernels = [model.layers[0].kernel.numpy() for model in (a, b, c)]
    assert not np.array_equal(kernels[0], kernels[1])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda: net(rate=0.25), lambda: net(rate=0.5)),
        (lambda: net(activation="tanh"), lambda: net(activation="relu")),
        (lambda: net(activation=lambda x: x * 2), lambda: net(activation=lambda x: x * 3)),
        (lambda: net(kernel_regularizer="l1"), lambda: net(kernel_regularizer="l2")),
        (
            lambda: net(kernel_constraint="non_neg"),
            lambda: net(kernel_constraint="unit_norm"),
        ),
        (
            lambda: keras.Sequential([layers.Dense(1), Scaled(1)]),
            lambda: keras.Sequential([layers.Dense(1), Scaled(2)]),
        ),
        (
            lambda: keras.Sequential([layers.Lambda(lambda x: x + jnp.ones(6)), layers.Dense(1)]),
            lambda: keras.Sequential([layers.Lambda(lambda x: x - jnp.ones(6)), layers.Dense(1)]),
        ),
    ],
)
def test_what_computes_something_else_is_compiled_by_itself(one, other, compiled):
    fit(one())
    before = compiled()
    fit(other())
    assert compiled() > before


@pytest.mark.parametrize(
    "change",
    [
        {"loss": "mae"},
        {"loss": keras.losses.Huber(0.5)},
        {"optimizer": keras.optimizers.SGD(momentum=0.5)},
        {"optimizer": keras.optimizers.SGD(clipnorm=1.0)},
        {"loss_weights": 0.5},
        {"metrics": ["mse"]},
    ],
)
def test_so_is_what_is_compiled_with_something_else(change, compiled):
    fit(net())
    before = compiled()
    fit(net(), **change)
    assert compiled() > before


def test_a_changed_global_or_closure_is_seen(monkeypatch):
    model = fit(keras.Sequential([keras.Input((6,)), Scaled()]))
    kernel = model.layers[0].dense.kernel
    monkeypatch.setitem(globals(), "factor", 10.0)
    other = fit(keras.Sequential([keras.Input((6,)), Scaled()]))
    other.set_weights(model.get_weights())
    expected = (X @ kernel.numpy() + model.layers[0].dense.bias.numpy()) * 10.0
    np.testing.assert_allclose(other.predict(X, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_frozen_weights_are_not_trained_by_another_models_program():
    fit(net())
    frozen = net()
    frozen.layers[0].trainable = False
    before = frozen.layers[0].kernel.numpy()
    fit(frozen)
    np.testing.assert_array_equal(frozen.layers[0].kernel.numpy(), before)


def test_a_model_changed_after_its_first_program_does_not_change_others():
    rows = [X[:8], X[:4]]  # two shapes: two programs
    first = keras.Sequential([keras.Input((6,)), layers.Rescaling(2.0)])
    first.predict(rows[0], verbose=0)
    first.layers[0].scale = 5.0
    second = keras.Sequential([keras.Input((6,)), layers.Rescaling(2.0)])
    first.predict(rows[1], verbose=0)
    np.testing.assert_array_equal(second.predict(rows[1], verbose=0), rows[1] * 2)


def test_a_program_does_not_keep_the_model_it_was_compiled_for():
    model = fit(net())
    model.predict(X, verbose=0)
    seen = weakref.ref(model), weakref.ref(model.layers[0].kernel), weakref.ref(model.optimizer)
    del model
    gc.collect()
    assert [ref() for ref in seen] == [None] * 3
    fit(net())  # and goes on without it


def test_new_shapes_after_the_first_model_is_gone():
    fit(net())
    gc.collect()
    model = fit(net())
    history = model.fit(X[:20], Y[:20], batch_size=10, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.predict(X[:5], verbose=0).shape == (5, 1)


def test_threads_with_equal_models_have_their_own_weights():
    models = [net(rate=0.0) for _ in range(4)]
    outputs = {}

    def work(number):
        models[number].compile("sgd", "mse")
        models[number].fit(X, Y, epochs=1, verbose=0)
        outputs[number] = models[number].predict(X, verbose=0)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, model in enumerate(models):
        np.testing.assert_array_equal(outputs[number], model.predict(X, verbose=0))
    assert len({outputs[n].tobytes() for n in outputs}) == 4


def test_variables_outside_of_a_model_stay_its_own():
    scales = [keras.Variable(1.0), keras.Variable(3.0)]

    def loss_with(scale):
        return lambda y, y_pred: keras.ops.mean(keras.ops.square(y - y_pred)) * scale

    keras.utils.set_random_seed(0)
    models = [net(rate=0.0), net(rate=0.0)]
    models[1].set_weights(models[0].get_weights())
    values = []
    for model, scale in zip(models, scales, strict=True):
        model.compile("sgd", loss_with(scale))
        values.append(model.evaluate(X, Y, verbose=0))
    np.testing.assert_allclose(values[1], 3 * values[0], rtol=1e-5)


def test_cross_validation_compiles_once(compiled):
    from sklearn.model_selection import KFold

    before = None
    for train, test in KFold(4).split(X):
        model = net()
        model.compile("sgd", "mse")
        model.fit(X[train], Y[train], verbose=0, batch_size=6)
        model.evaluate(X[test], Y[test], verbose=0, batch_size=6)
        before = before or compiled()
    assert compiled() == before


# ------------------------------------------------------------------ what programs depend on
def times(k):
    def loss(y, outputs):
        return keras.ops.mean(keras.ops.square(y - outputs)) * loss.k

    loss.k = k
    return loss


class Slower(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1.0 + keras.ops.cast(step, "float32"))


schedules = keras.optimizers.schedules


@pytest.mark.parametrize(
    "arguments",
    [
        [{"loss": times(k)} for k in (1.0, 3.0)],
        [{"optimizer": keras.optimizers.SGD(s)} for s in (Slower(0.1), Slower(0.01))],
        [
            {"optimizer": keras.optimizers.SGD(schedules.ExponentialDecay(0.1, 1, k))}
            for k in (0.9, 0.1)
        ],
        [{"optimizer": keras.optimizers.SGD(k)} for k in (lambda: 0.1, lambda: 0.01)],
        [
            {"optimizer": keras.optimizers.SGD(k)}
            for k in (0.1, schedules.ExponentialDecay(0.1, 1, 0.1))
        ],
    ],
    ids=["attributes of a function", "schedule", "usual schedule", "function", "number"],
)
def test_what_a_program_computes_by_is_compared(arguments):
    def trained(given):
        keras.utils.set_random_seed(2)
        model = keras.Sequential([keras.Input((6,)), layers.Dense(1)])
        model.compile(**{"optimizer": "sgd", "loss": "mse", **given})
        model.fit(X, Y, epochs=2, verbose=0)
        return model.get_weights()[0]

    first, second = map(trained, arguments)
    assert np.abs(first - second).max() > 1e-4
