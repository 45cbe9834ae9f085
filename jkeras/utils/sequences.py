"""Sequences of several lengths made one array."""

import numpy as np

from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, DTypeLike


def pad_sequences(
    sequences: ArrayLike,
    maxlen: int | None = None,
    dtype: DTypeLike = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: float | str = 0.0,
) -> np.ndarray:
    """Cuts or fills up sequences to one length.

    Args:
        sequences: A list of lists.
        maxlen: The length; that of the longest sequence by default.
        dtype: The dtype of the result.
        padding: Where to fill up: `"pre"` or `"post"`.
        truncating: Where to cut: `"pre"` or `"post"`.
        value: What to fill up with.

    Returns:
        An array of shape `(len(sequences), maxlen, ...)`.

    Raises:
        ValueError: If `sequences` is not a list of lists, their items have several shapes, or a
            word is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.pad_sequences([[1], [2, 3], [4, 5, 6]])
        array([[0, 0, 1],
               [0, 2, 3],
               [4, 5, 6]], dtype=int32)
    """
    if not hasattr(sequences, "__len__"):
        raise ValueError("`sequences` must be iterable.")
    for word, kind in ((padding, "Padding"), (truncating, "Truncating")):
        if word not in ("pre", "post"):
            raise ValueError(f'{kind} type "{word}" not understood: it is "pre" or "post"')
    for sequence in sequences:
        if not hasattr(sequence, "__len__"):
            raise ValueError(
                f"`sequences` must be a list of iterables. Found non-iterable: {sequence}"
            )
    if isinstance(value, str) and np.dtype(dtype).kind not in "OU":
        raise ValueError(
            f"`dtype` {dtype} is not compatible with `value`'s type: {type(value)} "
            "You should set `dtype=object` for variable length strings."
        )
    if maxlen is not None and (as_integer(maxlen) is None or maxlen < 0):
        raise ValueError(f"`maxlen` must be None or an integer >= 0. Received: maxlen={maxlen!r}")
    try:
        np.dtype(dtype)
    except TypeError:
        raise ValueError(f"`dtype` must be a dtype of NumPy. Received: dtype={dtype!r}") from None
    if maxlen is None:
        maxlen = max(map(len, sequences), default=0)
    shapes = [np.asarray(sequence).shape[1:] for sequence in sequences if len(sequence)]
    item = shapes[0] if shapes else ()
    result = np.full((len(sequences), maxlen, *item), value, dtype)
    for index, sequence in enumerate(sequences):
        kept = (
            sequence[:maxlen]
            if truncating == "post"
            else sequence[max(len(sequence) - maxlen, 0) :]
        )
        if not len(kept):
            continue
        items = np.asarray(kept, dtype)
        if items.shape[1:] != item:
            raise ValueError(
                f"Shape of sample {items.shape[1:]} of sequence at position {index} is different "
                f"from expected shape {item}"
            )
        if padding == "post":
            result[index, : len(kept)] = items
        else:
            result[index, maxlen - len(kept) :] = items
    return result
