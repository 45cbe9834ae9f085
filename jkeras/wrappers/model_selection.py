"""scikit-learn's searches and cross-validation of wrapped models, trained as one program.

`jkeras.wrappers` imports this module when one of them is first used.
"""

import collections
import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn import model_selection
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.validation import validate_data

from jkeras.base.keys import draw_integer_seed
from jkeras.base.types import ArrayLike
from jkeras.models import Ensemble
from jkeras.models.members import WantsBatchesError
from jkeras.models.searching import group_by_structure
from jkeras.wrappers.scikit_learn import Fitted, _Estimator

# What `Ensemble.fit` means as `Model.fit` does when each member has rows of its own.
_SHARED = ("batch_size", "callbacks", "class_weight", "epochs", "initial_epoch", "shuffle")
Folds = Sequence[tuple[np.ndarray, np.ndarray]]


class _TrainsTogether:
    """A search of scikit-learn's that trains its candidates before they are scored."""

    estimator: Any
    cv: Any
    n_jobs: int | None

    def fit(self, X: ArrayLike, y: ArrayLike = None, **params: Any) -> Self:
        """Tries all settings on all folds, and fits the best one to all data.

        Args:
            X: Data of shape (samples, features).
            y: Targets of shape (samples,).
            **params: `groups`, and arguments of the estimator's `fit`.

        Returns:
            The search itself.
        """
        given, self._data = self.estimator, (X, y, params)
        try:
            self.estimator = _with_queue(given)
            return super().fit(X, y, **params)  # type: ignore[misc]
        finally:
            self.estimator = given
            del self._data

    def _run_search(self, evaluate_candidates: Callable[..., Any]) -> None:
        X, y, params = self._data
        others = {name: value for name, value in params.items() if name != "groups"}
        folds = _folds(self.estimator, X, y, params.get("groups"), self.cv)
        candidates = list(self._candidates())
        if self.n_jobs in (None, 1):
            _prepare(self.estimator, candidates, folds, X, y, others)
        evaluate_candidates(candidates, cv=check_cv(folds))

    def _candidates(self) -> Iterable[Mapping[str, Any]]:
        raise NotImplementedError


class GridSearchCV(_TrainsTogether, model_selection.GridSearchCV):
    """`sklearn.model_selection.GridSearchCV`, whose fits are one program where they can be.

    Models that differ in numbers only (learning rates, seeds, rates of dropout, the folds' rows)
    are trained together; other architectures one after the other; what cannot be trained so
    (pipelines, callbacks for batches, `n_jobs`) is fitted as scikit-learn does it.

    The arguments and attributes are scikit-learn's.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> def make(X, y, rate=0.1, seed=0):
        ...     keras.utils.set_random_seed(seed)
        ...     model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(rate), "mse")
        ...     return model
        >>> X = np.linspace(-1.0, 1.0, 60)[:, None]
        >>> search = keras.wrappers.GridSearchCV(
        ...     keras.wrappers.SKLearnRegressor(make, fit_kwargs={"epochs": 20, "verbose": 0}),
        ...     {"model_kwargs__rate": [0.001, 0.1], "model_kwargs__seed": [0, 1]},
        ...     cv=3,
        ... )
        >>> search.fit(X, 3 * X[:, 0]).best_params_["model_kwargs__rate"]
        0.1
    """

    def _candidates(self) -> Iterable[Mapping[str, Any]]:
        return model_selection.ParameterGrid(self.param_grid)


class RandomizedSearchCV(_TrainsTogether, model_selection.RandomizedSearchCV):
    """`sklearn.model_selection.RandomizedSearchCV`, whose fits are one program where they can be.

    See `GridSearchCV`. The arguments and attributes are scikit-learn's.
    """

    def _candidates(self) -> Iterable[Mapping[str, Any]]:
        given = self.param_distributions
        return model_selection.ParameterSampler(given, self.n_iter, random_state=self.random_state)


def cross_validate(
    estimator: Any,
    X: ArrayLike,
    y: ArrayLike = None,
    *,
    groups: ArrayLike = None,
    cv: Any = None,
    params: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> dict[str, Any]:
    """Does what `sklearn.model_selection.cross_validate` does; the folds are one program.

    Args:
        estimator: A wrapped model; others are fitted one after the other.
        X: Data of shape (samples, features).
        y: Targets of shape (samples,).
        groups: The group of each sample, for splitters that ask for it.
        cv: A number of folds, a splitter, or pairs of row numbers; 5 folds by default.
        params: Arguments of the estimator's `fit`.
        **arguments: Further ones of scikit-learn's function: `scoring`, `return_estimator`...

    Returns:
        Arrays of a value for each fold, by name.
    """
    ready, folds = _with_queue(clone(estimator)), _folds(estimator, X, y, groups, cv)
    if arguments.get("n_jobs") in (None, 1):
        _prepare(ready, [{}], folds, X, y, params or {})
    return model_selection.cross_validate(ready, X, y, cv=folds, params=params, **arguments)


def cross_val_score(
    estimator: Any, X: ArrayLike, y: ArrayLike = None, *, scoring: Any = None, **arguments: Any
) -> np.ndarray:
    """Does what `sklearn.model_selection.cross_val_score` does; the folds are one program.

    Args:
        estimator: A wrapped model; others are fitted one after the other.
        X: Data of shape (samples, features).
        y: Targets of shape (samples,).
        scoring: A scorer, or its name; the estimator's own score by default.
        **arguments: Further ones of `cross_validate`.

    Returns:
        An array of the score of each fold.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> def make(X, y):
        ...     model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(1)])
        ...     model.compile(keras.optimizers.SGD(0.1), "mse")
        ...     return model
        >>> X = np.linspace(-1.0, 1.0, 60)[:, None]
        >>> model = keras.wrappers.SKLearnRegressor(make, fit_kwargs={"epochs": 100, "verbose": 0})
        >>> keras.wrappers.cross_val_score(model, X, 3 * X[:, 0], cv=3).round(1)
        array([1., 1., 1.])
    """
    return cross_validate(estimator, X, y, scoring=scoring, **arguments)["test_score"]


# ------------------------------------------------------------------ parts
def _with_queue(estimator: Any) -> Any:
    """Returns the estimator with a queue of fits, which its clones share."""
    if isinstance(estimator, _Estimator):
        estimator = copy.copy(estimator)
        estimator._fits = collections.deque()
    return estimator


def _folds(estimator: Any, X: ArrayLike, y: ArrayLike, groups: ArrayLike, cv: Any) -> Folds:
    return list(check_cv(cv, y, classifier=is_classifier(estimator)).split(X, y, groups))


def _prepare(
    estimator: Any,
    candidates: Sequence[Mapping[str, Any]],
    folds: Folds,
    X: ArrayLike,
    y: ArrayLike,
    params: Mapping[str, Any],
) -> None:
    """Puts a fit into the queue for each candidate and fold, in the order of scikit-learn's calls.

    None stands for a fit that is to be done then.
    """
    if not isinstance(estimator, _Estimator) or estimator._fits is None:
        return
    x, labels = validate_data(clone(estimator), X, y)
    own = [clone(estimator).set_params(**values) for values in candidates]
    fits: dict[tuple[int, int], Fitted | None] = {
        (number, fold): None for number in range(len(own)) for fold in range(len(folds))
    }
    for group in _groups(own, x, labels, params):
        one = own[group[0]]
        targets, arguments = one._to_targets(labels), one.arguments(params)
        # Folds of other sizes have another last batch: they are another program.
        sizes: dict[tuple[int, int], list[int]] = {}
        for fold, (train, test) in enumerate(folds):
            if one.sees_all(labels[train], labels):
                sizes.setdefault((len(train), len(test)), []).append(fold)
        for members in sizes.values():
            places = [(number, fold) for number in group for fold in members]
            if len(places) > 1:
                models, rows = [own[n] for n, _ in places], [folds[fold] for _, fold in places]
                found = _fit_together(models, rows, x, targets, arguments)
                fits.update(zip(places, found, strict=True))
    estimator._fits.extend(fits.values())


def _groups(
    own: Sequence[Any], x: np.ndarray, labels: np.ndarray, params: Mapping[str, Any]
) -> list[list[int]]:
    """Returns the numbers of estimators whose fits may be one program, in groups."""
    able: dict[str, list[int]] = {}
    for number, one in enumerate(own):
        arguments = one.arguments(params)
        if not one.warm_start and set(arguments) <= {*_SHARED, "verbose"}:
            same = repr(sorted((k, repr(v)) for k, v in arguments.items()))
            able.setdefault(same, []).append(number)
    groups = []
    for numbers in able.values():
        singles = [Ensemble(_maker([own[n]], x, own[n]._to_targets(labels)), [0]) for n in numbers]
        found = group_by_structure(singles)
        groups += [[numbers[place] for place in group] for group in found or ()]
    return groups


def _maker(estimators: Sequence[Any], x: np.ndarray, targets: np.ndarray) -> Callable[[], Any]:
    """Returns a function that makes the model of one estimator after the other."""
    models = (one._make_model(x, targets) for one in estimators)
    return lambda: next(models)


def _fit_together(
    estimators: Sequence[Any],
    rows: Folds,
    x: np.ndarray,
    targets: np.ndarray,
    arguments: Mapping[str, Any],
) -> list[Fitted | None]:
    seeds = [draw_integer_seed() for _ in estimators]
    ensemble = Ensemble(_maker(estimators, x, targets), seeds)
    epochs = arguments.get("epochs", 1)
    try:
        ensemble.fit(x, targets, rows=rows, **{**arguments, "validation_freq": epochs + 1})
    except WantsBatchesError:
        return [None] * len(estimators)
    return [Fitted(model, model.history) for model in ensemble.members]
