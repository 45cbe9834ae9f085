"""Labels, vectors and sequences made ready for a model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras import utils

several = settings(max_examples=50, deadline=None)


@several
@given(st.lists(st.integers(0, 5), max_size=6), st.integers(6, 8))
def test_one_hot_rows(classes, num_classes):
    rows = utils.to_categorical(classes, num_classes)
    assert rows.shape == (len(classes), num_classes)
    assert rows.argmax(-1).tolist() == classes
    assert (rows.sum(-1) == 1).all()


def test_to_categorical():
    assert utils.to_categorical([0, 2]).tolist() == [[1, 0, 0], [0, 0, 1]]
    assert utils.to_categorical([[1], [0]]).shape == (2, 2)
    assert utils.to_categorical([[1, 0], [2, 2]]).shape == (2, 2, 3)
    assert utils.to_categorical([0.0, 1.0]).tolist() == [[1, 0], [0, 1]]
    assert utils.to_categorical(np.array(["0", "1"])).tolist() == [[1, 0], [0, 1]]
    assert isinstance(utils.to_categorical(jnp.array([0, 1])), jax.Array)
    traced = jax.jit(lambda x: utils.to_categorical(x, 3))(jnp.array([[2], [0]]))
    assert traced.tolist() == [[0, 0, 1], [1, 0, 0]]
    with pytest.raises(ValueError, match="class 5 is not below num_classes=3"):
        utils.to_categorical([0, 5], 3)
    with pytest.raises(ValueError, match=r"under jax\.jit"):
        jax.jit(utils.to_categorical)(jnp.array([0, 1]))


def test_normalize():
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert utils.normalize(x).tolist() == [[0.6, 0.8], [0, 0]]
    np.testing.assert_allclose(utils.normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
    assert utils.normalize([3.0, 4.0]).shape == (1, 2)
    assert isinstance(utils.normalize(jnp.asarray(x)), jax.Array)


# ------------------------------------------------------------------ sequences
@several
@given(
    st.lists(st.lists(st.integers(1, 9), max_size=5), min_size=1, max_size=4),
    st.none() | st.integers(1, 6),
    st.sampled_from(["pre", "post"]),
    st.sampled_from(["pre", "post"]),
)
def test_padded_sequences(sequences, maxlen, padding, truncating):
    rows = utils.pad_sequences(sequences, maxlen, padding=padding, truncating=truncating)
    length = max(map(len, sequences)) if maxlen is None else maxlen
    assert (rows.shape, rows.dtype) == ((len(sequences), length), "int32")
    for row, sequence in zip(rows.tolist(), sequences):
        n = min(len(sequence), length)
        kept = sequence[:n] if truncating == "post" else sequence[len(sequence) - n :]
        zeros = [0] * (length - n)
        assert row == (kept + zeros if padding == "post" else zeros + kept)


def test_other_items():
    assert utils.pad_sequences([[1.5], [2, 3]], dtype="float32").tolist() == [[0, 1.5], [2, 3]]
    vectors = utils.pad_sequences([[[1, 2]], [[3, 4], [5, 6]]], value=-1)
    assert vectors.tolist() == [[[-1, -1], [1, 2]], [[3, 4], [5, 6]]]
    words = utils.pad_sequences([["a"], ["b", "c"]], dtype=object, value="pad")
    assert words.tolist() == [["pad", "a"], ["b", "c"]]
    assert utils.pad_sequences([[], []]).shape == (2, 0)
    assert utils.pad_sequences(np.ones((2, 2)), maxlen=3).tolist() == [[0, 1, 1]] * 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: utils.pad_sequences([1, 2]), "Found non-iterable: 1"),
        (lambda: utils.pad_sequences(x for x in [[1]]), "must be iterable"),
        (lambda: utils.pad_sequences([[1]], padding="left"), 'Padding type "left"'),
        (lambda: utils.pad_sequences([[1]], truncating="left"), 'Truncating type "left"'),
        (lambda: utils.pad_sequences([[[1, 2]], [[3]]]), r"Shape of sample \(1,\).*position 1"),
        (lambda: utils.pad_sequences([["a"]], value="x"), "dtype=object"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_set_random_seed():
    utils.set_random_seed(5)
    first = np.random.rand()
    utils.set_random_seed(np.int64(5))
    assert np.random.rand() == first
    with pytest.raises(ValueError, match="must be an integer"):
        utils.set_random_seed(1.5)
