"""Dtype policies by the names of `keras.dtype_policies`."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier
from jkeras.core.policy import DTypePolicy as DTypePolicy
from jkeras.core.policy import DTypePolicyMap as DTypePolicyMap
from jkeras.core.policy import QuantizedDTypePolicy as QuantizedDTypePolicy
from jkeras.core.policy import get_policy

FloatDTypePolicy = DTypePolicy


def get(identifier: Identifier) -> DTypePolicy:
    """Returns the policy for a name, a config or a policy; the global one for None.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.dtype_policies.get("mixed_float16").variable_dtype
        'float32'
    """
    return get_policy(identifier)


serialize = registry.serialize_keras_object


def deserialize(config: Identifier, custom_objects: Mapping[str, Any] | None = None) -> DTypePolicy:
    """Returns the policy that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="policy")
