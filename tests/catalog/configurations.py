"""Layers in many configurations, whose numbers are compared with Keras's.

`tests/interop/test_layers.py` compares with Keras itself and writes its numbers to
`tests/golden/layers.npz`; `tests/layers/test_numbers.py` compares with that file.
"""

import inspect
import zlib
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import layers
from jkeras.core import pure


class Nested:
    """A layer as an argument: made anew in each library."""

    def __init__(self, layer: str, *args: Any, **kwargs: Any):
        self.layer, self.args, self.kwargs = layer, args, kwargs

    def make(self, module: Any) -> Any:
        return getattr(module, self.layer)(*_own(self.args, module), **_own(self.kwargs, module))

    def __repr__(self) -> str:
        return f"{self.layer}{self.args}{self.kwargs or ''}"


def _own(tree: Any, module: Any) -> Any:
    is_nested = lambda x: isinstance(x, Nested)
    make = lambda x: x.make(module) if is_nested(x) else x
    return jax.tree.map(make, tree, is_leaf=lambda x: is_nested(x) or x is None)


def floats(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=shape).astype("float32")


@dataclass(frozen=True, eq=False)
class Configuration:
    """A layer by name, its arguments, and the shapes of its inputs.

    Args:
        name: The class's name.
        args: The arguments it is made with.
        kwargs: Its keyword arguments.
        shapes: The shape of its input; or a list of shapes as one argument, or a tuple of either as
            several arguments.
        call: Keyword arguments of the call.
        training: The training flags, if the layer takes any.
        limit: The limit of integer inputs; None for floats.
        pixels: Whether the inputs are an image's, from 0 to 255, whose gradients nobody asks for.
        symbolic: Whether Keras's symbolic call takes the keyword arguments.
    """

    name: str
    args: tuple = ()
    kwargs: dict = field(default_factory=dict)
    shapes: Any = ()
    call: dict = field(default_factory=dict)
    training: tuple = (False, True)
    limit: int | None = None
    pixels: bool = False
    symbolic: bool = True

    def __str__(self) -> str:
        said = repr((self.args, self.kwargs, self.shapes, self.call, self.limit))
        return f"{self.name}-{zlib.crc32(said.encode()):08x}"

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(str(self).encode()))

    def make(self, module: Any) -> Any:
        """Returns a new layer of a library."""
        return Nested(self.name, *self.args, **self.kwargs).make(module)

    def inputs(self) -> tuple:
        """Returns what it is called on, as a tuple of arguments."""
        rng = self.rng()

        def draw(shape: tuple[int, ...]) -> np.ndarray:
            if self.pixels:
                return rng.uniform(0, 255, shape).astype("float32")
            if self.limit is not None:
                return rng.integers(0, self.limit, shape).astype("int32")
            return floats(shape, rng)

        drawn = jax.tree.map(draw, self.shapes, is_leaf=_is_shape)
        return drawn if isinstance(drawn, tuple) else (drawn,)

    def flags(self, layer: Any) -> tuple:
        """Returns the training flags that our layer is called with."""
        return self.training if takes_training(layer) else (False,)

    @property
    def has_losses(self) -> bool:
        return self.name == "ActivityRegularization" or "activity_regularizer" in self.kwargs

    def weights(self, weights: Any) -> list[np.ndarray]:
        """Returns arrays for weights, of both libraries alike."""
        rng = self.rng()
        return [
            # Integer weights are counts.
            np.zeros(w.shape, "int32") if "int" in str(w.dtype)
            else np.abs(floats(w.shape, rng)) + 0.5 if "variance" in w.name or "stddev" in w.name
            else floats(w.shape, rng) / 2
            for w in weights
        ]  # fmt: skip


def _is_shape(tree: Any) -> bool:
    return isinstance(tree, tuple) and all(isinstance(n, int) for n in tree)


X2, X3, X4 = (6, 4), (3, 5, 4), (2, 8, 7, 3)

_SIMPLE = [
    ("Dense", (3,), {"activation": "tanh"}, X2),
    ("Dense", (3,), {"use_bias": False, "kernel_regularizer": "l2"}, X3),
    ("Dense", (3,), {"activity_regularizer": "l1", "bias_initializer": "ones"}, X4),
    ("Flatten", (), {}, X3),
    ("Flatten", (), {"data_format": "channels_first"}, X4),
    ("Reshape", ((2, 10),), {}, X3),
    ("Reshape", ((-1, 2),), {}, X3),
    ("Permute", ((2, 1),), {}, X3),
    ("Permute", ((2, 3, 1),), {}, X4),
    ("RepeatVector", (3,), {}, X2),
    ("Activation", ("gelu",), {}, X3),
    ("Activation", (None,), {}, X3),
    ("ReLU", (), {}, X3),
    ("ReLU", (), {"max_value": 0.5, "negative_slope": 0.1, "threshold": 0.2}, X3),
    ("LeakyReLU", (0.1,), {}, X3),
    ("PReLU", (), {}, X3),
    ("PReLU", (), {"shared_axes": [1, 2]}, X4),
    ("ELU", (0.5,), {}, X3),
    ("Softmax", (), {}, X3),
    ("Softmax", ((1, 2),), {}, X3),
    ("Identity", (), {}, X3),
    ("ActivityRegularization", (0.1, 0.2), {}, X3),
    ("Masking", (), {}, X3),
    ("Rescaling", (0.1,), {"offset": 2.0}, X3),
    ("Rescaling", ([1.0, 2.0, 3.0, 4.0],), {}, X3),
    ("Normalization", (), {"mean": [1.0, 2.0, 3.0, 4.0], "variance": [1.0, 2.0, 3.0, 4.0]}, X3),
    ("Normalization", (), {"mean": 1.0, "variance": 2.0, "invert": True, "axis": None}, X3),
    ("BatchNormalization", (), {}, X2),
    ("BatchNormalization", (), {"axis": 1, "momentum": 0.5}, X4),
    ("BatchNormalization", (), {"center": False, "epsilon": 0.1}, X3),
    ("BatchNormalization", (), {"scale": False, "gamma_initializer": "ones"}, X4),
    ("BatchNormalization", (), {"renorm": True}, X4),
    (
        "BatchNormalization",
        (),
        {
            "renorm": True,
            "renorm_clipping": {"rmax": 1.2, "rmin": 0.8, "dmax": 0.1},
            "renorm_momentum": 0.7,
            "momentum": 0.6,
        },
        X3,
    ),
]
X5 = (2, 5, 6, 4, 2)
FIRST = {"data_format": "channels_first"}
_CONVOLUTIONS = [
    ("Conv1D", (5, 3), {"activation": "relu"}, X3),
    ("Conv1D", (5, 3), {"padding": "causal", "dilation_rate": 2}, (2, 9, 4)),
    ("Conv1D", (6, 2), {"padding": "same", "strides": 2, "groups": 2}, (2, 9, 4)),
    ("Conv1D", (6, 2), {"padding": "causal", **FIRST}, (2, 4, 9)),
    ("Conv2D", (5, 3), {}, X4),
    ("Conv2D", (5, (2, 3)), {"strides": (2, 1), "padding": "same"}, X4),
    ("Conv2D", (5, 3), {"dilation_rate": (1, 2), "use_bias": False}, X4),
    ("Conv2D", (6, 3), {"groups": 3, "kernel_regularizer": "l2"}, X4),
    ("Conv2D", (5, 3), {"padding": "same", **FIRST}, X4),
    ("Conv3D", (3, 2), {}, X5),
    ("Conv3D", (3, 3), {"padding": "same", "strides": 2}, X5),
    ("Conv1DTranspose", (5, 3), {"strides": 2, "padding": "same"}, X3),
    ("Conv1DTranspose", (5, 3), {"strides": 2, "output_padding": 1}, X3),
    ("Conv1DTranspose", (5, 4), {"strides": 3, "padding": "same", "output_padding": 2}, X3),
    ("Conv1DTranspose", (5, 2), {"dilation_rate": 2, "padding": "same"}, X3),
    ("Conv2DTranspose", (5, 3), {}, X4),
    ("Conv2DTranspose", (5, 2), {"strides": 3}, X4),
    ("Conv2DTranspose", (5, (4, 3)), {"strides": (3, 2), "padding": "same"}, X4),
    ("Conv2DTranspose", (5, 3), {"strides": 2, **FIRST}, X4),
    ("Conv3DTranspose", (2, 2), {"strides": 2, "padding": "same"}, X5),
    ("DepthwiseConv1D", (3,), {"depth_multiplier": 2}, X3),
    ("DepthwiseConv2D", (3,), {"padding": "same", "strides": 2, "activation": "tanh"}, X4),
    ("DepthwiseConv2D", (2,), {"depth_multiplier": 2, **FIRST}, X4),
    ("SeparableConv1D", (5, 3), {"depth_multiplier": 2}, X3),
    ("SeparableConv2D", (5, 3), {"padding": "same", "strides": 2, "use_bias": False}, X4),
    ("SeparableConv2D", (5, 3), {"dilation_rate": 2}, X4),
]
_POOLINGS = [
    ("MaxPooling1D", (), {}, X3),
    ("MaxPooling1D", (3, 2, "same"), {}, X3),
    ("MaxPooling2D", (), {}, X4),
    ("MaxPooling2D", ((3, 2), 1), {"padding": "same"}, X4),
    ("MaxPooling2D", (2,), FIRST, X4),
    ("MaxPooling3D", (), {}, X5),
    ("AveragePooling1D", (2,), {"padding": "same"}, X3),
    ("AveragePooling2D", (3, 2), {"padding": "same"}, X4),
    ("AveragePooling2D", (2,), FIRST, X4),
    ("AveragePooling3D", (2,), {}, X5),
    ("GlobalMaxPooling1D", (), {}, X3),
    ("GlobalMaxPooling2D", (), {"keepdims": True}, X4),
    ("GlobalMaxPooling3D", (), FIRST, X5),
    ("GlobalAveragePooling1D", (), {"keepdims": True}, X3),
    ("GlobalAveragePooling2D", (), FIRST, X4),
    ("GlobalAveragePooling3D", (), {}, X5),
    ("AdaptiveAveragePooling1D", (3,), {}, X3),
    ("AdaptiveAveragePooling2D", ((3, 5),), {}, X4),
    ("AdaptiveAveragePooling3D", (2,), {}, X5),
    ("AdaptiveMaxPooling1D", (3,), {}, X3),
    ("AdaptiveMaxPooling2D", ((3, 5),), FIRST, (2, 3, 8, 7)),
    ("AdaptiveMaxPooling3D", (2,), {}, X5),
]
_RESHAPING = [
    ("Cropping1D", ((1, 2),), {}, X3),
    ("Cropping2D", (((1, 2), (0, 3)),), {}, X4),
    ("Cropping2D", ((1, 2),), {}, X4),
    ("Cropping3D", (1,), FIRST, (2, 3, 4, 5, 4)),
    ("ZeroPadding1D", (2,), {}, X3),
    ("ZeroPadding1D", ((1, 2),), FIRST, X3),
    ("ZeroPadding2D", ((1, 2),), {}, X4),
    ("ZeroPadding2D", (((1, 0), (2, 3)),), FIRST, X4),
    ("ZeroPadding3D", (), {}, X5),
    ("UpSampling1D", (3,), {}, X3),
    ("UpSampling2D", ((2, 3),), {}, X4),
    ("UpSampling2D", (2,), {"interpolation": "bilinear"}, X4),
    ("UpSampling2D", (2,), {"interpolation": "bicubic", **FIRST}, X4),
    ("UpSampling3D", (2,), {}, X5),
]
_NORMALIZATIONS = [
    ("LayerNormalization", (), {}, X3),
    ("LayerNormalization", (), {"axis": [1, 2], "center": False}, X4),
    ("LayerNormalization", (1,), {"scale": False, "epsilon": 0.1}, X3),
    ("GroupNormalization", (2,), {}, X3),
    ("GroupNormalization", (3,), {"axis": 1, "epsilon": 0.1}, (2, 6, 5, 4)),
    ("GroupNormalization", (-1,), {"center": False}, X4),
    ("GroupNormalization", (2,), {}, X2),
    ("RMSNormalization", (), {}, X3),
    ("RMSNormalization", (), {"axis": 2, "epsilon": 0.1}, X3),
    ("UnitNormalization", (), {}, X3),
    ("UnitNormalization", (), {"axis": [1, 2]}, X4),
]
_EINSUMS = [
    ("EinsumDense", ("abc,cd->abd", (None, 6)), {"bias_axes": "d"}, X3),
    ("EinsumDense", ("abc,cde->abde", (None, 6, 2)), {"bias_axes": "de"}, X3),
    ("EinsumDense", ("...x,xy->...y", 6), {"bias_axes": "y", "activation": "relu"}, (2, 4, 4, 3)),
    ("EinsumDense", ("ab...,bc->ac...", 6), {"bias_axes": "c"}, X3),
    ("EinsumDense", ("abc,cbd->ad", 6), {"kernel_regularizer": "l1"}, X3),
]
_RECURRENT = [
    ("SimpleRNN", (3,), {}),
    ("SimpleRNN", (3,), {"return_sequences": True, "go_backwards": True, "activation": "relu"}),
    ("LSTM", (3,), {}),
    ("LSTM", (3,), {"return_sequences": True, "return_state": True, "use_bias": False}),
    ("LSTM", (3,), {"go_backwards": True, "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", (3,), {"unroll": True, "return_sequences": True}),
    ("GRU", (3,), {"return_sequences": True, "zero_output_for_mask": True}),
    ("LSTM", (3,), {"unit_forget_bias": False, "kernel_regularizer": "l2"}),
    ("GRU", (3,), {"return_sequences": True}),
    ("GRU", (3,), {"reset_after": False, "return_state": True}),
    ("GRU", (3,), {"go_backwards": True, "return_sequences": True, "use_bias": False}),
    ("GRU", (3,), {"reset_after": False, "use_bias": False, "unroll": True}),
    ("RNN", (Nested("LSTMCell", 3),), {"unroll": True, "go_backwards": True}),
    ("RNN", (Nested("GRUCell", 3),), {"return_sequences": True, "zero_output_for_mask": True}),
    ("RNN", (Nested("LSTMCell", 3),), {"return_sequences": True}),
    ("RNN", (Nested("GRUCell", 3, reset_after=False),), {}),
    ("RNN", ([Nested("LSTMCell", 3), Nested("GRUCell", 2)],), {"return_state": True}),
    ("RNN", ([Nested("SimpleRNNCell", 3), Nested("LSTMCell", 2)],), {"return_sequences": True}),
    ("Bidirectional", (Nested("LSTM", 3, return_sequences=True),), {}),
    ("Bidirectional", (Nested("GRU", 3, return_state=True),), {"merge_mode": "sum"}),
    ("Bidirectional", (Nested("SimpleRNN", 3),), {"merge_mode": "mul"}),
    ("Bidirectional", (Nested("LSTM", 3, return_sequences=True),), {"merge_mode": None}),
    (
        "Bidirectional",
        (Nested("LSTM", 3),),
        {"merge_mode": "ave", "backward_layer": Nested("GRU", 3, go_backwards=True, name="b")},
    ),
]
_WRAPPERS = [
    ("TimeDistributed", (Nested("Dense", 3, activation="tanh"),), X3),
    ("TimeDistributed", (Nested("Conv2D", 2, 3),), (2, 3, 5, 6, 2)),
    ("TimeDistributed", (Nested("LSTM", 2),), (2, 3, 4, 2)),
    ("SpectralNormalization", (Nested("Dense", 3),), X2),
    ("SpectralNormalization", (Nested("Conv2D", 2, 2), 3), X4),
    ("ConvLSTM1D", (2, 2), (2, 3, 6, 3)),
    ("ConvLSTM2D", (2, 3, 2, "same"), (2, 3, 6, 5, 2)),
    ("ConvLSTM3D", (2, 2), (1, 3, 3, 4, 3, 2)),
]
# What no row above sets, together: test_every_argument_has_numbers.
_PLAIN = {"activation": "tanh", "use_bias": False}
_LSTM = {"activation": "relu", "recurrent_activation": "hard_sigmoid", "use_bias": False}
_STATES = {"return_sequences": True, "return_state": True}
_OTHER_ARGUMENTS = [
    ("Conv1D", (5, 3), {"use_bias": False}, X3),
    ("Conv2D", (5, 3), {"activation": "tanh"}, X4),
    ("Conv3D", (4, 2), {"dilation_rate": 2, "groups": 2, **FIRST, **_PLAIN}, (1, 2, 4, 3, 5)),
    ("Conv1DTranspose", (2, 3), {**FIRST, **_PLAIN}, (2, 3, 5)),
    ("Conv2DTranspose", (2, 3), {"strides": 2, "output_padding": 1, **_PLAIN}, X4),
    ("Conv2DTranspose", (2, (2, 3)), {"dilation_rate": (1, 2)}, X4),
    ("Conv3DTranspose", (2, 2), {"strides": 2, "output_padding": 1, **FIRST}, (1, 3, 2, 3, 2)),
    ("Conv3DTranspose", (2, 2), {"dilation_rate": 2, **_PLAIN}, (1, 2, 3, 2, 3)),
    ("DepthwiseConv1D", (3, 2, "same"), {**FIRST, **_PLAIN}, (2, 3, 6)),
    ("DepthwiseConv1D", (3,), {"dilation_rate": 2}, (2, 6, 3)),
    ("DepthwiseConv2D", (2,), {"dilation_rate": (1, 2), "use_bias": False}, X4),
    ("SeparableConv1D", (4, 3, 2, "same"), {**FIRST, **_PLAIN}, (2, 3, 6)),
    ("SeparableConv1D", (4, 3), {"dilation_rate": 2}, (2, 6, 3)),
    ("SeparableConv2D", (4, 2), {"depth_multiplier": 2, "activation": "tanh", **FIRST}, X4),
    ("MaxPooling1D", (2,), FIRST, (2, 3, 5)),
    ("AveragePooling1D", (3, 1), FIRST, (2, 3, 5)),
    ("AveragePooling3D", (2, 1, "same"), FIRST, (1, 2, 3, 4, 3)),
    ("MaxPooling3D", ((1, 2, 2), 1, "same"), FIRST, (1, 2, 3, 4, 3)),
    ("UpSampling3D", ((1, 2, 3),), FIRST, (1, 2, 3, 2, 3)),
    ("ZeroPadding3D", (((1, 0), (0, 2), (1, 1)),), FIRST, (1, 2, 3, 2, 3)),
    ("GlobalMaxPooling1D", (), {"keepdims": True, **FIRST}, X3),
    ("GlobalAveragePooling3D", (), {"keepdims": True, **FIRST}, X5),
    ("GlobalMaxPooling2D", (), FIRST, X4),
    ("GlobalMaxPooling3D", (), {"keepdims": True}, X5),
    ("GlobalAveragePooling2D", (), {"keepdims": True}, X4),
    ("AdaptiveAveragePooling1D", (2,), FIRST, (2, 3, 5)),
    ("AdaptiveAveragePooling2D", ((2, 3),), FIRST, (2, 3, 5, 4)),
    ("AdaptiveAveragePooling3D", (2,), FIRST, (1, 2, 3, 4, 5)),
    ("AdaptiveMaxPooling1D", (2,), FIRST, (2, 3, 5)),
    ("AdaptiveMaxPooling3D", (2,), FIRST, (1, 2, 3, 4, 5)),
    ("Cropping2D", (1,), FIRST, (2, 3, 5, 4)),
    ("GroupNormalization", (2,), {"scale": False}, X3),
    ("ConvLSTM1D", (2, 2, 2), FIRST, (2, 3, 2, 6)),
    (
        "ConvLSTM1D",
        (2, 3, 1, "same"),
        {"dilation_rate": 2, "unit_forget_bias": False, "go_backwards": True, **_LSTM, **_STATES},
        (2, 3, 6, 2),
    ),
    (
        "ConvLSTM2D",
        (2, 2),
        {"dilation_rate": (1, 2), "go_backwards": True, **_LSTM},
        (2, 3, 4, 5, 2),
    ),
    ("ConvLSTM2D", (2, 2), {"unit_forget_bias": False}, (2, 3, 4, 3, 2)),
    ("ConvLSTM3D", (2, 2, 2, "same"), {**FIRST, **_STATES}, (1, 2, 2, 3, 4, 3)),
    (
        "ConvLSTM3D",
        (1, 2),
        {"dilation_rate": 2, "unit_forget_bias": False, "go_backwards": True, **_LSTM},
        (1, 2, 3, 4, 3, 2),
    ),
    ("LSTM", (3,), {"activation": "relu"}, X3),
    ("GRU", (3,), {"activation": "relu", "recurrent_activation": "hard_sigmoid"}, X3),
    ("SimpleRNN", (3,), {"use_bias": False, "return_state": True, "unroll": True}, X3),
    ("LSTMCell", (3,), {"unit_forget_bias": False, **_LSTM}, ((4, 5), [(4, 3), (4, 3)])),
    ("GRUCell", (3,), {"reset_after": False, **_LSTM}, ((4, 5), [(4, 3)])),
    ("SimpleRNNCell", (3,), {"activation": "relu", "use_bias": False}, ((4, 5), [(4, 3)])),
    (
        "STFTSpectrogram",
        ("magnitude", 6, 3, 8),
        {"periodic": True, "scaling": "spectrum"},
        (2, 20, 2),
    ),
]
SCORES = {"return_attention_scores": True}
CAUSAL = {"use_causal_mask": True}
Q, V = (2, 5, 4), (2, 6, 3)
MASK = {"attention_mask": np.tri(5, 6, 2, bool)[None].repeat(2, 0)}
# Keras drops a query mask that is given by hand; ones that inputs carry count: tests/interop.
QUERY_MASK = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], bool)
VALUE_MASK = {"value_mask": np.array([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]], bool)}
_HEADS = [
    ("MultiHeadAttention", (2, 3), {}, [Q, V], {}),
    ("MultiHeadAttention", (2, 3), {"use_gate": True}, [Q, V], VALUE_MASK),
    ("MultiHeadAttention", (2, 3, 5), {"output_shape": 7}, [Q, V], SCORES),
    ("MultiHeadAttention", (2, 3), {"use_bias": False}, [Q, V, V], {**MASK, **SCORES}),
    ("MultiHeadAttention", (2, 3), {"sliding_window": 2}, [Q, Q], CAUSAL),
    ("MultiHeadAttention", (2, 3), {"output_shape": (3, 2)}, [Q, V], {**MASK, **VALUE_MASK}),
    ("MultiHeadAttention", (2, 3), {"attention_axes": 2}, [(2, 3, 4, 5), (2, 3, 6, 5)], SCORES),
    ("MultiHeadAttention", (2, 3), {}, [(2, 3, 4, 5), (2, 2, 3, 5)], {}),
    ("GroupQueryAttention", (3, 4, 2), {}, [Q, V], {}),
    ("GroupQueryAttention", (3, 4, 1), {"use_gate": True}, [Q, V], {**MASK, **SCORES}),
    ("GroupQueryAttention", (3, 4, 2), {"sliding_window": 2}, [Q, Q], {}),
    ("GroupQueryAttention", (3, 2, 2), {"use_bias": False}, [Q, Q], {**CAUSAL, **SCORES}),
]
LIST_MASK = {"mask": [QUERY_MASK, VALUE_MASK["value_mask"]]}
_LISTS = [
    ("Attention", {}, {}),
    ("Attention", {"use_scale": True}, {**SCORES, **LIST_MASK}),
    ("Attention", {"score_mode": "concat", "use_scale": True}, {**SCORES, **CAUSAL}),
    ("AdditiveAttention", {}, {**SCORES, **LIST_MASK}),
    ("AdditiveAttention", {"use_scale": False}, CAUSAL),
]
_MERGES = [
    ("Add", {}, [X3, X3, X3]),
    ("Add", {}, [(3, 4), X3]),
    ("Subtract", {}, [X3, (3, 1, 4)]),
    ("Multiply", {}, [X3, X3]),
    ("Average", {}, [X3, X3, X3]),
    ("Maximum", {}, [X3, X3]),
    ("Minimum", {}, [X3, X3]),
    ("Concatenate", {}, [X3, (3, 5, 2)]),
    ("Concatenate", {"axis": 1}, [X3, (3, 2, 4)]),
    ("Dot", {"axes": 2}, [X3, X3]),
    ("Dot", {"axes": (1, 2)}, [X3, (3, 2, 5)]),
    ("Dot", {"axes": 1, "normalize": True}, [X2, X2]),
    ("Dot", {"axes": (1, 2)}, [(3, 4), X3]),
]
THIRD, SAME = (0.3, 0.3), (1.0, 1.0)
# Where nothing is left to chance: a single image, and a factor from a range of one number.
_IMAGES = [
    ("Resizing", (4, 5), {}),
    ("Resizing", (12, 20), {"interpolation": "bicubic", **FIRST}),
    ("Resizing", (4, 5), {"crop_to_aspect_ratio": True}),
    ("Resizing", (4, 5), {"pad_to_aspect_ratio": True, "fill_value": 3.0}),
    ("CenterCrop", (5, 4), {}),
    ("CenterCrop", (4, 5), FIRST),
    ("Resizing", (4, 5), {"antialias": True}),
    ("CenterCrop", (3, 20), {}),
    ("RandomRotation", (THIRD,), {}),
    ("RandomRotation", (THIRD, "constant", "nearest"), {"fill_value": 9.0}),
    ("RandomRotation", (THIRD,), {"fill_mode": "wrap", **FIRST}),
    ("RandomZoom", (THIRD,), {}),
    ("RandomZoom", ((-0.3, -0.3), (0.2, 0.2)), {"fill_mode": "nearest", **FIRST}),
    ("RandomTranslation", (THIRD, (-0.2, -0.2)), {"fill_mode": "constant", "fill_value": 9.0}),
    ("RandomShear", (), {"x_factor": (0.0, 0.0)}),
    ("RandomPerspective", (SAME, 0.0), {}),
    ("RandomErasing", (SAME, SAME, 3.0), {}),
    ("RandomErasing", ((0.0, 0.0),), {}),
    ("RandomBrightness", (THIRD,), {"value_range": (0, 300)}),
    ("RandomContrast", ((-0.3, 0.3),), {"value_range": (0, 200)}),
    ("RandomHue", (SAME, (0, 300)), FIRST),
    ("RandomSaturation", (THIRD, (0, 300)), FIRST),
    ("RandomGrayscale", (1.0,), FIRST),
    ("RandomSharpness", (THIRD,), {}),
    ("RandomSharpness", ((0.9, 0.9), (0, 200)), FIRST),
    ("RandomColorDegeneration", (THIRD, (0, 200)), FIRST),
    ("RandomPosterization", ((3, 3), (0, 300)), FIRST),
    ("RandomInvert", (SAME, (0, 300)), FIRST),
    ("RandomGaussianBlur", (SAME, (3, 5), (0.7, 0.7), (0, 300)), FIRST),
    ("Solarization", (), {}),
    ("AutoContrast", (), {}),
    ("Equalization", (), {}),
    ("Equalization", (), {"bins": 16}),
    ("Equalization", ((0, 300),), FIRST),
    ("ContrastLimitedAdaptiveHistogramEqualization", (), {"tile_grid_size": (3, 2)}),
    (
        "ContrastLimitedAdaptiveHistogramEqualization",
        ((0, 300), 0.0, (2, 3)),
        FIRST,
    ),
    ("RandomElasticTransform", ((0.0, 0.0),), {}),
    (
        "RandomColorJitter",
        ((0, 300),),
        {
            "brightness_factor": THIRD,
            "contrast_factor": (-0.2, 0.2),
            "saturation_factor": THIRD,
            "hue_factor": SAME,
        },
    ),
]

LENGTHS = np.arange(5) < np.array([[5], [3], [1]])
STEPS = np.array([[1, 1, 1, 1, 1], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0]], bool)
_CELLS = [Nested("LSTMCell", 3), Nested("GRUCell", 2)]
SOUNDS = (2, 20, 2)
_SHORT = {"frame_length": 6, "frame_step": 3, "fft_length": 8}
_SINGLE = [
    Configuration("STFTSpectrogram", ("magnitude",), _SHORT, SOUNDS),
    Configuration("STFTSpectrogram", ("psd",), {**_SHORT, "padding": "same"}, SOUNDS),
    Configuration("STFTSpectrogram", ("stft",), {**_SHORT, "expand_dims": True}, SOUNDS),
    Configuration("STFTSpectrogram", ("real", 5), {"window": "hamming", **FIRST}, (2, 2, 20)),
    Configuration("GlobalAveragePooling1D", (), {}, X3, {"mask": LENGTHS}),
    Configuration("GlobalAveragePooling1D", (), FIRST, (3, 4, 5), {"mask": LENGTHS}),
    Configuration("LSTMCell", (3,), {}, ((4, 5), [(4, 3), (4, 3)])),
    Configuration("GRUCell", (3,), {}, ((4, 5), [(4, 3)])),
    Configuration("SimpleRNNCell", (3,), {}, ((4, 5), [(4, 3)])),
    Configuration("StackedRNNCells", (_CELLS,), {}, ((4, 5), [[(4, 3), (4, 3)], [(4, 2)]])),
    Configuration("Embedding", (9, 3), {"mask_zero": True}, (4, 5), limit=9),
    Configuration("Embedding", (9, 3), {}, (4, 5), limit=9),
    Configuration("BatchNormalization", (), {}, X3, {"mask": LENGTHS}),
    Configuration("BatchNormalization", (), {"renorm": True}, X3, {"mask": LENGTHS}),
    Configuration("Softmax", (), {}, (3, 5), {"mask": STEPS}),
    Configuration("CategoryEncoding", (5, "multi_hot"), {}, (6, 3), limit=5),
    Configuration("CategoryEncoding", (5, "count"), {}, (6, 3), limit=5),
    Configuration("CategoryEncoding", (5, "one_hot"), {}, (6, 1), limit=5),
    Configuration("Discretization", ([-0.5, 0.0, 1.0],), {}, (6, 3)),
    Configuration("Discretization", ([0.0, 1.0, 2.0],), {"output_mode": "count"}, (6, 3), limit=3),
]


def _configurations() -> list[Configuration]:
    tables = (_SIMPLE, _CONVOLUTIONS, _POOLINGS, _RESHAPING, _NORMALIZATIONS, _EINSUMS)
    tables = (*tables, _OTHER_ARGUMENTS)
    found = [Configuration(*row) for table in tables for row in table]
    for name, args, kwargs in _RECURRENT:
        for call in ({}, {"mask": STEPS}):
            found.append(Configuration(name, args, kwargs, X3, call, (True,)))
    found += [Configuration(name, args, {}, shape) for name, args, shape in _WRAPPERS]
    for kwargs, shape in (({}, (2, 4, 5, 6, 3)), (FIRST, (2, 4, 3, 5, 6))):
        more = {"return_sequences": True, "return_state": True, **kwargs}
        found.append(Configuration("ConvLSTM2D", (2, 3), more, shape, {}, (True,)))
    for name, args, kwargs, shapes, call in _HEADS:
        # Keras's symbolic calls refuse masks of a known batch size, and some give wrong shapes.
        found.append(
            Configuration(name, args, kwargs, tuple(shapes), call, (True,), symbolic=False)
        )
    for name, kwargs, call in _LISTS:
        for shapes in ([Q, (2, 6, 4)], [Q, (2, 6, 4), (2, 6, 4)]):
            found.append(Configuration(name, (), kwargs, shapes, call, (False,)))
    found += [Configuration(name, (), kwargs, shapes) for name, kwargs, shapes in _MERGES]
    for name, args, kwargs in _IMAGES:
        shape = (1, 3, 8, 11) if "data_format" in kwargs else (1, 8, 11, 3)
        found.append(Configuration(name, args, kwargs, shape, pixels=True))
    return found + _SINGLE


CONFIGURATIONS = _configurations()


# ------------------------------------------------------------------ their numbers
def takes_training(layer: Any) -> bool:
    return "training" in inspect.signature(layer.call).parameters


def outputs_and_gradients(run: Any, params: Any, inputs: Any) -> tuple:
    """Returns outputs and state, and gradients of a scalar of the outputs."""
    leaves, structure = jax.tree.flatten(inputs)
    is_float = [jnp.issubdtype(x.dtype, np.floating) for x in leaves]

    def loss(params: Any, arrays: Any) -> Any:
        given = iter(arrays)
        used = [next(given) if f else x for x, f in zip(leaves, is_float, strict=True)]
        outputs, state = run(params, structure.unflatten(used))
        wide = [x.astype("float32") for x in jax.tree.leaves(outputs)]
        return sum(jnp.sum(jnp.sin(x + i)) for i, x in enumerate(wide)), (outputs, state)

    arrays = [x for x, f in zip(leaves, is_float, strict=True) if f]
    gradients, found = jax.grad(loss, argnums=(0, 1), has_aux=True)(params, arrays)
    return *found, *gradients


def built(configuration: Configuration) -> Any:
    """Returns our layer, with the configuration's weights."""
    layer = configuration.make(layers)
    pure.ensure_built(layer, *configuration.inputs(), **configuration.call)
    layer.set_weights(configuration.weights(layer.weights))
    return layer


def results(configuration: Configuration, layer: Any) -> list[tuple]:
    """Returns (what, numbers) of our layer: outputs, state and gradients, with training or not."""
    inputs, call = configuration.inputs(), configuration.call
    flags = configuration.flags(layer)
    variables, names = pure.read(layer), list(pure.named_variables(layer))
    if configuration.pixels:
        key = jax.random.key(0)
        give = jax.jit(
            lambda *x: [
                pure.apply(layer, variables, *x, training=flag, rng=key)[0] / 255 for flag in flags
            ]
        )
        return [("outputs", y) for y in give(*inputs)]

    @jax.jit
    def run(params: Any, state: Any, inputs: Any) -> Any:
        def one(flag: bool) -> Any:
            def apply(params: Any, arrays: Any) -> Any:
                outputs, effects = pure.apply(
                    layer, (params, state), *arrays, training=flag, **call
                )
                return outputs, [effects.state[n] for n in names if n in state]

            outputs, after, gradients, more = outputs_and_gradients(apply, params, inputs)
            return outputs, after, [gradients[n] for n in names if n in params], more

        return [one(flag) for flag in flags]

    found = [named_parts(parts) for parts in run(*variables, inputs)]
    if configuration.has_losses:
        layer(*inputs)
        found.append([("losses", list(layer.losses))])
    return [part for parts in found for part in parts]


def named_parts(parts: tuple) -> list[tuple]:
    """Names what `outputs_and_gradients` gives; Keras keeps more states of random generators."""
    outputs, state, *gradients = parts
    state = [x for x in state if x.dtype != np.uint32]
    names = ("outputs", "state", "gradients", "input gradients")
    return list(zip(names, (outputs, state, *gradients), strict=True))


_MOST = 96  # numbers of each array that the file keeps


def stored(found: list[tuple]) -> np.ndarray:
    """Returns what the golden file holds of results: at most 96 numbers of each array."""
    kept = [np.zeros(0, "float32")]
    for leaf in jax.tree.leaves([tree for _, tree in found]):
        flat = np.asarray(leaf).astype("float32").ravel()
        if flat.size > _MOST:
            places = np.random.default_rng(flat.size).choice(flat.size, _MOST, replace=False)
            flat = flat[np.sort(places)]
        kept.append(flat)
    return np.concatenate(kept)
