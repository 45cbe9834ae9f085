"""Going on with a training that was interrupted."""

import os
import shutil
from pathlib import Path
from typing import Any

from jkeras.callbacks.callback import Callback
from jkeras.callbacks.every_batches import EveryBatches, check_frequency
from jkeras.utils.files import atomic_path


class BackupAndRestore(Callback):
    """Keeps a backup of the training, from which the same script goes on after it was killed.

    Run the script again: `fit` loads the backup, and goes on with the first epoch that was not
    finished. The backup holds the weights, the optimizer's state, the number of steps taken, the
    random key and the order of the rows. With arrays as data, and `save_freq="epoch"`, the weights
    at the end are, bit for bit, those of a training that was not interrupted.

    What is not kept: the epochs before (they are not in the history of the second run), the states
    of other callbacks (such as the waiting time of `EarlyStopping`), and the position of a
    generator. A backup made within an epoch (`save_freq=n`) has the weights after that batch, but
    the epoch is started again from its first batch, as in Keras.

    Args:
        backup_dir: A folder for this training only; it is made.
        save_freq: `"epoch"`, or a number of batches.
        double_checkpoint: Whether to keep the backup before the last one, too, for the case that
            the last one cannot be read. (A backup is written in full or not at all.)
        delete_checkpoint: Whether to delete the backup at the end of a training.

    Raises:
        ValueError: If `save_freq` is not one of these; in training, if the backup is that of
            another model.

    Example:
        >>> import tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> def fit(model):
        ...     backup = keras.callbacks.BackupAndRestore(f"{folder}/backup")
        ...     return model.fit(
        ...         np.ones((8, 1)), np.ones(8), epochs=4, verbose=0, callbacks=[backup, stop]
        ...     )
        >>> def fail(epoch, logs):
        ...     if epoch == 2:
        ...         raise RuntimeError("power cut")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     stop = keras.callbacks.LambdaCallback(on_epoch_begin=fail)
        ...     try:
        ...         fit(model)
        ...     except RuntimeError:
        ...         stop = keras.callbacks.LambdaCallback()
        ...         print(fit(model).epoch)
        [2, 3]
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike,
        save_freq: int | str = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ):
        if not os.fspath(backup_dir):
            raise ValueError("Empty `backup_dir` argument passed")
        check_frequency(save_freq)
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._every = None if save_freq == "epoch" else EveryBatches(int(save_freq))
        self._epoch = 0
        self._latest = Path(self.backup_dir, "latest.msgpack")
        self._previous = Path(self.backup_dir, "previous.msgpack")

    def steps_ahead(self, mode: str, batch: int) -> int | None:
        return self._every.left if self._every is not None and mode == "train" else None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        state = self._read()
        if state is not None:
            self.model.set_training_state(state)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is not None and self._every.note(batch):
            self._write(self._epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._every is None:
            self._write(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint:
            shutil.rmtree(self.backup_dir, ignore_errors=True)

    def _write(self, epoch: int) -> None:
        from flax import serialization

        data = serialization.msgpack_serialize(self.model.get_training_state(epoch))
        self._latest.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self._latest) as part:
            part.write_bytes(data)
            if self.double_checkpoint and self._latest.exists():
                os.replace(self._latest, self._previous)

    def _read(self) -> dict[str, Any] | None:
        """Returns the last state that can be read; None if there is none.

        Raises:
            ValueError: If there are files, but none can be read.
        """
        from flax import serialization

        problem: Exception | None = None
        for path in (self._latest, self._previous):
            if path.exists():
                try:
                    state = serialization.msgpack_restore(path.read_bytes())
                    if isinstance(state, dict) and {"epoch", "arrays", "feed"} <= state.keys():
                        return state
                    problem = ValueError(f"{path.name} is not a backup")
                except Exception as error:  # whatever a damaged file leads to
                    problem = error
        if problem is not None:
            raise ValueError(
                f"The backup in {self.backup_dir} cannot be read: {problem}. Delete the folder to "
                "start from the beginning."
            ) from problem
        return None
