"""Inception, version 3."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, channel_axis, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike


def conv(
    x: ArrayLike, filters: int, *size: int, strides: int = 1, padding: str = "same"
) -> ArrayLike:
    """Convolves, normalizes and activates."""
    kernel = size if len(size) == 2 else size[0]
    x = layers.Conv2D(filters, kernel, strides=strides, padding=padding, use_bias=False)(x)
    return act(norm(x, scale=False))


def chain(x: ArrayLike, *steps: tuple[int, ...], halve: bool = False) -> ArrayLike:
    """Convolves step by step, each `(filters, *size)`; the last one may halve the places."""
    for filters, *size in steps[:-1]:
        x = conv(x, filters, *size)
    filters, *size = steps[-1]
    options: Any = {"strides": 2, "padding": "valid"} if halve else {}
    return conv(x, filters, *size, **options)


def stem(x: ArrayLike) -> ArrayLike:
    """Begins: eight times fewer places, and 192 channels."""
    x = conv(x, 32, 3, strides=2, padding="valid")
    x = conv(conv(x, 32, 3, padding="valid"), 64, 3)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = conv(conv(x, 80, 1, padding="valid"), 192, 3, padding="valid")
    return layers.MaxPooling2D(3, strides=2)(x)


def concat(xs: list[Any], name: str | None = None) -> ArrayLike:
    """Joins branches on the channels."""
    return layers.Concatenate(channel_axis(), name=name)(xs)


def average(x: ArrayLike) -> ArrayLike:
    """Averages the neighbourhood of each place."""
    return layers.AveragePooling2D(3, strides=1, padding="same")(x)


def _split(x: ArrayLike, name: str | None) -> ArrayLike:
    return concat([conv(x, 384, 1, 3), conv(x, 384, 3, 1)], name)


def _body(x: ArrayLike, given: Request) -> ArrayLike:
    x = stem(x)
    for i, filters in enumerate((32, 64, 64)):
        branches = [
            chain(x, (64, 1)),
            chain(x, (48, 1), (64, 5)),
            chain(x, (64, 1), (96, 3), (96, 3)),
            chain(average(x), (filters, 1)),
        ]
        x = concat(branches, f"mixed{i}")
    branches = [chain(x, (384, 3), halve=True), chain(x, (64, 1), (96, 3), (96, 3), halve=True)]
    x = concat([*branches, layers.MaxPooling2D(3, strides=2)(x)], "mixed3")
    for i, n in enumerate((128, 160, 160, 192), 4):
        branches = [
            chain(x, (192, 1)),
            chain(x, (n, 1), (n, 1, 7), (192, 7, 1)),
            chain(x, (n, 1), (n, 7, 1), (n, 1, 7), (n, 7, 1), (192, 1, 7)),
            chain(average(x), (192, 1)),
        ]
        x = concat(branches, f"mixed{i}")
    branches = [
        chain(x, (192, 1), (320, 3), halve=True),
        chain(x, (192, 1), (192, 1, 7), (192, 7, 1), (192, 3), halve=True),
    ]
    x = concat([*branches, layers.MaxPooling2D(3, strides=2)(x)], "mixed8")
    for i in range(2):
        branches = [
            chain(x, (320, 1)),
            _split(chain(x, (384, 1)), f"mixed9_{i}"),
            _split(chain(x, (448, 1), (384, 3)), None),
            chain(average(x), (192, 1)),
        ]
        x = concat(branches, f"mixed{9 + i}")
    return x


InceptionV3 = application(
    "InceptionV3",
    "Szegedy et al., 2015, Rethinking the Inception architecture for computer vision.",
    _body,
    size=299,
    least=75,
    model_name="inception_v3",
    named_pooling=False,
)
preprocess_input = preprocessor("tf", __name__)
