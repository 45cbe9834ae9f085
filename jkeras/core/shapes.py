"""Abstract evaluation: the shapes and dtypes that a function gives, without computing anything.

An axis of unknown size (None) is evaluated as a symbolic dimension of `jax.export`, and what comes
out symbolic is unknown as well. Some functions refuse symbols: Python loops over an axis, `int(n)`,
NumPy functions of a size, comparisons that can go either way. These are evaluated at numbers,
several times, and an axis of the result that differs is unknown. What a call builds, checks or
asks meanwhile goes through `known`, which gives None for axes that were filled here: neither a
symbol nor a trial size reaches a layer's `build` as if it were the size of the data.
"""

import contextlib
import functools
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base.types import ArrayLike, DTypeLike, Sizes, Structure
from jkeras.core import scope

Shape = tuple[int | None, ...]


class Spec:
    """What is known of an array: a shape, with None for an axis of unknown size, and a dtype.

    Attributes:
        odd_axes: Axes of unknown size that axes were swapped with: a first axis that is as long
            as others are, such as steps, and an axis elsewhere that is as long as the batch.
    """

    def __init__(
        self, shape: Iterable[int | None], dtype: DTypeLike, odd_axes: tuple[int, ...] = ()
    ):
        self.shape, self.dtype, self.odd_axes = tuple(shape), dtype, odd_axes


class AbstractScope(scope.Abstract):
    """The scope of one abstract evaluation: it knows which sizes it has filled in itself.

    Args:
        batch: The size of unknown first axes.
        size: The size of other unknown axes.
        learned: For an evaluation at numbers, which sizes are known ones of the data (True), and
            which stem from unknown ones (False). None where symbols tell.
        asks: Whether to stop at a layer that is to be built for a size which is not in `learned`.
        trusting: Whether layers whose call fails give outputs of the shapes that they declare.
        met: Whether sizes of other axes stand for unknown ones: no layer is built for these.
    """

    def __init__(
        self,
        batch: Any,
        size: Sizes,
        learned: dict[Any, bool] | None = None,
        asks: bool = False,
        trusting: bool = False,
        met: bool = False,
    ):
        super().__init__()
        self.batch, self.size, self.learned = batch, size, learned
        self.asks, self.trusting, self.met = asks, trusting, met
        self.seen: list[tuple[Any, Any]] = []  # layers that were called, and their outputs' shapes

    def fill(self, shape: Sequence[int | None]) -> tuple:
        """Returns the shape with sizes in place of None."""
        if None not in shape:
            return tuple(shape)
        sizes = [self.batch, *[self.size] * len(shape)]
        return tuple([m if n is None else n for n, m in zip(shape, sizes, strict=False)])

    def fill_spec(self, spec: Any) -> tuple:
        """Returns the shape of a spec, or symbolic tensor, with sizes in place of None."""
        filled = self.fill(spec.shape)
        if not spec.odd_axes:
            return filled
        other = {i: self.batch if i else self.size for i in spec.odd_axes}
        return tuple([other.get(i, n) for i, n in enumerate(filled)])

    def odd_axes(self, shape: Sequence[Any]) -> tuple[int, ...]:
        """Returns the axes of a result that `Spec` calls odd."""
        if self.size is None:
            return ()
        other = (self.size, *[self.batch] * len(shape))
        return tuple([i for i, n in enumerate(shape) if n == other[i]])

    def known(self, shape: Sequence[Any]) -> Shape:
        """Returns the shape with None for each size that is not known to be one of the data."""
        if self.learned is None:
            return tuple([n if isinstance(n, int) else None for n in shape])
        return tuple([n if self.learned.get(n) else None for n in shape])


class _Undecided(BaseException):
    """A layer is to be built for sizes that one evaluation cannot tell to be known or unknown.

    It is not an Exception, so that no `except Exception` in a user's call takes it.
    """


def is_shape(value: Any) -> bool:
    """Says whether a value is a shape: a list or tuple of sizes."""
    return isinstance(value, (tuple, list)) and all(map(_is_size, value))


def _is_size(n: Any) -> bool:
    return n is None or isinstance(n, (int, np.integer)) or jax.export.is_symbolic_dim(n)


def known(shape: Sequence[Any]) -> Shape:
    """Returns what is known of a shape here: None for an axis that abstract evaluation has filled.

    Example:
        >>> from jkeras.core import shapes
        >>> shapes.known((32, 3))
        (32, 3)
    """
    here = scope.current()
    return here.known(shape) if isinstance(here, AbstractScope) else tuple(shape)


def known_for_build(tree: Structure) -> Any:
    """Returns what is known of the shapes in a structure, for a layer that is to be built."""
    here = scope.current()
    if not isinstance(here, AbstractScope):
        return tree
    if here.met:
        raise ValueError("A layer cannot be built for sizes that stand for unknown ones.")
    if here.asks:
        sizes = [n for shape in jax.tree.leaves(tree, is_leaf=is_shape) for n in _sizes(shape)]
        if any(n not in here.learned for n in sizes):  # type: ignore[operator]
            raise _Undecided(sizes)
    return map_shapes(here.known, tree)


def check_index(shape: Sequence[Any], key: Any) -> None:
    """Says no to a number beyond an axis, in whose place JAX takes the last entry.

    Raises:
        ValueError: If an integer in `key` lies beyond a known size.

    Example:
        >>> from jkeras.core import shapes
        >>> shapes.check_index((2, 3), (0, -3))
    """
    parts = key if isinstance(key, tuple) else (key,)
    if not all(part is None or isinstance(part, (int, slice, type(...))) for part in parts):
        return  # arrays take axes in ways of their own
    if any(isinstance(part, bool) for part in parts):
        return
    axes = [part for part in parts if part is not None]
    if axes.count(...) == 1:
        cut = axes.index(...)
        axes[cut : cut + 1] = [slice(None)] * (len(shape) - len(axes) + 1)
    for axis, (part, n) in enumerate(zip(axes, known(shape), strict=False)):
        if isinstance(part, int) and n is not None and not -n <= part < n:
            raise ValueError(
                f"The index {part} is out of bounds for axis {axis} of size {n}. Received: an "
                f"array of shape {tuple(known(shape))}, indexed by {key}"
            )


def reshape(x: ArrayLike, newshape: Any) -> jax.Array:
    """Reshapes an array, where -1 may be any size if that of the array is not known.

    `(None, 2)` may become `(-1, 6, 2)`: whether 6 divides the axis, the data will tell.

    Example:
        >>> import numpy as np
        >>> from jkeras.core import shapes
        >>> shapes.reshape(np.ones((6, 2)), (-1, 6, 2)).shape
        (1, 6, 2)
    """
    try:
        return jnp.reshape(x, newshape)
    except Exception:
        given = newshape if isinstance(newshape, (tuple, list)) else [newshape]
        sizes: list[Any] = [int(n) if isinstance(n, np.integer) else n for n in given]
        numbers = [n for n in sizes if isinstance(n, int)]
        if numbers.count(-1) != 1 or 0 in numbers or None not in known(x.shape):
            raise
        rest = math.prod(x.shape) // -math.prod(sizes)
        # Only the shape is looked at.
        return jnp.empty([rest if isinstance(n, int) and n == -1 else n for n in sizes], x.dtype)


def _sizes(shape: Shape) -> Iterator[Any]:
    return (n for n in shape if n is not None) if is_shape(shape) else iter(())


def map_shapes(function: Callable, tree: Structure) -> Structure:
    """Returns a structure of shapes with the function applied to each, as a tuple."""
    return jax.tree.map(lambda s: function(tuple(s)) if is_shape(s) else s, tree, is_leaf=is_shape)


def note_outputs(layer: Any, outputs: Structure) -> None:
    """Remembers the shapes of the outputs of a layer's call, as far as they are known."""
    here = scope.current()
    if isinstance(here, AbstractScope):
        here.seen.append((layer, _shapes_of(outputs)))
    elif not isinstance(here, scope.Pure):
        vars(layer)["_seen_shapes"] = _shapes_of(outputs)  # a record, not set by the call


def _shapes_of(outputs: Structure) -> Any:
    return jax.tree.map(lambda x: tuple(getattr(x, "shape", ())), outputs)


# ------------------------------------------------------------------ evaluation
def evaluate(function: Callable, specs: Sequence[Any]) -> Structure:
    """Returns what a function gives for arrays of these shapes and dtypes.

    Args:
        function: A function of as many arrays.
        specs: Symbolic tensors.

    Returns:
        Its result, with a `Spec` in place of each array, and None in place of a size that is not
        known.

    Raises:
        Exception: What the function raises.
    """
    if None not in itertools.chain(*[spec.shape for spec in specs]):
        return _merge([_run(function, specs, AbstractScope(None, None))])
    try:
        return _merge([_run(function, specs, AbstractScope(*_symbols()))])
    except Exception:  # it refuses symbols, or is wrong: then it fails at numbers as well
        return _evaluate_at_numbers(function, specs)


def at_symbols(spec: Any) -> tuple:
    """Returns the shape of a spec, or symbolic tensor, with symbols in place of None."""
    return AbstractScope(*_symbols()).fill_spec(spec)


@functools.cache
def _symbols() -> tuple[Any, Any]:
    """Returns a batch size and a size for other axes.

    The latter divides by 64, so that strided layers can undo one another (a U-Net's up- and
    downsampling). The constraints decide comparisons with small numbers, such as
    `if x.shape[1] > 3`.
    """
    batch, size = jax.export.symbolic_shape("b, 64*u", constraints=["b >= 2", "u >= 1"])
    return batch, size


class _Result(NamedTuple):
    leaves: list[Any]
    structure: Any
    scope: AbstractScope


def _run(function: Callable, specs: Sequence[Any], here: AbstractScope) -> _Result:
    static: list[Any] = []

    def run(*arrays: Any) -> Any:
        with scope.enter(here):
            outputs = function(*arrays)
        leaves, structure = jax.tree.flatten(outputs)
        static[:] = [structure, [None if _is_array(x) else x for x in leaves]]
        return [x for x in leaves if _is_array(x)]

    structs = [jax.ShapeDtypeStruct(here.fill_spec(spec), spec.dtype) for spec in specs]
    arrays = iter(jax.eval_shape(run, *structs))
    structure, constants = static
    return _Result([next(arrays) if c is None else c for c in constants], structure, here)


def _is_array(x: Any) -> bool:
    return isinstance(x, (jax.Array, np.ndarray, np.generic))


def _merge(results: list[_Result]) -> Any:
    """Returns what the results of several evaluations have in common."""
    scopes = [result.scope for result in results]
    leaves = [_common(v, scopes) for v in zip(*[result.leaves for result in results], strict=True)]
    for calls in zip(*[one.seen for one in scopes], strict=False):
        layers, seen = zip(*calls, strict=True)
        if {*map(id, layers)} == {id(layers[0])}:
            vars(layers[0])["_seen_shapes"] = jax.tree.map(
                lambda *group: _common_shape(group), *seen, is_leaf=is_shape
            )
    return results[0].structure.unflatten(leaves)


def _common(values: Sequence[Any], scopes: Sequence[AbstractScope]) -> Any:
    first = values[0]
    if isinstance(first, jax.ShapeDtypeStruct):
        shape = _common_shape([v.shape for v in values])
        if None not in shape or scopes[0].size is None:
            return Spec(shape, first.dtype)
        odd = [here.odd_axes(v.shape) for v, here in zip(values, scopes, strict=True)]
        both = tuple([i for i in odd[0] if shape[i] is None and all(i in o for o in odd)])
        return Spec(shape, first.dtype, both)
    if jax.export.is_symbolic_dim(first) or any(v != first for v in values[1:]):
        return None
    return first


def _common_shape(shapes: Sequence[Any]) -> Shape:
    first, *rest = shapes
    sizes = [n if isinstance(n, int) else None for n in first]
    for other in rest:
        sizes = [n if n == m else None for n, m in zip(sizes, other, strict=True)]
    return tuple(sizes)


# ------------------------------------------------------------------ evaluation at numbers
# A unit u stands for the sizes (6u, 3u) and (10u, 5u) of first and other axes: all differ, so that
# a batch is not taken for another axis. A table of positions may be shorter than the first sizes; a
# cropping may take more than they have. The numbers up to 10 divide 2520.
_UNIT, _SMALL_UNITS, _LARGE_UNITS = 64, (8, 2, 1), (2520, 4096)
# A call may loop over an axis: larger sizes are only tried if they take at most so much longer.
_MOST_MORE = 0.5  # seconds


def _evaluate_at_numbers(function: Callable, specs: Sequence[Any]) -> Any:
    sizes = {n for spec in specs for n in spec.shape}

    def evaluate_at(unit: int) -> list[_Result]:
        while sizes & {6 * unit, 3 * unit, 10 * unit, 5 * unit}:
            unit += max(unit // 2, 1)
        return _evaluate_twice(function, specs, (6 * unit, 3 * unit), (10 * unit, 5 * unit))

    @functools.cache
    def is_quick_at_larger_sizes() -> bool:
        seconds = []
        for unit in (_SMALL_UNITS[-1], _UNIT):  # again: nothing is traced for the first time now
            begin = time.thread_time()
            with contextlib.suppress(Exception):
                evaluate_at(unit)
            seconds.append(time.thread_time() - begin)
        return (seconds[1] - seconds[0]) * _LARGE_UNITS[-1] / _UNIT < _MOST_MORE

    def evaluate_larger(unit: int) -> list[_Result]:
        if not is_quick_at_larger_sizes():
            raise ValueError("It takes longer, the larger an axis is.")
        return evaluate_at(unit)

    try:
        results = evaluate_at(_UNIT)
    except Exception as error:
        attempts: list[Callable] = [
            *[functools.partial(evaluate_at, unit) for unit in _SMALL_UNITS],
            *[functools.partial(evaluate_larger, unit) for unit in _LARGE_UNITS],
        ]
        for sample in {s.sample for s in specs if s.sample}:
            here = AbstractScope(sample, None, dict.fromkeys(sizes - {None, sample}, True))
            attempts.append(lambda here=here: [_run(function, specs, here)])
        attempts.insert(len(_SMALL_UNITS), functools.partial(_evaluate_met, function, specs))
        attempts.append(lambda: [_run(function, specs, AbstractScope(*_symbols(), trusting=True))])
        for attempt in attempts:
            try:
                return _merge(attempt())
            except Exception:
                continue
        error.add_note(
            f"This came up while shapes were looked for. Inputs of the shapes "
            f"{[spec.shape for spec in specs]} were tried with {6 * _UNIT} in place of None on the "
            f"first axis and {3 * _UNIT} on others. Where only certain sizes are possible, give "
            "the Input a static shape (`batch_size=`, `shape=`)."
        )
        raise
    if not _alike(*results):
        first, second = map(_ranks, results)
        given = [spec.shape for spec in specs]
        if len(first) != len(second):
            raise ValueError(
                f"Cannot infer how many outputs there are from inputs of the shapes {given}: it "
                "depends on an axis of unknown size. Give the Input a static shape (`batch_size=`, "
                "`shape=`), or say how many there are (the `num` argument of keras.ops.unstack)."
            )
        raise ValueError(
            f"Inputs of the shapes {given} give outputs of {first} axes for some input sizes in "
            f"place of None, and {second} for others. Give the Input a static shape "
            "(`batch_size=`, `shape=`)."
        )
    for small in ((7, 9), (2, 1)):  # below sizes at which the call may cut off
        with contextlib.suppress(Exception):  # `min(x.shape[1], 100)`, the diagonal of (None, 3)
            result = _run(function, specs, AbstractScope(*small, {}))
            if _alike(results[0], result):
                results.append(result)
    return _merge(results)


_MOST_MEETINGS = 32  # that are tried
_Sizes = dict[tuple[int, int], Any]  # by the number of an input, and an axis


def _evaluate_met(function: Callable, specs: Sequence[Any]) -> list[_Result]:
    """Returns the result of a function in which axes must agree.

    `(None, 3)` and `(2, None)` add up to `(2, 3)`: an unknown axis that meets a known one has its
    size. Which axes meet, the function knows: sizes are put in place of unknown ones until it
    takes them, and no more of them than it needs.
    """

    def at(sizes: _Sizes) -> _Result:
        shapes = [
            [sizes.get((i, k), n) for k, n in enumerate(spec.shape)] for i, spec in enumerate(specs)
        ]
        given = [Spec(shape, spec.dtype) for shape, spec in zip(shapes, specs, strict=True)]
        return _run(function, given, AbstractScope(*_symbols(), met=True))

    for sizes in itertools.islice(_meetings([spec.shape for spec in specs]), _MOST_MEETINGS):
        try:
            result = at(sizes)
        except Exception:
            continue
        for place in sizes if len(sizes) > 1 else ():
            fewer = {other: n for other, n in sizes.items() if other != place}
            try:
                result, sizes = at(fewer), fewer
            except Exception:
                continue
        return [result]
    raise ValueError("No sizes of other axes fit in place of the unknown ones.")


def _meetings(shapes: Sequence[Shape]) -> Iterator[_Sizes]:
    """Gives sizes for unknown axes.

    First come those of the axes that lie over one another when the shapes are written to the
    right, then those of any axis for each by itself, then for several.
    """
    unknown = [(i, k) for i, shape in enumerate(shapes) for k, n in enumerate(shape) if n is None]
    symbols = _symbols()
    options: dict[tuple[int, int], list[Any]] = {}
    over_one_another = {}
    for i, k in unknown:
        right = k - len(shapes[i])
        others = [shape for j, shape in enumerate(shapes) if j != i]
        over = [s[right] for s in others if len(s) >= -right and s[right] not in (None, 1)]
        if over:
            over_one_another[i, k] = over[0]
        sizes = [n for shape in others for n in shape if n not in (None, 1)]
        options[i, k] = list(dict.fromkeys([*over, *sizes]))
        if len(shapes) > 1 and len(unknown) > 1:
            options[i, k].append(symbols[k == 0])  # the other one of the two
    if over_one_another:
        yield over_one_another
    for count in range(1, min(len(unknown), 3) + 1):
        for places in itertools.combinations(unknown, count):
            for chosen in itertools.product(*[options[place] for place in places]):
                yield dict(zip(places, chosen, strict=True))


def _evaluate_twice(
    function: Callable, specs: Sequence[Any], first: tuple[int, int], second: tuple[int, int]
) -> list[_Result]:
    """Returns the results at two sizes for unknown axes.

    If a layer is to be built for sizes that may stem from unknown ones, the evaluation at the
    second sizes is asked: it comes to the same layer.
    """
    learned: dict[Any, bool] = {n: True for spec in specs for n in spec.shape}
    learned.update(dict.fromkeys((None, *first), False))
    while True:
        try:
            result = _run(function, specs, AbstractScope(*first, learned, asks=True))
            break
        except _Undecided as stop:
            (sizes,) = stop.args
            others: list[Any] = []
            try:
                _run(function, specs, AbstractScope(*second, {}, asks=True))
            except _Undecided as same:
                (others,) = same.args
            if len(others) != len(sizes):
                others = [None] * len(sizes)
            for n, other in zip(sizes, others, strict=True):
                learned.setdefault(n, n == other)
    return [result, _run(function, specs, AbstractScope(*second, learned))]


def _ranks(result: _Result) -> list[Any]:
    return [len(x.shape) if isinstance(x, jax.ShapeDtypeStruct) else None for x in result.leaves]


def _alike(first: _Result, second: _Result) -> bool:
    return first.structure == second.structure and _ranks(first) == _ranks(second)
