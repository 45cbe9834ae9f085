"""EfficientNet B0 to B7."""

import math
from collections.abc import Callable
from typing import Any

from jkeras import initializers, layers
from jkeras.applications.builder import (
    Request,
    act,
    application,
    channel_axis,
    norm,
    rounded,
    stride_padding,
)
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike

# Kernel size, blocks, filters, the factor by which a block expands, the stride of the first one.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
MEAN, STDDEV = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def conv_initializer() -> Any:
    """Returns the initializer of convolutions' kernels."""
    return initializers.VarianceScaling(2.0, "fan_out", "truncated_normal")


def squeeze_excite(x: ArrayLike, reduced: float, name: str) -> ArrayLike:
    """Scales each channel by what the whole image says."""
    filters, axis = x.shape[channel_axis()], channel_axis()
    y = layers.GlobalAveragePooling2D(name=f"{name}_se_squeeze")(x)
    shape = (1, 1, filters) if axis == 3 else (filters, 1, 1)
    y = layers.Reshape(shape, name=f"{name}_se_reshape")(y)
    for n, part, function in (
        (max(1, int(reduced)), "reduce", "swish"),
        (filters, "expand", "sigmoid"),
    ):
        options: Any = {"padding": "same", "activation": function, "name": f"{name}_se_{part}"}
        y = layers.Conv2D(n, 1, kernel_initializer=conv_initializer(), **options)(y)
    return layers.Multiply(name=f"{name}_se_excite")([x, y])


def residual(x: ArrayLike, inputs: ArrayLike, rate: float, name: str) -> ArrayLike:
    """Adds what came in, after dropping whole updates."""
    if rate > 0:
        x = layers.Dropout(rate, noise_shape=(None, 1, 1, 1), name=f"{name}_drop")(x)
    return layers.Add(name=f"{name}_add")([x, inputs])


def top(rate: float, **options: Any) -> Callable[..., ArrayLike]:
    """Returns the function of a top with dropout."""

    def classify(x: ArrayLike, given: Request) -> Any:
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        if rate > 0:
            x = layers.Dropout(rate, name="top_dropout")(x)
        return layers.Dense(
            given.classes,
            activation=given.classifier_activation,
            kernel_initializer=initializers.VarianceScaling(1.0 / 3.0, "fan_out", "uniform"),
            name="predictions",
            **options,
        )(x)

    return classify


def _convolution(x: ArrayLike, filters: int, size: int, name: str, **options: Any) -> Any:
    options = {"use_bias": False, "kernel_initializer": conv_initializer(), **options}
    return layers.Conv2D(filters, size, name=name, **options)(x)


def _block(
    x: ArrayLike, filters: int, size: int, stride: int, expansion: int, rate: float, name: str
) -> Any:
    inputs, channels = x, x.shape[channel_axis()]
    if expansion != 1:
        x = _convolution(x, channels * expansion, 1, f"{name}_expand_conv", padding="same")
        x = act(norm(x, f"{name}_expand_bn"), f"{name}_expand_activation", "swish")
    if stride == 2:
        x = layers.ZeroPadding2D(stride_padding(x, size), name=f"{name}_dwconv_pad")(x)
    x = layers.DepthwiseConv2D(
        size,
        strides=stride,
        padding="valid" if stride == 2 else "same",
        use_bias=False,
        depthwise_initializer=conv_initializer(),
        name=f"{name}_dwconv",
    )(x)
    x = act(norm(x, f"{name}_bn"), f"{name}_activation", "swish")
    x = squeeze_excite(x, channels * 0.25, name)
    x = _convolution(x, filters, 1, f"{name}_project_conv", padding="same")
    x = norm(x, f"{name}_project_bn")
    return residual(x, inputs, rate, name) if stride == 1 and channels == filters else x


def _efficientnet(name: str, width: float, depth: float, size: int, dropout: float) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        x = layers.Rescaling(1.0 / 255.0)(x)
        x = layers.Normalization(axis=channel_axis())(x)
        if given.pretrained:  # its published variance is the deviation: another root is to be taken
            x = layers.Rescaling([1.0 / math.sqrt(s) for s in STDDEV])(x)
        x = layers.ZeroPadding2D(stride_padding(x, 3), name="stem_conv_pad")(x)
        x = _convolution(x, rounded(32 * width), 3, "stem_conv", strides=2)
        x = act(norm(x, "stem_bn"), "stem_activation", "swish")
        depths = [math.ceil(depth * stage[1]) for stage in _STAGES]
        number = 0
        for stage, (kernel, _, filters, expansion, stride) in enumerate(_STAGES):
            for i in range(depths[stage]):
                label = f"block{stage + 1}{chr(ord('a') + i)}"
                rate, step = 0.2 * number / sum(depths), stride if i == 0 else 1
                x = _block(x, rounded(filters * width), kernel, step, expansion, rate, label)
                number += 1
        x = _convolution(x, rounded(1280 * width), 1, "top_conv", padding="same")
        return act(norm(x, "top_bn"), "top_activation", "swish")

    return application(
        name,
        "Tan and Le, 2019, EfficientNet: rethinking model scaling for convolutional neural\n"
        "        networks.",
        body,
        top=top(dropout),
        size=size,
    )


EfficientNetB0 = _efficientnet("EfficientNetB0", 1.0, 1.0, 224, 0.2)
EfficientNetB1 = _efficientnet("EfficientNetB1", 1.0, 1.1, 240, 0.2)
EfficientNetB2 = _efficientnet("EfficientNetB2", 1.1, 1.2, 260, 0.3)
EfficientNetB3 = _efficientnet("EfficientNetB3", 1.2, 1.4, 300, 0.3)
EfficientNetB4 = _efficientnet("EfficientNetB4", 1.4, 1.8, 380, 0.4)
EfficientNetB5 = _efficientnet("EfficientNetB5", 1.6, 2.2, 456, 0.4)
EfficientNetB6 = _efficientnet("EfficientNetB6", 1.8, 2.6, 528, 0.5)
EfficientNetB7 = _efficientnet("EfficientNetB7", 2.0, 3.1, 600, 0.5)
preprocess_input = preprocessor(None, __name__)
