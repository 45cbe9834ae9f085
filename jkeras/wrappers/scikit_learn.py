"""Models as scikit-learn's classifiers, regressors and transformers.

`jkeras.wrappers` imports this module when one of them is first used.
"""

import importlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from jkeras.base.types import ArrayLike
from jkeras.models import Model, clone_model


class Fitted(NamedTuple):
    """A model that was fitted before the estimator's `fit` was called, and its history."""

    model: Model
    history: Any


_NESTED = ("model_kwargs", "fit_kwargs")


class _Estimator(BaseEstimator):
    """What the wrappers have in common.

    Args:
        model: A compiled model, which is cloned for each fit; or a function that returns a
            compiled model, called as `model(X=X, y=y, **model_kwargs)`.
        warm_start: Whether a further fit goes on with the model of the last one. A model that is
            given is then used itself, and not cloned.
        model_kwargs: Further arguments of `model`, if it is a function.
        fit_kwargs: Arguments of the model's `fit`; those of this `fit` come before them.

    Attributes:
        model_: The fitted model.
        history_: What the model's `fit` returned.
        n_features_in_: How many columns the data have.
    """

    def __init__(
        self,
        model: Model | Callable[..., Model],
        warm_start: bool = False,
        model_kwargs: Mapping[str, Any] | None = None,
        fit_kwargs: Mapping[str, Any] | None = None,
    ):
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    # Fits that a search has done already, in the order in which scikit-learn will ask for them.
    _fits: deque[Fitted | None] | None = None

    def __sklearn_clone__(self) -> Self:
        made = super().__sklearn_clone__()
        made._fits = self._fits
        return made

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_fits"}

    def set_params(self, **params: Any) -> Self:
        """Sets arguments; `model_kwargs__name` and `fit_kwargs__name` set one of a dict."""
        for name in _NESTED:
            ours = {k: params.pop(k) for k in [*params] if k.startswith(f"{name}__")}
            before = params.pop(name, getattr(self, name))
            if ours:
                before = {**(before or {}), **{k.partition("__")[2]: v for k, v in ours.items()}}
            setattr(self, name, before)
        return super().set_params(**params)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags

    @property
    def epoch_(self) -> int:
        """How many epochs the last fit took."""
        return len(self.history_.epoch) if hasattr(self, "history_") else 0

    def fit(self, X: ArrayLike, y: ArrayLike, **kwargs: Any) -> Self:
        """Fits the model to data.

        Args:
            X: Data of shape (samples, features).
            y: Targets of shape (samples,).
            **kwargs: Arguments of the model's `fit`.

        Returns:
            The estimator itself.
        """
        X, y = validate_data(self, X, y)
        targets = self._to_targets(y)
        done = self._fits.popleft() if self._fits else None
        if done is None:
            model = self._make_model(X, targets)
            done = Fitted(model, model.fit(X, targets, **self.arguments(kwargs)))
        self.model_, self.history_ = done
        return self

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arguments of the model's `fit`."""
        return {**(self.fit_kwargs or {}), **given}

    def sees_all(self, some: np.ndarray, y: np.ndarray) -> bool:
        """Says whether targets of a part of the data are made as those of all are."""
        return True

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Returns the model's predictions, of shape (samples,)."""
        return self._from_outputs(self._outputs(X))

    def _outputs(self, X: ArrayLike) -> np.ndarray:
        check_is_fitted(self, "model_")
        X = validate_data(self, X, reset=False)
        return np.asarray(self.model_.predict(X, verbose=0))

    def _make_model(self, X: np.ndarray, y: np.ndarray) -> Model:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if isinstance(self.model, Model):
            _check_compiled(self.model)
            if self.warm_start:
                return self.model
            model: Any = clone_model(self.model)
            model.compile_from_config(self.model.get_compile_config())
            return model
        if not callable(self.model):
            raise TypeError(
                f"{type(self).__name__}: `model` is a keras.Model, or a function that returns one, "
                f"got {self.model!r}."
            )
        model = self.model(X=X, y=y, **(self.model_kwargs or {}))
        if not isinstance(model, Model):
            raise TypeError(
                f"{type(self).__name__}: the function `model` must return a keras.Model, "
                f"it gave {model!r}."
            )
        _check_compiled(model)
        return model

    def _to_targets(self, y: np.ndarray) -> np.ndarray:
        """Returns what the model is trained on."""
        return y.reshape(-1, 1)

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        """Returns what the outputs of the model mean."""
        return outputs[:, 0] if outputs.ndim == 2 and outputs.shape[1] == 1 else outputs


def _check_compiled(model: Model) -> None:
    if not model.compiled:
        raise RuntimeError("Given model needs to be compiled, and have a loss and an optimizer.")


class SKLearnClassifier(ClassifierMixin, _Estimator):
    """A model as a scikit-learn classifier.

    The model is trained on one-hot vectors: it has an output for each class, and a loss such as
    `"categorical_crossentropy"`.

    Args:
        model: A compiled model, which is cloned for each fit; or a function that returns a
            compiled model, called as `model(X=X, y=y, **model_kwargs)`.
        warm_start: Whether a further fit goes on with the model of the last one. A model that is
            given is then used itself, and not cloned.
        model_kwargs: Further arguments of `model`, if it is a function.
        fit_kwargs: Arguments of the model's `fit`; those of this `fit` come before them.

    Attributes:
        model_: The fitted model.
        history_: What the model's `fit` returned.
        classes_: The classes.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> def make(X, y):
        ...     model = keras.Sequential(
        ...         [keras.Input(X.shape[1:]), keras.layers.Dense(y.shape[1], activation="softmax")]
        ...     )
        ...     model.compile(loss="categorical_crossentropy", optimizer="sgd")
        ...     return model
        >>> X = np.array([[-1.0], [-2.0], [1.0], [2.0]])
        >>> y = np.array(["no", "no", "yes", "yes"])
        >>> classifier = keras.wrappers.SKLearnClassifier(make)
        >>> classifier.fit(X, y, epochs=200, verbose=0).score(X, y)
        1.0
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True
        return tags

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Returns the probabilities of the classes, of shape (samples, classes).

        Outputs of a loss `from_logits`, or below zero, go through a softmax; others are divided by
        their sum.
        """
        outputs = self._outputs(X).astype("float64")
        if getattr(self.model_.loss, "from_logits", False) or (outputs < 0).any():
            outputs = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        return outputs / outputs.sum(axis=1, keepdims=True)

    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Returns the model's outputs, of shape (samples, classes)."""
        return self._outputs(X)

    def _to_targets(self, y: np.ndarray) -> np.ndarray:
        check_classification_targets(y)
        self.classes_, numbers = np.unique(column_or_1d(y, warn=True), return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError("Classifier can't train when only one class is present.")
        return np.eye(len(self.classes_))[numbers]

    def sees_all(self, some: np.ndarray, y: np.ndarray) -> bool:
        """Says whether a part of the data has all classes."""
        return len(np.unique(some)) == len(np.unique(y))

    def _from_outputs(self, outputs: np.ndarray) -> np.ndarray:
        return self.classes_[np.argmax(outputs, axis=1)]


class SKLearnRegressor(RegressorMixin, _Estimator):
    """A model as a scikit-learn regressor.

    Args:
        model: A compiled model, which is cloned for each fit; or a function that returns a
            compiled model, called as `model(X=X, y=y, **model_kwargs)`.
        warm_start: Whether a further fit goes on with the model of the last one. A model that is
            given is then used itself, and not cloned.
        model_kwargs: Further arguments of `model`, if it is a function.
        fit_kwargs: Arguments of the model's `fit`; those of this `fit` come before them.

    Attributes:
        model_: The fitted model.
        history_: What the model's `fit` returned.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> def make(X, y, units=1):
        ...     model = keras.Sequential([keras.Input(X.shape[1:]), keras.layers.Dense(units)])
        ...     model.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1))
        ...     return model
        >>> X = np.linspace(-1.0, 1.0, 32)[:, None]
        >>> regressor = keras.wrappers.SKLearnRegressor(make, fit_kwargs={"epochs": 300})
        >>> bool(regressor.fit(X, 3 * X[:, 0] + 1, verbose=0).score(X, 3 * X[:, 0] + 1) > 0.99)
        True
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


class SKLearnTransformer(TransformerMixin, _Estimator):
    """A model as a scikit-learn transformer: `transform` returns the model's outputs.

    Args:
        model: A compiled model, which is cloned for each fit; or a function that returns a
            compiled model, called as `model(X=X, y=y, **model_kwargs)`.
        warm_start: Whether a further fit goes on with the model of the last one. A model that is
            given is then used itself, and not cloned.
        model_kwargs: Further arguments of `model`, if it is a function.
        fit_kwargs: Arguments of the model's `fit`; those of this `fit` come before them.

    Attributes:
        model_: The fitted model.
        history_: What the model's `fit` returned.
    """

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Returns the model's outputs."""
        return self._outputs(X)


def __getattr__(name: str) -> Any:
    if name not in ("KerasClassifier", "KerasRegressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("jkeras.wrappers.old"), name)
