"""Inception-ResNet, version 2."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, channel_axis, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.applications.inception_v3 import average, chain, concat, stem
from jkeras.applications.scales import CustomScaleLayer as CustomScaleLayer
from jkeras.base.types import ArrayLike

# Of each kind of block: how many there are, the scale, and the branches.
_BLOCKS: dict[str, tuple] = {
    "block35": (10, 0.17, [(32, 1)], [(32, 1), (32, 3)], [(32, 1), (48, 3), (64, 3)]),
    "block17": (20, 0.1, [(192, 1)], [(128, 1), (160, 1, 7), (192, 7, 1)]),
    "block8": (10, 0.2, [(192, 1)], [(192, 1), (224, 1, 3), (256, 3, 1)]),
}


def _blocks(x: ArrayLike, kind: str) -> Any:
    number, scale, *branches = _BLOCKS[kind]
    for i in range(1, number + 1):
        name, last = f"{kind}_{i}", kind == "block8" and i == number
        mixed = concat([chain(x, *branch) for branch in branches], f"{name}_mixed")
        channels = x.shape[channel_axis()]
        update = layers.Conv2D(channels, 1, padding="same", name=f"{name}_conv")(mixed)
        x = CustomScaleLayer(1.0 if last else scale)([x, update])
        x = x if last else act(x, f"{name}_ac")
    return x


def _body(x: ArrayLike, given: Request) -> Any:
    x = stem(x)
    branches = [
        chain(x, (96, 1)),
        chain(x, (48, 1), (64, 5)),
        chain(x, (64, 1), (96, 3), (96, 3)),
        chain(average(x), (64, 1)),
    ]
    x = _blocks(concat(branches, "mixed_5b"), "block35")
    branches = [chain(x, (384, 3), halve=True), chain(x, (256, 1), (256, 3), (384, 3), halve=True)]
    x = concat([*branches, layers.MaxPooling2D(3, strides=2)(x)], "mixed_6a")
    x = _blocks(x, "block17")
    branches = [
        chain(x, (256, 1), (384, 3), halve=True),
        chain(x, (256, 1), (288, 3), halve=True),
        chain(x, (256, 1), (288, 3), (320, 3), halve=True),
    ]
    x = concat([*branches, layers.MaxPooling2D(3, strides=2)(x)], "mixed_7a")
    x = _blocks(x, "block8")
    x = layers.Conv2D(1536, 1, padding="same", use_bias=False, name="conv_7b")(x)
    return act(norm(x, "conv_7b_bn", scale=False), "conv_7b_ac")


InceptionResNetV2 = application(
    "InceptionResNetV2",
    "Szegedy et al., 2016, Inception-v4, Inception-ResNet and the impact of residual connections.",
    _body,
    size=299,
    least=75,
    model_name="inception_resnet_v2",
    named_pooling=False,
)
preprocess_input = preprocessor("tf", __name__)
