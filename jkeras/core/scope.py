"""What weights read as during one call: the ambient state of the library.

There are three scopes. *Pure*: values are given, and no other variable may be read. *Eager*: the
variables' own cells are read and written. *Abstract*: variables are stand-ins with a shape and a
dtype only, for finding output shapes. All have the same methods.

Two context variables hold what is ambient: the scope, and the open name scopes, which outlive it:
weights are made outside of every scope, and are still called after the layers that are being built.
"""

import contextvars
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from jkeras.base import keys, naming
from jkeras.base.types import AnyLayer, ArrayLike, Key, Structure


class Cell(Protocol):
    """What a scope needs to know of a variable."""

    path: str
    shape: tuple[int, ...]
    variable_dtype: str

    def show(self) -> ArrayLike:
        """Returns the array that it holds."""

    def set_cell(self, array: ArrayLike) -> None:
        """Makes it hold an array."""


ambient: contextvars.ContextVar["Scope | None"] = contextvars.ContextVar("scope", default=None)
_names: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("names", default=())


class Scope:
    """One call's view of the world: weights, training flag, randomness; and what it produced.

    Args:
        training: The training flag of layers that are not told otherwise; None if not decided.
        paths: Makes the mapping from layers to their paths (called at the first draw), so that
            what a layer draws depends on where it is, not on when it draws.
    """

    # Whether calls of layers are noted by the scope's `record(layer, args, kwargs)`.
    records = False
    record: Callable[[Any, tuple, dict[str, Any]], Any]
    is_abstract = False
    # Whether shapes of symbolic tensors show sizes in place of None, which `sizes(tensor)` gives.
    shows_sizes = False
    sizes: Callable[[Any], tuple[Any, ...]]

    def __init__(
        self, training: bool | None = None, paths: Callable[[], Mapping[Any, str]] | None = None
    ):
        self.training = training
        self.autocast: str | None = None  # float dtype in which weights read inside a layer's call
        self.callers: list[Any] = []  # layers being called, outermost first
        self.added_losses: list[tuple[Any, Any]] = []  # layers, and what they added
        self._paths = paths
        self._path_of: Mapping[Any, str] | None = None
        self._draws: dict[str, int] = {}
        # id -> (array, mask): holding the array keeps its id from being given to another one
        self.masks: dict[int, tuple[Any, Any]] = {}
        # Layers, and the names of their attributes that were set: in the order of setting
        self.set_attributes: dict[tuple[Any, str], None] = {}
        around = ambient.get()
        self.names: tuple[str, ...] = _names.get() if around is None else around.names

    # -------------------------------------------------------------- weights
    def read(self, variable: Any) -> ArrayLike:
        """Returns what `variable` reads as in this scope."""
        raise NotImplementedError

    def write(self, variable: Any, value: ArrayLike) -> None:
        """Makes `variable` read as `value` from now on."""
        raise NotImplementedError

    # -------------------------------------------------------------- randomness
    def key(self) -> jax.Array:
        """Returns the key that draws derive from."""
        raise NotImplementedError

    def key_for_call(self) -> jax.Array | None:
        """Returns a key for a pure call inside that is given none; None if there is none."""
        return None

    def draw_key(self, layer: AnyLayer | None = None) -> jax.Array:
        """Returns a new key, which follows from the scope's key, a layer's path and a count.

        Args:
            layer: The layer that draws; the innermost one being called by default.
        """
        if layer is None and self.callers:
            layer = self.callers[-1]
        key = self.key()
        if self._path_of is None:
            self._path_of = self._paths() if self._paths else {}
        path = self._path_of.get(layer, naming.root(getattr(layer, "_name", "")))
        count = self._draws.get(path, 0)
        self._draws[path] = count + 1
        return jax.random.fold_in(keys.fold_path(key, path), count)

    # -------------------------------------------------------------- attributes of layers
    def end_attributes(self) -> None:
        """Ends what attributes hold of a traced call, once no call is open around this one."""
        if self.set_attributes:
            around = ambient.get()
            if around is None or self.is_abstract:
                for layer, name in self.set_attributes:
                    layer.end_attribute(name)
            else:
                around.set_attributes.update(self.set_attributes)
            self.set_attributes = {}

    # -------------------------------------------------------------- masks
    def set_mask(self, array: ArrayLike, mask: ArrayLike) -> None:
        """Remembers that `mask` belongs to `array`."""
        self.masks[id(array)] = (array, mask)

    def get_mask(self, array: ArrayLike) -> ArrayLike:
        """Returns the mask of `array`, or None."""
        entry = self.masks.get(id(array))
        return entry[1] if entry else _get_lasting_mask(array)

    def keep_masks(self, outputs: Structure) -> None:
        """Makes the masks of arrays last for as long as the arrays live."""
        for array in jax.tree.leaves(outputs):
            mask = self.get_mask(array)
            if mask is not None and not isinstance(array, jax.core.Tracer):
                _set_lasting_mask(array, mask)


class Eager(Scope):
    """Weights are read from, and written to, their own cells."""

    _key: jax.Array | None = None

    def read(self, variable: Any) -> ArrayLike:
        return variable.show()

    def write(self, variable: Any, value: ArrayLike) -> None:
        variable.set_cell(value)

    def key(self) -> jax.Array:
        if self._key is None:
            self._key = (
                keys.next_global_key()
            )  # concrete: it outlives a loop whose body draws first
        return self._key


class Keyed(Eager):
    """An eager scope that gives keys to draws, and to pure calls that are given none."""

    def __init__(self, key: jax.Array):
        super().__init__()
        self._key, self._calls = key, 0

    def key_for_call(self) -> jax.Array | None:
        self._calls += 1
        return jax.random.fold_in(self.key(), self._calls)


class Abstract(Scope):
    """Weights are stand-ins, whose values mean nothing."""

    is_abstract = True

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Any, Any] = {}

    def read(self, variable: Any) -> ArrayLike:
        if variable not in self.values:
            self.values[variable] = jnp.zeros(variable.shape, variable.variable_dtype)
        return self.values[variable]

    def write(self, variable: Any, value: ArrayLike) -> None:
        self.values[variable] = value

    def key(self) -> jax.Array:
        return jax.random.key(0)


class Pure(Scope):
    """Values are given, and no other variable may be read or written.

    What is not given may be in the pure scope around this one: a step's, around a metric's.

    Args:
        values: The array that each variable reads as.
        training: The training flag of layers that are not told otherwise; None if not decided.
        rng: The key that draws derive from, or a function that makes it at the first draw.
        paths: Makes the mapping from layers to their paths.
    """

    def __init__(
        self,
        values: Mapping[Any, Any] | None = None,
        training: bool | None = None,
        rng: Key = None,
        paths: Callable[[], Mapping[Any, str]] | None = None,
    ):
        super().__init__(training, paths)
        self.values = dict(values or {})
        self._rng = rng
        around = current()
        self._around = around if isinstance(around, Pure) else None

    def read(self, variable: Any) -> ArrayLike:
        if variable in self.values:
            return self.values[variable]
        if self._around is None:
            raise ValueError(self._foreign(variable, "read"))
        return self._around.read(variable)

    def write(self, variable: Any, value: ArrayLike) -> None:
        if variable in self.values:
            self.values[variable] = value
        elif self._around is None:
            raise ValueError(self._foreign(variable, "written"))
        else:
            self._around.write(variable, value)

    def _foreign(self, variable: Cell, verb: str) -> str:
        layer = f" in the call of {self.callers[-1]!r}" if self.callers else ""
        return (
            f"The weight {variable.path!r} is {verb}{layer}, but the layer or model that is run "
            "does not own it: its values were not passed, so it would be frozen into the compiled "
            "program as a constant.\nMake the layer that holds it an attribute (`self.dense = "
            "dense`, or an item of a list or dict in one) of the layer or model that uses it; or "
            "pass its value in `others={variable: value}` of jkeras.pure.run."
        )

    def key(self) -> jax.Array:
        if callable(self._rng):
            self._rng = self._rng()
        if self._rng is None:
            caller = f" in {self.callers[-1]!r}" if self.callers else ""
            raise ValueError(
                f"A random number is drawn{caller}, but no key was given.\n"
                "Pass one: model.apply(variables, x, training=True, rng=jax.random.key(0))."
            )
        return self._rng


class Finding(Pure):
    """Notes which variables are read or written that pure calls inside are not given.

    They read as traced stand-ins, since whoever finds them will pass them in.
    """

    def __init__(self) -> None:
        super().__init__(rng=lambda: jax.random.key(0))

    def read(self, variable: Any) -> ArrayLike:
        if variable not in self.values:
            self.values[variable] = jnp.zeros(variable.shape, variable.variable_dtype)
        return self.values[variable]

    def write(self, variable: Any, value: ArrayLike) -> None:
        self.read(variable)


def current() -> Scope | None:
    """Returns the scope of the running call, or None outside of any."""
    return ambient.get()


@contextmanager
def enter(scope: Any) -> Iterator[Any]:
    """Makes `scope` the current one while a block runs."""
    token = ambient.set(scope)
    try:
        yield scope
    finally:
        ambient.reset(token)
        scope.end_attributes()


@contextmanager
def hidden_sizes() -> Iterator[None]:
    """Lets shapes of symbolic tensors have None again while a block runs."""
    here = ambient.get()
    if here is None or not here.shows_sizes:
        yield
        return
    here.shows_sizes = False
    try:
        yield
    finally:
        here.shows_sizes = True


@contextmanager
def outside() -> Iterator[None]:
    """Leaves every scope while a block runs: weights are read from and written to their cells."""
    token = ambient.set(None)
    try:
        yield
    finally:
        ambient.reset(token)


@contextmanager
def default_key(key: jax.Array) -> Iterator[None]:
    """Gives pure calls without a key of their own keys that follow from one, while a block runs."""
    with enter(Keyed(key)):
        yield


def draw_key(layer: AnyLayer | None = None) -> jax.Array:
    """Returns a new key from the running call's key, or from the global seed outside of any."""
    scope = current()
    if scope is not None:
        return scope.draw_key(layer)
    return keys.next_global_key()


# ------------------------------------------------------------------ names of what is being built
@contextmanager
def name_scope(name: str) -> Iterator[None]:
    """Puts `name/` before the paths of weights that are made while the block runs.

    Example:
        >>> import jkeras as keras
        >>> with keras.name_scope("block"):
        ...     keras.Variable(0.0, name="gain").path
        'block/gain'
    """
    if not isinstance(name, str) or "/" in name:
        raise ValueError(f"A name scope is a string without '/', got {name!r}.")
    with root_names((*current_names(), name)):
        yield


@contextmanager
def root_names(names: tuple[str, ...]) -> Iterator[None]:
    """Replaces the name scopes while the block runs."""
    here = ambient.get()
    if here is None:
        token = _names.set(names)
        try:
            yield
        finally:
            _names.reset(token)
    else:
        before, here.names = here.names, names
        try:
            yield
        finally:
            here.names = before


def current_names() -> tuple[str, ...]:
    """Returns the open name scopes, and the layers being called, outermost first."""
    here = ambient.get()
    return _names.get() if here is None else here.names


# ------------------------------------------------------------------ masks between eager calls
# Chains of eager calls (`lstm(embedding(tokens))`) have no scope in common. That arrays take
# attributes is not a promise of JAX's; but they can be watched: an entry goes when its array does.
lasting_masks: dict[int, tuple[weakref.ref, Any]] = {}


def _set_lasting_mask(array: ArrayLike, mask: ArrayLike) -> None:
    """Remembers the mask of a concrete array for as long as the array lives."""
    key = id(array)
    lasting_masks[key] = (weakref.ref(array, lambda _: lasting_masks.pop(key, None)), mask)
    with suppress(AttributeError):  # for who reads it there, as in Keras
        array._keras_mask = mask


def _get_lasting_mask(array: ArrayLike) -> Any:
    entry = lasting_masks.get(id(array))
    return entry[1] if entry is not None and entry[0]() is array else None


def get_mask(array: ArrayLike) -> ArrayLike:
    """Returns the mask that belongs to `array` here, or None."""
    scope = current()
    return scope.get_mask(array) if scope is not None else _get_lasting_mask(array)
