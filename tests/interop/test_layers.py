"""Layers against Keras's: same weights in; outputs, gradients, state, shapes and configs out."""

import inspect
import json
import warnings

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from jkeras import layers
from jkeras.core import graph, pure

FLOATS = np.random.default_rng(0)


def floats(*shape, scale=1.0):
    return FLOATS.normal(0.0, scale, shape).astype("float32")


def integers(limit, *shape):
    return FLOATS.integers(0, limit, shape).astype("int32")


def pair(name, args=(), kwargs=None):
    """Returns our layer and Keras's, made with the same arguments."""
    made = []
    for module in (layers, keras.layers):
        given = (args, kwargs or {})
        made.append(getattr(module, name)(*_own(given[0], module), **_own(given[1], module)))
    return made


class Nested:
    """A layer as an argument: made anew in each library."""

    def __init__(self, layer, *args, **kwargs):
        self.layer, self.args, self.kwargs = layer, args, kwargs

    def make(self, module):
        return getattr(module, self.layer)(*_own(self.args, module), **_own(self.kwargs, module))


def _own(tree, module):
    is_nested = lambda x: isinstance(x, Nested)
    make = lambda x: x.make(module) if is_nested(x) else x
    return jax.tree.map(make, tree, is_leaf=lambda x: is_nested(x) or x is None)


def same_weights(ours, theirs):
    """Gives both layers the same random weights; checks names, shapes and order."""
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.trainable for w in ours.weights] == [w.trainable for w in theirs.weights]
    values = [
        np.abs(floats(*w.shape)) + 0.5 if "variance" in w.name or "stddev" in w.name
        # Integer weights are counts.
        else np.zeros(w.shape, "int32") if "int" in str(w.dtype)
        else floats(*w.shape, scale=0.5)
        for w in theirs.weights
    ]  # fmt: skip
    ours.set_weights(values)
    theirs.set_weights(values)


def outputs_and_gradients(run, params, inputs):
    """Returns outputs and state, and gradients of a scalar of the outputs."""
    leaves, structure = jax.tree.flatten(inputs)
    is_float = [jnp.issubdtype(x.dtype, np.floating) for x in leaves]

    def loss(params, arrays):
        given = iter(arrays)
        used = [next(given) if f else x for x, f in zip(leaves, is_float, strict=True)]
        outputs, state = run(params, structure.unflatten(used))
        wide = [x.astype("float32") for x in jax.tree.leaves(outputs)]
        return sum(jnp.sum(jnp.sin(x + i)) for i, x in enumerate(wide)), (outputs, state)

    arrays = [x for x, f in zip(leaves, is_float, strict=True) if f]
    gradients, found = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, arrays)
    return *found, *gradients


def check(
    compare,
    name,
    args=(),
    kwargs=None,
    inputs=None,
    call=None,
    training=(False, True),
    symbolic=True,
):
    """Compares one configuration of a layer on the given inputs (a tuple of arguments)."""
    ours, theirs = pair(name, args, kwargs)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    call = call or {}
    if symbolic:
        same_symbols(ours, theirs, inputs, call)
    else:
        pure.ensure_built(ours, *inputs, **call)
        theirs(*inputs, **call)
    same_weights(ours, theirs)
    names = list(pure.named_variables(ours))
    takes_training = "training" in inspect.signature(theirs.call).parameters
    flags = training if takes_training else (False,)

    def run_ours(params, state, inputs, flag):
        def run(params, arrays):
            outputs, effects = pure.apply(ours, (params, state), *arrays, training=flag, **call)
            return outputs, [effects.state[n] for n in names if n in state]

        outputs, state, gradients, more = outputs_and_gradients(run, params, inputs)
        return outputs, state, [gradients[n] for n in names if n in params], more

    def run_theirs(params, state, inputs, flag):
        def run(params, arrays):
            extra = {"training": flag} if takes_training else {}
            return theirs.stateless_call(params, state, *arrays, **call, **extra)

        return outputs_and_gradients(run, params, inputs)

    @jax.jit
    def both(our_variables, their_variables, inputs):
        return [
            (run_ours(*our_variables, inputs, flag), run_theirs(*their_variables, inputs, flag))
            for flag in flags
        ]

    their_variables = [
        [v.value for v in variables]
        for variables in (theirs.trainable_variables, theirs.non_trainable_variables)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = both(pure.read(ours), their_variables, inputs)
    for found, expected in results:
        found, expected = _without_seeds(found), _without_seeds(expected)
        parts = ("outputs", "state", "gradients", "input gradients")
        for part, a, b in zip(parts, found, expected, strict=True):
            compare(f"{name}: {part}", a, b)
    if ours.activity_regularizer is not None or name == "ActivityRegularization":
        ours(*inputs), theirs(*inputs)
        compare(f"{name}: losses", ours.losses, theirs.losses)
    same_config(*pair(name, args, kwargs))


def _without_seeds(results):
    """Leaves out the states of random generators, which Keras's layers have more of."""
    outputs, state, *gradients = results
    return outputs, [x for x in state if x.dtype != np.uint32], *gradients


def same_symbols(ours, theirs, inputs, call):
    """Builds both layers by symbolic calls, which give the same shapes."""
    ours_in, theirs_in = (
        jax.tree.map(lambda x, make=make: make((None, *x.shape[1:]), x.dtype.name), inputs)
        for make in (graph.SymbolicTensor, keras.KerasTensor)
    )
    call = {k: v for k, v in call.items() if k != "mask"}
    found = jax.tree.leaves(ours.compute_output_spec(*ours_in, **call))
    expected = jax.tree.leaves(theirs(*theirs_in, **call))
    for x, y in zip(found, expected, strict=True):
        assert len(x.shape) == len(y.shape)
        # EinsumDense knows less of its outputs' shape in Keras.
        assert all(n == m or m is None for n, m in zip(x.shape, y.shape, strict=True))


# Arguments of ours that Keras takes, but leaves out of its configs; or that mean nothing here.
NOT_IN_CONFIG = {
    "unroll",
    "seed",
    "use_cudnn",
    "flash_attention",
    "activity_regularizer",
    "zero_output_for_mask",
}
NOT_OURS = {"quantization_config"}  # theirs, always at their defaults


def same_config(ours, theirs):
    """Each library's config makes the other's layer, and the values are the same."""
    ours_config, theirs_config = ours.get_config(), theirs.get_config()
    for config in (ours_config, theirs_config):
        config.pop("name"), config.pop("batch_shape", None)
    common = ours_config.keys() & theirs_config.keys()
    missing = theirs_config.keys() - common - NOT_OURS - NOT_IN_CONFIG
    extra = ours_config.keys() - common - NOT_IN_CONFIG
    assert not missing
    assert all(ours_config[k] is None for k in extra), extra
    _same_values(ours_config, theirs_config)
    type(ours).from_config(json.loads(json.dumps(theirs_config)))
    ours_config = {k: v for k, v in ours_config.items() if k not in extra}
    type(theirs).from_config(json.loads(json.dumps(ours_config)))


def _same_values(a, b):
    """Compares what both configs say, but for names and builds."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() & b.keys() - {"name", "build_config", "shared_object_id"}:
            _same_values(a[key], b[key])
    elif isinstance(a, (list, tuple)) and type(a) is type(b):
        for x, y in zip(a, b, strict=True):
            _same_values(x, y)
    else:  # regularizers round to float32
        assert a == (pytest.approx(b, rel=1e-5) if isinstance(b, float) else b)


X2, X3, X4 = (6, 4), (3, 5, 4), (2, 8, 7, 3)

SIMPLE = [
    ("Dense", (3,), {"activation": "tanh"}, X2),
    ("Dense", (3,), {"use_bias": False, "kernel_regularizer": "l2"}, X3),
    ("Dense", (3,), {"activity_regularizer": "l1", "bias_initializer": "ones"}, X4),
    ("Flatten", (), {}, X3),
    ("Flatten", (), {"data_format": "channels_first"}, X4),
    ("Reshape", ((2, 10),), {}, X3),
    ("Reshape", ((-1, 2),), {}, X3),
    ("Permute", ((2, 1),), {}, X3),
    ("Permute", ((2, 3, 1),), {}, X4),
    ("RepeatVector", (3,), {}, X2),
    ("Activation", ("gelu",), {}, X3),
    ("Activation", (None,), {}, X3),
    ("ReLU", (), {}, X3),
    ("ReLU", (), {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}, X3),
    ("LeakyReLU", (0.1,), {}, X3),
    ("PReLU", (), {}, X3),
    ("PReLU", (), {"shared_axes": [1, 2]}, X4),
    ("ELU", (0.5,), {}, X3),
    ("Softmax", (), {}, X3),
    ("Softmax", ((1, 2),), {}, X3),
    ("Identity", (), {}, X3),
    ("ActivityRegularization", (0.1, 0.2), {}, X3),
    ("Masking", (), {}, X3),
    ("Rescaling", (0.1,), {"offset": 2.0}, X3),
    ("Rescaling", ([1.0, 2.0, 3.0, 4.0],), {}, X3),
    ("Normalization", (), {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 2.0, 3.0, 4.0]}, X3),
    ("Normalization", (), {"mean": 1.0, "variance": 2.0, "invert": True, "axis": None}, X3),
    ("BatchNormalization", (), {}, X2),
    ("BatchNormalization", (), {"axis": 1, "momentum": 0.5}, X4),
    ("BatchNormalization", (), {"center": False, "epsilon": 0.1}, X3),
    ("BatchNormalization", (), {"scale": False, "gamma_initializer": "ones"}, X4),
    ("BatchNormalization", (), {"renorm": True}, X4),
    (
        "BatchNormalization",
        (),
        {
            "renorm": True,
            "renorm_clipping": {"rmax": 1.2, "rmin": 0.8, "dmax": 0.1},
            "renorm_momentum": 0.7,
            "momentum": 0.6,
        },
        X3,
    ),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape"), SIMPLE, ids=[f"{c[0]}-{i}" for i, c in enumerate(SIMPLE)]
)
def test_layer_of_one_input(compare, name, args, kwargs, shape):
    check(compare, name, args, kwargs, floats(*shape))


X5 = (2, 5, 6, 4, 2)
FIRST = {"data_format": "channels_first"}
CONVOLUTIONS = [
    ("Conv1D", (5, 3), {"activation": "relu"}, X3),
    ("Conv1D", (5, 3), {"padding": "causal", "dilation_rate": 2}, (2, 9, 4)),
    ("Conv1D", (6, 2), {"padding": "same", "strides": 2, "groups": 2}, (2, 9, 4)),
    ("Conv1D", (6, 2), {"padding": "causal", **FIRST}, (2, 4, 9)),
    ("Conv2D", (5, 3), {}, X4),
    ("Conv2D", (5, (2, 3)), {"strides": (2, 1), "padding": "same"}, X4),
    ("Conv2D", (5, 3), {"dilation_rate": (1, 2), "use_bias": False}, X4),
    ("Conv2D", (6, 3), {"groups": 3, "kernel_regularizer": "l2"}, X4),
    ("Conv2D", (5, 3), {"padding": "same", **FIRST}, X4),
    ("Conv3D", (3, 2), {}, X5),
    ("Conv3D", (3, 3), {"padding": "same", "strides": 2}, X5),
    ("Conv1DTranspose", (5, 3), {"strides": 2, "padding": "same"}, X3),
    ("Conv1DTranspose", (5, 3), {"strides": 2, "output_padding": 1}, X3),
    ("Conv1DTranspose", (5, 4), {"strides": 3, "padding": "same", "output_padding": 2}, X3),
    ("Conv1DTranspose", (5, 2), {"dilation_rate": 2, "padding": "same"}, X3),
    ("Conv2DTranspose", (5, 3), {}, X4),
    ("Conv2DTranspose", (5, 2), {"strides": 3}, X4),
    ("Conv2DTranspose", (5, (4, 3)), {"strides": (3, 2), "padding": "same"}, X4),
    ("Conv2DTranspose", (5, 3), {"strides": 2, **FIRST}, X4),
    ("Conv3DTranspose", (2, 2), {"strides": 2, "padding": "same"}, X5),
    ("DepthwiseConv1D", (3,), {"depth_multiplier": 2}, X3),
    ("DepthwiseConv2D", (3,), {"padding": "same", "strides": 2, "activation": "tanh"}, X4),
    ("DepthwiseConv2D", (2,), {"depth_multiplier": 2, **FIRST}, X4),
    ("SeparableConv1D", (5, 3), {"depth_multiplier": 2}, X3),
    ("SeparableConv2D", (5, 3), {"padding": "same", "strides": 2, "use_bias": False}, X4),
    ("SeparableConv2D", (5, 3), {"dilation_rate": 2}, X4),
]
POOLINGS = [
    ("MaxPooling1D", (), {}, X3),
    ("MaxPooling1D", (3, 2, "same"), {}, X3),
    ("MaxPooling2D", (), {}, X4),
    ("MaxPooling2D", ((3, 2), 1), {"padding": "same"}, X4),
    ("MaxPooling2D", (2,), FIRST, X4),
    ("MaxPooling3D", (), {}, X5),
    ("AveragePooling1D", (2,), {"padding": "same"}, X3),
    ("AveragePooling2D", (3, 2), {"padding": "same"}, X4),
    ("AveragePooling2D", (2,), FIRST, X4),
    ("AveragePooling3D", (2,), {}, X5),
    ("GlobalMaxPooling1D", (), {}, X3),
    ("GlobalMaxPooling2D", (), {"keepdims": True}, X4),
    ("GlobalMaxPooling3D", (), FIRST, X5),
    ("GlobalAveragePooling1D", (), {"keepdims": True}, X3),
    ("GlobalAveragePooling2D", (), FIRST, X4),
    ("GlobalAveragePooling3D", (), {}, X5),
    ("AdaptiveAveragePooling1D", (3,), {}, X3),
    ("AdaptiveAveragePooling2D", ((3, 5),), {}, X4),
    ("AdaptiveAveragePooling3D", (2,), {}, X5),
    ("AdaptiveMaxPooling1D", (3,), {}, X3),
    ("AdaptiveMaxPooling2D", ((3, 5),), FIRST, (2, 3, 8, 7)),
    ("AdaptiveMaxPooling3D", (2,), {}, X5),
]
RESHAPING = [
    ("Cropping1D", ((1, 2),), {}, X3),
    ("Cropping2D", (((1, 2), (0, 3)),), {}, X4),
    ("Cropping2D", ((1, 2),), {}, X4),
    ("Cropping3D", (1,), FIRST, (2, 3, 4, 5, 4)),
    ("ZeroPadding1D", (2,), {}, X3),
    ("ZeroPadding1D", ((1, 2),), FIRST, X3),
    ("ZeroPadding2D", ((1, 2),), {}, X4),
    ("ZeroPadding2D", (((1, 0), (2, 3)),), FIRST, X4),
    ("ZeroPadding3D", (), {}, X5),
    ("UpSampling1D", (3,), {}, X3),
    ("UpSampling2D", ((2, 3),), {}, X4),
    ("UpSampling2D", (2,), {"interpolation": "bilinear"}, X4),
    ("UpSampling2D", (2,), {"interpolation": "bicubic", **FIRST}, X4),
    ("UpSampling3D", (2,), {}, X5),
]
NORMALIZATIONS = [
    ("LayerNormalization", (), {}, X3),
    ("LayerNormalization", (), {"axis": [1, 2], "center": False}, X4),
    ("LayerNormalization", (1,), {"scale": False, "epsilon": 0.1}, X3),
    ("GroupNormalization", (2,), {}, X3),
    ("GroupNormalization", (3,), {"axis": 1, "epsilon": 0.1}, (2, 6, 5, 4)),
    ("GroupNormalization", (-1,), {"center": False}, X4),
    ("GroupNormalization", (2,), {}, X2),
    ("RMSNormalization", (), {}, X3),
    ("RMSNormalization", (), {"axis": 2, "epsilon": 0.1}, X3),
    ("UnitNormalization", (), {}, X3),
    ("UnitNormalization", (), {"axis": [1, 2]}, X4),
]
EINSUMS = [
    ("EinsumDense", ("abc,cd->abd", (None, 6)), {"bias_axes": "d"}, X3),
    ("EinsumDense", ("abc,cde->abde", (None, 6, 2)), {"bias_axes": "de"}, X3),
    ("EinsumDense", ("...x,xy->...y", 6), {"bias_axes": "y", "activation": "relu"}, (2, 4, 4, 3)),
    ("EinsumDense", ("ab...,bc->ac...", 6), {"bias_axes": "c"}, X3),
    ("EinsumDense", ("abc,cbd->ad", 6), {"kernel_regularizer": "l1"}, X3),
]
SPATIAL = [*CONVOLUTIONS, *POOLINGS, *RESHAPING, *NORMALIZATIONS, *EINSUMS]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shape"), SPATIAL, ids=[f"{c[0]}-{i}" for i, c in enumerate(SPATIAL)]
)
def test_spatial_layer(compare, name, args, kwargs, shape):
    check(compare, name, args, kwargs, floats(*shape))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_average_over_a_mask(compare, data_format):
    mask = np.arange(5) < np.array([[5], [3], [1]])
    x = floats(3, 5, 4) if data_format == "channels_last" else floats(3, 4, 5)
    check(compare, "GlobalAveragePooling1D", (data_format,), {}, x, {"mask": mask})


RECURRENT = [
    ("SimpleRNN", (3,), {}),
    ("SimpleRNN", (3,), {"return_sequences": True, "go_backwards": True, "activation": "relu"}),
    ("LSTM", (3,), {}),
    ("LSTM", (3,), {"return_sequences": True, "return_state": True, "use_bias": False}),
    ("LSTM", (3,), {"go_backwards": True, "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", (3,), {"unroll": True, "return_sequences": True}),
    ("GRU", (3,), {"return_sequences": True, "zero_output_for_mask": True}),
    ("LSTM", (3,), {"unit_forget_bias": False, "kernel_regularizer": "l2"}),
    ("GRU", (3,), {"return_sequences": True}),
    ("GRU", (3,), {"reset_after": False, "return_state": True}),
    ("GRU", (3,), {"go_backwards": True, "return_sequences": True, "use_bias": False}),
    ("GRU", (3,), {"reset_after": False, "use_bias": False, "unroll": True}),
    ("RNN", (Nested("LSTMCell", 3),), {"return_sequences": True}),
    ("RNN", (Nested("GRUCell", 3, reset_after=False),), {}),
    ("RNN", ([Nested("LSTMCell", 3), Nested("GRUCell", 2)],), {"return_state": True}),
    ("RNN", ([Nested("SimpleRNNCell", 3), Nested("LSTMCell", 2)],), {"return_sequences": True}),
    ("Bidirectional", (Nested("LSTM", 3, return_sequences=True),), {}),
    ("Bidirectional", (Nested("GRU", 3, return_state=True),), {"merge_mode": "sum"}),
    ("Bidirectional", (Nested("SimpleRNN", 3),), {"merge_mode": "mul"}),
    ("Bidirectional", (Nested("LSTM", 3, return_sequences=True),), {"merge_mode": None}),
    (
        "Bidirectional",
        (Nested("LSTM", 3),),
        {"merge_mode": "ave", "backward_layer": Nested("GRU", 3, go_backwards=True, name="b")},
    ),
]


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("name", "args", "kwargs"), RECURRENT, ids=[f"{c[0]}-{i}" for i, c in enumerate(RECURRENT)]
)
def test_recurrent_layer(compare, name, args, kwargs, masked):
    mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
    call = {"mask": mask} if masked else {}
    check(compare, name, args, kwargs, floats(*X3), call, training=(True,))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("name", "number"), [("SimpleRNN", 1), ("LSTM", 2), ("GRU", 1), ("Bidirectional", 4)]
)
def test_initial_state(compare, name, number, masked):
    args = (Nested("LSTM", 3, return_sequences=True),) if name == "Bidirectional" else (3,)
    kwargs = {} if name == "Bidirectional" else {"return_sequences": True}
    states = [jnp.asarray(floats(3, 3)) for _ in range(number)]
    ours, theirs = pair(name, args, kwargs)
    x = floats(*X3)
    mask = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]], bool) if masked else None
    ours(x), theirs(x)
    same_weights(ours, theirs)
    found = [layer(x, initial_state=states, mask=mask) for layer in (ours, theirs)]
    compare(f"{name}: initial state", *found)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_stateful(compare, name):
    ours, theirs = pair(name, (3,), {"stateful": True})
    batches = [floats(2, 4, 3) for _ in range(3)]
    ours.build((2, 4, 3)), theirs.build((2, 4, 3))
    same_weights(ours, theirs)
    for x in batches:
        compare(f"{name}: stateful", ours(x), theirs(x))
    ours.reset_state(), theirs.reset_state()
    compare(f"{name}: stateful", ours(batches[0]), theirs(batches[0]))


@pytest.mark.parametrize(
    ("name", "args"), [("LSTMCell", (3,)), ("GRUCell", (3,)), ("SimpleRNNCell", (3,))]
)
def test_cell(compare, name, args):
    states = [floats(4, 3)] * (2 if name == "LSTMCell" else 1)
    check(compare, name, args, {}, (floats(4, 5), states))


def test_stacked_cells(compare):
    cells = [Nested("LSTMCell", 3), Nested("GRUCell", 2)]
    states = [[floats(4, 3), floats(4, 3)], [floats(4, 2)]]
    check(compare, "StackedRNNCells", (cells,), {}, (floats(4, 5), states))


WRAPPERS = [
    ("TimeDistributed", (Nested("Dense", 3, activation="tanh"),), X3),
    ("TimeDistributed", (Nested("Conv2D", 2, 3),), (2, 3, 5, 6, 2)),
    ("TimeDistributed", (Nested("LSTM", 2),), (2, 3, 4, 2)),
    ("SpectralNormalization", (Nested("Dense", 3),), X2),
    ("SpectralNormalization", (Nested("Conv2D", 2, 2), 3), X4),
    ("ConvLSTM1D", (2, 2), (2, 3, 6, 3)),
    ("ConvLSTM2D", (2, 3, 2, "same"), (2, 3, 6, 5, 2)),
    ("ConvLSTM3D", (2, 2), (1, 3, 3, 4, 3, 2)),
]


@pytest.mark.parametrize(
    ("name", "args", "shape"), WRAPPERS, ids=[f"{c[0]}-{i}" for i, c in enumerate(WRAPPERS)]
)
def test_wrapper(compare, name, args, shape):
    check(compare, name, args, {}, floats(*shape), training=(False, True))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_convolutional_lstm(compare, data_format):
    shape = (2, 4, 5, 6, 3) if data_format == "channels_last" else (2, 4, 3, 5, 6)
    kwargs = {"data_format": data_format, "return_sequences": True, "return_state": True}
    check(compare, "ConvLSTM2D", (2, 3), kwargs, floats(*shape), training=(True,))


SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}
Q, V = (2, 5, 4), (2, 6, 3)
MASK = {"attention_mask": np.tri(5, 6, 2, bool)[None].repeat(2, 0)}
# Keras drops a query mask that is given by hand; ones that inputs carry count (see below).
QUERY_MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
VALUE_MASK = {"value_mask": np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]], bool)}
HEADS = [
    ("MultiHeadAttention", (2, 3), {}, [Q, V], {}),
    ("MultiHeadAttention", (2, 3), {"use_gate": True}, [Q, V], VALUE_MASK),
    ("MultiHeadAttention", (2, 3, 5), {"output_shape": 7}, [Q, V], SCORES),
    ("MultiHeadAttention", (2, 3), {"use_bias": False}, [Q, V, V], {**MASK, **SCORES}),
    ("MultiHeadAttention", (2, 3), {"sliding_window": 2}, [Q, Q], CAUSAL),
    ("MultiHeadAttention", (2, 3), {"output_shape": (3, 2)}, [Q, V], {**MASK, **VALUE_MASK}),
    ("MultiHeadAttention", (2, 3), {"attention_axes": 2}, [(2, 3, 4, 5), (2, 3, 6, 5)], SCORES),
    ("MultiHeadAttention", (2, 3), {}, [(2, 3, 4, 5), (2, 2, 3, 5)], {}),
    ("GroupQueryAttention", (3, 4, 2), {}, [Q, V], {}),
    ("GroupQueryAttention", (3, 4, 1), {"use_gate": True}, [Q, V], {**MASK, **SCORES}),
    ("GroupQueryAttention", (3, 2, 2), {"use_bias": False}, [Q, Q], {**CAUSAL, **SCORES}),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shapes", "call"),
    HEADS,
    ids=[f"{c[0]}-{i}" for i, c in enumerate(HEADS)],
)
def test_attention_of_heads(compare, name, args, kwargs, shapes, call):
    inputs = tuple(floats(*s) for s in shapes)
    # Keras's symbolic calls refuse masks of a known batch size, and some give wrong shapes.
    check(compare, name, args, kwargs, inputs, call, training=(True,), symbolic=False)


@pytest.mark.parametrize("use_causal_mask", [False, True])
def test_attention_of_inputs_that_carry_masks(compare, use_causal_mask):
    indices = np.array([[1, 2, 3, 0, 0], [3, 3, 1, 1, 2]]), np.array([[3, 2, 0], [1, 0, 0]])
    table, outputs, weights = floats(4, 8), [], None
    for library in (layers, keras.layers):
        embed = library.Embedding(4, 8, mask_zero=True, weights=[table])
        attend = library.MultiHeadAttention(2, 3)
        query, value = (embed(x) for x in indices)
        attend(query, value)
        weights = weights or [floats(*w.shape) for w in attend.get_weights()]
        attend.set_weights(weights)
        query, value = (embed(x) for x in indices)  # Keras takes masks off when they were used
        outputs.append(attend(query, value, use_causal_mask=use_causal_mask))
    compare("MultiHeadAttention: masks of inputs", *outputs)


LIST_MASK = {"mask": [QUERY_MASK, VALUE_MASK["value_mask"]]}
LISTS = [
    ("Attention", {}, {}),
    ("Attention", {"use_scale": True}, {**SCORES, **LIST_MASK}),
    ("Attention", {"score_mode": "concat", "use_scale": True}, {**SCORES, **CAUSAL}),
    ("AdditiveAttention", {}, {**SCORES, **LIST_MASK}),
    ("AdditiveAttention", {"use_scale": False}, CAUSAL),
]


@pytest.mark.parametrize(
    ("name", "kwargs", "call"), LISTS, ids=[f"{c[0]}-{i}" for i, c in enumerate(LISTS)]
)
@pytest.mark.parametrize("with_key", [False, True])
def test_attention(compare, name, kwargs, call, with_key):
    inputs = [floats(*Q), floats(2, 6, 4)] + [floats(2, 6, 4)] * with_key
    check(compare, name, (), kwargs, (inputs,), call, training=(False,))


MERGES = [
    ("Add", {}, [X3, X3, X3]),
    ("Add", {}, [(3, 4), X3]),
    ("Subtract", {}, [X3, (3, 1, 4)]),
    ("Multiply", {}, [X3, X3]),
    ("Average", {}, [X3, X3, X3]),
    ("Maximum", {}, [X3, X3]),
    ("Minimum", {}, [X3, X3]),
    ("Concatenate", {}, [X3, (3, 5, 2)]),
    ("Concatenate", {"axis": 1}, [X3, (3, 2, 4)]),
    ("Dot", {"axes": 2}, [X3, X3]),
    ("Dot", {"axes": (1, 2)}, [X3, (3, 2, 5)]),
    ("Dot", {"axes": 1, "normalize": True}, [X2, X2]),
    ("Dot", {"axes": (1, 2)}, [(3, 4), X3]),
]


@pytest.mark.parametrize(
    ("name", "kwargs", "shapes"), MERGES, ids=[f"{c[0]}-{i}" for i, c in enumerate(MERGES)]
)
def test_merge(compare, name, kwargs, shapes):
    check(compare, name, (), kwargs, ([floats(*shape) for shape in shapes],))


@pytest.mark.parametrize("mask_zero", [True, False])
def test_embedding(compare, mask_zero):
    check(compare, "Embedding", (9, 3), {"mask_zero": mask_zero}, integers(9, 4, 5))


@pytest.mark.parametrize("kwargs", [{}, {"tie_weights": False, "logit_soft_cap": 2.0}])
def test_reversible_embedding(compare, kwargs):
    ours, theirs = pair("ReversibleEmbedding", (9, 3), kwargs)
    numbers = integers(9, 4, 5)
    for layer in (ours, theirs):
        layer.build((4, 5))
    same_weights(ours, theirs)
    vectors = ours(numbers)
    compare("ReversibleEmbedding: outputs", vectors, theirs(numbers))
    compare(
        "ReversibleEmbedding: reversed",
        ours(vectors, reverse=True),
        theirs(np.asarray(vectors), reverse=True),
    )


@pytest.mark.parametrize("renorm", [True, False])
def test_batch_normalization_with_a_mask(compare, renorm):
    mask = np.arange(5) < np.array([[5], [3], [0]])
    check(compare, "BatchNormalization", (), {"renorm": renorm}, floats(*X3), {"mask": mask})


def test_softmax_with_a_mask(compare):
    mask = np.array([[True, False, True, True], [False, False, False, False]])
    check(compare, "Softmax", (), {}, floats(2, 4), {"mask": mask})


@pytest.mark.parametrize("axis", [-1, None, 1, (1, 2)])
@pytest.mark.parametrize("batches", [True, False])
def test_normalization_adapts(compare, axis, batches):
    data, x = floats(12, 5, 4) * 3 + 2, floats(*X3)
    found = []
    for module in (layers, keras.layers):
        layer = module.Normalization(axis=axis)
        layer.adapt(data)
        found.append(
            (layer(x), layer.mean, layer.variance, [np.asarray(w.value) for w in layer.weights[:2]])
        )
    if batches:
        layer = layers.Normalization(axis=axis)
        layer.adapt(iter([data[:5], data[5:]]))
        found[0] = (layer(x), layer.mean, layer.variance, [w.value for w in layer.weights[:2]])
    compare("Normalization.adapt", *found)


@pytest.mark.parametrize("name", ["Add", "Multiply", "Average", "Concatenate"])
def test_masks_of_merges(compare, name):
    x, masks = floats(2, 3, 4), [np.array([[1, 0, 1], [1, 1, 0]], bool)] * 2
    masks[1] = np.array([[1, 1, 0], [1, 1, 0]], bool)
    for axis in (-1, 1) if name == "Concatenate" else (None,):
        ours, theirs = pair(name, () if axis is None else (axis,))
        for given in (masks, [masks[0], None], [None, None]):
            given = [None if m is None else jnp.asarray(m) for m in given]
            found = [layer.compute_mask([jnp.asarray(x)] * 2, given) for layer in (ours, theirs)]
            assert (found[0] is None) == (found[1] is None)
            compare(f"{name}: masks", *found)


PIXELS = FLOATS.uniform(0, 255, (1, 8, 11, 3)).astype("float32")
THIRD, SAME = (0.3, 0.3), (1.0, 1.0)
# Without RandomCrop: with training=False, Keras's does nothing, other than its documentation says.
IMAGES = [
    ("Resizing", (4, 5), {}),
    ("Resizing", (12, 20), {"interpolation": "bicubic", **FIRST}),
    ("Resizing", (4, 5), {"crop_to_aspect_ratio": True}),
    ("Resizing", (4, 5), {"pad_to_aspect_ratio": True, "fill_value": 3.0}),
    ("CenterCrop", (5, 4), {}),
    ("CenterCrop", (3, 20), {}),
    ("RandomRotation", (THIRD,), {}),
    ("RandomRotation", (THIRD,), {"fill_mode": "constant", "interpolation": "nearest"}),
    ("RandomRotation", (THIRD,), {"fill_mode": "wrap", **FIRST}),
    ("RandomZoom", (THIRD,), {}),
    ("RandomZoom", ((-0.3, -0.3), (0.2, 0.2)), {"fill_mode": "nearest"}),
    ("RandomTranslation", (THIRD, (-0.2, -0.2)), {"fill_mode": "constant", "fill_value": 9.0}),
    ("RandomShear", (), {"x_factor": (0.0, 0.0)}),
    ("RandomPerspective", (SAME, 0.0), {}),
    ("RandomErasing", (SAME, SAME, 3.0), {}),
    ("RandomErasing", ((0.0, 0.0),), {}),
    ("RandomBrightness", (THIRD,), {}),
    ("RandomContrast", ((-0.3, 0.3),), {}),
    ("RandomHue", (SAME,), {}),
    ("RandomSaturation", (THIRD,), FIRST),
    ("RandomGrayscale", (1.0,), {}),
    ("RandomSharpness", (THIRD,), {}),
    ("RandomSharpness", ((0.9, 0.9),), {}),
    ("RandomColorDegeneration", (THIRD,), {}),
    ("RandomPosterization", ((3, 3),), {}),
    ("RandomInvert", (SAME,), {}),
    ("RandomGaussianBlur", (SAME, (3, 5), (0.7, 0.7)), {}),
    ("Solarization", (), {}),
    ("AutoContrast", (), {}),
    ("Equalization", (), {}),
    ("Equalization", (), {"bins": 16}),
    (
        "RandomColorJitter",
        (),
        {
            "brightness_factor": THIRD,
            "contrast_factor": (-0.2, 0.2),
            "saturation_factor": THIRD,
            "hue_factor": SAME,
        },
    ),
]


@pytest.mark.parametrize(
    ("name", "args", "kwargs"), IMAGES, ids=[f"{c[0]}-{i}" for i, c in enumerate(IMAGES)]
)
def test_layer_of_images(compare, name, args, kwargs):
    """Where nothing is left to chance: a single image, and a factor from a range of one number."""
    x = np.moveaxis(PIXELS, 3, 1) if "data_format" in kwargs else PIXELS
    ours, theirs = pair(name, args, kwargs)
    for training in (True, False):
        found, expected = (layer(x, training=training) / 255 for layer in (ours, theirs))
        compare(name, found, expected)
    ours_config, theirs_config = ours.get_config(), theirs.get_config()
    _same_values(json.loads(json.dumps(ours_config)), json.loads(json.dumps(theirs_config)))
    type(ours).from_config(theirs_config)
    ours.compute_output_spec(graph.SymbolicTensor((None, *x.shape[1:]), "float32"))


# What is drawn for each image: a number of each output, whose distributions are compared.
DRAWS = [
    ("RandomBrightness", (0.3,), lambda x, y: (y - x)[:, 0, 0, 0]),
    ("RandomContrast", ((0.2, 0.6),), lambda x, y: np.std(y, (1, 2, 3)) / np.std(x, (1, 2, 3))),
    ("RandomInvert", ((0.2, 0.8),), lambda x, y: (y != x).any((1, 2, 3))),
    ("RandomTranslation", (0.3, 0.0, "constant"), lambda x, y: (y == 0).mean((1, 2, 3))),
    ("RandomErasing", (SAME, (0.1, 0.5), 0.0), lambda x, y: (y == 0).mean((1, 2, 3))),
    ("RandomPosterization", (5,), lambda x, y: y.mean((1, 2, 3))),
    ("Solarization", ((0.5, 1.0),), lambda x, y: y[:, 0, 0, 0]),
    ("RandomFlip", (), lambda x, y: y[:, 0, 0, 0]),
    ("CutMix", (SAME,), lambda x, y: (y != x).any(3).mean((1, 2))),
]


@pytest.mark.parametrize(("name", "args", "feature"), DRAWS, ids=[d[0] for d in DRAWS])
def test_draws_of_images(name, args, feature, compare):
    x = np.repeat(90 + 0.3 * PIXELS, 1000, axis=0)
    if name == "CutMix":
        x = np.arange(1000.0, dtype="float32")[:, None, None, None] + np.zeros((1, 9, 8, 1))
    ours, theirs = (
        np.sort(feature(x, np.asarray(layer(x, training=True))).astype("float64").round(3))
        for layer in pair(name, args, {"seed": 3})
    )
    places = np.union1d(ours, theirs)
    below = [np.searchsorted(values, places, "right") / 1000 for values in (ours, theirs)]
    assert len(places) > 1
    # Kolmogorov and Smirnov, at the level 0.001.
    compare(f"{name}: distribution", below[0], below[1], 0.087)


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")  # by Keras
def test_draws_of_mix_up(compare):
    labels = np.eye(600, dtype="float32")
    images = labels[:, :, None, None] + np.zeros((1, 1, 2, 1), "float32")
    own = []
    for layer in pair("MixUp", (0.4,), {"seed": 3}):
        mixed = layer({"images": images, "labels": labels}, training=True)
        mixed = {k: np.asarray(v) for k, v in mixed.items()}
        np.testing.assert_allclose(mixed["images"][:, :, 1, 0], mixed["labels"], atol=1e-6)
        own.append(np.sort(np.diagonal(mixed["labels"])))
    places = np.union1d(*own)
    below = [np.searchsorted(values, places, "right") / 600 for values in own]
    compare("MixUp: distribution", below[0], below[1], 0.113)


# Quantisation and LoRA may wait; FlaxLayer has a seed here.
ONLY_KERAS = {"lora_rank", "lora_alpha", "quantization_config", "gptq_unpacked_column_size"}
ONLY_OURS = {"FlaxLayer": {"seed"}}


def test_signatures():
    def arguments(cls, without):
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        return {p.name: p.default for p in named if p.name not in without}

    def same(ours, theirs):  # 1 stands for (1, 1)
        return ours == theirs or {ours} == set(jax.tree.leaves(theirs))

    for name, cls in vars(layers).items():
        if isinstance(cls, type) and issubclass(cls, layers.Layer):
            ours = arguments(cls, ONLY_OURS.get(name, ()))
            theirs = arguments(getattr(keras.layers, name), ONLY_KERAS)
            assert list(ours) == list(theirs), name
            different = [n for n in ours if not same(ours[n], theirs[n])]
            assert not different, (name, different)
