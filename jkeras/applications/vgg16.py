"""VGG with 16 layers that have weights, and what VGG with 19 shares with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jkeras import layers
from jkeras.applications.builder import Request, application
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike

if TYPE_CHECKING:
    from jkeras.models.model import Model


def _top(x: ArrayLike, given: Request) -> Any:
    x = layers.Flatten(name="flatten")(x)
    for name in ("fc1", "fc2"):
        x = layers.Dense(4096, activation="relu", name=name)(x)
    return layers.Dense(given.classes, given.classifier_activation, name="predictions")(x)


def vgg(name: str, depth: int) -> "Callable[..., Model]":
    """Returns the function of a VGG whose last three stages have `depth` convolutions each."""

    def body(x: ArrayLike, given: Request) -> Any:
        for stage, filters in enumerate((64, 128, 256, 512, 512), 1):
            for i in range(1, (2 if stage < 3 else depth) + 1):
                label = f"block{stage}_conv{i}"
                x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=label)(x)
            x = layers.MaxPooling2D(2, strides=2, name=f"block{stage}_pool")(x)
        return x

    reference = (
        "Simonyan and Zisserman, 2014, Very deep convolutional networks for large-scale image\n"
        "        recognition."
    )
    return application(name, reference, body, top=_top, named_pooling=False)


VGG16 = vgg("VGG16", 3)
preprocess_input = preprocessor("caffe", __name__)
