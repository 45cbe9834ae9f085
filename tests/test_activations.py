"""Activation functions: their definitions, their names, and what they take."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import Input, Variable, activations, layers
from jkeras.base import registry

X = np.linspace(-4, 4, 33, dtype="float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(x):
    return 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


DEFINITIONS = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "celu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "selu": lambda x: 1.0507010 * np.where(x > 0, x, 1.6732632 * (np.exp(x) - 1)),
    "gelu": lambda x: x * normal(x),
    "silu": lambda x: x * sigmoid(x),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "sigmoid": sigmoid,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "log_sigmoid": lambda x: np.log(sigmoid(x)),
    "sparse_sigmoid": lambda x: np.clip((x + 1) / 2, 0, 1),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "hard_shrink": lambda x: np.where(abs(x) > 0.5, x, 0),
    "soft_shrink": lambda x: np.sign(x) * np.maximum(abs(x) - 0.5, 0),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "sparse_plus": lambda x: np.where(x <= -1, 0, np.where(x >= 1, x, (x + 1) ** 2 / 4)),
    "squareplus": lambda x: (x + np.sqrt(x**2 + 4)) / 2,
    "softsign": lambda x: x / (1 + abs(x)),
    "exponential": np.exp,
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(),
    "log_softmax": lambda x: x - np.log(np.exp(x).sum()),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions(name):
    expected = DEFINITIONS[name](X.astype("float64"))
    function = activations.get(name)
    np.testing.assert_allclose(function(X), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(function(Variable(X)), expected, rtol=1e-5, atol=1e-6)
    assert jax.eval_shape(function, jax.ShapeDtypeStruct(X.shape, "bfloat16")).dtype == "bfloat16"
    assert np.isfinite(jax.jit(jax.grad(lambda x: jnp.sum(function(x))))(X)).all()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda x: activations.relu(x, negative_slope=0.5), [-1.5, -0.25, 2.0, 9.0]),
        (lambda x: activations.relu(x, max_value=6), [0.0, 0.0, 2.0, 6.0]),
        (lambda x: activations.relu(x, threshold=2.0), [0.0, 0.0, 0.0, 9.0]),
        (lambda x: activations.relu(x, 0.5, 6, 1.0), [-2.0, -0.75, 2.0, 6.0]),
        (lambda x: activations.leaky_relu(x, negative_slope=0.5), [-1.5, -0.25, 2.0, 9.0]),
        (lambda x: activations.threshold(x, 1.0, 7.0), [7.0, 7.0, 2.0, 9.0]),
        (lambda x: activations.hard_shrink(x, threshold=2.5), [-3.0, 0.0, 0.0, 9.0]),
        (lambda x: activations.soft_shrink(x, threshold=2.0), [-1.0, 0.0, 0.0, 7.0]),
        (lambda x: activations.glu(x), [-3 * sigmoid(2.0), -0.5 * sigmoid(9.0)]),
        (lambda x: activations.squareplus(x, b=0), [0.0, 0.0, 2.0, 9.0]),
    ],
)
def test_arguments(call, expected):
    np.testing.assert_allclose(call(np.float32([-3, -0.5, 2, 9])), expected, rtol=1e-5)


def test_softmax_along_any_axes():
    x = np.random.RandomState(0).randn(2, 3, 4).astype("float32")
    for axis in (-1, 0, (1, 2), None):
        np.testing.assert_allclose(activations.softmax(x, axis=axis).sum(axis), 1, rtol=1e-5)
        np.testing.assert_allclose(
            np.exp(activations.log_softmax(x, axis=axis)),
            activations.softmax(x, axis=axis),
            rtol=1e-5,
        )
    np.testing.assert_allclose(activations.sparsemax(x, axis=1).sum(1), 1, rtol=1e-5)


# ------------------------------------------------------------------ names
@pytest.mark.parametrize("name", [n for n in DEFINITIONS if n != "linear"])
def test_on_symbolic_tensors(name):
    x = Input((33,))
    model = keras.Model(x, getattr(activations, name)(x))
    np.testing.assert_allclose(model(X[None])[0], DEFINITIONS[name](X), rtol=1e-5, atol=1e-6)


def test_linear_leaves_symbolic_tensors_alone():
    x = Input((3,))
    assert activations.linear(x) is x


def test_names_in_graphs_are_keras():
    x = Input((3,))
    names = [
        activations.relu(x, max_value=6.0).source.layer.name,
        activations.exponential(x).source.layer.name,
        activations.swish(x).source.layer.name,
        keras.ops.relu(x).source.layer.name,
    ]
    assert names == ["re_lu", "exp", "silu", "relu"]


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        *((None, "linear"), ("relu", "relu"), ("ReLU", "relu"), ("swish", "silu")),
        *(("hard_swish", "hard_silu"), ("log_softmax", "log_softmax")),
    ],
)
def test_get(identifier, name):
    assert activations.get(identifier).__name__ == name


def test_get_gives_back_functions_and_layers():
    def mine(x):
        return x

    layer = layers.ReLU(max_value=3.0) if hasattr(layers, "ReLU") else layers.Activation("relu")
    assert activations.get(mine) is mine
    assert activations.get(layer) is layer
    assert (
        activations.get(
            {"class_name": "Activation", "module": "keras.layers", "config": {"activation": "tanh"}}
        ).activation
        is activations.tanh
    )


@pytest.mark.parametrize("name", registry.builtin_names("activations"))
def test_serialization(name):
    function = activations.get(name)
    assert activations.deserialize(activations.serialize(function)) is function


def test_unknown():
    with pytest.raises(ValueError, match=r"Unknown activation 'sofmax': did you mean 'softmax'\?"):
        activations.get("sofmax")
