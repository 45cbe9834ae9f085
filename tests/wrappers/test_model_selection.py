"""scikit-learn's searches over wrapped models: trained together, scored as scikit-learn does."""

import pickle

import numpy as np
import pytest

import jkeras as keras

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn import model_selection
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from jkeras import wrappers

FIT = {"epochs": 3, "batch_size": 8, "verbose": 0}


def regress(X, y, rate=0.1, units=4, seed=0):
    keras.utils.set_random_seed(seed)
    layers = [keras.Input(X.shape[1:]), keras.layers.Dense(units, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def classify(X, y, rate=0.5):
    keras.utils.set_random_seed(1)
    layers = [keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], activation="softmax")]
    model = keras.Sequential(layers)
    model.compile(loss="categorical_crossentropy", optimizer=keras.optimizers.SGD(rate))
    return model


@pytest.fixture
def data():
    X = np.random.default_rng(1).normal(size=(60, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3


@pytest.fixture
def fits(monkeypatch):
    """The number of single fits."""
    counted, before = [], keras.Model.fit

    def fit(self, *args, **kwargs):
        counted.append(self)
        return before(self, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "fit", fit)
    return counted


GRID = {"model_kwargs__rate": [0.01, 0.1], "model_kwargs__seed": [0, 5]}


def same_results(ours, theirs):
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        if name == "params":
            assert ours[name] == values
        elif "time" not in name:
            np.testing.assert_allclose(
                np.ma.getdata(ours[name]).astype(float),
                np.ma.getdata(values).astype(float),
                atol=1e-5,
                err_msg=name,
            )


def test_a_grid_is_one_program_and_gives_scikit_learns_results(data, fits):
    estimator = wrappers.SKLearnRegressor(regress, fit_kwargs=FIT)
    ours = wrappers.GridSearchCV(estimator, GRID, cv=3, return_train_score=True).fit(*data)
    assert len(fits) == 1  # that of the best settings to all data
    theirs = model_selection.GridSearchCV(estimator, GRID, cv=3, return_train_score=True)
    theirs.fit(*data)
    same_results(ours.cv_results_, theirs.cv_results_)
    assert ours.best_params_ == theirs.best_params_ and ours.n_splits_ == 3
    np.testing.assert_allclose(ours.predict(data[0]), theirs.predict(data[0]), atol=1e-5)
    assert ours.best_estimator_.history_.history.keys() == {"loss"}
    assert ours.estimator is estimator and estimator._fits is None
    again = pickle.loads(pickle.dumps(ours.best_estimator_))
    np.testing.assert_array_equal(again.predict(data[0]), ours.predict(data[0]))


def test_other_architectures_are_other_programs(data, fits):
    grid = {"model_kwargs__units": [2, 3], "model_kwargs__rate": [0.01, 0.1]}
    estimator = wrappers.SKLearnRegressor(regress, fit_kwargs=FIT)
    ours = wrappers.GridSearchCV(estimator, grid, cv=3, refit=False).fit(*data)
    assert not fits
    theirs = model_selection.GridSearchCV(estimator, grid, cv=3, refit=False).fit(*data)
    same_results(ours.cv_results_, theirs.cv_results_)


def test_folds_of_other_sizes_and_arguments_of_fit(data, fits):
    grid = {"fit_kwargs__epochs": [1, 2]}
    estimator = wrappers.SKLearnRegressor(regress, fit_kwargs=FIT)
    cv = model_selection.KFold(7, shuffle=True)  # drawn anew at each call of `split`
    ours = wrappers.GridSearchCV(estimator, grid, cv=cv, refit=False).fit(*data)
    assert not fits
    assert np.isfinite(ours.cv_results_["split6_test_score"]).all()


def test_classifiers_and_scorers():
    generator = np.random.default_rng(0)
    numbers = generator.permutation(np.arange(60) % 3)
    X = np.array([[0, 3], [3, 0], [-3, -3]])[numbers] + generator.normal(size=(60, 2))
    y = np.array(["a", "b", "c"])[numbers]
    estimator = wrappers.SKLearnClassifier(classify, fit_kwargs=FIT)
    ours = wrappers.cross_validate(
        estimator, X, y, cv=3, scoring=["accuracy", "neg_log_loss"], return_estimator=True
    )
    theirs = model_selection.cross_validate(
        estimator, X, y, cv=3, scoring=["accuracy", "neg_log_loss"]
    )
    for name in ("test_accuracy", "test_neg_log_loss"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-5)
    assert [one.classes_.tolist() for one in ours["estimator"]] == [["a", "b", "c"]] * 3
    np.testing.assert_allclose(
        wrappers.cross_val_score(estimator, X, y, cv=3, scoring="accuracy"), ours["test_accuracy"]
    )
    # A fold that lacks a class is fitted by itself.
    lacking = [(np.flatnonzero(y != "c"), np.arange(5)), (np.arange(40), np.arange(40, 60))]
    scores = wrappers.cross_val_score(estimator, X, y, cv=lacking)
    assert np.isfinite(scores).all()


def test_one_of_the_models_arguments_is_set():
    given = {"rate": 0.5, "units": 3}
    estimator = wrappers.SKLearnRegressor(regress, model_kwargs=given)
    estimator.set_params(model_kwargs__rate=0.1, fit_kwargs__epochs=2, warm_start=True)
    assert estimator.model_kwargs == {"rate": 0.1, "units": 3} and given["rate"] == 0.5
    assert estimator.fit_kwargs == {"epochs": 2} and estimator.warm_start


def test_random_search(data, fits):
    estimator = wrappers.SKLearnRegressor(regress, fit_kwargs=FIT)
    grid = {"model_kwargs__rate": np.geomspace(1e-3, 1e-1, 20).tolist()}
    kinds = (wrappers.RandomizedSearchCV, model_selection.RandomizedSearchCV)
    ours, theirs = (
        kind(estimator, grid, n_iter=3, cv=2, random_state=0, refit=False).fit(*data)
        for kind in kinds
    )
    assert len(fits) == 6  # scikit-learn's
    same_results(ours.cv_results_, theirs.cv_results_)


@pytest.mark.parametrize(
    "estimator",
    [
        Ridge(),
        make_pipeline(StandardScaler(), wrappers.SKLearnRegressor(regress, fit_kwargs=FIT)),
        wrappers.SKLearnRegressor(
            regress,
            fit_kwargs={
                **FIT,
                "callbacks": [
                    keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
                ],
            },
        ),
        wrappers.SKLearnRegressor(regress, fit_kwargs={**FIT, "validation_split": 0.2}),
    ],
    ids=["another's", "a pipeline", "a callback for batches", "validation"],
)
def test_what_cannot_be_one_program_is_fitted_as_ever(estimator, data):
    ours = wrappers.cross_val_score(estimator, *data, cv=3)
    theirs = model_selection.cross_val_score(estimator, *data, cv=3)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
