"""Metrics against real Keras: results over batches, weights, masks, names, signatures, configs."""

import inspect
import warnings

import keras
import numpy as np
import pytest

from jkeras import metrics
from tests.catalog import losses as pairs
from tests.catalog.metrics import METRICS, class_maps, follows, spread

# Keras's own confusion matrix asks JAX for int64.
pytestmark = pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")

CLASSES = sorted({case.name for case in METRICS})
# Keras counts these in integers, which cuts off weights; ours keep the rest beside: give floats.
FLOATS = {"IoU", "BinaryIoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}


@pytest.mark.parametrize("case", METRICS, ids=str)
def test_results_over_batches_are_keras_s(case, compare):
    rng = np.random.default_rng(11)
    more = {"dtype": "float32"} if case.name in FLOATS else {}
    ours, theirs = case.make(metrics, **more), case.make(keras.metrics, **more)
    for weighted in (False, False, case.weights, case.weights):
        data = case.draw(rng, 5)
        weights = {}
        if weighted:
            shape = data[0].shape[:2] if case.name in FLOATS else 5
            weights = {"sample_weight": rng.random(shape).astype("f4")}
        ours.update_state(*data, **weights)
        theirs.update_state(*data, **weights)
        compare(case.name, ours.result(), theirs.result())
    their_values = {v.name: v.value for v in theirs.variables}
    for variable in ours.variables:
        if case.name != "R2Score":  # ours keeps means, not sums
            compare(f"{case.name}: state", variable.value, their_values[variable.name])


@pytest.mark.parametrize("name", ["Mean", "AUC", "Precision", "TruePositives", "MeanIoU"])
def test_without_data_results_are_keras_s(name, compare):
    options = {"num_classes": 3} if name == "MeanIoU" else {}
    ours, theirs = (getattr(m, name)(**options) for m in (metrics, keras.metrics))
    compare("without data", ours.result(), theirs.result())


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3), (5, 3, 1), ()], ids=str)
def test_weights_of_means_are_keras_s(shape, compare):
    rng = np.random.default_rng(4)
    weights = rng.random(shape).astype("f4") if shape else 0.7
    for name in ("Mean", "Sum"):
        ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
        for _ in range(2):
            values = rng.random((5, 3)).astype("f4")
            ours.update_state(values, weights)
            theirs.update_state(values, weights)
            compare("weights of means", ours.result(), theirs.result())


@pytest.mark.parametrize("name", ["MeanSquaredError", "BinaryAccuracy", "BinaryCrossentropy"])
@pytest.mark.parametrize("weighted", [False, True])
def test_masks_are_keras_s(name, weighted, compare):
    rng = np.random.default_rng(5)
    mask = rng.random((4, 5)) < 0.5
    y_true = rng.integers(0, 2, (4, 5, 1)).astype("f4")
    y_pred = np.where(mask[..., None], rng.random((4, 5, 1)), 0).astype("f4")
    weights = rng.random((4, 5)).astype("f4") if weighted else None
    theirs = getattr(keras.metrics, name)()
    theirs.update_state(y_true, keras.layers.Masking()(y_pred), weights)
    ours = getattr(metrics, name)()
    ours.update_state(y_true, y_pred, weights, mask=mask)
    compare("masks", ours.result(), theirs.result())


BORDERS = [case for case in METRICS if case.draw is spread and case.name not in FLOATS]


@pytest.mark.parametrize("case", BORDERS, ids=str)
def test_ties_and_borders_are_keras_s(case, compare):
    y_pred = np.linspace(0, 1, 15, dtype="f4").reshape(5, 3)
    y_true = np.tile([[0, 1, 0], [1, 0, 1]], (3, 1))[:5].astype("f4")
    ours, theirs = case.make(metrics), case.make(keras.metrics)
    compare("ties and borders", ours(y_true, y_pred), theirs(y_true, y_pred))


def test_labels_that_are_no_class_are_dropped_as_in_keras(compare):
    rng = np.random.default_rng(2)
    y_true, y_pred = class_maps(rng, 9)
    y_true = np.where(rng.random(y_true.shape) < 0.2, 255, y_true)
    for ignored in (255, 1, None):
        ours, theirs = (
            m.MeanIoU(num_classes=4, ignore_class=ignored) for m in (metrics, keras.metrics)
        )
        ours.update_state(y_true, y_pred)
        theirs.update_state(y_true, y_pred)
        compare("labels that are no class", ours.result(), theirs.result())


@pytest.mark.parametrize("weighted", [False, True])
def test_ignored_classes_are_keras_s(weighted, compare):
    rng = np.random.default_rng(4)
    y_true, y_pred = pairs.classes(rng, 6)
    # Of weights for samples, not for labels, Keras's mean makes an error.
    weights = rng.random(y_true.shape).astype("f4") if weighted else None
    ours, theirs = (
        m.SparseCategoricalCrossentropy(ignore_class=2) for m in (metrics, keras.metrics)
    )
    ours.update_state(y_true, y_pred, weights)
    theirs.update_state(y_true, y_pred, weights)
    compare("SparseCategoricalCrossentropy", ours.result(), theirs.result())


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_adjusted_score_is_keras_s(outputs, compare):
    y_true, y_pred = (y[:, :outputs] for y in follows(np.random.default_rng(3), 12))
    weights = np.random.default_rng(4).random(12) + 0.1
    for given in (None, weights):
        ours, theirs = (m.R2Score(num_regressors=3) for m in (metrics, keras.metrics))
        compare("adjusted R2", ours(y_true, y_pred, given), theirs(y_true, y_pred, given))


@pytest.mark.parametrize("case", [c for c in METRICS if c.name in FLOATS], ids=str)
def test_counts_are_keras_s(case, compare):
    ours, theirs = case.make(metrics), case.make(keras.metrics)
    data = case.draw(np.random.default_rng(3), 12)
    weights = np.random.default_rng(4).integers(0, 3, data[0].shape[:2])
    for given in (None, weights):
        ours.update_state(*data, sample_weight=given)
        theirs.update_state(*data, sample_weight=given)
        compare(case.name, ours.result(), theirs.result())
    compare(f"{case.name}: state", ours.variables[0].value, theirs.variables[0].value)


def test_attributes_of_thresholds_are_keras_s(compare):
    for options in ({}, {"thresholds": [0.4, 0.2]}, {"num_thresholds": 5}):
        ours, theirs = (m.AUC(**options) for m in (metrics, keras.metrics))
        compare("thresholds", ours.thresholds, theirs.thresholds)
        assert ours.num_thresholds == theirs.num_thresholds
    for options in ({}, {"thresholds": 0.3}, {"thresholds": [0.4, 0.2]}):
        ours, theirs = (m.Precision(**options) for m in (metrics, keras.metrics))
        assert (ours.thresholds, ours.init_thresholds) == (
            theirs.thresholds,
            theirs.init_thresholds,
        )


@pytest.mark.parametrize(
    "name",
    [
        *("binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy"),
        *("top_k_categorical_accuracy", "sparse_top_k_categorical_accuracy"),
        *("pearson_correlation", "concordance_correlation"),
    ],
)
def test_functions_are_keras_s(name, compare):
    draw = {
        "binary_accuracy": pairs.binary,
        "categorical_accuracy": pairs.one_hot,
        "top_k_categorical_accuracy": pairs.one_hot_logits,
        "pearson_correlation": follows,
        "concordance_correlation": follows,
    }.get(name, pairs.classes)
    options = {"k": 2} if "top_k" in name else {}
    for seed in range(3):
        data = draw(np.random.default_rng(seed), 6)
        ours = getattr(metrics, name)(*data, **options)
        compare(name, ours, getattr(keras.metrics, name)(*data, **options))


def test_ties_of_top_k_are_keras_s(compare):
    y_pred = np.random.default_rng(1).integers(0, 4, (40, 5)).astype("f4")
    labels = np.random.default_rng(2).integers(0, 5, 40)
    for k in (1, 2, 3, 7):
        ours, theirs = (
            m.sparse_top_k_categorical_accuracy(labels, y_pred, k=k)
            for m in (metrics, keras.metrics)
        )
        compare("ties of top k", ours, theirs)


# ------------------------------------------------------------------ what compile() makes of words
SHAPES = {
    "one unit": ((1,), (1,)),
    "one unit, flat labels": ((1,), ()),
    "one-hot": ((3,), (3,)),
    "class numbers": ((3,), (1,)),
    "flat class numbers": ((3,), ()),
    "time steps": ((5, 3), (5, 1)),
    "flat time steps": ((5, 3), (5,)),
    "one-hot time steps": ((5, 3), (5, 3)),
    "binary time steps": ((5, 1), (5,)),
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=list(SHAPES))
def test_accuracy_is_the_metric_that_keras_picks(shapes):
    output, target = shapes
    word = {1: "accuracy", 2: "Accuracy", 0: "acc"}[len(target)]
    units = keras.layers.Dense(int(np.prod(output)))
    model = keras.Sequential([keras.Input((2,)), units, keras.layers.Reshape(output)])
    model.compile(loss=None, metrics=[word])
    y_true = np.random.default_rng(0).integers(0, 2, (4, *target))
    (name,) = set(model.evaluate(np.ones((4, 2)), y_true, verbose=0, return_dict=True)) - {"loss"}
    (theirs,) = model._compile_metrics.metrics
    ours = metrics.as_metric(word, (None, *target), (None, *output))
    assert (type(ours).__name__, ours.name) == (type(theirs).__name__, name)


WORDS = ["mse", "MSE", "mae", "mape", "msle", "bce", "AUC", "auc", "Precision", "binary_accuracy"]


@pytest.mark.parametrize(
    "word", [*WORDS, "cosine_similarity", "hinge", "poisson", "BinaryAccuracy"]
)
def test_words_name_the_metrics_of_keras(word):
    ours, theirs = metrics.as_metric(word), keras.metrics.get(word)
    assert type(ours).__name__ == type(theirs).__name__
    assert ours.name == word  # which is its name in logs


# ------------------------------------------------------------------ names, signatures, configs
@pytest.mark.parametrize("name", CLASSES)
def test_signatures_are_keras_s(name):
    def shape(function):
        parameters = inspect.signature(function).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert shape(getattr(metrics, name)) == shape(getattr(keras.metrics, name))


@pytest.mark.parametrize("case", METRICS, ids=str)
def test_names_and_configs_are_keras_s(case):
    keras.backend.clear_session()
    ours, theirs = case.make(metrics), case.make(keras.metrics)
    assert ours.name == theirs.name
    their_config = _plain(theirs.get_config())
    config = _plain(ours.get_config())
    assert config.items() >= their_config.items()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = keras.metrics.deserialize(metrics.serialize(ours))
    assert _plain(read.get_config()) == their_config
    again = metrics.deserialize(keras.metrics.serialize(theirs))
    assert _plain(again.get_config()).items() >= _plain(theirs.get_config()).items()


def _plain(config):
    return {k: np.asarray(v).tolist() if np.ndim(v) else v for k, v in config.items()}


def test_every_public_name_of_keras_is_there():
    theirs = {name for name in dir(keras.metrics) if not name.startswith("_")}
    assert theirs <= set(dir(metrics))


def test_a_metric_in_keras_s_spelling_runs_in_both():
    def define(metric_class):
        class Range(metric_class):
            def __init__(self, name="range", **kwargs):
                super().__init__(name=name, **kwargs)
                self.low = self.add_variable(shape=(), initializer="zeros", name="low")
                self.high = self.add_weight(name="high", initializer="zeros")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.low.assign(keras.ops.minimum(self.low.value, keras.ops.min(y_pred)))
                self.high.assign(keras.ops.maximum(self.high.value, keras.ops.max(y_pred)))

            def result(self):
                return self.high.value - self.low.value

        return Range()

    ours, theirs = define(metrics.Metric), define(keras.metrics.Metric)
    rng = np.random.default_rng(0)
    for _ in range(3):
        y = rng.normal(size=(2, 4)).astype("f4")
        assert float(ours(*y)) == float(theirs(*y))
    values = [np.float32(-1), np.float32(2)]
    assert float(ours.stateless_result(values)) == float(theirs.stateless_result(values)) == 3.0
