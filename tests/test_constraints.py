"""Constraints: what they promise of every weight."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jkeras import constraints, ops

W = np.float32([[3, 0.1, -1], [4, 0.2, 0.5]])
numbers = st.lists(st.floats(-10, 10, width=32), min_size=6, max_size=6)
several = settings(max_examples=25, deadline=None)


def norms(w, axis=0):
    return np.linalg.norm(np.asarray(w), axis=axis)


@several
@given(numbers)
def test_promises(values):
    w = np.float32(values).reshape(2, 3)
    assert (norms(constraints.MaxNorm(1.5)(w)) <= 1.5 + 1e-5).all()
    assert (np.asarray(constraints.NonNeg()(w)) >= 0).all()
    free = norms(w) > 1e-2
    np.testing.assert_allclose(norms(constraints.UnitNorm()(w))[free], 1, atol=1e-4)
    moved = norms(constraints.MinMaxNorm(0.5, 1.5)(w))
    assert (moved <= 1.5 + 1e-4).all()
    assert (moved[free] >= 0.5 - 1e-4).all()


def test_numbers():
    np.testing.assert_allclose(constraints.MaxNorm(2.0)(W)[:, 0], [1.2, 1.6], rtol=1e-5)
    np.testing.assert_allclose(constraints.MaxNorm(2.0)(W)[:, 1:], W[:, 1:], rtol=1e-5)
    np.testing.assert_allclose(norms(constraints.UnitNorm(axis=1)(W), 1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(constraints.UnitNorm(axis=(0, 1))(W)), 1, rtol=1e-5)
    half = constraints.MinMaxNorm(0.0, 1.0, rate=0.5)(W)
    np.testing.assert_allclose(norms(half)[0], 3.0, rtol=1e-5)  # half of the way from 5 to 1
    assert constraints.UnitNorm()(np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]
    assert constraints.NonNeg()([-1.0, 2.0]).tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    "constraint",
    [
        *(constraints.MaxNorm(3, axis=1), constraints.NonNeg(), constraints.UnitNorm((0, 1))),
        constraints.MinMaxNorm(0.1, 0.9, 0.5, 1),
    ],
)
def test_configs(constraint):
    config = constraints.serialize(constraint)
    assert config["module"] == "keras.constraints"
    again = constraints.deserialize(config)
    assert type(again) is type(constraint)
    np.testing.assert_array_equal(again(W), constraint(W))


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        *(("max_norm", constraints.MaxNorm), ("NonNeg", constraints.NonNeg)),
        *(("unit_norm", constraints.UnitNorm), ("min_max_norm", constraints.MinMaxNorm)),
    ],
)
def test_names(name, cls):
    assert type(constraints.get(name)) is cls
    assert isinstance(constraints.get(cls), cls)


def test_errors_and_own():
    assert constraints.get(None) is None
    with pytest.raises(ValueError, match="Unknown constraint 'nonneg_': did you mean"):
        constraints.get("nonneg_")
    with pytest.raises(NotImplementedError, match="Empty has no __call__"):

        class Empty(constraints.Constraint):
            pass

        Empty()(W)

    class Zero(constraints.Constraint):
        def __call__(self, w):
            return ops.zeros_like(w)

    assert constraints.get(Zero())(W).sum() == 0
