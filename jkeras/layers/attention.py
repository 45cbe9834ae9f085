"""Attention."""

import functools
import math
from collections.abc import Iterable
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, Axis, Seed, Shape
from jkeras.core import policy
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.layers.arguments import (
    KernelOptions,
    alias,
    as_axes,
    fraction,
    next_key,
    one_of,
    positive_axis,
    positive_integer,
    seed_generator,
    weight_options,
)
from jkeras.layers.core import EinsumDense
from jkeras.ops import arrays as nn


# ------------------------------------------------------------------ several heads
class _Folded:
    """An array (batch, ..., heads, size) as one of shape (samples, steps, heads, size).

    Args:
        x: The array.
        axes: The axes that make up the steps; the others count as samples.
    """

    def __init__(self, x: jax.Array, axes: tuple[int, ...]):
        others = tuple(i for i in range(1, x.ndim - 2) if i not in axes)
        self.order = (0, *others, *axes, x.ndim - 2, x.ndim - 1)
        x = jnp.transpose(x, self.order)
        self.samples, self.steps = x.shape[: 1 + len(others)], x.shape[1 + len(others) : -2]
        self.array = x.reshape(math.prod(self.samples), math.prod(self.steps), *x.shape[-2:])

    def unfold(self, y: jax.Array) -> jax.Array:
        """Returns an array of this one's steps in the original order of axes."""
        y = y.reshape(*self.samples, *self.steps, *y.shape[-2:])
        return jnp.transpose(y, [self.order.index(i) for i in range(y.ndim)])


class HeadOptions(KernelOptions, total=False):
    """What the layers with several heads take beside their sizes."""

    sliding_window: int | None
    flash_attention: bool | None
    use_gate: bool
    seed: Any


class _HeadAttention(Layer):
    """Attention of several heads, of which groups may share keys and values."""

    supports_masking = True
    heads: int
    groups: int  # heads of keys and values
    key_size: int
    value_size: int
    output_shape: Any = None
    attention_axes: Any = None

    @weight_options(kernel="glorot_uniform", bias="zeros", activity_regularizer=None)
    def __init__(
        self,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        *,
        use_gate: bool = False,
        seed: Seed = None,
        **options: Unpack[KernelOptions],
    ):
        super().__init__(**options)
        self.dropout = fraction(self, "dropout", dropout)
        self.use_bias, self.use_gate = use_bias, use_gate
        self.sliding_window, self.flash_attention = sliding_window, flash_attention
        if flash_attention and dropout:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to "
                f"0.0 to use flash attention. Received: dropout={dropout} (layer {self.name!r})"
            )
        if sliding_window is not None:
            positive_integer(self, "sliding_window", sliding_window)
        self.seed, self.seed_generator = seed, seed_generator(seed)

    def build(self, query_shape: Shape, value_shape: Shape, key_shape: Shape = None) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        if value_shape[1:-1] != key_shape[1:-1]:
            raise ValueError(
                "All dimensions of `value` and `key`, except the last one, must be equal. "
                f"Received: value_shape={value_shape} and key_shape={key_shape} "
                f"(layer {self.name!r})"
            )
        if not 3 <= len(query_shape) == len(value_shape):
            raise ValueError(
                f"The layer {self.name!r} expects query and value of shape (batch, ..., steps, "
                f"features). Received: query_shape={query_shape}, value_shape={value_shape}"
            )
        heads, groups = self.heads, self.groups
        self.query_dense = self._projection("query", query_shape, heads, self.key_size)
        self.key_dense = self._projection("key", key_shape, groups, self.key_size)
        if self.use_gate:
            self.gate_dense = self._projection("gate", query_shape, heads, self.value_size)
        self.value_dense = self._projection("value", value_shape, groups, self.value_size)
        sizes = self.output_shape or (query_shape[-1],)
        letters = "uvwxyz"[: len(sizes)]
        equation, shape = f"...nh,nh{letters}->...{letters}", (heads, self.value_size)
        self.output_dense = self._dense(
            "attention_output", equation, sizes, letters, (*query_shape[:-1], *shape)
        )
        self._build_attention(len(query_shape) + 1)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        quantized = [x for x in self._layers if getattr(x, "quantization_mode", None)]
        if quantized and not isinstance(self._dtype_policy, policy.DTypePolicyMap):
            policies = policy.DTypePolicyMap(self._dtype_policy)
            for layer in quantized:
                policies[layer.path] = layer.dtype_policy
            config["dtype"] = registry.serialize_keras_object(policies)
        return config

    def _base_call(self, query: ArrayLike, *others: Any, **kwargs: Any) -> jax.Array:
        """Stands for `call` where a subclass, which may have other parts, asks for a shape."""
        sizes = self.output_shape or (query.shape[-1],)
        return jnp.zeros((*query.shape[:-1], *sizes), self.compute_dtype)

    def _projection(self, name: str, shape: Shape, heads: int, size: int) -> EinsumDense:
        return self._dense(name, "...d,dnh->...nh", (heads, size), "nh", shape)

    def _dense(self, name: str, equation: str, sizes: Any, letters: str, shape: Any) -> EinsumDense:
        """Makes and builds a projection with the layer's options."""
        dense = EinsumDense(
            equation,
            sizes,
            bias_axes=letters if self.use_bias else None,
            name=name,
            dtype=self.dtype_policy,
            **{
                f"{weight}_{kind}": getattr(self, f"{weight}_{kind}")
                for weight in ("kernel", "bias")
                for kind in ("initializer", "regularizer", "constraint")
            },
        )
        dense.build(shape)
        return dense

    def call(
        self,
        query: ArrayLike,
        value: ArrayLike,
        key: ArrayLike = None,
        query_mask: ArrayLike = None,
        value_mask: ArrayLike = None,
        key_mask: ArrayLike = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> ArrayLike:
        key = value if key is None else key
        if return_attention_scores and self.flash_attention:
            raise ValueError(
                "Returning attention scores is not supported when flash attention is enabled. "
                "Please disable flash attention to access attention scores "
                f"(layer {self.name!r})."
            )
        projected = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        masks = (query_mask, value_mask, key_mask, attention_mask)
        own = self._has_own("_compute_attention", "_compute_attention_mask", "_masked_softmax")
        if not (own or "_softmax" in vars(self)):
            q, k, v = (_Folded(x, self._axes(query.ndim)) for x in projected)
            outputs, scores = self._attend(
                *(q, k, v, self._mask(q, k, *masks)),
                *(training, return_attention_scores, use_causal_mask),
            )
        else:
            mask = self._compute_attention_mask(
                query,
                value,
                query_mask=query_mask,
                value_mask=value_mask,
                key_mask=key_mask,
                attention_mask=attention_mask,
                use_causal_mask=use_causal_mask,
            )
            if self.groups < self.heads:
                each = self.heads // self.groups
                projected = projected[0], *(jnp.repeat(x, each, axis=-2) for x in projected[1:])
            outputs, scores = self._compute_attention(
                *projected, mask, training, return_attention_scores
            )
            scores = scores if return_attention_scores else None
        if self.use_gate:
            outputs = outputs * jax.nn.sigmoid(self.gate_dense(query))
        outputs = self.output_dense(outputs)
        return outputs if scores is None else (outputs, scores)

    def _attend(
        self,
        q: _Folded,
        k: _Folded,
        v: _Folded,
        mask: ArrayLike,
        training: bool | None,
        return_scores: bool,
        is_causal: bool,
    ) -> tuple[jax.Array, jax.Array | None]:
        dropping = bool(training and self.dropout)
        outputs, scores = nn.attention_heads(
            q.array,
            k.array,
            v.array,
            mask=mask,
            dropout_rate=self.dropout,
            dropout_key=next_key(self) if dropping else None,
            return_scores=return_scores,
            flash_attention=self.flash_attention,
            is_causal=is_causal,
        )
        if scores is not None:
            scores = scores.reshape(*q.samples, self.heads, *q.steps, *k.steps)
        return q.unfold(outputs), scores

    # Packages that extend Keras's layer know its parts by these names.
    def _build_attention(self, rank: int) -> None:
        """Called at the end of `build`, with the rank of the projected query."""

    _query_dense, _key_dense = alias("query_dense"), alias("key_dense")
    _value_dense, _output_dense = alias("value_dense"), alias("output_dense")
    _gate_dense = alias("gate_dense")

    def _compute_attention(
        self,
        query: ArrayLike,
        key: Any,
        value: Any,
        attention_mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[jax.Array, jax.Array | None]:
        axes = self._axes(query.ndim - 1)
        q, k, v = (_Folded(x, axes) for x in (query, key, value))
        if self._has_own("_masked_softmax") or "_softmax" in vars(self):
            return self._attend_by_softmax(q, k, v, attention_mask, training)
        mask = self._mask(q, k, None, None, None, attention_mask)
        return self._attend(q, k, v, mask, training, return_attention_scores, use_causal_mask)

    def _has_own(self, *methods: str) -> bool:
        """Says whether a subclass has one of the methods in another form."""
        return any(getattr(type(self), m) is not getattr(_HeadAttention, m) for m in methods)

    def _attend_by_softmax(
        self, q: _Folded, k: _Folded, v: _Folded, mask: Any, training: bool | None
    ) -> tuple[jax.Array, jax.Array]:
        """Computes scores and outputs apart, so that a subclass makes the scores sum to 1."""
        scores = jnp.einsum("bthd,bshd->bhts", q.array * self.key_size**-0.5, k.array)
        folded = scores.shape
        if self.sliding_window is not None:
            near = self._near(*folded[-2:]).reshape(*q.steps, *k.steps)
            mask = near if mask is None else jnp.asarray(mask, bool) & near
        scores = self._masked_softmax(
            scores.reshape(*q.samples, self.heads, *q.steps, *k.steps), mask
        )
        used = jnp.reshape(scores, folded)
        if training and self.dropout:
            used = nn.dropout(used, self.dropout, next_key(self))
        return q.unfold(jnp.einsum("bhts,bshd->bthd", used, v.array)), scores

    _softmax: Any  # a layer, if a subclass's `_build_attention` makes one

    def _masked_softmax(self, attention_scores: ArrayLike, attention_mask: Any = None) -> jax.Array:
        scores = jnp.asarray(attention_scores)
        steps = (scores.ndim - 2) // 2 if self.attention_axes is None else len(self.attention_axes)
        mask = None
        if attention_mask is not None:
            mask = jnp.asarray(attention_mask, bool)
            missing = scores.ndim - mask.ndim  # the heads, and what is in front of them
            mask = jnp.expand_dims(mask, [mask.ndim - 2 * steps + i for i in range(missing)])
        if "_softmax" in vars(self):
            return self._softmax(scores, mask=mask)
        if mask is not None:
            # A large number, not infinity: a target that sees nothing gets the mean of everything.
            scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min / 2)
        return jax.nn.softmax(scores, axis=tuple(range(-steps, 0)))

    def _compute_attention_mask(
        self,
        query: ArrayLike,
        value: ArrayLike,
        query_mask: ArrayLike = None,
        value_mask: ArrayLike = None,
        key_mask: ArrayLike = None,
        attention_mask: Any = None,
        use_causal_mask: bool = False,
    ) -> jax.Array | None:
        """Returns all masks as one, (batch, [heads,] targets, sources)."""
        seen = [] if attention_mask is None else [jnp.asarray(attention_mask, bool)]
        if query_mask is not None:
            seen.append(jnp.asarray(query_mask, bool)[..., :, None])
        for mask in (value_mask, key_mask):
            if mask is not None:
                seen.append(jnp.asarray(mask, bool)[..., None, :])
        if use_causal_mask:
            seen.append(self._compute_causal_mask(query, value))
        return functools.reduce(jnp.logical_and, seen) if seen else None

    def _compute_causal_mask(self, query: ArrayLike, value: ArrayLike = None) -> jax.Array:
        value = query if value is None else value
        targets, sources = ([x.shape[i] for i in self._axes(x.ndim)] for x in (query, value))
        causal = jnp.tri(math.prod(targets), math.prod(sources), dtype=bool)
        return causal.reshape(1, *targets, *sources)

    def _near(self, targets: int, sources: int) -> jax.Array:
        """Returns what the sliding window lets each target see."""
        here, there = jnp.arange(targets)[:, None], jnp.arange(sources)
        return abs(here - there) < (self.sliding_window or 0)

    def _axes(self, ndim: int) -> tuple[int, ...]:
        if self.attention_axes is None:
            return tuple(range(1, ndim - 1))
        return tuple(positive_axis(self, axis, ndim) for axis in self.attention_axes)

    def _mask(
        self,
        q: _Folded,
        k: _Folded,
        query_mask: ArrayLike,
        value_mask: ArrayLike,
        key_mask: ArrayLike,
        attention_mask: Any,
    ) -> jax.Array | None:
        """Returns which sources each target sees, (samples or 1, heads or 1, targets, sources).

        The causal mask is not in it: kernels know that one.
        """
        targets, sources = q.array.shape[1], k.array.shape[1]
        seen = []
        if query_mask is not None:  # as in Keras, a hidden target gets the mean of everything
            seen.append(jnp.asarray(query_mask, bool).reshape(-1, 1, targets, 1))
        for mask in (value_mask, key_mask):
            if mask is not None:
                seen.append(jnp.asarray(mask, bool).reshape(-1, 1, 1, sources))
        if attention_mask is not None:
            seen.append(self._given_mask(q, k, attention_mask))
        # One mask a batch element serves all samples that were folded into it.
        folded = math.prod(q.samples[1:])
        seen = [jnp.repeat(m, folded, axis=0) if folded > 1 < len(m) else m for m in seen]
        if self.sliding_window is not None:
            seen.append(self._near(targets, sources)[None, None])
        if not seen:
            return None
        mask = functools.reduce(jnp.logical_and, seen)
        return jnp.broadcast_to(mask, (*mask.shape[:2], targets, sources))

    def _given_mask(self, q: _Folded, k: _Folded, mask: ArrayLike) -> jax.Array:
        """Returns a mask (batch, targets, sources), with or without heads before the targets.

        An axis of size 1 stands for one of any size, as in NumPy; so do missing ones in front.
        """
        mask, steps = jnp.asarray(mask, bool), q.steps + k.steps
        missing = 1 + len(steps) - mask.ndim
        mask = mask[(None,) * missing] if missing > 0 else mask
        if missing >= 0:
            mask = mask[:, None]
        wanted = (q.samples[0], self.heads, *steps)
        if mask.ndim != len(wanted) or any(
            n not in (1, m) for n, m in zip(mask.shape, wanted, strict=True)
        ):
            raise ValueError(
                f"The `attention_mask` of the layer {self.name!r} must broadcast to the shape "
                f"(batch, [heads,] targets, sources), which is {wanted} with heads. Received: "
                f"attention_mask.shape={mask.shape}"
            )
        mask = jnp.broadcast_to(mask, (*mask.shape[:2], *steps))
        return mask.reshape(*mask.shape[:2], math.prod(q.steps), math.prod(k.steps))


def _as_tuple(value: Any) -> Any:
    return value if value is None else tuple(value) if isinstance(value, Iterable) else (value,)


class MultiHeadAttention(_HeadAttention):
    """Attention of several heads (Vaswani et al., 2017).

    Called as `layer(query, value, key=None, query_mask=None, value_mask=None, key_mask=None,
    attention_mask=None, return_attention_scores=False, training=None, use_causal_mask=False)` with
    query (batch, targets, features), value and key (batch, sources, features), `value` being the
    default for `key`, and `attention_mask` (batch, targets, sources) False where a target does not
    see a source. Returns an array (batch, targets, features of the query), and the scores (batch,
    heads, targets, sources) if wanted.

    Weights: kernels and biases of `query`, `key`, `value` (features, heads, size) and
    `attention_output` (heads, size, features).

    Args:
        num_heads: The number of heads.
        key_dim: The size of each head's query and key.
        value_dim: The size of each head's value; `key_dim` by default.
        dropout: The fraction of scores set to zero in training.
        use_bias: Whether the projections have biases.
        output_shape: The size of the outputs, or several; the query's features by default.
        attention_axes: The axes over which attention goes; all but the first and the last by
            default.
        sliding_window: A target sees only sources fewer steps away than this; None for all.
        flash_attention: Whether cuDNN's fused kernel must be used; by default where it applies.
        use_gate: Whether heads are multiplied by a sigmoid of one more projection of the query.
        seed: An integer, for a sequence of draws of the layer's own.
        **options: Initializers, regularizers and constraints of all kernels (`kernel`) and biases
            (`bias`): see `Dense`.

    Raises:
        ValueError: If a size is not positive, or the inputs do not fit together.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=3)
        >>> query, value = np.ones((2, 8, 16)), np.ones((2, 4, 16))
        >>> outputs, scores = layer(query, value, return_attention_scores=True)
        >>> outputs.shape, scores.shape
        ((2, 8, 16), (2, 2, 8, 4))
        >>> zeros = keras.ops.zeros((1, 2, 3))
        >>> keras.layers.MultiHeadAttention(num_heads=1, key_dim=2)(zeros, zeros).tolist()
        [[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    """

    @takes_arguments_of(_HeadAttention.__init__)
    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Shape = None,
        attention_axes: Axis = None,
        **options: Unpack[HeadOptions],
    ):
        super().__init__(dropout, use_bias, **options)
        self.num_heads = self.heads = self.groups = positive_integer(self, "num_heads", num_heads)
        self.key_dim = self.key_size = positive_integer(self, "key_dim", key_dim)
        value_dim = key_dim if value_dim is None else value_dim
        self.value_dim = self.value_size = positive_integer(self, "value_dim", value_dim)
        self.output_shape = None
        self.attention_axes = (
            None if attention_axes is None else _as_tuple(as_axes(self, attention_axes))
        )
        if output_shape is not None:
            sizes = _as_tuple(output_shape)
            if any(as_integer(n) is None for n in sizes):
                raise ValueError(
                    f"Invalid `output_shape`: {output_shape!r}. When specified, the `output_shape` "
                    "should be of type tuple, list, or int."
                )
            self.output_shape = tuple(positive_integer(self, "output_shape", n) for n in sizes)


class GroupedQueryAttention(_HeadAttention):
    """Attention of several heads, groups of which share keys and values (Ainslie et al., 2023).

    Called as `layer(query, value, key=None, ...)`, like `MultiHeadAttention`.

    Weights: kernels and biases of `query` (features, query heads, size), `key`, `value` (features,
    key and value heads, size) and `attention_output` (query heads, size, features).

    Args:
        head_dim: The size of each head.
        num_query_heads: The number of the query's heads.
        num_key_value_heads: The number of key's and value's heads, a divisor of the query's.
        dropout: The fraction of scores set to zero in training.
        use_bias: Whether the projections have biases.
        sliding_window: A target sees only sources fewer steps away than this; None for all.
        flash_attention: Whether cuDNN's fused kernel must be used; by default where it applies.
        use_gate: Whether heads are multiplied by a sigmoid of one more projection of the query.
        seed: An integer, for a sequence of draws of the layer's own.
        **options: Initializers, regularizers and constraints of all kernels (`kernel`) and biases
            (`bias`): see `Dense`.

    Raises:
        ValueError: If a size is not positive, or the heads do not divide.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.GroupQueryAttention(3, num_query_heads=4, num_key_value_heads=2)
        >>> layer(np.ones((2, 8, 16)), np.ones((2, 4, 16))).shape
        (2, 8, 16)
    """

    @takes_arguments_of(_HeadAttention.__init__)
    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        **options: Unpack[HeadOptions],
    ):
        super().__init__(dropout, use_bias, **options)
        self.head_dim = self.key_size = positive_integer(self, "head_dim", head_dim)
        self.value_size = self.head_dim
        self.num_query_heads = self.heads = positive_integer(
            self, "num_query_heads", num_query_heads
        )
        self.num_key_value_heads = self.groups = positive_integer(
            self, "num_key_value_heads", num_key_value_heads
        )
        if self.heads % self.groups:
            raise ValueError(
                "`num_query_heads` must be divisible by `num_key_value_heads`. Received: "
                f"{num_query_heads} and {num_key_value_heads} (layer {self.name!r})"
            )


GroupQueryAttention = GroupedQueryAttention
registry.register_builtin("layers", GroupedQueryAttention, "GroupQueryAttention")


# ------------------------------------------------------------------ one head, no projections
class Attention(Layer):
    """Dot-product attention without projections (Luong et al., 2015).

    Called as `layer([query, value], mask=None, training=False, return_attention_scores=False,
    use_causal_mask=False)`, or with `[query, value, key]`: query (batch, ..., targets, size),
    value and key (batch, ..., sources, size); `mask` is a list of the query's and the value's mask.

    Weights: `scale` () with `use_scale`, `concat_score_weight` () with `score_mode="concat"`.

    Args:
        use_scale: Whether scores are multiplied with a learned number.
        score_mode: `"dot"`: products of query and key; or `"concat"`: sums of `tanh(query + key)`.
        dropout: The fraction of scores set to zero in training.
        seed: An integer, for a sequence of draws of the layer's own.

    Raises:
        ValueError: If the score mode is unknown, or the inputs are not such a list.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Attention()
        >>> layer([np.ones((2, 8, 16)), np.ones((2, 4, 16))]).shape
        (2, 8, 16)
        >>> values = np.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> layer([np.zeros((1, 1, 2)), values]).tolist()
        [[[2.0, 3.0]]]
    """

    supports_masking = True

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: Seed = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.use_scale, self.dropout = use_scale, fraction(self, "dropout", dropout)
        self.score_mode = one_of(self, "score_mode", score_mode, ("dot", "concat"))
        self.seed, self.seed_generator = seed, seed_generator(seed)

    def build(self, input_shape: Shape) -> None:
        self._check_shapes(input_shape)
        one: Any = {"shape": (), "initializer": "ones"}
        self.scale = self.add_weight(name="scale", **one) if self.use_scale else None
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", **one)

    def _check_shapes(self, shapes: Shape) -> None:
        kind = type(self).__name__
        is_list = isinstance(shapes, (list, tuple)) and all(
            isinstance(shape, (list, tuple)) for shape in shapes
        )
        if not is_list or len(shapes) not in (2, 3):
            raise ValueError(
                f"{kind} layer must be called on a list of inputs of length 2 or 3, namely "
                "[query, value] or [query, value, key]. "
                f"Received: inputs={shapes} (layer {self.name!r})"
            )
        query, key = shapes[0], shapes[-1]
        if query[-1] != key[-1] and None not in (query[-1], key[-1]):
            raise ValueError(
                f"The {kind} layer {self.name!r} compares query and key, whose last axes must be "
                f"equal. Received: {query} and {key}"
            )

    def score(self, query: ArrayLike, key: ArrayLike) -> ArrayLike:
        """Returns how much each source (batch, targets, sources) matters to each target."""
        if self.score_mode == "dot":
            scores = jnp.einsum("...th,...sh->...ts", query, key)
            return scores if self.scale is None else scores * self.scale.value
        sums = query[..., :, None, :] + key[..., None, :, :]
        scaled = sums if self.scale is None else sums * self.scale.value
        return self.concat_score_weight.value * jnp.sum(jnp.tanh(scaled), axis=-1)

    def call(
        self,
        inputs: ArrayLike,
        mask: ArrayLike = None,
        training: bool = False,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> ArrayLike:
        query, value, *rest = inputs
        query_mask, value_mask = self._masks(mask)
        scores = self.score(query, rest[0] if rest else value)
        seen = jnp.ones((1, 1), bool) if value_mask is None else value_mask[..., None, :]
        if use_causal_mask:
            seen = seen & jnp.tril(jnp.ones(scores.shape[-2:], bool))
        # A large number, not infinity: a target that sees nothing gets the mean of everything.
        hidden = jnp.finfo(scores.dtype).min / 2
        weights = jax.nn.softmax(jnp.where(seen, scores, hidden))
        dropping = training and self.dropout
        used = nn.dropout(weights, self.dropout, next_key(self)) if dropping else weights
        outputs = jnp.einsum("...ts,...sh->...th", used, value)
        if query_mask is not None:
            outputs = outputs * query_mask[..., None].astype(outputs.dtype)
        return (outputs, used) if return_attention_scores else outputs

    def _masks(self, mask: ArrayLike) -> tuple[Any, Any]:
        if mask is None:
            return None, None
        if not isinstance(mask, (list, tuple)) or len(mask) not in (2, 3):
            raise ValueError(
                f"{type(self).__name__} layer mask must be a list of length 2 or 3, namely "
                f"[query_mask, value_mask]. Received: mask={mask} (layer {self.name!r})"
            )
        return mask[0], mask[1]

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        return self._masks(mask)[0]


class AdditiveAttention(Attention):
    """Additive attention without projections (Bahdanau et al., 2015).

    The scores are sums of `scale * tanh(query + key)`. Called like `Attention`.

    Weights: `scale` (size,) with `use_scale`.

    Args:
        use_scale: Whether the summands are multiplied with learned numbers.
        dropout: The fraction of scores set to zero in training.

    Raises:
        ValueError: If the inputs are not a list of query, value and perhaps key.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.AdditiveAttention()
        >>> layer([np.ones((2, 8, 16)), np.ones((2, 4, 16))]).shape
        (2, 8, 16)
    """

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, **kwargs: Any):
        super().__init__(use_scale=use_scale, dropout=dropout, **kwargs)

    def build(self, input_shape: Shape) -> None:
        self._check_shapes(input_shape)
        sizes = (input_shape[0][-1],)
        self.scale = self.add_weight(sizes, name="scale") if self.use_scale else None

    def score(self, query: ArrayLike, key: ArrayLike) -> ArrayLike:
        summands = jnp.tanh(query[..., :, None, :] + key[..., None, :, :])
        scaled = summands if self.scale is None else summands * self.scale.value
        return jnp.sum(scaled, axis=-1)
