"""Layers that mix images, or many changes of them, at random in training."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jkeras.base import registry
from jkeras.base.numbers import count
from jkeras.base.types import ArrayLike, Key, Seed, Sizes
from jkeras.core.layer import Layer
from jkeras.layers.arguments import next_key, one_of, positive_integer
from jkeras.layers.preprocessing.colors import (
    RandomBrightness,
    RandomColorDegeneration,
    RandomContrast,
    RandomPosterization,
    RandomSharpness,
    Solarization,
)
from jkeras.layers.preprocessing.geometry import (
    RandomRotation,
    RandomShear,
    RandomTranslation,
    random_box,
)
from jkeras.layers.preprocessing.images import (
    AutoContrast,
    Equalization,
    ImageLayer,
    as_factor,
    as_value_range,
    draw,
    sample_keys,
)


# ------------------------------------------------------------------ pairs of images
class _Pairs(ImageLayer):
    """Mixes each image, its mask and its label with another one of the batch.

    A subclass writes `shares(shape, key)`: the image's own weight for each pixel (1 for all
    pixels of a kind), and for the label.
    """

    def act(self, batch: dict[str, Any]) -> dict[str, Any]:
        found = batch.pop("bounding_boxes", None)
        n, *shape = batch["images"].shape
        first, second = jax.random.split(next_key(self))
        others = jnp.argsort(jax.random.uniform(first, (n,)))  # a permutation, of a symbolic n too
        keys = sample_keys(second, n)
        pixels, label = jax.vmap(lambda key: self.shares(tuple(shape), key))(keys)

        def mix(x: jax.Array, weight: jax.Array) -> jax.Array:
            x = x.astype(jnp.promote_types(x.dtype, "float32"))
            weight = weight.reshape(weight.shape + (1,) * (x.ndim - weight.ndim))
            return weight * x + (1 - weight) * x[others]

        kinds = {"labels": label}
        mixed = {name: mix(value, kinds.get(name, pixels)) for name, value in batch.items()}
        return mixed if found is None else {**mixed, "bounding_boxes": self.pairs(found, others)}

    def pairs(self, found: dict[str, Any], others: jax.Array) -> dict[str, Any]:
        """Returns the boxes of images and of those that they are mixed with."""
        raise NotImplementedError(f"{type(self).__name__} cannot move bounding boxes.")

    def shares(self, shape: tuple[int, ...], key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the own weights of an image's pixels, and of its label."""
        raise NotImplementedError


class MixUp(_Pairs):
    """Mixes images, and their labels, with others of the batch in training (Zhang et al., 2018).

    Args:
        alpha: Weights have a beta distribution with both parameters `alpha`.
        data_format: `"channels_last"` or `"channels_first"`.
        seed: An integer, for a sequence of draws of the layer's own.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> batch = {"images": np.ones((2, 4, 4, 3)), "labels": np.eye(2)}
        >>> mixed = keras.layers.MixUp()(batch, training=True)
        >>> mixed["labels"].sum(-1).tolist()
        [1.0, 1.0]
    """

    def __init__(
        self, alpha: float = 0.2, data_format: str | None = None, seed: Seed = None, **kwargs: Any
    ):
        super().__init__(seed, data_format, **kwargs)
        self.alpha = alpha

    def pairs(self, found: dict[str, Any], others: jax.Array) -> dict[str, Any]:
        return {
            name: jnp.concatenate([jnp.asarray(values), jnp.asarray(values)[others]], 1)
            for name, values in found.items()
        }

    def shares(self, shape: tuple[int, ...], key: jax.Array) -> tuple[jax.Array, jax.Array]:
        weight = jax.random.beta(key, self.alpha, self.alpha)
        return weight, weight


class CutMix(_Pairs):
    """Puts a rectangle of another image into each, in training; mixes labels (Yun et al., 2019).

    Args:
        factor: The range of both parameters of the beta distribution of what stays; `f` for
            `(0, f)`.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If `factor` is out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> batch = {"images": np.ones((2, 4, 4, 3)), "labels": np.eye(2)}
        >>> mixed = keras.layers.CutMix()(batch, training=True)
        >>> mixed["labels"].sum(-1).tolist()
        [1.0, 1.0]
    """

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.factor = as_factor(self, "factor", factor)

    def shares(self, shape: tuple[int, ...], key: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, second, third = jax.random.split(key, 3)
        alpha = jnp.maximum(draw(first, self.factor), 1e-3)
        side = jnp.sqrt(1 - jax.random.beta(second, alpha, alpha))
        own = 1.0 - random_box(third, shape, jnp.stack([side, side]))
        return own, own.mean()


# ------------------------------------------------------------------ many changes
class _Changes(ImageLayer):
    """Applies changes drawn from a list: the same for a batch, each as strong as drawn anew."""

    def _keep(
        self,
        value_range: Sequence[float],
        factor: Any,
        interpolation: str,
        with_colors: bool = True,
    ) -> None:
        """Keeps the arguments that both have, and makes the list."""
        self.value_range = values = as_value_range(self, value_range)
        self.factor = factor = as_factor(self, "factor", factor)
        self.interpolation = one_of(self, "interpolation", interpolation, ("bilinear", "nearest"))
        geometry: Any = {"interpolation": interpolation, "data_format": "channels_last"}
        colors = [RandomBrightness, RandomColorDegeneration, RandomContrast, RandomSharpness]
        self.changes: list[ImageLayer] = [
            RandomShear(factor, factor, **geometry),
            RandomTranslation(factor, factor, **geometry),
            RandomRotation(factor, **geometry),
            *([color(factor, values) for color in colors] if with_colors else []),
            RandomPosterization((1, max(int(8 * factor[1]), 1)), values),
            Solarization(factor, factor, value_range=values),
            AutoContrast(values),
            Equalization(values),
        ]

    def chain(
        self,
        images: jax.Array,
        key: jax.Array,
        most: int,
        length: Any,
        apply: Callable[[ImageLayer, jax.Array, Any], jax.Array] = ImageLayer.change_all,
        only_moves: bool = False,
    ) -> jax.Array:
        """Applies `length` changes, at most `most`, one after another."""

        def change(one: ImageLayer) -> Any:
            if only_moves and not one.moves:
                return lambda images, key: images
            return lambda images, key: apply(one, images, key).astype(images.dtype)

        changes = [change(one) for one in self.changes]

        def step(images: jax.Array, draw: tuple) -> tuple[jax.Array, None]:
            number, key = draw
            first, second = jax.random.split(key)
            index = jax.random.randint(first, (), 0, len(changes))
            changed = jax.lax.switch(index, changes, images, second)
            return jnp.where(number < length, changed, images), None

        return jax.lax.scan(step, images, (jnp.arange(most), jax.random.split(key, most)))[0]


class RandAugment(_Changes):
    """Applies some of eleven changes of geometry and color in training (Cubuk et al., 2020).

    Args:
        value_range: The least and the greatest value of a pixel.
        num_ops: How many changes, one after another; each is the same for the images of a batch.
        factor: The range of how strong changes are, from 0 to 1; `f` for `(0, f)`.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.RandAugment()(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    moves = True

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        num_ops: int = 2,
        factor: float | Sequence[float] = 0.5,
        interpolation: str = "bilinear",
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.num_ops = count("num_ops", num_ops, 0)
        self._keep(value_range, factor, interpolation)

    def change_all(self, images: jax.Array, key: Key, is_mask: bool = False) -> jax.Array:
        def apply(one: ImageLayer, images: jax.Array, key: Any) -> jax.Array:
            return one.change_all(images, key, is_mask)

        return self.chain(images, key, self.num_ops, self.num_ops, apply, is_mask)

    def move_boxes(self, boxes: ArrayLike, size: Sizes, key: Key) -> ArrayLike:
        def apply(one: ImageLayer, boxes: jax.Array, key: Any) -> jax.Array:
            return one.move_boxes(boxes, size, key)

        return self.chain(boxes, key, self.num_ops, self.num_ops, apply, True)


class AugMix(_Changes):
    """Mixes images with several chains of changes of them in training (Hendrycks et al., 2020).

    Args:
        value_range: The least and the greatest value of a pixel.
        num_chains: How many chains.
        chain_depth: The largest number of changes in a chain.
        factor: The range of how strong changes are, from 0 to 1; `f` for `(0, f)`.
        alpha: The parameter of the distributions of the weights in the mix.
        all_ops: Whether brightness, contrast, sharpness and degeneration are among the changes.
        interpolation: `"bilinear"` or `"nearest"`.
        seed: An integer, for a sequence of draws of the layer's own.
        data_format: `"channels_last"` or `"channels_first"`.

    Raises:
        ValueError: If an argument is unknown or out of range.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> keras.layers.AugMix()(np.ones((2, 8, 8, 3)), training=True).shape
        (2, 8, 8, 3)
    """

    def __init__(
        self,
        value_range: Sequence[float] = (0, 255),
        num_chains: int = 3,
        chain_depth: int = 3,
        factor: float | Sequence[float] = 0.3,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: str = "bilinear",
        seed: Seed = None,
        data_format: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, **kwargs)
        self.num_chains = positive_integer(self, "num_chains", num_chains)
        self.chain_depth = positive_integer(self, "chain_depth", chain_depth)
        self.alpha, self.all_ops = alpha, all_ops
        self._keep(value_range, factor, interpolation, all_ops)

    def change_all(self, images: jax.Array, key: Key, is_mask: bool = False) -> jax.Array:
        first, second, third, *keys = jax.random.split(key, 4)
        depth = self.chain_depth
        lengths = jax.random.randint(first, (self.num_chains,), 1, depth + 1)
        weights = jax.random.dirichlet(second, jnp.full(self.num_chains, self.alpha))
        own = jax.random.beta(third, self.alpha, self.alpha)
        chains = jax.lax.map(
            lambda drawn: self.chain(images, drawn[0], depth, drawn[1]),
            (jax.random.split(keys[0], self.num_chains), lengths),
        )
        return own * images + (1 - own) * jnp.tensordot(weights, chains, 1)


class Pipeline(Layer):
    """Layers one after the other, as one layer: for preparing images.

    Args:
        layers: The layers, or their configs.
        name: The name.

    Example:
        >>> import jkeras as keras, numpy as np
        >>> steps = [keras.layers.Rescaling(0.5), keras.layers.RandomFlip("horizontal")]
        >>> keras.layers.Pipeline(steps)(np.full((1, 2, 2, 1), 4.0), training=False).max().item()
        2.0
    """

    _prepares_data = True

    def __init__(self, layers: Sequence[Layer], name: str | None = None):
        super().__init__(name=name)
        self._pipeline_layers = registry.deserialize_keras_object(list(layers), area="layers")
        for layer in self._pipeline_layers:
            if not isinstance(layer, Layer):
                raise ValueError(
                    f"A Pipeline is made of layers. Received: {layer!r} (of type {type(layer)})"
                )

    @property
    def layers(self) -> list[Layer]:
        """The layers."""
        return list(self._pipeline_layers)

    def call(self, inputs: ArrayLike, training: bool = True, mask: ArrayLike = None) -> ArrayLike:
        given = {"training": training, "mask": mask}
        for layer in self._pipeline_layers:
            known = inspect.signature(layer.call).parameters
            extra = {k: v for k, v in given.items() if k in known and v is not None}
            inputs = layer(inputs, **extra)
        return inputs

    def get_config(self) -> dict[str, Any]:
        layers = [registry.serialize_keras_object(layer) for layer in self._pipeline_layers]
        return {"layers": layers, "name": self.name}
