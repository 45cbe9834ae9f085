"""Well-known models of images, with the layer names of Keras, so that its weight files fit.

Their modules are imported when they are first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jkeras.applications import convnext as convnext
    from jkeras.applications import densenet as densenet
    from jkeras.applications import efficientnet as efficientnet
    from jkeras.applications import efficientnet_v2 as efficientnet_v2
    from jkeras.applications import imagenet_utils as imagenet_utils
    from jkeras.applications import inception_resnet_v2 as inception_resnet_v2
    from jkeras.applications import inception_v3 as inception_v3
    from jkeras.applications import mobilenet as mobilenet
    from jkeras.applications import mobilenet_v2 as mobilenet_v2
    from jkeras.applications import mobilenet_v3 as mobilenet_v3
    from jkeras.applications import nasnet as nasnet
    from jkeras.applications import resnet as resnet
    from jkeras.applications import resnet50 as resnet50
    from jkeras.applications import resnet_v2 as resnet_v2
    from jkeras.applications import vgg16 as vgg16
    from jkeras.applications import vgg19 as vgg19
    from jkeras.applications import xception as xception
    from jkeras.applications.convnext import ConvNeXtBase as ConvNeXtBase
    from jkeras.applications.convnext import ConvNeXtLarge as ConvNeXtLarge
    from jkeras.applications.convnext import ConvNeXtSmall as ConvNeXtSmall
    from jkeras.applications.convnext import ConvNeXtTiny as ConvNeXtTiny
    from jkeras.applications.convnext import ConvNeXtXLarge as ConvNeXtXLarge
    from jkeras.applications.densenet import DenseNet121 as DenseNet121
    from jkeras.applications.densenet import DenseNet169 as DenseNet169
    from jkeras.applications.densenet import DenseNet201 as DenseNet201
    from jkeras.applications.efficientnet import EfficientNetB0 as EfficientNetB0
    from jkeras.applications.efficientnet import EfficientNetB1 as EfficientNetB1
    from jkeras.applications.efficientnet import EfficientNetB2 as EfficientNetB2
    from jkeras.applications.efficientnet import EfficientNetB3 as EfficientNetB3
    from jkeras.applications.efficientnet import EfficientNetB4 as EfficientNetB4
    from jkeras.applications.efficientnet import EfficientNetB5 as EfficientNetB5
    from jkeras.applications.efficientnet import EfficientNetB6 as EfficientNetB6
    from jkeras.applications.efficientnet import EfficientNetB7 as EfficientNetB7
    from jkeras.applications.efficientnet_v2 import EfficientNetV2B0 as EfficientNetV2B0
    from jkeras.applications.efficientnet_v2 import EfficientNetV2B1 as EfficientNetV2B1
    from jkeras.applications.efficientnet_v2 import EfficientNetV2B2 as EfficientNetV2B2
    from jkeras.applications.efficientnet_v2 import EfficientNetV2B3 as EfficientNetV2B3
    from jkeras.applications.efficientnet_v2 import EfficientNetV2L as EfficientNetV2L
    from jkeras.applications.efficientnet_v2 import EfficientNetV2M as EfficientNetV2M
    from jkeras.applications.efficientnet_v2 import EfficientNetV2S as EfficientNetV2S
    from jkeras.applications.inception_resnet_v2 import InceptionResNetV2 as InceptionResNetV2
    from jkeras.applications.inception_v3 import InceptionV3 as InceptionV3
    from jkeras.applications.mobilenet import MobileNet as MobileNet
    from jkeras.applications.mobilenet_v2 import MobileNetV2 as MobileNetV2
    from jkeras.applications.mobilenet_v3 import MobileNetV3Large as MobileNetV3Large
    from jkeras.applications.mobilenet_v3 import MobileNetV3Small as MobileNetV3Small
    from jkeras.applications.nasnet import NASNetLarge as NASNetLarge
    from jkeras.applications.nasnet import NASNetMobile as NASNetMobile
    from jkeras.applications.resnet import ResNet50 as ResNet50
    from jkeras.applications.resnet import ResNet101 as ResNet101
    from jkeras.applications.resnet import ResNet152 as ResNet152
    from jkeras.applications.resnet_v2 import ResNet50V2 as ResNet50V2
    from jkeras.applications.resnet_v2 import ResNet101V2 as ResNet101V2
    from jkeras.applications.resnet_v2 import ResNet152V2 as ResNet152V2
    from jkeras.applications.vgg16 import VGG16 as VGG16
    from jkeras.applications.vgg19 import VGG19 as VGG19
    from jkeras.applications.xception import Xception as Xception

_MODULES = (
    "convnext",
    "densenet",
    "efficientnet",
    "efficientnet_v2",
    "imagenet_utils",
    "inception_resnet_v2",
    "inception_v3",
    "mobilenet",
    "mobilenet_v2",
    "mobilenet_v3",
    "nasnet",
    "resnet",
    "resnet50",
    "resnet_v2",
    "vgg16",
    "vgg19",
    "xception",
)
_MODELS = {
    "ConvNeXtBase": "convnext",
    "ConvNeXtLarge": "convnext",
    "ConvNeXtSmall": "convnext",
    "ConvNeXtTiny": "convnext",
    "ConvNeXtXLarge": "convnext",
    "DenseNet121": "densenet",
    "DenseNet169": "densenet",
    "DenseNet201": "densenet",
    "EfficientNetB0": "efficientnet",
    "EfficientNetB1": "efficientnet",
    "EfficientNetB2": "efficientnet",
    "EfficientNetB3": "efficientnet",
    "EfficientNetB4": "efficientnet",
    "EfficientNetB5": "efficientnet",
    "EfficientNetB6": "efficientnet",
    "EfficientNetB7": "efficientnet",
    "EfficientNetV2B0": "efficientnet_v2",
    "EfficientNetV2B1": "efficientnet_v2",
    "EfficientNetV2B2": "efficientnet_v2",
    "EfficientNetV2B3": "efficientnet_v2",
    "EfficientNetV2L": "efficientnet_v2",
    "EfficientNetV2M": "efficientnet_v2",
    "EfficientNetV2S": "efficientnet_v2",
    "InceptionResNetV2": "inception_resnet_v2",
    "InceptionV3": "inception_v3",
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "MobileNetV3Large": "mobilenet_v3",
    "MobileNetV3Small": "mobilenet_v3",
    "NASNetLarge": "nasnet",
    "NASNetMobile": "nasnet",
    "ResNet50": "resnet",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "ResNet50V2": "resnet_v2",
    "ResNet101V2": "resnet_v2",
    "ResNet152V2": "resnet_v2",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
    "Xception": "xception",
}


def __getattr__(name: str) -> Any:
    module = name if name in _MODULES else _MODELS.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = importlib.import_module(f"{__name__}.{module}")
    return found if name == module else getattr(found, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES, *_MODELS])
