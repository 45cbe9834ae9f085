"""Metrics against their definitions written in NumPy, and what they refuse."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jkeras import losses, metrics
from jkeras.metrics.confusion import weight_above

pytestmark = pytest.mark.no_cover

RNG = np.random.default_rng(0)
Y = (RNG.random(300) < 0.3).astype("f4")
P = np.round(0.3 * Y + 0.7 * RNG.random(300), 2).astype("f4")
W = RNG.random(300).astype("f4")


# ------------------------------------------------------------------ means
@pytest.mark.parametrize(
    ("values", "weights", "mean", "total"),
    [
        ([1, 2, 6], None, 3.0, 9.0),
        ([1, 2, 6], [1, 0, 2], 13 / 3, 13.0),
        ([1, 2, 6], [0, 0, 0], 0.0, 0.0),
        (5.0, 3.0, 5.0, 15.0),
        ([[1, 3], [5, 7]], [1, 3], 5.0, 40.0),
        ([[1, 3], [5, 7]], [[1], [3]], 5.0, 40.0),
        ([[1, 3], [5, 7]], [[1, 0], [0, 1]], 4.0, 8.0),
        ([True, False], None, 0.5, 1.0),
    ],
)
def test_means_and_sums(values, weights, mean, total):
    assert np.isclose(metrics.Mean()(values, weights), mean)
    assert np.isclose(metrics.Sum()(values, weights), total)


def test_a_batch_s_mean_may_be_weighted_by_its_size():
    metric = metrics.Mean()
    metric.update_state(2.0, sample_weight=30)
    metric.update_state(5.0, sample_weight=10)
    assert metric.result() == 2.75


def test_masked_values_do_not_count_even_if_infinite():
    state = metrics.Mean().update(
        metrics.Mean().init(), [1.0, np.inf, 3.0], mask=[True, False, True]
    )
    assert metrics.Mean().compute(state) == 2.0


def test_a_loss_is_a_metric_of_its_values():
    metric = metrics.as_metric(losses.Huber(delta=0.5, name="robust"))
    metric.update_state([[0.0], [0.0]], [[0.0], [2.0]])
    metric.update_state([[0.0]], [[0.0]], [2.0])
    assert metric.name == "robust"
    assert np.isclose(metric.result(), 0.5 * (2 - 0.25) / 4)


# ------------------------------------------------------------------ accuracies
def test_accuracies_of_ties_and_of_what_is_no_number():
    tied = np.array([[0.3, 0.3, 0.3, 0.1]] * 4)
    top = metrics.sparse_top_k_categorical_accuracy
    assert top([0, 1, 2, 3], tied, k=2).tolist() == [1, 1, 1, 0]
    assert top([0, 1], np.full((2, 4), np.nan), k=2).tolist() == [0, 0]
    assert top([-1, 7], tied[:2], k=4).tolist() == [0, 0]
    assert top([[2], [1]], [[1, 0, 3], [1, 2, 0]], k=2, from_sorted_ids=True).tolist() == [0, 1]


@settings(derandomize=True, max_examples=30, deadline=None)
@given(
    scores=arrays("f4", (4, 6), elements=st.floats(-3, 3, width=32), unique=True),
    labels=arrays("i4", (4,), elements=st.integers(0, 5)),
    k=st.sampled_from([1, 3]),
)
def test_top_k_is_a_place_in_the_order(scores, labels, k):
    place = (scores > scores[np.arange(4), labels][:, None]).sum(-1)
    sparse = metrics.sparse_top_k_categorical_accuracy(labels, scores, k=k)
    assert np.array_equal(sparse, place < k)
    assert np.array_equal(
        metrics.top_k_categorical_accuracy(np.eye(6)[labels], scores, k=k), sparse
    )
    if k == 1:
        assert np.array_equal(metrics.sparse_categorical_accuracy(labels, scores), sparse)


@pytest.mark.parametrize(
    ("name", "y_true", "message"),
    [
        ("SparseCategoricalAccuracy", np.eye(3), "looks one-hot"),
        ("CategoricalAccuracy", np.arange(3), "must have the same shape"),
        ("BinaryAccuracy", np.arange(3), "must have the same shape"),
    ],
)
def test_accuracies_refuse_labels_of_another_kind(name, y_true, message):
    with pytest.raises(ValueError, match=message):
        getattr(metrics, name)()(y_true, np.eye(3))


# ------------------------------------------------------------------ thresholds
@settings(derandomize=True, max_examples=40, deadline=None)
@given(
    y_pred=arrays("f4", (7, 2), elements=st.floats(0, 1, width=16)),
    number=st.sampled_from([1, 5, 21]),
    evenly=st.booleans(),
)
def test_sums_above_thresholds(y_pred, number, evenly):
    inner = RNG.permutation(np.linspace(0, 1, number)) if not evenly else np.linspace(0, 1, number)
    thresholds = inner.astype("f4")
    if evenly:
        thresholds[0], thresholds[-1] = -1e-7, 1 + 1e-7
        y_pred = np.round(y_pred * 64) / 64  # products with few thresholds are exact
    weights = RNG.random((7, 2)).astype("f4")
    expected = [(weights * (y_pred > t)).sum(0) for t in thresholds]
    assert np.allclose(weight_above(y_pred, weights, thresholds, evenly), expected, atol=1e-5)


@pytest.mark.parametrize("weights", [None, W])
def test_precision_recall_and_their_mean(weights):
    w = np.ones(300) if weights is None else W
    tp, fp = (w * Y * (P > 0.4)).sum(), (w * (1 - Y) * (P > 0.4)).sum()
    precision, recall = tp / (tp + fp), tp / (w * Y).sum()
    assert np.isclose(metrics.Precision(thresholds=0.4)(Y, P, weights), precision)
    assert np.isclose(metrics.Recall(thresholds=0.4)(Y, P[:, None], weights), recall)
    f2 = metrics.FBetaScore(beta=2.0, threshold=0.4)(Y[:, None], P[:, None], weights)
    assert np.isclose(f2[0], 5 * precision * recall / (4 * precision + recall))


def test_a_mean_of_scores_by_how_often_a_class_is():
    """Classes that are predicted more often than they are, and less."""
    y_true, y_pred = np.eye(3)[[0, 0, 0, 1, 2, 2]], np.eye(3)[[0, 1, 1, 1, 2, 0]]
    each = np.array([2 / 5, 1 / 2, 2 / 3])
    np.testing.assert_allclose(metrics.F1Score()(y_true, y_pred), each, rtol=1e-6)
    assert np.isclose(metrics.F1Score(average="macro")(y_true, y_pred), each.mean())
    found = metrics.F1Score(average="weighted")(y_true, y_pred)
    assert np.isclose(found, (3 * each[0] + each[1] + 2 * each[2]) / 6)


@pytest.mark.parametrize("weights", [None, W])
def test_the_area_under_roc_is_the_chance_of_the_right_order(weights):
    w = np.ones(300) if weights is None else W
    positive, negative = Y == 1, Y == 0
    pairs = w[positive][:, None] * w[negative]
    order = np.sign(P[positive][:, None] - P[negative]) / 2 + 0.5  # a tie is half right
    # Between any two values that predictions rounded to 0.01 can have, there is a threshold.
    metric = metrics.AUC(thresholds=list(np.arange(100) / 100 + 0.005))
    assert np.isclose(metric(Y, P, weights), (pairs * order).sum() / pairs.sum(), atol=1e-5)


def test_the_area_under_precision_and_recall_is_near_the_average_precision():
    order = np.argsort(-P, kind="stable")
    precision = np.cumsum(Y[order]) / np.arange(1, 301)
    average = precision[Y[order] == 1].mean()
    assert np.isclose(metrics.AUC(curve="PR", num_thresholds=1000)(Y, P), average, atol=0.02)


@pytest.mark.parametrize("n", [4, 9, 40])
def test_true_positives_grow_linearly_between_two_points_of_precision_and_recall(n):
    """Against an integral by many small steps (Davis and Goadrich, 2006)."""
    thresholds = np.r_[-1, np.arange(1, 12) / 12, 2]
    found = P[:n] > thresholds[:, None]
    tp, fp = (Y[:n] * found).sum(1), ((1 - Y[:n]) * found).sum(1)
    area = 0.0
    for a, b, c, d in zip(tp, tp[1:], fp, fp[1:], strict=False):
        if a > b:
            t = np.linspace(b, a, 20001)[:-1] + (a - b) / 40000
            area += np.mean(t / (t + d + (c - d) * (t - b) / (a - b))) * (a - b)
    metric = metrics.AUC(curve="PR", thresholds=thresholds[1:-1].tolist())
    assert np.isclose(metric(Y[:n], P[:n]), area / Y[:n].sum(), atol=1e-4)


def test_areas_of_labels():
    y, p = Y.reshape(100, 3), P.reshape(100, 3)
    each = [metrics.AUC()(y[:, i], p[:, i]) for i in range(3)]
    assert np.isclose(metrics.AUC(multi_label=True)(y, p), np.mean(each), atol=1e-6)
    weighted = metrics.AUC(multi_label=True, num_labels=3, label_weights=[1.0, 0.0, 3.0])
    assert np.isclose(weighted(y, p), np.average(each, weights=[1, 0, 3]), atol=1e-6)
    logits = np.log(P / (1.001 - P) + 1e-6)
    assert np.isclose(metrics.AUC(from_logits=True)(Y, logits), metrics.AUC()(Y, P), atol=0.02)


@pytest.mark.parametrize(
    ("name", "held", "best"),
    [
        ("SensitivityAtSpecificity", "specificity", "sensitivity"),
        ("SpecificityAtSensitivity", "sensitivity", "specificity"),
        ("PrecisionAtRecall", "sensitivity", "precision"),
        ("RecallAtPrecision", "precision", "sensitivity"),
    ],
)
def test_one_rate_at_another(name, held, best):
    rates = []
    for t in [-1e-7, *(np.arange(1, 19) / 19), 1.1]:
        found = t < P
        tp, fp = (Y * found).sum(), ((1 - Y) * found).sum()
        rates.append(
            {
                "sensitivity": tp / Y.sum(),
                "specificity": 1 - fp / (1 - Y).sum(),
                "precision": tp / max(tp + fp, 1),
            }
        )
    expected = max(r[best] for r in rates if r[held] >= 0.6)
    assert np.isclose(getattr(metrics, name)(0.6, num_thresholds=20)(Y, P), expected)
    assert getattr(metrics, name)(0.6, class_id=1)(np.eye(2), np.eye(2)) == 1


def test_only_the_best_k_predictions_are_positive():
    y_true, y_pred = [[0, 1, 0, 1]], [[0.9, 0.8, 0.1, 0.3]]
    assert metrics.Precision(top_k=2)(y_true, y_pred) == 0.5
    assert metrics.Recall(top_k=9)(y_true, y_pred) == 1.0
    assert metrics.Recall(top_k=2, class_id=3)(y_true, y_pred) == 0.0
    assert metrics.Precision(top_k=3, thresholds=0.5)(y_true, y_pred) == 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metrics.Precision(thresholds=[0.5, 2.0]), r"must be in \[0, 1\]. Received: \[2.0"),
        (lambda: metrics.TruePositives(thresholds=[None]), "Threshold values must be"),
        (lambda: metrics.Recall(class_id=5)(np.eye(3), np.eye(3)), "class_id=5, but .* 0 to 2"),
        (lambda: metrics.AUC(num_thresholds=1), "must be an integer > 1"),
        (lambda: metrics.AUC(curve="ROK"), 'Invalid AUC curve value: "ROK". .*"PR", "ROC"'),
        (lambda: metrics.AUC(summation_method=3), "Invalid AUC summation method value"),
        (lambda: metrics.AUC(num_labels=2), "`num_labels` is needed only when"),
        (lambda: metrics.AUC(multi_label=True)(Y, P), "must have rank 2 when `multi_label=True`"),
        (
            lambda: metrics.AUC(multi_label=True, num_labels=2)(np.eye(3), np.eye(3)),
            r"2 labels by `num_labels`, but the predictions have shape \(3, 3\)",
        ),
        (lambda: metrics.AUC(label_weights=[1.0])(np.eye(3), np.eye(3)), "1 labels by `label_w"),
        (lambda: metrics.PrecisionAtRecall(1.5), r"`recall` must be in the range \[0, 1\]"),
        (lambda: metrics.PrecisionAtRecall(0.5, num_thresholds=0), "an integer > 0"),
        (lambda: metrics.F1Score(average="all"), "Invalid `average` argument value"),
        (lambda: metrics.FBetaScore(beta=0), "Invalid `beta` argument value"),
        (lambda: metrics.F1Score(threshold=1.5), "should verify 0 < threshold <= 1"),
        (
            lambda: metrics.F1Score()([0, 1], np.eye(2)),
            "F1Score expects 2D inputs .*one-hot|to_cat",
        ),
        (lambda: metrics.IoU(3, [3]), r"Target class id 3 is out of range, which is \[0, 3\)"),
        (lambda: metrics.MeanIoU(3)([0, 1], np.eye(2)), "both need the same shape"),
        (lambda: metrics.R2Score("all"), "Invalid value for argument `class_aggregation`"),
        (lambda: metrics.R2Score(num_regressors=-1), "Expected a value >= 0"),
        (lambda: metrics.R2Score()([0.0, 1.0], [0.0, 1.0]), "R2Score expects 2D inputs"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ------------------------------------------------------------------ intersection over union
@pytest.mark.parametrize("weights", [None, RNG.random((4, 5)).astype("f4")])
def test_intersection_over_union(weights):
    y_true, y_pred = RNG.integers(0, 3, (2, 4, 5))
    w = np.ones((4, 5)) if weights is None else weights
    each = [
        (w * ((y_true == c) & (y_pred == c))).sum() / (w * ((y_true == c) | (y_pred == c))).sum()
        for c in range(3)
    ]
    assert np.isclose(metrics.MeanIoU(5)(y_true, y_pred, weights), np.mean(each))  # 3, 4: not there
    assert np.isclose(metrics.IoU(3, [1])(y_true, y_pred, weights), each[1])
    one_hot, scores = np.eye(3)[y_true], np.eye(3)[y_pred] - 0.5
    assert np.isclose(
        metrics.OneHotIoU(3, [0, 2])(one_hot, scores, weights), (each[0] + each[2]) / 2
    )
    moved = metrics.OneHotMeanIoU(3, axis=1)(
        np.moveaxis(one_hot, -1, 1), np.moveaxis(scores, -1, 1)
    )
    assert weights is not None or np.isclose(moved, np.mean(each))


def test_ignored_and_unknown_labels_do_not_count():
    y_true, y_pred = [0, 255, 1, -1, 1], [0, 0, 1, 1, 0]
    assert np.isclose(metrics.MeanIoU(2)(y_true, y_pred), 0.5)
    assert np.isclose(metrics.MeanIoU(2, ignore_class=1)(y_true, y_pred), 1.0)


# ------------------------------------------------------------------ regression
def test_the_explained_variance_does_not_suffer_from_a_large_mean():
    y_true = RNG.normal(size=(64, 2)).astype("f4")
    y_pred = y_true + RNG.normal(size=(64, 2)).astype("f4") / 2
    expected = 1 - ((y_true - y_pred) ** 2).sum(0) / ((y_true - y_true.mean(0)) ** 2).sum(0)
    shift = np.float32(4096)
    for offset, tolerance in ((0, 1e-5), (shift, 1e-2)):  # numbers near 4096 have steps of 0.0005
        metric = metrics.R2Score(class_aggregation=None)
        for i in range(0, 64, 16):
            metric.update_state(y_true[i : i + 16] + offset, y_pred[i : i + 16] + offset)
        assert np.allclose(metric.result(), expected, atol=tolerance)


def test_the_adjusted_score_counts_samples_once_for_each_output():
    y_true = RNG.normal(size=(20, 2)).astype("f4")
    y_pred = y_true + RNG.normal(size=(20, 2)).astype("f4") / 2
    plain = metrics.R2Score()(y_true, y_pred)
    adjusted = metrics.R2Score(num_regressors=3)(y_true, y_pred)
    assert np.isclose(adjusted, 1 - (1 - plain) * 39 / 36, atol=1e-6)
    assert metrics.R2Score(num_regressors=39)(y_true, y_pred) == plain  # no degree of freedom left


def test_correlations():
    a, b = RNG.normal(size=(2, 3, 8))
    expected = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    assert np.allclose(metrics.pearson_correlation(a, b), expected, atol=1e-5)
    assert np.allclose(metrics.concordance_correlation(a, a + 1e-6), 1, atol=1e-4)
    both = a.var(-1) + b.var(-1) + (a.mean(-1) - b.mean(-1)) ** 2
    concordance = 2 * np.array(expected) * a.std(-1) * b.std(-1) / both
    assert np.allclose(metrics.concordance_correlation(a, b), concordance, atol=1e-5)
    assert np.isclose(metrics.PearsonCorrelation(axis=0)(a.T, b.T), np.mean(expected), atol=1e-5)


def test_the_root_of_the_mean_square_is_masked_too():
    metric = metrics.RootMeanSquaredError()
    y = np.array([[[3.0], [100.0]], [[3.0], [3.0]]])
    mask = np.array([[True, False], [True, True]])
    assert np.isclose(metric.compute(metric.update(metric.init(), y, 0 * y, mask=mask)), 3.0)
    state = metric.update(metric.init(), y, 0 * y, sample_weight=[0.0, 1.0])
    assert np.isclose(metric.compute(state), 3.0)


def test_metrics_run_inside_one_compiled_scan_with_a_donated_state():
    kept = [
        metrics.AUC(),
        metrics.F1Score(average="macro"),
        metrics.R2Score(),
        metrics.Mean("loss"),
    ]
    y = np.eye(4, 3, dtype="f4")

    def step(states, batch):
        new = [m.update(s, *batch) for m, s in zip(kept[:3], states, strict=False)]
        return [*new, kept[3].update(states[3], batch[1])], None

    run = jax.jit(lambda s, xs: jax.lax.scan(step, s, xs)[0], donate_argnums=0)
    states = [m.init(y, y) for m in kept]
    states = run(states, (np.stack([y] * 5), np.stack([y] * 5)))
    results = [m.compute(s) for m, s in zip(kept, states, strict=True)]
    assert np.allclose(results, [1, 1, 1, 0.25])


# ------------------------------------------------------------------ large counts
def test_no_pixel_is_lost_among_many():
    """In float32, 2**24 + 1 is 2**24."""
    metric = metrics.MeanIoU(num_classes=2)
    metric.update_state([0, 1], [0, 1])
    metric.total_confusion_matrix.assign(np.array([[2**24, 5], [7, 2**25]], "int32"))
    for _ in range(3):
        metric.update_state([0, 1, 1], [0, 1, 0])
    assert metric.total_confusion_matrix.numpy().tolist() == [[2**24 + 3, 5], [10, 2**25 + 3]]


def test_fractional_weights_are_counted_beside_whole_ones():
    rng = np.random.default_rng(0)
    metric, floats = metrics.MeanIoU(3), metrics.MeanIoU(3, dtype="float32")
    for _ in range(4):
        y, x, weights = rng.integers(0, 3, 9), rng.integers(0, 3, 9), rng.random(9)
        for each in (metric, floats):
            each.update_state(y, x, sample_weight=weights)
    assert np.isclose(metric.result(), floats.result())
    whole = metric.total_confusion_matrix.numpy()
    assert whole.dtype == "int32"
    total = whole + metric.fractions.numpy()
    assert np.allclose(total, floats.total_confusion_matrix.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("method", "area"), [("interpolation", 0.75), ("minoring", 0.5), ("majoring", 1.0)]
)
def test_areas_between_two_thresholds(method, area):
    """At -0, 0.5 and 1, the true positive rates are 1, 0.5, 0; the false ones 1, 0, 0."""
    metric = metrics.AUC(num_thresholds=3, summation_method=method)
    assert np.isclose(metric([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), area)
