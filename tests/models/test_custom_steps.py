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


# ------------------------------------------------------------------ Keras's forms of a step
X, Y = custom_classes.data()


class Guide(keras.Model):
    """The step of Keras's guide, with the metrics of `compile`."""

    def compute_loss_and_updates(self, trainable, non_trainable, x, y, training=False):
        y_pred, non_trainable = self.stateless_call(trainable, non_trainable, x, training=training)
        return self.compute_loss(x, y, y_pred), (y_pred, non_trainable)

    def train_step(self, state, data):
        trainable, non_trainable, optimizer, metrics = state
        x, y = data
        gradient = jax.value_and_grad(self.compute_loss_and_updates, has_aux=True)
        (loss, (y_pred, non_trainable)), grads = gradient(
            trainable, non_trainable, x, y, training=True
        )
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, grads, trainable)
        new, logs = [], {}
        for metric in self.metrics:
            own = metrics[len(new) : len(new) + len(metric.variables)]
            values = (loss,) if metric.name == "loss" else (y, y_pred)
            own = metric.stateless_update_state(own, *values)
            logs[metric.name] = metric.stateless_result(own)
            new += own
        return logs, (trainable, non_trainable, optimizer, new)


def make(cls):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((3,))
    model = cls(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def test_the_loop_of_keras_guide_over_the_metrics_of_compile():
    model, plain = make(Guide), make(keras.Model)
    assert [m.name for m in model.metrics] == ["loss", "mae"]
    history = model.fit(X, Y, epochs=2, shuffle=False, verbose=0).history
    expected = plain.fit(X, Y, epochs=2, shuffle=False, verbose=0).history
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)
    np.testing.assert_allclose(
        model.evaluate(X, Y, verbose=0), plain.evaluate(X, Y, verbose=0), rtol=1e-5
    )


def test_logs_may_be_nested_and_come_without_a_state():
    class Nested(Guide):
        def train_step(self, state, data):
            logs, state = super().train_step(state, data)
            return {"a": {"b": logs["loss"], "c": {"d": logs["mae"]}}}, state

        def test_step(self, state, data):
            return {"x": jnp.mean(data[1])}

    model, plain = make(Nested), make(keras.Model)
    history = model.fit(X, Y, shuffle=False, verbose=0).history
    expected = plain.fit(X, Y, shuffle=False, verbose=0).history
    assert history["b"] == pytest.approx(expected["loss"]) and set(history) == {"b", "d"}
    # Those of the last batch.
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["x"] == pytest.approx(Y[-32:].mean())


class Gan(keras.Model):
    """Has a step, and nothing that could be called on its data."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
        self.critic = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        self.tracker = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, state, real):
        self.check(real)
        trainable, frozen, optimizer, metrics = state
        count = len(self.generator.trainable_variables)
        noise = jax.random.normal(jax.random.key(0), (len(jax.tree.leaves(real)[0]), 4))

        def loss(trainable):
            fake, _ = self.generator.stateless_call(trainable[:count], [], noise)
            score, _ = self.critic.stateless_call(trainable[count:], [], fake)
            return jnp.mean(score**2)

        value, grads = jax.value_and_grad(loss)(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, grads, trainable)
        metrics = self.tracker.stateless_update_state(metrics, value)
        logs = {"g_loss": self.tracker.stateless_result(metrics)}
        return logs, (trainable, frozen, optimizer, metrics)


@pytest.mark.parametrize(
    ("data", "kind"), [(X, jax.Array), ({"image": X}, dict), ([X, X], tuple)], ids=str
)
def test_a_model_with_a_step_and_no_call_gets_what_fit_gets(data, kind):
    given = []
    model = Gan()
    model.check = lambda real: given.append(real)
    model.compile("sgd")
    losses = model.fit(data, epochs=3, verbose=0).history["g_loss"]
    assert all(isinstance(g, kind) for g in given)
    assert losses[2] < losses[1] < losses[0]


def test_compute_loss_need_not_take_training():
    class Own(keras.Model):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None):
            return keras.ops.mean(keras.ops.square(y - y_pred))

    model, plain = make(Own), make(keras.Model)
    history, expected = (m.fit(X, Y, shuffle=False, verbose=0).history for m in (model, plain))
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-5)


def test_a_step_in_the_form_of_another_backend():
    class Step(keras.Model):
        def train_step(self, data):
            return {}

    with pytest.raises(TypeError, match=r"train_step\(self, state, data\)"):
        make(Step).fit(X, Y, verbose=0)


def test_the_loss_without_a_state():
    model = make(keras.Model)
    arrays = [
        [v.value for v in variables]
        for variables in (model.trainable_variables, [], model.metrics_variables)
    ]
    loss, (_, _, metrics) = model.stateless_compute_loss(*arrays, x=X, y=Y, y_pred=model(X))
    assert float(loss) == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-5)
    assert len(metrics) == len(model.metrics_variables)


def test_the_call_and_the_loss_without_a_state():
    model = make(keras.Model)
    arrays = [
        [v.value for v in variables]
        for variables in (model.trainable_variables, [], model.metrics_variables)
    ]
    compute = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (scaled, (loss, y_pred, state, metrics)), slopes = compute(*arrays, X, Y, None, training=True)
    assert float(scaled) == float(loss)
    assert float(loss) == pytest.approx(model.evaluate(X, Y, verbose=0)[0], rel=1e-5)
    np.testing.assert_allclose(y_pred, model(X), rtol=1e-5)
    assert state == [] and len(metrics) == len(model.metrics_variables)
    assert [s.shape for s in slopes] == [v.shape for v in model.trainable_variables]
    model.optimizer.loss_scale_factor = 8.0
    values = [v.value for v in model.optimizer.variables]
    scaled, (loss, *_) = model.compute_loss_and_updates(
        *arrays, X, Y, None, training=True, optimizer_variables=values
    )
    assert float(scaled) == pytest.approx(8 * float(loss))


def test_all_arrays_as_a_tree():
    model = make(keras.Model)
    model.fit(X, Y, verbose=0)
    tree = model.get_state_tree("numpy_array")
    expected = [w.copy() for w in model.get_weights()]
    model.fit(X, Y, verbose=0)
    model.set_state_tree(tree)
    for weight, before in zip(model.get_weights(), expected, strict=True):
        np.testing.assert_array_equal(weight, before)
    assert tree["optimizer_variables"]["sgd"]["iteration"] == 3
    with pytest.raises(ValueError, match="Unknown variable name: weights"):
        model.set_state_tree({"weights": {}})


def test_the_steps_of_the_base_unpack_into_logs_and_a_state_as_in_keras():
    class More(keras.Model):
        def train_step(self, state, data):
            logs, state = super().train_step(state, data)
            trainable, *_ = state
            return {**logs, "weights": len(trainable)}, state

        def test_step(self, state, data):
            logs, state = super().test_step(state, data)
            return {**logs, "tested": 5.0}, state

    model, plain = make(More), make(keras.Model)
    history = model.fit(X, Y, shuffle=False, verbose=0).history
    expected = plain.fit(X, Y, shuffle=False, verbose=0).history
    assert history.pop("weights") == [len(model.trainable_variables)]
    for name, values in expected.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-5)
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["tested"] == 5.0


@pytest.mark.parametrize("fitted", [False, True])
def test_hooks_set_on_the_model_itself_count(fitted):
    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    if fitted:
        model.fit(x, y, verbose=0)
        model.predict(x, verbose=0)

    def constant(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 0.0 * keras.ops.mean(y_pred) + 7.0

    model.compute_loss = constant
    assert model.fit(x, y, verbose=0).history["loss"] == [7.0]
    assert model.evaluate(x, y, verbose=0) == 7.0
    assert model.train_on_batch(x, y) == 7.0
    del model.compute_loss
    assert model.evaluate(x, y, verbose=0) != 7.0
    model.predict_step = lambda state, data: (keras.ops.full((4, 1), 5.0), state[1])
    assert model.predict(x, verbose=0).tolist() == [[5.0]] * 4


def test_a_step_may_apply_the_model_with_its_whole_state():
    class Whole(keras.Sequential):
        def train_step(self, state, data):
            def loss(params):
                outputs, effects = keras.pure.apply(self, state.replace(params=params), data.x)
                return keras.ops.mean((outputs - data.y) ** 2), effects

            (value, effects), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
            params = jax.tree.map(lambda w, g: w - 0.1 * g, state.params, grads)
            new = state.replace(params=params, state={**state.state, **effects.state})
            return {"loss": value}, new

    x, y = np.ones((4, 2), "float32"), np.ones((4, 1), "float32")
    model = Whole([keras.Input((2,)), keras.layers.Dense(1), keras.layers.BatchNormalization()])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert history[2] < history[0]
