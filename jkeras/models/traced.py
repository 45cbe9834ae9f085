"""TracedModel: a model whose computation is a program, since its class is not there."""

import warnings
from collections.abc import Mapping
from typing import Any

import jax

from jkeras.base import registry
from jkeras.base.types import Structure
from jkeras.core import scope
from jkeras.core.layer import Layer
from jkeras.core.variable import Variable
from jkeras.export.archive import text_of
from jkeras.export.programs import Program
from jkeras.models.model import Model
from jkeras.saving.programs import SavedPrograms


class _Holder:
    """Methods of what has parts at places that a file has named."""

    _places: dict[str, Any]
    _own_weights: Any

    def _attributes(self) -> dict[str, Any]:
        return {**self._places, "_own_weights": list(self._own_weights)}


class TracedLayer(_Holder, Layer):
    """A layer of a `TracedModel`: its weights. What it computes is a part of the whole program.

    `trainable = False` freezes them, as ever.
    """

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self._places = {}
        self._built = True

    def call(self, *args: Any, **kwargs: Any) -> Structure:
        raise NotImplementedError(
            f"The layer {self.name!r} of a TracedModel cannot be called by itself: the model is "
            "one program. Load the model with its class, by custom_objects=..., to have its layers."
        )


class TracedModel(_Holder, Model):
    """A subclassed model without its class: what it computed when it was saved, as a program.

    `keras.models.load_model` makes it of a `.keras` file where the class is unknown and the model
    has no graph. It predicts, evaluates, is compiled and trained as the model was, random numbers
    and losses of its layers included, and is saved again: the class, once it is there, loads that
    file as well. Its layers are there by name, to be frozen, and cannot be called.

    What it has not: methods of the class other than `call`, such as a `train_step` of its own,
    derivatives of derivatives, and forward derivatives. `jax.vmap` calls it in a loop. JAX reads
    its programs for half a year after they were written: to keep a model, keep its class.

    Args:
        saved_programs: The programs.
        saved_as: The config in whose place it is saved.

    Example:
        >>> import tempfile, jax.numpy as jnp, numpy as np, jkeras as keras
        >>> class Wave(keras.Model):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(2)
        ...
        ...     def call(self, x):
        ...         return jnp.sin(self.dense(x))
        >>> x = np.ones((4, 3))
        >>> model = Wave()
        >>> before = model.predict(x, verbose=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     model.save(f"{folder}/wave.keras")
        ...     again = keras.models.load_model(f"{folder}/wave.keras")
        >>> type(again).__name__, bool((again.predict(x, verbose=0) == before).all())
        ('TracedModel', True)
    """

    def __init__(self, *, saved_programs: SavedPrograms, saved_as: Mapping[str, Any]):
        table = saved_programs.table
        super().__init__(
            name=str(table["name"]),
            dtype=registry.deserialize_keras_object(table["dtype"]),
            autocast=False,
        )
        self.saved_programs, self._saved_as = saved_programs, dict(saved_as)
        self._class_in_files = str(saved_as["class_name"])
        self._by_key: dict[str, Variable] = {}
        self._places = {}
        holders: dict[str, Any] = {}
        for place, name, described in saved_programs.parts():
            holder = self if not holders else TracedLayer(name=name)
            if holders:
                above = next(p for p in _above(place) if p in holders)
                holders[above]._places[place[len(above) :].lstrip("/")] = holder
            holders[place] = holder
            for one in described:
                self._by_key[str(one["key"])] = _make(holder, one)
        for place, held in saved_programs.holds().items():
            holders[place]._places = {attribute: holders[below] for attribute, below in held}
        for program in (saved_programs.infer, saved_programs.train):
            _check(program, self._by_key)
        self._built = True
        if table["own_steps"]:
            warnings.warn(
                f"The class of the model {self.name!r} had its own {table['own_steps']}, which a "
                "program does not hold: compiled, it takes the usual steps. Load it with its class "
                "for the others.",
                stacklevel=2,
            )

    def call(
        self, inputs: Structure, *args: Any, training: bool = False, **kwargs: Any
    ) -> Structure:
        program = self.saved_programs.train if training else self.saved_programs.infer
        here: Any = scope.current()
        weights = {k: variable.value for k, variable in self._by_key.items()}
        key = here.key() if program.draws else None
        results, new = program.call(weights, *_arrange(program, inputs, args, kwargs), key=key)
        outputs, losses, masks = results
        for loss in losses:
            self.add_loss(loss)
        for k, value in new.items():
            self._by_key[k].assign(value)
        for output, mask in zip(jax.tree.leaves(outputs), masks, strict=True):
            if mask is not None:
                here.set_mask(output, mask)
        return outputs

    def functional(self) -> Any:
        """Refuses: there are no layers to call in it.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            f"{self.name!r} is a TracedModel: one program, not a graph of layers. Load the "
            "model with its class, by custom_objects=..., to see what it calls."
        )

    @classmethod
    def from_config(cls, *_: Any, **__: Any) -> Any:  # type: ignore[override]
        """Refuses: what the model computes is in no config.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError(
            "A TracedModel is one program, and no config describes it: copy.deepcopy(model) copies "
            "it, weights and all. keras.models.load_model with custom_objects gives its class."
        )

    def get_config(self) -> dict[str, Any]:
        return dict(self._saved_as.get("config") or {})

    def get_build_config(self) -> dict[str, Any] | None:
        return self._saved_as.get("build_config")


def _above(place: str) -> list[str]:
    words = place.split("/")
    return ["/".join(words[:n]) for n in range(len(words) - 1, 0, -1)] + [""]


def _make(holder: Any, one: Mapping[str, Any]) -> Variable:
    variable = holder.add_weight(
        shape=tuple(one["shape"]),
        initializer="zeros",
        dtype=one["dtype"],
        trainable=bool(one["made_trainable"]),
        autocast=False,
        constraint=registry.deserialize_keras_object(one["constraint"]),
        name=str(one["name"]),
    )
    variable.path, variable.is_weight = str(one["path"]), bool(one["is_weight"])
    if not one["trainable"]:
        variable.trainable = False
    return variable


def _check(program: Program, variables: Mapping[str, Variable]) -> None:
    (weights, *_), _ = jax.tree.unflatten(program.exported.in_tree, program.exported.in_avals)
    found = {k: (tuple(a.shape), a.dtype.name) for k, a in weights.items()}
    if found != {k: (v.shape, v.variable_dtype) for k, v in variables.items()}:
        raise ValueError("The model's programs take other weights than its file describes.")


def _arrange(program: Program, inputs: Any, args: tuple, kwargs: Mapping[str, Any]) -> tuple:
    """Returns the arguments in the structure, and of the dtypes, that a program takes."""
    wanted = program.arguments
    named = {**dict(zip(program.names, (inputs, *args), strict=False)), **kwargs}
    unknown = named.keys() - set(program.names)
    given = [named.get(name) for name in program.names]
    leaves, places = jax.tree.leaves(given), jax.tree.leaves(wanted)
    if unknown or len(leaves) != len(places) or not all(map(_fits, leaves, places)):
        known = dict(zip(program.names, wanted, strict=True))
        raise ValueError(
            f"The model was saved for {text_of(known)}; it is called on {text_of(named)}."
        )
    arrays = [x.astype(w.dtype) for x, w in zip(leaves, places, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(wanted), arrays)


def _fits(x: Any, wanted: Any) -> bool:
    """Says whether an array has the axes that a program takes; `batch` is any size."""
    return len(x.shape) == len(wanted.shape) and all(
        n == w for n, w in zip(x.shape, wanted.shape, strict=True) if isinstance(w, int)
    )
