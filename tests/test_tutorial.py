"""A newcomer's day: every code block of a Keras MLP tutorial, as a user would write it.

Real Keras 3.15 on JAX passes 11 of 20 such blocks where neither TensorFlow nor Graphviz is
installed. Blocks train on a part of the images, so that the day takes seconds.
"""

import os
import warnings

import numpy as np
import pandas as pd
import pytest

import jkeras as keras

pytestmark = [pytest.mark.optimized, pytest.mark.no_cover]

CLASS_NAMES = [
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
]


@pytest.fixture(scope="module")
def fashion():
    (X_train_full, y_train_full), (X_test, y_test) = keras.datasets.fashion_mnist.load_sample()
    X_valid, X_train = X_train_full[:1000] / 255.0, X_train_full[1000:] / 255.0
    y_valid, y_train = y_train_full[:1000], y_train_full[1000:]
    return X_train, y_train, X_valid, y_valid, X_test / 255.0, y_test


@pytest.fixture(scope="module")
def housing():
    """Eight standardized features and a target made of them."""
    rng = np.random.default_rng(42)
    X = rng.normal(size=(3000, 8)).astype("float32")
    y = (X[:, 0] + 0.5 * X[:, 5] ** 2 + np.tanh(X[:, 2] * X[:, 6]))[:, None].astype("float32")
    return (X[:2000], y[:2000]), (X[2000:2500], y[2000:2500]), (X[2500:], y[2500:])


def mlp():
    return keras.models.Sequential(
        [
            keras.layers.Flatten(input_shape=[28, 28]),
            keras.layers.Dense(300, activation="relu"),
            keras.layers.Dense(100, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


@pytest.fixture(scope="module")
def trained(fashion):
    X_train, y_train, X_valid, y_valid, _, _ = fashion
    keras.utils.set_random_seed(42)
    model = mlp()
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=0.05),
        metrics=["accuracy"],
    )
    history = model.fit(X_train, y_train, epochs=12, validation_data=(X_valid, y_valid), verbose=0)
    return model, history


# ------------------------------------------------------------------ data
def test_load_the_data():
    try:
        fashion_mnist = keras.datasets.fashion_mnist
        (X_train_full, y_train_full), (X_test, y_test) = fashion_mnist.load_data()
    except FileNotFoundError as error:
        assert "dataset-fashion-mnist" in str(error)  # it says how to get the files
        pytest.skip(f"the files of Fashion-MNIST are not on this machine: {error}")
    assert X_train_full.shape == (60000, 28, 28)
    assert X_train_full.dtype == "uint8"
    assert [CLASS_NAMES[i] for i in y_train_full[:3]] == [
        "Ankle boot",
        "T-shirt/top",
        "T-shirt/top",
    ]
    assert X_test.shape == (10000, 28, 28)
    assert y_test.shape == (10000,)


# ------------------------------------------------------------------ Sequential
def test_sequential_by_add(capsys):
    model = keras.models.Sequential()
    model.add(keras.layers.Flatten(input_shape=[28, 28]))
    model.add(keras.layers.Dense(300, activation="relu"))
    model.add(keras.layers.Dense(100, activation="relu"))
    model.add(keras.layers.Dense(10, activation="softmax"))
    assert model.output_shape == (None, 10)
    assert len(model.layers) == 4


def test_sequential_by_list():
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    model = mlp()
    assert [layer.name for layer in model.layers] == ["flatten", "dense", "dense_1", "dense_2"]
    assert model.count_params() == 266_610


def test_summary(capsys):
    mlp().summary()
    text = capsys.readouterr().out
    for words in (
        *("Layer (type)", "Output Shape", "Param #", "flatten (Flatten)", "(None, 784)"),
        *("dense (Dense)", "(None, 300)", "235,500", "30,100", "1,010"),
        *("Total params: 266,610", "Trainable params: 266,610", "Non-trainable params: 0"),
    ):
        assert words in text


def test_plot_model(tmp_path):
    model = mlp()
    keras.utils.plot_model(model, str(tmp_path / "my_mnist_model.png"), show_shapes=True)
    with open(tmp_path / "my_mnist_model.png", "rb") as file:
        assert file.read(8) == b"\x89PNG\r\n\x1a\n"
    assert os.path.getsize(tmp_path / "my_mnist_model.png") > 5000


def test_layers_and_weights():
    model = mlp()
    hidden1 = model.layers[1]
    assert hidden1.name == "dense"
    assert model.get_layer(hidden1.name) is hidden1
    assert model.get_layer("dense_1") is model.get_layer(index=2)
    weights, biases = hidden1.get_weights()
    assert weights.shape == (784, 300)
    assert weights.std() > 0.01
    assert biases.shape == (300,)
    assert not biases.any()
    np.testing.assert_array_equal(hidden1.kernel, weights)
    hidden1.set_weights([np.zeros_like(weights), np.ones_like(biases)])
    assert float(hidden1.bias[7]) == 1.0
    assert [w.shape for w in model.get_weights()] == [
        *[(784, 300), (300,), (300, 100), (100,), (100, 10), (10,)]
    ]


# ------------------------------------------------------------------ compile, fit, look, use
def test_compile():
    model = mlp()
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
    model.compile(
        loss=keras.losses.sparse_categorical_crossentropy,
        optimizer=keras.optimizers.SGD(),
        metrics=[keras.metrics.sparse_categorical_accuracy],
    )
    assert model.loss is keras.losses.sparse_categorical_crossentropy


def test_fit(trained):
    model, history = trained
    assert history.params == {"verbose": 0, "epochs": 12, "steps": 125}
    assert history.epoch == list(range(12))
    assert sorted(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert history.history["loss"][-1] < 0.5 * history.history["loss"][0]
    assert history.history["val_accuracy"][-1] > 0.8
    assert model.history is history


def test_learning_curves(trained, tmp_path):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    _, history = trained
    pd.DataFrame(history.history).plot(figsize=(8, 5))
    plt.grid(True)
    plt.gca().set_ylim(0, 1)
    plt.savefig(tmp_path / "curves.png")
    assert len(plt.gca().lines) >= 4
    plt.close("all")


def test_evaluate(trained, fashion):
    model, _ = trained
    *_, X_test, y_test = fashion
    loss, accuracy = model.evaluate(X_test, y_test, verbose=0)
    assert loss < 0.65
    assert accuracy > 0.78


def test_predict(trained, fashion):
    model, _ = trained
    *_, X_test, y_test = fashion
    X_new = X_test[:3]
    y_proba = model.predict(X_new, verbose=0)
    np.testing.assert_allclose(y_proba.sum(axis=1), 1.0, rtol=1e-5)
    assert y_proba.round(2).shape == (3, 10)
    y_pred = np.argmax(model.predict(X_test, verbose=0), axis=-1)
    assert np.mean(y_pred == y_test) > 0.78
    assert list(np.array(CLASS_NAMES)[y_pred[:2]])


# ------------------------------------------------------------------ a regression MLP
def test_regression_with_sequential(housing):
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = housing
    model = keras.models.Sequential(
        [
            keras.layers.Dense(30, activation="relu", input_shape=X_train.shape[1:]),
            keras.layers.Dense(1),
        ]
    )
    model.compile(loss="mean_squared_error", optimizer=keras.optimizers.SGD(learning_rate=1e-2))
    history = model.fit(X_train, y_train, epochs=10, validation_data=(X_valid, y_valid), verbose=0)
    mse_test = model.evaluate(X_test, y_test, verbose=0)
    assert history.history["val_loss"][-1] < history.history["val_loss"][0]
    assert mse_test < 0.5 * y_test.var()
    assert model.predict(X_test[:3], verbose=0).shape == (3, 1)


# ------------------------------------------------------------------ functional
def test_functional_with_one_input(housing):
    (X_train, y_train), (X_valid, y_valid), _ = housing
    input_ = keras.layers.Input(shape=X_train.shape[1:])
    hidden1 = keras.layers.Dense(30, activation="relu")(input_)
    hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
    concat = keras.layers.concatenate([input_, hidden2])
    output = keras.layers.Dense(1)(concat)
    model = keras.models.Model(inputs=[input_], outputs=[output])
    model.compile(loss="mean_squared_error", optimizer=keras.optimizers.SGD(learning_rate=1e-2))
    history = model.fit(X_train, y_train, epochs=8, validation_data=(X_valid, y_valid), verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


def wide_and_deep(two_outputs):
    input_A = keras.layers.Input(shape=[5], name="wide_input")
    input_B = keras.layers.Input(shape=[6], name="deep_input")
    hidden1 = keras.layers.Dense(30, activation="relu")(input_B)
    hidden2 = keras.layers.Dense(30, activation="relu")(hidden1)
    concat = keras.layers.concatenate([input_A, hidden2])
    output = keras.layers.Dense(1, name="main_output")(concat)
    if not two_outputs:
        return keras.models.Model(inputs=[input_A, input_B], outputs=[output])
    aux_output = keras.layers.Dense(1, name="aux_output")(hidden2)
    return keras.models.Model(inputs=[input_A, input_B], outputs=[output, aux_output])


def test_functional_with_two_inputs(housing):
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = housing
    X_train_A, X_train_B = X_train[:, :5], X_train[:, 2:]
    X_valid_A, X_valid_B = X_valid[:, :5], X_valid[:, 2:]
    X_test_A, X_test_B = X_test[:, :5], X_test[:, 2:]
    model = wide_and_deep(two_outputs=False)
    with pytest.warns(DeprecationWarning, match="learning_rate"):
        model.compile(loss="mse", optimizer=keras.optimizers.SGD(lr=1e-2))
    model.fit(
        (X_train_A, X_train_B),
        y_train,
        epochs=8,
        validation_data=((X_valid_A, X_valid_B), y_valid),
        verbose=0,
    )
    mse_test = model.evaluate((X_test_A, X_test_B), y_test, verbose=0)
    assert mse_test < y_test.var()
    assert model.predict((X_test_A[:3], X_test_B[:3]), verbose=0).shape == (3, 1)


def test_functional_with_two_outputs(housing):
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = housing
    A, B = X_train[:, :5], X_train[:, 2:]
    model = wide_and_deep(two_outputs=True)
    model.compile(
        loss=["mse", "mse"],
        loss_weights=[0.9, 0.1],
        optimizer=keras.optimizers.SGD(learning_rate=1e-2),
    )
    history = model.fit(
        [A, B],
        [y_train, y_train],
        epochs=6,
        validation_data=([X_valid[:, :5], X_valid[:, 2:]], [y_valid, y_valid]),
        verbose=0,
    )
    total_loss, main_loss, aux_loss = model.evaluate(
        [X_test[:, :5], X_test[:, 2:]], [y_test, y_test], verbose=0
    )
    assert total_loss == pytest.approx(0.9 * main_loss + 0.1 * aux_loss, rel=1e-5)
    y_pred_main, y_pred_aux = model.predict([A[:3], B[:3]], verbose=0)
    assert y_pred_main.shape == y_pred_aux.shape == (3, 1)
    assert "val_aux_output_loss" in history.history


def test_one_target_for_both_outputs(housing):
    (X_train, y_train), (X_valid, y_valid), _ = housing
    inputs = [X_train[:, :5], X_train[:, 2:]]
    model = wide_and_deep(two_outputs=True)
    model.compile(loss="mse", loss_weights=[0.9, 0.1], optimizer="sgd")
    one = model.evaluate(inputs, y_train, verbose=0)
    assert one == model.evaluate(inputs, [y_train, y_train], verbose=0)
    history = model.fit(
        inputs,
        y_train,
        epochs=2,
        validation_data=([X_valid[:, :5], X_valid[:, 2:]], y_valid),
        verbose=0,
    )
    assert history.history["loss"][1] < history.history["loss"][0]


# ------------------------------------------------------------------ subclassing
class WideAndDeepModel(keras.models.Model):
    def __init__(self, units=30, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.hidden1 = keras.layers.Dense(units, activation=activation)
        self.hidden2 = keras.layers.Dense(units, activation=activation)
        self.main_output = keras.layers.Dense(1)
        self.aux_output = keras.layers.Dense(1)

    def call(self, inputs):
        input_A, input_B = inputs
        hidden1 = self.hidden1(input_B)
        hidden2 = self.hidden2(hidden1)
        concat = keras.layers.concatenate([input_A, hidden2])
        main_output = self.main_output(concat)
        aux_output = self.aux_output(hidden2)
        return main_output, aux_output


def test_subclassing(housing):
    (X_train, y_train), (X_valid, y_valid), (X_test, y_test) = housing
    model = WideAndDeepModel(30, activation="relu")
    model.compile(
        loss="mse", loss_weights=[0.9, 0.1], optimizer=keras.optimizers.SGD(learning_rate=1e-2)
    )
    history = model.fit(
        (X_train[:, :5], X_train[:, 2:]),
        (y_train, y_train),
        epochs=6,
        validation_data=((X_valid[:, :5], X_valid[:, 2:]), (y_valid, y_valid)),
        verbose=0,
    )
    total_loss, main_loss, aux_loss = model.evaluate(
        (X_test[:, :5], X_test[:, 2:]), (y_test, y_test), verbose=0
    )
    assert total_loss == pytest.approx(0.9 * main_loss + 0.1 * aux_loss, rel=1e-5)
    assert history.history["loss"][-1] < history.history["loss"][0]
    y_pred_main, y_pred_aux = model.predict((X_test[:3, :5], X_test[:3, 2:]), verbose=0)
    assert y_pred_main.shape == y_pred_aux.shape == (3, 1)


# ------------------------------------------------------------------ files and callbacks
def test_save_and_load(trained, fashion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, _ = trained
    *_, X_test, y_test = fashion
    model.save("my_keras_model.h5")
    model2 = keras.models.load_model("my_keras_model.h5")
    np.testing.assert_allclose(
        model2.predict(X_test[:20], verbose=0), model.predict(X_test[:20], verbose=0), atol=1e-6
    )
    assert model2.evaluate(X_test, y_test, verbose=0) == pytest.approx(
        model.evaluate(X_test, y_test, verbose=0), rel=1e-5
    )
    model.save_weights("my_keras_weights.weights.h5")
    fresh = mlp()
    fresh.load_weights("my_keras_weights.weights.h5")
    np.testing.assert_array_equal(fresh.get_weights()[0], model.get_weights()[0])


def test_checkpoint_and_roll_back(fashion, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    X_train, y_train, X_valid, y_valid, _, _ = fashion
    model = mlp()
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=0.5),  # so that it does not only get better
        metrics=["accuracy"],
    )
    checkpoint_cb = keras.callbacks.ModelCheckpoint("my_keras_model.h5", save_best_only=True)
    history = model.fit(
        X_train,
        y_train,
        epochs=6,
        validation_data=(X_valid, y_valid),
        callbacks=[checkpoint_cb],
        verbose=0,
    )
    model = keras.models.load_model("my_keras_model.h5")  # roll back to the best model
    loss, _ = model.evaluate(X_valid, y_valid, verbose=0)
    assert loss == pytest.approx(min(history.history["val_loss"]), rel=1e-5)


def test_early_stopping(fashion):
    X_train, y_train, X_valid, y_valid, _, _ = fashion
    model = mlp()
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=0.3),
        metrics=["accuracy"],
    )
    early_stopping_cb = keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)
    history = model.fit(
        X_train[:1500],
        y_train[:1500],
        epochs=60,
        validation_data=(X_valid, y_valid),
        callbacks=[early_stopping_cb],
        verbose=0,
    )
    assert len(history.epoch) < 60
    loss, _ = model.evaluate(X_valid, y_valid, verbose=0)
    assert loss == pytest.approx(min(history.history["val_loss"]), rel=1e-5)


def test_a_callback_of_ones_own(fashion):
    class PrintValTrainRatioCallback(keras.callbacks.Callback):
        ratios = []

        def on_epoch_end(self, epoch, logs):
            self.ratios.append(logs["val_loss"] / logs["loss"])

    X_train, y_train, X_valid, y_valid, _, _ = fashion
    model = mlp()
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    val_train_ratio_cb = PrintValTrainRatioCallback()
    model.fit(
        X_train[:500],
        y_train[:500],
        epochs=2,
        validation_data=(X_valid, y_valid),
        callbacks=[val_train_ratio_cb],
        verbose=0,
    )
    assert len(val_train_ratio_cb.ratios) == 2


def test_a_learning_rate_that_grows_with_every_batch(fashion):
    K = keras.backend

    class ExponentialLearningRate(keras.callbacks.Callback):
        def __init__(self, factor):
            self.factor = factor
            self.rates = []
            self.losses = []

        def on_batch_end(self, batch, logs):
            self.rates.append(K.get_value(self.model.optimizer.lr))
            self.losses.append(logs["loss"])
            K.set_value(self.model.optimizer.lr, self.model.optimizer.lr * self.factor)

    X_train, y_train, *_ = fashion
    model = mlp()
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=1e-3),
        metrics=["accuracy"],
    )
    expon_lr = ExponentialLearningRate(factor=1.05)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.fit(X_train[:640], y_train[:640], epochs=1, callbacks=[expon_lr], verbose=0)
    np.testing.assert_allclose(expon_lr.rates, 1e-3 * 1.05 ** np.arange(20), rtol=1e-4)


def test_tensorboard_with_a_profile(fashion, tmp_path):
    root_logdir = os.path.join(tmp_path, "my_logs")

    def get_run_logdir():
        import time

        run_id = time.strftime("run_%Y_%m_%d-%H_%M_%S")
        return os.path.join(root_logdir, run_id)

    run_logdir = get_run_logdir()
    X_train, y_train, X_valid, y_valid, _, _ = fashion
    model = mlp()
    model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
    tensorboard_cb = keras.callbacks.TensorBoard(run_logdir, histogram_freq=1, profile_batch=(2, 4))
    model.fit(
        X_train[:640],
        y_train[:640],
        epochs=3,
        validation_data=(X_valid, y_valid),
        callbacks=[tensorboard_cb],
        verbose=0,
    )
    files = [os.path.join(f, n) for f, _, names in os.walk(run_logdir) for n in names]
    assert any("train" in f and "tfevents" in f for f in files)
    assert any("validation" in f and "tfevents" in f for f in files)
    assert any(f.endswith(".xplane.pb") for f in files)
