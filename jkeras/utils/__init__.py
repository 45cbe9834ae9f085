"""Tools around models: files, images, data sets of folders, pictures of models."""

from jkeras.base.keys import set_random_seed as set_random_seed
from jkeras.base.registry import CustomObjectScope as CustomObjectScope
from jkeras.base.registry import custom_object_scope as custom_object_scope
from jkeras.base.registry import deserialize_keras_object as deserialize_keras_object
from jkeras.base.registry import get_custom_objects as get_custom_objects
from jkeras.base.registry import get_registered_name as get_registered_name
from jkeras.base.registry import get_registered_object as get_registered_object
from jkeras.base.registry import register_keras_serializable as register_keras_serializable
from jkeras.base.registry import serialize_keras_object as serialize_keras_object
from jkeras.config import disable_interactive_logging as disable_interactive_logging
from jkeras.config import enable_interactive_logging as enable_interactive_logging
from jkeras.config import is_interactive_logging_enabled as is_interactive_logging_enabled
from jkeras.core.graph import get_source_inputs as get_source_inputs
from jkeras.core.graph import is_symbolic as is_keras_tensor  # noqa: F401
from jkeras.core.policy import standardize_dtype as standardize_dtype
from jkeras.core.session import clear_session as clear_session
from jkeras.utils import bounding_boxes as bounding_boxes
from jkeras.utils import legacy as legacy
from jkeras.utils.config import Config as Config
from jkeras.utils.dataset import Dataset as Dataset
from jkeras.utils.directories import audio_dataset_from_directory as audio_dataset_from_directory
from jkeras.utils.directories import image_dataset_from_directory as image_dataset_from_directory
from jkeras.utils.directories import text_dataset_from_directory as text_dataset_from_directory
from jkeras.utils.feature_space import FeatureSpace as FeatureSpace
from jkeras.utils.files import get_file as get_file
from jkeras.utils.image import array_to_img as array_to_img
from jkeras.utils.image import img_to_array as img_to_array
from jkeras.utils.image import load_img as load_img
from jkeras.utils.image import save_img as save_img
from jkeras.utils.numerical import normalize as normalize
from jkeras.utils.numerical import to_categorical as to_categorical
from jkeras.utils.plotting import model_to_dot as model_to_dot
from jkeras.utils.plotting import plot_model as plot_model
from jkeras.utils.progbar import Progbar as Progbar
from jkeras.utils.py_dataset import PyDataset as PyDataset
from jkeras.utils.py_dataset import pack_x_y_sample_weight as pack_x_y_sample_weight
from jkeras.utils.py_dataset import unpack_x_y_sample_weight as unpack_x_y_sample_weight
from jkeras.utils.sequences import pad_sequences as pad_sequences
from jkeras.utils.splitting import split_dataset as split_dataset
from jkeras.utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array

Sequence = PyDataset
