"""What Keras's private modules, `keras.src.*`, stand for here: public names, and a few helpers.

Keras says that programs shall not use `keras.src`. Many packages do, mostly for public classes
(`keras.src.layers.core.dense.Dense`), which are looked for in the namespace that the path begins
with. Of the helpers those are here that packages were seen to call.
"""

import importlib
import importlib.util
import types
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

import jkeras
from jkeras.alias import einsum
from jkeras.base import naming, settings
from jkeras.core import graph, scope
from jkeras.training import data

PUBLIC = (
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distribution",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "ops.image",
    "ops.linalg",
    "ops.nn",
    "ops.numpy",
    "optimizers",
    "optimizers.schedules",
    "preprocessing",
    "preprocessing.image",
    "preprocessing.sequence",
    "random",
    "regularizers",
    "saving",
    "tree",
    "utils",
)
# The folders of keras.src, and the public namespaces that hold what is in them.
AREAS = {name: (name,) for name in PUBLIC if "." not in name} | {
    "api_export": ("utils",),
    "applications": ("applications",),
    "backend": ("backend", "", "ops", "random", "config", "utils"),
    "distillation": ("distillation",),
    "export": ("export", "models"),
    "legacy": ("utils", "losses", "layers", "preprocessing.image", "preprocessing.text", "saving"),
    "models": ("models", ""),
    "ops": ("ops", ""),
    "quantizers": ("quantizers",),
    "saving": ("saving", "utils"),
    "testing": (),
    "trainers": ("models", "utils", ""),
    "utils": ("utils", "config", "saving", "backend", "dtype_policies"),
    "version": ("",),
    "visualization": ("visualization",),
    "wrappers": ("wrappers",),
}


def resolve(dotted: str) -> Any:
    """Returns `a.b.c` of jkeras, a module or what is in one; raises AttributeError."""
    value: Any = jkeras
    name = "jkeras"
    for part in dotted.split(".") if dotted else ():
        name += f".{part}"
        if part not in vars(value) and isinstance(value, types.ModuleType):
            try:
                value = importlib.import_module(name)
                continue
            except ModuleNotFoundError as error:
                if error.name != name:
                    raise
        value = getattr(value, part)
    return value


def find(parts: tuple[str, ...], name: str) -> Any:
    """Returns what `keras.src.<parts>.<name>` stands for; raises AttributeError."""
    if parts[:1] == ("testing",):  # imported when it is asked for: it needs unittest
        return getattr(importlib.import_module("jkeras.alias.testing"), name)
    if name in _HELPERS:
        return _HELPERS[name]
    area = parts[0] if parts else "version"
    places = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    if area == "backend":  # which has the operations of ops, and not those of Keras 2's `backend`
        places = [f"ops.{parts[-1]}", "ops", *places]
    for place in [*places, *AREAS[area]]:
        try:
            return _public(place, name)
        except AttributeError:
            continue
    raise AttributeError(name)


def _public(place: str, name: str) -> Any:
    """Returns a name of a public namespace, but no module: those are looked into, too."""
    if "." in place and place not in PUBLIC:  # a file of jkeras's that has the name by chance
        raise AttributeError(name)
    value = getattr(resolve(place), name)
    if isinstance(value, types.ModuleType):
        raise AttributeError(name)
    return value


# ------------------------------------------------------------------ helpers
def _get_mask(x: Any) -> Any:
    return getattr(x, "_keras_mask", None) if graph.is_symbolic(x) else scope.get_mask(x)


def _set_mask(x: Any, mask: Any) -> None:
    if graph.is_symbolic(x):
        x._keras_mask = mask
        return
    here = scope.current() or scope.Eager()
    here.set_mask(x, mask)
    if scope.current() is None:
        here.keep_masks(x)


def _any_symbolic(args: Any = None, kwargs: Any = None) -> bool:
    return any(graph.is_symbolic(x) for x in jax.tree.leaves((args, kwargs)))


def _compute_output_spec(function: Callable, *args: Any, **kwargs: Any) -> Any:
    return graph.abstract(function, args, kwargs)


def _decorator(*args: Any, **kwargs: Any) -> Any:
    """A decorator that changes nothing, with arguments or without."""
    return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else lambda f: f


def _class_weight_to_sample_weights(y: Any, class_weight: Any) -> np.ndarray:
    return data.class_weights(class_weight, data.Batch(None, [np.asarray(y)], [None]), "y")[0]


def _draw_seed(seed: Any) -> Any:
    return seed if isinstance(seed, jax.Array) else jkeras.random.SeedGenerator(seed).next()


def _standardize_tuple(value: Any, n: int, name: str, allow_zero: bool = False) -> tuple[int, ...]:
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n or any(v < (0 if allow_zero else 1) for v in values):
        raise ValueError(f"The `{name}` argument must be a tuple of {n} positive integers: {value}")
    return values


def _compute_conv_output_shape(
    input_shape: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
) -> tuple:
    layers = {3: jkeras.layers.Conv1D, 4: jkeras.layers.Conv2D, 5: jkeras.layers.Conv3D}
    layer = layers[len(input_shape)](
        filters, kernel_size, strides, padding, data_format, dilation_rate
    )
    return layer.compute_output_shape(tuple(input_shape))


def _obtain_input_shape(
    input_shape: Any,
    default_size: int,
    min_size: int,
    data_format: str,
    require_flatten: bool,
    weights: str | None = None,
) -> tuple:
    from jkeras.applications.builder import complete_shape

    asked = SimpleNamespace(
        input_shape=input_shape,
        input_tensor=None,
        pretrained=weights == "imagenet",
        include_top=require_flatten,
    )
    return complete_shape(asked, default_size, min_size, require_flatten, data_format)


class _LazyModule:
    """A module that is imported when something of it is used, if it is there at all."""

    def __init__(self, name: str, pip_name: str | None = None, import_error_msg: str | None = None):
        self._name, self._told = name, import_error_msg or f"Please install {pip_name or name}."

    @property
    def available(self) -> bool:
        return importlib.util.find_spec(self._name) is not None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if not self.available:
            raise ImportError(f"This requires the {self._name} module. {self._told}")
        return getattr(importlib.import_module(self._name), name)


_HELPERS: dict[str, Any] = {
    # What a package adds to Keras's table is found by its name from then on.
    "ALL_OBJECTS_DICT": jkeras.saving.get_custom_objects(),
    "LazyModule": _LazyModule,
    "SUPPORTS_COMPLEX_DTYPES": True,
    "SUPPORTS_RAGGED_TENSORS": False,
    "SUPPORTS_SPARSE_TENSORS": False,
    "BaseConv": jkeras.layers.Conv2D.__base__,
    "BaseConvTranspose": jkeras.layers.Conv2DTranspose.__base__,
    "BaseDepthwiseConv": jkeras.layers.DepthwiseConv2D.__base__,
    "BaseGlobalPooling": jkeras.layers.GlobalMaxPooling2D.__base__,
    "BasePooling": jkeras.layers.AveragePooling2D.__base__,
    "BaseSeparableConv": jkeras.layers.SeparableConv2D.__base__,
    "KerasVariable": jkeras.Variable,
    "Merge": jkeras.layers.Add.__base__,
    "Variable": jkeras.Variable,
    "_analyze_einsum_string": einsum.shapes,
    "_analyze_quantization_info": einsum.scales,
    "_build_attention_equation": einsum.attention,
    "_build_proj_equation": einsum.projection,
    "any_symbolic_tensors": _any_symbolic,
    "auto_name": naming.auto_name,
    "class_weight_to_sample_weights": _class_weight_to_sample_weights,
    "compute_conv_output_shape": _compute_conv_output_shape,
    "compute_output_spec": _compute_output_spec,
    "convert_to_numpy": jkeras.ops.convert_to_numpy,
    "convert_to_tensor": jkeras.ops.convert_to_tensor,
    "default": _decorator,
    "draw_seed": _draw_seed,
    "filter_traceback": _decorator,
    "get_keras_mask": _get_mask,
    "in_grain_data_pipeline": lambda: False,
    "in_stateless_scope": lambda: isinstance(scope.current(), scope.Pure),
    "in_symbolic_scope": lambda: isinstance(scope.current(), scope.Abstract),
    "in_tf_graph": lambda: False,
    "is_default": lambda method: False,
    "is_tensor": jkeras.ops.is_tensor,
    "keras_export": lambda *args, **kwargs: _decorator,
    "no_automatic_dependency_tracking": _decorator,
    "obtain_input_shape": _obtain_input_shape,
    "print_msg": lambda message, line_break=True: print(message, end="\n" if line_break else ""),  # noqa: T201
    "set_keras_mask": _set_mask,
    "standardize_data_format": settings.standardize_data_format,
    "standardize_shape": lambda shape, *args, **kwargs: tuple(shape),
    "standardize_tuple": _standardize_tuple,
    "to_snake_case": naming.to_snake_case,
}
