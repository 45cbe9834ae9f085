"""`KerasClassifier` and `KerasRegressor` of Keras 1 and 2, whose module was `scikit_learn`."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from jkeras.base.deprecation import warn_deprecated
from jkeras.base.types import ArrayLike
from jkeras.models import Model
from jkeras.utils.numerical import to_categorical


class _Old(BaseEstimator):
    """A function that makes a compiled model, and arguments of it and of the model's methods."""

    def __init__(self, build_fn: Callable[..., Model] | None = None, **sk_params: Any):
        name = type(self).__name__
        warn_deprecated(
            f"keras.wrappers.scikit_learn.{name} is Keras 2's: use "
            f"keras.wrappers.SKLearn{name.removeprefix('Keras')}."
        )
        self._set(build_fn, sk_params)

    def _set(self, build_fn: Any, sk_params: dict[str, Any]) -> None:
        methods = (Model.fit, Model.predict, Model.evaluate)
        taken = {name for function in methods for name in inspect.signature(function).parameters}
        made_by = self.__call__ if build_fn is None and callable(self) else build_fn
        if not callable(made_by):
            raise TypeError(f"`build_fn` must be a function that makes a model, got {build_fn!r}.")
        own = inspect.signature(made_by).parameters
        every = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in own.values())
        wrong = [name for name in sk_params if name not in own and name not in taken and not every]
        if wrong:
            raise ValueError(f"{wrong[0]} is not a legal parameter of {type(self).__name__}.")
        self.build_fn, self.sk_params, self._make = build_fn, sk_params, made_by

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the arguments."""
        return {**self.sk_params, "build_fn": self.build_fn}

    def set_params(self, **params: Any) -> Any:
        """Sets arguments."""
        build_fn = params.pop("build_fn", self.build_fn)
        self._set(build_fn, {**self.sk_params, **params})
        return self

    def _arguments(self, function: Callable, given: dict[str, Any]) -> dict[str, Any]:
        """Returns the arguments that a function takes."""
        taken = inspect.signature(function).parameters
        own = {name: value for name, value in self.sk_params.items() if name in taken}
        return {**own, **given}

    def fit(self, x: ArrayLike, y: ArrayLike, **kwargs: Any) -> Any:
        """Makes a model and trains it; returns the history."""
        self.model = self._make(**self._arguments(self._make, {}))
        y = self._targets(np.asarray(y))
        found = self.model.fit(np.asarray(x), y, **self._arguments(Model.fit, kwargs))
        self.n_features_in_ = np.shape(x)[-1]
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model")

    def _targets(self, y: np.ndarray) -> np.ndarray:
        return y

    def _outputs(self, x: ArrayLike, given: dict[str, Any]) -> np.ndarray:
        return np.asarray(
            self.model.predict(np.asarray(x), **self._arguments(Model.predict, given))
        )


class KerasClassifier(ClassifierMixin, _Old):
    """A classifier of Keras 2: targets are the numbers of classes, or vectors of them."""

    def _targets(self, y: np.ndarray) -> np.ndarray:
        if y.ndim == 2 and y.shape[1] > 1:
            self.classes_ = np.arange(y.shape[1])
            return y
        self.classes_, numbers = np.unique(y.ravel(), return_inverse=True)
        loss = getattr(self.model.loss, "name", None) or getattr(
            self.model.loss, "__name__", self.model.loss
        )
        is_categorical = loss == "categorical_crossentropy"
        return np.asarray(to_categorical(numbers)) if is_categorical else numbers

    def predict(self, x: ArrayLike, **kwargs: Any) -> np.ndarray:
        """Returns the classes."""
        outputs = self._outputs(x, kwargs)
        several = outputs.shape[-1] > 1
        numbers = outputs.argmax(-1) if several else (outputs[:, 0] > 0.5).astype(int)
        return self.classes_[numbers]

    def predict_proba(self, x: ArrayLike, **kwargs: Any) -> np.ndarray:
        """Returns the classes' probabilities, of shape (samples, classes)."""
        outputs = self._outputs(x, kwargs)
        return outputs if outputs.shape[-1] > 1 else np.hstack([1 - outputs, outputs])

    def score(self, x: ArrayLike, y: ArrayLike, **kwargs: Any) -> float:
        """Returns the accuracy."""
        y = np.asarray(y)
        labels = y.argmax(-1) if y.ndim == 2 and y.shape[1] > 1 else y.ravel()
        return float(np.mean(self.predict(x, **kwargs) == labels))


class KerasRegressor(RegressorMixin, _Old):
    """A regressor of Keras 2."""

    def predict(self, x: ArrayLike, **kwargs: Any) -> np.ndarray:
        """Returns the outputs."""
        return np.squeeze(self._outputs(x, kwargs), -1)

    def score(self, x: ArrayLike, y: ArrayLike, **kwargs: Any) -> float:
        """Returns the loss, negative."""
        given = self._arguments(Model.evaluate, kwargs)
        found = self.model.evaluate(np.asarray(x), np.asarray(y), **given)
        return -float(np.ravel(found)[0])
