"""Tools around models: files, images, data sets of folders, pictures of models."""

from jkeras.utils.dataset import split_dataset as split_dataset
from jkeras.utils.directories import audio_dataset_from_directory as audio_dataset_from_directory
from jkeras.utils.directories import image_dataset_from_directory as image_dataset_from_directory
from jkeras.utils.directories import text_dataset_from_directory as text_dataset_from_directory
from jkeras.utils.files import get_file as get_file
from jkeras.utils.image import array_to_img as array_to_img
from jkeras.utils.image import img_to_array as img_to_array
from jkeras.utils.image import load_img as load_img
from jkeras.utils.image import save_img as save_img
from jkeras.utils.py_dataset import PyDataset as PyDataset
from jkeras.utils.py_dataset import pack_x_y_sample_weight as pack_x_y_sample_weight
from jkeras.utils.py_dataset import unpack_x_y_sample_weight as unpack_x_y_sample_weight
from jkeras.utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array

Sequence = PyDataset
