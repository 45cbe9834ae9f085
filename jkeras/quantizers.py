"""Weights and activations as integers of few bits, by the names of `keras.quantizers`."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier
from jkeras.layers.adapted import AbsMaxQuantizer as AbsMaxQuantizer
from jkeras.layers.adapted import Int8QuantizationConfig as Int8QuantizationConfig
from jkeras.layers.adapted import QuantizationConfig as QuantizationConfig
from jkeras.layers.adapted import Quantizer as Quantizer
from jkeras.ops.quantization import abs_max_quantize as abs_max_quantize
from jkeras.ops.quantization import compute_float8_amax_history as compute_float8_amax_history
from jkeras.ops.quantization import compute_float8_scale as compute_float8_scale
from jkeras.ops.quantization import fake_quant_with_min_max_vars as fake_quant_with_min_max_vars
from jkeras.ops.quantization import pack_int4 as pack_int4
from jkeras.ops.quantization import quantize_and_dequantize as quantize_and_dequantize
from jkeras.ops.quantization import unpack_int4 as unpack_int4

serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Returns the quantizer that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="quantizers")


def get(identifier: Identifier, **kwargs: Any) -> Any:
    """Returns a quantizer.

    Args:
        identifier: A name, a config, a quantizer, or None.
        **kwargs: Arguments of a quantizer that is given by name.

    Raises:
        ValueError: If there is no such quantizer.

    Example:
        >>> import jkeras as keras
        >>> keras.quantizers.get("abs_max_quantizer", axis=-1).axis
        (-1,)
    """
    if isinstance(identifier, str):
        config = {"class_name": identifier, "config": kwargs}
        return registry.deserialize_keras_object(config, area="quantizers")
    if isinstance(identifier, dict):
        return deserialize(identifier)
    if identifier is None or callable(identifier):
        return identifier() if isinstance(identifier, type) else identifier
    raise ValueError(f"Could not interpret quantizer identifier: {identifier}")
