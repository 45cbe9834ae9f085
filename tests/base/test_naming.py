"""Names: snake case, counters, near misses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jkeras.base import naming


@pytest.mark.parametrize(
    ("class_name", "expected"),
    [
        ("Dense", "dense"),
        ("Conv2D", "conv2d"),
        ("Conv2DTranspose", "conv2d_transpose"),
        ("LSTM", "lstm"),
        ("PReLU", "p_re_lu"),
        ("ReLU", "re_lu"),
        ("BatchNormalization", "batch_normalization"),
        ("UpSampling2D", "up_sampling2d"),
        ("GlobalAveragePooling1D", "global_average_pooling1d"),
        ("MultiHeadAttention", "multi_head_attention"),
        ("RMSprop", "rm_sprop"),
        ("MyLayer_2", "my_layer_2"),
    ],
)
def test_snake_case(class_name, expected):
    assert naming.to_snake_case(class_name) == expected


def test_names_count_from_zero_until_reset():
    assert [naming.auto_name("dense") for _ in range(3)] == ["dense", "dense_1", "dense_2"]
    assert naming.auto_name("conv") == "conv"
    naming.reset_names()
    assert naming.auto_name("dense") == "dense"


def test_uids_count_from_one_and_apart_from_names():
    assert naming.auto_name("a") == "a"
    assert [naming.get_uid("a"), naming.get_uid("a"), naming.get_uid("b")] == [1, 2, 1]
    assert naming.auto_name("a") == "a_1"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("rellu", ": did you mean 'relu'?"),
        ("RELU", ": did you mean 'relu'?"),
        ("zzzzzz", ""),
        (None, ""),
    ],
)
def test_nearest(word, expected):
    assert naming.nearest(word, ["relu", "tanh", "softmax"]) == expected


@given(st.lists(st.sampled_from(["a", "b", "a_1", "a_2"]), max_size=8))
def test_unique_never_repeats_a_name(words):
    taken = []
    for word in words:
        taken.append(naming.unique(word, taken))
    assert len(set(taken)) == len(words)
    assert all(name == word or name.startswith(f"{word}_") for name, word in zip(taken, words))
