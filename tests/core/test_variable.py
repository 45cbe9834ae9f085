"""Variable: a cell outside of pure calls, an array in arithmetic, a pytree of one leaf."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
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


def test_of_an_initializer_s_name():
    v = keras.Variable("ones", shape=(2,))
    assert v.numpy().tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="Unknown initializer 'oness'"):
        keras.Variable("oness", shape=(2,))


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
    with pytest.raises(ValueError, match="cannot contain"):
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
    with pytest.raises(ValueError, match=r"shape=\(2,\), .*shape=\(3,\).*'w'"):
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


# ------------------------------------------------------------------ comparing
def test_comparisons_are_those_of_the_value():
    v, w, count = Variable([1.0, 2.0]), Variable([1.0, 3.0]), Variable(2)
    assert (v == w).tolist() == [True, False] and (v != w).tolist() == [False, True]
    assert (v == [1.0, 0.0]).tolist() == [True, False]
    assert (np.array([1.0, 0.0]) == v).tolist() == [True, False]
    assert (v < 2.0).tolist() == [True, False] and (v <= 2).tolist() == [True, True]
    assert count == 2 and count != 3 and not (count == 3.0).item()
    assert keras.optimizers.SGD().iterations == 0
    assert v != "v" and v != None and v != object()  # noqa: E711
    with pytest.raises(Exception, match="ncompatible shapes"):
        v == [1.0, 2.0, 3.0]  # noqa: B015


def test_hashing_goes_by_object():
    v, w = Variable(1.0), Variable(1.0)
    assert {v: "v", w: "w"}[w] == "w" and len({v, w, v}) == 2 and hash(v) != hash(w)
    assert any(w is x for x in [v, w])


def test_assignments_return_the_value_and_own_it():
    v = Variable([1.5, 2.5])
    assert v.assign([2.0, 3.0]).tolist() == [2.0, 3.0]
    assert v.assign_add(1.0).tolist() == [3.0, 4.0] and v.assign_sub(2.0).tolist() == [1.0, 2.0]
    kept = v.assign([5.0, 6.0])
    assert v.hand_over() is not kept  # so that whoever destroys it does not destroy the user's

    class Counts(keras.layers.Layer):
        def build(self, _):
            self.count = self.add_weight(initializer="zeros", trainable=False, name="count")

        def call(self, x):
            return x * self.count.assign_add(1.0)

    layer = Counts()
    assert layer(np.ones(1)).tolist() == [1.0] and layer(np.ones(1)).tolist() == [2.0]
    outputs, effects = keras.pure.apply(layer, keras.pure.read(layer), np.ones(1))
    assert outputs.tolist() == [3.0] and effects.state["count"] == 3.0


def test_rounding_and_printing():
    assert round(Variable(2.345), 1).item() == pytest.approx(2.3) and round(Variable(2.7)) == 3
    weight = keras.layers.Dense(1).add_weight(shape=(2,), initializer="ones", name="w")
    assert repr(weight).endswith("shape=(2,), dtype=float32, value=[1. 1.]>")
    assert f"{Variable(1.234):.2f} {Variable(2.5):>5} {Variable(7):d}" == "1.23   2.5 7"
    assert f"{weight}" == repr(weight)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copies_are_variables_of_their_own(copied):
    v = Variable([1.0], name="gain", trainable=False)
    new = copied(v)
    assert (new.name, new.trainable, new == v) == ("gain", False, True) and new is not v
    new.assign([3.0])
    assert v == 1.0
