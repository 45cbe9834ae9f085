"""The losses' formulas, against their definitions written in NumPy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jkeras import losses
from tests.catalog import losses as catalog

RNG = np.random.default_rng(0)
A, B = RNG.normal(size=(2, 5, 4)).astype("f4")
P, Q = RNG.dirichlet(np.ones(4), (2, 5)).astype("f4")
LABELS = RNG.integers(0, 4, 5)
ONE_HOT = np.eye(4, dtype="f4")[LABELS]
BITS = (A > 0).astype("f4")


def softmax(z):
    return np.exp(z) / np.exp(z).sum(-1, keepdims=True)


def bce(y, p):
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def own(p):
    return p[np.arange(len(p)), LABELS]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


ERROR = np.abs(A - B)
SIGMOID = 1 / (1 + np.exp(-B))
DEFINITIONS = {
    "mean_squared_error": (A, B, {}, (ERROR**2).mean(-1)),
    "mean_absolute_error": (A, B, {}, ERROR.mean(-1)),
    "mean_absolute_percentage_error": (A, B, {}, 100 * (ERROR / np.abs(A)).mean(-1)),
    "mean_squared_logarithmic_error": (P, Q, {}, (np.log((1 + P) / (1 + Q)) ** 2).mean(-1)),
    "huber": (
        *(A, B, {"delta": 0.5}),
        np.where(ERROR < 0.5, ERROR**2 / 2, 0.5 * (ERROR - 0.25)).mean(-1),
    ),
    "log_cosh": (A, B, {}, np.log(np.cosh(A - B)).mean(-1)),
    "cosine_similarity": (A, B, {}, -(unit(A) * unit(B)).sum(-1)),
    "hinge": (np.sign(A), B, {}, np.maximum(1 - np.sign(A) * B, 0).mean(-1)),
    "squared_hinge": (BITS, B, {}, (np.maximum(1 - np.sign(A) * B, 0) ** 2).mean(-1)),
    "categorical_hinge": (
        *(ONE_HOT, B, {}),
        np.maximum(1 + np.where(ONE_HOT == 1, 0, B).max(-1) - own(B), 0),
    ),
    "binary_crossentropy": (BITS, P, {"label_smoothing": 0.2}, bce(0.8 * BITS + 0.1, P).mean(-1)),
    "binary_focal_crossentropy": (
        *(BITS, B, {"from_logits": True, "apply_class_balancing": True, "gamma": 1.5}),
        (np.where(BITS == 1, 0.25, 0.75) * np.abs(BITS - SIGMOID) ** 1.5 * bce(BITS, SIGMOID)).mean(
            -1
        ),
    ),
    "categorical_crossentropy": (ONE_HOT, 3 * P, {}, -np.log(own(P))),
    "categorical_focal_crossentropy": (
        *(ONE_HOT, 3 * P, {"alpha": 0.5, "gamma": 3.0}),
        -0.5 * (1 - own(P)) ** 3 * np.log(own(P)),
    ),
    "sparse_categorical_crossentropy": (LABELS, 3 * P, {}, -np.log(own(P))),
    "categorical_generalized_cross_entropy": (LABELS, P, {"q": 0.4}, (1 - own(P) ** 0.4) / 0.4),
    "kl_divergence": (P, Q, {}, (P * np.log(P / Q)).sum(-1)),
    "poisson": (P, Q, {}, (Q - P * np.log(Q)).mean(-1)),
    "dice": (BITS, P, {"axis": 1}, 1 - 2 * (BITS * P).sum(1) / (BITS.sum(1) + 1)),
    "tversky": (
        *(BITS, P, {"alpha": 0.2, "beta": 0.7}),
        1
        - (BITS * P).sum()
        / ((BITS * P).sum() + 0.2 * (BITS * (1 - P)).sum() + 0.7 * ((1 - BITS) * P).sum()),
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions(name):
    y_true, y_pred, options, expected = DEFINITIONS[name]
    assert np.allclose(getattr(losses, name)(y_true, y_pred, **options), expected, atol=2e-6)


def test_every_function_is_defined_here():
    structured = {"ctc", "circle"}  # below
    assert {f.__name__ for f in losses.lookup.FUNCTIONS} == {*DEFINITIONS, *structured}


@jax.jit
def crossentropies(z):
    p, sigmoid = jax.nn.softmax(z), jax.nn.sigmoid(z)
    y_true, labels, bits = ONE_HOT[:3], LABELS[:3], BITS[:3]
    return [
        (f(y, z, from_logits=True), f(y, q), jnp.minimum(q, 1 - q).min())
        for f, y, q in (
            (losses.categorical_crossentropy, y_true, p),
            (losses.sparse_categorical_crossentropy, labels, p),
            (losses.binary_crossentropy, bits, sigmoid),
        )
    ]


@settings(derandomize=True, max_examples=50, deadline=None)
@given(arrays("f4", (3, 4), elements=st.floats(-20, 20, width=32)))
def test_logits_and_probabilities_agree(z):
    for from_logits, from_probabilities, least in crossentropies(z):
        assert np.isfinite(from_logits).all() and np.isfinite(from_probabilities).all()
        if least > 1e-4:  # probabilities are kept off 0 and 1
            assert np.allclose(from_logits, from_probabilities, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("from_logits", "axis"), [(True, 1), (False, -1)])
def test_class_numbers_and_one_hot_labels_agree(from_logits, axis):
    labels = RNG.integers(0, 3, (2, 4, 5))
    y_pred = RNG.random((2, 4, 5, 3)).astype("f4")
    one_hot = np.eye(3, dtype="f4")[labels]
    moved = np.moveaxis(y_pred, -1, axis)
    dense = losses.categorical_crossentropy(
        np.moveaxis(one_hot, -1, axis), moved, from_logits, axis=axis
    )
    for numbers in (labels, labels[..., None], labels.astype("f4")):
        sparse = losses.sparse_categorical_crossentropy(numbers, moved, from_logits, axis=axis)
        assert np.allclose(sparse, dense, atol=1e-6)


def test_the_generalized_crossentropy_takes_class_numbers_and_one_hot_labels():
    function = losses.categorical_generalized_cross_entropy
    assert np.allclose(function(ONE_HOT, P, 0.5), function(LABELS, P, 0.5))


def test_a_number_that_is_no_class_is_not_a_number():
    values = losses.sparse_categorical_crossentropy([-1, 0, 4], np.ones((3, 4)))
    assert np.isnan(values).tolist() == [True, False, True]


def test_ignored_classes_count_neither_as_loss_nor_in_the_mean():
    labels = np.array([[0, 255], [3, 255]])
    y_pred = RNG.random((2, 2, 4)).astype("f4")
    loss = losses.SparseCategoricalCrossentropy(ignore_class=255)
    run = jax.jit(jax.value_and_grad(lambda p, mask: loss(labels[..., None], p, mask=mask)))
    own = y_pred[[0, 1], 0, [0, 3]] / y_pred[:, 0].sum(-1)
    value, gradient = run(y_pred, np.ones((2, 2), bool))
    assert np.isclose(value, -np.log(own).mean())
    assert np.isfinite(gradient).all() and not gradient[:, 1].any()
    value, gradient = run(y_pred, np.array([[True] * 2, [False] * 2]))
    assert np.isclose(value, -np.log(own[0])) and not gradient[1].any()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_certain_predictions_have_finite_losses_and_gradients(dtype):
    names = [
        *("binary_crossentropy", "binary_focal_crossentropy", "kl_divergence", "poisson"),
        *("categorical_crossentropy", "categorical_focal_crossentropy"),
    ]
    y_true = np.tile([[1.0, 0.0], [0.0, 1.0]], (2, 1))
    y_pred = jnp.array([[1, 0], [0, 1], [0, 1], [1, 0]], dtype)

    @jax.jit
    def run(y_pred):
        functions = [getattr(losses, name) for name in names]
        return [jax.value_and_grad(lambda p, f=f: f(y_true, p).sum())(y_pred) for f in functions]

    for name, (value, gradient) in zip(names, run(y_pred), strict=True):
        assert jnp.isfinite(value) and jnp.isfinite(gradient).all(), name


def test_the_generalized_crossentropy_of_an_impossible_class_has_a_finite_gradient():
    loss = losses.CategoricalGeneralizedCrossEntropy(q=0.5)
    value, gradient = jax.value_and_grad(loss, argnums=1)([0], np.array([[0.0, 1.0]]))
    assert value == 2.0 and np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_zero_vectors_have_no_direction(dtype):
    zeros, ones = jnp.zeros((1, 3), dtype), jnp.ones((1, 3), dtype)
    assert losses.cosine_similarity(zeros, ones) == 0
    assert np.isclose(losses.cosine_similarity(ones, ones), -1, atol=1e-2)


def test_hinge_takes_labels_0_and_1():
    assert np.allclose(losses.hinge(BITS, B), losses.hinge(2 * BITS - 1, B))
    assert losses.hinge([[0.5]], [[0.2]]) == 0.9  # any other labels stay as they are


def test_ctc_is_minus_the_log_probability_of_all_alignments():
    logits = RNG.normal(size=(1, 4, 3)).astype("f4")
    label = (1, 2)
    total = 0.0
    for path in itertools.product(range(3), repeat=4):
        merged = [c for c, _ in itertools.groupby(path) if c != 0]
        if tuple(merged) == label:
            total += np.prod([softmax(logits[0, t])[c] for t, c in enumerate(path)])
    assert np.isclose(losses.ctc([[*label, 0]], logits)[0], -np.log(total), atol=1e-5)


@pytest.mark.parametrize(("target", "output"), [((2,), (2, 4, 3)), ((2, 3), (2, 4))])
def test_ctc_refuses_other_ranks(target, output):
    with pytest.raises(ValueError, match="are expected to be a tensor of shape"):
        losses.CTC()(np.ones(target, "i4"), np.ones(output, "f4"))


def test_circle_is_its_definition():
    labels = np.array([0, 1, 0, 2])
    x = unit(RNG.normal(size=(4, 3)).astype("f4"))
    gamma, margin = 3.0, 0.3
    expected = []
    for i in range(4):
        positive, negative = [], []
        for j in range(4):
            s = x[i] @ x[j]
            if labels[i] == labels[j] and i != j:
                positive.append(np.exp(-gamma * max(1 + margin - s, 0) * (s - 1 + margin)))
            elif labels[i] != labels[j]:
                negative.append(np.exp(gamma * max(s + margin, 0) * (s - margin)))
        expected.append(np.log1p(sum(positive) * sum(negative)))
    values = losses.circle(labels, x, gamma=gamma, margin=margin)
    assert np.allclose(values, expected, atol=1e-5)
    # Those without another of their class do not count in the mean.
    mean = losses.Circle(gamma=gamma, margin=margin)(labels, x)
    assert np.isclose(mean, np.array(expected)[[0, 2]].mean(), atol=1e-5)


def test_circle_compares_with_references():
    labels, x = np.array([0, 1]), unit(RNG.normal(size=(2, 3)))
    itself = losses.circle(labels, x, remove_diagonal=False)
    given = losses.circle(labels, x, ref_labels=labels, ref_embeddings=x, remove_diagonal=False)
    assert np.allclose(itself, given)


def test_the_generalized_crossentropy_refuses_other_exponents():
    for q in (0, 1, -0.5):
        with pytest.raises(ValueError, match=r"q must be in the interval \(0, 1\)"):
            losses.CategoricalGeneralizedCrossEntropy(q)


def test_perfect_predictions_have_no_loss():
    for name in ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh", "kl_divergence"):
        assert np.allclose(getattr(losses, name)(P, P), 0, atol=1e-6)
    assert np.allclose(losses.dice(ONE_HOT, ONE_HOT), 0, atol=1e-6)
    assert np.allclose(losses.tversky(ONE_HOT, ONE_HOT), 0, atol=1e-6)
    assert np.allclose(losses.categorical_crossentropy(ONE_HOT, ONE_HOT), 0, atol=1e-5)


def test_the_draws_of_the_catalog_differ_by_seed():
    for case in catalog.LOSSES:
        first, second = (case.draw(np.random.default_rng(seed), 4)[1] for seed in (0, 1))
        assert first.shape == second.shape and not np.array_equal(first, second)


def test_targets_of_another_width_are_spread_with_a_warning():
    with pytest.warns(UserWarning, match=r"\(8, 5\) is compared with y_pred of shape \(8, 1\)"):
        losses.mean_squared_error(np.ones((8, 5), "float32"), np.ones((8, 1), "float32"))
