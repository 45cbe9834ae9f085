"""Images: to and from arrays and files."""

from jkeras.utils.image import array_to_img as array_to_img
from jkeras.utils.image import img_to_array as img_to_array
from jkeras.utils.image import load_img as load_img
from jkeras.utils.image import save_img as save_img
from jkeras.utils.image import smart_resize as smart_resize
