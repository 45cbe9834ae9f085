"""Weights of older files that lie in another order or shape than today's."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jkeras.core.layer import Layer
from jkeras.core.parts import walk
from jkeras.core.variable import Variable
from jkeras.saving.h5_reader import Dataset
from jkeras.saving.plan import Conversion


def by_suffix(
    variables: list[Variable], names: Sequence[str], datasets: Sequence[Dataset]
) -> list[Variable]:
    """Returns a layer's variables in the file's order, if its names tell one that fits better.

    Which layers inside of a nested model were frozen decides the order of its weights, and files of
    weights only do not say it.
    """
    shapes = [d.shape for d in datasets]
    if len(variables) != len(shapes) or [v.shape for v in variables] == shapes:
        return variables
    suffixes = ["/".join(name.split(":")[0].split("/")[-2:]) for name in names]
    by_name = {"/".join(v.path.split("/")[-2:]): v for v in variables}
    if len(by_name) != len(variables) or set(by_name) != set(suffixes):
        return variables
    found = [by_name[suffix] for suffix in suffixes]
    return found if [v.shape for v in found] == shapes else variables


def conversion(
    layer: Layer, variables: Sequence[Variable], shapes: Sequence[tuple[int, ...]]
) -> Conversion | None:
    """Returns how a layer's weights in a file become today's, None if they are today's.

    The layers that have changed may lie inside of the layer: in a Bidirectional, or a model.
    """
    expected = [v.shape for v in variables]
    if len(shapes) != len(expected):
        return None
    places = {id(v): i for i, v in enumerate(variables)}
    changed: list[tuple[int, list[int]]] = []
    for part in walk(layer):
        kind = type(part.layer).__name__
        weights = part.layer.weights if kind in _CUDNN else []
        own = [places[id(v)] for v in weights if id(v) in places]
        if len(own) != 3:
            continue
        gates, biases = _CUDNN[kind]
        kernel, recurrent, bias = (expected[i] for i in own)
        units = recurrent[0]
        found = [tuple(shapes[i]) for i in own]
        if found == [kernel, recurrent, (2 * gates * units,)] and bias == biases(units):
            changed.append((gates, own))
    if not changed:
        return None

    def convert(arrays: list[np.ndarray]) -> list[np.ndarray]:
        arrays = list(arrays)
        for gates, own in changed:
            new = _from_cudnn([arrays[i] for i in own], gates, expected[own[2]])
            for i, array in zip(own, new, strict=True):
                arrays[i] = array
        return arrays

    new = [tuple(shape) for shape in shapes]
    for _, own in changed:
        for i in own:
            new[i] = expected[i]
    return Conversion(new, convert)


# Gates, and the shape of today's bias for some units.
_CUDNN: dict[str, Any] = {
    "LSTM": (4, lambda units: (4 * units,)),
    "GRU": (3, lambda units: (2, 3 * units)),
}


def _from_cudnn(arrays: list[np.ndarray], gates: int, bias_shape: tuple) -> list[np.ndarray]:
    """Undoes how CuDNNLSTM and CuDNNGRU of Keras 2 kept weights: transposed, with two biases."""
    kernel, recurrent, bias = arrays
    kernels = [k.T.reshape(k.shape, order="F") for k in np.split(kernel, gates, axis=1)]
    recurrents = [r.T for r in np.split(recurrent, gates, axis=1)]
    biases = bias.reshape(2, -1)
    return [
        np.concatenate(kernels, axis=1),
        np.concatenate(recurrents, axis=1),
        biases.sum(axis=0) if len(bias_shape) == 1 else biases,
    ]
