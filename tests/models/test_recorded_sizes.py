"""Sizes that a recorded call asks for: symbols of the graph, with which it may compute."""

import json
import math
import pickle
import zipfile

import jax
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers, ops

# Of a tensor of shape (batch, steps, 4), and of its shape.
KINDS = {
    "reshape": lambda x, s: ops.reshape(x, (s[0], -1, 2)),
    "reshape, product": lambda x, s: ops.reshape(x, (s[0] * s[1], 4)),
    "reshape, quotient": lambda x, s: ops.reshape(x, (s[0], s[1] // 2, 8)),
    "reshape, math.prod": lambda x, s: ops.reshape(x, (math.prod(s[:2]), s[2])),
    "reshape, rest": lambda x, s: ops.reshape(x, (*s[:-1], 2, 2)),
    "method": lambda x, s: x.reshape(s[0], s[1] * 4),
    "broadcast_to": lambda x, s: ops.broadcast_to(ops.ones((1, 1, 4)), s),
    "tile": lambda x, s: ops.tile(ops.ones((1, 3)), (s[0], 1)),
    "repeat": lambda x, s: ops.repeat(ops.ones((1, 3)), s[0], axis=0),
    "zeros": lambda x, s: ops.concatenate([ops.zeros((s[0], 1, 4)), x], axis=1),
    "zeros, sums": lambda x, s: ops.zeros((1 + s[1], 2 * s[0], 99 - s[1], -s[1] + 99)),
    "full": lambda x, s: ops.full(s[:2], 7.0) + x[..., 0],
    "arange": lambda x, s: x + ops.cast(ops.arange(0, s[1], 1), "float32")[:, None],
    "one_hot": lambda x, s: x + ops.one_hot(ops.arange(s[1]), 4),
    "eye": lambda x, s: ops.matmul(ops.eye(s[1]), x),
    "mask": lambda x, s: ops.where(ops.arange(s[1])[:, None] >= ops.arange(s[1]), x[:, :1, :1], 0),
    "axes swapped": lambda x, s: ops.swapaxes(x, 0, 1) + ops.zeros((s[1], s[0], 4)),
    "slices": lambda x, s: x[:, s[1] // 2 : s[1] - 1],
    "item": lambda x, s: x[:, s[1] - 1],
    "number": lambda x, s: ops.sum(x, axis=1) / s[1],
    "number, power": lambda x, s: x / s[1] ** 0.5,
    "number, cast": lambda x, s: x / ops.sqrt(ops.cast(s[1], x.dtype)),
    "size": lambda x, s: ops.sum(x) / ops.size(x),
    "stack": lambda x, s: ops.stack([s[0], s[1] % 4]),
    "where": lambda x, s: ops.where(s[1] > 4, x, -x),
    "equal": lambda x, s: x if ops.relu(x).shape == x.shape and None not in s else x * 2.0,
    "pad": lambda x, s: ops.pad(x, ((0, 0), (0, s[1]), (0, 0))),
}


class Asks(keras.Model):
    def __init__(self, by_attribute=False, **kwargs):
        super().__init__(**kwargs)
        self.by_attribute, self.dense = by_attribute, layers.Dense(4)
        self.memory = layers.GRU(2)

    def call(self, x):
        x = self.dense(x)
        shape = x.shape if self.by_attribute else ops.shape(x)
        found = {name.replace(",", ""): kind(x, shape) for name, kind in KINDS.items()}
        return {**found, "state": self.memory(x, initial_state=ops.ones((shape[0], 2)))}


def data(batch, steps):
    return np.random.default_rng(0).normal(size=(batch, steps, 3)).astype("float32")


def check_same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("by_attribute", [False, True])
def test_sizes_are_symbols_of_the_graph(by_attribute, tmp_path):
    model = Asks(by_attribute)
    model.build((None, None, 3))
    twin = model.functional()
    shapes = twin.output_shape
    assert shapes["reshape"] == shapes["zeros"][:2] + (2,) == (None, None, 2)
    assert shapes["one_hot"] == (None, None, 4) and shapes["size"] == ()
    loaded = []
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        loaded.append(keras.models.load_model(tmp_path / name))
        assert type(loaded[-1]).__name__ == "Functional"
        loaded[-1].save(tmp_path / name)
        loaded.append(keras.models.load_model(tmp_path / name))
    copy = keras.models.clone_model(loaded[0])
    copy.set_weights(loaded[0].get_weights())
    others = [twin, *loaded, copy, pickle.loads(pickle.dumps(twin))]
    for batch, steps in ((3, 6), (1, 4)):
        x = data(batch, steps)
        expected = model(x)
        for other in others if batch > 1 else others[:2]:
            check_same(other(x), expected)
    compiled = jax.jit(lambda x: loaded[0](x))(x)
    for name, array in compiled.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_depends_on_a_size_is_not_recorded():
    """A branch at hand says nothing of other sizes."""

    def calls(decide):
        class Decides(keras.Model):
            def call(self, x):
                return x * 2.0 if decide(ops.shape(x)) else x

        model = Decides()
        model.build((None, None, 3))
        return model

    for decide in (  # each is asked of the symbols of the graph
        lambda s: s[0] == 1,
        lambda s: s[0] != s[1],
        lambda s: s[1] > 4,
        lambda s: s[0],
        lambda s: range(s[1]),
        lambda s: {4: True}.get(s[1]),
    ):
        with pytest.raises(ValueError, match=r"before the model runs|SymbolicSize"):
            calls(decide).functional()
    twin = calls(lambda s: s[2] == 3 and s[0] is not None).functional()
    assert [operation.name for operation in twin.operations][-1] == "multiply"


def test_sizes_outside_of_a_recorded_call_are_not_known():
    x = keras.Input((3,))
    assert x.shape == ops.shape(x) == (None, 3)


def test_swapped_axes_stay_swapped_in_copies():
    """Of two equal layers on a tensor and its transpose, a file's reader evaluates both."""
    x = keras.Input((None, 3))
    dense = [layers.Dense(4)(v) for v in (x, ops.transpose(x, (1, 0, 2)))]
    model = keras.Model(x, dense)
    for copy in (pickle.loads(pickle.dumps(model)), keras.Model.from_config(model.get_config())):
        one, other = copy.outputs
        assert (one + ops.transpose(other, (1, 0, 2))).shape == (None, None, 4)


def test_layers_see_shapes_without_sizes():
    seen = []

    class Own(layers.Layer):
        def build(self, input_shape):
            seen.append(input_shape)

        def call(self, x):
            return ops.reshape(x, (x.shape[0], 3))

        def compute_output_shape(self, input_shape):
            seen.append(input_shape)
            return input_shape

    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.own = keras.Sequential([Own(), layers.Dense(1)])

        def call(self, x):
            return self.own(ops.reshape(x, (ops.shape(x)[0], 3)))

    model = Net()
    model(np.ones((2, 3), "float32"))
    del seen[:]
    assert model.functional().output_shape == (None, 1)
    assert all(shape == (None, 3) for shape in seen)


def test_a_profile_counts_what_has_sizes(capsys):
    class Net(keras.Model):
        def call(self, x):
            s = ops.shape(x)
            return ops.matmul(ops.ones((s[0], s[1], s[1])), x)

    model = Net()
    model(data(2, 8))
    model.summary(profile=4, line_length=120)
    row = next(line for line in capsys.readouterr().out.splitlines() if "matmul" in line)
    assert "k" in row.split("│")[5]  # 2 * 4 * 8 * 8 * 3 operations


def saved_sizes(tmp_path):
    class Net(keras.Model):
        def call(self, x):
            return ops.reshape(x, (ops.shape(x)[0] * 1, 3))

    model = Net()
    model(np.ones((2, 3), "float32"))
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        members = {name: file.read(name) for name in file.namelist()}
    return members, json.loads(members["graph.json"])


def load_changed(tmp_path, members, found):
    with zipfile.ZipFile(tmp_path / "bad.keras", "w") as file:
        for name, content in members.items():
            file.writestr(name, json.dumps(found) if name == "graph.json" else content)
    return keras.models.load_model(tmp_path / "bad.keras")


def chained(found, count, by=None):
    """Returns a graph in which each size is the one before, times itself or a number."""
    found = json.loads(json.dumps(found))
    entries = found["model"]["config"]["layers"]
    at = next(i for i, e in enumerate(entries) if e["class_name"] == "Multiply")
    text = json.dumps(entries[at])
    size = next(e["name"] for e in entries if e["class_name"] == "SizeOf")
    tensor = entries[at]["inbound_nodes"][0]["args"][0]
    assert tensor["config"]["keras_history"][0] == size
    made, before = [], size
    for i in range(count):
        entry = json.loads(text)
        name = f"square_{i}" if i < count - 1 else entries[at]["name"]
        entry["name"] = entry["config"]["name"] = name
        given = {**tensor, "config": {**tensor["config"], "keras_history": [before, 0, 0]}}
        entry["inbound_nodes"][0]["args"] = [given, given if by is None else by]
        made.append(entry)
        before = name
    entries[at : at + 1] = made
    return found


def of_kind(found, class_name):
    """Returns a graph with another operation in place of products."""
    for entry in found["model"]["config"]["layers"]:
        if entry["class_name"] == "Multiply":
            entry["class_name"] = class_name
    return found


def test_hostile_sizes(tmp_path):
    members, found = saved_sizes(tmp_path)
    load_changed(tmp_path, members, found)
    axis = json.loads(json.dumps(found))
    for entry in axis["model"]["config"]["layers"]:
        if entry["class_name"] == "SizeOf":
            entry["config"]["axis"] = 7
    for bad, message in (
        (axis, "no axis 7"),
        (chained(found, 70), "too large"),
        (chained(found, 1200, by=1), "more than 1000"),
        (of_kind(chained(found, 1, by=10**9), "Power"), "too large"),
        (of_kind(chained(found, 1, by=10**13), "Mod"), "too large"),
    ):
        with pytest.raises(ValueError, match=message):
            load_changed(tmp_path, members, bad)
