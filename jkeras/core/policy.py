"""Dtype policies: in what a layer computes and in what it keeps its weights."""

import functools
import re
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import settings
from jkeras.base.naming import nearest
from jkeras.base.registry import (
    Configurable,
    deserialize_keras_object,
    register_builtin,
    serialize_keras_object,
)
from jkeras.base.types import DTypeLike, Identifier

# fmt: off
_DTYPES = (
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
    "bfloat16", "float32", "float64", "complex64", "complex128", "string", "float8_e4m3fn",
    "float8_e5m2",
)
# fmt: on
_POLICIES = ("mixed_float16", "mixed_bfloat16", *_DTYPES)
_QUANTIZED = ("int8",)
_ALIASES = {"int": "int32", "float": "float32", "double": "float64", "half": "float16"}


def standardize_dtype(dtype: DTypeLike) -> str:
    """Returns the name of a dtype given as a string, a NumPy, JAX or Python type.

    Args:
        dtype: The dtype; None stands for `floatx()`.

    Raises:
        ValueError: If it names no dtype.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.backend.standardize_dtype(np.float16)
        'float16'
    """
    if dtype is None:
        return settings.floatx()
    if dtype is int:
        return "int64" if settings.floatx() == "float64" else "int32"
    if dtype is float:
        return settings.floatx()
    if isinstance(dtype, str):
        name = _ALIASES.get(dtype, dtype)
    elif hasattr(dtype, "name") and isinstance(dtype.name, str):
        name = dtype.name
    else:
        try:
            name = jnp.dtype(dtype).name
        except TypeError:
            raise ValueError(
                f"Cannot interpret `dtype` argument. Expected a dtype such as 'float32', or a "
                f"dtype policy. Received: dtype={dtype!r}"
            ) from None
    if name.startswith(("str", "bytes")) or name == "object":
        name = "string"
    if name not in _DTYPES:
        raise ValueError(f"Unknown dtype {dtype!r}{nearest(name, _DTYPES)}")
    return name


def is_float(dtype: DTypeLike) -> bool:
    """Says whether `dtype` is a floating one (bfloat16 included)."""
    return jnp.issubdtype(dtype, np.floating)


class DTypePolicy(Configurable):
    """In which dtype a layer computes, and in which it keeps its weights.

    Args:
        name: A dtype (`"float32"`), used for both, or `"mixed_float16"` or `"mixed_bfloat16"`:
            compute in 16 bits, keep weights in float32. None: the global policy.

    Raises:
        ValueError: If `name` is neither.

    Example:
        >>> import jkeras as keras
        >>> policy = keras.DTypePolicy("mixed_bfloat16")
        >>> policy.compute_dtype, policy.variable_dtype
        ('bfloat16', 'float32')
    """

    def __init__(self, name: str | None = None):
        name = dtype_policy().name if name is None else name
        if not isinstance(name, str):
            raise TypeError(f"'name' must be a string: a dtype policy's name, got {name!r}.")
        name = _ALIASES.get(name, name)
        if name not in _POLICIES:
            raise ValueError(
                f"Unknown dtype policy. Cannot convert {name!r} to a DTypePolicy"
                f"{nearest(name, _POLICIES)}"
            )
        self._name = name
        mixed = name.startswith("mixed_")
        self._compute_dtype = name.removeprefix("mixed_")
        self._variable_dtype = "float32" if mixed else name

    quantization_mode: str | None = None

    @property
    def name(self) -> str:
        """The policy's name."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """The dtype of inputs, and of weights as `call` reads them."""
        return self._compute_dtype

    @property
    def variable_dtype(self) -> str:
        """The dtype in which weights are kept."""
        return self._variable_dtype

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


class QuantizedDTypePolicy(DTypePolicy):
    """Weights as integers of few bits; computation as another policy says.

    Args:
        mode: `"int8"`.
        source_name: The name of the other policy.

    Raises:
        ValueError: If a name is unknown.

    Example:
        >>> import jkeras as keras
        >>> policy = keras.dtype_policies.QuantizedDTypePolicy("int8", "mixed_bfloat16")
        >>> policy.name, policy.compute_dtype
        ('int8_from_mixed_bfloat16', 'bfloat16')
    """

    def __init__(self, mode: str, source_name: str | None = None):
        if mode not in _QUANTIZED:
            raise ValueError(f"`mode` must be one of {_QUANTIZED}. Received: mode={mode!r}")
        super().__init__(source_name)
        self.quantization_mode, self._source_name = mode, self._name
        self._name = f"{mode}_from_{self._name}"

    def get_config(self) -> dict[str, Any]:
        return {"mode": self.quantization_mode, "source_name": self._source_name}

    def __repr__(self) -> str:
        return f'<QuantizedDTypePolicy "{self._name}">'


class DTypePolicyMap(DTypePolicy):
    """Policies by the paths of layers.

    A key is a path, or a regular expression for paths; what has no key has the default policy.

    Args:
        default_policy: The default policy; the global one by default.
        policy_map: The first entries.

    Raises:
        ValueError: If a key is there already, or a path has several expressions.

    Example:
        >>> import jkeras as keras
        >>> policies = keras.dtype_policies.DTypePolicyMap()
        >>> policies["encoder/.*"] = keras.DTypePolicy("bfloat16")
        >>> policies["encoder/dense"].name, policies["decoder/dense"].name
        ('bfloat16', 'float32')
    """

    def __init__(
        self, default_policy: Identifier = None, policy_map: Mapping[str, Any] | None = None
    ):
        self._default = default_policy
        super().__init__(get_policy(default_policy).name)
        if policy_map is not None and not isinstance(policy_map, Mapping):
            raise TypeError(
                "If specified, `policy_map` must be a dict from paths of layers to policies. "
                f"Received: policy_map={policy_map!r} (of type {type(policy_map)})"
            )
        self._policies = {k: get_policy(v) for k, v in (policy_map or {}).items()}

    @property
    def default_policy(self) -> DTypePolicy:
        """The policy of what has no key."""
        return get_policy(self._default)

    def __getitem__(self, key: str) -> DTypePolicy:
        if key in self._policies:
            return self._policies[key]
        found = [k for k in self._policies if re.fullmatch(k, key)]
        if len(found) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple dtype policy specification keys: {found}. Please "
                "make sure each path only matches at most one dtype policy specification key in "
                "the DTypePolicyMap."
            )
        return self._policies[found[0]] if found else self.default_policy

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self._policies:
            raise ValueError(
                f"{key} already exist in the DTypePolicyMap with value {self._policies[key]}. "
                "Please make sure to not use duplicated keys."
            )
        if not isinstance(value, DTypePolicy):
            raise ValueError(
                f"Expected an instance of DTypePolicy. Received: {value} (of type {type(value)})"
            )
        self._policies[key] = value

    # It is not a Mapping, which configs would write as a plain dict.
    keys, values, items = MutableMapping.keys, MutableMapping.values, MutableMapping.items
    pop, update = MutableMapping.pop, MutableMapping.update

    def __delitem__(self, key: str) -> None:
        del self._policies[key]

    def __contains__(self, key: object) -> bool:
        return key in self._policies

    def __len__(self) -> int:
        return len(self._policies)

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DTypePolicyMap)
            and self.default_policy == other.default_policy
            and self._policies == other._policies
        )

    __hash__ = DTypePolicy.__hash__

    def __repr__(self) -> str:
        mapping = [(path, policy.name) for path, policy in self._policies.items()]
        return f"<DTypePolicyMap default_policy={self.default_policy.name}, {mapping=}>"

    def get_config(self) -> dict[str, Any]:
        default = None if self._default is None else serialize_keras_object(self.default_policy)
        policies = {k: serialize_keras_object(v) for k, v in self._policies.items()}
        return {"default_policy": default, "policy_map": policies}


for _area in ("policy", "dtype_policies"):  # the latter is where files say that they are
    register_builtin(_area, QuantizedDTypePolicy)
    register_builtin(_area, DTypePolicyMap)
# tf.keras files call it Policy.
register_builtin("policy", DTypePolicy, "Policy", "PolicyV1", "FloatDTypePolicy")

_global_policy: DTypePolicy | None = None


def dtype_policy() -> DTypePolicy:
    """Returns the policy of layers that are given no `dtype`.

    Example:
        >>> import jkeras as keras
        >>> keras.config.dtype_policy()
        <DTypePolicy "float32">
    """
    return get_policy(None)


_of_dtype = functools.lru_cache(DTypePolicy)


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Sets the policy of layers that are given no `dtype`.

    Example:
        >>> import jkeras as keras
        >>> keras.config.set_dtype_policy("mixed_bfloat16")
        >>> keras.layers.Dense(2).compute_dtype
        'bfloat16'
        >>> keras.config.set_dtype_policy("float32")
    """
    global _global_policy
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(
            "Invalid `policy` argument. Expected the name of a policy, such as 'mixed_float16', or "
            f"a keras.dtype_policies.DTypePolicy. Received: policy={policy!r}"
        )
    _global_policy = get_policy(policy)


def reset_policy() -> None:
    """Goes back to the policy of `floatx()` (part of `clear_session`)."""
    global _global_policy
    _global_policy = None


def get_policy(identifier: Identifier) -> DTypePolicy:
    """Returns the policy for a dtype, a policy's name, a config, or None (the global one)."""
    if identifier is None:
        return _global_policy or _of_dtype(settings.floatx())
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, dict):
        return deserialize_keras_object(identifier, area="policy")
    if isinstance(identifier, str):
        mode, _, source = identifier.partition("_from_")
        return QuantizedDTypePolicy(mode, source) if source else DTypePolicy(identifier)
    return DTypePolicy(standardize_dtype(identifier))


def check_integers(array: np.ndarray, what: str) -> None:
    """Refuses integers that the device has no room for: it would wrap them around silently.

    Args:
        array: An array on the host.
        what: What messages call it.

    Raises:
        ValueError: If an integer does not fit into 32 bits (unless JAX is told to use 64).
    """
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8 or not array.size:
        return
    device = np.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
    low, high = int(array.min()), int(array.max())
    if low < device.min or high > device.max:
        found = low if low < device.min else high
        raise ValueError(
            f"{what} holds the integer {found}, but JAX has {device.bits} bits for {array.dtype}: "
            f"from {device.min} to {device.max}.\nPass numbers as floats "
            "(`.astype('float32')`), and ids or labels counted from 0 "
            "(`np.unique(ids, return_inverse=True)[1]`), or hashed by keras.layers.Hashing."
        )
