"""The core beside real Keras's: order of layers and weights, names, paths, operations' configs."""

import inspect
import json

import jax
import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras.src.utils.naming import to_snake_case

import jkeras
from jkeras.base import naming
from tests.tools.keras_names import find

# A failing case is small enough, and shrinking it takes minutes.
generated = settings(deadline=None, derandomize=True, phases=[Phase.generate], max_examples=25)


@pytest.mark.parametrize(
    "module", ["layers", "losses", "metrics", "optimizers", "callbacks", "initializers"]
)
def test_default_names(module):
    classes = [n for n, c in vars(getattr(keras, module)).items() if inspect.isclass(c)]
    assert classes
    assert {n: naming.to_snake_case(n) for n in classes} == {n: to_snake_case(n) for n in classes}


# ------------------------------------------------------------------ graphs
steps = st.lists(
    st.tuples(
        st.sampled_from(["dense", "shared", "add", "sub", "list", "op", "split", "multi"]),
        st.integers(0, 99),
        st.integers(0, 99),
    ),
    min_size=1,
    max_size=14,
)


def build(library, edges, outputs):
    """Returns a functional model of a random graph."""
    library.backend.clear_session()
    layers, ops = library.layers, library.ops
    shared = [layers.Dense(2, name="shared_a"), layers.Dense(2, name="shared_b")]
    inputs = [library.Input((2,), name=n) for n in ("x", "y", "unused")]
    tensors = inputs[:2]
    for kind, i, j in edges:
        a, b = tensors[i % len(tensors)], tensors[j % len(tensors)]
        if kind == "dense":
            made = [layers.Dense(2)(a)]
        elif kind == "shared":
            made = [shared[j % 2](a)]
        elif kind == "add":
            made = [layers.Add()([a, b])]
        elif kind == "sub":
            made = [a - b]
        elif kind == "list":
            made = [layers.Dense(2)(layers.Concatenate()([b, a, b]))]
        elif kind == "op":
            made = [ops.relu(a) * 2.0]
        elif kind == "split":
            made = [layers.Dense(2)(part) for part in ops.split(a, 2, axis=-1)]
        else:
            made = [layers.Multiply()([a, layers.Activation("tanh")(b)])]
        tensors.extend(made)
    chosen = [tensors[-1], *(tensors[n % len(tensors)] for n in outputs)]
    return library.Model(inputs, chosen)


@generated
@given(steps, st.lists(st.integers(0, 99), max_size=2))
def test_layers_and_weights_in_keras_order(edges, outputs):
    theirs, ours = build(keras, edges, outputs), build(jkeras, edges, outputs)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]


@settings(generated, max_examples=4)
@given(steps, st.lists(st.integers(0, 99), max_size=2))
def test_random_graphs_compute_the_same(edges, outputs):
    """To 1e-4, since sums of a dozen layers cancel, and processors order them differently."""
    theirs, ours = build(keras, edges, outputs), build(jkeras, edges, outputs)
    ours.set_weights(theirs.get_weights())
    arrays = [np.random.RandomState(n).randn(3, 2).astype("float32") for n in range(3)]
    mine, expected = jax.tree.leaves(ours(arrays)), jax.tree.leaves(theirs(arrays))
    for a, b in zip(mine, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------ weights of layers in layers
def nest(library):
    layers = library.layers

    class Unit(layers.Layer):
        def build(self, input_shape):
            self.average = self.add_weight(shape=(3,), trainable=False, name="average")
            self.kernel = self.add_weight(shape=(input_shape[-1], 3), name="kernel")
            self.bias = self.add_weight(shape=(3,), initializer="zeros", name="bias")

        def call(self, inputs):
            return inputs @ self.kernel + self.bias

    class Nest(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.blocks = [Unit(), Unit(name="mine")]
            self.named = {"b": Unit(), "a": Unit()}
            self.pair = (Unit(), [Unit()])
            self.single = Unit()
            self.gain = library.Variable([1.0, 2.0, 3.0], name="gain")
            self.others = [library.Variable([0.0]), library.Variable([1.0], trainable=False)]

        def build(self, input_shape):
            self.scale = self.add_weight(shape=(3,), name="scale")
            self.late = Unit()

        def call(self, inputs):
            for unit in (*self.blocks, self.single, self.named["a"], self.named["b"]):
                inputs = unit(inputs)
            for unit in (self.pair[0], self.pair[1][0], self.late):
                inputs = unit(inputs)
            return inputs * self.scale * self.gain

    class Outer(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.inner = Nest()
            self.again = self.inner
            self.last = Unit()

        def call(self, inputs):
            return self.last(self.inner(inputs))

    library.backend.clear_session()
    outer = Outer()
    outer(np.ones((2, 3), "float32"))
    return outer


def described(layer):
    return {
        kind: [(w.path, tuple(w.shape)) for w in getattr(layer, kind)]
        for kind in ("weights", "variables", "trainable_weights", "non_trainable_weights")
    }


@pytest.mark.parametrize("frozen", ["", "inner", "last"])
def test_weights_of_nested_layers(frozen):
    theirs, ours = nest(keras), nest(jkeras)
    for outer in (theirs, ours):
        if frozen:
            getattr(outer, frozen).trainable = False
    assert described(ours) == described(theirs)
    assert ours.count_params() == theirs.count_params()


# ------------------------------------------------------------------ operations in files
def operations(library):
    ops = library.ops
    library.backend.clear_session()
    x, y = library.Input((4, 6), name="x"), library.Input((4, 6), name="y")
    return [
        *(x + y, 1 - x, x @ ops.transpose(y, (0, 2, 1)), x[:, 0], x[:, 1:3, None], -x, abs(x)),
        *(x > y, x**2, 2 / x, x // 2, x % 3, x != y),
        *(ops.mean(x, axis=1), ops.sum(x, -1, keepdims=True), ops.concatenate([x, y], axis=-1)),
        *(ops.reshape(x, (-1, 24)), ops.cast(x, "int32"), ops.clip(x, 0, 1), ops.softmax(x)),
        *(ops.expand_dims(x, 1), ops.squeeze(x[:, :1], 1), ops.stack([x, y]), ops.norm(x, axis=-1)),
        *(ops.split(x, 2, axis=1)[0], ops.where(x > 0, x, y), ops.max(x, axis=1)),
        *(ops.einsum("bij,bkj->bik", x, y), ops.one_hot(ops.cast(x, "int32"), 3)),
        *(ops.argmax(x, axis=1), ops.top_k(x, 2)[0], ops.repeat(x, 2, axis=1), ops.flip(x, 1)),
        *(ops.pad(x, [[0, 0], [1, 1], [0, 0]]), ops.full_like(x, 3), ops.take(x, [0, 1], axis=1)),
        *(ops.average_pool(x, 2, data_format="channels_last"), ops.power(x, 2), ops.relu(x)),
        *(library.activations.relu(x, negative_slope=0.1), library.activations.gelu(x)),
        *(ops.moments(x, [1])[0], ops.slice(x, (0, 0, 0), (1, 2, 2)), ops.cumsum(x, 1)),
        *(ops.rms_normalization(x), ops.layer_normalization(x, epsilon=1e-3)),
        *(ops.image.resize(ops.expand_dims(x, -1), (8, 8)), ops.linspace(0.0, x, 3)),
    ]


def test_configs_of_operations():
    def theirs(tensor):
        operation = tensor._keras_history.operation
        config = operation.get_config()
        return [type(operation).__module__, type(operation).__name__, operation.name, config]

    def ours(tensor):
        described = jkeras.core.operations.describe_call(tensor.source)
        config = described["config"]
        return [described["module"], described["class_name"], config["name"], config]

    def plain(value):
        return json.loads(json.dumps(value))

    for mine, expected in zip(operations(jkeras), operations(keras), strict=True):
        a, b = plain(ours(mine)), plain(theirs(expected))
        for name in ("data_format", "dtype"):  # Keras notes what None stands for
            if name in a[-1] and a[-1][name] is None:
                b[-1][name] = None
        assert a == b


# ------------------------------------------------------------------ functions, scopes, configs
@pytest.mark.parametrize("name", ["Function", "StatelessScope", "device", "remat", "utils.Config"])
def test_signatures(name):
    ours, theirs = (inspect.signature(find(m, name)).parameters for m in (jkeras, keras))
    assert [(p.name, p.kind, p.default) for p in ours.values()] == [
        (p.name, p.kind, p.default) for p in theirs.values()
    ]


def test_functions_of_graphs(compare):
    def outcomes(library):
        x, y = library.Input((3,)), library.Input((3,))
        function = library.Function({"x": x, "y": y}, [library.ops.relu(x - y), x * y])
        arrays = np.random.RandomState(0).randn(2, 4, 3).astype("float32")
        assert function.compute_output_shape({"x": (4, 3), "y": (4, 3)}) == [(4, 3), (4, 3)]
        assert library.utils.get_source_inputs(function.outputs[0]) == [x, y]
        return function(dict(zip("xy", arrays, strict=True)))

    compare("Function", outcomes(jkeras), outcomes(keras))


def test_stateless_scopes(compare):
    def outcomes(library):
        layer = library.layers.BatchNormalization(momentum=0.5)
        layer.build((None, 2))
        pairs = [(layer.gamma, np.float32([2, 3])), (layer.beta, np.float32([1, 0]))]
        with library.StatelessScope(pairs) as scope:
            outputs = layer(np.float32([[1, 2], [3, 5], [4, 4]]), training=True)
        changed = [scope.get_current_value(v) for v in layer.variables]
        return outputs, changed, [v.numpy() for v in layer.variables]

    compare("StatelessScope", outcomes(jkeras), outcomes(keras))


def test_configs_of_names():
    def outcomes(library):
        config = library.utils.Config(a=1, b=[2])
        config.c = "d"
        config.freeze()
        return repr(config), config.to_json(), list(config.items()), config.frozen

    assert outcomes(jkeras) == outcomes(keras)
