"""What users pass as data, made into batches of arrays: NumPy, JAX, pandas, lists, dicts."""

import itertools
import logging
import math
import numbers
import time
import types
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jkeras import losses
from jkeras.base import settings
from jkeras.base.types import ArrayLike, Data, Structure
from jkeras.core import policy
from jkeras.training.budget import data_bytes, fits_on_device
from jkeras.training.feeds import ArrayFeed, Feed, HostFeed, SliceFeed, StreamFeed
from jkeras.training.objective import (
    CompiledObjective,
    flatten_outputs,
    leaf_names,
    per_output,
)
from jkeras.training.prefetch import prefetched
from jkeras.training.state import Batch

_log = logging.getLogger("jkeras")


def is_array(value: Any) -> bool:
    """Says whether `value` is an array, becomes one (pandas, torch), or is read like one (HDF5)."""
    array_like = hasattr(value, "shape") and hasattr(value, "dtype")
    return (array_like and value.shape != ()) or hasattr(value, "to_numpy")


def is_stream(value: Any) -> bool:
    """Says whether `value` gives batches, and is not itself an array or a structure of arrays."""
    if value is None or isinstance(value, (list, tuple, Mapping, str, bytes, np.generic, type)):
        return False
    if is_array(value) or getattr(value, "shape", None) == ():
        return False
    return hasattr(value, "__iter__") or hasattr(value, "__next__") or hasattr(value, "__getitem__")


def as_array(value: ArrayLike, argument: str) -> ArrayLike:
    """Makes an array of what a user passes as one.

    Raises:
        TypeError: If it cannot be one.
        ValueError: If it is a single number.
    """
    if isinstance(value, (jax.Array, np.ndarray)):
        array: Any = value
    elif isinstance(value, type):
        raise TypeError(_unrecognized(value, argument))
    elif hasattr(value, "to_numpy"):  # pandas
        array = _from_frame(value, argument)
    elif hasattr(value, "detach"):  # torch
        array = value.detach().cpu().numpy()
    elif _is_on_disk(value):
        array = value
    elif hasattr(value, "__array__"):
        array = np.asarray(value)
    elif isinstance(value, (list, tuple)):
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise TypeError(
                f"`{argument}` is a list whose parts differ in length: {error}"
            ) from None
    else:
        raise TypeError(_unrecognized(value, argument))
    if array.dtype == object:
        array = _from_objects(array, argument)
    if array.ndim == 0:
        raise ValueError(f"`{argument}` is a single number: data needs an axis of samples.")
    return array


def _unrecognized(value: Any, argument: str) -> str:
    message = (
        f"Unrecognized data type: `{argument}` is {_brief(value)}, and not an array. Pass NumPy or "
        "JAX arrays, pandas objects, lists of numbers, lists or dicts of arrays, or a generator "
        "of batches."
    )
    if isinstance(value, type):
        message += f"\nAn object of the class must be made: `{argument}={value.__name__}(...)`."
    elif callable(value):
        message += f"\nA generator function must be called: `{argument}=generate()`."
    return message


def _wrong_length(source: Any, error: Exception) -> str:
    return (
        f"{type(source).__name__}.__len__() must return how many batches there are, an integer of "
        f"at least 0: {error}."
    )


def _brief(value: Any) -> str:
    if value is None or isinstance(value, (str, bytes, numbers.Number)):
        return repr(value)[:40]
    name = getattr(value, "__name__", None)
    return (
        f"the {type(value).__name__} {name}"
        if name
        else f"an object of type {type(value).__name__}"
    )


def _check_values(tree: Structure, argument: str) -> None:
    """Refuses what the device has no room for: strings, dates, integers of more than 32 bits."""
    for array in jax.tree.leaves(tree):
        if array.dtype.kind in "OSUTMm":
            raise TypeError(_not_numbers(array, argument))
        if isinstance(array, np.ndarray) and not isinstance(array, np.memmap):  # not read yet
            policy.check_integers(array, f"`{argument}`")


def _not_numbers(array: ArrayLike, argument: str) -> str:
    what, advice = "strings", "Number them (`np.unique(values, return_inverse=True)[1]`)"
    if array.dtype.kind in "Mm":
        what, advice = "dates or times", "Make numbers of them (`.astype('int64') / 1e9`)"
    elif argument == "x":
        advice += (
            ", or begin the model with a layer that takes them: `keras.Input((), "
            "dtype='string')` and keras.layers.TextVectorization, StringLookup or Hashing"
        )
    return (
        f"`{argument}` holds {what} (dtype {array.dtype}), such as "
        f"{array.ravel()[:1].tolist()}, where numbers are needed.\n{advice}."
    )


def _from_frame(value: Any, argument: str) -> np.ndarray:
    """Makes one array of a data frame (or a series, or an index), whose columns may differ."""
    array = value.to_numpy()
    if array.dtype != object or not hasattr(value, "items"):
        return array
    columns = value.items() if array.ndim > 1 else [(value.name, value)]
    numeric, other = [], []
    for name, column in columns:
        try:  # nullable integers and categories of numbers; what is missing is NaN, as in pandas
            if column.dtype.kind in "mM":
                raise TypeError
            numeric.append(column.to_numpy(dtype="float32"))
        except (TypeError, ValueError):
            other.append(f"{name!r} ({column.dtype})")
    if other and numeric:
        raise TypeError(
            f"`{argument}` has columns that are not numbers, beside others that are: "
            f"{', '.join(map(str, other))}.\nSelect or encode them (`pandas.get_dummies`, "
            "`.cat.codes`, keras.layers.StringLookup)."
        )
    return array if other else np.stack(numeric, -1).reshape(array.shape)


def _from_objects(array: np.ndarray, argument: str) -> np.ndarray:
    """Makes an array of numbers, or of strings, of an array of Python objects."""
    kinds = {_kind(entry) for entry in array.ravel()}
    if len(kinds) == 1 and None not in kinds:
        return np.array(array.tolist())
    raise TypeError(
        f"`{argument}` is an array of Python objects (dtype object): its rows differ in "
        "length, or some entries are not numbers. Make it numeric first (pandas: select the "
        "numeric columns, `.astype('float32')`)."
    )


def _kind(entry: Any) -> type | None:
    known = (str, bytes, numbers.Real, np.bool_)
    return next((kind for kind in known if isinstance(entry, kind)), None)


def _is_on_disk(value: Any) -> bool:
    """Says whether `value` is an HDF5 data set, or another array that is read by slices."""
    return all(hasattr(value, name) for name in ("shape", "dtype", "chunks", "__getitem__"))


def as_structure(value: Structure, argument: str) -> Structure:
    """Makes arrays of the leaves of a structure; a list of numbers is one array.

    None inside of a structure, an optional input that is not there, stays None.
    """
    if isinstance(value, Mapping):
        return {k: _as_part(v, f"{argument}[{k!r}]") for k, v in value.items()}
    if _is_structure(value):
        parts = [_as_part(v, f"{argument}[{i}]") for i, v in enumerate(value)]
        return parts if isinstance(value, list) else tuple(parts)
    return as_array(value, argument)


def _as_part(value: Any, argument: str) -> Any:
    return None if value is None else as_structure(value, argument)


def _is_structure(value: Any) -> bool:
    """Says whether `value` holds arrays, and is not itself (a list of lists of) numbers."""
    if isinstance(value, (list, tuple)):
        return any(v is None or is_array(v) or _is_structure(v) for v in value)
    return isinstance(value, Mapping)


def as_targets(value: Structure, names: Any, argument: str) -> list[Any] | None:
    """Makes a list of targets (or sample weights), one an output.

    A single array for several outputs goes to each of them, as in tf.keras. A dict goes by output
    name; outputs that it leaves out get None.

    Args:
        value: What the user passed.
        names: The outputs' names, in the structure of the outputs.
        argument: The argument's name, for messages.
    """
    if value is None:
        return None
    known = leaf_names(names)
    if _is_structure(value):
        entries = per_output(value, names, argument)
    elif isinstance(value, (list, tuple)) and len(known) > 1 and len(value) == len(known):
        entries = list(value)
    else:
        entries = [as_array(value, argument)] * len(known)
    parts = [f"{argument}[{n!r}]" if len(known) > 1 else argument for n in known]
    return [None if e is None else as_array(e, p) for e, p in zip(entries, parts, strict=True)]


def check_lengths(batch: Batch) -> int:
    """Returns the number of samples.

    Raises:
        ValueError: If arrays differ in length, or there is no sample.
    """
    sizes = {
        name: [int(a.shape[0]) for a in jax.tree.leaves(part)]
        for name, part in zip(("x", "y", "sample_weight"), batch, strict=True)
    }
    if len({size for values in sizes.values() for size in values}) > 1:
        lines = [f"'{k}' sizes: {', '.join(map(str, v))}" for k, v in sizes.items() if v]
        raise ValueError(
            "Data cardinality is ambiguous. Make sure all arrays contain the same number of "
            "samples (rows).\n" + "\n".join(lines)
        )
    return check_not_empty(batch)


def check_not_empty(batch: Batch) -> int:
    """Returns the number of samples: of rows of the first input.

    Raises:
        ValueError: If there is none.
    """
    count = next((int(a.shape[0]) for a in jax.tree.leaves(tuple(batch))), 0)
    if count == 0 and any(
        a is None for a in jax.tree.leaves(batch[0], is_leaf=lambda a: a is None)
    ):
        raise ValueError(
            "The data is missing: `x` has None for an input that is not optional. Pass an array, "
            "or make it by keras.Input(optional=True)."
        )
    if count == 0:
        raise ValueError("The data is empty: `x` has no samples (its first axis has length 0).")
    return count


def class_weights(weights: Mapping[Any, Any], batch: Batch, names: Any) -> list[Any]:
    """Makes sample weights of class weights, and of those that are there already (a product).

    Args:
        weights: From class numbers to weights; or, for several outputs, a dict of these by output
            name. A class that is left out has weight 1.
        batch: Targets as class numbers or one-hot vectors.
        names: The outputs' names, in the structure of the outputs.

    Raises:
        ValueError: If it is not such a dict, or there are no targets.
    """
    if not isinstance(weights, Mapping):
        raise ValueError(f"`class_weight` is a dict {{class: weight}}, got {weights!r}.")
    known = leaf_names(names)
    by_output = any(isinstance(v, Mapping) for v in weights.values())
    if not by_output and len(known) > 1:
        raise ValueError(
            "`class_weight` of a model with several outputs goes by output name: "
            f"{{{known[0]!r}: {{0: 1.0, 1: 2.0}}}}. The outputs are {known}."
        )
    tables = per_output(weights, names, "class_weight") if by_output else [weights]
    if batch.y is None:
        raise ValueError("`class_weight` needs targets: pass `y`.")
    given = batch.sample_weight or [None] * len(known)
    return [
        weight if table is None or y is None else _class_weight(table, np.asarray(y), weight)
        for table, y, weight in zip(tables, batch.y, given, strict=True)
    ]


def _class_weight(table: Mapping[Any, Any], y: np.ndarray, sample_weight: Structure) -> np.ndarray:
    _check_class_weight(table)
    one_hot = y.ndim > 1 and y.shape[-1] > 1
    classes = y.argmax(-1) if one_hot else y
    classes = classes.reshape(len(y), -1)[:, 0]
    own = np.ones(len(y), np.float32)
    for label, factor in table.items():
        own[classes == int(label)] = factor
    return own if sample_weight is None else own * np.asarray(sample_weight).reshape(own.shape)


def _check_class_weight(table: Mapping[Any, Any]) -> None:
    for label, factor in table.items():
        whole = isinstance(label, numbers.Real) and float(label).is_integer()
        if not whole or isinstance(label, bool) or label < 0:
            raise ValueError(
                f"`class_weight` goes by class number: {{0: 1.0, 1: 2.0}}, got the key {label!r}. "
                "Number the classes as the labels in `y` are numbered."
            )
        number = isinstance(factor, numbers.Real) and not isinstance(factor, bool)
        if not number or not 0 <= factor < math.inf:
            raise ValueError(
                f"The weights in `class_weight` are finite numbers of at least 0, got {factor!r} "
                f"for class {label!r}."
            )


def _warn_of_unused_classes(weights: Mapping[Any, Any], batch: Batch) -> None:
    """Warns of class weights for classes that no label of the whole data has."""
    if any(isinstance(v, Mapping) for v in weights.values()) or not batch.y:
        return
    y = np.asarray(batch.y[0])
    one_hot = y.ndim > 1 and y.shape[-1] > 1
    classes = range(y.shape[-1]) if one_hot else np.unique(y)
    unused = [label for label in weights if label not in classes]
    if unused:
        warnings.warn(
            f"`class_weight` has weights for the classes {unused}, but no label in `y` is one of "
            "them: these weights have no effect.",
            stacklevel=4,
        )


def limited_steps(steps: int | None, available: int | None) -> int | None:
    """Returns the steps of a pass that were asked for, but no more than the settings allow.

    Args:
        steps: How many were asked for; None for all.
        available: How many there are; None if that is not known.
    """
    limit, wanted = settings.get("max_steps_per_epoch"), steps or available
    if limit is None or (wanted is not None and wanted <= limit):
        return steps
    warnings.warn(f"Limiting steps_per_epoch to {limit}", stacklevel=3)
    return limit


def is_pair(item: Any) -> bool:
    """Says whether `item` is the usual batch, in which nothing has to be looked for: two arrays."""
    return (
        type(item) is tuple
        and len(item) == 2
        and all(type(a) is np.ndarray and a.ndim and a.dtype.kind in "fbiu" for a in item)
        and 0 < len(item[0]) == len(item[1])
    )


def unpack(item: Any) -> tuple[Any, Any, Any]:
    """Returns (x, y, sample_weight) of what a stream gives: x, (x,), (x, y) or all three."""
    if not isinstance(item, (tuple, list)) or (isinstance(item, list) and not 2 <= len(item) <= 3):
        return item, None, None
    if len(item) > 3:
        raise ValueError(
            "A batch is `x`, `(x, y)` or `(x, y, sample_weight)`, but the data gives tuples of "
            f"{len(item)}. Put several inputs into one tuple or dict: `((a, b), y)`."
        )
    return (*item, None, None)[:3]  # type: ignore[return-value]


class ArrayData:
    """Arrays to train on, evaluate or predict.

    Args:
        batch: All samples as one batch.
        batch_size: Samples a step.
        on_device: Whether to keep them on the device; `"auto"`: if they fit.
    """

    def __init__(self, batch: Batch, batch_size: int, on_device: bool | str = "auto"):
        self.batch, self.batch_size, self._on_device = batch, batch_size, on_device

    def split(self, fraction: float, batch_size: int | None) -> tuple["ArrayData", "ArrayData"]:
        """Cuts the last `fraction` of the rows off, for validation.

        Raises:
            ValueError: If nothing would be left on one side.
        """
        count = check_lengths(self.batch)
        cut = int(np.floor(count * (1.0 - fraction)))
        if not 0 < cut < count:
            raise ValueError(
                f"validation_split={fraction} leaves no samples for "
                f"{'training' if cut == 0 else 'validation'}: there are {count} in all."
            )
        first, last = (
            Batch(*jax.tree.map(lambda a, part=part: a[part], tuple(self.batch)))
            for part in (slice(cut), slice(cut, None))
        )
        return (
            ArrayData(first, self.batch_size, self._on_device),
            ArrayData(last, batch_size or self.batch_size, self._on_device),
        )

    @property
    def example(self) -> Batch:
        """The shapes of the first batch."""
        size = self.batch_size

        def spec(array: ArrayLike) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((min(size, array.shape[0]), *array.shape[1:]), array.dtype)

        return Batch(*jax.tree.map(spec, tuple(self.batch)))

    @property
    def steps(self) -> int:
        """How many batches there are."""
        return -(-check_lengths(self.batch) // self.batch_size)

    def feed(self, seed: int | None = None, unsent: Any = None) -> Feed:
        """Returns a new feed.

        Args:
            seed: The seed of a random order; None for the rows in their order.
            unsent: Other data that will be on the device as well, and are not there yet.
        """
        resident = self._on_device
        if resident == "auto":
            resident = fits_on_device(self.batch, data_bytes(unsent))
        return (ArrayFeed if resident else HostFeed)(self.batch, self.batch_size, seed)

    def slices(self) -> Feed:
        """Returns a feed of the inputs, to be gone through once and in order."""
        return SliceFeed(self.batch.x, self.batch_size)


class StreamData:
    """Something that gives batches: a generator, a sequence of batches, a loader.

    Args:
        source: An iterator; an iterable; or an object with `__len__` and `__getitem__`.
        to_batch: Makes a `Batch` of what it gives.

    Raises:
        ValueError: If it gives nothing at all.
    """

    def __init__(self, source: Any, to_batch: Callable[[Any], Batch]):
        self._source, self._to_batch = source, to_batch
        self._endless = hasattr(source, "__next__") and not hasattr(source, "workers")  # PyDataset
        self._peeked: Iterator[Any] | None = self._open()
        try:
            first = next(self._peeked)
        except StopIteration:
            raise ValueError("The data gives no batches: the generator is empty.") from None
        self.example = to_batch(first)
        self._first: Any = first
        self._items: Any = None  # the iterator under way

    @property
    def _by_index(self) -> bool:
        """Whether batches are taken by their numbers."""
        source = self._source
        of_tensorflow = hasattr(source, "as_numpy_iterator")
        sized = self.steps is not None or hasattr(source, "workers")
        return hasattr(source, "__getitem__") and sized and not self._endless and not of_tensorflow

    def _open(self) -> Iterator[Any]:
        source = self._source
        if self._endless:
            return source
        if hasattr(source, "as_numpy_iterator"):  # tf.data
            return source.as_numpy_iterator()
        return prefetched(source, self.steps) if self._by_index else iter(source)

    def _pass(self) -> Iterator[Batch]:
        # The batch that was looked at is not lost: it is the first of the first pass.
        self._call("on_epoch_begin")
        if self._peeked is not None:
            items, first, self._peeked = self._peeked, self._first, None
            self._first, self._items = None, items
            yield self._to_batch(first)
        else:
            items = self._open()
        yield from self._rest(items)

    def _rest(self, items: Iterator[Any]) -> Iterator[Batch]:
        self._items = items
        for item in items:
            yield self._to_batch(item)
        self._call("on_epoch_end")

    def _call(self, hook: str) -> None:
        if hasattr(self._source, hook):
            getattr(self._source, hook)()

    @property
    def steps(self) -> int | None:
        """How many batches a pass gives; None if that is not known."""
        try:
            count: int | None = len(self._source)
        except TypeError as error:
            own = isinstance(getattr(type(self._source), "__len__", None), types.FunctionType)
            # One that raises it says that the length is unknown, as tf.data's; another gave none.
            if own and error.__traceback__.tb_next is None:  # type: ignore[union-attr]
                raise TypeError(_wrong_length(self._source, error)) from None
            count = getattr(self._source, "num_batches", None)
        except ValueError as error:
            raise ValueError(_wrong_length(self._source, error)) from None
        return None if count is None or count < 0 else count

    def slices(self) -> Feed:
        """Returns a feed of the inputs."""
        return StreamFeed(lambda: (batch.x for batch in self._pass()), self.steps, self._endless)

    def feed(self, seed: int | None = None, unsent: Any = None) -> Feed:
        """Returns a feed; the source chooses the order itself."""
        del seed, unsent
        return StreamFeed(self._pass, self.steps, self._endless, self)

    # -------------------------------------------------------------- for another process
    def get_state(self) -> dict[str, Any]:
        """Returns the states of the source, and of the iterator under way: None if it has none."""
        items = None if self._items is self._source else _state_of(self._items)
        return {"source": _state_of(self._source), "items": items}

    def go_to(
        self, passes: Sequence[tuple[int, bool, int]], taken: int, state: Mapping[str, Any]
    ) -> Iterator[Batch] | None:
        """Goes on from a position; see `feeds.Source`."""
        if not passes and not taken:
            return None
        source, own, of_items = self._source, state["source"], state["items"]
        if own is None and of_items is None and not self._by_index:
            return self._replay(passes, taken)
        if hasattr(self._peeked, "close") and not self._endless:
            self._peeked.close()  # type: ignore[union-attr]
        self._peeked = self._first = None
        if own is not None:
            _set_state(source, own)
        elif self._by_index:
            for _, whole, times in passes:
                for _ in range(times):
                    self._call("on_epoch_begin")
                    if whole:
                        self._call("on_epoch_end")
            if taken:
                self._call("on_epoch_begin")
        if not taken:
            return None
        if self._by_index:
            return self._rest(prefetched(source, self.steps, taken))
        items = self._open()
        if of_items is not None:
            _set_state(items, of_items)
        return self._rest(items)

    def _replay(
        self, passes: Sequence[tuple[int, bool, int]], taken: int
    ) -> Iterator[Batch] | None:
        """Takes all batches again that were taken before: nothing else knows the position."""
        started, skipped = time.perf_counter(), 0

        def skip(items: Iterator[Batch], count: int) -> None:
            nonlocal skipped
            found = sum(1 for _ in itertools.islice(items, count))
            skipped += found
            if found < count:
                raise ValueError(
                    f"The training cannot go on: {count} batches of a pass were taken before, but "
                    f"the data gives only {found} now. Pass the data that the script passed then."
                )

        for count, whole, times in passes:
            for _ in range(times):
                items = self._pass()
                skip(items, count)
                if whole:
                    next(items, None)
        rest = self._pass() if taken else None
        if rest is not None:
            skip(rest, taken)
        _log.warning(
            "Going on with a training: the data (%s) has no position that could be set, so that "
            "its first %d batches were made and thrown away, which took %.2g s. That is saved by "
            "methods get_state() and set_state(state) of what gives the batches, or by a "
            "keras.utils.PyDataset.",
            type(self._source).__name__,
            skipped,
            time.perf_counter() - started,
        )
        return rest


# What objects call the methods that return their state, and that set it.
_STATE_METHODS = (("get_state", "set_state"), ("state_dict", "load_state_dict"))


def _state_of(source: Any) -> Any:
    """Returns the state of what gives batches, if it has methods for that; else None."""
    for read, write in _STATE_METHODS:
        if callable(getattr(source, read, None)) and callable(getattr(source, write, None)):
            return getattr(source, read)()
    return None


def _set_state(source: Any, state: Any) -> None:
    """Sets a state that `_state_of` has returned."""
    for _, write in _STATE_METHODS:
        if callable(getattr(source, write, None)):
            getattr(source, write)(state)
            return
    raise ValueError(
        f"The training cannot go on: a {type(source).__name__} that gives its data has no method "
        "`set_state` or `load_state_dict`, as the one had from which the training was saved."
    )


def _counted(value: Any) -> str:
    sequence = isinstance(value, (list, tuple))
    return f"a {type(value).__name__} of {len(value)}" if sequence else _brief(value)


class Reader(NamedTuple):
    """Reads what users pass as data, for one model.

    Attributes:
        output_names: Returns the names of the model's outputs, in their structure, for inputs as
            arrays.
        as_given: Whether targets and sample weights keep the structure that the user gave them,
            because steps of the user's own read them.
        encode: Returns, for inputs as arrays, what the compiled part of the model is called on.
    """

    output_names: Callable[[Any], Any]
    as_given: bool = False
    encode: Callable[[Any], Any] = lambda x: x

    def data(
        self,
        x: Structure,
        y: Structure = None,
        sample_weight: Structure = None,
        batch_size: int | None = None,
        class_weight: Mapping[int, float] | None = None,
        on_device: bool | str = "auto",
    ) -> ArrayData | StreamData:
        """Makes arrays or a stream of batches of what the user passed."""
        if x is None:
            raise ValueError(
                "The data is missing: `x` is None. Pass an array, a structure of arrays, or "
                "something that gives batches."
            )
        if not is_stream(x):
            batch = self.batch(x, y, sample_weight, class_weight)
            if class_weight is not None:
                _warn_of_unused_classes(class_weight, batch)
            return ArrayData(batch, batch_size or 32, on_device)
        for name, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                raise ValueError(
                    f"`{name}` must not be passed when `x` gives batches: let it give "
                    "`(x, y)` or `(x, y, sample_weight)`."
                )
        names: Any = None  # of the outputs: looked up once, which takes a step's time
        plain = False

        def to_batch(item: Any) -> Batch:
            nonlocal names, plain
            if plain and is_pair(item):
                policy.check_integers(item[0], "`x`")
                policy.check_integers(item[1], "`y`")
                return Batch(item[0], [item[1]])
            batch = self.batch(*unpack(item), class_weight, names, is_step=True)
            if names is None:
                names = self.output_names(batch.x)
                single = len(leaf_names(names)) == 1
                plain = single and class_weight is None and not self.as_given
                plain = plain and isinstance(batch.x, np.ndarray)  # as it is given
            return batch

        return StreamData(x, to_batch)

    def batch(
        self,
        x: Structure,
        y: Structure = None,
        sample_weight: Structure = None,
        class_weight: Mapping[int, float] | None = None,
        names: Any = None,
        is_step: bool = False,
    ) -> Batch:
        """Makes a batch of arrays; `names` are those of the outputs, if they are known.

        The arrays have as many rows each, unless it is a step's batch of several inputs: of a
        graph's nodes, edges and label, say.
        """
        x = self.encode(as_structure(x, "x"))
        check = check_not_empty if is_step and len(jax.tree.leaves(x)) > 1 else check_lengths
        if names is None:
            check(Batch(x))
            _check_values(x, "x")
            names = self.output_names(x)
        if self.as_given:
            parts = {"y": y, "sample_weight": sample_weight}
            batch = Batch(x, *(_as_part(part, name) for name, part in parts.items()))
        else:
            weight = as_targets(sample_weight, names, "sample_weight")
            batch = Batch(x, as_targets(y, names, "y"), weight)
        for part, value in batch._asdict().items():
            _check_values(value, part)
        check(batch)
        if class_weight is not None:
            flat = Batch(x, *(as_targets(part, names, "y") for part in batch[1:]))
            weights = class_weights(class_weight, flat, names)
            single = self.as_given and len(weights) == 1
            batch = batch._replace(sample_weight=weights[0] if single else weights)
        return batch

    def validation_data(
        self, given: Data, batch_size: int | None = None, on_device: bool | str = "auto"
    ) -> ArrayData | StreamData:
        """Makes arrays or a stream of batches of `validation_data`."""
        if is_stream(given):
            return self.data(given, batch_size=batch_size)
        if not isinstance(given, (tuple, list)) or not 2 <= len(given) <= 3:
            raise ValueError(
                "`validation_data` is `(x, y)`, `(x, y, sample_weight)`, or something that gives "
                f"batches, got {_counted(given)}."
            )
        x, y, weight = unpack(tuple(given))
        return self.data(x, y, weight, batch_size, None, on_device)


def check_labels(objective: CompiledObjective, batch: Batch, outputs: Structure) -> None:
    """Looks for targets that a loss cannot take, such as labels out of range.

    Compiled code cannot raise: it would wrap the label around silently.
    """
    if batch.y is None:
        return
    predictions = flatten_outputs(outputs, objective.output_names)
    for loss, y, prediction in zip(objective.losses, batch.y, predictions, strict=True):
        if loss is not None and y is not None and prediction.ndim:
            if len(batch.y) > 1 and all(other is y for other in batch.y):
                _check_shared(y, prediction)
            losses.check_labels(loss, y, prediction.shape[-1])


def _check_shared(y: Structure, prediction: Any) -> None:
    """Checks the one `y` of several outputs, which may be meant to have a column for each."""
    if y.ndim == prediction.ndim > 1 and y.shape[-1] not in (1, prediction.shape[-1]):
        raise ValueError(
            f"One `y` of shape {tuple(y.shape)} was given for several outputs, each of which gets "
            f"all of it; but an output has the shape {(None, *prediction.shape[1:])}.\nGive each "
            "output its own: a list such as `[y[:, :1], y[:, 1:]]`, or a dict by output name."
        )
