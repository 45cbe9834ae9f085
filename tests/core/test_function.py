"""Functions cut out of graphs."""

import numpy as np
import pytest

import jkeras as keras


def test_it_computes_arrays_symbols_and_shapes():
    x, y = keras.Input((3,), name="x"), keras.Input((3,), name="y")
    dense = keras.layers.Dense(2)
    function = keras.Function({"x": x, "y": y}, [keras.ops.relu(dense(x + y)), x - y])
    assert function.inputs == [x, y] and len(function.outputs) == 2
    assert dense in function.operations
    a, b = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("f4")
    hidden, difference = function({"x": a, "y": b})
    np.testing.assert_allclose(hidden, np.maximum((a + b) @ dense.kernel.numpy(), 0), atol=1e-6)
    np.testing.assert_allclose(difference, a - b)
    assert function.compute_output_shape({"x": (None, 3), "y": (None, 3)}) == [(None, 2), (None, 3)]
    model = keras.Model([y, x], function({"x": x, "y": y}))
    assert [o.name for o in model.operations if o.name not in "xy"] == ["function"]
    np.testing.assert_allclose(model([b, a])[0], hidden, atol=1e-6)


def test_wrong_use():
    x = keras.Input((3,), name="x")
    with pytest.raises(ValueError, match="`inputs` argument cannot be empty"):
        keras.Function([], x)
    with pytest.raises(ValueError, match="not connected to `inputs`"):
        keras.Function(keras.Input((3,)), x * 2)
    with pytest.raises(ValueError, match=r"expected shape \(None, 3\), but received \(2, 4\)"):
        keras.Function(x, x * 2)(np.ones((2, 4)))
    with pytest.raises(ValueError, match="invalid input structure: it takes 1 inputs, got 2"):
        keras.Function(x, x * 2)([np.ones((2, 3))] * 2)


def test_source_inputs():
    x, y = keras.Input((3,)), keras.Input((3,))
    hidden = x + y
    assert keras.utils.get_source_inputs(hidden * x + 1) == [x, y]
    assert keras.utils.get_source_inputs(x) == [x]
