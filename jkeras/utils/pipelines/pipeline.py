"""Pipeline: what data sets have in common, and its ways to begin."""

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from jkeras.base.types import ArrayLike, DTypeLike, Structure
from jkeras.utils.elements import as_array, as_element, leaves, map_leaves
from jkeras.utils.pipelines import orders, sources
from jkeras.utils.pipelines.stage import INFINITE, Chooser, Pass, Seed, Stage
from jkeras.utils.pipelines.storage import Stored


class Pipeline:
    """A data set's last stage, and how often it was gone through.

    Attributes:
        class_names: The names of the classes, of data sets of folders.
        file_paths: The files that a data set of a folder is made of.
    """

    _stage: Stage
    # How many passes were begun, also over what was made of the same data set: so that each
    # `dataset.take(1)` shows others of what is shuffled.
    _passes: list[int]
    class_names: Sequence[str] | None = None
    file_paths: Sequence[str] = ()

    @classmethod
    def _of(cls, stage: Stage) -> Self:
        """Returns a data set of a stage."""
        made = cls.__new__(cls)
        made._stage, made._passes = stage, [0]
        return made

    def _then(self, stage: Stage, alone: bool = True) -> Self:
        """Returns what is made of this data set; `alone`: of nothing else."""
        made = self._of(stage)
        made._passes = self._passes
        made.class_names = self.class_names if alone else None
        return made


class Sources(Pipeline):
    """The ways to begin a pipeline."""

    # -------------------------------------------------------------- sources
    @classmethod
    def from_tensor_slices(cls, tensors: Structure, name: str | None = None) -> Self:
        """Returns the rows of an array, or of the arrays of a tuple or dict.

        Raises:
            ValueError: If they differ in their numbers of rows.
        """
        arrays = map_leaves(_as_rows, tensors)
        flat = leaves(arrays)
        if not flat:
            raise ValueError("`from_tensor_slices` needs an array, or a tuple or dict of arrays.")
        sizes = [len(array) for array in flat]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"Dimensions {sizes} are not compatible: the arrays given to `from_tensor_slices` "
                "differ in their numbers of rows."
            )

        return cls.by_rows(lambda _, i: map_leaves(lambda a: as_array(a[i]), arrays), sizes[0])

    @classmethod
    def by_rows(cls, rows: Callable[[Pass, Any], Any], size: int) -> Self:
        """Returns a data set whose batches are made at once.

        Args:
            rows: For the number of a pass, and a number or an array of numbers, returns this
                element, or these as a batch.
            size: How many there are.
        """
        return cls._of(sources.Rows(rows, size))

    @classmethod
    def from_tensors(cls, tensors: Structure, name: str | None = None) -> Self:
        """Returns a data set of one element: an array, or a tuple or dict of arrays."""
        return cls._of(sources.Numbered(lambda _: tensors, 1))

    @classmethod
    def from_generator(
        cls,
        generator: Callable[..., Iterable[Any]],
        output_types: Structure = None,
        output_shapes: Structure = None,
        args: Sequence[Any] | None = None,
        output_signature: Structure = None,
        name: str | None = None,
    ) -> Self:
        """Returns what an iterable gives that `generator(*args)` returns, anew in each pass.

        Args:
            generator: A function, such as a generator function.
            output_types: The dtype of each leaf, if they are to be cast.
            output_shapes: Accepted for the sake of `tf.data`.
            args: What the function is called with.
            output_signature: Instead of `output_types`, objects that have a `dtype`.
            name: Accepted for the sake of `tf.data`.

        Raises:
            TypeError: If `generator` cannot be called.
        """
        if not callable(generator):
            raise TypeError(
                "`generator` must be a Python callable that returns an iterable: pass the "
                f"generator function itself, got {type(generator).__name__}."
            )
        dtypes = output_types
        if output_signature is not None:
            dtypes = map_leaves(lambda leaf: getattr(leaf, "dtype", None), output_signature)
        listed = isinstance(dtypes, tuple)

        def element(value: Any) -> Any:
            if isinstance(value, list) and listed:
                value = tuple(value)
            value = as_element(value)
            return value if dtypes is None else map_leaves(_cast, value, dtypes)

        return cls._of(sources.Generated(lambda: generator(*(args or ())), element))

    @classmethod
    def range(cls, *args: int, output_type: DTypeLike = "int64", name: str | None = None) -> Self:
        """Returns integers, as Python's `range(start, stop, step)` gives them."""
        numbers, dtype = range(*map(int, args)), np.dtype(_dtype_name(output_type))
        return cls._of(sources.Numbered(lambda i: np.asarray(numbers[i], dtype), len(numbers)))

    @classmethod
    def counter(cls, start: int = 0, step: int = 1, dtype: DTypeLike = "int64") -> Self:
        """Returns `start`, `start + step`, ... without an end."""
        kind = np.dtype(_dtype_name(dtype)).type
        return cls._of(sources.Numbered(lambda i: kind(start + i * step), INFINITE))

    @classmethod
    def random(cls, seed: int | None = None, name: str | None = None) -> Self:
        """Returns random integers below 2**32, without an end."""
        return cls._of(sources.Random(seed))

    @classmethod
    def list_files(
        cls,
        file_pattern: ArrayLike,
        shuffle: bool | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> Self:
        """Returns the paths of the files that match a pattern, or one of several.

        Args:
            file_pattern: A pattern such as `"images/*.png"`, or a list of them.
            shuffle: Whether they come in a random order, which they do by default.
            seed: The seed of that order.
            name: Accepted for the sake of `tf.data`.

        Raises:
            ValueError: If no file matches.
        """
        given = [file_pattern] if isinstance(file_pattern, (str, bytes)) else file_pattern
        patterns = [p.decode() if isinstance(p, bytes) else str(p) for p in np.ravel(given)]
        paths = sorted({path for pattern in patterns for path in glob.glob(pattern)})
        if not paths:
            raise ValueError(f"No files matched pattern: {', '.join(patterns)}")
        made = cls.from_tensor_slices(paths)
        if shuffle is False:
            return made
        return made._then(orders.Shuffle(made._stage, len(paths), seed, True))

    @classmethod
    def zip(cls, *args: Any, datasets: Structure = None, name: str | None = None) -> Self:
        """Returns the elements of several data sets side by side, until the first of them ends.

        Args:
            *args: Data sets, or one tuple or dict of them.
            datasets: The same, by name.
            name: Accepted for the sake of `tf.data`.
        """
        tree = datasets if datasets is not None else args[0] if len(args) == 1 else args
        if isinstance(tree, list):
            tree = tuple(tree)
        parts = leaves(tree)
        stages = map_leaves(lambda part: stage_of(part, "`Dataset.zip` takes data sets"), tree)
        return parts[0]._then(sources.Zip(stages), alone=len(parts) == 1)

    @classmethod
    def sample_from_datasets(
        cls,
        datasets: Sequence[Any],
        weights: ArrayLike = None,
        seed: int | None = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Self:
        """Returns elements of several data sets, each time of one that is drawn.

        Args:
            datasets: The data sets.
            weights: The probability of each; the same for all by default.
            seed: The seed of the draws.
            stop_on_empty_dataset: Whether to end when the first of them does.
            rerandomize_each_iteration: Whether each pass draws anew; by default it does, unless a
                seed is given.
        """
        state = Seed(seed)
        share = np.ones(len(datasets)) if weights is None else np.asarray(weights, "float64")
        again = seed is None if rerandomize_each_iteration is None else rerandomize_each_iteration

        def choose(number: Pass, live: list[bool]) -> Iterator[int]:
            generator = state.generator(number if again else ())
            while (left := share * live).sum() > 0:
                yield int(generator.choice(len(datasets), p=left / left.sum()))

        return _chosen(datasets, choose, stop_on_empty_dataset, state)

    @classmethod
    def choose_from_datasets(
        cls,
        datasets: Sequence[Any],
        choice_dataset: Self,
        stop_on_empty_dataset: bool = True,
    ) -> Self:
        """Returns elements of several data sets, in the order of the numbers in another one."""

        def choose(number: Pass, live: list[bool]) -> Iterator[int]:
            return (int(index) for index in choice_dataset._stage.open(number))

        return _chosen(datasets, choose, stop_on_empty_dataset)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        element_spec: Structure = None,
        compression: str | None = None,
        reader_func: Callable | None = None,
    ) -> Self:
        """Returns the data set that `save` has written: its elements are read when asked for.

        Args:
            path: The folder.
            element_spec: Accepted for the sake of `tf.data`.
            compression: None.
            reader_func: Called on a data set of one data set, as in `tf.data`, which it makes one
                data set of: `lambda parts: parts.flat_map(lambda part: part)`.

        Raises:
            ValueError: If there is no data set in the folder.
        """
        check_uncompressed(compression)
        made = cls._of(Stored(stored_name(path)))
        return made if reader_func is None else reader_func(cls.from_tensors(made))


# ------------------------------------------------------------------ parts
def stored_name(path: str | os.PathLike[str]) -> str:
    """Returns what the names of a saved data set's files begin with."""
    return os.path.join(os.path.expanduser(os.fspath(path)), "dataset")


def check_uncompressed(compression: str | None) -> None:
    """Raises ValueError for a compression."""
    if compression is not None:
        raise ValueError(
            f"Data sets are saved uncompressed: compression=None, got {compression!r}."
        )


def stage_of(value: Any, message: str) -> Stage:
    """Returns the stage of a data set.

    Raises:
        TypeError: If the value is not one, with a message.
    """
    if not isinstance(value, Pipeline):
        raise TypeError(f"{message}, got {type(value).__name__}.")
    return value._stage


def _chosen(datasets: Sequence[Any], choose: Chooser, stops: bool, seed: Seed | None = None) -> Any:
    stages = [stage_of(dataset, "Data sets are chosen from") for dataset in datasets]
    return datasets[0]._then(sources.Chosen(stages, choose, stops, seed), alone=len(stages) == 1)


def _as_rows(value: Any) -> Any:
    """Returns an array whose rows are elements; what is in a file stays there."""
    if isinstance(value, np.ndarray) and value.dtype.kind not in "US":
        array = value
    elif hasattr(value, "to_numpy"):  # pandas
        array = np.asarray(as_array(value.to_numpy()))
    else:
        array = np.asarray(as_array(value))
    if not array.ndim:
        raise ValueError(
            "`from_tensor_slices` takes arrays with an axis of rows, got a single value. "
            "`from_tensors` makes one element of it."
        )
    return array


def _cast(value: Any, dtype: DTypeLike) -> Any:
    name = _dtype_name(dtype)
    return value if name is None or name == "string" else as_array(value.astype(name))


def _dtype_name(dtype: DTypeLike) -> Any:
    """Returns the name of a dtype of NumPy's or TensorFlow's."""
    if dtype is None or isinstance(dtype, (str, type, np.dtype)):
        return dtype
    return getattr(dtype, "name", dtype)
