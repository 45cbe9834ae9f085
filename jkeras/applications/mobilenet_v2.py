"""MobileNet, version 2: inverted residual blocks."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import (
    USUAL,
    Request,
    application,
    channel_axis,
    norm,
    rounded,
    stride_padding,
    usual_top,
)
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.applications.mobilenet import check_width, places, relu6, trained_size
from jkeras.base.types import ArrayLike

_SIZES = (96, 128, 160, 192, 224)
_ALPHAS = (0.35, 0.50, 0.75, 1.0, 1.3, 1.4)
# Filters, blocks, the stride of the first one, and the factor by which it expands.
_STAGES = (
    (16, 1, 1, 1),
    (24, 2, 2, 6),
    (32, 3, 2, 6),
    (64, 4, 2, 6),
    (96, 3, 1, 6),
    (160, 3, 2, 6),
    (320, 1, 1, 6),
)


def _convolution(x: ArrayLike, filters: int, name: str, norm_name: str, **options: Any) -> Any:
    size = options.pop("kernel_size", 1)
    x = layers.Conv2D(filters, size, use_bias=False, name=name, **options)(x)
    return norm(x, norm_name, momentum=0.999)


def _block(x: ArrayLike, filters: int, stride: int, expansion: int, prefix: str) -> Any:
    inputs, channels = x, x.shape[channel_axis()]
    if expansion > 1:
        name = f"{prefix}_expand"
        x = _convolution(x, expansion * channels, name, f"{name}_BN", padding="same")
        x = relu6(x, f"{name}_relu")
    if stride == 2:
        x = layers.ZeroPadding2D(stride_padding(x, 3), name=f"{prefix}_pad")(x)
    name, padding = f"{prefix}_depthwise", "same" if stride == 1 else "valid"
    x = layers.DepthwiseConv2D(3, strides=stride, padding=padding, use_bias=False, name=name)(x)
    x = relu6(norm(x, f"{name}_BN", momentum=0.999), f"{name}_relu")
    x = _convolution(x, filters, f"{prefix}_project", f"{prefix}_project_BN", padding="same")
    if channels == filters and stride == 1:
        x = layers.Add(name=f"{prefix}_add")([inputs, x])
    return x


def _body(x: ArrayLike, given: Request) -> Any:
    alpha = given.alpha
    options: Any = {"kernel_size": 3, "strides": 2, "padding": "same"}
    x = relu6(_convolution(x, rounded(32 * alpha), "Conv1", "bn_Conv1", **options), "Conv1_relu")
    number = 0
    for filters, depth, stride, expansion in _STAGES:
        for i in range(depth):
            prefix = f"block_{number}" if number else "expanded_conv"
            first = stride if i == 0 else 1
            x = _block(x, rounded(int(filters * alpha)), first, expansion, prefix)
            number += 1
    last = rounded(1280 * alpha) if alpha > 1 else 1280
    return relu6(_convolution(x, last, "Conv_1", "Conv_1_bn"), "out_relu")


MobileNetV2 = application(
    "MobileNetV2",
    "Sandler et al., 2018, MobileNetV2: inverted residuals and linear bottlenecks.",
    _body,
    top=lambda x, given: usual_top(x, given, None),
    size=trained_size(*_SIZES),
    arguments={"input_shape": None, "alpha": 1.0, **USUAL},
    model_name=lambda given: f"mobilenetv2_{given.alpha:0.2f}_{places(given)[0]}",
    named_pooling=False,
    check=check_width(_ALPHAS, *_SIZES),
    published=lambda given: f"{float(given.alpha)} {trained_size(*_SIZES)(given)}",
)
preprocess_input = preprocessor("tf", __name__)
