"""EfficientNet, version 2: B0 to B3, S, M and L."""

import math
from typing import Any

from jkeras import initializers, layers
from jkeras.applications.builder import USUAL, Request, act, application, channel_axis, norm
from jkeras.applications.efficientnet import (
    MEAN,
    STDDEV,
    conv_initializer,
    residual,
    squeeze_excite,
    top,
)
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike

# Blocks, filters, the factor by which a block expands, the stride of the first one, and whether
# its expansion and its depthwise convolution are fused into one convolution.
_B = (
    (1, 16, 1, 1, True),
    (2, 32, 4, 2, True),
    (2, 48, 4, 2, True),
    (3, 96, 4, 2, False),
    (5, 112, 6, 1, False),
    (8, 192, 6, 2, False),
)
_S = (
    (2, 24, 1, 1, True),
    (4, 48, 4, 2, True),
    (4, 64, 4, 2, True),
    (6, 128, 4, 2, False),
    (9, 160, 6, 1, False),
    (15, 256, 6, 2, False),
)
_M = (
    (3, 24, 1, 1, True),
    (5, 48, 4, 2, True),
    (5, 80, 4, 2, True),
    (7, 160, 4, 2, False),
    (14, 176, 6, 1, False),
    (18, 304, 6, 2, False),
    (5, 512, 6, 1, False),
)
_L = (
    (4, 32, 1, 1, True),
    (7, 64, 4, 2, True),
    (7, 96, 4, 2, True),
    (10, 192, 4, 2, False),
    (19, 224, 6, 1, False),
    (25, 384, 6, 2, False),
    (7, 640, 6, 1, False),
)


def _convolution(x: ArrayLike, filters: int, size: int, name: str, stride: int = 1) -> Any:
    options: Any = {"strides": stride, "padding": "same", "use_bias": False}
    initializer = conv_initializer()
    x = layers.Conv2D(
        filters, size, kernel_initializer=initializer, name=f"{name}_conv", **options
    )(x)
    return norm(x, f"{name}_bn", momentum=0.9)


def _block(
    x: ArrayLike, filters: int, stride: int, expansion: int, fused: bool, rate: float, name: str
) -> Any:
    inputs, channels = x, x.shape[channel_axis()]
    if expansion != 1:
        size, step = (3, stride) if fused else (1, 1)
        x = _convolution(x, channels * expansion, size, f"{name}_expand", step)
        x = act(x, f"{name}_expand_activation", "swish")
    if not fused:
        x = layers.DepthwiseConv2D(
            3,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer=conv_initializer(),
            name=f"{name}_dwconv2",
        )(x)
        x = act(norm(x, f"{name}_bn", momentum=0.9), f"{name}_activation", "swish")
        x = squeeze_excite(x, channels * 0.25, name)
    alone = fused and expansion == 1
    x = _convolution(x, filters, 3 if alone else 1, f"{name}_project", stride if alone else 1)
    x = act(x, f"{name}_project_activation", "swish") if alone else x
    return residual(x, inputs, rate, name) if stride == 1 and channels == filters else x


def _efficientnet(
    kind: str, stages: tuple, size: int, width: float = 1.0, depth: float = 1.0
) -> Any:
    is_b = stages is _B

    def scaled(filters: float) -> int:
        return max(8, int(filters * width + 4) // 8 * 8)

    def body(x: ArrayLike, given: Request) -> Any:
        if given.include_preprocessing and is_b:
            x = layers.Rescaling(1.0 / 255)(x)
            variance = [s**2 for s in STDDEV]
            x = layers.Normalization(channel_axis(), mean=list(MEAN), variance=variance)(x)
        elif given.include_preprocessing:
            x = layers.Rescaling(1.0 / 128.0, offset=-1)(x)
        stem = 32 if is_b else stages[0][1]
        x = act(_convolution(x, scaled(stem), 3, "stem", 2), "stem_activation", "swish")
        depths = [math.ceil(depth * stage[0]) for stage in stages]
        number = 0
        for stage, (_, filters, expansion, stride, fused) in enumerate(stages):
            for i in range(depths[stage]):
                label = f"block{stage + 1}{chr(ord('a') + i)}"
                rate, step = 0.2 * number / sum(depths), stride if i == 0 else 1
                x = _block(x, scaled(filters), step, expansion, fused, rate, label)
                number += 1
        return act(_convolution(x, scaled(1280), 1, "top"), "top_activation", "swish")

    return application(
        f"EfficientNetV2{kind}",
        "Tan and Le, 2021, EfficientNetV2: smaller models and faster training.",
        body,
        top=top(0.2, bias_initializer=initializers.Constant(0.0)),
        size=size,
        arguments={**USUAL, "include_preprocessing": True},
        model_name=f"efficientnetv2-{kind.lower()}",
    )


EfficientNetV2B0 = _efficientnet("B0", _B, 224)
EfficientNetV2B1 = _efficientnet("B1", _B, 240, 1.0, 1.1)
EfficientNetV2B2 = _efficientnet("B2", _B, 260, 1.1, 1.2)
EfficientNetV2B3 = _efficientnet("B3", _B, 300, 1.2, 1.4)
EfficientNetV2S = _efficientnet("S", _S, 384)
EfficientNetV2M = _efficientnet("M", _M, 480)
EfficientNetV2L = _efficientnet("L", _L, 480)
preprocess_input = preprocessor(None, __name__)
