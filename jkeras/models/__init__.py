"""Models: Sequential, functional, subclassed."""

import importlib as _importlib
from typing import TYPE_CHECKING as _TYPE_CHECKING

from jkeras.models.cloning import clone_model as clone_model
from jkeras.models.cloning import model_from_json as model_from_json
from jkeras.models.functional import Functional as Functional
from jkeras.models.model import Model as Model
from jkeras.models.sequential import Sequential as Sequential
from jkeras.models.traced import TracedModel as TracedModel
from jkeras.saving import load_model as load_model
from jkeras.saving import save_model as save_model

if _TYPE_CHECKING:
    from jkeras.models.ensemble import Ensemble as Ensemble
    from jkeras.models.searching import cross_validate as cross_validate
    from jkeras.models.searching import search as search

# Imported when they are first used: most programs train one model at a time.
_LAZY = {"Ensemble": "ensemble", "cross_validate": "searching", "search": "searching"}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(_importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    _name
    for _name in __dir__()
    if not _name.startswith("_") and type(globals().get(_name)) is not type(_importlib)
]
