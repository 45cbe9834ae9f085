"""Logs for TensorBoard."""

import contextlib
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jkeras.base.numbers import count
from jkeras.callbacks.callback import Callback
from jkeras.callbacks.event_files import EventFile
from jkeras.callbacks.model_graph import conceptual_config, graph_nodes
from jkeras.callbacks.profile import Profile
from jkeras.callbacks.projector import EmbeddingsLog

_MOST_IMAGES = 3  # of one weight, as TensorFlow writes


class TensorBoard(Callback):
    """Writes what TensorBoard shows: `tensorboard --logdir logs`. TensorFlow is not needed.

    There are two runs: `train`, and, if there is validation or evaluation, `validation`. Scalars
    are `epoch_loss` and so on with the epoch for a step; `evaluation_loss_vs_iterations` with the
    optimizer's iterations; `batch_loss` (see `update_freq`) with the number of batches in this fit.

    Args:
        log_dir: The folder to write to; one for each training.
        histogram_freq: After how many epochs to write the distributions of the weights; 0: never.
        write_graph: Whether to write the graph of the model's layers.
        write_images: Whether to write pictures of the weights, when their distributions are
            written: matrices and smaller, and the channels of arrays of rank 3. Black is the
            smallest value of a weight, and white its largest.
        write_steps_per_second: Whether to write how many steps were taken in a second.
        update_freq: `"epoch"`; or after how many batches to write the means over the epoch so far
            (`"batch"`: each). In between, training runs in chunks of many steps.
        profile_batch: The number of a batch, counted from one, or a first and a last one, of which
            JAX's profiler writes a profile (0: none). TensorBoard shows it if the package `xprof`
            is installed.
        embeddings_freq: After how many epochs to write the vectors of Embedding layers for
            TensorBoard's projector; 0: never.
        embeddings_metadata: A file (in `log_dir`) with one line for each row of the Embedding
            layers, or a dict of such files by the layers' names.

    Raises:
        ValueError: If `profile_batch` or `update_freq` is not one of these; in training, if
            `embeddings_metadata` names a layer that is not an Embedding layer of the model.

    Example:
        >>> import os, tempfile, numpy as np, jkeras as keras
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 1))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     board = keras.callbacks.TensorBoard(folder, histogram_freq=1)
        ...     history = model.fit(x, x, validation_data=(x, x), verbose=0, callbacks=[board])
        ...     sorted(os.listdir(folder))
        ['train', 'validation']
    """

    def __init__(
        self,
        log_dir: str | os.PathLike = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | str = "epoch",
        profile_batch: int | str | Sequence[int] = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | Mapping[str, str] | None = None,
    ):
        update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch" and not (isinstance(update_freq, int) and update_freq > 0):
            raise ValueError(
                "`update_freq` is 'epoch', 'batch' or a positive number of batches, got "
                f"{update_freq!r}."
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = count("histogram_freq", histogram_freq, 0)
        self.write_graph = write_graph
        self.write_images, self.write_steps_per_second = write_images, write_steps_per_second
        self.update_freq, self.embeddings_freq = update_freq, embeddings_freq
        self._every = None if update_freq == "epoch" else int(update_freq)
        self.embeddings_metadata = embeddings_metadata
        self._train = EventFile(os.path.join(self.log_dir, "train"))
        self._validation = EventFile(os.path.join(self.log_dir, "validation"))
        self._profile = Profile(profile_batch, self._train.folder)
        self._embeddings: EmbeddingsLog | None = None
        self._before = 0  # the steps of this fit in earlier epochs
        self._done = 0  # the steps of this fit
        self._epoch_start = self._chunk_start = (0.0, 0)  # a time, and the steps done then

    # -------------------------------------------------------------- for another process
    def get_state(self) -> dict[str, Any]:
        files = {"train": self._train.get_state(), "validation": self._validation.get_state()}
        profiled = self._profile.finished
        return {"before": self._before, "done": self._done, "profiled": profiled, **files}

    def set_state(self, state: dict[str, Any]) -> None:
        self._before, self._done = state["before"], state["done"]
        self._epoch_start = (time.perf_counter(), self._iterations())
        self._profile.finished = state["profiled"]
        self._train.set_state(state["train"])
        self._validation.set_state(state["validation"])

    # -------------------------------------------------------------- which batches
    def steps_ahead(self, mode: str, batch: int) -> int | None:
        if mode != "train":
            return None
        done = self._before + batch
        ahead = [self._profile.steps_ahead(done)]
        if self._every is not None:
            ahead.append(self._every - done % self._every)
        return min((n for n in ahead if n is not None), default=None)

    # -------------------------------------------------------------- training
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._before = self._done = 0
        self._close()  # what belongs to an earlier training
        self._profile.begin()
        self._has_graph = False
        self._write_graph()
        if self.embeddings_freq:
            self._embeddings = EmbeddingsLog(self.log_dir, self.model, self.embeddings_metadata)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._before = self._done
        self._epoch_start = (time.perf_counter(), self._iterations())

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._chunk_start = (time.perf_counter(), self._before + batch)
        self._profile.before(self._before + batch + 1)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        last, self._done = self._done, self._before + batch + 1
        self._profile.after(self._done)
        # Chunks of `steps_per_execution` steps may pass over the batch that is due.
        if self._every is None or self._done // self._every == last // self._every:
            return
        for name, value in (logs or {}).items():
            self._train.scalar(f"batch_{name}", value, self._done)
        if self.write_steps_per_second:
            rate = _rate(self._chunk_start, self._done)
            self._train.scalar("batch_steps_per_second", rate, self._done)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        values = dict(logs or {})
        self._write_graph()  # of a model that was not built before
        with contextlib.suppress(AttributeError):  # an optax transformation may have none
            for name, optimizer in self.model.optimizer.rated_optimizers.items():
                values[name] = float(optimizer.learning_rate)
        if self.write_steps_per_second:
            values["steps_per_second"] = _rate(self._epoch_start, self._iterations())
        for name, value in values.items():
            if np.ndim(value) == 0 and not isinstance(value, str):
                run = self._validation if name.startswith("val_") else self._train
                run.scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
        if self._embeddings is not None and epoch % self.embeddings_freq == 0:
            self._embeddings.write(epoch)
        self._flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._profile.end()
        self._close()

    def _close(self) -> None:
        self._train.close()
        self._validation.close()

    # -------------------------------------------------------------- evaluation
    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        step = self._iterations()
        for name, value in (logs or {}).items():
            self._validation.scalar(f"evaluation_{name}_vs_iterations", float(value), step)
        self._validation.flush()

    # -------------------------------------------------------------- what is written
    def _write_graph(self) -> None:
        if not self.write_graph or self._has_graph or not self.model.built:
            return
        self._has_graph = True
        self._train.graph(graph_nodes(self.model))
        try:
            config = conceptual_config(self.model)
        except Exception as error:  # a config may hold anything that a user wrote
            warnings.warn(
                "The conceptual graph of the model is not shown, as its config cannot be written: "
                f"{error}",
                stacklevel=3,
            )
        else:
            if config is not None:
                self._train.keras_graph(config)

    def _write_weights(self, epoch: int) -> None:
        for weight in self.model.weights:
            values = weight.numpy()
            self._train.histogram(f"{weight.path}/histogram", values, epoch)
            images = as_images(values) if self.write_images else []
            if images:
                self._train.images(f"{weight.path}/image", images[:_MOST_IMAGES], epoch)

    def _iterations(self) -> int:
        return int(self.model.optimizer.iterations)

    def _flush(self) -> None:
        self._train.flush()
        self._validation.flush()


def _rate(start: tuple[float, int], steps: int) -> float:
    seconds = time.perf_counter() - start[0]
    return (steps - start[1]) / max(seconds, 1e-9)


def as_images(weight: np.ndarray) -> list[np.ndarray]:
    """Makes images of a weight: uint8 arrays of shape (height, width, channels).

    A vector is a line, a matrix lies on its long side, an array of rank 3 gives an image for each
    entry of its last axis. Others give none, unless the last axis can be read as colors.
    """
    values = np.squeeze(weight.astype("float64"))
    if values.ndim <= 1:
        values = values.reshape(1, 1, -1, 1)
    elif values.ndim == 2:
        values = (values.T if values.shape[0] > values.shape[1] else values)[None, ..., None]
    elif values.ndim == 3:
        values = np.moveaxis(values, -1, 0)[..., None]
    if values.ndim != 4 or values.shape[-1] not in (1, 3, 4) or not np.isfinite(values).all():
        return []
    low, high = values.min(), values.max()
    return list((255 * (values - low) / (high - low or 1.0)).round().astype("uint8"))
