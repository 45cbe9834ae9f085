"""Configurations, shapes, weights and masks that nobody wrote down, in both libraries.

What may be configured is read from the signatures, by the arguments' names; hypothesis draws it,
the same on every run.
"""

import inspect

import jax
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import jkeras
from tests.catalog.losses import LOSSES
from tests.catalog.metrics import METRICS
from tests.catalog.optimizers import OPTIMIZERS
from tests.interop.test_metrics import FLOATS
from tests.interop.test_optimizers import STEPS, Pair, where_it_is_a_number
from tests.tools.keras_names import find

pytestmark = [
    # Keras's own confusion matrix asks JAX for int64.
    pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64"),
    # Raised inside Keras, whose variables know an older protocol of NumPy.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def generated(examples):
    """Returns hypothesis's settings: the same examples on every run, none of them shrunk."""
    return settings(
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        max_examples=examples,
        suppress_health_check=list(HealthCheck),
    )


def between(low, high):
    return st.floats(low, high).map(lambda x: round(x, 3))


def one_of(*values):
    return st.sampled_from(values)


seeds, booleans = st.integers(0, 2**16), st.booleans()
shapes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)

# ------------------------------------------------------------------ options, by area and name
OPTIONS = {
    "losses": {
        "reduction": one_of("sum", "sum_over_batch_size", "mean", "mean_with_sample_weight", None),
        "label_smoothing": between(0.0, 0.4),
        "delta": between(0.1, 3.0),
        "alpha": between(0.1, 0.9),
        "beta": between(0.1, 0.9),
        "gamma": between(0.5, 4.0),
        "q": between(0.1, 0.9),
        "margin": between(0.1, 0.6),
        "smooth": between(0.1, 0.9),
        "apply_class_balancing": booleans,
        "ignore_class": st.integers(-1, 3),
        "remove_diagonal": booleans,
    },
    "metrics": {
        "threshold": between(0.2, 0.8),
        "num_thresholds": st.integers(3, 20),
        "curve": one_of("ROC", "PR", "PRGAIN"),
        "summation_method": one_of("interpolation", "minoring", "majoring"),
        "label_smoothing": between(0.0, 0.4),
        "k": st.integers(1, 4),
        "average": one_of(None, "micro", "macro", "weighted"),
        "beta": between(0.3, 3.0),
        "class_id": st.integers(0, 2),
        **dict.fromkeys(("specificity", "sensitivity", "precision", "recall"), between(0.1, 0.9)),
        "class_aggregation": one_of("uniform_average", "variance_weighted_average", None),
        "ignore_class": one_of(None, 0, 2),
    },
    "optimizers": {
        "learning_rate": between(0.005, 0.05),
        "momentum": between(0.1, 0.9),
        "nesterov": booleans,
        "rho": between(0.5, 0.95),
        "centered": booleans,
        "beta_1": between(0.5, 0.95),
        "beta_2": between(0.6, 0.999),
        "epsilon": between(0.001, 0.1),
        "amsgrad": booleans,
        "weight_decay": between(0.001, 0.1),
        "use_ema": booleans,
        "ema_momentum": between(0.5, 0.99),
        "ema_overwrite_frequency": st.integers(1, 5),
        "gradient_accumulation_steps": st.integers(2, 4),
        "initial_accumulator_value": between(0.1, 0.5),
        "l1_regularization_strength": between(0.0, 0.3),
        "l2_regularization_strength": between(0.0, 0.3),
        "clip_threshold": between(0.5, 2.0),
        "warmup_steps": st.integers(0, 10),
    },
    "optimizers.schedules": {
        "initial_learning_rate": between(0.01, 1.0),
        "decay_steps": st.integers(1, 30),
        "first_decay_steps": st.integers(2, 20),
        "decay_rate": between(0.1, 0.99),
        "staircase": booleans,
        "end_learning_rate": between(0.0, 0.01),
        "power": between(0.5, 3.0),
        "cycle": booleans,
        "alpha": between(0.0, 0.5),
        "warmup_target": one_of(None, 0.5, 1.5),
        "warmup_steps": st.integers(1, 20),
        "t_mul": between(1.0, 3.0),
        "m_mul": between(0.5, 1.0),
    },
    "initializers": {
        "mean": between(-2.0, 2.0),
        "stddev": between(0.1, 2.0),
        "minval": between(-2.0, 0.0),
        "maxval": between(0.1, 2.0),
        "value": between(-2.0, 2.0),
        "gain": between(0.1, 3.0),
        "scale": between(0.1, 3.0),
        "mode": one_of("fan_in", "fan_out", "fan_avg"),
        "distribution": one_of("uniform", "truncated_normal", "untruncated_normal"),
    },
    "activations": {
        "negative_slope": between(0.0, 0.5),
        "max_value": one_of(None, 0.7, 2.0),
        "threshold": between(0.0, 1.0),
        "default_value": between(-1.0, 1.0),
        "value": between(-1.0, 1.0),
        "alpha": between(0.1, 2.0),
        "approximate": booleans,
        "b": between(0.5, 5.0),
    },
    "regularizers": {n: between(0.0, 0.5) for n in ("l1", "l2", "factor")},
    "constraints": {
        "min_value": between(0.0, 1.0),
        "max_value": between(1.0, 3.0),
        "rate": between(0.1, 1.0),
        "axis": one_of(0, 1, (0, 1)),
    },
}
REQUIRED = {
    "learning_rate",
    "initial_learning_rate",
    *("decay_steps", "first_decay_steps", "decay_rate", "maxval", "threshold", "default_value"),
}


@st.composite
def options_of(draw, area, name):
    """Draws some of the arguments that a class or function of Keras takes."""
    parameters = inspect.signature(find(keras, f"{area}.{name}")).parameters
    known = {n: s for n, s in OPTIONS[area].items() if n in parameters}
    return {n: draw(s) for n, s in known.items() if n in REQUIRED or draw(booleans)}


def both(area, name, options):
    return (find(m, f"{area}.{name}")(**options) for m in (jkeras, keras))


def firsts(cases):
    """Returns the first case of each name."""
    return list({case.name: case for case in reversed(cases)}.values())[::-1]


# ------------------------------------------------------------------ losses and metrics
@pytest.mark.parametrize("case", firsts(LOSSES), ids=lambda case: case.name)
def test_losses(case, compare):
    @generated(4)
    @given(
        options_of("losses", case.name), seeds, st.integers(2, 5), *[one_of(False, False, True)] * 2
    )
    def run(options, seed, batch, weighted, masked):
        rng = np.random.default_rng(seed)
        ours, theirs = (case.make(m.losses, **options) for m in (jkeras, keras))
        y_true, y_pred = case.draw(rng, batch)
        values = case.make(jkeras.losses, **{**options, "reduction": None})(y_true, y_pred)
        weights = rng.random(values.shape).astype("f4") if weighted else None
        mask = rng.random(values.shape) < 0.6 if masked and values.shape else None

        if mask is not None:  # which Keras keeps on the array, and so not under jit
            masked = keras.ops.array(y_pred)
            masked._keras_mask = mask
            found = ours(y_true, y_pred, weights, mask=mask)
            compare(f"losses.{case.name}: masked", found, theirs(y_true, masked, weights))
            return

        def value_and_gradient(loss):
            total = lambda y_pred: loss(y_true, y_pred, weights).sum()
            return jax.jit(jax.value_and_grad(total))(y_pred)

        found, expected = map(value_and_gradient, (ours, theirs))
        compare(f"losses.{case.name}", found[0], expected[0])
        compare(f"losses.{case.name}: gradient", found[1], expected[1])

    run()


@pytest.mark.parametrize("case", firsts(METRICS), ids=lambda case: case.name)
def test_metrics(case, compare):
    @generated(3)
    @given(
        options_of("metrics", case.name),
        seeds,
        st.lists(one_of(3, 6), min_size=1, max_size=2),
        booleans,
    )
    def run(options, seed, batches, weighted):
        rng = np.random.default_rng(seed)
        if case.name in FLOATS:  # Keras counts these in int32, which cuts off weights
            options = {**options, "dtype": "float32"}
        ours, theirs = (case.make(m.metrics, **options) for m in (jkeras, keras))
        for batch in batches:
            data = case.draw(rng, batch)
            weights = {}
            if weighted and case.weights:
                # Keras takes weights of samples neither for maps nor where a class is ignored.
                each = case.name in FLOATS or options.get("ignore_class") is not None
                shape = data[0].shape[:2] if each else batch
                weights = {"sample_weight": rng.random(shape).astype("f4")}
            ours.update_state(*data, **weights)
            theirs.update_state(*data, **weights)
        compare(f"metrics.{case.name}", ours.result(), theirs.result())

    run()


# ------------------------------------------------------------------ optimizers and schedules
@pytest.mark.parametrize("case", OPTIMIZERS, ids=lambda case: case.name)
def test_optimizers(case, compare):
    weights = st.lists(one_of((), (3,), (2, 3), (4, 2), (2, 3, 2)), min_size=1, max_size=3)

    @generated(2)
    @given(options_of("optimizers", case.name), seeds, weights)
    def run(options, seed, weights):
        if not options.get("use_ema"):
            options.pop("ema_overwrite_frequency", None)
        shapes = {f"w{i}": shape for i, shape in enumerate(weights)}
        pair = Pair(lambda o: case.make(o, **options), seed, shapes)
        for _ in range(STEPS):
            pair.step()
        pair.check(compare, f"optimizers.{case.name}")

    run()


SCHEDULES = ["ExponentialDecay", "InverseTimeDecay", "PolynomialDecay"]


@pytest.mark.parametrize("name", [*SCHEDULES, "CosineDecay", "CosineDecayRestarts"])
def test_schedules(name, compare):
    steps = np.arange(0, 60, dtype="int32")

    @generated(5)
    @given(options_of("optimizers.schedules", name))
    def run(options):
        ours, theirs = both("optimizers.schedules", name, options)
        found, expected = (jax.jit(jax.vmap(schedule))(steps) for schedule in (ours, theirs))
        expected = where_it_is_a_number(name, found, expected)
        compare(f"optimizers.schedules.{name}", found, expected)

    run()


@generated(5)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5, unique=True), seeds)
def piecewise(compare, boundaries, seed):
    values = np.random.default_rng(seed).random(len(boundaries) + 1).tolist()
    options = {"boundaries": sorted(boundaries), "values": values}
    ours, theirs = both("optimizers.schedules", "PiecewiseConstantDecay", options)
    steps = np.arange(0, 60, dtype="int32")
    compare(
        "optimizers.schedules.PiecewiseConstantDecay",
        jax.jit(jax.vmap(ours))(steps),
        jax.jit(jax.vmap(theirs))(steps),
    )


def test_piecewise_constants(compare):
    piecewise(compare)


# ------------------------------------------------------------------ functions of one array
def names_of(area, wanted):
    return [n for n, v in vars(getattr(keras, area)).items() if wanted(v) and n not in EXCEPTED]


# Keras's sparsemax is wrong, see test_parts; the rest are no functions of an array.
EXCEPTED = {"sparsemax", "get", "serialize", "deserialize"}
EXCEPTED |= {"Initializer", "Regularizer", "Constraint"}


@pytest.mark.parametrize("name", names_of("activations", inspect.isfunction))
def test_activations(name, compare):
    @generated(3)
    @given(options_of("activations", name), shapes, seeds)
    def run(options, shape, seed):
        shape = (*shape[:-1], 2 * shape[-1])  # glu halves an axis
        x = np.random.default_rng(seed).normal(0, 2, shape).astype("f4")

        def value_and_gradient(function):
            outputs, pullback = jax.vjp(lambda x: function(x, **options), x)
            return outputs, pullback(jax.numpy.cos(outputs))[0]

        found, expected = (
            jax.jit(value_and_gradient, static_argnums=0)(getattr(m.activations, name))
            for m in (jkeras, keras)
        )
        compare(f"activations.{name}", found[0], expected[0])
        compare(f"activations.{name}: gradient", found[1], expected[1])

    run()


@pytest.mark.parametrize("name", ["L1", "L2", "L1L2", "OrthogonalRegularizer"])
def test_regularizers(name, compare):
    @generated(5)
    @given(options_of("regularizers", name), shapes, seeds)
    def run(options, shape, seed):
        if name == "OrthogonalRegularizer":
            shape = (shape[0] + 1, shape[-1] + 1)  # two axes, and two rows at least
        w = np.random.default_rng(seed).normal(size=shape).astype("f4")
        found, expected = (
            jax.jit(jax.value_and_grad(f))(w) for f in both("regularizers", name, options)
        )
        compare(f"regularizers.{name}", found[0], expected[0])
        compare(f"regularizers.{name}: gradient", found[1], expected[1])

    run()


@pytest.mark.parametrize("name", ["MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"])
def test_constraints(name, compare):
    @generated(6)
    @given(options_of("constraints", name), shapes, seeds)
    def run(options, shape, seed):
        shape = (*shape, 3)  # an axis 1 as well
        w = np.random.default_rng(seed).normal(0, 2, shape).astype("f4")
        ours, theirs = both("constraints", name, options)
        compare(f"constraints.{name}", ours(w), theirs(w))

    run()


# ------------------------------------------------------------------ distributions
RANDOM = ["RandomNormal", "RandomUniform", "TruncatedNormal", "VarianceScaling", "Orthogonal"]
RANDOM += [f"{who}{kind}" for who in ("Glorot", "He", "Lecun") for kind in ("Uniform", "Normal")]


@pytest.mark.parametrize("name", RANDOM)
def test_distributions(name, compare):
    @generated(3)
    @given(options_of("initializers", name), one_of((120, 100), (100, 160), (3, 3, 24, 60)), seeds)
    def run(options, shape, seed):
        a, b = (
            np.sort(np.ravel(init(shape)))
            for init in both("initializers", name, {**options, "seed": seed})
        )
        # Kolmogorov and Smirnov's distance of two samples; of 12,000 numbers each, one
        # distribution gives more than 0.03 once in 25,000 cases.
        both_samples = np.concatenate([a, b])
        shares = [np.searchsorted(x, both_samples, side="right") / x.size for x in (a, b)]
        compare(f"initializers.{name}: distribution", *shares, 0.03)

    run()


@pytest.mark.parametrize("name", ["Zeros", "Ones", "Constant", "Identity"])
def test_constant_initializers(name, compare):
    @generated(4)
    @given(options_of("initializers", name), shapes)
    def run(options, shape):
        shape = (shape[0], shape[-1]) if name == "Identity" else shape
        ours, theirs = both("initializers", name, options)
        compare(f"initializers.{name}", ours(shape), theirs(shape))

    run()


# ------------------------------------------------------------------ functions, noise, categories
MERGES = ["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate", "dot"]


@pytest.mark.parametrize("name", MERGES)
def test_merges_as_functions(name, compare):
    @generated(3)
    @given(st.integers(1, 4), st.integers(1, 4), st.integers(2, 3), seeds)
    def run(batch, size, count, seed):
        count = 2 if name in ("subtract", "dot") else count
        arrays = list(np.random.default_rng(seed).normal(size=(count, batch, size)).astype("f4"))
        options = {"axes": 1} if name == "dot" else {}
        ours, theirs = (getattr(m.layers, name)(arrays, **options) for m in (jkeras, keras))
        compare(f"layers.{name}", ours, theirs)

    run()


NOISE = {
    "Dropout": (0.3,),
    "AlphaDropout": (0.3,),
    "GaussianDropout": (0.3,),
    "GaussianNoise": (0.5,),
    "SpatialDropout1D": (0.3,),
    "SpatialDropout2D": (0.3,),
    "SpatialDropout3D": (0.3,),
}


@pytest.mark.parametrize(("name", "args"), NOISE.items())
def test_noise(name, args, compare):
    """Nothing in inference; in training, one distribution, and the same for all of a channel."""
    axes = int(name[-2]) if name[-1] == "D" else 1
    x = np.full((3000, *[2] * axes, 4), 1.5, "f4")
    ours, theirs = (getattr(m.layers, name)(*args, seed=1) for m in (jkeras, keras))
    compare(f"layers.{name}", ours(x[:5], training=False), theirs(x[:5], training=False))
    a, b = (np.asarray(layer(x, training=True)) for layer in (ours, theirs))
    for each in (a, b):  # whether a channel is kept or dropped as a whole
        whole = np.ptp(each.reshape(3000, -1, 4), axis=1) == 0
        assert whole.all() == (name[-1] == "D")
    levels = np.linspace(-3.0, 5.0, 41)
    shares = [(x.reshape(-1)[:, None] < levels).mean(0) for x in (a, b)]
    compare(f"layers.{name}: distribution", *shares, 0.03)


def test_categories(compare):
    numbers = np.random.default_rng(0).integers(0, 5, (6, 3))
    for mode in ("multi_hot", "one_hot", "count"):
        x = numbers[:, :1] if mode == "one_hot" else numbers
        ours, theirs = (m.layers.CategoryEncoding(5, mode)(x) for m in (jkeras, keras))
        compare("layers.CategoryEncoding", ours, theirs)
    values = np.random.default_rng(1).normal(size=(6, 3)).astype("f4")
    for mode in ("int", "multi_hot", "count"):
        ours, theirs = (
            m.layers.Discretization([-0.5, 0.0, 1.0], output_mode=mode)(values)
            for m in (jkeras, keras)
        )
        compare("layers.Discretization", ours, theirs)


def test_lambda(compare):
    x = np.float32([[1, 2], [3, 4]])
    ours, theirs = (m.layers.Lambda(lambda x: x**2, output_shape=(2,)) for m in (jkeras, keras))
    compare("layers.Lambda", ours(x), theirs(x))
