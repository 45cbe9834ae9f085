"""Models and weights in files, and objects in configs.

Nothing in a file is ever imported, unpickled or executed, and nothing is allocated on its word.
"""

from jkeras.base.registry import CustomObjectScope as CustomObjectScope
from jkeras.base.registry import custom_object_scope as custom_object_scope
from jkeras.base.registry import deserialize_keras_object as deserialize_keras_object
from jkeras.base.registry import get_custom_objects as get_custom_objects
from jkeras.base.registry import get_registered_name as get_registered_name
from jkeras.base.registry import get_registered_object as get_registered_object
from jkeras.base.registry import register_keras_serializable as register_keras_serializable
from jkeras.base.registry import serialize_keras_object as serialize_keras_object
from jkeras.saving.file_editor import KerasFileEditor as KerasFileEditor
from jkeras.saving.model_files import load_model as load_model
from jkeras.saving.model_files import load_weights as load_weights
from jkeras.saving.model_files import read_weights as read_weights
from jkeras.saving.model_files import save_model as save_model
from jkeras.saving.model_files import save_weights as save_weights
