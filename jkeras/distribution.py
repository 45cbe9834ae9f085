"""Devices, meshes of devices, and how arrays lie on them: Keras's names over `jax.sharding`.

Training here runs on one device, or on arrays that you have placed yourself: a distribution that
`fit` would follow cannot be set yet.
"""

import math
import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


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
    """Joins this process with others, by `jax.distributed.initialize`.

    Args:
        job_addresses: The address of the first process, `"host:port"` (of several, the first one).
        num_processes: How many processes there are.
        process_id: The number of this one.
    """
    address = None if job_addresses is None else job_addresses.partition(",")[0]
    jax.distributed.initialize(address, num_processes, process_id)


class DeviceMesh:
    """Devices in a grid with named axes.

    Args:
        shape: The sizes of the axes.
        axis_names: Their names.
        devices: Names as `list_devices` returns them; all devices by default.

    Raises:
        ValueError: If the sizes, names and devices do not fit each other.

    Example:
        >>> import jkeras as keras
        >>> keras.distribution.DeviceMesh((1,), ["batch"], ["cpu:0"]).to_jax().axis_names
        ('batch',)
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None):
        devices = list_devices() if devices is None else list(np.ravel(devices))
        if not shape or not axis_names or len(shape) != len(axis_names):
            raise ValueError(
                "`shape` and `axis_names` should have the same size. "
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        if math.prod(shape) != len(devices):
            raise ValueError(
                "Shape does not match the number of devices. "
                f"Received: shape={shape}; {len(devices)} devices"
            )
        self.shape, self.axis_names = tuple(shape), list(axis_names)
        self.devices = np.array(devices).reshape(self.shape)

    def to_jax(self) -> Mesh:
        """Returns the mesh of `jax.sharding`."""
        known = {f"{d.platform}:{d.id}": d for d in (*jax.devices(), *jax.devices("cpu"))}
        chosen = np.array([known[str(name)] for name in self.devices.flat], dtype=object)
        return Mesh(chosen.reshape(self.shape), tuple(self.axis_names))


class TensorLayout:
    """By which axes of a mesh the axes of an array are split.

    Args:
        axes: For each axis of the array the name of a mesh's axis, or None: not split.
        device_mesh: The mesh.
    """

    def __init__(self, axes: Sequence[str | None], device_mesh: DeviceMesh | None = None):
        unknown = {axis for axis in axes if axis is not None}
        if device_mesh is not None and (unknown := unknown - set(device_mesh.axis_names)):
            raise ValueError(
                f"Invalid axis names for Layout. Valid axis names: {device_mesh.axis_names}, "
                f"Got {sorted(unknown)}"
            )
        self.axes, self.device_mesh = tuple(axes), device_mesh

    def to_jax(self) -> NamedSharding:
        """Returns the sharding of `jax.sharding`.

        Raises:
            ValueError: If there is no mesh.
        """
        if self.device_mesh is None:
            raise ValueError("Cannot create sharding when device mesh is not set for TensorLayout.")
        return NamedSharding(self.device_mesh.to_jax(), PartitionSpec(*self.axes))


class LayoutMap(MutableMapping):
    """Layouts by the paths of variables: a key is a path, or a regular expression that finds it.

    Args:
        device_mesh: The mesh of layouts that are given as tuples of names.

    Example:
        >>> import jkeras as keras
        >>> mesh = keras.distribution.DeviceMesh((1,), ["model"], ["cpu:0"])
        >>> layouts = keras.distribution.LayoutMap(mesh)
        >>> layouts["dense.*kernel"] = (None, "model")
        >>> layouts["dense_1/kernel"].axes
        (None, 'model')
    """

    def __init__(self, device_mesh: DeviceMesh):
        self.device_mesh, self._layouts = device_mesh, dict[str, TensorLayout]()

    def __getitem__(self, key: str) -> Any:
        if key in self._layouts:
            return self._layouts[key]
        found = [pattern for pattern in self._layouts if re.search(pattern, key)]
        if len(found) > 1:
            raise ValueError(
                f"Path '{key}' matches multiple layout specification keys: {found}. Please make "
                "sure each tensor/variable path only matches at most one layout specification key."
            )
        return self._layouts[found[0]] if found else None

    def __setitem__(self, key: str, layout: Any) -> None:
        if key in self._layouts:
            raise ValueError(f"{key} already exist in the LayoutMap. Delete it first.")
        layout = TensorLayout(layout, self.device_mesh) if isinstance(layout, tuple) else layout
        if not isinstance(layout, TensorLayout):
            raise ValueError(f"{layout} should be a TensorLayout type, got {type(layout)}")
        if layout.device_mesh is None:
            layout = TensorLayout(layout.axes, self.device_mesh)
        self._layouts[key] = layout

    def __delitem__(self, key: str) -> None:
        del self._layouts[key]

    def __len__(self) -> int:
        return len(self._layouts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layouts)


def distribute_tensor(tensor: Any, layout: TensorLayout | NamedSharding) -> jax.Array:
    """Returns an array that lies on devices as a layout says; it may be called under `jit`.

    Args:
        tensor: The array.
        layout: The layout.
    """
    sharding = layout.to_jax() if isinstance(layout, TensorLayout) else layout
    if isinstance(tensor, jax.core.Tracer):
        return jax.lax.with_sharding_constraint(tensor, sharding)
    return jax.device_put(tensor, sharding)


def distribution() -> None:
    """Returns the distribution that `fit` follows: None, since none can be set yet."""


def set_distribution(value: Any) -> None:
    """Accepts None.

    Args:
        value: None.

    Raises:
        NotImplementedError: If it is anything else.
    """
    if value is not None:
        raise NotImplementedError(
            "fit does not distribute what it trains yet, so no distribution can be set. Place "
            "arrays yourself with keras.distribution.distribute_tensor, and train them with the "
            "pure functions of keras.training."
        )
