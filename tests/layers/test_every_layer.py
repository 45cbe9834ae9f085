"""Properties of all layers, over the catalog."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jkeras import layers
from jkeras.core import graph, pure, registry, scope
from tests.catalog.layers import LAYERS, Case

KEY = jax.random.key(7)
PURE = [case for case in LAYERS if case.pure]
every_layer = pytest.mark.parametrize("case", LAYERS, ids=str)
every_pure_layer = pytest.mark.parametrize("case", PURE, ids=str)


def close(ours, theirs, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def symbols(arrays):
    return jax.tree.map(lambda x: graph.SymbolicTensor((None, *x.shape[1:]), x.dtype), arrays)


def built(case: Case, **kwargs):
    layer, inputs = case.make(**kwargs), case.draw()
    pure.ensure_built(layer, *inputs)
    return layer, inputs


def test_every_public_layer_is_in_the_catalog():
    abstract = {"Layer", "InputLayer", "Wrapper"}
    public = {
        cls.__name__
        for name, cls in vars(layers).items()
        if isinstance(cls, type) and issubclass(cls, layers.Layer) and name == cls.__name__
    }
    assert public - abstract == {case.layer.__name__ for case in LAYERS}


@every_pure_layer
def test_jit_equals_eager_and_a_second_call_the_first(case):
    """One compiled program of inference, training and gradients; the object stays as it was."""
    layer, inputs = built(case)
    eager = layer(*inputs)
    variables = pure.read(layer)
    before = dict(vars(layer))

    def run(variables, inputs):
        outputs, effects = pure.apply(layer, variables, *inputs)
        trained, trained_effects = pure.apply(layer, variables, *inputs, training=True, rng=KEY)
        return outputs, effects, trained, trained_effects

    with jax.checking_leaks():
        first = jax.jit(run)(variables, inputs)
    outputs, effects, trained, trained_effects = first
    close(outputs, eager)
    close(effects.state, variables.state)
    close(first, run(variables, inputs))
    assert {k: v.shape for k, v in trained_effects.state.items()} == {
        k: v.shape for k, v in variables.state.items()
    }
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((outputs, trained)))
    differs = any(
        (a != b).any() for a, b in zip(jax.tree.leaves(outputs), jax.tree.leaves(trained))
    )
    assert differs == case.trains
    assert vars(layer).keys() == before.keys()
    assert all(vars(layer)[name] is value for name, value in before.items())


@every_layer
def test_symbolic_shape_and_dtype_are_the_real_ones(case):
    layer, inputs = case.make(), case.draw()
    spec = layer.compute_output_spec(*symbols(inputs))
    outputs = layer(*inputs)
    for symbol, array in zip(jax.tree.leaves(spec), jax.tree.leaves(outputs), strict=True):
        assert symbol.shape[1:] == array.shape[1:]
        assert symbol.shape[0] is None
        assert symbol.dtype == array.dtype.name


@pytest.mark.parametrize("case", [c for c in PURE if c.differentiable], ids=str)
def test_gradients_are_finite(case):
    layer, inputs = built(case)
    variables = pure.read(layer)
    arrays = [x for x in jax.tree.leaves(inputs) if x.dtype == np.float32]
    structure = jax.tree.structure(inputs)

    def loss(params, arrays):
        used = structure.unflatten(arrays) if arrays else inputs
        outputs, effects = pure.apply(
            layer, (params, variables.state), *used, training=True, rng=KEY
        )
        return sum(jnp.sum(jnp.sin(x)) for x in jax.tree.leaves(outputs)) + sum(effects.losses)

    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))(variables.params, arrays)
    leaves = jax.tree.leaves(gradients)
    assert leaves
    assert all(np.isfinite(g).all() for g in leaves)
    assert any((g != 0).any() for g in leaves)


@every_layer
def test_config_goes_through_json_and_back(case):
    layer, inputs = case.make(), case.draw()
    config = json.loads(json.dumps(layer.get_config()))
    again = registry.deserialize_keras_object(
        json.loads(json.dumps(registry.serialize_keras_object(layer))), {"abs": abs}
    )
    assert type(again) is type(layer)
    assert json.loads(json.dumps(again.get_config())) == config
    if case.pure:
        outputs = layer(*inputs)
        pure.ensure_built(again, *inputs)
        again.set_weights(layer.get_weights())
        close(again(*inputs), outputs)


class Masked(layers.Layer):
    """Calls a layer on masked inputs; returns the mask of the outputs, or zero for none."""

    def __init__(self, layer, mask):
        super().__init__()
        self.layer, self.mask = layer, mask

    def call(self, *inputs):
        for x in jax.tree.leaves(inputs):
            scope.current().set_mask(x, jnp.asarray(self.mask))
        mask = scope.get_mask(self.layer(*inputs))
        return jnp.zeros(()) if mask is None else mask


@pytest.mark.parametrize("case", [c for c in PURE if c.sequences], ids=str)
def test_masks_are_kept(case):
    layer, inputs = built(case)
    mask = np.arange(5) < np.array([[5], [3], [1]])
    masked = Masked(layer, mask)
    found, _ = pure.apply(masked, pure.read(masked), *inputs)
    assert layer.supports_masking
    if isinstance(layer, layers.Masking):  # has its own idea
        mask = np.ones((3, 5), bool)
    np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize("policy", ["bfloat16", "mixed_bfloat16"])
@every_pure_layer
def test_sixteen_bits(case, policy):
    layer, inputs = built(case, dtype=policy)
    outputs = jax.tree.leaves(layer(*inputs))
    plain = jax.tree.leaves(case.make()(*inputs))
    for weight in layer.weights:
        if jnp.issubdtype(weight.dtype, np.floating):
            assert weight.dtype == ("float32" if policy.startswith("mixed") else "bfloat16")
    for x, y in zip(outputs, plain, strict=True):
        assert x.shape == y.shape
        assert x.dtype == ("bfloat16" if y.dtype == np.float32 else y.dtype)


@every_pure_layer
def test_many_models_at_once(case):
    layer, inputs = built(case)
    keys = jax.random.split(KEY, 2)

    def run(key):
        variables = pure.init(layer, key)
        return pure.apply(layer, variables, *inputs, training=True, rng=key)

    close(jax.tree.map(lambda x: x[1], jax.vmap(run)(keys)), run(keys[1]))
