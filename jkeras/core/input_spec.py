"""What a layer demands of its inputs, and the message when they are something else."""

import numbers
from collections.abc import Mapping
from typing import Any

import jax

from jkeras.base.numbers import as_integer
from jkeras.base.types import DTypeLike, Structure
from jkeras.core import shapes


class InputSpec:
    """What an input of a layer must look like.

    Args:
        dtype: The dtype (informative only).
        shape: The shape; None for an axis of any size.
        ndim: The number of axes.
        max_ndim: The largest number of axes.
        min_ndim: The smallest number of axes.
        axes: Sizes that certain axes must have: `{-1: 8}`.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing, or be there.
        name: The name of the input, for structures given as a dict.
        optional: Whether None may be passed.

    Example:
        >>> import jkeras as keras
        >>> keras.InputSpec(min_ndim=2, axes={-1: 8})
        InputSpec(min_ndim=2, axes={-1: 8})
    """

    def __init__(
        self,
        dtype: DTypeLike = None,
        shape: tuple | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        self.dtype = dtype
        self.shape = None if shape is None else tuple(shape)
        for n in (*(self.shape or ()), ndim, max_ndim, min_ndim):
            if n is not None and as_integer(n) is None:
                raise ValueError(f"InputSpec takes integers, and None in a shape. Received: {n!r}")
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {} if not axes else {int(k): v for k, v in axes.items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name, self.optional = name, optional

    def __repr__(self) -> str:
        words = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "name")
        given = (f"{w}={getattr(self, w)!r}" for w in words if getattr(self, w) not in (None, {}))
        return f"InputSpec({', '.join(given)})"

    def problem(self, shape: tuple[int | None, ...]) -> str | None:
        """Says what is wrong with an input of this shape; None if nothing is."""
        ndim = len(shape)
        if self.shape is not None:
            wanted = self.shape
            if self.allow_last_axis_squeeze and ndim != len(wanted):
                if wanted and wanted[-1] == 1 and ndim == len(wanted) - 1:
                    wanted = wanted[:-1]
                elif shape and shape[-1] == 1 and ndim == len(wanted) + 1:
                    shape = shape[:-1]
            fits = len(wanted) == len(shape) and all(
                w is None or n is None or w == n for w, n in zip(wanted, shape, strict=False)
            )
            return None if fits else f"expected shape={self.shape}, found shape={shape}"
        full = f"Full shape received: {shape}"
        if self.ndim is not None and ndim != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={ndim}. {full}"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={ndim}. {full}"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={ndim}. {full}"
        for axis, size in self.axes.items():
            if size is None:
                continue
            inside = -ndim <= axis < ndim
            if not inside or shape[axis] not in (None, size):
                return (
                    f"expected axis {axis} of input shape to have value {size}, "
                    f"but received input with shape {shape}"
                )
        return None


def check_input(spec: Any, inputs: Structure, layer_name: str) -> None:
    """Compares inputs with a spec, or a structure of specs.

    Raises:
        ValueError: In Keras's words, naming the layer, what it expects and what it got.
    """
    if spec is None:
        return
    specs = [spec] if type(spec) is InputSpec else jax.tree.leaves(spec)
    if inputs is None or hasattr(inputs, "shape"):
        values = [inputs]
    elif isinstance(inputs, Mapping) and all(s.name in inputs for s in specs):
        values = [inputs[s.name] for s in specs]
    else:
        values = jax.tree.leaves(inputs, is_leaf=lambda x: x is None)
    if len(values) != len(specs):
        raise ValueError(
            f"Layer {layer_name!r} expects {len(specs)} input(s), but it received {len(values)} "
            f"input tensors of shapes {[getattr(v, 'shape', None) for v in values]}."
        )
    for index, (one, value) in enumerate(zip(specs, values, strict=True)):
        if value is None:
            if one.optional:
                continue
            raise ValueError(
                f"Input {index} of layer {layer_name!r} is missing (None was passed). Pass an "
                "array or a symbolic tensor; a function that ends without `return` gives None."
            )
        number = isinstance(value, numbers.Number)
        shape = () if number else getattr(value, "shape", None)
        problem = None if shape is None else one.problem(shapes.known(shape))
        if problem:
            called = f" with name {one.name!r}" if one.name else ""
            raise ValueError(
                f"Input {index}{called} of layer {layer_name!r} is incompatible with the layer: "
                f"{problem}"
            )
