"""Keras 2's functions for configs, which say the class and its arguments only."""

from collections.abc import Mapping
from typing import Any

from jkeras.base import registry
from jkeras.base.types import Identifier


def serialize_keras_object(instance: Any) -> Any:
    """Returns the class name and config of an object, or the name of a function.

    Args:
        instance: The object; None stays None.

    Raises:
        ValueError: If it is neither a function nor an object with `get_config`.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.legacy.serialize_keras_object(keras.regularizers.L2(0.5))
        {'class_name': 'L2', 'config': {'l2': 0.5}}
    """
    if instance is None:
        return None
    if hasattr(instance, "get_config"):
        name = registry.get_registered_name(type(instance))
        return {"class_name": name, "config": registry.config_of(instance)}
    if hasattr(instance, "__name__"):
        return registry.get_registered_name(instance)
    raise ValueError(f"Cannot serialize {instance!r}: it has neither a name nor get_config().")


def deserialize_keras_object(
    identifier: Identifier,
    module_objects: Mapping[str, Any] | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
) -> Any:
    """Returns the object that a name, or a config of Keras 2 or 3, stands for.

    Args:
        identifier: The name or the config; functions, and None, stay what they are.
        module_objects: Names among which it is looked up.
        custom_objects: Your own names, which come first.
        printable_module_name: What to call the thing in an error.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.utils.legacy.deserialize_keras_object("f", module_objects={"f": abs})(-1)
        1
    """
    if not isinstance(identifier, (str, Mapping)):
        return identifier
    try:
        found = registry.deserialize_keras_object(
            identifier, custom_objects, module_objects=module_objects or {}
        )
    except ValueError as error:
        raise ValueError(f"Unknown {printable_module_name}: {identifier!r:.80}. {error}") from None
    return found() if isinstance(found, type) else found
