"""FeatureSpace: tables of numbers and categories as vectors."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from jkeras import layers
from jkeras.base import registry
from jkeras.base.naming import nearest
from jkeras.base.types import ArrayLike, Data, Identifier, Structure
from jkeras.core.graph import is_symbolic
from jkeras.saving import save_model

_KINDS = (
    "float",
    "float_rescaled",
    "float_normalized",
    "float_discretized",
    "integer_categorical",
    "string_categorical",
    "integer_hashed",
    "string_hashed",
)


class Feature(registry.Configurable):
    """How one column is read, prepared and encoded; `FeatureSpace.float()` and its kin make it.

    Args:
        dtype: The dtype of the column.
        preprocessor: The layer that prepares it.
        output_mode: `"float"`, `"int"` or `"one_hot"`.
    """

    def __init__(self, dtype: str, preprocessor: Identifier, output_mode: str):
        if output_mode not in ("int", "one_hot", "float"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'int', 'one_hot', "
                f"'float'}}. Received: output_mode={output_mode}"
            )
        self.dtype, self.output_mode = dtype, output_mode
        if isinstance(preprocessor, dict):
            preprocessor = registry.deserialize_keras_object(preprocessor, area="layers")
        self.preprocessor = preprocessor


class Cross(registry.Configurable):
    """A column made of several, by hashing their values together; `FeatureSpace.cross` makes it.

    Args:
        feature_names: The columns.
        crossing_dim: The number of hashes.
        output_mode: `"int"` or `"one_hot"`.
    """

    def __init__(
        self, feature_names: Iterable[str], crossing_dim: int, output_mode: str = "one_hot"
    ):
        if output_mode not in ("int", "one_hot"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'int', 'one_hot'}. "
                f"Received: output_mode={output_mode}"
            )
        self.feature_names = tuple(feature_names)
        self.crossing_dim, self.output_mode = crossing_dim, output_mode

    @property
    def name(self) -> str:
        """What the column is called."""
        return "_X_".join(self.feature_names)


class FeatureSpace(layers.Layer):
    """Prepares and encodes the columns of a table.

    Args:
        features: From the columns' names to their kinds: `"float"`, `"float_rescaled"`,
            `"float_normalized"`, `"float_discretized"`, `"integer_categorical"`,
            `"string_categorical"`, `"integer_hashed"`, `"string_hashed"`, or what a method of such
            a name returns: `FeatureSpace.float_rescaled(scale=0.1)`.
        output_mode: `"concat"` for one vector of each row, `"dict"` for a dict of them.
        crosses: Columns to be hashed together: tuples of names, or what `FeatureSpace.cross` gives.
        crossing_dim: The number of hashes of crosses given by names.
        hashing_dim: The number of hashes of columns given as `"integer_hashed"`, `"string_hashed"`.
        num_discretization_bins: The number of bins of columns given as `"float_discretized"`.
        name: The name.

    Raises:
        ValueError: If a kind is unknown, or columns are joined that are not encoded.

    Example:
        >>> import jkeras as keras
        >>> data = {"age": [20.0, 30.0, 40.0], "city": ["Ulm", "Bonn", "Ulm"]}
        >>> space = keras.utils.FeatureSpace(
        ...     {"age": "float_normalized", "city": "string_categorical"}
        ... )
        >>> space.adapt(data)
        >>> space({"age": [30.0], "city": ["Bonn"]}).tolist()
        [[0.0, 0.0, 0.0, 1.0]]
    """

    def __init__(
        self,
        features: Mapping[str, Any],
        output_mode: str = "concat",
        crosses: Iterable[Any] | None = None,
        crossing_dim: int = 32,
        hashing_dim: int = 32,
        num_discretization_bins: int = 32,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if not features:
            raise ValueError("The `features` argument cannot be None or empty.")
        if output_mode not in ("concat", "dict"):
            raise ValueError(
                "Invalid value for argument `output_mode`. Expected one of {'concat', 'dict'}. "
                f"Received: output_mode={output_mode}"
            )
        self.crossing_dim, self.hashing_dim = crossing_dim, hashing_dim
        self.num_discretization_bins, self.output_mode = num_discretization_bins, output_mode
        self.features = {k: self._feature(k, v) for k, v in features.items()}
        self.crosses = [self._cross(cross) for cross in crosses or ()]
        for cross in self.crosses:
            for column in cross.feature_names:
                if column not in self.features:
                    raise ValueError(
                        "All features referenced in the `crosses` argument should be present in "
                        f"the `features` dict. Received unknown features: {column!r}"
                        f"{nearest(column, self.features)}"
                    )
        self.preprocessors = {k: feature.preprocessor for k, feature in self.features.items()}
        self.crossers = {
            cross.name: layers.HashedCrossing(cross.crossing_dim, name=cross.name)
            for cross in self.crosses
        }
        encoded: list[tuple[str, Any]] = [
            *self.features.items(),
            *((cross.name, cross) for cross in self.crosses),
        ]
        if output_mode == "concat":
            for column, how in encoded:
                if how.output_mode == "int":
                    raise ValueError(
                        f"Feature '{column}' has `output_mode='int'`. Cannot concatenate it: use "
                        "`output_mode='one_hot'` for it, or `output_mode='dict'` for all."
                    )
        self._adapted = False

    # -------------------------------------------------------------- kinds of columns
    @classmethod
    def cross(
        cls, feature_names: Iterable[str], crossing_dim: int, output_mode: str = "one_hot"
    ) -> Cross:
        """Returns a column made of several: see `Cross`."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype: str, preprocessor: Identifier, output_mode: str) -> Feature:
        """Returns a column with a layer of your own: see `Feature`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name: str | None = None) -> Feature:
        """Returns a column of numbers, taken as they are."""
        return Feature("float32", layers.Identity(name=name), "float")

    @classmethod
    def float_rescaled(
        cls, scale: ArrayLike = 1.0, offset: ArrayLike = 0.0, name: str | None = None
    ) -> Feature:
        """Returns a column of numbers: `x * scale + offset`."""
        return Feature("float32", layers.Rescaling(scale, offset, name=name), "float")

    @classmethod
    def float_normalized(cls, name: str | None = None) -> Feature:
        """Returns a column of numbers, brought to mean 0 and variance 1."""
        return Feature("float32", layers.Normalization(axis=-1, name=name), "float")

    @classmethod
    def float_discretized(
        cls,
        num_bins: int,
        bin_boundaries: Any = None,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns a column of numbers, as the bins in which they lie."""
        count = None if bin_boundaries is not None else num_bins
        layer = layers.Discretization(bin_boundaries=bin_boundaries, num_bins=count, name=name)
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns a column of integers, as indices of those seen."""
        layer = layers.IntegerLookup(max_tokens, num_oov_indices=num_oov_indices, name=name)
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(
        cls,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        output_mode: str = "one_hot",
        name: str | None = None,
    ) -> Feature:
        """Returns a column of strings, as indices of those seen."""
        layer = layers.StringLookup(max_tokens, num_oov_indices=num_oov_indices, name=name)
        return Feature("string", layer, output_mode)

    @classmethod
    def integer_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Returns a column of integers, as hashes."""
        return Feature("int32", layers.Hashing(num_bins, name=name), output_mode)

    @classmethod
    def string_hashed(
        cls, num_bins: int, output_mode: str = "one_hot", name: str | None = None
    ) -> Feature:
        """Returns a column of strings, as hashes."""
        return Feature("string", layers.Hashing(num_bins, name=name), output_mode)

    def _feature(self, column: str, kind: Any) -> Feature:
        if isinstance(kind, Feature):
            return kind
        if isinstance(kind, Mapping):
            return registry.deserialize_keras_object(kind, area="utils")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise ValueError(
                f"Invalid feature type for the column {column!r}: {kind!r}"
                f"{nearest(str(kind), _KINDS)}. Expected one of {_KINDS}, or what a method of such "
                "a name returns."
            )
        arguments: dict[str, Any] = {}
        if kind.endswith("hashed"):
            arguments["num_bins"] = self.hashing_dim
        elif kind == "float_discretized":
            arguments["num_bins"] = self.num_discretization_bins
        return getattr(type(self), kind)(**arguments)

    def _cross(self, given: Any) -> Cross:
        if isinstance(given, Cross):
            return given
        if isinstance(given, Mapping):
            return registry.deserialize_keras_object(given, area="utils")
        return Cross(given, self.crossing_dim)

    # -------------------------------------------------------------- learning from data
    def adapt(self, dataset: Data) -> None:
        """Learns vocabularies, means and bins.

        Args:
            dataset: A dict of columns, a DataFrame, or an iterable of dicts (of batches or rows).
        """
        columns = _columns(dataset, list(self.features))
        for name, layer in self.preprocessors.items():
            if not hasattr(layer, "adapt") or _is_adapted(layer):
                continue
            layer.adapt(_as_column(columns[name], self.features[name].dtype))
        self._adapted = True

    # -------------------------------------------------------------- encoding
    def __call__(self, data: Structure) -> Structure:
        """Encodes a dict of columns: arrays, the values of one row, or symbolic tensors."""
        self._check_adapted()
        if not isinstance(data, Mapping):
            raise ValueError(
                "A FeatureSpace can only be called with a dict. "
                f"Received: data={data!r} (of type {type(data)})"
            )
        missing = [name for name in self.features if name not in data]
        if missing:
            raise ValueError(f"The columns {missing} are missing. Received: {list(data)}")
        columns = {
            name: x if is_symbolic(x := data[name]) else _as_column(x, feature.dtype)
            for name, feature in self.features.items()
        }
        single = all(not is_symbolic(data[name]) and np.ndim(data[name]) == 0 for name in columns)
        encoded = self._encode(columns)
        if not single:
            return encoded
        return {k: v[0] for k, v in encoded.items()} if isinstance(encoded, dict) else encoded[0]

    def _encode(self, columns: dict[str, Any]) -> Any:
        prepared = {name: self.preprocessors[name](x) for name, x in columns.items()}
        for cross in self.crosses:
            given = [columns[name] for name in cross.feature_names]
            prepared[cross.name] = self.crossers[cross.name](given)
        modes = {k: v.output_mode for k, v in self.features.items()}
        modes.update((cross.name, cross.output_mode) for cross in self.crosses)
        encoded = {}
        for name, x in prepared.items():
            if modes[name] == "one_hot":
                x = layers.CategoryEncoding(self._size(name), "multi_hot")(x)
            encoded[name] = x
        if self.output_mode == "dict":
            return encoded
        parts = [x if "float" in str(x.dtype) else _as_floats(x) for x in encoded.values()]
        return layers.Concatenate(axis=-1)(parts) if len(parts) > 1 else parts[0]

    def _size(self, name: str) -> int:
        layer = self.crossers.get(name) or self.preprocessors[name]
        if hasattr(layer, "vocabulary_size"):
            return layer.vocabulary_size()
        if isinstance(layer, layers.Discretization):
            return len(layer.bin_boundaries or ()) + 1
        if hasattr(layer, "num_bins"):
            return layer.num_bins
        raise ValueError(
            f"Feature '{name}' has `output_mode='one_hot'`. However it isn't a standard feature "
            "and the dimensionality of its output space is not known, thus it cannot be one-hot "
            "encoded. Try using `output_mode='int'`."
        )

    def get_inputs(self) -> dict[str, Any]:
        """Returns an Input for each column, for a functional model of raw data."""
        self._check_adapted()
        if not hasattr(self, "_inputs"):
            self._inputs = _Held(
                {
                    name: layers.Input((1,), dtype=feature.dtype, name=name)
                    for name, feature in self.features.items()
                }
            )
        return self._inputs.value

    def get_encoded_features(self) -> Structure:
        """Returns what the Inputs of `get_inputs` are encoded as: symbolic tensors."""
        if not hasattr(self, "_encoded"):
            self._encoded = _Held(self._encode(self.get_inputs()))
        return self._encoded.value

    def _check_adapted(self) -> None:
        if self._adapted:
            return
        waiting = [
            name
            for name, layer in self.preprocessors.items()
            if hasattr(layer, "adapt") and not _is_adapted(layer)
        ]
        if waiting:
            raise ValueError(
                "You need to call `.adapt(dataset)` on the FeatureSpace before you can start using "
                f"it: the columns {waiting} have not seen data."
            )

    # -------------------------------------------------------------- files
    def get_config(self) -> dict[str, Any]:
        return {
            "features": registry.serialize_keras_object(self.features),
            "output_mode": self.output_mode,
            "crosses": [registry.serialize_keras_object(cross) for cross in self.crosses],
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
            "name": self.name,
        }

    def save(self, filepath: str | os.PathLike) -> None:
        """Saves it to a `.keras` file, which `keras.models.load_model` reads."""
        save_model(self, filepath)


class _Held:
    """Hides symbolic tensors from the walk over a layer's parts."""

    def __init__(self, value: Any):
        self.value = value


def _is_adapted(layer: Any) -> bool:
    if hasattr(layer, "is_adapted"):
        return bool(layer.is_adapted)
    if isinstance(layer, layers.Discretization):
        return bool(layer.bin_boundaries)
    if isinstance(layer, layers.Normalization):
        return layer.built
    size = getattr(layer, "vocabulary_size", None)
    return size is not None and size() > getattr(layer, "num_oov_indices", 0)


def _as_column(values: Any, dtype: str) -> Any:
    array = np.asarray(values)
    if dtype == "string":
        array = array.astype(str)
    elif dtype.startswith("float"):
        array = array.astype("float32")
    if array.ndim == 0:
        return array.reshape(1, 1)
    return array.reshape(-1, 1) if array.ndim == 1 else array


def _as_floats(x: ArrayLike) -> Any:
    return x.astype("float32")


def _columns(dataset: Any, names: list[str]) -> dict[str, Any]:
    """Returns whole columns of a dict, a DataFrame, or an iterable of dicts."""
    if hasattr(dataset, "to_dict") and hasattr(dataset, "columns"):
        dataset = {name: dataset[name].to_numpy() for name in names}
    if isinstance(dataset, Mapping):
        return {name: np.asarray(dataset[name]) for name in names}
    batches = list(dataset)
    if not batches or not isinstance(batches[0], Mapping):
        raise ValueError(
            "`adapt()` can only be called on a dataset that yields dicts of columns. Received "
            f"elements of type {type(batches[0]) if batches else None}."
        )
    return {name: np.concatenate([np.atleast_1d(b[name]) for b in batches]) for name in names}


registry.export("keras.utils", "utils", {"Feature": Feature, "Cross": Cross})
