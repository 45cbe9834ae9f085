"""Spellings of Keras 1 and 2 that Keras 3 dropped: each works, and warns where it is used.

All of them are in this file; docs/drop_in.md lists them. Spellings of `keras.backend` are in
`jkeras/backend.py`, those of arguments where the argument is read.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import jax

from jkeras.base.deprecation import warn_deprecated
from jkeras.base.types import ArrayLike, Data, Structure

# Names in a namespace: what each is called now. A path from `keras` on.
NAMES: dict[str, dict[str, str]] = {
    "losses": {
        "MSE": "losses.mean_squared_error",
        "mse": "losses.mean_squared_error",
        "MAE": "losses.mean_absolute_error",
        "mae": "losses.mean_absolute_error",
        "MAPE": "losses.mean_absolute_percentage_error",
        "mape": "losses.mean_absolute_percentage_error",
        "MSLE": "losses.mean_squared_logarithmic_error",
        "msle": "losses.mean_squared_logarithmic_error",
        "KLD": "losses.kl_divergence",
        "kld": "losses.kl_divergence",
        "kullback_leibler_divergence": "losses.kl_divergence",
        "logcosh": "losses.log_cosh",
    },
    "layers": {
        "CuDNNGRU": "layers.GRU",
        "CuDNNLSTM": "layers.LSTM",
    },
    "constraints": {
        "maxnorm": "constraints.MaxNorm",
        "nonneg": "constraints.NonNeg",
        "unitnorm": "constraints.UnitNorm",
    },
}
NAMES["metrics"] = NAMES["losses"]

# Modules whose names are in other namespaces now, in this order. "" is `keras` itself.
_LAYERS = ("layers", "")
_UTILS = ("utils", "saving", "models")
MODULES: dict[str, tuple[str, ...]] = {
    "backend.tensorflow_backend": ("backend",),
    "callbacks.experimental": ("callbacks",),
    "engine": ("", "layers", "models"),
    "engine.base_layer": _LAYERS,
    "engine.input_layer": _LAYERS,
    "engine.input_spec": _LAYERS,
    "engine.network": ("models", ""),
    "engine.sequential": ("models", ""),
    "engine.topology": ("layers", "", "models", "utils"),
    "engine.training": ("models", ""),
    "layers.advanced_activations": _LAYERS,
    "layers.convolutional": _LAYERS,
    "layers.convolutional_recurrent": _LAYERS,
    "layers.core": _LAYERS,
    "layers.cudnn_recurrent": _LAYERS,
    "layers.embeddings": _LAYERS,
    "layers.experimental": _LAYERS,
    "layers.experimental.preprocessing": _LAYERS,
    "layers.merge": _LAYERS,
    "layers.noise": _LAYERS,
    "layers.normalization": _LAYERS,
    "layers.pooling": _LAYERS,
    "layers.recurrent": _LAYERS,
    "layers.wrappers": _LAYERS,
    "optimizers.experimental": ("optimizers",),
    "optimizers.legacy": ("optimizers",),
    "optimizers.optimizer_v2": ("optimizers",),
    "utils.all_utils": _UTILS,
    "utils.data_utils": _UTILS,
    "utils.generic_utils": _UTILS,
    "utils.io_utils": _UTILS,
    "utils.layer_utils": _UTILS,
    "utils.np_utils": _UTILS,
    "utils.vis_utils": _UTILS,
}

# Names for which there is nothing here: what to do instead.
GONE: dict[str, dict[str, str]] = {
    "": {"Graph": "Use keras.Model(inputs, outputs).", "experimental": "Use the names of Keras 3."},
    "layers": {
        "AtrousConvolution2D": "Use keras.layers.Conv2D(..., dilation_rate=...).",
        "LocallyConnected1D": "Keras 3 dropped it; keras.ops.unfold and EinsumDense compute it.",
        "LocallyConnected2D": "Keras 3 dropped it; keras.ops.unfold and EinsumDense compute it.",
        "MaxoutDense": "Use Dense(n * k), Reshape((n, k)) and keras.ops.max.",
        "Merge": "Use keras.layers.Add, Concatenate, Multiply, Average, Maximum or Dot.",
        "RandomHeight": "It gives images of another height each time; use keras.layers.RandomZoom.",
        "RandomWidth": "It gives images of another width each time; use keras.layers.RandomZoom.",
    },
    "models": {
        "model_from_yaml": "YAML files could run code: use model.to_json() and model_from_json.",
        "save_model_to_yaml": "Use model.to_json().",
    },
    "utils": {
        "HDF5Matrix": "Pass the h5py data set itself.",
        "multi_gpu_model": "Use jax.sharding over keras.training, or one device.",
        "GeneratorEnqueuer": "Pass the generator to fit.",
        "OrderedEnqueuer": "Pass a keras.utils.PyDataset with workers= to fit.",
    },
}


class OldModule(types.ModuleType):
    """A module of Keras 1 or 2 whose names are in other namespaces now."""

    def __init__(self, name: str, root: Any, places: tuple[str, ...]):
        super().__init__(f"keras.{name}", __doc__)
        inside = any(other.startswith(f"{name}.") for other in MODULES)
        self.__dict__.update(_root=root, _places=places, _is_package=inside, __path__=[])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        below = f"{self.__name__}.{name}".removeprefix("keras.")
        if below in MODULES:
            return module(self._root, below)
        for place in self._places:
            found = getattr(_resolve(self._root, place), name, None)
            if found is not None:
                if self._is_package:
                    _warn_of_module(self.__name__.removeprefix("keras."))
                return found
        raise AttributeError(f"module {self.__name__!r} (of Keras 2) has no attribute {name!r}")


def module(root: Any, name: str) -> OldModule:
    """Returns an old module, with a warning; a folder of modules warns when a name is taken of it.

    Args:
        root: The package in which names are looked up.
        name: One of MODULES.
    """
    found = OldModule(name, root, MODULES[name])
    if not found._is_package:  # `import keras.engine.topology` imports keras.engine as well
        _warn_of_module(name)
    return found


def _warn_of_module(name: str) -> None:
    place = MODULES[name][0]
    now = f"keras.{place}" if place else "keras"
    warn_deprecated(f"keras.{name} is a module of Keras 2: its names are in {now} now.")


def attach(root: Any) -> None:
    """Lets the namespaces of a package answer to the old names, by a `__getattr__` each.

    Args:
        root: The package; its namespaces are imported.
    """
    for place in sorted({*NAMES, *GONE, *(n.partition(".")[0] for n in MODULES)}):
        namespace = root if not place else vars(root).get(place)
        if isinstance(namespace, types.ModuleType):
            before = vars(namespace).get("__getattr__")
            vars(namespace)["__getattr__"] = _lookup(root, place, namespace, before)


def _lookup(
    root: Any, place: str, namespace: types.ModuleType, before: Callable | None
) -> Callable[[str], Any]:
    def __getattr__(name: str) -> Any:
        dotted = f"{place}.{name}" if place else name
        if name in NAMES.get(place, ()):
            now = NAMES[place][name]
            warn_deprecated(f"keras.{dotted} is Keras 2's spelling: use keras.{now}.")
            return _resolve(root, now)
        if dotted in MODULES:
            return module(root, dotted)
        if name in GONE.get(place, ()):
            raise AttributeError(f"Keras 3 has no keras.{dotted}. {GONE[place][name]}")
        if before is not None:
            return before(name)
        raise AttributeError(f"module {namespace.__name__!r} has no attribute {name!r}")

    return __getattr__


def _resolve(root: Any, path: str) -> Any:
    value = root
    for part in path.split(".") if path else ():
        value = getattr(value, part)
    return value


# ------------------------------------------------------------------ methods
class _OldProperty:
    """A property that gives way to an attribute of the same name: a layer may have its own."""

    def __init__(self, name: str, source: str):
        self._name, self._source = name, source
        self.__doc__ = f"Keras 2's: the shape of `layer.{source}`, or its structure of shapes."

    def __get__(self, layer: Any, owner: Any = None) -> Any:
        if layer is None:
            return self
        tensors = getattr(layer, self._source)
        warn_deprecated(f"`layer.{self._name}` is Keras 2's: use `layer.{self._source}.shape`.")
        return jax.tree.map(
            lambda x: tuple(x.shape), tensors, is_leaf=lambda x: hasattr(x, "shape")
        )


class OldLayer:
    """Members of Keras 2's layers."""

    input: Any
    output: Any
    _calls: Sequence[Any]

    input_shape: Any = _OldProperty("input_shape", "input")
    output_shape: Any = _OldProperty("output_shape", "output")

    def add_metric(self, *args: Any, **kwargs: Any) -> None:
        """Raises NotImplementedError, as in Keras 3: metrics are given to `compile`."""
        raise NotImplementedError(
            "Layer `add_metric()` method is deprecated. Add your metric in "
            "`Model.compile(metrics=[...])`, or create metric trackers in init() or build() when "
            "subclassing the layer or model, then call `metric.update_state()` whenever necessary."
        )

    def get_output_at(self, node_index: int) -> Structure:
        """Returns the output of the layer's n-th symbolic call."""
        warn_deprecated("`layer.get_output_at` is Keras 2's: keep what the layer's call returned.")
        if not -len(self._calls) <= node_index < len(self._calls):
            raise ValueError(
                f"The layer was called {len(self._calls)} times on symbolic inputs, got "
                f"node_index={node_index}."
            )
        return self._calls[node_index].outputs


class OldLogs(dict):
    """Logs, or lists of them by their names, which Keras 2 gave `"lr"`, `"acc"` and `"val_acc"`."""

    _NOW: ClassVar = {"lr": "learning_rate", "acc": "accuracy", "val_acc": "val_accuracy"}

    def __missing__(self, name: str) -> Any:
        now = self._NOW.get(name)
        if now not in self:
            raise KeyError(name)
        warn_deprecated(f"`logs[{name!r}]` is Keras 2's spelling of `logs[{now!r}]`.")
        return self[now]

    def get(self, name: str, default: Any = None) -> Any:
        """Returns a value, also by its old name."""
        known = name in self or self._NOW.get(name) in self
        return self[name] if known else default


class OldModel:
    """Methods of Keras 2's models."""

    fit: Callable
    evaluate: Callable
    predict: Callable
    layers: list[Any]

    def fit_generator(
        self,
        generator: Data,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int | str = 1,
        callbacks: Any = None,
        validation_data: Data = None,
        validation_steps: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        class_weight: Mapping[int, float] | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> Any:
        """Calls `fit`, which takes generators; loading in parallel is the data's own affair."""
        warn_deprecated("`model.fit_generator` is Keras 2's spelling: `model.fit` takes the same.")
        return self.fit(
            generator,
            steps_per_epoch=steps_per_epoch,
            epochs=epochs,
            verbose=verbose,
            callbacks=callbacks,
            validation_data=validation_data,
            validation_steps=validation_steps,
            validation_freq=validation_freq,
            class_weight=class_weight,
            shuffle=shuffle,
            initial_epoch=initial_epoch,
        )

    def evaluate_generator(
        self,
        generator: Data,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
    ) -> ArrayLike:
        """Calls `evaluate`, which takes generators."""
        warn_deprecated(
            "`model.evaluate_generator` is Keras 2's spelling: `model.evaluate` takes the same."
        )
        return self.evaluate(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict_generator(
        self,
        generator: Data,
        steps: int | None = None,
        callbacks: Any = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int | str = 0,
    ) -> Structure:
        """Calls `predict`, which takes generators."""
        warn_deprecated(
            "`model.predict_generator` is Keras 2's spelling: `model.predict` takes the same."
        )
        return self.predict(generator, steps=steps, callbacks=callbacks, verbose=verbose)

    def predict_classes(
        self, x: Data, batch_size: int | None = 32, verbose: int | str = 0
    ) -> Structure:
        """Returns the class of each sample: of the largest output, or 1 where one is over 0.5."""
        warn_deprecated(
            "`model.predict_classes` is Keras 2's: use `model.predict(x).argmax(-1)`, or "
            "`model.predict(x) > 0.5` if there is one output."
        )
        predicted = self.predict(x, batch_size=batch_size, verbose=verbose)
        if predicted.shape[-1] > 1:
            return predicted.argmax(axis=-1)
        return (predicted > 0.5).astype("int32")

    def predict_proba(
        self, x: Data, batch_size: int | None = 32, verbose: int | str = 0
    ) -> Structure:
        """Returns what `predict` does."""
        warn_deprecated("`model.predict_proba` is Keras 2's: use `model.predict`.")
        return self.predict(x, batch_size=batch_size, verbose=verbose)

    def reset_states(self) -> None:
        """Resets the states of stateful recurrent layers."""
        warn_deprecated(
            "`model.reset_states` is Keras 2's: call `layer.reset_state()` on the recurrent layers."
        )
        for layer in self.layers:
            reset = getattr(layer, "reset_states", None) or getattr(layer, "reset_state", None)
            if reset is not None:
                reset()

    def to_yaml(self, **kwargs: Any) -> str:
        """Raises RuntimeError, as Keras 2 did in the end."""
        raise RuntimeError("YAML files could run code: use `model.to_json()`.")
