"""Every metric of the catalog through fit, evaluate, files and the rest, beside its pure state.

Metrics of the same data are compiled together, into one program, since compiling takes the time.
"""

import copy
import inspect
import pickle
from collections import defaultdict

import numpy as np
import pytest

import jkeras as keras
from jkeras import metrics
from jkeras.base.naming import to_snake_case
from tests.catalog.metrics import METRICS

GROUPS = defaultdict(list)
for case in METRICS:
    if case.name not in ("Mean", "Sum"):  # of numbers, not of pairs
        GROUPS[case.draw].append(case)
CLASSES = sorted({case.name for cases in GROUPS.values() for case in cases})
MAPS = {"IoU", "BinaryIoU", "MeanIoU", "OneHotIoU", "OneHotMeanIoU"}


@keras.saving.register_keras_serializable("metrics_in_fit")
class Scale(keras.layers.Layer):
    """Predicts its inputs, and has a weight and a loss of its own."""

    def build(self, shape):
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x):
        self.add_loss(self.factor)
        return self.factor * x


def predicting(*shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    outputs = [Scale(name=f"out{i}")(x) for i, x in enumerate(inputs)]
    single = len(shapes) == 1
    return keras.Model(inputs[0] if single else inputs, outputs[0] if single else outputs)


def made(cases, prefix=""):
    return [case.make(metrics, name=f"{prefix}{i}_{case.name}") for i, case in enumerate(cases)]


def expected(cases, batches, prefix=""):
    """Returns the results of metrics that are updated by hand."""
    results = {}
    for metric in made(cases, prefix):
        for y_true, y_pred, weights in batches:
            metric.update_state(y_true, y_pred, weights)
        results[metric.name] = np.asarray(metric.result())
    return results


def same(logs, results):
    for name, value in results.items():
        np.testing.assert_allclose(logs[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


@pytest.mark.no_cover
@pytest.mark.parametrize("draw", GROUPS, ids=lambda draw: draw.__name__)
def test_metrics_of_compile(draw, tmp_path):
    cases = GROUPS[draw]
    rng = np.random.default_rng(3)
    y, x = draw(rng, 8)
    x = x.astype("float32")
    can = [case for case in cases if case.weights and case.name not in MAPS][-4:]
    weights = rng.choice([0.5, 1.0, 2.0], 8).astype("float32")
    halves = [slice(0, 4), slice(4, 8)]
    plain = expected(cases, [(y[h], x[h], None) for h in halves])
    weighted = expected(can, [(y[h], x[h], weights[h]) for h in halves], "w")

    model = predicting(x.shape[1:])
    model.compile(keras.optimizers.SGD(0.0), metrics=made(cases), weighted_metrics=made(can, "w"))
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", "loss")
    options = {"sample_weight": weights, "shuffle": False, "verbose": 0}
    history = model.fit(x, y, 4, 2, callbacks=[checkpoint], **options).history
    same({k: v[-1] for k, v in history.items()}, plain | weighted)
    shown = {metric.name: metric.result() for metric in model.metrics}
    same(shown, plain | weighted)
    logs = model.train_on_batch(x[:4], y[:4], return_dict=True)
    same(logs, expected(cases, [(y[:4], x[:4], None)]))
    model.reset_metrics()
    generator = ((x[h], y[h], weights[h]) for h in halves)
    same(model.evaluate(generator, verbose=0, return_dict=True), plain | weighted)
    model.save(tmp_path / "saved.keras")
    for path in ("saved.keras", "best.keras"):
        loaded = keras.saving.load_model(tmp_path / path)
        assert {type(m) for m in loaded.metrics} >= {type(m) for m in made(cases)}
    again = loaded.evaluate(x, y, 4, 0, weights, return_dict=True)
    same(again, plain | weighted)


@pytest.mark.no_cover
def test_metrics_of_two_outputs():
    """Those whose states have the data's shape, of outputs of different shapes."""
    kinds = [
        metrics.R2Score,
        metrics.F1Score,
        metrics.CategoricalAccuracy,
        lambda: metrics.AUC(multi_label=True, num_thresholds=5, name="auc"),
    ]
    rng = np.random.default_rng(0)
    x = [rng.random((8, n)).astype("float32") for n in (3, 2)]
    y = [np.eye(n, dtype="float32")[rng.integers(0, n, 8)] for n in (3, 2)]
    model = predicting((3,), (2,))
    model.compile(
        keras.optimizers.SGD(0.0), ["mse", "mae"], metrics=[[k() for k in kinds] for _ in range(2)]
    )
    logs = {k: v[-1] for k, v in model.fit(x, y, 4, shuffle=False, verbose=0).history.items()}
    found = model.evaluate(x, y, 4, verbose=0, return_dict=True)
    for i in range(2):
        results = {}
        for kind in kinds:
            metric = kind()
            metric.update_state(y[i], x[i])
            results[f"out{i}_{metric.name}"] = metric.result()
        same(logs, results)
        same(found, results)


def test_a_metric_object_measures_other_shapes_in_the_next_model():
    score = metrics.F1Score()
    for n in (3, 2):
        model = predicting((n,))
        model.compile("sgd", metrics=[score])
        data = np.eye(n, dtype="float32")
        logs = model.train_on_batch(data, data, return_dict=True)
        assert logs["f1_score"].tolist() == score.result().tolist() == [1.0] * n
        assert [v.shape for v in score.variables] == [(n,)] * 3
    score.reset_state()
    assert score([[0.0, 1.0, 0.0, 0.0]], [[0.1, 0.9, 0.0, 0.0]]).tolist() == [0, 1, 0, 0]


# ------------------------------------------------------------------ the user's
class Extremes(metrics.Metric):
    """Makes its variables at the first update, from the shape of the data."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        if not hasattr(self, "largest"):
            self.largest = self.add_variable(y_pred.shape[1:], "zeros", name="largest")
        self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(y_pred, axis=0)))

    def result(self):
        return keras.ops.max(self.largest)


class Smallest(metrics.Metric):
    """As pure functions: a state of the data's shape that does not start from zeros."""

    def init(self, y_true=None, y_pred=None):
        return {} if y_pred is None else {"smallest": np.full(y_pred.shape[1:], np.inf, "f4")}

    def update(self, state, y_true, y_pred, sample_weight=None, mask=None):
        return {"smallest": keras.ops.minimum(state["smallest"], keras.ops.min(y_pred, axis=0))}

    def compute(self, state):
        return keras.ops.min(state["smallest"])


class Around(metrics.Metric):
    """Holds another metric whose state has the data's shape."""

    def __init__(self, name="around", **kwargs):
        super().__init__(name=name, **kwargs)
        self.inner = metrics.R2Score()

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.inner.update_state(y_true, y_pred, sample_weight)

    def result(self):
        return self.inner.result()


class Below(metrics.R2Score):
    """Overrides one method of a built-in one."""

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, 0 * y_pred, sample_weight)


@pytest.mark.no_cover
def test_metrics_of_the_user_whose_states_have_the_data_s_shape():
    made = [Extremes(), Smallest(), Around(), Below(name="below")]
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 8, 3)).astype("float32")
    model = predicting((3,))
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=made)
    results = {
        "extremes": x.max(),
        "smallest": x.min(),
        "around": metrics.R2Score()(y, x),
        "below": metrics.R2Score()(y, 0 * x),
    }
    history = model.fit(x, y, 4, 2, shuffle=False, verbose=0).history
    same({k: v[-1] for k, v in history.items()}, results)
    same(model.train_on_batch(x, y, return_dict=True), results)
    same({metric.name: metric.result() for metric in made}, results)
    same(model.evaluate(x, y, verbose=0, return_dict=True), results)
    for metric in made:
        metric.reset_state()
        same({metric.name: metric(y, x)}, {metric.name: results[metric.name]})


@pytest.mark.parametrize("fitted_first", [False, True])
def test_metrics_of_a_model_s_own_compute_metrics(fitted_first):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = Scale()
            self.score = metrics.R2Score()

        def call(self, x):
            return self.scale(x)

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            self.score.update_state(y, y_pred)
            return {"score": self.score.result()}

    x, y = np.random.default_rng(1).random((2, 8, 3)).astype("float32")
    model = Own()
    model.compile("sgd", "mse")
    if fitted_first:
        model.fit(x, y, verbose=0)
        x = model.predict(x, verbose=0)
        model.scale.set_weights([np.float32(1.0)])
    found = model.evaluate(x, y, verbose=0, return_dict=True)["score"]
    np.testing.assert_allclose(found, metrics.R2Score()(y, x), rtol=1e-5)


def test_a_metric_sees_a_variable_change_that_it_reads():
    factor = keras.Variable(2.0, trainable=False)

    def constant(y_true, y_pred):
        return factor + 0 * keras.ops.mean(y_pred, axis=-1)

    x = np.ones((4, 2), "float32")
    model = predicting((2,))
    model.compile("sgd", "mse", metrics=[constant])
    assert model.evaluate(x, x, verbose=0)[1] == 2.0
    factor.assign(7.0)
    assert model.evaluate(x, x, verbose=0)[1] == 7.0


# ------------------------------------------------------------------ objects
@pytest.mark.parametrize("case", METRICS, ids=str)
def test_copies_hold_the_state(case):
    metric = case.make(metrics)
    data = case.draw(np.random.default_rng(0), 4)
    metric.update_state(*data)
    for again in (pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert again.get_config() == metric.get_config()
        np.testing.assert_array_equal(again.result(), metric.result())
        again.reset_state()
        again.update_state(*data)
        np.testing.assert_allclose(again.result(), metric.result(), rtol=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_names_and_classes_are_metrics_of_compile(name):
    cls = getattr(metrics, name)
    needs = [
        p
        for p in list(inspect.signature(cls.__init__).parameters.values())[1:]
        if p.default is p.empty
    ]
    if needs:
        with pytest.raises(TypeError, match=needs[0].name):
            metrics.as_metric(name)
        return
    names = [n for n in (name, to_snake_case(name)) if not metrics.is_deferred(n)]
    for identifier in (*names, cls):
        metric = metrics.as_metric(identifier)
        assert type(metric) is cls
        if isinstance(identifier, str):
            assert metric.name == identifier


class Counted(metrics.Mean):
    """A mean of the predictions that goes on from epoch to epoch, or starts from a number."""

    def __init__(self, start=None, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_pred)

    def reset_state(self):
        if self.start is not None:
            super().reset_state()
            self.total.assign(self.start)


def test_an_epoch_starts_with_what_the_metric_resets_itself_to():
    # an epoch on the device at once, and one whose batches are seen one by one
    for callbacks in (
        [],
        [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
    ):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(1.0)])
        model.compile("sgd", "mse", metrics=[Counted(name="on"), Counted(8.0, name="from")])
        x = np.arange(4.0)[:, None]
        rows = {"epochs": 3, "batch_size": 2, "verbose": 0, "callbacks": callbacks}
        logs = model.fit(x, x, **rows).history
        assert logs["on"] == pytest.approx([1.5, 1.5, 1.5])
        assert logs["from"] == pytest.approx([(8 + 6) / 4] * 3)
        logs = model.fit([[4.0], [9.0]] * np.ones((2, 1)), x[:2], epochs=2, verbose=0).history
        assert logs["from"] == pytest.approx([(8 + 13) / 2] * 2)

    class Sums(Counted):
        def result(self):
            return self.total

    model.compile("sgd", "mse", metrics=[Sums(name="on"), Sums(8.0, name="from")])
    logs = model.fit(x, x, epochs=3, verbose=0).history
    assert logs["on"] == pytest.approx([6, 12, 18])
    assert logs["from"] == pytest.approx([14, 14, 14])
