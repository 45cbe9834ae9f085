"""MobileNet, and what its later versions share with it."""

import warnings
from collections.abc import Callable
from typing import Any

from jkeras import layers
from jkeras.applications.builder import USUAL, Request, act, application, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base import settings
from jkeras.base.types import ArrayLike


def relu6(x: ArrayLike, name: str | None = None) -> ArrayLike:
    """Applies a ReLU of at most 6."""
    return layers.ReLU(6.0, name=name)(x)


def places(given: Request) -> tuple:
    """Returns the height and the width asked for; None if no shape is."""
    shape = given.input_shape
    if shape is None and given.input_tensor is not None:
        shape = given.input_tensor.shape[1:]
    if shape is None:
        return (None, None)
    return tuple(shape[:2] if settings.image_data_format() == "channels_last" else shape[1:])


def trained_size(*sizes: int) -> Callable[[Request], int]:
    """Returns a function that chooses among the sizes for which weights are published."""

    def size(given: Request) -> int:
        height, width = places(given)
        return height if height == width and height in sizes else 224

    return size


def check_width(alphas: tuple[float, ...], *sizes: int) -> Callable[[Request], None]:
    """Returns a check that weights are published for the width and the size asked for."""

    def check(given: Request) -> None:
        if not given.pretrained:
            return
        if given.settings.get("depth_multiplier", 1) != 1:
            raise ValueError(
                "If imagenet weights are being loaded, depth multiplier must be 1. "
                f"Received depth_multiplier={given.depth_multiplier}"
            )
        if given.alpha not in alphas:
            raise ValueError(
                "If imagenet weights are being loaded, alpha must be one of "
                f"{', '.join(map(str, alphas))}. Received alpha={given.alpha}"
            )
        height, width = places(given)
        if height != width or height not in sizes:
            warnings.warn(
                f"`input_shape` is undefined or non-square, or `rows` is not in {list(sizes)}. "
                "Weights for input shape (224, 224) will be loaded as the default.",
                stacklevel=3,
            )

    return check


_SIZES = (128, 160, 192, 224)


def _body(x: ArrayLike, given: Request) -> ArrayLike:
    def convolution(x: ArrayLike, filters: int, size: int, name: str, stride: int = 1) -> Any:
        options: Any = {"strides": stride, "padding": "same", "use_bias": False, "name": name}
        x = layers.Conv2D(int(filters * given.alpha), size, **options)(x)
        return relu6(norm(x, f"{name}_bn"), f"{name}_relu")

    x = convolution(x, 32, 3, "conv1", 2)
    halving = (2, 4, 6, 12)
    for i, filters in enumerate((64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024), 1):
        if i in halving:
            padding = ((0, 1), (0, 1))
            x = layers.ZeroPadding2D(padding, name=f"conv_pad_{i}")(x)
        x = layers.DepthwiseConv2D(
            3,
            strides=2 if i in halving else 1,
            padding="valid" if i in halving else "same",
            depth_multiplier=given.depth_multiplier,
            use_bias=False,
            name=f"conv_dw_{i}",
        )(x)
        x = relu6(norm(x, f"conv_dw_{i}_bn"), f"conv_dw_{i}_relu")
        x = convolution(x, filters, 1, f"conv_pw_{i}")
    return x


def _top(x: ArrayLike, given: Request) -> ArrayLike:
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Dropout(given.dropout, name="dropout")(x)
    x = layers.Conv2D(given.classes, 1, padding="same", name="conv_preds")(x)
    x = layers.Reshape((given.classes,), name="reshape_2")(x)
    return act(x, "predictions", given.classifier_activation)


MobileNet = application(
    "MobileNet",
    "Howard et al., 2017, MobileNets: efficient convolutional neural networks for mobile vision.",
    _body,
    top=_top,
    size=trained_size(*_SIZES),
    arguments={
        "input_shape": None,
        "alpha": 1.0,
        "depth_multiplier": 1,
        "dropout": 0.001,
        **USUAL,
    },
    model_name=lambda given: f"mobilenet_{given.alpha:0.2f}_{places(given)[0]}",
    named_pooling=False,
    check=check_width((0.25, 0.50, 0.75, 1.0), *_SIZES),
    published=lambda given: f"{float(given.alpha)} {trained_size(*_SIZES)(given)}",
)
preprocess_input = preprocessor("tf", __name__)
