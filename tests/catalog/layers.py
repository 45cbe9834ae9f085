"""Every layer once: how it is made, and what it is called on."""

from dataclasses import dataclass, field
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from jkeras import layers


@dataclass(frozen=True)
class Floats:
    """Floating inputs: normal numbers, moved and scaled."""

    shape: tuple[int, ...]
    mean: float = 0.0
    stddev: float = 1.0

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        return generator.normal(self.mean, self.stddev, self.shape).astype("float32")


@dataclass(frozen=True)
class Integers:
    """Integer inputs below a limit."""

    shape: tuple[int, ...]
    limit: int

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        return generator.integers(0, self.limit, self.shape).astype("int32")


@dataclass(frozen=True)
class Words:
    """Strings of lower-case letters."""

    shape: tuple[int, ...]
    letters: str = "abcd"

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        return generator.choice(list(self.letters), self.shape)


@dataclass(frozen=True, eq=False)
class Case:
    """A layer and its inputs.

    Args:
        layer: The class.
        arguments: What it is made with, or a function that returns it (for layers of layers).
        inputs: The specs of what it is called on: one, or a list of them as one argument, or a
            tuple of them as several arguments.
        name: What the case is called; the class's name by default.
        sequences: Whether the inputs are sequences, which may have a mask.
        trains: Whether training differs from inference (so that it may need a key).
        differentiable: Whether floats go in and gradients come back.
        pure: Whether it can be traced (layers of strings run on the host).
        saves: Whether a config makes it again (a module of Flax has none).
        kwargs: Further arguments of an eager call that is to give what inference gives.
    """

    layer: type
    arguments: Any
    inputs: Any
    name: str = ""
    sequences: bool = False
    trains: bool = False
    differentiable: bool = True
    pure: bool = True
    saves: bool = True
    kwargs: dict = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name or self.layer.__name__

    def make(self) -> Any:
        """Returns a new layer."""
        return self.layer(**(self.arguments() if callable(self.arguments) else self.arguments))

    def draw(self, seed: int = 0) -> tuple:
        """Returns arrays to call the layer on, as a tuple of arguments."""
        generator = np.random.default_rng(seed)
        inputs = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        return jax.tree.map(lambda spec: spec.draw(generator), inputs)


VECTORS = Floats((3, 4))
SEQUENCES = Floats((3, 5, 4))
IMAGES = Floats((2, 8, 6, 3))
VOLUMES = Floats((2, 4, 5, 6, 2))
PAIR = [Floats((3, 5, 4)), Floats((3, 5, 4), 1.0, 2.0)]

_CORE = [
    Case(layers.Dense, {"units": 2, "activation": "tanh"}, SEQUENCES, sequences=True),
    Case(
        layers.EinsumDense,
        {"equation": "abc,cd->abd", "output_shape": (None, 6), "bias_axes": "d"},
        SEQUENCES,
    ),
    Case(layers.Embedding, {"input_dim": 9, "output_dim": 3}, Integers((3, 5), 9)),
    Case(
        layers.ReversibleEmbedding,
        {"input_dim": 9, "output_dim": 3, "tie_weights": False},
        Integers((3, 5), 9),
    ),
    Case(layers.Masking, {}, SEQUENCES, sequences=True),
    Case(layers.Lambda, {"function": abs}, VECTORS),
    Case(layers.Identity, {}, SEQUENCES, sequences=True),
    Case(layers.ActivityRegularization, {"l1": 0.1, "l2": 0.2}, SEQUENCES, sequences=True),
]
_ACTIVATIONS = [
    Case(layers.Activation, {"activation": "gelu"}, SEQUENCES, sequences=True),
    Case(layers.ReLU, {"max_value": 1.0, "negative_slope": 0.1}, SEQUENCES, sequences=True),
    Case(layers.LeakyReLU, {"negative_slope": 0.2}, SEQUENCES, sequences=True),
    Case(
        layers.PReLU, {"alpha_initializer": "ones", "shared_axes": [1]}, SEQUENCES, sequences=True
    ),
    Case(layers.ELU, {"alpha": 0.7}, SEQUENCES, sequences=True),
    Case(layers.Softmax, {"axis": 1}, VECTORS),
]
_RESHAPING = [
    Case(layers.Flatten, {}, SEQUENCES),
    Case(layers.Reshape, {"target_shape": (2, -1)}, SEQUENCES),
    Case(layers.Permute, {"dims": (2, 1)}, SEQUENCES),
    Case(layers.RepeatVector, {"n": 3}, VECTORS),
    Case(layers.Cropping1D, {"cropping": (1, 2)}, SEQUENCES),
    Case(layers.Cropping2D, {"cropping": 1}, IMAGES),
    Case(layers.Cropping3D, {"cropping": ((1, 0), (1, 1), (0, 2))}, VOLUMES),
    Case(layers.ZeroPadding1D, {"padding": (1, 2)}, SEQUENCES),
    Case(layers.ZeroPadding2D, {"padding": (1, 2)}, IMAGES),
    Case(layers.ZeroPadding3D, {"padding": 1}, VOLUMES),
    Case(layers.UpSampling1D, {"size": 3}, SEQUENCES),
    Case(layers.UpSampling2D, {"size": (2, 3), "interpolation": "bilinear"}, IMAGES),
    Case(layers.UpSampling3D, {"size": 2}, VOLUMES),
]
_CONVOLUTIONS = [
    Case(layers.Conv1D, {"filters": 2, "kernel_size": 3, "padding": "causal"}, SEQUENCES),
    Case(layers.Conv2D, {"filters": 4, "kernel_size": 3, "strides": 2}, IMAGES),
    Case(layers.Conv3D, {"filters": 2, "kernel_size": 2, "padding": "same"}, VOLUMES),
    Case(layers.Conv1DTranspose, {"filters": 2, "kernel_size": 3, "strides": 2}, SEQUENCES),
    Case(layers.Conv2DTranspose, {"filters": 2, "kernel_size": 3, "padding": "same"}, IMAGES),
    Case(layers.Conv3DTranspose, {"filters": 2, "kernel_size": 2}, VOLUMES),
    Case(layers.DepthwiseConv1D, {"kernel_size": 2, "depth_multiplier": 2}, SEQUENCES),
    Case(layers.DepthwiseConv2D, {"kernel_size": (2, 3)}, IMAGES),
    Case(layers.SeparableConv1D, {"filters": 2, "kernel_size": 3}, SEQUENCES),
    Case(layers.SeparableConv2D, {"filters": 2, "kernel_size": 3, "padding": "same"}, IMAGES),
]
_POOLINGS = [
    Case(layers.MaxPooling1D, {}, SEQUENCES),
    Case(layers.MaxPooling2D, {"pool_size": 3, "strides": 2, "padding": "same"}, IMAGES),
    Case(layers.MaxPooling3D, {}, VOLUMES),
    Case(layers.AveragePooling1D, {"pool_size": 2}, SEQUENCES),
    Case(layers.AveragePooling2D, {"pool_size": 3, "padding": "same"}, IMAGES),
    Case(layers.AveragePooling3D, {"pool_size": 2}, VOLUMES),
    Case(layers.GlobalMaxPooling1D, {}, SEQUENCES),
    Case(layers.GlobalMaxPooling2D, {}, IMAGES),
    Case(layers.GlobalMaxPooling3D, {"keepdims": True}, VOLUMES),
    Case(layers.GlobalAveragePooling1D, {}, SEQUENCES),
    Case(layers.GlobalAveragePooling2D, {"keepdims": True}, IMAGES),
    Case(layers.GlobalAveragePooling3D, {}, VOLUMES),
    Case(layers.AdaptiveMaxPooling1D, {"output_size": 3}, SEQUENCES),
    Case(layers.AdaptiveMaxPooling2D, {"output_size": (3, 2)}, IMAGES),
    Case(layers.AdaptiveMaxPooling3D, {"output_size": 2}, VOLUMES),
    Case(layers.AdaptiveAveragePooling1D, {"output_size": 3}, SEQUENCES),
    Case(layers.AdaptiveAveragePooling2D, {"output_size": (3, 2)}, IMAGES),
    Case(layers.AdaptiveAveragePooling3D, {"output_size": 2}, VOLUMES),
]
_MERGES = [
    Case(layers.Add, {}, PAIR, sequences=True),
    Case(layers.Subtract, {}, PAIR, sequences=True),
    Case(layers.Multiply, {}, PAIR, sequences=True),
    Case(layers.Average, {}, PAIR, sequences=True),
    Case(layers.Maximum, {}, PAIR, sequences=True),
    Case(layers.Minimum, {}, PAIR, sequences=True),
    Case(layers.Concatenate, {"axis": 2}, PAIR, sequences=True),
    Case(layers.Dot, {"axes": 2, "normalize": True}, PAIR),
]
_NORMALIZATIONS = [
    Case(layers.BatchNormalization, {}, SEQUENCES, sequences=True, trains=True),
    Case(
        layers.BatchNormalization,
        {"renorm": True, "axis": 1},
        SEQUENCES,
        "BatchNormalization renorm",
        trains=True,
    ),
    Case(layers.LayerNormalization, {}, SEQUENCES, sequences=True),
    Case(layers.GroupNormalization, {"groups": 2}, SEQUENCES, sequences=True),
    Case(layers.RMSNormalization, {}, SEQUENCES, sequences=True),
    Case(layers.UnitNormalization, {}, SEQUENCES, sequences=True),
    Case(layers.Normalization, {"mean": [0.0] * 4, "variance": [2.0] * 4}, VECTORS),
    Case(layers.Rescaling, {"scale": 0.1, "offset": 1.0}, VECTORS),
]
_REGULARIZATIONS = [
    Case(layers.Dropout, {"rate": 0.5}, SEQUENCES, sequences=True, trains=True),
    Case(
        layers.Dropout,
        {"rate": 0.5, "seed": 3, "noise_shape": (None, 1, None)},
        SEQUENCES,
        "Dropout with a seed",
        sequences=True,
        trains=True,
    ),
    Case(layers.AlphaDropout, {"rate": 0.5}, SEQUENCES, sequences=True, trains=True),
    Case(layers.GaussianDropout, {"rate": 0.5}, SEQUENCES, sequences=True, trains=True),
    Case(layers.GaussianNoise, {"stddev": 0.5}, SEQUENCES, sequences=True, trains=True),
    Case(layers.SpatialDropout1D, {"rate": 0.5}, SEQUENCES, sequences=True, trains=True),
    Case(layers.SpatialDropout2D, {"rate": 0.5}, IMAGES, trains=True),
    Case(layers.SpatialDropout3D, {"rate": 0.5}, VOLUMES, trains=True),
]


def _cell(name: str, **kwargs: Any) -> Any:
    return lambda: {"cell": getattr(layers, name)(3, **kwargs)}


def _two_cells() -> Any:
    return [layers.LSTMCell(3), layers.GRUCell(2)]


_RECURRENT = [
    Case(layers.SimpleRNN, {"units": 3, "return_sequences": True}, SEQUENCES, sequences=True),
    Case(
        layers.LSTM,
        {"units": 3, "return_sequences": True, "dropout": 0.5, "recurrent_dropout": 0.5},
        SEQUENCES,
        sequences=True,
        trains=True,
    ),
    Case(
        layers.GRU,
        {"units": 3, "return_sequences": True, "dropout": 0.5, "seed": 1},
        SEQUENCES,
        sequences=True,
        trains=True,
    ),
    Case(layers.RNN, _cell("GRUCell", reset_after=False), SEQUENCES),
    Case(
        layers.RNN,
        lambda: {"cell": _two_cells(), "return_sequences": True, "return_state": True},
        SEQUENCES,
        "RNN of two cells",
    ),
    Case(layers.SimpleRNNCell, {"units": 3}, (Floats((2, 4)), [Floats((2, 3))])),
    Case(layers.LSTMCell, {"units": 3}, (Floats((2, 4)), [Floats((2, 3)), Floats((2, 3))])),
    Case(layers.GRUCell, {"units": 3}, (Floats((2, 4)), [Floats((2, 3))])),
    Case(
        layers.StackedRNNCells,
        lambda: {"cells": _two_cells()},
        (Floats((2, 4)), [[Floats((2, 3)), Floats((2, 3))], [Floats((2, 2))]]),
    ),
    Case(layers.ConvLSTM1D, {"filters": 2, "kernel_size": 2}, Floats((2, 3, 6, 3))),
    Case(layers.ConvLSTM2D, {"filters": 2, "kernel_size": 2}, Floats((2, 2, 4, 5, 1))),
    Case(layers.ConvLSTM3D, {"filters": 2, "kernel_size": 2}, Floats((1, 2, 3, 4, 3, 1))),
]
_WRAPPERS = [
    Case(
        layers.Bidirectional,
        lambda: {"layer": layers.GRU(2, return_sequences=True)},
        SEQUENCES,
        sequences=True,
    ),
    Case(layers.TimeDistributed, lambda: {"layer": layers.Dense(2)}, SEQUENCES, sequences=True),
    Case(layers.SpectralNormalization, lambda: {"layer": layers.Dense(2)}, VECTORS, trains=True),
]

_ATTENTIONS = [
    Case(
        layers.MultiHeadAttention,
        {"num_heads": 2, "key_dim": 3, "dropout": 0.5},
        (SEQUENCES, Floats((3, 6, 4))),
        trains=True,
    ),
    Case(
        layers.GroupQueryAttention,
        {"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2, "use_gate": True},
        (SEQUENCES, Floats((3, 6, 4))),
    ),
    Case(layers.Attention, {"use_scale": True, "dropout": 0.5}, PAIR, sequences=True, trains=True),
    Case(layers.AdditiveAttention, {}, PAIR, sequences=True),
]

_CATEGORIES = [
    Case(layers.CategoryEncoding, {"num_tokens": 4}, Integers((3, 5), 4), differentiable=False),
    Case(
        layers.Discretization,
        {"bin_boundaries": [-1.0, 0.0, 0.5], "output_mode": "one_hot"},
        VECTORS,
        differentiable=False,
    ),
    Case(
        layers.IntegerLookup,
        {"vocabulary": [5, 3, 1], "mask_token": 0, "num_oov_indices": 2},
        Integers((3, 5), 7),
        differentiable=False,
    ),
    Case(layers.Hashing, {"num_bins": 3, "mask_value": "a"}, Words((3, 5)), pure=False),
    Case(layers.HashedCrossing, {"num_bins": 5}, [Words((6,)), Integers((6,), 3)], pure=False),
    Case(
        layers.StringLookup,
        {"vocabulary": ["b", "a"], "output_mode": "multi_hot"},
        Words((3, 5)),
        pure=False,
    ),
    Case(
        layers.TextVectorization,
        {"vocabulary": ["b", "a"], "output_sequence_length": 2},
        Words((4,)),
        pure=False,
    ),
]


def scaled(params: Any, inputs: Any) -> Any:
    return params * inputs


REST = {"training": False}
PIXELS = Floats((2, 6, 5, 3), 128.0, 40.0)


_WITH_GRADIENTS = (layers.Resizing, layers.CenterCrop, layers.RandomRotation)


def _image(layer: type, arguments: dict | None = None, trains: bool = True) -> Case:
    """Layers of images change them unless `training=False`, even in a call of their own."""
    differentiable = issubclass(layer, _WITH_GRADIENTS)  # of the others nobody asks for gradients
    return Case(
        layer, arguments or {}, PIXELS, trains=trains, differentiable=differentiable, kwargs=REST
    )


_IMAGES = [
    _image(layers.Resizing, {"height": 4, "width": 7}, trains=False),
    _image(layers.CenterCrop, {"height": 4, "width": 3}, trains=False),
    _image(layers.AutoContrast, trains=False),
    Case(layers.Equalization, {}, PIXELS, trains=True, differentiable=False, kwargs=REST),
    _image(
        layers.ContrastLimitedAdaptiveHistogramEqualization,
        {"tile_grid_size": (2, 3)},
        trains=False,
    ),
    _image(layers.RandomElasticTransform, {"factor": (1.0, 1.0), "scale": (0.5, 0.5)}),
    _image(layers.MaxNumBoundingBoxes, {"max_number": 2}, trains=False),
    Case(
        layers.Pipeline,
        lambda: {"layers": [layers.Rescaling(0.5), layers.RandomBrightness(0.2)]},
        PIXELS,
        trains=True,
        differentiable=False,
        kwargs=REST,
    ),
    _image(layers.RandomCrop, {"height": 4, "width": 3}),
    _image(layers.RandomFlip, {"seed": 0}),
    _image(layers.RandomRotation, {"factor": 0.2}),
    _image(layers.RandomZoom, {"height_factor": 0.2, "seed": 3}),
    _image(layers.RandomTranslation, {"height_factor": 0.2, "width_factor": 0.1}),
    _image(layers.RandomShear, {"x_factor": 0.5, "fill_mode": "constant"}),
    _image(layers.RandomPerspective, {"factor": (1.0, 1.0)}),
    _image(layers.RandomErasing, {"factor": (1.0, 1.0)}),
    _image(layers.RandomBrightness, {"factor": 0.2}),
    _image(layers.RandomContrast, {"factor": 0.5}),
    _image(layers.RandomHue, {"factor": 0.5}),
    _image(layers.RandomSaturation, {"factor": (0.1, 0.4)}),
    _image(layers.RandomColorDegeneration, {"factor": 0.5}),
    _image(layers.RandomSharpness, {"factor": 0.4}),
    Case(
        layers.RandomPosterization,
        {"factor": 4},
        PIXELS,
        trains=True,
        differentiable=False,
        kwargs=REST,
    ),
    _image(layers.RandomGrayscale, {"factor": 1.0}),
    _image(layers.RandomInvert, {"factor": (1.0, 1.0)}),
    _image(layers.Solarization, {"addition_factor": 0.3, "threshold_factor": 0.5}),
    _image(layers.RandomGaussianBlur, {"factor": (1.0, 1.0), "sigma": (0.5, 1.0)}),
    _image(layers.RandomColorJitter, {"brightness_factor": 0.2, "hue_factor": 0.2}),
    _image(layers.MixUp, {"alpha": 1.0}),
    _image(layers.CutMix, {"factor": (1.0, 1.0)}),
    _image(layers.RandAugment, {"num_ops": 1}),
    _image(layers.AugMix, {"num_chains": 1, "chain_depth": 1}),
]

SOUNDS = Floats((2, 40, 2))
_SOUNDS = [
    Case(
        layers.STFTSpectrogram,
        {"mode": "psd", "frame_length": 8, "frame_step": 4},
        SOUNDS,
    ),
    Case(
        layers.MelSpectrogram,
        {"fft_length": 16, "sequence_stride": 8, "num_mel_bins": 4},
        Floats((2, 40)),
    ),
]

_OUTSIDE = [
    Case(layers.JaxLayer, {"call_fn": scaled, "params": np.float32(2.0)}, VECTORS),
    Case(layers.FlaxLayer, lambda: {"module": nn.Dense(2)}, VECTORS),
]

LAYERS = [
    *_CORE,
    *_ACTIVATIONS,
    *_RESHAPING,
    *_CONVOLUTIONS,
    *_POOLINGS,
    *_MERGES,
    *_NORMALIZATIONS,
    *_REGULARIZATIONS,
    *_RECURRENT,
    *_WRAPPERS,
    *_ATTENTIONS,
    *_CATEGORIES,
    *_IMAGES,
    *_SOUNDS,
    *_OUTSIDE,
]
