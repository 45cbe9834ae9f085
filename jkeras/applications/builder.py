"""What all applications share: arguments and their errors, inputs, tops, and published weights."""

import inspect
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jkeras import activations, layers
from jkeras.base import settings
from jkeras.base.types import ArrayLike, Identifier
from jkeras.core.graph import is_symbolic
from jkeras.datasets import _files
from jkeras.models import Model

_ADDRESS = "https://storage.googleapis.com/"
_TABLE = Path(__file__).with_name("published.toml")

# The arguments that most models have, in Keras's order, and what a few have besides.
USUAL: dict[str, Any] = {
    "include_top": True,
    "weights": "imagenet",
    "input_tensor": None,
    "input_shape": None,
    "pooling": None,
    "classes": 1000,
    "classifier_activation": "softmax",
}
_MEANINGS = {
    "include_top": "Whether the model ends in its classifier.",
    "include_preprocessing": "Whether the model begins with its scaling of pixels from 0 to 255.",
    "weights": '`"imagenet"` for the published weights, which are downloaded unless they are in\n'
    "            `~/.keras/models` or in `$JKERAS_HOME/models`; the path of a weights file; or\n"
    "            None for random ones.",
    "input_tensor": "A symbolic tensor to begin with, instead of a new `keras.Input`.",
    "input_shape": "The shape of an image; {size} x {size} x 3 by default, and any size of at "
    "least\n            {least} x {least} without the top.",
    "pooling": 'Without the top: `"avg"` or `"max"` over the places of an image, or None.',
    "classes": "The number of classes, with the top; 1000 with the published weights.",
    "classifier_activation": "The activation of the top; None for logits.",
    "alpha": "The width: the factor of all numbers of filters.",
    "depth_multiplier": "The number of outputs of a depthwise convolution per input.",
    "dropout": "The dropout rate before the classifier.",
    "dropout_rate": "The dropout rate before the classifier.",
    "minimalistic": "Whether to do without squeeze-and-excite, hard-swish and 5x5 convolutions.",
    "name": "The name of the model.",
}
_DOC = """{title}.

    Args:
{arguments}

    Returns:
        A functional model of images.

    Raises:
        FileNotFoundError: If the published weights are nowhere, and cannot be downloaded.
        ValueError: If the arguments do not fit together, or the weights do not fit the model.

    Example:
        >>> import jkeras as keras
        >>> model = keras.applications.{name}(weights=None, {example})
        >>> model.output_shape
        (None, 10)

    References:
        {reference}
    """


@dataclass
class Request:
    """What was asked for: the arguments of a model's function, as attributes.

    Args:
        include_top: See `_MEANINGS`, as for all others.
        settings: The arguments that only some models have.
    """

    include_top: bool
    weights: Any
    input_tensor: Any
    input_shape: Any
    pooling: str | None
    classes: int
    classifier_activation: Any
    name: str | None
    settings: dict[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> ArrayLike:
        try:
            return self.__dict__["settings"][name]
        except KeyError:
            raise AttributeError(name) from None

    @property
    def pretrained(self) -> bool:
        """Whether the published weights are asked for."""
        return self.weights == "imagenet"


Body = Callable[[Any, Request], Any]


def channel_axis() -> int:
    """Returns the axis of the channels of a batch of images."""
    return 3 if settings.image_data_format() == "channels_last" else 1


def norm(x: ArrayLike, name: str | None = None, **options: Any) -> ArrayLike:
    """Normalizes a batch over its channels."""
    return layers.BatchNormalization(axis=channel_axis(), name=name, **options)(x)


def act(x: ArrayLike, name: str | None = None, function: Identifier = "relu") -> ArrayLike:
    """Applies an activation."""
    return layers.Activation(function, name=name)(x)


def pool(x: ArrayLike, pooling: str | None, named: bool) -> ArrayLike:
    """Pools over the places of an image, if that is asked for."""
    if pooling == "avg":
        return layers.GlobalAveragePooling2D(name="avg_pool" if named else None)(x)
    if pooling == "max":
        return layers.GlobalMaxPooling2D(name="max_pool" if named else None)(x)
    return x


def usual_top(x: ArrayLike, given: Request, pool_name: str | None = "avg_pool") -> ArrayLike:
    """Ends in global average pooling and a dense classifier."""
    x = layers.GlobalAveragePooling2D(name=pool_name)(x)
    return layers.Dense(given.classes, given.classifier_activation, name="predictions")(x)


def stride_padding(x: ArrayLike, size: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns the padding with which a kernel's stride of 2 meets the places that Keras's meets."""
    spatial = x.shape[1:3] if channel_axis() == 3 else x.shape[2:4]
    odd = [1 if n is None else 1 - n % 2 for n in spatial]
    half = size // 2
    return (half - odd[0], half), (half - odd[1], half)


def application(
    name: str,
    reference: str,
    body: Body,
    *,
    top: Body = usual_top,
    size: int | Callable[[Request], int] = 224,
    least: int = 32,
    arguments: dict[str, Any] = USUAL,
    model_name: str | Callable[[Request], str] | None = None,
    named_pooling: bool = True,
    bottom: Body | None = None,
    static: bool | str = True,
    check: Callable[[Request], None] = lambda given: None,
    published: Callable[[Request], str] | None = None,
) -> Callable[..., Model]:
    """Returns the public function that makes one architecture.

    Args:
        name: Its public name.
        reference: The paper.
        body: From the inputs to the features.
        top: From the features to the outputs.
        size: The size of the images that the published weights were trained on; or a function that
            gives it, if there are several.
        least: The least size of images.
        arguments: Its arguments with their defaults, besides `name`.
        model_name: The model's name, or a function that gives it where none is asked for.
        named_pooling: Whether layers of `pooling` have names of their own.
        bottom: From the features to the outputs without the top, instead of `pooling` alone.
        static: Whether the top needs images of known size; `"always"`: also without the top.
        check: Refuses arguments that do not fit, and completes them.
        published: Gives the variant of which weights are published.
    """
    default_name = None if callable(model_name) else model_name or name.lower()
    arguments = {**arguments, "name": default_name}

    def make(*args: Any, **kwargs: Any) -> Model:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        values = dict(bound.arguments)
        common = {k: values.pop(k) for k in (*USUAL, "name")}
        given = Request(**common, settings=values)
        _check(given)
        check(given)
        needs_size = static == "always" or bool(given.include_top and static)
        trained_on = size(given) if callable(size) else size
        given.input_shape = complete_shape(given, trained_on, least, needs_size)
        inputs = given.input_tensor
        if inputs is None:
            inputs = layers.Input(shape=given.input_shape)
        elif not is_symbolic(inputs):
            inputs = layers.Input(shape=given.input_shape, tensor=inputs)  # refuses it
        x = body(inputs, given)
        if given.include_top:
            x = top(x, given)
        elif bottom is not None:
            x = bottom(x, given)
        else:
            x = pool(x, given.pooling, named_pooling)
        title = model_name(given) if callable(model_name) and not given.name else given.name
        model = Model(_sources(inputs), x, name=title)
        if given.pretrained:
            key = " ".join([name, published(given)]) if published else name
            model.load_weights(_published(key, given.include_top))
        elif given.weights is not None:
            model.load_weights(given.weights)
        return model

    by_position: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [inspect.Parameter(k, by_position, default=v) for k, v in arguments.items()],
        return_annotation=Model,
    )
    make.__signature__ = signature  # type: ignore[attr-defined]
    make.__name__ = make.__qualname__ = name
    make.__module__ = body.__module__
    usual_size = 224 if callable(size) else size
    lines = (f"{k}: {_MEANINGS[k]}".format(size=usual_size, least=least) for k in arguments)
    make.__doc__ = _DOC.format(
        title=f"Returns the model {name} for images",
        arguments="\n".join(f"        {line}" for line in lines),
        name=name,
        example=f"classes=10, input_shape=({least}, {least}, 3)",
        reference=reference,
    )
    return make


# ------------------------------------------------------------------ arguments
def _check(given: Request) -> None:
    """Refuses arguments that no model takes.

    Raises:
        ValueError: If there are such.
    """
    if given.weights is not None and not given.pretrained and not Path(given.weights).is_file():
        raise ValueError(
            "The `weights` argument should be either `None` (random initialization), `imagenet` "
            "(pre-training on ImageNet), or the path to the weights file to be loaded. Received: "
            f"weights={given.weights!r}, which is not a file."
        )
    if given.pretrained and given.include_top and given.classes != 1000:
        raise ValueError(
            "If using `weights='imagenet'` with `include_top=True`, `classes` should be 1000. "
            f"Received classes={given.classes}. For other classes, use `include_top=False` and "
            "add a classifier."
        )
    if given.pooling not in (None, "avg", "max"):
        raise ValueError(f"`pooling` is None, 'avg' or 'max'. Received: pooling={given.pooling!r}")
    if given.pretrained and given.include_top:
        function = activations.get(given.classifier_activation)
        if function not in (activations.softmax, activations.get(None)):
            raise ValueError(
                "Only `None` and `softmax` activations are allowed for the "
                "`classifier_activation` argument when using pretrained weights, with "
                f"`include_top=True`; Received: classifier_activation={function}"
            )


def complete_shape(
    given: Any, size: int, least: int, static: bool, data_format: str | None = None
) -> tuple:
    """Returns the shape of an image.

    Raises:
        ValueError: If the shape asked for is not an image's, or it does not fit.
    """
    shape = given.input_shape
    last = settings.standardize_data_format(data_format) == "channels_last"

    def image(height: Any, width: Any, channels: Any = 3) -> tuple:
        return (height, width, channels) if last else (channels, height, width)

    if given.input_tensor is not None and shape is None and is_symbolic(given.input_tensor):
        shape = tuple(given.input_tensor.shape[1:])
    if shape is None:
        return image(size, size) if static else image(None, None)
    shape = tuple(shape)
    if given.pretrained and given.include_top and static and shape != image(size, size):
        raise ValueError(
            "When setting `include_top=True` and loading `imagenet` weights, `input_shape` should "
            f"be {image(size, size)}. Received: input_shape={shape}"
        )
    if len(shape) != 3:
        raise ValueError(
            "`input_shape` must be a tuple of three integers. "
            f"Received: input_shape={given.input_shape}"
        )
    channels, places = (shape[-1], shape[:2]) if last else (shape[0], shape[1:])
    if given.pretrained and channels != 3:
        raise ValueError(f"The input must have 3 channels; Received `input_shape={shape}`")
    if channels not in (1, 3):
        warnings.warn(
            "This model usually expects 1 or 3 input channels. However, it was passed an "
            f"input_shape with {channels} input channels.",
            stacklevel=3,
        )
    if any(n is not None and n < least for n in places):
        raise ValueError(
            f"Input size must be at least {least}x{least}; Received: input_shape={shape}"
        )
    if static and None in shape:
        raise ValueError(
            "If `include_top` is True, you should specify a static `input_shape`. "
            f"Received: input_shape={shape}"
        )
    return shape


def _sources(inputs: ArrayLike) -> ArrayLike:
    """Returns the Inputs that a symbolic tensor follows from; itself, if it is one."""
    found: dict[int, Any] = {}
    waiting = [inputs]
    while waiting:
        x = waiting.pop()
        if x.source is None or not x.source.inputs:
            found[id(x)] = x
        else:
            waiting.extend(x.source.inputs)
    sources = list(found.values())
    return sources[0] if len(sources) == 1 else sources


# ------------------------------------------------------------------ published weights
def published_table() -> dict[str, Any]:
    """Returns, by model and variant, the address, checksum and name of both files of weights."""
    return tomllib.loads(_TABLE.read_text())


def _published(key: str, include_top: bool) -> Path:
    """Returns the path of a file of published weights, downloaded if need be."""
    entry = published_table()[key][0 if include_top else 1]
    address, digest, *name = entry
    hint = f"\nOr pass the path of a copy: keras.applications.{key.split()[0]}(weights=path)."
    file = name[0] if name else address.rpartition("/")[2]
    return _files.locate(_files.Source(file, digest, "models", _ADDRESS + address, hint=hint))


def rounded(filters: float, divisor: int = 8, least: int | None = None) -> int:
    """Returns a number of filters that is a multiple of `divisor`, and not 10 % below `filters`."""
    whole = max(least or divisor, int(filters + divisor / 2) // divisor * divisor)
    return whole + divisor if whole < 0.9 * filters else whole
