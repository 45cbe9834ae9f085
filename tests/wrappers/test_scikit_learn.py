import subprocess
import sys

import numpy as np
import pytest

import jkeras as keras

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from jkeras.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer


def classify(X, y, rate=0.5):
    layers = [keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(rate))
    return model


def regress(X, y, units=1, rate=0.1):
    model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(units)])
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


@pytest.fixture
def clouds():
    """Three clouds of points, and their names."""
    generator = np.random.default_rng(0)
    numbers = generator.permutation(np.arange(60) % 3)
    centers = np.array([[0, 3], [3, 0], [-3, -3]])
    return centers[numbers] + generator.normal(size=(60, 2)), np.array(["a", "b", "c"])[numbers]


@pytest.fixture
def line():
    X = np.random.default_rng(1).normal(size=(64, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3


def test_a_classifier(clouds):
    X, y = clouds
    classifier = SKLearnClassifier(classify, fit_kwargs={"epochs": 30, "verbose": 0})
    assert classifier.fit(X, y) is classifier
    assert classifier.classes_.tolist() == ["a", "b", "c"]
    assert classifier.n_features_in_ == 2
    assert classifier.score(X, y) > 0.95
    predicted = classifier.predict(X)
    assert predicted.shape == (60,) and predicted.dtype == y.dtype
    outputs = classifier.decision_function(X)
    assert outputs.shape == (60, 3)
    assert (predicted == classifier.classes_[outputs.argmax(1)]).all()
    assert classifier.epoch_ == len(classifier.history_.history["loss"]) == 30
    classifier.fit(X, y, epochs=2)
    assert classifier.epoch_ == 2


def test_a_regressor(line):
    X, y = line
    regressor = SKLearnRegressor(
        regress, model_kwargs={"rate": 0.2}, fit_kwargs={"epochs": 60, "verbose": 0}
    )
    assert regressor.epoch_ == 0
    assert regressor.fit(X, y).score(X, y) > 0.999
    assert regressor.predict(X).shape == (64,)
    assert regressor.model_.optimizer.learning_rate == pytest.approx(0.2)


@pytest.mark.filterwarnings("ignore:y_true of shape")  # one target for four outputs
def test_a_transformer(line):
    X, y = line
    transformer = SKLearnTransformer(regress, model_kwargs={"units": 4})
    outputs = transformer.fit(X, y, verbose=0).transform(X)
    assert outputs.shape == (64, 4)
    np.testing.assert_allclose(outputs, transformer.model_.predict(X, verbose=0))
    assert transformer.fit_transform(X, y, verbose=0).shape == (64, 4)


def test_in_pipelines_and_searches(clouds):
    X, y = clouds
    classifier = SKLearnClassifier(classify, fit_kwargs={"epochs": 10, "verbose": 0})
    pipeline = make_pipeline(StandardScaler(), classifier)
    grid = {"sklearnclassifier__model_kwargs": [{"rate": 1e-9}, {"rate": 0.5}]}
    search = GridSearchCV(pipeline, grid, cv=2, refit=False).fit(X, y)
    assert search.best_params_ == {"sklearnclassifier__model_kwargs": {"rate": 0.5}}
    assert search.best_score_ > 0.9


def test_parameters_and_tags():
    classifier = SKLearnClassifier(classify, fit_kwargs={"epochs": 3})
    expected = {"model": classify, "warm_start": False, "model_kwargs": None}
    assert classifier.get_params() == {**expected, "fit_kwargs": {"epochs": 3}}
    assert classifier.set_params(warm_start=True).warm_start
    tags = get_tags(classifier)
    assert tags.estimator_type == "classifier" and tags.non_deterministic
    assert get_tags(SKLearnRegressor(regress)).estimator_type == "regressor"
    assert get_tags(SKLearnTransformer(regress)).transformer_tags is not None


def test_warm_start_goes_on(line):
    X, y = line
    made = []

    def make(X, y):
        made.append(regress(X, y))
        return made[-1]

    cold, warm = (SKLearnRegressor(make, warm_start=warm) for warm in (False, True))
    for regressor in (cold, warm):
        regressor.fit(X, y, verbose=0)
        first = regressor.model_
        weights = first.get_weights()
        regressor.fit(X, y, epochs=0 if regressor is warm else 1, verbose=0)
        if regressor is warm:
            assert regressor.model_ is first
            np.testing.assert_array_equal(first.get_weights()[0], weights[0])
        else:
            assert regressor.model_ is not first
    assert len(made) == 3


def test_a_given_model_is_trained_itself_with_warm_start(line):
    X, y = line
    model = regress(X, y)
    regressor = SKLearnRegressor(model, warm_start=True).fit(X, y, verbose=0)
    assert regressor.model_ is model


def test_a_given_model_is_cloned(line):
    X, y = line
    model = regress(X, y)
    before = model.get_weights()
    regressor = SKLearnRegressor(model, fit_kwargs={"verbose": 0}).fit(X, y)
    assert regressor.model_ is not model
    assert regressor.model_.optimizer.learning_rate == pytest.approx(0.1)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (keras.Sequential([keras.Input((3,))]), RuntimeError, "needs to be compiled"),
        (lambda X, y: keras.Sequential([keras.Input((3,))]), RuntimeError, "needs to be compiled"),
        (lambda X, y: 5, TypeError, "must return a keras.Model, it gave 5"),
        ("mlp", TypeError, "or a function that returns one, got 'mlp'"),
    ],
)
def test_what_is_no_model(line, model, error, message):
    with pytest.raises(error, match=message):
        SKLearnRegressor(model).fit(*line)


def test_what_is_no_data(clouds, line):
    X, y = clouds
    with pytest.raises(ValueError, match="can't train when only one class is present"):
        SKLearnClassifier(classify).fit(X, np.zeros(60))
    with pytest.raises(ValueError, match="continuous"):
        SKLearnClassifier(classify).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="1d array"):
        SKLearnRegressor(regress).fit(X, X)
    with pytest.raises(NotFittedError):
        SKLearnRegressor(regress).predict(X)
    classifier = SKLearnClassifier(classify).fit(X, y, verbose=0)
    with pytest.raises(ValueError, match="X has 1 features, but SKLearnClassifier is expecting 2"):
        classifier.predict(X[:, :1])


def test_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
import jkeras.wrappers
assert "SKLearnClassifier" in dir(jkeras.wrappers)
jkeras.wrappers.SKLearnClassifier
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras.wrappers.SKLearnClassifier needs scikit-learn")
    assert "pip install scikit-learn" in last


def test_other_names():
    with pytest.raises(AttributeError, match="has no attribute 'SKLearnClasifier'"):
        keras.wrappers.SKLearnClasifier


@pytest.mark.parametrize("from_logits", [False, True])
def test_probabilities_for_calibration_and_voting(clouds, from_logits):
    def make(X, y):
        model = classify(X, y)
        if from_logits:
            model.layers[-1].activation = keras.activations.linear
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            model.compile(loss=loss, optimizer=keras.optimizers.SGD(0.5))
        return model

    X, y = clouds
    classifier = SKLearnClassifier(make, fit_kwargs={"epochs": 20, "verbose": 0})
    probabilities = make_pipeline(StandardScaler(), classifier).fit(X, y).predict_proba(X)
    assert probabilities.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    assert (probabilities >= 0).all()
    outputs = classifier.decision_function(StandardScaler().fit_transform(X))
    expected = np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True) if from_logits else outputs
    np.testing.assert_allclose(probabilities, expected, rtol=1e-4)
    for ensemble in (
        CalibratedClassifierCV(classifier, cv=2),
        VotingClassifier([("one", classifier), ("two", classifier)], voting="soft"),
    ):
        found = ensemble.fit(X, y).predict_proba(X)
        assert found.shape == (60, 3)
        assert (ensemble.classes_[found.argmax(1)] == y).mean() > 0.9


# ------------------------------------------------------------------ Keras 2's
def old_classifier(units=3, rate=0.5):
    layers = [keras.Input((2,)), keras.layers.Dense(units, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(rate), "categorical_crossentropy")
    return model


def test_the_wrappers_of_keras_2(clouds, line):
    from jkeras.wrappers.scikit_learn import KerasClassifier, KerasRegressor

    X, y = clouds
    with pytest.warns(DeprecationWarning, match="SKLearnClassifier") as caught:
        classifier = KerasClassifier(build_fn=old_classifier, epochs=30, verbose=0, rate=0.4)
    assert len(caught) == 1
    history = classifier.fit(X, y)
    assert len(history.epoch) == 30 and classifier.score(X, y) > 0.9
    assert classifier.predict(X).dtype == y.dtype
    assert classifier.predict_proba(X).shape == (60, 3)
    with pytest.warns(DeprecationWarning, match="Keras 2's"):
        search = GridSearchCV(classifier, {"rate": [1e-6, 0.5]}, cv=3, refit=False).fit(X, y)
    assert search.best_params_ == {"rate": 0.5}
    with pytest.warns(DeprecationWarning, match="SKLearnRegressor"):
        regressor = KerasRegressor(lambda: regress(line[0], line[1]), epochs=60, verbose=0)
    regressor.fit(*line)
    assert regressor.predict(line[0]).shape == (64,) and regressor.score(*line) > -0.1
    with pytest.raises(ValueError, match="not a legal parameter"):
        classifier.set_params(nope=1)
    with (
        pytest.raises(TypeError, match="must be a function"),
        pytest.warns(DeprecationWarning, match="Keras 2's"),
    ):
        KerasRegressor(3)
