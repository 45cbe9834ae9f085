"""Equations and shapes of `einsum`, for packages that call the helpers of Keras's layers.

Packages that write such a layer anew import these from Keras's private modules.
"""

import re
import string
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

import jkeras


def projection(free_dims: int, bound_dims: int, output_dims: int) -> tuple[str, str, int]:
    """Returns a projection's equation, its axes with a bias, and the rank of its outputs.

    Args:
        free_dims: How many axes, from the first on, the projection leaves alone.
        bound_dims: How many axes after them it sums over.
        output_dims: How many axes it puts in their place.
    """
    letters = iter(string.ascii_lowercase)
    free, bound, new = (
        "".join(next(letters) for _ in range(n)) for n in (free_dims, bound_dims, output_dims)
    )
    return f"{free}{bound},{bound}{new}->{free}{new}", new, len(free + new)


def attention(rank: int, attn_axes: Iterable[int]) -> tuple[str, str, int]:
    """Returns the equations of scores and of outputs of attention, and the rank of the scores.

    Args:
        rank: The rank of the projected query, whose last axis is summed over.
        attn_axes: The axes over which attention goes; all others count as samples.
    """
    axes = tuple(attn_axes)
    target = string.ascii_lowercase[:rank]
    others = dict(zip(axes, string.ascii_lowercase[rank:], strict=False))
    source = "".join(others.get(i, letter) for i, letter in enumerate(target))
    samples = "".join(target[i] for i in range(rank - 1) if i not in axes)
    scores = samples + "".join(target[i] for i in axes) + "".join(others.values())
    return f"{source},{target}->{scores}", f"{scores},{source}->{target}", len(scores)


def shapes(
    equation: str, bias_axes: str | None, input_shape: Sequence[Any], output_shape: Any
) -> tuple[list, list | None, list, list[int], list[int]]:
    """Returns what an `EinsumDense` of these arguments has.

    Returns:
        The shapes of kernel, bias and outputs, and the kernel's axes that are the inputs' and
        the outputs'.
    """
    equation = equation.replace("0", "...")  # as Keras writes "..." within
    layer = jkeras.layers.EinsumDense(equation, output_shape, bias_axes=bias_axes)
    kernel_shape, bias_shape, outputs = layer._shapes(tuple(input_shape))
    of_inputs, of_kernel, of_outputs = _terms(equation)

    def shared(term: str) -> list[int]:
        return [i for i, letter in enumerate(of_kernel) if letter in term]

    return kernel_shape, bias_shape, outputs, shared(of_inputs), shared(of_outputs)


def scales(equation: str, input_shape: Sequence[Any]) -> tuple[Any, ...]:
    """Returns how scales of inputs and kernel, one for each slice of them, fit the outputs.

    Returns:
        The axes of inputs and kernel that have one scale; how both are transposed, where they get
        axes of size 1, and which they lose; the equation of the inputs' gradient; and how the
        kernel's transposition is undone.
    """
    inputs, kernel, outputs = _terms(equation, len(input_shape))
    shared, orders, expanded, squeezed = zip(
        *(_arrangement(term, outputs) for term in (inputs, kernel)), strict=True
    )
    back = np.argsort(orders[1]).tolist()
    gradient = f"{outputs},{kernel}->{inputs}"
    return *shared, *orders, *expanded, *squeezed, gradient, back


def _terms(equation: str, ndim: int | None = None) -> list[str]:
    """Returns the letters of inputs, kernel and outputs, with capitals for "..."."""
    terms = re.split(",|->", equation.replace(" ", ""))
    if ndim is None:
        return terms
    hidden = string.ascii_uppercase[: ndim - len(terms[0].replace(".", ""))]
    return [term.replace("...", hidden) for term in terms]


def _arrangement(term: str, outputs: str) -> tuple[list[int], list[int], list[int], list[int]]:
    """Returns how an array whose axes that are summed have size 1 is brought to the outputs' axes.

    Such an axis stands for an axis that the outputs have and it lacks, as long as there are any.
    """
    shared = [i for i, letter in enumerate(term) if letter not in outputs]
    left, order, expanded = list(shared), [], []
    for i, letter in enumerate(outputs):
        if letter in term:
            order.append(term.index(letter))
        elif left:
            order.append(left.pop(0))
        else:
            expanded.append(i)
    return shared, order + left, expanded, list(range(len(order), len(order + left)))
