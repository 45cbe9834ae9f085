"""keras.config, and the modules that are other names of it."""

import pytest

import jkeras as keras
from jkeras import config
from jkeras.base import settings


@pytest.fixture(autouse=True)
def as_before():
    before = dict(settings._values)
    yield
    settings._values.update(before)


@pytest.mark.parametrize(
    ("name", "value", "bad"),
    [
        ("floatx", "float16", "int8"),
        ("image_data_format", "channels_first", "channels_middle"),
        ("max_epochs", 3, 0),
        ("max_steps_per_epoch", 3, -1),
    ],
)
def test_settings(name, value, bad):
    get, put = getattr(config, name), getattr(config, f"set_{name}")
    put(value)
    assert get() == value
    with pytest.raises(ValueError, match=str(bad)):
        put(bad)
    assert get() == value


def test_epsilon():
    config.set_epsilon(1e-3)
    assert config.epsilon() == keras.backend.epsilon() == 1e-3
    assert keras.ops.normalize([1e-4, 0.0]).tolist() == pytest.approx([0.1, 0.0])


def test_the_data_format_is_the_default_of_layers():
    config.set_image_data_format("channels_first")
    assert keras.layers.Flatten().data_format == "channels_first"
    assert keras.ops.max_pool(keras.ops.ones((1, 3, 4, 4)), 2).shape == (1, 3, 2, 2)


@pytest.mark.parametrize(
    ("name", "start"),
    [("flash_attention", None), ("interactive_logging", True), ("traceback_filtering", True)],
)
def test_switches(name, start):
    is_enabled = getattr(config, f"is_{name}_enabled")
    assert is_enabled() is start
    for word, expected in (("enable", True), ("disable", False), ("enable", True)):
        assert getattr(config, f"{word}_{name}")() is None
        assert is_enabled() is expected


def test_flash_attention_reaches_attention(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "jax.nn.dot_product_attention", lambda *a, **k: seen.append(k["implementation"])
    )
    x = keras.ops.ones((1, 2, 3, 4))
    keras.ops.dot_product_attention(x, x, x)
    config.enable_flash_attention()
    keras.ops.dot_product_attention(x, x, x)
    keras.ops.dot_product_attention(x, x, x, flash_attention=False)
    assert seen == ["xla", "cudnn", "xla"]


def test_there_is_one_backend():
    assert config.backend() == keras.backend.backend() == "jax"
    config.set_backend("jax")
    with pytest.raises(ValueError, match="JAX only"):
        config.set_backend("torch")
    assert not config.is_nnx_enabled()
    with pytest.raises(NotImplementedError, match="never runs code"):
        config.enable_unsafe_deserialization()


def test_policies_by_other_names():
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    assert config.dtype_policy() == keras.mixed_precision.Policy("mixed_bfloat16")
    assert keras.dtype_policies.FloatDTypePolicy is keras.DTypePolicy
    made = keras.dtype_policies.serialize(keras.DTypePolicy("mixed_float16"))
    assert made["class_name"] == "DTypePolicy"
    assert keras.dtype_policies.deserialize(made) == keras.DTypePolicy("mixed_float16")
    assert keras.dtype_policies.get(None) == config.dtype_policy()
