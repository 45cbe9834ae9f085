"""What is done on GPUs and TPUs, as far as a CPU can show it."""

import re
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import jkeras as keras
from jkeras import layers
from jkeras.base import settings
from jkeras.training import Batch, CompiledObjective, init_state, make_chunk, make_train_step

RNG = np.random.default_rng(0)
SERIES, IMAGES = (4, 7, 5), (2, 9, 9, 8)


def derivatives(layer, x):
    """Returns outputs and gradients of a layer."""
    variables = keras.pure.read(layer)

    def loss(params, x):
        outputs, _ = keras.pure.apply(
            layer, (params, variables.state), x, training=True, rng=jax.random.key(0)
        )
        return sum(jnp.sin(o.astype(jnp.float32)).sum() for o in jax.tree.leaves(outputs)), outputs

    return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(variables.params, x)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.LSTM(6), SERIES),
        (lambda: layers.LSTM(6, return_sequences=True, dropout=0.3), SERIES),
        (lambda: layers.GRU(6, reset_after=False), SERIES),
        (lambda: layers.SimpleRNN(6, go_backwards=True), SERIES),
        (lambda: layers.Bidirectional(layers.GRU(4)), SERIES),
        (lambda: layers.ConvLSTM1D(3, 3), (2, 4, 9, 5)),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), IMAGES),
        (lambda: layers.SeparableConv2D(8, 3, padding="same"), IMAGES),
        (lambda: layers.DepthwiseConv1D(3), SERIES),
    ],
)
def test_layers_compute_the_same_as_on_a_cpu(make, shape, monkeypatch):
    layer, x = make(), jnp.asarray(RNG.normal(size=shape), "float32")
    layer(x)
    expected = derivatives(layer, x)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = derivatives(layer, x)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), found, expected
    )


@pytest.mark.parametrize("source", ["arrays", "parts", "stream", "host"])
def test_fit_gives_the_same_as_on_a_cpu(source, monkeypatch):
    x, y = RNG.normal(size=(72, 6)).astype("float32"), RNG.integers(0, 3, 72)

    def train():
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((6,)), layers.Dropout(0.2), layers.Dense(3)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, steps_per_execution=5 if source == "parts" else 1)
        options = {"epochs": 2, "verbose": 0, "validation_data": (x[:20], y[:20])}
        if source == "stream":
            batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, 72, 8)]
            model.fit((b for _ in range(2) for b in batches), steps_per_epoch=9, **options)
        else:
            model.fit(x, y, batch_size=8, data_on_device=source != "host", **options)
        return model.history.history, model.predict(x, batch_size=16, verbose=0)

    history, outputs = train()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    other, others = train()
    for name, values in history.items():
        np.testing.assert_allclose(other[name], values, rtol=1e-5)
    np.testing.assert_allclose(others, outputs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 40])
def test_loops_in_blocks_give_the_bits_of_a_scan(count, monkeypatch):
    rows = RNG.normal(size=(40, 3)).astype("float32")

    def step(state, batch):
        total, taken = state
        return (jnp.tanh(total + batch.sum()), taken + 1)

    start = jnp.float32(0.1), np.int32(0)
    slots = np.arange(40)[:, None]
    expected = make_chunk(step, donate=False)(start, rows, slots[:count])
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = make_chunk(step, donate=False)(start, rows, slots, 0, count)
    assert [a.tolist() for a in found] == [a.tolist() for a in expected]


def mlp():
    model = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(30, "relu")]
    return keras.Sequential([*model, layers.Dropout(0.2), layers.Dense(10, "softmax")])


def lstm():
    return keras.Sequential(
        [keras.Input((20, 8)), layers.LSTM(16), layers.Dense(10, activation="softmax")]
    )


def convnet():
    return keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3),
            layers.MaxPooling2D(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def transformer():
    tokens = keras.Input((16,), dtype="int32")
    x = layers.Embedding(50, 32)(tokens)
    h = layers.MultiHeadAttention(4, 8)(x, x, use_causal_mask=True)
    x = layers.LayerNormalization()(layers.Add()([x, h]))
    return keras.Model(tokens, layers.Dense(10, "softmax")(layers.GlobalAveragePooling1D()(x)))


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("make", [mlp, lstm, convnet, transformer])
def test_programs_for_gpus_have_one_loop_and_nothing_else_that_waits(make, policy, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    keras.config.set_dtype_policy(policy)
    model = make()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    objective = CompiledObjective(
        "sparse_categorical_crossentropy",
        metrics=["sparse_categorical_accuracy"],
        outputs=[jax.ShapeDtypeStruct((4, 10), "float32")],
        targets=[jax.ShapeDtypeStruct((4,), "int32")],
    )
    tx, scale = model.optimizer.transformation(), model.optimizer.loss_scale
    step = make_train_step(model, objective, tx, scale)
    run = make_chunk(step, lambda data, rows: Batch(*jax.tree.map(lambda a: a[rows], data)))
    state = init_state(model, objective, tx, jax.random.key(0))
    x = np.zeros((8, *model.input_shape[1:]), model.inputs[0].dtype)
    exported = export.export(
        jax.jit(lambda *given: run(*given)),
        platforms=["cuda"],
        disabled_checks=[export.DisabledSafetyCheck.custom_call("cu_threefry2x32_ffi")],
    )(state, (x, [np.zeros(8, "int32")]), np.zeros((2, 4), "int32"))
    text = exported.mlir_module()
    found = Counter(re.findall(r"stablehlo\.(while|case|if|custom_call)", text))
    inner = {"lstm": 2}.get(make.__name__, 0)  # forwards and backwards through time
    assert found["while"] == 1 + inner
    assert not found["case"] + found["if"]
    assert set(re.findall(r"custom_call @(\w+)", text)) <= {"cu_threefry2x32_ffi"}
    assert not re.search(r"xf64|<f64", text)


def test_a_loop_that_is_named_cpu_is_computed_as_on_one(monkeypatch):
    from jkeras.base.platforms import platform

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert platform() == "gpu"
    with keras.device("cpu:0"):
        assert platform() == "cpu"


def test_attention_takes_the_fused_kernel_where_it_applies(monkeypatch):
    from jkeras.ops import arrays

    def kernel(dtype="bfloat16", size=64, mask=None, asked=None):
        query = jax.ShapeDtypeStruct((2, 5, 4, size), jnp.dtype(dtype))
        return arrays.attention_kernel(asked, query, mask)

    assert kernel() == "xla"  # on a CPU
    monkeypatch.setattr(arrays, "has_fused_attention", lambda: True)
    assert kernel() == "cudnn"
    assert {kernel("float32"), kernel(size=60), kernel(size=256), kernel(mask=1)} == {"xla"}
    assert kernel(asked=False) == "xla"
    keras.config.disable_flash_attention()
    try:
        assert kernel() == "xla"
        assert kernel(asked=True) == "cudnn"
    finally:
        settings.put("flash_attention", None)
