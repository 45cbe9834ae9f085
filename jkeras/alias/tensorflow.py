"""A small stand-in for TensorFlow: what scripts that mostly use `tf.keras` ask of `tf` itself.

Values are JAX arrays, to which `.numpy()` is given while the stand-in is loaded. Functions are
those of `keras.ops` under TensorFlow's names, so they work in layers, losses and functional models.
What is not here raises AttributeError and says what to use instead.
"""

import contextlib
import importlib
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jkeras
from jkeras import ops, random, tree, utils
from jkeras.alias import text_and_images
from jkeras.base.types import ArrayLike, DTypeLike, Shape

VERSION = "2.20.0"

_INSTEAD = {
    "GradientTape": "Arrays here do not record what is done to them: write the loss as a function "
    "and call jax.value_and_grad; a custom train_step for JAX is in docs/training.md.",
    "Session": "There are no sessions: call functions.",
    "placeholder": "Use keras.Input.",
    "distribute": "Use jax.sharding.",
    "estimator": "Use keras.Model.",
    "saved_model": "Use model.save('model.keras') and keras.models.load_model.",
    "lite": "It needs TensorFlow.",
    "tpu": "Use JAX's devices.",
    "feature_column": "Use keras.layers.StringLookup, Discretization, CategoryEncoding.",
    "RaggedTensor": "Pad: keras.utils.pad_sequences.",
    "ragged": "Pad: keras.utils.pad_sequences.",
    "SparseTensor": "Use jax.experimental.sparse, or a dense array.",
    "sparse": "Use jax.experimental.sparse, or a dense array.",
    "contrib": "TensorFlow 2 has none either.",
    "train": "Use model.save_weights, or Orbax over keras.pure.",
    "io.parse_single_example": "It needs TensorFlow.",
    "TensorArray": "Use jnp.stack over a list, or keras.ops.scan.",
    "while_loop": "Use keras.ops.while_loop.",
}


class Variable(jkeras.Variable):
    """A `keras.Variable` with TensorFlow's arguments."""

    def __init__(
        self,
        initial_value: ArrayLike = None,
        trainable: bool = True,
        validate_shape: bool = True,
        caching_device: Any = None,
        name: str | None = None,
        variable_def: Any = None,
        dtype: DTypeLike = None,
        **kwargs: Any,
    ):
        value = initial_value() if callable(initial_value) else constant(initial_value)
        super().__init__(value, trainable=trainable, dtype=dtype or str(value.dtype), name=name)

    def read_value(self) -> ArrayLike:
        """Returns the value."""
        return self.value


def constant(
    value: ArrayLike, dtype: DTypeLike = None, shape: Shape = None, name: str | None = None
) -> ArrayLike:
    """Returns an array of a value; text stays a NumPy array."""
    array = np.asarray(value) if isinstance(value, (str, bytes, list, tuple)) else value
    if isinstance(array, np.ndarray) and array.dtype.kind in "USO":
        return array if shape is None else np.broadcast_to(array, shape)
    found = ops.convert_to_tensor(value, dtype=_dtype(dtype))
    if shape is None:
        return found
    size_fits = found.size == np.prod(shape, dtype=int)
    return jnp.reshape(found, shape) if size_fits else jnp.broadcast_to(found, shape)


def _dtype(dtype: Any) -> Any:
    name = getattr(dtype, "name", dtype)
    return {"float64": "float32", "int64": "int32"}.get(name, name) if _narrow() else name


def _narrow() -> bool:
    return not jax.config.read("jax_enable_x64")


def _function(func: Callable | None = None, *args: Any, **kwargs: Any) -> Any:
    """`tf.function` changes nothing: `fit` compiles its steps, and `jax.jit` compiles the rest."""
    return func if callable(func) else lambda f: f


def _reduce(function: Callable) -> Callable:
    def reduce(
        input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
    ) -> Any:
        return function(input_tensor, axis=axis, keepdims=keepdims)

    return reduce


def _plain(function: Callable) -> Callable:
    """A function whose tensors come first; `name=` is dropped."""

    def call(*args: Any, name: str | None = None, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def _uniform(
    shape: Shape,
    minval: Any = 0,
    maxval: Any = None,
    dtype: DTypeLike = "float32",
    seed: Any = None,
    name: Any = None,
) -> Any:
    if jnp.issubdtype(_dtype(dtype), jnp.integer):
        return random.randint(shape, minval, maxval, dtype=_dtype(dtype), seed=seed)
    high = 1.0 if maxval is None else maxval
    return random.uniform(shape, minval, high, dtype=_dtype(dtype), seed=seed)


def _normal(
    shape: Shape,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: DTypeLike = "float32",
    seed: Any = None,
    name: Any = None,
) -> Any:
    return random.normal(shape, mean, stddev, dtype=_dtype(dtype), seed=seed)


def _truncated_normal(
    shape: Shape,
    mean: Any = 0.0,
    stddev: Any = 1.0,
    dtype: DTypeLike = "float32",
    seed: Any = None,
    name: Any = None,
) -> Any:
    return random.truncated_normal(shape, mean, stddev, dtype=_dtype(dtype), seed=seed)


def _cross_entropy(function: Callable) -> Callable:
    def loss(labels: Any = None, logits: Any = None, axis: int = -1, name: Any = None) -> Any:
        return function(labels, logits, from_logits=True, axis=axis)

    return loss


def _sigmoid_cross_entropy(labels: Any = None, logits: Any = None, name: Any = None) -> Any:
    return ops.binary_crossentropy(labels, logits, from_logits=True)


def _one_hot(
    indices: Any,
    depth: int,
    on_value: Any = 1,
    off_value: Any = 0,
    axis: int = -1,
    dtype: DTypeLike = "float32",
    name: Any = None,
) -> Any:
    hot = ops.one_hot(indices, depth, axis=axis, dtype=_dtype(dtype))
    return hot if (on_value, off_value) == (1, 0) else hot * (on_value - off_value) + off_value


def _gather(
    params: Any, indices: Any, axis: int | None = None, batch_dims: int = 0, name: Any = None
) -> Any:
    if batch_dims:
        return jax.vmap(
            lambda p, i: _gather(p, i, None if axis is None else axis - 1, batch_dims - 1)
        )(jnp.asarray(params), jnp.asarray(indices))
    return ops.take(params, indices, axis=axis or 0)


def _gather_nd(params: Any, indices: Any, batch_dims: int = 0, name: Any = None) -> Any:
    return jnp.asarray(params)[tuple(jnp.moveaxis(jnp.asarray(indices), -1, 0))]


def _tensor_scatter(tensor: Any, indices: Any, values: Any, name: Any = None) -> Any:
    return ops.scatter_update(tensor, indices, values)


def _pad(
    tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0, name: Any = None
) -> Any:
    if mode.lower() != "constant":
        return ops.pad(tensor, paddings, mode=mode.lower())
    return ops.pad(tensor, paddings, mode="constant", constant_values=constant_values)


def _split(
    value: Any, num_or_size_splits: Any, axis: int = 0, num: Any = None, name: Any = None
) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis=axis)
    return ops.split(value, [int(n) for n in np.cumsum(num_or_size_splits)[:-1]], axis=axis)


def _norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool = False, name: Any = None
) -> Any:
    tensor = ops.reshape(tensor, (-1,)) if axis is None else tensor
    return ops.norm(tensor, ord=2 if ord == "euclidean" else ord, axis=axis, keepdims=keepdims)


def _matmul(
    a: Any,
    b: Any,
    transpose_a: bool = False,
    transpose_b: bool = False,
    name: Any = None,
    **kwargs: Any,
) -> Any:
    a = ops.swapaxes(a, -1, -2) if transpose_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b else b)


def _where(condition: Any, x: Any = None, y: Any = None, name: Any = None) -> Any:
    if x is None:
        return jnp.stack(jnp.nonzero(jnp.asarray(condition)), axis=-1)
    return ops.where(condition, x, y)


def _boolean_mask(tensor: Any, mask: Any, axis: int = 0, name: Any = None) -> Any:
    return jnp.compress(jnp.asarray(mask), jnp.asarray(tensor), axis=axis)


def _range(
    start: Any, limit: Any = None, delta: Any = 1, dtype: DTypeLike = None, name: Any = None
) -> Any:
    return ops.arange(
        *((0, start) if limit is None else (start, limit)), delta, dtype=_dtype(dtype)
    )


def _fill(dims: Any, value: Any, name: Any = None) -> Any:
    return ops.full(dims, value)


def _zeros(shape: Shape, dtype: DTypeLike = "float32", name: Any = None) -> Any:
    return ops.zeros(tuple(shape) if np.ndim(shape) else (shape,), dtype=_dtype(dtype))


def _ones(shape: Shape, dtype: DTypeLike = "float32", name: Any = None) -> Any:
    return ops.ones(tuple(shape) if np.ndim(shape) else (shape,), dtype=_dtype(dtype))


def _like(function: Callable) -> Callable:
    def like(input: Any, dtype: Any = None, name: Any = None) -> Any:
        return function(input, dtype=_dtype(dtype))

    return like


def _cast(x: Any, dtype: DTypeLike, name: Any = None) -> Any:
    if isinstance(x, np.ndarray) and x.dtype.kind in "USO":
        return np.asarray(x.astype(np.float64 if "float" in str(dtype) else np.int64))
    return ops.cast(x, _dtype(dtype))


def _shape(input: Any, out_type: Any = None, name: Any = None) -> Any:
    return ops.shape(input)


def _cond(pred: Any, true_fn: Any = None, false_fn: Any = None, name: Any = None) -> Any:
    return ops.cond(pred, true_fn, false_fn)


def _map_fn(fn: Callable, elems: Any, *args: Any, **kwargs: Any) -> Any:
    return ops.map(fn, elems)


def _top_k(input: Any, k: int = 1, sorted: bool = True, name: Any = None) -> Any:
    return ops.top_k(input, k, sorted=sorted)


def _moments(x: Any, axes: Any, shift: Any = None, keepdims: bool = False, name: Any = None) -> Any:
    return ops.moments(x, axes, keepdims=keepdims)


def _conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: str = "VALID",
    data_format: str = "NHWC",
    dilations: Any = 1,
    name: Any = None,
) -> Any:
    return ops.conv(
        input,
        filters,
        strides=_window(strides),
        padding=padding.lower(),
        data_format="channels_first" if data_format == "NCHW" else "channels_last",
        dilation_rate=_window(dilations),
    )


def _pool(function: Callable, over: Callable) -> Callable:
    def pool(input: Any, ksize: Any, strides: Any, padding: str, name: Any = None) -> Any:
        depth = ksize[-1] if np.ndim(ksize) and len(ksize) == 4 else 1
        if depth == 1:
            return function(input, _window(ksize), _window(strides), padding.lower())
        # TensorFlow pools over channels only if the windows are all of them, side by side.
        if tuple(ksize[:3]) != (1, 1, 1) or tuple(strides) != tuple(ksize):
            raise NotImplementedError(
                "A window over channels is one of (1, 1, 1, n), with strides of the same. "
                f"Received: ksize={ksize}, strides={strides}"
            )
        *shape, channels = input.shape
        return over(ops.reshape(input, (*shape, channels // depth, depth)), axis=-1)

    return pool


def _window(sizes: Any) -> Any:
    """Four sizes of TensorFlow, batch and channels among them, or one or two."""
    return tuple(sizes[1:3]) if np.ndim(sizes) and len(sizes) == 4 else sizes


def _resize(
    images: Any,
    size: Any,
    method: str = "bilinear",
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: Any = None,
) -> Any:
    images = ops.convert_to_tensor(images)
    return ops.image.resize(
        images.astype("float32"),
        tuple(int(n) for n in size),
        interpolation=method,
        antialias=antialias,
    )


def _flip(axis: int) -> Callable:
    return lambda image: ops.flip(image, axis=axis)


def _convert_image_dtype(
    image: Any, dtype: DTypeLike, saturate: bool = False, name: Any = None
) -> Any:
    image = ops.convert_to_tensor(image)
    if jnp.issubdtype(image.dtype, jnp.integer) and "float" in str(_dtype(dtype)):
        return image.astype(_dtype(dtype)) / jnp.iinfo(image.dtype).max
    return image.astype(_dtype(dtype))


def _read_file(filename: Any, name: Any = None) -> Any:
    with open(os_path(filename), "rb") as file:
        return np.asarray(file.read(), dtype=object)


def os_path(value: Any) -> str:
    """Returns the path that a string, or an array of one, says."""
    value = value.item() if isinstance(value, np.ndarray) else value
    return value.decode() if isinstance(value, bytes) else str(value)


def _decode_image(contents: Any, channels: int | None = None, *args: Any, **kwargs: Any) -> Any:
    import io

    mode = {1: "grayscale", 4: "rgba"}.get(channels or 3, "rgb")
    image = utils.load_img(io.BytesIO(contents.item()), color_mode=mode)
    return utils.img_to_array(image, dtype="uint8")


def _seed(seed: int) -> None:
    utils.set_random_seed(int(seed))


def _devices(device_type: str | None = None) -> list[Any]:
    kind = (device_type or "").lower()
    names = {"gpu": ("gpu", "cuda", "rocm"), "": None}.get(kind, (kind,))
    return [d for d in jax.devices() if names is None or d.platform in names]


def _assert(check: Callable) -> Callable:
    def run(x: Any, y: Any = None, message: str | None = None, **kwargs: Any) -> None:
        if not bool(jnp.all(check(jnp.asarray(x), None if y is None else jnp.asarray(y)))):
            raise ValueError(message or f"Not as asserted: {x}, {y}")

    return run


class TensorShape(tuple):
    """A shape, as a tuple with TensorFlow's methods."""

    def as_list(self) -> list[int | None]:
        """Returns the shape as a list."""
        return list(self)

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self)


class TensorSpec:
    """The shape and dtype of an array, as generators' data sets take it."""

    def __init__(self, shape: Shape = (), dtype: DTypeLike = "float32", name: str | None = None):
        self.shape, self.dtype, self.name = tuple(shape or ()), _dtype(dtype), name


class Module:
    """An object with variables."""

    def __init__(self, name: str | None = None):
        self.name = name

    @property
    def variables(self) -> list[Any]:
        """The variables in the object's attributes."""
        leaves = jax.tree.leaves(vars(self), is_leaf=lambda v: isinstance(v, jkeras.Variable))
        return [v for v in leaves if isinstance(v, jkeras.Variable)]

    @property
    def trainable_variables(self) -> list[Any]:
        """Those of them that are trained."""
        return [v for v in self.variables if v.trainable]


_DTYPES = {
    name: jnp.dtype(name)
    for name in (
        "bfloat16",
        "bool",
        "complex64",
        "complex128",
        "float16",
        "float32",
        "float64",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
    )
} | {"string": "string"}
_REDUCTIONS = {
    "reduce_all": ops.all,
    "reduce_any": ops.any,
    "reduce_logsumexp": ops.logsumexp,
    "reduce_max": ops.max,
    "reduce_mean": ops.mean,
    "reduce_min": ops.min,
    "reduce_prod": ops.prod,
    "reduce_std": ops.std,
    "reduce_sum": ops.sum,
    "reduce_variance": ops.var,
}
# TensorFlow's name: the name in keras.ops, where both take the same arguments in the same order.
_MATH = {
    "acos": "arccos",
    "asin": "arcsin",
    "atan": "arctan",
    "atan2": "arctan2",
    "conj": "conj",
    "cumsum": "cumsum",
    "cumprod": "cumprod",
    "divide_no_nan": "divide_no_nan",
    "floordiv": "floor_divide",
    "floormod": "mod",
    "is_finite": "isfinite",
    "is_inf": "isinf",
    "is_nan": "isnan",
    "mod": "mod",
    "multiply": "multiply",
    "pow": "power",
    "sigmoid": "sigmoid",
    "square": "square",
    "truediv": "true_divide",
} | {
    name: name
    for name in (
        "abs",
        "add",
        "angle",
        "argmax",
        "argmin",
        "ceil",
        "cos",
        "cosh",
        "divide",
        "equal",
        "erf",
        "erfinv",
        "exp",
        "expm1",
        "floor",
        "greater",
        "greater_equal",
        "imag",
        "less",
        "less_equal",
        "log",
        "log1p",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "maximum",
        "minimum",
        "negative",
        "not_equal",
        "real",
        "reciprocal",
        "round",
        "rsqrt",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "subtract",
        "tan",
        "tanh",
        "segment_sum",
        "segment_max",
        "softplus",
    )
}
_ARRAYS = {
    "clip_by_value": "clip",
    "concat": "concatenate",
    "identity": "copy",
    "rank": "ndim",
    "reverse": "flip",
    "scatter_nd": "scatter",
    "stop_gradient": "stop_gradient",
    "tensordot": "tensordot",
    "unstack": "unstack",
} | {
    name: name
    for name in (
        "argsort",
        "broadcast_to",
        "einsum",
        "expand_dims",
        "eye",
        "linspace",
        "repeat",
        "reshape",
        "roll",
        "searchsorted",
        "size",
        "sort",
        "squeeze",
        "stack",
        "tile",
        "transpose",
        "meshgrid",
    )
}
_ACTIVATIONS = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]


def _swish(features: Any, beta: float = 1.0) -> Any:
    return features * ops.sigmoid(beta * features)


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, name: Any = None) -> Any:
    total = ops.sum(ops.square(x), axis=axis, keepdims=True)
    return ops.multiply(x, ops.rsqrt(ops.maximum(total, epsilon)))


def _clip_by_norm(t: Any, clip_norm: float, axes: Any = None, name: Any = None) -> Any:
    norm = _norm(t, axis=axes, keepdims=axes is not None)
    return ops.multiply(t, ops.minimum(1.0, clip_norm / ops.maximum(norm, 1e-12)))


def _sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: DTypeLike = None, name: Any = None
) -> Any:
    size = int(np.max(lengths)) if maxlen is None else maxlen
    return ops.cast(jnp.arange(size) < jnp.expand_dims(jnp.asarray(lengths), -1), dtype or "bool")


def names() -> dict[str, Any]:
    """Returns everything that is here, by dotted name below `tf`."""
    math = {new: _plain(getattr(ops, old)) for new, old in _MATH.items()}
    math |= {name: _reduce(function) for name, function in _REDUCTIONS.items()}
    math |= {"l2_normalize": _l2_normalize, "top_k": _top_k, "confusion_matrix": _confusion_matrix}
    arrays = {new: _plain(getattr(ops, old)) for new, old in _ARRAYS.items()}
    top = {n: f for n, f in math.items() if n not in ("top_k", "l2_normalize", "confusion_matrix")}
    found: dict[str, Any] = {
        **{f"math.{name}": function for name, function in math.items()},
        **top,
        **arrays,
        **_DTYPES,
        **{f"dtypes.{name}": dtype for name, dtype in _DTYPES.items()},
        **{f"nn.{name}": _plain(getattr(ops, name)) for name in _ACTIVATIONS},
        **text_and_images.TEXT,
        **text_and_images.IMAGES,
        "AUTOTUNE": -1,
        "Module": Module,
        "Tensor": jax.Array,
        "TensorShape": TensorShape,
        "TensorSpec": TensorSpec,
        "Variable": Variable,
        "boolean_mask": _boolean_mask,
        "cast": _cast,
        "clip_by_norm": _clip_by_norm,
        "cond": _cond,
        "config.experimental.list_physical_devices": _devices,
        "config.experimental.set_memory_growth": lambda device, enable: None,
        "config.experimental_run_functions_eagerly": lambda run_eagerly: None,
        "config.list_logical_devices": _devices,
        "config.list_physical_devices": _devices,
        "config.run_functions_eagerly": lambda run_eagerly: None,
        "config.experimental.enable_op_determinism": lambda: None,
        "constant": constant,
        "convert_to_tensor": constant,
        "data.AUTOTUNE": -1,
        "data.Dataset": utils.Dataset,
        "data.experimental.AUTOTUNE": -1,
        "data.experimental.cardinality": lambda dataset: dataset.cardinality(),
        "debugging.assert_equal": _assert(lambda x, y: x == y),
        "debugging.assert_greater": _assert(lambda x, y: x > y),
        "debugging.assert_less": _assert(lambda x, y: x < y),
        "debugging.assert_non_negative": _assert(lambda x, y: x >= 0),
        "debugging.assert_positive": _assert(lambda x, y: x > 0),
        "device": lambda name: contextlib.nullcontext(),
        "executing_eagerly": lambda: not isinstance(jnp.zeros(()), jax.core.Tracer),
        "fill": _fill,
        "function": _function,
        "gather": _gather,
        "gather_nd": _gather_nd,
        "get_logger": _get_logger,
        "image.adjust_brightness": lambda image, delta: image + delta,
        "image.central_crop": _central_crop,
        "image.convert_image_dtype": _convert_image_dtype,
        "image.flip_left_right": _flip(-2),
        "image.flip_up_down": _flip(-3),
        "image.grayscale_to_rgb": lambda images, name=None: ops.repeat(images, 3, axis=-1),
        "image.random_flip_left_right": _random_flip(-2),
        "image.random_flip_up_down": _random_flip(-3),
        "image.resize": _resize,
        "image.rgb_to_grayscale": lambda images, name=None: ops.image.rgb_to_grayscale(images),
        "initializers": jkeras.initializers,
        "io.decode_image": _decode_image,
        "io.decode_jpeg": _decode_image,
        "io.decode_png": _decode_image,
        "io.read_file": _read_file,
        "image.decode_image": _decode_image,
        "image.decode_jpeg": _decode_image,
        "image.decode_png": _decode_image,
        "is_tensor": lambda x: isinstance(x, (jax.Array, jkeras.KerasTensor)),
        "linalg.det": _plain(ops.det),
        "linalg.diag": _plain(lambda x: jnp.vectorize(jnp.diag, signature="(n)->(n,n)")(x)),
        "linalg.eigh": _plain(ops.eigh),
        "linalg.einsum": _plain(ops.einsum),
        "linalg.inv": _plain(ops.inv),
        "linalg.matmul": _matmul,
        "linalg.norm": _norm,
        "linalg.solve": _plain(ops.solve),
        "linalg.svd": _plain(ops.svd),
        "linalg.trace": _plain(ops.trace),
        "linalg.cholesky": _plain(ops.cholesky),
        "linalg.matrix_transpose": _plain(lambda a: ops.swapaxes(a, -1, -2)),
        "map_fn": _map_fn,
        "matmul": _matmul,
        "nest.flatten": tree.flatten,
        "nest.map_structure": tree.map_structure,
        "newaxis": None,
        "nn.avg_pool2d": _pool(ops.average_pool, ops.mean),
        "nn.bias_add": _plain(ops.add),
        "nn.conv2d": _conv2d,
        "nn.dropout": lambda x, rate, seed=None, name=None: random.dropout(x, rate, seed=seed),
        "nn.embedding_lookup": lambda params, ids: _gather(params, ids),
        "nn.l2_loss": lambda t, name=None: ops.sum(ops.square(t)) / 2,
        "nn.l2_normalize": _l2_normalize,
        "nn.max_pool2d": _pool(ops.max_pool, ops.max),
        "nn.max_pool": _pool(ops.max_pool, ops.max),
        "nn.moments": _moments,
        "nn.sigmoid_cross_entropy_with_logits": _sigmoid_cross_entropy,
        "nn.softmax_cross_entropy_with_logits": _cross_entropy(ops.categorical_crossentropy),
        "nn.sparse_softmax_cross_entropy_with_logits": _cross_entropy(
            ops.sparse_categorical_crossentropy
        ),
        "nn.swish": _swish,
        "nn.top_k": _top_k,
        "norm": _norm,
        "ones": _ones,
        "no_op": lambda name=None: None,
        "one_hot": _one_hot,
        "sequence_mask": _sequence_mask,
        "ones_like": _like(ops.ones_like),
        "pad": _pad,
        "print": print,
        "random.categorical": lambda logits, num_samples, dtype=None, seed=None, name=None: (
            random.categorical(logits, num_samples, seed=seed)
        ),
        "random.gamma": lambda shape, alpha, beta=None, dtype="float32", seed=None, name=None: (
            random.gamma(shape, alpha, seed=seed) / (1.0 if beta is None else beta)
        ),
        "random.normal": _normal,
        "random.set_seed": _seed,
        "random.shuffle": lambda value, seed=None, name=None: random.shuffle(value, seed=seed),
        "random.truncated_normal": _truncated_normal,
        "random.uniform": _uniform,
        "range": _range,
        "set_random_seed": _seed,
        "shape": _shape,
        "split": _split,
        "tensor_scatter_nd_update": _tensor_scatter,
        "test.is_built_with_cuda": lambda: bool(_devices("GPU")),
        "test.is_gpu_available": lambda *args, **kwargs: bool(_devices("GPU")),
        "test.gpu_device_name": lambda: "/device:GPU:0" if _devices("GPU") else "",
        "compat.v1.disable_eager_execution": lambda: None,
        "compat.v1.logging.set_verbosity": lambda level: None,
        "compat.v1.logging.ERROR": 40,
        "compat.v1.set_random_seed": _seed,
        "logging.set_verbosity": lambda level: None,
        "logging.ERROR": 40,
        "where": _where,
        "zeros": _zeros,
        "zeros_like": _like(ops.zeros_like),
    }
    for place in ("activations", "losses", "metrics", "optimizers"):
        found[place] = getattr(jkeras, place)
    return found


def _confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: int | None = None,
    weights: Any = None,
    **kwargs: Any,
) -> Any:
    labels, predictions = jnp.ravel(jnp.asarray(labels)), jnp.ravel(jnp.asarray(predictions))
    size = num_classes or int(max(labels.max(), predictions.max())) + 1
    counts = 1 if weights is None else jnp.asarray(weights)
    return jnp.zeros((size, size), "int32").at[labels, predictions].add(counts)


def _central_crop(image: Any, central_fraction: float) -> Any:
    height, width = image.shape[-3:-1]
    top, left = (int((n - n * central_fraction) / 2) for n in (height, width))
    return image[..., top : height - top, left : width - left, :]


def _random_flip(axis: int) -> Callable:
    def flip(image: Any, seed: int | None = None) -> Any:
        turned = random.uniform((), seed=seed) < 0.5
        return ops.where(turned, ops.flip(image, axis=axis), image)

    return flip


def _get_logger() -> Any:
    import logging

    return logging.getLogger("tensorflow")


# ------------------------------------------------------------------ modules
class StandIn(types.ModuleType):
    """`tensorflow`, or a module in it."""

    def __init__(self, name: str, table: dict[str, Any], note: Callable):
        super().__init__(name, __doc__)
        self.__dict__.update(_table=table, _note=note, __path__=[])
        if name == "tensorflow":
            self.__dict__.update(
                __version__=VERSION, version=types.SimpleNamespace(VERSION=VERSION)
            )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__name__ == "tensorflow" and name == "keras":
            return importlib.import_module("tensorflow.keras")
        dotted = f"{self.__name__}.{name}".removeprefix("tensorflow.")
        if dotted in self._table:
            return self._table[dotted]
        if any(known.startswith(f"{dotted}.") for known in self._table):
            return importlib.import_module(f"tensorflow.{dotted}")
        self._note(f"tensorflow.{dotted}")
        hint = next((_INSTEAD[n] for n in (dotted, name) if n in _INSTEAD), None)
        raise AttributeError(
            f"jkeras's stand-in for TensorFlow has no tf.{dotted}. "
            + (hint or "Use keras.ops or jax.numpy, or run the program with TensorFlow.")
        )

    def __dir__(self) -> list[str]:
        start = self.__name__.removeprefix("tensorflow").lstrip(".")
        below = [n.removeprefix(f"{start}.") for n in self._table if n.startswith(start)]
        return sorted({n.partition(".")[0] for n in below} | {"keras"})


def has_module(fullname: str) -> bool:
    """Says whether the stand-in answers for `tensorflow`, or for a module below it."""
    dotted = fullname.removeprefix("tensorflow").lstrip(".")
    # `tensorflow.python.keras` is Keras.
    return dotted in ("", "python") or any(known.startswith(f"{dotted}.") for known in names())


def module(fullname: str, note: Callable) -> StandIn:
    """Makes `tensorflow`, or a module below it.

    Not while it is only looked for: libraries look whether it is there in the midst of compiling.
    """
    if fullname == "tensorflow":
        # Arrays answer `.numpy()`, as TensorFlow's do. Nothing is computed to find their type.
        array_type: Any = type(jax.device_put(np.zeros(())))
        if not hasattr(array_type, "numpy"):
            array_type.numpy = lambda self: np.asarray(self)
    return StandIn(fullname, names(), note)
