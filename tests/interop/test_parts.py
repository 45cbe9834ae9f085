"""Activations, initializers, regularizers, constraints, random, tree, utils beside real Keras's."""

import functools
import inspect
import json

import jax
import keras
import numpy as np
import pytest

import jkeras

RNG = np.random.RandomState(0)
X = (RNG.randn(5, 8) * 2).astype("float32")


def public(module):
    return {n: v for n, v in vars(module).items() if not n.startswith("_") and callable(v)}


MODULES = (
    *("activations", "initializers", "regularizers", "constraints", "random", "tree", "backend"),
    *("config", "mixed_precision"),
)
CASES = [
    (module, name)
    for module in MODULES
    for name in public(getattr(keras, module))
    # None of the caller's business: quantized weights of language models.
    if not name.endswith("DTypePolicy") or name == "DTypePolicy"
]


@pytest.mark.parametrize(("module", "name"), CASES)
def test_names_and_signatures(module, name):
    theirs = getattr(getattr(keras, module), name)
    ours = getattr(getattr(jkeras, module), name)
    if inspect.isclass(theirs) and issubclass(theirs, Exception):
        return

    def described(function):
        return [
            (p.name, p.kind, repr(p.default))
            for p in inspect.signature(function).parameters.values()
        ]

    assert described(ours) == described(theirs)


def test_utilities():
    for name in (
        "to_categorical",
        "normalize",
        "pad_sequences",
        "set_random_seed",
        "clear_session",
    ):
        ours, theirs = (inspect.signature(getattr(m.utils, name)) for m in (jkeras, keras))
        assert list(ours.parameters) == list(theirs.parameters)


# ------------------------------------------------------------------ activations
ACTIVATIONS = [n for n in public(keras.activations) if n not in ("get", "serialize", "deserialize")]
ARGUMENTS = {
    "relu": [{}, {"negative_slope": 0.1, "max_value": 2.0, "threshold": 0.5}, {"max_value": 1.0}],
    "leaky_relu": [{}, {"negative_slope": 0.5}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 0.3}],
    "gelu": [{}, {"approximate": True}],
    "glu": [{}, {"axis": 1}],
    "threshold": [{"threshold": 0.3, "default_value": 7.0}],
    "softmax": [{}, {"axis": 0}, {"axis": (0, 1)}],
    "log_softmax": [{}, {"axis": 0}],
    "squareplus": [{}, {"b": 2}],
    "hard_shrink": [{}, {"threshold": 1.0}],
    "soft_shrink": [{}, {"threshold": 1.0}],
}


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "sparsemax"])
def test_activations(name, compare):
    theirs, ours = getattr(keras.activations, name), getattr(jkeras.activations, name)
    for options in ARGUMENTS.get(name, [{}]):
        bound = [functools.partial(f, **options) for f in (ours, theirs)]
        outputs = [jax.jit(f)(X) for f in bound]
        compare(f"activations.{name}", *outputs)
        assert outputs[0].dtype == outputs[1].dtype
        gradients = [jax.jit(jax.grad(lambda x, f=f: (f(x) ** 2).sum()))(X) for f in bound]
        compare(f"activations.{name}: gradient", *gradients)
    assert jkeras.activations.serialize(ours) == keras.activations.serialize(theirs)


def test_sparsemax_is_not_keras():
    """Keras 3.15's probabilities of three or more do not always sum to 1; ours do."""
    x = np.float32([[1.0, 2.0, 3.0, 2.5]])
    assert float(keras.activations.sparsemax(x).sum()) == 0.0
    np.testing.assert_allclose(jkeras.activations.sparsemax(x), [[0, 0, 0.75, 0.25]])


# ------------------------------------------------------------------ initializers
INITIALIZERS = [
    ("Zeros", {}),
    ("Ones", {}),
    ("Constant", {"value": 2.5}),
    ("Identity", {"gain": 2.0}),
    ("STFT", {}),
    ("STFT", {"side": "imag", "window": "hamming", "scaling": "spectrum", "periodic": True}),
    ("STFT", {"window": None, "scaling": None}),
    ("RandomNormal", {"mean": 1.0, "stddev": 2.0, "seed": 1}),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0, "seed": 1}),
    ("TruncatedNormal", {"mean": 1.0, "stddev": 2.0, "seed": 1}),
    ("Orthogonal", {"gain": 2.0, "seed": 1}),
    *((n, {"seed": 1}) for n in ("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal")),
    *((n, {"seed": 1}) for n in ("LecunUniform", "LecunNormal")),
    ("GlorotUniform", {"seed": 1, "input_axes": (0,), "output_axes": (1, 2)}),
    *(
        ("VarianceScaling", {"scale": 3.0, "mode": m, "distribution": d, "seed": 1})
        for m in ("fan_in", "fan_out", "fan_avg")
        for d in ("uniform", "truncated_normal", "untruncated_normal", "normal")
    ),
]
EXACT = {"Zeros", "Ones", "Constant", "Identity", "STFT"}


@pytest.mark.parametrize(("name", "options"), INITIALIZERS)
def test_initializers(name, options, compare):
    ours, theirs = (getattr(m.initializers, name)(**options) for m in (jkeras, keras))
    shape = {"Identity": (5, 7), "STFT": (8, 1, 5)}.get(name, (30, 20, 40))
    if options.get("input_axes") is None and name not in EXACT:
        shape = (100, 240)
    a, b = (np.asarray(init(shape), "float64") for init in (ours, theirs))
    if name in EXACT:
        compare(f"initializers.{name}", a, b)
    else:  # two samples of one distribution
        scale = b.std()
        for statistic in (
            np.mean,
            np.std,
            lambda x: np.quantile(x, 0.01),
            lambda x: np.quantile(x, 0.99),
        ):
            compare(
                f"initializers.{name}: statistics", statistic(a) / scale, statistic(b) / scale, 0.05
            )
        for end in (np.min, np.max):
            assert end(a) == pytest.approx(end(b), abs=0.5 * scale)
    if name != "Identity":  # whose config forgets the gain in Keras
        both_ways("initializers", ours, theirs)


def both_ways(module, ours, theirs):
    """Configs are equal, and each library reads the other's."""

    def plain(config):
        def rounded(x):  # Keras rounds some numbers to float32
            return round(x, 6) if isinstance(x, float) else x

        return jkeras.tree.map_structure(rounded, json.loads(json.dumps(config)))

    mine, expected = (getattr(m, module).serialize(x) for m, x in ((jkeras, ours), (keras, theirs)))
    assert plain(mine) == plain(expected)
    assert plain(getattr(keras, module).deserialize(mine).get_config()) == plain(
        theirs.get_config()
    )
    again = getattr(jkeras, module).deserialize(expected)
    assert type(again) is type(ours)
    assert plain(again.get_config()) == plain(ours.get_config())


@pytest.mark.parametrize("module", ["initializers", "regularizers", "constraints"])
def test_identifiers(module):
    mine, theirs = (getattr(m, module) for m in (jkeras, keras))
    for name, value in public(theirs).items():
        if inspect.isclass(value) and not inspect.isabstract(value):
            try:
                expected = theirs.get(name)
            except Exception:
                continue  # needs arguments, or is not an identifier
            assert type(mine.get(name)).__name__ == type(expected).__name__


def test_seed_generators_in_configs():
    ours, theirs = (
        m.initializers.RandomNormal(seed=m.random.SeedGenerator(3, name="g"))
        for m in (jkeras, keras)
    )
    mine, expected = (m.initializers.serialize(x) for m, x in ((jkeras, ours), (keras, theirs)))
    assert mine == expected
    assert jkeras.initializers.deserialize(expected).seed.get_config() == {"seed": 3, "name": "g"}


# ------------------------------------------------------------------ regularizers, constraints
@pytest.mark.parametrize(
    ("name", "args"),
    [
        *(("L1", (0.3,)), ("L2", (0.3,)), ("L1L2", (0.1, 0.2)), ("L1L2", ()), ("L1", ())),
        ("OrthogonalRegularizer", (0.3,)),
    ],
)
def test_regularizers(name, args, compare):
    ours, theirs = (getattr(m.regularizers, name)(*args) for m in (jkeras, keras))
    compare(f"regularizers.{name}", ours(X), theirs(X))
    compare(f"regularizers.{name}: gradient", jax.grad(ours)(X), jax.grad(theirs)(X))
    both_ways("regularizers", ours, theirs)


def test_orthogonal_columns_are_not_keras():
    """Keras 3.15 divides each row by the length of the column of its number."""
    ours, theirs = (m.regularizers.OrthogonalRegularizer(1.0, "columns") for m in (jkeras, keras))
    orthogonal = np.float32([[3.0, -1.0], [3.0, 1.0]])
    assert abs(float(ours(orthogonal))) < 1e-6 < 0.5 < float(theirs(orthogonal))
    with pytest.raises(ValueError, match="broadcast"):
        theirs(X)
    both_ways("regularizers", ours, theirs)
    rows = jkeras.regularizers.OrthogonalRegularizer(1.0)
    np.testing.assert_allclose(ours(X), rows(X.T), rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *(("MaxNorm", (1.5,)), ("MaxNorm", (1.5, 1)), ("NonNeg", ()), ("UnitNorm", (1,))),
        *(("UnitNorm", ()), ("MinMaxNorm", (2.0, 3.0, 0.7)), ("MinMaxNorm", (2.0, 9.0, 1.0, 1))),
    ],
)
def test_constraints(name, args, compare):
    ours, theirs = (getattr(m.constraints, name)(*args) for m in (jkeras, keras))
    compare(f"constraints.{name}", ours(X), theirs(X))
    both_ways("constraints", ours, theirs)


# ------------------------------------------------------------------ random
@pytest.mark.parametrize(
    ("name", "args"),
    [
        *(("normal", (1.0, 2.0)), ("truncated_normal", (1.0, 2.0)), ("uniform", (-1.0, 3.0))),
        *(("randint", (0, 7)), ("gamma", (2.0,)), ("beta", (2.0, 3.0)), ("binomial", (9, 0.3))),
    ],
)
def test_random(name, args, compare):
    ours, theirs = (getattr(m.random, name)((20_000,), *args, seed=1) for m in (jkeras, keras))
    assert ours.dtype == theirs.dtype
    a, b = (np.asarray(x, "float64") for x in (ours, theirs))
    for statistic in (
        np.mean,
        np.std,
        lambda x: np.quantile(x, 0.05),
        lambda x: np.quantile(x, 0.95),
    ):
        compare(f"random.{name}: statistics", statistic(a) / b.std(), statistic(b) / b.std(), 0.06)


def test_categorical_and_dropout(compare):
    logits = np.log(np.float32([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]]))
    ours, theirs = (m.random.categorical(logits, 20_000, seed=1) for m in (jkeras, keras))
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    compare("random.categorical: statistics", ours.mean(1), theirs.mean(1), 0.03)
    ones = np.ones((500, 40), "float32")
    for options in ({}, {"noise_shape": (500, 1)}):
        ours, theirs = (m.random.dropout(ones, 0.3, seed=1, **options) for m in (jkeras, keras))
        compare("random.dropout: statistics", ours.mean(), theirs.mean(), 0.1)


# ------------------------------------------------------------------ tree, utils, backend
STRUCTURES = [
    *(1, None, [], {"b": 1, "a": [2, (3, None)]}, [1, [2, {"z": 3, "y": 4}]], ((1, 2), [3])),
    {1: "x", "a": "y"},
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=repr)
def test_tree(structure):
    mine, theirs = jkeras.tree, keras.tree
    for name in ("flatten", "is_nested", "lists_to_tuples", "flatten_with_path"):
        ours, expected = (getattr(m, name)(structure) for m in (mine, theirs))
        assert ours == expected, name
        assert repr(ours) == repr(expected), name
    for function in (lambda x: (x,), lambda x: [x, x]):
        expected = theirs.map_structure(function, structure)
        assert repr(mine.map_structure(function, structure)) == repr(expected)
    leaves = list(range(len(theirs.flatten(structure))))
    assert repr(mine.pack_sequence_as(structure, leaves)) == repr(
        theirs.pack_sequence_as(structure, leaves)
    )

    def double(x):
        return x * 2 if isinstance(x, int) else None

    for top_down in (True, False):
        assert mine.traverse(double, structure, top_down) == theirs.traverse(
            double, structure, top_down
        )


@pytest.mark.parametrize("a", STRUCTURES, ids=repr)
def test_tree_structures_that_differ(a):
    for b in STRUCTURES:
        results = []
        for library in (jkeras, keras):
            try:
                library.tree.assert_same_structure(a, b)
                results.append("same")
            except ValueError:
                results.append("different")
        assert results[0] == results[1], (a, b)


@pytest.mark.parametrize(
    "call",
    [
        lambda u: u.to_categorical([0, 2, 1]),
        lambda u: u.to_categorical([[0], [2]], 4),
        lambda u: u.to_categorical(np.array([[0, 1], [2, 0]])),
        lambda u: u.normalize(X),
        lambda u: u.normalize(np.array([3.0, 4.0])),
        lambda u: u.pad_sequences([[1], [2, 3], [4, 5, 6]]),
        lambda u: u.pad_sequences([[1], [2, 3], [4, 5, 6]], 2, "float32", "post", "post", -1),
        lambda u: u.pad_sequences([[[1, 2]], [[3, 4], [5, 6]]], maxlen=3),
    ],
)
def test_utils(call, compare):
    ours, theirs = call(jkeras.utils), call(keras.utils)
    compare("utils", ours, theirs)
    assert (type(ours), ours.dtype) == (type(theirs), theirs.dtype)


@pytest.mark.parametrize(
    "first", ["bool", "int8", "uint8", "int32", "float16", "bfloat16", "float32", int, float]
)
def test_result_types(first):
    for second in (
        "bool",
        "int8",
        "uint8",
        "uint32",
        "int32",
        "float16",
        "bfloat16",
        "float32",
        int,
        float,
    ):
        expected = keras.backend.result_type(first, second)
        assert jkeras.backend.result_type(first, second) == expected, (first, second)
