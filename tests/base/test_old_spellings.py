"""Spellings of Keras 1 and 2: each works, and warns once."""

import numpy as np
import pytest

import jkeras as keras
from jkeras.base import old_spellings


def find(path):
    value = keras
    for part in path.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("old", "new"),
    [(f"{p}.{old}", new) for p, names in old_spellings.NAMES.items() for old, new in names.items()],
)
def test_names(old, new):
    with pytest.warns(DeprecationWarning, match=f"keras.{old} is Keras 2's.*keras.{new}") as caught:
        assert find(old) is find(new)
    assert len(caught) == 1


@pytest.mark.parametrize("name", sorted(old_spellings.MODULES))
def test_modules(name):
    with pytest.warns(DeprecationWarning, match="is a module of Keras 2"):
        found = old_spellings.module(keras, name)
        place = old_spellings.MODULES[name][0]
        known = {"": "Model", "models": "Model", "utils": "to_categorical", "layers": "Dense"}
        known |= {"backend": "floatx", "callbacks": "History", "optimizers": "Adam"}
        assert getattr(found, known[place]) is find(f"{place}.{known[place]}".lstrip("."))
    with pytest.raises(AttributeError, match="has no attribute 'Nope'"):
        _ = found.Nope


def test_by_attribute():
    with pytest.warns(DeprecationWarning, match="keras.utils.np_utils"):
        assert keras.utils.np_utils.to_categorical is keras.utils.to_categorical
    with pytest.warns(DeprecationWarning, match=r"keras.layers.experimental.preprocessing"):
        found = keras.layers.experimental.preprocessing.Rescaling
    assert found is keras.layers.Rescaling


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (f"{place}.{name}".lstrip("."), hint)
        for place, names in old_spellings.GONE.items()
        for name, hint in names.items()
    ],
)
def test_what_is_gone_says_what_to_do(path, hint):
    with pytest.raises(AttributeError) as error:
        find(path)
    assert hint in str(error.value)


def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="softmax")])
    made.compile("sgd", "mse")
    return made


def test_generators():
    x, y = np.ones((4, 2), "float32"), np.ones((4, 3), "float32")
    made = model()

    def batches():
        while True:
            yield x, y

    with pytest.warns(DeprecationWarning, match="fit_generator"):
        history = made.fit_generator(batches(), steps_per_epoch=2, epochs=2, verbose=0, workers=4)
    assert len(history.history["loss"]) == 2
    with pytest.warns(DeprecationWarning, match="evaluate_generator"):
        assert made.evaluate_generator(batches(), steps=1) == pytest.approx(
            made.evaluate(x, y, verbose=0)
        )
    with pytest.warns(DeprecationWarning, match="predict_generator"):
        predicted = made.predict_generator(batches(), steps=1)
    np.testing.assert_allclose(predicted, made.predict(x, verbose=0), rtol=1e-6)
    with pytest.warns(DeprecationWarning, match="predict_classes"):
        assert made.predict_classes(x).tolist() == predicted.argmax(-1).tolist()
    with pytest.warns(DeprecationWarning, match="predict_proba"):
        np.testing.assert_allclose(made.predict_proba(x), predicted, rtol=1e-6)
    with pytest.raises(RuntimeError, match="to_json"):
        made.to_yaml()


def test_reset_states():
    made = keras.Sequential(
        [keras.Input(batch_shape=(1, 2, 1)), keras.layers.LSTM(1, stateful=True)]
    )
    first = made.predict(np.ones((1, 2, 1)), verbose=0)
    made.predict(np.ones((1, 2, 1)), verbose=0)
    with pytest.warns(DeprecationWarning, match="reset_states"):
        made.reset_states()
    np.testing.assert_allclose(made.predict(np.ones((1, 2, 1)), verbose=0), first, rtol=1e-6)


def test_shapes_of_layers():
    layer = keras.layers.Dense(3)
    with pytest.raises(AttributeError, match="never been called"):
        _ = layer.input_shape
    output = layer(keras.Input((2,)))
    with pytest.warns(DeprecationWarning, match=r"layer.input.shape"):
        assert layer.input_shape == (None, 2)
    with pytest.warns(DeprecationWarning):
        assert layer.output_shape == (None, 3)
    with pytest.warns(DeprecationWarning):
        assert layer.get_output_at(0) is output
    add = keras.layers.Add()
    add([keras.Input((2,)), keras.Input((2,))])
    with pytest.warns(DeprecationWarning):
        assert add.input_shape == [(None, 2), (None, 2)]

    class Own(keras.layers.Layer):
        def __init__(self, input_shape_of_mine):
            super().__init__()
            self.output_shape = input_shape_of_mine  # a layer may have its own

    assert Own((1, 2)).output_shape == (1, 2)


def test_files_without_a_suffix(tmp_path):
    made = model()
    with pytest.warns(DeprecationWarning, match="without a suffix"):
        made.save(tmp_path / "model")
    again = keras.models.load_model(tmp_path / "model")
    np.testing.assert_array_equal(again.get_weights()[0], made.get_weights()[0])
    with pytest.warns(DeprecationWarning, match="without a suffix"):
        made.save_weights(tmp_path / "weights")
    other = model()
    other.load_weights(tmp_path / "weights")
    np.testing.assert_array_equal(other.get_weights()[0], made.get_weights()[0])


def test_checkpoint_period(tmp_path):
    made = model()
    with pytest.warns(DeprecationWarning, match="period"):
        checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras", period=2)
    x = np.ones((4, 2))
    made.fit(x, np.ones((4, 3)), epochs=4, verbose=0, callbacks=[checkpoint])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2.keras", "4.keras"]
    with pytest.raises(TypeError, match="foo"):
        keras.callbacks.ModelCheckpoint("a.keras", foo=1)


def test_history_names():
    made = model()
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5)
    history = made.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0, callbacks=[scheduler]).history
    with pytest.warns(DeprecationWarning, match="learning_rate"):
        assert history["lr"] == history["learning_rate"] == [0.5]
    assert "lr" not in history
    with pytest.raises(KeyError, match="acc"):
        _ = history["acc"]


def test_shapes_of_layers_are_not_asked_for_configs():
    model = keras.Sequential([keras.layers.Flatten(input_shape=[2, 3])])
    again = keras.Sequential.from_config(model.get_config())  # a warning is an error in tests
    assert again.output.shape == (None, 6)
    heads = keras.layers.MultiHeadAttention(2, 3, output_shape=5)
    heads(keras.Input((4, 6)), keras.Input((4, 6)))
    assert heads.get_config()["output_shape"] == (5,)


def test_logs_have_old_names():
    seen = []

    class Old(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = 1.0
            seen.append((logs.get("lr"), logs["acc"], logs.get("nope", 3), "lr" in logs))

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["accuracy"])
    rate = keras.callbacks.LearningRateScheduler(lambda epoch: 0.25)
    with pytest.warns(DeprecationWarning, match=r"logs\['(lr|acc)'\]") as caught:
        history = model.fit(
            np.ones((4, 2)), np.ones((4, 1)), epochs=2, verbose=0, callbacks=[rate, Old()]
        )
    assert [round(float(lr), 4) for lr, *_ in seen] == [0.25, 0.25] and seen[0][2:] == (3, False)
    assert len([w for w in caught if "'lr'" in str(w.message)]) == 2
    assert history.history["mine"] == [1.0, 1.0]


def test_add_metric_says_what_to_do():
    with pytest.raises(NotImplementedError, match=r"Add your metric in `Model.compile"):
        keras.layers.Dense(1).add_metric(1.0, name="x", aggregation="mean")
