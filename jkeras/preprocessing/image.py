"""Images: to and from arrays and files."""

from jkeras.preprocessing.image_generator import DataFrameIterator as DataFrameIterator
from jkeras.preprocessing.image_generator import DirectoryIterator as DirectoryIterator
from jkeras.preprocessing.image_generator import ImageDataGenerator as ImageDataGenerator
from jkeras.preprocessing.image_generator import Iterator as Iterator
from jkeras.preprocessing.image_generator import NumpyArrayIterator as NumpyArrayIterator
from jkeras.preprocessing.image_generator import apply_affine_transform as apply_affine_transform
from jkeras.preprocessing.image_generator import apply_brightness_shift as apply_brightness_shift
from jkeras.preprocessing.image_generator import apply_channel_shift as apply_channel_shift
from jkeras.preprocessing.image_generator import random_brightness as random_brightness
from jkeras.preprocessing.image_generator import random_channel_shift as random_channel_shift
from jkeras.preprocessing.image_generator import random_rotation as random_rotation
from jkeras.preprocessing.image_generator import random_shear as random_shear
from jkeras.preprocessing.image_generator import random_shift as random_shift
from jkeras.preprocessing.image_generator import random_zoom as random_zoom
from jkeras.utils.image import array_to_img as array_to_img
from jkeras.utils.image import img_to_array as img_to_array
from jkeras.utils.image import load_img as load_img
from jkeras.utils.image import save_img as save_img
from jkeras.utils.image import smart_resize as smart_resize
