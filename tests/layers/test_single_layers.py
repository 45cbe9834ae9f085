"""Numbers of single layers that the catalog's inputs do not reach."""

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers, ops

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("make", [layers.GroupNormalization, layers.LayerNormalization], ids=repr)
def test_normalization_of_large_halves(make):
    x = (RANDOM.normal(0, 3000, (2, 4, 32))).astype("float16")
    found = make(dtype="float16")(x)
    np.testing.assert_allclose(found, make()(x.astype("float32")), atol=0.01)


@pytest.mark.parametrize("kind", ["mha", "grouped", "plain", "additive"])
def test_attention_in_halves(kind):
    """In compiled code, too: XLA's products for CPUs are not those of other devices."""
    make = {
        "mha": lambda dtype: layers.MultiHeadAttention(2, 4, dtype=dtype),
        "grouped": lambda dtype: layers.GroupQueryAttention(4, 4, 2, dtype=dtype),
        "plain": lambda dtype: layers.Attention(dtype=dtype),
        "additive": lambda dtype: layers.AdditiveAttention(dtype=dtype),
    }[kind]
    x = RANDOM.normal(size=(2, 5, 8)).astype("float32")
    outputs = []
    for dtype in ("float32", "mixed_float16"):
        keras.utils.set_random_seed(1)
        inputs = keras.Input((5, 8))
        layer = make(dtype)
        plain = kind in ("plain", "additive")
        model = keras.Model(inputs, layer([inputs, inputs]) if plain else layer(inputs, inputs))
        model.compile("sgd", "mse")
        outputs.append(model.predict(x, verbose=0))
        assert np.isfinite(model.evaluate(x, x, verbose=0))
        assert np.isfinite(model.fit(x, x, verbose=0).history["loss"]).all()
    np.testing.assert_allclose(*outputs, atol=0.02)


def test_a_target_that_sees_nothing_gets_the_same_with_and_without_scores():
    layer = layers.MultiHeadAttention(2, 4)
    x, mask = RANDOM.normal(size=(2, 5, 8)), np.ones((2, 5, 5), bool)
    mask[0, 2] = False
    outputs, _ = layer(x, x, attention_mask=mask, return_attention_scores=True)
    np.testing.assert_allclose(layer(x, x, attention_mask=mask), outputs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [layers.Attention, layers.AdditiveAttention], ids=repr)
def test_attention_of_more_axes_is_that_of_each_slice(make):
    query, value = RANDOM.normal(size=(2, 3, 4, 5)), RANDOM.normal(size=(2, 3, 6, 5))
    masks = [RANDOM.random((2, 3, 4)) < 0.7, RANDOM.random((2, 3, 6)) < 0.7]
    layer = make()
    found = layer([query, value], mask=masks)
    for i in range(3):
        one = layer([query[:, i], value[:, i]], mask=[m[:, i] for m in masks])
        np.testing.assert_allclose(found[:, i], one, rtol=1e-5, atol=1e-6)


def test_rms_scaling_divides_by_the_deviation():
    with pytest.warns(UserWarning, match="rms_scaling"):
        layer = layers.LayerNormalization(rms_scaling=True, epsilon=0.0)
    x = np.array([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(layer(x), x / x.std(), rtol=1e-6)  # Keras's formula
    assert [w.name for w in layer.weights] == ["gamma"]
    with pytest.warns(UserWarning, match="rms_scaling"):
        again = layers.LayerNormalization.from_config(layer.get_config())
    np.testing.assert_allclose(again(x), layer(x))


def test_an_empty_batch_has_no_activity_loss():
    for layer in (layers.Dense(2, activity_regularizer="l2"), layers.ActivityRegularization(1.0)):
        layer(np.zeros((0, 3), "float32"))
        assert layer.losses[0].item() == 0.0


@pytest.mark.parametrize(
    ("equation", "output_shape", "inputs", "fans"),
    [
        ("abc,cd->abd", (None, 64), (None, 5, 128), (128, 64)),
        ("abc,cde->abde", (None, 8, 64), (None, 5, 128), (128, 512)),
        ("abcd,cde->abe", (None, 128), (None, 5, 8, 32), (256, 128)),
        ("...x,yx->...y", (64,), (None, 5, 128), (128, 64)),
    ],
)
def test_einsum_dense_starts_from_the_fans_of_its_equation(equation, output_shape, inputs, fans):
    for initializer, variance in [
        ("glorot_uniform", 2 / sum(fans)),
        ("he_normal", 2 / fans[0]),
        (keras.initializers.VarianceScaling(1.0, "fan_out"), 1 / fans[1]),
    ]:
        layer = layers.EinsumDense(equation, output_shape, kernel_initializer=initializer)
        layer.build(inputs)
        np.testing.assert_allclose(np.var(layer.kernel), variance, rtol=0.05)
        assert layer.get_config()["kernel_initializer"]["config"]["input_axes"] is None


class Accumulator(layers.Layer):
    """A cell that keeps its state in 32 bits."""

    state_size = 3

    def call(self, inputs, states):
        total = ops.cast(states[0], "float32") + inputs
        return ops.cast(total, self.compute_dtype), [total]


def test_a_cell_may_return_states_in_another_dtype():
    x = np.ones((2, 4, 3), "float32")
    layer = layers.RNN(Accumulator(dtype="mixed_float16"), dtype="mixed_float16")
    found = layer(x)
    assert found.dtype == "float16"
    np.testing.assert_array_equal(found, 4.0)


def test_a_list_of_images_is_a_batch():
    images = [RANDOM.normal(size=(2, 3, 1)) for _ in range(4)]
    for layer in (
        layers.Rescaling(2.0),
        layers.Resizing(4, 4),
        layers.RandomBrightness((0.2, 0.2)),
    ):
        np.testing.assert_array_equal(layer(images), layer(np.stack(images)))


def test_repeats_that_only_running_code_knows():
    with pytest.raises(TypeError, match="`repeats` decides the shape of the result"):
        jax.jit(lambda n: ops.tile(np.ones(3), n))(2)


class Foreign:
    """An array of another library."""

    def __array__(self, dtype=None, copy=None):
        return np.array([[1.0, -2.0], [3.0, 4.0]], dtype)


@pytest.mark.parametrize(
    "function",
    [ops.mean, ops.relu, ops.softmax, ops.exp, ops.transpose, keras.activations.gelu]
    + [ops.convert_to_tensor, ops.logsumexp, lambda x: ops.add(x, 1), lambda x: ops.matmul(x, x)]
    + [lambda x: ops.concatenate([x, x]), lambda x: ops.where(x, x, 0), lambda x: ops.stack([x])],
)
def test_arrays_of_other_libraries_are_arrays(function):
    found = function(Foreign())
    np.testing.assert_array_equal(found, function(np.asarray(Foreign(), "float32")))
    assert found.dtype == "float32"


class OneState(layers.Layer):
    """A cell that takes and gives its one state bare."""

    def __init__(self, units):
        super().__init__()
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="ones")

    def call(self, inputs, states):
        state = states[0] if isinstance(states, list) else states
        outputs = ops.matmul(inputs, self.kernel) + state
        return outputs, outputs


def test_a_stack_of_cells_with_bare_states():
    x = np.arange(12.0).reshape(1, 3, 4)
    outputs, first, second = layers.RNN([OneState(3), OneState(2)], return_state=True)(x)
    sums = np.cumsum(x.sum(-1), axis=1)
    np.testing.assert_array_equal(first, np.full((1, 3), sums[0, -1]))
    np.testing.assert_array_equal(outputs, np.full((1, 2), 3 * sums.sum()))
    np.testing.assert_array_equal(second, outputs)


def test_cells_of_ones_own_in_a_stack_get_lists_of_states():
    class Adding(layers.Layer):
        state_size = 3

        def call(self, inputs, states):
            output = states[0] + ops.sum(inputs, axis=-1, keepdims=True)
            return output, [output]

    x = np.arange(12.0).reshape(2, 3, 2)
    inner = layers.RNN(Adding(), return_sequences=True)(x)
    expected = layers.RNN(Adding())(inner)
    np.testing.assert_allclose(layers.RNN([Adding(), Adding()])(x), expected, rtol=1e-6)


def test_a_spectrogram_fills_frames_up_with_zeros_to_its_length():
    x = np.random.default_rng(5).normal(size=(1, 20, 1)).astype("float32")
    layer = layers.STFTSpectrogram(
        mode="magnitude", frame_length=6, frame_step=4, fft_length=20, window=None
    )
    frames = np.stack([x[0, start : start + 6, 0] for start in range(0, 15, 4)])
    expected = np.abs(np.fft.rfft(frames, 20))
    np.testing.assert_allclose(layer(x)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mag_exp", [1.0, 2.0])
def test_mel_spectrogram_by_its_definition(mag_exp):
    x = np.random.default_rng(5).normal(size=(2, 60)).astype("float32")
    options = {"num_mel_bins": 3, "sampling_rate": 4000, "min_freq": 100.0, "max_freq": 1800.0}
    layer = layers.MelSpectrogram(
        16, 8, 12, **options, mag_exp=mag_exp, top_db=5.0, ref_power=2.0, min_power=1e-3
    )
    real, imaginary = map(np.asarray, ops.stft(x, 12, 8, 16, "hann"))
    magnitudes = np.hypot(real, imaginary) ** mag_exp

    def mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    edges = np.linspace(mel(100), mel(1800), 5)
    bands = np.zeros((9, 3))
    for i, place in enumerate(mel(np.arange(9) * 250.0)):
        for j in range(3):
            low, middle, high = edges[j : j + 3]
            sides = (place - low) / (middle - low), (high - place) / (high - middle)
            bands[i, j] = max(0, min(sides)) if i else 0
    power = np.swapaxes(magnitudes @ bands, 1, 2)
    decibels = 10 * np.log10(np.maximum(power, 1e-3)) - 10 * np.log10(2.0)
    expected = np.maximum(decibels, decibels.max() - 5)
    assert (decibels < expected).any()
    np.testing.assert_allclose(layer(x), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("cell", "options", "allowed"),
    [
        ("SimpleRNNCell", {}, (0.0, 2.0)),
        ("GRUCell", {"reset_after": True}, (0.5, 1.0)),
        ("GRUCell", {"reset_after": False}, (0.5, 1.0)),
        ("LSTMCell", {"unit_forget_bias": False}, (0.25, 0.75)),
    ],
)
def test_recurrent_dropout_drops_what_the_gates_see_and_nothing_else(cell, options, allowed):
    """Gates are half open, and candidates are the state: what is left says what was dropped."""
    made = getattr(layers, cell)(20, activation=None, recurrent_dropout=0.5, seed=1, **options)
    state = np.ones((6, 20), "f4")
    states = [state] * made.number_of_states
    x = np.zeros((6, 2), "f4")
    made(x, states)
    candidate = {"SimpleRNNCell": 0, "GRUCell": 2, "LSTMCell": 2}[cell]
    kernel = np.zeros((20, made.gates * 20), "f4")
    kernel[:, 20 * candidate : 20 * (candidate + 1)] = np.eye(20)
    made.kernel.assign(0 * made.kernel.numpy())
    made.recurrent_kernel.assign(kernel)
    output = np.asarray(made(x, states, training=True)[0])
    assert np.unique(output).tolist() == list(allowed)
    assert len(np.unique(output, axis=0)) == 6  # each sample drops others


def test_a_recurrent_layer_drops_the_same_at_all_steps():
    layer = layers.SimpleRNN(20, activation=None, recurrent_dropout=0.5, return_sequences=True)
    x = np.zeros((4, 3, 2), "f4")
    layer(x)
    layer.cell.recurrent_kernel.assign(np.eye(20))
    found = np.asarray(layer(x, initial_state=np.ones((4, 20), "f4"), training=True))
    courses = np.unique(found.transpose(0, 2, 1).reshape(-1, 3), axis=0)
    assert courses.tolist() == [[0.0, 0.0, 0.0], [2.0, 4.0, 8.0]]


@pytest.mark.parametrize(
    ("layer", "shape", "starts"),
    [
        (layers.LSTM(2), (1, 3, 2), {"bias": [0, 0, 1, 1, 0, 0, 0, 0]}),
        (layers.LSTM(2, unit_forget_bias=False), (1, 3, 2), {"bias": [0] * 8}),
        (layers.ConvLSTM1D(1, 2), (1, 3, 4, 2), {"bias": [0, 1, 0, 0]}),
        (layers.GRU(1), (1, 3, 2), {"bias": [[0, 0, 0], [0, 0, 0]]}),
        (layers.Conv1D(2, 1), (1, 3, 2), {"bias": [0, 0]}),
        (layers.PReLU(), (1, 2), {"alpha": [0, 0]}),
        (layers.GroupNormalization(1), (1, 2), {"gamma": [1, 1], "beta": [0, 0]}),
        (layers.RMSNormalization(), (1, 2), {"scale": [1, 1]}),
        (
            layers.BatchNormalization(renorm=True, moving_variance_initializer="ones"),
            (2, 1),
            {
                "gamma": [1],
                "beta": [0],
                "moving_mean": [0],
                "moving_variance": [1],
                "moving_stddev": [1],
                "renorm_mean": [0],
                "renorm_stddev": [1],
            },
        ),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_weights_start_from(layer, shape, starts):
    layer.build(shape)
    found = {w.name: w.numpy().tolist() for w in layer.weights if "kernel" not in w.name}
    assert found == starts


@pytest.mark.parametrize(
    "make",
    [layers.LSTM, lambda n, **k: layers.ConvLSTM1D(n, 1, **k)],
    ids=["LSTM", "ConvLSTM1D"],
)
def test_the_biases_around_the_forget_gate_are_drawn_by_themselves(make):
    def counted(shape, dtype=None):
        return ops.arange(shape[0], dtype="float32")

    layer = make(2, bias_initializer=counted)
    layer.build((None, 2, 4) if isinstance(layer, layers.LSTM) else (None, 2, 4, 1))
    assert layer.cell.bias.numpy().tolist() == [0, 1, 1, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("axis", [1, 2])
def test_attention_of_a_subclass_is_used(causal, axis):
    class Doubled(keras.layers.MultiHeadAttention):
        def _build_attention(self, rank):
            super()._build_attention(rank)
            self.rank = rank

        def _compute_attention(self, query, key, value, attention_mask=None, *args):
            return super()._compute_attention(query, key, 2 * value, attention_mask, *args)

    x, mask = np.random.RandomState(0).randn(2, 4, 5, 3), np.arange(4 + axis - 1) < 3
    options = {"use_bias": False, "attention_axes": axis}
    plain, layer = keras.layers.MultiHeadAttention(2, 3, **options), Doubled(2, 3, **options)
    given = {"use_causal_mask": causal}
    if axis == 1:
        given["attention_mask"] = np.broadcast_to(mask, (2, 4, 4))
    expected = plain(x, x, **given)
    layer.build(x.shape, x.shape)
    layer.set_weights(plain.get_weights())
    assert layer.rank == 5
    np.testing.assert_allclose(layer(x, x, **given), 2 * expected, rtol=1e-5, atol=1e-6)


def test_attention_of_a_subclass_gets_one_mask_and_all_heads():
    seen = {}

    class Seen(layers.GroupQueryAttention):
        def _compute_attention(self, query, key, value, attention_mask=None, *args):
            seen.update(mask=attention_mask, key=key)
            return super()._compute_attention(query, key, value, attention_mask, *args)

    x, hides = np.random.RandomState(0).randn(1, 3, 4), np.array([[True, True, False]])
    plain, layer = (cls(3, 4, 2) for cls in (layers.GroupQueryAttention, Seen))
    expected, scores = plain(x, x, key_mask=hides, return_attention_scores=True)
    layer.build(x.shape, x.shape)
    layer.set_weights(plain.get_weights())
    outputs, own = layer(x, x, key_mask=hides, use_causal_mask=False, return_attention_scores=True)
    assert seen["mask"].tolist() == [[[True, True, False]]]
    assert seen["key"].shape == (1, 3, 4, 3)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(own, scores, rtol=1e-5)
    assert not isinstance(layer(x, x, key_mask=hides), tuple)


@pytest.mark.parametrize("method", ["_masked_softmax", "_compute_attention_mask"])
@pytest.mark.parametrize("options", [{}, {"sliding_window": 2}, {"attention_axes": (2,)}])
def test_masks_and_softmax_of_a_subclass_of_attention_are_used(method, options):
    seen = []

    def noted(self, *args, **kwargs):
        seen.append(method)
        return getattr(super(changed, self), method)(*args, **kwargs)

    changed = type("Changed", (layers.MultiHeadAttention,), {method: noted})
    draw = np.random.RandomState(0)
    x = draw.randn(*((2, 3, 5, 4) if "attention_axes" in options else (2, 5, 4)))
    given = {"use_causal_mask": True, "attention_mask": draw.rand(2, 1, 5, 5) < 0.6}
    if "attention_axes" in options:
        del given["attention_mask"]
    plain, layer = (cls(2, 3, **options) for cls in (layers.MultiHeadAttention, changed))
    expected, scores = plain(x, x, return_attention_scores=True, **given)
    layer.build(x.shape, x.shape)
    layer.set_weights(plain.get_weights())
    outputs, own = layer(x, x, return_attention_scores=True, **given)
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(own, scores, rtol=1e-5, atol=1e-6)
    assert not isinstance(layer(x, x, **given), tuple)
    assert seen


def test_another_softmax_of_attention():
    class Rectified(layers.MultiHeadAttention):
        def _masked_softmax(self, attention_scores, attention_mask=None):
            scores = ops.relu(attention_scores)
            return scores / (1 + ops.sum(scores, axis=-1, keepdims=True))

    x = np.random.RandomState(0).randn(1, 3, 4)
    layer = Rectified(2, 3)
    outputs, scores = layer(x, x, return_attention_scores=True)
    assert (np.sum(scores, axis=-1) < 1).all()
    np.testing.assert_allclose(layer(x, x), outputs, rtol=1e-5)


def test_a_softmax_that_a_subclass_of_attention_makes():
    class Warm(layers.MultiHeadAttention):
        def _build_attention(self, rank):
            super()._build_attention(rank)
            self._softmax = Halved()

    class Halved(layers.Layer):
        def call(self, scores, mask=None, training=None):
            assert mask.shape == (1, 1, 3, 3)
            return ops.where(mask, 0.5, ops.zeros_like(scores))

    x = np.random.RandomState(0).randn(2, 3, 4)
    layer = Warm(2, 3)
    _, scores = layer(x, x, use_causal_mask=True, return_attention_scores=True)
    assert scores[0, 0].tolist() == [[0.5, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5]]
