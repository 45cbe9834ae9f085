"""Masks given to layers by hand: which forms they have, and what comes of them."""

import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers

QUERY, VALUE = np.ones((2, 3, 8), "float32"), np.arange(80.0).reshape(2, 5, 8)
RANDOM = np.random.default_rng(2)
MERGES = ["Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate"]


@pytest.fixture
def attention():
    keras.utils.set_random_seed(0)
    layer = layers.MultiHeadAttention(2, 4)
    layer(QUERY, VALUE)
    return layer


@pytest.mark.parametrize(
    "shape",
    [
        (5,),
        (3, 5),
        (1, 5),
        (2, 1, 5),
        (1, 1, 5),
        (2, 3, 1),
        (2, 1, 3, 5),
        (1, 2, 3, 5),
        (2, 2, 1, 5),
    ],
    ids=str,
)
def test_an_attention_mask_broadcasts(attention, shape):
    mask = np.random.default_rng(1).random(shape) < 0.6
    full = mask if mask.ndim == 4 else mask.reshape((1,) * (3 - mask.ndim) + shape)[:, None]
    full = np.broadcast_to(full, (2, 2, 3, 5))
    found = attention(QUERY, VALUE, attention_mask=mask)
    np.testing.assert_allclose(found, attention(QUERY, VALUE, attention_mask=full), rtol=1e-6)
    _, scores = attention(QUERY, VALUE, attention_mask=mask, return_attention_scores=True)
    seen = full | ~full.any(-1, keepdims=True)  # who sees nothing gets the mean of everything
    np.testing.assert_array_equal(np.asarray(scores) > 0, seen)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 3, 5), (2, 3, 3, 5), (1, 1, 1, 1, 5)], ids=str)
def test_an_attention_mask_of_another_shape(attention, shape):
    with pytest.raises(ValueError, match=r"must broadcast to the shape .*\(2, 2, 3, 5\)"):
        attention(QUERY, VALUE, attention_mask=np.ones(shape, bool))


@pytest.mark.parametrize("axes", [(1,), (2,), (1, 2)], ids=str)
def test_attention_masks_along_some_axes(axes):
    query, value = np.ones((2, 3, 4, 8)), np.random.default_rng(0).normal(size=(2, 3, 4, 8))
    layer = layers.MultiHeadAttention(2, 4, attention_axes=axes)
    sizes = [query.shape[axis] for axis in axes]
    mask = np.random.default_rng(1).random((2, *sizes, *sizes)) < 0.7
    found = layer(query, value, attention_mask=mask)
    np.testing.assert_allclose(found, layer(query, value, attention_mask=mask[:, None]), rtol=1e-6)
    only_one = np.zeros((*sizes, *sizes), bool)
    only_one[..., *(0,) * len(axes)] = True  # everybody sees the first
    one = value[:, *(slice(0, 1) if axis in axes else slice(None) for axis in (1, 2))]
    expected = layer(query, np.broadcast_to(one, value.shape))
    found = layer(query, value, attention_mask=only_one)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_layers_take_masks_by_the_name_that_keras_gives_them():
    mask = np.array([[True, False, True]] * 2)
    pair = [np.ones((2, 3, 4)), np.ones((2, 5, 4))]
    masks = [mask, np.ones((2, 5), bool)]
    assert layers.Attention().compute_mask(pair, mask=masks) is mask
    assert layers.LSTM(2, return_sequences=True).compute_mask(pair[0], mask=mask) is mask
    assert layers.Bidirectional(layers.LSTM(2)).compute_mask(pair[0], mask=mask) is None
    assert layers.Dot(1).compute_mask(pair, mask=masks) is None
    assert layers.Masking().compute_mask(np.ones((2, 3, 4)), mask=mask).all()


@pytest.mark.parametrize("name", MERGES)
def test_masks_of_merged_inputs(name):
    mask = np.array([[True, False, False]] * 2)
    inputs = [np.ones((2, 3, 4)), np.ones((2, 3, 4))]
    layer = getattr(layers, name)()
    np.testing.assert_array_equal(layer.compute_mask(inputs, [mask, mask]), mask)
    np.testing.assert_array_equal(layer.compute_mask(inputs, (mask, ~mask)), mask | ~mask)
    assert layer.compute_mask(inputs, None) is layer.compute_mask(inputs, [None, None]) is None
    with pytest.raises(ValueError, match="`mask` should be a list"):
        layer.compute_mask(inputs, mask)
    with pytest.raises(ValueError, match="should have the same length"):
        layer.compute_mask(inputs, [mask])


class Sum(layers.Layer):
    """The sum of the visible rows."""

    def call(self, inputs, mask=None):
        weights = 1.0 if mask is None else jnp.asarray(mask, "float32")[..., None]
        return jnp.sum(inputs * weights, axis=1)


def test_masks_inside_of_time_steps():
    x = np.ones((2, 4, 3, 2), "float32")
    rows = np.arange(3) < np.array([1, 2, 3, 0])[None, :, None].repeat(2, 0)
    found = layers.TimeDistributed(Sum())(x, mask=rows)
    np.testing.assert_array_equal(found[..., 0], [[1, 2, 3, 0]] * 2)
    steps = rows[:, :, 0]  # says nothing about what is inside of a step
    np.testing.assert_array_equal(layers.TimeDistributed(Sum())(x, mask=steps), 3.0)
    # A layer that takes no mask is not given one.
    assert layers.TimeDistributed(layers.Dense(5))(x, mask=rows).shape == (2, 4, 3, 5)


@pytest.mark.parametrize(
    ("name", "one", "both"),
    [
        ("Multiply", [[0, 0], [0, 0], [1, 2], [9, 16]], [[0, 0], [1, 2], [1, 2], [9, 16]]),
        ("Maximum", [[0, 0], [1, 2], [1, 2], [3, 4]], [[0, 0], [1, 2], [1, 2], [3, 4]]),
        ("Minimum", [[0, 0], [0, 0], [1, 2], [3, 4]], [[0, 0], [1, 2], [1, 2], [3, 4]]),
        ("Add", [[0, 0], [1, 2], [1, 2], [6, 8]], [[0, 0], [1, 2], [1, 2], [6, 8]]),
    ],
)
def test_what_is_hidden_does_not_count_in_merges(name, one, both):
    """Multiply, Maximum and Minimum take the other input there; numbers of Keras 3.15."""
    masking = layers.Masking()
    x1 = masking(np.array([[[0, 0], [1, 2], [0, 0], [3, 4]]]))
    x2 = np.array([[[0, 0], [0, 0], [1, 2], [3, 4]]])
    layer = getattr(layers, name)()
    np.testing.assert_array_equal(layer([x1, x2])[0], one)
    np.testing.assert_array_equal(layer([x1, masking(x2)])[0], both)


@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_masks_of_query_and_value_are_one_attention_mask(attention, use_causal_mask):
    query = RANDOM.normal(size=(2, 4, 8))
    query_mask, value_mask = RANDOM.random((2, 4)) < 0.7, RANDOM.random((2, 5)) < 0.7
    full = query_mask[:, :, None] & value_mask[:, None, :]
    full &= np.tril(np.ones((4, 5), bool)) if use_causal_mask else True
    masks = {"query_mask": query_mask, "value_mask": value_mask}
    found = attention(query, VALUE, **masks, use_causal_mask=use_causal_mask)
    expected = attention(query, VALUE, attention_mask=full)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("symbolic", [False, True])
def test_a_mask_given_by_hand_goes_on_to_the_next_layer(symbolic):
    x, mask = RANDOM.normal(size=(2, 4, 3)), np.array([[1, 1, 0, 0], [1, 1, 1, 0]], bool)
    first, second = layers.GRU(5, return_sequences=True), layers.GlobalAveragePooling1D()
    expected = second(first(x, mask=mask), mask=mask)
    if symbolic:
        inputs = keras.Input((4, 3)), keras.Input((4,), dtype="bool")
        outputs = second(first(inputs[0], mask=inputs[1]))
        found = keras.Model(inputs, outputs)([x, mask])
    else:
        found = second(first(x, mask=mask))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("inner", ["LSTM", "GlobalAveragePooling1D"])
def test_words_within_sentences_are_masked_on_both_levels(inner):
    kept = np.array([[[1, 2, 0, 0], [3, 0, 0, 0], [0, 0, 0, 0]]])  # two sentences of three
    words = keras.Input(kept.shape[1:], dtype="int32")
    embedding = layers.Embedding(5, 2, mask_zero=True)
    reader = getattr(layers, inner)(*((3,) if inner == "LSTM" else ()))
    whole = layers.LSTM(2)
    for vectors in (embedding(words), layers.TimeDistributed(embedding)(words)):
        model = keras.Model(words, whole(layers.TimeDistributed(reader)(vectors)))
        sentences = [reader(embedding(kept[0, i : i + 1, :n])) for i, n in enumerate((2, 1))]
        expected = whole(np.stack([np.asarray(s) for s in sentences], axis=1))
        np.testing.assert_allclose(model(kept), expected, atol=1e-6)
        np.testing.assert_allclose(model.predict(kept, verbose=0), expected, atol=1e-6)


def test_a_mask_of_other_steps_is_refused_by_time_distributed():
    layer = layers.TimeDistributed(layers.Dense(2))
    with pytest.raises(ValueError, match="incompatible with the input shape") as error:
        layer(np.ones((4, 5, 3)), mask=np.ones((4, 6), bool))
    assert "(4, 6)" in str(error.value) and "(4, 5, 3)" in str(error.value)
