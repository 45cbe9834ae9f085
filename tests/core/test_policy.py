"""Dtypes and dtype policies."""

import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import DTypePolicy, layers, ops
from jkeras.core import policy


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, "float32"),
        (int, "int32"),
        (float, "float32"),
        (bool, "bool"),
        ("half", "float16"),
        (np.float64, "float64"),
        (np.dtype("int8"), "int8"),
        (jnp.bfloat16, "bfloat16"),
        (jnp.ones(1, "uint8").dtype, "uint8"),
        ("string", "string"),
        (np.dtype("<U3"), "string"),
    ],
)
def test_dtypes_by_name(dtype, expected):
    assert policy.standardize_dtype(dtype) == expected


@pytest.mark.parametrize("dtype", ["flaot32", "complex", 3.5])
def test_unknown_dtypes(dtype):
    with pytest.raises(ValueError, match=r"dtype"):
        policy.standardize_dtype(dtype)


def test_floatx_is_the_default():
    keras.config.set_floatx("float16")
    assert policy.standardize_dtype(None) == policy.standardize_dtype(float) == "float16"
    assert policy.dtype_policy().name == "float16"
    assert keras.ops.zeros(2).dtype == "float16"


@pytest.mark.parametrize(
    ("name", "compute", "variable"),
    [
        ("float32", "float32", "float32"),
        ("bfloat16", "bfloat16", "bfloat16"),
        ("mixed_float16", "float16", "float32"),
        ("mixed_bfloat16", "bfloat16", "float32"),
    ],
)
def test_policies(name, compute, variable):
    made = DTypePolicy(name)
    assert (made.name, made.compute_dtype, made.variable_dtype) == (name, compute, variable)
    assert made == keras.dtype_policies.get(name) == DTypePolicy.from_config(made.get_config())
    assert len({made, DTypePolicy(name)}) == 1
    assert made != DTypePolicy("float64")


def test_bad_policies():
    with pytest.raises(
        ValueError, match=r"'mixed_flaot16' to a DTypePolicy: did you mean 'mixed_float16'"
    ):
        DTypePolicy("mixed_flaot16")
    with pytest.raises(TypeError, match="must be a string"):
        DTypePolicy(16)


def test_the_global_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    dense = layers.Dense(2)
    assert (dense.compute_dtype, dense.dtype, dense(np.ones((1, 3))).dtype) == (
        *("bfloat16", "float32", "bfloat16"),
    )
    assert keras.mixed_precision.global_policy() == DTypePolicy("mixed_bfloat16")
    assert layers.Dense(2, dtype="float32").compute_dtype == "float32"
    keras.backend.clear_session()
    assert policy.dtype_policy().name == "float32"


def test_policies_in_configs_of_other_versions():
    for config in (
        {"class_name": "Policy", "config": {"name": "mixed_float16"}},
        {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "mixed_float16"}},
        "mixed_float16",
    ):
        assert layers.Dense(1, dtype=config).dtype_policy.name == "mixed_float16"


def test_python_names_of_dtypes_and_what_is_no_policy():
    assert keras.DTypePolicy("int").compute_dtype == layers.Layer(dtype="int").dtype == "int32"
    with pytest.raises(ValueError, match=r"Cannot convert 'mixed_float15'.*did you mean"):
        keras.DTypePolicy("mixed_float15")


def test_weights_of_layers_of_integers_are_read_as_they_are():
    class Counts(layers.Layer):
        def build(self, input_shape):
            self.scale = self.add_weight(shape=(), initializer="ones", dtype="float32")

        def call(self, x):
            return ops.cast(x, "float32") * (self.scale + 0.5)

    np.testing.assert_array_equal(Counts(dtype="int32")(np.array([2])), [3.0])
