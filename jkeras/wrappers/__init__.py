"""Models as estimators of other libraries, which are imported when a wrapper is first used."""

import importlib
from typing import TYPE_CHECKING, Any

from jkeras.base.extras import missing

if TYPE_CHECKING:
    from jkeras.wrappers.model_selection import GridSearchCV as GridSearchCV
    from jkeras.wrappers.model_selection import RandomizedSearchCV as RandomizedSearchCV
    from jkeras.wrappers.model_selection import cross_val_score as cross_val_score
    from jkeras.wrappers.model_selection import cross_validate as cross_validate
    from jkeras.wrappers.scikit_learn import SKLearnClassifier as SKLearnClassifier
    from jkeras.wrappers.scikit_learn import SKLearnRegressor as SKLearnRegressor
    from jkeras.wrappers.scikit_learn import SKLearnTransformer as SKLearnTransformer

_PLACES = {
    "GridSearchCV": "model_selection",
    "RandomizedSearchCV": "model_selection",
    "cross_val_score": "model_selection",
    "cross_validate": "model_selection",
    "SKLearnClassifier": "scikit_learn",
    "SKLearnRegressor": "scikit_learn",
    "SKLearnTransformer": "scikit_learn",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"jkeras.wrappers.{_PLACES[name]}")
    except ImportError as error:
        if (error.name or "").split(".")[0] != "sklearn":
            raise
        need = f"keras.wrappers.{name} needs scikit-learn"
        raise missing(need, "scikit-learn", "sklearn") from error
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
