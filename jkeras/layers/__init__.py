"""Layers: weights declared in `build`, a computation in `call`."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier
from jkeras.core.input_spec import InputSpec as InputSpec
from jkeras.core.layer import Layer as Layer
from jkeras.layers.activation import ELU as ELU
from jkeras.layers.activation import Activation as Activation
from jkeras.layers.activation import LeakyReLU as LeakyReLU
from jkeras.layers.activation import PReLU as PReLU
from jkeras.layers.activation import ReLU as ReLU
from jkeras.layers.activation import Softmax as Softmax
from jkeras.layers.attention import AdditiveAttention as AdditiveAttention
from jkeras.layers.attention import Attention as Attention
from jkeras.layers.attention import GroupQueryAttention as GroupQueryAttention
from jkeras.layers.attention import MultiHeadAttention as MultiHeadAttention
from jkeras.layers.cells import GRUCell as GRUCell
from jkeras.layers.cells import LSTMCell as LSTMCell
from jkeras.layers.cells import SimpleRNNCell as SimpleRNNCell
from jkeras.layers.cells import StackedRNNCells as StackedRNNCells
from jkeras.layers.convolutional import Conv1D as Conv1D
from jkeras.layers.convolutional import Conv1DTranspose as Conv1DTranspose
from jkeras.layers.convolutional import Conv2D as Conv2D
from jkeras.layers.convolutional import Conv2DTranspose as Conv2DTranspose
from jkeras.layers.convolutional import Conv3D as Conv3D
from jkeras.layers.convolutional import Conv3DTranspose as Conv3DTranspose
from jkeras.layers.convolutional import DepthwiseConv1D as DepthwiseConv1D
from jkeras.layers.convolutional import DepthwiseConv2D as DepthwiseConv2D
from jkeras.layers.convolutional import SeparableConv1D as SeparableConv1D
from jkeras.layers.convolutional import SeparableConv2D as SeparableConv2D
from jkeras.layers.convolutional_recurrent import ConvLSTM1D as ConvLSTM1D
from jkeras.layers.convolutional_recurrent import ConvLSTM2D as ConvLSTM2D
from jkeras.layers.convolutional_recurrent import ConvLSTM3D as ConvLSTM3D
from jkeras.layers.core import ActivityRegularization as ActivityRegularization
from jkeras.layers.core import Dense as Dense
from jkeras.layers.core import EinsumDense as EinsumDense
from jkeras.layers.core import Embedding as Embedding
from jkeras.layers.core import Identity as Identity
from jkeras.layers.core import Input as Input
from jkeras.layers.core import InputLayer as InputLayer
from jkeras.layers.core import Lambda as Lambda
from jkeras.layers.core import Masking as Masking
from jkeras.layers.core import ReversibleEmbedding as ReversibleEmbedding
from jkeras.layers.interop import FlaxLayer as FlaxLayer
from jkeras.layers.interop import JaxLayer as JaxLayer
from jkeras.layers.interop import TorchModuleWrapper as TorchModuleWrapper
from jkeras.layers.merging import Add as Add
from jkeras.layers.merging import Average as Average
from jkeras.layers.merging import Concatenate as Concatenate
from jkeras.layers.merging import Dot as Dot
from jkeras.layers.merging import Maximum as Maximum
from jkeras.layers.merging import Minimum as Minimum
from jkeras.layers.merging import Multiply as Multiply
from jkeras.layers.merging import Subtract as Subtract
from jkeras.layers.merging import add as add
from jkeras.layers.merging import average as average
from jkeras.layers.merging import concatenate as concatenate
from jkeras.layers.merging import dot as dot
from jkeras.layers.merging import maximum as maximum
from jkeras.layers.merging import minimum as minimum
from jkeras.layers.merging import multiply as multiply
from jkeras.layers.merging import subtract as subtract
from jkeras.layers.normalization import BatchNormalization as BatchNormalization
from jkeras.layers.normalization import GroupNormalization as GroupNormalization
from jkeras.layers.normalization import LayerNormalization as LayerNormalization
from jkeras.layers.normalization import RMSNormalization as RMSNormalization
from jkeras.layers.normalization import UnitNormalization as UnitNormalization
from jkeras.layers.pooling import AdaptiveAveragePooling1D as AdaptiveAveragePooling1D
from jkeras.layers.pooling import AdaptiveAveragePooling2D as AdaptiveAveragePooling2D
from jkeras.layers.pooling import AdaptiveAveragePooling3D as AdaptiveAveragePooling3D
from jkeras.layers.pooling import AdaptiveMaxPooling1D as AdaptiveMaxPooling1D
from jkeras.layers.pooling import AdaptiveMaxPooling2D as AdaptiveMaxPooling2D
from jkeras.layers.pooling import AdaptiveMaxPooling3D as AdaptiveMaxPooling3D
from jkeras.layers.pooling import AveragePooling1D as AveragePooling1D
from jkeras.layers.pooling import AveragePooling2D as AveragePooling2D
from jkeras.layers.pooling import AveragePooling3D as AveragePooling3D
from jkeras.layers.pooling import GlobalAveragePooling1D as GlobalAveragePooling1D
from jkeras.layers.pooling import GlobalAveragePooling2D as GlobalAveragePooling2D
from jkeras.layers.pooling import GlobalAveragePooling3D as GlobalAveragePooling3D
from jkeras.layers.pooling import GlobalMaxPooling1D as GlobalMaxPooling1D
from jkeras.layers.pooling import GlobalMaxPooling2D as GlobalMaxPooling2D
from jkeras.layers.pooling import GlobalMaxPooling3D as GlobalMaxPooling3D
from jkeras.layers.pooling import MaxPooling1D as MaxPooling1D
from jkeras.layers.pooling import MaxPooling2D as MaxPooling2D
from jkeras.layers.pooling import MaxPooling3D as MaxPooling3D
from jkeras.layers.preprocessing.audio import MelSpectrogram as MelSpectrogram
from jkeras.layers.preprocessing.audio import STFTSpectrogram as STFTSpectrogram
from jkeras.layers.preprocessing.categorical import CategoryEncoding as CategoryEncoding
from jkeras.layers.preprocessing.categorical import Discretization as Discretization
from jkeras.layers.preprocessing.colors import RandomBrightness as RandomBrightness
from jkeras.layers.preprocessing.colors import RandomColorDegeneration as RandomColorDegeneration
from jkeras.layers.preprocessing.colors import RandomColorJitter as RandomColorJitter
from jkeras.layers.preprocessing.colors import RandomContrast as RandomContrast
from jkeras.layers.preprocessing.colors import RandomGaussianBlur as RandomGaussianBlur
from jkeras.layers.preprocessing.colors import RandomGrayscale as RandomGrayscale
from jkeras.layers.preprocessing.colors import RandomHue as RandomHue
from jkeras.layers.preprocessing.colors import RandomInvert as RandomInvert
from jkeras.layers.preprocessing.colors import RandomPosterization as RandomPosterization
from jkeras.layers.preprocessing.colors import RandomSaturation as RandomSaturation
from jkeras.layers.preprocessing.colors import RandomSharpness as RandomSharpness
from jkeras.layers.preprocessing.colors import Solarization as Solarization
from jkeras.layers.preprocessing.geometry import RandomElasticTransform as RandomElasticTransform
from jkeras.layers.preprocessing.geometry import RandomErasing as RandomErasing
from jkeras.layers.preprocessing.geometry import RandomFlip as RandomFlip
from jkeras.layers.preprocessing.geometry import RandomPerspective as RandomPerspective
from jkeras.layers.preprocessing.geometry import RandomRotation as RandomRotation
from jkeras.layers.preprocessing.geometry import RandomShear as RandomShear
from jkeras.layers.preprocessing.geometry import RandomTranslation as RandomTranslation
from jkeras.layers.preprocessing.geometry import RandomZoom as RandomZoom
from jkeras.layers.preprocessing.hashing import HashedCrossing as HashedCrossing
from jkeras.layers.preprocessing.hashing import Hashing as Hashing
from jkeras.layers.preprocessing.images import AutoContrast as AutoContrast
from jkeras.layers.preprocessing.images import CenterCrop as CenterCrop
from jkeras.layers.preprocessing.images import (
    ContrastLimitedAdaptiveHistogramEqualization as ContrastLimitedAdaptiveHistogramEqualization,
)
from jkeras.layers.preprocessing.images import Equalization as Equalization
from jkeras.layers.preprocessing.images import MaxNumBoundingBoxes as MaxNumBoundingBoxes
from jkeras.layers.preprocessing.images import RandomCrop as RandomCrop
from jkeras.layers.preprocessing.images import Resizing as Resizing
from jkeras.layers.preprocessing.lookup import IntegerLookup as IntegerLookup
from jkeras.layers.preprocessing.lookup import StringLookup as StringLookup
from jkeras.layers.preprocessing.mixing import AugMix as AugMix
from jkeras.layers.preprocessing.mixing import CutMix as CutMix
from jkeras.layers.preprocessing.mixing import MixUp as MixUp
from jkeras.layers.preprocessing.mixing import Pipeline as Pipeline
from jkeras.layers.preprocessing.mixing import RandAugment as RandAugment
from jkeras.layers.preprocessing.numeric import Normalization as Normalization
from jkeras.layers.preprocessing.numeric import Rescaling as Rescaling
from jkeras.layers.preprocessing.text import TextVectorization as TextVectorization
from jkeras.layers.recurrent import GRU as GRU
from jkeras.layers.recurrent import LSTM as LSTM
from jkeras.layers.recurrent import RNN as RNN
from jkeras.layers.recurrent import SimpleRNN as SimpleRNN
from jkeras.layers.regularization import AlphaDropout as AlphaDropout
from jkeras.layers.regularization import Dropout as Dropout
from jkeras.layers.regularization import GaussianDropout as GaussianDropout
from jkeras.layers.regularization import GaussianNoise as GaussianNoise
from jkeras.layers.regularization import SpatialDropout1D as SpatialDropout1D
from jkeras.layers.regularization import SpatialDropout2D as SpatialDropout2D
from jkeras.layers.regularization import SpatialDropout3D as SpatialDropout3D
from jkeras.layers.reshaping import Cropping1D as Cropping1D
from jkeras.layers.reshaping import Cropping2D as Cropping2D
from jkeras.layers.reshaping import Cropping3D as Cropping3D
from jkeras.layers.reshaping import Flatten as Flatten
from jkeras.layers.reshaping import Permute as Permute
from jkeras.layers.reshaping import RepeatVector as RepeatVector
from jkeras.layers.reshaping import Reshape as Reshape
from jkeras.layers.reshaping import UpSampling1D as UpSampling1D
from jkeras.layers.reshaping import UpSampling2D as UpSampling2D
from jkeras.layers.reshaping import UpSampling3D as UpSampling3D
from jkeras.layers.reshaping import ZeroPadding1D as ZeroPadding1D
from jkeras.layers.reshaping import ZeroPadding2D as ZeroPadding2D
from jkeras.layers.reshaping import ZeroPadding3D as ZeroPadding3D
from jkeras.layers.wrappers import Bidirectional as Bidirectional
from jkeras.layers.wrappers import SpectralNormalization as SpectralNormalization
from jkeras.layers.wrappers import TimeDistributed as TimeDistributed
from jkeras.layers.wrappers import Wrapper as Wrapper

# Keras's other names.
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
AvgPool3D = AveragePooling3D
Convolution1D = Conv1D
Convolution1DTranspose = Conv1DTranspose
Convolution2D = Conv2D
Convolution2DTranspose = Conv2DTranspose
Convolution3D = Conv3D
Convolution3DTranspose = Conv3DTranspose
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalAvgPool3D = GlobalAveragePooling3D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
SeparableConvolution1D = SeparableConv1D
SeparableConvolution2D = SeparableConv2D

serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns the layer that a config describes.

    Example:
        >>> import jkeras as keras
        >>> config = keras.layers.serialize(keras.layers.Dense(3))
        >>> keras.layers.deserialize(config).units
        3
    """
    return registry.deserialize_keras_object(config, custom_objects, area="layers")
