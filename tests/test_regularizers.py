"""Regularizers: numbers, gradients, configs."""

import jax
import numpy as np
import pytest

from jkeras import Variable, regularizers

W = np.float32([[1, -2, 3], [-4, 5, -6]])


@pytest.mark.parametrize(
    ("regularizer", "expected"),
    [
        (regularizers.L1(), 0.21),
        (regularizers.L1(0.5), 10.5),
        (regularizers.L2(0.5), 45.5),
        (regularizers.L1L2(0.5, 0.5), 56.0),
        (regularizers.L1L2(), 0.0),
        (regularizers.L1(None), 0.21),
        (regularizers.Regularizer(), 0.0),
    ],
)
def test_numbers(regularizer, expected):
    for w in (W, Variable(W)):
        assert float(regularizer(w)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("mode", ["rows", "columns"])
def test_orthogonality(mode):
    rows = W if mode == "rows" else W.T
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    products = abs(rows @ rows.T)
    n = len(rows)
    expected = 0.1 * (products.sum() - np.trace(products)) / 2 / (n * (n - 1) / 2)
    regularizer = regularizers.OrthogonalRegularizer(0.1, mode)
    assert float(regularizer(W)) == pytest.approx(expected, rel=1e-5)
    assert float(regularizer(np.eye(3, dtype="float32"))) == 0


def test_gradients():
    np.testing.assert_allclose(jax.grad(regularizers.L1(0.5))(W), 0.5 * np.sign(W))
    np.testing.assert_allclose(jax.grad(regularizers.L2(0.5))(W), W)


@pytest.mark.parametrize(
    "regularizer",
    [
        *(regularizers.L1(0.3), regularizers.L2(0.3), regularizers.L1L2(0.1, 0.2)),
        regularizers.OrthogonalRegularizer(0.3, "columns"),
    ],
)
def test_configs(regularizer):
    config = regularizers.serialize(regularizer)
    assert (config["module"], config["class_name"]) == (
        *("keras.regularizers", type(regularizer).__name__),
    )
    again = regularizers.deserialize(config)
    assert type(again) is type(regularizer)
    assert again.get_config() == regularizer.get_config()


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        *(("l1", regularizers.L1), ("L2", regularizers.L2), ("l1_l2", regularizers.L1L2)),
        *(("L1L2", regularizers.L1L2), ("l2", regularizers.L2)),
        ("orthogonal_regularizer", regularizers.OrthogonalRegularizer),
    ],
)
def test_names(name, cls):
    assert type(regularizers.get(name)) is cls


def test_other_identifiers():
    assert regularizers.get(None) is None
    assert regularizers.get(np.sum) is np.sum
    old = {"class_name": "L1L2", "config": {"l1": 0.5, "l2": 0.0}}
    assert regularizers.get(old).l1 == 0.5


@pytest.mark.parametrize("value", [-1, "a", float("nan"), True])
@pytest.mark.parametrize("make", [regularizers.L1, regularizers.L2, regularizers.L1L2])
def test_bad_factors(make, value):
    with pytest.raises(ValueError, match="expected a non-negative float"):
        make(value)


def test_errors():
    with pytest.raises(ValueError, match="`mode`"):
        regularizers.OrthogonalRegularizer(mode="diagonal")
    with pytest.raises(ValueError, match="must have rank 2"):
        regularizers.OrthogonalRegularizer()(np.ones((2, 2, 2)))
    with pytest.raises(ValueError, match="Unknown regularizer 'l3'"):
        regularizers.get("l3")
