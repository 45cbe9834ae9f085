"""The two layers that only applications have; files may hold them."""

from typing import Any

from jkeras import initializers
from jkeras.base.types import ArrayLike, Shape
from jkeras.core.layer import Layer


class LayerScale(Layer):
    """The inputs, times a weight of each channel.

    Weights: `variable` (projection_dim,).

    Args:
        init_values: The weights' first value.
        projection_dim: The number of channels.

    Example:
        >>> import numpy as np
        >>> from jkeras.applications.convnext import LayerScale
        >>> LayerScale(0.5, 2)(np.ones((1, 2))).tolist()
        [[0.5, 0.5]]
    """

    def __init__(self, init_values: float, projection_dim: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.init_values, self.projection_dim = init_values, projection_dim

    def build(self, _: Shape) -> None:
        initializer = initializers.Constant(self.init_values)
        self.gamma = self.add_weight((self.projection_dim,), initializer, name="variable")

    def call(self, x: ArrayLike) -> ArrayLike:
        return x * self.gamma


class CustomScaleLayer(Layer):
    """The first input, plus the second times a number.

    Args:
        scale: The number.

    Example:
        >>> import numpy as np
        >>> from jkeras.applications.inception_resnet_v2 import CustomScaleLayer
        >>> CustomScaleLayer(0.5)([np.ones((1, 1)), np.ones((1, 1))]).tolist()
        [[1.5]]
    """

    def __init__(self, scale: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.scale = scale

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return inputs[0] + inputs[1] * self.scale
