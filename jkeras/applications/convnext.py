"""ConvNeXt: a convolutional network in the manner of vision transformers."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import USUAL, Request, act, application, channel_axis, pool
from jkeras.applications.efficientnet import MEAN, STDDEV
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.applications.scales import LayerScale as LayerScale
from jkeras.base.types import ArrayLike
from jkeras.models import Sequential


def _norm(name: str | None) -> Any:
    return layers.LayerNormalization(epsilon=1e-6, name=name)


def _convnext(kind: str, depths: tuple[int, ...], widths: tuple[int, ...]) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        name = given.name
        if given.include_preprocessing:
            x = layers.Normalization(
                -1 if channel_axis() == 3 else 1,
                mean=[m * 255 for m in MEAN],
                variance=[(s * 255) ** 2 for s in STDDEV],
                name=f"{name}_prestem_normalization",
            )(x)
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            if stage == 0:
                conv = layers.Conv2D(width, 4, strides=4, name=f"{name}_stem_conv")
                begin = Sequential([conv, _norm(f"{name}_stem_layernorm")], name=f"{name}_stem")
            else:
                label, i = f"{name}_downsampling", stage - 1
                conv = layers.Conv2D(width, 2, strides=2, name=f"{label}_conv_{i}")
                before = _norm(f"{label}_layernorm_{i}")
                begin = Sequential([before, conv], name=f"{label}_block_{i}")
            x = begin(x)
            for i in range(depth):
                label, inputs = f"{name}_stage_{stage}_block_{i}", x
                options: Any = {"padding": "same", "groups": width}
                x = layers.Conv2D(width, 7, name=f"{label}_depthwise_conv", **options)(x)
                x = _norm(f"{label}_layernorm")(x)
                x = layers.Dense(4 * width, name=f"{label}_pointwise_conv_1")(x)
                x = act(x, f"{label}_gelu", "gelu")
                x = layers.Dense(width, name=f"{label}_pointwise_conv_2")(x)
                x = LayerScale(1e-6, width, name=f"{label}_layer_scale")(x)
                x = inputs + act(x, f"{label}_identity", "linear")
        return x

    def top(x: ArrayLike, given: Request) -> Any:
        x = layers.GlobalAveragePooling2D(name=f"{given.name}_head_gap")(x)
        x = _norm(f"{given.name}_head_layernorm")(x)
        name = f"{given.name}_head_dense"
        return layers.Dense(given.classes, given.classifier_activation, name=name)(x)

    usual = {k: v for k, v in USUAL.items() if k != "include_top"}
    return application(
        f"ConvNeXt{kind}",
        "Liu et al., 2022, A ConvNet for the 2020s.",
        body,
        top=top,
        arguments={"include_top": True, "include_preprocessing": True, **usual},
        model_name=f"convnext_{kind.lower()}",
        bottom=lambda x, given: _norm(None)(pool(x, given.pooling, named=False)),
    )


ConvNeXtTiny = _convnext("Tiny", (3, 3, 9, 3), (96, 192, 384, 768))
ConvNeXtSmall = _convnext("Small", (3, 3, 27, 3), (96, 192, 384, 768))
ConvNeXtBase = _convnext("Base", (3, 3, 27, 3), (128, 256, 512, 1024))
ConvNeXtLarge = _convnext("Large", (3, 3, 27, 3), (192, 384, 768, 1536))
ConvNeXtXLarge = _convnext("XLarge", (3, 3, 27, 3), (256, 512, 1024, 2048))
preprocess_input = preprocessor(None, __name__)
