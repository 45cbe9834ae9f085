"""The functions that neural networks are made of, by Keras's names."""

import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jkeras import activations
from jkeras.base import settings
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, DTypeLike, Sizes
from jkeras.core import policy
from jkeras.core.operations import define, export
from jkeras.ops import arrays
from jkeras.ops.numpy import tanh as tanh

op = partial(define, module="ops.nn")

# ------------------------------------------------------------------ activation functions
celu = activations.celu
elu = activations.elu
glu = activations.glu
hard_shrink = activations.hard_shrink
hard_sigmoid = activations.hard_sigmoid
hard_silu = hard_swish = activations.hard_silu
hard_tanh = activations.hard_tanh
leaky_relu = activations.leaky_relu
log_sigmoid = activations.log_sigmoid
log_softmax = activations.log_softmax
relu6 = activations.relu6
selu = activations.selu
sigmoid = activations.sigmoid
silu = swish = activations.silu
soft_shrink = activations.soft_shrink
softmax = activations.softmax
softplus = activations.softplus
softsign = activations.softsign
sparse_plus = activations.sparse_plus
sparse_sigmoid = activations.sparse_sigmoid
sparsemax = activations.sparsemax
squareplus = activations.squareplus
tanh_shrink = activations.tanh_shrink
threshold = activations.threshold


@op
def relu(x: ArrayLike) -> jax.Array:
    """`max(x, 0)`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.relu([-1.0, 2.0]).tolist()
        [0.0, 2.0]
    """
    return activations.relu(x)


@op
def gelu(x: ArrayLike, approximate: bool = True) -> jax.Array:
    """The Gaussian error linear unit; approximated by default, unlike `keras.activations.gelu`.

    Example:
        >>> import jkeras as keras
        >>> round(keras.ops.gelu(1.0).item(), 4), round(keras.activations.gelu(1.0).item(), 4)
        (0.8412, 0.8413)
    """
    return activations.gelu(x, approximate)


# ------------------------------------------------------------------ what layers compute
adaptive_average_pool = op(arrays.adaptive_average_pool)
adaptive_max_pool = op(arrays.adaptive_max_pool)
average_pool = op(arrays.average_pool)
batch_normalization = op(
    arrays.batch_normalization, class_name="BatchNorm", called_with="x mean variance offset scale"
)
conv = op(arrays.conv)
conv_transpose = op(arrays.conv_transpose)
depthwise_conv = op(arrays.depthwise_conv)
max_pool = op(arrays.max_pool)
rms_normalization = op(arrays.rms_normalization, class_name="RMSNorm")
separable_conv = op(arrays.separable_conv)


@partial(op, class_name="LayerNorm")
def layer_normalization(
    x: ArrayLike,
    gamma: ArrayLike = None,
    beta: ArrayLike = None,
    axis: Axis = -1,
    epsilon: float | None = None,
    rms_scaling: bool = False,
) -> jax.Array:
    """Normalizes each sample to mean 0 and variance 1 along some axes (Ba et al., 2016).

    Args:
        x: The inputs.
        gamma: What is multiplied with; its shape is that of the axes.
        beta: What is added, likewise.
        axis: The axis, or several.
        epsilon: What is added to the variance; `keras.config.epsilon()` by default.
        rms_scaling: Deprecated: whether to divide by the deviation without subtracting the mean,
            and to leave `beta` out. `rms_normalization` divides by the root mean square.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.layer_normalization([1.0, 3.0], epsilon=0.0).tolist()
        [-1.0, 1.0]
    """
    if rms_scaling:
        warn_deprecated(
            "You passed `rms_scaling=True`, which is deprecated. It divides by the deviation, not "
            "by the root mean square: use `keras.ops.rms_normalization`.",
            UserWarning,
        )
        beta = None
    return arrays.layer_normalization(x, gamma, beta, axis, epsilon, subtract_mean=not rms_scaling)


@op
def moments(
    x: ArrayLike, axes: Axis, keepdims: bool = False, synchronized: bool = False
) -> tuple[jax.Array, jax.Array]:
    """Returns the mean and the variance along some axes.

    Args:
        x: The inputs.
        axes: The axis, or several.
        keepdims: Whether the axes stay, with size 1.
        synchronized: Accepted for Keras's sake: sharded arrays have one mean anyway.

    Example:
        >>> import jkeras as keras
        >>> [value.item() for value in keras.ops.moments([1.0, 3.0], axes=0)]
        [2.0, 1.0]
    """
    return arrays.moments(x, tuple(axes) if isinstance(axes, list) else axes, keepdims)


@op
def normalize(
    x: ArrayLike, axis: Axis = -1, order: int = 2, epsilon: float | None = None
) -> jax.Array:
    """Scales `x` to norm 1 along an axis.

    Args:
        x: The inputs.
        axis: The axis.
        order: Which norm: 2 for the Euclidean one.
        epsilon: The least norm that is divided by; `keras.config.epsilon()` by default.

    Example:
        >>> import jkeras as keras
        >>> [round(v, 3) for v in keras.ops.normalize([3.0, 4.0]).tolist()]
        [0.6, 0.8]
    """
    if as_integer(order) is None or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={order}")
    least = settings.epsilon() if epsilon is None else epsilon
    return arrays.normalize(x, axis, order, least**2 if order == 2 else least)


@partial(op, arrays="query key value", called_with="query key value bias mask scale")
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike = None,
    mask: ArrayLike = None,
    scale: ArrayLike = None,
    is_causal: bool = False,
    flash_attention: bool | None = None,
    attn_logits_soft_cap: float | None = None,
) -> jax.Array:
    """Returns the means of values, weighted by how well keys fit queries (Vaswani et al., 2017).

    Args:
        query: An array of shape `(batch, queries, heads, size)`.
        key: An array of shape `(batch, keys, key_heads, size)`; `heads` is a multiple of
            `key_heads`.
        value: An array of shape `(batch, keys, key_heads, size)`.
        bias: What is added to the logits: broadcastable to `(batch, heads, queries, keys)`.
        mask: Where it is False, a key does not count; of the same shape.
        scale: What the logits are multiplied with; `1 / sqrt(size)` by default.
        is_causal: Whether a query sees only keys up to its own place.
        flash_attention: Whether to use cuDNN's kernel; by default what
            `keras.config.is_flash_attention_enabled()` says, or where it applies: on NVIDIA's GPUs
            since Ampere, in 16 bits, without a bias or a mask.
        attn_logits_soft_cap: None.

    Returns:
        An array of shape `(batch, queries, heads, size)`.

    Raises:
        ValueError: If an array has not four axes, or `attn_logits_soft_cap` is given.

    Example:
        >>> import jkeras as keras
        >>> query, keys = keras.ops.ones((1, 2, 4, 8)), keras.ops.ones((1, 3, 4, 8))
        >>> keras.ops.dot_product_attention(query, keys, keys).shape
        (1, 2, 4, 8)
    """
    shapes = [jnp.shape(x) for x in (query, key, value)]
    if any(len(shape) != 4 for shape in shapes):
        raise ValueError(
            "`dot_product_attention` only supports 4D inputs. Received: "
            "query.shape={}, key.shape={}, value.shape={}.".format(*shapes)
        )
    if attn_logits_soft_cap is not None:
        raise ValueError("attn_logits_soft_cap is not supported: set attn_logits_soft_cap=None.")
    query, key, value = (jnp.asarray(x) for x in (query, key, value))
    dtype = jnp.result_type(query, key, value)
    query, key, value = (x.astype(dtype) for x in (query, key, value))
    kernel = arrays.attention_kernel(flash_attention, query, mask if bias is None else bias)
    return jax.nn.dot_product_attention(
        query,
        key,
        value,
        bias=None if bias is None else jnp.asarray(bias),
        mask=None if mask is None else jnp.asarray(mask, bool),
        scale=scale,
        is_causal=is_causal,
        implementation=kernel,
    )


# ------------------------------------------------------------------ classes
def _classes(x: ArrayLike, num_classes: int, axis: int, dtype: DTypeLike) -> jax.Array:
    classes = jnp.asarray(x).astype("int32")
    return jax.nn.one_hot(classes, num_classes, axis=axis, dtype=policy.standardize_dtype(dtype))


@op
def one_hot(
    x: ArrayLike, num_classes: int, axis: int = -1, dtype: DTypeLike = None, sparse: bool = False
) -> jax.Array:
    """Returns 1 at the place of each class in a new axis, 0 elsewhere.

    Args:
        x: Classes, from 0 to `num_classes - 1`; others become zeros.
        num_classes: The size of the new axis.
        axis: Where the new axis is.
        dtype: The dtype; `floatx()` by default.
        sparse: Accepted for Keras's sake: the result is never sparse.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.one_hot([1, 0], 3).tolist()
        [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    return _classes(x, num_classes, axis, dtype)


@op
def multi_hot(
    inputs: ArrayLike,
    num_classes: int | None = None,
    axis: int = -1,
    dtype: DTypeLike = None,
    sparse: bool = False,
) -> jax.Array:
    """Returns 1 at the place of each class that a row has, 0 elsewhere.

    Args:
        inputs: Classes of shape `(n,)` or `(batch, n, ...)`.
        num_classes: The size of the new axis; it has to be given.
        axis: Where the new axis is.
        dtype: The dtype; `floatx()` by default.
        sparse: Accepted for Keras's sake: the result is never sparse.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.multi_hot([[1, 0], [2, 2]], 3).tolist()
        [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if num_classes is None:
        raise ValueError("Argument `num_classes` must be set. Received: num_classes=None")
    return jnp.max(_classes(inputs, num_classes, axis, dtype), axis=min(jnp.ndim(inputs) - 1, 1))


# ------------------------------------------------------------------ losses
def _same_shape(target: jax.Array, output: jax.Array) -> None:
    if target.shape != output.shape:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={target.shape}, output.shape={output.shape}"
        )


def _log_probabilities(output: jax.Array, from_logits: bool, axis: int) -> jax.Array:
    if from_logits:
        return jax.nn.log_softmax(output, axis)
    output = output / jnp.sum(output, axis, keepdims=True)
    return jnp.log(jnp.clip(output, settings.epsilon(), 1.0 - settings.epsilon()))


@op
def binary_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False
) -> jax.Array:
    """Returns the cross-entropy of each probability.

    Args:
        target: 0 or 1, or between.
        output: Probabilities, of the same shape.
        from_logits: Whether `output` holds logits instead.

    Example:
        >>> import jkeras as keras
        >>> round(keras.ops.binary_crossentropy([1.0], [0.5]).item(), 4)
        0.6931
    """
    target, output = jnp.asarray(target), jnp.asarray(output)
    _same_shape(target, output)
    if from_logits:
        positive, negative = jax.nn.log_sigmoid(output), jax.nn.log_sigmoid(-output)
    else:
        output = jnp.clip(output, settings.epsilon(), 1.0 - settings.epsilon())
        positive, negative = jnp.log(output), jnp.log(1.0 - output)
    return -(target * positive + (1.0 - target) * negative)


@op
def categorical_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1
) -> jax.Array:
    """Returns the cross-entropy of each distribution.

    Args:
        target: Distributions along `axis`, such as one-hot classes.
        output: Probabilities, of the same shape; they are scaled to sum 1.
        from_logits: Whether `output` holds logits instead.
        axis: The axis of classes.

    Example:
        >>> import jkeras as keras
        >>> round(keras.ops.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).item(), 4)
        0.6931
    """
    target, output = jnp.asarray(target), jnp.asarray(output)
    _same_shape(target, output)
    return -jnp.sum(target * _log_probabilities(output, from_logits, axis), axis)


@op
def sparse_categorical_crossentropy(
    target: ArrayLike, output: ArrayLike, from_logits: bool = False, axis: int = -1
) -> jax.Array:
    """Returns the cross-entropy of each distribution with a class.

    Args:
        target: Classes, of the shape of `output` without `axis`, or with size 1 there.
        output: Probabilities; they are scaled to sum 1.
        from_logits: Whether `output` holds logits instead.
        axis: The axis of classes.

    Example:
        >>> import jkeras as keras
        >>> round(keras.ops.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).item(), 4)
        0.6931
    """
    target, output = jnp.asarray(target).astype("int32"), jnp.asarray(output)
    if target.ndim == output.ndim and target.shape[axis] == 1:
        target = jnp.squeeze(target, axis)
    rest = list(output.shape)
    classes = rest.pop(axis)
    if target.shape != tuple(rest):
        raise ValueError(
            "Arguments `target` and `output` must have the same shape up until the last "
            f"dimension: target.shape={target.shape}, output.shape={output.shape}"
        )
    chosen = jax.nn.one_hot(target, classes, axis=axis, dtype=output.dtype)
    return -jnp.sum(chosen * _log_probabilities(output, from_logits, axis), axis)


@partial(op, class_name="CTCLoss")
def ctc_loss(
    target: ArrayLike,
    output: ArrayLike,
    target_length: ArrayLike,
    output_length: ArrayLike,
    mask_index: int = 0,
) -> jax.Array:
    """Returns the loss of each sequence by connectionist temporal classification.

    Graves et al. (2006). Computed by `optax.ctc_loss`.

    Args:
        target: Classes of shape `(batch, max_target_length)`.
        output: Logits of shape `(batch, max_output_length, num_classes)`.
        target_length: How many classes of each row count.
        output_length: How many steps of each row count.
        mask_index: The class that stands for "none".
    """
    target, output = jnp.asarray(target), jnp.asarray(output)
    if (target.ndim, output.ndim) != (2, 3):
        raise ValueError(
            "ctc_loss() takes `target` of shape (batch, max_target_length) and `output` of shape "
            f"(batch, max_output_length, num_classes). Received: target.shape={target.shape}, "
            f"output.shape={output.shape}"
        )

    def beyond(lengths: Any, size: int) -> jax.Array:
        return (jnp.arange(size) >= jnp.asarray(lengths)[:, None]).astype(output.dtype)

    return optax.ctc_loss(
        output,
        beyond(output_length, output.shape[1]),
        target,
        beyond(target_length, target.shape[1]),
        blank_id=mask_index,
    )


@partial(op, class_name="CTCDecode")
def ctc_decode(
    inputs: ArrayLike,
    sequence_lengths: ArrayLike,
    strategy: str = "greedy",
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
    mask_index: int = 0,
) -> tuple[jax.Array, jax.Array]:
    """Returns the classes that the outputs of a CTC network spell.

    Args:
        inputs: Logits of shape `(batch, max_length, num_classes)`.
        sequence_lengths: How many steps of each row count.
        strategy: `"greedy"`: the best class of each step; `"beam_search"`: the most probable
            sequences of classes, each over all ways to spell it.
        beam_width: How many sequences are followed at a time by the beam search.
        top_paths: How many of them are returned.
        merge_repeated: Whether a class that comes several times in a row counts once; in a beam
            search it always does.
        mask_index: The class that stands for "none".

    Returns:
        The classes, of shape `(top_paths, batch, max_length)`, -1 after the last; and scores of
        shape `(batch, top_paths)`: less the sum of the best logits, or the logarithms of the
        sequences' probabilities. The greedy path is one.

    Raises:
        ValueError: For another strategy, or more paths than the beam has.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> steps = np.log([[[0.6, 0.4], [0.6, 0.4]]])  # "none", or class 1
        >>> keras.ops.ctc_decode(steps, [2])[0].tolist()
        [[[-1, -1]]]
        >>> paths, scores = keras.ops.ctc_decode(steps, [2], "beam_search", top_paths=2)
        >>> paths.tolist(), np.exp(scores).round(2).tolist()
        ([[[1, -1]], [[-1, -1]]], [[0.64, 0.36]])
    """
    inputs = _ranked(inputs, 3)
    inputs = inputs.astype(jnp.promote_types(inputs.dtype, jnp.float32))
    if strategy == "beam_search":
        if not 1 <= top_paths <= beam_width:
            raise ValueError(
                "`top_paths` must be from 1 to `beam_width`. "
                f"Received: top_paths={top_paths}, beam_width={beam_width}"
            )
        search = partial(_beam_search, width=beam_width, blank=mask_index)
        lengths = jnp.asarray(sequence_lengths)
        paths, scores = jax.vmap(search)(jax.nn.log_softmax(inputs), lengths)
        return jnp.moveaxis(paths[:, :top_paths], 1, 0), scores[:, :top_paths]
    if strategy != "greedy":
        raise ValueError(
            f"Invalid strategy {strategy}. Supported values are 'greedy' and 'beam_search'."
        )
    size = inputs.shape[1]
    inside = jnp.arange(size) < jnp.asarray(sequence_lengths)[:, None]
    best = jnp.argmax(inputs, axis=-1)
    keep = inside & (best != mask_index)
    if merge_repeated:
        keep &= jnp.pad(best[:, 1:] != best[:, :-1], ((0, 0), (1, 0)), constant_values=True)
    # A stable sort brings the classes that are kept to the front.
    order = jnp.argsort(~keep, axis=-1, stable=True)
    classes = jnp.take_along_axis(jnp.where(keep, best, -1), order, axis=-1)
    scores = -jnp.sum(jnp.where(inside, jnp.max(inputs, axis=-1), 0), axis=1, keepdims=True)
    return classes[None], scores


def _beam_search(
    steps: jax.Array, length: jax.Array, width: int, blank: int
) -> tuple[jax.Array, jax.Array]:
    """Follows the most probable sequences of classes (Graves and Jaitly, 2014).

    Args:
        steps: Logarithms of probabilities, of shape `(max_length, classes)`.
        length: How many steps count.
        width: How many sequences are followed.
        blank: The class between labels, which is not part of a sequence.

    Returns:
        The sequences, of shape `(width, max_length)`, and the logarithms of their probabilities.
    """
    size, classes = steps.shape
    never, rows = -jnp.inf, jnp.arange(width)
    # A sequence's probability has two parts, ending in the blank class or not: only after a blank
    # the same class counts anew. Places in the beam that hold no sequence have length -1.
    beam = (
        jnp.full((width, size), -1),
        jnp.where(rows == 0, 0, -1),
        jnp.where(rows == 0, 0.0, never).astype(steps.dtype),
        jnp.full(width, never, steps.dtype),
    )

    def follow(beam: tuple, step: tuple) -> tuple:
        (paths, lengths, blanks, others), (number, logs) = beam, step
        either = jnp.logaddexp(blanks, others)
        ends = jnp.maximum(lengths - 1, 0)
        last = jnp.where(lengths > 0, paths[rows, ends], -1)
        longer = jnp.where(jnp.arange(classes) == last[:, None], blanks[:, None], either[:, None])
        longer = (longer + logs).at[:, blank].set(never)
        # What makes a sequence longer may give one that is in the beam already: then it goes there.
        shorter = paths.at[rows, ends].set(-1)
        same = (shorter[:, None] == paths).all(-1) & (lengths[:, None] > 0) & (lengths >= 0)
        gain = jnp.where(same, longer[:, last].T, never)
        kept_blanks = either + logs[blank]
        kept = jnp.logaddexp(
            jnp.where(lengths > 0, others + logs[last], never), jax.nn.logsumexp(gain, axis=1)
        )
        longer = jnp.where(jnp.zeros_like(longer, bool).at[:, last].max(same.T), never, longer)
        candidates = jnp.concatenate([jnp.logaddexp(kept_blanks, kept), longer.ravel()])
        scores, chosen = jax.lax.top_k(candidates, width)
        grows = chosen >= width
        parent = jnp.where(grows, (chosen - width) // classes, chosen)
        added = jnp.where(grows, (chosen - width) % classes, -1)
        places = jnp.where(grows, lengths[parent], size)  # beyond the end: nothing is written
        alive = scores > never
        new = (
            jnp.where(alive[:, None], paths[parent].at[rows, places].set(added, mode="drop"), -1),
            jnp.where(alive, lengths[parent] + grows, -1),
            jnp.where(grows, never, kept_blanks[parent]),
            jnp.where(grows, scores, kept[parent]),
        )
        return jax.tree.map(partial(jnp.where, number < length), new, beam), None

    (paths, _, blanks, others), _ = jax.lax.scan(follow, beam, (jnp.arange(size), steps))
    return paths, jnp.logaddexp(blanks, others)


@partial(op, class_name="PSNR")
def psnr(x1: ArrayLike, x2: ArrayLike, max_val: float) -> jax.Array:
    """Returns the peak signal-to-noise ratio of two arrays, in decibels.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.psnr([0.0], [1.0], max_val=10.0).item()
        20.0
    """
    x1, x2 = jnp.asarray(x1), jnp.asarray(x2)
    if x1.shape != x2.shape:
        raise ValueError(f"Input shapes {x1.shape} and {x2.shape} must match for PSNR calculation.")
    return 20 * jnp.log10(max_val) - 10 * jnp.log10(jnp.mean(jnp.square(x1 - x2)))


@op
def polar(abs_: ArrayLike, angle: ArrayLike) -> jax.Array:
    """Returns the complex numbers of these sizes and angles."""
    return jax.lax.complex(abs_ * jnp.cos(angle), abs_ * jnp.sin(angle))


# ------------------------------------------------------------------ images as blocks
def _images(x: ArrayLike, block_size: int) -> jax.Array:
    if (as_integer(block_size) or 0) < 2:
        raise ValueError(f"`block_size` must be at least 2. Received: block_size={block_size!r}")
    return _ranked(x, 4)


def _ranked(x: ArrayLike, ndim: int) -> jax.Array:
    x = jnp.asarray(x)
    if x.ndim != ndim:
        raise ValueError(f"Input must be a {ndim}D tensor. Received: input.shape={x.shape}")
    return x


@op
def depth_to_space(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> jax.Array:
    """Makes blocks of pixels of groups of channels.

    Args:
        x: Images of shape `(batch, height, width, channels)`; or with `channels` second.
        block_size: The height and width of a block.
        data_format: Where the channels are.

    Returns:
        Images `block_size` times as high and wide, with `channels / block_size**2` channels.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.depth_to_space(keras.ops.ones((1, 2, 3, 8)), 2).shape
        (1, 4, 6, 2)
    """
    x, b = _images(x, block_size), block_size
    first = settings.standardize_data_format(data_format) == "channels_first"
    channels = x.shape[1 if first else 3]
    if isinstance(channels, int) and channels % b**2:
        raise ValueError(
            f"The number of channels must be a multiple of block_size**2 = {b**2}. "
            f"Received: x.shape={x.shape}, data_format={data_format!r}"
        )
    if first:
        n, c, h, w = x.shape
        x = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
        return x.reshape(n, c // b**2, h * b, w * b)
    n, h, w, c = x.shape
    x = x.reshape(n, h, w, b, b, c // b**2).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h * b, w * b, c // b**2)


@op
def space_to_depth(x: ArrayLike, block_size: int, data_format: str = "channels_last") -> jax.Array:
    """Makes groups of channels of blocks of pixels: the inverse of `depth_to_space`.

    Args:
        x: Images of shape `(batch, height, width, channels)`; or with `channels` second.
        block_size: The height and width of a block.
        data_format: Where the channels are.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.space_to_depth(keras.ops.ones((1, 4, 6, 2)), 2).shape
        (1, 2, 3, 8)
    """
    x, b = _images(x, block_size), block_size
    first = settings.standardize_data_format(data_format) == "channels_first"
    for size in x.shape[2:] if first else x.shape[1:3]:
        if isinstance(size, int) and size % b:
            raise ValueError(
                f"Height and width must be multiples of block_size={b}. Received: "
                f"x.shape={x.shape}, data_format={data_format!r}"
            )
    if first:
        n, c, h, w = x.shape
        x = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 1, 3, 5, 2, 4)
        return x.reshape(n, c * b**2, h // b, w // b)
    n, h, w, c = x.shape
    x = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, h // b, w // b, c * b**2)


def _unfold(x: Any, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> jax.Array:
    patches = jax.lax.conv_general_dilated_patches(
        x,
        arrays.sizes(kernel_size, 2),
        arrays.sizes(stride, 2),
        [(p, p) for p in arrays.sizes(padding, 2)],
        rhs_dilation=arrays.sizes(dilation, 2),
    )
    return patches.reshape(*patches.shape[:2], -1)


@op
def unfold(
    x: ArrayLike, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> jax.Array:
    """Returns the patches of images as columns.

    Args:
        x: Images of shape `(batch, channels, height, width)`.
        kernel_size: The height and width of a patch.
        dilation: The distance between two pixels of a patch.
        padding: How many zeros are put around the images.
        stride: The distance between two patches.

    Returns:
        An array of shape `(batch, channels * kernel_height * kernel_width, patches)`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.unfold(keras.ops.ones((1, 2, 4, 4)), 2, stride=2).shape
        (1, 8, 4)
    """
    return _unfold(_ranked(x, 4), kernel_size, dilation, padding, stride)


@op
def fold(
    x: ArrayLike,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> jax.Array:
    """Lays columns out as the patches of images, and adds them where they overlap.

    Args:
        x: Columns, as `unfold` returns.
        output_size: The height and width of the images.
        kernel_size: As for `unfold`.
        dilation: As for `unfold`.
        padding: As for `unfold`.
        stride: As for `unfold`.

    Returns:
        Images of shape `(batch, channels, height, width)`.

    Example:
        >>> import jkeras as keras
        >>> keras.ops.fold(keras.ops.ones((1, 8, 4)), (4, 4), 2, stride=2).shape
        (1, 2, 4, 4)
    """
    x = _ranked(x, 3)
    channels = x.shape[1] // math.prod(arrays.sizes(kernel_size, 2))
    images = jax.ShapeDtypeStruct((x.shape[0], channels, *arrays.sizes(output_size, 2)), x.dtype)
    options = {"dilation": dilation, "padding": padding, "stride": stride}
    # Adding patches up is the transpose of cutting them out.
    cut = partial(_unfold, kernel_size=kernel_size, **options)
    return jax.linear_transpose(cut, images)(x)[0]


export(globals())
