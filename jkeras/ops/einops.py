"""Rearranging axes by a pattern of their names, after Rogozhnikov's einops (2022)."""

import math
import re
from functools import partial

import jax
import jax.numpy as jnp

from jkeras.base.types import ArrayLike
from jkeras.core.operations import define, export


@partial(define, module="ops.einops", arrays="tensor", called_with="tensor pattern axes_lengths")
def rearrange(tensor: ArrayLike, pattern: str, **axes_lengths: int) -> jax.Array:
    """Splits, reorders and joins axes as a pattern says.

    Args:
        tensor: The array.
        pattern: The names of its axes, `->`, and the same names as they are to be. Names in
            parentheses are one axis; `...` stands for any axes, `1` and `()` for one of size 1.
        **axes_lengths: Sizes of axes; in each pair of parentheses on the left one may be left out.

    Raises:
        ValueError: If the pattern does not fit the array.

    Example:
        >>> import jkeras as keras
        >>> x = keras.ops.ones((2, 4, 6, 3))
        >>> keras.ops.rearrange(x, "b (h p) (w q) c -> b (h w) (p q c)", p=2, q=2).shape
        (2, 6, 12)
    """
    x = jnp.asarray(tensor)
    if pattern.count("->") != 1:
        raise ValueError(f"The pattern {pattern!r} has not one '->'.")
    left, right = (_parse(side, x.ndim, pattern) for side in pattern.split("->"))
    if len(left) != x.ndim:
        raise ValueError(
            f"The pattern {pattern!r} names {len(left)} axes, but the array has shape {x.shape}."
        )
    sizes = dict(axes_lengths)
    for names, size in zip(left, x.shape, strict=True):
        unknown = [name for name in names if name not in sizes]
        known = math.prod(sizes[name] for name in names if name in sizes)
        if len(unknown) > 1 or size % known or (not unknown and known != size):
            raise ValueError(
                f"An axis of size {size} cannot be {' '.join(names) or '1'!r} in the pattern "
                f"{pattern!r} with the sizes {axes_lengths}."
            )
        sizes.update(dict.fromkeys(unknown, size // known))
    before, after = ([name for names in side for name in names] for side in (left, right))
    if sorted(before) != sorted(after) or len(set(before)) < len(before):
        raise ValueError(f"The two sides of the pattern {pattern!r} do not have the same axes.")
    x = x.reshape([sizes[name] for name in before])
    x = x.transpose([before.index(name) for name in after])
    return x.reshape([math.prod(sizes[name] for name in names) for names in right])


def _parse(side: str, ndim: int, pattern: str) -> list[list[str]]:
    """Returns the names in each axis; those of an ellipsis are called `...0`, `...1` and so on."""
    words = re.findall(r"\([^()]*\)|\.\.\.|\w+", side)
    if "".join(words).replace(" ", "") != side.replace(" ", ""):
        raise ValueError(f"The pattern {pattern!r} cannot be read.")
    named = pattern.split("->")[0].replace("...", " ")
    hidden = ndim - len(re.findall(r"\([^()]*\)|\w+", named))
    axes: list[list[str]] = []
    for word in words:
        if word == "...":
            axes.extend([f"...{i}"] for i in range(hidden))
        else:
            axes.append([name for name in word.strip("()").split() if name != "1"])
    return axes


export(globals())
