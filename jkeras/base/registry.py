"""Names and objects: configs captured from constructors, and the one table that reads them back.

A config names a class; it is looked up in a fixed table of this library's own classes, then in what
the user registered. Nothing is ever imported, unpickled or executed on a config's word.
"""

import contextvars
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import jax
import numpy as np

from jkeras.base.naming import nearest, to_snake_case

# area ("layers", "losses", ...) -> every accepted name -> class or function
_builtins: dict[str, dict[str, Any]] = {}
_registered: dict[str, Any] = {}  # "package>Name" -> the user's class or function
_registered_names: dict[Any, str] = {}
_scoped: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("custom_objects")

# Objects written or made since a block of `object_sharing` began: the same object, the same number.
_shared: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar(
    "shared", default=None
)

# Where Keras exports what lives in our folder of another name.
_PUBLIC_MODULES = {"models": "keras", "policy": "keras", "seeds": "keras.random"}
# Keras does not export it; its files say where it was defined.
_UNEXPORTED = {"Functional": "keras.src.models.functional"}
_MISSING = object()


# ------------------------------------------------------------------ this library's own names
def area_of(cls: type) -> str | None:
    """Returns the area a built-in class belongs to (`"layers"`), or None for a user's class."""
    parts = cls.__module__.split(".")
    if parts[0] != "jkeras" or len(parts) < 2:
        return None
    if parts[1] == "core":
        return parts[2] if len(parts) > 2 else None
    if parts[1] == "optimizers" and parts[-1] == "schedules":
        return "optimizers.schedules"
    return parts[1]


def register_builtin(area: str, obj: Any, *aliases: str) -> Any:
    """Makes `obj` known in `area` by its name, its name in snake case, and `aliases`."""
    table = _builtins.setdefault(area, {})
    for name in (obj.__name__, to_snake_case(obj.__name__), *aliases):
        table[name] = obj
    return obj


def builtin_names(area: str) -> list[str]:
    """Returns every name known in `area`."""
    return sorted(_builtins.get(area, {}))


def find_builtin(area: str, name: str) -> Any | None:
    """Returns the object of `area` with this name, whatever its case; None if there is none."""
    table = _builtins.get(area, {})
    if name in table:
        return table[name]
    return table.get(name.lower()) or table.get(to_snake_case(name))


def resolve(identifier: Any, area: str, kind: str) -> Any:
    """Returns what an argument such as ``activation="relu"`` stands for.

    Args:
        identifier: A name, a config dict, a class, an instance or a function.
        area: The table in which names are looked up.
        kind: What to call the thing in an error ("activation").

    Returns:
        A function or an instance; classes are instantiated without arguments.

    Raises:
        ValueError: If the name is unknown; the nearest known name is suggested.
        TypeError: If `identifier` is none of the above.
    """
    if isinstance(identifier, Mapping):
        identifier = deserialize_keras_object(dict(identifier), area=area)
    if isinstance(identifier, str):
        found = custom_object(identifier)
        found = find_builtin(area, identifier) if found is None else found
        if found is None:
            known = [*builtin_names(area), *get_custom_objects(), *_scoped.get({})]
            raise ValueError(f"Unknown {kind} {identifier!r}{nearest(identifier, known)}")
        identifier = found
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier) or isinstance(identifier, Configurable):
        return identifier
    raise TypeError(
        f"Expected {kind} as a name, a config, a function or an object, got {identifier!r}."
    )


# ------------------------------------------------------------------ the user's names
def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Callable:
    """Registers a class or function, so that files that name it can be loaded.

    Args:
        package: A word for the package it belongs to.
        name: The name in files; the object's own name by default.

    Returns:
        A decorator that gives the object back unchanged.

    Raises:
        ValueError: If a class has no `get_config`.

    Example:
        >>> import jkeras as keras
        >>> @keras.saving.register_keras_serializable(package="shop")
        ... class Scale(keras.layers.Layer):
        ...     def call(self, inputs):
        ...         return inputs * 2
        >>> keras.saving.get_registered_name(Scale)
        'shop>Scale'
    """

    def decorator(obj: Any) -> Any:
        if inspect.isclass(obj) and not hasattr(obj, "get_config"):
            raise ValueError(f"Cannot register {obj.__name__}: it has no get_config() method.")
        full_name = f"{package}>{name or obj.__name__}"
        _registered[full_name] = obj
        _registered_names[obj] = full_name
        return obj

    return decorator


def get_custom_objects() -> dict[str, Any]:
    """Returns the live dict of all registered classes and functions; it may be changed."""
    return _registered


def get_registered_name(obj: Any) -> str:
    """Returns the name `obj` was registered under, or its own name."""
    return _registered_names.get(obj, getattr(obj, "__name__", str(obj)))


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any | None:
    """Returns the class or function that `name` stands for, or None."""
    found = custom_object(name, custom_objects)
    return found if found is not None else (module_objects or {}).get(name)


class CustomObjectScope:
    """Makes classes and functions known by name while a block runs.

    Example:
        >>> import jkeras as keras
        >>> def twice(x):
        ...     return 2 * x
        >>> with keras.saving.custom_object_scope({"twice": twice}):
        ...     layer = keras.layers.Activation("twice")
        >>> layer(keras.ops.ones((1,))).item()
        2.0
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None):
        self._objects = dict(custom_objects or {})
        self._tokens: list[contextvars.Token] = []

    def __enter__(self) -> Self:
        self._tokens.append(_scoped.set({**_scoped.get({}), **self._objects}))
        return self

    def __exit__(self, *_: object) -> None:
        _scoped.reset(self._tokens.pop())


def custom_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any | None:
    """Finds what the user calls `name`: passed, in scope, or registered (also without package)."""
    for table in (custom_objects or {}, _scoped.get({}), _registered):
        if name in table:
            return table[name]
    return _registered.get(f"Custom>{name}")


# ------------------------------------------------------------------ objects that have a config
class Configurable:
    """An object described by its constructor's arguments, which are captured when it is made.

    `get_config` and `from_config` therefore need not be written; a class may still override them.
    """

    _arguments: tuple[tuple, dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", (args, kwargs))
        return self

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        area = area_of(cls)
        if area and not cls.__name__.startswith("_"):
            register_builtin(area, cls)

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal object."""
        return {k: serialize_keras_object(v) for k, v in constructor_arguments(self).items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes an object from the dict that `get_config` returned."""
        return cls(**deserialize_values(config))


def constructor_arguments(obj: Configurable) -> dict[str, Any]:
    """Returns the arguments `obj` was made with, defaults and ``**kwargs`` included.

    Built-in classes keep each argument in the attribute of the same name, so theirs are read from
    there: `"relu"` has become a function, and a later assignment counts.
    """
    args, kwargs = obj._arguments
    initialize = type(obj).__init__
    bound = inspect.signature(initialize).bind(obj, *args, **kwargs)
    bound.apply_defaults()
    values: dict[str, Any] = {}
    for name, parameter in list(bound.signature.parameters.items())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            if bound.arguments[name]:
                raise NotImplementedError(
                    f"{type(obj).__name__} takes *{name}, which a config cannot name: "
                    "write get_config() and from_config() for it."
                )
        elif parameter.kind is parameter.VAR_KEYWORD:
            values.update(bound.arguments[name])
        else:
            values[name] = bound.arguments[name]
    if (getattr(initialize, "__module__", None) or "").split(".")[0] == "jkeras":
        # Initial `weights=` (Flax calls them `variables`) are values, no configuration.
        initial = ("weights", "variables")
        values = {k: getattr(obj, k, v) for k, v in values.items() if k not in initial}
    return values


def accepts(function: Callable, name: str) -> bool:
    """Says whether `function` takes an argument called `name`."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    )


def public_module(cls: type) -> str | None:
    """Returns the module in which Keras's files find a built-in class (`"keras.layers"`)."""
    area = area_of(cls)
    if area is None:
        return None
    return _UNEXPORTED.get(cls.__name__) or _PUBLIC_MODULES.get(area, f"keras.{area}")


# ------------------------------------------------------------------ to and from JSON-able dicts
def serialize_keras_object(obj: Any) -> Any:
    """Turns an object, or a structure of objects, into JSON-able values.

    Example:
        >>> import jkeras as keras
        >>> keras.saving.serialize_keras_object(keras.regularizers.L2(0.5))["config"]
        {'l2': 0.5}
    """
    if obj is None or isinstance(obj, (str, bool, int, float)):
        return obj
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        parts = {k: serialize_keras_object(getattr(obj, k)) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if isinstance(obj, (list, tuple)):
        values = [serialize_keras_object(v) for v in obj]
        return tuple(values) if isinstance(obj, tuple) else values
    if isinstance(obj, Mapping):
        return {str(k): serialize_keras_object(v) for k, v in obj.items()}
    if isinstance(obj, (np.generic,)):
        return obj.item()
    if isinstance(obj, np.dtype) or (isinstance(obj, type) and issubclass(obj, np.generic)):
        return np.dtype(obj).name
    if isinstance(obj, (np.ndarray, jax.Array)):
        array = np.asarray(obj)
        return {
            "class_name": "__numpy__",
            "config": {"value": array.tolist(), "dtype": array.dtype.name},
        }
    if hasattr(obj, "get_config"):
        return _envelope(obj)
    if inspect.isfunction(obj) or inspect.isbuiltin(obj) or callable(obj):
        return _function_envelope(obj)
    raise TypeError(f"Cannot describe {obj!r} in a config: {type(obj).__name__} has no get_config.")


def _envelope(obj: Any) -> dict[str, Any]:
    cls = type(obj)
    module = public_module(cls)
    is_public = module is not None and cls.__name__ not in _UNEXPORTED
    envelope = {
        "module": module if module else (None if cls.__module__ == "__main__" else cls.__module__),
        "class_name": cls.__name__,
        "config": obj.get_config(),
        "registered_name": None if is_public else get_registered_name(cls),
    }
    for name in ("build_config", "compile_config"):
        get = getattr(obj, f"get_{name}", None)
        value = None if get is None else get()
        if value is not None:
            envelope[name] = serialize_keras_object(value)
    shared = _shared.get()
    if shared is not None and hasattr(obj, "get_build_config"):
        # Holding the object keeps its id from being given to another one.
        first, number, _ = shared.setdefault(id(obj), (envelope, len(shared) + 1, obj))
        if first is not envelope:
            first["shared_object_id"] = envelope["shared_object_id"] = number
    return envelope


@contextmanager
def object_sharing() -> Iterator[None]:
    """Keeps layers that are met twice in the block one layer: when written, and when made."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def _function_envelope(function: Callable) -> Any:
    name = get_registered_name(function)
    if _builtins.get("activations", {}).get(name) is function:
        return name  # layers' configs say "relu"
    return {
        "module": "builtins",
        "class_name": "function",
        "config": name,
        "registered_name": "function",
    }


def deserialize_keras_object(
    config: Any,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    area: str | None = None,
) -> Any:
    """Makes the object, or the structure of objects, that a config describes.

    Args:
        config: What `serialize_keras_object` returned; Keras 2's and 3's forms are both read.
        custom_objects: Names of the user's classes and functions.
        safe_mode: Accepted for Keras's sake; code stored in a config is never executed.
        area: Where to look for a class whose config does not say so (`"layers"`).

    Raises:
        ValueError: If a class is unknown (it is never imported), or code is stored in the config.
    """
    with CustomObjectScope(custom_objects):
        return _deserialize(config, area)


def deserialize_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the objects among a config's values; those that do not say where they belong stay."""
    return {k: _deserialize(v, None, only_complete=True) for k, v in config.items()}


def _deserialize(config: Any, area: str | None, only_complete: bool = False) -> Any:
    if isinstance(config, list):
        return [_deserialize(v, area, only_complete) for v in config]
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config or not isinstance(config["class_name"], str):
        return {k: _deserialize(v, area, only_complete) for k, v in config.items()}
    name, inner = config["class_name"], config.get("config")
    if name.startswith("__"):
        return _deserialize_special(name, inner if isinstance(inner, Mapping) else config)
    if only_complete and "module" not in config and "registered_name" not in config:
        return config  # the constructor that gets it knows what kind of thing it is
    if name == "function":
        return find_function(str(inner), area)
    shared, number = _shared.get(), config.get("shared_object_id")
    if shared is not None and isinstance(number, int) and number in shared:
        return shared[number]
    cls = find_class(config, area)
    if not isinstance(inner, Mapping):
        raise ValueError(f"The config of {name!r} is not a dict of arguments: {inner!r}.")
    instance = cls.from_config(dict(inner))
    if shared is not None and isinstance(number, int):
        shared[number] = instance
    build_config = config.get("build_config")
    if build_config and hasattr(instance, "build_from_config") and not instance.built:
        instance.build_from_config(build_config)
    compile_config = config.get("compile_config")
    if compile_config and hasattr(instance, "compile_from_config"):
        instance.compile_from_config(compile_config)
    return instance


def _deserialize_special(name: str, config: Mapping[str, Any]) -> Any:
    if name == "__tuple__":
        return tuple(_deserialize(v, None) for v in config["items"])
    if name == "__slice__":
        return slice(*(_deserialize(config.get(k), None) for k in ("start", "stop", "step")))
    if name == "__ellipsis__":
        return Ellipsis
    if name == "__bytes__":
        return config["value"].encode("utf-8")
    if name in ("__numpy__", "__tensor__"):
        return np.array(config["value"], dtype=config["dtype"])
    if name == "__lambda__":
        raise ValueError(
            "The config holds the bytecode of a Python lambda, which jkeras never executes. "
            "Give the function a name and pass it in `custom_objects`."
        )
    raise ValueError(f"Unknown kind of value in a config: {name!r}.")


def find_class(config: Mapping[str, Any], area: str | None = None) -> Any:
    """Returns the class that a config names, from the fixed table or the user's names.

    Raises:
        ValueError: If it is in neither.
    """
    name = config["class_name"]
    registered = config.get("registered_name")
    module = str(config.get("module") or "")
    is_builtin = module.split(".")[0] == "keras"
    if is_builtin and isinstance(registered, str) and registered != name:
        raise ValueError(
            f"The config says that {name!r} is a class of {module}, and that it is registered as "
            f"{registered!r}: it cannot be both."
        )
    for candidate in (registered, name):
        found = custom_object(candidate) if isinstance(candidate, str) else None
        # What the user registered under a built-in's name is another class.
        if inspect.isclass(found) and not (is_builtin and found in _registered_names):
            return found
    words = [w for w in module.split(".") if w not in ("", "keras", "src", "tensorflow")]
    areas = [".".join(words), words[0] if words else None, area, *(() if words else _builtins)]
    for candidate in areas:
        found = find_builtin(candidate, name.rsplit(">", 1)[-1]) if candidate else None
        if inspect.isclass(found):
            return found
    known = [n for table in _builtins.values() for n in table]
    raise ValueError(
        f"Unknown class {name!r} in a config{nearest(name, known) or '.'} If it is yours, register "
        "it with @keras.saving.register_keras_serializable() or pass it in `custom_objects`."
    )


def find_function(name: str, area: str | None = None) -> Any:
    """Returns the function that a config names: the user's, or this library's own.

    An area may hold a function and a class of the same name (`metrics.binary_accuracy` makes an
    object of `"binary_accuracy"`): then the function stands in `"<area>.functions"`.

    Raises:
        ValueError: If there is none.
    """
    areas = [area] if area else ["activations", "losses", "metrics", "initializers"]
    tables = [t for a in areas for t in (f"{a}.functions", a)]
    candidates = [custom_object(name), *(find_builtin(t, name) for t in tables)]
    found = next((f for f in candidates if f is not None and not inspect.isclass(f)), None)
    if found is None:
        raise ValueError(
            f"Unknown function {name!r} in a config. If it is yours, register it with "
            "@keras.saving.register_keras_serializable() or pass it in `custom_objects`."
        )
    return found


custom_object_scope = CustomObjectScope
