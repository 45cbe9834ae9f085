"""Every layer once: how it is made, and what it is called on."""

from dataclasses import dataclass, field
from typing import Any

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
    """

    layer: type
    arguments: Any
    inputs: Any
    name: str = ""
    sequences: bool = False
    trains: bool = False
    differentiable: bool = True
    pure: bool = True
    kwargs: dict = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name or self.layer.__name__

    def make(self, **kwargs: Any) -> Any:
        """Returns a new layer."""
        arguments = self.arguments() if callable(self.arguments) else self.arguments
        return self.layer(**arguments, **kwargs)

    def draw(self, seed: int = 0) -> tuple:
        """Returns arrays to call the layer on, as a tuple of arguments."""
        generator = np.random.default_rng(seed)
        if isinstance(self.inputs, list):
            return ([spec.draw(generator) for spec in self.inputs],)
        specs = self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)
        return tuple(spec.draw(generator) for spec in specs)


VECTORS = Floats((3, 4))
SEQUENCES = Floats((3, 5, 4))
IMAGES = Floats((2, 8, 6, 3))
PAIR = [Floats((3, 5, 4)), Floats((3, 5, 4), 1.0, 2.0)]

_CORE = [
    Case(layers.Dense, {"units": 2, "activation": "tanh"}, SEQUENCES, sequences=True),
    Case(layers.Embedding, {"input_dim": 9, "output_dim": 3}, Integers((3, 5), 9)),
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
    Case(layers.Normalization, {"mean": [0.0] * 4, "variance": [2.0] * 4}, VECTORS),
    Case(layers.Rescaling, {"scale": 0.1, "offset": 1.0}, VECTORS),
]
_REGULARIZATIONS = [
    Case(layers.Dropout, {"rate": 0.5}, SEQUENCES, sequences=True, trains=True),
]

LAYERS = [
    *_CORE,
    *_ACTIVATIONS,
    *_RESHAPING,
    *_MERGES,
    *_NORMALIZATIONS,
    *_REGULARIZATIONS,
]
