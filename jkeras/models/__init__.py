"""Models: Sequential, functional, subclassed."""

from jkeras.models.cloning import clone_model as clone_model
from jkeras.models.cloning import model_from_json as model_from_json
from jkeras.models.ensemble import Ensemble as Ensemble
from jkeras.models.functional import Functional as Functional
from jkeras.models.model import Model as Model
from jkeras.models.search import cross_validate as cross_validate
from jkeras.models.search import search as search
from jkeras.models.sequential import Sequential as Sequential
from jkeras.models.traced import TracedModel as TracedModel
from jkeras.saving import load_model as load_model
from jkeras.saving import save_model as save_model
