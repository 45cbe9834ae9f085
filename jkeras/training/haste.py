"""What is done for speed only: everything else can be read, and is right, without this file.

Two things that cost little by themselves take long beside an epoch, or a prediction, of a small
net: waking up for each epoch's logs, and looking through a model for its weights.
"""

import time
from collections.abc import Callable, Collection
from operator import is_
from typing import Any

import jax
import numpy as np

from jkeras.core.layer import Layer

# What a layer notes of itself, and what no call looks at.
_RECORDS = frozenset({"_arguments", "_calls", "_build_shapes"})
# Epochs shorter than so many seconds wait for one another's logs, but no more than so many of them.
SHORT_EPOCH = 0.1
MOST_WAITING = 16


class Backlog:
    """Epochs whose logs are still on the device, to be fetched when later ones run already.

    The device never waits for the host then. Those of short epochs are fetched several at a time:
    waking up for each takes a hundredth of a small net's epoch.

    Args:
        finish: Called with what was added, in order, when the device has ended the epoch.
        at_once: Whether somebody wants each epoch's logs before the next epoch starts.

    Example:
        >>> from jkeras.training.haste import Backlog
        >>> ended = []
        >>> backlog = Backlog(lambda epoch, logs: ended.append(epoch), at_once=False)
        >>> backlog.add(0, {})
        >>> backlog.add(1, {})
        >>> ended
        [0]
        >>> backlog.close()
        >>> ended
        [0, 1]
    """

    def __init__(self, finish: Callable[..., None], at_once: bool):
        self._finish, self._at_once = finish, at_once
        self._waiting: list[tuple[int, Any, tuple]] = []
        self._allowed, self._since = 1, time.perf_counter()

    def add(self, epoch: int, logs: Any, *more: Any) -> None:
        """Adds an epoch that was dispatched; finishes some of the earlier ones."""
        self._waiting.append((epoch, logs, more))
        if self._at_once:
            self.close()
            return
        ended = len(self._waiting) - 1
        if ended < self._allowed:
            return
        # One wait for all: the earlier ones are there when the last one is.
        jax.block_until_ready(self._waiting[ended - 1][1])
        self._take(ended)
        before, self._since = self._since, time.perf_counter()
        fitting = int(SHORT_EPOCH * ended / (self._since - before))
        self._allowed = min(max(fitting, 1), MOST_WAITING)

    def close(self) -> None:
        """Finishes all."""
        self._take(len(self._waiting))

    def _take(self, count: int) -> None:
        for _ in range(count):
            epoch, logs, more = self._waiting.pop(0)
            self._finish(epoch, logs, *more)


class Snapshot:
    """What a layer is made of: by identity, so that a look for changes takes microseconds.

    That are the attributes of all layers in it, and what lists and dicts among them hold.

    Args:
        layer: The layer or model.
        besides: Attributes of the layer itself that do not matter.

    Attributes:
        layers: The layers that were found, one for each place that holds one. Programs compiled
            for a model are its programs as long as these are the same.

    Example:
        >>> import jkeras as keras
        >>> from jkeras.training.haste import Snapshot
        >>> model = keras.Sequential([keras.layers.Dense(1), keras.layers.ReLU()])
        >>> model.numbers = [1, 2]
        >>> before = Snapshot(model)
        >>> before.is_current()
        True
        >>> model.numbers.reverse()
        >>> before.is_current(), Snapshot(model).layers == before.layers
        (False, True)
    """

    def __init__(self, layer: Layer, besides: Collection[str] = ()):
        self._layer, self._besides = layer, besides
        self._attributes = self._read_attributes()
        self._holders: list[tuple[Any, bool, tuple]] = []
        self.layers: list[Layer] = []
        seen: set[int] = set()

        def hold(value: Any) -> tuple:
            items = tuple(value.values() if isinstance(value, dict) else value)
            self._holders.append((value, isinstance(value, dict), items))
            return items

        def visit(value: Any) -> None:
            if isinstance(value, Layer):
                self.layers.append(value)
            elif isinstance(value, (dict, list, tuple, set)) and id(value) not in seen:
                seen.add(id(value))
                for item in value if isinstance(value, tuple) else hold(value):
                    visit(item)

        def visit_attributes(part: Layer) -> None:
            for name, value in vars(part).items():
                if name not in _RECORDS and not (part is layer and name in besides):
                    visit(value)

        visit_attributes(layer)
        for part in layer._flatten_layers(include_self=False):
            self.layers.append(part)
            hold(vars(part))
            visit_attributes(part)

    def _read_attributes(self) -> list[Any]:
        return [v for k, v in vars(self._layer).items() if k not in self._besides]

    def is_current(self) -> bool:
        """Says whether everything is still the same object at the same place."""
        now: Any = self._read_attributes()
        if len(now) != len(self._attributes) or not all(map(is_, now, self._attributes)):
            return False
        for holder, is_dict, items in self._holders:
            now = tuple(holder.values()) if is_dict else holder
            if len(now) != len(items) or not all(map(is_, now, items)):
                return False
        return True


class Shortcut:
    """Outputs for one batch like an earlier one, without looking at the model or the data again.

    Looking takes twenty times as long as a small model's outputs for one row.

    Args:
        run: Returns the outputs for a batch.
        is_current: Says whether the model is what it was.
    """

    def __init__(self, run: Callable[[Any], Any], is_current: Callable[[], bool]):
        self._run, self._is_current = run, is_current
        self._known: set[Any] = set()  # shapes and dtypes of rows

    def remember(self, x: Any) -> None:
        """Notes that arrays like `x` fit the model."""
        # 64-bit integers are looked at each time: they may not fit on the device.
        if isinstance(x, (np.ndarray, jax.Array)) and x.dtype not in ("int64", "uint64"):
            self._known.add((x.shape[1:], x.dtype))

    def run(self, x: Any, batch_size: int) -> Any:
        """Returns the outputs; None for anything that was not remembered."""
        if (
            not isinstance(x, (np.ndarray, jax.Array))
            or (x.shape[1:], x.dtype) not in self._known
            or not x.ndim
            or not 0 < x.shape[0] <= batch_size
            or not self._is_current()
        ):
            return None
        outputs = self._run(x)
        if isinstance(outputs, jax.Array):  # a walk through a tree takes a third of all this
            return np.asarray(outputs)
        return jax.tree.map(np.asarray, outputs)
