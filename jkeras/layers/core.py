"""The layers nearly every model has."""

import inspect
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Unpack

import jax
import jax.numpy as jnp

from jkeras import activations, initializers, regularizers
from jkeras.base.deprecation import warn_deprecated
from jkeras.base.numbers import as_integer
from jkeras.base.types import ArrayLike, DTypeLike, Identifier, Shape, Structure
from jkeras.core import policy
from jkeras.core.graph import Call, SymbolicTensor, note_call
from jkeras.core.input_spec import InputSpec
from jkeras.core.layer import Layer
from jkeras.core.signatures import takes_arguments_of
from jkeras.core.variable import Variable
from jkeras.layers.adapted import ADAPTATION, AdaptedLayer, AdaptedWeight, StoredWeight, product
from jkeras.layers.arguments import (
    KernelOptions,
    add_weight,
    positive_integer,
    weight_options,
)


# ------------------------------------------------------------------ inputs
class InputLayer(Layer):
    """Where data enters a functional or Sequential model; `Input` makes it.

    Args:
        shape: The shape of one sample; None for an axis of any size.
        batch_size: The number of samples, if it is fixed.
        dtype: The dtype of the data; `floatx()` by default.
        sparse: Sparse data is not supported.
        ragged: Ragged data is not supported.
        batch_shape: The shape of a batch, instead of `shape` and `batch_size`.
        input_tensor: A symbolic tensor to use, instead of a new one.
        optional: Whether the model may be called with None for this input.
        name: The name.

    Raises:
        ValueError: If no shape is given, or two, or it is not a tuple of sizes.

    Example:
        >>> import jkeras as keras
        >>> keras.layers.InputLayer(shape=(3,), name="features").output.shape
        (None, 3)
        >>> keras.layers.InputLayer((2,), dtype="int32").dtype
        'int32'
    """

    def __init__(
        self,
        shape: Shape = None,
        batch_size: int | None = None,
        dtype: DTypeLike = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Shape = None,
        input_tensor: ArrayLike = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        if input_tensor is not None and not isinstance(input_tensor, SymbolicTensor):
            raise ValueError(
                "Argument `input_tensor` must be a KerasTensor. "
                f"Received invalid type: {input_tensor=} (of type {type(input_tensor)})"
            )
        tensor_dtype = input_tensor.dtype if dtype is None and input_tensor is not None else dtype
        super().__init__(name=name, dtype=policy.standardize_dtype(tensor_dtype), **kwargs)
        if sparse or ragged:
            word = "sparse" if sparse else "ragged"
            raise ValueError(
                f"`{word}=True` is not supported: pass dense arrays. (With an `input_tensor`, you "
                f"cannot provide an incompatible `{word}` argument.)"
            )
        older = given_input_shape(self)
        if shape is None and batch_shape is None and older is not None:
            warnings.warn(
                "Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2
            )
            first, *sample = older
            batch_size, shape = batch_size if first is None else first, sample
        if shape is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
        if batch_size is not None and batch_shape is not None:
            raise ValueError("You cannot pass both `batch_size` and `batch_shape`.")
        if input_tensor is not None:
            _check_input_tensor(input_tensor, shape, batch_size, dtype, batch_shape)
            shape, batch_shape = None, input_tensor.shape
        if shape is not None:
            batch_shape = (batch_size, *_as_shape(shape))
        if batch_shape is None:
            raise ValueError("You must pass a `shape` argument.")
        self.batch_shape = _as_shape(batch_shape)
        self.sparse, self.ragged, self.optional = False, False, bool(optional)
        output = input_tensor
        if output is None:
            output = SymbolicTensor(self.batch_shape, self.dtype, name=name)
        output.source = Call(self, (), {}, output)
        note_call(self, output.source)

    def call(self) -> None:
        """Computes nothing."""

    def get_config(self) -> dict[str, Any]:
        names = ("batch_shape", "dtype", "sparse", "ragged", "name", "optional")
        return {name: getattr(self, name) for name in names}


def given_input_shape(layer: Layer) -> tuple[int | None, ...] | None:
    """Returns the inputs' shape that a layer's constructor was told, as in Keras 2, or None."""
    older = layer._older or {}
    for name in ("batch_input_shape", "input_dim"):
        if older.get(name) is not None:
            warn_deprecated(f"`{name}=` is Keras 2's spelling: put keras.Input(shape=...) first.")
    shape, dim = older.get("input_shape"), older.get("input_dim")
    if older.get("batch_input_shape") is not None:
        return tuple(older["batch_input_shape"])
    if shape is None and dim is not None:
        length = older.get("input_length")
        return (None, dim) if length is None else (None, length, dim)
    return None if shape is None else (None, *((shape,) if isinstance(shape, int) else shape))


def _check_input_tensor(
    tensor: SymbolicTensor, shape: Shape, batch_size: Any, dtype: DTypeLike, batch_shape: Shape
) -> None:
    """Refuses what contradicts the tensor that an InputLayer is to use."""
    for name, given, actual in (
        ("shape", shape, tensor.shape[1:]),
        ("batch_shape", batch_shape, tensor.shape),
        ("batch_size", None if batch_size is None else (batch_size,), tensor.shape[:1]),
    ):
        if given is not None and _as_shape(given) != tuple(actual):
            raise ValueError(
                "When providing the `input_tensor` argument, you cannot provide an incompatible "
                f"`{name}` argument. Received: {name}={given}; the tensor has {actual}"
            )
    if dtype is not None and policy.standardize_dtype(dtype) != tensor.dtype:
        raise ValueError(
            "When providing the `input_tensor` argument, you cannot provide an incompatible "
            f"`dtype` argument. Received: dtype={dtype!r}; the tensor has {tensor.dtype!r}"
        )


def _as_shape(shape: Shape) -> tuple[int | None, ...]:
    """Returns a tuple of sizes; refuses what is not one."""
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Iterable):
        raise ValueError(
            f"Cannot convert {shape!r} to a shape: it is a tuple of sizes, such as (28, 28)."
        )
    given = tuple(shape)
    sizes = tuple(None if n is None else as_integer(n) for n in given)
    for n, size in zip(given, sizes, strict=True):
        if n is not None and size is None:
            raise ValueError(
                f"Cannot convert {shape!r} to a shape. Found invalid dimension {n!r} of type "
                f"{type(n)}."
            )
        if size is not None and size < 0:
            raise ValueError(
                f"Cannot convert {shape!r} to a shape. Negative dimensions are not allowed."
            )
    return sizes


def Input(
    shape: Shape = None,
    batch_size: int | None = None,
    dtype: DTypeLike = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Shape = None,
    name: str | None = None,
    tensor: ArrayLike = None,
    optional: bool = False,
) -> SymbolicTensor:
    """Returns the symbolic tensor with which a functional model begins.

    Args:
        shape: The shape of one sample; None for an axis of any size.
        batch_size: The number of samples, if it is fixed.
        dtype: The dtype of the data; `floatx()` by default.
        sparse: Sparse data is not supported.
        ragged: Ragged data is not supported.
        batch_shape: The shape of a batch, instead of `shape` and `batch_size`.
        name: The name of the input.
        tensor: A symbolic tensor to use, instead of a new one.
        optional: Whether the model may be called with None for this input.

    Raises:
        ValueError: If no shape is given, or two, or it is not a tuple of sizes.

    Example:
        >>> import jkeras as keras
        >>> keras.Input(shape=(28, 28)).shape
        (None, 28, 28)
        >>> keras.Input((2,), name="features").name
        'features'
    """
    return InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name
    ).output


# ------------------------------------------------------------------ weights
_MATRIX_OR_MORE = InputSpec(min_ndim=2)


class Dense(AdaptedLayer):
    """`activation(inputs @ kernel + bias)`, on the last axis of the inputs.

    Weights: `kernel` (features, units), `bias` (units,).

    Args:
        units: The size of the outputs' last axis.
        activation: A name of `keras.activations`, or a function; None for the identity.
        use_bias: Whether there is a bias.
        kernel_initializer: The initializer of the kernel.
        bias_initializer: The initializer of the bias.
        kernel_regularizer: A function of the kernel (or its name) that gives a loss.
        bias_regularizer: A function of the bias (or its name) that gives a loss.
        activity_regularizer: A function of the outputs (or its name) that gives a loss.
        kernel_constraint: A function (or its name) applied to the kernel after each update.
        bias_constraint: A function (or its name) applied to the bias after each update.
        lora_rank: The rank of a low-rank update of the kernel, the only part of it that is trained:
            see `enable_lora`.
        lora_alpha: The scale of the update; `lora_rank` by default.
        quantization_config: How to keep the kernel as integers, where `dtype` says so.

    Raises:
        ValueError: If `units` is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.Dense(2, activation="relu", kernel_initializer="ones")
        >>> layer(np.ones((1, 3))).tolist()
        [[3.0, 3.0]]
    """

    supports_masking = True

    @weight_options(kernel="glorot_uniform", bias="zeros", activity_regularizer=None)
    def __init__(
        self,
        units: int,
        activation: Identifier = None,
        use_bias: bool = True,
        *,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Identifier = None,
        **options: Unpack[KernelOptions],
    ):
        super().__init__(**options)
        self._keep_adaptation(lora_rank, lora_alpha, quantization_config)
        self.units = positive_integer(self, "units", units)
        self.activation, self.use_bias = activations.get(activation), use_bias
        self.input_spec = _MATRIX_OR_MORE

    def build(self, input_shape: Shape) -> None:
        self._add_adapted((input_shape[-1], self.units))
        self.bias = add_weight(self, "bias", (self.units,)) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})
        self._finish_build()

    kernel, _kernel = AdaptedWeight("kernel"), StoredWeight("kernel")

    def shared_axes(self) -> Sequence[int]:
        return (0,)

    def arranged(self, scale: ArrayLike) -> ArrayLike:
        return scale.reshape(-1)

    def _spread_scale(self, scale: ArrayLike) -> Any:
        return scale

    def call(self, inputs: ArrayLike, training: bool | None = None) -> ArrayLike:
        if self.quantization_mode is None:
            outputs = inputs @ self.kernel
        else:
            outputs = product(self, inputs, "...i,ij->...j", (-1,), lambda scale: scale)
            outputs = self._with_low_rank(outputs, lambda a, b: inputs @ a @ b)
        outputs = outputs if self.bias is None else outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)


class EinsumDense(AdaptedLayer):
    """`activation(einsum(equation, inputs, kernel) + bias)`.

    Weights: `kernel` (as the equation's second term says), `bias` (as `bias_axes` says).

    Args:
        equation: An equation of two terms, such as `"abc,cd->abd"`; the inputs' and outputs' terms
            may begin or end with `...`.
        output_shape: The shape of one sample of the outputs, without the axes that `...` stands
            for; None for a size that the inputs give.
        activation: A name of `keras.activations`, or a function; None for the identity.
        bias_axes: The letters of the axes that have a bias; None for no bias.
        lora_rank: See `Dense`.
        lora_alpha: See `Dense`.
        quantization_config: See `Dense`.
        **options: Initializers, regularizers and constraints of `kernel` and `bias`: see `Dense`.

    Raises:
        ValueError: If the equation has another form, or does not fit the shapes.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.EinsumDense("abc,cd->abd", output_shape=(None, 64), bias_axes="d")
        >>> layer(np.ones((2, 32, 128))).shape
        (2, 32, 64)
    """

    kernel_initializer: Any

    @weight_options(kernel="glorot_uniform", bias="zeros")
    def __init__(
        self,
        equation: str,
        output_shape: Shape,
        activation: Identifier = None,
        bias_axes: str | None = None,
        *,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Identifier = None,
        **options: Unpack[KernelOptions],
    ):
        super().__init__(**options)
        self._keep_adaptation(lora_rank, lora_alpha, quantization_config)
        self.equation, self.bias_axes = equation, bias_axes
        size = as_integer(output_shape)
        self.output_shape = output_shape if size is None else (size,)
        self.activation = activations.get(activation)

    def build(self, input_shape: Shape) -> None:
        kernel_shape, bias_shape, _ = self._shapes(input_shape)
        _, of_kernel, of_outputs = re.split(",|->", self.equation.replace(" ", ""))
        summed = [i for i, letter in enumerate(of_kernel) if letter not in of_outputs]
        initializer = initializers.counting(self.kernel_initializer, summed)
        self._ndim = len(input_shape)
        self._add_adapted(kernel_shape, initializer=initializer)
        self.bias = None if bias_shape is None else add_weight(self, "bias", bias_shape)
        self._finish_build()

    kernel, _kernel = AdaptedWeight("kernel"), StoredWeight("kernel")

    def _terms(self) -> tuple[str, str, str]:
        """Returns the letters of inputs, kernel and outputs, with digits for "..."."""
        equation = self.equation.replace(" ", "")
        number = self._ndim - len(re.split(",", equation.replace(".", ""))[0])
        hidden = "".join(map(str, range(number)))
        inputs, kernel, outputs = re.split(",|->", equation.replace("...", hidden))
        return inputs, kernel, outputs

    def shared_axes(self) -> Sequence[int]:
        _, kernel, outputs = self._terms()
        return [i for i, letter in enumerate(kernel) if letter not in outputs]

    def arranged(self, scale: ArrayLike) -> ArrayLike:
        _, kernel, outputs = self._terms()
        return _arrange(scale, kernel, outputs)

    def _spread_scale(self, scale: ArrayLike) -> Any:
        _, kernel, outputs = self._terms()
        return _arrange(scale, outputs, kernel)

    def call(self, inputs: ArrayLike, training: bool | None = None) -> ArrayLike:
        if self.quantization_mode is None:
            outputs = jnp.einsum(self.equation, inputs, self.kernel)
        else:
            term, _, result = self._terms()
            summed = [i for i, letter in enumerate(term) if letter not in result]
            outputs = product(
                self, inputs, self.equation, summed, lambda scale: _arrange(scale, term, result)
            )
            outputs = self._with_low_rank(
                outputs, lambda a, b: jnp.einsum(self.equation, inputs, a @ b)
            )
        outputs = outputs if self.bias is None else outputs + self.bias.value
        return outputs if self.activation is None else self.activation(outputs)

    def _shapes(self, input_shape: Shape) -> tuple[list, list | None, list]:
        """Returns the shapes of kernel, bias and outputs."""
        pattern = r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]*)(\.\.\.)?"
        terms = re.fullmatch(pattern, self.equation.replace(" ", ""))
        if not terms or terms[1] != terms[5] or terms[3] != terms[7] or (terms[1] and terms[3]):
            raise ValueError(
                f"Invalid einsum equation {self.equation!r}. Equations must be in the form "
                "[X],[Y]->[Z], ...[X],[Y]->...[Z], or [X]...,[Y]->[Z]...."
            )
        # The axes that "..." stands for get digits for letters.
        hidden = "".join(chr(ord("0") + i) for i in range(len(input_shape) - len(terms[2])))
        left, right = (hidden, "") if terms[1] else ("", hidden)
        sizes = dict(zip(left + terms[2] + right, input_shape, strict=True))
        outputs = left + terms[6] + right
        free = [letter for letter in outputs[1:] if letter not in hidden] if not left else terms[6]
        if len(free) != len(self.output_shape):
            raise ValueError(
                f"The `output_shape` {self.output_shape} of the layer {self.name!r} must name the "
                f"sizes of {list(free)} in {self.equation!r}."
            )
        for letter, size in zip(free, self.output_shape, strict=True):
            known = sizes.get(letter)
            if None not in (size, known) and size != known:
                raise ValueError(
                    f"Input shape and output shape do not match at shared dimension {letter!r}. "
                    f"Input shape is {known}, and output shape is {size} (layer {self.name!r})."
                )
            sizes[letter] = known if size is None else size
        for letter in outputs:
            if letter not in left + terms[2] + right + terms[4]:
                raise ValueError(
                    f"Dimension {letter!r} was specified in the output {terms[6]!r} but has no "
                    f"corresponding dim in the input spec {terms[2]!r} or weight spec {terms[4]!r}"
                )
        kernel_shape = [sizes.get(letter) for letter in terms[4]]
        output_shape = [sizes.get(letter) for letter in outputs]
        if self.bias_axes is None:
            return kernel_shape, None, output_shape
        for letter in self.bias_axes:
            if letter not in terms[6]:
                raise ValueError(
                    f"Bias dimension {letter!r} was requested, but is not part of the output spec "
                    f"{terms[6]!r}"
                )
        first = min(outputs.index(letter) for letter in self.bias_axes)
        bias = [sizes[letter] if letter in self.bias_axes else 1 for letter in outputs[first:]]
        return kernel_shape, bias, output_shape


def _arrange(array: ArrayLike, before: str, after: str) -> Any:
    """Brings axes into another order; those that are missing after, or were before, have size 1."""
    gone = tuple(i for i, letter in enumerate(before) if letter not in after)
    kept = [letter for letter in before if letter in after]
    order = [kept.index(letter) for letter in after if letter in kept]
    moved = array.squeeze(gone).transpose(order)
    new = tuple(i for i, letter in enumerate(after) if letter not in kept)
    return jnp.expand_dims(moved, new)


class Embedding(AdaptedLayer):
    """Looks integers up in a table of vectors.

    Weights: `embeddings` (input_dim, output_dim). An integer outside of the table is an error
    where the layer is called with numbers. Compiled code, such as that of `fit` and `predict`,
    cannot raise: there a negative one counts from the table's end, and others give NaN.

    Args:
        input_dim: The number of vectors.
        output_dim: Their length.
        embeddings_initializer: The initializer of the table.
        embeddings_regularizer: A function of the table (or its name) that gives a loss.
        embeddings_constraint: A function (or its name) applied to the table after each update.
        mask_zero: Whether 0 stands for padding, which the layers after this one skip.
        weights: `[table]`: initial values.
        lora_rank: See `Dense`.
        lora_alpha: See `Dense`.
        quantization_config: See `Dense`.

    Raises:
        ValueError: If a size is not a positive integer; in a call, if an integer is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Embedding(10, 4)(np.array([[1, 2, 3]])).shape
        (1, 3, 4)
        >>> ones = keras.layers.Embedding(3, 2, embeddings_initializer="ones")
        >>> ones([0, 2]).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    @weight_options(embeddings="uniform")
    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        *,
        mask_zero: bool = False,
        weights: Structure = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Identifier = None,
        **options: Any,
    ):
        super().__init__(**options)
        self._keep_adaptation(lora_rank, lora_alpha, quantization_config)
        self.autocast = False  # indices given as floats stay exact: they are not cast to 16 bits
        self.input_dim = positive_integer(self, "input_dim", input_dim)
        self.output_dim = positive_integer(self, "output_dim", output_dim)
        self.mask_zero = self.supports_masking = mask_zero
        if weights is not None:
            self.build()
            self.embeddings.assign(weights[0] if isinstance(weights, (list, tuple)) else weights)

    def build(self, input_shape: Shape = None) -> None:
        self._add_adapted((self.input_dim, self.output_dim))
        self._finish_build()

    adapted = "embeddings"
    embeddings_scale: Any
    embeddings, _embeddings = AdaptedWeight("embeddings"), StoredWeight("embeddings")

    def shared_axes(self) -> Sequence[int]:
        return (1,)

    def arranged(self, scale: ArrayLike) -> ArrayLike:
        return scale.reshape(-1)

    def _spread_scale(self, scale: ArrayLike) -> Any:
        return scale[:, None]

    def call(self, inputs: ArrayLike) -> ArrayLike:
        indices = inputs if jnp.issubdtype(inputs.dtype, jnp.integer) else inputs.astype("int32")
        self._check_range(indices)
        vectors = jnp.take(self._embeddings.value, indices, axis=0).astype(self.compute_dtype)
        if self.quantization_mode is not None:
            scale = jnp.take(self.embeddings_scale.value, indices, axis=0)
            vectors = vectors / scale[..., None].astype(self.compute_dtype)
        return self._with_low_rank(vectors, lambda a, b: jnp.take(a, indices, axis=0) @ b)

    def _check_range(self, indices: jax.Array) -> None:
        if isinstance(indices, jax.core.Tracer) or not indices.size:
            return  # compiled code cannot raise
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= self.input_dim:
            raise ValueError(
                f"The layer {self.name!r} has vectors for the integers 0 to {self.input_dim - 1} "
                f"(input_dim={self.input_dim}). Received {low if low < 0 else high}. Make "
                "`input_dim` one more than the largest integer, and number from 0 on."
            )

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        return jnp.not_equal(inputs, 0) if self.mask_zero else None


class ReversibleEmbedding(Embedding):
    """An `Embedding` that also projects vectors back to scores of the integers.

    Called as `layer(indices)`, or `layer(vectors, reverse=True)`.

    Weights: `embeddings` (input_dim, output_dim); unless tied, `reverse_embeddings` (output_dim,
    input_dim).

    Args:
        input_dim: The number of vectors.
        output_dim: Their length.
        tie_weights: Whether the way back uses the transposed table.
        embeddings_initializer: The initializer of both tables.
        embeddings_regularizer: A function of a table (or its name) that gives a loss.
        embeddings_constraint: A function (or its name) applied to a table after each update.
        mask_zero: Whether 0 stands for padding, which the layers after this one skip.
        reverse_dtype: The dtype of the way back; the compute dtype by default.
        logit_soft_cap: A limit `c` of the scores: they become `c * tanh(scores / c)`.

    Raises:
        ValueError: If a size is not a positive integer.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.ReversibleEmbedding(10, 4)
        >>> layer(layer(np.array([[1, 2, 3]])), reverse=True).shape
        (1, 3, 10)
    """

    @takes_arguments_of(Embedding.__init__, without=["weights", *ADAPTATION])
    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        *,
        reverse_dtype: DTypeLike = None,
        logit_soft_cap: float | None = None,
        **options: Any,
    ):
        super().__init__(input_dim, output_dim, **options)
        self.tie_weights, self.reverse_dtype = tie_weights, reverse_dtype
        self.logit_soft_cap = logit_soft_cap

    def build(self, input_shape: Shape = None) -> None:
        super().build(input_shape)
        if not self.tie_weights:
            shape = (self.output_dim, self.input_dim)
            self.reverse_embeddings = add_weight(self, "reverse_embeddings", shape, "embeddings")

    def call(self, inputs: ArrayLike, reverse: bool = False) -> ArrayLike:
        if not reverse:
            return super().call(inputs)
        dtype = self.reverse_dtype or self.compute_dtype
        inputs = inputs.astype(dtype)
        if not self.tie_weights:
            logits = inputs @ self.reverse_embeddings.value.astype(dtype)
        elif self.quantization_mode is not None:
            logits = product(self, inputs, "...i,ji->...j", (-1,), lambda scale: scale)
            logits = self._with_low_rank(logits, lambda a, b: inputs @ (a @ b).T)
        else:
            table = self.embeddings
            table = table.value if isinstance(table, Variable) else table
            logits = inputs @ table.T.astype(dtype)
        cap = self.logit_soft_cap
        return logits if cap is None else jnp.tanh(logits / cap) * cap

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        is_index = jnp.issubdtype(inputs.dtype, jnp.integer)
        return super().compute_mask(inputs) if is_index else mask


class Masking(Layer):
    """Hides the time steps whose features all equal a value from the layers after this one.

    Args:
        mask_value: The value.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> x = np.array([[[1.0], [2.0], [0.0]]])
        >>> keras.layers.Masking().compute_mask(x).tolist()
        [[True, True, False]]
    """

    supports_masking = True

    def __init__(self, mask_value: ArrayLike = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = mask_value

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        return jnp.any(jnp.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return inputs * self.compute_mask(inputs)[..., None].astype(inputs.dtype)


# ------------------------------------------------------------------ functions of the inputs
class Lambda(Layer):
    """Any function as a layer.

    A config names the function; to load it, register it or pass it in `custom_objects`. Code in
    files is never executed, so that a `lambda` without a name cannot be loaded.

    Args:
        function: A function of the inputs, which may also take `mask` and `training`.
        output_shape: The shape of one sample of the outputs, or a function of the inputs' shape;
            found by evaluating `function` abstractly by default.
        mask: The mask of the outputs, or a function of the inputs and their mask.
        arguments: Further arguments of `function`, by name.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Lambda(lambda x: x**2)(np.array([[3.0]])).tolist()
        [[9.0]]
    """

    def __init__(
        self,
        function: Callable,
        output_shape: Shape = None,
        mask: Any = None,
        arguments: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if not callable(function):
            raise TypeError(f"Lambda takes a function, got {function!r}.")
        self.function, self.output_shape, self.mask = function, output_shape, mask
        self.arguments = dict(arguments or {})
        self.supports_masking = mask is not None
        try:
            self._parameters = frozenset(inspect.signature(function).parameters)
        except ValueError:  # some functions written in C do not tell
            self._parameters = frozenset()

    def call(
        self, inputs: ArrayLike, mask: ArrayLike = None, training: bool | None = None
    ) -> ArrayLike:
        given = {"mask": mask, "training": training}
        extra = {k: v for k, v in given.items() if k in self._parameters}
        return self.function(inputs, **{**extra, **self.arguments})

    def compute_output_spec(self, inputs: ArrayLike, *args: Any, **kwargs: Any) -> Structure:
        if self.output_shape is None:
            return super().compute_output_spec(inputs, *args, **kwargs)
        if callable(self.output_shape):
            shape = self.output_shape(jax.tree.map(lambda x: x.shape, inputs))
        else:
            shape = (jax.tree.leaves(inputs)[0].shape[0], *_as_shape(self.output_shape))
        return SymbolicTensor(shape, self.compute_dtype)

    def compute_mask(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask


class Identity(Layer):
    """Returns its inputs.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.Identity()(np.array([[3.0]])).tolist()
        [[3.0]]
    """

    supports_masking = True

    def call(self, inputs: ArrayLike) -> ArrayLike:
        return inputs


class ActivityRegularization(Layer):
    """Returns its inputs, and adds a loss of them: `l1 * sum(abs(x)) + l2 * sum(square(x))`.

    The sums are divided by the number of samples.

    Args:
        l1: The factor of absolute values.
        l2: The factor of squares.

    Raises:
        ValueError: If a factor is negative.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> layer = keras.layers.ActivityRegularization(l2=1.0)
        >>> _ = layer(np.array([[1.0], [3.0]]))
        >>> layer.losses[0].item()
        5.0
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.l1, self.l2 = l1, l2
        self._regularizer = regularizers.L1L2(l1, l2)

    def call(self, inputs: ArrayLike) -> ArrayLike:
        self.add_loss(self._regularizer(inputs) / jnp.maximum(inputs.shape[0], 1))
        return inputs
