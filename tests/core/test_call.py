"""One call of a layer: masks in symbolic calls, what a call may return, and traced values."""

import inspect

import jax
import numpy as np
import pytest

import jkeras as keras

layers, ops = keras.layers, keras.ops
TOKENS = np.array([[1, 2, 0], [3, 0, 0]])


class MaskedSum(layers.Layer):
    """Adds up the steps that the mask keeps, and notes what it was given."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seen = []

    def call(self, inputs, mask=None):
        self.seen.append(None if mask is None else (mask.dtype.name, len(mask.shape)))
        if mask is not None:
            inputs = inputs * ops.cast(mask, inputs.dtype)[..., None]
        return ops.sum(inputs, axis=1)


@pytest.mark.parametrize(
    "between",
    [
        lambda x: x,
        layers.Dropout(0.5),
        layers.LSTM(2, return_sequences=True),
        layers.TimeDistributed(layers.Dense(2)),
        lambda x: layers.Add()([x, x]),
    ],
    ids=["nothing", "dropout", "lstm", "time_distributed", "add"],
)
def test_a_symbolic_call_is_given_the_mask(between):
    inputs = keras.Input((3,), dtype="int32")
    x = between(layers.Embedding(5, 2, mask_zero=True)(inputs))
    mask = x._keras_mask
    assert (mask.shape, mask.dtype) == ((None, 3), "bool")
    layer = MaskedSum()
    model = keras.Model(inputs, [layer(x), ops.cast(mask, "int32")])
    assert layer.seen and all(seen == ("bool", 2) for seen in layer.seen)
    _, found = model(TOKENS)
    np.testing.assert_array_equal(found, TOKENS != 0)


def test_without_a_mask_there_is_no_mask():
    inputs = keras.Input((3,), dtype="int32")
    x = layers.LSTM(2, return_sequences=True)(layers.Embedding(5, 2)(inputs))
    layer = MaskedSum()
    layer(layers.Flatten()(x)[..., None])
    assert x._keras_mask is None and set(layer.seen) == {None}


def test_a_call_that_returns_nothing_says_so():
    class Forgets(layers.Layer):
        def call(self, inputs):
            inputs + 1

    for given in (np.ones((2, 3)), keras.Input((3,))):
        with pytest.raises(ValueError, match=r"returned None: does Forgets\.call"):
            Forgets()(given)

    class Notes(Forgets):
        def call(self, inputs):
            self.add_loss(ops.sum(inputs))

    class Uses(layers.Layer):
        def __init__(self):
            super().__init__()
            self.notes = Notes()

        def call(self, inputs):
            self.notes(inputs)
            return inputs

    uses = Uses()
    uses(np.ones((2, 3)))
    assert [float(loss) for loss in uses.losses] == [6.0] == [float(x) for x in uses.notes.losses]


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x * float(x.sum()),
        lambda x: x * int(x.sum()),
        lambda x: x + np.asarray(x).sum(),
    ],
    ids=["if", "float", "int", "numpy"],
)
def test_looking_at_traced_values_says_what_to_do(look):
    class Looks(layers.Layer):
        def call(self, inputs):
            return look(inputs)

    outer = keras.Sequential([Looks(name="looks")])
    with pytest.raises(Exception) as caught:
        keras.pure.init(outer, jax.random.key(0), (4, 3))
    notes = "".join(caught.value.__notes__)
    assert notes.count("keras.ops.where or keras.ops.cond") == 1 and "in Looks 'looks'" in notes


def test_losses_are_those_of_the_last_call():
    class Adds(layers.Layer):
        def call(self, inputs):
            if inputs.ndim == 2:
                self.add_loss(ops.sum(inputs))
            return inputs

    model = keras.Sequential([Adds(), Adds()])
    model(np.ones((1, 2)))
    model(np.ones((2, 2)))
    assert [float(x) for x in model.losses] == [4.0, 4.0]
    assert [float(x) for x in model.layers[0].losses] == [4.0]
    keras.Sequential([model.layers[1]])(np.ones((1, 1, 1)))
    assert model.layers[1].losses == []


def test_the_mask_of_an_eager_output():
    x = layers.Embedding(4, 2, mask_zero=True)(np.array([[1, 2, 0]]))
    assert x._keras_mask.tolist() == [[True, True, False]]
    assert layers.Dense(1)(x)._keras_mask.tolist() == [[True, True, False]]


def test_what_is_not_given_by_position_goes_by_name():
    class Wrapped(layers.Layer):
        def call(self, inputs, mask=None, training=None):
            return inputs

    seen, inner = [], Wrapped.call

    def call(self, *args, **kwargs):
        seen.append((len(args), sorted(kwargs), kwargs.get("training")))
        return inner(self, *args, **kwargs)

    call.__signature__ = inspect.signature(inner)
    Wrapped.call = call
    model = keras.Sequential([keras.Input((2,)), Wrapped()])
    model(np.ones((1, 2)), training=True)
    Wrapped()(np.ones((1, 2)), None, training=False)
    assert seen[-2:] == [(1, ["training"], True), (2, ["training"], False)]
