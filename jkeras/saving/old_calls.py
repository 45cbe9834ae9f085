"""Calls between layers as Keras 1 and 2 wrote them: `[[layer, call, position, kwargs], ...]`."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Config = dict[str, Any]

_CONSTANT = "_CONSTANT_VALUE"
_RECURRENT = ("SimpleRNN", "LSTM", "GRU", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")

# Operators on symbolic tensors: TensorFlow's function, the class of Keras 3's operation, and the
# operation's parameters by TensorFlow's names.
_ARITHMETIC = {
    "add": "Add",
    "subtract": "Subtract",
    "sub": "Subtract",
    "multiply": "Multiply",
    "mul": "Multiply",
    "truediv": "TrueDivide",
    "divide": "TrueDivide",
    "pow": "Power",
    "maximum": "Maximum",
    "minimum": "Minimum",
}
_REDUCTIONS = {"reduce_mean": "Mean", "reduce_sum": "Sum", "reduce_max": "Max", "reduce_min": "Min"}
_ELEMENTWISE = {
    "negative": "Negative",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "square": "Square",
    "abs": "Absolute",
    "tanh": "Tanh",
}
FUNCTIONS: dict[str, tuple[str, dict[str, str]]] = {
    **{f"math.{k}": (v, {"x": "x1", "y": "x2"}) for k, v in _ARITHMETIC.items()},
    **{f"__operators__.{k}": (v, {"x": "x1", "y": "x2"}) for k, v in _ARITHMETIC.items()},
    **{
        f"math.{k}": (v, {"input_tensor": "x", "axis": "axis", "keepdims": "keepdims"})
        for k, v in _REDUCTIONS.items()
    },
    **{f"math.{k}": (v, {"x": "x"}) for k, v in _ELEMENTWISE.items()},
    "linalg.matmul": ("Matmul", {"a": "x1", "b": "x2"}),
    "concat": ("Concatenate", {"values": "xs", "axis": "axis"}),
    "reshape": ("Reshape", {"tensor": "x", "shape": "newshape"}),
    "expand_dims": ("ExpandDims", {"input": "x", "axis": "axis"}),
    "__operators__.getitem": ("GetItem", {"slice_spec": "key"}),
}


def tensorflow_function(entry: Mapping[str, Any]) -> Config:
    """Returns the entry of Keras 3's operation for one of TensorFlow's functions.

    Raises:
        ValueError: If there is none.
    """
    name = _function_of(entry)
    if name not in FUNCTIONS:
        raise ValueError(
            f"The model calls the TensorFlow function {name!r} on symbolic tensors (layer "
            f"{entry['config'].get('name')!r}), which cannot be converted."
        )
    return {
        "module": "keras.src.ops.numpy",
        "class_name": FUNCTIONS[name][0],
        "config": {"name": entry["config"]["name"]},
        "registered_name": FUNCTIONS[name][0],
        "name": entry.get("name", entry["config"]["name"]),
    }


def is_tensorflow_function(entry: Mapping[str, Any]) -> bool:
    """Says whether an entry is an operator of Keras 2."""
    return entry["class_name"] in ("TFOpLambda", "SlicingOpLambda")


def _function_of(entry: Mapping[str, Any]) -> str:
    return str(entry["config"].get("function", "__operators__.getitem"))


class OldCalls:
    """Makes Keras 3's args and kwargs of the calls in one model's config.

    Args:
        config: The config of the model.
        models: The classes of the models among its layers, by today's names.
        rename: Makes today's name of a layer's.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        models: Mapping[str, str],
        rename: Callable[[str], str],
    ):
        self._names = {str(entry.get("name")) for entry in config["layers"]}
        self._models, self._rename = models, rename
        calls = [entry.get("inbound_nodes", ()) for entry in config["layers"]]
        used = _triples([calls, config["output_layers"]])
        # Keras 2 counts a nested model's construction as its first call.
        self._from_zero = {rename(name) for name, index, _ in used if index == 0}

    def of(self, entry: Mapping[str, Any]) -> list[Config]:
        """Returns the calls of the layer that an entry describes."""
        calls = [self._call(call) for call in entry.get("inbound_nodes", ())]
        if is_tensorflow_function(entry):
            _, names = FUNCTIONS[_function_of(entry)]
            for call in calls:
                call["kwargs"] = {names[k]: v for k, v in call["kwargs"].items() if k in names}
        elif entry["class_name"] in _RECURRENT:
            calls = [_with_states(call) for call in calls]
        return calls

    def _call(self, call: Any) -> Config:
        if isinstance(call, Mapping):  # Keras 3's form already
            return dict(call)
        items = [call] if self._is_tensor(call) else call
        kwargs: dict[str, Any] = {}
        for item in items if isinstance(items, list) else ():
            if self._is_tensor(item) and len(item) > 3 and isinstance(item[3], Mapping):
                kwargs.update(item[3])
        first = items[0] if isinstance(items, list) and len(items) == 1 else items
        return {
            "args": [self._value(first)],
            "kwargs": {k: self._value(v) for k, v in kwargs.items()},
        }

    def _is_tensor(self, value: Any) -> bool:
        named = isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str)
        return named and (value[0] in self._names or value[0] == _CONSTANT)

    def _value(self, value: Any) -> Any:
        if self._is_tensor(value):
            name, index, position = value[:3]
            if name == _CONSTANT:
                return position
            name = self._rename(name)
            history = [name, self._index(name, index), position]
            return {"class_name": "__keras_tensor__", "config": {"keras_history": history}}
        if isinstance(value, list):
            return [self._value(v) for v in value]
        if isinstance(value, Mapping):
            if set(value) == {"start", "stop", "step"}:
                return {"class_name": "__slice__", "config": dict(value)}
            return {k: self._value(v) for k, v in value.items()}
        return value

    def _index(self, name: str, index: int) -> int:
        return index - 1 if name in self._models and name not in self._from_zero else index

    def inputs(self, tree: Any) -> Any:
        """Returns the names of the model's inputs."""
        return self._each(tree, lambda name, index: [name, index])

    def outputs(self, tree: Any) -> Any:
        """Returns the names of the model's outputs; there Keras 3 counts functional models so."""

        def count(name: str, index: int) -> list[Any]:
            return [name, self._index(name, index) + (self._models.get(name) == "Functional")]

        return self._each(tree, count)

    def _each(self, tree: Any, convert: Callable[[str, int], list[Any]]) -> Any:
        if isinstance(tree, Mapping):
            return {k: self._each(v, convert) for k, v in tree.items()}
        if len(tree) == 3 and isinstance(tree[0], str):
            name, index, position = tree
            return [*convert(self._rename(name), index), position]
        return [self._each(v, convert) for v in tree]


def _with_states(call: Config) -> Config:
    """Makes initial states of what Keras 2 kept as further inputs of recurrent layers."""
    (first, *rest), kwargs = call["args"], call["kwargs"]
    if isinstance(first, list) and len(first) > 1 and "initial_state" not in kwargs:
        return {"args": [first[0], *rest], "kwargs": {**kwargs, "initial_state": first[1:]}}
    return call


def _triples(value: Any) -> Iterable[list[Any]]:
    """Yields everything in a structure that looks like `[layer, call, position]`."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int):
            yield list(value[:3])
        for item in value:
            yield from _triples(item)
