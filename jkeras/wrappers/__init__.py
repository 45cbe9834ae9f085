"""Models as estimators of other libraries, which are imported when a wrapper is first used."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jkeras.wrappers.scikit_learn import SKLearnClassifier as SKLearnClassifier
    from jkeras.wrappers.scikit_learn import SKLearnRegressor as SKLearnRegressor
    from jkeras.wrappers.scikit_learn import SKLearnTransformer as SKLearnTransformer

_NAMES = ("SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer")


def __getattr__(name: str) -> Any:
    if name not in _NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from jkeras.wrappers import scikit_learn
    except ImportError as error:
        if (error.name or "").split(".")[0] != "sklearn":
            raise
        raise ImportError(
            f"keras.wrappers.{name} needs scikit-learn, which is not installed: "
            "`pip install scikit-learn`."
        ) from error
    return getattr(scikit_learn, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
