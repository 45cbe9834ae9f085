"""Symbolic tensors: shapes, operators, graphs and the order of their layers."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras import Input, KerasTensor, layers, ops
from jkeras.core import graph
from jkeras.core.operations import describe_call, entry, repeat_call

A = np.arange(24, dtype="float32").reshape(2, 3, 4) / 10 - 1


def run(inputs, outputs, *arrays):
    traced = graph.trace(list(inputs), outputs)
    return traced.run([jnp.asarray(a) for a in arrays])


# ------------------------------------------------------------------ operators and methods
EXPRESSIONS = {
    "add": lambda x: x + 1,
    "radd": lambda x: 1 + x,
    "sub": lambda x: x - 0.5,
    "rsub": lambda x: 1 - x,
    "mul": lambda x: x * x,
    "rmul": lambda x: np.float32(2) * x,
    "truediv": lambda x: x / 3,
    "rtruediv": lambda x: 3 / (x + 2),
    "floordiv": lambda x: x // 0.3,
    "mod": lambda x: x % 0.3,
    "pow": lambda x: x**2,
    "rpow": lambda x: 2**x,
    "matmul": lambda x: x @ np.ones((4, 2), "float32"),
    "rmatmul": lambda x: np.ones((5, 3), "float32") @ x,
    "neg": lambda x: -x,
    "pos": lambda x: +x,
    "abs": lambda x: abs(x),
    "lt": lambda x: x < 0,
    "le": lambda x: x <= 0,
    "gt": lambda x: x > 0.5,
    "ge": lambda x: x >= x,
    "ne": lambda x: x != 0.5,
    "and": lambda x: (x > 0) & (x < 1),
    "or": lambda x: (x > 0) | True,
    "xor": lambda x: (x > 0) ^ (x < 1),
    "invert": lambda x: ~(x > 0),
    "numpy array first": lambda x: np.ones(4, "float32") - x,
    "column": lambda x: x[:, 0],
    "slices": lambda x: x[..., None, 1:3],
    "index array": lambda x: x[:, np.array([2, 0])],
    "reshape": lambda x: x.reshape(-1, 12) if hasattr(x, "at") else x.reshape((-1, 12)),
    "T": lambda x: x.T,
    "astype": lambda x: x.astype("int32"),
    "np.sin": lambda x: np.sin(x),
    "np.add": lambda x: np.add(1, x),
    "np.sum": lambda x: np.sum(x, axis=1),
    "np.concatenate": lambda x: np.concatenate([x, x], axis=-1),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_expressions_compute_in_the_graph_what_they_compute_on_arrays(name):
    expression = EXPRESSIONS[name]
    expected = expression(jnp.asarray(A))
    x = Input((3, 4))
    y = expression(x)
    assert (y.dtype, y.ndim) == (str(expected.dtype), expected.ndim)
    assert all(n in (None, m) for n, m in zip(y.shape, expected.shape))
    np.testing.assert_allclose(run([x], y, A), expected, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in EXPRESSIONS if name != "pos"])
def test_expressions_survive_a_config(name):
    """What a file keeps of a call gives the same call again: operand order included."""
    x = Input((3, 4))
    call = EXPRESSIONS[name](x).source
    described = describe_call(call)
    again = repeat_call(*(described[k] for k in ("class_name", "config", "args", "kwargs")))
    np.testing.assert_array_equal(run([x], call.outputs, A), run([x], again, A))
    assert again.shape == call.outputs.shape
    assert again.source.layer.name == call.layer.name


def test_equality_is_identity_and_says_so():
    x, y = Input((3,)), Input((3,))
    assert x == x
    assert not x == y  # noqa: SIM201
    assert len({x, y, x}) == 2
    assert x in [y, x]
    assert x != None  # noqa: E711
    with pytest.raises(TypeError, match=r"keras.ops.equal"):
        _ = x == 0


# ------------------------------------------------------------------ unknown sizes
SHAPES = [
    (lambda x: x + 1, (None, 3), (None, 3)),
    (lambda x: ops.sum(x, axis=0), (None, 3), (3,)),
    (lambda x: ops.sum(x), (None, 3), ()),
    (lambda x: ops.reshape(x, (-1, 2)), (None, 4), (None, 2)),
    (lambda x: ops.reshape(x, (-1,)), (None, None), (None,)),
    (lambda x: ops.concatenate([x, x], 0), (None, 3), (None, 3)),
    (lambda x: ops.concatenate([x, x], 1), (None, 3), (None, 6)),
    (lambda x: ops.transpose(x), (None, 3, None), (None, 3, None)),
    (lambda x: x @ ops.transpose(x), (None, 3), (None, None)),
    (lambda x: ops.expand_dims(x, 1), (None, None), (None, 1, None)),
    (lambda x: ops.repeat(x, 2, axis=1), (None, 3), (None, 6)),
    (lambda x: ops.einsum("bij,bkj->bik", x, x), (None, None, 4), (None, None, None)),
    (lambda x: x[:, -1], (None, None, 5), (None, 5)),
    (lambda x: x[:, ::2], (None, 6, 5), (None, 3, 5)),
    (lambda x: ops.pad(x, ((0, 0), (1, 1))), (None, 3), (None, 5)),
    (lambda x: ops.top_k(x, 2)[1], (None, 3), (None, 2)),
    (lambda x: ops.argmax(x, axis=-1), (None, 3), (None,)),
    (lambda x: ops.stack([x, x]), (None, 3), (2, None, 3)),
    (lambda x: ops.image.resize(x, (7, 8)), (None, None, None, 3), (None, 7, 8, 3)),
    (
        lambda x: ops.conv(x, np.ones((3, 3, 4), "float32"), 2, "same"),
        (None, None, 3),
        (None, None, 4),
    ),
    (lambda x: ops.sum([x, x], axis=0), (None, 3), (None, 3)),
]


@pytest.mark.parametrize(("function", "shape", "expected"), SHAPES)
def test_unknown_sizes(function, shape, expected):
    assert function(KerasTensor(shape)).shape == expected


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from([None, 1, 2, 3]), min_size=1, max_size=4),
    st.sampled_from(["sum", "max", "mean", "argmax", "cumsum", "flip"]),
    st.data(),
)
def test_shapes_agree_with_what_is_computed(shape, name, data):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    symbolic = getattr(ops, name)(KerasTensor(shape), axis=axis)
    sizes = [data.draw(st.integers(1, 3)) if n is None else n for n in shape]
    array = getattr(ops, name)(np.ones(sizes, "float32"), axis=axis)
    assert (symbolic.ndim, symbolic.dtype) == (array.ndim, str(array.dtype))
    assert all(n in (None, m) for n, m in zip(symbolic.shape, array.shape))
    if symbolic.ndim == len(shape):
        assert symbolic.shape == tuple(shape)
    else:
        assert symbolic.shape == tuple(np.delete(np.array(shape, object), axis))


def test_sizes_that_depend_on_unknown_ones_are_unknown():
    x = KerasTensor((None, 3))
    assert ops.shape(x) == (None, 3)
    assert (ops.size(x), ops.ndim(x), ops.size(KerasTensor((2, 3)))) == (None, 2, 6)
    assert ops.lift(lambda x: x.shape[0])(x) is None
    assert ops.lift(lambda x: x.shape[1])(x) == 3


def test_a_rank_that_depends_on_sizes_is_an_error():
    with pytest.raises(ValueError, match="axes for some input sizes"):
        ops.lift(lambda x: x if x.shape[0] > 500 else x[None])(KerasTensor((None,)))


def test_functions_of_ones_own():
    @ops.lift
    def wave(x, scale=1.0):
        return {"wave": jnp.sin(x) * scale, "scale": scale}

    x = Input((3,))
    out = wave(x, scale=2.0)
    assert (out["wave"].shape, out["scale"]) == ((None, 3), 2.0)
    np.testing.assert_allclose(
        run([x], out["wave"], A[0, :, :3]), np.sin(A[0, :, :3]) * 2, rtol=1e-6
    )
    with pytest.raises(ValueError, match=r"function 'wave'.*not in keras.ops"):
        describe_call(out["wave"].source)


# ------------------------------------------------------------------ what is not possible
@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda x: bool(x > 0), "neither true nor false"),
        (lambda x: len(x), "length is not known"),
        (lambda x: list(x), "cannot be iterated over"),
        (lambda x: np.asarray(x), "has no value before the model runs"),
        (lambda x: jnp.sin(x), r"keras.ops.sin\(x\)"),
        (lambda x: jnp.ones(3) - x, r"keras.ops.lift"),
    ],
)
def test_errors_say_what_to_do(use, message):
    with pytest.raises((TypeError, ValueError), match=message):
        use(Input((3,)))


# ------------------------------------------------------------------ graphs
def test_names_of_operations_count_like_those_of_layers():
    x = Input((3,), name="x")
    names = [(x + 1).source.layer.name, (1 + x).source.layer.name, ops.mean(x).source.layer.name]
    assert names == ["add", "add_1", "mean"]


def test_shared_layers_run_at_each_place():
    x, y = Input((3,)), Input((3,))
    dense = layers.Dense(3)
    out = dense(x) + dense(dense(y))
    a, b = A[0, :2, :3], A[1, :2, :3]
    np.testing.assert_allclose(run([x, y], out, a, b), dense(a) + dense(dense(b)), rtol=1e-5)
    order = [op.name for op in graph.trace([x, y], out).operations]
    assert order.count(dense.name) == 1


def test_outputs_in_a_structure():
    x = Input((3,))
    out = run([x], {"a": x, "b": [x * 2, (x + 1,)]}, A[0, :, :3])
    np.testing.assert_allclose(out["b"][0], A[0, :, :3] * 2)
    np.testing.assert_allclose(out["a"], A[0, :, :3])


def test_a_graph_cut_out_of_a_larger_one():
    x = Input((3,))
    middle = x * 2
    end = middle + 1
    np.testing.assert_allclose(run([middle], end, A[0, :, :3]), A[0, :, :3] + 1)


def test_an_input_that_is_missing_is_named():
    x, y = Input((3,)), Input((3,), name="other")
    with pytest.raises(ValueError, match=r"not connected to `inputs`.*\n.*inputs=\[") as caught:
        graph.trace([x], x + y)
    assert "other" in str(caught.value)


def test_graphs_deeper_than_pythons_stack():
    x = y = Input((1,))
    record = graph.SymbolicTensor
    for _ in range(3000):  # as cheap as a node can be made
        y = graph.record_call(
            graph.NamedFunction(lambda a: a + 1, "add"), (y,), {}, record((None, 1))
        )
    assert len(graph.trace([x], y).calls) == 3000


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=12))
def test_random_graphs_compute_what_python_computes(edges):
    inputs = [Input((2,)), Input((2,))]
    arrays = [np.float32([[1, 2]]), np.float32([[3, 5]])]
    tensors, values = list(inputs), list(arrays)
    for i, j in edges:
        i, j = i % len(tensors), j % len(tensors)
        tensors.append(tensors[i] - 0.5 * tensors[j])
        values.append(values[i] - 0.5 * values[j])
    used = run(inputs, tensors[-1], *arrays)
    np.testing.assert_allclose(used, values[-1], rtol=1e-5, atol=1e-5)
    calls = graph.trace(inputs, tensors[-1]).calls
    seen = {id(x) for x in inputs}
    for call in calls:  # each call comes after those it needs
        assert all(id(x) in seen for x in call.inputs)
        seen.update(id(x) for x in call.output_list)


def test_every_operation_is_found_again():
    for name in ("sin", "Sin", "TopK", "top_k", "GetItem", "BatchNorm", "batch_normalization"):
        assert entry(name) is not None
    assert entry("Frobnicate") is None
    with pytest.raises(ValueError, match=r"Unknown operation 'Matmull': did you mean 'matmul'"):
        repeat_call("Matmull", {}, [], {})
