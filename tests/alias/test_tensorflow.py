"""The stand-in for TensorFlow."""

import importlib
import importlib.util
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras
from jkeras import alias

PICTURE = np.arange(16.0).reshape(4, 4, 1)


@pytest.fixture
def tf(monkeypatch):
    for name in ("tensorflow", "keras", "tf_keras"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    alias.install(tensorflow=True, children=False)
    yield importlib.import_module("tensorflow")
    alias.uninstall()


def test_keras_inside(tf):
    assert tf.keras is importlib.import_module("keras")
    assert importlib.import_module("tensorflow.keras.layers") is jkeras.layers
    assert importlib.import_module("tf_keras").Model is jkeras.Model
    names = {}
    exec("from tensorflow.keras.preprocessing.sequence import pad_sequences", names)
    assert names["pad_sequences"] is jkeras.utils.pad_sequences


def test_values(tf):
    tf.random.set_seed(3)
    first = tf.random.normal((2,))
    tf.random.set_seed(3)
    np.testing.assert_array_equal(first.numpy(), tf.random.normal((2,)))
    x = tf.constant([[1.0, 2.0], [3.0, 4.0]])
    assert isinstance(x.numpy(), np.ndarray)
    assert tf.constant(2, shape=(2, 2)).tolist() == [[2, 2], [2, 2]]
    assert tf.constant(["a"]).dtype.kind == "U"
    v = tf.Variable(x)
    v.assign_add(x)
    assert v.numpy().tolist() == [[2, 4], [6, 8]]
    assert tf.cast([1.7], tf.int32).tolist() == [1]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda tf, x: tf.reduce_sum(x, axis=1), [3, 7]),
        (lambda tf, x: tf.reduce_mean(x), 2.5),
        (lambda tf, x: tf.sequence_mask([1, 2], 2, tf.float32), [[1, 0], [1, 1]]),
        (lambda tf, x: tf.math.square(x), [[1, 4], [9, 16]]),
        (lambda tf, x: tf.matmul(x, x, transpose_b=True), [[5, 11], [11, 25]]),
        (lambda tf, x: tf.concat([x, x], 0), [[1, 2], [3, 4], [1, 2], [3, 4]]),
        (lambda tf, x: tf.gather(x, [1], axis=1), [[2], [4]]),
        (lambda tf, x: tf.gather_nd(x, [[0, 1], [1, 0]]), [2, 3]),
        (lambda tf, x: tf.gather(x, [[1], [0]], batch_dims=1), [[2], [3]]),
        (lambda tf, x: tf.where(x > 2), [[1, 0], [1, 1]]),
        (lambda tf, x: tf.where(x > 2, x, 0.0), [[0, 0], [3, 4]]),
        (lambda tf, x: tf.boolean_mask(x, [False, True]), [[3, 4]]),
        (lambda tf, x: tf.one_hot([1], 2, on_value=3, off_value=1), [[1, 3]]),
        (lambda tf, x: tf.split(x, [1, 1], axis=1)[1], [[2], [4]]),
        (lambda tf, x: tf.pad(x[0], [[1, 0]]), [0, 1, 2]),
        (lambda tf, x: tf.clip_by_value(x, 2, 3), [[2, 2], [3, 3]]),
        (lambda tf, x: tf.clip_by_norm([3.0, 4.0], 1.0), [0.6, 0.8]),
        (lambda tf, x: tf.range(1, 6, 2), [1, 3, 5]),
        (lambda tf, x: tf.norm([3.0, 4.0]), 5),
        (lambda tf, x: tf.shape(x), [2, 2]),
        (lambda tf, x: tf.nn.l2_normalize([3.0, 4.0]), [0.6, 0.8]),
        (lambda tf, x: tf.math.confusion_matrix([0, 1], [1, 1]), [[0, 1], [0, 1]]),
        (lambda tf, x: tf.image.central_crop(PICTURE, 0.5)[..., 0], [[5, 6], [9, 10]]),
        (lambda tf, x: tf.image.resize_with_crop_or_pad(PICTURE, 2, 6)[..., 0],
         [[0, 4, 5, 6, 7, 0], [0, 8, 9, 10, 11, 0]]),
        (lambda tf, x: tf.image.resize_with_pad(PICTURE, 4, 6)[..., 0].shape, (4, 6)),
        (lambda tf, x: tf.image.resize_with_pad(PICTURE, 4, 6)[1, :, 0], [0, 4, 5, 6, 7, 0]),
        (lambda tf, x: tf.image.crop_and_resize(
            PICTURE[None], [[0, 0, 1, 1]], [0], [2, 2])[0, ..., 0],
         [[0, 3], [12, 15]]),
        (lambda tf, x: tf.image.random_crop(PICTURE, [2, 4, 1]).shape, (2, 4, 1)),
        (lambda tf, x: tf.nn.max_pool(
            x[:, None, None], (1, 1, 1, 2), (1, 1, 1, 2), "VALID").ravel(), [2, 4]),
        (lambda tf, x: x[..., 0, tf.newaxis], [[1], [3]]),
        (lambda tf, x: tf.strings.length(["ab", "c"]), [2, 1]),
        (lambda tf, x: tf.strings.to_number(["1.5", "2"]), [1.5, 2]),
        (lambda tf, x: tf.nn.sparse_softmax_cross_entropy_with_logits([0], 0 * x[:1]), [0.6931472]),
        (lambda tf, x: tf.linalg.diag([1.0, 2.0]), [[1, 0], [0, 2]]),
    ],
)  # fmt: skip
def test_functions(tf, call, expected):
    got = call(tf, tf.constant([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_allclose(np.asarray(got), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda tf, t: tf.strings.lower(t), ["[hello], you!"]),
        (lambda tf, t: tf.strings.regex_replace(t, "[,!]", ""), ["[Hello] you"]),
        (lambda tf, t: tf.strings.substr(t, 1, 5), ["Hello"]),
        (lambda tf, t: tf.strings.join([t, ["?"]]), ["[Hello], you!?"]),
        (lambda tf, t: tf.strings.reduce_join([["a", "b"], ["c", "d"]], axis=1), ["ab", "cd"]),
        (lambda tf, t: tf.strings.split(b"a b  c"), ["a", "b", "c"]),
    ],
)
def test_strings(tf, call, expected):
    assert call(tf, tf.constant(["[Hello], you!"])).tolist() == expected


def test_a_standardization_of_tensorflows_strings(tf):
    def standardize(strings):
        return tf.strings.regex_replace(tf.strings.lower(strings), "[.!]", "")

    layer = tf.keras.layers.TextVectorization(standardize=standardize, output_sequence_length=3)
    layer.adapt(["One two.", "TWO!"])
    assert layer.get_vocabulary() == ["", "[UNK]", "two", "one"]
    data = tf.data.Dataset.from_tensor_slices(["two three", "One"]).batch(2).map(layer)
    assert next(iter(data)).tolist() == [[2, 1, 0], [3, 0, 0]]


def test_in_a_functional_model_and_a_pipeline(tf):
    inputs = tf.keras.Input((3,))
    outputs = tf.reduce_mean(tf.nn.relu(tf.keras.layers.Dense(4)(inputs)), axis=-1, keepdims=True)
    model = tf.keras.Model(inputs, outputs)
    model.compile("sgd", lambda y, p: tf.reduce_mean(tf.square(y - p), axis=-1))
    data = tf.data.Dataset.from_tensor_slices((np.ones((8, 3), "float32"), np.ones((8, 1))))
    history = model.fit(data.batch(4).prefetch(tf.data.AUTOTUNE), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])

    @tf.function
    def double(x):
        return 2 * x

    assert double(2) == 4


def test_what_is_not_there_says_so(tf):
    with pytest.raises(AttributeError, match=r"no tf.GradientTape.*jax.value_and_grad"):
        _ = tf.GradientTape
    with pytest.raises(AttributeError, match=r"no tf.math.foo"):
        _ = tf.math.foo
    with pytest.raises(ModuleNotFoundError, match=r"tensorflow\.nope"):
        importlib.import_module("tensorflow.nope")
    assert alias.report().missing["tensorflow.math.foo"] is False
    assert "constant" in dir(tf) and "softmax" in dir(tf.nn)


def test_layers_are_called_on_arrays(tf):
    """The stand-in is not asked what TensorFlow's own tensors are asked."""
    assert tf.keras.layers.Dense(2)(tf.ones((1, 3))).shape == (1, 2)

    class Twice(tf.keras.Model):
        def call(self, x):
            return tf.reduce_sum(x, axis=-1) * 2

    assert Twice()(tf.ones((2, 3))).numpy().tolist() == [6.0, 6.0]


@pytest.mark.parametrize("name", ["tensorflow", "tensorflow.math", "keras", "keras.src.utils"])
def test_packages_that_look_whether_it_is_there_find_it(tf, name):
    importlib.import_module(name)
    assert importlib.util.find_spec(name).name == name


def test_looking_for_it_computes_nothing(monkeypatch):
    # Libraries look while JAX compiles, which would then wait for itself.
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    alias.install(tensorflow=True, children=False)
    try:
        for module, name in ((jax, "jit"), (jax, "device_put"), (jnp, "zeros")):
            monkeypatch.setattr(module, name, lambda *args, **kwargs: 1 / 0)
        assert importlib.util.find_spec("tensorflow")
    finally:
        alias.uninstall()
