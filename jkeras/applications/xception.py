"""Xception."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike


def _separable(x: ArrayLike, filters: int, name: str) -> Any:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False, name=name)(x)
    return norm(x, f"{name}_bn")


def _body(x: ArrayLike, given: Request) -> Any:
    for i, filters in enumerate((32, 64), 1):
        name = f"block1_conv{i}"
        x = layers.Conv2D(filters, 3, strides=3 - i, use_bias=False, name=name)(x)
        x = act(norm(x, f"{name}_bn"), f"{name}_act")
    # The blocks that halve the places: their number, and the filters of their two convolutions.
    halving: dict[int, tuple[int, ...]] = {
        2: (128, 128),
        3: (256, 256),
        4: (728, 728),
        13: (728, 1024),
    }
    for block in range(2, 14):
        shortcut, widths = x, halving.get(block, (728,) * 3)
        if block in halving:
            shortcut = layers.Conv2D(widths[-1], 1, strides=2, padding="same", use_bias=False)(x)
            shortcut = norm(shortcut)
        for i, n in enumerate(widths, 1):
            name = f"block{block}_sepconv{i}"
            x = x if (block, i) == (2, 1) else act(x, f"{name}_act")
            x = _separable(x, n, name)
        if block in halving:
            x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
        x = layers.Add()([x, shortcut])
    for i, filters in enumerate((1536, 2048), 1):
        name = f"block14_sepconv{i}"
        x = act(_separable(x, filters, name), f"{name}_act")
    return x


Xception = application(
    "Xception",
    "Chollet, 2016, Xception: deep learning with depthwise separable convolutions.",
    _body,
    size=299,
    least=71,
    named_pooling=False,
)
preprocess_input = preprocessor("tf", __name__)
