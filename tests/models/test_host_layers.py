"""Models that begin with layers of strings: these run on the host, the rest is compiled."""

import numpy as np
import pandas as pd
import pytest

import jkeras as keras

layers = keras.layers
TEXTS = np.array(["a b", "zz a", "b b b", "q", "a", "b q"])
Y = np.arange(6.0)[:, None]


def vectorization():
    layer = layers.TextVectorization(output_sequence_length=3)
    layer.adapt(TEXTS)
    return layer


def classifier(x):
    return layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.Embedding(9, 2)(x)))


def functional(shape=()):
    inputs = keras.Input(shape, dtype="string")
    return keras.Model(inputs, classifier(vectorization()(inputs)))


def sequential(*begin):
    return keras.Sequential(
        [*begin, vectorization(), layers.Embedding(9, 2), layers.Flatten(), layers.Dense(1)]
    )


def encoding(*encode):
    return keras.Sequential([keras.Input((1,), dtype="string"), *encode, layers.Dense(1)])


def mixed():
    text, number = keras.Input((), dtype="string", name="text"), keras.Input((2,), name="number")
    hidden = layers.Embedding(9, 2, name="e")(vectorization()(text))
    both = layers.concatenate([layers.Flatten()(hidden), number])
    return keras.Model({"text": text, "number": number}, layers.Dense(1)(both))


def nested(inner):
    inputs = keras.Input((), dtype="string")
    return keras.Model(inputs, layers.Dense(1)(inner(inputs)))


TOKENS = ["a b", "q"]
CASES = {
    "functional": (functional, TEXTS),
    "functional of columns": (lambda: functional((1,)), TEXTS[:, None]),
    "sequential": (sequential, TEXTS),
    "sequential with input": (lambda: sequential(keras.Input((), dtype="string")), TEXTS),
    "lookup": (
        lambda: encoding(layers.StringLookup(vocabulary=TOKENS, output_mode="one_hot")),
        TEXTS[:, None],
    ),
    "lookup and encoding": (
        lambda: encoding(layers.StringLookup(vocabulary=TOKENS), layers.CategoryEncoding(4)),
        TEXTS,
    ),
    "hashing": (lambda: encoding(layers.Hashing(5, output_mode="one_hot")), TEXTS[:, None]),
    "hashing of large integers": (
        lambda: keras.Sequential(
            [
                keras.Input((1,), dtype="int64"),
                layers.Hashing(5, output_mode="one_hot"),
                layers.Dense(1),
            ]
        ),
        2**40 + np.arange(6),
    ),
    "beside numbers": (mixed, {"text": TEXTS, "number": np.ones((6, 2), "float32")}),
    "a functional model inside": (lambda: nested(functional()), TEXTS),
    "a sequential model inside": (
        lambda: nested(sequential(keras.Input((), dtype="string"))),
        TEXTS,
    ),
    "inside of a sequential model": (
        lambda: keras.Sequential([functional(), layers.Dense(1)]),
        TEXTS,
    ),
    "lists": (functional, TEXTS.tolist()),
    "objects": (functional, TEXTS.astype(object)),
    "bytes": (functional, TEXTS.astype("S")),
    "series": (functional, pd.Series(TEXTS)),
}


def rows(x, part):
    return {k: v[part] for k, v in x.items()} if isinstance(x, dict) else x[part]


def batches(x, with_targets=True):
    for start in (0, 4):
        part = slice(start, start + 4)
        yield (rows(x, part), Y[part]) if with_targets else (rows(x, part),)


@pytest.mark.parametrize("case", list(CASES))
def test_every_way_of_calling_gives_the_same(case, tmp_path):
    make, x = CASES[case]
    model = make()
    expected = model.predict(x, verbose=0)
    assert expected.shape == (6, 1)
    called = x if isinstance(x, dict) else np.asarray(x)
    for outputs in (
        model(called),
        model.predict(x, batch_size=4, verbose=0),
        model.predict(batches(x, with_targets=False), verbose=0),
        model.predict_on_batch(x),
    ):
        np.testing.assert_allclose(outputs, expected, rtol=1e-5)

    model.compile("sgd", "mse")
    loss = model.evaluate(x, Y, verbose=0)
    np.testing.assert_allclose(loss, np.mean((expected - Y) ** 2), rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(batches(x), verbose=0), loss, rtol=1e-5)
    np.testing.assert_allclose(model.test_on_batch(x, Y), loss, rtol=1e-5)

    model.save(tmp_path / "model.keras")
    start = model.get_weights()
    model.fit(x, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    trained = model.get_weights()
    assert all((a != b).any() for a, b in zip(start, trained) if a.ndim > 1)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(called), expected, rtol=1e-5)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, rtol=1e-5)
    for _ in range(2):
        loaded.fit(batches(x), verbose=0)
    for a, b in zip(trained, loaded.get_weights()):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_a_model_that_ends_on_the_host():
    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, vectorization()(inputs))
    assert model.predict(TEXTS, verbose=0).tolist() == np.asarray(model(TEXTS)).tolist()


def test_a_vocabulary_may_come_after_the_model():
    inputs = keras.Input((), dtype="string")
    layer = layers.TextVectorization(output_sequence_length=3)
    model = keras.Model(inputs, layers.Embedding(9, 2)(layer(inputs)))
    with pytest.raises(ValueError, match="no vocabulary yet"):
        model.predict(TEXTS, verbose=0)
    layer.adapt(TEXTS)
    assert model.predict(TEXTS, verbose=0).shape == (6, 3, 2)


def test_validation_and_steps_of_a_subclass():
    class Net(keras.Sequential):
        def train_step(self, state, data):
            return super().train_step(state, data)

    inputs = keras.Input((), dtype="string")
    model = Net([inputs, vectorization(), layers.Embedding(9, 2), layers.Flatten()])
    model.compile("sgd", "mse")
    y = np.zeros((6, 6))
    history = model.fit(TEXTS, y, validation_split=0.5, verbose=0).history
    assert sorted(history) == ["loss", "val_loss"]


def test_strings_without_a_layer_for_them_are_refused():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.vectorize, self.embed = vectorization(), layers.Embedding(9, 2)

        def call(self, x):
            return self.embed(self.vectorize(x))

    assert Net()(TEXTS).shape == (6, 3, 2)
    with pytest.raises(TypeError, match="`x` holds strings") as raised:
        Net().predict(TEXTS, verbose=0)
    assert "begin the model with a layer" in str(raised.value)
