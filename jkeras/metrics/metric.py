"""Metric: a description with pure functions of a state, and the same as cells, as in Keras.

Each spelling is made from the other: a class that writes `init`, `update` and `compute` gets
`update_state` and `result` over variables; one that writes `update_state` and `result` gets the
pure functions by running them in a pure scope.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import jax
import jax.numpy as jnp

from jkeras import initializers
from jkeras.base import naming, registry, settings
from jkeras.base.tracing import concretely
from jkeras.base.types import ArrayLike, DTypeLike, Identifier, Shape, Structure
from jkeras.core import policy, scope
from jkeras.core.explain import explaining
from jkeras.core.parts import find
from jkeras.core.variable import Variable

State = dict[str, Any]


class Metric(registry.Configurable):
    """The base of metrics.

    A subclass writes either, as in Keras, `update_state(...)` and `result()` over variables made
    with `add_variable`; or, as pure functions, `init()`, `update(state, ...)` and `compute(state)`.

    Args:
        dtype: The dtype of its variables and result; `floatx()` by default.
        name: The name; made from the class's by default.

    Raises:
        TypeError: When a class is defined that writes neither.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> class Largest(keras.metrics.Metric):
        ...     def __init__(self, name="largest", **kwargs):
        ...         super().__init__(name=name, **kwargs)
        ...         self.largest = self.add_variable(shape=(), initializer="zeros", name="largest")
        ...
        ...     def update_state(self, values):
        ...         self.largest.assign(keras.ops.maximum(self.largest, keras.ops.max(values)))
        ...
        ...     def result(self):
        ...         return self.largest.value
        >>> metric = Largest()
        >>> metric.update_state(np.array([1.0, 3.0]))
        >>> metric.result().item()
        3.0
        >>> state = metric.update(metric.init(), np.array([1.0, 2.0]))
        >>> metric.compute(state).item()
        2.0
    """

    # Made in __new__, so that variables may be read before __init__ is through.
    _cells: dict[str, Variable]  # over a hand-written `init`
    _added: list[Variable]  # by add_variable
    _written: set[str]  # names of cells whose shapes a state has set, not data
    _making_cells: bool

    # The nearest hand-written `init`: what the cells start from. None: there are only variables.
    _pure_init: Callable[..., State] | None = None

    def __init_subclass__(cls, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        parent = next(base for base in cls.__mro__[1:] if issubclass(base, Metric))
        methods = ("init", "update", "compute", "update_state", "result", "reset_state")
        written = {name for name in methods if getattr(cls, name) is not getattr(parent, name)}
        in_cells = bool(written & {"update_state", "result", "reset_state"})
        if "init" in written:
            cls._pure_init = cls.init
        elif in_cells:
            cls.init = Metric.init  # type: ignore[method-assign]
        for pure, with_cells, to_cells, to_pure in _SPELLINGS:
            if pure in written and with_cells not in written:
                setattr(cls, with_cells, to_cells(getattr(cls, pure)))
            elif in_cells and pure not in written:
                setattr(cls, pure, to_pure(getattr(cls, with_cells)))
        if not cls.__name__.startswith("_"):
            for pure, with_cells, *_ in _SPELLINGS:
                if getattr(cls, with_cells) is getattr(Metric, with_cells):
                    raise TypeError(
                        f"The metric {cls.__name__} has neither {with_cells}() nor {pure}(). Write "
                        "update_state(self, y_true, y_pred, sample_weight=None) and result(self)."
                    )

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, *args, **kwargs)
        self._cells, self._added, self._written, self._making_cells = {}, [], set(), False
        return self

    def __init__(self, dtype: DTypeLike = None, name: str | None = None):
        self.name = name or naming.auto_name(naming.to_snake_case(type(self).__name__))
        self._dtype = settings.floatx() if dtype is None else policy.get_policy(dtype).compute_dtype

    @property
    def dtype(self) -> str:
        """The dtype of the variables and the result."""
        return self._dtype

    # -------------------------------------------------------------- pure functions
    def init(self, *args: ArrayLike) -> State:
        """Returns the state before any data, by name.

        Args:
            *args: What `update` is called on, as arrays or `jax.ShapeDtypeStruct`s: needed where
                the shapes of the state follow from those of the data.
        """
        if args:  # makes the variables that update_state makes at its first call
            with scope.enter(scope.Abstract()):
                jax.eval_shape(lambda specs: self.update_state(*specs), args)
        named = self.named_variables()
        state = {name: variable.initial_value() for name, variable in named.items()}
        return self.reset(state) if self.has_own_reset else state

    @property
    def has_own_reset(self) -> bool:
        """Whether the class has a `reset_state` of its own, which may keep values."""
        return type(self).reset_state is not Metric.reset_state

    def reset(self, state: State) -> State:
        """Returns the state with which the next epoch starts: what `reset_state` makes of one.

        Args:
            state: The state at the end of the epoch.
        """
        with self._holding(state) as values:
            self.reset_state()
        return values()

    def update(self, state: State, *args: Any, **kwargs: Any) -> State:
        """Returns the state after more data.

        Args:
            state: The state before.
            *args: The data: `y_true, y_pred` for most metrics.
            **kwargs: For most metrics `sample_weight`, in the shape of the first axes of the data,
                and `mask`: what the mask leaves out does not count.
        """
        raise NotImplementedError

    def compute(self, state: State) -> Structure:
        """Returns the result: an array, or a dict of arrays."""
        raise NotImplementedError

    def merge(self, state: State, other: State) -> State:
        """Returns the state after the data of both states."""
        return jax.tree.map(jnp.add, state, other)

    # -------------------------------------------------------------- cells
    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Updates the variables by more data; takes what `update` takes after the state.

        Example:
            >>> import jkeras as keras
            >>> metric = keras.metrics.Mean()
            >>> metric.update_state([1.0, 2.0])
            >>> metric.update_state([6.0])
            >>> metric.result().item()
            3.0
        """
        raise NotImplementedError(
            f"The metric {type(self).__name__} has no method update_state(). Write one."
        )

    def result(self) -> Structure:
        """Returns the result for all data so far: an array, or a dict of arrays."""
        raise NotImplementedError

    def reset_state(self) -> None:
        """Sets the variables to their initial values.

        Example:
            >>> import jkeras as keras
            >>> metric = keras.metrics.Mean()
            >>> metric.update_state([1.0, 3.0])
            >>> metric.reset_state()
            >>> metric.result().item()
            0.0
        """
        for name in self._written:  # the shapes of these are the last data's
            self._cells.pop(name, None)
        self._written.clear()
        for variable in self.variables:
            variable.assign(variable.initial_value())

    def reset_states(self) -> None:
        """Does `reset_state`: its name in Keras 2."""
        self.reset_state()

    def __call__(self, *args: Any, **kwargs: Any) -> Structure:
        """Updates the variables, and returns the result for all data so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    @property
    def variables(self) -> list[Variable]:
        """The variables, those of metrics in attributes included.

        Example:
            >>> import jkeras as keras
            >>> metric = keras.metrics.Mean()
            >>> metric.update_state([1.0, 3.0])
            >>> [(variable.name, float(variable)) for variable in metric.variables]
            [('total', 4.0), ('count', 2.0)]
        """
        return list(self.named_variables().values())

    def write(self, state: State) -> None:
        """Makes the variables hold the arrays of a state.

        Variables whose shapes follow from those of the data are made, if they are not there yet.
        """
        named = self.named_variables()
        for name, value in state.items():
            if name not in named or named[name].shape != value.shape:
                self._cells[name] = named[name] = self._cell(name, value)
                self._written.add(name)
            named[name].set_cell(value)

    def add_variable(
        self,
        shape: Shape,
        initializer: Identifier = None,
        dtype: DTypeLike = None,
        aggregation: str = "sum",
        name: str | None = None,
    ) -> Variable:
        """Makes a variable.

        Args:
            shape: The shape.
            initializer: A name, an initializer or a function of (shape, dtype); zeros by default.
            dtype: The dtype; the metric's by default.
            aggregation: Accepted for Keras's sake.
            name: The name in the metric.
        """
        here = scope.current()
        if isinstance(here, scope.Pure):
            raise ValueError(
                f"The metric {self.name!r} makes a variable while a compiled step updates it. Make "
                "it in __init__, or call metric.init(y_true, y_pred) before."
            )
        with scope.root_names((self.name,)):
            variable = Variable(
                initializers.get("zeros" if initializer is None else initializer),
                shape=(shape,) if isinstance(shape, int) else shape,
                dtype=dtype or self.dtype,
                trainable=False,
                autocast=False,
                aggregation=aggregation,
                name=name,
            )
        self._added.append(variable)
        return variable

    def add_weight(
        self,
        shape: Shape = (),
        initializer: Identifier = None,
        dtype: DTypeLike = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a variable, as `add_variable` does; the name may come first, as in Keras 2.

        Example:
            >>> import jkeras as keras
            >>> class Count(keras.metrics.Metric):
            ...     def __init__(self, name="count", **kwargs):
            ...         super().__init__(name=name, **kwargs)
            ...         self.seen = self.add_weight(name="seen")
            ...
            ...     def update_state(self, values):
            ...         self.seen.assign_add(keras.ops.size(values))
            ...
            ...     def result(self):
            ...         return self.seen.value
            >>> float(Count()([1.0, 2.0, 3.0]))
            3.0
        """
        if isinstance(shape, str):
            name, shape = shape, ()
        return self.add_variable(shape, initializer, dtype, name=name)

    # -------------------------------------------------------------- lists of values, as in Keras
    def stateless_update_state(
        self, metric_variables: Sequence[ArrayLike], *args: Any, **kwargs: Any
    ) -> list[jax.Array]:
        """Returns the variables' new values; given and returned in the order of `variables`."""
        self._make_cells(*args)
        state = self._state_of(metric_variables)
        new = self.update(state, *args, **kwargs)
        return [new[name] for name in state]

    def stateless_result(self, metric_variables: Sequence[ArrayLike]) -> Structure:
        """Returns the result for these values of `variables`."""
        return self.compute(self._state_of(metric_variables))

    def stateless_reset_state(self) -> list[jax.Array]:
        """Returns the initial values of `variables`."""
        return [variable.initial_value() for variable in self.variables]

    def _state_of(self, values: Any) -> State:
        names = list(self.named_variables())
        if len(values) != len(names):
            raise ValueError(
                "Argument `metric_variables` must be a list of tensors corresponding 1:1 to "
                f"metric.variables: {names}. Received {len(values)}."
            )
        return {name: jnp.asarray(value) for name, value in zip(names, values, strict=True)}

    # -------------------------------------------------------------- between the two
    def _make_cells(self, *args: Any) -> None:
        """Makes a variable of each entry of the state, if `init` is hand-written."""
        if self._cells or self._pure_init is None or self._making_cells:
            return
        self._making_cells = True
        try:
            with concretely():
                start = self._pure_init(*args)
            self._cells |= {name: self._cell(name, value) for name, value in start.items()}
        finally:
            self._making_cells = False

    def _cell(self, name: str, start: jax.Array) -> Variable:
        with scope.root_names((self.name,)):
            return Variable(
                partial(_given, start),
                shape=start.shape,
                dtype=start.dtype,
                trainable=False,
                autocast=False,
                name=name,
            )

    def named_variables(self) -> dict[str, Variable]:
        """Returns all variables by name, those of metrics in attributes under the metric's."""
        self._make_cells()
        named = dict(self._cells)
        attributes = [v for k, v in self.__dict__.items() if k not in _RECORDS]
        for variable in [
            *self._added,
            *find(attributes, lambda value: isinstance(value, Variable)),
        ]:
            if not any(variable is v for v in named.values()):
                named[naming.unique(variable.root_name, named)] = variable
        for metric in find(attributes, lambda v: isinstance(v, Metric)):
            for name, variable in metric.named_variables().items():
                if not any(variable is v for v in named.values()):
                    named[naming.unique(f"{metric.name}/{name}", named)] = variable
        return named

    @contextmanager
    def _holding(self, state: State) -> Iterator[Callable[[], State]]:
        """Runs a block in which the variables read as `state`; gives a reader of the new one."""
        named = self.named_variables()
        if state.keys() != named.keys():
            raise ValueError(
                f"The state of the metric {self.name!r} has {sorted(state)}, but its variables are "
                f"{sorted(named)}. Start from metric.init(y_true, y_pred)."
            )
        values = {named[name]: value for name, value in state.items()}
        here = scope.Pure(values)
        with scope.enter(here):
            yield lambda: {name: here.values[named[name]] for name in state}

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, jax.core.Tracer):
            raise ValueError(
                f"The metric {self.name!r} sets self.{name} to a traced value, which means nothing "
                f"once the traced call has ended.\nKeep it in a variable (`self.{name} = "
                f"self.add_variable(...)` in __init__(), then `self.{name}.assign(value)`)."
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name in ("name", "dtype"):
            raise RuntimeError(
                f"You forgot to call `super().__init__()` in {type(self).__name__}.__init__(). "
                "Call it first there."
            )
        if not name.startswith("_"):
            self._make_cells()
            if name in self._cells:
                return self._cells[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # -------------------------------------------------------------- configuration
    def get_config(self) -> dict[str, Any]:
        """Returns a JSON-able dict from which `from_config` makes an equal metric."""
        arguments = {"name": self.name, "dtype": self.dtype}
        arguments = {**arguments, **registry.constructor_arguments(self), **arguments}
        return {
            k: registry.serialize_keras_object(v)
            for k, v in arguments.items()
            if registry.accepts(type(self).__init__, k)
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"


def _given(start: jax.Array, shape: Shape, dtype: DTypeLike) -> jax.Array:
    return start


_RECORDS = frozenset({"_arguments", "_cells", "_added", "_written"})


# ------------------------------------------------------------------ one spelling from the other
def _assigning(update: Callable[..., State]) -> Callable[..., None]:
    """Makes `update_state` of a pure `update`."""

    def update_state(self: Metric, *args: Any, **kwargs: Any) -> None:
        self._make_cells(*args)
        state = {name: cell.value for name, cell in self._cells.items()}
        explained = explaining(partial(update, self, state), f"The metric {self.name!r}")
        for name, value in explained(*args, **kwargs).items():
            self._cells[name].assign(value)

    update_state.__doc__ = Metric.update_state.__doc__
    return _with_signature_of(update, update_state)


def _reading(compute: Callable[[Any, State], Any]) -> Callable[..., Any]:
    """Makes `result` of a pure `compute`."""

    def result(self: Metric) -> Structure:
        self._make_cells()
        if not self._cells:
            raise ValueError(
                f"The metric {self.name!r} has no result yet: the shape of its variables follows "
                "from that of the data. Call update_state(y_true, y_pred) first."
            )
        return compute(self, {name: cell.value for name, cell in self._cells.items()})

    result.__doc__ = Metric.result.__doc__
    return _with_signature_of(compute, result)


def _with_signature_of(pure: Callable, function: Callable) -> Callable:
    signature = inspect.signature(pure)
    parameters = [p for p in signature.parameters.values() if p.name != "state"]
    function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return function


def _scoped_update(update_state: Callable[..., None]) -> Callable[..., State]:
    """Makes a pure `update` of `update_state`."""

    def update(self: Metric, state: State, *args: Any, **kwargs: Any) -> State:
        state = state or self.init(*args)
        # A mask belongs to the predictions: a built-in `update_state` below finds it there.
        mask = kwargs.pop("mask", None)
        kwargs = {k: v for k, v in kwargs.items() if k != "sample_weight" or v is not None}
        if mask is None and len(args) > 1:
            mask = scope.get_mask(args[1])
        with self._holding(state) as values:
            here = scope.current()
            if mask is not None and len(args) > 1 and here is not None:
                here.set_mask(args[1], mask)
            update_state(self, *args, **kwargs)
            return values()

    update.__doc__ = Metric.update.__doc__
    return update


def _scoped_compute(result: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a pure `compute` of `result`."""

    def compute(self: Metric, state: State) -> Any:
        with self._holding(state):
            return jax.tree.map(jnp.asarray, result(self))

    compute.__doc__ = Metric.compute.__doc__
    return compute


_SPELLINGS = (
    ("update", "update_state", _assigning, _scoped_update),
    ("compute", "result", _reading, _scoped_compute),
)
