"""ResNet 50, 101 and 152, version 2: normalization and activation before each convolution."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.applications.resnet import EPSILON, stem
from jkeras.base.types import ArrayLike


def _block(x: ArrayLike, filters: int, stride: int, first: bool, name: str) -> Any:
    before = act(norm(x, f"{name}_preact_bn", epsilon=EPSILON), f"{name}_preact_relu")
    if first:
        x = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(before)
    elif stride > 1:
        x = layers.MaxPooling2D(1, strides=stride)(x)
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_1_conv")(before)
    y = act(norm(y, f"{name}_1_bn", epsilon=EPSILON), f"{name}_1_relu")
    y = layers.ZeroPadding2D(1, name=f"{name}_2_pad")(y)
    y = layers.Conv2D(filters, 3, strides=stride, use_bias=False, name=f"{name}_2_conv")(y)
    y = act(norm(y, f"{name}_2_bn", epsilon=EPSILON), f"{name}_2_relu")
    y = layers.Conv2D(4 * filters, 1, name=f"{name}_3_conv")(y)
    return layers.Add(name=f"{name}_out")([x, y])


def _resnet(name: str, *depths: int) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        x = stem(x, normalized=False)
        for stage, depth in enumerate(depths):
            for i in range(1, depth + 1):
                stride = 2 if i == depth and stage < 3 else 1
                x = _block(x, 64 << stage, stride, i == 1, f"conv{stage + 2}_block{i}")
        return act(norm(x, "post_bn", epsilon=EPSILON), "post_relu")

    return application(name, "He et al., 2016, Identity mappings in deep residual networks.", body)


ResNet50V2 = _resnet("ResNet50V2", 3, 4, 6, 3)
ResNet101V2 = _resnet("ResNet101V2", 3, 4, 23, 3)
ResNet152V2 = _resnet("ResNet152V2", 3, 8, 36, 3)
preprocess_input = preprocessor("tf", __name__)
