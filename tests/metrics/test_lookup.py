"""Metrics by name, by config, from functions, and by the shapes of the data."""

import functools

import numpy as np
import pytest

from jkeras import losses, metrics


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("mse", "MeanSquaredError"), ("MAE", "MeanAbsoluteError"), ("auc", "AUC")),
        *(("AUC", "AUC"), ("fbeta_score", "FBetaScore"), ("log_cosh", "LogCoshError")),
        *(
            ("binary_accuracy", "BinaryAccuracy"),
            ("Precision", "Precision"),
            ("rmse", "RootMeanSquaredError"),
        ),
        *(("kl_divergence", "KLDivergence"), ("cosine_similarity", "CosineSimilarity")),
    ],
)
def test_names_make_objects(name, kind):
    assert type(metrics.get(name)).__name__ == kind
    assert metrics.as_metric(name).name == name  # its name in logs


def test_configs_classes_objects_functions_and_none():
    assert metrics.get({"class_name": "AUC", "config": {"num_thresholds": 7}}).num_thresholds == 7
    assert isinstance(metrics.get(metrics.AUC), metrics.AUC)
    metric = metrics.Mean()
    assert metrics.get(metric) is metric and metrics.as_metric(metric) is metric
    assert metrics.get(None) is None and metrics.as_metric(None) is None
    assert metrics.get(metrics.binary_accuracy) is metrics.binary_accuracy
    again = metrics.deserialize(metrics.serialize(metrics.binary_accuracy))
    assert again is metrics.binary_accuracy


def test_functions_become_means_of_their_name():
    def off_by(y_true, y_pred):
        return abs(y_true - y_pred)

    metric = metrics.as_metric(off_by)
    assert (metric.name, metric([1.0], [3.0]).item()) == ("off_by", 2.0)
    assert metrics.as_metric(lambda a, b: a).name == "lambda"
    assert metrics.as_metric(functools.partial(off_by)).name == "partial"
    assert metrics.as_metric(losses.mean_squared_error).name == "mean_squared_error"
    assert metrics.as_metric(losses.Huber()).name == "huber_loss"
    assert metrics.as_metric("huber")([[0.0]], [[3.0]]) == 2.5  # a loss without a metric's class


def test_a_mean_of_a_function_is_read_back():
    metric = metrics.MeanMetricWrapper(metrics.binary_accuracy, threshold=0.7)
    again = metrics.deserialize(metrics.serialize(metric))
    assert again([1.0], [0.6]) == metric([1.0], [0.6]) == 0.0
    config = {"class_name": "MeanMetricWrapper", "config": {"fn": "mean_absolute_error"}}
    assert metrics.get(config)([[0.0]], [[2.0]]) == 2.0  # as tf.keras wrote it


def test_unknown_names():
    with pytest.raises(ValueError, match="Unknown metric 'precison': did you mean 'Precision'"):
        metrics.get("precison")
    with pytest.raises(ValueError, match=r"Unknown metric 'acuracy'.*did you mean"):
        metrics.as_metric("acuracy")


# ------------------------------------------------------------------ by shapes
@pytest.mark.parametrize(
    ("target", "output", "kind"),
    [
        *((((None, 1)), (None, 1), "Binary"), ((None,), (None, 1), "Binary")),
        *(((None,), (None,), "Binary"), ((None, 5), (None, 5, 1), "Binary")),
        *(((None, 3), (None, 3), "Categorical"), ((None, 5, 3), (None, 5, 3), "Categorical")),
        *(((None, 1), (None, 3), "SparseCategorical"), ((None,), (None, 3), "SparseCategorical")),
        ((None, 5), (None, 5, 3), "SparseCategorical"),
    ],
)
def test_accuracy_and_crossentropy_follow_from_the_shapes(target, output, kind):
    for word, what in (("accuracy", "Accuracy"), ("acc", "Accuracy"), ("ce", "Crossentropy")):
        metric = metrics.as_metric(word, target, output)
        assert (type(metric).__name__, metric.name) == (kind + what, word)


def test_a_crossentropy_is_one_of_logits_if_the_loss_is():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    metric = metrics.as_metric("crossentropy", (None,), (None, 3), loss)
    y_pred = np.array([[2.0, -1.0, 0.5]])
    assert metric.name == "crossentropy"
    assert np.isclose(metric([0], y_pred), loss([0], y_pred))


def test_without_shapes_a_deferred_word_is_refused():
    assert metrics.is_deferred("Accuracy") and not metrics.is_deferred("mse")
    with pytest.raises(ValueError, match=r"follows from the shapes .*'binary_accuracy'"):
        metrics.as_metric("accuracy")
