"""Layers, and functions, of several inputs."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, Structure
from jkeras.core.graph import SymbolicTensor
from jkeras.core.layer import Layer
from jkeras.layers.arguments import positive_axis
from jkeras.ops import arrays as nn

Shape = tuple[int | None, ...]


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    """Returns the shape of arrays combined sample by sample; smaller ones get axes in front."""
    batch_sizes = {shape[0] for shape in shapes if shape and shape[0] is not None}
    if len(batch_sizes) > 1:
        raise ValueError(
            "Cannot merge tensors with different batch sizes. "
            f"Received tensors with shapes {list(shapes)}"
        )
    merged: list[int | None] = [1] * (max(map(len, shapes)) - 1)
    for shape in shapes:
        for i, n in enumerate(reversed(shape[1:]), start=1):
            old = merged[-i]
            if old != n and 1 not in (old, n) and None not in (old, n):
                known = tuple(merged[-len(shape) + 1 :])
                raise ValueError(
                    f"Inputs have incompatible shapes. Received shapes {known} and {shape[1:]}, "
                    f"among {list(shapes)}"
                )
            merged[-i] = n if old == 1 else old if n == 1 else None if None in (old, n) else n
    return (next(iter(batch_sizes), None), *merged)


class _Merge(Layer):
    """Combines a list of inputs of one shape, or of shapes that broadcast, two at a time."""

    supports_masking = True
    combine: Callable = staticmethod(jnp.add)
    number_of_inputs: int | None = None

    def build(self, input_shape: Any) -> None:
        is_list = isinstance(input_shape, (list, tuple)) and all(
            isinstance(shape, (list, tuple)) for shape in input_shape
        )
        wanted = self.number_of_inputs
        if not is_list or not input_shape or (wanted and len(input_shape) != wanted):
            number = f"exactly {wanted} inputs" if wanted else "a list of at least 1 input"
            raise ValueError(
                f"A merge layer should be called on a list of inputs: a `{type(self).__name__}` "
                f"layer should be called on {number}. Received: input_shape={input_shape} "
                f"(layer {self.name!r})"
            )
        self.merged_shape(input_shape)

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        """Returns the output's shape; refuses inputs that do not fit together."""
        return _broadcast(shapes)

    def call(self, inputs: Structure) -> ArrayLike:
        return self._merge_function(self._aligned(inputs))

    # Packages that extend Keras's base of these layers override it.
    def _merge_function(self, inputs: Structure) -> ArrayLike:
        return functools.reduce(self.combine, inputs)

    def _aligned(self, inputs: Structure) -> list[jax.Array]:
        """Returns the inputs with as many axes as the one that has most."""
        ndim = max(x.ndim for x in inputs)
        return [jnp.expand_dims(x, tuple(range(1, 1 + ndim - x.ndim))) for x in inputs]

    def compute_output_spec(self, inputs: Structure) -> Structure:
        # By rule, since an unknown size may equal a known one, but no size tried for it would.
        self._prepare((inputs,), {})
        shape = self.merged_shape([x.shape for x in inputs])
        return SymbolicTensor(shape, jnp.result_type(*(x.dtype for x in inputs)))

    def compute_mask(self, inputs: Structure, mask: Structure = None) -> ArrayLike:
        masks = self._masks(inputs, mask)
        if any(m is None for m in masks):
            return None
        return functools.reduce(jnp.logical_or, masks)

    def _masks(self, inputs: Structure, mask: Structure) -> list[Any]:
        """Returns a mask, or None, for each input."""
        if mask is None:
            return [None] * len(inputs)
        for name, value in (("mask", mask), ("inputs", inputs)):
            if not isinstance(value, (list, tuple)):
                raise ValueError(
                    f"`{name}` should be a list. Received: {name}={value} (layer {self.name!r})"
                )
        if len(mask) != len(inputs):
            raise ValueError(
                "The lists `inputs` and `mask` should have the same length. Received: "
                f"{len(inputs)} inputs and {len(mask)} masks (layer {self.name!r})"
            )
        return list(mask)


class Add(_Merge):
    """The sum of a list of inputs.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Add()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[5.0, 5.0]]
    """


class Subtract(_Merge):
    """The first of two inputs minus the second.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Subtract()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[1.0, 1.0]]
    """

    combine = staticmethod(jnp.subtract)
    number_of_inputs = 2


class _MaskedMerge(_Merge):
    """A merge in which what an input's mask hides does not count."""

    def call(self, inputs: Structure, mask: Structure = None) -> ArrayLike:
        if mask is None:
            return super().call(inputs)
        (total, *rest), (seen, *others) = (
            self._aligned(inputs),
            [
                m if m is None else jnp.expand_dims(m, tuple(range(m.ndim, x.ndim)))
                for x, m in zip(inputs, mask, strict=True)
            ],
        )
        for x, m in zip(rest, others, strict=True):
            both = self.combine(total, x)
            both = both if m is None else jnp.where(m, both, total)
            total = both if seen is None else jnp.where(seen, both, x)
            seen = None if seen is None or m is None else seen | m
        return total


class Multiply(_MaskedMerge):
    """The product of a list of inputs, element by element.

    Called as `layer(inputs, mask=None)`: an element that its input's mask hides does not count.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[1.0, 2.0]])
        >>> keras.layers.Multiply()([x, x, x]).tolist()
        [[1.0, 8.0]]
    """

    combine = staticmethod(jnp.multiply)


class Average(_Merge):
    """The mean of a list of inputs, element by element.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Average()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[2.5, 2.5]]
    """

    def _merge_function(self, inputs: Structure) -> ArrayLike:
        return super()._merge_function(inputs) / len(inputs)

    def compute_output_spec(self, inputs: Structure) -> Structure:
        spec = super().compute_output_spec(inputs)
        return SymbolicTensor(spec.shape, jnp.result_type(spec.dtype, float))


class Maximum(_MaskedMerge):
    """The largest of a list of inputs, element by element.

    Called as `layer(inputs, mask=None)`: an element that its input's mask hides does not count.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Maximum()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[3.0, 3.0]]
    """

    combine = staticmethod(jnp.maximum)


class Minimum(_MaskedMerge):
    """The smallest of a list of inputs, element by element.

    Called as `layer(inputs, mask=None)`: an element that its input's mask hides does not count.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Minimum()([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[2.0, 2.0]]
    """

    combine = staticmethod(jnp.minimum)


class Concatenate(_Merge):
    """A list of inputs joined along an axis, on which alone their sizes may differ.

    Args:
        axis: The axis.

    Raises:
        ValueError: When called on inputs that differ on another axis.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Concatenate()([np.ones((1, 2)), np.zeros((1, 1))]).tolist()
        [[1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Structure) -> ArrayLike:
        return jnp.concatenate(inputs, axis=self.axis)

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        axis = positive_axis(self, self.axis, len(shapes[0]))
        sizes = []
        for i in range(len(shapes[0])):
            found = [shape[i] for shape in shapes if len(shape) == len(shapes[0])]
            known = {n for n in found if n is not None}
            if len(found) < len(shapes) or (i != axis and len(known) > 1):
                raise ValueError(
                    "A `Concatenate` layer requires inputs with matching shapes except for the "
                    f"concatenation axis. Received: input_shape={list(shapes)}, axis={self.axis} "
                    f"(layer {self.name!r})"
                )
            total = None if None in found else sum(n or 0 for n in found)
            sizes.append(total if i == axis else next(iter(known), None))
        return tuple(sizes)

    def compute_mask(self, inputs: Structure, mask: Structure = None) -> ArrayLike:
        masks = self._masks(inputs, mask)
        given = [m for m in masks if m is not None]
        if not given:
            return None
        ndim, axis = given[0].ndim, self.axis % inputs[0].ndim
        masks = [
            jnp.ones(x.shape[:ndim], bool) if m is None else m
            for x, m in zip(inputs, masks, strict=True)
        ]
        if axis < ndim:
            return jnp.concatenate(masks, axis=axis)
        return functools.reduce(jnp.logical_or, masks)


class Dot(_Merge):
    """The scalar products of two inputs along one axis of each, sample by sample.

    Args:
        axes: The axis of both inputs, or a pair of axes; the batch axis is 0.
        normalize: Whether the inputs are first scaled to norm 1, which gives cosines.

    Raises:
        ValueError: When called on inputs whose sizes on these axes differ.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Dot(axes=1)([np.full((1, 2), 3.0), np.full((1, 2), 2.0)]).tolist()
        [[12.0]]
    """

    number_of_inputs = 2

    def __init__(self, axes: Axis, normalize: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        single = as_integer(axes)
        if single is None and not isinstance(axes, (list, tuple)):
            raise TypeError(
                "Invalid type for argument `axes`: it should be a list or an int. "
                f"Received: {axes=}"
            )
        if single is None:
            if len(axes) != 2:
                raise ValueError(
                    "Invalid format for argument `axes`: it should contain two elements. "
                    f"Received: {axes=}"
                )
            axes = type(axes)(as_integer(axis) for axis in axes)
            if None in axes:
                raise ValueError(
                    "Invalid format for argument `axes`: list elements should be integers. "
                    f"Received: {axes=}"
                )
        self.axes, self.normalize = axes if single is None else single, normalize

    def _axes(self, shapes: Sequence[Shape]) -> list[int]:
        axes = (self.axes, self.axes) if isinstance(self.axes, int) else self.axes
        return [positive_axis(self, a, len(s)) for a, s in zip(axes, shapes, strict=True)]

    def merged_shape(self, shapes: Sequence[Shape]) -> Shape:
        first, second = self._axes(shapes)
        if 0 in (first, second):
            raise ValueError(
                f"The layer {self.name!r} cannot perform a batched dot product over axis 0, which "
                f"counts the samples. Received: axes={self.axes}"
            )
        x, y = shapes
        if x[first] != y[second] and None not in (x[first], y[second]):
            raise ValueError(
                f"Incompatible input shapes: axis values {x[first]} (at axis {first}) != "
                f"{y[second]} (at axis {second}). Full input shapes: {x}, {y} "
                f"(layer {self.name!r})"
            )
        rest = x[1:first] + x[first + 1 :] + y[1:second] + y[second + 1 :]
        return (y[0] if x[0] is None else x[0], *(rest or (1,)))

    def call(self, inputs: Structure) -> ArrayLike:
        x, y = inputs
        first, second = self._axes([x.shape, y.shape])
        if self.normalize:
            x, y = nn.normalize(x, axis=first), nn.normalize(y, axis=second)
        x_axes = list(range(x.ndim))
        y_axes = [0, *range(x.ndim, x.ndim + y.ndim - 1)]
        y_axes[second] = first
        kept = [axis for axis in x_axes + y_axes[1:] if axis != first]
        products = jnp.einsum(x, x_axes, y, y_axes, kept)
        return products[:, None] if products.ndim == 1 else products

    def compute_mask(self, inputs: Structure, mask: Structure = None) -> ArrayLike:
        return None


def _as_function(layer: type[_Merge], result: float) -> Callable:
    """Makes the function that calls a new layer of this class on a list of inputs.

    Args:
        layer: The class.
        result: What it makes of 4 and 2, for the docstring.
    """

    def function(inputs: Structure, **kwargs: Any) -> Any:
        return layer(**kwargs)(inputs)

    name = layer.__name__.lower()
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{(layer.__doc__ or "").splitlines()[0]}

    Args:
        inputs: The list.
        **kwargs: The arguments of the layer `{layer.__name__}`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.{name}([np.array([[4.0]]), np.array([[2.0]])]).tolist()
        [[{result}]]
    """
    return function


add, subtract = _as_function(Add, 6.0), _as_function(Subtract, 2.0)
multiply, average = _as_function(Multiply, 8.0), _as_function(Average, 3.0)
maximum, minimum = _as_function(Maximum, 4.0), _as_function(Minimum, 2.0)


def concatenate(inputs: Structure, axis: int = -1, **kwargs: Any) -> ArrayLike:
    """Joins a list of inputs along an axis.

    Args:
        inputs: The list.
        axis: The axis, on which alone their sizes may differ.
        **kwargs: Further arguments of the layer `Concatenate`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.concatenate([np.ones((1, 2)), np.zeros((1, 1))]).tolist()
        [[1.0, 1.0, 0.0]]
    """
    return Concatenate(axis, **kwargs)(inputs)


def dot(inputs: Structure, axes: Axis = -1, **kwargs: Any) -> ArrayLike:
    """Returns the scalar products of two inputs along one axis of each, sample by sample.

    Args:
        inputs: The two.
        axes: The axis of both, or a pair of axes.
        **kwargs: Further arguments of the layer `Dot`.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.dot([np.full((1, 2), 3.0), np.full((1, 2), 2.0)], axes=1).tolist()
        [[12.0]]
    """
    return Dot(axes, **kwargs)(inputs)
