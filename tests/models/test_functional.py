"""Models of symbolic tensors, by keras.Model and by subclasses of Model and of Functional."""

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.models import Functional

X = np.ones((2, 3), "float32")


def ends(units=2):
    inputs = keras.Input((3,))
    return inputs, keras.layers.Dense(units)(inputs)


class Handing(keras.Model):
    """A subclass of Model that hands on tensors."""

    def __init__(self, units=2, **kwargs):
        super().__init__(*ends(units), **kwargs)
        self.units = units


class Further(Handing):
    def __init__(self):
        super().__init__(5, name="further")


class Helper(keras.Model):
    def double(self, x):
        return 2 * self(x)


class ByName(Helper):
    def __init__(self):
        inputs, outputs = ends()
        super().__init__(inputs=inputs, outputs=outputs, name="by_name")


class Own(Functional):
    pass


class Optional(keras.Model):
    """Sometimes made of tensors, sometimes with a call of its own."""

    def __init__(self, of_tensors):
        if of_tensors:
            super().__init__(*ends())
        else:
            super().__init__()
            self.dense = keras.layers.Dense(4)

    def call(self, x):
        return self.dense(x) if hasattr(self, "dense") else super().call(x)


@pytest.mark.parametrize(
    ("model", "width"),
    [
        (lambda: keras.Model(*ends()), 2),
        (lambda: keras.Model(inputs=(tensors := ends())[0], outputs=tensors[1]), 2),
        (Handing, 2),
        (Further, 5),
        (ByName, 2),
        (lambda: Own(*ends()), 2),
        (lambda: Optional(True), 2),
    ],
)
def test_each_is_functional(model, width):
    model = model()
    assert isinstance(model, Functional)
    assert model.output_shape == (None, width)
    assert model.predict(X, verbose=0).shape == (2, width)
    assert [type(layer).__name__ for layer in model.layers] == ["InputLayer", "Dense"]
    model.compile("sgd", "mse")
    model.fit(X, np.ones((2, width)), verbose=0)
    again = type(model).from_config(model.get_config())
    if type(model) not in (Further, ByName, Optional):
        assert type(again) is type(model) and again.output_shape == model.output_shape


def test_a_subclass_keeps_what_it_derives_from():
    assert ByName().double(X).shape == (2, 2)
    assert not issubclass(Helper, Functional)
    assert Handing(units=4).get_config()["units"] == 4


def test_one_class_with_and_without_tensors():
    for of_tensors in (False, True, False):
        model = Optional(of_tensors)
        assert model(X).shape == (2, 2 if of_tensors else 4)
        rows: list[str] = []
        model.summary(print_fn=rows.append)
        assert "dense" in rows[0]


def test_neither_model_nor_sequential_is_functional():
    assert not isinstance(keras.Sequential([keras.Input((3,))]), Functional)
    assert not isinstance(Helper(), Functional)
    with pytest.raises(AttributeError, match="is not built: it has no inputs"):
        _ = Helper().inputs


# ------------------------------------------------------------------ inputs in other structures
def two():
    return keras.Input((3,), name="a"), keras.Input((3,), name="b")


def difference(structure):
    a, b = two()
    return keras.Model(structure(a, b), keras.layers.subtract([a, b]))


ZEROS = np.zeros_like(X)
AS_IS = {
    "list": (lambda a, b: [a, b], [X, ZEROS]),
    "tuple for a list": (lambda a, b: [a, b], (X, ZEROS)),
    "dict": (lambda a, b: {"a": a, "b": b}, {"b": ZEROS, "a": X}),
    "dict for a list": (lambda a, b: [a, b], {"b": ZEROS, "a": X}),
    "dict with more for a list": (lambda a, b: [a, b], {"b": ZEROS, "a": X, "c": X}),
    "unsorted dict": (lambda a, b: {"z": a, "y": b}, {"y": ZEROS, "z": X}),
    "nested": (lambda a, b: {"p": a, "more": {"q": b}}, {"p": X, "more": {"q": ZEROS}}),
}
WITH_A_WARNING = {
    "list for a dict": (lambda a, b: {"a": a, "b": b}, [X, ZEROS]),
    "dict with more": (lambda a, b: {"a": a, "b": b}, {"a": X, "b": ZEROS, "c": X}),
    "more, nested": (
        lambda a, b: {"p": a, "more": {"q": b}},
        {"p": X, "more": {"q": ZEROS, "r": X}},
    ),
}
REFUSED = {
    "a key is missing": (lambda a, b: [a, b], {"a": X}, "Missing data for input 'b'"),
    "list for an unsorted dict": (lambda a, b: {"z": a, "y": b}, [X, ZEROS], "which key"),
    "one for two": (lambda a, b: [a, b], X, r"expects 2 named input\(s\) with keys \['a', 'b'\]"),
    "None": (lambda a, b: [a, b], [X, None], "input 'b' .* is not optional"),
}


@pytest.mark.parametrize("case", AS_IS)
def test_structures_that_fit(case):
    structure, inputs = AS_IS[case]
    np.testing.assert_array_equal(difference(structure)(inputs), X)


@pytest.mark.parametrize("case", WITH_A_WARNING)
def test_structures_that_fit_with_a_warning(case):
    structure, inputs = WITH_A_WARNING[case]
    with pytest.warns(UserWarning, match="structure of `inputs` doesn't match"):
        np.testing.assert_array_equal(difference(structure)(inputs), X)


@pytest.mark.parametrize("case", REFUSED)
def test_structures_that_do_not_fit(case):
    structure, inputs, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        difference(structure)(inputs)


def test_an_optional_input():
    a, b = keras.Input((3,), name="a"), keras.Input((3,), name="b", optional=True)

    class Maybe(keras.layers.Layer):
        def call(self, x, y=None):
            return x if y is None else x + y

    model = keras.Model([a, b], Maybe()(a, b))
    np.testing.assert_array_equal(model([X, None]), X)
    np.testing.assert_array_equal(model([X, X]), 2 * X)


def test_inputs_become_the_dtype_of_the_input():
    a, b = keras.Input((3,), dtype="float16"), keras.Input((3,), dtype="int32")
    model = keras.Model((a, b), (a + 2, b + 2))
    assert [str(y.dtype) for y in model((X, X))] == ["float16", "int32"]


# ------------------------------------------------------------------ what a model is made of
@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (lambda a, b: a, lambda a, b: None, "All `outputs` values must be KerasTensors"),
        (lambda a, b: a, lambda a, b: [], "`outputs` argument cannot be empty"),
        (lambda a, b: {}, lambda a, b: a, "`inputs` argument cannot be empty"),
        (lambda a, b: {"a": "a"}, lambda a, b: a, "All `inputs` values must be KerasTensors"),
        (lambda a, b: a, lambda a, b: X, "All `outputs` values must be KerasTensors"),
        (lambda a, b: a, lambda a, b: {"o": [a, b + 1]}, r"path `o\.1` is not connected"),
    ],
)
def test_tensors_that_make_no_model(inputs, outputs, message):
    a, b = two()
    with pytest.raises(ValueError, match=message):
        keras.Model(inputs(a, b), outputs(a, b))


def test_a_slice_of_a_model_begins_with_an_input(tmp_path):
    inputs, outputs = ends()
    outputs = keras.layers.Dense(4, name="second")(outputs)
    full = keras.Model(inputs, keras.layers.Dense(5, name="third")(outputs))
    hidden = full.get_layer("second").input
    part = keras.Model(hidden, full.output)
    assert [type(x).__name__ for x in part.layers] == ["InputLayer", "Dense", "Dense"]
    assert part.get_layer("second") is full.get_layer("second")
    before = keras.Model(full.input, hidden)
    np.testing.assert_allclose(part(before(X)), full(X), rtol=1e-5)
    part.save(tmp_path / "part.keras")
    again = keras.saving.load_model(tmp_path / "part.keras")
    np.testing.assert_array_equal(again(before(X)), part(before(X)))
    assert full.get_layer("second").input is hidden


def test_a_layer_called_by_several_models_keeps_its_first_call():
    inputs, outputs = ends()
    dense = outputs.source.layer
    for _ in range(2):
        dense(keras.Input((3,)))
    assert dense.input is inputs and dense.output is outputs
    assert keras.Model(dense.input, dense.output).predict(X, verbose=0).shape == (2, 2)


def test_a_tuple_of_outputs_stays_a_tuple():
    a, b = two()
    model = keras.Model([a, b], (a * 1, b * 2))
    again = keras.Model.from_config(model.get_config())
    assert isinstance(model([X, X]), tuple) and isinstance(again([X, X]), tuple)


class WithParameter(keras.Model):
    def __init__(self, *args, param=1, **kwargs):
        super().__init__(*args, **kwargs)
        self.param = param

    def get_config(self):
        return {**super().get_config(), "param": self.param}


class OfFunctional(Functional):
    def __init__(self, inputs, outputs, scale=1.0, **kwargs):
        super().__init__(inputs, outputs, **kwargs)
        self.scale = scale

    def get_config(self):
        return {**super().get_config(), "scale": self.scale}


@pytest.mark.parametrize(("cls", "argument"), [(WithParameter, "param"), (OfFunctional, "scale")])
def test_arguments_of_a_subclass_in_the_config_of_a_graph(cls, argument, tmp_path):
    model = cls(*ends(), **{argument: 3}, name="own")
    again = cls.from_config(model.get_config())
    assert type(again) is cls and getattr(again, argument) == 3 and again.name == "own"
    model.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras", custom_objects={cls.__name__: cls})
    assert getattr(loaded, argument) == 3
    np.testing.assert_array_equal(loaded(X), model(X))


def test_an_input_spec_of_ones_own():
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    model.input_spec = keras.InputSpec(shape=(None, 4, 3))
    assert model(np.ones((2, 4, 3))).shape == (2, 4, 2)
    with pytest.raises(ValueError, match=r"expected shape=\(None, 4, 3\), found shape=\(2, 3, 3\)"):
        model(np.ones((2, 3, 3)))


@pytest.mark.parametrize("model", [Helper, keras.Sequential, lambda: keras.Model(*ends())])
def test_layers_cannot_be_set(model):
    with pytest.raises(AttributeError, match=r"layers` attribute is reserved"):
        model().layers = []


def test_inputs_of_another_rank_are_named_with_their_path():
    inputs = [{"foo": keras.Input((3,), name="mine")}]
    model = keras.Model(inputs, layers.Dense(3)(inputs[0]["foo"]))
    with pytest.raises(ValueError, match=r"name 'mine' .* path '0\.foo'"):
        model([{"foo": np.ones((2, 3, 4))}])


def test_another_structure_of_inputs_warns_once():
    inputs = {"a": keras.Input((3,))}
    model = keras.Model(inputs, inputs["a"] * 2)
    with pytest.warns(UserWarning, match="The structure of `inputs`") as caught:
        for _ in range(2):
            model({"a": np.ones((2, 3)), "b": np.ones((2, 1))})
    assert len(caught) == 1


@pytest.mark.parametrize("kind", ["functional", "sequential", "stateful"])
def test_a_fixed_batch_size_takes_data_of_any_length(kind):
    """Layers are built for it; the last batch has what is left, as in Keras."""
    inputs = keras.Input((3, 2), batch_size=4)
    layer = keras.layers.LSTM(2, stateful=kind == "stateful")
    if kind == "sequential":
        model = keras.Sequential([inputs, layer])
    else:
        model = keras.Model(inputs, layer(inputs))
    model.compile("sgd", "mse")
    x, y = np.ones((10, 3, 2), "float32"), np.ones((10, 2), "float32")
    if kind == "stateful":
        with pytest.raises(ValueError, match="RNN is stateful, the batch size"):
            model.fit(x, y, batch_size=4, verbose=0)
        x, y = x[:8], y[:8]
    assert np.isfinite(model.fit(x, y, batch_size=4, verbose=0).history["loss"]).all()
    assert model.predict(x, batch_size=4, verbose=0).shape == y.shape
    assert np.isfinite(model.evaluate(x, y, batch_size=4, verbose=0))
    assert model.train_on_batch(x[:4], y[:4]) >= 0


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x[:, None],
        lambda x: x[..., 1:],
        lambda x: layers.Add()((x, 2 * x)),
        lambda x: keras.ops.concatenate((x, x), axis=-1),
        lambda x: keras.ops.pad(x, ((0, 0), (1, 2))),
        lambda x: layers.LSTM(1)(x[:, :, None], initial_state=(x[:, :1], x[:, 1:2])),
    ],
)
def test_a_config_holds_tuples_that_were_never_json(call):
    inputs = keras.Input((3,))
    model = keras.Model(inputs, call(inputs))
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(again(x), model(x))


def test_equal_calls_of_a_file_are_evaluated_once(monkeypatch):
    def net():
        inputs, other = keras.Input((6, 3)), keras.Input((6, 3))
        wrapped, dense = layers.Bidirectional(layers.GRU(4)), layers.Dense(3)
        calls = [wrapped(x) for x in (inputs, other, dense(inputs), dense(dense(other)))]
        return keras.Model([inputs, other], layers.Add()(calls))

    model, calls = net(), []
    call = layers.Bidirectional.call
    monkeypatch.setattr(
        layers.Bidirectional,
        "call",
        lambda *args, **given: (calls.append(1), call(*args, **given))[1],
    )
    again = keras.Model.from_config(model.get_config())
    assert 1 <= len(calls) <= 2  # two sizes stand for an unknown one
    monkeypatch.undo()
    again.set_weights(model.get_weights())
    x = [np.random.default_rng(i).normal(size=(2, 6, 3)).astype("float32") for i in range(2)]
    np.testing.assert_array_equal(again(x), model(x))
