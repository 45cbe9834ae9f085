"""Initializers: shapes, distributions, fans, keys and configs."""

import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jkeras as keras
from jkeras import initializers, pure
from jkeras.base import registry

N = (100, 80)
CLASSES = [
    c
    for c in vars(initializers).values()
    if isinstance(c, type)
    and issubclass(c, initializers.Initializer)
    and c is not initializers.Initializer
]
CLASSES = list(dict.fromkeys(CLASSES))


def make(cls, **kwargs):
    if "seed" in registry.constructor_arguments(cls()):
        kwargs["seed"] = 3
    return cls(**kwargs)


def shape_for(cls):
    return (8, 1, 5) if cls is initializers.STFT else (4, 4)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_every_initializer(cls):
    initializer, shape = make(cls), shape_for(cls)
    array = initializer(shape)
    assert (array.shape, array.dtype) == (shape, "float32")
    assert jnp.isfinite(array).all()
    np.testing.assert_array_equal(array, initializer(shape))  # the same at each call
    assert initializer(shape, dtype="float16").dtype == "float16"
    config = json.loads(json.dumps(initializers.serialize(initializer)))
    assert config["module"] == "keras.initializers"
    again = initializers.deserialize(config)
    assert type(again) is cls
    assert again.get_config() == initializer.get_config()
    np.testing.assert_array_equal(again(shape), array)
    assert type(initializers.get(cls.__name__)) is cls


# ------------------------------------------------------------------ distributions
def moments(initializer, shape=N):
    x = np.asarray(initializer(shape), "float64")
    return x.mean(), x.std(), x.min(), x.max()


@pytest.mark.parametrize(
    ("initializer", "mean", "std", "limit"),
    [
        (initializers.RandomNormal(1.0, 0.5, seed=1), 1.0, 0.5, None),
        (initializers.RandomUniform(-2.0, 4.0, seed=1), 1.0, 6 / math.sqrt(12), 3.0),
        (initializers.TruncatedNormal(1.0, 0.5, seed=1), 1.0, 0.5 * 0.8796, 1.0),
        (initializers.GlorotUniform(seed=1), 0, math.sqrt(2 / 180), math.sqrt(6 / 180)),
        (initializers.GlorotNormal(seed=1), 0, math.sqrt(2 / 180), None),
        (initializers.HeUniform(seed=1), 0, math.sqrt(2 / 100), math.sqrt(6 / 100)),
        (initializers.HeNormal(seed=1), 0, math.sqrt(2 / 100), None),
        (initializers.LecunUniform(seed=1), 0, math.sqrt(1 / 100), math.sqrt(3 / 100)),
        (initializers.LecunNormal(seed=1), 0, math.sqrt(1 / 100), None),
        (
            initializers.VarianceScaling(3.0, "fan_out", "untruncated_normal", seed=1),
            *(0, math.sqrt(3 / 80), None),
        ),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "sample") else None,
)
def test_distributions(initializer, mean, std, limit):
    found_mean, found_std, low, high = moments(initializer)
    assert found_mean == pytest.approx(mean, abs=4 * std / math.sqrt(8000))
    assert found_std == pytest.approx(std, rel=0.03)
    if limit is not None:
        assert mean - limit <= low < mean - 0.9 * limit
        assert mean + 0.9 * limit < high <= mean + limit + 1e-6


@pytest.mark.parametrize(
    ("shape", "axes", "fans"),
    [
        ((), {}, (1, 1)),
        ((7,), {}, (7, 7)),
        ((3, 5), {}, (3, 5)),
        ((3, 3, 4, 8), {}, (36, 72)),
        ((2, 3, 4), {"input_axes": 0}, (2, 12)),
        ((2, 3, 4), {"output_axes": (1, 2)}, (2, 12)),
        ((2, 3, 4), {"input_axes": (0, 1), "output_axes": -1}, (6, 4)),
        ((2, 3, 4), {"input_axes": [-1], "output_axes": [0]}, (4, 2)),
    ],
)
def test_fans(shape, axes, fans):
    assert initializers.compute_fans(shape, **axes) == fans


def test_values():
    assert initializers.Constant([1.0, 2.0])((3, 2)).tolist() == [[1, 2]] * 3
    assert initializers.Identity(2.0)((2, 3)).tolist() == [[2, 0, 0], [0, 2, 0]]
    assert initializers.Ones()(3).tolist() == [1, 1, 1]
    assert initializers.Zeros()((2,), dtype="bool").tolist() == [False, False]


@pytest.mark.parametrize("shape", [(4, 4), (6, 3), (3, 6), (2, 3, 5)])
def test_orthogonal(shape):
    q = np.asarray(initializers.Orthogonal(gain=2.0, seed=1)(shape)).reshape(-1, shape[-1])
    rows, columns = q.shape
    product = q.T @ q if rows >= columns else q @ q.T
    np.testing.assert_allclose(product, 4 * np.eye(min(rows, columns)), atol=1e-5)


def test_short_time_transform_kernel():
    kernels = [
        np.asarray(initializers.STFT(side, None)((8, 1, 5)))[:, 0] for side in ("real", "imag")
    ]
    x = np.random.RandomState(0).randn(8)
    expected = np.fft.rfft(x)
    np.testing.assert_allclose(x @ kernels[0] + 1j * (x @ kernels[1]), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("scaling", "norm"), [("density", lambda w: np.sqrt((w**2).sum())), ("spectrum", np.sum)]
)
@pytest.mark.parametrize("periodic", [False, True])
def test_windows_of_fourier_transforms(scaling, norm, periodic):
    window = np.hanning(9)[:8] if periodic else np.hanning(8)
    kernel = initializers.STFT("real", "hann", scaling, periodic)((8, 1, 5))
    np.testing.assert_allclose(kernel[:, 0, 0], window / norm(window), atol=1e-6)


# ------------------------------------------------------------------ keys
def test_seeds():
    normal = initializers.RandomNormal
    np.testing.assert_array_equal(normal(seed=1)((3,)), normal(seed=1)((3,)))
    assert not np.allclose(normal(seed=1)((3,)), normal(seed=2)((3,)))
    assert not np.allclose(normal()((3,)), normal()((3,)))
    generator = normal(seed=keras.random.SeedGenerator(1))
    assert not np.allclose(generator((3,)), generator((3,)))
    with pytest.raises(ValueError, match=r"`seed` argument should be .*'a'"):
        normal(seed="a")


def test_the_global_seed_decides():
    def draw():
        keras.utils.set_random_seed(5)
        return initializers.GlorotUniform()((3, 3))

    np.testing.assert_array_equal(draw(), draw())


def test_a_shared_initializer_draws_other_numbers_for_each_weight():
    shared = initializers.RandomNormal()
    first, second = (keras.layers.Dense(3, kernel_initializer=shared) for _ in range(2))
    for layer in (first, second):
        layer.build((None, 3))
    assert not np.allclose(first.kernel, second.kernel)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((), "float32"), ((0, 2), "float32"), ((70, 60), "float32"), ((7, 5), "bfloat16")],
)
def test_the_numbers_are_those_of_jax_for_the_shape(shape, dtype):
    """They are drawn as parts of longer arrays."""
    key = jax.random.key(5)
    normal = jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)
    pairs = [
        (initializers.RandomUniform(-3, 3), 3 * jax.random.uniform(key, shape, dtype, -1, 1)),
        (initializers.RandomUniform(-1, 2), jax.random.uniform(key, shape, dtype, -1, 2)),
        (initializers.RandomNormal(1, 2), 1 + 2 * jax.random.normal(key, shape, dtype)),
        (initializers.TruncatedNormal(1, 2), 1 + 2 * normal),
    ]
    for initializer, expected in pairs:
        found = initializer.sample(key, shape, dtype)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


def test_generators_whose_numbers_depend_on_the_shape_are_left_alone():
    key = jax.random.key(5, impl="rbg")
    found = initializers.RandomUniform(0, 1).sample(key, (3, 5), "float32")
    np.testing.assert_array_equal(found, jax.random.uniform(key, (3, 5)))


@pytest.mark.parametrize(("initializer", "programs"), [("glorot_uniform", 0), ("he_normal", 4)])
def test_shapes_share_the_programs_that_draw_them(monkeypatch, initializer, programs):
    drawn = []

    def noting(function):
        def noted(key, *args):
            drawn.append(next(a for a in args if isinstance(a, tuple)))
            return function(key, *args)

        return noted

    for name in ("uniform", "truncated_normal"):
        monkeypatch.setattr(jax.random, name, noting(getattr(jax.random, name)))
    layers = [keras.layers.Dense(n, kernel_initializer=initializer) for n in (7, 30, 100, 3)]
    keras.Sequential([keras.Input((4,)), *layers]).get_weights()
    assert len(drawn) == programs
    assert len(set(drawn)) == min(programs, 1)


@pytest.mark.parametrize("shape", [(), (0, 2), (7, 5), (70, 60), (600, 700)])
def test_small_arrays_are_drawn_as_large_ones(shape):
    """The latter by JAX; either way as JAX draws between -1 and 1."""
    key = jax.random.key(5)
    found = initializers.RandomUniform(-0.3, 0.3).sample(key, shape, "float32")
    expected = np.float32(0.3) * np.asarray(jax.random.uniform(key, shape, "float32", -1, 1))
    np.testing.assert_array_equal(found, expected)


def test_weights_drawn_within_a_traced_function_are_those_drawn_outside():
    keras.utils.set_random_seed(3)
    outside = keras.layers.Dense(3, kernel_initializer="orthogonal")
    outside.build((None, 4))
    kernel = np.asarray(outside.kernel)
    keras.utils.set_random_seed(3)
    inside = keras.layers.Dense(3, kernel_initializer="orthogonal")
    inside.build((None, 4))
    jax.jit(lambda x: x @ inside.kernel.value)(np.ones((1, 4), np.float32))
    np.testing.assert_allclose(inside.kernel, kernel, atol=1e-7)


def test_init_gives_the_key_to_initializers():
    dense = keras.layers.Dense(3, kernel_initializer="he_normal")
    draws = [pure.init(dense, jax.random.key(n), (None, 3)).params["kernel"] for n in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.allclose(draws[0], draws[2])


def test_an_own_initializer_with_a_key():
    class Shifted(initializers.Initializer):
        def sample(self, key, shape, dtype):
            return jax.random.normal(key, shape, dtype) + 10

    dense = keras.layers.Dense(2, kernel_initializer=Shifted())
    draws = [pure.init(dense, jax.random.key(n), (None, 2)).params["kernel"] for n in (1, 2)]
    assert all((draw > 0).all() for draw in draws)
    assert not np.allclose(*draws)


# ------------------------------------------------------------------ errors and lookup
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.VarianceScaling(scale=0.0), "`scale` must be positive"),
        (lambda: initializers.VarianceScaling(mode="fan"), "Invalid `mode` argument"),
        (lambda: initializers.VarianceScaling(distribution="x"), "Invalid `distribution` argument"),
        (lambda: initializers.Identity()((2, 2, 2)), "only be used for 2D matrices"),
        (lambda: initializers.Orthogonal()((2,)), "at least two-dimensional"),
        (lambda: initializers.STFT(side="both"), "side should be"),
        (lambda: initializers.STFT(scaling="x"), "Scaling is invalid"),
        (lambda: initializers.get("glorot_unifrom"), "did you mean 'glorot_uniform'"),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        *(("zero", initializers.Zeros), ("one", initializers.Ones)),
        *(("normal", initializers.RandomNormal), ("uniform", initializers.RandomUniform)),
        *(("glorot_uniform", initializers.GlorotUniform), ("HeNormal", initializers.HeNormal)),
        *(("IdentityInitializer", initializers.Identity), ("stft", initializers.STFT)),
        ("OrthogonalInitializer", initializers.Orthogonal),
    ],
)
def test_names(name, cls):
    assert type(initializers.get(name)) is cls


def test_other_identifiers():
    assert initializers.get(None) is None
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.get(np.ones(2))((2,)).tolist() == [1, 1]
    old = {"class_name": "VarianceScaling", "config": {"scale": 2.0, "distribution": "normal"}}
    assert initializers.get(old).distribution == "truncated_normal"


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 4), (3, 1)])
def test_orthogonal_matrices_are_those_of_jax(shape):
    found = keras.initializers.Orthogonal(gain=2.0, seed=7)(shape)
    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    drawn = jax.nn.initializers.orthogonal(2.0)(jax.random.key(7), (rows, columns))
    np.testing.assert_allclose(found, drawn.reshape(shape), 1e-5, 1e-5)
    q = np.asarray(found).reshape(rows, columns) / 2
    product = q.T @ q if rows >= columns else q @ q.T
    np.testing.assert_allclose(product, np.eye(min(rows, columns)), atol=1e-6)
    traced = jax.jit(lambda: keras.initializers.Orthogonal(gain=2.0, seed=7)(shape))()
    np.testing.assert_allclose(found, traced, 1e-5, 1e-5)
