"""Variable: a cell outside of pure calls, an array in arithmetic, a pytree of one leaf."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jkeras import Variable, initializers, name_scope, ops
from jkeras.core import scope


def test_of_an_array():
    v = Variable([1.0, 2.0], name="gain")
    assert (v.shape, v.dtype, v.ndim, v.size, v.name, v.path) == (
        (2,),
        "float32",
        1,
        2,
        "gain",
        "gain",
    )
    assert isinstance(v.value, jax.Array)
    assert isinstance(v.numpy(), np.ndarray)
    assert v.trainable


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, None, "int32"),
        (1.5, None, "float32"),
        (np.ones(2), None, "float32"),
        (np.ones(2, "float16"), None, "float16"),
        (True, None, "bool"),
        ([1, 2], "float16", "float16"),
    ],
)
def test_dtypes(value, dtype, expected):
    assert Variable(value, dtype=dtype).dtype == expected


def test_of_an_initializer_is_drawn_once():
    v = Variable(initializers.RandomNormal(), shape=(3, 2))
    assert not v.is_drawn
    first = v.numpy()
    assert v.is_drawn
    np.testing.assert_array_equal(first, v.numpy())


def test_a_plain_function_initializes():
    v = Variable(lambda shape, dtype: jnp.full(shape, 7, dtype), shape=(2,), dtype="int32")
    assert v.numpy().tolist() == [7, 7]


def test_an_initializer_of_another_shape_is_an_error():
    v = Variable(lambda shape, dtype: jnp.zeros(5), shape=(2,), name="w")
    with pytest.raises(ValueError, match=r"initializer of 'w'.*\(5,\).*\(2,\)"):
        v.numpy()


def test_a_function_needs_a_shape():
    with pytest.raises(ValueError, match="give its `shape`"):
        Variable(initializers.Zeros())


@pytest.mark.parametrize("name", ["a/b", 3])
def test_bad_names(name):
    with pytest.raises(ValueError, match="without '/'"):
        Variable(1.0, name=name)


def test_unknown_arguments():
    with pytest.raises(TypeError, match="initialiser"):
        Variable(1.0, initialiser=2)


def test_names_and_paths():
    with name_scope("encoder"), name_scope("head"):
        first, second = Variable(0.0), Variable(0.0)
    assert (first.path, second.path) == ("encoder/head/variable", "encoder/head/variable_1")


# ------------------------------------------------------------------ assignment
def test_assign():
    v = Variable([1.0, 2.0])
    v.assign([3, 4])
    v.assign_add([1.0, 1.0])
    v.assign_sub(Variable([2.0, 2.0]))
    assert v.numpy().tolist() == [2.0, 3.0]
    assert v.dtype == "float32"


def test_assign_checks_the_shape():
    with pytest.raises(ValueError, match=r"shape \(3,\).*'w'.*\(2,\)"):
        Variable([1.0, 2.0], name="w").assign(np.ones(3))


def test_assigning_a_traced_value_is_an_error():
    v = Variable(1.0, name="average")

    @jax.jit
    def f(x):
        v.assign(x)
        return x

    with pytest.raises(ValueError, match=r"'average' was assigned a traced value"):
        f(2.0)
    assert v.numpy() == 1.0


def test_first_read_in_a_trace_is_concrete():
    v = Variable(initializers.RandomNormal(seed=1), shape=(2,))
    with jax.checking_leaks():
        y = jax.jit(lambda x: x + v.value)(jnp.zeros(2))
    assert not isinstance(v.value, jax.core.Tracer)
    np.testing.assert_array_equal(y, v.numpy())


# ------------------------------------------------------------------ an array to others
ARITHMETIC = [
    lambda v, x: v + x,
    lambda v, x: x - v,
    lambda v, x: v * 2,
    lambda v, x: 2 / v,
    lambda v, x: v // x,
    lambda v, x: x % v,
    lambda v, x: v**2,
    lambda v, x: 2**v,
    lambda v, x: x @ v,
    lambda v, x: -v,
    lambda v, x: abs(v - 3),
    lambda v, x: v > x,
    lambda v, x: v[0],
    lambda v, x: v.sum(),
    lambda v, x: v.T,
    lambda v, x: v.astype("int32"),
    lambda v, x: v.at[0].set(5),
    lambda v, x: jnp.sin(v),
    lambda v, x: np.sin(v),
    lambda v, x: ops.concatenate([v, x]),
    lambda v, x: jnp.concatenate([jnp.asarray(v), x]),
]


@pytest.mark.parametrize("function", ARITHMETIC)
@pytest.mark.parametrize("other", [np.float32([[3.0, 4.0], [5.0, 6.0]])])
def test_arithmetic_is_that_of_the_array(function, other):
    array = np.float32([[1.0, 2.0], [2.0, 1.0]])
    expected = function(jnp.asarray(array), other)
    np.testing.assert_array_equal(np.asarray(function(Variable(array), other)), expected)


def test_as_python_values():
    assert (float(Variable(1.5)), int(Variable(2)), bool(Variable(0))) == (1.5, 2, False)
    assert [10, 20][Variable(1)] == 20
    assert len(Variable([1.0, 2.0])) == 2
    assert [float(x) for x in Variable([1.0, 2.0])] == [1.0, 2.0]


def test_it_does_not_pretend_to_have_every_attribute():
    with pytest.raises(AttributeError, match="no attribute 'kernel'"):
        _ = Variable(1.0).kernel
    assert not hasattr(Variable(1.0), "get_config")


def test_as_an_argument_of_transformations():
    v = Variable([1.0, 2.0])
    assert jax.jit(lambda x: x * 2)(v).tolist() == [2.0, 4.0]
    assert jax.grad(lambda x: (x**2).sum())(v).tolist() == [2.0, 4.0]
    assert jax.vmap(lambda x: x + 1)(v).tolist() == [2.0, 3.0]
    assert jax.tree.leaves({"w": v})[0].tolist() == [1.0, 2.0]


def test_reads_in_the_compute_dtype_of_the_running_layer():
    v, fixed = Variable([1.0]), Variable([1.0], autocast=False)
    here = scope.Eager()
    here.autocast = "bfloat16"
    with scope.enter(here):
        assert (v.dtype, v.value.dtype, v.variable_dtype) == ("bfloat16", "bfloat16", "float32")
        assert fixed.value.dtype == "float32"
        v.assign_add([1.0])
    assert (v.dtype, v.numpy().tolist()) == ("float32", [2.0])
