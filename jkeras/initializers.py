"""Initializers: distributions from which weights start."""

import copy
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import host_random, registry, settings
from jkeras.base.keys import as_key, checked_seed, draw_integer_seed
from jkeras.base.numbers import as_number, checked_number
from jkeras.base.tracing import concretely
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Identifier, Seed, Shape

# Draws an array of a shape with a key.
Drawing = Callable[[Any, tuple[int, ...]], jax.Array]
# Arrays of at most so many elements (16 MiB of float32) are drawn by programs of six sizes, or
# filled by NumPy.
_MOST_AT_ONCE = 2**22


def _fill(draw: Drawing, key: Any, shape: tuple[int, ...]) -> jax.Array:
    """Returns `draw(key, shape)`, without compiling a program for each shape.

    JAX compiles a program for each shape that it draws, which takes it up to half a second on a
    CPU. Its numbers do not depend on the shape, and those of a shorter array are the first ones of
    a longer array: so one of a few lengths is drawn, and cut on the host.

    Args:
        draw: Makes an array of a shape, each element of which follows from its position in it.
        key: The key.
        shape: The shape.
    """
    count = math.prod(shape)
    traced = isinstance(key, jax.core.Tracer)
    if traced or count > _MOST_AT_ONCE or not host_random.counts_along(key):
        return draw(key, shape)
    size = 2**12
    while size < count:
        size *= 4  # four million numbers take a quarter of the time of a program
    with concretely():
        drawn = np.asarray(draw(key, (size,)))
        return jax.device_put(drawn[:count].reshape(shape).copy())


def _symmetric(limit: float, dtype: DTypeLike) -> Drawing:
    """Returns what draws numbers between `-limit` and `limit`."""
    return lambda key, shape: limit * jax.random.uniform(key, shape, dtype, -1.0, 1.0)


def _fill_symmetric(limit: float, dtype: DTypeLike, key: Any, shape: tuple[int, ...]) -> jax.Array:
    """Returns numbers between `-limit` and `limit`, drawn by NumPy where that is quicker.

    One product makes them of numbers between -1 and 1, which makes the same bits everywhere.
    """
    if jnp.dtype(dtype) == np.float32 and _may_use_numpy(key, shape):
        with concretely():
            return jax.device_put(np.float32(limit) * host_random.uniform(key, shape))
    return _fill(_symmetric(limit, dtype), key, shape)


def _may_use_numpy(key: Any, shape: tuple[int, ...]) -> bool:
    """Says whether NumPy can draw an array, and takes less time than JAX does to compile."""
    few = math.prod(shape) <= host_random.MOST_DRAWN
    return few and not isinstance(key, jax.core.Tracer) and host_random.counts_along(key)


def _normal_numbers(key: Any, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """Returns normal numbers, whose last bits do not depend on what a program does with them.

    They end in a product with a constant, which XLA would join with a next one.
    """
    drawn = jax.random.normal(key, shape, dtype)
    return jax.lax.optimization_barrier(drawn) if isinstance(drawn, jax.core.Tracer) else drawn


def _full(value: float, key: Any, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
    """Returns an array of one value, without a program where it is small."""
    if isinstance(key, jax.core.Tracer) or math.prod(shape) > _MOST_AT_ONCE:
        return jnp.full(shape, value, dtype)
    with concretely():
        return jax.device_put(np.full(shape, value, jax.dtypes.canonicalize_dtype(dtype)))


class Initializer(registry.Configurable):
    """The base of initializers.

    A subclass writes `__call__(self, shape, dtype=None)`, as in Keras; or, so that an explicit key
    reaches it, `sample(self, key, shape, dtype)`.

    Example:
        >>> import jkeras as keras
        >>> class Halves(keras.initializers.Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return keras.ops.full(shape, 0.5, dtype)
        >>> keras.layers.Dense(1, kernel_initializer=Halves())(keras.ops.ones((1, 4))).tolist()
        [[2.0]]
    """

    seed: Any = None
    # Whether it computes with all of an array, so that a device cannot make a part of it alone.
    of_whole: bool = False
    _own_seed: int | None = None

    def __init__(self) -> None:
        pass  # it takes no arguments, which the signature says

    def clone(self) -> Self:
        """Returns an equal initializer.

        Example:
            >>> import jkeras as keras
            >>> keras.initializers.Constant(2.0).clone().value
            2.0
        """
        return self.from_config(self.get_config())

    def elements(self, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing | None:
        """Returns what draws elements of an array, each from the key and its position in it.

        Args:
            shape: The shape of the array.
            dtype: Its dtype.

        Returns:
            A function of a key and a shape, which need not be that of the array; None where an
            element follows from more than its position.
        """
        return None

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        """Draws an array with a key."""
        drawing = self.elements(shape, dtype)
        if drawing is None:
            raise NotImplementedError(f"{type(self).__name__} has neither __call__ nor sample.")
        return _fill(drawing, key, shape)

    def __call__(self, shape: Shape, dtype: DTypeLike = None) -> jax.Array:
        """Returns an array; the same at each call, unless `seed` is a `SeedGenerator`.

        Args:
            shape: The shape.
            dtype: The dtype; `floatx()` by default.
        """
        shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in shape):
            raise ValueError(
                f"{type(self).__name__} makes arrays of a shape: a tuple of integers of at least "
                f"0. Received: shape={shape}"
            )
        _check_dtype(dtype)
        if self.seed is None and self._own_seed is None:
            self._own_seed = draw_integer_seed()
        key = as_key(self._own_seed if self.seed is None else self.seed)
        return self.sample(key, shape, dtype or settings.floatx())

    def draw(self, shape: tuple[int, ...], dtype: DTypeLike, key: jax.Array) -> jax.Array:
        """Returns a weight's initial value: follows from `key`, unless it has a seed of its own."""
        if type(self).__call__ is not Initializer.__call__:
            return self(shape, dtype=dtype)
        return self.sample(key if self.seed is None else as_key(self.seed), shape, dtype)


def _check_dtype(dtype: DTypeLike) -> None:
    try:
        jnp.dtype(dtype or "float32")
    except TypeError:
        raise ValueError(f"Unknown dtype {dtype!r} of a weight.") from None


def draw(
    initializer: Identifier, shape: tuple[int, ...], dtype: DTypeLike, key: jax.Array
) -> jax.Array:
    """Returns what an initializer, or a function of shape and dtype, gives."""
    if isinstance(initializer, Initializer):
        return initializer.draw(shape, dtype, key)
    value = initializer(shape, dtype=dtype)
    if value is None or isinstance(value, (str, bytes)):
        raise TypeError(
            f"The initializer {initializer!r} returned {value!r}, and not an array of shape "
            f"{shape}."
        )
    return jnp.asarray(value, dtype)


class Zeros(Initializer):
    """Zeros.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.Zeros()((2,)).tolist()
        [0.0, 0.0]
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        return _full(0, key, shape, dtype)


class Ones(Initializer):
    """Ones.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.Ones()((2,)).tolist()
        [1.0, 1.0]
    """

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        return _full(1, key, shape, dtype)


class Constant(Initializer):
    """The same value everywhere.

    Args:
        value: A number, or an array that broadcasts to the weight's shape.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.Constant(3.0)((2,)).tolist()
        [3.0, 3.0]
    """

    def __init__(self, value: ArrayLike = 0.0):
        self.value = value

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        value = jnp.asarray(self.value, dtype)
        fits = len(value.shape) <= len(shape) and all(
            m in (1, n) for m, n in zip(value.shape[::-1], shape[::-1], strict=False)
        )
        if not fits:
            raise ValueError(
                f"A Constant of shape {value.shape} cannot fill a weight of shape {shape}."
            )
        return jnp.broadcast_to(value, shape)


class Identity(Initializer):
    """The identity matrix times `gain`; for 2-D weights only.

    Args:
        gain: The factor.

    Raises:
        ValueError: If the weight has not two axes.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.Identity(gain=2.0)((2, 2)).tolist()
        [[2.0, 0.0], [0.0, 2.0]]
    """

    def __init__(self, gain: float = 1.0):
        self.gain = checked_number("gain", gain)

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return self.gain * jnp.eye(*shape, dtype=dtype)


class RandomNormal(Initializer):
    """A normal distribution.

    Args:
        mean: The mean.
        stddev: The standard deviation.
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.RandomNormal(stddev=0.1, seed=1)((2, 3)).shape
        (2, 3)
        >>> values = keras.initializers.RandomNormal(stddev=0.5, seed=0)((200, 300))
        >>> round(float(values.std()), 1)
        0.5
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Seed = None):
        self.mean, self.stddev = checked_number("mean", mean), checked_number("stddev", stddev, 0)
        self.seed = checked_seed(seed)

    def elements(self, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing:
        return lambda key, s: self.mean + self.stddev * _normal_numbers(key, s, dtype)


class TruncatedNormal(RandomNormal):
    """A normal distribution without what lies more than two standard deviations from the mean.

    Args:
        mean: The mean.
        stddev: The standard deviation before truncation.
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.

    Example:
        >>> import jkeras as keras
        >>> bool(abs(keras.initializers.TruncatedNormal(stddev=1.0, seed=1)((99,))).max() <= 2.0)
        True
    """

    def elements(self, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing:
        def draw(key: Any, shape: tuple[int, ...]) -> jax.Array:
            normal = jax.random.truncated_normal(key, -2.0, 2.0, shape, dtype)
            return self.mean + self.stddev * normal

        return draw


class RandomUniform(Initializer):
    """A uniform distribution.

    Args:
        minval: The lower end.
        maxval: The upper end.
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.RandomUniform(-1.0, 1.0, seed=1)((2, 3)).shape
        (2, 3)
        >>> values = keras.initializers.RandomUniform(0, 1, seed=0)((20, 30))
        >>> bool(values.min() >= 0)
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None):
        self.minval, self.maxval = (
            checked_number("minval", minval),
            checked_number("maxval", maxval, minval),
        )
        self.seed = checked_seed(seed)

    def elements(self, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing:
        if self.minval == -self.maxval:
            return _symmetric(self.maxval, dtype)
        return lambda key, s: jax.random.uniform(key, s, dtype, self.minval, self.maxval)

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        if self.minval == -self.maxval:
            return _fill_symmetric(self.maxval, dtype, key, shape)
        return super().sample(key, shape, dtype)


class VarianceScaling(Initializer):
    """A distribution whose variance follows from the weight's shape.

    Args:
        scale: The variance is `scale / n`.
        mode: What n is: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.
        input_axes: The axes that count into fan-in; all but the last by default.
        output_axes: The axes that count into fan-out.

    Raises:
        ValueError: If `scale` is not positive, or a word is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.initializers.VarianceScaling(2.0, "fan_in", "uniform")((2, 3)).shape
        (2, 3)
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Axis = None,
        output_axes: Axis = None,
    ):
        number = as_number(scale)
        if number is None or number <= 0.0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        distribution = distribution.lower()
        distribution = "truncated_normal" if distribution == "normal" else distribution
        for name, value, allowed in (
            ("mode", mode, ("fan_in", "fan_out", "fan_avg")),
            ("distribution", distribution, ("uniform", "truncated_normal", "untruncated_normal")),
        ):
            if value not in allowed:
                raise ValueError(
                    f"Invalid `{name}` argument: {value!r}. Expected one of {allowed}."
                )
        self.scale, self.mode, self.distribution = number, mode, distribution
        self.seed = checked_seed(seed)
        self.input_axes, self.output_axes = input_axes, output_axes

    def _variance(self, shape: tuple[int, ...]) -> float:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        return self.scale / max(1.0, n)

    def elements(self, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing:
        variance = self._variance(shape)
        if self.distribution == "uniform":
            return _symmetric(math.sqrt(3.0 * variance), dtype)
        if self.distribution == "untruncated_normal":
            return lambda key, s: math.sqrt(variance) * _normal_numbers(key, s, dtype)
        # Cutting a normal distribution at two standard deviations leaves it with 0.8796 of one.
        stddev = math.sqrt(variance) / 0.87962566103423978
        return lambda key, s: stddev * jax.random.truncated_normal(key, -2.0, 2.0, s, dtype)

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * self._variance(shape))
            return _fill_symmetric(limit, dtype, key, shape)
        return super().sample(key, shape, dtype)


_SAMPLES = (Initializer.sample, RandomUniform.sample, VarianceScaling.sample)


def drawing_of(initializer: Any, shape: tuple[int, ...], dtype: DTypeLike) -> Drawing | None:
    """Returns `initializer.elements(shape, dtype)`; None where something else draws the array.

    Args:
        initializer: An initializer, or what is called for an array.
        shape: The shape of the array.
        dtype: Its dtype.
    """
    own = isinstance(initializer, Initializer) and type(initializer).sample in _SAMPLES
    return initializer.elements(shape, dtype) if own else None


def counting(initializer: Identifier, input_axes: Axis) -> Any:
    """Returns an initializer that counts these axes, and no others, into a weight's fan-in.

    One that does not count, or was told which axes to count, stays as it is.
    """
    given = getattr(initializer, "input_axes", ()), getattr(initializer, "output_axes", ())
    if given != (None, None):
        return initializer
    changed = copy.copy(initializer)
    changed.input_axes = list(input_axes)
    return changed


def compute_fans(
    shape: tuple[int, ...], input_axes: Axis = None, output_axes: Axis = None
) -> tuple[int, int]:
    """Returns how many inputs and outputs a weight of this shape connects."""
    if input_axes is not None or output_axes is not None:
        axes = set(range(len(shape)))
        inputs, outputs = _axes(input_axes, len(shape)), _axes(output_axes, len(shape))
        inputs = axes - outputs if input_axes is None else inputs
        outputs = axes - inputs if output_axes is None else outputs
        return math.prod(shape[i] for i in inputs), math.prod(shape[i] for i in outputs)
    if len(shape) < 2:
        n = shape[0] if shape else 1
        return n, n
    field = math.prod(shape[:-2])
    return shape[-2] * field, shape[-1] * field


def _axes(axes: Axis, ndim: int) -> set[int]:
    return {int(a) % ndim for a in np.atleast_1d([] if axes is None else axes)}


def _scaled(scale: float, mode: str, distribution: str, name: str, paper: str) -> type:
    """Makes the class of a variance scaling that has a name of its own."""

    def __init__(
        self: Any, seed: Seed = None, input_axes: Axis = None, output_axes: Axis = None
    ) -> None:
        VarianceScaling.__init__(self, scale, mode, distribution, seed, input_axes, output_axes)

    spread = round((scale / {"fan_in": 200, "fan_avg": 250}[mode]) ** 0.5, 2)
    doc = f"""{paper}.

    `VarianceScaling(scale={scale}, mode={mode!r}, distribution={distribution!r})`.

    Args:
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.
        input_axes: The axes that count into fan-in; all but the last by default.
        output_axes: The axes that count into fan-out.

    Example:
        >>> import jkeras as keras
        >>> values = keras.initializers.{name}(seed=1)((200, 300))
        >>> round(float(values.std()), 2)
        {spread}
    """
    return type(
        name,
        (VarianceScaling,),
        {"__init__": __init__, "__doc__": doc, "__module__": __name__, "__qualname__": name},
    )


_GLOROT = "Glorot and Bengio (2010), also called Xavier {} initialization"
_LECUN = "LeCun et al. (1998), {} distribution"
_HE = "He et al. (2015), {} distribution"
_normal, _uniform = "truncated_normal", "uniform"
GlorotUniform = _scaled(1.0, "fan_avg", _uniform, "GlorotUniform", _GLOROT.format("uniform"))
GlorotNormal = _scaled(1.0, "fan_avg", _normal, "GlorotNormal", _GLOROT.format("normal"))
LecunUniform = _scaled(1.0, "fan_in", _uniform, "LecunUniform", _LECUN.format("uniform"))
LecunNormal = _scaled(1.0, "fan_in", _normal, "LecunNormal", _LECUN.format("normal"))
HeUniform = _scaled(2.0, "fan_in", _uniform, "HeUniform", _HE.format("uniform"))
HeNormal = _scaled(2.0, "fan_in", _normal, "HeNormal", _HE.format("normal"))


class Orthogonal(Initializer):
    """An orthogonal matrix (Saxe et al., 2013); of more axes, all but the last are flattened.

    Args:
        gain: A factor.
        seed: An integer or a `SeedGenerator`; each weight draws its own numbers by default.

    Raises:
        ValueError: If the weight has fewer than two axes.

    Example:
        >>> import jkeras as keras
        >>> q = keras.initializers.Orthogonal(seed=1)((3, 3))
        >>> bool(abs(q @ q.T - keras.ops.eye(3)).max() < 1e-5)
        True
    """

    of_whole = True

    def __init__(self, gain: float = 1.0, seed: Seed = None):
        self.gain, self.seed = checked_number("gain", gain), checked_seed(seed)

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        matrix = (math.prod(shape[:-1]), shape[-1])
        if _may_use_numpy(key, shape):
            drawn = _orthogonal_by_numpy(key, matrix, self.gain).reshape(shape)
            with concretely():
                return jax.device_put(drawn.astype(jnp.dtype(dtype)))
        return _orthogonal_matrix(key, matrix, self.gain).reshape(shape).astype(dtype)


def _orthogonal_by_numpy(key: Any, shape: tuple[int, int], gain: Any) -> np.ndarray:
    """Does the same up to rounding, which JAX takes half a second to compile."""
    numbers = host_random.normal(key, (max(shape), min(shape)))
    columns, triangle = np.linalg.qr(numbers)
    columns = columns * np.where(np.diag(triangle) < 0, -1, 1)  # else the signs are not random
    return np.float32(gain) * (columns if shape[0] >= shape[1] else columns.T)


@functools.partial(jax.jit, static_argnums=1)
def _orthogonal_matrix(key: Any, shape: tuple[int, int], gain: Any) -> jax.Array:
    return gain * jax.nn.initializers.orthogonal()(key, shape, jnp.float32)


class STFT(Initializer):
    """The kernel with which a convolution computes a short-time Fourier transform.

    Args:
        side: `"real"` or `"imag"`: which part of the transform.
        window: The name of a window of `scipy.signal.get_window`, its values, or None.
        scaling: `"density"`, `"spectrum"` or None: by what a window is divided.
        periodic: Whether the window is periodic rather than symmetric.

    Raises:
        ValueError: If a word is unknown.

    Example:
        >>> import jkeras as keras
        >>> (keras.initializers.STFT(window=None)((4, 1, 3))[:, 0, 1].round(2) + 0.0).tolist()
        [1.0, 0.0, -1.0, 0.0]
    """

    def __init__(
        self,
        side: str = "real",
        window: ArrayLike = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ):
        if side not in ("real", "imag"):
            raise ValueError(f"side should be 'real' or 'imag', not {side}")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(
                "Scaling is invalid, it must be `None`, 'density' or 'spectrum'. "
                f"Received scaling={scaling}"
            )
        if isinstance(window, str):
            _window(window, 8, periodic)  # refuses an unknown name
        elif window is not None:
            window = np.asarray(window).tolist()
        self.side, self.window, self.scaling, self.periodic = side, window, scaling, periodic

    def sample(self, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        length, _, bins = shape
        times = np.arange(length)
        angles = 2 * np.pi * np.outer(times, np.arange(bins)) / (2 * (bins - 1))
        waves = np.cos(angles) if self.side == "real" else -np.sin(angles)
        if self.window is not None:
            window = _window(self.window, length, self.periodic)
            norm = {"density": np.sqrt(np.sum(window**2)), "spectrum": np.sum(window)}
            scale = norm[self.scaling] if self.scaling else 1.0
            waves = waves * (window / scale)[:, None]
        return jnp.broadcast_to(jnp.asarray(waves[:, None], dtype), shape)


def _window(window: ArrayLike, length: int, periodic: bool) -> np.ndarray:
    if not isinstance(window, str):
        return np.asarray(window, "float64")
    from scipy.signal import get_window  # slow to import

    return get_window(window, length, fftbins=periodic)


registry.register_builtin("initializers", Zeros, "zero")
registry.register_builtin("initializers", Ones, "one")
registry.register_builtin("initializers", RandomNormal, "normal")
registry.register_builtin("initializers", RandomUniform, "uniform")
registry.register_builtin("initializers", Identity, "IdentityInitializer")
registry.register_builtin("initializers", Orthogonal, "OrthogonalInitializer")
registry.register_builtin("initializers", STFT, "STFTInitializer")

zeros, ones, constant, identity = Zeros, Ones, Constant, Identity
random_normal, random_uniform, truncated_normal = RandomNormal, RandomUniform, TruncatedNormal
glorot_uniform, glorot_normal, he_uniform, he_normal = (
    GlorotUniform,
    GlorotNormal,
    HeUniform,
    HeNormal,
)
lecun_uniform, lecun_normal = LecunUniform, LecunNormal
orthogonal, variance_scaling = Orthogonal, VarianceScaling
IdentityInitializer, OrthogonalInitializer = Identity, Orthogonal
stft = STFTInitializer = STFT


def get(identifier: Identifier) -> Callable[..., Any] | None:
    """Returns an initializer for a name, a config, an array, a function or an initializer.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> type(keras.initializers.get("he_normal")).__name__
        'HeNormal'
    """
    if identifier is None:
        return None
    if isinstance(identifier, (np.ndarray, jax.Array)):
        return functools.partial(_given, identifier)
    return registry.resolve(identifier, "initializers", "initializer")


def _given(value: Any, shape: Shape, dtype: DTypeLike = None) -> jax.Array:
    """Returns an array as the initial value of a weight of its shape."""
    if tuple(shape) != value.shape:
        raise ValueError(
            f"Expected `shape` to be {value.shape}, that of the array which was given as an "
            f"initializer. Received: shape={tuple(shape)}"
        )
    return jnp.asarray(value, dtype)


def serialize(initializer: Identifier) -> str | dict[str, Any] | None:
    """Returns the config of an initializer."""
    return registry.serialize_keras_object(initializer)


def deserialize(
    config: Identifier, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any] | None:
    """Returns the initializer that a config describes."""
    return registry.deserialize_keras_object(config, custom_objects, area="initializers")
