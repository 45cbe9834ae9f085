"""Numbers of any library, as Python's: what constructors check and configs keep."""

import math
from typing import Any

import jax
import numpy as np


def as_number(value: Any) -> int | float | None:
    """Returns the Python number that `value` stands for; None if it is not a number.

    Scalars of NumPy and JAX, and arrays without axes, are numbers; booleans are not.

    Example:
        >>> import numpy as np
        >>> from jkeras.base.numbers import as_number
        >>> as_number(np.float32(0.5)), as_number(np.array(3)), as_number(True), as_number("1")
        (0.5, 3, None, None)
    """
    is_array = isinstance(value, (np.generic, np.ndarray, jax.Array))
    if is_array and not isinstance(value, jax.core.Tracer) and not value.ndim:
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def as_integer(value: Any) -> int | None:
    """Returns the Python integer that `value` stands for; None if it is not an integer.

    Example:
        >>> import numpy as np
        >>> from jkeras.base.numbers import as_integer
        >>> as_integer(np.int64(3)), as_integer(3.0), as_integer(True)
        (3, None, None)
    """
    if type(value) is int:
        return value
    number = as_number(value)
    return number if isinstance(number, int) else None


def count(name: str, value: Any, least: int = 1) -> int:
    """Returns an argument as a Python integer.

    Args:
        name: The argument's name.
        value: The argument.
        least: The least integer allowed.

    Raises:
        ValueError: If it is not an integer, or less.

    Example:
        >>> from jkeras.base.numbers import count
        >>> count("k", 3)
        3
    """
    number = as_integer(value)
    if number is None or number < least:
        wanted = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}")
    return number


def boolean(name: str, value: Any) -> bool:
    """Returns an argument as a Python boolean.

    Raises:
        ValueError: If it is not True, False, 1 or 0.

    Example:
        >>> from jkeras.base.numbers import boolean
        >>> boolean("compile", 1)
        True
    """
    if isinstance(value, (bool, np.bool_)) or as_integer(value) in (0, 1):
        return bool(value)
    raise ValueError(f"`{name}` must be True or False. Received: {name}={value!r}")


def checked_number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    place: str = "",
) -> float:
    """Returns an argument as a Python number.

    Args:
        name: The argument's name.
        value: The argument.
        least: The least number allowed.
        most: The greatest.
        place: What an error says at its end, such as the layer.

    Raises:
        ValueError: If it is not a number in the range.

    Example:
        >>> import numpy as np
        >>> from jkeras.base.numbers import checked_number
        >>> checked_number("rate", np.float32(0.5), 0, 1)
        0.5
    """
    number = as_number(value)
    if number is None or not least <= number <= most:
        bounds = f" in the range [{least}, {most}]" if math.isfinite(least + most) else ""
        bounds = f" of at least {least}" if not bounds and math.isfinite(least) else bounds
        raise ValueError(
            f"Invalid value for argument `{name}`. Expected a number{bounds}. "
            f"Received: {name}={value!r}{place}"
        )
    return number
