"""OrbaxCheckpoint: checkpoints by Orbax, several of them, written in the background."""

import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jkeras.base import registry
from jkeras.base.extras import missing
from jkeras.base.types import AnyModel
from jkeras.callbacks.console import say
from jkeras.callbacks.every_batches import EveryBatches, check_frequency
from jkeras.callbacks.monitor import MonitorCallback
from jkeras.core import placement

# What optimizers are called in checkpoints: their own names count up in a process.
_OPTIMIZER = "optimizer"
_WEIGHTS = ("trainable_variables", "non_trainable_variables")


class OrbaxCheckpoint(MonitorCallback):
    """Saves the model's state with Orbax after epochs or after every n-th batch.

    A checkpoint holds what `model.get_state_tree()` returns, and the model's config. `restore`
    brings the state back; `keras.saving.load_model(directory)` makes the model anew from the last
    checkpoint, and `model.load_weights(directory)` reads its weights. Under a distribution each
    process writes its parts of the arrays, and reads those that it needs: on another mesh, or
    another number of devices, too.

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
        save_weights_only: Whether to leave out the states of the optimizer and of metrics, and
            the config.

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
        handlers = {
            "pytree": orbax.StandardCheckpointHandler(),
            "model_config": orbax.PyTreeCheckpointHandler(),
        }
        self._manager = orbax.CheckpointManager(
            self.directory, options=options, item_handlers=handlers
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
            tree = {k: v for k, v in tree.items() if k in _WEIGHTS}
        tree = {k: v for k, v in tree.items() if v}
        _rename(tree, _OPTIMIZER)
        items = {"pytree": orbax.args.StandardSave(tree)}
        if not self.save_weights_only and (config := _config(self.model)):
            items["model_config"] = orbax.args.PyTreeSave({"config": config})
        if self._begins:  # also after an interrupted training: it goes on from its last backup
            self._make_room(step)
        self._begins = False
        self._manager.save(step, args=orbax.args.Composite(**items), force=True)
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

    def restore(
        self, model: AnyModel | None = None, step: int | None = None, weights_only: bool = False
    ) -> None:
        """Sets a model's variables to those of a checkpoint.

        Args:
            model: The model, of the same architecture; the one that was trained by default.
            step: The checkpoint's number; the last one by default.
            weights_only: Whether to leave the optimizer's state as it is.

        Raises:
            FileNotFoundError: If there is no such checkpoint.
        """
        import orbax.checkpoint as orbax

        self.wait_until_finished()
        step = self._manager.latest_step() if step is None else step
        if step is None or step not in self.steps:
            raise FileNotFoundError(f"There is no checkpoint {step} in {self.directory}.")
        model = self.model if model is None else model
        optimizer = getattr(model, "optimizer", None)
        if optimizer is not None and not optimizer.built:  # as in a new process
            optimizer.build(model.trainable_variables)
        here = placement.on_mesh(model.get_state_tree())
        _rename(here, _OPTIMIZER)
        specs = _specs(self._manager.item_metadata(step)["pytree"].tree, here)
        wanted = orbax.args.Composite(pytree=orbax.args.StandardRestore(specs))
        tree = dict(self._manager.restore(step, args=wanted)["pytree"])
        if weights_only or optimizer is None:
            tree = {k: v for k, v in tree.items() if k in _WEIGHTS}
        else:
            _rename(tree, optimizer.name)
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


def _rename(tree: dict[str, Any], name: str) -> None:
    """Gives the optimizer in a tree of a model's state this name, if there is one alone."""
    own = tree.get("optimizer_variables", {})
    if len(own) == 1:
        tree["optimizer_variables"] = {name: next(iter(own.values()))}


def _config(model: AnyModel) -> str | None:
    """Returns the model's config as JSON; None with a warning if it has none."""
    try:
        return json.dumps(registry.serialize_keras_object(model))
    except (TypeError, ValueError, NotImplementedError) as error:
        warnings.warn(
            f"The checkpoints hold no config of the model, so that load_model() cannot make it "
            f"anew: {error}",
            stacklevel=2,
        )
        return None


# ------------------------------------------------------------------ folders as files
def is_checkpoint(path: Path) -> bool:
    """Says whether a folder is a checkpoint, or one of checkpoints."""
    return path.is_dir() and (_is_step(path) or any(map(_is_step, path.iterdir())))


def _is_step(path: Path) -> bool:
    return path.name.isdigit() and (path / "pytree").is_dir()


def _opened(path: Path) -> tuple[OrbaxCheckpoint, int]:
    """Returns the checkpoints of a folder, and the number of the one that is meant."""
    step = int(path.name) if _is_step(path) else None
    checkpoints = OrbaxCheckpoint(path if step is None else path.parent, save_on_background=False)
    return checkpoints, checkpoints.steps[-1] if step is None else step


def load_weights(model: AnyModel, path: Path) -> None:
    """Reads a model's weights from a checkpoint, or from the last one of a folder."""
    checkpoints, step = _opened(path)
    checkpoints.restore(model, step, weights_only=True)


def load_model(path: Path, compile: bool) -> AnyModel:
    """Makes a model of a checkpoint, or of the last one of a folder.

    Raises:
        ValueError: If it holds weights only.
    """
    import orbax.checkpoint as orbax

    checkpoints, step = _opened(path)
    if not (Path(checkpoints.directory) / str(step) / "model_config").is_dir():
        raise ValueError(
            f"The checkpoint {step} in {checkpoints.directory!r} holds weights, and no config of a "
            "model. Build the model, and call its load_weights()."
        )
    wanted = orbax.args.Composite(model_config=orbax.args.PyTreeRestore())
    config = json.loads(checkpoints._manager.restore(step, args=wanted)["model_config"]["config"])
    if not compile:
        config.pop("compile_config", None)
    model = registry.deserialize_keras_object(config)
    checkpoints.restore(model, step)
    return model
