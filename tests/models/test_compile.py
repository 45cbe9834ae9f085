"""Losses, metrics and weights in every structure, and what results are called."""

import inspect
import pickle
import warnings

import numpy as np
import pytest

import jkeras as keras

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True) ** 2
WEIGHT = np.arange(8) / 8


def parts():
    """Returns an input, and three outputs of one column by name: a, b, c."""
    inputs = keras.Input((3,), name="i")
    kernels = {"a": 1.0, "b": 2.0, "c": 3.0}
    return inputs, {
        name: keras.layers.Dense(1, name=name, kernel_initializer=keras.initializers.Constant(k))(
            inputs
        )
        for name, k in kernels.items()
    }


def functional(arrange):
    inputs, by_name = parts()
    return keras.Model(inputs, arrange(**by_name))


def subclassed(arrange):
    _, by_name = parts()
    layers = {name: x.source.layer for name, x in by_name.items()}

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = layers

        def call(self, x):
            return arrange(**{name: layer(x) for name, layer in self.parts.items()})

    return Net()


def results(model, y, sample_weight=None, **compiled):
    """Returns what evaluate says, by name; all ways of asking must agree."""
    model.compile("sgd", **compiled)
    logs = model.evaluate(X, y, sample_weight=sample_weight, verbose=0, return_dict=True)
    values = model.evaluate(X, y, sample_weight=sample_weight, verbose=0)
    np.testing.assert_allclose(np.sort(np.ravel(values)), np.sort(list(logs.values())), rtol=1e-6)
    batch = model.test_on_batch(X, y, sample_weight=sample_weight, return_dict=True)
    np.testing.assert_allclose([batch[k] for k in logs], list(logs.values()), rtol=1e-5)
    history = model.fit(X, y, sample_weight=sample_weight, batch_size=8, verbose=0).history
    np.testing.assert_allclose([history[k][0] for k in logs], list(logs.values()), rtol=1e-5)
    return logs


def mse(k, weight=1.0):
    return float(np.mean(np.square(k * X.sum(axis=1) - Y[:, 0]) * weight))


def mae(k, weight=1.0):
    return float(np.mean(np.abs(k * X.sum(axis=1) - Y[:, 0]) * weight))


STRUCTURES = {
    "tuple": (lambda a, b, c: (a, b, c), ["a_loss", "b_loss", "c_loss"]),
    "dict": (lambda a, b, c: {"u": a, "v": b, "w": c}, ["u_loss", "v_loss", "w_loss"]),
    "nested list": (lambda a, b, c: [[a, b], c], ["0/a_loss", "0/b_loss", "c_loss"]),
    "list in a dict": (lambda a, b, c: {"p": [a, b], "q": c}, ["p/a_loss", "p/b_loss", "q_loss"]),
    "dict in a dict": (
        lambda a, b, c: {"p": {"r": a, "s": b}, "q": c},
        ["p/r_loss", "p/s_loss", "q_loss"],
    ),
    "dict in a list": (
        lambda a, b, c: [{"r": a, "s": b}, c],
        ["0/r_loss", "0/s_loss", "c_loss"],
    ),
}


@pytest.mark.parametrize("structure", list(STRUCTURES))
@pytest.mark.parametrize("make", [functional, subclassed])
def test_losses_and_weights_in_the_structure_of_the_outputs(make, structure):
    arrange, names = STRUCTURES[structure]
    logs = results(
        make(arrange),
        arrange(Y, Y, Y),
        arrange(None, WEIGHT, None),
        loss=arrange("mse", "mae", "mse"),
        loss_weights=arrange(1.0, 2.0, 3.0),
    )
    expected = [mse(1), mae(2, WEIGHT), mse(3)]
    total = expected[0] + 2 * expected[1] + 3 * expected[2]
    if make is functional:  # else outputs in lists are counted
        assert list(logs) == sorted(["loss", *names])
        np.testing.assert_allclose([logs[n] for n in names], expected, rtol=1e-5)
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    np.testing.assert_allclose(sorted(logs.values()), sorted([total, *expected]), rtol=1e-5)


@pytest.mark.parametrize("structure", list(STRUCTURES))
def test_one_loss_for_all_and_flat_lists(structure):
    arrange, _ = STRUCTURES[structure]
    one = results(functional(arrange), arrange(Y, Y, Y), loss="mse")
    flat = results(functional(arrange), [Y, Y, Y], loss=["mse", "mse", "mse"])
    shared = results(functional(arrange), Y, loss="mse")
    assert one == flat == shared
    np.testing.assert_allclose(one["loss"], mse(1) + mse(2) + mse(3), rtol=1e-5)


@pytest.mark.parametrize("structure", list(STRUCTURES))
def test_outputs_without_loss(structure):
    arrange, _ = STRUCTURES[structure]
    logs = results(
        functional(arrange),
        arrange(Y, None, Y),
        loss=arrange("mse", None, None),
        metrics=arrange(None, None, ["mae"]),
    )
    assert len(logs) == 2
    np.testing.assert_allclose(sorted(logs.values()), sorted([mse(1), mae(3)]), rtol=1e-5)


@pytest.mark.parametrize(
    ("arrange", "y", "loss"),
    [
        (lambda a, **_: a, Y, ["mse"]),
        (lambda a, **_: a, (Y,), ("mse",)),
        (lambda a, **_: a, {"a": Y}, {"a": "mse"}),
        (lambda a, **_: [a], [Y], ["mse"]),
        (lambda a, **_: {"u": a}, {"u": Y}, {"u": "mse"}),
        (lambda a, **_: a, Y, {"class_name": "MeanSquaredError", "config": {}}),
    ],
)
def test_one_output(arrange, y, loss):
    for metrics in (["mae"], [["mae"]], "mae", (keras.metrics.MeanAbsoluteError(name="mae"),)):
        logs = results(functional(arrange), y, loss=loss, metrics=metrics, loss_weights=[2.0])
        assert list(logs) == ["loss", "mae"]
        np.testing.assert_allclose(list(logs.values()), [2 * mse(1), mae(1)], rtol=1e-5)


def test_names_and_order_of_weighted_metrics():
    def two(a, b, c):
        return [a, b]

    metrics = {"metrics": [["mae"], ["mse"]], "weighted_metrics": [["mae"], ["mse"]]}
    model = functional(two)
    logs = results(model, [Y, Y], [WEIGHT, WEIGHT], loss="mse", **metrics)
    names = ["a_mae", "a_weighted_mae", "b_mse", "b_weighted_mse"]
    assert list(logs) == sorted(["loss", "a_loss", "b_loss", *names])
    values = model.evaluate(X, [Y, Y], sample_weight=[WEIGHT, WEIGHT], verbose=0)
    logs = model.evaluate(X, [Y, Y], sample_weight=WEIGHT, verbose=0, return_dict=True)
    assert values == [logs[n] for n in ("loss", "a_loss", "b_loss", *names)]
    single = results(
        functional(lambda a, **_: a),
        Y,
        WEIGHT.tolist(),
        loss="mse",
        metrics=["mae"],
        weighted_metrics=["mae", "mse"],
    )
    assert list(single) == ["loss", "mae", "mse", "weighted_mae"]
    np.testing.assert_allclose(single["weighted_mae"], mae(1, WEIGHT) / WEIGHT.mean(), rtol=1e-5)


# ------------------------------------------------------------------ inputs
def two_inputs(arrange, optional=False):
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b", optional=optional)

    class Add(keras.layers.Layer):
        def call(self, x, other=None):
            return x if other is None else x + other

    model = keras.Model(
        arrange(a, b), keras.layers.Dense(1, kernel_initializer="ones")(Add()(a, b))
    )
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize("arrange", [lambda a, b: [a, b], lambda a, b: {"a": a, "b": b}])
def test_an_optional_input_may_be_none(arrange):
    model = two_inputs(arrange, optional=True)
    for x in (arrange(X, None), (arrange(X[:4], None), arrange(X[4:], None))):
        if isinstance(x, tuple):
            batches = [(part, Y[4 * i : 4 * i + 4]) for i, part in enumerate(x)]
            given, predicted = (iter(batches),), ((part,) for part in x)
        else:
            given, predicted = (x, Y), x
        np.testing.assert_allclose(model.evaluate(*given, verbose=0), mse(1), rtol=1e-5)
        outputs = model.predict(predicted, verbose=0)
        np.testing.assert_allclose(outputs, X.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(model(arrange(X, None)), X.sum(1, keepdims=True), rtol=1e-5)
    np.testing.assert_allclose(model.evaluate(arrange(X, X), Y, verbose=0), mse(2), rtol=1e-5)
    model.fit(arrange(X, None), Y, verbose=0)


def test_inputs_of_another_structure_warn():
    by_place = two_inputs(lambda a, b: [a, b])
    message = "The structure of `inputs` doesn't match the expected structure"
    for x in ({"a": X, "b": X, "extra": X}, [X, X]):
        by_name = two_inputs(lambda a, b: {"a": a, "b": b})
        with pytest.warns(UserWarning, match=message):
            by_name.predict(x, verbose=0)
        by_name = two_inputs(lambda a, b: {"a": a, "b": b})
        with pytest.warns(UserWarning, match=message):
            by_name(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        by_name.predict({"b": X, "a": X}, verbose=0)
        for x in ([X, X], (X, X), {"a": X, "b": X}):
            by_place.predict(x, verbose=0)


# ------------------------------------------------------------------ names
class Offset(keras.metrics.Metric):
    def __init__(self, name="offset", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_variable((), name="total")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(keras.ops.mean(y_pred - y_true))

    def result(self):
        return self.total.value


def fourth_power(y_true, y_pred):
    return (y_true - y_pred) ** 4


@pytest.mark.parametrize("copied", [False, True], ids=["", "pickled"])
def test_names_of_a_scope_are_known_when_it_has_ended(copied):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with keras.utils.custom_object_scope({"fourth_power": fourth_power, "Offset": Offset}):
        model.compile("sgd", loss="fourth_power", metrics=["fourth_power", "Offset", "mae"])
    if copied:
        model = pickle.loads(pickle.dumps(model))
    logs = model.fit(X, Y, verbose=0).history
    assert list(logs) == ["Offset", "fourth_power", "loss", "mae"]
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    error = model.predict(X, verbose=0) - Y
    np.testing.assert_allclose(found["loss"], (error**4).mean(), rtol=1e-5)
    np.testing.assert_allclose(found["Offset"], error.mean(), rtol=1e-5)
    # evaluate alone leaves what the metrics say current
    current = {metric.name: float(metric.result()) for metric in model.metrics}
    np.testing.assert_allclose([current[k] for k in found], list(found.values()), rtol=1e-6)


# ------------------------------------------------------------------ what is refused
@pytest.mark.parametrize(
    ("compiled", "words"),
    [
        ({"loss": ["mse"] * 3}, ["`loss` has 3 entries", "2 outputs", "['a', 'b']"]),
        ({"loss": {"a": "mse", "bb": "mse"}}, ["`loss`", "'bb'", "did you mean 'b'"]),
        ({"loss": [["mse", "mae"], "mse"]}, ["`loss`", "['mse', 'mae'] for one output"]),
        ({"loss_weights": "x"}, ["Expected `loss_weights` argument to be a float", "'x'"]),
        ({"loss_weights": [1.0]}, ["`loss_weights` has 1 entries", "2 outputs"]),
        ({"loss_weights": {"a": "x"}}, ["Expected `loss_weights` argument", "'x'"]),
        ({"loss_weights": [1.0, float("nan")]}, ["`loss_weights`", "finite", "nan"]),
        ({"loss_weights": {"c": 1.0}}, ["`loss_weights`", "'c'", "['a', 'b']"]),
        ({"metrics": 3}, ["Expected `metrics` argument to be a list, tuple, or dict"]),
        ({"metrics": [["mae"]] * 3}, ["3 entries", "Invalid `metrics`. `metrics` should contain"]),
        ({"weighted_metrics": {"c": "mae"}}, ["'c'", "Invalid `weighted_metrics`"]),
    ],
)
def test_what_does_not_fit_the_outputs_is_refused(compiled, words):
    def train():
        model = functional(lambda a, b, c: [a, b])
        model.compile("sgd", **{"loss": "mse", **compiled})
        model.fit(X, [Y, Y], verbose=0)

    with pytest.raises(ValueError) as raised:
        train()
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_columns_of_one_target_are_not_taken_for_the_targets_of_several_outputs():
    model = functional(lambda a, b, c: [a, b])
    model.compile("sgd", "mse")
    columns = np.concatenate([Y, Y], axis=1)
    for train in (
        lambda: model.fit(X, columns, verbose=0),
        lambda: model.evaluate(X, columns, verbose=0),
        lambda: model.train_on_batch(X, columns),
        lambda: model.fit(iter([(X, columns)]), verbose=0),
        lambda: model.fit(X, Y, validation_data=(X, columns), verbose=0),
    ):
        with pytest.raises(ValueError, match=r"One `y` of shape \(8, 2\).*several outputs"):
            train()
    model.fit(X, Y, verbose=0)  # one for all, as in tf.keras


def of_both(y_true, y_pred):
    """A loss of a structure of two outputs."""
    (a, b), (c, d) = y_true, y_pred
    return keras.ops.mean(keras.ops.square(a - c) + keras.ops.abs(b - d), axis=-1)


def two_outputs(kind):
    x = keras.Input((2,))
    dense = [keras.layers.Dense(1, name=name, kernel_initializer="ones") for name in ("y1", "y2")]
    return keras.Model(x, kind([layer(x) for layer in dense]))


@pytest.mark.parametrize(("outputs", "losses"), [(list, tuple), (tuple, list)])
def test_losses_of_a_structure_of_outputs_beside_those_of_each(outputs, losses):
    x = np.array([[1.0, 2.0], [0.0, 1.0]], "float32")  # outputs 3 and 1
    y = outputs([np.zeros((2, 1), "float32"), np.zeros((2, 1), "float32")])
    model = two_outputs(outputs)
    given = losses([of_both, outputs(["mse", "mae"])])
    model.compile(keras.optimizers.SGD(0.0), given, loss_weights=losses([2.0, outputs([0.5, 0.0])]))
    logs = model.evaluate(x, y, verbose=0, return_dict=True)
    assert logs == pytest.approx(
        {"loss": 2 * 7.0 + 0.5 * 5.0, "y1_y2_loss": 7.0, "y1_loss": 5.0, "y2_loss": 2.0}
    )
    weighted = model.evaluate(x, y, sample_weight=np.array([1.0, 0.0]), verbose=0, return_dict=True)
    assert weighted["y1_y2_loss"] == pytest.approx((9 + 3) / 2)
    assert set(model.fit(x, y, verbose=0).history) == set(logs)


def test_losses_of_structures_within_a_dict_of_outputs():
    x = keras.Input((1,))
    pair = [keras.layers.Dense(1, name=n, kernel_initializer="ones")(x) for n in ("p", "q")]
    model = keras.Model(x, {"a": tuple(pair), "b": keras.layers.Activation("relu", name="r")(x)})
    model.compile(keras.optimizers.SGD(0.0), {"a": [of_both, (None, "mse")], "b": "mse"})
    ones, zeros = np.ones((2, 1), "float32"), np.zeros((2, 1), "float32")
    logs = model.evaluate(ones, {"a": (zeros, zeros), "b": zeros}, verbose=0, return_dict=True)
    assert logs == pytest.approx({"loss": 4.0, "a_loss": 2.0, "a/q_loss": 1.0, "b_loss": 1.0})
    model.compile("sgd", {"a": of_both})  # a function gets the structure that it is named for
    assert model.evaluate(ones, {"a": (zeros, zeros), "b": zeros}, verbose=0) == pytest.approx(2.0)


def test_loss_weights_have_the_structure_of_the_losses():
    with pytest.raises(ValueError, match="must match the number of losses"):
        two_outputs(tuple).compile("sgd", [of_both, ("mse", "mae")], loss_weights=[1.0])
    with pytest.raises(ValueError, match="Expected one loss an output: in a list"):
        two_outputs(list).compile("sgd", [of_both, ["mse", "mae"]])


@pytest.mark.parametrize("name", ["compile", "fit", "predict"])
def test_a_signature_says_that_other_arguments_are_refused(name):
    method = getattr(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), name)
    parameters = inspect.signature(method).parameters.values()
    assert not any(p.kind is p.VAR_KEYWORD for p in parameters)
    assert "callbacks" in inspect.signature(method).parameters or name == "compile"


def test_a_build_of_ones_own_is_called_with_what_it_was_called_with():
    class Conditional(keras.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(2)

        def build(self, shapes):
            self.dense.build((None, shapes["a"][1] + shapes["b"][1]))

        def call(self, a, b):
            return self.dense(keras.ops.concatenate([a, b], -1))

    model = Conditional()
    model.build({"a": (4, 1), "b": (4, 2)})
    again = Conditional()
    again.build_from_config(model.get_build_config())
    assert again.dense.kernel.shape == (3, 2)
    assert len(keras.models.clone_model(model).weights) == 2
