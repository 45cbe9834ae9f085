"""Settings that hold everywhere: float type, epsilon, image layout, and switches."""

from typing import Any

from jkeras.base.numbers import checked_number

VERSION = "0.2.0"
_FLOATS = ("float16", "bfloat16", "float32", "float64")
_values: dict[str, Any] = {
    "floatx": "float32",
    "epsilon": 1e-7,
    "image_data_format": "channels_last",
    "data_budget": None,
    "debug_nans": False,
    "flash_attention": None,
    "interactive_logging": True,
    "traceback_filtering": True,
    "max_epochs": None,
    "max_steps_per_epoch": None,
}


def get(name: str) -> Any:
    """Returns the setting of this name; those for users are functions of `jkeras.config`."""
    return _values[name]


def put(name: str, value: Any) -> None:
    """Changes the setting of this name."""
    if name not in _values:
        raise KeyError(name)
    _values[name] = value


def floatx() -> str:
    """Returns the default float dtype, such as ``'float32'``.

    Example:
        >>> import jkeras as keras
        >>> keras.config.floatx()
        'float32'
    """
    return _values["floatx"]


def set_floatx(value: str) -> None:
    """Sets the default float dtype.

    Args:
        value: ``'float16'``, ``'bfloat16'``, ``'float32'`` or ``'float64'`` (which needs JAX's
            ``jax_enable_x64``).

    Raises:
        ValueError: If `value` is not one of these.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_floatx("float16")
        >>> keras.layers.Dense(1)(keras.ops.ones((1, 1))).dtype
        dtype('float16')
        >>> keras.config.set_floatx("float32")
    """
    if value not in _FLOATS:
        raise ValueError(f"Unknown float type {value!r}: expected one of {_FLOATS}.")
    _values["floatx"] = value


def epsilon() -> float:
    """Returns the small number that keeps divisions and logarithms finite.

    Example:
        >>> import jkeras as keras
        >>> keras.config.epsilon()
        1e-07
    """
    return _values["epsilon"]


def set_epsilon(value: float) -> None:
    """Sets the small number that keeps divisions and logarithms finite.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_epsilon(1e-7)
    """
    _values["epsilon"] = checked_number("value", value, 0)


def image_data_format() -> str:
    """Returns where images carry their channels: ``'channels_last'`` or ``'channels_first'``.

    Example:
        >>> import jkeras as keras
        >>> keras.config.image_data_format()
        'channels_last'
    """
    return _values["image_data_format"]


def set_image_data_format(data_format: str) -> None:
    """Sets the default place of the channel axis of images.

    Raises:
        ValueError: If `data_format` is neither ``'channels_last'`` nor ``'channels_first'``.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_image_data_format("channels_last")
    """
    _values["image_data_format"] = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """Returns `data_format`, or the default for None; refuses any other word."""
    if data_format is None:
        return image_data_format()
    name = str(data_format).lower()
    if name not in ("channels_last", "channels_first"):
        raise ValueError(
            f"Unknown data_format {data_format!r}: expected 'channels_last' or 'channels_first'."
        )
    return name


def data_budget() -> int | None:
    """Returns how many bytes of data `fit` keeps on the device; None: half of what is free there.

    Example:
        >>> import jkeras as keras
        >>> keras.config.data_budget() is None
        True
    """
    return _values["data_budget"]


def set_data_budget(size: int | None) -> None:
    """Sets how many bytes of data `fit`, `evaluate` and validation keep on the device.

    Larger data stays on the host: its batches are sent while the device works.

    Args:
        size: Bytes; 0 for no data at all; None for half of the memory that is free on the device.

    Raises:
        ValueError: If `size` is negative.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_data_budget(2 * 10**9)
        >>> keras.config.set_data_budget(None)
    """
    if size is not None and size < 0:
        raise ValueError(f"A number of bytes is not negative, got {size!r}.")
    _values["data_budget"] = None if size is None else int(size)
