"""Properties of all layers, over the catalog."""

import functools
import inspect
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jkeras import layers
from jkeras.base import naming, registry
from jkeras.core import graph, policy, pure, scope
from jkeras.layers.preprocessing.images import ImageLayer
from tests.catalog.layers import LAYERS, Case, scaled

KEY = jax.random.key(7)
PURE = [case for case in LAYERS if case.pure]
every_layer = pytest.mark.parametrize("case", LAYERS, ids=str)
every_pure_layer = pytest.mark.parametrize("case", PURE, ids=str)


def close(ours, theirs, tolerance=2e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@functools.cache
def example(case: Case):
    """Returns the built layer, what it is called on, and what it returns eagerly.

    Neither its names nor its dtype depend on which test asks first.
    """
    naming.reset_names()
    before = policy.dtype_policy()
    policy.reset_policy()
    layer, inputs = case.make(), case.draw()
    outputs = layer(*inputs, **case.kwargs)
    policy.set_dtype_policy(before)
    return layer, inputs, outputs


def test_every_public_layer_is_in_the_catalog():
    abstract = {layers.Layer, layers.InputLayer, layers.Wrapper}
    abstract |= {layers.TFSMLayer}  # needs a file: see tests/export
    abstract |= {layers.TorchModuleWrapper}  # refuses everything: JAX runs no PyTorch
    public = {
        cls
        for cls in vars(layers).values()
        if isinstance(cls, type) and issubclass(cls, layers.Layer)
    }
    assert public - abstract == {case.layer for case in LAYERS}


@pytest.mark.no_cover
@every_pure_layer
def test_the_pure_function_of_a_layer(case):
    """Compiled, it gives what an eager call gives; twice the same; and leaves the object alone."""
    layer, inputs, eager = example(case)
    variables = pure.read(layer)
    before = dict(vars(layer))
    floating = [x.dtype == np.float32 for x in jax.tree.leaves(inputs)]
    structure = jax.tree.structure(inputs)

    def loss(params, leaves):
        used = structure.unflatten(
            a if is_float else b
            for a, b, is_float in zip(leaves, jax.tree.leaves(inputs), floating, strict=True)
        )
        outputs, effects = pure.apply(
            layer, (params, variables.state), *used, training=True, rng=KEY
        )
        total = sum(jnp.sum(jnp.sin(x.astype("float32"))) for x in jax.tree.leaves(outputs))
        return total + sum(effects.losses), (outputs, effects.state)

    def run(variables, inputs):
        leaves = [x.astype("float32") for x in jax.tree.leaves(inputs)]
        if case.differentiable:
            gradients, trained = jax.grad(loss, (0, 1), has_aux=True)(variables.params, leaves)
        else:
            gradients, trained = (), loss(variables.params, leaves)[1]
        return pure.apply(layer, variables, *inputs), trained, gradients

    with jax.checking_leaks():
        compiled = jax.jit(run)
        results = compiled(variables, inputs)
    (outputs, effects), (trained, state), gradients = results
    close(outputs, eager)
    close(effects.state, variables.state)
    assert {k: v.shape for k, v in state.items()} == {
        k: v.shape for k, v in variables.state.items()
    }
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(results))
    pairs = zip(jax.tree.leaves(outputs), jax.tree.leaves(trained), strict=True)
    assert any(not np.allclose(a, b, atol=1e-4) for a, b in pairs) == case.trains
    if case.differentiable:
        assert any((g != 0).any() for g in jax.tree.leaves(gradients))
    again = compiled(variables, inputs)
    for a, b in zip(jax.tree.leaves(results), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    assert vars(layer).keys() == before.keys()
    assert all(vars(layer)[name] is value for name, value in before.items())


@every_layer
def test_symbolic_shape_and_dtype_are_the_real_ones(case):
    _, inputs, outputs = example(case)
    symbols = jax.tree.map(lambda x: graph.SymbolicTensor((None, *x.shape[1:]), x.dtype), inputs)
    specs = case.make().compute_output_spec(*symbols)
    for spec, array in zip(jax.tree.leaves(specs), jax.tree.leaves(outputs), strict=True):
        assert spec.shape == (None, *array.shape[1:])
        assert spec.dtype == array.dtype.name


def like(inputs, factor, unknown=False):
    """Returns symbolic tensors like arrays, with the axes in the middle larger, or unknown."""

    def spec(x):
        middle = [None if unknown else factor * n for n in x.shape[1:-1]]
        return graph.SymbolicTensor((None, *middle, *x.shape[1:][-1:]), x.dtype)

    return jax.tree.map(spec, inputs)


@pytest.mark.parametrize(
    "case", [c for c in PURE if max(x.ndim for x in jax.tree.leaves(c.draw())) > 2], ids=str
)
def test_unknown_axes_in_the_middle_stay_unknown(case):
    """An axis of the result is None exactly where it follows the unknown ones."""
    inputs = case.draw()
    original, larger = case.make(), case.make()
    try:
        shapes = [
            [x.shape for x in jax.tree.leaves(layer.compute_output_spec(*like(inputs, factor)))]
            for layer, factor in ((original, 1), (larger, 4))
        ]
    except ValueError:  # sizes that the layer was not made for
        return
    if [w.shape for w in original.weights] != [w.shape for w in larger.weights]:
        return
    found = jax.tree.leaves(case.make().compute_output_spec(*like(inputs, 1, unknown=True)))
    assert [x.shape for x in found] == [
        tuple(n if n == m else None for n, m in zip(small, large, strict=True))
        for small, large in zip(*shapes, strict=True)
    ]


@every_pure_layer
def test_no_layer_needs_a_number_for_the_batch_size(case):
    layer, inputs, outputs = example(case)
    (batch,) = jax.export.symbolic_shape("b", constraints=["b >= 4096"])
    specs = jax.tree.map(lambda x: jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype), inputs)
    for training in (False, True):
        call = functools.partial(pure.apply, layer, pure.read(layer), training=training, rng=KEY)
        found, _ = jax.eval_shape(call, *specs)
        for spec, array in zip(jax.tree.leaves(found), jax.tree.leaves(outputs), strict=True):
            assert spec.shape == (batch, *array.shape[1:])


@pytest.mark.parametrize("case", [c for c in LAYERS if c.saves], ids=str)
def test_config_goes_through_json_and_back(case):
    layer = case.make()
    config = json.loads(json.dumps(layer.get_config()))
    envelope = json.loads(json.dumps(registry.serialize_keras_object(layer)))
    again = registry.deserialize_keras_object(envelope, {"abs": abs, "scaled": scaled})
    assert type(again) is type(layer)
    assert json.loads(json.dumps(again.get_config())) == config
    if case.pure:
        pure.ensure_built(again, *case.draw())
        original = example(case)[0]
        assert [w.shape for w in again.weights] == [w.shape for w in original.weights]
        assert [w.path for w in again.weights] == [w.path for w in original.weights]


def as_numpy(value):
    """Returns a structure whose numbers are NumPy's; anything else stays."""
    if isinstance(value, (list, tuple)):
        return type(value)(as_numpy(v) for v in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    return np.int64(value) if isinstance(value, int) else np.float32(value)


def with_defaults(case):
    """Returns the arguments of a case, and the numbers among the constructor's defaults."""
    parameters = inspect.signature(case.layer).parameters.values()
    numbers = {p.name: p.default for p in parameters if as_numpy(p.default) is not p.default}
    return {**numbers, **(case.arguments() if callable(case.arguments) else case.arguments)}


@pytest.mark.parametrize("case", [c for c in LAYERS if c.saves], ids=str)
def test_numbers_of_numpy_are_numbers(case):
    """They are taken wherever Python's are, and configs hold Python's."""
    given = with_defaults(case)
    configs = []
    for arguments in (given, {k: as_numpy(v) for k, v in given.items()}):
        text = re.sub(r'_\d+"', '"', json.dumps(case.layer(**arguments).get_config()))
        configs.append(json.loads(text, parse_float=lambda x: round(float(x), 5)))
    assert configs[0] == configs[1]


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
    layer, inputs, _ = example(case)
    mask = np.arange(5) < np.array([[5], [3], [1]])
    masked = Masked(layer, mask)
    found, _ = pure.apply(masked, pure.read(masked), *inputs)
    assert layer.supports_masking
    if isinstance(layer, layers.Masking):  # has its own idea
        mask = np.ones((3, 5), bool)
    np.testing.assert_array_equal(found, mask)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", ["bfloat16", "mixed_bfloat16"])
@every_pure_layer
def test_sixteen_bits(case, name):
    policy.set_dtype_policy(name)
    layer, inputs = case.make(), case.draw()
    pure.ensure_built(layer, *inputs)
    for weight in layer.weights:
        if jnp.issubdtype(weight.dtype, np.floating):
            assert weight.dtype == ("float32" if name.startswith("mixed") else "bfloat16")
    variables = pure.read(layer)
    outputs = example(case)[2]
    for training in (False, True):
        specs, effects = jax.eval_shape(
            functools.partial(pure.apply, layer, training=training, rng=KEY), variables, *inputs
        )
        for spec, array in zip(jax.tree.leaves(specs), jax.tree.leaves(outputs), strict=True):
            assert spec.shape == array.shape
            assert spec.dtype == ("bfloat16" if array.dtype == np.float32 else array.dtype)
        for path, array in variables.state.items():
            assert effects.state[path].dtype == array.dtype


@pytest.mark.no_cover
@every_pure_layer
def test_many_models_at_once(case):
    layer, inputs, _ = example(case)
    keys = jax.random.split(KEY, 2)

    def run(key):
        variables = pure.init(layer, key)
        return pure.apply(layer, variables, *inputs, training=True, rng=key)

    if case.trains and not isinstance(layer, ImageLayer):  # those are one image's, mapped over all
        many, one = jax.jit(lambda keys: (jax.vmap(run)(keys), run(keys[1])))(keys)
        close(jax.tree.map(lambda x: x[1], many), one)
    else:
        many, one = jax.eval_shape(lambda keys: (jax.vmap(run)(keys), run(keys[1])), keys)
        for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True):
            assert a.shape == (2, *b.shape)
