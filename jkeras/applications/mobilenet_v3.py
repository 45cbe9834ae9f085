"""MobileNet, version 3: squeeze-and-excite, and hard swish."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import (
    USUAL,
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
from jkeras.applications.mobilenet import check_width
from jkeras.base.types import ArrayLike

# Of each block: the factor by which it expands, filters, kernel size, stride, whether it has
# squeeze-and-excite, and whether its activation is hard swish.
_SMALL = (
    (1, 16, 3, 2, True, False),
    (72.0 / 16, 24, 3, 2, False, False),
    (88.0 / 24, 24, 3, 1, False, False),
    (4, 40, 5, 2, True, True),
    *((6, 40, 5, 1, True, True),) * 2,
    *((3, 48, 5, 1, True, True),) * 2,
    (6, 96, 5, 2, True, True),
    *((6, 96, 5, 1, True, True),) * 2,
)
_LARGE = (
    (1, 16, 3, 1, False, False),
    (4, 24, 3, 2, False, False),
    (3, 24, 3, 1, False, False),
    (3, 40, 5, 2, True, False),
    *((3, 40, 5, 1, True, False),) * 2,
    (6, 80, 3, 2, False, True),
    (2.5, 80, 3, 1, False, True),
    *((2.3, 80, 3, 1, False, True),) * 2,
    *((6, 112, 3, 1, True, True),) * 2,
    (6, 160, 5, 2, True, True),
    *((6, 160, 5, 1, True, True),) * 2,
)


def _activate(x: ArrayLike, swish: bool) -> Any:
    return act(x, function="hard_silu") if swish else layers.ReLU()(x)


def _convolution(x: ArrayLike, filters: int, name: str, size: int = 1, stride: int = 1) -> Any:
    options: Any = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
    return norm(layers.Conv2D(filters, size, **options)(x), f"{name}_bn", momentum=0.999)


def _squeeze_excite(x: ArrayLike, prefix: str) -> Any:
    prefix, filters = f"{prefix}_squeeze_excite", x.shape[channel_axis()]
    y = layers.GlobalAveragePooling2D(keepdims=True, name=f"{prefix}_avg_pool")(x)
    y = layers.Conv2D(rounded(filters * 0.25), 1, padding="same", name=f"{prefix}_conv")(y)
    y = layers.ReLU(name=f"{prefix}_relu")(y)
    y = layers.Conv2D(filters, 1, padding="same", name=f"{prefix}_conv_1")(y)
    y = layers.ReLU(6.0)(y + 3.0) * (1.0 / 6.0)
    return layers.Multiply(name=f"{prefix}_mul")([x, y])


def _mobilenet(name: str, blocks: tuple, last: int) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        swish_from_start = not given.minimalistic
        if given.include_preprocessing:
            x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(x)
        x = _activate(_convolution(x, 16, "conv", 3, 2), swish_from_start)
        for i, (expansion, filters, size, stride, excites, swish) in enumerate(blocks):
            prefix = f"expanded_conv_{i}" if i else "expanded_conv"
            if given.minimalistic:
                size, excites, swish = 3, False, False
            inputs, channels = x, x.shape[channel_axis()]
            filters = rounded(filters * given.alpha)
            if i:
                x = _convolution(x, rounded(channels * expansion), f"{prefix}_expand")
                x = _activate(x, swish)
            label = f"{prefix}_depthwise"
            if stride == 2:
                x = layers.ZeroPadding2D(stride_padding(x, size), name=f"{label}_pad")(x)
            padding = "same" if stride == 1 else "valid"
            options: Any = {"strides": stride, "padding": padding, "use_bias": False}
            x = layers.DepthwiseConv2D(size, name=label, **options)(x)
            x = _activate(norm(x, f"{label}_bn", momentum=0.999), swish)
            x = _squeeze_excite(x, prefix) if excites else x
            x = _convolution(x, filters, f"{prefix}_project")
            if stride == 1 and channels == filters:
                x = layers.Add(name=f"{prefix}_add")([inputs, x])
        filters = rounded(x.shape[channel_axis()] * 6)
        return _activate(_convolution(x, filters, "conv_1"), swish_from_start)

    def top(x: ArrayLike, given: Request) -> Any:
        filters = rounded(last * given.alpha) if given.alpha > 1 else last
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        x = layers.Conv2D(filters, 1, padding="same", name="conv_2")(x)
        x = _activate(x, not given.minimalistic)
        if given.dropout_rate > 0:
            x = layers.Dropout(given.dropout_rate)(x)
        x = layers.Conv2D(given.classes, 1, padding="same", name="logits")(x)
        return act(layers.Flatten()(x), "predictions", given.classifier_activation)

    def check(given: Request) -> None:
        check_width((1.0,) if given.minimalistic else (0.75, 1.0), 224)(given)

    def published(given: Request) -> str:
        return "minimalistic" if given.minimalistic else str(float(given.alpha))

    usual = {k: USUAL[k] for k in ("include_top", "weights", "input_tensor", "classes", "pooling")}
    return application(
        name,
        "Howard et al., 2019, Searching for MobileNetV3.",
        body,
        top=top,
        arguments={
            "input_shape": None,
            "alpha": 1.0,
            "minimalistic": False,
            **usual,
            "dropout_rate": 0.2,
            "classifier_activation": "softmax",
            "include_preprocessing": True,
        },
        model_name=name,
        static=False,
        check=check,
        published=published,
    )


MobileNetV3Small = _mobilenet("MobileNetV3Small", _SMALL, 1024)
MobileNetV3Large = _mobilenet("MobileNetV3Large", _LARGE, 1280)
preprocess_input = preprocessor(None, __name__)
