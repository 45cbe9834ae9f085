"""keras.random: distributions, shapes, dtypes and seeds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import Variable, random

N = 20_000


@pytest.mark.parametrize(
    ("name", "args", "mean", "std", "low", "high"),
    [
        ("normal", (2.0, 0.5), 2.0, 0.5, None, None),
        ("truncated_normal", (2.0, 0.5), 2.0, 0.5 * 0.8796, 1.0, 3.0),
        ("uniform", (-1.0, 3.0), 1.0, 4 / np.sqrt(12), -1.0, 3.0),
        ("randint", (0, 5), 2.0, np.sqrt(2), 0, 4),
        ("gamma", (4.0,), 4.0, 2.0, 0, None),
        ("beta", (2.0, 2.0), 0.5, np.sqrt(1 / 20), 0, 1),
        ("binomial", (10, 0.3), 3.0, np.sqrt(2.1), 0, 10),
    ],
)
def test_distributions(name, args, mean, std, low, high):
    x = np.asarray(getattr(random, name)((N,), *args, seed=1), "float64")
    assert x.mean() == pytest.approx(mean, abs=4 * std / np.sqrt(N))
    assert x.std() == pytest.approx(std, rel=0.05)
    assert low is None or x.min() >= low
    assert high is None or x.max() <= high


def test_categorical():
    logits = np.log([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])
    draws = random.categorical(logits, N, seed=1)
    assert (draws.shape, draws.dtype) == ((2, N), "int32")
    for row, expected in zip(np.asarray(draws), np.exp(logits)):
        np.testing.assert_allclose(np.bincount(row, minlength=3) / N, expected, atol=0.02)
    with pytest.raises(ValueError, match="should be a 2-D tensor"):
        random.categorical(logits[0], 2)


@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_dropout(rate):
    x = jnp.ones((100, 100))
    dropped = np.asarray(random.dropout(x, rate, seed=1))
    assert set(np.unique(dropped)) <= {0.0, np.float32(1 / (1 - rate)) if rate < 1 else 0.0}
    assert (dropped == 0).mean() == pytest.approx(rate, abs=0.02)
    rows = np.asarray(random.dropout(x, 0.5, noise_shape=(None, 1), seed=1))
    assert (rows == rows[:, :1]).all()
    gradient = jax.grad(lambda x: random.dropout(x, rate, seed=1).sum())(x)
    np.testing.assert_allclose(gradient, dropped, rtol=1e-6)


def test_shuffle():
    x = np.arange(12).reshape(4, 3)
    rows = np.asarray(random.shuffle(x, seed=1))
    assert sorted(map(tuple, rows)) == sorted(map(tuple, x))
    columns = np.asarray(random.shuffle(x, axis=1, seed=1))
    assert sorted(map(tuple, columns.T)) == sorted(map(tuple, x.T))
    assert sorted(random.shuffle([3, 1, 2], seed=1).tolist()) == [1, 2, 3]


# ------------------------------------------------------------------ shapes and dtypes
FLOATS = [
    *(("normal", ()), ("truncated_normal", ()), ("uniform", ()), ("gamma", (2.0,))),
    *(("beta", (2.0, 3.0)), ("binomial", (5, 0.5))),
]


@pytest.mark.parametrize(("name", "args"), FLOATS)
def test_dtypes(name, args):
    draw = getattr(random, name)

    def dtype(**options):
        """Returns the dtype of a draw; nothing is computed, since compiling takes seconds."""
        return jax.eval_shape(lambda: draw((2, 3), *args, seed=1, **options)).dtype

    assert dtype() == "float32"
    assert dtype(dtype="bfloat16") == "bfloat16"
    keras.config.set_floatx("float16")
    assert dtype() == "float16"
    with pytest.raises(ValueError, match=f"`keras.random.{name}` requires a floating point"):
        draw((2,), *args, dtype="int32")


def test_integer_dtypes():
    assert random.randint((3,), 0, 9, dtype="uint8").dtype == "uint8"
    with pytest.raises(ValueError, match=r"randint` requires an integer"):
        random.randint((3,), 0, 9, dtype="float32")
    assert random.categorical(np.zeros((2, 3)), 4, dtype="float32").dtype == "float32"


def test_shapes():
    for shape, expected in ((3, (3,)), ([2, 3], (2, 3)), (np.array([2, 3]), (2, 3)), ((), ())):
        assert random.normal(shape, seed=1).shape == expected
    assert random.gamma((2, 2), [1.0, 2.0]).shape == (2, 2)


# ------------------------------------------------------------------ seeds
@pytest.mark.parametrize(
    "seed",
    [1, np.int64(1), lambda: random.SeedGenerator(1), lambda: jax.random.key(1),
     lambda: random.SeedGenerator(1).next()],
)  # fmt: skip
def test_seeds(seed):
    first, again = (random.normal((3,), seed=seed() if callable(seed) else seed) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_generators_go_on():
    generator = random.SeedGenerator(1)
    first, second = (random.normal((3,), seed=generator) for _ in range(2))
    assert not np.allclose(first, second)
    again = random.SeedGenerator.from_config(generator.get_config())
    np.testing.assert_array_equal(random.normal((3,), seed=again), first)
    assert again.name == generator.name
    assert isinstance(generator.state, Variable)


def test_without_a_seed_each_draw_is_new_and_the_global_seed_decides():
    def draw():
        keras.utils.set_random_seed(3)
        return [np.asarray(random.normal((2,))) for _ in range(2)]

    first, second = draw()
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(draw(), [first, second])


@pytest.mark.parametrize("seed", ["a", 1.5, [1, 2]])
def test_bad_seeds(seed):
    with pytest.raises(
        ValueError, match="must be either an integer or an instance of `SeedGenerator`"
    ):
        random.normal((2,), seed=seed)


def test_bad_generators():
    with pytest.raises(ValueError, match="integer or None"):
        random.SeedGenerator("a")
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        random.SeedGenerator(1, sead=2)


@pytest.mark.parametrize("draw", [keras.random.normal, lambda s: keras.random.randint(s, 0, 9)])
def test_numbers_of_the_global_seed_are_no_constants_of_a_compiled_function(draw):
    with pytest.raises(ValueError, match="you should only use seeded random ops"):
        jax.jit(lambda: draw((2,)))()
    drawn = jax.jit(lambda key: keras.random.normal((2,), seed=key))
    assert (drawn(jax.random.key(0)) != drawn(jax.random.key(1))).all()
    assert draw((2,)).shape == (2,)


def test_a_seed_that_is_no_seed():
    with pytest.raises(ValueError, match=r"Argument `seed` must be either an integer.*'one'"):
        keras.random.SeedGenerator("one")


def test_packages_for_several_backends_may_pass_theirs_to_a_seed_generator():
    ours, theirs = random.SeedGenerator(1), random.SeedGenerator(1, backend=keras.backend)
    assert (ours.next() == theirs.next()).all()
    with pytest.raises(ValueError, match="Unrecognized keyword arguments"):
        random.SeedGenerator(1, device="cpu")
