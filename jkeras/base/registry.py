"""Names and objects: configs captured from constructors, and the one table that reads them back.

A config names a class; it is looked up in a fixed table of this library's own classes, then in what
the user registered. Nothing is ever imported, unpickled or executed on a config's word.
"""

import contextvars
import inspect
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Self, TypeVar

import jax
import numpy as np

from jkeras.base import naming
from jkeras.base.arguments import ArgumentsError, check_arguments
from jkeras.base.naming import nearest, to_snake_case
from jkeras.base.types import Identifier

_Made = TypeVar("_Made")

# area ("layers", "losses", ...) -> every accepted name -> class or function
_builtins: dict[str, dict[str, Any]] = {}
_registered: dict[str, Any] = {}  # "package>Name" -> the user's class or function
_registered_names: dict[Any, str] = {}
_scoped: contextvars.ContextVar[dict[str, Any]] = contextvars.ContextVar("custom_objects")

# Objects written or made since a block of `object_sharing` began: the same object, the same number.
_shared: contextvars.ContextVar[dict[Any, Any] | None] = contextvars.ContextVar(
    "shared", default=None
)
# Within `copying`: the user's classes that were met.
_copied: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "copied", default=None
)

# Built-in class -> the module in which files find it: that from which Keras exports it.
_modules: dict[type, str] = {}
# Keras does not export the first one, nor the others from where it exports their base: what its
# files call their modules.
_UNEXPORTED = {
    "Functional": "keras.src.models.functional",
    "LayerScale": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}
_OTHER_MODULES = dict.fromkeys(("QuantizedDTypePolicy", "DTypePolicyMap"), "keras.dtype_policies")


# ------------------------------------------------------------------ this library's own names
def export(module: str, area: str, names: Mapping[str, Any]) -> None:
    """Makes the classes among the names of a public module known to files.

    Args:
        module: The module in which Keras exports them: `"keras.layers"`.
        area: The table in which they are looked up: `"layers"`.
        names: From names to objects; functions, and what has no config, are left out.
    """
    for name, obj in names.items():
        if isinstance(obj, type) and hasattr(obj, "get_config") and not name.startswith("_"):
            _modules.setdefault(obj, {**_UNEXPORTED, **_OTHER_MODULES}.get(name, module))
            for known in (name, to_snake_case(name)):  # a function may have the latter already
                _builtins.setdefault(area, {}).setdefault(known, obj)


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


def resolve(identifier: Identifier, area: str, kind: str) -> Any:
    """Returns what an argument such as ``activation="relu"`` stands for.

    Args:
        identifier: A name, a config dict, a class, an instance or a function.
        area: The table in which names are looked up.
        kind: What to call the thing in an error ("activation").

    Returns:
        A function or an instance; classes are instantiated without arguments.

    Raises:
        ValueError: If the name is unknown; the nearest known name is suggested.
        TypeError: If `identifier` is not one of the above.
    """
    if isinstance(identifier, Mapping):
        identifier = deserialize_keras_object(dict(identifier), area=area)
    if isinstance(identifier, str):
        found = custom_object(identifier)
        if found is None:
            found = _builtins.get(area, {}).get(identifier) or find_builtin(area, identifier)
        if found is None:
            known = [*builtin_names(area), *get_custom_objects(), *_scoped.get({})]
            hint = nearest(identifier, known) or (
                f". Give one of the names in keras.{area}, an object or a function; a name of your "
                "own is known once it is registered, by @keras.saving.register_keras_serializable()"
            )
            raise ValueError(f"Unknown {kind} {identifier!r}{hint}")
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
            raise ValueError(
                f"Cannot register a class that does not have a get_config() method: {obj.__name__}."
            )
        if not callable(obj):
            raise TypeError(f"A class or a function can be registered, got {obj!r}.")
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
        if custom_objects is not None and not isinstance(custom_objects, Mapping):
            raise TypeError(
                "`custom_objects` must be a dict from names to classes and functions, such as "
                f"{{'MyLayer': MyLayer}}. Received: custom_objects={custom_objects!r:.60}"
            )
        self._objects = dict(custom_objects or {})
        self._tokens: list[contextvars.Token] = []

    def __enter__(self) -> Self:
        self._tokens.append(_scoped.set({**_scoped.get({}), **self._objects}))
        return self

    def __exit__(self, *_: object) -> None:
        _scoped.reset(self._tokens.pop())


def custom_object(name: str, custom_objects: Mapping[str, Any] | None = None) -> Any | None:
    """Finds what the user calls `name`: passed, in scope, or registered (also without package)."""
    for table in (custom_objects or {}, _scoped.get({}), _copied.get() or {}, _registered):
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
        if args or kwargs:
            if cls.__init__ is object.__init__:  # type: ignore[misc]
                raise TypeError(f"{cls.__name__}() takes no arguments")
            check_arguments(cls, args, kwargs)
        self = super().__new__(cls)
        object.__setattr__(self, "_arguments", (args, kwargs))
        return self

    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal object."""
        return {k: serialize_keras_object(v) for k, v in constructor_arguments(self).items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Makes an object from the dict that `get_config` returned.

        Example:
            >>> import jkeras as keras
            >>> config = keras.losses.Huber(delta=2.0).get_config()
            >>> keras.losses.Huber.from_config(config).delta
            2.0
        """
        return construct(cls, deserialize_values(config))


def construct(cls: Callable[..., _Made], arguments: Mapping[str, Any]) -> _Made:
    """Makes an object of a class with the arguments that a config holds.

    Raises:
        TypeError: If an argument is missing, or one is not known.
        ArgumentsError: If the constructor says that an argument is wrong.
    """
    try:
        return cls(**arguments)
    except ArgumentsError:
        raise
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise ArgumentsError(
            f"{error}\nThis is what the config of a {getattr(cls, '__name__', cls)!r} holds: "
            f"{dict(arguments)}"
        ) from error
    except TypeError as error:
        raise TypeError(
            f"Error when deserializing class {getattr(cls, '__name__', cls)!r} using config="
            f"{dict(arguments)}.\n\nException encountered: {error}\nA config holds the arguments "
            "of the class's constructor, by name: what get_config() returned."
        ) from error


def constructor_arguments(obj: Configurable) -> dict[str, Any]:
    """Returns the arguments `obj` was made with, defaults and ``**kwargs`` included.

    Built-in classes keep each argument in the attribute of the same name, so theirs are read from
    there: `"relu"` has become a function, and a later assignment counts.

    Where a user's class has a `get_config` of its own, which asks for its base's with `super()`,
    the result is the base's part, as in Keras: the arguments of the built-in class, and those of
    subclasses further down.
    """
    classes = type(obj).__mro__
    if is_builtin(_definer(classes, "__init__")):
        return _kept_arguments(obj, classes)
    describes = _definer(classes, "get_config")
    if is_builtin(describes):
        return _captured_arguments(obj)
    values = _captured_arguments(obj, named_only=True)
    for i in range(classes.index(describes), len(classes)):
        if is_builtin(classes[i]):
            return {**values, **_kept_arguments(obj, classes[i:])}
        if "__init__" in vars(classes[i]):
            for name in inspect.signature(classes[i].__init__).parameters:  # type: ignore[misc]
                values.pop(name, None)
    return values


def _captured_arguments(obj: Configurable, named_only: bool = False) -> dict[str, Any]:
    """Returns what a constructor was given, by name.

    Raises:
        NotImplementedError: If it was given `*layers` or the like, unless only the named arguments
            are wanted, as by a `get_config` that adds the others.
    """
    args, kwargs = obj._arguments
    bound = inspect.signature(type(obj).__init__).bind(obj, *args, **kwargs)
    bound.apply_defaults()
    values: dict[str, Any] = {}
    for name, parameter in list(bound.signature.parameters.items())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            if bound.arguments[name] and not named_only:
                raise NotImplementedError(
                    f"{type(obj).__name__} takes *{name}, which a config cannot name: "
                    "write get_config() and from_config() for it."
                )
        elif parameter.kind is parameter.VAR_KEYWORD:
            values.update(bound.arguments[name])
        else:
            values[name] = bound.arguments[name]
    return values


# Arguments of some layers, and of Keras 2's, which are properties of all layers besides.
_OLD_PROPERTIES = frozenset({"input_shape", "output_shape"})


def _kept_arguments(obj: Configurable, classes: Sequence[type]) -> dict[str, Any]:
    """Returns what `obj` keeps of the arguments that the first of its built-in classes takes."""
    own = classes[0] is type(obj)
    values = _captured_arguments(obj) if own else {}
    if not own:
        signature = inspect.signature(_definer(classes, "__init__").__init__)  # type: ignore[misc]
        for name, parameter in list(signature.parameters.items())[1:]:
            default = parameter.default
            variadic = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            if not variadic and (default is not parameter.empty or hasattr(obj, name)):
                values[name] = default
    # Initial `weights=` (Flax calls them `variables`) are values, no configuration.
    initial = ("weights", "variables")
    as_given = {*getattr(obj, "as_given", ()), *(_OLD_PROPERTIES - vars(obj).keys())}
    return {
        k: v if k in as_given else getattr(obj, k, v) for k, v in values.items() if k not in initial
    }


def _definer(classes: Sequence[type], method: str) -> type:
    """Returns the first of the classes that has a method of its own."""
    return next(cls for cls in classes if method in vars(cls))


def names_of_users(config: Any) -> list[str]:
    """Returns what a config names that is not this library's own: classes and functions."""
    if isinstance(config, (list, tuple)):
        return [name for item in config for name in names_of_users(item)]
    if not isinstance(config, Mapping):
        return []
    found = [name for value in config.values() for name in names_of_users(value)]
    name, registered = config.get("class_name"), config.get("registered_name")
    if name == "function":
        tables = ("activations", "losses", "metrics", "initializers")
        own = any(find_builtin(area, str(config.get("config"))) for area in tables)
        return found if own else [*found, str(config.get("config"))]
    foreign = "module" in config and str(config["module"]).split(".")[0] not in (
        "keras",
        "builtins",
    )
    return [*found, str(registered or name)] if foreign and isinstance(name, str) else found


def is_builtin(cls: type) -> bool:
    """Says whether a class is this library's own."""
    return cls.__module__.split(".")[0] == __name__.split(".")[0]


def config_of(obj: Any) -> Any:
    """Returns what `obj.get_config()` gives, as JSON-able values.

    A `get_config` of the user's that leaves out an argument without which `from_config` cannot make
    the object is completed with the argument it was made with.
    """
    config = obj.get_config()
    cls = type(obj)
    if not isinstance(config, Mapping):
        raise TypeError(
            f"get_config() of {cls.__name__} {getattr(obj, 'name', '')!r} must return a dict of "
            f"the arguments with which from_config() makes it again, got {config!r:.60}."
        )
    if (
        isinstance(obj, Configurable)
        and isinstance(config, Mapping)
        and "input_layers" not in config  # of a graph: it stands for `inputs` and `outputs`
        and not is_builtin(_definer(cls.__mro__, "get_config"))
        and is_builtin(_definer(cls.__mro__, "from_config"))
    ):
        signature = inspect.signature(cls.__init__)
        args, kwargs = obj._arguments
        given = signature.bind(obj, *args, **kwargs).arguments
        required = [
            name
            for name, p in list(signature.parameters.items())[1:]
            if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        config = {**{name: given[name] for name in required if name not in config}, **config}
    return serialize_keras_object(config)


def accepts(function: Callable, name: str) -> bool:
    """Says whether `function` takes an argument called `name`."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(
        p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()
    )


def public_module(cls: type) -> str | None:
    """Returns the module in which Keras's files find a built-in class; None for a user's."""
    return _modules.get(cls)


# ------------------------------------------------------------------ to and from JSON-able dicts
def serialize_keras_object(obj: Any) -> Any:
    """Turns an object, or a structure of objects, into JSON-able values.

    Example:
        >>> import jkeras as keras
        >>> keras.saving.serialize_keras_object(keras.regularizers.L2(0.5))["config"]
        {'l2': 0.5}
    """
    if obj is None or type(obj) in (str, bool, int, float):
        return obj
    if isinstance(obj, (np.generic, np.ndarray, jax.Array)) and np.ndim(obj) == 0:
        return np.asarray(obj).item()  # a number, of whatever library it is
    if isinstance(obj, (np.ndarray, jax.Array)):
        array = np.asarray(obj)
        return {
            "class_name": "__numpy__" if isinstance(obj, np.ndarray) else "__tensor__",
            "config": {"value": array.tolist(), "dtype": array.dtype.name},
        }
    if isinstance(obj, (str, bool, int, float)):  # of a subclass, such as an Enum's
        return obj
    if isinstance(obj, os.PathLike):
        return os.fspath(obj)
    if isinstance(obj, bytes):
        return {"class_name": "__bytes__", "config": {"value": obj.decode("utf-8")}}
    if obj is Ellipsis:
        return {"class_name": "__ellipsis__", "config": {}}
    if isinstance(obj, slice):
        parts = {k: serialize_keras_object(getattr(obj, k)) for k in ("start", "stop", "step")}
        return {"class_name": "__slice__", "config": parts}
    if isinstance(obj, (list, tuple)):
        items = [serialize_keras_object(v) for v in obj]
        return _unless_equal(obj, tuple(items) if isinstance(obj, tuple) else items)
    if _is_dict(obj):
        return _serialize_mapping(obj)
    if isinstance(obj, np.dtype) or (isinstance(obj, type) and issubclass(obj, np.generic)):
        return np.dtype(obj).name
    if isinstance(obj, type):
        raise TypeError(f"A config cannot hold the class {obj.__name__}: give it an instance.")
    if hasattr(obj, "get_config"):
        return _envelope(obj)
    if callable(obj):
        return _function_envelope(obj)
    raise TypeError(
        f"Cannot serialize object {obj!r} of type {type(obj).__name__} in a config: it has no "
        "get_config(). Give it one (and from_config), or keep plain values."
    )


def _is_dict(obj: Any) -> bool:
    """Says whether this is a mapping, and no object with a config that has keys besides."""
    return isinstance(obj, Mapping) and not hasattr(obj, "get_config")


def _serialize_mapping(mapping: Mapping[Any, Any]) -> Any:
    if any(isinstance(k, tuple) for k in mapping):  # JSON has no such keys
        items = [serialize_keras_object(list(item)) for item in mapping.items()]
        return {"class_name": "__items__", "config": {"items": items}}
    values = {_as_key(k): serialize_keras_object(v) for k, v in mapping.items()}
    return _unless_equal(mapping, values)


def _as_key(key: Any) -> str:
    return key if type(key) is str else str(key.item() if isinstance(key, np.generic) else key)


def _unless_equal(before: Any, after: Any) -> Any:
    """Returns `before` where serializing has changed nothing in it.

    An entry of a model's config stays the same dict wherever it is put, so that a layer that is met
    twice can be marked in both places.
    """
    same = type(before) is type(after) and len(before) == len(after)
    if same and isinstance(before, dict):
        same = all(k in before and before[k] is v for k, v in after.items())
    elif same:
        same = all(a is b for a, b in zip(before, after, strict=True))
    return before if same else after


def _envelope(obj: Any) -> dict[str, Any]:
    cls = type(obj)
    module = public_module(cls)
    registered: str | None
    if module is None:
        place = None if cls.__module__ == "__main__" else cls.__module__
        registered = get_registered_name(cls)
        copied = _copied.get()
        if copied is not None:
            copied[registered] = copied[cls.__name__] = cls
    else:
        place, registered = module, cls.__name__ if cls.__name__ in _UNEXPORTED else None
    try:
        config = config_of(obj)
    except TypeError as error:
        error.add_note(f"in the config of {cls.__name__} {getattr(obj, 'name', '')!r}")
        raise
    envelope = {
        "module": place,
        "class_name": cls.__name__,
        "config": config,
        "registered_name": registered,
        **getattr(obj, "_saved_as", {}),  # of an object that stands for one of another class
    }
    for name in ("build_config", "compile_config"):
        get = getattr(obj, f"get_{name}", None)
        value = None if get is None else get()
        if value is not None:
            envelope[name] = serialize_keras_object(value)
    is_layer, own = hasattr(obj, "get_build_config"), getattr(obj, "_name", "")
    if is_layer and naming.root(own) != naming.likely_root(own, cls.__name__):
        envelope["name_root"] = naming.root(own)
    shared = _shared.get()
    if shared is not None and is_layer:
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


@contextmanager
def copying() -> Iterator[None]:
    """Lets configs made in the block be read in it, without the user's things being registered."""
    token = _copied.set({})
    try:
        yield
    finally:
        _copied.reset(token)


def is_copying() -> bool:
    """Says whether the configs that are read now were made in this process, by `copying`."""
    return _copied.get() is not None


def _function_envelope(function: Callable) -> Any:
    if is_copying():
        return function  # which may have no name
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
    config: Identifier,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    *,
    module_objects: Mapping[str, Any] | None = None,
    printable_module_name: str = "object",
    area: str | None = None,
) -> Any:
    """Makes the object, or the structure of objects, that a config describes.

    Args:
        config: What `serialize_keras_object` returned; Keras 2's and 3's forms are both read.
        custom_objects: Names of the user's classes and functions.
        safe_mode: Accepted for Keras's sake; code stored in a config is never executed.
        module_objects: Further names, as in Keras 2; with these, `config` may be such a name;
            that of a class gives an object of it.
        printable_module_name: Accepted for Keras's sake: errors name the class itself.
        area: Where to look for a class whose config does not say so (`"layers"`).

    Raises:
        ValueError: If a class is unknown (it is never imported), or code is stored in the config.
    """
    names = {**(module_objects or {}), **(custom_objects or {})}
    with CustomObjectScope(names) if names else nullcontext():
        if module_objects is not None and isinstance(config, str):
            named = module_objects.get(config)
            return named() if inspect.isclass(named) else find_function(config, area)
        return _deserialize(config, area)


def deserialize_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the objects among a config's values; those that do not say where they belong stay."""
    return {k: _deserialize(v, None, only_complete=True) for k, v in config.items()}


def _deserialize(config: Any, area: str | None, only_complete: bool = False) -> Any:
    def inner_object(value: Any) -> Any:
        if only_complete:
            return _deserialize(value, area, only_complete)
        return deserialize_keras_object(value, area=area)  # by this name: packages replace it

    if isinstance(config, (list, tuple)):
        items = [inner_object(v) for v in config]
        return tuple(items) if isinstance(config, tuple) else items
    if not _is_dict(config):
        return config
    if "class_name" not in config or not isinstance(config["class_name"], str):
        return {k: inner_object(v) for k, v in config.items()}
    name, inner = config["class_name"], config.get("config")
    if name.startswith("__"):
        return _deserialize_special(name, inner if isinstance(inner, Mapping) else config)
    if only_complete and "module" not in config and "registered_name" not in config:
        return config  # the constructor that gets it knows what kind of thing it is
    if name == "function":
        return _find_described_function(config, area)
    shared, number = _shared.get(), config.get("shared_object_id")
    if shared is not None and isinstance(number, int) and number in shared:
        return shared[number]
    cls = find_class(config, area)
    if not isinstance(inner, Mapping):
        raise ArgumentsError(
            f"The config of {name!r} is not a dict of arguments. Expected 'config' to be a dict. "
            f"Received: {inner!r}"
        )
    inner = dict(inner)
    given = inner.get("name")
    if isinstance(given, str):
        root = config.get("name_root", naming.likely_root(given, cls.__name__))
        inner["name"] = given if root == given else naming.AutomaticName(given, str(root))
    if hasattr(cls, "from_config"):
        instance = cls.from_config(inner)
    else:
        instance = construct(cls, deserialize_values(inner))
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
    if name == "__items__":
        pairs = [_deserialize(item, None) for item in config["items"]]
        return {tuple(k) if isinstance(k, list) else k: v for k, v in pairs}
    if name in ("__numpy__", "__tensor__"):
        dtype = jax.numpy.dtype(config["dtype"])
        if dtype.kind not in "fiubV" or dtype.itemsize > 8:
            raise ValueError(f"Not allowed: an array of dtype {config['dtype']!r} in a config.")
        array = np.array(config["value"], dtype=dtype)
        return array if name == "__numpy__" else jax.numpy.asarray(array)
    if name == "__lambda__":
        raise ValueError(
            "The config holds the bytecode of a Python lambda, which jkeras never executes: that "
            "would be arbitrary code execution. Give the function a name and pass it in "
            "`custom_objects`."
        )
    raise ValueError(f"Unknown kind of value in a config: {name!r}.")


class UnknownClass(ValueError):
    """A config names a class that is not there."""


def find_class(config: Mapping[str, Any], area: str | None = None) -> Any:
    """Returns the class that a config names, from the fixed table or the user's names.

    Raises:
        UnknownClass: If it is in neither.
        ValueError: If the config contradicts itself.
    """
    name = config["class_name"]
    registered = config.get("registered_name") or None
    module = str(config.get("module") or "")
    of_keras = module.split(".")[0] == "keras"
    for candidate in (registered, name):
        found = custom_object(candidate) if isinstance(candidate, str) else None
        # What the user registered under a built-in's name is another class.
        if inspect.isclass(found) and not (of_keras and found in _registered_names):
            return found
    words = [w for w in module.split(".") if w not in ("", "keras", "src", "tensorflow")]
    areas = [".".join(words), words[0] if words else None, area, *(() if words else _builtins)]
    for candidate in areas:
        found = find_builtin(candidate, name.rsplit(">", 1)[-1]) if candidate else None
        if inspect.isclass(found):
            if of_keras and registered not in (None, name, _registered_names.get(found)):
                raise ValueError(
                    f"The config says that {name!r} of {module} is registered as {registered!r}, "
                    f"but the module and class resolved to a Keras built-in: it cannot be both."
                )
            return found
    known = [n for table in _builtins.values() for n in table]
    raise UnknownClass(
        f"Unknown class {name!r} in a config{nearest(name, known) or '.'} If it is yours, register "
        "it with @keras.saving.register_keras_serializable() or pass it in `custom_objects`."
    )


def _find_described_function(config: Mapping[str, Any], area: str | None) -> Any:
    name, registered = config.get("config"), config.get("registered_name")
    if not isinstance(name, str):
        raise ArgumentsError(
            f"The config of a function is its name, got {name!r}. Expected 'config' to be a "
            "non-null str."
        )
    function = find_function(name, area)
    if registered not in (None, "", "function", name) and custom_object(name) is not function:
        raise ValueError(
            f"The config says that the function {name!r} is registered as {registered!r}, but its "
            "name resolved to a Keras built-in: it cannot be both."
        )
    return function


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
    # Older files leave out the package under which it was registered.
    candidates += [f for known, f in _registered.items() if known.endswith(f">{name}")]
    found = next((f for f in candidates if f is not None and not inspect.isclass(f)), None)
    if found is None and name == "<lambda>":
        raise ValueError(
            "The config names a Python lambda, which has no name to be found by; code in files is "
            "never executed, since that would be arbitrary code execution.\nPass the function: "
            'custom_objects={"<lambda>": function}. Or save with a function that has a name.'
        )
    if found is None:
        raise ValueError(
            f"Unknown function {name!r} in a config. If it is yours, register it with "
            "@keras.saving.register_keras_serializable() or pass it in `custom_objects`."
        )
    return found


custom_object_scope = CustomObjectScope
