"""The same script on many devices: Keras's names over `jax.sharding`.

A distribution says how variables and batches are split over a mesh of devices; `set_distribution`
makes everything follow it. Wherever Keras takes a `DeviceMesh` or a `TensorLayout`, a
`jax.sharding.Mesh` or a `PartitionSpec` may be given.
"""

import math
import os
import re
import warnings
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jkeras.base.types import ArrayLike
from jkeras.core import placement, processes
from jkeras.core.placement import Distribution

# Of this many seconds without a sign of life, a process counts as dead.
_HEARTBEAT = 45
# An array of fewer elements is not worth splitting: it would have to be gathered for each step.
_LEAST_SPLIT = 1024


def list_devices(device_type: str | None = None) -> list[str]:
    """Returns the names of the devices, of all processes.

    Args:
        device_type: `"cpu"`, `"gpu"` or `"tpu"`; the default kind of device by default.

    Example:
        >>> import jkeras as keras
        >>> keras.distribution.list_devices("cpu")[0]
        'cpu:0'
    """
    kind = None if device_type is None else device_type.lower()
    return [f"{device.platform}:{device.id}" for device in jax.devices(kind)]


def get_device_count(device_type: str | None = None) -> int:
    """Returns how many devices of a kind there are."""
    return len(list_devices(device_type))


def initialize(
    job_addresses: str | None = None,
    num_processes: int | None = None,
    process_id: int | None = None,
) -> None:
    """Joins this process with the others of a job, by `jax.distributed.initialize`.

    To be called first of all in a script, in each process. What is not given is read from the
    environment (`KERAS_DISTRIBUTION_JOB_ADDRESSES`, `KERAS_DISTRIBUTION_NUM_PROCESSES`,
    `KERAS_DISTRIBUTION_PROCESS_ID`), or found out by JAX: on TPU pods, under SLURM, Open MPI and
    Kubernetes. The processes then have one seed, that of the first one.

    Args:
        job_addresses: The address of the first process, `"host:port"` (of several, the first one).
        num_processes: How many processes there are.
        process_id: The number of this one.

    Raises:
        ValueError: If only a part of that is given, or nothing, and JAX does not find it out.
        RuntimeError: If JAX has computed something already, or the others cannot be reached.
    """
    names = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    found = [os.environ.get(f"KERAS_DISTRIBUTION_{name}") for name in names]
    job_addresses = found[0] if job_addresses is None else job_addresses
    if num_processes is None and found[1] is not None:
        num_processes = int(found[1])
    if process_id is None and found[2] is not None:
        process_id = int(found[2])
    address = None if job_addresses is None else job_addresses.partition(",")[0]
    if address is not None and (num_processes is None or process_id is None):
        raise ValueError(
            "With `job_addresses`, `num_processes` and `process_id` are needed, too (as arguments "
            "or in the environment, as KERAS_DISTRIBUTION_NUM_PROCESSES and _PROCESS_ID). "
            f"Received: job_addresses={job_addresses!r}, num_processes={num_processes}, "
            f"process_id={process_id}"
        )
    # That is how processes on CPUs talk to each other; it concerns no other device.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            address,
            num_processes,
            process_id,
            heartbeat_timeout_seconds=_HEARTBEAT,
            shutdown_timeout_seconds=_HEARTBEAT,
        )
    except ValueError as error:
        if address is not None:
            raise
        raise ValueError(
            "`initialize` was not told where the processes are, and JAX did not find out: this is "
            "not a TPU pod, nor was it started by `srun`, `mpirun` or Kubernetes (which needs "
            '`pip install "jax[k8s]"`). Give `job_addresses="host:port"` of the first process, '
            "`num_processes` and `process_id`, or set KERAS_DISTRIBUTION_JOB_ADDRESSES, "
            f"_NUM_PROCESSES and _PROCESS_ID. (JAX says: {error})"
        ) from error
    if jax.process_count() > 1:
        processes.share_seed()


def _check_distinct(what: str, names: Sequence[Any]) -> None:
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise ValueError(f"The {what} must differ. Received: {list(names)} ({twice!r} twice)")


class DeviceMesh:
    """Devices in a grid with named axes.

    Args:
        shape: The sizes of the axes.
        axis_names: Their names.
        devices: Names as `list_devices` returns them, or devices of JAX; all devices by default.

    Raises:
        ValueError: If the sizes, names and devices do not fit each other.

    Example:
        >>> import jkeras as keras
        >>> keras.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"]).to_jax().axis_names
        ('batch',)
    """

    def __init__(
        self, shape: Sequence[int], axis_names: Sequence[str], devices: Sequence[Any] | None = None
    ):
        devices = list_devices() if devices is None else _names_of(devices)
        if not shape or not axis_names or len(shape) != len(axis_names):
            raise ValueError(
                "`shape` and `axis_names` should have the same size. "
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        _check_distinct("devices of a mesh", devices)
        _check_distinct("names of a mesh's axes", axis_names)
        if not devices:
            raise ValueError("A mesh needs at least one device. Received: devices=[]")
        if math.prod(shape) != len(devices):
            raise ValueError(
                "Shape does not match the number of devices. "
                f"Received: shape={shape}; {len(devices)} devices"
            )
        self.shape, self.axis_names = tuple(shape), list(axis_names)
        self.devices = np.array(devices).reshape(self.shape)

    def __repr__(self) -> str:
        return f"<DeviceMesh shape={self.shape}, axis_names={self.axis_names}>"

    @property
    def backend_mesh(self) -> Mesh:
        """The mesh of `jax.sharding`."""
        return self.to_jax()

    def to_jax(self) -> Mesh:
        """Returns the mesh of `jax.sharding`."""
        known = {f"{d.platform}:{d.id}": d for d in (*jax.devices("cpu"), *jax.devices())}
        chosen = np.empty(self.devices.size, dtype=object)
        for place, name in enumerate(self.devices.flat):
            if str(name) not in known:
                raise ValueError(f"There is no device {str(name)!r}. There are: {sorted(known)}.")
            chosen[place] = known[str(name)]
        return Mesh(chosen.reshape(self.shape), tuple(self.axis_names))


class TensorLayout:
    """By which axes of a mesh the axes of an array are split.

    Args:
        axes: For each axis of the array the name of a mesh's axis, or None: not split.
        device_mesh: The mesh.

    Raises:
        ValueError: If the mesh has no such axis.
    """

    def __init__(self, axes: Sequence[Any], device_mesh: Any = None):
        unknown = {axis for entry in axes for axis in placement.axes_of(entry)}
        if device_mesh is not None and (unknown := unknown - set(device_mesh.axis_names)):
            raise ValueError(
                f"Invalid axis names for Layout. Valid axis names: {device_mesh.axis_names}, "
                f"Got {sorted(unknown)}"
            )
        _check_distinct("axes of a layout", [axis for e in axes for axis in placement.axes_of(e)])
        self.axes, self.device_mesh = tuple(axes), device_mesh

    def __repr__(self) -> str:
        return f"<TensorLayout axes={self.axes}, device_mesh={self.device_mesh}>"

    @property
    def backend_layout(self) -> NamedSharding:
        """The sharding of `jax.sharding`."""
        return self.to_jax()

    def to_jax(self) -> NamedSharding:
        """Returns the sharding of `jax.sharding`.

        Raises:
            ValueError: If there is no mesh.
        """
        if self.device_mesh is None:
            raise ValueError("Cannot create sharding when device mesh is not set for TensorLayout.")
        return NamedSharding(placement.as_mesh(self.device_mesh), PartitionSpec(*self.axes))


class LayoutMap(MutableMapping):
    """Layouts by the paths of variables: a key is a path, or a regular expression that matches it.

    The expression must match all of the path (`re.fullmatch`), and only one may. A variable's path
    begins with its model's name (`"sequential_3/dense_7/kernel"`), and what has no name of its own
    is counted in the process; so a path is also looked up as the model has it, where names count
    up in the model and its own is left out (`"dense_1/kernel"`).

    Args:
        device_mesh: The mesh of layouts that are given as tuples of names: a `DeviceMesh` or a
            `jax.sharding.Mesh`.

    Example:
        >>> import jkeras as keras
        >>> mesh = keras.distribution.DeviceMesh((1,), ["model"], ["cpu:0"])
        >>> layouts = keras.distribution.LayoutMap(mesh)
        >>> layouts[".*dense.*kernel"] = (None, "model")
        >>> layouts["sequential/dense_1/kernel"].axes
        (None, 'model')
    """

    def __init__(self, device_mesh: Any = None):
        self.device_mesh, self._layouts = device_mesh, dict[str, TensorLayout]()

    def match(self, path: str) -> str | None:
        """Returns the key for a path; None if no key matches.

        Raises:
            ValueError: If several keys match it.
        """
        if path in self._layouts:
            return path
        found = [pattern for pattern in self._layouts if re.fullmatch(pattern, path)]
        if len(found) > 1:
            raise ValueError(
                f"Path '{path}' matches multiple layout specification keys: {found}. Please make "
                "sure each tensor/variable path only matches at most one layout specification key "
                "in the LayoutMap."
            )
        return found[0] if found else None

    def __getitem__(self, key: str) -> Any:
        found = self.match(key)
        return None if found is None else self._layouts[found]

    def __setitem__(self, key: str, layout: Any) -> None:
        if key in self._layouts:
            raise ValueError(
                f"{key} already exist in the LayoutMap with value {self._layouts[key]}. Please "
                "make sure to not use duplicated keys."
            )
        try:
            re.compile(key)
        except re.error as error:
            raise ValueError(
                f"The key {key!r} is not a regular expression ({error}). In one, `.*` stands for "
                "any text: '.*kernel' matches each path that ends with 'kernel'."
            ) from None
        if isinstance(layout, (tuple, PartitionSpec, NamedSharding)):
            layout = TensorLayout(tuple(placement.as_spec(layout)), self.device_mesh)
        if not isinstance(layout, TensorLayout):
            raise ValueError(
                f"{layout} should be a TensorLayout type, a PartitionSpec or a tuple, got "
                f"{type(layout)} for the key {key!r}"
            )
        if layout.device_mesh is None:
            layout = TensorLayout(layout.axes, self.device_mesh)
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)


def distribute_tensor(tensor: ArrayLike, layout: Any) -> jax.Array:
    """Returns an array that lies on devices as a layout says; it may be called under `jit`.

    Args:
        tensor: The array.
        layout: A `TensorLayout`, a sharding of JAX, or a `PartitionSpec` or tuple for the mesh of
            the current distribution.

    Raises:
        ValueError: If there is no mesh.
    """
    sharding = _as_sharding(layout)
    if isinstance(tensor, jax.core.Tracer):
        return jax.lax.with_sharding_constraint(tensor, sharding)
    where = placement.current()
    if where is not None and isinstance(sharding, NamedSharding):
        return where.put(tensor, sharding)
    return jax.device_put(tensor, sharding)


def _as_sharding(layout: Any) -> Any:
    if isinstance(layout, TensorLayout) and layout.device_mesh is not None:
        return layout.to_jax()
    if isinstance(layout, (PartitionSpec, tuple, TensorLayout)):
        where = placement.current()
        if where is None:
            raise ValueError(
                f"There is no mesh for {layout!r}: set a distribution, or give a TensorLayout with "
                "a mesh or a sharding of JAX."
            )
        return NamedSharding(where.mesh, placement.as_spec(layout))
    return layout


def _names_of(devices: Any) -> list[str]:
    return [
        f"{d.platform}:{d.id}" if isinstance(d, jax.Device) else str(d)
        for d in np.ravel(np.array(devices, dtype=object))
    ]


# ------------------------------------------------------------------ distributions
def _mesh_of(device_mesh: Any, devices: Any) -> Any:
    """Returns the mesh of a distribution's arguments: that, or one of a single axis."""
    if device_mesh is None:
        devices = list_devices() if devices is None else _names_of(devices)
        return DeviceMesh((len(devices),), ["batch"], devices)
    if devices is not None:
        raise ValueError("Give `device_mesh` or `devices`, and not both.")
    if not isinstance(device_mesh, (DeviceMesh, Mesh)):
        raise ValueError(
            "Expect `mesh` to be an instance of `DeviceMesh` or `jax.sharding.Mesh`. Received: "
            f"mesh={device_mesh} (of type {type(device_mesh)})"
        )
    return device_mesh


class _Keras(Distribution):
    """What Keras's distributions say of layouts."""

    def get_data_layout(self, data_shape: Sequence[Any]) -> TensorLayout:
        """Returns how a batch of a shape is split."""
        rest = [None] * (len(data_shape) - 1)
        return TensorLayout([self.batch_dim_name, *rest], self.device_mesh)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """Returns how a variable is split."""
        spec = tuple(self.sharding_of(variable).spec)
        return TensorLayout([*spec, *[None] * (variable.ndim - len(spec))], self.device_mesh)

    def distribute_dataset(self, dataset: Any) -> Any:
        """Returns the dataset: `fit` takes each process's rows itself; see `auto_shard_dataset`."""
        return dataset

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """Returns the layout of a path; None: as XLA finds it."""
        found = self.rule(path)
        return None if found is None else TensorLayout(tuple(placement.as_spec(found[1])))


class DataParallel(_Keras):
    """Each device has all variables, and takes its part of each batch.

    Args:
        device_mesh: A mesh of one axis: a `DeviceMesh` or a `jax.sharding.Mesh`. Of several axes,
            the first one splits batches.
        devices: In place of a mesh: the devices, all of them by default.
        auto_shard_dataset: In several processes, whether a stream (a `PyDataset`, a generator, a
            loader) gives the same whole batches in each, of which it takes its rows. False: each
            process's stream gives its part of each batch.

    Raises:
        ValueError: If both or something else is given.

    Example:
        >>> import numpy as np, jkeras as keras
        >>> with keras.distribution.DataParallel(devices=["cpu:0"]).scope():
        ...     model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     history = model.fit(np.ones((8, 2)), np.ones(8), verbose=0)
        >>> model.layers[0].kernel.value.sharding.mesh.axis_names
        ('batch',)
    """

    def __init__(
        self,
        device_mesh: Any = None,
        devices: Sequence[Any] | None = None,
        auto_shard_dataset: bool = True,
    ):
        mesh = _mesh_of(device_mesh, devices)
        if len(mesh.axis_names) > 1:
            warnings.warn(
                "Expect the input mesh to be 1D, but received a mesh with axes "
                f"{tuple(mesh.axis_names)}. The first axis will be used for data-parallel "
                "sharding.",
                stacklevel=2,
            )
        super().__init__(mesh, None, auto_shard_dataset)


class _Splits(_Keras):
    """A distribution that splits what no rule concerns along one axis of it."""

    rest_axes: tuple[str, ...] = ()
    least = _LEAST_SPLIT

    def spec_of_rest(self, shape: Sequence[int]) -> PartitionSpec:
        """Splits the longest axis that divides, of what is not small."""
        parts = self._size(self.rest_axes)
        dividing = [i for i, size in enumerate(shape) if size % parts == 0]
        if not self.rest_axes or math.prod(shape) < self.least or not dividing:
            return PartitionSpec()
        longest = max(dividing, key=lambda i: shape[i])
        return PartitionSpec(*[None] * longest, self.rest_axes)


class FullyShardedDataParallel(_Splits):
    """Each device has a part of each variable, and takes its part of each batch.

    A weight is gathered where it is used, and its gradient goes to those who keep its parts: a
    device holds a fraction of the weights and of the optimizer's state.

    Args:
        device_mesh: A `DeviceMesh` or a `jax.sharding.Mesh`; one axis of all devices by default.
        axis: The axis (or axes) of the mesh by which variables and batches are split: all by
            default.
        min_size: A variable of fewer elements is kept whole on each device.
        auto_shard_dataset: See `DataParallel`.

    Raises:
        ValueError: If the mesh has no such axis.

    Example:
        >>> import jkeras as keras
        >>> mesh = keras.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"])
        >>> parallel = keras.distribution.FullyShardedDataParallel(mesh)
        >>> with parallel.scope():
        ...     layer = keras.layers.Dense(64)
        ...     layer.build((None, 32))
        >>> parallel.get_variable_layout(layer.kernel).axes
        (None, 'batch')
    """

    def __init__(
        self,
        device_mesh: Any = None,
        axis: Any = None,
        min_size: int = _LEAST_SPLIT,
        auto_shard_dataset: bool = True,
    ):
        mesh = _mesh_of(device_mesh, None)
        super().__init__(mesh, axis or tuple(mesh.axis_names), auto_shard_dataset)
        self.rest_axes, self.least = self.batch_axes, min_size


class ModelParallel(_Splits):
    """Variables are split as rules by their paths say; batches along one axis of the mesh.

    Args:
        layout_map: The rules: a `LayoutMap`, or a dict from patterns to layouts.
        batch_dim_name: The axis of the mesh by which batches are split; the first one by default.
        auto_shard_dataset: See `DataParallel`.
        device_mesh: The mesh, where the rules do not have one.
        rest: How variables are split that no rule concerns: `"replicated"`, not at all; `"fsdp"`,
            as in `FullyShardedDataParallel`, along the batch's axis.
        **kwargs: Any other argument is an error.

    Raises:
        ValueError: If there is no mesh, an argument is unknown, or a layout names an axis that the
            mesh does not have.

    Example:
        >>> import jkeras as keras
        >>> mesh = keras.distribution.DeviceMesh((1, 1), ["data", "model"], ["cpu:0"])
        >>> parallel = keras.distribution.ModelParallel(
        ...     layout_map={".*kernel": (None, "model")}, device_mesh=mesh
        ... )
        >>> with parallel.scope():
        ...     layer = keras.layers.Dense(4)
        ...     layer.build((None, 2))
        >>> parallel.get_variable_layout(layer.kernel).axes
        (None, 'model')
    """

    def __init__(
        self,
        *,
        layout_map: Any = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
        device_mesh: Any = None,
        rest: str = "replicated",
        **kwargs: Any,
    ):
        if kwargs:
            raise TypeError(f"ModelParallel has no arguments {sorted(kwargs)}.")
        if layout_map is None:
            raise ValueError("You must specify a layout_map argument.")
        if rest not in ("replicated", "fsdp"):
            raise ValueError(f"`rest` is 'replicated' or 'fsdp'. Received: rest={rest!r}")
        if isinstance(layout_map, Mapping) and not isinstance(layout_map, LayoutMap):
            rules, layout_map = layout_map, LayoutMap(device_mesh)
            layout_map.update(rules)
        if not isinstance(layout_map, LayoutMap):
            raise ValueError(
                f"Argument `layout_map` must be a `LayoutMap` instance. Received: {layout_map}"
            )
        mesh = layout_map.device_mesh if device_mesh is None else device_mesh
        if mesh is None:
            raise ValueError("`layout_map` has no mesh: give it one, or give `device_mesh`.")
        super().__init__(_mesh_of(mesh, None), batch_dim_name, auto_shard_dataset)
        self.layout_map = layout_map
        self.rest_axes = self.batch_axes if rest == "fsdp" else ()

    def rule(self, path: str) -> tuple[str, Any] | None:
        """Returns the pattern that matches a variable's path, and its layout; None for none."""
        found = self.layout_map.match(path)
        return None if found is None else (found, self.layout_map[found])


def distribution() -> Distribution | None:
    """Returns the current distribution; None on one device."""
    return placement.current()


def set_distribution(value: Distribution | None) -> None:
    """Makes arrays be placed by a distribution from now on.

    That concerns models that exist, too: their weights are moved when they are used next.

    Args:
        value: The distribution; None for one device.

    Raises:
        ValueError: If it is something else.

    Example:
        >>> import jkeras as keras
        >>> keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
        >>> keras.distribution.distribution()
        <DataParallel device_mesh=<DeviceMesh shape=(1,), axis_names=['batch']>>
        >>> keras.distribution.set_distribution(None)
    """
    if value is not None and not isinstance(value, Distribution):
        hint = ""
        if isinstance(value, (Mesh, DeviceMesh)):
            hint = " A mesh alone does not say how it is used: DataParallel(mesh) does, for one."
        raise ValueError(
            "Expect a distribution, such as DataParallel or ModelParallel. Received: "
            f"{value!r} (of type {type(value)}).{hint}"
        )
    placement.make_current(value)
