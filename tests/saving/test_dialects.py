"""What older versions of Keras called or meant otherwise is converted in one place."""

import json

import h5py
import numpy as np
import pytest

import jkeras as keras
from jkeras import layers
from jkeras.saving import compile_configs, dialects

OLD = "2.3.0"


def dense(name, units=3, **kwargs):
    return {"class_name": "Dense", "config": {"name": name, "units": units, **kwargs}}


def make(entry, version=OLD):
    return keras.saving.deserialize_keras_object(dialects.modernize(entry, version))


def node(entry, *calls):
    return {**entry, "name": entry["config"]["name"], "inbound_nodes": list(calls)}


def input_entry(name, shape):
    config = {"name": name, "batch_input_shape": [None, *shape], "dtype": "float32"}
    return node({"class_name": "InputLayer", "config": {**config, "sparse": False}})


def model_entry(entries, inputs, outputs, name="model"):
    config = {"name": name, "layers": entries, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Model", "config": config}


# ------------------------------------------------------------------ Sequential
@pytest.mark.parametrize(
    "shape",
    [
        {"batch_input_shape": [None, 4]},
        {"input_shape": [4]},
        {"input_dim": 4},
        {"batch_input_shape": [None, 4], "input_dtype": "float32"},
    ],
)
def test_a_first_layer_says_the_shape(shape):
    entries = [dense("a", **shape), dense("b")]
    for config in (entries, {"name": "stack", "layers": entries}):  # a list until 2.2.2
        model = make({"class_name": "Sequential", "config": config})
        assert model.input_shape == (None, 4)
        assert [layer.name for layer in model.layers] == ["a", "b"]


def test_an_input_layer_and_the_key_beside_it():
    entries = [
        {"class_name": "InputLayer", "config": {"name": "i", "batch_input_shape": [None, 5]}},
        {"class_name": "Flatten", "config": {"name": "f", "batch_input_shape": [None, 5]}},
        dense("d"),
    ]
    model = make({"class_name": "Sequential", "config": {"name": "s", "layers": entries}})
    assert (model.input_shape, model.output_shape) == ((None, 5), (None, 3))


def test_an_embedding_comes_first():
    config = {"name": "e", "input_dim": 7, "output_dim": 2, "input_length": 5}
    entry = {"class_name": "Embedding", "config": {**config, "batch_input_shape": [None, 5]}}
    model = make({"class_name": "Sequential", "config": [entry]})
    assert model.output_shape == (None, 5, 2)
    assert model.inputs[0].dtype == "int32"


# ------------------------------------------------------------------ graphs
def test_calls_are_lists_of_lists():
    entries = [
        input_entry("a", [4]),
        input_entry("b", [4]),
        node(dense("shared"), [["a", 0, 0, {}]], [["b", 0, 0]]),
        node(
            {"class_name": "Concatenate", "config": {"name": "cat", "axis": -1}},
            [["shared", 0, 0, {}], ["shared", 1, 0, {}]],
        ),
    ]
    model = make(model_entry(entries, [["a", 0, 0], ["b", 0, 0]], [["cat", 0, 0]]))
    x = np.ones((2, 4), "float32")
    assert model.predict([x, x], verbose=0).shape == (2, 6)  # one output is not a list
    assert len(model.weights) == 2


@pytest.mark.parametrize("first", [0, 1])
def test_nested_models_are_counted_from_one_or_zero(first):
    inner = [input_entry("x", [4]), node(dense("d", 4), [["x", 0, 0, {}]])]
    encoder = model_entry(inner, [["x", 0, 0]], [["d", 0, 0]], name="encoder")
    encoder = {**encoder, "config": {**encoder["config"], "name": "encoder"}}
    stack = {
        "class_name": "Sequential",
        "config": {"name": "stack", "layers": [dense("e", 4, batch_input_shape=[None, 4])]},
    }
    entries = [
        input_entry("a", [4]),
        node(encoder, [["a", 0, 0, {}]], [["encoder", first, 0, {}]]),
        node(stack, [["encoder", first + 1, 0, {}]]),
    ]
    outputs = [["encoder", first + 1, 0], ["stack", first, 0], ["encoder", first, 0]]
    model = make(model_entry(entries, [["a", 0, 0]], outputs))
    once, twice = model.outputs[2], model.outputs[0]
    assert once.source.inputs[0] is model.inputs[0]
    assert twice.source.inputs[0] is once
    assert model.outputs[1].source.inputs[0] is twice
    again = keras.models.model_from_json(model.to_json())
    assert again.get_config() == model.get_config()


def test_operators_were_layers():
    operator = {"class_name": "TFOpLambda", "config": {"name": "tf.math.multiply"}}
    operator["config"]["function"] = "math.multiply"
    entries = [
        input_entry("a", [4]),
        node(operator, ["a", 0, 0, {"y": 3.0, "name": None}]),
        node(
            {
                "class_name": "TFOpLambda",
                "config": {"name": "tf.math.subtract", "function": "math.subtract"},
            },
            ["_CONSTANT_VALUE", -1, 1.0, {"y": ["tf.math.multiply", 0, 0], "name": None}],
        ),
        node(
            {
                "class_name": "SlicingOpLambda",
                "config": {"name": "slice", "function": "__operators__.getitem"},
            },
            [
                "tf.math.subtract",
                0,
                0,
                {
                    "slice_spec": [
                        {"start": None, "stop": None, "step": None},
                        {"start": 1, "stop": 3, "step": None},
                    ]
                },
            ],
        ),
    ]
    model = make(model_entry(entries, [["a", 0, 0]], [["slice", 0, 0]]))
    x = np.arange(8, dtype="float32").reshape(2, 4)
    np.testing.assert_allclose(model(x), (1 - 3 * x)[:, 1:3])
    unknown = {"class_name": "TFOpLambda", "config": {"name": "o", "function": "py_function"}}
    entries = [input_entry("a", [4]), node(unknown, ["a", 0, 0, {}])]
    with pytest.raises(ValueError, match="'py_function'"):
        make(model_entry(entries, [["a", 0, 0]], [["o", 0, 0]]))


def test_layer_names_with_slashes(tmp_path):
    entries = [
        input_entry("a", [4]),
        node(dense("block/conv", 4), [["a", 0, 0, {}]]),
        node(dense("block/out"), [["block/conv", 0, 0, {}]]),
    ]
    entry = model_entry(entries, [["a", 0, 0]], [["block/out", 0, 0]])
    weights = [np.full((4, 4), 2.0), np.ones(4), np.full((4, 3), 3.0), np.zeros(3)]
    with h5py.File(tmp_path / "old.h5", "w") as file:
        file.attrs["keras_version"], file.attrs["model_config"] = OLD, json.dumps(entry)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array(["a", "block/conv", "block/out"], "S")
        group.create_group("a").attrs["weight_names"] = np.array([])
        for i, name in enumerate(("block/conv", "block/out")):
            names = [f"{name}/kernel:0", f"{name}/bias:0"]
            group.create_group(name).attrs["weight_names"] = np.array(names, "S")
            for j, n in enumerate(names):
                group[name][n] = weights[2 * i + j].astype("float32")
    model = keras.models.load_model(tmp_path / "old.h5")
    assert [layer.name for layer in model.layers] == ["a", "block_conv", "block_out"]
    for got, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(got, expected)
    other = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="block_out")])
    other.load_weights(tmp_path / "old.h5", by_name=True)
    np.testing.assert_array_equal(other.get_weights()[0], weights[2])


# ------------------------------------------------------------------ arguments
@pytest.mark.parametrize(("version", "expected"), [("2.2.4", 0.7), ("3.1.0", 4 / 6)])
def test_hard_sigmoid_had_another_slope(version, expected):
    entries = [dense("a", 1, batch_input_shape=[None, 1], activation="hard_sigmoid")]
    if version.startswith("3"):
        config = {"name": "i", "batch_shape": [None, 1]}
        entries = [
            {"class_name": "InputLayer", "config": config},
            dense("a", 1, activation="hard_sigmoid"),
        ]
    model = make({"class_name": "Sequential", "config": {"layers": entries}}, version)
    model.set_weights([np.ones((1, 1)), np.zeros(1)])
    assert float(model(np.ones((1, 1)))[0, 0]) == pytest.approx(expected)
    again = keras.models.model_from_json(model.to_json())  # and goes on to have it
    again.set_weights(model.get_weights())
    assert float(again(np.ones((1, 1)))[0, 0]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (("BatchNormalization", {"axis": [3]}), {"axis": 3}),
        (("LeakyReLU", {"alpha": 0.3}), {"negative_slope": 0.3}),
        (("Dropout", {"p": 0.25}), {"rate": 0.25}),
        (("SeparableConv2D", {"filters": 2, "kernel_size": 3, "groups": 1}), {"filters": 2}),
        (("GRU", {"units": 2}), {"reset_after": False}),
        (("GRU", {"units": 2, "reset_after": True, "time_major": False}), {"reset_after": True}),
        (("CuDNNGRU", {"units": 2}), {"reset_after": True, "recurrent_activation": "sigmoid"}),
        (("CuDNNLSTM", {"units": 2}), {"recurrent_activation": "sigmoid"}),
        (("LSTM", {"units": 2, "implementation": 1}), {"units": 2}),
    ],
)
def test_arguments(entry, expected):
    class_name, config = entry
    layer = make({"class_name": class_name, "config": {"name": "x", **config}})
    got = layer.get_config()
    assert {k: got[k] for k in expected} == expected


def test_what_cannot_be_converted_is_refused():
    with pytest.raises(ValueError, match="time_major"):
        make({"class_name": "LSTM", "config": {"name": "x", "units": 2, "time_major": True}})


def test_layers_inside_of_layers_are_converted_too():
    inner = {"class_name": "GRU", "config": {"name": "g", "units": 2, "implementation": 2}}
    entry = {"class_name": "Bidirectional", "config": {"name": "b", "layer": inner}}
    assert make(entry).forward_layer.reset_after is False


@pytest.mark.parametrize(
    "module",
    [
        *("keras.layers", "tf_keras.src.layers.core.dense", "tensorflow.keras.layers"),
        *("keras.layers.core", "keras.src.layers.core.dense", None),
    ],
)
def test_modules_have_moved(module):
    entry = {**dense("a"), "module": module, "registered_name": None}
    initializer = {"class_name": "Zeros", "config": {}, "registered_name": None}
    initializer["module"] = (module or "keras").replace("layers", "initializers")
    entry["config"]["kernel_initializer"] = initializer
    layer = make(entry)
    assert type(layer) is layers.Dense
    assert type(layer.kernel_initializer) is keras.initializers.Zeros


# ------------------------------------------------------------------ the way back
def test_files_for_older_versions_of_keras3():
    config = layers.BatchNormalization().get_config()
    assert set(config) - set(dialects.for_older_readers(config)) == {
        *("renorm", "renorm_clipping", "renorm_momentum")
    }
    changed = layers.BatchNormalization(renorm=True).get_config()
    assert dialects.for_older_readers(changed)["renorm"] is True


# ------------------------------------------------------------------ optimizers
def trained(optimizer):
    """Returns a model whose variables' shapes, and whose slots, all differ."""
    names = ("c", "a", "b")  # which are not in the order of their names
    parts = [layers.Dense(n, use_bias=False, name=name) for n, name in zip((3, 5, 2), names)]
    model = keras.Sequential([keras.Input((4,)), *parts])
    model.compile(optimizer, "mse")
    model.optimizer.build(model.trainable_variables)
    for i, v in enumerate(model.optimizer.variables):
        if v.shape:
            v.assign(np.full(v.shape, float(i)))
    model.optimizer.variables[0].assign(7)
    return model


def rewritten(model, path, arrays, class_name="Adam", **config):
    """Saves a model as `.h5`, with the optimizer as an older version would have written it."""
    model.save(path)
    with h5py.File(path, "a") as file:
        file.attrs["keras_version"] = "2.0.5"
        old = json.loads(file.attrs["model_config"])
        for layer in old["config"]["layers"]:
            if "batch_shape" in layer["config"]:
                layer["config"]["batch_input_shape"] = layer["config"].pop("batch_shape")
        file.attrs["model_config"] = json.dumps(old)
        settings = json.loads(file.attrs["training_config"])
        settings["optimizer_config"] = {"class_name": class_name, "config": config}
        file.attrs["training_config"] = json.dumps(settings)
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        group.attrs["weight_names"] = np.array(list(arrays), "S")
        for name, array in arrays.items():
            group[name] = array


def check_slots(path, model):
    loaded = keras.models.load_model(path)
    for a, b in zip(loaded.optimizer.variables, model.optimizer.variables, strict=True):
        if a.shape:
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    return loaded.optimizer


def test_adam_of_keras_2_3(tmp_path):
    """All m, then all v, then placeholders where there is no vhat."""
    model = trained(keras.optimizers.Adam())
    slots = [v.numpy() for v in model.optimizer.variables[2:]]
    arrays = {"Adam/iterations:0": np.float32(7)}
    arrays |= {f"training/Adam/m_{i}:0": a for i, a in enumerate(slots[::2])}
    arrays |= {f"training/Adam/v_{i}:0": a for i, a in enumerate(slots[1::2])}
    arrays |= {f"training/Adam/vhat_{i}:0": np.zeros(1) for i in range(3)}
    rewritten(model, tmp_path / "old.h5", arrays, lr=0.5, decay=0.0, epsilon=None)
    optimizer = check_slots(tmp_path / "old.h5", model)
    assert (int(optimizer.iterations), float(optimizer.learning_rate)) == (7, 0.5)


def test_adam_of_keras_2_0(tmp_path):
    """Without telling names, and with the variables sorted by theirs."""
    model = trained(keras.optimizers.Adam())
    slots = [v.numpy() for v in model.optimizer.variables[2:]]
    m, v = slots[::2], slots[1::2]
    by_name = [1, 2, 0]
    order = [*(m[i] for i in by_name), *(v[i] for i in by_name)]
    arrays = {"iterations_1:0": np.float32(7)}
    arrays |= {f"Variable_{i}:0": a for i, a in enumerate(order)}
    rewritten(model, tmp_path / "old.h5", arrays, lr=0.5)
    assert int(check_slots(tmp_path / "old.h5", model).iterations) == 7


def test_rmsprop_of_keras_2_0(tmp_path):
    """Which did not keep its iterations."""
    model = trained(keras.optimizers.RMSprop())
    slots = [v.numpy() for v in model.optimizer.variables[2:]]
    arrays = {f"Variable_{i}:0": slots[j] for i, j in enumerate([1, 2, 0])}
    rewritten(model, tmp_path / "old.h5", arrays, "RMSprop", lr=0.5, rho=0.9)
    assert check_slots(tmp_path / "old.h5", model).rho == 0.9


def test_sgd_of_tensorflow_keeps_slots_it_does_not_use(tmp_path):
    model = trained(keras.optimizers.SGD())
    arrays = {"iteration:0": np.int64(7)}
    arrays |= {f"SGD/m/{w.path}:0": np.zeros(w.shape, "float32") for w in model.weights}
    rewritten(model, tmp_path / "old.h5", arrays, "Custom>SGD", learning_rate=0.5, momentum=0.0)
    optimizer = check_slots(tmp_path / "old.h5", model)
    assert (int(optimizer.iterations), float(optimizer.learning_rate)) == (7, 0.5)


def test_objects_of_compile():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    fn = {"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "binary_accuracy"}}
    loss = {"reduction": "auto", "name": "bce", "fn": "binary_crossentropy", "from_logits": True}
    compile_configs.compile_model(
        model,
        {
            "optimizer_config": {"class_name": "Custom>Adam", "config": {"is_legacy_optimizer": 0}},
            "loss": {"class_name": "BinaryCrossentropy", "config": loss},
            "metrics": [[fn]],
            "sample_weight_mode": None,
        },
    )
    settings = model.get_compile_config()
    assert settings["loss"]["config"]["reduction"] == "sum_over_batch_size"
    assert settings["loss"]["config"]["from_logits"] is True
    assert settings["metrics"][0][0]["class_name"] == "BinaryAccuracy"
    assert settings["metrics"][0][0]["config"]["name"] == "acc"
