"""Trained weights that are adapted: by low-rank updates (LoRA), or as integers of 8 bits."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jkeras.base import registry
from jkeras.base.types import ArrayLike, Axis, Identifier
from jkeras.core import policy, scope
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.layers.arguments import add_weight, positive_integer
from jkeras.ops import quantization

MODES = ("int8",)
# Arguments that configs have only where they are given.
ADAPTATION = ("lora_rank", "lora_alpha", "quantization_config")


class AdaptedWeight:
    """The weight with which a layer computes: the stored one, plus its low-rank update."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: Any, cls: Any) -> Any:
        if layer is None:
            return self
        try:
            weight = layer.__dict__[self.name]
        except KeyError:
            raise AttributeError(
                f"You must build the layer before accessing `{self.name}`: call it on data, or "
                f"call build(input_shape) (layer {layer.name!r})."
            ) from None
        if not layer.lora_enabled or layer.quantization_mode is not None:
            return weight
        return weight.value + layer.low_rank_update()

    def __set__(self, layer: Any, value: Any) -> None:
        layer.__dict__[self.name] = value

    def __delete__(self, layer: Any) -> None:
        del layer.__dict__[self.name]


class StoredWeight:
    """The weight itself, without its update: `layer._kernel`."""

    def __init__(self, name: str):
        self.name = name

    def __get__(self, layer: Any, cls: Any) -> Any:
        return self if layer is None else layer.__dict__[self.name]

    def __set__(self, layer: Any, value: Any) -> None:
        layer.__dict__[self.name] = value


class AdaptedLayer(Layer):
    """A layer one of whose weights can be adapted: the one named `adapted`.

    A subclass that can be quantized writes `shared_axes` and `arranged`.
    """

    adapted = "kernel"
    lora_rank: int | None = None
    lora_alpha: float | None = None
    lora_enabled = False
    quantization_config: Any = None

    def _keep_adaptation(self, rank: Any, alpha: Any, config: Any) -> None:
        """Keeps the constructor's arguments, where they are given."""
        if rank:
            self.lora_rank = positive_integer(self, "lora_rank", rank)
            self.lora_alpha = self.lora_rank if alpha is None else alpha
        if config is not None:
            self.quantization_config = get_config_of_quantization(config)

    def _add_adapted(self, shape: Sequence[int], **options: Any) -> None:
        """Makes the weight: in `build`, instead of `add_weight`."""
        if self.quantization_mode is None:
            setattr(self, self.adapted, add_weight(self, self.adapted, shape, **options))
        else:
            self._add_integers(shape)

    def _finish_build(self) -> None:
        """Makes the low-rank update that the constructor was asked for."""
        if self.lora_rank:
            self._add_low_rank(self.lora_rank, "he_uniform", "zeros")

    # -------------------------------------------------------------- low-rank updates
    def enable_lora(
        self,
        rank: int,
        a_initializer: Identifier = "he_uniform",
        b_initializer: Identifier = "zeros",
        lora_alpha: float | None = None,
    ) -> None:
        """Freezes the weight, and adds a product of two small matrices to it, which are trained.

        The update is `lora_alpha / rank * a @ b`. Files hold the sum.

        Args:
            rank: The size of the axis over which the matrices are multiplied.
            a_initializer: The initializer of the first matrix.
            b_initializer: The initializer of the second one; zeros change nothing at first.
            lora_alpha: The scale; `rank` by default.

        Raises:
            ValueError: If the layer is not built, has an update already, or a constraint.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(3)
            >>> layer.build((None, 4))
            >>> layer.enable_lora(2)
            >>> [weight.shape for weight in layer.trainable_weights]
            [(3,), (4, 2), (2, 3)]

        References:
            Hu et al., 2021, LoRA: low-rank adaptation of large language models.
        """
        if getattr(self, f"{self.adapted}_constraint", None) is not None:
            raise ValueError(
                f"Lora is incompatible with {self.adapted} constraints. In order to enable lora on "
                f"this layer, remove the `{self.adapted}_constraint` argument."
            )
        if not self.built:
            raise ValueError(
                "Cannot enable lora on a layer that isn't yet built. Call build(input_shape), or "
                f"call it on data (layer {self.name!r})."
            )
        if self.lora_enabled:
            raise ValueError(
                "lora is already enabled. This can only be done once per layer "
                f"(layer {self.name!r})."
            )
        rank = positive_integer(self, "rank", rank)
        self.lora_alpha = rank if lora_alpha is None else lora_alpha
        with scope.root_names(tuple(self.path.split("/"))):
            self._add_low_rank(rank, a_initializer, b_initializer)
        self.lora_rank = rank

    def _add_low_rank(self, rank: int, a_initializer: Any, b_initializer: Any) -> None:
        weight: Variable = self.__dict__[self.adapted]
        *first, last = weight.shape
        options: Any = {"dtype": self.variable_dtype}
        for part, shape, initializer in (
            ("a", (*first, rank), a_initializer),
            ("b", (rank, last), b_initializer),
        ):
            name = f"lora_{self.adapted}_{part}"
            made = self.add_weight(
                shape,
                initializer,
                regularizer=getattr(self, f"{self.adapted}_regularizer", None),
                name=name,
                **options,
            )
            setattr(self, name, made)
        weight.trainable = False
        self.lora_enabled = True

    def _low_rank(self) -> tuple[Any, Any]:
        return tuple(getattr(self, f"lora_{self.adapted}_{part}") for part in "ab")  # type: ignore[return-value]

    def low_rank_update(self) -> ArrayLike:
        """Returns what LoRA adds to the weight."""
        a, b = self._low_rank()
        return (self.lora_alpha / self.lora_rank) * jnp.matmul(a.value, b.value)  # type: ignore[operator]

    def _with_low_rank(self, outputs: ArrayLike, compute: Callable[[Any, Any], Any]) -> Any:
        """Adds to outputs what LoRA's two matrices compute, if it is enabled."""
        if not self.lora_enabled:
            return outputs
        a, b = (part.value.astype(outputs.dtype) for part in self._low_rank())
        return outputs + (self.lora_alpha / self.lora_rank) * compute(a, b)  # type: ignore[operator]

    # -------------------------------------------------------------- integers
    @property
    def quantization_mode(self) -> str | None:
        """In what the weight is kept: `"int8"`; None for floats."""
        own = self._dtype_policy
        if isinstance(own, policy.DTypePolicyMap):
            own = own[self._path or "/".join(scope.current_names() or (self.name,))]
        return own.quantization_mode

    def shared_axes(self) -> Sequence[int]:
        """Returns the weight's axes that share a scale."""
        raise NotImplementedError

    def arranged(self, scale: ArrayLike) -> ArrayLike:
        """Returns the scale of the weight, with size 1 on shared axes, in the form it is kept."""
        raise NotImplementedError

    def quantize(
        self, mode: Identifier = None, type_check: bool = True, config: Identifier = None
    ) -> None:
        """Keeps the weight as integers: a quarter of the memory, a little less exact.

        Inputs are rounded to 8 bits as well, each sample by its own scale, unless the config says
        otherwise. The weight is trained no longer; a low-rank update of it may be.

        Args:
            mode: `"int8"`.
            type_check: Whether to refuse subclasses, whose computation may be another.
            config: An `Int8QuantizationConfig`, instead of or besides the mode.

        Raises:
            NotImplementedError: If layers of this type cannot be quantized.
            ValueError: If the layer is not built or quantized already, or the mode is unknown.

        Example:
            >>> import jkeras as keras
            >>> layer = keras.layers.Dense(3)
            >>> layer.build((None, 4))
            >>> layer.quantize("int8")
            >>> layer.kernel.dtype, layer.dtype_policy.name
            ('int8', 'int8_from_float32')
        """
        exact = type(self).__module__.startswith("jkeras.")
        if type(self).shared_axes is AdaptedLayer.shared_axes or (type_check and not exact):
            raise NotImplementedError(
                f"Layer {type(self).__name__} does not have a `quantize` method implemented."
            )
        config = get_config_of_quantization(config if config is not None else mode)
        if not self.built:
            raise ValueError(
                f"Cannot quantize a layer that isn't yet built. Layer {self.name!r} (of type "
                f"{type(self).__name__!r}) is not built yet."
            )
        if self.quantization_mode is not None:
            raise ValueError(
                f"Layer {self.name!r} is already quantized with "
                f"dtype_policy={self.dtype_policy.name!r}. Received: mode={mode}"
            )
        weight: Variable = self.__dict__[self.adapted]
        integers, scale = self._as_integers(weight.numpy())
        self._own_weights = [v for v in self._own_weights if v is not weight]
        delattr(self, self.adapted)
        self.dtype_policy = policy.QuantizedDTypePolicy(config.mode, self.dtype_policy.name)
        self.quantization_config = config
        with scope.root_names(tuple(self.path.split("/"))):
            self._add_integers(integers.shape)
        getattr(self, self.adapted).assign(integers)
        getattr(self, f"{self.adapted}_scale").assign(scale)

    def _as_integers(self, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = tuple(self.shared_axes())
        integers, scale = quantization.abs_max_quantize(value, axes, to_numpy=True)
        return integers, np.asarray(self.arranged(scale))

    def _add_integers(self, shape: Sequence[int]) -> None:
        if self.quantization_config is None:
            self.quantization_config = Int8QuantizationConfig()
        shared = [axis % len(shape) for axis in self.shared_axes()]
        one = [1 if i in shared else n for i, n in enumerate(shape)]
        options: Any = {"autocast": False, "trainable": False}
        weight = self.add_weight(tuple(shape), "zeros", "int8", name=self.adapted, **options)
        setattr(self, self.adapted, weight)
        name, shape = f"{self.adapted}_scale", np.shape(self.arranged(np.ones(one)))
        setattr(self, name, self.add_weight(shape, "ones", name=name, **options))

    def _rounds_inputs(self) -> bool:
        return self.quantization_config is None or self.quantization_config.rounds_inputs

    # -------------------------------------------------------------- configuration and files
    def get_config(self) -> dict[str, Any]:
        config = {k: v for k, v in super().get_config().items() if k not in ADAPTATION}
        if self.quantization_config is not None:
            config["quantization_config"] = registry.serialize_keras_object(
                self.quantization_config
            )
        if self.lora_rank:
            config.update(lora_rank=self.lora_rank, lora_alpha=self.lora_alpha)
        return config

    def _saved_variables(self) -> list[Variable]:
        if not self.lora_enabled and self.quantization_mode is None:
            return super()._saved_variables()
        name = self.adapted
        first = (name, "bias", f"{name}_scale")
        known = [v for n in first if isinstance(v := self.__dict__.get(n), Variable)]
        hidden = {id(v) for v in (*known, *(self._low_rank() if self.lora_enabled else ()))}
        return known + [v for v in super()._saved_variables() if id(v) not in hidden]

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if not self.lora_enabled:
            return
        value, update = store["0"], np.asarray(self.low_rank_update())
        if self.quantization_mode is None:
            store["0"] = value + update.astype(value.dtype)
            return
        scale = self._spread_scale(np.asarray(self.__dict__[f"{self.adapted}_scale"].cell()))
        integers, scale = self._as_integers(value / scale + update)
        store["0"] = integers
        names = [v.name for v in self._saved_variables()]
        store[str(names.index(f"{self.adapted}_scale"))] = scale

    def load_own_variables(self, store: Any) -> None:
        super().load_own_variables(store)
        if self.lora_enabled:  # files hold the sum
            for part in self._low_rank():
                part.assign(jnp.zeros_like(part.value))

    def _spread_scale(self, scale: ArrayLike) -> Any:
        """Returns the kept scale in a form that the weight can be divided by: see `arranged`."""
        raise NotImplementedError


# ------------------------------------------------------------------ configs
class Quantizer(registry.Configurable):
    """The base of what makes integers of floats.

    Args:
        output_dtype: The dtype of the integers.
    """

    def __init__(self, output_dtype: str = "int8"):
        self.output_dtype = output_dtype

    def __call__(self, x: ArrayLike) -> ArrayLike:
        """Returns the integers and their scale."""
        return x


class AbsMaxQuantizer(Quantizer):
    """Scales so that the largest absolute value has the largest integer.

    Args:
        axis: The axes that share a scale; may be given when called.
        value_range: The least and the greatest integer.
        epsilon: What is added to the largest value.
        output_dtype: The dtype of the integers.

    Raises:
        ValueError: If no axis is given, here or when called.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> integers, scale = keras.quantizers.AbsMaxQuantizer(axis=-1)(np.array([[1.0, -2.0]]))
        >>> integers.tolist()
        [[64, -127]]
    """

    def __init__(
        self,
        axis: Axis = None,
        value_range: tuple[int, int] = (-127, 127),
        epsilon: float = 1e-7,
        output_dtype: str = "int8",
    ):
        super().__init__(output_dtype)
        self.axis = axis if axis is None or isinstance(axis, (list, tuple)) else (axis,)
        self.value_range, self.epsilon = value_range, epsilon

    def __call__(self, x: ArrayLike, axis: Axis = None, to_numpy: bool = False) -> tuple[Any, Any]:
        axis = self.axis if axis is None else axis
        if axis is None:
            raise ValueError(
                "The axis must be provided either in the constructor or at call time. "
                "Received: axis=None"
            )
        return quantization.abs_max_quantize(
            x, axis, self.value_range, self.output_dtype, self.epsilon, to_numpy
        )

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = {
            "value_range": self.value_range,
            "epsilon": self.epsilon,
            "output_dtype": self.output_dtype,
        }
        return config if self.axis is None else {"axis": self.axis, **config}


class QuantizationConfig(registry.Configurable):
    """What `quantize` is to do.

    Args:
        weight_quantizer: How the weight is rounded; None: by its largest value.
        activation_quantizer: How the inputs are rounded, or None if they are not.
    """

    mode: str | None = None

    def __init__(
        self, weight_quantizer: Identifier = None, activation_quantizer: Identifier = None
    ):
        self.weight_quantizer, self.activation_quantizer = weight_quantizer, activation_quantizer

    @property
    def rounds_inputs(self) -> bool:
        """Whether inputs are rounded, too."""
        return self.activation_quantizer is not None


class Int8QuantizationConfig(QuantizationConfig):
    """Weights, and inputs unless `activation_quantizer` is None, as integers of 8 bits.

    Args:
        weight_quantizer: How the weight is rounded; None: by its largest value.
        activation_quantizer: How the inputs are rounded; None if they are not.

    Example:
        >>> import jkeras as keras
        >>> layer = keras.layers.Dense(3)
        >>> layer.build((None, 4))
        >>> config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
        >>> layer.quantize(config=config)
        >>> layer.quantization_mode
        'int8'
    """

    mode = "int8"

    def __init__(
        self, weight_quantizer: Identifier = None, activation_quantizer: Identifier = "default"
    ):
        if isinstance(activation_quantizer, str) and activation_quantizer == "default":
            activation_quantizer = AbsMaxQuantizer()
        super().__init__(
            *(
                registry.deserialize_values(q) if isinstance(q, dict) else q
                for q in (weight_quantizer, activation_quantizer)
            )
        )


def get_config_of_quantization(config: Identifier) -> Any:
    """Returns the config for a mode, a dict or a config.

    Raises:
        ValueError: If the mode is unknown.
    """
    if isinstance(config, dict):
        config = registry.deserialize_keras_object(config, area="quantizers")
    if isinstance(config, QuantizationConfig) and config.mode in MODES:
        return config
    if config in MODES:
        return Int8QuantizationConfig()
    raise ValueError(f"Invalid quantization mode. Expected one of {MODES}. Received: mode={config}")


# ------------------------------------------------------------------ computing with integers
def product(
    layer: AdaptedLayer,
    inputs: ArrayLike,
    equation: str,
    axes: Sequence[int],
    spread: Callable[[ArrayLike], ArrayLike],
) -> ArrayLike:
    """Returns the einsum of floats and a layer's integers, as floats.

    The derivative is that of the einsum with the weight that the integers stand for.

    Args:
        layer: The quantized layer.
        inputs: The inputs.
        equation: The einsum.
        axes: The inputs' axes that are summed.
        spread: Brings the scale of the inputs to the axes of the outputs.
    """
    weight = layer.__dict__[layer.adapted].value
    scale = layer.__dict__[f"{layer.adapted}_scale"].value.astype(inputs.dtype)
    floats = weight.astype(inputs.dtype) / layer._spread_scale(scale)
    if not layer._rounds_inputs():
        return jnp.einsum(equation, inputs, floats)

    @jax.custom_jvp
    def compute(inputs: ArrayLike, weight: Any, scale: ArrayLike, floats: Any) -> Any:
        integers, of_inputs = layer.quantization_config.activation_quantizer(inputs, axis=axes)
        sums = jnp.einsum(equation, integers, weight, preferred_element_type="int32")
        return sums.astype(inputs.dtype) / (spread(of_inputs) * scale)

    @compute.defjvp
    def derivative(primals: Any, tangents: Any) -> Any:
        return compute(*primals), jnp.einsum(equation, tangents[0], primals[3])

    return compute(inputs, weight, scale, floats)
