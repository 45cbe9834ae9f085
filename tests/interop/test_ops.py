"""keras.ops beside real Keras's: names, signatures, numbers, dtypes, gradients, symbolic shapes."""

import importlib
import inspect

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from keras.src.ops.operation import Operation

from jkeras import ops
from jkeras.core import operations
from jkeras.core.graph import SymbolicTensor
from tests.interop.golden import is_current, stored_in
from tests.ops.cases import (
    CASES,
    KERAS_IS_WRONG,
    NOT_JITTED,
    UNARY,
    array,
    arrays_for,
    called,
    fill,
    find,
    is_place,
    key,
    real,
    rng_for,
    stored,
)


def functions(module):
    return [n for n, f in vars(module).items() if inspect.isfunction(f) and not n.startswith("_")]


NAMES = [*functions(keras.ops), *(f"image.{n}" for n in functions(keras.ops.image))]


# ------------------------------------------------------------------ names
@pytest.mark.parametrize("module", ["linalg", "numpy"])
def test_submodules_have_keras_names(module):
    missing = [n for n in functions(find(keras.ops, module)) if not hasattr(find(ops, module), n)]
    assert missing == []


# Where Keras takes **kwargs for one older spelling, ours has a name for it, or does without.
NAMED_KEYWORDS = {"layer_normalization", "multi_hot"}


@pytest.mark.parametrize("name", NAMES)
def test_signatures_are_keras(name):
    def described(function):
        parameters = list(inspect.signature(function).parameters.values())
        if name in NAMED_KEYWORDS:
            parameters = [p for p in parameters if p.name not in ("kwargs", "rms_scaling")]
        return [(p.name, p.kind, repr(p.default)) for p in parameters]

    assert described(find(ops, name)) == described(find(keras.ops, name))


# A base class; and what is a number at once, also of a symbolic tensor.
NO_CLASSES = ("SegmentReduction", "Ndim", "Size")


def operation_classes():
    for word in ("core", "numpy", "nn", "math", "linalg", "image", "einops"):
        module = importlib.import_module(f"keras.src.ops.{word}")
        for name, cls in vars(module).items():
            own = inspect.isclass(cls) and cls.__module__ == module.__name__
            if own and issubclass(cls, Operation) and name not in NO_CLASSES:
                yield cls


@pytest.mark.parametrize("cls", list(operation_classes()), ids=lambda cls: cls.__name__)
def test_files_describe_operations_as_keras_does(cls):
    """Class, module, and which arguments are the config's and which the call's."""
    entry = operations.entry(cls.__name__)
    assert entry is not None
    assert entry.module == cls.__module__
    config = set(inspect.signature(cls.__init__).parameters) - {"self", "name", "kwargs"}
    call = set(inspect.signature(cls.call).parameters) - {"self", "kwargs"}
    others = {"kwargs", "axes_lengths"}
    assert set(entry.called_with) - others == call - others
    assert set(entry.signature.parameters) - others - call == config - others


# ------------------------------------------------------------------ numbers and dtypes
def outcome(function, *args, **kwargs):
    """Returns what a function gives, or the error it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return error


def same(compare, name, args, kwargs=None, tolerance=1e-5, run=lambda f, *a, **k: f(*a, **k)):
    """Compares values and dtypes; returns whether Keras has any."""
    kwargs = kwargs or {}
    expected = outcome(run, find(keras.ops, name), *args, **kwargs)
    if isinstance(expected, Exception):
        return False
    result = run(find(ops, name), *args, **kwargs)
    compare(f"ops.{name}", real(result), real(expected), tolerance)
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        kinds = [getattr(x, "dtype", type(x)) for x in (a, b)]
        assert kinds[0] == kinds[1], f"{name}({[getattr(x, 'dtype', x) for x in args]}): {kinds}"
    return True


LOOSE = {"float16": 2e-3, "bfloat16": 2e-2}
OTHER_DTYPES = ("int32", "bool", "bfloat16", "uint8", "float16", "int8")  # each has its turn


@pytest.mark.parametrize("name", UNARY)
def test_unary(name, compare, golden):
    other = OTHER_DTYPES[UNARY.index(name) % len(OTHER_DTYPES)]
    done = [
        same(compare, name, [array(rng_for(name), (3, 4), dtype)], tolerance=LOOSE.get(dtype, 1e-5))
        for dtype in ("float32", other)
    ]
    assert done[0]
    x = array(rng_for(name), (3, 4))
    is_current(golden, f"{name} 0", stored(find(keras.ops, name)(x)))


SHAPES = {"correlate": (5,), "vdot": (4,), "cross": (3, 3), "matmul": (3, 3), "tensordot": (3, 3)}
BINARY = (
    *("add", "arctan2", "divide", "divide_no_nan", "equal", "floor_divide", "fmax", "fmin"),
    *("fmod", "greater", "greater_equal", "heaviside", "hypot", "less", "less_equal"),
    *("logaddexp", "logaddexp2", "logical_and", "logical_or", "logical_xor", "maximum"),
    *("minimum", "mod", "multiply", "nextafter", "not_equal", "power", "subtract"),
    *("true_divide", "isclose", "append", "cross", "dot", "inner", "kron", "matmul", "outer"),
    *("vdot", "tensordot", "correlate"),
)
PAIRS = (
    *(("int32", "float32"), ("int32", "int32"), ("bool", "int32"), ("bfloat16", "float32")),
    *(("int8", "int8"), ("uint8", "int8"), ("float32", "bool")),
)


@pytest.mark.parametrize("name", BINARY)
def test_binary(name, compare):
    rng, shape = rng_for(name), SHAPES.get(name, (3, 3))

    def compared(first, second):
        a, b = array(rng, shape, first), array(rng, shape, second)
        if b.dtype.kind in "iu":  # divisors and exponents
            b = np.maximum(b, 1)
        return same(compare, name, [a, b], tolerance=LOOSE.get(first, 1e-5))

    assert compared("float32", "float32")
    compared(*PAIRS[BINARY.index(name) % len(PAIRS)])
    if name not in SHAPES:
        same(compare, name, [array(rng, shape), 2])
        same(compare, name, [1.5, array(rng, shape, "int32") + 5])


@pytest.mark.parametrize(
    "name",
    [
        *("bitwise_and", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor"),
        *("left_shift", "right_shift", "gcd", "lcm"),
    ],
)
def test_integers(name, compare):
    rng = rng_for(name)
    args = [rng.randint(1, 5, 3).astype("int32") for _ in range(2)]
    assert same(compare, name, args)


@pytest.mark.parametrize(
    "name",
    [
        *("all", "any", "max", "mean", "median", "min", "std", "sum", "var", "amax", "amin"),
        *("nanmax", "nanmean", "nanmedian", "nanmin", "nanprod", "nanstd", "nansum", "nanvar"),
        *("ptp", "prod", "logsumexp"),
    ],
)
def test_reductions(name, compare):
    x = array(rng_for(name), (2, 3, 4))
    if name.startswith("nan"):
        x[0, 0, 0] = np.nan
    for options in ({"axis": (0, 2)}, {"axis": -1, "keepdims": True}):
        assert same(compare, name, [x], options)


# ------------------------------------------------------------------ calls with arguments
def case_name(case):
    return case[0]


@pytest.mark.parametrize("case", [c for c in CASES if c[0] not in KERAS_IS_WRONG], ids=case_name)
def test_calls(case, compare, golden):
    def run(function, *arrays):
        # One program compiles faster than each of its steps.
        if not arrays or case[0] in NOT_JITTED:
            return called(case, arrays, function)
        return jax.jit(lambda arrays: called(case, arrays, function))(arrays)

    assert same(compare, case[0], arrays_for(case), run=run), "Keras raises for this call"
    is_current(golden, key(case), stored(run(find(keras.ops, case[0]), *arrays_for(case))))


@pytest.fixture(scope="module")
def golden():
    yield from stored_in("ops.npz")


# What is more than another name for one of JAX's functions.
OWN = {entry.function.__name__ for entry in operations.entries() if "numpy" not in entry.module}
WITH_PLACES = [c for c in CASES if any(map(is_place, jax.tree.leaves(c[1:])))]
FIRST_OF_OWN = {c[0]: c for c in reversed(WITH_PLACES) if c[0].split(".")[-1] in OWN}
FIRST_OF_OWN = {name: case for name, case in FIRST_OF_OWN.items() if name not in KERAS_IS_WRONG}


@pytest.mark.parametrize("name", FIRST_OF_OWN)
def test_gradients(name, compare):
    case = FIRST_OF_OWN[name]

    def gradient(function):
        def total(arrays):
            leaves = jax.tree.leaves(called(case, arrays, function))
            leaves = [x for x in leaves if jnp.issubdtype(jnp.result_type(x), jnp.floating)]
            return sum((jnp.sum(jnp.sin(x)) for x in leaves), jnp.zeros(()))

        return jax.jit(jax.grad(total))(arrays_for(case))

    expected = outcome(gradient, find(keras.ops, name))
    if not isinstance(expected, Exception):
        compare(f"ops.{name}: gradient", gradient(find(ops, name)), expected, 1e-4)


# Keras's rules give another shape or dtype than its own computation, which ours agrees with; or
# the size depends on values.
KERAS_RULE_IS_WRONG = {
    *("adaptive_average_pool", "adaptive_max_pool", "categorical_crossentropy", "lu_factor"),
    *("polar", "slogdet", "unique", "ndim", "size", "istft"),
}


@pytest.mark.parametrize(
    "case", [c for c in WITH_PLACES if c[0] not in KERAS_RULE_IS_WRONG], ids=case_name
)
def test_symbolic_shapes(case):
    def run(library, symbol):
        args, kwargs = fill(case, lambda shape: symbol(shape, "float32"))
        leaves = jax.tree.leaves(find(library, case[0])(*args, **kwargs))
        return [(tuple(x.shape), str(x.dtype)) for x in leaves if hasattr(x, "shape")]

    expected = outcome(run, keras.ops, keras.KerasTensor)
    if not isinstance(expected, Exception):
        assert run(ops, SymbolicTensor) == expected
