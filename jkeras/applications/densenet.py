"""DenseNet 121, 169 and 201."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import Request, act, application, channel_axis, norm
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike

_EPSILON = 1.001e-5


def _conv(x: ArrayLike, filters: int, size: int, name: str, **options: Any) -> Any:
    return layers.Conv2D(filters, size, use_bias=False, name=name, **options)(x)


def _before(x: ArrayLike, name: str) -> Any:
    return act(norm(x, f"{name}_bn", epsilon=_EPSILON), f"{name}_relu")


def _densenet(name: str, *depths: int) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        axis = channel_axis()
        x = layers.ZeroPadding2D(3)(x)
        x = _before(_conv(x, 64, 7, "conv1_conv", strides=2), "conv1")
        x = layers.ZeroPadding2D(1)(x)
        x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
        for stage, depth in enumerate(depths, 2):
            for i in range(1, depth + 1):
                block = f"conv{stage}_block{i}"
                y = _conv(_before(x, f"{block}_0"), 128, 1, f"{block}_1_conv")
                y = _conv(_before(y, f"{block}_1"), 32, 3, f"{block}_2_conv", padding="same")
                x = layers.Concatenate(axis, name=f"{block}_concat")([x, y])
            if stage < 5:
                pool = f"pool{stage}"
                x = _conv(_before(x, pool), x.shape[axis] // 2, 1, f"{pool}_conv")
                x = layers.AveragePooling2D(2, strides=2, name=f"{pool}_pool")(x)
        return act(norm(x, "bn", epsilon=_EPSILON), "relu")

    return application(name, "Huang et al., 2016, Densely connected convolutional networks.", body)


DenseNet121 = _densenet("DenseNet121", 6, 12, 24, 16)
DenseNet169 = _densenet("DenseNet169", 6, 12, 32, 32)
DenseNet201 = _densenet("DenseNet201", 6, 12, 48, 32)
preprocess_input = preprocessor("torch", __name__)
