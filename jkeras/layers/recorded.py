"""What a recorded call does besides calling layers and operations, as layers of its graph.

`Model.functional` makes them; they are in no public module. Files name them as Keras's layers,
since a graph that has them is read by this library alone.
"""

from typing import Any, Self

import jax
import numpy as np

from jkeras import constraints, regularizers
from jkeras.base import registry
from jkeras.base.types import ArrayLike, Identifier, Shape
from jkeras.core import graph
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable


class RecordedWeight(Layer):
    """Gives a weight that a call reads itself, rather than a layer that it calls.

    Args:
        shape: The shape of the weight.
        weight_dtype: The dtype in which it is kept.
        initializer: What it begins as.
        regularizer: A function of the weight that gives a loss.
        constraint: A function of the weight that is applied after each update.
        learned: Whether optimizers may change it, if the layer is trainable.
        weight_name: What the weight is called; as the layer by default.
        **kwargs: Further arguments of a layer.

    Example:
        >>> import jkeras as keras
        >>> from jkeras.layers.recorded import RecordedWeight
        >>> RecordedWeight((2,), initializer="ones")().tolist()
        [1.0, 1.0]
    """

    begins = True

    def __init__(
        self,
        shape: Shape,
        weight_dtype: str = "float32",
        initializer: Identifier = "zeros",
        regularizer: Identifier = None,
        constraint: Identifier = None,
        learned: bool = True,
        weight_name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.weight = self.add_weight(
            shape=shape,
            dtype=weight_dtype,
            initializer=initializer,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
            trainable=learned,
            name=weight_name or str(self.name),
        )

    @classmethod
    def of(cls, variable: Variable, policy: Any) -> Self:
        """Makes a layer that gives a variable as layers of a policy read it.

        Args:
            variable: The variable, which stays that of its owner as well.
            policy: The owner's dtype policy.
        """
        given: dict[str, Any] = {
            "regularizer": variable.regularizer,
            "constraint": variable.constraint,
        }
        node = cls(
            variable.shape,
            variable.variable_dtype,
            variable.initializer or "zeros",
            learned=variable.made_trainable,
            autocast=variable.autocast,
            dtype=policy,
            name=variable.root_name,
            weight_name=variable.root_name,
            **given,
        )
        node.share(variable)
        return node

    def share(self, variable: Variable) -> None:
        """Gives a weight of another layer from now on.

        Raises:
            ValueError: If it has another shape or dtype than this layer's.
        """
        own, given = self.weight, variable
        if (own.shape, own.variable_dtype) != (given.shape, given.variable_dtype):
            raise ValueError(
                f"The weight {given.path!r} has the shape {given.shape} and the dtype "
                f"{given.variable_dtype}, and the graph reads one of {own.shape} and "
                f"{own.variable_dtype}."
            )
        self.weight = variable
        self._own_weights = [variable]

    def call(self) -> ArrayLike:
        """Returns the weight."""
        return self.weight.value

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments; the initializer only if files know it."""
        config = super().get_config()
        initializer = self._weight_initializer()
        return {**config, "shape": list(self.weight.shape), "initializer": initializer}

    def _weight_initializer(self) -> Any:
        initializer = self.weight.initializer
        known = initializer is not None and registry.is_builtin(type(initializer))
        return registry.serialize_keras_object(initializer) if known else "zeros"


class RecordedConstant(Layer):
    """Gives an array on which a call calls a layer.

    Args:
        value: The array.
        **kwargs: Further arguments of a layer.

    Example:
        >>> from jkeras.layers.recorded import RecordedConstant
        >>> RecordedConstant([1, 2])().tolist()
        [1, 2]
    """

    begins = True

    def __init__(self, value: ArrayLike, **kwargs: Any):
        super().__init__(**kwargs)
        self.value = np.asarray(value)

    def call(self) -> jax.Array:
        """Returns the array."""
        return jax.numpy.asarray(self.value)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments."""
        return {**super().get_config(), "value": registry.serialize_keras_object(self.value)}


class _AsItIs(Layer):
    """A layer that leaves the dtypes of its inputs alone."""

    def __init__(self, **kwargs: Any):
        super().__init__(**{**kwargs, "autocast": False})


class AddLoss(_AsItIs):
    """Adds a value to the loss that training minimizes: `add_loss` of a symbolic tensor.

    Example:
        >>> import jkeras as keras
        >>> inputs = keras.Input((2,))
        >>> model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
        >>> model.add_loss(keras.ops.mean(model.output))
        >>> model.layers[-1].name
        'add_loss'
    """

    def call(self, loss: ArrayLike) -> ArrayLike:
        """Adds the loss, and returns it."""
        self.add_loss(loss)
        return loss


class GetMask(_AsItIs):
    """Gives the mask of a tensor as a tensor.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> from jkeras.layers.recorded import GetMask
        >>> embedded = keras.layers.Embedding(9, 2, mask_zero=True)(np.array([[3, 0]]))
        >>> GetMask()(embedded).tolist()
        [[True, False]]
    """

    def call(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        """Returns the mask."""
        return mask


class SetMask(_AsItIs):
    """Gives a tensor with another mask.

    Example:
        >>> import jax.numpy as jnp, jkeras as keras
        >>> from jkeras.layers.recorded import SetMask
        >>> x = SetMask()(jnp.ones((1, 2, 3)), mask=jnp.array([[True, False]]))
        >>> keras.layers.GlobalAveragePooling1D()(x).tolist()
        [[1.0, 1.0, 1.0]]
    """

    supports_masking = True

    def call(self, inputs: ArrayLike, mask: ArrayLike = None) -> ArrayLike:
        """Returns the inputs, which have the mask from now on."""
        return inputs


class SizeOf(graph.Operation):
    """Gives the size of an axis as a number, which shapes may have.

    Args:
        axis: The axis.
        name: The name; made from the class's by default.

    Example:
        >>> import jax.numpy as jnp
        >>> from jkeras.layers.recorded import SizeOf
        >>> SizeOf(1)(jnp.ones((2, 3)))
        3
    """

    def __init__(self, axis: int, name: str | None = None):
        super().__init__(name)
        self.axis = axis

    def call(self, inputs: ArrayLike) -> int:
        """Returns the size."""
        return inputs.shape[self.axis]

    def compute_output_spec(self, inputs: ArrayLike) -> Any:
        """Returns a symbolic size.

        Raises:
            ValueError: If there is no such axis.
        """
        if not isinstance(self.axis, int) or not 0 <= self.axis < len(inputs.shape):
            raise ValueError(f"A tensor of shape {inputs.shape} has no axis {self.axis!r}.")
        return graph.SymbolicSize(None)


_ALL = (RecordedWeight, RecordedConstant, AddLoss, GetMask, SetMask, SizeOf)
registry.export("keras.layers", "layers", {cls.__name__: cls for cls in _ALL})
