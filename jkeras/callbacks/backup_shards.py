"""The backups of `BackupAndRestore` under a distribution: each process writes its parts of arrays.

A backup is a folder: the arrays, as Orbax writes them; for each process a file of all else; and,
when all of that is there, an empty file that says so.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jkeras.base.extras import missing
from jkeras.callbacks import backup_file
from jkeras.core import placement, processes
from jkeras.core.processes import Said

_NAME, _COMPLETE = "sharded-{:08}", "complete"


def _orbax() -> Any:
    try:
        import orbax.checkpoint as orbax
    except ImportError as error:
        need = "Under a distribution BackupAndRestore writes with Orbax"
        raise missing(need, "orbax-checkpoint", "orbax") from error
    return orbax


def _numbers(folder: Path) -> list[int]:
    """Returns the numbers of the complete backups in a folder, the last one first."""
    found = [re.fullmatch(r"sharded-(\d+)", path.name) for path in folder.glob("sharded-*")]
    numbers = [int(match[1]) for match in found if match]
    return sorted((n for n in numbers if (_path(folder, n) / _COMPLETE).exists()), reverse=True)


def _path(folder: Path, number: int) -> Path:
    return folder / _NAME.format(number)


def latest(folder: Path) -> Path | None:
    """Returns the last complete backup in a folder; None if there is none."""
    numbers = _numbers(folder)
    return _path(folder, numbers[0]) if numbers else None


def written_at(backup: Path) -> float:
    """Returns when a backup was complete."""
    return (backup / _COMPLETE).stat().st_mtime


def write(folder: Path, state: Mapping[str, Any], versions: Mapping[str, str], keep: int) -> None:
    """Writes a backup; to be called in all processes.

    Args:
        folder: The folder of the backups.
        state: What `Fit.read` returns.
        versions: What writes it.
        keep: How many backups are kept.
    """
    orbax, first = _orbax(), processes.writes_files()
    before = _numbers(folder)
    path = _path(folder, before[0] + 1 if before else 0)
    meets = placement.spans_processes()
    if first:
        shutil.rmtree(path, ignore_errors=True)  # what a killed process has left
        path.mkdir(parents=True)
    if meets:
        processes.meet(Said(f"begins the backup {path.name}"))
    spread = {p: a for p, a in state["arrays"].items() if _is_spread(a)}
    rest = {p: np.asarray(a) for p, a in state["arrays"].items() if p not in spread}
    with orbax.StandardCheckpointer() as checkpointer:
        arrays = {str(i): array for i, array in enumerate(spread.values())}
        checkpointer.save((path / "arrays").absolute(), arrays)
        checkpointer.wait_until_finished()
    known = {p: {"shape": list(a.shape), "dtype": a.dtype.name} for p, a in spread.items()}
    packed = backup_file.Packed({**state, "arrays": rest, "spread": known})
    packed.write(path / f"process-{jax.process_index() if meets else 0}.backup", versions)
    if meets:
        processes.meet(Said(f"has written its part of {path.name}"))
    if first:
        (path / _COMPLETE).touch()
        for number in before[keep - 1 :]:
            _remove(_path(folder, number))
    if meets:  # the next one looks at what is there
        processes.meet(Said(f"has written {path.name}"))


def _is_spread(array: Any) -> bool:
    return isinstance(array, jax.Array) and len(array.sharding.device_set) > 1


def _remove(backup: Path) -> None:
    (backup / _COMPLETE).unlink(missing_ok=True)
    shutil.rmtree(backup, ignore_errors=True)


def delete(folder: Path) -> None:
    """Deletes all backups in a folder."""
    if processes.writes_files():
        for path in folder.glob("sharded-*"):
            _remove(path)
    if placement.spans_processes():
        processes.meet(Said("has deleted the backups"))


def read(backup: Path) -> tuple[dict[str, Any], Any]:
    """Returns what wrote a backup, and its state, whose arrays are to be loaded.

    Raises:
        ValueError: If it is damaged, or of another format.
    """
    count = len(list(backup.glob("process-*.backup")))
    own = jax.process_index() if placement.spans_processes() else 0
    header, state = backup_file.read(backup / f"process-{own % max(count, 1)}.backup")
    state["arrays"] = Spread(backup, state["arrays"], state.pop("spread"))
    return header, state


class Spread:
    """Arrays of a backup that are not loaded yet, since it is not known where they are to lie.

    Args:
        backup: The backup.
        rest: Arrays that are there.
        known: Shapes and dtypes of the others by path.
    """

    def __init__(self, backup: Path, rest: Mapping[str, Any], known: Mapping[str, Any]):
        self._backup, self._rest, self._known = backup, rest, known

    def load(self, like: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the arrays by path; each process reads the parts that it needs.

        Args:
            like: Arrays by path, beside which they are to lie.
        """
        where = placement.current()
        alone = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def spec(path: str, known: Mapping[str, Any]) -> jax.ShapeDtypeStruct:
            beside = like.get(path)
            sharding = alone if where is None else where.replicated
            if isinstance(beside, jax.Array) and list(beside.shape) == known["shape"]:
                sharding = beside.sharding
            shape, dtype = tuple(known["shape"]), jax.numpy.dtype(known["dtype"])
            return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

        specs = {str(i): spec(*item) for i, item in enumerate(self._known.items())}
        with _orbax().StandardCheckpointer() as checkpointer:
            found = checkpointer.restore((self._backup / "arrays").absolute(), specs)
        return {**self._rest, **{p: found[str(i)] for i, p in enumerate(self._known)}}
