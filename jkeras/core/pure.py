"""Layers as pure functions of their variables, and the two crossings between cells and pytrees."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.export
import numpy as np

from jkeras.base import keys, naming
from jkeras.base.types import Structure
from jkeras.core import graph, scope, shapes
from jkeras.core.parts import Module, named_variables, paths
from jkeras.core.variable import Variable


class Variables(NamedTuple):
    """A layer's weights as two flat dicts, from paths such as `"dense/kernel"` to arrays.

    `params` are what gradients reach: the trainable weights. `state` is the rest: averages of
    BatchNormalization, frozen weights, seeds. `flax.traverse_util.unflatten_dict(params, sep="/")`
    nests them.
    """

    params: dict[str, Any]
    state: dict[str, Any]


# So that what `jax.export` makes of a function of them can be written to a file.
jax.export.register_namedtuple_serialization(Variables, serialized_name="jkeras.Variables")


class Effects(NamedTuple):
    """What a pure call did besides returning.

    `state` is the new state, `losses` are the losses that layers added in the call, `masks` are the
    masks of the outputs, in their structure, None where there is none; `others` the new values of
    the variables that were passed to `run` besides the layer's. What regularizers ask for weights
    follows from the weights alone, and is in none of them: inside of `run`, `layer.losses` has it.
    """

    state: dict[str, Any]
    losses: list[Any]
    masks: Any
    others: list[Any] = []


# ------------------------------------------------------------------ the two crossings
def read(layer: Module) -> Variables:
    """Returns the arrays that the cells of a layer's variables hold."""
    named = named_variables(layer)
    return Variables(
        {path: v.show() for path, v in named.items() if v.trainable},
        {path: v.show() for path, v in named.items() if not v.trainable},
    )


def write(layer: Module, variables: Variables) -> None:
    """Makes the cells of a layer's variables hold these arrays; no data is copied.

    Raises:
        ValueError: If a path is unknown or missing, or a shape differs.
    """
    named = named_variables(layer)
    values = _checked(named, variables)
    for path, variable in named.items():
        variable.set_cell(values[path])
        variable.show()


def _pair(variables: Any) -> Any:
    """Returns params and state, also of a model's `variables`, or of a step's state."""
    variables = getattr(variables, "own_variables", variables)
    return (variables.params, variables.state) if hasattr(variables, "params") else variables


def _checked(named: Mapping[str, Variable], variables: Any) -> dict[str, Any]:
    params, state = _pair(variables)
    values = {**params, **state}
    if values.keys() != named.keys():
        unknown, missing = values.keys() - named.keys(), named.keys() - values.keys()
        hints = "".join(naming.nearest(path, missing) for path in sorted(unknown)[:1])
        raise ValueError(
            "The variables do not fit the layer. "
            f"Unknown: {sorted(unknown)}{hints}. Missing: {sorted(missing)}."
        )
    for path, variable in named.items():
        shape = np.shape(values[path])
        if shape != variable.shape:
            raise ValueError(
                f"The variable {path!r} has shape {variable.shape}, but got an array of shape "
                f"{shape}." + (" To run many sets of weights, use jax.vmap." if shape else "")
            )
    return values


def stateless_call(
    layer: Module,
    trainable_variables: Sequence[Any],
    non_trainable_variables: Sequence[Any],
    *args: Any,
    return_losses: bool = False,
    **kwargs: Any,
) -> tuple:
    """Calls a layer purely, with lists of arrays, as Keras's method of this name.

    Args:
        layer: The layer.
        trainable_variables: Arrays in the order of `trainable_variables`.
        non_trainable_variables: Arrays in the order of `non_trainable_variables`.
        *args: What the layer is called on.
        return_losses: Whether to return the losses, too.
        **kwargs: Further arguments of the call, such as `training`.

    Returns:
        `(outputs, new non-trainable variables)`, and the losses if asked for. What is drawn
        follows from the variables and the inputs, so that it is something else from step to step;
        `jkeras.pure.apply` takes a key.
    """
    paths = {variable: path for path, variable in named_variables(layer).items()}
    lists = zip(
        (layer.trainable_variables, layer.non_trainable_variables),
        (trainable_variables, non_trainable_variables),
        strict=True,
    )
    params, state = (
        {
            paths[v]: value.value if isinstance(value, Variable) else value
            for v, value in zip(own, values, strict=True)
        }
        for own, values in lists
    )
    around = scope.current()
    key = None if around is None else around.key_for_call()
    outputs, effects = run(
        layer,
        (params, state),
        lambda: (layer(*args, **kwargs), layer.losses),
        training=bool(kwargs.get("training")),
        rng=(lambda: keys.key_of((params, state, args, kwargs))) if key is None else key,
    )
    new = [effects.state[paths[v]] for v in layer.non_trainable_variables]
    return (outputs[0], new, outputs[1]) if return_losses else (outputs[0], new)


# ------------------------------------------------------------------ init and apply
def init(layer: Module, key: jax.Array, *specs: Structure, **kwargs: Any) -> Variables:
    """Draws new weights for a layer; the layer's own weights stay as they are.

    Args:
        layer: The layer or model; it is built if it is not yet.
        key: A key of `jax.random.key`. Each weight's draw follows from the key and its path.
        *specs: What the layer is called on: arrays, `jax.ShapeDtypeStruct`s, shapes (with None for
            an axis of any size), or structures of these. May be left out if the layer is built.
        **kwargs: Likewise, by name.

    Returns:
        The variables.

    Raises:
        ValueError: If the layer is not built and no specs are given.

    Example:
        >>> import jax, jkeras as keras
        >>> dense = keras.layers.Dense(2)
        >>> variables = keras.pure.init(dense, jax.random.key(0), (None, 3))
        >>> {path: array.shape for path, array in variables.params.items()}
        {'kernel': (3, 2), 'bias': (2,)}
    """
    ensure_built(layer, *specs, **kwargs)
    params: dict[str, Any] = {}
    state: dict[str, Any] = {}
    for path, variable in named_variables(layer).items():
        value = variable.initial_value(keys.fold_path(key, path))
        (params if variable.trainable else state)[path] = value
    return Variables(params, state)


def ensure_built(layer: Module, *specs: Structure, **kwargs: Any) -> None:
    """Builds a layer for inputs of these specs, by abstract evaluation: nothing is computed."""
    if specs or kwargs:
        named = {k: _symbols(spec) for k, spec in kwargs.items()}
        layer.compute_output_spec(*map(_symbols, specs), **named)
    elif not layer.built:
        raise ValueError(
            f"The layer {layer.name!r} is not built: say what it is called on, for example "
            "model.init(key, (None, 8)) for batches of 8 features."
        )


def _symbols(tree: Structure) -> Any:
    return jax.tree.map(_symbol, tree, is_leaf=shapes.is_shape)


def _symbol(spec: Any) -> Any:
    if isinstance(spec, graph.SymbolicTensor) or spec is None:
        return spec
    if shapes.is_shape(spec):
        return graph.SymbolicTensor(spec)
    if hasattr(spec, "shape") and hasattr(spec, "dtype"):
        return graph.SymbolicTensor(spec.shape, spec.dtype)
    return spec


def apply(
    layer: Module,
    variables: Any,
    *inputs: Structure,
    training: bool = False,
    rng: jax.Array | Callable[[], jax.Array] | None = None,
    **kwargs: Any,
) -> tuple[Any, Effects]:
    """Calls a layer with `variables` for weights: a pure function of its arguments.

    Args:
        layer: The layer or model.
        variables: A `Variables`, a pair of dicts like it, or `model.variables`.
        *inputs: What the layer is called on.
        training: Whether dropout is on, and averages are updated.
        rng: The key from which all draws follow, or a function that makes it at the first draw;
            needed if anything is drawn.
        **kwargs: Further arguments of the call.

    Returns:
        The outputs, and the `Effects`: the new state, the added losses, the outputs' masks.

    Raises:
        ValueError: If the variables do not fit, a weight is read that is not the layer's, or a
            random number is drawn without a key.

    Example:
        >>> import jax, jax.numpy as jnp, jkeras as keras
        >>> dense = keras.layers.Dense(1, use_bias=False)
        >>> variables = keras.pure.init(dense, jax.random.key(0), (None, 2))
        >>> x = jnp.ones((4, 2))
        >>> def loss(params):
        ...     outputs, _ = keras.pure.apply(dense, (params, variables.state), x)
        ...     return outputs.sum()
        >>> jax.grad(loss)(variables.params)["kernel"].tolist()
        [[4.0], [4.0]]
    """
    return run(layer, variables, lambda: layer(*inputs, **kwargs), training=training, rng=rng)


def run(
    layer: Module,
    variables: Any,
    function: Callable[[], Any],
    *,
    training: bool = False,
    rng: jax.Array | Callable[[], jax.Array] | None = None,
    others: Mapping[Variable, Any] | None = None,
) -> tuple[Any, Effects]:
    """Runs a function that uses a layer's weights, with `variables` for their values.

    `apply` is `run` of the layer's call; with `run`, a model can have several methods that compute
    (`encode`, `decode`), and each of them is pure.

    Args:
        layer: The layer or model.
        variables: A `Variables`, or a pair of dicts like it.
        function: What to run.
        training: Whether dropout is on, and averages are updated.
        rng: The key from which all draws follow, or a function that makes it at the first draw;
            needed if anything is drawn.
        others: Values of other variables that the function may read and write; the new ones are in
            `effects.others`, in the same order.

    Returns:
        What the function returned, and the `Effects`.

    Example:
        >>> import jax, jax.numpy as jnp, jkeras as keras
        >>> class Pair(keras.layers.Layer):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.down, self.up = keras.layers.Dense(1), keras.layers.Dense(2)
        ...
        ...     def call(self, x):
        ...         return self.up(self.down(x))
        >>> pair = Pair()
        >>> variables = keras.pure.init(pair, jax.random.key(0), (None, 2))
        >>> code, _ = keras.pure.run(pair, variables, lambda: pair.down(jnp.ones((4, 2))))
        >>> code.shape
        (4, 1)
    """
    named = named_variables(layer)
    values = _checked(named, variables)
    around = scope.current()
    if rng is None and around is not None:
        rng = around.key_for_call()
    here = scope.Pure(
        {**(others or {}), **{variable: values[path] for path, variable in named.items()}},
        training=training,
        rng=rng,
        paths=lambda: paths(layer),
    )
    with scope.enter(here):
        outputs = function()
    _, state = _pair(variables)
    return outputs, Effects(
        state={path: here.values[named[path]] for path in state},
        losses=[loss for _, loss in here.added_losses],
        masks=jax.tree.map(here.get_mask, outputs),
        others=[here.values[variable] for variable in others or ()],
    )


def outside_variables(function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[Variable]:
    """Finds the variables that a function uses besides those that pure calls in it are given.

    A loss, a metric or a `Lambda` may read a `keras.Variable` that no layer holds: compiled as it
    is, its value would be a constant of the program. What is found here is passed to `run` as
    `others`, and comes back from it.

    Args:
        function: A function of arrays, which may call `run` and `apply`: a training step. It is
            evaluated abstractly: nothing is computed, and nothing is written.
        *args: What it is called on: structures of arrays, or of `jax.ShapeDtypeStruct`s.
        **kwargs: Likewise, by name.

    Returns:
        The variables that it reads or writes, in the order of their first use.

    Example:
        >>> import jax, jax.numpy as jnp, jkeras as keras
        >>> scale = keras.Variable(2.0, name="scale")
        >>> dense = keras.layers.Dense(1, use_bias=False)
        >>> variables = keras.pure.init(dense, jax.random.key(0), (None, 2))
        >>> def loss(variables, x, others=None):
        ...     scaled = lambda: dense(x).sum() * scale
        ...     return keras.pure.run(dense, variables, scaled, others=others)[0]
        >>> found = keras.pure.outside_variables(loss, variables, jnp.ones((4, 2)))
        >>> [variable.path for variable in found]
        ['scale']
        >>> doubled = loss(variables, jnp.ones((4, 2)), {scale: jnp.array(4.0)})
        >>> bool(doubled == 2 * loss(variables, jnp.ones((4, 2)), {scale: scale.value}))
        True
    """
    here = scope.Finding()

    def trial(*args: Any, **kwargs: Any) -> None:
        with scope.enter(here):
            function(*args, **kwargs)

    jax.eval_shape(trial, *args, **kwargs)
    return list(here.values)
