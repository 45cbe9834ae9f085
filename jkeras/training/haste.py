"""What is done for speed only: everything else can be read, and is right, without this file.

Two things that cost little by themselves take long beside an epoch, or a prediction, of a small
net: waking up for each epoch's logs, and looking through a model for its weights.
"""

import operator
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from operator import is_
from typing import Any

import jax
import numpy as np

from jkeras.base.types import Structure
from jkeras.core.layer import Layer

# What a layer notes of itself, and what no call looks at.
_RECORDS = frozenset({"_arguments", "_calls", "_build_shapes", "_before_calls"})
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
        parts: The layer and those inside of it, each once.

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
        own = vars(layer)
        names = [name for name in own if name not in besides]
        self._own, self._length, self._read = own, len(own), operator.itemgetter(*names)
        self._attributes = self._read(own)
        self.layers: list[Layer] = []
        self._views: list[Any] = []  # of what holds something: all that may change in place
        seen: set[int] = set()

        def visit(values: Iterable[Any]) -> None:
            for value in values:
                if isinstance(value, Layer):
                    self.layers.append(value)
                elif isinstance(value, (dict, list, tuple, set)) and id(value) not in seen:
                    seen.add(id(value))
                    items = value.values() if isinstance(value, dict) else value
                    if not isinstance(value, tuple):
                        self._views.append(items)
                    visit(items)

        visit([own[name] for name in names if name not in _RECORDS])
        self.parts = layer._flatten_layers()
        for part in self.parts[1:]:
            self.layers.append(part)
            self._views.append(vars(part).values())
            visit([v for name, v in vars(part).items() if name not in _RECORDS])
        self._lengths, self._items = list(map(len, self._views)), list(chain(*self._views))

    def is_current(self) -> bool:
        """Says whether everything is still the same object at the same place."""
        if len(self._own) != self._length:
            return False
        try:
            now = self._read(self._own)
        except KeyError:
            return False
        return (
            all(map(is_, now, self._attributes))
            and list(map(len, self._views)) == self._lengths
            and all(map(is_, chain(*self._views), self._items))
        )


@contextmanager
def looked_at_once(layout: Any) -> Iterator[None]:
    """Looks no more whether a model has changed, while no code of the user's runs.

    Looking takes a fiftieth of a small net's step, and is done by each function that asks for the
    layout. Only a layout with programs is trusted: before that the model may still be built.

    Args:
        layout: What the session has seen the model to be made of.
    """
    layout.trusted = bool(layout.programs)
    try:
        yield
    finally:
        layout.trusted = False


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

    def remember(self, x: Structure) -> None:
        """Notes that arrays like `x` fit the model."""
        # 64-bit integers are looked at each time: they may not fit on the device.
        if isinstance(x, (np.ndarray, jax.Array)) and x.dtype not in ("int64", "uint64"):
            self._known.add((x.shape[1:], x.dtype))

    def run(self, x: Structure, batch_size: int) -> Structure:
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
