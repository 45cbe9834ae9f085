"""Functions of JAX and modules of Flax as layers."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jkeras as keras
from jkeras import layers
from jkeras.core import pure

X = np.linspace(-1, 1, 12, dtype="float32").reshape(4, 3)


def init(rng, inputs):
    return {"kernel": jax.random.normal(rng, (inputs.shape[-1], 2))}, jnp.zeros((), "int32")


def call(params, state, rng, inputs, training):
    noise = jax.random.normal(rng, (2,)) if training else 0.0
    return inputs @ params["kernel"] + noise, state + training


def test_a_function_with_state_and_randomness():
    layer = layers.JaxLayer(call, init)
    outputs = layer(X)
    assert [w.trainable for w in layer.weights] == [True, False]
    np.testing.assert_allclose(outputs, X @ layer.weights[0].numpy(), rtol=1e-6)
    apply = jax.jit(lambda v, key: pure.apply(layer, v, X, training=True, rng=key))
    variables = pure.read(layer)
    first, effects = apply(variables, jax.random.key(0))
    second, _ = apply(variables, jax.random.key(1))
    assert list(effects.state.values()) == [1]
    assert not np.allclose(first, second)


def test_given_parameters():
    layer = layers.JaxLayer(lambda params, inputs: inputs * params, params=np.float32(3.0))
    np.testing.assert_allclose(layer(X), 3 * X)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"call_fn": call}, "cannot all be `None`"),
        ({"call_fn": lambda x: x, "params": 0}, "takes the argument `inputs`"),
        ({"call_fn": call, "init_fn": lambda rng, inputs, shape: 0}, "function of"),
    ],
)
def test_functions_of_other_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.JaxLayer(**arguments)


class Linen(nn.Module):
    @nn.compact
    def __call__(self, inputs, training=False):
        x = nn.BatchNorm(use_running_average=not training, momentum=0.5)(nn.Dense(2)(inputs))
        return nn.Dropout(0.5, deterministic=not training)(x)


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.dense = nnx.Linear(3, 2, rngs=rngs)
        self.norm = nnx.BatchNorm(2, momentum=0.5, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)

    def __call__(self, inputs):
        return self.dropout(self.norm(self.dense(inputs)))


@pytest.mark.parametrize("make", [Linen, lambda: Nnx(nnx.Rngs(0))], ids=["linen", "nnx"])
def test_a_module_of_flax_trains(make):
    layer = layers.FlaxLayer(make())
    model = keras.Sequential([keras.Input((3,)), layer, layers.Dense(1)])
    assert {w.name.rpartition(".")[2] for w in layer.trainable_weights} >= {"kernel", "bias"}
    before = [np.array(w.numpy()) for w in layer.weights]
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], epochs=2, verbose=0)
    assert all((w.numpy() != b).any() for w, b in zip(layer.weights, before) if w.ndim == 2)
    statistics = [w for w in layer.weights if w.name.endswith(("mean", "var"))]
    assert len(statistics) == 2 and all(not w.trainable for w in statistics)
    assert all(abs(w.numpy() - i).max() > 1e-3 for i, w in enumerate(statistics))
    np.testing.assert_array_equal(model.predict(X, verbose=0), model.predict(X, verbose=0))


def test_first_variables_and_a_method():
    variables = {"params": {"kernel": np.ones((3, 2), "float32"), "bias": np.zeros(2, "float32")}}
    layer = layers.FlaxLayer(nn.Dense(2), lambda module, inputs: 2 * module(inputs), variables)
    np.testing.assert_allclose(layer(X), 2 * X.sum(1, keepdims=True) * np.ones(2), atol=1e-6)


class Tower(nn.Module):
    layers: tuple
    width: int = 3

    def __call__(self, inputs):
        for layer in self.layers:
            inputs = layer(inputs)
        return inputs


def test_a_model_with_a_module_is_saved(tmp_path):
    tower = Tower((nn.Dense(4, use_bias=False), nn.relu, nn.Dense(2)))
    model = keras.Sequential([keras.Input((3,)), layers.FlaxLayer(tower)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", custom_objects={"Tower": Tower})
    np.testing.assert_array_equal(again(X), model(X))
    assert [layer.features for layer in again.layers[0].module.layers[::2]] == [4, 2]
    with pytest.raises(ValueError, match="Unknown class 'Tower'"):
        keras.saving.load_model(tmp_path / "model.keras")
    with pytest.raises(TypeError, match=r"flax_layer.* has no config: write .* for Nnx"):
        layers.FlaxLayer(Nnx(nnx.Rngs(0))).get_config()


def test_what_is_no_module_is_refused():
    with pytest.raises(ValueError, match=r"module of flax.linen or flax.nnx. Received"):
        layers.FlaxLayer(object())
