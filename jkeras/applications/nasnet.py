"""NASNet, large and mobile."""

from typing import Any

from jkeras import layers
from jkeras.applications.builder import (
    USUAL,
    Request,
    act,
    application,
    channel_axis,
    norm,
    stride_padding,
    usual_top,
)
from jkeras.applications.imagenet_utils import decode_predictions as decode_predictions
from jkeras.applications.imagenet_utils import preprocessor
from jkeras.base.types import ArrayLike


def _norm(x: ArrayLike, name: str) -> Any:
    return norm(x, name, momentum=0.9997)


def _convolution(x: ArrayLike, filters: int, name: str) -> Any:
    options: Any = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
    return layers.Conv2D(filters, 1, name=name, **options)(x)


def _separable(x: ArrayLike, filters: int, size: int, name: str, stride: int = 1) -> Any:
    """Convolves twice; the first time with the stride."""
    x = act(x)
    for i in (1, 2):
        padding = "same"
        if i == 1 and stride == 2:
            x = layers.ZeroPadding2D(stride_padding(x, size), name=f"separable_conv_1_pad_{name}")(
                x
            )
            padding = "valid"
        x = layers.SeparableConv2D(
            filters,
            size,
            strides=stride if i == 1 else 1,
            padding=padding,
            use_bias=False,
            name=f"separable_conv_{i}_{name}",
        )(x)
        x = _norm(x, f"separable_conv_{i}_bn_{name}")
        x = act(x) if i == 1 else x
    return x


def _adjusted(before: Any, x: ArrayLike, filters: int, name: str) -> Any:
    """Brings the outputs of the cell before the last to the shape of the last one's."""
    if before is None:
        return x
    axis = channel_axis()
    height = 1 if axis == 3 else 2
    if before.shape[height] != x.shape[height]:
        before = act(before, f"adjust_relu_1_{name}")
        shifted = layers.ZeroPadding2D(((0, 1), (0, 1)))(before)
        shifted = layers.Cropping2D(((1, 0), (1, 0)))(shifted)
        halves = []
        for i, y in enumerate((before, shifted), 1):
            y = layers.AveragePooling2D(1, strides=2, name=f"adjust_avg_pool_{i}_{name}")(y)
            halves.append(_convolution(y, filters // 2, f"adjust_conv_{i}_{name}"))
        return _norm(layers.Concatenate(axis)(halves), f"adjust_bn_{name}")
    if before.shape[axis] != filters:
        y = _convolution(act(before), filters, f"adjust_conv_projection_{name}")
        return _norm(y, f"adjust_bn_{name}")
    return before


def _normal(x: ArrayLike, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """Returns the outputs of a cell that keeps the places, and its inputs."""

    def add(i: int, a: ArrayLike, b: ArrayLike) -> Any:
        return layers.Add(name=f"normal_add_{i}_{name}")([a, b])

    def average(y: Any, side: str) -> Any:
        options: Any = {"strides": 1, "padding": "same"}
        return layers.AveragePooling2D(3, name=f"normal_{side}_{name}", **options)(y)

    def separable(y: Any, size: int, side: str) -> Any:
        return _separable(y, filters, size, f"normal_{side}_{name}")

    p = _adjusted(before, x, filters, name)
    h = _norm(_convolution(act(x), filters, f"normal_conv_1_{name}"), f"normal_bn_1_{name}")
    parts = [
        p,
        add(1, separable(h, 5, "left1"), separable(p, 3, "right1")),
        add(2, separable(p, 5, "left2"), separable(p, 3, "right2")),
        add(3, average(h, "left3"), p),
        add(4, average(p, "left4"), average(p, "right4")),
        add(5, separable(h, 3, "left5"), h),
    ]
    return layers.Concatenate(channel_axis(), name=f"normal_concat_{name}")(parts), x


def _reduction(x: ArrayLike, before: Any, filters: int, name: str) -> tuple[Any, Any]:
    """Returns the outputs of a cell that halves the places, and its inputs."""

    def add(label: str, a: ArrayLike, b: ArrayLike) -> Any:
        return layers.Add(name=f"reduction_{label}_{name}")([a, b])

    def separable(y: Any, size: int, side: str, stride: int = 2) -> Any:
        return _separable(y, filters, size, f"reduction_{side}_{name}", stride)

    def pooled(kind: Any, side: str) -> Any:
        return kind(3, strides=2, padding="valid", name=f"reduction_{side}_{name}")(padded)

    p = _adjusted(before, x, filters, name)
    h = _norm(_convolution(act(x), filters, f"reduction_conv_1_{name}"), f"reduction_bn_1_{name}")
    padded = layers.ZeroPadding2D(stride_padding(h, 3), name=f"reduction_pad_1_{name}")(h)
    x1 = add("add_1", separable(h, 5, "left1"), separable(p, 7, "right1"))
    x2 = add("add_2", pooled(layers.MaxPooling2D, "left2"), separable(p, 7, "right2"))
    x3 = add("add3", pooled(layers.AveragePooling2D, "left3"), separable(p, 5, "right3"))
    options: Any = {"strides": 1, "padding": "same", "name": f"reduction_left4_{name}"}
    x4 = layers.Add()([x2, layers.AveragePooling2D(3, **options)(x1)])
    x5 = add("add4", separable(x1, 3, "left4", 1), pooled(layers.MaxPooling2D, "right5"))
    concat = layers.Concatenate(channel_axis(), name=f"reduction_concat_{name}")
    return concat([x2, x3, x4, x5]), x


def _nasnet(kind: str, size: int, filters: int, cells: int, stem: int, skips: bool) -> Any:
    def body(x: ArrayLike, given: Request) -> Any:
        options: Any = {"strides": 2, "use_bias": False, "kernel_initializer": "he_normal"}
        x = _norm(layers.Conv2D(stem, 3, name="stem_conv1", **options)(x), "stem_bn1")
        x, p = _reduction(x, None, filters // 4, "stem_1")
        x, p = _reduction(x, p, filters // 2, "stem_2")
        for stage in range(3):
            if stage:
                x, last = _reduction(x, p, filters << stage, f"reduce_{stage * cells}")
                p = p if skips else last
            for i in range(cells):
                name = stage * cells + i + (1 if stage else 0)
                x, p = _normal(x, p, filters << stage, str(name))
        return act(x)

    usual = {k: v for k, v in USUAL.items() if k != "input_shape"}
    return application(
        f"NASNet{kind}",
        "Zoph et al., 2017, Learning transferable architectures for scalable image recognition.",
        body,
        top=lambda x, given: usual_top(x, given, None),
        size=size,
        arguments={"input_shape": None, **usual},
        model_name=f"nasnet_{kind.lower()}",
        named_pooling=False,
        static="always",
    )


NASNetMobile = _nasnet("Mobile", 224, 44, 4, 32, skips=False)
NASNetLarge = _nasnet("Large", 331, 168, 6, 96, skips=True)
preprocess_input = preprocessor("tf", __name__)
