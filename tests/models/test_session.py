"""What holds across calls of `fit`, `evaluate` and `predict`, whatever was called before."""

import copy
import pickle
import threading
import warnings

import jax
import numpy as np
import pytest

import jkeras as keras

X = np.arange(20.0, dtype="float32")[:, None]
Y = 0 * X


def linear(rate=0.0, **options):
    keras.utils.set_random_seed(3)
    layers = [keras.layers.Dropout(0.25), keras.layers.Dense(1, kernel_initializer="ones")]
    model = keras.Sequential([keras.Input((1,)), *layers])
    model.compile(keras.optimizers.SGD(rate), "mse", **options)
    return model


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return X[4 * i : 4 * i + 4], Y[4 * i : 4 * i + 4]


class Hooks(keras.callbacks.Callback):
    """Notes the numbers that batch hooks are given."""

    def __init__(self):
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)

    on_test_batch_begin = on_predict_batch_begin = on_train_batch_begin
    on_test_batch_end = on_predict_batch_end = on_train_batch_end


# ------------------------------------------------------------------ the rows of a run
@pytest.mark.parametrize("data", [(X, Y), Batches()], ids=["arrays", "batches"])
def test_every_validation_measures_the_same_rows(data):
    options = {"validation_data": data, "validation_steps": 2, "validation_batch_size": 4}
    history = linear().fit(X, Y, epochs=3, verbose=0, **options).history
    assert history["val_loss"] == [np.mean(X[:8] ** 2)] * 3


def test_a_generator_goes_on_from_validation_to_validation_and_then_ends():
    generator = ((X[i : i + 1], Y[i : i + 1]) for i in range(1, 5))
    options = {"validation_data": generator, "validation_steps": 2}
    with pytest.warns(UserWarning, match="ran out of data; interrupting evaluation"):
        history = linear().fit(X, Y, epochs=3, verbose=0, **options).history
    assert history["val_loss"] == [2.5, 12.5]


@pytest.mark.parametrize("data", [(X, Y), (Batches(), None)], ids=["arrays", "batches"])
@pytest.mark.parametrize(("steps", "counts"), [(8, [5, 5, 5]), (3, [3, 2, 3]), (5, [5, 5, 5])])
def test_an_epoch_ends_with_the_data(data, steps, counts):
    hooks, model = Hooks(), linear()
    size = None if data[1] is None else 4
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(
            *data, batch_size=size, epochs=3, steps_per_epoch=steps, verbose=0, callbacks=[hooks]
        )
    assert hooks.seen == [batch for count in counts for b in range(count) for batch in (b, b)]
    told = [w for w in caught if "Your input ran out of data" in str(w.message)]
    assert len(told) == sum(count < steps for count in counts)


def test_a_generator_that_ends_before_the_epochs_warns():
    generator = ((X, Y) for _ in range(3))
    with pytest.warns(UserWarning, match="ran out of data; interrupting training.*4 epochs"):
        assert linear().fit(generator, epochs=5, verbose=0).epoch == [0]


def test_hooks_get_the_numbers_of_the_steps_that_run_at_once():
    hooks, model = Hooks(), linear(steps_per_execution=2)
    options = {"batch_size": 4, "verbose": 0, "callbacks": [hooks]}
    model.fit(X, Y, **options)
    model.evaluate(X, Y, **options)
    assert model.predict(X, **options).shape == (20, 1)
    assert hooks.seen == [0, 1, 2, 3, 4, 5] * 3


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
def test_an_endless_source_can_be_stopped(mode):
    def endless():
        while True:
            yield X[:4], Y[:4]

    names = {"train": "stop_training", "test": "stop_evaluating", "predict": "stop_predicting"}
    model = linear()

    def stop(batch, logs):
        if batch == 2:
            setattr(model, names[mode], True)

    callback = keras.callbacks.LambdaCallback(**{f"on_{mode}_batch_end": stop})
    run = {"train": model.fit, "test": model.evaluate, "predict": model.predict}[mode]
    result = run(endless(), verbose=0, callbacks=[callback])
    assert mode != "predict" or result.shape == (12, 1)
    assert mode != "train" or int(model.optimizer.iterations) == 3


def test_a_fit_goes_on_with_the_keys_and_orders_of_the_model():
    options = {"batch_size": 3, "verbose": 0}
    expected = linear(0.001).fit(X, Y, epochs=4, **options).history["loss"]
    parts = linear(0.001)
    found = parts.fit(X, Y, epochs=2, **options).history["loss"]
    found += parts.fit(X, Y, initial_epoch=2, epochs=4, **options).history["loss"]
    assert found == expected
    assert len(set(expected)) == 4


# ------------------------------------------------------------------ what was called before
def test_an_input_of_a_fixed_batch_size_takes_longer_data():
    def model():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((1,), batch_size=4), keras.layers.Dense(2)])
        model.compile("sgd", "mse")
        return model

    first, second, options = model(), model(), {"batch_size": 4, "verbose": 0}
    rows = first.predict(X, **options)
    second.fit(X[:8], np.ones((8, 2)), epochs=0, **options)
    second.evaluate(X, np.ones((20, 2)), **options)
    np.testing.assert_array_equal(second.predict(X[:8], **options), rows[:8])
    assert np.isfinite(first.fit(X, np.ones((20, 2)), **options).history["loss"]).all()


@pytest.mark.parametrize("compiled", [False, True])
def test_the_first_prediction_of_many_threads(compiled):
    model = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(1)])
    if compiled:
        model.compile("sgd", "mse")
    barrier, results, errors = threading.Barrier(8), [], []

    def work():
        barrier.wait()
        try:
            results.append(model.predict(X, verbose=0).tobytes())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and len(set(results)) == 1 and len(model.weights) == 4


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_model_that_has_been_used_can_be_copied(copied):
    model = linear(0.001, metrics=["mae"])
    history = model.fit(X, Y, verbose=0, validation_split=0.2)
    model.predict(X, verbose=0)
    other = copied(model)
    assert other.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    assert other.fit(X, Y, verbose=0).history == model.fit(X, Y, verbose=0).history
    assert int(other.optimizer.iterations) == int(model.optimizer.iterations)
    assert copied(history).history == history.history
    callbacks = keras.callbacks.CallbackList([keras.callbacks.EarlyStopping()], model=model)
    assert len(copied(callbacks).callbacks) == 1


def test_evaluate_after_fit_compiles_nothing():
    traces = []

    class Counted(keras.layers.Layer):
        def call(self, inputs):
            if isinstance(inputs, jax.core.Tracer):
                traces.append(inputs.shape)
            return inputs

    model = keras.Sequential([keras.Input((1,)), Counted(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, Y, batch_size=5, verbose=0, validation_data=(X, Y))
    before = len(traces)
    model.evaluate(X, Y, batch_size=5, verbose=0)
    model.fit(X, Y, batch_size=5, verbose=0, validation_data=(X, Y))
    assert len(traces) == before


# ------------------------------------------------------------------ variables from outside
OUTSIDE = {
    "loss": lambda read: {"loss": lambda y, p: read() + 0 * keras.ops.mean(p, -1)},
    "metric": lambda read: {
        "loss": "mse",
        "metrics": [lambda y, p: read() + 0 * keras.ops.mean(p, -1)],
    },
}


@pytest.mark.parametrize("where", OUTSIDE)
@pytest.mark.parametrize("base", [keras.Model, "hooks"])
def test_a_variable_of_nobodys_is_read_anew(where, base):
    class Own(keras.Model):
        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return super().compute_metrics(x, y, y_pred, sample_weight)

    value = keras.Variable(2.0, trainable=False)
    inputs = keras.Input((1,))
    model = (Own if base == "hooks" else base)(inputs, keras.layers.Dense(1)(inputs))
    model.compile(keras.optimizers.SGD(0.0), **OUTSIDE[where](lambda: value.value))
    found = [np.ravel(model.evaluate(X, Y, verbose=0))[-1]]
    value.assign(7.0)
    found.append(np.ravel(model.evaluate(X, Y, verbose=0))[-1])
    change = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: value.assign(9.0))
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[change]).history
    assert found == [2.0, 7.0] and list(history.values())[0 if where == "metric" else -1] == [7, 9]


def test_a_layer_may_read_a_variable_of_nobodys():
    value = keras.Variable(2.0, trainable=False)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x * value)])
    rows = [model.predict(X[1:2], verbose=0).item() for _ in range(2)]
    value.assign(7.0)
    rows += [model.predict(X[1:2], verbose=0).item() for _ in range(2)]
    assert rows == [2.0, 2.0, 7.0, 7.0]


def test_a_metric_may_show_the_learning_rate():
    optimizer = keras.optimizers.SGD(0.5)

    def rate(y_true, y_pred):
        return keras.ops.convert_to_tensor(optimizer.learning_rate) + 0 * y_pred

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", metrics=[rate])
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch: 2.0**-epoch)
    history = model.fit(X, Y, epochs=3, verbose=0, callbacks=[schedule]).history
    assert history["rate"] == [1.0, 0.5, 0.25]


# ------------------------------------------------------------------ what a model draws
class Noise(keras.layers.Layer):
    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x))


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.noise = Noise()

    def call(self, x):
        return self.noise(x)

    def test_step(self, state, data):
        return super().test_step(state, data)


def drawing():
    inputs = keras.Input((5,))
    return keras.Model(inputs, Noise()(inputs))


@pytest.mark.parametrize("make", [drawing, OwnStep])
def test_every_prediction_and_evaluation_draws_anew(make):
    x = np.zeros((40, 5), "float32")

    def run():
        keras.utils.set_random_seed(3)
        model = make()
        model.compile("sgd", "mse")
        outputs = [model.predict(x[:n], verbose=0) for n in (40, 40, 1, 1)]
        losses = [model.evaluate(x, x, verbose=0) for _ in range(3)]
        return [*outputs[0], *outputs[1], *outputs[2], *outputs[3]], losses

    rows, losses = run()
    assert len(np.unique(np.round(rows, 6), axis=0)) == len(rows)  # each batch, and each call
    assert len(set(losses)) == 3
    again = run()
    np.testing.assert_array_equal(again[0], rows)
    assert again[1] == losses


# ------------------------------------------------------------------ wrong calls
@pytest.mark.parametrize(
    ("method", "arguments", "error", "message"),
    [
        ("fit", {"validation_split": "0.2"}, ValueError, "`validation_split` must be .*'0.2'"),
        ("fit", {"validation_freq": 0}, ValueError, "`validation_freq` must be .*got 0"),
        ("fit", {"initial_epoch": -1}, ValueError, "`initial_epoch` must be .*got -1"),
        ("fit", {"shuffle": "yes"}, ValueError, "`shuffle` must be True or False, got 'yes'"),
        ("fit", {"epochs": 2.5}, ValueError, "`epochs` must be an integer.*got 2.5"),
        ("fit", {"batch_size": "4"}, ValueError, "`batch_size` must be .*got '4'"),
        ("fit", {"nb_epoch": 2}, TypeError, "unexpected .*'nb_epoch': did you mean 'epochs'"),
        ("evaluate", {"steps": -1}, ValueError, "`steps` must be a positive integer"),
        ("evaluate", {"stepss": 1}, TypeError, "did you mean 'steps'"),
        ("predict", {"batchsize": 1}, TypeError, "did you mean 'batch_size'"),
        ("compile", {"metricss": ["mae"]}, TypeError, "did you mean 'metrics'"),
        ("compile", {"jit_compile": "never"}, ValueError, "`jit_compile` must be .*'never'"),
    ],
)
def test_wrong_arguments_are_said_at_once(method, arguments, error, message):
    data = {} if method == "compile" else {"x": X} if method == "predict" else {"x": X, "y": Y}
    with pytest.raises(error, match=message):
        getattr(linear(), method)(**data, **arguments)


def test_arguments_of_keras_2_for_reading_data_are_ignored():
    with pytest.warns(DeprecationWarning, match="`workers` of fit"):
        assert linear().fit(X, Y, verbose=0, workers=4).epoch == [0]


def test_a_model_without_trainable_weights_says_so():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, trainable=False)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        model.fit(X, Y, verbose=0)
