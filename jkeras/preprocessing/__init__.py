"""Keras 2's place of the functions that read and prepare data."""

from jkeras.preprocessing import image as image
from jkeras.preprocessing import sequence as sequence
from jkeras.preprocessing import text as text
from jkeras.utils.directories import image_dataset_from_directory as image_dataset_from_directory
from jkeras.utils.directories import text_dataset_from_directory as text_dataset_from_directory
from jkeras.utils.timeseries import timeseries_dataset_from_array as timeseries_dataset_from_array
