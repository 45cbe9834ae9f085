"""VGG with 19 layers that have weights."""

from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.applications.vgg16 import vgg

VGG19 = vgg("VGG19", 4)
preprocess_input = preprocessor("caffe", __name__)
