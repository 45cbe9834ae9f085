"""Programs that models of equal structure share, so that an equal net is not compiled again.

What a program computes follows from the code that was traced and from what that code could reach;
weights, keys and learning rates are its arguments. `fingerprint` writes both down: library code by
identity, a user's functions and classes by their code and by the values of the globals and closures
that they use. What cannot be written down, such as a module of the user's, is compiled by itself.
"""

import dis
import enum
import functools
import threading
import types
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jkeras.base import naming, settings
from jkeras.base.types import ArrayLike
from jkeras.core.graph import Operation, SymbolicTensor
from jkeras.core.layer import Layer
from jkeras.core.parts import paths
from jkeras.core.seeds import SeedGenerator
from jkeras.core.variable import Variable
from jkeras.initializers import Initializer
from jkeras.metrics.metric import Metric
from jkeras.optimizers.base import Optimizer
from jkeras.training.objective import CompiledObjective

# So many programs are kept for models to come.
MOST_KEPT = 64
# Larger constants are not compared.
_LARGEST_CONSTANT = 2**16
# Packages whose functions and classes do not change, and those whose objects hold what they are in
# attributes.
_WALKED = frozenset({"jkeras", "jax", "optax", "flax", "collections"})
_LIBRARIES = _WALKED | {"jaxlib", "numpy", "ml_dtypes", "builtins", "functools", "operator", "math"}
_LIBRARIES |= {"typing", "enum", "abc", "dataclasses"}
# Attributes by which nothing is computed, besides `_arguments`. The arrays of variables are
# arguments of a program.
_RECORDS: tuple[tuple[type, frozenset[str]], ...] = (
    (
        Variable,
        frozenset({"_array", "_initializer", "_seed", "_shown", "order", "path"})
        | {"layout", "path_in_model", "placed_like"},
    ),
    (SymbolicTensor, frozenset({"name"})),
    (Operation, frozenset({"_name", "_calls"})),
    (SeedGenerator, frozenset({"name", "_given_seed"})),
    (Metric, frozenset({"_cells", "_added", "_written", "_making_cells"})),
    (CompiledObjective, frozenset({"output_names", "_names"})),
    (
        Optimizer,
        frozenset({"name", "built", "_trainable_variables", "_fixed", "_made", "_known"})
        | {"_iterations"},  # not its learning rate, which may be a schedule
    ),
    (
        Layer,
        frozenset({"_calls", "_build_shapes", "_path", "_seen_shapes", "_before_calls"})
        | {"_session", "_fitting", "_compile_arguments", "history", "optimizer", "loss"}
        | {"_by_name", "_call_specs", "jit_compile", "run_eagerly"}
        | {"_written_graph", "_written_programs"}
        | {"stop_training", "stop_evaluating", "stop_predicting", "steps_per_execution"},
    ),
)
_OF_CLASSES = frozenset(
    {"__module__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__qualname__"}
    | {"__firstlineno__", "__static_attributes__", "__abstractmethods__", "_abc_impl"}
    | {"_own_signature", "_name", "_makes_masks", "_declares_output_shape"}  # follow from the rest
)
# How the names of modules that a function imports are marked; and builtins by which it can reach
# what its code does not name.
_IMPORTED = "import "
_UNSEEN = frozenset({"globals", "eval", "exec", "open", "input", "__import__"})
# What is written by value: by far the most; and what holds all that it is as items.
_BY_VALUE = frozenset({type(None), type(Ellipsis), bool, int, str, bytes})
_CONTAINERS = (list, tuple, dict, set, frozenset)
_SETTINGS = ("floatx", "epsilon", "image_data_format", "flash_attention")


class _Unknown(Exception):
    """Raised for what cannot be written down."""


# ------------------------------------------------------------------ fingerprints
def fingerprint(*parts: Any) -> tuple | None:
    """Writes down all that code with these in reach could compute by.

    Names that were counted (`dense_3`) and the values of variables are not in it.

    Args:
        *parts: Layers, losses, metrics, optimizers, functions, and structures of them.

    Returns:
        A hashable value, equal for parts of equal structure; None where that cannot be said.

    Example:
        >>> import jkeras as keras
        >>> from jkeras.models.sharing import fingerprint
        >>> def net(units):
        ...     return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])
        >>> fingerprint(net(3)) == fingerprint(net(3)), fingerprint(net(3)) == fingerprint(net(4))
        (True, False)
    """
    found = numbered_fingerprint(*parts)
    return None if found is None else found[0]


class Number(NamedTuple):
    """A float that an object, a list or a dict holds.

    Attributes:
        holder: What holds it.
        name: The attribute, the place in the list, or the key.
        value: The number.
    """

    holder: Any
    name: Any
    value: float

    def put(self, value: Any) -> None:
        """Puts another value in its place."""
        if isinstance(self.holder, (list, dict)):
            self.holder[self.name] = value
        else:
            self.holder.__dict__[self.name] = value


def numbered_fingerprint(*parts: Any) -> tuple[tuple, dict[int, Number]] | None:
    """Does `fingerprint`, and says which entries of it are numbers that could be others."""
    written: list[Any] = []
    slots: dict[int, Number] = {}
    numbers: dict[int, int] = {}  # by identity: what is held twice is so in an equal model
    held: list[Any] = []
    # What layers are called matters by their paths in the whole, which weights and draws go by.
    places = [list(paths(part).values()) for part in parts if isinstance(part, Layer)]
    waiting: list[Any] = [*reversed(parts), [settings.get(name) for name in _SETTINGS], places]
    try:
        while waiting:
            value = waiting.pop()
            if type(value) is Number:
                slots[len(written)] = value
                value = value.value
            kind = type(value)
            if kind in _BY_VALUE:
                written.append((kind, value))
                continue
            number = numbers.get(id(value))
            if number is None:
                if kind in _CONTAINERS:
                    written.append(kind)
                    contents = _items(value)
                else:
                    plain = _plain(value)
                    if plain is not None:
                        written.append(plain)
                        continue
                    contents = _contents(value)
                number = numbers[id(value)] = len(held)
                held.append(value)
                contents.reverse()
                waiting += contents
            written.append(number)
    except _Unknown:
        return None
    return tuple(written), slots


def _is_of(thing: Any, packages: frozenset[str]) -> bool:
    return (getattr(thing, "__module__", None) or "").partition(".")[0] in packages


def _plain(value: Any) -> Any:
    """Returns what stands for a value that is written by itself; None for others."""
    kind = type(value)
    if kind in (float, complex, range, slice):
        return kind, repr(value)
    if kind is naming.AutomaticName:
        return kind, value.root
    if isinstance(value, type):
        return value if (value.__module__ or "").partition(".")[0] in _LIBRARIES else None
    if isinstance(value, (np.ndarray, np.generic, jax.Array)):
        return _constant(value)
    if isinstance(value, (np.dtype, np.ufunc, jax.ShapeDtypeStruct, enum.Enum, types.CodeType)):
        return value
    if isinstance(value, (bool, int, str, bytes, float, complex)):
        raise _Unknown  # a kind of number or text of its own
    if isinstance(value, types.ModuleType):
        if value.__name__.partition(".")[0] not in _LIBRARIES:
            raise _Unknown
        return value
    if isinstance(value, types.BuiltinFunctionType):
        return value if isinstance(value.__self__, types.ModuleType) else None
    is_global = "<locals>" not in getattr(value, "__qualname__", "<locals>")
    if is_global and not hasattr(value, "__self__") and _is_of(value, _LIBRARIES):
        return value
    return None


def _constant(array: ArrayLike) -> tuple:
    if isinstance(array, jax.core.Tracer) or array.nbytes > _LARGEST_CONSTANT:
        raise _Unknown
    if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    value = np.asarray(array)
    if value.dtype.hasobject:
        raise _Unknown
    return type(array), value.dtype, value.shape, value.tobytes()


def _contents(value: Any) -> list[Any]:
    """Returns what a value is made of."""
    kind = type(value)
    if kind is types.FunctionType:
        found = [value.__code__, value.__defaults__, value.__kwdefaults__, value.__closure__]
        return [kind, *found, value.__dict__, _globals_of(value)]
    if kind is types.CellType:
        return [kind, value.cell_contents]
    if kind is types.MethodType:
        return [kind, value.__func__, value.__self__]
    if kind is functools.partial:
        return [kind, value.func, value.args, value.keywords]
    if kind is property:
        return [kind, value.fget, value.fset]
    if kind in (staticmethod, classmethod):
        return [kind, value.__func__]
    if kind in (types.MemberDescriptorType, types.GetSetDescriptorType):
        return [kind, value.__name__]
    if isinstance(value, type):
        own = {name: part for name, part in vars(value).items() if name not in _OF_CLASSES}
        return [kind, value.__bases__, own]
    items = _items(value) if isinstance(value, _CONTAINERS) else []
    return [kind, *items, *_attributes(value)]


def _globals_of(function: types.FunctionType) -> list[Any]:
    """Returns what a user's function finds in its module."""
    if _is_of(function, _LIBRARIES):
        return []
    reached, names = function.__globals__, _global_names(function.__code__)
    imported = {name.removeprefix(_IMPORTED) for name in names if name.startswith(_IMPORTED)}
    if not imported <= _LIBRARIES or _UNSEEN.intersection(names):
        raise _Unknown
    return [reached[name] for name in names if name in reached]


@functools.lru_cache
def _global_names(code: types.CodeType) -> list[str]:
    names = set()
    for instruction in dis.get_instructions(code):
        if instruction.opname == "LOAD_GLOBAL":
            names.add(instruction.argval)
        elif instruction.opname == "IMPORT_NAME":
            names.add(_IMPORTED + instruction.argval.partition(".")[0])
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(_global_names(constant))
    return sorted(names)


def _items(value: Any) -> list[Any]:
    """Returns the items of a container; nothing for what is not one."""
    if isinstance(value, tuple):  # whose floats cannot be others
        return [len(value), *value]
    found: list[Any] = []
    if isinstance(value, list):
        found.append(len(value))
        for place, item in enumerate(value):
            found.append(Number(value, place, item) if type(item) is float else item)
    elif isinstance(value, dict):
        found.append(len(value))
        for key, item in value.items():
            own = type(item) is float and type(value) is dict
            found += (key, Number(value, key, item) if own else item)
    elif isinstance(value, (set, frozenset)):
        if not {*map(type, value)} <= {str, int}:
            raise _Unknown
        found.append(sorted(value, key=repr))
    return found


def _attributes(value: Any) -> list[Any]:
    """Returns the attributes of an object of a class written in Python, with their names."""
    found: list[Any] = []
    records, slots, is_layer = _of_class(type(value))  # type: ignore[arg-type]
    own = getattr(value, "__dict__", {})
    for name, part in own.items():
        if name not in records and not (is_layer and isinstance(part, Initializer)):
            found += (name, Number(value, name, part) if type(part) is float else part)
    is_empty = not own and not hasattr(value, "__dict__")
    for name in slots:
        if hasattr(value, name):
            is_empty = False
            if name not in records:
                found += (name, getattr(value, name))
    if is_empty and not isinstance(value, _CONTAINERS):
        raise _Unknown  # a lock, a file
    return found


@functools.lru_cache
def _of_class(kind: type) -> tuple[frozenset[str], list[str], bool]:
    """Returns the attributes to leave out, the slots, and whether it is a layer of ours."""
    is_container = issubclass(kind, _CONTAINERS)
    package = (kind.__module__ or "").partition(".")[0]
    if kind.__module__ == "builtins" and not is_container:
        raise _Unknown  # a generator, an iterator, a memoryview
    if package in _LIBRARIES - _WALKED and not is_container:
        raise _Unknown  # what it holds is not in attributes
    is_layer = issubclass(kind, Layer) and package in _WALKED
    records = {"_arguments", "_name"} if is_layer else {"_arguments"}
    for ours, noted in _RECORDS:
        if issubclass(kind, ours):
            records |= noted
    slots: list[str] = []
    if package in _WALKED:  # what is kept after it was asked for follows from the rest
        records |= {
            name
            for base in kind.__mro__
            for name, value in vars(base).items()
            if isinstance(value, functools.cached_property)
        }
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        slots += (names,) if isinstance(names, str) else names
    return frozenset(records), slots, is_layer


# ------------------------------------------------------------------ shared programs
class _Changed(Exception):
    """Raised where a shared program is traced for what has changed since it was fetched."""


class _User(NamedTuple):
    """One who runs a shared program: the functions to be compiled, and what they reach."""

    functions: Sequence[Callable[..., Any]]
    parts: Callable[[], Sequence[Any]]
    is_compared: bool = False  # whether they were just found to be what the program is for


class _Shared:
    """A program for functions of one structure, whoever has them.

    It holds no functions, since those hold a model: who runs it lends his while it runs.
    """

    def __init__(self, mark: tuple, make: Callable[..., Any], count: int):
        self._mark, self._lent = mark, threading.local()
        self._run = make(*[self._stand_in(number) for number in range(count)])

    def _stand_in(self, number: int) -> Callable[..., Any]:
        def function(*args: Any) -> Any:
            user = self._lent.user
            is_known = number or user.is_compared
            if not is_known and fingerprint(*user.parts()) != self._mark:
                raise _Changed
            return user.functions[number](*args)

        return function

    def run(self, user: _User, *args: Any, **kwargs: Any) -> Any:
        """Runs the program; traces the user's functions if there is something to trace."""
        lent = self._lent
        before = getattr(lent, "user", None)
        lent.user = user
        try:
            return self._run(*args, **kwargs)
        finally:
            lent.user = before


_kept: OrderedDict[Any, _Shared] = OrderedDict()
_lock = threading.Lock()


def compile_once(
    kind: Hashable,
    make: Callable[..., Any],
    functions: Sequence[Callable[..., Any]],
    parts: Callable[[], Sequence[Any]],
) -> Callable[..., Any]:
    """Returns what runs `make(*functions)`, or the program of equal functions.

    What they compute by is looked at when it runs first, and whenever they are traced again.

    Args:
        kind: What else the program depends on: with the parts, the key by which it is known.
        make: Compiles functions into one that runs.
        functions: Functions of arrays; the first one is traced whenever any is.
        parts: Returns all that they reach and compute by.

    Example:
        >>> from jkeras.models.sharing import compile_once
        >>> def times(factor):
        ...     return compile_once("times", jax.jit, [lambda x: x * factor], lambda: [factor])
        >>> times(2)(3.0).item(), times(2)(4.0).item(), times(3)(3.0).item()
        (6.0, 8.0, 9.0)
    """
    user, shared, own = _User(functions, parts), None, None

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal shared, own
        if shared is None and own is None:
            mark = fingerprint(*parts())
            if mark is not None:
                shared = _find(kind, mark, make, len(functions))
                return shared.run(user._replace(is_compared=True), *args, **kwargs)
            own = make(*functions)
        if shared is not None:
            try:
                return shared.run(user, *args, **kwargs)
            except _Changed:
                own, shared = make(*functions), None
        return own(*args, **kwargs)

    return run


def _find(kind: Hashable, mark: tuple, make: Callable[..., Any], count: int) -> _Shared:
    """Returns the program that is known by these; made if there is none."""
    key = (kind, mark)
    with _lock:
        shared = _kept.get(key)
        if shared is None:
            shared = _kept[key] = _Shared(mark, make, count)
            while len(_kept) > MOST_KEPT:
                _kept.popitem(last=False)
        _kept.move_to_end(key)
    return shared
