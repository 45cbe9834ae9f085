"""Models that override `compute_loss`, `compute_metrics`, `train_step` or `test_step`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from tests.models import custom_classes


def test_a_loss_and_metrics_of_ones_own():
    model = custom_classes.build(keras, custom_classes.own_loss(keras))
    x, y = custom_classes.data()
    history = model.fit(x, y, epochs=8, verbose=0, validation_data=(x, y)).history
    names = ["largest", "loss", "mae", "own_loss"]
    assert list(history) == [*names, *(f"val_{n}" for n in names)]
    assert history["loss"][-1] < history["loss"][0]
    values = model.evaluate(x, y, verbose=0, return_dict=True)
    outputs = model.predict(x, verbose=0)
    penalty = 0.01 * np.sum(model.layers[1].get_weights()[0] ** 2)
    assert values["own_loss"] == pytest.approx(np.mean((outputs - y) ** 4) + penalty, rel=1e-4)
    assert values["mae"] == pytest.approx(np.mean(abs(outputs - y)), rel=1e-5)
    assert values["largest"] == pytest.approx(outputs[-32:].max(), rel=1e-5)  # of the last batch
    assert float(model.metrics[0].result()) == pytest.approx(values["loss"], rel=1e-5)


def test_the_step_of_keras_guide_gives_the_standard_numbers():
    x, y = custom_classes.data()
    model = custom_classes.build(keras, custom_classes.own_step(keras))
    history = model.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    plain = custom_classes.build(keras, keras.Model)
    plain.layers[1].kernel.regularizer = None
    expected = plain.fit(x, y, epochs=2, batch_size=32, shuffle=False, verbose=0).history
    for name in ("loss", "mae"):
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-5)
    for own, other in zip(model.get_weights(), plain.get_weights()):
        np.testing.assert_allclose(own, other, rtol=1e-5, atol=1e-6)
    assert int(model.optimizer.iterations) == 6


def test_a_pure_step_around_the_standard_one():
    class Averaged(keras.Model):
        def train_step(self, state, data):
            new = super().train_step(state, data)
            mean = jax.tree.map(lambda a, b: 0.5 * (a + b), state.params, new.params)
            return {"seen": jnp.float32(len(data.x))}, new.replace(params=mean)

    x, y = custom_classes.data()
    model, plain = (custom_classes.build(keras, c) for c in (Averaged, keras.Model))
    before = plain.get_weights()
    history = model.fit(x, y, batch_size=96, verbose=0).history
    plain.fit(x, y, batch_size=96, verbose=0)
    assert history == {"seen": [96.0]}
    for own, start, end in zip(model.get_weights(), before, plain.get_weights()):
        np.testing.assert_allclose(own, 0.5 * (start + end), rtol=1e-5, atol=1e-6)


def test_a_step_gets_the_targets_in_the_users_structure():
    seen = {}

    class Looks(keras.Model):
        def train_step(self, state, data):
            seen["y"] = jax.tree.map(lambda a: a.shape, data.y)
            seen["weight"] = data.sample_weight.shape
            loss = jnp.mean(data.y["far"])
            return {"loss": loss}, state.replace(step=state.step)

    inputs = keras.Input((3,))
    model = Looks(inputs, keras.layers.Dense(1)(inputs))
    model.compile(optimizer="sgd")
    x, y = custom_classes.data()
    history = model.fit(
        x, {"far": y + 2, "near": y[:, 0]}, sample_weight=y[:, 0], batch_size=48, verbose=0
    )
    assert seen == {"y": {"far": (48, 1), "near": (48,)}, "weight": (48,)}
    assert np.isfinite(history.history["loss"][0])


def test_random_layers_draw_anew_at_each_step_of_a_keras_style_step():
    class Noisy(custom_classes.own_step(keras)):
        def train_step(self, state, data):
            logs, lists = super().train_step(state, data)
            return logs, lists

    inputs = keras.Input((3,))
    noisy = keras.layers.Dropout(0.5)(inputs)
    model = Noisy(inputs, keras.layers.Dense(1, kernel_initializer="ones")(noisy))
    model.compile(optimizer=keras.optimizers.SGD(0.0), loss="mse")
    x, y = custom_classes.data()
    history = model.fit(x, y, batch_size=96, epochs=3, verbose=0).history
    assert len(set(history["loss"])) == 3


def test_compute_loss_works_eagerly():
    model = custom_classes.build(keras, keras.Model)
    x, y = custom_classes.data()
    loss = model.compute_loss(x, y, model(x))
    assert float(loss) == pytest.approx(model.evaluate(x, y, verbose=0)[0], rel=1e-5)


def test_calling_a_step_from_outside_says_what_to_do():
    model = custom_classes.build(keras, keras.Model)
    with pytest.raises(ValueError, match="train_on_batch"):
        model.train_step(None, None)
