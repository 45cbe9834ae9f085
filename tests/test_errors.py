"""What a user reads when something is wrong: what, where, expected and got, and what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jkeras as keras
from jkeras import layers

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = np.zeros((10, 1), "float32")
LABELS = np.arange(10) % 4


def classifier(compiled=True):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="softmax", name="out")])
    if compiled:
        model.compile(loss="sparse_categorical_crossentropy", optimizer="sgd")
    return model


def two_outputs():
    inputs = keras.Input((3,))
    outputs = [layers.Dense(1, name="main")(inputs), layers.Dense(1, name="aux")(inputs)]
    return keras.Model(inputs, outputs)


def says(action, *words, kind=ValueError):
    """Runs `action`, which must fail with a message that has all the words."""
    with pytest.raises(kind) as raised:
        action()
    message = str(raised.value)
    for word in words:
        assert word in message, f"{word!r} is not in {message!r}"
    return raised.value


# ------------------------------------------------------------------ shapes and sizes
def test_wrong_input_shape_names_the_layer_expected_and_got():
    says(
        lambda: classifier().fit(np.ones((10, 4)), LABELS, verbose=0),
        *("'sequential'", "incompatible", "expected shape=(None, 3)", "found shape=(10, 4)"),
    )
    dense = layers.Dense(2, name="head")
    dense(np.ones((1, 3)))
    error = says(lambda: dense(np.ones((1, 5))), "'head'", "axis -1", "value 3", "(1, 5)")
    assert any("'head'" in note and "[1,5]" in note for note in error.__notes__)


def test_x_and_y_of_different_lengths():
    says(
        lambda: classifier().fit(X, LABELS[:9], verbose=0),
        *("same number of samples", "'x' sizes: 10", "'y' sizes: 9"),
    )


def test_empty_data():
    says(lambda: classifier().fit(X[:0], LABELS[:0], verbose=0), "empty", "no samples")
    says(lambda: classifier().fit(iter(()), verbose=0), "no batches")


def test_ragged_and_object_data():
    says(
        lambda: classifier().fit([[1.0, 2.0], [3.0]], [0, 1], verbose=0),
        "`x` is a list whose parts differ in length",
        kind=TypeError,
    )
    says(
        lambda: classifier().fit(np.array([["a", 1.0, None]] * 4, dtype=object), LABELS[:4]),
        *("`x`", "dtype object", "numeric"),
        kind=TypeError,
    )


STRINGS = np.array(["a", "b"] * 5)
DATES = np.array(["2020-01-01"] * 10, dtype="datetime64[D]")


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (STRINGS, LABELS, ["`x` holds strings", "such as ['a']", "TextVectorization"]),
        (STRINGS.astype(object), LABELS, ["`x` holds strings"]),
        (np.array([["a", "b", "c"]] * 10), LABELS, ["`x` holds strings"]),
        (STRINGS.astype("S"), LABELS, ["`x` holds strings"]),
        (DATES, LABELS, ["`x` holds dates", "astype('int64')"]),
        (X, STRINGS, ["`y` holds strings", "np.unique"]),
        (X, STRINGS.astype(object), ["`y` holds strings"]),
        (X, STRINGS.tolist(), ["`y` holds strings"]),
        (X, pd.Series(STRINGS), ["`y` holds strings"]),
        (X, DATES, ["`y` holds dates"]),
        (X, np.array([1, None] * 5, dtype=object), ["`y` is an array of Python objects"]),
        (X, [[1], [1, 2]] * 5, ["`y` is a list whose parts differ in length"]),
        ("data.csv", LABELS, ["Unrecognized data type", "`x` is 'data.csv'"]),
        (3, LABELS, ["`x` is 3"]),
        (lambda: iter([(X, LABELS)]), None, ["`x` is the function", "must be called"]),
        (X, iter([LABELS]), ["`y` is an object of type list_iterator"]),
        (iter([None]), None, ["`x` is None"]),
        (iter([(X, STRINGS)]), None, ["`y` holds strings"]),
    ],
)
def test_data_that_is_not_numeric(x, y, words):
    says(lambda: classifier().fit(x, y, verbose=0), *words, kind=TypeError)


def test_dates_and_words_in_a_frame_are_named():
    frame = pd.DataFrame(X, columns=list("abc"))
    for column in (pd.to_datetime(["2020-01-01"] * 10), STRINGS, pd.Categorical(STRINGS)):
        for call in (classifier().predict, lambda x, **_: classifier().fit(x, LABELS, verbose=0)):
            says(
                lambda column=column, call=call: call(frame.assign(c=column), verbose=0),
                *("`x`", "'c'", "not numbers", "get_dummies"),
                kind=TypeError,
            )


LARGE = 3_000_000_000


def embedding():
    model = keras.Sequential(
        [keras.Input((2,), dtype="int32"), layers.Embedding(9, 2), layers.Flatten()]
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_that_do_not_fit_the_device_are_refused(dtype, tmp_path):
    ids, targets = np.ones((10, 2), dtype), np.ones((10, 4), "float32")
    large = np.full((10, 2), 2**32 + 1, dtype)
    mapped = np.memmap(tmp_path / "ids", dtype, "w+", shape=(10, 2))
    mapped[:] = large
    model = embedding()
    model.predict(ids, verbose=0)
    for call in (
        lambda: model(large),
        lambda: model.predict(large, verbose=0),
        lambda: model.predict(iter([(ids,), (large,)]), verbose=0),
        lambda: model.predict(mapped, verbose=0),
        lambda: model.fit(large, targets, verbose=0),
        lambda: model.fit(mapped, targets, verbose=0),
        lambda: model.fit(iter([(ids, targets), (large, targets)]), verbose=0),
        lambda: model.fit(ids, targets.astype(dtype) * 2**40, verbose=0),
        lambda: model.fit(ids, targets, sample_weight=large[:, 0], verbose=0),
        lambda: model.evaluate(large, targets, verbose=0),
        lambda: model.train_on_batch(large, targets),
        lambda: model.fit(iter([(ids, large.repeat(2, 1))]), verbose=0),
    ):
        says(call, "holds the integer", "32 bits", dtype)


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"a": 1.0}, ["`class_weight`", "'a'"]),
        ({"0": 1.0}, ["the key '0'"]),
        ({0.5: 1.0}, ["the key 0.5"]),
        ({-1: 1.0}, ["the key -1"]),
        ({0: float("nan")}, ["finite", "nan"]),
        ({0: -2.0}, ["at least 0", "-2.0"]),
        ({0: "x"}, ["'x'"]),
        ({0: None}, ["None"]),
        ([1.0, 2.0], ["`class_weight` is a dict"]),
    ],
)
def test_class_weights(weights, words):
    says(lambda: classifier().fit(X, LABELS, class_weight=weights, verbose=0), *words)
    batches = iter([(X, LABELS)])
    says(lambda: classifier().fit(batches, class_weight=weights, verbose=0), *words)


def test_class_weights_of_classes_that_are_not_there_warn():
    with pytest.warns(UserWarning, match=r"classes \[7\]"):
        classifier().fit(X, LABELS, class_weight={0: 2.0, 7: 2.0}, verbose=0)


@pytest.mark.parametrize(
    ("weight", "words", "kind"),
    [
        (np.ones(9), ["'sample_weight' sizes: 9"], ValueError),
        (np.ones((10, 3)), ["sample_weight of shape (10, 3)", "one weight a sample"], ValueError),
        ("balanced", ["`sample_weight` is 'balanced'"], TypeError),
        (2.0, ["`sample_weight` is 2.0"], TypeError),
        (STRINGS, ["`sample_weight` holds strings"], TypeError),
        ({0: 1.0}, ["`sample_weight` names an output 0"], ValueError),
    ],
)
def test_sample_weights(weight, words, kind):
    says(lambda: classifier().fit(X, LABELS, sample_weight=weight, verbose=0), *words, kind=kind)


def one_argument(y_true):
    return y_true


def three_arguments(y_true, y_pred, extra):
    return y_true


@pytest.mark.parametrize(
    ("loss", "words", "kind"),
    [
        (lambda t, p: None, ["returned None", "one value for each sample"], TypeError),
        (lambda t, p: (t, p), ["returned ("], TypeError),
        (lambda t, p: "x", ["returned 'x'"], TypeError),
        (one_argument, ["one_argument(y_true, y_pred)"], TypeError),
        (three_arguments, ["missing", "'extra'"], TypeError),
        (keras.losses.MeanSquaredError(reduction=None), ["one number", "reduction"], ValueError),
        (keras.metrics.MeanSquaredError(), ["is the metric"], ValueError),
    ],
)
def test_what_is_not_a_loss(loss, words, kind):
    def train():
        model = classifier(compiled=False)
        model.compile("sgd", loss)
        model.fit(X, np.ones((10, 4)), verbose=0)

    says(train, *words, kind=kind)


def test_metrics_that_take_another_number_of_arguments():
    def train():
        model = classifier(compiled=False)
        model.compile("sgd", "mse", metrics=[one_argument])
        model.fit(X, np.ones((10, 4)), verbose=0)

    says(train, "one_argument(y_true, y_pred)", kind=TypeError)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (X, "ndarray"),
        ((X,), "a tuple of 1"),
        ((X, LABELS, LABELS, LABELS), "a tuple of 4"),
        ({"x": X}, "dict"),
        ("x", "'x'"),
        (3, "3"),
    ],
)
def test_validation_data(given, got):
    says(
        lambda: classifier().fit(X, LABELS, validation_data=given, verbose=0),
        *("`validation_data` is `(x, y)`", got),
    )


def test_missing_targets():
    says(lambda: classifier().fit(X, verbose=0), "'out'", "no target was given", "`y`")


# ------------------------------------------------------------------ names
@pytest.mark.parametrize(
    ("action", "words"),
    [
        (lambda: classifier().compile(loss="msee"), ("loss", "'msee'", "did you mean 'mse'?")),
        (
            lambda: classifier().compile(optimizer="adamm"),
            ("optimizer", "'adamm'", "did you mean 'Adam'?"),
        ),
        (lambda: layers.Dense(3, activation="rellu"), ("activation", "did you mean 'relu'?")),
        (lambda: layers.Dense(3, kernel_initializer="he_norml"), ("initializer", "'he_normal'")),
        (lambda: layers.Dense(3, input_shpae=[8]), ("Dense", "did you mean 'input_shape'?")),
        (lambda: classifier().compile(metrics=["acuracy"]), ("metric", "'acuracy'", "accuracy")),
        (lambda: keras.optimizers.SGD(momentun=0.9), ("momentun", "momentum")),
    ],
)
def test_a_misspelt_name_suggests_the_nearest(action, words):
    message = str(says(action, *words[:-1])).lower()
    assert words[-1].lower() in message


def test_unknown_output_names():
    says(
        lambda: two_outputs().compile(loss={"main": "mse", "auxx": "mse"}),
        *("`loss`", "'auxx'", "did you mean 'aux'?", "['main', 'aux']"),
    )
    model = two_outputs()
    model.compile(loss="mse")
    says(
        lambda: model.fit(X, {"main": Y, "auxx": Y}, verbose=0),
        *("`y`", "'auxx'", "did you mean 'aux'?"),
    )
    says(
        lambda: classifier().fit(X, {"zz": LABELS}),
        "'zz' that the model does not have. The model's output is 'out'.",
    )
    says(lambda: model.fit(X, [Y, Y, Y], verbose=0), "3 entries", "2 outputs", "['main', 'aux']")


def test_unknown_layer():
    says(lambda: classifier().get_layer("outt"), "No such layer: outt", "did you mean 'out'?")


# ------------------------------------------------------------------ values
@pytest.mark.parametrize("units", [3.5, -1, 0, "3", None, True])
def test_units_are_positive_integers(units):
    says(lambda: layers.Dense(units), "`units`", "positive integer", f"{units}")


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), -0.1])
def test_learning_rates_are_finite(rate):
    says(lambda: keras.optimizers.SGD(learning_rate=rate), "learning rate", f"{rate}")


def test_a_learning_rate_that_becomes_nan_later_is_refused_as_well():
    model = classifier()
    with pytest.raises(ValueError, match="nan"):
        model.optimizer.learning_rate = float("nan")


@pytest.mark.parametrize(("label", "word"), [(4, "up to 4"), (-1, "down to -1")])
def test_labels_out_of_range_of_a_sparse_loss(label, word):
    labels = LABELS.copy()
    labels[3] = label
    model = classifier()
    says(lambda: model.fit(X, labels, verbose=0), word, "classes 0 to 3")
    says(lambda: model.evaluate(X, labels, verbose=0), word)
    says(lambda: model.train_on_batch(X, labels), word)


def test_one_hot_labels_for_a_sparse_loss():
    says(lambda: classifier().fit(X, np.eye(4)[LABELS], verbose=0), "categorical_crossentropy")


def test_arguments_of_fit():
    model = classifier()
    says(lambda: model.fit(X, LABELS, validation_split=1.5), "validation_split", "1.5")
    says(lambda: model.fit(X, LABELS, batch_size=0), "batch_size", "positive integer", "0")
    says(lambda: model.fit(X, LABELS, epochs=1.5), "`epochs` must be an integer", "1.5")
    says(lambda: model.fit(X, LABELS, steps_per_epoch=2.5), "`steps_per_epoch`", "2.5")
    says(lambda: model.fit(X, LABELS, verbose="yes"), "`verbose`", "'auto', 0, 1 or 2", "'yes'")
    says(lambda: model.fit(X, LABELS, validation_split=0.99, verbose=0), "no samples")
    says(lambda: model.fit(X, LABELS, validation_data=X, verbose=0), "validation_data", "(x, y)")
    says(
        lambda: model.fit(X, LABELS, callbacks=[keras.callbacks.History], verbose=0),
        *("Callback", "Did you mean History()?"),
        kind=TypeError,
    )


# ------------------------------------------------------------------ order of things
def test_fit_before_compile():
    for method in ("fit", "evaluate", "train_on_batch"):
        says(lambda m=method: getattr(classifier(False), m)(X, LABELS), "compile()", method)


def test_a_missing_super_init():
    class Careless(layers.Layer):
        def __init__(self):
            self.units = 3

        def call(self, x):
            return x

    says(lambda: Careless()(X), "super().__init__()", kind=RuntimeError)


# ------------------------------------------------------------------ purity
def test_a_tracer_kept_on_a_layer():
    class Keeps(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)
            self.mean = keras.ops.zeros(())

        def call(self, x):
            self.mean = 0.9 * self.mean + keras.ops.mean(x)
            return self.dense(x)

    model = Keeps()
    assert model(X).shape == (10, 1)  # eagerly it means something
    model.compile(loss="mse")
    says(lambda: model.fit(X, Y, verbose=0), "self.mean", "traced value", "add_weight")


def test_a_weight_that_the_model_does_not_own():
    shared = layers.Dense(1, name="elsewhere")

    class Borrows(keras.Model):
        def __init__(self):
            super().__init__()
            self.own = layers.Dense(1)

        def call(self, x):
            return shared(self.own(x))

    model = Borrows()
    model.compile(loss="mse")
    with pytest.warns(UserWarning, match=r"elsewhere/kernel.*does not own(?s:.*)attribute"):
        model.fit(X, Y, verbose=0)
    shared.trainable = False
    model.fit(X, Y, verbose=0)  # as it is meant
    variables = model.init(jax.random.key(0), X)
    says(lambda: model.apply(variables, X), "elsewhere/kernel", "does not own", "attribute")


def test_outputs_that_do_not_follow_from_the_inputs():
    a, b = keras.Input((3,), name="a"), keras.Input((2,), name="b")
    says(lambda: keras.Model(a, layers.Dense(1)(b)), "'b'".strip("'"), "Input", "inputs=[...]")


def test_a_model_of_inputs_without_outputs():
    a = keras.Input((3,))
    for action in (lambda: keras.Model(inputs=a), lambda: keras.Model(a), lambda: keras.Model([a])):
        says(action, "both `inputs` and `outputs`", "keras.Model(inputs, outputs)")


def test_a_jax_function_on_a_symbolic_tensor_names_the_way_out():
    says(lambda: jnp.sin(keras.Input((3,))), "symbolic", "keras.ops.sin", "keras.ops.lift")


def test_a_user_error_comes_out_untouched_with_the_layer_in_a_note():
    class Broken(layers.Layer):
        def call(self, x):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as raised:
        keras.Sequential([Broken(name="culprit")])(X)
    assert any("culprit" in note for note in raised.value.__notes__)
