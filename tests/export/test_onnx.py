"""Each supported layer, and whole nets, in onnxruntime; `nox -s export` installs it."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras.export import onnx_files

REASON = "onnx and onnxruntime are an extra: nox -s export installs them"
onnx = pytest.importorskip("onnx", reason=REASON)
onnxruntime = pytest.importorskip("onnxruntime", reason=REASON)

layers = keras.layers


def image():
    return keras.Input((12, 12, 4))


def steps():
    return keras.Input((7, 4))


def words():
    return keras.Input((7,), dtype="int32")


def numbers():
    return keras.Input((8,))


CASES = {
    "Dense": lambda: [numbers(), layers.Dense(4, activation="relu"), layers.Dense(3)],
    "BatchNormalization": lambda: [image(), layers.BatchNormalization(), layers.Dropout(0.5)],
    "Conv1D": lambda: [
        steps(),
        layers.Conv1D(5, 3, padding="causal"),
        layers.Conv1D(5, 3, strides=2, padding="same"),
    ],
    "Conv2D": lambda: [
        image(),
        layers.Conv2D(4, 3, padding="same", strides=2),
        layers.Conv2D(4, 2, dilation_rate=2, groups=2),
    ],
    "Conv3D": lambda: [keras.Input((4, 5, 6, 2)), layers.Conv3D(3, 2)],
    "Conv2DTranspose": lambda: [
        image(),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(2, 2, strides=3),
    ],
    "DepthwiseConv": lambda: [
        image(),
        layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same"),
        layers.DepthwiseConv2D(3, strides=2),
    ],
    "SeparableConv": lambda: [image(), layers.SeparableConv2D(5, 3, padding="same")],
    "SeparableConv1D": lambda: [steps(), layers.SeparableConv1D(5, 3)],
    "MaxPooling": lambda: [
        image(),
        layers.MaxPooling2D(3, strides=2, padding="same"),
        layers.MaxPooling2D((2, 1)),
    ],
    "AveragePooling": lambda: [
        image(),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
    ],
    "Pooling1D": lambda: [steps(), layers.MaxPooling1D(2), layers.AveragePooling1D(2)],
    "GlobalAveragePooling": lambda: [image(), layers.GlobalAveragePooling2D()],
    "GlobalMaxPooling": lambda: [image(), layers.GlobalMaxPooling2D()],
    "LSTM": lambda: [
        steps(),
        layers.LSTM(5, return_sequences=True, recurrent_initializer="glorot_uniform"),
        layers.LSTM(3, go_backwards=True, recurrent_initializer="glorot_uniform"),
    ],
    "GRU": lambda: [
        steps(),
        layers.GRU(5, return_sequences=True, recurrent_initializer="glorot_uniform"),
        layers.GRU(3, reset_after=False, recurrent_initializer="glorot_uniform"),
    ],
    "masked": lambda: [
        words(),
        layers.Embedding(20, 4, mask_zero=True),
        layers.Bidirectional(layers.LSTM(3, recurrent_initializer="glorot_uniform")),
    ],
    "Embedding": lambda: [words(), layers.Embedding(20, 4), layers.GlobalAveragePooling1D()],
    "LayerNormalization": lambda: [
        steps(),
        layers.LayerNormalization(),
        layers.RMSNormalization(),
        layers.GroupNormalization(2),
        layers.UnitNormalization(),
    ],
    "Resizing": lambda: [
        image(),
        layers.Resizing(9, 11),
        layers.Resizing(20, 20, interpolation="nearest"),
    ],
    "UpSampling": lambda: [
        image(),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.ZeroPadding2D(1),
        layers.Cropping2D(2),
        layers.Rescaling(1 / 255, -1),
    ],
    "shapes": lambda: [
        steps(),
        layers.Permute((2, 1)),
        layers.Reshape((2, 14)),
        layers.TimeDistributed(layers.Dense(3)),
        layers.Flatten(),
        layers.RepeatVector(3),
    ],
}
# What is 1 in the weights' initial values, or 0, would hide what is done with it.
RANDOM = ("moving", "gamma", "beta", "bias", "scale")


def settled(model):
    generator = np.random.default_rng(0)
    for variable in model.variables:
        if any(word in variable.name for word in RANDOM):
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return model


def check(model, path, by_rows=True, **options):
    """Exports a model, and compares batches of 1, 3 and 32."""
    settled(model).export(path, verbose=False, **options)
    session = onnxruntime.InferenceSession(path)
    shapes = [
        [32 if n == "batch" else 6 if isinstance(n, str) else n for n in one.shape]
        for one in session.get_inputs()
    ]
    generator = np.random.default_rng(0)
    given = [
        generator.normal(size=shape).astype("float32")
        if "float" in one.type
        else generator.integers(0, 20, shape).astype("int32")
        for one, shape in zip(session.get_inputs(), shapes, strict=True)
    ]
    names = [one.name for one in session.get_inputs()]
    for n in (32, 3, 1):
        part = [x[:n] for x in given]
        if n == 32 or not by_rows:
            expected = jax.tree.leaves(model.predict(part if len(part) > 1 else part[0], verbose=0))
        found = session.run(None, dict(zip(names, part, strict=True)))
        for a, b in zip(expected, found, strict=True):
            a = a[:n] if by_rows else a
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(b, a, rtol=0, atol=1e-5)
    return session


@pytest.mark.parametrize("name", CASES)
def test_layers(name, tmp_path):
    keras.utils.set_random_seed(0)
    check(keras.Sequential(CASES[name]()), tmp_path / "model.onnx")


def test_activations(tmp_path):
    x = numbers()
    names = "gelu softmax elu selu swish mish softplus hard_sigmoid leaky_relu relu6 log_softmax"
    outputs = [layers.Activation(name)(x) for name in names.split()]
    outputs.append(layers.Lambda(lambda x: keras.activations.gelu(x, approximate=True))(x))
    check(keras.Model(x, [*outputs, layers.PReLU()(x)]), tmp_path / "model.onnx")


def test_attention(tmp_path):
    x = steps()
    first = layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)
    check(keras.Model(x, [first, layers.Attention()([x, x])]), tmp_path / "model.onnx")


def test_several_inputs_with_names(tmp_path):
    a, b = keras.Input((8,), name="left"), keras.Input((8,), name="right")
    merged = [layers.Add()([a, b]), layers.Maximum()([a, b]), layers.Dot(1)([a, b])]
    session = check(keras.Model([a, b], layers.Concatenate()(merged)), tmp_path / "model.onnx")
    assert [one.name for one in session.get_inputs()] == ["left", "right"]


def test_sequences_of_any_length(tmp_path):
    x = keras.Input((None, 4))
    a = layers.MultiHeadAttention(2, 4)(x, x)
    lstm = layers.LSTM(3, recurrent_initializer="glorot_uniform")
    check(keras.Model(x, layers.Dense(2)(lstm(a))), tmp_path / "model.onnx")


def test_a_subclass_in_plain_jax(tmp_path):
    class Net(keras.Model):
        def call(self, x):
            order = jnp.argsort(x, -1)
            return {
                "where": jnp.where(x > 0, jnp.sin(x), 0),
                "best": x.argmax(-1),
                "sorted": jnp.take_along_axis(x, order, -1)[:, ::-1],
                "sum": jnp.cumsum(x, 1),
                "chosen": x[:, jnp.array([1, 0])],
                "loop": jax.lax.fori_loop(0, 3, lambda i, v: v * 2 + i, x),
                "branch": jax.lax.cond(x.sum() > 0, lambda v: v, lambda v: -v, x),
                "until": jax.lax.while_loop(lambda v: v.sum() < 9, lambda v: v + 1, x[0]),
                "set": x.at[:, 1].set(7.0),
                "top": jax.lax.top_k(x, 2)[0],
                "stacked": jnp.stack([x, x + 1], axis=1),
                "last": jnp.stack([x[:, 0], x[:, 1]], axis=-1),
                "unstacked": sum(jnp.unstack(x, axis=1)),
            }

    model = Net()
    model(np.ones((2, 8), "float32"))
    check(model, tmp_path / "model.onnx", by_rows=False)


def test_mobilenet(tmp_path):
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=5)
    check(model, tmp_path / "model.onnx", check=False)


def test_transformer(tmp_path):
    tokens = words()
    x = layers.Embedding(30, 8)(tokens) + layers.Embedding(7, 8)(keras.ops.arange(7))
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 4)(x, x))
        hidden = layers.Dense(16, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(8)(hidden))
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling1D()(x))
    check(keras.Model(tokens, outputs), tmp_path / "model.onnx")


def test_the_file_is_valid_and_says_where_it_is_from(tmp_path, capsys):
    model = keras.Sequential([numbers(), layers.Dense(2, name="head")])
    model.export(tmp_path / "model", format="onnx", opset_version=20)
    text = capsys.readouterr().out
    assert "Input" in text and "onnxruntime computes the same" in text
    proto = onnx.load(tmp_path / "model")
    onnx.checker.check_model(proto, full_check=True)
    assert proto.producer_name == "jkeras" and proto.opset_import[0].version == 20
    assert {t.name for t in proto.graph.initializer} >= {"head/kernel"}


def test_what_has_no_counterpart_is_named(tmp_path):
    class Drawn(keras.Model):
        def call(self, x):
            return x + keras.random.normal((8,), seed=1)

    class Spectrum(keras.Model):
        def call(self, x):
            return jnp.abs(jnp.fft.rfft(x))

    x = np.ones((2, 8), "float32")
    for cls, match in ((Drawn, "Random numbers|random"), (Spectrum, "'fft'")):
        model = cls()
        model(x)
        with pytest.raises(ValueError, match=match):
            model.export(tmp_path / "model.onnx")
        assert not (tmp_path / "model.onnx").exists()
    with pytest.raises(ValueError, match="opset_version"):
        keras.Sequential([numbers()]).export(tmp_path / "model.onnx", opset_version=9)


def test_weights_that_no_file_of_protobuf_holds_lie_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_files, "_MOST_BYTES", 10)
    model, path = keras.Sequential([keras.Input((30,)), layers.Dense(100)]), tmp_path / "a.onnx"
    for _ in range(2):
        check(model, path)
        assert sorted(os.listdir(tmp_path)) == ["a.onnx", "a.onnx.data"]
        assert (tmp_path / "a.onnx.data").stat().st_size == 30 * 100 * 4  # the bias is small
    before = (tmp_path / "a.onnx.data").read_bytes()
    monkeypatch.setattr(onnx_files, "_compare", lambda *_: 1 / 0)
    other = keras.Sequential([keras.Input((30,)), layers.Dense(100)])
    with pytest.raises(ZeroDivisionError):
        other.export(path, verbose=False)
    assert (tmp_path / "a.onnx.data").read_bytes() == before
    assert sorted(os.listdir(tmp_path)) == ["a.onnx", "a.onnx.data"]
