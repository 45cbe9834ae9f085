"""Where arrays lie: on one device, or split over a mesh of devices. All other files ask this one.

Without a distribution `current()` is None, and arrays lie where JAX puts them.
"""

import functools
import itertools
import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jkeras.base import drawing_parts, host_random
from jkeras.base.keys import as_key, typed
from jkeras.base.types import AnyVariable, ArrayLike, Key, Structure
from jkeras.initializers import Initializer, drawing_of

# Weights of fewer bytes are drawn as on one device and then sent: no program for each shape.
_DRAWN_WHOLE = 2**20

_current: Any = None


def current() -> Any:
    """Returns the distribution that arrays are placed by; None on one device."""
    return _current


def make_current(where: "Distribution | None") -> None:
    """Makes a distribution the one by which arrays are placed from now on; None for one device."""
    global _current
    if where is not None:
        where.connect()
    _current = where


def spans_processes() -> bool:
    """Says whether the current distribution is one over several processes."""
    return _current is not None and _current.spans_processes


def as_mesh(device_mesh: Any) -> Mesh:
    """Returns a mesh of `jax.sharding` whose axes are automatic.

    `jax.make_mesh` makes explicit ones, by which arrays' shardings are a part of their types: code
    that does not say where its results lie is then refused.

    Args:
        device_mesh: A mesh of `jax.sharding`, or what has a method `to_jax` that returns one.
    """
    mesh = device_mesh if isinstance(device_mesh, Mesh) else device_mesh.to_jax()
    automatic = (AxisType.Auto,) * len(mesh.axis_names)
    if mesh.axis_types == automatic:
        return mesh
    return Mesh(mesh.devices, mesh.axis_names, axis_types=automatic)


def as_spec(layout: Any) -> PartitionSpec:
    """Returns the `PartitionSpec` of a layout, a tuple, or a `PartitionSpec`."""
    if isinstance(layout, (PartitionSpec, NamedSharding)):
        return layout.spec if isinstance(layout, NamedSharding) else layout
    return PartitionSpec(*(layout if isinstance(layout, (tuple, list)) else layout.axes))


def axes_of(entry: Any) -> tuple[str, ...]:
    """Returns the axes of a mesh that one entry of a `PartitionSpec` names."""
    if entry is None:
        return ()
    return tuple(entry) if isinstance(entry, (tuple, list)) else (entry,)


class Distribution:
    """A mesh of devices, and how batches and variables are split over it.

    Args:
        device_mesh: The mesh, of `jax.sharding`, or what has a method `to_jax` that returns it.
        batch_dim_name: The axis, or axes, over which batches are split; the first one by default.
        auto_shard_dataset: Whether a stream gives whole batches, of which each process takes its
            rows. If not, each process's stream gives its part of each batch.

    Attributes:
        mesh: The mesh of `jax.sharding`, its axes automatic.
        batch_axes: The axes over which batches are split.
    """

    def __init__(
        self,
        device_mesh: Any,
        batch_dim_name: str | Sequence[str] | None = None,
        auto_shard_dataset: bool = True,
    ):
        self.device_mesh = device_mesh
        self.mesh = as_mesh(device_mesh)
        names = self.mesh.axis_names
        self.batch_dim_name = names[0] if batch_dim_name is None else batch_dim_name
        self.batch_axes = axes_of(self.batch_dim_name)
        if unknown := [axis for axis in self.batch_axes if axis not in names]:
            raise ValueError(
                f"`batch_dim_name` names axes of the mesh, which has {names}. Received: "
                f"batch_dim_name={batch_dim_name!r} ({unknown[0]!r} is not one)"
            )
        self.auto_shard_dataset = auto_shard_dataset
        numbers = sorted({device.process_index for device in self.mesh.devices.flat})
        self.process_numbers, self.spans_processes = numbers, len(numbers) > 1
        self.replicated = NamedSharding(self.mesh, PartitionSpec())
        self._shardings: dict[Any, NamedSharding] = {}
        self._draws: dict[Any, Any] = {}
        self._warned: set[str] = set()
        self._connected = False

    # -------------------------------------------------------------- as in Keras
    @contextmanager
    def scope(self) -> Iterator[Self]:
        """Makes this the current distribution while a block runs."""
        before = current()
        make_current(self)
        try:
            yield self
        finally:
            make_current(before)

    def connect(self) -> None:
        """Connects the devices of all processes, along each axis, before there is much to compute.

        Devices that exchange something for the first time wait for each other for half a minute
        only (Gloo), and the first program that does may be compiled for longer in one process.
        """
        if self._connected or not self.spans_processes:
            return
        from jax.experimental import multihost_utils

        self._connected = True
        names = [name for name, size in self.mesh.shape.items() if size > 1]
        counts = range(1, len(names) + 1)
        groups = [axes for count in counts for axes in itertools.combinations(names, count)]
        multihost_utils.sync_global_devices("connect")
        ones = self.put(np.ones((), np.float32), self.replicated)
        jax.block_until_ready(jax.jit(self._sums, static_argnums=1)(ones, tuple(groups)))

    def _sums(self, ones: jax.Array, groups: tuple[tuple[str, ...], ...]) -> list[jax.Array]:
        """Returns sums over the devices, along each of some groups of axes."""
        return jax.shard_map(
            lambda one: [jax.lax.psum(one, axes) for axes in groups],
            mesh=self.mesh,
            in_specs=PartitionSpec(),
            out_specs=PartitionSpec(),
            check_vma=False,
        )(ones)

    @property
    def num_processes(self) -> int:
        """Over how many processes it goes."""
        return len(self.process_numbers)

    @property
    def num_model_replicas(self) -> int:
        """Into how many parts a batch is split."""
        return self._size(self.batch_axes)

    @property
    def data_shard_id(self) -> int:
        """The number of this process among those of the distribution."""
        return self.process_numbers.index(jax.process_index()) if self.spans_processes else 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"

    # -------------------------------------------------------------- variables
    def rule(self, path: str) -> tuple[str, Any] | None:
        """Returns the pattern that matches a variable's path, and its layout; None for none."""
        return None

    def spec_of_rest(self, shape: Sequence[int]) -> PartitionSpec:
        """Returns how a variable is split that no rule matches."""
        return PartitionSpec()

    def sharding_of(self, variable: AnyVariable) -> NamedSharding:
        """Returns where a variable lies: a slot of an optimizer, where its trained variable does.

        Raises:
            ValueError: If the rule for it names an axis that the mesh does not have, or more axes
                than the variable has.
        """
        of = variable.placed_like
        if of is not None and of.shape == variable.shape:
            return self.sharding_of(of)
        key = (variable.path, variable.path_in_model, variable.shape, variable.layout)
        if key not in self._shardings:
            self._shardings[key] = NamedSharding(self.mesh, self._spec(variable))
        return self._shardings[key]

    def _spec(self, variable: Any) -> PartitionSpec:
        if variable.layout is not None:
            return self._checked(variable, "its own layout", as_spec(variable.layout))
        for path in dict.fromkeys((variable.path, variable.path_in_model)):
            found = None if path is None else self.rule(path)
            if found is not None:
                return self._checked(variable, f"the layout of {found[0]!r}", as_spec(found[1]))
        return self.spec_of_rest(variable.shape) if variable.is_weight else PartitionSpec()

    def _checked(self, variable: Any, rule: str, spec: PartitionSpec) -> PartitionSpec:
        """Returns the entries of a rule that a variable can be split by."""
        known = dict(self.mesh.shape)
        described = f"{rule} is {tuple(spec)}, for the variable {variable.path!r}"
        if unknown := [a for entry in spec for a in axes_of(entry) if a not in known]:
            raise ValueError(f"{described}; the mesh has no axis {unknown[0]!r}, but {known}.")
        if len(spec) > len(variable.shape):
            raise ValueError(f"{described}, which has fewer axes: its shape is {variable.shape}.")
        entries = list(spec)
        for place, entry in enumerate(spec):
            parts = self._size(axes_of(entry))
            if variable.shape[place] % parts:
                entries[place] = None
                if variable.path in self._warned:
                    continue
                self._warned.add(variable.path)
                warnings.warn(
                    f"{described} of the shape {variable.shape}: its axis {place}, of size "
                    f"{variable.shape[place]}, cannot be split into {parts} equal parts over "
                    f"{entry!r}. That axis is not split.",
                    stacklevel=2,
                )
        return PartitionSpec(*entries)

    def draw(self, variable: AnyVariable, key: Key) -> jax.Array:
        """Returns a variable's initial value: of a large one, each device draws its own part."""
        sharding, start = self.sharding_of(variable), variable.initializer
        described = None if variable.nbytes < _DRAWN_WHOLE else _described(start)
        if described is None:
            return self.put(variable.initial_value(key), sharding)
        shape, dtype = variable.shape, variable.variable_dtype
        kind = (*described, shape, dtype, sharding)
        if kind not in self._draws:
            function = functools.partial(_drawn, start, shape, dtype)
            each = drawing_of(start, shape, dtype)
            small = math.prod(shape) <= drawing_parts.MOST
            if each is not None and key is not None and small and host_random.counts_along(key):
                function = functools.partial(self._drawn_in_parts, start, each, shape, sharding)
            self._draws[kind] = jax.jit(function, out_shardings=sharding)
        numbers = None if key is None else np.asarray(jax.random.key_data(key))
        # One after the other: what each needs besides its result would add up.
        return jax.block_until_ready(self._draws[kind](numbers))

    def _drawn_in_parts(
        self, start: Any, each: Any, shape: tuple[int, ...], sharding: NamedSharding, numbers: Any
    ) -> jax.Array:
        """Returns an initial value of which each device draws its part only, piece by piece."""
        key = typed(numbers) if start.seed is None else as_key(start.seed)
        part = sharding.shard_shape(shape)

        def draw(numbers: jax.Array) -> jax.Array:
            first: Any = jnp.uint32(0)
            strides = drawing_parts.strides(shape)
            for entry, size, stride in zip(sharding.spec, part, strides, strict=False):
                if axes := axes_of(entry):
                    first += jax.lax.axis_index(axes).astype(jnp.uint32) * jnp.uint32(size * stride)
            return drawing_parts.draw(each, typed(numbers), shape, part, first)

        # What a device draws follows from its place: nothing is sent.
        run = jax.shard_map(
            draw, mesh=self.mesh, in_specs=PartitionSpec(), out_specs=sharding.spec, check_vma=False
        )
        return run(jax.random.key_data(key))

    def name(self, named: Mapping[str, Any]) -> None:
        """Notes what variables are called in their model, which rules may go by; and places them.

        Args:
            named: The variables by their paths in the model, which do not depend on what else was
                made in the process.
        """
        for path, variable in named.items():
            variable.path_in_model = path
        self.settle(named.values())

    def settle(self, variables: Iterable[Any]) -> list[NamedSharding]:
        """Moves variables to where they belong; those that are not drawn yet will be drawn there.

        Returns:
            Where each of them belongs.
        """
        shardings = []
        for variable in variables:
            sharding = self.sharding_of(variable)
            if variable.is_drawn and not _lies_at(variable.cell(), sharding):
                variable.set_cell(self.put(variable.cell(), sharding))
            shardings.append(sharding)
        return shardings

    # -------------------------------------------------------------- arrays
    def put(self, array: Any, sharding: NamedSharding) -> jax.Array:
        """Returns an array that lies at `sharding`; all processes have the same one."""
        if isinstance(array, jax.Array) and not array.is_fully_addressable:
            return jax.jit(_same, out_shardings=sharding)(array)
        if self.spans_processes:
            whole = np.asarray(array)
            return jax.make_array_from_callback(whole.shape, sharding, lambda part: whole[part])
        return jax.device_put(array, sharding)

    def _size(self, axes: Iterable[str]) -> int:
        return math.prod(self.mesh.shape[axis] for axis in axes)

    def batch_sharding(self, shape: Sequence[int], axis: int = 0) -> NamedSharding:
        """Returns how an array is split along the axis of its rows; whole, if it does not divide.

        Args:
            shape: Its shape.
            axis: The axis of the rows.
        """
        if len(shape) <= axis or shape[axis] % self._size(self.batch_axes):
            return self.replicated
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, self.batch_axes))

    def send(self, batches: Structure, axis: int = 0) -> Structure:
        """Returns arrays of the host split over the devices; all processes have the same ones."""
        return jax.tree.map(lambda a: self.put(a, self.batch_sharding(a.shape, axis)), batches)

    def send_rows(
        self, shape: Sequence[int], axis: int, take: Callable[[Any], np.ndarray]
    ) -> jax.Array:
        """Returns an array that is split along its rows, of which each process makes its own.

        Args:
            shape: The shape of all of it.
            axis: The axis of the rows.
            take: Returns a part of it, given by slices.
        """
        sharding = self.batch_sharding(shape, axis)
        parts: dict[Any, np.ndarray] = {}

        def part(index: Any) -> np.ndarray:
            key = tuple((s.start, s.stop) for s in index)
            if key not in parts:
                parts[key] = take(index)
            return parts[key]

        return jax.make_array_from_callback(tuple(shape), sharding, part)

    def join(self, batches: Structure, axis: int = 0) -> Structure:
        """Returns arrays whose rows are those of all processes, one process after the other."""
        return jax.tree.map(lambda a: self._joined(np.asarray(a), axis), batches)

    def _joined(self, own: np.ndarray, axis: int) -> jax.Array:
        if own.ndim <= axis:
            return self.put(own, self.replicated)
        count, number = self.num_processes, self.data_shard_id
        rows = own.shape[axis]
        shape = (*own.shape[:axis], rows * count, *own.shape[axis + 1 :])
        sharding = self.batch_sharding(shape, axis)
        indices = sharding.addressable_devices_indices_map(shape).values()
        wanted = [index[axis].indices(shape[axis])[:2] for index in indices if index is not None]
        if (
            min(start for start, _ in wanted) >= number * rows
            and max(stop for _, stop in wanted) <= (number + 1) * rows
        ):
            return jax.make_array_from_process_local_data(sharding, own, shape)
        from jax.experimental import multihost_utils  # the devices here need others' rows, too

        parts = multihost_utils.process_allgather(own)
        return self.put(np.concatenate([*parts], axis), sharding)

    # -------------------------------------------------------------- in programs
    def split(self, batch: Structure) -> Structure:
        """Splits the rows of arrays in a program."""
        return jax.tree.map(
            lambda a: jax.lax.with_sharding_constraint(a, self.batch_sharding(a.shape)), batch
        )

    def replicate(self, tree: Structure) -> Structure:
        """Puts all of each array in a program on all devices."""
        return jax.tree.map(lambda a: jax.lax.with_sharding_constraint(a, self.replicated), tree)


def _same(array: jax.Array) -> jax.Array:
    return array


def _drawn(start: Any, shape: tuple[int, ...], dtype: Any, key: Any) -> jax.Array:
    if not hasattr(start, "draw"):
        return jnp.asarray(start(shape, dtype=dtype), dtype)
    return jnp.asarray(start.draw(shape, dtype, None if key is None else typed(key)), dtype)


def _lies_at(array: Any, sharding: NamedSharding) -> bool:
    if not isinstance(array, jax.Array):
        return False
    at = array.sharding
    if at == sharding:
        return True
    # A program is another one for an array that lies there by another mesh, or by none.
    same_mesh = isinstance(at, NamedSharding) and at.mesh == sharding.mesh
    return same_mesh and at.is_equivalent_to(sharding, array.ndim)


def _described(start: Any) -> tuple | None:
    """Returns what tells an initializer that each device can draw a part of; None of others."""
    while isinstance(start, functools.partial) and len(start.args) == 1 and not start.keywords:
        start = start.args[0]
    if not isinstance(start, Initializer) or not isinstance(start.seed, (int, type(None))):
        return None
    if start.of_whole or type(start).__call__ is not Initializer.__call__:
        return None  # a user's own may do anything
    try:
        return type(start), json.dumps(start.get_config(), sort_keys=True)
    except TypeError:
        return None


def gathered(array: ArrayLike) -> np.ndarray:
    """Returns all of an array as one of NumPy; to be called in all processes, if there are several.

    Args:
        array: An array, of which each process may have a part only.
    """
    if isinstance(array, jax.Array) and not (
        array.is_fully_addressable or array.is_fully_replicated
    ):
        sharding: Any = array.sharding
        whole = NamedSharding(sharding.mesh, PartitionSpec())
        array = jax.jit(_same, out_shardings=whole)(array)
    return np.asarray(array)


def move(named: Mapping[str, Any], others: Iterable[Any]) -> None:
    """Moves variables to where the current distribution has them; without one, to one device.

    Args:
        named: The variables of a model by their paths in it.
        others: Other variables.
    """
    if _current is not None:
        _current.name(named)
        _current.settle(others)
        return
    for variable in (*named.values(), *others):
        if variable.is_drawn and len(variable.cell().sharding.device_set) > 1:
            variable.set_cell(jax.device_put(gathered(variable.cell())))


def on_mesh(tree: Structure) -> Structure:
    """Returns arrays that may be computed with together with variables.

    Those that were put on other devices are sent to all of the current distribution's.
    """
    where = current()
    if where is None:
        return tree

    def moved(x: Any) -> Any:
        if not isinstance(x, jax.Array) or isinstance(x, jax.core.Tracer):
            return x
        free = not x.committed and not where.spans_processes
        if free or x.sharding.device_set == where.replicated.device_set:
            return x
        return where.put(x, where.replicated)

    return jax.tree.map(moved, tree)
