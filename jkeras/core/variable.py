"""Variable: a named weight; a cell outside of a pure call, an array inside."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras import initializers
from jkeras.base import keys
from jkeras.base.naming import auto_name
from jkeras.base.tracing import concretely
from jkeras.base.types import ArrayLike, DTypeLike, Identifier
from jkeras.core import placement, policy, scope
from jkeras.core.arithmetic import add_operators

_creation = itertools.count()
_AGGREGATIONS = (None, "none", "mean", "sum", "only_first_replica")


def _formatted(variable: Any, spec: str) -> str:
    return format(variable.value if spec else str(variable), spec)


class Variable:
    """A named weight.

    Outside of a pure call it is a cell that holds an array; inside, it reads as the array that the
    call was given. It takes part in arithmetic and in `jax.numpy` as that array; pass `.value` to
    `jax.lax` functions. As an argument of `jax.jit`, `jax.grad` or `jax.vmap` it is a pytree of one
    leaf.

    `==` and the other comparisons are those of its value with numbers, arrays and variables, as of
    JAX's arrays; hashing goes by object, so that variables can be keys. Whether a variable is in a
    list is asked by `any(v is w for w in variables)`.

    Args:
        initializer: An array; an initializer, its name, or another function of (shape, dtype).
        shape: The shape; needed with an initializer or a function.
        dtype: The dtype; that of the array, or `floatx()`.
        trainable: Whether optimizers may change it.
        autocast: Whether a float weight reads in its layer's compute dtype.
        aggregation: Accepted for Keras's sake.
        synchronization: Accepted for Keras's sake.
        name: The name; `variable`, `variable_1`, ... by default.
        layout: How it is split over the mesh of a distribution, in place of the distribution's own
            rules: a `keras.distribution.TensorLayout`, a `PartitionSpec` or a tuple of axes.

    Raises:
        ValueError: If a function is given without a shape.

    Example:
        >>> import jkeras as keras
        >>> v = keras.Variable([1.0, 2.0], name="gain")
        >>> v.name, v.path, v.shape, v.dtype
        ('gain', 'gain', (2,), 'float32')
        >>> v.assign_add([1.0, 1.0]).tolist()
        [2.0, 3.0]
        >>> (v * 2).tolist(), (v == 3.0).tolist()
        ([4.0, 6.0], [False, True])
    """

    # Eager arithmetic `numpy_array * variable` must come to our __rmul__, not to NumPy's loop.
    __array_priority__ = 1000

    def __init__(
        self,
        initializer: Identifier,
        shape: tuple[int, ...] | None = None,
        dtype: DTypeLike = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
        layout: Any = None,
        **kwargs: Any,
    ):
        if kwargs:
            raise TypeError(f"Variable got unknown arguments: {sorted(kwargs)}.")
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(
                "Argument `name` must be a string and cannot contain character `/`. "
                f"Received: name={name!r}"
            )
        if aggregation not in _AGGREGATIONS:
            raise ValueError(
                f"Invalid value for argument `aggregation`. Expected one of {_AGGREGATIONS}. "
                f"Received: aggregation={aggregation!r}"
            )
        if isinstance(trainable, (str, bytes)):
            raise ValueError(f"`trainable` must be True or False. Received: {trainable!r}")
        if isinstance(initializer, str):
            try:
                initializer = initializers.get(initializer)
            except ValueError as error:
                raise ValueError(f"A variable's `initializer` is not known. {error}") from None
        if initializer is None or isinstance(initializer, bytes):
            raise ValueError(
                "`initializer` must be an array, a number, an initializer or a function of shape "
                f"and dtype. Received: initializer={initializer!r}"
            )
        self.name = name or auto_name("variable")
        self.root_name = name or "variable"  # which does not count what was made before
        self.path = "/".join((*scope.current_names(), self.name))
        self.autocast = autocast
        self.aggregation = aggregation
        self.synchronization = synchronization
        self.overwrite_with_gradient = False
        self.regularizer: Callable | None = None
        self.constraint: Callable | None = None
        self.order = next(_creation)
        self.made_trainable = self._trainable = bool(trainable)
        self.is_weight = True  # seeds are variables, but no weights
        self.of_layer = False  # whether `Layer.add_weight` has made it
        self.layout = layout
        self.path_in_model: str | None = None  # as far as a distribution needs it
        self.placed_like: Variable | None = None  # the one beside which it lies
        self._array: jax.Array | None = None
        self._later: Callable[[], jax.Array] | None = None  # makes the array when it is read first
        self._shown = False  # whether somebody else may hold the array
        self.initializer: Callable | None = None  # what draws it; None if it started from an array
        self._seed: tuple[int, int] | None = None
        if callable(initializer):
            if shape is None:
                raise ValueError(
                    f"The variable {self.path!r} is made by a function: give its `shape`."
                )
            self._shape = tuple(map(int, shape))
            self._dtype = policy.standardize_dtype(dtype)
            self.initializer = initializer
            # A plain function gets no key, so it must not move the draws of what comes after.
            self._seed = keys.draw_seed() if hasattr(initializer, "draw") else None
        else:
            with concretely():
                self._array = _as_array(initializer, dtype)
            self._shape, self._dtype = self._array.shape, self._array.dtype.name
            where = placement.current()
            if where is not None:
                with concretely():
                    self._array = where.put(self._array, where.sharding_of(self))
            if shape is not None and tuple(shape) != self._shape:
                raise ValueError(
                    f"The variable {self.path!r} is given shape={tuple(shape)}, but its value has "
                    f"the shape {self._shape}."
                )

    # -------------------------------------------------------------- the cell
    def cell(self) -> jax.Array:
        """Returns the array outside of pure calls; draws it at the first read."""
        if self._array is None:
            # Weights are concrete even when first read inside somebody's trace.
            with concretely():
                if self._later is not None:
                    self._array, self._later = self._later(), None
                    return self._array
                key = None if self._seed is None else keys.key_from(self._seed)
                where = placement.current()
                self._array = self.initial_value(key) if where is None else where.draw(self, key)
        return self._array

    def set_cell(self, array: ArrayLike) -> None:
        """Makes the cell hold `array`."""
        if isinstance(array, jax.core.Tracer):
            raise ValueError(
                f"The weight {self.path!r} was assigned a traced value, which would not outlive "
                "the traced function.\nInside jit, grad or vmap call the layer purely: "
                "`outputs, effects = model.apply(variables, x, training=True)`; the new values "
                "are in `effects.state`."
            )
        self._array, self._later, self._shown = array, None, False

    def hand_over(self) -> jax.Array:
        """Returns the array to one who will destroy it (donate it to a compiled step).

        What somebody else may hold as well is copied first: nothing of the user's is ever deleted.
        """
        array = self.cell()
        if self._shown:
            self.set_cell(jnp.copy(array))
        return self._array  # type: ignore[return-value]

    def show(self) -> jax.Array:
        """Returns the array to one who may keep it."""
        self._shown = True
        return self.cell()

    @property
    def is_drawn(self) -> bool:
        """Whether the cell holds an array yet."""
        return self._array is not None or self._later is not None

    def initial_value(self, key: jax.Array | None = None) -> jax.Array:
        """Returns a new initial value; random initializers without their own seed use `key`."""
        if self.initializer is None:
            return self.cell()
        if hasattr(self.initializer, "draw"):
            value = self.initializer.draw(self._shape, self._dtype, key)
        else:
            value = self.initializer(self._shape, dtype=self._dtype)
        if value is None or isinstance(value, str):
            raise TypeError(
                f"The initializer of {self.path!r} returned {value!r}, and not an array of shape "
                f"{self._shape}."
            )
        value = jnp.asarray(value, self._dtype)
        if value.shape != self._shape:
            raise ValueError(
                f"The initializer of {self.path!r} made an array of shape {value.shape}, "
                f"but the weight has shape {self._shape}."
            )
        return value

    # -------------------------------------------------------------- reading and writing
    @property
    def value(self) -> jax.Array:
        """The array this weight reads as here: the call's in a pure call, else the cell's.

        Example:
            >>> import jkeras as keras
            >>> keras.Variable([1.0, 2.0]).value.tolist()
            [1.0, 2.0]
        """
        here = scope.current()
        if here is None:
            return self.show()
        array = here.read(self)
        wanted = here.autocast and self.autocast and policy.is_float(self._dtype)
        if wanted and array.dtype != here.autocast:
            array = jnp.asarray(array, here.autocast)
        return array

    def assign(self, value: ArrayLike) -> jax.Array:
        """Sets the value; in a pure call, the new value is among the call's effects.

        Args:
            value: An array of the variable's shape; cast to its dtype.

        Returns:
            The new value.

        Raises:
            ValueError: If the shape differs.

        Example:
            >>> import jkeras as keras
            >>> variable = keras.Variable([1.0, 2.0])
            >>> variable.assign([3.0, 4.0]).tolist()
            [3.0, 4.0]
        """
        self.take(value)
        here = scope.current()
        return self.show() if here is None else here.read(self)

    def take(self, value: ArrayLike, given: bool = False) -> None:
        """Does `assign`, and shows the new value to nobody: it need not be copied later.

        Args:
            value: The array.
            given: Whether nobody else keeps it, so that a NumPy array need not be copied.
        """
        here = scope.current()
        if here is not None and here.records:
            here.write(self, value)
            return
        if isinstance(value, Variable):
            value = value.value
        on_device = isinstance(value, jax.Array)
        array = value if on_device else np.asarray(value)
        if array.shape != self._shape:
            raise ValueError(
                "The shape of the target variable and the shape of the target value in "
                f"`variable.assign(value)` must match. variable.shape={self._shape}, Received: "
                f"value.shape={array.shape}. Target variable: {self.path!r}"
            )
        if here is None:
            # A copy: the caller's array stays his. That of a NumPy array needs no program.
            dtype, where = jnp.dtype(self._dtype), placement.current()
            if on_device:
                copy: Any = jnp.array(array, dtype)
            else:
                copy = np.asarray(array, dtype) if given else np.array(array, dtype)
            if where is not None:
                copy = where.put(copy, where.sharding_of(self))
            self.set_cell(copy if on_device or where is not None else jax.device_put(copy))
        else:
            here.write(self, jnp.asarray(array, self._dtype))

    def assign_add(self, value: ArrayLike) -> jax.Array:
        """Adds `value` to the variable; returns the sum."""
        return self.assign(_uncast(self) + jnp.asarray(value))

    def assign_sub(self, value: ArrayLike) -> jax.Array:
        """Subtracts `value` from the variable; returns the difference."""
        return self.assign(_uncast(self) - jnp.asarray(value))

    def numpy(self) -> np.ndarray:
        """Returns the value as a NumPy array.

        Example:
            >>> import jkeras as keras
            >>> keras.Variable([1.0, 2.0]).numpy()
            array([1., 2.], dtype=float32)
        """
        return placement.gathered(self.value)

    # -------------------------------------------------------------- description
    @property
    def shape(self) -> tuple[int, ...]:
        """The shape."""
        return self._shape

    @property
    def dtype(self) -> str:
        """The name of the dtype in which it reads here."""
        here = scope.current()
        if here is not None and here.autocast and self.autocast and policy.is_float(self._dtype):
            return here.autocast
        return self._dtype

    @property
    def variable_dtype(self) -> str:
        """The name of the dtype in which it is kept."""
        return self._dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self._shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The number of bytes."""
        return math.prod(self._shape) * jnp.dtype(self._dtype).itemsize

    @property
    def trainable(self) -> bool:
        """Whether optimizers may change it.

        Example:
            >>> import jkeras as keras
            >>> keras.Variable([1.0], trainable=False).trainable
            False
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)

    def __repr__(self) -> str:
        described = f"path={self.path}, shape={self._shape}, dtype={self._dtype}"
        return f"<Variable {described}, value={self.cell()}>"

    # -------------------------------------------------------------- an array to others
    def __jax_array__(self) -> jax.Array:
        return self.value

    def __array__(self, dtype: DTypeLike = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(placement.gathered(self.value), dtype)

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return self.value == _plain(other) if isinstance(other, _COMPARABLE) else NotImplemented

    def __ne__(self, other: object) -> Any:
        return self.value != _plain(other) if isinstance(other, _COMPARABLE) else NotImplemented

    def __round__(self, ndigits: int | None = None) -> jax.Array:
        return jnp.round(self.value, ndigits or 0)

    def __getitem__(self, index: Any) -> jax.Array:
        return self.value[index]

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return iter(self.value)

    __format__ = _formatted

    def __float__(self) -> float:
        return float(self.value)

    def __int__(self) -> int:
        return int(self.value)

    def __bool__(self) -> bool:
        return bool(self.value)

    def __index__(self) -> int:
        return self.value.__index__()

    def __getattr__(self, name: str) -> Any:
        # Array methods (`kernel.T`, `kernel.astype`, `kernel.at[...]`); never our own attributes.
        if name.startswith("_") or name not in _ARRAY_ATTRIBUTES:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.value, name)


# Of many variables at once, because an epoch of a small net takes as long as a hundred calls.
def read_cells(variables: Iterable[Variable]) -> list[jax.Array]:
    """Returns `variable.cell()` of each."""
    return [v.cell() if v._array is None else v._array for v in variables]


def write_cells(variables: Iterable[Variable], arrays: Iterable[jax.Array]) -> None:
    """Makes each variable's cell hold an array that nobody else holds."""
    for variable, array in zip(variables, arrays, strict=True):
        variable._array, variable._shown = array, False


def write_cell_later(variable: Variable, make: Callable[[], jax.Array]) -> None:
    """Makes a variable's cell hold what `make` returns, which is called if somebody reads it."""
    variable._array, variable._later, variable._shown = None, make, False


_COMPARABLE = (Variable, jax.Array, np.ndarray, np.generic, int, float, complex, list, tuple)


def _uncast(variable: Variable) -> jax.Array:
    """Returns what a variable reads as here, in the dtype in which it is kept."""
    here = scope.current()
    return variable.cell() if here is None else here.read(variable)


def _plain(value: Any) -> Any:
    if isinstance(value, Variable):
        return value.value
    return np.asarray(value) if isinstance(value, (list, tuple)) else value


_ARRAY_ATTRIBUTES = frozenset(n for n in dir(jax.Array) if not n.startswith("_")) - {*dir(Variable)}


def _as_array(value: Any, dtype: DTypeLike) -> jax.Array:
    if isinstance(value, Variable):
        value = value.value
    if dtype is None:
        kind = np.asarray(value).dtype if not isinstance(value, jax.Array) else value.dtype
        dtype = policy.standardize_dtype(None) if kind == np.float64 else None
    else:
        dtype = policy.standardize_dtype(dtype)
    return jnp.array(value, dtype)


def _lift(function: Callable, _: str) -> Callable:
    def method(*values: Any) -> Any:
        return function(*(v.value if isinstance(v, Variable) else v for v in values))

    return method


add_operators(Variable, _lift)

jax.tree_util.register_pytree_node(
    Variable, lambda variable: ((variable.value,), None), lambda _, children: children[0]
)
