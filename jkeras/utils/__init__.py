"""Tools around models: files, data sets in folders, pictures of models."""

from jkeras.utils.files import get_file as get_file
from jkeras.utils.progbar import Progbar as Progbar
