"""OrbaxCheckpoint: checkpoints by Orbax, several of them, written in the background."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

import jax

from jkeras.base.extras import missing
from jkeras.callbacks.console import say
from jkeras.callbacks.every_batches import EveryBatches, check_frequency
from jkeras.callbacks.monitor import MonitorCallback
from jkeras.core import placement

# What optimizers are called in checkpoints: their own names count up in a process.
_OPTIMIZER = "optimizer"


class OrbaxCheckpoint(MonitorCallback):
    """Saves the model's state with Orbax after epochs or after every n-th batch.

    A checkpoint holds what `model.get_state_tree()` returns; `restore` brings it back. Under a
    distribution each process writes its parts of the arrays, and reads those that it needs: on
    another mesh, or another number of devices, too.

    Args:
        directory: The folder of the checkpoints; each is in a folder named by its number.
        monitor: With `save_best_only`, the name of the value that decides.
        verbose: 1 to say what is saved.
        save_best_only: Whether to save only if the value is better than at the last time.
        mode: `"min"`, `"max"` or `"auto"`: known from the metric.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: With `save_best_only`, a value to be better than.
        max_to_keep: How many checkpoints to keep; None for all.
        save_on_background: Whether training goes on while a checkpoint is written.
        save_weights_only: Whether to leave out the states of the optimizer and of metrics.

    Raises:
        ImportError: If Orbax is not installed.
        ValueError: If `save_freq` or `mode` is unknown, or the folder's name has a bracket.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> save = keras.callbacks.OrbaxCheckpoint(tempfile.mkdtemp(), max_to_keep=2)
        >>> history = model.fit(np.ones((4, 1)), np.ones(4), epochs=3, verbose=0, callbacks=[save])
        >>> save.steps
        [1, 2]
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: int | str = "epoch",
        initial_value_threshold: float | None = None,
        max_to_keep: int | None = 1,
        save_on_background: bool = True,
        save_weights_only: bool = False,
    ):
        super().__init__(monitor, mode)
        try:
            import orbax.checkpoint as orbax
        except ImportError as error:
            need = "OrbaxCheckpoint needs Orbax"
            raise missing(need, "orbax-checkpoint", "orbax") from error
        check_frequency(save_freq)
        self.directory, self.verbose = os.path.abspath(os.fspath(directory)), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq, self.best = save_freq, initial_value_threshold
        self.max_to_keep, self.save_on_background = max_to_keep, save_on_background
        self._every = None if save_freq == "epoch" else EveryBatches(int(save_freq))
        self._batches = 0
        self._begins = False  # whether nothing was written in this training
        self._goes_on = False  # whether it is an interrupted one
        if "[" in self.directory:
            raise ValueError(
                f"Orbax takes the bracket in {self.directory!r} for a pattern, and could not read "
                "the checkpoints that it writes there. Choose a folder without '[' in its path."
            )
        options = orbax.CheckpointManagerOptions(
            max_to_keep=max_to_keep, enable_async_checkpointing=save_on_background, create=True
        )
        # With its handler, a new manager can read what another process has written.
        handler = orbax.StandardCheckpointHandler()
        self._manager = orbax.CheckpointManager(
            self.directory, options=options, item_handlers=handler
        )

    @property
    def steps(self) -> list[int]:
        """The numbers of the checkpoints: of epochs, or of batches, counted from 0."""
        return sorted(self._manager.all_steps())

    def get_state(self) -> dict[str, Any]:
        every = None if self._every is None else self._every.state
        return {"best": self.best, "batches": self._batches, "every": every}

    def set_state(self, state: dict[str, Any]) -> None:
        self.best, self._batches, self._goes_on = state["best"], state["batches"], True
        if self._every is not None and state["every"] is not None:
            self._every.state = state["every"]

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        return self._every.left if self._every is not None and mode == "train" else None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._begins, self._goes_on = True, False
        if self.save_best_only:
            super().on_train_begin(logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is not None and self._every.note(batch):
            self._batches += self._every.count
            self._save(self._batches, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is None:
            self._save(epoch, logs or {})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Waits until all is written."""
        self.wait_until_finished()

    def _save(self, step: int, logs: dict[str, Any]) -> None:
        import orbax.checkpoint as orbax

        value = logs.get(self.monitor)
        if self.save_best_only and value is not None:
            if not self.is_improvement(value, self.best):
                return
            self.best = value
        whole = placement.current() is None
        tree = self.model.get_state_tree("numpy_array" if whole else "backend_tensor")
        tree = placement.on_mesh(tree)
        if self.save_weights_only:
            tree = {k: v for k, v in tree.items() if k.endswith("trainable_variables")}
        tree = {k: v for k, v in tree.items() if v}
        _rename(tree, self.model.optimizer.name, _OPTIMIZER)
        if self._begins:  # also after an interrupted training: it goes on from its last backup
            self._make_room(step)
        self._begins = False
        self._manager.save(step, args=orbax.args.StandardSave(tree), force=True)
        if self.verbose:
            say(f"\nSaved checkpoint {step} to {self.directory}")

    def _make_room(self, step: int) -> None:
        """Deletes the checkpoints that this training writes anew."""
        self.wait_until_finished()
        old = [number for number in self.steps if number >= step]
        if old and not self._goes_on:
            warnings.warn(
                f"The checkpoints {old} of an earlier training in {self.directory} are replaced. "
                "Choose another folder to keep both.",
                stacklevel=2,
            )
        for number in old:
            self._manager.delete(number)

    def restore(self, model: Any = None, step: int | None = None) -> None:
        """Sets a model's variables to those of a checkpoint.

        Args:
            model: The model, of the same architecture; the one that was trained by default.
            step: The checkpoint's number; the last one by default.

        Raises:
            FileNotFoundError: If there is no such checkpoint.
        """
        import orbax.checkpoint as orbax

        self.wait_until_finished()
        step = self._manager.latest_step() if step is None else step
        if step is None or step not in self.steps:
            raise FileNotFoundError(f"There is no checkpoint {step} in {self.directory}.")
        model = self.model if model is None else model
        if not model.optimizer.built:  # as in a new process
            model.optimizer.build(model.trainable_variables)
        here = placement.on_mesh(model.get_state_tree())
        _rename(here, model.optimizer.name, _OPTIMIZER)
        specs = _specs(self._manager.item_metadata(step).tree, here)
        tree = self._manager.restore(step, args=orbax.args.StandardRestore(specs))
        _rename(tree, _OPTIMIZER, model.optimizer.name)
        model.set_state_tree(tree)

    def wait_until_finished(self) -> None:
        """Waits until all checkpoints are written."""
        self._manager.wait_until_finished()


def _specs(saved: Any, here: Any) -> Any:
    """Returns what is saved as specs of arrays that lie where those of the model do."""
    if isinstance(saved, Mapping):
        return {
            name: _specs(value, here.get(name) if isinstance(here, Mapping) else None)
            for name, value in saved.items()
        }
    where = placement.current()
    if isinstance(here, jax.Array) and here.shape == tuple(saved.shape):
        sharding: Any = here.sharding
    elif where is not None:
        sharding = where.replicated
    else:
        sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(tuple(saved.shape), saved.dtype, sharding=sharding)


def _rename(tree: dict[str, Any], before: str, after: str) -> None:
    """Renames the optimizer in a tree of a model's state."""
    own = tree.get("optimizer_variables", {})
    if before in own:
        tree["optimizer_variables"] = {after if k == before else k: v for k, v in own.items()}
