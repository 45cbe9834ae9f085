"""Losses by name, by config, and from the user's functions."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jkeras.base import naming, registry
from jkeras.base.types import Identifier
from jkeras.losses import crossentropy, margins, overlap, probabilistic, regression, structured
from jkeras.losses.loss import Loss, LossFunctionWrapper

FUNCTIONS: dict[Callable, tuple[str, ...]] = {
    regression.mean_squared_error: ("mse", "MSE"),
    regression.mean_absolute_error: ("mae", "MAE"),
    regression.mean_absolute_percentage_error: ("mape", "MAPE"),
    regression.mean_squared_logarithmic_error: ("msle", "MSLE"),
    regression.huber: (),
    regression.log_cosh: ("logcosh",),
    regression.cosine_similarity: (),
    margins.hinge: (),
    margins.squared_hinge: (),
    margins.categorical_hinge: (),
    crossentropy.binary_crossentropy: ("bce", "BCE"),
    crossentropy.binary_focal_crossentropy: (),
    crossentropy.categorical_crossentropy: (),
    crossentropy.categorical_focal_crossentropy: (),
    crossentropy.categorical_generalized_cross_entropy: (),
    crossentropy.sparse_categorical_crossentropy: (),
    probabilistic.kl_divergence: ("kld", "KLD", "kullback_leibler_divergence"),
    probabilistic.poisson: (),
    overlap.dice: (),
    overlap.tversky: (),
    structured.circle: (),
    structured.ctc: (),
}


def _classes(base: Any) -> Iterator[Any]:
    for cls in base.__subclasses__():
        yield cls
        yield from _classes(cls)


# A function has the snake case of its class's name: "huber" is the function, "Huber" the class.
_BY_NAME: dict[str, Any] = {naming.to_snake_case(cls.__name__): cls for cls in _classes(Loss)}
_CLASSES: dict[Callable, Any] = {function: _BY_NAME[function.__name__] for function in FUNCTIONS}

for _function, _aliases in FUNCTIONS.items():
    registry.register_builtin("losses", _function, *_aliases)
registry.register_builtin("losses", crossentropy.crossentropy, "ce")


def get(identifier: Identifier) -> Callable[..., Any] | None:
    """Returns a loss for a name, a config, a function or a loss; None for None.

    A name in snake case, or an alias such as `"mse"`, gives the function; a class's name gives an
    object.

    Raises:
        ValueError: If the name is unknown; the nearest known one is suggested.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.get("mse").__name__
        'mean_squared_error'
        >>> keras.losses.get("Huber")
        <Huber name=huber_loss>
    """
    return None if identifier is None else registry.resolve(identifier, "losses", "loss")


def as_loss(identifier: Identifier) -> Loss | None:
    """Returns the loss that an argument of `compile` stands for; None for None.

    Args:
        identifier: What `get` takes. A function becomes a loss of the function's name.

    Raises:
        ValueError: If the name is unknown.

    Example:
        >>> import jkeras as keras
        >>> keras.losses.as_loss("mse")
        <MeanSquaredError name=mean_squared_error>
        >>> keras.losses.as_loss(lambda y_true, y_pred: (y_true - y_pred) ** 4).name
        'lambda'
    """
    loss = get(identifier)
    if loss is None or isinstance(loss, Loss):
        return loss
    if loss in _CLASSES:
        return _CLASSES[loss](name=loss.__name__)
    return LossFunctionWrapper(loss)


serialize = registry.serialize_keras_object


def deserialize(
    name: str | None, custom_objects: Mapping[str, Any] | None = None
) -> Callable[..., Any] | None:
    """Returns the loss that a name or a config stands for."""
    with registry.CustomObjectScope(custom_objects):
        return get(name)
