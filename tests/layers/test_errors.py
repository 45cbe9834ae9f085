"""Wrong use of layers: the error names the layer, the argument and the shapes."""

import numpy as np
import pytest

import jkeras as keras
from jkeras import layers

X3, X4 = (3, 5, 4), (2, 8, 7, 3)

CALLS = [
    ("Dense", (3,), {}, (), ["dense", "ndim"]),
    ("Conv2D", (4, 3), {}, X3, ["conv2d", r"ndim=4", r"\(3, 5, 4\)"]),
    ("Conv2D", (4, 3), {"groups": 2}, X4, ["conv2d", "groups"]),
    ("Conv2D", (4, 9), {}, X4, ["conv2d", r"\(8, 7, 3\)", "zero or negative"]),
    ("MaxPooling2D", (9,), {}, X4, ["max_pooling2d", r"\(8, 7, 3\)", "zero or negative"]),
    ("LSTM", (3,), {}, X4, ["lstm", r"ndim=3", r"\(2, 8, 7, 3\)"]),
    ("BatchNormalization", (), {"axis": 4}, X3, ["batch_normalization", "axis=4", "ndim=3"]),
    ("LayerNormalization", (), {"axis": -4}, X3, ["layer_normalization", "axis=-4", "ndim=3"]),
    ("GroupNormalization", (3,), {}, X3, ["group_normalization", "groups", "4"]),
    ("Reshape", ((7,),), {}, X3, ["reshape", r"\(7,\)", "20|5, 4"]),
    ("Permute", ((1, 3),), {}, X3, ["permute|dims", r"\(1, 3\)"]),
    ("Cropping1D", ((3, 3),), {}, X3, ["cropping1d", "5"]),
    ("RandomFlip", (), {}, (3, 5), ["random_flip", r"\(3, 5\)"]),
    ("CenterCrop", (2, 2), {}, (3, 5), ["center_crop", r"\(3, 5\)"]),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape", "words"),
    CALLS,
    ids=[f"{c[0]}-{i}" for i, c in enumerate(CALLS)],
)
def test_inputs_that_do_not_fit(name, args, kwargs, shape, words):
    with pytest.raises(ValueError) as caught:
        getattr(layers, name)(*args, **kwargs)(np.zeros(shape, "float32"))
    for word in words:
        assert caught.match(rf"(?s).*({word})")


MERGES = [("Add", {}, "add"), ("Multiply", {}, "multiply"), ("Concatenate", {"axis": 1}, "concat")]


@pytest.mark.parametrize(("name", "kwargs", "word"), MERGES, ids=[m[0] for m in MERGES])
def test_merges_of_other_shapes(name, kwargs, word):
    inputs = [np.zeros((3, 5, 4)), np.zeros((3, 2, 7))]
    with pytest.raises(ValueError, match=rf"(?is).*{word}") as caught:
        getattr(layers, name)(**kwargs)(inputs)
    assert caught.match(r"(?s).*5, 4\).*2, 7\)")


ARGUMENTS = [
    ("Dense", (-3,), {}, "units"),
    ("Embedding", (0, 3), {}, "input_dim"),
    ("Conv1D", (4, 0), {}, "kernel_size"),
    ("Conv2D", (4, 3), {"padding": "smae"}, "padding"),
    ("Conv2D", (4, 3), {"padding": "causal"}, "padding"),
    ("Conv2D", (5, 3), {"groups": 2}, "groups"),
    ("MaxPooling1D", (2,), {"padding": "causal"}, "padding"),
    ("LSTM", (0,), {}, "units"),
    ("Dropout", (1.5,), {}, "rate"),
    ("Resizing", (0, 3), {}, "height"),
    ("Resizing", (3, 3), {"interpolation": "area"}, "interpolation"),
    ("RandomFlip", ("diagonal",), {}, "mode"),
    ("RandomRotation", (0.1,), {"fill_mode": "zeros"}, "fill_mode"),
    ("RandomZoom", ("a",), {}, "height_factor"),
    ("RandomBrightness", (2.0,), {}, "factor"),
    ("RandomContrast", (0.1,), {"value_range": (1, 0)}, "value_range"),
    ("RandomPosterization", (9,), {}, "factor"),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "word"), ARGUMENTS, ids=[f"{c[0]}-{c[3]}" for c in ARGUMENTS]
)
def test_arguments_that_make_no_sense(name, args, kwargs, word):
    with pytest.raises(ValueError, match=word):
        getattr(layers, name)(*args, **kwargs)


def test_bounding_boxes_need_their_format():
    batch = {"images": np.zeros(X4), "bounding_boxes": {"boxes": np.zeros((2, 1, 4))}}
    with pytest.raises(ValueError, match="didn't specify a bounding box format"):
        layers.RandomFlip()(batch)


def test_masks_move_with_their_images():
    x = np.random.default_rng(0).integers(0, 9, (4, 6, 5, 1)).astype("float32")
    layer = layers.RandomRotation((0.25, 0.25), interpolation="nearest")
    found = layer({"images": x, "segmentation_masks": x.astype("int32"), "labels": np.arange(4)})
    np.testing.assert_array_equal(found["images"], found["segmentation_masks"])
    assert found["segmentation_masks"].dtype == "int32"
    assert (found["images"] != x).any()
    assert found["labels"].tolist() == [0, 1, 2, 3]


def test_a_layer_of_text_in_a_compiled_model():
    layer = layers.TextVectorization(vocabulary=["a"])
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1), layer])
    with pytest.raises(ValueError, match="runs on the host"):
        model.predict(np.zeros((2, 1)), verbose=0)


@pytest.mark.parametrize(
    ("make", "phrase"),
    [
        (lambda: layers.Conv2D(0, 3), r"argument `filters`. Expected a strictly positive value"),
        (lambda: layers.Dense(-1), "must be a positive integer"),
        (lambda: layers.Embedding(3.7, 2), "`input_dim` must be a positive integer"),
        (lambda: layers.GroupNormalization(1.5), "argument `groups`"),
        (lambda: layers.MultiHeadAttention(2, 2, value_dim=0), "argument `value_dim`"),
        (lambda: layers.MultiHeadAttention(2, 2, dropout=2), "argument `dropout`"),
        (lambda: layers.Subtract()([np.ones((1, 2))] * 3), "should be called on exactly 2 inputs"),
        (lambda: layers.Attention()([np.ones((1, 2, 3))]), "list of inputs of length 2 or 3"),
        (lambda: layers.Wrapper("dense"), r"Layer .* supplied to Wrapper isn't a supported layer"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, -1)), "positive integers or None"),
        (lambda: layers.Dropout(0.5, noise_shape=(2, 1.5)), "elements to be integers or None"),
        (
            lambda: layers.BatchNormalization(renorm=True, renorm_clipping={"dmax": -1.0}),
            "dmax should be non-negative",
        ),
        (
            lambda: layers.ConvLSTM2D(2, 2, strides=2, dilation_rate=2),
            "Specifying `strides > 1` is not compatible",
        ),
        (
            lambda: layers.InputLayer((4,), input_tensor=keras.Input((3,))),
            "cannot provide an incompatible `shape`",
        ),
        (lambda: layers.BatchNormalization(momentum="high"), "argument `momentum`"),
        (lambda: layers.BatchNormalization(momentum=1.5), r"in the range \[0, 1\]"),
        (lambda: layers.LayerNormalization(epsilon=-1), "argument `epsilon`"),
        (lambda: layers.ELU("a"), "argument `alpha`. Expected a number"),
        (lambda: layers.LSTM(2, dropout=1.5), "between 0 and 1"),
        (lambda: keras.initializers.STFT(window="unknown"), "window"),
        (lambda: keras.initializers.get(np.ones(3))((2,)), "Expected `shape` to be"),
    ],
)
def test_phrases_that_people_search_for(make, phrase):
    with pytest.raises(ValueError, match=phrase):
        make()
