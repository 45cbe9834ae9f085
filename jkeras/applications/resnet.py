"""ResNet 50, 101 and 152."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike

EPSILON = 1.001e-5


def stem(x: ArrayLike, normalized: bool) -> ArrayLike:
    """Begins with a convolution of stride 2 and a pooling of stride 2."""
    x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
    x = layers.Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    if normalized:
        x = act(norm(x, "conv1_bn", epsilon=EPSILON), "conv1_relu")
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    return layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)


def _block(x: ArrayLike, filters: int, stride: int, first: bool, name: str) -> ArrayLike:
    shortcut = x
    if first:
        shortcut = layers.Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        shortcut = norm(shortcut, f"{name}_0_bn", epsilon=EPSILON)
    convolutions = ((filters, 1, stride), (filters, 3, 1), (4 * filters, 1, 1))
    for i, (n, size, s) in enumerate(convolutions, 1):
        padding = "same" if size == 3 else "valid"
        x = layers.Conv2D(n, size, strides=s, padding=padding, name=f"{name}_{i}_conv")(x)
        x = norm(x, f"{name}_{i}_bn", epsilon=EPSILON)
        x = act(x, f"{name}_{i}_relu") if i < 3 else x
    return act(layers.Add(name=f"{name}_add")([shortcut, x]), f"{name}_out")


def _resnet(name: str, *depths: int) -> ArrayLike:
    def body(x: ArrayLike, given: Request) -> Any:
        x = stem(x, normalized=True)
        for stage, depth in enumerate(depths):
            for i in range(1, depth + 1):
                stride = 2 if i == 1 and stage else 1
                x = _block(x, 64 << stage, stride, i == 1, f"conv{stage + 2}_block{i}")
        return x

    return application(name, "He et al., 2015, Deep residual learning for image recognition.", body)


ResNet50 = _resnet("ResNet50", 3, 4, 6, 3)
ResNet101 = _resnet("ResNet101", 3, 4, 23, 3)
ResNet152 = _resnet("ResNet152", 3, 8, 36, 3)
preprocess_input = preprocessor("caffe", __name__)
